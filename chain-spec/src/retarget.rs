//! How the next block's target follows from its ancestors: `fixed`, `epoch` (Bitcoin's) or `asert` (aserti3-2d).
//!
//! An `asert` chain is anchored at block 1, not at genesis: a spec's genesis time is a constant of long ago, and a network
//! started today would otherwise spend years at the easiest target catching up with the schedule. Block 1 carries the
//! spec's initial compact target, and the time of its (notional) parent is its own time less one spacing.
use crate::{ChainSpec, CompactTarget};

/// What a header rule may ask of a branch: the headers below the one being judged.
pub trait Ancestors {
    /// Height of the parent.
    fn height(&self) -> u32;
    /// Time (Unix seconds) and compact target of the ancestor at `height` (≤ the parent's).
    fn at(&self, height: u32) -> (u32, CompactTarget);
}
/// The compact target that the block after `ancestors` must carry. No rule here looks at that block's own time.
pub fn required_target(_spec: &ChainSpec, _ancestors: &dyn Ancestors) -> CompactTarget {
    todo!()
}
/// The median of the last 11 times (BIP113: median-time-past), Unix seconds.
pub fn median_time_past(_ancestors: &dyn Ancestors) -> u32 {
    todo!()
}
