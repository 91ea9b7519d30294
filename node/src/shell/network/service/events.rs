//! What libp2p reports.

use super::identity::answer_addition;
use super::{PINGS_FAILED_MAX, Service, dial_reason};
use crate::core::event::{Acceptance, Input, PeerKey, RequestFailure};
use crate::core::message::{Gossip, Response};
use crate::shell::clock;
use crate::shell::network::address_book::{Group, Source};
use crate::shell::network::behaviour::{BehaviourEvent, ChainNames, HEARTBEAT};
use crate::shell::network::codec::Incoming;
use crate::shell::network::gossip::Waiting;
use crate::shell::network::message_bytes::{count, request_name, response_name};
use crate::shell::network::nat;
use crate::shell::network::peers::Connection;
use crate::shell::network::requests::Arrived;
use crate::shell::network::score::ProtocolViolation;
use crate::shell::network::wire;
use crate::shell::network::{address, wire::WireError};
use libp2p::gossipsub::{self, MessageId};
use libp2p::request_response::{self, Message, OutboundFailure};
use libp2p::swarm::{ConnectionId, DialError, ListenError, SwarmEvent};
use libp2p::{Multiaddr, PeerId, autonat, dcutr, identify, kad, mdns, ping};
use std::io::ErrorKind;
use std::sync::Arc;
use tokio::time::Instant;

/// Heartbeats in a row a peer may fail to take gossip before it is disconnected.
const SLOW_HEARTBEATS_MAX: u32 = 30;

