//! Ending nodes: asked over RPC first, then by signal, then for good. Nothing of a network outlives this.

use super::Cluster;
use super::directory::Directory;
use super::engine::Engine;
use super::process::{ProcessId, Signal};
use super::state::Host;
use crate::clock::Stopwatch;
use anyhow::Result;
use serde_json::json;
use std::fs::{File, TryLockError};
use std::time::Duration;

/// A node answers `stop` within this time or is sent a signal, milliseconds.
const STOP_CALL_MS: u64 = 2_000;
/// A node that was asked has this long to write its caches and end, milliseconds.
const STOP_GRACE_MS: u64 = 15_000;
/// A node that was sent SIGTERM has this long, milliseconds.
const TERMINATE_GRACE_MS: u64 = 5_000;
/// A node that was killed is gone within this time unless the kernel itself is stuck, milliseconds.
const KILL_GRACE_MS: u64 = 5_000;
/// Between two looks at a process that is ending, milliseconds.
const EXIT_LOOK_MS: u64 = 3;

impl Cluster {
    /// Ends every node and remembers that the network is down. Gives the names of nodes that had to be killed.
    pub fn stop(&mut self) -> Result<Vec<String>> {
        let names: Vec<String> = self.state.nodes.keys().cloned().collect();
        self.note_paused();
        self.state.running = false;
        // Said before it is done: the launcher, which sees its nodes end, must know that they are meant to.
        self.state.save(&self.directory)?;
        let killed = match self.state.host.clone() {
            Host::Launcher => self.stop_nodes(&names),
            Host::Others => Vec::new(),
            Host::Compose(project) => {
                // The volumes stay, as data directories do.
                Engine::find()?.compose(&project, &["down"])?;
                Vec::new()
            }
        };
        names.iter().for_each(|name| self.set_down(name, true));
        self.state.save(&self.directory)?;
        Ok(killed)
    }

    /// Ends some nodes; gives the names of those that had to be killed.
    pub fn stop_nodes(&mut self, names: &[String]) -> Vec<String> {
        let mut processes: Vec<(String, ProcessId)> = Vec::new();
        for name in names {
            if let Some(process) = self.process(name).filter(|process| process.is_alive()) {
                processes.push((name.clone(), process.clone()));
            }
        }
        std::thread::scope(|scope| {
            for (name, process) in &processes {
                let client = self.state.nodes.get(name).and_then(|record| self.rpc(name, record).ok());
                scope.spawn(move || {
                    process.signal(Signal::Continue);
                    let asked =
                        client.is_some_and(|client| client.call_within("stop", json!([]), STOP_CALL_MS).is_ok());
                    if !asked {
                        process.signal(Signal::Terminate);
                    }
                });
            }
        });
        wait_for_end(&mut processes, STOP_GRACE_MS);
        processes.iter().for_each(|(_, process)| process.signal(Signal::Terminate));
        wait_for_end(&mut processes, TERMINATE_GRACE_MS);
        processes.iter().for_each(|(_, process)| process.signal(Signal::Kill));
        let killed = processes.iter().map(|(name, _)| name.clone()).collect();
        wait_for_end(&mut processes, KILL_GRACE_MS);
        names.iter().for_each(|name| self.record(name).process = None);
        self.reap();
        killed
    }

    /// Kills a node at once, as a power cut would: the test of its recovery.
    pub fn kill(&mut self, name: &str) -> Result<()> {
        self.client(name)?;
        if let Host::Compose(project) = &self.state.host {
            Engine::find()?.compose(project, &["kill", name])?;
            self.set_down(name, true);
            return self.state.save(&self.directory);
        }
        self.need_own_nodes("killing a node")?;
        self.note_paused();
        if let Some(process) = self.process(name).cloned() {
            process.signal(Signal::Kill);
            wait_for_end(&mut vec![(name.to_owned(), process)], KILL_GRACE_MS);
        }
        self.record(name).process = None;
        self.reap();
        self.state.save(&self.directory)
    }
}

impl Cluster {
    /// Takes note whether a node that is no process of ours runs.
    pub(super) fn set_down(&mut self, name: &str, is_down: bool) {
        if let Some(remote) = &mut self.record(name).remote {
            remote.is_down = is_down;
        }
    }
}

/// Nodes that run in a directory's data directories, whether or not its state file says so: they hold their locks. By name.
pub fn holders(directory: &Directory) -> Vec<(String, ProcessId)> {
    let entries = std::fs::read_dir(directory.path()).into_iter().flatten().flatten();
    let held = entries.filter_map(|entry| {
        let lock = entry.path().join(".lock");
        let file = File::open(&lock).ok()?;
        if !matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)) {
            return None;
        }
        let process = ProcessId::of(std::fs::read_to_string(&lock).ok()?.trim().parse().ok()?)?;
        // The number in the file may be another process's by now.
        process.is_node_in(&entry.path()).then(|| (entry.file_name().to_string_lossy().into_owned(), process))
    });
    held.collect()
}

/// Ends nodes that no state file knows any more; their names.
pub fn end_forgotten(directory: &Directory) -> Vec<String> {
    let mut processes = holders(directory);
    let names = processes.iter().map(|(name, _)| name.clone()).collect();
    for (_, process) in &processes {
        process.signal(Signal::Continue);
        process.signal(Signal::Terminate);
    }
    wait_for_end(&mut processes, STOP_GRACE_MS);
    processes.iter().for_each(|(_, process)| process.signal(Signal::Kill));
    wait_for_end(&mut processes, KILL_GRACE_MS);
    names
}

/// Waits until all have ended or the time is over; those that have are taken out.
fn wait_for_end(processes: &mut Vec<(String, ProcessId)>, wait_ms: u64) {
    let waiting = Stopwatch::start();
    loop {
        processes.retain(|(_, process)| process.is_alive());
        if processes.is_empty() || waiting.elapsed() > Duration::from_millis(wait_ms) {
            return;
        }
        std::thread::sleep(Duration::from_millis(EXIT_LOOK_MS));
    }
}
