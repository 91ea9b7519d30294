//! A benchmark's result: what was measured, what it means, and what to be careful about.
//!
//! `table`, `json` and `svg` show it; CSV is short enough to stand here.

pub mod json;
pub mod svg;
pub mod table;

use std::fmt::Write;

use chain_spec::ProofOfWork;
use node::miner::kernel::Kernel;

use super::{
    Plan, energy,
    measure::Measured,
    outlook::{self, Outlook},
    throughput::Processor,
};

/// The fastest round may be so many times as fast as the slowest before a warning is due.
const SPREAD_MAX: f64 = 1.25;
/// More threads may be so much slower than fewer, by noise alone.
const SLOWER_TOLERANCE: f64 = 0.97;

/// What was measured, and on what.
pub struct Report {
    /// The processor.
    pub processor: Processor,
    /// Cores this process may use.
    pub cores: usize,
    /// The compiler of this program.
    pub compiler: &'static str,
    /// What was measured.
    pub proof_of_work: ProofOfWork,
    /// What the miner would choose on all cores.
    pub selected: Kernel,
    /// All rows: the crate's first, each with ascending threads.
    pub results: Vec<Measured>,
    /// What the fastest row would find.
    pub outlooks: Vec<Outlook>,
    /// Why there is no energy, if there is none.
    pub no_energy: Option<String>,
    /// Bitcoin's difficulty as it was assumed.
    pub difficulty: f64,
}

impl Report {
    /// Of this machine.
    pub fn new(plan: &Plan, difficulty: f64, selected: Kernel, results: Vec<Measured>) -> Report {
        let fastest = results.iter().map(Measured::median).fold(0.0, f64::max);
        Report {
            processor: Processor::here(),
            cores: node::miner::cores(),
            compiler: env!("TESTOON_RUSTC_VERSION"),
            proof_of_work: plan.proof_of_work,
            selected,
            outlooks: outlook::of(fastest, plan.proof_of_work, difficulty),
            no_energy: energy::Counters::open().err(),
            difficulty,
            results,
        }
    }

    /// `kernel × threads`.
    pub fn label(&self, measured: &Measured) -> String {
        format!("{} × {}", measured.contender.name(), measured.threads)
    }

    /// Hashes a second of the fastest row, at least 1 so that it can be divided by.
    pub fn fastest(&self) -> f64 {
        self.results.iter().map(Measured::median).fold(1.0, f64::max)
    }

    /// How many times faster than the crate on as many threads; the first rows are the crate's.
    pub fn ratio(&self, measured: &Measured) -> f64 {
        let baseline = self.results.iter().find(|other| other.threads == measured.threads);
        baseline.map_or(1.0, |baseline| measured.median() / baseline.median())
    }

    /// How many times faster than on one thread.
    pub fn scaling(&self, measured: &Measured) -> Option<f64> {
        let single = self.same_contender(measured).find(|other| other.threads == 1 && measured.threads > 1)?;
        Some(measured.median() / single.median())
    }

    /// What share of its arithmetic limit a row reaches, where the processor's throughput is known.
    pub fn share_of_limit(&self, measured: &Measured) -> Option<f64> {
        let limit = self.processor.throughput()?.cycles_per_hash(measured.contender.kernel()?.name())?;
        Some(limit / measured.cycles_per_hash(self.cores))
    }

    /// The rows of the same contender, by ascending threads.
    pub fn same_contender(&self, measured: &Measured) -> impl Iterator<Item = &Measured> {
        let name = measured.contender.name();
        self.results.iter().filter(move |other| other.contender.name() == name)
    }

    /// What a reader should know before trusting the figures.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let most = self.results.iter().map(|measured| measured.threads).max().unwrap_or(1);
        if most > self.cores {
            let cores = self.cores;
            warnings.push(format!("{most} threads share {cores} cores: more threads than cores cannot add hashes"));
        }
        warnings.extend(self.spread_warning());
        // With more threads than cores, the first warning says it already.
        for measured in self.results.iter().filter(|measured| measured.threads <= self.cores) {
            let fewer = self.same_contender(measured).filter(|other| other.threads < measured.threads).last();
            if let Some(fewer) = fewer.filter(|fewer| measured.median() < SLOWER_TOLERANCE * fewer.median()) {
                let (label, threads) = (self.label(measured), fewer.threads);
                warnings.push(format!("{label} is slower than with {threads}: threads disturb each other"));
            }
        }
        warnings
    }

    /// One sentence for all rows whose rounds differ much.
    fn spread_warning(&self) -> Option<String> {
        let times = |measured: &Measured| measured.spread().1 / measured.spread().0.max(1.0);
        let wide: Vec<&Measured> = self.results.iter().filter(|measured| times(measured) > SPREAD_MAX).collect();
        let worst = wide.iter().max_by(|a, b| times(a).total_cmp(&times(b)))?;
        let (label, times) = (self.label(worst), times(worst));
        // A round in which the threads did not run at all has no rate to compare with.
        let times = if times < 100.0 { format!("{times:.1} times") } else { "more than 100 times".to_owned() };
        let (count, all) = (wide.len(), self.results.len());
        Some(format!(
            "rounds differ by more than {SPREAD_MAX} times in {count} of {all} rows, {times} in {label}: something \
             else was running, so trust the ratios more than the rates"
        ))
    }
}

/// A line of names, then one line for each row.
pub fn csv(report: &Report) -> String {
    let mut text = String::from("kernel,threads,hashes_per_second,min,max,ratio,cycles_per_hash\n");
    for measured in &report.results {
        let ((min, max), median) = (measured.spread(), measured.median());
        let (name, threads, ratio) = (measured.contender.name(), measured.threads, report.ratio(measured));
        let cycles = measured.cycles_per_hash(report.cores);
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name},{threads},{median:.0},{min:.0},{max:.0},{ratio:.3},{cycles:.1}");
    }
    text
}
