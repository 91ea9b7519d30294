//! A testbed: honest miners, a shop and an attacker as processes, on a chain made for the experiment, watched over RPC.

use super::control::ControlChannel;
use super::costs;
use super::gamma;
use super::observer::{ChainEvent, Observer};
use super::parties::{ATTACKER, GIVES_UP, HIDES, PUBLISHES, SHIPS, SHOP};
use super::picture;
use super::story::{self, Listeners, Moment, What};
use super::{AttackSettings, Outcome};
use crate::chain;
use crate::clock::Stopwatch;
use crate::cluster::Cluster;
use crate::cluster::accounts;
use crate::cluster::directory::Directory;
use crate::cluster::state::NetworkState;
use crate::interrupt::Interrupt;
use crate::lab::attack::Attack;
use crate::lab::cost::Network;
use crate::lab::theory::double_spend::Race;
use crate::plan::topology::Topology;
use crate::plan::{NodePlan, Plan, Role};
use anyhow::{Context as _, Result, anyhow, bail};
use chain_spec::{Amount, ChainSpec, Txid};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;
use wallet::{Client, Wallet};

/// Between two looks at all nodes, milliseconds.
const LOOK_MS: u64 = 25;
/// A testbed that has not come to an end by then never will, seconds.
const TESTBED_S_MAX: f64 = 1_800.0;
/// After an attack all nodes agree within this many seconds, or the report says that they do not.
const SETTLE_S: f64 = 20.0;
/// Making blocks at once may take this long, milliseconds.
const MAKE_MS: u64 = 600_000;
/// A machine must do this part of the hashes asked of it, over the whole testbed so far.
const HASHRATE_PART_MIN: f64 = 0.75;
/// After this long every miner's rate has settled, seconds.
const HASHRATE_SETTLED_S: f64 = 5.0;
/// A machine that was busy with something else has this long to catch up, seconds.
const HASHRATE_PATIENCE_S: f64 = 30.0;

/// The chain an attack is staged on: the one asked for, or the local chain with a fixed target, because retargeting on a
/// private branch is no part of the formulas, and a block every second, because people wait; or every few where delays make γ.
pub fn chain_for(settings: &AttackSettings) -> Result<ChainSpec> {
    match &settings.chain {
        Some(name) => chain::load(name, std::path::Path::new(".")),
        None => {
            let mut spec = ChainSpec::builtin("local").ok_or_else(|| anyhow!("the local chain is not built in"))?;
            spec.name = "attack".into();
            spec.retarget = chain_spec::spec::Retarget::Fixed;
            spec.spacing_s = if settings.gamma.is_some() { gamma::SPACING_S } else { 1 };
            Ok(spec)
        }
    }
}

/// Two honest miners (or as many as the γ asked for takes), the shop's relay, and the attacker with the strategy, all connected.
pub fn network_plan(settings: &AttackSettings, spec: &ChainSpec) -> Plan {
    let honest = (1.0 - settings.share) / 2.0;
    let nodes = vec![
        NodePlan::miner("honest1", honest),
        NodePlan::miner("honest2", honest),
        NodePlan { role: Role::Shop, ..NodePlan::relay(SHOP) },
        NodePlan { role: Role::Attacker, ..NodePlan::miner(ATTACKER, settings.share) },
    ];
    let mut plan =
        Plan { hashrate: chain::hashrate(spec), nodes, edges: Vec::new(), links: Vec::new(), partition: Vec::new() };
    plan.connect(Topology::Mesh);
    if let Some(part) = settings.gamma {
        gamma::make(&mut plan, settings.share, part);
    }
    plan
}

