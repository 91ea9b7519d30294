//! An attack staged from the page: `testoon attack …` in a directory of its own, its story passed on line by line.
//!
//! One at a time. Its network is watched like the main one ([`super::watch`]); its lines (`--json`: one object an event, the outcome
//! last) are `run` events on that network's stream. [`super::api`] starts and ends it.

use super::command::typed;
use super::hub::Hub;
use serde::Deserialize;
use serde_json::{Value, json};
use std::io::{PipeWriter, Write as _};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::Command;
use tokio::sync::Notify;

/// Bytes of one line of an attack's story that are passed on.
const LINE_BYTES_MAX: usize = 256 << 10;
/// Lines of a story kept for pages that come later.
const LINES_MAX: usize = 20_000;

/// What the page may choose of an attack; the command line checks the ranges and says what is wrong.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttackRequest {
    /// `double-spend`, `selfish`, …
    pub attack: String,
    /// The attacker's part of the hash rate.
    pub share: f64,
    /// For a double spend: confirmations the shop waits for.
    pub confirmations: Option<u32>,
    /// For a double spend: blocks behind at which the attacker gives up.
    pub give_up: Option<u32>,
    /// For a double spend: blocks to be ahead before paying.
    pub premine: Option<u32>,
    /// For censor: whose payments.
    pub target: Option<String>,
    /// For censor, halt and selfish: blocks until the verdict.
    pub blocks: Option<u32>,
    /// Stop at each step of the story until told to go on.
    #[serde(default)]
    pub step: bool,
}

impl AttackRequest {
    /// The command's words after the program's name; `None` for names that are no attack's.
    pub fn arguments(&self) -> Option<Vec<String>> {
        let is_name = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if !is_name(&self.attack) || self.attack.starts_with('-') {
            return None;
        }
        let mut words = vec!["attack".to_owned(), self.attack.clone(), format!("--share={}", self.share)];
        let numbers = [
            ("confirmations", self.confirmations.map(u64::from)),
            ("give-up", self.give_up.map(u64::from)),
            ("premine", self.premine.map(u64::from)),
            ("blocks", self.blocks.map(u64::from)),
        ];
        words.extend(numbers.iter().filter_map(|(flag, value)| Some(format!("--{flag}={}", (*value)?))));
        if let Some(target) = self.target.as_deref().filter(|target| !target.is_empty()) {
            words.push(format!("--target={target}"));
        }
        words.extend(self.step.then(|| "--step".to_owned()));
        // What is clicked after the verdict is asked of the nodes.
        words.push("--keep".to_owned());
        Some(words)
    }
}

/// The attack that runs, or the last one.
#[derive(Debug, Default)]
struct State {
    running: bool,
    /// Its verdict is told; the nodes go on.
    is_judged: bool,
    /// What goes on from a step.
    steps: Option<PipeWriter>,
    /// What was typed, every line it said, and how it ended.
    story: Vec<Value>,
}

/// Runs attacks, one at a time.
#[derive(Debug)]
pub struct Stage {
    program: PathBuf,
    directory: PathBuf,
    hub: Arc<Hub>,
    state: Mutex<State>,
    /// Ends the attack that runs.
    stop: Notify,
    /// Goes on from a step of the one attack that this process stages itself.
    own_steps: Option<Sender<()>>,
}

impl Stage {
    /// Attacks live in a directory, and their lines go to a hub. With `own_steps` the process stages one itself and no others.
    pub fn new(program: PathBuf, place: (PathBuf, Arc<Hub>), own_steps: Option<Sender<()>>) -> Stage {
        let (directory, hub) = place;
        let state = State { running: own_steps.is_some(), ..State::default() };
        Stage { program, directory, hub, state: Mutex::new(state), stop: Notify::new(), own_steps }
    }

    /// Whether an attack runs, and the story of it or of the last one.
    pub fn story(&self) -> Value {
        let state = self.lock();
        json!({ "running": state.running, "own": self.own_steps.is_some(), "lines": state.story })
    }

    /// Whether nothing but the nodes of a judged attack runs.
    pub fn is_kept(&self) -> bool {
        let state = self.lock();
        state.running && state.is_judged && self.own_steps.is_none()
    }

