//! The simulator's growth: processor time as blocks and nodes double. Linear is a ratio of 2; the printed table shows each step.

use testnet::lab::sim::network::NetworkExperiment;
use testoon_benches::cpu_seconds;

fn main() {
    println!("blocks double, 50 nodes");
    table(&[1_000, 2_000, 4_000, 8_000, 16_000].map(|blocks| (50, blocks)));
    println!("nodes double, 50 blocks");
    table(&[250, 500, 1_000, 2_000].map(|nodes| (nodes, 50)));
}

fn table(sizes: &[(usize, usize)]) {
    let mut before = None;
    for &(nodes, blocks) in sizes {
        let started = cpu_seconds();
        let outcome = NetworkExperiment::new(nodes, blocks).run().expect("a simulation runs");
        let seconds = cpu_seconds() - started;
        let ratio =
            before.map_or_else(String::new, |before: f64| format!("  {:.2} times the one before", seconds / before));
        println!("  {nodes:>5} nodes {blocks:>6} blocks {seconds:>8.2} s {:>10} events{ratio}", outcome.events);
        before = Some(seconds);
    }
}
