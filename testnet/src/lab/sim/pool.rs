//! Pool hopping and block withholding against our own pool's books ([`node::shell::stratum::books`]): work is added, blocks are found by
//! draws, and the books say whom each block pays. Beside them the formulas of [`crate::lab::theory::pool`].
//!
//! Time goes in steps of a small part of a block's work. A run is a pool of its own that finds [`BLOCKS`] blocks; the first
//! [`WARM_UP`] only fill the window of the last work.

use super::random::{derive_seed, uniform};
use crate::lab::theory::estimate::{Estimate, Moments};
use crate::lab::theory::pool::Withholding;
use chain_spec::{Address, Amount, BlockHash};
use node::shell::stratum::books::{Books, FoundBlock, Slice};
use node::shell::stratum::payout::{Scheme, Terms, User};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng as _;
use rayon::prelude::*;
use std::sync::Arc;

/// Blocks of a run.
const BLOCKS: u32 = 60;
/// Blocks of a run before anything is counted.
const WARM_UP: u32 = 10;
/// Steps that a block takes on average.
const STEPS: u32 = 1_000;
/// Expected hashes of a step of the whole network, or of the pool's members.
const STEP_WORK: u128 = 1_000_000;
/// A block's reward, units.
const REWARD: Amount = Amount::from_units(5_000_000_000);

/// How a pool pays.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PoolRules {
    /// The scheme.
    pub scheme: Scheme,
    /// With PPLNS, how much of the last work counts, in the work of one block.
    pub window: f64,
}

/// Who does what.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Game {
    /// A hopper leaves a round for honest mining elsewhere when its work is so many times a block's.
    Hopping {
        /// The hopper's part of the pool's hash rate while in it, in (0, 1).
        part: f64,
        /// The age at which a round is left, in the work of one block.
        hop_at: f64,
    },
    /// A miner of the network withholds what a part of its machines finds in a pool.
    Withholding(Withholding),
}

/// What runs came to.
#[derive(Clone, Copy, Debug)]
pub struct Earned {
    /// Hopping: the hopper's income for each hash, as a multiple of honest mining. Withholding: the miner's part of all rewards.
    pub attacker: Estimate,
    /// The same for the others in the pool: their income for each hash, as a multiple of what they would have without the attacker.
    pub members: Estimate,
}

/// A pool in which somebody cheats.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PoolExperiment {
    /// The pool.
    pub rules: PoolRules,
    /// The cheating.
    pub game: Game,
}

/// A part and a whole, for the attacker and for the members.
type Sums = [(f64, f64); 2];

/// The two who are paid: the pool's members together, and the attacker.
fn users() -> [User; 2] {
    [1, 2].map(|number| User::of(&Address { version: 0, public_key_hash: [number; 20] }))
}

/// The books, with heights for the blocks that are found.
struct Pool {
    books: Books,
    terms: Terms,
    window: u128,
    height: u32,
    seconds: u64,
    round: u128,
}

impl Pool {
    fn new(rules: PoolRules, block_work: u128) -> Pool {
        let operator = User::of(&Address { version: 0, public_key_hash: [0; 20] });
        Pool {
            books: Books::default(),
            terms: Terms { scheme: rules.scheme, fee_basis_points: 0, outputs_max: 10, operator },
            window: (rules.window * block_work as f64) as u128,
            height: 0,
            seconds: 0,
            round: 0,
        }
    }

    fn work(&mut self, members: u128, attacker: u128) {
        let [others, own] = users();
        let work = [(others, members), (own, attacker)].into_iter().filter(|(_, work)| *work > 0).collect();
        self.seconds += 1;
        self.round += members + attacker;
        self.books.add_work(Slice { at_s: self.seconds, work }, self.window);
    }

    /// A block: what it pays the members and the attacker, as parts of the reward.
    fn block(&mut self) -> [f64; 2] {
        let Some(plan) = self.books.plan(REWARD, &self.terms, self.window) else { return [0.0, 0.0] };
        let part = |user: User| -> f64 {
            let earned = plan.earned.iter().filter(|(paid, _)| *paid == user);
            earned.map(|(_, amount)| amount.units() as f64 / REWARD.units() as f64).sum()
        };
        let paid = users().map(part);
        self.height += 1;
        self.round = 0;
        let mut hash = [0; 32];
        hash[..4].copy_from_slice(&self.height.to_le_bytes());
        let block = FoundBlock {
            hash: BlockHash::from_bytes(hash),
            height: self.height,
            found_s: self.seconds,
            worker: "worker".into(),
            plan: Arc::new(plan),
            is_active: true,
        };
        self.books.add_block(block);
        self.books.follow(self.height, |_| true);
        paid
    }
}

impl PoolExperiment {
    /// What is played, for the seeds of its runs.
    pub fn name(&self) -> String {
        format!("pool {self:?}")
    }