    /// Goes on from the step at which the attack stands.
    ///
    /// # Errors
    /// None stands at one.
    pub fn go_on(&self) -> Result<(), String> {
        let none = || "no attack waits at a step".to_owned();
        match &self.own_steps {
            Some(steps) => steps.send(()).map_err(|_| none()),
            None => {
                let mut state = self.lock();
                let steps = state.steps.as_mut().ok_or_else(none)?;
                steps.write_all(b"\n").map_err(|error| format!("the attack cannot be told to go on: {error}"))
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Passes on a line of a story and keeps it for pages that come later.
    pub fn tell(&self, line: Value) {
        let mut state = self.lock();
        state.is_judged |= line["verdict"].is_string();
        if state.story.len() < LINES_MAX {
            state.story.push(line.clone());
        }
        drop(state);
        self.hub.publish("run", &line);
    }

    /// Starts an attack and returns the command as typed. What it says arrives as `run` events; the last one has `ended`.
    ///
    /// # Errors
    /// One runs already, or it is no attack, or the program cannot be run.
    pub fn start(self: &Arc<Stage>, request: &AttackRequest) -> Result<String, String> {
        let arguments = request
            .arguments()
            .ok_or_else(|| format!("{:?} is no attack's name; see `testoon attack --help`", request.attack))?;
        if self.own_steps.is_some() {
            return Err("this page shows an attack that was started in a terminal; start another one there".to_owned());
        }
        {
            let mut state = self.lock();
            if state.running {
                return Err("an attack is running already; end it first, or wait for its verdict".to_owned());
            }
            state.running = true;
            state.is_judged = false;
            state.story.clear();
        }
        let command = typed(&arguments);
        let mut command_line = std::process::Command::new(&self.program);
        command_line.args(&arguments).arg("--json").arg("--dir").arg(&self.directory);
        let (keys, steps) = match std::io::pipe() {
            Ok(pipe) => pipe,
            Err(error) => {
                self.lock().running = false;
                return Err(format!("cannot make a pipe to the attack: {error}"));
            }
        };
        command_line.stdin(keys).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut command_line = Command::from(command_line);
        let mut child = match command_line.kill_on_drop(true).spawn() {
            Ok(child) => {
                self.lock().steps = request.step.then_some(steps);
                child
            }
            Err(error) => {
                self.lock().running = false;
                return Err(format!("cannot run {}: {error}", self.program.display()));
            }
        };
        self.tell(json!({ "started": command }));
        let stage = self.clone();
        tokio::spawn(async move {
            let (out, errors) = (child.stdout.take(), child.stderr.take());
            let said = stage.clone();
            let lines = tokio::spawn(async move { said.pass_on(out, None).await });
            let told = stage.clone();
            let warnings = tokio::spawn(async move { told.pass_on(errors, Some("warning")).await });
            let status = tokio::select! {
                status = child.wait() => status,
                () = stage.stop.notified() => {
                    stage.interrupt(&child);
                    child.wait().await
                }
            };
            // The readers end when the child's ends of the pipes do; a reader that failed has said all it had.
            let _ = tokio::join!(lines, warnings);
            let ended = status.map_or_else(|error| error.to_string(), |status| status.to_string());
            {
                let mut state = stage.lock();
                state.running = false;
                state.steps = None;
            }
            stage.tell(json!({ "ended": ended }));
        });
        Ok(command)
    }

    /// Ends the attack that runs, as Ctrl-C would; its network is taken down by it.
    ///
    /// # Errors
    /// None runs.
    pub fn stop(&self) -> Result<(), String> {
        if self.own_steps.is_some() || !self.lock().running {
            return Err("no attack is running".to_owned());
        }
        self.stop.notify_waiters();
        Ok(())
    }

    /// Waits until no attack runs.
    pub async fn ended(&self) {
        let mut events = self.hub.subscribe();
        while self.lock().running && events.changed().await.is_ok() {}
    }

    fn interrupt(&self, child: &tokio::process::Child) {
        let Some(pid) = child.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw)
        else {
            return;
        };
        if let Err(error) = rustix::process::kill_process(pid, rustix::process::Signal::INT) {
            self.tell(json!({ "warning": format!("the attack could not be asked to end: {error}") }));
        }
    }

    /// Reads lines to the end. Lines that are JSON objects go on as they are, others under `name` or as `text`.
    async fn pass_on(&self, from: Option<impl AsyncRead + Unpin>, name: Option<&str>) {
        let Some(from) = from else { return };
        let mut lines = BufReader::new(from).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            if line.trim().is_empty() || line.len() > LINE_BYTES_MAX {
                continue;
            }
            let value = match (serde_json::from_str::<Value>(&line), name) {
                (Ok(object @ Value::Object(_)), None) => object,
                (_, name) => json!({ name.unwrap_or("text"): line.strip_prefix("warning: ").unwrap_or(&line) }),
            };
            self.tell(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(text: &str) -> AttackRequest {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_request_is_one_command_line() {
        let asked = request(r#"{"attack":"double-spend","share":0.6,"confirmations":2,"give_up":5,"target":"-x"}"#);
        let words = asked.arguments().unwrap();
        assert_eq!(
            words,
            ["attack", "double-spend", "--share=0.6", "--confirmations=2", "--give-up=5", "--target=-x", "--keep"]
        );
        for name in ["", "--help", "a b", "x;y"] {
            assert_eq!(AttackRequest { attack: name.into(), ..asked.clone() }.arguments(), None, "{name:?}");
        }
    }

    #[tokio::test]
    async fn a_story_is_passed_on_and_only_one_is_told_at_a_time() {
        let place = tempfile::tempdir().unwrap();
        let hub = Arc::new(Hub::default());
        // `sh` takes "attack" for a script's name, which is not there: it says so and ends.
        let stage = Arc::new(Stage::new("/bin/sh".into(), (place.path().into(), hub.clone()), None));
        assert!(stage.stop().is_err(), "none runs");
        let mut events = hub.subscribe();
        let typed = stage.start(&request(r#"{"attack":"halt","share":0.5}"#)).unwrap();
        assert_eq!(typed, "testoon attack halt --share=0.5 --keep");
        assert!(stage.start(&request(r#"{"attack":"halt","share":0.5}"#)).is_err(), "one runs already");
        while stage.story()["running"] == true {
            events.changed().await.unwrap();
        }
        let story = stage.story();
        let lines = story["lines"].as_array().unwrap();
        assert_eq!(lines[0]["started"], "testoon attack halt --share=0.5 --keep");
        assert!(lines.iter().any(|line| line["warning"].is_string()), "{story}");
    }
}
