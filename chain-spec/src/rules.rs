//! The rules in the order they run: one rule, one function, one error variant, one failing test.
pub mod block;
pub mod header;
pub mod spend;
pub mod transaction;

/// What every rule's error can say: Core's short name for it, e.g. `bad-txns-inputs-duplicate`.
pub trait Reject: std::error::Error {
    /// Bitcoin Core's reject string.
    fn reason(&self) -> &'static str;
}
