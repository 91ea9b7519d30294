//! Mining over RPC: templates, proposals, submissions, and the node's own miner.

use super::chain::ADDRESS;
use chain_spec::{
    Amount, Block, ChainSpec, CompactTarget, Decode, Encode, Header, Script, Transaction, TxIn, TxOut, merkle,
};
use kit::Node;
use serde_json::{Value, json};

/// A block made from a template's fields alone, as a stock miner does.
fn block_from(template: &Value) -> Block {
    let height = template["height"].as_u64().unwrap() as u32;
    let mut script = Script::height_prefix(height);
    script.extend_from_slice(b"\x04test");
    let input = TxIn { outpoint: chain_spec::Outpoint::NULL, script: Script::from_bytes(script), sequence: u32::MAX };
    let value = Amount::from_units(template["coinbasevalue"].as_u64().unwrap());
    let output = TxOut { value, script: Script::from_bytes(vec![0x51]) };
    let coinbase = Transaction { version: 1, inputs: vec![input], outputs: vec![output], lock_time: 0 };
    let others = template["transactions"].as_array().unwrap().iter();
    let others =
        others.map(|entry| Transaction::from_bytes(&hex::decode(entry["data"].as_str().unwrap()).unwrap()).unwrap());
    let transactions: Vec<Transaction> = std::iter::once(coinbase).chain(others).collect();
    let txids: Vec<_> = transactions.iter().map(Transaction::txid).collect();
    let header = Header {
        version: template["version"].as_i64().unwrap() as i32,
        previous: template["previousblockhash"].as_str().unwrap().parse().unwrap(),
        merkle_root: merkle::merkle_root(&txids).0,
        time: template["curtime"].as_u64().unwrap() as u32,
        bits: CompactTarget::from_bits(u32::from_str_radix(template["bits"].as_str().unwrap(), 16).unwrap()),
        nonce: 0,
    };
    Block { header, transactions }
}

/// Counts the nonce up until the hash meets the target, or (`false`) until it does not.
fn solve(block: &mut Block, wanted: bool) {
    let target = block.header.bits.to_target().unwrap();
    while target.is_met_by(&block.hash()) != wanted {
        block.header.nonce += 1;
    }
}

fn hex_of(block: &Block) -> String {
    hex::encode(block.to_bytes())
}

#[test]
fn a_stock_miner_s_block_is_accepted_and_wrong_ones_get_bip22_s_words() {
    let node = Node::fresh("bitcoin-regtest", &[]);
    let template = node.call("getblocktemplate", json!([{"rules": ["segwit"], "capabilities": ["coinbasetxn"]}]));
    assert_eq!(template["height"], 1);
    assert_eq!(template["coinbasevalue"], 5_000_000_000u64);
    assert_eq!(template["target"].as_str().unwrap().len(), 64);
    assert_eq!(template["bits"], "207fffff");
    assert_eq!(template["rules"], json!([]));
    assert_eq!(template["mutable"], json!(["time", "transactions", "prevblock"]));
    for field in ["mintime", "curtime", "sizelimit", "sigoplimit", "vbrequired"] {
        assert!(template[field].is_u64(), "{field}");
    }
    let mut block = block_from(&template);
    solve(&mut block, false);
    assert_eq!(node.call("submitblock", json!([hex_of(&block)])), "high-hash");
    let propose = |block: &Block| node.call("getblocktemplate", json!([{"mode": "proposal", "data": hex_of(block)}]));
    assert_eq!(propose(&block), Value::Null, "a proposal needs no work");
    let mut greedy = block.clone();
    greedy.transactions[0].outputs[0].value = Amount::from_units(5_000_000_001);
    greedy.header.merkle_root = merkle::merkle_root(&[greedy.transactions[0].txid()]).0;
    assert_eq!(propose(&greedy), "bad-cb-amount");
    let mut torn = block.clone();
    torn.transactions[0].lock_time = 1;
    assert_eq!(propose(&torn), "bad-txnmrklroot");
    solve(&mut torn, true);
    assert_eq!(node.call("submitblock", json!([hex_of(&torn)])), "bad-txnmrklroot");

    solve(&mut block, true);
    assert_eq!(node.call("submitblock", json!([hex_of(&block)])), Value::Null);
    assert_eq!(node.text("getbestblockhash", json!([])), block.hash().to_string());
    assert_eq!(node.call("submitblock", json!([hex_of(&block)])), "duplicate");
    assert_eq!(propose(&block), "duplicate");
    let mut sibling = block.clone();
    sibling.header.time += 1;
    solve(&mut sibling, true);
    assert_eq!(propose(&sibling), "inconclusive-not-best-prevblk");
    assert_eq!(node.call("submitblock", json!([hex_of(&sibling)])), "inconclusive");
    node.call("preciousblock", json!([sibling.hash().to_string()]));
    assert_eq!(node.text("getbestblockhash", json!([])), sibling.hash().to_string());
}

