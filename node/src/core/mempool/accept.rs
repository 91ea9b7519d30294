//! Whether a transaction may enter the mempool: the rules, then policy, cheapest first, signatures last.
//!
//! Judging changes nothing, so that `testmempoolaccept` and `sendrawtransaction` run the same code.

use super::fee_rate::fee_for;
use super::policy::{check_standard, check_standard_unlock};
use super::replace::Replacement;
use super::{Entry, Mempool};
use crate::core::Core;
use crate::core::event::{Rejection, Time};
use crate::core::signatures;
use crate::core::store::StoreError;
use chain_spec::rules::RuleError;
use chain_spec::rules::spend::{
    BlockContext, Coins, InputCheck, ScriptError, SignatureEncoding, SpendError, check_spends,
};
use chain_spec::rules::transaction::check_transaction;
use chain_spec::{CheckedTransaction, Coin, Outpoint, Transaction, Txid};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A transaction and all it needs, transactions (Core's classic `DEFAULT_ANCESTOR_LIMIT`).
pub const ANCESTORS_MAX: u32 = 25;
/// The same, bytes (Core's classic `DEFAULT_ANCESTOR_SIZE_LIMIT_KVB`).
pub const ANCESTORS_BYTES_MAX: usize = 101_000;
/// A transaction and all that need it, transactions (Core's classic `DEFAULT_DESCENDANT_LIMIT`).
pub const DESCENDANTS_MAX: u32 = 25;
/// The same, bytes (Core's classic `DEFAULT_DESCENDANT_SIZE_LIMIT_KVB`).
pub const DESCENDANTS_BYTES_MAX: usize = 101_000;
/// Time a transaction may wait in the pool, milliseconds (Core: `DEFAULT_MEMPOOL_EXPIRY_HOURS`, two weeks).
pub const POOLED_TIME_MS_MAX: u64 = 14 * 24 * 60 * 60 * 1_000;

/// Core's word for a script that fails by rule or by policy.
const SCRIPT_REASON: &str = "mempool-script-verify-flag-failed";

/// What a refusal says about whoever sent the transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// It breaks a rule that holds on every branch and at any time.
    Rule,
    /// It does not fit here and now.
    Policy,
    /// It is pooled, mined or waiting already.
    Known,
    /// These transactions are not known, so neither are the coins it spends.
    ParentsMissing(Vec<Txid>, Arc<CheckedTransaction>),
}

/// Why a transaction is not let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// Whose fault it is.
    pub class: Class,
    /// Core's reject string.
    pub reason: &'static str,
    /// The whole sentence.
    pub detail: String,
}

impl Refusal {
    pub(super) fn policy(reason: &'static str, detail: String) -> Refusal {
        Refusal { class: Class::Policy, reason, detail }
    }
    /// For somebody local.
    pub(crate) fn rejected(self, txid: &Txid) -> Rejection {
        Rejection { reason: self.reason.into(), detail: format!("transaction {txid}: {}", self.detail) }
    }
}

/// A transaction that may enter, and what must leave for it.
#[derive(Debug)]
pub(crate) struct Judged {
    /// The entry to insert.
    pub entry: Entry,
    /// Pooled transactions it replaces, children before parents; empty when it replaces none.
    pub evicted: Vec<Txid>,
}

/// How strictly to judge.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entrance {
    /// From outside: rules and policy.
    New,
    /// It was pooled or mined before a reorganisation: rules, and limits on chains, but no fees or forms.
    Returning,
}

/// The coins a transaction spends, fetched.
struct Fetched<'a> {
    coins: BTreeMap<Outpoint, Coin>,
    core: &'a Core,
}

impl Coins for Fetched<'_> {
    fn coin(&self, outpoint: &Outpoint) -> Option<&Coin> {
        self.coins.get(outpoint)
    }
    fn median_time_past_before(&self, height: u32) -> u32 {
        self.core.median_time_past_at(height.saturating_sub(1))
    }
}

impl Core {
    /// Judges a transaction against the active tip and the pool.
    pub(crate) fn judge_transaction(
        &self,
        transaction: &Arc<Transaction>,
        entrance: Entrance,
        now: Time,
    ) -> Result<Result<Judged, Refusal>, StoreError> {
        self.judge_in_package(transaction, entrance, now, &BTreeMap::new())
    }

