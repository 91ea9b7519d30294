//! The pool: transactions that wait to be mined, with what each hangs together with.
//!
//! The data structure alone: who spends what, ancestors and descendants, the orders for mining and eviction. Whether a
//! transaction may enter is decided in [`accept`](super::accept). [`priority`] is an operator's say in the orders.

mod priority;

use super::fee_rate::FeeRate;
use super::signature_cache::SignatureCache;
use crate::core::event::Time;
use crate::core::hash_map::{IdMap, IdState};
use crate::core::signatures::CheckedSignatures;
use chain_spec::{Amount, CheckedTransaction, Coin, Outpoint, Txid};
use priority::Priorities;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Memory of one entry beside twice its bytes, estimated: the entry, three maps and two orders.
const ENTRY_BYTES: usize = 900;
/// Time in which the fee rate demanded by a full pool halves, milliseconds (Core: `ROLLING_FEE_HALFLIFE`).
const FULL_FEE_HALF_LIFE_MS: u64 = 12 * 60 * 60 * 1_000;

/// One pooled transaction and what it hangs together with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The transaction, which passed every rule and policy.
    pub transaction: Arc<CheckedTransaction>,
    /// What it leaves to the miner.
    pub fee: Amount,
    /// What an operator has added to that in thought, units (`prioritisetransaction`).
    pub fee_delta: i64,
    /// When it came.
    pub time: Time,
    /// Height of the active tip when it came.
    pub height: u32,
    /// Pooled transactions it spends from, ascending by id.
    pub depends: Vec<Txid>,
    /// Pooled transactions that spend from it, ascending by id.
    pub spent_by: Vec<Txid>,
    /// Itself and all pooled transactions it needs.
    pub ancestor_count: u32,
    /// Sum of their sizes, bytes.
    pub ancestor_size: usize,
    /// Sum of their modified fees.
    pub ancestor_fees: Amount,
    /// Itself and all pooled transactions that need it.
    pub descendant_count: u32,
    /// Sum of their sizes, bytes.
    pub descendant_size: usize,
    /// Sum of their modified fees.
    pub descendant_fees: Amount,
    /// By Bitcoin's legacy count.
    pub signature_operations: u32,
    /// Place in the order of arrival.
    sequence: u64,
}

impl Entry {
    /// An entry that is not in any pool yet.
    pub(crate) fn new(transaction: Arc<CheckedTransaction>, fee: Amount, time: Time, height: u32) -> Entry {
        let size = transaction.size();
        let signature_operations = transaction.transaction().signature_operations();
        Entry {
            transaction,
            fee,
            fee_delta: 0,
            time,
            height,
            depends: Vec::new(),
            spent_by: Vec::new(),
            ancestor_count: 1,
            ancestor_size: size,
            ancestor_fees: fee,
            descendant_count: 1,
            descendant_size: size,
            descendant_fees: fee,
            signature_operations,
            sequence: 0,
        }
    }
    /// Its own fee rate, an operator's say included.
    pub(crate) fn fee_rate(&self) -> FeeRate {
        FeeRate::new(self.modified_fee(), self.transaction.size())
    }
    /// Worth to a miner: the rate of the package it needs, or its own if that is lower (Core: ancestor score).
    pub(crate) fn mining_rate(&self) -> FeeRate {
        self.fee_rate().min(FeeRate::new(self.ancestor_fees, self.ancestor_size))
    }
    /// Worth of keeping it: the rate of what hangs on it, or its own if that is higher (Core: descendant score).
    fn keeping_rate(&self) -> FeeRate {
        self.fee_rate().max(FeeRate::new(self.descendant_fees, self.descendant_size))
    }
    /// Place in the order of arrival.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }
    fn usage(&self) -> usize {
        ENTRY_BYTES + 2 * self.transaction.size()
    }
}

