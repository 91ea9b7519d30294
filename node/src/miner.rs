//! The miner: worker threads that look for a header whose hash meets the target.
//!
//! The shell gives it templates ([`Miner::set_job`]) made by the core and gets whole blocks back through a callback;
//! they come in again as submitted blocks, checked like anyone's. Its floors, from the ground: [`kernel`] hashes and
//! [`meter`](mod@meter) counts, `rate_limit` says when; [`job`](mod@job) cuts a template into work units; `worker` is the
//! threads' loop and [`solve()`] one block at once; [`Miner`] starts and stops them. The proof of work is the chain's:
//! SHA-256d or scrypt, in the same loop. [`stratum`] is the miner's side of a pool. There is no choice of transactions here.

pub mod job;
pub mod kernel;
pub mod meter;
mod rate_limit;
mod solve;
pub mod stratum;
mod worker;

#[cfg(test)]
mod tests;

use std::{num::NonZero, sync::Arc, thread};

use chain_spec::{Block, Header, ProofOfWork, Target};
pub use kernel::{KernelError, KernelName};
pub use meter::Meter;
pub use solve::solve;

use job::Job;
use kernel::Kernel;
use worker::Shared;

/// Bits of a header's version that a miner may roll (BIP320).
pub const VERSION_ROLLING_MASK: i32 = 0x1fff_e000;

/// Up to this limit, hashes per second, every kernel of the proof of work is fast enough: none is timed, and the miner
/// starts at once.
fn untimed_hashrate_max(proof_of_work: ProofOfWork) -> u64 {
    match proof_of_work {
        ProofOfWork::Sha256d => 2_000_000,
        ProofOfWork::Scrypt => 2_000,
    }
}

/// How to mine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MinerConfig {
    /// Worker threads, at least one.
    pub threads: usize,
    /// Limit over all threads, in hashes a second; none is as fast as the processor goes, 0 is not at all.
    pub hashrate_max: Option<u64>,
    /// The kernel; none picks the fastest by self-timing, or without timing for a rate that any kernel reaches.
    pub kernel: Option<KernelName>,
    /// What the chain counts as work.
    pub proof_of_work: ProofOfWork,
}

/// One worker for each core this process may use, no limit, the fastest kernel, SHA-256d.
impl Default for MinerConfig {
    fn default() -> MinerConfig {
        MinerConfig { threads: cores(), hashrate_max: None, kernel: None, proof_of_work: ProofOfWork::Sha256d }
    }
}

/// Why a miner cannot start.
#[derive(Debug, thiserror::Error)]
pub enum MinerError {
    /// No worker was asked for.
    #[error("zero mining threads; ask for at least one (this machine has {} cores)", cores())]
    ZeroThreads,
    /// The kernel asked for cannot be used.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// The operating system refused a thread.
    #[error("cannot start a mining thread: {0}; ask for fewer threads")]
    Spawn(std::io::Error),
}

/// Processor cores this process may use.
pub fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

/// A running miner. Its threads end when it is dropped.
pub struct Miner {
    shared: Arc<Shared>,
    kernel: Kernel,
    proof_of_work: ProofOfWork,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Miner {
    /// Starts idle workers; `found` is called on a worker's thread with every block found and should not block for long.
    ///
    /// A job is answered once: after a hit its workers wait for the next job (a second at most, in case the block
    /// was refused and no job follows). Blocks of a job that was replaced or cleared are never given to `found`.
    pub fn start(config: MinerConfig, found: impl Fn(Block) + Send + Sync + 'static) -> Result<Miner, MinerError> {
        if config.threads == 0 {
            return Err(MinerError::ZeroThreads);
        }
        let proof_of_work = config.proof_of_work;
        let kernel = match config.kernel {
            Some(name) => Kernel::named_for(name, proof_of_work)?,
            None if config.hashrate_max.is_some_and(|rate| rate <= untimed_hashrate_max(proof_of_work)) => {
                Kernel::untimed(proof_of_work)
            }
            None => Kernel::fastest(proof_of_work, config.threads),
        };
        let shared = Arc::new(Shared::new(config.threads, config.hashrate_max, Box::new(found)));
        let mut miner = Miner { shared, kernel, proof_of_work, threads: Vec::with_capacity(config.threads) };
        for worker in 0..config.threads {
            let shared = Arc::clone(&miner.shared);
            let thread = thread::Builder::new()
                .name(format!("miner-{worker}"))
                .spawn(move || worker::run(&shared, worker, kernel))
                .map_err(MinerError::Spawn)?;
            miner.threads.push(thread);
        }
        Ok(miner)
    }

    /// Mines on `block`, a template whose coinbase script ends in eight bytes of extranonce that may be changed,
    /// as may the version bits of [`VERSION_ROLLING_MASK`]; its time moves on while it is mined. `coinbase_branch` is the
    /// [Merkle branch](chain_spec::merkle::coinbase_branch) of its coinbase.
    /// Effective within a millisecond. An invalid compact target is no job.
    pub fn set_job(&self, block: Block, coinbase_branch: Vec<[u8; 32]>) {
        let job = Job::new(block, coinbase_branch, self.proof_of_work).map(Arc::new);
        self.shared.change(|state| {
            state.job = job;
            state.job_since = meter::now();
        });
    }

    /// Looks for a header like this one whose hash meets `target`, as a pool asks; only the version, time and nonce are
    /// changed. The block given to `found` has no transactions.
    pub fn set_share_job(&self, header: Header, target: Target) {
        let block = Block { header, transactions: Vec::new() };
        let job = Job::with_target(block, Vec::new(), target, self.proof_of_work);
        self.shared.change(|state| {
            state.job = Some(Arc::new(job));
            state.job_since = meter::now();
        });
    }

    /// Stops work until the next job.
    pub fn clear_job(&self) {
        self.shared.change(|state| state.job = None);
    }

    /// Stops work and keeps the job.
    pub fn pause(&self) {
        self.shared.change(|state| state.paused = true);
    }

    /// Goes on after [`Miner::pause`].
    pub fn resume(&self) {
        self.shared.change(|state| state.paused = false);
    }

    /// Changes the limit over all threads, in hashes a second; none is as fast as it goes, 0 is not at all.
    pub fn set_hashrate_max(&self, hashrate_max: Option<u64>) {
        self.shared.change(|state| state.hashrate_max = hashrate_max);
    }

    /// What the miner does and has done.
    pub fn meter(&self) -> Meter {
        let (hashes_total, hashes_per_second_1s, hashes_per_second_1m) = self.shared.totals();
        let state = self.shared.state();
        Meter {
            kernel: self.kernel.name(),
            threads: self.threads.len(),
            hashes_total,
            hashes_per_second_1s,
            hashes_per_second_1m,
            hashrate_max: state.hashrate_max,
            paused: state.paused,
        }
    }
}

impl Drop for Miner {
    fn drop(&mut self) {
        self.shared.change(|state| state.stopping = true);
        for thread in self.threads.drain(..) {
            // A worker that panicked has printed its message; there is nothing to add while dropping.
            let _ = thread.join();
        }
    }
}
