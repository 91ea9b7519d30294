//! Time, blocks on demand, reorganisations, REST and the stream of events: what labs and scripts are built on.

use super::chain::ADDRESS;
use kit::http::Connection;
use kit::{Client, Node};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

#[test]
fn the_time_of_a_local_chain_can_be_set() {
    let node = Node::fresh("bitcoin-regtest", &[]);
    node.call("setmocktime", json!([2_000_000_000]));
    assert_eq!(node.call("getblocktemplate", json!([{}]))["curtime"], 2_000_000_000);
    node.call("mockscheduler", json!([60]));
    assert_eq!(node.call("getblocktemplate", json!([{}]))["curtime"], 2_000_000_060);
    node.call("generatetoaddress", json!([12, ADDRESS]));
    assert_eq!(node.call("getblockchaininfo", json!([]))["warnings"], json!([]));
    // The clock is set back by a day: no block can be made that others would take, and the node says so.
    node.call("setmocktime", json!([2_000_000_000 - 24 * 60 * 60]));
    for method in ["getblockchaininfo", "getmininginfo", "getnetworkinfo"] {
        let warnings = node.call(method, json!([]))["warnings"].clone();
        assert!(warnings[0].as_str().is_some_and(|text| text.contains("clock")), "{method}: {warnings}");
    }
    assert_eq!(node.error_code("getblocktemplate", json!([{}])), -1);
    assert_eq!(node.error_code("generatetoaddress", json!([1, ADDRESS])), -1);
    for (arguments, code) in [(json!([-1]), -8), (json!([1_u64 << 40]), -8), (json!(["soon"]), -3)] {
        assert_eq!(node.error_code("setmocktime", arguments.clone()), code, "{arguments}");
    }
    assert_eq!(node.error_code("mockscheduler", json!([3_601])), -1);
    let main = Node::fresh("bitcoin-main", &[]);
    assert_eq!(main.error_code("setmocktime", json!([2_000_000_000])), -1);
    assert_eq!(main.error_code("mockscheduler", json!([60])), -1);
}

#[test]
fn blocks_made_by_six_callers_at_once_form_one_chain() {
    let node = Node::fresh("bitcoin-regtest", &[]);
    let hashes: Vec<Value> = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..6)
            .map(|_| {
                scope.spawn(|| {
                    (0..10).map(|_| node.call("generatetoaddress", json!([1, ADDRESS]))[0].clone()).collect::<Vec<_>>()
                })
            })
            .collect();
        callers.into_iter().flat_map(|caller| caller.join().unwrap()).collect()
    });
    assert_eq!(node.number("getblockcount", json!([])), 60);
    assert_eq!(hashes.iter().map(|hash| hash.as_str().unwrap()).collect::<HashSet<_>>().len(), 60);
    assert_eq!(node.call("getchaintips", json!([])).as_array().unwrap().len(), 1);
}

#[test]
fn after_a_block_is_declared_invalid_another_one_can_be_made_in_the_same_second() {
    let node = Node::fresh("bitcoin-regtest", &[]);
    node.call("setmocktime", json!([2_000_000_000]));
    for _ in 0..3 {
        let block = node.call("generatetoaddress", json!([1, ADDRESS]))[0].clone();
        node.call("invalidateblock", json!([block]));
    }
    assert_eq!(node.number("getblockcount", json!([])), 0);
    node.call("generateblock", json!([ADDRESS, []]));
    assert_eq!(node.number("getblockcount", json!([])), 1);
}

#[test]
fn one_call_replaces_the_newest_blocks() {
    let node = Node::fresh("bitcoin-regtest", &[]);
    let old = node.call("generatetoaddress", json!([5, ADDRESS]));
    let done = node.call("reorg", json!([3]));
    assert_eq!((&done["reorganised"], &done["fork"]["hash"]), (&json!(true), &old[1]));
    assert_eq!((&done["from"]["hash"], done["to"]["height"].as_u64()), (&old[4], Some(6)));
    assert_eq!(node.call("getblockhash", json!([6])), done["blocks"][3]);
    let short = node.call("reorg", json!([2, 1, ADDRESS]));
    assert_eq!(short["reorganised"], false, "one block does not outweigh two");
    assert_eq!(node.number("getblockcount", json!([])), 6);
    for depth in [0, 7] {
        assert_eq!(node.error_code("reorg", json!([depth])), -8);
    }
}

