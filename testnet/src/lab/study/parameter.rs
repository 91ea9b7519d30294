//! What a study can sweep: names, kinds and ranges of parameters, and their values.

use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The parameters of one point by name. What is not there has its default.
pub type Parameters = BTreeMap<&'static str, Value>;

/// What values a parameter takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Words; which ones, its use decides.
    Text,
    /// True or false.
    Switch,
    /// A whole number from the first to the second.
    Count(u64, u64),
    /// A number from the first to the second.
    Number(f64, f64),
    /// A number between the two, both excluded.
    Between(f64, f64),
}

/// A parameter's name, its kind, and what it is.
type Entry = (&'static str, Kind, &'static str);

/// All of them.
pub const ALL: [Entry; 17] = [
    ("attack", Kind::Text, "an attack's name, or `none` for a network of honest miners"),
    ("attacker_peers", Kind::Count(0, 10_000), "nodes the attacker is connected to at least"),
    ("bandwidth", Kind::Count(1, u64::MAX >> 1), "bytes per second of a link"),
    ("block_bytes", Kind::Count(0, 1 << 32), "bytes a block takes on a link beyond header and coinbase"),
    ("blocks", Kind::Count(1, 100_000), "blocks until the verdict, or found in a network of honest miners"),
    ("confirmations", Kind::Count(1, 1_000), "confirmations the shop waits for"),
    ("delay_ms", Kind::Number(0.0, 3.6e6), "mean delay of a link, milliseconds"),
    ("fork_rules", Kind::Text, "the defences that everybody but the attacker uses, such as mess,uniform-tie"),
    ("gamma", Kind::Number(0.0, 1.0), "the part of the others that mines on the attacker's block in a tie"),
    ("give_up", Kind::Count(1, 10_000), "blocks behind at which a double spend is given up"),
    ("importance_sampling", Kind::Switch, "draw double spends so that success is common, and weigh them"),
    ("nodes", Kind::Count(2, 10_000), "nodes; without it the attacker meets one node that stands for all others"),
    ("premine", Kind::Count(0, 100), "blocks a double spend is ahead before paying"),
    ("retarget", Kind::Text, "how the target follows: none, epoch=BLOCKS, asert=SECONDS or ema=SECONDS"),
    ("share", Kind::Between(0.0, 1.0), "the attacker's share of the hash rate"),
    ("spacing", Kind::Count(1, 1_000_000), "mean seconds between blocks"),
    ("topology", Kind::Text, "who is connected to whom: ring, line, star, mesh, random-k"),
];

/// A parameter by its name.
pub fn find(name: &str) -> Option<Entry> {
    ALL.into_iter().find(|(known, _, _)| *known == name)
}

/// The names, for complaints.
pub fn names() -> String {
    ALL.map(|(name, _, _)| name).join(", ")
}

/// Reads what a study file says of a parameter: one value, a list, or `{ from, to, step }`.
///
/// # Errors
/// A sentence that names what is wrong with it.
pub fn values(name: &str, kind: Kind, given: &toml::Value) -> Result<Vec<Value>, String> {
    let values = match given {
        toml::Value::Array(list) => list.iter().map(|value| one(kind, value)).collect::<Result<Vec<_>, _>>(),
        toml::Value::Table(range) => spread(kind, range),
        single => one(kind, single).map(|value| vec![value]),
    };
    let values = values.map_err(|why| format!("{name}: {why}"))?;
    match values.len() {
        0 => Err(format!("{name}: an empty list; leave it out to have its default")),
        _ => Ok(values),
    }
}

/// The values from one number to another, step by step, both ends included.
fn spread(kind: Kind, range: &toml::Table) -> Result<Vec<Value>, String> {
    const SHAPE: &str = "a range is { from = A, to = B, step = S } with A up to B and S above 0";
    let number = |key: &str| range.get(key).and_then(as_number).ok_or(SHAPE);
    let (from, to, step) = (number("from")?, number("to")?, number("step")?);
    if range.len() != 3 || from > to || step <= 0.0 || (to - from) / step > 10_000.0 {
        return Err(format!("{SHAPE}, and at most 10,000 values"));
    }
    // A step like 0.05 is no binary fraction: the last value may come out a little above the end.
    let steps = ((to - from) / step + 1e-9).floor() as u64;
    let rounded = |value: f64| (value * 1e12).round() / 1e12;
    let number = |index: u64| toml::Value::Float(rounded(from + step * index as f64));
    (0..=steps).map(|index| one(kind, &number(index))).collect()
}

fn as_number(value: &toml::Value) -> Option<f64> {
    value.as_float().or_else(|| value.as_integer().map(|number| number as f64))
}

/// Reads one value.
fn one(kind: Kind, given: &toml::Value) -> Result<Value, String> {
    let number = as_number(given);
    match kind {
        Kind::Text => given.as_str().map(|text| json!(text)).ok_or_else(|| format!("{given} is no text")),
        Kind::Switch => given.as_bool().map(|on| json!(on)).ok_or_else(|| format!("{given} is neither true nor false")),
        Kind::Count(least, most) => match number {
            Some(count) if count.fract() == 0.0 && count >= least as f64 && count <= most as f64 => {
                Ok(json!(count as u64))
            }
            _ => Err(format!("{given} is no whole number from {least} to {most}")),
        },
        Kind::Number(least, most) => match number {
            Some(number) if (least..=most).contains(&number) => Ok(json!(number)),
            _ => Err(format!("{given} is no number from {least} to {most}")),
        },
        Kind::Between(least, most) => match number {
            Some(number) if number > least && number < most => Ok(json!(number)),
            _ => Err(format!("{given} is no number between {least} and {most}, both excluded")),
        },
    }
}
