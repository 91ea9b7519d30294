//! The simulator: many cores in one process, on virtual time.
//!
//! Every node is the [`StateMachine`] of a live node, so what is simulated is the consensus code itself. Only what surrounds it is
//! modelled: time ([`super::queue`]), the network ([`links`]), the finding of blocks (exponential draws by hash share, then a real
//! proof of work at the easiest target), and the disk ([`super::arena`], one for all). Bodies are not carried on links, only their
//! bytes are counted; processing a message takes no virtual time.
//!
//! One thread runs one simulation, and every draw comes from its seed: the same [`Setup`] gives the same
//! [`Simulation::trace_hash`] on every machine.

mod mining;

use super::arena::{Arena, CoinSet};
use super::links::{self, Links};
use super::queue::Queue;
use super::random::exponential;
use super::setup::{Churn, Setup};
use super::shared::{Message, Tips};
use super::statistics::Statistics;
use super::trace::Trace;
use chain_spec::{Block, Transaction};
use node::core::Core;
use node::core::event::{
    Acceptance, Accepted, CallId, GossipId, InboundId, Input, Output, PeerKey, RequestId, Submission, SubmissionLimits,
    Time,
};
use node::core::message::{Gossip, Request, Response};
use node::core::rejection::{Answer, Rejection, RejectionKind};
use node::core::state_machine::StateMachine;
use node::core::store::{Loaded, StoreError};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// How often a node that waits for something is told that time passed, microseconds.
const TICK_US: u64 = 250_000;
/// The longer a node has had nothing to do, the more rarely it is told: after this part of that time again. What it notices in
/// time, as a request without an answer, it notices late by no more than this part; and links of many seconds, on which something
/// is always on its way, do not cost thousands of ticks a block.
const TICK_PART: u64 = 8;
/// Ticks that each node gets after churn, one a second.
const REST_TICKS: u64 = 60;

/// One simulated node.
struct Node {
    machine: Box<dyn StateMachine>,
    coins: CoinSet,
    /// When it is next told that time passed, microseconds of virtual time.
    tick_at_us: Option<u64>,
    /// When it last had something to do.
    active_us: u64,
    /// Away, it has no links and finds no blocks; what it knew it still knows when it comes back.
    is_away: bool,
}

/// What travels or happens, and when.
enum Event {
    Gossip {
        from: usize,
        to: usize,
        message: usize,
    },
    Request {
        from: usize,
        to: usize,
        id: RequestId,
        request: Request,
    },
    Response {
        from: usize,
        to: usize,
        id: RequestId,
        response: Response,
    },
    Tick {
        node: usize,
    },
    Mine,
    /// A node leaves, or comes back.
    Churn {
        node: usize,
    },
}

/// What one step of a simulation was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A node found a block.
    Found {
        /// The node.
        node: usize,
    },
    /// Anything else.
    Other,
}

/// A run in progress.
pub struct Simulation {
    setup: Setup,
    nodes: Vec<Node>,
    links: Links,
    queue: Queue<Event>,
    random: ChaCha8Rng,
    arena: Arena,
    messages: Vec<Message>,
    message_of: FxHashMap<[u8; 32], usize>,
    verdicts: FxHashMap<GossipId, (usize, usize, usize)>,
    requests: FxHashMap<InboundId, (usize, usize, RequestId)>,
    next_id: u64,
    answer: Option<Answer<Accepted>>,
    statistics: Statistics,
    trace: Trace,
    mining: bool,
    churning: bool,
    total_share: f64,
    tips: Tips,
}

impl Simulation {
    /// A network of honest nodes.
    pub fn new(setup: Setup) -> Result<Simulation, StoreError> {
        Simulation::with_machines(setup, |_, core| Box::new(core))
    }

