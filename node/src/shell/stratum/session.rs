//! One miner's connection as a state machine: requests and jobs in, lines out. Pure but for the [`Pool`] it counts
//! in.
//!
//! The connection that feeds it is `connection`'s. A session is given a job when it has subscribed and authorized a
//! worker. Each job sent has an id of its own, which says at which difficulty it was sent; a change of difficulty
//! takes effect with the job that follows it, as `mining.set_difficulty` is documented.

use super::account::Verdict;
use super::job::{Coinbase, EXTRANONCE1_BYTES, EXTRANONCE2_BYTES, Job};
use super::payout::{Plan, User};
use super::pool::Pool;
use super::protocol::{Code, Refusal, Request, granted, notification, printable, refused};
use super::vardiff::Vardiff;
use crate::miner::VERSION_ROLLING_MASK;
use crate::miner::stratum::difficulty::Difficulty;
use crate::miner::stratum::notify::{Choice, parse_u32};
use chain_spec::{Block, BlockHash, Header, Target};
use serde_json::{Map, Value, json};
use std::collections::VecDeque;
use std::sync::Arc;

/// Workers that one connection may authorize: a proxy has many machines behind it.
pub const WORKERS_PER_SESSION_MAX: usize = 64;
/// Jobs that a session may have been sent and still answer.
const JOBS_PER_SESSION_MAX: usize = 16;

/// A job as it was sent to this session.
#[derive(Debug)]
struct Sent {
    id: String,
    job: Arc<Job>,
    coinbase: Arc<Coinbase>,
    difficulty: Difficulty,
    target: Target,
    /// When the same job was sent at a higher difficulty, Unix milliseconds.
    replaced_at_ms: Option<u64>,
}

/// What a request or a job leads to.
#[derive(Debug, Default)]
pub struct Step {
    /// Lines to send.
    pub lines: String,
    /// A share that is a block.
    pub solved: Option<Box<Solved>>,
    /// The request was one that no working miner sends: counts towards a ban.
    pub is_offence: bool,
    /// A share was accepted.
    pub is_share: bool,
}

/// A share that is a block.
#[derive(Debug)]
pub struct Solved {
    /// The block.
    pub block: Block,
    /// Its height.
    pub height: u32,
    /// Who found it.
    pub worker: String,
    /// What it pays.
    pub plan: Arc<Plan>,
}

/// The session.
pub struct Session {
    pool: Pool,
    extranonce1: [u8; EXTRANONCE1_BYTES],
    subscribed: bool,
    agent: String,
    /// Names of authorized workers; the first one's user is paid where each session has a coinbase of its own.
    workers: Vec<(String, User)>,
    /// Version bits that the miner may roll; none until it asks.
    version_mask: Option<u32>,
    vardiff: Vardiff,
    /// The difficulty that was sent last.
    told: Option<Difficulty>,
    sent: VecDeque<Sent>,
    next_id: u32,
}

impl Session {
    /// A session that has done nothing yet.
    pub fn new(pool: Pool, now_ms: u64) -> Session {
        let vardiff = Vardiff::new(pool.config().difficulty, pool.share_interval_ms(), now_ms);
        let extranonce1 = pool.next_extranonce1().to_be_bytes();
        Session {
            pool,
            extranonce1,
            subscribed: false,
            agent: String::new(),
            workers: Vec::new(),
            version_mask: None,
            vardiff,
            told: None,
            sent: VecDeque::new(),
            next_id: 0,
        }
    }

    /// Whether it gets jobs.
    pub fn is_ready(&self) -> bool {
        self.subscribed && !self.workers.is_empty()
    }

