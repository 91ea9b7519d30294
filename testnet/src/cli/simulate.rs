//! `testoon simulate`: a large honest network on virtual time, and what it says of forks and propagation.

use crate::clock::Stopwatch;
use crate::lab::sim::links::Conditions;
use crate::lab::sim::simulation::{Churn, Setup, Simulation, simulated_chain};
use crate::output::line;
use crate::plan::topology::Topology;
use anyhow::Context as _;
use chain_spec::ChainSpec;
use clap::builder::BoolishValueParser;
use serde_json::json;
use std::sync::Arc;

/// After the last block, everybody has this long to hear of it, virtual microseconds (and a hundred link delays).
const SETTLE_US: u64 = 600_000_000;

/// Delays of the sweep's rows, milliseconds.
const SWEEP_DELAYS_MS: [f64; 4] = [50.0, 200.0, 1_000.0, 5_000.0];
/// Block sizes of the sweep's columns, bytes.
const SWEEP_BLOCK_BYTES: [usize; 4] = [0, 100_000, 1_000_000, 8_000_000];

/// Simulate a network of thousands of nodes on virtual time, with the consensus code of a live node.
#[derive(Clone, Debug, clap::Args)]
pub struct SimulateArgs {
    /// Nodes, each with the same share of the hash rate
    #[arg(long, env = "TESTOON_NODES", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub nodes: u32,
    /// Blocks to find
    #[arg(long, env = "TESTOON_BLOCKS", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub blocks: u32,
    /// The same seed gives the same run
    #[arg(long, env = "TESTOON_SEED", default_value_t = 7)]
    pub seed: u64,
    /// Who is connected to whom: ring, line, star, mesh, random-k or random-3
    #[arg(long, env = "TESTOON_TOPOLOGY", default_value = "random-8")]
    pub topology: Topology,
    /// Mean seconds between blocks
    #[arg(long, env = "TESTOON_SPACING", default_value_t = 600, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub spacing: u32,
    /// Mean delay of a link, milliseconds
    #[arg(long, env = "TESTOON_DELAY_MS", default_value_t = 100.0, value_parser = parse_milliseconds)]
    pub delay_ms: f64,
    /// Greatest extra delay of a message, milliseconds
    #[arg(long, env = "TESTOON_JITTER_MS", default_value_t = 20.0, value_parser = parse_milliseconds)]
    pub jitter_ms: f64,
    /// Bytes per second of a link [default: without limit]
    #[arg(long, env = "TESTOON_BANDWIDTH", value_parser = clap::value_parser!(u64).range(1..))]
    pub bandwidth: Option<u64>,
    /// Bytes a block takes on a link beyond its header and coinbase
    #[arg(long, env = "TESTOON_BLOCK_BYTES", default_value_t = 0)]
    pub block_bytes: usize,
    /// Cut the network in two for a while: FROM..TO in blocks found, such as 50..80
    #[arg(long, env = "TESTOON_PARTITION", value_name = "FROM..TO", value_parser = parse_range)]
    pub partition: Option<Span>,
    /// Part of the nodes that is away at any moment, below 1: each leaves and comes back by itself, away for a block's time on
    /// average
    #[arg(long, env = "TESTOON_CHURN", value_name = "PART", value_parser = parse_part)]
    pub churn: Option<f64>,
    /// Also print stale rates for a range of delays and block sizes
    #[arg(long, env = "TESTOON_SWEEP", value_parser = BoolishValueParser::new())]
    pub sweep: bool,
}

/// A span of blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    from: usize,
    to: usize,
}

fn parse_milliseconds(text: &str) -> Result<f64, String> {
    match text.trim_end_matches("ms").parse::<f64>() {
        Ok(delay) if (0.0..=3.6e6).contains(&delay) => Ok(delay),
        _ => Err("a delay is a number of milliseconds from 0 to 3600000".into()),
    }
}

fn parse_part(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(part) if part > 0.0 && part < 1.0 => Ok(part),
        _ => Err("a part is a number between 0 and 1, such as 0.2".into()),
    }
}

