//! A large honest network on virtual time, and what it says of forks and propagation.

use super::links::LinkModel;
use super::setup::{Churn, Setup, simulated_chain};
use super::simulation::Simulation;
use crate::lab::theory::estimate::Estimate;
use crate::plan::topology::Topology;
use anyhow::Context as _;
use chain_spec::ChainSpec;
use node::core::fork_rule::ForkRules;
use std::sync::Arc;

/// After the last block, everybody has this long to hear of it, virtual microseconds (and a hundred link delays).
const SETTLE_US: u64 = 600_000_000;

/// What is simulated.
#[derive(Clone, Debug, PartialEq)]
pub struct NetworkExperiment {
    /// Nodes.
    pub nodes: usize,
    /// How many of them mine, with equal parts of the hash rate: the first ones; the others relay. A geography with miners of
    /// its own says so itself.
    pub miners: usize,
    /// Each node's part of the hash rate, any scale; nodes beyond the list do not mine. Instead of `miners`, if there is one.
    pub hash_shares: Vec<f64>,
    /// Blocks to find.
    pub blocks: usize,
    /// Draws everything.
    pub seed: u64,
    /// Who is connected to whom.
    pub topology: Topology,
    /// Mean seconds between blocks.
    pub spacing_s: u32,
    /// What links are like.
    pub links: LinkModel,
    /// Cut the network in two from one number of found blocks to another.
    pub partition: Option<(usize, usize)>,
    /// The part of the nodes that is away at any moment, in (0, 1).
    pub churn: Option<f64>,
    /// The defences that every node uses.
    pub fork_rules: ForkRules,
}

/// What a run came to.
#[derive(Clone, Debug, PartialEq)]
pub struct NetworkOutcome {
    /// Over every input and every choice of every core.
    pub trace_hash: String,
    /// The part of all heights at which more than one block was found.
    pub fork_rate: f64,
    /// The part of all blocks that did not stay in the chain.
    pub stale_rate: f64,
    /// The fork rate that the measured receipts let expect: see [`super::statistics::Statistics::expected_fork_rate`].
    pub expected_fork_rate: f64,
    /// Milliseconds until half, nine tenths, and 99 of 100 receipts of blocks by nodes had happened.
    pub propagation_ms: [f64; 3],
    /// Mean milliseconds from finding to receipt.
    pub propagation_mean_ms: Estimate,
    /// Events carried out.
    pub events: u64,
    /// Nodes that end on another tip than the first: a race still open at the end.
    pub elsewhere: usize,
    /// Nodes that end with less work than the best: they did not catch up.
    pub behind: usize,
    /// The deepest reorganisation of any node, blocks.
    pub reorganisation_max: u32,
    /// Height of the first node's tip.
    pub height: u32,
    /// Height up to which a fresh node has judged the first node's chain again: the whole of it.
    pub judged_again: u32,
    /// Seconds of virtual time until the last block.
    pub virtual_s: f64,
}

impl NetworkExperiment {
    /// The usual network: everybody mines and has eight peers at least, a block in ten minutes, links of 100 ms with up to 20 ms
    /// more for each message. Seed 7.
    pub fn new(nodes: usize, blocks: usize) -> NetworkExperiment {
        NetworkExperiment {
            nodes,
            miners: nodes,
            hash_shares: Vec::new(),
            blocks,
            seed: 7,
            topology: Topology::RandomK { k: 8, seed: 0 },
            spacing_s: 600,
            links: LinkModel { delay_ms: 100.0, jitter_ms: 20.0, ..LinkModel::INSTANT },
            partition: None,
            churn: None,
            fork_rules: ForkRules::default(),
        }
    }

