//! One node: submitting, mining, reorganising, steering, restarting.

use super::world::*;
use crate::core::Config;
use crate::core::event::{Accepted, BlockOverride, CallId, GossipId, Input, Output, PeerKey};
use crate::core::message::{CompactBlock, Gossip};
use crate::core::store::Status;
use crate::core::store::memory::MemoryStore;
use crate::core::view::ChainTipStatus;
use chain_spec::{Amount, Encode, Outpoint, Script, TxOut};
use std::sync::Arc;

const COIN: u64 = 100_000_000;

#[test]
fn a_submitted_block_is_stored_connected_answered_and_told_in_that_order() {
    let spec = spec();
    let mut node = Node::new(&spec, 1);
    let block = block_on(&spec.genesis.header, 1, &[], 50 * COIN, 0, &spec);
    let outputs = node.handle(Input::SubmitBlock { call: CallId(7), block: block.clone() });
    let checked = Arc::new(chain_spec::rules::block::check_block(block.clone(), &spec).unwrap());
    let expected = vec![
        Output::StoreBlock(checked),
        Output::StoreUndo(block.hash(), Arc::default()),
        Output::Answer { call: CallId(7), result: Ok(Accepted::Active) },
        Output::TipChanged { tip: block.hash(), height: 1, reorganised: 0 },
        Output::Publish(Gossip::Block(Arc::new(CompactBlock::new(&block, 0)))),
    ];
    assert_eq!(outputs, expected);
}

#[test]
fn a_payment_is_kept_told_pooled_mined_and_forgotten() {
    let spec = spec();
    let mut node = Node::new(&spec, 1);
    let (coin, _) = genesis_coin(&spec, 0);
    let payment = spend(&[coin], 0, &[(4 * COIN, 1), (5 * COIN, 0)]);
    let outputs = node.handle(submission(CallId(1), &payment));
    let kept = outputs.iter().position(|output| matches!(output, Output::StoreTransaction(_)));
    let told = outputs.iter().position(|output| *output == Output::Publish(Gossip::Transaction(payment.clone())));
    let answered = outputs.iter().position(|output| matches!(output, Output::Answer { result: Ok(_), .. }));
    assert!(kept.is_some() && kept < told && told < answered, "{outputs:?}");
    assert_eq!(node.pay(&payment).unwrap_err().reason, "txn-already-in-mempool");
    assert_eq!(node.core.coin(&coin, true).unwrap(), None);
    assert!(node.core.coin(&coin, false).unwrap().is_some());

    let block = node.mine();
    assert_eq!(block.transactions.len(), 2);
    assert_eq!(node.core.mempool().len(), 0);
    assert_eq!(node.core.coin(&coin, false).unwrap(), None);
    assert_eq!(node.core.coin(&outpoint(&payment, 0), false).unwrap().unwrap().height, 1);
    assert_eq!(node.pay(&payment).unwrap_err().reason, "txn-already-known");
    for _ in 0..6 {
        assert_eq!(node.store.load().transactions.len(), 1);
        node.mine();
    }
    assert_eq!(node.store.load().transactions.len(), 0);
}

#[test]
fn a_longer_branch_takes_over_and_gives_payments_back() {
    let spec = spec();
    let mut node = Node::new(&spec, 1);
    let (coin, _) = genesis_coin(&spec, 0);
    let payment = spend(&[coin], 0, &[(9 * COIN, 1)]);
    let child = spend(&[outpoint(&payment, 0)], 1, &[(8 * COIN, 2)]);
    node.pay(&payment).unwrap();
    node.pay(&child).unwrap();
    node.mine();
    assert_eq!(node.core.mempool().len(), 0);
    let rival = block_on(&spec.genesis.header, 1, &[], 50 * COIN, 1, &spec);
    assert_eq!(node.submit(&rival), Ok(Accepted::Inconclusive));
    let better = block_on(&rival.header, 2, &[], 50 * COIN, 1, &spec);
    let outputs = node.handle(Input::SubmitBlock { call: CallId(9), block: better.clone() });
    assert!(outputs.contains(&Output::TipChanged { tip: better.hash(), height: 2, reorganised: 1 }));
    assert_eq!(node.pool(), vec![payment.txid(), child.txid()]);
    let statuses: Vec<_> = node.core.chain_tips().iter().map(|tip| (tip.status, tip.branch_length)).collect();
    assert_eq!(statuses, vec![(ChainTipStatus::Active, 0), (ChainTipStatus::ValidFork, 1)]);
    assert_eq!(node.submit(&better).unwrap_err().reason, "duplicate");
}

