//! Fetching blocks: from every peer only what the chain it showed us holds, so that nobody's promise holds up another's.

use super::requests::Asked;
use super::{Context, Peers};
use crate::core::chainstate::BLOCKS_KEPT;
use crate::core::event::{Misbehaviour, PeerKey, RequestId, Time};
use crate::core::message::{BLOCKS_PER_REQUEST_MAX, Request};
use crate::core::rejection::{Answer, Rejection};
use chain_spec::{Block, BlockHash};
use std::sync::Arc;

/// Blocks asked of one peer and not yet delivered.
const BLOCKS_IN_FLIGHT_PER_PEER_MAX: usize = 3 * BLOCKS_PER_REQUEST_MAX;
/// Blocks asked for and not yet delivered, in all.
const BLOCKS_IN_FLIGHT_MAX: usize = 512;
/// How far beyond the first missing body of a branch bodies are fetched, blocks.
const WINDOW_BLOCKS: u32 = 1_024;
/// Time beside a round trip after which a block asked of one peer is also asked of an idle other, milliseconds.
const STEAL_AFTER_MS: u64 = 1_000;
/// Time a peer that lacked promised blocks is left alone at first, milliseconds; doubles.
const BACK_OFF_AFTER_EMPTY_MS: u64 = 250;
/// Promised blocks a peer may fail to send, requests in a row.
const EMPTY_ANSWERS_MAX: u32 = 5;
/// Blocks whose sender is remembered until they are judged.
const SOURCES_MAX: usize = 4_096;

impl Peers {
    /// Asks for what is missing, of whoever has it and has least to do.
    pub(crate) fn schedule_bodies(&mut self, cx: &mut Context<'_>) {
        self.end_waits_for_bodies(cx);
        if self.peers.is_empty() || cx.chain.best_header().hash == cx.chain.tip().hash {
            return;
        }
        let mut peers: Vec<(usize, PeerKey)> =
            self.peers.iter().map(|(peer, state)| (state.blocks.len(), *peer)).collect();
        peers.sort_unstable();
        // One request each in turn, so that the work is spread.
        let mut progress = true;
        while progress {
            progress = false;
            for (_, peer) in &peers {
                progress |= self.ask_for_blocks(*peer, cx);
            }
        }
    }

    fn ask_for_blocks(&mut self, peer: PeerKey, cx: &mut Context<'_>) -> bool {
        let Some(state) = self.peers.get(&peer) else { return false };
        let is_free = (state.blocks.len() + 1) * BLOCKS_PER_REQUEST_MAX <= BLOCKS_IN_FLIGHT_PER_PEER_MAX;
        if state.is_distrusted
            || state.back_off_until > cx.now
            || !is_free
            || self.in_flight.len() >= BLOCKS_IN_FLIGHT_MAX
        {
            return false;
        }
        let Some(best) = state.best else { return false };
        let is_idle = state.blocks.is_empty();
        let hashes = self.missing_blocks(&best, is_idle, state.blocks_from_height, cx);
        if hashes.is_empty() {
            return false;
        }
        let asked = Asked::Blocks { hashes: hashes.clone(), is_promised: true };
        self.ask(peer, asked, Request::Blocks { hashes }, cx).is_some()
    }

    /// The first blocks of a branch from a height on that are neither here nor asked for; for an idle peer, else those asked for
    /// long ago.
    fn missing_blocks(&self, best: &BlockHash, is_idle: bool, from_height: u32, cx: &Context<'_>) -> Vec<BlockHash> {
        let Some(node) = cx.chain.find(best) else { return Vec::new() };
        if node.work <= cx.chain.tip().work || !node.is_sound() || node.is_linked() {
            return Vec::new();
        }
        let (mut fresh, mut late) = (Vec::new(), Vec::new());
        for node in cx.chain.branch_above_active(best, WINDOW_BLOCKS) {
            if node.has_body() || node.height < from_height {
                continue;
            }
            match self.in_flight.get(&node.hash).map(Vec::as_slice) {
                None => fresh.push(node.hash),
                Some([only]) if is_idle && self.is_late(only, cx.now) => late.push(node.hash),
                Some(_) => {}
            }
            if fresh.len() == BLOCKS_PER_REQUEST_MAX {
                break;
            }
        }
        late.truncate(BLOCKS_PER_REQUEST_MAX);
        if fresh.is_empty() { late } else { fresh }
    }

    fn is_late(&self, request: &RequestId, now: Time) -> bool {
        self.outstanding.get(request).is_some_and(|owed| {
            let round_trip_ms = self.peers.get(&owed.peer).and_then(|state| state.round_trip_ms).unwrap_or(0);
            now.0.saturating_sub(owed.since.0) >= STEAL_AFTER_MS + round_trip_ms
        })
    }

