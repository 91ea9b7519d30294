//! Targets, their compact form, and work: 256-bit arithmetic (Core: `arith_uint256`).
pub(crate) mod uint;

use crate::hash::BlockHash;
use std::fmt;
use uint::U256;

/// An upper bound for a block hash read as a little-endian number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target(pub(crate) U256);

/// A target in a header's four bytes (`nBits`): the top byte is a length in bytes, the rest a signed mantissa.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CompactTarget(u32);

/// Expected hashes: 2²⁵⁶ / (target + 1), summed over a chain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Work(U256);

impl Target {
    /// From 32 bytes, most significant first.
    pub fn from_be_bytes(bytes: [u8; 32]) -> Target {
        Target(U256::from_be_bytes(bytes))
    }
    /// 32 bytes, most significant first.
    pub fn to_be_bytes(self) -> [u8; 32] {
        self.0.to_be_bytes()
    }
    /// Whether a hash meets this target.
    pub fn is_met_by(self, hash: &BlockHash) -> bool {
        let mut number = *hash.as_bytes();
        number.reverse();
        U256::from_be_bytes(number) <= self.0
    }
    /// The nearest compact target at or below (Core: `GetCompact`).
    pub fn to_compact(self) -> CompactTarget {
        let mut length = self.0.bits().div_ceil(8);
        let mut mantissa =
            if length <= 3 { self.0.0[3] << (8 * (3 - length)) } else { self.0.shr(8 * (length - 3)).0[3] } as u32;
        // The top mantissa bit is the sign, so a number that would set it takes one byte more.
        if mantissa & 0x0080_0000 != 0 {
            mantissa >>= 8;
            length += 1;
        }
        CompactTarget(mantissa | length << 24)
    }
    /// Expected hashes to meet it (Core: `GetBlockProof`).
    pub fn work(self) -> Work {
        // 2²⁵⁶ does not fit, but 2²⁵⁶ / (t + 1) = (2²⁵⁶ - t - 1) / (t + 1) + 1.
        let (divisor, overflow) = self.0.overflowing_add(U256::ONE);
        if overflow {
            return Work(U256::ONE);
        }
        let (work, overflow) = self.0.not().div(divisor).overflowing_add(U256::ONE);
        Work(if overflow { U256::MAX } else { work })
    }
    /// Core's `difficulty`: how many times harder than compact target 0x1d00ffff, by the compact form.
    pub fn difficulty(self) -> f64 {
        let CompactTarget(bits) = self.to_compact();
        let shift = 29 - (bits >> 24) as i32;
        f64::from(0x0000_ffff) / f64::from(bits & 0x00ff_ffff) * 256_f64.powi(shift)
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
        let length = self.0 >> 24;
        let negative = self.0 & 0x0080_0000 != 0;
        let mantissa = self.0 & 0x007f_ffff;
        let mantissa = if length < 3 { mantissa >> (8 * (3 - length)) } else { mantissa };
        let overflows = length > 34 || (mantissa > 0xff && length > 33) || (mantissa > 0xffff && length > 32);
        if mantissa == 0 || negative || overflows {
            return None;
        }
        Some(Target(U256::from_u64(u64::from(mantissa)).shl(8 * length.saturating_sub(3))))
    }
}

impl Work {
    /// None.
    pub const ZERO: Work = Work(U256([0; 4]));
    /// The sum; saturates, which no chain of 80-byte headers can reach.
    pub fn saturating_add(self, other: Work) -> Work {
        let (sum, overflow) = self.0.overflowing_add(other.0);
        if overflow { Work(U256::MAX) } else { Work(sum) }
    }
    /// The difference, zero at least.
    pub fn saturating_sub(self, other: Work) -> Work {
        let (difference, underflow) = self.0.overflowing_sub(other.0);
        if underflow { Work::ZERO } else { Work(difference) }
    }
    /// 32 bytes, most significant first.
    pub fn to_be_bytes(self) -> [u8; 32] {
        self.0.to_be_bytes()
    }
    /// From 32 bytes, most significant first.
    pub fn from_be_bytes(bytes: [u8; 32]) -> Work {
        Work(U256::from_be_bytes(bytes))
    }
    /// Rounded; for display and rates.
    pub fn to_f64(self) -> f64 {
        self.0.to_f64()
    }
}

fn write_hex(bytes: [u8; 32], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}
/// 64 hexadecimal digits, most significant first (Core's `chainwork`).
impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(self.to_be_bytes(), f)
    }
}
/// 64 hexadecimal digits, most significant first (Core's `target`).
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(self.to_be_bytes(), f)
    }
}
/// Eight hexadecimal digits (Core's `bits`).
impl fmt::Display for CompactTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

#[cfg(test)]
mod tests;
