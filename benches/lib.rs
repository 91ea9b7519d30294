//! What the benches share: the unit that validation is measured in. Chains, nodes and clients come from the test kit ([`kit`]).
//!
//! A bench prints ratios that are measured in one run on one machine, and the figures that they are made of; a figure alone
//! says more about the machine than about the program. All of them, in release, in less than six minutes on two cores:
//!
//! ```text
//! cargo bench -p testoon-benches
//! ```
//!
//! | bench (`--bench NAME`) | what it prints |
//! |---|---|
//! | `hashrate` | each kernel of the miner beside `sha2` |
//! | `validate` | the parts of checking a payment, each beside one k256 verification |
//! | `connect` | a core that takes 50,000 payments from memory, and 100,000 headers, beside its signatures |
//! | `engine` | how soon the miner follows a new job, and how well its rate limit holds |
//! | `store` | commits, crash recovery and reading back |
//! | `sync` | a node that fetches 50,000 payments from another, beside their signatures; reorganisations; restarts |
//! | `propagation` | a tip along a line of five nodes; payments in batches and one by one |
//! | `start` | a fresh node to its first answer, a network of five, an idle node |
//! | `simulate` | a simulated network of 1000 nodes and 200 blocks |
//! | `wallet` | a wallet of 100,000 transactions: opening, saving, choosing coins, following blocks |
//!
//! A bench that starts nodes has [`kit::process::bench_main`] for its `main`: its own executable is the node's program.

use kit::median;

/// User and system time of this process so far, seconds.
pub fn cpu_seconds() -> f64 {
    kit::measure::cpu_seconds(std::process::id()).expect("this process has a /proc entry")
}

/// Processor time of the calling thread so far, seconds, to the nanosecond: neighbours on the machine do not count.
fn thread_cpu_seconds() -> f64 {
    let schedstat = std::fs::read_to_string("/proc/thread-self/schedstat").expect("this thread has a /proc entry");
    let nanoseconds = schedstat.split(' ').next().and_then(|text| text.parse::<f64>().ok());
    nanoseconds.expect("the first field is a number") / 1e9
}

/// Processor seconds that one k256 verification takes, public key decompressed beforehand: the unit in which validation
/// is measured. The median of several rounds, with all of `threads` at it at once: processors that share a core slow each
/// other, so a unit measured alone is smaller than what a program that uses them all can have.
pub fn verify_seconds(threads: usize) -> f64 {
    const ROUNDS: usize = 9;
    let round = |_| {
        let seconds = std::thread::scope(|scope| {
            let at_work: Vec<_> = (0..threads).map(|_| scope.spawn(verify_thread_seconds)).collect();
            at_work.into_iter().map(|thread| thread.join().expect("it does not panic")).sum::<f64>()
        });
        seconds / threads as f64
    };
    median((0..ROUNDS).map(round).collect())
}

/// [`verify_seconds`] of the calling thread, once.
fn verify_thread_seconds() -> f64 {
    use k256::ecdsa::signature::hazmat::{PrehashSigner as _, PrehashVerifier as _};
    use k256::ecdsa::{Signature, SigningKey};
    const SIGNATURES: usize = 400;
    let key = SigningKey::from_slice(&[7; 32]).expect("a scalar below the order");
    let digest = |index: usize| chain_spec::hash::sha256d(&index.to_le_bytes());
    let signatures: Vec<Signature> =
        (0..SIGNATURES).map(|index| key.sign_prehash(&digest(index)).expect("a digest of 32 bytes")).collect();
    let verifying = *key.verifying_key();
    let start = thread_cpu_seconds();
    for (index, signature) in signatures.iter().enumerate() {
        verifying.verify_prehash(&digest(index), signature).expect("just signed");
    }
    (thread_cpu_seconds() - start) / SIGNATURES as f64
}

/// How many threads the machine runs at once.
pub fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}
