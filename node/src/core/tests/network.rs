//! Several cores under virtual time: late joiners, partitions, compact blocks, liars. Messages take ten milliseconds; what
//! happens is a function of the inputs alone.

use super::world::*;
use crate::core::event::*;
use crate::core::message::{CompactBlock, Gossip, Request, Response};
use chain_spec::{BlockHash, ChainSpec};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

mod pruned;

const COIN: u64 = 100_000_000;
const LATENCY_MS: u64 = 10;

/// What a dishonest node does to its answers.
type Lie = fn(Response) -> Option<Response>;

/// Something that arrives.
enum Event {
    Input(usize, Input),
    Gossip { to: usize, from: usize, message: Gossip },
    Ask { to: usize, from: usize, id: RequestId, request: Request },
    Answer { to: usize, from: usize, id: RequestId, response: Response },
}

/// Cores and the wires between them.
struct Network {
    nodes: Vec<Node>,
    lies: BTreeMap<usize, Lie>,
    latency_ms: u64,
    now: u64,
    queue: BTreeMap<(u64, u64), Event>,
    sequence: u64,
    /// How each node calls each neighbour.
    keys: BTreeMap<(usize, usize), PeerKey>,
    /// Which messages each node has seen.
    seen: BTreeSet<(usize, BlockHash)>,
    gossip: BTreeMap<(usize, GossipId), (usize, Gossip)>,
    asked: BTreeMap<(usize, InboundId), (usize, RequestId)>,
    offences: Vec<(usize, usize, Misbehaviour)>,
    requests: Vec<(usize, Request)>,
}

fn message_id(message: &Gossip) -> BlockHash {
    match message {
        Gossip::Transaction(transaction) => BlockHash::from_bytes(*transaction.txid().as_bytes()),
        Gossip::Block(compact) => compact.header.hash(),
    }
}

impl Network {
    fn new(count: usize, spec: &Arc<ChainSpec>) -> Network {
        let nodes: Vec<Node> = (0..count).map(|seed| Node::new(spec, seed as u64)).collect();
        let now = nodes[0].now.0;
        Network {
            nodes,
            lies: BTreeMap::new(),
            latency_ms: LATENCY_MS,
            now,
            queue: BTreeMap::new(),
            sequence: 0,
            keys: BTreeMap::new(),
            seen: BTreeSet::new(),
            gossip: BTreeMap::new(),
            asked: BTreeMap::new(),
            offences: Vec::new(),
            requests: Vec::new(),
        }
    }

    fn post(&mut self, delay_ms: u64, event: Event) {
        self.sequence += 1;
        self.queue.insert((self.now + delay_ms, self.sequence), event);
    }

    fn connect(&mut self, a: usize, b: usize) {
        for (me, other, inbound) in [(a, b, false), (b, a, true)] {
            self.sequence += 1;
            let peer = PeerKey(self.sequence);
            self.keys.insert((me, other), peer);
            self.post(0, Event::Input(me, Input::PeerConnected { peer, inbound }));
        }
    }

    fn cut(&mut self, a: usize, b: usize) {
        for (me, other) in [(a, b), (b, a)] {
            if let Some(peer) = self.keys.remove(&(me, other)) {
                self.post(0, Event::Input(me, Input::PeerDisconnected { peer }));
            }
        }
    }

    fn neighbours(&self, node: usize) -> Vec<usize> {
        self.keys.keys().filter(|(me, _)| *me == node).map(|(_, other)| *other).collect()
    }

    fn who(&self, node: usize, peer: PeerKey) -> Option<usize> {
        self.keys.iter().find(|((me, _), key)| *me == node && **key == peer).map(|((_, other), _)| *other)
    }

    /// Lets time pass; every node ticks ten times a second, and at once while work is left over.
    fn run(&mut self, ms: u64) {
        let end = self.now + ms;
        while self.now < end {
            let tick = self.now - self.now % 100 + 100;
            match self.queue.first_key_value().map(|((at, _), _)| *at).filter(|at| *at < tick.min(end)) {
                Some(at) => {
                    self.now = at;
                    if let Some((_, event)) = self.queue.pop_first() {
                        self.arrive(event);
                    }
                }
                None => {
                    self.now = tick.min(end);
                    (0..self.nodes.len()).for_each(|node| self.input(node, Input::Tick));
                }
            }
        }
    }

