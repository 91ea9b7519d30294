//! The coin cache: a write-back cache over [`Store::coin`], so that coins made and spent between two flushes never reach the disk.
//!
//! Blocks are judged against an [`Overlay`] on top of the cache; only what has passed every rule is merged into it. The cache
//! is written out by [`flush`](super::flush). Neither knows what a block is.

#[cfg(test)]
mod tests;

use crate::core::hash_map::{IdMap, IdState};
use crate::core::store::{Store, StoreError};
use chain_spec::{Coin, Outpoint};

/// Memory of one cache entry beside its script's bytes: key, value, hash table share, allocation.
const ENTRY_BYTES: usize = 160;

/// What the cache knows of one outpoint.
#[derive(Clone, Debug)]
struct Cached {
    /// `None`: spent, or, when not dirty, known to be absent from the store.
    coin: Option<Coin>,
    /// Differs from the store.
    is_dirty: bool,
    /// The store has no such coin: spending it again leaves nothing to write (Core: `FRESH`).
    is_fresh: bool,
}

/// The coins of the active tip.
#[derive(Debug)]
pub(crate) struct CoinCache {
    entries: IdMap<Outpoint, Cached>,
    script_bytes: usize,
}

fn script_bytes(coin: &Option<Coin>) -> usize {
    coin.as_ref().map_or(0, |coin| coin.output.script.as_bytes().len())
}

impl CoinCache {
    /// An empty cache.
    pub(crate) fn new(state: IdState) -> CoinCache {
        CoinCache { entries: IdMap::with_hasher(state), script_bytes: 0 }
    }

    /// Memory in use, bytes, estimated.
    pub(crate) fn bytes(&self) -> usize {
        self.entries.len() * ENTRY_BYTES + self.script_bytes
    }

    /// A coin that is in the cache; `None` if it is spent or was not fetched.
    pub(crate) fn get(&self, outpoint: &Outpoint) -> Option<&Coin> {
        self.entries.get(outpoint)?.coin.as_ref()
    }

    /// A coin, from the cache or the store; the cache is left as it was.
    pub(crate) fn read(&self, outpoint: &Outpoint, store: &dyn Store) -> Result<Option<Coin>, StoreError> {
        match self.entries.get(outpoint) {
            Some(cached) => Ok(cached.coin.clone()),
            None => store.coin(outpoint),
        }
    }

    /// Brings a coin in from the store, if it is there and not already known.
    pub(crate) fn fetch(&mut self, outpoint: &Outpoint, store: &dyn Store) -> Result<(), StoreError> {
        if self.entries.contains_key(outpoint) {
            return Ok(());
        }
        if let Some(coin) = store.coin(outpoint)? {
            self.put(*outpoint, Cached { coin: Some(coin), is_dirty: false, is_fresh: false });
        }
        Ok(())
    }

    fn put(&mut self, outpoint: Outpoint, cached: Cached) {
        self.script_bytes += script_bytes(&cached.coin);
        if let Some(old) = self.entries.insert(outpoint, cached) {
            self.script_bytes -= script_bytes(&old.coin);
        }
    }

    fn drop_entry(&mut self, outpoint: &Outpoint) {
        if let Some(old) = self.entries.remove(outpoint) {
            self.script_bytes -= script_bytes(&old.coin);
        }
    }

    /// Makes or spends a coin.
    pub(crate) fn set(&mut self, outpoint: Outpoint, coin: Option<Coin>) {
        // Without an entry, a coin that is made cannot be in the store: no rule allows overwriting an unspent one. A dirty
        // entry may stand for a coin that is still in the store, whose end must then be written.
        let (is_fresh, known) = match self.entries.get(&outpoint) {
            Some(old) => (old.is_fresh || (old.coin.is_none() && !old.is_dirty), true),
            None => (coin.is_some(), false),
        };
        if coin.is_none() && known && is_fresh {
            return self.drop_entry(&outpoint);
        }
        self.put(outpoint, Cached { coin, is_dirty: true, is_fresh });
    }

    /// Merges what an overlay changed.
    pub(crate) fn apply(&mut self, overlay: Overlay) {
        for (outpoint, coin) in overlay.changes {
            self.set(outpoint, coin);
        }
    }

    /// Every unflushed change in key order.
    pub(crate) fn changes(&self) -> Vec<(Outpoint, Option<Coin>)> {
        let mut changes: Vec<_> = self
            .entries
            .iter()
            .filter(|(_, cached)| cached.is_dirty)
            .map(|(outpoint, cached)| (*outpoint, cached.coin.clone()))
            .collect();
        changes.sort_unstable_by_key(|(outpoint, _)| *outpoint);
        changes
    }

    /// Takes every unflushed change in key order. Unless `keep`, the cache is empty afterwards, its memory given back, and
    /// must not be used before the changes are in the store.
    pub(super) fn take_changes(&mut self, keep: bool) -> Vec<(Outpoint, Option<Coin>)> {
        if keep {
            let changes = self.changes();
            // What was spent stays known as such: until the commit is performed, the store would still show it.
            self.entries.retain(|_, cached| cached.coin.is_some() || cached.is_dirty);
            self.entries.values_mut().for_each(|cached| (cached.is_dirty, cached.is_fresh) = (false, false));
            return changes;
        }
        let state = *self.entries.hasher();
        let entries = std::mem::replace(&mut self.entries, IdMap::with_hasher(state));
        self.script_bytes = 0;
        let mut changes: Vec<_> = entries
            .into_iter()
            .filter(|(_, cached)| cached.is_dirty)
            .map(|(outpoint, cached)| (outpoint, cached.coin))
            .collect();
        changes.sort_unstable_by_key(|(outpoint, _)| *outpoint);
        changes
    }
}

/// Changes that are not in the cache yet: what some blocks would do to the coins below.
#[derive(Debug)]
pub(crate) struct Overlay {
    changes: IdMap<Outpoint, Option<Coin>>,
}

impl Overlay {
    /// No changes.
    pub(crate) fn new(state: IdState) -> Overlay {
        Overlay { changes: IdMap::with_hasher(state) }
    }
    /// Makes or spends a coin.
    pub(crate) fn set(&mut self, outpoint: Outpoint, coin: Option<Coin>) {
        self.changes.insert(outpoint, coin);
    }
    /// Coins made or spent.
    pub(crate) fn len(&self) -> usize {
        self.changes.len()
    }
    /// The coin that was made, as it stands in the overlay alone.
    pub(crate) fn changed(&self, outpoint: &Outpoint) -> Option<&Coin> {
        self.changes.get(outpoint)?.as_ref()
    }
    /// Whether this outpoint was changed.
    pub(crate) fn knows(&self, outpoint: &Outpoint) -> bool {
        self.changes.contains_key(outpoint)
    }
    /// A coin, with the cache below.
    pub(crate) fn get<'a>(&'a self, outpoint: &Outpoint, below: &'a CoinCache) -> Option<&'a Coin> {
        match self.changes.get(outpoint) {
            Some(changed) => changed.as_ref(),
            None => below.get(outpoint),
        }
    }
}
