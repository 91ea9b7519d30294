//! Simulated and repeated attacks, played and printed: the measured value with its interval, beside theory.

use super::AttackArgs;
use crate::clock::Stopwatch;
use crate::lab::attack::Attack;
use crate::lab::cost::{Ledger, Network};
use crate::lab::live::campaign::Campaign;
use crate::lab::sim::double_spend::{DoubleSpendExperiment, tally};
use crate::lab::sim::partition::PartitionExperiment;
use crate::lab::sim::revenue::RevenueExperiment;
use crate::lab::sim::suppression::SuppressionExperiment;
use crate::lab::sim::undo::UndoExperiment;
use crate::lab::strategy;
use crate::lab::theory::double_spend::helped::with_bribes;
use crate::lab::theory::double_spend::{nakamoto, rosenfeld};
use crate::lab::theory::estimate::{Comparison, Proportion, two_sided_p};
use crate::lab::theory::revenue::{self, LENGTH_MAX, Process};
use crate::lab::theory::suppression::Suppression;
use crate::output::line;
use anyhow::Result;
use serde_json::{Map, Value, json};

/// Plays double spends in the simulator.
pub fn double_spend(args: &AttackArgs, json: bool) -> Result<()> {
    let played = DoubleSpendExperiment::new(args.share(), args.plan())?
        .in_crowd(args.crowd.crowd()?)
        .defended_by(args.fork_rules())
        .with_bribes(args.bribed.unwrap_or(0.0));
    let stopwatch = Stopwatch::start();
    let tally = tally(&played, &args.experiment(played.name()), args.runs(), args.seed(), args.threads())?;
    let seconds = stopwatch.seconds();
    let (plan, proportion) = (args.plan(), tally.proportion);
    let matching = args.bribed.map_or_else(|| played.race().success(), |bribed| with_bribes(&played.race(), bribed));
    // Bribed miners' work is drawn as the attacker's, and is no cost to anybody.
    let cost = args.bribed.is_none().then_some(tally.ledger);
    let costs = args.costs.networks()?;
    if json {
        line(json!({
            "attack": args.name.as_str(),
            "share": args.share(),
            "confirmations": plan.confirmations,
            "premine": plan.premine,
            "give_up": plan.give_up,
            "seed": args.seed(),
            "runs": proportion.runs,
            "successes": proportion.successes,
            "rate": proportion.rate(),
            "interval95": proportion.interval95(),
            "matching": matching,
            "z": proportion.z(matching),
            "p": proportion.z(matching).map(two_sided_p),
            "rosenfeld": rosenfeld(args.share(), plan.confirmations),
            "nakamoto": nakamoto(args.share(), plan.confirmations),
            "trace_hash": tally.trace_hash,
            "bribed": args.bribed,
            "cost": cost.map(|ledger| ledger.as_json(&costs)),
            "seconds": seconds,
        }));
        return Ok(());
    }
    let bribes =
        args.bribed.map_or_else(String::new, |part| format!("; {:.1} % of the others can be bribed", 100.0 * part));
    line(format_args!(
        "{} double spends with {:.1} % of the hash rate against {} confirmation(s), {} block(s) in advance, giving up {} behind{bribes}",
        proportion.runs,
        100.0 * args.share(),
        plan.confirmations,
        plan.premine,
        plan.give_up.unwrap_or_default()
    ));
    let assumption = match args.bribed {
        Some(_) => "a tie wins nothing; once the shop has shipped, the bribed help",
        None => "a tie wins nothing, and the attacker gives up",
    };
    print_rate(&proportion, matching, assumption);
    print_textbooks(args);
    if let Some(ledger) = cost {
        print_costs(&ledger, &costs);
    }
    line(format_args!("  trace hash          {}", tally.trace_hash));
    print_speed(seconds, f64::from(proportion.runs), "runs", args.threads());
    Ok(())
}

