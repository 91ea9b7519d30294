//! The thin part of a node: everything that touches a clock, a disk, a socket or a terminal.
//!
//! [`Node::start`] puts the parts together and [`Node::run`] takes them apart again. From the top floor to the ground:
//!
//! | module | role |
//! |---|---|
//! | [`rpc`] | answers clients |
//! | [`mining`] | hands jobs to the miner and submits the blocks it finds |
//! | [`stratum`] | hands jobs to other people's miners, counts their shares and submits the blocks they find |
//! | [`core_loop`] | the one thread that feeds the [`core`](crate::core) and performs its outputs in order |
//! | [`core_handle`] | how the modules above reach that thread |
//! | [`zmq`] | tells subscribers of blocks and transactions |
//! | [`follow`] | what happened to chain and mempool since the last look |
//! | [`network`], [`store`] | peers; the disk |
//! | [`input_queue`] | what the network has for that thread |
//! | [`progress`], [`log_levels`], [`counters`], [`metrics`] | log lines and levels, counts, durations |
//! | [`clock`], [`files`] | time, small files |
//!
//! The rules of the chain are not here: [`chain_spec::rules`] and the core judge every block and transaction.

pub mod clock;
pub mod core_handle;
pub mod core_loop;
pub mod counters;
pub mod descriptors;
pub mod files;
pub mod follow;
pub mod input_queue;
pub mod log_levels;
pub mod metrics;
pub mod mining;
pub mod network;
pub mod progress;
pub mod rpc;
pub mod store;
pub mod stratum;
pub mod zmq;

pub use crate::core::state_machine::StateMachine;

use crate::core::store::StoreError;
use crate::core::{Config, Core};
use crate::miner::{MinerConfig, MinerError};
use chain_spec::{Address, ChainSpec};
use core_handle::CoreHandle;
use core_loop::CoreLoop;
use counters::Counters;
use metrics::Latencies;
use mining::Mining;
use network::{NetworkConfig, NetworkError, NetworkHandle};
use progress::Progress;
use rpc::http::Server;
use rpc::http::auth::{Access, Credentials};
use rpc::http::limits::Limits;
use rpc::method::context::{Context, RunningCalls};
use serde::Serialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use store::{DiskStore, StoreConfig};
use stratum::{PoolConfig, PoolError};
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tracing::info;
use zmq::{Endpoint, ZmqError};

/// The log file's name in the data directory.
pub const LOG_FILE: &str = "debug.log";
/// The file that says where a running node is.
pub const READY_FILE: &str = "ready.json";
/// How long RPC calls may take to end after a stop before they are cut off.
const RPC_GOODBYE: Duration = Duration::from_millis(500);

/// Wraps the core in another state machine: how the attack lab runs a strategy. With the handle, what wraps the core can ask
/// for a tick when something outside has happened.
pub type Wrap = Box<dyn FnOnce(Core, CoreHandle) -> Box<dyn StateMachine> + Send>;

/// What a node is started with.
pub struct Settings {
    /// The chain's parameters.
    pub spec: ChainSpec,
    /// The data directory; created if it does not exist.
    pub datadir: PathBuf,
    /// `HOST:PORT` of JSON-RPC; port 0 picks a free one.
    pub rpc_listen: String,
    /// Who may call besides whoever reads the cookie file.
    pub rpc_access: Access,
    /// Whether Core's REST paths are served.
    pub rest: bool,
    /// Accepted in `Host:` headers besides addresses and `localhost`.
    pub rpc_host_names: Vec<String>,
    /// The network's settings.
    pub network: NetworkConfig,
    /// Who is paid for mining; `None` does not mine.
    pub payout: Option<Address>,
    /// Threads, kernel and hash rate limit of the miner.
    pub miner: MinerConfig,
    /// The pool for other people's miners; `None` is no pool.
    pub pool: Option<PoolConfig>,
    /// Where which topics are published over ZMQ.
    pub zmq: Vec<Endpoint>,
    /// The store's settings.
    pub store: StoreConfig,
    /// The core's settings.
    pub core: Config,
    /// What wraps the core; `None` runs the core itself.
    pub wrap: Option<Wrap>,
}

