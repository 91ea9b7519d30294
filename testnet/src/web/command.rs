//! What the page can do: each action is one of the program's own commands, run as a person would type it.
//!
//! So there is one way of doing everything: the page shows the command line it ran, a command's refusal is its own one line, and what
//! works here works in a script. [`Action::arguments`] makes the words, [`run`] runs them and reads the answer. [`super::api`]
//! takes actions from the page; [`super::attack`] runs the one command that tells a story while it lasts.

use serde::Deserialize;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

/// Time for a command, seconds; a payment that waits for confirmations takes the longest.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(180);
/// Besides, for each attack that it stages on live nodes, whose blocks take their own time.
const LIVE_RUN_TIMEOUT: Duration = Duration::from_secs(120);
/// Bytes of a text that a page may send: a name, an address, an amount, groups of nodes.
const TEXT_BYTES_MAX: usize = 4_000;

/// Something the page asks for.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Action {
    /// `testoon pay FROM TO AMOUNT`
    Pay { from: String, to: String, amount: String },
    /// `testoon accounts`
    Accounts,
    /// `testoon start NODE`
    Start { node: String },
    /// `testoon kill NODE`
    Kill { node: String },
    /// `testoon remove NODE`
    Remove { node: String },
    /// `testoon share NODE SHARE`
    Share { node: String, share: String },
    /// `testoon mine NODE BLOCKS`
    Mine { node: String, blocks: u32 },
    /// `testoon add [NAME] --share SHARE`
    Add { name: Option<String>, share: Option<String> },
    /// `testoon net topology`
    Topology,
    /// `testoon net partition GROUPS`
    Partition { groups: String },
    /// `testoon net heal [--links]`
    Heal { links: bool },
    /// `testoon net link A-B --delay … --jitter … --loss … [--bandwidth …]`
    Link { a: String, b: String, delay_ms: u32, jitter_ms: u32, loss_percent: f64, bandwidth: Option<u64> },
    /// `testoon net snapshot NAME`
    Snapshot { name: String },
    /// `testoon net restore NAME`
    Restore { name: String },
    /// `testoon attack double-spend --sim …`: the simulator's measured odds
    Measure { share: f64, confirmations: u32, give_up: u32, premine: u32, runs: u32 },
    /// `testoon replay RUN --at … [--change …] --runs … [--live-runs …]`: what else a recorded double spend could have come to
    Replay { run: String, at: f64, change: String, runs: u32, live_runs: u32 },
}

/// Why an action is not even tried.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadText {
    /// It would be read as a flag, or is too long, or holds a line break.
    #[error(
        "{0:?} is no name, address or amount: it must not begin with a dash, hold control characters or be over 4000 bytes"
    )]
    Unfit(String),
}

impl Action {
    /// From JSON: an object whose `action` names it.
    ///
    /// # Errors
    /// What is missing, unknown or of another kind than it should be.
    pub fn parse(text: &[u8]) -> Result<Action, serde_json::Error> {
        use serde::de::Error as _;
        let mut fields: serde_json::Map<String, Value> = serde_json::from_slice(text)?;
        let name = fields.remove("action").unwrap_or_default();
        let name = name.as_str().ok_or_else(|| serde_json::Error::custom("`action` is missing"))?;
        // Not serde's own tags: with numbers of arbitrary precision they cannot hold a number.
        let tagged = match name {
            "accounts" | "topology" => json!(name),
            name => json!({ name: fields }),
        };
        serde_json::from_value(tagged)
    }

    /// How long its command may take.
    pub fn timeout(&self) -> Duration {
        match self {
            Action::Replay { live_runs, .. } => COMMAND_TIMEOUT + LIVE_RUN_TIMEOUT.saturating_mul(*live_runs),
            _ => COMMAND_TIMEOUT,
        }
    }