#[test]
fn a_double_spend_on_the_longer_branch_drops_the_payment_and_what_hangs_on_it() {
    let spec = spec();
    let mut node = Node::new(&spec, 1);
    let (coin, _) = genesis_coin(&spec, 0);
    let payment = spend(&[coin], 0, &[(9 * COIN, 1)]);
    node.pay(&payment).unwrap();
    node.mine();
    let child = spend(&[outpoint(&payment, 0)], 1, &[(8 * COIN, 2)]);
    node.pay(&child).unwrap();
    let theft = spend(&[coin], 0, &[(9 * COIN + 1, 3)]);
    let rival = block_on(&spec.genesis.header, 1, std::slice::from_ref(&theft), 50 * COIN, 1, &spec);
    node.submit(&rival).unwrap();
    let better = block_on(&rival.header, 2, &[], 50 * COIN, 1, &spec);
    assert_eq!(node.submit(&better), Ok(Accepted::Active));
    assert_eq!(node.pool(), vec![]);
    assert!(node.core.coin(&outpoint(&theft, 0), false).unwrap().is_some());
}

#[test]
fn a_reorganisation_that_fails_half_way_leaves_everything_as_it_was() {
    let spec = spec();
    let mut node = Node::new(&spec, 1);
    let (coin, _) = genesis_coin(&spec, 0);
    node.mine();
    let pooled = spend(&[coin], 0, &[(9 * COIN, 1)]);
    node.pay(&pooled).unwrap();
    let (tip, coins, pool) = (node.tip(), node.coins(), node.pool());
    let good = block_on(&spec.genesis.header, 1, &[], 50 * COIN, 1, &spec);
    let greedy = block_on(&good.header, 2, &[], 50 * COIN + 1, 1, &spec);
    let above = block_on(&greedy.header, 3, &[], 50 * COIN, 1, &spec);
    assert_eq!(node.submit(&good), Ok(Accepted::Inconclusive));
    assert_eq!(node.submit(&greedy).unwrap_err().reason, "bad-cb-amount");
    assert_eq!((node.tip(), node.coins(), node.pool()), (tip, coins.clone(), pool.clone()));
    assert_eq!(node.submit(&above).unwrap_err().reason, "bad-prevblk");
    assert_eq!(node.submit(&greedy).unwrap_err().reason, "duplicate-invalid");
    assert_eq!(node.core.summary(&greedy.hash()).unwrap().status, Status::Invalid);
    assert_eq!((node.tip(), node.coins(), node.pool()), (tip, coins, pool));
}

#[test]
fn a_coin_that_both_branches_make_is_spent_once() {
    let spec = spec();
    let mut node = Node::new(&spec, 1);
    let (coin, _) = genesis_coin(&spec, 0);
    let payment = spend(&[coin], 0, &[(9 * COIN, 1)]);
    node.pay(&payment).unwrap();
    node.mine();
    // The coin is in the store and no longer in the cache.
    let mut node = node.restart();
    let first = block_on(&spec.genesis.header, 1, std::slice::from_ref(&payment), 50 * COIN, 5, &spec);
    let second = block_on(&first.header, 2, &[], 50 * COIN, 5, &spec);
    assert_eq!(node.submit(&first), Ok(Accepted::Inconclusive));
    assert_eq!(node.submit(&second), Ok(Accepted::Active));
    let made = outpoint(&payment, 0);
    let once = spend(&[made], 1, &[(8 * COIN, 2)]);
    let third = block_on(&second.header, 3, &[once], 50 * COIN, 5, &spec);
    assert_eq!(node.submit(&third), Ok(Accepted::Active));
    assert!(node.core.coin(&made, false).unwrap().is_none(), "a spent coin is back");
    let twice = spend(&[made], 1, &[(7 * COIN, 3)]);
    let fourth = block_on(&third.header, 4, &[twice], 50 * COIN, 5, &spec);
    assert_eq!(node.submit(&fourth).unwrap_err().reason, "bad-txns-inputs-missingorspent");
}

