//! What is done once with a network that runs: links put into force, a scenario played.
//!
//! The image has no shell, so each command of a scenario is a container of its own: those before the last run first, one after
//! the other (init containers), and share the directory in which `testoon attach` remembers the network.

use super::policy::CLIENT;
use super::{
    CONFIG_MAP, NETWORK, NETWORK_SECRET, container_security, escaped, labels, metadata, password, pod_security,
};
use crate::export::network::{CONFIG, ExportedNetwork};
use serde_json::{Value, json};

/// Where the Jobs' containers share what they know of the network.
const WORK: &str = "/work";
/// How long a Job waits for the nodes, seconds: their images may have to be fetched first.
const WAIT_S: u64 = 300;
/// What is played unless told otherwise.
const SCENARIO: [&str; 6] = ["pay", "alice", "bob", "1", "--wait", "1"];

/// The Job that puts link conditions and partition into force, and ends.
pub fn links(network: &ExportedNetwork) -> Value {
    job(network, "links", &[attach()])
}

/// The Job that attaches to the network and plays its scenario.
pub fn scenario(network: &ExportedNetwork) -> Value {
    let mut commands = vec![attach()];
    match network.options.scenario.as_slice() {
        [] => commands.push(SCENARIO.map(str::to_owned).to_vec()),
        given => commands.extend(given.iter().cloned()),
    }
    job(network, "scenario", &commands)
}

fn attach() -> Vec<String> {
    let file = format!("{NETWORK}/network.toml");
    ["attach", &file, "--wait", &format!("{WAIT_S}s")].map(str::to_owned).to_vec()
}

fn job(network: &ExportedNetwork, name: &str, commands: &[Vec<String>]) -> Value {
    let mut containers: Vec<Value> =
        commands.iter().enumerate().map(|(index, command)| container(network, index, command)).collect();
    let last = containers.pop();
    let volumes = json!([
        { "name": "config", "configMap": { "name": CONFIG_MAP } },
        { "name": "network", "secret": { "secretName": NETWORK_SECRET } },
        { "name": "work", "emptyDir": { "sizeLimit": "64Mi" } },
    ]);
    json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata(network, name, CLIENT),
        "spec": {
            // A payment that was sent is not sent again: only `links` may be repeated.
            "backoffLimit": if commands.len() > 1 { 0 } else { 4 },
            "template": {
                "metadata": { "labels": labels(network, CLIENT) },
                "spec": {
                    "automountServiceAccountToken": false,
                    "enableServiceLinks": false,
                    "restartPolicy": "Never",
                    "securityContext": pod_security(),
                    "initContainers": containers,
                    "containers": [last],
                    "volumes": volumes,
                },
            },
        },
    })
}

fn container(network: &ExportedNetwork, index: usize, command: &[String]) -> Value {
    let words: Vec<String> = command.iter().map(|word| escaped(word)).collect();
    json!({
        "name": format!("step{index}"),
        "image": network.options.image,
        "args": words,
        "env": [password(), { "name": "TESTOON_DIR", "value": format!("{WORK}/net") }],
        "resources": {
            "requests": { "cpu": "50m", "memory": "64Mi" },
            "limits": { "cpu": "1", "memory": "512Mi" },
        },
        "securityContext": container_security(),
        "volumeMounts": [
            { "name": "config", "mountPath": CONFIG, "readOnly": true },
            { "name": "network", "mountPath": NETWORK, "readOnly": true },
            { "name": "work", "mountPath": WORK },
        ],
    })
}
