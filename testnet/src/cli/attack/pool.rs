//! `testoon attack pool-hopping --sim` and `block-withholding --sim`: a pool's way of paying, cheated.

use super::AttackArgs;
use crate::clock::Stopwatch;
use crate::error::usage;
use crate::lab::attack::Attack;
use crate::lab::sim::pool::{Game, PoolExperiment, PoolRules};
use crate::lab::theory::estimate::{Estimate, two_sided_p};
use crate::lab::theory::pool::{HOP_AT, Withholding, hopped, hopping};
use crate::output::line;
use anyhow::Result;
use node::shell::stratum::payout::Scheme;
use serde_json::{Value, json};

/// Pools played, unless asked otherwise; each finds 50 blocks that count.
const RUNS_DEFAULT: u32 = 200;
/// A pool's share of the network's hash rate, unless asked otherwise.
const POOL_SHARE_DEFAULT: f64 = 0.2;
/// Of how many blocks' work the last counts, unless asked otherwise: as `testoon node --pool-window` has it.
const WINDOW_DEFAULT: f64 = 2.0;

/// The pool that is cheated.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct PoolArgs {
    /// pool-hopping, block-withholding: how the pool pays, proportional or pplns [default: proportional]
    #[arg(long, env = "TESTOON_POOL_PAYOUT", value_name = "SCHEME", value_parser = parse_scheme)]
    payout: Option<Scheme>,
    /// With --payout pplns: how much of the last work counts, in the work of one block [default: 2]
    #[arg(long, env = "TESTOON_POOL_WINDOW", value_name = "BLOCKS", value_parser = parse_multiple)]
    window: Option<f64>,
    /// pool-hopping: leave a round when its work is so many times a block's [default: 0.4348, the best]
    #[arg(long, env = "TESTOON_HOP_AT", value_name = "BLOCKS", value_parser = parse_multiple)]
    hop_at: Option<f64>,
    /// block-withholding: the share of the pool's honest members [default: 0.2]
    #[arg(long, env = "TESTOON_POOL_SHARE", value_parser = super::parse_share)]
    pool_share: Option<f64>,
    /// block-withholding: the part of --share that mines in the pool and withholds [default: the best]
    #[arg(long, env = "TESTOON_INFILTRATE", value_name = "SHARE", value_parser = super::parse_share)]
    infiltrate: Option<f64>,
}

fn parse_scheme(text: &str) -> Result<Scheme, String> {
    Scheme::from_name(text)
        .filter(|scheme| *scheme != Scheme::Solo)
        .ok_or_else(|| "a pool that shares rewards pays proportional or pplns".into())
}

fn parse_multiple(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value > 0.0 && value <= 100.0 => Ok(value),
        _ => Err("it is a number above 0 and up to 100, in the expected work of one block, such as 0.435".into()),
    }
}

