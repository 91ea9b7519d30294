//! Transactions made by hand over RPC, and proofs that they are in a block; rust-bitcoin reads what the node writes.

use bitcoin::MerkleBlock;
use bitcoin::consensus::encode::deserialize_hex;
use chain_spec::{ChainSpec, PrivateKey};
use kit::Node;
use serde_json::{Value, json};

/// A key in wallet import format, and its address.
fn key(secret: u8) -> (String, String) {
    let spec = ChainSpec::builtin("bitcoin-regtest").unwrap();
    let key = PrivateKey::from_bytes(&[secret; 32], true).unwrap();
    (key.to_wif(&spec), key.public_key().address(&spec).to_string())
}

#[test]
fn a_payment_is_made_signed_by_two_and_proved_without_a_wallet() {
    let ((alice_key, alice), (bob_key, bob)) = (key(1), key(2));
    let node = Node::fresh("bitcoin-regtest", &["--txindex"]);
    let mut coins = Vec::new();
    for address in [&alice, &bob] {
        let hash = node.call("generatetoaddress", json!([1, address]))[0].clone();
        coins.push(node.call("getblock", json!([hash]))["tx"][0].clone());
    }
    node.call("generatetoaddress", json!([100, alice]));
    let inputs = json!([{"txid": coins[0], "vout": 0}, {"txid": coins[1], "vout": 0, "sequence": 7}]);
    let outputs = json!([{&bob: "99.9999"}, {"data": "00ff"}]);
    let unsigned = node.text("createrawtransaction", json!([inputs, outputs, 5]));
    let read: bitcoin::Transaction = deserialize_hex(&unsigned).unwrap();
    assert_eq!((read.version.0, read.lock_time.to_consensus_u32()), (2, 5));
    assert_eq!((read.input[0].sequence.0, read.input[1].sequence.0), (0xffff_fffd, 7));
    assert_eq!((read.output[0].value.to_sat(), read.output[1].value.to_sat()), (9_999_990_000, 0));
    assert_eq!(read.output[1].script_pubkey.to_hex_string(), "6a0200ff");

    let by_alice = node.call("signrawtransactionwithkey", json!([unsigned, [alice_key]]));
    assert_eq!(by_alice["complete"], false);
    assert_eq!((by_alice["errors"].as_array().unwrap().len(), &by_alice["errors"][0]["txid"]), (1, &coins[1]));
    let by_bob = node.call("signrawtransactionwithkey", json!([unsigned, [bob_key], [], "ALL|ANYONECANPAY"]));
    let combined = node.text("combinerawtransaction", json!([[unsigned, by_alice["hex"], by_bob["hex"]]]));
    let both = node.call("signrawtransactionwithkey", json!([by_alice["hex"], [bob_key]]));
    assert_eq!((&both["complete"], both.get("errors")), (&json!(true), None));
    assert_eq!(node.call("testmempoolaccept", json!([[both["hex"]]]))[0]["allowed"], true);
    let txid = node.text("sendrawtransaction", json!([combined]));

    assert_eq!(node.error_code("gettxoutproof", json!([[txid]])), -5, "not in a block yet");
    let block = node.call("generatetoaddress", json!([1, alice]))[0].clone();
    let proof = node.text("gettxoutproof", json!([[txid]]));
    assert_eq!(node.text("gettxoutproof", json!([[txid], block])), proof);
    assert_eq!(node.call("verifytxoutproof", json!([proof])), json!([txid]));
    let read: MerkleBlock = deserialize_hex(&proof).unwrap();
    let (mut matches, mut places) = (Vec::new(), Vec::new());
    read.extract_matches(&mut matches, &mut places).unwrap();
    assert_eq!((matches[0].to_string(), &places[..]), (txid.clone(), &[1][..]));
    assert_eq!(json!(read.header.block_hash().to_string()), block);

    // Known only from what the caller says: the amount is not signed, so it need not be given.
    let elsewhere = json!([{"txid": "11".repeat(32), "vout": 1}]);
    let unsigned = node.text("createrawtransaction", json!([elsewhere, {&bob: 1}]));
    let script = node.call("validateaddress", json!([alice]))["scriptPubKey"].clone();
    let previous = json!([{"txid": "11".repeat(32), "vout": 1, "scriptPubKey": script}]);
    let signed = node.call("signrawtransactionwithkey", json!([unsigned, [alice_key], previous]));
    assert_eq!(signed["complete"], true);
}

#[test]
fn wrong_arguments_get_core_s_codes() {
    let node = Node::fresh("bitcoin-regtest", &[]);
    let (wif, address) = key(1);
    let (txid, block) = ("11".repeat(32), node.text("getbestblockhash", json!([])));
    let unsigned = node.text("createrawtransaction", json!([[{"txid": txid, "vout": 0}], {&address: 1}]));
    let cases: Vec<(&str, Value, i64)> = vec![
        ("createrawtransaction", json!([[{"txid": "11", "vout": 0}], {}]), -8),
        ("createrawtransaction", json!([[{"txid": txid}], {}]), -8),
        ("createrawtransaction", json!([[{"txid": txid, "vout": -1}], {}]), -8),
        ("createrawtransaction", json!([[{"txid": txid, "vout": 0, "sequence": -1}], {}]), -8),
        ("createrawtransaction", json!([[], {"nobody": 1}]), -5),
        ("createrawtransaction", json!([[], [{&address: 1}, {&address: 1}]]), -8),
        ("createrawtransaction", json!([[], [{"data": "00"}, {"data": "00"}]]), -8),
        ("createrawtransaction", json!([[], {"data": "0"}]), -8),
        ("createrawtransaction", json!([[], [{}]]), -8),
        ("createrawtransaction", json!([[], {&address: -1}]), -3),
        ("createrawtransaction", json!([[], {&address: 21_000_001}]), -3),
        ("createrawtransaction", json!([[], {&address: "1.000000001"}]), -3),
        ("createrawtransaction", json!([[], {}, -1]), -8),
        ("createrawtransaction", json!([[], {}, 0, true, 4]), -8),
        ("createrawtransaction", json!([[{"txid": txid, "vout": 0, "sequence": 4294967295u32}], {}, 0, true]), -8),
        ("signrawtransactionwithkey", json!(["00", [wif]]), -22),
        ("signrawtransactionwithkey", json!([unsigned, ["wif"]]), -5),
        ("signrawtransactionwithkey", json!([unsigned, [wif], [], "SOME"]), -8),
        ("combinerawtransaction", json!([[]]), -8),
        ("combinerawtransaction", json!([["00"]]), -22),
        ("combinerawtransaction", json!([[unsigned]]), -25),
        ("gettxoutproof", json!([[]]), -8),
        ("gettxoutproof", json!([[txid, txid]]), -8),
        ("gettxoutproof", json!([[txid]]), -5),
        ("gettxoutproof", json!([[txid], block]), -5),
        ("gettxoutproof", json!([[txid], txid]), -5),
        ("verifytxoutproof", json!(["00"]), -22),
    ];
    for (method, arguments, code) in cases {
        assert_eq!(node.error_code(method, arguments.clone()), code, "{method} {arguments}");
    }
}
