//! Attacks on real nodes: every node a process, every fact read back over RPC.
//!
//! [`testbed`] starts the network and its attacker, [`control`] is how the lab talks to the attacker's process, [`observer`]
//! reads all nodes and knows who had which block when, [`costs`] adds up what the attacker did, [`story`] is what is told of it,
//! [`picture`] draws it. One file an attack tells its story; [`campaign`]
//! repeats one many times. The highest floor of the lab: it uses all others.

pub mod campaign;
pub mod control;
pub mod costs;
pub mod double_spend;
pub mod eclipse;
pub mod gamma;
pub mod observer;
pub mod parties;
pub mod picture;
pub mod revenue;
pub mod story;
pub mod suppression;
pub mod testbed;
pub mod timewarp;

use crate::error::usage;
use crate::interrupt::Interrupt;
use crate::lab::attack::Attack;
use crate::lab::cost::{Ledger, Network};
use crate::lab::strategy::{self, double_spend::Begin, double_spend::Plan};
use crate::lab::theory::double_spend::standing::Standing;
use crate::lab::theory::double_spend::{Race, blocks_until_ahead};
use crate::lab::theory::estimate::Proportion;
use crate::lab::theory::suppression::Suppression;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A live double spend may be expected to take this long before it pays, seconds.
const SECONDS_BEFORE_PAYING_MAX: f64 = 300.0;

/// What is to be staged.
#[derive(Clone, Debug)]
pub struct AttackSettings {
    /// Which attack.
    pub attack: Attack,
    /// The attacker's share of the hash rate, in (0, 1).
    pub share: f64,
    /// How a double spend is played; its confirmations are also those of other attacks.
    pub plan: Plan,
    /// The part of the others that is to mine on the attacker's block in a tie, in [0, [`gamma::MOST`]]. Not given, honest nodes
    /// hear of each other's blocks as fast as of the attacker's.
    pub gamma: Option<f64>,
    /// Blocks until the verdict, where blocks end the attack.
    pub blocks: u32,
    /// Who is paid when payments are kept out: an account or an address.
    pub target: Option<String>,
    /// The chain's name or path; the lab's own if not given.
    pub chain: Option<String>,
    /// Where the picture goes.
    pub svg: Option<PathBuf>,
    /// The network's directory; `~/.testoon/attack` if not given.
    pub directory: Option<PathBuf>,
    /// Print facts as JSON only.
    pub is_quiet: bool,
    /// Who is told what happens.
    pub listeners: story::Listeners,
    /// What ends it early; the process's own signals if not given.
    pub interrupt: Option<Interrupt>,
    /// Leave the nodes running after the verdict, their miners paused, until Ctrl-C.
    pub keep: bool,
    /// Networks on which the cost is worked out.
    pub costs: Vec<Network>,
    /// A double spend's race does not begin at its beginning: blocks that are made at once when the payment is out.
    pub begin: Option<Begin>,
}

impl AttackSettings {
    /// The race of a double spend with these settings.
    pub fn race(&self) -> Race {
        Race {
            share: self.share,
            confirmations: self.plan.confirmations,
            premine: self.plan.premine,
            give_up: self.plan.give_up,
        }
    }

    /// What theory says of the rate of success, or of the revenue where blocks are kept back; `None` of what is no game of chance.
    pub fn theory(&self) -> Option<f64> {
        match self.attack {
            Attack::DoubleSpend => Some(match self.begin {
                None => self.race().success(),
                Some(Begin { own, public }) => {
                    let shipped = public >= self.plan.confirmations;
                    Standing { race: self.race(), confirmations: public, own, public, shipped }.success()
                }
            }),
            Attack::Censor | Attack::Halt => {
                let (confirmations, blocks) = (self.plan.confirmations, self.blocks);
                Some(Suppression { share: self.share, confirmations, blocks }.success())
            }
            Attack::Eclipse | Attack::Timewarp => None,
            // Without delays every tie is lost: the honest nodes have seen their own block first.
            attack => Some(strategy::revenue_in_theory(attack.as_str(), self.share, self.gamma.unwrap_or(0.0))),
        }
    }

