//! Transactions taken together (`submitpackage`): where a full mempool demands more than the least fee rate, a parent that pays
//! too little may enter with the child that pays for it (Core: `ProcessNewPackage`).
//!
//! Each is tried alone first. Those that lack nothing but the fee rate of a full pool, or their parents, are then judged by
//! what they pay together; either all of them enter or none. Absent: replacement of pooled transactions by a package.

use super::Mempool;
use super::accept::{FULL_REASON, Origin, check_burn, check_fee_limit};
use crate::core::chain_view::ChainView;
use crate::core::event::{Accepted, Output, PackageMember, Submission, Time};
use crate::core::message::Gossip;
use crate::core::rejection::{Answer, Rejection, RejectionKind, answer};
use crate::core::store::StoreError;
use chain_spec::{Amount, Txid};

/// Whether what else is in the package may heal it.
fn may_be_healed(rejection: &Rejection) -> bool {
    matches!(rejection.kind, RejectionKind::MissingInputs { .. }) || rejection.reason == FULL_REASON
}

impl Mempool {
    /// Takes the transactions of a package, parents before children, and keeps and relays those that enter. An answer to each.
    ///
    /// # Errors
    /// The store cannot be read.
    pub(crate) fn submit_package(
        &mut self,
        package: &[Submission],
        chain: &dyn ChainView,
        now: Time,
        outputs: &mut Vec<Output>,
    ) -> Result<Vec<Answer<Accepted>>, StoreError> {
        let mut answers = Vec::with_capacity(package.len());
        let (mut waiting, mut has_failed) = (Vec::new(), false);
        for (place, submission) in package.iter().enumerate() {
            let judged = self.submit_alone(submission, chain, now)?;
            if let Err(rejection) = &judged {
                waiting.push(place);
                has_failed |= !may_be_healed(rejection);
            }
            answers.push(judged);
        }
        if !has_failed && !waiting.is_empty() {
            self.submit_together(package, &waiting, chain, now, &mut answers)?;
        }
        for (submission, answer) in package.iter().zip(&answers) {
            if let Ok(member) = answer {
                self.keep(member.txid, outputs);
                outputs.push(Output::Publish(Gossip::Transaction(submission.transaction.clone())));
            }
        }
        Ok(answers.into_iter().map(|answer| answer.map(Accepted::Packaged)).collect())
    }

    fn submit_alone(
        &mut self,
        submission: &Submission,
        chain: &dyn ChainView,
        now: Time,
    ) -> Result<Answer<PackageMember>, StoreError> {
        let txid = submission.transaction.txid();
        if self.pool.get(&txid).is_some() {
            return Ok(self.member(&txid, None, true));
        }
        if let Err(rejection) = check_burn(&submission.transaction, &submission.limits) {
            return Ok(Err(rejection));
        }
        let judged = answer(self.judge_and_admit(submission, chain, now))?;
        Ok(judged.and_then(|txid| self.member(&txid, None, false)))
    }

    /// Judges those that wait by what they pay together.
    fn submit_together(
        &mut self,
        package: &[Submission],
        waiting: &[usize],
        chain: &dyn ChainView,
        now: Time,
        answers: &mut [Answer<PackageMember>],
    ) -> Result<(), StoreError> {
        let mut entered: Vec<Txid> = Vec::new();
        let (mut fees, mut paid, mut size) = (Amount::ZERO, Amount::ZERO, 0);
        for &place in waiting {
            let Submission { transaction, limits, .. } = &package[place];
            let judged = answer(self.check(transaction, Origin::Packaged, now, chain))?;
            let judged = judged.and_then(|candidate| check_fee_limit(&candidate, limits).map(|()| candidate));
            match judged {
                Ok(candidate) => {
                    fees = fees.checked_add(candidate.entry.modified_fee()).unwrap_or(Amount::MAX_MONEY);
                    paid = paid.checked_add(candidate.entry.fee).unwrap_or(Amount::MAX_MONEY);
                    size += candidate.entry.transaction.size();
                    entered.push(transaction.txid());
                    self.pool.insert(candidate.entry);
                }
                Err(rejection) => {
                    self.leave(&entered);
                    answers[place] = Err(rejection);
                    return Ok(());
                }
            }
        }
        if let Err(rejection) = self.pool.check_full_fee(fees, size) {
            self.leave(&entered);
            for &place in waiting {
                answers[place] = Err(rejection.clone());
            }
            return Ok(());
        }
        self.pool.trim(now);
        for &place in waiting {
            answers[place] = self.member(&package[place].transaction.txid(), Some((paid, size)), false);
        }
        Ok(())
    }

    /// Takes out again what entered, children first.
    fn leave(&mut self, entered: &[Txid]) {
        entered.iter().rev().for_each(|txid| self.pool.remove_with_descendants(txid));
    }

