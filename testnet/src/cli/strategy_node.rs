//! `testoon strategy-node STRATEGY [OPTION]… -- NODE-ARGUMENT…`: a live node with a strategy around its core.
//!
//! The launcher starts it in place of `testoon node` for an attacker. Everything after `--` is the ordinary node's command
//! line, so the attacker's node has the same RPC, store and network as everybody's.

use crate::lab::live::control::ControlChannel;
use crate::lab::strategy::attacker::{Attacker, StatusReport};
use crate::lab::strategy::double_spend::Plan;
use crate::lab::strategy::{self, Command, Strategy};
use chain_spec::ChainSpec;
use node::core::Core;
use node::core::state_machine::StateMachine;
use node::shell::core_handle::CoreHandle;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc;
use std::time::Duration;

/// How often the process looks for commands and writes its status, milliseconds.
const LOOK_MS: u64 = 5;

/// A node that mines by a strategy.
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "testoon strategy-node", about)]
struct StrategyArgs {
    /// Its name, as `testoon attack` has it
    strategy: String,
    /// double-spend: confirmations the shop waits for
    #[arg(long, default_value_t = 2)]
    confirmations: u32,
    /// double-spend: blocks to be ahead in secret before paying
    #[arg(long, default_value_t = 0)]
    premine: u32,
    /// double-spend: give up this many blocks behind
    #[arg(long)]
    give_up: Option<u32>,
    /// censor: whose payments
    #[arg(long)]
    target: Option<String>,
    /// optimal-selfish: the attacker's share of the hash rate
    #[arg(long, default_value_t = 0.4)]
    share: f64,
    /// optimal-selfish: the part of the others that mines on the attacker's block in a tie
    #[arg(long, default_value_t = 0.0)]
    gamma: f64,
    /// Where commands are read and the status is written
    #[arg(long)]
    control: PathBuf,
    /// The node's own command line
    #[arg(last = true)]
    node: Vec<OsString>,
}

/// Runs the node until it is told to stop. `arguments` are those after `strategy-node`.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let words = std::iter::once(OsString::from("testoon strategy-node")).chain(arguments);
    let args = match <StrategyArgs as clap::Parser>::try_parse_from(words) {
        Ok(args) => args,
        Err(error) => {
            // The text goes to standard error, or standard output for --help; if even that is closed nobody reads it.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let node_arguments = std::iter::once(OsString::from("testoon node")).chain(args.node.clone());
    let wrap = move |core: Core, handle: CoreHandle| -> Box<dyn StateMachine> {
        match make(&args, core.spec()) {
            Ok(strategy) => {
                let (sender, commands) = mpsc::channel();
                let report = StatusReport::default();
                let (control, status) = (ControlChannel::new(&args.control), report.clone());
                std::thread::spawn(move || serve(&control, &sender, &status, &handle));
                Box::new(Attacker::new(core, strategy, commands, report))
            }
            Err(why) => {
                eprintln!("error: {why}");
                std::process::exit(2)
            }
        }
    };
    node::cli::run_wrapped(node_arguments, wrap)
}

/// The strategy as asked for, on the node's chain.
fn make(args: &StrategyArgs, spec: &ChainSpec) -> Result<Box<dyn Strategy>, String> {
    let plan =
        Plan { confirmations: args.confirmations, premine: args.premine, give_up: args.give_up, waits_for_goods: true };
    let target = args.target.as_deref();
    strategy::make(&args.strategy, &strategy::Options { plan, target, spec, share: args.share, gamma: args.gamma })
}

/// Carries commands in and the status out until the node ends.
fn serve(control: &ControlChannel, commands: &mpsc::Sender<Command>, report: &StatusReport, core: &CoreHandle) {
    let (mut taken, mut written) = (0, None);
    loop {
        // A damaged line is not skipped: it stays where it is, and the lab's wait for its effect ends in an error.
        for command in control.commands(taken).unwrap_or_default() {
            taken += 1;
            if commands.send(command).is_err() {
                return;
            }
            core.tick_blocking();
        }
        let status = report.status();
        if written.as_ref() != Some(&status) && control.write_status(&status).is_ok() {
            written = Some(status);
        }
        std::thread::sleep(Duration::from_millis(LOOK_MS));
    }
}
