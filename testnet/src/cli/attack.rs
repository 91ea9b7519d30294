//! `testoon attack`: the same strategies on live processes ([`crate::lab::live`]) or in the simulator ([`crate::lab::sim`]).

mod costs;
mod crowd;
mod pool;
mod repeated;
mod report;
mod retarget;
mod telling;

use self::costs::CostArgs;
use self::crowd::CrowdArgs;
use self::pool::PoolArgs;
use self::telling::TellingArgs;
use super::Common;
use super::odds::parse_share;
use crate::error::usage;
use crate::interrupt::Interrupt;
use crate::lab::attack::Attack;
use crate::lab::live::story::Listeners;
use crate::lab::live::{self, AttackSettings, campaign, gamma};
use crate::lab::sim::rare::Until;
use crate::lab::strategy::double_spend::Plan;
use crate::lab::theory::double_spend::blocks_until_ahead;
use crate::lab::theory::retarget::Rule;
use clap::builder::{BoolishValueParser, PossibleValue};
use node::core::fork_rule::ForkRules;
use serde_json::json;
use std::path::PathBuf;

/// How far behind an attacker gives up when nothing else is said: further, almost nobody comes back, and waiting is dear.
const GIVE_UP_DEFAULT: u32 = 10;
/// Blocks until the verdict on a censor or a miner of empty blocks.
const SUPPRESSION_BLOCKS_DEFAULT: u32 = 12;
/// Blocks found in all until a live strategy that keeps blocks back is judged.
const REVENUE_BLOCKS_DEFAULT: u32 = 40;
/// Simulated runs, unless asked otherwise.
const RUNS_DEFAULT: u32 = 10_000;
/// Weighted runs at most, unless asked otherwise.
const RARE_RUNS_DEFAULT: u32 = 100_000;
/// Most blocks to be ahead before paying.
const PREMINE_MAX: i64 = 100;
/// Blocks that may be expected to pass before a simulated attacker pays.
const BLOCKS_BEFORE_PAYING_MAX: f64 = 1_000.0;

impl clap::ValueEnum for Attack {
    fn value_variants<'a>() -> &'a [Attack] {
        &Attack::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.as_str()).help(self.summary()))
    }
}

