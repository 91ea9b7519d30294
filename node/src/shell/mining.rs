//! Between the core and the [`miner`](crate::miner): new tips and transactions become jobs, found blocks are submitted.
//!
//! One task does this; [`Mining`] is how the RPC sees and steers it. While the node is catching up it does not mine,
//! since what it would build on is old; a fresh network knows of nothing to catch up with, so it mines at once.

use super::clock;
use super::core_loop::{CoreHandle, Stopped};
use crate::core::template::Template;
use crate::miner::{Meter, Miner, MinerConfig, MinerError};
use chain_spec::{Address, Block, Script};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;
use tracing::{info, warn};

/// Most mining threads that can be asked for.
pub const THREADS_MAX: usize = 1_024;
/// Shortest time between two jobs that differ only in their transactions.
const MEMPOOL_RENEWAL_INTERVAL: Duration = Duration::from_secs(1);
/// A job's time and transactions are renewed at least this often.
const JOB_AGE_MAX: Duration = Duration::from_secs(15);

/// Who is paid, and by what.
struct State {
    payout: Option<Address>,
    config: MinerConfig,
    miner: Option<Miner>,
}

struct Shared {
    state: Mutex<State>,
    /// The operator changed something: look again.
    changed: Notify,
    found: mpsc::Sender<Block>,
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
    pub fn start(payout: Option<Address>, config: MinerConfig, core: CoreHandle) -> Result<Mining, MinerError> {
        // One place: a block found while another is being submitted has the same parent and is of no use.
        let (found, blocks) = mpsc::channel(1);
        let state = Mutex::new(State { payout: None, config, miner: None });
        let mining = Mining(Arc::new(Shared { state, changed: Notify::new(), found }));
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
        Some(MiningStatus { address: state.payout?, meter: state.miner.as_ref()?.meter() })
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
        loop {
            tip.mark_unchanged();
            mempool.mark_unchanged();
            let renewed = Instant::now();
            let job = match self.script() {
                Some(script) => job(core, script).await?,
                None => None,
            };
            self.set_job(job);
            tokio::select! {
                changed = tip.changed() => {
                    changed.map_err(|_| Stopped)?;
                    // Whatever is found until the next template is there would be stale.
                    self.set_job(None);
                }
                () = mempool_renewal(&mut mempool, renewed) => {}
                () = tokio::time::sleep(JOB_AGE_MAX) => {}
                () = self.0.changed.notified() => {}
                Some(block) = found.recv() => {
                    submit(core, block).await?;
                    // Anything else that was found has the same parent.
                    while found.try_recv().is_ok() {}
                }
            }
        }
    }
}

/// Resolves when the mempool has changed and the last job is old enough.
async fn mempool_renewal(mempool: &mut tokio::sync::watch::Receiver<u64>, renewed: Instant) {
    if mempool.changed().await.is_err() {
        // The core is gone; the tip's channel says so too and is the one that ends the task.
        std::future::pending::<()>().await;
    }
    tokio::time::sleep_until(renewed + MEMPOOL_RENEWAL_INTERVAL).await;
}

/// What to mine now, if mining makes sense.
async fn job(core: &CoreHandle, payout: Script) -> Result<Option<Template>, Stopped> {
    if core.read(|core| core.progress(clock::now()).initial_block_download).await? {
        return Ok(None);
    }
    Ok(Some(core.template(payout).await?))
}

async fn submit(core: &CoreHandle, block: Block) -> Result<(), Stopped> {
    let (hash, transactions) = (block.hash(), block.transactions.len());
    match core.submit_block(Arc::new(block)).await? {
        Ok(_) => info!("mined a block hash={hash} txs={transactions}"),
        Err(rejected) => warn!("a mined block was refused hash={hash}: {}: {}", rejected.reason, rejected.detail),
    }
    Ok(())
}
