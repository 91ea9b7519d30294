//! How the rest of the node talks to the core's thread ([`core_loop`](super::core_loop)): submissions are answered after the
//! writes they caused were performed, reads are closures that the thread runs.
//!
//! RPC, miner and launcher hold a [`CoreHandle`] and nothing else of the core. This module stands below all of them.

use super::clock;
use crate::core::Core;
use crate::core::event::{Accepted, BlockOverride, CallId, Input, PeerKey, Submission, SubmissionLimits};
use crate::core::rejection::Answer;
use crate::core::state_machine::StateMachine;
use crate::core::template::Template;
use chain_spec::{Block, BlockHash, Header, Script, Transaction, Txid};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot, watch};

/// Transactions submitted in one go: some milliseconds of work.
pub const SUBMISSIONS_AT_ONCE_MAX: usize = 64;

/// The core's thread has ended: the node is going down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the node is shutting down")]
pub struct Stopped;

/// The active tip, as waiters see it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TipState {
    /// Hash of the tip's header.
    pub hash: BlockHash,
    /// Height of the tip; the genesis block's is 0.
    pub height: u32,
}

/// What became of a submission: accepted, or why not.
pub type SubmissionResult = Answer<Accepted>;

/// A closure that looks at the state machine and sends what it saw to its caller.
type Read = Box<dyn FnOnce(&dyn StateMachine) + Send>;

/// A transaction, what its submitter allows, and where the answer goes.
pub(super) type WaitingSubmission = (Arc<Transaction>, SubmissionLimits, oneshot::Sender<SubmissionResult>);

/// What a handle asks of the core's thread.
pub(super) enum Message {
    /// Feed this input and answer with its result.
    Submit { input: Box<dyn FnOnce(CallId) -> Input + Send>, answer: oneshot::Sender<SubmissionResult> },
    /// Feed these transactions as one input; as a package, if they belong together.
    SubmitTransactions { submissions: Vec<WaitingSubmission>, together: bool },
    /// Run this closure.
    Read(Read),
    /// Feed a tick now.
    Tick,
    /// Flush everything and end.
    Stop,
}

/// A way to the core's thread. Cheap to clone.
#[derive(Clone)]
pub struct CoreHandle {
    messages: mpsc::Sender<Message>,
    tip: watch::Receiver<TipState>,
    mempool: watch::Receiver<u64>,
    mining_goal: watch::Receiver<u64>,
}

