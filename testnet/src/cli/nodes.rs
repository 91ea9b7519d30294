//! Commands about a running network and its nodes: `status`, `down`, `add`, `remove`, `share`, `start`, `kill`, `rpc`.

use super::Common;
use super::report::{self, count, say};
use crate::clock::Stopwatch;
use crate::cluster::state::Host;
use crate::cluster::{Cluster, links, stop};
use crate::error::one_line;
use crate::output::line;
use crate::plan::topology::PEERS_DEFAULT;
use crate::plan::units;
use crate::web::background;
use anyhow::{Result, bail};
use clap::Args;
use serde_json::{Value, json};
use std::time::Duration;

/// A foreground launcher ends this soon after its network was taken down, milliseconds.
const LAUNCHER_END_MS: u64 = 10_000;
/// A call by hand may be for a thousand blocks or a whole scan, milliseconds.
const RPC_TIMEOUT_MS: u64 = 60 * 60 * 1_000;
/// Digits of a number in an RPC argument, at most; longer ones are hashes.
const NUMBER_DIGITS_MAX: usize = 20;

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
    /// Its share of the network's hash rate, like 10%; it does not mine unless given. The other miners give way
    #[arg(long, env = "TESTOON_SHARE", value_name = "SHARE", value_parser = units::fraction, default_value = "0")]
    share: f64,
    /// The nodes it dials; the first four unless given
    #[arg(long, env = "TESTOON_PEERS", value_name = "NODE,…", value_delimiter = ',')]
    peers: Vec<String>,
}

#[derive(Debug, Args)]
pub struct ShareArgs {
    /// Which node
    #[arg(value_name = "NODE")]
    node: String,
    /// Its share of the network's hash rate from now on, like 20%; 0 stops its miner
    #[arg(value_name = "SHARE", value_parser = units::fraction)]
    share: f64,
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

pub fn status(common: &Common) -> Result<()> {
    report::nodes(common, &Cluster::open_running(common.directory()?)?, None)
}

pub fn down(common: &Common) -> Result<()> {
    let directory = common.directory()?;
    let lock = directory.lock()?;
    let mut cluster = match Cluster::open(directory.clone()) {
        Ok(cluster) => cluster,
        Err(error) => {
            let ended = stop::end_forgotten(&directory);
            background::end(&directory);
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
    let goes_on = cluster.state().host == Host::Others;
    let attended = directory.has_launcher();
    let killed = cluster.stop()?;
    background::end(&directory);
    // Nodes of this network that its state file does not name: it may be old, or edited.
    let running = running + stop::end_forgotten(&directory).len();
    drop(lock);
    if attended && !wait_until(|| !directory.has_launcher(), LAUNCHER_END_MS) {
        bail!(
            "the nodes have ended, but the `testoon up` that showed them has not; end it with Ctrl-C in its terminal"
        );
    }
    if common.json {
        line(json!({"ended": if goes_on { 0 } else { running }, "killed": killed}));
    } else if running == 0 {
        line(format_args!("No node was running in {}.", directory.path().display()));
    } else if goes_on {
        line(format_args!("Let go of {}; they go on. `testoon attach` takes them up again.", count(running, "node")));
    } else if let Host::Compose(_) = cluster.state().host {
        let flag = directory.flag();
        line(format_args!("{} on Docker ended; `testoon up --on docker{flag}` goes on.", count(running, "node")));
    } else {
        let (verb, them) = if running == 1 { ("has", "it was") } else { ("have", "they were") };
        line(format_args!(
            "{} {verb} ended; `testoon up{}` goes on where {them}.",
            count(running, "node"),
            directory.flag()
        ));
    }
    if !killed.is_empty() {
        eprintln!("warning: {} did not end when asked and were killed", killed.join(", "));
    }
    Ok(())
}

/// Looks until something is so, or the time is over.
fn wait_until(so: impl Fn() -> bool, wait_ms: u64) -> bool {
    let waiting = Stopwatch::start();
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
    let mut cluster = Cluster::open_running(directory)?;
    let plan = cluster.state().plan.clone();
    let next =
        || (0..).map(|number| format!("node{number}")).find(|name| plan.node(name).is_none()).unwrap_or_default();
    let name = arguments.name.clone().unwrap_or_else(next);
    let mut peers: Vec<String> =
        arguments.peers.iter().map(|peer| links::resolve(&plan, peer)).collect::<Result<_>>()?;
    if peers.is_empty() {
        peers = cluster.alive().into_iter().take(PEERS_DEFAULT).collect();
    }
    cluster.add(&name, arguments.share, &peers)?;
    tell_shares(common, &cluster, &plan);
    report::nodes(common, &cluster, Some(&[name]))
}

/// Says in one line which other nodes' shares have changed; nothing where none has, or for programs.
fn tell_shares(common: &Common, cluster: &Cluster, before: &crate::plan::Plan) {
    let percent = |share: f64| format!("{:.1}%", share * 100.0);
    let changed = cluster.state().plan.nodes.iter().filter_map(|node| {
        let was = before.node(&node.name).map_or(0.0, |node| node.share);
        (node.share != was).then(|| format!("{} {} -> {}", node.name, percent(was), percent(node.share)))
    });
    let changed: Vec<String> = changed.collect();
    if !common.json && changed.len() > 1 {
        line(format_args!("hash shares: {}", changed.join(", ")));
    }
}

pub fn remove(common: &Common, arguments: &NodeArgs) -> Result<()> {
    let directory = common.directory()?;
    let _lock = directory.lock()?;
    let mut cluster = Cluster::open_running(directory)?;
    let before = cluster.state().plan.clone();
    let name = links::resolve(&before, &arguments.node)?;
    cluster.remove(&name)?;
    tell_shares(common, &cluster, &before);
    let left = cluster.state().plan.nodes.len();
    let text = format!("{name} is gone; {} left. Its wallet stays.", count(left, "node"));
    say(common, &json!({ "removed": name, "left": left }), text);
    Ok(())
}

pub fn share(common: &Common, arguments: &ShareArgs) -> Result<()> {
    let directory = common.directory()?;
    let _lock = directory.lock()?;
    let mut cluster = Cluster::open_running(directory)?;
    let before = cluster.state().plan.clone();
    let name = links::resolve(&before, &arguments.node)?;
    cluster.set_share(&name, arguments.share)?;
    if common.json {
        return report::nodes(common, &cluster, None);
    }
    tell_shares(common, &cluster, &before);
    Ok(())
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
    report::nodes(common, &cluster, Some(&[name]))
}

pub fn kill(common: &Common, arguments: &NodeArgs) -> Result<()> {
    let directory = common.directory()?;
    let _lock = directory.lock()?;
    let mut cluster = Cluster::open_running(directory)?;
    let name = links::resolve(&cluster.state().plan, &arguments.node)?;
    cluster.kill(&name)?;
    report::nodes(common, &cluster, Some(&[name]))
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
