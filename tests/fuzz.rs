//! Fuzz targets for everything that is read from outside: blocks and transactions, RPC arguments, REST paths, descriptors,
//! block filters, the network file, the wallet file. The messages between nodes have theirs beside the code (`node/src/shell/network/wire/fuzz.rs`), as they are private.
//!
//! Each runs for a second in `cargo test`. `BOLERO_RANDOM_TEST_TIME_MS` makes that longer, for example
//! `BOLERO_RANDOM_TEST_TIME_MS=600000 cargo test -p testoon-tests --test all fuzz::`; a failure prints the seed that repeats it.
//! `cargo bolero test` (from crates.io) runs the same targets guided by coverage.

use chain_spec::rules::block::check_block;
use chain_spec::rules::transaction::check_transaction;
use chain_spec::{Block, Decode, Encode, Transaction};
use kit::fixture::{ChainBuilder, regtest};
use node::shell::rpc::descriptor::Descriptor;
use node::shell::rpc::method::arguments::Arguments;
use node::shell::rpc::table::METHODS;
use node::shell::store::block_filter::matches_any;
use serde_json::Value;
use std::sync::Arc;
use testnet::plan::file::NetworkFile;
use wallet::Password;
use wallet::file::{Cost, WalletFile};

/// Changes to a valid input: most random bytes are refused by the first check already, a valid value with a few changes is not.
type Edits = Vec<(u16, u8)>;

/// `bytes` with each edit's byte put at its place, and cut or grown at the end as the last edit says.
fn edited(bytes: &[u8], edits: &Edits) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for (place, byte) in edits {
        let place = usize::from(*place) % (bytes.len() + 1);
        match bytes.get_mut(place) {
            Some(there) => *there = *byte,
            None if byte & 1 == 0 => bytes.push(*byte),
            None => bytes.truncate(bytes.len() / 2),
        }
    }
    bytes
}

/// What decodes has exactly one encoding, and that is the bytes it was decoded from.
fn is_canonical<T: Decode + Encode>(bytes: &[u8]) -> Option<T> {
    let value = T::from_bytes(bytes).ok()?;
    assert_eq!(value.to_bytes(), bytes);
    assert_eq!(value.encoded_len(), bytes.len());
    Some(value)
}

#[test]
fn blocks() {
    let mut builder = ChainBuilder::new(regtest(), 1);
    builder.mine_payments(105, 3);
    let valid = builder.blocks[builder.blocks.len() - 1].to_bytes();
    bolero::check!().with_type::<(bool, Vec<u8>, Edits)>().for_each(|(from_valid, bytes, edits)| {
        let bytes = if *from_valid { edited(&valid, edits) } else { bytes.clone() };
        if let Some(block) = is_canonical::<Block>(&bytes) {
            let _ = check_block(Arc::new(block), builder.spec());
        }
    });
}

#[test]
fn transactions() {
    let mut builder = ChainBuilder::new(regtest(), 1);
    builder.mine_empty(101);
    let valid = builder.split(3).expect("a mature coin").to_bytes();
    bolero::check!().with_type::<(bool, Vec<u8>, Edits)>().for_each(|(from_valid, bytes, edits)| {
        let bytes = if *from_valid { edited(&valid, edits) } else { bytes.clone() };
        if let Some(transaction) = is_canonical::<Transaction>(&bytes) {
            let _ = check_transaction(Arc::new(transaction));
        }
    });
}

#[test]
fn rpc_arguments() {
    let methods: Vec<_> = METHODS.0.iter().flat_map(|(_, methods)| methods.iter()).collect();
    let valid = br#"[["00", {"txid": "ff", "vout": 1}], 1.5, -1, true, null, "abc", {"verbosity": 2, "args": []}]"#;
    bolero::check!().with_type::<(u8, bool, Vec<u8>, Edits)>().for_each(|(method, from_valid, bytes, edits)| {
        let bytes = if *from_valid { edited(valid, edits) } else { bytes.clone() };
        let Ok(parameters) = serde_json::from_slice::<Value>(&bytes) else { return };
        let method = methods[usize::from(*method) % methods.len()];
        let Ok(arguments) = Arguments::new(method, Some(parameters)) else { return };
        for index in 0..method.arguments.len() + 1 {
            let _ = (arguments.text(index), arguments.integer(index), arguments.number(index), arguments.amount(index));
            let _ = (arguments.boolean_or(index, true), arguments.verbosity_or(index, 1), arguments.list(index));
            let _ = (arguments.object(index), arguments.hash::<chain_spec::Txid>(index));
            let _ = arguments.decoded::<Block>(index, "a block");
        }
    });
}

#[test]
fn network_file() {
    let valid = "chain = \"local\"\nhashrate = \"20 kH/s\"\n[[node]]\nname = \"a\"\nshare = 0.6\n\
                 [[node]]\nname = \"b\"\nshare = 0.4\nconnect = [\"a\"]\n[[link]]\nbetween = [\"a\", \"b\"]\ndelay = \"100ms\"\nloss = 0.1\n";
    bolero::check!().with_type::<(bool, Vec<u8>, Edits)>().for_each(|(from_valid, bytes, edits)| {
        let bytes = if *from_valid { edited(valid.as_bytes(), edits) } else { bytes.clone() };
        let Ok(text) = std::str::from_utf8(&bytes) else { return };
        match NetworkFile::parse(text) {
            Ok(file) => assert_eq!(file.plan.check(), Ok(()), "a plan that was read is sound"),
            Err(error) => assert!(!error.is_empty(), "an error says what is wrong"),
        }
    });
}

