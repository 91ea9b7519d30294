//! What the one writer and any number of readers share: files, database, and what is not in the database yet.

use super::StoreConfig;
use super::directory::Directory;
use super::error::damaged;
use super::files::{FileSet, Position};
use super::index_entries::{self, Kept, PendingIndexes};
use super::keys::{self, BlockPosition};
use super::state::State;
use crate::core::store::{BlockFilter, StoreError};
use chain_spec::{Block, BlockHash, BlockUndo, CheckedBlock, Decode, Txid};
use rustc_hash::FxHashMap;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Blocks kept in memory after they were stored: they are asked for again at once, by the core and by peers.
const RECENT_BLOCKS_MAX: usize = 64;
/// Bytes of blocks kept in memory after they were stored.
const RECENT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The shared half of an open store.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) state: State,
    pub(super) blocks: Arc<FileSet>,
    pub(super) undos: Arc<FileSet>,
    pub(super) txindex: bool,
    /// Whether blocks may have been deleted.
    pub(super) prunes: bool,
    /// Bytes of block and undo files.
    block_bytes: AtomicU64,
    /// Which of the other indexes are kept.
    pub(super) kept: Kept,
    /// Connected without undo data, since it spends nothing.
    pub(super) genesis: Block,
    pending: RwLock<Pending>,
    recent: Mutex<Recent>,
    /// Readers that want the committed coins to stand still. None begins while a commit waits: both happen on the core's thread.
    holds: Mutex<usize>,
    released: Condvar,
    /// Last, so that the lock is let go of when everything else is closed.
    pub(super) directory: Directory,
}

/// Positions and index entries that the next commit puts into the database.
#[derive(Debug, Default)]
pub(super) struct Pending {
    pub(super) blocks: FxHashMap<BlockHash, BlockPosition>,
    pub(super) undos: FxHashMap<BlockHash, Position>,
    pub(super) transactions: FxHashMap<Txid, BlockHash>,
    pub(super) indexes: PendingIndexes,
}

#[derive(Debug, Default)]
struct Recent {
    blocks: VecDeque<Arc<CheckedBlock>>,
    bytes: usize,
}

