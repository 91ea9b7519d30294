//! What an operator and a script do with the mempool: order, packages, orphans, files.

use chain_spec::{Amount, Encode as _, Outpoint, PrivateKey, Transaction, TxOut};
use kit::{Node, eventually, fixture};
use serde_json::{Value, json};

const COIN: u64 = 100_000_000;

fn address(key: &PrivateKey) -> String {
    key.public_key().address(&fixture::regtest()).to_string()
}

/// Coins of key 1 in blocks that are deep enough to be spent.
fn coins(node: &Node, count: u64) -> Vec<Outpoint> {
    let blocks = node.call("generatetoaddress", json!([count + 100, address(&fixture::key(1))]));
    let coinbase = |block: &Value| node.call("getblock", json!([block]))["tx"][0].as_str().unwrap().parse().unwrap();
    let blocks = blocks.as_array().unwrap().iter().take(count as usize);
    blocks.map(|block| Outpoint { txid: coinbase(block), index: 0 }).collect()
}

/// Spends a coin of key 1 to key 1.
fn pay(coin: Outpoint, units: u64) -> Transaction {
    let output = TxOut { value: Amount::from_units(units), script: fixture::pay_to(1) };
    fixture::spend(&[coin], &fixture::key(1), vec![output])
}

fn hex_of(transaction: &Transaction) -> String {
    hex::encode(transaction.to_bytes())
}

fn id(transaction: &Transaction) -> String {
    transaction.txid().to_string()
}

#[test]
fn an_operator_prioritises_and_a_restart_forgets() {
    let node = Node::fresh("bitcoin-regtest", &[]);
    let coins = coins(&node, 2);
    let (poor, rich) = (pay(coins[0], 50 * COIN - 1_000), pay(coins[1], 50 * COIN - 9_000));
    for transaction in [&poor, &rich] {
        node.call("sendrawtransaction", json!([hex_of(transaction)]));
    }
    let first = || node.call("getblocktemplate", json!([{"rules": ["segwit"]}]))["transactions"][0]["txid"].clone();
    assert_eq!(first(), json!(id(&rich)));
    assert_eq!(node.call("prioritisetransaction", json!([id(&poor), 0, 10_000])), json!(true));
    assert_eq!(first(), json!(id(&poor)));
    let expected = json!({id(&poor): {"fee_delta": 10_000, "in_mempool": true, "modified_fee": 11_000}});
    assert_eq!(node.call("getprioritisedtransactions", json!([])), expected);
    let entry = node.call("getmempoolentry", json!([id(&poor)]));
    assert_eq!(entry["fees"]["base"].to_string(), "0.00001000");
    assert_eq!(entry["fees"]["modified"].to_string(), "0.00011000");
    node.call("prioritisetransaction", json!({"txid": "77".repeat(32), "fee_delta": -5}));
    assert_eq!(
        node.call("getprioritisedtransactions", json!([]))["77".repeat(32)],
        json!({"fee_delta": -5, "in_mempool": false})
    );
    assert_eq!(node.error_code("prioritisetransaction", json!([id(&poor), 1, 10])), -8, "no longer a priority");
    assert_eq!(node.error_code("prioritisetransaction", json!([id(&poor), 0])), -1, "what is missing is in the help");
    assert_eq!(node.error_code("prioritisetransaction", json!(["00", 0, 1])), -8);
}

#[test]
fn packages_are_taken_or_refused_with_cores_words() {
    let node = Node::fresh("bitcoin-regtest", &[]);
    let coins = coins(&node, 2);
    let parent = pay(coins[0], 50 * COIN - 1_000);
    let child = pay(Outpoint { txid: parent.txid(), index: 0 }, 50 * COIN - 3_000);
    let stranger = pay(coins[1], 50 * COIN - 1_000);
    let package = |list: &[&Transaction]| json!([list.iter().map(|one| hex_of(one)).collect::<Vec<_>>()]);
    assert_eq!(node.error_code("submitpackage", package(&[&stranger, &parent])), -25, "not a child with its parents");
    assert_eq!(node.error_code("submitpackage", json!([[]])), -8);
    assert_eq!(node.error_code("submitpackage", json!([["00"]])), -22);
    assert_eq!(node.call("submitpackage", package(&[&child, &parent]))["package_msg"], "package-not-sorted");
    assert!(node.mempool().is_empty());
    let taken = node.call("submitpackage", package(&[&parent, &child]));
    assert_eq!((&taken["package_msg"], &taken["replaced-transactions"]), (&json!("success"), &json!([])));
    let result = &taken["tx-results"][id(&child)];
    assert_eq!(result["fees"]["base"].to_string(), "0.00002000");
    assert_eq!(result["fees"]["effective-includes"], json!([id(&child)]));
    assert_eq!(node.mempool().len(), 2);
    let rival = pay(coins[0], 50 * COIN - 30_000);
    let taken = node.call("submitpackage", package(&[&rival]));
    let mut replaced: Vec<String> = serde_json::from_value(taken["replaced-transactions"].clone()).unwrap();
    replaced.sort_unstable();
    let mut expected = vec![id(&parent), id(&child)];
    expected.sort_unstable();
    assert_eq!(replaced, expected);
    let refused = node.call("submitpackage", package(&[&parent]));
    assert_eq!(refused["package_msg"], "transaction failed");
    assert_eq!(refused["tx-results"][id(&parent)]["error"], "insufficient fee");
}

