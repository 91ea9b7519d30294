//! `testoon export`: a network for Compose or Kubernetes, a study for Kubernetes and Slurm, an image's build context.

use super::report::{count, say};
use super::request::{NetworkArgs, NetworkRequest};
use super::{Cli, Common};
use crate::error::usage;
use crate::export::network::{ExportOptions, ExportedNetwork, PORT_DEFAULT};
use crate::export::study::{SHARDS_MAX, StudyOptions};
use crate::export::{self, ExportedFile, compose, image, kubernetes, study};
use crate::lab::study::file::Study;
use anyhow::{Context as _, Result};
use clap::{Args, Parser as _, Subcommand};
use serde_json::json;
use std::path::{Path, PathBuf};

#[derive(Debug, Subcommand)]
pub enum ExportCommand {
    /// Write what `up` would run as a Compose project: one service a node
    Compose(ComposeArgs),
    /// Write it as Kubernetes manifests: a StatefulSet a role, Services, policies, a Job
    Kubernetes(KubernetesArgs),
    /// Write a study in shards: an Indexed Job for Kubernetes, an array for Slurm
    Study(StudyArgs),
    /// Write the build context of an image of this program: `docker build --target local --tag NAME DIR`
    Image(ImageArgs),
}

/// What both engines need to know of a network.
#[derive(Debug, Args)]
struct EngineArgs {
    #[command(flatten)]
    network: NetworkArgs,
    /// The network's name: the project, or the namespace
    #[arg(long, env = "TESTOON_EXPORT_NAME", value_name = "NAME", default_value = "testoon")]
    name: String,
    #[command(flatten)]
    target: TargetArgs,
}

/// What every export but the image itself has.
#[derive(Debug, Args)]
struct TargetArgs {
    /// The container image [default: testoon and this program's version]
    #[arg(long, env = "TESTOON_IMAGE", value_name = "NAME")]
    image: Option<String>,
    /// The directory to write, which is new or empty
    #[arg(long, short, env = "TESTOON_EXPORT_OUT", value_name = "DIR")]
    out: PathBuf,
}

impl TargetArgs {
    fn image(&self) -> String {
        self.image.clone().unwrap_or(ExportOptions::default().image)
    }
}

#[derive(Debug, Args)]
pub struct ComposeArgs {
    #[command(flatten)]
    engine: EngineArgs,
    /// The port on 127.0.0.1 where the first node's RPC is; the others follow
    #[arg(long, env = "TESTOON_EXPORT_PORT", value_name = "PORT", default_value_t = PORT_DEFAULT, value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,
}

#[derive(Debug, Args)]
pub struct KubernetesArgs {
    #[command(flatten)]
    engine: EngineArgs,
    /// A command that the scenario's Job runs, like "pay alice bob 1 --wait 1", which it is unless given (repeatable, in order)
    #[arg(long, env = "TESTOON_EXPORT_SCENARIO", value_name = "COMMAND", value_delimiter = ';')]
    scenario: Vec<String>,
}

#[derive(Debug, Args)]
pub struct StudyArgs {
    /// The study file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Parts that run on machines of their own
    #[arg(long, env = "TESTOON_EXPORT_SHARDS", value_name = "N", value_parser = clap::value_parser!(u16).range(1..=i64::from(SHARDS_MAX)))]
    shards: u16,
    /// The name of the Job and of the array
    #[arg(long, env = "TESTOON_EXPORT_NAME", value_name = "NAME", default_value = "study")]
    name: String,
    #[command(flatten)]
    target: TargetArgs,
}

#[derive(Debug, Args)]
pub struct ImageArgs {
    /// The directory to write, which is new or empty
    #[arg(long, short, env = "TESTOON_EXPORT_OUT", value_name = "DIR")]
    out: PathBuf,
}

