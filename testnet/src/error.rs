//! How the launcher's errors become one clear line and an exit code.
//!
//! Errors travel as [`anyhow::Error`]; one whose chain holds a [`Usage`] ends with exit code 2, any other with 1.

use std::process::ExitCode;

/// The command line or a file given on it is wrong; nothing was done. The text names the thing and the remedy.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

/// A [`Usage`] error as [`anyhow::Error`].
pub fn usage(text: impl Into<String>) -> anyhow::Error {
    Usage(text.into()).into()
}

/// Whether it is the command line, or a file given on it, that is wrong.
pub fn is_usage(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| cause.is::<Usage>())
}

/// 2 for [`Usage`], 1 for everything else.
pub fn exit_code(error: &anyhow::Error) -> ExitCode {
    if is_usage(error) { ExitCode::from(2) } else { ExitCode::FAILURE }
}

/// The error and its causes on one line.
pub fn one_line(error: &anyhow::Error) -> String {
    format!("{error:#}").split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context as _;

    #[test]
    fn usage_is_found_below_context_and_printed_on_one_line() {
        let error = Err::<(), _>(usage("share 1.5 is\n outside 0 to 1")).context("net.toml line 3").unwrap_err();
        assert_eq!(exit_code(&error), ExitCode::from(2));
        assert_eq!(one_line(&error), "net.toml line 3: share 1.5 is outside 0 to 1");
        assert_eq!(exit_code(&anyhow::anyhow!("disk full")), ExitCode::FAILURE);
    }
}