/// Plays double spends in the simulator by importance sampling.
pub fn rare(args: &AttackArgs, json: bool) -> Result<()> {
    let played = DoubleSpendExperiment::new(args.share(), args.plan())?
        .in_crowd(args.crowd.crowd()?)
        .defended_by(args.fork_rules());
    let stopwatch = Stopwatch::start();
    let name = args.experiment(format!("importance sampling {}", played.name()));
    let result = played.play_weighted(&name, args.seed(), args.threads(), &args.until())?;
    let seconds = stopwatch.seconds();
    let (plan, estimate, matching) = (args.plan(), result.estimate(), played.race().success());
    let z = estimate.z(matching);
    if json {
        line(json!({
            "attack": args.name.as_str(),
            "method": "importance sampling",
            "share": args.share(),
            "confirmations": plan.confirmations,
            "premine": plan.premine,
            "give_up": plan.give_up,
            "seed": args.seed(),
            "runs": result.moments.runs,
            "successes": result.successes,
            "effective_runs": result.moments.effective_runs(),
            "rate": estimate.value,
            "interval95": estimate.interval95,
            "matching": matching,
            "z": z,
            "p": z.map(two_sided_p),
            "rosenfeld": rosenfeld(args.share(), plan.confirmations),
            "nakamoto": nakamoto(args.share(), plan.confirmations),
            "seconds": seconds,
        }));
        return Ok(());
    }
    line(format_args!(
        "{} weighted double spends with {:.1} % of the hash rate against {} confirmation(s), {} block(s) in advance, giving up {} \
         behind",
        result.moments.runs,
        100.0 * args.share(),
        plan.confirmations,
        plan.premine,
        plan.give_up.unwrap_or_default()
    ));
    let [low, high] = estimate.interval95;
    line(format_args!(
        "  measured            {:>12.4e}   95 % interval {low:.4e} to {high:.4e}, {:.1} % of the rate wide",
        estimate.value,
        100.0 * estimate.relative_width()
    ));
    line(format_args!("  matching formula    {matching:>12.4e}   a tie wins nothing, and the attacker gives up"));
    print_z(z, "standard errors between the two");
    line(format_args!(
        "  {} runs succeeded; their weights say as much as {:.0} equal ones",
        result.successes,
        result.moments.effective_runs()
    ));
    print_speed(seconds, result.moments.runs as f64, "runs", args.threads());
    Ok(())
}

/// Plays double spends over a partition in the simulator.
pub fn partition(args: &AttackArgs, shop_side: f64, json: bool) -> Result<()> {
    let played = PartitionExperiment::new(args.share(), shop_side, args.confirmations())?;
    let stopwatch = Stopwatch::start();
    let proportion = played.play(&args.experiment(played.name()), args.runs(), args.seed(), args.threads())?;
    let (seconds, matching) = (stopwatch.seconds(), played.theory());
    if json {
        let facts = json!({
            "attack": args.name.as_str(),
            "share": args.share(),
            "shop_side": shop_side,
            "confirmations": args.confirmations(),
            "seed": args.seed(),
        });
        print_facts(facts, &proportion, matching, seconds);
        return Ok(());
    }
    line(format_args!(
        "{} double spends with {:.1} % of the hash rate over a partition: {:.1} % of the others with the shop until {} confirmation(s)",
        proportion.runs,
        100.0 * args.share(),
        100.0 * shop_side,
        args.confirmations()
    ));
    print_rate(&proportion, matching, "the longer side wins, of equal ones that with the next block");
    print_speed(seconds, f64::from(proportion.runs), "runs", args.threads());
    Ok(())
}

/// Plays a censor, or a miner of empty blocks, in the simulator.
pub fn suppression(args: &AttackArgs, json: bool) -> Result<()> {
    let race = Suppression { share: args.share(), confirmations: args.confirmations(), blocks: args.blocks() };
    let played = SuppressionExperiment::new(race, args.name == Attack::Halt)?;
    let stopwatch = Stopwatch::start();
    let (proportion, ledger) =
        played.play(&args.experiment(played.name()), args.runs(), args.seed(), args.threads())?;
    let (seconds, matching) = (stopwatch.seconds(), race.success());
    let costs = args.costs.networks()?;
    if json {
        let mut facts = json!({
            "attack": args.name.as_str(),
            "share": race.share,
            "confirmations": race.confirmations,
            "blocks": race.blocks,
            "seed": args.seed(),
        });
        facts["cost"] = ledger.as_json(&costs);
        print_facts(facts, &proportion, matching, seconds);
        return Ok(());
    }
    line(format_args!(
        "{} times {} with {:.1} % of the hash rate: has the payment been kept below {} confirmation(s) for {} blocks?",
        proportion.runs,
        args.name.as_str(),
        100.0 * race.share,
        race.confirmations,
        race.blocks
    ));
    print_rate(&proportion, matching, "every state of the race, block by block");
    print_costs(&ledger, &costs);
    print_speed(seconds, f64::from(proportion.runs), "runs", args.threads());
    Ok(())
}

