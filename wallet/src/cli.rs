//! The command line: `testoon-wallet --wallet FILE --rpc URL --cookie FILE COMMAND`, also `testoon wallet …`.
//!
//! This module says what may be typed; `commands` does it, `output` prints it, `prompt` asks for secrets.
//! Exit codes: 0 done, 1 it failed, 2 it was asked for wrongly, 130 Ctrl-C at a prompt. An error is one line on stderr.

mod commands;
mod output;
mod prompt;

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use chain_spec::{Amount, Outpoint, Txid};
use clap::builder::BoolishValueParser;
use clap::{Args, Parser, Subcommand};

use crate::client::ClientError;
use crate::fee::FeeRate;
use crate::wallet::WalletError;

/// Keys, coins and payments on a Testoon chain.
///
/// The wallet file holds everything, encrypted; commands that need the chain read it from a node over JSON-RPC. The
/// file's password is asked for, or comes from --password-file or the environment variable TESTOON_WALLET_PASSWORD.
#[derive(Parser)]
#[command(name = "testoon-wallet", version, max_term_width = 120)]
struct Cli {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command.
#[derive(Args)]
struct Options {
    /// The wallet file
    #[arg(long, global = true, value_name = "FILE", env = "TESTOON_WALLET")]
    wallet: Option<PathBuf>,
    /// The node's JSON-RPC address [default: this machine, the chain's port]
    #[arg(long, global = true, value_name = "URL", env = "TESTOON_RPC")]
    rpc: Option<String>,
    /// The node's cookie file: DATADIR/.cookie
    #[arg(long, global = true, value_name = "FILE", env = "TESTOON_COOKIE")]
    cookie: Option<PathBuf>,
    /// User name for the node, instead of a cookie
    #[arg(long, global = true, value_name = "USER", env = "TESTOON_RPC_USER", requires = "rpc_password")]
    rpc_user: Option<String>,
    /// Password for the node
    #[arg(long, global = true, value_name = "PASSWORD", env = "TESTOON_RPC_PASSWORD", hide_env_values = true)]
    rpc_password: Option<String>,
    /// Read the wallet's password from the first line of this file
    #[arg(long, global = true, value_name = "FILE", env = "TESTOON_WALLET_PASSWORD_FILE")]
    password_file: Option<PathBuf>,
    /// Make a wallet that whoever has the file can spend from (for tests)
    #[arg(long, global = true, env = "TESTOON_WALLET_NO_PASSWORD", conflicts_with = "password_file", value_parser = BoolishValueParser::new())]
    no_password: bool,
    /// Do not ask the node: answer from what the last sync found
    #[arg(long, global = true, env = "TESTOON_WALLET_OFFLINE", value_parser = BoolishValueParser::new())]
    offline: bool,
    /// Seconds to wait for another process that is changing the wallet
    #[arg(long, global = true, value_name = "SECONDS", env = "TESTOON_WALLET_LOCK_TIMEOUT", default_value_t = 10)]
    lock_timeout: u64,
    /// Print JSON
    #[arg(long, global = true, env = "TESTOON_JSON", value_parser = BoolishValueParser::new())]
    json: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Make a wallet and show its words, once
    Create {
        /// Chain name (local, testnet, main, bitcoin-regtest, bitcoin-main) or path of a chain spec
        #[arg(long, value_name = "NAME|PATH", env = "TESTOON_CHAIN", default_value = "local")]
        chain: String,
        /// How many words: 12, 15, 18, 21 or 24
        #[arg(long, value_name = "N", env = "TESTOON_WALLET_WORD_COUNT", default_value_t = 12)]
        word_count: usize,
        /// BIP39 passphrase; without it the words alone do not restore the wallet
        #[arg(long, value_name = "TEXT", env = "TESTOON_WALLET_PASSPHRASE", hide_env_values = true)]
        passphrase: Option<String>,
    },
    /// Make a wallet from words and find its history
    Restore {
        /// Chain name or path of a chain spec
        #[arg(long, value_name = "NAME|PATH", env = "TESTOON_CHAIN", default_value = "local")]
        chain: String,
        /// The words, in quotes [default: read from standard input]
        #[arg(long, value_name = "WORDS", env = "TESTOON_WALLET_WORDS", hide_env_values = true)]
        words: Option<String>,
        /// BIP39 passphrase
        #[arg(long, value_name = "TEXT", env = "TESTOON_WALLET_PASSPHRASE", hide_env_values = true)]
        passphrase: Option<String>,
        /// Unused addresses in a row after which the search for used ones stops (at least 20)
        #[arg(long, value_name = "N", env = "TESTOON_WALLET_GAP_LIMIT", default_value_t = crate::keystore::GAP_LIMIT,
              value_parser = clap::value_parser!(u32).range(1..=100_000))]
        gap_limit: u32,
    },
    /// Hand out the next unused address
    NewAddress,
    /// List the addresses handed out or used
    Addresses {
        /// Also those used for change
        #[arg(long, env = "TESTOON_WALLET_CHANGE", value_parser = BoolishValueParser::new())]
        change: bool,
    },
    /// Show what the wallet has
    Balance,
    /// List the coins (unspent outputs)
    Coins,
    /// List the transactions, oldest first
    History {
        /// Only the newest N
        #[arg(long, value_name = "N", env = "TESTOON_WALLET_LIMIT")]
        limit: Option<usize>,
    },
    /// Pay AMOUNT coins to ADDRESS
    Send(Send),
    /// Bring all coins of a private key (wallet import format) into this wallet
    Sweep(Sweep),
    /// Give up an unconfirmed payment, so that its coins can be spent otherwise
    Abandon {
        /// The payment
        txid: Txid,
    },
    /// Read the chain again from its first block
    Rescan,
    /// Show the words, which are the wallet's backup
    Words {
        /// Do not ask for confirmation
        #[arg(long, env = "TESTOON_WALLET_YES", value_parser = BoolishValueParser::new())]
        yes: bool,
    },
}

