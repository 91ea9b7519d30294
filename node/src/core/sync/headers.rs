//! Following peers' header chains.

use super::presync::{Presync, Step};
use super::{Asked, Core};
use crate::core::chain::accept::HeaderFailure;
use crate::core::chain::tree::{NodeId, work_of};
use crate::core::event::{Misbehaviour, PeerKey, Time};
use crate::core::message::{HEADERS_PER_MESSAGE_MAX, Request};
use crate::core::store::StoreError;
use chain_spec::rules::RuleError;
use chain_spec::rules::header::check_proof_of_work;
use chain_spec::{BlockHash, Header, Work};
use std::ops::Bound;

/// How far headers may be ahead of the active tip before a peer's chain is followed further, blocks. Bounds what headers
/// without bodies can take.
pub(crate) const HEADERS_AHEAD_MAX: u32 = 100_000;
/// How far below our tip's work a branch may end and its headers be kept at first sight, blocks of the tip's work (Core: 144).
pub(crate) const LOW_WORK_BLOCKS: u32 = 144;
/// Time without a new tip after which some peer is asked whether it knows better, milliseconds.
const POLL_INTERVAL_MS: u64 = 5_000;

impl Core {
    /// Asks a peer for headers after the best we know. The locator starts one block lower, so that a peer with the same tip
    /// says so.
    pub(crate) fn ask_headers(&mut self, peer: PeerKey, now: Time) {
        let best = self.chain.tree.best_header();
        let from = self.chain.tree.node(best).parent;
        let locator = self.chain.tree.locator(from);
        self.ask_headers_after(peer, locator, now);
    }

    /// A peer spoke of a block whose parent is not known here: asks it for headers. An answer that is under way may have left
    /// before the peer had that block, so then it is asked once more.
    pub(crate) fn follow(&mut self, peer: PeerKey, now: Time) {
        match self.sync.peers.get_mut(&peer) {
            Some(state) if state.headers.is_some() => state.is_asked_again = true,
            _ => self.ask_headers(peer, now),
        }
    }

    fn ask_headers_after(&mut self, peer: PeerKey, locator: Vec<BlockHash>, now: Time) {
        if self.sync.peers.get(&peer).is_some_and(|state| state.headers.is_none()) {
            self.ask(peer, Asked::Headers, Request::Headers { locator, stop: BlockHash::ZERO }, now);
        }
    }

    /// A peer's headers: checked for links and work before any is kept.
    pub(crate) fn headers_came(&mut self, peer: PeerKey, headers: &[Header], now: Time) -> Result<(), StoreError> {
        let Some(first) = headers.first() else {
            self.headers_end(peer, None, now);
            return Ok(());
        };
        if headers.len() > HEADERS_PER_MESSAGE_MAX {
            self.offend(peer, Misbehaviour::Flood("headers in one message"));
            return Ok(());
        }
        if let Err(offence) = self.are_linked_and_worked(headers) {
            self.offend(peer, offence);
            return Ok(());
        }
        let is_full = headers.len() == HEADERS_PER_MESSAGE_MAX;
        if let Some(mut presync) = self.sync.peers.get_mut(&peer).and_then(|state| state.presync.take()) {
            let step = presync.take(headers, is_full, self.work_enough());
            self.presync_step(peer, presync, step, headers, is_full, now);
            return Ok(());
        }
        let Some(parent) = self.chain.tree.find(&first.previous) else {
            self.offend(peer, Misbehaviour::BadAnswer("headers that do not follow the locator"));
            return Ok(());
        };
        let mut work = self.chain.tree.node(parent).work;
        let mut unknown = false;
        for header in headers {
            work = work.saturating_add(work_of(header));
            unknown |= self.chain.tree.find(&header.hash()).is_none();
        }
        if unknown && work < self.work_enough() {
            let node = self.chain.tree.node(parent);
            let mut presync = Presync::new(node.hash, node.work);
            let step = presync.take(headers, is_full, self.work_enough());
            self.presync_step(peer, presync, step, headers, is_full, now);
        } else {
            self.keep_headers(peer, headers, is_full, now);
        }
        Ok(())
    }

    fn are_linked_and_worked(&self, headers: &[Header]) -> Result<(), Misbehaviour> {
        let mut previous = headers[0].previous;
        for header in headers {
            if header.previous != previous {
                return Err(Misbehaviour::BadAnswer("headers that are not linked"));
            }
            previous = header.hash();
            check_proof_of_work(header, &self.spec).map_err(|error| Misbehaviour::BrokeRule(error.reason()))?;
        }
        Ok(())
    }

    /// Work below which a new branch is not kept at first sight: our tip's, less [`LOW_WORK_BLOCKS`] like it.
    pub(crate) fn work_enough(&self) -> Work {
        let tip = self.chain.tree.node(self.chain.tip());
        let each = work_of(&tip.header);
        let margin = (0..LOW_WORK_BLOCKS.min(tip.height)).fold(Work::ZERO, |sum, _| sum.saturating_add(each));
        tip.work.saturating_sub(margin)
    }

