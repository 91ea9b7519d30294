//! Withholding blocks through a retarget: what it earns per unit of time, before and after the difficulty has fallen (Grunspan and
//! Pérez-Marco, *On profitability of selfish mining*, 2018; the same, *Profit lag and alternate network mining*, 2020).
//!
//! Lost blocks make the chain grow slower than blocks are found. Until the difficulty follows, an attacker's income is the part of
//! the chain that is the attacker's times the slower growth, and no strategy earns more than honest mining does; afterwards the chain
//! grows at its usual pace, and income is that part alone. Time is counted in the aimed time between blocks, income in block rewards.

use chain_spec::spec::Retarget;
use std::fmt;
use std::str::FromStr;

/// Expected blocks of one regeneration cycle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cycle {
    /// The attacker's blocks in the chain.
    pub own: f64,
    /// Blocks in the chain.
    pub chain: f64,
    /// Blocks found: the cycle's duration while the difficulty is the initial one.
    pub found: f64,
}

impl Cycle {
    /// Of selfish mining with a share below one half, in closed form (Grunspan and Pérez-Marco 2018, section 4: durations by Doob's
    /// theorem; the same follows from the walk of the lead, which takes 1/(p − q) blocks to lose one).
    pub fn selfish(share: f64, gamma: f64) -> Cycle {
        let (q, p) = (share, 1.0 - share);
        // One block of the others; or one of the attacker's, then either a tie that one more block decides, or a lead of two that lasts
        // until it is one.
        let lead = 2.0 + q / (p - q);
        Cycle {
            own: p * q * (2.0 * q + p * gamma) + q * q * lead,
            chain: p + 2.0 * p * q + q * q * lead,
            found: p + 3.0 * p * q + q * q * (2.0 + 1.0 / (p - q)),
        }
    }

    /// The attacker's part of the chain: income for each unit of time once the difficulty has followed.
    pub fn income_after(&self) -> f64 {
        self.own / self.chain
    }

    /// Income for each unit of time while the difficulty is the initial one.
    pub fn income_before(&self) -> f64 {
        self.own / self.found
    }

    /// How many times slower than at first the chain grows.
    pub fn slowdown(&self) -> f64 {
        self.found / self.chain
    }
}

/// A rule for the target, as `--retarget` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// The target stays.
    None,
    /// Bitcoin's: it changes every so many blocks.
    Epoch(u32),
    /// aserti3-2d, with its half-life in seconds.
    Asert(u32),
    /// asert that forgives pauses, with its half-life in seconds.
    Ema(u32),
}

impl Rule {
    /// As a chain spec has it.
    pub fn retarget(self) -> Retarget {
        match self {
            Rule::None => Retarget::Fixed,
            Rule::Epoch(interval) => Retarget::Epoch { interval },
            Rule::Asert(half_life_s) => Retarget::Asert { half_life_s },
            Rule::Ema(half_life_s) => Retarget::Ema { half_life_s },
        }
    }
}

/// Blocks of a period unless said otherwise: Bitcoin's.
const EPOCH_BLOCKS: u32 = 2_016;
/// Seconds behind schedule that double the target unless said otherwise: two days, as where the rule was made.
const HALF_LIFE_S: u32 = 172_800;

impl FromStr for Rule {
    type Err = String;

