//! Operating-system processes: telling ours from a stranger with the same number, ending them, starting them without what is
//! not theirs, and ending with the launcher. Above it stands [`super::state`].

use rustix::process::{Pid, kill_process};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Environment variable that names the file whose lock a node of a foreground network watches: see [`end_with_launcher`].
pub const LAUNCHER_LOCK_VARIABLE: &str = "TESTOON_LAUNCHER_LOCK";
/// A node whose launcher is gone has this long to end by itself, milliseconds.
const ORPHAN_GRACE_MS: u64 = 5_000;

/// A process number together with when that process started: numbers are used again, pairs are not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessId {
    /// The operating system's number.
    pub pid: u32,
    /// Boot identity and start in clock ticks after boot; empty where `/proc` does not exist.
    started: String,
}

/// How a process is told to do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// End cleanly.
    Terminate,
    /// End at once.
    Kill,
    /// Stand still.
    Stop,
    /// Go on after [`Signal::Stop`].
    Continue,
}

impl ProcessId {
    /// The process that has this number now; none if no process has.
    pub fn of(pid: u32) -> Option<ProcessId> {
        Some(ProcessId { pid, started: started(pid)? })
    }

    /// This very process.
    pub fn own() -> ProcessId {
        let pid = std::process::id();
        ProcessId { pid, started: started(pid).unwrap_or_default() }
    }

    /// Whether it still runs. A process that has ended but that its parent has not collected yet does not.
    pub fn is_alive(&self) -> bool {
        started(self.pid).is_some_and(|started| started == self.started)
    }

    /// Whether it runs and is a node of ours in the data directory `datadir`, and not a stranger that a state file names.
    pub fn is_node_in(&self, datadir: &Path) -> bool {
        self.is_alive() && runs_node(self.pid, datadir)
    }

    /// Whether it stands still after [`Signal::Stop`]. Where `/proc` does not exist: whether it is alive, for signals are quick.
    pub fn is_stopped(&self) -> bool {
        #[cfg(target_os = "linux")]
        {
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid)).unwrap_or_default();
            state_and_start(&stat).is_some_and(|(state, _)| state == "T")
        }
        #[cfg(not(target_os = "linux"))]
        self.is_alive()
    }

    /// Sends a signal, but only while the number still belongs to this process.
    pub fn signal(&self, signal: Signal) {
        if self.is_alive() {
            send(self.pid, signal);
        }
    }
}

fn send(pid: u32, signal: Signal) {
    let signal = match signal {
        Signal::Terminate => rustix::process::Signal::TERM,
        Signal::Kill => rustix::process::Signal::KILL,
        Signal::Stop => rustix::process::Signal::STOP,
        Signal::Continue => rustix::process::Signal::CONT,
    };
    if let Some(pid) = plain_pid(pid) {
        // It may have ended meanwhile, which is what most signals are for.
        let _ = kill_process(pid, signal);
    }
}

/// The number as one that names a single process: numbers that do not fit, 0 and 1 would reach process groups or init.
fn plain_pid(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().filter(|pid| *pid > 1).and_then(Pid::from_raw)
}

#[cfg(target_os = "linux")]
fn started(pid: u32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (state, ticks) = state_and_start(&stat)?;
    // A killed process is a zombie before the last of its threads has let go of its files and locks.
    let has_threads = || std::fs::read_dir(format!("/proc/{pid}/task")).is_ok_and(|tasks| tasks.count() > 1);
    if state == "X" || (state == "Z" && !has_threads()) {
        return None;
    }
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    Some(format!("{}:{ticks}", boot.trim()))
}

/// The state and start time in `/proc/PID/stat` (proc(5), fields 3 and 22). The name, field 2, may hold anything, `)` included.
#[cfg(target_os = "linux")]
fn state_and_start(stat: &str) -> Option<(&str, &str)> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    Some((fields.next()?, fields.nth(18)?))
}

#[cfg(not(target_os = "linux"))]
fn started(pid: u32) -> Option<String> {
    rustix::process::test_kill_process(plain_pid(pid)?).ok().map(|()| String::new())
}