/// Refuses a chain on which `blocks` blocks, which the attack needs at least, take longer than a testbed lives.
pub fn check_duration(settings: &AttackSettings, spec: &ChainSpec, blocks: f64) -> Result<()> {
    let seconds = blocks * f64::from(spec.spacing_s);
    if seconds <= TESTBED_S_MAX {
        return Ok(());
    }
    Err(crate::error::usage(format!(
        "chain {:?} has a block every {} s: {} would need about {blocks:.0} blocks ({:.1} h), and an attack is ended after {:.1} h; leave \
         --chain out, or use a chain spec with a shorter spacing",
        spec.name,
        spec.spacing_s,
        settings.attack.as_str(),
        seconds / 3_600.0,
        TESTBED_S_MAX / 3_600.0
    )))
}

/// A running testbed. Everything it started ends with it.
pub struct Testbed {
    /// The processes.
    pub cluster: Cluster,
    /// What they say.
    pub observer: Observer,
    /// The payment the shop is to see, once there is one.
    pub paid: Option<String>,
    /// What replaces it.
    pub conflicting: Option<String>,
    clock: Stopwatch,
    interrupt: Interrupt,
    listeners: Listeners,
    /// The race of a double spend, whose standing is told.
    race: Option<Race>,
    is_shipped: bool,
    svg: PathBuf,
    share_asked: f64,
    hashes_before: BTreeMap<String, u64>,
    rate_is_checked: bool,
    costs: Vec<Network>,
}

impl Testbed {
    /// Starts the network of a plan; the attacker's node runs `strategy` (its name and options).
    pub fn start(settings: &AttackSettings, plan: Plan, spec: ChainSpec, strategy: &[String]) -> Result<Testbed> {
        let interrupt = settings.interrupt.clone().map_or_else(Interrupt::install, Ok)?;
        Testbed::start_with(settings, plan, spec, strategy, interrupt)
    }

    /// The same, ended by an interrupt that is watched already: several networks share one.
    pub fn start_with(
        settings: &AttackSettings,
        plan: Plan,
        spec: ChainSpec,
        strategy: &[String],
        interrupt: Interrupt,
    ) -> Result<Testbed> {
        let clock = Stopwatch::start();
        let path = match &settings.directory {
            Some(path) => path.clone(),
            None => crate::cluster::directory::default_path()?.with_file_name("attack"),
        };
        let directory = Directory::create(Some(&path))?;
        let lock = directory.lock()?;
        if let Some(there) = NetworkState::load(&directory)? {
            let path = path.display();
            if !there.alive().is_empty() {
                bail!(
                    "a network is running in {path}; end it with `testoon down{}`, or use another --dir",
                    directory.flag()
                );
            }
            // What an earlier attack left is made anew; anybody's own network is not ours to delete.
            if there.plan.node(ATTACKER).is_none() {
                bail!("{path} holds a network of chain {}; use another --dir for the attack's own", there.chain_name);
            }
        }
        directory.wipe(&lock)?;
        let mut plan = plan;
        for attacker in plan.nodes.iter_mut().filter(|node| node.name == ATTACKER && !strategy.is_empty()) {
            let control = directory.node(ATTACKER);
            std::fs::create_dir_all(&control).with_context(|| format!("cannot create {}", control.display()))?;
            attacker.strategy = strategy.to_vec();
            attacker.strategy.extend(["--control".to_owned(), control.display().to_string()]);
        }
        plan.check().map_err(crate::error::usage)?;
        let svg = settings.svg.clone().unwrap_or_else(|| path.join("attack.svg"));
        // By what was asked for: a copied spec file may still carry a built-in chain's name.
        let chain = settings.chain.clone().unwrap_or_else(|| spec.name.clone());
        let mut cluster = Cluster::create(directory, &chain, spec, plan)?;
        cluster.become_launcher()?;
        cluster.start(false, Some(&interrupt))?;
        drop(lock);
        let (nodes, miners) = observed(&cluster)?;
        let observer = Observer::new(clock, nodes, miners)?;
        let mut testbed = Testbed {
            cluster,
            observer,
            paid: None,
            conflicting: None,
            clock,
            interrupt,
            listeners: settings.listeners.clone(),
            race: (settings.attack == Attack::DoubleSpend).then(|| settings.race()),
            is_shipped: false,
            svg,
            share_asked: settings.share,
            hashes_before: BTreeMap::new(),
            rate_is_checked: false,
            costs: settings.costs.clone(),
        };
        testbed.hashes_before = testbed.hashes()?;
        testbed.say(&format!("{} nodes run in {}", testbed.cluster.alive().len(), path.display()))?;
        Ok(testbed)
    }

