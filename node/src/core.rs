//! The pure part of a node: it takes inputs with the time they arrived at and returns what must be done, in order.
//!
//! No I/O, no clock, no randomness that is not seeded, no tokio, no libp2p, no sled: the same inputs give the same outputs
//! on any machine, so that the simulator and the tests run exactly what a live node runs. [`shell`](crate::shell) performs
//! the outputs; [`chain_spec::rules`] judges.
//!
//! One thread owns a [`Core`]. Others read it through closures the owner runs (see `shell`).

pub mod event;
pub mod mempool;
pub mod message;
pub mod mind;
pub mod store;
pub mod template;
pub mod view;

use event::{Input, Output, Time};
use std::sync::Arc;
use store::{Loaded, Store, StoreError};

/// Bounds and options of a core.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Coin cache before it is flushed, bytes (`--dbcache`).
    pub coin_cache_bytes_max: usize,
    /// Mempool, bytes of transactions (`--maxmempool`).
    pub mempool_bytes_max: usize,
    /// Lowest fee rate accepted into the mempool, units per 1,000 bytes (`--minrelaytxfee`).
    pub fee_rate_min: u64,
    /// Seeds compact-block keys and request ids; the simulator gives its own.
    pub seed: u64,
}

/// A node's mind.
pub struct Core {
    _todo: (),
}

impl Core {
    /// Bounds and options.
    pub fn config(&self) -> &Config {
        todo!()
    }
    /// Work is left over.
    pub fn has_pending(&self) -> bool {
        todo!()
    }
    /// Something waits for time.
    pub fn wants_tick(&self) -> bool {
        todo!()
    }
    /// Starts from what a store holds, rolling forward over stored blocks that its coins have not seen.
    /// The outputs must be performed like any others.
    pub fn open(
        _spec: Arc<chain_spec::ChainSpec>,
        _config: Config,
        _store: Box<dyn Store>,
        _loaded: Loaded,
        _now: Time,
    ) -> Result<(Core, Vec<Output>), StoreError> {
        todo!()
    }
    /// Takes one input and returns what must be done, in order. The caller performs every store output before the next call.
    pub fn handle(&mut self, _now: Time, _input: Input) -> Result<Vec<Output>, StoreError> {
        todo!()
    }
}
