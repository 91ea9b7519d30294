//! A payment by hand: signed here, tested, sent, mined, looked up, on two nodes.

use crate::node::Node;
use chain_spec::{Amount, ChainSpec, Encode, Outpoint, PrivateKey, Script, Transaction, TxIn, TxOut, signature_hash};
use serde_json::{Value, json};

/// A key, its address and script on the regtest chain.
struct Party {
    key: PrivateKey,
    script: Script,
    address: String,
}

fn party(secret: u8) -> Party {
    let spec = ChainSpec::builtin("bitcoin-regtest").unwrap();
    let key = PrivateKey::from_bytes(&[secret; 32], true).unwrap();
    let address = key.public_key().address(&spec);
    Party { script: address.script(), address: address.to_string(), key }
}

/// Spends one coin of `from` to `to`.
fn pay(from: &Party, coin: Outpoint, to: &Party, value: u64) -> Transaction {
    let input = TxIn { outpoint: coin, script: Script::default(), sequence: 0xffff_fffd };
    let output = TxOut { value: Amount::from_units(value), script: to.script.clone() };
    let mut transaction = Transaction { version: 2, inputs: vec![input], outputs: vec![output], lock_time: 0 };
    let digest = signature_hash::signature_hash(&transaction, 0, &from.script, 1);
    let mut signature = from.key.sign(&digest);
    signature.push(1);
    transaction.inputs[0].script = Script::unlock_public_key_hash(&signature, from.key.public_key().as_bytes());
    transaction
}

fn hex_of(transaction: &Transaction) -> String {
    hex::encode(transaction.to_bytes())
}

#[test]
fn a_payment_is_tested_sent_mined_and_found_on_two_nodes() {
    let (alice, bob) = (party(1), party(2));
    let node = Node::start("bitcoin-regtest", &["--txindex"]);
    let peer = Node::start("bitcoin-regtest", &["--connect", node.p2p()]);
    let blocks = node.call("generatetoaddress", json!([101, alice.address]));
    let first = node.call("getblock", json!([blocks[0]]));
    let coin = Outpoint { txid: first["tx"][0].as_str().unwrap().parse().unwrap(), index: 0 };
    let payment = pay(&alice, coin, &bob, 49_9999_0000);
    let txid = payment.txid().to_string();

    let verdict = node.call("testmempoolaccept", json!([[hex_of(&payment)]]))[0].clone();
    assert_eq!((&verdict["allowed"], &verdict["txid"]), (&json!(true), &json!(txid)));
    assert_eq!(verdict["fees"]["base"].to_string(), "0.00010000");
    let unsigned = Transaction {
        inputs: vec![TxIn { script: Script::default(), ..payment.inputs[0].clone() }],
        ..payment.clone()
    };
    assert_eq!(node.call("testmempoolaccept", json!([[hex_of(&unsigned)]]))[0]["allowed"], false);
    assert_eq!(node.error_code("sendrawtransaction", json!([hex_of(&unsigned)])), -26);
    let greedy = pay(&alice, coin, &bob, 50_0000_0001);
    assert_eq!(node.error_code("sendrawtransaction", json!([hex_of(&greedy), 0])), -26);
    let absurd = pay(&alice, coin, &bob, 10_0000_0000);
    assert_eq!(node.error_code("sendrawtransaction", json!([hex_of(&absurd)])), -25);
    let orphan = pay(&alice, Outpoint { txid: payment.txid(), index: 7 }, &bob, 1_0000);
    assert_eq!(node.error_code("sendrawtransaction", json!([hex_of(&orphan)])), -25);

    assert_eq!(node.text("sendrawtransaction", json!([hex_of(&payment)])), txid);
    assert_eq!(node.text("sendrawtransaction", json!([hex_of(&payment)])), txid, "again is harmless");
    assert_eq!(node.call("getrawmempool", json!([])), json!([txid]));
    let entry = node.call("getmempoolentry", json!([txid]));
    assert_eq!((&entry["ancestorcount"], &entry["depends"]), (&json!(1), &json!([])));
    assert_eq!(node.call("gettxout", json!([coin.txid.to_string(), 0])), Value::Null, "spent by the mempool");
    assert!(node.call("gettxout", json!([coin.txid.to_string(), 0, false])).is_object());

    peer.call("waitforblockheight", json!([101, 50_000]));
    let block = node.call("generatetoaddress", json!([1, bob.address]))[0].clone();
    peer.call("waitforblock", json!([block, 50_000]));
    assert_eq!(peer.call("getrawmempool", json!([])), json!([]));
    let found = node.call("getrawtransaction", json!([txid, 2]));
    assert_eq!((&found["blockhash"], &found["confirmations"]), (&block, &json!(1)));
    assert_eq!(found["vin"][0]["prevout"]["value"].to_string(), "50.00000000");
    assert_eq!(found["fee"].to_string(), "0.00010000");
    assert_eq!(peer.error_code("getrawtransaction", json!([txid])), -5, "no index there");
    assert_eq!(peer.call("getrawtransaction", json!([txid, true, block]))["in_active_chain"], true);
    assert_eq!(node.error_code("sendrawtransaction", json!([hex_of(&payment)])), -27);
    let scan = peer.call("scantxoutset", json!(["start", [format!("addr({})", bob.address)]]));
    assert_eq!(scan["total_amount"].to_string(), "100.00000000", "{scan}");
    let hash = |node: &Node| node.call("gettxoutsetinfo", json!([]))["hash_serialized_3"].clone();
    assert_eq!(hash(&node), hash(&peer));
    let muhash = |node: &Node| node.call("gettxoutsetinfo", json!(["muhash"]))["muhash"].clone();
    assert_eq!(muhash(&node), muhash(&peer));
    let stats = node.call("getblockstats", json!([block]));
    let size = payment.encoded_len();
    assert_eq!((&stats["totalfee"], &stats["medianfee"]), (&json!(1_0000), &json!(1_0000)));
    assert_eq!((&stats["total_size"], &stats["total_weight"]), (&json!(size), &json!(4 * size)));
    assert_eq!(stats["feerate_percentiles"], json!(vec![1_0000 / size; 5]));
    assert_eq!((&stats["ins"], &stats["outs"], &stats["total_out"]), (&json!(1), &json!(2), &json!(49_9999_0000_u64)));
    assert_eq!((&stats["utxo_increase"], &stats["utxo_size_inc_actual"]), (&json!(1), &json!(34 + 41)));
    assert_eq!(node.call("verifychain", json!([4, 0])), json!(true));
}
