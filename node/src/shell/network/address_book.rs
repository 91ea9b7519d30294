//! The address book: peers of our chain and where they listen, in `<datadir>/peers.json`, kept so that strangers cannot fill
//! it with their own (the design of Bitcoin Core's addrman).
//!
//! A peer that this node was told of is *new*; one that it has dialled itself is *tried*. Both tables are divided into
//! buckets. Which bucket a peer belongs to follows from a secret key, the range of its address ([`Group`]) and, if it is new,
//! from who told of it ([`Source`]): whoever has one range of addresses reaches a few buckets only, and cannot compute which.
//! Within a bucket a peer has one place. Whoever has a place keeps it: a new peer gives way when it is of no use any more, a
//! tried one after this node has dialled it again and failed. Connected peers keep theirs in any case.
//!
//! Two of the peers that this node had dialled before it stopped are its *anchors*: they are dialled first after a restart.
//! The file also holds the points of misbehaviour ([`super::score`]). Plain data with time as an argument; the service dials.

use super::score::Scores;
use super::{address, score};
use crate::shell::files;
use libp2p::{Multiaddr, PeerId};
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};
use siphasher::sip::SipHasher13;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{Hash, Hasher};
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// The file's name in the data directory.
pub const FILE_NAME: &str = "peers.json";
/// Peers that are dialled first after a restart (Core: `MAX_BLOCK_RELAY_ONLY_ANCHORS`).
pub const ANCHORS_MAX: usize = 2;
/// Addresses remembered of one peer.
const ADDRESSES_PER_PEER_MAX: usize = 4;
/// Peers in one bucket (Core: `ADDRMAN_BUCKET_SIZE`).
const BUCKET_PEERS_MAX: u64 = 64;
/// Buckets of new peers.
const NEW_BUCKETS: u64 = 64;
/// Buckets of new peers that one source reaches.
const NEW_BUCKETS_PER_SOURCE: u64 = 8;
/// Buckets of tried peers.
const TRIED_BUCKETS: u64 = 16;
/// Buckets of tried peers that one range of addresses reaches.
const TRIED_BUCKETS_PER_GROUP: u64 = 4;
/// Tried peers whose places others wait for; further ones wait for another time.
const CONTESTS_MAX: usize = 16;
/// Failed dials in a row after which a peer is not dialled again on our own account.
const FAILURES_MAX: u32 = 10;
/// Failed dials in a row after which a peer that was never reached gives up its place.
const FAILURES_UNREACHED_MAX: u32 = 3;
/// A new peer that nobody told of for this long gives up its place, seconds (Core: `ADDRMAN_HORIZON`).
const HORIZON_S: u64 = 30 * 24 * 60 * 60;
/// Pause before the second dial, seconds; doubles with every failure.
const REDIAL_PAUSE_S: u64 = 30;

/// A range of addresses whose owner is assumed to be one person (Core's network groups).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Group {
    /// The first 16 bits of a public IPv4 address.
    V4(u16),
    /// The first 32 bits of a public IPv6 address.
    V6(u32),
    /// Loopback and private networks.
    Local,
}
impl Group {
    /// The group of an address.
    pub fn of(ip: IpAddr) -> Group {
        match ip {
            _ if !address::is_public(ip) => Group::Local,
            IpAddr::V4(ip) => Group::V4((u32::from(ip) >> 16) as u16),
            IpAddr::V6(ip) => Group::V6((u128::from(ip) >> 96) as u32),
        }
    }
}
/// Who told of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// The peer itself, connected from an address of this group.
    Itself(Group),
    /// Kademlia: any peer may have said it.
    Kademlia,
    /// mDNS: the local network.
    LocalNetwork,
    /// The operator of this node (`addpeeraddress`).
    Operator,
}
/// What is known of a peer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Record {
    /// Where it was reached or is said to listen, best first; never empty.
    addresses: Vec<Multiaddr>,
    /// This node has dialled it with success.
    tried: bool,
    /// Last time it was connected, Unix seconds; 0 if never.
    connected_s: u64,
    /// Last time it was heard of, Unix seconds.
    heard_s: u64,
    /// Last dial, Unix seconds.
    dialled_s: u64,
    /// Dials in a row that failed.
    failures: u32,
    /// The place it has, in its table.
    #[serde(skip)]
    place: Place,
}
/// A bucket's number and a position in it.
type Place = (u64, u64);

