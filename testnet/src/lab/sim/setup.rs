//! What a simulation is told before it starts: the chain, the nodes, the links, the seed. [`super::simulation`] carries it out.

use super::links::LinkModel;
use chain_spec::spec::Retarget;
use chain_spec::{ChainSpec, Target};
use node::core::Config;
use node::core::fork_rule::ForkRules;
use std::sync::Arc;

/// Memory a simulated node may use for transactions, bytes: a thousand of them share one machine.
const MEMPOOL_BYTES_MAX: usize = 4 << 20;

/// Everything a run depends on.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The chain, with a fixed target ([`simulated_chain`]) unless `rate_max` says otherwise.
    pub spec: Arc<ChainSpec>,
    /// Each node's part of the hash rate; any scale.
    pub shares: Vec<f64>,
    /// Who is connected to whom.
    pub edges: Vec<(usize, usize)>,
    /// What the links are like.
    pub links: LinkModel,
    /// Whether nodes leave and come back.
    pub churn: Option<Churn>,
    /// The defences that nodes use.
    pub fork_rules: ForkRules,
    /// The node that uses none of them: an attacker's.
    pub exempt: Option<usize>,
    /// Where the chain retargets ([`retargeting_chain`]): how many times easier than the initial target the target can become, since
    /// blocks are drawn at that rate and thinned. 1 where the target is fixed.
    pub rate_max: f64,
    /// Draws everything.
    pub seed: u64,
}

impl Setup {
    /// How a node's core is configured; `seed` tells it from others.
    pub(super) fn config_of(&self, node: usize, seed: u64) -> Config {
        let is_exempt = self.exempt == Some(node);
        Config {
            // Every block's coins go to the arena, where they cost a bit a node; a cache would be scanned at each flush.
            coin_cache_bytes_max: 0,
            mempool_bytes_max: MEMPOOL_BYTES_MAX,
            fee_rate_min: 0,
            seed,
            fork_rules: if is_exempt { ForkRules::default() } else { self.fork_rules.clone() },
            ..Config::default()
        }
    }
}

/// Nodes that leave and come back, each by itself: how long it stays and how long it is away are exponential draws.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Churn {
    /// The part of the time that a node is away, in (0, 1).
    pub away: f64,
    /// How long it is away on average, seconds.
    pub mean_s: f64,
}

/// `chain` as the simulator plays it: the same rules, with the target fixed where one hash in two meets it, because the
/// time between blocks is drawn and not worked for.
pub fn simulated_chain(mut chain: ChainSpec, spacing_s: u32) -> ChainSpec {
    chain.name = format!("{}-simulated", chain.name);
    chain.retarget = Retarget::Fixed;
    chain.initial_target = chain.target_limit.to_compact();
    chain.spacing_s = spacing_s;
    chain
}

/// A simulated chain whose target changes by a rule, from one that takes 128 hashes on average: room to become easier, and little to
/// do. With epochs a period is measured whole (Litecoin's rule, and what the papers compute with); Bitcoin's is one spacing short.
pub fn retargeting_chain(mut chain: ChainSpec, rule: Retarget) -> ChainSpec {
    let mut target = [0xff; 32];
    target[0] = 0x01;
    chain.retarget = rule;
    chain.whole_epochs = true;
    chain.initial_target = Target::from_be_bytes(target).to_compact();
    chain
}
