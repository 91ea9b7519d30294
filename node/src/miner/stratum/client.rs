//! A miner of any pool: talks Stratum v1, hashes with this machine's kernels, sends in shares.
//!
//! One thread connects, reads replies in turn with what the hashing threads find, and connects again when the pool
//! is gone. It asks for version rolling (BIP310), which the kernels need; where a pool refuses,
//! [`plain`](super::plain) hashes.

mod message;
mod wire;
mod work;

use crate::miner::{KernelName, MinerError, meter};
use chain_spec::ProofOfWork;
use message::Message;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use wire::Connection;
use work::Hasher;

/// The first wait before another try to connect; it doubles up to [`RETRY_MAX`].
const RETRY_MIN: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(30);
/// How long a pool may take to answer the first requests.
const LOGIN_MAX: Duration = Duration::from_secs(20);

/// What to mine for whom.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// `HOST:PORT` of the pool.
    pub address: String,
    /// The user name; most pools take an address, with `.NAME` behind it for the machine.
    pub user: String,
    /// The password, which most pools do not look at.
    pub password: String,
    /// Threads, one at least.
    pub threads: usize,
    /// Hashes per second over all threads, at most.
    pub hashrate_max: Option<u64>,
    /// The kernel; the fastest unless given.
    pub kernel: Option<KernelName>,
    /// What the pool's chain counts as work.
    pub proof_of_work: ProofOfWork,
}

/// What the client does and has done.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// Whether the pool gives jobs.
    pub is_mining: bool,
    /// Shares that were accepted.
    pub accepted: u64,
    /// Shares that came too late (code 21).
    pub stale: u64,
    /// Shares that were refused otherwise.
    pub rejected: u64,
    /// The difficulty of shares now.
    pub difficulty: f64,
    /// Hashes per second over the last second.
    pub hashes_per_second: f64,
    /// What hashes: a kernel, or `plain` where the pool does not allow version rolling.
    pub kernel: String,
    /// Jobs that came.
    pub jobs: u64,
    /// How long the last reply to a share took, milliseconds.
    pub reply_ms: f64,
    /// What went wrong last: a connection lost, a share refused.
    pub trouble: Option<String>,
    /// Why the client has given up.
    pub ended: Option<String>,
}

/// A running client. It ends when this is dropped.
pub struct Client {
    status: Arc<Mutex<Status>>,
    messages: Sender<Message>,
    hasher: Arc<Hasher>,
    thread: Option<JoinHandle<()>>,
}

impl Client {
    /// Starts mining; what becomes of it is in [`Client::status`].
    pub fn start(config: ClientConfig) -> Result<Client, MinerError> {
        let (messages, received) = mpsc::channel();
        let status = Arc::new(Mutex::new(Status::default()));
        let hasher = Arc::new(Hasher::start(&config, messages.clone())?);
        let run = Run {
            config,
            status: Arc::clone(&status),
            messages: messages.clone(),
            received,
            hasher: Arc::clone(&hasher),
        };
        let thread = std::thread::Builder::new().name("stratum".into()).spawn(move || run.until_stopped());
        Ok(Client { status, messages, hasher, thread: Some(thread.map_err(MinerError::Spawn)?) })
    }

    /// What it does and has done.
    pub fn status(&self) -> Status {
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner).clone();
        (status.hashes_per_second, status.kernel) = self.hasher.rate();
        status
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // When the thread has ended already there is nobody to tell.
        let _ = self.messages.send(Message::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Why a connection ended.
enum Ended {
    /// The owner wants no more.
    Stopped,
    /// It makes no sense to try again.
    Refused(String),
    /// Worth another try.
    Lost(String),
}

struct Run {
    config: ClientConfig,
    status: Arc<Mutex<Status>>,
    messages: Sender<Message>,
    received: mpsc::Receiver<Message>,
    hasher: Arc<Hasher>,
}

impl Run {
    fn status(&self, change: impl FnOnce(&mut Status)) {
        change(&mut self.status.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn until_stopped(self) {
        let mut wait = RETRY_MIN;
        for number in 0_u64.. {
            let ended = match Connection::open(&self.config.address, number, self.messages.clone()) {
                Ok(connection) => self.converse(connection, &mut wait),
                Err(error) => Ended::Lost(format!("cannot connect to {}: {error}", self.config.address)),
            };
            self.hasher.clear();
            self.status(|status| status.is_mining = false);
            match ended {
                Ended::Stopped => return,
                Ended::Refused(reason) => return self.status(|status| status.ended = Some(reason)),
                Ended::Lost(reason) => self.status(|status| status.trouble = Some(reason)),
            }
            if self.is_stopped_within(wait) {
                return;
            }
            wait = (2 * wait).min(RETRY_MAX);
        }
    }

    /// Waits; whether the owner wants no more.
    fn is_stopped_within(&self, wait: Duration) -> bool {
        let start = meter::now();
        loop {
            let Some(rest) = wait.checked_sub(start.elapsed()) else { return false };
            match self.received.recv_timeout(rest) {
                Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => return true,
                // What the last connection and its jobs have left.
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => return false,
            }
        }
    }

    /// Serves one connection to its end.
    fn converse(&self, mut connection: Connection, wait: &mut Duration) -> Ended {
        if let Err(error) = connection.log_in(&self.config) {
            return Ended::Lost(format!("{}: {error}", self.config.address));
        }
        let start = meter::now();
        loop {
            let message = if connection.has_job() {
                self.received.recv().ok()
            } else {
                let rest = LOGIN_MAX.saturating_sub(start.elapsed());
                match self.received.recv_timeout(rest) {
                    Ok(message) => Some(message),
                    Err(RecvTimeoutError::Timeout) => {
                        return Ended::Lost(format!(
                            "{} gives no job; is it a Stratum pool, and has its node caught up?",
                            self.config.address
                        ));
                    }
                    Err(RecvTimeoutError::Disconnected) => None,
                }
            };
            let heard = match message {
                None | Some(Message::Stop) => return Ended::Stopped,
                Some(Message::Line { connection: number, line }) if number == connection.number() => {
                    connection.hear(&line, &self.hasher)
                }
                Some(Message::Closed { connection: number, reason }) if number == connection.number() => {
                    return Ended::Lost(format!("{}: {reason}", self.config.address));
                }
                Some(Message::Share { header, job_number }) => {
                    connection.submit(&self.config.user, &header, job_number, &self.hasher)
                }
                // Of a connection that is gone.
                Some(Message::Line { .. } | Message::Closed { .. }) => continue,
            };
            match heard {
                Ok(change) => {
                    if change.job {
                        *wait = RETRY_MIN;
                    }
                    self.status(|status| change.apply(status));
                }
                Err(wire::Failure::Refused(reason)) => return Ended::Refused(reason),
                Err(wire::Failure::Lost(reason)) => return Ended::Lost(format!("{}: {reason}", self.config.address)),
            }
        }
    }
}
