//! Locally submitted transactions.

use super::super::disk::Disk;
use super::super::journal::Journal;
use super::super::scan::Damage;
use super::*;

fn reopen(path: &Path) -> (Journal, Vec<Txid>) {
    let (journal, kept) = Journal::open(path, Disk::default(), Damage::Refuse, false).unwrap();
    (journal, kept.iter().map(|transaction| transaction.txid()).collect())
}

fn ids(tags: impl IntoIterator<Item = u32>) -> Vec<Txid> {
    tags.into_iter().map(|tag| transaction(tag).txid()).collect()
}

#[test]
fn submitted_transactions_come_back_in_order_until_they_are_forgotten() {
    let directory = scratch();
    let (mut store, _, _) = open(directory.path()).unwrap();
    for tag in [5, 2, 9, 2, 7] {
        store.perform(&Output::StoreTransaction(transaction(tag))).unwrap();
    }
    store.perform(&Output::ForgetTransactions(ids([9, 1_000]))).unwrap();
    drop(store);
    let (mut store, _, loaded) = open(directory.path()).unwrap();
    assert_eq!(loaded.transactions, [5, 2, 7].map(transaction));
    store.perform(&Output::ForgetTransactions(ids([5, 2, 7]))).unwrap();
    store.perform(&Output::StoreTransaction(transaction(5))).unwrap();
    drop(store);
    assert_eq!(open(directory.path()).unwrap().2.transactions, [transaction(5)]);
}

#[test]
fn the_journal_is_rewritten_when_most_of_it_is_forgotten() {
    let directory = scratch();
    let path = directory.path().join("journal");
    let (mut journal, _) = reopen(&path);
    let mut length_max = 0;
    for tag in 0..10_000 {
        journal.keep(&transaction(tag)).unwrap();
        if tag >= 10 {
            journal.forget(&ids([tag - 10])).unwrap();
        }
        length_max = length_max.max(std::fs::metadata(&path).unwrap().len());
    }
    assert!(length_max < 300_000, "{length_max} bytes for ten transactions");
    assert_eq!(reopen(&path).1, ids(9_990..10_000));
}

#[test]
fn the_oldest_give_way_when_the_journal_is_full() {
    let directory = scratch();
    let path = directory.path().join("journal");
    let (mut journal, _) = reopen(&path);
    journal.set_kept_bytes_max(1_000);
    for tag in 0..20 {
        journal.keep(&transaction(tag)).unwrap();
    }
    drop(journal);
    let (_, kept) = reopen(&path);
    assert!((4..10).contains(&kept.len()));
    assert_eq!(kept, ids(20 - kept.len() as u32..20));
}

#[test]
fn a_write_cut_short_is_cut_off_and_damage_is_not() {
    let directory = scratch();
    let path = directory.path().join("journal");
    let (mut journal, _) = reopen(&path);
    for tag in 0..3 {
        journal.keep(&transaction(tag)).unwrap();
    }
    drop(journal);
    let whole = std::fs::read(&path).unwrap();
    for cut in [1, 20, 100] {
        std::fs::write(&path, &whole[..whole.len() - cut]).unwrap();
        assert_eq!(reopen(&path).1, ids(0..2));
    }
    let mut flipped = whole;
    flipped[48 + 60] ^= 1;
    std::fs::write(&path, &flipped).unwrap();
    let error = Journal::open(&path, Disk::default(), Damage::Refuse, false).unwrap_err().0;
    assert!(error.contains("journal is damaged at byte 48") && error.contains("--reindex"), "{error}");
    let (_, kept) = Journal::open(&path, Disk::default(), Damage::Skip, false).unwrap();
    assert_eq!(kept, [transaction(1), transaction(2)]);
}