fn parse_range(text: &str) -> Result<Span, String> {
    let (from, to) = text.split_once("..").ok_or("a span is FROM..TO, such as 50..80")?;
    match (from.parse(), to.parse()) {
        (Ok(from), Ok(to)) if from < to => Ok(Span { from, to }),
        _ => Err("a span is FROM..TO with FROM below TO, such as 50..80".into()),
    }
}

/// What a run came to.
pub struct Outcome {
    /// Over every input and every choice of every core.
    pub trace_hash: String,
    /// The part of all heights at which more than one block was found.
    pub fork_rate: f64,
    /// The part of all blocks that did not stay in the chain.
    pub stale_rate: f64,
    /// Milliseconds until half, nine tenths, and 99 of 100 (block, node) pairs were adopted.
    pub propagation_ms: [f64; 3],
    /// Events carried out.
    pub events: u64,
    /// Nodes that end on another tip than the first: a race still open at the end.
    pub elsewhere: usize,
    /// Nodes that end with less work than the best: they did not catch up.
    pub behind: usize,
    /// The deepest reorganisation of any node.
    pub reorganisation_max: u32,
    /// Height of the first node's tip.
    pub height: u32,
    /// Seconds of virtual time.
    pub virtual_s: f64,
}

/// Runs the network once.
pub fn simulate(args: &SimulateArgs) -> anyhow::Result<Outcome> {
    let chain = ChainSpec::builtin("local").context("the local chain is built in")?;
    let nodes = args.nodes as usize;
    let topology = match args.topology {
        Topology::RandomK { k, .. } => Topology::RandomK { k, seed: args.seed },
        shape => shape,
    };
    let setup = Setup {
        spec: Arc::new(simulated_chain(chain, args.spacing)),
        shares: vec![1.0; nodes],
        edges: topology.edges(nodes),
        conditions: Conditions {
            delay_ms: args.delay_ms,
            jitter_ms: args.jitter_ms,
            bandwidth: args.bandwidth,
            block_bytes: args.block_bytes,
        },
        churn: args.churn.map(|away| Churn { away, mean_s: f64::from(args.spacing) }),
        seed: args.seed,
    };
    let edges = setup.edges.clone();
    let mut simulation = Simulation::new(setup)?;
    let mut cut = false;
    while simulation.statistics().blocks() < args.blocks as usize {
        if simulation.step()?.is_none() {
            break;
        }
        let blocks = simulation.statistics().blocks();
        if let Some(span) = args.partition
            && cut != (span.from..span.to).contains(&blocks)
        {
            cut = !cut;
            for &(a, b) in edges.iter().filter(|(a, b)| (*a < nodes / 2) != (*b < nodes / 2)) {
                simulation.set_link(a, b, !cut)?;
            }
        }
    }
    if cut {
        for &(a, b) in &edges {
            simulation.set_link(a, b, true)?;
        }
    }
    let virtual_s = simulation.now_us() as f64 / 1e6;
    simulation.set_mining(false);
    if args.churn.is_some() {
        simulation.end_churn()?;
    }
    // Links slower than the nodes' patience keep them asking for ever; by then everything that can arrive has.
    let settled_us = simulation.now_us() + SETTLE_US + (100.0 * args.delay_ms * 1e3) as u64;
    while simulation.now_us() < settled_us && simulation.step()?.is_some() {}
    Ok(outcome(&simulation, nodes, virtual_s))
}

fn outcome(simulation: &Simulation, nodes: usize, virtual_s: f64) -> Outcome {
    let statistics = simulation.statistics();
    let tip = simulation.core(0).tip();
    let works: Vec<_> = (0..nodes).map(|node| simulation.core(node).tip().work).collect();
    let most = works.iter().max().copied().unwrap_or(tip.work);
    let propagation = statistics.propagation_ms(&[0.5, 0.9, 0.99]);
    Outcome {
        trace_hash: hex::encode(simulation.trace_hash()),
        fork_rate: statistics.fork_rate(),
        stale_rate: statistics.stale_rate(&tip.hash),
        propagation_ms: [propagation[0], propagation[1], propagation[2]],
        events: statistics.events,
        elsewhere: (0..nodes).filter(|node| simulation.core(*node).tip().hash != tip.hash).count(),
        behind: works.into_iter().filter(|work| *work < most).count(),
        reorganisation_max: statistics.reorganisation_max,
        height: tip.height,
        virtual_s,
    }
}