#[test]
fn a_mutated_body_does_not_mark_the_block_invalid() {
    // CVE-2012-2459: repeating the last transactions leaves the Merkle root as it was.
    let spec = spec();
    let mut node = Node::new(&spec, 1);
    let payments: Vec<_> = (0..2).map(|i| spend(&[genesis_coin(&spec, i).0], 0, &[(9 * COIN, 1)])).collect();
    let block = block_on(&spec.genesis.header, 1, &payments, 50 * COIN, 0, &spec);
    let mut mutated = (*block).clone();
    mutated.transactions.push(mutated.transactions[2].clone());
    assert_eq!(node.submit(&Arc::new(mutated)).unwrap_err().reason, "bad-txns-duplicate");
    assert_eq!(node.submit(&block), Ok(Accepted::Active));
}

/// The answers are those of a node of Core's family to the same blocks.
#[test]
fn a_body_that_breaks_a_rule_by_itself_is_refused_before_its_place_and_forgotten() {
    let spec = spec();
    let mut node = Node::new(&spec, 1);
    let unknown = block_on(&spec.genesis.header, 1, &[], 50 * COIN, 7, &spec);
    for parent in [spec.genesis.header, unknown.header] {
        let mut twice = (*block_on(&parent, 1, &[], 50 * COIN, 0, &spec)).clone();
        let mut second = twice.transactions[0].clone();
        second.lock_time = 1;
        twice.transactions.push(second);
        let twice = solve(twice);
        for _ in 0..2 {
            assert_eq!(node.submit(&twice).unwrap_err().reason, "bad-cb-multiple");
        }
        assert!(node.core.summary(&twice.hash()).is_none());
        let above = block_on(&twice.header, 2, &[], 50 * COIN, 0, &spec);
        assert_eq!(node.submit(&above).unwrap_err().reason, "prev-blk-not-found");
    }
}

#[test]
fn a_block_aside_is_judged_where_it_stands_as_soon_as_it_comes() {
    let spec = spec();
    let mut node = Node::new(&spec, 1);
    let first = node.mine();
    node.mine();
    let misplaced = block_on(&first.header, 3, &[], 50 * COIN, 5, &spec);
    assert_eq!(node.submit(&misplaced).unwrap_err().reason, "bad-cb-height");
    assert_eq!(node.submit(&misplaced).unwrap_err().reason, "duplicate-invalid");
    let mut early = (*block_on(&first.header, 2, &[], 50 * COIN, 6, &spec)).clone();
    early.transactions[0].lock_time = 2;
    early.transactions[0].inputs[0].sequence = 0;
    let early = solve(early);
    assert_eq!(node.submit(&early).unwrap_err().reason, "bad-txns-nonfinal");
    assert_eq!(node.core.summary(&early.hash()).unwrap().status, Status::Invalid);
    let aside = block_on(&first.header, 2, &[], 50 * COIN, 7, &spec);
    assert_eq!(node.submit(&aside), Ok(Accepted::Inconclusive));
    assert_eq!(node.submit(&aside).unwrap_err().reason, "duplicate");
}

#[test]
fn a_block_ahead_of_the_clock_is_welcome_later() {
    let spec = spec();
    let mut node = Node::new(&spec, 1);
    let mut early = (*block_on(&spec.genesis.header, 1, &[], 50 * COIN, 0, &spec)).clone();
    early.header.time = (node.now.0 / 1_000) as u32 + spec.future_max_s + 1;
    let early = solve(early);
    assert_eq!(node.submit(&early).unwrap_err().reason, "time-too-new");
    node.now.0 += 1_000;
    assert_eq!(node.submit(&early), Ok(Accepted::Active));
}

