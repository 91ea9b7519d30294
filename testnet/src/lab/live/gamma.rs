//! γ on live nodes: made by link delays, and measured.
//!
//! The attacker reaches every honest miner at once, and honest miners reach each other late. So when one of them finds a block and
//! the attacker publishes one of the same height, all others see the attacker's first, and only the finder stays with its own. With
//! honest miners that have the parts s₁, s₂, … of the honest hash rate, the finder has sᵢ with probability sᵢ, and γ is 1 − Σ sᵢ².
//! Parts are chosen so that this is the γ asked for.

use super::observer::{ObservedBlock, Observer};
use super::parties::{ATTACKER, SHOP};
use crate::lab::theory::estimate::Proportion;
use crate::plan::{LinkConditions, NodePlan, Plan};

/// The greatest γ: that of six honest miners with equal parts.
pub const MOST: f64 = 1.0 - 1.0 / 6.0;
/// Seconds between blocks where γ is made by delays, which must be short against it.
pub const SPACING_S: u32 = 4;
/// How late honest nodes hear of each other, milliseconds: long against what the attacker's answer takes.
const DELAY_MS: u64 = 200;

/// The parts of the honest hash rate with which γ is as asked: one small one and otherwise equal ones.
fn parts(gamma: f64) -> Vec<f64> {
    // With m equal parts y and the rest, m·y² + (1 − m·y)² = 1 − γ. The number of equal parts is the least that can.
    let m = (gamma / (1.0 - gamma)).ceil().max(1.0);
    let y = (m + (m * m - gamma * (m * m + m)).max(0.0).sqrt()) / (m * m + m);
    let mut parts = vec![y; m as usize];
    if 1.0 - m * y > 1e-9 {
        parts.push(1.0 - m * y);
    }
    parts
}

/// Replaces a plan's honest miners and links by those that make γ.
pub fn make(plan: &mut Plan, share: f64, gamma: f64) {
    plan.nodes.retain(|node| !node.name.starts_with("honest"));
    let honest: Vec<NodePlan> = (1..)
        .zip(parts(gamma))
        .map(|(number, part)| NodePlan::miner(format!("honest{number}"), (1.0 - share) * part))
        .collect();
    plan.nodes.splice(0..0, honest);
    plan.connect(crate::plan::topology::Topology::Mesh);
    let late = LinkConditions { delay_ms: DELAY_MS, ..LinkConditions::default() };
    let names: Vec<String> = plan.nodes.iter().map(|node| node.name.clone()).filter(|name| name != ATTACKER).collect();
    for (index, a) in names.iter().enumerate() {
        // The shop hears of everybody at once but passes nothing on in time: it mines nothing, and its links are as late.
        names[index + 1..].iter().for_each(|b| plan.set_link(a, b, late));
    }
    debug_assert!(plan.node(SHOP).is_some(), "the shop stays");
}

/// γ as it was: of the blocks that honest nodes found while a public block of the attacker's was level with one of theirs, on one of
/// which they stand, those on the attacker's.
pub fn measure(observer: &Observer) -> Proportion {
    let mut ties = Proportion::default();
    let is_attackers = |block: &ObservedBlock| block.miner == ATTACKER;
    for block in observer.blocks.values().filter(|block| block.height > 1 && !is_attackers(block)) {
        let Some(parent) = observer.blocks.get(&block.previous) else { continue };
        let is_rival = |rival: &ObservedBlock| {
            rival.height == parent.height
                && is_attackers(rival) != is_attackers(parent)
                && rival.public_s.is_some_and(|public_s| public_s < block.seen_s)
        };
        if observer.blocks.values().any(is_rival) {
            ties.runs += 1;
            ties.successes += u32::from(is_attackers(parent));
        }
    }
    ties
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_make_the_gamma_asked_for() {
        for gamma in [0.0, 0.1, 0.3, 0.5, 0.55, 0.6, 2.0 / 3.0, 0.7, 0.75, 0.8, MOST] {
            let parts = parts(gamma);
            let sum: f64 = parts.iter().sum();
            let squares: f64 = parts.iter().map(|part| part * part).sum();
            assert!((sum - 1.0).abs() < 1e-9 && parts.iter().all(|part| *part > 0.0), "{gamma}: {parts:?}");
            assert!((1.0 - squares - gamma).abs() < 1e-6, "{gamma}: {parts:?}");
            assert!(parts.len() <= 6, "{gamma}: {parts:?}");
        }
    }
}
