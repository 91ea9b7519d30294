//! Compact block filters (BIP158, basic type): what scripts a block pays and spends, in a set that a light client can ask.
//!
//! A filter is a Golomb-coded set of 64-bit hashes, keyed by the block; filters are chained by headers (BIP157). Pure bytes:
//! [`indexes`](super::indexes) keeps them.

use chain_spec::encode::{decode_compact_size, encode_compact_size};
use chain_spec::hash::sha256d;
use chain_spec::{Block, BlockHash, BlockUndo, Script};
use siphasher::sip::SipHasher24;
use std::collections::BTreeSet;
use std::hash::Hasher as _;

/// Bits of a remainder (BIP158: P).
const REMAINDER_BITS: u32 = 19;
/// The inverse of the rate of false positives (BIP158: M).
const FALSE_POSITIVE_INVERSE: u64 = 784_931;
const OP_RETURN: u8 = 0x6a;

/// Bits, most significant first.
#[derive(Default)]
struct BitWriter {
    bytes: Vec<u8>,
    free: u32,
}

impl BitWriter {
    fn push(&mut self, bit: bool) {
        if self.free == 0 {
            self.bytes.push(0);
            self.free = 8;
        }
        self.free -= 1;
        if let Some(last) = self.bytes.last_mut() {
            *last |= u8::from(bit) << self.free;
        }
    }
    /// Golomb-Rice code: the quotient in unary, the remainder in binary.
    fn push_coded(&mut self, value: u64) {
        (0..value >> REMAINDER_BITS).for_each(|_| self.push(true));
        self.push(false);
        (0..REMAINDER_BITS).rev().for_each(|bit| self.push((value >> bit) & 1 == 1));
    }
}

struct BitReader<'a> {
    bytes: &'a [u8],
    read: usize,
}

impl BitReader<'_> {
    fn bit(&mut self) -> Option<bool> {
        let byte = self.bytes.get(self.read / 8)?;
        let bit = (byte >> (7 - self.read % 8)) & 1 == 1;
        self.read += 1;
        Some(bit)
    }
    fn coded(&mut self) -> Option<u64> {
        let mut quotient = 0_u64;
        while self.bit()? {
            quotient += 1;
        }
        (0..REMAINDER_BITS).try_fold(quotient, |value, _| Some((value << 1) | u64::from(self.bit()?)))
    }
}

/// A script's hash, mapped to the range of a set of `count`.
fn hash_to_range(block: &BlockHash, count: u64, script: &[u8]) -> u64 {
    let bytes = block.as_bytes();
    let half = |at: usize| bytes[at..at + 8].iter().rev().fold(0_u64, |key, byte| (key << 8) | u64::from(*byte));
    let mut hasher = SipHasher24::new_with_keys(half(0), half(8));
    hasher.write(script);
    let range = u128::from(count) * u128::from(FALSE_POSITIVE_INVERSE);
    // Below the range, which is below 2⁶⁴ for any block that fits a message.
    ((u128::from(hasher.finish()) * range) >> 64) as u64
}

/// The scripts that a filter tells of: those paid to, without data, and those of the coins spent (BIP158).
fn scripts<'a>(block: &'a Block, undo: &'a BlockUndo) -> BTreeSet<&'a [u8]> {
    let paid = block.transactions.iter().flat_map(|transaction| &transaction.outputs).map(|output| &output.script);
    let paid = paid.map(Script::as_bytes).filter(|script| script.first() != Some(&OP_RETURN));
    let spent = undo.spent.iter().flatten().map(|coin| coin.output.script.as_bytes());
    paid.chain(spent).filter(|script| !script.is_empty()).collect()
}

/// The basic filter of a block, given the coins it spends.
pub(super) fn filter_of(hash: &BlockHash, block: &Block, undo: &BlockUndo) -> Vec<u8> {
    encode(hash, &scripts(block, undo))
}

fn encode(hash: &BlockHash, scripts: &BTreeSet<&[u8]>) -> Vec<u8> {
    let count = scripts.len() as u64;
    let mut values: Vec<u64> = scripts.iter().map(|script| hash_to_range(hash, count, script)).collect();
    values.sort_unstable();
    let mut bits = BitWriter::default();
    let mut last = 0;
    for value in values {
        bits.push_coded(value - last);
        last = value;
    }
    let mut filter = Vec::new();
    encode_compact_size(count, &mut filter);
    filter.extend(bits.bytes);
    filter
}

/// The header that chains a filter to the one of the block before (BIP157); 32 zeros stand before the first.
pub(super) fn header_of(filter: &[u8], previous: &[u8; 32]) -> [u8; 32] {
    sha256d(&[sha256d(filter), *previous].concat())
}

/// Whether one of some scripts is, or seems to be, among those of a block. `None` for bytes that are no filter.
pub fn matches_any<'a>(hash: &BlockHash, filter: &[u8], scripts: impl Iterator<Item = &'a [u8]>) -> Option<bool> {
    let mut rest = filter;
    // No block has so many scripts, and the range of so large a set would not fit.
    let count = decode_compact_size(&mut rest).ok().filter(|count| *count <= u64::from(u32::MAX))?;
    let wanted: BTreeSet<u64> = scripts.map(|script| hash_to_range(hash, count, script)).collect();
    let mut bits = BitReader { bytes: rest, read: 0 };
    let mut value = 0_u64;
    for _ in 0..count {
        value = value.checked_add(bits.coded()?)?;
        if wanted.contains(&value) {
            return Some(true);
        }
    }
    Some(false)
}

#[cfg(test)]
mod tests;
