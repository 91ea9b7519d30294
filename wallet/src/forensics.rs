//! What everybody can read in a chain: where coins come from and go to ([`trace`]), and which addresses belong together
//! ([`cluster`]). The wallet's privacy options are the counter-measures to try against it.
//!
//! [`ChainIndex`] is the whole active chain in memory; [`draw`] makes DOT and SVG of a trace. Neighbours: [`crate::sync`]
//! reads the blocks. Absent: the mempool, and everything that is not in the chain (network addresses, times of relay).

pub mod cluster;
pub mod draw;
pub mod trace;

use std::collections::HashMap;
use std::sync::Arc;

use chain_spec::{ChainSpec, CheckedBlock, Outpoint, Transaction, TxOut, Txid};

use crate::client::{Client, ClientError};
use crate::sync::{BlockReader, Progress};

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
}

impl ChainIndex {
    /// Reads a node's active chain. A reorganisation meanwhile starts it anew.
    pub fn read(
        client: &Client,
        spec: &ChainSpec,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<ChainIndex, ClientError> {
        let mut reader = BlockReader::new(client, spec);
        let mut index = ChainIndex::default();
        let mut tip = None;
        let mut height = 0;
        loop {
            let target = client.block_count()?;
            if height > target {
                return Ok(index);
            }
            for block in reader.next(height, target)?.1 {
                if tip.is_some_and(|tip| block.header().previous != tip) {
                    (index, tip, height) = (ChainIndex::default(), None, 0);
                    break;
                }
                tip = Some(block.hash());
                index.add(height, &block);
                height += 1;
            }
            progress(Progress { height, target });
        }
    }

    /// Adds the next block.
    pub fn add(&mut self, height: u32, block: &CheckedBlock) {
        for (transaction, txid) in block.block().transactions.iter().zip(block.txids()) {
            let place = self.transactions.len();
            self.places.insert(*txid, place);
            for input in transaction.inputs.iter().filter(|input| !input.outpoint.is_null()) {
                self.spenders.insert(input.outpoint, place);
            }
            self.transactions.push(Known { txid: *txid, height, transaction: Arc::new(transaction.clone()) });
        }
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
