//! The chain as clients see it: blocks, headers, tips, coins, waiting.

use kit::Node;
use serde_json::{Value, json};

/// Bitcoin Core's regtest genesis block.
const GENESIS: &str = "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206";
/// Its coinbase.
const GENESIS_TXID: &str = "4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b";
/// Somebody to pay on chains with address version 111.
pub const ADDRESS: &str = "mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn";

#[test]
fn a_fresh_regtest_chain_is_core_s() {
    let node = Node::fresh("bitcoin-regtest", &[]);
    let info = node.call("getblockchaininfo", json!([]));
    let expected = json!({
        "chain": info["chain"], "blocks": 0, "headers": 0, "bestblockhash": GENESIS, "bits": "207fffff",
        "target": "7fffff0000000000000000000000000000000000000000000000000000000000",
        "difficulty": info["difficulty"], "time": 1296688602, "mediantime": 1296688602,
        "verificationprogress": info["verificationprogress"], "initialblockdownload": false,
        "chainwork": "0000000000000000000000000000000000000000000000000000000000000002",
        "size_on_disk": info["size_on_disk"], "pruned": false, "warnings": [],
    });
    assert_eq!(info, expected);
    // Core computes it so, from the compact target's mantissa and exponent.
    assert_eq!(info["difficulty"].as_f64(), Some(65_535.0 / 8_388_607.0 / 256.0 / 256.0 / 256.0));
    assert!(info["size_on_disk"].as_u64().unwrap() > 0);
    assert_eq!(node.text("getblockhash", json!([0])), GENESIS);
    assert_eq!(node.call("getdifficulty", json!([])), info["difficulty"]);
    assert_eq!(
        node.call("getchaintips", json!([])),
        json!([{"height": 0, "hash": GENESIS, "branchlen": 0, "status": "active"}])
    );
}

#[test]
fn a_block_is_shown_at_every_verbosity() {
    let node = Node::fresh("bitcoin-regtest", &[]);
    let hex = node.text("getblock", json!([GENESIS, 0]));
    assert_eq!(hex.len(), 285 * 2);
    assert_eq!(node.text("getblockheader", json!([GENESIS, false])), hex[..160]);
    let block = node.call("getblock", json!([GENESIS]));
    for (field, value) in [
        ("hash", json!(GENESIS)),
        ("confirmations", json!(1)),
        ("height", json!(0)),
        ("version", json!(1)),
        ("versionHex", json!("00000001")),
        ("merkleroot", json!(GENESIS_TXID)),
        ("nonce", json!(2)),
        ("nTx", json!(1)),
        ("strippedsize", json!(285)),
        ("size", json!(285)),
        ("weight", json!(1140)),
        ("tx", json!([GENESIS_TXID])),
    ] {
        assert_eq!(block[field], value, "{field}");
    }
    assert!(block.get("previousblockhash").is_none() && block.get("nextblockhash").is_none());
    let raw = node.raw_result("getblock", json!([GENESIS, 2]));
    assert!(raw.contains("\"value\":50.00000000,"), "amounts have eight decimals: {raw}");
    let coinbase = &node.call("getblock", json!([GENESIS, 3]))["tx"][0];
    assert_eq!(coinbase["txid"], GENESIS_TXID);
    assert_eq!(coinbase["vin"][0]["sequence"], 4294967295u32);
    assert_eq!(coinbase["vout"][0]["scriptPubKey"]["type"], "pubkey");
    assert!(hex.ends_with(coinbase["hex"].as_str().unwrap()));
}

