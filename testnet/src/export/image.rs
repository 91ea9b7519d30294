//! The container image of this very program: what `docker build` needs, without a registry or a compiler.
//!
//! The repository's `Dockerfile` has a stage `local` that only copies a root file system; here it is put together of this program's
//! file and the shared libraries that it is linked with.

use anyhow::{Context as _, Result, bail};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The stage of the `Dockerfile` that takes a root file system as it is.
pub const STAGE: &str = "local";

/// Writes the build context of an image of `program` into a directory, which is made.
///
/// # Errors
/// The program cannot run in a container, or something cannot be read or written.
pub fn write_context(directory: &Path, program: &Path) -> Result<()> {
    if !cfg!(target_os = "linux") {
        bail!("this program is not one for Linux, so no image can be made of it; name one with --image");
    }
    let root = directory.join("rootfs");
    fs::create_dir_all(directory.join("data")).with_context(|| format!("cannot create {}", directory.display()))?;
    copy(program, &root.join("testoon"))?;
    for library in libraries(program)? {
        let below_root = library.strip_prefix("/").unwrap_or(&library);
        copy(&library, &root.join(below_root))?;
    }
    let dockerfile = directory.join("Dockerfile");
    fs::write(&dockerfile, include_str!("../../../Dockerfile"))
        .with_context(|| format!("cannot write {}", dockerfile.display()))
}

/// Copies a program or library, readable and executable for everybody.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let named = || format!("cannot copy {} to {}", from.display(), to.display());
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent).with_context(named)?;
    }
    fs::copy(from, to).with_context(named)?;
    fs::set_permissions(to, fs::Permissions::from_mode(0o755)).with_context(named)
}

/// The shared libraries that a program is linked with, the loader among them; none of a static one.
fn libraries(program: &Path) -> Result<Vec<PathBuf>> {
    let output = Command::new("ldd").arg(program).output();
    let output =
        output.context("cannot run ldd, which says what this program is linked with; name an image with --image")?;
    // A static program is none that `ldd` knows, and its exit code says so.
    libraries_in(&String::from_utf8_lossy(&output.stdout))
}

/// Reads what `ldd` prints: `libc.so.6 => /lib/…/libc.so.6 (0x…)` or `/lib64/ld-linux-x86-64.so.2 (0x…)`.
fn libraries_in(text: &str) -> Result<Vec<PathBuf>> {
    let mut libraries = Vec::new();
    for line in text.lines().map(str::trim) {
        let file = line.split_once(" => ").map_or(line, |(_, file)| file);
        if file.starts_with("not found") {
            bail!("a library that this program is linked with is not there: {line}");
        }
        let path = file.rsplit_once(" (").map_or(file, |(path, _)| path);
        if path.starts_with('/') {
            libraries.push(PathBuf::from(path));
        }
    }
    Ok(libraries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_those_with_a_path() {
        let text = "\tlinux-vdso.so.1 (0x00007f)\n\tlibc.so.6 => /lib/x/libc.so.6 (0x00007f)\n\t/lib64/ld-linux-x86-64.so.2 (0x7f)\n";
        let expected = ["/lib/x/libc.so.6", "/lib64/ld-linux-x86-64.so.2"].map(PathBuf::from);
        assert_eq!(libraries_in(text).unwrap(), expected);
        assert!(libraries_in("\tstatically linked\n").unwrap().is_empty());
        let error = libraries_in("\tlibfoo.so.1 => not found\n").unwrap_err();
        assert!(error.to_string().contains("libfoo.so.1"), "{error}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_context_holds_the_program_its_libraries_and_a_data_directory() {
        let place = tempfile::tempdir().unwrap();
        let program = std::env::current_exe().unwrap();
        write_context(place.path(), &program).unwrap();
        let length = |path: &Path| fs::metadata(path).unwrap().len();
        assert_eq!(length(&place.path().join("rootfs/testoon")), length(&program));
        assert!(place.path().join("data").is_dir());
        let dockerfile = fs::read_to_string(place.path().join("Dockerfile")).unwrap();
        assert!(dockerfile.contains(&format!(" AS {STAGE}\n")), "{dockerfile}");
        for library in libraries(&program).unwrap() {
            assert!(place.path().join("rootfs").join(library.strip_prefix("/").unwrap()).is_file());
        }
    }
}