    fn arrive(&mut self, event: Event) {
        match event {
            Event::Input(node, input) => self.input(node, input),
            Event::Gossip { to, from, message } => {
                let Some(peer) = self.keys.get(&(to, from)).copied() else { return };
                if self.seen.insert((to, message_id(&message))) {
                    self.sequence += 1;
                    let id = GossipId(self.sequence);
                    self.gossip.insert((to, id), (from, message.clone()));
                    self.input(to, Input::Gossip { peer, id, message });
                }
            }
            Event::Ask { to, from, id, request } => {
                let Some(peer) = self.keys.get(&(to, from)).copied() else { return };
                self.sequence += 1;
                let inbound = InboundId(self.sequence);
                self.asked.insert((to, inbound), (from, id));
                self.input(to, Input::Request { peer, id: inbound, request });
                assert!(!self.asked.contains_key(&(to, inbound)), "every request gets an answer");
            }
            Event::Answer { to, from, id, response } => {
                let Some(peer) = self.keys.get(&(to, from)).copied() else { return };
                self.input(to, Input::Response { peer, id, response });
            }
        }
    }

    fn input(&mut self, node: usize, input: Input) {
        self.nodes[node].now = Time(self.now);
        let outputs = self.nodes[node].handle(input);
        self.perform(node, outputs);
        while self.nodes[node].core.has_pending() {
            let outputs = self.nodes[node].handle(Input::Tick);
            self.perform(node, outputs);
        }
    }

    fn perform(&mut self, node: usize, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Publish(message) => {
                    self.seen.insert((node, message_id(&message)));
                    self.spread(node, None, message);
                }
                Output::GossipAcceptance { id, acceptance } => {
                    let (from, message) = self.gossip.remove(&(node, id)).expect("one acceptance each");
                    if acceptance == Acceptance::Accept {
                        self.spread(node, Some(from), message);
                    }
                }
                Output::Request { peer, id, request } => {
                    self.requests.push((node, request.clone()));
                    if let Some(to) = self.who(node, peer) {
                        self.post(self.latency_ms, Event::Ask { to, from: node, id, request });
                    }
                }
                Output::Respond { id, response } => {
                    let (to, id) = self.asked.remove(&(node, id)).expect("one answer each");
                    let lie = self.lies.get(&node);
                    if let Some(response) = lie.map_or(Some(response.clone()), |lie| lie(response)) {
                        self.post(self.latency_ms, Event::Answer { to, from: node, id, response });
                    }
                }
                Output::Misbehaviour { peer, misbehaviour } => {
                    if let Some(other) = self.who(node, peer) {
                        self.offences.push((node, other, misbehaviour));
                    }
                }
                _ => {}
            }
        }
    }

    fn spread(&mut self, node: usize, except: Option<usize>, message: Gossip) {
        for to in self.neighbours(node).into_iter().filter(|to| Some(*to) != except) {
            self.post(self.latency_ms, Event::Gossip { to, from: node, message: message.clone() });
        }
    }

    fn mine(&mut self, node: usize, count: u32) {
        for _ in 0..count {
            let template = self.nodes[node].core.template(&lock(9), Time(self.now));
            let block = solve(template.block);
            self.input(node, Input::SubmitBlock { call: CallId(0), block });
        }
    }

    fn pay(&mut self, node: usize, coin: u32) {
        let spec = self.nodes[node].core.spec().clone();
        let transaction = spend(&[genesis_coin(&spec, coin).0], 0, &[(9 * COIN, 1)]);
        self.input(node, submission(CallId(0), &transaction));
    }

    fn assert_one_tip(&self) {
        let tips: BTreeSet<BlockHash> = self.nodes.iter().map(Node::tip).collect();
        let heights: Vec<u32> = self.nodes.iter().map(|node| node.core.tip().height).collect();
        assert_eq!(tips.len(), 1, "heights {heights:?}, offences {:?}", self.offences);
        for node in &self.nodes[1..] {
            assert_eq!(node.coins(), self.nodes[0].coins());
        }
    }
}

#[test]
fn a_late_joiner_catches_up_from_several_peers_and_learns_the_mempool() {
    let spec = spec();
    let mut network = Network::new(4, &spec);
    network.connect(0, 1);
    network.connect(0, 2);
    network.connect(1, 2);
    network.mine(0, 120);
    network.run(1_000);
    (0..5).for_each(|coin| network.pay(1, coin));
    network.run(1_000);
    network.connect(3, 0);
    network.connect(1, 3);
    network.connect(2, 3);
    network.run(1_500);
    network.assert_one_tip();
    assert_eq!(network.nodes[3].core.mempool().len(), 5);
    assert_eq!(network.offences, vec![]);
    let served: BTreeSet<usize> = network.requests.iter().map(|(node, _)| *node).collect();
    assert!(served.contains(&3));
    let state = network.nodes[3].core.peer(network.keys[&(3, 0)]).unwrap();
    assert_eq!(state.best_header.unwrap().1, 120);
    assert_eq!(state.starting_height, Some(120));
    // It never said so, but it was given all headers.
    let state = network.nodes[0].core.peer(network.keys[&(0, 3)]).unwrap();
    assert_eq!(state.best_header.unwrap().1, 120);
    assert_eq!(state.common_height, Some(120));
}

