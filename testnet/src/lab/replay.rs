//! Going on from a recorded moment: what a recording says of a double spend under way, and what may be changed about its future.
//!
//! A recording ([`crate::observer::recording`]) tells at every block how the race stands. From there the rest can be played again, in the
//! simulator ([`super::sim::double_spend`]) or on live nodes ([`super::live`]), as it was planned or with other parameters.

use crate::lab::theory::double_spend::Race;
use crate::lab::theory::double_spend::standing::Standing;
use node::core::fork_rule::ForkRules;
use serde_json::Value;

/// Blocks of either branch that a moment may have: they are made at once before the rest is played.
const BLOCKS_MAX: u32 = 1_000;

/// A moment to go on from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moment {
    /// Seconds after the attack began.
    pub seconds: f64,
    /// How the race stood.
    pub standing: Standing,
}

/// What a recording says of a double spend.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    /// Its title.
    pub title: String,
    /// The moments at which the race was told, the first first.
    pub moments: Vec<Moment>,
}

impl Recorded {
    /// Reads a recording's lines. A last line that was cut short does not count.
    ///
    /// # Errors
    /// It is no recording of a double spend, or ended before the race began.
    pub fn read(text: &str) -> Result<Recorded, String> {
        let mut lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let head =
            lines.next().filter(|head| head["event"] == "recording").ok_or("it does not begin as a recording does")?;
        if head["attack"] != "double-spend" {
            let what = head["attack"].as_str().unwrap_or("a network");
            return Err(format!("it is a recording of {what}; only a double spend has a race to go on with"));
        }
        let count = |value: &Value| value.as_u64().and_then(|count| u32::try_from(count).ok());
        let share = head["share"].as_f64().filter(|share| *share > 0.0 && *share < 1.0);
        let race = Race {
            share: share.ok_or("its first line has no share")?,
            confirmations: count(&head["confirmations"])
                .filter(|z| *z > 0)
                .ok_or("its first line has no confirmations")?,
            // What was mined in advance is part of the attacker's branch by now.
            premine: 0,
            give_up: count(&head["give_up"]),
        };
        let moment = |line: Value| {
            let (confirmations, own, public) =
                (count(&line["confirmations"])?, count(&line["own"])?, count(&line["public"])?);
            let shipped = line["shipped"].as_bool()?;
            let is_told = confirmations <= public && public <= BLOCKS_MAX && own <= BLOCKS_MAX;
            let standing = Standing { race, confirmations, own, public, shipped };
            is_told.then_some(Moment { seconds: line["s"].as_f64()?, standing })
        };
        let moments: Vec<Moment> = lines.filter(|line| line["event"] == "odds").filter_map(moment).collect();
        if moments.is_empty() {
            return Err("it ended before a block was found in the race, so there is nothing to go on from".into());
        }
        Ok(Recorded { title: head["title"].as_str().unwrap_or_default().to_owned(), moments })
    }

    /// The race as it stood at a time: by the last block told until then.
    ///
    /// # Errors
    /// The race had not begun.
    pub fn at(&self, seconds: f64) -> Result<Moment, String> {
        let until = self.moments.partition_point(|moment| moment.seconds <= seconds);
        until.checked_sub(1).map(|last| self.moments[last]).ok_or_else(|| {
            format!(
                "the race has its first block at {:.1} s; at {seconds} s there is nothing to go on from",
                self.moments[0].seconds
            )
        })
    }
}

/// What is changed about a future.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Change {
    /// As it was given; nothing for the future as it was planned.
    pub text: String,
    confirmations: Option<u32>,
    share: Option<f64>,
    give_up: Option<u32>,
    /// The defences of everybody but the attacker.
    pub fork_rules: ForkRules,
}

impl std::str::FromStr for Change {
    type Err = String;

