//! The wallet inside a network of the launcher: real nodes, the accounts by name.

use crate::network::pause;
use kit::{Finished, Network, eventually};
use serde_json::Value;

fn wallet(network: &Network, account: &str, arguments: &[&str]) -> Finished {
    let mut all = vec!["wallet", "--json", "--wallet", account];
    all.extend_from_slice(arguments);
    network.run(&all)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

/// What the white paper begins with, on real nodes: 4.4 and 5.6 pay 10, and one of 10 pays 3 and gets 7 back.
#[test]
fn accounts_open_by_name_pay_and_are_grouped_by_what_the_chain_tells() {
    let network = Network::up(&[]);
    network.clients()[0].wait_for_height(1);
    let balance = wallet(&network, "alice", &["balance"]).json();
    assert_eq!(balance["confirmed"].as_f64(), Some(395.0), "no path, no address, no cookie was named");
    assert_eq!(wallet(&network, "alice", &["balance", "--node", "nobody"]).code, 2);

    let coins = wallet(&network, "alice", &["coins"]).json();
    let find = |amount: f64| {
        let list = coins["coins"].as_array().expect("a list");
        let coin = list.iter().find(|coin| coin["amount"].as_f64() == Some(amount)).expect("a demo coin");
        format!("{}:{}", text(&coin["txid"]), coin["vout"])
    };
    let shop = wallet(&network, "shop", &["new-address"]).json();
    let (small, large, ten) = (find(4.4), find(5.6), find(10.0));
    let shop = text(&shop["address"]);
    let both = ["send", shop, "10", "--coin", &small, "--coin", &large, "--subtract-fee"];
    let together = wallet(&network, "alice", &both).json();
    assert_eq!(together["inputs"].as_array().map(Vec::len), Some(2));
    assert!(together["change"].is_null());
    let parted = wallet(&network, "alice", &["send", shop, "3", "--coin", &ten, "--wait", "1"]).json();
    let change = parted["change"].as_f64().expect("change");
    let fee = parted["fee"].as_f64().expect("a fee");
    assert!((change - (7.0 - fee)).abs() < 5e-9, "{parted}");

    // A low fee is raised while the network does not mine, and the replacement is what gets mined.
    pause(&network, true);
    let slow = wallet(&network, "bob", &["send", shop, "1"]).json();
    let bumped = wallet(&network, "bob", &["bump", text(&slow["txid"]), "--fee-rate", "20"]).json();
    pause(&network, false);
    eventually("the replacement is mined", || {
        let history = wallet(&network, "bob", &["history"]).json();
        let lines = history["transactions"].as_array()?;
        let line = lines.iter().find(|line| line["txid"] == bumped["txid"])?;
        (line["confirmations"].as_u64()? > 0).then_some(())
    });

    let clusters = wallet(&network, "alice", &["clusters", "--owners"]).json();
    let (precision, recall) = (clusters["precision"].as_f64(), clusters["recall"].as_f64());
    assert_eq!(precision, Some(1.0), "nobody paid together with somebody else");
    assert!(recall.is_some_and(|recall| recall > 0.0 && recall <= 1.0), "{recall:?}");
    let trace = wallet(&network, "shop", &["trace", text(&together["txid"])]).json();
    assert_eq!(trace["shares"].as_array().map(Vec::len), Some(1), "it all comes from the genesis block");
}
