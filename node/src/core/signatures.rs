//! Signature checks on all processors, for blocks ([`chainstate`](super::chainstate)) and transactions
//! ([`mempool`](super::mempool)).
//!
//! They fan out and rejoin inside one call, so that the core stays one thread to whoever looks at it.

use chain_spec::Txid;
use chain_spec::rules::spend::{InputCheck, SpendError, check_input_scripts};
use rayon::prelude::*;

/// Fewer checks than this are done where they stand: waking threads costs more.
const PARALLEL_CHECKS_MIN: usize = 8;
/// Checks that share their divisions; more would gain under a percent.
const SHARED_CHECKS_MAX: usize = 64;
/// Parts that each thread gets at least, so that none waits long for the last.
const PARTS_PER_THREAD: usize = 4;

/// Who knows which transactions have good signatures by the strictest rules. A txid commits to the coins a transaction spends
/// and to its scripts.
pub(crate) trait CheckedSignatures {
    /// Whether a transaction's signatures were checked before.
    fn are_checked(&self, txid: &Txid) -> bool;
}

/// The first input, as an index into `checks`, that does not unlock its coin, and why.
pub(crate) fn first_bad(checks: &[InputCheck<'_>]) -> Option<(usize, SpendError)> {
    if checks.len() < PARALLEL_CHECKS_MIN {
        return check_input_scripts(checks).err();
    }
    let parts = rayon::current_num_threads() * PARTS_PER_THREAD;
    let size = checks.len().div_ceil(parts).min(SHARED_CHECKS_MAX);
    checks.par_chunks(size).enumerate().find_map_first(|(part, checks)| {
        let (index, error) = check_input_scripts(checks).err()?;
        Some((part * size + index, error))
    })
}

/// Which checks, as indexes, are good one by one: what [`first_bad`] leaves open once it has found one that is not.
pub(crate) fn all_good(checks: &[InputCheck<'_>]) -> Vec<usize> {
    let is_good = |index: &usize| check_input_scripts(&checks[*index..=*index]).is_ok();
    (0..checks.len()).into_par_iter().filter(is_good).collect()
}
