//! [`connect_block`] beside a slow model of it, over small random blocks that break rules often.
use super::{SpendError, connect_block};
use crate::coin::Coin;
use crate::fixture::{CoinMap, checked, coinbase, context, local, outpoint, transaction};
use crate::rules::RuleError;
use crate::rules::transaction::check_transaction;
use crate::transaction::{Outpoint, Transaction};
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

const HEIGHT: u32 = 400;
const SUBSIDY: u64 = 1_250_000_000;
const MAX_MONEY: u128 = 21_000_000 * 100_000_000;

/// What one input spends: a coin that may be there, or an output of an earlier, this or a later transaction.
#[derive(Clone, Debug)]
enum Source {
    Coin(u8),
    Made(usize, u32),
}

fn source() -> impl Strategy<Value = Source> {
    prop_oneof![
        3 => (0_u8..8).prop_map(Source::Coin),
        2 => (0_usize..5, 0_u32..3).prop_map(|(transaction, index)| Source::Made(transaction, index)),
    ]
}

fn units() -> impl Strategy<Value = u64> {
    prop_oneof![8 => 0_u64..50, 1 => Just(MAX_MONEY as u64), 1 => Just(MAX_MONEY as u64 - 20)]
}

/// Transactions by what they spend and make, in block order. A source that looks ahead is given an id that does not exist.
fn build(plan: &[(Vec<Source>, Vec<u64>)]) -> Vec<Transaction> {
    let mut built: Vec<Transaction> = Vec::new();
    for (sources, values) in plan {
        let inputs: Vec<Outpoint> = sources
            .iter()
            .map(|source| match source {
                Source::Coin(number) => outpoint(*number + 1, 0),
                Source::Made(from, index) => match built.get(*from) {
                    Some(maker) => Outpoint { txid: maker.txid(), index: *index },
                    None => outpoint(200, *index),
                },
            })
            .collect();
        // Two of the same are refused before coins are asked for (CVE-2012-2459), so each is made another.
        let lock_time = built.len() as u32;
        built.push(Transaction { lock_time, ..transaction(&inputs, values) });
    }
    built
}

/// The answer, from a map of coins that is changed one transaction at a time and unbounded sums.
fn model(transactions: &[Transaction], coins: &CoinMap, claimed: u64) -> Result<(Vec<Vec<Coin>>, u128), &'static str> {
    let mut unspent: BTreeMap<Outpoint, Coin> =
        coins.0.iter().map(|(outpoint, coin)| (*outpoint, coin.clone())).collect();
    let (mut undo, mut fees) = (Vec::new(), 0);
    for transaction in transactions {
        let mut spent = Vec::new();
        for input in &transaction.inputs {
            spent.push(unspent.remove(&input.outpoint).ok_or("bad-txns-inputs-missingorspent")?);
        }
        if spent.iter().any(|coin| coin.is_coinbase && coin.height + local().coinbase_maturity > HEIGHT) {
            return Err("bad-txns-premature-spend-of-coinbase");
        }
        let value = |units: u64| u128::from(units);
        let inputs: u128 = spent.iter().map(|coin| value(coin.output.value.units())).sum();
        let outputs: u128 = transaction.outputs.iter().map(|output| value(output.value.units())).sum();
        if inputs > MAX_MONEY {
            return Err("bad-txns-inputvalues-outofrange");
        }
        if outputs > inputs {
            return Err("bad-txns-in-belowout");
        }
        fees += inputs - outputs;
        if fees > MAX_MONEY {
            return Err("bad-txns-accumulated-fee-outofrange");
        }
        for (output, index) in transaction.outputs.iter().zip(0..) {
            let made = Outpoint { txid: transaction.txid(), index };
            unspent.insert(made, Coin { output: output.clone(), height: HEIGHT, is_coinbase: false });
        }
        undo.push(spent);
    }
    if u128::from(claimed) > u128::from(SUBSIDY) + fees {
        return Err("bad-cb-amount");
    }
    Ok((undo, fees))
}

proptest! {
    #[test]
    fn connecting_equals_the_slow_model(
        plan in vec((vec(source(), 1..3), vec(units(), 1..3)), 0..5),
        coins in vec((units(), 1_u32..HEIGHT, any::<bool>()), 0..8),
        extra in prop_oneof![Just(0_u64), 0_u64..60],
    ) {
        // Only what the context-free stage lets through can be connected; what spends the rest finds its coin missing.
        let mut transactions = build(&plan);
        transactions.retain(|transaction| check_transaction(Arc::new(transaction.clone())).is_ok());
        let coins = coins.into_iter().zip(1..).fold(CoinMap::default(), |map, ((units, height, is_coinbase), number)| {
            map.with(outpoint(number, 0), units, height, is_coinbase)
        });
        let claimed = SUBSIDY + extra;
        let mut all = vec![coinbase(HEIGHT, claimed)];
        all.extend(transactions.iter().cloned());
        let found = connect_block(&checked(all), &local(), context(HEIGHT), &coins);
        let found = found.map(|connected| (connected.undo.spent, u128::from(connected.fees.units())));
        prop_assert_eq!(found.map_err(|error: SpendError| error.reason()), model(&transactions, &coins, claimed));
    }
}
