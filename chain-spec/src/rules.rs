//! The rules in the order they run: one rule, one function, one error variant, one failing test.
//!
//! | stage | needs | rules, by Bitcoin Core's reject string |
//! |---|---|---|
//! | [`transaction`] | nothing | `bad-txns-vin-empty`, `bad-txns-vout-empty`, `bad-txns-oversize`, `bad-txns-vout-negative`, `bad-txns-vout-toolarge`, `bad-txns-txouttotal-toolarge`, `bad-txns-inputs-duplicate`, `bad-cb-length`, `bad-txns-prevout-null` |
//! | [`block`] | nothing | `bad-txnmrklroot`, `bad-txns-duplicate`, `bad-blk-length`, `bad-cb-missing`, `bad-cb-multiple`, each transaction's, `bad-blk-sigops` |
//! | [`header`] | the header | `high-hash` |
//! | [`header`] | its ancestors and now | `bad-diffbits`, `time-too-old`, `time-timewarp-attack`, `time-too-new`, `bad-version` |
//! | [`spend::check_block_in_context`] | its ancestors | `bad-txns-nonfinal`, `bad-cb-height` |
//! | [`spend`] | the parent's coins | `bad-txns-BIP30`, `bad-txns-inputs-missingorspent`, `bad-txns-premature-spend-of-coinbase`, `bad-txns-inputvalues-outofrange`, `bad-txns-in-belowout`, `bad-txns-accumulated-fee-outofrange`, `bad-cb-amount` |
//! | [`spend::check_input_script`] | the coin | `block-script-verify-flag-failed` |
//!
//! What has passed a context-free stage is another type ([`CheckedTransaction`](crate::CheckedTransaction),
//! [`CheckedBlock`](crate::CheckedBlock)), and later stages take only that. Absent: everything that a node may decide for
//! itself (fees, dust, low S, replacement), which is policy and lives in its mempool.
use std::borrow::Cow;

pub mod block;
pub mod header;
pub mod spend;
pub mod transaction;

/// What the error of every rule can tell: Core's short name for the rule, for example `bad-txns-inputs-duplicate`.
pub trait RuleError: std::error::Error {
    /// Bitcoin Core's reject string without a parenthesis (Core: `GetRejectReason`).
    fn reason(&self) -> &'static str;
    /// Bitcoin Core's reject string with its parenthesis where it has one, for example `bad-version(0x00000001)`.
    fn reject_string(&self) -> Cow<'static, str> {
        Cow::Borrowed(self.reason())
    }
}
