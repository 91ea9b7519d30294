//! What the rest of the node asks of the network.

use super::Service;
use crate::core::event::{Misbehaviour, Output, PeerKey, RequestFailure, RequestId};
use crate::core::message::{Gossip, Request};
use crate::shell::clock;
use crate::shell::network::address_book::Source;
use crate::shell::network::bans::{Ban, BanTarget};
use crate::shell::network::handle::{Command, KnownAddress, NetworkInfo, PeerInfo, Target};
use crate::shell::network::message_bytes::{count, request_name, response_name, with_others};
use crate::shell::network::requests::Outgoing;
use crate::shell::network::score::{self, ProtocolViolation};
use crate::shell::network::{NetworkError, address, bans, wire};
use chain_spec::Encode as _;
use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId, gossipsub};
use tokio::time::Instant;

/// Commands carried out before the swarm gets its turn.
const COMMANDS_PER_TURN_MAX: usize = 64;

impl Service {
    /// Carries out a command and those right behind it.
    pub(super) fn on_commands(&mut self, first: Command) {
        self.on_command(first);
        for _ in 1..COMMANDS_PER_TURN_MAX {
            match self.commands.try_recv() {
                Ok(command) if self.stopping.is_none() => self.on_command(command),
                _ => break,
            }
        }
    }
    /// An answer that nobody waits for any more is dropped.
    fn on_command(&mut self, command: Command) {
        match command {
            Command::Perform(output) => self.perform(output),
            Command::Peers(answer) => drop(answer.send(self.peer_infos())),
            Command::Info(answer) => drop(answer.send(self.info())),
            Command::Add(address, answer) => self.add(&address, answer),
            Command::Remove(address, answer) => drop(answer.send(self.remove(&address))),
            Command::TryOnce(address) => self.look_up(address, false),
            Command::Disconnect(target, answer) => drop(answer.send(self.disconnect(&target))),
            Command::Ban(ban, answer) => drop(answer.send(self.ban(ban))),
            Command::Unban(subject, answer) => drop(answer.send(self.unban(&subject))),
            Command::Bans(answer) => drop(answer.send(self.bans.list().to_vec())),
            Command::ClearBans(answer) => drop(answer.send(self.clear_bans())),
            Command::LinksChanged(answer) => {
                self.apply_connection_policy();
                self.dialer.dial_now(Instant::now());
                let _ = answer.send(());
            }
            Command::SetActive(active, answer) => {
                self.is_active = active;
                self.apply_connection_policy();
                if active {
                    self.dialer.dial_now(Instant::now());
                }
                let _ = answer.send(());
            }
            Command::Addresses(answer) => drop(answer.send(self.known_addresses())),
            Command::AddAddress(peer, address, answer) => {
                let (before, now_s) = (self.book.len(), clock::now_s());
                self.book.heard(peer, &[address], Source::Operator, now_s);
                let _ = answer.send(self.book.len() > before);
            }
            Command::Shutdown(answer) => self.stopping = Some(answer),
        }
    }

    fn perform(&mut self, output: Output) {
        match output {
            Output::Publish(gossip) => self.publish(&gossip),
            Output::GossipAcceptance { id, acceptance } => {
                if let Some(waiting) = self.pending.take(id) {
                    self.report(&waiting.message, &waiting.source, acceptance);
                }
            }
            Output::Request { peer, id, request } => self.request(peer, id, request),
            Output::Respond { id, response } => {
                let bytes = wire::response_bytes(&response);
                if let Some((peer, channel)) = self.requests.answer(id, bytes, Instant::now()) {
                    if let Some(peer) = self.peers.get_mut(&peer) {
                        count(&mut peer.messages.sent, response_name(wire::response_kind(&response)), bytes);
                    }
                    // A peer that left in the meantime gets nothing.
                    let _ = self.swarm.behaviour_mut().requests.send_response(channel, response);
                }
                // An answer is mostly smaller than what was reserved for it.
                self.admit_requests();
            }
            Output::Misbehaviour { peer, misbehaviour } => self.misbehaviour(peer, &misbehaviour),
            other => tracing::error!(?other, "not an output of the network: a programming error"),
        }
    }
    fn publish(&mut self, gossip: &Gossip) {
        let (topic, bytes) = match gossip {
            Gossip::Transaction(transaction) => (self.names.transactions.hash(), Ok(transaction.to_bytes())),
            Gossip::Block(block) => (self.names.blocks.hash(), wire::encode_compact_block(block)),
        };
        let result = match bytes {
            Ok(bytes) => self.swarm.behaviour_mut().gossip.publish(topic, bytes).map(drop),
            Err(error) => return tracing::error!(%error, "a message of ours cannot be encoded"),
        };
        match result {
            // Nobody to tell, or told already: sync covers the first, the second is no loss.
            Ok(()) | Err(gossipsub::PublishError::NoPeersSubscribedToTopic | gossipsub::PublishError::Duplicate) => {}
            Err(error) => tracing::warn!(%error, "a message was not gossiped"),
        }
    }
    fn request(&mut self, peer: PeerKey, id: RequestId, request: Request) {
        let Some(peer_id) = self.peers.id(peer) else {
            return self.request_failed(peer, id, RequestFailure::Disconnected);
        };
        let kind = wire::request_kind(&request);
        if let Some(peer) = self.peers.get_mut(&peer_id) {
            count(&mut peer.messages.sent, request_name(kind), wire::request_bytes(&request));
        }
        let sent = self.swarm.behaviour_mut().requests.send_request(&peer_id, Ok(request));
        self.requests.sent(sent, Outgoing { peer, id, kind });
    }

