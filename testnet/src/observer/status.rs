//! What the nodes say about themselves, asked over RPC: one [`NodeStatus`] a node, for `status`, the live table and `--json`.

use crate::cluster::Cluster;
use crate::plan::Role;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use wallet::Client;
use wallet::text::printable;

/// A node that does not answer a look within this time is shown as not answering, milliseconds.
pub const LOOK_TIMEOUT_MS: u64 = 3_000;
/// Looks over which the achieved shares of the live table are measured: a minute at two looks a second.
const WINDOW_LOOKS: usize = 120;

/// One node at one moment. What a node that does not run or answer would have said is absent (`null`).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NodeStatus {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// Its process, if it runs.
    pub pid: Option<u32>,
    /// Whether others run it: then it has no process here.
    #[serde(skip)]
    pub is_remote: bool,
    /// JSON-RPC, `http://HOST:PORT`.
    pub rpc: String,
    /// Where peers reach it: a multiaddress with its peer id.
    pub p2p: String,
    /// Its data directory.
    pub datadir: String,
    /// Height of its tip.
    pub height: Option<u64>,
    /// Hash of its tip.
    pub tip: Option<String>,
    /// Its connections.
    pub peers: Option<u64>,
    /// Transactions in its mempool.
    pub mempool: Option<u64>,
    /// The part of the network's hash rate it should have, 0 to 1.
    pub share_asked: f64,
    /// The part it has: of the last minute, or since the table began if that is shorter. Absent while nobody mines.
    pub share_achieved: Option<f64>,
    /// What it warns of (Core's `warnings`), in whole sentences.
    pub warnings: Vec<String>,
    /// Hashes it has done since it started.
    #[serde(skip)]
    pub hashes_total: u64,
    /// Its hashes per second over the last minute.
    #[serde(skip)]
    pub hashes_per_second: f64,
}

impl NodeStatus {
    /// Whether it answered.
    pub fn answers(&self) -> bool {
        self.height.is_some()
    }
}

