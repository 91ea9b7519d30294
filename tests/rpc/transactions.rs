//! A payment by hand: signed here, tested, sent, mined, looked up, on two nodes.

use chain_spec::{Amount, Encode, Outpoint, PrivateKey, Script, Transaction, TxIn, TxOut};
use kit::Node;
use kit::fixture;
use serde_json::{Value, json};

/// A key, its address and script on the regtest chain.
struct Party {
    key: PrivateKey,
    script: Script,
    address: String,
}

fn party(secret: u8) -> Party {
    let key = fixture::key(secret);
    let address = key.public_key().address(&fixture::regtest());
    Party { script: address.script(), address: address.to_string(), key }
}

/// Spends one coin of `from` to `to`.
fn pay(from: &Party, coin: Outpoint, to: &Party, value: u64) -> Transaction {
    let output = TxOut { value: Amount::from_units(value), script: to.script.clone() };
    fixture::spend(&[coin], &from.key, vec![output])
}

fn hex_of(transaction: &Transaction) -> String {
    hex::encode(transaction.to_bytes())
}

#[test]
fn a_payment_is_tested_sent_mined_and_found_on_two_nodes() {
    let (alice, bob) = (party(1), party(2));
    let node = Node::fresh("bitcoin-regtest", &["--txindex"]);
    let peer = Node::fresh("bitcoin-regtest", &["--connect", node.p2p()]);
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
    let unsigned_absurd = Transaction { inputs: unsigned.inputs.clone(), ..absurd };
    assert_eq!(node.error_code("sendrawtransaction", json!([hex_of(&unsigned_absurd)])), -26, "the rule comes first");
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

/// Core's answers to a list: members see one another's coins, a refusal leaves the rest unjudged, a bad list is no one's fault.
#[test]
fn transactions_that_need_one_another_are_tested_together() {
    let (alice, bob) = (party(1), party(2));
    let node = Node::fresh("bitcoin-regtest", &["--txindex"]);
    let blocks = node.call("generatetoaddress", json!([101, alice.address]));
    let block = node.call("getblock", json!([blocks[0]]));
    let coin = Outpoint { txid: block["tx"][0].as_str().unwrap().parse().unwrap(), index: 0 };
    let parent = pay(&alice, coin, &bob, 49_9990_0000);
    let made = Outpoint { txid: parent.txid(), index: 0 };
    let child = pay(&bob, made, &alice, 49_9980_0000);
    let test = |list: &[&Transaction]| {
        let list: Vec<String> = list.iter().map(|transaction| hex_of(transaction)).collect();
        let results = node.call("testmempoolaccept", json!([list]));
        let words = results.as_array().unwrap().iter().map(|result| {
            let word = result.get("package-error").or(result.get("reject-reason")).or(result.get("allowed"));
            word.map_or_else(|| "unjudged".to_owned(), |word| word.to_string().replace('"', ""))
        });
        words.collect::<Vec<_>>()
    };
    assert_eq!(test(&[&child]), ["missing-inputs"]);
    assert_eq!(test(&[&parent, &child]), ["true", "true"]);
    assert_eq!(test(&[&child, &parent]), ["package-not-sorted"; 2]);
    assert_eq!(test(&[&parent, &parent]), ["package-contains-duplicates"; 2]);
    let rival = pay(&alice, coin, &bob, 49_9980_0000);
    assert_eq!(test(&[&parent, &rival]), ["conflict-in-package"; 2]);
    let greedy = pay(&bob, made, &alice, 50_0000_0000);
    assert_eq!(test(&[&parent, &greedy]), ["unjudged", "bad-txns-in-belowout"]);
    let absurd = pay(&bob, made, &alice, 10_0000_0000);
    assert_eq!(test(&[&parent, &absurd]), ["true", "max-fee-exceeded"]);
    assert_eq!(node.call("getrawmempool", json!([])), json!([]), "nothing was submitted");

    node.text("sendrawtransaction", json!([hex_of(&parent)]));
    let asked = json!({"txid": coin.txid.to_string(), "vout": 0});
    let unspent = json!({"txid": made.txid.to_string(), "vout": 0});
    let spenders = node.call("gettxspendingprevout", json!([[asked, unspent]]));
    assert_eq!(spenders[0]["spendingtxid"], json!(made.txid.to_string()));
    assert_eq!(spenders[1], unspent);
    assert_eq!(node.error_code("gettxspendingprevout", json!([[{"txid": "00", "vout": 0}]])), -8);
}

/// What clients ask for before they begin.
#[test]
fn a_node_says_which_rules_and_indexes_it_has() {
    let node = Node::fresh("bitcoin-regtest", &["--txindex"]);
    node.call("generatetoaddress", json!([1, party(1).address]));
    let deployments = node.call("getdeploymentinfo", json!([]));
    assert_eq!(deployments["height"], 1);
    assert_eq!(deployments["deployments"]["csv"], json!({"type": "buried", "active": true, "height": 1}));
    assert_eq!(node.error_code("getdeploymentinfo", json!(["00".repeat(32)])), -5);
    assert_eq!(node.call("getindexinfo", json!([])), json!({"txindex": {"synced": true, "best_block_height": 1}}));
    assert_eq!(node.call("getindexinfo", json!(["coinstatsindex"])), json!({}));
    assert_eq!(node.call("ping", json!([])), Value::Null);
    assert_eq!(node.call("estimatesmartfee", json!([6]))["blocks"], 6);
    assert_eq!(node.error_code("estimatesmartfee", json!([0])), -8);
    let script = node.call("decodescript", json!([hex::encode(party(1).script.as_bytes())]));
    assert_eq!((&script["type"], &script["address"]), (&json!("pubkeyhash"), &json!(party(1).address)));
    assert_eq!(node.error_code("decodescript", json!(["0g"])), -8);
}

/// A batch is judged in its order, as if each call came alone, though neighbours of one method run together.
#[test]
fn a_batch_of_submissions_is_answered_in_order_each_by_its_own_merit() {
    let (alice, bob) = (party(1), party(2));
    let node = Node::fresh("bitcoin-regtest", &[]);
    let blocks = node.call("generatetoaddress", json!([102, alice.address]));
    let coins: Vec<Outpoint> = (0..2)
        .map(|at| {
            let block = node.call("getblock", json!([blocks[at]]));
            Outpoint { txid: block["tx"][0].as_str().unwrap().parse().unwrap(), index: 0 }
        })
        .collect();
    let parent = pay(&alice, coins[0], &bob, 49_9999_0000);
    let child = pay(&bob, Outpoint { txid: parent.txid(), index: 0 }, &alice, 49_9998_0000);
    let absurd = pay(&bob, Outpoint { txid: parent.txid(), index: 0 }, &alice, 10_0000_0000);
    let forged = pay(&bob, coins[1], &alice, 49_9999_0000);
    let other = pay(&alice, coins[1], &bob, 49_9999_0000);
    let submissions = [
        json!([hex_of(&parent)]),
        json!([hex_of(&absurd)]),
        json!([hex_of(&child)]),
        json!([hex_of(&child)]),
        json!(["no hexadecimal"]),
        json!([]),
        json!([hex_of(&forged)]),
        json!([hex_of(&other), 2]),
        json!([hex_of(&other)]),
    ];
    let mut requests: Vec<Value> = submissions
        .iter()
        .enumerate()
        .map(|(id, params)| json!({"method": "sendrawtransaction", "params": params, "id": id}))
        .collect();
    requests.insert(4, json!({"method": "getmempoolinfo", "params": [], "id": "between"}));
    let answers = node.post(json!(requests).to_string().as_bytes()).json();
    let answers = answers.as_array().unwrap();
    let ids: Vec<Value> = answers.iter().map(|answer| answer["id"].clone()).collect();
    assert_eq!(
        ids,
        [json!(0), json!(1), json!(2), json!(3), json!("between"), json!(4), json!(5), json!(6), json!(7), json!(8)]
    );
    let of = |at: usize| (answers[at]["result"].clone(), answers[at]["error"]["code"].as_i64());
    assert_eq!(of(0), (json!(parent.txid().to_string()), None));
    assert_eq!(of(1), (Value::Null, Some(-25)), "its fee is seen though its coin is of the same batch");
    assert_eq!(of(2), (json!(child.txid().to_string()), None));
    assert_eq!(of(3), of(2), "again is harmless");
    assert_eq!(answers[4]["result"]["size"], 2, "what came before it in the batch is done");
    assert_eq!(of(5).1, Some(-22));
    assert_eq!(of(6).1, Some(-1));
    assert_eq!(of(7).1, Some(-26));
    assert_eq!(of(8).1, Some(-8), "a fee rate that is out of range");
    assert_eq!(of(9), (json!(other.txid().to_string()), None));
}
