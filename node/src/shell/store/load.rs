//! Opening: what the database knows, and what the files hold beyond it.
//!
//! The block files are the log: a block is in them before anybody is told that it was accepted. What they hold past the
//! place the database knows of (everything, for `--reindex`) is linked to the index here and put into the database before
//! the core sees it.

use super::StoreConfig;
use super::directory::Directory;
use super::disk::Disk;
use super::error::{damaged, io_error, missing, state_error};
use super::files::{FileSet, Position};
use super::keys::{self, BlockPosition, IndexValue, Meta};
use super::redo::{Left, Redo};
use super::scan::Damage;
use super::shared::Shared;
use super::state::State;
use super::txindex;
use crate::core::store::{IndexEntry, Loaded, Status, StoreError};
use crate::shell::clock;
use chain_spec::rules::block::check_block;
use chain_spec::{Block, BlockHash, ChainSpec, Decode, Header};
use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Up to this many coins, their sum is compared on every start (some 20 ms); beyond, whenever all of them are read.
const COINS_CHECKED_MAX: u64 = 20_000;

/// Bytes of blocks that are judged together while the block files are read.
const BATCH_BYTES: usize = 16 << 20;
/// Blocks that are judged together.
const BATCH_BLOCKS: usize = 1_024;
/// How often the log says how far reading the block files is.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);

/// What is said of a database that has lost the record of its format and its last commit.
const NO_META: &str = "the record of its last commit is gone";

/// Where there are blocks, the files that every store with blocks has must be there.
pub(super) fn check_files(directory: &Directory, reindex: bool, blocks: &FileSet) -> Result<(), StoreError> {
    let needed = [directory.state().join("db"), directory.journal()];
    match needed.iter().find(|path| !path.exists()) {
        Some(path) if !reindex && has_blocks(blocks)? => Err(missing(path)),
        _ => Ok(()),
    }
}

/// Whether a block has been stored: if so, every other file was there before.
pub(super) fn has_blocks(blocks: &FileSet) -> Result<bool, StoreError> {
    Ok(blocks.list()?.iter().any(|&(_, length)| length > 0))
}

/// Opens the coin database, or creates it where nothing can be lost by that.
pub(super) fn open_state(
    directory: &Directory,
    config: &StoreConfig,
    reindex: bool,
    blocks: &FileSet,
    disk: &Disk,
) -> Result<State, StoreError> {
    let path = directory.state();
    let state = match State::open(&path, config.cache_bytes, disk.clone()) {
        Err(error) if path.exists() && !has_blocks(blocks)? => {
            // Killed while it was being created: a node stores its first block before it commits anything.
            tracing::warn!("{error}; there are no blocks, so that the database is created anew");
            disk.step("remove the database")?;
            std::fs::remove_dir_all(&path).map_err(|error| io_error("remove", &path, &error))?;
            State::open(&path, config.cache_bytes, disk.clone())?
        }
        opened => opened?,
    };
    match state.meta()? {
        Some(meta) if meta.format != keys::FORMAT => {
            let what = format_args!("it is in format {}, and this version reads {}", meta.format, keys::FORMAT);
            Err(state_error(&path, what))
        }
        Some(_) => Ok(state),
        None if !reindex && has_blocks(blocks)? => Err(state_error(&path, NO_META)),
        None => {
            let meta = Meta { format: keys::FORMAT, txindex: config.txindex, ..Meta::default() };
            state.set_meta(&meta)?;
            state.flush()?;
            state.sync()?;
            Ok(state)
        }
    }
}

/// Opens at what the database and the files hold together.
pub(super) fn load(
    shared: &Shared,
    spec: &ChainSpec,
    disk: &Disk,
    (redo, left): (&Redo, Left),
    reindex: bool,
) -> Result<(Meta, Loaded), StoreError> {
    let mut meta = finish_commit(shared, redo, left)?;
    let mut index = Index::read(shared, spec)?;
    if !shared.prunes && index.0.values().any(|entry| entry.is_pruned) {
        return Err(StoreError(format!(
            "the blocks in {} were pruned; start with --prune again, or once with --reindex, which downloads the whole chain \
             anew, to keep all blocks",
            shared.directory.blocks().display()
        )));
    }
    let found = find(shared, spec, disk, &mut meta, reindex)?;
    let changed = index.add(spec, &found);
    persist(shared, &meta, &index, &changed, &found)?;
    let loaded = Loaded {
        coins_tip: meta.coins_tip.map(BlockHash::from_bytes),
        entries: index.into_entries(),
        transactions: Vec::new(),
    };
    Ok((meta, loaded))
}

