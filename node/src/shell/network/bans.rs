//! Who is kept out, and until when: peer ids and address ranges, in `<datadir>/banlist.json`.

use super::{address, nat};
use crate::shell::files;
use libp2p::{Multiaddr, PeerId};
use serde::{Deserialize, Serialize};
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The file's name in the data directory.
pub const FILE_NAME: &str = "banlist.json";
/// Bans that are kept; the one that ends first gives way.
pub const BANS_MAX: usize = 10_000;

/// A range of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Subnet {
    /// Its first address.
    pub ip: IpAddr,
    /// Leading bits that count.
    pub prefix_bits: u8,
}
impl Subnet {
    /// The range around an address.
    pub fn new(ip: IpAddr, prefix_bits: u8) -> Self {
        let ip = match ip {
            IpAddr::V4(v4) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(prefix_bits.min(32))).unwrap_or(0);
                IpAddr::V4((u32::from(v4) & mask).into())
            }
            IpAddr::V6(v6) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(prefix_bits.min(128))).unwrap_or(0);
                IpAddr::V6((u128::from(v6) & mask).into())
            }
        };
        Self { ip, prefix_bits }
    }
    /// Whether the address lies in the range.
    pub fn contains(&self, ip: IpAddr) -> bool {
        ip.is_ipv4() == self.ip.is_ipv4() && Subnet::new(ip, self.prefix_bits) == *self
    }
}
/// Who is meant: `16Uiu2…`/`12D3Koo…` (a peer), `192.0.2.7` or `192.0.2.0/24` (addresses).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BanTarget {
    /// A peer, wherever it connects from.
    Peer(PeerId),
    /// Everybody at these addresses.
    Subnet(Subnet),
}
/// Text that names neither.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither a peer id nor an IP address nor a range such as 192.0.2.0/24")]
pub struct BanTargetError(String);
impl FromStr for BanTarget {
    type Err = BanTargetError;
    fn from_str(text: &str) -> Result<Self, BanTargetError> {
        let error = || BanTargetError(text.to_owned());
        if let Ok(peer) = text.parse::<PeerId>() {
            return Ok(BanTarget::Peer(peer));
        }
        let (ip, prefix) = text.split_once('/').map_or((text, None), |(ip, prefix)| (ip, Some(prefix)));
        let ip: IpAddr = ip.parse().map_err(|_| error())?;
        let bits_max = if ip.is_ipv4() { 32 } else { 128 };
        let prefix_bits = prefix.map_or(Ok(bits_max), str::parse).map_err(|_| error())?;
        if prefix_bits > bits_max {
            return Err(error());
        }
        Ok(BanTarget::Subnet(Subnet::new(ip, prefix_bits)))
    }
}
impl std::fmt::Display for BanTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            BanTarget::Peer(peer) => peer.fmt(f),
            BanTarget::Subnet(subnet) => write!(f, "{}/{}", subnet.ip, subnet.prefix_bits),
        }
    }
}
impl Serialize for BanTarget {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
impl<'de> Deserialize<'de> for BanTarget {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
/// The range to ban beside a peer that connects from `address`, if that is safe: one public IPv4 address, or the 64 bits of
/// IPv6 that one customer gets. Everybody on a loopback or private address may be a neighbour, and a relayed connection comes
/// from its relay's address.
pub fn range_to_ban(address: &Multiaddr) -> Option<Subnet> {
    let ip = address::ip(address).filter(|ip| address::is_public(*ip) && !nat::is_relayed(address))?;
    Some(Subnet::new(ip, if ip.is_ipv4() { 32 } else { 64 }))
}
/// One ban.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ban {
    /// Who.
    pub subject: BanTarget,
    /// Since when, Unix seconds.
    pub created_s: u64,
    /// Until when, Unix seconds.
    pub until_s: u64,
    /// Why.
    pub reason: String,
}
/// Who is banned and until when, kept in a file across restarts.
#[derive(Debug)]
pub struct Bans {
    path: PathBuf,
    bans: Vec<Ban>,
}
impl Bans {
    /// Reads the list back.
    pub fn load(datadir: &Path, now_s: u64) -> io::Result<Self> {
        let path = datadir.join(FILE_NAME);
        let bans = files::load::<Vec<Ban>>(&path)?.unwrap_or_default();
        let mut bans = Self { path, bans };
        bans.bans.truncate(BANS_MAX);
        bans.expire(now_s);
        Ok(bans)
    }
    /// Bans somebody, or changes a ban.
    pub fn add(&mut self, ban: Ban) -> io::Result<()> {
        self.bans.retain(|known| known.subject != ban.subject);
        if self.bans.len() >= BANS_MAX {
            let first_to_end = self.bans.iter().enumerate().min_by_key(|(_, ban)| ban.until_s);
            if let Some((position, _)) = first_to_end {
                self.bans.remove(position);
            }
        }
        self.bans.push(ban);
        self.save()
    }
    /// Lifts a ban; `false` when there is none.
    pub fn remove(&mut self, subject: &BanTarget) -> io::Result<bool> {
        let before = self.bans.len();
        self.bans.retain(|ban| ban.subject != *subject);
        if self.bans.len() == before {
            return Ok(false);
        }
        self.save().map(|()| true)
    }
    /// Lifts every ban.
    pub fn clear(&mut self) -> io::Result<()> {
        self.bans.clear();
        self.save()
    }
    /// Drops bans that have ended; whether there were any.
    pub fn expire(&mut self, now_s: u64) -> bool {
        let before = self.bans.len();
        self.bans.retain(|ban| ban.until_s > now_s);
        self.bans.len() != before
    }
    /// The list, oldest first.
    pub fn list(&self) -> &[Ban] {
        &self.bans
    }
    /// Whether a ban meets this peer at this address.
    pub fn meets(&self, peer: &PeerId, ip: Option<IpAddr>) -> bool {
        self.bans.iter().any(|ban| match ban.subject {
            BanTarget::Peer(banned) => banned == *peer,
            BanTarget::Subnet(subnet) => ip.is_some_and(|ip| subnet.contains(ip)),
        })
    }
    fn save(&self) -> io::Result<()> {
        files::save(&self.path, &self.bans)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ban(subject: &str, until_s: u64) -> Ban {
        Ban { subject: subject.parse().expect("subject"), created_s: 1, until_s, reason: "test".to_owned() }
    }

    #[test]
    fn subjects_read_and_write_as_people_write_them() {
        let peer = PeerId::random().to_string();
        for (text, shown) in [
            (peer.as_str(), peer.as_str()),
            ("192.0.2.7", "192.0.2.7/32"),
            ("192.0.2.7/24", "192.0.2.0/24"),
            ("::1", "::1/128"),
            ("2001:db8::1/32", "2001:db8::/32"),
        ] {
            assert_eq!(text.parse::<BanTarget>().expect(text).to_string(), shown);
        }
        for text in ["", "192.0.2", "192.0.2.0/33", "::/129", "example.org", "/24"] {
            assert!(text.parse::<BanTarget>().is_err(), "{text}");
        }
    }

    #[test]
    fn ranges_meet_their_addresses_only() {
        let BanTarget::Subnet(all) = "0.0.0.0/0".parse().expect("range") else { panic!("a range") };
        let BanTarget::Subnet(range) = "10.1.0.0/16".parse().expect("range") else { panic!("a range") };
        let ip = |text: &str| text.parse::<IpAddr>().expect("ip");
        assert!(all.contains(ip("255.1.2.3")) && !all.contains(ip("::1")));
        assert!(range.contains(ip("10.1.255.1")) && !range.contains(ip("10.2.0.1")));
    }

    #[test]
    fn a_range_is_banned_where_nobody_else_is_hit() {
        let peer = PeerId::random();
        for (address, range) in [
            ("/ip4/8.8.4.4/tcp/1", Some("8.8.4.4/32")),
            ("/ip6/2a00:1450:4001:81b::5/tcp/1", Some("2a00:1450:4001:81b::/64")),
            ("/ip4/127.0.0.1/tcp/1", None),
            ("/ip4/192.168.1.7/tcp/1", None),
            ("/ip4/100.64.0.1/tcp/1", None),
            ("/ip6/::1/tcp/1", None),
            ("/ip6/fe80::1/tcp/1", None),
            ("/ip6/2002:808:404::1/tcp/1", None),
            (&format!("/ip4/8.8.4.4/tcp/1/p2p/{peer}/p2p-circuit"), None),
        ] {
            let found = range_to_ban(&address.parse().expect(address));
            assert_eq!(found.map(|range| BanTarget::Subnet(range).to_string()).as_deref(), range, "{address}");
        }
    }

    #[test]
    fn bans_survive_a_restart_and_end() {
        let dir = tempfile::tempdir().expect("directory");
        let peer = PeerId::random();
        let mut bans = Bans::load(dir.path(), 5).expect("empty");
        bans.add(ban(&peer.to_string(), 100)).expect("saved");
        bans.add(ban("192.0.2.0/24", 50)).expect("saved");
        let mut again = Bans::load(dir.path(), 60).expect("loads");
        assert!(again.meets(&peer, None));
        assert!(!again.meets(&PeerId::random(), "192.0.2.9".parse().ok()), "ended at 50");
        assert!(again.expire(100));
        assert!(!again.meets(&peer, None));
    }
}
