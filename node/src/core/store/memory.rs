//! A store in memory, for tests and the simulator: the same contract as the disk's, and it can be told to fail at write *n*.
//!
//! Cloning shares the contents: one handle goes to the core to read from, the other performs the outputs.

use super::{BlockFile, Commit, IndexEntry, Loaded, Status, Store, StoreError};
use crate::core::event::Output;
use chain_spec::{Block, BlockHash, BlockUndo, CheckedTransaction, Coin, Encode, Outpoint, Txid};
use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Blocks that are deleted at once, as if a file held them.
const BLOCKS_PER_FILE: usize = 10;

/// A store in memory.
#[derive(Clone, Default)]
pub struct MemoryStore {
    // A lock that nobody ever waits for: a core's owner reads and performs by turns. `Store` must be `Send`, so no `RefCell`.
    contents: Arc<Mutex<Contents>>,
}

#[derive(Clone, Default)]
struct Contents {
    coins: BTreeMap<Outpoint, Coin>,
    coins_tip: Option<BlockHash>,
    entries: HashMap<BlockHash, IndexEntry>,
    /// Blocks in the order they were written, as in a block file.
    order: Vec<BlockHash>,
    blocks: HashMap<BlockHash, Arc<Block>>,
    undo: HashMap<BlockHash, Arc<BlockUndo>>,
    transactions: Vec<Arc<CheckedTransaction>>,
    writes: u64,
    writes_max: Option<u64>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> MemoryStore {
        MemoryStore::default()
    }

    /// Performs a store output; any other is a programming error and is reported as one.
    pub fn perform(&mut self, output: &Output) -> Result<(), StoreError> {
        let mut contents = self.lock();
        if contents.writes_max.is_some_and(|max| contents.writes >= max) {
            return Err(StoreError(format!("memory store: told to fail at write {}", contents.writes)));
        }
        contents.writes += 1;
        match output {
            Output::StoreBlock(block) => {
                if contents.blocks.insert(block.hash(), block.block().clone()).is_none() {
                    contents.order.push(block.hash());
                }
            }
            Output::StoreUndo(hash, undo) => {
                contents.undo.insert(*hash, undo.clone());
            }
            Output::Commit(commit) => contents.commit(commit),
            Output::StoreTransaction(transaction) => {
                contents.transactions.retain(|kept| kept.txid() != transaction.txid());
                contents.transactions.push(transaction.clone());
            }
            Output::ForgetTransactions(txids) => {
                contents.transactions.retain(|kept| !txids.contains(&kept.txid()));
            }
            other => return Err(StoreError(format!("memory store: not a store output: {other:?}"))),
        }
        Ok(())
    }

    /// What a core needs to open: as a disk store finds it after a crash.
    pub fn load(&self) -> Loaded {
        self.lock().load()
    }

    /// Writes performed so far.
    pub fn writes(&self) -> u64 {
        self.lock().writes
    }

    /// Fails every write after `writes` of them in all; `None` never fails.
    pub fn fail_after(&mut self, writes: Option<u64>) {
        self.lock().writes_max = writes;
    }

    /// A store with the same contents that does not share them.
    pub fn fork(&self) -> MemoryStore {
        MemoryStore { contents: Arc::new(Mutex::new(self.lock().clone())) }
    }

    fn lock(&self) -> MutexGuard<'_, Contents> {
        // Every update leaves the contents whole, so a panic elsewhere does not spoil them.
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Contents {
    fn commit(&mut self, commit: &Commit) {
        for (outpoint, coin) in &commit.coins {
            match coin {
                Some(coin) => self.coins.insert(*outpoint, coin.clone()),
                None => self.coins.remove(outpoint),
            };
        }
        if commit.coins_tip.is_some() {
            self.coins_tip = commit.coins_tip;
        }
        for entry in &commit.entries {
            self.entries.insert(entry.header.hash(), entry.clone());
        }
        for hash in &commit.forgotten {
            self.entries.remove(hash);
        }
        for hash in &commit.pruned {
            self.blocks.remove(hash);
            self.undo.remove(hash);
        }
        self.order.retain(|hash| self.blocks.contains_key(hash));
    }

    fn load(&self) -> Loaded {
        let mut entries: Vec<IndexEntry> = self.entries.values().cloned().collect();
        let mut heights: HashMap<BlockHash, u32> =
            self.entries.iter().map(|(hash, entry)| (*hash, entry.height)).collect();
        // A child may have been written before its parent, so the blocks without an entry are gone through until none fits.
        let mut waiting: Vec<&BlockHash> = self.order.iter().filter(|hash| !self.entries.contains_key(*hash)).collect();
        loop {
            let count = waiting.len();
            waiting.retain(|hash| {
                let header = self.blocks[*hash].header;
                let Some(height) = heights.get(&header.previous).map(|parent| parent + 1) else { return true };
                heights.insert(**hash, height);
                entries.push(IndexEntry { header, height, transactions: 0, status: Status::Header, is_pruned: false });
                false
            });
            if waiting.len() == count {
                break;
            }
        }
        for entry in &mut entries {
            let hash = entry.header.hash();
            let Some(block) = self.blocks.get(&hash) else { continue };
            entry.transactions = block.transactions.len() as u32;
            match (entry.status, self.undo.contains_key(&hash)) {
                (Status::Header | Status::Stored, true) => entry.status = Status::Valid,
                (Status::Header, false) => entry.status = Status::Stored,
                _ => {}
            }
        }
        entries.sort_by_key(|entry| (entry.height, *entry.header.hash().as_bytes()));
        Loaded { coins_tip: self.coins_tip, entries, transactions: self.transactions.clone() }
    }
}

impl Store for MemoryStore {
    fn coin(&self, outpoint: &Outpoint) -> Result<Option<Coin>, StoreError> {
        Ok(self.lock().coins.get(outpoint).cloned())
    }
    fn block(&self, hash: &BlockHash) -> Result<Option<Arc<Block>>, StoreError> {
        Ok(self.lock().blocks.get(hash).cloned())
    }
    fn undo(&self, hash: &BlockHash) -> Result<Option<Arc<BlockUndo>>, StoreError> {
        Ok(self.lock().undo.get(hash).cloned())
    }
    fn transaction_block(&self, _txid: &Txid) -> Result<Option<BlockHash>, StoreError> {
        Ok(None)
    }
    fn block_bytes(&self) -> u64 {
        self.lock().blocks.values().map(|block| block.encoded_len() as u64).sum()
    }
    fn block_files(&self) -> Result<Vec<BlockFile>, StoreError> {
        let contents = self.lock();
        let bytes = |hash: &BlockHash| contents.blocks.get(hash).map_or(0, |block| block.encoded_len() as u64);
        let files = contents.order.chunks_exact(BLOCKS_PER_FILE);
        Ok(files.map(|file| BlockFile { bytes: file.iter().map(bytes).sum(), blocks: file.to_vec() }).collect())
    }
    fn for_each_coin(&self, visit: &mut dyn FnMut(Outpoint, Coin) -> ControlFlow<()>) -> Result<(), StoreError> {
        let _ = self.lock().coins.iter().try_for_each(|(outpoint, coin)| visit(*outpoint, coin.clone()));
        Ok(())
    }
    /// A copy, which nothing waits for.
    fn held(&self) -> Box<dyn Store> {
        Box::new(self.fork())
    }
}
