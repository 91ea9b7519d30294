//! The miner's engine beside its kernels: how soon a new job takes effect, and how well a rate limit holds.
//!
//! Prints times and ratios; they mean something on an idle machine only, since a miner's threads give way to everything.

use chain_spec::merkle::coinbase_branch;
use chain_spec::{Block, BlockHash, CompactTarget, Script, TxIn, Txid};
use kit::fixture::regtest;
use kit::now;
use node::miner::{Miner, MinerConfig};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};
use testoon_benches::processors;

/// Half of all hashes meet it.
const EASY: u32 = 0x207f_ffff;
/// No hash will meet it.
const HOPELESS: u32 = 0x0300_0001;
/// Jobs replaced for each figure.
const JOBS: usize = 500;
/// How long a limit is held for each figure, and how it is cut to see whether work spreads evenly.
const WINDOW: Duration = Duration::from_millis(100);
const WINDOWS: usize = 30;

fn main() {
    for threads in [1, processors()] {
        for transactions in [1, 2_000] {
            new_job(threads, transactions);
        }
    }
    let full = full_speed();
    for limit in [1e3, 1e4, 1e5, 1e6, 1e7, 3e7, full * 0.8] {
        rate_limit(limit as u64, full);
    }
}

/// A template with a parent of its own, and its coinbase's Merkle branch.
fn template(parent: u64, bits: u32, transactions: usize) -> (Block, Vec<[u8; 32]>) {
    let mut block = regtest().genesis.clone();
    let mut previous = [0; 32];
    previous[..8].copy_from_slice(&parent.to_le_bytes());
    block.header.previous = BlockHash::from_bytes(previous);
    block.header.bits = CompactTarget::from_bits(bits);
    let coinbase = &mut block.transactions[0];
    let script = Script::from_bytes([&[0x51, 0x51][..], &[0; 8]].concat());
    coinbase.inputs = vec![TxIn { script, ..coinbase.inputs[0].clone() }];
    for lock_time in 1..transactions as u32 {
        let mut other = block.transactions[0].clone();
        other.lock_time = lock_time;
        block.transactions.push(other);
    }
    let txids: Vec<Txid> = block.transactions.iter().map(|transaction| transaction.txid()).collect();
    (block, coinbase_branch(&txids))
}

fn start(threads: usize, hashrate_max: Option<u64>) -> (Miner, mpsc::Receiver<(Block, Instant)>) {
    let (sender, found) = mpsc::channel();
    let config = MinerConfig { threads, hashrate_max, ..MinerConfig::default() };
    // Nobody listens any more when the bench is at its end.
    let miner = Miner::start(config, move |block| drop(sender.send((block, now())))).expect("threads and a kernel");
    (miner, found)
}

/// From `set_job`, while every thread is at work on another job, to the first block of the new one.
fn new_job(threads: usize, transactions: usize) {
    let (miner, found) = start(threads, None);
    let mut microseconds = Vec::with_capacity(JOBS);
    for number in 0..JOBS as u64 {
        let (job, branch) = template(2 * number, HOPELESS, 1);
        miner.set_job(job, branch);
        thread::sleep(Duration::from_micros(2_000 + number * 37 % 1_000));
        let (job, branch) = template(2 * number + 1, EASY, transactions);
        let previous = job.header.previous;
        let set = now();
        miner.set_job(job, branch);
        let (block, at) = found.recv().expect("the miner lives");
        assert_eq!(block.header.previous, previous, "a block of another job");
        microseconds.push(at.duration_since(set).as_secs_f64() * 1e6);
    }
    microseconds.sort_by(f64::total_cmp);
    let at = |share: f64| microseconds[(JOBS as f64 * share) as usize];
    println!(
        "new job of {transactions} transactions, {threads} threads at work: first block after {:.0} us (median), {:.0} (p90), {:.0} (p99), {:.0} (worst)",
        at(0.5),
        at(0.9),
        at(0.99),
        microseconds[JOBS - 1]
    );
}

/// Hashes a second over all threads without a limit.
fn full_speed() -> f64 {
    let (miner, _found) = start(processors(), None);
    let (job, branch) = template(0, HOPELESS, 1);
    miner.set_job(job, branch);
    thread::sleep(Duration::from_secs(1));
    let (before, since) = (miner.meter().hashes_total, now());
    thread::sleep(Duration::from_secs(2));
    let rate = (miner.meter().hashes_total - before) as f64 / since.elapsed().as_secs_f64();
    println!("full speed: {:.1} MH/s with {} threads, kernel {}", rate / 1e6, processors(), miner.meter().kernel);
    rate
}

fn rate_limit(limit: u64, full: f64) {
    let (miner, _found) = start(processors(), Some(limit));
    let (job, branch) = template(0, HOPELESS, 1);
    miner.set_job(job, branch);
    thread::sleep(Duration::from_millis(500));
    let (first, since) = (miner.meter().hashes_total, now());
    let (mut last, mut last_at) = (first, since);
    let mut windows = Vec::with_capacity(WINDOWS);
    for _ in 0..WINDOWS {
        thread::sleep(WINDOW);
        let (total, at) = (miner.meter().hashes_total, now());
        windows.push((total - last) as f64 / at.duration_since(last_at).as_secs_f64() / limit as f64);
        (last, last_at) = (total, at);
    }
    windows.sort_by(f64::total_cmp);
    let rate = (last - first) as f64 / last_at.duration_since(since).as_secs_f64();
    println!(
        "limit of {limit} H/s ({:.4} of full speed): {:+.2} % over {:?}; windows of {WINDOW:?} from {:.3} to {:.3} of it",
        limit as f64 / full,
        (rate / limit as f64 - 1.0) * 100.0,
        WINDOW * WINDOWS as u32,
        windows[0],
        windows[WINDOWS - 1]
    );
}