/// Plays a feather fork or fee sniping in the simulator.
pub fn undo(args: &AttackArgs, json: bool) -> Result<()> {
    let give_up = args.give_up.unwrap_or(strategy::UNDO_GIVE_UP_DEFAULT);
    let played = UndoExperiment::new(args.share(), give_up, args.name == Attack::FeeSnipe)?;
    let stopwatch = Stopwatch::start();
    let (proportion, ledger) =
        played.play(&args.experiment(played.name()), args.runs(), args.seed(), args.threads())?;
    let (seconds, matching) = (stopwatch.seconds(), played.theory());
    let costs = args.costs.networks()?;
    if json {
        let mut facts = json!({
            "attack": args.name.as_str(),
            "share": args.share(),
            "give_up": give_up,
            "seed": args.seed(),
        });
        facts["cost"] = ledger.as_json(&costs);
        print_facts(facts, &proportion, matching, seconds);
        return Ok(());
    }
    line(format_args!(
        "{} times {} with {:.1} % of the hash rate, giving up {give_up} behind: is the block undone?",
        proportion.runs,
        args.name.as_str(),
        100.0 * args.share()
    ));
    print_rate(&proportion, matching, "one behind at first, to come out one ahead");
    print_costs(&ledger, &costs);
    print_speed(seconds, f64::from(proportion.runs), "runs", args.threads());
    Ok(())
}

/// What theory says of a strategy that keeps blocks back: its own value first.
fn theories(args: &AttackArgs, gamma: f64) -> Vec<(&'static str, f64)> {
    let (share, name) = (args.share(), args.name.as_str());
    let own = strategy::revenue_in_theory(name, share, gamma);
    let mut theories = vec![(name, own), ("honest", share)];
    if args.name != Attack::Selfish {
        theories.push(("selfish", revenue::selfish(share, gamma)));
    }
    if args.name != Attack::OptimalSelfish && share < 0.5 {
        let process = Process { share, gamma, length_max: LENGTH_MAX };
        theories.push(("optimal-selfish", process.optimum().revenue));
    }
    theories
}

/// Plays a strategy that keeps blocks back in the simulator.
pub fn revenue(args: &AttackArgs, json: bool) -> Result<()> {
    let crowd = args.crowd.crowd()?;
    let played = RevenueExperiment {
        strategy: args.name.as_str().into(),
        share: args.share(),
        gamma: args.gamma,
        crowd,
        fork_rules: args.fork_rules(),
    };
    let stopwatch = Stopwatch::start();
    let result = played.play(&args.experiment(played.name()), args.runs(), args.seed(), args.threads())?;
    let seconds = stopwatch.seconds();
    // Where γ is nobody's choice but follows from the links, theory is told what it came to.
    let gamma = match (args.gamma, crowd) {
        (None, Some(_)) => result.ties.rate(),
        (gamma, _) => gamma.unwrap_or(0.0),
    };
    let theories = theories(args, gamma);
    let estimate = result.estimate;
    let z = theories.first().and_then(|(_, expected)| estimate.z(*expected));
    let verdict = estimate.compared_with(args.share());
    let costs = args.costs.networks()?;
    if json {
        let theory: Map<String, Value> =
            theories.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        line(json!({
            "attack": args.name.as_str(),
            "share": args.share(),
            "gamma": gamma,
            "runs": args.runs(),
            "cycles": result.cycles,
            "endless_cycles": result.endless,
            "blocks": result.blocks,
            "revenue": estimate.value,
            "interval95": estimate.interval95,
            "theory": theory,
            "z": z,
            "p": z.map(two_sided_p),
            "gamma_measured": measured_gamma(&result.ties),
            "verdict": verdict.to_string(),
            "cost": result.ledger.as_json(&costs),
            "seed": args.seed(),
            "seconds": seconds,
        }));
        return Ok(());
    }
    let [low, high] = estimate.interval95.map(|bound| 100.0 * bound);
    line(format_args!(
        "{} with {:.1} % of the hash rate, γ = {gamma:.4}: {} cycles and {} blocks",
        args.name.as_str(),
        100.0 * args.share(),
        result.cycles + result.endless,
        result.blocks
    ));
    if result.ties.runs > 0 {
        let [low, high] = result.ties.interval95();
        line(format_args!(
            "  γ                   {:>8.4}     95 % interval {low:.4} to {high:.4}, from {} blocks found in ties",
            result.ties.rate(),
            result.ties.runs
        ));
    }
    if result.endless > 0 {
        line(format_args!("  {} of the cycles do not end: revenue is theirs in the long run", result.endless));
    }
    line(format_args!(
        "  revenue             {:>8.3} %   95 % interval {low:.3} to {high:.3} %",
        100.0 * estimate.value
    ));
    for (name, value) in &theories {
        line(format_args!("  {name:<19} {:>8.3} %   in theory", 100.0 * value));
    }
    print_z(z, "standard errors between measured and theory");
    line(match verdict {
        Comparison::Above => "It earns more than honest mining.".to_owned(),
        Comparison::Below => "It earns less than honest mining.".to_owned(),
        Comparison::CannotTell => "More runs are needed to tell it from honest mining.".to_owned(),
    });
    print_costs(&result.ledger, &costs);
    print_speed(seconds, result.blocks as f64, "blocks", args.threads());
    Ok(())
}

