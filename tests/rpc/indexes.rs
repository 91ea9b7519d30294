//! The optional indexes, the files of coins, and what REST shows of them.

use super::chain::ADDRESS;
use chain_spec::{Amount, Encode as _, Outpoint, TxOut};
use kit::http::Connection;
use kit::{Node, NodeOptions, fixture};
use serde_json::{Value, json};

/// Mines a block to key 1, makes it deep, spends its coin: the node's block with the payment, the payment, the coin.
fn paid(node: &Node) -> (Value, String, Outpoint) {
    let key = fixture::key(1);
    let own = key.public_key().address(&fixture::regtest()).to_string();
    let first = node.call("generatetoaddress", json!([101, own]))[0].clone();
    let coin = node.call("getblock", json!([first]))["tx"][0].as_str().unwrap().parse().unwrap();
    let coin = Outpoint { txid: coin, index: 0 };
    let output = TxOut { value: Amount::from_units(49_9999_0000), script: fixture::pay_to(2) };
    let payment = fixture::spend(&[coin], &key, vec![output]);
    let txid = node.text("sendrawtransaction", json!([hex::encode(payment.to_bytes())]));
    (node.call("generatetoaddress", json!([1, ADDRESS]))[0].clone(), txid, coin)
}

fn filters(node: &Node) -> Vec<Value> {
    let at = |height| node.call("getblockfilter", json!([node.call("getblockhash", json!([height]))]));
    (0..=node.height()).map(at).collect()
}

#[test]
fn filters_are_the_same_whenever_the_index_is_switched_on_and_scans_find_what_they_hold() {
    let place = tempfile::tempdir().unwrap();
    let options = NodeOptions::new("bitcoin-regtest", place.path());
    let plain = Node::start(options.clone());
    let (block, ..) = paid(&plain);
    assert_eq!(plain.error_code("getblockfilter", json!([block])), -1, "no index");
    let options = plain.stop();
    let node = Node::start(options.clone().with("--blockfilterindex").with("--rest"));
    let later = filters(&node);
    let genesis = node.text("getblockhash", json!([0]));
    assert_eq!(node.error_code("getblockfilter", json!([genesis, "extended"])), -5);
    assert_eq!(node.error_code("getblockfilter", json!(["00".repeat(32)])), -5);
    let info = node.call("getindexinfo", json!([]));
    assert_eq!(info["basic block filter index"]["best_block_height"], 102);

    let fresh = Node::fresh("bitcoin-regtest", &["--blockfilterindex"]);
    for height in 1..=102 {
        let hash = node.call("getblockhash", json!([height]));
        fresh.call("submitblock", json!([node.call("getblock", json!([hash, 0]))]));
    }
    assert_eq!(filters(&fresh), later);

    let payee = fixture::key(2).public_key().address(&fixture::regtest()).to_string();
    let found = node.call(
        "scanblocks",
        json!(["start", [format!("addr({payee})")], 50, null, "basic", {"filter_false_positives": true}]),
    );
    assert_eq!((&found["relevant_blocks"], &found["from_height"]), (&json!([block]), &json!(50)));
    let spender = fixture::key(1).public_key().address(&fixture::regtest()).to_string();
    let found = node.call("scanblocks", json!(["start", [format!("addr({spender})")], 102, 102]));
    assert_eq!(found["relevant_blocks"], json!([block]), "it spends a coin of that address");
    assert_eq!(node.error_code("scanblocks", json!(["start", [format!("addr({spender})")], 103])), -1);

    let get = |path: &str| Connection::open(node.address).send(&format!("GET {path} HTTP/1.1\r\nHost: localhost"), b"");
    let path = format!("/rest/blockfilter/basic/{}.json", block.as_str().unwrap());
    assert_eq!(get(&path).json()["filter"], later[102]["filter"]);
    let headers = get(&format!("/rest/blockfilterheaders/basic/{genesis}.json?count=3")).json();
    assert_eq!(headers, json!([later[0]["header"], later[1]["header"], later[2]["header"]]));
    assert_eq!(get(&format!("/rest/blockfilter/other/{genesis}.json")).status, 400);
    let spent = get(&format!("/rest/spenttxouts/{}.json", block.as_str().unwrap())).json();
    assert_eq!((&spent[0], spent[1][0]["value"].to_string()), (&json!([]), "50.00000000".to_owned()));

    // The filters stay right when the branch changes, and after kill -9.
    node.call("reorg", json!([2]));
    let options = node.kill();
    let node = Node::start(options);
    let after = filters(&node);
    assert_eq!(after[..101], later[..101]);
    assert_ne!(after[101], later[101]);
}