impl Service {
    pub(super) fn on_swarm_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(event) => self.on_behaviour_event(event),
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                let address = endpoint.get_remote_address().clone();
                let connection = Connection { id: connection_id, address, inbound: endpoint.is_listener() };
                self.on_connected(peer_id, connection);
            }
            SwarmEvent::ConnectionClosed { peer_id, connection_id, cause, .. } => {
                tracing::debug!(peer = %peer_id, ?cause, "connection closed");
                self.on_closed(peer_id, connection_id);
            }
            SwarmEvent::OutgoingConnectionError { connection_id, peer_id, error } => {
                self.on_dial_failed(connection_id, peer_id, &error);
            }
            SwarmEvent::IncomingConnectionError { send_back_addr, error, .. } => {
                if matches!(error, ListenError::LocalPeerId { .. }) {
                    self.on_own_identity_inbound(&send_back_addr);
                }
                tracing::debug!(from = %send_back_addr, %error, "an incoming connection came to nothing");
            }
            SwarmEvent::NewListenAddr { address, .. } => self.on_listening(address),
            SwarmEvent::ListenerClosed { listener_id, addresses, reason } => {
                self.nat.closed(listener_id);
                if let Err(error) = reason {
                    tracing::warn!(?addresses, %error, "no longer listening");
                }
            }
            SwarmEvent::ListenerError { error, .. } => tracing::warn!(%error, "a listener failed to take a connection"),
            _ => {}
        }
    }
    fn on_behaviour_event(&mut self, event: BehaviourEvent) {
        match event {
            BehaviourEvent::Gossip(event) => self.on_gossip_event(event),
            BehaviourEvent::Requests(event) => self.on_request_event(event),
            BehaviourEvent::Identify(identify::Event::Received { peer_id, info, .. }) => {
                self.on_identified(peer_id, info);
            }
            BehaviourEvent::Ping(event) => self.on_ping(&event),
            BehaviourEvent::Autonat(autonat::Event::StatusChanged { new, .. }) => {
                tracing::info!(status = ?new, "whether peers can dial this node");
                self.nat.set_private(new == autonat::NatStatus::Private);
            }
            BehaviourEvent::Dcutr(dcutr::Event { remote_peer_id, result }) => {
                tracing::debug!(peer = %remote_peer_id, ?result, "hole punching");
            }
            BehaviourEvent::Mdns(mdns::Event::Discovered(found)) => {
                for (peer, address) in found {
                    self.book.heard(peer, &[address], Source::LocalNetwork, clock::now_s());
                }
            }
            BehaviourEvent::Kad(kad::Event::RoutingUpdated { peer, addresses, .. }) => {
                let addresses: Vec<_> = addresses.iter().cloned().collect();
                self.book.heard(peer, &addresses, Source::Kademlia, clock::now_s());
            }
            _ => {}
        }
    }

    /// A listener has an address. On loopback everybody can dial it, so that there a node with `nat` relays for others at once.
    pub(super) fn on_listening(&mut self, address: Multiaddr) {
        tracing::debug!(address = %address::display(&address), "listening");
        if self.config.nat && address::is_loopback(&address) && !nat::is_relayed(&address) {
            self.swarm.add_external_address(address);
        }
    }
    fn listen_through(&mut self, relay: PeerId, circuit: Multiaddr) {
        match self.swarm.listen_on(circuit) {
            Ok(listener) => self.nat.listening(relay, listener),
            Err(error) => tracing::debug!(%relay, %error, "cannot listen through this relay"),
        }
    }

    fn on_connected(&mut self, peer: PeerId, connection: Connection) {
        let now = Instant::now();
        self.own_dials.remove(&peer);
        self.dialer.connected(peer, connection.id, now);
        self.answer_connected_additions();
        if self.dialer.is_explicit(&peer) {
            self.swarm.behaviour_mut().policy.protect(peer, true);
        }
        tracing::debug!(%peer, address = %address::display(&connection.address), inbound = connection.inbound, "connected");
        let inbound = connection.inbound;
        self.peers.connected(peer, connection, self.links.open(peer), clock::now());
        if inbound && self.swarm.behaviour().policy.inbound() > self.bounds.inbound {
            self.make_room(peer);
        }
    }
    /// All inbound places are taken: whoever has not introduced itself gives way first, then the worst offender, then whoever
    /// came last. The longer-standing half stays, however many strangers knock; when only it is left, the newcomer goes.
    fn make_room(&mut self, newcomer: PeerId) {
        let now_s = clock::now().0 / 1_000;
        let others =
            self.peers.iter().filter(|(id, peer)| **id != newcomer && peer.inbound() && !self.dialer.is_explicit(id));
        let mut others: Vec<(PeerId, Option<PeerKey>)> = others.map(|(id, peer)| (*id, peer.key)).collect();
        // Keys are given in the order of introduction; those without come last.
        others.sort_by_key(|(_, key)| key.map_or(u64::MAX, |key| key.0));
        let standing = others.iter().filter(|(_, key)| key.is_some()).count();
        let protected = standing.min(self.bounds.inbound.div_ceil(2));
        let worst = others.into_iter().skip(protected).max_by(|(a, a_key), (b, b_key)| {
            let points = |id| self.book.scores.points(id, now_s);
            let age = a_key.map_or(u64::MAX, |key| key.0).cmp(&b_key.map_or(u64::MAX, |key| key.0));
            a_key.is_none().cmp(&b_key.is_none()).then(points(a).total_cmp(&points(b))).then(age)
        });
        let gives_way = worst.map_or(newcomer, |(id, _)| id);
        tracing::debug!(peer = %gives_way, "gives way: all inbound places are taken");
        let _ = self.swarm.disconnect_peer_id(gives_way);
    }
    fn on_closed(&mut self, peer: PeerId, connection: ConnectionId) {
        let Some(gone) = self.peers.closed(&peer, connection) else { return };
        let (received, sent) = gone.link.bytes();
        self.bytes_before = (self.bytes_before.0 + received, self.bytes_before.1 + sent);
        self.dialer.disconnected(peer, Instant::now());
        self.requests.forget_peer(&peer, gone.key);
        self.book.disconnected(&peer);
        self.admit_requests();
        if let Some(key) = gone.key {
            tracing::info!(%peer, "peer gone");
            self.input(Input::PeerDisconnected { peer: key });
        }
    }
    fn on_dial_failed(&mut self, connection: ConnectionId, peer: Option<PeerId>, error: &DialError) {
        if let Some(peer) = peer.filter(|peer| self.own_dials.remove(peer)) {
            self.book.failed(&peer, clock::now_s());
        }
        if let DialError::LocalPeerId { address } = error {
            return self.on_own_identity(connection, address);
        }
        let is_this = |entry: &crate::shell::network::dialer::Explicit| {
            entry.state == crate::shell::network::dialer::State::Dialling(connection)
        };
        if let Some(entry) = self.dialer.failed(is_this, Instant::now()) {
            answer_addition(&mut self.additions, &entry.address, Ok(()));
            let (address, why) = (address::display(&entry.address), dial_reason(error));
            match entry.failures {
                8 => tracing::warn!("cannot reach {address}: {why}; still trying every few seconds"),
                _ => tracing::debug!(%address, %why, "dial failed"),
            }
        }
    }

    /// The peer said which protocols it speaks.
    fn on_identified(&mut self, peer: PeerId, info: identify::Info) {
        let Some(known) = self.peers.get_mut(&peer) else { return };
        known.agent.clone_from(&info.agent_version);
        known.agent.truncate(info.agent_version.floor_char_boundary(AGENT_BYTES_MAX));
        known.listen_addresses = info.listen_addrs.iter().take(LISTEN_ADDRESSES_MAX).cloned().collect();
        if !info.protocols.contains(&self.names.request) {
            return self.refuse_stranger(peer, &info.protocol_version);
        }
        known.identified = true;
        let from = known.first().and_then(|first| address::ip(&first.address)).map_or(Group::Local, Group::of);
        if let Some(circuit) = self.nat.wants_relay(peer, &info) {
            self.listen_through(peer, circuit);
        }
        self.book.heard(peer, &info.listen_addrs, Source::Itself(from), clock::now_s());
        if let Some(kad) = self.swarm.behaviour_mut().kad.as_mut() {
            for address in info.listen_addrs.iter().take(LISTEN_ADDRESSES_MAX) {
                kad.add_address(&peer, address.clone());
            }
        }
        self.introduce(peer);
    }
    /// Tells the core about a peer once requests and gossip both reach it: what is published from then on is not lost on it.
    fn introduce(&mut self, peer: PeerId) {
        if self.peers.get(&peer).is_some_and(|known| known.introduced()) {
            self.announce(peer);
        }
    }
    /// Tells the core about a peer, once. Whoever asks or gossips has shown to speak a protocol of our chain.
    fn announce(&mut self, peer: PeerId) {
        let Some(key) = self.peers.announce(&peer) else { return };
        let Some(known) = self.peers.get(&peer) else { return };
        let inbound = known.inbound();
        let dialled = known.first().filter(|first| !first.inbound).map(|first| first.address.clone());
        let address = known.first().map(|first| address::display(&first.address)).unwrap_or_default();
        tracing::info!(%peer, %address, inbound, agent = known.agent, "peer connected");
        self.book.connected(peer, dialled.as_ref(), clock::now_s());
        self.input(Input::PeerConnected { peer: key, inbound });
    }
    fn refuse_stranger(&mut self, peer: PeerId, protocol_version: &str) {
        if self.strangers.len() < STRANGERS_MAX && self.strangers.insert(peer, Instant::now()).is_none() {
            let ours = (self.config.chain_name.as_str(), self.names.id.as_str());
            tracing::warn!("{}", stranger(&peer, protocol_version, ours));
        }
        let _ = self.swarm.disconnect_peer_id(peer);
    }
    fn on_ping(&mut self, event: &ping::Event) {
        let Some(peer) = self.peers.get_mut(&event.peer) else { return };
        match &event.result {
            Ok(round_trip) => {
                peer.ping = Some(*round_trip);
                peer.ping_min = Some(peer.ping_min.map_or(*round_trip, |least| least.min(*round_trip)));
                peer.pings_failed = 0;
            }
            Err(failure) => {
                peer.pings_failed += 1;
                if peer.pings_failed >= PINGS_FAILED_MAX {
                    tracing::info!(peer = %event.peer, %failure, "no answer to pings; disconnected");
                    let _ = self.swarm.disconnect_peer_id(event.peer);
                }
            }
        }
    }

    fn on_gossip_event(&mut self, event: gossipsub::Event) {
        match event {
            gossipsub::Event::Message { propagation_source, message_id, message } => {
                self.on_gossip(propagation_source, message_id, message);
            }
            gossipsub::Event::Subscribed { peer_id, topic } => {
                let Some(peer) = self.peers.get_mut(&peer_id) else { return };
                peer.wants_transactions |= topic == self.names.transactions.hash();
                peer.wants_blocks |= topic == self.names.blocks.hash();
                self.introduce(peer_id);
            }
            gossipsub::Event::SlowPeer { peer_id, failed_messages } => {
                tracing::debug!(peer = %peer_id, ?failed_messages, "takes gossip too slowly");
                let Some(peer) = self.peers.get_mut(&peer_id) else { return };
                let now = Instant::now();
                let in_a_row = match peer.slow {
                    Some((count, last)) if now.saturating_duration_since(last) < 2 * HEARTBEAT => count + 1,
                    _ => 1,
                };
                peer.slow = Some((in_a_row, now));
                if in_a_row >= SLOW_HEARTBEATS_MAX {
                    tracing::info!(peer = %peer_id, "takes gossip too slowly; disconnected");
                    let _ = self.swarm.disconnect_peer_id(peer_id);
                }
            }
            _ => {}
        }
    }
    fn on_gossip(&mut self, source: PeerId, message_id: MessageId, message: gossipsub::Message) {
        let decoded = if message.topic == self.names.transactions.hash() {
            wire::decode_transaction(&message.data).map(|transaction| Gossip::Transaction(Arc::new(transaction)))
        } else {
            wire::decode_compact_block(&message.data).map(|block| Gossip::Block(Arc::new(block)))
        };
        if let Some(peer) = self.peers.get_mut(&source) {
            let is_transaction = message.topic == self.names.transactions.hash();
            count(&mut peer.messages.received, if is_transaction { "tx" } else { "cmpctblock" }, message.data.len());
        }
        let gossip = match decoded {
            Ok(gossip) => gossip,
            Err(error) => return self.on_malformed_gossip(source, &message_id, &error),
        };
        self.announce(source);
        let Some(peer) = self.peers.key(&source) else {
            return self.report(&message_id, &source, Acceptance::Ignore); // left in the meantime
        };
        match self.pending.insert(Waiting { message: message_id, source }, Instant::now()) {
            Ok(id) => self.input(Input::Gossip { peer, id, message: gossip }),
            Err(waiting) => self.report(&waiting.message, &waiting.source, Acceptance::Ignore),
        }
    }
    fn on_malformed_gossip(&mut self, source: PeerId, message: &MessageId, error: &WireError) {
        tracing::debug!(peer = %source, %error, "malformed gossip");
        self.report(message, &source, Acceptance::Reject);
        self.on_violation(source, ProtocolViolation::Malformed("gossip"));
    }

    fn on_request_event(&mut self, event: request_response::Event<Incoming, Response>) {
        use request_response::Event;
        match event {
            Event::Message { peer, message: Message::Request { request_id, request, channel }, .. } => {
                self.announce(peer);
                let Some(key) = self.peers.key(&peer) else { return };
                let request = match request {
                    Ok(request) => request,
                    Err(error) => {
                        tracing::debug!(%peer, %error, "malformed request");
                        return self.on_violation(peer, ProtocolViolation::Malformed("request"));
                    }
                };
                let inbound = self.peers.get(&peer).is_none_or(|peer| peer.inbound());
                if let Some(peer) = self.peers.get_mut(&peer) {
                    let name = request_name(wire::request_kind(&request));
                    count(&mut peer.messages.received, name, wire::request_bytes(&request));
                }
                let answer_bytes_max = self.limits.answer_bytes_max(&request);
                let arrived = Arrived { peer, key, inbound, request_id, channel, request, answer_bytes_max };
                if self.requests.arrived(arrived) {
                    self.admit_requests();
                } else {
                    self.on_violation(peer, ProtocolViolation::TooManyRequests);
                }
            }
            Event::Message { peer, message: Message::Response { request_id, response }, .. } => {
                let Some(ours) = self.requests.finished(&request_id) else { return };
                if let Some(peer) = self.peers.get_mut(&peer) {
                    let name = response_name(wire::response_kind(&response));
                    count(&mut peer.messages.received, name, wire::response_bytes(&response));
                }
                if wire::response_kind(&response) == ours.kind {
                    self.input(Input::Response { peer: ours.peer, id: ours.id, response });
                } else {
                    self.request_failed(ours.peer, ours.id, RequestFailure::Malformed);
                    self.on_violation(peer, ProtocolViolation::WrongAnswer);
                }
            }
            Event::OutboundFailure { peer, request_id, error, .. } => {
                let Some(ours) = self.requests.finished(&request_id) else { return };
                tracing::debug!(%peer, %error, "request failed");
                let failure = failure_of(&error);
                self.request_failed(ours.peer, ours.id, failure);
                if failure == RequestFailure::Malformed {
                    self.on_violation(peer, ProtocolViolation::Malformed("answer"));
                }
            }
            Event::InboundFailure { peer, request_id, error, .. } => {
                tracing::debug!(%peer, %error, "a peer's request came to nothing");
                self.requests.served(&request_id);
                self.admit_requests();
            }
            Event::ResponseSent { request_id, .. } => {
                self.requests.served(&request_id);
                self.admit_requests();
            }
        }
    }
}
/// Bytes of a peer's agent that are kept.
const AGENT_BYTES_MAX: usize = 128;
/// Addresses of a peer's own that are kept.
const LISTEN_ADDRESSES_MAX: usize = 8;
/// Peers of other chains that are remembered, so that the log names each once.
const STRANGERS_MAX: usize = 1_024;

