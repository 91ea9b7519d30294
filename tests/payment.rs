//! The life of a payment: from a wallet into every mempool, into a block, and into the other wallet.

use crate::network::pause;
use kit::{Finished, Network, eventually};
use serde_json::{Value, json};

/// A demo account's balance as the wallet itself says it, in coins.
fn balance(network: &Network, account: &str) -> Value {
    let node = &network.nodes()[0];
    let text = |field: &str| node[field].as_str().expect("text").to_owned();
    let wallet = network.path().join("wallets").join(format!("{account}.wallet"));
    let cookie = format!("{}/.cookie", text("datadir"));
    let output = kit::testoon()
        .args(["wallet", "--wallet"])
        .arg(wallet)
        .args(["--rpc", &text("rpc"), "--cookie", &cookie, "--no-password", "balance", "--json"])
        .output()
        .expect("the wallet runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn confirmed(balance: &Value) -> f64 {
    balance["confirmed"].as_f64().unwrap_or_else(|| panic!("no confirmed balance in {balance}"))
}

fn pay(network: &Network, arguments: &[&str]) -> Finished {
    let mut all = vec!["pay"];
    all.extend_from_slice(arguments);
    all.push("--json");
    network.run(&all)
}

#[test]
fn a_payment_is_in_every_mempool_then_mined_then_in_the_wallet() {
    let network = Network::up(&[]);
    let clients = network.clients();
    clients[0].wait_for_height(1);
    let before = confirmed(&balance(&network, "bob"));

    pause(&network, true);
    let paid = pay(&network, &["alice", "bob", "12.5"]).json();
    let txid = paid["txid"].as_str().expect("a txid").to_owned();
    assert_eq!(paid["confirmations"], 0, "{paid}");
    for (index, client) in clients.iter().enumerate() {
        eventually(&format!("{txid} is in the mempool of node {index}"), || {
            client.mempool().contains(&txid).then_some(())
        });
    }

    let height = clients[0].height();
    pause(&network, false);
    for client in &clients {
        eventually("the payment is mined on every node", || (!client.mempool().contains(&txid)).then_some(()));
        client.wait_for_height(height + 1);
        let coin = (0..2).find_map(|index| {
            let coin = client.call("gettxout", json!([txid, index]));
            (coin["value"].as_f64() == Some(12.5)).then_some(coin)
        });
        let coin = coin.expect("one of the payment's outputs is a coin of 12.5");
        assert!(coin["confirmations"].as_u64() >= Some(1), "{coin}");
    }
    let after = confirmed(&balance(&network, "bob"));
    assert!((after - before - 12.5).abs() < 1e-9, "bob had {before} and has {after}");
}

#[test]
fn pay_waits_for_confirmations() {
    let network = Network::up(&["--nodes", "2"]);
    let paid = pay(&network, &["alice", "shop", "3", "--wait", "2"]).json();
    assert!(paid["confirmations"].as_u64() >= Some(2), "{paid}");
    assert!(paid["fee"].as_f64() > Some(0.0), "{paid}");
    assert!(paid["seconds"].as_f64() > Some(0.0), "{paid}");
}

#[test]
fn payments_that_cannot_be_made_are_one_clear_line() {
    let network = Network::up(&["--nodes", "2"]);
    pay(&network, &["alice", "bob", "1000000"]).refuses(1, &["not enough", "1000000"]);
    pay(&network, &["nobody", "bob", "1"]).refuses(2, &["nobody", "alice"]);
    pay(&network, &["alice", "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2", "1"]).refuses(2, &["address version", "local"]);
    pay(&network, &["alice", "bob", "-1"]).refuses(2, &["-1"]);
    pay(&network, &["alice", "bob", "0.000000001"]).refuses(2, &["0.000000001"]);
}
