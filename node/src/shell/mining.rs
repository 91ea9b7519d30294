//! Between the core and the [`miner`](crate::miner): new tips and transactions become jobs, found blocks are submitted.
//!
//! One task does this; [`Mining`] is how the RPC sees and controls it. While the node is catching up it does not mine,
//! since what it would build on is old; a fresh network knows of nothing to catch up with, so it mines at once. While the
//! next block's earliest time is further ahead of this computer's clock than the chain allows, it waits and says so.

use super::clock;
use super::core_handle::{CoreHandle, Stopped};
use crate::core::template::Template;
use crate::miner::{Meter, Miner, MinerConfig, MinerError};
use chain_spec::{Address, Block, ChainSpec, Script};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;
use tracing::{info, warn};

/// Most mining threads that can be asked for.
pub const THREADS_MAX: usize = 1_024;
/// Shortest time between two jobs that differ only in their transactions: this part of the block spacing, so that a
/// payment waits for a negligible part of a block, within bounds that keep template building a small part of the work.
const MEMPOOL_RENEWAL_SPACING_DIVISOR: u32 = 50;
const MEMPOOL_RENEWAL_INTERVAL_MIN: Duration = Duration::from_millis(10);
const MEMPOOL_RENEWAL_INTERVAL_MAX: Duration = Duration::from_secs(1);
/// A job's time and transactions are renewed at least this often.
const JOB_AGE_MAX: Duration = Duration::from_secs(15);
/// How often a miner that waits for the clock looks at it: the clock may be set at any moment.
const CLOCK_RECHECK_INTERVAL: Duration = Duration::from_secs(1);
/// After a mined block was refused, how long to wait before mining again: the next one would most likely be refused too.
const REFUSED_BLOCK_PAUSE: Duration = Duration::from_secs(1);

/// Who is paid, and by what.
struct State {
    payout: Option<Address>,
    config: MinerConfig,
    miner: Option<Miner>,
    waiting: Option<ClockWait>,
}

/// The next block cannot have a time that the chain accepts yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the next block's time must be at least {min_time_s} (Unix seconds), which is {ahead_s} s ahead of this computer's \
     clock; the chain allows {future_max_s} s: mining waits; if the wait is long, check that the clock is right"
)]
pub struct ClockWait {
    /// Earliest time the next header may carry, Unix seconds.
    pub min_time_s: u32,
    /// How far that is ahead of this computer's clock, seconds.
    pub ahead_s: u64,
    /// How far ahead the chain allows, seconds.
    pub future_max_s: u32,
}

impl ClockWait {
    /// Whether a block whose earliest time is `min_time_s` has to wait at `now_s`, both in Unix seconds.
    pub fn before(min_time_s: u32, now_s: u64, future_max_s: u32) -> Option<ClockWait> {
        let ahead_s = u64::from(min_time_s).saturating_sub(now_s);
        (ahead_s > u64::from(future_max_s)).then_some(ClockWait { min_time_s, ahead_s, future_max_s })
    }
}

struct Shared {
    state: Mutex<State>,
    /// The operator changed something: look again.
    changed: Notify,
    found: mpsc::Sender<Block>,
    spec: Arc<ChainSpec>,
}

/// The node's mining, running or not. Cheap to clone.
#[derive(Clone)]
pub struct Mining(Arc<Shared>);

/// What `getmininginfo` says of the miner.
#[derive(Clone, Debug)]
pub struct MiningStatus {
    /// Who is paid.
    pub address: Address,
    /// What is done.
    pub meter: Meter,
    /// Why nothing can be mined at this moment, if the clock is the reason.
    pub waiting: Option<ClockWait>,
}

/// What `setmining` may change; `None` leaves it.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// Stop or go on.
    pub paused: Option<bool>,
    /// Hashes per second over all threads; `Some(None)` is no limit.
    pub hashrate_max: Option<Option<u64>>,
    /// Who is paid from the next job on.
    pub payout: Option<Address>,
    /// Threads; the miner starts afresh with them.
    pub threads: Option<usize>,
}

impl Mining {
    /// Starts the task, and the miner if there is somebody to pay.
    pub fn start(
        payout: Option<Address>,
        config: MinerConfig,
        core: CoreHandle,
        spec: Arc<ChainSpec>,
    ) -> Result<Mining, MinerError> {
        let config = MinerConfig { proof_of_work: spec.proof_of_work, ..config };
        // One place: a block found while another is being submitted has the same parent and is of no use.
        let (found, blocks) = mpsc::channel(1);
        let state = Mutex::new(State { payout: None, config, miner: None, waiting: None });
        let mining = Mining(Arc::new(Shared { state, changed: Notify::new(), found, spec }));
        mining.apply(Change { payout, ..Change::default() })?;
        tokio::spawn(mining.clone().run(core, blocks));
        Ok(mining)
    }

    /// Changes what the operator wishes changed. The miner starts with the first payout address.
    pub fn apply(&self, change: Change) -> Result<(), MinerError> {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(hashrate_max) = change.hashrate_max {
            state.config.hashrate_max = hashrate_max;
            if let Some(miner) = &state.miner {
                miner.set_hashrate_max(hashrate_max);
            }
        }
        let new_threads = change.threads.filter(|threads| *threads != state.config.threads);
        if change.payout.is_some() {
            state.payout = change.payout;
        }
        if state.payout.is_some() && (state.miner.is_none() || new_threads.is_some()) {
            let mut config = state.config.clone();
            config.threads = new_threads.unwrap_or(config.threads);
            let found = self.0.found.clone();
            let miner = Miner::start(config.clone(), move |block| {
                // Full means that a block with the same parent is on its way already.
                let _ = found.try_send(block);
            })?;
            let was_paused = state.miner.as_ref().is_some_and(|miner| miner.meter().paused);
            if was_paused {
                miner.pause();
            }
            state.config = config;
            state.miner = Some(miner);
        } else if let Some(threads) = new_threads {
            state.config.threads = threads;
        }
        if let (Some(paused), Some(miner)) = (change.paused, &state.miner) {
            if paused { miner.pause() } else { miner.resume() }
        }
        drop(state);
        self.0.changed.notify_one();
        Ok(())
    }