    /// A network whose nodes are what `machine` makes of a number and a core: a strategy wraps an attacker's.
    pub fn with_machines(
        setup: Setup,
        mut machine: impl FnMut(usize, Core) -> Box<dyn StateMachine>,
    ) -> Result<Simulation, StoreError> {
        let arena = Arena::default();
        let mut random = ChaCha8Rng::seed_from_u64(setup.seed);
        let links = Links::new(&setup.edges, setup.shares.len(), setup.links, &mut random);
        let mut simulation = Simulation {
            links,
            queue: Queue::default(),
            random,
            arena,
            messages: Vec::new(),
            message_of: FxHashMap::default(),
            verdicts: FxHashMap::default(),
            requests: FxHashMap::default(),
            next_id: 0,
            answer: None,
            statistics: Statistics::new(setup.shares.len(), setup.spec.genesis_hash()),
            trace: Trace::default(),
            mining: true,
            churning: setup.churn.is_some(),
            total_share: setup.shares.iter().sum(),
            tips: Tips::new(setup.shares.len(), setup.spec.genesis_hash()),
            nodes: Vec::with_capacity(setup.shares.len()),
            setup,
        };
        for number in 0..simulation.setup.shares.len() {
            let coins = CoinSet::default();
            let store = Box::new(simulation.arena.store(coins.clone()));
            let seed = simulation.random.next_u64();
            let config = simulation.setup.config_of(number, seed);
            let spec = Arc::clone(&simulation.setup.spec);
            let (core, outputs) = Core::open(spec, config, store, Loaded::default(), simulation.time())?;
            simulation.nodes.push(Node {
                machine: machine(number, core),
                coins,
                tick_at_us: None,
                active_us: 0,
                is_away: false,
            });
            simulation.perform(number, outputs)?;
        }
        for (a, b) in simulation.setup.edges.clone() {
            simulation.connect(a, b)?;
        }
        simulation.schedule_mining();
        for node in 0..simulation.nodes.len() {
            simulation.schedule_churn(node);
        }
        Ok(simulation)
    }

    /// Virtual time since the start, microseconds.
    pub fn now_us(&self) -> u64 {
        self.queue.now_us()
    }

    /// Virtual time as the nodes see it: the chain began when the simulation did.
    pub fn time(&self) -> Time {
        Time(u64::from(self.setup.spec.genesis.header.time) * 1_000 + self.now_us() / 1_000)
    }

    /// Whether nothing more happens at this moment of virtual time.
    pub fn is_quiet(&self) -> bool {
        self.queue.next_us().is_none_or(|next_us| next_us > self.now_us())
    }

    /// Whether all nodes have one tip.
    pub fn tips_agree(&self) -> bool {
        self.tips.agree()
    }

    /// A node's core, to be read.
    pub fn core(&self, node: usize) -> &Core {
        self.nodes[node].machine.core()
    }

    /// What it was told before it started.
    pub fn setup(&self) -> &Setup {
        &self.setup
    }

    /// What has been counted so far.
    pub fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    /// SHA-256 over every input a core was given and every tip it chose, in order.
    pub fn trace_hash(&self) -> [u8; 32] {
        self.trace.hash()
    }

    /// Whether blocks are found; off, a network settles.
    pub fn set_mining(&mut self, mining: bool) {
        if mining && !self.mining {
            self.mining = true;
            self.schedule_mining();
        }
        self.mining = mining;
    }

    /// Changes the nodes' parts of the hash rate, by their number, from the next block on.
    pub fn set_shares(&mut self, shares: impl Fn(usize) -> Vec<f64>) {
        self.setup.shares = shares(self.nodes.len());
        self.total_share = self.setup.shares.iter().sum();
    }

    /// Brings everybody back, and keeps them. For a minute everybody hears of the time once a second, as live nodes at rest
    /// do: their poll for better chains finds what was told while they were away.
    pub fn end_churn(&mut self) -> Result<(), StoreError> {
        self.churning = false;
        (0..self.nodes.len()).try_for_each(|node| self.set_away(node, false))?;
        for second in 1..=REST_TICKS {
            (0..self.nodes.len()).for_each(|node| self.queue.push(second * 1_000_000, Event::Tick { node }));
        }
        Ok(())
    }

    /// Has a node take a transaction, as `sendrawtransaction` would.
    pub fn submit_transaction(
        &mut self,
        node: usize,
        transaction: Arc<Transaction>,
    ) -> Result<Answer<Accepted>, StoreError> {
        let call = CallId(self.fresh_id());
        self.answer = None;
        let limits = SubmissionLimits::default();
        self.handle(node, Input::Submit { transactions: vec![Submission { call, transaction, limits }] })?;
        Ok(self.take_answer())
    }

    /// Has a node take a block, as `submitblock` would.
    pub fn submit_block(&mut self, node: usize, block: Arc<Block>) -> Result<Answer<Accepted>, StoreError> {
        let call = CallId(self.fresh_id());
        self.answer = None;
        self.handle(node, Input::SubmitBlock { call, block })?;
        Ok(self.take_answer())
    }

