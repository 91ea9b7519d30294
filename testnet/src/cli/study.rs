//! `testoon study`: parameters swept over any attack, played until every point is precise enough.

use super::Common;
use crate::error::usage;
use crate::lab::study::experiment::{Experiment, Stage};
use crate::lab::study::file::Study;
use crate::lab::study::progress::{Played, Shard, merge};
use crate::lab::study::run::{self, Settings};
use crate::lab::study::table::{self, chi_squared};
use crate::lab::study::{plot, report};
use crate::output::line;
use anyhow::{Context as _, Result};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Sweep parameters of an attack and measure every point, in the simulator or on live nodes.
#[derive(Clone, Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct StudyArgs {
    #[command(subcommand)]
    command: Option<StudyCommand>,
    /// The study file (docs/studies.md says what is in it)
    #[arg(required = true, value_name = "FILE")]
    file: Option<PathBuf>,
    /// The results' directory; a study that was ended goes on with what is there [default: FILE with .results for its extension]
    #[arg(long, env = "TESTOON_OUT", value_name = "DIRECTORY")]
    out: Option<PathBuf>,
    /// Play only the points of one shard, such as 2/3: with shards on several machines, `testoon study merge` puts them together
    #[arg(long, env = "TESTOON_SHARD", value_name = "i/n")]
    shard: Option<Shard>,
    /// The same with i from 0 to n-1, as an Indexed Job of Kubernetes counts
    #[arg(long, env = "TESTOON_SHARD_INDEX", value_name = "i/n", value_parser = Shard::from_index, conflicts_with = "shard")]
    shard_index: Option<Shard>,
    /// The time it may take, such as 90s, 10m or 2h: a study that would take longer says so and is not played
    #[arg(long, env = "TESTOON_WITHIN", value_name = "TIME", value_parser = parse_time)]
    within: Option<f64>,
    /// Threads of the simulator [default: one a core]. The result does not depend on it
    #[arg(long, env = "TESTOON_THREADS", value_parser = clap::value_parser!(u16).range(1..=1_024))]
    threads: Option<u16>,
    /// Live: networks side by side [default: one a core]
    #[arg(long, env = "TESTOON_NETWORKS", value_parser = clap::value_parser!(u16).range(1..=64))]
    networks: Option<u16>,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum StudyCommand {
    /// Put the results of several shards of a study together
    Merge(MergeArgs),
}

#[derive(Clone, Debug, clap::Args)]
struct MergeArgs {
    /// The study file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The shards' results
    #[arg(required = true, value_name = "DIRECTORY")]
    shards: Vec<PathBuf>,
    /// Where the results go [default: FILE with .results for its extension]
    #[arg(long, env = "TESTOON_OUT", value_name = "DIRECTORY")]
    out: Option<PathBuf>,
}

fn parse_time(text: &str) -> Result<f64, String> {
    let units = [("s", 1.0), ("m", 60.0), ("h", 3_600.0)];
    let parsed = units.into_iter().find_map(|(unit, seconds)| {
        let number = text.strip_suffix(unit)?.parse::<f64>().ok()?;
        (number > 0.0 && number.is_finite()).then_some(number * seconds)
    });
    parsed.ok_or_else(|| "a time is a number with s, m or h behind it, such as 90s or 10m".into())
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Plays a study, or merges its shards.
pub fn run(args: &StudyArgs, common: &Common) -> Result<()> {
    if let Some(StudyCommand::Merge(merge)) = &args.command {
        return merge_shards(merge, common.json);
    }
    let Some(file) = &args.file else { return Err(usage("a study needs its FILE")) };
    let study = Study::load(file)?;
    let shard = args.shard.or(args.shard_index).unwrap_or(Shard::WHOLE);
    let out = args.out.clone().unwrap_or_else(|| match shard {
        Shard::WHOLE => file.with_extension("results"),
        Shard { number, of } => file.with_extension(format!("results-{number}-of-{of}")),
    });
    let stage = Stage { directory: out.join("networks"), networks: args.networks.map_or_else(cores, usize::from) };
    let threads = args.threads.map_or_else(cores, usize::from);
    let settings = Settings { shard, threads, within_s: args.within, is_quiet: common.json };
    let (played, is_done) = run::play(&study, &out, &stage, &settings)?;
    let experiments = run::experiments(&study, &stage)?;
    write(&study, &experiments, &played, &out, is_done && shard == Shard::WHOLE, common.json)?;
    if !is_done {
        anyhow::bail!("interrupted; what was played is kept, and the same command goes on");
    }
    Ok(())
}

fn merge_shards(args: &MergeArgs, json: bool) -> Result<()> {
    let study = Study::load(&args.file)?;
    let out = args.out.clone().unwrap_or_else(|| args.file.with_extension("results"));
    let played = merge(&study, &args.shards)?;
    let experiments = run::experiments(&study, &Stage { directory: out.join("networks"), networks: 1 })?;
    let is_complete = (0..study.points.len()).all(|point| {
        played.get(&point).is_some_and(|played| {
            run::is_enough(&study.precision, &experiments[point].estimate(&played.moments), played.moments.runs)
        })
    });
    std::fs::create_dir_all(&out).with_context(|| format!("cannot create {}", out.display()))?;
    write(&study, &experiments, &played, &out, is_complete, json)
}

/// Writes the table, the picture and the report, and says where they are.
fn write(
    study: &Study,
    experiments: &[Experiment],
    played: &BTreeMap<usize, Played>,
    out: &Path,
    is_complete: bool,
    json: bool,
) -> Result<()> {
    let rows = table::rows(study, experiments, played);
    let save = |name: &str, text: &str| {
        let path = out.join(name);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    };
    save("results.csv", &table::csv(&rows))?;
    let parquet = out.join("results.parquet");
    table::write_parquet(&rows, &parquet).with_context(|| format!("cannot write {}", parquet.display()))?;
    let report = report::report(study, experiments, &rows, is_complete);
    save("report.md", &report)?;
    if let Some(picture) = plot::picture(study, &rows)? {
        save("plot.svg", &picture)?;
    }
    let (squares, points) = chi_squared(&rows);
    if json {
        line(json!({
            "study": study.name,
            "points": study.points.len(),
            "played": rows.len(),
            "complete": is_complete,
            "chi_squared": { "value": squares, "points": points },
            "out": out.display().to_string(),
            "rows": rows.iter().map(table::Row::as_json).collect::<Vec<_>>(),
        }));
        return Ok(());
    }
    let results = report.split_once("## Results\n\n").map_or(report.as_str(), |(_, results)| results);
    line(results.trim_end());
    line(format_args!("\nresults.csv, results.parquet, plot.svg and report.md are in {}.", out.display()));
    Ok(())
}
