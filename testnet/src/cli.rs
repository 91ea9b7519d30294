//! The command line of `testoon`: what can be asked for (`Command`), and who does it.
//!
//! Only here does this crate know clap: what stands below takes plain values. A new subcommand is a variant of `Command` and a
//! line in `run_command`. With `--json`, the last line on standard output is one JSON value, a failure's included; people's
//! text goes elsewhere or is left out.

mod attach;
pub mod attack;
mod bench;
mod export;
mod health;
mod mine;
mod net;
mod nodes;
mod odds;
mod pay;
mod pool;
mod replay;
mod report;
mod request;
mod shell;
mod show;
mod simulate;
mod strategy_node;
mod study;
mod time;
mod up;
mod wait;

use self::attack::AttackArgs;
use self::odds::OddsArgs;
use self::replay::ReplayArgs;
use self::simulate::SimulateArgs;
use self::study::StudyArgs;
use crate::cluster::directory::Directory;
use crate::error::{exit_code, is_usage, one_line, usage};
use crate::output::{collected, line};
use anyhow::{Context as _, Result};
use clap::builder::BoolishValueParser;
use clap::error::ErrorKind;
use clap::{Args, CommandFactory as _, Parser, Subcommand};
use serde_json::{Value, json};
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
    /// Take up a network whose nodes others run, so that every command works on it: a file with their addresses
    Attach(attach::AttachArgs),
    /// Write a network for Compose or Kubernetes, a study for Kubernetes and Slurm, or an image's build context
    #[command(subcommand)]
    Export(export::ExportCommand),
    /// Show every node: peers, height, tip, mempool, hash share
    Status,
    /// Pay from one account to another, or to an address
    Pay(pay::PayArgs),
    /// Pay an address or account from the account that has most
    Faucet(pay::FaucetArgs),
    /// Show the accounts of the network and what they have
    Accounts,
    /// Show the nodes' logs
    Logs(show::LogsArgs),
    /// Print what happens, a line for each event, until Ctrl-C: blocks, reorganisations, nodes that come and go, partitions
    Events,
    /// Wait until all nodes have a height, one tip, a transaction or its confirmations
    Wait(wait::WaitArgs),
    /// Show the network in a browser: its fork tree, nodes, blocks and mempools
    Web(show::WebArgs),
    /// End the network: every process, port and lock
    Down,
    /// Add a node to the running network
    Add(nodes::AddArgs),
    /// Take a node out of the running network: its share goes to the others, its data is deleted
    Remove(nodes::NodeArgs),
    /// Change a node's share of the hash rate at once: `testoon share node0 20%`
    Share(nodes::ShareArgs),
    /// Make blocks at once: `testoon mine node0 10`; or mine for a pool: `testoon mine --stratum HOST:PORT --user ADDRESS`
    Mine(mine::MineArgs),
    /// Show the pool of a node that was started with --stratum: workers, hash rates, blocks, balances
    Pool(pool::PoolArgs),
    /// Move the time of every node ahead, or let it follow the clock again: `testoon time +1h`, `testoon time reset`
    Time(time::TimeArgs),
    /// Start a node that is down
    Start(nodes::NodeArgs),
    /// Kill a node with SIGKILL, as a power cut would
    Kill(nodes::NodeArgs),
    /// Ask a node whether it is well, as a container's health check does
    Health(health::HealthArgs),
    /// Call a node's JSON-RPC: `testoon rpc node0 getblockhash 1`
    Rpc(nodes::RpcArgs),
    /// Partition, slow down, show, keep and bring back the network
    #[command(subcommand)]
    Net(net::NetCommand),
    /// Measure how fast this machine hashes, with every kernel of the miner
    Bench(bench::BenchArgs),
    /// Stage an attack on live nodes, or measure its odds in the simulator
    Attack(Box<AttackArgs>),
    /// Play the rest of a recorded double spend again from a moment, with changes: `testoon replay --at 12 --change confirmations=6`
    Replay(ReplayArgs),
    /// The odds of a double spend, by formula
    Odds(OddsArgs),
    /// Simulate a large network on virtual time
    Simulate(SimulateArgs),
    /// Sweep parameters of an attack and measure every point, in the simulator or on live nodes
    Study(StudyArgs),
    /// Print a script that completes commands and flags: `testoon completions bash > …/completions/testoon`
    Completions(shell::CompletionsArgs),
    /// Print the manual page
    Man,
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
    let mut json = wants_json(&arguments);
    let done = match Cli::try_parse_from(&arguments) {
        Ok(cli) => {
            json = cli.common.json;
            run_command(cli, &program)
        }
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
            let message = one_line(&error);
            eprintln!("error: {message}");
            if json {
                let code = if is_usage(&error) { 2 } else { 1 };
                line(json!({ "error": message, "exit_code": code }));
            }
            exit_code(&error)
        }
    }
}

