//! The story of the online shop: pay it, mine a longer branch in secret that spends the same coins elsewhere, wait until it
//! ships, publish.

use super::Outcome;
use super::picture;
use super::testbed::{self, ATTACKER, SHOP, Scene};
use crate::cli::Common;
use crate::cli::attack::AttackArgs;
use crate::lab::strategy::Order;
use anyhow::{Context as _, Result, anyhow};
use chain_spec::rules::transaction::check_transaction;
use chain_spec::{Amount, Txid};
use serde_json::json;
use std::sync::Arc;
use wallet::{FeeRate, PaymentOptions};

/// What mallory buys, in coins.
const PRICE_COINS: u64 = 50;
/// After the race, all honest nodes agree within this many seconds, or the verdict says that they do not.
const SETTLE_S: f64 = 20.0;

/// Plays it and reports.
pub fn stage(args: &AttackArgs, common: &Common) -> Result<Outcome> {
    let spec = testbed::chain_for(args)?;
    args.check_premine(Some(spec.spacing_s))?;
    let strategy = ["double-spend", "--confirmations", &args.confirmations.to_string()].map(str::to_owned);
    let mut strategy = strategy.to_vec();
    strategy.extend(["--premine".into(), args.premine.to_string(), "--give-up".into(), args.give_up.to_string()]);
    let plan = testbed::cast(args, &spec);
    let mut scene = Scene::start(args, common, plan, spec, &strategy)?;
    scene.say(&picture::heading());
    scene.wait(|scene| Ok((scene.watch.tip(SHOP)?.1 >= 1).then_some(())))?;
    let at_start = scene.balance("shop", SHOP)?;

    let (paid, conflicting) = pay(&mut scene)?;
    let shipped = scene.wait(|scene| {
        let confirmations = confirmations(scene, &paid)?;
        let ended = scene.desk().told()?.ended;
        if confirmations >= args.confirmations {
            return Ok(Some(Some(scene.watch.tip(SHOP)?.1)));
        }
        // A branch that came out before the shop shipped has bought nothing.
        Ok((ended.is_some() && confirmations == 0).then_some(None))
    })?;
    let before = scene.balance("shop", SHOP)?;
    if let Some(height) = shipped {
        scene.tell(
            "ships",
            &format!(
                "the shop sees {} confirmation(s) at height {height} and ships; its balance is {before}",
                args.confirmations
            ),
        );
    }
    if shipped.is_some() {
        scene.desk().give(&Order::Shipped)?;
    }
    let ended = scene.wait(|scene| Ok(scene.desk().told()?.ended))?;
    scene.tell(if ended { "publishes" } else { "gives up" }, &format!("the attacker: {}", scene.desk().told()?.state));
    settle(&mut scene)?;

    let after = scene.balance("shop", SHOP)?;
    let gone = confirmations(&mut scene, &paid)? == 0;
    let spent_elsewhere = scene.is_confirmed(&conflicting, SHOP)?;
    scene.say(&format!(
        "          the shop's balance: {at_start} before the sale, {before} when it shipped, {after} now; its payment is {}",
        if gone { "gone" } else { "still there" }
    ));
    let succeeded = shipped.is_some() && gone && spent_elsewhere;
    let verdict = match (shipped, gone, spent_elsewhere) {
        (Some(_), true, true) => format!("the shop shipped, and {PRICE_COINS} coins it had been paid never were"),
        (None, ..) => "the secret branch came out before the shop shipped, so nothing was gained".to_owned(),
        (Some(_), false, _) if !ended => {
            format!("the public branch stayed ahead and the attacker gave up {} blocks behind", args.give_up)
        }
        (Some(_), false, _) => "the secret branch came out, and the honest nodes did not take it".to_owned(),
        (Some(_), true, false) => "the payment is gone, but the coins were not spent elsewhere either".to_owned(),
    };
    let mut outcome = scene.finish("double-spend", succeeded, verdict)?;
    outcome.confirmations = Some(args.confirmations);
    outcome.shipped_at_height = shipped;
    outcome.shop_balance_before = testbed::coins(before);
    outcome.shop_balance_after = testbed::coins(after);
    outcome.more.insert("shop_balance_at_start".into(), json!(testbed::coins(at_start)));
    outcome.more.insert("premine".into(), json!(args.premine));
    outcome.more.insert("give_up".into(), json!(args.give_up));
    Ok(outcome)
}

/// Builds mallory's two payments and orders the attack; the payment's and the conflicting transaction's ids.
fn pay(scene: &mut Scene) -> Result<(Txid, Txid)> {
    let price = Amount::COIN.checked_mul(PRICE_COINS).ok_or_else(|| anyhow!("the price is too high"))?;
    let shop = scene.wallet("shop", SHOP)?.address()?;
    let mallory = scene.wallet("mallory", ATTACKER)?;
    let payment = mallory.build_payment(&shop, price, &PaymentOptions::default()).context("mallory cannot pay")?;
    let conflict = mallory.build_conflict(&payment, FeeRate::DEFAULT).context("mallory cannot spend twice")?;
    let (paid, conflicting) = (payment.txid(), conflict.txid());
    scene.paid = Some(paid.to_string());
    scene.conflicting = Some(conflicting.to_string());
    let conflicting_checked =
        check_transaction(Arc::clone(&conflict.transaction)).context("mallory's second payment")?;
    let order = Order::Pay { paid: Arc::clone(&payment.transaction), conflicting: Arc::new(conflicting_checked) };
    scene.desk().give(&order)?;
    // The payment may have to wait for blocks mined in advance: it is out when an honest node has it.
    scene.say(&format!(
        "{:>7.1} s mallory prepares to pay the shop {PRICE_COINS} coins with {paid}",
        scene.watch.seconds()
    ));
    scene.wait(|scene| {
        let pooled = scene.client(SHOP)?.mempool()?.contains(&paid);
        Ok((pooled || confirmations(scene, &paid)? > 0 || scene.desk().told()?.ended.is_some()).then_some(()))
    })?;
    scene.tell(
        "pays",
        &format!("the shop's node sees the payment; the same coins go to mallory herself in {conflicting}, in secret"),
    );
    Ok((paid, conflicting))
}

/// Confirmations of the payment by the shop's own wallet.
fn confirmations(scene: &mut Scene, paid: &Txid) -> Result<u32> {
    Ok(scene.wallet("shop", SHOP)?.state(paid).map_or(0, |state| state.confirmations()))
}

/// Waits until all honest nodes are on one tip that has stayed ahead of what the attacker published, or the time is over.
fn settle(scene: &mut Scene) -> Result<()> {
    let until = scene.watch.seconds() + SETTLE_S;
    let height = scene.watch.tip(ATTACKER)?.1;
    scene.wait(|scene| {
        let settled = scene.watch.honest_agree() && scene.watch.tip(SHOP)?.1 > height;
        Ok((settled || scene.watch.seconds() > until).then_some(()))
    })
}
