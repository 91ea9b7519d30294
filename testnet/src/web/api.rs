//! What the page and scripts may ask: the routes of docs/web-api.md.
//!
//! Reading goes to [`super::watch`] (snapshots, streams, questions about a block), changing to [`super::command`] and [`super::attack`];
//! [`super::guard`] stands before all of it, [`super::assets`] behind what is no route.

mod explore;
mod more;

use super::assets::Assets;
use super::attack::{AttackRequest, Stage};
use super::classroom::Classroom;
use super::command::{self, Action};
use super::guard::{self, Access};
use super::hub::{Event, Hub, Missed};
use super::watch::Watched;
use crate::clock::Stopwatch;
use crate::lab::theory::double_spend::{Race, nakamoto, rosenfeld};
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware;
use axum::response::sse::{self, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use futures::Stream;
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, watch};

/// Bytes of a request's body.
const BODY_BYTES_MAX: usize = 64 << 10;
/// An answer that many ask for is at most so old.
const ANSWER_AGE_MAX: Duration = Duration::from_secs(1);
/// Confirmations of the odds' grid.
const GRID_CONFIRMATIONS_MAX: u32 = 12;
/// Simulated attempts that one question may ask for.
const MEASURE_RUNS_MAX: u32 = 20_000;
/// Shares of the odds' grid, per cent.
const GRID_SHARES: [u32; 12] = [2, 5, 10, 15, 20, 25, 30, 35, 40, 45, 48, 50];

/// All that the routes need.
pub struct Server {
    /// The network that was started.
    pub main: Arc<Watched>,
    /// The network of an attack staged from the page.
    pub attacked: Arc<Watched>,
    /// Stages attacks.
    pub stage: Arc<Stage>,
    /// The page's files.
    pub assets: Assets,
    /// Where students look on.
    pub classroom: Option<Classroom>,
    /// Answers of commands that many pages ask for again and again.
    pub answers: Answers,
    /// Bounds the orders that are under way.
    pub orders: Arc<Semaphore>,
    /// One replay at a time: it takes the whole processor, and may start networks.
    pub replays: Semaphore,
    /// This program, for commands.
    pub program: PathBuf,
    /// True once the server ends, so that streams end too.
    pub ending: watch::Receiver<bool>,
}

/// By directory and command: when it was asked, and the answer.
pub type Answers = tokio::sync::Mutex<BTreeMap<String, (Stopwatch, Value)>>;
type Shared = State<Arc<Server>>;
type Caller = Extension<Access>;

impl Server {
    /// `net` or `attack`.
    fn network(&self, name: &str) -> Option<&Arc<Watched>> {
        match name {
            "net" => Some(&self.main),
            "attack" => Some(&self.attacked),
            _ => None,
        }
    }
}

/// Every route, for callers who may do what `access` says.
pub fn router(server: Arc<Server>, access: Access) -> Router {
    Router::new()
        .route("/api/{network}/state", get(state))
        .route("/api/{network}/events", get(events))
        .route("/api/{network}/topology", get(topology))
        .route("/api/{network}/accounts", get(accounts))
        .route("/api/odds", get(odds))
        .route(guard::MEASURE_ROUTE, get(measure))
        .route("/api/odds/grid", get(odds_grid))
        .route("/api/story", get(|State(server): Shared| async move { answer(Ok(server.stage.story())) }))
        .route("/api/do", post(act))
        .route("/api/attack", post(start_attack).delete(stop_attack))
        .route("/api/attack/next", post(next_step))
        .merge(explore::routes())
        .merge(more::routes())
        .fallback(asset)
        .layer(Extension(access.clone()))
        .layer(axum::extract::DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn_with_state(access, guard::guard))
        .with_state(server)
}

/// JSON, or an error of one line.
fn answer(result: Result<Value, String>) -> Response {
    match result {
        Ok(value) => ([(header::CONTENT_TYPE, "application/json")], value.to_string()).into_response(),
        Err(error) => failure(StatusCode::NOT_FOUND, &error),
    }
}

fn failure(status: StatusCode, error: &str) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], json!({ "error": error }).to_string()).into_response()
}

fn no_network(name: &str) -> Response {
    failure(StatusCode::NOT_FOUND, &format!("no network {name:?}; it is net or attack"))
}

async fn asset(State(server): Shared, Extension(access): Caller, headers: HeaderMap, uri: axum::http::Uri) -> Response {
    // A student's page holds no token: it could not be used anyway.
    let token = if access.is_class { "" } else { &*access.token };
    let found = server.assets.serve(uri.path().trim_start_matches('/'), token, &headers);
    found.unwrap_or_else(|| failure(StatusCode::NOT_FOUND, "nothing is here"))
}

async fn state(State(server): Shared, Extension(access): Caller, Path(network): Path<String>) -> Response {
    let Some(watched) = server.network(&network).cloned() else { return no_network(&network) };
    let (read_only, is_class) = (access.read_only, access.is_class);
    let snapshot = tokio::task::spawn_blocking(move || {
        let mut snapshot = watched.snapshot();
        snapshot["read_only"] = json!(read_only);
        snapshot["class"] = json!(is_class);
        snapshot
    });
    answer(snapshot.await.map_err(|_| "the launcher failed while it looked; see its terminal".to_owned()))
}

