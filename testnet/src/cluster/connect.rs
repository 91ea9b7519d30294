//! Joining nodes up by `addnode`, and making their links slow, lossy or severed by `setlink`.

use super::Cluster;
use crate::clock::Stopwatch;
use crate::plan::Plan;
use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use wallet::Client;

/// Nodes that were told to connect have this long to do it, milliseconds.
const CONNECT_WAIT_MS: u64 = 10_000;
/// Between two looks at a node's connections, milliseconds.
const CONNECT_LOOK_MS: u64 = 4;

/// A call to be made at one node.
type Calls = BTreeMap<String, Vec<(&'static str, Value)>>;

impl Cluster {
    /// Joins `names` up with each other and with the nodes that run, and waits until they are; gives those that still lack peers.
    pub(super) fn connect(&self, names: &[String]) -> Result<Vec<String>> {
        // Links first: nothing may slip through before a partition or a delay is in place.
        self.apply_links(None)?;
        let alive = self.alive();
        let mut calls = Calls::new();
        for (a, b) in &self.state.plan.edges {
            let concerned = names.contains(a) || names.contains(b);
            if concerned && alive.contains(a) && alive.contains(b) {
                if let Some(address) = self.state.nodes[b].p2p.first() {
                    calls.entry(a.clone()).or_default().push(("addnode", json!([address, "add"])));
                }
            }
        }
        self.call_all(calls)?;
        self.wait_connected(names)
    }

    /// Sets the conditions of every link that is not perfect, and of those that were otherwise in the plan `before`.
    pub(super) fn apply_links(&self, before: Option<&Plan>) -> Result<()> {
        let plan = &self.state.plan;
        let wish = |plan: &Plan, a: &str, b: &str| (plan.link(a, b), plan.separated(a, b));
        let perfect = Default::default();
        let mut calls = Calls::new();
        let alive = self.alive();
        for a in &alive {
            for b in plan.nodes.iter().map(|node| &node.name).filter(|b| *b != a) {
                let (now, then) = (wish(plan, a, b), before.map_or(perfect, |before| wish(before, a, b)));
                let Some(peer) = self.state.nodes.get(b).and_then(|record| record.peer_id()).filter(|_| now != then)
                else {
                    continue;
                };
                let (link, blocked) = now;
                let parameters = json!({
                    "peer": peer,
                    "delay_ms": link.delay_ms,
                    "jitter_ms": link.jitter_ms,
                    "loss": link.loss,
                    "bandwidth": link.bandwidth,
                    "blocked": blocked,
                });
                calls.entry(a.clone()).or_default().push(("setlink", parameters));
            }
        }
        self.call_all(calls)
    }

    /// Makes calls at several nodes at once, in order at each.
    fn call_all(&self, calls: Calls) -> Result<()> {
        let clients: BTreeMap<String, Client> =
            calls.keys().map(|name| Ok((name.clone(), self.client(name)?))).collect::<Result<_>>()?;
        std::thread::scope(|scope| {
            let workers: Vec<_> = calls
                .iter()
                .map(|(name, calls)| {
                    let client = &clients[name];
                    scope.spawn(move || {
                        calls.iter().try_for_each(|(method, parameters)| {
                            client
                                .call(method, parameters.clone())
                                .map(drop)
                                .with_context(|| format!("{method} at {name}"))
                        })
                    })
                })
                .collect();
            workers
                .into_iter()
                .try_for_each(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        })
    }

    /// Waits until each of `names` has as many peers as it has neighbours it can reach.
    fn wait_connected(&self, names: &[String]) -> Result<Vec<String>> {
        let alive = self.alive();
        let waiting = Stopwatch::start();
        let mut missing: Vec<(&String, Client, usize)> = Vec::new();
        for name in names.iter().filter(|name| alive.contains(name)) {
            let neighbours = self.state.plan.neighbours(name);
            let reachable = neighbours
                .filter(|other| alive.iter().any(|alive| alive == other) && !self.state.plan.separated(name, other));
            missing.push((name, self.client(name)?, reachable.count()));
        }
        loop {
            missing.retain(|(_, client, wanted)| {
                let connections = client.call("getconnectioncount", json!([]));
                connections.ok().and_then(|count| count.as_u64()).unwrap_or(0) < *wanted as u64
            });
            if missing.is_empty() || waiting.elapsed() > Duration::from_millis(CONNECT_WAIT_MS) {
                return Ok(missing.into_iter().map(|(name, _, _)| name.clone()).collect());
            }
            std::thread::sleep(Duration::from_millis(CONNECT_LOOK_MS));
        }
    }
}
