//! The pool's books: work that counts for the next block, blocks found, and what everybody is owed. Pure.
//!
//! Whether a block found counts is the chain's to say: a block that a reorganisation has undone earns nothing, and
//! its round's work counts again. After [`CONFIRMATIONS`] it is settled for good.

use super::payout::{Balances, Plan, Scheme, Terms, User, Weights, units};
use chain_spec::{Amount, BlockHash};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::sync::Arc;

/// Blocks on top of a found block after which no reorganisation is followed any more.
pub const CONFIRMATIONS: u32 = 100;
/// Slices of work that are kept; in a busy pool each is a second's. The oldest are dropped beyond.
const SLICES_MAX: usize = 500_000;
/// Settled blocks that are kept to be shown.
const SETTLED_BLOCKS_SHOWN: usize = 100;

/// Work that was done in about one second.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slice {
    /// Unix seconds.
    pub at_s: u64,
    /// By user, in expected hashes.
    pub work: Vec<(User, u128)>,
}

impl Slice {
    fn total(&self) -> u128 {
        self.work.iter().map(|(_, work)| work).sum()
    }
}

/// A block that the pool's miners found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundBlock {
    /// Its hash.
    pub hash: BlockHash,
    /// Its height.
    pub height: u32,
    /// When, Unix seconds.
    pub found_s: u64,
    /// Which worker found it.
    pub worker: String,
    /// What it pays.
    pub plan: Arc<Plan>,
    /// Whether it is in the active chain; asked again at every tip, so not kept on disk.
    #[serde(skip)]
    pub is_active: bool,
}

/// The books. What is kept on disk is the whole of it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Books {
    /// The last work, oldest first, as far as the window of the last share may reach.
    slices: VecDeque<Slice>,
    /// Work in the slices.
    sliced: u128,
    /// All work that settled blocks have not paid.
    round: Weights,
    /// Balances by settled blocks.
    settled: Balances,
    /// Blocks that may still be undone.
    open: Vec<FoundBlock>,
    /// The newest settled blocks, whose plans are dropped.
    closed: VecDeque<FoundBlock>,
    /// How many blocks were settled.
    closed_total: u64,
}

impl Books {
    /// Notes work. `window` is how much of the last work PPLNS counts, in expected hashes.
    pub fn add_work(&mut self, slice: Slice, window: u128) {
        for (user, work) in &slice.work {
            let round = self.round.entry(*user).or_default();
            *round = round.saturating_add(*work);
        }
        self.sliced = self.sliced.saturating_add(slice.total());
        self.slices.push_back(slice);
        while let Some(oldest) = self.slices.front().map(Slice::total) {
            let rest = self.sliced.saturating_sub(oldest);
            if rest < window && self.slices.len() <= SLICES_MAX {
                break;
            }
            self.slices.pop_front();
            self.sliced = rest;
        }
    }

    /// What counts for the next block.
    pub fn weights(&self, scheme: Scheme, window: u128) -> Weights {
        match scheme {
            Scheme::Solo => Weights::new(),
            Scheme::Proportional => self.round_weights(),
            Scheme::Pplns => self.window_weights(window),
        }
    }

    fn round_weights(&self) -> Weights {
        let mut weights = self.round.clone();
        for (user, paid) in self.open.iter().filter(|block| block.is_active).flat_map(|block| &block.plan.weights) {
            if let Some(weight) = weights.get_mut(user) {
                *weight = weight.saturating_sub(*paid);
            }
        }
        weights.retain(|_, weight| *weight > 0);
        weights
    }

    fn window_weights(&self, window: u128) -> Weights {
        let (mut weights, mut left) = (Weights::new(), window.max(1));
        for slice in self.slices.iter().rev() {
            let total = slice.total();
            // Of the slice in which the window begins, everybody's work counts for the part that is inside.
            let inside = left.min(total);
            for (user, work) in &slice.work {
                let counted = if inside == total { *work } else { scaled(*work, inside, total) };
                let weight = weights.entry(*user).or_default();
                *weight = weight.saturating_add(counted);
            }
            left -= inside;
            if left == 0 {
                break;
            }
        }
        weights.retain(|_, weight| *weight > 0);
        weights
    }

