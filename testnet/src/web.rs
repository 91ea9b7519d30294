//! The web page: the network, its block tree and its attacks in a browser, served by the launcher on loopback.
//!
//! | | |
//! |---|---|
//! | `api` | the routes (docs/web-api.md), for the page and for scripts |
//! | `attack`, `command` | what the page does: the program's own commands |
//! | `watch` | one look at a network for all who look on |
//! | `hub` | a numbered stream of events that can be resumed |
//! | `guard` | who may read and who may change something |
//! | `assets` | the page's files, in `testnet/web/` |
//! | `browser` | opens it |
//!
//! It stands on [`crate::observer`], which looks at the nodes; [`crate::cli`] starts it beside a network or for one that runs.
//! Absent: TLS, and users: it is one person's page, or a class's to look at.

mod api;
mod assets;
mod attack;
pub mod browser;
mod command;
mod guard;
mod hub;
mod watch;

use crate::cluster::directory::Directory;
use anyhow::{Context as _, Result};
use assets::Assets;
use attack::Stage;
use guard::Access;
use rand::RngExt as _;
use serde_json::Value;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;
use tokio::sync::watch as channel;
use watch::Watched;

/// Where the page is unless told otherwise.
pub const LISTEN_DEFAULT: &str = "127.0.0.1:8480";

/// How a page is served.
#[derive(Clone, Debug)]
pub struct PageOptions {
    /// The network's directory.
    pub directory: Directory,
    /// Where to listen; port 0 picks a free one.
    pub listen: SocketAddr,
    /// The page changes nothing.
    pub read_only: bool,
    /// The page's files are read from here instead of those in the binary.
    pub files: Option<PathBuf>,
    /// The directory holds the network of an attack that this process stages; sending goes on from a step of its story.
    pub attack: Option<Sender<()>>,
}

impl PageOptions {
    /// The embedded page of a network, by which it can be changed.
    pub fn new(directory: Directory, listen: SocketAddr) -> PageOptions {
        PageOptions { directory, listen, read_only: false, files: None, attack: None }
    }
}

/// A page that is served until it is dropped.
pub struct Page {
    url: String,
    watched: [Arc<Watched>; 2],
    stage: Arc<Stage>,
    ending: channel::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Page {
    /// Serves the network in a directory.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub fn start(options: PageOptions) -> Result<Page> {
        let listen = options.listen;
        let listener = bind(listen).with_context(|| {
            format!("cannot show the page on {listen}; choose another address, or port 0 for any that is free")
        })?;
        listener.set_nonblocking(true).context("cannot serve the page")?;
        let url = format!("http://{}/", listener.local_addr().context("cannot serve the page")?);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("web")
            .enable_all()
            .build()
            .context("cannot serve the page")?;
        let program = command::own_program().context("cannot find this program's own file")?;
        let (ending, ended) = channel::channel(false);
        let directory = options.directory.path().to_owned();
        let main = Watched::start(directory.clone()).context("cannot watch the network")?;
        let attacked = match options.attack {
            Some(_) => main.clone(),
            None => Watched::start(directory.join("attack")).context("cannot watch the network")?,
        };
        let place = (attacked.directory().clone(), attacked.hub.clone());
        let stage = Arc::new(Stage::new(program.clone(), place, options.attack));
        let server = Arc::new(api::Server {
            main: main.clone(),
            attacked: attacked.clone(),
            stage: stage.clone(),
            assets: Assets::new(options.files),
            access: Access { token: token().into(), read_only: options.read_only },
            program,
            ending: ended.clone(),
        });
        let serve = async move {
            let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
            let mut ended = ended;
            let stage = server.stage.clone();
            let stopped = async move {
                // A closed channel means that the page was dropped, which is an end as well.
                let _ = ended.wait_for(|ending| *ending).await;
            };
            // `serve` itself has no error; it returns when it was stopped and its streams have ended.
            let _ = axum::serve(listener, api::router(server)).with_graceful_shutdown(stopped).await;
            // An attack that still runs ends with the page: nobody would see its verdict.
            if stage.stop().is_ok() {
                stage.ended().await;
            }
        };
        let thread = std::thread::Builder::new().name("web".into()).spawn(move || runtime.block_on(serve));
        let thread = thread.context("cannot serve the page")?;
        Ok(Page { url, watched: [main, attacked], stage, ending, thread: Some(thread) })
    }

    /// Passes on a line of the story of the attack that this process stages.
    pub fn tell(&self, line: Value) {
        self.stage.tell(line);
    }

    /// Where it is.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        self.watched.iter().for_each(|watched| watched.stop());
        self.ending.send_replace(true);
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has printed its message; there is nothing to add while dropping.
            let _ = thread.join();
        }
    }
}

/// Listens; where nobody has asked for the default address in particular, a free port serves if it is taken.
fn bind(listen: SocketAddr) -> std::io::Result<TcpListener> {
    match TcpListener::bind(listen) {
        Err(error) if error.kind() == ErrorKind::AddrInUse && listen.to_string() == LISTEN_DEFAULT => {
            TcpListener::bind(SocketAddr::new(listen.ip(), 0))
        }
        bound => bound,
    }
}

/// 128 random bits, in hexadecimal digits.
fn token() -> String {
    format!("{:032x}", rand::rng().random::<u128>())
}
