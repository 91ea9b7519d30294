//! Fuzz targets for the messages of peers: whatever the bytes are, reading gives an error or a value, never a panic, and what
//! was read is written as the same bytes. `tests/fuzz.rs` says how to run them for longer.
use super::*;

/// Bodies of each kind to begin with: most random bytes are refused at the first length already.
fn valid_bodies() -> Vec<(u8, Vec<u8>)> {
    let spec = chain_spec::ChainSpec::builtin("local").expect("a built-in chain");
    let block = Arc::new(spec.genesis.clone());
    let (hash, coinbase) = (block.hash(), Arc::new(block.transactions[0].clone()));
    let requests = [
        Request::Headers { locator: vec![hash; 3], stop: hash },
        Request::Blocks { hashes: vec![hash; 2] },
        Request::BlockTransactions { block: hash, indexes: vec![0, 1, 500] },
        Request::Mempool,
        Request::Transactions { txids: vec![coinbase.txid(); 2] },
    ];
    let responses = [
        Response::Headers(vec![block.header; 2]),
        Response::Blocks(vec![block]),
        Response::BlockTransactions(vec![Arc::clone(&coinbase)]),
        Response::Mempool(vec![coinbase.txid()]),
        Response::Transactions(vec![coinbase]),
    ];
    let requests = requests.iter().map(|one| (request_kind(one), encode_request(one).expect("a valid request")));
    let responses = responses.iter().map(|one| (response_kind(one), encode_response(one).expect("a valid response")));
    requests.chain(responses).collect()
}

/// Puts each byte at its place.
fn edit(bytes: &mut Vec<u8>, edits: &[(u16, u8)]) {
    for (place, byte) in edits {
        let place = usize::from(*place) % (bytes.len() + 1);
        match bytes.get_mut(place) {
            Some(there) => *there = *byte,
            None => bytes.push(*byte),
        }
    }
}

#[test]
fn requests_and_responses() {
    let valid = valid_bodies();
    bolero::check!().with_type::<(u8, Option<Vec<u8>>, Vec<(u16, u8)>)>().for_each(|(choice, random, edits)| {
        let (kind, mut body) = valid[usize::from(*choice) % valid.len()].clone();
        match random {
            Some(random) => body.clone_from(random),
            None => edit(&mut body, edits),
        }
        if let Ok(request) = decode_request(kind, &body) {
            assert_eq!(encode_request(&request).ok(), Some(body.clone()));
        }
        if let Ok(response) = decode_response(kind, &body) {
            assert_eq!(encode_response(&response).ok(), Some(body));
        }
    });
}

#[test]
fn gossip() {
    let spec = chain_spec::ChainSpec::builtin("local").expect("a built-in chain");
    let transaction = spec.genesis.transactions[0].clone();
    let prefilled = vec![(0, Arc::new(transaction.clone()))];
    let block = CompactBlock { header: spec.genesis.header, nonce: 7, short_ids: vec![1, 2], prefilled };
    let valid = [transaction.to_bytes(), encode_compact_block(&block).expect("a valid block")];
    bolero::check!().with_type::<(bool, Option<Vec<u8>>, Vec<(u16, u8)>)>().for_each(|(which, random, edits)| {
        let mut bytes = random.clone().unwrap_or_else(|| valid[usize::from(*which)].clone());
        edit(&mut bytes, edits);
        if let Ok(transaction) = decode_transaction(&bytes) {
            assert_eq!(transaction.to_bytes(), bytes);
        }
        if let Ok(block) = decode_compact_block(&bytes) {
            assert_eq!(encode_compact_block(&block).ok(), Some(bytes));
        }
    });
}
