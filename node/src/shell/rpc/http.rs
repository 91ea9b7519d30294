//! HTTP around [`dialect`]: who may connect, who may call, how much they may take.
//!
//! `POST /` is JSON-RPC with Basic authentication and any content type; `GET /health` and `GET /metrics` are open to
//! whoever can reach the port (loopback unless told otherwise), and so are Core's REST paths ([`rest`]) where they are asked
//! for. `GET /events` ([`events`]) takes a password again. [`connections`] bounds connections, [`body`] what is read
//! from them, [`auth`] and [`throttle`] check passwords; [`limits`] has the figures. Absent: TLS, CORS.

use super::caller::Caller;
use super::dialect;
use super::method::context::Context;
use crate::shell::metrics::text::{CONTENT_TYPE, from_openmetrics};
use auth::{Credentials, Verdict};
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, Response, StatusCode, header};
use body::{BodyError, Memory};
use connections::{ActiveRequest, Connections, Patient, Place, Session};
use futures::StreamExt;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use limits::{BODY_BYTES_MAX, Limits};
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use throttle::Throttle;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tracing::warn;

pub mod auth;
pub mod body;
pub mod connections;
pub mod events;
pub mod limits;
pub mod metrics;
pub mod rest;
pub mod throttle;

/// How long to wait after the system refused a connection (no descriptors left, say) before the next is accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The RPC server's state. It serves from the moment the data directory is ours, and says "warming up" until the node is.
pub struct Server {
    credentials: Credentials,
    host_names: Vec<String>,
    context: OnceLock<Arc<Context>>,
    limits: Limits,
    throttle: Throttle,
    /// Places for requests that are being answered.
    places: Arc<Semaphore>,
    memory: Memory,
    /// Places for streams of events.
    streams: Arc<Semaphore>,
    /// Whether the REST paths are served.
    serves_rest: bool,
}

