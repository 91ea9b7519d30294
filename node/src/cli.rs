//! The node's command line.
/// Parses `arguments` (the first is the program's name), runs the node until it is told to stop, and gives the exit code.
pub fn run(_arguments: impl IntoIterator<Item = std::ffi::OsString>) -> std::process::ExitCode {
    todo!()
}
