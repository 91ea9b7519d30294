//! Lazy: keep the newest block secret until the next one is found.

use super::{Action, AttackerView, Content, Event, MiningGoal, Strategy};

/// The strategy. It has nothing to remember: all it asks is whether the others were faster.
#[derive(Default)]
pub struct Lazy;

impl Strategy for Lazy {
    fn name(&self) -> &'static str {
        "lazy"
    }

    fn goal(&self, view: &AttackerView<'_>) -> MiningGoal {
        let parent = view.own.as_ref().map_or(view.public.hash, |own| own.hash);
        MiningGoal { parent, content: Content::Mempool, secret: true, time_s: None }
    }

    fn after(&mut self, event: &Event, view: &AttackerView<'_>) -> Vec<Action> {
        match (event, &view.own) {
            // The block below the new one is no longer the newest.
            (Event::Found(_), Some(own)) => vec![Action::Publish(own.header.previous)],
            // Others were faster: nobody will build on what was kept back.
            (Event::Public(_), Some(_)) if view.lead() <= 0 => vec![Action::Abandon],
            _ => Vec::new(),
        }
    }

    fn state(&self, view: &AttackerView<'_>) -> String {
        format!("{} block(s) kept back", view.lead().max(0))
    }
}