pub fn run(common: &Common, command: &ExportCommand) -> Result<()> {
    match command {
        ExportCommand::Compose(arguments) => {
            let network = network(&arguments.engine, arguments.port, &[])?;
            let out = &arguments.engine.target.out;
            export::write(out, &compose::files(&network)?)?;
            let hint = format!(
                "cd {} && docker compose up --detach; then testoon attach {}",
                out.display(),
                out.join(compose::ATTACH_FILE).display()
            );
            tell(common, out, count(network.plan.nodes.len(), "node"), &hint)
        }
        ExportCommand::Kubernetes(arguments) => {
            let network = network(&arguments.engine, PORT_DEFAULT, &arguments.scenario)?;
            let out = &arguments.engine.target.out;
            export::write(out, &kubernetes::files(&network)?)?;
            let path = out.display();
            let hint = format!("kubectl apply -f {path}/manifests; then kubectl apply -f {path}/scenario.yaml");
            tell(common, out, count(network.plan.nodes.len(), "node"), &hint)
        }
        ExportCommand::Study(arguments) => export_study(common, arguments),
        ExportCommand::Image(arguments) => {
            let out = &arguments.out;
            export::write(out, &[])?;
            let program = std::env::current_exe().context("cannot find this program's own file")?;
            image::write_context(out, &program)?;
            let (tag, path) = (ExportOptions::default().image, out.display());
            let hint = format!("docker build --target {} --tag {tag} {path}", image::STAGE);
            tell(common, out, "an image's context".to_owned(), &hint)
        }
    }
}

/// The network that the flags ask for.
fn network(arguments: &EngineArgs, port: u16, scenario: &[String]) -> Result<ExportedNetwork> {
    let mut request = NetworkRequest::read(&arguments.network)?;
    let (_, spec) = request.chain(None, Path::new("."))?;
    let plan = request.plan(None, &spec)?;
    let ports: Option<Vec<u16>> =
        (0..plan.nodes.len()).map(|index| port.checked_add(u16::try_from(index).ok()?)).collect();
    let ports = ports
        .ok_or_else(|| usage(format!("--port {port}: {} do not fit below 65536", count(plan.nodes.len(), "port"))))?;
    let options = ExportOptions {
        name: arguments.name.clone(),
        image: arguments.target.image(),
        ports,
        scenario: scenario.iter().map(|command| words(command)).collect::<Result<_>>()?,
    };
    ExportedNetwork::new(plan, spec, options)
}

/// A command of a scenario as its words; it must be one that this program understands.
fn words(command: &str) -> Result<Vec<String>> {
    let words: Vec<String> = command.split_whitespace().map(str::to_owned).collect();
    let all = std::iter::once("testoon".to_owned()).chain(words.iter().cloned());
    match Cli::try_parse_from(all) {
        Ok(_) => Ok(words),
        Err(error) => Err(usage(format!("--scenario {command:?}: {}", super::command_line_error(&error)))),
    }
}

fn export_study(common: &Common, arguments: &StudyArgs) -> Result<()> {
    let file = &arguments.file;
    // What no shard could play is refused before anything is written.
    let read = Study::load(file)?;
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let points = read.points.len();
    if usize::from(arguments.shards) > points {
        return Err(usage(format!(
            "the study has {}, so at most as many shards have anything to play; --shards {} is too many",
            count(points, "point"),
            arguments.shards
        )));
    }
    let options =
        StudyOptions { name: arguments.name.clone(), image: arguments.target.image(), shards: arguments.shards };
    let files: Vec<ExportedFile> = study::files(&text, &options)?;
    let out = &arguments.target.out;
    export::write(out, &files)?;
    let path = out.display();
    let hint = format!("kubectl apply -f {path}/kubernetes/10-study.yaml, or in {path} sbatch slurm/array.sh");
    tell(common, out, count(usize::from(arguments.shards), "shard"), &hint)
}

fn tell(common: &Common, out: &Path, what: String, hint: &str) -> Result<()> {
    let text = format!("{what} written to {}.\nNext: {hint}", out.display());
    say(common, &json!({ "out": out, "next": hint }), text);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scenario_is_made_of_commands_that_there_are() {
        assert_eq!(words("pay alice  bob 1 --wait 1").unwrap().len(), 6);
        for (wrong, expected) in [("fly", "fly"), ("pay alice bob", "AMOUNT"), ("", "--scenario \"\"")] {
            let error = words(wrong).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
