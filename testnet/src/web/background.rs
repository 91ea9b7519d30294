//! The page of a detached network: a process of its own, `testoon web --until-down`, that `testoon down` ends with the network.

use super::PageOptions;
use super::command::own_program;
use crate::clock::Stopwatch;
use crate::cluster::directory::{Directory, read_optional, write_atomic};
use crate::cluster::process::{ProcessId, Signal, keep_descriptors_from_children};
use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

/// A page that was asked to end is gone within this time, or is killed.
const END_GRACE: Duration = Duration::from_secs(5);
/// Between two looks at a process that is ending.
const END_LOOK: Duration = Duration::from_millis(5);

/// The page's process, as its file in the network's directory names it.
#[derive(Debug, Serialize, Deserialize)]
struct Running {
    process: ProcessId,
    url: String,
}

fn file(directory: &Directory) -> PathBuf {
    directory.path().join("web.json")
}

fn log(directory: &Directory) -> PathBuf {
    directory.path().join("web.log")
}

/// Starts the page of a network that runs by itself; its address, and the one for a class.
///
/// # Errors
/// The program cannot be run, or the page cannot be shown.
pub fn start(options: &PageOptions) -> Result<(String, Option<String>)> {
    let directory = &options.directory;
    keep_descriptors_from_children();
    let log = log(directory);
    let errors = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    let mut command = Command::new(own_program().context("cannot find this program's own file")?);
    command.args(["web", "--until-down", "--json", "--listen", &options.listen.to_string()]);
    if let Some(class) = options.class {
        command.args(["--web-listen", &class.to_string()]);
    }
    command.arg("--dir").arg(directory.path()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(errors);
    // Ctrl-C in the terminal that started it is not meant for it.
    let mut child = command.process_group(0).spawn().context("cannot start the page")?;
    let mut line = String::new();
    if let Some(stdout) = child.stdout.take() {
        BufReader::new(stdout).read_line(&mut line).context("the page says nothing")?;
    }
    let said: Value = serde_json::from_str(&line).unwrap_or_default();
    let Some(url) = said["url"].as_str() else {
        let why = std::fs::read_to_string(&log).unwrap_or_default();
        // It has ended, or is about to.
        let _ = child.wait();
        bail!("{}", why.trim().strip_prefix("error: ").unwrap_or("the page ended at once"));
    };
    let process = ProcessId::of(child.id()).context("the page ended at once")?;
    write_atomic(&file(directory), &serde_json::to_string(&Running { process, url: url.to_owned() })?)?;
    Ok((url.to_owned(), said["class_url"].as_str().map(str::to_owned)))
}

/// Ends the page of a detached network, if it has one, and waits until it is gone.
pub fn end(directory: &Directory) {
    let Ok(Some(text)) = read_optional(&file(directory)) else { return };
    let Ok(running) = serde_json::from_str::<Running>(&text) else { return };
    let process = running.process;
    process.signal(Signal::Terminate);
    let waiting = Stopwatch::start();
    while process.is_alive() {
        if waiting.elapsed() > END_GRACE {
            process.signal(Signal::Kill);
        }
        std::thread::sleep(END_LOOK);
    }
    // A file that stays names a process that is gone: numbers with their start time are not used again.
    for path in [file(directory), log(directory)] {
        let _ = std::fs::remove_file(path);
    }
}
