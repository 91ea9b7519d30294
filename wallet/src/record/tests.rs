use super::*;
use chain_spec::{Amount, Outpoint, Script, TxIn, TxOut, Txid};
use proptest::prelude::*;

fn record() -> Record {
    let transaction = Transaction {
        version: 2,
        inputs: vec![TxIn {
            outpoint: Outpoint { txid: Txid::from_bytes([3; 32]), index: 1 },
            script: Script::default(),
            sequence: 0,
        }],
        outputs: vec![TxOut { value: Amount::COIN, script: Script::pay_to_public_key_hash(&[9; 20]) }],
        lock_time: 0,
    };
    Record {
        entropy: vec![7; 16],
        passphrase: "pass".into(),
        spec: "name = \"x\"".into(),
        next: [4, 2],
        gap_limit: 20,
        checkpoints: vec![(5, [1; 32]), (6, [2; 32])],
        entries: vec![EntryRecord {
            bytes: transaction.to_bytes(),
            position: Some((6, 0)),
            time_s: 1_700_000_000,
            sent: true,
            abandoned: false,
            in_mempool: false,
        }],
    }
}

#[test]
fn records_round_trip() {
    let bytes = record().to_bytes().unwrap();
    let back = Record::from_bytes(&bytes).unwrap();
    assert!(back == record());
    assert_eq!(back.checkpoints().count(), 2);
    assert_eq!(back.entries().unwrap()[0].position, Some(Position { height: 6, index: 0 }));
}

#[test]
fn a_length_of_an_exbibyte_is_an_error_not_an_allocation() {
    let mut bytes = record().to_bytes().unwrap();
    bytes[..8].copy_from_slice(&(1u64 << 60).to_le_bytes());
    assert!(Record::from_bytes(&bytes).is_err());
}

#[test]
fn bytes_too_few_or_too_many_are_errors() {
    let bytes = record().to_bytes().unwrap();
    for len in 0..bytes.len() {
        assert!(Record::from_bytes(&bytes[..len]).is_err(), "{len} bytes");
    }
    let mut longer = bytes.to_vec();
    longer.push(0);
    assert!(Record::from_bytes(&longer).is_err());
}

#[test]
fn a_broken_transaction_is_an_error() {
    let mut record = record();
    record.entries[0].bytes.pop();
    assert!(record.entries().is_err());
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(record) = Record::from_bytes(&bytes) {
            let _ = record.entries();
        }
    }
}