/// Runs a command of the lab in this process and returns its answer: what `testoon ARGUMENTS --json` prints last. For programs
/// that use the lab as a library with the options of the command line; `arguments` begin with the command.
///
/// # Errors
/// The command or an option is wrong ([`Usage`](crate::error::Usage)), it is none of `attack --sim`, `odds`, `simulate` and
/// `study`, or it failed.
pub fn answer(arguments: impl IntoIterator<Item = String>) -> Result<Value> {
    let arguments = std::iter::once("testoon".to_owned()).chain(arguments).chain(["--json".to_owned()]);
    let cli = Cli::try_parse_from(arguments).map_err(|error| usage(command_line_error(&error)))?;
    match &cli.command {
        Command::Odds(_) | Command::Simulate(_) | Command::Study(_) => {}
        Command::Attack(arguments) if arguments.is_simulated() => {}
        Command::Attack(_) => {
            return Err(usage("attacks on live nodes need the program `testoon`; here it is attack --sim"));
        }
        _ => return Err(usage("this is no command of the lab: attack --sim, odds, simulate or study")),
    }
    let (done, printed) = collected(|| run_command(cli, "testoon"));
    done?;
    let last = printed.trim_end().lines().last().unwrap_or_default();
    serde_json::from_str(last).with_context(|| format!("the answer is not JSON: {last}"))
}

/// Whether a command line that cannot be parsed asks for JSON.
fn wants_json(arguments: &[OsString]) -> bool {
    let by_variable =
        std::env::var("TESTOON_JSON").is_ok_and(|value| ["1", "true", "yes", "on"].contains(&value.as_str()));
    by_variable || arguments.iter().any(|argument| argument == "--json")
}

fn run_command(cli: Cli, program: &str) -> Result<()> {
    let common = &cli.common;
    match cli.command {
        Command::Up(arguments) => up::up(common, &arguments, program),
        Command::Attach(arguments) => attach::run(common, &arguments),
        Command::Export(command) => export::run(common, &command),
        Command::Health(arguments) => health::run(common, &arguments),
        Command::Status => nodes::status(common),
        Command::Pay(arguments) => pay::pay(common, &arguments),
        Command::Faucet(arguments) => pay::faucet(common, &arguments),
        Command::Accounts => pay::accounts(common),
        Command::Logs(arguments) => show::logs(common, &arguments),
        Command::Events => show::events(common),
        Command::Wait(arguments) => wait::run(common, &arguments),
        Command::Web(arguments) => show::web(common, &arguments),
        Command::Down => nodes::down(common),
        Command::Add(arguments) => nodes::add(common, &arguments),
        Command::Remove(arguments) => nodes::remove(common, &arguments),
        Command::Share(arguments) => nodes::share(common, &arguments),
        Command::Mine(arguments) => mine::run(common, &arguments),
        Command::Pool(arguments) => pool::run(common, &arguments),
        Command::Time(arguments) => time::run(common, &arguments),
        Command::Start(arguments) => nodes::start(common, &arguments),
        Command::Kill(arguments) => nodes::kill(common, &arguments),
        Command::Rpc(arguments) => nodes::rpc(common, &arguments),
        Command::Net(command) => net::run(common, &command),
        Command::Bench(arguments) => bench::run(arguments, common.json),
        Command::Attack(arguments) => attack::run(&arguments, common),
        Command::Replay(arguments) => replay::run(&arguments, common),
        Command::Odds(arguments) => odds::run(&arguments, common.json),
        Command::Simulate(arguments) => simulate::run(&arguments, common.json),
        Command::Study(arguments) => study::run(&arguments, common),
        Command::Completions(arguments) => shell::completions(&arguments, Cli::command()),
        Command::Man => shell::man(Cli::command()),
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

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn a_library_s_user_gets_the_answer_or_the_sentence_of_the_command_line() {
        let ask = |text: &str| answer(text.split(' ').map(str::to_owned));
        let odds = ask("odds --share 0.1 --confirmations 2").unwrap();
        // Rosenfeld 2014, table 1.
        assert!((odds["rosenfeld"].as_f64().unwrap() - 0.056).abs() < 5e-4, "{odds}");
        let played = ask("attack double-spend --sim --runs 100 --share 0.9 --confirmations 1").unwrap();
        assert_eq!(played["runs"], 100, "{played}");
        for (wrong, expected) in [
            ("odds --share 2", "between 0 and 1"),
            ("up", "no command of the lab"),
            ("attack selfish", "attack --sim"),
            ("study nowhere.toml", "nowhere.toml"),
        ] {
            let error = ask(wrong).unwrap_err();
            assert!(one_line(&error).contains(expected), "{error:#}");
        }
    }
}
