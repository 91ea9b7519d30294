//! Gossip: what is forwarded, and what is told to everybody from here.
//!
//! A block is forwarded as soon as its header's work and place are checked; its body is put together in the next call, from
//! the mempool and what the sender adds ([`compact`](super::compact)). Transactions are forwarded once they are in the mempool.

use super::compact::Reconstruction;
use super::{Context, Peers};
use crate::core::chain_view::ChainView;
use crate::core::chainstate::Node;
use crate::core::event::{Acceptance, GossipId, Output, PeerKey, Time};
use crate::core::mempool::{JudgedTransaction, ORPHANS_MAX};
use crate::core::message::{CompactBlock, Gossip};
use crate::core::rejection::{Answer, Rejection, RejectionKind};
use chain_spec::{BlockHash, Txid};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// Compact blocks that wait for the next call, blocks.
const PENDING_MAX: usize = 32;
/// Recently announced blocks that are remembered, so that they are forwarded once, blocks.
const ANNOUNCED_MAX: usize = 1_024;
/// How far below the tip a block may be and still be forwarded, blocks: replayed history is not news.
const FORWARDED_DEPTH_MAX: u32 = 6;
/// Announced blocks whose bodies are waited for, blocks; each cost its maker a proof of work.
const BODIES_MISSING_MAX: usize = 64;
/// Time after which others than the announcer are asked for a body, milliseconds. The next two are asked after as long again.
const ASK_OTHERS_AFTER_MS: u64 = 800;
/// Other peers asked at a time.
const OTHERS_ASKED: usize = 2;
/// Time the answer about an orphan transaction is deferred for its parents to come, milliseconds: gossip forgets a message
/// that waits longer, and one that was ignored cannot be relayed for minutes.
const ANSWER_DEFERRED_MS_MAX: u64 = 3_000;

/// An announced block whose body is waited for.
#[derive(Debug)]
struct MissingBody {
    /// When further peers are asked.
    ask_at: Time,
    /// Who was asked, or announced it.
    asked: BTreeSet<PeerKey>,
}

/// Gossip under way.
#[derive(Debug, Default)]
pub(crate) struct Relay {
    /// Blocks whose header was forwarded and whose body is yet to be put together.
    pub(super) pending: VecDeque<(PeerKey, Arc<CompactBlock>)>,
    /// Blocks that lack transactions asked for.
    pub(super) reconstructions: BTreeMap<BlockHash, Vec<Reconstruction>>,
    /// Announced blocks whose bodies have not come.
    bodies_missing: BTreeMap<BlockHash, MissingBody>,
    /// Gossiped orphan transactions about which nothing was answered yet, since when; at most as many as there are orphans.
    deferred: BTreeMap<Txid, (GossipId, Time)>,
    announced: BTreeSet<BlockHash>,
    announced_order: VecDeque<BlockHash>,
    /// Submitted here, so told to everybody even while the chain is behind.
    submitted: Option<BlockHash>,
}

