//! What the wallet can do beyond a plain payment, through the binary against a node that judges by the rules.

use serde_json::Value;

use super::command_line::{BOB, WalletsAndNode, assert_error, run};
use super::{demo, local};

/// What is said where a payment spends coins of several addresses.
const LINKED: &str = "addresses belong together";
/// An address of nobody in particular.
const STRANGER: &str = "mzPFqf5Jj6YLgb9m1nJXBqFdUKCvAhWVAk";

fn stranger(tag: u8) -> String {
    chain_spec::Address { version: local().address_version, public_key_hash: [tag; 20] }.to_string()
}

/// Equal to the unit, whatever the order in which a test subtracts.
fn near(one: Option<f64>, other: f64) -> bool {
    one.is_some_and(|one| (one - other).abs() < 5e-9)
}

fn confirmed(place: &WalletsAndNode, wallet: &str) -> f64 {
    place.json(wallet, &["balance"])["confirmed"].as_f64().unwrap()
}

fn with_bob(place: &WalletsAndNode) {
    let made = place.offline("bob", &["--no-password", "restore", "--words", &super::words("bob")]);
    assert_eq!(made.code, 0, "{}", made.err);
}

/// The white paper's example: small coins are combined for a larger payment, and nothing comes back.
#[test]
fn four_point_four_and_five_point_six_pay_ten() {
    let place = WalletsAndNode::with_alice();
    let list = place.json("alice", &["coins"]);
    let find = |amount: f64| {
        let coin =
            list["coins"].as_array().unwrap().iter().find(|coin| coin["amount"].as_f64() == Some(amount)).unwrap();
        format!("{}:{}", coin["txid"].as_str().unwrap(), coin["vout"])
    };
    let (small, large) = (find(4.4), find(5.6));
    let sent = place.json("alice", &["send", BOB, "10", "--coin", &small, "--coin", &large, "--subtract-fee"]);
    assert_eq!((sent["inputs"].as_array().unwrap().len(), &sent["change"]), (2, &Value::Null));
    assert_eq!((sent["amount"].as_f64(), sent["fee"].as_f64()), (Some(9.9999966), Some(0.0000034)));
    place.node.mine(1);
    assert_eq!(confirmed(&place, "alice"), 385.0);
}

