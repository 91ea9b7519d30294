//! `testoon attack`: the same strategies on live processes ([`crate::lab::live`]) or in the simulator ([`crate::lab::sim::duel`]).

use super::odds::parse_share;
use crate::cli::Common;
use crate::clock::Stopwatch;
use crate::error::usage;
use crate::lab::sim::duel::{self, Duel, Tally};
use crate::lab::strategy::double_spend::Plan;
use crate::lab::theory::double_spend::{blocks_until_ahead, nakamoto, rosenfeld};
use crate::output::line;
use clap::builder::BoolishValueParser;
use serde_json::json as json_of;
use std::path::PathBuf;

/// Blocks each simulated run of a strategy that keeps blocks back lasts.
const REVENUE_BLOCKS_PER_RUN: u32 = 2_000;
/// How far behind an attacker gives up when nothing else is said: further, almost nobody comes back, and waiting is dear.
pub const GIVE_UP_DEFAULT: u32 = 10;

/// Most blocks to be ahead before paying.
const PREMINE_MAX: i64 = 100;
/// Blocks that may be expected to pass before a simulated attacker pays.
const BLOCKS_BEFORE_PAYING_MAX: f64 = 1_000.0;
/// And before a live one does, seconds.
const SECONDS_BEFORE_PAYING_MAX: f64 = 300.0;

/// The attacks, by the names they are called with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum AttackName {
    /// Pay a shop, then replace the payment by a longer secret branch
    DoubleSpend,
    /// Never confirm an address's payments, or anybody's
    Censor,
    /// Mine empty blocks only and bury all others
    Halt,
    /// Keep blocks secret to waste others' work (Eyal and Sirer)
    Selfish,
    /// Surround a node so that it sees only what the attacker shows it
    Eclipse,
    /// Bend header times so that the target grows (on a chain without BIP94)
    Timewarp,
    /// Keep back the newest block only: the worked example of docs/strategies.md
    Lazy,
}

impl AttackName {
    /// As it is called on the command line; a strategy of the same name plays it, but for the eclipse.
    pub fn as_str(self) -> &'static str {
        match self {
            AttackName::DoubleSpend => "double-spend",
            AttackName::Censor => "censor",
            AttackName::Halt => "halt",
            AttackName::Selfish => "selfish",
            AttackName::Eclipse => "eclipse",
            AttackName::Timewarp => "timewarp",
            AttackName::Lazy => "lazy",
        }
    }
}

/// Stage an attack on a network of real nodes, or measure its odds in the simulator.
#[derive(Clone, Debug, clap::Args)]
pub struct AttackArgs {
    /// Which attack
    #[arg(value_enum)]
    pub name: AttackName,
    /// The attacker's share of the hash rate, between 0 and 1 [default: 0.6; selfish and lazy 0.4; eclipse 0.3]
    #[arg(long, env = "TESTOON_SHARE", value_parser = parse_share)]
    share: Option<f64>,
    /// Confirmations the shop waits for
    #[arg(long, env = "TESTOON_CONFIRMATIONS", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub confirmations: u32,
    /// With the goods shipped, give up this many blocks behind
    #[arg(long, env = "TESTOON_GIVE_UP", default_value_t = GIVE_UP_DEFAULT, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub give_up: u32,
    /// Blocks to be ahead in secret before paying
    #[arg(long, env = "TESTOON_PREMINE", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=PREMINE_MAX))]
    pub premine: u32,
    /// Seeds the simulator; live, the order in which work is tried
    #[arg(long, env = "TESTOON_SEED", default_value_t = 1)]
    pub seed: u64,
    /// Play it in the simulator, many times, instead of on live nodes
    #[arg(long, env = "TESTOON_SIM", value_parser = BoolishValueParser::new())]
    pub sim: bool,
    /// With --sim: how many times
    #[arg(long, env = "TESTOON_RUNS", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=100_000_000))]
    pub runs: u32,
    /// With --sim: threads [default: one a core]. The result does not depend on it
    #[arg(long, env = "TESTOON_THREADS", value_parser = clap::value_parser!(u16).range(1..=1_024))]
    pub threads: Option<u16>,
    /// Live: whose payments are censored, an account or an address; everybody's if not given
    #[arg(long, env = "TESTOON_TARGET", value_name = "ACCOUNT|ADDRESS")]
    pub target: Option<String>,
    /// Live: stage it on this chain [default: the local chain with a fixed target]
    #[arg(long, env = "TESTOON_CHAIN", value_name = "NAME|PATH")]
    pub chain: Option<String>,
    /// Live: blocks until the verdict, for censor and halt above the payment [default: 12], for selfish and lazy found in all
    /// [default: 40]
    #[arg(long, env = "TESTOON_BLOCKS", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub blocks: Option<u32>,
    /// Live: write the picture of both branches over time to this file [default: attack.svg in the directory]
    #[arg(long, env = "TESTOON_SVG", value_name = "FILE")]
    pub svg: Option<PathBuf>,
}

impl AttackArgs {
    /// The attacker's share of the hash rate: as asked, or what shows the attack best.
    pub fn share(&self) -> f64 {
        let usual = match self.name {
            AttackName::DoubleSpend | AttackName::Censor | AttackName::Halt | AttackName::Timewarp => 0.6,
            AttackName::Selfish | AttackName::Lazy => 0.4,
            AttackName::Eclipse => 0.3,
        };
        self.share.unwrap_or(usual)
    }

    /// How a double spend is played.
    pub fn plan(&self) -> Plan {
        Plan {
            confirmations: self.confirmations,
            premine: self.premine,
            give_up: Some(self.give_up),
            waits_for_goods: false,
        }
    }

