//! A network of node processes: starting, connecting, finding and ending them.
//!
//! [`Cluster`] carries out a [`Plan`] in a [`Directory`]. `up` keeps one while it shows the network; every other command opens one
//! from the state file, does its work under the network's lock and lets go. [`start`] spawns nodes and waits for them,
//! [`connect`] joins them up and sets link conditions, [`mining`] tells their miners what to do, [`stop`] ends them; [`attach`] takes
//! up nodes that others run, [`engine`] has Docker run them;
//! [`links`], [`snapshot`] and [`payment`] are what commands do with a whole network. Below it stand [`directory`], [`process`],
//! [`state`] and [`accounts`], which know nothing of a cluster.

pub mod accounts;
pub mod attach;
pub mod connect;
pub mod directory;
pub mod engine;
pub mod links;
pub mod mining;
pub mod payment;
pub mod process;
pub mod snapshot;
pub mod start;
pub mod state;
pub mod stop;

use crate::chain;
use crate::error::usage;
use crate::plan::{NodePlan, Plan};
use anyhow::{Context as _, Result, anyhow, bail};
use chain_spec::ChainSpec;
use directory::{Directory, LauncherLock};
use process::ProcessId;
use state::{Host, NetworkState, NodeRecord, Remote};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Child;
use std::sync::Arc;
use wallet::{Auth, Client};

/// A node of the network that has not answered by then is taken for hung, milliseconds.
const CALL_TIMEOUT_MS: u64 = 10_000;

/// A network in a directory, with what this process needs to run it.
#[derive(Debug)]
pub struct Cluster {
    directory: Directory,
    state: NetworkState,
    spec: Arc<ChainSpec>,
    /// The program that is a node when called with `node …`: this one.
    program: PathBuf,
    /// Nodes that this process started, to be collected when they end.
    children: Vec<Child>,
    /// Held while this process is the network's foreground launcher.
    launcher: Option<LauncherLock>,
}

impl Cluster {
    /// A network to be started, as `plan` says, on the chain called `chain_argument`. What the directory's nodes already know is kept
    /// if it is of the same chain.
    pub fn create(directory: Directory, chain_argument: &str, spec: ChainSpec, plan: Plan) -> Result<Cluster> {
        let previous = NetworkState::load(&directory)?;
        if let Some(previous) = &previous {
            let there = chain::load(&previous.chain, directory.path())?;
            if there.id() != spec.id() {
                bail!(
                    "{} holds a network of chain {}, not {}; use another --dir, or --fresh to delete it",
                    directory.path().display(),
                    previous.chain_name,
                    spec.name
                );
            }
        }
        let chain = keep_chain(&directory, chain_argument, &spec)?;
        let mut state = NetworkState::new(spec.name.clone(), chain, plan);
        if let Some(host) = previous.as_ref().map(|previous| &previous.host).filter(|host| !host.is_launcher()) {
            let path = directory.path().display();
            match host {
                Host::Compose(_) => {
                    bail!("{path} holds a network that runs on Docker; start it with --on docker, or use another --dir")
                }
                _ => bail!(
                    "{path} holds a network that others run; attach to it with `testoon attach`, or use another --dir"
                ),
            }
        }
        for (name, record) in previous.into_iter().flat_map(|previous| previous.nodes) {
            if let Some(known) = state.nodes.get_mut(&name) {
                *known = NodeRecord { process: None, ..record };
            }
        }
        let mut cluster = Cluster::assemble(directory, state, spec)?;
        cluster.prepare_accounts()?;
        Ok(cluster)
    }

    /// The network that was started in a directory.
    pub fn open(directory: Directory) -> Result<Cluster> {
        let state = NetworkState::load(&directory)?;
        let Some(state) = state else {
            bail!("no network in {}; start one with `testoon up{}`", directory.path().display(), directory.flag());
        };
        for (name, pid) in &state.strangers {
            eprintln!(
                "warning: process {pid}, recorded as {name} in {}, is not a node of this network; it is left alone",
                directory.state().display()
            );
        }
        let spec = chain::load(&state.chain, directory.path())?;
        Cluster::assemble(directory, state, spec)
    }

