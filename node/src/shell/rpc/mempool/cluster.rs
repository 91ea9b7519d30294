//! Clusters and chunks (Core: cluster mempool): pooled transactions that hang together, in an order in which they can be
//! mined, cut where the fee rate falls. `getmempoolcluster`, `getmempoolfeeratediagram`, and what entries say of their chunk.
//!
//! The order is by ancestor packages, the one with the highest rate first, as this node's templates choose; Core searches for
//! a better one. A cluster of more than [`ORDERED_MAX`] transactions keeps the order of arrival.

use crate::core::Core;
use crate::core::mempool::{Entry, Pool};
use crate::shell::rpc::error::RpcError;
use crate::shell::rpc::method::Reply;
use crate::shell::rpc::method::arguments::Arguments;
use crate::shell::rpc::method::context::Context;
use crate::shell::rpc::view::{self, WEIGHT_PER_BYTE};
use chain_spec::{Amount, Txid};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Transactions of a cluster that is put into an order of its own, transactions; Core's largest cluster has 64.
const ORDERED_MAX: usize = 200;

/// Transactions of a cluster that are mined together.
#[derive(Clone, Debug, PartialEq)]
pub struct Chunk {
    /// Parents before children.
    pub txids: Vec<Txid>,
    /// Their modified fees, units.
    pub fee: u64,
    /// Their bytes.
    pub size: usize,
}

impl Chunk {
    fn of(entry: &Entry) -> Chunk {
        let (txid, size) = (entry.transaction.txid(), entry.transaction.size());
        Chunk { txids: vec![txid], fee: entry.modified_fee().units(), size }
    }
    /// Whether it pays a higher rate than another one.
    fn pays_more_than(&self, other: &Chunk) -> bool {
        u128::from(self.fee) * other.size as u128 > u128::from(other.fee) * self.size as u128
    }
    fn append(&mut self, other: Chunk) {
        self.txids.extend(other.txids);
        self.fee = self.fee.saturating_add(other.fee);
        self.size += other.size;
    }
}

/// Everything that hangs together with a transaction, itself included.
fn cluster<'a>(pool: &'a Pool, txid: &Txid) -> BTreeMap<Txid, &'a Entry> {
    let (mut found, mut queue) = (BTreeMap::new(), vec![*txid]);
    while let Some(txid) = queue.pop() {
        let Some(entry) = pool.get(&txid) else { continue };
        if found.insert(txid, entry).is_none() {
            queue.extend(entry.depends.iter().chain(&entry.spent_by).copied());
        }
    }
    found
}

/// The transactions of a cluster in an order in which they can be mined.
fn order<'a>(pool: &'a Pool, cluster: &BTreeMap<Txid, &'a Entry>) -> Vec<&'a Entry> {
    let mut ordered: Vec<&Entry> = Vec::with_capacity(cluster.len());
    if cluster.len() > ORDERED_MAX {
        ordered.extend(cluster.values());
        ordered.sort_by_key(|entry| entry.sequence());
        return ordered;
    }
    let mut left: BTreeSet<Txid> = cluster.keys().copied().collect();
    while !left.is_empty() {
        let package = |txid: &Txid| {
            let needed = pool.ancestors(txid).into_iter().chain([*txid]).filter(|needed| left.contains(needed));
            needed.filter_map(|needed| pool.get(&needed)).collect::<Vec<_>>()
        };
        let worth = |package: &[&Entry]| {
            let mut whole = Chunk { txids: Vec::new(), fee: 0, size: 0 };
            package.iter().for_each(|entry| whole.append(Chunk::of(entry)));
            whole
        };
        let best = left
            .iter()
            .map(package)
            .map(|package| (worth(&package), package))
            .reduce(|best, next| if next.0.pays_more_than(&best.0) { next } else { best });
        let Some((_, package)) = best else { break };
        for entry in package {
            left.remove(&entry.transaction.txid());
            ordered.push(entry);
        }
    }
    ordered
}

/// A cluster's chunks, the highest rate first: what follows and pays more is joined to what it follows.
fn chunks(pool: &Pool, txid: &Txid) -> Vec<Chunk> {
    let mut chunks: Vec<Chunk> = Vec::new();
    for entry in order(pool, &cluster(pool, txid)) {
        let mut next = Chunk::of(entry);
        while let Some(mut before) = chunks.pop_if(|before| next.pays_more_than(before)) {
            before.append(next);
            next = before;
        }
        chunks.push(next);
    }
    chunks
}

