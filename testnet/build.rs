//! Notes the compiler's version, which a benchmark's result names.

use std::{env, process::Command};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // The page's files are embedded by a macro, which cargo does not see.
    println!("cargo::rerun-if-changed=web");
    println!("cargo::rerun-if-env-changed=RUSTC");
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = Command::new(rustc).arg("--version").output().ok().filter(|output| output.status.success());
    let version = version.and_then(|output| String::from_utf8(output.stdout).ok());
    println!("cargo::rustc-env=TESTOON_RUSTC_VERSION={}", version.as_deref().map_or("rustc", str::trim));
}
