//! One point of a study: how a batch of it is played, what theory says of it, and how an estimate is made.

use super::file::Mode;
use super::parameter::Parameters;
use crate::error::usage;
use crate::lab::attack::Attack;
use crate::lab::live::story::Listeners;
use crate::lab::live::{AttackSettings, campaign};
use crate::lab::sim::contest::Crowd;
use crate::lab::sim::double_spend::DoubleSpendExperiment;
use crate::lab::sim::links::LinkModel;
use crate::lab::sim::network::NetworkExperiment;
use crate::lab::sim::random::derive_seed;
use crate::lab::sim::retarget::{MARKS, RetargetExperiment};
use crate::lab::sim::revenue::{CYCLES_PER_NETWORK, RevenueExperiment, revenue_of};
use crate::lab::sim::suppression::SuppressionExperiment;
use crate::lab::sim::undo::UndoExperiment;
use crate::lab::strategy::{self, double_spend::Plan};
use crate::lab::theory::estimate::{Estimate, Moments};
use crate::lab::theory::suppression::Suppression;
use crate::plan::topology::Topology;
use anyhow::Result;
use node::core::fork_rule::ForkRules;
use std::path::PathBuf;

/// Runs of a simulated batch, where a run is short.
const RUNS: u32 = 500;
/// Networks of a batch of revenue; each plays [`CYCLES_PER_NETWORK`] cycles.
const NETWORKS: u32 = 4;
/// Blocks a double spend, a censor and others need when nothing is said: as `testoon attack` has it.
const GIVE_UP_DEFAULT: u32 = 10;
const SUPPRESSION_BLOCKS_DEFAULT: u32 = 12;
const REVENUE_BLOCKS_DEFAULT: u32 = 40;
/// Blocks of a chain that retargets: four of Bitcoin's periods.
const RETARGET_BLOCKS_DEFAULT: u32 = 4 * 2_016;
/// Blocks found in a run of a network of honest miners.
const NETWORK_BLOCKS_DEFAULT: usize = 100;

/// What a point measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Successes per run.
    Rate,
    /// The same, by weighted runs.
    WeightedRate,
    /// The attacker's blocks per block in the chain.
    Revenue,
    /// The attacker's blocks in the chain for each aimed block time.
    Income,
    /// The part of all blocks that did not stay in the chain.
    StaleRate,
}

impl Measure {
    /// For tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Measure::Rate => "success rate",
            Measure::WeightedRate => "success rate (importance sampling)",
            Measure::Revenue => "revenue share",
            Measure::Income => "income a block time",
            Measure::StaleRate => "stale rate",
        }
    }
}

/// A point that can be played.
pub struct Experiment {
    game: Game,
    /// Tells its seeds from other points'.
    name: String,
    theory: Option<f64>,
}

enum Game {
    DoubleSpend(Box<DoubleSpendExperiment>),
    Rare(Box<DoubleSpendExperiment>),
    Suppression(Box<SuppressionExperiment>),
    Undo(Box<UndoExperiment>),
    Revenue(RevenueExperiment),
    Retarget(RetargetExperiment),
    Network(NetworkExperiment),
    Live { settings: Box<AttackSettings>, networks: usize },
}

/// What every live point has in common.
#[derive(Clone, Debug)]
pub struct Stage {
    /// Under which the networks' directories are.
    pub directory: PathBuf,
    /// Networks side by side.
    pub networks: usize,
}

/// A point's parameters with their types.
struct Given<'a>(&'a Parameters);

