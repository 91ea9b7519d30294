//! A node as a child process, in a directory of its own, ended whatever happens to the test.

use super::client::Client;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::ops::Deref;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use tempfile::TempDir;

/// The binary under test.
pub fn command() -> Command {
    let mut command = crate::support::testoon();
    command.arg("node");
    command
}

/// Arguments of a node that needs no fixed port and finds nobody by itself.
pub fn arguments(chain: &str, datadir: &Path) -> Vec<String> {
    let datadir = datadir.display().to_string();
    [
        "--chain",
        chain,
        "--datadir",
        &datadir,
        "--rpc-listen",
        "127.0.0.1:0",
        "--p2p-listen",
        "127.0.0.1:0",
        "--no-discover",
    ]
    .map(str::to_owned)
    .to_vec()
}

/// A running node. Killed when dropped.
pub struct Node {
    child: Child,
    pub ready: Value,
    pub client: Client,
    datadir: Option<TempDir>,
}

impl Deref for Node {
    type Target = Client;
    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Node {
    /// Starts a node on `chain` in a fresh directory and waits until it answers.
    pub fn start(chain: &str, more: &[&str]) -> Node {
        let datadir = tempfile::tempdir().unwrap();
        let mut node = Node::start_in(datadir.path(), chain, more);
        node.datadir = Some(datadir);
        node
    }

    /// Starts a node in a directory that outlives it.
    pub fn start_in(datadir: &Path, chain: &str, more: &[&str]) -> Node {
        let mut child = command()
            .args(arguments(chain, datadir))
            .args(more)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let mut errors = child.stderr.take().unwrap();
        if line.is_empty() {
            let mut text = String::new();
            errors.read_to_string(&mut text).unwrap();
            let _ = child.wait();
            panic!("the node did not start:\n{text}");
        }
        // Somebody must read the log, or the node would wait for room in the pipe.
        std::thread::spawn(move || std::io::copy(&mut errors, &mut std::io::sink()));
        let ready: Value = serde_json::from_str(&line).unwrap();
        let address = ready["rpc"].as_str().unwrap().strip_prefix("http://").unwrap().parse().unwrap();
        let credentials = std::fs::read_to_string(ready["cookie"].as_str().unwrap()).unwrap();
        Node { child, ready, client: Client { address, credentials }, datadir: None }
    }

    /// Where peers dial it.
    pub fn p2p(&self) -> &str {
        self.ready["p2p"][0].as_str().unwrap()
    }
    /// Sends a signal.
    pub fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }
    /// Waits for the process to end.
    pub fn wait(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs the binary to its end.
pub fn run(arguments: &[&str]) -> Output {
    command().args(arguments).output().unwrap()
}
