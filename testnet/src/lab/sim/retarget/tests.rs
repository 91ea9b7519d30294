//! Attacks through a retarget against the formulas. Seeds are fixed, so the tests repeat themselves.

use super::*;

fn played(share: f64, gamma: f64, rule: &str, blocks: u32, runs: u32) -> (RetargetExperiment, Vec<Played>) {
    let rule = rule.parse().unwrap();
    let experiment = RetargetExperiment { strategy: "selfish".into(), share, gamma, rule, blocks };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let runs = experiment.play(&experiment.name(), runs, 3, threads).unwrap();
    (experiment, runs)
}

#[test]
fn income_is_below_honest_mining_before_the_retarget_and_above_afterwards() {
    let (experiment, runs) = played(0.4, 0.0, "epoch=200", 800, 24);
    let cycle = experiment.theory().unwrap().cycle;
    let (before, after) = (experiment.stretch(&runs, 0, MARKS / 4), experiment.stretch(&runs, MARKS / 2, MARKS));
    let z = |stretch: &Stretch, expected| stretch.income.z(expected).unwrap();
    assert!(z(&before, cycle.income_before()).abs() < 4.0, "{before:?} {cycle:?}");
    assert!(z(&after, cycle.income_after()).abs() < 4.0, "{after:?} {cycle:?}");
    assert!(before.income.interval95[1] < 0.4 && after.income.interval95[0] > 0.4, "{before:?} {after:?}");
    // Two and a half periods, each of 200 blocks.
    let measured = experiment.time_before_profit(&runs).unwrap();
    let expected = experiment.theory().unwrap().time_before_profit().unwrap();
    assert!(measured.z(expected).unwrap().abs() < 4.0, "{measured:?}, in theory {expected}");
}

#[test]
fn without_a_retarget_it_never_pays_and_with_one_each_block_soon() {
    let (experiment, runs) = played(0.4, 0.0, "none", 400, 12);
    let whole = experiment.stretch(&runs, 0, MARKS);
    let theory = experiment.theory().unwrap();
    assert!(whole.income.z(theory.income(400.0)).unwrap().abs() < 4.0, "{whole:?}");
    assert_eq!(experiment.time_before_profit(&runs), None, "{whole:?}");
    for rule in ["asert=21600", "ema=21600"] {
        let (experiment, runs) = played(0.4, 0.0, rule, 640, 24);
        let theory = experiment.theory().unwrap();
        let whole = experiment.stretch(&runs, 0, MARKS);
        assert!((whole.income.value / theory.income(640.0) - 1.0).abs() < 0.04, "{rule}: {whole:?} {theory:?}");
        // While the rule is still catching up, too: the first fifth of the chain.
        let (mark, blocks) = (MARKS / 5, f64::from(experiment.heights()[MARKS / 5 - 1]));
        let first = experiment.stretch(&runs, 0, mark);
        assert!(first.income.z(theory.income(blocks)).unwrap().abs() < 4.0, "{rule}: {first:?} {theory:?}");
        assert!(experiment.time_before_profit(&runs).is_some(), "{rule}");
    }
}

#[test]
fn a_majority_and_an_unknown_strategy_are_refused() {
    let rule = Rule::Epoch(100);
    let experiment = RetargetExperiment { strategy: "selfish".into(), share: 0.5, gamma: 0.0, rule, blocks: 100 };
    assert!(experiment.play("x", 1, 1, 1).unwrap_err().to_string().contains("0.5"));
    let experiment = RetargetExperiment { strategy: "none".into(), share: 0.3, ..experiment };
    assert!(experiment.play("x", 1, 1, 1).is_err());
}
