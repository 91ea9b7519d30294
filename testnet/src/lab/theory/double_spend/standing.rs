//! The odds of a double spend that is under way: the same race as [`super::Race`], asked again at every block.

use super::{Race, found_while_waiting};

/// Where a race stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Standing {
    /// The race as it was planned.
    pub race: Race,
    /// Confirmations that the payment has on the public branch.
    pub confirmations: u32,
    /// Blocks of the attacker's branch above the last block that both branches share.
    pub own: u32,
    /// Blocks of the public branch above it.
    pub public: u32,
    /// The shop has shipped: from here on the attacker's patience counts.
    pub shipped: bool,
}

impl Standing {
    /// How many blocks the attacker is behind; negative when ahead.
    pub fn behind(&self) -> i64 {
        i64::from(self.public) - i64::from(self.own)
    }

    /// The probability that the attacker's branch comes out longer once the shop has shipped, from here on.
    pub fn success(&self) -> f64 {
        let waits_for = match self.shipped {
            true => 0,
            false => self.race.confirmations.saturating_sub(self.confirmations),
        };
        // With `waits_for` public blocks more and `found` secret ones, the attacker is so far behind when the shop ships.
        let at_shipment = self.behind() + i64::from(waits_for);
        let mut failed = 0.0;
        for (found, log_probability) in found_while_waiting(self.race.share, waits_for) {
            let behind = at_shipment - i64::from(found);
            if behind < 0 || (waits_for == 0 && found > 0) {
                break;
            }
            let behind = u32::try_from(behind).unwrap_or(u32::MAX);
            failed += log_probability.exp() * (1.0 - self.race.log_catches_up(behind).exp());
        }
        (1.0 - failed).clamp(0.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(share: f64, race: (u32, Option<u32>), state: (u32, u32, u32)) -> Standing {
        let race = Race { share, confirmations: race.0, premine: 0, give_up: race.1 };
        let (confirmations, own, public) = state;
        Standing { race, confirmations, own, public, shipped: confirmations >= race.confirmations }
    }

    #[test]
    fn at_the_start_it_is_the_race_s_own_formula() {
        for share in [0.1, 0.3, 0.45, 0.6] {
            for confirmations in [1, 2, 6] {
                for premine in [0, 1, 3] {
                    for give_up in [None, Some(5), Some(10)] {
                        let race = Race { share, confirmations, premine, give_up };
                        let start = Standing { race, confirmations: 0, own: premine, public: 0, shipped: false };
                        let (found, expected) = (start.success(), race.success());
                        assert!((found - expected).abs() < 1e-12, "{race:?}: {found} and {expected}");
                    }
                }
            }
        }
    }

    /// The next block is the attacker's with probability q: what the odds are now is the mean of what they will be.
    #[test]
    fn odds_are_the_mean_of_the_odds_one_block_later() {
        for share in [0.2, 0.4, 0.7] {
            for race in [(1, None), (3, Some(4)), (6, Some(10))] {
                for confirmations in 0..race.0 + 3 {
                    for own in 0..confirmations + 1 {
                        let now = standing(share, race, (confirmations, own, confirmations));
                        let is_over = now.shipped && race.1.is_some_and(|limit| now.behind() >= i64::from(limit));
                        if is_over {
                            assert_eq!(now.success(), 0.0, "{now:?}");
                            continue;
                        }
                        let attackers = standing(share, race, (confirmations, own + 1, confirmations)).success();
                        let others = standing(share, race, (confirmations + 1, own, confirmations + 1)).success();
                        let mean = share * attackers + (1.0 - share) * others;
                        assert!((now.success() - mean).abs() < 1e-9, "{now:?}: {} and {mean}", now.success());
                    }
                }
            }
        }
    }

    #[test]
    fn ahead_with_the_goods_shipped_is_won_and_two_behind_is_a_gambler_s_ruin() {
        assert_eq!(standing(0.3, (2, None), (2, 3, 2)).success(), 1.0);
        // (q/p)³ from two behind to one ahead.
        assert!((standing(0.3, (2, None), (2, 0, 2)).success() - (0.3f64 / 0.7).powi(3)).abs() < 1e-12);
    }
}
