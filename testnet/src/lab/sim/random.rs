//! Draws: everything random in a simulation comes through here.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng as _;

/// In (0, 1], so that its logarithm is finite.
pub fn uniform(random: &mut ChaCha8Rng) -> f64 {
    ((random.next_u64() >> 11) + 1) as f64 / (1u64 << 53) as f64
}