#[test]
fn spenders_in_the_chain_are_found_with_their_block_and_forgotten_with_it() {
    let node = Node::fresh("bitcoin-regtest", &["--txospenderindex"]);
    let (block, txid, coin) = paid(&node);
    let asked = json!({"txid": coin.txid.to_string(), "vout": 0});
    let found = node.call("gettxspendingprevout", json!([[asked], {"return_spending_tx": true}]))[0].clone();
    assert_eq!((&found["spendingtxid"], &found["blockhash"]), (&json!(txid), &block));
    assert_eq!(found["spendingtx"], node.call("getrawtransaction", json!([txid, 0, block])));
    assert_eq!(node.call("gettxspendingprevout", json!([[asked], {"mempool_only": true}])), json!([asked]));
    node.call("invalidateblock", json!([block]));
    let found = node.call("gettxspendingprevout", json!([[asked]]))[0].clone();
    assert_eq!((&found["spendingtxid"], found.get("blockhash")), (&json!(txid), None), "it waits in the mempool again");
    node.call("reconsiderblock", json!([block]));
    let without = Node::fresh("bitcoin-regtest", &[]);
    assert_eq!(without.error_code("gettxspendingprevout", json!([[asked], {"mempool_only": false}])), -1);
    assert_eq!(without.call("gettxspendingprevout", json!([[asked]])), json!([asked]));
    assert_eq!(without.error_code("gettxspendingprevout", json!([[asked], {"nonsense": true}])), -3);
}

#[test]
fn the_coins_are_written_to_a_file_in_cores_format() {
    let node = Node::fresh("bitcoin-regtest", &[]);
    paid(&node);
    let dumped = node.call("dumptxoutset", json!(["coins.dat", "latest"]));
    let info = node.call("gettxoutsetinfo", json!([]));
    assert_eq!(dumped["txoutset_hash"], info["hash_serialized_3"]);
    assert_eq!((&dumped["coins_written"], &dumped["base_height"]), (&info["txouts"], &json!(102)));
    assert_eq!(dumped["nchaintx"], 104);
    let bytes = std::fs::read(dumped["path"].as_str().unwrap()).unwrap();
    assert_eq!(bytes[..11], *b"utxo\xff\x02\x00\xfa\xbf\xb5\xda");
    let mut tip = hex::decode(dumped["base_hash"].as_str().unwrap()).unwrap();
    tip.reverse();
    assert_eq!(bytes[11..43], *tip);
    assert_eq!(bytes[43..51], 102_u64.to_le_bytes());
    // Txid, one coin, index 0, height, amount, a key's hash; heights from 64 on take a byte more, and so does the payment's;
    // its amount and that of the coinbase with its fee take three more.
    assert_eq!(bytes.len(), 51 + 102 * (32 + 1 + 1 + 1 + 1 + 21) + (102 - 63) + 1 + 2 * 3);
    assert_eq!(node.error_code("dumptxoutset", json!(["coins.dat", "latest"])), -8, "it is there already");
    assert_eq!(node.error_code("dumptxoutset", json!(["more.dat"])), -8);
    assert_eq!(node.error_code("dumptxoutset", json!(["more.dat", "rollback"])), -8, "to where is not said");
    // Rolled back from later on, the file is the same byte by byte, and the chain has not moved.
    node.call("generatetoaddress", json!([30, ADDRESS]));
    node.call("savemempool", json!([]));
    for (name, target) in [("height.dat", json!(102)), ("hash.dat", dumped["base_hash"].clone())] {
        let back = node.call("dumptxoutset", json!([name, "rollback", {"rollback": target}]));
        for field in ["coins_written", "base_hash", "base_height", "txoutset_hash", "nchaintx"] {
            assert_eq!(back[field], dumped[field], "{field}");
        }
        assert_eq!(std::fs::read(back["path"].as_str().unwrap()).unwrap(), bytes);
    }
    assert_eq!(node.height(), 132);
    for (options, code) in [
        (json!(["x.dat", "latest", {"rollback": 100}]), -8),
        (json!(["x.dat", "", {"rollback": 133}]), -8),
        (json!(["x.dat", "", {"rollback": -1}]), -8),
        (json!(["x.dat", "", {"rollback": "00".repeat(32)}]), -5),
        (json!(["x.dat", "", {"rollback": "zz"}]), -8),
        (json!(["x.dat", "", {"rollback": true}]), -3),
    ] {
        assert_eq!(node.error_code("dumptxoutset", options.clone()), code, "{options}");
    }
}

