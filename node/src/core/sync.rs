//! Synchronisation: headers first from whoever has a better chain, then bodies from several peers in a sliding window, every
//! request with a deadline. Work that a peer does not deliver is given to another.
//!
//! [`headers`] follows peers' header chains, [`presync`] those of little work; [`bodies`] fetches blocks; [`transactions`]
//! fetches mempools and orphans' parents; [`serve`] answers peers. Gossip is in [`relay`](super::relay).

pub(crate) mod bodies;
pub(crate) mod headers;
pub(crate) mod presync;
pub(crate) mod serve;
pub(crate) mod transactions;

use super::Core;
use super::event::{Misbehaviour, Output, PeerKey, RequestFailure, RequestId, Time};
use super::message::{Request, Response};
use super::store::StoreError;
use chain_spec::{BlockHash, Txid};
use presync::Presync;
use std::collections::{BTreeMap, BTreeSet};

/// Time a peer has for headers, ids, or transactions, milliseconds.
const ANSWER_TIME_MS_MAX: u64 = 10_000;
/// Time a peer has for the blocks of one request, milliseconds.
const BLOCKS_TIME_MS_MAX: u64 = 20_000;
/// Time a peer that did not answer is left alone, milliseconds.
const REST_AFTER_STALL_MS: u64 = 30_000;
/// Requests waiting for one peer's answer, requests.
const REQUESTS_PER_PEER_MAX: usize = 24;

/// What was asked.
#[derive(Debug)]
pub(crate) enum Asked {
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
struct Outstanding {
    peer: PeerKey,
    asked: Asked,
    since: Time,
    deadline: Time,
}

/// One connected peer.
#[derive(Debug, Default)]
pub(crate) struct Peer {
    /// They dialled us.
    pub inbound: bool,
    /// When they came.
    since: Time,
    /// The header with the most work of the chain they showed us.
    pub best: Option<BlockHash>,
    /// The header with the most work they are known to have, in whatever way: by `best`, by what they forwarded, asked for or
    /// were given. Says less than `best`: their blocks may be behind.
    pub known: Option<BlockHash>,
    /// Height of `best` when they first answered.
    pub starting_height: Option<u32>,
    /// Our outstanding request for headers.
    headers: Option<RequestId>,
    /// They spoke of a block beyond what is known while headers were under way.
    is_asked_again: bool,
    /// More headers follow once our blocks catch up.
    has_more_headers: bool,
    /// They follow a chain of too little work (yet).
    presync: Option<Presync>,
    /// Our outstanding requests for blocks.
    pub blocks: BTreeSet<RequestId>,
    /// All our outstanding requests.
    requests: usize,
    /// Not asked before this.
    rest_until: Time,
    /// They lied; the shell has been told, and nothing more is asked of them.
    is_distrusted: bool,
    /// Promised blocks they did not send, in a row, requests.
    empty_answers: u32,
    /// Their mempool was asked for.
    is_mempool_known: bool,
    /// When their last request for our mempool was served.
    mempool_served_at: Option<Time>,
}

/// What is known of peers and asked of them.
#[derive(Debug, Default)]
pub(crate) struct Sync {
    peers: BTreeMap<PeerKey, Peer>,
    outstanding: BTreeMap<RequestId, Outstanding>,
    /// Blocks asked for, and in which requests.
    in_flight: BTreeMap<BlockHash, Vec<RequestId>>,
    /// Who sent blocks that are not judged yet.
    sources: BTreeMap<BlockHash, PeerKey>,
    next_request: u64,
    /// Whom to ask next when nothing is heard, and when.
    poll_after: PeerKey,
    poll_at: Time,
}

impl Sync {
    /// Whether an answer is awaited.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.outstanding.is_empty() || self.peers.values().any(|peer| peer.rest_until > Time(0) && !peer.is_distrusted)
    }
    /// A connected peer.
    pub(crate) fn peer(&self, peer: PeerKey) -> Option<&Peer> {
        self.peers.get(&peer)
    }
    /// Connected peers that may be asked.
    pub(crate) fn connected(&self) -> impl Iterator<Item = PeerKey> {
        self.peers.iter().filter(|(_, state)| !state.is_distrusted).map(|(peer, _)| *peer)
    }
    /// Blocks asked of a peer.
    pub(crate) fn blocks_of(&self, peer: &Peer) -> Vec<BlockHash> {
        let asked = peer.blocks.iter().filter_map(|id| self.outstanding.get(id));
        let hashes = asked.filter_map(|outstanding| match &outstanding.asked {
            Asked::Blocks { hashes, .. } => Some(hashes.clone()),
            _ => None,
        });
        hashes.flatten().collect()
    }
    /// Who sent a block, asked once.
    pub(crate) fn take_source(&mut self, hash: &BlockHash) -> Option<PeerKey> {
        self.sources.remove(hash)
    }
}

