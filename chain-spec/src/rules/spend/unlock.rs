//! Signatures: what an input must show to spend a pay-to-public-key-hash coin.
use super::{ScriptFault, SpendError};
use crate::hash::hash160;
use crate::key::{self, Equation, PublicKey};
use crate::signature_hash::signature_hash_with;
use crate::{Coin, Transaction};
use std::collections::HashMap;
use std::collections::hash_map::Entry;

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

/// One input to check.
#[derive(Clone, Copy, Debug)]
pub struct Unlock<'a> {
    /// The transaction that spends.
    pub transaction: &'a Transaction,
    /// Which of its inputs.
    pub input: usize,
    /// The coin that this input spends.
    pub coin: &'a Coin,
    /// How the signature may be encoded.
    pub encoding: SignatureEncoding,
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
    check_unlocks(&[Unlock { transaction, input, coin, encoding }]).map_err(|(_, error)| error)
}

/// [`check_unlock`] of many inputs, for less: they share the divisions that signatures take, and each key is read once.
///
/// # Errors
/// The first input that does not unlock its coin, as an index into `unlocks`, and what is wrong with it.
pub fn check_unlocks(unlocks: &[Unlock<'_>]) -> Result<(), (usize, SpendError)> {
    let (mut keys, mut scratch) = (HashMap::new(), Vec::new());
    let mut equations = Vec::with_capacity(unlocks.len());
    let mut broken = None;
    for (index, unlock) in unlocks.iter().enumerate() {
        match equation(unlock, &mut keys, &mut scratch) {
            Ok(equation) => equations.push(equation),
            Err(fault) => {
                broken = Some((index, fault));
                break;
            }
        }
    }
    // Every equation belongs to an input before the broken one.
    let false_equation = key::first_false(&equations).map(|index| (index, ScriptFault::BadSignature));
    let Some((index, fault)) = false_equation.or(broken) else { return Ok(()) };
    let Unlock { transaction, input, .. } = unlocks[index];
    let outpoint = transaction.inputs.get(input).map_or(crate::Outpoint::NULL, |input| input.outpoint);
    Err((index, SpendError::Unlock { input, outpoint, fault }))
}

/// All of the check but the signature's equation, which is returned. `keys` are those read so far.
fn equation<'a>(
    unlock: &Unlock<'a>,
    keys: &mut HashMap<&'a [u8], PublicKey>,
    scratch: &mut Vec<u8>,
) -> Result<Equation, ScriptFault> {
    let Unlock { transaction, input: index, coin, encoding } = *unlock;
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
    let public_key = match keys.entry(public_key) {
        Entry::Occupied(read) => read.into_mut(),
        Entry::Vacant(new) => new.insert(PublicKey::from_bytes(public_key).map_err(|_| ScriptFault::BadPublicKey)?),
    };
    let digest = signature_hash_with(transaction, index, &coin.output.script, u32::from(*hash_type), scratch);
    public_key.equation(&digest, signature).ok_or(ScriptFault::BadSignature)
}

#[cfg(test)]
mod tests;