#[test]
fn wrong_arguments_get_core_s_codes() {
    let node = Node::fresh("bitcoin-regtest", &[]);
    let unknown = "00".repeat(32);
    for (method, parameters, code) in [
        ("getblockhash", json!([1]), -8),
        ("getblockhash", json!([-1]), -8),
        ("getblockhash", json!(["0"]), -3),
        ("getblockhash", json!([]), -1),
        ("getblock", json!([unknown]), -5),
        ("getblock", json!(["00"]), -8),
        ("getblockheader", json!([unknown]), -5),
        ("invalidateblock", json!([unknown]), -5),
        ("invalidateblock", json!([GENESIS]), -8),
        ("getrawtransaction", json!([unknown]), -5),
        ("getmempoolentry", json!([unknown]), -5),
        ("decoderawtransaction", json!(["00"]), -22),
        ("sendrawtransaction", json!(["zz"]), -22),
        ("submitblock", json!(["00"]), -22),
        ("submitheader", json!(["00"]), -22),
        ("generatetoaddress", json!([1, "nonsense"]), -5),
        ("addnode", json!(["nonsense", "add"]), -30),
        ("disconnectnode", json!(["127.0.0.1:1"]), -29),
        ("setban", json!(["nonsense", "add"]), -30),
        ("gettxoutsetinfo", json!(["nonsense"]), -8),
    ] {
        assert_eq!(node.error_code(method, parameters.clone()), code, "{method} {parameters}");
    }
    assert_eq!(node.call("gettxout", json!([unknown, 0])), Value::Null);
    assert_eq!(node.call("validateaddress", json!(["nonsense"]))["isvalid"], false);
    assert_eq!(node.call("validateaddress", json!([ADDRESS]))["isvalid"], true);
}

#[test]
fn blocks_are_generated_counted_undone_and_done_again() {
    let node = Node::fresh("bitcoin-regtest", &[]);
    let hashes = node.call("generatetoaddress", json!([5, ADDRESS]));
    let hashes: Vec<&str> = hashes.as_array().unwrap().iter().map(|hash| hash.as_str().unwrap()).collect();
    assert_eq!(hashes.len(), 5);
    assert_eq!(node.text("getbestblockhash", json!([])), hashes[4]);
    let third = node.call("getblockheader", json!([hashes[2]]));
    assert_eq!((&third["height"], &third["confirmations"]), (&json!(3), &json!(3)));
    assert_eq!((&third["previousblockhash"], &third["nextblockhash"]), (&json!(hashes[1]), &json!(hashes[3])));
    let full = node.call("gettxoutsetinfo", json!([]));
    assert_eq!((&full["height"], &full["txouts"], &full["transactions"]), (&json!(5), &json!(5), &json!(5)));
    assert!(node.raw_result("gettxoutsetinfo", json!([])).contains("\"total_amount\":250.00000000,"));

    let muhash = node.call("gettxoutsetinfo", json!(["muhash"]))["muhash"].clone();
    assert_eq!(muhash.as_str().map(str::len), Some(64));
    let bare = node.call("gettxoutsetinfo", json!({"hash_type": "none"}));
    assert!(bare.get("muhash").is_none() && bare.get("hash_serialized_3").is_none(), "{bare}");
    assert_eq!(node.error_code("gettxoutsetinfo", json!(["none", 3])), -8, "there is no index over heights");
    let stats = node.call("getblockstats", json!([3]));
    assert_eq!(stats, node.call("getblockstats", json!([hashes[2]])));
    assert_eq!(
        (&stats["txs"], &stats["subsidy"], &stats["blockhash"]),
        (&json!(1), &json!(50_0000_0000_u64), &json!(hashes[2]))
    );
    assert_eq!((&stats["utxo_increase"], &stats["utxo_size_inc"]), (&json!(1), &json!(34 + 41)));
    assert_eq!(node.call("getblockstats", json!([3, ["txs", "ins"]])), json!({"txs": 1, "ins": 0}));
    for (parameters, code) in [(json!([6]), -8), (json!([-1]), -8), (json!([3, ["nonsense"]]), -8)] {
        assert_eq!(node.error_code("getblockstats", parameters.clone()), code, "{parameters}");
    }
    let all = node.call("getchaintxstats", json!([]));
    assert_eq!(
        (&all["txcount"], &all["window_block_count"], &all["window_tx_count"]),
        (&json!(6), &json!(4), &json!(4))
    );
    let two = node.call("getchaintxstats", json!([2, hashes[2]]));
    assert_eq!((&two["txcount"], &two["window_tx_count"]), (&json!(4), &json!(2)));
    assert_eq!((&two["window_final_block_hash"], &two["window_final_block_height"]), (&json!(hashes[2]), &json!(3)));
    assert!(node.call("getchaintxstats", json!([0])).get("window_interval").is_none());
    for parameters in [json!([5]), json!([-1])] {
        assert_eq!(node.error_code("getchaintxstats", parameters.clone()), -8, "{parameters}");
    }
    // Genesis' output is no coin on this chain.
    let genesis = node.call("getblockstats", json!([0]));
    assert_eq!((&genesis["utxo_increase"], &genesis["utxo_increase_actual"]), (&json!(1), &json!(0)));

    node.call("invalidateblock", json!([hashes[2]]));
    assert_eq!(node.text("getbestblockhash", json!([])), hashes[1]);
    assert_eq!(node.call("getblockheader", json!([hashes[2]]))["confirmations"], -1);
    let tips = node.call("getchaintips", json!([]));
    let invalid = tips.as_array().unwrap().iter().find(|tip| tip["hash"] == hashes[4]).expect("the undone tip");
    assert_eq!((&invalid["status"], &invalid["branchlen"]), (&json!("invalid"), &json!(3)));
    node.call("reconsiderblock", json!([hashes[2]]));
    assert_eq!(node.text("getbestblockhash", json!([])), hashes[4]);
    assert_eq!(node.call("gettxoutsetinfo", json!([]))["hash_serialized_3"], full["hash_serialized_3"]);
    assert_eq!(node.call("gettxoutsetinfo", json!(["muhash"]))["muhash"], muhash);
    for level in 0..=4 {
        assert_eq!(node.call("verifychain", json!([level, 0])), json!(true), "level {level}");
    }
}

