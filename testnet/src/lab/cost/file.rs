//! Networks described in a file, for the cost meter:
//!
//! ```toml
//! [networks.large]
//! hash_rate = 6e20       # hashes a second of all miners
//! spacing_s = 600        # mean seconds between blocks
//! reward = 3.125         # coins a block, fees included
//! price = 60000          # money for a coin
//! efficiency = 20        # J/TH
//! electricity = 0.05     # money for a kWh (0 unless given)
//! rent = 0.003           # money for a TH/s for an hour (not to be had unless given)
//! ```

use super::Network;
use crate::error::usage;
use anyhow::{Context as _, Result};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// Largest file that is read, bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    networks: BTreeMap<String, Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    hash_rate: f64,
    spacing_s: f64,
    reward: f64,
    price: f64,
    efficiency: f64,
    #[serde(default)]
    electricity: f64,
    rent: Option<f64>,
}

/// Reads the networks of a file, in the order of their names.
///
/// # Errors
/// The file cannot be read, is no such file, or has a number out of range.
pub fn load(path: &Path) -> Result<Vec<Network>> {
    let shown = path.display();
    let size = std::fs::metadata(path).with_context(|| format!("cannot read {shown}"))?.len();
    if size > FILE_BYTES_MAX {
        return Err(usage(format!("{shown} has {size} bytes; a file of networks has at most {FILE_BYTES_MAX}")));
    }
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {shown}"))?;
    parse(&text).map_err(|why| usage(format!("{shown}: {why}")))
}

fn parse(text: &str) -> Result<Vec<Network>, String> {
    let file: File = toml::from_str(text).map_err(|error| error.to_string().trim().replace('\n', " "))?;
    if file.networks.is_empty() {
        return Err("it describes no network; add [networks.NAME]".into());
    }
    file.networks.into_iter().map(|(name, entry)| entry.checked(name)).collect()
}

impl Entry {
    fn checked(self, name: String) -> Result<Network, String> {
        let network = Network {
            name,
            hash_rate: self.hash_rate,
            spacing_s: self.spacing_s,
            reward: self.reward,
            price: self.price,
            efficiency: self.efficiency,
            electricity: self.electricity,
            rent: self.rent,
        };
        check(&network).map(|()| network)
    }
}

/// Refuses what no network can have.
///
/// # Errors
/// A sentence that names the number.
pub fn check(network: &Network) -> Result<(), String> {
    let name = &network.name;
    let above = [
        ("hash_rate", network.hash_rate, 1e30),
        ("spacing_s", network.spacing_s, 1e6),
        ("efficiency", network.efficiency, 1e12),
    ];
    let from = [
        ("reward", network.reward, 1e12),
        ("price", network.price, 1e15),
        ("electricity", network.electricity, 1e9),
        ("rent", network.rent.unwrap_or(0.0), 1e9),
    ];
    let bad = above.into_iter().find(|(_, value, most)| !(*value > 0.0 && value <= most));
    if let Some((field, value, most)) = bad {
        return Err(format!("network {name}: {field} is {value}; it is a number above 0 and up to {most:e}"));
    }
    match from.into_iter().find(|(_, value, most)| !(0.0..=*most).contains(value)) {
        Some((field, value, most)) => {
            Err(format!("network {name}: {field} is {value}; it is a number from 0 to {most:e}"))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "[networks.small]\nhash_rate = 1e15\nspacing_s = 60\nreward = 50\nprice = 0.5\nefficiency = 40\n";

    #[test]
    fn a_file_is_read_and_what_is_out_of_range_is_named() {
        let networks = parse(&format!("{TEXT}rent = 0.01\n")).unwrap();
        assert_eq!((networks[0].name.as_str(), networks[0].electricity, networks[0].rent), ("small", 0.0, Some(0.01)));
        for (from, to, word) in [
            ("1e15", "0", "hash_rate"),
            ("1e15", "nan", "hash_rate"),
            ("= 60", "= -1", "spacing_s"),
            ("= 50", "= -50", "reward"),
            ("= 40", "= inf", "efficiency"),
            ("price", "prize", "prize"),
            ("hash_rate = 1e15\n", "", "hash_rate"),
        ] {
            let why = parse(&TEXT.replace(from, to)).unwrap_err();
            assert!(why.contains(word), "{from} → {to}: {why}");
        }
        assert!(parse("[networks]\n").unwrap_err().contains("no network"));
    }
}
