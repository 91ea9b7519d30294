//! What all nodes of a testbed have, as they say it themselves: who had which block when, and how deep anybody was
//! reorganised. The only source is their RPC.

use crate::clock::Stopwatch;
use anyhow::{Context as _, Result, anyhow};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use wallet::Client;

/// A block as the nodes told of it.
#[derive(Clone, Debug, PartialEq)]
pub struct ObservedBlock {
    /// Its height.
    pub height: u64,
    /// Its parent.
    pub previous: String,
    /// The account whose address its coinbase pays, or the address.
    pub miner: String,
    /// Ids of its transactions.
    pub txids: Vec<String>,
    /// Compact target.
    pub bits: String,
    /// Header time, Unix seconds.
    pub time: u64,
    /// When the lab first saw it, seconds after the testbed began.
    pub seen_s: f64,
    /// When an honest node first had it; `None` while it is secret.
    pub public_s: Option<f64>,
}

/// Something that a look found new.
#[derive(Clone, Debug, PartialEq)]
pub enum ChainEvent {
    /// A block that nobody had seen, and whether only the attacker has it.
    Block {
        /// Its hash.
        hash: String,
        /// Only the attacker has it.
        secret: bool,
    },
    /// Blocks that only the attacker had are with an honest node now.
    Published {
        /// How many.
        blocks: usize,
    },
    /// An honest node left this many blocks for a better branch.
    Reorganisation {
        /// The node.
        node: String,
        /// Blocks undone.
        depth: u64,
    },
}

struct Observed {
    client: Client,
    honest: bool,
    tip: String,
    /// Tips it has left for better ones.
    left: BTreeSet<String>,
}

/// All nodes of a testbed.
pub struct Observer {
    clock: Stopwatch,
    look_s: f64,
    nodes: BTreeMap<String, Observed>,
    miners: BTreeMap<String, String>,
    /// What was there before anybody asked.
    before: Vec<ChainEvent>,
    /// Every block seen so far, by hash.
    pub blocks: BTreeMap<String, ObservedBlock>,
    /// The deepest reorganisation of each honest node.
    pub reorg_depth: BTreeMap<String, u64>,
    /// Marks for the picture: seconds and words.
    pub marks: Vec<(f64, String)>,
}

impl Observer {
    /// Watches `nodes` (name, client, honest); `miners` names the owners of coinbase addresses.
    pub fn new(
        clock: Stopwatch,
        nodes: Vec<(String, Client, bool)>,
        miners: BTreeMap<String, String>,
    ) -> Result<Observer> {
        let honest = nodes.iter().filter(|(_, _, honest)| *honest);
        let reorg_depth = honest.map(|(name, _, _)| (name.clone(), 0)).collect();
        let mut observed = BTreeMap::new();
        for (name, client, honest) in nodes {
            let tip = text(&client.call("getbestblockhash", json!([]))?)?;
            observed.insert(name, Observed { client, honest, tip, left: BTreeSet::new() });
        }
        let mut observer = Observer {
            clock,
            look_s: 0.0,
            nodes: observed,
            miners,
            before: Vec::new(),
            blocks: BTreeMap::new(),
            reorg_depth,
            marks: Vec::new(),
        };
        observer.before = observer.look()?;
        observer
            .before
            .retain(|event| !matches!(event, ChainEvent::Block { hash, .. } if observer.blocks[hash].height == 0));
        Ok(observer)
    }

    /// Seconds since the testbed began.
    pub fn seconds(&self) -> f64 {
        self.clock.seconds()
    }

    /// Time that stood still does not count.
    pub fn leave_out(&mut self, stood_still: std::time::Duration) {
        self.clock.leave_out(stood_still);
    }

    /// Remembers a moment for the picture.
    pub fn mark(&mut self, words: impl Into<String>) {
        self.marks.push((self.seconds(), words.into()));
    }

    /// A node's client.
    pub fn client(&self, name: &str) -> Result<&Client> {
        Ok(&self.nodes.get(name).ok_or_else(|| anyhow!("no node is called {name}"))?.client)
    }

    /// The tip a node had at the last look, and its height.
    pub fn tip(&self, name: &str) -> Result<(String, u64)> {
        let tip = &self.nodes.get(name).ok_or_else(|| anyhow!("no node is called {name}"))?.tip;
        Ok((tip.clone(), self.blocks.get(tip).map_or(0, |block| block.height)))
    }

    /// Every node with the tip it had at the last look.
    pub fn tips(&self) -> impl Iterator<Item = (&str, &str)> {
        self.nodes.iter().map(|(name, node)| (name.as_str(), node.tip.as_str()))
    }

    /// Whether all honest nodes had the same tip at the last look.
    pub fn honest_agree(&self) -> bool {
        let tips: BTreeSet<&String> = self.nodes.values().filter(|node| node.honest).map(|node| &node.tip).collect();
        tips.len() == 1
    }

    /// Whether all nodes, the attacker's included, had the same tip at the last look.
    pub fn all_agree(&self) -> bool {
        let tips: BTreeSet<&String> = self.nodes.values().map(|node| &node.tip).collect();
        tips.len() == 1
    }

