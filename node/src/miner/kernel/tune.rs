//! Picks the fastest of several forms by timing each for a moment.

use std::time::{Duration, Instant};

use chain_spec::{BlockHash, CompactTarget, Header, MerkleRoot, Target};

use super::{Kernel, Search};

/// Time spent on each form, over all rounds.
const TIMING: Duration = Duration::from_millis(24);
/// Forms take turns, so that a neighbour's burst hits all of them; the best round of each counts.
const ROUNDS: u32 = 6;
/// Candidates between two looks at the clock.
const STEP: u64 = 4096;

/// The fastest of `forms`, which must not be empty.
pub fn fastest(forms: impl Iterator<Item = Kernel>) -> Kernel {
    let forms: Vec<_> = forms.collect();
    let mut best = vec![0.0f64; forms.len()];
    if forms.len() > 1 {
        let search = idle_search();
        for _ in 0..ROUNDS {
            for (form, best) in forms.iter().zip(&mut best) {
                *best = best.max(hashes_per_second(*form, &search, TIMING / ROUNDS));
            }
        }
    }
    let fastest = forms.iter().zip(&best).max_by(|a, b| a.1.total_cmp(b.1));
    *fastest.expect("the caller gives at least one form").0
}

/// How fast `kernel` goes through `search` in about `duration`, after one step to warm up.
#[allow(clippy::disallowed_methods)] // measuring time is what this is for
fn hashes_per_second(kernel: Kernel, search: &Search, duration: Duration) -> f64 {
    let mut hits = Vec::new();
    let mut at = 0;
    let mut step = || {
        kernel.scan(search, at..at + STEP, &mut hits);
        at += STEP;
        STEP
    };
    step();
    let start = Instant::now();
    let mut hashes = 0;
    while start.elapsed() < duration {
        hashes += step();
    }
    hashes as f64 / start.elapsed().as_secs_f64()
}

/// A search that no hash will meet.
fn idle_search() -> Search {
    let header = Header {
        version: 0x2000_0000,
        previous: BlockHash::ZERO,
        merkle_root: MerkleRoot::ZERO,
        time: 0,
        bits: CompactTarget::from_bits(0),
        nonce: 0,
    };
    Search::new(header, Target::from_be_bytes([0; 32]))
}