    /// Refuses an advance that would take longer to mine than anybody waits. `spacing_s` is given for a live network.
    pub fn check_premine(&self, spacing_s: Option<u32>) -> anyhow::Result<()> {
        let blocks = blocks_until_ahead(self.share(), self.premine);
        let seconds = spacing_s.map(|spacing_s| blocks * f64::from(spacing_s));
        if seconds.map_or(blocks <= BLOCKS_BEFORE_PAYING_MAX, |seconds| seconds <= SECONDS_BEFORE_PAYING_MAX) {
            return Ok(());
        }
        let time = seconds.map_or_else(String::new, |seconds| format!(" ({seconds:.0} s)"));
        Err(usage(format!(
            "--premine {}: with {:.1} % of the hash rate about {blocks:.0} blocks{time} would pass before he is that far ahead and pays; lower \
             --premine or raise --share",
            self.premine,
            100.0 * self.share()
        )))
    }

    fn threads(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        self.threads.map_or_else(cores, usize::from)
    }
}

/// Plays the attack. Live, its network is made anew in the directory given, or in `~/.testoon/attack`.
pub fn run(args: &AttackArgs, common: &Common) -> anyhow::Result<()> {
    match (args.sim, args.name) {
        (false, _) => crate::lab::live::run(args, common),
        (true, AttackName::DoubleSpend) => double_spend(args, common.json),
        (true, AttackName::Selfish | AttackName::Lazy) => revenue(args, common.json),
        (true, other) => Err(usage(format!(
            "{} cannot be played with --sim: its outcome is not a matter of chance; leave --sim out, or use double-spend, selfish or lazy",
            other.as_str()
        ))),
    }
}

fn double_spend(args: &AttackArgs, json: bool) -> anyhow::Result<()> {
    args.check_premine(None)?;
    let duel = Duel::new(args.share(), args.plan())?;
    let watch = Stopwatch::start();
    let tally = duel::tally(&duel, args.runs, args.seed, args.threads())?;
    let seconds = watch.seconds();
    let matching = duel.race().success();
    if json {
        line(as_json(args, &tally, matching, seconds));
        return Ok(());
    }
    let [low, high] = tally.interval95();
    line(format_args!(
        "{} double spends with {:.1} % of the hash rate against {} confirmation(s), {} block(s) in advance, patience {}",
        args.runs,
        100.0 * args.share(),
        args.confirmations,
        args.premine,
        args.give_up
    ));
    line(format_args!(
        "  measured            {:>8.4} %   95 % interval {:.4} to {:.4} %",
        100.0 * tally.rate(),
        100.0 * low,
        100.0 * high
    ));
    line(format_args!("  matching formula    {:>8.4} %   a tie wins nothing, and he gives up", 100.0 * matching));
    line(format_args!("  Rosenfeld 2014      {:>8.4} %", 100.0 * rosenfeld(args.share(), args.confirmations)));
    line(format_args!("  Nakamoto 2008       {:>8.4} %", 100.0 * nakamoto(args.share(), args.confirmations)));
    line(format_args!("  trace hash          {}", tally.trace_hash));
    line(format_args!(
        "  {:.2} s, {:.0} attempts a second on {} thread(s)",
        seconds,
        f64::from(args.runs) / seconds,
        args.threads()
    ));
    if (low..=high).contains(&matching) {
        line("The formula is inside the interval.");
    } else {
        line(format_args!(
            "The formula is outside the interval, as it is for one seed in twenty; try another --seed or more --runs."
        ));
    }
    Ok(())
}

fn as_json(args: &AttackArgs, tally: &Tally, matching: f64, seconds: f64) -> serde_json::Value {
    json_of!({
        "attack": "double-spend",
        "share": args.share(),
        "confirmations": args.confirmations,
        "premine": args.premine,
        "give_up": args.give_up,
        "seed": args.seed,
        "runs": tally.runs,
        "successes": tally.successes,
        "rate": tally.rate(),
        "interval95": tally.interval95(),
        "matching": matching,
        "rosenfeld": rosenfeld(args.share(), args.confirmations),
        "nakamoto": nakamoto(args.share(), args.confirmations),
        "trace_hash": tally.trace_hash,
        "seconds": seconds,
    })
}

/// What keeping blocks back earns: his part of the chain that the honest node ends with.
fn revenue(args: &AttackArgs, json: bool) -> anyhow::Result<()> {
    let watch = Stopwatch::start();
    let runs = args.runs.div_ceil(100).max(10);
    let name = args.name.as_str();
    let result = duel::revenue(name, args.share(), REVENUE_BLOCKS_PER_RUN, runs, args.seed, args.threads())?;
    let seconds = watch.seconds();
    let [low, high] = result.interval95;
    if json {
        line(format_args!(
            "{}",
            json_of!({
                "attack": name,
                "share": args.share(),
                "runs": runs,
                "blocks": result.blocks,
                "rate": result.measured,
                "interval95": result.interval95,
                "matching": result.expected,
                "seconds": seconds,
            })
        ));
        return Ok(());
    }
    line(format_args!(
        "{name} mining with {:.1} % of the hash rate, {} blocks in {runs} runs",
        100.0 * args.share(),
        result.blocks
    ));
    line(format_args!(
        "  part of the chain    {:.2} %   95 % interval {:.2} to {:.2} %",
        100.0 * result.measured,
        100.0 * low,
        100.0 * high
    ));
    if let Some(expected) = result.expected {
        line(format_args!("  Eyal and Sirer 2014  {:.2} %   with every tie lost", 100.0 * expected));
    }
    line(format_args!("  honest mining        {:.2} %", 100.0 * args.share()));
    line(format_args!("  {seconds:.2} s"));
    Ok(())
}
