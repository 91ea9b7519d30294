//! The odds of a double spend: three formulas side by side, and which of them is this chain's.
//!
//! A shop waits for `z` confirmations; the attacker holds the share `q` of the hash rate and mines a branch of their own
//! from the block before the payment. Nakamoto's and Rosenfeld's formulas both count a *tie* as the attacker's success
//! (or, which is the same, give the attacker one block before the race). Our nodes keep the branch they saw first, so a tie wins
//! nothing: [`Race`] is the formula for that, with the blocks mined in advance and the attacker's patience as parameters.
//!
//! All of it assumes a fixed target: retargeting on the private branch changes the rate it grows at.

pub mod helped;
pub mod standing;

/// Confirmations searched for in [`confirmations_needed`] before "no number of confirmations helps" is said.
pub const CONFIRMATIONS_SEARCHED_MAX: u32 = 1 << 20;

/// The race as our nodes judge it: the attacker needs strictly more work than the branch everybody saw first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Race {
    /// The attacker's share of the hash rate, in (0, 1).
    pub share: f64,
    /// Confirmations the shop waits for, 1 or more.
    pub confirmations: u32,
    /// Blocks the attacker is ahead in secret before the payment's first confirmation is being mined.
    pub premine: u32,
    /// The attacker stops when, with the goods shipped, the public branch is this many blocks ahead. `None`: never.
    pub give_up: Option<u32>,
}

impl Race {
    /// The probability that the attacker's branch becomes the longer one.
    ///
    /// While the shop waits, the attacker finds `m` blocks with probability C(m+z−1, m)·pᶻ·qᵐ. Then the attacker is
    /// `z − m − n` blocks behind and must come out one ahead: the gambler's ruin, bounded by the attacker's patience.
    pub fn success(&self) -> f64 {
        let (z, n) = (self.confirmations, self.premine);
        // From this many blocks on the attacker is ahead the moment the shop ships.
        let ahead = (z + 1).saturating_sub(n);
        let terms = || found_while_waiting(self.share, z);
        if self.share >= 0.5 {
            let failed = terms().take(ahead as usize).map(|(blocks, log_probability)| {
                log_probability.exp() * (1.0 - self.log_catches_up(z - n - blocks).exp())
            });
            return (1.0 - failed.sum::<f64>()).clamp(0.0, 1.0);
        }
        // A small probability is the sum of its own small terms: what is left of 1 would be rounding noise.
        let behind = terms()
            .take(ahead as usize)
            .map(|(blocks, log_probability)| (log_probability + self.log_catches_up(z - n - blocks)).exp());
        (behind.sum::<f64>() + falling_tail(terms().skip(ahead as usize))).clamp(0.0, 1.0)
    }

    /// The logarithm of the probability of coming out one block ahead from `behind` blocks behind.
    fn log_catches_up(&self, behind: u32) -> f64 {
        let (q, p) = (self.share, 1.0 - self.share);
        let to_win = f64::from(behind) + 1.0;
        let log_ratio = (p / q).ln();
        match self.give_up {
            None if q >= p => 0.0,
            None => -to_win * log_ratio,
            Some(limit) if behind >= limit => f64::NEG_INFINITY,
            Some(limit) => {
                let to_ruin = f64::from(limit - behind);
                if log_ratio.abs() < 1e-12 {
                    (to_ruin / (to_win + to_ruin)).ln()
                } else if log_ratio > 0.0 {
                    // (1 − rᵇ)/(1 − rᵃ⁺ᵇ) with both sides divided by rᵃ⁺ᵇ, which would overflow.
                    let lost = (-to_ruin * log_ratio).exp_m1() / (-(to_win + to_ruin) * log_ratio).exp_m1();
                    -to_win * log_ratio + lost.ln()
                } else {
                    ((to_ruin * log_ratio).exp_m1() / ((to_win + to_ruin) * log_ratio).exp_m1()).ln()
                }
            }
        }
    }
}

/// The sum of terms, given by their logarithms, that rise to one peak and then fall at least geometrically.
fn falling_tail(terms: impl Iterator<Item = (u32, f64)>) -> f64 {
    let (mut sum, mut last) = (0.0, f64::NEG_INFINITY);
    for (_, log_term) in terms {
        let term = log_term.exp();
        sum += term;
        if log_term < last && term <= sum * f64::EPSILON {
            break;
        }
        last = log_term;
    }
    sum
}

/// The probability that somebody `behind` blocks behind comes out one block ahead before being `give_up` blocks behind.
pub fn catches_up(share: f64, behind: u32, give_up: Option<u32>) -> f64 {
    Race { share, confirmations: 1, premine: 0, give_up }.log_catches_up(behind).exp()
}

/// How many blocks the network finds on average until an attacker who mines in secret, and starts over whenever the others
/// catch up, is `ahead` blocks ahead. Every step up takes 1/q blocks, and p/q times the step below it once more.
pub fn blocks_until_ahead(share: f64, ahead: u32) -> f64 {
    let (q, p) = (share, 1.0 - share);
    let (mut all, mut step) = (0.0, 0.0);
    for _ in 0..ahead {
        step = 1.0 / q + p / q * step;
        all += step;
    }
    all
}

