//! A block template cut into work units: each has its own extranonce or group of versions, so that no two overlap.
//!
//! Above it is the `worker`, which searches one unit after another; below it the kernel's [`Search`].

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use chain_spec::{
    Block, Encode, Header, MerkleRoot, ProofOfWork, Script, Target, TxIn, Txid, encode::compact_size_len, hash,
    merkle::root_from_branch,
};

use super::{VERSION_ROLLING_MASK, kernel::LANES, kernel::Search};

/// Bytes at the end of the coinbase's script that the miner may change.
const EXTRANONCE_LEN: usize = 8;
/// Version bits of BIP320 that tell work units apart; the four below them are the lanes of one [`Search`].
const GROUP_SHIFT: u32 = VERSION_ROLLING_MASK.trailing_zeros() + LANES.trailing_zeros();
/// How many work units share an extranonce.
const GROUPS: u64 = 1 << (VERSION_ROLLING_MASK.count_ones() - LANES.trailing_zeros());

/// A template with what is needed to roll it: its coinbase's bytes and Merkle branch.
#[derive(Debug)]
pub struct Job {
    block: Block,
    target: Target,
    proof_of_work: ProofOfWork,
    /// The coinbase's bytes and where its extranonce starts; none if its script is too short to hold one.
    coinbase: Option<(Vec<u8>, usize)>,
    branch: Vec<[u8; 32]>,
    /// The number of the next unit.
    next: AtomicU64,
    /// A block was found and handed over.
    answered: AtomicBool,
}

/// A part of a job: 2³⁶ candidates.
#[derive(Clone, Debug)]
pub struct WorkUnit {
    /// Which nonces, versions and extra nonces are tried.
    pub search: Search,
    job: Arc<Job>,
    extranonce: u64,
}

impl Job {
    /// Prepares a template, with the Merkle branch of its coinbase. None if its compact target is invalid, so that no hash
    /// can meet it.
    pub fn new(block: Block, branch: Vec<[u8; 32]>, proof_of_work: ProofOfWork) -> Option<Job> {
        let target = block.header.bits.to_target()?;
        Some(Job::with_target(block, branch, target, proof_of_work))
    }

    /// Prepares a template to be searched for hashes that meet another target than the block's: a pool's shares.
    pub fn with_target(block: Block, branch: Vec<[u8; 32]>, target: Target, proof_of_work: ProofOfWork) -> Job {
        let coinbase = block.transactions.first().and_then(|coinbase| {
            let script = coinbase.inputs.first()?.script.as_bytes();
            let in_script = script.len().checked_sub(EXTRANONCE_LEN)?;
            // Version, the count of inputs, and the null outpoint come before the script and its length.
            let script_start =
                4 + compact_size_len(coinbase.inputs.len() as u64) + 36 + compact_size_len(script.len() as u64);
            Some((coinbase.to_bytes(), script_start + in_script))
        });
        let (next, answered) = (AtomicU64::new(0), AtomicBool::new(false));
        Job { branch, coinbase, target, proof_of_work, block, next, answered }
    }

    /// The target hashes must meet.
    pub fn target(&self) -> Target {
        self.target
    }

    /// The template's header.
    pub fn header(&self) -> &Header {
        &self.block.header
    }

    /// Notes that a block was found; whether this is the first.
    pub fn answer(&self) -> bool {
        !self.answered.swap(true, Ordering::Relaxed)
    }

    /// Whether a block was found.
    pub fn is_answered(&self) -> bool {
        self.answered.load(Ordering::Relaxed)
    }

    /// Forgets that a block was found.
    pub fn reopen(&self) {
        self.answered.store(false, Ordering::Relaxed);
    }

    /// A unit nobody else has.
    pub fn next_unit(self: &Arc<Job>) -> WorkUnit {
        self.unit(self.next.fetch_add(1, Ordering::Relaxed))
    }

    /// WorkUnit number `number`: work units of different numbers share no candidate.
    fn unit(self: &Arc<Job>, number: u64) -> WorkUnit {
        let (group, extranonce) = (number % GROUPS, number / GROUPS);
        let header = Header {
            version: self.block.header.version ^ ((group as i32) << GROUP_SHIFT),
            merkle_root: self.merkle_root(extranonce),
            ..self.block.header
        };
        WorkUnit { search: Search::new(header, self.target, self.proof_of_work), job: Arc::clone(self), extranonce }
    }

    fn merkle_root(&self, extranonce: u64) -> MerkleRoot {
        match &self.coinbase {
            Some((bytes, place)) => {
                let mut bytes = bytes.clone();
                bytes[*place..place + EXTRANONCE_LEN].copy_from_slice(&extranonce.to_le_bytes());
                root_from_branch(Txid::from_bytes(hash::sha256d(&bytes)), &self.branch)
            }
            None => self.block.header.merkle_root,
        }
    }
}

impl WorkUnit {
    /// The job it is a unit of.
    pub fn job(&self) -> &Arc<Job> {
        &self.job
    }

    /// The whole block of a candidate.
    pub fn block(&self, index: u64) -> Block {
        let mut block = self.job.block.clone();
        block.header = self.search.header(index);
        if self.job.coinbase.is_some() {
            let input = &mut block.transactions[0].inputs[0];
            *input = with_extranonce(input, self.extranonce);
        }
        block
    }
}

fn with_extranonce(input: &TxIn, extranonce: u64) -> TxIn {
    let mut script = input.script.as_bytes().to_vec();
    let place = script.len() - EXTRANONCE_LEN;
    script[place..].copy_from_slice(&extranonce.to_le_bytes());
    TxIn { script: Script::from_bytes(script), ..input.clone() }
}
