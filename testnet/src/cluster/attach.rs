//! Taking up a network whose nodes somebody else runs, by the addresses in a network file.
//!
//! The nodes go on as they are configured; what the file says of links, a partition and who dials whom is put into force. From
//! then on commands treat them as any network's, but for starting and ending them.

use super::directory::Directory;
use super::state::{Host, NetworkState, Remote};
use super::{Cluster, accounts, keep_chain};
use crate::chain;
use crate::clock::Stopwatch;
use crate::error::usage;
use crate::export::network::{PASSWORD_VARIABLE, RPC_USER};
use crate::interrupt::Interrupt;
use crate::plan::file::NetworkFile;
use crate::plan::file::address::NodeAddress;
use anyhow::{Context as _, Result, anyhow, bail};
use chain_spec::ChainSpec;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;
use wallet::{Client, ClientError};

/// Between two tries to reach a node, milliseconds.
const TRY_MS: u64 = 100;
/// A node that does not answer one try within this time is tried again, milliseconds.
const TRY_TIMEOUT_MS: u64 = 2_000;
/// Peers that a node is configured to dial are connected this soon, or are added, milliseconds.
const PEERS_WAIT_MS: u64 = 5_000;

/// What to attach to.
#[derive(Clone, Debug)]
pub struct Attachment<'a> {
    /// The network file, with every node's address.
    pub file: NetworkFile,
    /// Where it lies: what its relative paths start from.
    pub base: &'a Path,
    /// The chain's name or path, and the chain.
    pub chain: (String, ChainSpec),
    /// Who runs the nodes.
    pub host: Host,
    /// How long nodes may take to answer, milliseconds.
    pub wait_ms: u64,
}

impl Cluster {
    /// Takes up the nodes of a network file. Waits until all of them answer; gives those that lack peers.
    ///
    /// # Errors
    /// A node has no address, does not answer in time, refuses the password, or is on another chain.
    pub fn attach(
        directory: Directory,
        attachment: &Attachment<'_>,
        interrupt: &Interrupt,
    ) -> Result<(Cluster, Vec<String>)> {
        let (chain_argument, spec) = &attachment.chain;
        if let Some(previous) = NetworkState::load(&directory)? {
            let path = directory.path().display();
            let there = chain::load(&previous.chain, directory.path())?;
            if previous.host.is_launcher() {
                bail!("{path} holds a network that `testoon up` starts; use another --dir to attach to this one");
            }
            if there.id() != spec.id() {
                bail!("{path} holds a network of chain {}, not {}; use another --dir", previous.chain_name, spec.name);
            }
        }
        let chain = keep_chain(&directory, chain_argument, spec)?;
        let mut state = NetworkState::new(spec.name.clone(), chain, attachment.file.plan.clone());
        (state.host, state.detached, state.running) = (attachment.host.clone(), true, true);
        for (name, record) in &mut state.nodes {
            let address = attachment.file.addresses.get(name);
            let address = address.ok_or_else(|| {
                usage(format!("{name} has no rpc address; a network file for `attach` gives each node's"))
            })?;
            record.rpc.clone_from(&address.rpc);
            record.remote = Some(remote(name, address, attachment.base)?);
        }
        let mut cluster = Cluster::assemble(directory, state, spec.clone())?;
        let infos = cluster.wait_answering(attachment.wait_ms, interrupt)?;
        cluster.check_chain()?;
        for (name, info) in &infos {
            let address = &attachment.file.addresses[name];
            let peer = info["peerid"]
                .as_str()
                .with_context(|| format!("{name} does not say its peer id; is it a Testoon node?"))?;
            cluster.record(name).p2p = vec![multiaddress(address, spec.default_p2p_port, peer)];
        }
        accounts::prepare_shared(&cluster.directory, spec)?;
        for (name, address) in &attachment.file.addresses {
            if let Some(words) = &address.words {
                let payout = accounts::prepare_known(&cluster.directory, spec, name, words)?;
                cluster.record(name).payout = Some(payout);
            }
        }
        if !attachment.file.has_topology {
            cluster.state.plan.edges = cluster.edges()?;
        }
        cluster.state.save(&cluster.directory)?;
        let missing = cluster.join(interrupt)?;
        Ok((cluster, missing))
    }

