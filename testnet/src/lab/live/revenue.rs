//! Keeping blocks back on live nodes, as selfish, stubborn and lazy miners do: whose blocks are in the chain that everybody
//! ends with, over regeneration cycles, beside theory.
//!
//! When enough blocks have been found the attacker publishes what is secret if that wins, and nothing is read before all nodes
//! agree. The last cycle is therefore cut short; in a run of `n` blocks its bias is of the order of one cycle in `n` blocks.

use super::gamma;
use super::observer::Observer;
use super::parties::{ATTACKER, SHOP};
use super::testbed::{self, Testbed};
use super::{AttackSettings, Outcome};
use crate::lab::strategy::{self, Command};
use crate::lab::theory::estimate::{Comparison, ratio};
use anyhow::Result;
use serde_json::json;

/// Plays it and reports.
pub fn stage(settings: &AttackSettings) -> Result<Outcome> {
    let spec = testbed::chain_for(settings)?;
    testbed::check_duration(settings, &spec, f64::from(settings.blocks))?;
    let name = settings.attack.as_str();
    let asked = settings.gamma.unwrap_or(0.0);
    let strategy = ["--share", &settings.share.to_string(), "--gamma", &asked.to_string()].map(str::to_owned);
    let strategy = [&[name.to_owned()][..], &strategy].concat();
    let mut testbed = Testbed::start(settings, testbed::network_plan(settings, &spec), spec, &strategy)?;
    let blocks = settings.blocks as usize;
    testbed.wait(|testbed| Ok((testbed.observer.blocks.len() > blocks).then_some(())))?;
    testbed.control().send(&Command::Stop)?;
    let agreed = testbed.settle()?;
    let tip = testbed.observer.tip(SHOP)?.0;
    let cycles = cycles(&testbed.observer, &tip);
    let (own, all) = cycles.iter().fold((0.0, 0.0), |(own, all), cycle| (own + cycle.0, all + cycle.1));
    let found = testbed.observer.blocks.len() - 1;
    let by_attacker = testbed.observer.blocks.values().filter(|block| block.miner == ATTACKER).count();
    let mut estimate = ratio(&cycles);
    estimate.interval95 = estimate.interval95.map(|bound| bound.clamp(0.0, 1.0));
    let comparison = if cycles.len() < 2 { Comparison::CannotTell } else { estimate.compared_with(settings.share) };
    let ties = gamma::measure(&testbed.observer);
    // By the γ there was, if ties tell; without delays every tie is lost, since the honest nodes have seen their own block first.
    let gamma = if settings.gamma.is_some() && ties.runs > 0 { ties.rate() } else { asked };
    let expected = strategy::revenue_in_theory(name, settings.share, gamma);
    let [low, high] = estimate.interval95.map(|bound| 100.0 * bound);
    let verdict = format!(
        "{own} of the {all} blocks in the chain are the attacker's: {:.0} % (95 % interval {low:.0} to {high:.0} %) for {:.0} % of the \
         hash rate, {comparison} what honest mining earns; theory says {:.0} % with the γ of {gamma:.2} that there was in {} ties; of {found} blocks found, {by_attacker} by the \
         attacker, {} are not in the chain{}",
        100.0 * estimate.value,
        100.0 * settings.share,
        100.0 * expected,
        ties.runs,
        found as f64 - all,
        if agreed { "" } else { "; the nodes do not agree yet" }
    )
    .replace("cannot tell what", "too few blocks to tell from what");
    let mut outcome = testbed.finish(name, comparison == Comparison::Above, verdict)?;
    outcome.more.insert("blocks".into(), json!(found));
    outcome.more.insert("blocks_by_attacker".into(), json!(by_attacker));
    outcome.more.insert("stale_blocks".into(), json!(found as f64 - all));
    outcome.more.insert("revenue".into(), json!(estimate.value));
    outcome.more.insert("interval95".into(), json!(estimate.interval95));
    outcome.more.insert("cycles".into(), json!(cycles.len()));
    outcome.more.insert("comparison".into(), json!(comparison.to_string()));
    outcome.more.insert("matching".into(), json!(expected));
    outcome.more.insert("nodes_agree".into(), json!(agreed));
    outcome.more.insert("gamma_asked".into(), json!(settings.gamma));
    outcome.more.insert("gamma_measured".into(), json!((ties.runs > 0).then(|| ties.rate())));
    outcome.more.insert("gamma_interval95".into(), json!((ties.runs > 0).then(|| ties.interval95())));
    outcome.more.insert("ties".into(), json!(ties.runs));
    outcome.ties = ties;
    outcome.cycles = cycles;
    Ok(outcome)
}

/// The chain ending with `tip` in regeneration cycles, each with the attacker's blocks and all blocks. A cycle ends with a
/// block at whose publication nothing was secret and nothing raced with it.
fn cycles(observer: &Observer, tip: &str) -> Vec<(f64, f64)> {
    let mut cycles = Vec::new();
    let (mut own, mut all) = (0.0, 0.0);
    for (hash, block) in observer.branch(tip).into_iter().filter(|(_, block)| block.height > 0) {
        own += f64::from(u8::from(block.miner == ATTACKER));
        all += 1.0;
        let public_s = block.public_s.unwrap_or(f64::INFINITY);
        let is_open = observer.blocks.iter().any(|(other_hash, other)| {
            let is_known = other_hash != hash && other.seen_s <= public_s;
            let is_secret = other.public_s.is_none_or(|other_s| other_s > public_s);
            is_known && (is_secret || other.height >= block.height)
        });
        if !is_open {
            cycles.push((own, all));
            (own, all) = (0.0, 0.0);
        }
    }
    if all > 0.0 {
        cycles.push((own, all));
    }
    cycles
}
