//! Between the core and the pool: new tips and transactions become jobs, blocks found are submitted, seconds of work
//! are written.
//!
//! One task does the first, one the rest; [`Feed`] is how connections hand in blocks. A block is noted on disk
//! before it is submitted, so that a node that is killed in between still knows what the block pays.

use super::books::FoundBlock;
use super::job::Job;
use super::ledger::{Entry, Ledger, LedgerError};
use super::pool::Pool;
use super::session::Solved;
use crate::shell::clock;
use crate::shell::core_handle::{CoreHandle, Stopped};
use crate::shell::mining::ClockWait;
use chain_spec::{BlockHash, Script};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tracing::{error, info, warn};

/// Blocks that wait to be submitted.
const BLOCKS_WAITING_MAX: usize = 64;
/// The time after which work is on disk.
const WRITE_INTERVAL: Duration = Duration::from_millis(900);
/// A job's time, transactions and payouts are renewed at least this often.
const JOB_AGE_MAX: Duration = Duration::from_secs(15);
/// Shortest time between two jobs that differ only in their transactions: this part of the block spacing …
const MEMPOOL_RENEWAL_SPACING_DIVISOR: u32 = 20;
/// … within these bounds: every job is sent to every session.
const MEMPOOL_RENEWAL_MIN: Duration = Duration::from_millis(200);
const MEMPOOL_RENEWAL_MAX: Duration = Duration::from_secs(5);
/// How soon to look again when nothing can be mined yet.
const RECHECK: Duration = Duration::from_secs(1);

/// Takes blocks that sessions found.
#[derive(Clone)]
pub struct Feed(mpsc::Sender<Box<Solved>>);

impl Feed {
    /// A feed, and where what is handed in comes out.
    pub fn channel() -> (Feed, mpsc::Receiver<Box<Solved>>) {
        let (sender, receiver) = mpsc::channel(BLOCKS_WAITING_MAX);
        (Feed(sender), receiver)
    }

    /// Hands in a block.
    pub async fn found(&self, solved: Box<Solved>) {
        // The other side ends with the node; a block found then has nobody to take it.
        let _ = self.0.send(solved).await;
    }
}

/// Makes jobs until the core ends.
pub async fn make_jobs(pool: Pool, core: CoreHandle) {
    // `Stopped` is the only way out, and it is no error here.
    let Err(Stopped) = feed(&pool, &core).await;
}

async fn feed(pool: &Pool, core: &CoreHandle) -> Result<std::convert::Infallible, Stopped> {
    let (mut tip, mut mempool) = (core.tip(), core.mempool_version());
    let spacing = Duration::from_secs(u64::from(pool.spec().spacing_s));
    let renewal = (spacing / MEMPOOL_RENEWAL_SPACING_DIVISOR).clamp(MEMPOOL_RENEWAL_MIN, MEMPOOL_RENEWAL_MAX);
    loop {
        tip.mark_unchanged();
        mempool.mark_unchanged();
        follow_chain(pool, core).await?;
        let made = Instant::now();
        let age_max = renew(pool, core).await?;
        tokio::select! {
            changed = tip.changed() => changed.map_err(|_| Stopped)?,
            () = changed_after(&mut mempool, made + renewal) => {}
            () = tokio::time::sleep(age_max) => {}
            () = full(pool) => {}
        }
    }
}

/// Publishes a job, if mining makes sense; how long that holds at most.
async fn renew(pool: &Pool, core: &CoreHandle) -> Result<Duration, Stopped> {
    let (parent, catching_up) =
        core.read(|core| (core.tip().hash, core.progress(clock::now()).initial_block_download)).await?;
    retire(pool, parent);
    if catching_up {
        return Ok(RECHECK);
    }
    // The coinbase is made anew by the job: this one's script does not matter.
    let template = core.template(Script::default()).await?;
    if ClockWait::before(template.min_time_s, clock::now_s(), pool.spec().future_max_s).is_some() {
        return Ok(RECHECK);
    }
    retire(pool, template.block.header.previous);
    let plan = pool.plan(template.coinbase_value, clock::now_s()).map(Arc::new);
    match Job::new(pool.next_job_number(), template, plan, pool.spec().proof_of_work) {
        Some(job) => pool.publish(Arc::new(job.on_tip_of(pool.job().as_deref()))),
        None => error!("stratum: the next block's target is invalid, so that there is no job"),
    }
    Ok(JOB_AGE_MAX)
}

