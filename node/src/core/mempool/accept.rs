//! Whether a transaction may enter the mempool: the rules, then policy, cheapest first, signatures last.
//!
//! Judging changes nothing, so that `testmempoolaccept` and `sendrawtransaction` run the same code.

use super::Mempool;
use super::fee_rate::fee_for;
use super::policy::check_standard;
use super::pool::{Entry, Pool};
use super::replace::Replacement;
use super::script_reason::{check_standard_scripts, reject_script, reject_spend};
use crate::core::chain_view::{ChainView, made_coins};
use crate::core::event::{PeerKey, Submission, SubmissionLimits, Time};
use crate::core::rejection::{AcceptError, Answer, Rejection, RejectionKind, answer};
use crate::core::signatures::{self, CheckedSignatures};
use crate::core::store::StoreError;
use chain_spec::der::SignatureEncoding;
use chain_spec::rules::spend::{BlockContext, Coins, InputCheck, SpendError, check_spends};
use chain_spec::rules::transaction::check_transaction_within;
use chain_spec::{Amount, CheckedTransaction, Coin, Outpoint, Transaction, TxOut, Txid};
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

/// Core's word for a transaction that a full pool does not take at its fee rate.
pub(super) const FULL_REASON: &str = "mempool min fee not met";

/// A transaction that may enter, and what must leave for it.
#[derive(Debug)]
pub(super) struct Candidate {
    /// The entry to insert.
    pub entry: Entry,
    /// Pooled transactions it replaces, children before parents; empty when it replaces none.
    evicted: Vec<Txid>,
}

/// Where a transaction comes from, which says how strictly it is judged.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// From outside: rules and policy.
    New,
    /// From outside, with others that pay for it: rules and policy, but for what a full pool demands.
    Packaged,
    /// It was pooled or mined before a reorganisation: rules, and limits on chains, but no fees or forms.
    Returning,
}

/// What became of a transaction from a peer.
#[derive(Clone, Debug)]
pub(crate) struct JudgedTransaction {
    /// The transaction that was judged.
    pub txid: Txid,
    /// Whether it is in the pool now.
    pub answer: Answer<()>,
    /// It is an orphan now and was not before: the transactions to ask its sender for.
    pub parents_missing: Vec<Txid>,
}

/// What the dry run of a transaction found: it would be accepted (Core: `testmempoolaccept`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tested {
    /// The transaction that was tried.
    pub txid: Txid,
    /// What it leaves to the miner.
    pub fee: Amount,
    /// Length of its encoding, bytes.
    pub size: usize,
}

/// The coins a transaction spends, fetched.
struct SpentCoins<'a> {
    coins: BTreeMap<Outpoint, Coin>,
    chain: &'a dyn ChainView,
}

impl Coins for SpentCoins<'_> {
    fn coin(&self, outpoint: &Outpoint) -> Option<&Coin> {
        self.coins.get(outpoint)
    }
    fn median_time_past_before(&self, height: u32) -> u32 {
        self.chain.median_time_past_at(height.saturating_sub(1))
    }
}

/// What a transaction is judged in: the chain, a moment, and coins that other transactions of its package would make.
struct Setting<'a> {
    chain: &'a dyn ChainView,
    now: Time,
    origin: Origin,
    package: &'a BTreeMap<Outpoint, Coin>,
}

impl Mempool {
    /// Judges a transaction from a peer and takes it in, or among the orphans.
    pub(crate) fn accept_from_peer(
        &mut self,
        transaction: &Arc<Transaction>,
        peer: PeerKey,
        chain: &dyn ChainView,
        now: Time,
    ) -> Result<JudgedTransaction, StoreError> {
        let judged = self.check(transaction, Origin::New, now, chain);
        let rejection = match answer(judged.and_then(|candidate| Ok(self.admit(candidate, now)?)))? {
            Ok(txid) => return Ok(JudgedTransaction { txid, answer: Ok(()), parents_missing: Vec::new() }),
            Err(rejection) => rejection,
        };
        let (txid, mut parents_missing) = (transaction.txid(), Vec::new());
        if let RejectionKind::MissingInputs { parents } = &rejection.kind
            && !parents.is_empty()
            && !self.orphans.contains(&txid)
            && let Ok(checked) = check_transaction_within(transaction.clone(), chain.spec().money_max)
        {
            parents_missing.clone_from(parents);
            self.orphans.insert(Arc::new(checked), peer, now);
        }
        Ok(JudgedTransaction { txid, answer: Err(rejection), parents_missing })
    }

