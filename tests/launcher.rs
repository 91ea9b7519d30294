//! What scripts do with a running network: blocks at once, shares that change, nodes that come and go, waiting, paying, and
//! what is promised to programs: JSON for answers, failures, logs and events.

use kit::process::{interrupt, is_running};
use kit::{Network, eventually, run, testoon};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

/// Hashes per second that `up` gives to all nodes of chain `local` together.
const HASHRATE: f64 = 131_072.0;

/// A network whose miners stand still.
fn resting(arguments: &[&str]) -> Network {
    let network = Network::up(arguments);
    crate::network::pause(&network, true);
    network
}

fn share_asked(network: &Network, name: &str) -> f64 {
    let nodes = network.nodes();
    let node = nodes.iter().find(|node| node["name"] == name).unwrap_or_else(|| panic!("{name} is in {nodes:?}"));
    node["share_asked"].as_f64().expect("a share")
}

/// What every node's miner is limited to, as a part of the whole; 0 for a node that does not mine.
fn shares_in_force(network: &Network) -> Vec<f64> {
    let limit = |info: Value| match info["miner"]["paused"].as_bool() {
        Some(false) => info["miner"]["hashrate_max"].as_f64().expect("a limit"),
        _ => 0.0,
    };
    network.clients().iter().map(|client| limit(client.call("getmininginfo", json!([]))) / HASHRATE).collect()
}

fn close(found: &[f64], expected: &[f64]) -> bool {
    found.len() == expected.len() && found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-4)
}

#[test]
fn blocks_on_demand_come_at_once_and_leave_the_schedule_as_it_is() {
    let network = resting(&["--nodes", "3"]);
    let before = network.run(&["mine", "node0", "20", "--json"]).json()["height"].as_u64().expect("a height");
    let difficulty = |client: &kit::Client| {
        client.call("getmininginfo", json!([]))["next"]["difficulty"].as_f64().expect("a number")
    };
    let clients = network.clients();
    let easy = difficulty(&clients[0]);
    let mined = network.run(&["mine", "node1", "400", "--to", "bob", "--json"]).json();
    assert_eq!(mined["height"].as_u64(), Some(before + 400));
    assert_eq!(mined["hashes"].as_array().map(Vec::len), Some(400));
    let ratio = difficulty(&clients[0]) / easy;
    assert!((0.5..1.1).contains(&ratio), "400 blocks at once made the next one {ratio} times as hard");
    // The command returns when the others have them.
    for client in &clients {
        assert_eq!(client.height(), before + 400);
    }
    let accounts = network.run(&["accounts", "--json"]).json();
    let bob = accounts["accounts"].as_array().expect("accounts").iter().find(|one| one["name"] == "bob").expect("bob");
    assert!(bob["confirmed"].as_f64().expect("coins") > 1_000.0, "{bob}");
    network.run(&["mine", "node0", "0"]).refuses(2, &["0"]);
    network.run(&["mine", "node0", "1", "--to", "nobody"]).refuses(2, &["nobody", "alice"]);
}

