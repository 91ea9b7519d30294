//! Selfish mining (Eyal and Sirer, *Majority is not enough*, 2014, algorithm 1): keep found blocks secret, and publish just
//! enough of them, just in time, that others' work is wasted more often than one's own.

use super::{Action, Aim, Content, Event, Order, Strategy, View};

/// The strategy. The secret branch is always the longest one the attacker knows.
#[derive(Default)]
pub struct Selfish {
    /// Two published branches of equal length race, and the last of them is ours.
    racing: bool,
    stopped: bool,
}

impl Selfish {
    /// Its name.
    pub const NAME: &'static str = "selfish";
}

impl Strategy for Selfish {
    fn name(&self) -> &'static str {
        Selfish::NAME
    }

    fn aim(&self, view: &View<'_>) -> Aim {
        if self.stopped {
            return Aim::honest(view);
        }
        let parent = view.own.as_ref().map_or(view.public.hash, |secret| secret.hash);
        Aim { parent, content: Content::Mempool, secret: true, time_s: None }
    }

    fn after(&mut self, event: &Event, view: &View<'_>) -> Vec<Action> {
        match event {
            Event::Order(Order::Stop) => {
                self.stopped = true;
                vec![Action::Abandon]
            }
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

    fn state(&self, view: &View<'_>) -> String {
        match (self.racing, view.lead()) {
            (true, _) => "two branches of equal length race".into(),
            (false, lead) => format!("{} secret block(s) ahead", lead.max(0)),
        }
    }
}
