//! The commands that work on a network that runs (or did): everything but `up`.

use super::{Common, amount, share, up};
use crate::cluster::{Cluster, stop};
use crate::cluster::{accounts, links, payment, snapshot};
use crate::error::one_line;
use crate::interrupt::Interrupt;
use crate::observer::{logs, status};
use crate::output::line;
use crate::plan::{LinkConditions, NodePlan, Role, units};
use crate::web::{LISTEN_DEFAULT, Page, PageOptions};
use anyhow::{Context as _, Result, bail};
use chain_spec::Amount;
use clap::builder::BoolishValueParser;
use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;
use wallet::Wallet;

/// A foreground launcher ends this soon after its network was taken down, milliseconds.
const LAUNCHER_END_MS: u64 = 10_000;
/// A call by hand may be for a thousand blocks or a whole scan, milliseconds.
const RPC_TIMEOUT_MS: u64 = 60 * 60 * 1_000;
/// Digits of a number in an RPC argument, at most; longer ones are hashes.
const NUMBER_DIGITS_MAX: usize = 20;

#[derive(Debug, Args)]
pub struct PayArgs {
    /// Who pays: an account (see `testoon accounts`)
    #[arg(value_name = "FROM")]
    from: String,
    /// Who is paid: an account or an address
    #[arg(value_name = "TO")]
    to: String,
    /// How much, in coins
    #[arg(value_name = "AMOUNT", value_parser = amount, allow_negative_numbers = true)]
    amount: Amount,
    /// Wait for this many confirmations
    #[arg(long, env = "TESTOON_WAIT", value_name = "K", default_value_t = 0)]
    wait: u32,
}

#[derive(Debug, Args)]
pub struct LogsArgs {
    /// One node's only
    #[arg(value_name = "NODE")]
    node: Option<String>,
    /// Go on with what is added, until Ctrl-C
    #[arg(long, short, env = "TESTOON_FOLLOW", value_parser = BoolishValueParser::new())]
    follow: bool,
    /// Lines of each node
    #[arg(long, short = 'n', env = "TESTOON_LINES", value_name = "N", default_value_t = 20)]
    lines: usize,
}

#[derive(Debug, Args)]
pub struct WebArgs {
    /// Where the page is served; port 0 picks a free one
    #[arg(long, env = "TESTOON_WEB_LISTEN", value_name = "HOST:PORT", default_value = LISTEN_DEFAULT)]
    listen: SocketAddr,
    /// The page only looks and changes nothing: for a class that looks on
    #[arg(long, env = "TESTOON_WEB_READ_ONLY", value_parser = BoolishValueParser::new())]
    read_only: bool,
    /// Read the page's files from this directory instead of the program, to work on them
    #[arg(long, env = "TESTOON_WEB_DIR", value_name = "DIR")]
    files: Option<std::path::PathBuf>,
}

#[derive(Debug, Args)]
pub struct NodeArgs {
    /// Which node
    #[arg(value_name = "NODE")]
    node: String,
}

#[derive(Debug, Args)]
pub struct AddArgs {
    /// What it is called; the next free nodeN unless given
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// Its share of the network's hash rate; it does not mine unless given
    #[arg(long, env = "TESTOON_SHARE", value_name = "SHARE", value_parser = share, default_value = "0")]
    share: f64,
    /// The nodes it dials; the first four unless given
    #[arg(long, env = "TESTOON_PEERS", value_name = "NODE,…", value_delimiter = ',')]
    peers: Vec<String>,
}

#[derive(Debug, Args)]
pub struct RpcArgs {
    /// Which node
    #[arg(value_name = "NODE")]
    node: String,
    /// The method, like getblockcount; `help` lists them
    #[arg(value_name = "METHOD")]
    method: String,
    /// Its parameters: JSON, or plain text
    #[arg(value_name = "PARAMETER", allow_negative_numbers = true)]
    parameters: Vec<String>,
}