    /// `confirmations=6`, or several: `confirmations=6,share=0.4,give-up=5,fork-rule=mess+uniform-tie`.
    fn from_str(text: &str) -> Result<Change, String> {
        let mut change = Change { text: text.to_owned(), ..Change::default() };
        for part in text.split(',') {
            let (name, value) = part.split_once('=').ok_or_else(|| format!("{part:?} is no change; {KNOWN}"))?;
            let blocks = |least: u32| match value.parse::<u32>() {
                Ok(blocks) if (least..=BLOCKS_MAX).contains(&blocks) => Ok(Some(blocks)),
                _ => Err(format!("{part}: {name} is a whole number from {least} to {BLOCKS_MAX}")),
            };
            match name {
                "confirmations" => change.confirmations = blocks(1)?,
                "give-up" => change.give_up = blocks(1)?,
                "share" => {
                    let share = value.parse::<f64>().ok().filter(|share| *share > 0.0 && *share < 1.0);
                    change.share = Some(share.ok_or_else(|| format!("{part}: a share is a number between 0 and 1"))?);
                }
                "fork-rule" => {
                    change.fork_rules = value.replace('+', ",").parse().map_err(|why| format!("{part}: {why}"))?;
                }
                _ => return Err(format!("{name:?} cannot be changed; {KNOWN}")),
            }
        }
        Ok(change)
    }
}

/// What can be changed.
const KNOWN: &str = "write confirmations=Z, share=A, give-up=BLOCKS or fork-rule=RULE, several with commas between them (several rules with \
                     +)";

impl Change {
    /// How the race stands with this change. A shop that waits for more than it has, has not shipped, whatever the recorded one did.
    pub fn standing(&self, recorded: &Standing) -> Standing {
        let race = Race {
            share: self.share.unwrap_or(recorded.race.share),
            confirmations: self.confirmations.unwrap_or(recorded.race.confirmations),
            premine: 0,
            give_up: self.give_up.or(recorded.race.give_up),
        };
        Standing { race, shipped: recorded.confirmations >= race.confirmations, ..*recorded }
    }

    /// What theory says; nothing of defences.
    pub fn odds(&self, recorded: &Standing) -> Option<f64> {
        self.fork_rules.is_empty().then(|| self.standing(recorded).success())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = concat!(
        r#"{"event":"recording","kind":"attack","title":"double-spend, share 0.3","attack":"double-spend","share":0.3,"confirmations":2,"give_up":10,"premine":0}"#,
        "\n",
        r#"{"s":1.0,"event":"note","text":"pays"}"#,
        "\n",
        r#"{"s":3.5,"event":"odds","confirmations":1,"own":0,"public":1,"behind":1,"shipped":false,"odds":0.2}"#,
        "\n",
        r#"{"s":6.0,"event":"odds","confirmations":2,"own":1,"public":2,"behind":1,"shipped":true,"odds":0.1}"#,
        "\n",
        r#"{"s":7.0,"event":"odds","confirm"#,
    );

    #[test]
    fn a_recording_gives_its_moments_and_a_cut_line_none() {
        let recorded = Recorded::read(TEXT).unwrap();
        assert_eq!(recorded.moments.len(), 2);
        assert_eq!(recorded.at(5.9).unwrap(), recorded.moments[0]);
        assert_eq!(recorded.at(99.0).unwrap(), recorded.moments[1]);
        assert!(recorded.at(3.0).unwrap_err().contains("3.5"));
        for (from, to, word) in [
            ("\"attack\":\"double-spend\"", "\"attack\":\"selfish\"", "selfish"),
            ("\"share\":0.3", "\"share\":3", "share"),
            ("\"odds\",", "\"note\",", "nothing to go on"),
            ("recording", "block", "recording"),
        ] {
            let why = Recorded::read(&TEXT.replace(from, to)).unwrap_err();
            assert!(why.contains(word), "{to}: {why}");
        }
    }

    #[test]
    fn changes_are_read_and_a_patient_shop_has_not_shipped() {
        let moment = Recorded::read(TEXT).unwrap().at(6.0).unwrap().standing;
        let change: Change = "confirmations=6,share=0.4,give-up=5".parse().unwrap();
        let standing = change.standing(&moment);
        assert_eq!((standing.race.confirmations, standing.race.share, standing.race.give_up), (6, 0.4, Some(5)));
        assert!(!standing.shipped && moment.shipped);
        assert_eq!(change.odds(&moment), Some(standing.success()));
        let defended: Change = "fork-rule=reorg-limit=6+uniform-tie".parse().unwrap();
        assert!(!defended.fork_rules.is_empty() && defended.odds(&moment).is_none());
        for text in ["", "confirmations", "confirmations=0", "share=1", "give-up=x", "luck=3", "fork-rule=hope"] {
            assert!(text.parse::<Change>().is_err(), "{text}");
        }
    }
}
