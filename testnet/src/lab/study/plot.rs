//! A study's result as a picture: the value along one parameter, a line and a band for each combination of the others, theory
//! dashed.

use super::file::Study;
use super::table::Row;
use anyhow::{Result, anyhow};
use plotters::coord::ranged1d::ValueFormatter;
use plotters::prelude::*;
use serde_json::Value;
use std::collections::BTreeMap;

const SIZE: (u32, u32) = (900, 560);
/// Series that a picture still shows apart.
const SERIES_MAX: usize = 12;
/// The least value that a logarithmic axis shows.
const LEAST: f64 = 1e-12;

/// Points of one series: where, low, value, high, theory.
type Points = Vec<(f64, f64, f64, f64, Option<f64>)>;

/// The parameter along the horizontal axis: the one asked for, or the swept number with most values.
fn axis(study: &Study, rows: &[Row]) -> Option<String> {
    let is_number = |name: &&str| rows.iter().all(|row| row.parameters.get(*name).is_some_and(Value::is_number));
    let values = |name: &str| {
        let texts = rows.iter().filter_map(|row| row.parameters.get(name)).map(Value::to_string);
        texts.collect::<std::collections::BTreeSet<_>>().len()
    };
    let swept = || study.swept.iter().copied().filter(is_number);
    match &study.plot.x {
        Some(x) => swept().find(|name| name == x).map(str::to_owned),
        None => swept().max_by_key(|name| values(name)).map(str::to_owned),
    }
}

/// The picture's text; `None` where no swept parameter is a number, so that there is no axis.
pub fn picture(study: &Study, rows: &[Row]) -> Result<Option<String>> {
    let Some(x) = axis(study, rows) else { return Ok(None) };
    let mut series: BTreeMap<String, Points> = BTreeMap::new();
    for row in rows {
        let others = study.swept.iter().filter(|name| **name != x);
        let label = |name: &&str| Some(format!("{name} {}", plain(row.parameters.get(*name)?)));
        let label = others.filter_map(label).collect::<Vec<_>>().join(", ");
        let at = row.parameters.get(x.as_str()).and_then(Value::as_f64).unwrap_or(0.0);
        let [low, high] = row.estimate.interval95;
        series.entry(label).or_default().push((at, low, row.estimate.value, high, row.theory));
    }
    for points in series.values_mut() {
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
    let mut text = String::new();
    draw(study, rows, &x, &series, &mut text).map_err(|error| anyhow!("cannot draw: {error}"))?;
    Ok(Some(text))
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

type Drawn = Result<(), Box<dyn std::error::Error>>;

fn draw(study: &Study, rows: &[Row], x: &str, series: &BTreeMap<String, Points>, text: &mut String) -> Drawn {
    let all = || series.values().flatten();
    let finite = |value: f64| if value.is_finite() { value } else { 0.0 };
    let ends = |values: &mut dyn Iterator<Item = f64>| {
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)))
    };
    let (left, right) = ends(&mut all().map(|point| point.0));
    let right = if right > left { right } else { left + 1.0 };
    let (_, top) = ends(&mut all().flat_map(|point| [finite(point.3), point.4.unwrap_or(0.0)]));
    let (least, _) =
        ends(&mut all().flat_map(|point| [point.1, point.4.unwrap_or(f64::INFINITY)]).filter(|value| *value > 0.0));
    let root = SVGBackend::with_string(text, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let measure = rows.first().map_or("value", |row| row.measure.as_str());
    let mut builder = ChartBuilder::on(&root);
    builder.margin(14).x_label_area_size(44).y_label_area_size(76).caption(&study.name, ("sans-serif", 18));
    match study.plot.logarithmic {
        true => {
            let least = if least.is_finite() { least.max(LEAST) } else { LEAST };
            let chart = builder.build_cartesian_2d(left..right, (least / 2.0..top.max(least) * 2.0).log_scale())?;
            lines(chart, x, measure, series, least / 2.0)?;
        }
        false => {
            let chart = builder.build_cartesian_2d(left..right, 0.0..top.max(f64::MIN_POSITIVE) * 1.05)?;
            lines(chart, x, measure, series, 0.0)?;
        }
    }
    root.present()?;
    Ok(())
}

fn lines<'a, Y>(
    mut chart: ChartContext<'a, SVGBackend<'a>, Cartesian2d<plotters::coord::types::RangedCoordf64, Y>>,
    x: &str,
    measure: &str,
    series: &BTreeMap<String, Points>,
    floor: f64,
) -> Drawn
where
    Y: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    chart.configure_mesh().x_desc(x).y_desc(measure).light_line_style(TRANSPARENT).draw()?;
    for (index, (label, points)) in series.iter().take(SERIES_MAX).enumerate() {
        let colour = Palette99::pick(index).to_rgba();
        let upper = points.iter().map(|point| (point.0, point.3.max(floor)));
        let lower = points.iter().rev().map(|point| (point.0, point.1.max(floor)));
        let band: Vec<(f64, f64)> = upper.chain(lower).collect();
        chart.draw_series(std::iter::once(Polygon::new(band, colour.mix(0.2))))?;
        let line = || points.iter().map(|point| (point.0, point.2.max(floor)));
        let drawn = chart.draw_series(LineSeries::new(line(), &colour))?;
        if !label.is_empty() {
            drawn.label(label).legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour));
        }
        chart.draw_series(line().map(|at| Circle::new(at, 3, colour.filled())))?;
        let theory = points.iter().filter_map(|point| Some((point.0, point.4?.max(floor))));
        chart.draw_series(DashedLineSeries::new(theory, 6, 4, BLACK.mix(0.7).stroke_width(1)))?;
    }
    if series.len() > 1 {
        chart.configure_series_labels().background_style(WHITE.mix(0.8)).border_style(BLACK.mix(0.3)).draw()?;
    }
    Ok(())
}