impl Given<'_> {
    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    fn number(&self, name: &str) -> Option<f64> {
        self.0.get(name)?.as_f64()
    }

    fn count(&self, name: &str) -> Option<u32> {
        self.0.get(name)?.as_u64().map(|count| u32::try_from(count).unwrap_or(u32::MAX))
    }

    /// Refuses parameters that a game does not have.
    fn only(&self, game: &str, known: &[&str]) -> Result<()> {
        match self.0.keys().find(|name| **name != "attack" && !known.contains(name)) {
            Some(name) => Err(usage(format!("[sweep] {name} has no effect on {game}; it has {}", known.join(", ")))),
            None => Ok(()),
        }
    }

    fn plan(&self) -> Plan {
        Plan {
            confirmations: self.count("confirmations").unwrap_or(2),
            premine: self.count("premine").unwrap_or(0),
            give_up: Some(self.count("give_up").unwrap_or(GIVE_UP_DEFAULT)),
            waits_for_goods: false,
        }
    }

    fn fork_rules(&self) -> Result<ForkRules> {
        self.text("fork_rules").unwrap_or("").parse().map_err(|why| usage(format!("[sweep] fork_rules: {why}")))
    }

    fn topology(&self) -> Result<Topology> {
        self.text("topology").unwrap_or("random-8").parse().map_err(|why| usage(format!("[sweep] topology: {why}")))
    }

    fn links(&self) -> Result<LinkModel> {
        let links = LinkModel {
            delay_ms: self.number("delay_ms").unwrap_or(100.0),
            bandwidth: self.0.get("bandwidth").and_then(serde_json::Value::as_u64),
            block_bytes: self.count("block_bytes").unwrap_or(0) as usize,
            ..LinkModel::INSTANT
        };
        if links.block_bytes > 0 && links.bandwidth.is_none() {
            return Err(usage("[sweep] block_bytes has no effect on links without limit; add bandwidth"));
        }
        Ok(links)
    }

    fn crowd(&self) -> Result<Option<Crowd>> {
        let Some(nodes) = self.count("nodes") else {
            let alone = ["topology", "delay_ms", "spacing", "bandwidth", "block_bytes", "attacker_peers"];
            return match alone.into_iter().find(|name| self.0.contains_key(name)) {
                Some(name) => Err(usage(format!(
                    "[sweep] {name} has no effect without nodes: the attacker meets one node that stands for all others"
                ))),
                None => Ok(None),
            };
        };
        if nodes < 3 {
            return Err(usage("[sweep] nodes: an attacker among others needs 3 nodes or more"));
        }
        Ok(Some(Crowd {
            nodes: nodes as usize,
            topology: self.topology()?,
            attacker_peers: self.count("attacker_peers").unwrap_or(0).min(nodes - 1) as usize,
            links: self.links()?,
            spacing_s: self.count("spacing").unwrap_or(600),
        }))
    }
}

const LINKS: [&str; 7] = ["nodes", "topology", "delay_ms", "spacing", "bandwidth", "block_bytes", "attacker_peers"];

impl Experiment {
    /// Reads a point.
    ///
    /// # Errors
    /// What cannot be played, or has no effect.
    pub fn new(parameters: &Parameters, mode: Mode, stage: &Stage) -> Result<Experiment> {
        let given = Given(parameters);
        let name =
            given.text("attack").ok_or_else(|| usage("[sweep] names no attack; add attack = \"double-spend\""))?;
        if name == "none" {
            return Experiment::honest(&given, mode);
        }
        let attack = Attack::ALL.into_iter().find(|attack| attack.as_str() == name);
        let attack = attack.ok_or_else(|| {
            let names = Attack::ALL.map(Attack::as_str).join(", ");
            usage(format!("[sweep] no attack is called {name:?}; there are none, {names}"))
        })?;
        if attack.is_of_a_pool() {
            return Err(usage(format!("[sweep] {name} is played by `testoon attack {name} --sim` only")));
        }
        match mode {
            Mode::Live => Experiment::live(&given, attack, stage),
            Mode::Simulated => Experiment::simulated(&given, attack),
        }
    }

