//! Hashing one version only: for pools that do not let miners roll all the version bits that the kernels roll.
//!
//! A plain loop over nonces, several times slower than a kernel. Threads take headers of their own from the owner,
//! who has another extranonce for each.

use crate::miner::meter::{self, Counter, Window};
use chain_spec::{Header, ProofOfWork, Target};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Hashes between two looks at what changed.
const SLICE: u32 = 2_048;
/// The same where a hash costs a thousand times as much.
const SLICE_SCRYPT: u32 = 16;

/// Makes the next header to search, with a nonce of zero; none while there is no job.
pub type NextHeader = dyn Fn() -> Option<Header> + Send + Sync;

struct Shared {
    /// The job; what is searched for an earlier one is of no use.
    generation: AtomicU64,
    work: Mutex<Option<(Box<NextHeader>, Target)>>,
    changed: Condvar,
    stopping: AtomicBool,
    counters: Vec<Counter>,
    window: Mutex<Window>,
    found: Box<dyn Fn(Header) + Send + Sync>,
    proof_of_work: ProofOfWork,
    /// Hashes per second of one thread.
    rate_max: Option<f64>,
}

/// The threads; they end when this is dropped.
pub struct PlainMiner {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl PlainMiner {
    /// Starts idle threads; `rate_max` is over all of them, hashes per second.
    pub fn start(
        threads: usize,
        rate_max: Option<u64>,
        proof_of_work: ProofOfWork,
        found: impl Fn(Header) + Send + Sync + 'static,
    ) -> std::io::Result<PlainMiner> {
        let shared = Arc::new(Shared {
            generation: AtomicU64::new(0),
            work: Mutex::new(None),
            changed: Condvar::new(),
            stopping: AtomicBool::new(false),
            counters: (0..threads).map(|_| Counter::default()).collect(),
            window: Mutex::new(Window::new(meter::now())),
            found: Box::new(found),
            proof_of_work,
            rate_max: rate_max.map(|rate| rate as f64 / threads.max(1) as f64),
        });
        let mut miner = PlainMiner { shared, threads: Vec::with_capacity(threads) };
        for number in 0..threads {
            let shared = Arc::clone(&miner.shared);
            let thread = std::thread::Builder::new().name(format!("plain-{number}"));
            miner.threads.push(thread.spawn(move || run(&shared, number))?);
        }
        Ok(miner)
    }

    /// Searches what `next` gives from now on; `None` stops work.
    pub fn set_job(&self, work: Option<(Box<NextHeader>, Target)>) {
        *self.shared.work.lock().unwrap_or_else(PoisonError::into_inner) = work;
        self.shared.generation.fetch_add(1, Ordering::Release);
        self.shared.changed.notify_all();
    }

    /// Hashes per second over the last second.
    pub fn hashes_per_second(&self) -> f64 {
        let (now, total) = (meter::now(), self.shared.counters.iter().map(Counter::get).sum());
        let mut window = self.shared.window.lock().unwrap_or_else(PoisonError::into_inner);
        let rate = window.rates(now, total).0;
        if window.is_due(now) {
            window.sample(now, total);
        }
        rate
    }
}

impl Drop for PlainMiner {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::Relaxed);
        self.set_job(None);
        for thread in self.threads.drain(..) {
            // A thread that panicked has printed its message; there is nothing to add while dropping.
            let _ = thread.join();
        }
    }
}

fn run(shared: &Shared, number: usize) {
    let slice = if shared.proof_of_work == ProofOfWork::Scrypt { SLICE_SCRYPT } else { SLICE };
    while let Some((header, target, generation)) = next(shared) {
        search(shared, number, slice, header, target, generation);
    }
}

/// Waits for something to search; none at the end.
fn next(shared: &Shared) -> Option<(Header, Target, u64)> {
    let mut work = shared.work.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        if shared.stopping.load(Ordering::Relaxed) {
            return None;
        }
        let generation = shared.generation.load(Ordering::Acquire);
        if let Some((next, target)) = work.as_ref()
            && let Some(header) = next()
        {
            return Some((header, *target, generation));
        }
        work = shared.changed.wait(work).unwrap_or_else(PoisonError::into_inner);
    }
}

/// Searches every nonce of a header, until there is another job.
fn search(shared: &Shared, number: usize, slice: u32, mut header: Header, target: Target, generation: u64) {
    let start = meter::now();
    let mut done = 0_u64;
    for first in (0..=u32::MAX).step_by(slice as usize) {
        if shared.generation.load(Ordering::Acquire) != generation {
            return;
        }
        for nonce in first..=first.saturating_add(slice - 1) {
            header.nonce = nonce;
            if shared.proof_of_work.meets(&header, target) {
                (shared.found)(header);
            }
        }
        shared.counters[number].add(u64::from(slice));
        done += u64::from(slice);
        if let Some(rate) = shared.rate_max {
            wait(shared, generation, start, done as f64 / rate.max(1e-3));
        }
    }
}

/// Waits until so many seconds have passed since `start`, or there is another job.
fn wait(shared: &Shared, generation: u64, start: Instant, seconds: f64) {
    let Ok(due) = Duration::try_from_secs_f64(seconds) else { return };
    let Some(rest) = due.checked_sub(start.elapsed()) else { return };
    let work = shared.work.lock().unwrap_or_else(PoisonError::into_inner);
    let same = |_: &mut Option<(Box<NextHeader>, Target)>| shared.generation.load(Ordering::Acquire) == generation;
    drop(shared.changed.wait_timeout_while(work, rest, same).unwrap_or_else(PoisonError::into_inner));
}

#[cfg(test)]
mod tests {
    use super::*;
    use chain_spec::ChainSpec;
    use std::sync::mpsc;

    #[test]
    fn every_share_of_a_header_is_found_and_keeps_its_version() {
        let header = ChainSpec::builtin("bitcoin-regtest").unwrap().genesis.header;
        let target = Target::from_be_bytes([&[0, 0x0f][..], &[0xff; 30]].concat().try_into().unwrap());
        let (sender, shares) = mpsc::channel();
        let report = move |header| {
            // The test has seen enough.
            let _ = sender.send(header);
        };
        let miner = PlainMiner::start(2, None, ProofOfWork::Sha256d, report).unwrap();
        let given = AtomicU64::new(0);
        let next = move || {
            let number = given.fetch_add(1, Ordering::Relaxed) as u32;
            Some(Header { time: header.time + number, ..header })
        };
        miner.set_job(Some((Box::new(next), target)));
        let mut expected: Vec<u32> =
            (0..100_000).filter(|nonce| target.is_met_by(&Header { nonce: *nonce, ..header }.hash())).collect();
        while !expected.is_empty() {
            let share = shares.recv_timeout(Duration::from_secs(60)).unwrap();
            assert!(share.version == header.version && target.is_met_by(&share.hash()), "{share:?}");
            expected.retain(|nonce| share.time != header.time || *nonce != share.nonce);
        }
        assert!(miner.hashes_per_second() > 0.0);
    }
}