impl Relay {
    /// Whether a body can be put together now.
    pub(super) fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }
    /// Whether a body waits for an answer or a retry, or an orphan for a parent.
    pub(super) fn is_waiting(&self) -> bool {
        !self.reconstructions.is_empty() || !self.bodies_missing.is_empty() || !self.deferred.is_empty()
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
fn acceptance_of(answer: &Answer<()>) -> Acceptance {
    match answer {
        Ok(()) => Acceptance::Accept,
        Err(rejection) if rejection.broken_rule().is_some() => Acceptance::Reject,
        Err(_) => Acceptance::Ignore,
    }
}

/// Whether a transaction was not accepted for want of its parents.
fn lacks_parents(answer: &Answer<()>) -> bool {
    matches!(answer, Err(Rejection { kind: RejectionKind::MissingInputs { parents }, .. }) if !parents.is_empty())
}

impl Peers {
    /// A gossiped transaction was judged.
    pub(crate) fn gossip_judged(
        &mut self,
        peer: PeerKey,
        id: GossipId,
        judged: &JudgedTransaction,
        cx: &mut Context<'_>,
    ) {
        let JudgedTransaction { txid, answer, .. } = judged;
        self.seen_elsewhere(txid, peer);
        let deferred = &mut self.relay.deferred;
        if lacks_parents(answer)
            && cx.mempool.is_orphan(txid)
            && deferred.len() < ORPHANS_MAX
            && !deferred.contains_key(txid)
        {
            deferred.insert(*txid, (id, cx.now));
        } else {
            cx.outputs.push(Output::GossipAcceptance { id, acceptance: acceptance_of(answer) });
        }
    }

    /// Takes the gossip of an orphan that is about to be judged again, and since when it has waited.
    pub(crate) fn take_deferred(&mut self, txid: &Txid) -> Option<(GossipId, Time)> {
        self.relay.deferred.remove(txid)
    }

    /// An orphan whose gossip had waited was judged again.
    pub(crate) fn orphan_judged(
        &mut self,
        (id, since): (GossipId, Time),
        judged: &JudgedTransaction,
        cx: &mut Context<'_>,
    ) {
        if lacks_parents(&judged.answer) {
            self.relay.deferred.insert(judged.txid, (id, since));
        } else {
            cx.outputs.push(Output::GossipAcceptance { id, acceptance: acceptance_of(&judged.answer) });
        }
    }

    /// Gives up on orphans whose parents did not come in time for gossip.
    pub(super) fn release_deferred(&mut self, cx: &mut Context<'_>) {
        self.relay.deferred.retain(|_, (id, since)| {
            let is_in_time = cx.now.0.saturating_sub(since.0) < ANSWER_DEFERRED_MS_MAX;
            if !is_in_time {
                cx.outputs.push(Output::GossipAcceptance { id: *id, acceptance: Acceptance::Ignore });
            }
            is_in_time
        });
    }

    /// Whether a gossiped block is known to gossip, or is no block; `None` if its header is to be looked at.
    pub(crate) fn check_announcement(&self, compact: &CompactBlock, cx: &Context<'_>) -> Option<Acceptance> {
        if self.relay.announced.contains(&compact.header.hash()) {
            return Some(Acceptance::Ignore);
        }
        (!compact.is_well_formed(cx.chain.spec().block_size_max)).then_some(Acceptance::Reject)
    }

    /// The header of a gossiped block was let into the tree, or not: whether the block is forwarded. It must be news with enough
    /// work in its place. Its body is not looked at, so a forwarder cannot be blamed for it.
    pub(crate) fn announcement_judged(
        &mut self,
        peer: PeerKey,
        hash: BlockHash,
        answer: Answer<()>,
        cx: &mut Context<'_>,
    ) -> Acceptance {
        match answer {
            Ok(()) => {
                self.note_known(peer, &hash, cx);
                let floor = cx.chain.height().saturating_sub(FORWARDED_DEPTH_MAX);
                let is_news = cx.chain.find(&hash).is_some_and(|node| node.height >= floor);
                if is_news && self.relay.announce(hash) { Acceptance::Accept } else { Acceptance::Ignore }
            }
            Err(Rejection { kind: RejectionKind::ParentUnknown(_), .. }) => {
                self.follow(peer, cx);
                Acceptance::Ignore
            }
            Err(rejection) if rejection.broken_rule().is_some() => Acceptance::Reject,
            Err(_) => Acceptance::Ignore,
        }
    }

    /// Has a gossiped block's body put together in the next call, if it is missing here and may matter.
    pub(crate) fn queue_body(&mut self, peer: PeerKey, compact: Arc<CompactBlock>, cx: &Context<'_>) {
        let hash = compact.header.hash();
        if !cx.wants_body(&hash) {
            return;
        }
        // While ancestors' bodies are missing, synchronisation looks after all of them.
        if cx.chain.find(&compact.header.previous).is_some_and(Node::is_linked) {
            self.wait_for_body(hash, peer, cx.now);
        }
        if self.relay.pending.len() < PENDING_MAX {
            self.relay.pending.push_back((peer, compact));
        }
    }

    fn wait_for_body(&mut self, hash: BlockHash, peer: PeerKey, now: Time) {
        let missing = &mut self.relay.bodies_missing;
        if missing.len() < BODIES_MISSING_MAX || missing.contains_key(&hash) {
            let ask_at = Time(now.0.saturating_add(ASK_OTHERS_AFTER_MS));
            let body = missing.entry(hash).or_insert_with(|| MissingBody { ask_at, asked: BTreeSet::new() });
            body.asked.insert(peer);
        }
    }

    /// Waits no longer for bodies that have come, or that do not matter any more.
    pub(super) fn end_waits_for_bodies(&mut self, cx: &Context<'_>) {
        self.relay.bodies_missing.retain(|hash, _| cx.wants_body(hash));
    }

    /// Asks others where a body does not come: an announcer that never sends it must not hold it up. They show by their headers
    /// that they have it, and are asked for it then. Those who this node chose come first.
    pub(super) fn ask_others_for_bodies(&mut self, cx: &mut Context<'_>) {
        let due = self.relay.bodies_missing.iter_mut().filter(|(_, body)| body.ask_at <= cx.now);
        let mut chosen: BTreeSet<PeerKey> = BTreeSet::new();
        for (hash, body) in due {
            body.ask_at = Time(cx.now.0.saturating_add(ASK_OTHERS_AFTER_MS));
            let free = self.peers.iter().filter(|(_, state)| state.may_be_asked(cx.now));
            let mut others: Vec<(bool, bool, PeerKey)> = free
                .filter(|(peer, _)| !body.asked.contains(*peer))
                .map(|(peer, state)| (state.inbound, state.known != Some(*hash), *peer))
                .collect();
            others.sort_unstable();
            if others.is_empty() {
                // All were asked: they may have it by now.
                body.asked.clear();
            }
            let others = others.into_iter().take(OTHERS_ASKED).map(|(_, _, peer)| peer);
            for peer in others {
                body.asked.insert(peer);
                chosen.insert(peer);
            }
        }
        chosen.into_iter().for_each(|peer| self.ask_headers(peer, cx));
    }

    /// Notes a block submitted here.
    pub(crate) fn note_submitted(&mut self, hash: BlockHash) {
        self.relay.submitted = Some(hash);
    }

    /// Tells everybody of the new active tip, unless they were told, or better is already known and on its way.
    pub(crate) fn announce_tip(&mut self, cx: &mut Context<'_>) {
        let tip = cx.chain.tip();
        let is_submitted = self.relay.submitted.take() == Some(tip.hash);
        let is_best = cx.chain.best_header().work <= tip.work;
        if (is_submitted || (is_best && !cx.is_behind())) && self.relay.announce(tip.hash) {
            // The tip's body is in memory: it was connected in this call.
            let Ok(Some(body)) = cx.chain.body(&tip.hash) else { return };
            // One nonce for everybody: equal announcements of one block are one message to gossip. Short ids are keyed by the
            // header, so nobody but its miner could have chosen transactions that collide.
            let nonce = 0;
            let compact = CompactBlock::with_txids(body.block(), &body.txids()[1..], nonce);
            cx.outputs.push(Output::Publish(Gossip::Block(Arc::new(compact))));
        }
    }
}
