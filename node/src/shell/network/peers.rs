//! Who is connected: every connection, what the peer told about itself, and the [`PeerKey`] the core knows it by.
//!
//! A peer gets its key once it has shown that it speaks the protocols of our chain, and keeps it until its last connection closes.
//! Plain data; the service decides.

use super::link::Link;
use super::message_bytes::MessageBytes;
use crate::core::event::{PeerKey, Time};
use libp2p::swarm::ConnectionId;
use libp2p::{Multiaddr, PeerId};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Peers that are remembered after they left.
const GONE_MAX: usize = 256;

/// One connection.
#[derive(Clone, Debug)]
pub struct Connection {
    /// libp2p's number of the connection, unique in this process.
    pub id: ConnectionId,
    /// The other end.
    pub address: Multiaddr,
    /// They dialled us.
    pub inbound: bool,
}
/// One connected peer.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Never empty.
    pub connections: Vec<Connection>,
    /// Counts its bytes.
    pub link: Arc<Link>,
    /// Set once it speaks our protocol on our chain.
    pub key: Option<PeerKey>,
    /// It said that it speaks our request protocol.
    pub identified: bool,
    /// It takes gossip of transactions.
    pub wants_transactions: bool,
    /// It takes gossip of blocks.
    pub wants_blocks: bool,
    /// Its software, as it says.
    pub agent: String,
    /// Where it says it listens.
    pub listen_addresses: Vec<Multiaddr>,
    /// When the first connection was made.
    pub connected_since: Time,
    /// The last round trip.
    pub ping: Option<Duration>,
    /// The shortest round trip.
    pub ping_min: Option<Duration>,
    /// Pings in a row that failed.
    pub pings_failed: u32,
    /// Heartbeats in a row in which it took less gossip than there was, and the last of them.
    pub slow: Option<(u32, Instant)>,
    /// What its link carried, by message.
    pub messages: MessageBytes,
}
impl Peer {
    /// The oldest connection, which names the peer's address and direction.
    pub fn first(&self) -> Option<&Connection> {
        self.connections.first()
    }
    /// It speaks all of our protocols: requests reach it, and so does gossip.
    pub fn introduced(&self) -> bool {
        self.identified && self.wants_transactions && self.wants_blocks
    }
    /// The peer dialled us first.
    pub fn inbound(&self) -> bool {
        self.first().is_some_and(|connection| connection.inbound)
    }
}
/// All connected peers.
#[derive(Debug, Default)]
pub struct Peers {
    peers: HashMap<PeerId, Peer>,
    by_key: HashMap<PeerKey, PeerId>,
    /// Who left last: the core may yet find out what they did.
    gone: VecDeque<(PeerKey, PeerId)>,
    next_key: u64,
}
impl Peers {
    /// A connection was made.
    pub fn connected(&mut self, id: PeerId, connection: Connection, link: Arc<Link>, now: Time) {
        let peer = self.peers.entry(id).or_insert_with(|| Peer {
            connections: Vec::new(),
            link,
            key: None,
            identified: false,
            wants_transactions: false,
            wants_blocks: false,
            agent: String::new(),
            listen_addresses: Vec::new(),
            connected_since: now,
            ping: None,
            ping_min: None,
            pings_failed: 0,
            slow: None,
            messages: MessageBytes::default(),
        });
        peer.connections.push(connection);
    }
    /// A connection is gone; the peer, if it was the last.
    pub fn closed(&mut self, id: &PeerId, connection: ConnectionId) -> Option<Peer> {
        let peer = self.peers.get_mut(id)?;
        peer.connections.retain(|known| known.id != connection);
        if !peer.connections.is_empty() {
            return None;
        }
        let peer = self.peers.remove(id)?;
        if let Some(key) = peer.key {
            self.by_key.remove(&key);
            if self.gone.len() >= GONE_MAX {
                self.gone.pop_front();
            }
            self.gone.push_back((key, *id));
        }
        Some(peer)
    }
    /// Gives the peer a key, unless it has one or is gone.
    pub fn announce(&mut self, id: &PeerId) -> Option<PeerKey> {
        self.peers.get(id).filter(|peer| peer.key.is_none())?;
        let key = self.take_key();
        let peer = self.peers.get_mut(id)?;
        peer.key = Some(key);
        self.by_key.insert(key, *id);
        Some(key)
    }
    /// A key that no peer has or will have.
    pub fn take_key(&mut self) -> PeerKey {
        let key = PeerKey(self.next_key);
        self.next_key += 1;
        key
    }
    /// A connected peer.
    pub fn get(&self, id: &PeerId) -> Option<&Peer> {
        self.peers.get(id)
    }
    /// A connected peer.
    pub fn get_mut(&mut self, id: &PeerId) -> Option<&mut Peer> {
        self.peers.get_mut(id)
    }
    /// The key of a connected and announced peer.
    pub fn key(&self, id: &PeerId) -> Option<PeerKey> {
        self.peers.get(id)?.key
    }
    /// Who has this key.
    pub fn id(&self, key: PeerKey) -> Option<PeerId> {
        self.by_key.get(&key).copied()
    }
    /// Who has this key, or had it until lately.
    pub fn id_of_late(&self, key: PeerKey) -> Option<PeerId> {
        let gone = || self.gone.iter().rev().find(|(known, _)| *known == key);
        self.id(key).or_else(|| gone().map(|(_, id)| *id))
    }
    /// All, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&PeerId, &Peer)> {
        self.peers.iter()
    }
    /// Peers that have a key.
    pub fn announced(&self) -> usize {
        self.by_key.len()
    }
}
