//! What the tests stand on: a node or a whole network as child processes, an RPC client, and waiting with an end.

mod client;
mod node;
pub mod payer;
pub mod rogue;

pub use client::Client;
pub use node::{Node, NodeOptions};

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

/// Longest any single wait of a test may take before it fails.
pub const WAIT_MAX: Duration = Duration::from_secs(60);

/// The umbrella binary, as this package builds it.
pub fn testoon() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_testoon-under-test"));
    // What the caller has in the environment must not steer the program under test.
    for (name, _) in std::env::vars() {
        if name.starts_with("TESTOON_") {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null());
    command
}

/// Asks `look` again and again, 100 times a second, until it has something; fails with `what` after [`WAIT_MAX`].
///
/// For facts that no call can be blocked on, such as another node's mempool. Where there is one (`waitforblockheight`), it
/// is used instead.
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = testoon_benches::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < WAIT_MAX, "waited {} s in vain until {what}", WAIT_MAX.as_secs());
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

/// A finished command's output as text, with what it was for in every failure.
pub struct Finished {
    /// Exit code.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Finished {
    fn of(output: Output) -> Finished {
        Finished {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// The last line of standard output as JSON.
    pub fn json(&self) -> Value {
        assert_eq!(self.code, 0, "failed: {}{}", self.stdout, self.stderr);
        let line = self.stdout.lines().last().unwrap_or_default();
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line:?}\n{}", self.stderr))
    }

    /// One clear line on standard error, no panic, no backtrace, and the exit code.
    pub fn refuses(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, code, "exit code; stderr: {}", self.stderr);
        for word in ["panicked", "RUST_BACKTRACE", "stack backtrace"] {
            assert!(!self.stderr.contains(word), "a panic: {}", self.stderr);
        }
        for word in words {
            assert!(self.stderr.contains(word), "{word:?} is not named in: {}", self.stderr);
        }
    }
}

/// Runs the umbrella binary to its end.
pub fn run(arguments: &[&str]) -> Finished {
    Finished::of(testoon().args(arguments).output().expect("the binary under test runs"))
}

/// A detached network in a directory of its own, taken down when dropped.
pub struct Network {
    directory: tempfile::TempDir,
}

impl Network {
    /// `testoon up --detach` with more arguments.
    pub fn up(arguments: &[&str]) -> Network {
        let network = Network { directory: tempfile::tempdir().expect("a temporary directory") };
        let mut all = vec!["up", "--detach"];
        all.extend_from_slice(arguments);
        let finished = network.run(&all);
        assert_eq!(finished.code, 0, "up failed: {}{}", finished.stdout, finished.stderr);
        network
    }

    /// Where it keeps everything.
    pub fn path(&self) -> PathBuf {
        self.directory.path().join("net")
    }

    /// Runs a command on this network.
    pub fn run(&self, arguments: &[&str]) -> Finished {
        let path = self.path();
        let output = testoon().args(arguments).arg("--dir").arg(path).output().expect("the binary under test runs");
        Finished::of(output)
    }

    /// `status --json`: its nodes.
    pub fn nodes(&self) -> Vec<Value> {
        let status = self.run(&["status", "--json"]).json();
        status["nodes"].as_array().cloned().unwrap_or_else(|| panic!("no nodes in {status}"))
    }

    /// A client for each node, in order.
    pub fn clients(&self) -> Vec<Client> {
        self.nodes().iter().map(client_of).collect()
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let finished = self.run(&["down"]);
        if !std::thread::panicking() {
            assert_eq!(finished.code, 0, "down failed: {}{}", finished.stdout, finished.stderr);
        }
    }
}

/// Presses Ctrl-C in a child that has not been waited for.
#[allow(unsafe_code)]
pub fn interrupt(pid: u32) {
    // SAFETY: `kill` takes plain numbers; the process is our own child, not yet waited for, so its id is not reused.
    let sent = unsafe { libc::kill(pid as libc::pid_t, libc::SIGINT) };
    assert_eq!(sent, 0, "{}", std::io::Error::last_os_error());
}

/// A client for a node as `status` lists it.
pub fn client_of(node: &Value) -> Client {
    let text = |field: &str| node[field].as_str().unwrap_or_else(|| panic!("{field} is missing in {node}")).to_owned();
    Client::with_cookie(&text("rpc"), &Path::new(&text("datadir")).join(".cookie"))
}

/// Whether a process with this id is running (a zombie is not).
pub fn is_running(pid: u64) -> bool {
    match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => !stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('Z')),
        Err(_) => false,
    }
}
