//! Branches meet over real sockets: the one with the most work wins everywhere, and nothing of the other is lost.

use crate::crash::submit;
use chain_spec::Encode as _;
use kit::fixture::{ChainBuilder, regtest};
use kit::{Node, NodeOptions, eventually};
use serde_json::json;

#[test]
fn the_branch_with_more_work_wins_and_its_rivals_payments_return() {
    let mut common = ChainBuilder::new(regtest(), 20);
    common.mine_empty(105);
    let place = tempfile::tempdir().expect("a temporary directory");
    let a = Node::start(NodeOptions::new("bitcoin-regtest", &place.path().join("a")));
    let b = Node::start(NodeOptions::new("bitcoin-regtest", &place.path().join("b")));
    let mut long = common.fork(105, 21);
    let payment = common.payments(1).remove(0);
    let txid = payment.txid().to_string();
    common.mine(vec![payment]);
    long.mine_empty(3);
    submit(&a, &common, 1);
    submit(&b, &long, 1);
    assert!(a.client.mempool().is_empty());

    a.client.call("addnode", json!([b.p2p(), "add"]));
    eventually("both nodes are on the longer branch", || (a.client.tip() == long.tip().to_string()).then_some(()));
    assert_eq!(a.client.mempool(), std::slice::from_ref(&txid), "the undone block's payment waits to be mined again");
    eventually("the payment travels on", || b.client.mempool().contains(&txid).then_some(()));
    let tips = a.client.call("getchaintips", json!([]));
    let words: Vec<&str> = tips.as_array().expect("a list").iter().filter_map(|tip| tip["status"].as_str()).collect();
    assert_eq!(words, ["active", "valid-fork"], "{tips}");
    assert_eq!(tips[1]["branchlen"], 1);
    // Mined again, on the new branch.
    let hashes = b.client.call("generatetoaddress", json!([1, "mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn"]));
    let block = b.client.call("getblock", json!([hashes[0]]));
    assert!(block["tx"].as_array().is_some_and(|all| all.iter().any(|own| *own == json!(txid))), "{block}");
    eventually("both mempools are empty", || {
        (a.client.mempool().is_empty() && b.client.mempool().is_empty()).then_some(())
    });
    assert_eq!(a.client.coins_hash(), b.client.coins_hash());
}

/// Two branches hold the same payment, and what is read from the block files after a crash is of the abandoned one.
#[test]
fn the_transaction_index_points_into_the_active_chain_after_a_crash() {
    let mut common = ChainBuilder::new(regtest(), 40);
    common.mine_empty(105);
    let payments = common.payments(1);
    let txid = payments[0].txid().to_string();
    let (mut active, mut rival) = (common.fork(105, 41), common.fork(105, 42));
    active.mine(payments.clone());
    active.mine_empty(2);
    rival.mine(payments);
    rival.mine_empty(1);
    let place = tempfile::tempdir().expect("a temporary directory");
    let node = Node::start(NodeOptions::new("bitcoin-regtest", place.path()).with("--txindex"));
    let give = |node: &Node, blocks: &[std::sync::Arc<chain_spec::Block>]| {
        for block in blocks {
            node.client.call("submitblock", json!([hex::encode(block.to_bytes())]));
        }
    };
    give(&node, &active.blocks[1..=106]);
    // Its coins are on the disk from here on.
    let node = Node::start(node.stop());
    give(&node, &rival.blocks[106..]);
    assert_eq!(node.client.tip(), rival.tip().to_string());
    give(&node, &active.blocks[107..]);
    let confirmations =
        |node: &Node| node.client.call("getrawtransaction", json!([txid, true]))["confirmations"].clone();
    assert_eq!((node.client.tip(), confirmations(&node)), (active.tip().to_string(), json!(3)));
    let node = Node::start(node.kill());
    assert_eq!((node.client.tip(), confirmations(&node)), (active.tip().to_string(), json!(3)));
}

#[test]
fn an_operator_can_steer_away_from_a_block_and_back() {
    let mut builder = ChainBuilder::new(regtest(), 30);
    builder.mine_empty(12);
    let place = tempfile::tempdir().expect("a temporary directory");
    let node = Node::start(NodeOptions::new("bitcoin-regtest", place.path()));
    submit(&node, &builder, 1);
    let coins = node.client.coins_hash();
    let tenth = builder.blocks[10].hash().to_string();
    node.client.call("invalidateblock", json!([tenth]));
    assert_eq!(node.client.height(), 9);
    // What was decided outlives a restart.
    let node = Node::start(node.stop());
    assert_eq!(node.client.height(), 9);
    let answer = node.client.call("submitblock", json!([hex::encode(builder.blocks[10].to_bytes())]));
    assert_eq!(answer, "duplicate-invalid");
    node.client.call("reconsiderblock", json!([tenth]));
    assert_eq!(node.client.coins_hash(), coins);

    let mut rival = builder.fork(11, 31);
    rival.mine_empty(1);
    submit(&node, &rival, 12);
    assert_eq!(node.client.tip(), builder.tip().to_string(), "on a tie the first seen stays");
    node.client.call("preciousblock", json!([rival.tip().to_string()]));
    assert_eq!(node.client.tip(), rival.tip().to_string());
}