    fn simulated(given: &Given<'_>, attack: Attack) -> Result<Experiment> {
        let share = given.number("share").unwrap_or_else(|| attack.usual_share());
        let (name, crowd, rules) = (attack.as_str(), given.crowd()?, given.fork_rules()?);
        let is_defended = !rules.is_empty();
        match attack {
            Attack::DoubleSpend => {
                let own = ["share", "confirmations", "premine", "give_up", "importance_sampling", "fork_rules"];
                given.only(name, &[&own[..], &LINKS].concat())?;
                let played =
                    Box::new(DoubleSpendExperiment::new(share, given.plan())?.in_crowd(crowd).defended_by(rules));
                // No formula knows the links' delays, or the defences.
                let theory = (crowd.is_none() && !is_defended).then(|| played.race().success());
                let name = played.name();
                let is_rare = given.0.get("importance_sampling").and_then(serde_json::Value::as_bool) == Some(true);
                Ok(match is_rare {
                    true => {
                        Experiment { game: Game::Rare(played), name: format!("importance sampling {name}"), theory }
                    }
                    false => Experiment { game: Game::DoubleSpend(played), name, theory },
                })
            }
            Attack::Censor | Attack::Halt => {
                given.only(name, &["share", "confirmations", "blocks"])?;
                let race = Suppression {
                    share,
                    confirmations: given.count("confirmations").unwrap_or(attack.usual_confirmations()),
                    blocks: given.count("blocks").unwrap_or(SUPPRESSION_BLOCKS_DEFAULT),
                };
                let played = Box::new(SuppressionExperiment::new(race, attack == Attack::Halt)?);
                let (name, theory) = (played.name(), Some(race.success()));
                Ok(Experiment { game: Game::Suppression(played), name, theory })
            }
            Attack::FeatherFork | Attack::FeeSnipe => {
                given.only(name, &["share", "give_up"])?;
                let give_up = given.count("give_up").unwrap_or(strategy::UNDO_GIVE_UP_DEFAULT);
                let played = Box::new(UndoExperiment::new(share, give_up, attack == Attack::FeeSnipe)?);
                let (name, theory) = (played.name(), Some(played.theory()));
                Ok(Experiment { game: Game::Undo(played), name, theory })
            }
            Attack::Extort if share <= 0.5 => Err(usage("[sweep] share: only a majority can extort")),
            attack if attack.has_ties() && given.text("retarget").is_some() => {
                Experiment::retargeting(given, attack, share)
            }
            attack if attack.is_for_revenue() => {
                given.only(name, &[&["share", "gamma", "fork_rules"][..], &LINKS].concat())?;
                let gamma = given.number("gamma");
                let played = RevenueExperiment { strategy: name.into(), share, gamma, crowd, fork_rules: rules };
                let expected = || strategy::revenue_in_theory(name, share, gamma.unwrap_or(0.0));
                // Among many nodes γ is what the links make it, unless it is given.
                let theory = (!is_defended && (crowd.is_none() || gamma.is_some())).then(expected);
                Ok(Experiment { name: played.name(), game: Game::Revenue(played), theory })
            }
            _ => Err(usage(format!("[sweep] {name} is not simulated; play it with mode = \"live\""))),
        }
    }

    /// Keeping blocks back on a chain whose target follows.
    fn retargeting(given: &Given<'_>, attack: Attack, share: f64) -> Result<Experiment> {
        given.only(&format!("{} with retarget", attack.as_str()), &["share", "gamma", "retarget", "blocks"])?;
        let rule = given.text("retarget").unwrap_or("none").parse();
        if share >= 0.5 {
            return Err(usage(
                "[sweep] share: with retarget it is below 0.5, since a majority's secret branch never ends",
            ));
        }
        let played = RetargetExperiment {
            strategy: attack.as_str().into(),
            share,
            gamma: given.number("gamma").unwrap_or(0.0),
            rule: rule.map_err(|why| usage(format!("[sweep] retarget: {why}")))?,
            blocks: given.count("blocks").unwrap_or(RETARGET_BLOCKS_DEFAULT).max(MARKS as u32),
        };
        let theory = played.theory().map(|profit| profit.income(f64::from(played.blocks)));
        Ok(Experiment { name: played.name(), game: Game::Retarget(played), theory })
    }

