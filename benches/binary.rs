//! `testoon` under the name that cargo tells this package's benches the path of.
fn main() -> std::process::ExitCode {
    testnet::cli::run(std::env::args_os())
}
