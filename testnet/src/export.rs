//! Networks and studies written down for engines that run them elsewhere: Compose, Kubernetes, Slurm.
//!
//! [`network`] holds what a plan and an export decide together: each node's configuration, its account, the password; [`compose`]
//! and [`kubernetes`] say it in their engine's words, [`mod@study`] does so for a study in shards. [`names`] refuses what an engine
//! would refuse. [`image`] makes the container image of this very program. Everything is a value first and becomes text in [`yaml`];
//! nothing here starts a node. It stands on [`crate::plan`]; [`crate::cli`] writes the files.

pub mod compose;
pub mod image;
pub mod kubernetes;
pub mod names;
pub mod network;
pub mod study;
pub mod yaml;

use crate::error::usage;
use anyhow::{Context as _, Result};
use node::shell::files::{Access, replace};
use std::path::Path;

/// One file of an export.
#[derive(Clone, Debug, PartialEq)]
pub struct ExportedFile {
    /// Where it goes in the export's directory.
    pub path: String,
    /// Its text.
    pub text: String,
    /// Whether it holds a password or a wallet's words, and only its owner may read it.
    pub is_secret: bool,
}

impl ExportedFile {
    /// A file that everybody may read.
    pub fn new(path: impl Into<String>, text: impl Into<String>) -> ExportedFile {
        ExportedFile { path: path.into(), text: text.into(), is_secret: false }
    }

    /// A file for its owner only.
    pub fn secret(path: impl Into<String>, text: impl Into<String>) -> ExportedFile {
        ExportedFile { is_secret: true, ..ExportedFile::new(path, text) }
    }
}

/// Writes an export into a directory that is new or empty.
///
/// # Errors
/// The directory holds something, or cannot be written.
pub fn write(directory: &Path, files: &[ExportedFile]) -> Result<()> {
    let named = || format!("cannot write {}", directory.display());
    std::fs::create_dir_all(directory).with_context(named)?;
    if std::fs::read_dir(directory).with_context(named)?.next().is_some() {
        return Err(usage(format!("{} is not empty; give a new directory with -o", directory.display())));
    }
    for file in files {
        let path = directory.join(&file.path);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).with_context(named)?;
        }
        let access = if file.is_secret { Access::Owner } else { Access::Everyone };
        replace(&path, file.text.as_bytes(), access).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::network::{ExportOptions, ExportedNetwork};
    use super::*;
    use crate::plan::file::NetworkFile;
    use chain_spec::ChainSpec;
    use serde_json::Value;
    use std::os::unix::fs::PermissionsExt as _;

    /// Five nodes of four roles, names that a careless writer of YAML would make numbers or truths of, and bad links.
    pub(crate) const ODD: &str = r#"
        [topology]
        preset = "ring"
        [[node]]
        name = "on"
        share = 0.5
        [[node]]
        name = "n"
        share = "30%"
        threads = 2
        [[node]]
        name = "e3"
        role = "shop"
        arguments = ["--rpc-auth", "a:b$HOME$(HOME)", "--log-level", "no"]
        [[node]]
        name = "null"
        [[node]]
        name = "mallory"
        role = "attacker"
        share = 0.2
        strategy = ["selfish", "--control", "/somewhere"]
        [[link]]
        between = ["on", "n"]
        delay = "200ms"
        jitter = "20ms"
        [[link]]
        between = ["n", "e3"]
        loss = "5%"
        bandwidth = "1MB/s"
    "#;

    /// The export of a network file's text on chain `local`.
    pub(crate) fn exported(text: &str) -> ExportedNetwork {
        let spec = ChainSpec::builtin("local").unwrap();
        let mut plan = NetworkFile::parse(text).unwrap().plan;
        plan.hashrate = 1_000.0;
        let ports = (0..plan.nodes.len()).map(|index| 18_600 + index as u16).collect();
        ExportedNetwork::new(plan, spec, ExportOptions { ports, ..ExportOptions::default() }).unwrap()
    }

    /// A file of an export.
    pub(crate) fn text_of<'a>(files: &'a [ExportedFile], path: &str) -> &'a str {
        let names = || files.iter().map(|file| file.path.as_str()).collect::<Vec<_>>().join(", ");
        &files.iter().find(|file| file.path == path).unwrap_or_else(|| panic!("no {path} among {}", names())).text
    }

    /// YAML read by Python's parser, which follows YAML 1.1: every document of the text. None where there is no Python with it.
    pub(crate) fn python_reads(text: &str) -> Option<Vec<Value>> {
        use std::io::Write as _;
        use std::process::{Command, Stdio};
        let script = "import sys, json, yaml; print(json.dumps(list(yaml.safe_load_all(sys.stdin))))";
        let mut python = Command::new("python3")
            .args(["-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .ok()?;
        python.stdin.take().unwrap().write_all(text.as_bytes()).ok()?;
        let output = python.wait_with_output().unwrap();
        let complaint = String::from_utf8_lossy(&output.stderr);
        if complaint.contains("No module named") {
            println!("skipped: Python's yaml module is not installed (Debian: python3-yaml)");
            return None;
        }
        assert!(output.status.success(), "{complaint}\n{text}");
        Some(serde_json::from_slice(&output.stdout).unwrap())
    }

    #[test]
    fn an_export_goes_into_an_empty_directory_and_keeps_its_secrets() {
        let place = tempfile::tempdir().unwrap();
        let files = [ExportedFile::new("a/b", "open"), ExportedFile::secret(".env", "secret")];
        write(place.path(), &files).unwrap();
        let mode = |path: &str| std::fs::metadata(place.path().join(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(".env"), 0o600);
        assert_ne!(mode("a/b") & 0o044, 0, "others may read it");
        let error = write(place.path(), &files).unwrap_err();
        assert!(error.to_string().contains("is not empty; give a new directory"), "{error}");
    }
}
