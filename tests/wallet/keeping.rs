//! Where the wallet finds its node, what it finds of its history, and what it gives away of its secrets.

use std::process::Stdio;

use serde_json::Value;

use super::command_line::{BOB, WalletsAndNode, assert_error, run};
use super::fake_node::FakeNode;
use super::{coins, demo, external, local};

/// Alone, without a word on the command line, it asks the node of its chain that runs on this machine.
#[test]
fn a_node_in_its_usual_place_is_found() {
    let place = WalletsAndNode::new();
    let mut spec = local();
    spec.name = "elsewhere".into();
    let address = place.node.url();
    spec.default_rpc_port = address.rsplit(':').next().unwrap().parse().unwrap();
    place.write("elsewhere.toml", &spec.to_toml());
    let home = place.directory.path().join(".testoon/node-elsewhere");
    std::fs::create_dir_all(&home).unwrap();
    let words = super::words("alice");
    let made = ["--no-password", "restore", "--chain", "elsewhere.toml", "--words", &words];
    assert_eq!(place.offline("alice", &made).code, 0);
    assert_error(&place.offline("alice", &["balance"]), 2, &["no credentials for the node at", "--cookie"]);
    std::fs::copy(place.node.cookie(), home.join(".cookie")).unwrap();
    let found = place.offline("alice", &["--json", "balance"]);
    let balance: Value = serde_json::from_str(&found.out).unwrap_or_else(|error| panic!("{error}: {}", found.err));
    assert_eq!(balance["confirmed"].as_f64(), Some(395.0));
}

/// The search for used addresses ends after a gap that can be set, and goes on while it finds something.
#[test]
fn a_restore_looks_as_far_as_it_is_told() {
    let place = WalletsAndNode::new();
    let mut owner = demo("bob");
    owner.set_gap_limit(200).unwrap();
    // Each 30 beyond the last: more than BIP44's gap, within one of 40.
    for index in [29, 59, 89] {
        place.node.mine_to_address(1, &external(&owner, index));
    }
    place.node.mine(2);
    let words = super::words("bob");
    let found = |name: &str, more: &[&str]| {
        place.json(name, &[&["--no-password", "restore", "--words", &words], more].concat())["total"].as_f64()
    };
    assert_eq!(found("short", &[]), Some(15.0), "what genesis gave");
    assert_eq!(found("long", &["--gap-limit", "40"]), Some(165.0));
    let again = place.online("again", &["--no-password", "restore", "--words", &words, "--gap-limit", "0"]);
    assert_eq!(again.code, 2);
}

/// Every receipt and every change has an address of its own, and a coin that a payment has taken is taken.
#[test]
fn addresses_are_fresh_and_coins_are_used_once() {
    let place = WalletsAndNode::with_alice();
    let given: Vec<String> = (0..3).map(|_| place.offline("alice", &["new-address"]).out).collect();
    assert!(given[0] != given[1] && given[1] != given[2]);
    let mut change = Vec::new();
    for tag in [1, 2, 3] {
        let to = chain_spec::Address { version: local().address_version, public_key_hash: [tag; 20] }.to_string();
        let sent = place.json("alice", &["send", &to, "1"]);
        let pool = place.node.chain();
        let transaction = &pool.mempool[&sent["txid"].as_str().unwrap().parse().unwrap()];
        change.push(transaction.outputs.last().unwrap().script.clone());
    }
    assert!(change[0] != change[1] && change[1] != change[2] && change[0] != change[2]);
    let spent = place.json("alice", &["send", BOB, "1", "--dry-run"])["inputs"][0].as_str().unwrap().to_owned();
    place.json("alice", &["send", BOB, "1", "--coin", &spent]);
    assert_error(&place.online("alice", &["send", BOB, "1", "--coin", &spent]), 1, &["no coin of this wallet", &spent]);
}

/// What is too small to be relayed is a wrong argument, whatever the wallet holds.
#[test]
fn amounts_that_no_node_relays_are_wrong_arguments() {
    let place = WalletsAndNode::with_alice();
    for amount in ["0", "0.0", "0.00000545"] {
        assert_error(&place.online("alice", &["send", BOB, amount]), 2, &["is dust", "0.00000546"]);
    }
    assert_error(&place.online("alice", &["send", BOB, "-1"]), 2, &["\"-1\" is not an amount"]);
    let uri = format!("testoon:{BOB}?amount=0");
    assert_error(&place.online("alice", &["pay", &uri]), 2, &["is dust"]);
    place.write("list.csv", &format!("{BOB},0.00000001\n"));
    assert_error(&place.online("alice", &["send", "--file", "list.csv"]), 2, &["is dust"]);
    assert_eq!(place.json("alice", &["send", BOB, "0.00000546"])["amount"].as_f64(), Some(0.000_005_46));
    for question in ["balance", "coins"] {
        assert_error(&place.online("alice", &[question, "--account", "3"]), 1, &["no account 3"]);
    }
}

