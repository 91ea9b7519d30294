use super::*;
use chain_spec::{Amount, CompactTarget, MerkleRoot, Outpoint, Script, TxIn, TxOut};
use proptest::collection::vec;
use proptest::prelude::*;

/// Cases per property; more with `TESTOON_TEST_ROUNDS`. A failure prints the smallest input that shows it.
fn cases() -> ProptestConfig {
    let cases = std::env::var("TESTOON_TEST_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(128);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}
fn hash() -> impl Strategy<Value = [u8; 32]> {
    any::<[u8; 32]>()
}
fn header() -> impl Strategy<Value = Header> {
    any::<([u8; 32], [u8; 32], i32, u32, u32, u32)>().prop_map(|(previous, root, version, time, bits, nonce)| Header {
        version,
        previous: BlockHash::from_bytes(previous),
        merkle_root: MerkleRoot::from_bytes(root),
        time,
        bits: CompactTarget::from_bits(bits),
        nonce,
    })
}
fn script() -> impl Strategy<Value = Script> {
    vec(any::<u8>(), 0..40).prop_map(Script::from_bytes)
}
fn transaction() -> impl Strategy<Value = Arc<Transaction>> {
    let input = (hash(), any::<u32>(), script(), any::<u32>()).prop_map(|(txid, index, script, sequence)| TxIn {
        outpoint: Outpoint { txid: Txid::from_bytes(txid), index },
        script,
        sequence,
    });
    let output =
        (0..=21_000_000_u64, script()).prop_map(|(units, script)| TxOut { value: Amount::from_units(units), script });
    (any::<i32>(), vec(input, 1..4), vec(output, 1..4), any::<u32>())
        .prop_map(|(version, inputs, outputs, lock_time)| Arc::new(Transaction { version, inputs, outputs, lock_time }))
}
fn block() -> impl Strategy<Value = Arc<Block>> {
    (header(), vec(transaction(), 1..4)).prop_map(|(header, transactions)| {
        Arc::new(Block { header, transactions: transactions.iter().map(|one| Transaction::clone(one)).collect() })
    })
}
fn request() -> impl Strategy<Value = Request> {
    let hashes = |max| vec(hash().prop_map(BlockHash::from_bytes), 0..=max);
    prop_oneof![
        (hashes(LOCATOR_HASHES_MAX), hash())
            .prop_map(|(locator, stop)| Request::Headers { locator, stop: BlockHash::from_bytes(stop) }),
        hashes(BLOCKS_PER_REQUEST_MAX).prop_map(|hashes| Request::Blocks { hashes }),
        (hash(), vec(any::<u32>(), 0..50))
            .prop_map(|(block, indexes)| Request::BlockTransactions { block: BlockHash::from_bytes(block), indexes }),
        Just(Request::Mempool),
        vec(hash().prop_map(Txid::from_bytes), 0..50).prop_map(|txids| Request::Transactions { txids }),
    ]
}
fn response() -> impl Strategy<Value = Response> {
    prop_oneof![
        vec(header(), 0..20).prop_map(Response::Headers),
        vec(block(), 0..4).prop_map(Response::Blocks),
        vec(transaction(), 0..10).prop_map(Response::BlockTransactions),
        vec(hash().prop_map(Txid::from_bytes), 0..50).prop_map(Response::Mempool),
        vec(transaction(), 0..10).prop_map(Response::Transactions),
    ]
}
fn compact_block() -> impl Strategy<Value = CompactBlock> {
    (header(), any::<u64>(), vec(0..1_u64 << 48, 0..50), vec((any::<u32>(), transaction()), 0..3))
        .prop_map(|(header, nonce, short_ids, prefilled)| CompactBlock { header, nonce, short_ids, prefilled })
}
const LIMITS: Limits = Limits { block_bytes_max: 1_000_000 };

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn requests_are_read_as_they_were_written(request in request()) {
        let (kind, body) = (request_kind(&request), encode_request(&request)?);
        prop_assert!(body.len() <= LIMITS.request_bytes_max(kind).expect("known"));
        prop_assert_eq!(decode_request(kind, &body)?, request);
    }
    #[test]
    fn answers_are_read_as_they_were_written(response in response()) {
        let (kind, body) = (response_kind(&response), encode_response(&response)?);
        prop_assert!(body.len() <= LIMITS.response_bytes_max(kind).expect("known"));
        prop_assert_eq!(decode_response(kind, &body)?, response);
    }
    #[test]
    fn compact_blocks_are_read_as_they_were_written(block in compact_block()) {
        prop_assert_eq!(decode_compact_block(&encode_compact_block(&block)?)?, block);
    }
    #[test]
    fn a_message_has_one_encoding(response in response(), extra in any::<u8>()) {
        let kind = response_kind(&response);
        let mut body = encode_response(&response)?;
        body.push(extra);
        prop_assert!(decode_response(kind, &body).is_err());
        body.truncate(body.len() - 2);
        prop_assert!(decode_response(kind, &body).is_err());
    }
    #[test]
    fn any_bytes_are_read_or_refused_and_what_is_read_writes_the_same_bytes(kind in 0..8_u8, bytes in vec(any::<u8>(), 0..600)) {
        if let Ok(request) = decode_request(kind, &bytes) {
            prop_assert_eq!(encode_request(&request)?, bytes.clone());
        }
        if let Ok(response) = decode_response(kind, &bytes) {
            prop_assert_eq!(encode_response(&response)?, bytes.clone());
        }
        if let Ok(block) = decode_compact_block(&bytes) {
            prop_assert_eq!(encode_compact_block(&block)?, bytes.clone());
        }
        if let Ok(transaction) = decode_transaction(&bytes) {
            prop_assert_eq!(transaction.to_bytes(), bytes);
        }
    }
    #[test]
    fn a_changed_byte_is_read_or_refused(response in response(), at in any::<prop::sample::Index>(), to in any::<u8>()) {
        let mut body = encode_response(&response)?;
        let at = at.index(body.len());
        body[at] = to;
        if let Ok(read) = decode_response(response_kind(&response), &body) {
            prop_assert_eq!(encode_response(&read)?, body);
        }
    }
}

#[test]
fn a_length_that_nothing_follows_is_refused_without_reserving_it() {
    for length in [POSITIONS_MAX as u64, POSITIONS_MAX as u64 + 1, 1 << 40, u64::MAX] {
        let bytes = length.to_le_bytes();
        for kind in [kind::HEADERS, kind::BLOCKS, kind::BLOCK_TRANSACTIONS, kind::MEMPOOL, kind::TRANSACTIONS] {
            assert!(decode_response(kind, &bytes).is_err(), "kind {kind}, length {length}");
            assert!(decode_request(kind, &bytes).is_err(), "kind {kind}, length {length}");
        }
        // An inner length: one block of that many bytes.
        let inner = [1_u64.to_le_bytes(), bytes].concat();
        assert!(decode_response(kind::BLOCKS, &inner).is_err());
    }
}

#[test]
fn an_answer_is_cut_where_one_message_ends() {
    let big = Arc::new(Transaction {
        version: 1,
        inputs: vec![],
        outputs: vec![TxOut { value: Amount::ZERO, script: Script::from_bytes(vec![0; 1 << 20]) }],
        lock_time: 0,
    });
    let answer = Response::Transactions(vec![big; 10]);
    let body = encode_response(&answer).expect("encoded");
    assert!(body.len() <= LIMITS.response_bytes_max(kind::TRANSACTIONS).expect("known"));
    let count = u64::from_le_bytes(body[..LENGTH_BYTES].try_into().expect("8 bytes"));
    assert_eq!(count, 7, "7 of 10 transactions of a little over 1 MiB fit in 8 MiB");
    let many = Response::Mempool(vec![Txid::ZERO; TRANSACTIONS_PER_MESSAGE_MAX + 5]);
    let Response::Mempool(read) =
        decode_response(kind::MEMPOOL, &encode_response(&many).expect("encoded")).expect("read")
    else {
        panic!("a mempool")
    };
    assert_eq!(read.len(), TRANSACTIONS_PER_MESSAGE_MAX);
}
