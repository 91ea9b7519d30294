//! A core that takes a whole chain of blocks, with no network and no disk: what validation costs beyond its signatures.

use kit::fixture::{ChainBuilder, regtest};
use kit::{median, now};
use node::core::event::{CallId, Input, Output, Time};
use node::core::store::Loaded;
use node::core::store::memory::MemoryStore;
use node::core::{Config, Core};
use std::sync::Arc;
use testoon_benches::{cpu_seconds, processors, verify_seconds};

/// The chain of the sync bench.
const BLOCKS: usize = 2_000;
const PAYMENTS: usize = 50_000;
const ROUNDS: usize = 3;

/// Headers that are checked and linked.
const HEADERS: usize = 100_000;

fn main() {
    headers();
    blocks();
}

/// Proof of work, all rules, and a place in the block tree.
fn headers() {
    let mut builder = ChainBuilder::new(regtest(), 3);
    builder.mine_empty(HEADERS);
    let mut seconds = Vec::new();
    for _ in 0..ROUNDS {
        let (mut core, mut store, now_ms) = open(&builder);
        let started = now();
        for (call, block) in (0..).zip(&builder.blocks[1..]) {
            let input = Input::SubmitHeader { call: CallId(call), header: block.header };
            perform(&mut store, &core.handle(now_ms, input).expect("memory does not fail"));
        }
        seconds.push(started.elapsed().as_secs_f64());
        assert_eq!(core.best_header().height as usize, HEADERS, "not every header was linked");
    }
    println!("{HEADERS} headers checked and linked, median: {:.3} s", median(seconds));
}

fn blocks() {
    let mut builder = ChainBuilder::new(regtest(), 1);
    builder.mine_payments(BLOCKS, PAYMENTS);
    let mut ratios = Vec::new();
    for round in 0..ROUNDS {
        // Beside each round, since a machine's pace changes with its neighbours.
        let before = verify_seconds(processors());
        let (cpu, wall) = connect(&builder);
        let verify = f64::midpoint(before, verify_seconds(processors()));
        let ratio = cpu / (PAYMENTS as f64 * verify);
        println!(
            "round {round}: {BLOCKS} blocks, {PAYMENTS} payments: {cpu:.2} CPU-s, {wall:.2} s, {ratio:.3} of the signatures' time, {:.1} us each",
            verify * 1e6
        );
        ratios.push(ratio);
    }
    println!("median: {:.3} of the signatures' time", median(ratios));
}

/// A core at genesis, at a time when the builder's chain is recent.
fn open(builder: &ChainBuilder) -> (Core, MemoryStore, Time) {
    let mut store = MemoryStore::default();
    let last = &builder.blocks[builder.blocks.len() - 1];
    let now_ms = Time(u64::from(last.header.time) * 1_000);
    let spec = Arc::clone(builder.spec());
    let (core, outputs) = Core::open(spec, Config::default(), Box::new(store.clone()), Loaded::default(), now_ms)
        .expect("an empty store opens");
    perform(&mut store, &outputs);
    (core, store, now_ms)
}

/// CPU and wall seconds for connecting the whole chain.
fn connect(builder: &ChainBuilder) -> (f64, f64) {
    let (mut core, mut store, now_ms) = open(builder);
    let (cpu, wall) = (cpu_seconds(), now());
    for (call, block) in (0..).zip(&builder.blocks[1..]) {
        let input = Input::SubmitBlock { call: CallId(call), block: Arc::clone(block) };
        let outputs = core.handle(now_ms, input).expect("memory does not fail");
        perform(&mut store, &outputs);
        while core.has_pending() {
            perform(&mut store, &core.handle(now_ms, Input::Tick).expect("memory does not fail"));
        }
    }
    let spent = (cpu_seconds() - cpu, wall.elapsed().as_secs_f64());
    assert_eq!(core.tip().hash, builder.tip(), "not every block was connected");
    spent
}

fn perform(store: &mut MemoryStore, outputs: &[Output]) {
    for output in outputs.iter().filter(|output| output.is_for_store()) {
        store.perform(output).expect("memory does not fail");
    }
}
