//! The cache against a plain map, with a store that gets only what is flushed. `TESTOON_TEST_ROUNDS` sets the number of
//! histories; a failure names the seed that repeats it.

use super::*;
use crate::core::event::Output;
use crate::core::store::Commit;
use crate::core::store::memory::MemoryStore;
use chain_spec::{Amount, Script, TxOut, Txid};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;

fn outpoint(index: u32) -> Outpoint {
    Outpoint { txid: Txid::from_bytes([3; 32]), index }
}

fn coin(height: u32) -> Coin {
    let script = Script::from_bytes(vec![0x51; height as usize % 40]);
    Coin { output: TxOut { value: Amount::from_units(u64::from(height)), script }, height, is_coinbase: false }
}

fn flush(cache: &mut CoinCache, keep: bool, store: &mut MemoryStore) {
    let coins = cache.take_changes(keep);
    store.perform(&Output::Commit(Commit { coins, ..Commit::default() })).unwrap();
}

#[test]
fn a_coin_made_and_spent_between_flushes_never_reaches_the_store() {
    let mut cache = CoinCache::new(IdState::new(1));
    cache.set(outpoint(0), Some(coin(1)));
    cache.set(outpoint(0), None);
    assert_eq!(cache.changes(), vec![]);
    assert_eq!(cache.bytes(), 0);
}

#[test]
fn a_stored_coin_that_is_spent_and_made_again_is_written_when_it_goes() {
    let (mut cache, mut store) = (CoinCache::new(IdState::new(1)), MemoryStore::new());
    cache.set(outpoint(0), Some(coin(1)));
    flush(&mut cache, false, &mut store);
    cache.fetch(&outpoint(0), &store).unwrap();
    cache.set(outpoint(0), None);
    cache.set(outpoint(0), Some(coin(2)));
    cache.set(outpoint(0), None);
    assert_eq!(cache.changes(), vec![(outpoint(0), None)]);
}

#[test]
fn the_cache_over_a_store_is_a_plain_map() {
    let rounds = std::env::var("TESTOON_TEST_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(50);
    for seed in 0..rounds {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (mut cache, mut store) = (CoinCache::new(IdState::new(seed)), MemoryStore::new());
        let mut model: BTreeMap<Outpoint, Coin> = BTreeMap::new();
        for step in 0..400 {
            let outpoint = outpoint(rng.random_range(0..12));
            match rng.random_range(0..10) {
                0 => flush(&mut cache, rng.random_bool(0.5), &mut store),
                1 => cache.fetch(&outpoint, &store).unwrap(),
                _ => {
                    let made = (!model.contains_key(&outpoint)).then(|| coin(step));
                    cache.set(outpoint, made.clone());
                    match made {
                        Some(coin) => drop(model.insert(outpoint, coin)),
                        None => drop(model.remove(&outpoint)),
                    }
                }
            }
            let read = cache.read(&outpoint, &store).unwrap();
            assert_eq!(read.as_ref(), model.get(&outpoint), "seed {seed}, step {step}");
        }
        flush(&mut cache, false, &mut store);
        let mut stored = BTreeMap::new();
        let visit = &mut |outpoint, coin| {
            stored.insert(outpoint, coin);
            std::ops::ControlFlow::Continue(())
        };
        store.for_each_coin(visit).unwrap();
        assert_eq!(stored, model, "seed {seed}");
    }
}
