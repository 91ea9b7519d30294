//! A run's trace: a hash over everything the cores were given and every tip they chose, by which two runs are told apart.

use super::links::gossip_id_and_bytes;
use chain_spec::BlockHash;
use node::core::event::Input;
use sha2::{Digest as _, Sha256};

/// SHA-256 in progress.
#[derive(Clone, Default)]
pub struct Trace(Sha256);

impl Trace {
    /// Takes in an input that a node's core is given.
    pub fn input(&mut self, now_us: u64, node: usize, input: &Input) {
        let mut record = [0; 57];
        record[..8].copy_from_slice(&now_us.to_le_bytes());
        record[8..16].copy_from_slice(&(node as u64).to_le_bytes());
        let (kind, number, hash): (u8, u64, [u8; 32]) = match input {
            Input::Tick => (0, 0, [0; 32]),
            Input::PeerConnected { peer, .. } => (1, peer.0, [0; 32]),
            Input::PeerDisconnected { peer } => (2, peer.0, [0; 32]),
            Input::Gossip { peer, message, .. } => (3, peer.0, gossip_id_and_bytes(message, 0).0),
            Input::Request { peer, .. } => (4, peer.0, [0; 32]),
            Input::Response { peer, .. } => (5, peer.0, [0; 32]),
            Input::RequestFailed { peer, .. } => (6, peer.0, [0; 32]),
            Input::Submit { transactions } => match &transactions[..] {
                [only] => (7, 0, *only.transaction.txid().as_bytes()),
                several => (12, several.len() as u64, [0; 32]),
            },
            Input::SubmitBlock { block, .. } => (8, 0, *block.hash().as_bytes()),
            Input::SubmitHeader { header, .. } => (9, 0, *header.hash().as_bytes()),
            Input::OverrideBlock { block, .. } => (10, 0, *block.as_bytes()),
            Input::SubmitPackage { transactions } => (13, transactions.len() as u64, [0; 32]),
            Input::Prioritise { txid, .. } => (14, 0, *txid.as_bytes()),
            Input::FetchBlock { peer, block, .. } => (15, peer.0, *block.as_bytes()),
            Input::Prune { height, .. } => (16, u64::from(*height), [0; 32]),
            Input::Stop => (11, 0, [0; 32]),
        };
        record[16] = kind;
        record[17..25].copy_from_slice(&number.to_le_bytes());
        record[25..].copy_from_slice(&hash);
        self.0.update(record);
    }

    /// Takes in a tip that a node chose.
    pub fn tip(&mut self, tip: &BlockHash) {
        self.0.update(tip.as_bytes());
    }

    /// The hash so far.
    pub fn hash(&self) -> [u8; 32] {
        self.0.clone().finalize().into()
    }
}
