//! What `up` shows while the network runs: a table that is drawn over itself on a terminal, plain lines elsewhere.

use super::table;
use crate::clock::Stopwatch;
use crate::cluster::Cluster;
use crate::interrupt::Interrupt;
use crate::observer::event::Event;
use crate::observer::status::NodeStatus;
use crate::output::line;
use anyhow::Result;
use crossterm::{cursor, queue, style, terminal};
use std::collections::VecDeque;
use std::io::{IsTerminal as _, Write};
use std::time::Duration;

/// Between two looks at the network's own state, milliseconds: how soon `up` ends after `down`.
const BEAT_MS: u64 = 100;
/// Between two looks at the nodes for the table, milliseconds.
const TABLE_MS: u64 = 500;
/// Between two lines where there is no terminal, milliseconds.
const LINE_MS: u64 = 10_000;
/// Happenings shown below the table, at most.
const EVENTS_MAX: usize = 6;
/// Columns and rows assumed when a terminal does not say.
const SIZE_DEFAULT: (u16, u16) = (80, 24);

/// Why the show ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Ctrl-C, or a signal to end.
    Interrupted,
    /// Another command took the network down.
    TakenDown,
    /// The time given by `--for` is over.
    TimeOver,
}

/// Every node as it is, and what happened since the last time it was asked.
pub type NodesAndEvents = (Vec<NodeStatus>, Vec<Event>);

/// Shows the network until there is a reason to end. `news` looks at the nodes, or knows who does; `intro` is what was printed
/// before, for redrawing after a resize.
pub fn show(
    cluster: &mut Cluster,
    interrupt: &Interrupt,
    seconds: Option<f64>,
    news: Option<&mut dyn FnMut() -> Result<NodesAndEvents>>,
    intro: &[String],
) -> Result<Ended> {
    let watch = Stopwatch::start();
    let quiet = news.is_none();
    let mut news = news;
    let mut happened: VecDeque<Event> = VecDeque::new();
    let mut screen = (!quiet && std::io::stdout().is_terminal()).then(|| Screen::new(intro));
    let every_ms = if screen.is_some() { TABLE_MS } else { LINE_MS };
    let mut next_ms = 0;
    loop {
        cluster.reap();
        cluster.reload()?;
        if !cluster.state().running {
            return Ok(Ended::TakenDown);
        }
        if seconds.is_some_and(|seconds| watch.seconds() >= seconds) {
            return Ok(Ended::TimeOver);
        }
        let now_ms = watch.elapsed().as_millis() as u64;
        if let Some(news) = news.as_mut().filter(|_| now_ms >= next_ms) {
            next_ms = now_ms + every_ms;
            let (nodes, new) = news()?;
            happened.extend(new);
            happened.drain(..happened.len().saturating_sub(EVENTS_MAX));
            match &mut screen {
                // The observer has not looked yet.
                _ if nodes.is_empty() => next_ms = now_ms + BEAT_MS,
                Some(screen) => screen.draw(&title(cluster, &nodes, watch.seconds()), &nodes, &happened)?,
                None => line(table::summary(&nodes)),
            }
        }
        if interrupt.wait(Duration::from_millis(BEAT_MS)) {
            return Ok(Ended::Interrupted);
        }
    }
}

/// `local chain, up 1:05, 131 kH/s`
fn title(cluster: &Cluster, nodes: &[NodeStatus], seconds: f64) -> String {
    let (minutes, rest) = ((seconds / 60.0) as u64, seconds as u64 % 60);
    let rate: f64 = nodes.iter().map(|node| node.hashes_per_second).sum();
    let partition = if cluster.state().plan.partition.is_empty() { "" } else { ", partitioned" };
    format!(
        "{} chain, up {minutes}:{rest:02}, {:.0} kH/s{partition}  (Ctrl-C ends it)",
        cluster.state().chain_name,
        rate / 1e3
    )
}

/// The part of the terminal that is drawn over.
struct Screen {
    intro: Vec<String>,
    size: (u16, u16),
    lines: u16,
}

