//! `testoon pool`: the pool of a node, live.

use super::Common;
use crate::interrupt::Interrupt;
use crate::output::{line, text_as_it_is};
use anyhow::{Context as _, Result, anyhow};
use clap::Args;
use clap::builder::BoolishValueParser;
use node::shell::READY_FILE;
use serde_json::{Value, json};
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use wallet::{Auth, Client};

/// Between two looks.
const LOOK: Duration = Duration::from_secs(1);
/// Longest wait for the node, milliseconds.
const CALL_MS: u64 = 10_000;
/// Workers and blocks that are shown.
const WORKERS_SHOWN: usize = 30;
const BLOCKS_SHOWN: usize = 5;
const USERS_SHOWN: usize = 10;

#[derive(Debug, Args)]
pub struct PoolArgs {
    /// A node of the launcher's network
    #[arg(value_name = "NODE", conflicts_with = "datadir")]
    node: Option<String>,
    /// The data directory of the node that runs the pool [default: that of a node of chain local]
    #[arg(long, env = "TESTOON_POOL_DATADIR", value_name = "DIR")]
    datadir: Option<PathBuf>,
    /// Show it once instead of until Ctrl-C
    #[arg(long, env = "TESTOON_POOL_ONCE", value_parser = BoolishValueParser::new())]
    once: bool,
}

pub fn run(common: &Common, arguments: &PoolArgs) -> Result<()> {
    let client = client_of(&datadir(common, arguments)?)?;
    let look = || -> Result<Value> { Ok(client.call_within("getpoolinfo", json!([]), CALL_MS)?) };
    if common.json {
        line(look()?);
        return Ok(());
    }
    if arguments.once {
        lines(&look()?).iter().for_each(line);
        return Ok(());
    }
    let interrupt = Interrupt::install()?;
    let is_terminal = std::io::stdout().is_terminal();
    loop {
        let shown = lines(&look()?);
        if is_terminal {
            // From the top of an empty screen, in one write, so that it does not flicker.
            text_as_it_is(format_args!("\x1b[H\x1b[2J{}\n", shown.join("\n")));
        } else {
            line(format_args!("{}\n", shown.join("\n")));
        }
        if interrupt.wait(LOOK) {
            return Ok(());
        }
    }
}

fn datadir(common: &Common, arguments: &PoolArgs) -> Result<PathBuf> {
    if let Some(node) = &arguments.node {
        return Ok(common.directory()?.node(node));
    }
    if let Some(datadir) = &arguments.datadir {
        return Ok(datadir.clone());
    }
    let home = std::env::home_dir().ok_or_else(|| anyhow!("no home directory is known; give --datadir"))?;
    Ok(home.join(".testoon").join("node-local"))
}

/// A client of the node that runs in a data directory.
fn client_of(datadir: &Path) -> Result<Client> {
    let path = datadir.join(READY_FILE);
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("no node runs in {}: cannot read {READY_FILE}; check --datadir", datadir.display()))?;
    let ready: Value = serde_json::from_str(&text).with_context(|| format!("{} is damaged", path.display()))?;
    let field = |name: &str| ready[name].as_str().ok_or_else(|| anyhow!("{} lacks {name}", path.display()));
    Ok(Client::new(field("rpc")?, Auth::Cookie(PathBuf::from(field("cookie")?)))?)
}

/// `12.3 MH/s`
pub fn hash_rate(hashes_per_second: f64) -> String {
    let units = ["H/s", "kH/s", "MH/s", "GH/s", "TH/s", "PH/s", "EH/s"];
    let mut value = hashes_per_second;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < units.len() {
        value /= 1e3;
        unit += 1;
    }
    format!("{value:.*} {}", if unit == 0 { 0 } else { 1 }, units[unit])
}

