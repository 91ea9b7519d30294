//! The result as one JSON object on one line: for programs, for `--compare` and for sharing. docs/bench.md says what each
//! field means; whatever changes in it changes [`SCHEMA`].

use super::Report;
use serde_json::{Value, json};

/// Name and version of the format.
pub const SCHEMA: &str = "testoon-bench/2";

/// The object and a line break.
pub fn line(report: &Report) -> String {
    let results: Vec<Value> = report.results.iter().map(|measured| row(report, measured)).collect();
    let outlooks: Vec<Value> = report
        .outlooks
        .iter()
        .map(|outlook| {
            json!({
                "chain": outlook.chain,
                "hashes_per_block": outlook.hashes_per_block,
                "blocks_per_day": outlook.blocks_per_day,
            })
        })
        .collect();
    let value = json!({
        "schema": SCHEMA,
        "version": env!("CARGO_PKG_VERSION"),
        "proof_of_work": report.proof_of_work.as_str(),
        "cpu": report.processor.name,
        "cpu_vendor": report.processor.vendor,
        "cpu_family": report.processor.family,
        "cpu_model": report.processor.model,
        "cores": report.cores,
        "throughput_of": report.processor.throughput().map(|throughput| throughput.name),
        "os": std::env::consts::OS,
        "architecture": std::env::consts::ARCH,
        "compiler": report.compiler,
        "selected": report.selected.name().as_str(),
        "no_energy": report.no_energy,
        "bitcoin_difficulty": report.difficulty,
        "results": results,
        "outlook": outlooks,
        "warnings": report.warnings(),
    });
    format!("{value}\n")
}

fn row(report: &Report, measured: &super::Measured) -> Value {
    let (min, max) = measured.spread();
    let over_time: Vec<Value> = measured
        .rounds
        .iter()
        .map(|round| json!([(round.at_s * 10.0).round() / 10.0, round.hashes_per_second.round() as u64]))
        .collect();
    json!({
        "kernel": measured.contender.name(),
        "form": measured.contender.form(),
        "threads": measured.threads,
        "hashes_per_second": measured.median().round() as u64,
        "min": min.round() as u64,
        "max": max.round() as u64,
        "ratio": report.ratio(measured),
        "scaling": report.scaling(measured),
        "core_hz": measured.core_hz().round() as u64,
        "cycles_per_hash": measured.cycles_per_hash(report.cores),
        "share_of_limit": report.share_of_limit(measured),
        "hashes_per_joule": measured.hashes_per_joule(),
        "memory_bytes_per_thread": measured.contender.kernel().map(|kernel| kernel.memory_bytes()),
        "drift": measured.drift(),
        "over_time": over_time,
    })
}
