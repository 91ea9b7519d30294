//! What an attacker decides: one trait, one small file a strategy.
//!
//! A [`Strategy`] is asked two things: what to mine ([`Strategy::goal`]) and what to do after something was seen or found
//! ([`Strategy::after`]). It never touches a message: [`attacker::Attacker`] wraps a node's core, hides the blocks the
//! strategy keeps to itself, and publishes what it is told to. The same file therefore runs in the simulator and in a live
//! process. `docs/strategies.md` walks through adding one.

pub mod attacker;
pub mod censor;
pub mod double_spend;
pub mod extort;
pub mod halt;
pub mod lazy;
pub mod selfish;
pub mod timewarp;
pub mod undo;
pub mod withholding;

use crate::lab::theory::retarget::Cycle;
use crate::lab::theory::revenue::{self, LENGTH_MAX, Process};
use crate::lab::theory::withholding::{Named, Policy};
use chain_spec::{Address, Amount, Block, BlockHash, ChainSpec, CheckedBlock, CheckedTransaction, Script, Transaction};
use node::core::Core;
use node::core::summary::Summary;
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// What a strategy may look at.
pub struct AttackerView<'a> {
    /// The attacker's own node, secret blocks included.
    pub core: &'a Core,
    fresh: &'a FreshBlocks,
    /// The tip that everybody else mines on, as far as this node has heard; never a branch the strategy refuses.
    pub public: Summary,
    /// The tip of the attacker's own branch, published or not, while the public one does not include it.
    pub own: Option<Summary>,
}

/// Blocks that the node has just taken in and its store does not have yet.
pub type FreshBlocks = FxHashMap<BlockHash, Arc<CheckedBlock>>;

impl<'a> AttackerView<'a> {
    /// What an attacker with this core sees, with `public` as everybody's tip and `own` as the tip of the attacker's branch. A
    /// tip that the core does not know is its active one.
    pub fn new(core: &'a Core, fresh: &'a FreshBlocks, public: BlockHash, own: Option<BlockHash>) -> AttackerView<'a> {
        let public = core.summary(&public).unwrap_or_else(|| core.tip());
        AttackerView { core, fresh, public, own: own.and_then(|own| core.summary(&own)) }
    }

    /// Blocks the attacker's own branch is ahead of the public one; negative when behind, 0 when there is none.
    pub fn lead(&self) -> i64 {
        self.own.as_ref().map_or(0, |own| i64::from(own.height) - i64::from(self.public.height))
    }

    /// The height of the last block that the branch ending with `tip` shares with the public one.
    pub fn fork_height(&self, tip: &Summary) -> u32 {
        let (mut a, mut b) = (Some(tip.clone()), Some(self.public.clone()));
        while let (Some(one), Some(other)) = (&a, &b) {
            if one.hash == other.hash {
                return one.height;
            }
            let (one_height, other_height) = (one.height, other.height);
            if one_height >= other_height {
                a = self.core.summary(&one.header.previous);
            }
            if other_height >= one_height {
                b = self.core.summary(&other.header.previous);
            }
        }
        0
    }

    /// What ends an attack with the most gain: publish the own branch if it is ahead, give it up if not.
    pub fn cash_in(&self) -> Vec<Action> {
        match &self.own {
            Some(own) if self.lead() > 0 => vec![Action::Publish(own.hash)],
            Some(_) => vec![Action::Abandon],
            None => Vec::new(),
        }
    }

    /// Whether `block` is on the branch that ends with `tip`.
    pub fn contains(&self, tip: &Summary, block: &BlockHash) -> bool {
        let Some(block) = self.core.summary(block) else { return false };
        self.ancestor(tip, block.height).is_some_and(|ancestor| ancestor.hash == block.hash)
    }

    /// The block at `height` on the branch that ends with `tip`.
    pub fn ancestor(&self, tip: &Summary, height: u32) -> Option<Summary> {
        let mut at = tip.clone();
        while at.height > height {
            if at.active {
                return self.core.active_hash(height).and_then(|hash| self.core.summary(&hash));
            }
            at = self.core.summary(&at.header.previous)?;
        }
        (at.height == height).then_some(at)
    }

    /// A block this node has, the body included.
    pub fn block(&self, hash: &BlockHash) -> Option<Arc<Block>> {
        if let Some(fresh) = self.fresh.get(hash) {
            return Some(Arc::clone(fresh.block()));
        }
        // A block that cannot be read back is the store's failure; the core reports it at its next own read.
        self.core.block(hash).ok().flatten()
    }
}

/// What to mine next.
#[derive(Clone, Debug)]
pub struct MiningGoal {
    /// On which block.
    pub parent: BlockHash,
    /// With which transactions.
    pub content: Content,
    /// Whether a block found this way is kept secret.
    pub secret: bool,
    /// Header time to use instead of the honest one, Unix seconds.
    pub time_s: Option<u32>,
}

