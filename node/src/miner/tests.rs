//! The engine: jobs, blocks found, limits, pauses. Waiting is for a block on a channel or for the count of hashes.

use std::{
    sync::{atomic::AtomicBool, mpsc},
    thread,
    time::Duration,
};

use chain_spec::{
    Block, BlockHash, ChainSpec, CompactTarget, Script, TxIn, merkle::coinbase_branch, merkle::merkle_root,
};

use super::{meter::now, *};

/// How long a test waits for what must happen, on a machine busy with other things.
const PATIENCE: Duration = Duration::from_secs(30);
/// Half of all hashes meet it.
const EASY: u32 = 0x207f_ffff;
/// About 2¹⁶ hashes.
const MEDIUM: u32 = 0x1f00_ffff;
const SHA256D: ProofOfWork = ProofOfWork::Sha256d;
/// No hash will meet it.
const HOPELESS: u32 = 0x0300_0001;

/// A template with a parent of its own and two transactions.
fn template(parent: u8, bits: u32) -> Block {
    let mut block = ChainSpec::builtin("bitcoin-regtest").unwrap().genesis;
    block.header.previous = BlockHash::from_bytes([parent; 32]);
    block.header.bits = CompactTarget::from_bits(bits);
    let coinbase = &mut block.transactions[0];
    let script = Script::from_bytes([&[0x51, parent][..], &[0; 8]].concat());
    coinbase.inputs = vec![TxIn { script, ..coinbase.inputs[0].clone() }];
    let mut other = block.transactions[0].clone();
    other.lock_time = 7;
    block.transactions.push(other);
    block
}

fn branch(block: &Block) -> Vec<[u8; 32]> {
    let txids: Vec<_> = block.transactions.iter().map(|transaction| transaction.txid()).collect();
    coinbase_branch(&txids)
}

fn set_job(miner: &Miner, block: Block) {
    let branch = branch(&block);
    miner.set_job(block, branch);
}

fn assert_solved(block: &Block) {
    assert!(block.header.bits.to_target().unwrap().is_met_by(&block.hash()), "{block:?}");
    let txids: Vec<_> = block.transactions.iter().map(|transaction| transaction.txid()).collect();
    assert_eq!(block.header.merkle_root, merkle_root(&txids).0);
}

fn start(threads: usize, hashrate_max: Option<u64>) -> (Miner, mpsc::Receiver<Block>) {
    let (sender, blocks) = mpsc::channel();
    let config = MinerConfig { threads, hashrate_max, kernel: Some(KernelName::Scalar), proof_of_work: SHA256D };
    let miner = Miner::start(config, move |block| drop(sender.send(block))).unwrap();
    (miner, blocks)
}

/// Waits until `hashes` more are done.
fn wait_for_hashes(miner: &Miner, hashes: u64) {
    let (start, before) = (now(), miner.meter().hashes_total);
    while miner.meter().hashes_total < before + hashes {
        assert!(start.elapsed() < PATIENCE, "no {hashes} hashes in {PATIENCE:?}");
        thread::yield_now();
    }
}

#[test]
fn blocks_found_are_whole_and_of_the_job_set_last() {
    let (miner, blocks) = start(2, None);
    for parent in 1..=20 {
        set_job(&miner, template(parent, EASY));
        let block = blocks.recv_timeout(PATIENCE).unwrap();
        assert_eq!(block.header.previous, BlockHash::from_bytes([parent; 32]));
        assert_solved(&block);
    }
}

#[test]
fn a_job_is_answered_once() {
    let (miner, blocks) = start(2, None);
    set_job(&miner, template(1, EASY));
    blocks.recv_timeout(PATIENCE).unwrap();
    set_job(&miner, template(2, HOPELESS));
    wait_for_hashes(&miner, 20_000);
    assert_eq!(blocks.try_recv(), Err(mpsc::TryRecvError::Empty));
}

#[test]
fn a_new_job_wakes_workers_that_wait_for_their_limit() {
    // Each of 64 workers may do one hash in 64 s: one that finished its sleep first would be far too late.
    let (miner, blocks) = start(64, None);
    set_job(&miner, template(1, HOPELESS));
    wait_for_hashes(&miner, 1);
    miner.set_hashrate_max(Some(1));
    set_job(&miner, template(2, EASY));
    miner.set_hashrate_max(None);
    assert_eq!(blocks.recv_timeout(PATIENCE).unwrap().header.previous, BlockHash::from_bytes([2; 32]));
}

#[test]
fn the_limit_is_never_exceeded() {
    const LIMIT: u64 = 5_000;
    let (miner, _blocks) = start(2, Some(LIMIT));
    let start = now();
    set_job(&miner, template(1, HOPELESS));
    wait_for_hashes(&miner, LIMIT / 2);
    let done = miner.meter().hashes_total;
    let allowed = start.elapsed().as_secs_f64() * LIMIT as f64 * 1.02;
    // Each worker is a slice of 4 ms ahead of its schedule at most.
    assert!(done as f64 <= allowed + 2.0 * 0.004 * LIMIT as f64, "{done} hashes, {allowed} allowed");
}