/// The chunk that a pooled transaction is in.
pub fn chunk_of(pool: &Pool, entry: &Entry) -> Chunk {
    if entry.depends.is_empty() && entry.spent_by.is_empty() {
        return Chunk::of(entry);
    }
    let txid = entry.transaction.txid();
    chunks(pool, &txid).into_iter().find(|chunk| chunk.txids.contains(&txid)).unwrap_or_else(|| Chunk::of(entry))
}

/// `getmempoolcluster txid`.
pub async fn getmempoolcluster(context: Arc<Context>, arguments: Arguments) -> Reply {
    let txid: Txid = arguments.hash(0)?;
    let describe = move |core: &Core| {
        let pool = core.mempool();
        pool.get(&txid).ok_or_else(|| RpcError::not_found("Transaction not in mempool"))?;
        let chunks = chunks(pool, &txid);
        let views = chunks.iter().map(|chunk| {
            json!({
                "chunkfee": view::amount(Amount::from_units(chunk.fee)),
                "chunkweight": chunk.size * WEIGHT_PER_BYTE,
                "txs": chunk.txids.iter().map(|txid| json!(txid.to_string())).collect::<Value>(),
            })
        });
        Ok(json!({
            "clusterweight": chunks.iter().map(|chunk| chunk.size * WEIGHT_PER_BYTE).sum::<usize>(),
            "txcount": chunks.iter().map(|chunk| chunk.txids.len()).sum::<usize>(),
            "chunks": views.collect::<Value>(),
        }))
    };
    context.core.read(describe).await?
}

/// `getmempoolfeeratediagram`: fees over weight if all of the mempool is mined chunk by chunk.
pub async fn getmempoolfeeratediagram(context: Arc<Context>, _: Arguments) -> Reply {
    let diagram = |core: &Core| -> Value {
        let (pool, mut all, mut seen) = (core.mempool(), Vec::new(), BTreeSet::new());
        for entry in pool.entries() {
            let txid = entry.transaction.txid();
            if seen.contains(&txid) {
                continue;
            }
            let chunks = chunks(pool, &txid);
            seen.extend(chunks.iter().flat_map(|chunk| chunk.txids.iter().copied()));
            all.extend(chunks);
        }
        all.sort_by(|a, b| (u128::from(b.fee) * a.size as u128).cmp(&(u128::from(a.fee) * b.size as u128)));
        let (mut weight, mut fee) = (0, 0_u64);
        let mut points = vec![json!({"weight": 0, "fee": view::amount(Amount::ZERO)})];
        for chunk in all {
            weight += chunk.size * WEIGHT_PER_BYTE;
            fee = fee.saturating_add(chunk.fee);
            points.push(json!({"weight": weight, "fee": view::amount(Amount::from_units(fee))}));
        }
        Value::Array(points)
    };
    Ok(context.core.read(diagram).await?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::tests::world::*;

    const COIN: u64 = 100_000_000;

    #[test]
    fn a_child_that_pays_more_is_in_the_chunk_of_its_parent_and_one_that_pays_less_is_not() {
        let spec = spec();
        let mut node = Node::new(&spec, 1);
        let pay = |node: &mut Node, coin, units, fee| {
            let transaction = spend(&[coin], 0, &[(units - fee, 0)]);
            node.pay(&transaction).unwrap();
            (outpoint(&transaction, 0), units - fee, transaction.txid())
        };
        let (coin, units, parent) = pay(&mut node, genesis_coin(&spec, 0).0, 10 * COIN, 1_000);
        let (coin, units, child) = pay(&mut node, coin, units, 9_000);
        let (_, _, grandchild) = pay(&mut node, coin, units, 2_000);
        let (.., alone) = pay(&mut node, genesis_coin(&spec, 1).0, 10 * COIN, 3_000);
        let pool = node.core.mempool();
        for member in [parent, child, grandchild] {
            let chunks = chunks(pool, &member);
            let contents: Vec<(&[Txid], u64)> = chunks.iter().map(|chunk| (&chunk.txids[..], chunk.fee)).collect();
            assert_eq!(contents, [(&[parent, child][..], 10_000), (&[grandchild][..], 2_000)]);
        }
        assert_eq!(chunk_of(pool, pool.get(&child).unwrap()).fee, 10_000);
        assert_eq!(chunk_of(pool, pool.get(&alone).unwrap()).txids, [alone]);
    }
}