    /// Tells the listeners.
    fn tell(&self, what: What<'_>) -> Result<()> {
        let (paid, conflicting) = (self.paid.as_deref(), self.conflicting.as_deref());
        let standing = self
            .race
            .and_then(|race| story::standing(&self.observer, race, SHOP, (paid, conflicting), self.is_shipped));
        self.listeners.tell(&Moment {
            seconds: self.observer.seconds(),
            observer: &self.observer,
            paid,
            conflicting,
            standing,
            what,
        })
    }

    /// Something for the listeners to know.
    pub fn say(&self, text: &str) -> Result<()> {
        self.tell(What::Note(text))
    }

    /// A step of the story: told, and marked in the picture. All miners pause while a listener wants time to stand still.
    pub fn narrate(&mut self, short: &str, text: &str) -> Result<()> {
        self.observer.mark(short);
        self.is_shipped |= short == SHIPS;
        if short == PUBLISHES || short == GIVES_UP {
            self.race = None;
        }
        if !self.listeners.stop_time() {
            return self.tell(What::Step(short, text));
        }
        self.pause_miners(true)?;
        let stopped = Stopwatch::start();
        self.tell(What::Step(short, text))?;
        self.pause_miners(false)?;
        self.clock.leave_out(stopped.elapsed());
        self.observer.leave_out(stopped.elapsed());
        Ok(())
    }

    /// The secret block that spends the payment's coins elsewhere is a step of the story.
    fn note_conflict(&mut self, hash: &str) -> Result<()> {
        let (Some(conflicting), Some(block)) = (&self.conflicting, self.observer.blocks.get(hash)) else {
            return Ok(());
        };
        if !block.txids.contains(conflicting) {
            return Ok(());
        }
        let text = format!("in secret the attacker has block {}, in which the same coins go to mallory", block.height);
        self.narrate(HIDES, &text)
    }

    /// Does something while all miners stand still; the time it takes does not count.
    pub fn while_paused<T>(&mut self, act: impl FnOnce(&mut Testbed) -> Result<T>) -> Result<T> {
        self.pause_miners(true)?;
        let stopped = Stopwatch::start();
        let done = act(self)?;
        self.pause_miners(false)?;
        self.clock.leave_out(stopped.elapsed());
        self.observer.leave_out(stopped.elapsed());
        Ok(done)
    }

    /// Has a node make blocks at once, as its miner would: secret ones where its strategy says so.
    pub fn make_blocks(&self, name: &str, blocks: u32) -> Result<()> {
        if blocks == 0 {
            return Ok(());
        }
        let record = self.cluster.state().nodes.get(name);
        let payout = record
            .and_then(|record| record.payout.clone())
            .ok_or_else(|| anyhow!("{name} has no address to mine to"))?;
        self.client(name)?.call_within("generatetoaddress", json!([blocks, payout]), MAKE_MS)?;
        Ok(())
    }

    fn pause_miners(&self, is_paused: bool) -> Result<()> {
        for name in self.cluster.alive() {
            self.client(&name)?.call("setmining", json!({ "paused": is_paused }))?;
        }
        Ok(())
    }

    /// Tells the verdict; with `keep` the nodes answer until Ctrl-C, their miners paused.
    pub fn conclude(mut self, outcome: &Outcome, keep: bool) -> Result<()> {
        self.observer.mark("verdict");
        self.tell(What::Verdict(outcome))?;
        if !keep || self.interrupt.is_set() {
            return Ok(());
        }
        // Time stands still, so that what is looked at stays where it is.
        self.pause_miners(true)?;
        self.tell(What::Kept)?;
        self.interrupt.wait_forever();
        Ok(())
    }

