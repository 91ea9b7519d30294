//! The result as a picture: a bar for each row, and the hash rate over time of the fastest row of each kernel.

use super::{Measured, Report, table};
use anyhow::anyhow;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

const WIDTH: u32 = 760;
const ROW: i32 = 26;
/// Pixels left of the bars and of the longest bar.
const LEFT: i32 = 180;
const BAR: f64 = 430.0;
const TITLE: i32 = 44;
const CURVES: u32 = 260;

/// The picture's text.
///
/// # Errors
/// The drawing library's, which a picture in memory does not meet.
pub fn picture(report: &Report) -> anyhow::Result<String> {
    let mut text = String::new();
    let bars_height = TITLE + ROW * report.results.len() as i32 + 14;
    {
        let root = SVGBackend::with_string(&mut text, (WIDTH, bars_height as u32 + CURVES)).into_drawing_area();
        let failed = |error: &dyn std::fmt::Display| anyhow!("cannot draw: {error}");
        root.fill(&WHITE).map_err(|error| failed(&error))?;
        let (upper, lower) = root.split_vertically(bars_height);
        bars(report, &upper).map_err(|error| failed(&error))?;
        curves(report, &lower).map_err(|error| failed(&error))?;
        root.present().map_err(|error| failed(&error))?;
    }
    Ok(text)
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;
type Drawn = Result<(), Box<dyn std::error::Error>>;

fn bars(report: &Report, area: &Area<'_>) -> Drawn {
    let (scale, unit) = table::unit(report.proof_of_work);
    let font = |size: i32| ("sans-serif", size).into_font();
    let title = format!("{} on {}, {}", table::title(report.proof_of_work), report.processor.name, report.compiler);
    area.draw(&Text::new(title, (12, 12), font(16)))?;
    let right = font(13).into_text_style(area).pos(Pos::new(HPos::Right, VPos::Center));
    let left = font(13).into_text_style(area).pos(Pos::new(HPos::Left, VPos::Center));
    for (row, measured) in report.results.iter().enumerate() {
        let (top, width) = (TITLE + ROW * row as i32, measured.median() / report.fastest() * BAR);
        let (middle, end) = (top + 10, LEFT + width as i32);
        let colour = if measured.threads == 1 { RGBColor(0x48, 0x78, 0xa8) } else { RGBColor(0x88, 0xb0, 0xd8) };
        area.draw(&Text::new(report.label(measured), (LEFT - 8, middle), right.clone()))?;
        area.draw(&Rectangle::new([(LEFT, top), (end, top + 20)], colour.filled()))?;
        let rate = format!("{:.2} {unit}", measured.median() / scale);
        area.draw(&Text::new(rate, (end + 6, middle), left.clone()))?;
    }
    Ok(())
}

/// The hash rate over time of each contender on the most threads.
fn curves(report: &Report, area: &Area<'_>) -> Drawn {
    let (scale, unit) = table::unit(report.proof_of_work);
    let most = report.results.iter().map(|measured| measured.threads).max().unwrap_or(1);
    let rows: Vec<&Measured> = report.results.iter().filter(|measured| measured.threads == most).collect();
    let end_s = rows.iter().flat_map(|row| &row.rounds).map(|round| round.at_s).fold(0.1, f64::max);
    let top = rows.iter().map(|row| row.spread().1).fold(1.0, f64::max) / scale * 1.1;
    let mut chart = ChartBuilder::on(area)
        .margin(10)
        .x_label_area_size(30)
        .y_label_area_size(50)
        .caption(format!("Hash rate over time, {most} threads"), ("sans-serif", 14))
        .build_cartesian_2d(0.0..end_s, 0.0..top)?;
    chart.configure_mesh().x_desc("seconds").y_desc(unit).light_line_style(TRANSPARENT).draw()?;
    for (index, row) in rows.into_iter().enumerate() {
        let colour = Palette99::pick(index).to_rgba();
        let points = row.rounds.iter().map(|round| (round.at_s, round.hashes_per_second / scale));
        chart
            .draw_series(LineSeries::new(points, &colour))?
            .label(row.contender.name())
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour));
    }
    chart.configure_series_labels().background_style(WHITE.mix(0.8)).draw()?;
    Ok(())
}
