//! Withholding by a policy: the strategy that plays what [`crate::lab::theory::withholding`] describes, stubborn mining and
//! the best policy among it. [`super::selfish`] is the same for one policy, as its paper writes it.

use super::{Action, AttackerView, Content, Event, MiningGoal, Strategy};
use crate::lab::theory::withholding::{Decision, Fork, Policy, State};
use chain_spec::BlockHash;

/// The strategy.
pub struct Withholding {
    name: &'static str,
    policy: Box<dyn Policy + Send>,
    /// The last block both branches share, for when the attacker has no branch that tells.
    base: Option<BlockHash>,
    /// Two published branches of equal length race.
    is_racing: bool,
}

impl Withholding {
    /// Plays `policy` under a name.
    pub fn new(name: &'static str, policy: Box<dyn Policy + Send>) -> Withholding {
        Withholding { name, policy, base: None, is_racing: false }
    }

    /// The height of the last block that both branches share.
    fn fork_height(&self, view: &AttackerView<'_>) -> u32 {
        match &view.own {
            Some(own) => view.fork_height(own),
            None => self.base.and_then(|base| view.core.summary(&base)).map_or(view.public.height, |base| base.height),
        }
    }

    /// Decides after a block was found by either side.
    fn decide(&mut self, view: &AttackerView<'_>, fork: Fork) -> Vec<Action> {
        let fork_height = self.fork_height(view);
        let height = view.own.as_ref().map_or(fork_height, |own| own.height);
        let state = State { own: height - fork_height, public: view.public.height.saturating_sub(fork_height), fork };
        let up_to = |blocks: u32| {
            let own = view.own.as_ref()?;
            view.ancestor(own, fork_height + blocks).map(|block| block.hash)
        };
        match self.policy.decide(state) {
            Decision::Wait => Vec::new(),
            Decision::Adopt => {
                self.is_racing = false;
                self.base = Some(view.public.hash);
                vec![Action::Abandon]
            }
            Decision::Override => {
                self.is_racing = false;
                let published = up_to(state.public + 1);
                self.base = published;
                published.map(Action::Publish).into_iter().collect()
            }
            Decision::Match => {
                self.is_racing = true;
                let published = up_to(state.public);
                // If the others build on it, and it is all there is of the own branch, it is what both share.
                self.base = published;
                published.map(Action::Publish).into_iter().collect()
            }
        }
    }
}

impl Strategy for Withholding {
    fn name(&self) -> &'static str {
        self.name
    }

    fn goal(&self, view: &AttackerView<'_>) -> MiningGoal {
        let parent = match (&view.own, self.base) {
            (Some(own), _) => own.hash,
            (None, base) => base.unwrap_or(view.public.hash),
        };
        MiningGoal { parent, content: Content::Mempool, secret: true, time_s: None }
    }

    fn after(&mut self, event: &Event, view: &AttackerView<'_>) -> Vec<Action> {
        match event {
            Event::Found(_) => {
                let fork = if self.is_racing { Fork::Active } else { Fork::Irrelevant };
                self.decide(view, fork)
            }
            Event::Public(_) => {
                self.is_racing = false;
                self.decide(view, Fork::Relevant)
            }
            Event::Command(_) | Event::Tick => Vec::new(),
        }
    }

    fn forwards(&self, view: &AttackerView<'_>) -> bool {
        view.own.is_none()
    }

    fn state(&self, view: &AttackerView<'_>) -> String {
        match (self.is_racing, view.lead()) {
            (true, _) => "two published branches of equal length race".into(),
            (false, lead) => format!("the attacker's branch is {lead:+} blocks ahead"),
        }
    }
}
