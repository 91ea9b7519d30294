//! The one disk of all simulated nodes: a block, its undo data or a coin is the same for everybody, so it is kept once. Of
//! the coins a node has, only one bit each is its own.

use chain_spec::{Block, BlockHash, BlockUndo, Coin, Outpoint, Txid};
use node::core::store::{Commit, Store, StoreError};
use rustc_hash::FxHashMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Blocks, undo data and coins, shared by handles.
#[derive(Clone, Default)]
pub struct Arena(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    blocks: FxHashMap<BlockHash, Arc<Block>>,
    undo: FxHashMap<BlockHash, Arc<BlockUndo>>,
    /// Every coin that any node ever had; a node's bit is at the same place.
    coins: Vec<(Outpoint, Coin)>,
    /// The places of an outpoint's coins: more than one where branches confirmed its transaction at different heights.
    places: FxHashMap<Outpoint, Vec<u32>>,
}

/// Which of the arena's coins one node has committed, shared between its store and the simulator.
#[derive(Clone, Default)]
pub struct CoinSet(Arc<Mutex<Vec<u64>>>);

/// A lock whose holder panicked is still usable: no operation here leaves what it guards half-changed.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Kept {
    /// The place of a coin, which is made if nobody had it.
    fn place(&mut self, outpoint: Outpoint, coin: Coin) -> u32 {
        let places = self.places.entry(outpoint).or_default();
        if let Some(place) = places.iter().find(|place| self.coins[**place as usize].1 == coin) {
            return *place;
        }
        let place = self.coins.len() as u32;
        places.push(place);
        self.coins.push((outpoint, coin));
        place
    }
}

fn has(bits: &[u64], place: u32) -> bool {
    bits.get(place as usize / 64).is_some_and(|word| word >> (place % 64) & 1 == 1)
}

impl Arena {
    /// A store that reads this arena and one node's coins.
    pub fn store(&self, coins: CoinSet) -> ArenaStore {
        ArenaStore { arena: self.clone(), coins }
    }

    /// A block that somebody stored.
    pub fn block(&self, hash: &BlockHash) -> Option<Arc<Block>> {
        locked(&self.0).blocks.get(hash).cloned()
    }

    /// Keeps a block, if nobody has.
    pub fn keep_block(&self, hash: BlockHash, block: &Arc<Block>) {
        locked(&self.0).blocks.entry(hash).or_insert_with(|| Arc::clone(block));
    }

    /// Keeps a block's undo data, if nobody has.
    pub fn keep_undo(&self, hash: BlockHash, undo: Arc<BlockUndo>) {
        locked(&self.0).undo.entry(hash).or_insert(undo);
    }

    /// Carries out a commit's coin changes for one node. The index needs no keeping: a simulated node is never restarted.
    pub fn commit(&self, set: &CoinSet, commit: Commit) {
        let (mut kept, mut bits) = (locked(&self.0), locked(&set.0));
        for (outpoint, coin) in commit.coins {
            for place in kept.places.get(&outpoint).into_iter().flatten() {
                if let Some(word) = bits.get_mut(*place as usize / 64) {
                    *word &= !(1 << (place % 64));
                }
            }
            let Some(coin) = coin else { continue };
            let place = kept.place(outpoint, coin);
            let word = place as usize / 64;
            if bits.len() <= word {
                bits.resize(word + 1, 0);
            }
            bits[word] |= 1 << (place % 64);
        }
    }
}

/// What a simulated core reads.
pub struct ArenaStore {
    arena: Arena,
    coins: CoinSet,
}

impl Store for ArenaStore {
    fn coin(&self, outpoint: &Outpoint) -> Result<Option<Coin>, StoreError> {
        let (kept, bits) = (locked(&self.arena.0), locked(&self.coins.0));
        let places = kept.places.get(outpoint).into_iter().flatten();
        let own = places.copied().find(|place| has(&bits, *place));
        Ok(own.map(|place| kept.coins[place as usize].1.clone()))
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
        let mut own: Vec<(Outpoint, Coin)> = {
            let (kept, bits) = (locked(&self.arena.0), locked(&self.coins.0));
            let all = kept.coins.iter().enumerate();
            all.filter(|(place, _)| has(&bits, *place as u32)).map(|(_, coin)| coin.clone()).collect()
        };
        own.sort_unstable_by_key(|(outpoint, _)| *outpoint);
        let _ = own.into_iter().try_for_each(|(outpoint, coin)| visit(outpoint, coin));
        Ok(())
    }

    /// A copy of the node's bits, which nothing waits for.
    fn held(&self) -> Box<dyn Store> {
        let bits = locked(&self.coins.0).clone();
        Box::new(self.arena.store(CoinSet(Arc::new(Mutex::new(bits)))))
    }
}