/// Rosenfeld's exact race (*Analysis of hashrate-based double-spending*, 2014, equation 1): one block mined in advance, a
/// tie at the end counts, endless patience.
pub fn rosenfeld(share: f64, confirmations: u32) -> f64 {
    Race { share, confirmations, premine: 1, give_up: None }.success()
}

/// Nakamoto's approximation (*Bitcoin*, 2008, section 11): the attacker's blocks while the shop waits are taken as Poisson
/// with the expected waiting time.
pub fn nakamoto(share: f64, confirmations: u32) -> f64 {
    let (q, p) = (share, 1.0 - share);
    if q >= p {
        return 1.0;
    }
    let z = confirmations;
    let lambda = f64::from(z) * q / p;
    if z == 0 {
        return 1.0;
    }
    // The small terms are summed, not what is left of 1, which would be rounding noise.
    let log_ratio = (q / p).ln();
    let behind = poisson(lambda).take(z as usize + 1);
    let behind: f64 = behind.map(|(blocks, log_p)| (log_p + f64::from(z - blocks) * log_ratio).exp()).sum();
    (behind + falling_tail(poisson(lambda).skip(z as usize + 1))).clamp(0.0, 1.0)
}

/// The logarithms of the Poisson probabilities of 0, 1, … events; e^−λ itself underflows for the waits that shares near one
/// half need.
fn poisson(lambda: f64) -> impl Iterator<Item = (u32, f64)> {
    let mut log_probability = -lambda;
    (0..).map(move |events| {
        if events > 0 {
            log_probability += (lambda / f64::from(events)).ln();
        }
        (events, log_probability)
    })
}

/// The fewest confirmations for which `formula` (falling in its argument) is below `risk`; `None` when
/// [`CONFIRMATIONS_SEARCHED_MAX`] are not enough, as against a majority.
pub fn confirmations_needed(risk: f64, formula: impl Fn(u32) -> f64) -> Option<u32> {
    let mut enough = 1;
    while formula(enough) >= risk {
        if enough >= CONFIRMATIONS_SEARCHED_MAX {
            return None;
        }
        enough *= 2;
    }
    let mut too_few = enough / 2;
    while enough - too_few > 1 {
        let middle = too_few + (enough - too_few) / 2;
        if formula(middle) < risk {
            enough = middle;
        } else {
            too_few = middle;
        }
    }
    Some(enough)
}

