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
    /// Print the manual (roff), with a section for each command: `testoon-wallet man | man -l -`
    Man,
}

pub(super) fn run(command: Command) -> Result<String, CliError> {
    let mut bytes = Vec::new();
    match command {
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "testoon-wallet", &mut bytes);
        }
        Command::Man => {
            manual(&mut bytes).map_err(|error| CliError::Failure(format!("cannot write the manual: {error}")))?;
        }
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The program's page, and below it that of every command.
fn manual(page: &mut Vec<u8>) -> std::io::Result<()> {
    let command = Cli::command();
    clap_mangen::Man::new(command.clone()).render(page)?;
    for subcommand in command.get_subcommands().filter(|subcommand| !subcommand.is_hide_set()) {
        let name = format!("testoon-wallet {}", subcommand.get_name());
        let man = clap_mangen::Man::new(subcommand.clone().display_name(name.clone()).bin_name(name));
        man.render_name_section(page)?;
        man.render_synopsis_section(page)?;
        man.render_options_section(page)?;
    }
    Ok(())
}
