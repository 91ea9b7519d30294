//! How often passwords may be guessed: after a wrong one, whoever comes from the same address waits their turn, so that an
//! address has one guess per [`delay`](Throttle::new), however many connections it opens. The cookie's secret of 256 bits
//! needs no such protection and never waits.

use crate::shell::clock;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Addresses that are remembered; with more, those whose wait is over are forgotten first, then all.
const ADDRESSES_MAX: usize = 1_024;
/// Guesses of one address that may wait; more are refused at once.
const WAITING_MAX: u32 = 64;

/// When each address may guess again.
pub struct Throttle {
    delay: Duration,
    next: Mutex<HashMap<IpAddr, Instant>>,
}

/// Too many guesses of this address wait already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyGuesses;

impl Throttle {
    /// Each wrong guess costs its address `delay`.
    pub fn new(delay: Duration) -> Throttle {
        Throttle { delay, next: Mutex::default() }
    }

    /// Waits until an address may guess; at once if it has not guessed wrongly lately.
    pub async fn wait(&self, address: IpAddr) -> Result<(), TooManyGuesses> {
        let turn = self.turn(address, clock::instant())?;
        if let Some(turn) = turn {
            tokio::time::sleep_until(turn.into()).await;
        }
        Ok(())
    }

    /// Takes the next free turn of an address; `None` is now.
    fn turn(&self, address: IpAddr, now: Instant) -> Result<Option<Instant>, TooManyGuesses> {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(turn) = next.get_mut(&address).filter(|turn| **turn > now) else { return Ok(None) };
        if *turn > now + self.delay * WAITING_MAX {
            return Err(TooManyGuesses);
        }
        let mine = *turn;
        *turn += self.delay;
        Ok(Some(mine))
    }

    /// An address has guessed wrongly.
    pub fn failed(&self, address: IpAddr) {
        self.failed_at(address, clock::instant());
    }

    fn failed_at(&self, address: IpAddr, now: Instant) {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        if next.len() >= ADDRESSES_MAX && !next.contains_key(&address) {
            next.retain(|_, turn| *turn > now);
            if next.len() >= ADDRESSES_MAX {
                next.clear();
            }
        }
        let turn = next.entry(address).or_insert(now);
        *turn = (*turn).max(now + self.delay);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELAY: Duration = Duration::from_millis(250);
    const ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn after_a_wrong_guess_an_address_has_one_guess_per_delay() {
        let (throttle, now) = (Throttle::new(DELAY), clock::instant());
        assert_eq!(throttle.turn(ADDRESS, now), Ok(None), "nobody waits before the first wrong guess");
        throttle.failed_at(ADDRESS, now);
        for guess in 1..=4 {
            assert_eq!(throttle.turn(ADDRESS, now), Ok(Some(now + DELAY * guess)), "guess {guess}");
        }
        let other = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
        assert_eq!(throttle.turn(other, now), Ok(None), "another address does not wait");
        assert_eq!(throttle.turn(ADDRESS, now + DELAY * 5), Ok(None), "the wait is over");
    }

    #[test]
    fn the_line_of_an_address_is_bounded() {
        let (throttle, now) = (Throttle::new(DELAY), clock::instant());
        throttle.failed_at(ADDRESS, now);
        let waiting = (0..1_000).take_while(|_| throttle.turn(ADDRESS, now).is_ok()).count();
        assert_eq!(waiting, WAITING_MAX as usize);
    }

    #[test]
    fn the_addresses_are_bounded() {
        let (throttle, now) = (Throttle::new(DELAY), clock::instant());
        for number in 0..10 * ADDRESSES_MAX as u32 {
            throttle.failed_at(IpAddr::V4(number.into()), now);
        }
        assert!(throttle.next.lock().unwrap().len() <= ADDRESSES_MAX);
    }
}
