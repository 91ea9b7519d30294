//! Attacks on a mining pool's way of paying: what hopping and withholding blocks earn.
//!
//! Hopping: Rosenfeld, *Analysis of Bitcoin Pooled Mining Reward Systems*, 2011, section 3.2. Withholding: the same, section 6.2.2, and Eyal,
//! *The Miner's Dilemma*, 2015, section 4. All incomes are parts of what honest mining with the same hashes earns, or of all rewards.

/// The age of a proportional round, as a part of the expected work of a block, from which on a share in it is worth less than
/// elsewhere: where eˣ·E₁(x) = 1 (Rosenfeld 2011, section 3.2).
pub const HOP_AT: f64 = 0.434_818;
/// Euler's constant.
const EULER: f64 = 0.577_215_664_901_532_9;
/// Terms after which series and fraction have converged.
const TERMS: u32 = 200;

/// The exponential integral E₁(x) = ∫ₓ^∞ e⁻ᵗ/t dt for x above 0 (Abramowitz and Stegun 5.1.11 and 5.1.22).
pub fn exponential_integral(x: f64) -> f64 {
    if x <= 1.0 {
        let mut power = -1.0;
        let series = (1..TERMS).map(|k| {
            power *= -x / f64::from(k);
            power / f64::from(k)
        });
        return -EULER - x.ln() + series.sum::<f64>();
    }
    // From the far end of the continued fraction.
    let fraction = (1..TERMS).rev().fold(0.0, |rest, k| f64::from(k) / (1.0 + f64::from(k) / (x + rest)));
    (-x).exp() / (x + fraction)
}

/// What a hopper's hashes earn, as a multiple of honest mining, who mines in a proportional pool while a round's work is below `hop_at`
/// times the work of a block, and honestly elsewhere afterwards. `part` is the hopper's part of the pool's hash rate while in it; a small
/// one earns 1 + x·E₁(x), which is 1.28 at its best.
pub fn hopping(part: f64, hop_at: f64) -> f64 {
    let (left, pool) = ((-hop_at).exp(), 1.0 - part);
    let in_pool = (1.0 - left) * pool;
    let paid = (1.0 - left + hop_at * exponential_integral(hop_at)) * pool;
    (paid + left) / (in_pool + left)
}

/// What those who stay earn then.
pub fn hopped(part: f64, hop_at: f64) -> f64 {
    let (left, pool) = ((-hop_at).exp(), 1.0 - part);
    let paid = (1.0 - left + hop_at * exponential_integral(hop_at)) * part;
    (1.0 - paid) / ((1.0 - left) * pool + left)
}

/// A miner who withholds blocks from a pool.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Withholding {
    /// The miner's share of the network's hash rate, the infiltrating part included.
    pub share: f64,
    /// The share of the pool's honest members.
    pub pool: f64,
    /// The share that mines in the pool and withholds the blocks it finds.
    pub infiltrating: f64,
}

impl Withholding {
    /// The miner's income, as a part of all rewards, while the difficulty is what it was: blocks that are withheld are missing. Never above
    /// the share.
    pub fn before(&self) -> f64 {
        let Withholding { share, pool, infiltrating } = *self;
        share - infiltrating + pool * infiltrating / (pool + infiltrating)
    }

    /// The same once the difficulty has followed.
    pub fn after(&self) -> f64 {
        self.before() / (1.0 - self.infiltrating)
    }

    /// What the pool's honest members earn for their share once the difficulty has followed; 1 is what they would earn without it.
    pub fn members(&self) -> f64 {
        self.pool / (self.pool + self.infiltrating) / (1.0 - self.infiltrating)
    }

    /// The part that earns most for a share and a pool (income has one maximum: it is searched by thirds).
    pub fn best(share: f64, pool: f64) -> Withholding {
        let at = |infiltrating: f64| Withholding { share, pool, infiltrating };
        let (mut low, mut high) = (0.0, share);
        for _ in 0..200 {
            let (left, right) = (low + (high - low) / 3.0, high - (high - low) / 3.0);
            if at(left).after() < at(right).after() { low = left } else { high = right }
        }
        at(0.5 * (low + high))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_integral_is_the_tables() {
        // Abramowitz and Stegun, table 5.1 and 5.2.
        for (x, value) in [(0.1, 1.822_923_958), (0.5, 0.559_773_595), (1.0, 0.219_383_934), (2.0, 0.048_900_511)] {
            assert!((exponential_integral(x) - value).abs() < 1e-8, "{x}: {}", exponential_integral(x));
        }
        let (below, above) = (exponential_integral(1.0 - 1e-9), exponential_integral(1.0 + 1e-9));
        assert!((below - above).abs() < 1e-8, "{below} {above}");
    }

    /// Rosenfeld: one leaves at 43.5 % of the difficulty, and gains 28 %.
    #[test]
    fn a_small_hopper_leaves_at_435_per_mille_and_gains_28_per_cent() {
        assert!((HOP_AT.exp() * exponential_integral(HOP_AT) - 1.0).abs() < 1e-5);
        assert!((hopping(1e-9, HOP_AT) - 1.281_5).abs() < 1e-3, "{}", hopping(1e-9, HOP_AT));
        for other in [0.2, 0.4, 0.5, 1.0, 3.0] {
            assert!(hopping(1e-9, other) < hopping(1e-9, HOP_AT), "{other}");
        }
        // What one gains, the others lose.
        let (part, at) = (0.2, HOP_AT);
        let (left, hopper) = ((-at).exp(), part / (1.0 - part));
        let round = (1.0 - left) * (1.0 - part) + left;
        let both = hopping(part, at) * hopper * round + hopped(part, at) * round;
        assert!(
            (both - (1.0 + hopper * left)).abs() < 1e-12,
            "a round pays one reward, and elsewhere pays its share: {both}"
        );
        assert!(hopped(part, at) < 1.0);
    }

    /// Eyal 2015, section 4: it pays to infiltrate, whatever the sizes; and it never pays before the difficulty has followed.
    #[test]
    fn a_little_withholding_pays_once_the_difficulty_has_followed() {
        for (share, pool) in [(0.1, 0.1), (0.2, 0.2), (0.3, 0.1), (0.05, 0.4)] {
            let best = Withholding::best(share, pool);
            assert!(best.infiltrating > 0.0 && best.infiltrating < share, "{best:?}");
            assert!(best.after() > share && best.before() < share && best.members() < 1.0, "{best:?}");
            for infiltrating in [0.0, 0.5 * best.infiltrating, 1.2 * best.infiltrating] {
                assert!(Withholding { infiltrating, ..best }.after() <= best.after() + 1e-12, "{infiltrating}");
            }
        }
    }
}
