//! The rest of a double spend that is under way, played block by block: what a recorded moment could still come to.
//!
//! The odds of [`crate::lab::theory::double_spend::standing`] are its truth; here the same race is played instead of summed. Links take
//! no time and targets are fixed, as everywhere in the simulator's attacks.

use super::random::{derive_seed, uniform};
use crate::lab::theory::double_spend::standing::Standing;
use crate::lab::theory::estimate::Proportion;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng as _;

/// Without patience a race against a majority never ends: so far behind, the attacker stops (the odds of coming back are below 10⁻⁸
/// for a share of 0.45).
const BEHIND_MAX: i64 = 100;
/// A race that has not been decided after this many blocks is lost.
const BLOCKS_MAX: u32 = 100_000;

/// Plays the rest `runs` times.
pub fn play(standing: &Standing, runs: u32, seed: u64) -> Proportion {
    let experiment = format!("rest of {standing:?}");
    let won = |run: &u32| {
        let mut random = ChaCha8Rng::seed_from_u64(derive_seed(seed, &experiment, u64::from(*run)));
        play_once(*standing, &mut random)
    };
    let successes = (0..runs).filter(won).count();
    Proportion { runs, successes: u32::try_from(successes).unwrap_or(runs) }
}

fn play_once(mut now: Standing, random: &mut ChaCha8Rng) -> bool {
    let patience = now.race.give_up.map_or(BEHIND_MAX, i64::from);
    for _ in 0..BLOCKS_MAX {
        now.shipped |= now.confirmations >= now.race.confirmations;
        if now.shipped {
            if now.behind() < 0 {
                return true;
            }
            if now.behind() >= patience {
                return false;
            }
        }
        if uniform(random) <= now.race.share {
            now.own += 1;
        } else {
            now.public += 1;
            now.confirmations += 1;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::theory::double_spend::Race;

    #[test]
    fn what_is_played_agrees_with_the_formula_from_any_standing() {
        for (share, confirmations, own, public) in [(0.3, 1, 0, 1), (0.4, 0, 1, 0), (0.45, 2, 2, 2), (0.2, 0, 0, 0)] {
            let race = Race { share, confirmations: 2, premine: 0, give_up: Some(8) };
            let standing = Standing { race, confirmations, own, public, shipped: false };
            let played = play(&standing, 4_000, 7);
            let z = played.z(standing.success()).expect("possible");
            assert!(z.abs() < 4.0, "{standing:?}: {played:?} against {}, z = {z}, seed 7", standing.success());
        }
    }
}
