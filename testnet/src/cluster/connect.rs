//! Joining nodes up by `addnode`, and making their links slow, lossy or severed by `setlink`.

use super::Cluster;
use super::state::NodeRecord;
use crate::clock::Stopwatch;
use crate::plan::Plan;
use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use wallet::{Client, ClientError};

/// Nodes that were told to connect have this long to do it, milliseconds.
const CONNECT_WAIT_MS: u64 = 10_000;
/// Between two looks at a node's connections, milliseconds.
const CONNECT_LOOK_MS: u64 = 4;

/// Bitcoin Core's code for `addnode … add` of a node that was added before.
const ALREADY_ADDED: i64 = -23;

/// What is to be done at nodes, by name.
type Work<T> = BTreeMap<String, Vec<T>>;

/// One node shall be connected to another.
struct Dial {
    /// Where the other is.
    address: String,
    /// Where it was before it was started again, if that is elsewhere.
    moved_from: Option<String>,
}

impl Dial {
    fn make(&self, client: &Client) -> Result<(), ClientError> {
        let addnode = |address: &str, command: &str| client.call("addnode", json!([address, command])).map(drop);
        if let Some(old) = &self.moved_from {
            // A node that was started again itself does not know of it.
            let _ = addnode(old, "remove");
        }
        match addnode(&self.address, "add") {
            Err(error) if error.rpc_code() == Some(ALREADY_ADDED) => {
                // It redials by itself in a while; this makes it now. If they are connected already, all the better.
                let _ = addnode(&self.address, "onetry");
                Ok(())
            }
            other => other,
        }
    }
}

impl Cluster {
    /// Where nodes can be dialled, by name.
    pub(super) fn addresses(&self) -> BTreeMap<String, String> {
        let first = |(name, record): (&String, &NodeRecord)| Some((name.clone(), record.p2p.first()?.clone()));
        self.state.nodes.iter().filter_map(first).collect()
    }

    /// Joins `names` up with each other and with the nodes that run, and waits until they are; `before` is where nodes were.
    /// Gives those that still lack peers.
    pub(super) fn connect(&self, names: &[String], before: &BTreeMap<String, String>) -> Result<Vec<String>> {
        // Links first: nothing may slip through before a partition or a delay is in place.
        self.apply_links(None)?;
        let (alive, now) = (self.alive(), self.addresses());
        let mut dials: Work<Dial> = Work::new();
        for (a, b) in self.state.plan.dials() {
            let concerned = names.contains(&a) || names.contains(&b);
            let reachable = alive.contains(&a) && alive.contains(&b) && !self.state.plan.separated(&a, &b);
            if let Some(address) = now.get(&b).filter(|_| concerned && reachable) {
                let moved_from = before.get(&b).filter(|old| *old != address).cloned();
                dials.entry(a).or_default().push(Dial { address: address.clone(), moved_from });
            }
        }
        self.at_all(dials, |client, dial| dial.make(client))?;
        self.wait_connected(names)
    }

    /// After links or nodes changed: drops the links that only the plan `before` had, dials those that there are now, and waits
    /// until every running node has its peers. Gives those that still lack some.
    pub(super) fn rejoin(&self, before: &Plan) -> Result<Vec<String>> {
        let now = self.addresses();
        let dials = self.state.plan.dials();
        let mut gone: Work<String> = Work::new();
        for (a, b) in before.dials().into_iter().filter(|dial| !dials.contains(dial)) {
            if let Some(address) = now.get(&b).filter(|_| self.alive().contains(&a)) {
                gone.entry(a).or_default().push(address.clone());
            }
        }
        self.at_all(gone, |client, address| {
            // A node that was started again itself does not know of it, and a partition may have cut it already.
            let _ = client.call("addnode", json!([address, "remove"]));
            let _ = client.call("disconnectnode", json!([address]));
            Ok(())
        })?;
        self.connect(&self.alive(), &now)
    }

    /// Has all running nodes stop dialling a node that is gone.
    pub(super) fn forget_address(&self, address: Option<&str>) {
        let Some(address) = address else { return };
        self.ask_all(|client| client.call("addnode", json!([address, "remove"])).ok());
    }

