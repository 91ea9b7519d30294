//! Power cuts: a node is killed with SIGKILL at a random moment and started again. What it had acknowledged is there, and
//! its coins are those that a rebuild from the blocks gives.
//!
//! `TESTOON_CRASH_ROUNDS` (default 40, so 200 kills in all) kills happen in each test, `TESTOON_CRASH_SEED` (default 1) draws the moments.

use chain_spec::Encode as _;
use kit::fixture::{ChainBuilder, regtest};
use kit::{Node, NodeOptions};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

const ADDRESS: &str = "mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn";

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Moments after which the node is killed, milliseconds.
fn moments(salt: u64, longest_ms: u64) -> impl Iterator<Item = Duration> {
    let mut state = number("TESTOON_CRASH_SEED", 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ salt;
    let rounds = number("TESTOON_CRASH_ROUNDS", 40) as usize;
    println!("seed {}, {rounds} rounds", number("TESTOON_CRASH_SEED", 1));
    std::iter::repeat_with(move || {
        // xorshift64*
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        Duration::from_millis(state.wrapping_mul(0x2545_f491_4f6c_dd1d) % longest_ms)
    })
    .take(rounds)
}

/// The coins of a directory equal those of a rebuild of a copy of it.
fn coins_equal_a_rebuild(node: &Node) {
    let found = node.client.coins_hash();
    let copy = tempfile::tempdir().expect("a temporary directory");
    copy_directory(&node.options.datadir, copy.path());
    let rebuilt = Node::start(NodeOptions::new(&node.options.chain, copy.path()).with("--reindex"));
    rebuilt.client.wait_for_height(node.client.height());
    assert_eq!(rebuilt.client.coins_hash(), found, "a rebuild has other coins");
}

fn copy_directory(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a directory can be made");
    for entry in std::fs::read_dir(from).expect("a directory can be read") {
        let entry = entry.expect("an entry can be read");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("it has a type").is_dir() {
            copy_directory(&entry.path(), &target);
        } else if entry.file_name() != ".lock" {
            // A node may remove a temporary file meanwhile.
            let _ = std::fs::copy(entry.path(), target);
        }
    }
}

#[test]
fn blocks_acknowledged_while_mining_survive() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut options = NodeOptions::new("bitcoin-regtest", directory.path());
    let acknowledged: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let mut seen = 0;
    for moment in moments(1, 400) {
        let node = Node::start(options);
        let client = node.client.clone();
        options = std::thread::scope(|scope| {
            let miner = scope.spawn(|| {
                while let Ok(hashes) = client.try_call("generatetoaddress", json!([2, ADDRESS])) {
                    let hashes: Vec<String> = serde_json::from_value(hashes).expect("hashes");
                    acknowledged.lock().expect("no other panic").extend(hashes);
                }
            });
            std::thread::park_timeout(moment);
            let options = node.kill();
            miner.join().expect("the miner does not panic");
            options
        });
        let node = Node::start(options);
        let known = acknowledged.lock().expect("no other panic").clone();
        // Each block is on those before it, so the last one seen speaks for them.
        for hash in &known[seen..] {
            let header = node.client.call("getblockheader", json!([hash]));
            assert!(header["confirmations"].as_i64() >= Some(1), "an acknowledged block is lost: {header}");
        }
        seen = known.len().saturating_sub(1);
        coins_equal_a_rebuild(&node);
        options = node.kill();
    }
    assert!(!acknowledged.lock().expect("no other panic").is_empty(), "nothing was mined between the kills");
}

#[test]
fn transactions_and_blocks_acknowledged_survive() {
    let mut builder = ChainBuilder::new(regtest(), 9);
    builder.mine_empty(110);
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut options = NodeOptions::new("bitcoin-regtest", directory.path());
    let mut submitted = 1;
    let mut sent: Vec<String> = Vec::new();
    for moment in moments(2, 300) {
        let node = Node::start(options);
        let client = node.client.clone();
        let kill = std::thread::spawn(move || {
            std::thread::park_timeout(moment + Duration::from_millis(50));
            node.kill()
        });
        'alive: loop {
            while submitted < builder.blocks.len() {
                let block = hex::encode(builder.blocks[submitted].to_bytes());
                match client.try_call("submitblock", json!([block])) {
                    Ok(answer) => assert!(answer.is_null() || answer == "duplicate", "{answer}"),
                    Err(_) => break 'alive,
                }
                submitted += 1;
            }
            let payments = builder.payments(2);
            for payment in &payments {
                match client.try_call("sendrawtransaction", json!([hex::encode(payment.to_bytes())])) {
                    Ok(txid) => sent.push(txid.as_str().expect("a txid").to_owned()),
                    // Not acknowledged; it goes into the next block all the same.
                    Err(error) if error.code == 0 => {}
                    Err(error) => panic!("{error:?}"),
                }
            }
            builder.mine(payments);
        }
        options = kill.join().expect("the kill does not panic");
        let node = Node::start(options);
        // The last block may have been taken without the answer having reached us.
        let taken = node.client.height() as usize + 1;
        assert!(taken >= submitted, "acknowledged blocks are lost");
        let mined = builder.blocks[..taken].iter().flat_map(|block| &block.transactions);
        let mut known: HashSet<String> = mined.map(|transaction| transaction.txid().to_string()).collect();
        known.extend(node.client.mempool());
        for txid in &sent {
            assert!(known.contains(txid), "an acknowledged transaction is lost: {txid}");
        }
        coins_equal_a_rebuild(&node);
        options = node.kill();
    }
}

