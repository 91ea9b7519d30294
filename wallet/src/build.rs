//! Builds and signs transactions. No I/O: what it makes is broadcast by [`crate::client`] through
//! [`Wallet::send`](crate::wallet::Wallet::send).
//!
//! The life of a payment begins here: outputs are chosen by the user, inputs by [`crate::coins`]; a [`Draft`] is what comes
//! of that, and every input of it is signed over [`signature_hash`] with `SIGHASH_ALL`.

mod error;
pub mod options;

use std::collections::BTreeMap;
use std::sync::Arc;

use chain_spec::encode::Encode;
use chain_spec::signature_hash::{SIGHASH_ALL, signature_hash};
use chain_spec::{Address, Amount, Outpoint, PrivateKey, Script, Transaction, TxIn, TxOut, Txid};

use crate::coins::{Group, NoSelection, Request, Selection, select_groups, settle};
use crate::fee::{DUST_LIMIT, FeeRate, INPUT_SIZE, OUTPUT_SIZE, transaction_size};
use crate::keystore::KeyError;
use crate::view::{Balance, WalletCoin};

pub use error::BuildError;
pub use options::{DATA_MAX, PaymentOptions, Recipient};

/// Ends a script; what follows is data.
const OP_RETURN: u8 = 0x6a;
/// Pushes as many bytes as the next byte says; shorter pushes are their length alone.
const OP_PUSHDATA1: u8 = 0x4c;
/// Signals BIP125 replaceability and disables BIP68's relative lock time.
const SEQUENCE: u32 = 0xFFFF_FFFD;
/// A fee above this is taken for a mistake …
const FEE_SANE_MAX: Amount = Amount::from_units(10_000_000);
/// … as is one above a tenth of the payment, unless it is this small in itself.
const FEE_NEGLIGIBLE: Amount = Amount::from_units(100_000);

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

/// An unsigned payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// The transaction without input scripts.
    pub transaction: Transaction,
    /// What it leaves to the miner.
    pub fee: Amount,
    /// What comes back to us, always the last output.
    pub change: Option<Amount>,
    /// The coins it spends, in the order of its inputs.
    pub inputs: Vec<WalletCoin>,
}

impl Draft {
    /// Signs every input.
    pub fn sign(mut self, key_of: &KeyOf) -> Result<SignedPayment, BuildError> {
        sign(&mut self.transaction, &self.inputs, key_of)?;
        let Draft { transaction, fee, change, inputs } = self;
        Ok(SignedPayment { transaction: Arc::new(transaction), fee, change, inputs })
    }

    /// The names of the coins it spends.
    pub fn outpoints(&self) -> Vec<Outpoint> {
        self.inputs.iter().map(|coin| coin.outpoint).collect()
    }

    /// Bytes it will have when it is signed, at most.
    pub fn signed_size(&self) -> usize {
        let outputs_size = self.transaction.outputs.iter().map(Encode::encoded_len).sum();
        let inputs = self.inputs.len();
        transaction_size(inputs, inputs * INPUT_SIZE, self.transaction.outputs.len(), outputs_size)
    }
}

/// Finds the key for a public key hash.
pub type KeyOf<'a> = dyn Fn(&[u8; 20]) -> Result<PrivateKey, KeyError> + 'a;

/// An output that carries data and no value; nobody can spend it.
pub fn data_output(data: &[u8]) -> Result<TxOut, BuildError> {
    if data.len() > DATA_MAX {
        return Err(BuildError::DataTooLong(data.len()));
    }
    let mut script = vec![OP_RETURN];
    if data.len() >= usize::from(OP_PUSHDATA1) {
        script.push(OP_PUSHDATA1);
    }
    script.push(data.len() as u8); // at most DATA_MAX
    script.extend_from_slice(data);
    Ok(TxOut { value: Amount::ZERO, script: Script::from_bytes(script) })
}

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
    let recipient = Recipient { script: to.script(), amount: Some(amount) };
    draft(coins, balance, &[recipient], &[], change, options)?.sign(key_of)
}

