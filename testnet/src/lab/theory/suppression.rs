//! Keeping a payment out of the chain: the race of a censor, or of a miner of empty blocks, as our nodes judge it.
//!
//! Honest miners put the payment into their next block. The attacker refuses such blocks and mines on the branch without
//! them; once that branch has strictly more work, everybody changes over, the payment is unconfirmed, and it starts again. The
//! attack has failed at the moment the payment has `confirmations` confirmations, and has succeeded when `blocks` blocks have
//! been found since the payment without that.

/// The race and its stopping rule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Suppression {
    /// The attacker's share of the hash rate, in (0, 1).
    pub share: f64,
    /// Confirmations at which the payment has got through, 1 or more.
    pub confirmations: u32,
    /// Blocks found by anybody, after which the payment has been kept out.
    pub blocks: u32,
}

impl Suppression {
    /// The probability that the payment is kept out: every state of the race, stepped block by block.
    pub fn success(&self) -> f64 {
        let (q, p) = (self.share, 1.0 - self.share);
        let z = self.confirmations as usize;
        // Nobody has the payment, or the honest branch with it is `public` long and the attacker's without it `own`.
        let mut unconfirmed = 1.0;
        let mut racing = vec![vec![0.0; z + 1]; z];
        for _ in 0..self.blocks {
            let mut next = vec![vec![0.0; z + 1]; z];
            let mut next_unconfirmed = unconfirmed * q;
            if z > 1 {
                next[1][0] += unconfirmed * p;
            }
            for public in 1..z {
                for own in 0..=public {
                    let probability = racing[public][own];
                    if public + 1 < z {
                        next[public + 1][own] += probability * p;
                    }
                    match own < public {
                        true => next[public][own + 1] += probability * q,
                        false => next_unconfirmed += probability * q,
                    }
                }
            }
            (unconfirmed, racing) = (next_unconfirmed, next);
        }
        unconfirmed + racing.iter().flatten().sum::<f64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn success(share: f64, confirmations: u32, blocks: u32) -> f64 {
        Suppression { share, confirmations, blocks }.success()
    }

    #[test]
    fn one_confirmation_fails_at_the_first_honest_block() {
        for (share, blocks) in [(0.3, 1), (0.6, 12), (0.9, 40)] {
            let expected = f64::powi(share, blocks as i32);
            assert!((success(share, 1, blocks) - expected).abs() < 1e-12);
        }
    }

    /// Every sequence of blocks, played by the rules.
    #[test]
    fn every_sequence_played_out_gives_the_same() {
        for (share, confirmations, blocks) in [(0.35, 2, 10), (0.6, 3, 12), (0.8, 4, 12)] {
            let mut kept_out = 0.0;
            for sequence in 0u32..1 << blocks {
                let (mut public, mut own, mut probability, mut failed) = (0, 0, 1.0, false);
                for block in 0..blocks {
                    if sequence >> block & 1 == 1 {
                        probability *= share;
                        own += u32::from(public > 0);
                        if own > public {
                            (public, own) = (0, 0);
                        }
                    } else {
                        probability *= 1.0 - share;
                        public += 1;
                        failed |= public == confirmations;
                    }
                }
                kept_out += if failed { 0.0 } else { probability };
            }
            let found = success(share, confirmations, blocks);
            assert!((found - kept_out).abs() < 1e-9, "{share} {confirmations} {blocks}: {found}, {kept_out}");
        }
    }

    #[test]
    fn a_majority_keeps_payments_out_for_long_and_a_minority_does_not() {
        assert!(success(0.9, 6, 12) > 0.999);
        assert!(success(0.3, 6, 100) < 0.01);
    }
}
