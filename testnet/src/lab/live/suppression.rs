//! Censor and halt: does a payment, or every payment, stay out of the chain?
//!
//! The attack has failed at the moment the payment has so many confirmations by the shop's node, and has succeeded when so
//! many blocks have been found by anybody since the payment without that. The formula for this race is
//! [`crate::lab::theory::suppression`]'s.

use super::parties::{ATTACKER, SHOP};
use super::testbed::{self, Testbed};
use super::{AttackSettings, Outcome};
use crate::cluster::accounts;
use crate::error::usage;
use crate::lab::attack::Attack;
use crate::lab::strategy::Command;
use crate::lab::theory::suppression::Suppression;
use anyhow::{Context as _, Result};
use chain_spec::{Address, Amount, Txid};
use serde_json::json;
use wallet::PaymentOptions;

/// Whom alice pays unless a target is given.
const TARGET_DEFAULT: &str = "shop";

/// Plays it and reports.
pub fn stage(settings: &AttackSettings) -> Result<Outcome> {
    let spec = testbed::chain_for(settings)?;
    let race =
        Suppression { share: settings.share, confirmations: settings.plan.confirmations, blocks: settings.blocks };
    testbed::check_duration(settings, &spec, f64::from(race.blocks))?;
    let address = target(settings.target.as_deref().unwrap_or(TARGET_DEFAULT), &spec)?;
    let name = settings.attack.as_str();
    let mut strategy = vec![name.to_owned()];
    if settings.attack == Attack::Censor {
        strategy.extend(["--target".to_owned(), address.to_string()]);
    }
    let mut testbed = Testbed::start(settings, testbed::network_plan(settings, &spec), spec, &strategy)?;
    testbed.wait(|testbed| Ok((testbed.observer.tip(SHOP)?.1 >= 1).then_some(())))?;

    let txid = pay(&testbed, &address)?;
    let paid = txid.to_string();
    testbed.paid = Some(paid.clone());
    let known = testbed.observer.blocks.len();
    testbed.narrate("payment", &format!("alice pays {address} 1 coin with {txid}"))?;
    // `None`: the payment has got through.
    let kept_out = testbed.wait(|testbed| {
        let found = testbed.observer.blocks.len() - known;
        Ok(match confirmations(testbed, &paid)? >= race.confirmations {
            true => Some(None),
            false => (found >= race.blocks as usize).then_some(Some(found)),
        })
    })?;
    let confirmed = confirmations(&testbed, &paid)?;
    let found = testbed.observer.blocks.len() - known;
    // Blocks that held it, whether or not they stayed.
    let held = testbed.observer.blocks.values().filter(|block| block.txids.contains(&paid)).count();
    let by_attacker = testbed.observer.blocks.values().filter(|block| block.miner == ATTACKER).count();
    testbed.control().send(&Command::Stop)?;
    let agreed = testbed.settle()?;
    let success = race.success();
    let verdict = format!(
        "{} (the rule: it has failed at {} confirmations, and succeeded after {} blocks without them; by the formula it succeeds \
         with {:.1} %); {held} block(s) with the payment were found{}",
        match kept_out {
            Some(blocks) => format!("{blocks} blocks after the payment it has {confirmed} confirmation(s)"),
            None => format!("after {found} blocks the payment has {confirmed} confirmation(s)"),
        },
        race.confirmations,
        race.blocks,
        100.0 * success,
        if agreed { "" } else { "; the nodes do not agree yet" }
    );
    let mut outcome = testbed.finish(name, kept_out.is_some(), verdict)?;
    outcome.confirmations = Some(confirmed);
    outcome.more.insert("confirmations_to_fail".into(), json!(race.confirmations));
    outcome.more.insert("target".into(), json!(address.to_string()));
    outcome.more.insert("blocks".into(), json!(race.blocks));
    outcome.more.insert("blocks_found".into(), json!(found));
    outcome.more.insert("blocks_by_attacker".into(), json!(by_attacker));
    outcome.more.insert("blocks_with_payment".into(), json!(held));
    outcome.more.insert("matching".into(), json!(success));
    outcome.more.insert("nodes_agree".into(), json!(agreed));
    Ok(outcome)
}

/// Confirmations of the payment in the shop's chain at the last look.
fn confirmations(testbed: &Testbed, paid: &str) -> Result<u32> {
    let (tip, height) = testbed.observer.tip(SHOP)?;
    let branch = testbed.observer.branch(&tip);
    let block = branch.iter().rev().find(|(_, block)| block.txids.iter().any(|txid| txid == paid));
    Ok(block.map_or(0, |(_, block)| u32::try_from(height + 1 - block.height).unwrap_or(u32::MAX)))
}

/// Alice pays one coin; her wallet is free again afterwards.
fn pay(testbed: &Testbed, to: &Address) -> Result<Txid> {
    let mut alice = testbed.wallet("alice", SHOP)?;
    let payment = alice.build_payment(to, Amount::COIN, &PaymentOptions::default()).context("alice cannot pay")?;
    alice.send(&testbed.client(SHOP)?, &payment).context("alice cannot pay")
}

/// A demo account's address, or the address itself.
fn target(text: &str, spec: &chain_spec::ChainSpec) -> Result<Address> {
    let demo = spec.demo_accounts.iter().find(|account| account.name == text);
    let address = demo.map_or(text, |account| account.address.as_str());
    Address::parse(address, spec).map_err(|error| {
        usage(format!(
            "--target {text}: neither one of the accounts {} nor an address: {error}",
            accounts::NAMES.join(", ")
        ))
    })
}
