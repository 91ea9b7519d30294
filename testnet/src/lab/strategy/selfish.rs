//! Selfish mining (Eyal and Sirer, *Majority is not enough*, 2014, algorithm 1): keep found blocks secret, and publish just
//! enough of them, just in time, that others' work is wasted more often than one's own.

use super::{Action, AttackerView, Content, Event, MiningGoal, Strategy};

/// The strategy. The secret branch is always the longest one the attacker knows.
#[derive(Default)]
pub struct Selfish {
    /// Two published branches of equal length race, and one of them is the attacker's.
    racing: bool,
}

impl Strategy for Selfish {
    fn name(&self) -> &'static str {
        "selfish"
    }

    fn goal(&self, view: &AttackerView<'_>) -> MiningGoal {
        let parent = view.own.as_ref().map_or(view.public.hash, |secret| secret.hash);
        MiningGoal { parent, content: Content::Mempool, secret: true, time_s: None }
    }

    fn after(&mut self, event: &Event, view: &AttackerView<'_>) -> Vec<Action> {
        match event {
            Event::Found(hash) => {
                // A block found while two equal branches race decides the race: publish it at once.
                let decides = std::mem::take(&mut self.racing);
                if decides { vec![Action::Publish(*hash)] } else { Vec::new() }
            }
            Event::Public(_) => {
                self.racing = false;
                let Some(secret) = &view.own else { return Vec::new() };
                match view.lead() {
                    // The others are ahead: their branch has won.
                    lead if lead < 0 => vec![Action::Abandon],
                    // One ahead before, now equal: publish, and race.
                    0 => {
                        self.racing = true;
                        vec![Action::Publish(secret.hash)]
                    }
                    // Two ahead before, now one: publish all, which beats them.
                    1 => vec![Action::Publish(secret.hash)],
                    // Far ahead: publish as far as theirs reaches.
                    _ => view
                        .ancestor(secret, view.public.height)
                        .map(|block| vec![Action::Publish(block.hash)])
                        .unwrap_or_default(),
                }
            }
            _ => Vec::new(),
        }
    }

    fn forwards(&self, view: &AttackerView<'_>) -> bool {
        view.own.is_none()
    }

    fn state(&self, view: &AttackerView<'_>) -> String {
        match (self.racing, view.lead()) {
            (true, _) => "two branches of equal length race".into(),
            (false, lead) => format!("{} secret block(s) ahead", lead.max(0)),
        }
    }
}
