//! What can happen in a network, as one line for people and one JSON object for programs.

use serde::Serialize;
use std::fmt;

/// Something that happened, and when it was noticed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Event {
    /// Seconds after the view was opened.
    pub s: f64,
    /// As a sentence.
    pub text: String,
    /// What it was.
    #[serde(flatten)]
    pub what: ChainEvent,
}

impl Event {
    /// `what` happened, and was noticed `s` seconds after the view was opened.
    pub fn new(s: f64, what: ChainEvent) -> Event {
        Event { s: (s * 1e3).round() / 1e3, text: what.to_string(), what }
    }
}

/// Something that happened. In JSON its name is the field `event`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum ChainEvent {
    /// A node has a block that no node had at the look before.
    Block {
        /// Its hash.
        hash: String,
        /// Its height.
        height: u64,
        /// The node whose address its coinbase pays, or the address.
        miner: String,
        /// Its transactions, the coinbase included.
        transactions: usize,
    },
    /// A node left blocks for a branch with more work.
    Reorganisation {
        /// The node.
        node: String,
        /// Blocks that it undid.
        depth: usize,
        /// Its new tip.
        tip: String,
        /// The blocks that it undid, the highest first, at most a hundred.
        left: Vec<String>,
        /// The blocks that it took instead, the highest first, at most a hundred.
        came: Vec<String>,
        /// Payments of the blocks undone that wait in its mempool again, at most a hundred.
        waiting: Vec<String>,
        /// Payments of the blocks undone that are neither in the blocks taken nor in its mempool, at most a hundred: as a rule
        /// another transaction has spent their coins.
        lost: Vec<String>,
    },
    /// A node that answered does not any more.
    NodeSilent {
        /// The node.
        node: String,
    },
    /// A node that was silent, or is new, answers.
    NodeAnswers {
        /// The node.
        node: String,
    },
    /// A node warns of something that it did not warn of before.
    Warning {
        /// The node.
        node: String,
        /// What it says.
        warning: String,
    },
    /// The network was cut into groups.
    Partition {
        /// Every group, by the nodes' names.
        groups: Vec<Vec<String>>,
    },
    /// The groups were joined again.
    Healed,
}

impl fmt::Display for ChainEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ChainEvent::Block { hash, height, miner, transactions } => {
                let payments = match transactions.saturating_sub(1) {
                    0 => String::new(),
                    1 => ", 1 payment".to_owned(),
                    more => format!(", {more} payments"),
                };
                write!(f, "block {height} by {miner}{payments}: {hash}")
            }
            ChainEvent::Reorganisation { node, depth, waiting, lost, .. } => {
                let blocks = if *depth == 1 { "a block".to_owned() } else { format!("{depth} blocks") };
                write!(f, "{node} leaves {blocks} for a branch with more work")?;
                let payments = |count: usize| match count {
                    1 => "a payment".to_owned(),
                    more => format!("{more} payments"),
                };
                match lost.len() {
                    0 => {}
                    count => write!(f, "; {} vanished: {}", payments(count), lost.join(", "))?,
                }
                match waiting.len() {
                    0 => Ok(()),
                    count => write!(
                        f,
                        "; {} again",
                        if count == 1 { "a payment waits".into() } else { format!("{count} payments wait") }
                    ),
                }
            }
            ChainEvent::NodeSilent { node } => write!(f, "{node} does not answer any more"),
            ChainEvent::NodeAnswers { node } => write!(f, "{node} answers"),
            ChainEvent::Warning { node, warning } => write!(f, "{node} warns: {warning}"),
            ChainEvent::Partition { groups } => {
                let groups: Vec<String> = groups.iter().map(|group| group.join(", ")).collect();
                write!(f, "the network is partitioned: {}", groups.join(" | "))
            }
            ChainEvent::Healed => write!(f, "the partition is healed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_event_is_one_json_object() {
        let event = Event::new(
            1.5,
            ChainEvent::Reorganisation {
                node: "node0".into(),
                depth: 2,
                tip: "00ff".into(),
                left: vec!["00ee".into(), "00dd".into()],
                came: vec!["00ff".into()],
                waiting: vec!["aa".into(), "bb".into()],
                lost: vec!["cc".into()],
            },
        );
        let value = serde_json::to_value(&event).unwrap();
        let text = "node0 leaves 2 blocks for a branch with more work; a payment vanished: cc; 2 payments wait again";
        let expected = json!({"s": 1.5, "text": text, "event": "reorganisation", "node": "node0", "depth": 2, "tip": "00ff",
            "left": ["00ee", "00dd"], "came": ["00ff"], "waiting": ["aa", "bb"], "lost": ["cc"]});
        assert_eq!(value, expected);
        assert_eq!(serde_json::to_value(ChainEvent::Healed).unwrap(), json!({"event": "healed"}));
    }

    #[test]
    fn groups_and_payments_are_counted_for_people() {
        let groups = vec![vec!["a".to_owned(), "b".to_owned()], vec!["c".to_owned()]];
        assert_eq!(ChainEvent::Partition { groups }.to_string(), "the network is partitioned: a, b | c");
        let block =
            |transactions| ChainEvent::Block { hash: "ff".into(), height: 7, miner: "node1".into(), transactions };
        assert_eq!(block(1).to_string(), "block 7 by node1: ff");
        assert_eq!(block(2).to_string(), "block 7 by node1, 1 payment: ff");
        assert_eq!(block(3).to_string(), "block 7 by node1, 2 payments: ff");
    }
}
