//! The commented example configuration is complete and right.

use super::settings;
use crate::cli::options::Options;
use clap::{Args as _, Command};
use std::collections::BTreeSet;

const EXAMPLE: &str = include_str!("../../../../docs/operations/testoon.toml");

/// The example with everything commented in; `#key = value` is a setting, `# text` is not.
fn all_lines() -> String {
    let commented_in = |line: &str| match line.strip_prefix('#') {
        Some(rest) if rest.starts_with(|c: char| c.is_ascii_lowercase()) => rest.to_owned(),
        _ => line.to_owned(),
    };
    EXAMPLE.lines().map(commented_in).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_example_names_every_option_and_every_value_is_accepted() {
    let _: Options = toml::from_str(EXAMPLE).expect("as it is");
    let all = all_lines();
    let options: Options = toml::from_str(&all).expect("with everything commented in");
    // Users of the same name twice are one too many.
    let options = Options { rpc_auth: Vec::new(), ..options };
    settings(options).map(drop).expect("with everything commented in");
    let table: toml::Table = toml::from_str(&all).expect("TOML");
    let given: BTreeSet<String> = table.keys().cloned().collect();
    let known: BTreeSet<String> = Options::augment_args(Command::new("node"))
        .get_arguments()
        .filter_map(|argument| argument.get_long().map(str::to_owned))
        .collect();
    assert_eq!(given, known);
}