/// Transactions that wait to be mined.
#[derive(Debug)]
pub struct Pool {
    entries: IdMap<Txid, Entry>,
    spenders: IdMap<Outpoint, Txid>,
    arrivals: BTreeMap<u64, Txid>,
    /// Best for a miner last.
    by_mining_rate: BTreeSet<(FeeRate, Reverse<u64>, Txid)>,
    /// First to be evicted first; of equals, the latest.
    by_keeping_rate: BTreeSet<(FeeRate, Reverse<u64>, Txid)>,
    checked: SignatureCache,
    pub(super) priorities: Priorities,
    bytes: usize,
    usage: usize,
    usage_max: usize,
    fee_rate_configured: u64,
    /// What a full pool demands, units per 1,000 bytes, at the time beside it.
    fee_rate_full: (u64, Time),
    sequence_next: u64,
    version: u64,
    removals: u64,
}

impl Pool {
    /// An empty pool.
    pub(crate) fn new(usage_max: usize, fee_rate_min: u64, state: IdState) -> Pool {
        Pool {
            entries: IdMap::with_hasher(state),
            spenders: IdMap::with_hasher(state),
            arrivals: BTreeMap::new(),
            by_mining_rate: BTreeSet::new(),
            by_keeping_rate: BTreeSet::new(),
            checked: SignatureCache::new(state),
            priorities: Priorities::default(),
            bytes: 0,
            usage: 0,
            usage_max,
            fee_rate_configured: fee_rate_min,
            fee_rate_full: (0, Time(0)),
            sequence_next: 0,
            version: 0,
            removals: 0,
        }
    }