    /// Whether transactions that may spend from one another would be accepted in this order, each within the limits; changes
    /// nothing. One answer for each. As in Core, one that is not acceptable leaves the others unjudged (`None`), and one that
    /// is beyond the limits those after it.
    pub(crate) fn dry_run(
        &self,
        transactions: &[Arc<Transaction>],
        limits: &SubmissionLimits,
        chain: &dyn ChainView,
        now: Time,
    ) -> Result<Vec<Option<Answer<Tested>>>, StoreError> {
        let (height, mut package) = (chain.height() + 1, BTreeMap::new());
        let mut candidates = Vec::with_capacity(transactions.len());
        let mut answers: Vec<Option<Answer<Tested>>> = vec![None; transactions.len()];
        for (place, transaction) in transactions.iter().enumerate() {
            let setting = Setting { chain, now, origin: Origin::New, package: &package };
            let candidate = match answer(self.check_in(transaction, &setting))? {
                Ok(candidate) => candidate,
                Err(rejection) => {
                    answers[place] = Some(Err(rejection));
                    return Ok(answers);
                }
            };
            for (outpoint, output) in made_coins(transaction, candidate.entry.transaction.txid()) {
                package.insert(outpoint, Coin { output: output.clone(), height, is_coinbase: false });
            }
            candidates.push(candidate);
        }
        for (answer, candidate) in answers.iter_mut().zip(&candidates) {
            let checked = &candidate.entry.transaction;
            let tested = Tested { txid: checked.txid(), fee: candidate.entry.fee, size: checked.size() };
            *answer = Some(check_fee_limit(candidate, limits).map(|()| tested));
            if matches!(answer, Some(Err(_))) {
                break;
            }
        }
        Ok(answers)
    }

    /// Judges a transaction against the active tip and the pool.
    pub(super) fn check(
        &self,
        transaction: &Arc<Transaction>,
        origin: Origin,
        now: Time,
        chain: &dyn ChainView,
    ) -> Result<Candidate, AcceptError> {
        self.check_in(transaction, &Setting { chain, now, origin, package: &BTreeMap::new() })
    }

    fn check_in(&self, transaction: &Arc<Transaction>, setting: &Setting<'_>) -> Result<Candidate, AcceptError> {
        self.check_all(transaction, setting)
            .map_err(|error| error.about(format_args!("transaction {}", transaction.txid())))
    }

    fn check_all(&self, transaction: &Arc<Transaction>, setting: &Setting<'_>) -> Result<Candidate, AcceptError> {
        let (candidate, spent) = self.check_unsigned(transaction, setting)?;
        let encoding = setting.chain.spec().signature_encoding(setting.chain.height() + 1);
        // Forms come before signatures: they cost nothing, and a signature of a needless form costs as much as a good one.
        if setting.origin != Origin::Returning {
            check_standard_scripts(transaction, encoding)?;
        }
        if !self.pool.are_checked(&candidate.entry.transaction.txid()) {
            self.check_signatures(transaction, &spent).map_err(|error| reject_script(&error, transaction, encoding))?;
        }
        Ok(candidate)
    }

    /// Signatures must be strict DER even where a block's need not be: what is checked here is not checked again in a block,
    /// which may stand above BIP66's height. Of a transaction with a bad one, the good ones are remembered.
    fn check_signatures(&self, transaction: &Transaction, spent: &[Coin]) -> Result<(), SpendError> {
        let cache = self.pool.signature_cache();
        let unchecked = cache.unchecked(transaction, spent);
        let checks: Vec<InputCheck> = unchecked.iter().map(|input| input_check(transaction, *input, spent)).collect();
        let Some((_, error)) = signatures::first_bad(&checks) else { return Ok(()) };
        let good: Vec<usize> = signatures::all_good(&checks).into_iter().map(|index| unchecked[index]).collect();
        cache.insert_inputs(transaction, spent, &good);
        Err(error)
    }

    /// Checks the signatures of transactions that are about to be judged one after another, on all cores, and remembers which
    /// are good. The others, and those that spend from one another, are left to be judged as usual; nothing is checked here
    /// that cheaper rules or policy refuse.
    pub(crate) fn check_signatures_ahead(
        &mut self,
        submissions: &[Submission],
        chain: &dyn ChainView,
        now: Time,
    ) -> Result<(), StoreError> {
        let mut unsigned = Vec::new();
        let setting = Setting { chain, now, origin: Origin::New, package: &BTreeMap::new() };
        for Submission { transaction, .. } in submissions {
            let encoding = chain.spec().signature_encoding(chain.height() + 1);
            if let Ok((candidate, spent)) = answer(self.check_unsigned(transaction, &setting))?
                && check_standard_scripts(transaction, encoding).is_ok()
                && !self.pool.are_checked(&candidate.entry.transaction.txid())
            {
                unsigned.push((candidate.entry.transaction, spent));
            }
        }
        let all = unsigned.iter().flat_map(|(checked, spent)| {
            (0..spent.len()).map(|input| input_check(checked.transaction(), input, spent))
        });
        let are_all_good = signatures::first_bad(&all.collect::<Vec<_>>()).is_none();
        for (checked, spent) in &unsigned {
            if are_all_good || self.check_signatures(checked.transaction(), spent).is_ok() {
                self.pool.set_checked(checked.txid());
            }
        }
        Ok(())
    }

