//! Putting blocks together from a compact announcement (BIP152): the mempool first, then what the sender adds, and the whole
//! block as the fallback.

use super::relay::wants_body;
use super::requests::Asked;
use super::{Context, Peers};
use crate::core::event::{Misbehaviour, PeerKey, Time};
use crate::core::mempool::Pool;
use crate::core::message::{CompactBlock, Request, ShortIds};
use chain_spec::{Block, BlockHash, Header, Transaction};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Blocks that lack transactions at one time, blocks; each is at most as large as a block may be.
const RECONSTRUCTIONS_MAX: usize = 16;
/// Times the sender is asked again before the block is left to synchronisation: it forwards before it has the body itself.
const TRIES_MAX: u32 = 6;
/// Time before the first of them, milliseconds; doubles.
const RETRY_AFTER_MS: u64 = 20;
/// Bytes of the smallest transaction.
const TRANSACTION_BYTES_MIN: usize = 60;

/// A block some of whose transactions are awaited.
#[derive(Debug)]
pub(super) struct Reconstruction {
    peer: PeerKey,
    header: Header,
    keys: ShortIds,
    /// By position; the missing ones with their short id.
    slots: Vec<Result<Arc<Transaction>, u64>>,
    tries: u32,
    /// Ask again then; `None` while an answer is awaited.
    retry_at: Option<Time>,
}

/// A block that was put together. If it is not the one its header commits to, some short id collided, and the whole block is
/// to be asked of the sender; a broken rule is its miner's doing, not the sender's.
#[derive(Debug)]
pub(crate) struct ReconstructedBlock {
    /// Who announced it.
    pub peer: PeerKey,
    /// The block.
    pub block: Arc<Block>,
}

