//! What the nodes' miners are told while they run: how fast, paying whom, and whether they stand still.

use super::{Cluster, accounts};
use crate::clock::Stopwatch;
use crate::error::usage;
use anyhow::{Context as _, Result, anyhow};
use chain_spec::Address;
use serde_json::{Value, json};
use std::time::Duration;

/// A node that does not say within this time whether its miner stands still is left as the plan has it, milliseconds.
const ASK_TIMEOUT_MS: u64 = 2_000;

/// Mining blocks at once may take as long as their work does, milliseconds.
const MINE_TIMEOUT_MS: u64 = 60 * 60 * 1_000;
/// The other nodes have a block this soon after it was made, milliseconds.
const SPREAD_WAIT_MS: u64 = 10_000;
/// Between two looks whether they do, milliseconds.
const SPREAD_LOOK_MS: u64 = 20;

/// Blocks that a node made at once.
#[derive(Clone, Debug)]
pub struct Mined {
    /// Their hashes, the lowest first.
    pub hashes: Vec<String>,
    /// The height of the last one.
    pub height: u64,
    /// The address they pay.
    pub address: String,
    /// Running nodes that can be reached and do not have the last one after a while; normally none.
    pub missing: Vec<String>,
}

impl Cluster {
    /// Has a node make blocks at once, paying an account or address (the node's own account unless given), and waits until
    /// the others have them.
    ///
    /// # Errors
    /// The node is unknown or does not run, or `to` is neither an account nor an address of this chain.
    pub fn mine(&self, name: &str, blocks: u32, to: Option<&str>) -> Result<Mined> {
        let client = self.client(name)?;
        let address = self.mine_to(name, to)?;
        let hashes = client.call_within("generatetoaddress", json!([blocks, address]), MINE_TIMEOUT_MS)?;
        let hashes: Vec<String> = serde_json::from_value(hashes).context("generatetoaddress gave no list of hashes")?;
        let last = hashes.last().ok_or_else(|| anyhow!("{name} ended before it had made a block"))?;
        let height = client.call("getblockheader", json!([last]))?["height"].as_u64().unwrap_or(0);
        let waiting = Stopwatch::start();
        let missing = loop {
            let having = self.ask_all(|client| client.call("getblockheader", json!([last])).ok());
            let lacks = |other: &String| !having.contains_key(other) && !self.state.plan.separated(name, other);
            let missing: Vec<String> = self.alive().into_iter().filter(lacks).collect();
            if missing.is_empty() || waiting.elapsed() > Duration::from_millis(SPREAD_WAIT_MS) {
                break missing;
            }
            std::thread::sleep(Duration::from_millis(SPREAD_LOOK_MS));
        };
        Ok(Mined { hashes, height, address, missing })
    }

    /// The address of whoever shall be paid. A node that never mined has no account; the first one there is stands in.
    fn mine_to(&self, name: &str, to: Option<&str>) -> Result<String> {
        let own = || accounts::exists(&self.directory, name).then(|| name.to_owned());
        let account = match to {
            Some(to) if accounts::exists(&self.directory, to) => to.to_owned(),
            Some(to) => {
                let address = Address::parse(to, &self.spec);
                let known = || accounts::names(&self.directory).map(|names| names.join(", ")).unwrap_or_default();
                let refuse = |error| usage(format!("{to:?} is no account ({}) and no address: {error}", known()));
                return address.map(|address| address.to_string()).map_err(refuse);
            }
            None => own().unwrap_or_else(|| accounts::NAMES[0].to_owned()),
        };
        Ok(accounts::open(&self.directory, &account)?.address()?.to_string())
    }

    /// Tells every running node what the plan says about its mining.
    pub(super) fn apply_mining(&self) -> Result<()> {
        for name in self.alive() {
            let (plan, record) = self.node(&name)?;
            // A strategy steers its own miner; a node that never mined has nothing to be told.
            let has_mined = record.payout.is_some();
            if !plan.strategy.is_empty() || !has_mined {
                continue;
            }
            let order = match plan.share {
                0.0 => json!({ "paused": true }),
                _ => json!({
                    "paused": plan.paused,
                    "hashrate": self.hashes_per_second(plan.share),
                    "address": record.payout,
                    "threads": plan.threads,
                }),
            };
            self.client(&name)?.call("setmining", order).with_context(|| format!("cannot change how {name} mines"))?;
        }
        Ok(())
    }

    /// Has nodes whose miners stood still start with them standing still. They were started without one.
    pub(super) fn pause_started(&self, names: &[String]) -> Result<()> {
        let paused = |name: &&String| self.state.plan.node(name).is_some_and(|plan| plan.paused && plan.share > 0.0);
        if names.iter().any(|name| paused(&name)) { self.apply_mining() } else { Ok(()) }
    }

    /// Takes note of which running nodes' miners stand still, so that they do again when they are next started.
    pub fn note_paused(&mut self) {
        let paused = self.ask_all(|client| {
            let info: Value = client.call_within("getmininginfo", json!([]), ASK_TIMEOUT_MS).ok()?;
            info["miner"]["paused"].as_bool()
        });
        for node in self.state.plan.nodes.iter_mut().filter(|node| node.share > 0.0) {
            if let Some(paused) = paused.get(&node.name) {
                node.paused = *paused;
            }
        }
    }

    /// A share in hashes per second: 1 at least, for 0 is no limit.
    pub(super) fn hashes_per_second(&self, share: f64) -> u64 {
        (share * self.state.plan.hashrate).round().max(1.0) as u64
    }
}
