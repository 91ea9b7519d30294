//! A study file: what is swept, how precisely each point is wanted, and what is drawn.

use super::parameter::{self, Parameters};
use crate::error::usage;
use anyhow::{Context as _, Result};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use std::path::Path;

/// Points a study may have.
const POINTS_MAX: usize = 100_000;

/// What the file holds, in its own words.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    name: String,
    #[serde(default)]
    mode: Mode,
    #[serde(default = "first_seed")]
    seed: u64,
    sweep: toml::Table,
    #[serde(default)]
    precision: Precision,
    #[serde(default)]
    plot: Plot,
}

fn first_seed() -> u64 {
    1
}

/// Where attacks are played.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// In the simulator.
    #[default]
    Simulated,
    /// On live nodes.
    Live,
}

/// How long each point is played. With neither width, until `runs_max`.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Precision {
    /// The 95 % interval's width that is narrow enough.
    pub width: Option<f64>,
    /// The same as a part of the value.
    pub relative_width: Option<f64>,
    /// Runs before an interval is believed: with few, it is too narrow too often.
    pub runs_min: u64,
    /// Runs after which a point is left as it is.
    pub runs_max: u64,
}

impl Default for Precision {
    fn default() -> Precision {
        Precision { width: None, relative_width: None, runs_min: 200, runs_max: 100_000 }
    }
}

/// What the picture shows.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Plot {
    /// The parameter along the horizontal axis; the swept one with most values if not given.
    pub x: Option<String>,
    /// A logarithmic vertical axis.
    pub logarithmic: bool,
}

/// A study, ready to be played.
#[derive(Clone, Debug, PartialEq)]
pub struct Study {
    /// Its name, for people.
    pub name: String,
    /// Where it is played.
    pub mode: Mode,
    /// Every run's seed is derived from it, the point and the run's number.
    pub seed: u64,
    /// What is played, in the order of the table.
    pub points: Vec<Parameters>,
    /// The parameters with more than one value.
    pub swept: Vec<&'static str>,
    /// How precisely.
    pub precision: Precision,
    /// What is drawn.
    pub plot: Plot,
    /// SHA-256 of the file, by which results are known to be of this study.
    pub digest: String,
}

impl Study {
    /// Reads a study file.
    pub fn load(path: &Path) -> Result<Study> {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        Study::parse(&text).with_context(|| path.display().to_string())
    }

    /// Reads a study file's text.
    ///
    /// # Errors
    /// What is wrong with it, in one line.
    pub fn parse(text: &str) -> Result<Study> {
        let read: Text = toml::from_str(text).map_err(|error| usage(error.to_string().replace('\n', " ")))?;
        check_precision(&read.precision).map_err(usage)?;
        let mut points = vec![Parameters::new()];
        let mut swept = Vec::new();
        for (name, given) in &read.sweep {
            let Some((name, kind, _)) = parameter::find(name) else {
                return Err(usage(format!("[sweep] has no parameter {name:?}; there are {}", parameter::names())));
            };
            let values = parameter::values(name, kind, given).map_err(usage)?;
            if values.len() > 1 {
                swept.push(name);
            }
            if points.len().saturating_mul(values.len()) > POINTS_MAX {
                return Err(usage(format!("more than {POINTS_MAX} points; sweep less, or split the study")));
            }
            let with = |point: &Parameters| {
                values
                    .iter()
                    .map(|value| {
                        let mut point = point.clone();
                        point.insert(name, value.clone());
                        point
                    })
                    .collect::<Vec<_>>()
            };
            points = points.iter().flat_map(with).collect();
        }
        let plot = read.plot;
        if let Some(x) = plot.x.as_deref().filter(|x| !swept.iter().any(|name| name == x)) {
            return Err(usage(format!("[plot] x = {x:?} is not swept; sweep it, or draw one of {}", swept.join(", "))));
        }
        Ok(Study {
            name: read.name,
            mode: read.mode,
            seed: read.seed,
            points,
            swept,
            precision: read.precision,
            plot,
            digest: hex::encode(Sha256::digest(text.as_bytes())),
        })
    }
}

fn check_precision(precision: &Precision) -> Result<(), String> {
    for (name, width) in [("width", precision.width), ("relative_width", precision.relative_width)] {
        if width.is_some_and(|width| !(width > 0.0 && width.is_finite())) {
            return Err(format!("[precision] {name} must be above 0"));
        }
    }
    if precision.runs_max == 0 || precision.runs_min > precision.runs_max {
        return Err("[precision] runs_max must be above 0 and not below runs_min".into());
    }
    Ok(())
}
