//! The command line of a node: options in, exit code out. `testoon-node` and `testoon node` are both this.
//!
//! Exit codes: 0 after a clean stop, 1 when the node cannot start or go on, 2 for wrong usage; each with one line on
//! standard error. Standard output carries one line only, the JSON of `ready.json`, when RPC answers.

pub mod log_format;
pub mod logging;
pub mod options;
pub mod settings;

use crate::core::Core;
use crate::shell::core_handle::CoreHandle;
use crate::shell::{Node, NodeError, Settings, StateMachine, Wrap, progress};
use clap::Parser;
use log_format::LogFormat;
use options::Options;
use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// Exit code of wrong usage.
const USAGE: u8 = 2;
/// Exit code of everything else that fails.
const FAILURE: u8 = 1;
/// Exit code when a second signal cuts a stop short (128 + SIGINT, as shells count).
const INTERRUPTED: i32 = 130;
/// Threads of the runtime: sockets and RPC; the core, the miner and signature checks have their own.
const RUNTIME_THREADS: usize = 2;
/// Threads for blocking work at most (opening the store, `generatetoaddress`, name resolution).
const BLOCKING_THREADS_MAX: usize = 16;

/// A Testoon node.
#[derive(Parser)]
#[command(
    name = "testoon-node",
    version,
    about = "A Testoon node: keeps the chain, talks to peers, mines, answers JSON-RPC"
)]
struct Cli {
    /// Configuration file (TOML): the options below without their dashes, e.g. rpc-listen = "127.0.0.1:18443"
    #[arg(long, env = "TESTOON_CONF", value_name = "FILE")]
    conf: Option<PathBuf>,
    /// Check all options and the configuration file, say what is wrong, and end
    #[arg(long)]
    check_config: bool,
    #[command(flatten)]
    options: Options,
}

/// Runs a node until it is stopped. The first argument is the program's name.
pub fn run(args: impl IntoIterator<Item = impl Into<OsString> + Clone>) -> ExitCode {
    run_with(args, None)
}

/// Runs a node whose core is wrapped by another state machine: how a strategy of the attack lab runs as a process.
pub fn run_wrapped(
    args: impl IntoIterator<Item = impl Into<OsString> + Clone>,
    wrap: impl FnOnce(Core, CoreHandle) -> Box<dyn StateMachine> + Send + 'static,
) -> ExitCode {
    run_with(args, Some(Box::new(wrap)))
}

fn run_with(args: impl IntoIterator<Item = impl Into<OsString> + Clone>, wrap: Option<Wrap>) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // clap gives help and version as errors too, with code 0 and for standard output. Writing to a closed pipe may fail.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(USAGE));
        }
    };
    let only_checks = cli.check_config;
    let mut prepared = match prepare(cli) {
        Ok(prepared) => prepared,
        Err(error) => return report(&error.to_string(), USAGE),
    };
    if only_checks {
        let Settings { spec, datadir, rpc_listen, .. } = &prepared.settings;
        // Standard output may be closed; the exit code says the same.
        let _ = writeln!(
            std::io::stdout(),
            "the configuration is right: chain {}, RPC on {rpc_listen}, data in {}",
            spec.name,
            datadir.display()
        );
        return ExitCode::SUCCESS;
    }
    prepared.settings.wrap = wrap;
    match live(prepared) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => report(&error.to_string(), FAILURE),
    }
}

/// Prints the one line that says why the node ends.
fn report(message: &str, code: u8) -> ExitCode {
    eprintln!("error: {message}");
    ExitCode::from(code)
}

/// What a node is started with, its log level, and what the log says first.
struct Prepared {
    settings: Settings,
    log_level: String,
    log_format: LogFormat,
    notice: Option<String>,
}

fn prepare(cli: Cli) -> Result<Prepared, settings::UsageError> {
    let file = cli.conf.as_deref().map(settings::read_file).transpose()?.unwrap_or_default();
    let options = cli.options.or(file);
    let log_level = options.log_level.clone().unwrap_or_else(|| "info".into());
    logging::check(&log_level).map_err(|error| settings::UsageError(format!("--log-level {log_level}: {error}")))?;
    let log_format = match options.log_format.as_deref() {
        None => LogFormat::default(),
        Some(name) => LogFormat::from_name(name)
            .ok_or_else(|| settings::UsageError(format!("--log-format {name}: must be text or json")))?,
    };
    let notice = settings::reach_notice(&options);
    Ok(Prepared { settings: settings::settings(options)?, log_level, log_format, notice })
}

fn live(Prepared { settings, log_level, log_format, notice }: Prepared) -> Result<(), NodeError> {
    let datadir = settings.datadir.clone();
    let failed = |error| NodeError::Datadir { path: datadir.clone(), error };
    std::fs::create_dir_all(&datadir).map_err(failed)?;
    logging::start(&datadir, &log_level, log_format).map_err(failed)?;
    if let Some(notice) = notice {
        tracing::info!("{notice}");
    }
    if !settings.core.fork_rules.is_empty() {
        tracing::warn!(
            rules = %settings.core.fork_rules,
            "fork rules are not consensus: this node may stay on another branch than the others for good"
        );
    }
    if std::io::stderr().is_terminal() {
        progress::enable_bar();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(RUNTIME_THREADS)
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .enable_all()
        .build()
        .map_err(|error| NodeError::Internal(format!("cannot start the runtime: {error}")))?;
    let ended = runtime.block_on(until_stopped(settings));
    // What still blocks (a name being resolved) has nothing left to do.
    runtime.shutdown_background();
    ended
}

async fn until_stopped(settings: Settings) -> Result<(), NodeError> {
    let mut signals = Signals::listen()?;
    let node = tokio::select! {
        node = Node::start(settings) => node?,
        // Opening a large chain takes a while. Nothing has been promised to anybody yet, and the store takes any end.
        () = signals.next() => return Ok(()),
    };
    announce(&node);
    tokio::spawn(signals.stop(node.stopper()));
    node.run().await
}

/// The one line of standard output: tests and launchers wait for it.
fn announce(node: &Node) {
    if let Ok(line) = serde_json::to_string(node.ready()) {
        // Standard output may be closed; the ready file says the same.
        let _ = writeln!(std::io::stdout(), "{line}");
    }
}

/// SIGINT and SIGTERM, which end the node, and SIGHUP, which opens the log file anew (as in Core).
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    fn listen() -> Result<Signals, NodeError> {
        let listen =
            |kind| signal(kind).map_err(|error| NodeError::Internal(format!("cannot listen for signals: {error}")));
        Ok(Signals {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hangup: listen(SignalKind::hangup())?,
        })
    }
    /// The next signal that ends the node.
    async fn next(&mut self) {
        loop {
            tokio::select! {
                _ = self.interrupt.recv() => return,
                _ = self.terminate.recv() => return,
                _ = self.hangup.recv() => logging::reopen(),
            }
        }
    }
    /// The first signal stops the node, the second does not wait for it.
    async fn stop(mut self, stop: watch::Sender<bool>) {
        self.next().await;
        stop.send_replace(true);
        self.next().await;
        eprintln!("stopping at once; the next start rolls forward what was not flushed");
        std::process::exit(INTERRUPTED);
    }
}
