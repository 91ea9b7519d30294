//! A mining pool in the node: Stratum v1 for miners, shares counted and paid in the coinbase of the blocks they find.
//!
//! It stands beside [`mining`](super::mining), asks the core for templates and submits blocks like anyone. From the
//! top floor to the ground:
//!
//! | module | role |
//! |---|---|
//! | `connection` | sockets: bounds, pace, bans |
//! | [`feed`] | templates become jobs, blocks found are submitted, the books are written |
//! | `session` | one miner's requests and replies |
//! | [`pool`] | what the sessions share |
//! | `job` | a template with a coinbase of the pool's, and the shares it has had |
//! | [`books`], [`ledger`] | who has worked and is owed what; the same on disk |
//! | [`payout`], [`account`], `vardiff` | arithmetic: rewards split, workers counted, difficulties adjusted |
//! | `protocol`, `lines`, `bans` | lines in and out |
//!
//! The shares' byte orders and difficulties are `miner::stratum`'s. docs/pool.md tells operators and miners what
//! they can rely on. Absent: TLS, Stratum v2, merged mining, accounts with passwords (who pays attention to an
//! address is its owner).

use super::clock;
use super::core_handle::CoreHandle;
use crate::miner::stratum::difficulty::Difficulty;
use chain_spec::ChainSpec;
use connection::Listener;
use feed::Feed;
use ledger::{Ledger, LedgerError};
use payout::Terms;
use pool::{Pool, Start};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub mod account;
mod bans;
pub mod books;
mod connection;
pub mod feed;
mod job;
pub mod ledger;
mod lines;
pub mod payout;
pub mod pool;
mod protocol;
mod session;
mod vardiff;

/// Most connections, whatever the process may open.
const CONNECTIONS_MAX: usize = 4_096;

/// How a pool is run.
#[derive(Clone, Debug)]
pub struct PoolConfig {
    /// `HOST:PORT` of Stratum; port 0 picks a free one.
    pub listen: String,
    /// Who is paid how.
    pub terms: Terms,
    /// How much of the last work PPLNS counts, in multiples of the work of one block.
    pub window: f64,
    /// The difficulty that a session starts with.
    pub difficulty: Difficulty,
    /// How long a ban lasts, seconds.
    pub ban_s: u64,
}

/// Why a pool could not start.
#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    /// The port cannot be had.
    #[error("cannot listen for Stratum on {address}: {error}; choose another with --stratum (port 0 picks a free one)")]
    Listen {
        /// As it was given.
        address: String,
        /// The system's reason.
        error: std::io::Error,
    },
    /// The books cannot be used.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// A pool that listens.
pub struct Running {
    /// What RPC and metrics look at.
    pub pool: Pool,
    /// Where it listens.
    pub address: SocketAddr,
    /// Ends when everything is written after a stop.
    books: JoinHandle<()>,
}

impl Running {
    /// Starts a pool; `connections_max` is what is left of the process's descriptors.
    pub async fn start(
        config: PoolConfig,
        spec: Arc<ChainSpec>,
        datadir: &Path,
        core: CoreHandle,
        connections_max: usize,
        stop: watch::Receiver<bool>,
    ) -> Result<Running, PoolError> {
        let address = config.listen.clone();
        let failed = |error| PoolError::Listen { address: address.clone(), error };
        let listener = TcpListener::bind(&config.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let (ledger, entries) = Ledger::open(datadir)?;
        let start = Start { now_ms: clock::now().0, random: rand::random() };
        let pool = Pool::new(config, spec, entries, start);
        let (feed, found) = Feed::channel();
        tokio::spawn(feed::make_jobs(pool.clone(), core.clone()));
        let books = tokio::spawn(feed::keep_books(pool.clone(), core, ledger, found, stop.clone()));
        let listening = Arc::new(Listener::new(pool.clone(), feed, connections_max.min(CONNECTIONS_MAX)));
        tokio::spawn(listening.serve(listener, stop));
        Ok(Running { pool, address, books })
    }

    /// Waits, after a stop, until the books are written.
    pub async fn ended(self) {
        // A task that panicked has said so in the log; what it could not write is lost either way.
        let _ = self.books.await;
    }
}
