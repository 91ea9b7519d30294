//! Signatures: what an input must show to spend a pay-to-public-key-hash coin.
use super::{ScriptFault, SpendError};
use crate::hash::hash160;
use crate::key::{self, PublicKey};
use crate::signature_hash::signature_hash_with;
use crate::{Coin, Transaction};

/// Longest push that a script may make, bytes (Core: `MAX_SCRIPT_ELEMENT_SIZE`). With it, two pushes stay far below the
/// 10,000 bytes of a script.
const PUSH_SIZE_MAX: usize = 520;

/// Which encodings of a signature a block may hold; [`ChainSpec::signature_encoding`](crate::ChainSpec::signature_encoding)
/// knows for each height.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureEncoding {
    /// Strict DER alone (BIP66).
    Strict,
    /// Whatever a lax reader finds two numbers in, as before BIP66.
    Lax,
}

/// Input `input` unlocks `coin`: exactly two pushes, the key hashes to the script's hash, the signature is encoded as it must
/// be and verifies.
///
/// # Errors
/// [`SpendError::Unlock`] with what is wrong.
pub fn check_unlock(
    transaction: &Transaction,
    input: usize,
    coin: &Coin,
    encoding: SignatureEncoding,
) -> Result<(), SpendError> {
    check_unlock_with(transaction, input, coin, encoding, &mut Vec::new())
}

/// [`check_unlock`] with a buffer to reuse from one input to the next.
///
/// # Errors
/// [`SpendError::Unlock`] with what is wrong.
pub fn check_unlock_with(
    transaction: &Transaction,
    input: usize,
    coin: &Coin,
    encoding: SignatureEncoding,
    scratch: &mut Vec<u8>,
) -> Result<(), SpendError> {
    unlocks(transaction, input, coin, encoding, scratch).map_err(|fault| {
        let outpoint = transaction.inputs.get(input).map_or(crate::Outpoint::NULL, |input| input.outpoint);
        SpendError::Unlock { input, outpoint, fault }
    })
}

fn unlocks(
    transaction: &Transaction,
    index: usize,
    coin: &Coin,
    encoding: SignatureEncoding,
    scratch: &mut Vec<u8>,
) -> Result<(), ScriptFault> {
    let input = transaction.inputs.get(index).ok_or(ScriptFault::NoSuchInput)?;
    let paid_to = coin.output.script.public_key_hash().ok_or(ScriptFault::NotPublicKeyHash)?;
    let (signature_with_type, public_key) = input.script.unlock_parts().ok_or(ScriptFault::NotTwoPushes)?;
    if signature_with_type.len().max(public_key.len()) > PUSH_SIZE_MAX {
        return Err(ScriptFault::PushTooLong);
    }
    if hash160(public_key) != paid_to {
        return Err(ScriptFault::WrongPublicKey);
    }
    let (hash_type, signature) = signature_with_type.split_last().ok_or(ScriptFault::BadSignature)?;
    if encoding == SignatureEncoding::Strict && !key::is_strict_der(signature) {
        return Err(ScriptFault::NotStrictDer);
    }
    let public_key = PublicKey::from_bytes(public_key).map_err(|_| ScriptFault::BadPublicKey)?;
    let digest = signature_hash_with(transaction, index, &coin.output.script, u32::from(*hash_type), scratch);
    if public_key.verifies(&digest, signature) { Ok(()) } else { Err(ScriptFault::BadSignature) }
}

#[cfg(test)]
mod tests;
