//! Standard output. A reader that has seen enough (`| head`) is no reason to fail, least of all half-way through a command; a
//! full disk is, for what was asked for is lost.

use std::cell::RefCell;
use std::fmt::{Display, Write as _};
use std::io::{ErrorKind, Write as _};

thread_local! {
    /// What this thread prints, while somebody collects it instead.
    static COLLECTED: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs `run`, and returns beside its result what it printed on this thread, none of which reaches standard output. For programs
/// that use a command as a library; one call does not stand inside another.
pub fn collected<T>(run: impl FnOnce() -> T) -> (T, String) {
    COLLECTED.with_borrow_mut(|collected| *collected = Some(String::new()));
    let result = run();
    (result, COLLECTED.take().unwrap_or_default())
}

/// Prints one line, or several with line breaks in between.
pub fn line(text: impl Display) {
    text_as_it_is(format_args!("{text}\n"));
}

/// Prints text that brings its own line breaks. Ends the program when it cannot be written.
pub fn text_as_it_is(text: impl Display) {
    let is_collected = COLLECTED.with_borrow_mut(|collected| {
        if let Some(collected) = collected {
            // Writing to a String cannot fail.
            let _ = collected.write_fmt(format_args!("{text}"));
        }
        collected.is_some()
    });
    if is_collected {
        return;
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_collected_is_this_thread_s_and_ends_with_the_call() {
        let (number, text) = collected(|| {
            line("one");
            std::thread::scope(|scope| {
                scope.spawn(|| assert!(COLLECTED.with_borrow(Option::is_none)));
            });
            text_as_it_is("two");
            3
        });
        assert_eq!((number, text.as_str()), (3, "one\ntwo"));
        assert!(COLLECTED.with_borrow(Option::is_none));
    }
}
