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
        source: Source::Words { entropy: vec![7; 16], passphrase: "pass".into() },
        spec: "name = \"x\"".into(),
        gap_limit: 20,
        accounts: vec![AccountRecord {
            name: "savings".into(),
            is_listed: true,
            next: [4, 2],
            hashes: [vec![[5; 20]], Vec::new()],
        }],
        imported: vec![ImportedKey { secret: [8; 32], is_compressed: false }],
        labels: vec![("aa".into(), "rent".into())],
        frozen: vec![([6; 32], 1)],
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
    let mut back = Record::from_bytes(&bytes).unwrap();
    assert!(back == record());
    assert_eq!(back.checkpoints().count(), 2);
    assert_eq!(back.take_entries().next().unwrap().unwrap().position, Some(Position { height: 6, index: 0 }));
}

#[test]
fn a_length_of_an_exbibyte_is_an_error_not_an_allocation() {
    let mut bytes = record().to_bytes().unwrap();
    // Behind the four bytes that say which source it is.
    bytes[4..12].copy_from_slice(&(1u64 << 60).to_le_bytes());
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
    assert!(record.take_entries().next().unwrap().is_err());
}

/// Bytes as a program of the first format wrote them.
#[test]
fn the_first_format_is_still_read() {
    let new = record();
    let Source::Words { entropy, passphrase } = new.source.clone() else { unreachable!("made from words above") };
    let old = format_1::Record {
        entropy,
        passphrase,
        spec: new.spec.clone(),
        next: [4, 2],
        gap_limit: 33,
        checkpoints: new.checkpoints.clone(),
        entries: new.entries.clone(),
    };
    let bytes = bincode::encode_to_vec(&old, config()).unwrap();
    assert!(Record::from_bytes(&bytes).is_err(), "the formats cannot be mistaken for each other");
    let upgraded = Record::from_format_1(&bytes).unwrap();
    assert!(upgraded.source == new.source && upgraded.entries == new.entries);
    assert_eq!((upgraded.accounts[0].next, upgraded.gap_limit), ([4, 2], 33));
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        for record in [Record::from_bytes(&bytes), Record::from_format_1(&bytes)] {
            let _ = record.map(|mut record| record.take_entries().count());
        }
    }
}
