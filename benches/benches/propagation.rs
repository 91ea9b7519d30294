//! Whole nodes, release builds, real sockets: how fast a tip crosses a line of five nodes, and how fast payments that are
//! submitted in batches at one node fill another's mempool.
//!
//! A tip is timed by events: `waitforblock` at the first and at the last node. `submit` is from sending `submitblock` to the
//! first node until the last node's wait is answered, RPC included; `tip` is from the first node's tip to the last node's.
//! Mempools have no such event in Bitcoin Core's RPC: their size is asked for every few milliseconds.

use chain_spec::{Encode as _, Transaction};
use serde_json::{Value, json};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use testoon_benches::process::NodeProcess;
use testoon_benches::{ChainBuilder, median, now, regtest};

/// Nodes in the line.
const LINE: usize = 5;
/// Blocks timed, of each kind.
const EMPTY_BLOCKS: usize = 100;
const FULL_BLOCKS: usize = 15;
/// Payments in each full block.
const BLOCK_PAYMENTS: usize = 500;
/// Payments submitted in batches, and how many go in one HTTP request.
const PAYMENTS: usize = 10_000;
const BATCH: usize = 500;
const FLOOD_ROUNDS: usize = 3;
/// Coins made by one transaction, while preparing.
const SPLIT: u32 = 1_000;
/// Between two looks at a mempool's size.
const LOOK: Duration = Duration::from_millis(2);
/// A tip that takes longer than this is a failure.
const WAIT_MS_MAX: u64 = 30_000;

fn start(place: &tempfile::TempDir, name: &str, connect: Option<&str>) -> NodeProcess {
    NodeProcess::start(env!("CARGO_BIN_EXE_testoon-under-bench"), &place.path().join(name), connect)
}

fn main() {
    line();
    flood();
}

/// Reports when a node's tip is the block that it is told of: its thread waits before the block is made known to anybody.
struct Watch {
    hashes: mpsc::Sender<String>,
    ready: mpsc::Receiver<()>,
    seen: mpsc::Receiver<Instant>,
}

impl Watch {
    fn new(node: &NodeProcess) -> Watch {
        let client = node.client.clone();
        let (hashes, wanted) = mpsc::channel::<String>();
        let (is_ready, ready) = mpsc::channel();
        let (report, seen) = mpsc::channel();
        std::thread::spawn(move || {
            for hash in wanted {
                is_ready.send(()).expect("the bench listens");
                let found = client.call("waitforblock", json!([hash, WAIT_MS_MAX])).expect("the node answers");
                let at = now();
                assert_eq!(found["hash"], json!(hash), "the block did not come in {WAIT_MS_MAX} ms");
                report.send(at).expect("the bench listens");
            }
        });
        Watch { hashes, ready, seen }
    }

    fn expect(&self, hash: &str) {
        self.hashes.send(hash.to_owned()).expect("the watcher runs");
        self.ready.recv().expect("the watcher runs");
    }

    fn seen(&self) -> Instant {
        self.seen.recv().expect("the watcher runs")
    }
}

