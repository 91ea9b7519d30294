//! The pool against a slow model that recomputes ancestors and descendants from the transactions alone, and policy's answers.
//! `TESTOON_TEST_ROUNDS` sets the number of histories; a failure names the seed that repeats it.

use super::accept::ANCESTORS_MAX;
use super::pool::Entry;
use crate::core::event::{Accepted, Input, Time};
use crate::core::rejection::RejectionKind;
use crate::core::store::memory::MemoryStore;
use crate::core::tests::world::*;
use crate::core::{Config, Core};
use chain_spec::{Amount, Coin, Outpoint, Script, Transaction, TxOut, Txid};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const COIN: u64 = 100_000_000;

/// Everything a transaction reaches by spending, itself included.
fn reach(
    txid: Txid,
    pool: &BTreeMap<Txid, &Entry>,
    is_needed: impl Fn(&Transaction, &Transaction) -> bool,
) -> BTreeSet<Txid> {
    let mut found = BTreeSet::from([txid]);
    loop {
        let before = found.len();
        for (other, entry) in pool {
            let candidate = entry.transaction.transaction();
            if found.iter().any(|known| is_needed(pool[known].transaction.transaction(), candidate)) {
                found.insert(*other);
            }
        }
        if found.len() == before {
            return found;
        }
    }
}

fn spends_from(child: &Transaction, parent: &Transaction) -> bool {
    let parent = parent.txid();
    child.inputs.iter().any(|input| input.outpoint.txid == parent)
}

/// Every number the pool keeps is the one the model recomputes.
fn check(core: &Core, what: &str) {
    let pool: BTreeMap<Txid, &Entry> =
        core.mempool().entries().map(|entry| (entry.transaction.txid(), entry)).collect();
    let sums = |txids: &BTreeSet<Txid>| {
        let size: usize = txids.iter().map(|txid| pool[txid].transaction.size()).sum();
        let fees = Amount::checked_sum(txids.iter().map(|txid| pool[txid].modified_fee())).unwrap();
        (txids.len() as u32, size, fees)
    };
    let mut spent = BTreeSet::new();
    for (txid, entry) in &pool {
        let ancestors = reach(*txid, &pool, spends_from);
        let descendants = reach(*txid, &pool, |known, candidate| spends_from(candidate, known));
        assert_eq!((entry.ancestor_count, entry.ancestor_size, entry.ancestor_fees), sums(&ancestors), "{what}");
        assert_eq!(
            (entry.descendant_count, entry.descendant_size, entry.descendant_fees),
            sums(&descendants),
            "{what}"
        );
        for input in &entry.transaction.transaction().inputs {
            assert!(spent.insert(input.outpoint), "{what}: a coin is spent once");
            assert_eq!(core.mempool().spender(&input.outpoint), Some(*txid), "{what}");
            assert!(core.coin(&input.outpoint, true).unwrap().is_none(), "{what}");
        }
        let parents: Vec<Txid> = pool
            .keys()
            .filter(|other| spends_from(entry.transaction.transaction(), pool[other].transaction.transaction()))
            .copied()
            .collect();
        assert_eq!(entry.depends, parents, "{what}");
    }
    let bytes: usize = pool.values().map(|entry| entry.transaction.size()).sum();
    assert_eq!((core.mempool().len(), core.mempool().bytes()), (pool.len(), bytes), "{what}");
    assert!(core.mempool().usage_bytes() <= core.mempool().bytes_max(), "{what}");
    check_orders(core, &pool, what);
}

fn check_orders(core: &Core, pool: &BTreeMap<Txid, &Entry>, what: &str) {
    let mut by_rate: Vec<&&Entry> = pool.values().collect();
    by_rate.sort_by_key(|entry| (std::cmp::Reverse(entry.mining_rate()), entry.sequence()));
    let by_rate: Vec<Txid> = by_rate.iter().map(|entry| entry.transaction.txid()).collect();
    let kept: Vec<Txid> = core.mempool().by_mining_rate().map(|entry| entry.transaction.txid()).collect();
    assert_eq!(kept, by_rate, "{what}");
}

