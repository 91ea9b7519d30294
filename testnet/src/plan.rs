//! What a network should look like: nodes, roles, hash shares, who dials whom, and how good the links are.
//!
//! A plan comes from `up`'s flags ([`Plan::standard`]) or from a file ([`mod@file`]), is kept in the network's state file, and is
//! carried out by [`crate::cluster`]. Nothing here starts anything.

pub mod file;
mod groups;
mod shares;
pub mod topology;
pub mod units;

use serde::{Deserialize, Serialize};
use std::fmt;
use topology::Topology;

/// Nodes that `up` starts unless told otherwise.
pub const NODES_DEFAULT: usize = 5;
/// Nodes in one network, at most: each is a process with its own store.
pub const NODES_MAX: usize = 200;
/// Characters of a node's name, at most.
pub const NAME_CHARACTERS_MAX: usize = 24;
/// Hash shares may sum to this much above 1, for decimal fractions that do not add up exactly.
const SHARE_TOLERANCE: f64 = 1e-6;

/// What a node is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Mines at its share of the network's hash rate.
    Miner,
    /// Validates and forwards.
    Relay,
    /// A relay that the account `shop` asks about its payments.
    Shop,
    /// Mines by a strategy of its own.
    Attacker,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Role::Miner => "miner",
            Role::Relay => "relay",
            Role::Shop => "shop",
            Role::Attacker => "attacker",
        })
    }
}

/// One node to run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodePlan {
    /// Letters, digits, `-` and `_`; also the name of its directory.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// Its part of [`Plan::hashrate`], 0 to 1; 0 does not mine.
    pub share: f64,
    /// Mining threads.
    pub threads: usize,
    /// Whether its miner stands still; it keeps its share for when it goes on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,
    /// More arguments for the node's command line.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub arguments: Vec<String>,
    /// The strategy that steers the node, and its parameters; empty for an honest node.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub strategy: Vec<String>,
}

impl NodePlan {
    /// A node that does not mine.
    pub fn relay(name: impl Into<String>) -> NodePlan {
        let (arguments, strategy) = (Vec::new(), Vec::new());
        NodePlan { name: name.into(), role: Role::Relay, share: 0.0, threads: 1, paused: false, arguments, strategy }
    }

    /// A node that mines with one thread at `share` of the network's hash rate.
    pub fn miner(name: impl Into<String>, share: f64) -> NodePlan {
        NodePlan { role: Role::Miner, share, ..NodePlan::relay(name) }
    }
}

/// How a link behaves, applied to what is sent in each direction. The default is a perfect link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LinkConditions {
    /// Added to every message, milliseconds.
    #[serde(default)]
    pub delay_ms: u64,
    /// The delay varies by up to this much, milliseconds.
    #[serde(default)]
    pub jitter_ms: u64,
    /// Part of the messages that are lost, 0 to 1.
    #[serde(default)]
    pub loss: f64,
    /// Bytes per second; 0 is without limit.
    #[serde(default)]
    pub bandwidth: u64,
}

/// `200ms ±20ms, 5% loss, 1000 kB/s`, or `perfect`.
impl fmt::Display for LinkConditions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if self.delay_ms > 0 {
            parts.push(format!("{} ms", self.delay_ms));
        }
        if self.jitter_ms > 0 {
            parts.push(format!("±{} ms", self.jitter_ms));
        }
        if self.loss > 0.0 {
            parts.push(format!("{}% loss", self.loss * 100.0));
        }
        if self.bandwidth > 0 {
            parts.push(format!("{} kB/s", self.bandwidth as f64 / 1e3));
        }
        f.pad(&if parts.is_empty() { "perfect".to_owned() } else { parts.join(", ") })
    }
}

/// The conditions between two named nodes, both ways.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LinkPlan {
    /// The two ends.
    pub between: (String, String),
    /// How the link behaves.
    pub conditions: LinkConditions,
}

impl LinkPlan {
    /// Whether this is the link between `a` and `b`, in either order.
    pub fn joins(&self, a: &str, b: &str) -> bool {
        (self.between.0 == a && self.between.1 == b) || (self.between.0 == b && self.between.1 == a)
    }
}

/// A whole network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Hashes per second of all nodes together, of which each has its share.
    pub hashrate: f64,
    /// The nodes, in the order they are shown.
    pub nodes: Vec<NodePlan>,
    /// Who dials whom (the first dials), by name.
    pub edges: Vec<(String, String)>,
    /// Links that are not perfect.
    #[serde(default)]
    pub links: Vec<LinkPlan>,
    /// Groups of names that cannot reach each other; empty when the network is whole. Nodes in no group form one more.
    #[serde(default)]
    pub partition: Vec<Vec<String>>,
}

