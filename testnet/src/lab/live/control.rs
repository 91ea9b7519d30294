//! How the lab and an attacker's process talk: two files in the node's data directory.
//!
//! `orders.jsonl` grows by one line an order; `standing.json` is replaced whenever the strategy's standing changes. Files
//! survive either side, need no port, and a person can read along.

use crate::cluster::directory::{read_optional, write_atomic};
use crate::lab::strategy::Order;
use crate::lab::strategy::attacker::Standing;
use anyhow::{Context as _, Result};
use chain_spec::rules::transaction::check_transaction;
use chain_spec::{Decode as _, Encode as _, Transaction};
use serde::{Deserialize, Serialize};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One line of `orders.jsonl`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Line {
    Pay { paid: String, conflicting: String },
    Shipped,
    Stop,
}

/// `standing.json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// How the strategy ended, if it has.
    pub ended: Option<bool>,
    /// One line for people.
    pub state: String,
}

/// The two files of one attacker.
#[derive(Clone, Debug)]
pub struct Desk {
    orders: PathBuf,
    standing: PathBuf,
}

impl Desk {
    /// In a node's data directory.
    pub fn new(datadir: &Path) -> Desk {
        Desk { orders: datadir.join("orders.jsonl"), standing: datadir.join("standing.json") }
    }

    /// Gives an order.
    pub fn give(&self, order: &Order) -> Result<()> {
        let line = match order {
            Order::Pay { paid, conflicting } => Line::Pay {
                paid: hex::encode(paid.to_bytes()),
                conflicting: hex::encode(conflicting.transaction().to_bytes()),
            },
            Order::Shipped => Line::Shipped,
            Order::Stop => Line::Stop,
        };
        let text = format!("{}\n", serde_json::to_string(&line)?);
        let written = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.orders)
            .and_then(|mut file| file.write_all(text.as_bytes()));
        written.with_context(|| format!("cannot write {}", self.orders.display()))
    }

    /// The orders from number `from` on. A last line that is still being written is left for the next look.
    pub fn orders(&self, from: usize) -> Result<Vec<Order>> {
        let text = read_optional(&self.orders)?.unwrap_or_default();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole
            .lines()
            .skip(from)
            .map(|line| parse(line).with_context(|| format!("{}: {line}", self.orders.display())))
            .collect()
    }

    /// What the strategy last told.
    pub fn told(&self) -> Result<Told> {
        Ok(read_optional(&self.standing)?.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
    }

    /// Tells how it stands.
    pub fn tell(&self, standing: &Standing) -> Result<()> {
        let told = Told { ended: standing.ended, state: standing.state.clone() };
        write_atomic(&self.standing, &serde_json::to_string(&told)?)
    }

    /// Removes what an earlier run left.
    pub fn clear(&self) {
        for path in [&self.orders, &self.standing] {
            // Usually there is nothing; a file that cannot be removed shows up when it is next written.
            let _ = std::fs::remove_file(path);
        }
    }
}

fn parse(line: &str) -> Result<Order> {
    let transaction =
        |text: &str| -> Result<Arc<Transaction>> { Ok(Arc::new(Transaction::from_bytes(&hex::decode(text)?)?)) };
    Ok(match serde_json::from_str(line)? {
        Line::Pay { paid, conflicting } => {
            let conflicting = Arc::new(check_transaction(transaction(&conflicting)?)?);
            Order::Pay { paid: transaction(&paid)?, conflicting }
        }
        Line::Shipped => Order::Shipped,
        Line::Stop => Order::Stop,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use chain_spec::{Amount, Outpoint, Script, TxIn, TxOut, Txid};

    #[test]
    fn orders_arrive_whole_and_in_order() {
        let place = tempfile::tempdir().unwrap();
        let desk = Desk::new(place.path());
        assert_eq!(desk.orders(0).unwrap(), []);
        let payment = Arc::new(Transaction {
            version: 1,
            inputs: vec![TxIn {
                outpoint: Outpoint { txid: Txid::from_bytes([1; 32]), index: 0 },
                script: Script::default(),
                sequence: 0,
            }],
            outputs: vec![TxOut { value: Amount::COIN, script: Script::default() }],
            lock_time: 0,
        });
        let conflicting = Arc::new(check_transaction(Arc::clone(&payment)).unwrap());
        let pay = Order::Pay { paid: payment, conflicting };
        desk.give(&pay).unwrap();
        desk.give(&Order::Stop).unwrap();
        assert_eq!(desk.orders(0).unwrap(), [pay, Order::Stop]);
        assert_eq!(desk.orders(1).unwrap(), [Order::Stop]);
        std::fs::OpenOptions::new().append(true).open(&desk.orders).unwrap().write_all(b"\"st").unwrap();
        assert_eq!(desk.orders(1).unwrap(), [Order::Stop], "half a line is not an order yet");
    }

    #[test]
    fn a_standing_is_what_was_told_last() {
        let place = tempfile::tempdir().unwrap();
        let desk = Desk::new(place.path());
        assert_eq!(desk.told().unwrap(), Told::default());
        desk.tell(&Standing { ended: Some(true), state: "won".into(), ..Standing::default() }).unwrap();
        assert_eq!(desk.told().unwrap(), Told { ended: Some(true), state: "won".into() });
        desk.clear();
        assert_eq!(desk.told().unwrap(), Told::default());
    }
}