/// Extended keys that BIP32 calls invalid are refused where they would be watched: its test vector 5.
#[test]
fn a_key_without_parent_that_names_one_is_not_watched() {
    let place = WalletsAndNode::new();
    for key in [
        "xpub661no6RGEX3uJkY4bNnPcw4URcQTrSibUZ4NqJEw5eBkv7ovTwgiT91XX27VbEXGENhYRCf7hyEbWrR3FewATdCEebj6znwMfQkhRYHRLpJ",
        "xpub661MyMwAuDcm6CRQ5N4qiHKrJ39Xe1R1NyfouMKTTWcguwVcfrZJaNvhpebzGerh7gucBvzEQWRugZDuDXjNDRmXzSZe4c7mnTK97pTvGS8",
    ] {
        let answer = place.offline("eye", &["--no-password", "watch-only", key, "--chain", "bitcoin-main"]);
        assert_error(&answer, 2, &["depth zero"]);
    }
    assert!(!place.directory.path().join("eye").exists());
}

/// A request made elsewhere is paid as it stands, and what it is called becomes the payment's label, made safe to show.
#[test]
fn a_request_s_label_is_kept_and_steers_nothing() {
    let place = WalletsAndNode::with_alice();
    place.json("alice", &["pay", &format!("testoon:{BOB}?amount=2&label=%3DSUM(A1)%1B%5B31m")]);
    let list = place.online("alice", &["history", "--csv"]).out;
    assert!(list.contains("'=SUM(A1)") && !list.contains('\u{1b}'), "{list}");
    let second = format!("testoon:{BOB}?amount=2&label=theirs");
    place.json_with_warning("alice", &["pay", &second, "--label", "mine"], "was paid before");
    let line = place.json("alice", &["history"])["transactions"].as_array().unwrap().last().unwrap().clone();
    assert_eq!((line["label"].as_str(), line["amount"].as_f64()), (Some("mine"), Some(-2.000_002_26)));
}

/// Lists are plain in a pipe, and each has its form for spreadsheets.
#[test]
fn lists_are_plain_in_a_pipe_and_have_a_form_for_spreadsheets() {
    let place = WalletsAndNode::with_alice();
    place.json("alice", &["send", BOB, "1"]);
    for (list, header) in [
        ("coins", "amount,state,conf,address,coin,label"),
        ("addresses", "address,path,received,label"),
        ("accounts", "account,name,confirmed,pending,immature,path"),
        ("history", "time (utc),kind,amount,fee,balance,state,address,label,transaction"),
    ] {
        let text = place.online("alice", &[list]).out;
        assert!(!text.contains('\u{1b}') && text.lines().count() > 1, "{text}");
        let csv = place.online("alice", &[list, "--csv"]).out;
        assert_eq!(csv.lines().next(), Some(header));
        assert_eq!(csv.lines().count(), text.lines().count(), "{csv}");
        assert_error(&place.online("alice", &[list, "--csv", "--json"]), 2, &["CSV or JSON"]);
    }
}

/// While it runs, the system keeps the pages with secrets in memory, and lets nobody look into it or dump it.
#[cfg(target_os = "linux")]
#[test]
fn secrets_are_locked_into_memory() {
    let place = WalletsAndNode::with_alice();
    let mut command = place.command("alice");
    command.args(["--rpc", &place.node.url(), "send", BOB, "1", "--wait", "1", "--cookie"]).arg(place.node.cookie());
    let mut child = command.stdout(Stdio::null()).spawn().unwrap();
    place.node.await_calls("waitfornewblock", 1);
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let locked = status.lines().find_map(|line| line.strip_prefix("VmLck:")).unwrap().trim().to_owned();
    place.node.mine(1);
    assert!(child.wait().unwrap().success());
    let limit = run(std::process::Command::new("sh").args(["-c", "ulimit -l"])).out;
    // Key, words, passphrase, root and two accounts: a page each.
    let kib: u64 = locked.trim_end_matches(" kB").parse().unwrap();
    assert!(limit.trim() == "0" || kib >= 24, "{locked} of {limit}");
}

/// A payment that another one has displaced has nothing left to give up.
#[test]
fn what_was_replaced_is_not_abandoned() {
    let place = WalletsAndNode::with_alice();
    place.node.chain().replaces = true;
    let old = place.json("alice", &["send", BOB, "1"])["txid"].as_str().unwrap().to_owned();
    let new = place.json("alice", &["bump", &old])["txid"].as_str().unwrap().to_owned();
    assert_error(&place.online("alice", &["abandon", &old]), 1, &["will not confirm", &new]);
    place.node.mine(1);
    assert_error(&place.online("alice", &["abandon", &new]), 1, &["not an unconfirmed"]);
}

/// The node that has the payment dies before it answers; another one has its chain and not its mempool.
#[test]
fn a_payment_whose_answer_is_lost_is_paid_once() {
    let place = WalletsAndNode::with_alice();
    place.node.chain().failures.insert("sendrawtransaction".into(), (-32603, "out of memory".into()));
    let answer = place.online("alice", &["send", BOB, "3"]);
    assert_error(&answer, 1, &["unknown", "do not pay twice"]);
    let other = FakeNode::local();
    let (url, cookie) = (other.url(), other.cookie());
    let command = ["--rpc", &url, "--json", "balance", "--cookie", cookie.to_str().unwrap()];
    let balance = place.offline("alice", &command);
    assert_eq!(balance.code, 0, "{}", balance.err);
    let paid = other.chain().mempool.values().filter(|t| t.outputs.iter().any(|o| o.value == coins("3"))).count();
    assert_eq!(paid, 1, "it was sent again to whom it was not known");
}
