//! `testoon net …`: partitions, links, and snapshots of a network.

use super::Common;
use super::report::{count, say, warn_unconnected};
use crate::cluster::Cluster;
use crate::cluster::{links, snapshot};
use crate::plan::{LinkConditions, units};
use anyhow::Result;
use clap::builder::BoolishValueParser;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

#[derive(Debug, Subcommand)]
pub enum NetCommand {
    /// Cut the network into groups that cannot reach each other: `net partition 'node0,node1|node2,node3,node4'`
    Partition {
        /// Names or numbers, groups apart by `|` (in quotes); nodes in no group form one more
        #[arg(value_name = "GROUPS")]
        groups: String,
    },
    /// Join all groups again; returns when the nodes have their peers back
    Heal {
        /// Make slow and lossy links perfect as well
        #[arg(long, env = "TESTOON_HEAL_LINKS", value_parser = BoolishValueParser::new())]
        links: bool,
    },
    /// Make a link slow or lossy, both ways; without flags it becomes perfect again
    Link(LinkArgs),
    /// Show who is connected to whom, and how good the links are
    Topology,
    /// Keep a copy of the whole network, forks included
    Snapshot {
        /// What the copy is called
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Bring the network back to a snapshot
    Restore {
        /// Which snapshot
        #[arg(value_name = "NAME")]
        name: String,
    },
}

#[derive(Debug, Args)]
pub struct LinkArgs {
    /// The two ends, like node0-node1
    #[arg(value_name = "A-B")]
    link: String,
    /// Added to every message, like 200ms
    #[arg(long, env = "TESTOON_LINK_DELAY", value_name = "TIME", value_parser = units::duration_ms, default_value = "0ms")]
    delay: u64,
    /// The delay varies by up to this much, like 20ms
    #[arg(long, env = "TESTOON_LINK_JITTER", value_name = "TIME", value_parser = units::duration_ms, default_value = "0ms")]
    jitter: u64,
    /// Part of the messages lost, like 5%
    #[arg(long, env = "TESTOON_LINK_LOSS", value_name = "PART", value_parser = units::fraction, default_value = "0")]
    loss: f64,
    /// Bytes per second, like 1MB/s; without limit unless given
    #[arg(long, env = "TESTOON_LINK_BANDWIDTH", value_name = "RATE", value_parser = units::bandwidth)]
    bandwidth: Option<u64>,
}

impl LinkArgs {
    fn conditions(&self) -> LinkConditions {
        LinkConditions {
            delay_ms: self.delay,
            jitter_ms: self.jitter,
            loss: self.loss,
            bandwidth: self.bandwidth.unwrap_or(0),
        }
    }
}

pub fn run(common: &Common, command: &NetCommand) -> Result<()> {
    let directory = common.directory()?;
    let _lock = directory.lock()?;
    let keeps = matches!(command, NetCommand::Snapshot { .. } | NetCommand::Restore { .. });
    let mut cluster = if keeps { Cluster::open(directory)? } else { Cluster::open_running(directory)? };
    let (value, text) = match command {
        NetCommand::Partition { groups } => partition(&mut cluster, groups)?,
        NetCommand::Heal { links } => {
            let missing = links::heal(&mut cluster, *links)?;
            warn_unconnected(&missing, &cluster);
            (links::topology(&cluster), "The network is whole.".to_owned())
        }
        NetCommand::Link(arguments) => {
            let conditions = arguments.conditions();
            let (a, b) = links::parse_link(&cluster.state().plan, &arguments.link)?;
            links::link(&mut cluster, &(a.clone(), b.clone()), conditions)?;
            (links::topology(&cluster), format!("{a}-{b}: {conditions}"))
        }
        NetCommand::Topology => (links::topology(&cluster), links::topology_text(&cluster)),
        NetCommand::Snapshot { name } => {
            let copied = snapshot::take(&mut cluster, name)?;
            let text = format!(
                "Snapshot {name}: {}, {:.1} MB; bring it back with `testoon net restore {name}{}`.",
                count(copied.files as usize, "file"),
                copied.bytes as f64 / 1e6,
                cluster.directory().flag()
            );
            (json!({"snapshot": name, "files": copied.files, "bytes": copied.bytes}), text)
        }
        NetCommand::Restore { name } => {
            snapshot::restore(&mut cluster, name)?;
            let running = cluster.alive().len();
            let text = format!("The network is as it was at snapshot {name}; nodes that run: {running}.");
            (json!({"restored": name, "running": running}), text)
        }
    };
    say(common, &value, text);
    Ok(())
}

fn partition(cluster: &mut Cluster, groups: &str) -> Result<(Value, String)> {
    let groups = links::parse_groups(&cluster.state().plan, groups)?;
    let missing = links::partition(cluster, groups)?;
    warn_unconnected(&missing, cluster);
    let flag = cluster.directory().flag();
    let mut text = format!("The network is partitioned; join it again with `testoon net heal{flag}`.");
    let bridges = cluster.state().plan.bridges();
    if !bridges.is_empty() {
        let names: Vec<String> = bridges.iter().map(|(a, b)| format!("{a}-{b}")).collect();
        text.push_str(&format!(
            "\nThe topology leaves a group in pieces; joined until then by {}: {}.",
            count(bridges.len(), "link"),
            names.join(", ")
        ));
    }
    Ok((links::topology(cluster), text))
}