    /// Where the attacker's commands go and its status is read.
    pub fn control(&self) -> ControlChannel {
        ControlChannel::new(&self.cluster.directory().node(ATTACKER))
    }

    /// JSON-RPC of a node.
    pub fn client(&self, name: &str) -> Result<Client> {
        self.cluster.client(name)
    }

    /// An account's wallet, up to date with a node.
    pub fn wallet(&self, account: &str, node: &str) -> Result<Wallet> {
        let mut wallet = accounts::open(self.cluster.directory(), account)?;
        wallet.sync(&self.client(node)?).with_context(|| format!("wallet of {account}"))?;
        Ok(wallet)
    }

    /// An account's confirmed balance by a node's word.
    pub fn balance(&self, account: &str, node: &str) -> Result<Amount> {
        Ok(self.wallet(account, node)?.balance().confirmed)
    }

    /// Whether a node has a coin of the transaction: it is confirmed, and its first output is not spent.
    pub fn is_confirmed(&self, txid: &Txid, node: &str) -> Result<bool> {
        let coin = self.client(node)?.call("gettxout", json!([txid.to_string(), 0, false]))?;
        Ok(!coin.is_null())
    }

    /// Looks once, prints what is new, and rests until the next look.
    pub fn look(&mut self) -> Result<()> {
        if self.interrupt.wait(Duration::from_millis(LOOK_MS)) {
            bail!("interrupted; everything that was started has been ended");
        }
        self.cluster.reap();
        if self.observer.seconds() > TESTBED_S_MAX {
            bail!(
                "no end after {TESTBED_S_MAX} s; see the nodes' logs in {}",
                self.cluster.directory().path().display()
            );
        }
        self.check_rate()?;
        for event in self.observer.look()? {
            self.tell(What::Event(&event))?;
            if let ChainEvent::Block { hash, secret: true } = &event {
                self.note_conflict(hash)?;
            }
            if let ChainEvent::Reorganisation { node, depth } = &event {
                self.observer.mark(format!("{node} -{depth}"));
            }
        }
        Ok(())
    }

    /// Looks until `until` gives something.
    pub fn wait<T>(&mut self, mut until: impl FnMut(&mut Testbed) -> Result<Option<T>>) -> Result<T> {
        loop {
            if let Some(found) = until(self)? {
                return Ok(found);
            }
            self.look()?;
        }
    }

    /// Waits until all nodes have had one tip at two looks; whether they do within [`SETTLE_S`].
    pub fn settle(&mut self) -> Result<bool> {
        let until = self.observer.seconds() + SETTLE_S;
        let mut agreed_on: Option<String> = None;
        self.wait(|testbed| {
            let tip = testbed.observer.tip(SHOP)?.0;
            let agree = testbed.observer.all_agree();
            let is_settled = agree && agreed_on.as_ref() == Some(&tip);
            agreed_on = agree.then_some(tip);
            Ok((is_settled || testbed.observer.seconds() > until).then_some(is_settled))
        })
    }

    /// Once the miners have settled: a machine too slow for the rates asked of it would make the shares a fiction.
    fn check_rate(&mut self) -> Result<()> {
        let seconds = self.observer.seconds();
        if self.rate_is_checked || seconds < HASHRATE_SETTLED_S {
            return Ok(());
        }
        let asked = self.cluster.state().plan.hashrate;
        let done = self.hashes_done()?.values().sum::<u64>() as f64 / seconds;
        self.rate_is_checked = done >= HASHRATE_PART_MIN * asked;
        if !self.rate_is_checked && seconds > HASHRATE_PATIENCE_S {
            bail!(
                "this machine does {done:.0} of the {asked:.0} hashes a second that the shares are parts of; end other work on it, or use a \
                 chain with an easier initial target"
            );
        }
        Ok(())
    }

