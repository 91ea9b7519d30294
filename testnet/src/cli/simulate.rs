//! `testoon simulate`: a large honest network on virtual time, and what it says of forks and propagation.

use crate::clock::Stopwatch;
use crate::error::usage;
use crate::lab::sim::geography::{self, Geography};
use crate::lab::sim::links::LinkModel;
use crate::lab::sim::network::{NetworkExperiment, NetworkOutcome};
use crate::lab::theory::estimate::Estimate;
use crate::output::line;
use crate::plan::topology::Topology;
use anyhow::Context as _;
use clap::builder::BoolishValueParser;
use node::core::fork_rule::ForkRules;
use serde_json::json;
use std::path::{Path, PathBuf};

/// Delays of the sweep's rows, milliseconds.
const SWEEP_DELAYS_MS: [f64; 4] = [50.0, 200.0, 1_000.0, 5_000.0];
/// Block sizes of the sweep's columns, bytes.
const SWEEP_BLOCK_BYTES: [usize; 4] = [0, 100_000, 1_000_000, 8_000_000];
/// Bytes per second of the sweep's links unless asked otherwise: 10 Mbit/s.
const SWEEP_BANDWIDTH: u64 = 1_250_000;

/// Simulate a network of thousands of nodes on virtual time, with the consensus code of a live node.
#[derive(Clone, Debug, clap::Args)]
pub struct SimulateArgs {
    /// Nodes, each with the same share of the hash rate unless --miners or --preset says otherwise
    #[arg(long, env = "TESTOON_NODES", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub nodes: u32,
    /// Only so many of the nodes mine, with equal shares; the others relay [default: all]
    #[arg(long, env = "TESTOON_MINERS", value_name = "N", value_parser = clap::value_parser!(u32).range(1..), conflicts_with = "preset")]
    pub miners: Option<u32>,
    /// Each node's part of the hash rate by a file: a number a line, for node 0, 1, … (any scale; # begins a comment); the other nodes
    /// relay
    #[arg(long, env = "TESTOON_SHARES", value_name = "FILE", conflicts_with_all = ["miners", "preset"])]
    pub shares: Option<PathBuf>,
    /// A measured network: regions, delays, uplinks, miners and block size of its source: bitcoin-2015, bitcoin-2019, litecoin-2015 or
    /// dogecoin-2015
    #[arg(long, env = "TESTOON_PRESET", value_name = "NAME", value_parser = parse_preset, conflicts_with_all = ["topology", "spacing", "delay_ms", "bandwidth", "block_bytes", "sweep"])]
    pub preset: Option<&'static Geography>,
    /// A defence that every node uses, such as reorg-limit=6 or mess,uniform-tie: see docs/defences.md
    #[arg(long, env = "TESTOON_FORK_RULE", value_name = "RULES", default_value_t)]
    pub fork_rule: ForkRules,
    /// Blocks to find
    #[arg(long, env = "TESTOON_BLOCKS", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub blocks: u32,
    /// The same seed gives the same run
    #[arg(long, env = "TESTOON_SEED", default_value_t = 7)]
    pub seed: u64,
    /// Who is connected to whom: ring, line, star, mesh, random-3, outbound-8, scale-free-4 or small-world-8
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
    /// Bytes per second of a link in each direction; messages wait for those before them [default: without limit]
    #[arg(long, env = "TESTOON_BANDWIDTH", value_parser = clap::value_parser!(u64).range(1..))]
    pub bandwidth: Option<u64>,
    /// Bytes a block takes on a link beyond its header and coinbase; needs --bandwidth
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

/// A delay in milliseconds, `ms` behind it or not.
pub fn parse_milliseconds(text: &str) -> Result<f64, String> {
    match text.trim_end_matches("ms").parse::<f64>() {
        Ok(delay) if (0.0..=3.6e6).contains(&delay) => Ok(delay),
        _ => Err("a delay is a number of milliseconds from 0 to 3600000".into()),
    }
}

fn parse_preset(text: &str) -> Result<&'static Geography, String> {
    geography::preset(text).ok_or_else(|| {
        format!("no such network; there are {}", geography::PRESETS.map(|preset| preset.name).join(" and "))
    })
}

/// The shares of a file.
///
/// # Errors
/// It cannot be read, has a line that is no share, more lines than there are nodes, or nobody who mines.
fn read_shares(path: &Path, nodes: u32) -> anyhow::Result<Vec<f64>> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {shown}"))?;
    let mut shares = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let share = line.parse::<f64>().ok().filter(|share| *share >= 0.0 && share.is_finite());
        let wrong = || {
            usage(format!("{shown}, line {}: {line:?} is no part of a hash rate; write a number from 0 on", number + 1))
        };
        shares.push(share.ok_or_else(wrong)?);
    }
    if shares.len() > nodes as usize {
        return Err(usage(format!("{shown} has {} shares for {nodes} nodes; raise --nodes", shares.len())));
    }
    if shares.iter().sum::<f64>() <= 0.0 {
        return Err(usage(format!("{shown}: nobody mines; one share at least is above 0")));
    }
    Ok(shares)
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

