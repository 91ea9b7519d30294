//! The core's way to read: [`Reader`] is its [`Store`], on what [`super::shared`] shares with the writer and [`super::prune`] knows
//! of files.

use super::index_entries;
use super::keys::{self, BlockPosition, CoinSum};
use super::prune;
use super::shared::{CoinHold, Shared};
use crate::core::store::{BlockFile, BlockFilter, Spender, Store, StoreError};
use chain_spec::{Block, BlockHash, BlockUndo, Coin, Decode as _, Outpoint, Txid};
use std::ops::ControlFlow;
use std::sync::Arc;

/// The core's way to read.
#[derive(Debug)]
pub(super) struct Reader(pub(super) Arc<Shared>);

impl Reader {
    fn stored_block(&self, hash: &BlockHash) -> Result<Option<Arc<Block>>, StoreError> {
        let Some(BlockPosition { position, .. }) = self.0.block_position(hash)? else { return Ok(None) };
        self.0.read_block(hash, position).map(|block| Some(Arc::new(block)))
    }
}

impl Store for Reader {
    fn coin(&self, outpoint: &Outpoint) -> Result<Option<Coin>, StoreError> {
        let key = keys::coin_key(outpoint);
        let Some(bytes) = self.0.state.get(&key)? else { return Ok(None) };
        Coin::from_bytes(&bytes).map(Some).map_err(|_| self.0.state.unreadable(&key))
    }
    fn block(&self, hash: &BlockHash) -> Result<Option<Arc<Block>>, StoreError> {
        self.0.stored_block(hash)
    }
    fn undo(&self, hash: &BlockHash) -> Result<Option<Arc<BlockUndo>>, StoreError> {
        let Some(position) = self.0.undo_position(hash)? else { return Ok(None) };
        self.0.read_undo(hash, position).map(|undo| Some(Arc::new(undo)))
    }
    /// The block that was connected last with this transaction in it. After a reorganisation that may be a block of an
    /// abandoned branch, so the caller checks that it is in the active chain.
    fn transaction_block(&self, txid: &Txid) -> Result<Option<BlockHash>, StoreError> {
        if !self.0.txindex {
            return Ok(None);
        }
        if let Some(hash) = self.0.pending().transactions.get(txid) {
            return Ok(Some(*hash));
        }
        let key = keys::hash_key(keys::TRANSACTION, txid.as_bytes());
        let Some(value) = self.0.state.get(&key)? else { return Ok(None) };
        let hash = value.as_ref().try_into().map_err(|_| self.0.state.unreadable(&key))?;
        Ok(Some(BlockHash::from_bytes(hash)))
    }
    fn block_filter(&self, hash: &BlockHash) -> Result<Option<BlockFilter>, StoreError> {
        self.0.filter(hash)
    }
    fn spender(&self, outpoint: &Outpoint) -> Result<Option<Spender>, StoreError> {
        if !self.0.kept.spenders {
            return Ok(None);
        }
        if let Some(spender) = self.0.pending().indexes.spender(outpoint) {
            return Ok(Some(*spender));
        }
        let key = keys::spender_key(outpoint);
        let Some(value) = self.0.state.get(&key)? else { return Ok(None) };
        index_entries::read_spender(&value).map(Some).ok_or_else(|| self.0.state.unreadable(&key))
    }
    fn block_bytes(&self) -> u64 {
        self.0.file_bytes()
    }
    fn block_files(&self) -> Result<Vec<BlockFile>, StoreError> {
        prune::block_files(&self.0)
    }
    fn for_each_coin(&self, visit: &mut dyn FnMut(Outpoint, Coin) -> ControlFlow<()>) -> Result<(), StoreError> {
        let state = &self.0.state;
        let committed = state.meta()?.map(|meta| meta.coins).unwrap_or_default();
        let mut found = CoinSum::default();
        let flow = state.for_each(keys::COIN, |key, value| {
            let outpoint = keys::outpoint_of(key).ok_or_else(|| state.unreadable(key))?;
            found.add(key, value);
            Ok(visit(outpoint, Coin::from_bytes(value).map_err(|_| state.unreadable(key))?))
        })?;
        if flow.is_break() { Ok(()) } else { state.compare_coins(found, committed) }
    }
    fn held(&self) -> Box<dyn Store> {
        Box::new(HeldReader { reader: Reader(self.0.clone()), _hold: CoinHold::new(&self.0) })
    }
}

/// A reader that keeps committed coins as they are.
struct HeldReader {
    reader: Reader,
    _hold: CoinHold,
}

impl Store for HeldReader {
    fn coin(&self, outpoint: &Outpoint) -> Result<Option<Coin>, StoreError> {
        self.reader.coin(outpoint)
    }
    /// From the disk, whatever memory holds: who reads for long wants to know what is there.
    fn block(&self, hash: &BlockHash) -> Result<Option<Arc<Block>>, StoreError> {
        self.reader.stored_block(hash)
    }
    fn undo(&self, hash: &BlockHash) -> Result<Option<Arc<BlockUndo>>, StoreError> {
        self.reader.undo(hash)
    }
    fn transaction_block(&self, txid: &Txid) -> Result<Option<BlockHash>, StoreError> {
        self.reader.transaction_block(txid)
    }
    fn block_filter(&self, hash: &BlockHash) -> Result<Option<BlockFilter>, StoreError> {
        self.reader.block_filter(hash)
    }
    fn spender(&self, outpoint: &Outpoint) -> Result<Option<Spender>, StoreError> {
        self.reader.spender(outpoint)
    }
    fn for_each_coin(&self, visit: &mut dyn FnMut(Outpoint, Coin) -> ControlFlow<()>) -> Result<(), StoreError> {
        self.reader.for_each_coin(visit)
    }
    fn held(&self) -> Box<dyn Store> {
        self.reader.held()
    }
}
