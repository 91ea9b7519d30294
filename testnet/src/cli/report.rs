//! How commands answer: text for people, or one JSON value.

use super::Common;
use crate::cluster::Cluster;
use crate::observer::status::{self, NodeStatus};
use crate::output::line;
use crate::terminal::table;
use anyhow::Result;
use serde_json::Value;
use std::fmt::Display;

/// Columns of the table where there is no terminal.
const WIDTH_DEFAULT: usize = 120;

/// `1 node`, `2 nodes`.
pub fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// The JSON value where it is asked for, else the text.
pub fn say(common: &Common, value: &Value, text: impl Display) {
    if common.json { line(value) } else { line(text) }
}

/// Some nodes as they are now: all of them, or those called `names`.
pub fn nodes(common: &Common, cluster: &Cluster, names: Option<&[String]>) -> Result<()> {
    let mut nodes = status::look(cluster);
    nodes.retain(|node| names.is_none_or(|names| names.contains(&node.name)));
    if common.json {
        line(status::to_json(&nodes));
    } else {
        print_table(&nodes);
    }
    Ok(())
}

/// The table of a moment, for people.
fn print_table(nodes: &[NodeStatus]) {
    let width = crossterm::terminal::size().map_or(WIDTH_DEFAULT, |(columns, _)| usize::from(columns));
    table::nodes(nodes, width.max(1)).iter().for_each(line);
    for node in nodes {
        for warning in &node.warnings {
            eprintln!("warning: {}: {}", node.name, warning);
        }
    }
}

/// Warns about nodes that were told to connect and have not.
pub fn warn_unconnected(names: &[String], cluster: &Cluster) {
    let flag = cluster.directory().flag();
    for name in names {
        eprintln!(
            "warning: {name} has not reached all its peers yet; it keeps trying (see `testoon logs {name}{flag}`)"
        );
    }
}
