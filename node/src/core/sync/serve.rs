//! Answering peers. Every request gets one answer, of bounded size; only blocks that were fully judged are served, so that
//! whoever receives an invalid block knows whom to blame.

use super::Core;
use crate::core::event::{Misbehaviour, PeerKey, Time};
use crate::core::message::{
    BLOCKS_PER_REQUEST_MAX, HEADERS_PER_MESSAGE_MAX, LOCATOR_HASHES_MAX, Request, Response,
    TRANSACTIONS_PER_MESSAGE_MAX,
};
use crate::core::store::StoreError;
use chain_spec::{Block, BlockHash, Encode, Header, Transaction, Txid};
use std::sync::Arc;

/// Bytes of blocks or transactions in one answer; one block is sent whatever its size.
const ANSWER_BYTES_MAX: usize = 4 << 20;
/// Time between two answers about our mempool to one peer, milliseconds.
const MEMPOOL_INTERVAL_MS: u64 = 5_000;

impl Core {
    /// The answer to a request.
    pub(crate) fn respond(&mut self, peer: PeerKey, request: Request, now: Time) -> Result<Response, StoreError> {
        Ok(match request {
            Request::Headers { locator, stop } => {
                if locator.len() > LOCATOR_HASHES_MAX {
                    self.offend(peer, Misbehaviour::Flood("hashes in one locator"));
                    return Ok(Response::Headers(Vec::new()));
                }
                let headers = self.headers_after(&locator, &stop);
                let newest = headers.last().map(Header::hash).into_iter().chain(locator);
                if let Some(id) = newest.into_iter().find_map(|hash| self.chain.tree.find(&hash)) {
                    self.note_known(peer, id);
                }
                Response::Headers(headers)
            }
            Request::Blocks { hashes } => {
                if hashes.len() > BLOCKS_PER_REQUEST_MAX {
                    self.offend(peer, Misbehaviour::Flood("blocks in one request"));
                }
                Response::Blocks(self.blocks_served(&hashes)?)
            }
            Request::BlockTransactions { block, indexes } => {
                match self.block_served(&block)?.map(|block| pick(&block, &indexes)) {
                    Some(Some(transactions)) => Response::BlockTransactions(transactions),
                    Some(None) => {
                        self.offend(peer, Misbehaviour::BadAnswer("positions that a block does not have"));
                        Response::BlockTransactions(Vec::new())
                    }
                    None => Response::BlockTransactions(Vec::new()),
                }
            }
            Request::Mempool => Response::Mempool(self.mempool_served(peer, now)),
            Request::Transactions { txids } => {
                if txids.len() > TRANSACTIONS_PER_MESSAGE_MAX {
                    self.offend(peer, Misbehaviour::Flood("transaction ids in one message"));
                    return Ok(Response::Transactions(Vec::new()));
                }
                Response::Transactions(self.transactions_served(&txids))
            }
        })
    }

    fn headers_after(&self, locator: &[BlockHash], stop: &BlockHash) -> Vec<Header> {
        let active = |hash: &BlockHash| self.chain.tree.find(hash).filter(|id| self.chain.is_active(*id));
        let from = locator.iter().find_map(active).map_or(0, |id| self.chain.tree.node(id).height);
        let mut headers = Vec::new();
        for height in from + 1..=self.chain.height().min(from.saturating_add(HEADERS_PER_MESSAGE_MAX as u32)) {
            let Some(id) = self.chain.active_at(height) else { break };
            let node = self.chain.tree.node(id);
            headers.push(node.header);
            if node.hash == *stop {
                break;
            }
        }
        headers
    }

    fn block_served(&self, hash: &BlockHash) -> Result<Option<Arc<Block>>, StoreError> {
        let Some(id) = self.chain.tree.find(hash) else { return Ok(None) };
        let node = self.chain.tree.node(id);
        if !node.is_connected || !node.is_sound() {
            return Ok(None);
        }
        self.chain.block(hash, self.store.as_ref())
    }

    fn blocks_served(&self, hashes: &[BlockHash]) -> Result<Vec<Arc<Block>>, StoreError> {
        let (mut blocks, mut bytes) = (Vec::new(), 0);
        for hash in hashes.iter().take(BLOCKS_PER_REQUEST_MAX) {
            let Some(block) = self.block_served(hash)? else { continue };
            bytes += block.encoded_len();
            if bytes > ANSWER_BYTES_MAX && !blocks.is_empty() {
                break;
            }
            blocks.push(block);
        }
        Ok(blocks)
    }

    fn mempool_served(&mut self, peer: PeerKey, now: Time) -> Vec<Txid> {
        let Some(state) = self.sync.peers.get_mut(&peer) else { return Vec::new() };
        if state.mempool_served_at.is_some_and(|at| now.0.saturating_sub(at.0) < MEMPOOL_INTERVAL_MS) {
            return Vec::new();
        }
        state.mempool_served_at = Some(now);
        let entries = self.mempool.entries().take(TRANSACTIONS_PER_MESSAGE_MAX);
        entries.map(|entry| entry.transaction.txid()).collect()
    }

    fn transactions_served(&self, txids: &[Txid]) -> Vec<Arc<Transaction>> {
        let (mut transactions, mut bytes) = (Vec::new(), 0);
        for entry in txids.iter().filter_map(|txid| self.mempool.get(txid)) {
            bytes += entry.transaction.size();
            if bytes > ANSWER_BYTES_MAX {
                break;
            }
            transactions.push(entry.transaction.transaction().clone());
        }
        transactions
    }
}

/// A block's transactions by position, ascending; `None` if a position is not there.
fn pick(block: &Block, indexes: &[u32]) -> Option<Vec<Arc<Transaction>>> {
    if !indexes.is_sorted_by(|a, b| a < b) {
        return None;
    }
    indexes.iter().map(|index| block.transactions.get(*index as usize).cloned().map(Arc::new)).collect()
}
