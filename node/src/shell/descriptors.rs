//! File descriptors: how many this process may have open, and how many of them go to files, RPC callers and peers.
//!
//! Strangers decide how many connections there are, so every kind of connection has its share, and files have theirs: a node
//! that has to open a block file finds a descriptor however many peers knock. Each user of a share keeps to it by itself.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors a node asks the system for; more would be of no use to it.
const DESCRIPTORS_WANTED: u64 = 8_192;
/// Descriptors kept for files, listeners, timers and standard streams: two sets of 16 block and undo files that are read, six
/// files that are written, the log, the lock, sled's, the runtime's, and as many again.
const FILES: usize = 96;
/// Fewest descriptors a node starts with: its files and some connections of each kind.
pub const DESCRIPTORS_MIN: usize = FILES + 64;
/// Most connections of RPC callers.
const RPC_CONNECTIONS_MAX: usize = 256;

/// The soft limit leaves too few descriptors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this process may open {limit} files and connections only, and a node needs {DESCRIPTORS_MIN}; raise the limit, \
     for example with `ulimit -n 1024`"
)]
pub struct TooFew {
    /// Descriptors the process may have.
    pub limit: usize,
}

/// Who may have how many descriptors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shares {
    /// Connections of RPC callers.
    pub rpc: usize,
    /// Connections with peers, those in their handshake and dials included.
    pub peers: usize,
}

impl Shares {
    /// Divides a limit.
    ///
    /// # Errors
    /// It is below [`DESCRIPTORS_MIN`].
    pub fn of(limit: usize) -> Result<Shares, TooFew> {
        let connections = limit.checked_sub(FILES).filter(|_| limit >= DESCRIPTORS_MIN).ok_or(TooFew { limit })?;
        let rpc = (connections / 4).min(RPC_CONNECTIONS_MAX);
        Ok(Shares { rpc, peers: connections - rpc })
    }
}

/// Raises this process's soft limit as far as it may and needs, and returns what it is then. macOS starts with 256.
pub fn raise_limit() -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.map_or(DESCRIPTORS_WANTED, |maximum| maximum.min(DESCRIPTORS_WANTED));
    let now = match current {
        Some(current) if current < wanted => {
            let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum });
            // A system that refuses leaves the limit as it was, and the shares follow from that.
            if raised.is_ok() { wanted } else { current }
        }
        Some(current) => current,
        None => DESCRIPTORS_WANTED,
    };
    usize::try_from(now).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_leaves_files_their_descriptors() {
        for limit in (DESCRIPTORS_MIN..2_000).chain([65_536, 1 << 20]) {
            let shares = Shares::of(limit).expect("enough");
            assert!(shares.rpc + shares.peers + FILES <= limit, "{limit}: {shares:?}");
            assert!(shares.rpc >= 16 && shares.peers >= 48, "{limit}: {shares:?}");
        }
        assert_eq!(Shares::of(8_192).expect("enough").rpc, RPC_CONNECTIONS_MAX);
        let words = Shares::of(DESCRIPTORS_MIN - 1).expect_err("too few").to_string();
        assert!(words.contains("ulimit -n"), "{words}");
    }

    #[test]
    fn the_limit_is_raised_and_is_what_the_system_says() {
        let limit = raise_limit();
        assert!(limit >= DESCRIPTORS_MIN);
        assert_eq!(getrlimit(Resource::Nofile).current.map(|current| current as usize >= limit), Some(true));
        assert_eq!(raise_limit(), limit, "a second call finds it raised");
    }
}
