//! What an attacker decides: one trait, one small file a strategy.
//!
//! A [`Strategy`] is asked two things: what to mine ([`Strategy::aim`]) and what to do after something was seen or found
//! ([`Strategy::after`]). It never touches a message: [`attacker::Attacker`] wraps a node's core, hides the blocks the
//! strategy keeps to itself, and publishes what it is told to. The same file therefore runs in the simulator and in a live
//! process. `docs/strategies.md` walks through adding one.

pub mod attacker;
pub mod censor;
pub mod double_spend;
pub mod halt;
pub mod lazy;
pub mod selfish;
pub mod timewarp;

use chain_spec::{Address, Block, BlockHash, ChainSpec, CheckedBlock, CheckedTransaction, Script, Transaction};
use node::core::Core;
use node::core::view::Summary;
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// What a strategy may look at.
pub struct View<'a> {
    /// The attacker's own node, his secret blocks included.
    pub core: &'a Core,
    fresh: &'a Fresh,
    /// The tip that everybody else mines on, as far as this node has heard; never a branch the strategy refuses.
    pub public: Summary,
    /// The tip of the attacker's own branch, published or not, while the public one does not include it.
    pub own: Option<Summary>,
}

/// Blocks that the node has just taken in and its store does not have yet.
pub type Fresh = FxHashMap<BlockHash, Arc<CheckedBlock>>;

impl<'a> View<'a> {
    /// What an attacker with this core sees, who takes `public` for everybody's tip and `own` for his own. A tip that the
    /// core does not know is its active one.
    pub fn new(core: &'a Core, fresh: &'a Fresh, public: BlockHash, own: Option<BlockHash>) -> View<'a> {
        let public = core.summary(&public).unwrap_or_else(|| core.tip());
        View { core, fresh, public, own: own.and_then(|own| core.summary(&own)) }
    }

    /// Blocks the attacker's own branch is ahead of the public one; negative when behind, 0 when there is none.
    pub fn lead(&self) -> i64 {
        self.own.as_ref().map_or(0, |own| i64::from(own.height) - i64::from(self.public.height))
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
pub struct Aim {
    /// On which block.
    pub parent: BlockHash,
    /// With which transactions.
    pub content: Content,
    /// Whether a block found this way is kept secret.
    pub secret: bool,
    /// Header time to use instead of the honest one, Unix seconds.
    pub time_s: Option<u32>,
}

impl Aim {
    /// As an honest miner would: on the public tip, with the best-paying transactions, at once published.
    pub fn honest(view: &View<'_>) -> Aim {
        Aim { parent: view.public.hash, content: Content::Mempool, secret: false, time_s: None }
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
}

/// Something a strategy is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The attacker found a block.
    Found(BlockHash),
    /// The public tip changed.
    Public(BlockHash),
    /// An order from the lab.
    Order(Order),
    /// Time passed.
    Tick,
}

/// What the lab tells a strategy while it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// This payment goes out now; that transaction spends the same coins.
    Pay {
        /// What the shop is to see.
        paid: Arc<Transaction>,
        /// What is to replace it.
        conflicting: Arc<CheckedTransaction>,
    },
    /// The shop has shipped: the goods are here.
    Shipped,
    /// Stop attacking: drop what is secret and mine as everybody does.
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
    fn aim(&self, view: &View<'_>) -> Aim;
    /// What to do after something happened.
    fn after(&mut self, event: &Event, view: &View<'_>) -> Vec<Action>;
    /// How it stands, in one line for people.
    fn state(&self, view: &View<'_>) -> String;
    /// Whether it has ended, and how: `Some(true)` if it reached its aim.
    fn ended(&self) -> Option<bool> {
        None
    }
    /// Whether a block others published is to be built on. A majority that refuses a block buries it.
    fn accepts(&self, _block: &BlockHash, _view: &View<'_>) -> bool {
        true
    }
}

/// What strategies may be told when they are made; each takes what concerns it.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// How a double spend is played.
    pub plan: double_spend::Plan,
    /// Whose payments are censored: an address.
    pub target: Option<&'a str>,
    /// The chain.
    pub spec: &'a ChainSpec,
}

/// The names [`make`] knows.
pub const NAMES: [&str; 6] = ["double-spend", "censor", "halt", "selfish", "timewarp", "lazy"];

/// The strategy called `name`, or a sentence that says why not.
pub fn make(name: &str, options: &Options<'_>) -> Result<Box<dyn Strategy>, String> {
    Ok(match name {
        "double-spend" => Box::new(double_spend::DoubleSpend::new(options.plan)),
        "selfish" => Box::<selfish::Selfish>::default(),
        "lazy" => Box::<lazy::Lazy>::default(),
        "halt" => Box::<halt::Halt>::default(),
        "censor" => {
            let target = options.target.ok_or("censor needs --target ADDRESS")?;
            let address =
                Address::parse(target, options.spec).map_err(|error| format!("--target {target}: {error}"))?;
            Box::new(censor::Censor::new(address.script()))
        }
        "timewarp" => Box::new(timewarp::Timewarp::new(options.spec)?),
        _ => return Err(format!("no strategy is called {name:?}; there are {}", NAMES.join(", "))),
    })
}

#[cfg(test)]
mod tests;
