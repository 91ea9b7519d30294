//! A node that lies costs no coin: through the binary, which must not pay more than its owner meant, nor to anybody else, nor
//! twice, nor believe what nobody signed or worked for. `sync.rs` and `payments.rs` have forged blocks and values, lost and
//! senseless answers; `command_line.rs` an answer that is too large.

use chain_spec::{Outpoint, Script, Transaction, TxIn, TxOut, Txid};
use serde_json::{Value, json};

use super::command_line::{BOB, WalletsAndNode, assert_error};
use super::{coins, demo, external};

/// A transaction that nobody signed.
fn unsigned(outpoint: Outpoint, to: &Script, value: &str) -> Transaction {
    let input = TxIn { outpoint, script: Script::from_bytes(vec![0x51]), sequence: 0 };
    let outputs = vec![TxOut { value: coins(value), script: to.clone() }];
    Transaction { version: 2, inputs: vec![input], outputs, lock_time: 0 }
}

fn lie(place: &WalletsAndNode, method: &str, answer: Value) {
    place.node.chain().lies.insert(method.to_owned(), answer);
}

/// The node's word decides fees twice: as an estimate, and as what a parent has paid. Neither makes a payment dear.
#[test]
fn fees_a_node_makes_up_are_not_paid() {
    let place = WalletsAndNode::with_alice();
    place.json("alice", &["balance"]);
    for rate in [json!(1.0), json!(21_000_000.0), json!(900.0)] {
        lie(&place, "estimatesmartfee", json!({ "feerate": rate, "blocks": 2 }));
        let answer = place.online("alice", &["send", BOB, "1", "--target-blocks", "2"]);
        assert_error(&answer, 1, &["looks like a mistake"]);
    }
    for rate in [json!(-1.0), json!("x"), json!(1e300), Value::Null, json!([])] {
        lie(&place, "estimatesmartfee", json!({ "feerate": rate, "blocks": 2 }));
        let answer = place.online("alice", &["--json", "send", BOB, "1", "--target-blocks", "2", "--dry-run"]);
        let paid: Value = serde_json::from_str(&answer.out).unwrap();
        assert_eq!(paid["fee"].as_f64(), Some(0.000_002_26), "{rate}: the default rate");
        assert!(answer.err.contains("cannot tell a rate"), "{}", answer.err);
    }

    let made = place.offline("bob", &["--no-password", "restore", "--words", &super::words("bob")]);
    assert_eq!(made.code, 0, "{}", made.err);
    let sent = place.json("alice", &["send", BOB, "12.5"]);
    let txid = sent["txid"].as_str().unwrap();
    let said = [
        (json!(1_000_000), json!(0.0), "looks like a mistake"),
        (json!(1_000_001), json!(0.0), "unusable answer to getmempoolentry"),
        (json!(u64::MAX), json!(0.0), "unusable answer to getmempoolentry"),
        (json!(-1), json!(0.0), "unusable answer to getmempoolentry"),
        (json!(226), json!(-1.0), "unusable answer to getmempoolentry"),
        (json!(226), Value::Null, "unusable answer to getmempoolentry"),
    ];
    for (size, fees, wrong) in said {
        lie(&place, "getmempoolentry", json!({ "ancestorsize": size, "fees": { "ancestor": fees } }));
        assert_error(&place.online("bob", &["bump", txid, "--fee-rate", "20"]), 1, &[wrong]);
    }
    assert_eq!(place.node.chain().mempool.len(), 1, "nothing was sent");
}

/// A payment that the node made up is not money, and a spend that it made up does not take a coin away.
#[test]
fn what_nobody_signed_is_not_believed() {
    let place = WalletsAndNode::with_alice();
    let alice = demo("alice");
    place.json("alice", &["balance"]);
    let nowhere = Outpoint { txid: Txid::from_bytes([9; 32]), index: 0 };
    place.node.chain().pool(&unsigned(nowhere, &external(&alice, 1).script(), "1000"));
    let balance = place.json("alice", &["balance"]);
    assert_eq!((balance["spendable"].as_f64(), balance["pending"].as_f64()), (Some(395.0), Some(1000.0)));
    assert_error(&place.online("alice", &["send", BOB, "500"]), 1, &["not enough funds", "1000.00000000 still unconf"]);
    place.node.chain().mempool.clear();

    let list = place.json("alice", &["coins"]);
    let coin = list["coins"].as_array().unwrap().iter().find(|coin| coin["confirmations"] != json!(0)).unwrap();
    let outpoint = Outpoint {
        txid: coin["txid"].as_str().unwrap().parse().unwrap(),
        index: coin["vout"].as_u64().unwrap() as u32,
    };
    let theft = unsigned(outpoint, &Script::pay_to_public_key_hash(&[7; 20]), "1");
    place.node.chain().pool(&theft);
    let told = place.online("alice", &["balance"]);
    assert_error(&told, 1, &["unusable answer", &theft.txid().to_string(), "without its owner's signature"]);
    place.node.chain().mempool.clear();
    assert_eq!(place.json("alice", &["balance"])["spendable"].as_f64(), Some(395.0), "the coin is still there");
}

