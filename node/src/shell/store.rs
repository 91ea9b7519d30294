//! The store on disk: what the [`core`](crate::core) asks to be kept, kept so that kill -9 and power cuts lose nothing that
//! was acknowledged.
//!
//! ```text
//! DATADIR/.lock           held by the process that uses the directory
//!         chain.json      which chain this is
//!         blocks/blk*.dat blocks, in the order they came (the log everything else can be rebuilt from)
//!         blocks/rev*.dat undo data of connected blocks
//!         state/          sled: coins, header index, where blocks are, the optional indexes
//!         commit.dat      redo log of the commit that is being made
//!         submitted.dat   locally submitted transactions that are not mined yet
//! ```
//!
//! [`DiskStore::perform`] carries out the five store outputs in the order they are given. Blocks, undo data and submitted
//! transactions are appended to their files with one write each before it returns; that survives the end of the process.
//! A commit, of any size, first syncs the files, then goes through a redo log into the coin database, which is synced too:
//! it is whole or absent after kill -9 and after a power cut, and the database never knows of a record which the disk does
//! not have. On [`open`](DiskStore::open), records that are newer than the last commit are found by a scan and returned with
//! the index.
//!
//! Why a log of our own beside sled's: sled offers one `Batch`, or a transaction, as its atomic write, and neither takes a
//! whole coin cache. Measured on two cores: a transaction of 200,000 operations took 3 to 6 s and a gigabyte; a batch of
//! 10,000 changes to 100,000 coins took twice the time of single changes in key order, and left the process at 350 MB
//! instead of 45 MB, for good. Batches of 10,000 would be small enough, but then a flush is many commits, and whoever opens
//! after a crash between two of them must undo and redo blocks over half-flushed coins. With the log a flush is one commit:
//! the changes are written twice, once in a row and once into sled, and no coin set is ever between two blocks.
//!
//! Every read from a file compares a checksum, and the coins as a whole have one. Every failure names the file and the
//! remedy; after one that happened while writing, the store takes no further writes.
//!
//! Absent: judging (what is stored has been checked by [`chain_spec::rules`]), caching of coins (the core's), choosing what is pruned
//! (the core's too; files are deleted whole, see [`prune`]).

pub mod block_filter;
mod directory;
mod disk;
mod error;
mod files;
mod index_entries;
mod indexes;
mod inspect;
mod journal;
mod keys;
mod load;
mod panics;
mod prune;
mod reader;
mod record;
mod redo;
mod scan;
mod shared;
mod state;
#[cfg(test)]
mod tests;
mod txindex;

use crate::core::event::Output;
use crate::core::store::{Commit, Loaded, Store, StoreError};
use chain_spec::{BlockHash, BlockUndo, ChainSpec, CheckedBlock, Encode};
pub use inspect::{Depth, Inspector};

use directory::Directory;
use disk::Disk;
use files::{Appender, FileSet};
use journal::Journal;
use keys::{BlockPosition, IndexValue, Meta};
use reader::Reader;
use record::{Kind, frame};
use redo::{Change, Redo};
use scan::Damage;
use shared::Shared;
use std::path::Path;
use std::sync::Arc;

/// What one changed coin takes on the disk, in the redo log and in sled, bytes; generous.
const COIN_BYTES_WRITTEN: u64 = 400;

/// Options of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreConfig {
    /// Memory for the database's own cache, bytes. Coins are cached by the core (`--dbcache`), so little is enough.
    pub cache_bytes: u64,
    /// Keep the index from transactions to blocks (`--txindex`).
    pub txindex: bool,
    /// Keep the filters of connected blocks (`--blockfilterindex`).
    pub block_filters: bool,
    /// Keep the index from coins to what spends them (`--txospenderindex`).
    pub spenders: bool,
    /// Whether blocks may have been, and may be, deleted (`--prune`).
    pub prune: bool,
    /// A block or undo file is not appended to past this many bytes (`--fastprune` makes them small).
    pub file_bytes_max: u64,
    /// Rebuild everything from the block files (`--reindex`).
    pub reindex: bool,
}

impl Default for StoreConfig {
    fn default() -> StoreConfig {
        StoreConfig {
            cache_bytes: 32 * 1024 * 1024,
            txindex: false,
            block_filters: false,
            spenders: false,
            prune: false,
            file_bytes_max: files::FILE_BYTES_MAX,
            reindex: false,
        }
    }
}

/// The writing half of an open store; the reading half is the [`Store`] that [`DiskStore::open`] returns beside it.
/// The directory stays locked until both are dropped.
#[derive(Debug)]
pub struct DiskStore {
    shared: Arc<Shared>,
    disk: Disk,
    blocks: Appender,
    undos: Appender,
    journal: Journal,
    redo: Redo,
    meta: Meta,
    is_rebuilt: bool,
    /// The first failed write; there is no second.
    failure: Option<String>,
}

