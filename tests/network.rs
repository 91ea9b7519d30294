//! A network in one command: it starts, it takes in late and returning nodes, and it leaves nothing behind.

use kit::process::{interrupt, is_running};
use kit::{Network, Node, NodeOptions, client_of, eventually, testoon};
use serde_json::{Value, json};
use std::net::TcpListener;
use std::path::Path;

#[test]
fn five_nodes_agree_and_down_leaves_nothing() {
    let network = Network::up(&[]);
    let nodes = network.nodes();
    assert_eq!(nodes.len(), 5, "{nodes:?}");
    for field in ["name", "role", "pid", "rpc", "p2p", "datadir", "height", "tip", "peers", "mempool"] {
        assert!(nodes.iter().all(|node| !node[field].is_null()), "{field} is missing in {nodes:?}");
    }
    let asked: f64 = nodes.iter().map(|node| node["share_asked"].as_f64().expect("a share")).sum();
    assert!((asked - 1.0).abs() < 1e-9, "the shares asked for sum to {asked}");

    let clients = network.clients();
    clients[4].wait_for_height(3);
    let hash = clients[0].call("getblockhash", json!([3]));
    for client in &clients {
        client.wait_for_height(3);
        eventually("all nodes have the same block 3", || {
            (client.call("getblockhash", json!([3])) == hash).then_some(())
        });
        assert!(client.call("getconnectioncount", json!([])).as_u64() > Some(0), "a node without peers");
    }

    let pids: Vec<u64> = nodes.iter().map(|node| node["pid"].as_u64().expect("a pid")).collect();
    assert!(pids.iter().all(|pid| is_running(*pid)));
    assert_eq!(network.run(&["down"]).code, 0);
    for (node, pid) in nodes.iter().zip(pids) {
        assert!(!is_running(pid), "{node} is still running");
        let rpc = node["rpc"].as_str().expect("an address").trim_start_matches("http://").trim_end_matches('/');
        TcpListener::bind(rpc).unwrap_or_else(|error| panic!("the port of {node} is still taken: {error}"));
        let datadir = Path::new(node["datadir"].as_str().expect("a path"));
        assert!(!datadir.join(".cookie").exists(), "a cookie is left in {}", datadir.display());
        assert!(!datadir.join("ready.json").exists(), "ready.json is left in {}", datadir.display());
    }
    // Nothing is running; saying so is not a failure, so that scripts may call it twice.
    assert_eq!(network.run(&["down"]).code, 0);
}

#[test]
fn a_late_node_reaches_the_same_tip_and_coins() {
    let network = Network::up(&["--nodes", "3"]);
    let first = &network.nodes()[0];
    let client = client_of(first);
    client.wait_for_height(4);

    let directory = tempfile::tempdir().expect("a temporary directory");
    let address = first["p2p"].as_str().expect("an address");
    let late = Node::start(NodeOptions::new("local", directory.path()).with("--connect").with(address));
    late.client.wait_for_height(4);
    pause(&network, true);
    eventually("the late node has the others' tip and coins", || {
        (late.client.coins_hash() == client.coins_hash()).then_some(())
    });
    late.stop();
}

#[test]
fn a_node_killed_and_restarted_rejoins() {
    let network = Network::up(&["--nodes", "3"]);
    let directory = tempfile::tempdir().expect("a temporary directory");
    let address = network.nodes()[1]["p2p"].as_str().expect("an address").to_owned();
    let node = Node::start(NodeOptions::new("local", directory.path()).with("--connect").with(address));
    node.client.wait_for_height(2);
    let seen = node.client.height();
    let options = node.kill();

    let client = &network.clients()[1];
    client.wait_for_height(seen + 2);
    let node = Node::start(options);
    assert!(node.client.height() >= seen, "blocks it had reported are lost");
    node.client.wait_for_height(seen + 2);
    pause(&network, true);
    eventually("it is back on the others' tip", || (node.client.coins_hash() == client.coins_hash()).then_some(()));
}

/// Ctrl-C in the foreground ends every node with the launcher.
#[test]
fn an_interrupt_ends_everything() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let net = directory.path().join("net");
    let child = testoon()
        .args(["up", "--nodes", "2", "--dir"])
        .arg(&net)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("the binary under test runs");
    let mut child = Reaped(child);
    let nodes: Vec<Value> = eventually("two nodes are up", || {
        let output = testoon().args(["status", "--json", "--dir"]).arg(&net).output().expect("status runs");
        let status: Value = serde_json::from_slice(output.stdout.split(|byte| *byte == b'\n').next()?).ok()?;
        let nodes = status["nodes"].as_array()?.clone();
        (nodes.len() == 2 && nodes.iter().all(|node| node["height"].is_u64())).then_some(nodes)
    });
    interrupt(child.0.id());
    let status = child.0.wait().expect("a child can be waited for");
    assert_eq!(status.code(), Some(0), "Ctrl-C is the normal end");
    for node in nodes {
        assert!(!is_running(node["pid"].as_u64().expect("a pid")), "{node} is still running");
    }
}

/// Has all miners of a network rest, or go on.
pub fn pause(network: &Network, paused: bool) {
    for client in network.clients() {
        client.call("setmining", json!({"paused": paused}));
    }
}

struct Reaped(std::process::Child);

impl Drop for Reaped {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn nodes_whose_network_is_forgotten_are_found_and_ended() {
    let network = Network::up(&["--nodes", "2"]);
    let pids = |network: &Network| -> Vec<u64> {
        network.nodes().iter().map(|node| node["pid"].as_u64().expect("a pid")).collect()
    };
    let state = network.path().join("network.json");
    let first = pids(&network);
    std::fs::write(&state, "{").expect("it can be damaged");
    assert_eq!(network.run(&["up", "--fresh", "--detach", "--nodes", "2"]).code, 0);
    assert!(first.iter().all(|pid| !is_running(*pid)), "the earlier nodes go on in deleted directories");

    let second = pids(&network);
    let whole = std::fs::read(&state).expect("it is there");
    std::fs::remove_file(&state).expect("it can be lost");
    network.run(&["up", "--detach"]).refuses(1, &["running", "down"]);
    assert_eq!(network.run(&["down"]).code, 0);
    assert!(second.iter().all(|pid| !is_running(*pid)), "down leaves nodes");
    std::fs::write(&state, whole).expect("it can be put back");
}
