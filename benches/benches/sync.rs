//! Real nodes over loopback: initial sync, a reorganisation that arrives from a peer, and a restart.
//!
//! Prints CPU of the syncing process beside the time its signatures alone would take, measured in the same run.

use chain_spec::Encode as _;
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use testoon_benches::{ChainBuilder, median, now, process_cpu_seconds, regtest, verify_seconds};
use wallet::{Auth, Client};

const BLOCKS: usize = 2_000;
const PAYMENTS: usize = 50_000;
const ROUNDS: usize = 3;
/// Blocks submitted in one HTTP request.
const BATCH: usize = 100;

/// A node process, ended when dropped.
struct Node {
    child: Child,
    client: Client,
    p2p: String,
}

impl Node {
    fn start(datadir: &Path, connect: Option<&str>) -> Node {
        let mut command = Command::new(env!("CARGO_BIN_EXE_testoon-under-bench"));
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
        Node { client, p2p: text(&ready["p2p"][0]), child }
    }

    fn call(&self, method: &str, params: Value) -> Value {
        self.client.call(method, params).unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    fn submit(&self, builder: &ChainBuilder, from: usize) {
        for blocks in builder.blocks[from..].chunks(BATCH) {
            let params = blocks.iter().map(|block| json!([hex::encode(block.to_bytes())])).collect();
            for answer in self.client.batch("submitblock", params).expect("the node answers") {
                let answer = answer.expect("no error");
                assert!(answer.is_null() || answer == "inconclusive" || answer == "duplicate", "{answer}");
            }
        }
    }

    fn wait_for(&self, builder: &ChainBuilder) {
        let (hash, height) = (builder.tip().to_string(), builder.blocks.len() - 1);
        loop {
            self.call("waitforblockheight", json!([height, 1_000]));
            if self.call("getbestblockhash", json!([])) == json!(hash) {
                return;
            }
        }
    }

    fn cpu_seconds(&self) -> f64 {
        process_cpu_seconds(&self.child.id().to_string()).expect("the node runs")
    }

    fn stop(mut self) {
        self.call("stop", json!([]));
        self.child.wait().expect("the node ends");
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn main() {
    initial_sync();
    for depth in [100, 1_000] {
        reorganisation(depth);
    }
}

fn initial_sync() {
    let mut builder = ChainBuilder::new(regtest(), 1);
    builder.mine_payments(BLOCKS, PAYMENTS);
    let place = tempfile::tempdir().expect("a temporary directory");
    let source = Node::start(&place.path().join("source"), None);
    source.submit(&builder, 1);
    source.wait_for(&builder);
    let (mut ratios, mut both) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        // Beside each round, since a machine's pace changes with its neighbours.
        let before = verify_seconds();
        let source_before = source.cpu_seconds();
        let started = now();
        let node = Node::start(&place.path().join(format!("round{round}")), Some(&source.p2p));
        node.wait_for(&builder);
        let (wall, cpu) = (started.elapsed().as_secs_f64(), node.cpu_seconds());
        let served = source.cpu_seconds() - source_before;
        let verify = f64::midpoint(before, verify_seconds());
        let signatures = PAYMENTS as f64 * verify;
        println!(
            "sync {round}: {BLOCKS} blocks, {PAYMENTS} payments in {wall:.2} s; {cpu:.2} CPU-s syncing, {served:.2} CPU-s serving; \
             {:.3} of the signatures' {signatures:.2} s, {:.1} us each",
            cpu / signatures,
            verify * 1e6
        );
        ratios.push(cpu / signatures);
        both.push((cpu + served) / signatures);
    }
    println!("sync, median: {:.3} of the signatures' time ({:.3} with the serving node)", median(ratios), median(both));
}

/// A node with `depth` near-empty blocks meets a peer whose branch is one block longer.
fn reorganisation(depth: usize) {
    let mut common = ChainBuilder::new(regtest(), 1);
    common.mine_empty(20);
    let (mut short, mut long) = (common.fork(20, 2), common.fork(20, 3));
    short.mine_empty(depth);
    long.mine_empty(depth + 1);
    let (mut seconds, mut restarts) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let place = tempfile::tempdir().expect("a temporary directory");
        let source = Node::start(&place.path().join("source"), None);
        source.submit(&long, 1);
        let datadir = place.path().join("node");
        let node = Node::start(&datadir, None);
        node.submit(&short, 1);
        node.wait_for(&short);
        let started = now();
        node.call("addnode", json!([source.p2p, "add"]));
        node.wait_for(&long);
        seconds.push(started.elapsed().as_secs_f64());
        node.stop();
        let started = now();
        let node = Node::start(&datadir, None);
        restarts.push(started.elapsed().as_secs_f64());
        node.wait_for(&long);
    }
    println!(
        "reorganisation of {depth} blocks: {:.3} s from addnode to the new tip; restart to RPC: {:.3} s",
        median(seconds),
        median(restarts)
    );
}
