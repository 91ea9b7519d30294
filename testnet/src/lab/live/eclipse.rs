//! Eclipse: the shop's only peer is the attacker's node, which mines for it alone. The shop sees a payment confirmed that the
//! rest of the world never hears of; there, the same coins go elsewhere. No majority is needed, only patience.

use super::parties::{ATTACKER, SHIPS, SHOP};
use super::testbed::{self, Testbed};
use super::{AttackSettings, Outcome};
use anyhow::{Context as _, Result, anyhow};
use chain_spec::Amount;
use serde_json::json;
use wallet::{FeeRate, PaymentOptions, Wallet};

/// What mallory buys, in coins.
const PRICE_COINS: u64 = 50;
/// How long the honest branch may take to get ahead, seconds.
const PATIENCE_S: f64 = 60.0;

/// Plays it and reports.
pub fn stage(settings: &AttackSettings) -> Result<Outcome> {
    let spec = testbed::chain_for(settings)?;
    let mut plan = testbed::network_plan(settings, &spec);
    plan.edges = [("honest1", "honest2"), (ATTACKER, SHOP)].map(|(a, b)| (a.to_owned(), b.to_owned())).to_vec();
    let mut testbed = Testbed::start(settings, plan, spec, &[])?;
    testbed
        .narrate("eclipsed", "the shop's only peer is the attacker; the honest miners are connected with each other")?;
    let at_start = testbed.balance("shop", SHOP)?;

    let price = Amount::COIN.checked_mul(PRICE_COINS).ok_or_else(|| anyhow!("the price is too high"))?;
    let shop = testbed.wallet("shop", SHOP)?.address()?;
    let mallory = testbed.wallet("mallory", SHOP)?;
    let payment = mallory.build_payment(&shop, price, &PaymentOptions::default()).context("mallory cannot pay")?;
    let conflict = mallory.build_conflict(&payment, FeeRate::DEFAULT).context("mallory cannot spend twice")?;
    let (paid, conflicting) = (payment.txid(), conflict.txid());
    testbed.paid = Some(paid.to_string());
    testbed.conflicting = Some(conflicting.to_string());
    Wallet::broadcast(&testbed.client(ATTACKER)?, &payment).context("the payment")?;
    Wallet::broadcast(&testbed.client("honest1")?, &conflict).context("the conflicting payment")?;
    testbed.narrate(
        "pays",
        &format!("mallory pays the shop {PRICE_COINS} coins with {paid}; everybody else sees {conflicting}"),
    )?;

    testbed.wait(|testbed| {
        let state = testbed.wallet("shop", SHOP)?.state(&paid);
        // The watch looks at its own moments, and must have seen those blocks before the shop can leave them.
        let is_seen = testbed.observer.tip(SHOP)?.1 >= u64::from(settings.plan.confirmations);
        Ok(state.is_some_and(|state| is_seen && state.confirmations() >= settings.plan.confirmations).then_some(()))
    })?;
    let (height, before) = (testbed.observer.tip(SHOP)?.1, testbed.balance("shop", SHOP)?);
    testbed.narrate(
        SHIPS,
        &format!(
            "the shop sees {} confirmation(s) at height {height} and ships; its balance is {before}",
            settings.plan.confirmations
        ),
    )?;
    // The honest branch must be ahead when the shop finds it. Against a majority it never is; then the story ends all the same.
    let until = testbed.observer.seconds() + PATIENCE_S;
    testbed.wait(|testbed| {
        let ahead = testbed.observer.tip("honest1")?.1 > testbed.observer.tip(SHOP)?.1 + 1;
        Ok((ahead || testbed.observer.seconds() > until).then_some(()))
    })?;
    let address = testbed.cluster.state().nodes["honest1"].p2p.first().cloned().unwrap_or_default();
    testbed.client(SHOP)?.call("addnode", json!([address, "add"]))?;
    testbed.narrate("found", "the shop finds an honest peer")?;
    let until = testbed.observer.seconds() + 20.0;
    testbed
        .wait(|testbed| Ok((testbed.observer.honest_agree() || testbed.observer.seconds() > until).then_some(())))?;

    let after = testbed.balance("shop", SHOP)?;
    let state = testbed.wallet("shop", SHOP)?.state(&paid);
    let gone = state.is_none_or(|state| state.confirmations() == 0);
    let spent_elsewhere = testbed.is_confirmed(&conflicting, SHOP)?;
    let verdict = if gone && spent_elsewhere {
        format!("the shop shipped for {PRICE_COINS} coins that only its captor's branch had")
    } else if gone {
        "the payment is gone, but the coins were not spent elsewhere either".to_owned()
    } else {
        "the captor's branch has the most work, so the honest nodes took it over: with a majority this is a plain double spend".to_owned()
    };
    let mut outcome = testbed.finish("eclipse", gone && spent_elsewhere, verdict)?;
    outcome.confirmations = Some(settings.plan.confirmations);
    outcome.shipped_at_height = Some(height);
    outcome.shop_balance_before = testbed::coins(before);
    outcome.shop_balance_after = testbed::coins(after);
    outcome.more.insert("shop_balance_at_start".into(), json!(testbed::coins(at_start)));
    Ok(outcome)
}