    fn member(&self, txid: &Txid, together: Option<(Amount, usize)>, was_pooled: bool) -> Answer<PackageMember> {
        let full = || Rejection::policy("mempool full", "the mempool is full of transactions that pay more".to_owned());
        let entry = self.pool.get(txid).ok_or_else(full)?;
        Ok(PackageMember { txid: *txid, size: entry.transaction.size(), fee: entry.fee, together, was_pooled })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::Config;
    use crate::core::event::{CallId, Input, SubmissionLimits};
    use crate::core::store::memory::MemoryStore;
    use crate::core::tests::world::*;
    use chain_spec::Transaction;
    use std::sync::Arc;

    const COIN: u64 = 100_000_000;

    /// A node whose mempool is full of transactions that pay 4,000 units and more.
    fn full() -> Node {
        let config = Config { mempool_bytes_max: 6_500, ..config(1) };
        let mut node = Node::with(&spec(), config, MemoryStore::new()).unwrap();
        for index in 0..8 {
            let fee = 1_000 * (u64::from(index) + 1);
            let _ = node.pay(&spend(&[genesis_coin(&spec(), index).0], 0, &[(10 * COIN - fee, 1)]));
        }
        assert!(node.core.mempool().fee_rate_min() > 3_000);
        node
    }

    fn submit(node: &mut Node, package: &[Arc<Transaction>]) -> Vec<Answer<Accepted>> {
        let submission = |(number, transaction): (u64, &Arc<Transaction>)| Submission {
            call: CallId(1_000 + number),
            transaction: transaction.clone(),
            limits: SubmissionLimits::default(),
        };
        let transactions = (0..).zip(package).map(submission).collect();
        let outputs = node.handle(Input::SubmitPackage { transactions });
        let answers = outputs.into_iter().filter_map(|output| match output {
            Output::Answer { result, .. } => Some(result),
            _ => None,
        });
        answers.collect()
    }

    fn reasons(answers: Vec<Answer<Accepted>>) -> Vec<String> {
        answers.into_iter().map(|answer| answer.map_or_else(|no| no.reason.into_owned(), |_| "taken".into())).collect()
    }

    fn family(parent_fee: u64, child_fee: u64) -> [Arc<Transaction>; 2] {
        let parent = spend(&[genesis_coin(&spec(), 9).0], 0, &[(10 * COIN - parent_fee, 0)]);
        let child = spend(&[outpoint(&parent, 0)], 0, &[(10 * COIN - parent_fee - child_fee, 1)]);
        [parent, child]
    }

    #[test]
    fn a_child_pays_for_its_parent_where_the_pool_is_full() {
        let mut node = full();
        let [parent, child] = family(300, 20_000);
        assert_eq!(node.pay(&parent).unwrap_err().reason, "mempool min fee not met");
        let answers = submit(&mut node, &[parent.clone(), child.clone()]);
        let (fees, bytes): (u64, usize) = (20_300, 2 * 192);
        for (answer, transaction) in answers.iter().zip([&parent, &child]) {
            let Ok(Accepted::Packaged(member)) = answer else { panic!("{answer:?}") };
            assert_eq!((member.txid, member.was_pooled), (transaction.txid(), false));
            let (fee, size) = member.together.unwrap();
            assert_eq!(fee.units(), fees);
            assert!(size.abs_diff(bytes) <= 4, "two inputs and outputs: {size} bytes");
        }
        let again = submit(&mut node, &[parent, child]);
        assert!(again.iter().all(|answer| matches!(answer, Ok(Accepted::Packaged(member)) if member.was_pooled)));
    }

    #[test]
    fn all_enter_or_none() {
        let mut node = full();
        let before = node.pool();
        let [parent, child] = family(300, 600);
        assert_eq!(reasons(submit(&mut node, &[parent, child])), ["mempool min fee not met"; 2]);
        let [parent, child] = family(10, 50_000);
        let answers = reasons(submit(&mut node, &[parent, child]));
        assert_eq!(answers, ["min relay fee not met", "bad-txns-inputs-missingorspent"], "nobody pays for that");
        let [parent, child] = family(300, 50_000);
        let mut spoilt = Transaction::clone(&child);
        spoilt.lock_time = 7;
        let answers = reasons(submit(&mut node, &[parent, Arc::new(spoilt)]));
        assert_eq!(answers[0], "mempool min fee not met");
        assert!(answers[1].starts_with("mempool-script-verify-flag-failed ("), "{answers:?}");
        assert_eq!(node.pool(), before);
    }

    #[test]
    fn what_stands_alone_is_taken_alone() {
        let mut node = Node::new(&spec(), 1);
        let [parent, child] = family(2_000, 3_000);
        let answers = submit(&mut node, &[parent, child]);
        let alone = |answer: &Answer<Accepted>| {
            matches!(answer, Ok(Accepted::Packaged(PackageMember { together: None, was_pooled: false, .. })))
        };
        assert!(answers.iter().all(alone), "{answers:?}");
    }
}
