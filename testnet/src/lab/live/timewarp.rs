//! Timewarp on live nodes: targets grow period by period although the hash rate stays as it is.

use super::Outcome;
use super::picture;
use super::testbed::{self, SHOP, Scene};
use crate::cli::Common;
use crate::cli::attack::AttackArgs;
use crate::error::usage;
use crate::lab::strategy::timewarp::Timewarp;
use anyhow::{Result, anyhow};
use chain_spec::spec::Retarget;
use chain_spec::{ChainSpec, CompactTarget};
use serde_json::json;

/// Blocks in a period of the lab's own chain: short, so that people can watch it happen.
const INTERVAL: u32 = 12;
/// Periods until the verdict.
const PERIODS: u64 = 3;
/// The attack has worked when blocks have become this many times easier.
const EASIER_MIN: f64 = 2.0;

/// Plays it and reports. Refuses a chain on which it cannot work.
pub fn stage(args: &AttackArgs, common: &Common) -> Result<Outcome> {
    let mut spec = testbed::chain_for(args)?;
    if args.chain.is_none() {
        spec.retarget = Retarget::Epoch { interval: INTERVAL };
        spec.bip94 = false;
    }
    Timewarp::new(&spec).map_err(usage)?;
    let Retarget::Epoch { interval } = spec.retarget else { return Err(anyhow!("the chain has no periods")) };
    let plan = testbed::cast(args, &spec);
    let mut scene = Scene::start(args, common, plan, spec.clone(), &["timewarp".to_owned()])?;
    scene.say(&picture::heading());
    let end = u64::from(interval) * PERIODS;
    let mut told = 0;
    scene.wait(|scene| {
        let (tip, height) = scene.watch.tip(SHOP)?;
        let period = height / u64::from(interval);
        if period > told {
            told = period;
            let bits = scene.watch.blocks[&tip].bits.clone();
            scene.tell(
                &bits,
                &format!("period {period} begins: compact target {bits}, difficulty {:.3e}", difficulty(&bits, &spec)),
            );
        }
        Ok((height >= end).then_some(()))
    })?;
    let tip = scene.watch.tip(SHOP)?.0;
    let branch = scene.watch.branch(&tip);
    let bits = |index: usize| branch.get(index).map(|(_, block)| block.bits.clone()).unwrap_or_default();
    let (first, last) = (bits(1), bits(branch.len() - 1));
    let easier = difficulty(&first, &spec) / difficulty(&last, &spec);
    let real_s =
        branch.last().map_or(0.0, |(_, block)| block.seen_s) - branch.get(1).map_or(0.0, |(_, block)| block.seen_s);
    let succeeded = easier >= EASIER_MIN;
    let verdict = format!(
        "after {PERIODS} periods blocks are {easier:.2} times as easy as at first, at the same hash rate; {} blocks took {real_s:.0} s",
        branch.len().saturating_sub(2)
    );
    let mut outcome = scene.finish("timewarp", succeeded, verdict)?;
    outcome.more.insert("easier".into(), json!(easier));
    outcome.more.insert("bits_first".into(), json!(first));
    outcome.more.insert("bits_last".into(), json!(last));
    Ok(outcome)
}

/// Bitcoin's difficulty of a compact target as RPC writes it; that of the chain's limit where the text is none.
fn difficulty(bits: &str, spec: &ChainSpec) -> f64 {
    let target = u32::from_str_radix(bits, 16).ok().and_then(|bits| CompactTarget::from_bits(bits).to_target());
    target.unwrap_or(spec.target_limit).difficulty()
}
