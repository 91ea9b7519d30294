//! What all sessions share: the current job, the workers, and the books.
//!
//! A [`Pool`] is cheap to clone. Its state is behind one lock that is held for counting only; hashing, rendering and
//! writing to disk happen outside of it. Above are `session`, `feed` and `connection`; RPC and metrics read
//! [`Pool::status`].

use super::PoolConfig;
use super::account::{Counts, Verdict, Worker};
use super::books::{Books, FoundBlock, Slice};
use super::job::Job;
use super::ledger::{Entry, Everything, Second, WorkerCounts};
use super::payout::{Balances, Plan, Scheme, User, Weights};
use super::protocol::{Code, Refusal, printable};
use crate::miner::stratum::difficulty::Difficulty;
use chain_spec::{Address, Amount, ChainSpec};
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// Workers that are remembered; beyond, those that are not connected make room.
pub const WORKERS_MAX: usize = 10_000;
/// The time between two shares of a session that is aimed at: this part of the block spacing …
const SHARES_PER_SPACING: u64 = 20;
/// … within these bounds, milliseconds.
const SHARE_INTERVAL_MS: std::ops::RangeInclusive<u64> = 500..=10_000;
/// How long shares of the last tip still count: this part of the block spacing …
const GRACE_PER_SPACING: u64 = 10;
/// … within these bounds, milliseconds.
const GRACE_MS: std::ops::RangeInclusive<u64> = 200..=3_000;

struct State {
    books: Books,
    workers: HashMap<String, Worker>,
    /// Work that is not in the books yet.
    pending: BTreeMap<User, u128>,
    /// Work that is in the books and not on disk yet.
    unwritten: BTreeMap<User, u128>,
    /// What was counted and is not on disk yet.
    unwritten_counts: HashMap<String, Counts>,
    /// How much of the last work PPLNS counts, in expected hashes.
    window: u128,
}

struct Shared {
    config: PoolConfig,
    spec: Arc<ChainSpec>,
    job: watch::Sender<Option<Arc<Job>>>,
    state: Mutex<State>,
    next_extranonce1: AtomicU32,
    next_job: AtomicU64,
    /// The books cannot be written: nothing is accepted any more.
    is_closed: AtomicBool,
    figures: Figures,
}

/// Counts that no worker is behind.
#[derive(Debug, Default)]
pub struct Figures {
    /// Open connections.
    pub connections: AtomicU32,
    /// Connections refused or ended for misbehaviour.
    pub bans: AtomicU64,
    /// Jobs made.
    pub jobs: AtomicU64,
    /// Blocks the node refused.
    pub blocks_refused: AtomicU64,
    /// Refusals by code, from 20 on.
    refusals: [AtomicU64; 6],
}

impl Figures {
    /// Codes and how often each was given.
    pub fn refusals(&self) -> impl Iterator<Item = (u8, u64)> {
        (20..).zip(self.refusals.iter().map(|count| count.load(Ordering::Relaxed)))
    }
}

/// A look at everything, for RPC and metrics.
pub struct Status {
    /// Workers by name.
    pub workers: Vec<(String, Worker)>,
    /// Balances by user.
    pub balances: Balances,
    /// What counts for the next block.
    pub weights: Weights,
    /// How much of the last work PPLNS counts, in expected hashes.
    pub window: u128,
    /// Blocks that may be undone yet and then settled ones, newest first.
    pub blocks: Vec<FoundBlock>,
    /// Blocks that count, in all.
    pub blocks_total: u64,
}

/// What a pool begins with that it cannot know by itself.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    /// Unix milliseconds.
    pub now_ms: u64,
    /// Where the pool's parts of the extranonce begin: so that a restarted pool does not give out the last ones
    /// again.
    pub random: u32,
}

impl State {
    /// Takes an entry of the ledger.
    fn replay(&mut self, entry: Entry, now_ms: u64) {
        match entry {
            Entry::Everything(everything) => {
                self.books = everything.books;
                self.workers.clear();
                self.add_counts(everything.workers, now_ms);
            }
            Entry::Second(second) => {
                if !second.slice.work.is_empty() {
                    self.books.add_work(second.slice, second.window);
                }
                self.add_counts(second.workers, now_ms);
            }
            Entry::Block(block) => self.books.add_block(block),
        }
    }

    fn add_counts(&mut self, counts: Vec<WorkerCounts>, now_ms: u64) {
        for WorkerCounts { name, user, counts } in counts {
            let worker = self.workers.entry(name).or_insert_with(|| Worker::new(user, Counts::default(), now_ms));
            worker.counts.add_all(&counts);
        }
    }

    /// Enters what was done since the last time into the books.
    fn enter_pending(&mut self, now_s: u64) {
        if self.pending.is_empty() {
            return;
        }
        let work: Vec<(User, u128)> = std::mem::take(&mut self.pending).into_iter().collect();
        for (user, work) in &work {
            let unwritten = self.unwritten.entry(*user).or_default();
            *unwritten = unwritten.saturating_add(*work);
        }
        self.books.add_work(Slice { at_s: now_s, work }, self.window);
    }

