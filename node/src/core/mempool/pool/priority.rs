//! An operator's say in the order of mining and eviction: what is added, in thought, to a transaction's fee (Core:
//! `prioritisetransaction`). The coinbase still claims the fee that was paid.
//!
//! Kept in memory for transactions pooled or not, until they are mined. What is added never makes a fee of less than nothing:
//! the orders take such a fee for zero.

use super::{Entry, Pool, difference, sum};
use chain_spec::{Amount, Txid};
use std::collections::BTreeMap;

/// What was added to which transactions' fees, units; none of it is zero.
#[derive(Debug, Default)]
pub(in crate::core::mempool) struct Priorities(BTreeMap<Txid, i64>);

impl Priorities {
    /// What is added to a transaction's fee.
    pub(in crate::core::mempool) fn of(&self, txid: &Txid) -> i64 {
        self.0.get(txid).copied().unwrap_or(0)
    }
    /// A mined transaction needs none.
    pub(in crate::core::mempool) fn forget(&mut self, txid: &Txid) {
        self.0.remove(txid);
    }
}

impl Entry {
    /// The fee that the orders see: what is paid, and what an operator has added.
    pub fn modified_fee(&self) -> Amount {
        let units = i128::from(self.fee.units()) + i128::from(self.fee_delta);
        // Within the cap, so that the sums over relatives cannot overflow.
        u64::try_from(units.max(0)).map_or(Amount::MAX_MONEY, |units| Amount::from_units(units).min(Amount::MAX_MONEY))
    }
    /// With what an operator has added; for an entry that is in no pool yet.
    pub(in crate::core::mempool) fn with_fee_delta(mut self, fee_delta: i64) -> Entry {
        self.fee_delta = fee_delta;
        (self.ancestor_fees, self.descendant_fees) = (self.modified_fee(), self.modified_fee());
        self
    }
}

impl Pool {
    /// What operators have added to transactions' fees, by id, units.
    pub fn priorities(&self) -> impl Iterator<Item = (&Txid, i64)> {
        self.priorities.0.iter().map(|(txid, delta)| (txid, *delta))
    }

    /// Adds to what was added to a transaction's fee before.
    pub(in crate::core::mempool) fn prioritise(&mut self, txid: Txid, fee_delta: i64) {
        let delta = self.priorities.of(&txid).saturating_add(fee_delta);
        if delta == 0 {
            self.priorities.forget(&txid);
        } else {
            self.priorities.0.insert(txid, delta);
        }
        let Some(entry) = self.get(&txid) else { return };
        let (before, mut changed) = (entry.modified_fee(), entry.clone());
        changed.fee_delta = delta;
        let after = changed.modified_fee();
        let renewed = |fees: Amount| sum(difference(fees, before), after);
        self.change(&txid, |entry| {
            entry.fee_delta = delta;
            entry.ancestor_fees = renewed(entry.ancestor_fees);
            entry.descendant_fees = renewed(entry.descendant_fees);
        });
        for descendant in self.descendants(&txid) {
            self.change(&descendant, |entry| entry.ancestor_fees = renewed(entry.ancestor_fees));
        }
        for ancestor in self.ancestors(&txid) {
            self.change(&ancestor, |entry| entry.descendant_fees = renewed(entry.descendant_fees));
        }
        self.touch();
    }
}

#[cfg(test)]
mod tests {
    use crate::core::tests::world::*;

    const COIN: u64 = 100_000_000;

    #[test]
    fn an_operator_changes_the_order_and_not_what_the_coinbase_claims() {
        let spec = spec();
        let mut node = Node::new(&spec, 1);
        let pay = |index, fee| spend(&[genesis_coin(&spec, index).0], 0, &[(10 * COIN - fee, 1)]);
        let (poor, rich, later) = (pay(0, 1_000), pay(1, 9_000), pay(2, 500));
        node.pay(&poor).unwrap();
        node.pay(&rich).unwrap();
        let order = |node: &Node| {
            let template = node.core.template(&lock(9), node.now);
            let ids = template.transactions.iter().map(|entry| entry.transaction.txid()).collect::<Vec<_>>();
            (ids, template.fees.units())
        };
        assert_eq!(order(&node), (vec![rich.txid(), poor.txid()], 10_000));
        node.prioritise(poor.txid(), 20_000);
        assert_eq!(order(&node), (vec![poor.txid(), rich.txid()], 10_000));
        node.prioritise(poor.txid(), -20_000);
        assert_eq!(order(&node).0, [rich.txid(), poor.txid()]);
        assert_eq!(node.core.mempool().priorities().count(), 0, "what adds up to nothing is forgotten");
        // Known before the transaction is, and until it is mined.
        let before = spend(&[genesis_coin(&spec, 3).0], 0, &[(10 * COIN - 10, 1)]);
        assert_eq!(node.pay(&before).unwrap_err().reason, "min relay fee not met");
        node.prioritise(before.txid(), 5_000);
        node.prioritise(later.txid(), i64::MIN);
        node.pay(&before).unwrap();
        assert_eq!(node.pay(&later).unwrap_err().reason, "min relay fee not met");
        node.mine();
        let left: Vec<i64> = node.core.mempool().priorities().map(|(_, delta)| delta).collect();
        assert_eq!(left, [i64::MIN]);
    }
}