    /// A network of honest miners.
    fn honest(given: &Given<'_>, mode: Mode) -> Result<Experiment> {
        if mode == Mode::Live {
            return Err(usage("[sweep] attack = \"none\" is simulated only"));
        }
        given.only("a network of honest miners", &[&["blocks", "fork_rules"][..], &LINKS[..6]].concat())?;
        let nodes = given.count("nodes").unwrap_or(100) as usize;
        let blocks = given.count("blocks").map_or(NETWORK_BLOCKS_DEFAULT, |blocks| blocks as usize);
        let played = NetworkExperiment {
            seed: 0,
            topology: given.topology()?,
            spacing_s: given.count("spacing").unwrap_or(600),
            links: given.links()?,
            fork_rules: given.fork_rules()?,
            ..NetworkExperiment::new(nodes, blocks)
        };
        Ok(Experiment { name: format!("{played:?}"), game: Game::Network(played), theory: None })
    }

    fn live(given: &Given<'_>, attack: Attack, stage: &Stage) -> Result<Experiment> {
        let known = match attack {
            Attack::DoubleSpend => &["share", "confirmations", "premine", "give_up"][..],
            Attack::Censor | Attack::Halt => &["share", "confirmations", "blocks"],
            Attack::Eclipse => &["share", "confirmations"],
            Attack::FeatherFork | Attack::FeeSnipe => {
                return Err(usage(format!("[sweep] {} is simulated only", attack.as_str())));
            }
            Attack::Timewarp => {
                return Err(usage(
                    "[sweep] timewarp has no rate to be measured; stage it with `testoon attack timewarp`",
                ));
            }
            Attack::Lazy | Attack::Extort => &["share", "blocks"],
            _ => &["share", "blocks", "gamma"],
        };
        given.only(&format!("a live {}", attack.as_str()), known)?;
        let usual = if attack.is_suppression() { SUPPRESSION_BLOCKS_DEFAULT } else { REVENUE_BLOCKS_DEFAULT };
        let mut plan = given.plan();
        plan.confirmations = given.count("confirmations").unwrap_or(attack.usual_confirmations());
        let settings = AttackSettings {
            attack,
            share: given.number("share").unwrap_or_else(|| attack.usual_share()),
            plan,
            gamma: given.number("gamma"),
            blocks: given.count("blocks").unwrap_or(usual),
            target: None,
            chain: None,
            svg: None,
            directory: Some(stage.directory.clone()),
            is_quiet: true,
            listeners: Listeners::default(),
            interrupt: None,
            keep: false,
            costs: Vec::new(),
            begin: None,
        };
        let theory = settings.theory();
        let name = format!("{settings:?}");
        Ok(Experiment { game: Game::Live { settings: Box::new(settings), networks: stage.networks }, name, theory })
    }

    /// What it measures.
    pub fn measure(&self) -> Measure {
        match &self.game {
            Game::DoubleSpend(_) | Game::Suppression(_) | Game::Undo(_) => Measure::Rate,
            Game::Rare(_) => Measure::WeightedRate,
            Game::Revenue(_) => Measure::Revenue,
            Game::Retarget(_) => Measure::Income,
            Game::Network(_) => Measure::StaleRate,
            Game::Live { settings, .. } if settings.attack.is_for_revenue() => Measure::Revenue,
            Game::Live { .. } => Measure::Rate,
        }
    }

    /// What theory says of it.
    pub fn theory(&self) -> Option<f64> {
        self.theory
    }

    /// Seconds that a batch takes at least, where that is known before: live, blocks come at their own pace.
    pub fn batch_s_min(&self) -> f64 {
        match &self.game {
            Game::Live { settings, .. } => settings.blocks_min() * settings.spacing_s(),
            _ => 0.0,
        }
    }

    /// Runs in a batch.
    pub fn batch_runs(&self) -> u64 {
        match &self.game {
            Game::DoubleSpend(_) | Game::Rare(_) | Game::Suppression(_) | Game::Undo(_) => u64::from(RUNS),
            Game::Revenue(_) => u64::from(NETWORKS * CYCLES_PER_NETWORK),
            Game::Retarget(_) | Game::Network(_) => 1,
            Game::Live { networks, .. } => *networks as u64,
        }
    }