#[test]
fn a_header_alone_is_accepted_after_its_parent() {
    let node = Node::fresh("bitcoin-regtest", &[]);
    let mut first = block_from(&node.call("getblocktemplate", json!([{}])));
    solve(&mut first, true);
    let mut second = first.clone();
    second.header.previous = first.hash();
    second.header.time += 1;
    solve(&mut second, true);
    let header = |block: &Block| json!([hex::encode(block.header.to_array())]);
    assert_eq!(node.error_code("submitheader", header(&second)), -25);
    node.call("submitheader", header(&first));
    node.call("submitheader", header(&second));
    assert_eq!(node.call("getblockchaininfo", json!([]))["headers"], 2);
    assert_eq!(node.number("getblockcount", json!([])), 0);
}

#[test]
fn a_long_poll_is_answered_when_the_tip_changes() {
    let node = Node::fresh("bitcoin-regtest", &[]);
    let id = node.call("getblocktemplate", json!([{}]))["longpollid"].clone();
    let client = node.client.clone();
    let poll = std::thread::spawn(move || client.call("getblocktemplate", json!([{"longpollid": id}])));
    node.call("generatetoaddress", json!([1, ADDRESS]));
    assert_eq!(poll.join().unwrap()["height"], 2);
}

#[test]
fn the_node_s_own_miner_mines_pauses_and_reports() {
    let spec = ChainSpec::builtin("local").unwrap();
    let address = spec.demo_accounts[0].address.clone();
    let node = Node::fresh("local", &["--mine", &address, "--threads", "1"]);
    assert_eq!(
        node.call("waitforblockheight", json!([2, 50_000]))["height"].as_u64().map(|height| height >= 2),
        Some(true)
    );
    let miner = node.call("getmininginfo", json!([]))["miner"].clone();
    assert_eq!((&miner["address"], &miner["threads"], &miner["paused"]), (&json!(address), &json!(1), &json!(false)));
    assert!(miner["hashes_total"].as_u64().unwrap() > 0);
    assert_eq!(node.call("setmining", json!({"paused": true}))["miner"]["paused"], true);
    let coinbase = &node.call("getblock", json!([node.text("getblockhash", json!([1])), 2]))["tx"][0];
    assert_eq!(coinbase["vout"][0]["scriptPubKey"]["address"], json!(address));
    assert_eq!(node.call("setmining", json!({"hashrate": 1000}))["miner"]["hashrate_max"], 1000);
    assert_eq!(node.error_code("setmining", json!({"threads": 0})), -8);
    assert!(node.call("getnetworkhashps", json!([])).is_number());
}

#[test]
fn a_block_of_chosen_transactions_is_judged_before_it_is_mined() {
    let node = Node::fresh("bitcoin-regtest", &[]);
    node.call("generatetoaddress", json!([1, ADDRESS]));
    let nothing = chain_spec::Outpoint { txid: chain_spec::Txid::from_bytes([7; 32]), index: 0 };
    let input = TxIn { outpoint: nothing, script: Script::default(), sequence: u32::MAX };
    let output = TxOut { value: Amount::from_units(1_000), script: Script::from_bytes(vec![0x51]) };
    let theft = Transaction { version: 1, inputs: vec![input], outputs: vec![output], lock_time: 0 };
    let theft = hex::encode(theft.to_bytes());
    for submit in [true, false] {
        assert_eq!(node.error_code("generateblock", json!([ADDRESS, [theft], submit])), -25);
    }
    assert_eq!(node.call("getchaintips", json!([])).as_array().map(Vec::len), Some(1), "nothing is left behind");
    let block = node.call("generateblock", json!([ADDRESS, [], false]));
    assert_eq!(node.number("getblockcount", json!([])), 1);
    assert_eq!(node.call("submitblock", json!([block["hex"]])), Value::Null);
    assert_eq!(node.text("getbestblockhash", json!([])), block["hash"]);
}