    /// Sets the conditions of every link that is not perfect, and of those that were otherwise in the plan `before`.
    pub(super) fn apply_links(&self, before: Option<&Plan>) -> Result<()> {
        let plan = &self.state.plan;
        let conditions = |plan: &Plan, a: &str, b: &str| (plan.link(a, b), plan.separated(a, b));
        let perfect = Default::default();
        let mut calls: Work<Value> = Work::new();
        let alive = self.alive();
        for a in &alive {
            for b in plan.nodes.iter().map(|node| &node.name).filter(|b| *b != a) {
                let (now, then) = (conditions(plan, a, b), before.map_or(perfect, |before| conditions(before, a, b)));
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
                calls.entry(a.clone()).or_default().push(parameters);
            }
        }
        self.at_all(calls, |client, parameters| client.call("setlink", parameters.clone()).map(drop))
    }

    /// Does work at several nodes at once, in order at each.
    fn at_all<T: Sync>(
        &self,
        work: Work<T>,
        one: impl Fn(&Client, &T) -> Result<(), ClientError> + Sync,
    ) -> Result<()> {
        let clients: BTreeMap<&String, Client> =
            work.keys().map(|name| Ok((name, self.client(name)?))).collect::<Result<_>>()?;
        let at = |name: &String, items: &[T]| -> Result<()> {
            let client = &clients[name];
            items.iter().try_for_each(|item| one(client, item)).with_context(|| format!("cannot connect {name}"))
        };
        std::thread::scope(|scope| {
            let at = &at;
            let workers: Vec<_> = work.iter().map(|(name, items)| scope.spawn(move || at(name, items))).collect();
            let mut results = workers
                .into_iter()
                .map(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            results.try_for_each(|result| result)
        })
    }

    /// Whether each of `names` is connected to the neighbours it can reach.
    pub(super) fn are_connected(&self, names: &[String]) -> Result<bool> {
        Ok(self.wanted_peers(names)?.iter().all(|(_, client, wanted)| has_peers(client, wanted)))
    }

    /// The peers that each of `names` can have now, by peer id, and how it is asked for them.
    fn wanted_peers(&self, names: &[String]) -> Result<Vec<(String, Client, BTreeSet<String>)>> {
        let alive = self.alive();
        let dials = self.state.plan.dials();
        let mut all = Vec::new();
        for name in names.iter().filter(|name| alive.contains(name)) {
            let neighbours = dials.iter().filter_map(|(a, b)| match (a == name, b == name) {
                (true, false) => Some(b),
                (false, true) => Some(a),
                _ => None,
            });
            let reachable = neighbours.filter(|other| alive.contains(other) && !self.state.plan.separated(name, other));
            let peers = reachable.filter_map(|other| Some(self.state.nodes.get(other)?.peer_id()?.to_owned()));
            all.push((name.clone(), self.client(name)?, peers.collect()));
        }
        Ok(all)
    }

    /// Waits until each of `names` is connected to the neighbours it can reach.
    fn wait_connected(&self, names: &[String]) -> Result<Vec<String>> {
        let waiting = Stopwatch::start();
        let mut missing = self.wanted_peers(names)?;
        loop {
            missing.retain(|(_, client, wanted)| !has_peers(client, wanted));
            if missing.is_empty() || waiting.elapsed() > Duration::from_millis(CONNECT_WAIT_MS) {
                return Ok(missing.into_iter().map(|(name, _, _)| name).collect());
            }
            std::thread::sleep(Duration::from_millis(CONNECT_LOOK_MS));
        }
    }
}

/// Whether a node is connected to all of `wanted`, by peer id. The count is asked first: it costs a node less.
fn has_peers(client: &Client, wanted: &BTreeSet<String>) -> bool {
    let count = client.call("getconnectioncount", json!([])).ok().and_then(|count| count.as_u64()).unwrap_or(0);
    if count < wanted.len() as u64 {
        return false;
    }
    let peers = client.call("getpeerinfo", json!([])).unwrap_or_default();
    let connected: BTreeSet<&str> =
        peers.as_array().into_iter().flatten().filter_map(|peer| peer["peerid"].as_str()).collect();
    wanted.iter().all(|peer| connected.contains(peer.as_str()))
}
