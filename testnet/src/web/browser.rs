//! Opens the page in the user's browser, by the system's own command for it.

use std::process::{Command, Stdio};

/// The command that opens an address: that of the desktop (freedesktop.org's xdg-utils), or of macOS.
const OPENER: &str = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };

/// Opens an address; a system without a browser is told so and nothing else happens.
pub fn open(url: &str) {
    let command =
        Command::new(OPENER).arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    match command {
        // The opener ends at once; what becomes of it is the desktop's business, but it must be reaped.
        Ok(mut child) => drop(std::thread::spawn(move || child.wait())),
        Err(error) => eprintln!("warning: cannot open a browser ({OPENER}: {error}); open {url} in one"),
    }
}