/// Chooses among `coins` to pay every receiver and to carry `data`, with change to the public key hash `change`. If one
/// receiver gets all that is left, all coins are spent.
pub fn draft(
    coins: &[WalletCoin],
    balance: &Balance,
    recipients: &[Recipient],
    data: &[TxOut],
    change: [u8; 20],
    options: &PaymentOptions,
) -> Result<Draft, BuildError> {
    if let Some(dust) = recipients.iter().filter_map(|one| one.amount).find(|amount| *amount < DUST_LIMIT) {
        return Err(BuildError::Dust(dust));
    }
    let fixed = recipients.iter().filter_map(|one| Some(TxOut { value: one.amount?, script: one.script.clone() }));
    let mut outputs: Vec<TxOut> = fixed.collect();
    let payees = outputs.len();
    outputs.extend_from_slice(data);
    let takers: Vec<&Recipient> = recipients.iter().filter(|one| one.amount.is_none()).collect();
    match takers[..] {
        [] if payees + data.len() == 0 => Err(BuildError::NoReceiver),
        [] => {
            let drafted = choose(coins, balance, outputs, payees, change, options)?;
            let amount = Amount::checked_sum(drafted.transaction.outputs[..payees].iter().map(|output| output.value));
            check_fee(drafted.fee, amount.ok_or(BuildError::AmountOverflow)?, options.allow_high_fee)?;
            Ok(drafted)
        }
        [taker] => {
            let mut drafted = give_all(coins, outputs, &taker.script, INPUT_SIZE, options)?;
            drafted.transaction.lock_time = options.lock_time;
            let all = drafted.change.take().unwrap_or_default();
            check_fee(drafted.fee, all, options.allow_high_fee)?;
            Ok(drafted)
        }
        _ => Err(BuildError::NoReceiver),
    }
}

/// Chooses coins for given outputs, of which the first `payees` may have to bear the fee.
fn choose(
    coins: &[WalletCoin],
    balance: &Balance,
    mut outputs: Vec<TxOut>,
    payees: usize,
    change: [u8; 20],
    options: &PaymentOptions,
) -> Result<Draft, BuildError> {
    let amount = Amount::checked_sum(outputs.iter().map(|output| output.value)).ok_or(BuildError::AmountOverflow)?;
    let request = Request {
        amount,
        outputs: outputs.len(),
        outputs_size: outputs.iter().map(Encode::encoded_len).sum(),
        input_size: INPUT_SIZE,
        fee_rate: options.fee_rate,
        fixed_fee: options.fee,
        subtract_fee: options.subtract_fee && payees > 0,
        no_change: options.no_change,
    };
    let members = grouped(coins, options.avoid_reuse);
    let groups: Vec<Group> = members
        .iter()
        .map(|group| Group { value: value_of(group.iter().map(|&at| &coins[at])), inputs: group.len() })
        .collect();
    let mut selection = select_groups(&groups, &request).map_err(|error| match error {
        NoSelection::TooLittle { needed, fee } => BuildError::NotEnoughFunds { needed, fee, balance: *balance },
        NoSelection::NoExactMatch => BuildError::NoExactMatch,
        NoSelection::TooManyInputs => BuildError::TooManyInputs,
    })?;
    selection.coins = selection.coins.iter().flat_map(|&group| members[group].iter().copied()).collect();
    if request.subtract_fee {
        let borne = amount.checked_sub(selection.paid).ok_or(BuildError::AmountOverflow)?;
        subtract(&mut outputs[..payees], borne)?;
    }
    Ok(finish(coins, selection, outputs, Script::pay_to_public_key_hash(&change), options.lock_time))
}

/// The coins' indices, in groups that are spent together: one each, or all of one address.
fn grouped(coins: &[WalletCoin], by_address: bool) -> Vec<Vec<usize>> {
    if !by_address {
        return (0..coins.len()).map(|index| vec![index]).collect();
    }
    let mut groups: BTreeMap<[u8; 20], Vec<usize>> = BTreeMap::new();
    for (index, coin) in coins.iter().enumerate() {
        groups.entry(coin.public_key_hash).or_default().push(index);
    }
    groups.into_values().collect()
}

/// Takes `fee` from the outputs in equal parts; the first bears what cannot be divided.
fn subtract(outputs: &mut [TxOut], fee: Amount) -> Result<(), BuildError> {
    let count = outputs.len() as u64;
    let (each, rest) = (fee.units() / count, fee.units() % count);
    for (index, output) in outputs.iter_mut().enumerate() {
        let part = Amount::from_units(each + if index == 0 { rest } else { 0 });
        let left = output.value.checked_sub(part).unwrap_or_default();
        if left < DUST_LIMIT {
            return Err(BuildError::Dust(left));
        }
        output.value = left;
    }
    Ok(())
}