impl MiningGoal {
    /// As an honest miner would: on the public tip, with the best-paying transactions, at once published.
    pub fn honest(view: &AttackerView<'_>) -> MiningGoal {
        MiningGoal { parent: view.public.hash, content: Content::Mempool, secret: false, time_s: None }
    }
}

/// The transactions of a block to be mined.
#[derive(Clone, Debug)]
pub enum Content {
    /// What pays best, as an honest miner. Only where the parent is the node's active tip; elsewhere the block is empty.
    Mempool,
    /// What pays best, without transactions that pay to or spend from a script, or anything that hangs on them.
    MempoolWithout(Script),
    /// These, which are valid on the parent. What they leave to the miner is not claimed unless they are in the mempool.
    Exactly(Vec<Arc<CheckedTransaction>>),
    /// Those of a block that is undone, and what they leave to the miner.
    Again {
        /// Valid on the parent.
        transactions: Vec<Arc<CheckedTransaction>>,
        /// What they leave.
        fees: Amount,
    },
}

/// Something a strategy is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The attacker found a block.
    Found(BlockHash),
    /// The public tip changed.
    Public(BlockHash),
    /// A command from the lab.
    Command(Command),
    /// Time passed.
    Tick,
}

/// What the lab tells a strategy while it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// This payment goes out now; that transaction spends the same coins.
    Pay {
        /// What the shop is to see.
        paid: Arc<Transaction>,
        /// What is to replace it.
        conflicting: Arc<CheckedTransaction>,
    },
    /// The shop has shipped: the goods are here.
    Shipped,
    /// Stop attacking: publish what is secret if that wins, give it up if not, and mine as everybody does. The wrapper does
    /// this for every strategy.
    Stop,
}

/// What a strategy wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Publish a secret block and all it stands on.
    Publish(BlockHash),
    /// Give a transaction to the network as any user would.
    Submit(Arc<Transaction>),
    /// Forget the own branch and mine on the public tip again.
    Abandon,
}

