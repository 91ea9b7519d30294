//! Why a payment cannot be built.

use chain_spec::{Amount, Outpoint, Txid};

use super::options::DATA_MAX;
use crate::fee::DUST_LIMIT;
use crate::keystore::KeyError;
use crate::view::Balance;

/// Why a payment could not be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// The coins do not suffice.
    #[error("not enough funds: {needed} needed (fee {fee} included), {} available{}", .balance.spendable, also(.balance))]
    NotEnoughFunds {
        /// Amount and fee.
        needed: Amount,
        /// The fee for it.
        fee: Amount,
        /// What there is.
        balance: Balance,
    },
    /// A foreign key that has nothing to give.
    #[error("this key has no coin that can be spent")]
    NothingToSweep,
    /// They suffice, but something would come back.
    #[error("no choice of coins pays this without change: leave out --no-change, or change the amount")]
    NoExactMatch,
    /// Nobody to pay.
    #[error("a payment needs a receiver, and at most one of them may get all that is left")]
    NoReceiver,
    /// A data output larger than nodes relay.
    #[error("{0} bytes of data are too many: nodes relay at most {DATA_MAX}")]
    DataTooLong(usize),
    /// A coin that its owner has frozen.
    #[error("coin {0} is frozen: `unfreeze` it first")]
    FrozenCoin(Outpoint),
    /// Nothing to replace.
    #[error("{0} cannot be replaced: {1}")]
    NotReplaceable(Txid, &'static str),
    /// BIP125's rules ask for more.
    #[error("a replacement must pay at least {least} (it would pay {fee}): raise --fee-rate")]
    ReplacementTooCheap {
        /// What it would pay.
        fee: Amount,
        /// What BIP125's rules 3 and 4 ask for.
        least: Amount,
    },
    /// They suffice, but in too many pieces.
    #[error("this payment needs more coins than fit one transaction: pay less, or first send yourself the small ones")]
    TooManyInputs,
    /// What is left is change of payments that nobody has mined yet, and nodes take no longer chain of them.
    #[error("25 unconfirmed payments in a row are the most that nodes take: wait for a block, then pay again")]
    ChainTooLong,
    /// Nodes would not relay such an output.
    #[error("{0} is dust: nodes relay no output below {DUST_LIMIT}")]
    Dust(Amount),
    /// The fee looks like a mistake.
    #[error("a fee of {fee} for a payment of {amount} looks like a mistake: lower --fee-rate, or add --allow-high-fee")]
    HighFee {
        /// The fee.
        fee: Amount,
        /// The payment.
        amount: Amount,
    },
    /// More than the cap in all outputs together.
    #[error("the outputs add up to more than all the coins there can be")]
    AmountOverflow,
    /// A named coin is not ours, or its transaction is dead.
    #[error("no coin of this wallet is at {0}: list them with `coins`")]
    UnknownCoin(Outpoint),
    /// A named coin cannot be spent yet.
    #[error("coin {0} cannot be spent yet: it is immature or its payment is unconfirmed")]
    UnspendableCoin(Outpoint),
    /// A key could not be derived.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// The rest of a not-enough-funds line: what is there but cannot be spent yet.
fn also(balance: &Balance) -> String {
    let unspendable = balance.total().checked_sub(balance.spendable).unwrap_or_default();
    let incoming = unspendable.checked_sub(balance.immature).unwrap_or_default();
    let mut text = String::new();
    if incoming > Amount::ZERO {
        text += &format!(", {incoming} still unconfirmed");
    }
    if balance.immature > Amount::ZERO {
        text += &format!(", {} immature", balance.immature);
    }
    text
}
