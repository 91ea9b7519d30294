//! The log: one line per event to standard error and to `debug.log` in the data directory, which is bounded.

use super::log_format::{JsonLines, LogFormat};
use crate::shell::LOG_FILE;
use crate::shell::log_levels;
use crate::shell::progress::above_bar;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer as _, fmt, reload};

/// The log file is renamed to `debug.log.1`, replacing the last one, when it reaches this many bytes.
const LOG_FILE_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// Libraries whose messages mean little to a node's operator; a `--log-level` that names them brings them back.
const QUIET: &str = "sled=off,libp2p=error,libp2p_gossipsub=error,libp2p_kad=error,libp2p_swarm=error,libp2p_mdns=off,netlink_proto=off,quinn=off,quinn_proto=off,yamux=off,multistream_select=off";

/// Whether a text can be a log level.
pub fn check(level: &str) -> Result<(), String> {
    let what = "expected off, error, warn, info, debug or trace, or a list such as info,node::core=debug";
    // The filter takes a bare word that is no level for a target, and would then be silent about everything else.
    let is_level = |part: &str| !part.is_empty() && part.parse::<LevelFilter>().is_ok();
    let bare = level.split(',').map(str::trim).find(|part| !part.contains('=') && !is_level(part));
    match bare {
        Some(word) => Err(format!("{word:?} is no level; {what}")),
        None => EnvFilter::try_new(level).map(drop).map_err(|error| format!("{error}; {what}")),
    }
}

/// The log file, to be opened anew.
static FILE: OnceLock<BoundedFile> = OnceLock::new();

/// Starts logging. `level` is a level or tracing's `target=level` list.
pub fn start(datadir: &Path, level: &str, format: LogFormat) -> io::Result<()> {
    let base = format!("{QUIET},{level}");
    let (filter, handle) = reload::Layer::new(EnvFilter::try_new(&base).map_err(io::Error::other)?);
    let file = BoundedFile::open(datadir.join(LOG_FILE))?;
    // In a test process the first node's file is everybody's.
    let _ = FILE.set(file.clone());
    let to_file = fmt::layer().with_ansi(false).with_target(false).with_writer(move || file.clone());
    let color = io::IsTerminal::is_terminal(&io::stderr());
    let to_terminal = fmt::layer().with_ansi(color).with_target(false).with_writer(|| AboveBar);
    let (to_file, to_terminal) = match format {
        LogFormat::Text => (to_file.boxed(), to_terminal.boxed()),
        LogFormat::Json => (to_file.event_format(JsonLines).boxed(), to_terminal.event_format(JsonLines).boxed()),
    };
    // In a test process the first node's log is everybody's.
    let started = tracing_subscriber::registry().with(filter).with(to_file).with(to_terminal).try_init();
    if started.is_ok() {
        log_levels::install(base, move |directives| {
            handle
                .reload(EnvFilter::try_new(directives).map_err(|error| error.to_string())?)
                .map_err(|error| error.to_string())
        });
    }
    log_panics();
    Ok(())
}

/// Opens the log file anew, after somebody has moved it (logrotate). If that fails, the log goes on where it is and says so.
pub fn reopen() {
    let Some(file) = FILE.get() else { return };
    match file.reopen() {
        Ok(()) => tracing::info!("the log file was opened anew"),
        Err(error) => tracing::error!("cannot open the log file anew: {error}; the log goes on in the old one"),
    }
}

/// A panic is a bug of ours: one line in the log, where it will be found, instead of a backtrace on the terminal.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let message = panic.payload_as_str().unwrap_or("no message");
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!("internal error at {place}: {message}; please report it with {LOG_FILE}");
    }));
}

/// Standard error, above the progress bar.
struct AboveBar;

impl Write for AboveBar {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        above_bar(|| io::stderr().write(line))
    }
    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// A log file that starts anew when it is full, keeping one older part.
#[derive(Clone)]
struct BoundedFile(Arc<Mutex<Inner>>);

struct Inner {
    path: PathBuf,
    file: File,
    bytes: u64,
}

impl BoundedFile {
    fn open(path: PathBuf) -> io::Result<BoundedFile> {
        let file = OpenOptions::new().create(true).append(true).open(&path)?;
        let bytes = file.metadata()?.len();
        Ok(BoundedFile(Arc::new(Mutex::new(Inner { path, file, bytes }))))
    }
    fn reopen(&self) -> io::Result<()> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let file = OpenOptions::new().create(true).append(true).open(&inner.path)?;
        inner.bytes = file.metadata()?.len();
        inner.file = file;
        Ok(())
    }
}

impl Write for BoundedFile {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.bytes >= LOG_FILE_BYTES_MAX {
            std::fs::rename(&inner.path, inner.path.with_extension("log.1"))?;
            inner.file = OpenOptions::new().create(true).append(true).open(&inner.path)?;
            inner.bytes = 0;
        }
        let written = inner.file.write(line)?;
        inner.bytes += written as u64;
        Ok(written)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_is_no_level_is_told() {
        for level in ["info", "off", "WARN", "info,node::core=debug", "node::core=trace"] {
            assert_eq!(check(level), Ok(()), "{level}");
        }
        for level in ["loud", "", "info,loud", "node::core=loud"] {
            assert!(check(level).is_err_and(|what| what.contains("expected off, error")), "{level}");
        }
    }

    #[test]
    fn a_full_log_starts_anew_and_keeps_one_older_part() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(LOG_FILE);
        let mut file = BoundedFile::open(path.clone()).unwrap();
        file.write_all(b"old\n").unwrap();
        file.0.lock().unwrap().bytes = LOG_FILE_BYTES_MAX;
        file.write_all(b"new\n").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new\n");
        assert_eq!(std::fs::read(dir.path().join("debug.log.1")).unwrap(), b"old\n");
        // As logrotate does it: moved away, then opened anew.
        std::fs::rename(&path, dir.path().join("moved")).unwrap();
        file.write_all(b"old\n").unwrap();
        file.reopen().unwrap();
        file.write_all(b"new\n").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new\n");
        drop(file);
        let again = BoundedFile::open(path).unwrap();
        assert_eq!(again.0.lock().unwrap().bytes, 4, "an existing log counts");
    }
}