/// Most memory this process has used, bytes (`VmHWM`); `None` where the system does not say.
pub fn memory_peak_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kibibytes| kibibytes * 1024)
}

/// Runs and prints, as one line of JSON if `json`.
pub fn run(args: &SimulateArgs, json: bool) -> anyhow::Result<()> {
    let watch = Stopwatch::start();
    let outcome = simulate(args)?;
    let seconds = watch.seconds();
    let memory = memory_peak_bytes();
    let [p50, p90, p99] = outcome.propagation_ms;
    if !json {
        print_outcome(args, &outcome, seconds, memory);
    }
    let sweep = if args.sweep { sweep(args, json)? } else { Vec::new() };
    if json {
        let mut facts = json!({
            "nodes": args.nodes,
            "blocks": args.blocks,
            "seed": args.seed,
            "trace_hash": outcome.trace_hash,
            "fork_rate": outcome.fork_rate,
            "stale_rate": outcome.stale_rate,
            "propagation_ms": {"p50": p50, "p90": p90, "p99": p99},
            "events": outcome.events,
            "seconds": seconds,
            "memory_bytes": memory,
        });
        if args.sweep {
            facts["sweep"] = sweep.into();
        }
        line(facts);
    }
    Ok(())
}

fn print_outcome(args: &SimulateArgs, outcome: &Outcome, seconds: f64, memory: Option<u64>) {
    let [p50, p90, p99] = outcome.propagation_ms;
    line(format_args!("{} nodes, {} blocks, seed {}, {}", args.nodes, args.blocks, args.seed, args.topology));
    line(format_args!("  virtual time      {:.0} s, one block in {} s", outcome.virtual_s, args.spacing));
    line(format_args!(
        "  height            {} ({} nodes on another tip, {} of them behind)",
        outcome.height, outcome.elsewhere, outcome.behind
    ));
    line(format_args!("  fork rate         {:.4} of all heights had more than one block", outcome.fork_rate));
    line(format_args!("  stale rate        {:.4} of all blocks found did not stay", outcome.stale_rate));
    line(format_args!("  deepest reorg     {} block(s)", outcome.reorganisation_max));
    line(format_args!("  propagation       50 % {p50:.0} ms, 90 % {p90:.0} ms, 99 % {p99:.0} ms"));
    line(format_args!("  trace hash        {}", outcome.trace_hash));
    let speed = outcome.events as f64 / seconds;
    let memory = memory.map_or_else(String::new, |bytes| {
        format!(", {} MiB in all, {} KiB a node", bytes >> 20, (bytes / u64::from(args.nodes)) >> 10)
    });
    line(format_args!("  speed             {} events in {seconds:.2} s ({speed:.0} a second){memory}", outcome.events));
}

/// Stale rates over delays and block sizes, printed as they come; the rows for JSON.
fn sweep(args: &SimulateArgs, json: bool) -> anyhow::Result<Vec<serde_json::Value>> {
    let bandwidth = args.bandwidth.unwrap_or(1_250_000);
    let mut rows = Vec::new();
    if !json {
        line(format_args!("\nstale rate by mean link delay and block size ({bandwidth} bytes a second):\n"));
        let sizes: String = SWEEP_BLOCK_BYTES.iter().map(|bytes| format!("{:>12}", format!("{bytes} B"))).collect();
        line(format_args!("  {:>9}{sizes}", ""));
    }
    for delay_ms in SWEEP_DELAYS_MS {
        let mut row = format!("  {:>6} ms", delay_ms);
        for block_bytes in SWEEP_BLOCK_BYTES {
            let outcome =
                simulate(&SimulateArgs { delay_ms, block_bytes, bandwidth: Some(bandwidth), ..args.clone() })?;
            row.push_str(&format!("{:>12.4}", outcome.stale_rate));
            rows.push(json!({"delay_ms": delay_ms, "block_bytes": block_bytes, "stale_rate": outcome.stale_rate}));
        }
        if !json {
            line(row);
        }
    }
    Ok(rows)
}

#[cfg(test)]
mod tests;
