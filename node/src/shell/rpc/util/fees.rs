//! `estimatesmartfee`: the fee rate that should bring a transaction into a block soon enough.
//!
//! Core watches how long the transactions of its mempool wait. This node looks at what was mined instead, so that it can
//! answer from the first block on, and on a chain so quiet that nothing waits: a block with room left would have taken
//! anything that is relayed, a full one asks for about what its cheapest tenth paid. Of every run of as many blocks as the
//! target has, one must have had a place; the estimate would have been enough for each run looked at, and is enough for the
//! target if what waits in the mempool now is mined first.

use crate::core::Core;
use crate::core::snapshot::Snapshot;
use crate::shell::rpc::error::RpcError;
use crate::shell::rpc::method::Reply;
use crate::shell::rpc::method::arguments::Arguments;
use crate::shell::rpc::method::context::Context;
use crate::shell::rpc::view;
use chain_spec::{Block, BlockHash, BlockUndo, ChainSpec, Encode};
use serde_json::json;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Confirmation targets that may be asked for, blocks (Core's longest horizon).
const TARGET_MAX: u32 = 1_008;
/// Blocks looked back at for a conservative estimate.
const BLOCKS_CONSERVATIVE: u32 = 144;
/// Blocks looked back at for an economical one.
const BLOCKS_ECONOMICAL: u32 = 24;
/// A block with less than so many hundredths of its size filled had room.
const FULL_PERCENT: usize = 95;
/// Blocks whose rates are remembered.
const REMEMBERED_MAX: usize = 2 * BLOCKS_CONSERVATIVE as usize;

/// What a place in each block took, in the smallest unit per 1,000 bytes; read from the store where it is not remembered.
fn rates_of(
    remembered: &Mutex<HashMap<BlockHash, u64>>,
    hashes: &[BlockHash],
    snapshot: &Snapshot,
    spec: &ChainSpec,
) -> Result<Vec<u64>, RpcError> {
    let lock = || remembered.lock().unwrap_or_else(PoisonError::into_inner);
    let mut rates = Vec::with_capacity(hashes.len());
    for hash in hashes {
        let known = lock().get(hash).copied();
        if let Some(rate) = known {
            rates.push(rate);
            continue;
        }
        let Some(block) = snapshot.block(hash)? else { continue };
        let undo = snapshot.undo(hash)?;
        let rate = place_rate(&block, undo.as_deref(), spec);
        rates.push(rate);
        let mut remembered = lock();
        if remembered.len() >= REMEMBERED_MAX {
            remembered.clear();
        }
        remembered.insert(*hash, rate);
    }
    Ok(rates)
}

/// What a place in a block took: 0 with room, else the rate that its cheapest tenth, by size, stayed below.
fn place_rate(block: &Block, undo: Option<&BlockUndo>, spec: &ChainSpec) -> u64 {
    let Some(undo) = undo else { return 0 };
    if block.encoded_len() * 100 < spec.block_size_max * FULL_PERCENT {
        return 0;
    }
    let mut paid: Vec<(u64, usize)> = Vec::new();
    for (transaction, spent) in block.transactions.iter().skip(1).zip(&undo.spent) {
        let inputs: u64 = spent.iter().map(|coin| coin.output.value.units()).sum();
        let outputs: u64 = transaction.outputs.iter().map(|output| output.value.units()).sum();
        let size = transaction.encoded_len();
        paid.push((rate(inputs.saturating_sub(outputs), size), size));
    }
    paid.sort_unstable();
    let total: usize = paid.iter().map(|(_, size)| size).sum();
    let mut below = 0;
    let reached = paid.iter().find(|(_, size)| {
        below += size;
        below * 10 >= total
    });
    reached.map_or(0, |(rate, _)| *rate)
}

fn rate(fee: u64, size: usize) -> u64 {
    fee.saturating_mul(1_000) / (size as u64).max(1)
}

/// The rate that was enough for every run of `target` blocks among those whose rates are given, the newest first.
fn enough_for_every_run(rates: &[u64], target: usize) -> u64 {
    let run = target.clamp(1, rates.len().max(1));
    rates.windows(run).filter_map(|run| run.iter().min()).max().copied().unwrap_or(0)
}

/// The rate above which so much waits in the mempool that it fills `target` blocks; 0 if all of it fits.
fn backlog_rate(core: &Core, target: u32) -> u64 {
    let room = core.spec().block_size_max.saturating_mul(target as usize);
    let pool = core.mempool();
    if pool.bytes() < room {
        return 0;
    }
    let mut waiting: Vec<(u64, usize)> = pool
        .entries()
        .map(|entry| {
            let size = entry.transaction.size();
            let with_parents = rate(entry.ancestor_fees.units(), entry.ancestor_size);
            (rate(entry.fee.units(), size).min(with_parents), size)
        })
        .collect();
    waiting.sort_unstable_by(|a, b| b.cmp(a));
    let mut before = 0;
    let reached = waiting.iter().find(|(_, size)| {
        before += size;
        before >= room
    });
    reached.map_or(0, |(rate, _)| rate + 1)
}

/// `estimatesmartfee conf_target ( estimate_mode )`.
pub async fn estimatesmartfee(context: Arc<Context>, arguments: Arguments) -> Reply {
    let target = u32::try_from(arguments.integer(0)?).ok().filter(|target| (1..=TARGET_MAX).contains(target));
    let target = target
        .ok_or_else(|| RpcError::parameter(format!("Invalid conf_target, must be between 1 and {TARGET_MAX}")))?;
    let looked_at = match arguments.optional_text(1)?.unwrap_or("economical").to_ascii_lowercase().as_str() {
        "unset" | "economical" => BLOCKS_ECONOMICAL,
        "conservative" => BLOCKS_CONSERVATIVE,
        _ => {
            let message =
                "Invalid estimate_mode parameter, must be one of: \"unset\", \"economical\", \"conservative\"";
            return Err(RpcError::parameter(message));
        }
    };
    // As in Core: what is sent now is in the block after the next at best.
    let target = target.max(2);
    let read = move |core: &Core| {
        let tip = core.tip().height;
        let back = (1..=tip).rev().take(looked_at.max(target) as usize);
        let hashes: Vec<BlockHash> = back.filter_map(|height| core.active_hash(height)).collect();
        let floor = core.mempool().fee_rate_min().max(core.config().fee_rate_min);
        (core.snapshot(), hashes, backlog_rate(core, target), floor)
    };
    let (snapshot, hashes, backlog, floor) = context.core.read(read).await?;
    if hashes.is_empty() {
        return Ok(json!({"errors": ["Insufficient data or no feerate found"], "blocks": target}));
    }
    let shared = Arc::clone(&context);
    let rates = context.run_blocking(move || rates_of(&shared.block_rates, &hashes, &snapshot, &shared.spec)).await?;
    let estimate = enough_for_every_run(&rates, target as usize).max(backlog).max(floor);
    Ok(json!({"feerate": view::fee_rate(estimate), "blocks": target}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_estimate_was_enough_in_every_run_of_as_many_blocks_as_the_target() {
        let rates = [5, 9, 0, 7, 8, 6];
        assert_eq!(enough_for_every_run(&rates, 1), 9, "every block");
        assert_eq!(enough_for_every_run(&rates, 2), 7, "of 7 and 8 the cheaper");
        assert_eq!(enough_for_every_run(&rates, 3), 6);
        assert_eq!(enough_for_every_run(&rates, 4), 0, "each four blocks have one with room");
        assert_eq!(enough_for_every_run(&rates, 1_000), 0, "fewer blocks than the target: the best of all");
        assert_eq!(enough_for_every_run(&[], 2), 0);
        // The obvious model: the least rate that some block of each run asked no more than.
        for target in 1..=6 {
            let is_enough = |rate: u64| rates.windows(target).all(|run| run.iter().any(|asked| *asked <= rate));
            let least = (0..10).find(|rate| is_enough(*rate)).unwrap();
            assert_eq!(enough_for_every_run(&rates, target), least, "target {target}");
        }
    }
}
