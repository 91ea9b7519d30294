//! From a pool's jobs to headers that the hashing threads search, and back to shares.

use super::ClientConfig;
use super::message::{JobNumber, Message};
use crate::miner::stratum::difficulty::Difficulty;
use crate::miner::stratum::notify::{Choice, Notify, Work};
use crate::miner::stratum::plain::PlainMiner;
use crate::miner::{Miner, MinerConfig, MinerError};
use chain_spec::{Header, MerkleRoot, Target};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};

/// Extranonces of a job whose headers are remembered; older ones have been searched through or left.
const REMEMBERED_MAX: usize = 4_096;

/// What a share names.
pub struct Found {
    /// The job.
    pub job: String,
    /// The miner's part of the extranonce.
    pub extranonce2: Vec<u8>,
}

/// The job that is searched, and the extranonces in use.
struct Current {
    job_number: JobNumber,
    id: String,
    work: Work,
    extranonce1: Vec<u8>,
    extranonce2_len: usize,
    target: Target,
    rolls: bool,
    next: u64,
    /// Merkle roots by the extranonce they have, newest last.
    roots: std::collections::VecDeque<(MerkleRoot, Vec<u8>)>,
}

impl Current {
    /// A header with an extranonce that no other has.
    fn next_header(&mut self) -> Header {
        let number = self.next.to_be_bytes();
        self.next = self.next.wrapping_add(1);
        // The number's last bytes, behind zeros where there is more room.
        let mut extranonce2 = vec![0; self.extranonce2_len.saturating_sub(number.len())];
        extranonce2.extend_from_slice(&number[number.len().saturating_sub(self.extranonce2_len)..]);
        let choice = Choice {
            extranonce1: &self.extranonce1,
            extranonce2: &extranonce2,
            time: self.work.time,
            nonce: 0,
            version: self.work.version,
        };
        let header = self.work.header(&choice);
        if self.roots.len() >= REMEMBERED_MAX {
            self.roots.pop_front();
        }
        self.roots.push_back((header.merkle_root, extranonce2));
        header
    }
}

/// The hashing threads, of either kind.
pub struct Hasher {
    miner: Miner,
    plain: Mutex<Option<PlainMiner>>,
    current: Arc<Mutex<Option<Current>>>,
    config: ClientConfig,
    messages: Sender<Message>,
}

impl Hasher {
    /// Starts idle threads that send what they find.
    pub fn start(config: &ClientConfig, messages: Sender<Message>) -> Result<Hasher, MinerError> {
        let current: Arc<Mutex<Option<Current>>> = Arc::default();
        let miner_config = MinerConfig {
            threads: config.threads,
            hashrate_max: config.hashrate_max,
            kernel: config.kernel,
            proof_of_work: config.proof_of_work,
        };
        let report = reporter(&current, messages.clone());
        let miner = Miner::start(miner_config, move |block| report(block.header))?;
        Ok(Hasher { miner, plain: Mutex::new(None), current, config: config.clone(), messages })
    }

    /// Searches a job from now on.
    pub fn set_job(
        &self,
        notify: Notify,
        extranonce1: Vec<u8>,
        extranonce2_len: usize,
        difficulty: Difficulty,
        rolls: bool,
    ) -> Result<(), String> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let job_number =
            current.as_ref().map_or(JobNumber(0), |current| JobNumber(current.job_number.0.wrapping_add(1)));
        let target = difficulty.target(self.config.proof_of_work);
        let mut job = Current {
            job_number,
            id: notify.id,
            work: notify.work,
            extranonce1,
            extranonce2_len,
            target,
            rolls,
            next: 0,
            roots: std::collections::VecDeque::new(),
        };
        let first = job.next_header();
        *current = Some(job);
        drop(current);
        if rolls {
            self.miner.set_share_job(first, target);
            return Ok(());
        }
        self.miner.clear_job();
        self.search_plainly(target)
    }

    /// Gives the job to threads that roll no versions.
    fn search_plainly(&self, target: Target) -> Result<(), String> {
        let mut plain = self.plain.lock().unwrap_or_else(PoisonError::into_inner);
        if plain.is_none() {
            let report = reporter(&self.current, self.messages.clone());
            let (threads, rate) = (self.config.threads, self.config.hashrate_max);
            let started = PlainMiner::start(threads, rate, self.config.proof_of_work, report);
            *plain = Some(started.map_err(|error| format!("cannot start a mining thread: {error}"))?);
        }
        let current = Arc::clone(&self.current);
        let next = move || {
            let mut current = current.lock().unwrap_or_else(PoisonError::into_inner);
            current.as_mut().map(Current::next_header)
        };
        if let Some(plain) = plain.as_ref() {
            plain.set_job(Some((Box::new(next), target)));
        }
        Ok(())
    }

    /// Stops until the next job.
    pub fn clear(&self) {
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.miner.clear_job();
        if let Some(plain) = self.plain.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            plain.set_job(None);
        }
    }

    /// What a share names, if it is of the job that is searched now. The kernels stop at a share; they go on with
    /// another extranonce.
    pub fn found(&self, header: &Header, job_number: JobNumber) -> Option<Found> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let job = current.as_mut().filter(|job| job.job_number == job_number)?;
        let (_, extranonce2) = job.roots.iter().rev().find(|(root, _)| *root == header.merkle_root)?;
        let found = Found { job: job.id.clone(), extranonce2: extranonce2.clone() };
        if job.rolls {
            let (next, target) = (job.next_header(), job.target);
            drop(current);
            self.miner.set_share_job(next, target);
        }
        Some(found)
    }

    /// Hashes per second, and what makes them.
    pub fn rate(&self) -> (f64, String) {
        let is_plain =
            self.current.lock().unwrap_or_else(PoisonError::into_inner).as_ref().is_some_and(|job| !job.rolls);
        if is_plain && let Some(plain) = self.plain.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            return (plain.hashes_per_second(), "plain".into());
        }
        let meter = self.miner.meter();
        (meter.hashes_per_second_1s, meter.kernel.to_string())
    }
}

/// Sends in what a thread has found, with the job of that moment.
fn reporter(
    current: &Arc<Mutex<Option<Current>>>,
    messages: Sender<Message>,
) -> impl Fn(Header) + Send + Sync + 'static {
    let current = Arc::clone(current);
    move |header| {
        let job_number = current.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|job| job.job_number);
        if let Some(job_number) = job_number {
            // When nobody receives, the client has ended.
            let _ = messages.send(Message::Share { header, job_number });
        }
    }
}
