//! Putting blocks together from a compact announcement (BIP152): the mempool first, then what the sender adds, and the whole
//! block as the fallback.

use crate::core::Core;
use crate::core::chain::activate::CALL_TRANSACTIONS_MAX;
use crate::core::chain::tree::NodeId;
use crate::core::event::{Misbehaviour, PeerKey, Time};
use crate::core::message::{CompactBlock, Request, ShortIds};
use crate::core::store::StoreError;
use crate::core::sync::Asked;
use chain_spec::{Block, BlockHash, Header, Transaction};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Blocks that lack transactions at one time, blocks; each is at most as large as a block may be.
const PARTIAL_MAX: usize = 16;
/// Times the sender is asked again before the block is left to synchronisation: it forwards before it has the body itself.
const TRIES_MAX: u32 = 6;
/// Time before the first of them, milliseconds; doubles.
const RETRY_AFTER_MS: u64 = 20;
/// Bytes of the smallest transaction.
const TRANSACTION_BYTES_MIN: usize = 60;

/// A block some of whose transactions are awaited.
#[derive(Debug)]
pub(crate) struct Partial {
    peer: PeerKey,
    header: Header,
    keys: ShortIds,
    /// By position; the missing ones with their short id.
    slots: Vec<Result<Arc<Transaction>, u64>>,
    tries: u32,
    /// Ask again then; `None` while an answer is awaited.
    retry_at: Option<Time>,
}

impl CompactBlock {
    /// Whether positions are ascending and within the block, the coinbase is there, and it could be a block's size.
    pub(crate) fn is_well_formed(&self, block_size_max: usize) -> bool {
        let count = self.short_ids.len().saturating_add(self.prefilled.len());
        let ascending = self.prefilled.is_sorted_by(|(a, _), (b, _)| a < b);
        let first = self.prefilled.first().is_some_and(|(position, _)| *position == 0);
        let last = self.prefilled.last().is_some_and(|(position, _)| (*position as usize) < count);
        ascending && first && last && count <= block_size_max / TRANSACTION_BYTES_MIN
    }

    /// The block's slots in order: prefilled transactions, and short ids for the rest.
    fn slots(&self) -> Vec<Result<Arc<Transaction>, u64>> {
        let mut short_ids = self.short_ids.iter();
        let mut prefilled = self.prefilled.iter().peekable();
        let count = self.short_ids.len() + self.prefilled.len();
        (0..count)
            .filter_map(|position| match prefilled.next_if(|(at, _)| *at as usize == position) {
                Some((_, transaction)) => Some(Ok(transaction.clone())),
                None => short_ids.next().map(|short_id| Err(*short_id)),
            })
            .collect()
    }
}

impl Core {
    /// Puts together the bodies of blocks whose headers were forwarded.
    pub(crate) fn relay_pending(&mut self, now: Time) -> Result<(), StoreError> {
        while let Some((peer, compact)) = self.relay.pending.pop_front() {
            if !self.wants_body(&compact) {
                continue;
            }
            let Some(id) = self.chain.tree.find(&compact.header.hash()) else { continue };
            if self.chain.tree.node(self.chain.tree.node(id).parent).is_linked {
                self.put_together(peer, id, &compact, now)?;
            } else {
                // Its ancestors' bodies come first; the peer shows by its headers that it has them.
                self.ask_headers(peer, now);
            }
        }
        Ok(())
    }

    fn put_together(&mut self, peer: PeerKey, id: NodeId, compact: &CompactBlock, now: Time) -> Result<(), StoreError> {
        let hash = compact.header.hash();
        if self.relay.partial.contains_key(&hash) {
            return Ok(());
        }
        let keys = ShortIds::new(&compact.header, compact.nonce);
        let mut slots = compact.slots();
        if !self.fill_from_mempool(&keys, &mut slots) {
            self.ask_block(peer, hash, now);
            return Ok(());
        }
        if slots.iter().all(Result::is_ok) {
            return self.complete(peer, id, compact.header, slots, now);
        }
        if self.relay.partial.len() >= PARTIAL_MAX {
            self.ask_headers(peer, now);
            return Ok(());
        }
        let partial = Partial { peer, header: compact.header, keys, slots, tries: 0, retry_at: None };
        self.relay.partial.insert(hash, partial);
        self.ask_missing(hash, now);
        Ok(())
    }

    /// Fills slots with pooled transactions; false if two slots have one short id. One that two transactions fit stays empty.
    fn fill_from_mempool(&self, keys: &ShortIds, slots: &mut [Result<Arc<Transaction>, u64>]) -> bool {
        let mut wanted: BTreeMap<u64, (usize, u32)> = BTreeMap::new();
        for (position, slot) in slots.iter().enumerate() {
            if let Err(short_id) = slot
                && wanted.insert(*short_id, (position, 0)).is_some()
            {
                return false;
            }
        }
        if wanted.is_empty() {
            return true;
        }
        for entry in self.mempool.entries() {
            let short_id = keys.short_id(&entry.transaction.txid());
            let Some((position, found)) = wanted.get_mut(&short_id) else { continue };
            *found += 1;
            slots[*position] = if *found == 1 { Ok(entry.transaction.transaction().clone()) } else { Err(short_id) };
        }
        true
    }