    /// Judges a transaction as if the coins of `package` were pooled as well.
    pub(crate) fn judge_in_package(
        &self,
        transaction: &Arc<Transaction>,
        entrance: Entrance,
        now: Time,
        package: &BTreeMap<Outpoint, Coin>,
    ) -> Result<Result<Judged, Refusal>, StoreError> {
        let judged = self.judge_unsigned(transaction, entrance, now, package)?;
        Ok(judged.and_then(|(judged, spent)| {
            if !self.mempool.has_verified(&judged.entry.transaction.txid()) {
                let encoding = self.spec.signature_encoding(self.chain.height() + 1);
                check_signatures(transaction, &spent).map_err(|error| refuse_unlock(&error, encoding))?;
            }
            if entrance == Entrance::New {
                for (input, unlock) in transaction.inputs.iter().map(|input| &input.script).enumerate() {
                    check_standard_unlock(unlock)
                        .map_err(|what| Refusal::policy(SCRIPT_REASON, format!("input {input}: {what}")))?;
                }
            }
            Ok(judged)
        }))
    }

    /// Checks the signatures of transactions that are about to be judged one after another, on all cores, and remembers which
    /// are good. The others, and those that spend from one another, are left to be judged as usual; nothing is checked here
    /// that cheaper rules or policy refuse.
    pub(crate) fn verify_ahead<'a>(
        &mut self,
        transactions: impl Iterator<Item = &'a Arc<Transaction>>,
        now: Time,
    ) -> Result<(), StoreError> {
        let mut unsigned = Vec::new();
        for transaction in transactions {
            if let Ok(judged) = self.judge_unsigned(transaction, Entrance::New, now, &BTreeMap::new())?
                && !self.mempool.has_verified(&judged.0.entry.transaction.txid())
            {
                unsigned.push(judged);
            }
        }
        let all = unsigned.iter().flat_map(|(judged, spent)| unlocks(judged.entry.transaction.transaction(), spent));
        let all_good = signatures::first_bad(&all.collect::<Vec<_>>()).is_none();
        for (judged, spent) in &unsigned {
            let checked = &judged.entry.transaction;
            if all_good || check_signatures(checked.transaction(), spent).is_ok() {
                self.mempool.set_verified(checked.txid());
            }
        }
        Ok(())
    }

    /// Everything but signatures: what would enter, and the coins it spends.
    fn judge_unsigned(
        &self,
        transaction: &Arc<Transaction>,
        entrance: Entrance,
        now: Time,
        package: &BTreeMap<Outpoint, Coin>,
    ) -> Result<Result<(Judged, Vec<Coin>), Refusal>, StoreError> {
        let checked = match check_transaction(transaction.clone()) {
            Ok(checked) => Arc::new(checked),
            Err(error) => {
                let refusal = Refusal { class: Class::Rule, reason: error.reason(), detail: error.to_string() };
                return Ok(Err(refusal));
            }
        };
        if let Err(refusal) = self.fits_the_pool(&checked, entrance) {
            return Ok(Err(refusal));
        }
        let fetched = match self.fetch_spent(&checked, package)? {
            Ok(coins) => Fetched { coins, core: self },
            Err(refusal) => return Ok(Err(refusal)),
        };
        let (spent, fee) = match check_spends(transaction, checked.txid(), &self.spec, self.next_place(now), &fetched) {
            Ok(spends) => spends,
            Err(error) => return Ok(Err(refuse_spend(&error))),
        };
        let entry = Entry::new(checked, fee, now, self.chain.height());
        Ok(self.judge_entry(entry, entrance).map(|judged| (judged, spent)))
    }

    /// Forms and duplicates: what needs no coins.
    fn fits_the_pool(&self, checked: &CheckedTransaction, entrance: Entrance) -> Result<(), Refusal> {
        let (transaction, txid) = (checked.transaction(), checked.txid());
        if transaction.is_coinbase() {
            let detail = "a coinbase can only come in a block".to_owned();
            return Err(Refusal { class: Class::Rule, reason: "coinbase", detail });
        }
        if self.mempool.get(&txid).is_some() {
            let detail = "it is in the mempool already".to_owned();
            return Err(Refusal { class: Class::Known, reason: "txn-already-in-mempool", detail });
        }
        if entrance == Entrance::New {
            check_standard(transaction, checked.size()).map_err(|(reason, detail)| Refusal::policy(reason, detail))?;
        }
        Ok(())
    }

    /// The coins a transaction spends, from the pool, the package and the chain.
    fn fetch_spent(
        &self,
        checked: &Arc<CheckedTransaction>,
        package: &BTreeMap<Outpoint, Coin>,
    ) -> Result<Result<BTreeMap<Outpoint, Coin>, Refusal>, StoreError> {
        let mut coins = BTreeMap::new();
        let mut missing = Vec::new();
        for input in &checked.transaction().inputs {
            let outpoint = input.outpoint;
            let pooled = self.mempool.coin(&outpoint, self.chain.height() + 1);
            let coin = match pooled.or_else(|| package.get(&outpoint).cloned()) {
                Some(coin) => Some(coin),
                None => self.coins.read(&outpoint, self.store.as_ref())?,
            };
            match coin {
                Some(coin) => drop(coins.insert(outpoint, coin)),
                None => missing.push(outpoint),
            }
        }
        if missing.is_empty() {
            return Ok(Ok(coins));
        }
        for index in 0..checked.transaction().outputs.len() as u32 {
            let own = Outpoint { txid: checked.txid(), index };
            if self.coins.read(&own, self.store.as_ref())?.is_some() {
                let detail = "it is in the chain already".to_owned();
                return Ok(Err(Refusal { class: Class::Known, reason: "txn-already-known", detail }));
            }
        }
        let detail = format!("it spends {}, which is missing or spent", missing[0]);
        let mut parents: Vec<Txid> = missing.iter().map(|outpoint| outpoint.txid).collect();
        parents.sort_unstable();
        parents.dedup();
        // A parent that is pooled but lacks the output will not grow it.
        let class = if parents.iter().any(|parent| self.mempool.get(parent).is_some()) {
            Class::Policy
        } else {
            Class::ParentsMissing(parents, checked.clone())
        };
        Ok(Err(Refusal { class, reason: "bad-txns-inputs-missingorspent", detail }))
    }

    /// Where a transaction would stand: in the next block.
    fn next_place(&self, now: Time) -> BlockContext {
        let median_time_past_s = self.chain.tree.node(self.chain.tip()).median_time_past_s;
        let now_s = u32::try_from(now.0 / 1_000).unwrap_or(u32::MAX);
        let block_time_s = now_s.max(median_time_past_s.saturating_add(1));
        BlockContext { height: self.chain.height() + 1, median_time_past_s, block_time_s }
    }

    /// Fees, replacement, chains of unconfirmed transactions.
    fn judge_entry(&self, entry: Entry, entrance: Entrance) -> Result<Judged, Refusal> {
        let replacement = match entrance {
            Entrance::New => {
                self.mempool.check_fee(&entry)?;
                self.mempool.check_replacement(&entry)?
            }
            Entrance::Returning => {
                if entry
                    .transaction
                    .transaction()
                    .inputs
                    .iter()
                    .any(|input| self.mempool.spender(&input.outpoint).is_some())
                {
                    let detail = "it spends a coin that a pooled transaction spends".to_owned();
                    return Err(Refusal::policy("txn-mempool-conflict", detail));
                }
                Replacement::default()
            }
        };
        self.mempool.check_chain_limits(&entry, &replacement)?;
        Ok(Judged { entry, evicted: replacement.evicted })
    }

    /// Takes a judged transaction into the pool. It may be evicted at once if the pool is full.
    pub(crate) fn admit(&mut self, judged: Judged, now: Time) -> Result<Txid, Refusal> {
        let txid = judged.entry.transaction.txid();
        for evicted in &judged.evicted {
            self.mempool.remove_with_descendants(evicted);
        }
        self.mempool.insert(judged.entry);
        self.mempool.trim(now);
        if self.mempool.get(&txid).is_none() {
            let detail = "the mempool is full of transactions that pay more".to_owned();
            return Err(Refusal::policy("mempool full", detail));
        }
        Ok(txid)
    }
}