impl Server {
    /// `host_names` are accepted in `Host:` headers besides IP addresses and `localhost`.
    pub fn new(credentials: Credentials, host_names: Vec<String>, serves_rest: bool, limits: Limits) -> Arc<Server> {
        Arc::new(Server {
            credentials,
            host_names,
            context: OnceLock::new(),
            throttle: Throttle::new(limits.guess_delay),
            places: Arc::new(Semaphore::new(limits.requests_max)),
            memory: Memory::new(limits.request_bytes_max),
            streams: Arc::new(Semaphore::new(events::STREAMS_MAX)),
            serves_rest,
            limits,
        })
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
        let connections = Connections::new(&self.limits);
        let mut tasks = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                // An error means that the shell is gone, which is a stop as well.
                _ = stop.wait_for(|stopping| *stopping) => break,
                accepted = listener.accept() => accepted,
                Some(_) = tasks.join_next() => continue,
            };
            match accepted {
                Ok((stream, address)) => {
                    // While all are being answered, newcomers wait here and in the listener's queue.
                    let place = tokio::select! {
                        _ = stop.wait_for(|stopping| *stopping) => break,
                        place = connections.admit(address.ip()) => place,
                    };
                    tasks.spawn(Arc::clone(&self).converse(stream, place, stop.clone()));
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            }
        }
        drop(listener);
        while tasks.join_next().await.is_some() {}
    }

    /// Serves one connection to its end.
    async fn converse(self: Arc<Self>, stream: TcpStream, place: Place, mut stop: watch::Receiver<bool>) {
        // Replies are small and awaited: without this each could wait 40 ms for an acknowledgement.
        let _ = stream.set_nodelay(true);
        let silence_max = self.limits.silence_max;
        let answer = |request: Request<Incoming>| {
            let (server, session) = (Arc::clone(&self), Arc::clone(&place.session));
            async move { Ok::<_, Infallible>(handle(&server, &session, request.map(Body::new)).await) }
        };
        let io = TokioIo::new(Patient::new(stream, silence_max));
        let served = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(silence_max)
            .serve_connection(io, hyper::service::service_fn(answer));
        let mut served = std::pin::pin!(served);
        // However it ends, there is nobody left to tell.
        let stops = tokio::select! {
            _ = served.as_mut() => false,
            () = place.session.evicted() => false,
            _ = stop.wait_for(|stopping| *stopping) => true,
        };
        if stops {
            served.as_mut().graceful_shutdown();
            let _ = served.await;
        }
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

async fn handle(server: &Server, session: &Arc<Session>, request: Request<Body>) -> Response<Body> {
    let active = session.begin_request();
    if !is_own_host(request.headers(), &server.host_names) {
        let message = "this Host header is not one of the node's names; --rpc-host adds one\n";
        return refuse(server, request, text(StatusCode::FORBIDDEN, message.into())).await;
    }
    let loading = || text(StatusCode::SERVICE_UNAVAILABLE, "loading\n".into());
    match (request.method(), request.uri().path()) {
        // Core's clients name a wallet in the path; there is none here to choose.
        (&Method::POST, path) if path == "/" || path.starts_with("/wallet/") => {
            call(server, session, active, request).await
        }
        (&Method::GET, "/health") => match server.context.get() {
            Some(context) => text(StatusCode::OK, super::util::control::health(context).await),
            None => loading(),
        },
        (&Method::GET, "/metrics") => match server.context.get() {
            Some(context) => metrics(context, request.headers()).await,
            None => loading(),
        },
        (&Method::GET, "/ready") => match server.context.get() {
            Some(context) => {
                let (is_ready, line) = super::util::control::readiness(context).await;
                text(if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, line)
            }
            None => loading(),
        },
        (&Method::GET, "/events") => stream_events(server, session, active, request).await,
        (&Method::GET, path) if server.serves_rest && path.starts_with("/rest/") => match server.context.get() {
            Some(context) => {
                let path = path.trim_start_matches("/rest/");
                match rest::answer(context, path, request.uri().query()).await {
                    Ok((content_type, bytes)) => respond(StatusCode::OK, content_type, Body::from(bytes)),
                    Err((status, message)) => text(status, message),
                }
            }
            None => loading(),
        },
        (_, "/") => {
            let message = "JSONRPC server handles only POST requests\n";
            refuse(server, request, text(StatusCode::METHOD_NOT_ALLOWED, message.into())).await
        }
        _ => {
            let message =
                "not found; POST JSON-RPC to /, or GET /health, /ready, /metrics, /events or (with --rest) /rest/…\n";
            refuse(server, request, text(StatusCode::NOT_FOUND, message.into())).await
        }
    }
}

/// Answers a request whose body is not wanted. What there is of the body is read first, if it is little: otherwise the
/// connection could not be used again.
async fn refuse(server: &Server, request: Request<Body>, mut response: Response<Body>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    if !body::drain(body, &parts.headers, &server.limits).await {
        response.headers_mut().insert(header::CONNECTION, header::HeaderValue::from_static("close"));
    }
    response
}

/// Who calls, or the answer to somebody who may not.
async fn authenticate(server: &Server, session: &Session, headers: &HeaderMap) -> Result<Caller, Response<Body>> {
    let unauthorized = || {
        let mut response = text(StatusCode::UNAUTHORIZED, String::new());
        let realm = header::HeaderValue::from_static("Basic realm=\"jsonrpc\"");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, realm);
        response
    };
    let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = match server.credentials.look_at(authorization) {
        Verdict::Cookie(caller) => return Ok(caller),
        Verdict::Missing => return Err(unauthorized()),
        Verdict::User(given) => given,
    };
    // Whoever has shown a right password on this connection does not guess.
    if !session.is_authenticated() && server.throttle.wait(session.address).await.is_err() {
        let message = "too many password attempts from this address\n";
        return Err(text(StatusCode::SERVICE_UNAVAILABLE, message.into()));
    }
    if let Some(caller) = server.credentials.check_user(&given) {
        return Ok(caller);
    }
    server.throttle.failed(session.address);
    warn!("RPC: incorrect password attempt from {}", session.address);
    tokio::time::sleep(server.limits.guess_delay).await;
    Err(unauthorized())
}