    /// What everybody has earned and not been paid, by the blocks that count now.
    pub fn balances(&self) -> Balances {
        let mut balances = self.settled.clone();
        for block in self.open.iter().filter(|block| block.is_active) {
            apply(&mut balances, &block.plan);
        }
        balances.retain(|_, units| *units != 0);
        balances
    }

    /// What the next block pays; none where each session's own user is paid: with the scheme solo, and before the
    /// first share.
    pub fn plan(&self, reward: Amount, terms: &Terms, window: u128) -> Option<Plan> {
        let weights = self.weights(terms.scheme, window);
        (!weights.is_empty()).then(|| Plan::split(reward, &weights, &self.balances(), terms))
    }

    /// Notes a block before it is submitted; it counts from when the chain has it.
    pub fn add_block(&mut self, block: FoundBlock) {
        if self.open.iter().all(|known| known.hash != block.hash) {
            self.open.push(block);
        }
    }

    /// Blocks whose place in the chain may change.
    pub fn open_blocks(&self) -> &[FoundBlock] {
        &self.open
    }

    /// Settled blocks, oldest first, and how many there were in all.
    pub fn settled_blocks(&self) -> (&VecDeque<FoundBlock>, u64) {
        (&self.closed, self.closed_total)
    }

    /// The chain has another tip: `is_active` says of each open block whether it is in the active chain.
    pub fn follow(&mut self, tip_height: u32, is_active: impl Fn(&FoundBlock) -> bool) {
        for block in &mut self.open {
            block.is_active = is_active(block);
        }
        let is_settled = |block: &FoundBlock| block.height.saturating_add(CONFIRMATIONS) <= tip_height;
        for block in self.open.extract_if(.., |block| is_settled(block)) {
            if !block.is_active {
                continue;
            }
            apply(&mut self.settled, &block.plan);
            for (user, paid) in &block.plan.weights {
                if let Some(weight) = self.round.get_mut(user) {
                    *weight = weight.saturating_sub(*paid);
                }
            }
            self.closed.push_back(FoundBlock { plan: Arc::default(), ..block });
            self.closed_total += 1;
        }
        self.round.retain(|_, weight| *weight > 0);
        self.settled.retain(|_, units| *units != 0);
        let surplus = self.closed.len().saturating_sub(SETTLED_BLOCKS_SHOWN);
        self.closed.drain(..surplus);
    }
}

fn apply(balances: &mut Balances, plan: &Plan) {
    for (user, amount) in &plan.earned {
        *balances.entry(*user).or_default() += units(*amount);
    }
    for (user, amount) in &plan.outputs {
        *balances.entry(*user).or_default() -= units(*amount);
    }
}

/// `work × inside / total`, rounded down.
fn scaled(work: u128, inside: u128, total: u128) -> u128 {
    // A second's work has far fewer than 64 bits on any chain that a pool of this kind serves; more loses its last
    // bits.
    let shift = total.max(1).ilog2().saturating_sub(63);
    let part = (work >> shift) * (inside >> shift) / (total >> shift).max(1);
    part << shift
}

#[cfg(test)]
mod tests {
    use super::super::payout::tests::user;
    use super::*;

    fn terms(scheme: Scheme) -> Terms {
        Terms { scheme, fee_basis_points: 0, outputs_max: 10, operator: user(0) }
    }

    fn slice(at_s: u64, work: &[(u8, u128)]) -> Slice {
        Slice { at_s, work: work.iter().map(|(number, work)| (user(*number), *work)).collect() }
    }

    fn found(number: u8, height: u32, plan: Plan) -> FoundBlock {
        FoundBlock {
            hash: BlockHash::from_bytes([number; 32]),
            height,
            found_s: 0,
            worker: "w".into(),
            plan: Arc::new(plan),
            is_active: false,
        }
    }

    const REWARD: Amount = Amount::from_units(1_000_000);

