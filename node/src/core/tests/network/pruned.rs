//! Pruned nodes among others: a late joiner has old blocks from whoever keeps them, and blames nobody for not having them.

use super::*;
use crate::core::store::memory::MemoryStore;
use crate::core::{Config, Prune};

/// Blocks that the chain has before anybody joins: those below height 112 may be pruned.
const BLOCKS: u32 = 400;

/// The first node has pruned what it may, the second keeps all and the third is new. Nobody is connected.
fn network(spec: &Arc<ChainSpec>) -> Network {
    let mut network = Network::new(3, spec);
    let config = Config { prune: Prune::Manual, prune_after_height: 0, ..config(0) };
    network.nodes[0] = Node::with(spec, config, MemoryStore::new()).unwrap();
    for _ in 0..BLOCKS {
        let block = network.nodes[0].mine();
        network.nodes[1].submit(&block).unwrap();
    }
    network.input(0, Input::Prune { call: CallId(0), height: BLOCKS });
    assert_eq!(network.nodes[0].core.prune_height(), Some(109));
    network
}

fn height(network: &Network, node: usize) -> u32 {
    network.nodes[node].core.tip().height
}

#[test]
fn old_blocks_come_from_a_node_that_keeps_them_and_nobody_is_punished() {
    let mut network = network(&spec());
    network.connect(2, 0);
    network.run(60_000);
    assert_eq!(height(&network, 2), 0, "the only peer has pruned the first blocks");
    assert_eq!(network.nodes[2].core.best_header().height, BLOCKS, "headers are there");
    let asked = |network: &Network| network.requests.iter().filter(|(node, _)| *node == 2).count();
    let before = asked(&network);
    network.run(60_000);
    assert!(asked(&network) - before < 30, "what it has not is not asked again and again, only for news");
    network.connect(2, 1);
    network.run(20_000);
    network.assert_one_tip();
    assert_eq!(network.offences, vec![]);
}

#[test]
fn a_node_that_was_away_for_a_while_needs_nobody_but_a_pruned_one() {
    let mut network = network(&spec());
    for height in 1..=150 {
        let hash = network.nodes[1].core.active_hash(height).unwrap();
        let block = network.nodes[1].core.block(&hash).unwrap().unwrap();
        network.nodes[2].submit(&block).unwrap();
    }
    network.connect(2, 0);
    network.run(10_000);
    network.assert_one_tip();
    assert_eq!(network.offences, vec![]);
}

#[test]
fn who_claims_to_have_pruned_what_a_pruned_node_keeps_does_not_deliver() {
    let mut network = network(&spec());
    network.lies.insert(1, |response| match response {
        Response::Blocks(_) => Some(Response::Pruned { from_height: u32::MAX }),
        other => Some(other),
    });
    network.connect(2, 1);
    network.run(60_000);
    assert_eq!(network.offences, vec![(2, 1, Misbehaviour::BadAnswer("none of the blocks it promised"))]);
}
