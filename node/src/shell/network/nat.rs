//! Being reached behind an address translator (`--nat`): a node that cannot be dialled asks peers who offer it to relay
//! connections to it, and listens there; hole punching (dcutr) then turns a relayed connection into a direct one where it can.
//!
//! Plain data; the service asks and listens. Whether a node can be dialled is autonat's word, or plain where it does not listen.

use libp2p::core::transport::ListenerId;
use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId, identify, relay};
use std::collections::HashMap;
use std::time::Duration;

/// Relays a node that cannot be dialled listens through.
pub const RELAYS_MAX: usize = 2;
/// Bytes a relay carries over one circuit, each way; what is longer must find a direct way or dial again.
pub const CIRCUIT_BYTES_MAX: u64 = 64 << 20;
/// How long a relay keeps one circuit up.
pub const CIRCUIT_TIME_MAX: Duration = Duration::from_secs(60 * 60);

/// Where this node stands.
#[derive(Debug, Default)]
pub struct Nat {
    /// Nobody can dial us directly.
    is_private: bool,
    relays: HashMap<PeerId, ListenerId>,
}

impl Nat {
    /// Whether we can be dialled is known, or has changed.
    pub fn set_private(&mut self, is_private: bool) {
        self.is_private = is_private;
    }
    /// Where to listen through a peer that has introduced itself, if it relays and one more relay is wanted.
    pub fn wants_relay(&self, peer: PeerId, info: &identify::Info) -> Option<Multiaddr> {
        let relays = info.protocols.contains(&relay::HOP_PROTOCOL_NAME);
        if !self.is_private || !relays || self.relays.len() >= RELAYS_MAX || self.relays.contains_key(&peer) {
            return None;
        }
        let address =
            info.listen_addrs.iter().find(|address| !address.iter().any(|part| part == Protocol::P2pCircuit))?;
        let bare = super::address::split_peer(address).0;
        Some(bare.with(Protocol::P2p(peer)).with(Protocol::P2pCircuit))
    }
    /// We listen through a relay from now on.
    pub fn listening(&mut self, relay: PeerId, listener: ListenerId) {
        self.relays.insert(relay, listener);
    }
    /// A listener is gone; it may have been one at a relay.
    pub fn closed(&mut self, listener: ListenerId) {
        self.relays.retain(|_, known| *known != listener);
    }
}

/// Whether an address leads through a relay.
pub fn is_relayed(address: &Multiaddr) -> bool {
    address.iter().any(|part| part == Protocol::P2pCircuit)
}

/// What this node does for others as a relay.
pub fn relay_config() -> relay::Config {
    relay::Config {
        max_circuit_bytes: CIRCUIT_BYTES_MAX,
        max_circuit_duration: CIRCUIT_TIME_MAX,
        ..relay::Config::default()
    }
}