fn value_of<'a>(coins: impl IntoIterator<Item = &'a WalletCoin>) -> Amount {
    Amount::checked_sum(coins.into_iter().map(|coin| coin.value)).unwrap_or(Amount::MAX_MONEY)
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
    let options = PaymentOptions { fee_rate, ..PaymentOptions::default() };
    give_all(coins, outputs, &Script::pay_to_public_key_hash(&change), input_size, &options)?.sign(key_of)
}

/// Spends exactly `coins` on `outputs` and gives what is left to `taker`; with no outputs, all of it.
pub fn give_all(
    coins: &[WalletCoin],
    outputs: Vec<TxOut>,
    taker: &Script,
    input_size: usize,
    options: &PaymentOptions,
) -> Result<Draft, BuildError> {
    let amount = Amount::checked_sum(outputs.iter().map(|o| o.value)).ok_or(BuildError::AmountOverflow)?;
    let value = Amount::checked_sum(coins.iter().map(|coin| coin.value)).ok_or(BuildError::AmountOverflow)?;
    let outputs_size = outputs.iter().map(Encode::encoded_len).sum();
    let request = Request {
        amount,
        outputs: outputs.len(),
        outputs_size,
        input_size,
        fee_rate: options.fee_rate,
        fixed_fee: options.fee,
        subtract_fee: false,
        no_change: false,
    };
    match settle(&request, value, coins.len()) {
        Some((fee, back, paid)) if back.is_some() || !outputs.is_empty() => {
            if coins.len() > crate::coins::INPUTS_MAX {
                return Err(BuildError::TooManyInputs);
            }
            let selection = Selection { coins: (0..coins.len()).collect(), fee, change: back, paid };
            Ok(finish(coins, selection, outputs, taker.clone(), options.lock_time))
        }
        _ => {
            let (count, size) = (outputs.len().max(1), outputs_size.max(OUTPUT_SIZE));
            let by_size = options.fee_rate.fee(transaction_size(coins.len(), coins.len() * input_size, count, size));
            let fee = options.fee.unwrap_or(by_size);
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
    change: Script,
    lock_time: u32,
) -> Draft {
    let inputs: Vec<WalletCoin> = selection.coins.iter().map(|&index| coins[index]).collect();
    if let Some(value) = selection.change {
        outputs.push(TxOut { value, script: change });
    }
    let unsigned = |coin: &WalletCoin| TxIn { outpoint: coin.outpoint, script: Script::default(), sequence: SEQUENCE };
    let transaction = Transaction { version: 2, inputs: inputs.iter().map(unsigned).collect(), outputs, lock_time };
    Draft { transaction, fee: selection.fee, change: selection.change, inputs }
}

/// Signs every input. The legacy digest blanks all input scripts, so the order of signing does not matter.
fn sign(transaction: &mut Transaction, coins: &[WalletCoin], key_of: &KeyOf) -> Result<(), KeyError> {
    let mut scripts = Vec::with_capacity(coins.len());
    for (index, coin) in coins.iter().enumerate() {
        let key = key_of(&coin.public_key_hash)?;
        scripts.push(unlock(transaction, index, &coin.public_key_hash, &key));
    }
    for (input, script) in transaction.inputs.iter_mut().zip(scripts) {
        input.script = script;
    }
    Ok(())
}

/// The input script that unlocks a coin of a key.
pub fn unlock(transaction: &Transaction, input: usize, public_key_hash: &[u8; 20], key: &PrivateKey) -> Script {
    let signature = signature_of(transaction, input, public_key_hash, key);
    Script::unlock_public_key_hash(&signature, key.public_key().as_bytes())
}

/// A signature with its type byte.
pub fn signature_of(transaction: &Transaction, input: usize, public_key_hash: &[u8; 20], key: &PrivateKey) -> Vec<u8> {
    let locked_by = Script::pay_to_public_key_hash(public_key_hash);
    let digest = signature_hash(transaction, input, &locked_by, SIGHASH_ALL);
    let mut signature = key.sign(&digest);
    signature.push(SIGHASH_ALL as u8);
    signature
}

#[cfg(test)]
mod tests;