/// The file's content.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Stored {
    key: String,
    anchors: Vec<String>,
    peers: BTreeMap<String, StoredPeer>,
    scores: Scores,
}
#[derive(Debug, Serialize, Deserialize)]
struct StoredPeer {
    bucket: u64,
    position: u64,
    #[serde(flatten)]
    record: Record,
}

/// Addresses heard of and addresses that answered, in buckets that no single source can fill (Core: `addrman`).
#[derive(Debug)]
pub struct AddressBook {
    path: PathBuf,
    key: [u8; 16],
    records: HashMap<PeerId, Record>,
    new: HashMap<Place, PeerId>,
    tried: HashMap<Place, PeerId>,
    /// Tried peers that must be dialled again, each with the peer that waits for its place and the time of the test.
    contests: Vec<Contest>,
    anchors: Vec<PeerId>,
    connected: HashSet<PeerId>,
    /// Points of misbehaviour.
    pub scores: Scores,
    changed: bool,
}
#[derive(Clone, Copy, Debug)]
struct Contest {
    holder: PeerId,
    newcomer: PeerId,
}

impl AddressBook {
    /// Reads the book back, or begins one with a key of its own.
    pub fn load(datadir: &Path) -> io::Result<Self> {
        let path = datadir.join(FILE_NAME);
        let stored: Stored = files::load(&path)?.unwrap_or_default();
        let key = hex::decode(&stored.key).ok().and_then(|key| key.try_into().ok());
        let mut book = Self {
            path,
            key: key.unwrap_or_else(rand::random),
            records: HashMap::new(),
            new: HashMap::new(),
            tried: HashMap::new(),
            contests: Vec::new(),
            anchors: stored.anchors.iter().take(ANCHORS_MAX).filter_map(|peer| peer.parse().ok()).collect(),
            connected: HashSet::new(),
            scores: stored.scores,
            changed: key.is_none(),
        };
        book.scores.bound();
        for (peer, StoredPeer { bucket, position, mut record }) in stored.peers {
            let Ok(peer) = peer.parse::<PeerId>() else { continue };
            record.place = (bucket, position);
            let buckets = if record.tried { TRIED_BUCKETS } else { NEW_BUCKETS };
            let fits = bucket < buckets && position < BUCKET_PEERS_MAX && !record.addresses.is_empty();
            let table = if record.tried { &mut book.tried } else { &mut book.new };
            if fits && !table.contains_key(&record.place) {
                table.insert(record.place, peer);
                book.records.insert(peer, record);
            }
        }
        Ok(book)
    }
    /// Writes the book if it changed.
    pub fn save(&mut self) -> io::Result<()> {
        if !self.changed && !self.scores.changed {
            return Ok(());
        }
        let peers = self.records.iter().map(|(peer, record)| {
            let (bucket, position) = record.place;
            (peer.to_string(), StoredPeer { bucket, position, record: record.clone() })
        });
        let stored = Stored {
            key: hex::encode(self.key),
            anchors: self.anchors.iter().map(ToString::to_string).collect(),
            peers: peers.collect(),
            scores: self.scores.clone(),
        };
        files::save(&self.path, &stored)?;
        (self.changed, self.scores.changed) = (false, false);
        Ok(())
    }

    fn hash(&self, value: impl Hash) -> u64 {
        let mut hasher = SipHasher13::new_with_key(&self.key);
        value.hash(&mut hasher);
        hasher.finish()
    }
    fn new_place(&self, peer: &PeerId, group: Group, source: Source) -> Place {
        let share = self.hash(("new", group, source)) % NEW_BUCKETS_PER_SOURCE;
        let bucket = self.hash(("new bucket", source, share)) % NEW_BUCKETS;
        (bucket, self.hash(("new place", bucket, peer.to_bytes())) % BUCKET_PEERS_MAX)
    }
    fn tried_place(&self, peer: &PeerId, group: Group) -> Place {
        let share = self.hash(("tried", peer.to_bytes())) % TRIED_BUCKETS_PER_GROUP;
        let bucket = self.hash(("tried bucket", group, share)) % TRIED_BUCKETS;
        (bucket, self.hash(("tried place", bucket, peer.to_bytes())) % BUCKET_PEERS_MAX)
    }
    fn forget(&mut self, peer: &PeerId) {
        if let Some(record) = self.records.remove(peer) {
            let table = if record.tried { &mut self.tried } else { &mut self.new };
            table.remove(&record.place);
        }
    }