    /// As [`Cluster::open`], and at least one of its nodes must be running.
    pub fn open_running(directory: Directory) -> Result<Cluster> {
        let cluster = Cluster::open(directory)?;
        if cluster.state.alive().is_empty() {
            let directory = &cluster.directory;
            bail!(
                "the network in {} is not running; start it with `testoon up{}`",
                directory.path().display(),
                directory.flag()
            );
        }
        Ok(cluster)
    }

    fn assemble(directory: Directory, state: NetworkState, spec: ChainSpec) -> Result<Cluster> {
        let program = std::env::current_exe().context("cannot find this program's own file to start nodes with")?;
        Ok(Cluster { directory, state, spec: Arc::new(spec), program, children: Vec::new(), launcher: None })
    }

    /// Where it lives.
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// What is known about it.
    pub fn state(&self) -> &NetworkState {
        &self.state
    }

    /// Its chain.
    pub fn spec(&self) -> &Arc<ChainSpec> {
        &self.spec
    }

    /// Takes up what other commands have changed since.
    pub fn reload(&mut self) -> Result<()> {
        if let Some(state) = NetworkState::load(&self.directory)? {
            self.state = state;
        }
        Ok(())
    }

    /// Takes over the plan and records of a snapshot; whether and how the network runs stays as it is. No node may run.
    pub fn replace(&mut self, mut state: NetworkState) -> Result<()> {
        state.detached = self.state.detached;
        state.running = self.state.running;
        self.state = state;
        self.state.save(&self.directory)
    }

    /// Makes this process the launcher that the nodes live and end with; without it they go on alone.
    pub fn become_launcher(&mut self) -> Result<()> {
        self.launcher = self.directory.lock_launcher()?;
        if self.launcher.is_none() {
            bail!("another launcher runs the network in {}", self.directory.path().display());
        }
        Ok(())
    }

    /// The node called `name`.
    pub fn node(&self, name: &str) -> Result<(&NodePlan, &NodeRecord)> {
        self.state.plan.known(name).map_err(|what| anyhow!(what))?;
        let plan = self.state.plan.node(name);
        plan.zip(self.state.nodes.get(name))
            .ok_or_else(|| anyhow!("nothing is recorded about {name}; run `testoon up` again"))
    }

    /// JSON-RPC of a node that runs.
    pub fn client(&self, name: &str) -> Result<Client> {
        let (_, record) = self.node(name)?;
        if !record.is_alive() {
            bail!("{name} is not running; start it with `testoon start {name}{}`", self.directory.flag());
        }
        self.rpc(name, record)
    }

    fn rpc(&self, name: &str, record: &NodeRecord) -> Result<Client> {
        let auth = match &record.remote {
            None => Auth::Cookie(self.directory.node(name).join(".cookie")),
            Some(Remote { cookie: Some(path), .. }) => Auth::Cookie(path.clone()),
            Some(remote) => Auth::UserPassword { user: remote.user.clone(), password: remote.password.clone().into() },
        };
        let client = Client::new(&record.rpc, auth)?;
        Ok(client.with_timeout(CALL_TIMEOUT_MS))
    }

    /// Names of the nodes that run, in the plan's order.
    pub fn alive(&self) -> Vec<String> {
        self.state.alive().into_iter().map(str::to_owned).collect()
    }

    /// That this launcher can start nodes here, as `what` needs.
    ///
    /// # Errors
    /// Others run the network's nodes.
    pub fn need_own_nodes(&self, what: &str) -> Result<()> {
        match self.state.host {
            Host::Launcher => Ok(()),
            Host::Others => Err(usage(format!("others run this network's nodes: {what} is theirs to do"))),
            Host::Compose(_) => {
                Err(usage(format!("this network runs on Docker, where its nodes are fixed: {what} is not possible")))
            }
        }
    }

    /// Adds a node that dials `neighbours` and starts it. If its share does not fit beside the others', they give way.
    pub fn add(&mut self, name: &str, share: f64, neighbours: &[String]) -> Result<()> {
        self.need_own_nodes("adding a node")?;
        let mut plan = self.state.plan.clone();
        plan.edges.extend(neighbours.iter().map(|neighbour| (name.to_owned(), neighbour.clone())));
        plan.nodes.push(NodePlan::relay(name));
        plan.set_share(name, share).map_err(usage)?;
        plan.check().map_err(usage)?;
        self.state.plan = plan;
        self.state.nodes.insert(name.to_owned(), NodeRecord::default());
        self.prepare_accounts()?;
        self.start_nodes(&[name.to_owned()], None)?;
        self.apply_mining()
    }

