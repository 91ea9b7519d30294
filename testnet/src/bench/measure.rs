//! Times contenders in turn, so that what a noisy neighbour does hits all of them.
//!
//! All threads of a contender are counted over one common window of wall time: what is printed is what the machine did,
//! also when threads take turns on a core.

use std::{
    hint::black_box,
    sync::{
        Barrier,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use chain_spec::{BlockHash, ChainSpec, CompactTarget, Header, MerkleRoot, ProofOfWork, Target};
use node::miner::kernel::{Kernel, LANES, Search};

use super::{clock, energy};

/// Every contender is measured so many times at least.
pub const ROUNDS_MIN: u32 = 9;
/// No more rounds than this, however long the run: enough for a curve over time.
const ROUNDS_MAX: u32 = 240;
/// Long runs have more rounds, each about so long.
const SLOT_AIM: Duration = Duration::from_millis(500);
/// The share of a measurement that is run first and not counted.
const WARM_UP_SHARE: u32 = 8;
/// Candidates each SHA-256d kernel's self-test goes through; with scrypt, each costs a thousand times as much.
const SELF_TEST_CANDIDATES: u64 = 20_000;
const SELF_TEST_CANDIDATES_SCRYPT: u64 = 50;

/// Something that hashes headers.
#[derive(Clone, Copy, Debug)]
pub enum Contender {
    /// The crate `sha2` or `scrypt`: whole headers, as a program without a miner would do it.
    Crate(ProofOfWork),
    /// One of the miner's kernels.
    Kernel(Kernel),
}

impl Contender {
    /// The name in reports.
    pub fn name(&self) -> &'static str {
        match self {
            Contender::Crate(ProofOfWork::Sha256d) => "sha2-crate",
            Contender::Crate(ProofOfWork::Scrypt) => "scrypt-crate",
            Contender::Kernel(kernel) => kernel.name().as_str(),
        }
    }

    /// How it works, for people.
    pub fn form(&self) -> &'static str {
        match self {
            Contender::Crate(_) => "whole headers",
            Contender::Kernel(kernel) => kernel.form(),
        }
    }

    /// The miner's kernel, if it is one.
    pub fn kernel(&self) -> Option<Kernel> {
        match self {
            Contender::Crate(_) => None,
            Contender::Kernel(kernel) => Some(*kernel),
        }
    }

    /// Hashes between two looks at the clock: whole batches of a kernel, about a millisecond or less.
    fn step_hashes(&self) -> u64 {
        match self {
            Contender::Crate(ProofOfWork::Sha256d) => 3_072,
            Contender::Crate(ProofOfWork::Scrypt) => 2,
            Contender::Kernel(kernel) if kernel.name().proof_of_work() == ProofOfWork::Scrypt => kernel.batch(),
            Contender::Kernel(kernel) => 4 * kernel.batch(),
        }
    }

    /// Does [`Contender::step_hashes`] hashes from candidate `at` on.
    fn step(&self, search: &Search, at: u64, hits: &mut Vec<u64>) {
        let end = at + self.step_hashes();
        match self {
            Contender::Crate(proof_of_work) => {
                let mut header = search.header(at);
                for nonce in at as u32..end as u32 {
                    header.nonce = nonce;
                    black_box(proof_of_work.hash(&header));
                }
            }
            Contender::Kernel(kernel) => kernel.scan(search, at..end, hits),
        }
    }
}

/// How a run is cut into measurements.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    /// Measurements of each contender.
    pub rounds: u32,
    /// Length of each.
    slot: Duration,
}

impl Schedule {
    /// For so many contenders in `duration` together.
    pub fn new(duration: Duration, contenders: usize) -> Schedule {
        let contenders = contenders.max(1) as u32;
        let aimed = duration.as_secs_f64() / (SLOT_AIM.as_secs_f64() * f64::from(contenders));
        let rounds = (aimed as u32).clamp(ROUNDS_MIN, ROUNDS_MAX);
        Schedule { rounds, slot: duration / (rounds * contenders) }
    }
}

/// One measurement.
#[derive(Clone, Copy, Debug)]
pub struct Round {
    /// Since the run began, seconds.
    pub at_s: f64,
    /// Over all threads.
    pub hashes_per_second: f64,
    /// The core's clock at the end of it.
    pub core_hz: f64,
    /// Where the system counts energy.
    pub hashes_per_joule: Option<f64>,
}

/// A contender on so many threads, and how fast it was in each round.
#[derive(Clone, Debug)]
pub struct Measured {
    /// What was measured.
    pub contender: Contender,
    /// On how many threads.
    pub threads: usize,
    /// In the order of time.
    pub rounds: Vec<Round>,
}

impl Measured {
    /// Nothing measured yet.
    pub fn new(contender: Contender, threads: usize) -> Measured {
        Measured { contender, threads, rounds: Vec::new() }
    }

