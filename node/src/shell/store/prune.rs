//! Deleting the files of old blocks (`--prune`). Which blocks may go is the core's to say.
//!
//! A commit takes the places of the blocks and of their undo data out of the database; then the files that no place is left
//! in are deleted. A crash in between leaves such files behind, which the next start deletes. Block and undo files are filled
//! independently of one another, so an undo file goes later than the blocks it belongs to.

use super::disk::Disk;
use super::files::{FileSet, Position};
use super::keys::{self, BlockPosition, Meta};
use super::record::HEADER_LEN;
use super::shared::Shared;
use crate::core::store::{BlockFile, StoreError};
use chain_spec::BlockHash;
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::BTreeMap;

/// The files of blocks but the newest, from the oldest on.
pub(super) fn block_files(shared: &Shared) -> Result<Vec<BlockFile>, StoreError> {
    let mut sizes = shared.blocks.list()?;
    sizes.pop();
    let new = |(file, bytes)| (file, BlockFile { bytes, blocks: Vec::new() });
    let mut files: BTreeMap<u32, BlockFile> = sizes.into_iter().map(new).collect();
    let mut file_of: FxHashMap<BlockHash, u32> = FxHashMap::default();
    each_block(shared, |hash, position| {
        if let Some(file) = files.get_mut(&position.file) {
            file.blocks.push(hash);
            file_of.insert(hash, position.file);
        }
    })?;
    each_undo(shared, |hash, position| {
        if let Some(file) = file_of.get(&hash).and_then(|file| files.get_mut(file)) {
            file.bytes += HEADER_LEN as u64 + u64::from(position.length);
        }
    })?;
    Ok(files.into_values().collect())
}

/// Deletes the files that hold nothing that the database knows of, but those that are written to.
pub(super) fn remove_unused(shared: &Shared, meta: &Meta, disk: &Disk) -> Result<(), StoreError> {
    let (mut blocks, mut undos) = (FxHashSet::default(), FxHashSet::default());
    each_block(shared, |_, position| {
        blocks.insert(position.file);
    })?;
    each_undo(shared, |_, position| {
        undos.insert(position.file);
    })?;
    remove_others(&shared.blocks, &blocks, meta.blocks.file, disk)?;
    remove_others(&shared.undos, &undos, meta.undos.file, disk)
}

fn remove_others(set: &FileSet, used: &FxHashSet<u32>, end: u32, disk: &Disk) -> Result<(), StoreError> {
    for (file, _) in set.list()?.into_iter().filter(|(file, _)| *file < end && !used.contains(file)) {
        disk.step("remove a pruned file")?;
        set.remove(file)?;
    }
    Ok(())
}

fn each_block(shared: &Shared, mut visit: impl FnMut(BlockHash, Position)) -> Result<(), StoreError> {
    shared.state.for_all(keys::BLOCK, |key, value| {
        let place = keys::decode::<BlockPosition>(value);
        let (hash, place) = keys::hash_of(key).zip(place).ok_or_else(|| shared.state.unreadable(key))?;
        visit(hash, place.position);
        Ok(())
    })?;
    shared.pending().blocks.iter().for_each(|(hash, place)| visit(*hash, place.position));
    Ok(())
}

fn each_undo(shared: &Shared, mut visit: impl FnMut(BlockHash, Position)) -> Result<(), StoreError> {
    shared.state.for_all(keys::UNDO, |key, value| {
        let place = keys::decode::<Position>(value);
        let (hash, place) = keys::hash_of(key).zip(place).ok_or_else(|| shared.state.unreadable(key))?;
        visit(hash, place);
        Ok(())
    })?;
    shared.pending().undos.iter().for_each(|(hash, place)| visit(*hash, *place));
    Ok(())
}
