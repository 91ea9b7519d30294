//! What a plan and an export decide together: each node's configuration and command line, the accounts its miners are paid to, and
//! the password of all. The engines' files are made of it.

use crate::plan::file::NetworkFile;
use crate::plan::file::address::NodeAddress;
use crate::plan::{NodePlan, Plan};
use anyhow::{Context as _, Result};
use chain_spec::ChainSpec;
use rand::RngExt as _;
use std::collections::BTreeMap;
use toml::{Table, Value};
use wallet::{Wallet, Words};

/// Where every node's JSON-RPC listens in its container.
pub const RPC_PORT: u16 = 29_742;
/// Where every node's peers dial it in its container.
pub const P2P_PORT: u16 = 29_743;
/// The user and group that nodes run as: nobody's on the host, as in distroless images.
pub const USER: u32 = 65_532;
/// The user of JSON-RPC.
pub const RPC_USER: &str = "testoon";
/// The variable that carries its password, for nodes and for `testoon attach`.
pub const PASSWORD_VARIABLE: &str = "TESTOON_RPC_PASSWORD";
/// Where configurations are mounted.
pub const CONFIG: &str = "/config";
/// Where a node keeps its data.
pub const DATA: &str = "/data";
/// The first port on this machine where a node's JSON-RPC is published, unless told otherwise.
pub const PORT_DEFAULT: u16 = 18_600;
/// Words of a miner's wallet.
const WORDS: usize = 12;

/// What the plan leaves open.
#[derive(Clone, Debug)]
pub struct ExportOptions {
    /// The network's name: Compose's project, Kubernetes' namespace.
    pub name: String,
    /// The container image.
    pub image: String,
    /// Where each node's JSON-RPC is published on 127.0.0.1, in the plan's order.
    pub ports: Vec<u16>,
    /// The commands of `testoon` that a scenario runs, each as its arguments.
    pub scenario: Vec<Vec<String>>,
}

impl Default for ExportOptions {
    fn default() -> ExportOptions {
        let image = format!("testoon:{}", env!("CARGO_PKG_VERSION"));
        ExportOptions { name: "testoon".into(), image, ports: Vec::new(), scenario: Vec::new() }
    }
}

/// A network that is to be written down.
#[derive(Debug)]
pub struct ExportedNetwork {
    /// Its shape.
    pub plan: Plan,
    /// Its chain.
    pub spec: ChainSpec,
    /// What else was asked for.
    pub options: ExportOptions,
    /// The password of all nodes' JSON-RPC, drawn for this export.
    pub password: String,
    /// Each miner's account: its wallet's words, and the address its blocks pay.
    pub(super) accounts: BTreeMap<String, (String, String)>,
}

/// From where a network's nodes are reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Viewpoint {
    /// From this machine, by the published ports.
    Host,
    /// From a container beside the nodes, by their names, with the password in [`PASSWORD_VARIABLE`] and without the miners' words.
    Container,
    /// The same with the miners' words.
    ContainerWithWords,
}

impl ExportedNetwork {
    /// Draws the password and the miners' accounts.
    pub fn new(plan: Plan, spec: ChainSpec, options: ExportOptions) -> Result<ExportedNetwork> {
        let mut accounts = BTreeMap::new();
        for miner in plan.nodes.iter().filter(|node| node.share > 0.0) {
            // A miner that is called like a demo account earns for it, as with `up`.
            let words = match spec.demo_accounts.iter().find(|demo| demo.name == miner.name) {
                Some(demo) => Words::parse(&demo.words)?,
                None => Words::generate(WORDS)?,
            };
            let wallet = Wallet::in_memory(spec.clone(), &words, "");
            let address = wallet.and_then(|wallet| wallet.address()).context("cannot make a miner's account")?;
            accounts.insert(miner.name.clone(), (words.to_text().to_string(), address.to_string()));
        }
        let password = hex::encode(rand::rng().random::<[u8; 16]>());
        Ok(ExportedNetwork { plan, spec, options, password, accounts })
    }

    /// Whether some links are not perfect or cut.
    pub fn has_conditions(&self) -> bool {
        !self.plan.links.is_empty() || !self.plan.partition.is_empty()
    }

    /// A node's configuration file. The chain is read from `chain.toml` beside it, so that every node has the same rules and
    /// genesis block whatever its image has built in.
    pub fn configuration(&self, node: &NodePlan) -> Result<String> {
        let text = |text: &str| Value::String(text.to_owned());
        let list = |items: Vec<String>| Value::Array(items.into_iter().map(Value::String).collect());
        let number = |number: u64| Value::Integer(i64::try_from(number).unwrap_or(i64::MAX));
        let dialled = self.plan.edges.iter().filter(|(a, _)| *a == node.name);
        let mut file = Table::from_iter([
            ("chain".to_owned(), text(&format!("{CONFIG}/chain.toml"))),
            ("datadir".to_owned(), text(DATA)),
            ("rpc-listen".to_owned(), text(&format!("0.0.0.0:{RPC_PORT}"))),
            ("rpc-user".to_owned(), text(RPC_USER)),
            ("rpc-host".to_owned(), list(vec![node.name.clone()])),
            ("p2p-listen".to_owned(), list(vec![format!("0.0.0.0:{P2P_PORT}")])),
            ("no-discover".to_owned(), Value::Boolean(true)),
            ("connect".to_owned(), list(dialled.map(|(_, b)| format!("{b}:{P2P_PORT}")).collect())),
        ]);
        if let Some((_, address)) = self.accounts.get(&node.name) {
            file.insert("mine".to_owned(), text(address));
            file.insert("threads".to_owned(), number(node.threads as u64));
            file.insert("hashrate".to_owned(), number((node.share * self.plan.hashrate).round().max(1.0) as u64));
        }
        Ok(toml::to_string(&file)?)
    }