    /// Answers a line.
    pub fn answer(&mut self, line: &[u8], now_ms: u64) -> Step {
        let request = match Request::parse(line) {
            Ok(request) => request,
            Err((id, refusal)) => {
                self.pool.count_refusal(refusal.code);
                return Step { lines: refused(&id, &refusal), is_offence: true, ..Step::default() };
            }
        };
        let mut step = Step::default();
        let answer = match request.method.as_str() {
            "mining.subscribe" => self.subscribe(&request),
            "mining.authorize" => self.authorize(&request, now_ms),
            "mining.configure" => self.configure(&request),
            "mining.extranonce.subscribe" => Ok(json!(true)),
            "mining.suggest_difficulty" => self.suggest(&request, now_ms),
            "mining.submit" => self.submit(&request, now_ms, &mut step),
            method => Err(Refusal::other(format!("unknown method {:?}", printable(method)))),
        };
        match answer {
            Ok(result) => step.lines.insert_str(0, &granted(&request.id, &result)),
            Err(refusal) => {
                self.pool.count_refusal(refusal.code);
                // What comes too late is no offence: every miner sends some of it.
                step.is_offence = !step.is_share && refusal.code != Code::JobNotFound;
                step.lines.insert_str(0, &refused(&request.id, &refusal));
            }
        }
        if self.is_ready() && self.sent.is_empty() {
            step.lines.push_str(&self.renew(now_ms));
        }
        step
    }

    /// The pool has another job.
    pub fn job_changed(&mut self, now_ms: u64) -> String {
        if self.is_ready() { self.renew(now_ms) } else { String::new() }
    }

    /// Time has passed.
    pub fn tick(&mut self, now_ms: u64) -> String {
        if self.is_ready() { self.adjust(now_ms) } else { String::new() }
    }

    fn subscribe(&mut self, request: &Request) -> Result<Value, Refusal> {
        if request.params.first().is_some_and(|agent| !agent.is_null()) {
            self.agent = printable(request.text(0, "user agent")?);
        }
        self.subscribed = true;
        let id = hex::encode(self.extranonce1);
        Ok(json!([[["mining.set_difficulty", id], ["mining.notify", id]], id, EXTRANONCE2_BYTES]))
    }

    fn authorize(&mut self, request: &Request, now_ms: u64) -> Result<Value, Refusal> {
        let name = printable(request.text(0, "worker")?);
        if self.workers.iter().any(|(known, _)| *known == name) {
            return Ok(json!(true));
        }
        if self.workers.len() >= WORKERS_PER_SESSION_MAX {
            let message = format!("a connection may have {WORKERS_PER_SESSION_MAX} workers; open another one");
            return Err(Refusal::new(Code::Unauthorized, message));
        }
        let user = self.pool.authorize(&name, &self.agent, now_ms)?;
        self.workers.push((name, user));
        // A common convention: `d=0.5` in the password asks for a difficulty.
        let password = request.params.get(1).and_then(Value::as_str).unwrap_or_default();
        let wish = password.split([',', ';', ' ']).find_map(|part| part.trim().strip_prefix("d="));
        if let Some(difficulty) = wish.and_then(|text| text.parse().ok()).and_then(Difficulty::new) {
            self.vardiff.suggest(difficulty, now_ms);
        }
        Ok(json!(true))
    }

    /// BIP310.
    fn configure(&mut self, request: &Request) -> Result<Value, Refusal> {
        let shape = || Refusal::other("mining.configure takes a list of extensions and an object of their parameters");
        let extensions = request.params.first().and_then(Value::as_array).ok_or_else(shape)?;
        let nothing = Map::new();
        let parameters = match request.params.get(1) {
            None | Some(Value::Null) => &nothing,
            Some(parameters) => parameters.as_object().ok_or_else(shape)?,
        };
        let mut result = Map::new();
        for extension in extensions {
            match extension.as_str().ok_or_else(shape)? {
                "version-rolling" => {
                    let asked = match parameters.get("version-rolling.mask") {
                        None => u32::MAX,
                        Some(mask) => mask
                            .as_str()
                            .and_then(parse_u32)
                            .ok_or_else(|| Refusal::other("version-rolling.mask is a text of 8 hexadecimal digits"))?,
                    };
                    let mask = asked & VERSION_ROLLING_MASK as u32;
                    self.version_mask = Some(mask);
                    result.insert("version-rolling".into(), json!(true));
                    result.insert("version-rolling.mask".into(), json!(format!("{mask:08x}")));
                }
                "minimum-difficulty" => {
                    let lowest = parameters.get("minimum-difficulty.value").and_then(Value::as_f64);
                    let lowest = lowest
                        .and_then(Difficulty::new)
                        .ok_or_else(|| Refusal::other("minimum-difficulty.value is a number above zero"))?;
                    self.vardiff.set_lowest(lowest);
                    result.insert("minimum-difficulty".into(), json!(true));
                }
                extension @ ("subscribe-extranonce" | "info") => {
                    result.insert(extension.into(), json!(true));
                }
                unknown => {
                    result.insert(printable(unknown), json!(false));
                }
            }
        }
        Ok(Value::Object(result))
    }

