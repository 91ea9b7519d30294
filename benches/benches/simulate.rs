//! A simulated network of a thousand nodes and two hundred blocks: wall time of `testoon simulate`, per block that a node takes.

use kit::process::bench_main;
use kit::{median, now, run};
use testoon_benches::verify_seconds;

const NODES: usize = 1_000;
const BLOCKS: usize = 200;
const ROUNDS: usize = 3;

fn main() -> std::process::ExitCode {
    bench_main(|| {
        let seconds = (0..ROUNDS).map(|round| simulate(&round.to_string())).collect();
        println!("{NODES} nodes, {BLOCKS} blocks, median: {:.2} s", median(seconds));
    })
}

fn simulate(seed: &str) -> f64 {
    let unit = verify_seconds(1);
    let started = now();
    let (nodes, blocks) = (NODES.to_string(), BLOCKS.to_string());
    let report = run(&["simulate", "--nodes", &nodes, "--blocks", &blocks, "--seed", seed, "--json"]).json();
    let seconds = started.elapsed().as_secs_f64();
    let each = seconds / (NODES * BLOCKS) as f64;
    println!(
        "seed {seed}: {seconds:.2} s, {:.2} us for each block at each node, {:.2} signature checks; trace {}",
        each * 1e6,
        each / unit,
        report["trace_hash"]
    );
    seconds
}
