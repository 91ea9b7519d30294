//! Any tree of valid and invalid blocks, delivered in any order with duplicates, ends at the same tip and the same coins as
//! a slow model that recomputes everything from genesis.
//!
//! `TESTOON_TEST_ROUNDS` sets how many trees are tried (default 30); a failure names the seed that repeats it.

use super::world::*;
use crate::core::event::{CallId, Input};
use chain_spec::{Block, BlockHash, ChainSpec, Coin, Header, Outpoint, Transaction, Work};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

type Coins = BTreeMap<Outpoint, Coin>;
const COIN: u64 = 100_000_000;
const BLOCKS: usize = 24;

/// A block of the tree, with what the model knows of it.
struct Planted {
    block: Arc<Block>,
    parent: Option<usize>,
    height: u32,
    /// Its whole branch keeps all rules.
    is_valid: bool,
}

/// Coins after a branch, by applying its blocks to genesis' coins one by one.
fn coins_after(tree: &[Planted], tip: Option<usize>, spec: &ChainSpec) -> Coins {
    let Some(place) = tip else { return spec.genesis_coins().into_iter().collect() };
    let planted = &tree[place];
    let mut coins = coins_after(tree, planted.parent, spec);
    for (number, transaction) in planted.block.transactions.iter().enumerate() {
        for input in transaction.inputs.iter().filter(|_| number > 0) {
            coins.remove(&input.outpoint);
        }
        for (index, output) in transaction.outputs.iter().enumerate() {
            let coin = Coin { output: output.clone(), height: planted.height, is_coinbase: number == 0 };
            coins.insert(Outpoint { txid: transaction.txid(), index: index as u32 }, coin);
        }
    }
    coins
}

/// Payments of other branches that fit here as well, and new ones of key 0's coins, some of them made by others of the same
/// block.
fn payments(coins: &Coins, known: &[Arc<Transaction>], rng: &mut ChaCha8Rng) -> Vec<Arc<Transaction>> {
    let mut mine: BTreeMap<Outpoint, u64> = coins
        .iter()
        .filter(|(_, coin)| coin.output.script == lock(0) && coin.output.value.units() > 10_000)
        .map(|(outpoint, coin)| (*outpoint, coin.output.value.units()))
        .collect();
    let mut payments: Vec<Arc<Transaction>> = Vec::new();
    for payment in known {
        let coin = payment.inputs[0].outpoint;
        if mine.contains_key(&coin) && rng.random_bool(0.5) {
            mine.remove(&coin);
            mine.insert(outpoint(payment, 0), payment.outputs[0].value.units());
            payments.push(payment.clone());
        }
    }
    for _ in 0..rng.random_range(0..4) {
        let Some((coin, units)) = mine.iter().nth(rng.random_range(0..mine.len())).map(|(coin, units)| (*coin, *units))
        else {
            break;
        };
        mine.remove(&coin);
        let payment = spend(&[coin], 0, &[(units / 2, 0), (units / 2 - 1_000, 1)]);
        mine.insert(outpoint(&payment, 0), units / 2);
        payments.push(payment);
    }
    payments
}

/// A block that breaks one rule, most of them only seen with coins at hand.
fn spoil(
    parent: &Header,
    height: u32,
    mut payments: Vec<Arc<Transaction>>,
    coins: &Coins,
    tag: u64,
    rng: &mut ChaCha8Rng,
    spec: &ChainSpec,
) -> Arc<Block> {
    let (coin, value) = coins.iter().find(|(_, coin)| coin.output.script == lock(0)).unwrap();
    let units = value.output.value.units();
    match rng.random_range(0..5) {
        0 => return block_on(parent, height, &payments, 51 * COIN, tag, spec),
        1 => return block_on(parent, height + 1, &payments, COIN, tag, spec),
        2 => payments.push(spend(&[Outpoint { index: 999, ..*coin }], 0, &[(units, 1)])),
        3 => {
            payments.clear();
            payments.push(spend(&[*coin], 3, &[(units, 1)]));
        }
        _ => payments.insert(0, spend(&[*coin], 0, &[(units + 1, 1)])),
    }
    block_on(parent, height, &payments, COIN, tag, spec)
}

fn plant(rng: &mut ChaCha8Rng, spec: &ChainSpec) -> Vec<Planted> {
    let mut tree: Vec<Planted> = Vec::new();
    let mut known: Vec<Arc<Transaction>> = Vec::new();
    for tag in 0..BLOCKS {
        // Mostly near the newest, so that branches grow long enough to overtake each other.
        let parent = (tag > 0).then(|| rng.random_range(tag.saturating_sub(5)..tag)).filter(|_| rng.random_bool(0.95));
        let (header, height, is_parent_valid) = match parent {
            Some(place) => (tree[place].block.header, tree[place].height + 1, tree[place].is_valid),
            None => (spec.genesis.header, 1, true),
        };
        let is_spoilt = rng.random_bool(0.15);
        let coins = if is_parent_valid { coins_after(&tree, parent, spec) } else { coins_after(&tree, None, spec) };
        let payments = payments(&coins, &known, rng);
        for payment in &payments {
            if !known.contains(payment) {
                known.push(payment.clone());
            }
        }
        let block = if is_spoilt {
            spoil(&header, height, payments, &coins, tag as u64, rng, spec)
        } else {
            block_on(&header, height, &payments, COIN, tag as u64, spec)
        };
        tree.push(Planted { block, parent, height, is_valid: is_parent_valid && !is_spoilt });
    }
    tree
}

