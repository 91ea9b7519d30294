//! Every mistake a user can make gets one clear line that names the thing and the remedy, and the right exit code.

use kit::{Network, Node, NodeOptions, run};
use std::net::TcpListener;

fn fails(options: NodeOptions, words: &[&str]) {
    let text = match Node::try_start(options) {
        Ok(_) => panic!("the node started"),
        Err(text) => text,
    };
    assert!(!text.contains("panicked") && !text.contains("backtrace"), "a panic: {text}");
    for word in words {
        assert!(text.contains(word), "{word:?} is not named in: {text}");
    }
}

#[test]
fn a_directory_in_use_is_named() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let first = Node::start(NodeOptions::new("local", directory.path()));
    fails(first.options.clone(), &["exit status: 1", &directory.path().display().to_string(), "in use"]);
    // The first one does not care.
    assert_eq!(first.client.height(), 0);
}

#[test]
fn a_taken_port_is_named() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("bound").port().to_string();
    for (flag, other) in [("--rpc-listen", "--p2p-listen"), ("--p2p-listen", "--rpc-listen")] {
        let output = kit::testoon()
            .args(["node", "--chain", "local", other, "127.0.0.1:0", flag, &format!("127.0.0.1:{port}")])
            .args(["--no-discover", "--datadir"])
            .arg(directory.path())
            .output()
            .expect("the binary under test runs");
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{flag}: {text}");
        assert!(text.contains(&port) && !text.contains("panicked"), "{flag}: {text}");
    }
}

#[test]
fn a_directory_of_another_chain_is_refused() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    Node::start(NodeOptions::new("local", directory.path())).stop();
    fails(NodeOptions::new("testnet", directory.path()), &["exit status: 1", "local", "testnet"]);
    Node::start(NodeOptions::new("local", directory.path())).stop();
}

#[test]
fn unknown_chains_commands_and_flags_are_usage_errors() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let datadir = directory.path().display().to_string();
    run(&["node", "--chain", "dogecoin", "--datadir", &datadir]).refuses(2, &["dogecoin", "local"]);
    run(&["node", "--no-such-flag"]).refuses(2, &["--no-such-flag"]);
    run(&["fly"]).refuses(2, &["fly"]);
    run(&["up", "--nodes", "0"]).refuses(2, &["--nodes"]);
    run(&["up", "--nodes", "x"]).refuses(2, &["--nodes"]);
    run(&["node", "--chain", "local", "--datadir", &datadir, "--mine", "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2"])
        .refuses(2, &["address version", "local"]);
    run(&["odds", "--share", "1.5"]).refuses(2, &["1.5", "between 0 and 1"]);
    run(&["odds", "--confirmations", "0"]).refuses(2, &["0"]);
    run(&["bench", "--threads", "0"]).refuses(2, &["0"]);
    run(&["bench", "--kernel", "abacus"]).refuses(2, &["abacus", "scalar"]);
}

#[test]
fn a_config_that_cannot_be_read_is_named() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let datadir = directory.path().join("data").display().to_string();
    let missing = directory.path().join("missing.toml").display().to_string();
    run(&["node", "--datadir", &datadir, "--conf", &missing]).refuses(2, &["missing.toml"]);
    let broken = directory.path().join("broken.toml");
    std::fs::write(&broken, "chain = [").expect("a file can be written");
    run(&["node", "--datadir", &datadir, "--conf", &broken.display().to_string()]).refuses(2, &["broken.toml"]);
    std::fs::write(&broken, "colour = \"blue\"").expect("a file can be written");
    run(&["node", "--datadir", &datadir, "--conf", &broken.display().to_string()]).refuses(2, &["colour"]);
}

#[test]
fn commands_on_a_network_that_is_not_there() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let dir = directory.path().join("none").display().to_string();
    for arguments in [vec!["status"], vec!["pay", "alice", "bob", "1"], vec!["logs"]] {
        let mut all = arguments;
        all.extend(["--dir", &dir]);
        run(&all).refuses(1, &["testoon up"]);
    }
}

#[test]
fn a_second_up_says_what_is_running() {
    let network = Network::up(&["--nodes", "2"]);
    network.run(&["up", "--detach"]).refuses(1, &["running", "down"]);
    assert_eq!(network.nodes().len(), 2);
}

#[test]
fn the_wallet_names_what_is_wrong() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let wallet = directory.path().join("mine.wallet").display().to_string();
    let password = directory.path().join("password");
    std::fs::write(&password, "right\n").expect("a file can be written");
    let password = password.display().to_string();
    let base = ["wallet", "--wallet", &wallet, "--password-file", &password];
    let with = |more: &[&str]| {
        let mut all = base.to_vec();
        all.extend_from_slice(more);
        run(&all)
    };
    with(&["balance", "--rpc", "http://127.0.0.1:1"]).refuses(1, &["mine.wallet", "create"]);
    assert_eq!(with(&["create"]).code, 0);
    with(&["create"]).refuses(1, &["mine.wallet"]);
    let missing = directory.path().join("nothing").display().to_string();
    with(&["balance", "--rpc", "http://127.0.0.1:1", "--cookie", &missing]).refuses(1, &["nothing"]);
    let cookie = directory.path().join("cookie");
    std::fs::write(&cookie, "__cookie__:00").expect("a file can be written");
    with(&["balance", "--rpc", "http://127.0.0.1:1", "--cookie", &cookie.display().to_string()])
        .refuses(1, &["127.0.0.1:1"]);
    std::fs::write(directory.path().join("password"), "wrong\n").expect("a file can be written");
    with(&["balance"]).refuses(1, &["password"]);
}
