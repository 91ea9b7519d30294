//! The RPC of a node with a full mempool: calls a second, and what `getblock`, `getblocktemplate` and others cost.
//!
//! Beside the wall clock, which depends on what else the machine does, the node's own processor time per call is printed.

use kit::fixture::regtest;
use kit::payer::Payer;
use kit::process::bench_main;
use kit::{Node, now};
use serde_json::{Value, json};

/// Transactions in the mempool.
const POOLED: u32 = 5_000;
/// Coins that one transaction makes.
const PARTS: u32 = 100;
/// Transactions in one batch.
const BATCH: usize = 500;

fn main() -> std::process::ExitCode {
    bench_main(|| {
        let node = Node::fresh("bitcoin-regtest", &[]);
        let mut payer = Payer::new(&regtest());
        payer.fund(&node, POOLED / PARTS, 100);
        // A block of transactions, to be read; their outputs are what fills the mempool.
        let fan_out: Vec<_> = (0..POOLED / PARTS).filter_map(|_| payer.pay(PARTS)).collect();
        submit(&node, fan_out.iter().map(|payment| payment.hex()).collect());
        fan_out.iter().for_each(|payment| payer.taken(payment));
        let block = node.call("generatetoaddress", json!([1, payer.address()]))[0].clone();
        let payments: Vec<String> = (0..POOLED).filter_map(|_| payer.pay(1)).map(|payment| payment.hex()).collect();
        submit(&node, payments);
        let info = node.call("getmempoolinfo", json!([]));
        println!(
            "mempool: {} transactions, {} bytes; block: {} transactions",
            info["size"],
            info["bytes"],
            POOLED / PARTS + 1
        );

        report(&node, "getblockcount", 5_000, |_| json!([]));
        report(&node, "getblock", 500, |_| json!([block]));
        report(&node, "getblock", 200, |_| json!([block, 2]));
        report(&node, "getblocktemplate", 50, |_| json!([{"rules": ["segwit"]}]));
        // The same when the mempool has changed before each call: its delta is given and taken back.
        let txid = node.mempool()[0].clone();
        let changed = |call: u32| {
            let delta = if call.is_multiple_of(2) { 1 } else { -1 };
            node.call("prioritisetransaction", json!([txid, 0, delta]));
            json!([{"rules": ["segwit"]}])
        };
        println!("with a changed mempool:");
        report(&node, "getblocktemplate", 50, changed);
        report(&node, "getrawmempool", 50, |_| json!([]));
    })
}

/// Submits transactions in batches; all must be taken.
fn submit(node: &Node, transactions: Vec<String>) {
    for batch in transactions.chunks(BATCH) {
        let answers = node.batch("sendrawtransaction", batch.iter().map(|text| json!([text])).collect());
        answers.into_iter().for_each(|answer| drop(answer.expect("a valid transaction")));
    }
}

/// Calls a method again and again over one connection, and prints what a call took.
fn report(node: &Node, method: &str, calls: u32, arguments: impl Fn(u32) -> Value) {
    let (cpu, started, mut bytes) = (node.cpu_seconds(), now(), 0);
    for call in 0..calls {
        let body = json!({"id": 1, "method": method, "params": arguments(call)});
        bytes = node.post(body.to_string().as_bytes()).body.len();
    }
    let (wall, cpu) = (started.elapsed().as_secs_f64(), node.cpu_seconds() - cpu);
    let each = |seconds: f64| 1_000.0 * seconds / f64::from(calls);
    println!(
        "{method}: {:.0} calls/s, {:.3} ms a call, {:.3} ms of the node's processor time, {bytes} bytes",
        f64::from(calls) / wall,
        each(wall),
        each(cpu)
    );
}
