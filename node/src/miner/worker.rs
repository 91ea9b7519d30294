//! The loop of a mining thread, and what the threads share.
//!
//! Above `rate_limit`, `job`, `kernel` and `meter`, which it joins; below [`Miner`](super::Miner), which starts it.

use std::{
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use chain_spec::Block;

use super::{
    job::{Job, WorkUnit},
    kernel::{Kernel, Search},
    meter::{self, Counter, SAMPLE_INTERVAL, Window},
    rate_limit::RateLimiter,
};

/// After a block was found, how long to wait for the next job before going on with the old one.
const NEXT_JOB_WAIT: Duration = Duration::from_secs(1);
/// A limited worker sleeps no longer at once; it only bounds the arithmetic.
const SLEEP_MAX: Duration = Duration::from_secs(3600);

/// What the miner's owner decides; workers copy it when the generation changes.
#[derive(Clone, Debug)]
pub struct State {
    /// The template, if there is one.
    pub job: Option<Arc<Job>>,
    /// When the template was set: its time moves on from there.
    pub job_since: Instant,
    /// Work is paused.
    pub paused: bool,
    /// Hashes a second over all threads.
    pub hashrate_max: Option<u64>,
    /// Threads must end.
    pub stopping: bool,
}

/// What the threads of one miner share.
pub struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    /// Counts changes of the state: a worker looks at it between slices.
    generation: AtomicU64,
    counters: Vec<Counter>,
    window: Mutex<Window>,
    found: Box<dyn Fn(Block) + Send + Sync>,
}

impl Shared {
    /// For so many threads.
    pub fn new(threads: usize, hashrate_max: Option<u64>, found: Box<dyn Fn(Block) + Send + Sync>) -> Shared {
        let now = meter::now();
        Shared {
            state: Mutex::new(State { job: None, job_since: now, paused: false, hashrate_max, stopping: false }),
            changed: Condvar::new(),
            generation: AtomicU64::new(0),
            counters: (0..threads).map(|_| Counter::default()).collect(),
            window: Mutex::new(Window::new(now)),
            found,
        }
    }

    /// The state now. No code panics while holding it, so a poisoned lock holds a whole state.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state and wakes the workers.
    pub fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state();
        change(&mut state);
        self.generation.fetch_add(1, Ordering::Release);
        drop(state);
        self.changed.notify_all();
    }

    /// Hashes done, and the rates over a second and a minute.
    pub fn totals(&self) -> (u64, f64, f64) {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        let (now, total) = (meter::now(), self.total());
        if window.is_due(now) {
            window.sample(now, total);
        }
        let (second, minute) = window.rates(now, total);
        (total, second, minute)
    }

    fn total(&self) -> u64 {
        self.counters.iter().map(Counter::get).sum()
    }

    /// Notes the total for the averages. When another thread is at it, its sample is as good.
    fn sample(&self) {
        if let Ok(mut window) = self.window.try_lock() {
            window.sample(meter::now(), self.total());
        }
    }

    /// Sleeps until the generation is another than `seen` or the time is over; whether the generation changed.
    fn sleep(&self, seen: u64, timeout: Option<Duration>) -> bool {
        let state = self.state();
        let same = |_: &mut State| self.generation.load(Ordering::Relaxed) == seen;
        match timeout {
            None => drop(self.changed.wait_while(state, same).unwrap_or_else(PoisonError::into_inner)),
            Some(timeout) => {
                let timeout = timeout.min(SLEEP_MAX);
                let wait = self.changed.wait_timeout_while(state, timeout, same);
                drop(wait.unwrap_or_else(PoisonError::into_inner));
            }
        }
        self.generation.load(Ordering::Acquire) != seen
    }
}

/// A thread's place in its work.
struct Worker<'a> {
    shared: &'a Shared,
    counter: &'a Counter,
    kernel: Kernel,
    /// The generation `state` was copied at.
    generation: u64,
    state: State,
    limiter: RateLimiter,
    /// The unit being searched and the next candidate in it.
    unit: Option<(WorkUnit, u64)>,
    sampled: Instant,
    hits: Vec<u64>,
}

/// Mines as worker number `worker` until told to stop.
pub fn run(shared: &Shared, worker: usize, kernel: Kernel) {
    lower_priority();
    let now = meter::now();
    let mut worker = Worker {
        shared,
        counter: &shared.counters[worker],
        kernel,
        generation: shared.generation.load(Ordering::Acquire),
        state: shared.state().clone(),
        limiter: RateLimiter::new(None, kernel.batch(), now),
        unit: None,
        sampled: now,
        hits: Vec::new(),
    };
    worker.take_state();
    while !worker.state.stopping {
        worker.step();
    }
}