impl Core {
    /// A peer came: each side asks the other what it has.
    pub(crate) fn peer_connected(&mut self, peer: PeerKey, inbound: bool, now: Time) {
        self.sync.peers.insert(peer, Peer { inbound, since: now, ..Peer::default() });
        self.ask_headers(peer, now);
    }

    /// A peer is gone, and with it every answer it owed.
    pub(crate) fn peer_disconnected(&mut self, peer: PeerKey, now: Time) {
        let owed: Vec<RequestId> =
            self.sync.outstanding.iter().filter(|(_, owed)| owed.peer == peer).map(|(id, _)| *id).collect();
        for id in owed {
            if let Some(asked) = self.close_request(id) {
                self.give_up(peer, asked, now);
            }
        }
        self.sync.peers.remove(&peer);
        self.sync.sources.retain(|_, source| *source != peer);
        self.orphans.remove_peer(peer);
    }

    /// Asks a peer. `None` if it may not be asked now.
    pub(crate) fn ask(&mut self, peer: PeerKey, asked: Asked, request: Request, now: Time) -> Option<RequestId> {
        let state = self.sync.peers.get_mut(&peer)?;
        if state.is_distrusted || state.rest_until > now || state.requests >= REQUESTS_PER_PEER_MAX {
            return None;
        }
        let id = RequestId(self.sync.next_request);
        self.sync.next_request += 1;
        state.requests += 1;
        let time = if matches!(asked, Asked::Blocks { .. }) { BLOCKS_TIME_MS_MAX } else { ANSWER_TIME_MS_MAX };
        match &asked {
            Asked::Headers => state.headers = Some(id),
            Asked::Blocks { hashes, .. } => {
                state.blocks.insert(id);
                for hash in hashes {
                    self.sync.in_flight.entry(*hash).or_default().push(id);
                }
            }
            _ => {}
        }
        let deadline = Time(now.0.saturating_add(time));
        self.sync.outstanding.insert(id, Outstanding { peer, asked, since: now, deadline });
        self.outputs.push(Output::Request { peer, id, request });
        Some(id)
    }

