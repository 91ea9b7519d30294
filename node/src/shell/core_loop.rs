//! The one thread that owns the core and the disk store: it feeds inputs in and performs outputs in order.
//!
//! Everybody else holds a [`CoreHandle`] and talks to the thread over bounded channels: submissions are answered after
//! the writes they caused were performed, reads are closures that the thread runs. There is no lock around the core.

use super::clock;
use super::counters::Counters;
use super::network::NetworkHandle;
use super::progress::Progress;
use super::store::DiskStore;
use crate::core::Core;
use crate::core::event::{Accepted, BlockOverride, CallId, Input, Output, Rejection};
use crate::core::state_machine::StateMachine;
use crate::core::store::StoreError;
use crate::core::template::Template;
use chain_spec::{Block, BlockHash, Header, Script, Transaction};
use rustc_hash::FxHashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

/// Calls and reads that may wait for the core's thread; more callers wait at the channel.
const CALLS_WAITING_MAX: usize = 256;
/// Network inputs that may wait for the core's thread; the network waits beyond, and with it the peers.
pub const NETWORK_INPUTS_WAITING_MAX: usize = 1_024;
/// Transactions submitted in one go: some milliseconds of work.
pub const SUBMISSIONS_AT_ONCE_MAX: usize = 64;
/// How often the core hears of the time while something waits for it.
const TICK_ACTIVE_MS: u64 = 100;
/// How often it hears of the time when nothing happens.
const TICK_IDLE_MS: u64 = 1_000;

/// The core's thread has ended: the node is going down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the node is shutting down")]
pub struct Stopped;

/// The active tip, as waiters see it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TipState {
    /// Its hash.
    pub hash: BlockHash,
    /// Its height.
    pub height: u32,
}

/// What became of a submission.
pub type Judgement = Result<Accepted, Rejection>;

/// A closure that looks at the mind and sends what it saw to its caller.
type Read = Box<dyn FnOnce(&dyn StateMachine) + Send>;

