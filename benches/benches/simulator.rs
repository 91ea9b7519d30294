//! The simulator's growth: processor time as blocks and nodes double, and with links slower than a node's patience. Linear is a ratio
//! of 2; the printed table shows each step.

use testnet::lab::sim::network::NetworkExperiment;
use testoon_benches::cpu_seconds;

fn main() {
    println!("blocks double, 50 nodes");
    table(&[1_000, 2_000, 4_000, 8_000, 16_000].map(|blocks| (50, blocks)), 100.0);
    println!("nodes double, 50 blocks");
    table(&[250, 500, 1_000, 2_000].map(|nodes| (nodes, 50)), 100.0);
    for delay_ms in [1_000.0, 3_000.0, 5_000.0, 10_000.0] {
        println!("blocks double, 50 nodes, links of {delay_ms} ms");
        table(&[500, 1_000, 2_000].map(|blocks| (50, blocks)), delay_ms);
    }
}

fn table(sizes: &[(usize, usize)], delay_ms: f64) {
    let mut before = None;
    for &(nodes, blocks) in sizes {
        let started = cpu_seconds();
        let mut experiment = NetworkExperiment::new(nodes, blocks);
        experiment.links.delay_ms = delay_ms;
        let outcome = experiment.run().expect("a simulation runs");
        let seconds = cpu_seconds() - started;
        let ratio =
            before.map_or_else(String::new, |before: f64| format!("  {:.2} times the one before", seconds / before));
        println!("  {nodes:>5} nodes {blocks:>6} blocks {seconds:>8.2} s {:>10} events{ratio}", outcome.events);
        before = Some(seconds);
    }
}
