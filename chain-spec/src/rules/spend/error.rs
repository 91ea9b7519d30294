//! The rules a spend can break.
use crate::amount::Amount;
use crate::hash::Txid;
use crate::rules::RuleError;
use crate::script::Script;
use crate::transaction::Outpoint;
use std::borrow::Cow;

/// The rule a spend breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpendError {
    /// The transaction's lock time is not reached.
    #[error("transaction {txid} is locked until {lock_time} (height, or Unix time from 500000000 on)")]
    NonFinal {
        /// The transaction that is not final.
        txid: Txid,
        /// The height, or Unix time, before which no block may hold it.
        lock_time: u32,
    },
    /// An input's relative lock time (BIP68) is not reached.
    #[error("input {input} of transaction {txid} has a relative lock time that is not reached")]
    RelativeLock {
        /// The transaction that comes too early.
        txid: Txid,
        /// The input whose sequence number asks for the longest wait.
        input: usize,
    },
    /// The coinbase's script does not start with the block's height (BIP34).
    #[error("the coinbase script {:02x?} does not start with a push of height {height}", script.as_bytes())]
    CoinbaseHeight {
        /// The block's height.
        height: u32,
        /// The coinbase's script.
        script: Script,
    },
    /// A transaction's id is that of another one with coins left (BIP30).
    #[error("the block would overwrite the unspent coin {0}")]
    OverwritesCoin(Outpoint),
    /// The coin does not exist on this branch.
    #[error("transaction {txid} spends {outpoint}, which is missing or spent")]
    MissingOrSpent {
        /// The transaction whose input has no coin.
        txid: Txid,
        /// The coin it names.
        outpoint: Outpoint,
    },
    /// The coin was made by a coinbase that is not mature yet.
    #[error(
        "transaction {txid} spends the coinbase's {outpoint} at height {height}, which can be spent from {spendable_at}"
    )]
    Immature {
        /// The transaction that spends too early.
        txid: Txid,
        /// The coinbase's output.
        outpoint: Outpoint,
        /// Where the transaction would stand.
        height: u32,
        /// The first height it could stand at.
        spendable_at: u32,
    },
    /// The inputs' values, or their sum, are over the cap.
    #[error("the inputs of transaction {txid} have a value over the most that this chain may ever have")]
    InputsOutOfRange {
        /// The transaction whose inputs sum up to too much.
        txid: Txid,
    },
    /// The outputs are worth more than the inputs.
    #[error("transaction {txid} spends {inputs} and makes {outputs}")]
    InBelowOut {
        /// The transaction that spends more than it has.
        txid: Txid,
        /// The inputs' value.
        inputs: Amount,
        /// The outputs' value.
        outputs: Amount,
    },
    /// The block's fees are over the cap.
    #[error("with transaction {txid} the block's fees are over the most that this chain may ever have")]
    FeesOutOfRange {
        /// The transaction whose fee takes the sum over the cap.
        txid: Txid,
    },
    /// The coinbase takes more than it may.
    #[error("the coinbase claims {claimed}, over the subsidy {subsidy} and the fees {fees}")]
    CoinbaseAmount {
        /// Its outputs' value.
        claimed: Amount,
        /// New coins at this height.
        subsidy: Amount,
        /// What the block's transactions left.
        fees: Amount,
    },
    /// An input's script does not satisfy its coin's script.
    #[error("input {input} does not unlock {outpoint}: {error}")]
    InputScript {
        /// Index of the input, from 0.
        input: usize,
        /// The coin that the input spends.
        outpoint: Outpoint,
        /// What is wrong with the script.
        error: ScriptError,
    },
}
impl RuleError for SpendError {
    fn reason(&self) -> &'static str {
        match self {
            SpendError::NonFinal { .. } | SpendError::RelativeLock { .. } => "bad-txns-nonfinal",
            SpendError::CoinbaseHeight { .. } => "bad-cb-height",
            SpendError::OverwritesCoin(_) => "bad-txns-BIP30",
            SpendError::MissingOrSpent { .. } => "bad-txns-inputs-missingorspent",
            SpendError::Immature { .. } => "bad-txns-premature-spend-of-coinbase",
            SpendError::InputsOutOfRange { .. } => "bad-txns-inputvalues-outofrange",
            SpendError::InBelowOut { .. } => "bad-txns-in-belowout",
            SpendError::FeesOutOfRange { .. } => "bad-txns-accumulated-fee-outofrange",
            SpendError::CoinbaseAmount { .. } => "bad-cb-amount",
            SpendError::InputScript { .. } => "block-script-verify-flag-failed",
        }
    }
    fn reject_string(&self) -> Cow<'static, str> {
        match self {
            SpendError::InputScript { error, .. } => format!("{} ({error})", self.reason()).into(),
            other => other.reason().into(),
        }
    }
}

/// Why an input's script does not satisfy the script of the coin it spends. The texts are Core's (`ScriptErrorString`) where
/// Core has the same error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScriptError {
    /// There is no such input.
    #[error("the transaction has no such input")]
    NoSuchInput,
    /// Another script than pay-to-public-key-hash: carried, but never spent on this chain.
    #[error("only pay-to-public-key-hash outputs can be spent on this chain")]
    NotPublicKeyHash,
    /// The unlocking script is not `<signature> <public key>`.
    #[error("the unlocking script is not exactly two pushes, a signature and a public key")]
    NotTwoPushes,
    /// A push is longer than any script may make.
    #[error("Push value size limit exceeded")]
    PushTooLong,
    /// The public key is not the one paid to.
    #[error("Script failed an OP_EQUALVERIFY operation")]
    WrongPublicKey,
    /// The signature is not strict DER, from BIP66's height on.
    #[error("Non-canonical DER signature")]
    NotStrictDer,
    /// The key's bytes are no point.
    #[error("the bytes that the coin is paid to the hash of are no public key")]
    BadPublicKey,
    /// The signature is empty or not this key's over this transaction.
    #[error("Script evaluated without error but finished with a false/empty top stack element")]
    BadSignature,
}