enum Message {
    Submit { input: Box<dyn FnOnce(CallId) -> Input + Send>, answer: oneshot::Sender<Judgement> },
    SubmitTransactions(Vec<(Arc<Transaction>, oneshot::Sender<Judgement>)>),
    Read(Read),
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
    /// Submits a transaction; resolved after the writes it caused.
    pub async fn submit_transaction(&self, transaction: Arc<Transaction>) -> Result<Judgement, Stopped> {
        self.submit(move |call| Input::SubmitTransaction { call, transaction }).await
    }
    /// Submits transactions in order, their signatures checked on all cores; each is judged after the writes it caused. The
    /// node does nothing else meanwhile, so submit no more than [`SUBMISSIONS_AT_ONCE_MAX`].
    pub async fn submit_transactions(&self, transactions: Vec<Arc<Transaction>>) -> Result<Vec<Judgement>, Stopped> {
        let (mut submissions, mut answers) = (Vec::new(), Vec::new());
        for transaction in transactions {
            let (answer, answered) = oneshot::channel();
            submissions.push((transaction, answer));
            answers.push(answered);
        }
        self.messages.send(Message::SubmitTransactions(submissions)).await.map_err(|_| Stopped)?;
        let mut judgements = Vec::with_capacity(answers.len());
        for answered in answers {
            judgements.push(answered.await.map_err(|_| Stopped)?);
        }
        Ok(judgements)
    }
    /// Submits a block; resolved after the writes it caused.
    pub async fn submit_block(&self, block: Arc<Block>) -> Result<Judgement, Stopped> {
        self.submit(move |call| Input::SubmitBlock { call, block }).await
    }
    /// Submits a header.
    pub async fn submit_header(&self, header: Header) -> Result<Judgement, Stopped> {
        self.submit(move |call| Input::SubmitHeader { call, header }).await
    }
    /// Carries out an operator's wish about a block.
    pub async fn override_block(&self, block: BlockHash, change: BlockOverride) -> Result<Judgement, Stopped> {
        self.submit(move |call| Input::OverrideBlock { call, block, change }).await
    }
    /// Runs a closure on the core's thread and returns what it returns. Keep it short: the node waits meanwhile.
    pub async fn read<T: Send + 'static>(&self, read: impl FnOnce(&Core) -> T + Send + 'static) -> Result<T, Stopped> {
        self.ask(move |mind| read(mind.core())).await
    }
    /// What to mine next, paying `payout`.
    pub async fn template(&self, payout: Script) -> Result<Template, Stopped> {
        self.ask(move |mind| mind.template(&payout, clock::now())).await
    }

    async fn ask<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&dyn StateMachine) -> T + Send + 'static,
    ) -> Result<T, Stopped> {
        let (answer, answered) = oneshot::channel();
        let run = Box::new(move |mind: &dyn StateMachine| {
            // The caller may have hung up; then nobody needs the answer.
            let _ = answer.send(ask(mind));
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
    /// Asks the thread to flush and end.
    pub async fn stop(&self) {
        // When the thread has ended already there is nobody left to ask.
        let _ = self.messages.send(Message::Stop).await;
    }

    async fn submit(&self, input: impl FnOnce(CallId) -> Input + Send + 'static) -> Result<Judgement, Stopped> {
        let (answer, answered) = oneshot::channel();
        self.messages.send(Message::Submit { input: Box::new(input), answer }).await.map_err(|_| Stopped)?;
        answered.await.map_err(|_| Stopped)
    }
}

/// The loop's side of the channels, before its thread runs.
pub struct CoreLoop {
    messages: mpsc::Receiver<Message>,
    inputs: mpsc::Receiver<Input>,
    tip: watch::Sender<TipState>,
    mempool: watch::Sender<u64>,
    mining_goal: watch::Sender<u64>,
    next_call: u64,
    waiting: FxHashMap<CallId, oneshot::Sender<Judgement>>,
    network: Option<NetworkHandle>,
    counters: Arc<Counters>,
    progress: Progress,
}

/// Makes the channels. The sender is the network's.
pub fn channels(counters: Arc<Counters>, progress: Progress) -> (CoreHandle, mpsc::Sender<Input>, CoreLoop) {
    let (message_sender, messages) = mpsc::channel(CALLS_WAITING_MAX);
    let (input_sender, inputs) = mpsc::channel(NETWORK_INPUTS_WAITING_MAX);
    let (tip_sender, tip) = watch::channel(TipState::default());
    let (mempool_sender, mempool) = watch::channel(0);
    let (mining_goal_sender, mining_goal) = watch::channel(0);
    let core_loop = CoreLoop {
        messages,
        inputs,
        tip: tip_sender,
        mempool: mempool_sender,
        mining_goal: mining_goal_sender,
        next_call: 0,
        waiting: FxHashMap::default(),
        network: None,
        counters,
        progress,
    };
    (CoreHandle { messages: message_sender, tip, mempool, mining_goal }, input_sender, core_loop)
}

impl CoreLoop {
    /// Performs what opening the core asked for, and rolls forward to its end, before anybody is there to hear of it.
    pub fn begin(
        &mut self,
        mind: &mut dyn StateMachine,
        store: &mut DiskStore,
        outputs: Vec<Output>,
    ) -> Result<(), StoreError> {
        self.perform(mind.core(), store, outputs)?;
        while mind.has_pending() {
            let outputs = mind.handle(clock::now(), Input::Tick)?;
            self.perform(mind.core(), store, outputs)?;
            self.progress.tick(mind.core());
        }
        self.show_tip(mind.core());
        Ok(())
    }

    /// Publishes the tip to those who watch it.
    fn show_tip(&self, core: &Core) {
        let tip = core.tip();
        self.tip.send_replace(TipState { hash: tip.hash, height: tip.height });
    }

    /// Runs until told to stop or the store fails. Blocks its thread.
    pub fn run(
        mut self,
        runtime: &tokio::runtime::Handle,
        mut mind: Box<dyn StateMachine>,
        mut store: DiskStore,
        network: Option<NetworkHandle>,
    ) -> Result<(), StoreError> {
        self.network = network;
        runtime.block_on(self.feed(mind.as_mut(), &mut store))
    }

    async fn feed(&mut self, mind: &mut dyn StateMachine, store: &mut DiskStore) -> Result<(), StoreError> {
        let mut next_tick = Instant::now();
        loop {
            let input = tokio::select! {
                message = self.messages.recv() => match message {
                    Some(Message::Read(read)) => {
                        read(mind);
                        continue;
                    }
                    Some(Message::Submit { input, answer }) => input(self.call(answer)),
                    Some(Message::SubmitTransactions(submissions)) => {
                        let named = submissions.into_iter().map(|(transaction, answer)| (self.call(answer), transaction));
                        Input::SubmitTransactions { submissions: named.collect() }
                    }
                    Some(Message::Stop) | None => Input::Stop,
                },
                Some(input) = self.inputs.recv() => input,
                () = tokio::time::sleep_until(next_tick) => Input::Tick,
            };
            let (is_stop, is_tick) = (matches!(input, Input::Stop), matches!(input, Input::Tick));
            let outputs = mind.handle(clock::now(), input)?;
            self.perform(mind.core(), store, outputs)?;
            if is_stop {
                return Ok(());
            }
            if is_tick {
                self.progress.tick(mind.core());
            }
            next_tick = next_tick_after(next_tick, is_tick, mind);
        }
    }

    /// A name for somebody who waits.
    fn call(&mut self, answer: oneshot::Sender<Judgement>) -> CallId {
        let call = CallId(self.next_call);
        self.next_call += 1;
        self.waiting.insert(call, answer);
        call
    }

    /// Performs outputs in the order the core gave them: a commit before the announcement that depends on it.
    fn perform(&mut self, core: &Core, store: &mut DiskStore, outputs: Vec<Output>) -> Result<(), StoreError> {
        for output in outputs {
            match output {
                Output::StoreBlock(_)
                | Output::StoreUndo(..)
                | Output::Commit(_)
                | Output::StoreTransaction(_)
                | Output::ForgetTransactions(_) => store.perform(&output)?,
                Output::Publish(_)
                | Output::GossipAcceptance { .. }
                | Output::Request { .. }
                | Output::Respond { .. }
                | Output::Misbehaviour { .. } => {
                    if let Some(network) = &self.network {
                        network.perform(output);
                    }
                }
                Output::Answer { call, result } => {
                    if let Some(answer) = self.waiting.remove(&call) {
                        // The caller may have hung up.
                        let _ = answer.send(result);
                    }
                }
                Output::TipChanged { tip, height, reorganised } => {
                    self.counters.tip_changed(reorganised);
                    self.progress.tip_changed(core, &tip, reorganised);
                    self.tip.send_replace(TipState { hash: tip, height });
                }
                Output::MempoolChanged => self.mempool.send_modify(|version| *version += 1),
                Output::MiningGoalChanged => self.mining_goal.send_modify(|version| *version += 1),
            }
        }
        Ok(())
    }
}

/// A tick pushes the next one away; anything else may only bring it nearer.
fn next_tick_after(planned: Instant, was_tick: bool, mind: &dyn StateMachine) -> Instant {
    let wait_ms = match (mind.has_pending(), mind.wants_tick()) {
        (true, _) => 0,
        (false, true) => TICK_ACTIVE_MS,
        (false, false) => TICK_IDLE_MS,
    };
    let soonest = Instant::now() + Duration::from_millis(wait_ms);
    if was_tick { soonest } else { planned.min(soonest) }
}
