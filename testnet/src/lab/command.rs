//! `testoon attack`: the same strategies on live processes ([`super::live`]) or in the simulator ([`super::duel`]).

use super::duel::{self, Duel, Tally};
use super::odds::report::parse_share;
use super::odds::{nakamoto, rosenfeld};
use super::strategy::double_spend::Plan;
use crate::cli::Common;
use crate::clock::Stopwatch;
use crate::error::usage;
use serde_json::json as json_of;
use std::path::PathBuf;

/// Blocks each simulated run of selfish mining lasts.
const SELFISH_BLOCKS_PER_RUN: u32 = 2_000;
/// How far behind an attacker gives up when nothing else is said: further, almost nobody comes back, and waiting is dear.
pub const GIVE_UP_DEFAULT: u32 = 10;

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
}

/// Stage an attack on a network of real nodes, or measure its odds in the simulator.
#[derive(Clone, Debug, clap::Args)]
pub struct AttackArgs {
    /// Which attack
    #[arg(value_enum)]
    pub name: AttackName,
    /// The attacker's share of the hash rate, between 0 and 1
    #[arg(long, env = "TESTOON_SHARE", default_value = "0.6", value_parser = parse_share)]
    pub share: f64,
    /// Confirmations the shop waits for
    #[arg(long, env = "TESTOON_CONFIRMATIONS", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub confirmations: u32,
    /// With the goods shipped, give up this many blocks behind
    #[arg(long, env = "TESTOON_GIVE_UP", default_value_t = GIVE_UP_DEFAULT, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub give_up: u32,
    /// Secret blocks to have before paying: 0 or 1
    #[arg(long, env = "TESTOON_PREMINE", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=1))]
    pub premine: u32,
    /// Seeds the simulator; live, the order in which work is tried
    #[arg(long, env = "TESTOON_SEED", default_value_t = 1)]
    pub seed: u64,
    /// Play it in the simulator, many times, instead of on live nodes
    #[arg(long, env = "TESTOON_SIM")]
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
    /// Live: write the picture of both branches over time to this file [default: attack.svg in the directory]
    #[arg(long, env = "TESTOON_SVG", value_name = "FILE")]
    pub svg: Option<PathBuf>,
}

impl AttackArgs {
    /// How a double spend is played.
    pub fn plan(&self) -> Plan {
        Plan {
            confirmations: self.confirmations,
            premine: self.premine,
            give_up: Some(self.give_up),
            waits_for_goods: false,
        }
    }

    fn threads(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        self.threads.map_or_else(cores, usize::from)
    }
}

/// Plays the attack. Live, its network is made anew in the directory given, or in `~/.testoon/attack`.
pub fn run(args: &AttackArgs, common: &Common) -> anyhow::Result<()> {
    match (args.sim, args.name) {
        (false, _) => super::live::run(args, common),
        (true, AttackName::DoubleSpend) => double_spend(args, common.json),
        (true, AttackName::Selfish) => selfish(args, common.json),
        (true, other) => Err(usage(format!(
            "{} cannot be played with --sim: its outcome is not a matter of chance; leave --sim out, or use double-spend or selfish",
            clap::ValueEnum::to_possible_value(&other).map_or_else(String::new, |value| value.get_name().to_owned())
        ))),
    }
}

fn double_spend(args: &AttackArgs, json: bool) -> anyhow::Result<()> {
    let duel = Duel::new(args.share, args.plan())?;
    let watch = Stopwatch::start();
    let tally = duel::tally(&duel, args.runs, args.seed, args.threads())?;
    let seconds = watch.seconds();
    let matching = duel.race().success();
    if json {
        println!("{}", as_json(args, &tally, matching, seconds));
        return Ok(());
    }
    let [low, high] = tally.interval95();
    println!(
        "{} double spends with {:.1} % of the hash rate against {} confirmation(s), {} block(s) in advance, patience {}",
        args.runs,
        100.0 * args.share,
        args.confirmations,
        args.premine,
        args.give_up
    );
    println!(
        "  measured            {:>8.4} %   95 % interval {:.4} to {:.4} %",
        100.0 * tally.rate(),
        100.0 * low,
        100.0 * high
    );
    println!("  matching formula    {:>8.4} %   a tie wins nothing, and he gives up", 100.0 * matching);
    println!("  Rosenfeld 2014      {:>8.4} %", 100.0 * rosenfeld(args.share, args.confirmations));
    println!("  Nakamoto 2008       {:>8.4} %", 100.0 * nakamoto(args.share, args.confirmations));
    println!("  trace hash          {}", tally.trace_hash);
    println!(
        "  {:.2} s, {:.0} attempts a second on {} thread(s)",
        seconds,
        f64::from(args.runs) / seconds,
        args.threads()
    );
    if (low..=high).contains(&matching) {
        println!("The formula is inside the interval.");
    } else {
        println!(
            "The formula is outside the interval, as it is for one seed in twenty; try another --seed or more --runs."
        );
    }
    Ok(())
}

fn as_json(args: &AttackArgs, tally: &Tally, matching: f64, seconds: f64) -> serde_json::Value {
    json_of!({
        "attack": "double-spend",
        "share": args.share,
        "confirmations": args.confirmations,
        "premine": args.premine,
        "give_up": args.give_up,
        "seed": args.seed,
        "runs": tally.runs,
        "successes": tally.successes,
        "rate": tally.rate(),
        "interval95": tally.interval95(),
        "matching": matching,
        "rosenfeld": rosenfeld(args.share, args.confirmations),
        "nakamoto": nakamoto(args.share, args.confirmations),
        "trace_hash": tally.trace_hash,
        "seconds": seconds,
    })
}

fn selfish(args: &AttackArgs, json: bool) -> anyhow::Result<()> {
    let watch = Stopwatch::start();
    let runs = args.runs.div_ceil(100).max(10);
    let result = duel::selfish_runs(args.share, SELFISH_BLOCKS_PER_RUN, runs, args.seed, args.threads())?;
    let seconds = watch.seconds();
    let [low, high] = result.interval95;
    if json {
        println!(
            "{}",
            json_of!({
                "attack": "selfish",
                "share": args.share,
                "runs": runs,
                "blocks": result.blocks,
                "rate": result.measured,
                "interval95": result.interval95,
                "matching": result.expected,
                "seconds": seconds,
            })
        );
        return Ok(());
    }
    println!(
        "selfish mining with {:.1} % of the hash rate, {} blocks in {runs} runs",
        100.0 * args.share,
        result.blocks
    );
    println!(
        "  part of the chain    {:.2} %   95 % interval {:.2} to {:.2} %",
        100.0 * result.measured,
        100.0 * low,
        100.0 * high
    );
    println!("  Eyal and Sirer 2014  {:.2} %   with every tie lost", 100.0 * result.expected);
    println!("  honest mining        {:.2} %", 100.0 * args.share);
    println!("  {seconds:.2} s");
    Ok(())
}
