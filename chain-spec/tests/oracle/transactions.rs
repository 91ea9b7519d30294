//! Transactions and CompactSize.
use super::{mutate, mutations, transaction};
use bitcoin::consensus::{Encodable, deserialize, serialize};
use chain_spec::encode::{decode_compact_size, encode_compact_size};
use chain_spec::{Decode, DecodeError, Encode, Transaction};
use proptest::prelude::*;

/// Both readings of one input must agree: the same transaction, or no transaction.
///
/// They differ where the formats do: rust-bitcoin takes an empty list of inputs for SegWit's marker, we for what it says.
fn compare(bytes: &[u8]) -> Result<(), TestCaseError> {
    let ours = Transaction::from_bytes(bytes);
    let theirs = deserialize::<bitcoin::Transaction>(bytes);
    if bytes.get(4) == Some(&0) {
        if bytes.get(5) == Some(&1) {
            prop_assert_eq!(ours, Err(DecodeError::SegWit));
        } else {
            prop_assert!(theirs.is_err());
            prop_assert!(ours.is_err() || ours.is_ok_and(|ours| ours.inputs.is_empty() && ours.to_bytes() == bytes));
        }
        return Ok(());
    }
    match (ours, theirs) {
        (Ok(ours), Ok(theirs)) => {
            prop_assert_eq!(ours.to_bytes(), bytes);
            prop_assert_eq!(ours.encoded_len(), bytes.len());
            prop_assert_eq!(&serialize(&theirs)[..], bytes);
            prop_assert_eq!(ours.txid().to_string(), theirs.compute_txid().to_string());
            prop_assert_eq!(ours.is_coinbase(), theirs.is_coinbase());
            prop_assert_eq!(ours.version, theirs.version.0);
        }
        (ours, theirs) => prop_assert_eq!(ours.is_err(), theirs.is_err(), "{:?} {:?}", ours, theirs),
    }
    Ok(())
}

proptest! {
    #[test]
    fn generated_transactions_round_trip(transaction in transaction(1)) {
        let bytes = transaction.to_bytes();
        compare(&bytes)?;
        prop_assert_eq!(Transaction::from_bytes(&bytes), Ok(transaction));
    }

    #[test]
    fn mutated_transactions_are_read_or_refused_alike(transaction in transaction(0), mutations in mutations()) {
        compare(&mutate(transaction.to_bytes(), &mutations))?;
    }

    #[test]
    fn any_bytes_are_read_or_refused_alike(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
        compare(&bytes)?;
    }

    #[test]
    fn every_cut_is_refused(transaction in transaction(1)) {
        let bytes = transaction.to_bytes();
        for length in 0..bytes.len() {
            prop_assert_eq!(Transaction::from_bytes(&bytes[..length]), Err(DecodeError::UnexpectedEnd));
        }
        let longer = mutate(bytes.clone(), &[]).into_iter().chain([0]).collect::<Vec<_>>();
        prop_assert_eq!(Transaction::from_bytes(&longer), Err(DecodeError::TrailingBytes(1)));
    }

    #[test]
    fn signature_operations_are_counted_alike(transaction in transaction(1)) {
        let theirs: bitcoin::Transaction = deserialize(&transaction.to_bytes()).unwrap();
        // Theirs counts for a whole transaction what a SegWit block weighs, so its scripts are counted one by one.
        let outputs: usize = theirs.output.iter().map(|output| output.script_pubkey.count_sigops_legacy()).sum();
        let inputs: usize = theirs.input.iter().map(|input| input.script_sig.count_sigops_legacy()).sum();
        prop_assert_eq!(transaction.signature_operations() as usize, inputs + outputs);
    }

    #[test]
    fn scripts_are_described_alike(transaction in transaction(1)) {
        let theirs: bitcoin::Transaction = deserialize(&transaction.to_bytes()).unwrap();
        for (ours, theirs) in transaction.outputs.iter().zip(&theirs.output) {
            prop_assert_eq!(ours.script.public_key_hash().is_some(), theirs.script_pubkey.is_p2pkh());
            prop_assert_eq!(ours.script.kind() == "scripthash", theirs.script_pubkey.is_p2sh());
        }
    }

    #[test]
    fn compact_sizes_agree(value in any::<u64>(), shift in 0_u32..64, mutations in mutations()) {
        let value = value >> shift;
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        encode_compact_size(value, &mut ours);
        bitcoin::VarInt(value).consensus_encode(&mut theirs).unwrap();
        prop_assert_eq!(&ours, &theirs);
        let bytes = mutate(ours, &mutations);
        let mut rest = bytes.as_slice();
        match (decode_compact_size(&mut rest), bitcoin::consensus::deserialize_partial::<bitcoin::VarInt>(&bytes)) {
            (Ok(ours), Ok((theirs, read))) => {
                prop_assert_eq!(ours, theirs.0);
                prop_assert_eq!(bytes.len() - rest.len(), read);
            }
            (ours, theirs) => prop_assert_eq!(ours.is_err(), theirs.is_err()),
        }
    }
}

/// CompactSizes of a number in more bytes than it needs, at each place where one can stand.
#[test]
fn non_canonical_lengths_are_refused_everywhere() {
    use chain_spec::{Amount, Outpoint, Script, TxIn, TxOut};
    let transaction = Transaction {
        version: 1,
        inputs: vec![TxIn { outpoint: Outpoint::NULL, script: Script::from_bytes([1, 2]), sequence: 0 }],
        outputs: vec![TxOut { value: Amount::COIN, script: Script::from_bytes([3]) }],
        lock_time: 0,
    };
    let bytes = transaction.to_bytes();
    // Number of inputs, length of the input's script, number of outputs, length of the output's script.
    for at in [4, 4 + 1 + 36, 4 + 1 + 36 + 3 + 4, 4 + 1 + 36 + 3 + 4 + 1 + 8] {
        let mut longer = bytes.clone();
        longer.splice(at..at + 1, [0xfd, bytes[at], 0]);
        assert_eq!(Transaction::from_bytes(&longer), Err(DecodeError::NonCanonicalCompactSize), "at {at}");
        assert!(deserialize::<bitcoin::Transaction>(&longer).is_err());
    }
}

/// A real SegWit transaction's first bytes, and what a transaction without inputs says.
#[test]
fn segwit_and_transactions_without_inputs_are_told_clearly() {
    let segwit = [1, 0, 0, 0, 0, 1, 1];
    let error = Transaction::from_bytes(&segwit).unwrap_err().to_string();
    assert_eq!(error, "a transaction without inputs, or SegWit serialisation, which is not part of this chain");
    let nothing = Transaction { version: 1, inputs: vec![], outputs: vec![], lock_time: 0 };
    assert_eq!(Transaction::from_bytes(&nothing.to_bytes()), Ok(nothing));
}

/// A count of 2²⁵ in ten bytes must be refused without reserving room for as many.
#[test]
fn a_huge_count_in_a_short_input_is_refused() {
    for count in [[0xfe, 0, 0, 0, 2], [0xfe, 0xff, 0xff, 0xff, 0xff]] {
        let bytes = [&[1, 0, 0, 0][..], &count, &[0; 10]].concat();
        assert!(Transaction::from_bytes(&bytes).is_err());
    }
}
