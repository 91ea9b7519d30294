//! The disk store: what a commit, an append, a read and a start cost, each beside a yardstick of the same run.
//!
//! `cargo bench -p testoon-benches --bench store`. Set `TMPDIR` to choose the disk. The yardsticks: writing as many bytes to a
//! plain file, and one k256 verification (what every input of a block costs anyway).

use chain_spec::rules::block::check_block;
use chain_spec::{
    Amount, Block, BlockHash, ChainSpec, CheckedBlock, Coin, Encode, Header, Outpoint, Script, Transaction, TxIn,
    TxOut, Txid,
};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use k256::ecdsa::signature::hazmat::{PrehashSigner, PrehashVerifier};
use k256::ecdsa::{Signature, SigningKey, VerifyingKey};
use node::core::event::Output;
use node::core::store::{Commit, IndexEntry, Status};
use node::shell::store::{DiskStore, StoreConfig};
use std::hint::black_box;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

/// Blocks of the chain that is opened, and appended.
const CHAIN_BLOCKS: u32 = 2_000;
/// Transactions of each, so that the chain is the one of the sync target: 2,000 blocks with 50,000 transactions.
const BLOCK_TRANSACTIONS: u32 = 25;
/// Coins on disk before commits are measured.
const COINS: u32 = 100_000;
/// Changes of one measured commit: so many coins made, and nearly as many spent.
const COINS_MADE: u32 = 5_500;
const COINS_SPENT: u32 = 4_500;

fn spec() -> ChainSpec {
    ChainSpec::builtin("bitcoin-regtest").expect("a built-in chain")
}

fn payment(tag: u32) -> Transaction {
    let script = Script::pay_to_public_key_hash(&[tag as u8; 20]);
    Transaction {
        version: 1,
        // The length of a signature and a compressed key.
        inputs: vec![TxIn {
            outpoint: outpoint(tag),
            script: Script::from_bytes(vec![tag as u8; 107]),
            sequence: u32::MAX,
        }],
        outputs: vec![TxOut { value: Amount::COIN, script: script.clone() }, TxOut { value: Amount::COIN, script }],
        lock_time: tag,
    }
}

fn outpoint(tag: u32) -> Outpoint {
    let hash = chain_spec::hash::sha256d(&tag.to_le_bytes());
    Outpoint { txid: Txid::from_bytes(hash), index: tag % 2 }
}

fn coin(tag: u32) -> Coin {
    let output = TxOut { value: Amount::from_units(tag.into()), script: Script::pay_to_public_key_hash(&[7; 20]) };
    Coin { output, height: tag, is_coinbase: false }
}

fn mined(spec: &ChainSpec, previous: BlockHash, height: u32, payments: u32) -> Arc<CheckedBlock> {
    let coinbase = Transaction {
        inputs: vec![TxIn {
            outpoint: Outpoint::NULL,
            script: Script::from_bytes([Script::height_prefix(height), vec![0; 8]].concat()),
            sequence: u32::MAX,
        }],
        ..payment(height)
    };
    let others = (0..payments).map(|number| payment(height * 1_000 + number));
    let transactions: Vec<Transaction> = std::iter::once(coinbase).chain(others).collect();
    let txids: Vec<Txid> = transactions.iter().map(Transaction::txid).collect();
    let mut header = Header {
        version: 4,
        previous,
        merkle_root: chain_spec::merkle::merkle_root(&txids).0,
        time: spec.genesis.header.time + height,
        bits: spec.initial_target,
        nonce: 0,
    };
    while chain_spec::rules::header::check_proof_of_work(&header, spec).is_err() {
        header.nonce += 1;
    }
    Arc::new(check_block(Arc::new(Block { header, transactions }), spec).expect("a block by the rules"))
}

fn chain(spec: &ChainSpec) -> Vec<Arc<CheckedBlock>> {
    let mut blocks = vec![Arc::new(CheckedBlock::from_store(Arc::new(spec.genesis.clone())))];
    for height in 1..=CHAIN_BLOCKS {
        let previous = blocks[height as usize - 1].hash();
        blocks.push(mined(spec, previous, height, BLOCK_TRANSACTIONS));
    }
    blocks
}

fn open(datadir: &Path, spec: &ChainSpec) -> (DiskStore, Box<dyn node::core::store::Store>) {
    let (store, reader, loaded) = DiskStore::open(datadir, spec, &StoreConfig::default()).expect("the store opens");
    black_box(loaded);
    (store, reader)
}

fn perform(store: &mut DiskStore, output: &Output) {
    store.perform(output).expect("the disk takes it");
}

fn yardsticks(criterion: &mut Criterion) {
    let key = SigningKey::from_slice(&[9; 32]).expect("a valid key");
    let signature: Signature = key.sign_prehash(&[5; 32]).expect("signing works");
    let verifier = VerifyingKey::from(&key);
    criterion.bench_function("yardstick/one k256 verification", |bencher| {
        bencher.iter(|| verifier.verify_prehash(black_box(&[5; 32]), &signature).expect("it verifies"));
    });
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut file = std::fs::File::create(directory.path().join("plain")).expect("a writable directory");
    let bytes = mined(&spec(), BlockHash::ZERO, 1, BLOCK_TRANSACTIONS).block().to_bytes();
    criterion.bench_function("yardstick/write a block's bytes to a plain file", |bencher| {
        bencher.iter(|| file.write_all(&bytes).expect("the disk takes it"));
    });
    criterion.bench_function("yardstick/fsync of 4 KiB", |bencher| {
        bencher.iter(|| {
            file.write_all(&[0; 4_096]).expect("the disk takes it");
            file.sync_data().expect("the disk takes it");
        });
    });
}

