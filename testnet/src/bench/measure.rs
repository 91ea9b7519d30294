//! Times contenders in turn, so that what a noisy neighbour does hits all of them.

use std::{
    hint::black_box,
    sync::Barrier,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use chain_spec::{BlockHash, ChainSpec, CompactTarget, Header, MerkleRoot, ProofOfWork, Target};
use node::miner::kernel::{Kernel, LANES, Search};
use sha2::{Digest, Sha256};

/// Every contender is measured so many times.
pub const ROUNDS: u32 = 9;
/// The share of a measurement that is run first and not counted.
const WARM_UP_SHARE: u32 = 8;
/// Hashes between two looks at the clock: whole batches of every kernel, well under a millisecond.
const STEP: u64 = 4 * 768;
/// Candidates each kernel's self-test goes through.
const SELF_TEST_CANDIDATES: u64 = 20_000;
/// Bitcoin's genesis block, which every kernel must find.
const GENESIS_NONCE: u64 = 2_083_236_893;

/// Something that hashes headers.
#[derive(Clone, Copy, Debug)]
pub enum Contender {
    /// The `sha2` crate: two whole hashes for each 80-byte header, as a program without a miner would do it.
    Crate,
    /// One of the miner's kernels.
    Kernel(Kernel),
}

impl Contender {
    /// The name in reports.
    pub fn name(&self) -> &'static str {
        match self {
            Contender::Crate => "sha2-crate",
            Contender::Kernel(kernel) => kernel.name().as_str(),
        }
    }

    /// How it works, for people.
    pub fn form(&self) -> &'static str {
        match self {
            Contender::Crate => "whole headers",
            Contender::Kernel(kernel) => kernel.form(),
        }
    }

    /// Does [`STEP`] hashes from candidate `at` on.
    fn step(&self, search: &Search, at: u64, hits: &mut Vec<u64>) {
        match self {
            Contender::Crate => {
                let mut header = search.header(at).to_array();
                for nonce in at as u32..at as u32 + STEP as u32 {
                    header[76..].copy_from_slice(&nonce.to_le_bytes());
                    black_box(Sha256::digest(Sha256::digest(header)));
                }
            }
            Contender::Kernel(kernel) => kernel.scan(search, at..at + STEP, hits),
        }
    }

    /// Hashes a second of one thread over about `duration`, after a warm-up that ends when all threads are ready.
    #[allow(clippy::disallowed_methods)] // measuring time is what this is for
    fn hashes_per_second(&self, search: &Search, duration: Duration, ready: &Barrier) -> f64 {
        let mut hits = Vec::new();
        let mut run = |duration: Duration| {
            let (start, mut hashes) = (Instant::now(), 0);
            loop {
                // Every thread may try the same candidates: no hash is worth more than another here.
                self.step(search, hashes % (1 << 30), &mut hits);
                hashes += STEP;
                let elapsed = start.elapsed();
                if elapsed >= duration {
                    return hashes as f64 / elapsed.as_secs_f64();
                }
            }
        };
        ready.wait();
        run(duration / WARM_UP_SHARE);
        ready.wait();
        run(duration - duration / WARM_UP_SHARE)
    }
}

/// A contender on so many threads, and how fast it was in each round.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Who.
    pub contender: Contender,
    /// On how many threads.
    pub threads: usize,
    /// Hashes a second over all threads, one for each round, sorted.
    rounds: Vec<f64>,
}

impl Measured {
    /// Nothing measured yet.
    pub fn new(contender: Contender, threads: usize) -> Measured {
        Measured { contender, threads, rounds: Vec::new() }
    }

    /// Notes a round.
    pub fn add(&mut self, hashes_per_second: f64) {
        let place = self.rounds.partition_point(|&round| round < hashes_per_second);
        self.rounds.insert(place, hashes_per_second);
    }

    /// Hashes a second in the median round.
    pub fn median(&self) -> f64 {
        self.rounds.get(self.rounds.len() / 2).copied().unwrap_or(0.0)
    }

    /// Hashes a second in the slowest and the fastest round.
    pub fn spread(&self) -> (f64, f64) {
        (self.rounds.first().copied().unwrap_or(0.0), self.rounds.last().copied().unwrap_or(0.0))
    }
}

/// Measures all in `duration` together, round after round; `before` is told what comes next.
pub fn in_rounds(results: &mut [Measured], duration: Duration, mut before: impl FnMut(&Measured)) {
    let search = Search::new(idle_header(), Target::from_be_bytes([0; 32]), ProofOfWork::Sha256d);
    let slot = duration / (ROUNDS * results.len().max(1) as u32);
    for _ in 0..ROUNDS {
        for measured in results.iter_mut() {
            before(measured);
            let (contender, threads) = (measured.contender, measured.threads);
            let ready = Barrier::new(threads);
            let total = thread::scope(|scope| {
                let work = || contender.hashes_per_second(&search, slot, &ready);
                let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
                let own = work();
                own + others.into_iter().map(|thread| thread.join().expect("hashing does not panic")).sum::<f64>()
            });
            measured.add(total);
        }
    }
}

/// Compares a kernel with the `sha2` crate on some thousand candidates, and has it find Bitcoin's genesis block.
pub fn self_test(kernel: Kernel) -> anyhow::Result<()> {
    let name = kernel.name();
    let mut easy = [0xff; 32];
    easy[..2].copy_from_slice(&[0, 0x0f]);
    let target = Target::from_be_bytes(easy);
    let search = Search::new(idle_header(), target, ProofOfWork::Sha256d);
    let range = 5..5 + SELF_TEST_CANDIDATES;
    let expected: Vec<u64> = range.clone().filter(|&index| target.is_met_by(&search.header(index).hash())).collect();
    let mut found = Vec::new();
    kernel.scan(&search, range, &mut found);
    found.sort_unstable();
    if found != expected {
        bail!("self-test: kernel {name} found {} hits where the sha2 crate finds {}", found.len(), expected.len());
    }

    let genesis = ChainSpec::builtin("bitcoin-main").context("self-test: no chain spec bitcoin-main")?.genesis.header;
    let target = genesis.bits.to_target().context("self-test: Bitcoin's genesis block has an invalid target")?;
    let lanes = LANES as u64;
    let mut found = Vec::new();
    let range = (GENESIS_NONCE - 100) * lanes..(GENESIS_NONCE + 100) * lanes;
    kernel.scan(&Search::new(genesis, target, ProofOfWork::Sha256d), range, &mut found);
    if found != [GENESIS_NONCE * lanes] {
        bail!("self-test: kernel {name} does not find Bitcoin's genesis block");
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