    /// Lets so much time pass, microseconds.
    pub fn pass_time(&mut self, time_us: u64) -> Result<(), StoreError> {
        let until_us = self.now_us() + time_us;
        self.queue.push(time_us, Event::Tick { node: 0 });
        while self.now_us() < until_us && self.step()?.is_some() {}
        Ok(())
    }

    /// Tells a node that time passed, so that it looks at what waits for it.
    pub fn tick(&mut self, node: usize) -> Result<(), StoreError> {
        self.handle(node, Input::Tick)
    }

    /// Carries out the next event; `None` when nothing is left to happen.
    pub fn step(&mut self) -> Result<Option<Step>, StoreError> {
        let Some(event) = self.queue.advance() else { return Ok(None) };
        self.statistics.events += 1;
        match event {
            Event::Mine => return self.mine().map(Some),
            Event::Churn { node } if self.churning => {
                let is_away = self.nodes[node].is_away;
                self.set_away(node, !is_away)?;
                self.schedule_churn(node);
            }
            Event::Churn { .. } => {}
            Event::Tick { node } => {
                let now_us = self.queue.now_us();
                self.nodes[node].tick_at_us.take_if(|at_us| *at_us <= now_us);
                self.handle(node, Input::Tick)?;
            }
            Event::Gossip { from, to, message } => {
                if self.links.is_up(from, to) && !self.messages[message].see(to) {
                    let id = GossipId(self.fresh_id());
                    self.verdicts.insert(id, (to, from, message));
                    let gossip = self.messages[message].gossip.clone();
                    self.handle(to, Input::Gossip { peer: key(from), id, message: gossip })?;
                }
            }
            Event::Request { from, to, id, request } => {
                if self.links.is_up(from, to) {
                    let inbound = InboundId(self.fresh_id());
                    self.requests.insert(inbound, (to, from, id));
                    self.handle(to, Input::Request { peer: key(from), id: inbound, request })?;
                }
            }
            Event::Response { from, to, id, response } => {
                if self.links.is_up(from, to) {
                    self.handle(to, Input::Response { peer: key(from), id, response })?;
                }
            }
        }
        Ok(Some(Step::Other))
    }

    /// Cuts a link or mends it, as both ends would notice.
    pub fn set_link(&mut self, a: usize, b: usize, up: bool) -> Result<(), StoreError> {
        self.links.set_cut(a, b, !up);
        self.match_link(a, b)
    }

    /// A node leaves with all its links, or comes back to those of its peers that are there.
    fn set_away(&mut self, node: usize, is_away: bool) -> Result<(), StoreError> {
        if self.nodes[node].is_away == is_away {
            return Ok(());
        }
        self.nodes[node].is_away = is_away;
        for index in 0..self.links.peers(node).len() {
            let peer = self.links.peers(node)[index];
            self.match_link(node, peer)?;
        }
        Ok(())
    }

    /// Brings a link up, or takes it down, if what holds it says otherwise.
    fn match_link(&mut self, a: usize, b: usize) -> Result<(), StoreError> {
        let up = !(self.links.is_cut(a, b) || self.nodes[a].is_away || self.nodes[b].is_away);
        if self.links.is_up(a, b) == up {
            return Ok(());
        }
        if up {
            return self.connect(a, b);
        }
        self.links.set_up(a, b, false);
        self.handle(a, Input::PeerDisconnected { peer: key(b) })?;
        self.handle(b, Input::PeerDisconnected { peer: key(a) })
    }

    fn connect(&mut self, a: usize, b: usize) -> Result<(), StoreError> {
        self.links.set_up(a, b, true);
        self.handle(a, Input::PeerConnected { peer: key(b), inbound: false })?;
        self.handle(b, Input::PeerConnected { peer: key(a), inbound: true })
    }

    /// Gives one input to one node and performs what comes out, until the node has nothing left to do at once.
    fn handle(&mut self, node: usize, input: Input) -> Result<(), StoreError> {
        let mut next = Some(input);
        while let Some(input) = next.take() {
            self.trace.input(self.queue.now_us(), node, &input);
            let (now, was_told) = (self.time(), input != Input::Tick);
            let outputs = self.nodes[node].machine.handle(now, input)?;
            if was_told || !outputs.is_empty() {
                self.nodes[node].active_us = self.queue.now_us();
            }
            self.perform(node, outputs)?;
            next = self.nodes[node].machine.has_pending().then_some(Input::Tick);
        }
        if self.nodes[node].machine.wants_tick() {
            let now_us = self.queue.now_us();
            let state = &mut self.nodes[node];
            let wait_us = ((now_us - state.active_us) / TICK_PART).max(TICK_US);
            if state.tick_at_us.is_none_or(|at_us| at_us > now_us + wait_us) {
                state.tick_at_us = Some(now_us + wait_us);
                self.queue.push(wait_us, Event::Tick { node });
            }
        }
        Ok(())
    }

