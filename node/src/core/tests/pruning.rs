//! A node that deletes old blocks: which go, that nothing needs them afterwards, and what is refused because they are gone.

use super::world::*;
use crate::core::event::{Accepted, BlockOverride, Input};
use crate::core::store::memory::MemoryStore;
use crate::core::{Config, Prune};
use chain_spec::{Block, ChainSpec, Encode};
use std::sync::Arc;

const REWARD: u64 = 50 * 100_000_000;

fn pruning(prune: Prune) -> Config {
    Config { prune, prune_after_height: 100, ..config(1) }
}

/// So many blocks on another, whose height is given; `tag` tells branches apart. Coinbases claim less than the least subsidy here.
fn branch(spec: &ChainSpec, parent: (&chain_spec::Header, u32), blocks: u32, tag: u64) -> Vec<Arc<Block>> {
    let mut branch: Vec<Arc<Block>> = Vec::new();
    for place in 1..=blocks {
        let above = branch.last().map_or(*parent.0, |block| block.header);
        branch.push(block_on(&above, parent.1 + place, &[], REWARD / 16, tag, spec));
    }
    branch
}

fn feed(node: &mut Node, blocks: &[Arc<Block>]) {
    for block in blocks {
        node.submit(block).unwrap();
    }
}

/// A node with so many blocks.
fn node(spec: &Arc<ChainSpec>, prune: Prune, blocks: u32) -> (Node, Vec<Arc<Block>>) {
    let mut node = Node::with(spec, pruning(prune), MemoryStore::new()).unwrap();
    let chain = branch(spec, (&spec.genesis.header, 0), blocks, 1);
    feed(&mut node, &chain);
    (node, chain)
}

fn prune(node: &mut Node, height: u32) -> Result<Accepted, String> {
    node.answered(|call| Input::Prune { call, height }).map_err(|refused| refused.reason.into_owned())
}

/// Heights of the active chain whose blocks are here.
fn kept(node: &Node) -> Vec<u32> {
    let is_here = |height: &u32| node.core.block(&node.core.active_hash(*height).unwrap()).unwrap().is_some();
    (0..=node.core.tip().height).filter(is_here).collect()
}

#[test]
fn whole_files_go_up_to_the_height_and_the_newest_288_blocks_stay() {
    let spec = spec();
    let (mut node, chain) = node(&spec, Prune::Manual, 350);
    let coins = node.coins();
    // Ten blocks are one file, the genesis block among the first ten: a file goes when its last block may.
    for (height, gone) in [(8, None), (9, Some(9)), (38, Some(29)), (39, Some(39)), (350, Some(59))] {
        assert_eq!(prune(&mut node, height), Ok(Accepted::Pruned), "{height}");
        assert_eq!(node.core.prune_height(), gone, "{height}");
        assert_eq!(kept(&node), (gone.map_or(0, |gone| gone + 1)..=350).collect::<Vec<_>>());
    }
    assert!(node.core.is_pruned(&chain[20].hash()) && !node.core.is_pruned(&chain[59].hash()));
    assert_eq!(node.coins(), coins, "not a coin is lost");
    // After a crash right now there is nothing to roll forward over.
    let mut node = node.crash();
    assert_eq!((node.core.prune_height(), node.coins()), (Some(59), coins));
    assert_eq!(node.core.undo(&chain[0].hash()).unwrap(), None);
    node.mine();
    let node = node.restart();
    assert_eq!((node.core.prune_height(), node.core.tip().height), (Some(59), 351));
}

#[test]
fn what_cannot_be_pruned_is_refused() {
    let spec = spec();
    let (mut all, _) = node(&spec, Prune::Off, 120);
    assert_eq!(prune(&mut all, 1).unwrap_err(), "Cannot prune blocks because node is not in prune mode.");
    let (mut short, _) = node(&spec, Prune::Manual, 99);
    assert_eq!(prune(&mut short, 1).unwrap_err(), "Blockchain is too short for pruning.");
    short.mine();
    assert_eq!(prune(&mut short, 100), Ok(Accepted::Pruned));
    assert_eq!(short.core.prune_height(), None, "all of a hundred blocks are among the newest 288");
}

#[test]
fn a_target_is_kept_by_deleting_the_oldest_files_by_itself() {
    let spec = spec();
    let one = block_on(&spec.genesis.header, 1, &[], REWARD, 1, &spec).encoded_len() as u64;
    // What the newest 288 blocks take, and two files.
    let target = 310 * one;
    let (node, _) = node(&spec, Prune::Target(target), 500);
    let gone = node.core.prune_height().expect("something had to go");
    assert!((170..=212).contains(&gone), "{gone}");
    let bytes: u64 = kept(&node).iter().map(|_| one).sum();
    assert!(bytes <= target + 11 * one, "{bytes} of {target}");
    // A target that cannot be kept does not touch the newest blocks.
    let (node, _) = self::node(&spec, Prune::Target(1), 500);
    assert!((186..=212).contains(&node.core.prune_height().unwrap()), "{:?}", node.core.prune_height());
}

#[test]
fn a_branch_from_below_what_was_pruned_is_refused_and_said_and_others_are_followed() {
    let spec = spec();
    let (mut node, chain) = node(&spec, Prune::Manual, 350);
    prune(&mut node, 350).unwrap();
    let (tip, coins) = (node.tip(), node.coins());
    // Every block of it is valid, and it has more work.
    let deep = branch(&spec, (&chain[49].header, 50), 310, 2);
    feed(&mut node, &deep);
    assert_eq!((node.tip(), node.coins()), (tip, coins.clone()));
    let (refused, why) = node.core.refused_branch().expect("it is not followed");
    assert_eq!(refused.hash, deep.last().unwrap().hash());
    assert!(why.starts_with("prune: ") && why.contains("--reindex"), "{why}");
    // An operator cannot have what is gone undone either.
    let refusal = node.override_block(chain[30].hash(), BlockOverride::Invalidate).unwrap_err();
    assert_eq!(refusal.reason, "Block not available (pruned data)");
    assert_eq!(node.tip(), tip);
    let mut node = node.restart();
    assert_eq!((node.tip(), node.coins()), (tip, coins), "nor does a restart change what is followed");
    assert!(node.core.refused_branch().is_some());
    // From just above what is gone on, branches are followed as ever.
    let shallow = branch(&spec, (&chain[59].header, 60), 305, 3);
    feed(&mut node, &shallow);
    assert_eq!(node.tip(), shallow.last().unwrap().hash());
    assert_eq!(node.override_block(shallow[0].hash(), BlockOverride::Invalidate), Ok(Accepted::Overridden));
    assert_eq!(node.tip(), tip);
}
