//! `testoon time`: the time of a network's nodes, moved ahead or back to the computer's.

use super::Common;
use super::report::{count, say};
use crate::cluster::Cluster;
use crate::error::usage;
use anyhow::{Context as _, Result};
use clap::Args;
use serde_json::json;

/// Seconds that one call of `mockscheduler` moves a node's time at most (Core's bound).
const STEP_S_MAX: u64 = 60 * 60;
/// The furthest that the time can be moved by one command, seconds: a year.
const AHEAD_S_MAX: u64 = 365 * 24 * 60 * 60;

#[derive(Debug, Args)]
pub struct TimeArgs {
    /// How far to move the time of every node ahead, like +1h, +30min or +2d; `reset` follows the computer's clock again
    #[arg(value_name = "+TIME|reset")]
    change: String,
}

/// What the nodes' time does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    /// Moves ahead by so many seconds.
    Ahead(u64),
    /// Follows the computer's clock.
    Reset,
}

/// Reads `+1h` or `reset`.
fn read(text: &str) -> Result<Change> {
    let wrong =
        || usage(format!("{text:?} is not a change of time; write +90s, +30min, +1h, +2d (a year at most) or reset"));
    if text == "reset" {
        return Ok(Change::Reset);
    }
    let ahead = text.strip_prefix('+').ok_or_else(wrong)?;
    let digits = ahead.len() - ahead.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = ahead.split_at(digits);
    let unit_s = match unit {
        "s" => 1,
        "min" | "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return Err(wrong()),
    };
    let seconds = number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit_s));
    seconds.filter(|seconds| (1..=AHEAD_S_MAX).contains(seconds)).map(Change::Ahead).ok_or_else(wrong)
}

/// Moves the time of every running node. Nodes that are started later follow the computer's clock.
pub fn run(common: &Common, arguments: &TimeArgs) -> Result<()> {
    let change = read(&arguments.change)?;
    let cluster = Cluster::open_running(common.directory()?)?;
    let names = cluster.alive();
    for name in &names {
        let client = cluster.client(name)?;
        let moved = || format!("{name} does not let its time be moved; only nodes of local chains do");
        match change {
            Change::Reset => drop(client.call("setmocktime", json!([0])).with_context(moved)?),
            Change::Ahead(seconds) => {
                for step in steps(seconds) {
                    client.call("mockscheduler", json!([step])).with_context(moved)?;
                }
            }
        }
    }
    let what = match change {
        Change::Ahead(seconds) => format!("is {seconds} s further ahead"),
        Change::Reset => "follows the computer's clock again".to_owned(),
    };
    let ahead_s = match change {
        Change::Ahead(seconds) => json!(seconds),
        Change::Reset => json!(null),
    };
    say(
        common,
        &json!({"nodes": names, "ahead_s": ahead_s}),
        format!("The time of {} {what}.", count(names.len(), "node")),
    );
    Ok(())
}

/// The calls that move a node's time by so many seconds.
fn steps(seconds: u64) -> impl Iterator<Item = u64> {
    let rest = Some(seconds % STEP_S_MAX).filter(|rest| *rest > 0);
    (0..seconds / STEP_S_MAX).map(|_| STEP_S_MAX).chain(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_of_time_are_read_and_cut_into_calls() {
        for (text, seconds) in [("+1s", 1), ("+30min", 1_800), ("+1h", 3_600), ("+365d", AHEAD_S_MAX)] {
            assert_eq!(read(text).unwrap(), Change::Ahead(seconds), "{text}");
            assert_eq!(steps(seconds).sum::<u64>(), seconds);
            assert!(steps(seconds).all(|step| (1..=STEP_S_MAX).contains(&step)), "{text}");
        }
        assert_eq!(read("reset").unwrap(), Change::Reset);
        for text in ["1h", "+h", "+0s", "+366d", "-1h", "+1.5h", "+1w", "", "+99999999999999999999d"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