    fn presync_step(
        &mut self,
        peer: PeerKey,
        presync: Presync,
        step: Step,
        headers: &[Header],
        is_full: bool,
        now: Time,
    ) {
        let next = match step {
            Step::Drop => {
                self.headers_end(peer, None, now);
                return;
            }
            Step::KeepLast => {
                self.keep_headers(peer, headers, is_full, now);
                return;
            }
            Step::Keep => {
                let Some(last) = self.insert_headers(peer, headers, now) else { return };
                self.chain.tree.node(last).hash
            }
            Step::Continue(from) | Step::ReadAgain(from) => from,
        };
        if let Some(state) = self.sync.peers.get_mut(&peer) {
            state.presync = Some(presync);
        }
        self.ask_headers_after(peer, vec![next], now);
    }

    /// Keeps a branch of enough work, and asks on if there may be more.
    fn keep_headers(&mut self, peer: PeerKey, headers: &[Header], is_full: bool, now: Time) {
        let Some(last) = self.insert_headers(peer, headers, now) else { return };
        if !is_full {
            self.headers_end(peer, Some(last), now);
        } else if self.may_ask_after(last) {
            let next = self.chain.tree.node(last).hash;
            self.ask_headers_after(peer, vec![next], now);
        } else if let Some(state) = self.sync.peers.get_mut(&peer) {
            state.has_more_headers = true;
        }
    }

    fn may_ask_after(&self, last: NodeId) -> bool {
        self.chain.tree.node(last).height < self.chain.height().saturating_add(HEADERS_AHEAD_MAX)
    }

    /// Lets headers into the tree; the last of them, if all got in.
    fn insert_headers(&mut self, peer: PeerKey, headers: &[Header], now: Time) -> Option<NodeId> {
        let mut last = None;
        for header in headers {
            match self.accept_header(header, now) {
                Ok(id) => {
                    last = Some(id);
                    self.adopt_orphans(header.hash(), now);
                }
                Err(failure) => {
                    if failure.is_offence() {
                        self.offend(peer, Misbehaviour::BrokeRule(failure.reason()));
                    } else if !matches!(failure, HeaderFailure::Rule(_)) {
                        tracing::debug!(reason = failure.reason(), "headers not followed");
                    }
                    self.headers_end(peer, last, now);
                    return None;
                }
            }
        }
        if let Some(last) = last {
            self.note_best(peer, last);
        }
        last
    }

    fn note_best(&mut self, peer: PeerKey, id: NodeId) {
        self.note_known(peer, id);
        let Some(state) = self.sync.peers.get_mut(&peer) else { return };
        let (node, best) = (self.chain.tree.node(id), state.best.and_then(|hash| self.chain.tree.find(&hash)));
        if best.is_none_or(|best| node.work >= self.chain.tree.node(best).work) {
            state.best = Some(node.hash);
        }
    }

    /// Notes that a peer has a header.
    pub(crate) fn note_known(&mut self, peer: PeerKey, id: NodeId) {
        let Some(state) = self.sync.peers.get_mut(&peer) else { return };
        let (node, known) = (self.chain.tree.node(id), state.known.and_then(|hash| self.chain.tree.find(&hash)));
        if known.is_none_or(|known| node.work >= self.chain.tree.node(known).work) {
            state.known = Some(node.hash);
        }
    }

    /// A peer has shown all it has.
    fn headers_end(&mut self, peer: PeerKey, last: Option<NodeId>, now: Time) {
        if let Some(last) = last {
            self.note_best(peer, last);
        }
        let Some(state) = self.sync.peers.get_mut(&peer) else { return };
        state.has_more_headers = false;
        if state.starting_height.is_none() {
            let best = state.best.and_then(|hash| self.chain.tree.find(&hash));
            state.starting_height = Some(best.map_or(0, |id| self.chain.tree.node(id).height));
        }
        let again = self.sync.peers.get_mut(&peer).is_some_and(|state| std::mem::take(&mut state.is_asked_again));
        if again {
            self.ask_headers(peer, now);
        }
        self.ask_mempools(now);
    }

    /// Asks on where headers were too far ahead of blocks, once blocks have caught up.
    pub(crate) fn resume_headers(&mut self, now: Time) {
        let waiting: Vec<(PeerKey, Option<BlockHash>)> = self
            .sync
            .peers
            .iter()
            .filter(|(_, state)| state.has_more_headers && state.headers.is_none())
            .map(|(peer, state)| (*peer, state.best))
            .collect();
        for (peer, best) in waiting {
            let Some(best) = best.and_then(|hash| self.chain.tree.find(&hash)) else { continue };
            if self.may_ask_after(best) {
                let hash = self.chain.tree.node(best).hash;
                self.ask_headers_after(peer, vec![hash], now);
            }
        }
    }

    /// When no block has come for a while, asks one peer after another whether it knows better: gossip may be cut.
    pub(crate) fn poll_headers(&mut self, now: Time) {
        let is_quiet = now.0.saturating_sub(self.tip_changed_at.0) >= POLL_INTERVAL_MS;
        if !is_quiet || now < self.sync.poll_at || self.sync.peers.is_empty() {
            return;
        }
        self.sync.poll_at = Time(now.0.saturating_add(POLL_INTERVAL_MS));
        let after = (Bound::Excluded(self.sync.poll_after), Bound::Unbounded);
        let next = self.sync.peers.range(after).next().or_else(|| self.sync.peers.iter().next());
        if let Some(peer) = next.map(|(peer, _)| *peer) {
            self.sync.poll_after = peer;
            self.ask_headers(peer, now);
        }
    }
}
