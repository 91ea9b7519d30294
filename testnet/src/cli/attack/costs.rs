//! The options of `testoon attack` that describe networks for the cost meter ([`crate::lab::cost`]).

use crate::error::usage;
use crate::lab::cost::{Network, file};
use anyhow::Result;
use std::path::PathBuf;

/// What the network of the options is called.
const NAME: &str = "the network described";

/// Networks on which the attack's cost is worked out. Nothing is fetched.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct CostArgs {
    /// Work out the cost on the networks of this file (docs/costs.md says what is in it)
    #[arg(long, env = "TESTOON_COSTS", value_name = "FILE")]
    costs: Option<PathBuf>,
    /// Work out the cost on a network with this hash rate: 6e20, 600EH/s. With --block-reward, --coin-price and --efficiency
    #[arg(long, env = "TESTOON_NETWORK_HASH_RATE", value_name = "RATE", value_parser = parse_hash_rate)]
    network_hash_rate: Option<f64>,
    /// With --network-hash-rate: mean seconds between blocks [default: 600]
    #[arg(long, env = "TESTOON_NETWORK_SPACING", value_name = "SECONDS")]
    network_spacing: Option<f64>,
    /// With --network-hash-rate: coins a block brings its miner, fees included
    #[arg(long, env = "TESTOON_BLOCK_REWARD", value_name = "COINS")]
    block_reward: Option<f64>,
    /// With --network-hash-rate: money for a coin; all other prices are in the same money
    #[arg(long, env = "TESTOON_COIN_PRICE", value_name = "MONEY")]
    coin_price: Option<f64>,
    /// With --network-hash-rate: joules that a terahash takes (J/TH)
    #[arg(long, env = "TESTOON_EFFICIENCY", value_name = "J/TH")]
    efficiency: Option<f64>,
    /// With --network-hash-rate: money for a kilowatt-hour [default: 0]
    #[arg(long, env = "TESTOON_ELECTRICITY", value_name = "MONEY")]
    electricity: Option<f64>,
    /// With --network-hash-rate: money for a terahash a second for an hour, rented [default: it cannot be rented]
    #[arg(long, env = "TESTOON_RENT", value_name = "MONEY")]
    rent: Option<f64>,
}

/// Hashes a second, up to whole networks': `6e20`, `600EH/s`.
fn parse_hash_rate(text: &str) -> Result<f64, String> {
    let bare = text.strip_suffix("H/s").unwrap_or(text);
    let prefixes = [("k", 1e3), ("M", 1e6), ("G", 1e9), ("T", 1e12), ("P", 1e15), ("E", 1e18), ("Z", 1e21)];
    let prefix = prefixes.iter().find_map(|(prefix, factor)| Some((bare.strip_suffix(prefix)?, *factor)));
    let (number, factor) = prefix.unwrap_or((bare, 1.0));
    match number.trim().parse::<f64>() {
        Ok(number) if number > 0.0 && number * factor <= 1e30 => Ok(number * factor),
        _ => Err("a hash rate is a number of hashes a second, such as 6e20, 150TH/s or 600EH/s".into()),
    }
}

impl CostArgs {
    /// Whether any of the options is given.
    pub fn is_given(&self) -> bool {
        self.costs.is_some() || self.network_hash_rate.is_some()
    }

    /// The networks asked for.
    ///
    /// # Errors
    /// A description that is not whole, a number out of range, a file that cannot be read.
    pub fn networks(&self) -> Result<Vec<Network>> {
        let mut networks = self.costs.as_deref().map_or_else(|| Ok(Vec::new()), file::load)?;
        networks.extend(self.described()?);
        Ok(networks)
    }

    /// The network that the options describe.
    fn described(&self) -> Result<Option<Network>> {
        let Some(hash_rate) = self.network_hash_rate else {
            let given = [
                ("--network-spacing", self.network_spacing),
                ("--block-reward", self.block_reward),
                ("--coin-price", self.coin_price),
                ("--efficiency", self.efficiency),
                ("--electricity", self.electricity),
                ("--rent", self.rent),
            ];
            return match given.into_iter().find(|(_, value)| value.is_some()) {
                Some((option, _)) => Err(usage(format!(
                    "{option} describes a network whose hash rate is not known; add --network-hash-rate, such as 600EH/s"
                ))),
                None => Ok(None),
            };
        };
        let needed = |option: &str, value: Option<f64>| {
            value.ok_or_else(|| usage(format!("--network-hash-rate needs {option} to work out what an attack costs")))
        };
        let network = Network {
            name: NAME.into(),
            hash_rate,
            spacing_s: self.network_spacing.unwrap_or(600.0),
            reward: needed("--block-reward", self.block_reward)?,
            price: needed("--coin-price", self.coin_price)?,
            efficiency: needed("--efficiency", self.efficiency)?,
            electricity: self.electricity.unwrap_or(0.0),
            rent: self.rent,
        };
        file::check(&network).map_err(usage)?;
        Ok(Some(network))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: CostArgs,
    }

    fn networks(line: &str) -> Result<Vec<Network>> {
        let words = std::iter::once("attack").chain(line.split_whitespace());
        Line::try_parse_from(words).map_err(|error| usage(error.to_string()))?.args.networks()
    }

    #[test]
    fn a_network_is_described_wholly_or_not_at_all() {
        assert!(networks("").unwrap().is_empty());
        let whole = "--network-hash-rate 600EH/s --block-reward 3.125 --coin-price 60000 --efficiency 20";
        let network = &networks(whole).unwrap()[0];
        assert_eq!((network.hash_rate, network.spacing_s, network.rent), (6e20, 600.0, None));
        for (line, word) in [
            ("--coin-price 3", "--network-hash-rate"),
            ("--network-hash-rate 1e18", "--block-reward"),
            ("--network-hash-rate fast", "600EH/s"),
            ("--network-hash-rate 0", "600EH/s"),
            (&format!("{whole} --rent=-1"), "rent"),
            (&format!("{whole} --network-spacing 0"), "spacing_s"),
            ("--costs nowhere.toml", "nowhere.toml"),
        ] {
            let why = format!("{:#}", networks(line).unwrap_err());
            assert!(why.contains(word), "{line}: {why}");
        }
    }
}
