//! `testoon strategy-node STRATEGY [OPTION]… -- NODE-ARGUMENT…`: a live node with a strategy around its core.
//!
//! The launcher starts it in place of `testoon node` for an attacker. Everything after `--` is the ordinary node's command
//! line, so the attacker's node has the same RPC, store and network as everybody's.

use crate::lab::live::control::Desk;
use crate::lab::strategy::attacker::{Attacker, Report};
use crate::lab::strategy::double_spend::Plan;
use crate::lab::strategy::{self, Order, Strategy};
use chain_spec::ChainSpec;
use node::core::Core;
use node::core::state_machine::StateMachine;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc;
use std::time::Duration;

/// How often the process looks for orders and tells its standing, milliseconds.
const LOOK_MS: u64 = 20;

/// A node that mines by a strategy.
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "testoon strategy-node", about)]
struct StrategyArgs {
    /// Its name: double-spend, censor, halt, selfish, timewarp or lazy
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
    /// Where orders are read and the standing is told
    #[arg(long)]
    desk: PathBuf,
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
    let (sender, orders) = mpsc::channel();
    let report = Report::default();
    let told = report.clone();
    let desk = Desk::new(&args.desk);
    std::thread::spawn(move || serve(&desk, &sender, &told));
    let wrap = move |core: Core| -> Box<dyn StateMachine> {
        match make(&args, core.spec()) {
            Ok(strategy) => Box::new(Attacker::new(core, strategy, orders, report)),
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
    strategy::make(&args.strategy, &strategy::Options { plan, target: args.target.as_deref(), spec })
}

/// Carries orders in and standings out until the node ends.
fn serve(desk: &Desk, orders: &mpsc::Sender<Order>, report: &Report) {
    let (mut taken, mut told) = (0, None);
    loop {
        // A damaged line is skipped by nobody: it stays where it is, and the lab's wait for its effect ends in an error.
        for order in desk.orders(taken).unwrap_or_default() {
            taken += 1;
            if orders.send(order).is_err() {
                return;
            }
        }
        let standing = report.standing();
        if told.as_ref() != Some(&standing) && desk.tell(&standing).is_ok() {
            told = Some(standing);
        }
        std::thread::sleep(Duration::from_millis(LOOK_MS));
    }
}
