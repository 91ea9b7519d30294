//! Records a network that is watched: new blocks, nodes that move to another tip, and what happened.
//!
//! Nodes' tips are lines of `tips`, which name each new tip once with the nodes that moved to it, so that a network of fifty nodes
//! costs some hundred bytes a block. [`super::watch`] calls it after each look.

use crate::cluster::directory::Directory;
use crate::observer::recording::Recorder;
use crate::observer::view::Changes;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Blocks below the tip that a recording begins with.
const BLOCKS_BEFORE_MAX: u64 = 100;

/// The recording of a network.
#[derive(Debug)]
pub struct NetworkRecord {
    recorder: Recorder,
    tips: BTreeMap<String, String>,
    blocks: BTreeSet<String>,
    /// Lower blocks were there before.
    lowest: u64,
}

impl NetworkRecord {
    /// Begins in the network's directory; none where it cannot be written, since a page is worth more than its recording.
    pub fn begin(directory: &Path, changes: &Changes) -> Option<NetworkRecord> {
        let network = changes.network.as_ref()?;
        let nodes: Vec<Value> = changes
            .nodes
            .iter()
            .map(|node| json!({ "name": node.name, "role": node.role, "share_asked": node.share_asked }))
            .collect();
        let top = changes.nodes.iter().filter_map(|node| node.height).max().unwrap_or(0);
        let head = json!({
            "title": format!(
                "{} node{} of chain {}",
                nodes.len(),
                if nodes.len() == 1 { "" } else { "s" },
                network["chain"].as_str().unwrap_or("?")
            ),
            "chain": network["chain"],
            "spacing_s": network["spacing_s"],
            "nodes": nodes,
        });
        let recorder = Recorder::create(&Directory::recordings_in(directory), "network", head).ok()?;
        let lowest = top.saturating_sub(BLOCKS_BEFORE_MAX);
        Some(NetworkRecord { recorder, tips: BTreeMap::new(), blocks: BTreeSet::new(), lowest })
    }

    /// Adds what a look has found.
    pub fn add(&mut self, changes: &Changes) {
        for block in changes.blocks.iter().filter(|block| block.height() >= self.lowest) {
            if self.blocks.insert(block.hash().to_owned()) {
                let line = json!({
                    "s": (block.seen_s() * 1e3).round() / 1e3,
                    "event": "block",
                    "hash": block.hash(),
                    "previous": block.previous(),
                    "height": block.height(),
                    "miner": block.miner(),
                    "transactions": block.transactions(),
                });
                self.recorder.line(&line);
            }
        }
        let mut moved: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for node in &changes.nodes {
            let tip = node.tip.as_deref().unwrap_or_default();
            if self.tips.get(&node.name).map(String::as_str) != Some(tip) {
                self.tips.insert(node.name.clone(), tip.to_owned());
                moved.entry(tip).or_default().push(&node.name);
            }
        }
        if !moved.is_empty() {
            self.recorder.line(&json!({ "s": changes.s, "event": "tips", "tips": moved }));
        }
        for happening in &changes.happenings {
            // Its own values have a JSON form; one without would be left out.
            if let Ok(line) = serde_json::to_value(happening) {
                self.recorder.line(&line);
            }
        }
    }
}
