//! The program under test as a child process.
//!
//! Cargo tells a test the path of a binary of its own package only, so this package builds `testoon` under the name
//! `testoon-under-test`. A bench needs no binary: its own executable turns into `testoon` when [`testoon`] starts it
//! ([`bench_main`]), so that nothing is linked a third time and nothing stale is measured.

use serde_json::Value;
use std::ffi::OsStr;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Output, Stdio};

/// In a child's environment: be `testoon`, not a bench.
const BE_TESTOON: &str = "KIT_BE_TESTOON";
/// Set by Cargo for this package's tests.
const PROGRAM: &str = "CARGO_BIN_EXE_testoon-under-test";

/// A command that runs the umbrella binary, without standard input and without the caller's `TESTOON_*` variables. The kernel
/// kills it when the thread that starts it ends, even if this process is itself killed.
pub fn testoon() -> Command {
    let mut command = Command::new(program());
    command.env(BE_TESTOON, "1").stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        if name.as_encoded_bytes().starts_with(b"TESTOON_") {
            command.env_remove(name);
        }
    }
    // A page looks at every node again and again; tests of the page start their own.
    command.env("TESTOON_NO_WEB", "1");
    die_with_this_thread(&mut command);
    command
}

/// What every bench that starts nodes has for its `main`: runs `bench`, or `testoon` where [`testoon`] has started it.
pub fn bench_main(bench: impl FnOnce()) -> ExitCode {
    if std::env::var_os(BE_TESTOON).is_some() {
        return testnet::cli::run(std::env::args_os());
    }
    bench();
    ExitCode::SUCCESS
}

fn program() -> PathBuf {
    if let Some(path) = std::env::var_os(PROGRAM) {
        return path.into();
    }
    let this = std::env::current_exe().expect("the system knows this executable");
    // A test that is run without Cargo finds the binary where Cargo put it: `deps/all-…` is below `testoon-under-test`.
    let built = this.ancestors().nth(2).map(|directory| directory.join("testoon-under-test"));
    let is_test = this.file_stem().and_then(OsStr::to_str).is_some_and(|name| name.starts_with("all-"));
    built.filter(|path| is_test && path.exists()).unwrap_or(this)
}

/// Has the kernel kill the child when the thread that started it ends.
#[allow(unsafe_code)]
fn die_with_this_thread(command: &mut Command) {
    // SAFETY: between fork and exec only `prctl` is called, which is async-signal-safe and touches no memory of ours.
    unsafe {
        command.pre_exec(|| match libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        });
    }
}

/// Runs the umbrella binary to its end.
pub fn run(arguments: &[&str]) -> Finished {
    Finished::of(testoon().args(arguments))
}

/// A finished command's output as text, with what it was for in every failure.
pub struct Finished {
    /// Exit code; -1 where a signal ended it.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Finished {
    /// Runs a command to its end.
    pub fn of(command: &mut Command) -> Finished {
        Finished::from_output(command.output().expect("the program under test runs"))
    }

    /// Of a child that has been waited for.
    pub fn from_output(output: Output) -> Finished {
        Finished {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// The last line of standard output as JSON; the command must have succeeded.
    pub fn json(&self) -> Value {
        assert_eq!(self.code, 0, "failed: {}{}", self.stdout, self.stderr);
        let line = self.stdout.lines().last().unwrap_or_default();
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line:?}\n{}", self.stderr))
    }

    /// The command failed with this exit code, its error names all of `words`, and it did not panic.
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

/// Sends a signal to a child that has not been waited for.
#[allow(unsafe_code)]
pub fn signal(pid: u32, signal: i32) {
    // SAFETY: `kill` takes plain numbers; the process is our own child, not yet waited for, so its id is not reused.
    let sent = unsafe { libc::kill(pid as libc::pid_t, signal) };
    assert_eq!(sent, 0, "{}", std::io::Error::last_os_error());
}

/// Presses Ctrl-C in a child that has not been waited for.
pub fn interrupt(pid: u32) {
    signal(pid, libc::SIGINT);
}

/// Whether a process with this id is running (a zombie is not).
pub fn is_running(pid: u64) -> bool {
    match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => !stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('Z')),
        Err(_) => false,
    }
}

/// Kills every process whose command line names `path`: nodes that a launcher detached have no parent left to reap them.
#[allow(unsafe_code)]
pub(crate) fn kill_all_naming(path: &std::path::Path) {
    let path = path.as_os_str().as_encoded_bytes();
    let Ok(entries) = std::fs::read_dir("/proc") else { return };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<libc::pid_t>().ok());
    for pid in pids.filter(|pid| *pid != std::process::id() as libc::pid_t) {
        let names_path = |line: Vec<u8>| line.windows(path.len()).any(|part| part == path);
        if std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(names_path) {
            // SAFETY: `kill` takes plain numbers. The temporary directory is this test's own, so whoever names it is too.
            unsafe { libc::kill(pid, libc::SIGKILL) };
        }
    }
}
