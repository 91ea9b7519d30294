//! Answering peers. Every request gets one answer, of bounded size; only blocks that were fully judged are served, so that
//! whoever receives an invalid block knows whom to blame.

use super::{Context, Peers};
use crate::core::chain_view::ChainView;
use crate::core::event::{Misbehaviour, PeerKey};
use crate::core::message::{
    ANSWER_BYTES_MAX, BLOCKS_PER_REQUEST_MAX, HEADERS_PER_MESSAGE_MAX, LOCATOR_HASHES_MAX, Request, Response,
    TRANSACTIONS_PER_MESSAGE_MAX,
};
use crate::core::store::StoreError;
use chain_spec::{Block, BlockHash, Encode, Header, Transaction, Txid};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Time between two answers about our mempool to one peer, milliseconds.
const MEMPOOL_INTERVAL_MS: u64 = 5_000;

impl Peers {
    /// The answer to a request.
    pub(crate) fn respond(
        &mut self,
        peer: PeerKey,
        request: Request,
        cx: &mut Context<'_>,
    ) -> Result<Response, StoreError> {
        Ok(match request {
            Request::Headers { locator, stop } => {
                if locator.len() > LOCATOR_HASHES_MAX {
                    self.misbehaved(peer, Misbehaviour::Flood("hashes in one locator"), cx);
                    return Ok(Response::Headers(Vec::new()));
                }
                let headers = headers_after(&locator, &stop, cx);
                let newest = headers.last().map(Header::hash).into_iter().chain(locator);
                if let Some(hash) = newest.into_iter().find(|hash| cx.chain.find(hash).is_some()) {
                    self.note_known(peer, &hash, cx);
                }
                Response::Headers(headers)
            }
            Request::Blocks { hashes } => {
                if hashes.len() > BLOCKS_PER_REQUEST_MAX {
                    self.misbehaved(peer, Misbehaviour::Flood("blocks in one request"), cx);
                }
                if repeats(&hashes) {
                    // Nobody needs a block twice; who asks so wants our memory.
                    self.misbehaved(peer, Misbehaviour::Flood("one block named twice in a request"), cx);
                    return Ok(Response::Blocks(Vec::new()));
                }
                let blocks = blocks_served(&hashes, cx)?;
                let is_pruned = |hash| cx.chain.find(hash).is_some_and(|node| node.is_pruned);
                if blocks.is_empty() && hashes.first().is_some_and(is_pruned) {
                    return Ok(Response::Pruned { from_height: cx.chain.blocks_from_height() });
                }
                Response::Blocks(blocks)
            }
            Request::BlockTransactions { block, indexes } => {
                match block_served(&block, cx)?.map(|block| pick(&block, &indexes)) {
                    Some(Some(transactions)) => Response::BlockTransactions(transactions),
                    Some(None) => {
                        let misbehaviour = Misbehaviour::BadAnswer("positions that a block does not have");
                        self.misbehaved(peer, misbehaviour, cx);
                        Response::BlockTransactions(Vec::new())
                    }
                    None => Response::BlockTransactions(Vec::new()),
                }
            }
            Request::Mempool => Response::Mempool(self.mempool_served(peer, cx)),
            Request::Transactions { txids } => {
                if txids.len() > TRANSACTIONS_PER_MESSAGE_MAX {
                    self.misbehaved(peer, Misbehaviour::Flood("transaction ids in one message"), cx);
                    return Ok(Response::Transactions(Vec::new()));
                }
                if repeats(&txids) {
                    self.misbehaved(peer, Misbehaviour::Flood("one transaction named twice in a request"), cx);
                    return Ok(Response::Transactions(Vec::new()));
                }
                txids.iter().for_each(|txid| self.seen_elsewhere(txid, peer));
                Response::Transactions(transactions_served(&txids, cx))
            }
        })
    }

    fn mempool_served(&mut self, peer: PeerKey, cx: &Context<'_>) -> Vec<Txid> {
        let Some(state) = self.peers.get_mut(&peer) else { return Vec::new() };
        if state.mempool_served_at.is_some_and(|at| cx.now.0.saturating_sub(at.0) < MEMPOOL_INTERVAL_MS) {
            return Vec::new();
        }
        state.mempool_served_at = Some(cx.now);
        let entries = cx.mempool.pool().entries().take(TRANSACTIONS_PER_MESSAGE_MAX);
        entries.map(|entry| entry.transaction.txid()).collect()
    }
}

fn headers_after(locator: &[BlockHash], stop: &BlockHash, cx: &Context<'_>) -> Vec<Header> {
    let active = |hash: &BlockHash| cx.chain.find(hash).filter(|node| cx.chain.is_active(node));
    let from = locator.iter().find_map(active).map_or(0, |node| node.height);
    let mut headers = Vec::new();
    for height in from + 1..=cx.chain.height().min(from.saturating_add(HEADERS_PER_MESSAGE_MAX as u32)) {
        let Some(node) = cx.chain.active_at(height) else { break };
        headers.push(node.header);
        if node.hash == *stop {
            break;
        }
    }
    headers
}

fn block_served(hash: &BlockHash, cx: &Context<'_>) -> Result<Option<Arc<Block>>, StoreError> {
    match cx.chain.find(hash) {
        Some(node) if node.is_connected() && node.is_sound() => cx.chain.block(hash),
        _ => Ok(None),
    }
}

fn blocks_served(hashes: &[BlockHash], cx: &Context<'_>) -> Result<Vec<Arc<Block>>, StoreError> {
    let (mut blocks, mut bytes) = (Vec::new(), 0);
    for hash in hashes.iter().take(BLOCKS_PER_REQUEST_MAX) {
        let Some(block) = block_served(hash, cx)? else { continue };
        bytes += block.encoded_len();
        if bytes > ANSWER_BYTES_MAX && !blocks.is_empty() {
            break;
        }
        blocks.push(block);
    }
    Ok(blocks)
}

fn transactions_served(txids: &[Txid], cx: &Context<'_>) -> Vec<Arc<Transaction>> {
    let (mut transactions, mut bytes) = (Vec::new(), 0);
    for entry in txids.iter().filter_map(|txid| cx.mempool.pool().get(txid)) {
        bytes += entry.transaction.size();
        if bytes > ANSWER_BYTES_MAX {
            break;
        }
        transactions.push(entry.transaction.transaction().clone());
    }
    transactions
}

/// Whether something is named twice.
fn repeats<T: Ord>(names: &[T]) -> bool {
    let mut seen = BTreeSet::new();
    !names.iter().all(|name| seen.insert(name))
}

/// A block's transactions by position, ascending; `None` if a position is not there.
fn pick(block: &Block, indexes: &[u32]) -> Option<Vec<Arc<Transaction>>> {
    if !indexes.is_sorted_by(|a, b| a < b) {
        return None;
    }
    indexes.iter().map(|index| block.transactions.get(*index as usize).cloned().map(Arc::new)).collect()
}
