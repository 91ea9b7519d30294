//! The explorer behind the page: where coins come from and go to, clusters, what a reorganisation does to payments, pools.

use crate::network::pause;
use crate::web::Page;
use kit::fixture::regtest;
use kit::payer::Payer;
use kit::{Network, eventually, testoon};
use serde_json::{Value, json};
use std::process::{Child, Stdio};

/// An address of bitcoin-regtest that nobody pays from.
const ELSEWHERE: &str = "mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn";

/// One payment is in a block of one branch and its conflict in one of the other, a second payment is on the first branch only.
#[test]
fn coins_are_followed_through_a_reorganisation_that_names_the_payments_it_undoes() {
    let network = Network::up(&["--chain", "bitcoin-regtest", "--nodes", "3", "--hashrate", "1"]);
    pause(&network, true);
    let clients = network.clients();
    let mut payer = Payer::new(&regtest());
    payer.fund(&clients[0], 2, 100);
    let base = clients[0].height();
    clients.iter().for_each(|client| client.wait_for_height(base));
    let page = Page::start(&network);
    assert_eq!(network.run(&["net", "partition", "node0"]).code, 0);
    let (double, single) = (payer.pay(2).expect("a coin"), payer.pay(1).expect("a coin"));
    let conflict = payer.conflict(&double);
    let txid = |transaction: &chain_spec::Transaction| transaction.txid().to_string();
    let (double_id, single_id, conflict_id) = (txid(&double.transaction), txid(&single.transaction), txid(&conflict));
    for payment in [&double, &single] {
        clients[0].call("sendrawtransaction", json!([payment.hex()]));
    }
    clients[0].call("generatetoaddress", json!([1, ELSEWHERE]));

    // The first node runs, so that its chain is what coins are followed on.
    let coinbase = double.transaction.inputs[0].outpoint.txid.to_string();
    let history = |txid: &str| page.json(&format!("api/net/transaction/{txid}/history"));
    let spent = history(&coinbase);
    assert_eq!(spent["coinbase"], true, "{spent}");
    assert_eq!(spent["inputs"], json!([]));
    assert_eq!(spent["outputs"][0]["spent_by"], json!({ "txid": double_id, "height": base + 1 }));
    assert_eq!(spent["outputs"][0]["address"], payer.address());
    assert_eq!(history(&double_id)["inputs"][0]["coinbase"], true);

    let conflict_hex = hex::encode(chain_spec::Encode::to_bytes(&conflict));
    clients[1].call("sendrawtransaction", json!([conflict_hex]));
    clients[1].call("generatetoaddress", json!([2, ELSEWHERE]));
    clients[2].wait_for_height(base + 2);
    eventually("the page has both branches", || {
        let state = page.state();
        let blocks = state["blocks"].as_array()?;
        (blocks.iter().filter(|block| block["height"].as_u64() > Some(base)).count() == 3).then_some(())
    });
    assert_eq!(network.run(&["net", "heal"]).code, 0);
    clients[0].wait_for_height(base + 2);
    let told = eventually("the reorganisation is told", || {
        let state = page.state();
        let happenings = state["happenings"].as_array()?;
        happenings.iter().find(|one| one["event"] == "reorganisation" && one["node"] == "node0").cloned()
    });
    assert_eq!(told["lost"], json!([double_id]), "{told}");
    assert_eq!(told["waiting"], json!([single_id]), "{told}");
    assert_eq!(told["left"].as_array().map(Vec::len), Some(1), "{told}");
    assert_eq!(told["came"].as_array().map(Vec::len), Some(2), "{told}");
    assert_eq!(told["came"][0], clients[0].tip(), "the highest first");
    let text = told["text"].as_str().expect("a sentence");
    assert!(text.contains(&format!("a payment vanished: {double_id}")), "{text}");
    assert!(text.ends_with("a payment waits again"), "{text}");

    // The same questions again: the chain is another one.
    let spent = history(&coinbase);
    assert_eq!(spent["outputs"][0]["spent_by"], json!({ "txid": conflict_id, "height": base + 1 }));
    let undone = history(&double_id);
    assert_eq!(undone["height"], Value::Null, "it is in no block of the active chain: {undone}");
    assert_eq!(undone["inputs"][0]["value"], 50.0, "{undone}");
    let waits = history(&single.transaction.inputs[0].outpoint.txid.to_string());
    assert_eq!(waits["outputs"][0]["spent_by"], json!({ "txid": single_id, "height": null }));

    // One coin goes back to one coinbase, whole, whatever the convention.
    let value = history(&conflict_id)["outputs"][0]["value"].clone();
    let origin = page.json(&format!("api/net/transaction/{conflict_id}/origin/0"));
    assert_eq!(origin["count"], 1, "{origin}");
    assert_eq!(origin["shares"][0]["coinbase"], coinbase);
    assert_eq!((&origin["shares"][0]["first_in_first_out"], &origin["shares"][0]["by_proportion"]), (&value, &value));

    let address = page.json(&format!("api/net/address/{}/history", payer.address()));
    assert_eq!(address["count"], 103, "102 coinbases and what the conflict pays: {}", address["count"]);
    let spends = address["coins"].as_array().expect("coins").iter().filter(|coin| !coin["spent_by"].is_null());
    assert_eq!(spends.count(), 1, "what waits in a mempool is in no block");
    assert_eq!(address["cluster"]["size"], 1);

    for path in [
        "api/net/transaction/zz/history".to_owned(),
        format!("api/net/transaction/{}/history", "0".repeat(64)),
        format!("api/net/transaction/{conflict_id}/origin/9"),
        "api/net/address/zz/history".to_owned(),
    ] {
        let (status, text) = page.get(&path);
        assert_eq!(status, 404, "{path}: {text}");
        assert!(text.starts_with("{\"error\":\""), "{path}: {text}");
    }
}