/// Why a node could not start, or had to end: one line that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The data directory cannot be made or written to.
    #[error("cannot use data directory {}: {error}; choose another with --datadir", path.display())]
    Datadir {
        /// The file or directory.
        path: PathBuf,
        /// The system's reason.
        error: std::io::Error,
    },
    /// The process may open too few files and connections.
    #[error(transparent)]
    Descriptors(#[from] descriptors::TooFew),
    /// The RPC port cannot be had.
    #[error("cannot listen for RPC on {address}: {error}; choose another with --rpc-listen (port 0 picks a free one)")]
    RpcListen {
        /// The address as it was given.
        address: String,
        /// The system's reason.
        error: std::io::Error,
    },
    /// A file in the data directory cannot be written.
    #[error("cannot write {}: {error}; check the directory's owner, mode and free space", path.display())]
    File {
        /// The file or directory.
        path: PathBuf,
        /// The system's reason.
        error: std::io::Error,
    },
    /// The store failed, belongs to another chain, or is in use by another node.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The network could not start.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The miner could not start.
    #[error("cannot mine: {0}")]
    Miner(#[from] MinerError),
    /// An address for ZMQ cannot be had.
    #[error(transparent)]
    Zmq(#[from] ZmqError),
    /// The pool could not start.
    #[error(transparent)]
    Pool(#[from] PoolError),
    /// A fault of this program.
    #[error("internal error: {0}; the log has the details, please report it")]
    Internal(String),
}

/// Where a running node is: the content of [`READY_FILE`].
#[derive(Clone, Debug, Serialize)]
pub struct Ready {
    /// Process id.
    pub pid: u32,
    /// Name of the chain.
    pub chain: String,
    /// URL of JSON-RPC.
    pub rpc: String,
    /// Where peers dial it, with `/p2p/ID`.
    pub p2p: Vec<String>,
    /// The file that holds the RPC cookie.
    pub cookie: PathBuf,
    /// `HOST:PORT` of Stratum, if there is a pool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stratum: Option<String>,
}

/// How the core's thread ended.
type Ending = Result<(), NodeError>;

/// A running node.
pub struct Node {
    context: Arc<Context>,
    ready: Ready,
    pool: Option<stratum::Running>,
    running_files: Option<RunningFiles>,
    serving: JoinHandle<()>,
    ending: oneshot::Receiver<Ending>,
}

impl Node {
    /// Starts everything; the node answers RPC when this returns.
    pub async fn start(mut settings: Settings) -> Result<Node, NodeError> {
        let mut shares = descriptors::Shares::of(descriptors::raise_limit())?;
        // Miners have half of what peers would have.
        let stratum_max = if settings.pool.is_some() { shares.peers / 2 } else { 0 };
        shares.peers -= stratum_max;
        settings.network.descriptors_max = shares.peers;
        let datadir = settings.datadir.clone();
        let datadir_error = |error| NodeError::Datadir { path: datadir.clone(), error };
        std::fs::create_dir_all(&datadir).map_err(datadir_error)?;
        let datadir = datadir.canonicalize().map_err(datadir_error)?;
        let (listener, rpc_address) = listen(&settings.rpc_listen).await?;

        let spec = Arc::new(settings.spec);
        let StoreConfig { txindex, block_filters, spenders, .. } = settings.store;
        let (is_locked, opening) = open_store(&datadir, &spec, settings.store);
        let join_error = |error: tokio::task::JoinError| NodeError::Internal(error.to_string());
        if is_locked.await.is_err() {
            opening.await.map_err(join_error)??;
            return Err(NodeError::Internal("the store was opened without its lock".into()));
        }
        // This process holds the directory's lock from here on, so cookie and ready file are its own. Opening goes on, and
        // may take long; callers are told so.
        let cookie_error = |error| NodeError::File { path: datadir.join(rpc::http::auth::COOKIE_FILE), error };
        let running_files = RunningFiles(datadir.clone());
        running_files.remove();
        let credentials = Credentials::create(&datadir, settings.rpc_access).map_err(cookie_error)?;
        let stop = watch::Sender::new(false);
        let server = Server::new(
            credentials,
            settings.rpc_host_names,
            settings.rest,
            Limits { connections_max: shares.rpc, ..Limits::default() },
        );
        let serving = tokio::spawn(Arc::clone(&server).serve(listener, stop.subscribe()));
        let opened = opening.await.map_err(join_error)??;

        let (counters, latencies) = (Arc::new(Counters::default()), Latencies::default());
        let (core, inputs, core_loop) =
            core_loop::channels(Arc::clone(&counters), latencies.clone(), Progress::default());
        let opened =
            open_core(Arc::clone(&spec), settings.core, opened, settings.wrap.zip(Some(core.clone())), core_loop)
                .await?;
        let network = network::start(settings.network, inputs).await?;
        let ending = run_core(opened, network.clone())?;
        let mining = Mining::start(settings.payout, settings.miner, core.clone(), Arc::clone(&spec))?;
        let pool = match settings.pool {
            Some(config) => {
                let (spec, core, stop) = (Arc::clone(&spec), core.clone(), stop.subscribe());
                Some(stratum::Running::start(config, spec, &datadir, core, stratum_max, stop).await?)
            }
            None => None,
        };

        let zmq = zmq::start(settings.zmq, core.clone(), stop.subscribe()).await?;
        let info = network.info().await?;
        let ready = Ready {
            pid: std::process::id(),
            chain: spec.name.clone(),
            rpc: format!("http://{rpc_address}"),
            p2p: info.listen.iter().map(ToString::to_string).collect(),
            cookie: server.cookie_path().to_owned(),
            stratum: pool.as_ref().map(|pool| pool.address.to_string()),
        };
        let context = Arc::new(Context {
            core,
            network,
            mining,
            pool: pool.as_ref().map(|running| running.pool.clone()),
            spec,
            datadir,
            started: clock::now(),
            txindex,
            block_filters,
            spenders,
            zmq,
            stop,
            counters,
            generating: std::sync::Mutex::default(),
            block_rates: std::sync::Mutex::default(),
            template: std::sync::Mutex::default(),
            has_caught_up: std::sync::atomic::AtomicBool::new(false),
            methods: &rpc::table::METHODS,
            calls: RunningCalls::new(latencies.clone()),
            latencies,
        });
        server.ready(Arc::clone(&context));
        write_ready(&context.datadir, &ready)?;
        info!("ready chain={} rpc={} p2p={:?}", ready.chain, ready.rpc, ready.p2p);
        Ok(Node { context, ready, pool, running_files: Some(running_files), serving, ending })
    }

    /// Where the node can be reached.
    pub fn ready(&self) -> &Ready {
        &self.ready
    }
    /// The handles that RPC methods work with, for a program that holds a node in process.
    pub fn context(&self) -> &Arc<Context> {
        &self.context
    }
    /// Set to true, it stops the node.
    pub fn stopper(&self) -> watch::Sender<bool> {
        self.context.stop.clone()
    }

    /// Runs until it is told to stop or cannot go on, then ends cleanly: everything flushed, no file left that says it runs.
    pub async fn run(mut self) -> Result<(), NodeError> {
        let early = tokio::select! {
            () = self.context.stopping() => None,
            ending = &mut self.ending => Some(ending),
        };
        self.context.stop.send_replace(true);
        info!("stopping");
        self.context.network.shutdown().await;
        if let Some(pool) = self.pool.take() {
            pool.ended().await;
        }
        // Before the core releases the directory's lock: afterwards these files may belong to another node.
        drop(self.running_files.take());
        self.context.core.stop().await;
        let ending = match early {
            Some(ending) => ending,
            None => self.ending.await,
        };
        if tokio::time::timeout(RPC_GOODBYE, &mut self.serving).await.is_err() {
            self.serving.abort();
        }
        info!("stopped");
        ending.unwrap_or_else(|_| Err(NodeError::Internal("the core's thread ended without saying why".into())))
    }
}

async fn listen(address: &str) -> Result<(TcpListener, SocketAddr), NodeError> {
    let failed = |error| NodeError::RpcListen { address: address.to_owned(), error };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

/// What opening the store gives.
type OpenedStore = (DiskStore, Box<dyn crate::core::store::Store>, crate::core::store::Loaded);

/// Opening the store, on a thread of its own. The receiver is told when the directory is this process's; it fails if that
/// does not come to be.
type Opening = (oneshot::Receiver<()>, JoinHandle<Result<OpenedStore, StoreError>>);

fn open_store(datadir: &Path, spec: &Arc<ChainSpec>, config: StoreConfig) -> Opening {
    let (datadir, spec) = (datadir.to_owned(), Arc::clone(spec));
    let (locked, is_locked) = oneshot::channel();
    let open = move || {
        DiskStore::open_telling(&datadir, &spec, &config, || {
            // Nobody receives when the node was stopped meanwhile.
            let _ = locked.send(());
        })
    };
    (is_locked, tokio::task::spawn_blocking(open))
}

/// A core that is ready to be fed.
struct OpenedCore {
    machine: Box<dyn StateMachine>,
    store: DiskStore,
    core_loop: CoreLoop,
}

/// Opens the core and performs what that asks for. Rolling forward over many blocks takes a while.
async fn open_core(
    spec: Arc<ChainSpec>,
    config: Config,
    (mut store, reads, loaded): OpenedStore,
    wrap: Option<(Wrap, CoreHandle)>,
    mut core_loop: CoreLoop,
) -> Result<OpenedCore, NodeError> {
    let open = move || -> Result<OpenedCore, NodeError> {
        let (core, outputs) = Core::open(spec, config, reads, loaded, clock::now())?;
        let mut machine = match wrap {
            Some((wrap, handle)) => wrap(core, handle),
            None => Box::new(core),
        };
        core_loop.begin(machine.as_mut(), &mut store, outputs)?;
        Ok(OpenedCore { machine, store, core_loop })
    };
    tokio::task::spawn_blocking(open).await.map_err(|error| NodeError::Internal(error.to_string()))?
}

/// Starts the core's thread. A panic there is reported like any other end: the node must not go on without its core.
fn run_core(opened: OpenedCore, network: NetworkHandle) -> Result<oneshot::Receiver<Ending>, NodeError> {
    let (report, ending) = oneshot::channel();
    let runtime = tokio::runtime::Handle::current();
    let run = move || {
        let OpenedCore { machine, store, core_loop } = opened;
        let run = std::panic::AssertUnwindSafe(|| core_loop.run(&runtime, machine, store, Some(network)));
        let ending = match std::panic::catch_unwind(run) {
            Ok(ending) => ending.map_err(NodeError::from),
            Err(_) => Err(NodeError::Internal("the core's thread panicked".into())),
        };
        // Nobody receives when the node has been dropped already.
        let _ = report.send(ending);
    };
    let spawned = std::thread::Builder::new().name("core".into()).spawn(run);
    spawned.map_err(|error| NodeError::Internal(format!("cannot start the core's thread: {error}")))?;
    Ok(ending)
}

fn write_ready(datadir: &Path, ready: &Ready) -> Result<(), NodeError> {
    let path = datadir.join(READY_FILE);
    let text = serde_json::to_string(ready).map_err(|error| NodeError::Internal(error.to_string()))?;
    let written = files::replace(&path, (text + "\n").as_bytes(), files::Access::Everyone);
    written.map_err(|error| NodeError::File { path, error })
}

/// The files that say that a node runs in this directory. They are removed when this is dropped, so that only a killed
/// node leaves them behind.
struct RunningFiles(PathBuf);

impl RunningFiles {
    fn remove(&self) {
        for file in [READY_FILE, rpc::http::auth::COOKIE_FILE] {
            // A file that does not exist needs no removal.
            let _ = std::fs::remove_file(self.0.join(file));
        }
    }
}

impl Drop for RunningFiles {
    fn drop(&mut self) {
        self.remove();
    }
}