/// Stage an attack on a network of real nodes, or measure its odds in the simulator.
#[derive(Clone, Debug, clap::Args)]
pub struct AttackArgs {
    /// Which attack
    #[arg(value_enum)]
    name: Attack,
    /// The attacker's share of the hash rate, between 0 and 1 [default: 0.6; those that keep blocks back 0.4; eclipse 0.3]
    #[arg(long, env = "TESTOON_SHARE", value_parser = parse_share)]
    share: Option<f64>,
    /// double-spend, eclipse: confirmations the shop waits for [default: 2]. censor, halt: confirmations at which the payment
    /// has got through [default: 6]
    #[arg(long, env = "TESTOON_CONFIRMATIONS", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    confirmations: Option<u32>,
    /// double-spend: with the goods shipped, give up this many blocks behind [default: 10]. feather-fork, fee-snipe: give up this
    /// many blocks behind [default: 2]
    #[arg(long, env = "TESTOON_GIVE_UP", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    give_up: Option<u32>,
    /// double-spend: blocks to be ahead in secret before paying [default: 0]
    #[arg(long, env = "TESTOON_PREMINE", value_parser = clap::value_parser!(u32).range(0..=PREMINE_MAX))]
    premine: Option<u32>,
    /// For attacks that keep blocks back: the part of the honest miners that mines on the attacker's block in a tie, 0 to 1
    /// [default: 0; with --nodes whatever each node saw first, which is measured]. Live it is made by link delays, up to 0.83,
    /// and measured
    #[arg(long, env = "TESTOON_GAMMA", value_parser = parse_gamma)]
    gamma: Option<f64>,
    /// With --sim: seeds the simulator [default: 1]
    #[arg(long, env = "TESTOON_SEED")]
    seed: Option<u64>,
    /// With --sim: draw the same random numbers whatever the parameters, to compare parameters on the same luck; results are
    /// then not independent of each other
    #[arg(long, env = "TESTOON_COMMON_RANDOM_NUMBERS", value_parser = BoolishValueParser::new())]
    common_random_numbers: bool,
    /// Play it in the simulator, many times, instead of on live nodes
    #[arg(long, env = "TESTOON_SIM", value_parser = BoolishValueParser::new())]
    sim: bool,
    /// With --sim: how many times; for attacks that keep blocks back, how many regeneration cycles [default: 10000]
    #[arg(long, env = "TESTOON_RUNS", value_parser = clap::value_parser!(u32).range(1..=100_000_000))]
    runs: Option<u32>,
    /// With --sim, double-spend: draw blocks by shares with which success is common, and weigh each run by its likelihood: for
    /// rates that plain runs almost never meet
    #[arg(long, env = "TESTOON_IMPORTANCE_SAMPLING", value_parser = BoolishValueParser::new())]
    importance_sampling: bool,
    /// With --importance-sampling: stop when the 95 % interval is no wider than this part of the rate, such as 0.1, or after
    /// --runs [default: after --runs]
    #[arg(long, env = "TESTOON_INTERVAL", value_name = "PART", value_parser = parse_interval)]
    interval: Option<f64>,
    #[command(flatten)]
    crowd: CrowdArgs,
    /// With --sim: a defence that everybody but the attacker uses, such as reorg-limit=6 or mess,uniform-tie: see docs/defences.md
    #[arg(long, env = "TESTOON_FORK_RULE", value_name = "RULES")]
    fork_rule: Option<ForkRules>,
    /// With --sim, double-spend: keep this part of the honest hash rate apart with the shop until the payment has its confirmations, and
    /// spend the same coins on the other side
    #[arg(long, env = "TESTOON_SHOP_SIDE", value_name = "PART", value_parser = parse_share, conflicts_with = "bribed")]
    shop_side: Option<f64>,
    /// With --sim, double-spend: once the shop has shipped, this part of the honest hash rate mines on the attacker's branch, for the fee
    /// that the conflicting payment leaves there
    #[arg(long, env = "TESTOON_BRIBED", value_name = "PART", value_parser = parse_share)]
    bribed: Option<f64>,
    /// With --sim, selfish and its kin: let the target follow by a rule, which is none, epoch=BLOCKS, asert=SECONDS or ema=SECONDS (the
    /// half-life): what it earns stretch by stretch, and when that is more than honest mining. --runs chains (default 20) of --blocks
    #[arg(long, env = "TESTOON_RETARGET", value_name = "RULE")]
    retarget: Option<Rule>,
    /// With --sim: threads [default: one a core]. The result does not depend on it
    #[arg(long, env = "TESTOON_THREADS", value_parser = clap::value_parser!(u16).range(1..=1_024))]
    threads: Option<u16>,
    /// Live: stage it this many times and print the measured rate, or the revenue, beside theory
    #[arg(long, env = "TESTOON_LIVE_RUNS", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    live_runs: Option<u32>,
    /// With --live-runs: networks side by side [default: one a core]
    #[arg(long, env = "TESTOON_NETWORKS", value_parser = clap::value_parser!(u16).range(1..=64))]
    networks: Option<u16>,
    /// censor and halt, live: who is paid, an account or an address [default: shop]
    #[arg(long, env = "TESTOON_TARGET", value_name = "ACCOUNT|ADDRESS")]
    target: Option<String>,
    /// Live: stage it on this chain [default: the local chain with a fixed target and a block a second]
    #[arg(long, env = "TESTOON_CHAIN", value_name = "NAME|PATH")]
    chain: Option<String>,
    /// Blocks until the verdict: for censor and halt above the payment [default: 12], for attacks that keep blocks back found
    /// in all, live [default: 40], and of the chain with --retarget [default: 8064]
    #[arg(long, env = "TESTOON_BLOCKS", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    blocks: Option<u32>,
    /// Live: write the picture of both branches over time to this file [default: attack.svg in the directory]
    #[arg(long, env = "TESTOON_SVG", value_name = "FILE")]
    svg: Option<PathBuf>,
    #[command(flatten)]
    pool: PoolArgs,
    #[command(flatten)]
    costs: CostArgs,
    #[command(flatten)]
    telling: TellingArgs,
}

