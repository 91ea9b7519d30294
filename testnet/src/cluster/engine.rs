//! Docker and Compose, asked by their command lines: building an image, and running, ending and restarting a project's services.

use crate::export::network::PASSWORD_VARIABLE;
use anyhow::{Context as _, Result, bail};
use std::io::ErrorKind;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// A Docker engine that answers, and Compose.
#[derive(Clone, Debug)]
pub struct Engine {
    /// The program and first arguments that are Compose: the plugin `docker compose`, or the older `docker-compose`.
    compose: &'static [&'static str],
}

impl Engine {
    /// The engine of this machine, or the one that `DOCKER_HOST` names.
    ///
    /// # Errors
    /// No engine answers, or there is no Compose; one line that says which, and what to do.
    pub fn find() -> Result<Engine> {
        let asked = run(docker(&["version", "--format", "{{.Server.Version}}"]));
        if let Err(error) = asked {
            bail!("no Docker engine answers ({error:#}); start one, or name its address in DOCKER_HOST");
        }
        let candidates: [&'static [&'static str]; 2] = [&["docker", "compose"], &["docker-compose"]];
        let found = candidates.into_iter().find(|words| {
            let mut command = Command::new(words[0]);
            command.args(&words[1..]).arg("version").stdin(Stdio::null());
            command.output().is_ok_and(|output| output.status.success())
        });
        let compose = found.context("Docker has no Compose; install its plugin or docker-compose")?;
        Ok(Engine { compose })
    }

    /// Builds an image from a context that [`crate::export::image`] has written.
    pub fn build(&self, tag: &str, stage: &str, context: &Path) -> Result<()> {
        let mut command = docker(&["build", "--quiet", "--target", stage, "--tag", tag]);
        command.arg(context);
        run(command).with_context(|| format!("cannot build the image {tag}")).map(drop)
    }

    /// Runs a command of Compose in a project's directory.
    pub fn compose(&self, project: &Path, arguments: &[&str]) -> Result<()> {
        let ran = run(self.compose_command(project, arguments));
        ran.with_context(|| format!("Compose in {} cannot {}", project.display(), arguments[0])).map(drop)
    }

    /// What a project's containers said last that is an error, each with the container's name; the first of it.
    pub fn complaint(&self, project: &Path) -> Option<String> {
        let logs = run(self.compose_command(project, &["logs", "--no-color", "--tail", "3"])).ok()?;
        complaint_in(&String::from_utf8_lossy(&logs.stdout))
    }

    fn compose_command(&self, project: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.compose[0]);
        command.args(&self.compose[1..]).args(arguments).current_dir(project);
        // What the project's own .env says counts.
        for variable in ["COMPOSE_PROJECT_NAME", "COMPOSE_FILE", PASSWORD_VARIABLE] {
            command.env_remove(variable);
        }
        command
    }
}

fn docker(arguments: &[&str]) -> Command {
    let mut command = Command::new("docker");
    command.args(arguments);
    command
}

/// Runs a program to its end; the error is what it said last.
fn run(mut command: Command) -> Result<Output> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().map_err(|error| match error.kind() {
        ErrorKind::NotFound => anyhow::anyhow!("{program} is not installed"),
        _ => anyhow::anyhow!("cannot run {program}: {error}"),
    })?;
    if output.status.success() {
        return Ok(output);
    }
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    bail!("{}", reason(&text).unwrap_or_else(|| format!("{program} ended with {}", output.status)))
}

/// The line of a program's complaint that says what is wrong: the last that begins with an error's mark, or the last at all.
fn reason(text: &str) -> Option<String> {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let is_marked = |line: &&&str| ["error", "cannot connect"].iter().any(|mark| line.to_lowercase().starts_with(mark));
    let line = lines.iter().rfind(is_marked).or(lines.last())?;
    Some((*line).to_owned())
}

/// The first error in what `compose logs` prints: `node0_1  | error: why`, as `node0_1: why`.
fn complaint_in(logs: &str) -> Option<String> {
    logs.lines().find_map(|line| {
        let (container, said) = line.split_once('|')?;
        let why = said.trim().strip_prefix("error:")?;
        Some(format!("{}: {}", container.trim(), why.trim()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_s_complaint_is_its_one_line_that_matters() {
        let text = "Creating a\nERROR: for a  Cannot start service a: port is already allocated\nEncountered errors while bringing up.\n";
        assert_eq!(reason(text).unwrap(), "ERROR: for a  Cannot start service a: port is already allocated");
        assert_eq!(reason("one\n\ntwo\n").unwrap(), "two");
        assert_eq!(reason(" \n"), None);
        let logs =
            "Attaching to a_1, b_1\na_1  | {\"pid\":1}\nb_1  | error: --rpc-auth x: no salt\nb_1  | error: again\n";
        assert_eq!(complaint_in(logs).unwrap(), "b_1: --rpc-auth x: no salt");
        assert_eq!(complaint_in("a_1  | ready | error\n"), None);
        let missing = run(Command::new("no-such-program-of-testoon")).unwrap_err().to_string();
        assert_eq!(missing, "no-such-program-of-testoon is not installed");
        let mut failing = Command::new("sh");
        failing.args(["-c", "echo 'error: no' >&2; exit 3"]);
        assert_eq!(run(failing).unwrap_err().to_string(), "error: no");
    }
}
