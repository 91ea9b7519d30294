//! Headers, blocks and Merkle trees.
use super::{mutate, mutations, transaction};
use bitcoin::consensus::{deserialize, serialize};
use bitcoin::hashes::Hash;
use chain_spec::merkle::{coinbase_branch, merkle_root, root_from_branch};
use chain_spec::{Block, BlockHash, CompactTarget, Decode, DecodeError, Encode, Header, MerkleRoot, Txid};
use proptest::collection::vec;
use proptest::prelude::*;

fn header() -> impl Strategy<Value = Header> {
    (any::<i32>(), any::<[u8; 32]>(), any::<[u8; 32]>(), any::<[u32; 3]>()).prop_map(
        |(version, previous, merkle_root, [time, bits, nonce])| Header {
            version,
            previous: BlockHash::from_bytes(previous),
            merkle_root: MerkleRoot::from_bytes(merkle_root),
            time,
            bits: CompactTarget::from_bits(bits),
            nonce,
        },
    )
}

fn block() -> impl Strategy<Value = Block> {
    (header(), vec(transaction(1), 0..6)).prop_map(|(header, transactions)| Block { header, transactions })
}

/// Whether some transaction in `bytes` has no inputs, where the two formats differ: ours reads it, SegWit's cannot.
fn has_empty_inputs(block: &Block) -> bool {
    block.transactions.iter().any(|transaction| transaction.inputs.is_empty())
}

proptest! {
    #[test]
    fn headers_agree(header in header()) {
        let bytes = header.to_array();
        let theirs: bitcoin::block::Header = deserialize(&bytes).unwrap();
        prop_assert_eq!(serialize(&theirs), bytes.to_vec());
        prop_assert_eq!(header.hash().to_string(), theirs.block_hash().to_string());
        prop_assert_eq!(header.bits.bits(), theirs.bits.to_consensus());
        prop_assert_eq!(Header::from_array(&bytes), header);
        prop_assert_eq!(Header::from_bytes(&bytes[..79]), Err(DecodeError::UnexpectedEnd));
    }

    #[test]
    fn generated_blocks_round_trip(block in block()) {
        let bytes = block.to_bytes();
        prop_assert_eq!(bytes.len(), block.encoded_len());
        let theirs: bitcoin::Block = deserialize(&bytes).unwrap();
        prop_assert_eq!(serialize(&theirs), bytes.clone());
        prop_assert_eq!(block.hash().to_string(), theirs.block_hash().to_string());
        prop_assert_eq!(Block::from_bytes(&bytes), Ok(block.clone()));
        let txids: Vec<Txid> = block.transactions.iter().map(|transaction| transaction.txid()).collect();
        let ours = (!txids.is_empty()).then(|| merkle_root(&txids).0.to_string());
        prop_assert_eq!(ours, theirs.compute_merkle_root().map(|root| root.to_string()));
    }

    #[test]
    fn mutated_blocks_are_read_or_refused_alike(block in block(), mutations in mutations()) {
        let bytes = mutate(block.to_bytes(), &mutations);
        match (Block::from_bytes(&bytes), deserialize::<bitcoin::Block>(&bytes)) {
            (Ok(ours), Ok(theirs)) => {
                prop_assert_eq!(ours.to_bytes(), bytes.clone());
                prop_assert_eq!(serialize(&theirs), bytes);
            }
            (Ok(ours), Err(_)) => prop_assert!(has_empty_inputs(&ours)),
            (Err(DecodeError::SegWit), _) => {}
            (ours, theirs) => prop_assert_eq!(ours.is_err(), theirs.is_err(), "{:?}", ours),
        }
    }

    #[test]
    fn merkle_roots_agree(leaves in vec(any::<[u8; 32]>(), 1..70)) {
        let txids: Vec<Txid> = leaves.iter().map(|leaf| Txid::from_bytes(*leaf)).collect();
        let theirs = leaves.iter().map(|leaf| bitcoin::Txid::from_byte_array(*leaf).to_raw_hash());
        let theirs = bitcoin::merkle_tree::calculate_root(theirs).unwrap();
        let (ours, mutated) = merkle_root(&txids);
        prop_assert_eq!(ours.as_bytes(), &theirs.to_byte_array());
        prop_assert!(!mutated);
        prop_assert_eq!(root_from_branch(txids[0], &coinbase_branch(&txids)), ours);
    }

    /// CVE-2012-2459: every list that can be lengthened without changing its root is found out.
    #[test]
    fn lengthened_lists_with_the_same_root_are_mutated(leaves in vec(any::<[u8; 32]>(), 1..40)) {
        let txids: Vec<Txid> = leaves.iter().map(|leaf| Txid::from_bytes(*leaf)).collect();
        for repeated in 1..=txids.len() {
            let mut longer = txids.clone();
            longer.extend_from_within(txids.len() - repeated..);
            let (root, mutated) = merkle_root(&longer);
            if root == merkle_root(&txids).0 {
                prop_assert!(mutated, "{} leaves, {} repeated", txids.len(), repeated);
            }
        }
    }
}

#[test]
fn of_nothing_the_root_is_zero_and_of_one_it_is_the_leaf() {
    assert_eq!(merkle_root(&[]), (MerkleRoot::ZERO, false));
    let leaf = Txid::from_bytes([7; 32]);
    assert_eq!(merkle_root(&[leaf]).0.as_bytes(), leaf.as_bytes());
    assert!(coinbase_branch(&[leaf]).is_empty());
}
