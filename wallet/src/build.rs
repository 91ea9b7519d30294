//! Builds and signs transactions. No I/O: what it makes is broadcast by [`crate::client`] through
//! [`Wallet::send`](crate::wallet::Wallet::send).
//!
//! The life of a payment begins here: outputs are chosen by the user, inputs by [`crate::coins`], every input is signed
//! over [`signature_hash`] with `SIGHASH_ALL`.

use std::sync::Arc;

use chain_spec::encode::Encode;
use chain_spec::signature_hash::{SIGHASH_ALL, signature_hash};
use chain_spec::{Address, Amount, Outpoint, PrivateKey, Script, Transaction, TxIn, TxOut, Txid};

use crate::coins::{NoSelection, Request, Selection, select, settle};
use crate::fee::{DUST_LIMIT, FeeRate, INPUT_SIZE, OUTPUT_SIZE, transaction_size};
use crate::keystore::KeyError;
use crate::view::{Balance, WalletCoin};

/// Signals BIP125 replaceability and disables BIP68's relative lock time.
const SEQUENCE: u32 = 0xFFFF_FFFD;
/// A fee above this is taken for a mistake …
const FEE_SANE_MAX: Amount = Amount::from_units(10_000_000);
/// … as is one above a tenth of the payment, unless it is this small in itself.
const FEE_NEGLIGIBLE: Amount = Amount::from_units(100_000);

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

/// How to pay.
#[derive(Clone, Debug)]
pub struct PaymentOptions {
    /// Units per byte.
    pub fee_rate: FeeRate,
    /// The receiver bears the fee.
    pub subtract_fee: bool,
    /// Do not refuse a fee that looks like a mistake.
    pub allow_high_fee: bool,
    /// Choose among these coins only; empty: among all spendable ones.
    pub coins: Vec<Outpoint>,
}

impl Default for PaymentOptions {
    fn default() -> Self {
        PaymentOptions { fee_rate: FeeRate::DEFAULT, subtract_fee: false, allow_high_fee: false, coins: Vec::new() }
    }
}

/// A transaction ready to be broadcast, and what it means to the wallet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedPayment {
    /// The transaction.
    pub transaction: Arc<Transaction>,
    /// What it leaves to the miner.
    pub fee: Amount,
    /// What comes back to us, always the last output.
    pub change: Option<Amount>,
    /// The coins it spends, in the order of its inputs.
    pub inputs: Vec<WalletCoin>,
}

impl SignedPayment {
    /// The transaction's id.
    pub fn txid(&self) -> Txid {
        self.transaction.txid()
    }

    /// The names of the coins it spends.
    pub fn outpoints(&self) -> Vec<Outpoint> {
        self.inputs.iter().map(|coin| coin.outpoint).collect()
    }

    /// The transaction's bytes.
    pub fn size(&self) -> usize {
        self.transaction.encoded_len()
    }
}

/// Finds the key for a public key hash.
pub type KeyOf<'a> = dyn Fn(&[u8; 20]) -> Result<PrivateKey, KeyError> + 'a;

/// Pays `amount` to `to` from `coins`, with change to the public key hash `change`.
pub fn pay(
    coins: &[WalletCoin],
    balance: &Balance,
    to: &Address,
    amount: Amount,
    change: [u8; 20],
    options: &PaymentOptions,
    key_of: &KeyOf,
) -> Result<SignedPayment, BuildError> {
    if amount < DUST_LIMIT {
        return Err(BuildError::Dust(amount));
    }
    let request = Request {
        amount,
        outputs: 1,
        outputs_size: OUTPUT_SIZE,
        input_size: INPUT_SIZE,
        fee_rate: options.fee_rate,
        subtract_fee: options.subtract_fee,
    };
    let values: Vec<Amount> = coins.iter().map(|coin| coin.value).collect();
    let selection = select(&values, &request).map_err(|error| match error {
        NoSelection::TooLittle { needed, fee } => BuildError::NotEnoughFunds { needed, fee, balance: *balance },
        NoSelection::TooManyInputs => BuildError::TooManyInputs,
    })?;
    if selection.paid < DUST_LIMIT {
        return Err(BuildError::Dust(selection.paid));
    }
    check_fee(selection.fee, amount, options.allow_high_fee)?;
    let outputs = vec![TxOut { value: selection.paid, script: to.script() }];
    finish(coins, selection, outputs, change, key_of)
}

