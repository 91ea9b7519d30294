//! The story of the online shop: pay it, mine a longer branch in secret that spends the same coins elsewhere, wait until it
//! ships, publish.

use super::parties::{ATTACKER, GIVES_UP, PUBLISHES, SHIPS, SHOP};
use super::testbed::{self, Testbed};
use super::{AttackSettings, Outcome};
use crate::lab::strategy::Command;
use crate::lab::strategy::double_spend::{Begin, Plan};
use crate::lab::theory::double_spend::{nakamoto, rosenfeld};
use anyhow::{Context as _, Result, anyhow};
use chain_spec::rules::transaction::check_transaction;
use chain_spec::{Amount, Txid};
use serde_json::json;
use std::sync::Arc;
use wallet::{FeeRate, PaymentOptions};

/// What mallory buys, in coins.
const PRICE_COINS: u64 = 50;
/// The honest miner that makes the public blocks a race begins with.
const HONEST: &str = "honest1";
/// After the race, all honest nodes agree within this many seconds, or the verdict says that they do not.
const SETTLE_S: f64 = 20.0;

/// Plays it and reports.
pub fn stage(settings: &AttackSettings) -> Result<Outcome> {
    let spec = testbed::chain_for(settings)?;
    settings.check_premine(spec.spacing_s)?;
    testbed::check_duration(settings, &spec, f64::from(settings.plan.confirmations + settings.plan.premine))?;
    let strategy = strategy_arguments(&settings.plan);
    let plan = testbed::network_plan(settings, &spec);
    let mut testbed = Testbed::start(settings, plan, spec, &strategy)?;
    testbed.wait(|testbed| Ok((testbed.observer.tip(SHOP)?.1 >= 1).then_some(())))?;
    let at_start = testbed.balance("shop", SHOP)?;

    let (paid, conflicting) = match settings.begin {
        None => pay(&mut testbed)?,
        Some(begin) => testbed.while_paused(|testbed| {
            let ids = pay(testbed)?;
            make(testbed, begin, &ids.0)?;
            Ok(ids)
        })?,
    };
    let shipped = testbed.wait(|testbed| {
        let confirmations = confirmations(testbed, &paid)?;
        let ended = testbed.control().status()?.ended;
        if confirmations >= settings.plan.confirmations {
            // The wallet asks at its own moment: the watch must have seen the same blocks.
            testbed.look()?;
            return Ok(Some(Some(testbed.observer.tip(SHOP)?.1)));
        }
        // A branch that came out before the shop shipped has bought nothing.
        Ok((ended.is_some() && confirmations == 0).then_some(None))
    })?;
    let before = testbed.balance("shop", SHOP)?;
    if let Some(height) = shipped {
        testbed.narrate(
            SHIPS,
            &format!(
                "the shop sees {} confirmation(s) at height {height} and ships; its balance is {before}",
                settings.plan.confirmations
            ),
        )?;
    }
    if shipped.is_some() {
        testbed.control().send(&Command::Shipped)?;
    }
    let ended = testbed.wait(|testbed| Ok(testbed.control().status()?.ended))?;
    testbed.narrate(
        if ended { PUBLISHES } else { GIVES_UP },
        &format!("the attacker: {}", testbed.control().status()?.state),
    )?;
    settle(&mut testbed)?;

    let after = testbed.balance("shop", SHOP)?;
    let gone = confirmations(&mut testbed, &paid)? == 0;
    let spent_elsewhere = testbed.is_confirmed(&conflicting, SHOP)?;
    testbed.say(&format!(
        "the shop's balance: {at_start} before the sale, {before} when it shipped, {after} now; its payment is {}",
        if gone { "gone" } else { "still there" }
    ))?;
    let succeeded = shipped.is_some() && gone && spent_elsewhere;
    let verdict = match (shipped, gone, spent_elsewhere) {
        (Some(_), true, true) => format!("the shop shipped, and {PRICE_COINS} coins it had been paid never were"),
        (None, ..) => "the secret branch came out before the shop shipped, so nothing was gained".to_owned(),
        (Some(_), false, _) if !ended => {
            format!(
                "the public branch stayed ahead and the attacker gave up {} blocks behind",
                settings.plan.give_up.unwrap_or_default()
            )
        }
        (Some(_), false, _) => "the secret branch came out, and the honest nodes did not take it".to_owned(),
        (Some(_), true, false) => "the payment is gone, but the coins were not spent elsewhere either".to_owned(),
    };
    let mut outcome = testbed.finish("double-spend", succeeded, verdict)?;
    outcome.confirmations = Some(settings.plan.confirmations);
    outcome.shipped_at_height = shipped;
    outcome.shop_balance_before = testbed::coins(before);
    outcome.shop_balance_after = testbed::coins(after);
    outcome.more.insert("shop_balance_at_start".into(), json!(testbed::coins(at_start)));
    outcome.more.insert("premine".into(), json!(settings.plan.premine));
    outcome.more.insert("give_up".into(), json!(settings.plan.give_up.unwrap_or_default()));
    outcome.more.insert("matching".into(), json!(settings.theory()));
    outcome.more.insert("rosenfeld".into(), json!(rosenfeld(settings.share, settings.plan.confirmations)));
    outcome.more.insert("nakamoto".into(), json!(nakamoto(settings.share, settings.plan.confirmations)));
    Ok(outcome)
}

