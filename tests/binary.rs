//! `testoon` under the name that Cargo tells this package's tests the path of.
fn main() -> std::process::ExitCode {
    testnet::cli::run(std::env::args_os())
}