    fn perform(&mut self, node: usize, outputs: Vec<Output>) -> Result<(), StoreError> {
        for output in outputs {
            match output {
                Output::StoreBlock(block) => {
                    let share = self.setup.shares[node] / self.total_share;
                    self.statistics.received(node, share, &block.hash(), self.queue.now_us());
                    self.arena.keep_block(block.hash(), block.block());
                }
                Output::StoreUndo(hash, undo) => self.arena.keep_undo(hash, undo),
                Output::Commit(commit) => self.arena.commit(&self.nodes[node].coins, commit),
                Output::Publish(gossip) => self.publish(node, gossip),
                Output::GossipAcceptance { id, acceptance } => self.judge(id, acceptance),
                Output::Request { peer, id, request } => {
                    let to = number(peer);
                    let event = Event::Request { from: node, to, id, request };
                    self.send(node, to, links::REQUEST_BYTES, event);
                }
                Output::Respond { id, response } => {
                    if let Some((from, to, id)) = self.requests.remove(&id) {
                        let bytes = links::response_bytes(&response, self.setup.links.block_bytes);
                        self.send(from, to, bytes, Event::Response { from, to, id, response });
                    }
                }
                Output::Misbehaviour { .. } => self.statistics.misbehaviours += 1,
                Output::Answer { result, .. } => self.answer = Some(result),
                Output::TipChanged { tip, reorganised, .. } => {
                    self.trace.tip(&tip);
                    self.tips.change(node, tip);
                    self.statistics.reorganised(reorganised);
                }
                Output::StoreTransaction(_)
                | Output::ForgetTransactions(_)
                | Output::MempoolChanged
                | Output::MiningGoalChanged => {}
            }
        }
        Ok(())
    }

    fn publish(&mut self, node: usize, gossip: Gossip) {
        let (id, bytes) = links::gossip_id_and_bytes(&gossip, self.setup.links.block_bytes);
        let words = self.nodes.len().div_ceil(64).max(node / 64 + 1);
        let messages = &mut self.messages;
        let message = *self.message_of.entry(id).or_insert_with(|| {
            messages.push(Message { gossip, bytes, seen: vec![0; words] });
            messages.len() - 1
        });
        self.messages[message].see(node);
        self.forward(node, None, message);
    }

    fn judge(&mut self, id: GossipId, verdict: Acceptance) {
        if let Some((node, from, message)) = self.verdicts.remove(&id)
            && verdict == Acceptance::Accept
        {
            self.forward(node, Some(from), message);
        }
    }

    fn forward(&mut self, from: usize, except: Option<usize>, message: usize) {
        let bytes = self.messages[message].bytes;
        for index in 0..self.links.peers(from).len() {
            let to = self.links.peers(from)[index];
            if Some(to) != except && !self.messages[message].has_seen(to) {
                self.send(from, to, bytes, Event::Gossip { from, to, message });
            }
        }
    }

    fn send(&mut self, from: usize, to: usize, bytes: usize, event: Event) {
        if self.links.is_up(from, to) {
            let now_us = self.queue.now_us();
            let delay_us = self.links.send(from, to, bytes, now_us, &mut self.random);
            self.queue.push(delay_us, event);
        }
    }

    fn schedule_churn(&mut self, node: usize) {
        if let Some(Churn { away, mean_s }) = self.setup.churn {
            let mean_s = if self.nodes[node].is_away { mean_s } else { mean_s * (1.0 - away) / away };
            let wait_s = mean_s * exponential(&mut self.random);
            self.queue.push((wait_s * 1e6) as u64, Event::Churn { node });
        }
    }

    fn fresh_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    fn take_answer(&mut self) -> Answer<Accepted> {
        self.answer.take().unwrap_or_else(|| {
            let detail = "the node did not answer a submission".to_owned();
            Err(Rejection::new(RejectionKind::Policy, "no-answer", detail))
        })
    }
}

fn key(node: usize) -> PeerKey {
    PeerKey(node as u64)
}

fn number(peer: PeerKey) -> usize {
    peer.0 as usize
}
