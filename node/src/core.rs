//! The pure part of a node: it takes inputs with the time they arrived at and returns what must be done, in order.
//!
//! No I/O, no clock, no randomness that is not seeded, no tokio, no libp2p, no sled: the same inputs give the same outputs
//! on any machine, so that the simulator and the tests run exactly what a live node runs. [`shell`](crate::shell) performs
//! the outputs; [`chain_spec::rules`] judges.
//!
//! One thread owns a [`Core`]. Others read it through closures the owner runs (see `shell`). After an error a core is of no
//! further use: the store failed, and memory may be ahead of it.
//!
//! This file routes an input to the part it is for, delivers what follows to the others, and collects the outputs; it is the
//! only one that knows all parts. From the ground up:
//!
//! | floor | modules |
//! |---|---|
//! | the whole | this file, `submissions` (what somebody local submits), [`state_machine`] |
//! | read-only looks at the parts | [`view`], [`template`], [`verify`], [`snapshot`], [`summary`] |
//! | peers | `peers`: synchronisation, relay, punishment |
//! | transactions | [`mempool`]: pool, orphans, what was submitted here |
//! | chain | `chainstate`: block tree, coins, reorganisations, every read of the store |
//! | vocabulary | [`event`], [`message`], [`store`], [`rejection`], [`fork_rule`], `effects`, `chain_view`, `signatures`, `hash_map` |

pub(crate) mod chain_view;
pub(crate) mod chainstate;
mod config;
mod effects;
pub mod event;
pub mod fork_rule;
pub(crate) mod hash_map;
pub mod mempool;
pub mod message;
pub(crate) mod peers;
pub mod rejection;
pub(crate) mod signatures;
pub mod snapshot;
pub mod state_machine;
pub mod store;
mod submissions;
pub mod summary;
pub mod template;
#[cfg(test)]
pub(crate) mod tests;
pub mod verify;
pub mod view;

use chain_spec::{Block, ChainSpec, Transaction, Txid};
use chain_view::ChainView;
use chainstate::{Activation, BodyError, Chainstate};
use effects::{Call, ChainEvent, WaitingAnswer};
use event::{Acceptance, Accepted, GossipId, Input, Misbehaviour, Output, PeerKey, Time};
use hash_map::IdState;
use mempool::{JudgedTransaction, Mempool};
use message::{CompactBlock, Gossip, Response};
use peers::{Context, Delivery, Peers, ReconstructedBlock};
use std::ops::Deref;
use std::sync::Arc;
use store::{Loaded, Store, StoreError};
use view::Parts;

pub use config::{Config, Prune};

/// A node without its shell.
pub struct Core {
    parts: Parts,
    /// Answers that wait until the chain has moved.
    waiting: Vec<WaitingAnswer>,
}

/// What everybody may read.
impl Deref for Core {
    type Target = Parts;
    fn deref(&self) -> &Parts {
        &self.parts
    }
}

impl Core {
    /// Starts from what a store holds, rolling forward over stored blocks that its coins have not seen. Blocks that were fully
    /// validated before do not have their signatures checked again. The outputs must be performed like any others; if
    /// [`Core::has_pending`] says so, more of the roll-forward follows with the next tick.
    ///
    /// # Errors
    /// The store cannot be read, or contradicts itself.
    pub fn open(
        spec: Arc<ChainSpec>,
        config: Config,
        store: Box<dyn Store>,
        mut loaded: Loaded,
        now: Time,
    ) -> Result<(Core, Vec<Output>), StoreError> {
        let id_state = IdState::new(config.seed);
        let limits = chainstate::Limits {
            coin_cache_bytes_max: config.coin_cache_bytes_max,
            headers_aside_max: config.headers_aside_max,
            fork_rules: config.fork_rules.clone(),
            prune: config.prune,
            prune_after_height: config.prune_after_height,
            seed: config.seed,
        };
        let kept = std::mem::take(&mut loaded.transactions);
        let parts = Parts {
            chainstate: Chainstate::new(spec, limits, store, id_state, now),
            mempool: Mempool::new(config.mempool_bytes_max, config.fee_rate_min, kept, id_state),
            peers: Peers::default(),
            config,
        };
        let mut core = Core { parts, waiting: Vec::new() };
        let mut call = Call::new(now);
        core.parts.chainstate.restore(&loaded, now, &mut call.effects)?;
        core.activate(Activation::bounded(), &mut call)?;
        core.follow_chain(&mut call)?;
        core.parts.chainstate.end_opening(now, &mut call.effects)?;
        Ok((core, call.effects.outputs))
    }

