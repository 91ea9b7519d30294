//! What everybody can read in a chain: where coins come from and go to ([`trace`]), and which addresses belong together
//! ([`cluster`]). The wallet's privacy options are the counter-measures to try against it.
//!
//! [`ChainIndex`] is the whole active chain in memory; [`draw`] makes DOT and SVG of a trace; [`owners`] says who really owns
//! what, on a network whose wallets are at hand. Neighbours: [`crate::sync`] reads the blocks. Absent: the mempool, and everything that is not in the chain (network addresses, times of relay).

pub mod cluster;
pub mod draw;
pub mod owners;
pub mod trace;

use std::collections::HashMap;
use std::sync::Arc;

use chain_spec::{BlockHash, ChainSpec, CheckedBlock, Outpoint, Transaction, TxOut, Txid};

use crate::client::{Client, ClientError};
use crate::sync::{BlockReader, Progress};

/// Times in a row that a node may answer with blocks that do not follow those before: a reorganisation can come between two
/// questions, but not for ever.
const MISFITS_MAX: u32 = 20;

/// A transaction of the chain.
#[derive(Clone, Debug)]
pub struct Known {
    /// Its id.
    pub txid: Txid,
    /// Its block's height.
    pub height: u32,
    /// The transaction.
    pub transaction: Arc<Transaction>,
}

/// The active chain's transactions, in the order of the chain, and who spends what.
#[derive(Clone, Debug, Default)]
pub struct ChainIndex {
    transactions: Vec<Known>,
    places: HashMap<Txid, usize>,
    spenders: HashMap<Outpoint, usize>,
    /// Each block's hash and the place of its coinbase, by height.
    blocks: Vec<(BlockHash, usize)>,
}

impl ChainIndex {
    /// Reads a node's active chain.
    ///
    /// # Errors
    /// The node does not answer, or with something that is no chain of `spec`.
    pub fn read(
        client: &Client,
        spec: &ChainSpec,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<ChainIndex, ClientError> {
        let mut index = ChainIndex::default();
        index.catch_up(client, spec, progress)?;
        Ok(index)
    }

    /// Goes to a node's tip: forgets the blocks that the node has left or never had, and reads those that it has since.
    ///
    /// # Errors
    /// As [`ChainIndex::read`]; what has been read stays.
    pub fn catch_up(
        &mut self,
        client: &Client,
        spec: &ChainSpec,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), ClientError> {
        let mut reader = BlockReader::new(client, spec);
        let mut misfits = 0;
        loop {
            self.leave_stale(client)?;
            let (height, target) = (self.height(), client.block_count()?);
            if height > target {
                return Ok(());
            }
            for block in reader.next(height, target)?.1 {
                if self.blocks.last().is_some_and(|(tip, _)| block.header().previous != *tip) {
                    misfits += 1;
                    break;
                }
                misfits = 0;
                self.add(&block);
            }
            if misfits > MISFITS_MAX {
                return Err(client.bad_answer("getblock", "a block that does not follow the one before"));
            }
            progress(Progress { height: self.height(), target });
        }
    }

    /// Forgets blocks from the top until the last one is on the node's active chain. The steps double, so that a long branch
    /// costs few questions; what they forget too much is read again.
    fn leave_stale(&mut self, client: &Client) -> Result<(), ClientError> {
        let mut step = 1;
        while let Some((hash, _)) = self.blocks.last() {
            if client.block_hash(self.height() - 1)?.as_ref() == Some(hash) {
                break;
            }
            self.truncate(self.blocks.len().saturating_sub(step));
            step *= 2;
        }
        Ok(())
    }

    /// Forgets all but the lowest blocks.
    fn truncate(&mut self, blocks: usize) {
        let Some((_, place)) = self.blocks.get(blocks).copied() else { return };
        self.blocks.truncate(blocks);
        for known in self.transactions.split_off(place) {
            self.places.remove(&known.txid);
            for input in &known.transaction.inputs {
                self.spenders.remove(&input.outpoint);
            }
        }
    }

    /// Adds the next block.
    pub fn add(&mut self, block: &CheckedBlock) {
        let height = self.height();
        self.blocks.push((block.hash(), self.transactions.len()));
        for (transaction, txid) in block.block().transactions.iter().zip(block.txids()) {
            let place = self.transactions.len();
            self.places.insert(*txid, place);
            for input in transaction.inputs.iter().filter(|input| !input.outpoint.is_null()) {
                self.spenders.insert(input.outpoint, place);
            }
            self.transactions.push(Known { txid: *txid, height, transaction: Arc::new(transaction.clone()) });
        }
    }

    /// How many blocks it has: the height of the next one.
    pub fn height(&self) -> u32 {
        u32::try_from(self.blocks.len()).unwrap_or(u32::MAX)
    }

    /// All transactions, in the order of the chain.
    pub fn transactions(&self) -> &[Known] {
        &self.transactions
    }

    /// One transaction.
    pub fn get(&self, txid: &Txid) -> Option<&Known> {
        self.places.get(txid).map(|place| &self.transactions[*place])
    }

    /// The transaction that spends an output.
    pub fn spender(&self, outpoint: &Outpoint) -> Option<&Known> {
        self.spenders.get(outpoint).map(|place| &self.transactions[*place])
    }

    /// The output an outpoint names.
    pub fn output(&self, outpoint: &Outpoint) -> Option<&TxOut> {
        self.get(&outpoint.txid)?.transaction.outputs.get(outpoint.index as usize)
    }

    /// Every output that pays a public key hash, in the order of the chain.
    pub fn paid_to(&self, public_key_hash: &[u8; 20]) -> Vec<Outpoint> {
        let mut found = Vec::new();
        for known in &self.transactions {
            let outputs = (0..).zip(&known.transaction.outputs);
            let ours = outputs.filter(|(_, output)| output.script.public_key_hash().as_ref() == Some(public_key_hash));
            found.extend(ours.map(|(index, _)| Outpoint { txid: known.txid, index }));
        }
        found
    }

    fn place(&self, txid: &Txid) -> Option<usize> {
        self.places.get(txid).copied()
    }
}

#[cfg(test)]
mod tests;
