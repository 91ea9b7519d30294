//! Building, recording and sending payments.

use chain_spec::{Address, Amount, Outpoint, PrivateKey, TxOut, Txid};

use super::{Wallet, WalletError};
use crate::build::{self, BuildError, Draft, PaymentOptions, Recipient, SignedPayment};
use crate::client::{Client, ClientError};
use crate::clock;
use crate::fee::{FeeRate, INPUT_SIZE};
use crate::keystore::KeyError;
use crate::view::{Balance, State, View, WalletCoin};

/// Unconfirmed transactions in a row that nodes accept, the new one included (Core: `-limitancestorcount`).
const CHAIN_MAX: u32 = 25;
/// How long a chain of unconfirmed transactions may become: the shortest that suffices is taken (as Core's wallet does).
const CHAIN_TIERS: [u32; 5] = [0, 2, 6, 12, CHAIN_MAX - 1];

impl Wallet {
    /// Builds and signs a payment from spendable coins, with change to a fresh own address. Sends nothing.
    pub fn build_payment(
        &self,
        to: &Address,
        amount: Amount,
        options: &PaymentOptions,
    ) -> Result<SignedPayment, WalletError> {
        let recipient = Recipient { script: to.script(), amount: Some(amount) };
        self.sign(self.draft_payment(&[recipient], &[], options)?)
    }

