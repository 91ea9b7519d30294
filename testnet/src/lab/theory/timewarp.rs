//! What bending header times does to the target: Bitcoin's retarget looks at the first and the last header of a period, so
//! with every first header as early as allowed and every last one true, a period seems to have lasted since the chain began.

/// The chain and the attacker.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Timewarp {
    /// The attacker's share of the hash rate; only the attacker's blocks count.
    pub share: f64,
    /// Blocks in a period.
    pub interval: u32,
    /// Seconds between blocks by the chain's rules.
    pub spacing_s: u32,
    /// How long before the attack the chain's first header was, seconds.
    pub age_s: f64,
    /// How many times easier than at first a block can become: the chain's limit.
    pub easier_max: f64,
}

/// A retarget changes the target by no more than this factor.
const FACTOR_MAX: f64 = 4.0;

impl Timewarp {
    /// How many times easier blocks are after so many periods, with every block taking its mean time. Where the chain is
    /// older than four periods each factor is the greatest one, and the value is exact.
    pub fn easier(&self, periods: u32) -> f64 {
        let period_s = f64::from(self.interval) * f64::from(self.spacing_s);
        let (mut easier, mut seems_s) = (1.0, self.age_s);
        for _ in 0..periods {
            seems_s += period_s / (self.share * easier);
            easier = (easier * (seems_s / period_s).clamp(1.0 / FACTOR_MAX, FACTOR_MAX)).min(self.easier_max);
        }
        easier
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_chain_gains_the_greatest_factor_each_period() {
        let old = Timewarp { share: 0.8, interval: 12, spacing_s: 1, age_s: 1e6, easier_max: 1e9 };
        assert_eq!(old.easier(3), 64.0);
        assert_eq!(Timewarp { easier_max: 10.0, ..old }.easier(3), 10.0);
    }

    /// 12 s at 3/4 of the rate seem 16; then 12 s, at 4/3 · 3/4 of the rate, are added: 28/12 of a period.
    #[test]
    fn a_young_chain_gains_what_it_seems_to_have_lasted() {
        let young = Timewarp { share: 0.75, interval: 12, spacing_s: 1, age_s: 0.0, easier_max: 1e9 };
        assert!((young.easier(1) - 4.0 / 3.0).abs() < 1e-12);
        assert!((young.easier(2) - 4.0 / 3.0 * 28.0 / 12.0).abs() < 1e-12);
    }
}
