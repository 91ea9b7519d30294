//! `testoon wait`: until a network has come to where a script needs it.

use super::Common;
use crate::clock::Stopwatch;
use crate::cluster::Cluster;
use crate::error::usage;
use crate::observer::condition::{Condition, Progress};
use crate::output::line;
use crate::plan::units;
use anyhow::{Result, bail};
use clap::Args;
use clap::builder::BoolishValueParser;
use serde_json::json;
use std::time::Duration;

/// Between two looks at the nodes, milliseconds.
const LOOK_MS: u64 = 50;

#[derive(Debug, Args)]
pub struct WaitArgs {
    /// Until every running node has reached this height
    #[arg(long, env = "TESTOON_WAIT_HEIGHT", value_name = "HEIGHT")]
    height: Option<u64>,
    /// Until all running nodes have the same tip
    #[arg(long, env = "TESTOON_WAIT_TIP_EQUAL", value_parser = BoolishValueParser::new())]
    tip_equal: bool,
    /// Until every running node's mempool holds this transaction, or this many transactions
    #[arg(long, env = "TESTOON_WAIT_MEMPOOL", value_name = "TXID|N")]
    mempool: Option<String>,
    /// Until this transaction is in the chain of every running node
    #[arg(long, env = "TESTOON_WAIT_CONFIRMED", value_name = "TXID")]
    confirmed: Option<String>,
    /// For --confirmed: that many blocks, its own included
    #[arg(long, env = "TESTOON_WAIT_CONFIRMATIONS", value_name = "K", default_value_t = 1, requires = "confirmed")]
    confirmations: u64,
    /// Give up, with exit code 1, after this time
    #[arg(long, env = "TESTOON_WAIT_TIMEOUT", value_name = "TIME", value_parser = units::duration_ms, default_value = "60s")]
    timeout: u64,
}

impl WaitArgs {
    fn conditions(&self) -> Result<Vec<Condition>> {
        let mut conditions = Vec::new();
        conditions.extend(self.height.map(Condition::Height));
        conditions.extend(self.tip_equal.then_some(Condition::TipEqual));
        if let Some(text) = &self.mempool {
            conditions.push(Condition::mempool(text).map_err(usage)?);
        }
        if let Some(txid) = &self.confirmed {
            conditions.push(Condition::confirmed(txid, self.confirmations).map_err(usage)?);
        }
        if conditions.is_empty() {
            return Err(usage("say what to wait for: --height, --tip-equal, --mempool or --confirmed"));
        }
        Ok(conditions)
    }
}

pub fn run(common: &Common, arguments: &WaitArgs) -> Result<()> {
    let mut progress: Vec<Progress> = arguments.conditions()?.into_iter().map(Progress::new).collect();
    let mut cluster = Cluster::open_running(common.directory()?)?;
    let waiting = Stopwatch::start();
    loop {
        // All must hold in one look: a tip that was equal may have split while a height was waited for.
        let missing: Vec<String> = progress.iter_mut().filter_map(|condition| condition.missing(&cluster)).collect();
        if missing.is_empty() {
            let seconds = (waiting.seconds() * 1e3).round() / 1e3;
            if common.json {
                line(json!({ "waited": true, "seconds": seconds }));
            } else {
                line(format_args!("Every running node is there after {seconds:.1} s."));
            }
            return Ok(());
        }
        if waiting.elapsed() > Duration::from_millis(arguments.timeout) {
            bail!("after {:.1} s {}", waiting.seconds(), missing.join("; "));
        }
        std::thread::sleep(Duration::from_millis(LOOK_MS));
        cluster.reload()?;
        if cluster.alive().is_empty() {
            bail!("no node runs any more; see `testoon logs{}`", cluster.directory().flag());
        }
    }
}