    /// A peer of our chain is said to listen at these addresses. Only a peer itself adds addresses to what is known of it.
    pub fn heard(&mut self, peer: PeerId, addresses: &[Multiaddr], source: Source, now_s: u64) {
        let mut usable: Vec<Multiaddr> = Vec::new();
        for address in addresses {
            let (address, _) = address::split_peer(address);
            let is_usable = address::to_socket(&address).is_some_and(|socket| !socket.ip().is_unspecified());
            if is_usable && !usable.contains(&address) && usable.len() < ADDRESSES_PER_PEER_MAX {
                usable.push(address);
            }
        }
        if let Some(record) = self.records.get_mut(&peer) {
            record.heard_s = now_s;
            if matches!(source, Source::Itself(_)) {
                usable.retain(|address| !record.addresses.contains(address));
                record.addresses.extend(usable);
                record.addresses.truncate(ADDRESSES_PER_PEER_MAX);
            }
            self.changed = true;
            return;
        }
        let Some(group) = usable.first().and_then(address::ip).map(Group::of) else { return };
        let place = self.new_place(&peer, group, source);
        if let Some(holder) = self.new.get(&place).copied() {
            if !self.is_useless(&holder, now_s) {
                return;
            }
            self.forget(&holder);
        }
        self.add_new(peer, usable, place, now_s);
    }
    fn add_new(&mut self, peer: PeerId, addresses: Vec<Multiaddr>, place: Place, now_s: u64) {
        let record =
            Record { addresses, tried: false, connected_s: 0, heard_s: now_s, dialled_s: 0, failures: 0, place };
        self.new.insert(place, peer);
        self.records.insert(peer, record);
        self.changed = true;
    }
    /// Whether a peer gives up its place to any newcomer (Core: `IsTerrible`).
    fn is_useless(&self, peer: &PeerId, now_s: u64) -> bool {
        let Some(record) = self.records.get(peer) else { return true };
        !self.connected.contains(peer)
            && (record.heard_s.saturating_add(HORIZON_S) < now_s
                || record.failures >= FAILURES_MAX
                || (record.connected_s == 0 && record.failures >= FAILURES_UNREACHED_MAX))
    }

    /// A peer of our chain is connected; `dialled` is where this node dialled it. One that dialled us shows nothing about
    /// where it can be reached.
    pub fn connected(&mut self, peer: PeerId, dialled: Option<&Multiaddr>, now_s: u64) {
        self.connected.insert(peer);
        self.contests.retain(|contest| contest.holder != peer);
        if let Some(record) = self.records.get_mut(&peer) {
            record.connected_s = now_s;
            self.changed = true;
        }
        let Some(address) = dialled.map(|address| address::split_peer(address).0) else { return };
        let Some(group) = address::ip(&address).map(Group::of) else { return };
        let place = self.tried_place(&peer, group);
        if let Some(record) = self.records.get_mut(&peer) {
            record.failures = 0;
            record.addresses.retain(|known| *known != address);
            record.addresses.insert(0, address.clone());
            record.addresses.truncate(ADDRESSES_PER_PEER_MAX);
            if record.tried {
                return;
            }
        }
        match self.tried.get(&place).copied() {
            Some(holder) if !self.is_useless(&holder, now_s) => self.contest(holder, peer),
            holder => {
                holder.inspect(|holder| self.forget(holder));
                self.make_tried(peer, address, place, now_s);
            }
        }
    }
    fn contest(&mut self, holder: PeerId, newcomer: PeerId) {
        let is_contested = self.contests.iter().any(|contest| contest.holder == holder);
        if self.contests.len() < CONTESTS_MAX && !is_contested && !self.connected.contains(&holder) {
            self.contests.push(Contest { holder, newcomer });
        }
    }
    fn make_tried(&mut self, peer: PeerId, address: Multiaddr, place: Place, now_s: u64) {
        let old = self.records.get(&peer).cloned();
        self.forget(&peer);
        let mut record = old.unwrap_or(Record {
            addresses: vec![address],
            tried: true,
            connected_s: now_s,
            heard_s: now_s,
            dialled_s: now_s,
            failures: 0,
            place,
        });
        (record.tried, record.place) = (true, place);
        self.tried.insert(place, peer);
        self.records.insert(peer, record);
        self.changed = true;
    }
    /// The last connection to a peer closed.
    pub fn disconnected(&mut self, peer: &PeerId) {
        self.connected.remove(peer);
    }
    /// A dial on our own account began.
    pub fn dialled(&mut self, peer: PeerId, now_s: u64) {
        if let Some(record) = self.records.get_mut(&peer) {
            record.dialled_s = now_s;
            self.changed = true;
        }
    }
    /// A dial failed. A tried peer whose place another one waits for loses it.
    pub fn failed(&mut self, peer: &PeerId, now_s: u64) {
        let Some(record) = self.records.get_mut(peer) else { return };
        record.failures += 1;
        self.changed = true;
        let Some(position) = self.contests.iter().position(|contest| contest.holder == *peer) else { return };
        let Contest { holder, newcomer } = self.contests.remove(position);
        let Some(address) = self.records.get(&newcomer).and_then(|record| record.addresses.first().cloned()) else {
            return;
        };
        if let Some(place) = self.records.get(&holder).filter(|holder| holder.tried).map(|holder| holder.place) {
            self.forget(&holder);
            self.make_tried(newcomer, address, place, now_s);
        }
    }