impl DiskStore {
    /// Opens or creates the store in `datadir` and takes the directory's lock.
    ///
    /// Fails with one line that says what to do if another process uses the directory, if it belongs to another chain, if a
    /// file is damaged, missing or not ours to write.
    pub fn open(
        datadir: &Path,
        spec: &ChainSpec,
        config: &StoreConfig,
    ) -> Result<(DiskStore, Box<dyn Store>, Loaded), StoreError> {
        DiskStore::open_on(Disk::default(), datadir, spec, config, || ())
    }

    /// The same, and calls `on_locked` as soon as the directory is this process's own and of the right chain. Opening may take
    /// long from there on.
    pub fn open_telling(
        datadir: &Path,
        spec: &ChainSpec,
        config: &StoreConfig,
        on_locked: impl FnOnce(),
    ) -> Result<(DiskStore, Box<dyn Store>, Loaded), StoreError> {
        DiskStore::open_on(Disk::default(), datadir, spec, config, on_locked)
    }

    fn open_on(
        disk: Disk,
        datadir: &Path,
        spec: &ChainSpec,
        config: &StoreConfig,
        on_locked: impl FnOnce(),
    ) -> Result<(DiskStore, Box<dyn Store>, Loaded), StoreError> {
        let directory = Directory::open(datadir, spec, config.reindex, &disk)?;
        on_locked();
        // sled may write while it opens, and does not take a full disk well.
        disk::check_space(datadir, 0)?;
        let blocks = FileSet::new(&directory.blocks(), Kind::Block);
        let undos = FileSet::new(&directory.blocks(), Kind::Undo);
        let reindex = directory.begin_reindex(config.reindex, config.prune, (&blocks, &undos), &disk)?;
        load::check_files(&directory, reindex, &blocks)?;
        let damage = if reindex { Damage::Skip } else { Damage::Refuse };
        let (journal, transactions) =
            Journal::open(&directory.journal(), disk.clone(), damage, load::has_blocks(&blocks)?)?;
        let state = load::open_state(&directory, config, reindex, &blocks, &disk)?;
        let genesis = spec.genesis.clone();
        let shared = Arc::new(Shared::new(directory, state, (blocks, undos), config, genesis));
        let (redo, left) = Redo::open(&shared.directory.redo(), disk.clone())?;
        let (mut meta, mut loaded) = load::load(&shared, spec, &disk, (&redo, left), reindex)?;
        txindex::switch(&shared, &mut meta)?;
        indexes::switch(&shared, &meta)?;
        loaded.transactions = transactions;
        if reindex {
            shared.directory.end_reindex(&disk)?;
        }
        if config.prune {
            prune::remove_unused(&shared, &meta, &disk)?;
        }
        shared.measure()?;
        let blocks = Appender::new(shared.blocks.clone(), disk.clone(), meta.blocks, config.file_bytes_max);
        let undos = Appender::new(shared.undos.clone(), disk.clone(), meta.undos, config.file_bytes_max);
        let reader = Box::new(Reader(shared.clone()));
        Ok((
            DiskStore { shared, disk, blocks, undos, journal, redo, meta, is_rebuilt: reindex, failure: None },
            reader,
            loaded,
        ))
    }

    /// Whether opening it began a rebuild (`--reindex`): the coins are to be made from all of its blocks.
    pub fn is_rebuilt(&self) -> bool {
        self.is_rebuilt
    }

    /// A way to look after the store beside the core.
    pub fn inspector(&self) -> Inspector {
        Inspector(self.shared.clone())
    }

    /// Carries out one of the five store outputs. Once it has returned, the effect survives kill -9; after a
    /// [`Commit`](Output::Commit), a power cut as well.
    ///
    /// After an error every further call fails with the same words: what is on disk stays a prefix of what was asked for.
    pub fn perform(&mut self, output: &Output) -> Result<(), StoreError> {
        if let Some(failure) = &self.failure {
            return Err(StoreError(failure.clone()));
        }
        let result = match output {
            Output::StoreBlock(block) => self.store_block(block),
            Output::StoreUndo(hash, undo) => self.store_undo(hash, undo),
            Output::Commit(commit) => self.commit(commit),
            Output::StoreTransaction(transaction) => self.journal.keep(transaction),
            Output::ForgetTransactions(txids) => self.journal.forget(txids),
            _ => Err(StoreError("the store was given an output that is not its own; this is a bug".to_owned())),
        };
        result.inspect_err(|error| self.failure = Some(error.0.clone()))
    }

    fn store_block(&mut self, block: &Arc<CheckedBlock>) -> Result<(), StoreError> {
        let hash = block.hash();
        if self.shared.block_position(&hash)?.is_some() {
            return Ok(());
        }
        let record = frame(Kind::Block, hash.as_bytes(), block.size(), |out| block.block().encode(out));
        let record = record.ok_or_else(|| too_long(&hash))?;
        let position = self.blocks.append(&record)?;
        self.shared.add_bytes(record.len());
        let transactions = block.txids().len() as u32;
        self.shared.remember(block);
        self.shared.pending_mut().blocks.insert(hash, BlockPosition { position, transactions });
        Ok(())
    }

