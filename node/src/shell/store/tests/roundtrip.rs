//! What is stored is read back, before and after it is committed, in this process and the next.

use super::*;
use crate::core::message::Gossip;

#[test]
fn a_new_store_is_empty() {
    let directory = scratch();
    let (store, reader, loaded) = open(directory.path()).unwrap();
    assert_eq!(loaded.coins_tip, None);
    assert!(loaded.entries.is_empty() && loaded.transactions.is_empty());
    assert_eq!(reader.coin(&outpoint(1)).unwrap(), None);
    assert_eq!(reader.block(&genesis().hash()).unwrap(), None);
    assert_eq!(reader.undo(&genesis().hash()).unwrap(), None);
    drop((store, reader));
    let (_store, _reader, loaded) = open(directory.path()).unwrap();
    assert_eq!(loaded.coins_tip, None);
}

#[test]
fn what_was_stored_but_not_committed_is_found_again_with_its_place_in_the_chain() {
    let directory = scratch();
    let blocks = chain(5, 100, 3);
    let (mut store, reader, _) = open(directory.path()).unwrap();
    // Bodies arrive out of order; block 4 never does, so block 5 has no place yet.
    for height in [0, 3, 1, 2, 5] {
        store.perform(&Output::StoreBlock(blocks[height].clone())).unwrap();
    }
    for height in [1, 2] {
        store.perform(&Output::StoreUndo(blocks[height].hash(), undo(height as u32))).unwrap();
    }
    assert_eq!(reader.block(&blocks[3].hash()).unwrap().as_ref(), Some(blocks[3].block()));
    assert_eq!(reader.undo(&blocks[2].hash()).unwrap(), Some(undo(2)));
    drop((store, reader));

    let (mut store, reader, loaded) = open(directory.path()).unwrap();
    let expected: Vec<IndexEntry> = [Status::Stored, Status::Valid, Status::Valid, Status::Stored]
        .into_iter()
        .zip(0u32..)
        .map(|(status, height)| entry(&blocks[height as usize], height, status))
        .collect();
    assert_eq!(loaded.entries, expected);
    assert_eq!(reader.block(&blocks[5].hash()).unwrap().as_ref(), Some(blocks[5].block()));

    // The missing header becomes known: block 5 counts, without being stored again.
    let headers = [entry(&blocks[4], 4, Status::Header), entry(&blocks[5], 5, Status::Header)];
    store.perform(&Output::Commit(Commit { entries: headers.to_vec(), ..Commit::default() })).unwrap();
    drop((store, reader));
    let (_store, _reader, loaded) = open(directory.path()).unwrap();
    assert_eq!(loaded.entries[4..], [entry(&blocks[4], 4, Status::Header), entry(&blocks[5], 5, Status::Stored)]);
}

#[test]
fn blocks_found_below_an_invalid_one_are_not_offered() {
    let directory = scratch();
    let blocks = chain(3, 100, 0);
    let (mut store, _, _) = open(directory.path()).unwrap();
    let mut entries = vec![entry(&blocks[0], 0, Status::Valid), entry(&blocks[1], 1, Status::Invalid)];
    perform_all(&mut store, &[Output::StoreBlock(blocks[0].clone()), Output::StoreBlock(blocks[1].clone())]);
    store.perform(&Output::Commit(Commit { entries: entries.clone(), ..Commit::default() })).unwrap();
    perform_all(&mut store, &[Output::StoreBlock(blocks[2].clone()), Output::StoreBlock(blocks[3].clone())]);
    drop(store);
    let (_store, _reader, loaded) = open(directory.path()).unwrap();
    entries.extend([2, 3].map(|height| entry(&blocks[height], height as u32, Status::InvalidAncestor)));
    assert_eq!(loaded.entries, entries);
}

