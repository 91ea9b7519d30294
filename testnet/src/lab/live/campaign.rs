//! One attack many times on live networks, side by side: the measured rate, to be held against the formula.
//!
//! [`repeat`] stages any attack anew each time. [`double_spends`] saves the double spend that start: each network lives for the whole campaign and plays one run after the other: pay, race, let everybody agree, and again.
//! What a run came to is read from the shop's node.

use super::control::ControlChannel;
use super::costs;
use super::double_spend::strategy_arguments;
use super::parties::{ATTACKER, SHOP};
use super::testbed::{self, Testbed};
use super::{AttackSettings, Outcome};
use crate::clock::Stopwatch;
use crate::interrupt::Interrupt;
use crate::lab::cost::Ledger;
use crate::lab::strategy::Command;
use crate::lab::theory::estimate::Proportion;
use crate::output::line;
use anyhow::{Context as _, Result, anyhow, bail};
use chain_spec::rules::transaction::check_transaction;
use chain_spec::{Amount, Txid};
use serde_json::json;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use wallet::{Client, FeeRate, PaymentOptions};

/// Between two looks at the shop's node and the attacker's status.
const LOOK: Duration = Duration::from_millis(10);
/// What mallory buys each time, in coins: little, so that her money lasts however often she loses it.
const PRICE_COINS: u64 = 1;
/// A run that has not ended by then never will, seconds.
const RUN_S_MAX: f64 = 1_800.0;

/// What the runs came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Campaign {
    /// Runs and successes.
    pub proportion: Proportion,
    /// The formula that matches what was played.
    pub matching: f64,
    /// What the attackers did, from each network's start to its end: the time between runs is part of it.
    pub ledger: Ledger,
    /// The attackers' hashes.
    pub hashes: u64,
    /// The attacker's part of all hashes, over all networks.
    pub share_achieved: f64,
    /// Networks side by side.
    pub networks: usize,
    /// From the command to the result.
    pub seconds: f64,
}

/// What the networks share.
struct Progress<'a> {
    settings: &'a AttackSettings,
    runs: u32,
    begun: AtomicU32,
    proportion: Mutex<Proportion>,
    interrupt: Interrupt,
}

/// Stages an attack `runs` times, each on a network made for it, on up to `networks` side by side.
///
/// # Errors
/// One could not be staged, or was interrupted; the others then begin no more.
pub fn repeat(settings: &AttackSettings, runs: u32, networks: usize) -> Result<Vec<Outcome>> {
    let root = root(settings)?;
    let begun = AtomicU32::new(0);
    let staged: Vec<Result<Vec<Outcome>>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (1..=networks.clamp(1, runs as usize))
            .map(|number| {
                let (begun, directory) = (&begun, root.join(format!("network-{number}")));
                scope.spawn(move || {
                    let settings = AttackSettings { directory: Some(directory), is_quiet: true, ..settings.clone() };
                    let mut outcomes = Vec::new();
                    while begun.fetch_add(1, Ordering::Relaxed) < runs {
                        let staged = super::stage(&settings).inspect_err(|_| begun.store(runs, Ordering::Relaxed));
                        // The nodes end here: only what came of it is kept.
                        outcomes.push(Outcome { testbed: None, ..staged? });
                    }
                    Ok(outcomes)
                })
            })
            .collect();
        let joined = threads.into_iter().map(std::thread::ScopedJoinHandle::join);
        joined.map(|staged| staged.unwrap_or_else(|_| Err(anyhow!("a network's thread panicked")))).collect()
    });
    Ok(staged.into_iter().collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
}

/// Under which the networks' directories are.
fn root(settings: &AttackSettings) -> Result<PathBuf> {
    match &settings.directory {
        Some(path) => Ok(path.clone()),
        None => Ok(crate::cluster::directory::default_path()?.with_file_name("attack")),
    }
}

/// Stages `runs` double spends on up to `networks` networks.
pub fn double_spends(settings: &AttackSettings, runs: u32, networks: usize) -> Result<Campaign> {
    let clock = Stopwatch::start();
    let spec = testbed::chain_for(settings)?;
    settings.check_premine(spec.spacing_s)?;
    testbed::check_duration(settings, &spec, f64::from(settings.plan.confirmations + settings.plan.premine))?;
    let networks = networks.clamp(1, runs as usize);
    let root = root(settings)?;
    let progress = Progress {
        settings,
        runs,
        begun: AtomicU32::new(0),
        proportion: Mutex::new(Proportion::default()),
        interrupt: Interrupt::install()?,
    };
    let played: Vec<Result<Hashes>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (1..=networks)
            .map(|number| {
                let (progress, directory) = (&progress, root.join(format!("network-{number}")));
                scope.spawn(move || {
                    let settings = AttackSettings { directory: Some(directory), is_quiet: true, ..settings.clone() };
                    let played = network(progress, &settings);
                    if played.is_err() {
                        // The others' results would be incomplete anyway.
                        progress.begun.store(progress.runs, Ordering::Relaxed);
                    }
                    played
                })
            })
            .collect();
        let joined = threads.into_iter().map(std::thread::ScopedJoinHandle::join);
        joined.map(|played| played.unwrap_or_else(|_| Err(anyhow!("a network's thread panicked")))).collect()
    });
    let (mut own, mut all, mut ledger) = (0, 0, Ledger::default());
    for network in played {
        let network = network?;
        own += network.own;
        all += network.all;
        ledger = ledger.and(network.ledger);
    }
    let proportion = *progress.proportion.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(Campaign {
        proportion,
        ledger: Ledger { successes: Some(u64::from(proportion.successes)), ..ledger },
        hashes: own,
        matching: settings.race().success(),
        share_achieved: own as f64 / all.max(1) as f64,
        networks,
        seconds: clock.seconds(),
    })
}