/// Whether a process is a node of ours that runs in `datadir`: it belongs to this user, its executable is called as this
/// program, and its command line names the directory. A state file can be old, copied or edited; what it names is signalled
/// only if this holds.
#[cfg(target_os = "linux")]
fn runs_node(pid: u32, datadir: &Path) -> bool {
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::fs::MetadataExt as _;
    let process = PathBuf::from(format!("/proc/{pid}"));
    let is_own = std::fs::metadata(&process).is_ok_and(|of| of.uid() == rustix::process::geteuid().as_raw());
    let file_name = |path: std::io::Result<PathBuf>| {
        let name = path.ok()?.file_name()?.to_string_lossy().into_owned();
        // What Linux adds when the file was replaced by a newer build.
        Some(name.strip_suffix(" (deleted)").map_or(name.clone(), str::to_owned))
    };
    let is_program = file_name(std::fs::read_link(process.join("exe")))
        .is_some_and(|of| Some(of) == file_name(std::env::current_exe()));
    let command_line = std::fs::read(process.join("cmdline")).unwrap_or_default();
    let arguments: Vec<&[u8]> = command_line.split(|byte| *byte == 0).collect();
    // The same directory may be reached by another path now.
    let real = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let is_datadir = |bytes: &[u8]| real(Path::new(std::ffi::OsStr::from_bytes(bytes))) == real(datadir);
    let names = |pair: &[&[u8]]| pair[0] == b"--datadir" && is_datadir(pair[1]);
    is_own && is_program && arguments.windows(2).any(names)
}

/// Where `/proc` does not exist: whether the process holds the lock of `datadir`, which names its holder.
#[cfg(not(target_os = "linux"))]
fn runs_node(pid: u32, datadir: &Path) -> bool {
    let lock = datadir.join(".lock");
    let is_held = std::fs::File::open(&lock)
        .is_ok_and(|file| matches!(file.try_lock_shared(), Err(std::fs::TryLockError::WouldBlock)));
    is_held && std::fs::read_to_string(&lock).is_ok_and(|text| text.trim() == pid.to_string())
}

/// Has every descriptor but standard input, output and error closed in the processes that are started from now on. The shell
/// or a CI runner may have left open ones here: a detached node that kept a pipe would let its reader wait for ever.
#[allow(unsafe_code)]
pub fn keep_descriptors_from_children() {
    use rustix::io::{FdFlags, fcntl_getfd, fcntl_setfd};
    let Ok(entries) = std::fs::read_dir(if cfg!(target_os = "linux") { "/proc/self/fd" } else { "/dev/fd" }) else {
        return;
    };
    for number in entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok()) {
        if number > 2 {
            // SAFETY: the number was open when it was listed; if another thread has closed it since, the two calls fail or
            // set the flag that the standard library sets on all its descriptors anyway. Nothing is read, written or closed.
            let descriptor = unsafe { std::os::fd::BorrowedFd::borrow_raw(number) };
            if let Ok(flags) = fcntl_getfd(descriptor) {
                let _ = fcntl_setfd(descriptor, flags | FdFlags::CLOEXEC);
            }
        }
    }
}

/// Called first thing in a node process: if a foreground launcher started it, ends the node when that launcher is gone,
/// however the launcher ended (kill -9 included).
///
/// The launcher holds an exclusive lock on a file; the kernel releases it with the process. A thread here waits for a shared
/// one. That works for nodes that another command added to the network as well, which a parent-death signal would not.
pub fn end_with_launcher() {
    let Some(path) = std::env::var_os(LAUNCHER_LOCK_VARIABLE) else { return };
    let wait = move || {
        let lock = std::fs::File::open(Path::new(&path)).and_then(|file| file.lock_shared().map(|()| file));
        drop(lock);
        send(std::process::id(), Signal::Terminate);
        std::thread::sleep(Duration::from_millis(ORPHAN_GRACE_MS));
        send(std::process::id(), Signal::Kill);
    };
    if let Err(error) = std::thread::Builder::new().name("launcher-watch".into()).stack_size(64 << 10).spawn(wait) {
        eprintln!("warning: cannot watch the launcher: {error}; this node will outlive it if it is killed");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn a_process_is_alive_until_it_ends_and_a_reused_number_is_not_it() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let id = ProcessId::of(child.id()).unwrap();
        assert!(id.is_alive());
        #[cfg(target_os = "linux")]
        {
            let stranger = ProcessId { pid: child.id(), started: "another boot:1".into() };
            assert!(!stranger.is_alive());
            stranger.signal(Signal::Kill);
            assert!(id.is_alive(), "a stranger's signal must not arrive");
        }
        id.signal(Signal::Terminate);
        child.wait().unwrap();
        assert!(!id.is_alive());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn process_names_cannot_confuse_the_start_time() {
        let stat = "7 (a) Z 9) S 1 7 7 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 4242 1000 200";
        assert_eq!(state_and_start(stat), Some(("S", "4242")));
        assert_eq!(state_and_start("7 (cut off"), None);
        assert_eq!(state_and_start("7 (cut off) S 1 2"), None);
    }
}
