//! What one call to the core produces: outputs for the shell, and events from one part of the core for the others.
//!
//! Ground floor of the core. A part appends to the [`Effects`] it is handed and calls nobody; `core.rs` takes the events out
//! and delivers them.

use super::event::{Accepted, CallId, Output, Time};
use super::rejection::{Answer, Rejection};
use chain_spec::{BlockHash, CheckedBlock, Txid};
use std::sync::Arc;

/// Outputs in the order they must be performed, and events in the order they happened.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    /// For the shell.
    pub outputs: Vec<Output>,
    /// For the other parts.
    pub events: Vec<ChainEvent>,
}

/// What happened to the chain.
#[derive(Clone, Debug)]
#[expect(clippy::enum_variant_names, reason = "events of other things than blocks may join them")]
pub(crate) enum ChainEvent {
    /// A block of the active chain was undone. Of one reorganisation, the lowest block is reported first.
    BlockDisconnected(BlockChange),
    /// A block became the active tip.
    BlockConnected(BlockChange),
    /// A block was found to break a rule.
    BlockInvalid {
        /// Which.
        hash: BlockHash,
        /// The rule, by Core's reject string without what it says in brackets.
        rule: &'static str,
        /// What its submitter is told.
        rejection: Rejection,
    },
}

/// A block that was connected or disconnected.
#[derive(Clone, Debug)]
pub(crate) struct BlockChange {
    /// Which.
    pub hash: BlockHash,
    /// Blocks below it.
    pub height: u32,
    /// Its body. Absent only in a reorganisation of more bytes than are kept in memory at once; the chainstate has it.
    pub block: Option<Arc<CheckedBlock>>,
}

/// An answer, unless the chain still has to move.
pub(super) struct WaitingAnswer {
    /// The call whose caller waits.
    pub call: CallId,
    /// The answer as it stands.
    pub answer: Answer<Accepted>,
    /// The block whose fate it tells.
    pub block: Option<BlockHash>,
}

/// One call to [`Core::handle`](super::Core::handle): its time, and what it has led to so far.
pub(super) struct Call {
    /// When it came.
    pub now: Time,
    /// What the parts want done and known.
    pub effects: Effects,
    /// Blocks disconnected.
    pub reorganised: u32,
    /// Blocks found invalid, and what their submitters are told.
    pub invalid: Vec<(BlockHash, Rejection)>,
    /// Rules that these blocks broke, for whoever sent them.
    pub broken: Vec<(BlockHash, &'static str)>,
    /// Transactions that came or were mined, whose orphans may now stand.
    pub arrived: Vec<Txid>,
}

impl Call {
    /// A call that has led to nothing yet.
    pub(super) fn new(now: Time) -> Call {
        let (effects, invalid, broken, arrived) = Default::default();
        Call { now, effects, reorganised: 0, invalid, broken, arrived }
    }
}