/// One value of a query string.
fn query<T: std::str::FromStr>(query: Option<&str>, name: &str) -> Option<T> {
    let pairs = query?.split('&').filter_map(|pair| pair.split_once('='));
    pairs.filter(|(key, _)| *key == name).find_map(|(_, value)| value.parse().ok())
}

/// Server-Sent Events from the number in `Last-Event-ID` or `?after=` on; `reset` where that is too long ago.
async fn events(
    State(server): Shared,
    Path(network): Path<String>,
    RawQuery(given): RawQuery,
    headers: HeaderMap,
) -> Response {
    let Some(watched) = server.network(&network) else { return no_network(&network) };
    let from_header = headers.get("last-event-id").and_then(|value| value.to_str().ok()?.parse().ok());
    let seen = from_header.or_else(|| query(given.as_deref(), "after")).unwrap_or_else(|| watched.hub.last());
    let stream = follow(watched.hub.clone(), seen, server.ending.clone());
    Sse::new(stream).keep_alive(sse::KeepAlive::default()).into_response()
}

/// Where one reader of a stream is.
struct Reader {
    hub: Arc<Hub>,
    seen: u64,
    queue: VecDeque<sse::Event>,
    added: watch::Receiver<u64>,
    ending: watch::Receiver<bool>,
}

fn follow(
    hub: Arc<Hub>,
    seen: u64,
    ending: watch::Receiver<bool>,
) -> impl Stream<Item = Result<sse::Event, Infallible>> {
    let added = hub.subscribe();
    let reader = Reader { hub, seen, queue: VecDeque::new(), added, ending };
    futures::stream::unfold(reader, |mut reader| async move {
        loop {
            if let Some(event) = reader.queue.pop_front() {
                return Some((Ok(event), reader));
            }
            reader.added.borrow_and_update();
            match reader.hub.after(reader.seen) {
                Missed::TooMuch => {
                    reader.seen = reader.hub.last();
                    reader.queue.push_back(sse::Event::default().event("reset").id(reader.seen.to_string()).data("{}"));
                    continue;
                }
                Missed::Events(events) if !events.is_empty() => {
                    reader.seen = events.last().map_or(reader.seen, |event| event.id);
                    reader.queue.extend(events.into_iter().map(|Event { id, kind, data }| {
                        sse::Event::default().event(kind).id(id.to_string()).data(&*data)
                    }));
                    continue;
                }
                Missed::Events(_) => {}
            }
            tokio::select! {
                added = reader.added.changed() => if added.is_err() { return None },
                ended = reader.ending.wait_for(|ending| *ending) => { drop(ended); return None }
            }
        }
    })
}

fn odds_of(share: f64, confirmations: u32, premine: u32, give_up: Option<u32>) -> Value {
    let race = Race { share, confirmations, premine, give_up };
    json!({
        "share": share,
        "confirmations": confirmations,
        "matching": race.success(),
        "rosenfeld": rosenfeld(share, confirmations),
        "nakamoto": nakamoto(share, confirmations),
    })
}

async fn odds(RawQuery(given): RawQuery) -> Response {
    let given = given.as_deref();
    let share: Option<f64> = query(given, "share").filter(|share: &f64| *share > 0.0 && *share < 1.0);
    let confirmations: Option<u32> = query(given, "confirmations").filter(|z| (1..=1_000).contains(z));
    let (Some(share), Some(confirmations)) = (share, confirmations) else {
        return failure(
            StatusCode::BAD_REQUEST,
            "share is a number between 0 and 1, confirmations one from 1 to 1000: /api/odds?share=0.3&confirmations=6",
        );
    };
    let premine = query(given, "premine").unwrap_or(0).min(100);
    let give_up = query(given, "give_up").map(|blocks: u32| blocks.clamp(1, 10_000));
    answer(Ok(odds_of(share, confirmations, premine, give_up)))
}

async fn odds_grid(RawQuery(given): RawQuery) -> Response {
    let give_up: Option<u32> = query(given.as_deref(), "give_up").map(|blocks: u32| blocks.clamp(1, 10_000));
    let rows = GRID_SHARES.map(|per_cent| {
        let share = f64::from(per_cent) / 100.0;
        let cells: Vec<Value> = (1..=GRID_CONFIRMATIONS_MAX).map(|z| odds_of(share, z, 0, give_up)).collect();
        json!({ "share": share, "cells": cells })
    });
    answer(Ok(json!({ "rows": rows, "confirmations_max": GRID_CONFIRMATIONS_MAX })))
}

