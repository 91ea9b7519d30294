//! The block tree of a running network as an outsider sees it: the blocks of every branch that any node has and who has them,
//! the nodes as [`status`] sees them, and what happened between two looks.
//!
//! [`View::look`] returns what changed since the last look, and [`View::snapshot`] everything at once, so that many readers
//! (the page's streams) cost the nodes one look. [`crate::web`] numbers the changes and passes them on. Absent: history from
//! before the view was opened, beyond the blocks that nodes still have.

use super::event::{ChainEvent, Event};
use super::status::{self, NodeStatus, ShareMeter};
use crate::clock::Stopwatch;
use crate::cluster::Cluster;
use crate::cluster::directory::Directory;
use anyhow::Result;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use wallet::Client;

/// Heights below the highest tip whose blocks are remembered, blocks.
pub const HEIGHTS_MAX: u64 = 10_000;
/// Heights below the highest tip for which it is known which nodes have a block; deeper ones count as everybody's, blocks.
const HOLDER_HEIGHTS_MAX: u64 = 100;
/// Blocks asked for in one look, so that a long chain does not delay what is new, blocks.
const BLOCKS_PER_LOOK_MAX: usize = 250;
/// Events remembered.
const EVENTS_MAX: usize = 500;
/// Blocks, and payments, told of one reorganisation; a deeper one names the highest.
const REORGANISED_TOLD_MAX: usize = 100;
/// Transaction ids told of one block; a block with more tells none of the rest.
const TXIDS_TOLD_MAX: usize = 12;

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
    /// Compact target, eight hexadecimal digits.
    bits: String,
    difficulty: f64,
    /// When it was first seen here, seconds after the view was opened; blocks from before have 0.
    seen_s: f64,
    /// The only nodes that have it; empty when every node that answers has it.
    only: Vec<String>,
    /// The first transactions after the coinbase.
    txids: Vec<String>,
}

impl ShownBlock {
    /// Its hash.
    pub fn hash(&self) -> &str {
        &self.hash
    }
    /// Its parent's hash; empty for genesis.
    pub fn previous(&self) -> &str {
        &self.previous
    }
    /// Its height.
    pub fn height(&self) -> u64 {
        self.height
    }
    /// The node whose address its coinbase pays, or the address.
    pub fn miner(&self) -> &str {
        &self.miner
    }
    /// Its transactions, the coinbase included.
    pub fn transactions(&self) -> usize {
        self.transactions
    }
    /// When it was first seen here, seconds after the view was opened.
    pub fn seen_s(&self) -> f64 {
        self.seen_s
    }
}

/// What a look found that the one before had not.
#[derive(Debug, Default)]
pub struct Changes {
    /// The nodes and the network's totals, as JSON, if anything about them changed.
    pub network: Option<Value>,
    /// Blocks that are new, or that other nodes have than before.
    pub blocks: Vec<ShownBlock>,
    /// Blocks that no node had at the look before, as events; none at the first look.
    pub found: Vec<Event>,
    /// Reorganisations, nodes that came or went, partitions.
    pub happenings: Vec<Event>,
    /// When, seconds after the view was opened.
    pub s: f64,
    /// Every node as it is, its achieved share over the last minute included.
    pub nodes: Vec<NodeStatus>,
}