    /// Mean seconds between blocks on the lab's own chain.
    pub fn spacing_s(&self) -> f64 {
        if self.gamma.is_some() { f64::from(gamma::SPACING_S) } else { 1.0 }
    }

    /// Blocks that are found at least until the end.
    pub fn blocks_min(&self) -> f64 {
        match self.attack {
            Attack::DoubleSpend | Attack::Eclipse => f64::from(self.plan.confirmations + self.plan.premine),
            Attack::Censor | Attack::Halt => f64::from(self.plan.confirmations.min(self.blocks)),
            _ => f64::from(self.blocks),
        }
    }

    /// Refuses an advance that takes longer to mine on a chain with this spacing than anybody waits.
    pub fn check_premine(&self, spacing_s: u32) -> anyhow::Result<()> {
        let blocks = blocks_until_ahead(self.share, self.plan.premine);
        let seconds = blocks * f64::from(spacing_s);
        if seconds <= SECONDS_BEFORE_PAYING_MAX {
            return Ok(());
        }
        Err(usage(format!(
            "--premine {}: with {:.1} % of the hash rate about {blocks:.0} blocks ({seconds:.0} s) would pass before the attacker is \
             that far ahead and pays; lower --premine or raise --share",
            self.plan.premine,
            100.0 * self.share
        )))
    }
}

/// What an attack came to. Fields that mean nothing for an attack are `null` in its JSON.
#[derive(Default, serde::Serialize)]
pub struct Outcome {
    /// Its name on the command line.
    pub attack: String,
    /// The attacker's share of the hash rate, as asked for.
    pub share_asked: f64,
    /// The part of all hashes that the attacker did while it lasted.
    pub share_achieved: Option<f64>,
    /// Confirmations the shop waits for.
    pub confirmations: Option<u32>,
    /// The payment the shop saw.
    pub paid_txid: Option<String>,
    /// The transaction that spends the same coins.
    pub conflicting_txid: Option<String>,
    /// Height of the shop's tip when it shipped.
    pub shipped_at_height: Option<u64>,
    /// The deepest reorganisation of each honest node, in blocks.
    pub reorg_depth: BTreeMap<String, u64>,
    /// The shop's confirmed balance before the secret branch came out, in coins.
    pub shop_balance_before: Option<Value>,
    /// And after.
    pub shop_balance_after: Option<Value>,
    /// Whether the attack reached its goal, by the honest nodes' word.
    pub succeeded: bool,
    /// From command to verdict.
    pub seconds: f64,
    /// Why, in one sentence.
    pub verdict: String,
    /// Where blocks are kept back: the attacker's blocks and all blocks of each regeneration cycle.
    #[serde(skip)]
    pub cycles: Vec<(f64, f64)>,
    /// Where blocks are kept back: honest blocks found in ties, and those on the attacker's branch.
    #[serde(skip)]
    pub ties: Proportion,
    /// What the attacker did.
    #[serde(skip)]
    pub ledger: Ledger,
    /// Networks on which the cost is worked out.
    #[serde(skip)]
    pub costs: Vec<Network>,
    /// What this attack measures besides.
    #[serde(flatten)]
    pub more: BTreeMap<String, Value>,
    /// The nodes, which end with it.
    #[serde(skip)]
    pub testbed: Option<testbed::Testbed>,
}

/// Stages an attack once.
pub fn stage(settings: &AttackSettings) -> anyhow::Result<Outcome> {
    match settings.attack {
        Attack::DoubleSpend => double_spend::stage(settings),
        Attack::Censor | Attack::Halt => suppression::stage(settings),
        Attack::Eclipse => eclipse::stage(settings),
        Attack::Timewarp => timewarp::stage(settings),
        _ => revenue::stage(settings),
    }
}

/// Stages an attack, tells its listeners what happens, and with `keep` waits for Ctrl-C before the nodes end.
pub fn run(settings: &AttackSettings) -> anyhow::Result<Outcome> {
    let mut outcome = stage(settings)?;
    outcome.seconds = (outcome.seconds * 1e3).round() / 1e3;
    let Some(testbed) = outcome.testbed.take() else { return Ok(outcome) };
    testbed.conclude(&outcome, settings.keep)?;
    Ok(outcome)
}