    /// The command's words after the program's name.
    ///
    /// # Errors
    /// A text that the command line would not take for what it is.
    pub fn arguments(&self) -> Result<Vec<String>, BadText> {
        let word = |text: &str| {
            let is_fit = !text.starts_with('-') && text.len() <= TEXT_BYTES_MAX && !text.chars().any(char::is_control);
            if is_fit { Ok(text.to_owned()) } else { Err(BadText::Unfit(text.chars().take(80).collect())) }
        };
        let words = |fixed: &[&str]| fixed.iter().map(|word| (*word).to_owned()).collect::<Vec<String>>();
        Ok(match self {
            Action::Pay { from, to, amount } => [words(&["pay"]), vec![word(from)?, word(to)?, word(amount)?]].concat(),
            Action::Accounts => words(&["accounts"]),
            Action::Start { node } => [words(&["start"]), vec![word(node)?]].concat(),
            Action::Kill { node } => [words(&["kill"]), vec![word(node)?]].concat(),
            Action::Remove { node } => [words(&["remove"]), vec![word(node)?]].concat(),
            Action::Share { node, share } => [words(&["share"]), vec![word(node)?, word(share)?]].concat(),
            Action::Mine { node, blocks } => [words(&["mine"]), vec![word(node)?, blocks.to_string()]].concat(),
            Action::Add { name, share } => {
                let mut all = words(&["add"]);
                all.extend(name.as_deref().filter(|name| !name.is_empty()).map(word).transpose()?);
                if let Some(share) = share.as_deref().filter(|share| !share.is_empty()) {
                    all.extend(["--share".to_owned(), word(share)?]);
                }
                all
            }
            Action::Topology => words(&["net", "topology"]),
            Action::Partition { groups } => [words(&["net", "partition"]), vec![word(groups)?]].concat(),
            Action::Heal { links } => words(if *links { &["net", "heal", "--links"] } else { &["net", "heal"] }),
            Action::Link { a, b, delay_ms, jitter_ms, loss_percent, bandwidth } => {
                let mut all = words(&["net", "link"]);
                all.push(format!("{}-{}", word(a)?, word(b)?));
                all.push(format!("--delay={delay_ms}ms"));
                all.push(format!("--jitter={jitter_ms}ms"));
                all.push(format!("--loss={loss_percent}%"));
                all.extend(bandwidth.map(|bytes| format!("--bandwidth={bytes}")));
                all
            }
            Action::Snapshot { name } => [words(&["net", "snapshot"]), vec![word(name)?]].concat(),
            Action::Restore { name } => [words(&["net", "restore"]), vec![word(name)?]].concat(),
            Action::Measure { share, confirmations, give_up, premine, runs } => {
                let mut all = words(&["attack", "double-spend", "--sim"]);
                all.push(format!("--share={share}"));
                all.push(format!("--confirmations={confirmations}"));
                all.push(format!("--give-up={give_up}"));
                all.push(format!("--premine={premine}"));
                all.push(format!("--runs={runs}"));
                all
            }
            Action::Replay { run, at, change, runs, live_runs } => {
                let mut all = words(&["replay"]);
                all.push(word(run)?);
                all.push(format!("--at={at}"));
                if !change.is_empty() {
                    all.push(format!("--change={}", word(change)?));
                }
                all.push(format!("--runs={runs}"));
                if *live_runs > 0 {
                    all.push(format!("--live-runs={live_runs}"));
                }
                all
            }
        })
    }
}

/// The command as a person would type it, words with odd characters quoted for a shell.
pub fn typed(arguments: &[String]) -> String {
    let quoted = |word: &String| {
        let is_plain = !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.,=/%".contains(&b));
        if is_plain { word.clone() } else { format!("'{}'", word.replace('\'', "'\\''")) }
    };
    ["testoon".to_owned()].into_iter().chain(arguments.iter().map(quoted)).collect::<Vec<_>>().join(" ")
}

/// Runs a command on the network in a directory, for at most so long. The answer has `command`, `ok`, and `answer` (the command's JSON) or `error` (its line).
pub async fn run(program: &Path, directory: &Path, arguments: &[String], timeout: Duration) -> Value {
    let command = typed(arguments);
    let failed = |error: String| json!({ "command": command, "ok": false, "error": error });
    let child = Command::new(program)
        .args(arguments)
        .arg("--json")
        .arg("--dir")
        .arg(directory)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn();
    let child = match child {
        Ok(child) => child,
        Err(error) => return failed(format!("cannot run {}: {error}", program.display())),
    };
    let output = match tokio::time::timeout(timeout, child.wait_with_output()).await {
        Ok(Ok(output)) => output,
        Ok(Err(error)) => return failed(format!("cannot read what the command says: {error}")),
        Err(_) => return failed(format!("it took more than {} s and was ended", timeout.as_secs())),
    };
    let said = String::from_utf8_lossy(&output.stdout);
    let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("null");
    let answer: Value = serde_json::from_str(last).unwrap_or_else(|_| json!(last));
    if output.status.success() {
        return json!({ "command": command, "ok": true, "answer": answer });
    }
    let told = String::from_utf8_lossy(&output.stderr);
    let error = told.lines().rev().find(|line| !line.trim().is_empty()).map(str::to_owned);
    let error = error.or_else(|| answer["error"].as_str().map(str::to_owned));
    let error = error.unwrap_or_else(|| format!("it ended with {}", output.status));
    failed(plain(&error).to_owned())
}

