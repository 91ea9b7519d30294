//! A study's report for people: what was asked, what is assumed, and what came of it, as Markdown.

use super::experiment::Experiment;
use super::file::{Mode, Study};
use super::parameter;
use super::progress::Header;
use super::table::{Row, chi_squared};
use crate::lab::theory::estimate::two_sided_p;
use serde_json::Value;
use std::fmt::Write as _;

/// The report's text. `complete` says whether every point is as narrow as was asked for.
pub fn report(study: &Study, experiments: &[Experiment], rows: &[Row], complete: bool) -> String {
    let header = Header::of(study);
    let mut text = format!("# {}\n\n", study.name);
    // Writing to a String cannot fail.
    let mut line = |words: String| {
        let _ = writeln!(text, "{words}");
    };
    line(format!(
        "{} of {} points, played {}. Testoon {}, seed {}, study file SHA-256 {}.",
        rows.len(),
        study.points.len(),
        match study.mode {
            Mode::Simulated => "in the simulator, on virtual time",
            Mode::Live => "on live nodes",
        },
        header.version,
        header.seed,
        header.study
    ));
    if !complete {
        line("\nThe study is not finished: run it again to go on, or merge the other shards.".into());
    }
    line("\n## Model and assumptions\n".into());
    let mut said: Vec<&str> = Vec::new();
    for experiment in experiments {
        if !said.contains(&experiment.assumptions()) {
            said.push(experiment.assumptions());
            line(format!("- {}", experiment.assumptions()));
        }
    }
    line("- `docs/model.md` says how time, relay, ties and seeds are modelled, and where each formula is from.".into());
    line("\n## Parameters\n".into());
    line("| parameter | values | meaning |\n|---|---|---|".into());
    for (name, _, meaning) in parameter::ALL {
        let mut values: Vec<String> = Vec::new();
        for value in study.points.iter().filter_map(|point| point.get(name)).map(plain) {
            if !values.contains(&value) {
                values.push(value);
            }
        }
        if !values.is_empty() {
            line(format!("| {name} | {} | {meaning} |", values.join(", ")));
        }
    }
    let precision = &study.precision;
    let wish = |width: Option<f64>, of: &str| width.map(|width| format!("{width}{of}"));
    let wishes: Vec<String> =
        [wish(precision.width, ""), wish(precision.relative_width, " of the value")].into_iter().flatten().collect();
    line(format!(
        "\nEach point was played until its 95 % interval was no wider than {}, with {} runs at least and {} at most. A stopping rule \
         that looks at the interval makes it a little too narrow; runs_min bounds by how much.",
        if wishes.is_empty() { "asked (no width was asked for)".to_owned() } else { wishes.join(" and ") },
        precision.runs_min,
        precision.runs_max
    ));
    line("\n## Results\n".into());
    let swept = study.swept.join(" | ");
    line(format!("| {swept} | measure | value | 95 % interval | theory | z | p | runs |"));
    line(format!("|{}", "---|".repeat(study.swept.len() + 7)));
    for row in rows {
        let parameters: Vec<String> =
            study.swept.iter().map(|name| row.parameters.get(name).map(plain).unwrap_or_default()).collect();
        let [low, high] = row.estimate.interval95.map(number);
        line(format!(
            "| {} | {} | {} | {low} to {high} | {} | {} | {} | {} |",
            parameters.join(" | "),
            row.measure.as_str(),
            number(row.estimate.value),
            row.theory.map(number).unwrap_or_default(),
            row.z.map(|z| format!("{z:+.2}")).unwrap_or_default(),
            row.z.map(|z| format!("{:.3}", two_sided_p(z))).unwrap_or_default(),
            row.runs
        ));
    }
    let (squares, points) = chi_squared(rows);
    if points > 0 {
        line(format!(
            "\nχ² over the {points} points that theory speaks of: {squares:.1}; chance alone gives {points} on average, and {:.1} or more \
             once in twenty times.",
            upper_5_percent(points)
        ));
    }
    text
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Four digits, in powers of ten where a value is small.
pub fn number(value: f64) -> String {
    match value.abs() {
        size if size > 0.0 && size < 1e-3 => format!("{value:.3e}"),
        _ => format!("{value:.5}"),
    }
}

/// What χ² on `n` degrees of freedom exceeds once in twenty times (Wilson and Hilferty's approximation, within 1 % from 3 on).
fn upper_5_percent(n: usize) -> f64 {
    let spread = 2.0 / (9.0 * n as f64);
    n as f64 * (1.0 - spread + 1.644_853_6 * spread.sqrt()).powi(3)
}

#[cfg(test)]
mod tests {
    use super::upper_5_percent;

    #[test]
    fn the_quantile_is_the_tables() {
        for (n, table) in [(3, 7.815), (10, 18.307), (20, 31.410), (100, 124.342)] {
            assert!((upper_5_percent(n) / table - 1.0).abs() < 0.01, "{n}");
        }
    }
}