/// Applies a commit that a crash interrupted, and checks that the database has every commit it was given.
fn finish_commit(shared: &Shared, redo: &Redo, left: Left) -> Result<Meta, StoreError> {
    let path = shared.directory.state();
    let state = &shared.state;
    let Some(mut meta) = state.meta()? else {
        return Err(state_error(&path, NO_META));
    };
    match left {
        Left::Commit(committed) if committed.sequence == meta.sequence + 1 => {
            tracing::info!("finishing an interrupted commit");
            redo.replay(|changes| state.apply(changes.into_iter(), &mut meta.coins))?;
            // Some of them had been made before, so what those replaced cannot be known any more: sum all coins.
            meta = Meta { coins: state.sum_coins()?, ..committed };
            state.set_meta(&meta)?;
            state.flush()?;
            state.sync()?;
        }
        Left::Commit(committed) | Left::Applied(committed) if committed.sequence > meta.sequence => {
            let what = format_args!("it is at commit {}, but {} were made", meta.sequence, committed.sequence);
            return Err(state_error(&path, what));
        }
        _ if meta.applying => return Err(state_error(&path, "a commit was interrupted and the redo log has lost it")),
        _ => {}
    }
    if meta.coins.count <= COINS_CHECKED_MAX {
        state.check_coins()?;
    }
    Ok(meta)
}

/// The header index by hash.
#[derive(Default)]
struct Index(FxHashMap<BlockHash, IndexEntry>);

/// Records past the place the database knows of.
#[derive(Default)]
struct Found {
    blocks: Vec<FoundBlock>,
    undos: Vec<(BlockHash, Position)>,
}

struct FoundBlock {
    hash: BlockHash,
    header: Header,
    position: BlockPosition,
}

impl Index {
    /// Reads the committed index and compares it with what the files can hold.
    fn read(shared: &Shared, spec: &ChainSpec) -> Result<Index, StoreError> {
        let mut index = Index::default();
        shared.state.for_all(keys::INDEX, |key, value| {
            let entry = keys::decode::<IndexValue>(value).and_then(|value| value.entry());
            let (hash, entry) = keys::hash_of(key).zip(entry).ok_or_else(|| shared.state.unreadable(key))?;
            index.0.insert(hash, entry);
            Ok(())
        })?;
        let stored = index.read_positions(shared)?;
        let connected = undo_positions(shared)?;
        let genesis = spec.genesis_hash();
        let lost = |(hash, entry): &(&BlockHash, &IndexEntry)| match entry.status {
            _ if **hash == genesis || entry.is_pruned => false,
            Status::Stored => !stored.contains(*hash),
            Status::Valid => !stored.contains(*hash) || !connected.contains(*hash),
            Status::Header | Status::Invalid | Status::InvalidAncestor => false,
        };
        let adrift = |(hash, entry): &(&BlockHash, &IndexEntry)| {
            **hash != genesis && !index.0.contains_key(&entry.header.previous)
        };
        match index.0.iter().find(|entry| lost(entry) || adrift(entry)) {
            Some((hash, entry)) => Err(state_error(
                &shared.directory.state(),
                format_args!("it has lost what belongs to block {hash} at height {}", entry.height),
            )),
            None => Ok(index),
        }
    }

    /// The blocks whose places are known. One that was stored before its header was committed counts from now on.
    fn read_positions(&mut self, shared: &Shared) -> Result<FxHashSet<BlockHash>, StoreError> {
        let mut stored = FxHashSet::default();
        let mut ends = Ends::default();
        shared.state.for_all(keys::BLOCK, |key, value| {
            let place = keys::decode::<BlockPosition>(value);
            let (hash, place) = keys::hash_of(key).zip(place).ok_or_else(|| shared.state.unreadable(key))?;
            ends.cover(place.position);
            stored.insert(hash);
            if let Some(entry) = self.0.get_mut(&hash).filter(|entry| entry.status == Status::Header) {
                (entry.status, entry.transactions) = (Status::Stored, place.transactions);
            }
            Ok(())
        })?;
        ends.check(&shared.blocks)?;
        Ok(stored)
    }

