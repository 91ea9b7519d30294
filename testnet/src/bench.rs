//! `testoon bench`: how fast this machine does a proof of work, for every kernel of the miner, side by side.
//!
//! The kernels are [`node::miner::kernel`]'s. On the ground stand `clock` (the core's real clock), `energy` (the processor's
//! counters) and `throughput` (what a processor could do at most); `measure` times contenders, `outlook` says what a
//! network's difficulty makes of a hash rate, `report` shows the result as a table, JSON, CSV or SVG, `compare` holds it
//! against an earlier one. The crates `sha2` and `scrypt` hashing whole headers are a row of every run, so that ratios come
//! from one run on one machine. Nothing is mined here.

mod clock;
mod compare;
mod energy;
mod measure;
mod outlook;
mod report;
mod throughput;

#[cfg(test)]
mod tests;

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context;
use chain_spec::ProofOfWork;
use indicatif::{ProgressBar, ProgressStyle};
use node::miner::kernel::{Kernel, KernelError, KernelName};

use crate::error::usage;
use crate::output::text_as_it_is;
use measure::{Contender, Measured, Schedule};
pub use outlook::BITCOIN_DIFFICULTY;
use report::Report;

/// Longer is a mistake, not a measurement.
const SECONDS_MAX: f64 = 86_400.0;
/// More threads than this say nothing about a processor.
const THREADS_MAX: usize = 4096;

/// What to measure and where to put the result, as it was asked for.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Seconds of all measurements together.
    pub seconds: f64,
    /// Most threads; none is one for each core.
    pub threads: Option<usize>,
    /// A kernel's name, or `all`.
    pub kernel: String,
    /// A proof of work's name; none is the kernel's, or SHA-256d.
    pub pow: Option<String>,
    /// Bitcoin's difficulty, for the outlook.
    pub difficulty: f64,
    /// The form of standard output.
    pub output: Output,
    /// Where to draw.
    pub svg: Option<PathBuf>,
    /// The JSON of an earlier run.
    pub compare: Option<PathBuf>,
    /// Where to write this run's JSON.
    pub submit_json: Option<PathBuf>,
}

/// The form of standard output; neither is a table.
#[derive(Clone, Copy, Debug, Default)]
pub struct Output {
    /// One line of JSON.
    pub json: bool,
    /// Comma-separated values.
    pub csv: bool,
}