impl CompactBlock {
    /// Whether positions are ascending and within the block, the coinbase is there, and it could be a block's size.
    pub(super) fn is_well_formed(&self, block_size_max: usize) -> bool {
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

impl Peers {
    /// Puts together the next body of the blocks whose headers were forwarded.
    pub(crate) fn reconstruct_next(&mut self, cx: &mut Context<'_>) -> Option<ReconstructedBlock> {
        while let Some((peer, compact)) = self.relay.pending.pop_front() {
            if !wants_body(&compact, cx) {
                continue;
            }
            let Some(node) = cx.chain.find(&compact.header.hash()) else { continue };
            if !cx.chain.parent(node).is_linked() {
                // Its ancestors' bodies come first; the peer shows by its headers that it has them.
                self.ask_headers(peer, cx);
            } else if let Some(block) = self.reconstruct(peer, &compact, cx) {
                return Some(block);
            }
        }
        None
    }

    fn reconstruct(
        &mut self,
        peer: PeerKey,
        compact: &CompactBlock,
        cx: &mut Context<'_>,
    ) -> Option<ReconstructedBlock> {
        let hash = compact.header.hash();
        if self.relay.reconstructions.contains_key(&hash) {
            return None;
        }
        let keys = ShortIds::new(&compact.header, compact.nonce);
        let mut slots = compact.slots();
        if !fill_from_mempool(&keys, &mut slots, cx.mempool.pool()) {
            self.ask_block(peer, hash, cx);
            return None;
        }
        if slots.iter().all(Result::is_ok) {
            return Some(complete(peer, compact.header, slots));
        }
        if self.relay.reconstructions.len() >= RECONSTRUCTIONS_MAX {
            self.ask_headers(peer, cx);
            return None;
        }
        let reconstruction = Reconstruction { peer, header: compact.header, keys, slots, tries: 0, retry_at: None };
        self.relay.reconstructions.insert(hash, reconstruction);
        self.ask_missing(hash, cx);
        None
    }

    /// Asks the sender for what a block lacks.
    fn ask_missing(&mut self, hash: BlockHash, cx: &mut Context<'_>) {
        let Some(reconstruction) = self.relay.reconstructions.get_mut(&hash) else { return };
        reconstruction.retry_at = None;
        let peer = reconstruction.peer;
        let missing = reconstruction.slots.iter().enumerate().filter(|(_, slot)| slot.is_err());
        let indexes = missing.map(|(position, _)| position as u32).collect();
        let request = Request::BlockTransactions { block: hash, indexes };
        if self.ask(peer, Asked::BlockTransactions(hash), request, cx).is_none() {
            self.reconstruction_failed(&hash, cx);
        }
    }

    /// The transactions a block lacked, or none if the sender does not have the body yet.
    pub(super) fn block_transactions_came(
        &mut self,
        peer: PeerKey,
        hash: BlockHash,
        transactions: Vec<Arc<Transaction>>,
        cx: &mut Context<'_>,
    ) -> Option<ReconstructedBlock> {
        let reconstruction = self.relay.reconstructions.get_mut(&hash)?;
        if cx.chain.find(&hash).is_none_or(|node| node.has_body()) {
            self.relay.reconstructions.remove(&hash);
            return None;
        }
        if transactions.is_empty() {
            reconstruction.tries += 1;
            reconstruction.retry_at = Some(Time(cx.now.0 + (RETRY_AFTER_MS << reconstruction.tries)));
            if reconstruction.tries > TRIES_MAX {
                self.reconstruction_failed(&hash, cx);
            }
            return None;
        }
        let Reconstruction { header, keys, mut slots, .. } = self.relay.reconstructions.remove(&hash)?;
        let missing = slots.iter_mut().filter(|slot| slot.is_err());
        let mut count = 0;
        for (slot, transaction) in missing.zip(&transactions) {
            if *slot != Err(keys.short_id(&transaction.txid())) {
                self.misbehaved(peer, Misbehaviour::BadAnswer("transactions that a block does not hold"), cx);
                self.reconstruction_failed(&hash, cx);
                return None;
            }
            *slot = Ok(transaction.clone());
            count += 1;
        }
        if count < transactions.len() || slots.iter().any(Result::is_err) {
            self.misbehaved(peer, Misbehaviour::BadAnswer("more or fewer transactions than asked for"), cx);
            return None;
        }
        Some(complete(peer, header, slots))
    }

    /// A block cannot be put together with its sender's help: whoever has it will show it by its headers.
    pub(super) fn reconstruction_failed(&mut self, hash: &BlockHash, cx: &mut Context<'_>) {
        let Some(failed) = self.relay.reconstructions.remove(hash) else { return };
        let trusted = self.peers.iter().filter(|(_, state)| !state.is_distrusted).map(|(peer, _)| *peer);
        let others: Vec<PeerKey> = trusted.filter(|peer| *peer != failed.peer).take(2).collect();
        for peer in std::iter::once(failed.peer).chain(others) {
            self.ask_headers(peer, cx);
        }
    }

    /// Asks again where the sender did not have the body yet; forgets blocks that came another way.
    pub(super) fn retry_reconstructions(&mut self, cx: &mut Context<'_>) {
        let chain = cx.chain;
        let is_missing = |hash: &BlockHash| chain.find(hash).is_some_and(|node| !node.has_body() && node.is_sound());
        self.relay.reconstructions.retain(|hash, _| is_missing(hash));
        let waiting = self.relay.reconstructions.iter();
        let due = waiting.filter(|(_, reconstruction)| reconstruction.retry_at.is_some_and(|at| at <= cx.now));
        let due: Vec<BlockHash> = due.map(|(hash, _)| *hash).collect();
        due.into_iter().for_each(|hash| self.ask_missing(hash, cx));
    }
}

/// Fills slots with pooled transactions; false if two slots have one short id. One that two transactions fit stays empty.
fn fill_from_mempool(keys: &ShortIds, slots: &mut [Result<Arc<Transaction>, u64>], pool: &Pool) -> bool {
    let mut missing: BTreeMap<u64, (usize, u32)> = BTreeMap::new();
    for (position, slot) in slots.iter().enumerate() {
        if let Err(short_id) = slot
            && missing.insert(*short_id, (position, 0)).is_some()
        {
            return false;
        }
    }
    if missing.is_empty() {
        return true;
    }
    for entry in pool.entries() {
        let short_id = keys.short_id(&entry.transaction.txid());
        let Some((position, found)) = missing.get_mut(&short_id) else { continue };
        *found += 1;
        slots[*position] = if *found == 1 { Ok(entry.transaction.transaction().clone()) } else { Err(short_id) };
    }
    true
}

fn complete(peer: PeerKey, header: Header, slots: Vec<Result<Arc<Transaction>, u64>>) -> ReconstructedBlock {
    let transactions = slots.into_iter().filter_map(Result::ok).map(Arc::unwrap_or_clone).collect();
    ReconstructedBlock { peer, block: Arc::new(Block { header, transactions }) }
}