    /// A tried peer that must be dialled to find out whether it keeps its place.
    pub fn next_test(&self, now_s: u64) -> Option<(PeerId, Vec<Multiaddr>)> {
        let due = |contest: &&Contest| {
            let record = self.records.get(&contest.holder);
            record.is_some_and(|record| record.dialled_s + REDIAL_PAUSE_S <= now_s)
        };
        let contest = self.contests.iter().find(due)?;
        Some((contest.holder, self.records.get(&contest.holder)?.addresses.clone()))
    }
    /// Peers worth dialling on our own account: the anchors, then tried and new ones in turn, each in no order.
    pub fn candidates(&self, now_s: u64) -> Vec<(PeerId, Vec<Multiaddr>)> {
        let (mut tried, mut new) = (Vec::new(), Vec::new());
        for (peer, record) in &self.records {
            let is_due = record.dialled_s + (REDIAL_PAUSE_S << record.failures.min(16)) <= now_s;
            let is_good = record.failures < FAILURES_MAX && self.scores.points(peer, now_s) < score::DISCONNECT_POINTS;
            if is_due && is_good && !self.anchors.contains(peer) {
                if record.tried { &mut tried } else { &mut new }.push(*peer);
            }
        }
        tried.shuffle(&mut rand::rng());
        new.shuffle(&mut rand::rng());
        let anchors = self.anchors.iter().copied().filter(|anchor| {
            self.records.get(anchor).is_some_and(|record| record.dialled_s + REDIAL_PAUSE_S <= now_s)
                && self.scores.points(anchor, now_s) < score::DISCONNECT_POINTS
        });
        let mut order: Vec<PeerId> = anchors.collect();
        for turn in 0..tried.len().max(new.len()) {
            order.extend(tried.get(turn));
            order.extend(new.get(turn));
        }
        let with_addresses = |peer: PeerId| Some((peer, self.records.get(&peer)?.addresses.clone()));
        order.into_iter().filter_map(with_addresses).collect()
    }
    /// The peers to dial first after a restart.
    pub fn set_anchors(&mut self, mut anchors: Vec<PeerId>) {
        anchors.truncate(ANCHORS_MAX);
        // Nobody left is no reason to forget whom to ask next time.
        if !anchors.is_empty() && anchors != self.anchors {
            self.anchors = anchors;
            self.changed = true;
        }
    }
    /// Every peer with where it listens, when it was heard of last (Unix seconds) and whether this node has dialled it with
    /// success, in no order.
    pub fn addresses(&self) -> impl Iterator<Item = (PeerId, &Multiaddr, u64, bool)> {
        self.records
            .iter()
            .filter_map(|(peer, record)| Some((*peer, record.addresses.first()?, record.heard_s, record.tried)))
    }
    /// How many peers are in it.
    pub fn len(&self) -> usize {
        self.records.len()
    }
}

#[cfg(test)]
mod tests;
