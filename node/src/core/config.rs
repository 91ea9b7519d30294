//! Bounds and options of a core. Vocabulary floor, above the [`fork_rule`](super::fork_rule)s.

use super::fork_rule::ForkRules;

/// Whether old blocks are deleted (`--prune`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Prune {
    /// All blocks are kept.
    #[default]
    Off,
    /// They are deleted when an operator says so (`pruneblockchain`).
    Manual,
    /// They are also deleted whenever blocks and undo data take more than this, bytes.
    Target(u64),
}

/// Bounds and options of a core.
#[derive(Clone, Debug)]
pub struct Config {
    /// Coin cache before it is flushed, bytes of memory (`--dbcache`).
    pub coin_cache_bytes_max: usize,
    /// Mempool, bytes of memory (`--maxmempool`).
    pub mempool_bytes_max: usize,
    /// Lowest fee rate accepted into the mempool, units per 1,000 bytes (`--minrelaytxfee`).
    pub fee_rate_min: u64,
    /// Headers without a body that are kept beside the best header chain, headers of some 240 bytes.
    pub headers_aside_max: usize,
    /// Tells this core from others: keys its hash maps and tags its coinbases. The simulator gives its own.
    pub seed: u64,
    /// What else decides between two branches than their work; nothing, unless the operator wants to try a defence.
    pub fork_rules: ForkRules,
    /// Whether old blocks are deleted.
    pub prune: Prune,
    /// A shorter chain is not pruned, blocks (Core: `nPruneAfterHeight`).
    pub prune_after_height: u32,
}

/// 450 MiB of coins, 300 MB of transactions, 1,000 units per 1,000 bytes: Core's classic defaults. 50,000 headers aside.
impl Default for Config {
    fn default() -> Config {
        Config {
            coin_cache_bytes_max: 450 << 20,
            mempool_bytes_max: 300_000_000,
            fee_rate_min: 1_000,
            headers_aside_max: 50_000,
            seed: 0,
            fork_rules: ForkRules::default(),
            prune: Prune::Off,
            prune_after_height: 1_000,
        }
    }
}
