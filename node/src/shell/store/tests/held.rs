//! Readers that want the committed coins to stand still.
use super::*;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

#[test]
fn a_commit_of_coins_waits_for_readers_and_one_of_entries_does_not() {
    let directory = scratch();
    let (mut store, reader, _) = open(directory.path()).unwrap();
    let blocks = chain(2, 0, 0);
    perform_all(&mut store, &blocks.iter().map(|block| Output::StoreBlock(block.clone())).collect::<Vec<_>>());
    store.perform(&commit(&blocks[..2], 0..20, 0..0)).unwrap();

    let held = reader.held();
    let entries = vec![entry(&blocks[2], 2, Status::Header)];
    store.perform(&Output::Commit(Commit { entries, ..Commit::default() })).unwrap();
    let (done, is_done) = channel();
    let committing = std::thread::spawn(move || {
        let result = store.perform(&commit(&blocks, 20..30, 0..20));
        // The main thread outlives this one.
        let _ = done.send(());
        (store, result)
    });
    let mut seen = 0;
    let visit = &mut |outpoint, coin| {
        assert_eq!(held.coin(&outpoint).unwrap(), Some(coin));
        seen += 1;
        std::ops::ControlFlow::Continue(())
    };
    held.for_each_coin(visit).unwrap();
    assert_eq!(seen, 20);
    assert_eq!(is_done.recv_timeout(Duration::from_millis(100)), Err(RecvTimeoutError::Timeout), "it did not wait");
    drop(held);
    is_done.recv().unwrap();
    let (_store, result) = committing.join().unwrap();
    result.unwrap();
    assert_eq!(reader.coin(&outpoint(3)).unwrap(), None);
    assert_eq!(reader.coin(&outpoint(25)).unwrap(), Some(coin(25)));
}

#[test]
fn a_held_reader_reads_blocks_from_the_disk() {
    let directory = scratch();
    let (mut store, reader, _) = open(directory.path()).unwrap();
    let blocks = chain(1, 0, 3);
    perform_all(&mut store, &blocks.iter().map(|block| Output::StoreBlock(block.clone())).collect::<Vec<_>>());
    let hash = blocks[1].hash();
    assert_eq!(reader.held().block(&hash).unwrap().as_ref(), Some(blocks[1].block()));
    let path = directory.path().join("blocks/blk00000.dat");
    let mut bytes = std::fs::read(&path).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    assert!(reader.block(&hash).unwrap().is_some(), "still in memory");
    let error = reader.held().block(&hash).unwrap_err().to_string();
    assert!(error.contains("blk00000.dat") && error.contains("--reindex"), "{error}");
}