    /// Plays it `runs` times on `threads` threads, with seeds derived from `seed`.
    pub fn play(&self, runs: u32, seed: u64, threads: usize) -> anyhow::Result<Earned> {
        let name = self.name();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
        let run = |run: u32| {
            let mut random = ChaCha8Rng::seed_from_u64(derive_seed(seed, &name, u64::from(run)));
            match self.game {
                Game::Hopping { part, hop_at } => self.hopping(part, hop_at, &mut random),
                Game::Withholding(game) => self.withholding(&game, &mut random),
            }
        };
        let played: Vec<Sums> = pool.install(|| (0..runs).into_par_iter().map(run).collect());
        let ratio = |who: usize| played.iter().map(|sums| sums[who]).collect::<Moments>().ratio();
        Ok(Earned { attacker: ratio(0), members: ratio(1) })
    }

    /// One pool with a hopper: what hopper and members earned, in the work that honest mining takes for it, and the work they did.
    fn hopping(&self, part: f64, hop_at: f64, random: &mut ChaCha8Rng) -> Sums {
        let block_work = STEP_WORK * u128::from(STEPS);
        let mut pool = Pool::new(self.rules, block_work);
        let hopper = part / (1.0 - part);
        let hopper_work = (hopper * STEP_WORK as f64) as u128;
        let (mut own, mut others) = ((0.0, 0.0), (0.0, 0.0));
        while pool.height < BLOCKS {
            let counts = pool.height >= WARM_UP;
            let is_in = (pool.round as f64) < hop_at * block_work as f64;
            pool.work(STEP_WORK, if is_in { hopper_work } else { 0 });
            if counts {
                own.1 += hopper;
                own.0 += if is_in { 0.0 } else { hopper };
                others.1 += 1.0;
            }
            let rate = if is_in { 1.0 + hopper } else { 1.0 };
            if uniform(random) * f64::from(STEPS) <= rate {
                let [members, attacker] = pool.block();
                if counts {
                    own.0 += attacker * f64::from(STEPS);
                    others.0 += members * f64::from(STEPS);
                }
            }
        }
        [own, others]
    }

    /// One network with a pool in which blocks are withheld: the attacker's rewards and all; the members' rewards and what they would be by
    /// their share.
    fn withholding(&self, game: &Withholding, random: &mut ChaCha8Rng) -> Sums {
        let pool_share = game.pool + game.infiltrating;
        let block_work = (STEP_WORK as f64 * f64::from(STEPS)) as u128;
        let mut pool = Pool::new(self.rules, block_work);
        let work = |share: f64| (share / pool_share * STEP_WORK as f64) as u128;
        let (mut own, mut members, mut all) = (0.0, 0.0, 0.0);
        while pool.height < BLOCKS {
            // A step is one of the pool's; the network's others have as many draws more.
            pool.work(work(game.pool), work(game.infiltrating));
            let counts = pool.height >= WARM_UP;
            let draw = uniform(random) * f64::from(STEPS) * pool_share;
            let solo = game.share - game.infiltrating;
            let mut found = |attacker: f64, others: f64| {
                if counts {
                    own += attacker;
                    members += others;
                    all += 1.0;
                }
            };
            // Blocks that the infiltrating machines find are withheld: draws between these parts and the pool's share find nothing.
            if draw <= game.pool {
                let [others, attacker] = pool.block();
                found(attacker, others);
            } else if draw <= game.pool + solo {
                found(1.0, 0.0);
            } else if draw <= 1.0 - game.infiltrating {
                found(0.0, 0.0);
            }
        }
        [(own, all), (members, all * game.pool)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::theory::pool::{HOP_AT, hopped, hopping};

    fn earned(scheme: Scheme, game: Game, runs: u32) -> Earned {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        PoolExperiment { rules: PoolRules { scheme, window: 2.0 }, game }.play(runs, 5, threads).unwrap()
    }

    #[test]
    fn hopping_a_proportional_pool_earns_what_rosenfeld_says_and_pplns_nothing() {
        for (part, hop_at) in [(0.01, HOP_AT), (0.3, HOP_AT), (0.1, 1.0)] {
            let played = earned(Scheme::Proportional, Game::Hopping { part, hop_at }, 60);
            let z = played.attacker.z(hopping(part, hop_at)).unwrap();
            let members = played.members.z(hopped(part, hop_at)).unwrap();
            assert!(z.abs() < 4.0 && members.abs() < 4.0, "{part} {hop_at}: {played:?}, z {z} and {members}");
        }
        let played = earned(Scheme::Pplns, Game::Hopping { part: 0.05, hop_at: HOP_AT }, 60);
        assert!((played.attacker.value - 1.0).abs() < 0.06, "{played:?}");
    }

    #[test]
    fn withholding_blocks_earns_what_the_formula_says_with_every_scheme() {
        let game = Withholding::best(0.3, 0.2);
        for scheme in [Scheme::Proportional, Scheme::Pplns] {
            let played = earned(scheme, Game::Withholding(game), 100);
            let (z, members) = (played.attacker.z(game.after()).unwrap(), played.members.z(game.members()).unwrap());
            assert!(z.abs() < 4.0 && members.abs() < 4.0, "{scheme:?}: {played:?} {game:?}, z {z} and {members}");
        }
    }
}
