//! The odds that a confirmed payment is reversed: an attacker with a share of the hash power mines a rival branch.
//!
//! Rosenfeld's exact race ("Analysis of hashrate-based double-spending", 2014), with one block mined in advance: when the
//! payment has z confirmations the attacker has found m blocks with the negative binomial probability, and catches up from
//! z − m behind with probability (q/p)^(z−m).

/// Terms beyond this are below any probability that can be shown.
const TERMS_MAX: u32 = 100_000;

/// The probability that an attacker with `share` of the hash power (0 to 1) reverses a payment with `confirmations`.
pub fn reversal(share: f64, confirmations: u32) -> f64 {
    let (p, q) = (1.0 - share, share);
    if q >= p || confirmations == 0 {
        return 1.0;
    }
    if q <= 0.0 {
        return 0.0;
    }
    let z = f64::from(confirmations);
    // ln of C(m+z−1, m) p^z q^m, from one m to the next by a factor; all terms are positive, so nothing cancels.
    let mut log_weight = z * p.ln();
    let mut sum = 0.0;
    for m in 0..TERMS_MAX {
        let behind = (z - f64::from(m)).max(0.0);
        let term = (log_weight + behind * (q / p).ln()).exp();
        sum += term;
        if m > confirmations && term < sum * 1e-17 {
            break;
        }
        log_weight += ((f64::from(m) + z) / f64::from(m + 1)).ln() + q.ln();
    }
    sum.min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rosenfeld's table: q = 0.1 for z = 0…10, and q = 0.3 for every fifth z.
    #[test]
    fn the_published_table_holds() {
        let tenth =
            [1.0, 0.2, 0.056, 0.01712, 0.0054560, 0.0017818, 0.0005914, 0.0001986, 0.0000672, 0.0000229, 0.0000079];
        for (z, expected) in (0..).zip(tenth) {
            assert!((reversal(0.1, z) - expected).abs() < 6e-8, "z {z}: {}", reversal(0.1, z));
        }
        let third = [1.0, 0.1976173, 0.0651067, 0.0233077, 0.0086739, 0.0033027, 0.0012769, 0.0004991];
        for (z, expected) in (0..).step_by(5).zip(third) {
            assert!((reversal(0.3, z) - expected).abs() < 6e-8, "z {z}: {}", reversal(0.3, z));
        }
    }

    /// Rosenfeld's formula for q = 0.02, z = 100 in exact fractions.
    const EXACT: f64 = 1.585_019_195_506_666e-112;

    /// Where sums of large terms would leave only rounding noise.
    #[test]
    fn small_odds_are_small() {
        // The formula in exact fractions.
        assert!((reversal(0.02, 100) / EXACT - 1.0).abs() < 1e-9, "{:e}", reversal(0.02, 100));
        assert_eq!((reversal(0.5, 6), reversal(0.7, 100), reversal(0.0, 1)), (1.0, 1.0, 0.0));
    }
}
