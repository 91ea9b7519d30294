//! A network as a Compose project: one service a node.
//!
//! Links that are not perfect are made so by the nodes themselves (`setlink`): an image `FROM scratch` has no `tc`, and a container
//! without capabilities may not use it. A service that ends when it is done, [`LINKS`], tells them.

use super::names::LINKS;
use super::network::{CONFIG, DATA, ExportedNetwork, PASSWORD_VARIABLE, RPC_PORT, USER, Viewpoint};
use super::{ExportedFile, names, yaml};
use crate::error::usage;
use crate::plan::NodePlan;
use anyhow::Result;
use serde_json::{Map, Value, json};

/// The file of a project.
pub const FILE: &str = "compose.yaml";
/// How a network is driven from this machine, in an export's directory.
pub const ATTACH_FILE: &str = "network.toml";
/// The same as [`LINKS`] reads it.
const INSIDE_FILE: &str = "inside.toml";
/// The links' service waits so long for the nodes, seconds.
const LINKS_WAIT_S: u64 = 120;
/// A node may have to flush a large cache when it is stopped, seconds.
const STOP_GRACE_S: u64 = 60;
/// Memory of a node, at most, MiB: its coin cache may take 450.
const MEMORY_MIB: u64 = 1_024;

const COMMENT: &str = "A network of Testoon nodes, written by `testoon export compose`: docs/containers.md.
docker compose up --detach --wait; testoon attach network.toml; docker compose down --volumes";

/// The files of a network's project.
///
/// # Errors
/// Compose would not take a name; the error says which.
pub fn files(network: &ExportedNetwork) -> Result<Vec<ExportedFile>> {
    names::check(names::Engine::Compose, &network.options.name, &network.plan).map_err(usage)?;
    let password = &network.password;
    // The project's name stands here, not in the file: Compose before version 2 refuses it there.
    let variables = format!("COMPOSE_PROJECT_NAME={}\n{PASSWORD_VARIABLE}={password}\n", network.options.name);
    let mut files = vec![
        ExportedFile::new(FILE, yaml::to_yaml(COMMENT, &[project(network)])?),
        ExportedFile::secret(".env", variables),
        ExportedFile::secret(ATTACH_FILE, network.attach_file(Viewpoint::Host, "config/chain.toml")),
        ExportedFile::new("config/chain.toml", network.spec.to_toml()),
    ];
    for node in &network.plan.nodes {
        files.push(ExportedFile::new(format!("config/nodes/{}.toml", node.name), network.configuration(node)?));
    }
    if network.has_conditions() {
        let text = network.attach_file(Viewpoint::Container, "chain.toml");
        files.push(ExportedFile::new(format!("config/{INSIDE_FILE}"), text));
    }
    Ok(files)
}

fn project(network: &ExportedNetwork) -> Value {
    let nodes = &network.plan.nodes;
    let mut services: Map<String, Value> =
        nodes.iter().enumerate().map(|(index, node)| (node.name.clone(), service(network, index, node))).collect();
    if network.has_conditions() {
        services.insert(LINKS.to_owned(), links(network));
    }
    let volumes: Map<String, Value> = nodes.iter().map(|node| (node.name.clone(), json!({}))).collect();
    json!({ "services": services, "volumes": volumes, "networks": { "default": {} } })
}

/// What every container has: no root, no capabilities, a file system that cannot be written.
fn container(network: &ExportedNetwork, command: &[String]) -> Value {
    let command: Vec<String> = command.iter().map(|word| escaped(word)).collect();
    json!({
        "image": network.options.image,
        "command": command,
        "environment": { PASSWORD_VARIABLE: format!("${{{PASSWORD_VARIABLE}:?it is in .env beside this file}}") },
        "user": format!("{USER}:{USER}"),
        "read_only": true,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "mem_limit": format!("{MEMORY_MIB}m"),
    })
}

