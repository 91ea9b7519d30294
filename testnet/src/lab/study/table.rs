//! A study's result as a table: one row a point, as CSV and as Parquet.

use super::experiment::{Experiment, Measure};
use super::file::Study;
use super::parameter::Parameters;
use super::progress::Played;
use crate::lab::theory::estimate::{Estimate, two_sided_p};
use anyhow::Result;
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// One point's result.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its number in the study.
    pub point: usize,
    /// Its parameters.
    pub parameters: Parameters,
    /// What was measured.
    pub measure: Measure,
    /// Runs or cycles.
    pub runs: u64,
    /// The value with its interval.
    pub estimate: Estimate,
    /// What theory says.
    pub theory: Option<f64>,
    /// Standard errors between the two.
    pub z: Option<f64>,
    /// Seconds of wall time.
    pub seconds: f64,
}

/// The rows of the points that have been played, in the order of the study.
pub fn rows(study: &Study, experiments: &[Experiment], played: &BTreeMap<usize, Played>) -> Vec<Row> {
    let row = |(point, played): (&usize, &Played)| {
        let experiment = experiments.get(*point)?;
        Some(Row {
            point: *point,
            parameters: study.points.get(*point)?.clone(),
            measure: experiment.measure(),
            runs: played.moments.runs,
            estimate: experiment.estimate(&played.moments),
            theory: experiment.theory(),
            z: experiment.z(&played.moments),
            seconds: played.seconds,
        })
    };
    played.iter().filter_map(row).collect()
}

impl Row {
    /// The row as a JSON object, parameters first.
    pub fn as_json(&self) -> Map<String, Value> {
        let parameters = self.parameters.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        let [low, high] = self.estimate.interval95;
        let measured = [
            ("measure", json!(self.measure.as_str())),
            ("runs", json!(self.runs)),
            ("value", json!(self.estimate.value)),
            ("low95", json!(low)),
            ("high95", json!(high)),
            ("theory", json!(self.theory)),
            ("z", json!(self.z)),
            ("p", json!(self.z.map(two_sided_p))),
            ("seconds", json!(self.seconds)),
        ];
        parameters.chain(measured.map(|(name, value)| (name.to_owned(), value))).collect()
    }
}

/// χ² over the rows that theory speaks of: the sum of z², and how many there are.
pub fn chi_squared(rows: &[Row]) -> (f64, usize) {
    let squares: Vec<f64> = rows.iter().filter_map(|row| row.z).map(|z| z * z).collect();
    (squares.iter().sum(), squares.len())
}

/// Columns' names, each once, in the order of their first row.
fn columns(rows: &[Map<String, Value>]) -> Vec<String> {
    let mut columns: Vec<String> = Vec::new();
    for name in rows.iter().flat_map(Map::keys) {
        if !columns.contains(name) {
            columns.push(name.clone());
        }
    }
    columns
}

/// The table as comma-separated values (RFC 4180), an empty field where there is nothing.
pub fn csv(rows: &[Row]) -> String {
    let rows: Vec<_> = rows.iter().map(Row::as_json).collect();
    let columns = columns(&rows);
    let field = |value: Option<&Value>| match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) if text.contains([',', '"', '\n', '\r']) => {
            format!("\"{}\"", text.replace('"', "\"\""))
        }
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    let line = |row: &Map<String, Value>| columns.iter().map(|name| field(row.get(name))).collect::<Vec<_>>().join(",");
    let lines = std::iter::once(columns.join(",")).chain(rows.iter().map(line));
    lines.map(|line| line + "\r\n").collect()
}

/// Writes the table as Parquet: text columns as UTF-8, all others as doubles, nulls where there is nothing.
pub fn write_parquet(rows: &[Row], path: &Path) -> Result<()> {
    let rows: Vec<_> = rows.iter().map(Row::as_json).collect();
    let columns = columns(&rows);
    let is_text = |name: &String| rows.iter().any(|row| row.get(name).is_some_and(Value::is_string));
    let field = |name: &String| match is_text(name) {
        true => format!("OPTIONAL BYTE_ARRAY {name} (UTF8);"),
        false => format!("OPTIONAL DOUBLE {name};"),
    };
    let schema = format!("message study {{ {} }}", columns.iter().map(field).collect::<Vec<_>>().join(" "));
    let schema = Arc::new(parse_message_type(&schema)?);
    let properties = Arc::new(WriterProperties::builder().build());
    let mut writer = SerializedFileWriter::new(std::fs::File::create(path)?, schema, properties)?;
    let mut group = writer.next_row_group()?;
    for name in &columns {
        let Some(mut column) = group.next_column()? else { break };
        let values: Vec<Option<&Value>> =
            rows.iter().map(|row| row.get(name).filter(|value| !value.is_null())).collect();
        let levels: Vec<i16> = values.iter().map(|value| i16::from(value.is_some())).collect();
        let there = values.into_iter().flatten();
        if is_text(name) {
            let texts: Vec<ByteArray> =
                there.map(|value| ByteArray::from(value.as_str().unwrap_or_default())).collect();
            column.typed::<ByteArrayType>().write_batch(&texts, Some(&levels), None)?;
        } else {
            let number = |value: &Value| value.as_f64().or(value.as_bool().map(|on| f64::from(u8::from(on))));
            let numbers: Vec<f64> = there.map(|value| number(value).unwrap_or(f64::NAN)).collect();
            column.typed::<DoubleType>().write_batch(&numbers, Some(&levels), None)?;
        }
        column.close()?;
    }
    group.close()?;
    writer.close()?;
    Ok(())
}
