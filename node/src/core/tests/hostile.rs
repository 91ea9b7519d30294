//! What one peer may try: announcements that do not fit their block, headers without end or without work.

use super::world::*;
use crate::core::chainstate::work_of;
use crate::core::event::{Accepted, GossipId, InboundId, Input, Misbehaviour, Output, PeerKey, RequestId};
use crate::core::message::{CompactBlock, Gossip, HEADERS_PER_MESSAGE_MAX, Request, Response};
use crate::core::peers::headers::LOW_WORK_BLOCKS;
use crate::core::store::Status;
use chain_spec::{Block, ChainSpec, Header, Transaction};
use std::sync::Arc;

const COIN: u64 = 100_000_000;
const PEER: PeerKey = PeerKey(1);

/// The last request to the peer that fits.
fn asked(outputs: &[Output], fits: impl Fn(&Request) -> bool) -> Option<RequestId> {
    outputs.iter().rev().find_map(|output| match output {
        Output::Request { peer: PEER, id, request } if fits(request) => Some(*id),
        _ => None,
    })
}

fn asked_headers(outputs: &[Output]) -> RequestId {
    asked(outputs, |request| matches!(request, Request::Headers { .. })).expect("headers are asked for")
}

fn offences(outputs: &[Output]) -> Vec<Misbehaviour> {
    let offence = |output: &Output| match output {
        Output::Misbehaviour { peer: PEER, misbehaviour } => Some(misbehaviour.clone()),
        _ => None,
    };
    outputs.iter().filter_map(offence).collect()
}

fn respond(node: &mut Node, id: RequestId, response: Response) -> Vec<Output> {
    node.handle(Input::Response { peer: PEER, id, response })
}

/// A node that a peer has told that it knows no more.
fn connected(spec: &Arc<ChainSpec>) -> Node {
    let mut node = Node::new(spec, 1);
    let outputs = node.handle(Input::PeerConnected { peer: PEER, inbound: true });
    respond(&mut node, asked_headers(&outputs), Response::Headers(vec![]));
    node
}

/// Announces a block, and lets the body be put together.
fn announce(node: &mut Node, compact: CompactBlock) -> Vec<Output> {
    let message = Gossip::Block(Arc::new(compact));
    let mut outputs = node.handle(Input::Gossip { peer: PEER, id: GossipId(1), message });
    outputs.extend(node.handle(Input::Tick));
    outputs
}

fn asked_whole(outputs: &[Output], block: &Block) -> RequestId {
    let whole = |request: &Request| matches!(request, Request::Blocks { hashes } if *hashes == [block.hash()]);
    asked(outputs, whole).expect("the whole block is asked for")
}

fn payment(spec: &ChainSpec, index: u32) -> Arc<Transaction> {
    spend(&[genesis_coin(spec, index).0], 0, &[(9 * COIN, 1)])
}

#[test]
fn an_announcement_that_repeats_its_end_does_not_mark_the_block_invalid() {
    // CVE-2012-2459 through a compact block: three leaves and four with the last one repeated have one root.
    let spec = spec();
    let mut node = connected(&spec);
    let payments = [payment(&spec, 0), payment(&spec, 1)];
    for payment in &payments {
        node.pay(payment).unwrap();
    }
    let block = block_on(&spec.genesis.header, 1, &payments, 50 * COIN, 0, &spec);
    let mut compact = CompactBlock::new(&block, 7);
    compact.short_ids.push(compact.short_ids[1]);
    let outputs = announce(&mut node, compact);
    let mut mutated = Block::clone(&block);
    mutated.transactions.push(mutated.transactions[2].clone());
    let outputs = respond(&mut node, asked_whole(&outputs, &block), Response::Blocks(vec![Arc::new(mutated)]));
    assert!(matches!(offences(&outputs)[..], [Misbehaviour::BadAnswer(_)]), "{outputs:?}");
    assert_eq!(node.core.summary(&block.hash()).unwrap().status, Status::Header);
    assert_eq!(node.submit(&block), Ok(Accepted::Active));
}

#[test]
fn a_pooled_transaction_with_another_s_short_id_costs_only_the_whole_block() {
    let spec = spec();
    let mut node = connected(&spec);
    let (pooled, mined) = (payment(&spec, 0), payment(&spec, 1));
    node.pay(&pooled).unwrap();
    let block = block_on(&spec.genesis.header, 1, std::slice::from_ref(&mined), 50 * COIN, 0, &spec);
    let other = block_on(&spec.genesis.header, 1, &[pooled], 50 * COIN, 0, &spec);
    // The short id under this block's key that the pooled transaction has.
    let mut collision = Block::clone(&other);
    collision.header = block.header;
    let compact = CompactBlock::new(&collision, 7);
    let outputs = announce(&mut node, compact);
    assert_eq!(offences(&outputs), vec![], "nobody is to blame for a collision");
    let id = asked_whole(&outputs, &block);
    assert_eq!(node.core.summary(&block.hash()).unwrap().status, Status::Header);
    let outputs = respond(&mut node, id, Response::Blocks(vec![block.clone()]));
    assert_eq!((offences(&outputs), node.tip()), (vec![], block.hash()));
}

/// Solved headers on a block.
fn headers_on(parent: &Header, count: usize) -> Vec<Header> {
    let mut headers: Vec<Header> = Vec::with_capacity(count);
    for _ in 0..count {
        let parent = headers.last().unwrap_or(parent);
        let header = Header { previous: parent.hash(), time: parent.time + 1, nonce: 0, ..*parent };
        headers.push(chain_spec::fixture::solve(Header { version: 0x2000_0000, ..header }));
    }
    headers
}

