//! BIP158's published vectors (`bip-0158/testnet-19.json` of github.com/bitcoin/bips, the blocks from before SegWit).

use super::*;
use chain_spec::{Amount, Coin, Decode as _, TxOut};
use serde_json::Value;

const VECTORS: &str = include_str!("testnet-19.json");

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

/// 32 bytes that are printed the other way round.
fn header(value: &Value) -> [u8; 32] {
    let mut bytes = bytes(value);
    bytes.reverse();
    bytes.try_into().unwrap()
}

fn coin(script: Vec<u8>) -> Coin {
    let output = TxOut { value: Amount::ZERO, script: Script::from_bytes(script) };
    Coin { output, height: 0, is_coinbase: false }
}

#[test]
fn filters_and_headers_are_the_published_ones() {
    let vectors: Vec<Value> = serde_json::from_str(VECTORS).unwrap();
    assert_eq!(vectors.len(), 6);
    for vector in &vectors {
        let what = &vector["height"];
        let block = Block::from_bytes(&bytes(&vector["block"])).unwrap();
        let hash = block.header.hash();
        assert_eq!(json_hash(&hash), vector["hash"], "{what}");
        let spent: Vec<Coin> = vector["spent"].as_array().unwrap().iter().map(|script| coin(bytes(script))).collect();
        let undo = BlockUndo { spent: vec![spent] };
        let filter = filter_of(&hash, &block, &undo);
        assert_eq!(hex::encode(&filter), vector["filter"], "{what}");
        assert_eq!(header_of(&filter, &header(&vector["previous"])), header(&vector["header"]), "{what}");
        let all = scripts(&block, &undo);
        for script in &all {
            assert_eq!(matches_any(&hash, &filter, std::iter::once(*script)), Some(true), "{what}");
        }
        assert_eq!(matches_any(&hash, &filter, std::iter::once(&b"nobody's script"[..])), Some(false), "{what}");
        assert_eq!(matches_any(&hash, &filter, std::iter::empty()), Some(false), "{what}");
        for length in 0..filter.len() - 1 {
            assert_eq!(matches_any(&hash, &filter[..length], std::iter::empty()), None, "{what} cut to {length}");
        }
    }
}

fn json_hash(hash: &BlockHash) -> Value {
    Value::String(hash.to_string())
}

#[test]
fn a_block_that_pays_nobody_has_an_empty_filter() {
    let hash = BlockHash::from_bytes([7; 32]);
    let filter = encode(&hash, &BTreeSet::new());
    assert_eq!(filter, [0]);
    assert_eq!(matches_any(&hash, &filter, std::iter::once(&b"x"[..])), Some(false));
    let boasting = [0xff; 9];
    assert_eq!(matches_any(&hash, &boasting, std::iter::once(&b"x"[..])), None, "a count is only a claim");
}

#[test]
fn of_many_scripts_that_are_not_there_hardly_any_seems_to_be() {
    let hash = BlockHash::from_bytes([7; 32]);
    let script = |number: u32| number.to_le_bytes();
    let there: Vec<[u8; 4]> = (0..1_000).map(script).collect();
    let filter = encode(&hash, &there.iter().map(|script| &script[..]).collect());
    let seems = (1_000..101_000)
        .map(script)
        .filter(|script| matches_any(&hash, &filter, std::iter::once(&script[..])) == Some(true));
    // One in 784,931: of 100,000, more than five would come once in 10⁸ such filters.
    assert!(seems.count() <= 5);
}
