//! Peers that were asked for by name (`--connect`, `addnode … add`): dialled at once, and again, with growing pauses, for as
//! long as they are on the list. Plain data with time as an argument; the service dials.

use super::address;
use libp2p::swarm::ConnectionId;
use libp2p::{Multiaddr, PeerId};
use std::time::Duration;
use tokio::time::Instant;

/// The first pause between two dials; it doubles from there. Nodes of one network start together and miss each other briefly.
pub const REDIAL_PAUSE_MIN: Duration = Duration::from_millis(50);
/// The longest pause between two dials.
pub const REDIAL_PAUSE_MAX: Duration = Duration::from_secs(10);
/// A connection that lasted this long resets the pause.
const STEADY_AFTER: Duration = Duration::from_secs(10);
/// Addresses on the list.
pub const EXPLICIT_PEERS_MAX: usize = 1_024;

/// Where an explicit peer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Dial at this time.
    Due(Instant),
    /// Its name is being looked up.
    Resolving,
    /// Being dialled.
    Dialling(ConnectionId),
    /// Connected to this peer since then.
    Connected(PeerId, Instant),
    /// The address is our own: never dialled again.
    Ourselves,
}
/// One explicit peer.
#[derive(Clone, Debug)]
pub struct Explicit {
    /// The address without a peer id.
    pub address: Multiaddr,
    /// The id it must have (`/p2p/…`).
    pub wanted: Option<PeerId>,
    /// Who answered there last.
    pub last: Option<PeerId>,
    /// Where it stands.
    pub state: State,
    /// Dials in a row that led to nothing lasting.
    pub failures: u32,
}
/// The peers that the user wants to stay connected to, and when each is dialled next.
#[derive(Debug, Default)]
pub struct Dialer {
    entries: Vec<Explicit>,
}
impl Dialer {
    /// Puts an address on the list; dialled at once. `false` when it is on it already or the list is full.
    pub fn add(&mut self, address: &Multiaddr, now: Instant) -> bool {
        let (address, wanted) = address::split_peer(address);
        if self.entries.len() >= EXPLICIT_PEERS_MAX || self.entries.iter().any(|entry| entry.address == address) {
            return false;
        }
        self.entries.push(Explicit { address, wanted, last: None, state: State::Due(now), failures: 0 });
        true
    }
    /// Takes an address off the list; its peer is no longer protected.
    pub fn remove(&mut self, address: &Multiaddr) -> Option<Explicit> {
        let (address, _) = address::split_peer(address);
        let position = self.entries.iter().position(|entry| entry.address == address)?;
        Some(self.entries.remove(position))
    }
    /// Every peer that was asked for, in the order of asking.
    pub fn entries(&self) -> &[Explicit] {
        &self.entries
    }
    /// The earliest time at which something is to be dialled.
    pub fn next_due(&self) -> Option<Instant> {
        let due = |entry: &Explicit| if let State::Due(at) = entry.state { Some(at) } else { None };
        self.entries.iter().filter_map(due).min()
    }
    /// Addresses whose time has come; they are `Resolving` from now on.
    pub fn take_due(&mut self, now: Instant) -> Vec<Multiaddr> {
        let mut due = Vec::new();
        for entry in &mut self.entries {
            if matches!(entry.state, State::Due(at) if at <= now) {
                entry.state = State::Resolving;
                due.push(entry.address.clone());
            }
        }
        due
    }
    /// The entry for an address.
    pub fn get(&self, address: &Multiaddr) -> Option<&Explicit> {
        self.entries.iter().find(|entry| entry.address == *address)
    }
    /// A dial began.
    pub fn dialling(&mut self, address: &Multiaddr, connection: ConnectionId) {
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.address == *address) {
            entry.state = State::Dialling(connection);
        }
    }
    /// A dial or lookup failed: the entry it belongs to, which is due again after a pause.
    pub fn failed(&mut self, which: impl Fn(&Explicit) -> bool, now: Instant) -> Option<&Explicit> {
        let entry = self.entries.iter_mut().find(|entry| which(entry))?;
        entry.state = State::Due(now + pause(entry.failures));
        entry.failures += 1;
        Some(entry)
    }
    /// The address that `which` names turned out to be our own.
    pub fn ourselves(&mut self, which: impl Fn(&Explicit) -> bool) -> Option<&Explicit> {
        let entry = self.entries.iter_mut().find(|entry| which(entry))?;
        entry.state = State::Ourselves;
        Some(entry)
    }
    /// A connection was made, by our dial or from outside.
    pub fn connected(&mut self, peer: PeerId, connection: ConnectionId, now: Instant) {
        for entry in &mut self.entries {
            if entry.state == State::Dialling(connection) {
                entry.last = Some(peer);
            } else if entry.wanted != Some(peer) {
                continue;
            }
            entry.state = State::Connected(peer, now);
        }
    }
    /// Somebody who answered there before is connected already.
    pub fn already_connected(&mut self, address: &Multiaddr, peer: PeerId, now: Instant) {
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.address == *address) {
            entry.state = State::Connected(peer, now);
        }
    }
    /// The last connection to a peer closed: it is due again.
    pub fn disconnected(&mut self, peer: PeerId, now: Instant) {
        for entry in &mut self.entries {
            let State::Connected(connected, since) = entry.state else { continue };
            if connected != peer {
                continue;
            }
            if now.saturating_duration_since(since) >= STEADY_AFTER {
                entry.failures = 0;
            }
            entry.state = State::Due(now + pause(entry.failures));
            entry.failures += 1;
        }
    }
    /// Peers may be reached again (a partition healed, a ban ended): dial now, and start over with short pauses.
    pub fn dial_now(&mut self, now: Instant) {
        for entry in &mut self.entries {
            entry.failures = 0;
            if matches!(entry.state, State::Due(_)) {
                entry.state = State::Due(now);
            }
        }
    }
    /// Whether the peer was asked for by name, and so is protected from limits and bans.
    pub fn is_explicit(&self, peer: &PeerId) -> bool {
        self.entries.iter().any(|entry| {
            entry.wanted == Some(*peer) || matches!(entry.state, State::Connected(connected, _) if connected == *peer)
        })
    }
}
fn pause(failures: u32) -> Duration {
    REDIAL_PAUSE_MIN.saturating_mul(1 << failures.min(16)).min(REDIAL_PAUSE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address() -> Multiaddr {
        address::parse("127.0.0.1:9000").expect("address")
    }

    #[test]
    fn pauses_double_from_50_ms_to_10_s_and_a_steady_connection_resets_them() {
        let mut dialer = Dialer::default();
        let mut now = Instant::now();
        assert!(dialer.add(&address(), now));
        assert!(!dialer.add(&address(), now), "twice on the list");
        let mut pauses = Vec::new();
        for _ in 0..10 {
            assert_eq!(dialer.take_due(now), vec![address()]);
            dialer.failed(|entry| entry.address == address(), now);
            let due = dialer.next_due().expect("due again");
            pauses.push((due - now).as_millis());
            now = due;
        }
        assert_eq!(pauses, [50, 100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000]);
        let (peer, connection) = (PeerId::random(), ConnectionId::new_unchecked(7));
        dialer.dialling(&address(), connection);
        dialer.connected(peer, connection, now);
        assert!(dialer.is_explicit(&peer));
        assert_eq!(dialer.next_due(), None);
        now += STEADY_AFTER;
        dialer.disconnected(peer, now);
        assert_eq!(dialer.next_due(), Some(now + REDIAL_PAUSE_MIN));
    }

    #[test]
    fn our_own_address_is_dialled_once() {
        let mut dialer = Dialer::default();
        let now = Instant::now();
        dialer.add(&address(), now);
        let connection = ConnectionId::new_unchecked(1);
        dialer.take_due(now);
        dialer.dialling(&address(), connection);
        assert!(dialer.ourselves(|entry| entry.state == State::Dialling(connection)).is_some());
        assert_eq!(dialer.next_due(), None);
    }
}