/// The simulator's measured odds: the same command as `testoon attack double-spend --sim`.
async fn measure(State(server): Shared, RawQuery(given): RawQuery) -> Response {
    let given = given.as_deref();
    let (Some(share), Some(confirmations)) = (query(given, "share"), query(given, "confirmations")) else {
        return failure(StatusCode::BAD_REQUEST, "share and confirmations are missing");
    };
    let action = Action::Measure {
        share,
        confirmations,
        give_up: query(given, "give_up").unwrap_or(10),
        premine: query(given, "premine").unwrap_or(0),
        runs: query(given, "runs").unwrap_or(2_000).clamp(1, MEASURE_RUNS_MAX),
    };
    perform(&server, server.main.directory(), &action).await
}

async fn topology(State(server): Shared, Path(network): Path<String>) -> Response {
    match server.network(&network) {
        Some(watched) => perform_shared(&server, watched.directory(), &Action::Topology).await,
        None => no_network(&network),
    }
}
async fn accounts(State(server): Shared, Path(network): Path<String>) -> Response {
    match server.network(&network) {
        Some(watched) => perform_shared(&server, watched.directory(), &Action::Accounts).await,
        None => no_network(&network),
    }
}

/// The same for questions that every page asks every few seconds: however many ask, the command runs once in that time.
async fn perform_shared(server: &Server, directory: &std::path::Path, action: &Action) -> Response {
    let arguments = match action.arguments() {
        Ok(arguments) => arguments,
        Err(error) => return failure(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    let key = format!("{} {}", directory.display(), command::typed(&arguments));
    // Held while the command runs, so that those who ask meanwhile get the same answer.
    let mut answers = server.answers.lock().await;
    if let Some((_, known)) = answers.get(&key).filter(|(asked, _)| asked.elapsed() < ANSWER_AGE_MAX) {
        return answer(Ok(known.clone()));
    }
    let value = command::run(&server.program, directory, &arguments, action.timeout()).await;
    answers.insert(key, (Stopwatch::start(), value.clone()));
    answer(Ok(value))
}

/// Runs an action's command on the network in a directory.
async fn perform(server: &Server, directory: &std::path::Path, action: &Action) -> Response {
    match action.arguments() {
        Ok(arguments) => answer(Ok(command::run(&server.program, directory, &arguments, action.timeout()).await)),
        Err(error) => failure(StatusCode::BAD_REQUEST, &error.to_string()),
    }
}

async fn act(State(server): Shared, body: Bytes) -> Response {
    let action = match Action::parse(&body) {
        Ok(action) => action,
        Err(error) => return failure(StatusCode::BAD_REQUEST, &format!("not an action: {error}")),
    };
    let done = perform(&server, server.main.directory(), &action).await;
    // What was changed is asked anew.
    server.answers.lock().await.clear();
    done
}

async fn start_attack(State(server): Shared, body: Bytes) -> Response {
    let request: AttackRequest = match serde_json::from_slice(&body) {
        Ok(request) => request,
        Err(error) => return failure(StatusCode::BAD_REQUEST, &format!("not an attack: {error}")),
    };
    // The nodes of an attack that is judged make room for the next one.
    if server.stage.is_kept() && server.stage.stop().is_ok() {
        server.stage.ended().await;
    }
    if server.stage.story()["running"] != true {
        server.attacked.reset();
    }
    match server.stage.start(&request) {
        Ok(command) => answer(Ok(json!({ "command": command }))),
        Err(error) => failure(StatusCode::CONFLICT, &error),
    }
}

/// Goes on from the step at which the attack stands.
async fn next_step(State(server): Shared) -> Response {
    match server.stage.go_on() {
        Ok(()) => answer(Ok(json!({}))),
        Err(error) => failure(StatusCode::CONFLICT, &error),
    }
}

async fn stop_attack(State(server): Shared) -> Response {
    match server.stage.stop() {
        Ok(()) => answer(Ok(json!({}))),
        Err(error) => failure(StatusCode::CONFLICT, &error),
    }
}

/// The words of an action, for tests of the documentation.
#[cfg(test)]
fn words(action: &str) -> String {
    command::typed(&Action::parse(action.as_bytes()).expect("an action").arguments().expect("words"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::StreamExt as _;

    #[test]
    fn a_query_gives_its_values_or_none() {
        let given = Some("share=0.3&confirmations=x&premine=2");
        assert_eq!(query::<f64>(given, "share"), Some(0.3));
        assert_eq!(query::<u32>(given, "confirmations"), None);
        assert_eq!(query::<u32>(given, "premine"), Some(2));
        assert_eq!(query::<u32>(None, "premine"), None);
        assert_eq!(words(r#"{"action":"kill","node":"node1"}"#), "testoon kill node1");
    }

    #[tokio::test]
    async fn a_stream_goes_on_where_its_reader_was_and_ends_with_the_server() {
        let hub = Arc::new(Hub::default());
        let (end, ending) = watch::channel(false);
        hub.publish("block", &1);
        hub.publish("block", &2);
        let mut stream = Box::pin(follow(hub.clone(), 1, ending));
        let first = format!("{:?}", stream.next().await);
        assert!(first.contains('2'), "{first}");
        hub.publish("network", &"three");
        let second = format!("{:?}", stream.next().await);
        assert!(second.contains("three"), "{second}");
        end.send(true).unwrap();
        assert!(stream.next().await.is_none());
    }
}
