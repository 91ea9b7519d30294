//! `testoon mine NODE N`: blocks at once. `testoon mine --stratum HOST:PORT --user ADDRESS`: this machine as a miner
//! of a pool.

use super::Common;
use super::report::{count, say};
use crate::clock::Stopwatch;
use crate::cluster::{Cluster, links};
use crate::error::usage;
use crate::interrupt::Interrupt;
use anyhow::{Result, anyhow, bail};
use chain_spec::ProofOfWork;
use clap::Args;
use node::miner::stratum::client::{Client, ClientConfig, Status};
use node::miner::{KernelName, cores};
use serde_json::{Value, json};
use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

/// Between two looks at the miner.
const LOOK: Duration = Duration::from_millis(200);
/// Between two lines where there is no terminal, seconds.
const LINE_S: f64 = 10.0;
/// Between two lines on a terminal, which are drawn over each other, seconds.
const DRAW_S: f64 = 0.5;
/// Most threads that can be asked for.
const THREADS_MAX: u64 = 1_024;

#[derive(Debug, Args)]
pub struct MineArgs {
    /// Which node makes blocks
    #[arg(value_name = "NODE", required_unless_present = "stratum", conflicts_with = "stratum")]
    node: Option<String>,
    /// How many blocks
    #[arg(value_name = "N", value_parser = clap::value_parser!(u32).range(1..), required_unless_present = "stratum")]
    blocks: Option<u32>,
    /// Whom the blocks pay: an account or an address; the node's own account unless given
    #[arg(long, env = "TESTOON_MINE_TO", value_name = "TO")]
    to: Option<String>,
    /// Mine for this pool instead (Stratum v1), until Ctrl-C
    #[arg(long, env = "TESTOON_MINE_STRATUM", value_name = "HOST:PORT", requires = "user")]
    stratum: Option<String>,
    /// The pool's user: an address, with .NAME behind it for this machine if you like
    #[arg(long, env = "TESTOON_MINE_USER", value_name = "ADDRESS[.NAME]", requires = "stratum")]
    user: Option<String>,
    /// The pool's password; a Testoon pool takes d=D for the difficulty to start with
    #[arg(long, env = "TESTOON_MINE_PASSWORD", value_name = "TEXT", default_value = "x")]
    password: String,
    /// Threads [default: all cores]
    #[arg(long, env = "TESTOON_MINE_THREADS", value_name = "N", value_parser = clap::value_parser!(u64).range(1..=THREADS_MAX))]
    threads: Option<u64>,
    /// Limit over all threads, hashes per second [default: none]
    #[arg(long, env = "TESTOON_MINE_HASHRATE", value_name = "H/S", value_parser = clap::value_parser!(u64).range(1..))]
    hashrate: Option<u64>,
    /// Kernel, as of `testoon bench` [default: the fastest here]
    #[arg(long, env = "TESTOON_MINE_KERNEL", value_name = "NAME")]
    kernel: Option<String>,
    /// Proof of work of the pool's chain: sha256d or scrypt
    #[arg(long, env = "TESTOON_MINE_POW", value_name = "POW", default_value = "sha256d")]
    pow: String,
    /// End after so many accepted shares [default: go on]
    #[arg(long, env = "TESTOON_MINE_SHARES", value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    shares: Option<u64>,
}

pub fn run(common: &Common, arguments: &MineArgs) -> Result<()> {
    match (&arguments.stratum, &arguments.user, &arguments.node, arguments.blocks) {
        (Some(address), Some(user), _, _) => for_pool(common, arguments, address, user),
        (_, _, Some(node), Some(blocks)) => at_once(common, node, blocks, arguments.to.as_deref()),
        _ => Err(usage("give NODE and N, or --stratum and --user")),
    }
}

/// Blocks at once, on any node. They take no place in the schedule of a chain like `local`.
fn at_once(common: &Common, node: &str, blocks: u32, to: Option<&str>) -> Result<()> {
    let cluster = Cluster::open_running(common.directory()?)?;
    let name = links::resolve(&cluster.state().plan, node)?;
    let watch = Stopwatch::start();
    let mined = cluster.mine(&name, blocks, to)?;
    let seconds = (watch.seconds() * 1e3).round() / 1e3;
    for name in &mined.missing {
        eprintln!("warning: {name} does not have the last of these blocks yet");
    }
    let text = format!(
        "{name} mined {} in {seconds:.1} s; height {}, paid to {}.",
        count(mined.hashes.len(), "block"),
        mined.height,
        mined.address
    );
    let value = json!({
        "hashes": mined.hashes,
        "height": mined.height,
        "address": mined.address,
        "seconds": seconds,
    });
    say(common, &value, text);
    Ok(())
}