/// A refusal without what only a terminal can use: the word "error", which argument it was, where help is.
fn plain(error: &str) -> &str {
    let error = error.strip_prefix("error: ").unwrap_or(error);
    let Some(error) = error.strip_suffix("; see --help") else { return error };
    match error.split_once("': ") {
        Some((argument, reason)) if argument.starts_with("invalid value '") => reason,
        _ => error,
    }
}

/// The program itself, to be run again.
///
/// # Errors
/// The system does not tell where it is.
pub fn own_program() -> std::io::Result<PathBuf> {
    std::env::current_exe()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Action, serde_json::Error> {
        Action::parse(text.as_bytes())
    }

    #[test]
    fn an_action_is_the_command_a_person_would_type() {
        let action = parse(r#"{"action":"partition","groups":"node0,node1|node2"}"#).unwrap();
        let arguments = action.arguments().unwrap();
        assert_eq!(arguments, ["net", "partition", "node0,node1|node2"]);
        assert_eq!(typed(&arguments), "testoon net partition 'node0,node1|node2'");
        let share = parse(r#"{"action":"share","node":"node1","share":"20%"}"#).unwrap().arguments().unwrap();
        assert_eq!(typed(&share), "testoon share node1 20%");
        let mine = parse(r#"{"action":"mine","node":"node1","blocks":3}"#).unwrap().arguments().unwrap();
        assert_eq!(typed(&mine), "testoon mine node1 3");
        let link = r#"{"action":"link","a":"node0","b":"node1","delay_ms":200,"jitter_ms":0,"loss_percent":2.5,"bandwidth":null}"#;
        let link = parse(link).unwrap().arguments().unwrap();
        assert_eq!(typed(&link), "testoon net link node0-node1 --delay=200ms --jitter=0ms --loss=2.5%");
    }

    #[test]
    fn live_runs_have_the_time_that_their_blocks_take() {
        let text =
            r#"{"action":"replay","run":"1-0-attack.jsonl","at":3.5,"change":"share=0.4","runs":2000,"live_runs":2}"#;
        let replay = parse(text).unwrap();
        let typed = typed(&replay.arguments().unwrap());
        assert_eq!(typed, "testoon replay 1-0-attack.jsonl --at=3.5 --change=share=0.4 --runs=2000 --live-runs=2");
        assert!(replay.timeout() > Action::Accounts.timeout());
    }

    #[test]
    fn a_refusal_is_told_without_the_command_line() {
        let refused = r#"error: invalid value '150%' for '<SHARE>': "150%" is not a share from 0 to 1; see --help"#;
        assert_eq!(plain(refused), r#""150%" is not a share from 0 to 1"#);
        assert_eq!(plain("error: --share is missing; see --help"), "--share is missing");
        assert_eq!(plain("node3 is running already"), "node3 is running already");
    }

    #[test]
    fn a_text_never_becomes_a_flag() {
        for text in ["--dir", "-h", "a\nb", &"x".repeat(TEXT_BYTES_MAX + 1)] {
            let pay = Action::Pay { from: text.to_owned(), to: "bob".into(), amount: "1".into() };
            assert!(matches!(pay.arguments(), Err(BadText::Unfit(_))), "{text}");
        }
        assert!(parse(r#"{"action":"pay","from":"a","to":"b","amount":"1","dir":"/"}"#).is_err(), "unknown fields");
        assert!(parse(r#"{"action":"shell"}"#).is_err());
        assert_eq!(typed(&["pay".into(), "it's".into(), String::new()]), r"testoon pay 'it'\''s' ''");
    }
}
