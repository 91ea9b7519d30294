//! Following peers' header chains.

use super::presync::{Presync, Step};
use super::requests::Asked;
use super::{Context, Peers};
use crate::core::chain_view::ChainView;
use crate::core::chainstate::{Node, work_of};
use crate::core::event::{Misbehaviour, PeerKey, Time};
use crate::core::message::{HEADERS_PER_MESSAGE_MAX, Request};
use crate::core::rejection::Rejection;
use chain_spec::rules::RuleError;
use chain_spec::rules::header::check_proof_of_work;
use chain_spec::{BlockHash, ChainSpec, Header};
use std::ops::Bound;

/// How far headers may be ahead of the active tip before a peer's chain is followed further, blocks. Bounds what headers
/// without bodies can take.
const HEADERS_AHEAD_MAX: u32 = 100_000;
/// How far below our tip's work a branch may end and its headers be kept at first sight, blocks of the tip's work (Core: 144).
pub(crate) const LOW_WORK_BLOCKS: u32 = 144;
/// Time without a new tip after which some peer is asked whether it knows better, milliseconds.
const POLL_INTERVAL_MS: u64 = 5_000;

/// What a slow peer adds to it at the most, milliseconds.
const POLL_PAUSE_MS_MAX: u64 = 60_000;

/// Headers of a chain with enough work, to be let into the tree.
#[derive(Debug)]
pub(crate) struct HeadersDelivery {
    /// Linked, with proof of work.
    pub headers: Vec<Header>,
    /// How to go on.
    next: Next,
}

/// What follows headers that were kept.
#[derive(Debug)]
enum Next {
    /// The chain goes on if the message was full.
    Chain { is_full: bool },
    /// The second reading of a chain of little work goes on.
    Presync(Presync),
}

impl Peers {
    /// Asks a peer for headers after the best we know. The locator starts one block lower, so that a peer with the same tip
    /// says so.
    pub(super) fn ask_headers(&mut self, peer: PeerKey, cx: &mut Context<'_>) {
        let parent = cx.chain.parent(cx.chain.best_header());
        let locator = cx.chain.locator(&parent.hash);
        self.ask_headers_after(peer, locator, cx);
    }

    /// A peer spoke of a block whose parent is not known here: asks it for headers. An answer that is under way may have left
    /// before the peer had that block, so then it is asked once more.
    pub(super) fn follow(&mut self, peer: PeerKey, cx: &mut Context<'_>) {
        match self.peers.get_mut(&peer) {
            Some(state) if state.headers.is_some() => state.is_asked_again = true,
            _ => self.ask_headers(peer, cx),
        }
    }

    fn ask_headers_after(&mut self, peer: PeerKey, locator: Vec<BlockHash>, cx: &mut Context<'_>) {
        if self.peers.get(&peer).is_some_and(|state| state.headers.is_none()) {
            self.ask(peer, Asked::Headers, Request::Headers { locator, stop: BlockHash::ZERO }, cx);
        }
    }

    /// A peer's headers: checked for links and work before any is kept.
    pub(super) fn headers_came(
        &mut self,
        peer: PeerKey,
        headers: Vec<Header>,
        cx: &mut Context<'_>,
    ) -> Option<HeadersDelivery> {
        let Some(first) = headers.first() else {
            self.headers_end(peer, None, cx);
            return None;
        };
        if headers.len() > HEADERS_PER_MESSAGE_MAX {
            self.misbehaved(peer, Misbehaviour::Flood("headers in one message"), cx);
            return None;
        }
        if let Err(misbehaviour) = are_linked_and_worked(&headers, cx.chain.spec()) {
            self.misbehaved(peer, misbehaviour, cx);
            return None;
        }
        let is_full = headers.len() == HEADERS_PER_MESSAGE_MAX;
        let enough = cx.chain.work_below_tip(LOW_WORK_BLOCKS);
        if let Some(mut presync) = self.peers.get_mut(&peer).and_then(|state| state.presync.take()) {
            let step = presync.take(&headers, is_full, enough);
            return self.presync_step(peer, presync, step, headers, is_full, cx);
        }
        let Some(parent) = cx.chain.find(&first.previous) else {
            let misbehaviour = Misbehaviour::BadAnswer("headers that do not follow the locator");
            self.misbehaved(peer, misbehaviour, cx);
            return None;
        };
        let work = headers.iter().fold(parent.work, |work, header| work.saturating_add(work_of(header)));
        if work < enough && headers.iter().any(|header| cx.chain.find(&header.hash()).is_none()) {
            let mut presync = Presync::new(parent.hash, parent.work);
            let step = presync.take(&headers, is_full, enough);
            return self.presync_step(peer, presync, step, headers, is_full, cx);
        }
        Some(HeadersDelivery { headers, next: Next::Chain { is_full } })
    }

    fn presync_step(
        &mut self,
        peer: PeerKey,
        presync: Presync,
        step: Step,
        headers: Vec<Header>,
        is_full: bool,
        cx: &mut Context<'_>,
    ) -> Option<HeadersDelivery> {
        match step {
            Step::Drop => self.headers_end(peer, None, cx),
            Step::KeepLast => return Some(HeadersDelivery { headers, next: Next::Chain { is_full } }),
            Step::Keep => return Some(HeadersDelivery { headers, next: Next::Presync(presync) }),
            Step::Continue(from) | Step::ReadAgain(from) => self.continue_presync(peer, presync, from, cx),
        }
        None
    }

