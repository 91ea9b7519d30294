//! Snapshots: the whole network, forks included, kept under a name and brought back.
//!
//! Nodes are not stopped for a snapshot but made to stand still while their files are copied. What a copy holds is what a
//! kill -9 at that moment would have left, which every node can start from; payments that only other nodes had in
//! their mempools are not part of it.

use super::Cluster;
use super::directory::write_atomic;
use super::process::{ProcessId, Signal};
use super::state::NetworkState;
use crate::clock::Stopwatch;
use crate::error::usage;
use crate::plan::check_name;
use anyhow::{Context as _, Result, anyhow, bail};
use serde::Serialize;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A process that was told to stand still does so within this time, milliseconds.
const FREEZE_WAIT_MS: u64 = 2_000;
/// Files that belong to a running process and not to what it knows.
const NOT_COPIED: [&str; 3] = ["ready.json", ".cookie", "console.log"];

/// What was copied.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Copied {
    /// Regular files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Processes that stand still until this is dropped.
struct Frozen(Vec<ProcessId>);

impl Frozen {
    fn freeze(processes: Vec<ProcessId>) -> Result<Frozen> {
        let frozen = Frozen(processes);
        frozen.0.iter().for_each(|process| process.signal(Signal::Stop));
        let waiting = Stopwatch::start();
        while !frozen.0.iter().all(|process| process.is_stopped() || !process.is_alive()) {
            if waiting.elapsed() > Duration::from_millis(FREEZE_WAIT_MS) {
                bail!("the nodes do not stand still to be copied; try again");
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(frozen)
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        self.0.iter().for_each(|process| process.signal(Signal::Continue));
    }
}

/// Copies the network, running or not, to the snapshot `name`, which must not exist.
pub fn take(cluster: &mut Cluster, name: &str) -> Result<Copied> {
    cluster.need_own_nodes("a snapshot of its data")?;
    check_name(name).map_err(usage)?;
    let target = cluster.directory().snapshot(name);
    if target.exists() {
        return Err(usage(format!(
            "there is a snapshot {name:?} already; choose another name or delete {}",
            target.display()
        )));
    }
    let temporary = target.with_file_name(format!(".{name}.part"));
    let _ = fs::remove_dir_all(&temporary);
    // Asked before they stand still: a miner that was told to pause shall not mine when it is brought back.
    cluster.note_paused();
    let processes =
        cluster.state().nodes.values().filter_map(|record| record.process.clone()).filter(ProcessId::is_alive);
    let frozen = Frozen::freeze(processes.collect())?;
    let mut copied = Copied::default();
    for part in parts(cluster.state()) {
        let source = cluster.directory().path().join(&part);
        if source.exists() {
            copy(&source, &temporary.join(&part), &mut copied)?;
        }
    }
    drop(frozen);
    write_atomic(&temporary.join("network.json"), &serde_json::to_string_pretty(cluster.state())?)?;
    // The name appears when everything is there.
    fs::rename(&temporary, &target).with_context(|| format!("cannot name {}", target.display()))?;
    Ok(copied)
}

/// Puts the network back to the snapshot `name`. A running one runs again afterwards.
pub fn restore(cluster: &mut Cluster, name: &str) -> Result<()> {
    cluster.need_own_nodes("putting back a snapshot")?;
    check_name(name).map_err(usage)?;
    let source = cluster.directory().snapshot(name);
    let text = fs::read_to_string(source.join("network.json"));
    let known = || match names(cluster) {
        names if names.is_empty() => "there are none; take one with `testoon net snapshot NAME`".to_owned(),
        names => format!("there are {}", names.join(", ")),
    };
    let text = text.map_err(|_| usage(format!("no snapshot is called {name:?}; {}", known())))?;
    let mut kept: NetworkState =
        serde_json::from_str(&text).map_err(|error| anyhow!("snapshot {name} is damaged: {error}"))?;
    kept.nodes.values_mut().for_each(|record| record.process = None);
    let was_running = !cluster.state().alive().is_empty();
    let all: Vec<String> = cluster.state().nodes.keys().cloned().collect();
    cluster.stop_nodes(&all);
    for part in parts(cluster.state()) {
        let path = cluster.directory().path().join(part);
        if path.exists() {
            fs::remove_dir_all(&path).with_context(|| format!("cannot delete {}", path.display()))?;
        }
    }
    for part in parts(&kept) {
        let (from, to) = (source.join(&part), cluster.directory().path().join(&part));
        if from.exists() {
            copy(&from, &to, &mut Copied::default())?;
        }
    }
    cluster.replace(kept)?;
    if was_running {
        let all: Vec<String> = cluster.state().nodes.keys().cloned().collect();
        cluster.start_nodes(&all, None)?;
    }
    Ok(())
}

/// The names of the snapshots there are.
pub fn names(cluster: &Cluster) -> Vec<String> {
    let entries = fs::read_dir(cluster.directory().path().join("snapshots")).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.retain(|name| !name.starts_with('.'));
    names.sort();
    names
}

/// What of the network's directory a snapshot holds.
fn parts(state: &NetworkState) -> Vec<PathBuf> {
    let nodes = state.plan.nodes.iter().map(|node| PathBuf::from(&node.name));
    nodes.chain([PathBuf::from("wallets")]).collect()
}

fn copy(source: &Path, target: &Path, copied: &mut Copied) -> Result<()> {
    fs::create_dir_all(target).with_context(|| format!("cannot create {}", target.display()))?;
    let entries = fs::read_dir(source).with_context(|| format!("cannot read {}", source.display()))?;
    for entry in entries {
        let entry = entry?;
        let (from, to) = (entry.path(), target.join(entry.file_name()));
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy(&from, &to, copied)?;
        } else if kind.is_file() && !NOT_COPIED.iter().any(|name| entry.file_name() == *name) {
            copied.bytes +=
                fs::copy(&from, &to).with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
            copied.files += 1;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_deep_and_leave_a_process_s_own_files_out() {
        let place = tempfile::tempdir().unwrap();
        let (source, target) = (place.path().join("node0"), place.path().join("copy"));
        fs::create_dir_all(source.join("store/blocks")).unwrap();
        fs::write(source.join("store/blocks/0"), "abc").unwrap();
        fs::write(source.join("identity"), "key").unwrap();
        fs::write(source.join(".cookie"), "secret").unwrap();
        let mut copied = Copied::default();
        copy(&source, &target, &mut copied).unwrap();
        assert_eq!(copied, Copied { files: 2, bytes: 6 });
        assert_eq!(fs::read_to_string(target.join("store/blocks/0")).unwrap(), "abc");
        assert!(!target.join(".cookie").exists());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn frozen_processes_stand_still_until_dropped() {
        use std::process::{Command, Stdio};
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let id = ProcessId::of(child.id()).unwrap();
        let frozen = Frozen::freeze(vec![id.clone()]).unwrap();
        assert!(id.is_stopped());
        drop(frozen);
        // `cat` can end only if it goes on.
        drop(child.stdin.take());
        assert!(child.wait().unwrap().success());
    }
}