#[test]
fn an_operator_can_invalidate_reconsider_and_prefer() {
    let spec = spec();
    let mut node = Node::new(&spec, 1);
    let blocks: Vec<_> = (0..3).map(|_| node.mine()).collect();
    let (coins, tip) = (node.coins(), node.tip());
    assert_eq!(node.override_block(blocks[1].hash(), BlockOverride::Invalidate), Ok(Accepted::Overridden));
    assert_eq!(node.tip(), blocks[0].hash());
    assert_eq!(node.core.best_header().hash, blocks[0].hash());
    assert_eq!(node.core.summary(&tip).unwrap().status, Status::InvalidAncestor);
    assert_eq!(node.core.chain_tips()[0].status, ChainTipStatus::Invalid);
    let mut node = node.crash();
    assert_eq!(node.tip(), blocks[0].hash(), "the wish survives");
    node.override_block(tip, BlockOverride::Reconsider).unwrap();
    assert_eq!((node.tip(), node.coins()), (tip, coins));

    let twin = block_on(&blocks[1].header, 3, &[], 50 * COIN, 5, &spec);
    assert_eq!(node.submit(&twin), Ok(Accepted::Inconclusive));
    node.override_block(twin.hash(), BlockOverride::Precious).unwrap();
    assert_eq!(node.tip(), twin.hash());
    node.override_block(tip, BlockOverride::Precious).unwrap();
    assert_eq!(node.tip(), tip);
    assert!(node.override_block(spec.genesis_hash(), BlockOverride::Invalidate).is_err());
}

#[test]
fn blocks_before_their_parents_wait_for_them() {
    let spec = spec();
    let mut node = Node::new(&spec, 1);
    let first = block_on(&spec.genesis.header, 1, &[], 50 * COIN, 0, &spec);
    let second = block_on(&first.header, 2, &[], 50 * COIN, 0, &spec);
    let third = block_on(&second.header, 3, &[], 50 * COIN, 0, &spec);
    assert_eq!(node.submit(&third).unwrap_err().reason, "prev-blk-not-found");
    assert_eq!(node.submit(&second).unwrap_err().reason, "prev-blk-not-found");
    assert_eq!(node.submit(&first), Ok(Accepted::Active));
    assert_eq!(node.tip(), third.hash());
}

#[test]
fn what_was_accepted_survives_a_crash_and_a_stop() {
    let spec = spec();
    let mut node = Node::new(&spec, 1);
    let (coin, _) = genesis_coin(&spec, 0);
    for _ in 0..3 {
        node.mine();
    }
    let payment = spend(&[coin], 0, &[(9 * COIN, 1)]);
    node.pay(&payment).unwrap();
    let (tip, coins) = (node.tip(), node.coins());
    let node = node.crash();
    assert_eq!((node.tip(), node.coins(), node.pool()), (tip, coins.clone(), vec![payment.txid()]));
    let node = node.restart();
    assert_eq!((node.tip(), node.coins(), node.pool()), (tip, coins.clone(), vec![payment.txid()]));
    assert_eq!(node.store.load().coins_tip, Some(tip));
    let mut stored = Vec::new();
    let visit = &mut |outpoint: Outpoint, _| {
        stored.push(outpoint);
        std::ops::ControlFlow::Continue(())
    };
    crate::core::store::Store::for_each_coin(&node.store, visit).unwrap();
    assert!(stored.iter().eq(coins.keys()));
}

