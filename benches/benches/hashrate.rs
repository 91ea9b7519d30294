//! Every kernel of the miner and the `sha2` crate hashing headers on one thread, in hashes a second.
//!
//! `testoon bench` compares them in turn, in one run; this is the form for following one kernel over time.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};

use chain_spec::{BlockHash, CompactTarget, Header, MerkleRoot, ProofOfWork, Target};
use node::miner::kernel::{Kernel, KernelName, Search};
use sha2::{Digest, Sha256};

/// Hashes in one iteration: whole batches of every kernel, a millisecond or so of work.
const HASHES: u64 = 16 * 768;

fn hashrate(criterion: &mut Criterion) {
    let header = Header {
        version: 0x2000_0000,
        previous: BlockHash::from_bytes([0x11; 32]),
        merkle_root: MerkleRoot::from_bytes([0x22; 32]),
        time: 1_700_000_000,
        bits: CompactTarget::from_bits(0x1d00_ffff),
        nonce: 0,
    };
    let search = Search::new(header, Target::from_be_bytes([0; 32]), ProofOfWork::Sha256d);
    let mut group = criterion.benchmark_group("hashrate");
    group.throughput(Throughput::Elements(HASHES));
    group.bench_function("sha2-crate", |bencher| {
        let mut bytes = header.to_array();
        bencher.iter(|| {
            (0..HASHES as u32).fold(0, |any, nonce| {
                bytes[76..].copy_from_slice(&nonce.to_le_bytes());
                any | Sha256::digest(Sha256::digest(bytes))[31]
            })
        });
    });
    for kernel in KernelName::available(ProofOfWork::Sha256d).into_iter().filter_map(|name| Kernel::named(name).ok()) {
        let mut hits = Vec::new();
        group.bench_function(kernel.name().as_str(), |bencher| {
            bencher.iter(|| kernel.scan(&search, 0..HASHES, &mut hits));
        });
    }
    group.finish();
}

criterion_group!(benches, hashrate);
criterion_main!(benches);
