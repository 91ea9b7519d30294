//! How the next block's target follows from its ancestors: `fixed`, `epoch` (Bitcoin's), `asert` (aserti3-2d) or
//! `ema` (asert that forgives pauses).
//!
//! An `asert` chain is anchored at block 1, not at genesis: a spec's genesis time is a constant of long ago, and a network
//! started today would otherwise spend years at the easiest target catching up with the schedule. Block 1 carries the
//! spec's initial compact target, and the time of its (notional) parent is its own time less one spacing.
//!
//! Absent: Bitcoin's testnet rule that lets a late block be easy.
mod asert;
mod ema;

use crate::spec::{ChainSpec, Retarget};
use crate::target::{CompactTarget, Target};
pub use asert::{Asert, asert_target};
pub use ema::{ON_DEMAND_VERSION, PAUSE_SPACINGS, on_demand_version};

/// Blocks whose times have a median (Core: `nMedianTimeSpan`).
pub const MEDIAN_TIME_BLOCKS: usize = 11;
/// Most an epoch retarget changes the target by, up or down.
const EPOCH_FACTOR_MAX: i64 = 4;

/// What a header rule may ask of a branch: the headers below the one being judged.
pub trait Ancestors {
    /// Height of the parent.
    fn height(&self) -> u32;
    /// Time (Unix seconds) and compact target of the ancestor at `height` (≤ the parent's).
    fn at(&self, height: u32) -> (u32, CompactTarget);
    /// Version of the ancestor at `height` (≤ the parent's).
    fn version(&self, height: u32) -> i32;
}

/// The compact target that the block after `ancestors` must carry. No rule here looks at that block's own time.
pub fn required_target(spec: &ChainSpec, ancestors: &dyn Ancestors) -> CompactTarget {
    let parent_height = ancestors.height();
    match spec.retarget {
        Retarget::Fixed => spec.initial_target,
        Retarget::Epoch { interval } => epoch(spec, interval, ancestors),
        Retarget::Ema { half_life_s } => ema::ema_target(spec, half_life_s, ancestors),
        Retarget::Asert { .. } if parent_height == 0 => spec.initial_target,
        Retarget::Asert { half_life_s } => {
            let rule = Asert { spacing_s: spec.spacing_s, half_life_s, limit: spec.target_limit };
            let (anchor_time, _) = ancestors.at(1);
            let (parent_time, _) = ancestors.at(parent_height);
            let anchor_parent_time = i64::from(anchor_time) - i64::from(spec.spacing_s);
            let time_delta_s = i64::from(parent_time) - anchor_parent_time;
            asert_target(&rule, spec.initial_target, time_delta_s, u64::from(parent_height - 1))
        }
    }
}

/// Bitcoin's rule (Core: `GetNextWorkRequired`, `CalculateNextWorkRequired`), its off-by-one included: the time span
/// runs from the first to the last block of the period, which is one interval too few. With `whole_epochs` it starts at the
/// last block of the period before, as Litecoin's does since height 2016: without that block's time in two periods, a
/// majority could lower the target at will. The first period has no block before it and stays one interval short.
fn epoch(spec: &ChainSpec, interval: u32, ancestors: &dyn Ancestors) -> CompactTarget {
    let parent_height = ancestors.height();
    let (parent_time, parent_bits) = at_or_initial(spec, ancestors, parent_height);
    if !u64::from(parent_height).wrapping_add(1).is_multiple_of(u64::from(interval)) {
        return parent_bits;
    }
    let first_height = parent_height - (interval - 1);
    let (own_first_time, first_bits) = at_or_initial(spec, ancestors, first_height);
    let first_time = match first_height.checked_sub(1).filter(|_| spec.whole_epochs) {
        Some(before) => ancestors.at(before).0,
        None => own_first_time,
    };
    // BIP94: the base is the period's first target, which an easy last block cannot have touched.
    let base = if spec.bip94 { first_bits } else { parent_bits };
    epoch_target(spec, interval, base, i64::from(parent_time) - i64::from(first_time))
}

/// The ancestor's time and target; for genesis, whose own target nothing depends on, block 1's.
fn at_or_initial(spec: &ChainSpec, ancestors: &dyn Ancestors, height: u32) -> (u32, CompactTarget) {
    let (time, bits) = ancestors.at(height);
    (time, if height == 0 { spec.initial_target } else { bits })
}

/// The target after a period that took `actual_s` seconds at compact target `base`.
fn epoch_target(spec: &ChainSpec, interval: u32, base: CompactTarget, actual_s: i64) -> CompactTarget {
    let aimed_s = i64::from(interval) * i64::from(spec.spacing_s);
    let actual_s = actual_s.clamp(aimed_s / EPOCH_FACTOR_MAX, aimed_s * EPOCH_FACTOR_MAX);
    // Every ancestor's target has passed `check_header`, so it is one; the limit stands in for what cannot be.
    let base = base.to_target().unwrap_or(spec.target_limit);
    let next = base.0.mul_div(actual_s.unsigned_abs(), aimed_s.unsigned_abs()).map_or(spec.target_limit, Target);
    next.min(spec.target_limit).to_compact()
}

/// The median of the last 11 times (BIP113: median-time-past), Unix seconds; of fewer, near genesis. Of an even number,
/// the later of the middle two.
pub fn median_time_past(ancestors: &dyn Ancestors) -> u32 {
    let height = ancestors.height();
    let mut times = [0; MEDIAN_TIME_BLOCKS];
    let count = MEDIAN_TIME_BLOCKS.min(height as usize + 1);
    for (time, back) in times[..count].iter_mut().zip(0..) {
        *time = ancestors.at(height - back).0;
    }
    let times = &mut times[..count];
    times.sort_unstable();
    times[count / 2]
}

#[cfg(test)]
mod tests;
