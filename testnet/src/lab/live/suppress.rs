//! Censor and halt: a majority by whose blocks a payment, or every payment, is never confirmed.

use super::Outcome;
use super::picture;
use super::testbed::{self, ATTACKER, SHOP, Scene};
use crate::cli::Common;
use crate::cli::attack::{AttackArgs, AttackName};
use crate::cluster::accounts;
use crate::error::usage;
use crate::lab::strategy::Order;
use anyhow::{Context as _, Result};
use chain_spec::{Address, Amount, Txid};
use serde_json::json;
use wallet::PaymentOptions;

/// Blocks the payment has to be kept out of the chain for, counted by the shop's node, unless asked otherwise.
const BLOCKS: u32 = 12;
/// Whom alice pays unless a target is given.
const TARGET_DEFAULT: &str = "shop";

/// Plays it and reports.
pub fn stage(args: &AttackArgs, common: &Common) -> Result<Outcome> {
    let censors = args.name == AttackName::Censor;
    let spec = testbed::chain_for(args)?;
    let blocks = u64::from(args.blocks.unwrap_or(BLOCKS));
    let account = args.target.as_deref().unwrap_or(TARGET_DEFAULT);
    let address = target(account, &spec)?;
    let name = args.name.as_str();
    let mut strategy = vec![name.to_owned()];
    if censors {
        strategy.extend(["--target".to_owned(), address.to_string()]);
    }
    let mut scene = Scene::start(args, common, testbed::cast(args, &spec), spec, &strategy)?;
    scene.say(&picture::heading());
    scene.wait(|scene| Ok((scene.watch.tip(SHOP)?.1 >= 1).then_some(())))?;

    let txid = pay(&scene, &address)?;
    scene.paid = Some(txid.to_string());
    let from = scene.watch.tip(SHOP)?.1;
    scene.tell("payment", &format!("alice pays {address} 1 coin with {txid}"));
    // A block of the others holds the payment until the attacker's branch outgrows it, so the count ends with one of his.
    // One who is no majority never has the last word; then it ends all the same.
    scene.wait(|scene| {
        let (tip, height) = scene.watch.tip(SHOP)?;
        let his = scene.watch.blocks.get(&tip).is_some_and(|block| block.miner == ATTACKER);
        Ok(((his && height >= from + blocks) || height >= from + 2 * blocks).then_some(()))
    })?;

    let confirmations = scene.wallet("alice", SHOP)?.state(&txid).map_or(0, |state| state.confirmations());
    // Blocks that held it and did not stay.
    let held = scene.watch.blocks.values().filter(|block| block.txids.contains(&txid.to_string())).count();
    let tip = scene.watch.tip(SHOP)?.0;
    let branch: Vec<_> = scene.watch.branch(&tip).into_iter().filter(|(_, block)| block.height > from).collect();
    let own = branch.iter().filter(|(_, block)| block.miner == ATTACKER).count();
    let chain = format!(
        "{own} of the last {} blocks are the attacker's, {held} block(s) with the payment were mined",
        branch.len()
    );
    let succeeded = confirmations == 0;
    let verdict = if succeeded {
        format!("{blocks} blocks later the payment is still not confirmed; {chain}")
    } else {
        format!("the payment has {confirmations} confirmation(s); {chain}")
    };
    scene.desk().give(&Order::Stop)?;
    let mut outcome = scene.finish(name, succeeded, verdict)?;
    outcome.confirmations = Some(confirmations);
    outcome.more.insert("target".into(), json!(address.to_string()));
    outcome.more.insert("blocks".into(), json!(blocks));
    outcome.more.insert("blocks_with_payment".into(), json!(held));
    Ok(outcome)
}

/// Alice pays one coin; her wallet is free again afterwards.
fn pay(scene: &Scene, to: &Address) -> Result<Txid> {
    let mut alice = scene.wallet("alice", SHOP)?;
    let payment = alice.build_payment(to, Amount::COIN, &PaymentOptions::default()).context("alice cannot pay")?;
    alice.send(&scene.client(SHOP)?, &payment).context("alice cannot pay")
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
