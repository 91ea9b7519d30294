//! The script of an input: what it must show to spend a pay-to-public-key-hash coin (Core: `CheckInputScripts`).
//!
//! A node checks many inputs at once, because the signatures of a batch share their divisions (`key/batch.rs`).
use super::{ScriptError, SpendError};
use crate::coin::Coin;
use crate::der::{SignatureEncoding, is_strict_der};
use crate::hash::hash160;
use crate::key::{PublicKey, SignatureCheck, first_invalid};
use crate::signature_hash::signature_hash_with;
use crate::transaction::Transaction;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// Longest push that a script may make, bytes (Core: `MAX_SCRIPT_ELEMENT_SIZE`). With it, two pushes stay far below the
/// 10,000 bytes of a script.
const PUSH_SIZE_MAX: usize = 520;

/// The check of one input's script, with all it depends on.
#[derive(Clone, Copy, Debug)]
pub struct InputCheck<'a> {
    /// The transaction that spends.
    pub transaction: &'a Transaction,
    /// Which of its inputs.
    pub input: usize,
    /// The coin that this input spends.
    pub coin: &'a Coin,
    /// How the signature may be encoded.
    pub encoding: SignatureEncoding,
}

/// Checks that input `input` unlocks `coin`: its script is exactly two pushes, the public key hashes to the hash in the coin's
/// script, and the signature is encoded as it must be and verifies.
///
/// # Errors
/// [`SpendError::InputScript`] with what is wrong.
pub fn check_input_script(
    transaction: &Transaction,
    input: usize,
    coin: &Coin,
    encoding: SignatureEncoding,
) -> Result<(), SpendError> {
    check_input_scripts(&[InputCheck { transaction, input, coin, encoding }]).map_err(|(_, error)| error)
}

/// [`check_input_script`] for many inputs, of one transaction or of several, in less time than one after the other.
///
/// # Errors
/// The position in `checks` of the first input that does not unlock its coin, and what is wrong with it.
pub fn check_input_scripts(checks: &[InputCheck<'_>]) -> Result<(), (usize, SpendError)> {
    let (mut keys, mut scratch) = (HashMap::new(), Vec::new());
    let mut signatures = Vec::with_capacity(checks.len());
    let mut malformed = None;
    for (index, check) in checks.iter().enumerate() {
        match signature_check(check, &mut keys, &mut scratch) {
            Ok(signature) => signatures.push(signature),
            Err(error) => {
                malformed = Some((index, error));
                break;
            }
        }
    }
    // Every signature collected belongs to an input before the malformed one.
    let invalid = first_invalid(&signatures).map(|index| (index, ScriptError::BadSignature));
    let Some((index, error)) = invalid.or(malformed) else { return Ok(()) };
    let InputCheck { transaction, input, .. } = checks[index];
    let outpoint = transaction.inputs.get(input).map_or(crate::transaction::Outpoint::NULL, |input| input.outpoint);
    Err((index, SpendError::InputScript { input, outpoint, error }))
}

/// Checks everything but the signature itself, whose check is returned to be made together with others. `keys` are the public
/// keys parsed so far: parsing one takes a square root, and payments often repeat them.
fn signature_check<'a>(
    check: &InputCheck<'a>,
    keys: &mut HashMap<&'a [u8], PublicKey>,
    scratch: &mut Vec<u8>,
) -> Result<SignatureCheck, ScriptError> {
    let InputCheck { transaction, input: index, coin, encoding } = *check;
    let input = transaction.inputs.get(index).ok_or(ScriptError::NoSuchInput)?;
    let paid_to = coin.output.script.public_key_hash().ok_or(ScriptError::NotPublicKeyHash)?;
    let (signature_with_type, public_key) = input.script.unlock_parts().ok_or(ScriptError::NotTwoPushes)?;
    if signature_with_type.len().max(public_key.len()) > PUSH_SIZE_MAX {
        return Err(ScriptError::PushTooLong);
    }
    if hash160(public_key) != paid_to {
        return Err(ScriptError::WrongPublicKey);
    }
    let (hash_type, signature) = signature_with_type.split_last().ok_or(ScriptError::BadSignature)?;
    if encoding == SignatureEncoding::Strict && !is_strict_der(signature) {
        return Err(ScriptError::NotStrictDer);
    }
    let public_key = match keys.entry(public_key) {
        Entry::Occupied(parsed) => parsed.into_mut(),
        Entry::Vacant(new) => new.insert(PublicKey::from_bytes(public_key).map_err(|_| ScriptError::BadPublicKey)?),
    };
    let digest = signature_hash_with(transaction, index, &coin.output.script, u32::from(*hash_type), scratch);
    public_key.signature_check(&digest, signature).ok_or(ScriptError::BadSignature)
}

#[cfg(test)]
mod tests;
