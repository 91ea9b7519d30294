//! Why a header, block, transaction or override is not accepted: one type for every "no", and apart from it the failure of
//! the store, which is nobody's fault but the disk's and ends the node.
//!
//! Ground floor of the core: [`chainstate`](super::chainstate) and [`mempool`](super::mempool) make rejections, whoever
//! submitted something gets them as the answer. Decisions look at [`Rejection::kind`], never at a text.

use super::store::StoreError;
use chain_spec::rules::RuleError;
use chain_spec::{BlockHash, Txid};
use std::borrow::Cow;

/// Why something is not accepted. Displays as Bitcoin Core's reject string.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Rejection {
    /// What the rejection says about the thing and about whoever made it.
    pub kind: RejectionKind,
    /// Core's reject string: `duplicate`, `bad-version(0x00000001)`, `txn-mempool-conflict`, …
    pub reason: Cow<'static, str>,
    /// The whole sentence, with names and numbers.
    pub detail: String,
}

/// Classes of rejections, as far as somebody decides by them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RejectionKind {
    /// It breaks a consensus rule that holds on every branch and at any time, so whoever made it is at fault. The rule is named
    /// by Core's reject string without what that says in brackets.
    Rule(&'static str),
    /// This node does not want it here and now: its policy, the state of the chain or of the mempool, or the clock.
    Policy,
    /// A transaction spends coins that are not known.
    MissingInputs {
        /// Transactions that would make them; empty if they are known and do not.
        parents: Vec<Txid>,
    },
    /// The transaction is in the mempool.
    AlreadyInMempool,
    /// The transaction is in a block and has an output left.
    AlreadyInChain,
    /// The transaction pays or burns more than its submitter allows.
    AboveLimit,
    /// The block is known, and not invalid as far as it has been checked.
    Duplicate,
    /// The block is known to be invalid.
    KnownInvalid,
    /// The block's parent is not known.
    ParentUnknown(BlockHash),
    /// The block's parent, or one of its ancestors, is invalid.
    ParentInvalid,
    /// Stored data contradict one another (`verifychain`).
    Inconsistent,
    /// The block that an operator named is not known, or is the genesis block, which cannot be invalid.
    NotOverridable,
}

impl Rejection {
    /// A rejection in words.
    pub fn new(kind: RejectionKind, reason: impl Into<Cow<'static, str>>, detail: String) -> Rejection {
        Rejection { kind, reason: reason.into(), detail }
    }
    /// By this node's policy, or by the state of things.
    pub(crate) fn policy(reason: &'static str, detail: String) -> Rejection {
        Rejection::new(RejectionKind::Policy, reason, detail)
    }
    /// By a rule.
    pub(crate) fn rule(error: &dyn RuleError) -> Rejection {
        Rejection::new(RejectionKind::Rule(error.reason()), error.reject_string(), error.to_string())
    }
    /// Says in the sentence what was rejected.
    pub(crate) fn about(mut self, what: std::fmt::Arguments<'_>) -> Rejection {
        self.detail = format!("{what}: {}", self.detail);
        self
    }
    /// The rule that was broken by whoever made the thing; `None` if nobody is at fault.
    pub(crate) fn broken_rule(&self) -> Option<&'static str> {
        match self.kind {
            RejectionKind::Rule(rule) => Some(rule),
            _ => None,
        }
    }
}

/// What a submitter is told.
pub type Answer<T> = Result<T, Rejection>;

/// Why the core could not accept something, or could not tell.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// It is not acceptable. The core goes on.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// The store failed. The core must be dropped.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl AcceptError {
    /// Says in a rejection's sentence what was rejected.
    pub(crate) fn about(self, what: std::fmt::Arguments<'_>) -> AcceptError {
        match self {
            AcceptError::Rejected(rejection) => AcceptError::Rejected(rejection.about(what)),
            AcceptError::Store(_) => self,
        }
    }
}

/// The rejection, if that is what the error is; the store's failure passes on as the error it is.
///
/// # Errors
/// The store failed.
pub(crate) fn answer<T>(result: Result<T, AcceptError>) -> Result<Answer<T>, StoreError> {
    match result {
        Ok(accepted) => Ok(Ok(accepted)),
        Err(AcceptError::Rejected(rejection)) => Ok(Err(rejection)),
        Err(AcceptError::Store(error)) => Err(error),
    }
}
