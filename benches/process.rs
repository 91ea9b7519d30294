//! A node as a child process, and its RPC: what benches with whole nodes are made of.

use crate::process_cpu_seconds;
use chain_spec::{Block, Encode as _};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use wallet::{Auth, Client};

/// A node process of the regression-test chain, ended when dropped.
pub struct NodeProcess {
    /// Talks to it; its clones share the connections.
    pub client: Client,
    /// Where peers reach it.
    pub p2p: String,
    child: Child,
}

impl NodeProcess {
    /// Starts `program` as a node that dials `connect` from its start; returns once its RPC answers.
    pub fn start(program: &str, datadir: &Path, connect: Option<&str>) -> NodeProcess {
        let mut command = Command::new(program);
        command
            .args(["node", "--chain", "bitcoin-regtest", "--rpc-listen", "127.0.0.1:0", "--p2p-listen", "127.0.0.1:0"])
            .args(["--no-discover", "--datadir"])
            .arg(datadir)
            .args(connect.into_iter().flat_map(|address| ["--connect", address]))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn().expect("the node starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("piped above");
        BufReader::new(stdout).read_line(&mut line).expect("the node says that it is ready");
        let ready: Value = serde_json::from_str(&line).expect("one line of JSON");
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        let cookie = Auth::Cookie(text(&ready["cookie"]).into());
        let client = Client::new(&text(&ready["rpc"]), cookie).expect("a client");
        NodeProcess { client, p2p: text(&ready["p2p"][0]), child }
    }

    /// Calls a method that must succeed.
    pub fn call(&self, method: &str, params: Value) -> Value {
        self.client.call(method, params).unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// Submits a block that must become the tip.
    pub fn submit(&self, block: &Arc<Block>) {
        let answer = self.call("submitblock", json!([hex::encode(block.to_bytes())]));
        assert!(answer.is_null(), "submitblock: {answer}");
    }

    /// Asks the node to stop, and waits until it has.
    pub fn stop(mut self) {
        self.call("stop", json!([]));
        self.child.wait().expect("the node ends");
    }

    /// User and system time so far, seconds.
    pub fn cpu_seconds(&self) -> f64 {
        process_cpu_seconds(&self.child.id().to_string()).expect("the node runs")
    }
}

impl Drop for NodeProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
