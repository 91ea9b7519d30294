//! Block templates: what a miner should hash next.

use chain_spec::{Amount, Block, CheckedTransaction, CompactTarget};
use std::sync::Arc;

/// A block that lacks only its proof of work. Its coinbase script ends in eight zero bytes of extranonce.
#[derive(Clone, Debug)]
pub struct Template {
    /// The block: header with time, target and Merkle root filled in, coinbase first.
    pub block: Block,
    /// Its height.
    pub height: u32,
    /// What the transactions leave to the miner; the coinbase pays this and the subsidy.
    pub fees: Amount,
    /// The coinbase's value: subsidy and fees.
    pub coinbase_value: Amount,
    /// Earliest time the header may carry, Unix seconds.
    pub min_time_s: u32,
    /// The target the header must carry (also in `block.header.bits`).
    pub bits: CompactTarget,
    /// Signature operations of each transaction of the block by Bitcoin's legacy count, the coinbase's first.
    pub signature_operations: Vec<u32>,
    /// The transactions after the coinbase, in block order.
    pub transactions: Vec<TemplateTransaction>,
}

/// One transaction of a template, as `getblocktemplate` describes it.
#[derive(Clone, Debug)]
pub struct TemplateTransaction {
    /// The transaction.
    pub transaction: Arc<CheckedTransaction>,
    /// What it leaves to the miner.
    pub fee: Amount,
    /// By Bitcoin's legacy count.
    pub signature_operations: u32,
    /// Earlier transactions of this block that it spends from: positions in the block, so 1 is the first after the coinbase.
    pub depends: Vec<u32>,
}
