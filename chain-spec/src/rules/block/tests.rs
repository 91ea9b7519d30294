use super::*;
use crate::encode::Encode;
use crate::fixture::{block, coinbase, local, outpoint, output, transaction};
use crate::script::Script;
use crate::transaction::Transaction;

fn error_of(block: Block) -> BlockError {
    check_block(Arc::new(block), &local()).expect_err("a rule is broken")
}

fn spends(count: u8) -> Vec<Transaction> {
    let spends = (1..=count).map(|number| transaction(&[outpoint(number, 0)], &[u64::from(number)]));
    std::iter::once(coinbase(5, 50)).chain(spends).collect()
}

#[test]
fn a_sound_block_passes_with_its_ids_and_size() {
    let block = Arc::new(block(spends(3)));
    let checked = check_block(Arc::clone(&block), &local()).unwrap();
    assert_eq!(checked.hash(), block.hash());
    assert_eq!(checked.size(), block.encoded_len());
    assert_eq!(checked.txids(), block.transactions.iter().map(Transaction::txid).collect::<Vec<_>>());
    assert_eq!(CheckedBlock::from_store(block), checked);
}

#[test]
fn wrong_merkle_root_is_a_mutation() {
    let mut block = block(spends(3));
    block.transactions.swap(1, 2);
    let error = error_of(block);
    assert_eq!(error.reason(), "bad-txnmrklroot");
    assert!(error.is_mutation());
}

/// Of six transactions the last two repeated, or of three the last one, give the root of the list without: a block
/// that must be refused while the header stays good.
#[test]
fn cve_2012_2459_duplicated_transactions_are_a_mutation() {
    for (count, repeated) in [(2, 1), (5, 2), (6, 1)] {
        let sound = block(spends(count));
        let mut mutated = sound.clone();
        let length = mutated.transactions.len();
        mutated.transactions.extend_from_within(length - repeated..);
        let txids: Vec<Txid> = mutated.transactions.iter().map(Transaction::txid).collect();
        assert_eq!(merkle_root(&txids), (sound.header.merkle_root, true), "{length} transactions");
        let error = error_of(mutated);
        assert_eq!((error.reason(), error.is_mutation()), ("bad-txns-duplicate", true));
        assert!(check_block(Arc::new(sound), &local()).is_ok());
    }
}

#[test]
fn no_transactions() {
    let error = error_of(block(vec![]));
    assert_eq!((error.reason(), error.is_mutation()), ("bad-blk-length", false));
}

#[test]
fn too_long_by_one_byte() {
    let with_script = |length: usize| {
        let mut coinbase = coinbase(5, 50);
        coinbase.outputs[0].script = Script::from_bytes(vec![0; length]);
        block(vec![coinbase])
    };
    let size_max = local().block_size_max;
    let overhead = with_script(100_000).encoded_len() - 100_000;
    assert_eq!(check_block(Arc::new(with_script(size_max - overhead)), &local()).unwrap().size(), size_max);
    let error = error_of(with_script(size_max - overhead + 1));
    assert_eq!(error.reason(), "bad-blk-length");
    assert_eq!(error, BlockError::Length { transactions: 1, size: size_max + 1, size_max });
}

#[test]
fn no_coinbase_at_the_front() {
    let mut transactions = spends(2);
    transactions.remove(0);
    let error = error_of(block(transactions));
    assert_eq!((error.reason(), error.is_mutation()), ("bad-cb-missing", false));
}

/// Two inner nodes of another block's tree, read as a transaction of 64 bytes, have that block's root: nothing is said about
/// its header (CVE-2017-12842; Core: `IsBlockMutated`).
#[test]
fn a_64_byte_transaction_without_coinbase_looks_mutated() {
    let mut short = transaction(&[outpoint(1, 0)], &[1]);
    short.outputs[0].script = Script::from_bytes(vec![0; 4]);
    assert_eq!(short.encoded_len(), INNER_NODE_LEN);
    let error = error_of(block(vec![short]));
    assert_eq!((error.reason(), error.is_mutation()), ("bad-cb-missing", true));
}

#[test]
fn second_coinbase() {
    let mut transactions = spends(2);
    transactions.push(coinbase(6, 50));
    let error = error_of(block(transactions));
    assert_eq!((error.reason(), error), ("bad-cb-multiple", BlockError::CoinbaseMultiple { index: 3 }));
}

#[test]
fn a_transaction_s_own_fault_names_it() {
    let mut transactions = spends(2);
    transactions[2].outputs.clear();
    let txid = transactions[2].txid();
    let error = error_of(block(transactions));
    assert_eq!(error.reason(), "bad-txns-vout-empty");
    assert_eq!(error.to_string(), format!("transaction 2 ({txid}): the transaction has no outputs"));
    assert!(!error.is_mutation());
}

/// Inputs', outputs' and the coinbase's scripts count; a multisig counts as twenty whatever its number of keys.
#[test]
fn too_many_signature_operations_by_one() {
    const CHECKSIG: u8 = 0xac;
    const CHECKMULTISIG: u8 = 0xae;
    let with = |extra: usize| {
        let mut transactions = spends(1);
        let mut in_coinbase = transactions[0].inputs[0].script.as_bytes().to_vec();
        in_coinbase.push(CHECKSIG);
        transactions[0].inputs[0].script = Script::from_bytes(in_coinbase);
        transactions[1].inputs[0].script = Script::from_bytes([CHECKSIG]);
        transactions[1].outputs = vec![output(1), output(1)];
        transactions[1].outputs[0].script = Script::from_bytes(vec![CHECKMULTISIG; 999]);
        transactions[1].outputs[1].script = Script::from_bytes(vec![CHECKSIG; extra]);
        block(transactions)
    };
    // 1 and 1 in the coinbase, 1 in the input, 999 × 20.
    assert!(check_block(Arc::new(with(17)), &local()).is_ok());
    let error = error_of(with(18));
    assert_eq!(
        (error.reason(), error),
        ("bad-blk-sigops", BlockError::SignatureOperations { found: 20_001, max: 20_000 })
    );
}
