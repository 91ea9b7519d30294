//! The arguments of `testoon bench`; what it does with them is in [`bench`](crate::bench).

use crate::bench::{Output, Settings};
use clap::builder::BoolishValueParser;
use std::path::PathBuf;

/// Measure how fast this machine hashes, with every kernel of the miner
#[derive(Clone, Debug, clap::Args)]
pub struct BenchArgs {
    /// Seconds the measurements take together; long runs show how the hash rate drifts
    #[arg(long, env = "TESTOON_BENCH_SECONDS", value_name = "N", default_value_t = 20.0)]
    pub seconds: f64,
    /// Most threads to measure; a curve from one to so many is measured [default: one for each core]
    #[arg(long, env = "TESTOON_BENCH_THREADS", value_name = "N")]
    pub threads: Option<usize>,
    /// Kernel to measure: scalar, avx2, sha-ni, avx512, neon, scrypt-portable, scrypt-avx2, scrypt-avx512, or all of
    /// the proof of work
    #[arg(long, env = "TESTOON_BENCH_KERNEL", value_name = "KERNEL", default_value = "all")]
    pub kernel: String,
    /// Proof of work to measure: sha256d or scrypt [default: the kernel's, or sha256d]
    #[arg(long, env = "TESTOON_BENCH_POW", value_name = "POW")]
    pub pow: Option<String>,
    /// Bitcoin's difficulty, for the note on blocks a day
    #[arg(long, env = "TESTOON_BENCH_DIFFICULTY", value_name = "N", default_value_t = crate::bench::BITCOIN_DIFFICULTY)]
    pub difficulty: f64,
    /// Print comma-separated values
    #[arg(long, env = "TESTOON_BENCH_CSV", value_parser = BoolishValueParser::new())]
    pub csv: bool,
    /// Also draw bars, scaling and the hash rate over time into this SVG file
    #[arg(long, env = "TESTOON_BENCH_SVG", value_name = "FILE")]
    pub svg: Option<PathBuf>,
    /// Compare with the JSON of an earlier run
    #[arg(long, env = "TESTOON_BENCH_COMPARE", value_name = "FILE")]
    pub compare: Option<PathBuf>,
    /// Also write the result as JSON to this file, to be kept or shared (docs/bench.md says what is in it)
    #[arg(long, env = "TESTOON_BENCH_SUBMIT_JSON", value_name = "FILE")]
    pub submit_json: Option<PathBuf>,
}

/// Runs the benchmark; as one line of JSON on standard output if `json`.
pub fn run(arguments: BenchArgs, json: bool) -> anyhow::Result<()> {
    crate::bench::run(&Settings {
        seconds: arguments.seconds,
        threads: arguments.threads,
        kernel: arguments.kernel,
        pow: arguments.pow,
        difficulty: arguments.difficulty,
        output: Output { json, csv: arguments.csv },
        svg: arguments.svg,
        compare: arguments.compare,
        submit_json: arguments.submit_json,
    })
}