#[test]
fn hash_shares_change_while_the_network_runs_and_the_others_give_way() {
    let network = Network::up(&["--nodes", "3"]);
    assert!(close(&shares_in_force(&network), &[2.0 / 3.0, 1.0 / 3.0, 0.0]));
    let shares = network.run(&["share", "node1", "50%", "--json"]).json();
    assert_eq!(shares["nodes"][1]["share_asked"], 0.5);
    assert!(close(&shares_in_force(&network), &[0.5, 0.5, 0.0]), "{:?}", shares_in_force(&network));
    // A node that did not mine begins to, paying an account of its own.
    assert_eq!(network.run(&["share", "2", "0.2"]).code, 0);
    assert!(close(&shares_in_force(&network), &[0.4, 0.4, 0.2]), "{:?}", shares_in_force(&network));
    assert_eq!(network.run(&["share", "2", "0"]).code, 0);
    assert!(close(&shares_in_force(&network), &[0.5, 0.5, 0.0]), "{:?}", shares_in_force(&network));
    network.run(&["share", "node0", "100%"]).refuses(2, &["leaves nothing"]);

    let added = network.run(&["add", "--share", "10%"]);
    assert_eq!(added.code, 0, "{}", added.stderr);
    assert!(added.stdout.contains("node0 50.0% -> 45.0%"), "{}", added.stdout);
    assert!(close(&shares_in_force(&network), &[0.45, 0.45, 0.0, 0.1]), "{:?}", shares_in_force(&network));
    assert_eq!(network.run(&["remove", "node3", "--json"]).json(), json!({"removed": "node3", "left": 3}));
    assert!(close(&shares_in_force(&network), &[0.5, 0.5, 0.0]), "{:?}", shares_in_force(&network));
    assert!(!network.path().join("node3").exists(), "its data directory is left");
    // What the plan says outlives the processes.
    assert_eq!(network.run(&["share", "node1", "25%"]).code, 0);
    assert_eq!(network.run(&["down"]).code, 0);
    assert_eq!(network.run(&["up", "--detach"]).code, 0);
    assert!(close(&shares_in_force(&network), &[0.75, 0.25, 0.0]), "{:?}", shares_in_force(&network));
    assert_eq!(share_asked(&network, "node1"), 0.25);
}

#[test]
fn miners_that_stand_still_do_so_after_a_snapshot_and_after_down() {
    let network = resting(&["--nodes", "2"]);
    let paused = || -> Vec<Value> {
        let miner = |client: &kit::Client| client.call("getmininginfo", json!([]))["miner"]["paused"].clone();
        network.clients().iter().take(1).map(miner).collect()
    };
    network.run(&["mine", "node0", "3"]);
    let height = network.clients()[0].height();
    assert_eq!(network.run(&["net", "snapshot", "still"]).code, 0);
    crate::network::pause(&network, false);
    network.clients()[0].wait_for_height(height + 1);
    assert_eq!(network.run(&["net", "restore", "still"]).code, 0);
    assert_eq!(paused(), [json!(true)]);
    assert_eq!(network.clients()[0].height(), height);
    assert_eq!(network.run(&["down"]).code, 0);
    let up = network.run(&["up", "--detach"]);
    assert_eq!(up.code, 0, "{}", up.stderr);
    assert_eq!(paused(), [json!(true)]);
    assert_eq!(network.clients()[0].height(), height);
    // And they can go on.
    crate::network::pause(&network, false);
    network.clients()[0].wait_for_height(height + 1);
}

/// A process that is none of ours and whose number stands in the state file.
struct Stranger(Child);