impl Mempool {
    /// The fee is at least what this node, and a full pool, demands.
    fn check_fee(&self, entry: &Entry) -> Result<(), Refusal> {
        let size = entry.transaction.size();
        let owes = |rate: u64, reason: &'static str| -> Result<(), Refusal> {
            let least = fee_for(size, rate);
            if entry.fee >= least {
                return Ok(());
            }
            let detail = format!("fee {} is below {least}: {size} bytes at {rate} units per 1,000", entry.fee);
            Err(Refusal::policy(reason, detail))
        };
        owes(self.fee_rate_configured(), "min relay fee not met")?;
        owes(self.fee_rate_min(), "mempool min fee not met")
    }

    /// Neither the transaction's ancestors nor theirs' descendants grow too many or too large.
    fn check_chain_limits(&self, entry: &Entry, replacement: &Replacement) -> Result<(), Refusal> {
        let too_long = |detail: String| Err(Refusal::policy("too-long-mempool-chain", detail));
        let size = entry.transaction.size();
        let ancestors = self.ancestors_of_inputs(entry.transaction.transaction());
        let count = ancestors.len() + 1;
        if count > ANCESTORS_MAX as usize {
            return too_long(format!("too many unconfirmed ancestors: {count} of at most {ANCESTORS_MAX}"));
        }
        let entries = || ancestors.iter().filter_map(|txid| self.get(txid));
        let bytes = size + entries().map(|ancestor| ancestor.transaction.size()).sum::<usize>();
        if bytes > ANCESTORS_BYTES_MAX {
            return too_long(format!("unconfirmed ancestors of {bytes} bytes of at most {ANCESTORS_BYTES_MAX}"));
        }
        for ancestor in entries() {
            let txid = ancestor.transaction.txid();
            let leaving: Vec<&Entry> = replacement
                .evicted
                .iter()
                .filter(|gone| self.ancestors(gone).contains(&txid))
                .filter_map(|gone| self.get(gone))
                .collect();
            let count = ancestor.descendant_count + 1 - leaving.len() as u32;
            let leaving_bytes: usize = leaving.iter().map(|gone| gone.transaction.size()).sum();
            let bytes = ancestor.descendant_size + size - leaving_bytes;
            if count > DESCENDANTS_MAX || bytes > DESCENDANTS_BYTES_MAX {
                return too_long(format!("too many descendants for transaction {txid}: {count}, {bytes} bytes"));
            }
        }
        Ok(())
    }
}