#[test]
fn commits_of_every_size_are_read_back() {
    let directory = scratch();
    let blocks = chain(4, 200, 2);
    let (mut store, reader, _) = open(directory.path()).unwrap();
    for block in &blocks {
        store.perform(&Output::StoreBlock(block.clone())).unwrap();
        store.perform(&Output::StoreUndo(block.hash(), undo(1))).unwrap();
    }
    store.perform(&commit(&blocks[..3], 0..1_800, 0..0)).unwrap();
    assert_eq!(reader.coin(&outpoint(77)).unwrap(), Some(coin(77)));
    store.perform(&commit(&blocks, 1_800..1_801, 0..1_000)).unwrap();
    assert_eq!(reader.coin(&outpoint(77)).unwrap(), None);
    let note = Commit { entries: vec![entry(&blocks[4], 4, Status::Invalid)], ..Commit::default() };
    store.perform(&Output::Commit(note)).unwrap();
    drop((store, reader));

    let (mut store, reader, loaded) = open(directory.path()).unwrap();
    assert_eq!(loaded.coins_tip, Some(blocks[4].hash()));
    assert_eq!(loaded.entries[4].status, Status::Invalid);
    let found = contents(reader.as_ref(), &loaded, &blocks);
    let mut expected: Vec<_> = (1_000..1_801).map(|tag| (outpoint(tag), coin(tag))).collect();
    expected.sort_by_key(|(outpoint, _)| *outpoint);
    assert_eq!(found.coins, expected);
    assert_eq!(found.blocks.len(), 5);
    let fewer = Commit { coins_tip: Some(blocks[2].hash()), forgotten: vec![blocks[4].hash()], ..Commit::default() };
    store.perform(&Output::Commit(fewer)).unwrap();
    drop((store, reader));
    let (_store, _reader, loaded) = open(directory.path()).unwrap();
    assert_eq!((loaded.coins_tip, loaded.entries.len()), (Some(blocks[2].hash()), 4));
}

#[test]
fn files_roll_over_and_are_read_across() {
    let directory = scratch();
    let blocks = chain(40, 300, 4);
    let (mut store, reader, _) = open(directory.path()).unwrap();
    store.blocks.set_file_bytes_max(2_000);
    store.undos.set_file_bytes_max(500);
    for (block, tag) in blocks.iter().zip(0..) {
        store.perform(&Output::StoreBlock(block.clone())).unwrap();
        store.perform(&Output::StoreUndo(block.hash(), undo(tag))).unwrap();
        if tag == 25 {
            store.perform(&commit(&blocks[..26], 0..10, 0..0)).unwrap();
        }
    }
    assert!(directory.path().join("blocks/blk00012.dat").exists());
    let before = contents(reader.as_ref(), &Loaded::default(), &blocks);
    assert_eq!((before.blocks.len(), before.undos.len()), (41, 41));
    drop((store, reader));
    let (_store, reader, loaded) = open(directory.path()).unwrap();
    let after = contents(reader.as_ref(), &loaded, &blocks);
    assert_eq!((after.blocks, after.undos), (before.blocks, before.undos));
    assert_eq!(loaded.entries.len(), 41);
}