#[derive(Debug, Subcommand)]
pub enum NetCommand {
    /// Cut the network into groups that cannot reach each other: `net partition 'node0,node1|node2,node3,node4'`
    Partition {
        /// Names or numbers, groups apart by `|` (in quotes); nodes in no group form one more
        #[arg(value_name = "GROUPS")]
        groups: String,
    },
    /// Join all groups again
    Heal {
        /// Make slow and lossy links perfect as well
        #[arg(long, env = "TESTOON_HEAL_LINKS", value_parser = BoolishValueParser::new())]
        links: bool,
    },
    /// Make a link slow or lossy, both ways; without flags it becomes perfect again
    Link(LinkArgs),
    /// Show who is connected to whom, and how good the links are
    Topology,
    /// Keep a copy of the whole network, forks included
    Snapshot {
        /// What the copy is called
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Bring the network back to a snapshot
    Restore {
        /// Which snapshot
        #[arg(value_name = "NAME")]
        name: String,
    },
}

#[derive(Debug, Args)]
pub struct LinkArgs {
    /// The two ends, like node0-node1
    #[arg(value_name = "A-B")]
    link: String,
    /// Added to every message, like 200ms
    #[arg(long, env = "TESTOON_LINK_DELAY", value_name = "TIME", value_parser = units::duration_ms, default_value = "0ms")]
    delay: u64,
    /// The delay varies by up to this much, like 20ms
    #[arg(long, env = "TESTOON_LINK_JITTER", value_name = "TIME", value_parser = units::duration_ms, default_value = "0ms")]
    jitter: u64,
    /// Part of the messages lost, like 5%
    #[arg(long, env = "TESTOON_LINK_LOSS", value_name = "PART", value_parser = units::fraction, default_value = "0")]
    loss: f64,
    /// Bytes per second, like 1MB/s; without limit unless given
    #[arg(long, env = "TESTOON_LINK_BANDWIDTH", value_name = "RATE", value_parser = units::bandwidth)]
    bandwidth: Option<u64>,
}

pub fn status(common: &Common) -> Result<()> {
    let cluster = Cluster::open_running(common.directory()?)?;
    let nodes = status::look(&cluster);
    if common.json {
        line(status::to_json(&nodes));
    } else {
        up::print_table(&nodes);
    }
    Ok(())
}

pub fn pay(common: &Common, arguments: &PayArgs) -> Result<()> {
    let cluster = Cluster::open_running(common.directory()?)?;
    let payment = payment::pay(&cluster, &arguments.from, &arguments.to, arguments.amount, arguments.wait)?;
    if common.json {
        line(serde_json::to_string(&payment)?);
    } else {
        let depth = match payment.confirmations {
            0 => "in the mempool".to_owned(),
            1 => "1 confirmation".to_owned(),
            more => format!("{more} confirmations"),
        };
        let (from, to, seconds) = (&arguments.from, &arguments.to, payment.seconds);
        line(format_args!(
            "{from} paid {to} {} (fee {}): {depth} after {seconds:.1} s\ntxid {}",
            arguments.amount, payment.fee, payment.txid
        ));
    }
    Ok(())
}

/// One account, for `accounts --json`; amounts in coins.
#[derive(Debug, Serialize)]
struct Account {
    name: String,
    node: String,
    address: String,
    confirmed: Box<RawValue>,
    pending: Box<RawValue>,
    immature: Box<RawValue>,
    spendable: Box<RawValue>,
}

#[derive(Debug, Serialize)]
struct Accounts {
    accounts: Vec<Account>,
}

pub fn accounts(common: &Common) -> Result<()> {
    let cluster = Cluster::open_running(common.directory()?)?;
    let coins = |amount: Amount| RawValue::from_string(amount.to_string());
    let mut rows = Vec::new();
    for name in accounts::names(cluster.directory())? {
        let node = payment::node_of(&cluster, &name)?;
        let mut wallet: Wallet = accounts::open_to_read(cluster.directory(), &name)?;
        wallet.sync(&cluster.client(&node)?).with_context(|| format!("wallet of {name}"))?;
        let balance = wallet.balance();
        rows.push(Account {
            address: wallet.address()?.to_string(),
            confirmed: coins(balance.confirmed)?,
            pending: coins(balance.pending)?,
            immature: coins(balance.immature)?,
            spendable: coins(balance.spendable)?,
            name,
            node,
        });
    }
    if common.json {
        line(serde_json::to_string(&Accounts { accounts: rows })?);
        return Ok(());
    }
    line(format_args!(
        "{:<10} {:>18} {:>14} {:>14}  {:<36} asks",
        "account", "confirmed", "pending", "immature", "address"
    ));
    for row in rows {
        let (confirmed, pending, immature) = (row.confirmed.get(), row.pending.get(), row.immature.get());
        line(format_args!(
            "{:<10} {confirmed:>18} {pending:>14} {immature:>14}  {:<36} {}",
            row.name, row.address, row.node
        ));
    }
    Ok(())
}

pub fn logs(common: &Common, arguments: &LogsArgs) -> Result<()> {
    let cluster = Cluster::open(common.directory()?)?;
    logs::show(&cluster, arguments.node.as_deref(), arguments.lines, arguments.follow)
}

/// Serves the page until Ctrl-C; the network goes on without it.
pub fn web(common: &Common, arguments: &WebArgs) -> Result<()> {
    let interrupt = Interrupt::install()?;
    let page = Page::start(PageOptions {
        directory: common.directory()?,
        listen: arguments.listen,
        read_only: arguments.read_only,
        files: arguments.files.clone(),
    })?;
    if common.json {
        line(json!({ "url": page.url() }));
    } else {
        line(format_args!("{} shows the network; Ctrl-C ends the page, not the network", page.url()));
    }
    interrupt.wait_forever();
    Ok(())
}

pub fn down(common: &Common) -> Result<()> {
    let directory = common.directory()?;
    let lock = directory.lock()?;
    let mut cluster = match Cluster::open(directory.clone()) {
        Ok(cluster) => cluster,
        Err(error) => {
            let ended = stop::end_forgotten(&directory);
            if ended.is_empty() {
                return Err(error);
            }
            eprintln!("warning: {}", one_line(&error));
            if common.json {
                line(json!({"ended": ended.len(), "killed": []}));
            } else {
                line(format_args!("{} ended, found by the locks of their data directories.", ended.join(", ")));
            }
            return Ok(());
        }
    };
    let running = cluster.alive().len();
    let attended = directory.has_launcher();
    let killed = cluster.stop()?;
    drop(lock);
    if attended && !wait_until(|| !directory.has_launcher(), LAUNCHER_END_MS) {
        bail!(
            "the nodes have ended, but the `testoon up` that showed them has not; end it with Ctrl-C in its terminal"
        );
    }
    if common.json {
        line(json!({"ended": running, "killed": killed}));
    } else if running == 0 {
        line(format_args!("No node was running in {}.", directory.path().display()));
    } else {
        line(format_args!("{running} nodes have ended; `testoon up{}` goes on where they were.", directory.flag()));
    }
    if !killed.is_empty() {
        eprintln!("warning: {} did not end when asked and were killed", killed.join(", "));
    }
    Ok(())
}

/// Looks until something is so, or the time is over.
fn wait_until(so: impl Fn() -> bool, wait_ms: u64) -> bool {
    let waiting = crate::clock::Stopwatch::start();
    while !so() {
        if waiting.elapsed() > Duration::from_millis(wait_ms) {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    true
}

pub fn add(common: &Common, arguments: &AddArgs) -> Result<()> {
    let directory = common.directory()?;
    let _lock = directory.lock()?;
    let mut cluster = Cluster::open_running(directory.clone())?;
    let plan = &cluster.state().plan;
    let next =
        || (0..).map(|number| format!("node{number}")).find(|name| plan.node(name).is_none()).unwrap_or_default();
    let name = arguments.name.clone().unwrap_or_else(next);
    let mut peers: Vec<String> =
        arguments.peers.iter().map(|peer| links::resolve(plan, peer)).collect::<Result<_>>()?;
    if peers.is_empty() {
        peers = cluster.alive().into_iter().take(crate::plan::topology::PEERS_DEFAULT).collect();
    }
    let role = if arguments.share > 0.0 { Role::Miner } else { Role::Relay };
    cluster.add(NodePlan { role, share: arguments.share, ..NodePlan::relay(&name) }, &peers)?;
    report(common, &cluster, &name)
}

pub fn start(common: &Common, arguments: &NodeArgs) -> Result<()> {
    let directory = common.directory()?;
    let _lock = directory.lock()?;
    let mut cluster = Cluster::open(directory.clone())?;
    let name = links::resolve(&cluster.state().plan, &arguments.node)?;
    let state = cluster.state();
    if !state.running || !(state.detached || directory.has_launcher()) {
        bail!("the network is not running; start all of it with `testoon up{}`", directory.flag());
    }
    if cluster.client(&name).is_ok() {
        bail!("{name} is running already");
    }
    cluster.start_nodes(std::slice::from_ref(&name), None)?;
    report(common, &cluster, &name)
}

pub fn kill(common: &Common, arguments: &NodeArgs) -> Result<()> {
    let directory = common.directory()?;
    let _lock = directory.lock()?;
    let mut cluster = Cluster::open_running(directory)?;
    let name = links::resolve(&cluster.state().plan, &arguments.node)?;
    cluster.kill(&name)?;
    report(common, &cluster, &name)
}

/// Says how one node is now.
fn report(common: &Common, cluster: &Cluster, name: &str) -> Result<()> {
    let nodes: Vec<_> = status::look(cluster).into_iter().filter(|node| node.name == name).collect();
    if common.json {
        line(status::to_json(&nodes));
    } else {
        up::print_table(&nodes);
    }
    Ok(())
}

pub fn rpc(common: &Common, arguments: &RpcArgs) -> Result<()> {
    let cluster = Cluster::open_running(common.directory()?)?;
    let name = links::resolve(&cluster.state().plan, &arguments.node)?;
    let parameters: Vec<Value> = arguments.parameters.iter().map(|text| parameter(text)).collect();
    let result = cluster.client(&name)?.call_within(&arguments.method, Value::Array(parameters), RPC_TIMEOUT_MS)?;
    match result {
        _ if common.json => line(result),
        Value::Null => {}
        Value::String(text) => line(text),
        other => line(format_args!("{other:#}")),
    }
    Ok(())
}

/// JSON if it reads as such, else text. Long runs of digits are hashes.
fn parameter(text: &str) -> Value {
    match serde_json::from_str(text) {
        Ok(Value::Number(number)) if text.len() <= NUMBER_DIGITS_MAX => Value::Number(number),
        Ok(Value::Number(_)) | Err(_) => Value::String(text.to_owned()),
        Ok(value) => value,
    }
}

pub fn net(common: &Common, command: &NetCommand) -> Result<()> {
    let directory = common.directory()?;
    let _lock = directory.lock()?;
    let keeps = matches!(command, NetCommand::Snapshot { .. } | NetCommand::Restore { .. });
    let mut cluster = if keeps { Cluster::open(directory)? } else { Cluster::open_running(directory)? };
    let plan = cluster.state().plan.clone();
    let (value, text) = match command {
        NetCommand::Partition { groups } => {
            links::partition(&mut cluster, links::parse_groups(&plan, groups)?)?;
            let flag = cluster.directory().flag();
            let text = format!("The network is partitioned; join it again with `testoon net heal{flag}`.");
            (links::topology(&cluster), text)
        }
        NetCommand::Heal { links } => {
            links::heal(&mut cluster, *links)?;
            (links::topology(&cluster), "The network is whole.".to_owned())
        }
        NetCommand::Link(arguments) => {
            let conditions = LinkConditions {
                delay_ms: arguments.delay,
                jitter_ms: arguments.jitter,
                loss: arguments.loss,
                bandwidth: arguments.bandwidth.unwrap_or(0),
            };
            let (a, b) = links::parse_link(&plan, &arguments.link)?;
            links::link(&mut cluster, &(a.clone(), b.clone()), conditions)?;
            (links::topology(&cluster), format!("{a}-{b}: {conditions}"))
        }
        NetCommand::Topology => (links::topology(&cluster), links::topology_text(&cluster)),
        NetCommand::Snapshot { name } => {
            let copied = snapshot::take(&cluster, name)?;
            let megabytes = copied.bytes as f64 / 1e6;
            let text = format!(
                "Snapshot {name}: {} files, {megabytes:.1} MB; bring it back with `testoon net restore {name}{}`.",
                copied.files,
                cluster.directory().flag()
            );
            (json!({"snapshot": name, "files": copied.files, "bytes": copied.bytes}), text)
        }
        NetCommand::Restore { name } => {
            snapshot::restore(&mut cluster, name)?;
            let running = cluster.alive().len();
            (
                json!({"restored": name, "running": running}),
                format!("The network is as it was at snapshot {name}; {running} nodes run."),
            )
        }
    };
    if common.json {
        line(value);
    } else {
        line(text);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rpc_parameters_are_json_or_text_and_hashes_stay_text() {
        assert_eq!(parameter("1"), json!(1));
        assert_eq!(parameter("true"), json!(true));
        assert_eq!(parameter("[1,\"a\"]"), json!([1, "a"]));
        assert_eq!(parameter("alice"), json!("alice"));
        let digits = "1".repeat(64);
        assert_eq!(parameter(&digits), json!(digits));
    }
}
