//! A network as Kubernetes manifests: a StatefulSet for each role, a Service for each node, and Jobs.
//!
//! Nodes dial each other by name: beside the headless Service of all pods, each node has a headless one of its own, so that the
//! network's configuration is the same as with Compose. Links are made slow or lossy by the nodes themselves, told by a Job.
//! [`workload`] makes the StatefulSets, [`job`] the Jobs, [`policy`] who may reach whom.

mod job;
mod policy;
mod workload;

use super::network::{CONFIG, ExportedNetwork, PASSWORD_VARIABLE, USER, Viewpoint};
use super::{ExportedFile, names, yaml};
use crate::error::usage;
use anyhow::Result;
use serde_json::{Map, Value, json};
use workload::Group;

/// Where the network file is mounted in Jobs.
const NETWORK: &str = "/network";
/// The ConfigMap and the Secrets.
const CONFIG_MAP: &str = "config";
const RPC_SECRET: &str = "rpc";
const NETWORK_SECRET: &str = "network";
/// Bytes of a ConfigMap's data, at most (its documentation).
const CONFIG_MAP_BYTES_MAX: usize = 1 << 20;

const COMMENT: &str = "A network of Testoon nodes, written by `testoon export kubernetes`: docs/containers.md.";

/// The files of a network's manifests; `manifests/` is applied as a whole, the scenario when it is wanted.
///
/// # Errors
/// Kubernetes would not take a name, or the configurations exceed what a ConfigMap holds; the error says which.
pub fn files(network: &ExportedNetwork) -> Result<Vec<ExportedFile>> {
    names::check(names::Engine::Kubernetes, &network.options.name, &network.plan).map_err(usage)?;
    let groups = workload::groups(&network.plan);
    let configuration = config_map(network, &groups)?;
    let sets: Vec<Value> = groups.iter().map(|group| workload::stateful_set(network, group)).collect();
    let budgets: Vec<Value> = groups.iter().map(|group| policy::disruption_budget(network, group)).collect();
    let mut files = Vec::new();
    let mut put = |path: &str, documents: &[Value], is_secret: bool| -> Result<()> {
        let text = yaml::to_yaml(COMMENT, documents)?;
        files.push(ExportedFile { path: path.to_owned(), text, is_secret });
        Ok(())
    };
    put("manifests/00-namespace.yaml", &[namespace(network)], false)?;
    put("manifests/10-config.yaml", &[configuration], false)?;
    put("manifests/11-secrets.yaml", &secrets(network), true)?;
    put("manifests/20-services.yaml", &workload::services(network, &groups), false)?;
    put("manifests/30-policies.yaml", &policy::network_policies(network), false)?;
    put("manifests/31-budgets.yaml", &budgets, false)?;
    put("manifests/40-nodes.yaml", &sets, false)?;
    if network.has_conditions() {
        put("manifests/50-links.yaml", &[job::links(network)], false)?;
    }
    put("scenario.yaml", &[job::scenario(network)], false)?;
    Ok(files)
}

/// An object's `metadata`.
fn metadata(network: &ExportedNetwork, name: &str, component: &str) -> Value {
    json!({ "name": name, "namespace": network.options.name, "labels": labels(network, component) })
}

/// The recommended labels; by them Services, policies and budgets find their pods.
fn labels(network: &ExportedNetwork, component: &str) -> Value {
    json!({
        "app.kubernetes.io/name": "testoon",
        "app.kubernetes.io/instance": network.options.name,
        "app.kubernetes.io/component": component,
    })
}

/// The label that every node's pod has, and no Job's.
fn node_label(network: &ExportedNetwork) -> Value {
    json!({ "app.kubernetes.io/instance": network.options.name, "app.kubernetes.io/part-of": "nodes" })
}

fn namespace(network: &ExportedNetwork) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": network.options.name,
            "labels": { "pod-security.kubernetes.io/enforce": "restricted" },
        },
    })
}

/// The chain's spec with its genesis block, and every node's configuration under its pod's name.
fn config_map(network: &ExportedNetwork, groups: &[Group<'_>]) -> Result<Value> {
    let mut data = Map::new();
    data.insert("chain.toml".to_owned(), json!(network.spec.to_toml()));
    for group in groups {
        for (index, node) in group.nodes.iter().enumerate() {
            data.insert(format!("{}.toml", group.pod(index)), json!(network.configuration(node)?));
        }
    }
    let bytes: usize = data.iter().map(|(key, text)| key.len() + text.as_str().map_or(0, str::len)).sum();
    if bytes > CONFIG_MAP_BYTES_MAX {
        return Err(usage(format!(
            "chain {:?} and the nodes' configurations take {bytes} bytes, and a ConfigMap holds {CONFIG_MAP_BYTES_MAX}; use fewer nodes or \
             links, or a smaller genesis block",
            network.spec.name
        )));
    }
    let metadata = metadata(network, CONFIG_MAP, "config");
    Ok(json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data }))
}

/// The password for nodes and Jobs; the network file, with the miners' words, for Jobs only.
fn secrets(network: &ExportedNetwork) -> [Value; 2] {
    let secret = |name: &str, data: Value| {
        let metadata = metadata(network, name, "config");
        json!({ "apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "stringData": data })
    };
    let file = network.attach_file(Viewpoint::ContainerWithWords, &format!("{CONFIG}/chain.toml"));
    [
        secret(RPC_SECRET, json!({ "password": network.password })),
        secret(NETWORK_SECRET, json!({ "network.toml": file })),
    ]
}

/// What a pod may do: nothing that needs more than the "restricted" standard allows.
pub(super) fn pod_security() -> Value {
    json!({
        "runAsNonRoot": true,
        "runAsUser": USER,
        "runAsGroup": USER,
        "fsGroup": USER,
        "seccompProfile": { "type": "RuntimeDefault" },
    })
}

/// The same for a container.
pub(super) fn container_security() -> Value {
    json!({
        "allowPrivilegeEscalation": false,
        "readOnlyRootFilesystem": true,
        "capabilities": { "drop": ["ALL"] },
    })
}

/// The password as a container's variable.
fn password() -> Value {
    let from = json!({ "secretKeyRef": { "name": RPC_SECRET, "key": "password" } });
    json!({ "name": PASSWORD_VARIABLE, "valueFrom": from })
}

/// A text in which Kubernetes finds no variable.
fn escaped(text: &str) -> String {
    text.replace("$(", "$$(")
}

#[cfg(test)]
mod tests;