    /// Hashes a second in the median round.
    pub fn median(&self) -> f64 {
        median(self.rounds.iter().map(|round| round.hashes_per_second))
    }

    /// Hashes a second in the slowest and the fastest round.
    pub fn spread(&self) -> (f64, f64) {
        let rates = || self.rounds.iter().map(|round| round.hashes_per_second);
        (rates().min_by(f64::total_cmp).unwrap_or(0.0), rates().max_by(f64::total_cmp).unwrap_or(0.0))
    }

    /// Hashes a joule in the median round, where the system counts energy.
    pub fn hashes_per_joule(&self) -> Option<f64> {
        let known: Option<Vec<f64>> = self.rounds.iter().map(|round| round.hashes_per_joule).collect();
        known.filter(|known| !known.is_empty()).map(|known| median(known.into_iter()))
    }

    /// The core's clock in the median round, hertz.
    pub fn core_hz(&self) -> f64 {
        median(self.rounds.iter().map(|round| round.core_hz))
    }

    /// Cycles of one core for a hash in the best round, as interruptions only add to them. Threads beyond `cores` add no
    /// cycles.
    pub fn cycles_per_hash(&self, cores: usize) -> f64 {
        let busy = self.threads.min(cores) as f64;
        let cycles = self.rounds.iter().map(|round| busy * round.core_hz / round.hashes_per_second.max(1e-9));
        cycles.min_by(f64::total_cmp).unwrap_or(0.0)
    }

    /// The median of the last third of the rounds over that of the first: below 1, it grew slower.
    pub fn drift(&self) -> f64 {
        let third = self.rounds.len().div_ceil(3);
        let rates: Vec<f64> = self.rounds.iter().map(|round| round.hashes_per_second).collect();
        let first = median(rates.iter().copied().take(third));
        let last = median(rates.iter().copied().skip(rates.len() - third));
        if first > 0.0 { last / first } else { 1.0 }
    }
}

/// The middle value, or 0 of none.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// Measures all as `schedule` says, round after round; `before` is told what comes next.
#[allow(clippy::disallowed_methods)] // measuring time is what this is for
pub fn in_rounds(
    results: &mut [Measured],
    proof_of_work: ProofOfWork,
    schedule: Schedule,
    mut before: impl FnMut(&Measured),
) {
    let search = Search::new(idle_header(), Target::from_be_bytes([0; 32]), proof_of_work);
    let counters = energy::Counters::open().ok();
    let start = Instant::now();
    for _ in 0..schedule.rounds {
        for measured in results.iter_mut() {
            before(measured);
            let window =
                Window::measure(measured.contender, measured.threads, &search, schedule.slot, counters.as_ref());
            measured.rounds.push(Round {
                at_s: start.elapsed().as_secs_f64(),
                hashes_per_second: window.hashes as f64 / window.elapsed.as_secs_f64().max(1e-9),
                core_hz: window.core_hz,
                hashes_per_joule: window.joules.filter(|joules| *joules > 0.0).map(|j| window.hashes as f64 / j),
            });
        }
    }
}

/// What all threads did between two moments.
struct Window {
    hashes: u64,
    elapsed: Duration,
    core_hz: f64,
    joules: Option<f64>,
}

impl Window {
    /// Runs `threads` threads for about `slot`, a warm-up first, and counts what they do together after it.
    #[allow(clippy::disallowed_methods)] // measuring time is what this is for
    fn measure(
        contender: Contender,
        threads: usize,
        search: &Search,
        slot: Duration,
        counters: Option<&energy::Counters>,
    ) -> Window {
        let (started, stopping) = (Barrier::new(threads + 1), AtomicBool::new(false));
        let done: Vec<AtomicU64> = (0..threads).map(|_| AtomicU64::new(0)).collect();
        let total = || done.iter().map(|count| count.load(Ordering::Relaxed)).sum::<u64>();
        let work = |own: &AtomicU64| {
            let mut hits = Vec::new();
            started.wait();
            while !stopping.load(Ordering::Relaxed) {
                // Every thread may try the same candidates: no hash is worth more than another here.
                contender.step(search, own.load(Ordering::Relaxed) % (1 << 30), &mut hits);
                own.fetch_add(contender.step_hashes(), Ordering::Relaxed);
            }
            // A clock that was lowered for wide registers stays low for a while, so this is still the kernel's.
            clock::core_hz()
        };
        thread::scope(|scope| {
            let work = &work;
            let workers: Vec<_> = done.iter().map(|own| scope.spawn(move || work(own))).collect();
            started.wait();
            let warm_up = slot / WARM_UP_SHARE;
            thread::sleep(warm_up);
            let energy_before = counters.and_then(energy::Counters::read);
            let (start, before) = (Instant::now(), total());
            thread::sleep(slot.saturating_sub(warm_up));
            let (after, elapsed) = (total(), start.elapsed());
            let energy_after = counters.and_then(energy::Counters::read);
            stopping.store(true, Ordering::Relaxed);
            let clocks = workers.into_iter().map(|worker| worker.join().expect("hashing does not panic"));
            let joules = match (counters, energy_before, energy_after) {
                (Some(counters), Some(from), Some(to)) => Some(counters.joules(&from, &to)),
                _ => None,
            };
            // A clock that was measured too low was interrupted.
            let core_hz = clocks.fold(0.0, f64::max);
            Window { hashes: after - before, elapsed, core_hz, joules }
        })
    }
}

