//! What somebody local submits or orders: transactions, packages, blocks, headers, overrides. Each gets its answer when what it
//! caused has happened.
//!
//! A part of the whole ([`Core`](super::Core)): it routes between the parts as `core.rs` does for what peers send.

use super::Core;
use super::chainstate::Activation;
use super::effects::{Call, WaitingAnswer};
use super::event::{Accepted, BlockOverride, CallId, Output, Submission};
use super::rejection::answer;
use super::store::StoreError;
use chain_spec::{Block, BlockHash, Header};
use std::sync::Arc;

impl Core {
    pub(super) fn submit(&mut self, transactions: &[Submission], call: &mut Call) -> Result<(), StoreError> {
        if transactions.len() > 1 {
            self.parts.mempool.check_signatures_ahead(transactions, &self.parts.chainstate, call.now)?;
        }
        for submission in transactions {
            let outputs = &mut call.effects.outputs;
            let result = answer(self.parts.mempool.submit(submission, &self.parts.chainstate, call.now, outputs))?;
            if let Ok(Accepted::Transaction(txid)) = result {
                self.parts.peers.note_unbroadcast(txid, None, call.now);
                if !self.parts.mempool.has_no_orphans() {
                    call.arrived.push(txid);
                }
            }
            outputs.push(Output::Answer { call: submission.call, result });
        }
        Ok(())
    }

    /// Takes transactions that stand together or not at all where the mempool asks for a minimum fee rate.
    pub(super) fn submit_package(&mut self, transactions: &[Submission], call: &mut Call) -> Result<(), StoreError> {
        let outputs = &mut call.effects.outputs;
        let answers = self.parts.mempool.submit_package(transactions, &self.parts.chainstate, call.now, outputs)?;
        for (submission, result) in transactions.iter().zip(answers) {
            if let Ok(Accepted::Packaged(member)) = &result {
                self.parts.peers.note_unbroadcast(member.txid, None, call.now);
                if !self.parts.mempool.has_no_orphans() {
                    call.arrived.push(member.txid);
                }
            }
            call.effects.outputs.push(Output::Answer { call: submission.call, result });
        }
        Ok(())
    }

    pub(super) fn submit_header(&mut self, caller: CallId, header: &Header, call: &mut Call) -> Result<(), StoreError> {
        let answer = self.parts.chainstate.submit_header(header, call.now, &mut call.effects);
        self.activate(Activation::bounded(), call)?;
        let result = answer.map(|()| Accepted::Inconclusive);
        call.effects.outputs.push(Output::Answer { call: caller, result });
        Ok(())
    }

    /// Has old blocks deleted.
    pub(super) fn prune(&mut self, caller: CallId, height: u32, call: &mut Call) -> Result<(), StoreError> {
        let pruned = self.parts.chainstate.prune_to(height, call.now, &mut call.effects);
        let result = answer(pruned.map(|()| Accepted::Pruned))?;
        call.effects.outputs.push(Output::Answer { call: caller, result });
        Ok(())
    }

    pub(super) fn submit_block(
        &mut self,
        caller: CallId,
        block: Arc<Block>,
        call: &mut Call,
    ) -> Result<(), StoreError> {
        let hash = block.header.hash();
        self.parts.peers.note_submitted(hash);
        let stored = self.parts.chainstate.submit_block(block, call.now, &mut call.effects);
        let answer = match stored {
            Ok(()) => {
                self.deliver(call)?;
                self.activate(Activation::unbounded(), call)?;
                self.parts.chainstate.outcome(&hash, &call.invalid).unwrap_or(Ok(Accepted::Inconclusive))
            }
            Err(rejection) => Err(rejection),
        };
        self.answer_when_moved(WaitingAnswer { call: caller, answer, block: Some(hash) }, call);
        Ok(())
    }

    /// Overrides what is thought of a block and moves the tip if it must. The override is in the store before it is answered,
    /// but for `preciousblock`, which Core forgets too when it stops.
    pub(super) fn override_block(
        &mut self,
        caller: CallId,
        block: &BlockHash,
        change: BlockOverride,
        call: &mut Call,
    ) -> Result<(), StoreError> {
        let answer = self.parts.chainstate.override_block(block, change);
        if answer.is_ok() {
            self.activate(Activation::unbounded(), call)?;
            self.parts.chainstate.flush_index(call.now, &mut call.effects);
        }
        let answer = answer.map(|()| Accepted::Overridden);
        self.answer_when_moved(WaitingAnswer { call: caller, answer, block: None }, call);
        Ok(())
    }

    /// Answers a call that may have moved the tip, when it has been moved as far as it goes.
    fn answer_when_moved(&mut self, waiting: WaitingAnswer, call: &mut Call) {
        let is_open = matches!(waiting.answer, Ok(Accepted::Inconclusive | Accepted::Overridden));
        if is_open && self.parts.chainstate.has_pending() {
            self.waiting.push(waiting);
        } else {
            call.effects.outputs.push(Output::Answer { call: waiting.call, result: waiting.answer });
        }
    }

    /// Looks again at the answers that wait.
    pub(super) fn answer_waiting(&mut self, call: &mut Call) {
        for mut waiting in std::mem::take(&mut self.waiting) {
            if let Some(outcome) = waiting.block.and_then(|hash| self.parts.chainstate.outcome(&hash, &call.invalid)) {
                waiting.answer = outcome;
            }
            self.answer_when_moved(waiting, call);
        }
    }
}