    /// Chooses coins to pay every receiver and to carry `data` outputs. Signs and sends nothing.
    ///
    /// Confirmed coins are preferred; unconfirmed change is taken only if they do not suffice, and then from short chains
    /// first, since nodes take no more than 25 unconfirmed transactions in a row.
    pub fn draft_payment(
        &self,
        recipients: &[Recipient],
        data: &[TxOut],
        options: &PaymentOptions,
    ) -> Result<Draft, WalletError> {
        let view = self.view();
        let coins = self.usable_coins(&view, options)?;
        let balance = if options.coins.is_empty() {
            Balance::of_coins(&self.coins_of(options.account))
        } else {
            Balance::of_coins(&coins)
        };
        let change = self.change_hash(options.account.unwrap_or(0))?;
        let takes_all = recipients.iter().any(|recipient| recipient.amount.is_none());
        let mut failure = None;
        for chain_max in CHAIN_TIERS {
            if takes_all && chain_max + 1 < CHAIN_MAX {
                continue;
            }
            let usable: Vec<WalletCoin> = coins.iter().filter(|coin| coin.chain <= chain_max).copied().collect();
            match build::draft(&usable, &balance, recipients, data, change, options) {
                Ok(draft) if view.chain_of(&draft.outpoints()) < CHAIN_MAX => return Ok(draft),
                Ok(_) => failure = Some(BuildError::ChainTooLong),
                // With longer chains there may be enough; if some are too long for any node, that is the reason.
                Err(
                    error @ (BuildError::NotEnoughFunds { .. } | BuildError::TooManyInputs | BuildError::NoExactMatch),
                ) => {
                    let are_all = usable.len() == coins.len();
                    failure = Some(if are_all || chain_max + 1 < CHAIN_MAX { error } else { BuildError::ChainTooLong });
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(failure.unwrap_or(BuildError::TooManyInputs).into())
    }

    /// The coins a payment may choose from: those named, or all spendable ones of the account that are not frozen.
    fn usable_coins(&self, view: &View<'_>, options: &PaymentOptions) -> Result<Vec<WalletCoin>, BuildError> {
        if options.coins.is_empty() {
            let mut coins = self.coins_of(options.account);
            coins.retain(|coin| coin.is_spendable() && !self.labels.is_frozen(&coin.outpoint));
            coins.sort_by_key(|coin| coin.outpoint);
            return Ok(coins);
        }
        let mut coins = Vec::new();
        for outpoint in &options.coins {
            let coin = view.coin(outpoint).ok_or(BuildError::UnknownCoin(*outpoint))?;
            if !coin.is_spendable() {
                return Err(BuildError::UnspendableCoin(*outpoint));
            }
            if self.labels.is_frozen(outpoint) {
                return Err(BuildError::FrozenCoin(*outpoint));
            }
            coins.push(coin);
        }
        coins.sort_by_key(|coin| coin.outpoint);
        coins.dedup_by_key(|coin| coin.outpoint);
        Ok(coins)
    }

    /// Signs a draft with this wallet's keys.
    pub fn sign(&self, draft: Draft) -> Result<SignedPayment, WalletError> {
        Ok(draft.sign(&|hash| self.key_of(hash))?)
    }

    /// Spends exactly these coins, even if they are spent already, on `outputs`; the rest comes back to a change address.
    /// With no outputs all of it does: a double spend to oneself. For studies of such; see also [`Wallet::broadcast`].
    pub fn build_from_coins(
        &self,
        coins: &[Outpoint],
        outputs: Vec<TxOut>,
        fee_rate: FeeRate,
    ) -> Result<SignedPayment, WalletError> {
        let view = self.view();
        let find = |outpoint: &Outpoint| view.coin_even_if_spent(outpoint).ok_or(BuildError::UnknownCoin(*outpoint));
        let coins = coins.iter().map(find).collect::<Result<Vec<_>, _>>()?;
        let change = self.change_hash(0)?;
        Ok(build::spend(&coins, outputs, change, fee_rate, INPUT_SIZE, &|hash| self.key_of(hash))?)
    }

    /// A transaction that conflicts with `payment`: spends the same coins to this wallet instead.
    pub fn build_conflict(&self, payment: &SignedPayment, fee_rate: FeeRate) -> Result<SignedPayment, WalletError> {
        self.build_from_coins(&payment.outpoints(), Vec::new(), fee_rate)
    }

    /// Records a payment, saves, and gives it to the node. If the node refuses it, the wallet forgets it again; if the
    /// node gives no answer, or an error that is no refusal, the payment is kept and sent again by the next sync.
    pub fn send(&mut self, client: &Client, payment: &SignedPayment) -> Result<Txid, WalletError> {
        let txid = payment.txid();
        self.record(payment)?;
        match client.send_transaction(&payment.transaction) {
            Ok(()) => {
                self.ledger.set_in_mempool(&txid);
                self.save()?;
                Ok(txid)
            }
            Err(ClientError::Rpc { error, .. }) if error.is_refusal() => {
                self.ledger.forget(&txid);
                self.save()?;
                Err(WalletError::Refused(error.message))
            }
            Err(error) => Err(WalletError::Unsent { txid, error }),
        }
    }

    /// Makes a payment known to the wallet, as [`Wallet::send`] does, without giving it to a node.
    pub fn record(&mut self, payment: &SignedPayment) -> Result<(), WalletError> {
        let now_s = clock::now_s();
        self.ledger.record_sent(&payment.transaction, now_s, &mut |hash| self.keys.observe(hash))?;
        self.save()
    }

    /// Gives a transaction to a node without recording it: the node decides which of two conflicting ones wins.
    pub fn broadcast(client: &Client, payment: &SignedPayment) -> Result<Txid, WalletError> {
        client.send_transaction(&payment.transaction)?;
        Ok(payment.txid())
    }

    /// Gives up an unconfirmed transaction that no mempool holds: it is not sent again, and its coins may be spent. If it
    /// is mined after all, the wallet counts it. Ask the node first, with [`Wallet::look`].
    pub fn abandon(&mut self, txid: &Txid) -> Result<(), WalletError> {
        if self.ledger.entry(txid).is_some_and(|entry| entry.in_mempool) {
            return Err(WalletError::InMempool(*txid));
        }
        if let Some(State::Conflicted { by }) = self.state(txid) {
            return Err(WalletError::Conflicted { txid: *txid, by });
        }
        if !self.ledger.abandon(txid) {
            return Err(WalletError::NotUnconfirmed(*txid));
        }
        self.save()
    }

    /// The public key hash the next change of an account goes to.
    pub(super) fn change_hash(&self, account: u32) -> Result<[u8; 20], WalletError> {
        let path = self.keys.change_path(account)?;
        Ok(self.keys.hash(path).ok_or_else(|| KeyError::Derivation(self.keys.path_text(path)))?)
    }

    pub(super) fn key_of(&self, hash: &[u8; 20]) -> Result<PrivateKey, KeyError> {
        self.keys.private_key(hash)
    }
}