#[test]
fn waiting_ends_with_a_block_or_the_timeout() {
    let node = Node::fresh("bitcoin-regtest", &[]);
    let none = node.call("waitfornewblock", json!([50]));
    assert_eq!(none, json!({"hash": GENESIS, "height": 0}));
    let client = node.client.clone();
    let waiting =
        std::thread::spawn(move || client.call("waitforblockheight", json!({"height": 2, "timeout": 50_000})));
    let hashes = node.call("generatetoaddress", json!([2, ADDRESS]));
    assert_eq!(waiting.join().unwrap(), json!({"hash": hashes[1], "height": 2}));
    assert_eq!(node.call("waitforblock", json!([hashes[1]]))["height"], 2);
    assert_eq!(node.call("waitfornewblock", json!([0, GENESIS]))["height"], 2, "the tip is another already");
}

#[test]
fn a_branch_that_a_fork_rule_refuses_is_named_in_the_warnings() {
    let node = Node::fresh("bitcoin-regtest", &["--fork-rule=reorg-limit=1"]);
    let other = Node::fresh("bitcoin-regtest", &[]);
    let warnings = || {
        let of = |method: &str| node.call(method, json!([]))["warnings"].clone();
        let all = ["getblockchaininfo", "getnetworkinfo", "getmininginfo"].map(of);
        assert!(all.iter().all(|one| *one == all[0]), "{all:?}");
        all[0].clone()
    };
    let ours = node.call("generatetoaddress", json!([3, ADDRESS]));
    assert_eq!(warnings(), json!([]));
    let theirs = other.call("generatetoaddress", json!([5, ADDRESS]));
    for block in theirs.as_array().unwrap() {
        node.call("submitblock", json!([other.call("getblock", json!([block, 0]))]));
    }
    let warning = warnings()[0].as_str().unwrap().to_owned();
    let tip = theirs[4].as_str().unwrap();
    assert!(warning.contains(tip) && warning.contains("height 5") && warning.contains("reorg-limit=1"), "{warning}");
    assert_eq!(node.tip(), ours[2].as_str().unwrap());
    // Once the operator follows it, there is nothing to warn of.
    node.call("invalidateblock", json!([ours[0]]));
    assert_eq!((node.tip().as_str(), warnings()), (tip, json!([])));
}
