//! A node with fork rules: which branch it follows, and that it never follows one without being asked to.

use super::world::*;
use crate::core::Config;
use crate::core::event::{Accepted, BlockOverride};
use crate::core::store::memory::MemoryStore;
use chain_spec::{Block, ChainSpec};
use std::sync::Arc;

const REWARD: u64 = 50 * 100_000_000;

fn node(spec: &Arc<ChainSpec>, rules: &str, seed: u64) -> Node {
    let config = Config { fork_rules: rules.parse().unwrap(), ..config(seed) };
    Node::with(spec, config, MemoryStore::new()).unwrap()
}

/// So many blocks on genesis; `tag` tells branches apart.
fn branch(spec: &ChainSpec, blocks: u32, tag: u64) -> Vec<Arc<Block>> {
    let mut branch: Vec<Arc<Block>> = Vec::new();
    for height in 1..=blocks {
        let parent = branch.last().map_or(spec.genesis.header, |block| block.header);
        branch.push(block_on(&parent, height, &[], REWARD, tag, spec));
    }
    branch
}

fn feed(node: &mut Node, blocks: &[Arc<Block>]) {
    for block in blocks {
        node.submit(block).unwrap();
    }
}

#[test]
fn a_deep_reorganisation_is_refused_said_and_followed_once_the_operator_asks() {
    let spec = spec();
    let (ours, theirs) = (branch(&spec, 3, 1), branch(&spec, 6, 2));
    let mut without = node(&spec, "", 1);
    let mut limited = node(&spec, "reorg-limit=2", 1);
    for node in [&mut without, &mut limited] {
        feed(node, &ours);
        feed(node, &theirs);
    }
    assert_eq!(without.tip(), theirs[5].hash());
    assert_eq!(without.core.refused_branch(), None);
    assert_eq!(limited.tip(), ours[2].hash());
    let (refused, rule) = limited.core.refused_branch().expect("the other branch has more work");
    assert_eq!((refused.hash, rule), (theirs[5].hash(), "reorg-limit=2"));
    // It goes on with its own branch, and with nobody else's.
    let own = block_on(&ours[2].header, 4, &[], REWARD, 1, &spec);
    assert_eq!(limited.submit(&own), Ok(Accepted::Active));
    assert_eq!(limited.override_block(ours[0].hash(), BlockOverride::Invalidate), Ok(Accepted::Overridden));
    assert_eq!(limited.tip(), theirs[5].hash(), "an operator's word stands above the rule");
}

#[test]
fn a_shallow_reorganisation_and_a_long_extension_are_followed() {
    let spec = spec();
    let mut limited = node(&spec, "reorg-limit=2,mess", 1);
    feed(&mut limited, &branch(&spec, 2, 1));
    let theirs = branch(&spec, 40, 2);
    feed(&mut limited, &theirs);
    assert_eq!(limited.tip(), theirs[39].hash());
    let restarted = limited.crash();
    assert_eq!(restarted.tip(), theirs[39].hash());
}

#[test]
fn a_checkpoint_keeps_a_node_on_its_branch_from_the_first_block() {
    let spec = spec();
    let (ours, theirs) = (branch(&spec, 3, 1), branch(&spec, 9, 2));
    let mut node = node(&spec, &format!("checkpoint=2:{}", ours[1].hash()), 1);
    feed(&mut node, &theirs);
    assert_eq!(node.tip(), theirs[0].hash(), "block 2 of this branch is another");
    feed(&mut node, &ours);
    assert_eq!(node.tip(), ours[2].hash(), "less work, but the only branch that has the checkpoint");
}

#[test]
fn ties_are_drawn_evenly_and_stay_as_drawn() {
    let spec = spec();
    let (first, second) = (branch(&spec, 1, 1), branch(&spec, 1, 2));
    let mut later_won = 0;
    for seed in 0..200 {
        let mut node = node(&spec, "uniform-tie", seed);
        feed(&mut node, &first);
        feed(&mut node, &second);
        later_won += u32::from(node.tip() == second[0].hash());
        // One more block decides.
        let tip = if node.tip() == first[0].hash() { &second[0] } else { &first[0] };
        let next = block_on(&tip.header, 2, &[], REWARD, 3, &spec);
        feed(&mut node, std::slice::from_ref(&next));
        assert_eq!(node.tip(), next.hash());
    }
    // Four and a half standard deviations of 7.1 around 100.
    assert!((68..=132).contains(&later_won), "the later block won {later_won} of 200");
}

#[test]
fn the_fresher_tip_wins_a_tie_whatever_came_first() {
    let spec = spec();
    let old = branch(&spec, 1, 1);
    let mut fresh = (*branch(&spec, 1, 2)[0]).clone();
    fresh.header.time += 30;
    let fresh = solve(fresh);
    for order in [[&old[0], &fresh], [&fresh, &old[0]]] {
        let mut node = node(&spec, "fresh-tie", 1);
        order.iter().for_each(|block| feed(&mut node, &[Arc::clone(block)]));
        assert_eq!(node.tip(), fresh.hash());
    }
}
