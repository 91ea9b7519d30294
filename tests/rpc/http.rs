//! HTTP and JSON-RPC as strangers, browsers and broken clients see them.

use kit::Node;
use kit::http::Connection;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::json;
use std::cell::RefCell;
use std::io::{Read, Write};

const COUNT: &str = r#"{"method":"getblockcount","id":1}"#;

#[test]
fn only_those_who_know_a_password_may_call() {
    let node = Node::fresh("bitcoin-regtest", &["--rpc-user", "ann", "--rpc-password", "pass:word"]);
    let ann = node.with_credentials("ann:pass:word");
    assert_eq!(ann.number("getblockcount", json!([])), 0);
    assert_eq!(node.number("getblockcount", json!([])), 0, "the cookie works beside a password");
    let stranger = node.with_credentials("ann:password");
    let answer = stranger.post(COUNT.as_bytes());
    assert_eq!(answer.status, 401);
    assert_eq!(answer.header("www-authenticate"), Some("Basic realm=\"jsonrpc\""));
    assert_eq!(answer.body, "");
    let head = format!("POST / HTTP/1.1\r\nHost: {}", node.address);
    assert_eq!(Connection::open(node.address).send(&head, COUNT.as_bytes()).status, 401);
}

#[test]
fn paths_methods_and_hosts() {
    let node = Node::fresh("bitcoin-regtest", &["--rpc-host", "node.example"]);
    let get = |path: &str, host: &str| {
        let head = format!("GET {path} HTTP/1.1\r\nHost: {host}");
        Connection::open(node.address).send(&head, b"")
    };
    assert_eq!(get("/", "localhost").status, 405);
    assert_eq!(get("/nothing", "localhost").status, 404);
    assert!(get("/health", "127.0.0.1:1").body.starts_with("ok chain=bitcoin-regtest height=0"));
    assert_eq!(get("/health", "[::1]:80").status, 200);
    assert_eq!(get("/health", "node.example:80").status, 200);
    assert_eq!(get("/health", "rebound.example").status, 403, "a name that is not ours");
    let metrics = get("/metrics", "localhost");
    assert_eq!(metrics.status, 200);
    for line in ["testoon_height 0", "testoon_mempool_transactions 0", "testoon_peers_inbound 0"] {
        assert!(metrics.body.lines().any(|found| found == line), "{line:?} is not in\n{}", metrics.body);
    }
}

