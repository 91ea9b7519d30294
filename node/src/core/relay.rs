//! Gossip: what is forwarded, and what is told to everybody from here.
//!
//! A block is forwarded as soon as its header's work and place are checked; its body is put together in the next call, from
//! the mempool and what the sender adds ([`compact`]). Transactions are forwarded once they are in the mempool.

pub(crate) mod compact;

use super::Core;
use super::chain::accept::HeaderFailure;
use super::chain::tree::NodeId;
use super::event::{Acceptance, GossipId, Output, PeerKey, Time};
use super::mempool::accept::Class;
use super::mempool::orphans::ORPHANS_MAX;
use super::message::{CompactBlock, Gossip};
use super::store::StoreError;
use chain_spec::{BlockHash, Txid};
use compact::Partial;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// Compact blocks that wait for the next call, blocks.
const PENDING_MAX: usize = 32;
/// Recently announced blocks that are remembered, so that they are forwarded once, blocks.
const ANNOUNCED_MAX: usize = 1_024;
/// How far below the tip a block may be and still be forwarded, blocks: replayed history is not news.
const FORWARDED_DEPTH_MAX: u32 = 6;
/// How far below the tip an announced block may be and its body still be fetched, blocks.
const SIDE_BRANCH_DEPTH_MAX: u32 = 100;

/// Time a acceptance on an orphan transaction is held back for its parents to come, milliseconds: gossip forgets a message that
/// waits longer, and one that was ignored cannot be told on for minutes.
const VERDICT_HELD_MS_MAX: u64 = 3_000;

/// Gossip state.
#[derive(Debug, Default)]
pub(crate) struct Relay {
    /// Blocks whose header was forwarded and whose body is yet to be put together.
    pending: VecDeque<(PeerKey, Arc<CompactBlock>)>,
    /// Blocks that lack transactions asked for.
    partial: BTreeMap<BlockHash, Partial>,
    /// Orphan transactions whose acceptance is held back, since when; at most as many as there are orphans.
    held: BTreeMap<Txid, (GossipId, Time)>,
    announced: BTreeSet<BlockHash>,
    announced_order: VecDeque<BlockHash>,
    /// Submitted here, so told to everybody even while the chain is behind.
    submitted: Option<BlockHash>,
}

impl Relay {
    /// Whether a body can be put together now.
    pub(crate) fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }
    /// Whether a body waits for an answer or a retry, or a acceptance for a parent.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.partial.is_empty() || !self.held.is_empty()
    }
    /// Holds a acceptance back.
    pub(crate) fn hold(&mut self, txid: Txid, id: GossipId, since: Time) {
        self.held.insert(txid, (id, since));
    }
    /// Takes the held acceptance of a transaction, and since when it was held.
    pub(crate) fn take_held(&mut self, txid: &Txid) -> Option<(GossipId, Time)> {
        self.held.remove(txid)
    }
    /// Notes a block submitted here.
    pub(crate) fn submitted(&mut self, hash: BlockHash) {
        self.submitted = Some(hash);
    }

    /// Notes that a block was announced to everybody; false if it had been before.
    fn announce(&mut self, hash: BlockHash) -> bool {
        if !self.announced.insert(hash) {
            return false;
        }
        self.announced_order.push_back(hash);
        if self.announced_order.len() > ANNOUNCED_MAX
            && let Some(oldest) = self.announced_order.pop_front()
        {
            self.announced.remove(&oldest);
        }
        true
    }
}

/// What gossip does with a transaction that was judged so.
pub(crate) fn acceptance_of(result: &Result<(), Class>) -> Acceptance {
    match result {
        Ok(()) => Acceptance::Accept,
        Err(Class::Rule) => Acceptance::Reject,
        Err(_) => Acceptance::Ignore,
    }
}