fn failure_of(error: &OutboundFailure) -> RequestFailure {
    match error {
        OutboundFailure::Timeout => RequestFailure::Timeout,
        OutboundFailure::UnsupportedProtocols => RequestFailure::Unsupported,
        OutboundFailure::Io(error) if error.kind() == ErrorKind::InvalidData => RequestFailure::Malformed,
        // An answer that ends early is a connection that ended, or a request that was refused.
        OutboundFailure::Io(_) | OutboundFailure::ConnectionClosed | OutboundFailure::DialFailure => {
            RequestFailure::Disconnected
        }
    }
}
/// Why a peer of another network is sent away. What it says about itself is cut short before it reaches the log.
fn stranger(peer: &PeerId, protocol_version: &str, ours: (&str, &str)) -> String {
    let (our_name, our_id) = ours;
    match ChainNames::parse_identify(protocol_version) {
        Some((name, id)) => format!(
            "peer {peer} speaks chain {name:.40} (id {id:.16}), we are {our_name} (id {our_id}): disconnected; \
             start both with the same --chain"
        ),
        None => format!("peer {peer} is no Testoon node ({protocol_version:.60}): disconnected"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_says_which_chains_do_not_match() {
        let peer = PeerId::random();
        let (theirs, ours) = (ChainNames::new(&[1; 32], "testnet"), ChainNames::new(&[2; 32], "local"));
        let text = stranger(&peer, &theirs.identify, ("local", &ours.id));
        assert!(
            text.contains("speaks chain testnet (id 0101010101010101), we are local (id 0202020202020202)"),
            "{text}"
        );
        let text = stranger(&peer, &"x".repeat(5_000), ("local", &ours.id));
        assert!(text.contains("no Testoon node") && text.len() < 200, "{text}");
    }
}
