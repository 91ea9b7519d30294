//! Picks the fastest of several forms by timing each for a moment, on as many threads as will be at work.
//!
//! Threads on one core, or on cores that share units or a clock limit, can make another form the best than a single thread
//! would choose. All threads therefore run the same form at the same time, and the sum of what they did counts.

use std::{
    sync::{Barrier, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use chain_spec::{BlockHash, CompactTarget, Header, MerkleRoot, ProofOfWork, Target};

use super::{super::cores, Kernel, KernelName, Search};

/// Time spent on each form, over all rounds.
const TIMING: Duration = Duration::from_millis(24);
/// Forms take turns, so that a neighbour's burst hits all of them; the best round of each counts.
const ROUNDS: usize = 6;

/// What was asked, and what was found: names, threads, the fastest form.
type Choice = (Vec<KernelName>, usize, Kernel);

/// Choices made before, so that each is timed once in a process.
static CHOICES: Mutex<Vec<Choice>> = Mutex::new(Vec::new());

/// The fastest form of all kernels called `names`, which all run here, with `threads` of them at work. More threads than
/// cores would only take turns, so no more are timed.
pub fn fastest_of(names: &[KernelName], threads: usize) -> Kernel {
    let threads = threads.clamp(1, cores());
    // Held while timing, so that two callers do not time at once and spoil each other's figures.
    let mut choices = CHOICES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((.., kernel)) = choices.iter().find(|(known, count, _)| known == names && *count == threads) {
        return *kernel;
    }
    let kernel = fastest(names.iter().copied().flat_map(Kernel::forms).collect(), threads);
    choices.push((names.to_vec(), threads, kernel));
    kernel
}

fn fastest(forms: Vec<Kernel>, threads: usize) -> Kernel {
    let rates = if forms.len() > 1 { best_rates(&forms, threads) } else { vec![0.0; forms.len()] };
    let fastest = forms.iter().zip(&rates).max_by(|a, b| a.1.total_cmp(b.1));
    *fastest.expect("one kernel of each proof of work runs everywhere").0
}

/// Hashes a second of each form over all threads, in its best round.
fn best_rates(forms: &[Kernel], threads: usize) -> Vec<f64> {
    let search = idle_search(forms[0].name().proof_of_work());
    let sums: Vec<Mutex<f64>> = (0..ROUNDS * forms.len()).map(|_| Mutex::new(0.0)).collect();
    let ready = Barrier::new(threads);
    let work = || {
        for (turn, sum) in sums.iter().enumerate() {
            ready.wait();
            let rate = hashes_per_second(forms[turn % forms.len()], &search, TIMING / ROUNDS as u32);
            *sum.lock().unwrap_or_else(PoisonError::into_inner) += rate;
        }
    };
    thread::scope(|scope| {
        // All threads or none: those that started would wait at the barrier for one that could not.
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        work();
        drop(others);
    });
    let mut best = vec![0.0f64; forms.len()];
    for (turn, sum) in sums.into_iter().enumerate() {
        let form = turn % forms.len();
        best[form] = best[form].max(sum.into_inner().unwrap_or_else(PoisonError::into_inner));
    }
    best
}

/// How fast `kernel` goes through `search` in about `duration`, after one batch to warm up.
#[allow(clippy::disallowed_methods)] // measuring time is what this is for
fn hashes_per_second(kernel: Kernel, search: &Search, duration: Duration) -> f64 {
    let mut hits = Vec::new();
    let (mut at, step) = (0, kernel.batch());
    let mut scan = || {
        kernel.scan(search, at..at + step, &mut hits);
        at += step;
    };
    scan();
    let (start, mut hashes) = (Instant::now(), 0);
    while start.elapsed() < duration {
        scan();
        hashes += step;
    }
    hashes as f64 / start.elapsed().as_secs_f64()
}

/// A search that no hash will meet.
fn idle_search(proof_of_work: ProofOfWork) -> Search {
    let header = Header {
        version: 0x2000_0000,
        previous: BlockHash::ZERO,
        merkle_root: MerkleRoot::ZERO,
        time: 0,
        bits: CompactTarget::from_bits(0),
        nonce: 0,
    };
    Search::new(header, Target::from_be_bytes([0; 32]), proof_of_work)
}
