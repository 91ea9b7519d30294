//! How the lab and an attacker's process talk: two files in the node's data directory.
//!
//! `commands.jsonl` grows by one line a command; `status.json` is replaced whenever the strategy's status changes. Files
//! survive either side, need no port, and a person can read along.

use crate::cluster::directory::{read_optional, write_atomic};
use crate::lab::strategy::Command;
use crate::lab::strategy::attacker::StrategyStatus;
use anyhow::{Context as _, Result};
use chain_spec::rules::transaction::check_transaction;
use chain_spec::{Decode as _, Encode as _, Transaction};
use serde::{Deserialize, Serialize};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One line of `commands.jsonl`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Line {
    Pay { paid: String, conflicting: String },
    Shipped,
    Stop,
}

/// The two files of one attacker.
#[derive(Clone, Debug)]
pub struct ControlChannel {
    commands: PathBuf,
    status: PathBuf,
}

impl ControlChannel {
    /// In a node's data directory.
    pub fn new(datadir: &Path) -> ControlChannel {
        ControlChannel { commands: datadir.join("commands.jsonl"), status: datadir.join("status.json") }
    }

    /// Sends a command.
    pub fn send(&self, order: &Command) -> Result<()> {
        let line = match order {
            Command::Pay { paid, conflicting } => Line::Pay {
                paid: hex::encode(paid.to_bytes()),
                conflicting: hex::encode(conflicting.transaction().to_bytes()),
            },
            Command::Shipped => Line::Shipped,
            Command::Stop => Line::Stop,
        };
        let text = format!("{}\n", serde_json::to_string(&line)?);
        let written = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.commands)
            .and_then(|mut file| file.write_all(text.as_bytes()));
        written.with_context(|| format!("cannot write {}", self.commands.display()))
    }

    /// The commands from number `from` on. A last line that is still being written is left for the next look.
    pub fn commands(&self, from: usize) -> Result<Vec<Command>> {
        let text = read_optional(&self.commands)?.unwrap_or_default();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole
            .lines()
            .skip(from)
            .map(|line| parse(line).with_context(|| format!("{}: {line}", self.commands.display())))
            .collect()
    }

    /// The status that was written last.
    pub fn status(&self) -> Result<StrategyStatus> {
        Ok(read_optional(&self.status)?.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
    }

    /// Writes the status.
    pub fn write_status(&self, status: &StrategyStatus) -> Result<()> {
        write_atomic(&self.status, &serde_json::to_string(status)?)
    }

    /// Removes what an earlier run left.
    pub fn clear(&self) {
        for path in [&self.commands, &self.status] {
            // Usually there is nothing; a file that cannot be removed shows up when it is next written.
            let _ = std::fs::remove_file(path);
        }
    }
}

fn parse(line: &str) -> Result<Command> {
    let transaction =
        |text: &str| -> Result<Arc<Transaction>> { Ok(Arc::new(Transaction::from_bytes(&hex::decode(text)?)?)) };
    Ok(match serde_json::from_str(line)? {
        Line::Pay { paid, conflicting } => {
            let conflicting = Arc::new(check_transaction(transaction(&conflicting)?)?);
            Command::Pay { paid: transaction(&paid)?, conflicting }
        }
        Line::Shipped => Command::Shipped,
        Line::Stop => Command::Stop,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use chain_spec::{Amount, Outpoint, Script, TxIn, TxOut, Txid};

    #[test]
    fn orders_arrive_whole_and_in_order() {
        let place = tempfile::tempdir().unwrap();
        let control = ControlChannel::new(place.path());
        assert_eq!(control.commands(0).unwrap(), []);
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
        let pay = Command::Pay { paid: payment, conflicting };
        control.send(&pay).unwrap();
        control.send(&Command::Stop).unwrap();
        assert_eq!(control.commands(0).unwrap(), [pay, Command::Stop]);
        assert_eq!(control.commands(1).unwrap(), [Command::Stop]);
        std::fs::OpenOptions::new().append(true).open(&control.commands).unwrap().write_all(b"\"st").unwrap();
        assert_eq!(control.commands(1).unwrap(), [Command::Stop], "half a line is not a command yet");
    }

    #[test]
    fn a_standing_is_what_was_told_last() {
        let place = tempfile::tempdir().unwrap();
        let control = ControlChannel::new(place.path());
        assert_eq!(control.status().unwrap(), StrategyStatus::default());
        let status = StrategyStatus { ended: Some(true), runs: 3, state: "won".into(), holds_branch: false };
        control.write_status(&status).unwrap();
        assert_eq!(control.status().unwrap(), status);
        control.clear();
        assert_eq!(control.status().unwrap(), StrategyStatus::default());
    }
}
