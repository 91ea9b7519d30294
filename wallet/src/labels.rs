//! What the owner says about addresses, transactions and coins, and which coins are frozen. Pure; kept in the wallet file.

use std::collections::{BTreeMap, BTreeSet};

use chain_spec::{Outpoint, Txid};

use crate::text::printable;

/// Characters of a label.
pub const LABEL_LEN_MAX: usize = 255;

/// Labels and frozen coins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels {
    /// By the text that names the thing: an address, `txid`, `txid:index`.
    texts: BTreeMap<String, String>,
    frozen: BTreeSet<Outpoint>,
}

impl Labels {
    /// From what a file holds.
    pub(crate) fn restore(texts: Vec<(String, String)>, frozen: Vec<([u8; 32], u32)>) -> Labels {
        let frozen = frozen.into_iter().map(|(txid, index)| Outpoint { txid: Txid::from_bytes(txid), index });
        Labels { texts: texts.into_iter().collect(), frozen: frozen.collect() }
    }

    /// Writes a label beside a thing; an empty one removes it. A label may come from a payment request of somebody else, so
    /// what would steer a terminal is taken out of it.
    pub fn set(&mut self, thing: &str, label: &str) {
        if label.is_empty() {
            self.texts.remove(thing);
        } else {
            let cut: String = printable(label).chars().take(LABEL_LEN_MAX).collect();
            self.texts.insert(thing.to_owned(), cut);
        }
    }

    /// The label of a thing, if it has one.
    pub fn get(&self, thing: &str) -> Option<&str> {
        self.texts.get(thing).map(String::as_str)
    }

    /// All labels, by thing.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.texts.iter().map(|(thing, label)| (thing.as_str(), label.as_str()))
    }

    /// Freezes a coin: it is not chosen until it is unfrozen. Returns whether it was not frozen before.
    pub fn freeze(&mut self, coin: Outpoint) -> bool {
        self.frozen.insert(coin)
    }

    /// Returns whether the coin was frozen.
    pub fn unfreeze(&mut self, coin: &Outpoint) -> bool {
        self.frozen.remove(coin)
    }

    /// Whether a coin is frozen.
    pub fn is_frozen(&self, coin: &Outpoint) -> bool {
        self.frozen.contains(coin)
    }

    /// The frozen coins.
    pub fn frozen(&self) -> impl Iterator<Item = &Outpoint> {
        self.frozen.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_cut_and_steer_no_terminal() {
        let mut labels = Labels::default();
        labels.set("a", "rent\u{1b}[31m\n");
        assert_eq!(labels.get("a"), Some("rent\u{FFFD}[31m\u{FFFD}"));
        labels.set("a", &"ü".repeat(1_000));
        assert_eq!(labels.get("a").map(|label| label.chars().count()), Some(LABEL_LEN_MAX));
        labels.set("a", "");
        assert_eq!(labels.get("a"), None);
    }
}