fn parse_gamma(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(gamma) if (0.0..=1.0).contains(&gamma) => Ok(gamma),
        _ => Err("a part of the honest miners is a number from 0 to 1, such as 0.5".into()),
    }
}

fn parse_interval(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(part) if part > 0.0 && part <= 10.0 => Ok(part),
        _ => Err("an interval's width is a part of the rate, a number above 0 and up to 10, such as 0.1".into()),
    }
}

impl AttackArgs {
    /// Whether it is played in the simulator.
    pub fn is_simulated(&self) -> bool {
        self.sim
    }

    fn fork_rules(&self) -> ForkRules {
        self.fork_rule.clone().unwrap_or_default()
    }

    fn share(&self) -> f64 {
        self.share.unwrap_or_else(|| self.name.usual_share())
    }

    fn confirmations(&self) -> u32 {
        self.confirmations.unwrap_or_else(|| self.name.usual_confirmations())
    }

    fn blocks(&self) -> u32 {
        let usual = if self.name.is_suppression() { SUPPRESSION_BLOCKS_DEFAULT } else { REVENUE_BLOCKS_DEFAULT };
        self.blocks.unwrap_or(usual)
    }

    fn plan(&self) -> Plan {
        Plan {
            confirmations: self.confirmations(),
            premine: self.premine.unwrap_or(0),
            give_up: Some(self.give_up.unwrap_or(GIVE_UP_DEFAULT)),
            waits_for_goods: false,
        }
    }

    fn runs(&self) -> u32 {
        self.runs.unwrap_or(RUNS_DEFAULT)
    }

    fn seed(&self) -> u64 {
        self.seed.unwrap_or(1)
    }

    fn threads(&self) -> usize {
        self.threads.map_or_else(cores, usize::from)
    }

    fn settings(&self, common: &Common) -> anyhow::Result<AttackSettings> {
        Ok(AttackSettings {
            attack: self.name,
            share: self.share(),
            plan: self.plan(),
            gamma: self.gamma,
            blocks: self.blocks(),
            target: self.target.clone(),
            chain: self.chain.clone(),
            svg: self.svg.clone(),
            directory: common.dir.clone(),
            is_quiet: common.json,
            listeners: Listeners::default(),
            interrupt: None,
            keep: self.telling.keep,
            costs: self.costs.networks()?,
            begin: None,
        })
    }

    /// What the recording of it says at its head.
    fn head(&self) -> serde_json::Value {
        let (name, share, plan) = (self.name.as_str(), self.share(), self.plan());
        let honest = (1.0 - share) / 2.0;
        let node = |name: &str, role: &str, share: f64| json!({ "name": name, "role": role, "share_asked": share });
        json!({
            "title": format!("{name}, share {share}"),
            "attack": name,
            "share": share,
            "confirmations": plan.confirmations,
            "give_up": plan.give_up,
            "premine": plan.premine,
            "nodes": [
                node("honest1", "miner", honest),
                node("honest2", "miner", honest),
                node("shop", "shop", 0.0),
                node("attacker", "attacker", share),
            ],
        })
    }

