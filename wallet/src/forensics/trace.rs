//! Where a coin comes from: the tree back to coinbases, and each coinbase's share of it; and where it went.
//!
//! A transaction mixes its inputs, so a share needs a convention. Two are named: *first in, first out* gives the first
//! output the first input's units, and so on; *by proportion* gives every output the same mixture ("haircut"). They
//! disagree, which is the lesson: neither is in the chain.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use chain_spec::{Amount, Outpoint, Txid};

use super::ChainIndex;

/// Outputs shown in one tree; the rest is cut.
const NODES_MAX: usize = 2_000;

/// Which way to walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To the coinbases.
    Back,
    /// To what is unspent.
    Forward,
}

/// One output in a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceNode {
    /// The output.
    pub coin: Outpoint,
    /// Its value.
    pub value: Amount,
    /// Its block's height.
    pub height: u32,
    /// Whom it pays, if a public key hash.
    pub public_key_hash: Option<[u8; 20]>,
    /// Made by a coinbase (or in the genesis block): nothing is before it.
    pub is_coinbase: bool,
    /// Not spent.
    pub is_unspent: bool,
    /// Shown elsewhere in the tree, or cut because the tree is large.
    pub is_cut: bool,
    /// What it was made of, or what was made of it.
    pub next: Vec<TraceNode>,
}

/// The tree from one output, at most `depth` steps long.
pub fn tree(index: &ChainIndex, coin: Outpoint, direction: Direction, depth: usize) -> Option<TraceNode> {
    grow(index, coin, direction, depth, &mut HashSet::new())
}

fn grow(
    index: &ChainIndex,
    coin: Outpoint,
    direction: Direction,
    depth: usize,
    shown: &mut HashSet<Outpoint>,
) -> Option<TraceNode> {
    let known = index.get(&coin.txid)?;
    let output = index.output(&coin)?;
    let spender = index.spender(&coin);
    let mut node = TraceNode {
        coin,
        value: output.value,
        height: known.height,
        public_key_hash: output.script.public_key_hash(),
        is_coinbase: known.transaction.is_coinbase(),
        is_unspent: spender.is_none(),
        is_cut: false,
        next: Vec::new(),
    };
    let next: Vec<Outpoint> = match direction {
        Direction::Back if node.is_coinbase => Vec::new(),
        Direction::Back => known.transaction.inputs.iter().map(|input| input.outpoint).collect(),
        Direction::Forward => spender.map_or(Vec::new(), |spender| {
            let outputs = spender.transaction.outputs.len() as u32;
            (0..outputs).map(|index| Outpoint { txid: spender.txid, index }).collect()
        }),
    };
    if !next.is_empty() && (depth == 0 || shown.len() >= NODES_MAX || !shown.insert(coin)) {
        node.is_cut = true;
        return Some(node);
    }
    node.next = next.into_iter().filter_map(|coin| grow(index, coin, direction, depth - 1, shown)).collect();
    Some(node)
}

/// A coinbase's part of a coin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share {
    /// The coinbase.
    pub coinbase: Txid,
    /// Its block's height.
    pub height: u32,
    /// Units by first in, first out.
    pub first_in_first_out: Amount,
    /// Units by proportion, rounded.
    pub by_proportion: Amount,
}

type Segments = Vec<(Txid, u64)>;

/// What coinbases some outputs consist of, largest part by proportion first.
pub fn shares(index: &ChainIndex, coins: &[Outpoint]) -> Vec<Share> {
    let ancestors = ancestors(index, coins);
    let mut queues: HashMap<Outpoint, Segments> = HashMap::new();
    let mut mixtures: HashMap<Outpoint, BTreeMap<Txid, f64>> = HashMap::new();
    for place in ancestors {
        let known = &index.transactions()[place];
        let outputs = (0..).zip(&known.transaction.outputs);
        let outputs = outputs.map(|(at, output)| (Outpoint { txid: known.txid, index: at }, output.value.units()));
        if known.transaction.is_coinbase() {
            for (coin, value) in outputs {
                queues.insert(coin, vec![(known.txid, value)]);
                mixtures.insert(coin, BTreeMap::from([(known.txid, value as f64)]));
            }
            continue;
        }
        let (mut queue, mut mixture, mut total) = (Segments::new(), BTreeMap::<Txid, f64>::new(), 0.0);
        for input in &known.transaction.inputs {
            queue.extend(queues.get(&input.outpoint).into_iter().flatten());
            for (coinbase, part) in mixtures.get(&input.outpoint).into_iter().flatten() {
                *mixture.entry(*coinbase).or_default() += part;
                total += part;
            }
        }
        queue.reverse();
        for (coin, value) in outputs {
            queues.insert(coin, take(&mut queue, value));
            let scale = if total > 0.0 { value as f64 / total } else { 0.0 };
            mixtures.insert(coin, mixture.iter().map(|(coinbase, part)| (*coinbase, part * scale)).collect());
        }
    }
    let mut parts: BTreeMap<Txid, (u64, f64)> = BTreeMap::new();
    for coin in coins {
        for (coinbase, units) in queues.get(coin).into_iter().flatten() {
            parts.entry(*coinbase).or_default().0 += units;
        }
        for (coinbase, part) in mixtures.get(coin).into_iter().flatten() {
            parts.entry(*coinbase).or_default().1 += part;
        }
    }
    let share = |(coinbase, (units, part)): (Txid, (u64, f64))| Share {
        coinbase,
        height: index.get(&coinbase).map_or(0, |known| known.height),
        first_in_first_out: Amount::from_units(units),
        by_proportion: Amount::from_units(part.round() as u64),
    };
    let mut shares: Vec<Share> = parts.into_iter().map(share).collect();
    shares.sort_by_key(|share| (std::cmp::Reverse((share.by_proportion, share.first_in_first_out)), share.height));
    shares
}

/// Takes units from the front of a reversed queue.
fn take(queue: &mut Segments, mut wanted: u64) -> Segments {
    let mut taken = Segments::new();
    while wanted > 0 {
        let Some((coinbase, units)) = queue.pop() else { break };
        let part = units.min(wanted);
        taken.push((coinbase, part));
        wanted -= part;
        if units > part {
            queue.push((coinbase, units - part));
        }
    }
    taken
}

/// The transactions that some outputs descend from, with their own, in the order of the chain.
fn ancestors(index: &ChainIndex, coins: &[Outpoint]) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    let mut waiting: Vec<usize> = coins.iter().filter_map(|coin| index.place(&coin.txid)).collect();
    while let Some(place) = waiting.pop() {
        if found.insert(place) {
            let inputs = &index.transactions()[place].transaction.inputs;
            waiting.extend(inputs.iter().filter_map(|input| index.place(&input.outpoint.txid)));
        }
    }
    found
}
