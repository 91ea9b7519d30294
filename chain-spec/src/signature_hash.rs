//! Legacy signature hashes: what a signature signs.
use crate::{Script, Transaction};
/// `SIGHASH_ALL`.
pub const SIGHASH_ALL: u32 = 1;
/// The digest that input `input` of `transaction` signs, spending an output locked by `script_code`, by all legacy types,
/// `SIGHASH_SINGLE`'s bug (the number 1) included.
pub fn signature_hash(_transaction: &Transaction, _input: usize, _script_code: &Script, _hash_type: u32) -> [u8; 32] {
    todo!()
}