fn line() {
    let place = tempfile::tempdir().expect("a temporary directory");
    let mut nodes: Vec<NodeProcess> = Vec::new();
    for number in 0..LINE {
        let before = nodes.last().map(|node| node.p2p.clone());
        nodes.push(start(&place, &format!("node{number}"), before.as_deref()));
    }
    wait_for_peers(&nodes);
    let mut builder = ChainBuilder::new(regtest(), 1);
    let watches = [Watch::new(&nodes[0]), Watch::new(&nodes[LINE - 1])];
    let time = |builder: &ChainBuilder| {
        let block = builder.blocks.last().expect("at least the genesis block");
        let hash = block.hash().to_string();
        watches.iter().for_each(|watch| watch.expect(&hash));
        // Both waits have left for their nodes; this gives them time to be there.
        std::thread::sleep(Duration::from_millis(5));
        let sent = now();
        nodes[0].submit(block);
        let [first, last] = [watches[0].seen(), watches[1].seen()];
        (milliseconds(last - sent), milliseconds(last.saturating_duration_since(first)))
    };
    // The coins of the full blocks, made ready before anything is reported.
    for _ in 0..=builder.spec().coinbase_maturity {
        builder.mine_empty(1);
        time(&builder);
    }
    let split = builder.split(BLOCK_PAYMENTS as u32).expect("a mature coin");
    builder.mine(vec![split]);
    time(&builder);
    let empty = (0..EMPTY_BLOCKS).map(|_| {
        builder.mine_empty(1);
        time(&builder)
    });
    report("empty blocks", empty.collect());
    let full = (0..FULL_BLOCKS).map(|_| {
        let payments = builder.payments(BLOCK_PAYMENTS);
        assert_eq!(payments.len(), BLOCK_PAYMENTS);
        submit(&nodes[0], &payments);
        wait_for_mempool(&nodes[LINE - 1], BLOCK_PAYMENTS);
        builder.mine(payments);
        time(&builder)
    });
    report(&format!("blocks of {BLOCK_PAYMENTS} payments"), full.collect());
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn report(what: &str, times: Vec<(f64, f64)>) {
    let (submit, tip): (Vec<f64>, Vec<f64>) = times.into_iter().unzip();
    let worst = |times: &[f64]| times.iter().copied().fold(0.0, f64::max);
    println!(
        "node 0 to node {} of a line, {what} ({}): tip to tip median {:.2} ms, worst {:.2} ms; submit to tip median {:.2} ms, worst {:.2} ms",
        LINE - 1,
        tip.len(),
        median(tip.clone()),
        worst(&tip),
        median(submit.clone()),
        worst(&submit)
    );
}

fn wait_for_peers(nodes: &[NodeProcess]) {
    for (number, node) in nodes.iter().enumerate() {
        let wanted = if number == 0 || number + 1 == nodes.len() { 1 } else { 2 };
        while node.call("getconnectioncount", json!([])).as_u64() < Some(wanted) {
            std::thread::sleep(LOOK);
        }
    }
}

fn submit(node: &NodeProcess, payments: &[Transaction]) {
    let params = payments.iter().map(|payment| json!([hex::encode(payment.to_bytes())])).collect();
    for answer in node.client.batch("sendrawtransaction", params).expect("the node answers") {
        answer.expect("a valid payment");
    }
}

/// Waits until a mempool holds `count` transactions.
fn wait_for_mempool(node: &NodeProcess, count: usize) {
    let started = now();
    while node.call("getmempoolinfo", json!([]))["size"].as_u64() < Some(count as u64) {
        assert!(started.elapsed() < Duration::from_millis(WAIT_MS_MAX), "the mempool lacks payments");
        std::thread::sleep(LOOK);
    }
}

/// Payments in batches at one node, until another has them all.
fn flood() {
    let (mut rates, mut lags) = (Vec::new(), Vec::new());
    for round in 0..FLOOD_ROUNDS {
        let place = tempfile::tempdir().expect("a temporary directory");
        let near = start(&place, "near", None);
        let far = start(&place, "far", Some(&near.p2p));
        let mut builder = ChainBuilder::new(regtest(), round as u64 + 1);
        builder.mine_empty(builder.spec().coinbase_maturity as usize + PAYMENTS / SPLIT as usize);
        let splits = (0..PAYMENTS / SPLIT as usize).map(|_| builder.split(SPLIT).expect("a mature coin")).collect();
        builder.mine(splits);
        for block in &builder.blocks[1..] {
            near.submit(block);
        }
        far.call("waitforblock", json!([builder.tip().to_string(), WAIT_MS_MAX]));
        let payments = payments_as_json(&mut builder);
        let (near_before, far_before) = (near.cpu_seconds(), far.cpu_seconds());
        let started = now();
        for batch in payments {
            for answer in near.client.batch("sendrawtransaction", batch).expect("the node answers") {
                answer.expect("a valid payment");
            }
        }
        let submitted = started.elapsed();
        wait_for_mempool(&far, PAYMENTS);
        let lag = started.elapsed() - submitted;
        println!(
            "flood {round}: {PAYMENTS} payments, {BATCH} a batch, in {:.2} s ({:.0}/s); the other mempool {:.3} s later; CPU {:.2} s here, {:.2} s there",
            submitted.as_secs_f64(),
            PAYMENTS as f64 / submitted.as_secs_f64(),
            lag.as_secs_f64(),
            near.cpu_seconds() - near_before,
            far.cpu_seconds() - far_before
        );
        rates.push(PAYMENTS as f64 / submitted.as_secs_f64());
        lags.push(lag.as_secs_f64());
    }
    println!("flood, median: {:.0} payments/s, the other mempool {:.3} s after the last", median(rates), median(lags));
}

/// All payments, signed and written as parameters, in batches.
fn payments_as_json(builder: &mut ChainBuilder) -> Vec<Vec<Value>> {
    // Only coins of the splits are spent: those of the youngest blocks would not be mature.
    let payments = builder.payments(PAYMENTS);
    assert_eq!(payments.len(), PAYMENTS);
    let params: Vec<Value> = payments.iter().map(|payment| json!([hex::encode(payment.to_bytes())])).collect();
    params.chunks(BATCH).map(<[Value]>::to_vec).collect()
}
