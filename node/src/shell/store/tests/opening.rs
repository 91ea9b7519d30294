//! What a process leaves that is killed while it opens a store, and files that were emptied or damaged while no node ran.

use super::*;
use std::collections::BTreeSet;

/// A store with committed blocks, coins and a submitted transaction, closed.
fn filled(datadir: &Path) -> Vec<Arc<CheckedBlock>> {
    let blocks = chain(6, 100, 2);
    let (mut store, _, _) = open(datadir).unwrap();
    for (block, tag) in blocks.iter().zip(0..) {
        store.perform(&Output::StoreBlock(block.clone())).unwrap();
        store.perform(&Output::StoreUndo(block.hash(), undo(tag))).unwrap();
    }
    store.perform(&commit(&blocks, 0..300, 0..40)).unwrap();
    store.perform(&Output::StoreTransaction(transaction(1))).unwrap();
    blocks
}

fn snapshots(datadir: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(datadir.join("state")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with("snap.")).collect()
}

fn found(datadir: &Path, blocks: &[Arc<CheckedBlock>]) -> Contents {
    let (_store, reader, loaded) = open(datadir).unwrap();
    contents(reader.as_ref(), &loaded, blocks)
}

/// On opening, sled writes `snap.N.generating`, renames it to `snap.N`, and then removes the one before it. Every state of the
/// directory in between is tried: the unfinished file with each length, and both snapshots.
#[test]
fn a_kill_while_sled_writes_its_snapshot_costs_nothing() {
    let directory = scratch();
    let blocks = filled(directory.path());
    let opened = scratch();
    copy_directory(directory.path(), opened.path());
    let expected = found(opened.path(), &blocks);
    let before = snapshots(directory.path());
    let written: Vec<String> = snapshots(opened.path()).difference(&before).cloned().collect();
    let [name] = written.as_slice() else { panic!("one snapshot is written: {before:?}, then {written:?}") };
    let bytes = std::fs::read(opened.path().join("state").join(name)).unwrap();
    let lengths = (0..bytes.len()).step_by(bytes.len() / 20 + 1).chain([bytes.len() - 1, bytes.len()]);
    for length in lengths {
        for (left, is_older) in
            [(format!("{name}.generating"), false), (format!("{name}.generating"), true), (name.clone(), true)]
        {
            if left == *name && length < bytes.len() {
                // It gets its name when all of it is on the disk.
                continue;
            }
            let copy = scratch();
            copy_directory(directory.path(), copy.path());
            std::fs::write(copy.path().join("state").join(&left), &bytes[..length]).unwrap();
            if is_older {
                // An unfinished one of an earlier start, too.
                std::fs::write(copy.path().join("state/snap.0000000000000001.generating"), b"half").unwrap();
            }
            assert_eq!(found(copy.path(), &blocks), expected, "{left} with {length} bytes");
            assert!(snapshots(copy.path()).iter().all(|name| !name.ends_with(".generating")));
        }
    }
}

/// The first start, killed at any point of creating the coin database.
#[test]
fn a_database_that_was_being_created_is_created_anew() {
    let source = scratch();
    drop(open(source.path()).unwrap());
    let conf = std::fs::read(source.path().join("state/conf")).unwrap();
    for length in 0..conf.len() {
        let directory = scratch();
        std::fs::create_dir_all(directory.path().join("state/blobs")).unwrap();
        std::fs::copy(source.path().join("chain.json"), directory.path().join("chain.json")).unwrap();
        std::fs::write(directory.path().join("state/conf"), &conf[..length]).unwrap();
        let blocks = filled(directory.path());
        assert_eq!(found(directory.path(), &blocks).blocks.len(), blocks.len(), "{length} bytes");
    }
    // Where there are blocks, it is damage.
    let directory = scratch();
    filled(directory.path());
    std::fs::write(directory.path().join("state/conf"), &conf[..conf.len() / 2]).unwrap();
    let Err(StoreError(error)) = open(directory.path()) else { panic!("opened") };
    assert!(error.contains("coin database") && error.contains("--reindex"), "{error}");
}

#[test]
fn an_emptied_journal_is_told_and_given_up_only_when_asked_to() {
    let directory = scratch();
    let blocks = filled(directory.path());
    assert_eq!(found(directory.path(), &blocks).transactions, [transaction(1).txid()]);
    let journal = directory.path().join("submitted.dat");
    std::fs::write(&journal, b"").unwrap();
    let Err(StoreError(error)) = open(directory.path()) else { panic!("opened") };
    assert!(error.contains("submitted.dat is empty") && error.contains("restore it"), "{error}");
    assert_eq!(std::fs::metadata(&journal).unwrap().len(), 0, "it is left for its owner to restore");
    let rebuild = StoreConfig { reindex: true, ..StoreConfig::default() };
    drop(DiskStore::open(directory.path(), &spec(), &rebuild).unwrap());
    assert_eq!(found(directory.path(), &blocks).transactions, []);
}

#[test]
fn a_damaged_chain_file_names_a_remedy_that_works() {
    for text in ["", "{\"format\":1", "{\"format\":\"x\"}", "\0\0\0"] {
        let directory = scratch();
        let blocks = filled(directory.path());
        std::fs::write(directory.path().join("chain.json"), text).unwrap();
        let Err(StoreError(error)) = open(directory.path()) else { panic!("opened") };
        assert!(error.contains("chain.json is damaged") && error.contains("--reindex"), "{error}");
        let rebuild = StoreConfig { reindex: true, ..StoreConfig::default() };
        drop(DiskStore::open(directory.path(), &spec(), &rebuild).unwrap());
        assert_eq!(found(directory.path(), &blocks).blocks.len(), blocks.len());
    }
}

#[test]
fn a_nearly_full_disk_is_refused_before_anything_is_opened() {
    let directory = scratch();
    let error = super::super::disk::check_space(directory.path(), u64::MAX).unwrap_err().0;
    assert!(error.contains("nearly full") && error.contains("free some space"), "{error}");
    let shortage = std::io::Error::from_raw_os_error(24);
    let words = super::super::error::io_error("open", directory.path(), &shortage).0;
    assert!(words.contains("ulimit -n") && !words.contains("check the disk"), "{words}");
}
