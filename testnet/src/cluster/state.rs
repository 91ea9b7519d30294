//! `network.json`: what the commands must know about a network between each other. Written atomically, under the network's lock.

use super::directory::{Directory, read_optional, write_atomic, write_private};
use super::process::ProcessId;
use crate::plan::Plan;
use anyhow::{Result, anyhow};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The layout of the state file this program writes and reads.
const VERSION: u32 = 1;

/// A network, running or not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NetworkState {
    version: u32,
    /// The chain's name.
    pub chain_name: String,
    /// What nodes are given as `--chain`: a built-in name, or the copy in the directory.
    pub chain: String,
    /// The nodes go on when the command that started them has ended.
    pub detached: bool,
    /// Whether the network is meant to run; false after `down`.
    pub running: bool,
    /// The wanted shape.
    pub plan: Plan,
    /// Who runs the nodes.
    #[serde(default, skip_serializing_if = "Host::is_launcher")]
    pub host: Host,
    /// What is known about each node's process, by name.
    pub nodes: BTreeMap<String, NodeRecord>,
    /// Nodes whose recorded process is alive but not theirs: the file is a copy, was edited, or the number was given to
    /// another program. The process is forgotten when the state is read, so that no command signals it.
    #[serde(skip)]
    pub strangers: Vec<(String, u32)>,
}

/// Who runs a network's nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Host {
    /// The launcher: they are processes of this machine.
    #[default]
    Launcher,
    /// Somebody else: they are called where the network file of `testoon attach` says, and neither started nor ended.
    Others,
    /// A Compose project in this directory, which the launcher has written.
    Compose(PathBuf),
}

impl Host {
    /// Whether nodes are processes of this machine.
    pub fn is_launcher(&self) -> bool {
        *self == Host::Launcher
    }
}

/// How a node is called that is no process of the launcher's.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Remote {
    /// The user of JSON-RPC.
    pub user: String,
    /// Its password; empty where the cookie counts.
    pub password: String,
    /// The node's cookie file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cookie: Option<PathBuf>,
    /// Whether it is known not to run.
    #[serde(default)]
    pub is_down: bool,
}

/// The process of a node, and where it listens. Ports are kept while it is down, so that it comes back to the same ones.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NodeRecord {
    /// Its process while it is meant to run.
    pub process: Option<ProcessId>,
    /// How it is called if it is no process of the launcher's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote: Option<Remote>,
    /// JSON-RPC, `http://HOST:PORT`.
    pub rpc: String,
    /// Where peers reach it: multiaddresses that end in its peer id.
    pub p2p: Vec<String>,
    /// The address its blocks pay.
    pub payout: Option<String>,
}

impl NodeRecord {
    /// Whether its process lives; of a node that others run, whether it is meant to: only a call shows more.
    pub fn is_alive(&self) -> bool {
        match &self.remote {
            Some(remote) => !remote.is_down,
            None => self.process.as_ref().is_some_and(ProcessId::is_alive),
        }
    }

    /// The libp2p peer id, known after the first start.
    pub fn peer_id(&self) -> Option<&str> {
        self.p2p.first()?.rsplit_once("/p2p/").map(|(_, id)| id)
    }
}

impl NetworkState {
    /// A network that has not been started.
    pub fn new(chain_name: String, chain: String, plan: Plan) -> NetworkState {
        let nodes = plan.nodes.iter().map(|node| (node.name.clone(), NodeRecord::default())).collect();
        NetworkState {
            version: VERSION,
            chain_name,
            chain,
            detached: false,
            running: false,
            plan,
            host: Host::Launcher,
            nodes,
            strangers: Vec::new(),
        }
    }

    /// Reads a directory's state; none if no network was started there.
    pub fn load(directory: &Directory) -> Result<Option<NetworkState>> {
        let path = directory.state();
        let Some(text) = read_optional(&path)? else { return Ok(None) };
        let unreadable = |why: String| {
            anyhow!(
                "{} is not readable ({why}); start over with `testoon up --fresh{}`",
                path.display(),
                directory.flag()
            )
        };
        let mut state: NetworkState = serde_json::from_str(&text).map_err(|error| unreadable(error.to_string()))?;
        if state.version != VERSION {
            return Err(unreadable(format!("version {}, this program writes {VERSION}", state.version)));
        }
        state.plan.check().map_err(unreadable)?;
        state.forget_strangers(directory);
        Ok(Some(state))
    }

    fn forget_strangers(&mut self, directory: &Directory) {
        for (name, record) in &mut self.nodes {
            let stranger = |process: &ProcessId| process.is_alive() && !process.is_node_in(&directory.node(name));
            if let Some(process) = record.process.take_if(|process| stranger(process)) {
                self.strangers.push((name.clone(), process.pid));
            }
        }
    }

    /// Writes it.
    pub fn save(&self, directory: &Directory) -> Result<()> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        let has_password = self.nodes.values().any(|record| record.remote.is_some());
        if has_password { write_private(&directory.state(), &text) } else { write_atomic(&directory.state(), &text) }
    }

    /// Names of the nodes whose processes live, in the plan's order.
    pub fn alive(&self) -> Vec<&str> {
        let names = self.plan.nodes.iter().map(|node| node.name.as_str());
        names.filter(|name| self.nodes.get(*name).is_some_and(NodeRecord::is_alive)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::LinkConditions;
    use crate::plan::topology::Topology;

    #[test]
    fn state_comes_back_as_it_was_written() {
        let place = tempfile::tempdir().unwrap();
        let directory = Directory::create(Some(place.path())).unwrap();
        assert_eq!(NetworkState::load(&directory).unwrap(), None);
        let mut state = NetworkState::new("local".into(), "local".into(), Plan::standard(3, 99.0, Topology::Ring));
        state.plan.partition = vec![vec!["node0".to_owned()]];
        state.plan.set_link("node0", "node1", LinkConditions { loss: 0.05, ..LinkConditions::default() });
        let record = state.nodes.get_mut("node1").unwrap();
        record.process = Some(ProcessId::own());
        record.p2p = vec!["/ip4/127.0.0.1/tcp/4001/p2p/12D3Koo".into()];
        state.save(&directory).unwrap();
        let read = NetworkState::load(&directory).unwrap().unwrap();
        // This test is no node, so nothing may ever signal it.
        assert_eq!(read.strangers, [("node1".to_owned(), std::process::id())]);
        assert!(read.alive().is_empty());
        state.nodes.get_mut("node1").unwrap().process = None;
        assert_eq!(NetworkState { strangers: Vec::new(), ..read.clone() }, state);
        assert_eq!(read.nodes["node1"].peer_id(), Some("12D3Koo"));
        assert_eq!(read.nodes["node0"].peer_id(), None);
    }

    #[test]
    fn a_damaged_state_names_the_file_and_the_remedy() {
        let place = tempfile::tempdir().unwrap();
        let directory = Directory::create(Some(place.path())).unwrap();
        let mut other_version =
            NetworkState::new("local".into(), "local".into(), Plan::standard(1, 1.0, Topology::Ring));
        other_version.version = 99;
        for text in ["", "{\"version\":1}", "not json", &serde_json::to_string(&other_version).unwrap()] {
            std::fs::write(directory.state(), text).unwrap();
            let error = NetworkState::load(&directory).unwrap_err().to_string();
            assert!(error.contains("network.json") && error.contains("--fresh"), "{error}");
        }
    }
}