impl Stranger {
    fn start() -> Stranger {
        Stranger(Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("cat runs"))
    }
    /// As the launcher notes a process: its number, and when it started.
    fn record(&self) -> Value {
        let pid = self.0.id();
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
        let ticks = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(19)).expect("a start time");
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").expect("Linux");
        json!({ "pid": pid, "started": format!("{}:{ticks}", boot.trim()) })
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_process_that_is_not_a_node_of_the_network_is_left_alone() {
    let network = resting(&["--nodes", "2"]);
    let stranger = Stranger::start();
    let path = network.path().join("network.json");
    let mut state: Value = serde_json::from_str(&std::fs::read_to_string(&path).expect("a state")).expect("JSON");
    let ours = state["nodes"]["node1"]["process"]["pid"].as_u64().expect("a pid");
    state["nodes"]["node1"]["process"] = stranger.record();
    std::fs::write(&path, state.to_string()).expect("it can be edited");
    let status = network.run(&["status"]);
    assert!(status.stderr.contains(&stranger.0.id().to_string()), "no warning: {}", status.stderr);
    network.run(&["kill", "node1"]).refuses(1, &["node1 is not running"]);
    assert_eq!(network.run(&["net", "snapshot", "one"]).code, 0);
    assert_eq!(network.run(&["down"]).code, 0);
    assert!(is_running(u64::from(stranger.0.id())), "an unrelated process was ended");
    assert!(!is_running(ours), "the node whose record was lost goes on");
}

#[test]
fn a_partition_leaves_its_groups_in_one_piece_and_heal_brings_the_peers_back() {
    let network = resting(&["--nodes", "6", "--topology", "ring"]);
    network.run(&["mine", "node0", "2"]);
    let partition = network.run(&["net", "partition", "0,2,4"]);
    assert_eq!(partition.code, 0, "{}", partition.stderr);
    assert!(partition.stdout.contains("in pieces"), "{}", partition.stdout);
    // The group has no link of the ring among its members; a block reaches all of it, and nobody else.
    let mined = network.run(&["mine", "node0", "1", "--json"]);
    assert_eq!(mined.stderr, "", "a node of the group does not have the block");
    let hash = mined.json()["hashes"][0].clone();
    let has = |name: &str| network.run(&["rpc", name, "getblockheader", hash.as_str().expect("a hash")]).code == 0;
    assert!(["node2", "node4"].iter().all(|name| has(name)));
    assert!(!["node1", "node3", "node5"].iter().any(|name| has(name)));
    let healed = network.run(&["net", "heal", "--json"]);
    assert_eq!(healed.stderr, "");
    for link in healed.json()["links"].as_array().expect("links") {
        assert!(link["planned"] == false || link["connected"] == true, "heal returned before {link}");
    }
    assert_eq!(network.run(&["wait", "--tip-equal"]).code, 0);
    assert!(has("node3"));
}

#[test]
fn nodes_are_not_dropped_without_a_word() {
    let network = resting(&["--nodes", "3"]);
    assert_eq!(network.run(&["down"]).code, 0);
    network.run(&["up", "--detach", "--nodes", "2"]).refuses(2, &["3 nodes", "leave out node2", "--fresh", "remove"]);
    let up = network.run(&["up", "--detach"]);
    assert!(up.code == 0 && network.nodes().len() == 3, "{}", up.stderr);
    let down = network.run(&["down"]);
    assert!(down.stdout.starts_with("3 nodes have ended"), "{}", down.stdout);
    assert_eq!(network.run(&["up", "--detach", "--fresh", "--nodes", "1"]).code, 0);
    let down = network.run(&["down"]);
    assert!(down.stdout.starts_with("1 node has ended"), "{}", down.stdout);
}

/// A CI runner or a pipeline leaves descriptors open; who reads them waits until the last process that has them ends.
#[cfg(target_os = "linux")]
#[test]
fn a_pipeline_around_a_detached_network_ends() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let net = directory.path().join("net");
    let under_test = testoon();
    let script = "(\"$0\" up --detach --nodes 2 --dir \"$1\") 7>&1 >/dev/null 2>&1 | cat";
    let shell =
        Command::new("sh").arg("-c").arg(script).arg(under_test.get_program()).arg(&net).spawn().expect("sh runs");
    let mut shell = Stranger(shell);
    eventually("the pipeline ends while the network runs", || shell.0.try_wait().expect("a child"));
    let dir = net.display().to_string();
    let status = run(&["status", "--json", "--dir", &dir]).json();
    let nodes = status["nodes"].as_array().expect("nodes").clone();
    assert_eq!(nodes.len(), 2, "{status}");
    for node in &nodes {
        let pid = &node["pid"];
        let open = std::fs::read_link(format!("/proc/{pid}/fd/7")).map(|path| path.display().to_string());
        assert!(!open.as_ref().is_ok_and(|path| path.starts_with("pipe:")), "node {pid} has inherited {open:?}");
    }
    assert_eq!(run(&["down", "--dir", &dir]).code, 0);
}

