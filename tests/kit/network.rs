//! A whole network as the launcher starts it.

use crate::process::{Finished, kill_all_naming, testoon};
use crate::rpc::Client;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// A detached network in a directory of its own, taken down when dropped.
pub struct Network {
    directory: tempfile::TempDir,
}

impl Network {
    /// `testoon up --detach` with more arguments.
    pub fn up(arguments: &[&str]) -> Network {
        let network = Network { directory: tempfile::tempdir().expect("a temporary directory") };
        let mut all = vec!["up", "--detach"];
        all.extend_from_slice(arguments);
        let finished = network.run(&all);
        assert_eq!(finished.code, 0, "up failed: {}{}", finished.stdout, finished.stderr);
        network
    }

    /// Where the network keeps everything: the launcher's `--dir`.
    pub fn path(&self) -> PathBuf {
        self.directory.path().join("net")
    }

    /// Runs a command of the launcher on this network.
    pub fn run(&self, arguments: &[&str]) -> Finished {
        Finished::of(testoon().args(arguments).arg("--dir").arg(self.path()))
    }

    /// The nodes of `status --json`.
    pub fn nodes(&self) -> Vec<Value> {
        let status = self.run(&["status", "--json"]).json();
        status["nodes"].as_array().cloned().unwrap_or_else(|| panic!("no nodes in {status}"))
    }

    /// A client for each node, in order.
    pub fn clients(&self) -> Vec<Client> {
        self.nodes().iter().map(client_of).collect()
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let finished = self.run(&["down"]);
        kill_all_naming(&self.path());
        if !std::thread::panicking() {
            assert_eq!(finished.code, 0, "down failed: {}{}", finished.stdout, finished.stderr);
        }
    }
}

/// A client for a node as `status` lists it.
pub fn client_of(node: &Value) -> Client {
    let text = |field: &str| node[field].as_str().unwrap_or_else(|| panic!("{field} is missing in {node}")).to_owned();
    Client::with_cookie(&text("rpc"), &Path::new(&text("datadir")).join(".cookie"))
}
