//! The command line: `testoon-wallet --wallet FILE --rpc URL --cookie FILE COMMAND`, also `testoon wallet …`.
//!
//! This module knows the options of every command; each group of commands is a module that says what may be typed and does
//! it. `session` opens wallets and finds nodes, `output` and `listing` print, `prompt` asks for secrets, `protect` keeps them in memory.
//! Exit codes: 0 done, 1 it failed, 2 it was asked for wrongly, 130 Ctrl-C at a prompt. An error is one line on stderr.

mod coins;
mod error;
mod forensics;
mod history;
mod listing;
mod messages;
mod output;
mod pay;
mod prompt;
mod protect;
mod psbt;
mod receive;
mod send;
mod session;
mod setup;
mod shell;
mod watch;

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::BoolishValueParser;
use clap::{Args, Parser, Subcommand};

use error::CliError;

/// Keys, coins and payments on a Testoon chain.
///
/// The wallet file holds everything, encrypted; commands that need the chain read it from a node over JSON-RPC. The
/// file's password is asked for, or comes from --password-file or the environment variable TESTOON_WALLET_PASSWORD.
/// Inside a network of `testoon up` the accounts alice, bob, shop and mallory open by name, and the node is found.
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
    /// The wallet: a file, or the name of an account of the network [default: ~/.testoon/default.wallet]
    #[arg(long, global = true, value_name = "FILE|NAME", env = "TESTOON_WALLET")]
    wallet: Option<PathBuf>,
    /// The node's JSON-RPC address [default: the network's node, or this machine at the chain's port]
    #[arg(long, global = true, value_name = "URL", env = "TESTOON_RPC")]
    rpc: Option<String>,
    /// The node's cookie file: DATADIR/.cookie
    #[arg(long, global = true, value_name = "FILE", env = "TESTOON_COOKIE")]
    cookie: Option<PathBuf>,
    /// User name for the node, instead of a cookie
    #[arg(long, global = true, value_name = "USER", env = "TESTOON_RPC_USER", requires = "rpc_password")]
    rpc_user: Option<String>,
    /// Password for the node; better in the environment than in an argument, which others on this machine can read
    #[arg(long, global = true, value_name = "PASSWORD", env = "TESTOON_RPC_PASSWORD", hide_env_values = true)]
    rpc_password: Option<String>,
    /// A node of the network that `testoon up` started
    #[arg(long, global = true, value_name = "NAME", env = "TESTOON_NODE", conflicts_with_all = ["rpc", "cookie"])]
    node: Option<String>,
    /// Where that network lives [default: ~/.testoon/net]
    #[arg(long, global = true, value_name = "DIRECTORY", env = "TESTOON_DIR")]
    dir: Option<PathBuf>,
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
    #[command(flatten)]
    Setup(setup::Command),
    #[command(flatten)]
    Receive(receive::Command),
    #[command(flatten)]
    Coins(coins::Command),
    #[command(flatten)]
    History(history::Command),
    #[command(flatten)]
    Pay(pay::Command),
    #[command(flatten)]
    Psbt(psbt::Command),
    #[command(flatten)]
    Messages(messages::Command),
    #[command(flatten)]
    Forensics(forensics::Command),
    #[command(flatten)]
    Shell(shell::Command),
}

/// Does a command and gives what is to be printed.
fn run_command(options: &Options, command: Command) -> Result<String, CliError> {
    match command {
        Command::Setup(command) => setup::run(options, command),
        Command::Receive(command) => receive::run(options, command),
        Command::Coins(command) => coins::run(options, command),
        Command::History(command) => history::run(options, command),
        Command::Pay(command) => pay::run(options, command),
        Command::Psbt(command) => psbt::run(options, command),
        Command::Messages(command) => messages::run(options, command),
        Command::Forensics(command) => forensics::run(options, command),
        Command::Shell(command) => shell::run(command),
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
    protect::hide_memory();
    let done = run_command(&cli.options, cli.command).and_then(|output| print(&output));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            listing::tell("error:", listing::Severity::Failure, &error.to_string());
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
}
