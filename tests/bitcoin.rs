//! The two chains that are Bitcoin's: real blocks go in, and what comes out is Bitcoin's to the byte.

use chain_spec::Encode as _;
use chain_spec::rules::header::check_proof_of_work;
use kit::fixture::{ChainBuilder, regtest};
use kit::{Node, NodeOptions};
use serde_json::json;

/// Bitcoin's block 1, mined on 9 January 2009.
const BLOCK_1: &str = "010000006fe28c0ab6f1b372c1a6a246ae63f74f931e8365e15a089c68d6190000000000982051fd1e4ba744bbbe680e1fee1467\
                       7ba1a3c3540bf7b1cdb606e857233e0e61bc6649ffff001d01e3629901010000000100000000000000000000000000000000000000\
                       00000000000000000000000000ffffffff0704ffff001d0104ffffffff0100f2052a0100000043410496b538e853519c726a2c91e6\
                       1ec11600ae1390813a627c66fb8be7947be63c52da7589379515d4e0a604f8141781e62294721166bf621e73a82cbf2342c858eeac\
                       00000000";

#[test]
fn bitcoins_own_first_block_is_accepted() {
    let place = tempfile::tempdir().expect("a temporary directory");
    let node = Node::start(NodeOptions::new("bitcoin-main", place.path()));
    let genesis = node.client.call("getblockhash", json!([0]));
    assert_eq!(genesis, "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f");
    assert_eq!(node.client.call("submitblock", json!([BLOCK_1])), json!(null));
    assert_eq!(node.client.tip(), "00000000839a8e6886ab5951d76f411475428afc90947ee320161bbf18eb6048");
    let block = node.client.call("getblock", json!([node.client.tip(), 0]));
    assert_eq!(block, BLOCK_1);
    let coinbase = "0e3e2357e806b6cdb1f70b54c3a3a17b6714ee1f0e68bebb44a74b1efd512098";
    let coin = node.client.call("gettxout", json!([coinbase, 0]));
    assert_eq!((coin["value"].as_f64(), &coin["coinbase"]), (Some(50.0), &json!(true)), "{coin}");
    assert_eq!(coin["scriptPubKey"]["type"], "pubkey");
    assert_eq!(node.client.call("submitblock", json!([BLOCK_1])), "duplicate");
}

#[test]
fn a_block_with_a_changed_byte_is_refused_and_the_right_one_still_taken() {
    let place = tempfile::tempdir().expect("a temporary directory");
    let node = Node::start(NodeOptions::new("bitcoin-main", place.path()));
    // The coinbase's output script: the header and its proof of work stay as they are.
    let mutated = BLOCK_1.replace("4104 96b5".replace(' ', "").as_str(), "410496b6");
    assert_ne!(mutated, BLOCK_1);
    assert_eq!(node.client.call("submitblock", json!([mutated])), "bad-txnmrklroot");
    assert_eq!(node.client.call("submitblock", json!([BLOCK_1])), json!(null), "the hash was marked invalid");
}

/// What we mine on Bitcoin's regression-test chain, judged by rust-bitcoin.
#[test]
fn what_we_mine_on_regtest_is_a_bitcoin_block() {
    use bitcoin::consensus::encode::deserialize_hex;
    let place = tempfile::tempdir().expect("a temporary directory");
    let node = Node::start(NodeOptions::new("bitcoin-regtest", place.path()));
    let genesis = node.client.call("getblockhash", json!([0]));
    assert_eq!(genesis, "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206");
    let hashes = node.client.call("generatetoaddress", json!([150, "mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn"]));
    for (height, hash) in (1u64..).zip(hashes.as_array().expect("a list")) {
        let text = node.client.call("getblock", json!([hash, 0]));
        let block: bitcoin::Block = deserialize_hex(text.as_str().expect("text")).expect("a block by rust-bitcoin");
        assert_eq!(block.block_hash().to_string(), hash.as_str().expect("a hash"));
        assert!(block.check_merkle_root());
        // rust-bitcoin reads pushed heights only; up to 16 the height is an opcode, as Bitcoin Core writes it.
        if height > 16 {
            assert_eq!(block.bip34_block_height().expect("a height in the coinbase"), height);
        } else {
            assert_eq!(block.txdata[0].input[0].script_sig.as_bytes()[0], 0x50 + height as u8);
        }
        assert!(block.header.validate_pow(block.header.target()).is_ok());
        assert_eq!(block.header.bits.to_consensus(), 0x207f_ffff);
        // Halved at 150.
        let subsidy = if height < 150 { 50_0000_0000 } else { 25_0000_0000 };
        assert_eq!(block.txdata[0].output[0].value.to_sat(), subsidy);
    }
}

/// Core's answers to what a pre-SegWit chain does not take.
#[test]
fn old_versions_and_segwit_serialisation_are_refused_in_plain_words() {
    let place = tempfile::tempdir().expect("a temporary directory");
    let node = Node::start(NodeOptions::new("bitcoin-regtest", place.path()));
    let mut builder = ChainBuilder::new(regtest(), 3);
    builder.mine_empty(1);
    let mut old = (*builder.blocks[1]).clone();
    old.header.version = 3;
    while check_proof_of_work(&old.header, builder.spec()).is_err() {
        old.header.nonce += 1;
    }
    let answer = node.client.call("submitblock", json!([hex::encode(old.to_bytes())]));
    assert_eq!(answer, "bad-version(0x00000003)");
    let error = node.client.try_call("submitheader", json!([hex::encode(old.header.to_array())])).expect_err("refused");
    assert!(error.code == -25 && error.message.starts_with("bad-version(0x00000003)"), "{error:?}");

    let mut segwit: bitcoin::Block =
        bitcoin::consensus::deserialize(&builder.blocks[1].to_bytes()).expect("a block by rust-bitcoin");
    segwit.txdata[0].input[0].witness.push([0_u8; 32]);
    let text = bitcoin::consensus::encode::serialize_hex(&segwit);
    let error = node.client.try_call("submitblock", json!([text])).expect_err("refused");
    assert!(error.code == -22 && error.message.contains("SegWit"), "{error:?}");
    assert_eq!(node.client.height(), 0);
}
