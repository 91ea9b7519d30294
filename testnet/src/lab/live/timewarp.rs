//! Timewarp on live nodes: targets grow period by period although the hash rate stays as it is.

use super::parties::SHOP;
use super::testbed::{self, Testbed};
use super::{AttackSettings, Outcome};
use crate::error::usage;
use crate::lab::strategy::Command;
use crate::lab::strategy::timewarp::Timewarp;
use crate::lab::theory::timewarp::Timewarp as Easing;
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
pub fn stage(settings: &AttackSettings) -> Result<Outcome> {
    let mut spec = testbed::chain_for(settings)?;
    if settings.chain.is_none() {
        spec.retarget = Retarget::Epoch { interval: INTERVAL };
        spec.bip94 = false;
    }
    Timewarp::new(&spec).map_err(usage)?;
    let Retarget::Epoch { interval } = spec.retarget else { return Err(anyhow!("the chain has no periods")) };
    testbed::check_duration(settings, &spec, f64::from(interval) * PERIODS as f64)?;
    let plan = testbed::network_plan(settings, &spec);
    let mut testbed = Testbed::start(settings, plan, spec.clone(), &["timewarp".to_owned()])?;
    let end = u64::from(interval) * PERIODS;
    let mut told = 0;
    testbed.wait(|testbed| {
        let (tip, height) = testbed.observer.tip(SHOP)?;
        let period = height / u64::from(interval);
        if period > told {
            told = period;
            let bits = testbed.observer.blocks[&tip].bits.clone();
            testbed.narrate(
                &bits,
                &format!("period {period} begins: compact target {bits}, difficulty {:.3e}", difficulty(&bits, &spec)),
            )?;
        }
        Ok((height >= end).then_some(()))
    })?;
    testbed.control().send(&Command::Stop)?;
    let agreed = testbed.settle()?;
    let tip = testbed.observer.tip(SHOP)?.0;
    let branch = testbed.observer.branch(&tip);
    let bits = |height: u64| branch.get(height as usize).map(|(_, block)| block.bits.clone()).unwrap_or_default();
    let (first, last) = (bits(1), bits(end));
    let easier = difficulty(&first, &spec) / difficulty(&last, &spec);
    let seen_s = |height: u64| branch.get(height as usize).map_or(0.0, |(_, block)| block.seen_s);
    let real_s = seen_s(end) - seen_s(1);
    // The last header of the first period is the first that tells the true time.
    let true_time = u64::from(interval) - 1;
    let time = branch.get(true_time as usize).map_or(0, |(_, block)| block.time);
    let theory = Easing {
        share: settings.share,
        interval,
        spacing_s: spec.spacing_s,
        age_s: time as f64 - f64::from(spec.genesis.header.time) - seen_s(true_time),
        easier_max: difficulty(&first, &spec) / spec.target_limit.difficulty(),
    };
    let expected = theory.easier(PERIODS as u32);
    let succeeded = easier >= EASIER_MIN;
    let verdict = format!(
        "after {PERIODS} periods blocks are {easier:.2} times as easy as at first, at the same hash rate; theory says {expected:.2} \
         times; {} blocks took {real_s:.0} s{}",
        end - 1,
        if agreed { "" } else { "; the nodes do not agree yet" }
    );
    let mut outcome = testbed.finish("timewarp", succeeded, verdict)?;
    outcome.more.insert("easier".into(), json!(easier));
    outcome.more.insert("matching".into(), json!(expected));
    outcome.more.insert("nodes_agree".into(), json!(agreed));
    outcome.more.insert("bits_first".into(), json!(first));
    outcome.more.insert("bits_last".into(), json!(last));
    Ok(outcome)
}

/// Bitcoin's difficulty of a compact target as RPC writes it; that of the chain's limit where the text is none.
fn difficulty(bits: &str, spec: &ChainSpec) -> f64 {
    let target = u32::from_str_radix(bits, 16).ok().and_then(|bits| CompactTarget::from_bits(bits).to_target());
    target.unwrap_or(spec.target_limit).difficulty()
}
