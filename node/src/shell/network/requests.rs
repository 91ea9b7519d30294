//! Requests under way: ours, to match answers with, and theirs, to answer and to bound.
//!
//! What the answers to their requests may take is reserved before the core makes them, by the largest answer that each
//! request may get. A peer that does not take its answers keeps its reservation, and its further requests wait, as Bitcoin
//! Core stops reading from a peer whose send buffer is full. No peer can reserve everything, and a part is for the peers
//! that this node dialled, so that strangers who take nothing cannot stop the node from serving others.

use crate::core::event::{InboundId, PeerKey, RequestId};
use crate::core::message::{Request, Response};
use libp2p::PeerId;
use libp2p::request_response::{InboundRequestId, OutboundRequestId, ResponseChannel};
use std::collections::{HashMap, VecDeque};
use std::time::Duration;
use tokio::time::Instant;

/// Requests of one peer that wait or are being answered at once; more are refused and held against it.
pub const INBOUND_REQUESTS_PER_PEER_MAX: usize = 32;
/// Bytes of answers to all peers, promised or on their way; beyond, requests wait.
pub const ANSWERS_BYTES_MAX: usize = 128 << 20;
/// Bytes of these that peers which dialled us may have together; the rest is for peers that this node dialled.
pub const ANSWERS_BYTES_INBOUND_MAX: usize = 96 << 20;
/// Bytes of answers to one peer; one answer is made whatever its size.
pub const ANSWERS_BYTES_PER_PEER_MAX: usize = 8 << 20;
/// While others wait for room, a peer that has left an answer untaken for this long gives way.
pub const ANSWER_UNTAKEN_MAX: Duration = Duration::from_secs(10);