    fn continue_presync(&mut self, peer: PeerKey, presync: Presync, from: BlockHash, cx: &mut Context<'_>) {
        if let Some(state) = self.peers.get_mut(&peer) {
            state.presync = Some(presync);
        }
        self.ask_headers_after(peer, vec![from], cx);
    }

    /// Delivered headers were let into the tree, up to `last`; all of them, unless one was rejected. Asks on if there may be
    /// more.
    pub(crate) fn headers_kept(
        &mut self,
        peer: PeerKey,
        delivery: HeadersDelivery,
        last: Option<BlockHash>,
        rejection: Option<Rejection>,
        cx: &mut Context<'_>,
    ) {
        if let Some(rejection) = rejection {
            match rejection.broken_rule() {
                Some(rule) => self.misbehaved(peer, Misbehaviour::BrokeRule(rule), cx),
                None => tracing::debug!(%rejection, "headers not followed"),
            }
            return self.headers_end(peer, last, cx);
        }
        let Some(last) = last else { return };
        self.note_best(peer, &last, cx);
        match delivery.next {
            Next::Presync(presync) => self.continue_presync(peer, presync, last, cx),
            Next::Chain { is_full: false } => self.headers_end(peer, Some(last), cx),
            Next::Chain { is_full: true } if may_ask_after(&last, cx) => self.ask_headers_after(peer, vec![last], cx),
            Next::Chain { is_full: true } => {
                if let Some(state) = self.peers.get_mut(&peer) {
                    state.has_more_headers = true;
                }
            }
        }
    }

    fn note_best(&mut self, peer: PeerKey, hash: &BlockHash, cx: &Context<'_>) {
        self.note_known(peer, hash, cx);
        if let (Some(state), Some(node)) = (self.peers.get_mut(&peer), cx.chain.find(hash))
            && is_at_least(node, state.best, cx)
        {
            state.best = Some(node.hash);
        }
    }

    /// Notes that a peer has a header.
    pub(super) fn note_known(&mut self, peer: PeerKey, hash: &BlockHash, cx: &Context<'_>) {
        if let (Some(state), Some(node)) = (self.peers.get_mut(&peer), cx.chain.find(hash))
            && is_at_least(node, state.known, cx)
        {
            state.known = Some(node.hash);
        }
    }

    /// A peer has shown all it has.
    fn headers_end(&mut self, peer: PeerKey, last: Option<BlockHash>, cx: &mut Context<'_>) {
        if let Some(last) = last {
            self.note_best(peer, &last, cx);
        }
        let Some(state) = self.peers.get_mut(&peer) else { return };
        state.has_more_headers = false;
        if state.starting_height.is_none() {
            let best = state.best.and_then(|hash| cx.chain.find(&hash));
            state.starting_height = Some(best.map_or(0, |node| node.height));
        }
        if std::mem::take(&mut state.is_asked_again) {
            self.ask_headers(peer, cx);
        }
        self.ask_mempools(cx);
    }

    /// Asks on where headers were too far ahead of blocks, once blocks have caught up.
    pub(super) fn resume_headers(&mut self, cx: &mut Context<'_>) {
        let waiting = self.peers.iter().filter(|(_, state)| state.has_more_headers && state.headers.is_none());
        let waiting: Vec<(PeerKey, Option<BlockHash>)> = waiting.map(|(peer, state)| (*peer, state.best)).collect();
        for (peer, best) in waiting {
            if let Some(best) = best.filter(|best| cx.chain.find(best).is_some() && may_ask_after(best, cx)) {
                self.ask_headers_after(peer, vec![best], cx);
            }
        }
    }

    /// When no block has come for a while, asks one peer after another whether it knows better: gossip may be cut.
    pub(super) fn poll_headers(&mut self, cx: &mut Context<'_>) {
        let is_quiet = cx.now.0.saturating_sub(cx.chain.tip_changed_at().0) >= POLL_INTERVAL_MS;
        if !is_quiet || cx.now < self.poll_at || self.peers.is_empty() {
            return;
        }
        let after = (Bound::Excluded(self.poll_after), Bound::Unbounded);
        let next = self.peers.range(after).next().or_else(|| self.peers.iter().next());
        if let Some(peer) = next.map(|(peer, _)| *peer) {
            self.poll_after = peer;
            // Over a slow link the answer takes longer than the interval: asking on before it came would never end.
            let round_trip_ms = self.peers.get(&peer).and_then(|state| state.round_trip_ms).unwrap_or(0);
            let pause_ms = POLL_INTERVAL_MS + (2 * round_trip_ms).min(POLL_PAUSE_MS_MAX);
            self.poll_at = Time(cx.now.0.saturating_add(pause_ms));
            self.ask_headers(peer, cx);
        }
    }
}

fn are_linked_and_worked(headers: &[Header], spec: &ChainSpec) -> Result<(), Misbehaviour> {
    let mut previous = headers[0].previous;
    for header in headers {
        if header.previous != previous {
            return Err(Misbehaviour::BadAnswer("headers that are not linked"));
        }
        previous = header.hash();
        check_proof_of_work(header, spec).map_err(|error| Misbehaviour::BrokeRule(error.reason()))?;
    }
    Ok(())
}

fn may_ask_after(last: &BlockHash, cx: &Context<'_>) -> bool {
    cx.chain.find(last).is_some_and(|node| node.height < cx.chain.height().saturating_add(HEADERS_AHEAD_MAX))
}

/// Whether a block has at least the work of another, or the other is not known.
fn is_at_least(node: &Node, other: Option<BlockHash>, cx: &Context<'_>) -> bool {
    other.and_then(|hash| cx.chain.find(&hash)).is_none_or(|other| node.work >= other.work)
}