    /// Ends a request, however it went.
    fn close_request(&mut self, id: RequestId) -> Option<Asked> {
        let Outstanding { peer, asked, .. } = self.sync.outstanding.remove(&id)?;
        if let Some(state) = self.sync.peers.get_mut(&peer) {
            state.requests -= 1;
            state.blocks.remove(&id);
            if state.headers == Some(id) {
                state.headers = None;
            }
        }
        if let Asked::Blocks { hashes, .. } = &asked {
            for hash in hashes {
                if let Some(requests) = self.sync.in_flight.get_mut(hash) {
                    requests.retain(|request| *request != id);
                    if requests.is_empty() {
                        self.sync.in_flight.remove(hash);
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
        now: Time,
    ) -> Result<(), StoreError> {
        if self.sync.outstanding.get(&id).is_none_or(|owed| owed.peer != peer) {
            // Late, after its deadline, when it was given to another: what was asked is known, so no harm is meant.
            return Ok(());
        }
        let Some(asked) = self.close_request(id) else { return Ok(()) };
        match (asked, response) {
            (Asked::Headers, Response::Headers(headers)) => self.headers_came(peer, &headers, now)?,
            (Asked::Blocks { hashes, is_promised }, Response::Blocks(blocks)) => {
                self.blocks_came(peer, &hashes, is_promised, blocks, now)?;
            }
            (Asked::BlockTransactions(hash), Response::BlockTransactions(transactions)) => {
                self.block_transactions_came(peer, hash, transactions, now)?;
            }
            (Asked::Mempool, Response::Mempool(txids)) => self.mempool_ids_came(peer, txids, now),
            (Asked::Transactions { txids, are_parents }, Response::Transactions(transactions)) => {
                self.transactions_came(peer, txids, are_parents, transactions, now)?;
            }
            (asked, _) => {
                self.offend(peer, Misbehaviour::BadAnswer("an answer of another kind than asked for"));
                self.give_up(peer, asked, now);
            }
        }
        Ok(())
    }

    /// A request will not be answered.
    pub(crate) fn request_failed(&mut self, peer: PeerKey, id: RequestId, failure: RequestFailure, now: Time) {
        if self.sync.outstanding.get(&id).is_none_or(|owed| owed.peer != peer) {
            return;
        }
        let Some(asked) = self.close_request(id) else { return };
        match failure {
            RequestFailure::Malformed => self.offend(peer, Misbehaviour::BadAnswer("an answer that cannot be decoded")),
            RequestFailure::Timeout => self.stalled(peer, now),
            RequestFailure::Disconnected | RequestFailure::Unsupported => self.rest(peer, REST_AFTER_STALL_MS, now),
        }
        self.give_up(peer, asked, now);
    }

    /// What follows when a request came to nothing. Blocks are scheduled again at the end of the call.
    fn give_up(&mut self, peer: PeerKey, asked: Asked, now: Time) {
        match asked {
            Asked::Headers => {
                if let Some(state) = self.sync.peers.get_mut(&peer) {
                    state.presync = None;
                }
            }
            Asked::BlockTransactions(hash) => self.compact_failed(&hash, now),
            Asked::Blocks { .. } | Asked::Mempool | Asked::Transactions { .. } => {}
        }
    }

    /// Reports a peer that broke a rule or a promise, and asks nothing more of it.
    pub(crate) fn offend(&mut self, peer: PeerKey, misbehaviour: Misbehaviour) {
        if let Some(state) = self.sync.peers.get_mut(&peer) {
            state.is_distrusted = true;
        }
        self.outputs.push(Output::Misbehaviour { peer, misbehaviour });
    }

    /// Reports a peer that did not answer in time, and leaves it alone for a while.
    fn stalled(&mut self, peer: PeerKey, now: Time) {
        self.rest(peer, REST_AFTER_STALL_MS, now);
        self.outputs.push(Output::Misbehaviour { peer, misbehaviour: Misbehaviour::Stalled });
    }

    fn rest(&mut self, peer: PeerKey, time_ms: u64, now: Time) {
        if let Some(state) = self.sync.peers.get_mut(&peer) {
            state.rest_until = Time(now.0.saturating_add(time_ms));
        }
    }

    /// Deadlines, and questions when nothing is heard.
    pub(crate) fn sync_tick(&mut self, now: Time) {
        for peer in self.sync.peers.values_mut().filter(|peer| peer.rest_until <= now) {
            peer.rest_until = Time(0);
        }
        let late: Vec<(RequestId, PeerKey)> = self
            .sync
            .outstanding
            .iter()
            .filter(|(_, owed)| owed.deadline <= now)
            .map(|(id, owed)| (*id, owed.peer))
            .collect();
        for (id, peer) in late {
            if let Some(asked) = self.close_request(id) {
                self.stalled(peer, now);
                self.give_up(peer, asked, now);
            }
        }
        self.resume_headers(now);
        self.poll_headers(now);
        self.ask_mempools(now);
    }
}