#[test]
fn the_transaction_index_follows_the_active_chain() {
    let directory = scratch();
    let with = StoreConfig { txindex: true, ..StoreConfig::default() };
    let common = chain(2, 400, 2);
    let (a, b) = (block(common[2].hash(), 3, 500, 3), {
        // The same transactions in another block.
        let rival = block(common[2].hash(), 3, 501, 0);
        let mut transactions = rival.block().transactions.clone();
        transactions.extend(block(common[2].hash(), 3, 500, 3).block().transactions[1..].iter().cloned());
        let txids: Vec<Txid> = transactions.iter().map(Transaction::txid).collect();
        let mut header = Header { merkle_root: merkle::merkle_root(&txids).0, ..*rival.header() };
        while check_proof_of_work(&header, &spec()).is_err() {
            header.nonce += 1;
        }
        Arc::new(check_block(Arc::new(Block { header, transactions }), &spec()).unwrap())
    });
    let shared = a.txids()[1];
    let connect = |store: &mut DiskStore, block: &Arc<CheckedBlock>| {
        store.perform(&Output::StoreBlock(block.clone())).unwrap();
        store.perform(&Output::StoreUndo(block.hash(), undo(1))).unwrap();
    };
    let (mut store, reader, _) = DiskStore::open(directory.path(), &spec(), &with).unwrap();
    common.iter().for_each(|block| connect(&mut store, block));
    connect(&mut store, &a);
    assert_eq!(reader.transaction_block(&shared).unwrap(), Some(a.hash()));
    connect(&mut store, &b);
    assert_eq!(reader.transaction_block(&shared).unwrap(), Some(b.hash()));
    // Back again: a block that is connected once more is the one that counts.
    connect(&mut store, &a);
    assert_eq!(reader.transaction_block(&shared).unwrap(), Some(a.hash()));
    connect(&mut store, &b);
    let mut active = common.clone();
    active.push(b.clone());
    store.perform(&commit(&active, 0..1, 0..0)).unwrap();
    let stale = Commit { entries: vec![entry(&a, 3, Status::Valid)], ..Commit::default() };
    store.perform(&Output::Commit(stale)).unwrap();
    assert_eq!(reader.transaction_block(&shared).unwrap(), Some(b.hash()));
    drop((store, reader));

    // Off for a while; what was connected meanwhile is there when it is on again.
    let (mut store, reader, _) = open(directory.path()).unwrap();
    assert_eq!(reader.transaction_block(&shared).unwrap(), None);
    let next = block(b.hash(), 4, 600, 2);
    connect(&mut store, &next);
    active.push(next.clone());
    store.perform(&commit(&active, 0..0, 0..0)).unwrap();
    drop((store, reader));
    let (mut store, reader, _) = DiskStore::open(directory.path(), &spec(), &with).unwrap();
    for (block, txid) in active.iter().flat_map(|block| block.txids().iter().map(move |txid| (block, txid))) {
        assert_eq!(reader.transaction_block(txid).unwrap(), Some(block.hash()));
    }
    // Not committed: found again by the scan.
    let last = block(next.hash(), 5, 700, 2);
    connect(&mut store, &last);
    drop((store, reader));
    let (_store, reader, _) = DiskStore::open(directory.path(), &spec(), &with).unwrap();
    assert_eq!(reader.transaction_block(&last.txids()[2]).unwrap(), Some(last.hash()));
}

#[test]
fn an_output_of_somebody_else_is_refused() {
    let directory = scratch();
    let (mut store, _, _) = open(directory.path()).unwrap();
    let gossip = Gossip::Transaction(transaction(1).transaction().clone());
    assert!(store.perform(&Output::Publish(gossip)).unwrap_err().0.contains("bug"));
}

#[test]
fn readers_work_beside_the_writer() {
    let directory = scratch();
    let blocks = chain(60, 800, 5);
    let (mut store, reader, _) = open(directory.path()).unwrap();
    store.perform(&Output::StoreBlock(blocks[0].clone())).unwrap();
    let last = blocks[60].hash();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let reader = reader;
            let mut next = 0;
            while next < blocks.len() {
                // Once there, a block stays there, whether it is pending or committed.
                if reader.block(&blocks[next].hash()).unwrap().is_some() {
                    assert!((0..=next).all(|earlier| reader.block(&blocks[earlier].hash()).unwrap().is_some()));
                    next += 1;
                }
            }
            assert!(reader.block(&last).unwrap().is_some());
        });
        for (height, block) in blocks.iter().enumerate() {
            store.perform(&Output::StoreBlock(block.clone())).unwrap();
            if height % 7 == 0 {
                store.perform(&commit(&blocks[..=height], height as u32..height as u32 + 1, 0..0)).unwrap();
            }
        }
    });
}
