//! Halt: a majority that mines empty blocks and builds on nothing else, so that no payment is ever confirmed.

use super::{Action, Aim, Content, Event, Order, Strategy, View};
use chain_spec::BlockHash;

/// The strategy.
#[derive(Default)]
pub struct Halt {
    stopped: bool,
}

impl Strategy for Halt {
    fn name(&self) -> &'static str {
        "halt"
    }

    fn aim(&self, view: &View<'_>) -> Aim {
        if self.stopped {
            return Aim::honest(view);
        }
        Aim { parent: view.public.hash, content: Content::Exactly(Vec::new()), secret: false, time_s: None }
    }

    fn after(&mut self, event: &Event, _view: &View<'_>) -> Vec<Action> {
        if *event == Event::Order(Order::Stop) {
            self.stopped = true;
        }
        Vec::new()
    }

    fn accepts(&self, block: &BlockHash, view: &View<'_>) -> bool {
        self.stopped || view.block(block).is_none_or(|block| block.transactions.len() <= 1)
    }

    fn state(&self, view: &View<'_>) -> String {
        format!("mining empty blocks on height {}", view.public.height)
    }
}
