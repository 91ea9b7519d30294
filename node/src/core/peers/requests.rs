//! What was asked of peers, until when an answer may come, and to whom the answer goes.

use super::misbehaviour::BACK_OFF_AFTER_STALL_MS;
use super::{Context, HeadersDelivery, Peers, ReconstructedBlock, TransactionsDelivery};
use crate::core::event::{Misbehaviour, Output, PeerKey, RequestFailure, RequestId, Time};
use crate::core::message::{Request, Response};
use chain_spec::{Block, BlockHash, Txid};
use std::sync::Arc;

/// Time a peer has for headers, ids, or transactions beside two round trips, milliseconds.
const ANSWER_TIME_MS_MAX: u64 = 10_000;
/// Time a peer has for the blocks of one request beside two round trips, milliseconds.
const BLOCKS_TIME_MS_MAX: u64 = 20_000;
/// The longest round trip that is waited for, milliseconds: two links of 10 s, the slowest that a network may be given. It is
/// also assumed of a peer that has not answered yet.
const ROUND_TRIP_MS_MAX: u64 = 20_000;
/// Requests waiting for one peer's answer, requests.
const REQUESTS_PER_PEER_MAX: usize = 24;

/// What was asked.
#[derive(Debug)]
pub(super) enum Asked {
    /// Headers after a locator.
    Headers,
    /// Whole blocks.
    Blocks {
        /// Those asked for and not yet delivered.
        hashes: Vec<BlockHash>,
        /// They are of the chain the peer showed us, so it must have them.
        is_promised: bool,
    },
    /// What a compact block lacked.
    BlockTransactions(BlockHash),
    /// The peer's mempool ids.
    Mempool,
    /// Transactions.
    Transactions {
        /// Those asked for and not yet delivered.
        txids: Vec<Txid>,
        /// Parents of orphans rather than the mempool of a newly met peer.
        are_parents: bool,
    },
}

/// A request that waits for its answer.
#[derive(Debug)]
pub(super) struct Outstanding {
    pub(super) peer: PeerKey,
    pub(super) asked: Asked,
    pub(super) since: Time,
    deadline: Time,
}

/// What a peer delivered, for another part of the core.
#[derive(Debug)]
pub(crate) enum Delivery {
    /// Headers of a chain that is worth keeping.
    Headers(HeadersDelivery),
    /// Blocks that were asked for.
    Blocks(Vec<Arc<Block>>),
    /// A block whose transactions are together.
    Reconstructed(ReconstructedBlock),
    /// Transactions that were asked for.
    Transactions(TransactionsDelivery),
}

impl Peers {
    /// Asks a peer. `None` if it may not be asked now.
    pub(super) fn ask(
        &mut self,
        peer: PeerKey,
        asked: Asked,
        request: Request,
        cx: &mut Context<'_>,
    ) -> Option<RequestId> {
        let state = self.peers.get_mut(&peer)?;
        if state.is_distrusted || state.back_off_until > cx.now || state.requests >= REQUESTS_PER_PEER_MAX {
            return None;
        }
        let id = RequestId(self.next_request);
        self.next_request += 1;
        state.requests += 1;
        let time = if matches!(asked, Asked::Blocks { .. }) { BLOCKS_TIME_MS_MAX } else { ANSWER_TIME_MS_MAX };
        match &asked {
            Asked::Headers => state.headers = Some(id),
            Asked::Blocks { hashes, .. } => {
                state.blocks.insert(id);
                for hash in hashes {
                    self.in_flight.entry(*hash).or_default().push(id);
                }
            }
            _ => {}
        }
        let time = time + 2 * state.round_trip_ms.unwrap_or(ROUND_TRIP_MS_MAX);
        let deadline = Time(cx.now.0.saturating_add(time));
        self.outstanding.insert(id, Outstanding { peer, asked, since: cx.now, deadline });
        cx.outputs.push(Output::Request { peer, id, request });
        Some(id)
    }

    /// Ends a request, however it went.
    pub(super) fn close_request(&mut self, id: RequestId) -> Option<Asked> {
        let Outstanding { peer, asked, .. } = self.outstanding.remove(&id)?;
        if let Some(state) = self.peers.get_mut(&peer) {
            state.requests -= 1;
            state.blocks.remove(&id);
            if state.headers == Some(id) {
                state.headers = None;
            }
        }
        if let Asked::Blocks { hashes, .. } = &asked {
            for hash in hashes {
                if let Some(requests) = self.in_flight.get_mut(hash) {
                    requests.retain(|request| *request != id);
                    if requests.is_empty() {
                        self.in_flight.remove(hash);
                    }
                }
            }
        }
        Some(asked)
    }

