//! What an operator should know (Core: `warnings`): the same list in `getblockchaininfo`, `getnetworkinfo` and `getmininginfo`.

use super::context::Context;
use crate::core::Core;
use crate::core::summary::Summary;
use crate::shell::clock;
use crate::shell::mining::ClockWait;

/// What the core says.
pub struct Warnings {
    tip: Summary,
    /// The last block of a branch with more work that is not followed, and why.
    refused: Option<(Summary, String)>,
}

impl Warnings {
    /// As things stand.
    pub fn of(core: &Core) -> Warnings {
        let refused = core.refused_branch().map(|(block, rule)| (block, rule.to_owned()));
        Warnings { tip: core.tip(), refused }
    }
    /// Sentences, none if all is well.
    pub fn list(&self, context: &Context) -> Vec<String> {
        let next_min_s = self.tip.median_time_past_s.saturating_add(1);
        let behind = ClockWait::before(next_min_s, clock::now_s(), context.spec.future_max_s);
        let refused = self.refused.as_ref().map(|(block, rule)| {
            format!(
                "A branch with more work than the active one is not followed: block {} at height {}, refused by {rule}",
                block.hash, block.height
            )
        });
        behind.iter().map(ToString::to_string).chain(refused).collect()
    }
}