    /// Waits until every node answers; what each says about its network.
    fn wait_answering(&self, wait_ms: u64, interrupt: &Interrupt) -> Result<BTreeMap<String, Value>> {
        let waiting = Stopwatch::start();
        let ask = |name: &String, client: Client| loop {
            match client.call_within("getnetworkinfo", json!([]), TRY_TIMEOUT_MS) {
                Ok(info) => return Ok((name.clone(), info)),
                Err(error @ ClientError::Unauthorized { .. }) => return Err(error).with_context(|| name.clone()),
                Err(error) if waiting.elapsed() >= Duration::from_millis(wait_ms) => {
                    return Err(error)
                        .with_context(|| format!("{name} did not answer within {} s", wait_ms as f64 / 1e3));
                }
                Err(_) if interrupt.wait(Duration::from_millis(TRY_MS)) => bail!("interrupted"),
                Err(_) => {}
            }
        };
        let names: Vec<String> = self.state.plan.nodes.iter().map(|node| node.name.clone()).collect();
        std::thread::scope(|scope| {
            let ask = &ask;
            let asked: Vec<_> = names
                .iter()
                .map(|name| {
                    Ok(scope.spawn({
                        let client = self.client(name)?;
                        move || ask(name, client)
                    }))
                })
                .collect::<Result<_>>()?;
            let answers =
                asked.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            answers.collect()
        })
    }

    /// That every node's chain begins with this chain's genesis block.
    fn check_chain(&self) -> Result<()> {
        let ours = self.spec.genesis_hash().to_string();
        for node in &self.state.plan.nodes {
            let theirs = self.client(&node.name)?.call("getblockhash", json!([0]))?;
            if theirs.as_str() != Some(ours.as_str()) {
                return Err(usage(format!(
                    "{} is on another chain: its genesis block is {theirs}, that of chain {} is {ours}",
                    node.name, self.spec.name
                )));
            }
        }
        Ok(())
    }

    /// Who dials whom as the nodes themselves say, each pair once.
    fn edges(&self) -> Result<Vec<(String, String)>> {
        let names: BTreeMap<&str, &String> =
            self.state.nodes.iter().filter_map(|(name, record)| Some((record.peer_id()?, name))).collect();
        let mut edges: Vec<(String, String)> = Vec::new();
        for node in &self.state.plan.nodes {
            let peers = self.client(&node.name)?.call("getpeerinfo", json!([]))?;
            for peer in peers.as_array().into_iter().flatten() {
                let Some(other) = peer["peerid"].as_str().and_then(|id| names.get(id)) else { continue };
                let pair = (node.name.clone(), (*other).clone());
                let reverse = (pair.1.clone(), pair.0.clone());
                if !edges.contains(&pair) && !edges.contains(&reverse) {
                    edges.push(if peer["inbound"] == true { reverse } else { pair });
                }
            }
        }
        Ok(edges)
    }

    /// Puts links and partition into force and sees that nodes have their peers. Those that are configured with them find them by
    /// themselves; what is missing then is added.
    fn join(&self, interrupt: &Interrupt) -> Result<Vec<String>> {
        self.apply_links(None)?;
        let names = self.alive();
        let waiting = Stopwatch::start();
        while waiting.elapsed() < Duration::from_millis(PEERS_WAIT_MS) {
            if self.are_connected(&names)? {
                return Ok(Vec::new());
            }
            if interrupt.wait(Duration::from_millis(TRY_MS)) {
                bail!("interrupted");
            }
        }
        self.connect(&names, &self.addresses())
    }
}

/// Who may call a node.
fn remote(name: &str, address: &NodeAddress, base: &Path) -> Result<Remote> {
    let user = address.user.clone().unwrap_or_else(|| RPC_USER.to_owned());
    if let Some(cookie) = &address.cookie {
        return Ok(Remote { cookie: Some(base.join(cookie)), ..Remote::default() });
    }
    let password = address.password.clone().or_else(|| std::env::var(PASSWORD_VARIABLE).ok());
    let password = password.filter(|password| !password.is_empty()).ok_or_else(|| {
        usage(format!(
            "{name} has neither a password nor a cookie; give one in the file, or the password in {PASSWORD_VARIABLE}"
        ))
    })?;
    Ok(Remote { user, password, ..Remote::default() })
}