#[test]
fn many_are_paid_from_a_file_and_data_is_carried() {
    let place = WalletsAndNode::with_alice();
    place.write("list.csv", &format!("address,amount\n{},1.5\n{},2\n", stranger(1), stranger(2)));
    let sent = place.json("alice", &["send", "--file", "list.csv", "--data", "c0ffee"]);
    assert_eq!((sent["amount"].as_f64(), sent["outputs"].as_array().unwrap().len()), (Some(3.5), 3));
    let txid = sent["txid"].as_str().unwrap().parse().unwrap();
    let carried = place.node.chain().mempool[&txid].outputs[2].clone();
    assert_eq!((carried.script.as_bytes(), carried.value.units()), (&[0x6a, 3, 0xc0, 0xff, 0xee][..], 0));
    let text = format!(r#"[{{"address":"{}","amount":"0.5"}}]"#, stranger(3));
    place.write("list.json", &text);
    assert_eq!(place.json("alice", &["send", "--file", "list.json"])["amount"].as_f64(), Some(0.5));
    place.write("wrong.csv", "x,1\n");
    assert_error(&place.online("alice", &["send", "--file", "wrong.csv"]), 2, &["\"x\""]);
    assert_error(&place.online("alice", &["send", &stranger(1), "1", "--data", &"00".repeat(81)]), 2, &["81 bytes"]);
}

#[test]
fn fees_by_rate_target_and_sum() {
    let place = WalletsAndNode::with_alice();
    let dry = |more: &[&str]| place.json("alice", &[&["send", BOB, "1", "--dry-run"], more].concat());
    assert_eq!(dry(&["--fee", "0.0005"])["fee"].as_f64(), Some(0.0005));
    // 5 units per byte is what this node estimates; 226 bytes.
    assert_eq!(dry(&["--target-blocks", "3"])["fee"].as_f64(), Some(0.0000113));
    assert_eq!(dry(&["--subtract-fee"])["amount"].as_f64(), Some(0.99999774));
    let dear = place.online("alice", &["send", BOB, "1", "--fee", "0.2"]);
    assert_error(&dear, 1, &["looks like a mistake"]);
    let text = place.online("alice", &["send", BOB, "1", "--dry-run"]).out;
    assert!(text.contains("spends ") && text.contains("units/byte"), "{text}");
}

#[test]
fn all_is_sent_and_the_next_block_is_the_first_that_may_hold_it() {
    let place = WalletsAndNode::with_alice();
    place.node.mine(200);
    let sent = place.json("alice", &["send", BOB, "all"]);
    assert_eq!((sent["inputs"].as_array().unwrap().len(), &sent["change"]), (7, &Value::Null));
    let lock_time = sent["lock_time"].as_u64().unwrap();
    assert!((101..=200).contains(&lock_time), "{lock_time}");
    place.node.mine(1);
    assert_eq!(confirmed(&place, "alice"), 0.0);
    assert_error(&place.online("alice", &["send", BOB, "all"]), 1, &["not enough funds"]);
}

#[test]
fn frozen_coins_are_left_alone_and_labels_are_shown() {
    let place = WalletsAndNode::with_alice();
    let list = place.json("alice", &["coins"]);
    let names: Vec<String> = list["coins"]
        .as_array()
        .unwrap()
        .iter()
        .map(|coin| format!("{}:{}", coin["txid"].as_str().unwrap(), coin["vout"]))
        .collect();
    let all: Vec<&str> = std::iter::once("freeze").chain(names[1..].iter().map(String::as_str)).collect();
    place.json("alice", &all);
    assert_error(&place.online("alice", &["send", BOB, "250"]), 1, &["not enough funds"]);
    assert_error(&place.online("alice", &["send", BOB, "1", "--coin", &names[1]]), 1, &["frozen", "unfreeze"]);
    place.json("alice", &["unfreeze", &names[1]]);
    place.json("alice", &["label", &names[1], "rent"]);
    let sent = place.json("alice", &["send", BOB, "1", "--coin", &names[1], "--label", "coffee"]);
    let csv = place.online("alice", &["history", "--csv"]).out;
    assert!(csv.lines().count() == 3 && csv.contains("coffee") && csv.starts_with("time (utc),kind"), "{csv}");
    let line = &place.json("alice", &["history"])["transactions"][1];
    assert_eq!((line["label"].as_str(), line["txid"].as_str()), (Some("coffee"), sent["txid"].as_str()));
    assert!(near(line["balance"].as_f64(), 395.0 - 1.0 - 0.00000226), "{line}");
    assert_error(&place.online("alice", &["label", "nonsense", "x"]), 2, &["nonsense"]);
}

#[test]
fn own_goals_are_refused() {
    let place = WalletsAndNode::with_alice();
    let mine = place.json("alice", &["new-address"])["address"].as_str().unwrap().to_owned();
    assert_error(&place.online("alice", &["send", &mine, "1"]), 2, &["address of this wallet", "--to-self"]);
    assert_eq!(place.json("alice", &["send", &mine, "1", "--to-self"])["sent"].as_bool(), Some(true));
}

#[test]
fn privacy_is_an_option_and_links_are_told() {
    let place = WalletsAndNode::with_alice();
    // All of alice's coins are on one address: spending them together or not at all means spending them all.
    let together = place.json("alice", &["send", BOB, "1", "--avoid-reuse", "--dry-run"]);
    assert_eq!(together["inputs"].as_array().unwrap().len(), 7);
    assert_error(&place.online("alice", &["send", BOB, "1", "--no-change"]), 1, &["without change"]);
    let exact = place.json("alice", &["send", BOB, "9.99999808", "--no-change", "--dry-run"]);
    assert_eq!(exact["change"], Value::Null);
    assert_eq!(place.online("alice", &["send", BOB, "300"]).code, 0);
    place.node.mine(1);
    let told = place.online("alice", &["send", BOB, "94.9"]).err;
    assert!(told.contains("addresses belong together") && told.contains("was paid before"), "{told}");
}

#[test]
fn a_payment_is_bumped_and_cancelled() {
    let place = WalletsAndNode::with_alice();
    place.node.chain().replaces = true;
    let first = place.json("alice", &["send", BOB, "12.5", "--label", "rent"]);
    let old = first["txid"].as_str().unwrap();
    let dry = place.json("alice", &["bump", old, "--dry-run"]);
    let cheap = place.online("alice", &["bump", old, "--fee-rate", "1"]);
    assert_error(&cheap, 1, &["must pay at least", "--fee-rate"]);
    let bumped = place.json("alice", &["bump", old, "--fee-rate", "10"]);
    assert!(dry["fee"].as_f64() > first["fee"].as_f64() && bumped["fee"].as_f64() == Some(0.0000226));
    let new = bumped["txid"].as_str().unwrap();
    assert_eq!(place.node.chain().mempool.keys().map(|txid| txid.to_string()).collect::<Vec<_>>(), [new]);
    let history = place.json("alice", &["history"]);
    let find = |txid: &str| {
        let lines = history["transactions"].as_array().unwrap();
        lines.iter().find(|line| line["txid"].as_str() == Some(txid)).unwrap().clone()
    };
    assert_eq!((find(old)["state"].as_str(), find(old)["conflicted_by"].as_str()), (Some("conflicted"), Some(new)));
    assert_eq!((find(new)["state"].as_str(), find(new)["label"].as_str()), (Some("unconfirmed"), Some("rent")));
    assert_error(&place.online("alice", &["bump", old]), 1, &["not an unconfirmed transaction"]);

    let cancelled = place.json("alice", &["cancel", new]);
    assert!(cancelled["fee"].as_f64() > bumped["fee"].as_f64());
    place.node.mine(1);
    // Who watches what was bumped and taken back hears so, and is led to what stands in its place; nothing was lost.
    let watched = place.online("alice", &["watch", old, "--confirmations", "1"]);
    let told = &watched.out;
    let cancelling = cancelled["txid"].as_str().unwrap();
    assert_eq!(watched.code, 0, "{told}{}", watched.err);
    assert!(told.contains(&format!("replaced {old}")) && told.contains(&format!("1/1 {cancelling}")), "{told}");
    assert!(!told.contains("REVERSED"), "{told}");
    let left = 395.0 - cancelled["fee"].as_f64().unwrap();
    assert!(near(Some(confirmed(&place, "alice")), left));
    assert_error(&place.online("alice", &["cancel", new]), 1, &["not an unconfirmed transaction"]);
}

#[test]
fn a_bump_without_change_brings_in_another_coin_and_children_are_paid_for() {
    let place = WalletsAndNode::with_alice();
    place.node.chain().replaces = true;
    let list = place.json("alice", &["coins"]);
    let ten = list["coins"].as_array().unwrap().iter().find(|coin| coin["amount"].as_f64() == Some(10.0)).unwrap();
    let ten = format!("{}:{}", ten["txid"].as_str().unwrap(), ten["vout"]);
    let whole = place.json("alice", &["send", BOB, "all", "--coin", &ten]);
    let bumped = place.json("alice", &["bump", whole["txid"].as_str().unwrap(), "--fee-rate", "5"]);
    assert_eq!(bumped["inputs"].as_array().unwrap().len(), 2);
    // A parent whose child would be evicted with it must pay for both.
    let parent = place.json_with_warning("alice", &["send", &stranger(4), "300"], LINKED);
    let change = format!("{}:1", parent["txid"].as_str().unwrap());
    let child = place.json("alice", &["send", &stranger(5), "1", "--coin", &change, "--fee-rate", "50"]);
    let replaced = place.json("alice", &["bump", parent["txid"].as_str().unwrap()]);
    let sum = parent["fee"].as_f64().unwrap() + child["fee"].as_f64().unwrap();
    assert!(replaced["fee"].as_f64().unwrap() > sum, "{replaced}");
}

#[test]
fn a_slow_payment_to_us_is_pulled_along_by_its_child() {
    let place = WalletsAndNode::with_alice();
    with_bob(&place);
    let sent = place.json("alice", &["send", BOB, "12.5"]);
    let txid = sent["txid"].as_str().unwrap();
    let child = place.json("bob", &["bump", txid, "--fee-rate", "20"]);
    // Both together at 20 units a byte, less what the parent paid; a child of one input and one output has 192 bytes.
    let size = sent["size"].as_f64().unwrap() + 192.0;
    assert!(near(child["fee"].as_f64(), 20.0 * size / 1e8 - sent["fee"].as_f64().unwrap()), "{child}");
    place.node.mine(1);
    let balance = confirmed(&place, "bob");
    assert!(near(Some(balance), 15.0 + 12.5 - child["fee"].as_f64().unwrap()), "{balance}");
}

#[test]
fn accounts_are_separate_and_found_by_a_restore() {
    let place = WalletsAndNode::with_alice();
    assert_error(&place.offline("alice", &["create-account"]), 1, &["account 0 is still unused"]);
    assert_eq!(confirmed(&place, "alice"), 395.0);
    assert_eq!(place.offline("alice", &["create-account", "savings"]).code, 0);
    let address = place.json("alice", &["new-address", "--account", "1"])["address"].as_str().unwrap().to_owned();
    place.json("alice", &["send", &address, "50", "--to-self"]);
    place.node.mine(1);
    let list = place.json("alice", &["accounts"]);
    assert_eq!(list["accounts"][1]["name"].as_str(), Some("savings"));
    assert_eq!(list["accounts"][1]["confirmed"].as_f64(), Some(50.0));
    assert_error(&place.online("alice", &["send", BOB, "60", "--account", "1"]), 1, &["50.00000000 available"]);
    let sent = place.json("alice", &["send", BOB, "1", "--account", "1"]);
    place.node.mine(1);
    let left = place.json("alice", &["balance", "--account", "1"])["confirmed"].as_f64().unwrap();
    assert!(near(Some(left), 49.0 - sent["fee"].as_f64().unwrap()));
    let again = place.json("again", &["--no-password", "restore", "--words", &super::words("alice")]);
    assert_eq!(
        (again["accounts"].as_u64(), again["total"].as_f64()),
        (Some(2), place.json("alice", &["balance"])["total"].as_f64())
    );
}

/// The words stay at home: one wallet watches and prepares, another signs, the first finishes and sends.
#[test]
fn a_watching_wallet_pays_through_a_psbt() {
    let place = WalletsAndNode::with_alice();
    let shown = place.json("alice", &["descriptors"]);
    let key = shown["xpub"].as_str().unwrap();
    let watching = place.json("eye", &["--no-password", "watch-only", key]);
    assert_eq!(watching["total"].as_f64(), Some(395.0));
    for descriptor in shown["descriptors"].as_array().unwrap() {
        assert_eq!(place.offline("other", &["--no-password", "watch-only", descriptor.as_str().unwrap()]).code, 0);
        std::fs::remove_file(place.directory.path().join("other")).unwrap();
    }
    assert_error(&place.online("eye", &["send", BOB, "1"]), 1, &["only watches"]);
    assert_error(&place.offline("eye", &["words", "--yes"]), 1, &["no words"]);
    let made = place.online("eye", &["create-psbt", BOB, "12.5"]);
    assert_eq!(made.code, 0, "{}", made.err);
    place.write("unsigned", &made.out);
    assert_error(&place.offline("eye", &["sign-psbt", "unsigned"]), 1, &["only watches"]);
    assert_error(&place.offline("eye", &["finalize", "unsigned"]), 1, &["input 0 is not signed"]);
    let signed = place.offline("alice", &["sign-psbt", "unsigned"]);
    assert!(signed.err.contains("fee 0.00000226") && signed.err.contains("12.50000000"), "{}", signed.err);
    place.write("signed", &signed.out);
    let combined = place.offline("eye", &["combine", "unsigned", "signed"]);
    place.write("combined", &combined.out);
    let finished = place.json("eye", &["finalize", "combined"]);
    assert_eq!(place.json("eye", &["broadcast", "combined"])["txid"], finished["txid"]);
    place.node.mine(1);
    assert!(near(Some(confirmed(&place, "eye")), 395.0 - 12.5 - 0.00000226));
    assert_error(&place.offline("eye", &["show", "list"]), 1, &["cannot read list"]);
    place.write("junk", "junk");
    assert_error(&place.offline("eye", &["show", "junk"]), 1, &["junk", "not a PSBT"]);
}

#[test]
fn messages_are_signed_and_verified() {
    let place = WalletsAndNode::with_alice();
    let address = demo("alice").address_at(wallet::KeyPath { account: 0, branch: wallet::Branch::External, index: 0 });
    let address = address.unwrap().to_string();
    let signature = place.offline("alice", &["sign-message", &address, "hello"]).out.trim().to_owned();
    assert_eq!(place.offline("none", &["verify-message", &address, &signature, "hello"]).code, 0);
    assert_error(&place.offline("none", &["verify-message", &address, &signature, "bye"]), 1, &["not one of this"]);
    assert_error(&place.offline("none", &["verify-message", &address, "xx", "bye"]), 2, &["65 bytes"]);
    assert_error(&place.offline("alice", &["sign-message", STRANGER, "x"]), 2, &[STRANGER]);
    assert_error(&place.offline("alice", &["sign-message", &stranger(1), "x"]), 1, &["not an address of this wallet"]);
}

#[test]
fn single_keys_come_and_go() {
    let place = WalletsAndNode::with_alice();
    let key = chain_spec::PrivateKey::from_bytes(&[77; 32], true).unwrap();
    let (wif, address) = (key.to_wif(&local()), key.public_key().address(&local()));
    place.node.mine_to_address(1, &address);
    place.node.mine(2);
    place.write("wif", &wif);
    let file = std::fs::File::open(place.directory.path().join("wif")).unwrap();
    let mut command = place.command("alice");
    command.args(["--rpc", &place.node.url(), "--json", "import-key", "--cookie"]).arg(place.node.cookie()).stdin(file);
    let imported = run(&mut command);
    assert_eq!(imported.code, 0, "{}", imported.err);
    assert_eq!(confirmed(&place, "alice"), 445.0);
    let out = place.offline("alice", &["export-key", &address.to_string(), "--yes"]).out;
    assert_eq!(out.trim(), wif);
    assert_error(&place.offline("alice", &["export-key", &address.to_string()]), 2, &["--yes"]);
    assert_error(&place.offline("alice", &["export-key", &stranger(9), "--yes"]), 1, &["not an address"]);
    // It pays like any other.
    assert_eq!(place.json_with_warning("alice", &["send", BOB, "440"], LINKED)["sent"].as_bool(), Some(true));
}

#[test]
fn requests_are_made_shown_and_paid() {
    let place = WalletsAndNode::with_alice();
    with_bob(&place);
    let asked = place.json("bob", &["new-address", "--amount", "2.5", "--label", "Bob & Co"]);
    let uri = asked["uri"].as_str().unwrap();
    assert!(uri.starts_with("testoon:") && uri.ends_with("?amount=2.5&label=Bob%20%26%20Co"), "{uri}");
    assert_eq!(place.json("alice", &["pay", uri])["amount"].as_f64(), Some(2.5));
    let picture = place.online("bob", &["new-address", "--qr"]).out;
    assert!(picture.contains('█') && picture.lines().count() > 15, "{picture}");
    assert_error(&place.online("alice", &["pay", &uri.replace("testoon", "bitcoin")]), 2, &["testoon"]);
}

#[test]
fn the_file_is_kept_and_its_password_changes() {
    let place = WalletsAndNode::new();
    place.write("old", "old password\n");
    place.write("new", "new password\n");
    let with = |password: &str, rest: &[&str]| place.offline("w", &[&["--password-file", password], rest].concat());
    assert_eq!(with("old", &["create"]).code, 0);
    let info = with("old", &["info", "--json"]);
    let info: Value = serde_json::from_str(&info.out).unwrap();
    assert_eq!((info["format"].as_u64(), info["argon2"]["memory_kib"].as_u64()), (Some(2), Some(65_536)));
    assert_eq!(with("old", &["backup", "copy"]).code, 0);
    assert_error(&with("old", &["backup", "copy"]), 1, &["cannot write copy"]);
    assert_eq!(with("old", &["change-password", "--new-password-file", "new"]).code, 0);
    assert_error(&with("old", &["info"]), 1, &["wrong password"]);
    assert_eq!(with("new", &["info"]).code, 0);
    assert_eq!(place.offline("copy", &["--password-file", "old", "info"]).code, 0);
}

/// A file as the program of the first format wrote it: alice's words, three addresses handed out.
#[test]
fn a_file_of_the_first_format_is_upgraded_when_it_is_changed() {
    let place = WalletsAndNode::new();
    let old = include_bytes!("format_1.wallet");
    std::fs::write(place.directory.path().join("alice"), old).unwrap();
    let format = |place: &WalletsAndNode| {
        let info = place.offline("alice", &["info", "--json"]).out;
        serde_json::from_str::<Value>(&info).unwrap()["format"].as_u64()
    };
    assert_eq!(format(&place), Some(1), "a question does not change it");
    let next = place.offline("alice", &["new-address"]);
    assert!(next.out.starts_with('m') || next.out.starts_with('n'), "{}{}", next.out, next.err);
    let list: Value = serde_json::from_str(&place.offline("alice", &["addresses", "--offline", "--json"]).out).unwrap();
    assert_eq!(list["addresses"].as_array().unwrap().len(), 4, "three from before and the new one");
    assert_eq!(format(&place), Some(2));
    assert_eq!(confirmed(&place, "alice"), 395.0);
    assert!(place.directory.path().join("alice.bak").is_file());
}

#[test]
fn watching_shows_each_confirmation_and_its_odds() {
    let place = WalletsAndNode::with_alice();
    let sent = place.json("alice", &["send", BOB, "1"]);
    let mut command = place.command("alice");
    command.args(["--rpc", &place.node.url(), "--json", "watch", "--confirmations", "2", "--cookie"]);
    let child = command.arg(place.node.cookie()).stdout(std::process::Stdio::piped()).spawn().unwrap();
    for waits in 1..=2 {
        place.node.await_calls("waitfornewblock", waits);
        place.node.mine(1);
    }
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let lines: Vec<Value> =
        String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let seen: Vec<_> = lines.iter().map(|line| (line["confirmations"].as_u64(), line["reversal"].as_f64())).collect();
    // Rosenfeld's table for an attacker with a tenth of the hash power.
    assert_eq!(seen, [(Some(0), Some(1.0)), (Some(1), Some(0.2)), (Some(2), Some(0.056))]);
    assert!(lines.iter().all(|line| line["txid"] == sent["txid"]));
    assert!(place.online("alice", &["watch"]).out.contains("no payment is unconfirmed"));
}

#[test]
fn coins_are_traced_and_addresses_grouped() {
    let place = WalletsAndNode::with_alice();
    let sent = place.json("alice", &["send", &stranger(1), "210"]);
    place.node.mine(1);
    let output = format!("{}:0", sent["txid"].as_str().unwrap());
    let trace = place.json("alice", &["trace", &output]);
    assert_eq!(trace["outputs"][0]["next"].as_array().unwrap().len(), sent["inputs"].as_array().unwrap().len());
    assert_eq!(trace["shares"][0]["by_proportion"].as_f64(), Some(210.0), "all of it from the genesis block");
    let text = place.online("alice", &["trace", &output, "--dot", "t.dot", "--svg", "t.svg"]);
    assert!(text.out.contains("└─") && text.out.contains("FIRST IN, FIRST OUT"), "{}{}", text.out, text.err);
    let read = |name: &str| std::fs::read_to_string(place.directory.path().join(name)).unwrap();
    assert!(read("t.dot").contains("->") && read("t.svg").contains("<svg"));
    let forward = place.json("alice", &["trace", sent["inputs"][0].as_str().unwrap(), "--forward"]);
    assert_eq!(forward["outputs"][0]["next"].as_array().unwrap().len(), 2);
    assert_error(&place.online("alice", &["trace", &"00".repeat(32)]), 1, &["nothing in the chain"]);
    let clusters = place.json("alice", &["clusters"]);
    assert_eq!(clusters["clusters"][0]["names"].as_str(), Some("this wallet"));
    assert_eq!(clusters["clusters"][0]["size"].as_u64(), Some(2), "alice's address and her change");
    let off = place.json("alice", &["clusters", "--no-common-inputs", "--no-fresh-change", "--no-needless-input"]);
    assert_eq!(off["clusters"][0]["size"].as_u64(), Some(1));
}

#[test]
fn completions_and_the_manual_are_printed() {
    let place = WalletsAndNode::new();
    let script = place.offline("none", &["completions", "bash"]).out;
    assert!(script.contains("complete -F") && script.contains("create-psbt"));
    let manual = place.offline("none", &["man"]).out;
    assert!(manual.contains(".TH testoon-wallet") && manual.contains("verify\\-message"), "{manual}");
}