    /// Refuses options that this attack in this mode would ignore.
    fn check(&self) -> anyhow::Result<()> {
        let name = self.name;
        let (double_spend, revenue) = (name == Attack::DoubleSpend, name.is_for_revenue());
        let shop = double_spend || name == Attack::Eclipse || name.is_suppression();
        let live = !self.sim;
        let options = [
            ("--confirmations", self.confirmations.is_some(), shop, "nobody waits for confirmations"),
            ("--give-up", self.give_up.is_some(), double_spend || name.is_undoing(), "it has no patience to lose"),
            ("--premine", self.premine.is_some(), double_spend, "only a double spend mines before paying"),
            ("--gamma", self.gamma.is_some(), name.has_ties(), "ties decide nothing there"),
            ("--seed", self.seed.is_some(), self.sim, "only the simulator has a seed"),
            ("--runs", self.runs.is_some(), self.sim, "without --sim it is staged once; use --live-runs or --sim"),
            ("--threads", self.threads.is_some(), self.sim, "only the simulator has threads"),
            ("--common-random-numbers", self.common_random_numbers, self.sim, "only the simulator draws numbers"),
            (
                "--nodes",
                self.crowd.is_given(),
                self.sim && (revenue || double_spend),
                "it plays in a network of its own",
            ),
            (
                "--importance-sampling",
                self.importance_sampling,
                self.sim && double_spend,
                "only the double spend's rate can be too small to meet",
            ),
            ("--interval", self.interval.is_some(), self.importance_sampling, "it belongs to --importance-sampling"),
            (
                "--fork-rule",
                self.fork_rule.is_some(),
                self.sim && (revenue || double_spend),
                "it is played without defences",
            ),
            (
                "--retarget",
                self.retarget.is_some(),
                self.sim && name.has_ties(),
                "only the revenue of keeping blocks back changes with the target",
            ),
            (
                "--costs",
                self.costs.is_given(),
                !self.importance_sampling && !name.is_of_a_pool(),
                "weighted runs say little of those that fail, which are most of the cost, and a pool has no race",
            ),
            (
                "--shop-side",
                self.shop_side.is_some(),
                self.sim && double_spend,
                "it is no double spend in the simulator",
            ),
            ("--bribed", self.bribed.is_some(), self.sim && double_spend, "it is no double spend in the simulator"),
            (
                "--importance-sampling",
                self.importance_sampling,
                self.shop_side.is_none() && self.bribed.is_none(),
                "nobody knows better odds to draw by when others help",
            ),
            (
                "--costs",
                self.costs.is_given(),
                self.shop_side.is_none() && self.bribed.is_none(),
                "others' work is not on the attacker's bill",
            ),
            ("--give-up", self.give_up.is_some(), self.shop_side.is_none(), "over a partition nobody races"),
            ("--premine", self.premine.is_some(), self.shop_side.is_none(), "over a partition nobody races"),
            ("--nodes", self.crowd.is_given(), self.shop_side.is_none(), "two nodes stand for the two sides"),
            ("--fork-rule", self.fork_rule.is_some(), self.shop_side.is_none(), "it is played without defences"),
            ("--live-runs", self.live_runs.is_some(), live, "it stages live attacks; with --sim it is --runs"),
            ("--networks", self.networks.is_some(), self.live_runs.is_some(), "it belongs to --live-runs"),
            ("--target", self.target.is_some(), live && name.is_suppression(), "nobody's payments are kept out live"),
            ("--chain", self.chain.is_some(), live, "the simulator has a chain of its own"),
            (
                "--blocks",
                self.blocks.is_some(),
                name.is_suppression() || (live && revenue) || self.retarget.is_some(),
                "blocks do not end it",
            ),
            (
                "--nodes",
                self.crowd.is_given(),
                self.retarget.is_none(),
                "with --retarget one node stands for all others",
            ),
            ("--fork-rule", self.fork_rule.is_some(), self.retarget.is_none(), "with --retarget nobody has a defence"),
            ("--svg", self.svg.is_some(), live && self.live_runs.is_none(), "there is no single story to draw"),
        ];
        if name == Attack::Extort && self.share() <= 0.5 {
            return Err(usage(format!(
                "--share {}: only a majority can extort; a minority that refuses the others' blocks is left alone with its branch",
                self.share()
            )));
        }
        if live && (name.is_undoing() || name.is_of_a_pool()) {
            return Err(usage(format!("{} is played in the simulator only; add --sim", name.as_str())));
        }
        if let Some(gamma) = self.gamma.filter(|gamma| live && *gamma > gamma::MOST) {
            return Err(usage(format!(
                "--gamma {gamma}: on live nodes γ is {:.2} at most, since who finds a block mines on it; use --sim for more",
                gamma::MOST
            )));
        }
        let once = live && self.live_runs.is_none();
        let told =
            self.telling.given().map(|(option, is_given)| (option, is_given, once, "there is no single story to tell"));
        let pool = self.pool.given().map(|(option, is_given, of)| {
            let has_effect = name.is_of_a_pool() && of.is_none_or(|of| of == name);
            (option, is_given, has_effect, "it cheats no such pool")
        });
        match options.into_iter().chain(told).chain(pool).find(|(_, is_given, has_effect, _)| *is_given && !has_effect)
        {
            Some((option, _, _, why)) => {
                let mode = if self.sim { " --sim" } else { "" };
                Err(usage(format!("{option} has no effect on `attack {}{mode}`: {why}", name.as_str())))
            }
            None => Ok(()),
        }
    }