/// Looks at every node of a network, all at once. The achieved share is each node's part of the last minute's hashes.
pub fn look(cluster: &Cluster) -> Vec<NodeStatus> {
    let state = cluster.state();
    let mut nodes: Vec<NodeStatus> = std::thread::scope(|scope| {
        let looks: Vec<_> = state
            .plan
            .nodes
            .iter()
            .map(|plan| {
                let record = state.nodes.get(&plan.name).cloned().unwrap_or_default();
                let status = NodeStatus {
                    name: plan.name.clone(),
                    role: plan.role,
                    pid: record.process.as_ref().filter(|_| record.is_alive()).map(|process| process.pid),
                    is_remote: record.remote.is_some() && record.is_alive(),
                    p2p: record.p2p.first().cloned().unwrap_or_default(),
                    rpc: record.rpc,
                    datadir: cluster.directory().node(&plan.name).display().to_string(),
                    height: None,
                    tip: None,
                    peers: None,
                    mempool: None,
                    share_asked: plan.share,
                    share_achieved: None,
                    warnings: Vec::new(),
                    hashes_total: 0,
                    hashes_per_second: 0.0,
                };
                let client = cluster.client(&plan.name).ok();
                scope.spawn(move || match client {
                    Some(client) => ask(&client, status),
                    None => status,
                })
            })
            .collect();
        looks.into_iter().map(|look| look.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    });
    let total: f64 = nodes.iter().map(|node| node.hashes_per_second).sum();
    if total > 0.0 {
        nodes
            .iter_mut()
            .filter(|node| node.answers())
            .for_each(|node| node.share_achieved = Some(node.hashes_per_second / total));
    }
    nodes
}

/// Fills in what the node answers; a node that does not answer everything is as one that does not answer.
fn ask(client: &Client, status: NodeStatus) -> NodeStatus {
    let get = |method: &str| client.call_within(method, json!([]), LOOK_TIMEOUT_MS).ok();
    let answered = || {
        let chain = get("getblockchaininfo")?;
        let (network, mempool, mining) = (get("getnetworkinfo")?, get("getmempoolinfo")?, get("getmininginfo")?);
        let miner = &mining["miner"];
        Some(NodeStatus {
            height: Some(chain["blocks"].as_u64()?),
            tip: Some(chain["bestblockhash"].as_str()?.to_owned()),
            peers: network["connections"].as_u64(),
            mempool: mempool["size"].as_u64(),
            warnings: network["warnings"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .map(printable)
                .collect(),
            hashes_total: miner["hashes_total"].as_u64().unwrap_or(0),
            hashes_per_second: miner["hashes_per_second_1m"].as_f64().unwrap_or(0.0),
            ..status.clone()
        })
    };
    answered().unwrap_or_else(|| status.clone())
}

/// Achieved shares over the last minute of looks, from the nodes' own counts of hashes.
#[derive(Debug, Default)]
pub struct ShareMeter {
    /// Hash counts by node name, oldest look first.
    looks: VecDeque<BTreeMap<String, u64>>,
}

impl ShareMeter {
    /// Takes a look's hash counts in and replaces its achieved shares by those over the window.
    pub fn measure(&mut self, nodes: &mut [NodeStatus]) {
        self.looks.push_back(nodes.iter().map(|node| (node.name.clone(), node.hashes_total)).collect());
        if self.looks.len() > WINDOW_LOOKS {
            self.looks.pop_front();
        }
        let hashes: Vec<u64> = nodes.iter().map(|node| self.hashes(&node.name)).collect();
        let total: u64 = hashes.iter().sum();
        for (node, hashes) in nodes.iter_mut().zip(hashes) {
            node.share_achieved = (total > 0 && node.answers()).then(|| hashes as f64 / total as f64);
        }
    }

    /// A node's hashes in the window. A node that is started again counts from 0 again.
    fn hashes(&self, name: &str) -> u64 {
        let counts: Vec<u64> = self.looks.iter().filter_map(|look| look.get(name).copied()).collect();
        counts.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).sum()
    }
}

/// The JSON of `status`.
pub fn to_json(nodes: &[NodeStatus]) -> Value {
    json!({ "nodes": nodes })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A miner that answers.
    pub(crate) fn status(name: &str, share_asked: f64, hashes_total: u64) -> NodeStatus {
        NodeStatus {
            name: name.to_owned(),
            role: if share_asked > 0.0 { Role::Miner } else { Role::Relay },
            pid: Some(4242),
            is_remote: false,
            rpc: "http://127.0.0.1:18443".to_owned(),
            p2p: "/ip4/127.0.0.1/tcp/18444/p2p/12D3Koo".to_owned(),
            datadir: "/net/node0".to_owned(),
            height: Some(12),
            tip: Some("00000abcdef0123456789".to_owned()),
            peers: Some(4),
            mempool: Some(0),
            share_asked,
            share_achieved: None,
            warnings: Vec::new(),
            hashes_total,
            hashes_per_second: 0.0,
        }
    }

    #[test]
    fn achieved_shares_are_parts_of_the_hashes_since_the_first_look() {
        let mut meter = ShareMeter::default();
        let mut first = [status("a", 0.6, 1_000), status("b", 0.4, 5_000)];
        meter.measure(&mut first);
        assert_eq!(first[0].share_achieved, None, "one look measures nothing");
        let mut second = [status("a", 0.6, 1_300), status("b", 0.4, 5_100)];
        meter.measure(&mut second);
        assert_eq!(second[0].share_achieved, Some(0.75));
        let mut restarted = [status("a", 0.6, 10), status("b", 0.4, 5_300)];
        meter.measure(&mut restarted);
        assert_eq!(restarted[0].share_achieved, Some(0.5), "a count that fell adds nothing");
    }

    #[test]
    fn old_looks_leave_the_window() {
        let mut meter = ShareMeter::default();
        for look in 0..=WINDOW_LOOKS as u64 {
            // `a` hashes only at first, `b` only afterwards.
            meter.measure(&mut [status("a", 0.5, look.min(1) * 1_000_000), status("b", 0.5, look.saturating_sub(1))]);
        }
        let mut last = [status("a", 0.5, 1_000_000), status("b", 0.5, 1_000)];
        meter.measure(&mut last);
        assert_eq!(last[0].share_achieved, Some(0.0));
    }

    #[test]
    fn json_has_the_documented_fields_in_order() {
        let value = to_json(&[status("node0", 0.4, 1)]);
        let keys: Vec<&String> = value["nodes"][0].as_object().unwrap().keys().collect();
        let documented = "name role pid rpc p2p datadir height tip peers mempool share_asked share_achieved warnings";
        assert_eq!(keys, documented.split(' ').collect::<Vec<_>>());
    }
}