/// Coins of key 0 that no pooled transaction spends, pooled ones included.
fn spendable(node: &Node) -> Vec<(Outpoint, u64)> {
    let pooled = node.core.mempool().entries().flat_map(|entry| {
        let transaction = entry.transaction.transaction().clone();
        (0..transaction.outputs.len() as u32).map(move |index| outpoint(&transaction, index))
    });
    let all: BTreeSet<Outpoint> = node.coins().into_keys().chain(pooled).collect();
    let open = all.into_iter().filter_map(|outpoint| Some((outpoint, node.core.coin(&outpoint, true).unwrap()?)));
    let mine = open.filter(|(_, coin)| coin.output.script == lock(0) && coin.output.value.units() > 50_000);
    mine.map(|(outpoint, coin)| (outpoint, coin.output.value.units())).collect()
}

#[test]
fn any_history_leaves_the_pool_as_the_slow_model_has_it() {
    let rounds = std::env::var("TESTOON_TEST_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(4);
    let spec = spec();
    for seed in 0..rounds {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        // Room for about 20 small transactions, so that some are evicted.
        let config = Config { mempool_bytes_max: 28_000, ..config(seed) };
        let mut node = Node::with(&spec, config, MemoryStore::new()).unwrap();
        for step in 0..60 {
            let what = format!("seed {seed}, step {step}");
            match rng.random_range(0..13) {
                0 => drop(node.mine()),
                1 => {
                    let tip = node.core.tip();
                    let rival = block_on(
                        &node.core.summary(&tip.header.previous).map_or(spec.genesis.header, |parent| parent.header),
                        tip.height.max(1),
                        &[],
                        COIN,
                        step,
                        &spec,
                    );
                    let _ = node.submit(&rival);
                    let above = block_on(&rival.header, tip.height.max(1) + 1, &[], COIN, step, &spec);
                    assert_eq!(node.submit(&above), Ok(Accepted::Active), "{what}");
                }
                3 => {
                    // An operator's say, in either direction, also beyond what is paid.
                    let Some(entry) = node.core.mempool().entries().last() else { continue };
                    let (txid, fee_delta) = (entry.transaction.txid(), rng.random_range(-30_000..30_000));
                    node.prioritise(txid, fee_delta);
                }
                2 => {
                    // A replacement: another spend of a coin that a pooled transaction spends.
                    let Some(entry) = node.core.mempool().entries().next() else { continue };
                    let coins: Vec<Outpoint> =
                        entry.transaction.transaction().inputs.iter().map(|input| input.outpoint).collect();
                    let _ = node.pay(&spend(&coins, 0, &[(rng.random_range(1_000..COIN), 0)]));
                }
                _ => {
                    let coins = spendable(&node);
                    if coins.is_empty() {
                        continue;
                    }
                    let (first, units) = coins[rng.random_range(0..coins.len())];
                    let fee = rng.random_range(100..20_000);
                    let half = (units - fee) / 2;
                    let _ = node.pay(&spend(&[first], 0, &[(half, 0), (half, 0)]));
                }
            }
            check(&node.core, &what);
        }
        node.mine();
        check(&node.core, "after the last block");
    }
}

#[test]
fn policy_gives_cores_reasons() {
    let spec = spec();
    let mut node = Node::new(&spec, 1);
    let coin = genesis_coin(&spec, 0).0;
    let pay = |node: &mut Node, transaction: Transaction| {
        node.pay(&Arc::new(transaction)).map_or_else(|rejected| rejected.reason.into_owned(), |_| "taken".to_owned())
    };
    let signed = |outputs: &[(u64, u8)], change: &dyn Fn(&mut Transaction)| {
        let mut transaction = Arc::unwrap_or_clone(spend(&[coin], 0, outputs));
        change(&mut transaction);
        sign(&mut transaction, 0);
        transaction
    };
    let whole = 10 * COIN;
    assert_eq!(pay(&mut node, signed(&[(whole, 1)], &|_| {})), "min relay fee not met");
    assert_eq!(pay(&mut node, signed(&[(545, 1)], &|_| {})), "dust");
    assert_eq!(pay(&mut node, signed(&[(COIN, 1)], &|t| t.version = 4)), "version");
    let pay_to_anyone = |t: &mut Transaction| t.outputs[0].script = Script::from_bytes(vec![0x51]);
    assert_eq!(pay(&mut node, signed(&[(COIN, 1)], &pay_to_anyone)), "scriptpubkey");
    let much_data = |t: &mut Transaction| {
        t.outputs.push(TxOut {
            value: Amount::ZERO,
            script: Script::from_bytes([vec![0x6a, 0x4c, 81], vec![1; 81]].concat()),
        });
    };
    assert_eq!(pay(&mut node, signed(&[(COIN, 1)], &much_data)), "datacarrier");
    assert_eq!(pay(&mut node, signed(&[(whole + 1, 1)], &|_| {})), "bad-txns-in-belowout");
    let late = Arc::unwrap_or_clone(spend_at(&[coin], 0, &[(COIN, 1)], 2));
    assert_eq!(pay(&mut node, late), "non-final");
    let stolen = Arc::unwrap_or_clone(spend(&[coin], 5, &[(COIN, 1)]));
    let failed = |words: &str| format!("mempool-script-verify-flag-failed ({words})");
    assert_eq!(pay(&mut node, stolen), failed("Script failed an OP_EQUALVERIFY operation"));
    let mut forged = signed(&[(COIN, 1)], &|_| {});
    spoil(&mut forged, 0, 1);
    assert_eq!(pay(&mut node, forged), failed("Signature must be zero for failed CHECK(MULTI)SIG operation"));
    let waiting = signed(&[(COIN, 1)], &|t| t.inputs[0].sequence = 2);
    assert_eq!(pay(&mut node, waiting), "non-BIP68-final");
    let nowhere = Outpoint { index: 5_000, ..coin };
    let missing = Arc::unwrap_or_clone(spend(&[nowhere], 0, &[(COIN, 1)]));
    assert_eq!(pay(&mut node, missing), "bad-txns-inputs-missingorspent");
    let block = node.mine();
    let young = Arc::unwrap_or_clone(spend(&[outpoint(&block.transactions[0], 0)], 9, &[(COIN, 1)]));
    assert_eq!(pay(&mut node, young), "bad-txns-premature-spend-of-coinbase");
    assert_eq!(pay(&mut node, block.transactions[0].clone()), "txn-already-known");
    let coinbase = node.core.template(&lock(9), node.now).block.transactions.remove(0);
    assert_eq!(pay(&mut node, coinbase), "coinbase");
    assert_eq!(pay(&mut node, signed(&[(9 * COIN, 1)], &|_| {})), "taken");
}

#[test]
fn a_replacement_pays_a_higher_rate_and_more_in_all() {
    let spec = spec();
    let mut node = Node::new(&spec, 1);
    let coin = genesis_coin(&spec, 0).0;
    let whole = 10 * COIN;
    let first = spend(&[coin], 0, &[(whole - 10_000, 0)]);
    let child = spend(&[outpoint(&first, 0)], 0, &[(whole - 60_000, 1)]);
    node.pay(&first).unwrap();
    node.pay(&child).unwrap();
    let reason = |node: &mut Node, fee: u64| node.pay(&spend(&[coin], 0, &[(whole - fee, 2)])).map_err(|r| r.reason);
    assert_eq!(reason(&mut node, 10_000), Err("insufficient fee".into()), "same rate");
    assert_eq!(reason(&mut node, 60_100), Err("insufficient fee".into()), "does not pay for its own relay");
    assert!(reason(&mut node, 60_300).is_ok());
    assert_eq!(node.core.mempool().len(), 1, "the child went with its parent");
}

#[test]
fn chains_of_unconfirmed_transactions_are_bounded() {
    let spec = spec();
    let mut node = Node::new(&spec, 1);
    let (mut coin, mut units) = (genesis_coin(&spec, 0).0, 10 * COIN);
    for number in 1..=ANCESTORS_MAX + 1 {
        units -= 1_000;
        let next = spend(&[coin], 0, &[(units, 0)]);
        let result = node.pay(&next).map_err(|rejected| rejected.reason);
        assert_eq!(result.is_ok(), number <= ANCESTORS_MAX, "{number}");
        if number > ANCESTORS_MAX {
            assert_eq!(result, Err("too-long-mempool-chain".into()));
        }
        coin = outpoint(&next, 0);
    }
}

#[test]
fn a_full_pool_keeps_what_pays_most_and_asks_for_more_until_that_fades() {
    let spec = spec();
    let config = Config { mempool_bytes_max: 6_500, ..config(1) };
    let mut node = Node::with(&spec, config, MemoryStore::new()).unwrap();
    for index in 0..8 {
        let fee = 1_000 * (u64::from(index) + 1);
        let _ = node.pay(&spend(&[genesis_coin(&spec, index).0], 0, &[(10 * COIN - fee, 1)]));
    }
    let fees: Vec<u64> = node.core.mempool().entries().map(|entry| entry.fee.units()).collect();
    assert_eq!(fees, vec![4_000, 5_000, 6_000, 7_000, 8_000]);
    assert!(node.core.mempool().fee_rate_min() > 3_000);
    let cheap = spend(&[genesis_coin(&spec, 9).0], 0, &[(10 * COIN - 300, 1)]);
    assert_eq!(node.pay(&cheap).unwrap_err().reason, "mempool min fee not met");
    node.mine();
    node.now = Time(node.now.0 + 10 * 24 * 60 * 60 * 1_000);
    node.handle(Input::Tick);
    assert_eq!(node.core.mempool().fee_rate_min(), 1_000);
}

/// Changes the last bytes of an input's signature, so that it is still strict DER with a low S and does not verify.
fn spoil(transaction: &mut Transaction, input: usize, by: u8) {
    let mut script = transaction.inputs[input].script.as_bytes().to_vec();
    let s_ends_at = usize::from(script[0]) - 1;
    script[s_ends_at] ^= by;
    transaction.inputs[input].script = Script::from_bytes(script);
}

#[test]
fn a_needless_form_is_found_before_any_signature_is_checked() {
    let spec = spec();
    let mut node = Node::new(&spec, 1);
    let coins: Vec<Outpoint> = (0..3).map(|index| genesis_coin(&spec, index).0).collect();
    let mut transaction = Arc::unwrap_or_clone(spend(&coins, 0, &[(COIN, 1)]));
    spoil(&mut transaction, 0, 1);
    let (signature, key) = transaction.inputs[2].script.unlock_parts().unwrap();
    let unknown_type = [&signature[..signature.len() - 1], &[9]].concat();
    transaction.inputs[2].script = Script::unlock_public_key_hash(&unknown_type, key);
    let rejected = node.pay(&Arc::new(transaction)).unwrap_err();
    assert_eq!(rejected.kind, RejectionKind::Policy, "{}", rejected.detail);
    assert!(rejected.detail.contains("input 2"), "{}", rejected.detail);
}

#[test]
fn good_signatures_of_a_rejected_transaction_are_not_checked_again() {
    let spec = spec();
    let mut node = Node::new(&spec, 1);
    let (coins, spent): (Vec<Outpoint>, Vec<Coin>) = (0..12).map(|index| genesis_coin(&spec, index)).unzip();
    let good = Arc::unwrap_or_clone(spend(&coins, 0, &[(COIN, 1)]));
    let unchecked =
        |node: &Node, transaction: &Transaction| node.core.mempool().signature_cache().unchecked(transaction, &spent);
    assert_eq!(unchecked(&node, &good).len(), 12);
    for by in 1..4 {
        let mut bad = good.clone();
        spoil(&mut bad, 5, by);
        assert!(matches!(node.pay(&Arc::new(bad.clone())).unwrap_err().kind, RejectionKind::Rule(_)));
        assert_eq!(unchecked(&node, &bad), vec![5]);
    }
    let mut other = good.clone();
    other.outputs[0].value = Amount::from_units(COIN - 1);
    assert_eq!(unchecked(&node, &other).len(), 12, "a signature of another transaction is another");
    node.pay(&Arc::new(good)).unwrap();
}
