//! `testoon replay`: the rest of a recorded double spend, played again from a moment, as it was planned and with changes, side by side.

use super::Common;
use super::attack::cores;
use crate::cluster::directory::{Directory, default_path};
use crate::error::usage;
use crate::lab::attack::Attack;
use crate::lab::live::story::Listeners;
use crate::lab::live::{AttackSettings, campaign};
use crate::lab::replay::{Change, Moment, Recorded};
use crate::lab::sim::double_spend::{DoubleSpendExperiment, tally};
use crate::lab::strategy::double_spend::{Begin, Plan};
use crate::lab::theory::double_spend::standing::Standing;
use crate::lab::theory::estimate::{Proportion, two_sided_p};
use crate::observer::recording;
use crate::output::line;
use anyhow::{Context as _, Result};
use clap::builder::BoolishValueParser;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Futures played in the simulator for each change, unless asked otherwise.
const RUNS_DEFAULT: u32 = 2_000;
/// Longest recording that is read, bytes: twice what one can have.
const BYTES_MAX: u64 = 2 * recording::RUN_BYTES_MAX;

/// Play the rest of a recorded double spend again, from a moment of it: as it was planned, and with changes.
#[derive(Clone, Debug, clap::Args)]
pub struct ReplayArgs {
    /// A recording: its name, or a file [default: the newest double spend in --dir]
    #[arg(value_name = "RUN")]
    run: Option<String>,
    /// The moment to go on from, seconds after the attack began [default: the race's first block]
    #[arg(long, env = "TESTOON_AT", value_name = "SECONDS", value_parser = parse_seconds)]
    at: Option<f64>,
    /// What is another in the future: confirmations=6, share=0.4, give-up=5, fork-rule=mess; several with commas between them. Given
    /// several times, each is a future of its own
    #[arg(long, env = "TESTOON_CHANGE", value_name = "NAME=VALUE")]
    change: Vec<String>,
    /// How many futures the simulator plays for each
    #[arg(long, env = "TESTOON_RUNS", default_value_t = RUNS_DEFAULT, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    runs: u32,
    /// Stage so many futures on live nodes as well, for each
    #[arg(long, env = "TESTOON_LIVE_RUNS", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    live_runs: Option<u32>,
    /// With --live-runs: networks side by side [default: one a core]
    #[arg(long, env = "TESTOON_NETWORKS", value_parser = clap::value_parser!(u16).range(1..=64))]
    networks: Option<u16>,
    /// Seeds the simulator
    #[arg(long, env = "TESTOON_SEED", default_value_t = 1)]
    seed: u64,
    /// Threads of the simulator [default: one a core]. The result does not depend on it
    #[arg(long, env = "TESTOON_THREADS", value_parser = clap::value_parser!(u16).range(1..=1_024))]
    threads: Option<u16>,
    /// Show the recordings there are, or with RUN the moments of it, and play nothing
    #[arg(long, env = "TESTOON_LIST", value_parser = BoolishValueParser::new())]
    list: bool,
}

fn parse_seconds(text: &str) -> Result<f64, String> {
    match text.strip_suffix('s').unwrap_or(text).parse::<f64>() {
        Ok(seconds) if (0.0..1e9).contains(&seconds) => Ok(seconds),
        _ => Err("a moment is a number of seconds, 0 or more, such as 12.5".into()),
    }
}

/// One future: what is changed, and what came of it.
struct Future {
    change: Change,
    odds: Option<f64>,
    simulated: Proportion,
    live: Option<Proportion>,
}

/// Plays and prints.
pub fn run(args: &ReplayArgs, common: &Common) -> Result<()> {
    let directory = match &common.dir {
        Some(path) => path.clone(),
        None => default_path()?.with_file_name("attack"),
    };
    let recordings = Directory::recordings_in(&directory);
    if args.list && args.run.is_none() {
        return list(&recordings, common.json);
    }
    let (name, text) = find(args.run.as_deref(), &recordings)?;
    let recorded = Recorded::read(&text).map_err(|why| usage(format!("{name}: {why}")))?;
    if args.list {
        return moments(&name, &recorded, common.json);
    }
    let at = args.at.unwrap_or(recorded.moments[0].seconds);
    let moment = recorded.at(at).map_err(|why| usage(format!("{name}: {why}")))?;
    let changes = args.change.iter().map(|text| text.parse().map_err(|why| usage(format!("--change {text}: {why}"))));
    let changes: Vec<Change> = std::iter::once(Ok(Change::default())).chain(changes).collect::<Result<_>>()?;
    check(args, &changes)?;
    if !common.json {
        say_head(&name, &recorded, &moment);
    }
    let mut futures = Vec::new();
    for change in changes {
        let future = play(args, &moment.standing, change, &directory)?;
        if !common.json {
            say_future(&future);
        }
        futures.push(future);
    }
    if common.json {
        line(json!({
            "recording": name,
            "title": recorded.title,
            "at": moment.seconds,
            "state": state(&moment.standing),
            "seed": args.seed,
            "futures": futures.iter().map(Future::as_json).collect::<Vec<_>>(),
        }));
    }
    Ok(())
}

