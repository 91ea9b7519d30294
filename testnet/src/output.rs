//! Standard output. A reader that has seen enough (`| head`) is no reason to fail, least of all half-way through a command; a
//! full disk is, for what was asked for is lost.

use std::fmt::Display;
use std::io::{ErrorKind, Write as _};

/// Prints one line, or several with line breaks in between.
pub fn line(text: impl Display) {
    text_as_it_is(format_args!("{text}\n"));
}

/// Prints text that brings its own line breaks. Ends the program when it cannot be written.
pub fn text_as_it_is(text: impl Display) {
    let mut output = std::io::stdout().lock();
    match write!(output, "{text}").and_then(|()| output.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            drop(output);
            eprintln!("error: cannot write to standard output: {error}");
            std::process::exit(1);
        }
        _ => {}
    }
}