    /// A node's command line behind the program's name; its configuration is the file `configuration`.
    pub fn command(node: &NodePlan, configuration: &str) -> Vec<String> {
        let mut command = match node.strategy.as_slice() {
            [] => vec!["node".to_owned()],
            strategy => {
                // Where the lab keeps an attacker's orders on this machine means nothing in a container.
                let mut words = vec!["strategy-node".to_owned()];
                let mut given = strategy.iter();
                while let Some(word) = given.next() {
                    match word.as_str() {
                        "--control" => drop(given.next()),
                        _ => words.push(word.clone()),
                    }
                }
                words.extend(["--control", DATA, "--"].map(str::to_owned));
                words
            }
        };
        command.extend(["--conf".to_owned(), configuration.to_owned()]);
        command.extend(node.arguments.iter().cloned());
        command
    }

    /// The network file by which `testoon attach` reaches the nodes.
    pub fn attach_file(&self, from: Viewpoint, chain: &str) -> String {
        let address = |(index, node): (usize, &NodePlan)| {
            let port = self.options.ports.get(index).copied().unwrap_or(RPC_PORT);
            let rpc = match from {
                Viewpoint::Host => format!("http://127.0.0.1:{port}"),
                _ => format!("http://{}:{RPC_PORT}", node.name),
            };
            let words = self.accounts.get(&node.name).map(|(words, _)| words.clone());
            let address = NodeAddress {
                rpc,
                user: Some(RPC_USER.to_owned()),
                password: (from == Viewpoint::Host).then(|| self.password.clone()),
                cookie: None,
                p2p: Some(format!("{}:{P2P_PORT}", node.name)),
                words: words.filter(|_| from != Viewpoint::Container),
            };
            (node.name.clone(), address)
        };
        let file = NetworkFile {
            chain: Some(chain.to_owned()),
            hashrate: Some(self.plan.hashrate),
            addresses: self.plan.nodes.iter().enumerate().map(address).collect(),
            has_topology: true,
            plan: self.plan.clone(),
        };
        file.to_toml()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::tests::{ODD, exported};

    #[test]
    fn a_node_s_configuration_says_what_up_would_run() {
        let network = exported(ODD);
        let read = |name: &str| -> Table {
            toml::from_str(&network.configuration(network.plan.node(name).unwrap()).unwrap()).unwrap()
        };
        let miner = read("on");
        assert_eq!((miner["hashrate"].as_integer(), miner["threads"].as_integer()), (Some(500), Some(1)));
        let dialled: Vec<&str> = miner["connect"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        assert_eq!(dialled, ["n:29743", "mallory:29743"], "the ring's edges begin at the lower number");
        assert!(miner["mine"].as_str().is_some());
        assert!(!read("null").contains_key("mine") && !read("e3").contains_key("hashrate"));
        let addresses = ["on", "n", "mallory"].map(|name| read(name)["mine"].clone());
        assert!(addresses[0] != addresses[1] && addresses[1] != addresses[2], "each miner has its own account");
        let demo = network.spec.demo_accounts.iter().find(|demo| demo.name == "mallory").unwrap();
        assert_eq!(network.accounts["mallory"].0, demo.words, "and a demo account's name is that account");
    }

    #[test]
    fn an_attacker_s_orders_are_in_its_data_directory() {
        let network = exported(ODD);
        let command = |name: &str| ExportedNetwork::command(network.plan.node(name).unwrap(), "/c").join(" ");
        assert_eq!(command("mallory"), "strategy-node selfish --control /data -- --conf /c");
        assert_eq!(command("null"), "node --conf /c");
        assert_eq!(command("e3"), "node --conf /c --rpc-auth a:b$HOME$(HOME) --log-level no");
    }

    #[test]
    fn attach_files_hold_the_plan_and_no_more_secrets_than_they_must() {
        let network = exported(ODD);
        let read = |from| NetworkFile::parse(&network.attach_file(from, "chain.toml")).unwrap();
        for from in [Viewpoint::Host, Viewpoint::Container, Viewpoint::ContainerWithWords] {
            let file = read(from);
            assert_eq!(file.plan, network.plan, "{from:?}");
            assert_eq!(file.addresses.len(), 5);
        }
        let (host, container) = (&read(Viewpoint::Host).addresses, &read(Viewpoint::Container).addresses);
        assert_eq!(host["n"].rpc, "http://127.0.0.1:18601");
        assert_eq!(host["n"].password.as_ref(), Some(&network.password));
        assert_eq!(container["n"].rpc, "http://n:29742");
        let secrets = |address: &NodeAddress| (address.password.is_some(), address.words.is_some());
        assert_eq!((secrets(&host["n"]), secrets(&container["n"])), ((true, true), (false, false)));
        assert_eq!(secrets(&read(Viewpoint::ContainerWithWords).addresses["n"]), (false, true));
        assert_ne!(network.password, exported(ODD).password);
    }
}
