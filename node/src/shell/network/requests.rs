//! Requests under way: ours, to match answers with, and theirs, to answer and to bound.

use crate::core::event::{InboundId, PeerKey, RequestId};
use crate::core::message::Response;
use libp2p::PeerId;
use libp2p::request_response::{InboundRequestId, OutboundRequestId, ResponseChannel};
use std::collections::HashMap;

/// Requests of one peer that are being answered at once; more are refused and held against it.
pub const INBOUND_REQUESTS_PER_PEER_MAX: usize = 32;
/// Bytes of answers on their way to all peers; beyond, new requests are refused (nobody's fault).
pub const ANSWERS_BYTES_MAX: usize = 128 << 20;

/// One of our requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// Who was asked.
    pub peer: PeerKey,
    /// The core's name for it.
    pub id: RequestId,
    /// What kind of answer it must get.
    pub kind: u8,
}
struct Incoming {
    peer: PeerId,
    request: InboundRequestId,
    channel: ResponseChannel<Response>,
}
/// A request of theirs from its arrival until its answer has left or failed.
struct Serving {
    peer: PeerId,
    answer_bytes: usize,
}
/// Whether a request may be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Yes, under this name.
    Admitted(InboundId),
    /// No: the peer has too many under way.
    TooMany,
    /// No: this node has too much to send already.
    Busy,
}
/// All requests under way.
#[derive(Default)]
pub struct Requests {
    outgoing: HashMap<OutboundRequestId, Outgoing>,
    incoming: HashMap<InboundId, Incoming>,
    serving: HashMap<InboundRequestId, Serving>,
    serving_by_peer: HashMap<PeerId, usize>,
    answer_bytes: usize,
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
    /// Forgets our requests to a peer that is gone.
    pub fn forget_peer(&mut self, peer: PeerKey) {
        self.outgoing.retain(|_, outgoing| outgoing.peer != peer);
    }
    /// A request of theirs came.
    pub fn admit(&mut self, peer: PeerId, request: InboundRequestId, channel: ResponseChannel<Response>) -> Admission {
        if self.answer_bytes >= ANSWERS_BYTES_MAX {
            return Admission::Busy;
        }
        let under_way = self.serving_by_peer.entry(peer).or_default();
        if *under_way >= INBOUND_REQUESTS_PER_PEER_MAX {
            return Admission::TooMany;
        }
        *under_way += 1;
        self.serving.insert(request, Serving { peer, answer_bytes: 0 });
        let id = InboundId(self.next_inbound);
        self.next_inbound += 1;
        self.incoming.insert(id, Incoming { peer, request, channel });
        Admission::Admitted(id)
    }
    /// The core answered: where the answer goes. `None` when the peer no longer waits.
    pub fn answer(&mut self, id: InboundId, bytes: usize) -> Option<(PeerId, ResponseChannel<Response>)> {
        let incoming = self.incoming.remove(&id)?;
        if let Some(serving) = self.serving.get_mut(&incoming.request) {
            serving.answer_bytes = bytes;
            self.answer_bytes += bytes;
        }
        incoming.channel.is_open().then_some((incoming.peer, incoming.channel))
    }
    /// The answer to a request of theirs has left, or never will.
    pub fn served(&mut self, request: &InboundRequestId) {
        let Some(serving) = self.serving.remove(request) else { return };
        self.answer_bytes -= serving.answer_bytes;
        if let Some(under_way) = self.serving_by_peer.get_mut(&serving.peer) {
            *under_way -= 1;
            if *under_way == 0 {
                self.serving_by_peer.remove(&serving.peer);
            }
        }
    }
}
