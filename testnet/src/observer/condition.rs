//! What a network can be waited for: a height, one tip, a mempool, a confirmation. Every condition is about all running nodes.

use crate::cluster::Cluster;
use chain_spec::Txid;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use wallet::Client;

/// Blocks below the tip that are searched for a transaction at first. The nodes need no index for it.
const SEARCH_DEPTH: u64 = 100;

/// What shall be so at every running node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// It has reached this height.
    Height(u64),
    /// It has the tip that all others have.
    TipEqual,
    /// Its mempool holds this transaction.
    InMempool(Txid),
    /// Its mempool holds this many transactions.
    MempoolSize(u64),
    /// Its chain holds this transaction, that many blocks deep.
    Confirmed(Txid, u64),
}

impl Condition {
    /// A transaction id, or a number of transactions.
    pub fn mempool(text: &str) -> Result<Condition, String> {
        if let Ok(count) = text.parse() {
            return Ok(Condition::MempoolSize(count));
        }
        let txid = text.parse::<Txid>().map(Condition::InMempool);
        txid.map_err(|_| {
            format!("--mempool {text}: give a transaction id (64 hexadecimal digits) or a number of transactions")
        })
    }

    /// A transaction id, and how many blocks deep it shall be.
    pub fn confirmed(text: &str, confirmations: u64) -> Result<Condition, String> {
        match text.parse::<Txid>() {
            Ok(_) if confirmations == 0 => {
                Err("--confirmations is 1 at least; --mempool waits for a payment's arrival".into())
            }
            Ok(txid) => Ok(Condition::Confirmed(txid, confirmations)),
            Err(_) => Err(format!("--confirmed {text}: give a transaction id (64 hexadecimal digits)")),
        }
    }
}

/// A condition that is looked at again and again.
pub struct Progress {
    condition: Condition,
    /// Blocks known to hold the transaction.
    blocks: Vec<String>,
    /// The height up to which each node's chain was searched.
    searched: BTreeMap<String, u64>,
}

impl Progress {
    /// Nothing has been looked at.
    pub fn new(condition: Condition) -> Progress {
        Progress { condition, blocks: Vec::new(), searched: BTreeMap::new() }
    }

    /// What is not so yet, with the nodes it is about; none when all is.
    pub fn missing(&mut self, cluster: &Cluster) -> Option<String> {
        let names =
            |nodes: Vec<String>, what: String| (!nodes.is_empty()).then(|| format!("{what}: {}", nodes.join(", ")));
        match self.condition.clone() {
            Condition::Height(height) => {
                let heights = cluster.ask_all(|client| call(client, "getblockcount", json!([]))?.as_u64());
                let low = cluster.alive().into_iter().filter(|name| heights.get(name).is_none_or(|at| *at < height));
                names(low.collect(), format!("below height {height}"))
            }
            Condition::TipEqual => {
                let tips =
                    cluster.ask_all(|client| call(client, "getbestblockhash", json!([]))?.as_str().map(str::to_owned));
                let all_answer = tips.len() == cluster.alive().len();
                let first = tips.values().next();
                (!all_answer || tips.values().any(|tip| Some(tip) != first))
                    .then(|| "the nodes have different tips".into())
            }
            Condition::InMempool(txid) => {
                let found = cluster.ask_all(|client| call(client, "getmempoolentry", json!([txid.to_string()])));
                let without = cluster.alive().into_iter().filter(|name| !found.contains_key(name));
                names(without.collect(), format!("{txid} is not in the mempool of"))
            }
            Condition::MempoolSize(size) => {
                let sizes = cluster.ask_all(|client| call(client, "getmempoolinfo", json!([]))?["size"].as_u64());
                let other = cluster.alive().into_iter().filter(|name| sizes.get(name) != Some(&size));
                names(other.collect(), format!("another number of transactions than {size} in the mempool of"))
            }
            Condition::Confirmed(txid, confirmations) => {
                let nodes = self.unconfirmed(cluster, &txid.to_string(), confirmations);
                names(nodes, format!("{txid} is not {confirmations} deep in the chain of"))
            }
        }
    }

    /// Nodes in whose chain the transaction is not deep enough.
    fn unconfirmed(&mut self, cluster: &Cluster, txid: &str, confirmations: u64) -> Vec<String> {
        let mut missing = Vec::new();
        for name in cluster.alive() {
            let Ok(client) = cluster.client(&name) else { continue };
            let tip = call(&client, "getblockcount", json!([])).and_then(|height| height.as_u64()).unwrap_or(0);
            // Blocks that a reorganisation replaced are searched again: from a block's depth below what was searched.
            let searched = self.searched.get(&name).copied().unwrap_or(tip.saturating_sub(SEARCH_DEPTH));
            for height in searched.saturating_sub(confirmations)..=tip {
                if let Some(hash) = holds(&client, height, txid).filter(|hash| !self.blocks.contains(hash)) {
                    self.blocks.push(hash);
                }
            }
            self.searched.insert(name.clone(), tip);
            // A block that is not in the node's active chain has -1.
            let depth = |hash: &String| call(&client, "getblockheader", json!([hash]))?["confirmations"].as_u64();
            if !self.blocks.iter().filter_map(depth).any(|depth| depth >= confirmations) {
                missing.push(name);
            }
        }
        missing
    }
}

/// The block at a height of a node's chain, if it holds the transaction.
fn holds(client: &Client, height: u64, txid: &str) -> Option<String> {
    let hash = call(client, "getblockhash", json!([height]))?;
    let block = call(client, "getblock", json!([hash, 1]))?;
    let found = block["tx"].as_array()?.iter().any(|id| id.as_str() == Some(txid));
    found.then(|| hash.as_str().map(str::to_owned)).flatten()
}

fn call(client: &Client, method: &str, parameters: Value) -> Option<Value> {
    client.call_within(method, parameters, super::status::LOOK_TIMEOUT_MS).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_read_or_named() {
        let txid = "ab".repeat(32);
        assert_eq!(Condition::mempool("3"), Ok(Condition::MempoolSize(3)));
        assert_eq!(Condition::mempool(&txid), Ok(Condition::InMempool(txid.parse().unwrap())));
        assert_eq!(Condition::confirmed(&txid, 2), Ok(Condition::Confirmed(txid.parse().unwrap(), 2)));
        assert!(Condition::mempool("all").unwrap_err().contains("--mempool all"));
        assert!(Condition::confirmed("12", 1).unwrap_err().contains("--confirmed 12"));
        assert!(Condition::confirmed(&txid, 0).unwrap_err().contains("1 at least"));
    }
}
