//! What the web page shows: the nodes as [`status`] sees them, the last blocks of every branch any of them has, and what happened
//! between two looks.

use super::status::{self, NodeStatus, ShareMeter};
use crate::clock::Stopwatch;
use crate::cluster::Cluster;
use crate::cluster::directory::Directory;
use anyhow::{Result, anyhow, bail};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use wallet::Client;

/// Heights below the highest tip that are shown, blocks.
pub const HEIGHTS_MAX: u64 = 60;
/// Happenings remembered.
const EVENTS_MAX: usize = 200;
/// Two looks are at least so far apart, however many pages ask, milliseconds.
const LOOK_MS: u128 = 400;
/// Mempool transactions shown, the best paying first.
const MEMPOOL_MAX: usize = 200;

/// A block that some node has.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ShownBlock {
    hash: String,
    previous: String,
    height: u64,
    /// The node whose address its coinbase pays, or the address.
    miner: String,
    transactions: usize,
    /// Bytes.
    size: u64,
    /// Header time, Unix seconds.
    time: u64,
    /// When it was first seen here, seconds after the page's start; blocks from before have 0.
    seen_s: f64,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Event {
    /// Seconds after the page's start.
    s: f64,
    text: String,
}

/// What was seen so far.
pub struct View {
    cluster: Cluster,
    clock: Stopwatch,
    shares: ShareMeter,
    blocks: BTreeMap<String, ShownBlock>,
    /// Each node's tip at the last look; none while it does not answer.
    tips: BTreeMap<String, Option<String>>,
    partition: Vec<Vec<String>>,
    events: VecDeque<Event>,
    looked_ms: Option<u128>,
    /// The answer of the last look.
    answer: String,
}

impl View {
    /// Of the network in a directory.
    ///
    /// # Errors
    /// There is none, or its state is not readable.
    pub fn open(directory: Directory) -> Result<View> {
        Ok(View {
            cluster: Cluster::open(directory)?,
            clock: Stopwatch::start(),
            shares: ShareMeter::default(),
            blocks: BTreeMap::new(),
            tips: BTreeMap::new(),
            partition: Vec::new(),
            events: VecDeque::new(),
            looked_ms: None,
            answer: String::new(),
        })
    }

    /// Everything at once, as JSON; at most a few times a second anew.
    ///
    /// # Errors
    /// The network's state is not readable.
    pub fn look(&mut self) -> Result<String> {
        let now_ms = self.clock.elapsed().as_millis();
        if self.looked_ms.is_none_or(|looked| now_ms >= looked + LOOK_MS) {
            self.cluster.reload()?;
            let mut nodes = status::look(&self.cluster);
            self.shares.measure(&mut nodes);
            self.learn_blocks(&nodes);
            self.notice(&nodes);
            self.answer = self.render(&nodes)?;
            self.looked_ms = Some(self.clock.elapsed().as_millis());
        }
        Ok(self.answer.clone())
    }

    /// A block with its transactions, from whichever node has it (`getblock` 2).
    ///
    /// # Errors
    /// No node has it.
    pub fn block(&mut self, hash: &str) -> Result<String> {
        self.cluster.reload()?;
        for name in self.cluster.alive() {
            let client = self.cluster.client(&name)?;
            if let Ok(block) = client.call_within("getblock", json!([hash, 2]), status::LOOK_TIMEOUT_MS) {
                return Ok(block.to_string());
            }
        }
        bail!("no running node has a block {hash:?}")
    }

    /// A node's mempool, the best paying first.
    ///
    /// # Errors
    /// The node is unknown, does not run or does not answer.
    pub fn mempool(&mut self, node: &str) -> Result<String> {
        self.cluster.reload()?;
        let entries =
            self.cluster.client(node)?.call_within("getrawmempool", json!([true]), status::LOOK_TIMEOUT_MS)?;
        let entries = entries.as_object().ok_or_else(|| anyhow!("getrawmempool gave no object"))?;
        let mut rows: Vec<(f64, Value)> = entries
            .iter()
            .map(|(txid, entry)| {
                let (size, fee) =
                    (entry["vsize"].as_f64().unwrap_or(1.0), entry["fees"]["base"].as_f64().unwrap_or(0.0));
                // A coin is 10⁸ units.
                let rate = fee * 1e8 / size;
                (rate, json!({ "txid": txid, "size": size, "fee": fee, "rate": rate, "time": entry["time"] }))
            })
            .collect();
        rows.sort_by(|a, b| b.0.total_cmp(&a.0));
        let (count, shown) = (rows.len(), rows.into_iter().take(MEMPOOL_MAX).map(|(_, row)| row).collect::<Vec<_>>());
        Ok(json!({ "node": node, "count": count, "transactions": shown }).to_string())
    }

    fn render(&self, nodes: &[NodeStatus]) -> Result<String> {
        let state = self.cluster.state();
        let hashes_per_second: f64 = nodes.iter().map(|node| node.hashes_per_second).sum();
        Ok(serde_json::to_string(&json!({
            "chain": state.chain_name,
            "directory": self.cluster.directory().path(),
            "running": nodes.iter().any(NodeStatus::answers),
            "seconds": self.clock.seconds(),
            "hashes_per_second": hashes_per_second,
            "partition": self.partition,
            "nodes": nodes,
            "blocks": self.blocks.values().collect::<Vec<_>>(),
            "events": self.events,
        }))?)
    }