#[test]
fn clusters_are_cut_into_chunks() {
    let node = Node::fresh("bitcoin-regtest", &[]);
    let coins = coins(&node, 2);
    let parent = pay(coins[0], 50 * COIN - 1_000);
    let child = pay(Outpoint { txid: parent.txid(), index: 0 }, 50 * COIN - 10_000);
    let alone = pay(coins[1], 50 * COIN - 2_000);
    for transaction in [&parent, &child, &alone] {
        node.call("sendrawtransaction", json!([hex_of(transaction)]));
    }
    let cluster = node.call("getmempoolcluster", json!([id(&parent)]));
    assert_eq!((&cluster["txcount"], cluster["chunks"].as_array().unwrap().len()), (&json!(2), 1));
    assert_eq!(cluster["chunks"][0]["txs"], json!([id(&parent), id(&child)]));
    assert_eq!(node.call("getmempoolentry", json!([id(&parent)]))["fees"]["chunk"].to_string(), "0.00010000");
    let diagram = node.call("getmempoolfeeratediagram", json!([]));
    let fees: Vec<String> = diagram.as_array().unwrap().iter().map(|point| point["fee"].to_string()).collect();
    assert_eq!(fees, ["0.00000000", "0.00010000", "0.00012000"]);
    assert_eq!(node.error_code("getmempoolcluster", json!(["77".repeat(32)])), -5);
}

#[test]
fn a_mempool_goes_from_one_node_to_another_as_a_file() {
    let (from, to) = (Node::fresh("bitcoin-regtest", &[]), Node::fresh("bitcoin-regtest", &[]));
    let coins = coins(&from, 3);
    for height in 1..=from.height() {
        let hash = from.call("getblockhash", json!([height]));
        to.call("submitblock", json!([from.call("getblock", json!([hash, 0]))]));
    }
    let payments: Vec<Transaction> = (0..3).map(|number| pay(coins[number], 50 * COIN - 1_000)).collect();
    for payment in &payments {
        from.call("sendrawtransaction", json!([hex_of(payment)]));
    }
    from.call("prioritisetransaction", json!([id(&payments[1]), 0, 777]));
    let file = from.call("savemempool", json!([]))["filename"].clone();
    // One of them can no longer be paid.
    to.call("sendrawtransaction", json!([hex_of(&pay(coins[2], 50 * COIN - 90_000))]));
    assert_eq!(to.call("importmempool", json!([file, {"apply_fee_delta_priority": true}])), json!({}));
    let pooled = to.mempool();
    assert_eq!(pooled.len(), 3);
    assert!(payments[..2].iter().all(|payment| pooled.contains(&id(payment))));
    assert_eq!(to.call("getprioritisedtransactions", json!([]))[id(&payments[1])]["fee_delta"], 777);
    assert_eq!(to.error_code("importmempool", json!(["/nowhere/mempool.dat"])), -1);
    assert_eq!(to.error_code("importmempool", json!([file, {"nonsense": true}])), -3);
}

#[test]
fn a_transaction_without_its_parent_is_shown_as_an_orphan() {
    let rich = Node::fresh("bitcoin-regtest", &[]);
    // It takes no parent at so low a rate, so that the child stays an orphan.
    let strict = Node::fresh("bitcoin-regtest", &["--minrelaytxfee", "0.0001", "--connect", rich.p2p()]);
    let coin = coins(&rich, 1)[0];
    strict.wait_for_height(101);
    let parent = pay(coin, 50 * COIN - 400);
    let child = pay(Outpoint { txid: parent.txid(), index: 0 }, 50 * COIN - 90_000);
    for transaction in [&parent, &child] {
        rich.call("sendrawtransaction", json!([hex_of(transaction)]));
    }
    let orphans = || strict.call("getorphantxs", json!([2])).as_array().filter(|list| !list.is_empty()).cloned();
    let orphan = eventually("an orphan", orphans)[0].clone();
    let peer = strict.call("getpeerinfo", json!([]))[0]["id"].clone();
    assert_eq!(
        (&orphan["txid"], &orphan["from"], &orphan["hex"]),
        (&json!(id(&child)), &json!([peer]), &json!(hex_of(&child)))
    );
    assert_eq!(strict.call("getorphantxs", json!([])), json!([id(&child)]));
    assert_eq!(strict.error_code("getorphantxs", json!([3])), -8);
}
