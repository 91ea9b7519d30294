//! `testoon attach FILE`: a network whose nodes run already is taken up, so that every command works on it.

use super::Common;
use super::report::{self, warn_unconnected};
use crate::cluster::Cluster;
use crate::cluster::attach::{self, Attachment};
use crate::cluster::directory::Directory;
use crate::cluster::state::Host;
use crate::interrupt::Interrupt;
use crate::output::line;
use crate::plan::units;
use anyhow::Result;
use clap::Args;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub struct AttachArgs {
    /// The network file with every node's rpc address and password or cookie (docs/containers.md says what is in it)
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// How long nodes may take to answer, like 30s or 5min
    #[arg(long, env = "TESTOON_ATTACH_WAIT", value_name = "TIME", value_parser = units::duration_ms, default_value = "10s")]
    wait: u64,
}

pub fn run(common: &Common, arguments: &AttachArgs) -> Result<()> {
    let file = attach::read(&arguments.file)?;
    let base = arguments.file.parent().unwrap_or(Path::new(""));
    let base = std::path::absolute(if base.as_os_str().is_empty() { Path::new(".") } else { base })?;
    let chain = attach::chain_of(&file, &base)?;
    let interrupt = Interrupt::install()?;
    let directory = Directory::create(common.dir.as_deref())?;
    let _lock = directory.lock()?;
    let attachment = Attachment { file, base: &base, chain, host: Host::Others, wait_ms: arguments.wait };
    let (cluster, unconnected) = Cluster::attach(directory, &attachment, &interrupt)?;
    report::nodes(common, &cluster, None)?;
    warn_unconnected(&unconnected, &cluster);
    if !common.json {
        let flag = cluster.directory().flag();
        line(format_args!(
            "\nThe nodes go on as they are. `testoon pay`, `mine`, `net`, `web` and the others work on them{}; `testoon down{flag}` lets go.",
            if flag.is_empty() { String::new() } else { format!(" with{flag}") }
        ));
    }
    Ok(())
}