    fn hashes(&self) -> Result<BTreeMap<String, u64>> {
        let miners = self.cluster.state().plan.nodes.iter().filter(|node| node.share > 0.0);
        miners
            .map(|node| {
                let mining = self.client(&node.name)?.call("getmininginfo", json!([]))?;
                Ok((node.name.clone(), mining["miner"]["hashes_total"].as_u64().unwrap_or(0)))
            })
            .collect()
    }

    /// Each miner's hashes since the testbed began.
    pub fn hashes_done(&self) -> Result<BTreeMap<String, u64>> {
        let mut done = self.hashes()?;
        for (name, hashes) in &mut done {
            *hashes = hashes.saturating_sub(self.hashes_before.get(name).copied().unwrap_or(0));
        }
        Ok(done)
    }

    /// The attacker's part of all hashes since the testbed began.
    pub fn share_achieved(&self) -> Result<Option<f64>> {
        let done = self.hashes_done()?;
        let total: u64 = done.values().sum();
        Ok((total > 0).then(|| done.get(ATTACKER).copied().unwrap_or(0) as f64 / total as f64))
    }

    /// Whether the testbed was told to end.
    pub fn is_interrupted(&self) -> bool {
        self.interrupt.is_set()
    }

    /// Draws the picture and gives the facts that every attack reports, the nodes with them.
    pub fn finish(mut self, attack: &str, succeeded: bool, verdict: String) -> Result<Outcome> {
        let share_achieved = self.share_achieved()?;
        let hashes = self.hashes_done()?;
        let has_goal = !Attack::ALL.iter().any(|known| known.as_str() == attack && known.is_for_revenue());
        let ledger = costs::ledger(&self.observer, &hashes, has_goal.then_some(succeeded))?;
        let mut cost = ledger.as_json(&self.costs);
        cost["hashes"] = json!(hashes.get(ATTACKER));
        let title = format!("{attack}: {verdict}");
        let held = picture::Held { paid: self.paid.as_deref(), conflicting: self.conflicting.as_deref() };
        picture::write(&self.observer, &title, held, SHOP, &self.svg)
            .with_context(|| format!("cannot write {}", self.svg.display()))?;
        self.say(&format!("the picture is in {}", self.svg.display()))?;
        let outcome = Outcome {
            attack: attack.to_owned(),
            share_asked: self.share_asked,
            share_achieved,
            paid_txid: self.paid.clone(),
            conflicting_txid: self.conflicting.clone(),
            reorg_depth: std::mem::take(&mut self.observer.reorg_depth),
            succeeded,
            seconds: self.clock.seconds(),
            verdict,
            ledger,
            costs: std::mem::take(&mut self.costs),
            more: BTreeMap::from([("cost".to_owned(), cost)]),
            testbed: Some(self),
            ..Outcome::default()
        };
        Ok(outcome)
    }
}

impl Drop for Testbed {
    fn drop(&mut self) {
        // The verdict or the error is what the user must hear; nodes that do not end are killed by `stop` itself.
        let _ = self.cluster.stop();
    }
}

/// Whom to observer, and whose coinbase addresses are whose.
type Observed = (Vec<(String, Client, bool)>, BTreeMap<String, String>);

fn observed(cluster: &Cluster) -> Result<Observed> {
    let nodes = cluster.alive().into_iter().map(|name| {
        let client = cluster.client(&name)?;
        let honest = name != ATTACKER;
        Ok((name, client, honest))
    });
    let records = cluster.state().nodes.iter();
    let miners = records.filter_map(|(name, record)| Some((record.payout.clone()?, name.clone()))).collect();
    Ok((nodes.collect::<Result<_>>()?, miners))
}

/// An amount as a JSON number of coins.
pub fn coins(amount: Amount) -> Option<Value> {
    serde_json::from_str(&amount.to_string()).ok()
}
