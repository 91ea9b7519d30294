//! What attacks cost: the work that was really done, and what it would have come to on networks that somebody describes.
//!
//! A [`Ledger`] is filled by the simulator or from live nodes, in units that any network shares: the work of one block, and the mean
//! time between blocks. A [`Network`] gives these units a size and a price, and [`Ledger::bill`] multiplies. Nothing is fetched: hash
//! rates and prices are whatever the flags of `testoon attack` or a file say.

pub mod file;

use serde_json::{Value, json};

/// Hashes in a terahash.
const TERA: f64 = 1e12;
/// Joules in a kilowatt-hour.
const JOULES_PER_KWH: f64 = 3.6e6;
/// Seconds in an hour.
const HOUR_S: f64 = 3_600.0;

/// What an attacker did, summed over runs (or regeneration cycles, where blocks are kept back).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Ledger {
    /// Runs.
    pub runs: u64,
    /// Runs in which the attack reached its goal; `None` where there is no goal but revenue.
    pub successes: Option<u64>,
    /// The attacker's hashes, in the mean number of hashes that a block takes.
    pub work: f64,
    /// How long it took, in mean times between blocks.
    pub spacings: f64,
    /// Blocks the attacker found.
    pub found: u64,
    /// Of these, blocks in the chain that the honest nodes ended with: each is a reward.
    pub kept: u64,
    /// Blocks the others found that are not in that chain.
    pub others_lost: u64,
}

/// A network that somebody describes.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    /// What it is called.
    pub name: String,
    /// Hashes a second of all its miners, the attacker's included.
    pub hash_rate: f64,
    /// Mean seconds between its blocks.
    pub spacing_s: f64,
    /// Coins that a block brings its miner, fees included.
    pub reward: f64,
    /// Money for a coin.
    pub price: f64,
    /// Joules that a terahash takes (J/TH).
    pub efficiency: f64,
    /// Money for a kilowatt-hour.
    pub electricity: f64,
    /// Money for a terahash a second for an hour, where hash power can be rented.
    pub rent: Option<f64>,
}

/// What a ledger comes to on a network, a run on average. Money is in the unit of the network's prices.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bill {
    /// The attacker's hashes.
    pub hashes: f64,
    /// How long it takes, hours.
    pub hours: f64,
    /// Energy, kilowatt-hours.
    pub energy_kwh: f64,
    /// What the energy costs.
    pub electricity: f64,
    /// What the same hashes cost when they are rented.
    pub rent: Option<f64>,
    /// What the same machines would have earned by honest mining.
    pub forgone: f64,
    /// Rewards of the attacker's blocks that are in the chain.
    pub won: f64,
    /// Rewards of the attacker's blocks that are not.
    pub lost: f64,
    /// What a payment must be worth at least for the attack to pay with machines of one's own, which could mine honestly instead. `None`
    /// where no run succeeded, or where nothing is paid.
    pub break_even: Option<f64>,
    /// The same with rented hash power.
    pub break_even_rented: Option<f64>,
}

impl Ledger {
    /// Together with other runs.
    pub fn and(self, other: Ledger) -> Ledger {
        let successes = match (self.successes, other.successes) {
            (Some(own), Some(others)) => Some(own + others),
            (one, other) => one.or(other),
        };
        Ledger {
            runs: self.runs + other.runs,
            successes,
            work: self.work + other.work,
            spacings: self.spacings + other.spacings,
            found: self.found + other.found,
            kept: self.kept + other.kept,
            others_lost: self.others_lost + other.others_lost,
        }
    }

    /// What a payment must be worth for the attack to pay, in block rewards: what honest mining with the same hashes would have earned
    /// more than the attack did, for each success. `None` where no run succeeded, or where nothing is paid.
    pub fn break_even_rewards(&self) -> Option<f64> {
        self.for_each_success(self.work - self.kept as f64)
    }

    /// A total loss as what each success must bring in; a gain needs nothing.
    fn for_each_success(&self, loss: f64) -> Option<f64> {
        let successes = self.successes.filter(|successes| *successes > 0)?;
        Some(loss.max(0.0) / successes as f64)
    }

    /// What a run comes to on a network, on average.
    pub fn bill(&self, network: &Network) -> Bill {
        let runs = self.runs.max(1) as f64;
        let money = network.reward * network.price;
        let hashes = self.work * network.hash_rate * network.spacing_s;
        let energy_kwh = hashes / TERA * network.efficiency / JOULES_PER_KWH;
        let rent = network.rent.map(|rent| hashes / TERA / HOUR_S * rent);
        let won = self.kept as f64 * money;
        Bill {
            hashes: hashes / runs,
            hours: self.spacings * network.spacing_s / HOUR_S / runs,
            energy_kwh: energy_kwh / runs,
            electricity: energy_kwh * network.electricity / runs,
            rent: rent.map(|rent| rent / runs),
            forgone: self.work * money / runs,
            won: won / runs,
            lost: (self.found - self.kept) as f64 * money / runs,
            // The machines use the same energy either way.
            break_even: self.for_each_success(self.work * money - won),
            break_even_rented: rent.and_then(|rent| self.for_each_success(rent - won)),
        }
    }

