//! Real nodes over loopback: initial sync, a reorganisation that arrives from a peer, and a restart.
//!
//! Prints CPU of the syncing process beside the time its signatures alone would take, measured in the same run.

use chain_spec::Encode as _;
use kit::fixture::{ChainBuilder, regtest};
use kit::process::bench_main;
use kit::{Node, NodeOptions, median, now};
use serde_json::json;
use std::path::Path;
use testoon_benches::{processors, verify_seconds};

const BLOCKS: usize = 2_000;
const PAYMENTS: usize = 50_000;
const ROUNDS: usize = 3;
/// Blocks submitted in one HTTP request.
const BATCH: usize = 100;

fn start(datadir: &Path, connect: Option<&Node>) -> Node {
    let options = NodeOptions::new("bitcoin-regtest", datadir);
    Node::start(match connect {
        Some(other) => options.connected_to(other),
        None => options,
    })
}

/// Submits a builder's blocks from a height on; the node may follow another branch.
fn submit(node: &Node, builder: &ChainBuilder, from: usize) {
    for blocks in builder.blocks[from..].chunks(BATCH) {
        let params = blocks.iter().map(|block| json!([hex::encode(block.to_bytes())])).collect();
        for answer in node.batch("submitblock", params) {
            let answer = answer.expect("no error");
            assert!(answer.is_null() || answer == "inconclusive" || answer == "duplicate", "{answer}");
        }
    }
}

fn wait_for(node: &Node, builder: &ChainBuilder) {
    let (hash, height) = (builder.tip().to_string(), builder.blocks.len() - 1);
    loop {
        node.call("waitforblockheight", json!([height, 1_000]));
        if node.call("getbestblockhash", json!([])) == json!(hash) {
            return;
        }
    }
}

fn main() -> std::process::ExitCode {
    bench_main(|| {
        initial_sync();
        for depth in [100, 1_000] {
            reorganisation(depth);
        }
    })
}

fn initial_sync() {
    let mut builder = ChainBuilder::new(regtest(), 1);
    builder.mine_payments(BLOCKS, PAYMENTS);
    let place = tempfile::tempdir().expect("a temporary directory");
    let source = start(&place.path().join("source"), None);
    submit(&source, &builder, 1);
    wait_for(&source, &builder);
    let (mut ratios, mut both, mut against_one) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        // Beside each round, since a machine's pace changes with its neighbours.
        let unit = || (verify_seconds(1), verify_seconds(processors()));
        let before = unit();
        let source_before = source.cpu_seconds();
        let started = now();
        let node = start(&place.path().join(format!("round{round}")), Some(&source));
        wait_for(&node, &builder);
        let (wall, cpu) = (started.elapsed().as_secs_f64(), node.cpu_seconds());
        let served = source.cpu_seconds() - source_before;
        let after = unit();
        let (alone, together) = (f64::midpoint(before.0, after.0), f64::midpoint(before.1, after.1));
        let signatures = PAYMENTS as f64 * together;
        println!(
            "sync {round}: {BLOCKS} blocks, {PAYMENTS} payments in {wall:.2} s; {cpu:.2} CPU-s syncing, {served:.2} CPU-s serving; \
             {:.3} of the signatures' {signatures:.2} s, {:.1} us each on all processors ({:.1} us on one)",
            cpu / signatures,
            together * 1e6,
            alone * 1e6
        );
        ratios.push(cpu / signatures);
        against_one.push(cpu / (PAYMENTS as f64 * alone));
        both.push((cpu + served) / signatures);
    }
    println!(
        "sync, median: {:.3} of the signatures' time ({:.3} with the serving node; {:.3} of the time they take one processor \
         while the others rest)",
        median(ratios),
        median(both),
        median(against_one)
    );
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
        let source = start(&place.path().join("source"), None);
        submit(&source, &long, 1);
        let datadir = place.path().join("node");
        let node = start(&datadir, None);
        submit(&node, &short, 1);
        wait_for(&node, &short);
        let started = now();
        node.call("addnode", json!([source.p2p(), "add"]));
        wait_for(&node, &long);
        seconds.push(started.elapsed().as_secs_f64());
        node.stop();
        let started = now();
        let node = start(&datadir, None);
        restarts.push(started.elapsed().as_secs_f64());
        wait_for(&node, &long);
    }
    println!(
        "reorganisation of {depth} blocks: {:.3} s from addnode to the new tip; restart to RPC: {:.3} s",
        median(seconds),
        median(restarts)
    );
}
