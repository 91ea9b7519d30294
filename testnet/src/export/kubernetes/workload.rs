//! The pods of a network: a StatefulSet for each role, and the Services by which nodes find each other.

use super::{CONFIG_MAP, container_security, escaped, labels, metadata, node_label, password, pod_security};
use crate::export::names::PODS;
use crate::export::network::{CONFIG, DATA, ExportedNetwork, P2P_PORT, RPC_PORT};
use crate::plan::{NodePlan, Plan, Role};
use serde_json::{Value, json};

/// A node may have to flush a large cache when it is stopped, seconds.
const STOP_GRACE_S: u64 = 60;
/// A node that opens a large store answers within this many looks.
const STARTUP_LOOKS: u64 = 60;
/// Between two looks of a probe, seconds.
const PROBE_S: u64 = 5;

/// Nodes of one role with one command line: the pods of one StatefulSet.
pub struct Group<'a> {
    /// The StatefulSet's name: the role, with a number where a role has several command lines.
    pub name: String,
    /// The role.
    pub role: Role,
    /// In the plan's order, which is that of the pods' ordinals.
    pub nodes: Vec<&'a NodePlan>,
}

impl Group<'_> {
    /// The name of the pod that runs a node.
    pub fn pod(&self, index: usize) -> String {
        format!("{}-{index}", self.name)
    }
}

/// The nodes by role, and by command line where a role has several: pods of a StatefulSet have one between them.
pub fn groups(plan: &Plan) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for node in &plan.nodes {
        let fits = |group: &&mut Group<'_>| {
            let first = group.nodes[0];
            let of = |node: &NodePlan| (node.role, node.threads, node.arguments.clone(), node.strategy.clone());
            of(first) == of(node)
        };
        if let Some(group) = groups.iter_mut().find(fits) {
            group.nodes.push(node);
            continue;
        }
        let same_role = groups.iter().filter(|group| group.role == node.role).count();
        let name = match same_role {
            0 => node.role.to_string(),
            more => format!("{}-set{}", node.role, more + 1),
        };
        groups.push(Group { name, role: node.role, nodes: vec![node] });
    }
    groups
}

/// The headless Service of all pods, which their StatefulSets need, and one of each node's own name.
pub fn services(network: &ExportedNetwork, groups: &[Group<'_>]) -> Vec<Value> {
    let service = |name: &str, selector: Value| {
        json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata(network, name, "nodes"),
            "spec": {
                "clusterIP": "None",
                // Peers meet before anybody is ready: a node that catches up is not, and needs them for it.
                "publishNotReadyAddresses": true,
                "selector": selector,
                "ports": [
                    { "name": "p2p", "port": P2P_PORT, "targetPort": "p2p" },
                    { "name": "rpc", "port": RPC_PORT, "targetPort": "rpc" },
                ],
            },
        })
    };
    let mut services = vec![service(PODS, node_label(network))];
    for group in groups {
        for (index, node) in group.nodes.iter().enumerate() {
            let mut selector = node_label(network);
            selector["statefulset.kubernetes.io/pod-name"] = json!(group.pod(index));
            services.push(service(&node.name, selector));
        }
    }
    services
}

/// The StatefulSet of a group.
pub fn stateful_set(network: &ExportedNetwork, group: &Group<'_>) -> Value {
    let mut pod_labels = labels(network, &group.name);
    pod_labels["app.kubernetes.io/part-of"] = json!("nodes");
    let claim = json!({
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": { "name": "data" },
        "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } },
    });
    json!({
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": metadata(network, &group.name, &group.name),
        "spec": {
            "serviceName": PODS,
            "replicas": group.nodes.len(),
            // All at once: a node that catches up would keep those behind it from starting.
            "podManagementPolicy": "Parallel",
            "selector": { "matchLabels": labels(network, &group.name) },
            "template": {
                "metadata": { "labels": pod_labels },
                "spec": pod(network, group),
            },
            "volumeClaimTemplates": [claim],
        },
    })
}

fn pod(network: &ExportedNetwork, group: &Group<'_>) -> Value {
    // Of the group's command line only the configuration differs, by the pod's name, which Kubernetes puts in.
    let command = ExportedNetwork::command(group.nodes[0], "\0");
    let command: Vec<String> = command
        .iter()
        .map(|word| match word.as_str() {
            "\0" => format!("{CONFIG}/$(POD_NAME).toml"),
            word => escaped(word),
        })
        .collect();
    let probe = |path: &str, failures: u64| {
        let get = json!({ "path": path, "port": "rpc" });
        json!({ "httpGet": get, "periodSeconds": PROBE_S, "timeoutSeconds": PROBE_S, "failureThreshold": failures })
    };
    let cores = group.nodes[0].threads + 1;
    let container = json!({
        "name": "node",
        "image": network.options.image,
        "args": command,
        "env": [
            { "name": "POD_NAME", "valueFrom": { "fieldRef": { "fieldPath": "metadata.name" } } },
            password(),
        ],
        "ports": [{ "name": "p2p", "containerPort": P2P_PORT }, { "name": "rpc", "containerPort": RPC_PORT }],
        "startupProbe": probe("/health", STARTUP_LOOKS),
        "livenessProbe": probe("/health", 6),
        "readinessProbe": probe("/ready", 3),
        "resources": {
            "requests": { "cpu": "100m", "memory": "128Mi" },
            "limits": { "cpu": cores.to_string(), "memory": "1Gi" },
        },
        "securityContext": container_security(),
        "volumeMounts": [
            { "name": "config", "mountPath": CONFIG, "readOnly": true },
            { "name": "data", "mountPath": DATA },
        ],
    });
    json!({
        "automountServiceAccountToken": false,
        // Variables such as TESTOON_PORT, made of Services' names, could be taken for a node's options.
        "enableServiceLinks": false,
        "terminationGracePeriodSeconds": STOP_GRACE_S,
        "securityContext": pod_security(),
        "containers": [container],
        "volumes": [{ "name": "config", "configMap": { "name": CONFIG_MAP } }],
    })
}