/// Arguments that cannot be honoured.
#[derive(Debug, thiserror::Error)]
enum BadInput {
    #[error("--seconds {0}: the time must be more than 0 and at most {SECONDS_MAX} seconds")]
    Seconds(f64),
    #[error("--threads {0}: ask for 1 to {THREADS_MAX} threads (this machine has {cores} cores)", cores = node::miner::cores())]
    Threads(usize),
    #[error("--kernel: {0}, all")]
    Kernel(#[from] KernelError),
    #[error("--pow {0}: there are sha256d and scrypt")]
    ProofOfWork(String),
    #[error("--difficulty {0}: a difficulty is a positive number")]
    Difficulty(f64),
    #[error("--json and --csv: ask for one of them")]
    TwoFormats,
}

/// What to measure, from arguments that make sense.
#[derive(Debug)]
struct Plan {
    duration: Duration,
    threads: Vec<usize>,
    proof_of_work: ProofOfWork,
    kernels: Vec<KernelName>,
}

impl Plan {
    fn new(settings: &Settings) -> Result<Plan, BadInput> {
        if settings.output.json && settings.output.csv {
            return Err(BadInput::TwoFormats);
        }
        if !(settings.seconds > 0.0 && settings.seconds <= SECONDS_MAX) {
            return Err(BadInput::Seconds(settings.seconds));
        }
        if !(settings.difficulty > 0.0 && settings.difficulty.is_finite()) {
            return Err(BadInput::Difficulty(settings.difficulty));
        }
        let most = settings.threads.unwrap_or_else(node::miner::cores);
        if !(1..=THREADS_MAX).contains(&most) {
            return Err(BadInput::Threads(most));
        }
        let (proof_of_work, kernels) = kernels(settings)?;
        let duration = Duration::from_secs_f64(settings.seconds);
        Ok(Plan { duration, threads: curve(most), proof_of_work, kernels })
    }
}

/// The proof of work and its kernels to measure.
fn kernels(settings: &Settings) -> Result<(ProofOfWork, Vec<KernelName>), BadInput> {
    let asked = settings
        .pow
        .as_deref()
        .map(|text| ProofOfWork::from_name(text).ok_or_else(|| BadInput::ProofOfWork(text.to_owned())));
    let asked = asked.transpose()?;
    if settings.kernel == "all" {
        let proof_of_work = asked.unwrap_or_default();
        return Ok((proof_of_work, KernelName::available(proof_of_work)));
    }
    let name: KernelName = settings.kernel.parse()?;
    let needed = asked.unwrap_or(name.proof_of_work());
    if name.proof_of_work() != needed {
        return Err(KernelError::OtherProofOfWork { name, needed }.into());
    }
    if !KernelName::available(needed).contains(&name) {
        return Err(KernelError::Unsupported(name).into());
    }
    Ok((needed, vec![name]))
}

/// Numbers of threads to measure: powers of two up to `most`, and `most`.
fn curve(most: usize) -> Vec<usize> {
    let powers = std::iter::successors(Some(1usize), |threads| threads.checked_mul(2));
    powers.take_while(|threads| *threads < most).chain([most]).collect()
}

/// Runs the benchmark and prints its result. Fails if a kernel's self-test does, or on arguments that make no sense.
pub fn run(settings: &Settings) -> anyhow::Result<()> {
    let plan = Plan::new(settings).map_err(|error| usage(error.to_string()))?;
    let earlier = settings.compare.as_deref().map(compare::read).transpose()?;
    for path in [&settings.svg, &settings.submit_json].into_iter().flatten() {
        // Tried before any time goes into measuring.
        let file = fs::File::options().create(true).append(true).open(path);
        file.with_context(|| format!("cannot write the result to {}", path.display()))?;
    }
    let kernels = plan.kernels.iter().map(|&name| Kernel::named(name)).collect::<Result<Vec<_>, _>>()?;
    for &kernel in &kernels {
        measure::self_test(kernel)?;
    }
    let selected = match kernels[..] {
        [kernel] => kernel,
        _ => Kernel::fastest(plan.proof_of_work, node::miner::cores()),
    };
    let contenders: Vec<Contender> = std::iter::once(Contender::Crate(plan.proof_of_work))
        .chain(kernels.into_iter().map(Contender::Kernel))
        .collect();
    let results = measure_all(&plan, &contenders);
    let report = Report::new(&plan, settings.difficulty, selected, results);
    show(settings, &report, earlier.as_ref())
}

/// Writes the result to everywhere it was asked for.
fn show(settings: &Settings, report: &Report, earlier: Option<&compare::Earlier>) -> anyhow::Result<()> {
    let json = report::json::line(report);
    let mut text = match settings.output {
        Output { json: true, .. } => json.clone(),
        Output { csv: true, .. } => report::csv(report),
        Output { .. } => report::table::text(report),
    };
    if let Some(earlier) = earlier.filter(|_| !settings.output.json && !settings.output.csv) {
        text += &compare::table(report, earlier);
    }
    text_as_it_is(text);
    if let Some(path) = &settings.svg {
        write(path, &report::svg::picture(report)?)?;
    }
    if let Some(path) = &settings.submit_json {
        write(path, &json)?;
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write the result to {}", path.display()))
}

/// Measures with a progress bar on standard error, which is silent when that is not a terminal.
fn measure_all(plan: &Plan, contenders: &[Contender]) -> Vec<Measured> {
    let mut results: Vec<Measured> = contenders
        .iter()
        .flat_map(|&contender| plan.threads.iter().map(move |&threads| Measured::new(contender, threads)))
        .collect();
    let schedule = Schedule::new(plan.duration, results.len());
    let style =
        ProgressStyle::with_template("{bar:32} {pos}/{len} {msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::new(u64::from(schedule.rounds) * results.len() as u64).with_style(style);
    measure::in_rounds(&mut results, plan.proof_of_work, schedule, |measured| {
        bar.set_message(format!("{}, threads: {}", measured.contender.name(), measured.threads));
        bar.inc(1);
    });
    bar.finish_and_clear();
    results
}