    /// Everything but signatures: what would enter, and the coins it spends.
    fn check_unsigned(
        &self,
        transaction: &Arc<Transaction>,
        setting: &Setting<'_>,
    ) -> Result<(Candidate, Vec<Coin>), AcceptError> {
        let checked = match check_transaction_within(transaction.clone(), setting.chain.spec().money_max) {
            Ok(checked) => Arc::new(checked),
            Err(error) => return Err(Rejection::rule(&error).into()),
        };
        let txid = checked.txid();
        self.check_form(&checked, setting.origin)?;
        let spent = SpentCoins { coins: self.fetch_spent(&checked, setting)?, chain: setting.chain };
        let context = next_block(setting.chain, setting.now);
        let (spent, fee) = check_spends(transaction, txid, setting.chain.spec(), context, &spent)
            .map_err(|error| reject_spend(&error, transaction))?;
        let entry = Entry::new(checked, fee, setting.now, setting.chain.height())
            .with_fee_delta(self.pool.priorities.of(&txid));
        Ok((self.check_entry(entry, setting.origin)?, spent))
    }

    /// Forms and duplicates: what needs no coins.
    fn check_form(&self, checked: &CheckedTransaction, origin: Origin) -> Result<(), Rejection> {
        let (transaction, txid) = (checked.transaction(), checked.txid());
        if transaction.is_coinbase() {
            let detail = "a coinbase can only come in a block".to_owned();
            return Err(Rejection::new(RejectionKind::Rule("coinbase"), "coinbase", detail));
        }
        if self.pool.get(&txid).is_some() {
            let detail = "it is in the mempool already".to_owned();
            return Err(Rejection::new(RejectionKind::AlreadyInMempool, "txn-already-in-mempool", detail));
        }
        if origin != Origin::Returning {
            check_standard(transaction, checked.size())
                .map_err(|(reason, detail)| Rejection::policy(reason, detail))?;
        }
        Ok(())
    }

    /// The coins a transaction spends, from the pool, the package and the chain.
    fn fetch_spent(
        &self,
        checked: &Arc<CheckedTransaction>,
        setting: &Setting<'_>,
    ) -> Result<BTreeMap<Outpoint, Coin>, AcceptError> {
        let (txid, chain) = (checked.txid(), setting.chain);
        let mut coins = BTreeMap::new();
        let mut missing = Vec::new();
        for input in &checked.transaction().inputs {
            let outpoint = input.outpoint;
            let pooled = self.pool.coin(&outpoint, chain.height() + 1);
            let coin = match pooled.or_else(|| setting.package.get(&outpoint).cloned()) {
                Some(coin) => Some(coin),
                None => chain.coin(&outpoint)?,
            };
            match coin {
                Some(coin) => drop(coins.insert(outpoint, coin)),
                None => missing.push(outpoint),
            }
        }
        if missing.is_empty() {
            return Ok(coins);
        }
        for index in 0..checked.transaction().outputs.len() as u32 {
            if chain.coin(&Outpoint { txid, index })?.is_some() {
                let detail = "it is in the chain already".to_owned();
                return Err(Rejection::new(RejectionKind::AlreadyInChain, "txn-already-known", detail).into());
            }
        }
        let detail = format!("it spends {}, which is missing or spent", missing[0]);
        let mut parents: Vec<Txid> = missing.iter().map(|outpoint| outpoint.txid).collect();
        parents.sort_unstable();
        parents.dedup();
        // A parent that is pooled but lacks the output will not grow it.
        if parents.iter().any(|parent| self.pool.get(parent).is_some()) {
            parents.clear();
        }
        let kind = RejectionKind::MissingInputs { parents };
        Err(Rejection::new(kind, "bad-txns-inputs-missingorspent", detail).into())
    }

