//! Who may reach whom, and how many nodes may be taken away at once.

use super::workload::Group;
use super::{labels, metadata, node_label};
use crate::export::network::{ExportedNetwork, P2P_PORT, RPC_PORT};
use serde_json::{Value, json};

/// What Jobs that call nodes are labelled.
pub const CLIENT: &str = "client";

/// Nodes reach nodes, Jobs reach nodes' JSON-RPC, everybody the name service, and nothing else is reached.
pub fn network_policies(network: &ExportedNetwork) -> [Value; 2] {
    let tcp = |port: u16| json!([{ "protocol": "TCP", "port": port }]);
    let name_service = json!({ "ports": [{ "protocol": "UDP", "port": 53 }, { "protocol": "TCP", "port": 53 }] });
    let nodes = json!([{ "podSelector": { "matchLabels": node_label(network) } }]);
    let clients = json!([{ "podSelector": { "matchLabels": labels(network, CLIENT) } }]);
    let policy = |name: &str, selector: Value, ingress: Value, egress: Value| {
        json!({
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": metadata(network, name, "policy"),
            "spec": {
                "podSelector": { "matchLabels": selector },
                "policyTypes": ["Ingress", "Egress"],
                "ingress": ingress,
                "egress": egress,
            },
        })
    };
    let to_nodes = json!([{ "to": nodes, "ports": tcp(P2P_PORT) }, name_service]);
    let from_both = json!([{ "from": nodes, "ports": tcp(P2P_PORT) }, { "from": clients, "ports": tcp(RPC_PORT) }]);
    [
        policy("nodes", node_label(network), from_both, to_nodes),
        policy(
            CLIENT,
            labels(network, CLIENT),
            json!([]),
            json!([{ "to": nodes, "ports": tcp(RPC_PORT) }, name_service]),
        ),
    ]
}

/// One node of a role at a time is moved elsewhere by whoever maintains the cluster.
pub fn disruption_budget(network: &ExportedNetwork, group: &Group<'_>) -> Value {
    json!({
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata(network, &group.name, &group.name),
        "spec": { "maxUnavailable": 1, "selector": { "matchLabels": labels(network, &group.name) } },
    })
}