    /// Plays the batch with a number, on the threads of the pool this is called in. In the simulator the same number gives the
    /// same.
    pub fn batch(&self, seed: u64, number: u32) -> Result<Moments> {
        let runs = number * RUNS..(number + 1) * RUNS;
        let rate = |successes: Vec<bool>| successes.into_iter().map(|won| (f64::from(u8::from(won)), 1.0)).collect();
        Ok(match &self.game {
            Game::DoubleSpend(played) => rate(played.batch(&self.name, seed, runs)?),
            Game::Suppression(played) => rate(played.batch(&self.name, seed, runs)?),
            Game::Undo(played) => rate(played.batch(&self.name, seed, runs)?),
            Game::Rare(played) => played.weighted_batch(&self.name, seed, runs)?.moments,
            Game::Revenue(played) => {
                let networks = number * NETWORKS..(number + 1) * NETWORKS;
                played.batch(&self.name, seed, networks, NETWORKS * CYCLES_PER_NETWORK)?.moments
            }
            Game::Retarget(played) => {
                let runs = played.batch(&self.name, seed, number..number + 1)?;
                runs.iter().filter_map(|run| run.marks.last()).map(|end| (end.own, end.time)).collect()
            }
            Game::Network(played) => {
                let seed = derive_seed(seed, &self.name, u64::from(number));
                let blocks = played.blocks as f64;
                let outcome = NetworkExperiment { seed, ..played.clone() }.run()?;
                Moments::from_iter([(outcome.stale_rate * blocks, blocks)])
            }
            Game::Live { settings, networks } => {
                let outcomes = campaign::repeat(settings, *networks as u32, *networks)?;
                match self.measure() {
                    Measure::Revenue => outcomes.into_iter().flat_map(|outcome| outcome.cycles).collect(),
                    _ => rate(outcomes.into_iter().map(|outcome| outcome.succeeded).collect()),
                }
            }
        })
    }

    /// The value that batches came to, with its interval.
    pub fn estimate(&self, moments: &Moments) -> Estimate {
        match self.measure() {
            Measure::Rate => moments.proportion().estimate(),
            _ => revenue_of(moments),
        }
    }

    /// Standard errors between what was measured and theory.
    pub fn z(&self, moments: &Moments) -> Option<f64> {
        let expected = self.theory?;
        match self.measure() {
            Measure::Rate => moments.proportion().z(expected),
            _ => self.estimate(moments).z(expected),
        }
    }

    /// What is assumed, for the report.
    pub fn assumptions(&self) -> &'static str {
        match &self.game {
            Game::DoubleSpend(_) | Game::Rare(_) => {
                "The attacker mines a secret branch with the conflicting payment from the block below the payment, and publishes it \
                 once the shop has shipped and the branch has strictly more work; a tie wins nothing. The target is fixed."
            }
            Game::Suppression(_) => {
                "Honest miners put the payment into their next block; the attacker builds on the branch without it, and everybody \
                 changes over when that has strictly more work. The target is fixed."
            }
            Game::Undo(_) => {
                "Others have found a block that the attacker wants undone; the attacker mines a secret branch from below it and publishes \
                 it when it has strictly more work, or gives up at a limit. The target is fixed."
            }
            Game::Revenue(_) => {
                "Revenue is the attacker's blocks per block in the chain over regeneration cycles, each from one block that all stand \
                 on, with nothing held back, to the next. The target is fixed; in the long run a retarget makes this part of the \
                 chain the attacker's part of all income."
            }
            Game::Retarget(_) => {
                "Income is the attacker's blocks in the chain for each aimed block time, from the first block to the last; honest mining \
                 earns the share. Targets follow the rule, and blocks are found as often as the target allows; a period of epochs is \
                 measured whole."
            }
            Game::Network(_) => {
                "All nodes mine with equal parts of the hash rate and keep the branch they saw first. A block is stale if it is not \
                 in the first node's chain at the end."
            }
            Game::Live { .. } => {
                "Every node is a process with a rate-limited miner on the lab's own chain (a block a second, fixed target); what \
                 happened is read from the nodes over RPC."
            }
        }
    }
}