    /// Who is paid and what is done; `None` when nobody is.
    pub fn status(&self) -> Option<MiningStatus> {
        let state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        let meter = state.miner.as_ref()?.meter();
        Some(MiningStatus { address: state.payout?, meter, waiting: state.waiting })
    }

    /// What is done; `None` when the node does not mine.
    pub fn meter(&self) -> Option<Meter> {
        self.status().map(|status| status.meter)
    }

    fn script(&self) -> Option<Script> {
        let state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.payout.map(|address| address.script())
    }

    fn set_job(&self, job: Option<Template>) {
        let state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(miner) = &state.miner {
            match job {
                Some(template) => miner.set_job(template.block, template.coinbase_branch),
                None => miner.clear_job(),
            }
        }
    }

    /// Ends when the core does.
    async fn run(self, core: CoreHandle, mut found: mpsc::Receiver<Block>) {
        // `Stopped` is the only way out, and it is not an error here.
        let _ = self.feed(&core, &mut found).await;
        self.set_job(None);
    }

    async fn feed(&self, core: &CoreHandle, found: &mut mpsc::Receiver<Block>) -> Result<(), Stopped> {
        let (mut tip, mut mempool) = (core.tip(), core.mempool_version());
        let mut goal = core.mining_goal_version();
        let mempool_interval = mempool_renewal_interval(self.0.spec.spacing_s);
        loop {
            tip.mark_unchanged();
            mempool.mark_unchanged();
            goal.mark_unchanged();
            let renewed = Instant::now();
            let (job, age_max) = self.next_job(core).await?;
            self.set_job(job);
            tokio::select! {
                changed = tip.changed() => {
                    changed.map_err(|_| Stopped)?;
                    // Whatever is found until the next template is there would be stale.
                    self.set_job(None);
                }
                changed = goal.changed() => {
                    changed.map_err(|_| Stopped)?;
                    self.set_job(None);
                }
                () = mempool_renewal(&mut mempool, renewed + mempool_interval) => {}
                () = tokio::time::sleep(age_max) => {}
                () = self.0.changed.notified() => {}
                Some(block) = found.recv() => {
                    let accepted = submit(core, block).await?;
                    // Anything else that was found has the same parent.
                    while found.try_recv().is_ok() {}
                    if !accepted {
                        self.set_job(None);
                        tokio::select! {
                            _ = tip.changed() => {}
                            () = tokio::time::sleep(REFUSED_BLOCK_PAUSE) => {}
                        }
                    }
                }
            }
        }
    }

    /// What to mine now, if mining makes sense, and how long that holds at most.
    async fn next_job(&self, core: &CoreHandle) -> Result<(Option<Template>, Duration), Stopped> {
        let Some(script) = self.script() else { return Ok((None, JOB_AGE_MAX)) };
        if core.read(|core| core.progress(clock::now()).initial_block_download).await? {
            return Ok((None, JOB_AGE_MAX));
        }
        let template = core.template(script).await?;
        let waiting = ClockWait::before(template.min_time_s, clock::now_s(), self.0.spec.future_max_s);
        self.set_waiting(waiting);
        Ok(match waiting {
            Some(_) => (None, CLOCK_RECHECK_INTERVAL),
            None => (Some(template), JOB_AGE_MAX),
        })
    }

    /// Notes whether mining waits for the clock, and says so when that begins and when it ends.
    fn set_waiting(&self, waiting: Option<ClockWait>) {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        match (state.waiting, waiting) {
            (None, Some(wait)) => warn!("{wait}"),
            (Some(_), None) => info!("the clock has reached the next block's time: mining goes on"),
            _ => {}
        }
        state.waiting = waiting;
    }
}

/// How long a job is left alone when only the mempool changes.
fn mempool_renewal_interval(spacing_s: u32) -> Duration {
    let part = Duration::from_secs(u64::from(spacing_s)) / MEMPOOL_RENEWAL_SPACING_DIVISOR;
    part.clamp(MEMPOOL_RENEWAL_INTERVAL_MIN, MEMPOOL_RENEWAL_INTERVAL_MAX)
}

/// Resolves when the mempool has changed, but not before `earliest`.
async fn mempool_renewal(mempool: &mut tokio::sync::watch::Receiver<u64>, earliest: Instant) {
    if mempool.changed().await.is_err() {
        // The core is gone; the tip's channel says so too and is the one that ends the task.
        std::future::pending::<()>().await;
    }
    tokio::time::sleep_until(earliest).await;
}

/// Submits a block that was found; whether it was accepted.
async fn submit(core: &CoreHandle, block: Block) -> Result<bool, Stopped> {
    let (hash, transactions) = (block.hash(), block.transactions.len());
    match core.submit_block(Arc::new(block)).await? {
        Ok(_) => {
            info!("mined a block hash={hash} txs={transactions}");
            Ok(true)
        }
        Err(rejected) => {
            warn!("a mined block was refused hash={hash}: {}: {}", rejected.reason, rejected.detail);
            Ok(false)
        }
    }
}

#[cfg(test)]
mod tests;
