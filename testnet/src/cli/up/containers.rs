//! `testoon up --on docker`: the network's Compose project is written, started, and attached to.

use super::{UpArgs, present, refuse_running};
use crate::cli::Common;
use crate::cli::report::{count, warn_unconnected};
use crate::cli::request::NetworkRequest;
use crate::clock::Stopwatch;
use crate::cluster::attach::{self, Attachment};
use crate::cluster::directory::Directory;
use crate::cluster::engine::Engine;
use crate::cluster::state::{Host, NetworkState};
use crate::cluster::{Cluster, stop};
use crate::error::usage;
use crate::export::network::{ExportOptions, ExportedNetwork, PORT_DEFAULT};
use crate::export::{self, compose, image};
use crate::interrupt::Interrupt;
use anyhow::{Context as _, Result, anyhow};
use sha2::{Digest as _, Sha256};
use std::net::TcpListener;
use std::path::Path;

/// Containers that have started answer within this time, milliseconds.
const WAIT_MS: u64 = 60_000;

/// Starts a network on Docker and returns when it runs.
pub fn up(common: &Common, arguments: &UpArgs, mut request: NetworkRequest, program: &str) -> Result<()> {
    let watch = Stopwatch::start();
    let engine = Engine::find()?;
    let directory = Directory::create(common.dir.as_deref())?;
    let lock = directory.lock()?;
    refuse_running(&directory, program)?;
    let project = directory.compose();
    if arguments.fresh {
        stop::end_forgotten(&directory);
        if project.join(compose::FILE).exists() {
            engine.compose(&project, &["down", "--volumes"])?;
        }
        directory.wipe(&lock)?;
    }
    let path = directory.path().display();
    match NetworkState::load(&directory)?.map(|state| state.host) {
        Some(Host::Compose(_)) if request.is_particular() => {
            return Err(usage(format!("the network in {path} runs on Docker as it was made; --fresh begins anew")));
        }
        Some(Host::Compose(_)) => {}
        Some(_) => {
            return Err(usage(format!(
                "{path} holds a network that does not run on Docker; use another --dir, or --fresh"
            )));
        }
        None => write_project(&mut request, &directory, arguments.image.as_deref())?,
    }
    let interrupt = Interrupt::install()?;
    if arguments.image.is_none() {
        build_image(&engine, &directory)?;
    }
    let (cluster, unconnected) = match start(&engine, &directory, &interrupt) {
        Ok(started) => started,
        Err(error) => {
            let said = engine.complaint(&project);
            // What was started is ended; the error is what the user must hear.
            let _ = engine.compose(&project, &["down"]);
            return Err(said.map_or(error, |said| anyhow!("a container did not start: {said}")));
        }
    };
    drop(lock);
    drop(present(common, arguments, &cluster, watch.seconds(), program));
    warn_unconnected(&unconnected, &cluster);
    Ok(())
}

fn start(engine: &Engine, directory: &Directory, interrupt: &Interrupt) -> Result<(Cluster, Vec<String>)> {
    let project = directory.compose();
    engine.compose(&project, &["up", "--detach"])?;
    let file = attach::read(&project.join(compose::ATTACH_FILE))?;
    let chain = attach::chain_of(&file, &project)?;
    let attachment = Attachment { file, base: &project, chain, host: Host::Compose(project.clone()), wait_ms: WAIT_MS };
    Cluster::attach(directory.clone(), &attachment, interrupt)
}

/// Writes the project of the network that is asked for.
fn write_project(request: &mut NetworkRequest, directory: &Directory, image: Option<&str>) -> Result<()> {
    let (_, spec) = request.chain(None, directory.path())?;
    let plan = request.plan(None, &spec)?;
    let ports = free_ports(plan.nodes.len())?;
    let defaults = ExportOptions::default();
    let image = image.map_or(defaults.image.clone(), str::to_owned);
    let options = ExportOptions { name: project_name(directory.path()), image, ports, ..defaults };
    let project = directory.compose();
    if project.exists() {
        // Left by a start that failed before the network was one.
        std::fs::remove_dir_all(&project).with_context(|| format!("cannot delete {}", project.display()))?;
    }
    export::write(&project, &compose::files(&ExportedNetwork::new(plan, spec, options)?)?)
}

/// A project's name that no other directory's network has.
fn project_name(directory: &Path) -> String {
    let digest = Sha256::digest(directory.as_os_str().as_encoded_bytes());
    format!("testoon-{}", hex::encode(&digest[..6]))
}

/// Ports of this machine that nobody listens on: those from the usual one on where they are free.
fn free_ports(number: usize) -> Result<Vec<u16>> {
    let usual = (0..number).map(|index| PORT_DEFAULT.saturating_add(u16::try_from(index).unwrap_or(u16::MAX)));
    // All are held until the last is found, so that none is found twice.
    let held: Vec<TcpListener> = usual
        .map(|port| TcpListener::bind(("127.0.0.1", port)).or_else(|_| TcpListener::bind(("127.0.0.1", 0))))
        .collect::<Result<_, _>>()
        .with_context(|| format!("cannot find {} for the nodes' RPC", count(number, "free port")))?;
    Ok(held.iter().map(|listener| listener.local_addr().map(|address| address.port())).collect::<Result<_, _>>()?)
}

/// The image of this very program.
fn build_image(engine: &Engine, directory: &Directory) -> Result<()> {
    let program = std::env::current_exe().context("cannot find this program's own file to make an image of")?;
    let context = directory.compose().join("image");
    let built = image::write_context(&context, &program)
        .and_then(|()| engine.build(&ExportOptions::default().image, image::STAGE, &context));
    // It holds a copy of the program, and the image has that.
    let _ = std::fs::remove_dir_all(&context);
    built
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::names::label_fault;

    #[test]
    fn projects_and_ports_do_not_meet() {
        let (one, other) = (project_name(Path::new("/net/One_1")), project_name(Path::new("/net/two")));
        assert!(one != other && label_fault(&one).is_none(), "{one}");
        let _taken = TcpListener::bind(("127.0.0.1", PORT_DEFAULT + 1));
        let ports = free_ports(4).unwrap();
        let different: std::collections::BTreeSet<&u16> = ports.iter().collect();
        assert_eq!(different.len(), 4);
        assert!(!ports.contains(&(PORT_DEFAULT + 1)), "{ports:?}");
    }
}