/// The model's idea of the tip: of the valid branches that are complete, the longest, of equals the first to be complete.
#[derive(Default)]
struct Model {
    arrived: Vec<usize>,
    complete: Vec<usize>,
}

impl Model {
    fn deliver(&mut self, tree: &[Planted], place: usize) {
        if self.arrived.contains(&place) {
            return;
        }
        self.arrived.push(place);
        let is_complete = |model: &Model, parent: Option<usize>| parent.is_none_or(|p| model.complete.contains(&p));
        if !is_complete(self, tree[place].parent) {
            return;
        }
        let mut next = self.complete.len();
        self.complete.push(place);
        while next < self.complete.len() {
            let parent = self.complete[next];
            let children: Vec<usize> =
                self.arrived.iter().copied().filter(|child| tree[*child].parent == Some(parent)).collect();
            self.complete.extend(children);
            next += 1;
        }
    }

    fn tip(&self, tree: &[Planted]) -> Option<usize> {
        let mut best: Option<usize> = None;
        for place in self.complete.iter().copied().filter(|place| tree[*place].is_valid) {
            if best.is_none_or(|best| tree[place].height > tree[best].height) {
                best = Some(place);
            }
        }
        best
    }
}

fn rounds() -> u64 {
    std::env::var("TESTOON_TEST_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(30)
}

#[test]
fn any_tree_in_any_order_ends_where_the_slow_model_does() {
    let spec = spec();
    for seed in 0..rounds() {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let tree = plant(&mut rng, &spec);
        let mut order: Vec<usize> = (0..BLOCKS).chain((0..8).map(|_| rng.random_range(0..BLOCKS))).collect();
        // Anything from nearly in order to fully shuffled.
        for _ in 0..rng.random_range(0..200) {
            let place = rng.random_range(0..order.len() - 1);
            order.swap(place, place + 1);
        }
        let mut node = Node::new(&spec, seed);
        let mut model = Model::default();
        for place in order {
            let block = &tree[place].block;
            if rng.random_bool(0.3) {
                node.handle(Input::SubmitHeader { call: CallId(0), header: block.header });
            }
            let _ = node.submit(block);
            model.deliver(&tree, place);
            let tip = model.tip(&tree);
            let hash = tip.map_or(spec.genesis_hash(), |tip| tree[tip].block.hash());
            assert_eq!(node.tip(), hash, "seed {seed}: tip after block {place}");
        }
        let expected = coins_after(&tree, model.tip(&tree), &spec);
        assert_eq!(node.coins(), expected, "seed {seed}: coins");
        let work = node.core.tip().work;
        check_after_crash(node, work, &tree, &spec, seed);
    }
}

/// Blocks are often mined again on another branch with the payments of the first, and what the cache has forgotten is only in
/// the store.
#[test]
fn a_node_that_starts_again_between_blocks_never_has_other_coins_than_the_slow_model() {
    let spec = spec();
    for seed in 0..rounds() {
        let mut rng = ChaCha8Rng::seed_from_u64(1_000_000 + seed);
        let tree = plant(&mut rng, &spec);
        let places: BTreeMap<BlockHash, usize> =
            tree.iter().enumerate().map(|(place, planted)| (planted.block.hash(), place)).collect();
        let mut node = Node::new(&spec, seed);
        let mut order: Vec<usize> = (0..BLOCKS).collect();
        for _ in 0..rng.random_range(0..60) {
            let place = rng.random_range(0..order.len() - 1);
            order.swap(place, place + 1);
        }
        // Once more in order: what waited for a parent is gone after a restart.
        for place in order.into_iter().chain(0..BLOCKS) {
            match rng.random_range(0..8) {
                0 => node = node.restart(),
                1 => node = node.crash(),
                _ => {}
            }
            let _ = node.submit(&tree[place].block);
            let tip = places.get(&node.tip()).copied();
            assert!(tip.is_none_or(|tip| tree[tip].is_valid), "seed {seed}: block {place}");
            assert_eq!(node.coins(), coins_after(&tree, tip, &spec), "seed {seed}: coins after block {place}");
        }
        let highest = tree.iter().filter(|planted| planted.is_valid).map(|planted| planted.height).max();
        assert_eq!(node.core.tip().height, highest.unwrap_or(0), "seed {seed}");
    }
}

/// After a crash, which of equals came first may be forgotten; work and coins may not.
fn check_after_crash(node: Node, work: Work, tree: &[Planted], spec: &ChainSpec, seed: u64) {
    let node = node.crash();
    assert_eq!(node.core.tip().work, work, "seed {seed}: work after a crash");
    let places: BTreeMap<BlockHash, usize> =
        tree.iter().enumerate().map(|(place, planted)| (planted.block.hash(), place)).collect();
    let tip = places.get(&node.tip()).copied();
    assert!(tip.is_none_or(|tip| tree[tip].is_valid), "seed {seed}");
    assert_eq!(node.coins(), coins_after(tree, tip, spec), "seed {seed}: coins after a crash");
    let invalid: BTreeSet<BlockHash> =
        tree.iter().filter(|planted| !planted.is_valid).map(|planted| planted.block.hash()).collect();
    for height in 0..=node.core.tip().height {
        assert!(!invalid.contains(&node.core.active_hash(height).unwrap()), "seed {seed}");
    }
}
