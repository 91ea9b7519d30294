//! The wallet's only clock: when a transaction was first seen, and how long a wait has lasted.

/// Seconds since 1970, for the history.
#[allow(clippy::disallowed_methods)] // this module is the wallet's clock
pub fn now_s() -> u32 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u32::try_from(since.as_secs()).unwrap_or(u32::MAX)
}

/// A monotonic instant.
#[allow(clippy::disallowed_methods)] // this module is the wallet's clock
pub fn instant() -> std::time::Instant {
    std::time::Instant::now()
}