#[test]
fn small_things_are_as_in_core() {
    let node = Node::fresh("bitcoin-regtest", &[]);
    assert_eq!(node.text("help", json!(["nope"])), "help: unknown command: nope");
    assert_eq!(node.call("echo", json!(["a", 1, null, [2]])), json!(["a", 1, null, [2]]));
    assert_eq!(node.call("syncwithvalidationinterfacequeue", json!([])), Value::Null);
    assert_eq!(node.call("getmemoryinfo", json!([]))["locked"]["used"], 0);
    let ban = json!(["192.0.2.1", "add"]);
    node.call("setban", ban.clone());
    assert_eq!(node.error_code("setban", ban), -23);
    let block = node.text("getblock", json!([node.text("getbestblockhash", json!([])), 0]));
    assert_eq!(node.text("submitblock", json!([block.clone() + "00"])), "duplicate", "what follows is ignored");
    let coinbase = node.call("getblock", json!([node.text("getbestblockhash", json!([]))]))["tx"][0].clone();
    assert_eq!(node.error_code("getrawtransaction", json!([coinbase])), -5);
    assert_eq!(node.error_code("gettxout", json!([coinbase, 1_u64 << 32])), -1);
    let unknown_key = json!([[{"txid": coinbase, "vout": 0, "height": 1}]]);
    assert_eq!(node.error_code("gettxspendingprevout", unknown_key), -3);
}

fn get(node: &Node, path: &str) -> kit::http::Answer {
    let head = format!("GET {path} HTTP/1.1\r\nHost: localhost");
    Connection::open(node.address).send(&head, b"")
}

#[test]
fn rest_gives_what_the_rpc_gives_in_three_formats() {
    let closed = Node::fresh("bitcoin-regtest", &[]);
    assert_eq!(get(&closed, "/rest/chaininfo.json").status, 404, "only where it is asked for");
    let node = Node::fresh("bitcoin-regtest", &["--rest", "--txindex"]);
    let hashes = node.call("generatetoaddress", json!([3, ADDRESS]));
    let hash = hashes[0].as_str().unwrap();
    // The whole answer would hold the size on disk, which may grow between two calls.
    let best = node.call("getblockchaininfo", json!([]))["bestblockhash"].clone();
    assert_eq!(get(&node, "/rest/chaininfo.json").json()["bestblockhash"], best);
    assert_eq!(get(&node, "/rest/mempool/info.json").json(), node.call("getmempoolinfo", json!([])));
    assert_eq!(get(&node, "/rest/mempool/contents.json").json(), json!({}));
    let block = node.text("getblock", json!([hash, 0]));
    assert_eq!(get(&node, &format!("/rest/block/{hash}.hex")).body.trim(), block);
    assert_eq!(get(&node, &format!("/rest/block/{hash}.json")).json(), node.call("getblock", json!([hash, 3])));
    let headers = get(&node, &format!("/rest/headers/{hash}.json?count=2")).json();
    assert_eq!((headers.as_array().unwrap().len(), &headers[1]["hash"]), (2, &hashes[1]));
    assert_eq!(get(&node, "/rest/blockhashbyheight/1.json").json(), json!({"blockhash": hash}));
    let txid = node.call("getblock", json!([hash]))["tx"][0].as_str().unwrap().to_owned();
    assert_eq!(get(&node, &format!("/rest/tx/{txid}.json")).json()["txid"], json!(txid));
    let coins = get(&node, &format!("/rest/getutxos/checkmempool/{txid}-0/{txid}-1.json")).json();
    assert_eq!((&coins["bitmap"], coins["utxos"].as_array().unwrap().len()), (&json!("10"), 1));
    assert_eq!(coins["utxos"][0]["value"].to_string(), "50.00000000");
    for (path, status) in [
        ("/rest/block/00.json".to_owned(), 400),
        (format!("/rest/block/{}.json", "00".repeat(32)), 404),
        (format!("/rest/block/{hash}"), 404),
        (format!("/rest/headers/{hash}.json?count=0"), 400),
        ("/rest/blockhashbyheight/9.json".to_owned(), 404),
        ("/rest/blockhashbyheight/-1.json".to_owned(), 400),
        ("/rest/getutxos.json".to_owned(), 400),
        ("/rest/getutxos/x-y.json".to_owned(), 400),
        ("/rest/nothing.json".to_owned(), 404),
    ] {
        assert_eq!(get(&node, &path).status, status, "{path}");
    }
}