/// How many blocks the attacker finds before the others find `z`, and the logarithm of each probability, from 0 blocks on.
fn found_while_waiting(share: f64, z: u32) -> impl Iterator<Item = (u32, f64)> {
    let (q, p) = (share, 1.0 - share);
    // In logarithms: pᶻ alone underflows for the waits that shares near one half need.
    let mut log_probability = f64::from(z) * p.ln();
    (0..).map(move |blocks| {
        if blocks > 0 {
            log_probability += (f64::from(blocks + z - 1) / f64::from(blocks) * q).ln();
        }
        (blocks, log_probability)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64, tolerance: f64) {
        assert!((found - expected).abs() <= tolerance, "found {found}, expected {expected}");
    }

    fn ours(share: f64, confirmations: u32, premine: u32) -> f64 {
        Race { share, confirmations, premine, give_up: None }.success()
    }

    #[test]
    fn nakamoto_is_the_papers_table() {
        let tenth = [1.0, 0.2045873, 0.0509779, 0.0131722, 0.0034552, 0.0009137, 0.0002428, 0.0000647, 0.0000173];
        for (z, expected) in tenth.into_iter().enumerate() {
            close(nakamoto(0.1, z as u32), expected, 5e-8);
        }
        let third = [1.0, 0.1773523, 0.0416605, 0.0101008, 0.0024804, 0.0006132, 0.0001522, 0.0000379, 0.0000095];
        for (step, expected) in third.into_iter().enumerate() {
            close(nakamoto(0.3, 5 * step as u32), expected, 5e-8);
        }
        for (share, z) in [(0.1, 5), (0.15, 8), (0.2, 11), (0.25, 15), (0.3, 24), (0.35, 41), (0.4, 89), (0.45, 340)] {
            assert_eq!(confirmations_needed(0.001, |z| nakamoto(share, z)), Some(z), "share {share}");
        }
    }

    #[test]
    fn rosenfeld_is_the_exact_race() {
        let tenth = [0.2, 0.056, 0.01712, 0.005456, 0.0017818, 0.0005914, 0.0001986, 0.0000672, 0.0000229];
        for (z, expected) in (1..).zip(tenth) {
            close(rosenfeld(0.1, z), expected, 5e-8);
        }
        let third = [0.1976173, 0.0651067, 0.0233077, 0.0086739, 0.0033027, 0.0012769, 0.0004991, 0.0001967, 0.000078];
        for (step, expected) in (1..).zip(third) {
            close(rosenfeld(0.3, 5 * step), expected, 5e-8);
        }
        for (share, z) in [(0.1, 6), (0.15, 9), (0.2, 13), (0.25, 20), (0.3, 32), (0.35, 58), (0.4, 133), (0.45, 539)] {
            assert_eq!(confirmations_needed(0.001, |z| rosenfeld(share, z)), Some(z), "share {share}");
        }
    }

    #[test]
    fn a_first_seen_rule_costs_the_attacker_a_block() {
        for (share, z, expected) in [(0.1, 2, 0.0095), (0.3, 3, 0.1801), (0.3, 6, 0.0891), (0.4, 6, 0.3814)] {
            close(ours(share, z, 0), expected, 5e-5);
            close(ours(share, z, 1), rosenfeld(share, z), 1e-12);
            assert!(ours(share, z, 0) < rosenfeld(share, z));
        }
    }

    /// Reference values by the log-gamma function in another language, summed over the positive terms.
    #[test]
    fn tiny_odds_are_not_rounding_noise() {
        for (found, expected) in [
            (ours(0.02, 100, 0), 6.308716e-114),
            (rosenfeld(0.02, 100), 1.585019e-112),
            (nakamoto(0.02, 100), 1.760564e-127),
            (ours(0.49, 100000, 0), 3.639966e-19),
            (rosenfeld(0.49, 100000), 3.714269e-19),
            (nakamoto(0.49, 100000), 2.701184e-35),
            (ours(0.1, 50, 0), 1.280330e-24),
            (rosenfeld(0.1, 50), 6.464364e-24),
            (nakamoto(0.1, 50), 2.117177e-29),
        ] {
            assert!((found / expected - 1.0).abs() < 1e-6, "found {found:e}, expected {expected:e}");
        }
    }

    #[test]
    fn a_majority_with_patience_always_wins() {
        for z in [1, 6, 100] {
            close(ours(0.5, z, 0), 1.0, 1e-9);
            close(ours(0.6, z, 0), 1.0, 1e-9);
        }
        assert_eq!(confirmations_needed(0.01, |z| ours(0.6, z, 0)), None);
    }

    #[test]
    fn blocks_mined_in_advance_beyond_the_wait_win_at_once() {
        close(ours(0.1, 2, 3), 1.0, 0.0);
        assert!(ours(0.1, 2, 2) < 1.0);
    }

    #[test]
    fn getting_ahead_takes_what_the_walk_takes() {
        close(blocks_until_ahead(0.3, 0), 0.0, 0.0);
        close(blocks_until_ahead(0.25, 1), 4.0, 1e-12);
        // An even walk that cannot fall below its start takes n(n + 1) steps to n.
        close(blocks_until_ahead(0.5, 7), 56.0, 1e-9);
        assert!(blocks_until_ahead(0.1, 6) > 500_000.0);
    }

    /// The slow, obvious model: the probability of every state of the race, stepped block by block.
    fn stepped(race: Race) -> f64 {
        const STEPS: usize = 4_000;
        let limit = race.give_up.expect("the model needs an end") as usize;
        let (q, z, n) = (race.share, race.confirmations as usize, race.premine as usize);
        let mut success = 0.0;
        // States while waiting: (the attacker's blocks, the others' blocks).
        let mut shipped = vec![0.0; STEPS];
        let mut row = vec![0.0; STEPS];
        row[n] = 1.0;
        for _ in 0..z {
            for own in 1..STEPS {
                row[own] += row[own - 1] * q;
            }
            row.iter_mut().for_each(|probability| *probability *= 1.0 - q);
        }
        for (own, probability) in row.into_iter().enumerate() {
            if own > z {
                success += probability;
            } else if z - own < limit {
                shipped[z - own] += probability;
            }
        }
        // States after shipping: how far behind.
        for _ in 0..STEPS {
            let mut next = vec![0.0; limit];
            for behind in 0..limit {
                if behind == 0 {
                    success += shipped[0] * q;
                } else {
                    next[behind - 1] += shipped[behind] * q;
                }
                if behind + 1 < limit {
                    next[behind + 1] += shipped[behind] * (1.0 - q);
                }
            }
            shipped = next;
        }
        success
    }

    #[test]
    fn patience_is_inside_the_formula() {
        for share in [0.1, 0.3, 0.45, 0.5, 0.6] {
            for (confirmations, premine, give_up) in [(1, 0, 3), (2, 0, 10), (6, 1, 12), (3, 2, 4), (4, 0, 2)] {
                let race = Race { share, confirmations, premine, give_up: Some(give_up) };
                close(race.success(), stepped(race), 1e-9);
            }
        }
    }

    #[test]
    fn long_waits_do_not_underflow() {
        let needed = confirmations_needed(0.001, |z| ours(0.49, z, 0)).expect("a minority can be outwaited");
        assert!((10_000..30_000).contains(&needed), "{needed}");
        assert!(nakamoto(0.49, needed) > 0.0);
    }
}
