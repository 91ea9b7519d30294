//! Partitions and link conditions of a running network, read from text and put into force, and its shape as it is.

use super::Cluster;
use crate::error::usage;
use crate::plan::{LinkConditions, Plan};
use anyhow::Result;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// A node by its name, or by number: `2` is `node2` unless a node is called `2`.
pub fn resolve(plan: &Plan, text: &str) -> Result<String> {
    let text = text.trim();
    let numbered = format!("node{text}");
    if plan.node(text).is_none() && plan.node(&numbered).is_some() {
        return Ok(numbered);
    }
    plan.known(text).map_err(usage)?;
    Ok(text.to_owned())
}

/// Reads `a,b|c,d,e`: at least two groups, or one that is cut off from all others.
pub fn parse_groups(plan: &Plan, text: &str) -> Result<Vec<Vec<String>>> {
    let groups: Vec<Vec<String>> = text
        .split('|')
        .map(|group| group.split(',').filter(|name| !name.trim().is_empty()).map(|name| resolve(plan, name)).collect())
        .collect::<Result<_>>()?;
    if groups.iter().any(Vec::is_empty) {
        return Err(usage(format!(
            "{text:?} has an empty group; write groups like 'node0,node1|node2,node3' (in quotes)"
        )));
    }
    let partition = Plan { partition: groups.clone(), ..plan.clone() };
    partition.check().map_err(usage)?;
    let separates = plan.nodes.iter().any(|a| plan.nodes.iter().any(|b| partition.separated(&a.name, &b.name)));
    if separates {
        Ok(groups)
    } else {
        Err(usage(format!("{text:?} separates nobody; every node is in the one group")))
    }
}

/// Reads `a-b`; names may hold `-` themselves.
pub fn parse_link(plan: &Plan, text: &str) -> Result<(String, String)> {
    let splits = text.match_indices('-').map(|(at, _)| (&text[..at], &text[at + 1..]));
    let known =
        splits.filter_map(|(a, b)| Some((resolve(plan, a).ok()?, resolve(plan, b).ok()?))).find(|(a, b)| a != b);
    known.ok_or_else(|| {
        let names: Vec<&str> = plan.nodes.iter().map(|node| node.name.as_str()).collect();
        usage(format!(
            "{text:?} names no link; write two different nodes like node0-node1 (there are {})",
            names.join(", ")
        ))
    })
}

/// Cuts the network into groups.
///
/// Gives the nodes that lack a peer of their own group.
pub fn partition(cluster: &mut Cluster, groups: Vec<Vec<String>>) -> Result<Vec<String>> {
    cluster.change_links(|plan| plan.partition = groups)
}

/// Joins the groups again, and with `links` makes every link perfect. Returns when all nodes have their peers back; gives those
/// that have not.
pub fn heal(cluster: &mut Cluster, links: bool) -> Result<Vec<String>> {
    cluster.change_links(|plan| {
        plan.partition.clear();
        if links {
            plan.links.clear();
        }
    })
}

/// Sets how one link behaves.
pub fn link(cluster: &mut Cluster, (a, b): &(String, String), conditions: LinkConditions) -> Result<()> {
    cluster.change_links(|plan| plan.set_link(a, b, conditions)).map(drop)
}

/// Who is connected to whom at this moment, as the nodes themselves say; by names, peers that are not ours by peer id.
fn connections(cluster: &Cluster) -> BTreeMap<String, BTreeSet<String>> {
    let records = &cluster.state().nodes;
    let name_of = |peer: &str| {
        let ours = records.iter().find(|(_, record)| record.peer_id() == Some(peer));
        ours.map_or_else(|| peer.to_owned(), |(name, _)| name.clone())
    };
    cluster.ask_all(|client| {
        let peers = client.call("getpeerinfo", json!([])).ok()?;
        Some(peers.as_array()?.iter().filter_map(|peer| Some(name_of(peer["peerid"].as_str()?))).collect())
    })
}

