//! The laboratory as a library: double spends and selfish mining played in the simulator, beside their formulas.
//!
//! ```text
//! cargo run --release -p testoon --example lab
//! ```

use anyhow::Result;
use node::core::fork_rule::ForkRules;
use testnet::lab::sim::double_spend::{DoubleSpendExperiment, tally};
use testnet::lab::sim::revenue::RevenueExperiment;
use testnet::lab::strategy::double_spend::Plan;
use testnet::lab::theory::revenue::selfish;

/// All draws come from it: the same seed gives the same numbers on every machine.
const SEED: u64 = 1;
/// Threads; the result does not depend on them.
const THREADS: usize = 2;

fn main() -> Result<()> {
    println!("double spends with 30 % of the hash rate, 2,000 each");
    for confirmations in [1, 2, 3] {
        let (measured, theory) = double_spend(0.3, confirmations, 2_000)?;
        println!("  {confirmations} confirmation(s): {measured:.4}, in theory {theory:.4}");
    }
    println!("selfish mining with 40 % of the hash rate, 4,000 cycles each");
    for gamma in [0.0, 0.5, 1.0] {
        let measured = revenue(0.4, gamma, 4_000)?;
        println!("  γ = {gamma}: {measured:.4} of the chain, in theory {:.4}", selfish(0.4, gamma));
    }
    Ok(())
}

/// The measured rate of success, and the formula that matches what is played.
fn double_spend(share: f64, confirmations: u32, runs: u32) -> Result<(f64, f64)> {
    let plan = Plan { confirmations, premine: 0, give_up: Some(10), waits_for_goods: false };
    let experiment = DoubleSpendExperiment::new(share, plan)?;
    let played = tally(&experiment, &experiment.name(), runs, SEED, THREADS)?;
    Ok((played.proportion.rate(), experiment.race().success()))
}

/// The selfish miner's part of the chain.
fn revenue(share: f64, gamma: f64, cycles: u32) -> Result<f64> {
    let experiment = RevenueExperiment {
        strategy: "selfish".into(),
        share,
        gamma: Some(gamma),
        crowd: None,
        fork_rules: ForkRules::default(),
    };
    Ok(experiment.play(&experiment.name(), cycles, SEED, THREADS)?.estimate.value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_played_is_near_its_formula() {
        let (measured, theory) = double_spend(0.3, 1, 500).unwrap();
        assert!((measured - theory).abs() < 0.1, "{measured} {theory}");
        let (measured, theory) = (revenue(0.4, 0.5, 1_000).unwrap(), selfish(0.4, 0.5));
        assert!((measured - theory).abs() < 0.1, "{measured} {theory}");
    }
}