    /// Pooled transactions.
    pub fn len(&self) -> usize {
        self.entries.len()
    }
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
    /// Bytes of all pooled transactions.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
    /// The bound on [`Pool::usage_bytes`] (Core: `maxmempool`).
    pub fn bytes_max(&self) -> usize {
        self.usage_max
    }
    /// Memory in use, bytes, estimated.
    pub fn usage_bytes(&self) -> usize {
        self.usage
    }
    /// Lowest fee rate accepted at this moment, units per 1,000 bytes: the configured one, or more while the pool is full.
    pub fn fee_rate_min(&self) -> u64 {
        self.fee_rate_configured.max(self.fee_rate_full.0)
    }
    /// The configured lowest fee rate, units per 1,000 bytes.
    pub fn fee_rate_configured(&self) -> u64 {
        self.fee_rate_configured
    }
    /// A pooled transaction.
    pub fn get(&self, txid: &Txid) -> Option<&Entry> {
        self.entries.get(txid)
    }
    /// All pooled transactions in the order they came, which has parents before children.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.arrivals.values().filter_map(|txid| self.entries.get(txid))
    }
    /// The pooled transaction that spends a coin.
    pub fn spender(&self, outpoint: &Outpoint) -> Option<Txid> {
        self.spenders.get(outpoint).copied()
    }
    /// The coin a pooled transaction makes, as if it were mined at `height`, whether or not another spends it.
    pub(crate) fn coin(&self, outpoint: &Outpoint, height: u32) -> Option<Coin> {
        let entry = self.entries.get(&outpoint.txid)?;
        let output = entry.transaction.transaction().outputs.get(outpoint.index as usize)?;
        (!output.script.is_unspendable()).then(|| Coin { output: output.clone(), height, is_coinbase: false })
    }
    /// All pooled transactions this one needs, parents before children, without itself.
    pub fn ancestors(&self, txid: &Txid) -> Vec<Txid> {
        self.get(txid).map_or_else(Vec::new, |entry| self.relatives(&entry.depends, |entry| &entry.depends))
    }
    /// All pooled transactions that need this one, parents before children, without itself.
    pub fn descendants(&self, txid: &Txid) -> Vec<Txid> {
        self.get(txid).map_or_else(Vec::new, |entry| self.relatives(&entry.spent_by, |entry| &entry.spent_by))
    }
    /// Grows with every change, for waiters.
    pub fn version(&self) -> u64 {
        self.version
    }
    /// Grows whenever a transaction leaves.
    pub(crate) fn removals(&self) -> u64 {
        self.removals
    }
    /// Signatures that were checked before.
    pub(super) fn signature_cache(&self) -> &SignatureCache {
        &self.checked
    }
    /// Remembers that a transaction's signatures are good.
    pub(super) fn set_checked(&mut self, txid: Txid) {
        self.checked.insert(txid);
    }
    /// The best for a miner first.
    pub(crate) fn by_mining_rate(&self) -> impl Iterator<Item = &Entry> {
        self.by_mining_rate.iter().rev().filter_map(|(_, _, txid)| self.entries.get(txid))
    }

    /// Everything reachable from `first` by one kind of link, ordered by arrival.
    fn relatives(&self, first: &[Txid], links: impl Fn(&Entry) -> &Vec<Txid>) -> Vec<Txid> {
        let mut found: BTreeMap<u64, Txid> = BTreeMap::new();
        let mut queue = first.to_vec();
        while let Some(txid) = queue.pop() {
            let Some(entry) = self.entries.get(&txid) else { continue };
            if found.insert(entry.sequence, txid).is_none() {
                queue.extend(links(entry).iter().copied());
            }
        }
        found.into_values().collect()
    }

    /// Pooled transactions that a transaction outside the pool would need, parents before children.
    pub(crate) fn ancestors_of_inputs(&self, transaction: &chain_spec::Transaction) -> Vec<Txid> {
        self.relatives(&self.parents(transaction), |entry| &entry.depends)
    }

    fn parents(&self, transaction: &chain_spec::Transaction) -> Vec<Txid> {
        let parents: BTreeSet<Txid> = transaction.inputs.iter().map(|input| input.outpoint.txid).collect();
        parents.into_iter().filter(|txid| self.entries.contains_key(txid)).collect()
    }

    /// Takes an entry out of both orders, changes it, and puts it back.
    pub(super) fn change(&mut self, txid: &Txid, change: impl FnOnce(&mut Entry)) {
        let Some(entry) = self.entries.get_mut(txid) else { return };
        let (mining, keeping, arrival) = (entry.mining_rate(), entry.keeping_rate(), Reverse(entry.sequence));
        change(entry);
        let (mining_after, keeping_after) = (entry.mining_rate(), entry.keeping_rate());
        if mining != mining_after {
            self.by_mining_rate.remove(&(mining, arrival, *txid));
            self.by_mining_rate.insert((mining_after, arrival, *txid));
        }
        if keeping != keeping_after {
            self.by_keeping_rate.remove(&(keeping, arrival, *txid));
            self.by_keeping_rate.insert((keeping_after, arrival, *txid));
        }
    }

    /// Adds a transaction whose parents are pooled or mined and whose coins no pooled transaction spends.
    pub(super) fn insert(&mut self, mut entry: Entry) {
        let transaction = entry.transaction.clone();
        let (txid, size, fee) = (transaction.txid(), transaction.size(), entry.modified_fee());
        entry.depends = self.parents(transaction.transaction());
        entry.sequence = self.sequence_next;
        self.sequence_next += 1;
        for parent in &entry.depends {
            self.change(parent, |parent| {
                if let Err(place) = parent.spent_by.binary_search(&txid) {
                    parent.spent_by.insert(place, txid);
                }
            });
        }
        for ancestor in self.relatives(&entry.depends, |entry| &entry.depends) {
            self.change(&ancestor, |ancestor| {
                ancestor.descendant_count += 1;
                ancestor.descendant_size += size;
                ancestor.descendant_fees = sum(ancestor.descendant_fees, fee);
                entry.ancestor_count += 1;
                entry.ancestor_size += ancestor.transaction.size();
                entry.ancestor_fees = sum(entry.ancestor_fees, ancestor.modified_fee());
            });
        }
        for input in &transaction.transaction().inputs {
            self.spenders.insert(input.outpoint, txid);
        }
        let arrival = Reverse(entry.sequence);
        self.by_mining_rate.insert((entry.mining_rate(), arrival, txid));
        self.by_keeping_rate.insert((entry.keeping_rate(), arrival, txid));
        self.arrivals.insert(entry.sequence, txid);
        self.bytes += size;
        self.usage += entry.usage();
        self.version += 1;
        self.entries.insert(txid, entry);
    }

    /// Notes that an order has changed, for waiters.
    pub(super) fn touch(&mut self) {
        self.version += 1;
    }

    /// Takes out one transaction. Either all it needs or all that needs it must be out already: a mined one has lost its
    /// ancestors, and a dropped one goes after its descendants.
    fn remove(&mut self, txid: &Txid) -> Option<Entry> {
        let descendants = self.descendants(txid);
        let ancestors = self.ancestors(txid);
        let entry = self.entries.remove(txid)?;
        let (size, fee) = (entry.transaction.size(), entry.modified_fee());
        for descendant in descendants {
            self.change(&descendant, |descendant| {
                descendant.ancestor_count -= 1;
                descendant.ancestor_size -= size;
                descendant.ancestor_fees = difference(descendant.ancestor_fees, fee);
                descendant.depends.retain(|parent| parent != txid);
            });
        }
        for ancestor in ancestors {
            self.change(&ancestor, |ancestor| {
                ancestor.descendant_count -= 1;
                ancestor.descendant_size -= size;
                ancestor.descendant_fees = difference(ancestor.descendant_fees, fee);
                ancestor.spent_by.retain(|child| child != txid);
            });
        }
        for input in &entry.transaction.transaction().inputs {
            self.spenders.remove(&input.outpoint);
        }
        let arrival = Reverse(entry.sequence);
        self.by_mining_rate.remove(&(entry.mining_rate(), arrival, *txid));
        self.by_keeping_rate.remove(&(entry.keeping_rate(), arrival, *txid));
        self.arrivals.remove(&entry.sequence);
        self.bytes -= size;
        self.usage -= entry.usage();
        self.version += 1;
        self.removals += 1;
        self.checked.insert(*txid);
        Some(entry)
    }

    /// Takes out a transaction that was mined; what it needed was mined before it.
    pub(super) fn remove_mined(&mut self, txid: &Txid) -> bool {
        self.priorities.forget(txid);
        self.remove(txid).is_some()
    }

    /// Takes out a transaction and all that need it.
    pub(super) fn remove_with_descendants(&mut self, txid: &Txid) {
        for descendant in self.descendants(txid).iter().rev() {
            self.remove(descendant);
        }
        self.remove(txid);
    }

    /// Empties the pool; entries in the order they came.
    pub(super) fn drain(&mut self) -> Vec<Entry> {
        let order: Vec<Txid> = self.arrivals.values().rev().copied().collect();
        let mut drained: Vec<Entry> = order.iter().filter_map(|txid| self.remove(txid)).collect();
        drained.reverse();
        drained
    }

    /// Evicts the worst packages until the pool fits its bound, and raises the fee rate demanded (Core: `TrimToSize`).
    pub(super) fn trim(&mut self, now: Time) {
        while self.usage > self.usage_max {
            let Some(&(rate, _, worst)) = self.by_keeping_rate.first() else { return };
            let demanded = rate.per_1000().saturating_add(self.fee_rate_configured);
            if demanded > self.fee_rate_full.0 {
                self.fee_rate_full = (demanded, now);
            }
            self.remove_with_descendants(&worst);
        }
    }

    /// Lets the fee rate a full pool demands fade, by halves.
    pub(super) fn decay(&mut self, now: Time) {
        let (rate, since) = self.fee_rate_full;
        let halvings = now.0.saturating_sub(since.0) / FULL_FEE_HALF_LIFE_MS;
        if rate > 0 && halvings > 0 {
            let rate = rate.checked_shr(halvings.min(63) as u32).unwrap_or(0);
            let is_gone = rate < self.fee_rate_configured / 2;
            let since = Time(since.0 + halvings * FULL_FEE_HALF_LIFE_MS);
            self.fee_rate_full = (if is_gone { 0 } else { rate }, since);
        }
    }

    /// Pooled since before `oldest`, first come first.
    pub(super) fn expired(&self, oldest: Time) -> Vec<Txid> {
        self.entries().filter(|entry| entry.time < oldest).map(|entry| entry.transaction.txid()).collect()
    }
}

impl CheckedSignatures for Pool {
    fn are_checked(&self, txid: &Txid) -> bool {
        self.entries.contains_key(txid) || self.checked.contains(txid)
    }
}

/// Fees of transactions that spend existing coins: their sum is within the cap.
fn sum(a: Amount, b: Amount) -> Amount {
    a.checked_add(b).unwrap_or(Amount::MAX_MONEY)
}
fn difference(a: Amount, b: Amount) -> Amount {
    a.checked_sub(b).unwrap_or(Amount::ZERO)
}
