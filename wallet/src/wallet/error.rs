//! Everything that can go wrong with a wallet.

use chain_spec::Txid;
use chain_spec::address::AddressError;
use chain_spec::spec::SpecError;

use crate::build::BuildError;
use crate::client::ClientError;
use crate::file::FileError;
use crate::keystore::KeyError;
use crate::record::RecordError;
use crate::sync::SyncError;

/// Anything that can go wrong; every message is one line that names the thing and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum WalletError {
    /// Words or keys.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The wallet file.
    #[error(transparent)]
    File(#[from] FileError),
    /// Its contents.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The chain spec in it.
    #[error("the wallet's chain spec is unusable: {0}")]
    Spec(#[from] SpecError),
    /// An address.
    #[error("{}", named(.text, .error))]
    Address {
        /// As given.
        text: String,
        /// What is wrong with it.
        error: AddressError,
    },
    /// A payment.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The node.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// Following the node's chain.
    #[error(transparent)]
    Sync(#[from] SyncError),
    /// The node found the payment invalid or against its policy, so the wallet has forgotten it.
    #[error("the node refuses the payment ({0}): nothing was sent")]
    Refused(String),
    /// The node gave no answer, or another error than a refusal: it may have taken the payment.
    #[error(
        "{error}; whether the node has payment {txid} is unknown: it is kept and sent again by the next command, do not pay twice"
    )]
    Unsent {
        /// The payment.
        txid: Txid,
        /// What happened.
        error: ClientError,
    },
    /// A PSBT that does not fit.
    #[error(transparent)]
    Psbt(#[from] crate::psbt::PsbtError),
    /// A message that cannot be signed or checked.
    #[error(transparent)]
    Message(#[from] crate::message::MessageError),
    /// Words where there are none.
    #[error("this wallet was made from public keys: it has no words")]
    NoWords,
    /// Only an unconfirmed transaction can be given up.
    #[error("{0} is not an unconfirmed transaction of this wallet")]
    NotUnconfirmed(Txid),
    /// Another transaction has its coins already, so there is nothing to give up.
    #[error("{txid} will not confirm, since {by} spends its coins: nothing is left to give up")]
    Conflicted {
        /// The one to be given up.
        txid: Txid,
        /// What took its coins.
        by: Txid,
    },
    /// A transaction that the node still holds would be mined all the same.
    #[error("the node still holds {0} and may mine it: `cancel {0}` replaces it by a payment to yourself")]
    InMempool(Txid),
}

/// An address and what is wrong with it; some of the reasons name it already.
fn named(text: &str, error: &AddressError) -> String {
    match error {
        AddressError::Base58(_) => error.to_string(),
        _ => format!("{text:?}: {error}"),
    }
}
