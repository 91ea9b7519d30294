//! Plays a study: a first batch of every point, a forecast of the whole, and then each point until it is narrow enough.

use super::experiment::{Experiment, Stage};
use super::file::{Precision, Study};
use super::progress::{Header, Played, Progress, Shard};
use crate::clock::Stopwatch;
use crate::error::usage;
use crate::interrupt::Interrupt;
use crate::lab::theory::estimate::{Estimate, NORMAL_95};
use anyhow::Result;
use std::collections::BTreeMap;
use std::path::Path;

/// Seconds between two lines about progress.
const TELL_S: f64 = 5.0;
/// How many times the runs so far a point is expected to need while nothing has succeeded and no formula says how often it will.
const UNSEEN_FACTOR: f64 = 100.0;

/// How a study is played.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The points that are played.
    pub shard: Shard,
    /// Threads of the simulator.
    pub threads: usize,
    /// Seconds that it may take; `None`: as long as it takes.
    pub within_s: Option<f64>,
    /// No lines about progress.
    pub is_quiet: bool,
}

/// What is left of a point to be played, seconds.
struct Left {
    point: usize,
    seconds: f64,
}

/// Every point with what plays it.
///
/// # Errors
/// A point that cannot be played.
pub fn experiments(study: &Study, stage: &Stage) -> Result<Vec<Experiment>> {
    study.points.iter().map(|point| Experiment::new(point, study.mode, stage)).collect()
}

/// Whether a point has been played enough.
pub fn is_enough(precision: &Precision, estimate: &Estimate, runs: u64) -> bool {
    if runs >= precision.runs_max {
        return true;
    }
    runs >= precision.runs_min && widths(precision, estimate).is_some_and(|(is, wanted)| is <= wanted)
}

/// The interval's width and the width that is wanted: the narrower of the two wishes. `None` if nothing is wished.
fn widths(precision: &Precision, estimate: &Estimate) -> Option<(f64, f64)> {
    let relative = precision.relative_width.map(|width| width * estimate.value);
    let wanted = [precision.width, relative].into_iter().flatten().reduce(f64::min)?;
    Some((estimate.interval95[1] - estimate.interval95[0], wanted))
}

/// The runs a point will have had in the end, by what it has come to so far: an interval narrows with the root of the runs.
fn runs_needed(precision: &Precision, experiment: &Experiment, played: &Played) -> f64 {
    let runs = played.moments.runs.max(1) as f64;
    let estimate = experiment.estimate(&played.moments);
    let needed = match (widths(precision, &estimate), experiment.theory()) {
        (None, _) => f64::INFINITY,
        (Some((is, wanted)), _) if estimate.value > 0.0 => runs * (is / wanted).powi(2),
        // Nothing has succeeded yet: by the formula, if there is one.
        (Some(_), Some(rate)) if rate > 0.0 && rate < 1.0 => {
            let relative = precision.relative_width.map(|width| width * rate);
            let wanted = [precision.width, relative].into_iter().flatten().fold(f64::INFINITY, f64::min);
            (2.0 * NORMAL_95 / wanted).powi(2) * rate * (1.0 - rate)
        }
        _ => runs * UNSEEN_FACTOR,
    };
    needed.clamp(precision.runs_min as f64, precision.runs_max as f64)
}

/// Plays what is missing of a study's shard into `directory`; what every point has come to, and whether all of it was played.
///
/// # Errors
/// It would take longer than it may, or a run failed.
pub fn play(
    study: &Study,
    directory: &Path,
    stage: &Stage,
    settings: &Settings,
) -> Result<(BTreeMap<usize, Played>, bool)> {
    let experiments = experiments(study, stage)?;
    let interrupt = Interrupt::install()?;
    let own: Vec<usize> = (0..experiments.len()).filter(|point| settings.shard.has(*point)).collect();
    check_least(study, &experiments, &own, settings)?;
    let mut progress = Progress::open(directory, &Header::of(study))?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(settings.threads).build()?;
    let batch = |progress: &mut Progress, point: usize| -> Result<()> {
        let number = progress.played.get(&point).map_or(0, |played| played.batches);
        let clock = Stopwatch::start();
        let moments = pool.install(|| experiments[point].batch(study.seed, number))?;
        progress.add(point, &moments, clock.seconds()).map(drop)
    };
    for &point in &own {
        if !progress.played.contains_key(&point) && !interrupt.is_set() {
            batch(&mut progress, point)?;
        }
    }
    let left = |progress: &Progress| -> Vec<Left> {
        let points = own.iter().copied().filter_map(|point| {
            let played = progress.played.get(&point)?;
            let estimate = experiments[point].estimate(&played.moments);
            if is_enough(&study.precision, &estimate, played.moments.runs) {
                return None;
            }
            let runs = played.moments.runs.max(1) as f64;
            let more = runs_needed(&study.precision, &experiments[point], played) / runs - 1.0;
            Some(Left { point, seconds: played.seconds * more.max(0.0) })
        });
        points.collect()
    };
    let forecast_s: f64 = left(&progress).iter().map(|left| left.seconds).sum();
    if let Some(within_s) = settings.within_s.filter(|within_s| forecast_s > *within_s) {
        return Err(usage(format!(
            "the study would take about {} more, by a first batch of each of its points (kept in {}), and may take {}; ask for wider \
             intervals in [precision], sweep less, or play shards on several machines",
            duration(forecast_s),
            directory.display(),
            duration(within_s)
        )));
    }
    let mut told = Stopwatch::start();
    if !settings.is_quiet {
        eprintln!("{} points, about {}", own.len(), duration(forecast_s));
    }
    loop {
        let open = left(&progress);
        let (Some(next), false) = (open.first(), interrupt.is_set()) else {
            return Ok((std::mem::take(&mut progress.played), open.is_empty()));
        };
        batch(&mut progress, next.point)?;
        if !settings.is_quiet && told.seconds() > TELL_S {
            told = Stopwatch::start();
            let seconds = open.iter().map(|left| left.seconds).sum();
            eprintln!("{} of {} points are done; about {} left", own.len() - open.len(), own.len(), duration(seconds));
        }
    }
}

/// Refuses what cannot end in time whatever happens: live runs take their blocks' time.
fn check_least(study: &Study, experiments: &[Experiment], own: &[usize], settings: &Settings) -> Result<()> {
    let batches = |experiment: &Experiment| study.precision.runs_min.div_ceil(experiment.batch_runs()) as f64;
    let least_s: f64 = own.iter().map(|point| experiments[*point].batch_s_min() * batches(&experiments[*point])).sum();
    match settings.within_s {
        Some(within_s) if least_s > within_s => Err(usage(format!(
            "the study takes {} or more, with {} runs at least of each point, and may take {}; lower runs_min, sweep less, or use more \
             --networks",
            duration(least_s),
            study.precision.runs_min,
            duration(within_s)
        ))),
        _ => Ok(()),
    }
}

/// `40 s`, `12 min`, `3.5 h`.
pub fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7_200.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3_600.0),
    }
}
