//! Peers over RPC: adding, describing, banning, link conditions.

use kit::{Client, Node, eventually};
use serde_json::{Value, json};

fn peers(client: &Client) -> Vec<Value> {
    client.call("getpeerinfo", json!([])).as_array().unwrap().clone()
}

#[test]
fn peers_are_added_described_disconnected_and_banned() {
    let (node, other) = (Node::fresh("bitcoin-regtest", &[]), Node::fresh("bitcoin-regtest", &[]));
    assert_eq!(node.number("getconnectioncount", json!([])), 0);
    node.call("addnode", json!([other.p2p(), "add"]));
    assert_eq!(node.error_code("addnode", json!([other.p2p(), "add"])), -23);
    eventually("a connection", || (peers(&node).len() == 1 && peers(&other).len() == 1).then_some(()));
    let (seen, back) = (&peers(&node)[0], &peers(&other)[0]);
    assert_eq!((&seen["inbound"], &seen["connection_type"]), (&json!(false), &json!("manual")));
    assert_eq!((&back["inbound"], &back["connection_type"]), (&json!(true), &json!("inbound")));
    assert_eq!(seen["peerid"], other.call("getnetworkinfo", json!([]))["peerid"]);
    let info = node.call("getnetworkinfo", json!([]));
    assert_eq!((&info["connections"], &info["connections_out"]), (&json!(1), &json!(1)));
    assert!(info["subversion"].as_str().unwrap().starts_with("/Testoon:"));

    node.call("setlink", json!({"peer": seen["peerid"], "delay_ms": 5, "loss": 0.25}));
    let links = node.call("getlinks", json!([]));
    let link = links.as_array().unwrap().iter().find(|link| link["peer"] == seen["peerid"]).expect("the link");
    assert_eq!((&link["delay_ms"], link["loss"].as_f64(), &link["blocked"]), (&json!(5), Some(0.25), &json!(false)));
    assert_eq!(node.error_code("setlink", json!(["nonsense", 5])), -8);

    node.call("addnode", json!([other.p2p(), "remove"]));
    assert_eq!(node.error_code("addnode", json!([other.p2p(), "remove"])), -24);
    node.call("setban", json!([seen["peerid"], "add", 100]));
    let banned = node.call("listbanned", json!([]));
    assert_eq!((&banned[0]["address"], &banned[0]["ban_duration"]), (&seen["peerid"], &json!(100)));
    eventually("the end of the connection", || peers(&node).is_empty().then_some(()));
    node.call("clearbanned", json!([]));
    assert_eq!(node.call("listbanned", json!([])), json!([]));
}

#[test]
fn the_network_is_switched_off_and_on() {
    let other = Node::fresh("bitcoin-regtest", &[]);
    let node = Node::fresh("bitcoin-regtest", &["--connect", other.p2p()]);
    eventually("a connection", || (peers(&node).len() == 1).then_some(()));
    assert_eq!(node.call("setnetworkactive", json!([false])), json!(false));
    eventually("no connection", || (peers(&node).is_empty() && peers(&other).is_empty()).then_some(()));
    assert_eq!(node.call("getnetworkinfo", json!([]))["networkactive"], false);
    assert_eq!(node.call("setnetworkactive", json!([true])), json!(true));
    eventually("a connection again", || (peers(&node).len() == 1).then_some(()));
    assert_eq!(node.call("getnetworkinfo", json!([]))["networkactive"], true);
    assert_eq!(node.error_code("setnetworkactive", json!(["off"])), -3);
}

#[test]
fn peers_say_what_they_sent_and_a_block_can_be_asked_of_one() {
    let other = Node::fresh("bitcoin-regtest", &[]);
    let stale = other.call("generatetoaddress", json!([1, super::chain::ADDRESS]))[0].clone();
    other.call("invalidateblock", json!([stale]));
    other.call("generatetoaddress", json!([2, super::chain::ADDRESS]));
    other.call("reconsiderblock", json!([stale]));
    let node = Node::fresh("bitcoin-regtest", &["--connect", other.p2p()]);
    node.wait_for_height(2);
    let peer = peers(&node)[0].clone();
    assert!(peer["last_block"].as_u64().unwrap() > 0, "{peer}");
    let sum: u64 = peer["bytesrecv_per_msg"].as_object().unwrap().values().filter_map(Value::as_u64).sum();
    assert_eq!(Some(sum), peer["bytesrecv"].as_u64());
    assert!(peer["bytesrecv_per_msg"]["block"].as_u64().unwrap() > 80, "{peer}");

    assert_eq!(node.error_code("getblockfrompeer", json!([stale, peer["id"]])), -1, "its header is not known");
    node.call("submitheader", json!([other.call("getblockheader", json!([stale, false]))]));
    assert_eq!(node.error_code("getblock", json!([stale])), -1);
    assert_eq!(node.error_code("getblockfrompeer", json!([stale, 999])), -1, "no such peer");
    assert_eq!(node.call("getblockfrompeer", json!([stale, peer["id"]])), json!({}));
    eventually("the block", || node.try_call("getblock", json!([stale])).ok());
    assert_eq!(node.error_code("getblockfrompeer", json!([stale, peer["id"]])), -1, "it is here already");
}

#[test]
fn the_address_book_is_shown_and_added_to() {
    let (node, other) = (Node::fresh("bitcoin-regtest", &[]), Node::fresh("bitcoin-regtest", &[]));
    let id = other.call("getnetworkinfo", json!([]))["peerid"].clone();
    assert_eq!(node.call("getnodeaddresses", json!([0])), json!([]));
    assert_eq!(node.call("addpeeraddress", json!(["192.0.2.7", 8_333, false, id])), json!({"success": true}));
    let known = node.call("getnodeaddresses", json!([0]));
    assert_eq!(
        (&known[0]["address"], &known[0]["port"], &known[0]["peerid"]),
        (&json!("192.0.2.7"), &json!(8_333), &id)
    );
    assert_eq!(node.call("getnodeaddresses", json!([0, "ipv6"])), json!([]));
    let counts = node.call("getaddrmaninfo", json!([]));
    assert_eq!(counts["ipv4"], json!({"new": 1, "tried": 0, "total": 1}));
    assert_eq!((&counts["all_networks"]["total"], &counts["ipv6"]["total"]), (&json!(1), &json!(0)));
    assert_eq!(node.call("addpeeraddress", json!(["192.0.2.7", 8_333, false, id]))["success"], false);
    for (method, arguments, code) in [
        ("getnodeaddresses", json!([-1]), -8),
        ("getnodeaddresses", json!([1, "telex"]), -8),
        ("addpeeraddress", json!(["192.0.2.7", 8_333]), -8),
        ("addpeeraddress", json!(["nobody", 8_333, false, "x"]), -30),
        ("addpeeraddress", json!(["192.0.2.7", 70_000, false, "x"]), -8),
        ("addpeeraddress", json!(["192.0.2.7", 8_333, false, "x"]), -8),
    ] {
        assert_eq!(node.error_code(method, arguments.clone()), code, "{method} {arguments}");
    }
}