/// How the attacker's process is told its plan.
pub fn strategy_arguments(plan: &Plan) -> Vec<String> {
    let mut words = vec!["double-spend".to_owned(), "--confirmations".to_owned(), plan.confirmations.to_string()];
    words.extend(["--premine".to_owned(), plan.premine.to_string()]);
    words.extend(plan.give_up.into_iter().flat_map(|limit| ["--give-up".to_owned(), limit.to_string()]));
    words
}

/// Builds mallory's two payments and commands the attack; the payment's and the conflicting transaction's ids.
fn pay(testbed: &mut Testbed) -> Result<(Txid, Txid)> {
    let price = Amount::COIN.checked_mul(PRICE_COINS).ok_or_else(|| anyhow!("the price is too high"))?;
    let shop = testbed.wallet("shop", SHOP)?.address()?;
    let mallory = testbed.wallet("mallory", ATTACKER)?;
    let payment = mallory.build_payment(&shop, price, &PaymentOptions::default()).context("mallory cannot pay")?;
    let conflict = mallory.build_conflict(&payment, FeeRate::DEFAULT).context("mallory cannot spend twice")?;
    let (paid, conflicting) = (payment.txid(), conflict.txid());
    testbed.paid = Some(paid.to_string());
    testbed.conflicting = Some(conflicting.to_string());
    let conflicting_checked =
        check_transaction(Arc::clone(&conflict.transaction)).context("mallory's second payment")?;
    let command = Command::Pay { paid: Arc::clone(&payment.transaction), conflicting: Arc::new(conflicting_checked) };
    testbed.control().send(&command)?;
    // The payment may have to wait for blocks mined in advance: it is out when an honest node has it.
    testbed.say(&format!("mallory prepares to pay the shop {PRICE_COINS} coins with {paid}"))?;
    testbed.wait(|testbed| {
        let pooled = testbed.client(SHOP)?.mempool()?.contains(&paid);
        Ok((pooled || confirmations(testbed, &paid)? > 0 || testbed.control().status()?.ended.is_some()).then_some(()))
    })?;
    testbed.narrate(
        "pays",
        &format!("the shop's node sees the payment; the same coins go to mallory herself in {conflicting}, in secret"),
    )?;
    Ok((paid, conflicting))
}

/// Makes the blocks with which the race begins: the attacker's in secret, then the others', the first with the payment.
fn make(testbed: &mut Testbed, begin: Begin, paid: &Txid) -> Result<()> {
    testbed.wait(|testbed| Ok(testbed.client(HONEST)?.mempool()?.contains(paid).then_some(())))?;
    testbed.make_blocks(ATTACKER, begin.own)?;
    let height = testbed.observer.tip(SHOP)?.1;
    testbed.make_blocks(HONEST, begin.public)?;
    testbed.wait(|testbed| {
        let has = testbed.observer.honest_agree() && testbed.observer.tip(SHOP)?.1 >= height + u64::from(begin.public);
        Ok(has.then_some(()))
    })
}

/// Confirmations of the payment by the shop's own wallet.
fn confirmations(testbed: &mut Testbed, paid: &Txid) -> Result<u32> {
    Ok(testbed.wallet("shop", SHOP)?.state(paid).map_or(0, |state| state.confirmations()))
}

/// Waits until all honest nodes are on one tip that has stayed ahead of what the attacker published, or the time is over.
fn settle(testbed: &mut Testbed) -> Result<()> {
    let until = testbed.observer.seconds() + SETTLE_S;
    let height = testbed.observer.tip(ATTACKER)?.1;
    testbed.wait(|testbed| {
        let settled = testbed.observer.honest_agree() && testbed.observer.tip(SHOP)?.1 > height;
        Ok((settled || testbed.observer.seconds() > until).then_some(()))
    })
}
