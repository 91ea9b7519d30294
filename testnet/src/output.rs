//! Standard output. A reader that has seen enough (`| head`) is no reason to fail, least of all half-way through a command.

use std::fmt::Display;
use std::io::Write as _;

/// Prints one line, or several with line breaks in between.
pub fn line(text: impl Display) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}
