//! The parts of validation, each beside one k256 verification: decoding, hashing, signature hashes, unlocking, headers.

use chain_spec::retarget::Ancestors;
use chain_spec::rules::spend::SignatureEncoding;
use chain_spec::rules::{block, header, spend};
use chain_spec::signature_hash::{SIGHASH_ALL, signature_hash};
use chain_spec::{Amount, Block, Coin, CompactTarget, Decode as _, Encode as _, TxOut};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::sync::Arc;
use testoon_benches::{ChainBuilder, now, regtest, verify_seconds};

/// Payments in the block that is measured.
const PAYMENTS: usize = 1_000;
/// Headers checked and linked.
const HEADERS: usize = 100_000;

fn full_block() -> (ChainBuilder, Arc<Block>) {
    let mut builder = ChainBuilder::new(regtest(), 1);
    builder.mine_payments(140, 3_000);
    let payments = builder.payments(PAYMENTS);
    assert_eq!(payments.len(), PAYMENTS);
    let block = builder.mine(payments);
    (builder, block)
}

fn parts(criterion: &mut Criterion) {
    let (builder, block) = full_block();
    let bytes = block.to_bytes();
    let payment = &block.transactions[1];
    let coin =
        Coin { output: TxOut { value: Amount::COIN, script: builder.script().clone() }, height: 1, is_coinbase: false };
    let mut group = criterion.benchmark_group("block of 1,000 payments");
    group.throughput(Throughput::Elements(PAYMENTS as u64));
    group.bench_function("decode", |b| b.iter(|| Block::from_bytes(black_box(&bytes))));
    group.bench_function("encode", |b| b.iter(|| black_box(&block).to_bytes()));
    group.bench_function("check_block", |b| {
        b.iter(|| block::check_block(Arc::clone(black_box(&block)), builder.spec()));
    });
    group.finish();
    let mut group = criterion.benchmark_group("one payment");
    group.bench_function("txid", |b| b.iter(|| black_box(payment).txid()));
    group.bench_function("signature_hash", |b| {
        b.iter(|| signature_hash(black_box(payment), 0, builder.script(), SIGHASH_ALL));
    });
    group.bench_function("check_unlock", |b| {
        b.iter(|| spend::check_unlock(black_box(payment), 0, &coin, SignatureEncoding::Strict))
    });
    group.finish();
    let unlock = (0..2_000).fold(now(), |start, _| {
        let _ = black_box(spend::check_unlock(black_box(payment), 0, &coin, SignatureEncoding::Strict));
        start
    });
    let ratio = unlock.elapsed().as_secs_f64() / 2_000.0 / verify_seconds();
    println!("check_unlock takes {ratio:.3} k256 verifications (with the signature hash and the key's decompression)");
}

struct Below<'a>(&'a [(u32, CompactTarget)]);

impl Ancestors for Below<'_> {
    fn height(&self) -> u32 {
        self.0.len() as u32 - 1
    }
    fn at(&self, height: u32) -> (u32, CompactTarget) {
        self.0[height as usize]
    }
}

/// Proof of work and all rules of 100,000 linked headers.
fn headers(_: &mut Criterion) {
    let mut builder = ChainBuilder::new(regtest(), 3);
    builder.mine_empty(HEADERS);
    let times: Vec<(u32, CompactTarget)> =
        builder.blocks.iter().map(|block| (block.header.time, block.header.bits)).collect();
    let far_future_s = u64::from(u32::MAX);
    let start = now();
    for (height, block) in builder.blocks.iter().enumerate().skip(1) {
        header::check_proof_of_work(&block.header, builder.spec()).expect("worked for");
        header::check_header(&block.header, builder.spec(), &Below(&times[..height]), far_future_s).expect("valid");
    }
    println!("{HEADERS} headers checked in {:.3} s", start.elapsed().as_secs_f64());
}

criterion_group!(benches, parts, headers);
criterion_main!(benches);
