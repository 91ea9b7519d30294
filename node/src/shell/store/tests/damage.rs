//! Files that are in use, foreign, missing, cut, or altered: a clear error that names the file and the remedy, or nothing lost.

use super::*;
use std::collections::BTreeSet;
use std::os::unix::fs::FileExt;

/// A store with committed blocks and coins, and two blocks after the commit.
fn filled(datadir: &Path) -> Vec<Arc<CheckedBlock>> {
    let blocks = chain(12, 100, 4);
    let (mut store, _, _) = open(datadir).unwrap();
    for (block, tag) in blocks.iter().zip(0..) {
        store.perform(&Output::StoreBlock(block.clone())).unwrap();
        store.perform(&Output::StoreUndo(block.hash(), undo(tag))).unwrap();
        if tag == 10 {
            for start in (0..1_600).step_by(400) {
                store.perform(&commit(&blocks[..11], start..start + 400, start / 2..start / 2 + 90)).unwrap();
            }
        }
    }
    store.perform(&Output::StoreTransaction(transaction(1))).unwrap();
    blocks
}

fn refused(datadir: &Path, words: &[&str]) {
    let Err(StoreError(error)) = open(datadir) else { panic!("the store was opened, expected {words:?}") };
    assert!(words.iter().all(|word| error.contains(word)), "{error}");
    assert!(!error.contains('\n') && !error.contains("panicked"), "{error}");
}

fn flip(path: &Path, offset: u64, bit: u8) {
    let file = std::fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset).unwrap();
    file.write_all_at(&[byte[0] ^ (1 << bit)], offset).unwrap();
}

#[test]
fn a_second_user_of_the_directory_is_refused_by_name() {
    let directory = scratch();
    let (store, reader, _) = open(directory.path()).unwrap();
    let pid = format!("process {}", std::process::id());
    let name = directory.path().display().to_string();
    refused(directory.path(), &["in use by another node", &pid, &name, "--datadir"]);
    drop(store);
    refused(directory.path(), &["in use by another node"]);
    drop(reader);
    open(directory.path()).unwrap();
}

#[test]
fn a_directory_of_another_chain_is_refused_by_name() {
    let directory = scratch();
    drop(open(directory.path()).unwrap());
    let other = ChainSpec::builtin("local").unwrap();
    let Err(StoreError(error)) = DiskStore::open(directory.path(), &other, &StoreConfig::default()) else {
        panic!("opened")
    };
    for word in ["holds the chain `bitcoin-regtest`", "not `local`", "--chain bitcoin-regtest", "--datadir"] {
        assert!(error.contains(word), "{error}");
    }
    let renewed = ChainSpec { coinbase_maturity: 7, ..spec() };
    let Err(StoreError(error)) = DiskStore::open(directory.path(), &renewed, &StoreConfig::default()) else {
        panic!("opened")
    };
    assert!(error.contains("another version of the chain `bitcoin-regtest`"), "{error}");
    open(directory.path()).unwrap();
}

#[test]
fn a_missing_file_is_named() {
    for name in ["chain.json", "state/db", "blocks/blk00000.dat", "blocks/rev00000.dat", "submitted.dat"] {
        let directory = scratch();
        filled(directory.path());
        std::fs::remove_file(directory.path().join(name)).unwrap();
        refused(directory.path(), &[name, "restore it, or start once with --reindex"]);
    }
    let directory = scratch();
    filled(directory.path());
    std::fs::remove_dir_all(directory.path().join("state")).unwrap();
    refused(directory.path(), &["state/db is missing", "--reindex"]);
}

#[test]
fn something_else_in_the_way_is_named() {
    let directory = scratch();
    let file = directory.path().join("occupied");
    std::fs::write(&file, b"not a directory").unwrap();
    refused(&file, &["occupied", "--datadir"]);
    std::fs::write(directory.path().join("chain.json"), b"{\"format\":1").unwrap();
    refused(directory.path(), &["chain.json is damaged"]);
    std::fs::write(directory.path().join("chain.json"), b"{\"format\":9,\"chain\":\"x\",\"spec\":\"y\"}").unwrap();
    refused(directory.path(), &["format 9"]);
}