#[test]
fn a_payment_and_a_block_reach_the_end_of_a_line_without_any_request() {
    let spec = spec();
    let mut network = Network::new(5, &spec);
    (0..4).for_each(|node| network.connect(node, node + 1));
    network.run(500);
    (0..10).for_each(|coin| network.pay(0, coin));
    network.run(4 * LATENCY_MS + 1);
    assert_eq!(network.nodes[4].core.mempool().len(), 10);
    network.requests.clear();
    network.mine(0, 1);
    network.run(4 * LATENCY_MS + 1);
    network.assert_one_tip();
    assert_eq!(network.requests, vec![], "short ids are enough");
}

#[test]
fn what_a_compact_block_lacks_is_asked_for() {
    let spec = spec();
    let mut network = Network::new(3, &spec);
    network.connect(0, 1);
    network.connect(1, 2);
    network.run(100);
    // Nobody else hears of these: mined before the gossip can arrive, since it is never sent.
    let payments: Vec<_> = (0..3).map(|i| spend(&[genesis_coin(&spec, i).0], 0, &[(9 * COIN, 1)])).collect();
    let block = block_on(&spec.genesis.header, 1, &payments, 50 * COIN, 7, &spec);
    network.requests.clear();
    network.input(0, Input::SubmitBlock { call: CallId(0), block: block.clone() });
    network.run(400);
    network.assert_one_tip();
    let asked: Vec<&Request> = network.requests.iter().map(|(_, request)| request).collect();
    let expected = Request::BlockTransactions { block: block.hash(), indexes: vec![1, 2, 3] };
    assert!(asked.contains(&&expected), "{asked:?}");
    assert!(!asked.iter().any(|request| matches!(request, Request::Blocks { .. })), "{asked:?}");
}

#[test]
fn a_child_that_comes_before_its_parent_is_forwarded_once_the_parent_comes() {
    let spec = spec();
    let mut network = Network::new(3, &spec);
    network.connect(0, 1);
    network.connect(1, 2);
    network.run(100);
    let parent = spend(&[genesis_coin(&spec, 0).0], 0, &[(9 * COIN, 1)]);
    let child = spend(&[outpoint(&parent, 0)], 1, &[(8 * COIN, 2)]);
    let stranger = spend(&[outpoint(&child, 7)], 2, &[(COIN, 2)]);
    for orphan in [&child, &stranger] {
        let message = Gossip::Transaction(orphan.clone());
        network.post(0, Event::Gossip { to: 1, from: 0, message });
    }
    network.run(500);
    assert_eq!(network.gossip.len(), 2, "both verdicts are held");
    network.input(0, submission(CallId(0), &parent));
    network.run(500);
    assert_eq!(network.nodes[2].pool(), vec![parent.txid(), child.txid()]);
    network.run(3_000);
    assert_eq!(network.gossip.len(), 0, "every message gets a acceptance in the end");
    assert_eq!(network.offences, vec![]);
}

#[test]
fn a_partition_heals_to_the_longer_branch_within_a_second() {
    let spec = spec();
    let mut network = Network::new(5, &spec);
    for (a, b) in [(0, 1), (1, 2), (2, 3), (3, 4), (4, 0)] {
        network.connect(a, b);
    }
    network.mine(0, 3);
    network.run(1_000);
    network.cut(1, 2);
    network.cut(4, 0);
    network.mine(0, 4);
    network.pay(1, 3);
    network.mine(3, 30);
    network.run(60_000);
    assert_ne!(network.nodes[0].tip(), network.nodes[3].tip());
    network.connect(1, 2);
    network.connect(4, 0);
    network.run(1_000);
    network.assert_one_tip();
    assert_eq!(network.nodes[0].core.tip().height, 33);
    for node in &network.nodes {
        assert_eq!(node.core.mempool().len(), 1, "the payment made it across");
    }
    assert_eq!(network.offences, vec![]);
}

#[test]
fn a_peer_that_sends_other_bodies_or_none_is_found_out_and_its_work_done_by_another() {
    let lies: [(Lie, &str); 3] = [
        (
            |response| match response {
                Response::Blocks(_) => None,
                other => Some(other),
            },
            "silence",
        ),
        (
            |response| match response {
                Response::Blocks(blocks) => Some(Response::Blocks(
                    blocks
                        .into_iter()
                        .map(|block| {
                            let mut block = Arc::unwrap_or_clone(block);
                            block.transactions[0].lock_time = 1;
                            Arc::new(block)
                        })
                        .collect(),
                )),
                other => Some(other),
            },
            "other bodies",
        ),
        (
            |response| match response {
                Response::Blocks(_) => Some(Response::Blocks(Vec::new())),
                other => Some(other),
            },
            "nothing",
        ),
    ];
    for (lie, name) in lies {
        let spec = spec();
        let mut network = Network::new(3, &spec);
        network.connect(0, 1);
        network.mine(0, 60);
        network.run(2_000);
        network.assert_one_tip_of(&[0, 1]);
        network.lies.insert(0, lie);
        network.connect(0, 2);
        network.run(100);
        network.connect(1, 2);
        network.run(30_000);
        network.assert_one_tip();
        let found: BTreeSet<usize> = network.offences.iter().map(|(_, other, _)| *other).collect();
        assert!(found.iter().all(|other| *other == 0), "{name}: nobody honest is blamed: {:?}", network.offences);
        if name != "nothing" {
            assert!(!found.is_empty(), "{name}: the liar is found out");
        }
    }
}

