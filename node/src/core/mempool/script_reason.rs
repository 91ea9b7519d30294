//! What is said of a script that fails by rule or by policy: Core's reject string, with what Core's interpreter says of such a
//! script in brackets (`ScriptErrorString`), as clients match on both.

use super::policy::check_standard_unlock;
use crate::core::rejection::{Rejection, RejectionKind};
use chain_spec::der::{SignatureEncoding, is_strict_der};
use chain_spec::rules::RuleError;
use chain_spec::rules::spend::{ScriptError, SpendError};
use chain_spec::{Script, Transaction};
use std::fmt::Display;

/// Core's word for a script that fails by rule or by policy.
const SCRIPT_REASON: &str = "mempool-script-verify-flag-failed";
/// Core's words for a signature that is not empty and not good (BIP146, `NULLFAIL`).
const NOT_NULL: &str = "Signature must be zero for failed CHECK(MULTI)SIG operation";

fn bracketed(words: impl Display) -> String {
    format!("{SCRIPT_REASON} ({words})")
}

/// Core's words for what is wrong with an unlocking script, where its interpreter meets the same fault; ours elsewhere.
fn words(fault: &ScriptError, script: &Script) -> String {
    let (signature, public_key) = script.unlock_parts().unwrap_or_default();
    let has_key_form = matches!((public_key.len(), public_key.first()), (33, Some(2 | 3)) | (65, Some(4)));
    match fault {
        ScriptError::BadSignature if !signature.is_empty() => NOT_NULL.to_owned(),
        ScriptError::BadPublicKey if has_key_form => NOT_NULL.to_owned(),
        ScriptError::BadPublicKey => "Public key is neither compressed or uncompressed".to_owned(),
        fault => fault.to_string(),
    }
}

/// Every input's script is in the one form that is relayed. A signature that is not even strict DER is left to the check of
/// signatures where it breaks a rule, so that whoever made it is blamed for it.
pub(super) fn check_standard_scripts(transaction: &Transaction, encoding: SignatureEncoding) -> Result<(), Rejection> {
    for (input, script) in transaction.inputs.iter().map(|input| &input.script).enumerate() {
        let signature = script.unlock_parts().and_then(|(signature, _)| signature.split_last());
        let is_der = signature.is_some_and(|(_, signature)| is_strict_der(signature));
        if is_der || encoding == SignatureEncoding::Lax {
            let reject =
                |what| Rejection::new(RejectionKind::Policy, bracketed(what), format!("input {input}: {what}"));
            check_standard_unlock(script).map_err(reject)?;
            if !is_der {
                return Err(reject("Non-canonical DER signature"));
            }
        }
    }
    Ok(())
}

/// Where blocks may hold lax DER, asking for strict DER is policy.
pub(super) fn reject_script(error: &SpendError, transaction: &Transaction, encoding: SignatureEncoding) -> Rejection {
    let rejection = reject_spend(error, transaction);
    match error {
        SpendError::InputScript { error: ScriptError::NotStrictDer, .. } if encoding == SignatureEncoding::Lax => {
            Rejection { kind: RejectionKind::Policy, ..rejection }
        }
        _ => rejection,
    }
}

/// Time, height and another branch may heal what is only out of place; the rest is wrong everywhere.
pub(super) fn reject_spend(error: &SpendError, transaction: &Transaction) -> Rejection {
    if let SpendError::InputScript { input, error: fault, .. } = error {
        let script = transaction.inputs.get(*input).map(|input| &input.script);
        let reason = bracketed(script.map_or_else(|| fault.to_string(), |script| words(fault, script)));
        return Rejection::new(RejectionKind::Rule(SCRIPT_REASON), reason, error.to_string());
    }
    let (kind, reason) = match error {
        SpendError::NonFinal { .. } => (RejectionKind::Policy, "non-final"),
        SpendError::RelativeLock { .. } => (RejectionKind::Policy, "non-BIP68-final"),
        SpendError::Immature { .. } | SpendError::MissingOrSpent { .. } => (RejectionKind::Policy, error.reason()),
        _ => (RejectionKind::Rule(error.reason()), error.reason()),
    };
    Rejection::new(kind, reason, error.to_string())
}
