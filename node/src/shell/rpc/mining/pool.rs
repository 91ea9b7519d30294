//! `getpoolinfo`: the pool's workers, blocks and balances.

use crate::shell::clock;
use crate::shell::rpc::error::RpcError;
use crate::shell::rpc::method::Reply;
use crate::shell::rpc::method::arguments::Arguments;
use crate::shell::rpc::method::context::Context;
use crate::shell::rpc::view;
use crate::shell::stratum::account::{Counts, Worker};
use crate::shell::stratum::books::FoundBlock;
use crate::shell::stratum::payout::User;
use crate::shell::stratum::pool::{Pool, Status};
use chain_spec::Amount;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Blocks that are shown, newest first.
const BLOCKS_SHOWN: usize = 50;

/// `getpoolinfo`.
pub async fn getpoolinfo(context: Arc<Context>, _: Arguments) -> Reply {
    let pool =
        context.pool.as_ref().ok_or_else(|| RpcError::misc("this node runs no pool; start it with --stratum"))?;
    let now_ms = clock::now().0;
    let status = pool.status(now_ms / 1_000);
    let (config, terms) = (pool.config(), &pool.config().terms);
    let address = |user: &User| user.address(pool.spec()).to_string();
    let mut rates = [0.0; 3];
    let mut total = Counts::default();
    for (_, worker) in &status.workers {
        total.add_all(&worker.counts);
        rates.iter_mut().zip(worker.rates.per_second(now_ms)).for_each(|(sum, rate)| *sum += rate);
    }
    let job = pool.job();
    Ok(json!({
        "operator": address(&terms.operator),
        "payout": terms.scheme.name(),
        "window": config.window,
        "window_hashes": status.window as f64,
        "fee_percent": f64::from(terms.fee_basis_points) / 100.0,
        "outputs_max": terms.outputs_max,
        "connections": pool.figures().connections.load(Ordering::Relaxed),
        "bans": pool.figures().bans.load(Ordering::Relaxed),
        "accepting": pool.check_open().is_ok(),
        "job": job.map(|job| json!({
            "height": job.height,
            "previousblockhash": job.previous().to_string(),
            "difficulty": job.difficulty.value(),
            "value": view::amount(job.reward),
        })),
        "shares": counts(&total),
        "hashrate": hash_rate(rates),
        "workers": status.workers.iter().map(|(name, entry)| worker(pool, name, entry, now_ms)).collect::<Value>(),
        "users": users(pool, &status),
        "blocks_found": status.blocks_total,
        "blocks": status.blocks.iter().take(BLOCKS_SHOWN).map(|block| found(pool, block)).collect::<Value>(),
    }))
}

fn counts(counts: &Counts) -> Value {
    json!({
        "accepted": counts.accepted,
        "stale": counts.stale,
        "rejected": counts.rejected,
        "hashes": counts.work as f64,
    })
}

fn hash_rate([one, five, sixty]: [f64; 3]) -> Value {
    json!({"1m": one, "5m": five, "60m": sixty})
}

fn worker(pool: &Pool, name: &str, worker: &Worker, now_ms: u64) -> Value {
    json!({
        "worker": name,
        "address": worker.user.address(pool.spec()).to_string(),
        "connections": worker.connections,
        "agent": worker.agent,
        "difficulty": worker.difficulty,
        "best_difficulty": worker.best,
        "last_share": worker.last_share_ms / 1_000,
        "shares": counts(&worker.counts),
        "hashrate": hash_rate(worker.rates.per_second(now_ms)),
    })
}

/// Everybody who has work that counts, or a balance.
fn users(pool: &Pool, status: &Status) -> Value {
    let total: u128 = status.weights.values().sum();
    let names: std::collections::BTreeSet<&User> = status.weights.keys().chain(status.balances.keys()).collect();
    let user = |user: &User| {
        let weight = status.weights.get(user).copied().unwrap_or(0);
        let balance = status.balances.get(user).copied().unwrap_or(0);
        json!({
            "address": user.address(pool.spec()).to_string(),
            "share": if total > 0 { weight as f64 / total as f64 } else { 0.0 },
            "balance": signed(balance),
        })
    };
    names.into_iter().map(user).collect()
}

/// Whole units as coins, which may be below zero.
fn signed(units: i64) -> Value {
    let amount = Amount::from_units(units.unsigned_abs()).to_string();
    let text = if units < 0 { format!("-{amount}") } else { amount };
    // Digits and a point are a JSON number as they are.
    serde_json::from_str(&text).unwrap_or(Value::Null)
}

fn found(pool: &Pool, block: &FoundBlock) -> Value {
    let paid = |(user, amount): &(User, Amount)| json!({"address": user.address(pool.spec()).to_string(), "amount": view::amount(*amount)});
    json!({
        "height": block.height,
        "hash": block.hash.to_string(),
        "time": block.found_s,
        "worker": block.worker,
        "in_chain": block.is_active,
        "outputs": block.plan.outputs.iter().map(paid).collect::<Value>(),
    })
}
