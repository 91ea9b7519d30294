//! The door: banned address ranges, blocked peers, and how many connections there may be from one range of addresses, with one
//! peer, and inbound in all.
//!
//! A [`NetworkBehaviour`] that has no protocol and only refuses. Handshakes and dials under way are `connection_limits`' part;
//! who gives way when the inbound places are full is the service's.

use super::address;
use super::bans::Subnet;
use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
    dummy,
};
use libp2p::{Multiaddr, PeerId};
use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::net::IpAddr;
use std::task::{Context, Poll};

/// Inbound connections from one address range, handshakes included. Loopback is not limited: there all nodes share one address.
pub const INBOUND_PER_RANGE_MAX: usize = 16;
/// Connections with one peer: one each way, for when both dial at once.
pub const CONNECTIONS_PER_PEER_MAX: usize = 2;
/// Leading bits of an IPv4 address that make a range (Core's network groups).
const RANGE_BITS_V4: u8 = 16;
/// Leading bits of an IPv6 address that make a range.
const RANGE_BITS_V6: u8 = 32;

/// Why a connection was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Its address is banned.
    #[error("address {0} is banned")]
    Address(IpAddr),
    /// The peer is banned or its link is blocked.
    #[error("peer {0} is banned or its link is blocked")]
    Peer(PeerId),
    /// Too many from there.
    #[error("{INBOUND_PER_RANGE_MAX} connections from {ip}/{prefix_bits} already", ip = .0.ip, prefix_bits = .0.prefix_bits)]
    Range(Subnet),
    /// Too many with this peer.
    #[error("{CONNECTIONS_PER_PEER_MAX} connections with peer {0} already")]
    Connections(PeerId),
    /// No place left.
    #[error("{0} inbound connections already")]
    Inbound(usize),
}
/// The door's state.
#[derive(Debug, Default)]
pub struct ConnectionPolicy {
    inbound_max: usize,
    /// Inbound connections beyond that while the service chooses which gives way.
    inbound_room: usize,
    /// Peers asked for by name: they take no inbound place.
    protected: HashSet<PeerId>,
    /// Established connections: with whom, and whether inbound.
    established: HashMap<ConnectionId, (PeerId, bool)>,
    peers: HashSet<PeerId>,
    all_blocked_but: Option<HashSet<PeerId>>,
    ranges: Vec<Subnet>,
    inbound: HashMap<ConnectionId, Subnet>,
    inbound_by_range: HashMap<Subnet, usize>,
}
impl ConnectionPolicy {
    /// A door with this many inbound places.
    pub fn new(inbound_max: usize, inbound_room: usize) -> Self {
        Self { inbound_max, inbound_room, ..Self::default() }
    }
    /// Whether a peer takes no inbound place.
    pub fn protect(&mut self, peer: PeerId, protected: bool) {
        if protected {
            self.protected.insert(peer);
        } else {
            self.protected.remove(&peer);
        }
    }
    /// Connections that take an inbound place.
    pub fn inbound(&self) -> usize {
        self.established.values().filter(|(peer, inbound)| *inbound && !self.protected.contains(peer)).count()
    }
    /// Who is kept out from now on. With `all_but`, everybody else is kept out too.
    pub fn set(&mut self, peers: HashSet<PeerId>, all_but: Option<HashSet<PeerId>>, ranges: Vec<Subnet>) {
        self.peers = peers;
        self.all_blocked_but = all_but;
        self.ranges = ranges;
    }
    /// Whether a peer is kept out.
    pub fn refuses(&self, peer: &PeerId) -> bool {
        self.peers.contains(peer) || self.all_blocked_but.as_ref().is_some_and(|allowed| !allowed.contains(peer))
    }
    fn check_peer(&self, peer: PeerId) -> Result<(), ConnectionDenied> {
        if self.refuses(&peer) { Err(ConnectionDenied::new(Refused::Peer(peer))) } else { Ok(()) }
    }
    fn check_address(&self, remote: &Multiaddr) -> Result<(), ConnectionDenied> {
        match address::ip(remote) {
            Some(ip) if self.ranges.iter().any(|range| range.contains(ip)) => {
                Err(ConnectionDenied::new(Refused::Address(ip)))
            }
            _ => Ok(()),
        }
    }
    fn check_connections(&self, peer: PeerId) -> Result<(), ConnectionDenied> {
        let with_peer = self.established.values().filter(|(known, _)| *known == peer).count();
        if with_peer < CONNECTIONS_PER_PEER_MAX {
            Ok(())
        } else {
            Err(ConnectionDenied::new(Refused::Connections(peer)))
        }
    }
    fn check_inbound(&self, peer: PeerId) -> Result<(), ConnectionDenied> {
        let inbound = self.inbound();
        if self.protected.contains(&peer) || inbound < self.inbound_max + self.inbound_room {
            return Ok(());
        }
        Err(ConnectionDenied::new(Refused::Inbound(inbound)))
    }
    fn left(&mut self, connection: &ConnectionId) {
        self.established.remove(connection);
        let Some(range) = self.inbound.remove(connection) else { return };
        if let Some(count) = self.inbound_by_range.get_mut(&range) {
            *count -= 1;
            if *count == 0 {
                self.inbound_by_range.remove(&range);
            }
        }
    }
}
fn range_of(ip: IpAddr) -> Subnet {
    Subnet::new(ip, if ip.is_ipv4() { RANGE_BITS_V4 } else { RANGE_BITS_V6 })
}

