//! How fast things start, and what they cost while nothing happens: a node to RPC, a network of five, an idle node.

use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use testoon_benches::{median, now, process_cpu_seconds, process_resident_bytes};

const ROUNDS: usize = 5;
/// How long an idle node is watched, seconds.
const IDLE_S: u64 = 20;

fn testoon() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_testoon-under-bench"));
    command.stdin(Stdio::null()).stderr(Stdio::null());
    command
}

fn main() {
    let nodes = (0..ROUNDS).map(|_| node_to_rpc(0)).collect();
    println!("fresh node to RPC-ready: {:.3} s", median(nodes));
    node_to_rpc(IDLE_S);
    let networks = (0..ROUNDS).map(|_| network()).collect();
    println!("five nodes connected and RPC-ready: {:.3} s", median(networks));
}

/// Starts a fresh node; with `idle_s`, also watches it doing nothing.
fn node_to_rpc(idle_s: u64) -> f64 {
    let place = tempfile::tempdir().expect("a temporary directory");
    let started = now();
    let mut child = testoon()
        .args([
            "node",
            "--chain",
            "local",
            "--rpc-listen",
            "127.0.0.1:0",
            "--p2p-listen",
            "127.0.0.1:0",
            "--no-discover",
        ])
        .arg("--datadir")
        .arg(place.path())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the node starts");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("piped above")).read_line(&mut line).expect("a line");
    let seconds = started.elapsed().as_secs_f64();
    assert!(serde_json::from_str::<Value>(&line).is_ok_and(|ready| ready["rpc"].is_string()), "{line}");
    if idle_s > 0 {
        let pid = child.id().to_string();
        let before = process_cpu_seconds(&pid).expect("the node runs");
        std::thread::sleep(std::time::Duration::from_secs(idle_s));
        let cpu = process_cpu_seconds(&pid).expect("the node runs") - before;
        let resident = process_resident_bytes(&pid).expect("the node runs");
        println!(
            "idle node: {:.1} MiB resident, {:.2} % of a core over {idle_s} s",
            resident as f64 / f64::from(1 << 20),
            100.0 * cpu / idle_s as f64
        );
    }
    let _ = child.kill();
    let _ = child.wait();
    seconds
}

/// Starts a network of five; the seconds that `up` took, from command to exit.
fn network() -> f64 {
    let place = tempfile::tempdir().expect("a temporary directory");
    let net = place.path().join("net");
    let started = now();
    let up = run(&net, &["up", "--detach", "--json"]);
    let seconds = started.elapsed().as_secs_f64();
    let status = run(&net, &["status", "--json"]);
    let connected = status["nodes"]
        .as_array()
        .is_some_and(|nodes| nodes.len() == 5 && nodes.iter().all(|node| node["peers"].as_u64() > Some(0)));
    run(&net, &["down"]);
    assert!(connected, "{up} {status}");
    seconds
}

fn run(net: &Path, arguments: &[&str]) -> Value {
    let output = testoon().args(arguments).arg("--dir").arg(net).output().expect("the launcher runs");
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(text.lines().last().unwrap_or_default()).unwrap_or_else(|_| json!(text.into_owned()))
}