/// What one network did: the attacker's hashes, all hashes, and what came of the attacker's.
struct Hashes {
    own: u64,
    all: u64,
    ledger: Ledger,
}

/// Plays runs on one network until enough have begun.
fn network(progress: &Progress<'_>, settings: &AttackSettings) -> Result<Hashes> {
    let spec = testbed::chain_for(settings)?;
    let plan = testbed::network_plan(settings, &spec);
    let strategy = strategy_arguments(&settings.plan);
    let mut testbed = Testbed::start_with(settings, plan, spec, &strategy, progress.interrupt.clone())?;
    testbed.wait(|testbed| Ok((testbed.observer.tip(SHOP)?.1 >= 1).then_some(())))?;
    let mut nodes = Vec::new();
    for name in testbed.cluster.alive() {
        nodes.push(testbed.client(&name)?);
    }
    let shop = testbed.client(SHOP)?;
    let control = testbed.control();
    let mut played = 0;
    while progress.begun.fetch_add(1, Ordering::Relaxed) < progress.runs {
        played += 1;
        let succeeded = Run { testbed: &testbed, shop: &shop, nodes: &nodes, control: &control, number: played }
            .play(settings, &progress.interrupt)?;
        let mut proportion = progress.proportion.lock().unwrap_or_else(PoisonError::into_inner);
        proportion.runs += 1;
        proportion.successes += u32::from(succeeded);
        if !progress.settings.is_quiet {
            line(format_args!(
                "{:>5} of {} runs: {} succeeded ({:.1} %)",
                proportion.runs,
                progress.runs,
                proportion.successes,
                100.0 * proportion.rate()
            ));
        }
    }
    let hashes = testbed.hashes_done()?;
    testbed.observer.look()?;
    let ledger = Ledger { runs: u64::from(played), ..costs::ledger(&testbed.observer, &hashes, None)? };
    Ok(Hashes { own: hashes.get(ATTACKER).copied().unwrap_or(0), all: hashes.values().sum(), ledger })
}

/// One double spend.
struct Run<'a> {
    testbed: &'a Testbed,
    shop: &'a Client,
    nodes: &'a [Client],
    control: &'a ControlChannel,
    /// How many the attacker has begun on this network, this one included.
    number: u32,
}

impl Run<'_> {
    /// Plays it; whether the shop shipped for a payment that is gone, its coins spent elsewhere.
    fn play(&self, settings: &AttackSettings, interrupt: &Interrupt) -> Result<bool> {
        let (paid, conflicting) = self.pay()?;
        let mut shipped = false;
        let clock = Stopwatch::start();
        loop {
            let status = self.control.status()?;
            let ended = status.ended.filter(|_| status.runs == self.number);
            if !shipped && self.confirmations(&paid)? >= settings.plan.confirmations {
                shipped = true;
                self.control.send(&Command::Shipped)?;
            } else if ended.is_some() {
                break;
            }
            wait(interrupt, &clock)?;
        }
        // One of the two payments is in everybody's chain, and nobody knows a better one.
        let clock = Stopwatch::start();
        loop {
            let tips: Vec<_> =
                self.nodes.iter().map(|node| node.call("getbestblockhash", json!([]))).collect::<Result<_, _>>()?;
            let agree = tips.iter().all(|tip| *tip == tips[0]);
            let spent_elsewhere = self.confirmations(&conflicting)? > 0;
            if agree && (spent_elsewhere || self.confirmations(&paid)? > 0) {
                return Ok(shipped && spent_elsewhere);
            }
            wait(interrupt, &clock)?;
        }
    }

    /// Has the attacker pay the shop, and spend the same coins elsewhere; both ids.
    fn pay(&self) -> Result<(Txid, Txid)> {
        let price = Amount::COIN.checked_mul(PRICE_COINS).ok_or_else(|| anyhow!("the price is too high"))?;
        let shop = self.testbed.wallet("shop", SHOP)?.address()?;
        let mallory = self.testbed.wallet("mallory", ATTACKER)?;
        let payment = mallory.build_payment(&shop, price, &PaymentOptions::default()).context("mallory cannot pay")?;
        let conflict = mallory.build_conflict(&payment, FeeRate::DEFAULT).context("mallory cannot spend twice")?;
        let checked = check_transaction(Arc::clone(&conflict.transaction)).context("mallory's second payment")?;
        let paid = Arc::clone(&payment.transaction);
        self.control.send(&Command::Pay { paid, conflicting: Arc::new(checked) })?;
        Ok((payment.txid(), conflict.txid()))
    }

    /// Confirmations of a transaction, none of whose outputs is spent during the run, by the shop's node.
    fn confirmations(&self, txid: &Txid) -> Result<u32> {
        let coin = self.shop.call("gettxout", json!([txid.to_string(), 0, false]))?;
        Ok(coin["confirmations"].as_u64().and_then(|count| u32::try_from(count).ok()).unwrap_or(0))
    }
}

/// Waits until the next look.
fn wait(interrupt: &Interrupt, clock: &Stopwatch) -> Result<()> {
    if interrupt.wait(LOOK) {
        bail!("interrupted; everything that was started has been ended");
    }
    if clock.seconds() > RUN_S_MAX {
        bail!("a run has not ended after {RUN_S_MAX} s; see the nodes' logs");
    }
    Ok(())
}