    /// A peer answers.
    pub(crate) fn response(
        &mut self,
        peer: PeerKey,
        id: RequestId,
        response: Response,
        cx: &mut Context<'_>,
    ) -> Option<Delivery> {
        if self.outstanding.get(&id).is_none_or(|owed| owed.peer != peer) {
            // Late, after its deadline, when it was given to another: what was asked is known, so no harm is meant.
            return None;
        }
        self.note_round_trip(peer, id, cx.now);
        match (self.close_request(id)?, response) {
            (Asked::Headers, Response::Headers(headers)) => self.headers_came(peer, headers, cx).map(Delivery::Headers),
            (Asked::Blocks { hashes, is_promised }, Response::Blocks(blocks)) => {
                self.blocks_came(peer, &hashes, is_promised, blocks, cx).map(Delivery::Blocks)
            }
            (Asked::Blocks { hashes, is_promised }, Response::Pruned { from_height }) => {
                self.blocks_were_pruned(peer, &hashes, is_promised, from_height, cx);
                None
            }
            (Asked::BlockTransactions(hash), Response::BlockTransactions(transactions)) => {
                self.block_transactions_came(peer, hash, transactions, cx).map(Delivery::Reconstructed)
            }
            (Asked::Mempool, Response::Mempool(txids)) => {
                self.mempool_ids_came(peer, txids, cx);
                None
            }
            (Asked::Transactions { txids, are_parents }, Response::Transactions(transactions)) => {
                let delivery = self.transactions_came(peer, txids, are_parents, transactions, cx);
                Some(Delivery::Transactions(delivery))
            }
            (asked, _) => {
                let misbehaviour = Misbehaviour::BadAnswer("an answer of another kind than asked for");
                self.misbehaved(peer, misbehaviour, cx);
                self.give_up(peer, asked, cx);
                None
            }
        }
    }

    /// Learns from an answer how long a round trip to a peer takes: at most what it took, and the shortest of late, because an
    /// answer may also be late for its size.
    fn note_round_trip(&mut self, peer: PeerKey, id: RequestId, now: Time) {
        let Some(took) = self.outstanding.get(&id).map(|owed| now.0.saturating_sub(owed.since.0)) else { return };
        if let Some(state) = self.peers.get_mut(&peer) {
            let took = took.min(ROUND_TRIP_MS_MAX);
            // Creeps up by a quarter, so that a link that became slower is noticed after some answers.
            let before = state.round_trip_ms.map_or(took, |before| before + before / 4 + 1);
            state.round_trip_ms = Some(took.min(before));
        }
    }

    /// A request will not be answered.
    pub(crate) fn request_failed(
        &mut self,
        peer: PeerKey,
        id: RequestId,
        failure: RequestFailure,
        cx: &mut Context<'_>,
    ) {
        if self.outstanding.get(&id).is_none_or(|owed| owed.peer != peer) {
            return;
        }
        let Some(asked) = self.close_request(id) else { return };
        match failure {
            RequestFailure::Malformed => {
                self.misbehaved(peer, Misbehaviour::BadAnswer("an answer that cannot be decoded"), cx);
            }
            RequestFailure::Timeout => self.stalled(peer, cx),
            RequestFailure::Disconnected | RequestFailure::Unsupported => {
                self.back_off(peer, BACK_OFF_AFTER_STALL_MS, cx.now);
            }
        }
        self.give_up(peer, asked, cx);
    }

    /// Gives up on answers that did not come in time.
    pub(super) fn close_late_requests(&mut self, cx: &mut Context<'_>) {
        let late = self.outstanding.iter().filter(|(_, owed)| owed.deadline <= cx.now);
        let late: Vec<(RequestId, PeerKey)> = late.map(|(id, owed)| (*id, owed.peer)).collect();
        for (id, peer) in late {
            if let Some(asked) = self.close_request(id) {
                self.stalled(peer, cx);
                self.give_up(peer, asked, cx);
            }
        }
    }

    /// What follows when a request came to nothing. Blocks are scheduled again at the end of the call.
    pub(super) fn give_up(&mut self, peer: PeerKey, asked: Asked, cx: &mut Context<'_>) {
        match asked {
            Asked::Headers => {
                if let Some(state) = self.peers.get_mut(&peer) {
                    state.presync = None;
                }
            }
            Asked::BlockTransactions(hash) => self.reconstruction_failed(&hash, peer, cx),
            Asked::Blocks { .. } | Asked::Mempool | Asked::Transactions { .. } => {}
        }
    }
}
