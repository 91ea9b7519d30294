//! A found block: whom it pays, and its proof of work.

use chain_spec::{Block, BlockHash, Script};

/// The script a simulated node's rewards go to: its number, as a public key hash nobody has the key of.
pub fn payout(node: usize) -> Script {
    let mut hash = [0; 20];
    hash[..8].copy_from_slice(&(node as u64).to_le_bytes());
    Script::pay_to_public_key_hash(&hash)
}

/// Works for real, which at the easiest target takes two hashes on average; the block with its hash.
pub fn work(mut block: Block) -> (Block, BlockHash) {
    let target = block.header.bits.to_target();
    loop {
        let hash = block.header.hash();
        if target.is_some_and(|target| target.is_met_by(&hash)) {
            return (block, hash);
        }
        block.header.nonce = block.header.nonce.wrapping_add(1);
    }
}
