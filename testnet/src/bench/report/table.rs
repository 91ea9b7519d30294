//! The result for the terminal: a table, bars, how the hash rate went over time, and what a network would make of it.

use super::{Measured, Report};
use chain_spec::ProofOfWork;
use std::fmt::Write;

/// Characters of the longest bar in the terminal.
const BAR_WIDTH: f64 = 48.0;
/// Characters of the longest line over time.
const SPARKLINE_WIDTH: usize = 60;
/// From this many rounds on, the hash rate over time is worth a line.
const DRIFT_ROUNDS_MIN: usize = 18;
const SPARKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Millions of SHA-256d, thousands of scrypt.
pub fn unit(proof_of_work: ProofOfWork) -> (f64, &'static str) {
    match proof_of_work {
        ProofOfWork::Sha256d => (1e6, "MH/s"),
        ProofOfWork::Scrypt => (1e3, "kH/s"),
    }
}

/// The whole page.
pub fn text(report: &Report) -> String {
    let (name, cores) = (&report.processor.name, report.cores);
    let title = title(report.proof_of_work);
    let mut text = format!("{title} on {name} ({cores} cores), {}\n\n", report.compiler);
    rows(report, &mut text);
    bars(report, &mut text);
    over_time(report, &mut text);
    notes(report, &mut text);
    text
}

/// What was measured.
pub fn title(proof_of_work: ProofOfWork) -> &'static str {
    match proof_of_work {
        ProofOfWork::Sha256d => "SHA-256d",
        ProofOfWork::Scrypt => "scrypt (N = 1024)",
    }
}

// Writing to a string cannot fail, here and below.

fn rows(report: &Report, text: &mut String) {
    let (scale, unit) = unit(report.proof_of_work);
    let _ = writeln!(
        text,
        "{:<16} {:>7} {:>9} {:>9} {:>9} {:>8} {:>8} {:>12} {:>9} {:>9}",
        "kernel", "threads", unit, "lowest", "highest", "× crate", "scaling", "cycles/hash", "of limit", "hashes/J"
    );
    let or_dash = |value: Option<String>| value.unwrap_or_else(|| "–".to_owned());
    for measured in &report.results {
        let (min, max) = measured.spread();
        let [median, min, max] = [measured.median(), min, max].map(|rate| rate / scale);
        let scaling = or_dash(report.scaling(measured).map(|scaling| format!("{scaling:.2}")));
        let limit = or_dash(report.share_of_limit(measured).map(|share| format!("{:.0} %", 100.0 * share)));
        let energy = or_dash(measured.hashes_per_joule().map(|hashes| format!("{hashes:.0}")));
        let (ratio, cycles) = (report.ratio(measured), measured.cycles_per_hash(report.cores));
        let _ = writeln!(
            text,
            "{:<16} {:>7} {median:>9.2} {min:>9.2} {max:>9.2} {ratio:>8.2} {scaling:>8} {cycles:>12.1} {limit:>9} {energy:>9}",
            measured.contender.name(),
            measured.threads
        );
    }
    text.push('\n');
}

fn bars(report: &Report, text: &mut String) {
    let (scale, unit) = unit(report.proof_of_work);
    for measured in &report.results {
        let bar = "█".repeat((measured.median() / report.fastest() * BAR_WIDTH).round().max(1.0) as usize);
        let (name, rate) = (report.label(measured), measured.median() / scale);
        let _ = writeln!(text, "{name:>22}  {bar} {rate:.2} {unit}");
    }
    text.push('\n');
}

fn over_time(report: &Report, text: &mut String) {
    for measured in report.results.iter().filter(|measured| measured.rounds.len() >= DRIFT_ROUNDS_MIN) {
        let rates: Vec<f64> = measured.rounds.iter().map(|round| round.hashes_per_second).collect();
        let (name, drift) = (report.label(measured), 100.0 * (measured.drift() - 1.0));
        let _ = writeln!(text, "{name:>22}  {} {drift:+.1} % from the first third to the last", sparkline(&rates));
    }
    if report.results.iter().any(|measured| measured.rounds.len() >= DRIFT_ROUNDS_MIN) {
        text.push('\n');
    }
}

/// Values as a line of bars between the lowest and the highest, neighbours averaged where there are too many.
pub fn sparkline(values: &[f64]) -> String {
    let per_char = values.len().div_ceil(SPARKLINE_WIDTH).max(1);
    let means: Vec<f64> = values.chunks(per_char).map(|chunk| chunk.iter().sum::<f64>() / chunk.len() as f64).collect();
    let (low, high) = means.iter().fold((f64::INFINITY, 0.0f64), |(low, high), &mean| (low.min(mean), high.max(mean)));
    let spark = |mean: &f64| {
        // Values within a percent of each other are one height: the noise of a steady rate is no news.
        let span = (high - low).max(high / 100.0).max(f64::MIN_POSITIVE);
        SPARKS[((mean - low) / span * (SPARKS.len() - 1) as f64).round() as usize]
    };
    means.iter().map(spark).collect()
}

fn notes(report: &Report, text: &mut String) {
    let (name, form) = (report.selected.name(), report.selected.form());
    let rounds = report.results.first().map_or(0, |measured| measured.rounds.len());
    let _ = writeln!(text, "Selected for all cores: {name} ({form}). Each rate is the median of {rounds} rounds.");
    let fastest = report.results.iter().max_by(|a, b| a.median().total_cmp(&b.median()));
    if let Some(fastest) = fastest {
        let ghz = fastest.core_hz() / 1e9;
        let _ = writeln!(text, "Cycles are of a measured core clock, {ghz:.2} GHz at the fastest row.");
    }
    match report.processor.throughput() {
        Some(known) => {
            let _ = writeln!(text, "The limit is what the units of {} need for the arithmetic alone.", known.name);
        }
        None => text.push_str("No limit is shown: this processor's throughput is not known to this program.\n"),
    }
    if let Some(reason) = &report.no_energy {
        let _ = writeln!(text, "No hashes a joule: {reason}.");
    }
    for kernel in report.results.iter().filter(|row| row.threads == 1).filter_map(memory) {
        let _ = writeln!(text, "{kernel}");
    }
    text.push_str("\nAt the fastest rate, on average:\n");
    for outlook in &report.outlooks {
        let _ = writeln!(text, "{:>38}  {}", outlook.chain, outlook.text());
    }
    for warning in report.warnings() {
        let _ = writeln!(text, "warning: {warning}");
    }
}

/// What memory a row's threads work in, if that is worth a line.
fn memory(measured: &Measured) -> Option<String> {
    let kernel = measured.contender.kernel().filter(|kernel| kernel.memory_bytes() > 0)?;
    let kib = kernel.memory_bytes() / 1024;
    Some(format!("{} ({}) works in {kib} KiB of memory a thread.", kernel.name(), kernel.form()))
}