#[test]
fn a_local_transaction_comes_back_with_the_parent_that_a_peer_sent() {
    let spec = spec();
    let mut node = Node::new(&spec, 1);
    let (peer, id) = (PeerKey(1), GossipId(1));
    node.handle(Input::PeerConnected { peer, inbound: true });
    let parent = spend(&[genesis_coin(&spec, 0).0], 0, &[(9 * COIN, 1)]);
    node.handle(Input::Gossip { peer, id, message: Gossip::Transaction(parent.clone()) });
    assert_eq!(node.pool(), vec![parent.txid()]);
    assert_eq!(node.store.load().transactions.len(), 0, "a peer will send it again");
    let child = spend(&[outpoint(&parent, 0)], 1, &[(8 * COIN, 2)]);
    node.pay(&child).unwrap();
    let node = node.crash();
    assert_eq!(node.pool(), vec![parent.txid(), child.txid()]);
}

#[test]
fn a_local_transaction_comes_back_with_the_parent_that_a_reorganisation_undid() {
    let spec = spec();
    let mut node = Node::new(&spec, 1);
    let parent = spend(&[genesis_coin(&spec, 0).0], 0, &[(9 * COIN, 1)]);
    let first = block_on(&spec.genesis.header, 1, std::slice::from_ref(&parent), 50 * COIN, 0, &spec);
    node.submit(&first).unwrap();
    let child = spend(&[outpoint(&parent, 0)], 1, &[(8 * COIN, 2)]);
    node.pay(&child).unwrap();
    let rival = block_on(&spec.genesis.header, 1, &[], 50 * COIN, 1, &spec);
    node.submit(&rival).unwrap();
    node.submit(&block_on(&rival.header, 2, &[], 50 * COIN, 1, &spec)).unwrap();
    assert_eq!(node.pool(), vec![parent.txid(), child.txid()]);
    let kept: Vec<_> = node.store.load().transactions.iter().map(|kept| kept.txid()).collect();
    assert_eq!(kept, vec![child.txid(), parent.txid()], "the parent was kept later");
    let node = node.crash();
    assert_eq!(node.pool(), vec![parent.txid(), child.txid()]);
}

#[test]
fn a_roll_forward_in_many_calls_loses_no_local_transaction() {
    let spec = spec();
    let mut node = Node::new(&spec, 1);
    let blocks: Vec<_> = (0..300).map(|_| node.mine()).collect();
    let late = outpoint(&blocks[290].transactions[0], 0);
    let payment = spend(&[late], 9, &[(COIN / 2, 1)]);
    node.pay(&payment).unwrap();
    let tip = node.tip();
    let tiny = Config { coin_cache_bytes_max: 0, ..config(1) };
    let mut node = Node::with(&spec, tiny, node.store.fork()).unwrap();
    assert!(node.core.has_pending() && node.pool().is_empty(), "the coins have been flushed on the way");
    while node.core.has_pending() {
        node.handle(Input::Tick);
    }
    assert_eq!((node.tip(), node.pool()), (tip, vec![payment.txid()]));
    assert_eq!(node.store.load().transactions.len(), 1);
}

/// A miner that takes a template over RPC may make a larger coinbase than ours.
#[test]
fn a_full_template_leaves_room_for_a_coinbase_of_the_miner_s_own() {
    let mut spec = Arc::unwrap_or_clone(spec());
    spec.block_size_max = 8_000;
    let spec = Arc::new(spec);
    let mut node = Node::new(&spec, 1);
    for index in 0..GENESIS_COINS {
        node.pay(&spend(&[genesis_coin(&spec, index).0], 0, &[(9 * COIN, 1)])).unwrap();
    }
    let mut block = node.core.template(&lock(9), node.now).block;
    let size = block.encoded_len();
    assert!((7_000..=7_320).contains(&size), "{size} bytes: it is full, but for a tenth");
    let note = TxOut { value: Amount::ZERO, script: Script::from_bytes([vec![0x6a, 75], vec![1; 75]].concat()) };
    block.transactions[0].outputs.extend(vec![note; 6]);
    assert_eq!(node.submit(&solve(block)), Ok(Accepted::Active));
}

