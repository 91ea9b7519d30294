//! Spawning node processes and waiting until each has said on its standard output that it is ready.

use super::Cluster;
use super::engine::Engine;
use super::process::{LAUNCHER_LOCK_VARIABLE, ProcessId, keep_descriptors_from_children};
use super::state::Host;
use crate::clock::Stopwatch;
use crate::interrupt::Interrupt;
use anyhow::{Context as _, Result, anyhow, bail};
use serde::Deserialize;
use serde_json::json;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// A node must be ready this long after its start, milliseconds; it may have to roll a long chain forward.
const READY_WAIT_MS: u64 = 120_000;
/// How often the wait looks whether the user wants to end, milliseconds.
const INTERRUPT_CHECK_MS: u64 = 50;
/// Bytes of a node's ready line, at most.
const READY_LINE_BYTES_MAX: u64 = 64 << 10;
/// Bytes at the end of a log that are searched for the reason of a failed start.
const REASON_BYTES_MAX: u64 = 4 << 10;
/// Variables that would change nodes in ways the plan decides.
const VARIABLES_REMOVED: [&str; 12] = [
    "TESTOON_CHAIN",
    "TESTOON_DATADIR",
    "TESTOON_RPC_LISTEN",
    "TESTOON_P2P_LISTEN",
    "TESTOON_CONNECT",
    "TESTOON_MINE",
    "TESTOON_THREADS",
    "TESTOON_HASHRATE",
    "TESTOON_RPC_USER",
    "TESTOON_RPC_PASSWORD",
    "TESTOON_REINDEX",
    "TESTOON_NO_DISCOVER",
];

/// The line a node prints when its RPC answers; also in `ready.json`.
#[derive(Debug, Deserialize)]
struct Ready {
    rpc: String,
    p2p: Vec<String>,
}

impl Cluster {
    /// Starts every node of the plan, all at once, and connects them. If one fails, all are ended again and the error says why.
    ///
    /// Gives the nodes that do not have all their peers yet; normally none.
    pub fn start(&mut self, detached: bool, interrupt: Option<&Interrupt>) -> Result<Vec<String>> {
        self.state.detached = detached;
        let names: Vec<String> = self.state.plan.nodes.iter().map(|node| node.name.clone()).collect();
        self.start_nodes(&names, interrupt)
    }

    /// Starts some nodes and connects them with each other and with those that run already.
    pub fn start_nodes(&mut self, names: &[String], interrupt: Option<&Interrupt>) -> Result<Vec<String>> {
        if let Host::Compose(project) = self.state.host.clone() {
            return self.start_containers(&project, names);
        }
        self.need_own_nodes("starting a node")?;
        let before = self.addresses();
        let started = self.spawn_all(names, interrupt).and_then(|()| {
            self.pause_started(names)?;
            self.connect(names, &before)
        });
        if started.is_err() {
            self.stop_nodes(names);
        } else {
            self.state.running = true;
        }
        self.state.save(&self.directory)?;
        started
    }

    /// Starts containers again and waits until their nodes answer.
    fn start_containers(&mut self, project: &Path, names: &[String]) -> Result<Vec<String>> {
        let before = self.addresses();
        let engine = Engine::find()?;
        let arguments: Vec<&str> = std::iter::once("start").chain(names.iter().map(String::as_str)).collect();
        engine.compose(project, &arguments)?;
        names.iter().for_each(|name| self.set_down(name, false));
        let waiting = Stopwatch::start();
        for name in names {
            let client = self.client(name)?;
            while client.call("getblockcount", json!([])).is_err() {
                if waiting.elapsed() > Duration::from_millis(READY_WAIT_MS) {
                    bail!("{name} did not answer within {} s of its container's start", READY_WAIT_MS / 1_000);
                }
                std::thread::sleep(Duration::from_millis(INTERRUPT_CHECK_MS));
            }
        }
        self.state.running = true;
        self.state.save(&self.directory)?;
        self.connect(names, &before)
    }

    fn spawn_all(&mut self, names: &[String], interrupt: Option<&Interrupt>) -> Result<()> {
        keep_descriptors_from_children();
        let (sender, ready) = mpsc::channel();
        for name in names {
            let stdout = self.spawn(name)?;
            let (name, sender) = (name.clone(), sender.clone());
            std::thread::spawn(move || {
                let mut line = String::new();
                let read = BufReader::new(stdout.take(READY_LINE_BYTES_MAX)).read_line(&mut line);
                // The other end is gone only if the start has failed already.
                let _ = sender.send((name, read.map(|_| line)));
            });
        }
        self.state.save(&self.directory)?;
        let waiting = Stopwatch::start();
        let mut missing = names.len();
        while missing > 0 {
            match ready.recv_timeout(Duration::from_millis(INTERRUPT_CHECK_MS)) {
                Ok((name, line)) => {
                    let line = line.with_context(|| format!("cannot read what {name} prints"))?;
                    let said: Ready = serde_json::from_str(&line).map_err(|_| self.failed_start(&name))?;
                    let record = self.record(&name);
                    record.rpc = said.rpc;
                    record.p2p = said.p2p;
                    missing -= 1;
                }
                Err(_) if interrupt.is_some_and(Interrupt::is_set) => bail!("interrupted"),
                Err(_) if waiting.elapsed() > Duration::from_millis(READY_WAIT_MS) => {
                    bail!(
                        "{missing} of {} nodes were not ready after {} s; see `testoon logs`",
                        names.len(),
                        READY_WAIT_MS / 1000
                    )
                }
                Err(_) => {}
            }
        }
        Ok(())
    }

