//! Putting blocks together from a compact announcement (BIP152): the mempool first, then what the sender adds, and the whole
//! block as the fallback.

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
/// Peers with whose help one block is put together at one time (Core: `MAX_CMPCTBLOCKS_INFLIGHT_PER_BLOCK`).
const PEERS_PER_BLOCK_MAX: usize = 3;
/// How many of them may have dialled us: anybody can dial, so one place is kept for a peer that this node chose.
const INBOUND_PER_BLOCK_MAX: usize = PEERS_PER_BLOCK_MAX - 1;
/// Times the sender is asked again before the block is left to synchronisation: it forwards before it has the body itself.
const TRIES_MAX: u32 = 6;
/// Time before the first of them, milliseconds; doubles.
const RETRY_AFTER_MS: u64 = 20;
/// Bytes of the smallest transaction.
const TRANSACTION_BYTES_MIN: usize = 60;

/// A block some of whose transactions are awaited from one of the peers that announced it.
#[derive(Debug)]
pub(super) struct Reconstruction {
    peer: PeerKey,
    is_inbound: bool,
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
    /// The block, whose Merkle root has not been compared yet.
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
            let hash = compact.header.hash();
            if !cx.wants_body(&hash) {
                continue;
            }
            let Some(node) = cx.chain.find(&hash) else { continue };
            if !cx.chain.parent(node).is_linked() {
                // Its ancestors' bodies come first; the peer shows by its headers that it has them.
                self.ask_headers(peer, cx);
            } else if let Some(block) = self.reconstruct(peer, hash, &compact, cx) {
                return Some(block);
            }
        }
        None
    }

    fn reconstruct(
        &mut self,
        peer: PeerKey,
        hash: BlockHash,
        compact: &CompactBlock,
        cx: &mut Context<'_>,
    ) -> Option<ReconstructedBlock> {
        if !self.may_reconstruct(peer, &hash) {
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
        let is_new = !self.relay.reconstructions.contains_key(&hash);
        if is_new && self.relay.reconstructions.len() >= RECONSTRUCTIONS_MAX {
            self.ask_headers(peer, cx);
            return None;
        }
        let is_inbound = self.is_inbound(peer);
        let header = compact.header;
        let reconstruction = Reconstruction { peer, is_inbound, header, keys, slots, tries: 0, retry_at: None };
        self.relay.reconstructions.entry(hash).or_default().push(reconstruction);
        self.ask_missing(hash, peer, cx);
        None
    }

    fn is_inbound(&self, peer: PeerKey) -> bool {
        self.peers.get(&peer).is_none_or(|state| state.inbound)
    }

    /// Whether a block may (also) be put together with a peer's help. The first to announce it does not own it: it may never
    /// send what its announcement lacks.
    fn may_reconstruct(&self, peer: PeerKey, hash: &BlockHash) -> bool {
        let Some(under_way) = self.relay.reconstructions.get(hash) else { return true };
        let inbound = under_way.iter().filter(|reconstruction| reconstruction.is_inbound).count();
        under_way.len() < PEERS_PER_BLOCK_MAX
            && (!self.is_inbound(peer) || inbound < INBOUND_PER_BLOCK_MAX)
            && under_way.iter().all(|reconstruction| reconstruction.peer != peer)
    }

    fn reconstruction_mut(&mut self, hash: &BlockHash, peer: PeerKey) -> Option<&mut Reconstruction> {
        let under_way = self.relay.reconstructions.get_mut(hash)?;
        under_way.iter_mut().find(|reconstruction| reconstruction.peer == peer)
    }

    fn take_reconstruction(&mut self, hash: &BlockHash, peer: PeerKey) -> Option<Reconstruction> {
        let under_way = self.relay.reconstructions.get_mut(hash)?;
        let place = under_way.iter().position(|reconstruction| reconstruction.peer == peer)?;
        let taken = under_way.swap_remove(place);
        if under_way.is_empty() {
            self.relay.reconstructions.remove(hash);
        }
        Some(taken)
    }

    /// Asks a peer for what the block it announced lacks.
    fn ask_missing(&mut self, hash: BlockHash, peer: PeerKey, cx: &mut Context<'_>) {
        let Some(reconstruction) = self.reconstruction_mut(&hash, peer) else { return };
        reconstruction.retry_at = None;
        let missing = reconstruction.slots.iter().enumerate().filter(|(_, slot)| slot.is_err());
        let indexes = missing.map(|(position, _)| position as u32).collect();
        let request = Request::BlockTransactions { block: hash, indexes };
        if self.ask(peer, Asked::BlockTransactions(hash), request, cx).is_none() {
            self.reconstruction_failed(&hash, peer, cx);
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
        if cx.chain.find(&hash).is_none_or(|node| node.has_body()) {
            self.relay.reconstructions.remove(&hash);
            return None;
        }
        let reconstruction = self.reconstruction_mut(&hash, peer)?;
        if transactions.is_empty() {
            reconstruction.tries += 1;
            reconstruction.retry_at = Some(Time(cx.now.0 + (RETRY_AFTER_MS << reconstruction.tries)));
            if reconstruction.tries > TRIES_MAX {
                self.reconstruction_failed(&hash, peer, cx);
            }
            return None;
        }
        let Reconstruction { header, keys, mut slots, .. } = self.take_reconstruction(&hash, peer)?;
        let missing = slots.iter().filter(|slot| slot.is_err()).count();
        if missing != transactions.len() {
            self.misbehaved(peer, Misbehaviour::BadAnswer("more or fewer transactions than asked for"), cx);
            return None;
        }
        for (slot, transaction) in slots.iter_mut().filter(|slot| slot.is_err()).zip(transactions) {
            if *slot != Err(keys.short_id(&transaction.txid())) {
                // Announcements are forwarded before anybody has the body, so whoever made up the short id need not be whoever
                // forwarded it and now answers truthfully. The whole block will tell.
                self.ask_block(peer, hash, cx);
                return None;
            }
            *slot = Ok(transaction);
        }
        Some(complete(peer, header, slots))
    }

    /// A block cannot be put together with a peer's help: whoever has it will show it by its headers.
    pub(super) fn reconstruction_failed(&mut self, hash: &BlockHash, peer: PeerKey, cx: &mut Context<'_>) {
        if self.take_reconstruction(hash, peer).is_none() {
            return;
        }
        let trusted = self.peers.iter().filter(|(_, state)| !state.is_distrusted).map(|(peer, _)| *peer);
        let others: Vec<PeerKey> = trusted.filter(|other| *other != peer).take(2).collect();
        for peer in std::iter::once(peer).chain(others) {
            self.ask_headers(peer, cx);
        }
    }

    /// Asks again where a peer did not have the body yet; forgets blocks that came another way.
    pub(super) fn retry_reconstructions(&mut self, cx: &mut Context<'_>) {
        let chain = cx.chain;
        let is_missing = |hash: &BlockHash| chain.find(hash).is_some_and(|node| !node.has_body() && node.is_sound());
        self.relay.reconstructions.retain(|hash, _| is_missing(hash));
        let waiting = self.relay.reconstructions.iter();
        let waiting = waiting.flat_map(|(hash, under_way)| under_way.iter().map(move |one| (*hash, one)));
        let due: Vec<(BlockHash, PeerKey)> = waiting
            .filter(|(_, reconstruction)| reconstruction.retry_at.is_some_and(|at| at <= cx.now))
            .map(|(hash, reconstruction)| (hash, reconstruction.peer))
            .collect();
        due.into_iter().for_each(|(hash, peer)| self.ask_missing(hash, peer, cx));
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