/// Spends exactly `coins`, each with an input of `input_size` bytes, on `outputs`; what is left after the fee goes to the
/// public key hash `change`. With no outputs, everything goes there.
pub fn spend(
    coins: &[WalletCoin],
    outputs: Vec<TxOut>,
    change: [u8; 20],
    fee_rate: FeeRate,
    input_size: usize,
    key_of: &KeyOf,
) -> Result<SignedPayment, BuildError> {
    let amount = Amount::checked_sum(outputs.iter().map(|o| o.value)).ok_or(BuildError::AmountOverflow)?;
    let value = Amount::checked_sum(coins.iter().map(|coin| coin.value)).ok_or(BuildError::AmountOverflow)?;
    let outputs_size = outputs.iter().map(Encode::encoded_len).sum();
    let request = Request { amount, outputs: outputs.len(), outputs_size, input_size, fee_rate, subtract_fee: false };
    match settle(&request, value, coins.len()) {
        Some((fee, back, paid)) if back.is_some() || !outputs.is_empty() => {
            let selection = Selection { coins: (0..coins.len()).collect(), fee, change: back, paid };
            finish(coins, selection, outputs, change, key_of)
        }
        _ => {
            let (count, size) = (outputs.len().max(1), outputs_size.max(OUTPUT_SIZE));
            let fee = fee_rate.fee(transaction_size(coins.len(), coins.len() * input_size, count, size));
            let least = if outputs.is_empty() { DUST_LIMIT } else { amount };
            let needed = least.checked_add(fee).unwrap_or(Amount::MAX_MONEY);
            let balance = Balance { confirmed: value, spendable: value, ..Balance::default() };
            Err(BuildError::NotEnoughFunds { needed, fee, balance })
        }
    }
}

/// Refuses a fee that looks like a mistake: above 0.1 coins, or above a tenth of the payment and 0.001 coins.
pub fn check_fee(fee: Amount, amount: Amount, allowed: bool) -> Result<(), BuildError> {
    let tenth = Amount::from_units(amount.units() / 10);
    let absurd = fee > FEE_SANE_MAX || (fee > tenth && fee > FEE_NEGLIGIBLE);
    if absurd && !allowed { Err(BuildError::HighFee { fee, amount }) } else { Ok(()) }
}

fn finish(
    coins: &[WalletCoin],
    selection: Selection,
    mut outputs: Vec<TxOut>,
    change: [u8; 20],
    key_of: &KeyOf,
) -> Result<SignedPayment, BuildError> {
    let inputs: Vec<WalletCoin> = selection.coins.iter().map(|&index| coins[index]).collect();
    if let Some(value) = selection.change {
        outputs.push(TxOut { value, script: Script::pay_to_public_key_hash(&change) });
    }
    let mut transaction = Transaction {
        version: 2,
        inputs: inputs
            .iter()
            .map(|coin| TxIn { outpoint: coin.outpoint, script: Script::default(), sequence: SEQUENCE })
            .collect(),
        outputs,
        lock_time: 0,
    };
    sign(&mut transaction, &inputs, key_of)?;
    Ok(SignedPayment { transaction: Arc::new(transaction), fee: selection.fee, change: selection.change, inputs })
}

/// Signs every input. The legacy digest blanks all input scripts, so the order of signing does not matter.
fn sign(transaction: &mut Transaction, coins: &[WalletCoin], key_of: &KeyOf) -> Result<(), KeyError> {
    let mut scripts = Vec::with_capacity(coins.len());
    for (index, coin) in coins.iter().enumerate() {
        let key = key_of(&coin.public_key_hash)?;
        let locked_by = Script::pay_to_public_key_hash(&coin.public_key_hash);
        let digest = signature_hash(transaction, index, &locked_by, SIGHASH_ALL);
        let mut signature = key.sign(&digest);
        signature.push(SIGHASH_ALL as u8);
        scripts.push(Script::unlock_public_key_hash(&signature, key.public_key().as_bytes()));
    }
    for (input, script) in transaction.inputs.iter_mut().zip(scripts) {
        input.script = script;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
