//! Double spends in which others work for the attacker: those on the far side of a partition, or those who are bribed.

use super::{Race, catches_up, found_while_waiting};

/// The probability of success when the attacker keeps the shop's side of the network apart until the payment has its confirmations, and
/// spends the same coins on the other side, where everybody else mines: Natoli and Gramoli, *The Balance Attack*, 2017, with the side
/// that is larger by hash rate deciding. `shop_side` is the part of the honest hash rate on the shop's side. When the sides meet, the longer
/// branch wins; of equal ones that on which the next block is found.
pub fn over_partition(share: f64, shop_side: f64, confirmations: u32) -> f64 {
    let far = share + (1.0 - share) * (1.0 - shop_side);
    let lost = found_while_waiting(far, confirmations)
        .take(confirmations as usize + 1)
        .map(|(found, log_probability)| log_probability.exp() * if found == confirmations { 1.0 - far } else { 1.0 });
    (1.0 - lost.sum::<f64>()).clamp(0.0, 1.0)
}

/// The probability of success when, once the shop has shipped, a part `bribed` of the honest hash rate mines on the attacker's branch
/// because the conflicting payment leaves them a large fee there: Liao and Katz, *Incentivizing Blockchain Forks via Whale Transactions*, 2017.
pub fn with_bribes(race: &Race, bribed: f64) -> f64 {
    let helped = race.share + (1.0 - race.share) * bribed;
    let ahead = (race.confirmations + 1).saturating_sub(race.premine);
    let failed =
        found_while_waiting(race.share, race.confirmations).take(ahead as usize).map(|(found, log_probability)| {
            let behind = race.confirmations - race.premine - found;
            log_probability.exp() * (1.0 - catches_up(helped, behind, race.give_up))
        });
    (1.0 - failed.sum::<f64>()).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_bribes_it_is_the_race_and_with_all_of_them_certain() {
        for (share, confirmations, premine) in [(0.1, 1, 0), (0.3, 2, 0), (0.4, 6, 1), (0.6, 3, 0)] {
            let race = Race { share, confirmations, premine, give_up: Some(10) };
            assert!((with_bribes(&race, 0.0) - race.success()).abs() < 1e-12, "{race:?}");
            assert!(with_bribes(&race, 0.3) > race.success() && with_bribes(&race, 1.0) > 1.0 - 1e-9, "{race:?}");
        }
    }

    /// With one confirmation: the far side has found none with probability p, exactly one with p·q.
    #[test]
    fn over_a_partition_one_confirmation_is_three_terms() {
        for (share, side) in [(0.1, 0.5), (0.3, 0.2), (0.01, 0.9)] {
            let far: f64 = share + (1.0 - share) * (1.0 - side);
            let near = 1.0 - far;
            let expected = 1.0 - near - near * far * near;
            assert!((over_partition(share, side, 1) - expected).abs() < 1e-12, "{share} {side}");
        }
        assert!(
            over_partition(0.1, 0.2, 6) > over_partition(0.1, 0.2, 1),
            "the larger side wins the surer the longer it lasts"
        );
        assert!(over_partition(0.1, 0.9, 6) < over_partition(0.1, 0.9, 1));
    }
}