/// Refuses what cannot be played.
fn check(args: &ReplayArgs, changes: &[Change]) -> Result<()> {
    if args.networks.is_some() && args.live_runs.is_none() {
        return Err(usage("--networks has no effect without --live-runs"));
    }
    let defended = changes.iter().find(|change| !change.fork_rules.is_empty());
    match defended.filter(|_| args.live_runs.is_some()) {
        Some(change) => Err(usage(format!(
            "--change {}: fork rules are played in the simulator only; leave --live-runs out, or ask for this one apart",
            change.text
        ))),
        None => Ok(()),
    }
}

/// Plays one future from a standing.
fn play(args: &ReplayArgs, recorded: &Standing, change: Change, directory: &Path) -> Result<Future> {
    let standing = change.standing(recorded);
    // Public blocks below the payment's are as many confirmations more to wait for.
    let below = standing.public - standing.confirmations;
    let plan = Plan {
        confirmations: standing.race.confirmations + below,
        premine: 0,
        give_up: standing.race.give_up,
        waits_for_goods: true,
    };
    let begin = Begin { own: standing.own, public: standing.public };
    let experiment = DoubleSpendExperiment::new(standing.race.share, plan)?
        .defended_by(change.fork_rules.clone())
        .going_on_from(begin);
    let threads = args.threads.map_or_else(cores, usize::from);
    let simulated = tally(&experiment, &experiment.name(), args.runs, args.seed, threads)?.proportion;
    let live = match args.live_runs {
        Some(runs) => {
            let settings = AttackSettings {
                attack: Attack::DoubleSpend,
                share: standing.race.share,
                plan,
                gamma: None,
                blocks: 1,
                target: None,
                chain: None,
                svg: None,
                directory: Some(directory.join("replay")),
                is_quiet: true,
                listeners: Listeners::default(),
                interrupt: None,
                keep: false,
                costs: Vec::new(),
                begin: Some(begin),
            };
            let outcomes = campaign::repeat(&settings, runs, args.networks.map_or_else(cores, usize::from))?;
            let successes = outcomes.iter().filter(|outcome| outcome.succeeded).count() as u32;
            Some(Proportion { runs, successes })
        }
        None => None,
    };
    Ok(Future { odds: change.odds(recorded), change, simulated, live })
}

/// A recording's name and text: one that was asked for, or the newest double spend.
fn find(run: Option<&str>, recordings: &Path) -> Result<(String, String)> {
    let Some(run) = run else {
        // The newest that has a race to go on with: one that was interrupted early has none.
        let runs = recording::list(recordings).into_iter().filter(|run| run["attack"] == "double-spend");
        for name in runs.filter_map(|run| run["name"].as_str().map(str::to_owned)) {
            let text = recording::read(recordings, &name)?;
            if Recorded::read(&text).is_ok() {
                return Ok((name, text));
            }
        }
        return Err(usage(format!(
            "no double spend is recorded in {}; stage one with `testoon attack double-spend`, or name a file",
            recordings.display()
        )));
    };
    let path = PathBuf::from(run);
    if path.is_file() {
        let bytes = std::fs::metadata(&path).with_context(|| format!("cannot read {run}"))?.len();
        if bytes > BYTES_MAX {
            return Err(usage(format!("{run} has {bytes} bytes; a recording has at most {BYTES_MAX}")));
        }
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {run}"))?;
        return Ok((run.to_owned(), text));
    }
    let text = recording::read(recordings, run)
        .map_err(|error| usage(format!("{error} in {}, and there is no such file", recordings.display())))?;
    Ok((run.to_owned(), text))
}