impl Worker<'_> {
    /// Mines one slice, or sleeps until there is something to do.
    fn step(&mut self) {
        if self.shared.generation.load(Ordering::Acquire) != self.generation {
            self.take_state();
        }
        if self.state.stopping {
            return;
        }
        let Some(job) = self.state.job.clone().filter(|_| self.is_active()) else {
            self.wait_idle(None);
            return;
        };
        if job.is_answered() {
            if !self.wait_idle(Some(NEXT_JOB_WAIT)) {
                job.reopen();
            }
            return;
        }
        let now = meter::now();
        if let Some(wait) = self.limiter.wait(now) {
            self.shared.sleep(self.generation, Some(wait));
            return;
        }
        self.mine(&job, now);
    }

    fn is_active(&self) -> bool {
        !self.state.paused && self.state.hashrate_max != Some(0)
    }

    /// Sleeps with nothing to do; whether there is a new state.
    fn wait_idle(&mut self, timeout: Option<Duration>) -> bool {
        self.shared.sample();
        let changed = self.shared.sleep(self.generation, timeout);
        self.limiter.was_idle_until(meter::now());
        self.shared.sample();
        changed
    }

    fn take_state(&mut self) {
        let state = self.shared.state();
        self.generation = self.shared.generation.load(Ordering::Relaxed);
        self.state = state.clone();
        drop(state);
        if let (Some((unit, _)), job) = (&self.unit, &self.state.job)
            && !job.as_ref().is_some_and(|job| Arc::ptr_eq(job, unit.job()))
        {
            self.unit = None;
            self.limiter.begin_job();
        }
        let threads = self.shared.counters.len() as f64;
        self.limiter.set_limit(self.state.hashrate_max.map(|limit| limit as f64 / threads), meter::now());
    }

    /// Mines one slice of `job`, which starts at `start`.
    fn mine(&mut self, job: &Arc<Job>, start: Instant) {
        let (mut unit, from) = match self.unit.take() {
            Some((unit, at)) if at < Search::CANDIDATES => (unit, at),
            _ => (job.next_unit(), 0),
        };
        let elapsed_s = start.saturating_duration_since(self.state.job_since).as_secs();
        unit.search.set_time(job.header().time.wrapping_add(elapsed_s as u32));

        let to = slice_end(from, self.limiter.hashes(), self.kernel.batch());
        self.kernel.scan(&unit.search, from..to, &mut self.hits);
        let end = meter::now();
        self.counter.add(to - from);
        self.limiter.done(to - from, start, end);
        if end.saturating_duration_since(self.sampled) >= SAMPLE_INTERVAL {
            self.sampled = end;
            self.shared.sample();
        }
        if let Some(&hit) = self.hits.iter().min() {
            self.hits.clear();
            self.report(&unit, hit);
        }
        self.unit = Some((unit, to));
    }

    /// Hands a block over, unless its job was replaced meanwhile or another worker was first.
    fn report(&self, unit: &WorkUnit, hit: u64) {
        let state = self.shared.state();
        let current = state.job.as_ref().is_some_and(|job| Arc::ptr_eq(job, unit.job())) && !state.stopping;
        drop(state);
        if current && unit.job().answer() {
            (self.shared.found)(unit.block(hit));
        }
    }
}

/// The end of a slice of about `hashes` from `from`: at a multiple of the kernel's batch when there is one in the slice, so
/// that no batch is cut.
fn slice_end(from: u64, hashes: u64, batch: u64) -> u64 {
    let end = from.saturating_add(hashes).min(Search::CANDIDATES);
    let aligned = end / batch * batch;
    if aligned > from { aligned } else { end }
}

/// Lets everything else go first, so that a mining node keeps answering.
#[cfg(target_os = "linux")]
#[allow(unsafe_code)]
fn lower_priority() {
    /// The lowest of the ordinary priorities.
    const NICE_MAX: libc::c_int = 19;
    // SAFETY: takes and returns integers only. On Linux, process 0 is the calling thread. If it fails, the
    // thread mines at ordinary priority, which is no worse than before.
    let _ = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICE_MAX) };
}

/// Other systems have no priority for one thread that this program could set.
#[cfg(not(target_os = "linux"))]
fn lower_priority() {}
