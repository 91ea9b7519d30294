//! Headers (80 bytes) and blocks.
use crate::encode::{Decode, DecodeError, Encode, decode_list, encode_list, list_len, take_array};
use crate::hash::{BlockHash, MerkleRoot, sha256d};
use crate::target::CompactTarget;
use crate::transaction::{TRANSACTION_LEN_MIN, Transaction};

/// A block's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Header {
    /// Version bits; free above the floor of [`rules::header`](crate::rules::header), so miners roll them (BIP320).
    pub version: i32,
    /// Hash of the block below; all zero in genesis.
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
        let mut bytes = [0; Self::LEN];
        bytes[..4].copy_from_slice(&self.version.to_le_bytes());
        bytes[4..36].copy_from_slice(self.previous.as_bytes());
        bytes[36..68].copy_from_slice(self.merkle_root.as_bytes());
        bytes[68..72].copy_from_slice(&self.time.to_le_bytes());
        bytes[72..76].copy_from_slice(&self.bits.bits().to_le_bytes());
        bytes[76..].copy_from_slice(&self.nonce.to_le_bytes());
        bytes
    }
    /// From the 80 bytes.
    pub fn from_array(bytes: &[u8; 80]) -> Header {
        fn part<const N: usize>(bytes: &[u8; 80], at: usize) -> [u8; N] {
            let mut part = [0; N];
            part.copy_from_slice(&bytes[at..at + N]);
            part
        }
        Header {
            version: i32::from_le_bytes(part(bytes, 0)),
            previous: BlockHash::from_bytes(part(bytes, 4)),
            merkle_root: MerkleRoot::from_bytes(part(bytes, 36)),
            time: u32::from_le_bytes(part(bytes, 68)),
            bits: CompactTarget::from_bits(u32::from_le_bytes(part(bytes, 72))),
            nonce: u32::from_le_bytes(part(bytes, 76)),
        }
    }
    /// The double SHA-256 of the 80 bytes.
    pub fn hash(&self) -> BlockHash {
        BlockHash::from_bytes(sha256d(&self.to_array()))
    }
}

/// A header and its transactions, the coinbase first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The 80 bytes that proof of work is spent on.
    pub header: Header,
    /// In block order, the coinbase first. The Merkle root in the header commits to them.
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
        Self::LEN
    }
}
impl Decode for Header {
    fn decode(input: &mut &[u8]) -> Result<Self, DecodeError> {
        Ok(Header::from_array(&take_array(input)?))
    }
}
impl Encode for Block {
    fn encode(&self, out: &mut Vec<u8>) {
        self.header.encode(out);
        encode_list(&self.transactions, out);
    }
    fn encoded_len(&self) -> usize {
        Header::LEN + list_len(&self.transactions)
    }
}
impl Decode for Block {
    fn decode(input: &mut &[u8]) -> Result<Self, DecodeError> {
        let header = Header::decode(input)?;
        let transactions = decode_list(input, TRANSACTION_LEN_MIN)?;
        Ok(Block { header, transactions })
    }
}
