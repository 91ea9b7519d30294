//! What a live attack cost, by the attacker's own hash counter and by what the nodes tell of blocks.

use super::observer::Observer;
use super::parties::{ATTACKER, SHOP};
use crate::lab::cost::Ledger;
use anyhow::{Result, anyhow};
use chain_spec::CompactTarget;
use std::collections::BTreeMap;

/// What the attacker did since the testbed began, by every miner's hashes. A block is as much work as one took on average, and the chain
/// that counts is the shop's. Whether it `succeeded` is none where there is no goal but revenue.
///
/// # Errors
/// A node told of a block without a target.
pub fn ledger(observer: &Observer, hashes: &BTreeMap<String, u64>, succeeded: Option<bool>) -> Result<Ledger> {
    let blocks: Vec<_> = observer.blocks.values().filter(|block| block.height > 0).collect();
    let mut work = 0.0;
    for block in &blocks {
        let bits = u32::from_str_radix(&block.bits, 16).ok().map(CompactTarget::from_bits);
        let target = bits.and_then(CompactTarget::to_target);
        work += target.ok_or_else(|| anyhow!("a node told of a block with target {:?}", block.bits))?.work().to_f64();
    }
    let in_blocks = |hashes: u64| if work > 0.0 { hashes as f64 * blocks.len() as f64 / work } else { 0.0 };
    let found = blocks.iter().filter(|block| block.miner == ATTACKER).count() as u64;
    let mut chain = observer.branch(&observer.tip(SHOP)?.0);
    chain.retain(|(_, block)| block.height > 0);
    let kept = chain.iter().filter(|(_, block)| block.miner == ATTACKER).count();
    Ok(Ledger {
        runs: 1,
        successes: succeeded.map(u64::from),
        work: in_blocks(hashes.get(ATTACKER).copied().unwrap_or(0)),
        spacings: in_blocks(hashes.values().sum()),
        found,
        kept: kept as u64,
        others_lost: (blocks.len() - found as usize - (chain.len() - kept)) as u64,
    })
}
