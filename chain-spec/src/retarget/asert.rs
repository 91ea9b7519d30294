//! aserti3-2d: absolutely scheduled, exponentially rising targets, in integer arithmetic.
//!
//! The target is the anchor's times 2^((time since the anchor's parent - spacing × (blocks since the anchor + 1)) / half-life),
//! with the fractional power by a cubic polynomial in 16-bit fixed point (Bitcoin Cash's specification of 2020-11-15).
use crate::target::{CompactTarget, Target};

/// Fraction bits of the exponent and of the polynomial's value.
const FRACTION_BITS: u32 = 16;

/// The constants of an `asert` chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asert {
    /// Aimed seconds between blocks.
    pub spacing_s: u32,
    /// Seconds behind schedule that double the target; not zero.
    pub half_life_s: u32,
    /// The easiest target.
    pub limit: Target,
}

/// The compact target of the block `height_delta + 1` above the anchor, whose parent came `time_delta_s` seconds after the
/// anchor's *parent*.
pub fn asert_target(rule: &Asert, anchor: CompactTarget, time_delta_s: i64, height_delta: u64) -> CompactTarget {
    let Some(anchor) = anchor.to_target() else { return rule.limit.to_compact() };
    let ahead_s = i128::from(time_delta_s) - i128::from(rule.spacing_s) * (i128::from(height_delta) + 1);
    // The specification's division truncates toward zero, and so does Rust's; only then is the sign taken apart.
    let exponent = (ahead_s << FRACTION_BITS) / i128::from(rule.half_life_s.max(1));
    let shift = (exponent >> FRACTION_BITS) - i128::from(FRACTION_BITS);
    let fraction = (exponent & 0xffff) as u64;
    let factor = (1 << FRACTION_BITS) + power_of_two_less_one(fraction);
    // Beyond these bounds any 256-bit target is all shifted out, one way or the other.
    let shift = shift.clamp(-1024, 1024) as i64;
    match anchor.0.mul_shift(factor, shift) {
        None => rule.limit.to_compact(),
        Some(next) if next.is_zero() => Target(crate::target::uint::U256::ONE).to_compact(),
        Some(next) => Target(next).min(rule.limit).to_compact(),
    }
}

/// 2^(fraction / 65536) - 1 in units of 1/65536, within 0.013 %.
fn power_of_two_less_one(fraction: u64) -> u64 {
    let cubic = 195_766_423_245_049 * fraction
        + 971_821_376 * fraction * fraction
        + 5_127 * fraction * fraction * fraction
        + (1 << 47);
    cubic >> 48
}