#[test]
fn a_node_killed_during_sync_goes_on() {
    let mut builder = ChainBuilder::new(regtest(), 5);
    builder.mine_payments(200, 1_500);
    let place = tempfile::tempdir().expect("a temporary directory");
    let source = Node::start(NodeOptions::new("bitcoin-regtest", &place.path().join("source")));
    submit(&source, &builder, 1);
    let mut options = NodeOptions::new("bitcoin-regtest", &place.path().join("node")).connected_to(&source);
    let mut reached = 0;
    for moment in moments(3, 250) {
        let node = Node::start(options);
        assert!(node.client.height() >= reached, "blocks it had reported are lost");
        std::thread::park_timeout(moment);
        reached = node.client.height();
        options = node.kill();
    }
    let node = Node::start(options);
    node.client.wait_for_height(200);
    assert_eq!(node.client.coins_hash(), source.client.coins_hash());
    coins_equal_a_rebuild(&node);
}

#[test]
fn a_node_killed_during_a_reorganisation_is_on_one_branch_or_the_other() {
    let mut common = ChainBuilder::new(regtest(), 6);
    common.mine_payments(120, 200);
    let place = tempfile::tempdir().expect("a temporary directory");
    let (mut short, mut long) = (common.fork(120, 7), common.fork(120, 8));
    short.mine_empty(150);
    long.mine_empty(151);
    let source = Node::start(NodeOptions::new("bitcoin-regtest", &place.path().join("source")));
    submit(&source, &long, 1);
    for (round, moment) in moments(4, 120).enumerate() {
        let datadir = place.path().join(format!("node{round}"));
        let node = Node::start(NodeOptions::new("bitcoin-regtest", &datadir));
        submit(&node, &short, 1);
        node.client.call("addnode", json!([source.p2p(), "add"]));
        std::thread::park_timeout(moment);
        let options = node.kill();
        let node = Node::start(options);
        let tip = node.client.tip();
        // Between the two only whole branches are tips: the short one's, or one of the long one's that has more work.
        let is_short = tip == short.tip().to_string();
        assert!(is_short || tip == long.tip().to_string(), "stopped half-way, at height {}", node.client.height());
        coins_equal_a_rebuild(&node);
        node.client.call("addnode", json!([source.p2p(), "add"]));
        node.client.wait_for_height(271);
        assert_eq!(node.client.coins_hash(), source.client.coins_hash());
    }
}

/// Coins are written out in one commit of many changes when a node stops: here it is killed at any moment of that.
#[test]
fn a_node_killed_while_it_writes_its_coins_stands_where_it_did() {
    let mut builder = ChainBuilder::new(regtest(), 10);
    builder.mine_payments(150, 2_500);
    let place = tempfile::tempdir().expect("a temporary directory");
    let node = Node::start(NodeOptions::new("bitcoin-regtest", &place.path().join("unwritten")));
    submit(&node, &builder, 1);
    let expected = (node.client.tip(), node.client.coins_hash());
    let unwritten = node.kill().datadir;
    // Writing them takes some 10 ms, so the moments are drawn in microseconds.
    for (round, moment) in moments(5, 15_000).map(|moment| moment / 1_000).enumerate() {
        let datadir = place.path().join(format!("node{round}"));
        copy_directory(&unwritten, &datadir);
        let node = Node::start(NodeOptions::new("bitcoin-regtest", &datadir));
        node.client.call("stop", json!([]));
        std::thread::park_timeout(moment);
        let node = Node::start(node.kill());
        assert_eq!((node.client.tip(), node.client.coins_hash()), expected, "round {round}");
        // What the kill left must also do as ground for the next commit.
        let node = Node::start(node.stop());
        assert_eq!((node.client.tip(), node.client.coins_hash()), expected, "round {round}, written again");
        drop(node);
        std::fs::remove_dir_all(&datadir).expect("nobody uses it");
    }
}

/// Submits a builder's blocks from a height on; each must be taken.
pub fn submit(node: &Node, builder: &ChainBuilder, from: usize) {
    for block in &builder.blocks[from..] {
        let answer: Value = node.client.call("submitblock", json!([hex::encode(block.to_bytes())]));
        assert!(answer.is_null() || answer == "inconclusive" || answer == "duplicate", "{answer}");
    }
}
