//! Runs kept on disk, to be looked at again: the events of a network or of an attack, one JSON object a line, as `testoon events` and
//! `testoon attack --json` tell them.
//!
//! The first line says what was recorded (`event` is `recording`). A directory keeps the newest [`RUNS_MAX`] files of at most
//! [`RUN_BYTES_MAX`] each. [`crate::web`] records a network and serves what is kept; the command line records attacks.

use crate::clock::unix_s;
use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Recordings kept in a directory, files.
pub const RUNS_MAX: usize = 40;
/// Bytes of one recording.
pub const RUN_BYTES_MAX: u64 = 16 << 20;
/// How a recording's file name ends.
const ENDING: &str = ".jsonl";
/// Longest first line that is read, and longest last one, bytes.
const HEAD_BYTES_MAX: u64 = 64 << 10;

/// A recording that is being made.
#[derive(Debug)]
pub struct Recorder {
    /// The file and the bytes it may still grow by; none once it is full or cannot be written.
    file: Mutex<Option<(File, u64)>>,
}

impl Recorder {
    /// Begins one in a directory, which is made; `kind` is a word for its name, `head` what its first line says.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn create(directory: &Path, kind: &str, head: Value) -> Result<Recorder> {
        fs::create_dir_all(directory).with_context(|| format!("cannot create {}", directory.display()))?;
        let began = unix_s();
        let free = (0..).map(|number| directory.join(format!("{began}-{number}-{kind}{ENDING}")));
        let path = free.take(RUNS_MAX + 1).find(|path| !path.exists());
        let Some(path) = path else { bail!("too many recordings begin in one second in {}", directory.display()) };
        let file = File::create_new(&path).with_context(|| format!("cannot create {}", path.display()))?;
        let recorder = Recorder { file: Mutex::new(Some((file, RUN_BYTES_MAX))) };
        let mut first = json!({ "event": "recording", "kind": kind, "began": began });
        if let (Value::Object(first), Value::Object(head)) = (&mut first, head) {
            first.extend(head);
        }
        recorder.line(&first);
        forget_oldest(directory);
        Ok(recorder)
    }

    /// Adds a line. A recording that is full, or whose disk is, ends; what is recorded goes on.
    pub fn line(&self, line: &Value) {
        let mut place = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((file, left)) = place.as_mut() else { return };
        let text = format!("{line}\n");
        let bytes = text.len() as u64;
        if bytes > *left || file.write_all(text.as_bytes()).is_err() {
            *place = None;
            return;
        }
        *left -= bytes;
    }
}

/// The recordings of a directory, the newest first: `name`, `bytes`, and what the first line says.
pub fn list(directory: &Path) -> Vec<Value> {
    let mut found: Vec<Value> = names(directory)
        .into_iter()
        .filter_map(|name| {
            let file = File::open(directory.join(&name)).ok()?;
            let bytes = file.metadata().ok()?.len();
            let mut first = String::new();
            BufReader::new(file.take(HEAD_BYTES_MAX)).read_line(&mut first).ok()?;
            let mut head: Value = serde_json::from_str(&first).ok()?;
            head["name"] = json!(name);
            head["bytes"] = json!(bytes);
            Some(head)
        })
        .collect();
    found.reverse();
    found
}

/// The recorded attacks of a directory that have ended, the newest first: what the first line says and, as `outcome`, the last.
pub fn outcomes(directory: &Path) -> Vec<Value> {
    let ended = list(directory).into_iter().filter_map(|mut run| {
        let mut file = File::open(directory.join(run["name"].as_str()?)).ok()?;
        let bytes = file.metadata().ok()?.len();
        file.seek(SeekFrom::Start(bytes.saturating_sub(HEAD_BYTES_MAX))).ok()?;
        let mut end = Vec::new();
        file.take(HEAD_BYTES_MAX).read_to_end(&mut end).ok()?;
        let last = end.trim_ascii_end().rsplit(|byte| *byte == b'\n').next()?;
        let outcome: Value = serde_json::from_slice(last).ok()?;
        outcome["verdict"].is_string().then(|| {
            run["outcome"] = outcome;
            run
        })
    });
    ended.collect()
}

/// A recording's text; its last line may be cut short while it is being made.
///
/// # Errors
/// There is none of that name.
pub fn read(directory: &Path, name: &str) -> Result<String> {
    // Only names that were listed: nothing else in the directory, and nothing outside it.
    if !names(directory).iter().any(|listed| listed == name) {
        bail!("no recording is called {name:?}");
    }
    let path: PathBuf = directory.join(name);
    fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}

/// The names of a directory's recordings, the oldest first.
fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let named = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = named.filter(|name| name.ends_with(ENDING)).collect();
    names.sort();
    names
}

fn forget_oldest(directory: &Path) {
    let names = names(directory);
    for name in names.iter().take(names.len().saturating_sub(RUNS_MAX)) {
        // One that cannot be removed is tried again by the next recording.
        let _ = fs::remove_file(directory.join(name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_kept_read_back_and_the_oldest_forgotten() {
        let place = tempfile::tempdir().unwrap();
        let runs = place.path().join("runs");
        assert!(list(&runs).is_empty(), "no directory yet");
        for number in 0..RUNS_MAX + 3 {
            let recorder = Recorder::create(&runs, "attack", json!({ "title": number })).unwrap();
            recorder.line(&json!({ "event": "block", "height": number }));
        }
        let kept = list(&runs);
        assert_eq!(kept.len(), RUNS_MAX);
        assert!(kept.iter().all(|run| run["event"] == "recording" && run["kind"] == "attack"), "{kept:?}");
        let name = kept[0]["name"].as_str().unwrap();
        let text = read(&runs, name).unwrap();
        assert_eq!(text.lines().count(), 2);
        for name in ["../secret", "", "x.jsonl", "/etc/passwd"] {
            assert!(read(&runs, name).is_err(), "{name}");
        }
    }

    /// Far behind the first line, and only of runs that have come to something.
    #[test]
    fn the_outcome_of_a_run_is_its_last_line() {
        let place = tempfile::tempdir().unwrap();
        let running = Recorder::create(place.path(), "attack", json!({ "title": "running" })).unwrap();
        running.line(&json!({ "event": "note", "text": "it runs" }));
        assert!(outcomes(place.path()).is_empty());
        let ended = Recorder::create(place.path(), "attack", json!({ "title": "ended" })).unwrap();
        ended.line(&json!({ "event": "note", "text": "x".repeat(3 * HEAD_BYTES_MAX as usize) }));
        ended.line(&json!({ "succeeded": true, "verdict": "it worked" }));
        let found = outcomes(place.path());
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((&found[0]["title"], &found[0]["outcome"]["succeeded"]), (&json!("ended"), &json!(true)));
    }

    #[test]
    fn a_recording_ends_when_it_is_full() {
        let place = tempfile::tempdir().unwrap();
        let recorder = Recorder::create(place.path(), "network", json!({})).unwrap();
        let large = json!("x".repeat(RUN_BYTES_MAX as usize / 3));
        (0..9).for_each(|_| recorder.line(&large));
        recorder.line(&json!("after"));
        let bytes = list(place.path())[0]["bytes"].as_u64().unwrap();
        assert!(bytes <= RUN_BYTES_MAX && bytes > RUN_BYTES_MAX / 2, "{bytes}");
        let text = read(place.path(), list(place.path())[0]["name"].as_str().unwrap()).unwrap();
        assert!(!text.contains("after"), "a gap would tell another story");
    }
}