#[test]
fn a_full_disk_is_named_and_loses_nothing() {
    let directory = scratch();
    let blocks = chain(2, 100, 0);
    std::fs::create_dir_all(directory.path()).unwrap();
    drop(open(directory.path()).unwrap());
    let file = directory.path().join("blocks/blk00000.dat");
    std::os::unix::fs::symlink("/dev/full", &file).unwrap();
    let (mut store, reader, _) = open(directory.path()).unwrap();
    let error = store.perform(&Output::StoreBlock(blocks[0].clone())).unwrap_err().0;
    assert!(error.contains("cannot write") && error.contains("blk00000.dat"), "{error}");
    assert!(error.contains("free some space") && error.contains("nothing that was acknowledged is lost"), "{error}");
    // What was not written is not said to be there, and nothing is written after it.
    assert_eq!(reader.block(&blocks[0].hash()).unwrap(), None);
    assert_eq!(store.perform(&commit(&blocks[..1], 0..1, 0..0)).unwrap_err().0, error);
    drop((store, reader));
    std::fs::remove_file(&file).unwrap();
    assert!(open(directory.path()).unwrap().2.entries.is_empty());
}

#[test]
fn a_file_cut_before_the_last_commit_is_refused_and_a_torn_end_is_cut_off() {
    let directory = scratch();
    let blocks = filled(directory.path());
    for name in ["blocks/blk00000.dat", "blocks/rev00000.dat"] {
        let path = directory.path().join(name);
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        refused(directory.path(), &[name, "is damaged at byte", "--reindex"]);
        std::fs::write(&path, &whole).unwrap();
    }
    // The last two blocks are not committed. Cut anywhere in the last, and with zeros in place of what a power cut lost.
    let path = directory.path().join("blocks/blk00000.dat");
    let whole = std::fs::read(&path).unwrap();
    let last = whole.len() - blocks[12].size() - 48;
    for (keep, zeros) in
        [(last + 1, 0), (last + 47, 0), (last + 48, 0), (whole.len() - 1, 0), (last, 200), (last, 9_000)]
    {
        let copy = scratch();
        copy_directory(directory.path(), copy.path());
        let torn = [&whole[..keep], &vec![0; zeros]].concat();
        std::fs::write(copy.path().join("blocks/blk00000.dat"), torn).unwrap();
        let (mut store, reader, loaded) = open(copy.path()).unwrap();
        assert_eq!(loaded.entries.len(), 12, "kept {keep}, {zeros} zeros");
        assert_eq!(reader.block(&blocks[12].hash()).unwrap(), None);
        store.perform(&Output::StoreBlock(blocks[12].clone())).unwrap();
        drop((store, reader));
        assert_eq!(open(copy.path()).unwrap().2.entries.len(), 13);
    }
}

#[test]
fn zeros_in_place_of_the_end_of_a_long_record_are_a_torn_write() {
    let directory = scratch();
    let blocks = chain(2, 100, 300);
    let (mut store, _, _) = open(directory.path()).unwrap();
    perform_all(&mut store, &blocks.iter().map(|block| Output::StoreBlock(block.clone())).collect::<Vec<_>>());
    drop(store);
    let path = directory.path().join("blocks/blk00000.dat");
    let mut bytes = std::fs::read(&path).unwrap();
    let length = bytes.len();
    let page = (length - 5_000) / 4_096 * 4_096;
    bytes[page..].fill(0);
    std::fs::write(&path, &bytes).unwrap();
    assert_eq!(open(directory.path()).unwrap().2.entries.len(), 2);
    assert!(std::fs::metadata(&path).unwrap().len() < page as u64);
}