impl Plan {
    /// `count` nodes: miners with falling shares (40, 30, 20 and 10 % for five nodes) and, last, the shop's relay.
    /// A single node mines alone.
    pub fn standard(count: usize, hashrate: f64, topology: Topology) -> Plan {
        let miners = if count <= 1 { count } else { count - 1 };
        let parts = (miners * (miners + 1) / 2) as f64;
        let mut nodes: Vec<NodePlan> =
            (0..miners).map(|index| NodePlan::miner(format!("node{index}"), (miners - index) as f64 / parts)).collect();
        if count > miners {
            nodes.push(NodePlan { role: Role::Shop, ..NodePlan::relay(format!("node{miners}")) });
        }
        let mut plan = Plan { hashrate, nodes, edges: Vec::new(), links: Vec::new(), partition: Vec::new() };
        plan.connect(topology);
        plan
    }

    /// Replaces the edges by a preset's.
    pub fn connect(&mut self, topology: Topology) {
        let name = |node: usize| self.nodes[node].name.clone();
        self.edges = topology.edges(self.nodes.len()).into_iter().map(|(a, b)| (name(a), name(b))).collect();
    }

    /// The node called `name`.
    pub fn node(&self, name: &str) -> Option<&NodePlan> {
        self.nodes.iter().find(|node| node.name == name)
    }

    /// Names of the nodes that `name` dials or is dialled by.
    pub fn neighbours<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.edges.iter().filter_map(move |(a, b)| match (a == name, b == name) {
            (true, false) => Some(b.as_str()),
            (false, true) => Some(a.as_str()),
            _ => None,
        })
    }

    /// The conditions between two nodes.
    pub fn link(&self, a: &str, b: &str) -> LinkConditions {
        self.links.iter().find(|link| link.joins(a, b)).map(|link| link.conditions).unwrap_or_default()
    }

    /// Sets the conditions between two nodes; a perfect link is forgotten.
    pub fn set_link(&mut self, a: &str, b: &str, conditions: LinkConditions) {
        self.links.retain(|link| !link.joins(a, b));
        if conditions != LinkConditions::default() {
            self.links.push(LinkPlan { between: (a.to_owned(), b.to_owned()), conditions });
        }
    }

    /// Whether a partition lies between two nodes.
    pub fn separated(&self, a: &str, b: &str) -> bool {
        let group = |name: &str| self.partition.iter().position(|group| group.iter().any(|member| member == name));
        !self.partition.is_empty() && group(a) != group(b)
    }

    /// The first thing wrong with this plan, as one line.
    pub fn check(&self) -> Result<(), String> {
        if self.nodes.is_empty() || self.nodes.len() > NODES_MAX {
            return Err(format!("a network has 1 to {NODES_MAX} nodes, this has {}", self.nodes.len()));
        }
        for (index, node) in self.nodes.iter().enumerate() {
            check_name(&node.name)?;
            if self.nodes[..index].iter().any(|other| other.name == node.name) {
                return Err(format!("two nodes are called {:?}; give each its own name", node.name));
            }
            if !(0.0..=1.0).contains(&node.share) {
                return Err(format!("{}: share {} is outside 0 to 1", node.name, node.share));
            }
            if node.role == Role::Miner && node.share == 0.0 {
                return Err(format!("{}: a miner needs a share above 0 (or role \"relay\")", node.name));
            }
            if node.threads == 0 {
                return Err(format!("{}: a node mines with at least 1 thread", node.name));
            }
        }
        let shares: f64 = self.nodes.iter().map(|node| node.share).sum();
        if shares > 1.0 + SHARE_TOLERANCE {
            return Err(format!("the hash shares sum to {shares:.3}; together they may be 1 at most"));
        }
        let ends = self.edges.iter().chain(self.links.iter().map(|link| &link.between));
        for (a, b) in ends {
            if a == b {
                return Err(format!("{a:?} is linked to itself"));
            }
            self.known(a)?;
            self.known(b)?;
        }
        self.check_partition()
    }

    /// That every group names nodes that exist, each in one group.
    fn check_partition(&self) -> Result<(), String> {
        let members: Vec<&String> = self.partition.iter().flatten().collect();
        for (index, member) in members.iter().enumerate() {
            self.known(member)?;
            if members[..index].contains(member) {
                return Err(format!("{member:?} is in two groups of the partition"));
            }
        }
        Ok(())
    }

    /// That a node called `name` exists; the error names those that do.
    pub fn known(&self, name: &str) -> Result<(), String> {
        if self.node(name).is_some() {
            return Ok(());
        }
        let names: Vec<&str> = self.nodes.iter().map(|node| node.name.as_str()).collect();
        Err(format!("no node is called {name:?}; there are {}", names.join(", ")))
    }
}

/// That `name` can be a node's name and directory.
pub fn check_name(name: &str) -> Result<(), String> {
    let fits = (1..=NAME_CHARACTERS_MAX).contains(&name.len());
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    // `-` first would look like a flag; the others are directories of the network itself.
    let is_taken = ["wallets", "snapshots", "compose"].contains(&name);
    if fits && plain && !name.starts_with('-') && !is_taken {
        return Ok(());
    }
    Err(format!("{name:?} cannot name a node; use up to {NAME_CHARACTERS_MAX} letters, digits, '-' and '_'"))
}

#[cfg(test)]
mod tests;