impl Network {
    fn assert_one_tip_of(&self, nodes: &[usize]) {
        let tips: BTreeSet<BlockHash> = nodes.iter().map(|node| self.nodes[*node].tip()).collect();
        assert_eq!(tips.len(), 1);
    }
}

#[test]
fn the_same_inputs_give_the_same_history() {
    let trace = || {
        let spec = spec();
        let mut network = Network::new(4, &spec);
        for (a, b) in [(0, 1), (1, 2), (2, 3), (3, 0)] {
            network.connect(a, b);
        }
        (0..8).for_each(|coin| network.pay(coin as usize % 4, coin));
        for node in [0, 2, 1, 3, 2] {
            network.mine(node, 2);
            network.run(15);
        }
        network.run(2_000);
        // Branches of equal work stay where they were seen first; one more block decides.
        network.mine(0, 1);
        network.run(2_000);
        network.assert_one_tip();
        (network.nodes[0].tip(), network.requests)
    };
    assert_eq!(trace(), trace());
}

/// A hub that was down comes back between a payer and a miner: both ask it for its mempool before it has anything.
#[test]
fn a_payment_spreads_beyond_a_relay_that_has_just_started() {
    let spec = spec();
    let mut network = Network::new(3, &spec);
    network.pay(1, 0);
    network.run(1_000);
    network.connect(0, 1);
    network.connect(0, 2);
    network.run(1_000);
    assert_eq!(network.nodes[0].core.mempool().len(), 1);
    assert_eq!(network.nodes[2].core.mempool().len(), 1, "the payment did not go beyond the relay");
}

#[test]
fn a_payment_whose_gossip_nobody_heard_is_told_again() {
    let spec = spec();
    let mut network = Network::new(2, &spec);
    network.connect(0, 1);
    network.run(1_000);
    // Both know each other's mempools by now. The gossip is lost.
    let transaction = spend(&[genesis_coin(&spec, 0).0], 0, &[(9 * COIN, 1)]);
    network.nodes[0].handle(submission(CallId(0), &transaction));
    network.run(4_000);
    assert_eq!(network.nodes[1].core.mempool().len(), 0);
    network.run(2_000);
    assert_eq!(network.nodes[1].core.mempool().len(), 1);
}

/// The slowest links that a network may be given take ten seconds each way.
#[test]
fn nodes_behind_the_slowest_links_accepted_still_find_each_other_s_chain() {
    let spec = spec();
    let mut network = Network::new(3, &spec);
    network.latency_ms = 10_000;
    network.connect(0, 1);
    network.mine(0, 40);
    network.mine(2, 3);
    network.run(200_000);
    network.connect(1, 2);
    network.run(200_000);
    network.assert_one_tip();
    assert_eq!(network.nodes[2].core.tip().height, 40);
    assert_eq!(network.offences, vec![]);
}

/// Whoever announces a block first does not own it: one that never sends what its announcement lacks costs a second, not the
/// time a peer has for an answer.
#[test]
fn a_block_announced_by_a_silent_peer_comes_from_another_within_a_second() {
    let spec = spec();
    let mut network = Network::new(3, &spec);
    network.connect(0, 1);
    network.connect(2, 1);
    network.run(1_000);
    let payment = spend(&[genesis_coin(&spec, 0).0], 0, &[(9 * COIN, 1)]);
    let block = block_on(&spec.genesis.header, 1, &[payment], 50 * COIN, 7, &spec);
    network.lies.insert(0, |response| match response {
        Response::BlockTransactions(_) | Response::Blocks(_) | Response::Headers(_) => None,
        other => Some(other),
    });
    let mut bogus = CompactBlock::new(&block, 0);
    bogus.short_ids[0] ^= 1;
    network.post(0, Event::Gossip { to: 1, from: 0, message: Gossip::Block(Arc::new(bogus)) });
    network.run(100);
    network.cut(0, 2);
    network.input(2, Input::SubmitBlock { call: CallId(0), block: block.clone() });
    network.run(1_100);
    assert_eq!(network.nodes[1].tip(), block.hash());
}