impl NetworkBehaviour for ConnectionPolicy {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_pending_inbound_connection(
        &mut self,
        connection: ConnectionId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        self.check_address(remote)?;
        let Some(ip) = address::ip(remote).filter(|ip| !ip.is_loopback()) else { return Ok(()) };
        let range = range_of(ip);
        let count = self.inbound_by_range.entry(range).or_default();
        if *count >= INBOUND_PER_RANGE_MAX {
            return Err(ConnectionDenied::new(Refused::Range(range)));
        }
        *count += 1;
        self.inbound.insert(connection, range);
        Ok(())
    }
    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.check_peer(peer)?;
        self.check_connections(peer)?;
        self.check_inbound(peer)?;
        Ok(dummy::ConnectionHandler)
    }
    fn handle_pending_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: Option<PeerId>,
        _: &[Multiaddr],
        _: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        peer.map_or(Ok(()), |peer| self.check_peer(peer)).map(|()| Vec::new())
    }
    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.check_peer(peer)?;
        self.check_connections(peer)?;
        Ok(dummy::ConnectionHandler)
    }
    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(made) => {
                self.established.insert(made.connection_id, (made.peer_id, made.endpoint.is_listener()));
            }
            FromSwarm::ConnectionClosed(closed) => self.left(&closed.connection_id),
            FromSwarm::ListenFailure(failure) => self.left(&failure.connection_id),
            _ => {}
        }
    }
    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {}
    }
    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn knock(policy: &mut ConnectionPolicy, n: usize, from: &str) -> Result<(), ConnectionDenied> {
        let here = address::parse("192.0.2.1:1").expect("address");
        let from = address::parse(from).expect("address");
        policy.handle_pending_inbound_connection(ConnectionId::new_unchecked(n), &here, &from)
    }

    #[test]
    fn one_range_fills_its_share_and_loopback_has_none() {
        let mut policy = ConnectionPolicy::new(10, 8);
        for n in 0..INBOUND_PER_RANGE_MAX {
            knock(&mut policy, n, &format!("10.1.{n}.7:5000")).expect("room");
        }
        let refused = knock(&mut policy, 100, "10.1.99.9:5000").expect_err("full");
        assert_eq!(
            refused.downcast::<Refused>().expect("ours"),
            Refused::Range(Subnet::new("10.1.0.0".parse().expect("ip"), 16))
        );
        knock(&mut policy, 101, "10.2.0.1:5000").expect("another range");
        for n in 200..300 {
            knock(&mut policy, n, "127.0.0.1:5000").expect("loopback");
        }
        policy.left(&ConnectionId::new_unchecked(3));
        knock(&mut policy, 102, "10.1.99.9:5000").expect("room again");
    }

    #[test]
    fn banned_ranges_and_blocked_peers_are_refused() {
        let mut policy = ConnectionPolicy::new(10, 8);
        let (bad, friend) = (PeerId::random(), PeerId::random());
        policy.set([bad].into(), None, vec![Subnet::new("10.0.0.0".parse().expect("ip"), 8)]);
        assert!(knock(&mut policy, 1, "10.9.9.9:1").is_err());
        assert!(policy.refuses(&bad) && !policy.refuses(&friend));
        policy.set(HashSet::new(), Some([friend].into()), Vec::new());
        assert!(policy.refuses(&bad) && !policy.refuses(&friend));
    }
}