impl SimulateArgs {
    /// What is asked for, as plain values.
    ///
    /// # Errors
    /// Options that would have no effect together.
    fn experiment(&self) -> anyhow::Result<NetworkExperiment> {
        if self.block_bytes > 0 && self.bandwidth.is_none() && !self.sweep {
            return Err(usage(
                "--block-bytes has no effect on links without limit; add --bandwidth BYTES_PER_SECOND, such as 1250000",
            ));
        }
        if let Some(miners) = self.miners.filter(|miners| *miners > self.nodes) {
            return Err(usage(format!("--miners {miners}: there are {} nodes only", self.nodes)));
        }
        let preset = self.preset;
        if let Some(preset) = preset.filter(|preset| preset.miners.len() > self.nodes as usize) {
            let miners = preset.miners.len();
            return Err(usage(format!(
                "--preset {}: it has {miners} miners; --nodes {} are too few",
                preset.name, self.nodes
            )));
        }
        Ok(NetworkExperiment {
            nodes: self.nodes as usize,
            miners: self.miners.unwrap_or(self.nodes) as usize,
            hash_shares: self.shares.as_deref().map_or_else(|| Ok(Vec::new()), |path| read_shares(path, self.nodes))?,
            blocks: self.blocks as usize,
            seed: self.seed,
            topology: preset.map_or(self.topology, |preset| Topology::RandomK { k: preset.peers, seed: 1 }),
            spacing_s: preset.map_or(self.spacing, |preset| preset.spacing_s),
            links: LinkModel {
                delay_ms: self.delay_ms,
                jitter_ms: self.jitter_ms,
                bandwidth: self.bandwidth,
                block_bytes: preset.map_or(self.block_bytes, |preset| preset.block_bytes),
                geography: preset,
            },
            partition: self.partition.map(|span| (span.from, span.to)),
            churn: self.churn,
            fork_rules: self.fork_rule.clone(),
        })
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
    let stopwatch = Stopwatch::start();
    let experiment = args.experiment()?;
    let outcome = experiment.run()?;
    let seconds = stopwatch.seconds();
    let memory = memory_peak_bytes();
    let [p50, p90, p99] = outcome.propagation_ms;
    if !json {
        print_outcome(args, &outcome, seconds, memory);
    }
    let sweep = if args.sweep { sweep(&experiment, json)? } else { Vec::new() };
    if json {
        let mut facts = json!({
            "nodes": args.nodes,
            "blocks": args.blocks,
            "seed": args.seed,
            "trace_hash": outcome.trace_hash,
            "fork_rate": outcome.fork_rate,
            "stale_rate": outcome.stale_rate,
            "expected_fork_rate": outcome.expected_fork_rate,
            "propagation_ms": {
                "mean": outcome.propagation_mean_ms.value,
                "mean_interval95": outcome.propagation_mean_ms.interval95,
                "p50": p50,
                "p90": p90,
                "p99": p99,
            },
            "height": outcome.height,
            "judged_again": outcome.judged_again,
            "elsewhere": outcome.elsewhere,
            "behind": outcome.behind,
            "reorganisation_max": outcome.reorganisation_max,
            "virtual_seconds": outcome.virtual_s,
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

fn print_outcome(args: &SimulateArgs, outcome: &NetworkOutcome, seconds: f64, memory: Option<u64>) {
    let [p50, p90, p99] = outcome.propagation_ms;
    match args.preset {
        None => {
            line(format_args!("{} nodes, {} blocks, seed {}, {}", args.nodes, args.blocks, args.seed, args.topology));
        }
        Some(preset) => {
            line(format_args!("{} nodes, {} blocks, seed {}, {}", args.nodes, args.blocks, args.seed, preset.name));
            line(format_args!("  source            {}", preset.source));
            line(format_args!("  published         {}", preset.published));
        }
    }
    if !args.fork_rule.is_empty() {
        line(format_args!("  fork rules        {} (docs/defences.md)", args.fork_rule));
    }
    let spacing_s = args.preset.map_or(args.spacing, |preset| preset.spacing_s);
    line(format_args!("  virtual time      {:.0} s, one block in {spacing_s} s", outcome.virtual_s));
    line(format_args!(
        "  height            {} ({} nodes on another tip, {} of them behind)",
        outcome.height, outcome.elsewhere, outcome.behind
    ));
    line(format_args!(
        "  judged again      a fresh node accepts all {} blocks of the first node's chain",
        outcome.judged_again
    ));
    line(format_args!("  fork rate         {:.4} of all heights had more than one block", outcome.fork_rate));
    // The formula knows delays, not nodes that were cut off or away.
    let is_whole = args.partition.is_none() && args.churn.is_none();
    let expected = outcome.expected_fork_rate;
    let expected = if is_whole { format!("; {expected:.4} are expected of these delays") } else { String::new() };
    line(format_args!("  stale rate        {:.4} of all blocks found did not stay{expected}", outcome.stale_rate));
    line(format_args!("  deepest reorg     {} block(s)", outcome.reorganisation_max));
    let Estimate { value: mean, interval95: [low, high], .. } = outcome.propagation_mean_ms;
    line(format_args!(
        "  receipt           mean {mean:.0} ms (95 % interval {low:.0} to {high:.0}), 50 % {p50:.0} ms, 90 % {p90:.0} ms, 99 % \
         {p99:.0} ms"
    ));
    line(format_args!("  trace hash        {}", outcome.trace_hash));
    let speed = outcome.events as f64 / seconds;
    let memory = memory.map_or_else(String::new, |bytes| {
        format!(", {} MiB in all, {} KiB a node", bytes >> 20, (bytes / u64::from(args.nodes)) >> 10)
    });
    line(format_args!("  speed             {} events in {seconds:.2} s ({speed:.0} a second){memory}", outcome.events));
}

/// Stale rates over delays and block sizes, printed as they come; the rows for JSON.
fn sweep(experiment: &NetworkExperiment, json: bool) -> anyhow::Result<Vec<serde_json::Value>> {
    let bandwidth = experiment.links.bandwidth.unwrap_or(SWEEP_BANDWIDTH);
    let mut rows = Vec::new();
    if !json {
        line(format_args!("\nstale rate by mean link delay and block size ({bandwidth} bytes a second):\n"));
        let sizes: String = SWEEP_BLOCK_BYTES.iter().map(|bytes| format!("{:>12}", format!("{bytes} B"))).collect();
        line(format_args!("  {:>9}{sizes}", ""));
    }
    for delay_ms in SWEEP_DELAYS_MS {
        let mut row = format!("  {:>6} ms", delay_ms);
        for block_bytes in SWEEP_BLOCK_BYTES {
            let links = LinkModel { delay_ms, block_bytes, bandwidth: Some(bandwidth), ..experiment.links };
            let outcome = NetworkExperiment { links, ..experiment.clone() }.run()?;
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
mod tests {
    use super::*;
    use clap::Parser as _;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: SimulateArgs,
    }

    fn parsed(line: &str) -> Result<SimulateArgs, clap::Error> {
        Line::try_parse_from(std::iter::once("simulate").chain(line.split_whitespace())).map(|line| line.args)
    }

    #[test]
    fn odd_values_are_refused() {
        for line in [
            "--nodes 0",
            "--blocks 0",
            "--delay-ms -1",
            "--partition 5..5",
            "--partition x",
            "--churn 1",
            "--churn 0",
            "--miners 0",
            "--preset mars",
            "--preset bitcoin-2019 --delay-ms 5",
            "--fork-rule none",
        ] {
            assert!(parsed(line).is_err(), "{line} was taken");
        }
        for line in ["--nodes 5 --miners 6", "--nodes 5 --preset bitcoin-2015"] {
            assert!(parsed(line).unwrap().experiment().is_err(), "{line} was taken");
        }
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("shares");
        for (text, word) in [
            ("0.5\nhalf\n", "line 2"),
            ("1\n1\n1\n1\n", "raise --nodes"),
            ("0 # nobody\n", "nobody"),
            ("-1\n", "line 1"),
        ] {
            std::fs::write(&file, text).unwrap();
            let why = parsed(&format!("--nodes 3 --shares {}", file.display())).unwrap().experiment().unwrap_err();
            assert!(format!("{why:#}").contains(word), "{text}: {why:#}");
        }
        std::fs::write(&file, "# two miners\n0.7\n\n0.3\n").unwrap();
        let shared = parsed(&format!("--nodes 3 --shares {}", file.display())).unwrap().experiment().unwrap();
        assert_eq!(shared.hash_shares, [0.7, 0.3]);
        let sizes = parsed("--block-bytes 1000000").unwrap();
        assert!(sizes.experiment().is_err_and(|error| error.to_string().contains("--bandwidth")));
        assert!(parsed("--block-bytes 1000000 --bandwidth 1000000").unwrap().experiment().is_ok());
    }
}
