//! Live attacks staged again and again, each on a network of its own, and what they came to together.

use super::report::print_costs;
use crate::clock::Stopwatch;
use crate::lab::cost::Ledger;
use crate::lab::live::{AttackSettings, Outcome, campaign};
use crate::lab::sim::revenue::revenue_of;
use crate::lab::strategy;
use crate::lab::theory::estimate::{Estimate, Moments, Proportion, two_sided_p};
use crate::output::line;
use anyhow::Result;
use serde_json::{Value, json};

/// What the runs say together.
struct Together {
    what: &'static str,
    estimate: Estimate,
    theory: Option<f64>,
    z: Option<f64>,
    share_achieved: Option<f64>,
    ties: Proportion,
}

/// Stages the attack `runs` times on up to `networks` networks side by side, and prints the measured value beside theory.
pub fn run(settings: &AttackSettings, runs: u32, networks: usize) -> Result<()> {
    let clock = Stopwatch::start();
    let outcomes = campaign::repeat(settings, runs, networks)?;
    let together = together(settings, &outcomes);
    let (estimate, seconds) = (together.estimate, clock.seconds());
    let ledger = outcomes.iter().fold(Ledger::default(), |all, outcome| all.and(outcome.ledger));
    if settings.is_quiet {
        let successes = outcomes.iter().filter(|outcome| outcome.succeeded).count();
        let value = if settings.attack.is_for_revenue() { "revenue" } else { "rate" };
        let theory = together.theory.map(|theory| json!({ settings.attack.as_str(): theory }));
        line(json!({
            "attack": settings.attack.as_str(),
            "share": settings.share,
            "achieved_share": together.share_achieved,
            "gamma": settings.gamma,
            "gamma_measured": (together.ties.runs > 0).then(|| together.ties.rate()),
            "runs": outcomes.len(),
            "successes": successes,
            value: estimate.value,
            "interval95": estimate.interval95,
            "matching": together.theory,
            "theory": theory.unwrap_or(Value::Null),
            "z": together.z,
            "p": together.z.map(two_sided_p),
            "networks": networks,
            "cost": ledger.as_json(&settings.costs),
            "seconds": seconds,
        }));
        return Ok(());
    }
    let [low, high] = estimate.interval95.map(|bound| 100.0 * bound);
    line(format_args!("{} live runs of {}, {:.0} s", outcomes.len(), settings.attack.as_str(), seconds));
    line(format_args!(
        "  {:<19} {:>8.2} %   95 % interval {low:.2} to {high:.2} %",
        together.what,
        100.0 * estimate.value
    ));
    if let Some(theory) = together.theory {
        line(format_args!("  theory              {:>8.2} %", 100.0 * theory));
    }
    if let Some(z) = together.z {
        line(format_args!(
            "  z                   {z:>8.2}     standard errors between the two; chance alone is as far off with p = {:.3}",
            two_sided_p(z)
        ));
    }
    if let Some(share) = together.share_achieved {
        line(format_args!("  hash share          {:>8.2} %   {:.2} % asked", 100.0 * share, 100.0 * settings.share));
    }
    if together.ties.runs > 0 {
        let [low, high] = together.ties.interval95();
        let (rate, blocks) = (together.ties.rate(), together.ties.runs);
        line(format_args!(
            "  γ                   {rate:>8.2}     95 % interval {low:.2} to {high:.2}, from {blocks} blocks in ties"
        ));
    }
    print_costs(&ledger, &settings.costs);
    Ok(())
}

fn together(settings: &AttackSettings, outcomes: &[Outcome]) -> Together {
    let ties = outcomes.iter().fold(Proportion::default(), |all, outcome| all.and(outcome.ties));
    let shares: Vec<f64> = outcomes.iter().filter_map(|outcome| outcome.share_achieved).collect();
    let share_achieved = (!shares.is_empty()).then(|| shares.iter().sum::<f64>() / shares.len() as f64);
    if settings.attack.is_for_revenue() {
        let moments: Moments = outcomes.iter().flat_map(|outcome| outcome.cycles.iter().copied()).collect();
        let estimate = revenue_of(&moments);
        // By the γ there was, where delays made it.
        let gamma = if settings.gamma.is_some() && ties.runs > 0 { ties.rate() } else { 0.0 };
        let theory = strategy::revenue_in_theory(settings.attack.as_str(), settings.share, gamma);
        let z = estimate.z(theory);
        return Together { what: "revenue", estimate, theory: Some(theory), z, share_achieved, ties };
    }
    let successes = outcomes.iter().filter(|outcome| outcome.succeeded).count() as u32;
    let proportion = Proportion { runs: outcomes.len() as u32, successes };
    let theory = settings.theory();
    let z = theory.and_then(|theory| proportion.z(theory));
    Together { what: "succeeded", estimate: proportion.estimate(), theory, z, share_achieved, ties }
}
