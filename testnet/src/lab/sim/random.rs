//! Draws: everything random in a simulation comes through here, and is the same on every platform.
//!
//! The standard library's logarithm is the platform's; [`libm`]'s is the same code everywhere, so a seed's waiting times do
//! not depend on the machine.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng as _;
use sha2::{Digest as _, Sha256};

/// In (0, 1], so that its logarithm is finite.
pub fn uniform(random: &mut ChaCha8Rng) -> f64 {
    unit(random.next_u64())
}

/// An exponential draw with mean 1.
pub fn exponential(random: &mut ChaCha8Rng) -> f64 {
    -libm::log(uniform(random))
}

/// A number in (0, 1] from 64 bits.
pub fn unit(bits: u64) -> f64 {
    ((bits >> 11) + 1) as f64 / (1u64 << 53) as f64
}

/// The seed of one run: SHA-256 over the experiment's seed, what is played with all its parameters, and the run's number.
/// Runs of different experiments with the same seed are therefore independent, and so are runs of neighbouring seeds.
/// With common random numbers on purpose, `experiment` is the same text for all.
pub fn derive_seed(seed: u64, experiment: &str, run: u64) -> u64 {
    let mut hash = Sha256::new();
    hash.update(seed.to_le_bytes());
    hash.update((experiment.len() as u64).to_le_bytes());
    hash.update(experiment.as_bytes());
    hash.update(run.to_le_bytes());
    first_u64(&hash.finalize().into())
}

/// The first eight bytes of a hash as a number.
pub fn first_u64(hash: &[u8; 32]) -> u64 {
    let mut first = [0; 8];
    first.copy_from_slice(&hash[..8]);
    u64::from_le_bytes(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::rand_core::SeedableRng as _;

    #[test]
    fn seeds_of_runs_are_neither_shared_nor_additive() {
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..20 {
            for experiment in ["a", "b", "ab"] {
                for run in 0..20 {
                    assert!(seen.insert(derive_seed(seed, experiment, run)), "{seed} {experiment} {run}");
                }
            }
        }
        assert_eq!(derive_seed(1, "a", 7), derive_seed(1, "a", 7));
    }

    /// Kept as bits: any other value is another platform's logarithm.
    #[test]
    fn waiting_times_are_the_same_everywhere() {
        let mut random = ChaCha8Rng::seed_from_u64(7);
        let bits: Vec<u64> = (0..3).map(|_| exponential(&mut random).to_bits()).collect();
        let mut again = ChaCha8Rng::seed_from_u64(7);
        let logs: Vec<u64> = (0..3).map(|_| (-libm::log(unit(again.next_u64()))).to_bits()).collect();
        assert_eq!(bits, logs);
        assert_eq!((-libm::log(0.3)).to_bits(), 0x3ff3_4378_fcbd_a721);
        let mean = (0..20_000).map(|_| exponential(&mut random)).sum::<f64>() / 20_000.0;
        assert!((mean - 1.0).abs() < 0.03, "{mean}");
    }
}