impl Shared {
    pub(super) fn new(
        directory: Directory,
        state: State,
        (blocks, undos): (FileSet, FileSet),
        config: &StoreConfig,
        genesis: Block,
    ) -> Shared {
        Shared {
            state,
            blocks: Arc::new(blocks),
            undos: Arc::new(undos),
            txindex: config.txindex,
            prunes: config.prune,
            block_bytes: AtomicU64::new(0),
            kept: Kept { filters: config.block_filters, spenders: config.spenders },
            genesis,
            pending: RwLock::default(),
            recent: Mutex::default(),
            holds: Mutex::default(),
            released: Condvar::new(),
            directory,
        }
    }
    /// Bytes of all block and undo files.
    pub(super) fn file_bytes(&self) -> u64 {
        self.block_bytes.load(Ordering::Relaxed)
    }
    /// More was written to the block and undo files.
    pub(super) fn add_bytes(&self, bytes: usize) {
        self.block_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }
    /// Looks how large the block and undo files are.
    pub(super) fn measure(&self) -> Result<(), StoreError> {
        let bytes = |set: &FileSet| Ok::<u64, StoreError>(set.list()?.iter().map(|(_, length)| length).sum());
        self.block_bytes.store(bytes(&self.blocks)? + bytes(&self.undos)?, Ordering::Relaxed);
        Ok(())
    }
    pub(super) fn pending(&self) -> RwLockReadGuard<'_, Pending> {
        self.pending.read().unwrap_or_else(PoisonError::into_inner)
    }
    pub(super) fn pending_mut(&self) -> RwLockWriteGuard<'_, Pending> {
        self.pending.write().unwrap_or_else(PoisonError::into_inner)
    }
    fn holds(&self) -> MutexGuard<'_, usize> {
        self.holds.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Waits until nobody needs the committed coins as they are.
    pub(super) fn wait_for_readers(&self) {
        let released = self.released.wait_while(self.holds(), |holds| *holds > 0);
        drop(released.unwrap_or_else(PoisonError::into_inner));
    }
    fn recent_blocks(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
    pub(super) fn block_position(&self, hash: &BlockHash) -> Result<Option<BlockPosition>, StoreError> {
        if let Some(position) = self.pending().blocks.get(hash) {
            return Ok(Some(*position));
        }
        self.state.value(&keys::hash_key(keys::BLOCK, hash.as_bytes()))
    }
    pub(super) fn undo_position(&self, hash: &BlockHash) -> Result<Option<Position>, StoreError> {
        if let Some(position) = self.pending().undos.get(hash) {
            return Ok(Some(*position));
        }
        self.state.value(&keys::hash_key(keys::UNDO, hash.as_bytes()))
    }
    /// A connected block's filter. The genesis block's is made when it is asked for.
    pub(super) fn filter(&self, hash: &BlockHash) -> Result<Option<BlockFilter>, StoreError> {
        if !self.kept.filters {
            return Ok(None);
        }
        if let Some(filter) = self.pending().indexes.filter(hash) {
            return Ok(Some(filter.clone()));
        }
        let key = keys::hash_key(keys::FILTER, hash.as_bytes());
        match self.state.get(&key)? {
            Some(value) => index_entries::read_filter(&value).map(Some).ok_or_else(|| self.state.unreadable(&key)),
            None if *hash == self.genesis.header.hash() => Ok(Some(index_entries::genesis_filter(&self.genesis))),
            None => Ok(None),
        }
    }
    /// Remembers a block that was just stored.
    pub(super) fn remember(&self, block: &Arc<CheckedBlock>) {
        let mut recent = self.recent_blocks();
        recent.bytes += block.size();
        recent.blocks.push_back(block.clone());
        while recent.blocks.len() > RECENT_BLOCKS_MAX || (recent.bytes > RECENT_BYTES_MAX && recent.blocks.len() > 1) {
            recent.bytes -= recent.blocks.pop_front().map_or(0, |block| block.size());
        }
    }
    pub(super) fn recent(&self, hash: &BlockHash) -> Option<Arc<CheckedBlock>> {
        self.recent_blocks().blocks.iter().rev().find(|block| block.hash() == *hash).cloned()
    }
    /// A block from memory or its file.
    pub(super) fn stored_block(&self, hash: &BlockHash) -> Result<Option<Arc<Block>>, StoreError> {
        if let Some(recent) = self.recent(hash) {
            return Ok(Some(recent.block().clone()));
        }
        let Some(place) = self.block_position(hash)? else { return Ok(None) };
        self.read_block(hash, place.position).map(|block| Some(Arc::new(block)))
    }
    /// Reads a block from its file.
    pub(super) fn read_block(&self, hash: &BlockHash, position: Position) -> Result<Block, StoreError> {
        read(&self.blocks, hash, position)
    }
    /// Reads undo data from its file.
    pub(super) fn read_undo(&self, hash: &BlockHash, position: Position) -> Result<BlockUndo, StoreError> {
        read(&self.undos, hash, position)
    }
}

fn read<T: Decode>(set: &FileSet, hash: &BlockHash, position: Position) -> Result<T, StoreError> {
    let payload = set.read(position, hash.as_bytes())?;
    T::from_bytes(&payload).map_err(|error| {
        damaged(&set.path(position.file), position.offset.into(), format_args!("the data of block {hash}: {error}"))
    })
}

/// One reason for a commit of coins to wait.
pub(super) struct CoinHold(Arc<Shared>);

impl CoinHold {
    /// Commits of coins wait until it is dropped.
    pub(super) fn new(shared: &Arc<Shared>) -> CoinHold {
        *shared.holds() += 1;
        CoinHold(shared.clone())
    }
}

impl Drop for CoinHold {
    fn drop(&mut self) {
        *self.0.holds() -= 1;
        self.0.released.notify_all();
    }
}