    /// Asks the sender for what a block lacks.
    fn ask_missing(&mut self, hash: BlockHash, now: Time) {
        let Some(partial) = self.relay.partial.get_mut(&hash) else { return };
        partial.retry_at = None;
        let peer = partial.peer;
        let missing = partial.slots.iter().enumerate().filter(|(_, slot)| slot.is_err());
        let indexes = missing.map(|(position, _)| position as u32).collect();
        let request = Request::BlockTransactions { block: hash, indexes };
        if self.ask(peer, Asked::BlockTransactions(hash), request, now).is_none() {
            self.compact_failed(&hash, now);
        }
    }

    /// The transactions a block lacked, or none if the sender does not have the body yet.
    pub(crate) fn block_transactions_came(
        &mut self,
        peer: PeerKey,
        hash: BlockHash,
        transactions: Vec<Arc<Transaction>>,
        now: Time,
    ) -> Result<(), StoreError> {
        let Some(partial) = self.relay.partial.get_mut(&hash) else { return Ok(()) };
        let Some(id) = self.chain.tree.find(&hash).filter(|id| !self.chain.tree.node(*id).has_body()) else {
            self.relay.partial.remove(&hash);
            return Ok(());
        };
        if transactions.is_empty() {
            partial.tries += 1;
            partial.retry_at = Some(Time(now.0 + (RETRY_AFTER_MS << partial.tries)));
            if partial.tries > TRIES_MAX {
                self.compact_failed(&hash, now);
            }
            return Ok(());
        }
        let Some(Partial { header, keys, mut slots, .. }) = self.relay.partial.remove(&hash) else { return Ok(()) };
        let missing = slots.iter_mut().filter(|slot| slot.is_err());
        let mut count = 0;
        for (slot, transaction) in missing.zip(&transactions) {
            if *slot != Err(keys.short_id(&transaction.txid())) {
                self.offend(peer, Misbehaviour::BadAnswer("transactions that a block does not hold"));
                self.compact_failed(&hash, now);
                return Ok(());
            }
            *slot = Ok(transaction.clone());
            count += 1;
        }
        if count < transactions.len() || slots.iter().any(Result::is_err) {
            self.offend(peer, Misbehaviour::BadAnswer("more or fewer transactions than asked for"));
            return Ok(());
        }
        self.complete(peer, id, header, slots, now)
    }

    /// Judges a block that was put together. If it is not the one the header commits to, some short id collided, and the
    /// whole block is asked for; a broken rule is its miner's doing, not the sender's.
    fn complete(
        &mut self,
        peer: PeerKey,
        id: NodeId,
        header: Header,
        slots: Vec<Result<Arc<Transaction>, u64>>,
        now: Time,
    ) -> Result<(), StoreError> {
        let transactions = slots.into_iter().filter_map(Result::ok).map(Arc::unwrap_or_clone).collect();
        let hash = header.hash();
        match self.check_body(id, Arc::new(Block { header, transactions })) {
            Ok(body) => {
                self.accept_body(id, body);
                self.adopt_orphans(hash, now);
                self.activate(now, Some(CALL_TRANSACTIONS_MAX))
            }
            Err(error) => {
                if error.is_mutation() {
                    self.ask_block(peer, hash, now);
                }
                Ok(())
            }
        }
    }

    /// A block cannot be put together with its sender's help: whoever has it will show it by its headers.
    pub(crate) fn compact_failed(&mut self, hash: &BlockHash, now: Time) {
        let Some(partial) = self.relay.partial.remove(hash) else { return };
        let others: Vec<PeerKey> = self.sync.connected().filter(|peer| *peer != partial.peer).take(2).collect();
        for peer in std::iter::once(partial.peer).chain(others) {
            self.ask_headers(peer, now);
        }
    }

    /// Asks again where the sender did not have the body yet; forgets blocks that came another way.
    pub(crate) fn relay_tick(&mut self, now: Time) {
        let tree = &self.chain.tree;
        let is_missing =
            |hash: &BlockHash| tree.find(hash).is_some_and(|id| !tree.node(id).has_body() && tree.node(id).is_sound());
        self.relay.partial.retain(|hash, _| is_missing(hash));
        let due = self.relay.partial.iter().filter(|(_, partial)| partial.retry_at.is_some_and(|at| at <= now));
        let due: Vec<BlockHash> = due.map(|(hash, _)| *hash).collect();
        due.into_iter().for_each(|hash| self.ask_missing(hash, now));
    }
}
