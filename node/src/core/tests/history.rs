//! Rules that Bitcoin got at some height, below it and from it on; and what a reorganisation does to lock times.

use super::world::*;
use crate::core::event::{Acceptance, Accepted, GossipId, Input, Output, PeerKey};
use crate::core::message::Gossip;
use chain_spec::signature_hash::{SIGHASH_ALL, signature_hash};
use chain_spec::{Block, ChainSpec, Header, Outpoint, Script, Transaction, TxIn, TxOut};
use std::sync::Arc;

const COIN: u64 = 100_000_000;

/// A genesis coin's spend whose R has a needless zero in front: BER, not DER.
fn loosely_signed(spec: &ChainSpec, index: u32) -> Arc<Transaction> {
    let mut payment = Arc::unwrap_or_clone(spend(&[genesis_coin(spec, index).0], 0, &[(9 * COIN, 1)]));
    let mut signature = key(0).sign(&signature_hash(&payment, 0, &lock(0), SIGHASH_ALL));
    signature[1] += 1;
    signature[3] += 1;
    signature.insert(4, 0);
    signature.push(SIGHASH_ALL as u8);
    payment.inputs[0].script = Script::unlock_public_key_hash(&signature, key(0).public_key().as_bytes());
    Arc::new(payment)
}

#[test]
fn signatures_may_be_loose_until_bip66() {
    let mut spec = Arc::unwrap_or_clone(spec());
    spec.bip66_height = 2;
    let spec = Arc::new(spec);
    let mut node = Node::new(&spec, 1);
    let first = block_on(&spec.genesis.header, 1, &[loosely_signed(&spec, 0)], 50 * COIN, 0, &spec);
    // Nobody is blamed for it, but it does not enter the pool: a later block may not hold it.
    let refused = node.pay(&loosely_signed(&spec, 0)).unwrap_err();
    assert!(refused.reason.starts_with("mempool-script-verify-flag-failed ("), "{}", refused.reason);
    assert_eq!(node.submit(&first), Ok(Accepted::Active));
    let second = block_on(&first.header, 2, &[loosely_signed(&spec, 1)], 50 * COIN, 0, &spec);
    let refused = node.submit(&second).unwrap_err();
    assert_eq!(refused.reason, "block-script-verify-flag-failed (Non-canonical DER signature)");
    assert_eq!(node.tip(), first.hash());
}

/// Undone above BIP66's height, a loosely signed payment must not come back into the pool, where it would count as verified.
#[test]
fn loose_signatures_do_not_come_back_into_the_pool() {
    let mut spec = Arc::unwrap_or_clone(spec());
    spec.bip66_height = 2;
    let spec = Arc::new(spec);
    let mut node = Node::new(&spec, 1);
    let loose = block_on(&spec.genesis.header, 1, &[loosely_signed(&spec, 0)], 50 * COIN, 0, &spec);
    assert_eq!(node.submit(&loose), Ok(Accepted::Active));
    let rival = block_on(&spec.genesis.header, 1, &[], 50 * COIN, 1, &spec);
    node.submit(&rival).unwrap();
    let better = block_on(&rival.header, 2, &[], 50 * COIN, 1, &spec);
    assert_eq!(node.submit(&better), Ok(Accepted::Active));
    assert_eq!(node.pool(), vec![]);
    let stolen_in = block_on(&better.header, 3, &[loosely_signed(&spec, 0)], 50 * COIN, 1, &spec);
    assert!(node.submit(&stolen_in).is_err());
    node.mine();
}

/// A block whose coinbase names no height, as before BIP34: two of them have one id.
fn with_repeatable_coinbase(parent: &Header, spec: &ChainSpec) -> Arc<Block> {
    let script = Script::from_bytes(b"the same again".as_slice());
    let coinbase = Transaction {
        version: 1,
        inputs: vec![TxIn { outpoint: Outpoint::NULL, script, sequence: u32::MAX }],
        outputs: vec![TxOut { value: chain_spec::Amount::COIN, script: lock(9) }],
        lock_time: 0,
    };
    let mut header = block_on(parent, 1, &[], COIN, 0, spec).header;
    header.nonce = 0;
    solve(Block { header, transactions: vec![coinbase] })
}

