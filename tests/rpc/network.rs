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
