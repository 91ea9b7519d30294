//! A rebuild from the block files (`--reindex`) that takes a while: the node answers meanwhile and says how far it is.

use chain_spec::Encode as _;
use kit::fixture::{ChainBuilder, regtest};
use kit::{Node, NodeOptions};
use serde_json::{Value, json};

/// Blocks of the chain, and the payments in them: one thread checks their signatures in seconds, in portions of about a second.
const BLOCKS: usize = 1_000;
const PAYMENTS: usize = 60_000;

#[test]
fn a_long_rebuild_answers_at_once_and_tells_how_far_it_is() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut builder = ChainBuilder::new(regtest(), 1);
    builder.mine_payments(BLOCKS, PAYMENTS);
    let node = Node::start(NodeOptions::new("bitcoin-regtest", directory.path()));
    for blocks in builder.blocks[1..].chunks(100) {
        let params = blocks.iter().map(|block| json!([hex::encode(block.to_bytes())])).collect();
        for answer in node.batch("submitblock", params) {
            assert_eq!(answer.map_err(|error| error.message), Ok(Value::Null));
        }
    }
    let coins = node.coins_hash();
    let height = node.height();
    node.stop();

    // On one thread, so that it is still busy when it first answers, however many processors there are.
    let options = NodeOptions::new("bitcoin-regtest", directory.path()).with("--reindex");
    let node = Node::start(options.with_variable("RAYON_NUM_THREADS", "1"));
    let mut seen: Vec<(u64, f64)> = Vec::new();
    loop {
        let info = node.call("getblockchaininfo", json!([]));
        assert_eq!(info["headers"], height, "the headers are known before the first answer");
        let progress = info["verificationprogress"].as_f64().expect("a number");
        seen.push((info["blocks"].as_u64().expect("a number"), progress));
        if info["blocks"] == height {
            break;
        }
        node.call("waitforblockheight", json!([seen[seen.len() - 1].0 + 1, 1_000]));
    }
    assert!(seen[0].0 < height && seen[0].1 < 1.0, "the first answer came when all was done: {seen:?}");
    assert!(seen.windows(2).all(|pair| pair[0].0 <= pair[1].0 && pair[0].1 <= pair[1].1), "{seen:?}");
    assert!((seen[seen.len() - 1].1 - 1.0).abs() < 1e-9, "{seen:?}");
    assert_eq!(node.coins_hash(), coins);
    let (_, log) = node.stop_with_log();
    let told = log.lines().any(|line| line.contains("catching up height=") && line.contains(&format!("of {height}")));
    assert!(told, "the log does not say how far it is: {log}");
}
