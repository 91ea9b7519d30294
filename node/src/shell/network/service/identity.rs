//! Dials that end at this node itself, or at another node with its identity, and what `addnode` is answered.
//!
//! A data directory that was copied holds its node's key too. Two such nodes are one peer to everybody else, and cannot
//! connect with each other, so that both are told what happened and what to do.

use super::Service;
use crate::core::event::{PeerKey, Time};
use crate::shell::clock;
use crate::shell::network::dialer::{Explicit, State};
use crate::shell::network::handle::PeerInfo;
use crate::shell::network::{NetworkError, address, identity, nat};
use libp2p::Multiaddr;
use libp2p::swarm::ConnectionId;
use std::collections::HashMap;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// How long `addnode` waits to learn who answers at the address.
const ADDITION_WAIT_MAX: Duration = Duration::from_secs(1);

/// Callers of `addnode` who wait for the first dial's outcome, by address.
pub(super) type Additions = HashMap<Multiaddr, Addition>;
/// One of them.
pub(super) struct Addition {
    answer: oneshot::Sender<Result<(), NetworkError>>,
    since: Instant,
}

/// Another node with this node's identity, as it was met last.
#[derive(Clone, Debug)]
pub(super) struct Twin {
    /// What the RPC calls it; it never becomes a peer.
    key: PeerKey,
    /// The other end of the connection that was refused.
    address: String,
    is_inbound: bool,
    since: Time,
}

/// Answers whoever waits for an address.
pub(super) fn answer_addition(additions: &mut Additions, address: &Multiaddr, result: Result<(), NetworkError>) {
    if let Some(addition) = additions.remove(address) {
        // The caller may have hung up.
        let _ = addition.answer.send(result);
    }
}

impl Service {
    /// Puts an address on the list of peers to stay connected to, and answers once it is known who is there.
    pub(super) fn add(&mut self, address: &Multiaddr, answer: oneshot::Sender<Result<(), NetworkError>>) {
        let now = Instant::now();
        if self.dialer.add(address, now) {
            let (bare, _) = address::split_peer(address);
            self.additions.insert(bare, Addition { answer, since: now });
            return;
        }
        let text = format!("{} is on the list of peers already", address::display(address));
        // The caller may have hung up.
        let _ = answer.send(Err(NetworkError::Already(text)));
    }
    /// A connection was made: additions whose peer is connected now have succeeded.
    pub(super) fn answer_connected_additions(&mut self) {
        for entry in self.dialer.entries() {
            if matches!(entry.state, State::Connected(..)) {
                answer_addition(&mut self.additions, &entry.address, Ok(()));
            }
        }
    }
    /// Additions that have waited long enough: the address stays on the list and is dialled on.
    pub(super) fn expire_additions(&mut self) {
        let now = Instant::now();
        let is_late = |addition: &Addition| now.saturating_duration_since(addition.since) >= ADDITION_WAIT_MAX;
        let late: Vec<Multiaddr> = self
            .additions
            .iter()
            .filter(|(_, addition)| is_late(addition))
            .map(|(address, _)| address.clone())
            .collect();
        for address in late {
            answer_addition(&mut self.additions, &address, Ok(()));
        }
    }

    /// Whoever answered at `address` has our identity.
    pub(super) fn on_own_identity(&mut self, connection: ConnectionId, address: &Multiaddr) {
        let is_this = |entry: &Explicit| entry.state == State::Dialling(connection);
        if self.is_own_address(address) {
            return self.on_ourselves(is_this);
        }
        let shown = address::display(address);
        self.warn_of_twin(&shown, false);
        if let Some(entry) = self.dialer.failed(is_this, Instant::now()) {
            let listed = entry.address.clone();
            answer_addition(&mut self.additions, &listed, Err(NetworkError::SameIdentity(twin(&shown))));
        }
    }
    /// The address on the list that `which` names is this node's own: it is not dialled again.
    pub(super) fn on_ourselves(&mut self, which: impl Fn(&Explicit) -> bool) {
        let Some(entry) = self.dialer.ourselves(which) else { return };
        let listed = entry.address.clone();
        let text = format!("{} is this node itself; it is not dialled", address::display(&listed));
        tracing::warn!("{text}");
        answer_addition(&mut self.additions, &listed, Err(NetworkError::Ourselves(text)));
    }
    /// Whoever dialled us has our identity.
    pub(super) fn on_own_identity_inbound(&mut self, from: &Multiaddr) {
        let dials_itself = self
            .dialer
            .entries()
            .iter()
            .any(|entry| matches!(entry.state, State::Dialling(_) | State::Resolving | State::Ourselves));
        if !dials_itself && self.own_dials.is_empty() {
            self.warn_of_twin(&address::display(from), true);
        }
    }
    /// Says once in the log, and from then on in the node's warnings, that there is another node with our identity.
    fn warn_of_twin(&mut self, at: &str, is_inbound: bool) {
        let (key, since) = match &self.twin {
            Some(known) => (known.key, known.since),
            None => {
                tracing::warn!("{}", twin(at));
                (self.peers.take_key(), clock::now())
            }
        };
        self.twin = Some(Twin { key, address: at.to_owned(), is_inbound, since });
    }
    /// What an operator should know of the network's state.
    pub(super) fn warnings(&self) -> Vec<String> {
        self.twin.iter().map(|met| twin(&met.address)).collect()
    }
    /// The node with our identity as a row for `getpeerinfo`, where people look for why there is no connection.
    pub(super) fn twin_info(&self) -> Option<PeerInfo> {
        let met = self.twin.as_ref()?;
        Some(PeerInfo {
            peer_id: self.peer_id().to_string(),
            address: met.address.clone(),
            inbound: met.is_inbound,
            explicit: !met.is_inbound,
            connected_since: met.since,
            warning: Some(twin(&met.address)),
            ..PeerInfo::unconnected(met.key)
        })
    }
    /// Whether this node listens at the address, or was told that others reach it there.
    pub(super) fn is_own_address(&self, address: &Multiaddr) -> bool {
        let (bare, named) = address::split_peer(address);
        // Behind one relay many peers have one address.
        if named.is_some_and(|peer| peer != self.peer_id()) || nat::is_relayed(&bare) {
            return false;
        }
        self.swarm.listeners().chain(self.swarm.external_addresses()).any(|own| address::split_peer(own).0 == bare)
    }
}

/// What is said of a node with our identity.
fn twin(at: &str) -> String {
    format!(
        "the node at {at} has the identity of this node, as if one data directory were a copy of the other, and the two \
         cannot connect; stop one of them, delete {} in its data directory, and start it again",
        identity::FILE_NAME
    )
}
