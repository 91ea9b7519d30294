//! Jobs: a block template whose coinbase pays what the pool decided, and what became of its shares.
//!
//! Every job has a number of its own in its coinbase, so that a share belongs to one job: whoever sends it twice is
//! found out within that job, however often the job was sent out and under whichever ids.

use super::payout::Plan;
use crate::core::template::Template;
use crate::miner::stratum::difficulty::Difficulty;
use crate::miner::stratum::notify::{Notify, Work};
use chain_spec::{
    Amount, Block, BlockHash, Decode, Encode, Header, Outpoint, ProofOfWork, Script, Target, Transaction, TxIn, TxOut,
};
use rustc_hash::FxHashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes of the pool's part of the extranonce.
pub const EXTRANONCE1_BYTES: usize = 4;
/// Bytes of the miner's part of the extranonce.
pub const EXTRANONCE2_BYTES: usize = 8;
/// Bytes of both.
const EXTRANONCE_BYTES: usize = EXTRANONCE1_BYTES + EXTRANONCE2_BYTES;
/// Shares of one job that are remembered, 16 bytes each; then the pool makes a new job.
pub const SHARES_PER_JOB_MAX: usize = 1_000_000;
/// What [`Job::retired_at_ms`] holds while the job's parent is the tip.
const CURRENT: u64 = u64::MAX;

/// A coinbase: its two halves around the extranonces, and what it pays.
#[derive(Debug)]
pub struct Coinbase {
    /// Everything that a header is made of.
    pub work: Work,
    /// What a block with it pays, and for what.
    pub plan: Arc<Plan>,
    /// The parameters of `mining.notify` between the job's id and `clean_jobs`, which are the same for many sessions.
    params: String,
}

impl Coinbase {
    fn new(work: Work, plan: Arc<Plan>) -> Coinbase {
        let notify = Notify { id: String::new(), work, clean: false };
        let params = notify.to_params().to_string();
        let params = params.strip_prefix("[\"\"").and_then(|text| text.strip_suffix("false]")).unwrap_or(&params);
        Coinbase { params: params.to_owned(), work: notify.work, plan }
    }

    /// The line of `mining.notify`. The id needs no escapes in JSON.
    pub fn notify_line(&self, id: &str, clean: bool) -> String {
        format!("{{\"id\":null,\"method\":\"mining.notify\",\"params\":[\"{id}\"{}{clean}]}}\n", self.params)
    }
}

/// A job for all sessions.
#[derive(Debug)]
pub struct Job {
    /// Its number; the pool's numbers never come back.
    pub number: u64,
    /// The height of its block.
    pub height: u32,
    /// Earliest time a header may carry, Unix seconds.
    pub min_time_s: u32,
    /// Subsidy and fees.
    pub reward: Amount,
    /// What makes a share a block.
    pub target: Target,
    /// The same as a difficulty.
    pub difficulty: Difficulty,
    /// What counts as work.
    pub proof_of_work: ProofOfWork,
    /// The coinbase that all sessions share; none where each pays its own user.
    pub shared: Option<Arc<Coinbase>>,
    block: Block,
    branch: Vec<[u8; 32]>,
    /// All jobs on one tip are retired together.
    retired_at_ms: Arc<AtomicU64>,
    seen: Mutex<FxHashSet<u128>>,
}

impl Job {
    /// A job for a template. With a plan all sessions share its coinbase. None if the template's compact target is
    /// invalid.
    pub fn new(number: u64, template: Template, plan: Option<Arc<Plan>>, proof_of_work: ProofOfWork) -> Option<Job> {
        let target = template.bits.to_target()?;
        let mut job = Job {
            number,
            height: template.height,
            min_time_s: template.min_time_s,
            reward: template.coinbase_value,
            target,
            difficulty: Difficulty::of(target, proof_of_work),
            proof_of_work,
            shared: None,
            block: template.block,
            branch: template.coinbase_branch,
            retired_at_ms: Arc::new(AtomicU64::new(CURRENT)),
            seen: Mutex::default(),
        };
        job.shared = plan.map(|plan| Arc::new(job.coinbase(plan)));
        Some(job)
    }

    /// The same with the tip of an earlier job on the same parent: who retires one of them retires both.
    pub fn on_tip_of(mut self, earlier: Option<&Job>) -> Job {
        if let Some(earlier) = earlier.filter(|earlier| earlier.previous() == self.previous()) {
            self.retired_at_ms = Arc::clone(&earlier.retired_at_ms);
        }
        self
    }

    /// A coinbase that pays a plan.
    pub fn coinbase(&self, plan: Arc<Plan>) -> Coinbase {
        let mut script = Script::height_prefix(self.height);
        // Pushes, so that neither part can be read as signature operations.
        script.push(8);
        script.extend_from_slice(&self.number.to_le_bytes());
        script.push(EXTRANONCE_BYTES as u8);
        // Version, count of inputs, null outpoint, and the script's length, which is below 100.
        let start = 4 + 1 + 36 + 1 + script.len();
        script.extend_from_slice(&[0; EXTRANONCE_BYTES]);
        let input = TxIn { outpoint: Outpoint::NULL, script: Script::from_bytes(script), sequence: u32::MAX };
        let outputs = plan.outputs.iter().map(|(user, value)| TxOut { value: *value, script: user.script() });
        let transaction = Transaction { version: 1, inputs: vec![input], outputs: outputs.collect(), lock_time: 0 };
        let bytes = transaction.to_bytes();
        let header = &self.block.header;
        let work = Work {
            previous: header.previous,
            coinbase_start: bytes[..start].to_vec(),
            coinbase_end: bytes[start + EXTRANONCE_BYTES..].to_vec(),
            branch: self.branch.clone(),
            version: header.version,
            bits: header.bits,
            time: header.time,
        };
        Coinbase::new(work, plan)
    }

