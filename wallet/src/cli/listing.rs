//! Lists as people and programs read them: a table on a terminal, plain columns elsewhere, or comma-separated values. And the
//! colours, which only a terminal gets, and not with NO_COLOR.

use std::io::{IsTerminal, Write};

use comfy_table::{Cell, CellAlignment, Color, Table, TableStyle};
use crossterm::style::Stylize;

use super::error::CliError;

/// What begins a cell that a spreadsheet would take for a formula.
const FORMULA: [char; 4] = ['=', '+', '-', '@'];

/// Rows under a header.
pub(super) struct Listing {
    /// The columns' names.
    pub(super) header: &'static [&'static str],
    /// Columns with numbers, which are aligned to the right.
    pub(super) right: &'static [usize],
    /// One line each.
    pub(super) rows: Vec<Vec<String>>,
    /// What is said where there are no rows.
    pub(super) empty: &'static str,
}

impl Listing {
    /// A table without lines.
    pub(super) fn text(self) -> String {
        if self.rows.is_empty() { format!("{}\n", self.empty) } else { table(self.header, self.right, self.rows) }
    }

    /// Comma-separated values, with the header in lower case.
    pub(super) fn csv(self) -> Result<String, CliError> {
        let failed = |error: String| CliError::Failure(format!("cannot write CSV: {error}"));
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(self.header.iter().map(|name| name.to_lowercase())).map_err(|e| failed(e.to_string()))?;
        for row in self.rows {
            writer
                .write_record(row.iter().map(|cell| cell_for_spreadsheet(cell)))
                .map_err(|e| failed(e.to_string()))?;
        }
        let bytes = writer.into_inner().map_err(|error| failed(error.to_string()))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// A label may be somebody else's text, and a spreadsheet would run one that begins like a formula. Numbers stay numbers.
fn cell_for_spreadsheet(cell: &str) -> String {
    let is_formula = cell.starts_with(FORMULA) && cell.parse::<f64>().is_err();
    if is_formula { format!("'{cell}") } else { cell.to_owned() }
}

/// The colour of a cell that says how far a payment or coin is.
fn colour(text: &str) -> Option<Color> {
    let begins = |words: &[&str]| words.iter().any(|word| text.starts_with(word));
    if begins(&["conflicted", "REVERSED", "orphaned"]) {
        Some(Color::Red)
    } else if begins(&["unconfirmed", "immature", "frozen", "abandoned"]) {
        Some(Color::Yellow)
    } else if begins(&["confirmed"]) || text.ends_with(" conf") {
        Some(Color::Green)
    } else {
        None
    }
}

fn is_plain() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}

/// A table without lines; the columns in `right` are aligned to the right.
pub(super) fn table(header: &[&str], right: &[usize], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(TableStyle::new()).set_header(header.to_vec());
    let plain = is_plain();
    for row in rows {
        let cell = |text: String| match colour(&text).filter(|_| !plain) {
            Some(colour) => Cell::new(text).fg(colour),
            None => Cell::new(text),
        };
        table.add_row(row.into_iter().map(cell).collect::<Vec<_>>());
    }
    for &index in right {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let lines = table.to_string();
    lines.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// How good or bad the news of a line of text is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Severity {
    /// Done, or safe.
    Success,
    /// Not yet, or with care.
    Caution,
    /// Lost, or failed.
    Failure,
}

/// Text in a colour, if it goes to a terminal.
pub(super) fn paint(text: &str, severity: Severity, to: &impl IsTerminal) -> String {
    if is_plain() || !to.is_terminal() {
        return text.to_owned();
    }
    match severity {
        Severity::Success => text.green().to_string(),
        Severity::Caution => text.yellow().to_string(),
        Severity::Failure => text.red().bold().to_string(),
    }
}

/// One line on standard error, whose first word is coloured.
pub(super) fn tell(word: &str, severity: Severity, text: &str) {
    let mut stderr = std::io::stderr();
    let word = paint(word, severity, &stderr);
    let _ = writeln!(stderr, "{word} {text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_has_one_line_a_row_and_no_formulas() {
        let rows = vec![vec!["-12.5".to_owned(), "=HYPERLINK(\"x\")".to_owned()], vec!["1".into(), "a, b".into()]];
        let listing = Listing { header: &["AMOUNT", "LABEL"], right: &[0], rows, empty: "nothing" };
        let text = listing.csv().ok();
        assert_eq!(text.as_deref(), Some("amount,label\n-12.5,\"'=HYPERLINK(\"\"x\"\")\"\n1,\"a, b\"\n"));
    }

    #[test]
    fn an_empty_list_says_so() {
        let listing = Listing { header: &["A"], right: &[], rows: Vec::new(), empty: "nothing" };
        assert_eq!(listing.text(), "nothing\n");
    }
}