    #[test]
    fn pplns_counts_the_last_work_only_and_cuts_the_slice_at_its_edge() {
        let mut books = Books::default();
        books.add_work(slice(1, &[(1, 500), (2, 500)]), 1_000);
        books.add_work(slice(2, &[(2, 600)]), 1_000);
        books.add_work(slice(3, &[(3, 200)]), 1_000);
        let weights = books.weights(Scheme::Pplns, 1_000);
        assert_eq!(weights, Weights::from([(user(1), 100), (user(2), 700), (user(3), 200)]));
        books.add_work(slice(4, &[(3, 800)]), 1_000);
        let weights = books.weights(Scheme::Pplns, 1_000);
        assert_eq!(weights, Weights::from([(user(3), 1_000)]), "the first slices are gone");
        assert!(books.slices.len() <= 2, "what no window reaches is not kept: {:?}", books.slices);
    }

    /// A hopper who leaves when a round gets old loses nothing by it with PPLNS, and cheats the others
    /// proportionally: the example of Rosenfeld, "Analysis of Bitcoin Pooled Mining Reward Systems" (2011), sections
    /// 2.1 and 3.
    #[test]
    fn a_block_ends_a_proportional_round_and_not_a_window() {
        let mut books = Books::default();
        books.add_work(slice(1, &[(1, 300), (2, 100)]), 1_000);
        let plan = books.plan(REWARD, &terms(Scheme::Proportional), 1_000).unwrap();
        assert_eq!(plan.outputs, [(user(1), Amount::from_units(750_000)), (user(2), Amount::from_units(250_000))]);
        books.add_work(slice(2, &[(2, 50)]), 1_000);
        books.add_block(found(1, 10, plan));
        assert_eq!(books.weights(Scheme::Proportional, 0).len(), 2, "no block counts before the chain has it");
        books.follow(10, |_| true);
        assert_eq!(books.weights(Scheme::Proportional, 0), Weights::from([(user(2), 50)]), "what came after the plan");
        assert_eq!(books.weights(Scheme::Pplns, 1_000), Weights::from([(user(1), 300), (user(2), 150)]));
    }

    #[test]
    fn a_block_that_is_undone_earns_nothing_and_its_work_counts_again() {
        let mut books = Books::default();
        books.add_work(slice(1, &[(1, 300), (2, 100)]), 1_000);
        let terms = Terms { outputs_max: 2, ..terms(Scheme::Proportional) };
        let plan = books.plan(REWARD, &terms, 1_000).unwrap();
        books.add_block(found(1, 10, plan));
        books.follow(10, |_| true);
        let held = books.balances();
        assert_eq!(held, Balances::from([(user(0), -250_000), (user(2), 250_000)]));
        books.follow(11, |_| false);
        assert_eq!(books.balances(), Balances::new());
        assert_eq!(books.weights(Scheme::Proportional, 0), Weights::from([(user(1), 300), (user(2), 100)]));
        books.follow(12, |_| true);
        assert_eq!(books.balances(), held, "and again when it comes back");
        books.follow(10 + CONFIRMATIONS, |_| true);
        assert_eq!((books.balances(), books.open.len(), books.closed_total), (held, 0, 1));
        assert_eq!(books.weights(Scheme::Proportional, 0), Weights::new());
    }

    #[test]
    fn before_the_first_share_and_in_solo_there_is_no_common_plan() {
        let mut books = Books::default();
        for scheme in [Scheme::Proportional, Scheme::Pplns, Scheme::Solo] {
            assert_eq!(books.plan(REWARD, &terms(scheme), 100), None);
        }
        books.add_work(slice(1, &[(1, 1)]), 100);
        assert_eq!(books.plan(REWARD, &terms(Scheme::Solo), 100), None);
    }

    #[test]
    fn books_are_read_back_as_they_were() {
        let mut books = Books::default();
        books.add_work(slice(1, &[(1, 1 << 90), (2, 100)]), 1 << 100);
        let plan = books.plan(REWARD, &terms(Scheme::Pplns), 1 << 100).unwrap();
        books.add_block(found(1, 10, plan));
        let text = serde_json::to_string(&books).unwrap();
        let read: Books = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), text);
    }
}