    fn store_undo(&mut self, hash: &BlockHash, undo: &BlockUndo) -> Result<(), StoreError> {
        // A block that is connected once more has the same undo data, but its transactions are in the active chain again.
        if self.shared.undo_position(hash)?.is_none() {
            let record = frame(Kind::Undo, hash.as_bytes(), undo.encoded_len(), |out| undo.encode(out));
            let record = record.ok_or_else(|| too_long(hash))?;
            let position = self.undos.append(&record)?;
            self.shared.add_bytes(record.len());
            self.shared.pending_mut().undos.insert(*hash, position);
        }
        if self.shared.txindex {
            let txids = txindex::txids(&self.shared, hash)?;
            self.shared.pending_mut().transactions.extend(txids.into_iter().map(|txid| (txid, *hash)));
        }
        if self.shared.kept != index_entries::Kept::default()
            && let Some(block) = self.shared.stored_block(hash)?
        {
            indexes::add(&self.shared, hash, &block, undo)?;
        }
        Ok(())
    }

    fn commit(&mut self, commit: &Commit) -> Result<(), StoreError> {
        if !commit.coins.is_empty() || !commit.pruned.is_empty() {
            self.shared.wait_for_readers();
        }
        for hash in &commit.pruned {
            let mut pending = self.shared.pending_mut();
            pending.blocks.remove(hash);
            pending.undos.remove(hash);
        }
        disk::check_space(&self.shared.directory.state(), commit.coins.len() as u64 * COIN_BYTES_WRITTEN)?;
        // The disk has a record before the database knows where it is.
        self.blocks.sync()?;
        self.undos.sync()?;
        let mut meta = Meta { blocks: self.blocks.end(), undos: self.undos.end(), ..self.meta.clone() };
        if commit.coins_tip.is_some() {
            meta.coins_tip = commit.coins_tip.map(|hash| *hash.as_bytes());
        }
        meta.sequence += 1;
        let index = self.index_changes(commit)?;
        self.redo.begin(&meta, changes(commit, &index))?;
        self.shared.state.set_meta(&Meta { applying: true, ..self.meta.clone() })?;
        self.shared.state.apply(changes(commit, &index), &mut meta.coins)?;
        self.shared.state.set_meta(&meta)?;
        self.shared.state.flush()?;
        self.shared.state.sync()?;
        self.redo.finish(&meta)?;
        *self.shared.pending_mut() = shared::Pending::default();
        self.meta = meta;
        if !commit.pruned.is_empty() {
            prune::remove_unused(&self.shared, &self.meta, &self.disk)?;
            self.shared.measure()?;
        }
        Ok(())
    }

    /// What a commit changes in the database beside coins, in key order: index entries, and the positions of what was stored
    /// since the last commit.
    fn index_changes(&self, commit: &Commit) -> Result<Vec<Change>, StoreError> {
        let pending = self.shared.pending();
        let mut changes = Vec::new();
        for entry in &commit.entries {
            let key = keys::hash_key(keys::INDEX, entry.header.hash().as_bytes());
            changes.push(Change::set(key, keys::encode(&IndexValue::from(entry))?));
        }
        changes.extend(
            commit
                .forgotten
                .iter()
                .map(|hash| Change { key: keys::hash_key(keys::INDEX, hash.as_bytes()).to_vec(), value: None }),
        );
        for hash in &commit.pruned {
            let gone = |prefix| Change { key: keys::hash_key(prefix, hash.as_bytes()).to_vec(), value: None };
            changes.extend([gone(keys::BLOCK), gone(keys::UNDO)]);
        }
        for (hash, position) in &pending.blocks {
            changes.push(Change::set(keys::hash_key(keys::BLOCK, hash.as_bytes()), keys::encode(position)?));
        }
        for (hash, position) in &pending.undos {
            changes.push(Change::set(keys::hash_key(keys::UNDO, hash.as_bytes()), keys::encode(position)?));
        }
        for (txid, hash) in &pending.transactions {
            changes.push(Change::set(keys::hash_key(keys::TRANSACTION, txid.as_bytes()), hash.as_bytes().to_vec()));
        }
        changes.extend(pending.indexes.changes());
        changes.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(changes)
    }
}

/// A commit's changes one after the other, coins first. They are made as they are asked for: the coins of a large cache
/// would take its memory once more.
fn changes<'a>(commit: &'a Commit, index: &'a [Change]) -> impl Iterator<Item = Change> + 'a {
    let coins = commit
        .coins
        .iter()
        .map(|(outpoint, coin)| Change { key: keys::coin_key(outpoint), value: coin.as_ref().map(Encode::to_bytes) });
    coins.chain(index.iter().cloned())
}

fn too_long(hash: &BlockHash) -> StoreError {
    StoreError(format!("the data of block {hash} is too long to be stored; the chain spec's block size is too large"))
}