#[test]
fn every_flipped_byte_of_a_block_or_undo_file_is_noticed() {
    let directory = scratch();
    let blocks = filled(directory.path());
    for name in ["blocks/blk00000.dat", "blocks/rev00000.dat"] {
        let path = directory.path().join(name);
        let length = std::fs::metadata(&path).unwrap().len();
        let mut noticed = BTreeSet::new();
        for offset in (0..length).step_by(length as usize / 150) {
            flip(&path, offset, offset as u8 % 8);
            let error = match open(directory.path()) {
                Err(error) => error.0,
                Ok((_, reader, _)) => {
                    let read = |block: &Arc<CheckedBlock>| {
                        reader.block(&block.hash()).map(drop).and(reader.undo(&block.hash()).map(drop))
                    };
                    blocks.iter().find_map(|block| read(block).err()).expect("damage is noticed when it is read").0
                }
            };
            assert!(error.contains(&path.display().to_string()) && error.contains("--reindex"), "{error}");
            noticed.insert(error);
            flip(&path, offset, offset as u8 % 8);
        }
        assert!(noticed.len() >= 13, "each record is named by its place");
    }
    assert_eq!(open(directory.path()).unwrap().2.entries.len(), 13);
}

/// Rounds: `TESTOON_STORE_FLIPS` (60).
#[test]
fn a_flipped_byte_of_the_coin_database_is_noticed_or_harmless() {
    let rounds = std::env::var("TESTOON_STORE_FLIPS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(60);
    let directory = scratch();
    let blocks = filled(directory.path());
    let (store, reader, loaded) = open(directory.path()).unwrap();
    let expected = contents(reader.as_ref(), &loaded, &blocks);
    drop((store, reader));
    let files: Vec<_> = walk(&directory.path().join("state"));
    let mut random = 0x5eed_u64;
    let (mut noticed, mut harmless) = (0, 0);
    for round in 0..rounds {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let file = &files[round % files.len()];
        let copy = scratch();
        copy_directory(directory.path(), copy.path());
        let path = copy.path().join(file.strip_prefix(directory.path()).unwrap());
        let length = std::fs::metadata(&path).unwrap().len();
        flip(&path, (random >> 20) % length.max(1), (random >> 17) as u8 % 8);
        match open(copy.path()) {
            Ok((_store, reader, loaded)) => {
                assert_eq!(contents(reader.as_ref(), &loaded, &blocks), expected, "round {round}");
                harmless += 1;
            }
            Err(StoreError(error)) => {
                assert!(error.contains("state") && error.contains("--reindex"), "{error}");
                noticed += 1;
            }
        }
    }
    assert!(noticed > 0 && harmless > 0, "{noticed} noticed, {harmless} harmless");
}

fn walk(directory: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries.filter(|path| path.is_file()).collect();
    files.sort();
    files
}

#[test]
fn damage_to_blocks_is_found_by_verifying_at_every_depth() {
    let directory = scratch();
    let blocks = filled(directory.path());
    let (store, _reader, _) = open(directory.path()).unwrap();
    let inspector = store.inspector();
    assert!(inspector.size_on_disk().unwrap() > 10_000);
    inspector.verify_coins().unwrap();
    assert!(inspector.committed_coins().unwrap() > 1_000);
    for depth in [Depth::Read, Depth::Check] {
        assert!(inspector.verify(&blocks[3].hash(), &spec(), depth).unwrap());
        assert!(!inspector.verify(&transaction_hash(), &spec(), depth).unwrap());
    }
    // The tests' undo data is made up, which the deepest look notices.
    let error = inspector.verify(&blocks[3].hash(), &spec(), Depth::Undo).unwrap_err().0;
    assert!(error.contains("does not fit the block"), "{error}");
    flip(&directory.path().join("blocks/blk00000.dat"), 60, 0);
    let error = inspector.verify(&blocks[0].hash(), &spec(), Depth::Read).unwrap_err().0;
    assert!(error.contains("blk00000.dat is damaged at byte 0"), "{error}");
}

fn transaction_hash() -> BlockHash {
    BlockHash::from_bytes(*transaction(1).txid().as_bytes())
}
