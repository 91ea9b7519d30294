use super::*;
use crate::fixture::{coinbase, outpoint, transaction};
use crate::script::Script;
use crate::transaction::TxIn;

const MAX_MONEY: u64 = Amount::MAX_MONEY.units();

fn error_of(transaction: Transaction) -> TransactionError {
    check_transaction(Arc::new(transaction)).expect_err("a rule is broken")
}

#[test]
fn a_sound_transaction_passes_with_its_id_and_size() {
    let transaction = Arc::new(transaction(&[outpoint(1, 0), outpoint(1, 1)], &[5, MAX_MONEY - 5]));
    let checked = check_transaction(Arc::clone(&transaction)).unwrap();
    assert_eq!((checked.txid(), checked.size()), (transaction.txid(), transaction.encoded_len()));
    assert!(Arc::ptr_eq(checked.transaction(), &transaction));
    assert!(check_transaction(Arc::new(coinbase(1, 50))).is_ok());
}

#[test]
fn no_inputs() {
    let error = error_of(transaction(&[], &[1]));
    assert_eq!((error.reason(), error), ("bad-txns-vin-empty", TransactionError::NoInputs));
}

#[test]
fn no_outputs() {
    let error = error_of(transaction(&[outpoint(1, 0)], &[]));
    assert_eq!((error.reason(), error), ("bad-txns-vout-empty", TransactionError::NoOutputs));
}

#[test]
fn oversize_by_one_byte() {
    let with_script = |length: usize| {
        let mut transaction = transaction(&[outpoint(1, 0)], &[1]);
        transaction.outputs[0].script = Script::from_bytes(vec![0; length]);
        transaction
    };
    let overhead = with_script(100_000).encoded_len() - 100_000;
    assert!(check_transaction(Arc::new(with_script(TRANSACTION_SIZE_MAX - overhead))).is_ok());
    let error = error_of(with_script(TRANSACTION_SIZE_MAX - overhead + 1));
    assert_eq!(error.reason(), "bad-txns-oversize");
    assert_eq!(error, TransactionError::Oversize { size: TRANSACTION_SIZE_MAX + 1 });
}

#[test]
fn negative_value() {
    let error = error_of(transaction(&[outpoint(1, 0)], &[1, 1 << 63]));
    assert_eq!((error.reason(), error), ("bad-txns-vout-negative", TransactionError::ValueNegative { output: 1 }));
}

#[test]
fn value_over_the_cap() {
    let error = error_of(transaction(&[outpoint(1, 0)], &[MAX_MONEY + 1]));
    assert_eq!(error.reason(), "bad-txns-vout-toolarge");
    assert_eq!(error.to_string(), "output 0 has value 21000000.00000001, over the cap of 21000000 coins");
}

/// Two outputs, each of which Bitcoin once let pass, whose sum wrapped around to next to nothing.
#[test]
fn cve_2010_5139_value_overflow() {
    let half = 9_223_372_036_854_277_039;
    let error = error_of(transaction(&[outpoint(1, 0)], &[half, half]));
    assert_eq!(error.reason(), "bad-txns-vout-toolarge");
    let error = error_of(transaction(&[outpoint(1, 0)], &[MAX_MONEY, 1]));
    assert_eq!(
        (error.reason(), error),
        ("bad-txns-txouttotal-toolarge", TransactionError::TotalTooLarge { output: 1 })
    );
}

/// One coin spent twice by one transaction, which Bitcoin Core 0.14 to 0.16 took for two.
#[test]
fn cve_2018_17144_duplicate_input() {
    let twice = [outpoint(1, 0), outpoint(2, 0), outpoint(1, 0)];
    let error = error_of(transaction(&twice, &[1]));
    assert_eq!(
        (error.reason(), error),
        ("bad-txns-inputs-duplicate", TransactionError::DuplicateInput(outpoint(1, 0)))
    );
    // With many inputs another way of looking is taken; it must find the same.
    let mut many: Vec<_> = (0..1000).map(|index| outpoint(1, index)).collect();
    assert!(check_transaction(Arc::new(transaction(&many, &[1]))).is_ok());
    many.push(outpoint(1, 17));
    assert_eq!(error_of(transaction(&many, &[1])), TransactionError::DuplicateInput(outpoint(1, 17)));
}

#[test]
fn coinbase_script_length() {
    let with_script = |length: usize| {
        let mut coinbase = coinbase(1, 50);
        coinbase.inputs[0].script = Script::from_bytes(vec![0x51; length]);
        coinbase
    };
    for length in [2, 100] {
        assert!(check_transaction(Arc::new(with_script(length))).is_ok());
    }
    for length in [0, 1, 101] {
        let error = error_of(with_script(length));
        assert_eq!((error.reason(), error), ("bad-cb-length", TransactionError::CoinbaseScriptLength { length }));
    }
}

#[test]
fn null_input_beside_another() {
    let error = error_of(transaction(&[outpoint(1, 0), Outpoint::NULL], &[1]));
    assert_eq!((error.reason(), error), ("bad-txns-prevout-null", TransactionError::NullInput { input: 1 }));
    // Only the two fields together are null.
    for outpoint in [Outpoint { index: 0, ..Outpoint::NULL }, outpoint(1, u32::MAX)] {
        let spend = transaction(&[outpoint], &[1]);
        assert!(!spend.is_coinbase());
        assert!(check_transaction(Arc::new(spend)).is_ok());
    }
}

/// Core looks for the broken rule in this order; the first one found is the answer.
#[test]
fn rules_run_in_core_s_order() {
    let nothing = Transaction { version: 1, inputs: vec![], outputs: vec![], lock_time: 0 };
    assert_eq!(error_of(nothing), TransactionError::NoInputs);
    let twice_and_too_much = transaction(&[outpoint(1, 0), outpoint(1, 0)], &[MAX_MONEY + 1]);
    assert_eq!(error_of(twice_and_too_much).reason(), "bad-txns-vout-toolarge");
    let mut two_nulls = transaction(&[Outpoint::NULL], &[1]);
    two_nulls.inputs.push(TxIn { outpoint: Outpoint::NULL, script: Script::default(), sequence: 0 });
    assert_eq!(error_of(two_nulls).reason(), "bad-txns-inputs-duplicate");
}

#[test]
fn the_cap_on_values_is_the_chain_s() {
    let litecoin = crate::spec::ChainSpec::builtin("litecoin-main").unwrap().money_max;
    let above_bitcoin_s = Arc::new(transaction(&[outpoint(1, 0)], &[MAX_MONEY + 1]));
    assert!(check_transaction(Arc::clone(&above_bitcoin_s)).is_err());
    assert!(check_transaction_within(above_bitcoin_s, litecoin).is_ok());
    for values in [&[litecoin.units() + 1][..], &[litecoin.units(), 1]] {
        let above = Arc::new(transaction(&[outpoint(1, 0)], values));
        assert!(check_transaction_within(above, litecoin).is_err(), "{values:?}");
    }
}