    /// Asks one peer for one block that it may or may not have.
    pub(crate) fn ask_block(&mut self, peer: PeerKey, hash: BlockHash, cx: &mut Context<'_>) {
        if !self.in_flight.contains_key(&hash) {
            let hashes = vec![hash];
            let asked = Asked::Blocks { hashes: hashes.clone(), is_promised: false };
            self.ask(peer, asked, Request::Blocks { hashes }, cx);
        }
    }

    /// Asks one peer for a block whose header is known, as an operator wishes (Core: `FetchBlock`).
    ///
    /// # Errors
    /// The header is not known, the block is here already, or the peer is not there or cannot be asked now.
    pub(crate) fn fetch_block(&mut self, peer: PeerKey, hash: BlockHash, cx: &mut Context<'_>) -> Answer<()> {
        let refused = |reason: &'static str| Rejection::policy(reason, String::new());
        let node = cx.chain.find(&hash).ok_or_else(|| refused("Block header missing"))?;
        if node.has_body() {
            return Err(refused("Block already downloaded"));
        }
        if !self.peers.contains_key(&peer) {
            return Err(refused("Peer does not exist"));
        }
        let hashes = vec![hash];
        let asked = Asked::Blocks { hashes: hashes.clone(), is_promised: false };
        let is_asked = self.ask(peer, asked, Request::Blocks { hashes }, cx).is_some();
        is_asked.then_some(()).ok_or_else(|| refused("Peer cannot be asked now; too much was asked of it already"))
    }

    /// Blocks from a peer, as far as they were asked for, in the order they were asked for. `None` if it had none.
    pub(super) fn blocks_came(
        &mut self,
        peer: PeerKey,
        asked: &[BlockHash],
        is_promised: bool,
        mut blocks: Vec<Arc<Block>>,
        cx: &mut Context<'_>,
    ) -> Option<Vec<Arc<Block>>> {
        if blocks.is_empty() {
            self.blocks_did_not_come(peer, is_promised, cx);
            return None;
        }
        if let Some(state) = self.peers.get_mut(&peer) {
            state.empty_answers = 0;
        }
        let mut expected = asked.iter();
        let unexpected = blocks.iter().position(|block| {
            let hash = block.header.hash();
            !expected.any(|asked| *asked == hash)
        });
        if let Some(unexpected) = unexpected {
            self.misbehaved(peer, Misbehaviour::BadAnswer("blocks that were not asked for"), cx);
            blocks.truncate(unexpected);
        }
        Some(blocks)
    }

    /// Remembers who sent a block, until it is judged.
    pub(crate) fn note_source(&mut self, hash: BlockHash, peer: PeerKey) {
        if self.sources.len() >= SOURCES_MAX {
            self.sources.pop_first();
        }
        self.sources.insert(hash, peer);
    }

    /// A peer has deleted the blocks that were asked of it. They are asked of others; if nobody is known to have them, the log says
    /// what is needed. A peer that claims to lack what a pruned node keeps counts as one that does not deliver.
    pub(super) fn blocks_were_pruned(
        &mut self,
        peer: PeerKey,
        asked: &[BlockHash],
        is_promised: bool,
        from_height: u32,
        cx: &mut Context<'_>,
    ) {
        let Some(state) = self.peers.get_mut(&peer) else { return };
        // Its tip may have moved on since it showed it, and ours with it.
        let best = state.best.and_then(|hash| cx.chain.find(&hash)).map_or(0, |node| node.height);
        let best = best.max(cx.chain.best_header().height);
        let is_kept = from_height.saturating_add(BLOCKS_KEPT) > best.saturating_add(1);
        let lowest = asked.iter().filter_map(|hash| cx.chain.find(hash)).map(|node| node.height).min();
        let Some(lowest) = lowest.filter(|lowest| *lowest < from_height && !is_kept) else {
            return self.blocks_did_not_come(peer, is_promised, cx);
        };
        if from_height <= state.blocks_from_height {
            return;
        }
        state.blocks_from_height = from_height;
        let has_others = self.peers.values().any(|other| !other.is_distrusted && other.blocks_from_height <= lowest);
        if has_others {
            tracing::info!("peer {} keeps blocks from height {from_height} on; older ones are asked of others", peer.0);
        } else {
            tracing::warn!(
                "peer {} keeps blocks from height {from_height} on, and so do all other peers: block {lowest} cannot be had; \
                 connect this node to one that does not prune (--connect, addnode)",
                peer.0
            );
        }
    }

    fn blocks_did_not_come(&mut self, peer: PeerKey, is_promised: bool, cx: &mut Context<'_>) {
        let Some(state) = self.peers.get_mut(&peer) else { return };
        if !is_promised {
            return;
        }
        state.empty_answers += 1;
        let empty_answers = state.empty_answers;
        if empty_answers > EMPTY_ANSWERS_MAX {
            self.misbehaved(peer, Misbehaviour::BadAnswer("none of the blocks it promised"), cx);
        } else {
            self.back_off(peer, BACK_OFF_AFTER_EMPTY_MS << (empty_answers - 1), cx.now);
        }
    }
}
