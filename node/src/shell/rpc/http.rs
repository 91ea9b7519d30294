//! HTTP around [`dialect`]: who may connect, who may call, how large a body may be.
//!
//! `POST /` is JSON-RPC with Basic authentication and any content type; `GET /health` and `GET /metrics` are open to
//! whoever can reach the port (loopback unless told otherwise). Absent: TLS, REST, CORS.

use crate::shell::rpc::dialect;
use crate::shell::rpc::method::context::Context;
use auth::Credentials;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, Response, StatusCode, header};
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context as TaskContext, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

pub mod auth;
pub mod metrics;

/// Largest request body, bytes (Core: `MAX_SIZE`).
pub const BODY_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Most connections open at once; others wait in the listener's queue.
pub const CONNECTIONS_MAX: usize = 256;

/// The RPC server's state. It serves from the moment the data directory is ours, and says "warming up" until the node is.
pub struct Server {
    credentials: Credentials,
    host_names: Vec<String>,
    context: OnceLock<Arc<Context>>,
}

impl Server {
    /// `host_names` are accepted in `Host:` headers besides IP addresses and `localhost`.
    pub fn new(credentials: Credentials, host_names: Vec<String>) -> Arc<Server> {
        Arc::new(Server { credentials, host_names, context: OnceLock::new() })
    }
    /// Ends the warm-up.
    pub fn ready(&self, context: Arc<Context>) {
        // Called once, by the shell; a second context would be a second node.
        let _ = self.context.set(context);
    }
    /// The cookie file.
    pub fn cookie_path(&self) -> &std::path::Path {
        self.credentials.cookie_path()
    }

    /// Serves until `stop` turns true and running calls are answered.
    pub async fn serve(self: Arc<Self>, listener: TcpListener, mut stop: watch::Receiver<bool>) {
        let router = Router::new().fallback(handle).with_state(self);
        let listener = Limited { listener, free: Arc::new(Semaphore::new(CONNECTIONS_MAX)) };
        let stopped = async move {
            // An error means that the shell is gone, which is a stop as well.
            let _ = stop.wait_for(|stopping| *stopping).await;
        };
        // `serve` retries failed accepts itself and has no other error.
        let _ = axum::serve(listener, router).with_graceful_shutdown(stopped).await;
    }
}

/// Whether a request's `Host:` is an address, `localhost` or one of `names`. A name that a browser was tricked into resolving
/// to us (DNS rebinding) is none of them.
pub fn is_own_host(headers: &HeaderMap, names: &[String]) -> bool {
    let Some(host) = headers.get(header::HOST) else { return true };
    let Ok(host) = host.to_str() else { return false };
    let name = host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit())).map_or(host, |h| h.0);
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok()
        || names.iter().any(|known| known.eq_ignore_ascii_case(name))
}

async fn handle(State(server): State<Arc<Server>>, request: Request) -> Response<Body> {
    if !is_own_host(request.headers(), &server.host_names) {
        return text(StatusCode::FORBIDDEN, "this Host header is not one of the node's names\n".into());
    }
    match (request.method(), request.uri().path()) {
        // Core's clients name a wallet in the path; there is none here to choose.
        (&Method::POST, path) if path == "/" || path.starts_with("/wallet/") => call(&server, request).await,
        (&Method::GET, "/health") => match server.context.get() {
            Some(context) => text(StatusCode::OK, crate::shell::rpc::util::control::health(context).await),
            None => text(StatusCode::SERVICE_UNAVAILABLE, "loading\n".into()),
        },
        (&Method::GET, "/metrics") => match server.context.get() {
            Some(context) => metrics(context).await,
            None => text(StatusCode::SERVICE_UNAVAILABLE, "loading\n".into()),
        },
        (_, "/") => text(StatusCode::METHOD_NOT_ALLOWED, "JSONRPC server handles only POST requests\n".into()),
        _ => text(StatusCode::NOT_FOUND, "not found; POST JSON-RPC to /, or GET /health or /metrics\n".into()),
    }
}

/// Checks the caller before the body is read, so that a stranger cannot make us hold 32 MiB.
async fn call(server: &Server, request: Request) -> Response<Body> {
    let authorization = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if !server.credentials.accepts(authorization) {
        let mut response = text(StatusCode::UNAUTHORIZED, String::new());
        let realm = header::HeaderValue::from_static("Basic realm=\"jsonrpc\"");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, realm);
        return response;
    }
    let too_large = || text(StatusCode::PAYLOAD_TOO_LARGE, format!("a body may have {BODY_BYTES_MAX} bytes at most\n"));
    if announced_bytes(request.headers()).is_some_and(|bytes| bytes > BODY_BYTES_MAX as u64) {
        return too_large();
    }
    // The other error, a connection that broke, has nobody left to read the answer.
    let Ok(body) = axum::body::to_bytes(request.into_body(), BODY_BYTES_MAX).await else { return too_large() };
    let target = server.context.get().ok_or("Loading block index…");
    let (status, reply) = dialect::answer(target, &body).await;
    let Some(mut reply) = reply else { return respond(status, "application/json", Vec::new()) };
    reply.push('\n');
    respond(status, "application/json", reply.into_bytes())
}

/// What `Content-Length` says.
fn announced_bytes(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

async fn metrics(context: &Context) -> Response<Body> {
    match metrics::page(context).await {
        Ok(page) => respond(StatusCode::OK, metrics::CONTENT_TYPE, page.into_bytes()),
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
    }
}

fn text(status: StatusCode, body: String) -> Response<Body> {
    respond(status, "text/plain; charset=utf-8", body.into_bytes())
}

fn respond(status: StatusCode, content_type: &'static str, body: Vec<u8>) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type));
    response
}

/// A listener that keeps to [`CONNECTIONS_MAX`].
struct Limited {
    listener: TcpListener,
    free: Arc<Semaphore>,
}

/// A connection and its place among [`CONNECTIONS_MAX`].
struct Connection {
    stream: TcpStream,
    _place: Option<OwnedSemaphorePermit>,
}

impl axum::serve::Listener for Limited {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        // The semaphore is never closed, so there is always a permit in the end.
        let place = Arc::clone(&self.free).acquire_owned().await.ok();
        let (stream, address) = axum::serve::Listener::accept(&mut self.listener).await;
        // Replies are small and awaited: without this each could wait 40 ms for an acknowledgement.
        let _ = stream.set_nodelay(true);
        (Connection { stream, _place: place }, address)
    }
    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(task, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>, buffer: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(task, buffer)
    }
    fn poll_flush(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(task)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(task)
    }
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
        buffers: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(task, buffers)
    }
    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
