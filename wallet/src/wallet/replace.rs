//! Hurrying and taking back what is unconfirmed: replacing by fee (BIP125) and paying for a parent.
//!
//! A replacement spends the coins of the transaction it replaces, so that only one of the two can be mined. A payment *to*
//! us cannot be replaced by us; a child that spends it pays for both.

use std::sync::Arc;

use chain_spec::{Amount, Outpoint, Transaction, TxOut, Txid};
use serde_json::json;

use super::{Wallet, WalletError};
use crate::build::{self, BuildError, Draft, PaymentOptions};
use crate::client::Client;
use crate::fee::{DUST_LIMIT, FeeRate, INPUT_SIZE};
use crate::ledger::Entry;
use crate::view::{CoinState, State, View, WalletCoin};

/// From this sequence number on a transaction does not signal that it may be replaced (BIP125).
const SEQUENCE_FINAL_MIN: u32 = 0xFFFF_FFFE;
/// Bytes of the largest transaction with its unconfirmed ancestors that a node's word is taken for: what fits a block.
const PACKAGE_BYTES_MAX: usize = 1_000_000;
/// What a replacement pays for its own relay beyond what it replaces (BIP125 rule 4, Core: `-incrementalrelayfee`).
const INCREMENT: FeeRate = FeeRate::DEFAULT;

/// An unconfirmed payment of ours that can be replaced.
struct Replaceable {
    transaction: Arc<Transaction>,
    inputs: Vec<WalletCoin>,
    /// Its fee with those of its descendants, which are evicted with it (BIP125 rule 3).
    fees: Amount,
    /// Its own rate, units per 1,000 bytes.
    rate: FeeRate,
}

impl Wallet {
    /// What can be done about an unconfirmed transaction: replace it if all its inputs are ours, else spend what it pays us.
    pub fn draft_bump(
        &self,
        client: &Client,
        txid: &Txid,
        options: &PaymentOptions,
        fee_rate: Option<FeeRate>,
    ) -> Result<Draft, WalletError> {
        let view = self.view();
        let entry = self.unconfirmed(&view, txid)?;
        let all_ours = entry.transaction.inputs.iter().all(|input| self.ledger.own_output(&input.outpoint).is_some());
        if all_ours {
            return self.draft_replacement(txid, options, fee_rate);
        }
        self.draft_child(client, txid, fee_rate.unwrap_or(options.fee_rate))
    }

