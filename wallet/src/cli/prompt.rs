//! Secrets from the user: passwords, words, confirmations. Nothing typed here is echoed or kept longer than needed.

use std::io::{IsTerminal, Read, Write};
use std::path::Path;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use zeroize::Zeroizing;

use super::Options;
use super::error::CliError;
use crate::file::{Password, WalletFile};
use crate::wallet::WalletError;

const PASSWORD_VARIABLE: &str = "TESTOON_WALLET_PASSWORD";
const NEW_PASSWORD_VARIABLE: &str = "TESTOON_WALLET_NEW_PASSWORD";
const NO_SOURCE: &str = "give --password-file or TESTOON_WALLET_PASSWORD, or run in a terminal";
/// More than any password, list of words, key or PSBT of this wallet has.
const INPUT_BYTES_MAX: u64 = 16 << 20;

/// The password for a wallet about to be made.
pub(super) fn new_password(options: &Options) -> Result<Password, CliError> {
    if options.no_password {
        return Ok(Password::None);
    }
    if let Some(given) = given_password(options)? {
        return Ok(given);
    }
    typed_twice()
}

/// The password of an existing wallet; not asked for if the file has none.
pub(super) fn password(options: &Options, path: &Path) -> Result<Password, CliError> {
    if WalletFile::has_no_password(path).map_err(WalletError::from)? {
        return Ok(Password::None);
    }
    match given_password(options)? {
        Some(given) => Ok(given),
        None => checked(ask_hidden(&format!("Password of {}: ", path.display()))?),
    }
}

/// The password that replaces another: from a file, the environment, or typed twice.
pub(super) fn changed_password(file: Option<&Path>) -> Result<Password, CliError> {
    if let Some(path) = file {
        return from_file(path);
    }
    if let Ok(text) = std::env::var(NEW_PASSWORD_VARIABLE) {
        return checked(Zeroizing::new(text));
    }
    typed_twice()
}

fn typed_twice() -> Result<Password, CliError> {
    let first = ask_hidden("New wallet password: ")?;
    if *first != *ask_hidden("The same again: ")? {
        return Err(CliError::Failure("the two passwords differ: nothing was changed".into()));
    }
    checked(first)
}

fn from_file(path: &Path) -> Result<Password, CliError> {
    let text = std::fs::File::open(path)
        .and_then(read_bounded)
        .map_err(|error| CliError::Failure(format!("cannot read password file {}: {error}", path.display())))?;
    checked(Zeroizing::new(text.lines().next().unwrap_or_default().to_owned()))
}

/// From --password-file or the environment.
fn given_password(options: &Options) -> Result<Option<Password>, CliError> {
    if let Some(path) = &options.password_file {
        return from_file(path).map(Some);
    }
    match std::env::var(PASSWORD_VARIABLE) {
        Ok(text) => checked(Zeroizing::new(text)).map(Some),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(_) => Err(CliError::Usage(format!("{PASSWORD_VARIABLE} is not UTF-8"))),
    }
}

fn checked(text: Zeroizing<String>) -> Result<Password, CliError> {
    if text.is_empty() {
        return Err(CliError::Usage("the password is empty: choose one, or make the wallet with --no-password".into()));
    }
    Ok(Password::Secret(text))
}

/// Text from standard input: a line if a person types it, everything if it is a pipe.
pub(super) fn ask_text(question: &str) -> Result<Zeroizing<String>, CliError> {
    let failed = |error: std::io::Error| CliError::Failure(format!("cannot read standard input: {error}"));
    if !std::io::stdin().is_terminal() {
        return read_bounded(std::io::stdin()).map_err(failed);
    }
    let _ = write!(std::io::stderr(), "{question}");
    let mut line = Zeroizing::new(String::new());
    match std::io::stdin().read_line(&mut line).map_err(failed)? {
        0 => Err(CliError::Cancelled),
        _ => Ok(line),
    }
}

/// All of standard input.
pub(super) fn read_all() -> Result<Zeroizing<String>, CliError> {
    read_bounded(std::io::stdin()).map_err(|error| CliError::Failure(format!("cannot read standard input: {error}")))
}

fn read_bounded(source: impl Read) -> std::io::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    source.take(INPUT_BYTES_MAX).read_to_string(&mut text)?;
    Ok(text)
}

/// While this is set, the terminal does not echo and must be put back before the process ends.
static HIDING: AtomicBool = AtomicBool::new(false);

/// A line typed without echo.
fn ask_hidden(question: &str) -> Result<Zeroizing<String>, CliError> {
    // By default Ctrl-C would end the process with the echo still off.
    static HANDLER: Once = Once::new();
    HANDLER.call_once(|| {
        let _ = ctrlc::set_handler(|| {
            if !HIDING.load(Ordering::SeqCst) {
                std::process::exit(130);
            }
        });
    });
    HIDING.store(true, Ordering::SeqCst);
    let answer = rpassword::prompt_password(question);
    HIDING.store(false, Ordering::SeqCst);
    answer.map(Zeroizing::new).map_err(|error| match error.kind() {
        std::io::ErrorKind::Interrupted | std::io::ErrorKind::UnexpectedEof => CliError::Cancelled,
        _ => CliError::Usage(format!("no password and no terminal to ask on: {NO_SOURCE}")),
    })
}