#[test]
fn paused_cleared_and_limited_to_zero_miners_do_nothing() {
    let (miner, _blocks) = start(2, None);
    type Act = fn(&Miner);
    let stops: [(&str, Act, Act); 3] = [
        ("paused", |miner| miner.pause(), |miner| miner.resume()),
        ("cleared", |miner| miner.clear_job(), |miner| set_job(miner, template(3, HOPELESS))),
        ("limited", |miner| miner.set_hashrate_max(Some(0)), |miner| miner.set_hashrate_max(None)),
    ];
    set_job(&miner, template(1, HOPELESS));
    for (name, stop, go) in stops {
        wait_for_hashes(&miner, 1_000);
        stop(&miner);
        assert!(name != "paused" || miner.meter().paused);
        // Workers are at rest when the count stays for longer than any slice takes.
        let (start, mut last, mut since) = (now(), miner.meter().hashes_total, now());
        while since.elapsed() < Duration::from_millis(100) {
            assert!(start.elapsed() < PATIENCE, "{name} workers go on");
            thread::yield_now();
            let total = miner.meter().hashes_total;
            if total != last {
                (last, since) = (total, now());
            }
        }
        go(&miner);
    }
    wait_for_hashes(&miner, 1_000);
}

#[test]
fn work_units_roll_version_and_extranonce_and_never_overlap() {
    let template = template(1, EASY);
    let job = Arc::new(Job::new(template.clone(), branch(&template), ProofOfWork::Sha256d).unwrap());
    let units: Vec<_> = (0..5000).map(|_| job.next_unit()).collect();
    let mut spaces: Vec<_> = units
        .iter()
        .map(|unit| {
            let header = unit.search.header(0);
            assert_eq!((header.version ^ template.header.version) & !VERSION_ROLLING_MASK, 0);
            (header.version, *header.merkle_root.as_bytes())
        })
        .collect();
    spaces.sort_unstable();
    spaces.dedup();
    assert_eq!(spaces.len(), units.len(), "no two units share a group of versions and an extranonce");
    for number in [0, 1, 4095, 4096, 4999] {
        let unit = &units[number];
        let block = unit.block(12_345);
        let txids: Vec<_> = block.transactions.iter().map(|transaction| transaction.txid()).collect();
        assert_eq!(block.header.merkle_root, merkle_root(&txids).0, "unit {number}");
        assert_eq!(block.header, unit.search.header(12_345));
    }
}

#[test]
fn one_block_at_once() {
    let go_on = AtomicBool::new(false);
    let easy = solve(template(1, EASY), SHA256D, &go_on).unwrap();
    assert_eq!(easy.header.version, template(1, EASY).header.version, "an easy target needs no version bits");
    assert!(easy.header.bits.to_target().unwrap().is_met_by(&easy.hash()));
    assert_solved(&solve(template(2, MEDIUM), SHA256D, &go_on).unwrap());
    assert_eq!(solve(template(3, 0), SHA256D, &go_on), None, "a compact target of zero is invalid");

    let cancel = AtomicBool::new(false);
    thread::scope(|scope| {
        let solving = scope.spawn(|| solve(template(4, HOPELESS), SHA256D, &cancel));
        cancel.store(true, std::sync::atomic::Ordering::Relaxed);
        assert_eq!(solving.join().unwrap(), None);
    });
}

#[test]
fn zero_threads_is_an_error() {
    let config = MinerConfig { threads: 0, ..MinerConfig::default() };
    let error = Miner::start(config, drop).err().unwrap();
    assert!(error.to_string().contains("at least one"), "{error}");
}

#[test]
fn scrypt_blocks_meet_their_target_by_scrypt() {
    const SCRYPT: ProofOfWork = ProofOfWork::Scrypt;
    let (sender, blocks) = mpsc::channel();
    let config = MinerConfig { threads: 2, hashrate_max: None, kernel: None, proof_of_work: SCRYPT };
    let miner = Miner::start(config, move |block| drop(sender.send(block))).unwrap();
    assert_eq!(miner.meter().kernel.proof_of_work(), SCRYPT);
    let is_solved = |block: &Block| SCRYPT.meets(&block.header, block.header.bits.to_target().unwrap());
    // About 16 hashes.
    let bits = 0x200f_ffff;
    for parent in 1..=3 {
        set_job(&miner, template(parent, bits));
        let block = blocks.recv_timeout(PATIENCE).unwrap();
        assert_eq!(block.header.previous, BlockHash::from_bytes([parent; 32]));
        assert!(is_solved(&block));
    }
    let go_on = AtomicBool::new(false);
    assert!(is_solved(&solve(template(4, bits), SCRYPT, &go_on).unwrap()));
}

#[test]
fn a_kernel_of_another_proof_of_work_is_an_error() {
    let config =
        MinerConfig { kernel: Some(KernelName::Scalar), proof_of_work: ProofOfWork::Scrypt, ..MinerConfig::default() };
    let error = Miner::start(config, drop).err().unwrap().to_string();
    assert!(error.contains("scalar") && error.contains("scrypt-portable") && !error.contains('\n'), "{error}");
}