    /// Links found blocks to their parents, whatever order they come in, and returns the hashes whose entries changed.
    fn add(&mut self, spec: &ChainSpec, found: &Found) -> Vec<BlockHash> {
        let genesis = spec.genesis_hash();
        let mut changed = Vec::new();
        let mut children: FxHashMap<BlockHash, Vec<&FoundBlock>> = FxHashMap::default();
        let mut ready: Vec<(&FoundBlock, u32, Status)> = Vec::new();
        for block in &found.blocks {
            if let Some(entry) = self.0.get_mut(&block.hash) {
                if entry.status == Status::Header {
                    (entry.status, entry.transactions) = (Status::Stored, block.position.transactions);
                    changed.push(block.hash);
                }
            } else if block.hash == genesis {
                ready.push((block, 0, Status::Stored));
            } else if let Some(parent) = self.0.get(&block.header.previous) {
                ready.push((block, parent.height + 1, status_below(parent.status)));
            } else {
                children.entry(block.header.previous).or_default().push(block);
            }
        }
        while let Some((block, height, status)) = ready.pop() {
            let transactions = block.position.transactions;
            let entry = IndexEntry { header: block.header, height, transactions, status, is_pruned: false };
            if self.0.insert(block.hash, entry).is_none() {
                changed.push(block.hash);
            }
            let next = children.remove(&block.hash).unwrap_or_default();
            ready.extend(next.into_iter().map(|child| (child, height + 1, status_below(status))));
        }
        if !children.is_empty() {
            let count: usize = children.values().map(Vec::len).sum();
            tracing::warn!(
                "{count} stored blocks have no stored parent; they count once their headers are known again"
            );
        }
        for (hash, _) in &found.undos {
            if let Some(entry) = self.0.get_mut(hash).filter(|entry| entry.status == Status::Stored) {
                entry.status = Status::Valid;
                changed.push(*hash);
            }
        }
        changed
    }

    /// Parents before children.
    fn into_entries(self) -> Vec<IndexEntry> {
        let mut entries: Vec<_> = self.0.into_values().collect();
        entries.sort_unstable_by_key(|entry| entry.height);
        entries
    }
}

/// What a stored block is when its parent has `parent`'s status.
fn status_below(parent: Status) -> Status {
    match parent {
        Status::Invalid | Status::InvalidAncestor => Status::InvalidAncestor,
        Status::Header | Status::Stored | Status::Valid => Status::Stored,
    }
}

/// The blocks whose undo data's places are known.
fn undo_positions(shared: &Shared) -> Result<FxHashSet<BlockHash>, StoreError> {
    let mut connected = FxHashSet::default();
    let mut ends = Ends::default();
    shared.state.for_all(keys::UNDO, |key, value| {
        let place = keys::decode::<Position>(value);
        let (hash, place) = keys::hash_of(key).zip(place).ok_or_else(|| shared.state.unreadable(key))?;
        ends.cover(place);
        connected.insert(hash);
        Ok(())
    })?;
    ends.check(&shared.undos)?;
    Ok(connected)
}

/// How long each file must at least be.
#[derive(Default)]
struct Ends(FxHashMap<u32, u64>);

impl Ends {
    fn cover(&mut self, position: Position) {
        let end = self.0.entry(position.file).or_default();
        *end = position.end().max(*end);
    }
    /// Refuses a file that is shorter than what the index says is in it, or gone.
    fn check(&self, set: &FileSet) -> Result<(), StoreError> {
        let lengths: FxHashMap<u32, u64> = set.list()?.into_iter().collect();
        for (&file, &end) in &self.0 {
            let path = set.path(file);
            match lengths.get(&file) {
                None => return Err(missing(&path)),
                Some(&length) if length < end => {
                    return Err(damaged(&path, length, format_args!("it ends here, but {end} bytes were written")));
                }
                Some(_) => {}
            }
        }
        Ok(())
    }
}

/// Scans what the files hold past the place the database knows of, and moves that place.
fn find(shared: &Shared, spec: &ChainSpec, disk: &Disk, meta: &mut Meta, reindex: bool) -> Result<Found, StoreError> {
    let damage = if reindex { Damage::Skip } else { Damage::Refuse };
    let mut found = Found::default();
    let mut batch = Batch { shared, spec, reindex, records: Vec::new(), bytes: 0, read: 0, told: clock::instant() };
    meta.blocks = shared.blocks.scan(disk, meta.blocks, damage, |position, record, payload| {
        batch.push(position, record.hash(), payload, &mut found.blocks)
    })?;
    batch.judge(&mut found.blocks)?;
    meta.undos = shared.undos.scan(disk, meta.undos, damage, |position, record, _| {
        found.undos.push((record.hash(), position));
        Ok(())
    })?;
    Ok(found)
}

