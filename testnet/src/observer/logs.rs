//! The ends of the nodes' logs, merged by time.

use crate::cluster::Cluster;
use crate::cluster::links::resolve;
use crate::cluster::state::Host;
use crate::interrupt::Interrupt;
use crate::output;
use anyhow::{Context as _, Result, bail};
use serde::Serialize;
use std::fs::File;
use std::io::{BufRead as _, BufReader, ErrorKind, Seek as _, SeekFrom, Write as _};
use std::path::PathBuf;
use std::time::Duration;

/// Between two looks for new lines, milliseconds.
const FOLLOW_LOOK_MS: u64 = 100;
/// Bytes at a log's end that are read first for its last lines.
const END_BYTES: u64 = 64 << 10;

/// One node's log, read from its beginning or followed.
struct Log {
    node: String,
    path: PathBuf,
    reader: Option<BufReader<File>>,
    /// The beginning of a line that the node has not finished writing.
    unfinished: String,
}

impl Log {
    fn new(node: String, path: PathBuf) -> Log {
        Log { node, path, reader: None, unfinished: String::new() }
    }

    /// The last `count` whole lines, read from near the log's end; [`Log::lines`] goes on behind them.
    fn end(&mut self, count: usize) -> Result<Vec<String>> {
        let length = std::fs::metadata(&self.path).map_or(0, |metadata| metadata.len());
        let mut window = END_BYTES;
        loop {
            let from = length.saturating_sub(window);
            self.unfinished.clear();
            self.reader = None;
            self.open()?;
            if let Some(reader) = &mut self.reader {
                reader.seek(SeekFrom::Start(from))?;
            }
            let mut lines = self.lines()?;
            if from > 0 && !lines.is_empty() {
                // The window begins in the middle of a line.
                lines.remove(0);
            }
            if lines.len() >= count || from == 0 {
                return Ok(lines.split_off(lines.len().saturating_sub(count)));
            }
            window = window.saturating_mul(4);
        }
    }

    /// Opens the log if it exists and is not open yet.
    fn open(&mut self) -> Result<()> {
        if self.reader.is_none() {
            match File::open(&self.path) {
                Ok(file) => self.reader = Some(BufReader::new(file)),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error).with_context(|| format!("cannot read {}", self.path.display())),
            }
        }
        Ok(())
    }

    /// The lines that have become whole since the last call. A log that does not exist yet has none.
    fn lines(&mut self) -> Result<Vec<String>> {
        self.open()?;
        let named = || format!("cannot read {}", self.path.display());
        let Some(reader) = &mut self.reader else { return Ok(Vec::new()) };
        // A log that became shorter was begun anew.
        if reader.stream_position()? > std::fs::metadata(&self.path).map_or(0, |metadata| metadata.len()) {
            reader.seek(SeekFrom::Start(0))?;
            self.unfinished.clear();
        }
        let mut lines = Vec::new();
        loop {
            let mut bytes = Vec::new();
            if reader.read_until(b'\n', &mut bytes).with_context(named)? == 0 {
                return Ok(lines);
            }
            self.unfinished.push_str(&String::from_utf8_lossy(&bytes));
            if self.unfinished.ends_with('\n') {
                let line = std::mem::take(&mut self.unfinished);
                lines.push(line.trim_end().to_owned());
            }
        }
    }
}

