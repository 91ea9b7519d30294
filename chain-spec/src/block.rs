//! Headers (80 bytes) and blocks.
use crate::{BlockHash, CompactTarget, Decode, DecodeError, Encode, MerkleRoot, Transaction};

/// A block's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Header {
    /// Version bits; free, so miners roll them (BIP320).
    pub version: i32,
    /// The parent.
    pub previous: BlockHash,
    /// Commits to the transactions.
    pub merkle_root: MerkleRoot,
    /// Unix time in seconds.
    pub time: u32,
    /// The compact target (`nBits`).
    pub bits: CompactTarget,
    /// What miners vary.
    pub nonce: u32,
}
impl Header {
    /// Bytes of a header.
    pub const LEN: usize = 80;
    /// The 80 bytes.
    pub fn to_array(&self) -> [u8; 80] {
        todo!()
    }
    /// From the 80 bytes.
    pub fn from_array(_bytes: &[u8; 80]) -> Header {
        todo!()
    }
    /// The double SHA-256 of the 80 bytes.
    pub fn hash(&self) -> BlockHash {
        todo!()
    }
}
/// A header and its transactions, the coinbase first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The header.
    pub header: Header,
    /// The transactions.
    pub transactions: Vec<Transaction>,
}
impl Block {
    /// The header's hash.
    pub fn hash(&self) -> BlockHash {
        self.header.hash()
    }
}
impl Encode for Header {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_array());
    }
    fn encoded_len(&self) -> usize {
        80
    }
}
impl Decode for Header {
    fn decode(_input: &mut &[u8]) -> Result<Self, DecodeError> {
        todo!()
    }
}
impl Encode for Block {
    fn encode(&self, _out: &mut Vec<u8>) {
        todo!()
    }
    fn encoded_len(&self) -> usize {
        todo!()
    }
}
impl Decode for Block {
    fn decode(_input: &mut &[u8]) -> Result<Self, DecodeError> {
        todo!()
    }
}