/// What was seen so far.
pub struct View {
    cluster: Cluster,
    clock: Stopwatch,
    shares: ShareMeter,
    blocks: BTreeMap<String, ShownBlock>,
    /// Which block a transaction was seen in last.
    transactions: HashMap<String, String>,
    /// Each block's transactions but its coinbase.
    payments: HashMap<String, Vec<String>>,
    /// Blocks to ask for, and of whom.
    wanted: VecDeque<(String, String)>,
    /// Each node's tip at the last look; none while it does not answer.
    tips: BTreeMap<String, Option<String>>,
    /// What each node warned of at the last look.
    warnings: BTreeMap<String, Vec<String>>,
    partition: Vec<Vec<String>>,
    happenings: VecDeque<Event>,
    network: Value,
    has_looked: bool,
    /// The highest tip at the first look: blocks far below it are learned later, and are no news.
    first_top: u64,
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
            transactions: HashMap::new(),
            payments: HashMap::new(),
            wanted: VecDeque::new(),
            tips: BTreeMap::new(),
            warnings: BTreeMap::new(),
            partition: Vec::new(),
            happenings: VecDeque::new(),
            network: Value::Null,
            has_looked: false,
            first_top: 0,
        })
    }

    /// Asks every node and returns what changed.
    ///
    /// # Errors
    /// The network's state is not readable.
    pub fn look(&mut self) -> Result<Changes> {
        self.cluster.reload()?;
        let mut nodes = status::look(&self.cluster);
        self.shares.measure(&mut nodes);
        let mut changed = self.learn_blocks(&nodes);
        let found = self.tell_found(&nodes, &changed);
        changed.extend(self.learn_holders(&nodes));
        let happenings = self.notice(&nodes);
        let network = self.describe(&nodes);
        let is_changed = network != self.network;
        self.network = network;
        self.has_looked = true;
        Ok(Changes {
            network: is_changed.then(|| self.network.clone()),
            blocks: changed.iter().filter_map(|hash| self.blocks.get(hash).cloned()).collect(),
            found,
            happenings,
            s: (self.clock.seconds() * 1e3).round() / 1e3,
            nodes,
        })
    }

    /// The blocks among those learned that are news, the lowest first.
    fn tell_found(&mut self, nodes: &[NodeStatus], learned: &BTreeSet<String>) -> Vec<Event> {
        if !self.has_looked {
            self.first_top = nodes.iter().filter_map(|node| node.height).max().unwrap_or(0);
            return Vec::new();
        }
        let news_from = self.first_top.saturating_sub(HOLDER_HEIGHTS_MAX);
        let mut blocks: Vec<&ShownBlock> = learned.iter().filter_map(|hash| self.blocks.get(hash)).collect();
        blocks.retain(|block| block.height >= news_from);
        blocks.sort_by_key(|block| block.height);
        let tell = |block: &ShownBlock| ChainEvent::Block {
            hash: block.hash.clone(),
            height: block.height,
            miner: block.miner.clone(),
            transactions: block.transactions,
        };
        let s = self.clock.seconds();
        blocks.into_iter().map(|block| Event::new(s, tell(block))).collect()
    }

    /// Everything at once: the nodes, the blocks by height, what happened.
    pub fn snapshot(&self) -> Value {
        let mut blocks: Vec<&ShownBlock> = self.blocks.values().collect();
        blocks.sort_by_key(|block| block.height);
        json!({ "network": self.network, "blocks": blocks, "happenings": self.happenings })
    }

    /// The network's nodes, for questions about one block or transaction.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// The block that a transaction was seen in.
    pub fn block_of(&self, txid: &str) -> Option<&str> {
        self.transactions.get(txid).map(String::as_str)
    }

    fn describe(&self, nodes: &[NodeStatus]) -> Value {
        let state = self.cluster.state();
        json!({
            "chain": state.chain_name,
            "spacing_s": self.cluster.spec().spacing_s,
            "directory": self.cluster.directory().path(),
            "running": nodes.iter().any(NodeStatus::answers),
            "hashes_per_second": nodes.iter().map(|node| node.hashes_per_second).sum::<f64>().round(),
            "partition": self.partition,
            "nodes": nodes,
        })
    }

    /// Takes in blocks of every branch that a node has, the newest first, and forgets those far below. Returns the new ones.
    fn learn_blocks(&mut self, nodes: &[NodeStatus]) -> BTreeSet<String> {
        let top = nodes.iter().filter_map(|node| node.height).max().unwrap_or(0);
        let lowest = top.saturating_sub(HEIGHTS_MAX);
        let records = self.cluster.state().nodes.iter();
        let miners: BTreeMap<String, String> =
            records.filter_map(|(name, record)| Some((record.payout.clone()?, name.clone()))).collect();
        let seen_s = if self.has_looked { self.clock.seconds() } else { 0.0 };
        for node in nodes.iter().filter(|node| node.answers()) {
            let Ok(client) = self.cluster.client(&node.name) else { continue };
            for leaf in leaves(&client, lowest) {
                if !self.blocks.contains_key(&leaf) {
                    self.wanted.push_front((node.name.clone(), leaf));
                }
            }
        }
        let mut learned = BTreeSet::new();
        while learned.len() < BLOCKS_PER_LOOK_MAX {
            let Some((name, hash)) = self.wanted.pop_front() else { break };
            if self.blocks.contains_key(&hash) {
                continue;
            }
            // A node that ends between two questions is asked again at the next look, through its tips.
            let Ok(client) = self.cluster.client(&name) else { continue };
            let Some((block, txids)) = ask_block(&client, &hash, &miners, seen_s) else { continue };
            if block.height < lowest {
                continue;
            }
            if !block.previous.is_empty() && !self.blocks.contains_key(&block.previous) {
                self.wanted.push_front((name, block.previous.clone()));
            }
            self.transactions.extend(txids.iter().map(|txid| (txid.clone(), hash.clone())));
            self.payments.insert(hash.clone(), txids.into_iter().skip(1).collect());
            self.blocks.insert(hash.clone(), block);
            learned.insert(hash);
        }
        if lowest > 0 {
            self.blocks.retain(|_, block| block.height >= lowest);
            self.transactions.retain(|_, hash| self.blocks.contains_key(hash));
            self.payments.retain(|hash, _| self.blocks.contains_key(hash));
        }
        learned
    }

    /// Notes which nodes have the blocks near the top, and returns those of which that has changed.
    fn learn_holders(&mut self, nodes: &[NodeStatus]) -> Vec<String> {
        let answering: Vec<&NodeStatus> = nodes.iter().filter(|node| node.answers()).collect();
        let top = answering.iter().filter_map(|node| node.height).max().unwrap_or(0);
        let lowest = top.saturating_sub(HOLDER_HEIGHTS_MAX);
        let mut holders: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for node in &answering {
            let Ok(client) = self.cluster.client(&node.name) else { continue };
            for leaf in leaves(&client, lowest) {
                for hash in self.branch(&leaf).take_while(|hash| self.blocks[*hash].height >= lowest) {
                    if !holders.entry(hash.to_owned()).or_default().insert(node.name.clone()) {
                        break;
                    }
                }
            }
        }
        let mut changed = Vec::new();
        for (hash, names) in holders {
            let only = if names.len() >= answering.len() { Vec::new() } else { names.into_iter().collect() };
            if let Some(block) = self.blocks.get_mut(&hash)
                && block.only != only
            {
                block.only = only;
                changed.push(hash);
            }
        }
        changed
    }

    /// Compares with the last look: new tips, nodes that came or went, warnings, partitions.
    fn notice(&mut self, nodes: &[NodeStatus]) -> Vec<Event> {
        let is_first = !self.has_looked;
        let mut happened = Vec::new();
        for node in nodes {
            let before = self.tips.insert(node.name.clone(), node.tip.clone()).flatten();
            match (before, &node.tip) {
                (Some(before), Some(now)) if before != *now => {
                    let left = self.left_behind(&before, now);
                    if !left.is_empty() {
                        happened.push(self.reorganisation(&node.name, left, self.left_behind(now, &before), now));
                    }
                }
                (Some(_), None) => happened.push(ChainEvent::NodeSilent { node: node.name.clone() }),
                (None, Some(_)) if !is_first => happened.push(ChainEvent::NodeAnswers { node: node.name.clone() }),
                _ => {}
            }
            if node.answers() {
                let before = self.warnings.insert(node.name.clone(), node.warnings.clone()).unwrap_or_default();
                let new = node.warnings.iter().filter(|warning| !before.contains(warning));
                happened.extend(
                    new.map(|warning| ChainEvent::Warning { node: node.name.clone(), warning: warning.clone() }),
                );
            }
        }
        self.warnings.retain(|name, _| nodes.iter().any(|node| node.name == *name));
        self.tips.retain(|name, _| nodes.iter().any(|node| node.name == *name));
        let partition = &self.cluster.state().plan.partition;
        if *partition != self.partition {
            happened.push(match partition.is_empty() {
                true => ChainEvent::Healed,
                false => ChainEvent::Partition { groups: self.cluster.state().plan.sides() },
            });
            self.partition.clone_from(partition);
        }
        let s = self.clock.seconds();
        let happened: Vec<Event> = happened.into_iter().map(|what| Event::new(s, what)).collect();
        self.happenings.extend(happened.iter().cloned());
        let surplus = self.happenings.len().saturating_sub(EVENTS_MAX);
        self.happenings.drain(..surplus);
        happened
    }

    /// What a node's change of branch did to payments: those of the blocks left that no block taken has, by whether its mempool
    /// has them.
    fn reorganisation(&self, node: &str, left: Vec<String>, came: Vec<String>, tip: &str) -> ChainEvent {
        let paid = |blocks: &[String]| -> BTreeSet<String> {
            blocks.iter().filter_map(|hash| self.payments.get(hash)).flatten().cloned().collect()
        };
        let kept = paid(&came);
        let undone: Vec<String> = paid(&left).into_iter().filter(|txid| !kept.contains(txid)).collect();
        // Of a node that does not answer nothing is told: what is not known to wait is not known to be lost.
        let client = self.cluster.client(node).ok().filter(|_| !undone.is_empty());
        let pool =
            client.and_then(|client| client.call_within("getrawmempool", json!([]), status::LOOK_TIMEOUT_MS).ok());
        let (mut waiting, mut lost) = (Vec::new(), Vec::new());
        if let Some(pool) = pool.as_ref().and_then(Value::as_array) {
            let pool: BTreeSet<&str> = pool.iter().filter_map(Value::as_str).collect();
            (waiting, lost) = undone.into_iter().partition(|txid| pool.contains(txid.as_str()));
        }
        waiting.truncate(REORGANISED_TOLD_MAX);
        lost.truncate(REORGANISED_TOLD_MAX);
        let told = |blocks: Vec<String>| blocks.into_iter().take(REORGANISED_TOLD_MAX).collect();
        ChainEvent::Reorganisation {
            node: node.to_owned(),
            depth: left.len(),
            tip: tip.to_owned(),
            left: told(left),
            came: told(came),
            waiting,
            lost,
        }
    }

    /// Blocks of the branch ending in `old` that are not in the one ending in `new`, as far as they are remembered.
    fn left_behind(&self, old: &str, new: &str) -> Vec<String> {
        let kept: BTreeSet<&str> = self.branch(new).collect();
        self.branch(old).take_while(|hash| !kept.contains(hash)).map(str::to_owned).collect()
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

/// A block, and the ids of its transactions.
fn ask_block(
    client: &Client,
    hash: &str,
    miners: &BTreeMap<String, String>,
    seen_s: f64,
) -> Option<(ShownBlock, Vec<String>)> {
    let block = client.call_within("getblock", json!([hash, 2]), status::LOOK_TIMEOUT_MS).ok()?;
    let transactions = block["tx"].as_array()?;
    let address = transactions.first()?["vout"][0]["scriptPubKey"]["address"].as_str().unwrap_or("nobody");
    let previous = block["previousblockhash"].as_str().unwrap_or_default().to_owned();
    let miner = miners.get(address).map_or(address, String::as_str);
    let txids: Vec<String> =
        transactions.iter().filter_map(|transaction| Some(transaction["txid"].as_str()?.to_owned())).collect();
    let shown = ShownBlock {
        hash: hash.to_owned(),
        height: block["height"].as_u64()?,
        miner: if previous.is_empty() { "genesis".to_owned() } else { miner.to_owned() },
        previous,
        transactions: transactions.len(),
        size: block["size"].as_u64()?,
        time: block["time"].as_u64()?,
        bits: block["bits"].as_str().unwrap_or_default().to_owned(),
        difficulty: block["difficulty"].as_f64().unwrap_or(0.0),
        seen_s,
        only: Vec::new(),
        txids: txids.iter().skip(1).take(TXIDS_TOLD_MAX).cloned().collect(),
    };
    Some((shown, txids))
}
