//! What of a study has been played, on disk: `progress.jsonl` in the results' directory.
//!
//! The first line says which study it is, by which version of the program; each further line what a point has come to after a
//! batch. A line that is not whole, as a power cut leaves it, is dropped. Since every batch has seeds of its own, a study that was
//! ended and gone on with gives what an uninterrupted one gives.

use super::file::Study;
use crate::error::usage;
use crate::lab::theory::estimate::Moments;
use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Which study a directory holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// SHA-256 of the study file.
    pub study: String,
    /// The program's version: another one may draw or decide otherwise.
    pub version: String,
    /// The seed.
    pub seed: u64,
}

impl Header {
    /// Of a study played by this program.
    pub fn of(study: &Study) -> Header {
        Header { study: study.digest.clone(), version: env!("CARGO_PKG_VERSION").to_owned(), seed: study.seed }
    }
}

/// What a point has come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Played {
    /// Batches that were played; the next has this number.
    pub batches: u32,
    /// What they came to.
    pub moments: Moments,
    /// What they took, seconds of wall time.
    pub seconds: f64,
}

#[derive(Serialize, Deserialize)]
struct Line {
    point: usize,
    played: Played,
}

/// The part of a study's points that one process plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// From 1.
    pub number: usize,
    /// How many there are.
    pub of: usize,
}

impl Shard {
    /// All points.
    pub const WHOLE: Shard = Shard { number: 1, of: 1 };

    /// `1/3`, counted from 0: the second of three.
    pub fn from_index(text: &str) -> Result<Shard, String> {
        let parts = text.split_once('/').and_then(|(index, of)| Some((index.parse::<usize>().ok()?, of.parse().ok()?)));
        match parts {
            Some((index, of)) if index < of => Ok(Shard { number: index + 1, of }),
            _ => Err("a shard's index is i/n with i from 0 to n-1, such as 1/3".into()),
        }
    }

    /// Whether it plays a point.
    pub fn has(&self, point: usize) -> bool {
        point % self.of == self.number - 1
    }
}

/// `2/3`.
impl std::str::FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Shard, String> {
        let parts = text.split_once('/').and_then(|(number, of)| Some((number.parse().ok()?, of.parse().ok()?)));
        match parts {
            Some((number, of)) if (1..=of).contains(&number) => Ok(Shard { number, of }),
            _ => Err("a shard is i/n with i from 1 to n, such as 2/3".into()),
        }
    }
}

/// A results' directory.
pub struct Progress {
    file: File,
    path: PathBuf,
    /// What each point has come to so far.
    pub played: BTreeMap<usize, Played>,
}

impl Progress {
    /// Begins, or goes on with what is in `directory`.
    ///
    /// # Errors
    /// The directory holds another study's results, or cannot be written.
    pub fn open(directory: &Path, header: &Header) -> Result<Progress> {
        std::fs::create_dir_all(directory).with_context(|| format!("cannot create {}", directory.display()))?;
        let path = file_in(directory);
        let held = if path.exists() { Some(read(&path)?) } else { None };
        if let Some((held, _)) = &held
            && held != header
        {
            return Err(usage(format!(
                "{} holds results of {}; use another --out, or remove it to begin anew",
                directory.display(),
                if held.study == header.study {
                    format!("version {} of this program, and this is {}", held.version, header.version)
                } else {
                    "another study file, or of this one before it was changed".to_owned()
                }
            )));
        }
        let mut file = OpenOptions::new().create(true).append(true).open(&path).with_context(|| cannot_write(&path))?;
        match &held {
            None => writeln!(file, "{}", serde_json::to_string(header)?),
            // Ends a line that was cut off.
            Some(_) => writeln!(file),
        }
        .with_context(|| cannot_write(&path))?;
        Ok(Progress { file, path, played: held.map(|(_, played)| played).unwrap_or_default() })
    }

    /// Takes in a batch.
    pub fn add(&mut self, point: usize, moments: &Moments, seconds: f64) -> Result<Played> {
        let played = self.played.entry(point).or_default();
        played.batches += 1;
        played.moments.merge(moments);
        played.seconds += seconds;
        let played = *played;
        let text = serde_json::to_string(&Line { point, played })?;
        // One write, so that a power cut leaves whole lines but perhaps the last.
        self.file.write_all(format!("{text}\n").as_bytes()).with_context(|| cannot_write(&self.path))?;
        Ok(played)
    }
}

fn file_in(directory: &Path) -> PathBuf {
    directory.join("progress.jsonl")
}

fn cannot_write(path: &Path) -> String {
    format!("cannot write {}", path.display())
}

/// What a progress file holds.
fn read(path: &Path) -> Result<(Header, BTreeMap<usize, Played>)> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut lines = text.lines();
    let header = lines.next().and_then(|line| serde_json::from_str(line).ok());
    let Some(header) = header else { bail!("{} does not begin as a study's progress does", path.display()) };
    let whole = lines.filter_map(|line| serde_json::from_str::<Line>(line).ok());
    Ok((header, whole.map(|line| (line.point, line.played)).collect()))
}

/// Puts shards' results together.
///
/// # Errors
/// They are not of the study, or two hold the same point and differ.
pub fn merge(study: &Study, directories: &[PathBuf]) -> Result<BTreeMap<usize, Played>> {
    let mut all: BTreeMap<usize, Played> = BTreeMap::new();
    for directory in directories {
        let (header, played) = read(&file_in(directory))?;
        if header != Header::of(study) {
            return Err(usage(format!(
                "{} holds results of another study file or version; merge what one study file and one version gave",
                directory.display()
            )));
        }
        for (point, played) in played {
            if point >= study.points.len() {
                return Err(usage(format!("{} holds a point that the study does not have", directory.display())));
            }
            match all.insert(point, played) {
                Some(other) if other.moments != played.moments => {
                    return Err(usage(format!(
                        "{} holds point {point} that another directory holds too, played further; give each shard once",
                        directory.display()
                    )));
                }
                _ => {}
            }
        }
    }
    Ok(all)
}
