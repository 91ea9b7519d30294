//! A store that fails at write *n*, for every *n*: reopened, the core stands at the old or the new tip with that tip's coins,
//! and goes on as if nothing had happened.

use super::world::*;
use crate::core::event::{BlockOverride, CallId, Input, Output};
use crate::core::store::memory::MemoryStore;
use crate::core::{Config, Core};
use chain_spec::{BlockHash, ChainSpec, Encode};
use std::sync::Arc;

const COIN: u64 = 100_000_000;

/// Two branches with payments, a reorganisation, an invalidation and its undoing; flushed after every call.
fn script(spec: &ChainSpec) -> Vec<Input> {
    let call = CallId(0);
    let mut inputs = Vec::new();
    let mut parent = spec.genesis.header;
    for height in 1..=3 {
        let payment = spend(&[genesis_coin(spec, height).0], 0, &[(4 * COIN, 1), (5 * COIN, 2)]);
        inputs.push(submission(call, &payment));
        let block = block_on(&parent, height, &[payment], 50 * COIN, 1, spec);
        parent = block.header;
        inputs.push(Input::SubmitBlock { call, block });
    }
    let mut parent = spec.genesis.header;
    for height in 1..=4 {
        let payments: Vec<_> = (0..6)
            .map(|i| spend(&[genesis_coin(spec, height * 6 + i - 4).0], 0, &[(4 * COIN, 3), (5 * COIN, 4)]))
            .collect();
        let block = block_on(&parent, height, &payments, 50 * COIN, 2, spec);
        parent = block.header;
        inputs.push(Input::SubmitBlock { call, block });
    }
    // Leaves the first branch the only best one: among equals, who came first may be forgotten in a crash.
    inputs.push(Input::OverrideBlock { call, block: parent.previous, change: BlockOverride::Invalidate });
    inputs.push(Input::OverrideBlock { call, block: parent.previous, change: BlockOverride::Reconsider });
    inputs.push(Input::Stop);
    inputs
}

fn flushing() -> Config {
    Config { coin_cache_bytes_max: 0, ..config(1) }
}

/// Tip, and a digest of its coins.
type State = (BlockHash, [u8; 32]);

fn state(node: &Node) -> State {
    let mut bytes = Vec::new();
    for (outpoint, coin) in node.coins() {
        outpoint.encode(&mut bytes);
        coin.encode(&mut bytes);
    }
    (node.tip(), chain_spec::hash::sha256(&bytes))
}

/// Runs the script until the store fails, if it does; at which input, or else the states in between.
fn run(spec: &Arc<ChainSpec>, script: &[Input], store: MemoryStore) -> (usize, Option<Vec<State>>) {
    let Ok(mut node) = Node::with(spec, flushing(), store) else { return (0, None) };
    let mut states = vec![state(&node)];
    for (place, input) in script.iter().enumerate() {
        if node.try_handle(input.clone()).is_err() {
            return (place, None);
        }
        states.push(state(&node));
    }
    (states.len() - 1, Some(states))
}

#[test]
fn a_store_that_fails_at_any_write_reopens_at_the_old_or_the_new_tip() {
    let spec = spec();
    let (script, whole) = (script(&spec), MemoryStore::new());
    let (_, states) = run(&spec, &script, whole.clone());
    let states = states.unwrap();
    let last = states.last().unwrap();
    assert_eq!(states.len(), script.len() + 1);
    for writes in 0..whole.writes() {
        let mut store = MemoryStore::new();
        store.fail_after(Some(writes));
        let (failed_at, _) = run(&spec, &script, store.clone());
        store.fail_after(None);
        let mut node = Node::with(&spec, flushing(), store).unwrap();
        let reopened = state(&node);
        let is_known = reopened == states[failed_at] || Some(&reopened) == states.get(failed_at + 1);
        assert!(is_known, "after {writes} writes, in input {failed_at}: neither old nor new");
        for input in script.iter().skip(failed_at) {
            node.handle(input.clone());
        }
        assert_eq!(state(&node), *last, "after {writes} writes");
        assert_eq!(state(&node.crash()), *last, "after {writes} writes, reopened at the end");
    }
}

#[test]
fn a_new_store_opens_at_genesis_with_its_coins() {
    let spec = spec();
    let store = MemoryStore::new();
    let (core, outputs) =
        Core::open(spec.clone(), flushing(), Box::new(store.clone()), store.load(), start(&spec)).unwrap();
    assert_eq!(core.tip().hash, spec.genesis_hash());
    assert!(outputs.iter().all(Output::is_for_store));
    perform(&mut store.clone(), &outputs).unwrap();
    assert_eq!(store.load().coins_tip, Some(spec.genesis_hash()));
}