    /// Refuses an advance that would take longer to mine than anybody waits.
    fn check_premine(&self) -> anyhow::Result<()> {
        let premine = self.premine.unwrap_or(0);
        let blocks = blocks_until_ahead(self.share(), premine);
        if blocks <= BLOCKS_BEFORE_PAYING_MAX {
            return Ok(());
        }
        Err(usage(format!(
            "--premine {premine}: with {:.1} % of the hash rate about {blocks:.0} blocks would pass before the attacker is that far \
             ahead and pays; lower --premine or raise --share",
            100.0 * self.share()
        )))
    }

    /// When runs by importance sampling end.
    fn until(&self) -> Until {
        Until { runs_max: self.runs.unwrap_or(RARE_RUNS_DEFAULT), relative_width: self.interval }
    }

    /// What distinguishes the seeds of this experiment from those of others.
    fn experiment(&self, name: String) -> String {
        if self.common_random_numbers { "common random numbers".into() } else { name }
    }
}

pub(super) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Plays the attack. Live, its network is made anew in the directory given, or in `~/.testoon/attack`.
pub fn run(args: &AttackArgs, common: &Common) -> anyhow::Result<()> {
    args.check()?;
    args.crowd.crowd()?;
    args.costs.networks()?;
    if let Some(runs) = args.live_runs {
        let networks = args.networks.map_or_else(cores, usize::from);
        let settings = args.settings(common)?;
        if args.name != Attack::DoubleSpend {
            return repeated::run(&settings, runs, networks);
        }
        let outcome = campaign::double_spends(&settings, runs, networks)?;
        return report::campaign(args, &outcome, common.json);
    }
    if !args.sim {
        let interrupt = Interrupt::install()?;
        // The page ends when the attack does.
        let (listeners, _page) = args.telling.listeners(common, args.head(), &interrupt)?;
        let settings = AttackSettings { listeners, interrupt: Some(interrupt), ..args.settings(common)? };
        return live::run(&settings).map(drop);
    }
    match args.name {
        Attack::DoubleSpend => {
            args.check_premine()?;
            if let Some(shop_side) = args.shop_side {
                report::partition(args, shop_side, common.json)
            } else if args.importance_sampling {
                report::rare(args, common.json)
            } else {
                report::double_spend(args, common.json)
            }
        }
        Attack::Censor | Attack::Halt => report::suppression(args, common.json),
        Attack::PoolHopping | Attack::BlockWithholding => pool::run(args, common.json),
        Attack::FeatherFork | Attack::FeeSnipe => report::undo(args, common.json),
        Attack::Eclipse | Attack::Timewarp => Err(usage(format!(
            "{} cannot be played with --sim: the simulator has no such links or retarget; leave --sim out",
            args.name.as_str()
        ))),
        _ => match args.retarget {
            Some(rule) => retarget::run(args, rule, common.json),
            None => report::revenue(args, common.json),
        },
    }
}

#[cfg(test)]
mod tests;