/// Where peers dial a node: as the file says, or at its JSON-RPC's host and the chain's port.
fn multiaddress(address: &NodeAddress, port: u16, peer: &str) -> String {
    let rpc = address.rpc.trim_start_matches("http://");
    let (host, port) = match &address.p2p {
        Some(p2p) => p2p.rsplit_once(':').unwrap_or((p2p, "0")),
        None => (rpc.rsplit_once(':').map_or(rpc, |(host, _)| host), &*port.to_string()),
    };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let kind = match bare.parse() {
        Ok(IpAddr::V4(_)) => "ip4",
        Ok(IpAddr::V6(_)) => "ip6",
        Err(_) => "dns",
    };
    format!("/{kind}/{bare}/tcp/{port}/p2p/{peer}")
}

/// The chain that a network file asks for: its argument, and its spec.
///
/// # Errors
/// There is no such chain.
pub fn chain_of(file: &NetworkFile, base: &Path) -> Result<(String, ChainSpec)> {
    let argument = file.chain.clone().unwrap_or_else(|| chain::DEFAULT.to_owned());
    let spec = chain::load(&argument, base)?;
    Ok((argument, spec))
}

/// Reads the network file of running nodes.
///
/// # Errors
/// It cannot be read, is no network file, or has a node without an address.
pub fn read(path: &Path) -> Result<NetworkFile> {
    let named = |what: String| usage(format!("{}: {what}", path.display()));
    let text =
        std::fs::read_to_string(path).map_err(|error| usage(format!("cannot read {}: {error}", path.display())))?;
    let file = NetworkFile::parse(&text).map_err(named)?;
    if let Some(node) = file.plan.nodes.iter().find(|node| !file.addresses.contains_key(&node.name)) {
        return Err(anyhow!(named(format!(
            "{} has no rpc address; `testoon attach` needs each node's, `testoon up --file` starts a network of its own",
            node.name
        ))));
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_dial_what_the_file_says_or_the_rpc_s_host() {
        let of = |rpc: &str, p2p: Option<&str>| {
            let address = NodeAddress { rpc: rpc.into(), p2p: p2p.map(str::to_owned), ..NodeAddress::default() };
            multiaddress(&address, 29_733, "12D")
        };
        assert_eq!(of("http://10.0.0.7:1", None), "/ip4/10.0.0.7/tcp/29733/p2p/12D");
        assert_eq!(of("http://127.0.0.1:18600", Some("node0:29743")), "/dns/node0/tcp/29743/p2p/12D");
        assert_eq!(of("http://[::1]:1", None), "/ip6/::1/tcp/29733/p2p/12D");
        assert_eq!(of("http://h:1", Some("[fe80::1]:2")), "/ip6/fe80::1/tcp/2/p2p/12D");
    }

    #[test]
    fn a_node_is_called_by_cookie_or_password() {
        let address = NodeAddress { rpc: "http://h:1".into(), ..NodeAddress::default() };
        let with = |change: &dyn Fn(&mut NodeAddress)| {
            let mut address = address.clone();
            change(&mut address);
            remote("a", &address, Path::new("/base"))
        };
        let cookie = with(&|address| address.cookie = Some("x/.cookie".into())).unwrap();
        assert_eq!(cookie.cookie.as_deref(), Some(Path::new("/base/x/.cookie")));
        let password = with(&|address| address.password = Some("p".into())).unwrap();
        assert_eq!((password.user.as_str(), password.password.as_str()), (RPC_USER, "p"));
        let empty = with(&|address| address.password = Some(String::new())).unwrap_err().to_string();
        assert!(empty.contains("neither a password nor a cookie"), "{empty}");
    }

    #[test]
    fn every_node_needs_an_address() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("net.toml");
        std::fs::write(&path, "[[node]]\nname = \"a\"\nrpc = \"h:1\"\n[[node]]\nname = \"b\"\n").unwrap();
        let error = read(&path).unwrap_err().to_string();
        assert!(error.contains("b has no rpc address") && error.contains("up --file"), "{error}");
        assert!(read(&place.path().join("missing")).unwrap_err().to_string().contains("cannot read"));
    }
}
