//! Legacy signature hashes: what a signature signs.
use crate::encode::{Encode, encode_compact_size, encode_length_prefixed};
use crate::hash::sha256d;
use crate::script::Script;
use crate::transaction::Transaction;

/// `SIGHASH_ALL`.
pub const SIGHASH_ALL: u32 = 1;
/// `SIGHASH_NONE`: no output is signed.
pub const SIGHASH_NONE: u32 = 2;
/// `SIGHASH_SINGLE`: only the output at the input's position is signed.
pub const SIGHASH_SINGLE: u32 = 3;
/// `SIGHASH_ANYONECANPAY`: only the input itself is signed, others may be added.
pub const SIGHASH_ANYONECANPAY: u32 = 0x80;
/// The bits that hold one of the three base types; any other value of them signs as `SIGHASH_ALL`.
const BASE_MASK: u32 = 0x1f;

/// The digest that input `input` of `transaction` signs, spending an output locked by `script_code`, by all legacy types,
/// `SIGHASH_SINGLE`'s bug (the number 1) included.
///
/// Core's `FindAndDelete` and `OP_CODESEPARATOR` have no part here: the one template that can be spent holds neither a
/// signature nor that opcode.
pub fn signature_hash(transaction: &Transaction, input: usize, script_code: &Script, hash_type: u32) -> [u8; 32] {
    signature_hash_with(transaction, input, script_code, hash_type, &mut Vec::new())
}

/// [`signature_hash`] with a buffer to reuse from one input to the next.
pub fn signature_hash_with(
    transaction: &Transaction,
    input: usize,
    script_code: &Script,
    hash_type: u32,
    scratch: &mut Vec<u8>,
) -> [u8; 32] {
    let base = hash_type & BASE_MASK;
    if input >= transaction.inputs.len() || (base == SIGHASH_SINGLE && input >= transaction.outputs.len()) {
        let mut one = [0; 32];
        one[0] = 1;
        return one;
    }
    scratch.clear();
    scratch.reserve(transaction.encoded_len() + script_code.as_bytes().len() + 4);
    scratch.extend_from_slice(&transaction.version.to_le_bytes());
    signed_inputs(transaction, input, script_code, hash_type, scratch);
    signed_outputs(transaction, input, base, scratch);
    scratch.extend_from_slice(&transaction.lock_time.to_le_bytes());
    scratch.extend_from_slice(&hash_type.to_le_bytes());
    sha256d(scratch)
}

fn signed_inputs(transaction: &Transaction, signed: usize, script_code: &Script, hash_type: u32, out: &mut Vec<u8>) {
    if hash_type & SIGHASH_ANYONECANPAY != 0 {
        let input = &transaction.inputs[signed];
        encode_compact_size(1, out);
        input.outpoint.encode(out);
        encode_length_prefixed(script_code.as_bytes(), out);
        out.extend_from_slice(&input.sequence.to_le_bytes());
        return;
    }
    let others_may_change_sequence = matches!(hash_type & BASE_MASK, SIGHASH_NONE | SIGHASH_SINGLE);
    encode_compact_size(transaction.inputs.len() as u64, out);
    for (index, input) in transaction.inputs.iter().enumerate() {
        input.outpoint.encode(out);
        encode_length_prefixed(if index == signed { script_code.as_bytes() } else { &[] }, out);
        let sequence = if index != signed && others_may_change_sequence { 0 } else { input.sequence };
        out.extend_from_slice(&sequence.to_le_bytes());
    }
}

fn signed_outputs(transaction: &Transaction, input: usize, base: u32, out: &mut Vec<u8>) {
    match base {
        SIGHASH_NONE => encode_compact_size(0, out),
        SIGHASH_SINGLE => {
            encode_compact_size(input as u64 + 1, out);
            for _ in 0..input {
                // The outputs before the signed one count, but as empty ones of value -1.
                out.extend_from_slice(&u64::MAX.to_le_bytes());
                encode_compact_size(0, out);
            }
            transaction.outputs[input].encode(out);
        }
        _ => {
            encode_compact_size(transaction.outputs.len() as u64, out);
            transaction.outputs.iter().for_each(|output| output.encode(out));
        }
    }
}