fn config(arguments: &MineArgs, address: &str, user: &str) -> Result<ClientConfig> {
    if !address.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok()) {
        return Err(usage(format!("--stratum {address}: must be HOST:PORT, without stratum+tcp:// before it")));
    }
    let proof_of_work = ProofOfWork::from_name(&arguments.pow)
        .ok_or_else(|| usage(format!("--pow {}: must be sha256d or scrypt", arguments.pow)))?;
    let kernel = arguments.kernel.as_deref().map(str::parse::<KernelName>).transpose();
    let kernel = kernel.map_err(|error| usage(format!("--kernel: {error}")))?;
    Ok(ClientConfig {
        address: address.to_owned(),
        user: user.to_owned(),
        password: arguments.password.clone(),
        threads: arguments.threads.map_or_else(cores, |threads| threads as usize),
        hashrate_max: arguments.hashrate,
        kernel,
        proof_of_work,
    })
}

/// Mines for a pool until Ctrl-C, or the shares asked for are accepted.
fn for_pool(common: &Common, arguments: &MineArgs, address: &str, user: &str) -> Result<()> {
    let config = config(arguments, address, user)?;
    let interrupt = Interrupt::install()?;
    let client = Client::start(config).map_err(|error| anyhow!("cannot mine: {error}"))?;
    let is_terminal = std::io::stderr().is_terminal();
    let (watch, mut shown_s, mut trouble) = (Stopwatch::start(), 0.0, None);
    let status = loop {
        let is_over = interrupt.wait(LOOK);
        let status = client.status();
        if status.trouble != trouble {
            trouble.clone_from(&status.trouble);
            if let Some(trouble) = &trouble {
                clear_line(is_terminal);
                eprintln!("{trouble}");
            }
        }
        if let Some(reason) = &status.ended {
            clear_line(is_terminal);
            bail!("{reason}");
        }
        if is_over || arguments.shares.is_some_and(|shares| status.accepted >= shares) {
            break status;
        }
        if watch.seconds() - shown_s >= if is_terminal { DRAW_S } else { LINE_S } {
            shown_s = watch.seconds();
            show(&status, is_terminal);
        }
    };
    clear_line(is_terminal);
    drop(client);
    let text = format!(
        "{} accepted, {} stale, {} rejected in {:.0} s.",
        count(usize::try_from(status.accepted).unwrap_or(usize::MAX), "share"),
        status.stale,
        status.rejected,
        watch.seconds()
    );
    say(common, &value(&status, watch.seconds()), text);
    Ok(())
}

fn value(status: &Status, seconds: f64) -> Value {
    json!({
        "accepted": status.accepted,
        "stale": status.stale,
        "rejected": status.rejected,
        "jobs": status.jobs,
        "difficulty": status.difficulty,
        "hashes_per_second": status.hashes_per_second,
        "kernel": status.kernel,
        "seconds": (seconds * 1e3).round() / 1e3,
    })
}

/// One line about the miner, drawn over the last one on a terminal.
fn show(status: &Status, is_terminal: bool) {
    let text = if status.is_mining {
        format!(
            "{}  {}  difficulty {:.3e}  accepted {}  stale {}  rejected {}  reply {:.0} ms",
            super::pool::hash_rate(status.hashes_per_second),
            status.kernel,
            status.difficulty,
            status.accepted,
            status.stale,
            status.rejected,
            status.reply_ms
        )
    } else {
        "waiting for the pool".to_owned()
    };
    clear_line(is_terminal);
    if is_terminal {
        eprint!("{text}");
        // A terminal that is gone shows nothing.
        let _ = std::io::stderr().flush();
    } else {
        eprintln!("{text}");
    }
}

fn clear_line(is_terminal: bool) {
    if is_terminal {
        eprint!("\r\x1b[2K");
    }
}
