//! Attacks on real nodes: every node a process, every fact read back over RPC.
//!
//! [`scene`] starts the network and its attacker, [`node`] is the attacker's process, [`orders`] how the lab talks to it,
//! [`watch`] reads all nodes and knows who had which block when, [`picture`] draws it. One file an attack tells its story.

pub mod double_spend;
pub mod eclipse;

pub mod control;
pub mod observer;
pub mod picture;
pub mod revenue;
pub mod suppress;
pub mod testbed;
pub mod timewarp;

use crate::cli::Common;
use crate::cli::attack::{AttackArgs, AttackName};
use crate::output::line;
use serde_json::Value;
use std::collections::BTreeMap;

/// What an attack came to. Fields that mean nothing for an attack are `null` in its JSON.
#[derive(Debug, Default, serde::Serialize)]
pub struct Outcome {
    /// Its name on the command line.
    pub attack: String,
    /// The attacker's share of the hash rate, as asked for.
    pub share_asked: f64,
    /// The part of all hashes that he did while it lasted.
    pub share_achieved: Option<f64>,
    /// Confirmations the shop waits for.
    pub confirmations: Option<u32>,
    /// The payment the shop saw.
    pub paid_txid: Option<String>,
    /// The transaction that spends the same coins.
    pub conflicting_txid: Option<String>,
    /// Height of the shop's tip when it shipped.
    pub shipped_at_height: Option<u64>,
    /// The deepest reorganisation of each honest node, in blocks.
    pub reorg_depth: BTreeMap<String, u64>,
    /// The shop's confirmed balance before the secret branch came out, in coins.
    pub shop_balance_before: Option<Value>,
    /// And after.
    pub shop_balance_after: Option<Value>,
    /// Whether the attack reached its aim, by the honest nodes' word.
    pub succeeded: bool,
    /// From command to verdict.
    pub seconds: f64,
    /// Why, in one sentence.
    pub verdict: String,
    /// What this attack measures besides.
    #[serde(flatten)]
    pub more: BTreeMap<String, Value>,
}

/// Stages an attack and prints what happened.
pub fn run(args: &AttackArgs, common: &Common) -> anyhow::Result<()> {
    let mut outcome = match args.name {
        AttackName::DoubleSpend => double_spend::stage(args, common),
        AttackName::Censor | AttackName::Halt => suppress::stage(args, common),
        AttackName::Selfish | AttackName::Lazy => revenue::stage(args, common),
        AttackName::Eclipse => eclipse::stage(args, common),
        AttackName::Timewarp => timewarp::stage(args, common),
    }?;
    outcome.seconds = (outcome.seconds * 1e3).round() / 1e3;
    if common.json {
        line(serde_json::to_string(&outcome)?);
    } else {
        line(format_args!(
            "\n{}: {}",
            if outcome.succeeded { "The attack succeeded" } else { "The attack failed" },
            outcome.verdict
        ));
        for (node, depth) in &outcome.reorg_depth {
            line(format_args!("  deepest reorganisation of {node}: {depth} block(s)"));
        }
        if let Some(share) = outcome.share_achieved {
            line(format_args!(
                "  hash share: {:.1} % achieved, {:.1} % asked",
                100.0 * share,
                100.0 * outcome.share_asked
            ));
        }
        line(format_args!("  {:.1} s", outcome.seconds));
    }
    Ok(())
}
