//! The one thread that owns the core and the disk store: it feeds inputs in and performs outputs in order.
//!
//! Everybody else holds a [`CoreHandle`] and talks to this thread over bounded channels. There is no lock around the core.

use super::clock;
use super::core_handle::{CoreHandle, Message, SubmissionResult, TipState};
use super::counters::Counters;
use super::input_queue::{self, InputReceiver, InputSender};
use super::metrics::Latencies;
use super::network::NetworkHandle;
use super::progress::Progress;
use super::store::DiskStore;
use crate::core::Core;
use crate::core::event::{CallId, Input, Output, Submission};
use crate::core::state_machine::StateMachine;
use crate::core::store::StoreError;
use rustc_hash::FxHashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

/// Calls and reads that may wait for the core's thread; more callers wait at the channel.
const CALLS_WAITING_MAX: usize = 256;
/// Network inputs that may wait for the core's thread; the network waits beyond, and with it the peers.
pub const NETWORK_INPUTS_WAITING_MAX: usize = 1_024;
/// Bytes of these inputs, as they came over the wire; decoded they take up to about three times as much.
pub const NETWORK_INPUTS_WAITING_BYTES_MAX: usize = 32 << 20;
/// How long rolling forward over what a crash left may keep a starting node from answering.
const ROLL_FORWARD_MAX: Duration = Duration::from_secs(10);
/// How long a rebuild may; afterwards it goes on while the node answers.
const REBUILD_SILENCE_MAX: Duration = Duration::from_millis(300);
/// How often the core hears of the time while something waits for it.
const TICK_ACTIVE_MS: u64 = 100;
/// How often it hears of the time when nothing happens.
const TICK_IDLE_MS: u64 = 1_000;

/// The loop's side of the channels, before its thread runs.
pub struct CoreLoop {
    messages: mpsc::Receiver<Message>,
    inputs: InputReceiver,
    tip: watch::Sender<TipState>,
    mempool: watch::Sender<u64>,
    mining_goal: watch::Sender<u64>,
    next_call: u64,
    waiting: FxHashMap<CallId, oneshot::Sender<SubmissionResult>>,
    network: Option<NetworkHandle>,
    counters: Arc<Counters>,
    latencies: Latencies,
    progress: Progress,
}

/// Makes the channels. The sender is the network's.
pub fn channels(
    counters: Arc<Counters>,
    latencies: Latencies,
    progress: Progress,
) -> (CoreHandle, InputSender, CoreLoop) {
    let (message_sender, messages) = mpsc::channel(CALLS_WAITING_MAX);
    let (input_sender, inputs) = input_queue::channel(NETWORK_INPUTS_WAITING_MAX, NETWORK_INPUTS_WAITING_BYTES_MAX);
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
        latencies,
        progress,
    };
    (CoreHandle::new(message_sender, tip, mempool, mining_goal), input_sender, core_loop)
}

impl CoreLoop {
    /// Performs what opening the core asked for, and rolls forward over stored blocks before anybody is there to hear of it.
    /// What takes longer than [`ROLL_FORWARD_MAX`], or a rebuild than [`REBUILD_SILENCE_MAX`], is left to [`CoreLoop::run`], so that the node answers
    /// meanwhile.
    pub fn begin(
        &mut self,
        machine: &mut dyn StateMachine,
        store: &mut DiskStore,
        outputs: Vec<Output>,
    ) -> Result<(), StoreError> {
        self.perform(machine.core(), store, outputs)?;
        let began = Instant::now();
        let silence_max = if store.is_rebuilt() { REBUILD_SILENCE_MAX } else { ROLL_FORWARD_MAX };
        while machine.has_pending() && began.elapsed() < silence_max {
            let outputs = machine.handle(clock::now(), Input::Tick)?;
            self.perform(machine.core(), store, outputs)?;
            self.progress.tick(machine.core());
        }
        self.show_tip(machine.core());
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
        mut machine: Box<dyn StateMachine>,
        mut store: DiskStore,
        network: Option<NetworkHandle>,
    ) -> Result<(), StoreError> {
        self.network = network;
        runtime.block_on(self.feed(machine.as_mut(), &mut store))
    }

    async fn feed(&mut self, machine: &mut dyn StateMachine, store: &mut DiskStore) -> Result<(), StoreError> {
        let mut next_tick = Instant::now();
        loop {
            let input = tokio::select! {
                message = self.messages.recv() => match message {
                    Some(Message::Read(read)) => {
                        read(machine);
                        continue;
                    }
                    Some(Message::Submit { input, answer }) => input(self.call(answer)),
                    Some(Message::SubmitTransactions { submissions, together }) => {
                        let named = submissions.into_iter().map(|(transaction, limits, answer)| Submission {
                            call: self.call(answer),
                            transaction,
                            limits,
                        });
                        let transactions = named.collect();
                        if together { Input::SubmitPackage { transactions } } else { Input::Submit { transactions } }
                    }
                    Some(Message::Tick) => Input::Tick,
                    Some(Message::Stop) | None => Input::Stop,
                },
                Some(input) = self.inputs.recv() => input,
                () = tokio::time::sleep_until(next_tick) => Input::Tick,
            };
            let (is_stop, is_tick) = (matches!(input, Input::Stop), matches!(input, Input::Tick));
            let began = clock::instant();
            let outputs = machine.handle(clock::now(), input)?;
            if outputs.iter().any(|output| matches!(output, Output::TipChanged { .. })) {
                self.latencies.block(clock::instant() - began);
            }
            self.perform(machine.core(), store, outputs)?;
            if is_stop {
                return Ok(());
            }
            if is_tick {
                self.progress.tick(machine.core());
            }
            next_tick = next_tick_after(next_tick, is_tick, machine);
        }
    }

    /// A name for somebody who waits.
    fn call(&mut self, answer: oneshot::Sender<SubmissionResult>) -> CallId {
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
fn next_tick_after(planned: Instant, was_tick: bool, machine: &dyn StateMachine) -> Instant {
    let wait_ms = match (machine.has_pending(), machine.wants_tick()) {
        (true, _) => 0,
        (false, true) => TICK_ACTIVE_MS,
        (false, false) => TICK_IDLE_MS,
    };
    let soonest = Instant::now() + Duration::from_millis(wait_ms);
    if was_tick { soonest } else { planned.min(soonest) }
}