#[test]
fn what_descriptors_were_paid_and_what_was_spent_from_them_is_told_by_block_and_mempool() {
    let node = Node::fresh("bitcoin-regtest", &[]);
    let (block, txid, coin) = paid(&node);
    let owner = |number| fixture::key(number).public_key().address(&fixture::regtest()).to_string();
    let described = |number| json!([format!("addr({})", owner(number))]);
    let activity = |arguments: Value| node.call("getdescriptoractivity", arguments)["activity"].clone();
    let received = activity(json!([[block], described(2)]));
    let script = node.call("validateaddress", json!([owner(2)]))["scriptPubKey"].clone();
    assert_eq!(received.as_array().unwrap().len(), 1);
    let event = &received[0];
    assert_eq!((&event["type"], &event["txid"], &event["vout"]), (&json!("receive"), &json!(txid), &json!(0)));
    assert_eq!((&event["blockhash"], &event["height"]), (&block, &json!(102)));
    assert_eq!((event["amount"].to_string().as_str(), &event["output_spk"]["hex"]), ("49.99990000", &script));
    // The same block spends a coin of the other key; the block that made it, named twice and out of order, comes first.
    let first = node.call("getblockhash", json!([1]));
    let events = activity(json!([[block, first, block], described(1)]));
    let kinds: Vec<&Value> = events.as_array().unwrap().iter().map(|event| &event["type"]).collect();
    assert_eq!(kinds, [&json!("receive"), &json!("spend")]);
    let spend = &events[1];
    assert_eq!((&spend["spend_txid"], &spend["spend_vin"]), (&json!(txid), &json!(0)));
    assert_eq!((&spend["prevout_txid"], &spend["prevout_vout"]), (&json!(coin.txid.to_string()), &json!(0)));
    assert_eq!(
        (spend["amount"].to_string().as_str(), &spend["prevout_spk"]["address"]),
        ("50.00000000", &json!(owner(1)))
    );
    // What waits in the mempool has no block, and can be left out.
    let payment = Outpoint { txid: txid.parse().unwrap(), index: 0 };
    let onward = TxOut { value: Amount::from_units(49_9990_0000), script: fixture::pay_to(3) };
    let pooled = fixture::spend(&[payment], &fixture::key(2), vec![onward]);
    node.call("sendrawtransaction", json!([hex::encode(pooled.to_bytes())]));
    let events = activity(json!([[], described(2)]));
    assert_eq!((&events[0]["type"], &events[0]["spend_txid"]), (&json!("spend"), &json!(pooled.txid().to_string())));
    assert_eq!((events[0].get("blockhash"), events.as_array().unwrap().len()), (None, 1));
    assert_eq!(activity(json!([[], described(2), false])), json!([]));
    for (arguments, code) in [
        (json!([["00".repeat(32)], described(1)]), -5),
        (json!([["zz"], described(1)]), -8),
        (json!([[5], described(1)]), -3),
        (json!([[block], ["nonsense"]]), -5),
        (json!([[block], [5]]), -8),
    ] {
        assert_eq!(node.error_code("getdescriptoractivity", arguments.clone()), code, "{arguments}");
    }
    node.call("invalidateblock", json!([block]));
    assert_eq!(node.error_code("getdescriptoractivity", json!([[block], described(1)])), -8, "not in the main chain");
}