/// Prints what repeated live double spends came to.
pub fn campaign(args: &AttackArgs, campaign: &Campaign, json: bool) -> Result<()> {
    let (plan, proportion) = (args.plan(), campaign.proportion);
    let costs = args.costs.networks()?;
    if json {
        line(json!({
            "attack": args.name.as_str(),
            "share": args.share(),
            "achieved_share": campaign.share_achieved,
            "confirmations": plan.confirmations,
            "premine": plan.premine,
            "give_up": plan.give_up,
            "runs": proportion.runs,
            "successes": proportion.successes,
            "rate": proportion.rate(),
            "interval95": proportion.interval95(),
            "matching": campaign.matching,
            "z": proportion.z(campaign.matching),
            "p": proportion.z(campaign.matching).map(two_sided_p),
            "rosenfeld": rosenfeld(args.share(), plan.confirmations),
            "nakamoto": nakamoto(args.share(), plan.confirmations),
            "networks": campaign.networks,
            "cost": campaign.ledger.as_json(&costs),
            "hashes": campaign.hashes,
            "seconds": campaign.seconds,
        }));
        return Ok(());
    }
    line(format_args!(
        "\n{} live double spends on {} network(s), {:.1} % of the hash rate asked and {:.1} % achieved",
        proportion.runs,
        campaign.networks,
        100.0 * args.share(),
        100.0 * campaign.share_achieved
    ));
    print_rate(&proportion, campaign.matching, "a tie wins nothing, and the attacker gives up");
    print_textbooks(args);
    line(format_args!("  the attackers did {} hashes", campaign.hashes));
    print_costs(&campaign.ledger, &costs);
    line(format_args!("  {:.0} s", campaign.seconds));
    Ok(())
}

/// One line of JSON: what was played, and what its rate came to.
fn print_facts(mut facts: Value, proportion: &Proportion, matching: f64, seconds: f64) {
    let z = proportion.z(matching);
    facts["runs"] = json!(proportion.runs);
    facts["successes"] = json!(proportion.successes);
    facts["rate"] = json!(proportion.rate());
    facts["interval95"] = json!(proportion.interval95());
    facts["matching"] = json!(matching);
    facts["z"] = json!(z);
    facts["p"] = json!(z.map(two_sided_p));
    facts["seconds"] = json!(seconds);
    line(facts);
}

fn print_rate(proportion: &Proportion, matching: f64, assumption: &str) {
    let [low, high] = proportion.interval95().map(|bound| 100.0 * bound);
    line(format_args!(
        "  measured            {:>8.4} %   95 % interval {low:.4} to {high:.4} %",
        100.0 * proportion.rate()
    ));
    line(format_args!("  matching formula    {:>8.4} %   {assumption}", 100.0 * matching));
    print_z(proportion.z(matching), "standard deviations between the two");
}

/// γ as it was measured, or nothing where no tie was.
fn measured_gamma(ties: &Proportion) -> Value {
    match ties.runs {
        0 => Value::Null,
        runs => json!({ "value": ties.rate(), "interval95": ties.interval95(), "blocks": runs }),
    }
}

fn print_z(z: Option<f64>, what: &str) {
    match z {
        Some(z) => line(format_args!(
            "  z                   {z:>8.2}     {what}; chance alone is as far off with p = {:.3}",
            two_sided_p(z)
        )),
        None => line("  z                   infinite     theory says that this cannot happen"),
    }
}

/// What a run cost, here and on the networks described.
pub(super) fn print_costs(ledger: &Ledger, networks: &[Network]) {
    ledger.lines(networks).into_iter().for_each(|text| line(format_args!("  {text}")));
}

fn print_textbooks(args: &AttackArgs) {
    let confirmations = args.confirmations();
    line(format_args!("  Rosenfeld 2014      {:>8.4} %", 100.0 * rosenfeld(args.share(), confirmations)));
    line(format_args!("  Nakamoto 2008       {:>8.4} %", 100.0 * nakamoto(args.share(), confirmations)));
}

fn print_speed(seconds: f64, done: f64, what: &str, threads: usize) {
    line(format_args!("  {seconds:.2} s, {:.0} {what} a second on {threads} thread(s)", done / seconds));
}