fn service(network: &ExportedNetwork, index: usize, node: &NodePlan) -> Value {
    let mut service =
        container(network, &ExportedNetwork::command(node, &format!("{CONFIG}/nodes/{}.toml", node.name)));
    let port = network.options.ports.get(index).copied().unwrap_or(0);
    service["hostname"] = json!(node.name);
    service["restart"] = json!("unless-stopped");
    service["stop_grace_period"] = json!(format!("{STOP_GRACE_S}s"));
    service["ports"] = json!([format!("127.0.0.1:{port}:{RPC_PORT}")]);
    service["volumes"] = json!([format!("./config:{CONFIG}:ro"), format!("{}:{DATA}", node.name)]);
    let health = ["CMD", "/testoon", "health", "--rpc", &format!("127.0.0.1:{RPC_PORT}")];
    service["healthcheck"] =
        json!({ "test": health, "interval": "2s", "timeout": "5s", "retries": 15, "start_period": "60s" });
    service
}

/// The service that has the nodes obey links and partition, and ends.
fn links(network: &ExportedNetwork) -> Value {
    let command = ["attach", &format!("{CONFIG}/{INSIDE_FILE}"), "--dir", "/tmp/net", "--wait"];
    let mut command = command.map(str::to_owned).to_vec();
    command.push(format!("{LINKS_WAIT_S}s"));
    let mut service = container(network, &command);
    let healthy = |node: &NodePlan| (node.name.clone(), json!({ "condition": "service_healthy" }));
    service["depends_on"] = Value::Object(network.plan.nodes.iter().map(healthy).collect());
    service["volumes"] = json!([format!("./config:{CONFIG}:ro")]);
    service["tmpfs"] = json!([format!("/tmp:uid={USER},gid={USER},mode=0700,size=64m")]);
    service["restart"] = json!("no");
    service
}

/// A text in which Compose finds no variable.
fn escaped(text: &str) -> String {
    text.replace('$', "$$")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::tests::{ODD, exported, python_reads, text_of};

    #[test]
    fn every_node_is_a_service_that_may_do_nothing_it_need_not() {
        let network = exported(ODD);
        let files = files(&network).unwrap();
        let Some(read) = python_reads(text_of(&files, FILE)) else { return };
        assert_eq!(read, [project(&network)], "YAML says what was meant");
        let services = read[0]["services"].as_object().unwrap();
        assert_eq!(services.keys().collect::<Vec<_>>(), ["on", "n", "e3", "null", "mallory", "links"]);
        for (index, node) in network.plan.nodes.iter().enumerate() {
            let service = &services[&node.name];
            assert_eq!(service["user"], "65532:65532");
            assert_eq!(service["read_only"], true);
            assert_eq!(service["cap_drop"], json!(["ALL"]));
            assert_eq!(service["ports"], json!([format!("127.0.0.1:{}:29742", 18_600 + index)]));
            assert!(service["healthcheck"]["test"].as_array().unwrap().contains(&json!("health")));
            assert!(read[0]["volumes"].as_object().unwrap().contains_key(&node.name));
            let configuration = text_of(&files, &format!("config/nodes/{}.toml", node.name));
            assert!(!configuration.contains(&network.password));
        }
        let command = services["e3"]["command"].as_array().unwrap();
        assert_eq!(command[4], "a:b$$HOME$$(HOME)", "a dollar is a dollar");
        assert!(services["links"].get("ports").is_none());
    }

    #[test]
    fn a_network_with_perfect_links_needs_nobody_to_set_them() {
        let network = exported("[[node]]\nname = \"a\"\nshare = 1.0\n[[node]]\nname = \"b\"\n");
        let project = project(&network);
        assert_eq!(project["services"].as_object().unwrap().keys().collect::<Vec<_>>(), ["a", "b"]);
        let cut = exported("partition = [[\"a\"]]\n[[node]]\nname = \"a\"\nshare = 1.0\n[[node]]\nname = \"b\"\n");
        assert!(super::project(&cut)["services"].get(LINKS).is_some());
    }

    #[test]
    fn secrets_are_in_files_for_the_owner_only() {
        let network = exported(ODD);
        for file in files(&network).unwrap() {
            assert_eq!(file.is_secret, file.text.contains(&network.password), "{}", file.path);
        }
        let plain = exported("[[node]]\nname = \"My_Node\"\n");
        assert!(files(&plain).unwrap_err().to_string().contains("My_Node"));
    }
}