    /// Takes a caller's word that a transaction's signatures are good by the mempool's strict rules, and does not check them
    /// itself. Many cores in one process, as in a simulation, need not all check the same signature.
    pub fn trust_signatures(&mut self, txid: Txid) {
        self.parts.mempool.trust_signatures(txid);
    }

    /// From now on, bodies of side branches are fetched however far below the tip they are. To a miner in secret the whole
    /// public chain is a side branch, which it must see.
    pub fn fetch_all_branches(&mut self) {
        self.parts.peers.fetch_all_branches();
    }

    /// Work is left over: perform the outputs, then call [`Core::handle`] with [`Input::Tick`] again at once (or after other
    /// inputs that wait). This is how a block is forwarded before its body is judged, and how long work stays interruptible.
    pub fn has_pending(&self) -> bool {
        self.parts.chainstate.has_pending() || self.parts.peers.has_pending()
    }
    /// Something waits for time to pass (an answer, a retry): tick at least every 100 ms. At rest, once a second is enough.
    pub fn wants_tick(&self) -> bool {
        self.has_pending() || self.parts.peers.is_waiting()
    }

    /// Takes one input and returns what must be done, in order. The caller performs every store output before the next call.
    ///
    /// # Errors
    /// The store failed. The core must be dropped.
    pub fn handle(&mut self, now: Time, input: Input) -> Result<Vec<Output>, StoreError> {
        let tip = self.parts.chainstate.tip().hash;
        let (mempool_version, removals) = (self.parts.mempool.pool().version(), self.parts.mempool.pool().removals());
        let is_stopping = input == Input::Stop;
        let mut call = Call::new(now);
        self.dispatch(input, &mut call)?;
        self.answer_waiting(&mut call);
        self.settle(&mut call)?;
        let (new_tip, height) = (self.parts.chainstate.tip().hash, self.parts.chainstate.height());
        if new_tip != tip {
            let reorganised = call.reorganised;
            call.effects.outputs.push(Output::TipChanged { tip: new_tip, height, reorganised });
            self.with_peers(&mut call, |peers, cx| peers.announce_tip(cx));
        }
        if new_tip != tip || self.parts.mempool.pool().removals() != removals {
            self.parts.mempool.forget_submitted(height, &mut call.effects.outputs);
        }
        if self.parts.mempool.pool().version() != mempool_version {
            call.effects.outputs.push(Output::MempoolChanged);
        }
        self.parts.chainstate.end_call(now, is_stopping, &mut call.effects)?;
        Ok(call.effects.outputs)
    }

