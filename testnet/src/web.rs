//! The web page: the fork tree of a network as it grows, who is on which branch, what happened, blocks and mempools.
//!
//! [`Page`] serves one page that needs nothing from elsewhere, and the answers it asks for; what they say comes from the nodes'
//! RPC through [`view`]. It only looks: nothing here changes a node or needs its secrets. [`crate::cli`] starts it beside a network
//! (`up --web`) or for one that runs (`web`). Absent: TLS, authentication, history from before it was started.

use crate::cluster::directory::Directory;
use crate::observer::view::View;
use anyhow::{Context as _, Result};
use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use node::shell::rpc::http::is_own_host;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;

/// Where the page is unless told otherwise.
pub const LISTEN_DEFAULT: &str = "127.0.0.1:8480";
/// Everything the page is made of.
const HTML: &str = include_str!("web/page.html");
/// Nothing is fetched from anywhere else, whatever a node's answer may hold.
const CONTENT_SECURITY_POLICY: &str =
    "default-src 'none'; connect-src 'self'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:";

/// A page that is served until it is dropped.
pub struct Page {
    url: String,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Page {
    /// Serves the network in `directory` on `listen`; port 0 picks a free one.
    ///
    /// # Errors
    /// The address cannot be listened on, or there is no network.
    pub fn start(directory: Directory, listen: SocketAddr) -> Result<Page> {
        let view = View::open(directory)?;
        let listener = TcpListener::bind(listen).with_context(|| {
            format!("cannot show the page on {listen}; choose another address, or port 0 for any that is free")
        })?;
        listener.set_nonblocking(true).context("cannot serve the page")?;
        let url = format!("http://{}/", listener.local_addr().context("cannot serve the page")?);
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot serve the page")?;
        let (stop, stopped) = oneshot::channel::<()>();
        let serve = async move {
            let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
            let view = Arc::new(Mutex::new(view));
            // What happens while no browser asks is noticed too.
            let looks = tokio::spawn(look_again_and_again(view.clone()));
            // An error means that the page was dropped, which is a stop as well. `serve` itself has no error.
            let stopped = async move { drop(stopped.await) };
            let _ = axum::serve(listener, router(view)).with_graceful_shutdown(stopped).await;
            looks.abort();
        };
        let thread = std::thread::Builder::new().name("web".into()).spawn(move || runtime.block_on(serve));
        Ok(Page { url, stop: Some(stop), thread: Some(thread.context("cannot serve the page")?) })
    }

    /// Where it is.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has printed its message; there is nothing to add while dropping.
            let _ = thread.join();
        }
    }
}

/// Between two looks at the network that nobody asked for.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

type Shared = Arc<Mutex<View>>;

async fn look_again_and_again(view: Shared) {
    let mut interval = tokio::time::interval(LOOK_INTERVAL);
    loop {
        interval.tick().await;
        // A state file that cannot be read is told to whoever asks.
        let _ = answer(State(view.clone()), View::look).await;
    }
}

fn router(view: Shared) -> Router {
    Router::new()
        .route("/", get(|| async { ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], HTML) }))
        .route("/view", get(|view: State<Shared>| answer(view, View::look)))
        .route(
            "/block/{hash}",
            get(|view: State<Shared>, Path(hash): Path<String>| answer(view, move |view| view.block(&hash))),
        )
        .route(
            "/mempool/{node}",
            get(|view: State<Shared>, Path(node): Path<String>| answer(view, move |view| view.mempool(&node))),
        )
        .layer(middleware::from_fn(guard))
        .with_state(view)
}

/// Refuses pages of other names that a browser was tricked into resolving to us (DNS rebinding), and forbids ours to fetch
/// anything from elsewhere.
async fn guard(request: Request, next: Next) -> Response {
    if !is_own_host(request.headers(), &[]) {
        return (StatusCode::FORBIDDEN, "this Host header is neither localhost nor an IP address\n").into_response();
    }
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT_SECURITY_POLICY));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Asks the view on a thread that may wait for nodes; one question at a time.
async fn answer(
    State(view): State<Shared>,
    ask: impl FnOnce(&mut View) -> Result<String> + Send + 'static,
) -> Response {
    let asked = tokio::task::spawn_blocking(move || ask(&mut view.lock().unwrap_or_else(PoisonError::into_inner)));
    match asked.await {
        Ok(Ok(json)) => ([(header::CONTENT_TYPE, "application/json")], json).into_response(),
        Ok(Err(error)) => (StatusCode::NOT_FOUND, format!("{error:#}\n")).into_response(),
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, "the launcher failed to ask its nodes; see its terminal\n")
            .into_response(),
    }
}
