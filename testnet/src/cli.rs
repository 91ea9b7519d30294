//! The command line of `testoon`: what can be asked for (`Command`), and who does it.
//!
//! A new subcommand is a variant of `Command` and a line in `run_command`. With `--json`, the last line on standard output
//! is one JSON value; people's text goes elsewhere or is left out.

pub mod attack;
mod bench;
mod network;
mod odds;
mod simulate;
mod strategy_node;
mod up;

use self::attack::AttackArgs;
use self::odds::OddsArgs;
use self::simulate::SimulateArgs;
use crate::cluster::directory::Directory;
use crate::error::{exit_code, one_line, usage};
use crate::plan::units;
use anyhow::Result;
use chain_spec::Amount;
use clap::builder::BoolishValueParser;
use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

/// A proof-of-work network on your machine: start it, pay with it, attack it.
#[derive(Debug, Parser)]
#[command(name = "testoon", version, arg_required_else_help = true, subcommand_required = true)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

/// What every command of the launcher understands.
#[derive(Debug, Args)]
pub struct Common {
    /// Where the network lives; ~/.testoon/net unless given (an attack's own: ~/.testoon/attack)
    #[arg(long, global = true, env = "TESTOON_DIR", value_name = "PATH")]
    pub dir: Option<PathBuf>,
    /// Print facts as JSON, on the last line of standard output
    #[arg(long, global = true, env = "TESTOON_JSON", value_parser = BoolishValueParser::new())]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start a network of nodes that mine, and show it until Ctrl-C
    Up(up::UpArgs),
    /// Show every node: peers, height, tip, mempool, hash share
    Status,
    /// Pay from one account to another, or to an address
    Pay(network::PayArgs),
    /// Show the accounts of the network and what they have
    Accounts,
    /// Show the nodes' logs
    Logs(network::LogsArgs),
    /// Show the network in a browser: its fork tree, nodes, blocks and mempools
    Web(network::WebArgs),
    /// End the network: every process, port and lock
    Down,
    /// Add a node to the running network
    Add(network::AddArgs),
    /// Start a node that is down
    Start(network::NodeArgs),
    /// Kill a node with SIGKILL, as a power cut would
    Kill(network::NodeArgs),
    /// Call a node's JSON-RPC: `testoon rpc node0 getblockhash 1`
    Rpc(network::RpcArgs),
    /// Partition, slow down, show, keep and bring back the network
    #[command(subcommand)]
    Net(network::NetCommand),
    /// Measure how fast this machine hashes, with every kernel of the miner
    Bench(bench::BenchArgs),
    /// Stage an attack on live nodes, or measure its odds in the simulator
    Attack(AttackArgs),
    /// The odds of a double spend, by formula
    Odds(OddsArgs),
    /// Simulate a large network on virtual time
    Simulate(SimulateArgs),
    /// Run one node (see `testoon node --help`)
    #[command(disable_help_flag = true)]
    Node(PassedOn),
    /// Use a wallet (see `testoon wallet --help`)
    #[command(disable_help_flag = true)]
    Wallet(PassedOn),
}

/// Arguments for another command line in this program.
#[derive(Debug, Args)]
struct PassedOn {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

/// Parses `arguments` (the first is the program's name), does what they ask for, and gives the exit code: 0 done, 1 failed,
/// 2 asked wrongly.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    // These have command lines of their own, with flags like ours that must not be read here.
    match arguments.get(1).and_then(|argument| argument.to_str()) {
        Some("node") => {
            crate::cluster::process::end_with_launcher();
            return node::cli::run(renamed("testoon node", &arguments));
        }
        Some("strategy-node") => {
            crate::cluster::process::end_with_launcher();
            return strategy_node::run(arguments.into_iter().skip(2));
        }
        Some("wallet") => return wallet::cli::run(renamed("testoon wallet", &arguments)),
        _ => {}
    }
    let program = shown_name(arguments.first());
    let done = match Cli::try_parse_from(&arguments) {
        Ok(cli) => run_command(cli, &program),
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            // Help that cannot be printed has no reader.
            let _ = error.print();
            return ExitCode::SUCCESS;
        }
        Err(error) if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = error.print();
            return ExitCode::from(2);
        }
        Err(error) => Err(usage(command_line_error(&error))),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", one_line(&error));
            exit_code(&error)
        }
    }
}

