//! The simulator's growth: processor time as blocks and nodes double. Linear is a ratio of 2; the printed table shows each step.

use testnet::lab::sim::links::LinkModel;
use testnet::lab::sim::network::NetworkExperiment;
use testnet::plan::topology::Topology;
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
        let outcome = experiment(nodes, blocks).run().expect("a simulation runs");
        let seconds = cpu_seconds() - started;
        let ratio =
            before.map_or_else(String::new, |before: f64| format!("  {:.2} times the one before", seconds / before));
        println!("  {nodes:>5} nodes {blocks:>6} blocks {seconds:>8.2} s {:>10} events{ratio}", outcome.events);
        before = Some(seconds);
    }
}

fn experiment(nodes: usize, blocks: usize) -> NetworkExperiment {
    NetworkExperiment {
        nodes,
        blocks,
        seed: 7,
        topology: Topology::RandomK { k: 8, seed: 0 },
        spacing_s: 600,
        links: LinkModel { delay_ms: 100.0, jitter_ms: 20.0, bandwidth: None, block_bytes: 0 },
        partition: None,
        churn: None,
    }
}
