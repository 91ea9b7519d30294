//! The network that flags and a network file ask for: what `up` starts and `export` writes down.

use crate::chain;
use crate::cluster::state::NetworkState;
use crate::error::usage;
use crate::plan::file::NetworkFile;
use crate::plan::topology::Topology;
use crate::plan::{NODES_DEFAULT, NODES_MAX, Plan, units};
use anyhow::{Context as _, Result};
use chain_spec::ChainSpec;
use clap::Args;
use std::path::{Path, PathBuf};

/// The shape of a network, as flags.
#[derive(Clone, Debug, Default, Args)]
pub struct NetworkArgs {
    /// How many nodes; 5 unless given
    #[arg(long, env = "TESTOON_NODES", value_name = "N", conflicts_with = "file")]
    nodes: Option<usize>,
    /// A built-in chain's name (local, testnet, main, …) or a spec file; local unless given
    #[arg(long, env = "TESTOON_CHAIN", value_name = "NAME|PATH")]
    chain: Option<String>,
    /// A network described in a file: nodes, roles, hash shares, links
    #[arg(long, env = "TESTOON_FILE", value_name = "NET.TOML")]
    file: Option<PathBuf>,
    /// Hashes per second of all nodes together, like 131072 or 2MH/s; what the chain's block spacing needs unless given
    #[arg(long, env = "TESTOON_UP_HASHRATE", value_name = "TOTAL", value_parser = units::hashrate)]
    hashrate: Option<f64>,
    /// Who dials whom: ring, line, star, mesh, random-3, outbound-8, scale-free-4 or small-world-8
    #[arg(long, env = "TESTOON_TOPOLOGY", value_name = "SHAPE", conflicts_with = "file")]
    topology: Option<Topology>,
    /// The seed of a random topology
    #[arg(long, env = "TESTOON_TOPOLOGY_SEED", value_name = "SEED", requires = "topology")]
    seed: Option<u64>,
}

/// What the flags and the file ask for, as far as they do.
pub struct NetworkRequest {
    arguments: NetworkArgs,
    chain: Option<String>,
    chain_base: PathBuf,
    file: Option<NetworkFile>,
}

impl NetworkRequest {
    /// Reads the flags, and the file that they name.
    ///
    /// # Errors
    /// One line that names the flag or the file's line.
    pub fn read(arguments: &NetworkArgs) -> Result<NetworkRequest> {
        if arguments.nodes.is_some_and(|nodes| !(1..=NODES_MAX).contains(&nodes)) {
            return Err(usage(format!("--nodes is from 1 to {NODES_MAX}")));
        }
        let here = std::env::current_dir().context("the current directory is gone")?;
        let mut request = NetworkRequest {
            arguments: arguments.clone(),
            chain: arguments.chain.clone(),
            chain_base: here,
            file: None,
        };
        if let Some(path) = &arguments.file {
            let text = std::fs::read_to_string(path)
                .map_err(|error| usage(format!("cannot read {}: {error}", path.display())))?;
            let file = NetworkFile::parse(&text).map_err(|error| usage(format!("{}: {error}", path.display())))?;
            if let Some(name) = file.addresses.keys().next() {
                let path = path.display();
                return Err(usage(format!(
                    "{path}: {name} has an rpc address, so it runs already: attach to it with `testoon attach {path}`"
                )));
            }
            if request.chain.is_none() && file.chain.is_some() {
                request.chain = file.chain.clone();
                request.chain_base.push(path.parent().unwrap_or(Path::new("")));
            }
            request.file = Some(file);
        }
        // Before any directory is made.
        if let Some(chain) = &request.chain {
            chain::load(chain, &request.chain_base)?;
        }
        Ok(request)
    }

    /// The chain asked for, else the directory's, else the default one: its argument for nodes, and its spec.
    pub fn chain(&self, previous: Option<&NetworkState>, directory: &Path) -> Result<(String, ChainSpec)> {
        let (chain, base) = match (&self.chain, previous) {
            (Some(chain), _) => (chain.as_str(), self.chain_base.as_path()),
            (None, Some(previous)) => (previous.chain.as_str(), directory),
            (None, None) => (chain::DEFAULT, directory),
        };
        Ok((chain.to_owned(), chain::load(chain, base)?))
    }

    /// The plan asked for; one that was used before goes on unless flags say otherwise.
    pub fn plan(&mut self, previous: Option<Plan>, spec: &ChainSpec) -> Result<Plan> {
        let arguments = &self.arguments;
        let hashrate = arguments.hashrate.or(self.file.as_ref().and_then(|file| file.hashrate));
        let hashrate_of_chain = chain::hashrate(spec);
        let mut topology = arguments.topology.unwrap_or_default();
        if let Some(given) = arguments.seed {
            if !topology.is_drawn() {
                return Err(usage(format!("--seed is for a random topology, not for {topology}")));
            }
            topology = topology.with_seed(given);
        }
        let mut plan = match (self.file.take(), previous) {
            (Some(file), _) => Plan { hashrate: hashrate_of_chain, ..file.plan },
            (None, Some(previous)) if arguments.nodes.is_none() && arguments.topology.is_none() => previous,
            (None, _) => Plan::standard(arguments.nodes.unwrap_or(NODES_DEFAULT), hashrate_of_chain, topology),
        };
        plan.hashrate = hashrate.unwrap_or(plan.hashrate);
        plan.check().map_err(usage)?;
        Ok(plan)
    }

    /// Whether anything was asked for that a network which is there already may not have.
    pub fn is_particular(&self) -> bool {
        let NetworkArgs { nodes, chain, file, hashrate, topology, seed } = &self.arguments;
        nodes.is_some()
            || chain.is_some()
            || file.is_some()
            || hashrate.is_some()
            || topology.is_some()
            || seed.is_some()
    }
}