    fn misbehaviour(&mut self, peer: PeerKey, misbehaviour: &Misbehaviour) {
        if let Some(peer) = self.peers.id_of_late(peer) {
            self.punish(peer, score::misbehaviour_points(misbehaviour), &score::describe(misbehaviour));
        }
    }
    pub(super) fn on_violation(&mut self, peer: PeerId, violation: ProtocolViolation) {
        self.punish(peer, violation.points(), &violation.to_string());
    }
    /// Adds points, and draws the consequence.
    fn punish(&mut self, peer: PeerId, points: f64, why: &str) {
        let now_s = clock::now().0 / 1_000;
        let sum = self.book.scores.add(peer, points, now_s);
        tracing::info!(%peer, points = sum.round(), "peer misbehaved: {why}");
        if sum < score::DISCONNECT_POINTS {
            return;
        }
        let explicit = self.dialer.is_explicit(&peer);
        let known = self.peers.get(&peer).and_then(|peer| peer.first());
        let loopback = known.is_none_or(|connection| address::is_loopback(&connection.address));
        if sum < score::BAN_POINTS || explicit {
            tracing::info!(%peer, "disconnected: {why}");
            let _ = self.swarm.disconnect_peer_id(peer);
            return;
        }
        let ban_s = if loopback { score::BAN_LOOPBACK_S } else { score::BAN_S };
        tracing::info!(%peer, "disconnected and kept out for {ban_s} s: {why}");
        let range = known.and_then(|connection| bans::range_to_ban(&connection.address));
        let range = range.filter(|range| !self.is_shared(*range, &peer));
        for subject in std::iter::once(BanTarget::Peer(peer)).chain(range.map(BanTarget::Subnet)) {
            let ban = Ban { subject, created_s: now_s, until_s: now_s + ban_s, reason: why.to_owned() };
            if let Err(error) = self.ban(ban) {
                tracing::warn!(%error, "the ban will not survive a restart");
            }
        }
    }
    /// Whether a peer that this node dialled or was told to stay connected to is in the range as well: it would be cut off.
    fn is_shared(&self, range: bans::Subnet, but: &PeerId) -> bool {
        self.peers.iter().filter(|(id, _)| *id != but).any(|(id, peer)| {
            let in_range = |connection: &crate::shell::network::peers::Connection| {
                address::ip(&connection.address).is_some_and(|ip| range.contains(ip))
            };
            peer.connections.iter().any(in_range) && (!peer.inbound() || self.dialer.is_explicit(id))
        })
    }

