//! Tests of the store as a whole. What a crash may leave is in `crash`, damage in `damage`, rebuilding in `reindex`.

mod crash;
mod damage;
mod held;
mod keep;
mod opening;
mod prune;
mod reindex;
mod roundtrip;

use super::{Depth, DiskStore, StoreConfig, record};
use crate::core::event::Output;
use crate::core::store::{Commit, IndexEntry, Loaded, Status, Store, StoreError};
use chain_spec::rules::block::check_block;
use chain_spec::rules::header::check_proof_of_work;
use chain_spec::rules::transaction::check_transaction;
use chain_spec::*;
use std::path::Path;
use std::sync::Arc;

/// A directory that is removed with its content; in memory where there is such a file system, since most of what these tests
/// would otherwise do is wait for a disk.
fn scratch() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}

fn spec() -> ChainSpec {
    ChainSpec::builtin("bitcoin-regtest").expect("a built-in chain")
}

fn open(datadir: &Path) -> Result<(DiskStore, Box<dyn Store>, Loaded), StoreError> {
    DiskStore::open(datadir, &spec(), &StoreConfig::default())
}

fn perform_all(store: &mut DiskStore, outputs: &[Output]) {
    for output in outputs {
        store.perform(output).unwrap();
    }
}

/// A transaction that is its own: `tag` is in its output's script.
fn transaction(tag: u32) -> Arc<CheckedTransaction> {
    let outpoint = Outpoint { txid: Txid::from_bytes([3; 32]), index: tag };
    let script = Script::from_bytes([tag.to_le_bytes().as_slice(), &[0x51; 30]].concat());
    let transaction = Transaction {
        version: 1,
        inputs: vec![TxIn { outpoint, script: Script::default(), sequence: u32::MAX }],
        outputs: vec![TxOut { value: Amount::from_units(u64::from(tag) + 1), script }],
        lock_time: 0,
    };
    Arc::new(check_transaction(Arc::new(transaction)).unwrap())
}

fn coin(tag: u32) -> Coin {
    let output = transaction(tag).transaction().outputs[0].clone();
    Coin { output, height: tag % 1_000, is_coinbase: tag.is_multiple_of(2) }
}

fn outpoint(tag: u32) -> Outpoint {
    // Few ids with several outputs each, so that the order within one matters.
    let mut txid = [0; 32];
    txid[31] = (tag / 8) as u8;
    txid[0] = (tag / 8).wrapping_mul(77) as u8;
    Outpoint { txid: Txid::from_bytes(txid), index: (tag % 8) * 100 }
}

/// A mined block on `previous`. Blocks with other `tag`s are other blocks.
fn block(previous: BlockHash, height: u32, tag: u32, transactions: u32) -> Arc<CheckedBlock> {
    let spec = spec();
    let mut script = Script::height_prefix(height);
    script.extend_from_slice(&tag.to_le_bytes());
    let coinbase = Transaction {
        version: 1,
        inputs: vec![TxIn { outpoint: Outpoint::NULL, script: Script::from_bytes(script), sequence: u32::MAX }],
        outputs: vec![TxOut { value: Amount::COIN, script: Script::pay_to_public_key_hash(&[tag as u8; 20]) }],
        lock_time: 0,
    };
    let others = (0..transactions).map(|number| transaction(tag * 1_000 + number).transaction().as_ref().clone());
    let transactions: Vec<Transaction> = std::iter::once(coinbase).chain(others).collect();
    let txids: Vec<Txid> = transactions.iter().map(Transaction::txid).collect();
    let mut header = Header {
        version: 4,
        previous,
        merkle_root: merkle::merkle_root(&txids).0,
        time: spec.genesis.header.time + height,
        bits: spec.initial_target,
        nonce: 0,
    };
    while check_proof_of_work(&header, &spec).is_err() {
        header.nonce += 1;
    }
    Arc::new(check_block(Arc::new(Block { header, transactions }), &spec).unwrap())
}

fn genesis() -> Arc<CheckedBlock> {
    Arc::new(CheckedBlock::from_store(Arc::new(spec().genesis)))
}

/// `length` blocks on genesis, which comes first.
fn chain(length: u32, tag: u32, transactions: u32) -> Vec<Arc<CheckedBlock>> {
    let mut blocks = vec![genesis()];
    for height in 1..=length {
        blocks.push(block(blocks[height as usize - 1].hash(), height, tag + height, transactions));
    }
    blocks
}

fn undo(tag: u32) -> Arc<BlockUndo> {
    Arc::new(BlockUndo { spent: vec![vec![coin(tag), coin(tag + 1)], vec![], vec![coin(tag + 2)]] })
}

fn entry(block: &CheckedBlock, height: u32, status: Status) -> IndexEntry {
    let transactions = if status == Status::Header { 0 } else { block.txids().len() as u32 };
    IndexEntry { header: *block.header(), height, transactions, status, is_pruned: false }
}

/// A commit of new coins `made` and spent ones, with the tip and index entries of `blocks` from genesis on.
fn commit(blocks: &[Arc<CheckedBlock>], made: std::ops::Range<u32>, spent: std::ops::Range<u32>) -> Output {
    let made = made.map(|tag| (outpoint(tag), Some(coin(tag))));
    Output::Commit(Commit {
        coins: made.chain(spent.map(|tag| (outpoint(tag), None))).collect(),
        coins_tip: blocks.last().map(|block| block.hash()),
        entries: blocks.iter().zip(0..).map(|(block, height)| entry(block, height, Status::Valid)).collect(),
        forgotten: Vec::new(),
        pruned: Vec::new(),
    })
}

/// Everything that can be read from a store, in a comparable form.
#[derive(Debug, PartialEq)]
struct Contents {
    coins_tip: Option<BlockHash>,
    coins: Vec<(Outpoint, Coin)>,
    entries: Vec<(u32, BlockHash, u32, Status)>,
    blocks: Vec<(BlockHash, usize)>,
    undos: Vec<(BlockHash, Arc<BlockUndo>)>,
    transactions: Vec<Txid>,
}

fn contents(store: &dyn Store, loaded: &Loaded, known: &[Arc<CheckedBlock>]) -> Contents {
    let mut coins = Vec::new();
    let visit = &mut |outpoint, coin| {
        coins.push((outpoint, coin));
        std::ops::ControlFlow::Continue(())
    };
    store.for_each_coin(visit).unwrap();
    assert!(coins.is_sorted_by_key(|(outpoint, _)| *outpoint));
    for (outpoint, coin) in &coins {
        assert_eq!(store.coin(outpoint).unwrap().as_ref(), Some(coin));
    }
    let mut entries: Vec<_> = loaded
        .entries
        .iter()
        .map(|entry| (entry.height, entry.header.hash(), entry.transactions, entry.status))
        .collect();
    assert!(entries.is_sorted_by_key(|entry| entry.0), "parents come before children");
    entries.sort_by_key(|entry| (entry.0, entry.1));
    let mut blocks = Vec::new();
    let mut undos = Vec::new();
    for known in known {
        let hash = known.hash();
        if let Some(block) = store.block(&hash).unwrap() {
            assert_eq!(&block, known.block());
            blocks.push((hash, known.size()));
        }
        undos.extend(store.undo(&hash).unwrap().map(|undo| (hash, undo)));
    }
    Contents {
        coins_tip: loaded.coins_tip,
        coins,
        entries,
        blocks,
        undos,
        transactions: loaded.transactions.iter().map(|transaction| transaction.txid()).collect(),
    }
}

fn copy_directory(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir_all(&target).unwrap();
            copy_directory(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), &target).unwrap();
        }
    }
}
