//! What the pool owes survives restarts and kills, and follows the chain.

use super::client::{ALICE, BOB, Client, OPERATOR, hard_chain};
use kit::{Node, NodeOptions, eventually};
use serde_json::{Value, json};

fn options(directory: &std::path::Path, arguments: &[&str]) -> NodeOptions {
    let chain = hard_chain(directory, "1f00ffff");
    NodeOptions::new(&chain, &directory.join("data"))
        .with_all(&["--stratum", "127.0.0.1:0", "--pool-address", OPERATOR, "--stratum-difficulty", "2.33e-7"])
        .with_all(arguments)
}

fn mine_shares(node: &Node, user: &str, count: u64) {
    let (mut client, mut job) = Client::mining(node, user);
    for number in 0..count {
        let share = client.find_share(&job, number);
        assert_eq!(client.submit(user, &job, &share), Ok(json!(true)));
        while client.notices.iter().any(|notice| notice["method"] == "mining.notify") {
            job = client.job_at(job.difficulty);
        }
    }
}

fn worker(node: &Node, name: &str) -> Value {
    let info = node.call("getpoolinfo", json!([]));
    let workers = info["workers"].as_array().expect("a list");
    workers.iter().find(|worker| worker["worker"] == name).cloned().unwrap_or_default()
}

fn balance(node: &Node, address: &str) -> f64 {
    let info = node.call("getpoolinfo", json!([]));
    let users = info["users"].as_array().expect("a list");
    let user = users.iter().find(|user| user["address"] == address);
    user.map_or(0.0, |user| user["balance"].as_f64().expect("an amount"))
}

#[test]
fn shares_older_than_a_second_survive_a_kill() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let node = Node::start(options(directory.path(), &[]));
    mine_shares(&node, ALICE, 10);
    let ledger = directory.path().join("data/pool.log");
    let bytes = || std::fs::metadata(&ledger).map_or(0, |metadata| metadata.len());
    // Whatever is counted is written within the second: the file says so by itself.
    eventually("the shares are on disk", || {
        let text = std::fs::read_to_string(&ledger).ok()?;
        let accepted: u64 = text
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line.get(9..)?).ok())
            .filter_map(|entry| entry["second"]["workers"][0]["counts"]["accepted"].as_u64())
            .sum();
        (accepted == 10).then_some(())
    });
    let work = worker(&node, ALICE)["shares"]["hashes"].clone();
    let node = Node::start(node.kill());
    let shares = worker(&node, ALICE)["shares"].clone();
    assert_eq!((&shares["accepted"], &shares["hashes"]), (&json!(10), &work));
    assert_eq!(node.call("getpoolinfo", json!([]))["users"][0]["address"], json!(ALICE));

    // A clean stop writes what is not on disk yet, and a torn last line is cut off.
    mine_shares(&node, BOB, 1);
    let options = node.stop();
    let whole = bytes();
    let torn = std::fs::OpenOptions::new().append(true).open(&ledger).expect("the ledger");
    std::io::Write::write_all(&mut &torn, b"12345678 {\"second").expect("written");
    let node = Node::start(options);
    assert_eq!(worker(&node, BOB)["shares"]["accepted"], 1);
    assert_eq!(bytes(), whole);

    let options = node.stop();
    let mut damaged = std::fs::read(&ledger).expect("the ledger");
    damaged[20] ^= 1;
    std::fs::write(&ledger, damaged).expect("written");
    options.fail().refuses(1, &["pool.log", "line 1"]);
}

#[test]
fn what_a_coinbase_cannot_pay_is_carried_over_and_a_reorganisation_takes_it_back() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let options = options(directory.path(), &["--pool-outputs", "2", "--pool-payout", "proportional"]);
    let node = Node::start(options);
    mine_shares(&node, ALICE, 6);
    mine_shares(&node, BOB, 2);
    node.call("generatetoaddress", json!([1, OPERATOR]));
    let (mut miner, job) = Client::mining(&node, ALICE);
    let block = miner.find_block(&job, 9);
    assert_eq!(miner.submit(ALICE, &job, &block), Ok(json!(true)));
    node.wait_for_height(2);
    let hash = node.tip();
    let owed = eventually("the block counts", || Some(balance(&node, BOB)).filter(|owed| *owed > 0.0));
    assert!((owed - 12.5).abs() < 1e-7, "a quarter of 50, not {owed}");
    assert_eq!(balance(&node, OPERATOR), -owed, "the operator holds it");

    // Killed, it still knows.
    let node = Node::start(node.kill());
    eventually("the balance is back", || (balance(&node, BOB) == owed).then_some(()));

    node.call("invalidateblock", json!([hash]));
    eventually("nothing is owed for a block that is gone", || (balance(&node, BOB) == 0.0).then_some(()));
    assert_eq!(node.call("getpoolinfo", json!([]))["blocks"][0]["in_chain"], false);
    node.call("reconsiderblock", json!([hash]));
    eventually("it counts again", || (balance(&node, BOB) == owed).then_some(()));
}
