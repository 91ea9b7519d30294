//! The pure part of a node: it takes inputs with the time they arrived at and returns what must be done, in order.
//!
//! No I/O, no clock, no randomness that is not seeded, no tokio, no libp2p, no sled: the same inputs give the same outputs
//! on any machine, so that the simulator and the tests run exactly what a live node runs. [`shell`](crate::shell) performs
//! the outputs; [`chain_spec::rules`] judges.
//!
//! One thread owns a [`Core`]. Others read it through closures the owner runs (see `shell`). After an error a core is of no
//! further use: the store failed, and memory may be ahead of it.
//!
//! | | |
//! |---|---|
//! | `chain` | block tree, activation, reorganisation |
//! | `coins` | the coins of the tip, cached and flushed |
//! | [`mempool`] | transactions that wait |
//! | [`template`] | what to mine |
//! | `sync` | headers first, then bodies; answers to peers |
//! | `relay` | gossip: transactions, compact blocks |
//! | [`view`] | what others may read |

pub(crate) mod chain;
pub(crate) mod coins;
pub mod event;
pub(crate) mod hash_map;
pub mod mempool;
pub mod message;
mod open;
pub(crate) mod relay;
pub(crate) mod signatures;
pub mod snapshot;
pub mod state_machine;
pub mod store;
pub(crate) mod sync;
pub mod template;
#[cfg(test)]
pub(crate) mod tests;
pub mod view;

use chain::Chain;
use chain::activate::CALL_TRANSACTIONS_MAX;
use chain::orphans::OrphanBlocks;
use chain_spec::{BlockHash, ChainSpec, Txid};
use coins::CoinCache;
use coins::flush::FlushState;
use event::{Accepted, CallId, Input, Misbehaviour, Output, Rejection, Time};
use hash_map::IdState;
use mempool::Mempool;
use mempool::blocks::Returning;
use mempool::local::Local;
use mempool::orphans::Orphans;
use relay::Relay;
use std::sync::Arc;
use store::{Store, StoreError};
use sync::Sync;

/// Bounds and options of a core.
#[derive(Clone, Debug)]
pub struct Config {
    /// Coin cache before it is flushed, bytes of memory (`--dbcache`).
    pub coin_cache_bytes_max: usize,
    /// Mempool, bytes of memory (`--maxmempool`).
    pub mempool_bytes_max: usize,
    /// Lowest fee rate accepted into the mempool, units per 1,000 bytes (`--minrelaytxfee`).
    pub fee_rate_min: u64,
    /// Tells this core from others: keys its hash maps and tags its coinbases. The simulator gives its own.
    pub seed: u64,
}

/// 450 MiB of coins, 300 MB of transactions, 1,000 units per 1,000 bytes: Core's classic defaults.
impl Default for Config {
    fn default() -> Config {
        Config { coin_cache_bytes_max: 450 << 20, mempool_bytes_max: 300_000_000, fee_rate_min: 1_000, seed: 0 }
    }
}

/// A node's mind.
pub struct Core {
    spec: Arc<ChainSpec>,
    config: Config,
    id_state: IdState,
    /// [`ChainSpec::ids_are_unique`], asked once.
    ids_are_unique: bool,
    store: Box<dyn Store>,
    chain: Chain,
    orphan_blocks: OrphanBlocks,
    coins: CoinCache,
    /// The block after which the store's coins stand, once all outputs so far are performed.
    coins_tip: BlockHash,
    flush: FlushState,
    mempool: Mempool,
    orphans: Orphans,
    local: Local,
    returning: Returning,
    /// Transactions that just came, whose orphans may now stand.
    arrived: Vec<Txid>,
    sync: Sync,
    relay: Relay,
    /// A better branch is known than there was time to activate.
    activation_pending: bool,
    /// Answers that wait for that.
    held: Vec<Held>,
    tip_changed_at: Time,
    /// Blocks undone in this call.
    reorganised: u32,
    /// Blocks found invalid in this call.
    failures: Vec<(BlockHash, &'static str, Rejection)>,
    outputs: Vec<Output>,
}

/// An answer, unless the chain still has to move.
struct Held {
    call: CallId,
    result: Result<Accepted, Rejection>,
    /// The block whose fate it tells.
    block: Option<BlockHash>,
}

impl Core {
    /// Takes a caller's word that a transaction's signatures are good by the mempool's strict rules, and does not check them
    /// itself. Many cores in one process, as in a simulation, need not all check the same signature.
    pub fn trust_signatures(&mut self, txid: Txid) {
        self.mempool.set_verified(txid);
    }

    /// Its bounds and options.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Work is left over: perform the outputs, then call [`Core::handle`] with [`Input::Tick`] again at once (or after other
    /// inputs that wait). This is how a block is forwarded before its body is judged, and how long work stays interruptible.
    pub fn has_pending(&self) -> bool {
        self.activation_pending || self.relay.has_pending()
    }

    /// Something waits for time to pass (an answer, a retry): tick at least every 100 ms. At rest, once a second is enough.
    pub fn wants_tick(&self) -> bool {
        self.has_pending() || self.sync.is_waiting() || self.relay.is_waiting()
    }