fn list(recordings: &Path, json: bool) -> Result<()> {
    let runs = recording::list(recordings);
    if json {
        line(json!({ "recordings": runs }));
        return Ok(());
    }
    if runs.is_empty() {
        line(format_args!("Nothing is recorded in {}.", recordings.display()));
    }
    for run in runs {
        let text = |field: &str| run[field].as_str().unwrap_or_default().to_owned();
        line(format_args!("{:<36} {}", text("name"), text("title")));
    }
    Ok(())
}

fn moments(name: &str, recorded: &Recorded, json: bool) -> Result<()> {
    if json {
        let moment = |moment: &Moment| json!({ "at": moment.seconds, "state": state(&moment.standing) });
        line(json!({ "recording": name, "moments": recorded.moments.iter().map(moment).collect::<Vec<_>>() }));
        return Ok(());
    }
    line(format_args!("{name}: {}", recorded.title));
    for moment in &recorded.moments {
        line(format_args!("  {:>8.1} s  {}", moment.seconds, stands(&moment.standing)));
    }
    Ok(())
}

fn state(standing: &Standing) -> Value {
    json!({
        "share": standing.race.share,
        "confirmations": standing.race.confirmations,
        "give_up": standing.race.give_up,
        "have": standing.confirmations,
        "own": standing.own,
        "public": standing.public,
        "shipped": standing.shipped,
    })
}

fn stands(standing: &Standing) -> String {
    format!(
        "{} of {} confirmations, {} secret block(s) against {} public, odds {:.2} %",
        standing.confirmations,
        standing.race.confirmations,
        standing.own,
        standing.public,
        100.0 * standing.success()
    )
}

fn say_head(name: &str, recorded: &Recorded, moment: &Moment) {
    line(format_args!("{name}: {}", recorded.title));
    line(format_args!("from {:.1} s: {}\n", moment.seconds, stands(&moment.standing)));
    line(format_args!(
        "{:<34} {:>9} {:>11}  {:<22} {:>7} {:>10}",
        "future", "formula", "simulated", "95 % interval", "z", "live"
    ));
}

fn say_future(future: &Future) {
    let name = if future.change.text.is_empty() { "as it was planned" } else { &future.change.text };
    let percent = |value: f64| format!("{:.3} %", 100.0 * value);
    let [low, high] = future.simulated.interval95().map(|bound| 100.0 * bound);
    let z = future.odds.and_then(|odds| future.simulated.z(odds));
    let live = future.live.map_or_else(String::new, |live| {
        let [low, high] = live.interval95().map(|bound| 100.0 * bound);
        format!("{} of {} ({low:.0} to {high:.0} %)", live.successes, live.runs)
    });
    line(format_args!(
        "{name:<34} {:>9} {:>11}  {:<22} {:>7} {live:>10}",
        future.odds.map_or_else(|| "–".to_owned(), percent),
        percent(future.simulated.rate()),
        format!("{low:.3} to {high:.3} %"),
        z.map_or_else(|| "–".to_owned(), |z| format!("{z:+.2}")),
    ));
}

impl Future {
    fn as_json(&self) -> Value {
        let played = |played: Proportion| {
            let z = self.odds.and_then(|odds| played.z(odds));
            json!({
                "runs": played.runs,
                "successes": played.successes,
                "rate": played.rate(),
                "interval95": played.interval95(),
                "z": z,
                "p": z.map(two_sided_p),
            })
        };
        json!({
            "change": self.change.text,
            "odds": self.odds,
            "simulated": played(self.simulated),
            "live": self.live.map(played),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: ReplayArgs,
    }

    #[test]
    fn odd_values_are_refused() {
        let parsed = |line: &str| {
            Line::try_parse_from(std::iter::once("replay").chain(line.split_whitespace())).map(|line| line.args)
        };
        for line in ["--at -1", "--at soon", "--runs 0", "--live-runs 0"] {
            assert!(parsed(line).is_err(), "{line} was taken");
        }
        let defended = ["fork-rule=mess".parse().unwrap()];
        assert!(check(&parsed("--live-runs 2").unwrap(), &defended).is_err());
        assert!(check(&parsed("--networks 2").unwrap(), &[]).is_err());
        assert!(check(&parsed("--at 3.5s").unwrap(), &defended).is_ok());
    }
}