#[derive(Args)]
struct Send {
    /// Who is paid
    address: String,
    /// Coins, at most eight decimals: 12.5
    amount: Amount,
    /// Fee in units (10⁻⁸ coin) per byte
    #[arg(long, value_name = "N", env = "TESTOON_FEE_RATE", default_value = "1")]
    fee_rate: FeeRate,
    /// The receiver bears the fee
    #[arg(long, env = "TESTOON_WALLET_SUBTRACT_FEE", value_parser = BoolishValueParser::new())]
    subtract_fee: bool,
    /// Accept a fee above 0.1 coin or a tenth of the amount
    #[arg(long, env = "TESTOON_WALLET_ALLOW_HIGH_FEE", value_parser = BoolishValueParser::new())]
    allow_high_fee: bool,
    /// Spend only these coins (txid:index, see `coins`); may be given several times
    #[arg(long = "coin", value_name = "TXID:INDEX", env = "TESTOON_WALLET_COINS", value_delimiter = ',',
          value_parser = parse_outpoint)]
    coins: Vec<Outpoint>,
    /// Build and show the transaction, but do not send it
    #[arg(long, env = "TESTOON_WALLET_DRY_RUN", value_parser = BoolishValueParser::new())]
    dry_run: bool,
    /// Wait until the payment has K confirmations
    #[arg(long, value_name = "K", env = "TESTOON_WALLET_WAIT", conflicts_with = "dry_run")]
    wait: Option<u32>,
    /// Seconds after which waiting is given up [default: never]
    #[arg(long, value_name = "SECONDS", env = "TESTOON_WALLET_WAIT_TIMEOUT", requires = "wait")]
    wait_timeout: Option<u64>,
}

#[derive(Args)]
struct Sweep {
    /// The key [default: read from standard input]
    #[arg(value_name = "WIF", env = "TESTOON_WALLET_WIF", hide_env_values = true)]
    key: Option<String>,
    /// Fee in units (10⁻⁸ coin) per byte
    #[arg(long, value_name = "N", env = "TESTOON_FEE_RATE", default_value = "1")]
    fee_rate: FeeRate,
    /// Accept a fee above 0.1 coin or a tenth of the amount
    #[arg(long, env = "TESTOON_WALLET_ALLOW_HIGH_FEE", value_parser = BoolishValueParser::new())]
    allow_high_fee: bool,
    /// Build and show the transaction, but do not send it
    #[arg(long, env = "TESTOON_WALLET_DRY_RUN", value_parser = BoolishValueParser::new())]
    dry_run: bool,
}

fn parse_outpoint(text: &str) -> Result<Outpoint, String> {
    let parsed = text
        .split_once(':')
        .and_then(|(txid, index)| Some(Outpoint { txid: txid.parse().ok()?, index: index.parse().ok()? }));
    parsed.ok_or_else(|| "a coin is TXID:INDEX, as `coins` lists it".to_owned())
}

/// Why a command did not do what was asked.
#[derive(Debug, thiserror::Error)]
enum CliError {
    /// It was asked for wrongly: exit code 2.
    #[error("{0}")]
    Usage(String),
    /// It could not be done: exit code 1.
    #[error("{0}")]
    Failure(String),
    /// Ctrl-C at a prompt: exit code 130.
    #[error("cancelled")]
    Cancelled,
}

impl CliError {
    fn exit_code(&self) -> u8 {
        match self {
            CliError::Failure(_) => 1,
            CliError::Usage(_) => 2,
            CliError::Cancelled => 130,
        }
    }
}

/// A wrong argument is usage; everything else is failure.
impl From<WalletError> for CliError {
    fn from(error: WalletError) -> CliError {
        let text = error.to_string();
        match error {
            WalletError::Address { .. } | WalletError::Client(ClientError::Url { .. }) => CliError::Usage(text),
            _ => CliError::Failure(text),
        }
    }
}

/// Parses `arguments` (the first is the program's name), does the command, and gives the exit code.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let done = commands::run(&cli.options, cli.command).and_then(|output| print(&output));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

/// Writes to stdout. A reader that has gone away (`| head`) is not an error.
fn print(text: &str) -> Result<(), CliError> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(CliError::Failure(format!("cannot write to standard output: {error}")))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_flag_has_an_environment_variable_and_help() {
        fn check(command: &clap::Command) {
            for argument in command.get_arguments().filter(|a| !["help", "version"].contains(&a.get_id().as_str())) {
                let name = format!("{} {}", command.get_name(), argument.get_id());
                assert!(argument.get_help().is_some(), "{name} has no help");
                assert!(argument.is_positional() || argument.get_env().is_some(), "{name} has no variable");
            }
            command.get_subcommands().for_each(check);
        }
        check(&Cli::command());
    }

    #[test]
    fn coins_are_named_by_txid_and_index() {
        let txid = "aa".repeat(32);
        assert_eq!(parse_outpoint(&format!("{txid}:7")).unwrap().index, 7);
        for bad in ["", ":", "aa:1", &txid, &format!("{txid}:-1"), &format!("{txid}:x")] {
            assert!(parse_outpoint(bad).is_err(), "{bad}");
        }
    }
}