#[test]
fn payments_take_a_fee_rate_and_their_wait_an_end() {
    let network = resting(&["--nodes", "2"]);
    let cheap = network.run(&["pay", "alice", "bob", "1", "--fee-rate", "1", "--json"]).json();
    let dear = network.run(&["pay", "alice", "bob", "1", "--fee-rate", "20", "--json"]).json();
    let fee = |payment: &Value| payment["fee"].as_f64().expect("a fee");
    let ratio = fee(&dear) / fee(&cheap);
    assert!((10.0..40.0).contains(&ratio), "{ratio}: {cheap} {dear}");
    // Nobody mines, so nothing is confirmed; the payment stays sent.
    let waited = network.run(&["pay", "bob", "alice", "1", "--wait", "1", "--timeout", "200ms"]);
    waited.refuses(1, &["was sent, do not send it again", "0 of 1 confirmations"]);
    let txid = dear["txid"].as_str().expect("an id").to_owned();
    assert_eq!(network.run(&["wait", "--mempool", &txid]).code, 0);
    assert_eq!(network.run(&["wait", "--mempool", "3"]).code, 0);
    network.run(&["wait", "--confirmed", &txid, "--timeout", "100ms"]).refuses(1, &[&txid, "node0, node1"]);
    network.run(&["mine", "node1", "2"]);
    assert_eq!(network.run(&["wait", "--confirmed", &txid, "--confirmations", "2", "--mempool", "0"]).code, 0);
    let height = network.clients()[0].height();
    assert_eq!(network.run(&["wait", "--height", &height.to_string(), "--tip-equal"]).code, 0);
    let high = (height + 1).to_string();
    network.run(&["wait", "--height", &high, "--timeout", "100ms"]).refuses(1, &["below height", "node0"]);
    network.run(&["wait"]).refuses(2, &["--height"]);
    network.run(&["wait", "--confirmed", "12"]).refuses(2, &["12"]);

    // The faucet pays from whoever has most.
    let address = network.run(&["rpc", "node0", "validateaddress", "mghKdQzx6hVVEGJGEFU4AzRBTYsEhLqqa7"]);
    assert_eq!(address.code, 0);
    let paid = network.run(&["faucet", "mghKdQzx6hVVEGJGEFU4AzRBTYsEhLqqa7", "3", "--json"]).json();
    assert_eq!(paid["from"], "mallory", "{paid}");
    // A mistyped address is told without a list of bytes.
    let mistyped = network.run(&["pay", "alice", "mghKdQzx6hVVEGJGEFU4AzRBTYsEhLqqa8", "1"]);
    mistyped.refuses(2, &["checksum", "alice"]);
    assert!(!mistyped.stderr.contains('['), "{}", mistyped.stderr);
    network.run(&["pay", "alice", "bob", "0"]).refuses(2, &["dust", "0.00000546"]);
}

/// The next event of a kind; others are passed over.
fn next(any: &mut impl FnMut() -> Value, wanted: &str) -> Value {
    loop {
        let event = any();
        if event["event"] == wanted {
            return event;
        }
    }
}