#[test]
fn wallet_file() {
    let payload = b"what only the wallet reads";
    let place = tempfile::tempdir().expect("a temporary directory");
    let path = place.path().join("wallet");
    WalletFile::create(&path, &Password::None, Cost::LEAST).expect("created").save(payload).expect("saved");
    let valid = std::fs::read(&path).expect("just written");
    bolero::check!().with_type::<(bool, Vec<u8>, Edits)>().for_each(|(from_valid, bytes, edits)| {
        let bytes = if *from_valid { sealed(edited(&valid, edits), &valid) } else { bytes.clone() };
        std::fs::write(&path, &bytes).expect("a temporary file");
        match WalletFile::open(&path, &Password::None, 0) {
            Ok((_, read)) => assert_eq!((bytes == valid, &read[..]), (true, &payload[..]), "every change is noticed"),
            Err(error) => assert!(bytes != valid, "{error}"),
        }
    });
}

/// The file's bytes with a checksum that fits, since a change is refused by the checksum otherwise, and with the cost of the
/// password's key as in `valid`: a larger one only takes longer.
fn sealed(mut bytes: Vec<u8>, valid: &[u8]) -> Vec<u8> {
    const COST: std::ops::Range<usize> = 12..24;
    const CHECKSUM_LEN: usize = 8;
    if let Some(cost) = bytes.get_mut(COST) {
        cost.copy_from_slice(&valid[COST]);
    }
    if let Some(body) = bytes.len().checked_sub(CHECKSUM_LEN) {
        let checksum = chain_spec::hash::sha256d(&bytes[..body]);
        bytes[body..].copy_from_slice(&checksum[..CHECKSUM_LEN]);
    }
    bytes
}

#[test]
fn descriptors() {
    let spec = regtest();
    let key = kit::fixture::key(1);
    let valid = [
        format!("addr({})", key.public_key().address(&spec)),
        format!("pkh({})", key.to_wif(&spec)),
        format!("combo({})", hex::encode(key.public_key().as_bytes())),
        "pkh([d34db33f/44h/0h/0h]tpubD6NzVbkrYhZ4WaWSyoBvQwbpLkojyoTZPRsgXELWz3Popb3qkjcJyJUGLnL4qHHoQvao8ESaAstxYSnhyswJ76uZPStJRJCTKvosUCJZL5B/1/*)".to_owned(),
        "raw(6a0568656c6c6f)#00000000".to_owned(),
    ];
    bolero::check!().with_type::<(u8, bool, Vec<u8>, Edits, u32)>().for_each(
        |(which, from_valid, bytes, edits, index)| {
            let start = valid[usize::from(*which) % valid.len()].as_bytes();
            let bytes = if *from_valid { edited(start, edits) } else { bytes.clone() };
            let Ok(text) = std::str::from_utf8(&bytes) else { return };
            let Ok(descriptor) = Descriptor::parse(text, &spec) else { return };
            let _ = descriptor.scripts(*index);
            // What is shown of it is read again as the same.
            let shown = descriptor.canonical();
            assert_eq!(Descriptor::parse(&shown, &spec).unwrap().canonical(), shown);
        },
    );
}

#[test]
fn block_filters() {
    bolero::check!().with_type::<([u8; 32], Vec<u8>, Vec<u8>)>().for_each(|(hash, filter, script)| {
        let _ = matches_any(&chain_spec::BlockHash::from_bytes(*hash), filter, std::iter::once(&script[..]));
    });
}

/// Whatever is asked for, it is answered with what Core's REST answers with, and the next question too.
#[test]
fn rest_paths() {
    let node = kit::Node::fresh("bitcoin-regtest", &["--rest", "--txindex", "--blockfilterindex"]);
    let hash = node.text("getbestblockhash", serde_json::json!([]));
    let valid = [
        format!("tx/{hash}.json"),
        format!("block/notxdetails/{hash}.hex"),
        format!("headers/{hash}.hex?count=5"),
        format!("blockfilter/basic/{hash}.json"),
        format!("blockfilterheaders/basic/2/{hash}.json"),
        format!("spenttxouts/{hash}.hex"),
        format!("getutxos/checkmempool/{hash}-0.json"),
        "mempool/contents.json?verbose=true".to_owned(),
        "blockhashbyheight/0.hex".to_owned(),
        "deploymentinfo.json".to_owned(),
    ];
    bolero::check!().with_type::<(u8, Edits)>().for_each(|(which, edits)| {
        let bytes = edited(valid[usize::from(*which) % valid.len()].as_bytes(), edits);
        // Other characters are no path, which is HTTP's affair.
        let path: String = bytes.iter().map(|byte| char::from(b'!' + byte % 94)).collect();
        let path = if bytes.is_ascii() { String::from_utf8_lossy(&bytes).into_owned() } else { path };
        let path = path.replace(|c: char| !c.is_ascii_graphic(), "~");
        let request = format!("GET /rest/{path} HTTP/1.1\r\nHost: localhost");
        let status = kit::http::Connection::open(node.address).send(&request, b"").status;
        assert!([200, 400, 404, 503].contains(&status), "{path}: {status}");
    });
    assert_eq!(node.number("getblockcount", serde_json::json!([])), 0);
}
