//! The one disk of all simulated nodes: a block or its undo data is the same for everybody, so it is kept once. Coins are
//! not: each node has its own, though a node whose cache never fills commits none.

use chain_spec::{Block, BlockHash, BlockUndo, Coin, Outpoint, Txid};
use node::core::store::{Commit, Store, StoreError};
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Blocks and undo data, shared by handles.
#[derive(Clone, Default)]
pub struct Arena(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    blocks: FxHashMap<BlockHash, Arc<Block>>,
    undo: FxHashMap<BlockHash, Arc<BlockUndo>>,
}

/// One node's committed coins, shared between its store and the simulator.
#[derive(Clone, Default)]
pub struct Coins(Arc<Mutex<BTreeMap<Outpoint, Coin>>>);

/// A lock whose holder panicked is still a map: no operation here leaves one half-changed.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Arena {
    /// A store that reads this arena and one node's coins.
    pub fn store(&self, coins: Coins) -> ArenaStore {
        ArenaStore { arena: self.clone(), coins }
    }

    /// A block that somebody stored.
    pub fn block(&self, hash: &BlockHash) -> Option<Arc<Block>> {
        locked(&self.0).blocks.get(hash).cloned()
    }

    /// Keeps a block, if nobody has.
    pub fn keep_block(&self, block: &Arc<Block>) {
        locked(&self.0).blocks.entry(block.hash()).or_insert_with(|| Arc::clone(block));
    }

    /// Keeps a block's undo data, if nobody has.
    pub fn keep_undo(&self, hash: BlockHash, undo: Arc<BlockUndo>) {
        locked(&self.0).undo.entry(hash).or_insert(undo);
    }
}

impl Coins {
    /// Carries out a commit's coin changes. The index needs no keeping: a simulated node is never restarted.
    pub fn commit(&self, commit: Commit) {
        let mut coins = locked(&self.0);
        for (outpoint, coin) in commit.coins {
            match coin {
                Some(coin) => coins.insert(outpoint, coin),
                None => coins.remove(&outpoint),
            };
        }
    }
}

/// What a simulated core reads.
pub struct ArenaStore {
    arena: Arena,
    coins: Coins,
}

impl Store for ArenaStore {
    fn coin(&self, outpoint: &Outpoint) -> Result<Option<Coin>, StoreError> {
        Ok(locked(&self.coins.0).get(outpoint).cloned())
    }

    fn block(&self, hash: &BlockHash) -> Result<Option<Arc<Block>>, StoreError> {
        Ok(self.arena.block(hash))
    }

    fn undo(&self, hash: &BlockHash) -> Result<Option<Arc<BlockUndo>>, StoreError> {
        Ok(locked(&self.arena.0).undo.get(hash).cloned())
    }

    fn transaction_block(&self, _txid: &Txid) -> Result<Option<BlockHash>, StoreError> {
        Ok(None)
    }

    fn for_each_coin(&self, visit: &mut dyn FnMut(Outpoint, Coin) -> ControlFlow<()>) -> Result<(), StoreError> {
        let _ = locked(&self.coins.0).iter().try_for_each(|(outpoint, coin)| visit(*outpoint, coin.clone()));
        Ok(())
    }

    /// A copy of the coins, which nothing waits for.
    fn held(&self) -> Box<dyn Store> {
        let coins = locked(&self.coins.0).clone();
        Box::new(self.arena.store(Coins(Arc::new(Mutex::new(coins)))))
    }
}
