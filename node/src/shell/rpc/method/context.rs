//! What methods work with: the handles to the core, the network and the miner, and a few facts about the process.

use super::Table;
use crate::core::event::Time;
use crate::shell::clock;
use crate::shell::core_handle::CoreHandle;
use crate::shell::counters::Counters;
use crate::shell::metrics::Latencies;
use crate::shell::mining::Mining;
use crate::shell::network::NetworkHandle;
use crate::shell::rpc::error::{INTERNAL_ERROR, RpcError};
use crate::shell::stratum::pool::Pool;
use crate::shell::zmq::Endpoint;
use chain_spec::{BlockHash, ChainSpec};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// Everything a method may need. One per node, shared by all calls.
pub struct Context {
    /// To the core's thread.
    pub core: CoreHandle,
    /// To the network.
    pub network: NetworkHandle,
    /// To the miner.
    pub mining: Mining,
    /// To the pool, if there is one.
    pub pool: Option<Pool>,
    /// The chain's parameters.
    pub spec: Arc<ChainSpec>,
    /// The data directory.
    pub datadir: PathBuf,
    /// When the process was ready.
    pub started: Time,
    /// Set to true, it stops the node.
    pub stop: watch::Sender<bool>,
    /// Whether the node keeps the index from transactions to blocks.
    pub txindex: bool,
    /// Whether it keeps the filters of blocks.
    pub block_filters: bool,
    /// Whether it keeps the index from coins to what spends them.
    pub spenders: bool,
    /// What is published over ZMQ, and where.
    pub zmq: Vec<Endpoint>,
    /// What the core's loop counts.
    pub counters: Arc<Counters>,
    /// How long calls and blocks took.
    pub latencies: Latencies,
    /// Held while a block is made and mined at once, so that two callers' blocks do not have the same parent.
    pub generating: Mutex<()>,
    /// What a place took in the newest blocks, for fee estimates.
    pub block_rates: Mutex<HashMap<BlockHash, u64>>,
    /// What `getblocktemplate` answered last.
    pub template: Mutex<Option<MadeTemplate>>,
    /// Set once the node has caught up; it does not begin again (Core: `m_cached_is_ibd`).
    pub has_caught_up: AtomicBool,
    /// All methods, for `help`.
    pub methods: &'static Table,
    /// Calls that are running now.
    pub calls: RunningCalls,
}

/// An answer of `getblocktemplate`, and what it was made from: it is given again until one of these changes.
pub struct MadeTemplate {
    /// The block that it stands on.
    pub tip: BlockHash,
    /// The mempool's version.
    pub mempool_version: u64,
    /// The version of what else decides about what to mine.
    pub goal_version: u64,
    /// Earliest time that the block may carry, Unix seconds.
    pub min_time_s: u32,
    /// The answer as JSON, without its time.
    pub answer: String,
}

impl Context {
    /// Bytes of everything in the data directory; what cannot be read counts as nothing.
    pub fn size_on_disk(&self) -> u64 {
        directory_bytes(&self.datadir)
    }
    /// Whether the node was asked to stop: long reads then break off.
    pub fn is_stopping(&self) -> bool {
        *self.stop.borrow()
    }
    /// Whether the node is still catching up for the first time since it started.
    pub fn is_initial_download(&self, is_behind: bool) -> bool {
        if !is_behind {
            self.has_caught_up.store(true, Ordering::Relaxed);
        }
        !self.has_caught_up.load(Ordering::Relaxed)
    }
    /// Runs what takes long and blocks, beside everything else.
    pub async fn run_blocking<T: Send + 'static>(
        &self,
        run: impl FnOnce() -> Result<T, RpcError> + Send + 'static,
    ) -> Result<T, RpcError> {
        let joined = tokio::task::spawn_blocking(run).await;
        joined.unwrap_or_else(|error| Err(RpcError::new(INTERNAL_ERROR, error.to_string())))
    }
    /// Waits until the node is asked to stop.
    pub async fn stopping(&self) {
        // `stop` lives in `self`, so the channel cannot be closed.
        let _ = self.stop.subscribe().wait_for(|stopping| *stopping).await;
    }
}

/// The calls that are running, for `getrpcinfo`.
#[derive(Default)]
pub struct RunningCalls {
    calls: Mutex<Vec<(u64, &'static str, std::time::Instant)>>,
    latencies: Latencies,
}

/// One running call; it ends when this is dropped.
pub struct RunningCall<'a> {
    calls: &'a RunningCalls,
    number: u64,
}

impl RunningCalls {
    /// None yet; how long they take goes to `latencies`.
    pub fn new(latencies: Latencies) -> RunningCalls {
        RunningCalls { calls: Mutex::default(), latencies }
    }
    /// A call starts.
    pub fn enter(&self, method: &'static str) -> RunningCall<'_> {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        let number = calls.last().map_or(0, |(number, ..)| number + 1);
        calls.push((number, method, clock::instant()));
        RunningCall { calls: self, number }
    }
    /// Name and age in microseconds of every running call.
    pub fn list(&self) -> Vec<(&'static str, u64)> {
        let calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        let now = clock::instant();
        let age = |since: std::time::Instant| u64::try_from((now - since).as_micros()).unwrap_or(u64::MAX);
        calls.iter().map(|(_, method, since)| (*method, age(*since))).collect()
    }
}

impl Drop for RunningCall<'_> {
    fn drop(&mut self) {
        let mut calls = self.calls.calls.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = calls.iter().position(|(number, ..)| *number == self.number) {
            let (_, method, since) = calls.remove(place);
            drop(calls);
            self.calls.latencies.rpc(method, clock::instant() - since);
        }
    }
}

fn directory_bytes(directory: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(directory) else { return 0 };
    let sizes = entries.flatten().map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => directory_bytes(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    });
    sizes.sum()
}