    fn dispatch(&mut self, input: Input, call: &mut Call) -> Result<(), StoreError> {
        match input {
            Input::Tick => self.tick(call),
            Input::PeerConnected { peer, inbound } => {
                self.with_peers(call, |peers, cx| peers.connected(peer, inbound, cx));
                Ok(())
            }
            Input::PeerDisconnected { peer } => {
                self.with_peers(call, |peers, cx| peers.disconnected(peer, cx));
                self.parts.mempool.forget_peer(peer);
                Ok(())
            }
            Input::Gossip { peer, id, message: Gossip::Transaction(transaction) } => {
                self.gossiped_transaction(peer, id, &transaction, call)
            }
            Input::Gossip { peer, id, message: Gossip::Block(compact) } => {
                self.gossiped_block(peer, id, compact, call);
                Ok(())
            }
            Input::Request { peer, id, request } => {
                let response = self.with_peers(call, |peers, cx| peers.respond(peer, request, cx))?;
                call.effects.outputs.push(Output::Respond { id, response });
                Ok(())
            }
            Input::Response { peer, id, response } => self.response(peer, id, response, call),
            Input::RequestFailed { peer, id, failure } => {
                self.with_peers(call, |peers, cx| peers.request_failed(peer, id, failure, cx));
                Ok(())
            }
            Input::Submit { transactions } => self.submit(&transactions, call),
            Input::SubmitBlock { call: caller, block } => self.submit_block(caller, block, call),
            Input::SubmitHeader { call: caller, header } => self.submit_header(caller, &header, call),
            Input::OverrideBlock { call: caller, block, change } => self.override_block(caller, &block, change, call),
            Input::SubmitPackage { transactions } => self.submit_package(&transactions, call),
            Input::Prioritise { call: caller, txid, fee_delta } => {
                self.parts.mempool.prioritise(txid, fee_delta);
                call.effects.outputs.push(Output::Answer { call: caller, result: Ok(Accepted::Prioritised) });
                Ok(())
            }
            Input::FetchBlock { call: caller, peer, block } => {
                let answer = self.with_peers(call, |peers, cx| peers.fetch_block(peer, block, cx));
                let result = answer.map(|()| Accepted::Requested);
                call.effects.outputs.push(Output::Answer { call: caller, result });
                Ok(())
            }
            Input::Prune { call: caller, height } => self.prune(caller, height, call),
            Input::Stop => Ok(()),
        }
    }

    fn tick(&mut self, call: &mut Call) -> Result<(), StoreError> {
        while let Some(block) = self.with_peers(call, |peers, cx| peers.reconstruct_next(cx)) {
            self.take_reconstructed(block, call)?;
        }
        if self.parts.chainstate.has_pending() {
            self.activate(Activation::bounded(), call)?;
        }
        self.with_peers(call, |peers, cx| peers.tick(cx));
        self.parts.mempool.expire(call.now);
        Ok(())
    }

    /// What follows from an input, whatever it was.
    fn settle(&mut self, call: &mut Call) -> Result<(), StoreError> {
        self.follow_chain(call)?;
        self.try_orphans(call)?;
        self.deliver(call)?;
        let broken = std::mem::take(&mut call.broken);
        let (peers, mut cx) = self.peers(call);
        for (hash, rule) in broken {
            peers.block_invalid(&hash, rule, &mut cx);
        }
        peers.schedule_bodies(&mut cx);
        Ok(())
    }

    /// Has the mempool judge again, against the new tip, what a reorganisation or a restart set aside.
    fn follow_chain(&mut self, call: &mut Call) -> Result<(), StoreError> {
        if !self.parts.chainstate.has_pending() {
            let outputs = &mut call.effects.outputs;
            for txid in self.parts.mempool.restore_submitted(&self.parts.chainstate, call.now, outputs)? {
                self.parts.peers.note_unbroadcast(txid, None, call.now);
            }
        }
        self.parts.mempool.readmit(&self.parts.chainstate, call.now, &mut call.effects.outputs)
    }