/// What is shown of `getpoolinfo`'s answer.
fn lines(info: &Value) -> Vec<String> {
    let number = |value: &Value| value.as_f64().unwrap_or(0.0);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let rate = |value: &Value| hash_rate(number(value));
    let scheme = match text(&info["payout"]).as_str() {
        "pplns" => format!("pplns over {} blocks' work", number(&info["window"])),
        other => other.to_owned(),
    };
    let mut lines = vec![
        format!(
            "pool: {scheme}, fee {} %, {} connected, {} in 1 min, {} in 5 min, {} in 60 min{}",
            number(&info["fee_percent"]),
            info["connections"],
            rate(&info["hashrate"]["1m"]),
            rate(&info["hashrate"]["5m"]),
            rate(&info["hashrate"]["60m"]),
            if info["accepting"] == json!(false) { "; its books cannot be written: no share is accepted" } else { "" },
        ),
        match &info["job"] {
            Value::Null => "no job yet: the node catches up, or waits for the clock".to_owned(),
            job => format!(
                "next: block {} of {} coins, difficulty {:.4e}",
                job["height"],
                job["value"],
                number(&job["difficulty"])
            ),
        },
    ];
    let mut workers = list(&info["workers"]);
    workers.sort_by(|one, other| number(&other["hashrate"]["5m"]).total_cmp(&number(&one["hashrate"]["5m"])));
    lines.push(String::new());
    lines.push(format!(
        "{:<46} {:>11} {:>11} {:>11} {:>9} {:>6} {:>8} {:>10}",
        "worker", "1 min", "5 min", "60 min", "accepted", "stale", "rejected", "difficulty"
    ));
    for worker in workers.iter().take(WORKERS_SHOWN) {
        let (shares, rates) = (&worker["shares"], &worker["hashrate"]);
        let away = if number(&worker["connections"]) == 0.0 { " (gone)" } else { "" };
        lines.push(format!(
            "{:<46} {:>11} {:>11} {:>11} {:>9} {:>6} {:>8} {:>10.3e}",
            format!("{}{away}", text(&worker["worker"])),
            rate(&rates["1m"]),
            rate(&rates["5m"]),
            rate(&rates["60m"]),
            shares["accepted"].to_string(),
            shares["stale"].to_string(),
            shares["rejected"].to_string(),
            number(&worker["difficulty"]),
        ));
    }
    if workers.len() > WORKERS_SHOWN {
        lines.push(format!("and {} more", workers.len() - WORKERS_SHOWN));
    }
    let mut users = list(&info["users"]);
    users.sort_by(|one, other| number(&other["share"]).total_cmp(&number(&one["share"])));
    lines.push(String::new());
    lines.push(format!("{:<46} {:>14} {:>20}", "user", "next block", "owed"));
    for user in users.iter().take(USERS_SHOWN) {
        let (share, balance) = (number(&user["share"]) * 100.0, user["balance"].to_string());
        lines.push(format!("{:<46} {share:>12.2} % {balance:>20}", text(&user["address"])));
    }
    lines.push(String::new());
    lines.push(format!("{} blocks found", info["blocks_found"]));
    for block in list(&info["blocks"]).iter().take(BLOCKS_SHOWN) {
        let place = if block["in_chain"] == json!(true) { "" } else { "  (not in the chain)" };
        lines.push(format!(
            "{:>8}  {}  by {}{place}",
            block["height"].to_string(),
            text(&block["hash"]),
            text(&block["worker"])
        ));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_rates_have_three_or_four_digits() {
        for (rate, text) in [
            (0.0, "0 H/s"),
            (999.0, "999 H/s"),
            (1_000.0, "1.0 kH/s"),
            (12_345_678.0, "12.3 MH/s"),
            (1e22, "10000.0 EH/s"),
        ] {
            assert_eq!(hash_rate(rate), text);
        }
    }

    #[test]
    fn an_answer_without_anything_is_shown() {
        let shown = lines(&json!({}));
        assert!(shown.iter().any(|line| line.contains("no job yet")), "{shown:?}");
    }
}