#[test]
fn more_headers_than_a_message_may_hold_are_a_flood() {
    let spec = spec();
    for (count, offence) in [
        (HEADERS_PER_MESSAGE_MAX, None),
        (HEADERS_PER_MESSAGE_MAX + 1, Some(Misbehaviour::Flood("headers in one message"))),
    ] {
        let mut node = Node::new(&spec, 1);
        let outputs = node.handle(Input::PeerConnected { peer: PEER, inbound: true });
        let headers = headers_on(&spec.genesis.header, count);
        let outputs = respond(&mut node, asked_headers(&outputs), Response::Headers(headers.clone()));
        assert_eq!(offences(&outputs), Vec::from_iter(offence.clone()));
        assert_eq!(node.core.summary(&headers[0].hash()).is_some(), offence.is_none());
    }
}

#[test]
fn headers_of_little_work_are_not_kept_until_they_have_shown_enough() {
    let spec = spec();
    let mut node = connected(&spec);
    for _ in 0..LOW_WORK_BLOCKS + 20 {
        node.mine();
    }
    let enough = node.core.chainstate.work_below_tip(LOW_WORK_BLOCKS);
    let each = work_of(&node.core.tip().header);
    let genesis_work = work_of(&spec.genesis.header);
    let branch = headers_on(&spec.genesis.header, 40);
    let work = |count: usize| (0..count).fold(genesis_work, |sum, _| sum.saturating_add(each));
    let needed = (1..40).find(|count| work(*count) >= enough).unwrap();
    let ask = |node: &mut Node, peer: PeerKey| {
        node.handle(Input::PeerDisconnected { peer });
        let outputs = node.handle(Input::PeerConnected { peer, inbound: true });
        asked_headers(&outputs)
    };
    let is_known = |node: &Node| node.core.summary(&branch[0].hash()).is_some();
    let id = ask(&mut node, PEER);
    let outputs = respond(&mut node, id, Response::Headers(branch[..needed - 1].to_vec()));
    assert_eq!(
        (offences(&outputs), is_known(&node)),
        (vec![], false),
        "for too little work nobody is blamed, and nothing is kept"
    );
    let id = ask(&mut node, PEER);
    respond(&mut node, id, Response::Headers(branch[..needed].to_vec()));
    assert!(is_known(&node));
}

fn announced_by(node: &mut Node, peer: PeerKey, number: u64, compact: CompactBlock) -> Vec<Output> {
    let message = Gossip::Block(Arc::new(compact));
    let mut outputs = node.handle(Input::Gossip { peer, id: GossipId(number), message });
    outputs.extend(node.handle(Input::Tick));
    outputs
}

/// Three peers at most, one place kept for a peer that this node chose; each may complete the block.
#[test]
fn a_block_is_put_together_with_several_peers_help_and_one_place_is_kept_for_an_outbound_one() {
    let spec = spec();
    let mut node = Node::new(&spec, 1);
    let payment = payment(&spec, 0);
    let block = block_on(&spec.genesis.header, 1, std::slice::from_ref(&payment), 50 * COIN, 0, &spec);
    for peer in 1..=5 {
        node.handle(Input::PeerConnected { peer: PeerKey(peer), inbound: peer != 4 });
    }
    let mut asked = Vec::new();
    let mut honest = None;
    for peer in 1..=5 {
        let mut compact = CompactBlock::new(&block, peer);
        if peer < 4 {
            compact.short_ids[0] ^= 1;
        }
        for output in announced_by(&mut node, PeerKey(peer), peer, compact) {
            if let Output::Request { peer, id, request: Request::BlockTransactions { .. } } = output {
                asked.push(peer.0);
                honest = (peer == PeerKey(4)).then_some(id).or(honest);
            }
        }
    }
    assert_eq!(asked, vec![1, 2, 4], "two that dialled us, and the one we dialled");
    let response = Response::BlockTransactions(vec![payment]);
    let id = honest.expect("the outbound peer was asked");
    node.handle(Input::Response { peer: PeerKey(4), id, response });
    assert_eq!(node.tip(), block.hash());
}

/// Announcements are forwarded before anybody has the body.
#[test]
fn whoever_forwarded_an_announcement_with_a_made_up_short_id_is_not_blamed() {
    let spec = spec();
    let mut node = connected(&spec);
    let payment = payment(&spec, 0);
    let block = block_on(&spec.genesis.header, 1, std::slice::from_ref(&payment), 50 * COIN, 0, &spec);
    let mut compact = CompactBlock::new(&block, 7);
    compact.short_ids[0] ^= 1;
    let outputs = announce(&mut node, compact);
    let id = asked(&outputs, |request| matches!(request, Request::BlockTransactions { .. })).expect("they are asked");
    let outputs = respond(&mut node, id, Response::BlockTransactions(vec![payment]));
    assert_eq!(offences(&outputs), vec![]);
    let outputs = respond(&mut node, asked_whole(&outputs, &block), Response::Blocks(vec![block.clone()]));
    assert_eq!((offences(&outputs), node.tip()), (vec![], block.hash()));
}

#[test]
fn a_block_or_transaction_named_twice_in_a_request_is_not_served() {
    let spec = spec();
    let mut node = connected(&spec);
    let block = node.mine().hash();
    let mut ask = |request: Request| node.handle(Input::Request { peer: PEER, id: InboundId(1), request });
    let outputs = ask(Request::Blocks { hashes: vec![block, block] });
    assert_eq!(offences(&outputs), vec![Misbehaviour::Flood("one block named twice in a request")]);
    assert!(outputs.contains(&Output::Respond { id: InboundId(1), response: Response::Blocks(vec![]) }));
    let outputs = ask(Request::Blocks { hashes: vec![block] });
    assert!(outputs.iter().any(
        |output| matches!(output, Output::Respond { response: Response::Blocks(blocks), .. } if blocks.len() == 1)
    ));
}
