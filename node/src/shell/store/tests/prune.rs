//! Deleting the files of old blocks: what goes, what stays, and a crash at every step.

use super::super::disk::Disk;
use super::*;
use crate::core::store::BlockFile;

fn config() -> StoreConfig {
    StoreConfig { prune: true, file_bytes_max: 2_000, ..StoreConfig::default() }
}

fn opened(disk: Disk, datadir: &Path) -> Result<(DiskStore, Box<dyn Store>, Loaded), StoreError> {
    DiskStore::open_on(disk, datadir, &spec(), &config(), || ())
}

/// Blocks in several small files, connected and committed.
fn filled(datadir: &Path) -> Vec<Arc<CheckedBlock>> {
    let blocks = chain(20, 300, 4);
    let (mut store, _, _) = opened(Disk::default(), datadir).unwrap();
    for (block, tag) in blocks.iter().zip(0..) {
        store.perform(&Output::StoreBlock(block.clone())).unwrap();
        store.perform(&Output::StoreUndo(block.hash(), undo(tag))).unwrap();
    }
    store.perform(&commit(&blocks, 0..30, 0..3)).unwrap();
    blocks
}

/// The commit that deletes these blocks.
fn pruning(blocks: &[Arc<CheckedBlock>], pruned: &[BlockHash]) -> Output {
    let entries = blocks.iter().zip(0..).filter(|(block, _)| pruned.contains(&block.hash()));
    let entries = entries.map(|(block, height)| IndexEntry { is_pruned: true, ..entry(block, height, Status::Valid) });
    let coins_tip = blocks.last().map(|block| block.hash());
    Output::Commit(Commit { coins_tip, entries: entries.collect(), pruned: pruned.to_vec(), ..Commit::default() })
}

fn files_named(datadir: &Path, prefix: &str) -> usize {
    let names = std::fs::read_dir(datadir.join("blocks")).unwrap().map(|entry| entry.unwrap().file_name());
    names.filter(|name| name.to_string_lossy().starts_with(prefix)).count()
}

/// Files whose blocks go: with them the undo data of a whole file.
const GONE: usize = 5;

/// What the oldest files hold.
fn oldest(files: &[BlockFile]) -> Vec<BlockHash> {
    files[..GONE].iter().flat_map(|file| file.blocks.clone()).collect()
}

#[test]
fn files_go_with_their_undo_data_and_the_rest_can_be_read_before_and_after_a_restart() {
    let directory = scratch();
    let datadir = directory.path();
    let blocks = filled(datadir);
    let (mut store, reader, _) = opened(Disk::default(), datadir).unwrap();
    let files = reader.block_files().unwrap();
    let (block_files, undo_files, bytes) =
        (files_named(datadir, "blk"), files_named(datadir, "rev"), reader.block_bytes());
    assert_eq!(files.len() + 1, block_files, "all but the one that is written to");
    let pruned = oldest(&files);
    store.perform(&pruning(&blocks, &pruned)).unwrap();
    assert_eq!(files_named(datadir, "blk"), block_files - GONE);
    assert!(files_named(datadir, "rev") < undo_files);
    assert!(reader.block_bytes() < bytes);
    assert_eq!(reader.block_files().unwrap(), files[GONE..]);
    let read = |reader: &dyn Store| {
        for block in &blocks {
            let is_kept = !pruned.contains(&block.hash());
            assert_eq!(reader.block(&block.hash()).unwrap().is_some(), is_kept);
            assert_eq!(reader.undo(&block.hash()).unwrap().is_some(), is_kept);
        }
    };
    read(reader.as_ref());
    // One that comes again is kept like any other, without undo data.
    let again = blocks.iter().find(|block| block.hash() == pruned[0]).unwrap();
    store.perform(&Output::StoreBlock(again.clone())).unwrap();
    assert!(reader.block(&again.hash()).unwrap().is_some());
    drop((store, reader));
    let (mut store, reader, loaded) = opened(Disk::default(), datadir).unwrap();
    assert!(reader.block(&again.hash()).unwrap().is_some() && reader.undo(&again.hash()).unwrap().is_none());
    assert_eq!(loaded.entries.iter().filter(|entry| entry.is_pruned).count(), pruned.len());
    store.perform(&pruning(&blocks, &[again.hash()])).unwrap();
    read(reader.as_ref());
}

#[test]
fn a_pruned_directory_is_opened_by_a_node_that_prunes_or_rebuilt_from_nothing() {
    let directory = scratch();
    let datadir = directory.path();
    let blocks = filled(datadir);
    let (mut store, reader, _) = opened(Disk::default(), datadir).unwrap();
    let pruned = oldest(&reader.block_files().unwrap());
    store.perform(&pruning(&blocks, &pruned)).unwrap();
    drop((store, reader));
    let refusal = open(datadir).err().unwrap().0;
    assert!(refusal.contains("--prune") && refusal.contains("--reindex"), "{refusal}");
    let with_filters = StoreConfig { block_filters: true, ..config() };
    let refusal = DiskStore::open(datadir, &spec(), &with_filters).err().unwrap().0;
    assert!(refusal.contains("was pruned") && refusal.contains("--reindex"), "{refusal}");
    // The files above the gap are of no use without those below: all blocks are fetched again.
    let rebuild = StoreConfig { reindex: true, ..config() };
    let (_store, reader, loaded) = DiskStore::open(datadir, &spec(), &rebuild).unwrap();
    assert_eq!((loaded.coins_tip, loaded.entries.len(), files_named(datadir, "blk")), (None, 0, 0));
    assert_eq!(reader.block_bytes(), 0);
}

#[test]
fn failing_at_any_step_leaves_all_of_it_or_none_and_no_file_behind() {
    let source = scratch();
    let blocks = filled(source.path());
    for fail_at in 0.. {
        let directory = scratch();
        let datadir = directory.path();
        copy_directory(source.path(), datadir);
        let (disk, faults) = Disk::failing(fail_at, 10);
        if let Ok((mut store, reader, _)) = opened(disk, datadir) {
            let pruned = oldest(&reader.block_files().unwrap());
            let _ = store.perform(&pruning(&blocks, &pruned));
        }
        let (_store, reader, loaded) = opened(Disk::default(), datadir).unwrap();
        let pruned = loaded.entries.iter().filter(|entry| entry.is_pruned).count();
        let missing = blocks.iter().filter(|block| reader.block(&block.hash()).unwrap().is_none()).count();
        assert_eq!(pruned, missing, "step {fail_at}");
        let files = reader.block_files().unwrap();
        assert_eq!(files_named(datadir, "blk"), files.len() + 1, "step {fail_at}: no file without a block in it");
        assert!(files.iter().all(|file| !file.blocks.is_empty()), "step {fail_at}");
        if !faults.fired() {
            assert!(fail_at > 10 && pruned > 0);
            break;
        }
    }
}
