//! `--prune` and `pruneblockchain`: what an operator sees of a node that deletes old blocks, and what its neighbours have of it.

use super::chain::ADDRESS;
use kit::wait::eventually;
use kit::{Node, NodeOptions};
use serde_json::json;

/// Whether the block at a height is here; if not, it is the right error that says so.
fn is_here(node: &Node, height: u32) -> bool {
    let hash = node.call("getblockhash", json!([height]));
    match node.try_call("getblock", json!([hash])) {
        Ok(_) => true,
        Err(error) => {
            assert_eq!((error.code, error.message.as_str()), (-1, "Block not available (pruned data)"));
            false
        }
    }
}

fn message(node: &Node, arguments: serde_json::Value) -> String {
    node.try_call("pruneblockchain", arguments).unwrap_err().message
}

#[test]
fn blocks_are_pruned_by_hand_as_core_does_and_a_neighbour_has_them_from_somebody_else() {
    let place = tempfile::tempdir().unwrap();
    let full = Node::fresh("bitcoin-regtest", &[]);
    let options = NodeOptions::new("bitcoin-regtest", place.path()).with("--prune=1").with("--fastprune");
    let node = Node::start(options.connected_to(&full));
    assert_eq!(message(&full, json!([1])), "Cannot prune blocks because node is not in prune mode.");
    assert_eq!(message(&node, json!([0])), "Blockchain is too short for pruning.");
    let blocks = node.call("generatetoaddress", json!([800, ADDRESS]));
    for (arguments, code) in
        [(json!([-1]), -8), (json!([801]), -8), (json!(["800"]), -3), (json!([4_000_000_000u32]), -8)]
    {
        assert_eq!(node.error_code("pruneblockchain", arguments.clone()), code, "{arguments}");
    }
    let pruned = node.call("pruneblockchain", json!([400])).as_u64().unwrap() as u32;
    assert!((150..=400).contains(&pruned), "whole files of 64 KiB: {pruned}");
    let info = node.call("getblockchaininfo", json!([]));
    let facts = (&info["pruned"], &info["pruneheight"], &info["automatic_pruning"], &info["prune_target_size"]);
    assert_eq!(facts, (&json!(true), &json!(pruned + 1), &json!(false), &json!(null)));
    assert!(!is_here(&node, pruned) && is_here(&node, pruned + 1) && is_here(&node, 800));
    for method in ["getblockstats", "getblock"] {
        let refusal = node.try_call(method, json!([blocks[10]])).unwrap_err();
        assert_eq!(refusal.message, "Block not available (pruned data)", "{method}");
    }
    assert_eq!(node.call("getblockheader", json!([blocks[10]]))["height"], 11, "headers stay");
    assert_eq!(node.call("verifychain", json!([4, 300])), true);
    assert_eq!(node.call("verifychain", json!([0, 0])), false, "as in Core: not all of it is here");
    let services = node.call("getnetworkinfo", json!([]));
    assert_eq!(
        (&services["localservices"], &services["localservicesnames"]),
        (&json!("0000000000000400"), &json!(["NETWORK_LIMITED"]))
    );
    assert_eq!(node.error_code("invalidateblock", json!([blocks[10]])), -20);
    let coins = node.call("gettxoutsetinfo", json!([]));

    // A newcomer has the old blocks from the node that keeps them.
    full.wait_for_height(800);
    let newcomer = Node::fresh("bitcoin-regtest", &["--connect", node.p2p()]);
    eventually("the headers are known", || {
        (newcomer.call("getblockchaininfo", json!([]))["headers"] == 800).then_some(())
    });
    assert_eq!(newcomer.height(), 0);
    newcomer.call("addnode", json!([full.p2p(), "add"]));
    newcomer.wait_for_height(800);
    assert_eq!(newcomer.call("gettxoutsetinfo", json!([]))["hash_serialized_3"], coins["hash_serialized_3"]);

    // A single block can be had again from a neighbour.
    let peer = node.call("getpeerinfo", json!([]))[0]["id"].clone();
    node.call("getblockfrompeer", json!([blocks[10], peer]));
    eventually("the block is here again", || is_here(&node, 11).then_some(()));

    let options = node.stop();
    let without = NodeOptions::new("bitcoin-regtest", place.path()).fail();
    assert!(without.stderr.contains("start with --prune again"), "{}", without.stderr);
    let node = Node::start(options.clone());
    assert_eq!(node.call("getblockchaininfo", json!([]))["pruneheight"], pruned + 1);
    assert_eq!(node.call("gettxoutsetinfo", json!([]))["hash_serialized_3"], coins["hash_serialized_3"]);
    // Rebuilt, it downloads everything anew.
    node.stop();
    let node = Node::start(options.with("--reindex"));
    node.wait_for_height(800);
    assert!(is_here(&node, 1));
    assert_eq!(node.call("gettxoutsetinfo", json!([]))["hash_serialized_3"], coins["hash_serialized_3"]);
}

#[test]
fn a_target_is_kept_by_itself_and_wrong_options_are_refused() {
    let node = Node::fresh("bitcoin-regtest", &["--prune=2", "--fastprune"]);
    let key = json!([2_000, ADDRESS]);
    for _ in 0..4 {
        node.call("generatetoaddress", key.clone());
    }
    let info = node.call("getblockchaininfo", json!([]));
    assert_eq!((&info["automatic_pruning"], &info["prune_target_size"]), (&json!(true), &json!(2 << 20)));
    let height = info["pruneheight"].as_u64().unwrap() as u32;
    assert!((200..=7_712).contains(&height), "{height}");
    assert!(!is_here(&node, 1) && is_here(&node, height));

    let place = tempfile::tempdir().unwrap();
    let options = NodeOptions::new("bitcoin-regtest", place.path());
    for (arguments, word) in [
        (vec!["--prune=549"], "550"),
        (vec!["--prune=1", "--txindex"], "--txindex"),
        (vec!["--prune=550", "--txospenderindex"], "--txospenderindex"),
        (vec!["--prune=-1"], "--prune"),
    ] {
        let failed = options.clone().with_all(&arguments).fail();
        assert!(failed.stderr.contains(word), "{arguments:?}: {}", failed.stderr);
    }
}