/// Records of blocks that are judged together, on all cores.
struct Batch<'a> {
    shared: &'a Shared,
    spec: &'a ChainSpec,
    reindex: bool,
    records: Vec<(Position, BlockHash, Vec<u8>)>,
    bytes: usize,
    /// Blocks judged so far.
    read: u64,
    /// When the log was told so.
    told: Instant,
}

impl Batch<'_> {
    fn push(
        &mut self,
        position: Position,
        hash: BlockHash,
        payload: &[u8],
        found: &mut Vec<FoundBlock>,
    ) -> Result<(), StoreError> {
        self.records.push((position, hash, payload.to_vec()));
        self.bytes += payload.len();
        if self.bytes < BATCH_BYTES && self.records.len() < BATCH_BLOCKS { Ok(()) } else { self.judge(found) }
    }
    /// Judges what was gathered, and hands on what are blocks, in their order.
    fn judge(&mut self, found: &mut Vec<FoundBlock>) -> Result<(), StoreError> {
        let records = std::mem::take(&mut self.records);
        self.bytes = 0;
        self.read += records.len() as u64;
        let judge =
            |(_, hash, payload): &(Position, BlockHash, Vec<u8>)| read_block(self.spec, *hash, payload, self.reindex);
        let judged: Vec<Result<(Header, u32), String>> = records.par_iter().map(judge).collect();
        for ((position, hash, _), judged) in records.into_iter().zip(judged) {
            let path = || self.shared.blocks.path(position.file);
            match judged {
                Ok((header, transactions)) => {
                    found.push(FoundBlock { hash, header, position: BlockPosition { position, transactions } });
                }
                Err(what) if self.reindex => {
                    tracing::warn!("skipped block {hash} at byte {} of {}: {what}", position.offset, path().display());
                }
                Err(what) => return Err(damaged(&path(), position.offset.into(), what)),
            }
        }
        if self.told.elapsed() >= PROGRESS_INTERVAL {
            tracing::info!("read {} blocks from the block files", self.read);
            self.told = clock::instant();
        }
        Ok(())
    }
}

/// The header and the number of transactions; with `check`, the whole block passes the context-free rules as well.
fn read_block(spec: &ChainSpec, hash: BlockHash, payload: &[u8], check: bool) -> Result<(Header, u32), String> {
    let mut input = payload;
    let header = Header::decode(&mut input).map_err(|error| error.to_string())?;
    if header.hash() != hash {
        return Err(format!("this is not block {hash}"));
    }
    let count = chain_spec::encode::decode_compact_size(&mut input).map_err(|error| error.to_string())?;
    let transactions = u32::try_from(count).map_err(|error| error.to_string())?;
    if check && hash != spec.genesis_hash() {
        let block = Block::from_bytes(payload).map_err(|error| error.to_string())?;
        check_block(Arc::new(block), spec).map_err(|error| error.to_string())?;
        chain_spec::rules::header::check_proof_of_work(&header, spec).map_err(|error| error.to_string())?;
    }
    Ok((header, transactions))
}

/// Puts what was found into the database. The new place comes last: a crash in between is a scan repeated.
fn persist(
    shared: &Shared,
    meta: &Meta,
    index: &Index,
    changed: &[BlockHash],
    found: &Found,
) -> Result<(), StoreError> {
    if found.blocks.is_empty() && found.undos.is_empty() {
        return Ok(());
    }
    let state = &shared.state;
    for block in &found.blocks {
        state.set(&keys::hash_key(keys::BLOCK, block.hash.as_bytes()), keys::encode(&block.position)?)?;
    }
    for (hash, position) in &found.undos {
        state.set(&keys::hash_key(keys::UNDO, hash.as_bytes()), keys::encode(position)?)?;
    }
    for hash in changed {
        if let Some(entry) = index.0.get(hash) {
            state.set(&keys::hash_key(keys::INDEX, hash.as_bytes()), keys::encode(&IndexValue::from(entry))?)?;
        }
    }
    state.flush()?;
    if shared.txindex && meta.txindex && !found.undos.is_empty() {
        let active = txindex::active_chain(shared, meta)?;
        for (hash, _) in &found.undos {
            txindex::add_stored(shared, hash, &active)?;
        }
    }
    state.set_meta(meta)?;
    state.flush()?;
    state.sync()
}
