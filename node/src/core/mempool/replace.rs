//! Full replace-by-fee: a transaction takes the place of those it conflicts with if it pays more (BIP125's rules 3, 4 and 5,
//! and a higher rate; no signalling is asked for).

use super::fee_rate::fee_for;
use super::pool::{Entry, Pool};
use crate::core::rejection::Rejection;
use chain_spec::{Amount, Txid};
use std::collections::BTreeSet;

/// Pooled transactions one replacement may evict, transactions (Core: `MAX_REPLACEMENT_CANDIDATES`).
pub const REPLACED_MAX: usize = 100;
/// Fee rate by which a replacement must pay for its own relay, units per 1,000 bytes (Core: `DEFAULT_INCREMENTAL_RELAY_FEE`).
pub const INCREMENTAL_FEE_RATE: u64 = 1_000;

/// What must leave for a transaction to enter.
#[derive(Debug, Default)]
pub(crate) struct Replacement {
    /// Conflicting transactions and their descendants, each after what it needs.
    pub evicted: Vec<Txid>,
}

impl Pool {
    /// Whether an entry may take the place of those it conflicts with.
    pub(super) fn check_replacement(&self, entry: &Entry) -> Result<Replacement, Rejection> {
        let transaction = entry.transaction.transaction();
        let conflicts: BTreeSet<Txid> =
            transaction.inputs.iter().filter_map(|input| self.spender(&input.outpoint)).collect();
        if conflicts.is_empty() {
            return Ok(Replacement::default());
        }
        let evicted = self.with_descendants(&conflicts)?;
        let all: BTreeSet<&Txid> = evicted.iter().collect();
        for ancestor in self.ancestors_of_inputs(transaction) {
            if all.contains(&ancestor) {
                let detail = format!("it spends from {ancestor}, which it would replace");
                return Err(Rejection::policy("bad-txns-spends-conflicting-tx", detail));
            }
        }
        let insufficient = |detail: String| Err(Rejection::policy("insufficient fee", detail));
        for conflict in conflicts.iter().filter_map(|txid| self.get(txid)) {
            if entry.fee_rate() <= conflict.fee_rate() {
                let (ours, theirs) = (entry.fee_rate().per_1000(), conflict.fee_rate().per_1000());
                let txid = conflict.transaction.txid();
                return insufficient(format!(
                    "fee rate {ours} is not above {theirs}, that of {txid}, which it replaces"
                ));
            }
        }
        let replaced = Amount::checked_sum(evicted.iter().filter_map(|txid| self.get(txid)).map(Entry::modified_fee));
        let replaced = replaced.unwrap_or(Amount::MAX_MONEY);
        let relay = fee_for(entry.transaction.size(), INCREMENTAL_FEE_RATE);
        match replaced.checked_add(relay) {
            Some(least) if entry.modified_fee() >= least => Ok(Replacement { evicted }),
            _ => insufficient(format!(
                "fee {} is not the {replaced} of what it replaces and {relay} for its own relay",
                entry.modified_fee()
            )),
        }
    }

    /// Conflicting transactions and all that need them, in order of arrival.
    fn with_descendants(&self, conflicts: &BTreeSet<Txid>) -> Result<Vec<Txid>, Rejection> {
        let mut all: BTreeSet<(u64, Txid)> = BTreeSet::new();
        for conflict in conflicts {
            let Some(entry) = self.get(conflict) else { continue };
            all.insert((entry.sequence(), *conflict));
            // The count bounds the walk: descendants of one are at most 25, of 100 conflicts too many anyway.
            all.extend(self.descendants(conflict).iter().filter_map(|txid| Some((self.get(txid)?.sequence(), *txid))));
            if all.len() > REPLACED_MAX {
                let detail = format!("it would evict more than {REPLACED_MAX} transactions");
                return Err(Rejection::policy("too many potential replacements", detail));
            }
        }
        Ok(all.into_iter().map(|(_, txid)| txid).collect())
    }
}