    /// Fees, replacement, chains of unconfirmed transactions.
    fn check_entry(&self, entry: Entry, origin: Origin) -> Result<Candidate, Rejection> {
        let inputs = &entry.transaction.transaction().inputs;
        let conflicts = || inputs.iter().any(|input| self.pool.spender(&input.outpoint).is_some());
        let replacement = match origin {
            Origin::New => {
                self.pool.check_relay_fee(&entry)?;
                self.pool.check_full_fee(entry.modified_fee(), entry.transaction.size())?;
                self.pool.check_replacement(&entry)?
            }
            Origin::Packaged if !conflicts() => {
                self.pool.check_relay_fee(&entry)?;
                Replacement::default()
            }
            Origin::Packaged | Origin::Returning if conflicts() => {
                let detail = "it spends a coin that a pooled transaction spends".to_owned();
                return Err(Rejection::policy("txn-mempool-conflict", detail));
            }
            Origin::Packaged | Origin::Returning => Replacement::default(),
        };
        self.pool.check_chain_limits(&entry, &replacement)?;
        Ok(Candidate { entry, evicted: replacement.evicted })
    }

    /// Takes a judged transaction into the pool. It may be evicted at once if the pool is full.
    pub(super) fn admit(&mut self, candidate: Candidate, now: Time) -> Result<Txid, Rejection> {
        let txid = candidate.entry.transaction.txid();
        for evicted in &candidate.evicted {
            self.pool.remove_with_descendants(evicted);
        }
        self.pool.insert(candidate.entry);
        self.pool.trim(now);
        if self.pool.get(&txid).is_none() {
            let detail = format!("transaction {txid}: the mempool is full of transactions that pay more");
            return Err(Rejection::policy("mempool full", detail));
        }
        Ok(txid)
    }
}

/// Where a transaction would stand: in the next block.
fn next_block(chain: &dyn ChainView, now: Time) -> BlockContext {
    let median_time_past_s = chain.median_time_past_at(chain.height());
    let now_s = u32::try_from(now.0 / 1_000).unwrap_or(u32::MAX);
    let block_time_s = now_s.max(median_time_past_s.saturating_add(1));
    BlockContext { height: chain.height() + 1, median_time_past_s, block_time_s }
}

/// A transaction burns no more in one output than its submitter allows.
pub(super) fn check_burn(transaction: &Transaction, limits: &SubmissionLimits) -> Result<(), Rejection> {
    let Some(burn_max) = limits.burn_max else { return Ok(()) };
    let is_burnt = |output: &TxOut| output.script.is_unspendable() && output.value > burn_max;
    if transaction.outputs.iter().any(is_burnt) {
        let detail = "Unspendable output exceeds maximum configured by user (maxburnamount)".to_owned();
        return Err(Rejection::new(RejectionKind::AboveLimit, "max-burn-exceeded", detail));
    }
    Ok(())
}

/// A transaction pays no higher rate than its submitter allows.
pub(super) fn check_fee_limit(candidate: &Candidate, limits: &SubmissionLimits) -> Result<(), Rejection> {
    let Some(rate_max) = limits.fee_rate_max else { return Ok(()) };
    let (fee, size) = (candidate.entry.fee.units(), candidate.entry.transaction.size());
    if u128::from(fee) * 1_000 > u128::from(rate_max.units()) * size as u128 {
        let detail = "Fee exceeds maximum configured by user (e.g. -maxtxfee, maxfeerate)".to_owned();
        return Err(Rejection::new(RejectionKind::AboveLimit, "max-fee-exceeded", detail));
    }
    Ok(())
}

impl Pool {
    /// The fee is at least what this node demands of every transaction.
    fn check_relay_fee(&self, entry: &Entry) -> Result<(), Rejection> {
        let (fee, size) = (entry.modified_fee(), entry.transaction.size());
        owes(fee, size, self.fee_rate_configured(), "min relay fee not met")
    }

    /// Fees of one transaction, or of a package, are at least what a full pool demands.
    pub(super) fn check_full_fee(&self, fee: Amount, size: usize) -> Result<(), Rejection> {
        owes(fee, size, self.fee_rate_min(), FULL_REASON)
    }

    /// Neither the transaction's ancestors nor theirs' descendants grow too many or too large.
    fn check_chain_limits(&self, entry: &Entry, replacement: &Replacement) -> Result<(), Rejection> {
        let too_long = |detail: String| Err(Rejection::policy("too-long-mempool-chain", detail));
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

fn owes(fee: Amount, size: usize, rate: u64, reason: &'static str) -> Result<(), Rejection> {
    let least = fee_for(size, rate);
    if fee >= least {
        return Ok(());
    }
    Err(Rejection::policy(reason, format!("fee {fee} is below {least}: {size} bytes at {rate} units per 1,000")))
}

fn input_check<'a>(transaction: &'a Transaction, input: usize, spent: &'a [Coin]) -> InputCheck<'a> {
    InputCheck { transaction, input, coin: &spent[input], encoding: SignatureEncoding::Strict }
}