#[test]
fn bip30_and_its_exceptions() {
    let mut spec = Arc::unwrap_or_clone(spec());
    spec.bip34_height = 100;
    let first = with_repeatable_coinbase(&spec.genesis.header, &spec);
    let second = with_repeatable_coinbase(&first.header, &spec);
    let coin = outpoint(&first.transactions[0], 0);
    assert_eq!(coin, outpoint(&second.transactions[0], 0));

    let strict = Arc::new(spec.clone());
    let mut node = Node::new(&strict, 1);
    node.submit(&first).unwrap();
    assert_eq!(node.submit(&second).unwrap_err().reason, "bad-txns-BIP30");
    assert_eq!(node.core.coin(&coin, false).unwrap().unwrap().height, 1);

    spec.bip30_exceptions = vec![(2, second.hash())];
    let spec = Arc::new(spec);
    for flushed_between in [false, true] {
        let mut node = Node::new(&spec, 1);
        node.submit(&first).unwrap();
        if flushed_between {
            node = node.restart();
        }
        let coins = node.coins().len();
        assert_eq!(node.submit(&second), Ok(Accepted::Active));
        assert_eq!(
            node.core.coin(&coin, false).unwrap().unwrap().height,
            2,
            "the later coin takes the earlier one's place"
        );
        assert_eq!(node.coins().len(), coins);
        let (tip, coins) = (node.tip(), node.coins());
        for _ in 0..2 {
            node = node.restart();
            assert_eq!((node.tip(), node.coins()), (tip, coins.clone()));
        }
        // As in Core, undoing the later block does not bring the earlier one's coin back.
        let rival = block_on(&first.header, 2, &[], COIN, 7, &spec);
        node.submit(&rival).unwrap();
        node.submit(&block_on(&rival.header, 3, &[], COIN, 7, &spec)).unwrap();
        assert_eq!(node.core.coin(&coin, false).unwrap(), None);
    }
}

/// Before BIP113 a lock time is held against the block's own time, from it on against the median of the blocks below.
#[test]
fn lock_times_are_held_against_the_block_s_time_until_bip113() {
    let mut spec = Arc::unwrap_or_clone(spec());
    spec.csv_height = 2;
    let spec = Arc::new(spec);
    let mut node = Node::new(&spec, 1);
    let genesis_time = spec.genesis.header.time;
    // Block 1 has genesis' time and one second: past the lock, while the median is not.
    let locked = |index, lock_time| spend_at(&[genesis_coin(&spec, index).0], 0, &[(9 * COIN, 1)], lock_time);
    let first = block_on(&spec.genesis.header, 1, &[locked(0, genesis_time)], 50 * COIN, 0, &spec);
    assert_eq!(node.submit(&first), Ok(Accepted::Active));
    let median = node.core.tip().median_time_past_s;
    let late = block_on(&first.header, 2, &[locked(1, median)], 50 * COIN, 0, &spec);
    assert!(median < late.header.time);
    assert_eq!(node.submit(&late).unwrap_err().reason, "bad-txns-nonfinal");
    let reached = block_on(&first.header, 2, &[locked(1, median - 1)], 50 * COIN, 0, &spec);
    assert_eq!(node.submit(&reached), Ok(Accepted::Active));
}

/// What is pooled below BIP113's height may be mined above it, where a template that holds it must still be valid.
#[test]
fn the_pool_judges_lock_times_by_the_later_rules_at_once() {
    let mut spec = Arc::unwrap_or_clone(spec());
    spec.csv_height = 2;
    let spec = Arc::new(spec);
    let mut node = Node::new(&spec, 1);
    let median = node.core.tip().median_time_past_s;
    let locked = spend_at(&[genesis_coin(&spec, 0).0], 0, &[(9 * COIN, 1)], median);
    assert_eq!(node.pay(&locked).unwrap_err().reason, "non-final");
    let payment = spend(&[genesis_coin(&spec, 1).0], 0, &[(9 * COIN, 1)]);
    node.pay(&payment).unwrap();
    let held = waiting(outpoint(&payment, 0), 1, 2);
    assert_eq!(node.pay(&held).unwrap_err().reason, "non-BIP68-final");
    let block = block_on(&spec.genesis.header, 1, &[locked, payment, held], 50 * COIN, 0, &spec);
    assert_eq!(node.submit(&block), Ok(Accepted::Active), "a block below that height may hold them");
}

