//! `ema`: asert, block by block, that forgives pauses and gives blocks made on demand no place in the schedule.
//!
//! After every block the target is multiplied by 2^((solve time - spacing) / half-life): aserti3-2d's formula with the parent
//! as the anchor (the "relative" form in M. B. Lundeberg, *Static difficulty adjustments, with absolutely scheduled
//! exponentially rising targets*, 2020). The factors of all blocks multiply to what `asert` gives, but for two things:
//!
//! - **A pause counts as [`PAUSE_SPACINGS`] spacings.** A network that was down for a night, or was put back to an old
//!   snapshot, goes on near the target it had; `asert` would owe all the missed blocks. A pause is a solve time that no
//!   miner could pretend by the time in a header: longer than the future limit and [`PAUSE_MARGIN_SPACINGS`] spacings, and
//!   the same backwards. Everything shorter counts in full. So what a header's time adds to one solve time it takes from
//!   the next, and miners who lie about the time gain nothing; a bound that lies within their reach would let them climb in
//!   small steps and fall back in one.
//! - **A block made on demand takes time but no place** ([`ON_DEMAND_VERSION`]): `generatetoaddress 400` says nothing about
//!   how fast the network's miners are. Such a block still needs the whole work of its target.
use super::{Ancestors, Asert, asert_target};
use crate::spec::{ChainSpec, Retarget};
use crate::target::CompactTarget;

/// What a pause counts as, in spacings. As in zawy12's LWMA, where it bounds every solve time.
pub const PAUSE_SPACINGS: u32 = 6;
/// How far behind the clock a header's time can usually be, in spacings, with a good margin: the median of eleven is five
/// blocks old, more where miners lie. With half of this, 45 % of the miners could slow the chain down by half.
const PAUSE_MARGIN_SPACINGS: u32 = 20;
/// The bit of a header's version that says that the block was made on demand. It is outside the bits that miners may roll
/// (BIP320: 13 to 28). Only the `ema` rule looks at it.
pub const ON_DEMAND_VERSION: i32 = 1 << 12;

/// The bits to set in the version of a block made on demand: [`ON_DEMAND_VERSION`] where the chain's rule looks at it, else
/// none.
pub fn on_demand_version(spec: &ChainSpec) -> i32 {
    if matches!(spec.retarget, Retarget::Ema { .. }) { ON_DEMAND_VERSION } else { 0 }
}

/// The compact target that follows the block at the top of `ancestors`.
pub(super) fn ema_target(spec: &ChainSpec, half_life_s: u32, ancestors: &dyn Ancestors) -> CompactTarget {
    let height = ancestors.height();
    // Genesis' time is a constant of long ago, so block 1 has no solve time.
    if height <= 1 {
        return spec.initial_target;
    }
    let (time, bits) = ancestors.at(height);
    let (parent_time, _) = ancestors.at(height - 1);
    let spacing_s = i64::from(spec.spacing_s);
    let mut solve_time_s = i64::from(time) - i64::from(parent_time);
    if solve_time_s.abs() > i64::from(spec.future_max_s) + spacing_s * i64::from(PAUSE_MARGIN_SPACINGS) {
        solve_time_s = solve_time_s.signum() * spacing_s * i64::from(PAUSE_SPACINGS);
    }
    if ancestors.version(height) & ON_DEMAND_VERSION != 0 {
        // As much longer as the place in the schedule that it does not take.
        solve_time_s += spacing_s;
    }
    asert_target(&Asert { spacing_s: spec.spacing_s, half_life_s, limit: spec.target_limit }, bits, solve_time_s, 0)
}

#[cfg(test)]
mod tests;