/// Retires the job if its parent is not this block.
fn retire(pool: &Pool, parent: BlockHash) {
    if let Some(job) = pool.job().filter(|job| job.previous() != parent) {
        job.retire(clock::now().0);
    }
}

/// Tells the books which of the blocks found the chain has.
async fn follow_chain(pool: &Pool, core: &CoreHandle) -> Result<(), Stopped> {
    let open = pool.open_blocks();
    let (height, active) = core
        .read(move |core| {
            let active = open.iter().filter(|(height, hash)| core.active_hash(*height) == Some(*hash));
            (core.tip().height, active.map(|(_, hash)| *hash).collect::<Vec<_>>())
        })
        .await?;
    pool.follow(height, &active);
    Ok(())
}

/// Resolves when the mempool has changed, but not before `earliest`.
async fn changed_after(mempool: &mut watch::Receiver<u64>, earliest: Instant) {
    if mempool.changed().await.is_err() {
        // The core is gone; the tip's channel says so too and is the one that ends the task.
        std::future::pending::<()>().await;
    }
    tokio::time::sleep_until(earliest).await;
}

/// Resolves when the job has had all the shares that are remembered of one.
async fn full(pool: &Pool) {
    loop {
        tokio::time::sleep(RECHECK).await;
        if pool.job().is_some_and(|job| job.is_full()) {
            return;
        }
    }
}

/// What the books' task does next.
enum Next {
    Second,
    Block(Box<Solved>),
    Stop,
}

/// Writes the books and submits blocks until `stop` turns true; what there is then is written as well.
pub async fn keep_books(
    pool: Pool,
    core: CoreHandle,
    mut ledger: Ledger,
    mut found: mpsc::Receiver<Box<Solved>>,
    mut stop: watch::Receiver<bool>,
) {
    let mut seconds = tokio::time::interval(WRITE_INTERVAL);
    seconds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let next = tokio::select! {
            // An error means that the shell is gone, which is a stop as well.
            _ = stop.wait_for(|stopping| *stopping) => Next::Stop,
            _ = seconds.tick() => Next::Second,
            Some(solved) = found.recv() => Next::Block(solved),
        };
        let is_last = matches!(next, Next::Stop);
        let kept = match next {
            Next::Stop | Next::Second => write_second(&pool, ledger).await,
            Next::Block(solved) => submit(&pool, &core, ledger, *solved).await,
        };
        ledger = match kept {
            Ok(ledger) if !is_last => ledger,
            Ok(_) => return,
            Err(reason) => {
                error!("stratum: {reason}; no more shares are accepted");
                pool.close();
                return;
            }
        };
    }
}

async fn write_second(pool: &Pool, ledger: Ledger) -> Result<Ledger, LedgerError> {
    let now_s = clock::now_s();
    if ledger.is_long() {
        let everything = pool.take_everything(now_s);
        return blocking(ledger, move |ledger| ledger.replace(everything)).await;
    }
    match pool.take_second(now_s) {
        Some(second) => blocking(ledger, move |ledger| ledger.append(&Entry::Second(second))).await,
        None => Ok(ledger),
    }
}

/// Does something with the ledger that waits for the disk.
async fn blocking(
    mut ledger: Ledger,
    work: impl FnOnce(&mut Ledger) -> Result<(), LedgerError> + Send + 'static,
) -> Result<Ledger, LedgerError> {
    let path = ledger.path().to_owned();
    let done = tokio::task::spawn_blocking(move || work(&mut ledger).map(|()| ledger)).await;
    done.unwrap_or_else(|panic| Err(LedgerError::File { path, error: std::io::Error::other(panic) }))
}

async fn submit(pool: &Pool, core: &CoreHandle, ledger: Ledger, solved: Solved) -> Result<Ledger, LedgerError> {
    let Solved { block, height, worker, plan } = solved;
    let hash = block.hash();
    let found = FoundBlock { hash, height, found_s: clock::now_s(), worker: worker.clone(), plan, is_active: false };
    let entry = Entry::Block(found.clone());
    let ledger = blocking(ledger, move |ledger| ledger.append(&entry)).await?;
    pool.add_block(found);
    match core.submit_block(Arc::new(block)).await {
        Ok(Ok(_)) => info!("stratum: {worker} found block {height} {hash}"),
        Ok(Err(rejected)) => {
            pool.figures().blocks_refused.fetch_add(1, Ordering::Relaxed);
            warn!("stratum: a block that {worker} found was refused {hash}: {}: {}", rejected.reason, rejected.detail);
        }
        // The node is going down; whether the block was taken is asked at the next start.
        Err(Stopped) => {}
    }
    Ok(ledger)
}
