//! The address book: peers of our chain, where they were reached, and their points, in `<datadir>/peers.json`.
//!
//! Points ([`super::score`]) live here so that an offender stays one across restarts and reconnections.

use super::{address, score};
use crate::shell::files;
use libp2p::{Multiaddr, PeerId};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

/// The file's name in the data directory.
pub const FILE_NAME: &str = "peers.json";
/// Peers that are remembered; the least useful gives way.
pub const PEERS_MAX: usize = 2_000;
/// Addresses remembered of one peer.
pub const ADDRESSES_PER_PEER_MAX: usize = 4;
/// Failed dials in a row after which a peer is not dialled again on our own account.
const FAILURES_MAX: u32 = 10;
/// Pause before the second dial, seconds; doubles with every failure.
const REDIAL_PAUSE_S: u64 = 30;

/// What is known of a peer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Record {
    /// Where it was reached or says it listens, best first.
    pub addresses: Vec<Multiaddr>,
    /// Last time it was connected, Unix seconds; 0 if never.
    pub connected_s: u64,
    /// Last time it was heard of, Unix seconds.
    pub heard_s: u64,
    /// Last dial, Unix seconds.
    pub dialled_s: u64,
    /// Dials in a row that failed.
    pub failures: u32,
    /// Misbehaviour points at `points_s`.
    pub points: f64,
    /// Offences ever.
    pub offences: u32,
    /// When `points` was right, Unix seconds.
    pub points_s: u64,
}
/// The book.
#[derive(Debug)]
pub struct AddressBook {
    path: PathBuf,
    records: HashMap<PeerId, Record>,
    changed: bool,
}
impl AddressBook {
    /// Reads the book back.
    pub fn load(datadir: &Path) -> io::Result<Self> {
        let path = datadir.join(FILE_NAME);
        let stored: HashMap<String, Record> = files::load(&path)?.unwrap_or_default();
        let parsed = stored.into_iter().filter_map(|(peer, record)| Some((peer.parse().ok()?, record)));
        Ok(Self { path, records: parsed.take(PEERS_MAX).collect(), changed: false })
    }
    /// Writes the book if it changed.
    pub fn save(&mut self) -> io::Result<()> {
        if !self.changed {
            return Ok(());
        }
        let records: std::collections::BTreeMap<String, &Record> =
            self.records.iter().map(|(peer, record)| (peer.to_string(), record)).collect();
        files::save(&self.path, &records)?;
        self.changed = false;
        Ok(())
    }
    fn record(&mut self, peer: PeerId, now_s: u64) -> &mut Record {
        self.changed = true;
        if self.records.len() >= PEERS_MAX && !self.records.contains_key(&peer) {
            let worth = |record: &Record| (record.connected_s, record.points > 0.0, record.heard_s);
            let least = self.records.iter().min_by_key(|(_, record)| worth(record)).map(|(peer, _)| *peer);
            if let Some(least) = least {
                self.records.remove(&least);
            }
        }
        let record = self.records.entry(peer).or_default();
        record.heard_s = now_s;
        record
    }
    /// A peer of our chain listens at these addresses (it says so, or somebody does).
    pub fn heard(&mut self, peer: PeerId, addresses: &[Multiaddr], now_s: u64) {
        let record = self.record(peer, now_s);
        for address in addresses {
            let (address, _) = address::split_peer(address);
            if record.addresses.len() < ADDRESSES_PER_PEER_MAX
                && address::to_socket(&address).is_some_and(|socket| !socket.ip().is_unspecified())
                && !record.addresses.contains(&address)
            {
                record.addresses.push(address);
            }
        }
    }
    /// A peer of our chain is connected; `address` is where we dialled it.
    pub fn connected(&mut self, peer: PeerId, address: Option<&Multiaddr>, now_s: u64) {
        let record = self.record(peer, now_s);
        record.connected_s = now_s;
        record.failures = 0;
        if let Some(address) = address {
            let (address, _) = address::split_peer(address);
            record.addresses.retain(|known| *known != address);
            record.addresses.insert(0, address);
            record.addresses.truncate(ADDRESSES_PER_PEER_MAX);
        }
    }
    /// A dial on our own account began.
    pub fn dialled(&mut self, peer: PeerId, now_s: u64) {
        self.record(peer, now_s).dialled_s = now_s;
    }
    /// A dial failed.
    pub fn failed(&mut self, peer: &PeerId) {
        if let Some(record) = self.records.get_mut(peer) {
            record.failures += 1;
            self.changed = true;
        }
    }
    /// Peers worth dialling on our own account, the most recently connected first.
    pub fn candidates(&self, now_s: u64) -> Vec<(PeerId, Vec<Multiaddr>)> {
        let mut candidates: Vec<_> = self
            .records
            .iter()
            .filter(|(_, record)| !record.addresses.is_empty() && record.failures < FAILURES_MAX)
            .filter(|(_, record)| record.dialled_s + (REDIAL_PAUSE_S << record.failures) <= now_s)
            .filter(|(_, record)| record.points_now(now_s) < score::DISCONNECT_POINTS)
            .collect();
        candidates.sort_by_key(|(_, record)| std::cmp::Reverse((record.connected_s, record.heard_s)));
        candidates.into_iter().map(|(peer, record)| (*peer, record.addresses.clone())).collect()
    }
    /// Adds points for an offence; the sum.
    pub fn add_points(&mut self, peer: PeerId, points: f64, now_s: u64) -> f64 {
        let record = self.record(peer, now_s);
        record.points = record.points_now(now_s) + points;
        record.points_s = now_s;
        record.offences += 1;
        record.points
    }
    /// Points and offences of a peer.
    pub fn score(&self, peer: &PeerId, now_s: u64) -> (f64, u32) {
        self.records.get(peer).map_or((0.0, 0), |record| (record.points_now(now_s), record.offences))
    }
    /// Forgives a peer (a ban was lifted).
    pub fn forgive(&mut self, peer: &PeerId) {
        if let Some(record) = self.records.get_mut(peer) {
            record.points = 0.0;
            self.changed = true;
        }
    }
    /// Forgives everybody.
    pub fn forgive_all(&mut self) {
        self.records.values_mut().for_each(|record| record.points = 0.0);
        self.changed = true;
    }
    /// How many peers are in it.
    pub fn len(&self) -> usize {
        self.records.len()
    }
}
impl Record {
    fn points_now(&self, now_s: u64) -> f64 {
        score::faded(self.points, now_s.saturating_sub(self.points_s))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(port: u16) -> Multiaddr {
        address::parse(&format!("192.0.2.1:{port}")).expect("address")
    }

    #[test]
    fn points_and_addresses_survive_a_restart() {
        let dir = tempfile::tempdir().expect("directory");
        let (good, bad) = (PeerId::random(), PeerId::random());
        let mut book = AddressBook::load(dir.path()).expect("empty");
        book.heard(good, &[at(1), at(2), at(1)], 100);
        book.connected(good, Some(&at(3)), 100);
        book.heard(bad, &[at(9)], 100);
        assert_eq!(book.add_points(bad, 60.0, 100), 60.0);
        book.save().expect("saved");
        let book = AddressBook::load(dir.path()).expect("loads");
        assert_eq!(book.candidates(200), vec![(good, vec![at(3), at(1), at(2)])], "an offender is not dialled");
        assert_eq!(book.score(&bad, 100), (60.0, 1));
        assert_eq!(book.score(&bad, 700), (30.0, 1));
    }

    #[test]
    fn the_book_is_bounded_and_keeps_whom_we_have_met() {
        let dir = tempfile::tempdir().expect("directory");
        let mut book = AddressBook::load(dir.path()).expect("empty");
        let met = PeerId::random();
        book.connected(met, Some(&at(1)), 1);
        for second in 0..PEERS_MAX as u64 + 50 {
            book.heard(PeerId::random(), &[at(2)], 10 + second);
        }
        assert_eq!(book.len(), PEERS_MAX);
        assert!(book.records.contains_key(&met));
    }

    #[test]
    fn a_damaged_file_is_an_error_that_is_not_hidden() {
        let dir = tempfile::tempdir().expect("directory");
        std::fs::write(dir.path().join(FILE_NAME), b"{\"x").expect("written");
        assert!(AddressBook::load(dir.path()).is_err());
    }
}