    fn known_addresses(&self) -> Vec<KnownAddress> {
        let known = self.book.addresses().filter_map(|(peer, known, heard_s, tried)| {
            let address = address::to_socket(known)?;
            Some(KnownAddress { peer_id: peer.to_string(), address, heard_s, tried })
        });
        known.collect()
    }
    fn peer_infos(&self) -> Vec<PeerInfo> {
        let now_s = clock::now().0 / 1_000;
        let millis = |duration: Option<std::time::Duration>| duration.map(|duration| duration.as_secs_f64() * 1e3);
        let mut infos: Vec<PeerInfo> = Vec::new();
        for (id, peer) in self.peers.iter() {
            let (Some(key), Some(first)) = (peer.key, peer.first()) else { continue };
            let (bytes_received, bytes_sent) = peer.link.bytes();
            let (points, offences) = (self.book.scores.points(id, now_s), self.book.scores.count(id));
            let (last_received_s, last_sent_s) = peer.link.last_used_s();
            infos.push(PeerInfo {
                key,
                peer_id: id.to_string(),
                address: address::display(&first.address),
                inbound: first.inbound,
                explicit: self.dialer.is_explicit(id),
                connected_since: peer.connected_since,
                bytes_sent,
                bytes_received,
                last_received_s,
                last_sent_s,
                ping_ms: millis(peer.ping),
                ping_min_ms: millis(peer.ping_min),
                score: 0.0 - points,
                gossip_score: self.swarm.behaviour().gossip.peer_score(id).unwrap_or(0.0),
                offences,
                agent: peer.agent.clone(),
                connections: peer.connections.len(),
                link: self.links.conditions(id),
                received_by_message: with_others(&peer.messages.received, bytes_received),
                sent_by_message: with_others(&peer.messages.sent, bytes_sent),
                warning: None,
            });
        }
        infos.extend(self.twin_info());
        infos.sort_by_key(|info| info.key);
        infos
    }
    fn info(&self) -> NetworkInfo {
        let ours = self.peer_id();
        let listen = self.swarm.listeners().map(|address| address.clone().with(Protocol::P2p(ours))).collect();
        let (mut bytes_received, mut bytes_sent) = self.bytes_before;
        for (_, peer) in self.peers.iter() {
            let (received, sent) = peer.link.bytes();
            bytes_received += received;
            bytes_sent += sent;
        }
        let connected = |state| matches!(state, crate::shell::network::dialer::State::Connected(..));
        let explicit = self.dialer.entries().iter();
        NetworkInfo {
            is_active: self.is_active,
            peer_id: ours.to_string(),
            listen,
            agent: self.config.agent.clone(),
            peers: self.peers.announced(),
            peers_inbound: self.peers.iter().filter(|(_, peer)| peer.key.is_some() && peer.inbound()).count(),
            bytes_sent,
            bytes_received,
            known_peers: self.book.len(),
            warnings: self.warnings(),
            answer_bytes: self.requests.answer_bytes(),
            requests_waiting: self.requests.inbound().0,
            requests_answering: self.requests.inbound().1,
            explicit: explicit.map(|entry| (address::display(&entry.address), connected(entry.state))).collect(),
        }
    }

    fn remove(&mut self, address: &Multiaddr) -> Result<(), NetworkError> {
        let removed = self.dialer.remove(address);
        let removed = removed.ok_or_else(|| {
            NetworkError::NotFound(format!("{} is not on the list of peers", address::display(address)))
        })?;
        if let Some(peer) = removed.wanted.or(removed.last) {
            self.swarm.behaviour_mut().policy.protect(peer, false);
        }
        Ok(())
    }
    fn disconnect(&mut self, target: &Target) -> Result<(), NetworkError> {
        let found = match target {
            Target::Key(key) => self.peers.id(*key),
            Target::Peer(peer) => Some(*peer).filter(|peer| self.peers.get(peer).is_some()),
            Target::Address(address) => {
                let (wanted, peer) = address::split_peer(address);
                let mut with_address = self.peers.iter().filter(|(_, peer)| {
                    peer.connections.iter().any(|connection| address::split_peer(&connection.address).0 == wanted)
                });
                with_address.next().map(|(id, _)| *id).or(peer.filter(|peer| self.peers.get(peer).is_some()))
            }
        };
        let peer = found.ok_or_else(|| NetworkError::NotFound("no such peer is connected".to_owned()))?;
        let _ = self.swarm.disconnect_peer_id(peer);
        Ok(())
    }

    fn ban(&mut self, ban: Ban) -> Result<(), NetworkError> {
        let result = self.bans.add(ban);
        self.apply_connection_policy();
        result.map_err(|error| self.bans_error(error))
    }
    fn unban(&mut self, subject: &BanTarget) -> Result<(), NetworkError> {
        let found = self.bans.remove(subject).map_err(|error| self.bans_error(error))?;
        if !found {
            return Err(NetworkError::NotFound(format!("{subject} is not banned")));
        }
        if let BanTarget::Peer(peer) = subject {
            self.book.scores.forgive(peer);
        }
        self.apply_connection_policy();
        self.dialer.dial_now(Instant::now());
        Ok(())
    }
    fn clear_bans(&mut self) -> Result<(), NetworkError> {
        let result = self.bans.clear();
        self.book.scores.forgive_all();
        self.apply_connection_policy();
        self.dialer.dial_now(Instant::now());
        result.map_err(|error| self.bans_error(error))
    }
    fn bans_error(&self, error: std::io::Error) -> NetworkError {
        NetworkError::File { path: self.config.datadir.join(bans::FILE_NAME), error }
    }
}