#[test]
fn what_a_peer_sent_first_is_kept_when_it_is_submitted_here_too() {
    let spec = spec();
    let mut node = Node::new(&spec, 1);
    let (peer, id) = (PeerKey(1), GossipId(1));
    node.handle(Input::PeerConnected { peer, inbound: true });
    let payment = spend(&[genesis_coin(&spec, 0).0], 0, &[(9 * COIN, 1)]);
    node.handle(Input::Gossip { peer, id, message: Gossip::Transaction(payment.clone()) });
    assert_eq!(node.pay(&payment).unwrap_err().reason, "txn-already-in-mempool");
    assert_eq!(node.crash().pool(), vec![payment.txid()]);
}

/// A reorganisation that is repeated after a crash undoes what a kept transaction has since replaced.
#[test]
fn a_replacement_survives_a_crash_that_repeats_a_reorganisation() {
    let spec = spec();
    for by_wish in [true, false] {
        let mut node = Node::new(&spec, 1);
        let coin = genesis_coin(&spec, 0).0;
        let replaced = spend(&[coin], 0, &[(9 * COIN, 1)]);
        let child = spend(&[outpoint(&replaced, 0)], 1, &[(8 * COIN, 2)]);
        let mined = block_on(&spec.genesis.header, 1, &[replaced.clone(), child.clone()], 50 * COIN, 0, &spec);
        node.submit(&mined).unwrap();
        // The coins on the disk stand at the block that is undone.
        let mut node = node.restart();
        if by_wish {
            node.override_block(mined.hash(), BlockOverride::Invalidate).unwrap();
        } else {
            let rival = block_on(&spec.genesis.header, 1, &[], 50 * COIN, 1, &spec);
            node.submit(&rival).unwrap();
            node.submit(&block_on(&rival.header, 2, &[], 50 * COIN, 1, &spec)).unwrap();
        }
        assert_eq!(node.pool(), vec![replaced.txid(), child.txid()]);
        let replacement = spend(&[coin], 0, &[(5 * COIN, 3)]);
        node.pay(&replacement).unwrap();
        assert_eq!(node.pool(), vec![replacement.txid()]);
        let node = node.crash();
        assert_eq!(node.pool(), vec![replacement.txid()], "by an operator's wish: {by_wish}");
    }
}

#[test]
fn a_wish_is_answered_when_the_chain_has_followed_it() {
    let spec = spec();
    let tiny = Config { coin_cache_bytes_max: 0, ..config(1) };
    let mut node = Node::with(&spec, tiny, MemoryStore::new()).unwrap();
    let first = node.mine().hash();
    for _ in 0..299 {
        node.mine();
    }
    let (tip, coins) = (node.tip(), node.coins());
    node.override_block(first, BlockOverride::Invalidate).unwrap();
    assert_eq!(node.tip(), spec.genesis_hash());
    assert_eq!(node.override_block(first, BlockOverride::Reconsider), Ok(Accepted::Overridden));
    assert_eq!((node.tip(), node.coins()), (tip, coins), "in several calls, for the cache is full after each");
}

/// Same parent, same second, same transactions: only the coinbase can tell the two blocks apart.
#[test]
fn a_block_made_again_after_it_was_invalidated_is_another_block() {
    let spec = spec();
    let mut node = Node::new(&spec, 1);
    let mut seen = std::collections::BTreeSet::new();
    for round in 0..6 {
        let block = node.mine().hash();
        assert!(seen.insert(block), "round {round}: the same block again");
        node.override_block(block, BlockOverride::Invalidate).unwrap();
        if round == 2 {
            node = node.restart();
        }
    }
}

#[test]
fn submitting_a_transaction_that_is_known_announces_it_again() {
    let spec = spec();
    let mut node = Node::new(&spec, 1);
    let payment = spend(&[genesis_coin(&spec, 0).0], 0, &[(9 * COIN, 1)]);
    node.pay(&payment).unwrap();
    let outputs = node.handle(submission(CallId(7), &payment));
    assert!(outputs.contains(&Output::Publish(Gossip::Transaction(payment))), "{outputs:?}");
}