    /// The peers, and what they may see and do.
    fn peers<'a>(&'a mut self, call: &'a mut Call) -> (&'a mut Peers, Context<'a>) {
        let (chain, mempool, outputs) = (&self.parts.chainstate, &self.parts.mempool, &mut call.effects.outputs);
        let side_branch_depth_max = self.parts.peers.side_branch_depth_max();
        (&mut self.parts.peers, Context { now: call.now, chain, mempool, side_branch_depth_max, outputs })
    }

    /// Has the peers do something about what they see of the other parts.
    fn with_peers<T>(&mut self, call: &mut Call, act: impl FnOnce(&mut Peers, &mut Context<'_>) -> T) -> T {
        let (peers, mut cx) = self.peers(call);
        act(peers, &mut cx)
    }

    /// Makes the best branch active, as far as this call may.
    fn activate(&mut self, mut activation: Activation, call: &mut Call) -> Result<(), StoreError> {
        while self.parts.chainstate.activate_step(&mut activation, &self.parts.mempool, call.now, &mut call.effects)? {
            self.deliver(call)?;
        }
        Ok(())
    }

    /// Delivers to the other parts what happened to the chain.
    fn deliver(&mut self, call: &mut Call) -> Result<(), StoreError> {
        for event in std::mem::take(&mut call.effects.events) {
            match event {
                ChainEvent::BlockDisconnected(change) => {
                    let block = self.parts.chainstate.changed_body(&change)?;
                    self.parts.mempool.block_disconnected(&block, change.height, self.parts.chainstate.spec());
                    call.reorganised += 1;
                }
                ChainEvent::BlockConnected(change) => {
                    let block = self.parts.chainstate.changed_body(&change)?;
                    self.parts.mempool.block_connected(&block, change.height, call.now);
                    if !self.parts.mempool.has_no_orphans() {
                        call.arrived.extend_from_slice(&block.txids()[1..]);
                    }
                }
                ChainEvent::BlockInvalid { hash, rule, rejection } => {
                    call.invalid.push((hash, rejection));
                    call.broken.push((hash, rule));
                }
            }
        }
        Ok(())
    }

    fn gossiped_transaction(
        &mut self,
        peer: PeerKey,
        id: GossipId,
        transaction: &Arc<Transaction>,
        call: &mut Call,
    ) -> Result<(), StoreError> {
        if peers::is_behind(&self.parts.chainstate, call.now) {
            call.effects.outputs.push(Output::GossipAcceptance { id, acceptance: Acceptance::Ignore });
            return Ok(());
        }
        let judged = self.take_transaction(peer, transaction, false, call)?;
        self.with_peers(call, |peers, cx| peers.gossip_judged(peer, id, &judged, cx));
        Ok(())
    }

    fn gossiped_block(&mut self, peer: PeerKey, id: GossipId, compact: Arc<CompactBlock>, call: &mut Call) {
        let (peers, cx) = self.peers(call);
        let acceptance = match peers.check_announcement(&compact, &cx) {
            Some(acceptance) => acceptance,
            None => {
                let answer = self.parts.chainstate.accept_header(&compact.header, call.now);
                let (peers, mut cx) = self.peers(call);
                peers.announcement_judged(peer, compact.header.hash(), answer, &mut cx)
            }
        };
        call.effects.outputs.push(Output::GossipAcceptance { id, acceptance });
        if acceptance != Acceptance::Reject {
            let (peers, cx) = self.peers(call);
            peers.queue_body(peer, compact, &cx);
        }
    }

    /// A peer answers: what it delivers goes to the part that takes it.
    fn response(
        &mut self,
        peer: PeerKey,
        id: event::RequestId,
        response: Response,
        call: &mut Call,
    ) -> Result<(), StoreError> {
        let (peers, mut cx) = self.peers(call);
        match peers.response(peer, id, response, &mut cx) {
            Some(Delivery::Headers(delivery)) => {
                let (last, rejection) =
                    self.parts.chainstate.accept_headers(&delivery.headers, call.now, &mut call.effects);
                self.with_peers(call, |peers, cx| peers.headers_kept(peer, delivery, last, rejection, cx));
                Ok(())
            }
            Some(Delivery::Blocks(blocks)) => self.take_blocks(peer, blocks, call),
            Some(Delivery::Reconstructed(block)) => self.take_reconstructed(block, call),
            Some(Delivery::Transactions(delivery)) => {
                for (transaction, is_relayed) in &delivery.transactions {
                    let judged = self.take_transaction(peer, transaction, *is_relayed, call)?;
                    match judged.answer {
                        Err(rejection) if rejection.broken_rule().is_some() => {
                            self.transaction_broke_rule(peer, call);
                            return Ok(());
                        }
                        Ok(()) if !delivery.are_parents => {
                            self.parts.peers.note_unbroadcast(judged.txid, Some(peer), call.now);
                        }
                        _ => {}
                    }
                }
                self.with_peers(call, |peers, cx| peers.transactions_judged(peer, delivery, cx));
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn take_blocks(&mut self, peer: PeerKey, blocks: Vec<Arc<Block>>, call: &mut Call) -> Result<(), StoreError> {
        for block in blocks {
            let hash = block.header.hash();
            let misbehaviour = match self.parts.chainstate.accept_body(block, call.now, &mut call.effects) {
                Ok(true) => {
                    self.parts.peers.note_source(hash, peer);
                    self.parts.peers.note_delivered_block(peer, call.now);
                    continue;
                }
                Ok(false) => continue,
                Err(BodyError::Mutated) => Misbehaviour::BadAnswer("a body that does not belong to its header"),
                Err(BodyError::Invalid(rule)) => Misbehaviour::BrokeRule(rule),
            };
            self.with_peers(call, |peers, cx| peers.misbehaved(peer, misbehaviour, cx));
            break;
        }
        self.activate(Activation::bounded(), call)
    }

    fn take_reconstructed(&mut self, reconstructed: ReconstructedBlock, call: &mut Call) -> Result<(), StoreError> {
        let ReconstructedBlock { peer, block } = reconstructed;
        let hash = block.header.hash();
        match self.parts.chainstate.accept_body(block, call.now, &mut call.effects) {
            Ok(is_new) => {
                if is_new {
                    self.parts.peers.note_delivered_block(peer, call.now);
                }
                self.activate(Activation::bounded(), call)
            }
            Err(BodyError::Mutated) => {
                self.with_peers(call, |peers, cx| peers.ask_block(peer, hash, cx));
                Ok(())
            }
            Err(BodyError::Invalid(_)) => Ok(()),
        }
    }

    /// A transaction from a peer: into the pool, or among the orphans, or neither.
    fn take_transaction(
        &mut self,
        peer: PeerKey,
        transaction: &Arc<Transaction>,
        is_relayed: bool,
        call: &mut Call,
    ) -> Result<JudgedTransaction, StoreError> {
        let mut judged = self.parts.mempool.accept_from_peer(transaction, peer, &self.parts.chainstate, call.now)?;
        if judged.answer.is_ok() {
            self.parts.peers.note_delivered_transaction(peer, call.now);
            if !self.parts.mempool.has_no_orphans() {
                call.arrived.push(judged.txid);
            }
            if is_relayed {
                call.effects.outputs.push(Output::Publish(Gossip::Transaction(transaction.clone())));
            }
        }
        let parents = std::mem::take(&mut judged.parents_missing);
        self.with_peers(call, |peers, cx| peers.ask_parents(peer, parents, cx));
        Ok(judged)
    }

    /// Tries the orphans whose parents came.
    fn try_orphans(&mut self, call: &mut Call) -> Result<(), StoreError> {
        while let Some(parent) = call.arrived.pop() {
            for orphan in self.parts.mempool.take_orphans_of(&parent) {
                let deferred = self.parts.peers.take_deferred(&orphan.transaction.txid());
                // One whose gossip was given up, or that came as an answer, is relayed from here.
                let transaction = orphan.transaction.transaction();
                let judged = self.take_transaction(orphan.peer, transaction, deferred.is_none(), call)?;
                if let Some(deferred) = deferred {
                    self.with_peers(call, |peers, cx| peers.orphan_judged(deferred, &judged, cx));
                } else if judged.answer.is_err_and(|rejection| rejection.broken_rule().is_some()) {
                    self.transaction_broke_rule(orphan.peer, call);
                }
            }
        }
        Ok(())
    }

    fn transaction_broke_rule(&mut self, peer: PeerKey, call: &mut Call) {
        let misbehaviour = Misbehaviour::BrokeRule("a transaction that breaks a rule");
        self.with_peers(call, |peers, cx| peers.misbehaved(peer, misbehaviour, cx));
    }
}