    fn from_str(text: &str) -> Result<Rule, String> {
        let (name, number) = text.split_once('=').map_or((text, None), |(name, number)| (name, Some(number)));
        let number = |least: u32, usual: u32| match number.map(str::parse::<u32>) {
            None => Ok(usual),
            Some(Ok(value)) if (least..=1_000_000).contains(&value) => Ok(value),
            Some(_) => Err(format!("{text}: {name}= takes a whole number from {least} to 1000000")),
        };
        Ok(match name {
            "none" if text == "none" => Rule::None,
            "epoch" => Rule::Epoch(number(10, EPOCH_BLOCKS)?),
            "asert" => Rule::Asert(number(600, HALF_LIFE_S)?),
            "ema" => Rule::Ema(number(600, HALF_LIFE_S)?),
            _ => {
                return Err(format!(
                    "{text:?} is no retarget rule; there are none, epoch, epoch=BLOCKS, asert, asert=SECONDS, ema and ema=SECONDS (the \
                     half-life)"
                ));
            }
        })
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rule::None => f.write_str("none"),
            Rule::Epoch(interval) => write!(f, "epoch={interval}"),
            Rule::Asert(half_life_s) => write!(f, "asert={half_life_s}"),
            Rule::Ema(half_life_s) => write!(f, "ema={half_life_s}"),
        }
    }
}

/// An attack on a chain that retargets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Profit {
    /// What a cycle comes to.
    pub cycle: Cycle,
    /// The attacker's share of the hash rate, which is what honest mining earns for each unit of time.
    pub share: f64,
    /// The rule.
    pub rule: Rule,
    /// Seconds between blocks that it aims at.
    pub spacing_s: f64,
}

impl Profit {
    /// When the chain has `blocks` blocks, expected.
    ///
    /// With epochs the first period takes as much longer as blocks are lost, and all others their usual time. A rule that looks at every
    /// block (asert, and ema, which is the same while there are no pauses) sets the target to 2^(x/h) times the initial one when
    /// the chain is x behind its schedule, with h the half-life; so u = 2^(x/h) obeys du/dn = (ln 2/h)(s − u) with s the slowdown, and
    /// x = h·log₂(s − (s − 1)·2^(−n/h)) after n blocks (own derivation).
    pub fn time(&self, blocks: f64) -> f64 {
        let slowdown = self.cycle.slowdown();
        match self.rule {
            Rule::None => blocks * slowdown,
            Rule::Epoch(interval) => {
                let first = blocks.min(f64::from(interval));
                first * slowdown + (blocks - first)
            }
            Rule::Asert(half_life_s) | Rule::Ema(half_life_s) => {
                let half_life = f64::from(half_life_s) / self.spacing_s;
                let behind = libm::log2(slowdown - (slowdown - 1.0) * libm::exp2(-blocks / half_life));
                blocks + half_life * behind
            }
        }
    }

    /// Income for each unit of time until the chain has `blocks` blocks.
    pub fn income(&self, blocks: f64) -> f64 {
        self.cycle.income_after() * blocks / self.time(blocks)
    }

