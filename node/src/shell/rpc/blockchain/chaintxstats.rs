//! `getchaintxstats`: how many transactions the chain holds, and how fast they came, with Core's fields.

use crate::core::Core;
use crate::shell::rpc::error::RpcError;
use crate::shell::rpc::lookup::known_block;
use crate::shell::rpc::method::Reply;
use crate::shell::rpc::method::arguments::Arguments;
use crate::shell::rpc::method::context::Context;
use serde_json::json;
use std::sync::Arc;

/// The window unless told otherwise, as many blocks as a month has.
const WINDOW_S: u32 = 30 * 24 * 60 * 60;
/// Assumed where a chain says nothing of its spacing (Core's regtest).
const SPACING_DEFAULT_S: u32 = 600;

/// `getchaintxstats ( nblocks blockhash )`.
pub async fn getchaintxstats(context: Arc<Context>, arguments: Arguments) -> Reply {
    let last = arguments.get(1).is_some().then(|| arguments.hash(1)).transpose()?;
    let asked = arguments.get(0).is_some().then(|| arguments.integer(0)).transpose()?;
    let read = move |core: &Core| -> Reply {
        let last = match last {
            Some(hash) => known_block(core, &hash)?,
            None => core.tip(),
        };
        if !last.active {
            return Err(RpcError::parameter("Block is not in main chain"));
        }
        let spacing_s = if core.spec().spacing_s == 0 { SPACING_DEFAULT_S } else { core.spec().spacing_s };
        let window = match asked {
            None => (WINDOW_S / spacing_s).min(last.height.saturating_sub(1)),
            Some(blocks) => {
                let blocks = u32::try_from(blocks).ok().filter(|blocks| *blocks == 0 || *blocks < last.height);
                blocks.ok_or_else(|| {
                    RpcError::parameter("Invalid block count: should be between 0 and the block's height - 1")
                })?
            }
        };
        let first = last.height - window;
        let active = |height| core.active_hash(height).and_then(|hash| core.summary(&hash));
        let (mut total, mut before, mut first_time_s) = (0_u64, 0, last.median_time_past_s);
        for block in (0..=last.height).filter_map(active) {
            total += u64::from(block.transactions);
            if block.height == first {
                (before, first_time_s) = (total, block.median_time_past_s);
            }
        }
        let mut stats = json!({
            "time": last.header.time,
            "txcount": total,
            "window_final_block_hash": last.hash.to_string(),
            "window_final_block_height": last.height,
            "window_block_count": window,
        });
        if window > 0 {
            let (transactions, interval_s) = (total - before, last.median_time_past_s.saturating_sub(first_time_s));
            stats["window_interval"] = json!(interval_s);
            stats["window_tx_count"] = json!(transactions);
            if interval_s > 0 {
                stats["txrate"] = json!(transactions as f64 / f64::from(interval_s));
            }
        }
        Ok(stats)
    };
    context.core.read(read).await?
}
