//! Which of two branches with equal work a node follows, where the first seen is not the answer.
//!
//! A selfish miner wins ties by being heard first. [`UniformTie`] (Eyal and Sirer 2014, section 6) makes that worth nothing:
//! half of the honest power takes either branch, so γ = ½, and selfish mining pays from a quarter of the hash rate on.
//! [`FreshTie`] (after Heilman 2014) takes the branch whose tip is younger, which a block that was held back is not; Heilman
//! asks for times that cannot be forged, and here they are the miner's word, so an attacker who lies gains γ = 1.

use super::{ForkRule, Rivals};
use chain_spec::hash::sha256;

/// Either with probability one half.
#[derive(Debug)]
pub(super) struct UniformTie;

impl ForkRule for UniformTie {
    fn wins_tie(&self, rivals: &Rivals<'_>) -> bool {
        // One draw for a pair of tips: asked again, a node says the same.
        let drawn =
            [&rivals.seed.to_le_bytes()[..], rivals.active.tip.as_bytes(), rivals.rival.tip.as_bytes()].concat();
        sha256(&drawn)[0] & 1 == 1
    }
}

/// The one whose tip has the later time.
#[derive(Debug)]
pub(super) struct FreshTie;

impl ForkRule for FreshTie {
    fn wins_tie(&self, rivals: &Rivals<'_>) -> bool {
        rivals.rival.tip_time_s > rivals.active.tip_time_s
    }
}