    /// The parent.
    pub fn previous(&self) -> BlockHash {
        self.block.header.previous
    }

    /// The whole block of a header; none if the coinbase's bytes are no transaction, which those of
    /// [`Job::coinbase`] are.
    pub fn block(&self, header: Header, coinbase: &[u8]) -> Option<Block> {
        let mut block = self.block.clone();
        block.header = header;
        *block.transactions.first_mut()? = Transaction::from_bytes(coinbase).ok()?;
        Some(block)
    }

    /// Notes a share by its header's hash; whether it is new.
    pub fn note_share(&self, hash: &BlockHash) -> bool {
        // The first half of a block's hash is as random as hashes get, even where its end is zeros for the work.
        let (first, _) = hash.as_bytes().split_at(16);
        let key = first.iter().fold(0_u128, |key, byte| key << 8 | u128::from(*byte));
        self.seen().insert(key)
    }

    /// Whether no more shares should be made of this job, since none could be told from earlier ones.
    pub fn is_full(&self) -> bool {
        self.seen().len() >= SHARES_PER_JOB_MAX
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, FxHashSet<u128>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The tip is another block since `now_ms`.
    pub fn retire(&self, now_ms: u64) {
        self.retired_at_ms.fetch_min(now_ms, Ordering::Relaxed);
    }

    /// Whether the tip has been another block for longer than `grace_ms`.
    pub fn is_stale(&self, now_ms: u64, grace_ms: u64) -> bool {
        now_ms > self.retired_at_ms.load(Ordering::Relaxed).saturating_add(grace_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::super::payout::tests::user;
    use super::*;
    use crate::miner::stratum::notify::Choice;
    use chain_spec::merkle::merkle_root;
    use chain_spec::{ChainSpec, Txid};
    use serde_json::Value;

    fn template(spec: &ChainSpec) -> Template {
        let mut block = spec.genesis.clone();
        let mut other = block.transactions[0].clone();
        other.lock_time = 7;
        block.transactions.push(other);
        let txids: Vec<Txid> = block.transactions.iter().map(Transaction::txid).collect();
        Template {
            height: 300,
            fees: Amount::ZERO,
            coinbase_value: Amount::from_units(5_000),
            min_time_s: block.header.time,
            bits: block.header.bits,
            signature_operations: Vec::new(),
            transactions: Vec::new(),
            coinbase_branch: chain_spec::merkle::coinbase_branch(&txids),
            block,
        }
    }

    #[test]
    fn the_header_of_a_share_is_that_of_the_whole_block() {
        let spec = ChainSpec::builtin("bitcoin-regtest").unwrap();
        let plan = Plan { outputs: vec![(user(1), Amount::from_units(5_000))], ..Plan::default() };
        let job = Job::new(7, template(&spec), Some(Arc::new(plan)), spec.proof_of_work).unwrap();
        let coinbase = job.shared.clone().unwrap();
        let notify: Value = serde_json::from_str(&coinbase.notify_line("ab", true)).unwrap();
        let expected = Notify { id: "ab".into(), work: coinbase.work.clone(), clean: true };
        assert_eq!(notify["params"], expected.to_params());
        let (one, two) = ([1, 2, 3, 4], [5; EXTRANONCE2_BYTES]);
        let choice = Choice { extranonce1: &one, extranonce2: &two, time: 9, nonce: 8, version: 0x2000_0000 };
        let block = job.block(coinbase.work.header(&choice), &coinbase.work.coinbase(&one, &two)).unwrap();
        let txids: Vec<Txid> = block.transactions.iter().map(Transaction::txid).collect();
        assert_eq!(block.header.merkle_root, merkle_root(&txids).0);
        let paid = &block.transactions[0];
        assert!(paid.is_coinbase() && paid.outputs[0].script == user(1).script());
        let script = paid.inputs[0].script.as_bytes();
        assert!(script.starts_with(&Script::height_prefix(300)) && script.ends_with(&[&one[..], &two[..]].concat()));
    }

    #[test]
    fn a_share_is_new_once_and_a_job_stale_after_its_grace() {
        let spec = ChainSpec::builtin("bitcoin-regtest").unwrap();
        let job = Job::new(7, template(&spec), None, spec.proof_of_work).unwrap();
        let hash = BlockHash::from_bytes([7; 32]);
        assert!(job.note_share(&hash) && !job.note_share(&hash));
        assert!(!job.is_stale(u64::MAX - 1, 100));
        job.retire(1_000);
        job.retire(2_000);
        assert!(!job.is_stale(1_100, 100) && job.is_stale(1_101, 100), "the first retirement counts");
    }

    #[test]
    fn all_jobs_on_a_tip_are_retired_together_and_no_others() {
        let spec = ChainSpec::builtin("bitcoin-regtest").unwrap();
        let job = |number, template| Job::new(number, template, None, spec.proof_of_work).unwrap();
        let first = job(1, template(&spec));
        let second = job(2, template(&spec)).on_tip_of(Some(&first));
        let mut next = template(&spec);
        next.block.header.previous = BlockHash::from_bytes([9; 32]);
        let third = job(3, next).on_tip_of(Some(&second));
        second.retire(1_000);
        assert!(first.is_stale(1_101, 100) && second.is_stale(1_101, 100) && !third.is_stale(1_101, 100));
    }
}