fn run_command(cli: Cli, program: &str) -> Result<()> {
    let common = &cli.common;
    match cli.command {
        Command::Up(arguments) => up::up(common, &arguments, program),
        Command::Status => network::status(common),
        Command::Pay(arguments) => network::pay(common, &arguments),
        Command::Accounts => network::accounts(common),
        Command::Logs(arguments) => network::logs(common, &arguments),
        Command::Web(arguments) => network::web(common, &arguments),
        Command::Down => network::down(common),
        Command::Add(arguments) => network::add(common, &arguments),
        Command::Start(arguments) => network::start(common, &arguments),
        Command::Kill(arguments) => network::kill(common, &arguments),
        Command::Rpc(arguments) => network::rpc(common, &arguments),
        Command::Net(command) => network::net(common, &command),
        Command::Bench(arguments) => bench::run(arguments, common.json),
        Command::Attack(arguments) => attack::run(&arguments, common),
        Command::Odds(arguments) => odds::run(&arguments, common.json),
        Command::Simulate(arguments) => simulate::run(&arguments, common.json),
        // `run` has passed these on unless a flag of ours came first.
        Command::Node(_) | Command::Wallet(_) => {
            Err(usage("write `node` or `wallet` directly after `testoon`, and their flags behind"))
        }
    }
}

impl Common {
    /// The network's directory, which must be there.
    fn directory(&self) -> Result<Directory> {
        Directory::open(self.dir.as_deref())
    }
}

/// The arguments behind a subcommand, under its own name.
fn renamed(name: &str, arguments: &[OsString]) -> Vec<OsString> {
    std::iter::once(name.into()).chain(arguments.iter().skip(2).cloned()).collect()
}

/// How the user called this program, for hints that can be typed: the path if there was one.
fn shown_name(first: Option<&OsString>) -> String {
    first.map_or_else(|| "testoon".into(), |name| name.to_string_lossy().into_owned())
}

/// The parser's complaint without its usage text.
fn command_line_error(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let parts = text.split("\n\n").take_while(|part| !part.starts_with("Usage:") && !part.starts_with("For more"));
    let text = parts.map(str::trim).collect::<Vec<_>>().join("; ");
    format!("{}; see --help", text.strip_prefix("error: ").unwrap_or(&text))
}

fn amount(text: &str) -> Result<Amount, String> {
    crate::cluster::payment::parse_amount(text)
}

/// A share for the command line.
fn share(text: &str) -> Result<f64, String> {
    units::fraction(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent_and_every_flag_has_help() {
        fn check(command: &clap::Command) {
            for argument in
                command.get_arguments().filter(|argument| !argument.is_global_set() || argument.get_id() == "dir")
            {
                let id = argument.get_id().as_str();
                let passed_on = ["node", "wallet"].contains(&command.get_name());
                if ["help", "version"].contains(&id) || passed_on {
                    continue;
                }
                let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
                assert!(!help.is_empty(), "{} --{id} has no help", command.get_name());
                assert!(
                    argument.is_positional() || argument.get_env().is_some(),
                    "{} --{id} has no variable",
                    command.get_name()
                );
            }
            command.get_subcommands().for_each(check);
        }
        let command = Cli::command();
        command.clone().debug_assert();
        check(&command);
    }

    #[test]
    fn complaints_are_one_line_that_names_the_argument() {
        for (arguments, expected) in [
            (vec!["testoon", "up", "--nodez", "5"], "--nodez"),
            (vec!["testoon", "up", "--nodes", "five"], "five"),
            (vec!["testoon", "pay", "alice"], "<TO>"),
            (vec!["testoon", "pay", "alice", "bob", "-3"], "-3"),
            (vec!["testoon", "fly"], "fly"),
        ] {
            let text = command_line_error(&Cli::try_parse_from(arguments).unwrap_err());
            let line = one_line(&usage(text));
            assert!(line.contains(expected) && !line.contains("Usage"), "{line}");
        }
    }
}
