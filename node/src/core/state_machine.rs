//! What drives a node: a [`Core`], or a wrapper around one that filters its inputs and outputs (an attacker's strategy).
//!
//! The shell's loop and the simulator take either, so that the same strategy runs in both. Honest code is not in here twice:
//! the trait's defaults are the core's own answers.

use super::Core;
use super::event::{Input, Output, Time};
use super::store::StoreError;
use super::template::Template;
use super::view::Parts;
use chain_spec::Script;

/// A core, or something that behaves like one.
pub trait StateMachine: Send {
    /// The core inside, for reads.
    fn core(&self) -> &Core;
    /// As [`Core::handle`].
    fn handle(&mut self, now: Time, input: Input) -> Result<Vec<Output>, StoreError>;
    /// What to mine next, paying `payout`; a strategy may mine elsewhere than on the active tip.
    fn template(&self, payout: &Script, now: Time) -> Template {
        // By name: of a core, `template` would be this method again.
        Parts::template(self.core(), payout, now)
    }
    /// Whether something waits for time to pass (requests in flight, retries): then ticks come often.
    fn wants_tick(&self) -> bool {
        self.core().wants_tick()
    }
    /// Whether work is left over: then the next tick comes at once.
    fn has_pending(&self) -> bool {
        self.core().has_pending()
    }
}

impl StateMachine for Core {
    fn core(&self) -> &Core {
        self
    }
    fn handle(&mut self, now: Time, input: Input) -> Result<Vec<Output>, StoreError> {
        Core::handle(self, now, input)
    }
}
