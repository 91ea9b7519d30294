//! A benchmark's result as a table with bars, JSON, CSV or SVG.

use std::fmt::Write;

use node::miner::kernel::Kernel;
use serde_json::json;

use super::measure::Measured;

/// Characters of the longest bar in the terminal.
const BAR_WIDTH: f64 = 48.0;
const MILLION: f64 = 1e6;

/// What was measured, and on what.
pub struct Report {
    cpu: String,
    compiler: &'static str,
    selected: Kernel,
    results: Vec<Measured>,
}

impl Report {
    /// Of this machine.
    pub fn new(selected: Kernel, results: Vec<Measured>) -> Report {
        Report { cpu: cpu_name(), compiler: env!("TESTOON_RUSTC_VERSION"), selected, results }
    }

    /// One JSON object on one line.
    pub fn json(&self) -> String {
        let results: Vec<_> = self
            .results
            .iter()
            .map(|measured| {
                let (min, max) = measured.spread();
                json!({
                    "kernel": measured.contender.name(),
                    "form": measured.contender.form(),
                    "threads": measured.threads,
                    "hashes_per_second": measured.median().round() as u64,
                    "min": min.round() as u64,
                    "max": max.round() as u64,
                    "ratio": self.ratio(measured),
                })
            })
            .collect();
        let report = json!({
            "cpu": self.cpu,
            "compiler": self.compiler,
            "selected": self.selected.name().as_str(),
            "results": results,
        });
        format!("{report}\n")
    }

    /// A line of names, then one line for each result.
    pub fn csv(&self) -> String {
        let mut text = String::from("kernel,threads,hashes_per_second,min,max,ratio\n");
        for measured in &self.results {
            let ((min, max), median) = (measured.spread(), measured.median());
            let (name, threads, ratio) = (measured.contender.name(), measured.threads, self.ratio(measured));
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{name},{threads},{median:.0},{min:.0},{max:.0},{ratio:.3}");
        }
        text
    }

    /// For the terminal: a table and a bar for each result.
    pub fn table(&self) -> String {
        let mut text = format!("SHA-256d on {}, {}\n\n", self.cpu, self.compiler);
        text += "kernel      threads     MH/s   lowest  highest   × sha2-crate  scaling\n";
        for measured in &self.results {
            let [median, min, max] =
                [measured.median(), measured.spread().0, measured.spread().1].map(|rate| rate / MILLION);
            let (name, threads, ratio) = (measured.contender.name(), measured.threads, self.ratio(measured));
            let scaling = self.scaling(measured).map_or_else(String::new, |scaling| format!("{scaling:9.2}"));
            let line = format!("{name:<10}  {threads:>7}  {median:7.2}  {min:7.2}  {max:7.2}  {ratio:13.2}{scaling}");
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{line}");
        }
        text.push('\n');
        for measured in &self.results {
            let bar = "█".repeat((measured.median() / self.fastest() * BAR_WIDTH).round().max(1.0) as usize);
            let (name, mega) = (self.label(measured), measured.median() / MILLION);
            let _ = writeln!(text, "{name:>16}  {bar} {mega:.2} MH/s");
        }
        let (name, form) = (self.selected.name(), self.selected.form());
        let _ = writeln!(text, "\nSelected: {name} ({form}). MH/s is the median of {} rounds.", super::measure::ROUNDS);
        text
    }

    /// A bar chart.
    pub fn svg(&self) -> String {
        const ROW: f64 = 26.0;
        const LEFT: f64 = 130.0;
        const BAR: f64 = 480.0;
        let height = 60.0 + ROW * self.results.len() as f64;
        let mut text = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"720\" height=\"{height}\" \
             font-family=\"sans-serif\" font-size=\"13\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
             <text x=\"12\" y=\"26\" font-size=\"15\">SHA-256d on {}, {}</text>\n",
            escaped(&self.cpu),
            escaped(self.compiler)
        );
        for (row, measured) in self.results.iter().enumerate() {
            let (top, width) = (44.0 + ROW * row as f64, measured.median() / self.fastest() * BAR);
            let colour = if measured.threads == 1 { "#4878a8" } else { "#88b0d8" };
            let (base, end, name) = (top + 15.0, LEFT + width + 6.0, self.label(measured));
            let _ = writeln!(
                text,
                "<text x=\"{:.0}\" y=\"{base:.0}\" text-anchor=\"end\">{name}</text>\
                 <rect x=\"{LEFT:.0}\" y=\"{top:.0}\" width=\"{width:.1}\" height=\"20\" fill=\"{colour}\"/>\
                 <text x=\"{end:.1}\" y=\"{base:.0}\">{:.2} MH/s</text>",
                LEFT - 8.0,
                measured.median() / MILLION
            );
        }
        text + "</svg>\n"
    }

    fn label(&self, measured: &Measured) -> String {
        format!("{} × {}", measured.contender.name(), measured.threads)
    }

    fn fastest(&self) -> f64 {
        self.results.iter().map(Measured::median).fold(1.0, f64::max)
    }

    /// How many times faster than the `sha2` crate on as many threads; the first rows are the crate's.
    fn ratio(&self, measured: &Measured) -> f64 {
        let baseline = self.results.iter().find(|other| other.threads == measured.threads);
        baseline.map_or(1.0, |baseline| measured.median() / baseline.median())
    }

    /// How many times faster than on one thread.
    fn scaling(&self, measured: &Measured) -> Option<f64> {
        let single = self.results.iter().find(|other| {
            other.threads == 1 && other.contender.name() == measured.contender.name() && measured.threads > 1
        })?;
        Some(measured.median() / single.median())
    }
}

/// The processor's name as Linux tells it, or its architecture.
fn cpu_name() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let name = name.map_or(std::env::consts::ARCH, |(_, name)| name.trim());
    format!("{name} ({} cores)", node::miner::cores())
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