    /// Starts one node's process and gives its standard output.
    fn spawn(&mut self, name: &str) -> Result<ChildStdout> {
        let datadir = self.directory.node(name);
        std::fs::create_dir_all(&datadir).with_context(|| format!("cannot create {}", datadir.display()))?;
        let console_path = self.directory.console(name);
        let console =
            File::create(&console_path).with_context(|| format!("cannot write {}", console_path.display()))?;
        let mut command = Command::new(&self.program);
        command.args(self.arguments(name)?);
        // Its own process group: the terminal's Ctrl-C is for the launcher, which ends the nodes in order.
        command.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(console);
        for variable in VARIABLES_REMOVED {
            command.env_remove(variable);
        }
        if self.state.detached {
            command.env_remove(LAUNCHER_LOCK_VARIABLE);
        } else {
            command.env(LAUNCHER_LOCK_VARIABLE, self.directory.launcher());
        }
        let mut child =
            command.spawn().with_context(|| format!("cannot start {} as {name}", self.program.display()))?;
        let stdout = child.stdout.take().ok_or_else(|| anyhow!("{name} has no standard output"))?;
        self.record(name).process = ProcessId::of(child.id());
        self.children.push(child);
        Ok(stdout)
    }

    /// The command line that runs a node as planned.
    fn arguments(&self, name: &str) -> Result<Vec<String>> {
        let (plan, record) = self.node(name)?;
        let rpc_port = free_port(record.rpc.rsplit_once(':').map(|(_, port)| port));
        let p2p_port = free_port(record.p2p.first().and_then(|address| address.split('/').nth(4)));
        let datadir = self.directory.node(name).display().to_string();
        let mut arguments = match plan.strategy.as_slice() {
            [] => vec!["node".to_owned()],
            strategy => [&["strategy-node".to_owned()], strategy, &["--".to_owned()]].concat(),
        };
        arguments.extend(["--chain", &self.state.chain, "--datadir", &datadir, "--no-discover"].map(Into::into));
        arguments.extend(["--rpc-listen".into(), format!("127.0.0.1:{rpc_port}")]);
        arguments.extend(["--p2p-listen".into(), format!("127.0.0.1:{p2p_port}")]);
        if plan.share > 0.0 && !plan.paused {
            let payout = record.payout.as_ref().ok_or_else(|| anyhow!("{name} has no address to mine to"))?;
            let hashrate = self.hashes_per_second(plan.share).to_string();
            let flags = ["--mine", payout, "--threads", &plan.threads.to_string(), "--hashrate", &hashrate];
            arguments.extend(flags.map(Into::into));
        }
        arguments.extend(plan.arguments.iter().cloned());
        Ok(arguments)
    }

    /// Why a node ended before it was ready: the last thing it said.
    fn failed_start(&mut self, name: &str) -> anyhow::Error {
        let log = self.directory.console(name);
        match last_words(&log) {
            Some(words) => anyhow!("{name} did not start: {words}"),
            None => anyhow!("{name} ended without a word; its log is {}", self.directory.log(name).display()),
        }
    }
}

/// The port a node had before if nobody else has it now, or 0 for any.
fn free_port(before: Option<&str>) -> u16 {
    let port = before.and_then(|port| port.parse().ok()).unwrap_or(0);
    if port != 0 && TcpListener::bind(("127.0.0.1", port)).is_ok() { port } else { 0 }
}

/// What a node said last that matters: its last line that begins with `error:`, without that, or else its last line. (A wrong
/// argument's error is followed by hints.)
fn last_words(path: &Path) -> Option<String> {
    use std::io::{Seek as _, SeekFrom};
    let mut file = File::open(path).ok()?;
    let length = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(REASON_BYTES_MAX))).ok()?;
    let mut end = Vec::new();
    file.take(REASON_BYTES_MAX).read_to_end(&mut end).ok()?;
    let text = String::from_utf8_lossy(&end).into_owned();
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let line = lines.clone().rfind(|line| line.starts_with("error:")).or_else(|| lines.next_back())?;
    Some(line.strip_prefix("error:").unwrap_or(line).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_words_are_the_last_line_with_text() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("console.log");
        assert_eq!(last_words(&path), None);
        std::fs::write(&path, "starting\nerror: port 18444 is taken\n\n").unwrap();
        assert_eq!(last_words(&path).as_deref(), Some("port 18444 is taken"));
        std::fs::write(&path, "error: unexpected argument '--x' found\n\nFor more information, try '--help'.\n")
            .unwrap();
        assert_eq!(last_words(&path).as_deref(), Some("unexpected argument '--x' found"));
        std::fs::write(&path, "x".repeat(100_000)).unwrap();
        assert_eq!(last_words(&path).map(|words| words.len()), Some(REASON_BYTES_MAX as usize));
    }

    #[test]
    fn a_port_is_used_again_unless_it_is_taken() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port().to_string();
        assert_eq!(free_port(Some(&port)), 0);
        drop(taken);
        assert_eq!(free_port(Some(&port)).to_string(), port);
        assert_eq!(free_port(Some("")), 0);
        assert_eq!(free_port(None), 0);
    }
}