fn blocks(criterion: &mut Criterion) {
    let spec = spec();
    let blocks = chain(&spec);
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut group = criterion.benchmark_group("store");
    group.throughput(Throughput::Elements(u64::from(CHAIN_BLOCKS) * u64::from(BLOCK_TRANSACTIONS)));
    group.sample_size(10);
    group.bench_function("append 2,000 blocks of 25 transactions", |bencher| {
        bencher.iter_batched(
            || {
                let directory = tempfile::tempdir().expect("a temporary directory");
                let (store, _) = open(directory.path(), &spec);
                (directory, store)
            },
            |(directory, mut store)| {
                for block in &blocks {
                    perform(&mut store, &Output::StoreBlock(block.clone()));
                }
                (directory, store)
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();

    let (mut store, reader) = open(directory.path(), &spec);
    for block in &blocks {
        perform(&mut store, &Output::StoreBlock(block.clone()));
        perform(&mut store, &Output::StoreUndo(block.hash(), Arc::default()));
    }
    drop((store, reader));
    let copy = |to: &Path| {
        let status = std::process::Command::new("cp").arg("-r").arg(directory.path()).arg(to).status();
        assert!(status.expect("cp runs").success());
    };
    let scratch = tempfile::tempdir().expect("a temporary directory");
    let mut round = 0;
    let mut group = criterion.benchmark_group("store");
    group.sample_size(10);
    group.bench_function("open after kill -9 with 2,000 blocks not committed", |bencher| {
        bencher.iter_batched(
            || {
                round += 1;
                let datadir = scratch.path().join(round.to_string());
                copy(&datadir);
                datadir
            },
            |datadir| open(&datadir, &spec),
            BatchSize::PerIteration,
        );
    });
    let (mut store, reader) = open(directory.path(), &spec);
    let entries = blocks.iter().zip(0..).map(|(block, height)| IndexEntry {
        header: *block.header(),
        height,
        transactions: block.txids().len() as u32,
        status: Status::Valid,
        is_pruned: false,
    });
    let coins = (0..4_000).map(|tag| (outpoint(tag), Some(coin(tag)))).collect();
    let coins_tip = blocks.last().map(|block| block.hash());
    let commit = Commit { coins, coins_tip, entries: entries.collect(), ..Commit::default() };
    perform(&mut store, &Output::Commit(commit));
    drop((store, reader));
    group.bench_function("open with 2,000 blocks and 4,000 coins", |bencher| {
        bencher.iter_batched(|| (), |()| open(directory.path(), &spec), BatchSize::PerIteration);
    });
    let (_store, reader) = open(directory.path(), &spec);
    let mut height = 0;
    group.bench_function("read a block of 25 transactions", |bencher| {
        bencher.iter(|| {
            height = (height + 7) % blocks.len();
            reader.block(&blocks[height].hash()).expect("the disk reads")
        });
    });
    group.finish();
}

fn coins(criterion: &mut Criterion) {
    let spec = spec();
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (mut store, reader) = open(directory.path(), &spec);
    for start in (0..COINS).step_by(10_000) {
        let coins = (start..start + 10_000).map(|tag| (outpoint(tag), Some(coin(tag)))).collect();
        perform(&mut store, &Output::Commit(Commit { coins, ..Commit::default() }));
    }
    let mut group = criterion.benchmark_group("store");
    group.sample_size(20);
    let (mut oldest, mut newest) = (0, COINS);
    group.throughput(Throughput::Elements(u64::from(COINS_MADE + COINS_SPENT)));
    group.bench_function("commit 10,000 changes to 100,000 coins", |bencher| {
        bencher.iter_batched(
            || {
                let made = (newest..newest + COINS_MADE).map(|tag| (outpoint(tag), Some(coin(tag))));
                let spent = (oldest..oldest + COINS_SPENT).map(|tag| (outpoint(tag), None));
                let coins = made.chain(spent).collect();
                (newest, oldest) = (newest + COINS_MADE, oldest + COINS_SPENT);
                Output::Commit(Commit { coins, coins_tip: Some(spec.genesis_hash()), ..Commit::default() })
            },
            |commit| perform(&mut store, &commit),
            BatchSize::PerIteration,
        );
    });
    group.throughput(Throughput::Elements(1));
    let mut tag = oldest;
    group.bench_function("look a coin up", |bencher| {
        bencher.iter(|| {
            tag = oldest + (tag + 7_919) % (newest - oldest);
            reader.coin(&outpoint(tag)).expect("the disk reads")
        });
    });
    group.bench_function("an empty commit", |bencher| {
        bencher.iter(|| perform(&mut store, &Output::Commit(Commit::default())));
    });
    group.finish();
}

criterion_group!(benches, yardsticks, blocks, coins);
criterion_main!(benches);
