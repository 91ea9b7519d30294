//! Mining one block at once, for `generatetoaddress` and for tests: blocking, without a running miner.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use chain_spec::{Block, Header, ProofOfWork, Target, Txid, merkle::coinbase_branch};

use super::{
    cores,
    job::Job,
    kernel::{Kernel, Search},
};

/// Up to this many expected hashes of SHA-256d, a plain loop is done before threads and batches would have started.
const EASY_HASHES: f64 = 4096.0;
/// Batches of the kernel between two looks at `cancel`: about a millisecond of work.
const SLICE_BATCHES: u64 = 20;

/// Finds a header for `block` whose work meets its target, on all cores if the target is worth it.
///
/// `cancel` set to true ends it within about a millisecond. None if it was cancelled or the compact target is
/// invalid. Only the nonce changes if that suffices; otherwise the version bits and the extranonce roll as in a
/// [`Miner`](super::Miner)'s job.
pub fn solve(block: Block, proof_of_work: ProofOfWork, cancel: &AtomicBool) -> Option<Block> {
    let target = block.header.bits.to_target()?;
    if proof_of_work == ProofOfWork::Sha256d
        && target.work().to_f64() <= EASY_HASHES
        && let Some(header) = solve_easy(&block.header, target, cancel)
    {
        return Some(Block { header, ..block });
    }
    let txids: Vec<Txid> = block.transactions.iter().map(|transaction| transaction.txid()).collect();
    solve_hard(&Arc::new(Job::new(block, coinbase_branch(&txids), proof_of_work)?), proof_of_work, cancel)
}

fn solve_easy(header: &Header, target: Target, cancel: &AtomicBool) -> Option<Header> {
    // A chance of e⁻⁶⁴ to come back empty-handed.
    let candidates = (0..=u32::MAX).take(64 * EASY_HASHES as usize).take_while(|_| !cancel.load(Ordering::Relaxed));
    candidates.map(|nonce| Header { nonce, ..*header }).find(|header| target.is_met_by(&header.hash()))
}

fn solve_hard(job: &Arc<Job>, proof_of_work: ProofOfWork, cancel: &AtomicBool) -> Option<Block> {
    let kernel = Kernel::untimed(proof_of_work);
    let slice = SLICE_BATCHES * kernel.batch();
    let solved = Mutex::new(None);
    let done = AtomicBool::new(false);
    let work = || {
        let mut hits = Vec::new();
        loop {
            let unit = job.next_unit();
            for at in (0..Search::CANDIDATES).step_by(slice as usize) {
                if cancel.load(Ordering::Relaxed) || done.load(Ordering::Relaxed) {
                    return;
                }
                kernel.scan(&unit.search, at..at + slice, &mut hits);
                if let Some(&hit) = hits.first() {
                    done.store(true, Ordering::Relaxed);
                    *solved.lock().unwrap_or_else(PoisonError::into_inner) = Some(unit.block(hit));
                    return;
                }
            }
        }
    };
    thread::scope(|scope| {
        for _ in 1..cores() {
            // Without another thread this one does all the work.
            let _ = thread::Builder::new().spawn_scoped(scope, work);
        }
        work();
    });
    solved.into_inner().unwrap_or_else(PoisonError::into_inner)
}