/// Checks the caller before the body is read, so that a stranger cannot make the node hold 32 MiB.
async fn call(server: &Server, session: &Session, active: ActiveRequest, request: Request<Body>) -> Response<Body> {
    let caller = match authenticate(server, session, request.headers()).await {
        Ok(caller) => caller,
        Err(response) => return refuse(server, request, response).await,
    };
    session.authenticate();
    let Ok(place) = Arc::clone(&server.places).try_acquire_owned() else {
        let message = "Work queue depth exceeded\n";
        return refuse(server, request, text(StatusCode::SERVICE_UNAVAILABLE, message.into())).await;
    };
    let announced = body::announced_bytes(request.headers());
    let (body, mut reserved) = match body::read(request.into_body(), announced, &server.memory, &server.limits).await {
        Ok(read) => read,
        Err(error) => return body_refused(error),
    };
    match server.memory.reserve(dialect::parsed_bytes(&body)) {
        Ok(more) => reserved.and(more),
        Err(error) => return body_refused(error),
    }
    let target = server.context.get().cloned().ok_or("Loading block index…");
    let answer = dialect::answer(target, caller, body).await;
    match answer.body {
        dialect::Body::Empty => respond(answer.status, "application/json", Body::empty()),
        dialect::Body::Whole(reply) => respond(answer.status, "application/json", Body::from(reply)),
        dialect::Body::Pieces(pieces) => {
            // What the request holds is given back when its last piece is sent.
            let held = (place, reserved, active);
            let pieces = pieces.map(move |piece| {
                let _ = &held;
                Ok::<_, Infallible>(piece)
            });
            respond(answer.status, "application/json", Body::from_stream(pieces))
        }
    }
}

/// `GET /events`, for those who may call methods.
async fn stream_events(
    server: &Server,
    session: &Session,
    active: ActiveRequest,
    request: Request<Body>,
) -> Response<Body> {
    let caller = match authenticate(server, session, request.headers()).await {
        Ok(caller) => caller,
        Err(response) => return refuse(server, request, response).await,
    };
    session.authenticate();
    // What the events tell, these methods tell as well.
    if !caller.may_call("getblockheader") || !caller.may_call("getrawmempool") {
        return text(StatusCode::FORBIDDEN, "this user's whitelist lacks getblockheader or getrawmempool\n".into());
    }
    let Ok(place) = Arc::clone(&server.streams).try_acquire_owned() else {
        let message = format!("{} streams of events are open already\n", events::STREAMS_MAX);
        return text(StatusCode::SERVICE_UNAVAILABLE, message);
    };
    let Some(context) = server.context.get().cloned() else {
        return text(StatusCode::SERVICE_UNAVAILABLE, "loading\n".into());
    };
    match events::stream(context).await {
        Ok(stream) => {
            let held = (place, active);
            let pieces = stream.map(move |piece| {
                let _ = &held;
                Ok::<_, Infallible>(piece)
            });
            respond(StatusCode::OK, events::CONTENT_TYPE, Body::from_stream(pieces))
        }
        Err(stopped) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{stopped}\n")),
    }
}

fn body_refused(error: BodyError) -> Response<Body> {
    let (status, message) = match error {
        BodyError::TooLarge => {
            (StatusCode::PAYLOAD_TOO_LARGE, format!("a body may have {BODY_BYTES_MAX} bytes at most\n"))
        }
        BodyError::TooSlow => (StatusCode::REQUEST_TIMEOUT, "the body did not come in time\n".to_owned()),
        BodyError::Busy => {
            (StatusCode::SERVICE_UNAVAILABLE, "Work queue depth exceeded: too much memory in use\n".to_owned())
        }
        // Nobody is left to read the answer.
        BodyError::Broken => (StatusCode::BAD_REQUEST, String::new()),
    };
    let mut response = text(status, message);
    response.headers_mut().insert(header::CONNECTION, header::HeaderValue::from_static("close"));
    response
}

async fn metrics(context: &Context, headers: &HeaderMap) -> Response<Body> {
    let accepted = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match metrics::page(context).await {
        Ok(page) if accepted.contains("application/openmetrics-text") => {
            respond(StatusCode::OK, metrics::CONTENT_TYPE, Body::from(page))
        }
        Ok(page) => respond(StatusCode::OK, CONTENT_TYPE, Body::from(from_openmetrics(&page))),
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
    }
}

fn text(status: StatusCode, body: String) -> Response<Body> {
    respond(status, "text/plain; charset=utf-8", Body::from(body))
}

fn respond(status: StatusCode, content_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type));
    response
}

#[cfg(test)]
mod tests;
