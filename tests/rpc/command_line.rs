//! Starting, stopping, and every wrong way to start: one clear line and the right exit code.

use super::chain::ADDRESS;
use kit::{Node, NodeOptions, run};
use serde_json::json;
use std::net::TcpListener;
use std::path::Path;

/// Runs a node that must not start, and returns its only line of complaint.
fn complaint(arguments: &[&str], code: i32) -> String {
    let finished = run(&[&["node"], arguments].concat());
    let errors = finished.stderr;
    assert_eq!(finished.code, code, "{arguments:?}: {errors}");
    assert_eq!(finished.stdout, "");
    let lines: Vec<&str> = errors.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(lines.len(), 1, "{arguments:?}: {errors}");
    assert!(!errors.contains("panicked") && !errors.contains("backtrace"), "{errors}");
    lines[0].to_owned()
}

/// A node of Bitcoin's regression-test chain in a directory that outlives it.
fn start_in(datadir: &Path, arguments: &[&str]) -> Node {
    Node::start(NodeOptions::new("bitcoin-regtest", datadir).with_all(arguments))
}

fn complaint_in(datadir: &Path, chain: &str, more: &[&str], code: i32) -> String {
    let datadir = datadir.display().to_string();
    let listen = ["--rpc-listen", "127.0.0.1:0", "--p2p-listen", "127.0.0.1:0", "--no-discover"];
    complaint(&[&["--chain", chain, "--datadir", &datadir], &listen[..], more].concat(), code)
}

/// Whether a complaint names all these.
fn assert_names(complaint: &str, words: &[&str]) {
    for word in words {
        assert!(complaint.contains(word), "{word:?} is not in {complaint:?}");
    }
}

#[test]
fn wrong_usage_is_code_2_and_names_the_flag_and_the_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let wrong = |more: &[&str]| complaint_in(dir.path(), "local", more, 2);
    assert_names(&wrong(&["--mine", "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2"]), &["--mine", "address version", "111"]);
    assert_names(&wrong(&["--mine", "nonsense"]), &["--mine nonsense"]);
    assert_names(&wrong(&["--threads", "0"]), &["--threads 0"]);
    assert_names(&wrong(&["--kernel", "nonsense"]), &["--kernel nonsense", "scalar"]);
    assert_names(&wrong(&["--rpc-user", "ann"]), &["--rpc-password"]);
    assert_names(&wrong(&["--log-level", "node=nonsense"]), &["--log-level"]);
    assert_names(&wrong(&["--minrelaytxfee", "x"]), &["--minrelaytxfee x"]);
    assert_names(&complaint(&["--chain", "nonsense"], 2), &["--chain nonsense", "bitcoin-regtest"]);
    assert_names(&complaint(&["--chain", "./nonsense.toml"], 2), &["./nonsense.toml"]);
    assert_eq!(run(&["node", "--nonsense"]).code, 2);
    assert_eq!(run(&["node", "--threads", "many"]).code, 2);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "nothing was touched");
}

#[test]
fn a_configuration_file_sets_what_the_command_line_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let conf = dir.path().join("node.toml");
    let conf_path = conf.display().to_string();
    let wrong = |text: &str| {
        std::fs::write(&conf, text).unwrap();
        complaint(&["--conf", &conf_path], 2)
    };
    assert_names(&complaint(&["--conf", "./nothing.toml"], 2), &["./nothing.toml", "--conf"]);
    assert_names(&wrong("chian = \"local\"\n"), &[&conf_path, "chian"]);
    assert_names(&wrong("\nthreads = \"two\"\n"), &[&conf_path, "line 2"]);
    assert_names(&wrong("= 5"), &[&conf_path, "line 1"]);
    std::fs::write(&conf, "chain = \"nonsense\"\nrpc-user = \"ann\"\nrpc-password = \"secret\"\n").unwrap();
    let node = Node::fresh("bitcoin-regtest", &["--conf", &conf_path]);
    assert_eq!(node.ready["chain"], "bitcoin-regtest", "the command line wins");
    assert_eq!(node.call("getblockchaininfo", json!([]))["chain"], "regtest", "as Core's clients know it");
    let ann = node.with_credentials("ann:secret");
    assert_eq!(ann.number("getblockcount", json!([])), 0, "the file's user is known");
}

#[test]
fn what_another_process_holds_is_named() {
    let node_dir = tempfile::tempdir().unwrap();
    let node = start_in(node_dir.path(), &[]);
    let in_use = complaint_in(node_dir.path(), "bitcoin-regtest", &[], 1);
    assert_names(&in_use, &[&node_dir.path().display().to_string()]);
    assert_eq!(node.number("getblockcount", json!([])), 0, "its cookie still works");
    assert!(node_dir.path().join("ready.json").exists());

    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = holder.local_addr().unwrap().to_string();
    let dir = tempfile::tempdir().unwrap();
    let datadir = dir.path().display().to_string();
    let listen = |rpc: &str, p2p: &str| {
        complaint(
            &["--chain", "local", "--datadir", &datadir, "--rpc-listen", rpc, "--p2p-listen", p2p, "--no-discover"],
            1,
        )
    };
    assert_names(&listen(&taken, "127.0.0.1:0"), &[&taken, "--rpc-listen"]);
    assert_names(&listen("127.0.0.1:0", &taken), &[&taken, "listen"]);
    drop(holder);
    assert!(!dir.path().join(".cookie").exists() && !dir.path().join("ready.json").exists());
}

#[test]
fn another_chain_s_directory_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    drop(start_in(dir.path(), &[]));
    assert_names(&complaint_in(dir.path(), "local", &[], 1), &[&dir.path().display().to_string()]);
}

#[test]
fn a_stop_is_clean_and_a_kill_is_survived() {
    let dir = tempfile::tempdir().unwrap();
    let node = start_in(dir.path(), &[]);
    let hashes = node.call("generatetoaddress", json!([3, ADDRESS]));
    assert_eq!(node.terminate().code(), Some(0));
    assert!(!dir.path().join(".cookie").exists() && !dir.path().join("ready.json").exists());

    let node = start_in(dir.path(), &[]);
    assert_eq!(node.call("getbestblockhash", json!([])), hashes[2]);
    let more = node.call("generatetoaddress", json!([2, ADDRESS]));
    node.kill();
    assert!(dir.path().join("ready.json").exists(), "nobody could remove it");

    let mut node = start_in(dir.path(), &[]);
    assert_eq!(node.call("getbestblockhash", json!([])), more[1], "what was answered was kept");
    let hash = node.call("gettxoutsetinfo", json!([]))["hash_serialized_3"].clone();
    assert_eq!(node.call("stop", json!([])), "Testoon node stopping");
    assert_eq!(node.wait().code(), Some(0));
    let node = start_in(dir.path(), &["--reindex"]);
    node.call("waitforblockheight", json!([5]));
    assert_eq!(node.call("getbestblockhash", json!([])), more[1]);
    assert_eq!(node.call("gettxoutsetinfo", json!([]))["hash_serialized_3"], hash);
}
