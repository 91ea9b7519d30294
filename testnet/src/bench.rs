//! `testoon bench`: how fast this machine does SHA-256d, for every kernel of the miner, side by side.
//!
//! The kernels are [`node::miner::kernel`]'s; `measure` times them and `report` shows the result as a table, JSON, CSV or
//! SVG. The `sha2` crate hashing whole headers is a row of every run, so ratios come from one run on one machine.
//! Nothing is mined here, and no result is kept.

mod measure;
mod report;

#[cfg(test)]
mod tests;

use clap::builder::BoolishValueParser;
use std::{fs, path::PathBuf, time::Duration};

use anyhow::Context;
use chain_spec::ProofOfWork;
use indicatif::{ProgressBar, ProgressStyle};
use node::miner::kernel::{Kernel, KernelError, KernelName};

use crate::error::usage;
use crate::output::text_as_it_is;
use measure::{Contender, Measured};
use report::Report;

/// Arguments of `testoon bench`.
#[derive(Clone, Debug, clap::Args)]
pub struct BenchArgs {
    /// Seconds the measurements take together
    #[arg(long, env = "TESTOON_BENCH_SECONDS", value_name = "N", default_value_t = 20.0)]
    pub seconds: f64,
    /// Threads to measure besides one [default: one for each core]
    #[arg(long, env = "TESTOON_BENCH_THREADS", value_name = "N")]
    pub threads: Option<usize>,
    /// Kernel to measure: scalar, sha-ni, avx2, avx512 or all
    #[arg(long, env = "TESTOON_BENCH_KERNEL", value_name = "KERNEL", default_value = "all")]
    pub kernel: String,
    /// Print comma-separated values
    #[arg(long, env = "TESTOON_BENCH_CSV", value_parser = BoolishValueParser::new())]
    pub csv: bool,
    /// Also write a bar chart to this SVG file
    #[arg(long, env = "TESTOON_BENCH_SVG", value_name = "FILE")]
    pub svg: Option<PathBuf>,
}

/// Longer is a mistake, not a measurement.
const SECONDS_MAX: f64 = 86_400.0;
/// More threads than this say nothing about a processor.
const THREADS_MAX: usize = 4096;

/// Arguments that cannot be honoured.
#[derive(Debug, thiserror::Error)]
enum BadInput {
    #[error("--seconds {0}: the time must be more than 0 and at most {SECONDS_MAX} seconds")]
    Seconds(f64),
    #[error("--threads {0}: ask for 1 to {THREADS_MAX} threads (this machine has {cores} cores)", cores = node::miner::cores())]
    Threads(usize),
    #[error("--kernel: {0}, all")]
    Kernel(#[from] KernelError),
    #[error("--json and --csv: ask for one of them")]
    TwoFormats,
}

/// What to measure, from arguments that make sense.
#[derive(Debug)]
struct Plan {
    duration: Duration,
    threads: Vec<usize>,
    kernels: Vec<KernelName>,
}

impl Plan {
    fn new(args: &BenchArgs, json: bool) -> Result<Plan, BadInput> {
        if json && args.csv {
            return Err(BadInput::TwoFormats);
        }
        if !(args.seconds > 0.0 && args.seconds <= SECONDS_MAX) {
            return Err(BadInput::Seconds(args.seconds));
        }
        let most = args.threads.unwrap_or_else(node::miner::cores);
        if !(1..=THREADS_MAX).contains(&most) {
            return Err(BadInput::Threads(most));
        }
        let available = KernelName::available(ProofOfWork::Sha256d);
        let kernels = match args.kernel.as_str() {
            "all" => available,
            name => match name.parse()? {
                name if available.contains(&name) => vec![name],
                name => return Err(KernelError::Unsupported(name).into()),
            },
        };
        let threads = if most == 1 { vec![1] } else { vec![1, most] };
        Ok(Plan { duration: Duration::from_secs_f64(args.seconds), threads, kernels })
    }
}

/// Runs the benchmark and prints its result. Fails if a kernel's self-test does, or on arguments that make no sense.
pub fn run(args: &BenchArgs, json: bool) -> anyhow::Result<()> {
    let plan = Plan::new(args, json).map_err(|error| usage(error.to_string()))?;
    let kernels = plan.kernels.iter().map(|&name| Kernel::named(name)).collect::<Result<Vec<_>, _>>()?;
    if let Some(path) = &args.svg {
        // Tried before any time goes into measuring.
        let file = fs::File::options().create(true).append(true).open(path);
        file.with_context(|| format!("cannot write the chart to {}", path.display()))?;
    }
    for &kernel in &kernels {
        measure::self_test(kernel)?;
    }
    let selected = match kernels[..] {
        [kernel] => kernel,
        _ => Kernel::fastest(ProofOfWork::Sha256d, 1),
    };
    let contenders: Vec<Contender> =
        std::iter::once(Contender::Crate).chain(kernels.into_iter().map(Contender::Kernel)).collect();
    let results = measure_all(&plan, &contenders);
    let report = Report::new(selected, results);
    let text = match (json, args.csv) {
        (true, _) => report.json(),
        (_, true) => report.csv(),
        _ => report.table(),
    };
    text_as_it_is(text);
    if let Some(path) = &args.svg {
        fs::write(path, report.svg()).with_context(|| format!("cannot write the chart to {}", path.display()))?;
    }
    Ok(())
}

/// Measures with a progress bar on standard error, which is silent when that is not a terminal.
fn measure_all(plan: &Plan, contenders: &[Contender]) -> Vec<Measured> {
    let mut results: Vec<Measured> = contenders
        .iter()
        .flat_map(|&contender| plan.threads.iter().map(move |&threads| Measured::new(contender, threads)))
        .collect();
    let style =
        ProgressStyle::with_template("{bar:32} {pos}/{len} {msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::new(u64::from(measure::ROUNDS) * results.len() as u64).with_style(style);
    measure::in_rounds(&mut results, plan.duration, |measured| {
        bar.set_message(format!("{}, threads: {}", measured.contender.name(), measured.threads));
        bar.inc(1);
    });
    bar.finish_and_clear();
    results
}