/// Prints the last `count` lines of each node's log (of one node, or all), then what is added until Ctrl-C if `follow`.
///
/// As text, or with `json` as one JSON object a line: `{"node","time","text"}`.
pub fn show(cluster: &Cluster, node: Option<&str>, count: usize, follow: bool, json: bool) -> Result<()> {
    match &cluster.state().host {
        Host::Launcher => {}
        Host::Others => bail!("others run this network's nodes and have their logs"),
        Host::Compose(project) => {
            bail!("Docker has these nodes' logs: run `docker compose logs` in {}", project.display())
        }
    }
    let names: Vec<String> = match node {
        Some(name) => {
            vec![resolve(&cluster.state().plan, name)?]
        }
        None => cluster.state().plan.nodes.iter().map(|node| node.name.clone()).collect(),
    };
    let mut logs: Vec<Log> =
        names.into_iter().map(|name| Log::new(name.clone(), cluster.directory().log(&name))).collect();
    let width = if logs.len() > 1 { logs.iter().map(|log| log.node.len()).max().unwrap_or(0) } else { 0 };
    let ends = logs.iter_mut().map(|log| Ok((log.node.clone(), log.end(count)?))).collect::<Result<Vec<_>>>()?;
    let print = |lines: Vec<Line>| if json { print_json(&lines) } else { print_text(&lines, width) };
    print(merge(ends))?;
    if !follow {
        return Ok(());
    }
    let interrupt = Interrupt::install()?;
    while !interrupt.wait(Duration::from_millis(FOLLOW_LOOK_MS)) {
        let added = logs.iter_mut().map(|log| Ok((log.node.clone(), log.lines()?))).collect::<Result<Vec<_>>>()?;
        print(merge(added))?;
    }
    Ok(())
}

/// A line of a node's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Line {
    node: String,
    /// When it was written, RFC 3339; a line without a time has that of the one before it.
    time: String,
    text: String,
}

/// All lines in the order of the times they begin with. A line without a time stays behind the one before it.
fn merge(logs: Vec<(String, Vec<String>)>) -> Vec<Line> {
    let mut timed = Vec::new();
    for (node, lines) in logs {
        let mut time = String::new();
        for line in lines {
            let first = line.split_whitespace().next().unwrap_or("");
            if first.starts_with("20") && first.contains('T') {
                time = first.to_owned();
            }
            timed.push(Line { time: time.clone(), node: node.clone(), text: line });
        }
    }
    timed.sort_by(|a, b| a.time.cmp(&b.time));
    timed
}

/// `node0 | line`, or only the line when `width` is 0. A reader that has seen enough (`| head`) is no error.
fn print_text(lines: &[Line], width: usize) -> Result<()> {
    let mut out = std::io::stdout().lock();
    for Line { node, text, .. } in lines {
        let printed = if width > 0 { writeln!(out, "{node:width$} | {text}") } else { writeln!(out, "{text}") };
        match printed {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
            other => other?,
        }
    }
    Ok(out.flush()?)
}

fn print_json(lines: &[Line]) -> Result<()> {
    for line in lines {
        output::line(serde_json::to_string(line)?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_merged_by_time_and_continuations_stay() {
        let lines = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let a = lines(&["2026-01-01T00:00:01Z one", "  continued", "2026-01-01T00:00:03Z three"]);
        let b = lines(&["2026-01-01T00:00:02Z two"]);
        let merged: Vec<String> =
            merge(vec![("a".into(), a), ("b".into(), b)]).into_iter().map(|line| line.text).collect();
        assert_eq!(
            merged,
            ["2026-01-01T00:00:01Z one", "  continued", "2026-01-01T00:00:02Z two", "2026-01-01T00:00:03Z three"]
        );
    }

    #[test]
    fn the_end_of_a_long_log_is_its_last_lines() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("debug.log");
        let text: String = (0..20_000).map(|number| format!("line {number} {}\n", "x".repeat(number % 50))).collect();
        std::fs::write(&path, &text).unwrap();
        for count in [0, 1, 3, 5_000, 20_000, 50_000] {
            let expected: Vec<&str> = text.lines().map(str::trim_end).skip(20_000usize.saturating_sub(count)).collect();
            let mut log = Log::new("a".into(), path.clone());
            assert_eq!(log.end(count).unwrap(), expected, "{count} lines");
            assert!(log.lines().unwrap().is_empty(), "nothing is given twice");
        }
    }

    #[test]
    fn only_whole_lines_are_given_and_a_new_log_is_read_from_its_start() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("debug.log");
        let mut log = Log::new("a".into(), path.clone());
        assert!(log.lines().unwrap().is_empty());
        std::fs::write(&path, "one\ntw").unwrap();
        assert_eq!(log.lines().unwrap(), ["one"]);
        std::fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"o\n").unwrap();
        assert_eq!(log.lines().unwrap(), ["two"]);
        std::fs::write(&path, "new\n").unwrap();
        assert_eq!(log.lines().unwrap(), ["new"]);
    }
}