/// The shape as JSON: `{"nodes":[{"name","group","peers"}],"links":[{"between","planned","connected","blocked",…conditions}]}`.
///
/// `group` numbers the sides of a partition. Links are those planned, connected, or with conditions.
pub fn topology(cluster: &Cluster) -> Value {
    let plan = &cluster.state().plan;
    let connected = connections(cluster);
    let side = |name: &str| {
        plan.partition.iter().position(|group| group.iter().any(|m| m == name)).unwrap_or(plan.partition.len())
    };
    let nodes: Vec<Value> = plan
        .nodes
        .iter()
        .map(|node| json!({"name": node.name, "group": side(&node.name), "peers": connected.get(&node.name)}))
        .collect();
    let dials = plan.dials();
    let joins = |from: &str, to: &str, a: &str, b: &str| (from == a && to == b) || (from == b && to == a);
    let mut links = Vec::new();
    for (index, a) in plan.nodes.iter().enumerate() {
        for b in &plan.nodes[index + 1..] {
            let planned = dials.iter().any(|(from, to)| joins(from, to, &a.name, &b.name));
            let sees = |a: &str, b: &str| connected.get(a).is_some_and(|peers| peers.contains(b));
            let is_connected = sees(&a.name, &b.name) || sees(&b.name, &a.name);
            let conditions = plan.link(&a.name, &b.name);
            if planned || is_connected || conditions != LinkConditions::default() {
                links.push(json!({
                    "between": [a.name, b.name],
                    "planned": planned,
                    "connected": is_connected,
                    "blocked": plan.separated(&a.name, &b.name),
                    "delay_ms": conditions.delay_ms,
                    "jitter_ms": conditions.jitter_ms,
                    "loss": conditions.loss,
                    "bandwidth": conditions.bandwidth,
                }));
            }
        }
    }
    json!({"nodes": nodes, "links": links})
}

/// The shape for people: one line a link, and the sides of a partition.
pub fn topology_text(cluster: &Cluster) -> String {
    let plan = &cluster.state().plan;
    let value = topology(cluster);
    let mut lines = Vec::new();
    if !plan.partition.is_empty() {
        let sides: Vec<String> = plan.partition.iter().map(|group| group.join(",")).collect();
        lines.push(format!("partition: {}", sides.join(" | ")));
    }
    for link in value["links"].as_array().into_iter().flatten() {
        let (a, b) = (link["between"][0].as_str().unwrap_or(""), link["between"][1].as_str().unwrap_or(""));
        let state = match (link["blocked"] == true, link["connected"] == true) {
            (true, _) => "blocked",
            (false, true) => "connected",
            (false, false) => "not connected",
        };
        lines.push(format!("{:<20} {state:<14} {}", format!("{a}-{b}"), plan.link(a, b)));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::topology::Topology;

    fn plan() -> Plan {
        let mut plan = Plan::standard(5, 1.0, Topology::Mesh);
        plan.nodes[4].name = "the-shop".into();
        plan.edges.clear();
        plan
    }

    #[test]
    fn groups_are_read_by_name_and_number() {
        let groups = parse_groups(&plan(), "node0, 1 | 2,node3,the-shop").unwrap();
        assert_eq!(groups, [vec!["node0", "node1"], vec!["node2", "node3", "the-shop"]]);
        assert_eq!(parse_groups(&plan(), "0").unwrap().len(), 1, "one group is cut off from the rest");
        for (wrong, expected) in [
            ("node0|", "empty group"),
            ("node0|node9", "no node is called \"node9\""),
            ("node0|node0", "two groups"),
            ("0,1,2,3,the-shop", "separates nobody"),
        ] {
            let error = parse_groups(&plan(), wrong).unwrap_err().to_string();
            assert!(error.contains(expected), "{wrong:?}: {error}");
        }
    }

    #[test]
    fn links_are_read_even_between_names_with_dashes() {
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(parse_link(&plan(), "node0-node1").unwrap(), pair("node0", "node1"));
        assert_eq!(parse_link(&plan(), "the-shop-2").unwrap(), pair("the-shop", "node2"));
        for wrong in ["node0", "node0-node0", "node0-x", "-", ""] {
            assert!(parse_link(&plan(), wrong).is_err(), "{wrong:?}");
        }
    }
}
