//! Halt: a majority that mines empty blocks and builds on nothing else, so that no payment is ever confirmed.

use super::{AttackerView, Content, MiningGoal, Strategy};
use chain_spec::BlockHash;

/// The strategy.
#[derive(Default)]
pub struct Halt;

impl Strategy for Halt {
    fn name(&self) -> &'static str {
        "halt"
    }

    fn goal(&self, view: &AttackerView<'_>) -> MiningGoal {
        MiningGoal { parent: view.public.hash, content: Content::Exactly(Vec::new()), secret: false, time_s: None }
    }

    fn accepts(&self, block: &BlockHash, view: &AttackerView<'_>) -> bool {
        view.block(block).is_none_or(|block| block.transactions.len() <= 1)
    }

    fn state(&self, view: &AttackerView<'_>) -> String {
        format!("mining empty blocks on height {}", view.public.height)
    }
}
