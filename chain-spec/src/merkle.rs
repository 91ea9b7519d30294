//! Merkle trees over txids.
use crate::hash::{MerkleRoot, Txid, sha256d};

/// The root, and whether two equal neighbours were hashed together, which lets two lists share one root (CVE-2012-2459).
/// Of no ids, the root is zero.
pub fn merkle_root(txids: &[Txid]) -> (MerkleRoot, bool) {
    let mut level: Vec<[u8; 32]> = txids.iter().map(|txid| *txid.as_bytes()).collect();
    let mut mutated = false;
    while level.len() > 1 {
        mutated |= level.as_chunks::<2>().0.iter().any(|[left, right]| left == right);
        fold_level(&mut level);
    }
    (MerkleRoot::from_bytes(level.first().copied().unwrap_or_default()), mutated)
}

/// The branch that proves the first leaf (stratum's `merkle_branch`), from the leaves up.
pub fn coinbase_branch(txids: &[Txid]) -> Vec<[u8; 32]> {
    let mut level: Vec<[u8; 32]> = txids.iter().map(|txid| *txid.as_bytes()).collect();
    let mut branch = Vec::new();
    while level.len() > 1 {
        branch.push(level[1]);
        fold_level(&mut level);
    }
    branch
}

/// The root over a first leaf and its branch.
pub fn root_from_branch(coinbase: Txid, branch: &[[u8; 32]]) -> MerkleRoot {
    MerkleRoot::from_bytes(branch.iter().fold(*coinbase.as_bytes(), |left, right| parent(&left, right)))
}

/// Replaces a level by the one above it, in place; an odd last node is paired with itself.
fn fold_level(level: &mut Vec<[u8; 32]>) {
    let pairs = level.len().div_ceil(2);
    for index in 0..pairs {
        let left = level[2 * index];
        let right = level.get(2 * index + 1).copied().unwrap_or(left);
        level[index] = parent(&left, &right);
    }
    level.truncate(pairs);
}

fn parent(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    let mut both = [0; 64];
    both[..32].copy_from_slice(left);
    both[32..].copy_from_slice(right);
    sha256d(&both)
}