    /// Looks at every node once.
    pub fn look(&mut self) -> Result<Vec<ChainEvent>> {
        let (mut events, mut found, mut published) = (Vec::new(), Vec::new(), 0);
        self.look_s = self.seconds();
        // The attacker first: what the honest nodes have by the end of the look is not secret.
        let mut names: Vec<(bool, String)> =
            self.nodes.iter().map(|(name, node)| (node.honest, name.clone())).collect();
        names.sort();
        for (_, name) in names {
            let node = &self.nodes[&name];
            let (client, honest) = (node.client.clone(), node.honest);
            let tip = text(&client.call("getbestblockhash", json!([])).with_context(|| format!("asking {name}"))?)?;
            published += self.learn(&client, &tip, honest, &mut found)?;
            // Blocks are not always on their holder's best branch: secret ones of the attacker, and public ones that lost.
            let leaves = client.call("getchaintips", json!([]))?;
            for leaf in leaves.as_array().into_iter().flatten() {
                let has_body = matches!(leaf["status"].as_str(), Some("active" | "valid-fork" | "valid-headers"));
                if let (true, Some(hash)) = (has_body, leaf["hash"].as_str()) {
                    published += self.learn(&client, hash, honest, &mut found)?;
                }
                // A branch that the attacker has given up is invalid on that node alone; one without a body is not to be had.
                if let (false, "invalid", Some(hash)) =
                    (honest, leaf["status"].as_str().unwrap_or(""), leaf["hash"].as_str())
                {
                    published += self.learn(&client, hash, honest, &mut found).unwrap_or(0);
                }
            }
            let Some(node) = self.nodes.get_mut(&name) else { continue };
            node.tip = tip;
            for (hash, depth) in abandoned(&leaves).filter(|_| honest) {
                if node.left.insert(hash.to_owned()) {
                    let deepest = self.reorg_depth.entry(name.clone()).or_default();
                    *deepest = depth.max(*deepest);
                    events.push(ChainEvent::Reorganisation { node: name.clone(), depth });
                }
            }
        }
        let secret = |hash: &String| self.blocks.get(hash).is_some_and(|block| block.public_s.is_none());
        let blocks = found.into_iter().map(|hash| ChainEvent::Block { secret: secret(&hash), hash });
        let published = (published > 0).then_some(ChainEvent::Published { blocks: published });
        let now = blocks.chain(published).chain(events).collect::<Vec<_>>();
        Ok(std::mem::take(&mut self.before).into_iter().chain(now).collect())
    }

    /// Takes in a block and those below it that are new, or newly public; how many were known and secret until now.
    fn learn(&mut self, client: &Client, tip: &str, honest: bool, new: &mut Vec<String>) -> Result<usize> {
        let now = self.look_s;
        let (mut found, mut published) = (Vec::new(), 0);
        let mut at = tip.to_owned();
        // Genesis has no parent: its `previous` is empty.
        while !at.is_empty() {
            if let Some(block) = self.blocks.get_mut(&at) {
                let was_secret = block.public_s.is_none();
                if !(honest && was_secret) {
                    break;
                }
                // A block first seen in this very look was asked of the attacker a moment earlier.
                published += usize::from(block.seen_s < now);
                block.public_s = Some(now);
                at = block.previous.clone();
                continue;
            }
            let block = client.call("getblock", json!([at, 2]))?;
            let seen = self.seen(&block, now, honest)?;
            let (hash, next) = (at, seen.previous.clone());
            at = next;
            found.push((hash, seen));
        }
        for (hash, seen) in found.into_iter().rev() {
            new.push(hash.clone());
            self.blocks.insert(hash, seen);
        }
        Ok(published)
    }

    fn seen(&self, block: &Value, now: f64, honest: bool) -> Result<ObservedBlock> {
        let transactions = block["tx"].as_array().ok_or_else(|| anyhow!("getblock gave no transactions"))?;
        let address = &transactions.first().ok_or_else(|| anyhow!("a block without a coinbase"))?["vout"][0];
        let address = address["scriptPubKey"]["address"].as_str().unwrap_or("nobody");
        Ok(ObservedBlock {
            height: block["height"].as_u64().ok_or_else(|| anyhow!("getblock gave no height"))?,
            previous: block["previousblockhash"].as_str().unwrap_or_default().to_owned(),
            miner: self.miners.get(address).cloned().unwrap_or_else(|| address.to_owned()),
            txids: transactions
                .iter()
                .filter_map(|transaction| transaction["txid"].as_str().map(str::to_owned))
                .collect(),
            bits: block["bits"].as_str().unwrap_or_default().to_owned(),
            time: block["time"].as_u64().unwrap_or(0),
            seen_s: now,
            public_s: honest.then_some(now),
        })
    }

    /// The blocks from genesis to `tip`.
    pub fn branch(&self, tip: &str) -> Vec<(&str, &ObservedBlock)> {
        let mut branch = Vec::new();
        let mut at = tip;
        while let Some((hash, block)) = self.blocks.get_key_value(at) {
            branch.push((hash.as_str(), block));
            at = &block.previous;
        }
        branch.reverse();
        branch
    }
}

/// The branches a node was on and has left, each with how many of its blocks were undone. A node keeps them, so no
/// reorganisation is missed however short the time between two looks was.
fn abandoned(leaves: &Value) -> impl Iterator<Item = (&str, u64)> {
    let all = leaves.as_array().into_iter().flatten();
    let left = all.filter(|leaf| leaf["status"] == "valid-fork");
    left.filter_map(|leaf| Some((leaf["hash"].as_str()?, leaf["branchlen"].as_u64()?)))
}

fn text(value: &Value) -> Result<String> {
    value.as_str().map(str::to_owned).ok_or_else(|| anyhow!("expected text, got {value}"))
}
