//! What the wallet has: balance, coins, and which of them are frozen.

use chain_spec::Outpoint;
use clap::Subcommand;
use clap::builder::BoolishValueParser;
use serde_json::json;

use super::Options;
use super::error::CliError;
use super::output;
use super::session::{choose, choose_list, open, open_synced, parse_outpoint};
use crate::view::Balance;
use crate::wallet::{Wallet, WalletError};

#[derive(Subcommand)]
pub(super) enum Command {
    /// Show what the wallet has
    Balance {
        /// Only this account's
        #[arg(long, value_name = "N", env = "TESTOON_WALLET_ACCOUNT")]
        account: Option<u32>,
    },
    /// List the coins (unspent outputs)
    Coins {
        /// Only this account's
        #[arg(long, value_name = "N", env = "TESTOON_WALLET_ACCOUNT")]
        account: Option<u32>,
        /// As comma-separated values, for a spreadsheet
        #[arg(long, env = "TESTOON_WALLET_CSV", value_parser = BoolishValueParser::new())]
        csv: bool,
    },
    /// Keep coins from being chosen for payments
    Freeze {
        /// The coins, as `coins` lists them
        #[arg(required = true, value_name = "TXID:INDEX", value_parser = parse_outpoint)]
        coins: Vec<Outpoint>,
    },
    /// Let frozen coins be chosen again
    Unfreeze {
        /// The coins
        #[arg(required = true, value_name = "TXID:INDEX", value_parser = parse_outpoint)]
        coins: Vec<Outpoint>,
    },
}

pub(super) fn run(options: &Options, command: Command) -> Result<String, CliError> {
    match command {
        Command::Balance { account } => {
            let wallet = open_synced(options)?;
            check_account(&wallet, account)?;
            let (balance, height) = (Balance::of_coins(&wallet.coins_of(account)), wallet.view().height());
            Ok(choose(options, || output::balance_json(&balance, height), || output::balance_text(&balance, height)))
        }
        Command::Coins { account, csv } => {
            let wallet = open_synced(options)?;
            check_account(&wallet, account)?;
            let coins = wallet.coins_of(account);
            choose_list(options, csv, || output::coins_json(&coins, &wallet), output::coins_list(&coins, &wallet))
        }
        Command::Freeze { coins } => set_frozen(options, &coins, true),
        Command::Unfreeze { coins } => set_frozen(options, &coins, false),
    }
}

/// An account that is not there is a slip of the pen, not an empty account.
fn check_account(wallet: &Wallet, account: Option<u32>) -> Result<(), CliError> {
    match account {
        Some(number) => Ok(wallet.keys().account(number).map(|_| ()).map_err(WalletError::from)?),
        None => Ok(()),
    }
}

fn set_frozen(options: &Options, coins: &[Outpoint], frozen: bool) -> Result<String, CliError> {
    let mut wallet = open(options)?;
    if let Some(unknown) = coins.iter().find(|coin| wallet.ledger().own_output(coin).is_none()) {
        return Err(CliError::Failure(format!("no coin of this wallet is at {unknown}: list them with `coins`")));
    }
    for coin in coins {
        if frozen {
            wallet.labels_mut().freeze(*coin);
        } else {
            wallet.labels_mut().unfreeze(coin);
        }
    }
    wallet.save()?;
    let names: Vec<String> = coins.iter().map(Outpoint::to_string).collect();
    let verb = if frozen { "frozen" } else { "free" };
    Ok(choose(
        options,
        || json!({ "coins": names, "frozen": frozen }),
        || names.iter().map(|name| format!("{name} is {verb}\n")).collect(),
    ))
}
