//! `--prune` and `--fastprune`.

use super::UsageError;
use crate::cli::options::Options;
use crate::core::{Config, Prune};
use crate::shell::store::StoreConfig;

/// Least target, MiB (Core: `MIN_DISK_SPACE_FOR_BLOCK_FILES`): 288 blocks of the largest size, what is being written, undo data.
const TARGET_MIB_MIN: u64 = 550;
/// The same with `--fastprune`.
const FAST_TARGET_MIB_MIN: u64 = 2;
/// Bytes of a block file with `--fastprune` (Core's).
const FAST_FILE_BYTES: u64 = 64 << 10;
/// Blocks that a chain must have with `--fastprune` (Core's for regtest).
const FAST_AFTER_HEIGHT: u32 = 100;

/// How large block and undo files become, bytes.
pub(super) fn file_bytes_max(options: &Options) -> u64 {
    if options.fastprune.unwrap_or(false) { FAST_FILE_BYTES } else { StoreConfig::default().file_bytes_max }
}

/// What is deleted, and how long a chain must be for it.
pub(super) fn config(options: &Options) -> Result<(Prune, u32), UsageError> {
    let is_fast = options.fastprune.unwrap_or(false);
    let after_height = if is_fast { FAST_AFTER_HEIGHT } else { Config::default().prune_after_height };
    let mib_min = if is_fast { FAST_TARGET_MIB_MIN } else { TARGET_MIB_MIN };
    let prune = match options.prune.unwrap_or(0) {
        0 => return Ok((Prune::Off, after_height)),
        1 => Prune::Manual,
        mib if mib < mib_min => {
            return Err(UsageError(format!(
                "--prune {mib}: must be 0 (off), 1 (when pruneblockchain says so), or at least {mib_min} MiB"
            )));
        }
        mib => Prune::Target(mib.saturating_mul(1 << 20)),
    };
    let incompatible = [("--txindex", options.txindex), ("--txospenderindex", options.txospenderindex)];
    match incompatible.into_iter().find(|(_, is_on)| is_on.unwrap_or(false)) {
        Some((index, _)) => Err(UsageError(format!(
            "--prune cannot be used with {index}, which reads old blocks; leave one of them out"
        ))),
        None => Ok((prune, after_height)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_those_of_core_and_indexes_of_old_blocks_are_refused() {
        let options =
            |prune, fastprune| Options { prune: Some(prune), fastprune: Some(fastprune), ..Options::default() };
        for (mib, expected) in [(0, Prune::Off), (1, Prune::Manual), (550, Prune::Target(550 << 20))] {
            assert_eq!(config(&options(mib, false)).unwrap(), (expected, 1_000), "{mib}");
        }
        assert_eq!(config(&options(2, true)).unwrap(), (Prune::Target(2 << 20), 100));
        for (mib, is_fast) in [(2, false), (549, false)] {
            assert!(config(&options(mib, is_fast)).unwrap_err().0.contains("at least 550 MiB"), "{mib}");
        }
        let with_index = Options { txindex: Some(true), ..options(550, false) };
        assert!(config(&with_index).unwrap_err().0.contains("--txindex"));
        let with_index = Options { txospenderindex: Some(true), ..options(1, false) };
        assert!(config(&with_index).unwrap_err().0.contains("--txospenderindex"));
        assert!(config(&Options { txindex: Some(true), ..options(0, false) }).is_ok());
    }
}