    /// Takes in the blocks near the top of every branch that a node has, and forgets those far below.
    fn learn_blocks(&mut self, nodes: &[NodeStatus]) {
        let top = nodes.iter().filter_map(|node| node.height).max().unwrap_or(0);
        let lowest = top.saturating_sub(HEIGHTS_MAX);
        let records = self.cluster.state().nodes.iter();
        let miners: BTreeMap<String, String> =
            records.filter_map(|(name, record)| Some((record.payout.clone()?, name.clone()))).collect();
        let seen_s = if self.looked_ms.is_some() { self.clock.seconds() } else { 0.0 };
        for node in nodes.iter().filter(|node| node.answers()) {
            let Ok(client) = self.cluster.client(&node.name) else { continue };
            // A node that ends between two questions is asked again at the next look.
            for leaf in leaves(&client, lowest) {
                let mut at = leaf;
                while !at.is_empty() && !self.blocks.contains_key(&at) {
                    let Some(block) = ask_block(&client, &at, &miners, seen_s) else { break };
                    if block.height < lowest {
                        break;
                    }
                    let previous = block.previous.clone();
                    self.blocks.insert(std::mem::replace(&mut at, previous), block);
                }
            }
        }
        self.blocks.retain(|_, block| block.height >= lowest);
    }

    /// Compares with the last look: new tips, nodes that came or went, partitions.
    fn notice(&mut self, nodes: &[NodeStatus]) {
        let is_first = self.looked_ms.is_none();
        let mut happened = Vec::new();
        for node in nodes {
            let before = self.tips.insert(node.name.clone(), node.tip.clone()).flatten();
            match (before, &node.tip) {
                (Some(before), Some(now)) if before != *now => {
                    let left = self.left_behind(&before, now);
                    if left > 0 {
                        let blocks = if left == 1 { "a block" } else { &format!("{left} blocks") };
                        happened.push(format!("{} leaves {blocks} for a branch with more work", node.name));
                    }
                }
                (Some(_), None) => happened.push(format!("{} does not answer any more", node.name)),
                (None, Some(_)) if !is_first => happened.push(format!("{} answers", node.name)),
                _ => {}
            }
        }
        self.tips.retain(|name, _| nodes.iter().any(|node| node.name == *name));
        let partition = &self.cluster.state().plan.partition;
        if *partition != self.partition {
            let groups: Vec<String> = partition.iter().map(|group| group.join(", ")).collect();
            happened.push(match groups.is_empty() {
                true => "the partition is healed".to_owned(),
                false => format!("the network is partitioned: {} | the rest", groups.join(" | ")),
            });
            self.partition.clone_from(partition);
        }
        let s = self.clock.seconds();
        self.events.extend(happened.into_iter().map(|text| Event { s, text }));
        let surplus = self.events.len().saturating_sub(EVENTS_MAX);
        self.events.drain(..surplus);
    }

    /// Blocks of the branch ending in `old` that are not in the one ending in `new`, as far as they are remembered.
    fn left_behind(&self, old: &str, new: &str) -> usize {
        let kept: BTreeSet<&str> = self.branch(new).collect();
        self.branch(old).take_while(|hash| !kept.contains(hash)).count()
    }

    fn branch<'a>(&'a self, tip: &'a str) -> impl Iterator<Item = &'a str> {
        let hashes = std::iter::successors(Some(tip), |hash| Some(self.blocks.get(*hash)?.previous.as_str()));
        hashes.take_while(|hash| self.blocks.contains_key(*hash))
    }
}

/// Ends of a node's branches whose bodies it has, not far below the top.
fn leaves(client: &Client, lowest: u64) -> Vec<String> {
    let tips = client.call_within("getchaintips", json!([]), status::LOOK_TIMEOUT_MS).unwrap_or_default();
    let shown = |tip: &&Value| {
        matches!(tip["status"].as_str(), Some("active" | "valid-fork" | "valid-headers"))
            && tip["height"].as_u64() >= Some(lowest)
    };
    tips.as_array()
        .into_iter()
        .flatten()
        .filter(shown)
        .filter_map(|tip| tip["hash"].as_str().map(str::to_owned))
        .collect()
}

fn ask_block(client: &Client, hash: &str, miners: &BTreeMap<String, String>, seen_s: f64) -> Option<ShownBlock> {
    let block = client.call_within("getblock", json!([hash, 2]), status::LOOK_TIMEOUT_MS).ok()?;
    let transactions = block["tx"].as_array()?;
    let address = transactions.first()?["vout"][0]["scriptPubKey"]["address"].as_str().unwrap_or("nobody");
    let previous = block["previousblockhash"].as_str().unwrap_or_default().to_owned();
    let miner = miners.get(address).map_or(address, String::as_str);
    Some(ShownBlock {
        hash: hash.to_owned(),
        height: block["height"].as_u64()?,
        miner: if previous.is_empty() { "genesis".to_owned() } else { miner.to_owned() },
        previous,
        transactions: transactions.len(),
        size: block["size"].as_u64()?,
        time: block["time"].as_u64()?,
        seen_s,
    })
}
