//! The web page: the network, its block tree and its attacks in a browser, served by the launcher on loopback.
//!
//! | | |
//! |---|---|
//! | `api` | the routes (docs/web-api.md), for the page and for scripts |
//! | `attack`, `command` | what the page does: the program's own commands |
//! | `watch` | one look at a network for all who look on |
//! | `record` | keeps what was watched, for replay |
//! | `hub` | a numbered stream of events that can be resumed |
//! | `guard` | who may read and who may change something |
//! | `assets` | the page's files, in `testnet/web/` |
//! | `browser`, `background` | opens it; leaves it to itself beside a detached network |
//! | `classroom` | the second address, for students |
//!
//! It stands on [`crate::observer`], which looks at the nodes; [`crate::cli`] starts it beside a network or for one that runs.
//! Absent: TLS, and users: it is one person's page, or a class's to look at.

mod api;
mod assets;
mod attack;
pub mod background;
pub mod browser;
mod classroom;
mod command;
mod guard;
mod hub;
mod record;
mod watch;

use crate::cluster::directory::Directory;
use crate::observer::event::Event;
use crate::observer::status::NodeStatus;
use anyhow::{Context as _, Result};
use assets::Assets;
use attack::Stage;
use classroom::Classroom;
use guard::Access;
use rand::RngExt as _;
use serde_json::{Value, json};
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;
use tokio::sync::{Semaphore, watch as channel};
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
    /// Where students look on, with a token; nowhere if not given.
    pub class: Option<SocketAddr>,
}

impl PageOptions {
    /// The embedded page of a network, by which it can be changed.
    pub fn new(directory: Directory, listen: SocketAddr) -> PageOptions {
        PageOptions { directory, listen, read_only: false, files: None, attack: None, class: None }
    }
}

/// A page that is served until it is dropped.
pub struct Page {
    url: String,
    class_url: Option<String>,
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
        let (listener, address) = listen_on(options.listen)?;
        let url = format!("http://{address}/");
        let class = options.class.map(listen_on).transpose()?;
        let class_token: Arc<str> = token().into();
        let classroom = class.as_ref().map(|(_, address)| Classroom::new(*address, &class_token));
        let class_url = classroom.as_ref().map(|classroom| classroom.url.clone());
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("web")
            .enable_all()
            .build()
            .context("cannot serve the page")?;
        let program = command::own_program().context("cannot find this program's own file")?;
        let (ending, ended) = channel::channel(false);
        let directory = options.directory.path().to_owned();
        let main = Watched::start(directory.clone(), options.attack.is_none()).context("cannot watch the network")?;
        let attacked = match options.attack {
            Some(_) => main.clone(),
            None => Watched::start(directory.join("attack"), false).context("cannot watch the network")?,
        };
        let place = (attacked.directory().clone(), attacked.hub.clone());
        let stage = Arc::new(Stage::new(program.clone(), place, options.attack));
        let server = Arc::new(api::Server {
            main: main.clone(),
            attacked: attacked.clone(),
            stage: stage.clone(),
            assets: Assets::new(options.files),
            answers: api::Answers::default(),
            orders: Arc::new(Semaphore::new(classroom::ORDERS_MAX)),
            replays: Semaphore::new(1),
            classroom,
            program,
            ending: ended.clone(),
        });
        let access = Access { token: token().into(), read_only: options.read_only, is_class: false };
        let class_access = Access { token: class_token, read_only: true, is_class: true };
        let serve = async move {
            let stage = server.stage.clone();
            let own = serve(listener, api::router(server.clone(), access), ended.clone());
            let class = async {
                if let Some((listener, _)) = class {
                    serve(listener, api::router(server, class_access), ended.clone()).await;
                }
            };
            tokio::join!(own, class);
            // An attack that still runs ends with the page: nobody would see its verdict.
            if stage.stop().is_ok() {
                stage.ended().await;
            }
        };
        let thread = std::thread::Builder::new().name("web".into()).spawn(move || runtime.block_on(serve));
        let thread = thread.context("cannot serve the page")?;
        Ok(Page { url, class_url, watched: [main, attacked], stage, ending, thread: Some(thread) })
    }

    /// Passes on a line of the story of the attack that this process stages.
    pub fn tell(&self, line: Value) {
        self.stage.tell(line);
    }

    /// Says what was typed, as the first line of that story.
    pub fn begin(&self) {
        let words: Vec<String> = std::env::args().skip(1).collect();
        self.tell(json!({ "started": command::typed(&words) }));
    }

    /// The network's nodes at the last look, and what happened since the last time this was asked.
    pub fn news(&self) -> (Vec<NodeStatus>, Vec<Event>) {
        self.watched[0].news()
    }

    /// Where it is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where students look on, with their token.
    pub fn class_url(&self) -> Option<&str> {
        self.class_url.as_deref()
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

/// Serves until the page ends.
async fn serve(listener: TcpListener, router: axum::Router, mut ended: channel::Receiver<bool>) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    let stopped = async move {
        // A closed channel means that the page was dropped, which is an end as well.
        let _ = ended.wait_for(|ending| *ending).await;
    };
    // `serve` itself has no error; it returns when it was stopped and its streams have ended.
    let _ = axum::serve(listener, router).with_graceful_shutdown(stopped).await;
}

/// A listener for the runtime, and where it is.
fn listen_on(listen: SocketAddr) -> Result<(TcpListener, SocketAddr)> {
    let listener = bind(listen).with_context(|| {
        format!("cannot show the page on {listen}; choose another address, or port 0 for any that is free")
    })?;
    listener.set_nonblocking(true).context("cannot serve the page")?;
    let address = listener.local_addr().context("cannot serve the page")?;
    Ok((listener, address))
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
