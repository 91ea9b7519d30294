//! `testoon attack … --sim --retarget RULE`: what keeping blocks back earns while the difficulty follows, stretch by stretch, and how
//! long it takes to earn what honest mining would have.

use super::{AttackArgs, report};
use crate::clock::Stopwatch;
use crate::lab::cost::Ledger;
use crate::lab::sim::contest::SPACING_S;
use crate::lab::sim::retarget::{MARKS, Played, RetargetExperiment, Stretch};
use crate::lab::theory::estimate::two_sided_p;
use crate::lab::theory::retarget::{Profit, Rule};
use crate::output::line;
use anyhow::Result;
use serde_json::{Value, json};

/// Networks, unless asked otherwise.
const RUNS_DEFAULT: u32 = 20;
/// Blocks of the chain, unless asked otherwise: four of Bitcoin's periods.
const BLOCKS_DEFAULT: u32 = 4 * 2_016;
/// Stretches that the report has.
const STRETCHES: usize = 8;
/// Seconds in a day.
const DAY_S: f64 = 86_400.0;

/// A stretch beside what theory says of it.
struct Row {
    stretch: Stretch,
    theory: Option<f64>,
}

impl Row {
    fn z(&self) -> Option<f64> {
        self.theory.and_then(|theory| self.stretch.income.z(theory))
    }

    fn as_json(&self) -> Value {
        let income = self.stretch.income;
        json!({
            "blocks": self.stretch.blocks,
            "time": self.stretch.time,
            "income": income.value,
            "interval95": income.interval95,
            "theory": self.theory,
            "z": self.z(),
        })
    }

    fn text(&self, share: f64) -> String {
        let income = self.stretch.income;
        let [low, high] = income.interval95;
        let theory = self.theory.map_or_else(String::new, |theory| format!("{theory:.4}"));
        let z = self.z().map_or_else(String::new, |z| format!("{z:+.2}"));
        format!(
            "  {:>8} {:>9.1} {:>10.4}  {low:.4} to {high:.4} {theory:>9} {z:>7} {:>+9.2} %",
            self.stretch.blocks,
            self.stretch.time * f64::from(SPACING_S) / DAY_S,
            income.value,
            100.0 * (income.value / share - 1.0)
        )
    }
}

/// The stretches between evenly spaced marks.
fn rows(experiment: &RetargetExperiment, played: &[Played], theory: Option<&Profit>) -> Vec<Row> {
    let step = MARKS / STRETCHES;
    let heights = experiment.heights();
    (0..STRETCHES)
        .map(|number| {
            let (from, to) = (number * step, (number + 1) * step);
            let begin = from.checked_sub(1).map_or(0.0, |mark| f64::from(heights[mark]));
            let end = f64::from(heights[to - 1]);
            let income =
                |profit: &Profit| profit.cycle.income_after() * (end - begin) / (profit.time(end) - profit.time(begin));
            Row { stretch: experiment.stretch(played, from, to), theory: theory.map(income) }
        })
        .collect()
}

/// Plays and prints.
pub fn run(args: &AttackArgs, rule: Rule, json: bool) -> Result<()> {
    let experiment = RetargetExperiment {
        strategy: args.name.as_str().into(),
        share: args.share(),
        gamma: args.gamma.unwrap_or(0.0),
        rule,
        blocks: args.blocks.unwrap_or(BLOCKS_DEFAULT).max(MARKS as u32),
    };
    let stopwatch = Stopwatch::start();
    let runs = args.runs.unwrap_or(RUNS_DEFAULT);
    let played = experiment.play(&args.experiment(experiment.name()), runs, args.seed(), args.threads())?;
    let seconds = stopwatch.seconds();
    let theory = experiment.theory();
    let rows = rows(&experiment, &played, theory.as_ref());
    let measured = experiment.time_before_profit(&played);
    let expected = theory.as_ref().and_then(Profit::time_before_profit);
    let ledger = played.iter().fold(Ledger::default(), |all, run| all.and(run.ledger));
    let costs = args.costs.networks()?;
    if json {
        let z = measured.zip(expected).and_then(|(measured, expected)| measured.z(expected));
        line(json!({
            "attack": args.name.as_str(),
            "share": experiment.share,
            "gamma": experiment.gamma,
            "retarget": rule.to_string(),
            "blocks": experiment.blocks,
            "runs": runs,
            "seed": args.seed(),
            "spacing_s": SPACING_S,
            "stretches": rows.iter().map(Row::as_json).collect::<Vec<_>>(),
            "income_before": theory.map(|theory| theory.cycle.income_before()),
            "income_after": theory.map(|theory| theory.cycle.income_after()),
            "slowdown": theory.map(|theory| theory.cycle.slowdown()),
            "time_before_profit": measured.map(|measured| measured.value),
            "time_before_profit_interval95": measured.map(|measured| measured.interval95),
            "time_before_profit_theory": expected,
            "z": z,
            "p": z.map(two_sided_p),
            "cost": ledger.as_json(&costs),
            "seconds": seconds,
        }));
        return Ok(());
    }
    line(format_args!(
        "{} with {:.1} % of the hash rate, γ = {:.4}, retarget {rule}: {runs} chains of {} blocks, one in {SPACING_S} s",
        experiment.strategy,
        100.0 * experiment.share,
        experiment.gamma,
        experiment.blocks
    ));
    line("  income is block rewards for each block time; honest mining would earn the share\n");
    line("  to block      days     income  95 % interval       theory       z   over honest");
    rows.iter().for_each(|row| line(row.text(experiment.share)));
    if let Some(theory) = &theory {
        line(format_args!(
            "\n  in theory {:.4} before the difficulty follows and {:.4} afterwards (Grunspan and Pérez-Marco 2018)",
            theory.cycle.income_before(),
            theory.cycle.income_after()
        ));
    }
    let days = |time: f64| time * f64::from(SPACING_S) / DAY_S;
    match measured {
        Some(time) => {
            let [low, high] = time.interval95.map(days);
            line(format_args!(
                "  it has earned what honest mining would have after {:.1} days (95 % interval {low:.1} to {high:.1})",
                days(time.value)
            ));
        }
        None => line("  at the end it has not earned what honest mining would have"),
    }
    match expected {
        Some(time) => line(format_args!("  in theory after {:.1} days", days(time))),
        None => line("  in theory it never does"),
    }
    report::print_costs(&ledger, &costs);
    line(format_args!(
        "  {seconds:.2} s, {:.0} blocks of the chain a second on {} thread(s)",
        f64::from(runs) * f64::from(experiment.blocks) / seconds,
        args.threads()
    ));
    Ok(())
}
