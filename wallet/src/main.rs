//! `testoon-wallet`: see [`wallet::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    wallet::cli::run(std::env::args_os())
}