#[test]
fn one_connection_carries_many_requests_in_every_dialect() {
    let node = Node::fresh("bitcoin-regtest", &[]);
    let (mut connection, head) = (Connection::open(node.address), node.head());
    let mut send = |body: &str| connection.send(&head, body.as_bytes());
    let legacy = send(r#"{"method":"getblockcount","params":[],"id":"x"}"#);
    assert_eq!((legacy.status, legacy.body.trim_end()), (200, r#"{"result":0,"error":null,"id":"x"}"#));
    assert_eq!(legacy.header("content-type"), Some("application/json"));
    let two = send(r#"{"jsonrpc":"2.0","method":"getblockcount","id":2}"#);
    assert_eq!((two.status, two.body.trim_end()), (200, r#"{"jsonrpc":"2.0","result":0,"id":2}"#));
    let silent = send(r#"{"jsonrpc":"2.0","method":"getblockcount"}"#);
    assert_eq!((silent.status, silent.body.as_str()), (204, ""));
    let unknown = send(r#"{"method":"nonsense","id":1}"#);
    assert_eq!((unknown.status, unknown.json()["error"]["code"].as_i64()), (404, Some(-32601)));
    let unknown = send(r#"{"jsonrpc":"2.0","method":"nonsense","id":1}"#);
    assert_eq!((unknown.status, unknown.json()["error"]["code"].as_i64()), (200, Some(-32601)));
    let batch = send(r#"[{"method":"getblockcount","id":1},{"method":"nonsense","id":2}]"#);
    assert_eq!((batch.status, batch.json().as_array().map(Vec::len)), (200, Some(2)));
    let failing = send(r#"{"method":"getblockhash","params":[5],"id":1}"#);
    assert_eq!((failing.status, failing.json()["error"]["code"].as_i64()), (500, Some(-8)));
    assert!(failing.json().as_object().unwrap().contains_key("result"));
}

#[test]
fn a_body_over_the_limit_is_refused_before_it_is_sent() {
    let node = Node::fresh("bitcoin-regtest", &[]);
    let mut connection = Connection::open(node.address);
    let head = format!("{}\r\nExpect: 100-continue\r\nContent-Length: 99999999999\r\n\r\n", node.head());
    let answer = connection.send_head(&head);
    assert_eq!(answer.status, 413);
    assert_eq!(node.number("getblockcount", json!([])), 0);
}

/// `TESTOON_TEST_ROUNDS` sets how many bodies are tried (64).
#[test]
fn no_body_takes_the_node_down() {
    let node = Node::fresh("bitcoin-regtest", &[]);
    let rounds = std::env::var("TESTOON_TEST_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(64);
    let methods = node.text("help", json!([]));
    let methods = methods.lines().filter(|line| !line.is_empty() && !line.starts_with("==") && *line != "stop");
    let methods = methods.map(|line| line.split(' ').next().unwrap().to_owned());
    // Not the ones that do their work whatever they are given: waiting, mining, stopping.
    let methods =
        methods.filter(|name| !name.starts_with("wait") && !name.starts_with("generate") && name != "setmining");
    let methods: Vec<String> = methods.collect();
    let values = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(|value| json!(value)),
        any::<i64>().prop_map(|value| json!(value)),
        any::<f64>().prop_map(|value| json!(value)),
        "\\PC{0,80}".prop_map(|value| json!(value)),
        "[0-9a-f]{64}".prop_map(|value| json!(value)),
        Just(json!([])),
        Just(json!(["00", {}])),
        Just(json!({"mode": "proposal", "data": "00"})),
    ];
    let call = (proptest::sample::select(methods), proptest::collection::vec(values, 0..5));
    let body = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..300),
        call.prop_map(|(method, parameters)| json!({"method": method, "params": parameters, "id": 1})
            .to_string()
            .into()),
    ];
    let connection = RefCell::new(Connection::open(node.address));
    let head = node.head();
    TestRunner::new(Config { cases: rounds, failure_persistence: None, ..Config::default() })
        .run(&body, |body| {
            let answer = connection.borrow_mut().send(&head, &body);
            prop_assert!([200, 400, 404, 500].contains(&answer.status), "{answer:?}");
            prop_assert!(!answer.body.contains("internal error"), "{answer:?}");
            Ok(())
        })
        .unwrap();
    assert_eq!(node.number("getblockcount", json!([])), 0);
}

/// A node's peak of resident memory, KiB.
#[cfg(target_os = "linux")]
fn peak_memory_kib(node: &Node) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", node.ready["pid"])).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Posts a body and reads all of the answer, in whatever form it comes.
fn post_and_read_all(node: &Node, body: &str) -> String {
    let mut stream = std::net::TcpStream::connect(node.address).unwrap();
    let head = format!("{}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", node.head(), body.len());
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// It took 1.1 GB for 2 MB once, and the process's end for 32 MB.
#[cfg(target_os = "linux")]
#[test]
fn a_body_of_many_tiny_values_takes_little_memory_and_is_answered() {
    let node = Node::fresh("bitcoin-regtest", &[]);
    let before = peak_memory_kib(&node);
    let list = |count: usize| format!("[{}1]", "1,".repeat(count - 1));
    let answer = post_and_read_all(&node, &list(100_000));
    assert_eq!(answer.matches("Invalid Request object").count(), 100_000, "the longest batch there may be");
    for body in [list(1_000_000), list(16_000_000), format!(r#"{{"method":"help","params":{}}}"#, list(16_000_000))] {
        assert!(post_and_read_all(&node, &body).starts_with("HTTP/1.1 400"));
    }
    let grown = peak_memory_kib(&node) - before;
    // A body of 32 MB is held once, and its answer in pieces.
    assert!(grown < 100 * 1_024, "{grown} KiB");
}

#[test]
fn a_user_may_call_what_the_whitelist_names_and_nothing_else() {
    // The password is `secret` under the salt `salt` (HMAC-SHA-256, as Core's rpcauth.py computes it).
    let salted = "eve:salt$98e5340f0f4f96d2b80c2a90da0d03cf46c35e9492918cc7af73d9a39efa5981";
    let options =
        ["--rpc-auth", salted, "--rpc-whitelist", "eve:getblockcount,help", "--rpc-whitelist", "__cookie__:stop"];
    let node = Node::fresh("bitcoin-regtest", &options);
    let eve = node.with_credentials("eve:secret");
    assert_eq!(eve.number("getblockcount", json!([])), 0);
    assert_eq!(eve.post(br#"{"method":"stop","id":1}"#).status, 403);
    assert_eq!(eve.post(br#"[{"method":"getblockcount","id":1},{"method":"stop","id":2}]"#).status, 403);
    assert_eq!(eve.post(br#"[{"method":"getblockcount","id":1},{"method":"help","id":2}]"#).status, 200);
    let cookie = node.client.post(COUNT.as_bytes());
    assert_eq!(cookie.status, 403, "the cookie's user has a whitelist too");
}