    fn suggest(&mut self, request: &Request, now_ms: u64) -> Result<Value, Refusal> {
        let difficulty = request.params.first().and_then(Value::as_f64).and_then(Difficulty::new);
        let difficulty =
            difficulty.ok_or_else(|| Refusal::other("mining.suggest_difficulty takes a number above zero"))?;
        self.vardiff.suggest(difficulty, now_ms);
        Ok(json!(true))
    }

    fn submit(&mut self, request: &Request, now_ms: u64, step: &mut Step) -> Result<Value, Refusal> {
        if !self.subscribed {
            return Err(Refusal::new(Code::NotSubscribed, "call mining.subscribe first"));
        }
        let name = request.text(0, "worker")?;
        let Some((name, _)) = self.workers.iter().find(|(known, _)| known == name).cloned() else {
            let message = format!("worker {:?} is not authorized on this connection", printable(name));
            return Err(Refusal::new(Code::Unauthorized, message));
        };
        let judged = self.judge(request, now_ms, &name);
        match judged {
            Ok((difficulty, proven, solved)) => {
                self.pool.count_share(&name, Verdict::Accepted, Some((difficulty, proven)), now_ms);
                self.vardiff.share(difficulty);
                step.is_share = true;
                step.solved = solved;
                step.lines = self.adjust(now_ms);
                Ok(json!(true))
            }
            Err(refusal) => {
                let is_stale = refusal.code == Code::JobNotFound;
                let verdict = if is_stale { Verdict::Stale } else { Verdict::Rejected };
                self.pool.count_share(&name, verdict, None, now_ms);
                Err(refusal)
            }
        }
    }

    /// Judges a share: its difficulty, the one its hash has, and the block if it is one.
    fn judge(
        &self,
        request: &Request,
        now_ms: u64,
        worker: &str,
    ) -> Result<(Difficulty, Difficulty, Option<Box<Solved>>), Refusal> {
        self.pool.check_open()?;
        let id = request.text(1, "job id")?;
        let mut extranonce2 = [0; EXTRANONCE2_BYTES];
        hex::decode_to_slice(request.text(2, "extranonce2")?, &mut extranonce2)
            .map_err(|_| Refusal::other(format!("extranonce2 has {} hexadecimal digits", 2 * EXTRANONCE2_BYTES)))?;
        let number = |index: usize, name: &str| {
            let number = parse_u32(request.text(index, name)?);
            number.ok_or_else(|| Refusal::other(format!("{name} has 8 hexadecimal digits")))
        };
        let (time, nonce) = (number(3, "ntime")?, number(4, "nonce")?);
        let rolled = request.params.get(5).map(|_| number(5, "version bits")).transpose()?;
        let grace_ms = self.pool.grace_ms();
        let is_useful = |sent: &&Sent| {
            sent.id == id
                && !sent.job.is_stale(now_ms, grace_ms)
                && sent.replaced_at_ms.is_none_or(|at_ms| now_ms <= at_ms.saturating_add(grace_ms))
        };
        let Some(sent) = self.sent.iter().find(is_useful) else {
            let message = format!("job {:?} is not known, or the tip is another block since", printable(id));
            return Err(Refusal::new(Code::JobNotFound, message));
        };
        let (job, work) = (&sent.job, &sent.coinbase.work);
        let latest_s = now_ms / 1_000 + u64::from(self.pool.spec().future_max_s);
        if time < job.min_time_s || u64::from(time) > latest_s {
            return Err(Refusal::other(format!("ntime must be {:08x} to {latest_s:08x}", job.min_time_s)));
        }
        let version = self.version(work.version, rolled)?;
        let choice = Choice { extranonce1: &self.extranonce1, extranonce2: &extranonce2, time, nonce, version };
        let header = work.header(&choice);
        let proof = job.proof_of_work.hash(&header);
        let is_block = job.target.is_met_by(&proof);
        if !is_block && !sent.target.is_met_by(&proof) {
            let proven = proven(&proof, job).value();
            let message = format!("low difficulty share: {proven:.3e} of {:.3e}", sent.difficulty.value());
            return Err(Refusal::new(Code::LowDifficulty, message));
        }
        if !job.note_share(&header.hash()) {
            return Err(Refusal::new(Code::DuplicateShare, "this share was accepted before"));
        }
        let solved = is_block.then(|| self.solved(sent, header, &extranonce2, worker)).flatten();
        Ok((sent.difficulty, proven(&proof, job), solved))
    }