/// Reads events until one of a kind has come; all of them.
fn events_until(stream: &mut impl BufRead, kind: &str, count: usize) -> Vec<(String, Value)> {
    let (mut events, mut event) = (Vec::new(), String::new());
    while events.iter().filter(|(name, _)| name == kind).count() < count {
        let mut line = String::new();
        assert_ne!(stream.read_line(&mut line).unwrap(), 0, "the stream ended");
        if let Some(name) = line.trim_end().strip_prefix("event: ") {
            event = name.to_owned();
        } else if let Some(data) = line.trim_end().strip_prefix("data: ") {
            events.push((event.clone(), serde_json::from_str(data).unwrap()));
        }
    }
    events
}

#[test]
fn events_tell_of_blocks_and_reorganisations_in_order() {
    let node = Node::fresh("bitcoin-regtest", &[]);
    let stranger = node.with_credentials("nobody:nothing");
    let head = |client: &Client| client.head().replacen("POST /", "GET /events", 1);
    assert_eq!(Connection::open(node.address).send(&head(&stranger), b"").status, 401);
    let mut stream = TcpStream::connect(node.address).unwrap();
    stream.write_all((head(&node.client) + "\r\n\r\n").as_bytes()).unwrap();
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.read_line(&mut line).unwrap();
    assert!(line.contains("200"), "{line}");
    // The answer begins when the stream has looked at the chain, so what comes from here on is told.
    let old = node.call("generatetoaddress", json!([2, ADDRESS]));
    let events = events_until(&mut stream, "block", 2);
    let told: Vec<&Value> = events.iter().map(|(_, data)| &data["hash"]).collect();
    assert_eq!(told, [&old[0], &old[1]]);
    let done = node.call("reorg", json!([1]));
    let events = events_until(&mut stream, "block", 3);
    assert_eq!((events[0].0.as_str(), &events[0].1["depth"]), ("reorganisation", &json!(1)));
    let told: Vec<(&Value, bool)> =
        events[1..].iter().map(|(_, data)| (&data["hash"], data["connected"].as_bool().unwrap())).collect();
    assert_eq!(told, [(&old[1], false), (&done["blocks"][0], true), (&done["blocks"][1], true)]);
    let numbers: Vec<u64> = events.iter().map(|(_, data)| data["sequence"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [2, 3, 4, 5]);
}

#[test]
fn log_details_are_switched_on_and_off_while_the_node_runs() {
    let node = Node::fresh("bitcoin-regtest", &[]);
    let log = || std::fs::read_to_string(node.call("getrpcinfo", json!([]))["logpath"].as_str().unwrap()).unwrap();
    let categories = node.call("logging", json!([]));
    assert!(categories.as_object().unwrap().values().all(|is_on| *is_on == json!(false)), "{categories}");
    assert_eq!(node.call("logging", json!([["net"]]))["net"], true);
    // Nobody listens there, which the log says only among the details.
    node.call("addnode", json!(["127.0.0.1:1", "add"]));
    kit::eventually("a detail", || log().contains("DEBUG").then_some(()));
    assert_eq!(node.call("logging", json!([["all"], ["net"]]))["mempool"], true);
    assert_eq!(node.call("logging", json!([[], ["all"]]))["mempool"], false);
    assert_eq!(node.error_code("logging", json!([["gossip"]])), -8);
    assert_eq!(node.error_code("logging", json!([[1]])), -3);
    assert_eq!(node.error_code("logging", json!(["net"])), -3);
}