/// Decides for an attacker. Only facts it was shown may enter a decision, so that a run repeats by its seed.
pub trait Strategy: Send {
    /// Its name on the command line.
    fn name(&self) -> &'static str;
    /// What to mine at this moment.
    fn goal(&self, view: &AttackerView<'_>) -> MiningGoal;
    /// What to do after something happened.
    fn after(&mut self, _event: &Event, _view: &AttackerView<'_>) -> Vec<Action> {
        Vec::new()
    }
    /// How it stands, in one line for people.
    fn state(&self, view: &AttackerView<'_>) -> String;
    /// Whether it has ended, and how: `Some(true)` if it reached its goal.
    fn ended(&self) -> Option<bool> {
        None
    }
    /// Whether blocks that others published are passed on to peers. Who races others' blocks does not carry them.
    fn forwards(&self, _view: &AttackerView<'_>) -> bool {
        true
    }
    /// Whether a block others published is to be built on. A majority that refuses a block buries it.
    fn accepts(&self, _block: &BlockHash, _view: &AttackerView<'_>) -> bool {
        true
    }
}

/// What strategies may need when they are made; each takes what concerns it.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// How a double spend is played.
    pub plan: double_spend::Plan,
    /// Whose payments are censored: an address.
    pub target: Option<&'a str>,
    /// The chain.
    pub spec: &'a ChainSpec,
    /// The attacker's share of the hash rate, for the best policy.
    pub share: f64,
    /// The part of the others that mines on the attacker's block in a tie, for the best policy.
    pub gamma: f64,
}

/// The names [`make`] knows.
pub const NAMES: [&str; 13] = [
    "double-spend",
    "censor",
    "halt",
    "extort",
    "feather-fork",
    "fee-snipe",
    "selfish",
    "optimal-selfish",
    "lead-stubborn",
    "equal-fork-stubborn",
    "trail-stubborn",
    "timewarp",
    "lazy",
];

/// The policy of a strategy that withholds blocks for revenue by name, as theory knows it; `None` for other strategies.
pub fn policy(name: &str, share: f64, gamma: f64) -> Option<Box<dyn Policy + Send>> {
    let stubborn = |lead, equal_fork, trail| Box::new(Named::Stubborn { lead, equal_fork, trail });
    Some(match name {
        "selfish" => Box::new(Named::Selfish),
        "lead-stubborn" => stubborn(true, false, 0),
        "equal-fork-stubborn" => stubborn(false, true, 0),
        "trail-stubborn" => stubborn(false, false, 1),
        // A majority wins every race, so never to give up is best: what selfish mining then does.
        "optimal-selfish" if share >= 0.5 => Box::new(Named::Selfish),
        "optimal-selfish" => Box::new(Process { share, gamma, length_max: LENGTH_MAX }.optimum().table),
        _ => return None,
    })
}

/// Blocks behind at which one who undoes a block gives up, unless told otherwise.
pub const UNDO_GIVE_UP_DEFAULT: u32 = 2;
/// The demo account that an extorter's tribute goes to.
const EXTORTER: &str = "mallory";

/// Races that last longer than the process is followed have this probability at most, of those that begin.
const VALUE_TAIL: f64 = 1e-3;
/// Branches are followed to this length at least and at most: beyond a share of 0.45 the longest races are left out.
const VALUE_LENGTHS: (f64, f64) = (120.0, 700.0);

/// How far a policy is followed for its value in theory. A race in which nobody has won lasts for n blocks on each side with a probability
/// of the order of (4pq)ⁿ. At the border a policy cashes in, which a stubborn one would not: cut too soon, its value comes out too high.
fn value_length(share: f64) -> u32 {
    let blocks = VALUE_TAIL.ln() / (4.0 * share * (1.0 - share)).ln();
    blocks.ceil().clamp(VALUE_LENGTHS.0, VALUE_LENGTHS.1) as u32
}

/// Long-run revenue, in theory, of a strategy that withholds blocks, by name: a closed form where there is one. A majority earns
/// everything but by laziness.
pub fn revenue_in_theory(name: &str, share: f64, gamma: f64) -> f64 {
    match name {
        "lazy" => revenue::lazy(share),
        _ if share >= 0.5 => 1.0,
        "selfish" => revenue::selfish(share, gamma),
        _ => policy(name, share, gamma).map_or(share, |policy| {
            let length_max = if name == "optimal-selfish" { LENGTH_MAX } else { value_length(share) };
            Process { share, gamma, length_max }.revenue(policy.as_ref())
        }),
    }
}

/// Expected blocks of a cycle of a strategy that withholds blocks, by name; `None` where there is no cycle that theory knows: for a
/// majority, and for strategies of another kind.
pub fn cycle_in_theory(name: &str, share: f64, gamma: f64) -> Option<Cycle> {
    if share >= 0.5 {
        return None;
    }
    if name == "selfish" {
        return Some(Cycle::selfish(share, gamma));
    }
    let policy = policy(name, share, gamma)?;
    let length_max = if name == "optimal-selfish" { LENGTH_MAX } else { value_length(share) };
    let process = Process { share, gamma, length_max };
    let settled = process.cycle(policy.as_ref());
    let found = process.duration(policy.as_ref());
    Some(Cycle { own: settled.own, chain: settled.own + settled.public, found })
}

/// The strategy called `name`, or a sentence that says why not.
pub fn make(name: &str, options: &Options<'_>) -> Result<Box<dyn Strategy>, String> {
    let withholding = |name| {
        let policy = policy(name, options.share, options.gamma);
        policy.map(|policy| Box::new(withholding::Withholding::new(name, policy)))
    };
    Ok(match name {
        "double-spend" => Box::new(double_spend::DoubleSpend::new(options.plan)),
        "selfish" => Box::<selfish::Selfish>::default(),
        "lazy" => Box::new(lazy::Lazy),
        "halt" => Box::new(halt::Halt),
        "censor" => {
            let target = options.target.ok_or("censor needs --target ADDRESS")?;
            let address =
                Address::parse(target, options.spec).map_err(|error| format!("--target {target}: {error}"))?;
            Box::new(censor::Censor::new(address.script()))
        }
        "feather-fork" => {
            let target = options.target.ok_or("feather-fork needs --target ADDRESS")?;
            let address =
                Address::parse(target, options.spec).map_err(|error| format!("--target {target}: {error}"))?;
            let give_up = options.plan.give_up.unwrap_or(UNDO_GIVE_UP_DEFAULT);
            Box::new(undo::Undo::new("feather-fork", undo::UndoneBlocks::Concerns(address.script()), give_up))
        }
        "fee-snipe" => {
            let give_up = options.plan.give_up.unwrap_or(UNDO_GIVE_UP_DEFAULT);
            Box::new(undo::Undo::new("fee-snipe", undo::UndoneBlocks::FeesOfSubsidy(1.0), give_up))
        }
        "extort" => {
            let account = options.spec.demo_accounts.iter().find(|account| account.name == EXTORTER);
            let account = account.ok_or_else(|| {
                format!("chain {:?} has no account {EXTORTER:?}, to whom the tribute goes", options.spec.name)
            })?;
            let address = Address::parse(&account.address, options.spec).map_err(|error| error.to_string())?;
            Box::new(extort::Extort::new(address.script()))
        }
        "timewarp" => Box::new(timewarp::Timewarp::new(options.spec)?),
        other => {
            let known = NAMES.into_iter().find(|known| *known == other).and_then(withholding);
            known.ok_or_else(|| format!("no strategy is called {name:?}; there are {}", NAMES.join(", ")))?
        }
    })
}

#[cfg(test)]
mod tests;
