//! Who may not connect for a while, and who may connect how often. Bounded, pure.

use std::collections::HashMap;
use std::net::IpAddr;

/// Addresses that are remembered at once; beyond, the ban that ends first is forgotten.
const BANS_MAX: usize = 4_096;

/// Offences that end a connection and ban its address, if they come within [`OFFENCE_SPAN_MS`] and no shares between
/// them.
pub const OFFENCES_MAX: u32 = 50;
/// A connection's offences are forgotten after this long.
pub const OFFENCE_SPAN_MS: u64 = 60_000;

/// Banned addresses and when each ban ends.
#[derive(Debug, Default)]
pub struct Bans(HashMap<IpAddr, u64>);

impl Bans {
    /// Bans an address until a moment, Unix milliseconds.
    pub fn add(&mut self, address: IpAddr, until_ms: u64, now_ms: u64) {
        self.0.retain(|_, until| *until > now_ms);
        if self.0.len() >= BANS_MAX
            && let Some(soonest) = self.0.iter().min_by_key(|(_, until)| **until).map(|(address, _)| *address)
        {
            self.0.remove(&soonest);
        }
        self.0.insert(address, until_ms);
    }

    /// Whether an address is banned.
    pub fn contains(&self, address: IpAddr, now_ms: u64) -> bool {
        self.0.get(&address).is_some_and(|until| *until > now_ms)
    }
}

/// A connection's offences. A share that is accepted makes up for one.
#[derive(Debug, Default)]
pub struct Offences {
    count: u32,
    since_ms: u64,
}

impl Offences {
    /// One more; whether that is too many.
    pub fn add(&mut self, now_ms: u64) -> bool {
        if self.count == 0 || now_ms.saturating_sub(self.since_ms) > OFFENCE_SPAN_MS {
            (self.count, self.since_ms) = (0, now_ms);
        }
        self.count += 1;
        self.count >= OFFENCES_MAX
    }

    /// An accepted share.
    pub fn forgive(&mut self) {
        self.count = self.count.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn address(number: u32) -> IpAddr {
        IpAddr::V4(Ipv4Addr::from(number))
    }

    #[test]
    fn a_ban_ends_and_all_bans_are_bounded() {
        let mut bans = Bans::default();
        bans.add(address(1), 1_000, 0);
        assert!(bans.contains(address(1), 999) && !bans.contains(address(1), 1_000) && !bans.contains(address(2), 0));
        for number in 0..10_000 {
            bans.add(address(number), 10_000 + u64::from(number), 5_000);
        }
        assert_eq!(bans.0.len(), BANS_MAX);
        assert!(bans.contains(address(9_999), 5_000) && !bans.contains(address(0), 5_000));
    }

    #[test]
    fn offences_add_up_unless_time_passes_or_shares_come() {
        let mut offences = Offences::default();
        assert!((1..OFFENCES_MAX).all(|number| !offences.add(u64::from(number))));
        assert!(offences.add(60));
        let mut offences = Offences::default();
        assert!((0..10 * OFFENCES_MAX).all(|number| !offences.add(u64::from(number) * 2_000)), "seldom ones");
        let mut offences = Offences::default();
        for _ in 0..10 * OFFENCES_MAX {
            assert!(!offences.add(1));
            offences.forgive();
        }
    }
}
