//! Where a wallet finds a node and a wallet file without being told: a network started by `testoon up`, or a node of the
//! chain in its usual place.
//!
//! Reads the launcher's directory (`network.json`, `wallets/`) as a stranger would; it never changes anything there.

use std::path::{Path, PathBuf};

use serde_json::Value;

/// Marks a directory as the launcher's.
const MARKER: &str = ".testoon-network";
/// The largest state file read, bytes.
const STATE_BYTES_MAX: u64 = 64 << 20;

/// A node's JSON-RPC address and its cookie file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeAddress {
    /// `http://HOST:PORT`.
    pub url: String,
    /// The file with its credentials.
    pub cookie: PathBuf,
}

/// The directory of a network that `testoon up` started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalNetwork {
    directory: PathBuf,
}

/// Why a network could not answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// No such directory.
    #[error("no network in {}: start one with `testoon up`, or name a node with --rpc and --cookie", .0.display())]
    Missing(PathBuf),
    /// Its state cannot be read.
    #[error("the network's state {} cannot be read: {reason}", .path.display())]
    State {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// No such node.
    #[error("no node is called {name:?}: there are {known}")]
    NoNode {
        /// As given.
        name: String,
        /// Those there are.
        known: String,
    },
    /// None of the nodes runs.
    #[error("no node of the network in {} runs: start it with `testoon up`", .0.display())]
    Down(PathBuf),
}

impl LocalNetwork {
    /// The network in a directory.
    pub fn open(directory: &Path) -> Result<LocalNetwork, NetworkError> {
        if directory.join(MARKER).is_file() {
            Ok(LocalNetwork { directory: directory.to_owned() })
        } else {
            Err(NetworkError::Missing(directory.to_owned()))
        }
    }

    /// The one in `~/.testoon/net`, if there is one.
    pub fn usual() -> Option<LocalNetwork> {
        LocalNetwork::open(&home()?.join("net")).ok()
    }

    /// The one whose `wallets` directory holds this file.
    pub fn around(wallet: &Path) -> Option<LocalNetwork> {
        let wallets = std::fs::canonicalize(wallet).ok()?;
        let wallets = wallets.parent().filter(|parent| parent.file_name().is_some_and(|name| name == "wallets"))?;
        LocalNetwork::open(wallets.parent()?).ok()
    }

    /// The directory itself.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The file of an account, if there is one: `alice`, `bob`, `shop`, `mallory`, or a miner's name.
    pub fn account(&self, name: &str) -> Option<PathBuf> {
        // A name, not a path that leads elsewhere.
        let is_name = Path::new(name).components().count() == 1;
        let file = self.directory.join("wallets").join(format!("{name}.wallet"));
        (is_name && file.is_file()).then_some(file)
    }

    /// All accounts with their files, sorted by name.
    pub fn accounts(&self) -> Vec<(String, PathBuf)> {
        let files = std::fs::read_dir(self.directory.join("wallets")).into_iter().flatten().flatten();
        let wallets = files.map(|file| file.path()).filter(|path| path.extension().is_some_and(|e| e == "wallet"));
        let mut accounts: Vec<(String, PathBuf)> =
            wallets.filter_map(|path| Some((path.file_stem()?.to_string_lossy().into_owned(), path))).collect();
        accounts.sort();
        accounts
    }

    /// What the chain is called to `--chain`: a built-in name or a file.
    pub fn chain(&self) -> Result<String, NetworkError> {
        let state = self.state()?;
        state["chain"].as_str().map(str::to_owned).ok_or_else(|| self.broken("it names no chain"))
    }

