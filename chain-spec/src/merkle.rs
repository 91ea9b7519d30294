//! Merkle trees over txids.
use crate::{MerkleRoot, Txid};
/// The root, and whether two equal neighbours were hashed together, which lets two lists share one root (CVE-2012-2459).
pub fn merkle_root(_txids: &[Txid]) -> (MerkleRoot, bool) {
    todo!()
}
/// The branch that proves the first leaf (stratum's `merkle_branch`), from the leaves up.
pub fn coinbase_branch(_txids: &[Txid]) -> Vec<[u8; 32]> {
    todo!()
}
/// The root over a first leaf and its branch.
pub fn root_from_branch(_coinbase: Txid, _branch: &[[u8; 32]]) -> MerkleRoot {
    todo!()
}
