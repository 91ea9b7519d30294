//! What the optional indexes hold, and its bytes: filters by block, spenders by outpoint. [`indexes`](super::indexes) makes the
//! entries, [`shared`](super::shared) keeps and reads them.

use super::block_filter::{filter_of, header_of};
use super::keys;
use super::redo::Change;
use crate::core::store::{BlockFilter, Spender};
use chain_spec::{Block, BlockHash, BlockUndo, Outpoint, Txid};
use rustc_hash::FxHashMap;

/// Which of these indexes a store keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, bincode::Encode, bincode::Decode)]
pub(super) struct Kept {
    pub(super) filters: bool,
    pub(super) spenders: bool,
}

/// What blocks added that is not in the database yet.
#[derive(Debug, Default)]
pub(super) struct PendingIndexes {
    pub(super) filters: FxHashMap<BlockHash, BlockFilter>,
    pub(super) spenders: FxHashMap<Outpoint, Spender>,
}

impl PendingIndexes {
    /// As changes of the database.
    pub(super) fn changes(&self) -> impl Iterator<Item = Change> + '_ {
        let filters = self
            .filters
            .iter()
            .map(|(hash, filter)| Change::set(keys::hash_key(keys::FILTER, hash.as_bytes()), filter_value(filter)));
        let spenders = self.spenders.iter().map(|(outpoint, spender)| Change {
            key: keys::spender_key(outpoint),
            value: Some(spender_value(spender)),
        });
        filters.chain(spenders)
    }
    /// A filter that is not in the database yet.
    pub(super) fn filter(&self, hash: &BlockHash) -> Option<&BlockFilter> {
        self.filters.get(hash)
    }
    /// A spender that is not in the database yet.
    pub(super) fn spender(&self, outpoint: &Outpoint) -> Option<&Spender> {
        self.spenders.get(outpoint)
    }
}

fn filter_value(filter: &BlockFilter) -> Vec<u8> {
    [&filter.header[..], &filter.filter].concat()
}

fn spender_value(spender: &Spender) -> Vec<u8> {
    [*spender.txid.as_bytes(), *spender.block.as_bytes()].concat()
}

/// Reads what [`filter_value`] wrote.
pub(super) fn read_filter(value: &[u8]) -> Option<BlockFilter> {
    let (header, filter) = value.split_first_chunk::<32>()?;
    Some(BlockFilter { header: *header, filter: filter.to_vec() })
}

/// Reads what [`spender_value`] wrote.
pub(super) fn read_spender(value: &[u8]) -> Option<Spender> {
    let (txid, block) = value.split_first_chunk::<32>()?;
    Some(Spender { txid: Txid::from_bytes(*txid), block: BlockHash::from_bytes(block.try_into().ok()?) })
}

/// The genesis block's filter, which needs no coins.
pub(super) fn genesis_filter(genesis: &Block) -> BlockFilter {
    let filter = filter_of(&genesis.header.hash(), genesis, &BlockUndo::default());
    BlockFilter { header: header_of(&filter, &[0; 32]), filter }
}