/// Compares a kernel with the crate's hash on some candidates, and has it find the genesis block of a real chain.
pub fn self_test(kernel: Kernel) -> anyhow::Result<()> {
    let (name, proof_of_work) = (kernel.name(), kernel.name().proof_of_work());
    let (candidates, zero_byte, chain) = match proof_of_work {
        ProofOfWork::Sha256d => (SELF_TEST_CANDIDATES, [0, 0x0f], "bitcoin-main"),
        ProofOfWork::Scrypt => (SELF_TEST_CANDIDATES_SCRYPT, [0x1f, 0xff], "litecoin-main"),
    };
    let mut easy = [0xff; 32];
    easy[..2].copy_from_slice(&zero_byte);
    let search = Search::new(idle_header(), Target::from_be_bytes(easy), proof_of_work);
    let range = 5..5 + candidates;
    let expected: Vec<u64> = range.clone().filter(|&index| search.meets(index)).collect();
    let mut found = Vec::new();
    kernel.scan(&search, range, &mut found);
    found.sort_unstable();
    if found != expected {
        bail!("self-test: kernel {name} found {} hits where the crate finds {}", found.len(), expected.len());
    }

    let genesis = ChainSpec::builtin(chain).with_context(|| format!("self-test: no chain {chain}"))?.genesis.header;
    let target = genesis.bits.to_target().with_context(|| format!("self-test: {chain}'s genesis has no target"))?;
    let (lanes, nonce) = (LANES as u64, u64::from(genesis.nonce));
    let mut found = Vec::new();
    kernel.scan(&Search::new(genesis, target, proof_of_work), (nonce - 1) * lanes..(nonce + 1) * lanes, &mut found);
    if found != [nonce * lanes] {
        bail!("self-test: kernel {name} does not find the genesis block of {chain}");
    }
    Ok(())
}

/// A header to hash when nothing is to be found.
fn idle_header() -> Header {
    Header {
        version: 0x2000_0000,
        previous: BlockHash::from_bytes([0x11; 32]),
        merkle_root: MerkleRoot::from_bytes([0x22; 32]),
        time: 1_700_000_000,
        bits: CompactTarget::from_bits(0x1d00_ffff),
        nonce: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(rates: &[f64]) -> Measured {
        let round = |(at, &hashes_per_second): (usize, &f64)| Round {
            at_s: at as f64,
            hashes_per_second,
            core_hz: 2e9,
            hashes_per_joule: None,
        };
        let rounds = rates.iter().enumerate().map(round).collect();
        Measured { contender: Contender::Crate(ProofOfWork::Sha256d), threads: 4, rounds }
    }

    #[test]
    fn figures_of_rounds() {
        let measured = measured(&[4e6, 5e6, 3e6, 2e6, 2e6]);
        assert_eq!((measured.median(), measured.spread()), (3e6, (2e6, 5e6)));
        assert_eq!(measured.drift(), 2.0 / 5.0, "the last two over the first two");
        // Two cores of 2 GHz are busy, however many threads there are.
        assert!((measured.cycles_per_hash(2) - 4e9 / 5e6).abs() < 1e-6);
        assert!((measured.cycles_per_hash(8) - 8e9 / 5e6).abs() < 1e-6);
        assert_eq!(measured.hashes_per_joule(), None);
    }

    #[test]
    fn long_runs_have_more_rounds_and_not_endlessly_many() {
        let rounds = |seconds, contenders| Schedule::new(Duration::from_secs(seconds), contenders).rounds;
        assert_eq!(rounds(20, 10), 9);
        assert_eq!(rounds(300, 10), 60);
        assert_eq!(rounds(86_400, 2), 240);
        for (seconds, contenders) in [(1, 1), (20, 10), (300, 7)] {
            let schedule = Schedule::new(Duration::from_secs(seconds), contenders);
            let all = schedule.slot * schedule.rounds * contenders as u32;
            assert!(all <= Duration::from_secs(seconds) && all > Duration::from_secs(seconds) * 99 / 100);
        }
    }
}