impl Core {
    /// A forwarded message: judged far enough for a acceptance.
    pub(crate) fn gossip(&mut self, peer: PeerKey, id: GossipId, message: Gossip, now: Time) -> Result<(), StoreError> {
        match message {
            Gossip::Transaction(_) if self.is_behind(now) => {
                self.outputs.push(Output::GossipAcceptance { id, acceptance: Acceptance::Ignore });
            }
            Gossip::Transaction(transaction) => {
                let result = self.take_transaction(peer, &transaction, false, now)?;
                if let Err(Class::ParentsMissing(_, orphan)) = &result
                    && self.orphans.contains(&orphan.txid())
                    && self.relay.held.len() < ORPHANS_MAX
                    && !self.relay.held.contains_key(&orphan.txid())
                {
                    self.relay.hold(orphan.txid(), id, now);
                } else {
                    self.outputs.push(Output::GossipAcceptance { id, acceptance: acceptance_of(&result) });
                }
            }
            Gossip::Block(compact) => {
                let acceptance = self.judge_announcement(peer, &compact, now);
                self.outputs.push(Output::GossipAcceptance { id, acceptance });
                if acceptance != Acceptance::Reject
                    && self.wants_body(&compact)
                    && self.relay.pending.len() < PENDING_MAX
                {
                    self.relay.pending.push_back((peer, compact));
                }
            }
        }
        Ok(())
    }

    /// Gives up on orphans whose parents did not come in time for gossip.
    pub(crate) fn release_held(&mut self, now: Time) {
        let outputs = &mut self.outputs;
        self.relay.held.retain(|_, (id, since)| {
            let is_in_time = now.0.saturating_sub(since.0) < VERDICT_HELD_MS_MAX;
            if !is_in_time {
                outputs.push(Output::GossipAcceptance { id: *id, acceptance: Acceptance::Ignore });
            }
            is_in_time
        });
    }

    /// Whether a block is news with enough work in its place. Its body is not looked at, so a forwarder cannot be blamed for it.
    fn judge_announcement(&mut self, peer: PeerKey, compact: &CompactBlock, now: Time) -> Acceptance {
        let hash = compact.header.hash();
        if self.relay.announced.contains(&hash) {
            return Acceptance::Ignore;
        }
        if !compact.is_well_formed(self.spec.block_size_max) {
            return Acceptance::Reject;
        }
        match self.accept_header(&compact.header, now) {
            Ok(id) => {
                self.note_known(peer, id);
                let floor = self.chain.height().saturating_sub(FORWARDED_DEPTH_MAX);
                let is_news = self.chain.tree.node(id).height >= floor;
                if is_news && self.relay.announce(hash) { Acceptance::Accept } else { Acceptance::Ignore }
            }
            Err(HeaderFailure::ParentUnknown(_)) => {
                self.follow(peer, now);
                Acceptance::Ignore
            }
            Err(failure) if failure.is_offence() => Acceptance::Reject,
            Err(_) => Acceptance::Ignore,
        }
    }

    /// Whether a block's body is missing here and may matter. Those of side branches near the tip may: the branch can become the
    /// better one, and people watch forks; each cost its maker a proof of work.
    fn wants_body(&self, compact: &CompactBlock) -> bool {
        let Some(id) = self.chain.tree.find(&compact.header.hash()) else { return false };
        let node = self.chain.tree.node(id);
        let floor = self.chain.height().saturating_sub(SIDE_BRANCH_DEPTH_MAX);
        !node.has_body() && node.is_sound() && node.height >= floor
    }

    /// Tells everybody of the active tip, unless they were told, or better is already known and on its way.
    pub(crate) fn announce_tip(&mut self, now: Time) {
        let tip = self.chain.tip();
        let hash = self.chain.tree.node(tip).hash;
        let is_submitted = self.relay.submitted.take() == Some(hash);
        let is_best = self.chain.tree.node(self.chain.tree.best_header()).work <= self.chain.tree.node(tip).work;
        if (is_submitted || (is_best && !self.is_behind(now))) && self.relay.announce(hash) {
            self.publish_block(tip);
        }
    }

    fn publish_block(&mut self, id: NodeId) {
        let hash = self.chain.tree.node(id).hash;
        // The tip's body is in memory: it was connected in this call.
        let Ok(Some(body)) = self.chain.body(&hash, self.store.as_ref()) else { return };
        // One nonce for everybody: equal announcements of one block are one message to gossip. Short ids are keyed by the
        // header, so nobody but its miner could have chosen transactions that collide.
        let nonce = 0;
        let compact = CompactBlock::with_txids(body.block(), &body.txids()[1..], nonce);
        self.outputs.push(Output::Publish(Gossip::Block(Arc::new(compact))));
    }
}