/// The page and the wallet read the same chain by the same rules.
#[test]
fn clusters_are_those_that_the_wallet_finds() {
    let network = Network::up(&["--nodes", "2"]);
    network.clients()[0].wait_for_height(1);
    for to in ["bob", "shop", "bob"] {
        assert_eq!(network.run(&["pay", "alice", to, "7"]).code, 0);
    }
    let pool = network.clients();
    eventually("the payments are mined", || pool.iter().all(|node| node.mempool().is_empty()).then_some(()));
    pause(&network, true);
    let page = Page::start(&network);
    eventually("the page has the network", || (page.state()["network"]["running"] == true).then_some(()));
    for (without, flags) in [
        ("", &[][..]),
        ("common-inputs", &["--no-common-inputs"][..]),
        ("fresh-change,needless-input", &["--no-fresh-change", "--no-needless-input"][..]),
    ] {
        let mut all = vec!["wallet", "--json", "clusters", "--owners"];
        all.extend_from_slice(flags);
        let by_wallet = network.run(&all).json();
        let by_page = page.json(&format!("api/net/clusters?without={without}"));
        for field in ["addresses", "count"] {
            assert_eq!(by_page[field], by_wallet[field], "{field} without {without:?}");
        }
        for field in ["precision", "recall"] {
            let (one, other) =
                (by_page[field].as_f64().expect("a number"), by_wallet[field].as_f64().expect("a number"));
            assert!((one - other).abs() < 1e-6, "{field} without {without:?}: {one}, {other}");
        }
        assert_eq!(by_page["clusters"][0]["addresses"], by_wallet["clusters"][0]["addresses"]);
    }
    let all = page.json("api/net/clusters");
    let owned = |name: &str| {
        let clusters = all["clusters"].as_array().expect("clusters");
        clusters.iter().any(|cluster| cluster["owners"].as_array().is_some_and(|owners| owners.contains(&json!(name))))
    };
    assert!(owned("alice") && owned("bob"), "{all}");
    assert_eq!(page.get("api/net/clusters?without=luck").0, 400);
}

struct Miner(Child);

impl Drop for Miner {
    fn drop(&mut self) {
        // It may have ended by itself, which the test then says.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_pool_is_shown_with_its_workers() {
    let place = tempfile::tempdir().expect("a temporary directory");
    let file = place.path().join("net.toml");
    let text = "[[node]]\nname = \"node0\"\nshare = 0.5\narguments = [\"--stratum\", \"127.0.0.1:0\"]\n\n\
                [[node]]\nname = \"node1\"\nshare = 0.5\n";
    std::fs::write(&file, text).expect("it is written");
    let network = Network::up(&["--file", &file.display().to_string()]);
    let page = Page::start(&network);
    let pool = eventually("the page tells of the pool", || page.json("api/net/pools")["pools"][0].as_object().cloned());
    assert_eq!((&pool["node"], &pool["payout"]), (&json!("node0"), &json!("pplns")));
    assert_eq!(page.json("api/net/pools")["pools"].as_array().map(Vec::len), Some(1), "node1 runs none");
    let ready = std::fs::read_to_string(network.path().join("node0/ready.json")).expect("the node is ready");
    let ready: Value = serde_json::from_str(&ready).expect("JSON");
    let user = format!("{}.laptop", pool["operator"].as_str().expect("an address"));
    let mut command = testoon();
    command.args(["mine", "--stratum", ready["stratum"].as_str().expect("an address"), "--user", &user]);
    let _miner =
        Miner(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the binary under test runs"));
    eventually("the worker's shares are counted", || {
        let pools = page.json("api/net/pools");
        let workers = pools["pools"][0]["workers"].as_array()?;
        workers
            .iter()
            .any(|worker| worker["worker"] == user.as_str() && worker["shares"]["accepted"].as_u64() > Some(0))
            .then_some(())
    });
}
