//! `--compare`: this run against the JSON of an earlier one, as ratios of rows of the same kernel and threads.

use super::{measure::Measured, report::Report, report::table};
use anyhow::{Context, bail};
use serde_json::Value;
use std::{fmt::Write, path::Path};

/// An earlier run, as far as it is compared.
#[derive(Debug, PartialEq)]
pub struct Earlier {
    /// Its processor.
    cpu: String,
    rows: Vec<Row>,
}

#[derive(Debug, PartialEq)]
struct Row {
    kernel: String,
    threads: u64,
    hashes_per_second: f64,
}

/// Reads what `--json` or `--submit-json` wrote, also in versions before there was a schema.
///
/// # Errors
/// The file cannot be read, or is no result of `testoon bench`.
pub fn read(path: &Path) -> anyhow::Result<Earlier> {
    let text = std::fs::read_to_string(path).with_context(|| format!("--compare: cannot read {}", path.display()))?;
    parse(&text).with_context(|| format!("--compare: {} is no JSON of `testoon bench`", path.display()))
}

fn parse(text: &str) -> anyhow::Result<Earlier> {
    let value: Value = serde_json::from_str(text)?;
    let cpu = value["cpu"].as_str().context("it has no `cpu`")?.to_owned();
    let results = value["results"].as_array().context("it has no `results`")?;
    let row = |value: &Value| {
        Some(Row {
            kernel: value["kernel"].as_str()?.to_owned(),
            threads: value["threads"].as_u64()?,
            hashes_per_second: value["hashes_per_second"].as_f64()?,
        })
    };
    let rows = results.iter().map(row).collect::<Option<Vec<Row>>>();
    match rows {
        Some(rows) if !rows.is_empty() => Ok(Earlier { cpu, rows }),
        _ => bail!("its `results` are not rows of kernel, threads and hashes_per_second"),
    }
}

/// A table of the rows that both have.
pub fn table(report: &Report, earlier: &Earlier) -> String {
    let (scale, unit) = table::unit(report.proof_of_work);
    let mut text = format!("\nCompared with the earlier run on {}:\n", earlier.cpu);
    let before = |now: &Measured| {
        let same = |row: &&Row| row.kernel == now.contender.name() && row.threads == now.threads as u64;
        earlier.rows.iter().find(same).map(|row| row.hashes_per_second)
    };
    for now in &report.results {
        let (name, rate) = (report.label(now), now.median() / scale);
        // Writing to a string cannot fail.
        let _ = match before(now) {
            Some(before) => {
                let (before, ratio) = (before / scale, now.median() / before.max(f64::MIN_POSITIVE));
                writeln!(text, "{name:>22}  {before:9.2} → {rate:9.2} {unit}  × {ratio:.3}")
            }
            None => writeln!(text, "{name:>22}  {:>9} → {rate:9.2} {unit}", "–"),
        };
    }
    if earlier.cpu != report.processor.name {
        text.push_str("warning: the earlier run was on another processor\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_result_is_refused_with_a_reason() {
        for (text, reason) in [
            ("", "EOF"),
            ("{}", "`cpu`"),
            (r#"{"cpu":"X"}"#, "`results`"),
            (r#"{"cpu":"X","results":[]}"#, "rows"),
            (r#"{"cpu":"X","results":[{"kernel":"scalar"}]}"#, "rows"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(reason), "{text:?} gave {error:?}");
        }
        let one = r#"{"cpu":"X","results":[{"kernel":"scalar","threads":1,"hashes_per_second":7}]}"#;
        assert_eq!(parse(one).unwrap().rows[0].hashes_per_second, 7.0);
    }
}