    fn solved(&self, sent: &Sent, header: Header, extranonce2: &[u8], worker: &str) -> Option<Box<Solved>> {
        let coinbase = sent.coinbase.work.coinbase(&self.extranonce1, extranonce2);
        Some(Box::new(Solved {
            block: sent.job.block(header, &coinbase)?,
            height: sent.job.height,
            worker: worker.to_owned(),
            plan: Arc::clone(&sent.coinbase.plan),
        }))
    }

    /// The version with the bits that the miner chose (BIP310: those of the mask, and no others).
    fn version(&self, version: i32, rolled: Option<u32>) -> Result<i32, Refusal> {
        let Some(rolled) = rolled else { return Ok(version) };
        let mask = self.version_mask.ok_or_else(|| {
            Refusal::other("version bits may be sent after mining.configure with version-rolling only")
        })?;
        if rolled & !mask != 0 {
            return Err(Refusal::other(format!("version bits {rolled:08x} are not all within the mask {mask:08x}")));
        }
        Ok(((version as u32 & !mask) | rolled) as i32)
    }

    /// Changes the difficulty if shares come too often or too seldom; the lines say so.
    fn adjust(&mut self, now_ms: u64) -> String {
        let Some(highest) = self.sent.back().map(|sent| sent.job.difficulty) else { return String::new() };
        if self.vardiff.adjust(highest, now_ms) { self.renew(now_ms) } else { String::new() }
    }

    /// Sends the pool's job, with the difficulty if that is another than before.
    fn renew(&mut self, now_ms: u64) -> String {
        let Some(job) = self.pool.job() else { return String::new() };
        let Some((_, user)) = self.workers.first() else { return String::new() };
        let difficulty = self.vardiff.difficulty().min(job.difficulty);
        let coinbase = match (&job.shared, self.sent.back().filter(|sent| Arc::ptr_eq(&sent.job, &job))) {
            (Some(shared), _) => Arc::clone(shared),
            (None, Some(same)) => Arc::clone(&same.coinbase),
            (None, None) => Arc::new(job.coinbase(Arc::new(self.pool.solo_plan(job.reward, *user)))),
        };
        let clean = self.sent.back().is_none_or(|sent| sent.job.previous() != job.previous());
        let mut lines = String::new();
        if self.told != Some(difficulty) {
            self.told = Some(difficulty);
            lines.push_str(&notification("mining.set_difficulty", &json!([difficulty.value()])));
            self.pool.tell_difficulty(self.workers.iter().map(|(name, _)| name.as_str()), difficulty);
        }
        // Shares of the same job that were asked for at a lower difficulty count for a while only: else a miner
        // could choose, share by share, which of the two it is to have.
        for sent in self.sent.iter_mut().filter(|sent| Arc::ptr_eq(&sent.job, &job)) {
            sent.replaced_at_ms.get_or_insert(now_ms);
        }
        let grace_ms = self.pool.grace_ms();
        self.sent.retain(|sent| !sent.job.is_stale(now_ms, grace_ms));
        let surplus = (self.sent.len() + 1).saturating_sub(JOBS_PER_SESSION_MAX);
        self.sent.drain(..surplus);
        // Behind the session's extranonce, so that an id of an earlier connection is not taken for one of this.
        let id = format!("{}{:x}", hex::encode(self.extranonce1), self.next_id);
        self.next_id = self.next_id.wrapping_add(1);
        lines.push_str(&coinbase.notify_line(&id, clean));
        let target = difficulty.target(job.proof_of_work);
        self.sent.push_back(Sent { id, job, coinbase, difficulty, target, replaced_at_ms: None });
        lines
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        for (name, _) in &self.workers {
            self.pool.release(name);
        }
    }
}

/// The difficulty that a hash has.
fn proven(hash: &BlockHash, job: &Job) -> Difficulty {
    let mut number = *hash.as_bytes();
    number.reverse();
    Difficulty::of(Target::from_be_bytes(number), job.proof_of_work)
}

#[cfg(test)]
mod tests;