/// Signatures must be strict DER even where a block's need not be: what is verified here is not verified again in a block,
/// which may stand above BIP66's height.
fn check_signatures(transaction: &Transaction, spent: &[Coin]) -> Result<(), SpendError> {
    let unlocks: Vec<InputCheck> = unlocks(transaction, spent).collect();
    signatures::first_bad(&unlocks).map_or(Ok(()), |(_, error)| Err(error))
}

fn unlocks<'a>(transaction: &'a Transaction, spent: &'a [Coin]) -> impl Iterator<Item = InputCheck<'a>> {
    let encoding = SignatureEncoding::Strict;
    spent.iter().enumerate().map(move |(input, coin)| InputCheck { transaction, input, coin, encoding })
}

/// Where blocks may hold lax DER, asking for strict DER is policy.
fn refuse_unlock(error: &SpendError, encoding: SignatureEncoding) -> Refusal {
    match error {
        SpendError::InputScript { error: ScriptError::NotStrictDer, .. } if encoding == SignatureEncoding::Lax => {
            Refusal::policy(SCRIPT_REASON, error.to_string())
        }
        _ => refuse_spend(error),
    }
}

/// Time, height and another branch may heal what is only out of place; the rest is wrong everywhere.
fn refuse_spend(error: &SpendError) -> Refusal {
    let (class, reason) = match error {
        SpendError::NonFinal { .. } => (Class::Policy, "non-final"),
        SpendError::RelativeLock { .. } => (Class::Policy, "non-BIP68-final"),
        SpendError::Immature { .. } | SpendError::MissingOrSpent { .. } => (Class::Policy, error.reason()),
        SpendError::InputScript { .. } => (Class::Rule, SCRIPT_REASON),
        _ => (Class::Rule, error.reason()),
    };
    Refusal { class, reason, detail: error.to_string() }
}
