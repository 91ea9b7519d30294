//! Fetching blocks: from every peer only what the chain it showed us holds, so that nobody's promise holds up another's.

use super::{Asked, Core};
use crate::core::chain::activate::CALL_TRANSACTIONS_MAX;
use crate::core::event::{Misbehaviour, PeerKey, RequestId, Time};
use crate::core::message::{BLOCKS_PER_REQUEST_MAX, Request};
use crate::core::store::StoreError;
use chain_spec::rules::RuleError;
use chain_spec::{Block, BlockHash};
use std::sync::Arc;

/// Blocks asked of one peer and not yet delivered.
pub(crate) const BLOCKS_IN_FLIGHT_PER_PEER_MAX: usize = 3 * BLOCKS_PER_REQUEST_MAX;
/// Blocks asked for and not yet delivered, in all.
const BLOCKS_IN_FLIGHT_MAX: usize = 512;
/// How far beyond the first missing body of a branch bodies are fetched, blocks.
const WINDOW_BLOCKS: u32 = 1_024;
/// Time after which a block asked of one peer is also asked of an idle other, milliseconds.
const STEAL_AFTER_MS: u64 = 1_000;
/// Time a peer that lacked promised blocks is left alone at first, milliseconds; doubles.
const REST_AFTER_EMPTY_MS: u64 = 250;
/// Promised blocks a peer may fail to send, requests in a row.
const EMPTY_ANSWERS_MAX: u32 = 5;
/// Blocks whose sender is remembered until they are judged.
const SOURCES_MAX: usize = 4_096;

impl Core {
    /// Asks for what is missing, of whoever has it and has least to do.
    pub(crate) fn schedule_bodies(&mut self, now: Time) {
        if self.sync.peers.is_empty() || self.chain.tree.best_header() == self.chain.tip() {
            return;
        }
        let mut peers: Vec<(usize, PeerKey)> =
            self.sync.peers.iter().map(|(peer, state)| (state.blocks.len(), *peer)).collect();
        peers.sort_unstable();
        // One request each in turn, so that the work is spread.
        let mut progress = true;
        while progress {
            progress = false;
            for (_, peer) in &peers {
                progress |= self.ask_for_blocks(*peer, now);
            }
        }
    }

    fn ask_for_blocks(&mut self, peer: PeerKey, now: Time) -> bool {
        let Some(state) = self.sync.peers.get(&peer) else { return false };
        let is_free = (state.blocks.len() + 1) * BLOCKS_PER_REQUEST_MAX <= BLOCKS_IN_FLIGHT_PER_PEER_MAX;
        if state.is_distrusted
            || state.rest_until > now
            || !is_free
            || self.sync.in_flight.len() >= BLOCKS_IN_FLIGHT_MAX
        {
            return false;
        }
        let Some(best) = state.best else { return false };
        let is_idle = state.blocks.is_empty();
        let hashes = self.missing_blocks(&best, is_idle, now);
        if hashes.is_empty() {
            return false;
        }
        let asked = Asked::Blocks { hashes: hashes.clone(), is_promised: true };
        self.ask(peer, asked, Request::Blocks { hashes }, now).is_some()
    }

    /// The first blocks of a branch that are neither here nor asked for; for an idle peer, else those asked for long ago.
    fn missing_blocks(&self, best: &BlockHash, is_idle: bool, now: Time) -> Vec<BlockHash> {
        let tree = &self.chain.tree;
        let Some(best) = tree.find(best) else { return Vec::new() };
        let node = tree.node(best);
        if node.work <= tree.node(self.chain.tip()).work || !node.is_sound() || node.is_linked {
            return Vec::new();
        }
        let fork = self.chain.fork_from_active(best);
        let reach = tree.ancestor(best, tree.node(fork).height.saturating_add(WINDOW_BLOCKS));
        let (mut fresh, mut late) = (Vec::new(), Vec::new());
        for id in tree.path(fork, reach) {
            let node = tree.node(id);
            if node.has_body() {
                continue;
            }
            match self.sync.in_flight.get(&node.hash).map(Vec::as_slice) {
                None => fresh.push(node.hash),
                Some([only]) if is_idle && self.is_late(only, now) => late.push(node.hash),
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
        let since = self.sync.outstanding.get(request).map(|owed| owed.since.0);
        since.is_some_and(|since| now.0.saturating_sub(since) >= STEAL_AFTER_MS)
    }

    /// Asks one peer for one block that it may or may not have.
    pub(crate) fn ask_block(&mut self, peer: PeerKey, hash: BlockHash, now: Time) {
        if !self.sync.in_flight.contains_key(&hash) {
            let hashes = vec![hash];
            let asked = Asked::Blocks { hashes: hashes.clone(), is_promised: false };
            self.ask(peer, asked, Request::Blocks { hashes }, now);
        }
    }

    /// Blocks from a peer.
    pub(crate) fn blocks_came(
        &mut self,
        peer: PeerKey,
        asked: &[BlockHash],
        is_promised: bool,
        blocks: Vec<Arc<Block>>,
        now: Time,
    ) -> Result<(), StoreError> {
        if blocks.is_empty() {
            self.blocks_did_not_come(peer, is_promised, now);
            return Ok(());
        }
        if let Some(state) = self.sync.peers.get_mut(&peer) {
            state.empty_answers = 0;
        }
        let mut expected = asked.iter();
        for block in blocks {
            let hash = block.header.hash();
            if !expected.any(|asked| *asked == hash) {
                self.offend(peer, Misbehaviour::BadAnswer("blocks that were not asked for"));
                break;
            }
            if !self.take_block(peer, hash, block, now) {
                break;
            }
        }
        self.activate(now, Some(CALL_TRANSACTIONS_MAX))
    }

    /// One block of a peer's answer; false if the peer is not to be heard further.
    fn take_block(&mut self, peer: PeerKey, hash: BlockHash, block: Arc<Block>, now: Time) -> bool {
        let Some(id) = self.chain.tree.find(&hash) else { return true };
        if self.chain.tree.node(id).has_body() || !self.chain.tree.node(id).is_sound() {
            return true;
        }
        match self.check_body(id, block) {
            Ok(body) => {
                if self.sync.sources.len() >= SOURCES_MAX {
                    self.sync.sources.pop_first();
                }
                self.sync.sources.insert(hash, peer);
                self.accept_body(id, body);
                self.adopt_orphans(hash, now);
                true
            }
            Err(error) if error.is_mutation() => {
                self.offend(peer, Misbehaviour::BadAnswer("a body that does not belong to its header"));
                false
            }
            Err(error) => {
                self.offend(peer, Misbehaviour::BrokeRule(error.reason()));
                false
            }
        }
    }

    fn blocks_did_not_come(&mut self, peer: PeerKey, is_promised: bool, now: Time) {
        let Some(state) = self.sync.peers.get_mut(&peer) else { return };
        if !is_promised {
            return;
        }
        state.empty_answers += 1;
        let empty_answers = state.empty_answers;
        if empty_answers > EMPTY_ANSWERS_MAX {
            self.offend(peer, Misbehaviour::BadAnswer("none of the blocks it promised"));
        } else {
            self.rest(peer, REST_AFTER_EMPTY_MS << (empty_answers - 1), now);
        }
    }
}
