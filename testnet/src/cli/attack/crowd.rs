//! The options of `testoon attack --sim` that put the attacker into a network of many honest nodes.

use crate::error::usage;
use crate::lab::sim::contest::Crowd;
use crate::lab::sim::links::LinkModel;
use crate::plan::topology::Topology;

/// A network around the attacker. Without `--nodes` all others are one node, and links take no time.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct CrowdArgs {
    /// With --sim: play it among this many nodes, the attacker's included, with the links that follow [default: the attacker and
    /// one node for all others, with links that take no time]
    #[arg(long, env = "TESTOON_NODES", value_parser = clap::value_parser!(u32).range(3..=10_000))]
    nodes: Option<u32>,
    /// With --nodes: who is connected to whom: ring, line, star, mesh, random-3, outbound-8, scale-free-4 or
    /// small-world-8 [default: random-8]
    #[arg(long, env = "TESTOON_TOPOLOGY")]
    topology: Option<Topology>,
    /// With --nodes: mean delay of a link, milliseconds [default: 100]
    #[arg(long, visible_alias = "delay", env = "TESTOON_DELAY_MS", value_parser = crate::cli::simulate::parse_milliseconds)]
    delay_ms: Option<f64>,
    /// With --nodes: mean seconds between blocks [default: 600]
    #[arg(long, env = "TESTOON_SPACING", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    spacing: Option<u32>,
    /// With --nodes: bytes per second of a link in each direction [default: without limit]
    #[arg(long, env = "TESTOON_BANDWIDTH", value_parser = clap::value_parser!(u64).range(1..))]
    bandwidth: Option<u64>,
    /// With --bandwidth: bytes a block takes on a link beyond its header and coinbase [default: 0]
    #[arg(long, env = "TESTOON_BLOCK_BYTES")]
    block_bytes: Option<usize>,
    /// With --nodes: connect the attacker to at least this many nodes; the more of them hear of the attacker's blocks first, the
    /// greater γ is [default: as the topology says]
    #[arg(long, env = "TESTOON_ATTACKER_PEERS")]
    attacker_peers: Option<u32>,
}

impl CrowdArgs {
    /// The network asked for, if one is.
    ///
    /// # Errors
    /// Options that would have no effect.
    pub fn crowd(&self) -> anyhow::Result<Option<Crowd>> {
        let given = [
            ("--topology", self.topology.is_some()),
            ("--delay-ms", self.delay_ms.is_some()),
            ("--spacing", self.spacing.is_some()),
            ("--bandwidth", self.bandwidth.is_some()),
            ("--block-bytes", self.block_bytes.is_some()),
            ("--attacker-peers", self.attacker_peers.is_some()),
        ];
        let Some(nodes) = self.nodes else {
            return match given.into_iter().find(|(_, is_given)| *is_given) {
                Some((option, _)) => Err(usage(format!(
                    "{option} has no effect without --nodes: the attacker meets one node that stands for all others; add --nodes N"
                ))),
                None => Ok(None),
            };
        };
        if self.block_bytes.is_some() && self.bandwidth.is_none() {
            return Err(usage(
                "--block-bytes has no effect on links without limit; add --bandwidth BYTES_PER_SECOND, such as 1250000",
            ));
        }
        Ok(Some(Crowd {
            nodes: nodes as usize,
            topology: self.topology.unwrap_or(Topology::RandomK { k: 8, seed: 1 }),
            attacker_peers: self.attacker_peers.unwrap_or(0).min(nodes - 1) as usize,
            links: LinkModel {
                delay_ms: self.delay_ms.unwrap_or(100.0),
                bandwidth: self.bandwidth,
                block_bytes: self.block_bytes.unwrap_or(0),
                ..LinkModel::INSTANT
            },
            spacing_s: self.spacing.unwrap_or(600),
        }))
    }

    /// Whether any of the options is given.
    pub fn is_given(&self) -> bool {
        self.nodes.is_some()
    }
}