    /// Takes one input and returns what must be done, in order. The caller performs every store output before the next call.
    ///
    /// # Errors
    /// The store failed. The core must be dropped.
    pub fn handle(&mut self, now: Time, input: Input) -> Result<Vec<Output>, StoreError> {
        let (tip, mempool_version, removals) = (self.chain.tip(), self.mempool.version(), self.mempool.removals());
        let is_stopping = input == Input::Stop;
        self.dispatch(now, input)?;
        self.answer_held();
        self.settle(now)?;
        if self.chain.tip() != tip {
            let node = self.chain.tree.node(self.chain.tip());
            let (tip, height) = (node.hash, node.height);
            let reorganised = std::mem::take(&mut self.reorganised);
            self.outputs.push(Output::TipChanged { tip, height, reorganised });
            self.announce_tip(now);
        }
        self.reorganised = 0;
        if self.chain.tip() != tip || self.mempool.removals() != removals {
            self.forget_local();
        }
        self.forget_headers();
        if self.mempool.version() != mempool_version {
            self.outputs.push(Output::MempoolChanged);
        }
        if is_stopping {
            self.flush_coins(now, false);
        } else {
            self.flush_if_due(now);
        }
        self.chain.end_call();
        Ok(std::mem::take(&mut self.outputs))
    }

    fn dispatch(&mut self, now: Time, input: Input) -> Result<(), StoreError> {
        match input {
            Input::Tick => self.tick(now)?,
            Input::PeerConnected { peer, inbound } => self.peer_connected(peer, inbound, now),
            Input::PeerDisconnected { peer } => self.peer_disconnected(peer, now),
            Input::Gossip { peer, id, message } => self.gossip(peer, id, message, now)?,
            Input::Request { peer, id, request } => {
                let response = self.respond(peer, request, now)?;
                self.outputs.push(Output::Respond { id, response });
            }
            Input::Response { peer, id, response } => self.response(peer, id, response, now)?,
            Input::RequestFailed { peer, id, failure } => self.request_failed(peer, id, failure, now),
            Input::SubmitTransaction { call, transaction } => {
                let result = self.submit_transaction(&transaction, now)?;
                self.outputs.push(Output::Answer { call, result });
            }
            Input::SubmitTransactions { submissions } => {
                self.verify_ahead(submissions.iter().map(|(_, transaction)| transaction), now)?;
                for (call, transaction) in submissions {
                    let result = self.submit_transaction(&transaction, now)?;
                    self.outputs.push(Output::Answer { call, result });
                }
            }
            Input::SubmitBlock { call, block } => {
                let hash = block.header.hash();
                self.relay.submitted(hash);
                let result = self.submit_block(block, now)?;
                self.answer(Held { call, result, block: Some(hash) });
            }
            Input::SubmitHeader { call, header } => {
                let result = self.submit_header(&header, now);
                self.activate(now, Some(CALL_TRANSACTIONS_MAX))?;
                self.outputs.push(Output::Answer { call, result });
            }
            Input::OverrideBlock { call, block, change } => {
                let result = self.override_block(&block, change, now)?;
                self.answer(Held { call, result, block: None });
            }
            Input::Stop => {}
        }
        Ok(())
    }

    /// Answers a call that may have moved the tip, when it has been moved as far as it goes.
    fn answer(&mut self, held: Held) {
        let is_settled =
            !self.activation_pending || !matches!(held.result, Ok(Accepted::Inconclusive | Accepted::Overridden));
        if is_settled {
            let Held { call, result, .. } = held;
            self.outputs.push(Output::Answer { call, result });
        } else {
            self.held.push(held);
        }
    }

    /// Looks again at what is held.
    fn answer_held(&mut self) {
        for mut held in std::mem::take(&mut self.held) {
            if let Some(id) = held.block.and_then(|hash| self.chain.tree.find(&hash)) {
                held.result = self.outcome(id);
            }
            self.answer(held);
        }
    }

    fn tick(&mut self, now: Time) -> Result<(), StoreError> {
        self.relay_pending(now)?;
        if self.activation_pending {
            self.activate(now, Some(CALL_TRANSACTIONS_MAX))?;
        }
        self.sync_tick(now);
        self.relay_tick(now);
        self.release_held(now);
        self.expire_transactions(now);
        Ok(())
    }

    /// What follows from an input, whatever it was.
    fn settle(&mut self, now: Time) -> Result<(), StoreError> {
        self.restore_local(now)?;
        self.readmit(now)?;
        self.try_orphans(now)?;
        for (hash, reason, _) in std::mem::take(&mut self.failures) {
            if let Some(peer) = self.sync.take_source(&hash) {
                self.offend(peer, Misbehaviour::BrokeRule(reason));
            }
        }
        self.schedule_bodies(now);
        Ok(())
    }

    /// Median-time-past of the active block at a height (the tip's, above it), Unix seconds.
    pub(crate) fn median_time_past_at(&self, height: u32) -> u32 {
        let id = self.chain.active_at(height).unwrap_or(self.chain.tip());
        self.chain.tree.node(id).median_time_past_s
    }
}