#[test]
fn answers_failures_logs_and_events_are_json_for_programs() {
    let network = resting(&["--nodes", "2"]);
    let failed = |arguments: &[&str], code: i32| -> Value {
        let finished = network.run(arguments);
        assert_eq!(finished.code, code, "{}", finished.stderr);
        serde_json::from_str(finished.stdout.lines().last().expect("a line")).expect("JSON")
    };
    let error = failed(&["pay", "alice", "nobody", "1", "--json"], 2);
    assert!(error["error"].as_str().is_some_and(|text| text.contains("nobody")), "{error}");
    assert_eq!(error["exit_code"], 2);
    assert_eq!(failed(&["pay", "alice", "bob", "99999", "--json"], 1)["exit_code"], 1);
    assert_eq!(failed(&["fly", "--json"], 2)["exit_code"], 2);

    let logs = network.run(&["logs", "--json", "--lines", "5"]);
    assert!(logs.stdout.lines().count() >= 2, "{}", logs.stdout);
    for line in logs.stdout.lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(["node0", "node1"].contains(&line["node"].as_str().expect("a node")), "{line}");
        assert!(line["text"].is_string() && line["time"].is_string(), "{line}");
    }
    assert_eq!(network.run(&["logs", "1", "--lines", "1"]).code, 0, "a node by its number");

    let child = testoon()
        .args(["events", "--json", "--dir"])
        .arg(network.path())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary under test runs");
    let mut child = Stranger(child);
    let mut lines = BufReader::new(child.0.stdout.take().expect("piped")).lines();
    let mut any = || -> Value {
        let line = lines.next().expect("events go on").expect("a line");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    };
    // The first look is the state of affairs, not an event: a partition may come before it, blocks go on until one is told.
    let hash = std::thread::scope(|scope| {
        let (told, stop) = std::sync::mpsc::channel::<()>();
        scope.spawn(|| {
            let stop = stop;
            while stop.try_recv().is_err() {
                network.run(&["mine", "node0", "1"]);
            }
        });
        let block = next(&mut any, "block");
        told.send(()).expect("the miner waits");
        block
    });
    assert!(hash["hash"].is_string() && hash["height"].is_u64() && hash["s"].is_number(), "{hash}");
    assert_eq!(hash["miner"], "node0");
    network.run(&["net", "partition", "node0"]);
    assert_eq!(next(&mut any, "partition")["groups"], json!([["node0"], ["node1"]]));
    // The branch that will be left must have been seen.
    let left = network.run(&["mine", "node0", "1", "--json"]).json()["hashes"][0].clone();
    while next(&mut any, "block")["hash"] != left {}
    network.run(&["mine", "node1", "3"]);
    network.run(&["net", "heal"]);
    // One look may notice both.
    let (mut healed, mut reorganisation) = (false, Value::Null);
    while !healed || reorganisation.is_null() {
        let event = any();
        healed |= event["event"] == "healed";
        if event["event"] == "reorganisation" {
            reorganisation = event;
        }
    }
    assert_eq!((&reorganisation["node"], &reorganisation["depth"]), (&json!("node0"), &json!(1)), "{reorganisation}");
    network.run(&["kill", "node1"]);
    assert_eq!(next(&mut any, "node-silent")["node"], "node1");
    interrupt(child.0.id());
    assert_eq!(child.0.wait().expect("a child").code(), Some(0));
}

#[test]
fn shells_and_man_are_told_every_command() {
    for shell in ["bash", "zsh", "fish"] {
        let script = run(&["completions", shell]);
        assert_eq!(script.code, 0, "{}", script.stderr);
        for word in ["snapshot", "--fee-rate", "--topology"] {
            let word = if shell == "fish" { word.trim_start_matches("--") } else { word };
            assert!(script.stdout.contains(word), "{shell} is not told of {word}");
        }
    }
    let man = run(&["man"]);
    assert!(man.code == 0 && man.stdout.contains(".TH"), "{}", man.stderr);
    assert!(man.stdout.contains("testoon pay") && man.stdout.contains("fee\\-rate"), "{}", man.stdout);
    run(&["completions", "dos"]).refuses(2, &["dos", "bash"]);
}

#[test]
fn the_time_of_a_network_is_moved_and_follows_the_clock_again() {
    let network = resting(&["--nodes", "2"]);
    let clients = network.clients();
    let time = |client: &kit::Client| client.call("getnettotals", json!([]))["timemillis"].as_u64().expect("a time");
    let before: Vec<u64> = clients.iter().map(time).collect();
    let moved = network.run(&["time", "+90min", "--json"]).json();
    assert_eq!((&moved["ahead_s"], moved["nodes"].as_array().map(Vec::len)), (&json!(5_400), Some(2)));
    for (client, before) in clients.iter().zip(&before) {
        assert!(time(client) >= before + 5_400_000);
    }
    network.run(&["time", "reset"]);
    for (client, before) in clients.iter().zip(&before) {
        assert!(time(client) < before + 5_400_000);
    }
    network.run(&["time", "1h"]).refuses(2, &["+1h", "reset"]);
}
