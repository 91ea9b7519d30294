//! Whole nodes, release builds, real sockets: how fast a tip crosses a line of five nodes, and how fast payments that are
//! submitted in batches at one node fill another's mempool, and how fast a node takes them one by one.
//!
//! A tip is timed by events: `waitforblock` at the first and at the last node. `submit` is from sending `submitblock` to the
//! first node until the last node's wait is answered, RPC included; `tip` is from the first node's tip to the last node's.
//! Mempools have no such event in Bitcoin Core's RPC: their size is asked for every few milliseconds.

use chain_spec::{Encode as _, Transaction};
use kit::fixture::{ChainBuilder, regtest};
use kit::process::bench_main;
use kit::wait::eventually_every;
use kit::{Node, NodeOptions, median, now};
use serde_json::{Value, json};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use testoon_benches::verify_seconds;

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
/// Payments submitted one by one.
const SINGLE_PAYMENTS: usize = 4_000;
/// Coins made by one transaction, while preparing.
const SPLIT: u32 = 1_000;
/// Between two looks at a mempool's size.
const LOOK: Duration = Duration::from_millis(2);
/// A tip that takes longer than this is a failure.
const WAIT_MS_MAX: u64 = 30_000;

fn start(place: &tempfile::TempDir, name: &str, connect: Option<&Node>) -> Node {
    let options = NodeOptions::new("bitcoin-regtest", &place.path().join(name));
    Node::start(match connect {
        Some(other) => options.connected_to(other),
        None => options,
    })
}

fn main() -> std::process::ExitCode {
    bench_main(|| {
        line();
        flood();
        one_by_one();
    })
}

/// Reports when a node's tip is the block that it is told of: its thread waits before the block is made known to anybody.
struct Watch {
    hashes: mpsc::Sender<String>,
    ready: mpsc::Receiver<()>,
    seen: mpsc::Receiver<Instant>,
}

impl Watch {
    fn new(node: &Node) -> Watch {
        let client = node.client.clone();
        let (hashes, wanted) = mpsc::channel::<String>();
        let (is_ready, ready) = mpsc::channel();
        let (report, seen) = mpsc::channel();
        std::thread::spawn(move || {
            for hash in wanted {
                is_ready.send(()).expect("the bench listens");
                let found = client.call("waitforblock", json!([hash, WAIT_MS_MAX]));
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
    let mut nodes: Vec<Node> = Vec::new();
    for number in 0..LINE {
        let node = start(&place, &format!("node{number}"), nodes.last());
        nodes.push(node);
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
        nodes[0].submit_block(block);
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

fn wait_for_peers(nodes: &[Node]) {
    for (number, node) in nodes.iter().enumerate() {
        let wanted = if number == 0 || number + 1 == nodes.len() { 1 } else { 2 };
        eventually_every(LOOK, "the line is connected", || {
            (node.number("getconnectioncount", json!([])) >= wanted).then_some(())
        });
    }
}

fn submit(node: &Node, payments: &[Transaction]) {
    let params = payments.iter().map(|payment| json!([hex::encode(payment.to_bytes())])).collect();
    for answer in node.batch("sendrawtransaction", params) {
        answer.expect("a valid payment");
    }
}

/// Waits until a mempool holds `count` transactions.
fn wait_for_mempool(node: &Node, count: usize) {
    let size = || node.call("getmempoolinfo", json!([]))["size"].as_u64();
    eventually_every(LOOK, "the mempool has all payments", || (size() >= Some(count as u64)).then_some(()));
}

/// Payments in batches at one node, until another has them all.
fn flood() {
    let (mut rates, mut lags) = (Vec::new(), Vec::new());
    for round in 0..FLOOD_ROUNDS {
        let place = tempfile::tempdir().expect("a temporary directory");
        let near = start(&place, "near", None);
        let far = start(&place, "far", Some(&near));
        let mut builder = chain_with_coins(round as u64 + 1, PAYMENTS, &near);
        far.wait_for_tip(&builder.tip().to_string());
        let payments: Vec<Vec<Value>> =
            payments_as_json(&mut builder, PAYMENTS).chunks(BATCH).map(<[Value]>::to_vec).collect();
        let (near_before, far_before) = (near.cpu_seconds(), far.cpu_seconds());
        let started = now();
        for batch in payments {
            for answer in near.batch("sendrawtransaction", batch) {
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

/// Payments one call after the other, at a node without peers.
fn one_by_one() {
    let mut rates = Vec::new();
    for round in 0..FLOOD_ROUNDS {
        let place = tempfile::tempdir().expect("a temporary directory");
        let node = start(&place, "node", None);
        let mut builder = chain_with_coins(round as u64 + 1, SINGLE_PAYMENTS, &node);
        let payments = payments_as_json(&mut builder, SINGLE_PAYMENTS);
        let before = node.cpu_seconds();
        let unit = verify_seconds(1);
        let started = now();
        for payment in payments {
            node.call("sendrawtransaction", payment);
        }
        let seconds = started.elapsed().as_secs_f64();
        let each = (node.cpu_seconds() - before) / SINGLE_PAYMENTS as f64;
        println!(
            "one by one {round}: {SINGLE_PAYMENTS} payments in {seconds:.2} s ({:.0}/s); {:.1} signature checks' CPU each",
            SINGLE_PAYMENTS as f64 / seconds,
            each / unit
        );
        rates.push(SINGLE_PAYMENTS as f64 / seconds);
    }
    println!("one by one, median: {:.0} payments/s", median(rates));
}

/// A chain that `node` has, with coins for so many payments, made by splits of mature ones.
fn chain_with_coins(salt: u64, payments: usize, node: &Node) -> ChainBuilder {
    let splits = payments / SPLIT as usize;
    let mut builder = ChainBuilder::new(regtest(), salt);
    builder.mine_empty(builder.spec().coinbase_maturity as usize + splits);
    let splits = (0..splits).map(|_| builder.split(SPLIT).expect("a mature coin")).collect();
    builder.mine(splits);
    for block in &builder.blocks[1..] {
        node.submit_block(block);
    }
    builder
}

/// Payments, signed and written as parameters.
fn payments_as_json(builder: &mut ChainBuilder, count: usize) -> Vec<Value> {
    // Only coins of the splits are spent: those of the youngest blocks would not be mature.
    let payments = builder.payments(count);
    assert_eq!(payments.len(), count);
    payments.iter().map(|payment| json!([hex::encode(payment.to_bytes())])).collect()
}
