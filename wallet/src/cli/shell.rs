//! What a shell and a manual need to know of the command line.

use clap::{CommandFactory, Subcommand};

use super::Cli;
use super::error::CliError;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Print completions for a shell: put them where it looks for them
    Completions {
        /// bash, zsh, fish, elvish or powershell
        shell: clap_complete::Shell,
    },
    /// Print the manual page (roff): `testoon-wallet man | man -l -`
    Man,
}

pub(super) fn run(command: Command) -> Result<String, CliError> {
    let mut bytes = Vec::new();
    match command {
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "testoon-wallet", &mut bytes);
        }
        Command::Man => clap_mangen::Man::new(Cli::command())
            .render(&mut bytes)
            .map_err(|error| CliError::Failure(format!("cannot write the manual page: {error}")))?,
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
