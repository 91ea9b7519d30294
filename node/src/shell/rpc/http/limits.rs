//! How much the clients of the RPC may take of the node. Each bound is checked before what it bounds is made.

use std::time::Duration;

/// Largest request body, bytes (Core: `MAX_SIZE`).
pub const BODY_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Of a request that is refused, so much is still read, so that the connection can be kept for the next one, bytes.
pub const REFUSED_BODY_BYTES_MAX: u64 = 64 * 1024;

/// The bounds of one server.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections open at once. With more, the one that has been silent longest makes room, those that have shown no
    /// password before the others.
    pub connections_max: usize,
    /// Requests that are being answered at once; more are refused with HTTP status 503 (Core: `-rpcworkqueue`).
    pub requests_max: usize,
    /// Bytes of request bodies and of what they become when they are parsed, over all requests; more are refused with 503.
    pub request_bytes_max: usize,
    /// How long a connection may be silent between requests, within one, or while an answer waits to be read (Core:
    /// `-rpcservertimeout`, 30 s).
    pub silence_max: Duration,
    /// What a wrong password costs (Core: 250 ms).
    pub guess_delay: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections_max: 256,
            requests_max: 128,
            request_bytes_max: 256 * 1024 * 1024,
            silence_max: Duration::from_secs(30),
            guess_delay: Duration::from_millis(250),
        }
    }
}
