//! What a payment must be worth before it pays to spend it twice (the question of Gervais and others, *On the Security and
//! Performance of Proof of Work Blockchains*, 2016, section 4.3, and of Sompolinsky and Zohar, *Bitcoin's Security Model Revisited*,
//! 2016).
//!
//! Who attacks does not mine honestly meanwhile. Values are in block rewards: an honest miner with the share `q` earns `q` a block
//! found by anybody, so an attack is charged `q` for each block found while it lasts, and earns its own blocks if its branch is
//! published and stays, and the payment's value if the shop had shipped by then. It pays if the sum is positive on average. A tie
//! wins nothing (γ = 0), no block is stale by chance, and hashing costs the same either way. Income is counted in absolute terms: what
//! a retarget later gives back to a selfish miner is no part of it.

use super::double_spend::Race;

/// Branches are followed to this many blocks beyond the confirmations: who is ever so far behind has long given up.
const BEYOND: usize = 120;
/// Halvings of the interval that a value is searched in.
const BISECTIONS: u32 = 60;
/// No payment is worth this many block rewards.
const VALUE_MAX: f64 = 1e12;
/// A gain below this is rounding.
const GAIN_MIN: f64 = 1e-9;

/// The least value, in block rewards, for which the attack pays if it is played as the race says: the branch is published only
/// when it wins, and given up at the race's limit. `None` where it never pays: without a limit, a lost race goes on for ever.
pub fn as_played(race: &Race) -> Option<f64> {
    let limit = race.give_up? as usize;
    let (q, p, z) = (race.share, 1.0 - race.share, race.confirmations as usize);
    let size = z + limit + BEYOND;
    // The probability of each number of the attacker's blocks, at one number of public blocks.
    let mut row = vec![0.0; 2 * size + race.premine as usize + 2];
    row[race.premine as usize] = 1.0;
    let (mut won, mut lost_blocks) = (0.0, 0.0);
    for public in 0..size + z {
        // What the attacker finds before the others' next block; with the goods shipped, the first lead ends it.
        for own in 0..row.len() - 1 {
            if public >= z && own > public {
                won += std::mem::take(&mut row[own]);
            } else if public >= z && public - own >= limit {
                lost_blocks += own as f64 * std::mem::take(&mut row[own]);
            } else {
                row[own + 1] += row[own] * q;
                row[own] *= p;
            }
        }
    }
    // What is left in a race that long is as good as lost.
    lost_blocks += row.iter().enumerate().map(|(own, probability)| own as f64 * probability).sum::<f64>();
    (won > 0.0).then(|| lost_blocks / won)
}

/// The least value, in block rewards, for which there is a way to play that pays: in every state the attacker does what is best,
/// go on, publish or give up. It is a lower bound that no wiser attacker gets below under these assumptions.
pub fn least(share: f64, confirmations: u32) -> f64 {
    if share >= 0.5 {
        // A majority wins any race it starts.
        return 0.0;
    }
    let (mut low, mut high) = (0.0, 1.0);
    while gain(share, confirmations, high) < GAIN_MIN && high < VALUE_MAX {
        (low, high) = (high, 2.0 * high);
    }
    for _ in 0..BISECTIONS {
        let middle = 0.5 * (low + high);
        if gain(share, confirmations, middle) < GAIN_MIN { low = middle } else { high = middle }
    }
    high
}

/// What the best attack on a payment of this value gains over honest mining, in block rewards.
fn gain(share: f64, confirmations: u32, value: f64) -> f64 {
    let (q, p, z) = (share, 1.0 - share, confirmations as usize);
    let size = z + BEYOND;
    let stop = |own: usize, public: usize| match own > public {
        true if public >= z => own as f64 + value,
        true => own as f64,
        false => 0.0,
    };
    // Worth of the states with one more public block, by the attacker's blocks; beyond the border everybody stops.
    let mut above: Vec<f64> = (0..=size + 1).map(|own| stop(own, size + 1)).collect();
    for public in (0..=size).rev() {
        let mut here = vec![0.0; size + 2];
        here[size + 1] = stop(size + 1, public);
        for own in (0..=size).rev() {
            let go_on = q * here[own + 1] + p * above[own] - q;
            here[own] = stop(own, public).max(go_on);
        }
        above = here;
    }
    above[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same race block by block, at random: what one attack costs and brings.
    fn drawn(race: &Race, runs: u32) -> (f64, f64) {
        use crate::lab::sim::random::uniform;
        use rand_chacha::rand_core::SeedableRng as _;
        let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(11);
        let (mut won, mut lost_blocks) = (0u32, 0u64);
        for _ in 0..runs {
            let (mut own, mut public) = (race.premine, 0);
            loop {
                if public >= race.confirmations && own > public {
                    won += 1;
                    break;
                }
                if public >= race.confirmations && public - own >= race.give_up.unwrap() {
                    lost_blocks += u64::from(own);
                    break;
                }
                if uniform(&mut random) <= race.share { own += 1 } else { public += 1 }
            }
        }
        (f64::from(won) / f64::from(runs), lost_blocks as f64 / f64::from(won))
    }

    #[test]
    fn the_value_as_played_is_what_lost_races_cost() {
        for (share, confirmations, premine, give_up) in
            [(0.3, 2, 0, 3), (0.2, 1, 0, 5), (0.4, 6, 0, 10), (0.3, 3, 1, 6)]
        {
            let race = Race { share, confirmations, premine, give_up: Some(give_up) };
            let (rate, value) = drawn(&race, 200_000);
            assert!((rate - race.success()).abs() < 0.005, "{race:?}: {rate}");
            let expected = as_played(&race).unwrap();
            assert!((expected / value - 1.0).abs() < 0.03, "{race:?}: {expected}, drawn {value}");
        }
        assert_eq!(as_played(&Race { share: 0.3, confirmations: 2, premine: 0, give_up: None }), None);
    }

    #[test]
    fn the_best_way_needs_no_more_than_any_other() {
        for (share, confirmations) in [(0.1, 1), (0.1, 6), (0.25, 2), (0.3, 6), (0.4, 3)] {
            let best = least(share, confirmations);
            for give_up in [1, 2, 4, 8, 16] {
                let played = as_played(&Race { share, confirmations, premine: 0, give_up: Some(give_up) }).unwrap();
                assert!(best <= played * (1.0 + 1e-6), "{share} {confirmations} {give_up}: {best}, {played}");
            }
            assert!(gain(share, confirmations, best * 0.99) < GAIN_MIN, "{share} {confirmations}");
            assert!(gain(share, confirmations, best * 1.01) > GAIN_MIN, "{share} {confirmations}");
        }
    }

    #[test]
    fn more_confirmations_and_smaller_shares_need_larger_payments() {
        let values: Vec<f64> = [1, 2, 3, 6, 10].map(|z| least(0.3, z)).into();
        assert!(values.windows(2).all(|pair| pair[0] < pair[1]), "{values:?}");
        assert!(least(0.1, 6) > least(0.2, 6) && least(0.2, 6) > least(0.4, 6));
        assert_eq!(least(0.5, 6), 0.0);
    }
}