impl Screen {
    fn new(intro: &[String]) -> Screen {
        Screen { intro: intro.to_vec(), size: size(), lines: 0 }
    }

    /// Draws one frame in one write, so that it does not flicker.
    fn draw(&mut self, title: &str, nodes: &[NodeStatus], happened: &VecDeque<Event>) -> Result<()> {
        let mut out = Vec::new();
        queue!(out, terminal::BeginSynchronizedUpdate, cursor::Hide)?;
        let size = size();
        if size != self.size {
            // The terminal has re-wrapped what was there: start from an empty one.
            self.size = size;
            queue!(out, terminal::Clear(terminal::ClearType::All), cursor::MoveTo(0, 0))?;
            let room = usize::from(size.1).saturating_sub(nodes.len() + 4);
            for line in self.intro.iter().take(room) {
                line_out(&mut out, &cut(line, size.0), None)?;
            }
        } else if self.lines > 0 {
            queue!(out, cursor::MoveUp(self.lines), cursor::MoveToColumn(0))?;
        }
        let rows = table::nodes(nodes, usize::from(size.0));
        // One row stays free for the cursor: a frame as high as the terminal would scroll.
        let room = usize::from(size.1).saturating_sub(2).max(1);
        line_out(&mut out, &cut(title, size.0), Some(style::Attribute::Bold))?;
        let shown = rows_that_fit(rows.len(), room);
        for (index, row) in rows.iter().take(shown).enumerate() {
            let down = index > 0 && !nodes[index - 1].answers();
            let attribute =
                if index == 0 { Some(style::Attribute::Underlined) } else { down.then_some(style::Attribute::Dim) };
            line_out(&mut out, row, attribute)?;
        }
        let mut lines = 1 + shown;
        if shown < rows.len() {
            let more = format!("+{} more (`testoon status` shows all)", rows.len() - shown);
            line_out(&mut out, &cut(&more, size.0), Some(style::Attribute::Dim))?;
            lines += 1;
        }
        // What room is left tells what happened, the newest last.
        let left = room.saturating_sub(lines).min(EVENTS_MAX);
        for event in happened.iter().skip(happened.len().saturating_sub(left)) {
            line_out(&mut out, &cut(&event.text, size.0), Some(style::Attribute::Dim))?;
            lines += 1;
        }
        self.lines = lines as u16;
        queue!(
            out,
            terminal::Clear(terminal::ClearType::FromCursorDown),
            cursor::Show,
            terminal::EndSynchronizedUpdate
        )?;
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(&out)?;
        Ok(stdout.flush()?)
    }
}

/// How many of `rows` lines are drawn where there is room for `room`: all, or one less than fit, for the line that counts the
/// rest.
fn rows_that_fit(rows: usize, room: usize) -> usize {
    if rows <= room { rows } else { room.saturating_sub(1) }
}

fn size() -> (u16, u16) {
    terminal::size().ok().filter(|(columns, rows)| *columns > 0 && *rows > 0).unwrap_or(SIZE_DEFAULT)
}

fn cut(line: &str, columns: u16) -> String {
    line.chars().take(usize::from(columns)).collect()
}

fn line_out(out: &mut Vec<u8>, line: &str, attribute: Option<style::Attribute>) -> Result<()> {
    if let Some(attribute) = attribute {
        queue!(out, style::SetAttribute(attribute))?;
    }
    queue!(out, style::Print(line), style::SetAttribute(style::Attribute::Reset))?;
    queue!(out, terminal::Clear(terminal::ClearType::UntilNewLine), style::Print("\r\n"))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_do_not_fit_leave_a_line_to_count_them() {
        for (rows, room, shown) in [(6, 22, 6), (22, 22, 22), (23, 22, 21), (201, 22, 21), (6, 1, 0)] {
            assert_eq!(rows_that_fit(rows, room), shown, "{rows} rows, room for {room}");
        }
    }
}