    /// For JSON: totals, and a bill for each network.
    pub fn as_json(&self, networks: &[Network]) -> Value {
        json!({
            "runs": self.runs,
            "work_blocks": self.work,
            "spacings": self.spacings,
            "blocks_found": self.found,
            "blocks_won": self.kept,
            "blocks_lost": self.found - self.kept,
            "others_blocks_lost": self.others_lost,
            "break_even_rewards": self.break_even_rewards(),
            "networks": networks.iter().map(|network| self.bill(network).as_json(&network.name)).collect::<Vec<_>>(),
        })
    }

    /// For people: a line for what was done, and some for each network.
    pub fn lines(&self, networks: &[Network]) -> Vec<String> {
        let runs = self.runs.max(1) as f64;
        let mut lines = vec![format!(
            "cost of a run: the work of {:.2} blocks in {:.2} block times; {:.2} blocks found, {:.2} of them in the chain (won) and {:.2} \
             not (lost); {:.2} blocks of others are lost",
            self.work / runs,
            self.spacings / runs,
            self.found as f64 / runs,
            self.kept as f64 / runs,
            (self.found - self.kept) as f64 / runs,
            self.others_lost as f64 / runs
        )];
        if let Some(rewards) = self.break_even_rewards() {
            lines.push(format!(
                "it pays with machines of one's own if the payment is worth more than {rewards:.3} block rewards"
            ));
        }
        lines.extend(networks.iter().flat_map(|network| self.bill(network).lines(&network.name)));
        lines
    }
}

impl Bill {
    fn as_json(&self, name: &str) -> Value {
        json!({
            "name": name,
            "hashes": self.hashes,
            "hours": self.hours,
            "energy_kwh": self.energy_kwh,
            "electricity": self.electricity,
            "rent": self.rent,
            "forgone": self.forgone,
            "won": self.won,
            "lost": self.lost,
            "break_even": self.break_even,
            "break_even_rented": self.break_even_rented,
        })
    }

    fn lines(&self, name: &str) -> Vec<String> {
        let rent = self.rent.map_or_else(String::new, |rent| format!(", or {rent:.0} for renting it"));
        let mut lines = vec![
            format!(
                "on {name}: {:.3e} hashes in {:.2} h, {:.0} kWh that cost {:.0}{rent}",
                self.hashes, self.hours, self.energy_kwh, self.electricity
            ),
            format!(
                "  rewards won {:.0} and lost {:.0}; honest mining would have earned {:.0}",
                self.won, self.lost, self.forgone
            ),
        ];
        match (self.break_even, self.break_even_rented) {
            (Some(own), Some(rented)) => lines.push(format!(
                "  the payment must be worth {own:.0} with machines of one's own, {rented:.0} with rented ones"
            )),
            (Some(own), None) => lines.push(format!("  the payment must be worth {own:.0} with machines of one's own")),
            (None, _) => {}
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network() -> Network {
        Network {
            name: "test".into(),
            hash_rate: 6e18,
            spacing_s: 600.0,
            reward: 2.0,
            price: 100.0,
            efficiency: 30.0,
            electricity: 0.1,
            rent: Some(0.01),
        }
    }

    /// By hand: a block takes 6·10¹⁸ × 600 = 3.6·10²¹ hashes, which are 3.6·10⁹ TH, 10⁶ TH/s for an hour and 30,000 kWh.
    #[test]
    fn a_bill_is_the_hand_calculation() {
        let ledger =
            Ledger { runs: 4, successes: Some(2), work: 8.0, spacings: 20.0, found: 8, kept: 3, others_lost: 5 };
        let bill = ledger.bill(&network());
        let close = |value: f64, expected: f64| assert!((value / expected - 1.0).abs() < 1e-12, "{value}, {expected}");
        close(bill.hashes, 7.2e21);
        close(bill.hours, 5.0 / 6.0);
        close(bill.energy_kwh, 60_000.0);
        close(bill.electricity, 6_000.0);
        close(bill.rent.unwrap(), 20_000.0);
        close(bill.forgone, 400.0);
        close(bill.won, 150.0);
        close(bill.lost, 250.0);
        // Of four runs two succeed: each must bring in half of what all lost.
        close(bill.break_even.unwrap(), (1_600.0 - 600.0) / 2.0);
        close(bill.break_even_rented.unwrap(), (80_000.0 - 600.0) / 2.0);
        close(ledger.break_even_rewards().unwrap(), 2.5);
    }

    #[test]
    fn without_a_success_no_payment_is_large_enough_to_name_and_a_gain_needs_none() {
        let lost = Ledger { runs: 3, successes: Some(0), work: 3.0, ..Ledger::default() };
        assert_eq!((lost.break_even_rewards(), lost.bill(&network()).break_even), (None, None));
        let gained = Ledger { runs: 1, successes: Some(1), work: 3.0, found: 4, kept: 4, ..Ledger::default() };
        assert_eq!(gained.break_even_rewards(), Some(0.0));
        let revenue = Ledger { runs: 1, work: 3.0, found: 3, kept: 2, ..Ledger::default() };
        assert_eq!(revenue.break_even_rewards(), None);
        assert_eq!(gained.and(lost).successes, Some(1));
    }
}