impl PoolArgs {
    /// Each option: its name, whether it is given, and the attack it belongs to (none: both).
    pub fn given(&self) -> [(&'static str, bool, Option<Attack>); 5] {
        [
            ("--payout", self.payout.is_some(), None),
            ("--window", self.window.is_some(), None),
            ("--hop-at", self.hop_at.is_some(), Some(Attack::PoolHopping)),
            ("--pool-share", self.pool_share.is_some(), Some(Attack::BlockWithholding)),
            ("--infiltrate", self.infiltrate.is_some(), Some(Attack::BlockWithholding)),
        ]
    }

    fn rules(&self) -> Result<PoolRules> {
        let scheme = self.payout.unwrap_or(Scheme::Proportional);
        if self.window.is_some() && scheme != Scheme::Pplns {
            return Err(usage(
                "--window has no effect on a proportional pool, which counts whole rounds; add --payout pplns",
            ));
        }
        Ok(PoolRules { scheme, window: self.window.unwrap_or(WINDOW_DEFAULT) })
    }

    fn withholding(&self, share: f64) -> Result<Withholding> {
        let pool = self.pool_share.unwrap_or(POOL_SHARE_DEFAULT);
        if share + pool >= 1.0 {
            return Err(usage(format!(
                "--share {share} and --pool-share {pool} are all of the hash rate; nobody else is left"
            )));
        }
        match self.infiltrate {
            Some(infiltrating) if infiltrating > share => {
                Err(usage(format!("--infiltrate {infiltrating} is more than --share {share}, of which it is a part")))
            }
            Some(infiltrating) => Ok(Withholding { share, pool, infiltrating }),
            None => Ok(Withholding::best(share, pool)),
        }
    }
}

/// Plays and prints.
pub fn run(args: &AttackArgs, json: bool) -> Result<()> {
    let rules = args.pool.rules()?;
    let share = args.share();
    let is_hopping = args.name == Attack::PoolHopping;
    let hop_at = args.pool.hop_at.unwrap_or(HOP_AT);
    let withholding = if is_hopping { None } else { Some(args.pool.withholding(share)?) };
    let game = withholding.map_or(Game::Hopping { part: share, hop_at }, Game::Withholding);
    // Whether a hopper leaves or not, the last work pays the same.
    let (own, members) = match (withholding, rules.scheme) {
        (Some(game), _) => (game.after(), game.members()),
        (None, Scheme::Pplns) => (1.0, 1.0),
        (None, _) => (hopping(share, hop_at), hopped(share, hop_at)),
    };
    let stopwatch = Stopwatch::start();
    let runs = args.runs.unwrap_or(RUNS_DEFAULT);
    let earned = PoolExperiment { rules, game }.play(runs, args.seed(), args.threads())?;
    let seconds = stopwatch.seconds();
    let z = earned.attacker.z(own);
    if json {
        line(json!({
            "attack": args.name.as_str(),
            "share": share,
            "payout": rules.scheme.name(),
            "window": (rules.scheme == Scheme::Pplns).then_some(rules.window),
            "hop_at": is_hopping.then_some(hop_at),
            "pool_share": withholding.map(|game| game.pool),
            "infiltrating": withholding.map(|game| game.infiltrating),
            "runs": runs,
            "seed": args.seed(),
            "income": earned.attacker.value,
            "interval95": earned.attacker.interval95,
            "theory": own,
            "income_before_retarget": withholding.map(|game| game.before()),
            "honest": if is_hopping { 1.0 } else { share },
            "z": z,
            "p": z.map(two_sided_p),
            "members": members_json(&earned.members, members),
            "seconds": seconds,
        }));
        return Ok(());
    }
    match withholding {
        None => line(format_args!(
            "a hopper with {:.1} % of a {} pool's hash rate leaves each round at {hop_at:.4} of a block's work; income of a hash, 1 is honest",
            100.0 * share,
            rules.scheme.name()
        )),
        Some(game) => line(format_args!(
            "with {:.1} % of the hash rate, {:.2} % of it in a {} pool of {:.1} % whose blocks it withholds; part of all rewards once the \
             difficulty has followed, {share} is honest",
            100.0 * share,
            100.0 * game.infiltrating,
            rules.scheme.name(),
            100.0 * game.pool
        )),
    }
    print("attacker", &earned.attacker, own);
    if let Some(game) = withholding {
        line(format_args!("  before the difficulty follows it is {:.4}, in theory", game.before()));
    }
    print("members", &earned.members, members);
    line(format_args!("  {runs} pools of 50 blocks, {seconds:.2} s on {} thread(s)", args.threads()));
    Ok(())
}

fn print(who: &str, earned: &Estimate, theory: f64) {
    let [low, high] = earned.interval95;
    let z = earned.z(theory).map_or_else(String::new, |z| format!(", z {z:+.2}"));
    line(format_args!(
        "  {who:<10} {:.4}   95 % interval {low:.4} to {high:.4}; in theory {theory:.4}{z}",
        earned.value
    ));
}

fn members_json(earned: &Estimate, theory: f64) -> Value {
    json!({ "income": earned.value, "interval95": earned.interval95, "theory": theory, "z": earned.z(theory) })
}