    /// Runs it once.
    pub fn run(&self) -> anyhow::Result<NetworkOutcome> {
        let chain = ChainSpec::builtin("local").context("the local chain is built in")?;
        let topology = self.topology.with_seed(self.seed);
        let spec = Arc::new(simulated_chain(chain, self.spacing_s));
        let setup = Setup {
            spec: Arc::clone(&spec),
            shares: self.shares(),
            edges: topology.edges(self.nodes),
            links: self.links,
            churn: self.churn.map(|away| Churn { away, mean_s: f64::from(self.spacing_s) }),
            fork_rules: self.fork_rules.clone(),
            exempt: None,
            rate_max: 1.0,
            seed: self.seed,
        };
        let edges = setup.edges.clone();
        let half = self.nodes / 2;
        let across = || edges.iter().copied().filter(|(a, b)| (*a < half) != (*b < half));
        let mut simulation = Simulation::new(setup)?;
        let mut is_cut = false;
        while simulation.statistics().blocks() < self.blocks && simulation.step()?.is_some() {
            let blocks = simulation.statistics().blocks();
            let is_span = self.partition.is_some_and(|(from, to)| (from..to).contains(&blocks));
            if is_cut != is_span {
                is_cut = is_span;
                across().try_for_each(|(a, b)| simulation.set_link(a, b, !is_cut))?;
            }
        }
        if is_cut {
            across().try_for_each(|(a, b)| simulation.set_link(a, b, true))?;
        }
        let virtual_s = simulation.now_us() as f64 / 1e6;
        simulation.set_mining(false);
        if self.churn.is_some() {
            simulation.end_churn()?;
        }
        let settled_us = simulation.now_us() + SETTLE_US + (100.0 * self.links.delay_ms * 1e3) as u64;
        while simulation.now_us() < settled_us && simulation.step()?.is_some() {}
        let judged = NetworkOutcome {
            judged_again: judge_again(&simulation, spec)?,
            ..outcome(&simulation, self.nodes, self.spacing_s, virtual_s)
        };
        Ok(judged)
    }

    /// Each node's part of the hash rate.
    fn shares(&self) -> Vec<f64> {
        if !self.hash_shares.is_empty() {
            return (0..self.nodes).map(|node| self.hash_shares.get(node).copied().unwrap_or(0.0)).collect();
        }
        match self.links.geography.filter(|geography| !geography.miners.is_empty()) {
            Some(geography) => geography.shares(self.nodes),
            None => (0..self.nodes).map(|node| f64::from(u8::from(node < self.miners))).collect(),
        }
    }
}

/// Gives the first node's chain, block by block, to a node that has never heard of it; the height up to which that one follows.
fn judge_again(simulation: &Simulation, spec: Arc<ChainSpec>) -> anyhow::Result<u32> {
    let setup = Setup {
        spec,
        shares: vec![0.0],
        edges: Vec::new(),
        links: LinkModel::INSTANT,
        churn: None,
        fork_rules: ForkRules::default(),
        exempt: None,
        rate_max: 1.0,
        seed: 0,
    };
    let mut judge = Simulation::new(setup)?;
    judge.set_mining(false);
    judge.pass_time(simulation.now_us())?;
    let chain = simulation.core(0);
    for height in 1..=chain.tip().height {
        let hash = chain.active_hash(height).context("the active chain has a block at every height below its tip")?;
        let block = chain.block(&hash)?.with_context(|| format!("block {hash} is not stored"))?;
        let answer = judge.submit_block(0, block)?;
        if let Err(rejected) = answer {
            anyhow::bail!("a fresh node refuses block {height} of the simulated chain: {}", rejected.reason);
        }
    }
    let (own, others) = (judge.core(0).tip(), chain.tip());
    anyhow::ensure!(own.hash == others.hash, "a fresh node ends on {} instead of {}", own.hash, others.hash);
    Ok(own.height)
}

fn outcome(simulation: &Simulation, nodes: usize, spacing_s: u32, virtual_s: f64) -> NetworkOutcome {
    let statistics = simulation.statistics();
    let tip = simulation.core(0).tip();
    let works: Vec<_> = (0..nodes).map(|node| simulation.core(node).tip().work).collect();
    let most = works.iter().max().copied().unwrap_or(tip.work);
    let propagation = statistics.propagation_ms(&[0.5, 0.9, 0.99]);
    NetworkOutcome {
        trace_hash: hex::encode(simulation.trace_hash()),
        fork_rate: statistics.fork_rate(),
        stale_rate: statistics.stale_rate(&tip.hash),
        expected_fork_rate: statistics.expected_fork_rate(f64::from(spacing_s)),
        propagation_ms: [propagation[0], propagation[1], propagation[2]],
        propagation_mean_ms: statistics.propagation_mean_ms(),
        events: statistics.events,
        elsewhere: (0..nodes).filter(|node| simulation.core(*node).tip().hash != tip.hash).count(),
        behind: works.into_iter().filter(|work| *work < most).count(),
        reorganisation_max: statistics.reorganisation_max,
        height: tip.height,
        judged_again: 0,
        virtual_s,
    }
}

#[cfg(test)]
mod tests;
