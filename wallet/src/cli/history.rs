//! What happened: the history, reading it again, and following payments.

use chain_spec::Txid;
use clap::Subcommand;
use clap::builder::BoolishValueParser;
use serde_json::json;

use super::Options;
use super::error::CliError;
use super::output::{self, count};
use super::session::{choose, choose_list, open_online, open_synced, sync};
use super::watch::{self, WatchOptions};

#[derive(Subcommand)]
pub(super) enum Command {
    /// List the transactions with the balance after each, oldest first
    History {
        /// Only the newest N
        #[arg(long, value_name = "N", env = "TESTOON_WALLET_LIMIT", value_parser = clap::value_parser!(u32).range(1..))]
        limit: Option<u32>,
        /// As comma-separated values, for a spreadsheet
        #[arg(long, env = "TESTOON_WALLET_CSV", value_parser = BoolishValueParser::new())]
        csv: bool,
    },
    /// Follow unconfirmed payments, with the odds that each could still be reversed
    Watch {
        /// Only this payment [default: all that are unconfirmed]
        txid: Option<Txid>,
        /// Until each has K confirmations
        #[arg(long, value_name = "K", env = "TESTOON_WALLET_CONFIRMATIONS", default_value_t = 6)]
        confirmations: u32,
        /// The attacker's share of the hash power, between 0 and 1, for the odds of a reversal
        #[arg(long, value_name = "Q", env = "TESTOON_WALLET_ATTACKER", default_value_t = 0.1)]
        attacker: f64,
        /// Seconds after which watching is given up [default: never]
        #[arg(long, value_name = "SECONDS", env = "TESTOON_WALLET_WAIT_TIMEOUT")]
        timeout: Option<u64>,
    },
    /// Read the chain again from its first block
    Rescan,
}

pub(super) fn run(options: &Options, command: Command) -> Result<String, CliError> {
    match command {
        Command::History { limit, csv } => {
            let wallet = open_synced(options)?;
            let lines = output::with_running_balance(wallet.history());
            let newest = &lines[lines.len() - limit.map_or(lines.len(), |limit| lines.len().min(limit as usize))..];
            let list = output::history_list(newest, &wallet, csv);
            choose_list(options, csv, || output::history_json(newest, &wallet), list)
        }
        Command::Watch { txid, confirmations, attacker, timeout } => {
            if !(0.0..=1.0).contains(&attacker) {
                return Err(CliError::Usage(format!("{attacker} is no share of the hash power: 0 to 1")));
            }
            watch::run(options, &WatchOptions { txid, confirmations, attacker, timeout })
        }
        Command::Rescan => {
            let (mut wallet, client) = open_online(options)?;
            wallet.rescan();
            let report = sync(&mut wallet, &client)?;
            let transactions = wallet.history().len();
            Ok(choose(
                options,
                || json!({ "height": report.height, "blocks": report.connected, "transactions": transactions }),
                || {
                    let found = count(transactions as u64, "transaction");
                    format!("read {}, found {found}\n", count(report.connected, "block"))
                },
            ))
        }
    }
}
