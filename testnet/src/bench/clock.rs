//! The core's real clock, measured: processors run faster or slower than the number in their name says.
//!
//! A chain of operations that each need the result of the one before takes a known number of cycles, whatever else the core
//! could do at the same time. An exclusive or and a rotation take one cycle each on every 64-bit processor from Intel,
//! AMD and Arm of the last decade, so the time of the chain gives the clock.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

/// Links of the chain between two looks at the clock: some microseconds, less than the time slice of a scheduler.
const LINKS: u32 = 16_384;
/// Cycles that a link takes: an exclusive or and a rotation.
const CYCLES_PER_LINK: f64 = 2.0;
/// Chains in one measurement; the fastest was not interrupted.
const CHAINS: usize = 12;

/// The clock of the core this runs on, in hertz. Takes about a tenth of a millisecond.
pub fn core_hz() -> f64 {
    let fastest = (0..CHAINS).map(|_| time_of_chain()).min().unwrap_or_default();
    let seconds = fastest.as_secs_f64().max(1e-9);
    f64::from(LINKS) * CYCLES_PER_LINK / seconds
}

#[allow(clippy::disallowed_methods)] // measuring time is what this is for
fn time_of_chain() -> Duration {
    // Unknown to the compiler, so that it can shorten nothing.
    let (mut value, key) = (black_box(1u64), black_box(0x9e37_79b9_7f4a_7c15u64));
    let start = Instant::now();
    for _ in 0..LINKS / 16 {
        // Sixteen at once, so that counting is no part of the chain.
        value = links(links(links(links(value, key), key), key), key);
    }
    black_box(value);
    start.elapsed()
}

/// Four links.
#[inline(always)]
fn links(value: u64, key: u64) -> u64 {
    let link = |value: u64| (value ^ key).rotate_left(7);
    link(link(link(link(value))))
}