    /// The same payment with a higher fee: change becomes smaller, and if that does not suffice, confirmed coins join.
    /// Without a rate, a quarter more than before and what BIP125 asks for.
    pub fn draft_replacement(
        &self,
        txid: &Txid,
        options: &PaymentOptions,
        fee_rate: Option<FeeRate>,
    ) -> Result<Draft, WalletError> {
        let view = self.view();
        let old = self.replaceable(&view, txid)?;
        let is_change = |output: &TxOut| {
            let hash = output.script.public_key_hash();
            hash.is_some_and(|hash| self.keys.origin(&hash).is_some())
        };
        // Change is the last output of ours; a payment to oneself alone has nothing else.
        let change_at = old.transaction.outputs.iter().rposition(is_change);
        let mut outputs = old.transaction.outputs.clone();
        let script = match change_at {
            Some(index) => outputs.remove(index).script,
            None => chain_spec::Script::pay_to_public_key_hash(&self.change_hash(options.account.unwrap_or(0))?),
        };
        let more: Vec<WalletCoin> = view
            .coins()
            .into_iter()
            .filter(|coin| coin.state == CoinState::Confirmed && !self.labels.is_frozen(&coin.outpoint))
            .collect();
        let rate = fee_rate.unwrap_or_else(|| old.rate.raised_by_a_quarter());
        let mut inputs = old.inputs.clone();
        let mut joining = more.into_iter().filter(|coin| !old.inputs.iter().any(|own| own.outpoint == coin.outpoint));
        loop {
            let options = PaymentOptions { fee_rate: rate, lock_time: old.transaction.lock_time, ..options.clone() };
            let attempt = build::give_all(&inputs, outputs.clone(), &script, INPUT_SIZE, &options);
            // Without a rate the rules' minimum counts where it is more.
            let attempt = match attempt {
                Ok(draft) if fee_rate.is_none() && options.fee.is_none() => {
                    let fee = draft.fee.max(least_fee(&old, &draft)?);
                    let options = PaymentOptions { fee: Some(fee), ..options.clone() };
                    build::give_all(&inputs, outputs.clone(), &script, INPUT_SIZE, &options)
                }
                other => other,
            };
            match attempt {
                Ok(draft) => return self.checked(&old, draft, &options),
                Err(error @ BuildError::NotEnoughFunds { .. }) => inputs.push(joining.next().ok_or(error)?),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Takes a payment back: the same coins to a change address, for a fee that BIP125's rules accept.
    pub fn draft_cancel(&self, txid: &Txid, fee_rate: Option<FeeRate>) -> Result<Draft, WalletError> {
        let view = self.view();
        let old = self.replaceable(&view, txid)?;
        let script = chain_spec::Script::pay_to_public_key_hash(&self.change_hash(0)?);
        let options = PaymentOptions { fee_rate: fee_rate.unwrap_or(old.rate), ..PaymentOptions::default() };
        let first = build::give_all(&old.inputs, Vec::new(), &script, INPUT_SIZE, &options)?;
        let fee = first.fee.max(least_fee(&old, &first)?);
        let options = PaymentOptions { fee: Some(fee), allow_high_fee: true, ..options };
        let draft = build::give_all(&old.inputs, Vec::new(), &script, INPUT_SIZE, &options)?;
        self.checked(&old, draft, &options)
    }

    /// A child that spends what an unconfirmed transaction pays us, with a fee that lifts both to `fee_rate`.
    fn draft_child(&self, client: &Client, txid: &Txid, fee_rate: FeeRate) -> Result<Draft, WalletError> {
        let view = self.view();
        let entry = self.unconfirmed(&view, txid)?;
        let outpoints = (0..entry.transaction.outputs.len() as u32).map(|index| Outpoint { txid: *txid, index });
        let coins: Vec<WalletCoin> = outpoints.filter_map(|outpoint| view.coin(&outpoint)).collect();
        if coins.is_empty() {
            return Err(BuildError::NotReplaceable(*txid, "it is not ours, and nothing of it is ours to spend").into());
        }
        let package = client.call("getmempoolentry", json!([txid.to_string()]))?;
        let (size, fees) = (package["ancestorsize"].as_u64(), Client::coins(&package["fees"]["ancestor"]));
        let size = size.and_then(|size| usize::try_from(size).ok()).filter(|size| *size <= PACKAGE_BYTES_MAX);
        let (Some(size), Some(fees)) = (size, fees) else {
            return Err(client.bad_answer("getmempoolentry", "no bearable ancestor size and fees").into());
        };
        let script = chain_spec::Script::pay_to_public_key_hash(&self.change_hash(0)?);
        let alone = PaymentOptions { fee_rate: INCREMENT, ..PaymentOptions::default() };
        let first = build::give_all(&coins, Vec::new(), &script, INPUT_SIZE, &alone)?;
        let wanted = fee_rate.fee(size + first.signed_size()).checked_sub(fees).unwrap_or_default().max(first.fee);
        let options = PaymentOptions { fee: Some(wanted), ..PaymentOptions::default() };
        let draft = build::give_all(&coins, Vec::new(), &script, INPUT_SIZE, &options)?;
        build::check_fee(draft.fee, draft.change.unwrap_or_default(), false)?;
        Ok(draft)
    }

    fn unconfirmed<'a>(&'a self, view: &View<'_>, txid: &Txid) -> Result<&'a Entry, WalletError> {
        match view.state(txid) {
            Some(State::Unconfirmed { .. }) => Ok(self.ledger.entry(txid).ok_or(WalletError::NotUnconfirmed(*txid))?),
            _ => Err(WalletError::NotUnconfirmed(*txid)),
        }
    }

    fn replaceable(&self, view: &View<'_>, txid: &Txid) -> Result<Replaceable, WalletError> {
        let entry = self.unconfirmed(view, txid)?;
        let transaction = entry.transaction.clone();
        if transaction.inputs.iter().all(|input| input.sequence >= SEQUENCE_FINAL_MIN) {
            return Err(BuildError::NotReplaceable(*txid, "it does not signal that it may be (BIP125)").into());
        }
        let coin = |outpoint| view.coin_even_if_spent(outpoint);
        let inputs: Option<Vec<WalletCoin>> = transaction.inputs.iter().map(|input| coin(&input.outpoint)).collect();
        let inputs = inputs.ok_or(BuildError::NotReplaceable(*txid, "it spends coins of others"))?;
        let fee = self.fee_of(&transaction).ok_or(BuildError::AmountOverflow)?;
        let evicted = view.descendants(txid);
        let others = evicted.iter().filter_map(|child| self.fee_of(&self.ledger.entry(child)?.transaction));
        let fees = Amount::checked_sum(others.chain([fee])).ok_or(BuildError::AmountOverflow)?;
        let rate = FeeRate::of(fee, chain_spec::Encode::encoded_len(&*transaction));
        Ok(Replaceable { transaction, inputs, fees, rate })
    }

    /// The fee of a transaction all of whose inputs are ours.
    fn fee_of(&self, transaction: &Transaction) -> Option<Amount> {
        let own = |outpoint: &Outpoint| self.ledger.own_output(outpoint).map(|output| output.value);
        let spent: Option<Vec<Amount>> = transaction.inputs.iter().map(|input| own(&input.outpoint)).collect();
        let paid = Amount::checked_sum(transaction.outputs.iter().map(|output| output.value))?;
        Amount::checked_sum(spent?)?.checked_sub(paid)
    }

    /// BIP125's rules 3 and 4, and the guard against absurd fees.
    fn checked(&self, old: &Replaceable, draft: Draft, options: &PaymentOptions) -> Result<Draft, WalletError> {
        let least = least_fee(old, &draft)?;
        if draft.fee < least {
            return Err(BuildError::ReplacementTooCheap { fee: draft.fee, least }.into());
        }
        let paid = Amount::checked_sum(draft.transaction.outputs.iter().map(|output| output.value));
        build::check_fee(draft.fee, paid.unwrap_or(DUST_LIMIT), options.allow_high_fee)?;
        Ok(draft)
    }
}

/// What a replacement must pay at least.
fn least_fee(old: &Replaceable, draft: &Draft) -> Result<Amount, BuildError> {
    old.fees.checked_add(INCREMENT.fee(draft.signed_size())).ok_or(BuildError::AmountOverflow)
}
