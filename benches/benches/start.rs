//! How fast things start, and what they cost while nothing happens: a node to RPC, a network of five, an idle node.

use kit::measure::resident_bytes;
use kit::process::bench_main;
use kit::{Network, Node, median, now};
use std::time::Duration;

const ROUNDS: usize = 5;
/// How long an idle node is watched, seconds.
const IDLE_S: u64 = 20;

fn main() -> std::process::ExitCode {
    bench_main(|| {
        let nodes = (0..ROUNDS).map(|_| timed(|| Node::fresh("local", &[])).1).collect();
        println!("fresh node to RPC-ready: {:.3} s", median(nodes));
        idle();
        println!("five nodes connected and RPC-ready: {:.3} s", median((0..ROUNDS).map(|_| network()).collect()));
    })
}

/// What was made, and the seconds it took.
fn timed<T>(make: impl FnOnce() -> T) -> (T, f64) {
    let started = now();
    let made = make();
    (made, started.elapsed().as_secs_f64())
}

/// A node that nobody asks for anything.
fn idle() {
    let node = Node::fresh("local", &[]);
    let before = node.cpu_seconds();
    std::thread::sleep(Duration::from_secs(IDLE_S));
    let percent = 100.0 * (node.cpu_seconds() - before) / IDLE_S as f64;
    let mebibytes = resident_bytes(node.pid()).expect("the node runs") as f64 / f64::from(1 << 20);
    println!("idle node: {mebibytes:.1} MiB resident, {percent:.2} % of a core over {IDLE_S} s");
}

/// Starts a network of five; the seconds that `up` took, from command to exit.
fn network() -> f64 {
    let (network, seconds) = timed(|| Network::up(&["--json"]));
    let nodes = network.nodes();
    let connected = nodes.len() == 5 && nodes.iter().all(|node| node["peers"].as_u64() > Some(0));
    assert!(connected, "{nodes:?}");
    seconds
}