    /// A node by its name; without one, that of the account's name, the first one else. Only nodes that run are found.
    pub fn node(&self, name: Option<&str>, account: Option<&str>) -> Result<NodeAddress, NetworkError> {
        let state = self.state()?;
        let nodes = state["nodes"].as_object().ok_or_else(|| self.broken("it lists no nodes"))?;
        let running = |name: &&String| !nodes[name.as_str()]["process"].is_null();
        let chosen = match name {
            Some(name) => nodes.keys().find(|known| *known == name).ok_or_else(|| NetworkError::NoNode {
                name: name.to_owned(),
                known: nodes.keys().cloned().collect::<Vec<_>>().join(", "),
            })?,
            None => {
                let own = nodes.keys().filter(running).find(|known| Some(known.as_str()) == account);
                let first = || nodes.keys().find(running);
                own.or_else(first).ok_or_else(|| NetworkError::Down(self.directory.clone()))?
            }
        };
        let url = nodes[chosen]["rpc"].as_str().filter(|url| !url.is_empty());
        let url = url.ok_or_else(|| NetworkError::Down(self.directory.clone()))?.to_owned();
        Ok(NodeAddress { url, cookie: self.directory.join(chosen).join(".cookie") })
    }

    fn broken(&self, reason: &str) -> NetworkError {
        NetworkError::State { path: self.directory.join("network.json"), reason: reason.to_owned() }
    }

    fn state(&self) -> Result<Value, NetworkError> {
        let path = self.directory.join("network.json");
        let length = std::fs::metadata(&path).map(|file| file.len()).unwrap_or(0);
        if length > STATE_BYTES_MAX {
            return Err(self.broken("it is too large"));
        }
        let text = std::fs::read_to_string(&path).map_err(|error| self.broken(&error.to_string()))?;
        serde_json::from_str(&text).map_err(|error| self.broken(&error.to_string()))
    }
}

/// Where a node of a chain keeps its cookie unless it is told otherwise.
pub fn usual_cookie(chain: &str) -> Option<PathBuf> {
    Some(home()?.join(format!("node-{chain}")).join(".cookie"))
}

/// The wallet file where none is named.
pub fn usual_wallet() -> Option<PathBuf> {
    Some(home()?.join("default.wallet"))
}

/// `~/.testoon`.
fn home() -> Option<PathBuf> {
    Some(std::env::home_dir().filter(|home| !home.as_os_str().is_empty())?.join(".testoon"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_names_its_nodes_and_accounts() {
        let place = tempfile::tempdir().unwrap();
        assert!(matches!(LocalNetwork::open(place.path()), Err(NetworkError::Missing(_))));
        std::fs::write(place.path().join(MARKER), "").unwrap();
        std::fs::create_dir(place.path().join("wallets")).unwrap();
        std::fs::write(place.path().join("wallets/alice.wallet"), "").unwrap();
        let network = LocalNetwork::open(place.path()).unwrap();
        assert!(matches!(network.node(None, None), Err(NetworkError::State { .. })));
        let state = r#"{"chain":"local","nodes":{
            "node0":{"rpc":"http://127.0.0.1:1","process":null},
            "node1":{"rpc":"http://127.0.0.1:2","process":{"pid":1}},
            "node2":{"rpc":"http://127.0.0.1:3","process":{"pid":2}}}}"#;
        std::fs::write(place.path().join("network.json"), state).unwrap();
        let url = |name, account| network.node(name, account).map(|node| node.url);
        assert_eq!(url(None, None).unwrap(), "http://127.0.0.1:2", "the first that runs");
        assert_eq!(url(None, Some("node2")).unwrap(), "http://127.0.0.1:3", "a miner's own");
        assert_eq!(url(Some("node1"), None).unwrap(), "http://127.0.0.1:2");
        assert!(url(Some("x"), None).unwrap_err().to_string().contains("node0, node1, node2"));
        assert_eq!(network.chain().unwrap(), "local");
        assert_eq!(network.account("../wallets/alice"), None);
        assert_eq!(network.account("bob"), None);
        let alice = network.account("alice").unwrap();
        assert_eq!(network.accounts(), [("alice".to_owned(), alice.clone())]);
        assert_eq!(LocalNetwork::around(&alice).unwrap().node(None, None), network.node(None, None));
    }
}
