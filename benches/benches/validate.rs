//! The parts of validation, each beside one k256 verification: decoding, hashing, signature hashes, unlocking.

use chain_spec::hash::hash160;
use chain_spec::rules::spend::SignatureEncoding;
use chain_spec::rules::{block, spend};
use chain_spec::signature_hash::{SIGHASH_ALL, signature_hash};
use chain_spec::{Amount, Block, Coin, Decode as _, Encode as _, Script, TxOut};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use kit::fixture::{ChainBuilder, regtest};
use kit::now;
use std::hint::black_box;
use std::sync::Arc;
use testoon_benches::verify_seconds;

/// Payments in the block that is measured.
const PAYMENTS: usize = 1_000;

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
    let (_, public_key) = payment.inputs[0].script.unlock_parts().expect("a payment's two pushes");
    let script = Script::pay_to_public_key_hash(&hash160(public_key));
    let coin = Coin { output: TxOut { value: Amount::COIN, script: script.clone() }, height: 1, is_coinbase: false };
    spend::check_input_script(payment, 0, &coin, SignatureEncoding::Strict).expect("a payment that unlocks its coin");
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
        b.iter(|| signature_hash(black_box(payment), 0, &script, SIGHASH_ALL));
    });
    group.bench_function("check_input_script", |b| {
        b.iter(|| spend::check_input_script(black_box(payment), 0, &coin, SignatureEncoding::Strict))
    });
    group.finish();
    let unlock = (0..2_000).fold(now(), |start, _| {
        let _ = black_box(spend::check_input_script(black_box(payment), 0, &coin, SignatureEncoding::Strict));
        start
    });
    let ratio = unlock.elapsed().as_secs_f64() / 2_000.0 / verify_seconds(1);
    println!(
        "check_input_script takes {ratio:.3} k256 verifications (with the signature hash and the key's decompression)"
    );
}

criterion_group!(benches, parts);
criterion_main!(benches);