/// A coin's spend that waits for `blocks` above it (BIP68).
fn waiting(coin: Outpoint, from: u8, blocks: u32) -> Arc<Transaction> {
    let mut transaction = Arc::unwrap_or_clone(spend(&[coin], from, &[(COIN, 2)]));
    transaction.inputs[0].sequence = blocks;
    sign(&mut transaction, from);
    Arc::new(transaction)
}

#[test]
fn relative_lock_times_hold_in_blocks_in_the_pool_and_after_a_reorganisation() {
    let spec = spec();
    let mut node = Node::new(&spec, 1);
    let payment = spend(&[genesis_coin(&spec, 0).0], 0, &[(9 * COIN, 1)]);
    node.pay(&payment).unwrap();
    let first = node.mine();
    let waiting = waiting(outpoint(&payment, 0), 1, 2);
    assert_eq!(node.pay(&waiting).unwrap_err().reason, "non-BIP68-final");
    let early = block_on(&first.header, 2, std::slice::from_ref(&waiting), 50 * COIN, 1, &spec);
    assert_eq!(node.submit(&early).unwrap_err().reason, "bad-txns-nonfinal");
    let fork = node.mine();
    // Now it may stand in block 3. The rival branch confirms what it spends one block later.
    node.pay(&waiting).unwrap();
    assert_eq!(node.pool(), vec![waiting.txid()]);
    let rivals = (1..=3).scan(spec.genesis.header, |parent, height| {
        let transactions = if height == 2 { vec![payment.clone()] } else { vec![] };
        let block = block_on(parent, height, &transactions, 50 * COIN, 2, &spec);
        *parent = block.header;
        Some(block)
    });
    let rivals: Vec<_> = rivals.collect();
    for rival in &rivals {
        node.submit(rival).unwrap();
    }
    assert_eq!(node.tip(), rivals[2].hash());
    assert_ne!(node.tip(), fork.hash());
    assert_eq!(node.pool(), vec![waiting.txid()], "two blocks above it, as before");
    let block = node.mine();
    assert_eq!(block.transactions.len(), 2);
}

#[test]
fn what_a_reorganisation_makes_premature_leaves_the_pool() {
    let spec = spec();
    let mut node = Node::new(&spec, 1);
    let payment = spend(&[genesis_coin(&spec, 0).0], 0, &[(9 * COIN, 1)]);
    node.pay(&payment).unwrap();
    node.mine();
    node.mine();
    let waiting = waiting(outpoint(&payment, 0), 1, 2);
    node.pay(&waiting).unwrap();
    let mut parent = spec.genesis.header;
    for height in 1..=3 {
        let transactions = if height == 3 { vec![payment.clone()] } else { vec![] };
        let block = block_on(&parent, height, &transactions, 50 * COIN, 2, &spec);
        node.submit(&block).unwrap();
        parent = block.header;
    }
    assert_eq!(node.tip(), parent.hash());
    assert_eq!(node.pool(), vec![], "one block above what it spends is too few");
    node.mine();
}

/// A peer is not blamed for what is out of place or against our policy only.
#[test]
fn a_loose_signature_is_no_offence_below_bip66() {
    for (bip66_height, is_offence) in [(1, true), (100, false)] {
        let mut spec = Arc::unwrap_or_clone(spec());
        spec.bip66_height = bip66_height;
        let spec = Arc::new(spec);
        let mut node = Node::new(&spec, 1);
        let peer = PeerKey(1);
        node.handle(Input::PeerConnected { peer, inbound: true });
        let message = Gossip::Transaction(loosely_signed(&spec, 0));
        let outputs = node.handle(Input::Gossip { peer, id: GossipId(1), message });
        let acceptance = if is_offence { Acceptance::Reject } else { Acceptance::Ignore };
        assert!(outputs.contains(&Output::GossipAcceptance { id: GossipId(1), acceptance }), "{outputs:?}");
    }
}
