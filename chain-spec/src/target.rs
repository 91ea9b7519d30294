//! Targets, their compact form, and work: 256-bit arithmetic (Core: `arith_uint256`).
use crate::BlockHash;
/// An upper bound for a block hash read as a little-endian number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target([u64; 4]);
/// A target in a header's four bytes (`nBits`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CompactTarget(u32);
/// Expected hashes: 2²⁵⁶ / (target + 1), summed over a chain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Work([u64; 4]);
impl Target {
    /// From 32 bytes, most significant first.
    pub fn from_be_bytes(_bytes: [u8; 32]) -> Target {
        todo!()
    }
    /// 32 bytes, most significant first.
    pub fn to_be_bytes(self) -> [u8; 32] {
        todo!()
    }
    /// Whether a hash meets this target.
    pub fn is_met_by(self, _hash: &BlockHash) -> bool {
        todo!()
    }
    /// The nearest compact target at or below (Core: `GetCompact`).
    pub fn to_compact(self) -> CompactTarget {
        todo!()
    }
    /// Expected hashes to meet it.
    pub fn work(self) -> Work {
        todo!()
    }
    /// Core's `difficulty`: how many times harder than compact target 0x1d00ffff.
    pub fn difficulty(self) -> f64 {
        todo!()
    }
}
impl CompactTarget {
    /// From the header's number.
    pub const fn from_bits(bits: u32) -> CompactTarget {
        CompactTarget(bits)
    }
    /// The header's number.
    pub const fn bits(self) -> u32 {
        self.0
    }
    /// The target, unless negative, overflowing or zero (Core: `SetCompact` and `DeriveTarget`).
    pub fn to_target(self) -> Option<Target> {
        todo!()
    }
}
impl Work {
    /// None.
    pub const ZERO: Work = Work([0; 4]);
    /// The sum; saturates, which no chain of 80-byte headers can reach.
    pub fn saturating_add(self, _other: Work) -> Work {
        todo!()
    }
    /// The difference, zero at least.
    pub fn saturating_sub(self, _other: Work) -> Work {
        todo!()
    }
    /// 32 bytes, most significant first.
    pub fn to_be_bytes(self) -> [u8; 32] {
        todo!()
    }
    /// From 32 bytes, most significant first.
    pub fn from_be_bytes(_bytes: [u8; 32]) -> Work {
        todo!()
    }
    /// Rounded; for display and rates.
    pub fn to_f64(self) -> f64 {
        todo!()
    }
}
/// 64 hexadecimal digits, most significant first (Core's `chainwork`).
impl std::fmt::Display for Work {
    fn fmt(&self, _f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        todo!()
    }
}
/// 64 hexadecimal digits, most significant first (Core's `target`).
impl std::fmt::Display for Target {
    fn fmt(&self, _f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        todo!()
    }
}
/// Eight hexadecimal digits (Core's `bits`).
impl std::fmt::Display for CompactTarget {
    fn fmt(&self, _f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        todo!()
    }
}