/// One of our requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// The peer that was asked.
    pub peer: PeerKey,
    /// The number the core gave the request.
    pub id: RequestId,
    /// The kind of answer it must get (`wire::kind`).
    pub kind: u8,
}
/// A request of theirs.
pub struct Arrived {
    /// The peer that asks.
    pub peer: PeerId,
    /// The number the core knows the peer by.
    pub key: PeerKey,
    /// Whether the peer dialled us.
    pub inbound: bool,
    /// libp2p's name for the request.
    pub request_id: InboundRequestId,
    /// Where the answer goes.
    pub channel: ResponseChannel<Response>,
    /// What is asked for.
    pub request: Request,
    /// Bytes of the largest answer the request may get.
    pub answer_bytes_max: usize,
}
/// A request that the core is to answer now.
#[derive(Debug)]
pub struct Admitted {
    /// The peer that asks.
    pub peer: PeerKey,
    /// To answer with.
    pub id: InboundId,
    /// What is asked for.
    pub request: Request,
}
/// A request that the core is answering.
struct Answering {
    peer: PeerId,
    request_id: InboundRequestId,
    channel: ResponseChannel<Response>,
}
/// A request from its admission until its answer has left or failed.
struct Serving {
    peer: PeerId,
    inbound: bool,
    /// Promised until the answer is made, then the answer's.
    bytes: usize,
    /// When the answer was handed to the connection.
    answered: Option<Instant>,
}
/// What one peer has under way.
#[derive(Default)]
struct Share {
    serving: usize,
    bytes: usize,
    waiting: VecDeque<Arrived>,
}
/// All requests under way.
#[derive(Default)]
pub struct Requests {
    outgoing: HashMap<OutboundRequestId, Outgoing>,
    answering: HashMap<InboundId, Answering>,
    serving: HashMap<InboundRequestId, Serving>,
    shares: HashMap<PeerId, Share>,
    /// Peers with waiting requests, in the order of their turns.
    turns: VecDeque<PeerId>,
    bytes: usize,
    bytes_inbound: usize,
    next_inbound: u64,
}
impl Requests {
    /// A request of ours left.
    pub fn sent(&mut self, request: OutboundRequestId, outgoing: Outgoing) {
        self.outgoing.insert(request, outgoing);
    }
    /// A request of ours came to its end.
    pub fn finished(&mut self, request: &OutboundRequestId) -> Option<Outgoing> {
        self.outgoing.remove(request)
    }
    /// A peer is gone: its requests that wait and ours to it are forgotten. Those being answered end with their streams.
    pub fn forget_peer(&mut self, peer: &PeerId, key: Option<PeerKey>) {
        self.outgoing.retain(|_, outgoing| Some(outgoing.peer) != key);
        if let Some(share) = self.shares.get_mut(peer) {
            share.waiting.clear();
            if share.serving == 0 {
                self.shares.remove(peer);
            }
        }
        self.turns.retain(|waiting| waiting != peer);
    }
    /// A request of theirs came; it waits for [`Requests::admit`]. `false`: the peer has too many under way already.
    pub fn arrived(&mut self, arrived: Arrived) -> bool {
        let share = self.shares.entry(arrived.peer).or_default();
        if share.serving + share.waiting.len() >= INBOUND_REQUESTS_PER_PEER_MAX {
            return false;
        }
        if share.waiting.is_empty() {
            self.turns.push_back(arrived.peer);
        }
        share.waiting.push_back(arrived);
        true
    }
    /// The next request for whose answer there is room, peers taking turns.
    pub fn admit(&mut self) -> Option<Admitted> {
        for _ in 0..self.turns.len() {
            let peer = self.turns.pop_front()?;
            let Some(share) = self.shares.get_mut(&peer) else { continue };
            let Some(arrived) = share.waiting.pop_front() else { continue };
            let bytes = arrived.answer_bytes_max;
            let fits_peer = share.bytes == 0 || share.bytes + bytes <= ANSWERS_BYTES_PER_PEER_MAX;
            let fits = self.bytes == 0 || self.bytes + bytes <= ANSWERS_BYTES_MAX;
            let fits_inbound =
                !arrived.inbound || self.bytes_inbound == 0 || self.bytes_inbound + bytes <= ANSWERS_BYTES_INBOUND_MAX;
            // The asker may have given up meanwhile.
            let is_open = arrived.channel.is_open();
            if is_open && !(fits_peer && fits && fits_inbound) {
                share.waiting.push_front(arrived);
                self.turns.push_back(peer);
                continue;
            }
            if !share.waiting.is_empty() {
                self.turns.push_back(peer);
            }
            if is_open {
                return Some(self.serve(arrived));
            }
        }
        None
    }
    fn serve(&mut self, arrived: Arrived) -> Admitted {
        let Arrived { peer, key, inbound, request_id, channel, request, answer_bytes_max: bytes } = arrived;
        self.reserve(peer, inbound, 0, bytes);
        self.shares.entry(peer).or_default().serving += 1;
        self.serving.insert(request_id, Serving { peer, inbound, bytes, answered: None });
        let id = InboundId(self.next_inbound);
        self.next_inbound += 1;
        self.answering.insert(id, Answering { peer, request_id, channel });
        Admitted { peer: key, id, request }
    }
    /// Replaces a reservation.
    fn reserve(&mut self, peer: PeerId, inbound: bool, before: usize, now: usize) {
        let change = |sum: &mut usize| *sum = *sum + now - before;
        change(&mut self.bytes);
        if inbound {
            change(&mut self.bytes_inbound);
        }
        change(&mut self.shares.entry(peer).or_default().bytes);
    }
    /// The core has made an answer of this many bytes: for whom, and where it goes. `None` when the peer no longer waits for it.
    pub fn answer(&mut self, id: InboundId, bytes: usize, now: Instant) -> Option<(PeerId, ResponseChannel<Response>)> {
        let Answering { peer, request_id, channel } = self.answering.remove(&id)?;
        if !channel.is_open() {
            return None;
        }
        if let Some(serving) = self.serving.get_mut(&request_id) {
            let (inbound, before) = (serving.inbound, serving.bytes);
            (serving.bytes, serving.answered) = (bytes, Some(now));
            self.reserve(peer, inbound, before, bytes);
        }
        Some((peer, channel))
    }
    /// The answer to a request of theirs has left, or never will.
    pub fn served(&mut self, request: &InboundRequestId) {
        let Some(Serving { peer, inbound, bytes, .. }) = self.serving.remove(request) else { return };
        self.reserve(peer, inbound, bytes, 0);
        if let Some(share) = self.shares.get_mut(&peer) {
            share.serving -= 1;
            if share.serving == 0 && share.waiting.is_empty() {
                self.shares.remove(&peer);
            }
        }
    }
    /// Peers that have left an answer untaken for longer than `patience` allows them, while others wait for room.
    pub fn untaken(&self, now: Instant, patience: impl Fn(&PeerId) -> Duration) -> Vec<PeerId> {
        if self.turns.is_empty() {
            return Vec::new();
        }
        let late = self.serving.values().filter(|serving| {
            serving.answered.is_some_and(|since| now.saturating_duration_since(since) > patience(&serving.peer))
        });
        let mut peers: Vec<PeerId> = late.map(|serving| serving.peer).collect();
        peers.sort_unstable();
        peers.dedup();
        // A peer whose own requests are all that waits harms nobody else.
        let others_wait = |peer: &PeerId| self.turns.iter().any(|waiting| waiting != peer);
        peers.retain(others_wait);
        peers
    }
    /// Bytes of answers promised or on their way.
    pub fn answer_bytes(&self) -> usize {
        self.bytes
    }
    /// Requests of theirs that wait for room, and that are being answered.
    pub fn inbound(&self) -> (usize, usize) {
        (self.shares.values().map(|share| share.waiting.len()).sum(), self.serving.len())
    }
}