/// Confirmations are counted from blocks, not from what the node says its height is.
#[test]
fn confirmations_a_node_makes_up_are_not_counted() {
    let place = WalletsAndNode::with_alice();
    let sent = place.json("alice", &["send", BOB, "1"]);
    for height in [1_000_000_u64, u64::from(u32::MAX)] {
        lie(&place, "getblockcount", json!(height));
        let history = place.json("alice", &["history"]);
        let line = history["transactions"].as_array().unwrap().last().unwrap().clone();
        assert_eq!((&line["txid"], line["confirmations"].as_u64()), (&sent["txid"], Some(0)), "{height}");
    }
    lie(&place, "getblockcount", json!(-1));
    assert_error(&place.online("alice", &["balance"]), 1, &["unusable answer to getblockcount"]);
    place.node.chain().lies.clear();
    lie(&place, "getbestblockhash", json!("11".repeat(32)));
    assert_error(&place.online("alice", &["balance"]), 1, &["changed 100 times during one sync"]);
    place.node.chain().lies.clear();
    lie(&place, "getblockhash", json!("11".repeat(32)));
    assert_error(&place.online("alice", &["balance"]), 1, &["this wallet belongs to chain \"local\""]);
}

/// "Refused", says the node, and keeps the payment. Whoever pays again pays with the same coins, so that one of the two is mined.
#[test]
fn a_refusal_that_is_none_does_not_pay_twice() {
    let place = WalletsAndNode::with_alice();
    let dry = place.json("alice", &["send", BOB, "100", "--dry-run"]);
    place.node.chain().refuses_but_keeps = true;
    assert_error(&place.online("alice", &["send", BOB, "100"]), 1, &["refuses the payment"]);
    let held: Vec<Transaction> = place.node.chain().mempool.values().cloned().collect();
    assert_eq!(held.len(), 1);
    // It hides the payment as well.
    place.node.chain().refuses_but_keeps = false;
    place.node.chain().mempool.clear();
    let again = place.json("alice", &["send", BOB, "100"]);
    assert_eq!(again["inputs"], dry["inputs"]);
    let spent: Vec<String> = held[0].inputs.iter().map(|input| input.outpoint.to_string()).collect();
    assert_eq!(again["inputs"], json!(spent), "the same coins");
}

/// The node says "done" and has done nothing: the next command notices, and sends again.
#[test]
fn a_payment_that_was_not_taken_is_sent_again() {
    let place = WalletsAndNode::with_alice();
    lie(&place, "sendrawtransaction", json!("00".repeat(32)));
    let sent = place.json("alice", &["send", BOB, "1"]);
    assert!(place.node.chain().mempool.is_empty());
    place.node.chain().lies.clear();
    place.json("alice", &["balance"]);
    let held: Vec<String> = place.node.chain().mempool.keys().map(Txid::to_string).collect();
    assert_eq!(json!(held), json!([sent["txid"]]));
}

/// Whatever method answers with text that would steer a terminal, none of it arrives there.
#[test]
fn control_characters_are_shown_for_no_method() {
    let place = WalletsAndNode::with_alice();
    place.json("alice", &["balance"]);
    let evil = "\u{1b}]0;own\u{7}\u{202e}\r\n\u{9b}2J";
    for method in ["getblockhash", "getblockcount", "getbestblockhash", "getrawmempool", "estimatesmartfee"] {
        for is_error in [true, false] {
            match is_error {
                true => drop(place.node.chain().failures.insert(method.into(), (-32603, evil.into()))),
                false => lie(&place, method, json!(evil)),
            }
            let answer = place.online("alice", &["send", BOB, "1", "--target-blocks", "2", "--dry-run"]);
            let shown = answer.err.trim_end().to_owned() + &answer.out.replace('\n', "");
            let steers = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
            assert!(!shown.chars().any(steers), "{method}: {shown:?}");
            place.node.chain().failures.clear();
            place.node.chain().lies.clear();
        }
    }
    // A chain's name is text of the node, too.
    lie(&place, "getblockhash", json!("11".repeat(32)));
    lie(&place, "getblockchaininfo", json!({ "chain": evil }));
    let answer = place.online("alice", &["balance"]);
    assert!(!answer.err.trim_end().chars().any(char::is_control), "{:?}", answer.err);
}