    /// How long until the attack has earned as much as honest mining would have; `None` if it never does.
    ///
    /// With epochs of n blocks this is n·(s + (q·s − R)/(R − q)): the loss of the first period, made good at the rate R − q.
    pub fn time_before_profit(&self) -> Option<f64> {
        let (own, honest) = (self.cycle.income_after(), self.share);
        if own <= honest || self.rule == Rule::None {
            return None;
        }
        let gained = |blocks: f64| own * blocks - honest * self.time(blocks);
        // The loss grows at first and is then made good for ever: the last crossing is what is meant.
        let mut high = 1.0;
        while gained(high) <= 0.0 || gained(2.0 * high) <= gained(high) {
            high *= 2.0;
            if high > 1e12 {
                return None;
            }
        }
        let mut low = 0.0;
        for _ in 0..200 {
            let middle = 0.5 * (low + high);
            if gained(middle) <= 0.0 { low = middle } else { high = middle }
        }
        Some(self.time(high))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::theory::revenue::{Process, selfish as selfish_revenue};
    use crate::lab::theory::withholding::Named;

    const SHARES: [(f64, f64); 6] = [(0.1, 0.9), (0.25, 0.5), (1.0 / 3.0, 0.0), (0.4, 0.0), (0.4, 1.0), (0.45, 0.5)];

    #[test]
    fn the_cycle_is_eyal_and_sirers_and_the_process_s() {
        for (share, gamma) in SHARES {
            let cycle = Cycle::selfish(share, gamma);
            assert!((cycle.income_after() - selfish_revenue(share, gamma)).abs() < 1e-12, "{share} {gamma}");
            let process = Process { share, gamma, length_max: 120 };
            let settled = process.cycle(&Named::Selfish);
            let found = process.duration(&Named::Selfish);
            // The process is followed to branches of 120 blocks: a little less than all of it.
            let near = |value: f64, whole: f64| value < whole * (1.0 + 1e-6) && value > whole * 0.995;
            assert!(near(settled.own, cycle.own), "{share} {gamma}: {settled:?}, {cycle:?}");
            assert!(near(settled.own + settled.public, cycle.chain), "{share} {gamma}: {settled:?}, {cycle:?}");
            assert!(near(found, cycle.found), "{share} {gamma}: {found}, {cycle:?}");
        }
    }

    /// The paper's main theorem: before a retarget nothing earns more than honest mining.
    #[test]
    fn nothing_pays_before_the_difficulty_follows() {
        for share in [0.1, 0.2, 0.3, 0.4, 0.45, 0.49] {
            for gamma in [0.0, 0.5, 1.0] {
                let cycle = Cycle::selfish(share, gamma);
                assert!(cycle.income_before() <= share + 1e-12, "{share} {gamma}: {cycle:?}");
            }
        }
    }

    fn profit(share: f64, gamma: f64, rule: &str) -> Profit {
        let rule = rule.parse().unwrap();
        Profit { cycle: Cycle::selfish(share, gamma), share, rule, spacing_s: 600.0 }
    }

    /// The paper's example: 10 % of the hash rate with γ = 0.9 needs about ten weeks, five of Bitcoin's periods.
    #[test]
    fn a_tenth_of_the_hash_rate_waits_ten_weeks() {
        let weeks = profit(0.1, 0.9, "epoch").time_before_profit().unwrap() * 600.0 / 604_800.0;
        assert!((weeks - 10.2).abs() < 0.1, "{weeks}");
        // By the formula itself.
        for (share, gamma) in [(0.1, 0.9), (0.4, 0.0), (0.45, 0.5)] {
            let at = profit(share, gamma, "epoch=2016");
            let (own, slow) = (at.cycle.income_after(), at.cycle.slowdown());
            let expected = 2_016.0 * (slow + (share * slow - own) / (own - share));
            assert!((at.time_before_profit().unwrap() / expected - 1.0).abs() < 1e-9, "{share} {gamma}");
        }
    }

    #[test]
    fn a_rule_that_follows_every_block_is_profitable_sooner_and_none_never() {
        let epoch = profit(0.4, 0.0, "epoch").time_before_profit().unwrap();
        let asert = profit(0.4, 0.0, "asert").time_before_profit().unwrap();
        assert!(asert < epoch / 2.0, "{asert} {epoch}");
        assert_eq!(profit(0.4, 0.0, "none").time_before_profit(), None);
        assert_eq!(profit(0.3, 0.0, "epoch").time_before_profit(), None, "below the threshold");
        // Near the start a rule has not acted; in the long run the chain is a constant behind.
        let at = profit(0.4, 0.0, "asert");
        assert!((at.time(0.01) / 0.01 - at.cycle.slowdown()).abs() < 1e-3);
        let behind = at.time(1e5) - 1e5;
        assert!((behind - 288.0 * libm::log2(at.cycle.slowdown())).abs() < 1e-6, "{behind}");
    }

    #[test]
    fn rules_are_read_and_said_alike() {
        for text in ["none", "epoch=2016", "asert=172800", "ema=7200"] {
            assert_eq!(text.parse::<Rule>().unwrap().to_string(), text);
        }
        for text in ["", "never", "epoch=0", "epoch=x", "none=3", "asert=1", "ema=9999999"] {
            assert!(text.parse::<Rule>().is_err(), "{text}");
        }
    }
}
