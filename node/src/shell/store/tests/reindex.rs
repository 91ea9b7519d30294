//! Rebuilding everything from the block files.

use super::*;

fn rebuilt(datadir: &Path) -> (DiskStore, Box<dyn Store>, Loaded) {
    DiskStore::open(datadir, &spec(), &StoreConfig { reindex: true, ..StoreConfig::default() }).unwrap()
}

/// Eight blocks in an order that no chain has, connected and committed, and a submitted transaction.
fn filled(datadir: &Path, file_bytes_max: u64) -> Vec<Arc<CheckedBlock>> {
    let blocks = chain(8, 100, 4);
    let (mut store, _, _) = open(datadir).unwrap();
    store.blocks.set_file_bytes_max(file_bytes_max);
    for height in [5, 0, 8, 2, 1, 7, 3, 6, 4] {
        store.perform(&Output::StoreBlock(blocks[height].clone())).unwrap();
    }
    for (block, tag) in blocks.iter().zip(0..) {
        store.perform(&Output::StoreUndo(block.hash(), undo(tag))).unwrap();
    }
    store.perform(&commit(&blocks, 0..100, 0..30)).unwrap();
    store.perform(&Output::StoreTransaction(transaction(1))).unwrap();
    blocks
}

fn all_stored(blocks: &[Arc<CheckedBlock>]) -> Vec<IndexEntry> {
    blocks.iter().zip(0..).map(|(block, height)| entry(block, height, Status::Stored)).collect()
}

#[test]
fn blocks_alone_are_enough() {
    for spoil in
        ["nothing", "no state", "flipped state", "cut state", "no undo", "no redo", "no chain", "all but blocks"]
    {
        let directory = scratch();
        let datadir = directory.path();
        let blocks = filled(datadir, 1_500);
        let state = datadir.join("state/db");
        match spoil {
            "no state" => std::fs::remove_dir_all(datadir.join("state")).unwrap(),
            "flipped state" => {
                let mut bytes = std::fs::read(&state).unwrap();
                bytes.iter_mut().step_by(1_000).for_each(|byte| *byte ^= 0x55);
                std::fs::write(&state, bytes).unwrap();
            }
            "cut state" => {
                let file = std::fs::OpenOptions::new().write(true).open(&state).unwrap();
                file.set_len(file.metadata().unwrap().len() / 3).unwrap();
            }
            "no undo" => std::fs::remove_file(datadir.join("blocks/rev00000.dat")).unwrap(),
            "no redo" => std::fs::remove_file(datadir.join("commit.dat")).unwrap(),
            "no chain" => std::fs::remove_file(datadir.join("chain.json")).unwrap(),
            "all but blocks" => {
                for file in ["chain.json", "commit.dat", "blocks/rev00000.dat", "submitted.dat"] {
                    std::fs::remove_file(datadir.join(file)).unwrap();
                }
                std::fs::remove_dir_all(datadir.join("state")).unwrap();
            }
            _ => {}
        }
        let (mut store, reader, loaded) = rebuilt(datadir);
        assert_eq!(loaded.entries, all_stored(&blocks), "{spoil}");
        assert_eq!(loaded.coins_tip, None);
        let kept = if spoil == "all but blocks" { vec![] } else { vec![transaction(1)] };
        assert_eq!(loaded.transactions, kept, "{spoil}");
        let found = contents(reader.as_ref(), &loaded, &blocks);
        assert_eq!((found.blocks.len(), found.undos.len(), found.coins.len()), (9, 0, 0), "{spoil}");
        // The core connects the blocks again; afterwards it is a store like any other.
        for (block, tag) in blocks.iter().zip(0..) {
            store.perform(&Output::StoreUndo(block.hash(), undo(tag))).unwrap();
        }
        store.perform(&commit(&blocks, 0..100, 0..30)).unwrap();
        drop((store, reader));
        let (_store, reader, loaded) = open(datadir).unwrap();
        let found = contents(reader.as_ref(), &loaded, &blocks);
        assert_eq!((found.blocks.len(), found.undos.len(), found.coins.len()), (9, 9, 70), "{spoil}");
        assert_eq!(found.coins_tip, Some(blocks[8].hash()));
    }
}

#[test]
fn a_damaged_block_is_left_out_and_can_be_stored_again() {
    // Bytes of a record's magic, length, hash, checksum, and of its payload's start and end.
    for place in [0, 5, 20, 42, 50, 300] {
        let directory = scratch();
        let datadir = directory.path();
        let blocks = filled(datadir, u64::MAX);
        let path = datadir.join("blocks/blk00000.dat");
        let mut bytes = std::fs::read(&path).unwrap();
        // Block 8 is the third in the file.
        let start = blocks[5].size() + blocks[0].size() + 2 * 48;
        bytes[start + place] ^= 0x10;
        std::fs::write(&path, bytes).unwrap();
        let (mut store, reader, loaded) = rebuilt(datadir);
        assert_eq!(loaded.entries, all_stored(&blocks[..8]), "byte {place}");
        assert_eq!(reader.block(&blocks[8].hash()).unwrap(), None);
        store.perform(&Output::StoreBlock(blocks[8].clone())).unwrap();
        drop((store, reader));
        // The damaged record stays in the file and does not matter any more.
        let (_store, reader, loaded) = open(datadir).unwrap();
        assert_eq!(loaded.entries, all_stored(&blocks));
        assert_eq!(reader.block(&blocks[8].hash()).unwrap().as_ref(), Some(blocks[8].block()));
    }
}

#[test]
fn a_missing_block_file_costs_the_blocks_in_it() {
    let directory = scratch();
    let datadir = directory.path();
    let blocks = filled(datadir, 1_500);
    std::fs::remove_file(datadir.join("blocks/blk00001.dat")).unwrap();
    let Err(StoreError(error)) = open(datadir) else { panic!("opened") };
    assert!(error.contains("blk00001.dat is missing"), "{error}");
    let (mut store, reader, _) = rebuilt(datadir);
    let lost: Vec<_> = blocks.iter().filter(|block| reader.block(&block.hash()).unwrap().is_none()).collect();
    assert!(!lost.is_empty() && lost.len() < 9, "{}", lost.len());
    for block in &lost {
        store.perform(&Output::StoreBlock((*block).clone())).unwrap();
    }
    // A place is all the blocks on them were missing: the core commits their headers anew.
    let entries = blocks.iter().zip(0..).map(|(block, height)| entry(block, height, Status::Header)).collect();
    store.perform(&Output::Commit(Commit { entries, ..Commit::default() })).unwrap();
    drop((store, reader));
    assert_eq!(open(datadir).unwrap().2.entries, all_stored(&blocks));
}

#[test]
fn what_is_not_a_block_of_this_chain_is_not_believed() {
    let directory = scratch();
    let datadir = directory.path();
    let blocks = filled(datadir, u64::MAX);
    // A record that is intact and says it is block 1, with a body that breaks a rule: two coinbases.
    let mut block = blocks[1].block().as_ref().clone();
    block.transactions.push(block.transactions[0].clone());
    let hash = block.hash();
    let record = record::frame(record::Kind::Block, hash.as_bytes(), 0, |out| block.encode(out)).unwrap();
    let mut bytes = record;
    bytes.extend(std::fs::read(datadir.join("blocks/blk00000.dat")).unwrap());
    std::fs::write(datadir.join("blocks/blk00000.dat"), bytes).unwrap();
    let (_store, reader, loaded) = rebuilt(datadir);
    assert_eq!(loaded.entries, all_stored(&blocks));
    assert_eq!(reader.block(&hash).unwrap().as_ref(), Some(blocks[1].block()));
}
