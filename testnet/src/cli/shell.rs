//! `testoon completions` and `testoon man`: what a shell and `man` want to know of the command line, made from its definition.

use crate::output::text_as_it_is;
use anyhow::Result;
use clap::{Args, Command};
use clap_complete::Shell;

#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell: bash, zsh, fish, elvish or powershell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// The script that completes commands and flags in a shell.
pub fn completions(arguments: &CompletionsArgs, mut command: Command) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, "testoon", &mut script);
    text_as_it_is(String::from_utf8_lossy(&script));
    Ok(())
}

/// One page in roff: the program's, and below it that of every subcommand.
pub fn man(command: Command) -> Result<()> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut page)?;
    for subcommand in command.get_subcommands().filter(|subcommand| !subcommand.is_hide_set()) {
        let name = format!("testoon {}", subcommand.get_name());
        let man = clap_mangen::Man::new(subcommand.clone().display_name(name.clone()).bin_name(name));
        man.render_name_section(&mut page)?;
        man.render_synopsis_section(&mut page)?;
        man.render_options_section(&mut page)?;
    }
    text_as_it_is(String::from_utf8_lossy(&page));
    Ok(())
}