    /// Ends a node and forgets it: its share goes to the others, its data directory is deleted. Its wallet stays.
    pub fn remove(&mut self, name: &str) -> Result<()> {
        self.need_own_nodes("removing a node")?;
        let mut plan = self.state.plan.clone();
        plan.remove(name).map_err(usage)?;
        self.stop_nodes(&[name.to_owned()]);
        let before = std::mem::replace(&mut self.state.plan, plan);
        let record = self.state.nodes.remove(name);
        self.state.save(&self.directory)?;
        let datadir = self.directory.node(name);
        if datadir.exists() {
            std::fs::remove_dir_all(&datadir).with_context(|| format!("cannot delete {}", datadir.display()))?;
        }
        let address = record.and_then(|record| record.p2p.first().cloned());
        self.forget_address(address.as_deref());
        self.rejoin(&before)?;
        self.apply_mining()
    }

    /// Gives a node another share of the hash rate at once; the others give way or take over (see [`Plan::set_share`]).
    pub fn set_share(&mut self, name: &str, share: f64) -> Result<()> {
        self.state.plan.set_share(name, share).map_err(usage)?;
        self.prepare_accounts()?;
        self.state.save(&self.directory)?;
        self.apply_mining()
    }

    /// Makes the wallets that the plan needs, and takes note of the addresses that miners are paid to.
    fn prepare_accounts(&mut self) -> Result<()> {
        // The miners that others run pay accounts that only they can name.
        if self.state.host.is_launcher() {
            for (node, address) in accounts::prepare(&self.directory, &self.spec, &self.state.plan)? {
                self.record(&node).payout = Some(address);
            }
        }
        Ok(())
    }

    /// Asks every running node one thing, all at once. Nodes that do not answer in time are left out.
    pub fn ask_all<T: Send>(&self, ask: impl Fn(&Client) -> Option<T> + Sync) -> BTreeMap<String, T> {
        std::thread::scope(|scope| {
            let ask = &ask;
            let asked: Vec<_> = self
                .alive()
                .into_iter()
                .filter_map(|name| {
                    let client = self.client(&name).ok()?;
                    Some((name, scope.spawn(move || ask(&client))))
                })
                .collect();
            let answer = |thread: std::thread::ScopedJoinHandle<'_, Option<T>>| {
                thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            asked.into_iter().filter_map(|(name, thread)| Some((name, answer(thread)?))).collect()
        })
    }

    /// Changes links and partition and makes the nodes obey. Returns when every node has the peers that it can have now; gives
    /// those that have not.
    pub fn change_links(&mut self, change: impl FnOnce(&mut Plan)) -> Result<Vec<String>> {
        let before = self.state.plan.clone();
        change(&mut self.state.plan);
        self.state.plan.check().map_err(usage)?;
        self.state.save(&self.directory)?;
        self.apply_links(Some(&before))?;
        self.rejoin(&before)
    }

    /// Collects children that have ended, so that none stays behind as a zombie.
    pub fn reap(&mut self) {
        self.children.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
    }

    fn record(&mut self, name: &str) -> &mut NodeRecord {
        self.state.nodes.entry(name.to_owned()).or_default()
    }

    fn process(&self, name: &str) -> Option<&ProcessId> {
        self.state.nodes.get(name)?.process.as_ref()
    }
}

/// What nodes are given as `--chain`: a built-in name, or a copy of the spec in the directory, so that the network goes on with the
/// rules it began with when the file is edited or moved.
fn keep_chain(directory: &Directory, argument: &str, spec: &ChainSpec) -> Result<String> {
    if ChainSpec::builtin(argument).is_some() {
        return Ok(argument.to_owned());
    }
    directory::write_atomic(&directory.chain(), &spec.to_toml())?;
    Ok(directory.chain().display().to_string())
}
