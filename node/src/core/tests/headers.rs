//! Headers without bodies: how many are kept, and which.

use super::world::*;
use crate::core::event::{Accepted, CallId, Input, Output};
use chain_spec::{BlockHash, ChainSpec, Header};

const COIN: u64 = 100_000_000;

/// A branch of headers whose blocks nobody has.
fn branch(parent: &Header, length: u32, tag: u64, spec: &ChainSpec) -> Vec<Header> {
    let mut headers: Vec<Header> = Vec::new();
    for place in 0..length {
        let parent = headers.last().unwrap_or(parent);
        let root = chain_spec::hash::sha256(&[tag.to_le_bytes(), u64::from(place).to_le_bytes()].concat());
        let header = Header {
            version: 0x2000_0000,
            previous: parent.hash(),
            merkle_root: chain_spec::MerkleRoot::from_bytes(root),
            time: parent.time + 1,
            bits: spec.initial_target,
            nonce: 0,
        };
        headers.push(chain_spec::fixture::solve(header));
    }
    headers
}

fn submit(node: &mut Node, headers: &[Header]) -> Vec<BlockHash> {
    let mut forgotten = Vec::new();
    for header in headers {
        let outputs = node.handle(Input::SubmitHeader { call: CallId(0), header: *header });
        for output in outputs {
            match output {
                Output::Commit(commit) => forgotten.extend(commit.forgotten),
                Output::Answer { result, .. } => assert_eq!(result, Ok(Accepted::Inconclusive)),
                _ => {}
            }
        }
    }
    forgotten
}

#[test]
fn branches_of_headers_alone_are_bounded_and_those_that_grew_last_stay() {
    let spec = spec();
    let mut node = Node::new(&spec, 1);
    let blocks: Vec<_> = (0..5).map(|_| node.mine()).collect();
    // The best header chain, far longer than the bound.
    let best = branch(&blocks[4].header, 3 * HEADERS_ASIDE_MAX as u32, 1, &spec);
    assert_eq!(submit(&mut node, &best), vec![], "the best header chain is never dropped");
    let mut forgotten = Vec::new();
    let weak: Vec<Vec<Header>> =
        (0..2 * HEADERS_ASIDE_MAX as u64).map(|tag| branch(&blocks[1].header, 2, tag + 10, &spec)).collect();
    for branch in &weak {
        forgotten.extend(submit(&mut node, branch));
    }
    let known =
        |node: &Node, headers: &[Header]| headers.iter().filter(|h| node.core.summary(&h.hash()).is_some()).count();
    let kept: usize = weak.iter().map(|branch| known(&node, branch)).sum();
    assert!(kept <= HEADERS_ASIDE_MAX, "{kept} are kept");
    assert_eq!(kept + forgotten.len(), weak.len() * 2);
    assert_eq!(known(&node, &best), best.len());
    assert!(weak[weak.len() - 10..].iter().all(|branch| known(&node, branch) == 2), "the last ones stay");
    assert_eq!(known(&node, &weak[0]), 0);
    assert_eq!(node.core.best_header().hash, best[best.len() - 1].hash());
    assert_eq!(node.tip(), blocks[4].hash());
    // A header is never kept without its parent, and what was dropped may come again.
    for branch in &weak {
        assert!(known(&node, &branch[..1]) >= known(&node, &branch[1..]));
    }
    submit(&mut node, &weak[0]);
    assert_eq!(known(&node, &weak[0]), 2);

    let mut node = node.restart();
    let after: usize = weak.iter().map(|branch| known(&node, branch)).sum();
    assert!(after <= HEADERS_ASIDE_MAX, "{after} came back from the store");
    assert_eq!(known(&node, &best), best.len());
    node.mine();
}

#[test]
fn blocks_go_on_after_headers_were_dropped() {
    let spec = spec();
    let mut node = Node::new(&spec, 1);
    let first = node.mine();
    // Bodies that wait for their parent's, on a branch that ends up the best: their places move, their link does not.
    let rival: Vec<_> = (1..=6)
        .scan(spec.genesis.header, |parent, height| {
            let block = block_on(parent, height, &[], 50 * COIN, 3, &spec);
            *parent = block.header;
            Some(block)
        })
        .collect();
    let flood: Vec<Vec<Header>> =
        (0..2 * HEADERS_ASIDE_MAX as u64).map(|tag| branch(&first.header, 1, tag, &spec)).collect();
    let (before, after) = flood.split_at(HEADERS_ASIDE_MAX);
    before.iter().for_each(|branch| drop(submit(&mut node, branch)));
    let headers: Vec<Header> = rival.iter().map(|block| block.header).collect();
    submit(&mut node, &headers);
    for block in rival.iter().skip(1).rev() {
        node.submit(block).unwrap();
    }
    let dropped: usize = after.iter().map(|branch| submit(&mut node, branch).len()).sum();
    assert!(dropped > 0);
    assert_eq!(node.submit(&rival[0]), Ok(Accepted::Active));
    assert_eq!(node.tip(), rival[5].hash());
    let node = node.restart();
    assert_eq!(node.tip(), rival[5].hash());
}