impl CoreHandle {
    /// A handle to the thread that receives `messages` and announces its tip and mempool.
    pub(super) fn new(
        messages: mpsc::Sender<Message>,
        tip: watch::Receiver<TipState>,
        mempool: watch::Receiver<u64>,
        mining_goal: watch::Receiver<u64>,
    ) -> CoreHandle {
        CoreHandle { messages, tip, mempool, mining_goal }
    }
    /// Submits a transaction; resolved after the writes it caused.
    pub async fn submit_transaction(
        &self,
        transaction: Arc<Transaction>,
        limits: SubmissionLimits,
    ) -> Result<SubmissionResult, Stopped> {
        self.submit(move |call| Input::Submit { transactions: vec![Submission { call, transaction, limits }] }).await
    }
    /// Submits transactions in order, their signatures checked on all cores; each is answered after the writes it caused. The
    /// node does nothing else meanwhile, so submit no more than [`SUBMISSIONS_AT_ONCE_MAX`].
    pub async fn submit_transactions(
        &self,
        transactions: Vec<(Arc<Transaction>, SubmissionLimits)>,
    ) -> Result<Vec<SubmissionResult>, Stopped> {
        self.submit_several(transactions, false).await
    }
    /// Submits transactions that belong together, parents first; an answer to each.
    pub async fn submit_package(
        &self,
        transactions: Vec<(Arc<Transaction>, SubmissionLimits)>,
    ) -> Result<Vec<SubmissionResult>, Stopped> {
        self.submit_several(transactions, true).await
    }
    async fn submit_several(
        &self,
        transactions: Vec<(Arc<Transaction>, SubmissionLimits)>,
        together: bool,
    ) -> Result<Vec<SubmissionResult>, Stopped> {
        let (mut submissions, mut answers) = (Vec::new(), Vec::new());
        for (transaction, limits) in transactions {
            let (answer, answered) = oneshot::channel();
            submissions.push((transaction, limits, answer));
            answers.push(answered);
        }
        self.messages.send(Message::SubmitTransactions { submissions, together }).await.map_err(|_| Stopped)?;
        let mut results = Vec::with_capacity(answers.len());
        for answered in answers {
            results.push(answered.await.map_err(|_| Stopped)?);
        }
        Ok(results)
    }
    /// Submits a block; resolved after the writes it caused.
    pub async fn submit_block(&self, block: Arc<Block>) -> Result<SubmissionResult, Stopped> {
        self.submit(move |call| Input::SubmitBlock { call, block }).await
    }
    /// Submits a header.
    pub async fn submit_header(&self, header: Header) -> Result<SubmissionResult, Stopped> {
        self.submit(move |call| Input::SubmitHeader { call, header }).await
    }
    /// Invalidates, reconsiders or prefers a block, as an operator asked.
    pub async fn override_block(&self, block: BlockHash, change: BlockOverride) -> Result<SubmissionResult, Stopped> {
        self.submit(move |call| Input::OverrideBlock { call, block, change }).await
    }
    /// Adds to what the mempool's orders take a transaction's fee for, units.
    pub async fn prioritise(&self, txid: Txid, fee_delta: i64) -> Result<SubmissionResult, Stopped> {
        self.submit(move |call| Input::Prioritise { call, txid, fee_delta }).await
    }
    /// Asks one peer for a block whose header is known.
    pub async fn fetch_block(&self, peer: PeerKey, block: BlockHash) -> Result<SubmissionResult, Stopped> {
        self.submit(move |call| Input::FetchBlock { call, peer, block }).await
    }
    /// Has the blocks up to a height deleted, as far as they fill whole files.
    pub async fn prune(&self, height: u32) -> Result<SubmissionResult, Stopped> {
        self.submit(move |call| Input::Prune { call, height }).await
    }
    /// Runs a closure on the core's thread and returns what it returns. Keep it short: the node waits meanwhile.
    pub async fn read<T: Send + 'static>(&self, read: impl FnOnce(&Core) -> T + Send + 'static) -> Result<T, Stopped> {
        self.ask(move |machine| read(machine.core())).await
    }
    /// What to mine next, paying `payout`.
    pub async fn template(&self, payout: Script) -> Result<Template, Stopped> {
        self.ask(move |machine| machine.template(&payout, clock::now())).await
    }

    async fn ask<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&dyn StateMachine) -> T + Send + 'static,
    ) -> Result<T, Stopped> {
        let (answer, answered) = oneshot::channel();
        let run = Box::new(move |machine: &dyn StateMachine| {
            // The caller may have hung up; then nobody needs the answer.
            let _ = answer.send(ask(machine));
        });
        self.messages.send(Message::Read(run)).await.map_err(|_| Stopped)?;
        answered.await.map_err(|_| Stopped)
    }
    /// The active tip, now and whenever it changes.
    pub fn tip(&self) -> watch::Receiver<TipState> {
        self.tip.clone()
    }
    /// Counts the mempool's changes.
    pub fn mempool_version(&self) -> watch::Receiver<u64> {
        self.mempool.clone()
    }
    /// Counts the changes of what to mine that neither the tip nor the mempool shows.
    pub fn mining_goal_version(&self) -> watch::Receiver<u64> {
        self.mining_goal.clone()
    }
    /// Has the core look at once at what waits for it. Called from a thread outside the runtime; waits while the queue is full.
    pub fn tick_blocking(&self) {
        // When the thread has ended already there is nobody left to look.
        let _ = self.messages.blocking_send(Message::Tick);
    }
    /// Asks the thread to flush and end.
    pub async fn stop(&self) {
        // When the thread has ended already there is nobody left to ask.
        let _ = self.messages.send(Message::Stop).await;
    }

    async fn submit(&self, input: impl FnOnce(CallId) -> Input + Send + 'static) -> Result<SubmissionResult, Stopped> {
        let (answer, answered) = oneshot::channel();
        self.messages.send(Message::Submit { input: Box::new(input), answer }).await.map_err(|_| Stopped)?;
        answered.await.map_err(|_| Stopped)
    }
}