    /// Forgets a worker that is not connected, the one whose last share is oldest; whether there was one.
    fn make_room(&mut self) -> bool {
        let gone = self
            .workers
            .iter()
            .filter(|(name, worker)| worker.connections == 0 && !self.unwritten_counts.contains_key(*name));
        let oldest = gone.min_by_key(|(_, worker)| worker.last_share_ms).map(|(name, _)| name.clone());
        oldest.is_some_and(|name| self.workers.remove(&name).is_some())
    }
}

/// The pool.
#[derive(Clone)]
pub struct Pool(Arc<Shared>);

impl Pool {
    /// A pool with the books that its ledger holds.
    pub fn new(config: PoolConfig, spec: Arc<ChainSpec>, entries: Vec<Entry>, start: Start) -> Pool {
        let mut state = State {
            books: Books::default(),
            workers: HashMap::new(),
            pending: BTreeMap::new(),
            unwritten: BTreeMap::new(),
            unwritten_counts: HashMap::new(),
            window: 0,
        };
        entries.into_iter().for_each(|entry| state.replay(entry, start.now_ms));
        Pool(Arc::new(Shared {
            config,
            spec,
            job: watch::Sender::new(None),
            state: Mutex::new(state),
            next_extranonce1: AtomicU32::new(start.random),
            // Numbers of an earlier run are not made again: a second has far fewer jobs than this.
            next_job: AtomicU64::new((start.now_ms / 1_000) << 20),
            is_closed: AtomicBool::new(false),
            figures: Figures::default(),
        }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock; if it did, counts are whole numbers each by itself.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How it was started.
    pub fn config(&self) -> &PoolConfig {
        &self.0.config
    }
    /// The chain.
    pub fn spec(&self) -> &ChainSpec {
        &self.0.spec
    }
    /// Counts that no worker is behind.
    pub fn figures(&self) -> &Figures {
        &self.0.figures
    }
    /// The time between two shares of a session that is aimed at.
    pub fn share_interval_ms(&self) -> u64 {
        let spacing_ms = u64::from(self.0.spec.spacing_s) * 1_000;
        (spacing_ms / SHARES_PER_SPACING).clamp(*SHARE_INTERVAL_MS.start(), *SHARE_INTERVAL_MS.end())
    }
    /// How long shares of the last tip still count.
    pub fn grace_ms(&self) -> u64 {
        let spacing_ms = u64::from(self.0.spec.spacing_s) * 1_000;
        (spacing_ms / GRACE_PER_SPACING).clamp(*GRACE_MS.start(), *GRACE_MS.end())
    }
    /// A part of the extranonce that no other session of this time has.
    pub fn next_extranonce1(&self) -> u32 {
        self.0.next_extranonce1.fetch_add(1, Ordering::Relaxed)
    }
    /// A number that no other job has.
    pub fn next_job_number(&self) -> u64 {
        self.0.figures.jobs.fetch_add(1, Ordering::Relaxed);
        self.0.next_job.fetch_add(1, Ordering::Relaxed)
    }

    /// The job now.
    pub fn job(&self) -> Option<Arc<Job>> {
        self.0.job.borrow().clone()
    }
    /// The job now and whenever it changes.
    pub fn jobs(&self) -> watch::Receiver<Option<Arc<Job>>> {
        self.0.job.subscribe()
    }
    /// Gives all sessions a job.
    pub fn publish(&self, job: Arc<Job>) {
        let hashes = job.difficulty.hashes(job.proof_of_work) as f64;
        self.state().window = (self.0.config.window * hashes) as u128;
        self.0.job.send_replace(Some(job));
    }

    /// Nothing is accepted any more.
    pub fn close(&self) {
        self.0.is_closed.store(true, Ordering::Relaxed);
    }
    /// Refuses if [`Pool::close`] was called.
    pub fn check_open(&self) -> Result<(), Refusal> {
        if self.0.is_closed.load(Ordering::Relaxed) {
            return Err(Refusal::other("the pool cannot write its books and accepts no shares; tell its operator"));
        }
        Ok(())
    }

    /// Lets a worker in: `ADDRESS` or `ADDRESS.NAME`.
    pub fn authorize(&self, name: &str, agent: &str, now_ms: u64) -> Result<User, Refusal> {
        let unauthorized = |message: String| Refusal::new(Code::Unauthorized, message);
        let address = name.split('.').next().unwrap_or_default();
        let address = Address::parse(address, &self.0.spec).map_err(|error| {
            unauthorized(format!(
                "the user name is an address of chain {}, and may have .NAME behind it: {error}",
                self.0.spec.name
            ))
        })?;
        let user = User::of(&address);
        let mut state = self.state();
        if !state.workers.contains_key(name) && state.workers.len() >= WORKERS_MAX && !state.make_room() {
            return Err(unauthorized(format!("the pool has {WORKERS_MAX} workers connected, which is all it takes")));
        }
        let worker =
            state.workers.entry(name.to_owned()).or_insert_with(|| Worker::new(user, Counts::default(), now_ms));
        worker.connections += 1;
        worker.agent = printable(agent);
        Ok(user)
    }

    /// A connection that had authorized this worker is gone.
    pub fn release(&self, name: &str) {
        if let Some(worker) = self.state().workers.get_mut(name) {
            worker.connections = worker.connections.saturating_sub(1);
        }
    }

    /// Notes the difficulty that workers were told.
    pub fn tell_difficulty<'a>(&self, names: impl Iterator<Item = &'a str>, difficulty: Difficulty) {
        let mut state = self.state();
        for name in names {
            if let Some(worker) = state.workers.get_mut(name) {
                worker.difficulty = difficulty.value();
            }
        }
    }

    /// Counts a share; an accepted one with its difficulty and the one that its hash has.
    pub fn count_share(
        &self,
        name: &str,
        verdict: Verdict,
        difficulties: Option<(Difficulty, Difficulty)>,
        now_ms: u64,
    ) {
        let work = difficulties.map_or(0, |(difficulty, _)| difficulty.hashes(self.0.spec.proof_of_work));
        let mut state = self.state();
        let Some(worker) = state.workers.get_mut(name) else { return };
        worker.counts.add(verdict, work);
        if let Some((_, proven)) = difficulties {
            worker.rates.add(work, now_ms);
            worker.last_share_ms = now_ms;
            worker.best = worker.best.max(proven.value());
            let user = worker.user;
            let pending = state.pending.entry(user).or_default();
            *pending = pending.saturating_add(work);
        }
        state.unwritten_counts.entry(name.to_owned()).or_default().add(verdict, work);
    }

    /// Counts a refusal.
    pub fn count_refusal(&self, code: Code) {
        let index = usize::from(code as u8 - Code::Other as u8);
        if let Some(count) = self.0.figures.refusals.get(index) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What a block pays whose finder has it.
    pub fn solo_plan(&self, reward: Amount, finder: User) -> Plan {
        Plan::solo(reward, finder, &self.0.config.terms)
    }

    /// What the next block pays, if all sessions share that.
    pub fn plan(&self, reward: Amount, now_s: u64) -> Option<Plan> {
        let mut state = self.state();
        state.enter_pending(now_s);
        state.books.plan(reward, &self.0.config.terms, state.window)
    }

    /// Blocks whose place in the chain may change: height and hash.
    pub fn open_blocks(&self) -> Vec<(u32, chain_spec::BlockHash)> {
        self.state().books.open_blocks().iter().map(|block| (block.height, block.hash)).collect()
    }
    /// The chain has another tip; `active` are the open blocks in it.
    pub fn follow(&self, tip_height: u32, active: &[chain_spec::BlockHash]) {
        self.state().books.follow(tip_height, |block| active.contains(&block.hash));
    }
    /// Notes a block before it is submitted.
    pub fn add_block(&self, block: FoundBlock) {
        self.state().books.add_block(block);
    }

    /// What is not on disk yet; the caller writes it. None if there is nothing.
    pub fn take_second(&self, now_s: u64) -> Option<Second> {
        let mut state = self.state();
        state.enter_pending(now_s);
        if state.unwritten_counts.is_empty() {
            return None;
        }
        let counts = std::mem::take(&mut state.unwritten_counts);
        let workers = counts.into_iter().filter_map(|(name, counts)| {
            let user = state.workers.get(&name)?.user;
            Some(WorkerCounts { name, user, counts })
        });
        let workers = workers.collect();
        let work = std::mem::take(&mut state.unwritten).into_iter().collect();
        Some(Second { slice: Slice { at_s: now_s, work }, window: state.window, workers })
    }

    /// All that is kept; the caller writes it.
    pub fn take_everything(&self, now_s: u64) -> Everything {
        let mut state = self.state();
        state.enter_pending(now_s);
        state.unwritten.clear();
        state.unwritten_counts.clear();
        let workers = state.workers.iter().filter(|(_, worker)| !worker.counts.is_empty());
        let workers =
            workers.map(|(name, worker)| WorkerCounts { name: name.clone(), user: worker.user, counts: worker.counts });
        Everything { workers: workers.collect(), books: state.books.clone() }
    }

    /// A look at everything.
    pub fn status(&self, now_s: u64) -> Status {
        let mut state = self.state();
        state.enter_pending(now_s);
        let window = state.window;
        let scheme = self.0.config.terms.scheme;
        let (settled, settled_total) = state.books.settled_blocks();
        let open = state.books.open_blocks();
        let mut blocks: Vec<FoundBlock> = settled.iter().chain(open).cloned().collect();
        blocks.reverse();
        let mut workers: Vec<_> = state.workers.iter().map(|(name, worker)| (name.clone(), worker.clone())).collect();
        workers.sort_by(|(one, _), (other, _)| one.cmp(other));
        Status {
            blocks_total: settled_total + open.iter().filter(|block| block.is_active).count() as u64,
            blocks,
            workers,
            balances: state.books.balances(),
            weights: if scheme == Scheme::Solo { Weights::new() } else { state.books.weights(scheme, window) },
            window,
        }
    }
}
