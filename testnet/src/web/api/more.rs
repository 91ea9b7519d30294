//! Routes for looking back and for a class: recorded runs, what a recorded moment could still come to, orders.

use super::{Server, Shared, answer, failure, no_network, perform};
use crate::cluster::directory::Directory;
use crate::lab::theory::estimate::Proportion;
use crate::observer::recording;
use crate::web::classroom::{Order, PAYEE, PAYER, PRICE};
use crate::web::command::Action;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// Times that the simulator plays each future of a replay, at most.
const REPLAY_RUNS_MAX: u32 = 20_000;
/// Times that the simulator plays each future of a replay unless asked otherwise.
const REPLAY_RUNS: u32 = 2_000;
/// Live runs of one replay.
const REPLAY_LIVE_RUNS_MAX: u32 = 20;
/// The routes.
pub fn routes() -> Router<Arc<Server>> {
    Router::new()
        .route("/api/runs", get(runs))
        .route("/api/runs/{network}/{name}", get(run))
        .route("/api/odds/recorded", get(recorded_rates))
        .route("/api/attack/picture", get(picture))
        .route("/api/replay", post(replay))
        .route("/api/class", get(class))
        .route(crate::web::guard::ORDER_ROUTE, post(order))
}

/// Where a network's recordings are: `net` or `attack`.
fn recordings(server: &Server, network: &str) -> Option<PathBuf> {
    Some(Directory::recordings_in(server.network(network)?.directory()))
}

/// All networks' recordings, by the network's name.
fn all_recordings(server: &Server) -> Vec<(&'static str, PathBuf)> {
    let names: &[&str] = if Arc::ptr_eq(&server.main, &server.attacked) { &["net"] } else { &["net", "attack"] };
    names.iter().filter_map(|name| Some((*name, recordings(server, name)?))).collect()
}

async fn runs(State(server): Shared) -> Response {
    let listed = tokio::task::spawn_blocking(move || {
        let mut all = Vec::new();
        for (network, directory) in all_recordings(&server) {
            for mut run in recording::list(&directory) {
                run["network"] = json!(network);
                all.push(run);
            }
        }
        all.sort_by_key(|run| std::cmp::Reverse(run["began"].as_u64()));
        json!({ "runs": all })
    });
    answer(listed.await.map_err(|_| "the launcher failed to list its recordings; see its terminal".to_owned()))
}

async fn run(State(server): Shared, Path((network, name)): Path<(String, String)>) -> Response {
    let read = tokio::task::spawn_blocking(move || {
        let directory = recordings(&server, &network).ok_or_else(|| format!("no network {network:?}"))?;
        recording::read(&directory, &name).map_err(|error| format!("{error:#}"))
    });
    match read.await {
        Ok(Ok(text)) => ([(header::CONTENT_TYPE, "application/jsonl")], text).into_response(),
        Ok(Err(error)) => failure(StatusCode::NOT_FOUND, &error),
        Err(_) => failure(StatusCode::INTERNAL_SERVER_ERROR, "the launcher failed to read the recording"),
    }
}

/// What can be put together of recorded double spends: per mille of the hash rate, confirmations, blocks in advance, patience.
type Parameters = (u64, u32, u32, Option<u32>);

/// How the recorded double spends on live nodes ended, those of the same parameters together.
async fn recorded_rates(State(server): Shared) -> Response {
    let found = tokio::task::spawn_blocking(move || {
        let mut rates: BTreeMap<Parameters, Proportion> = BTreeMap::new();
        for run in all_recordings(&server).iter().flat_map(|(_, directory)| recording::outcomes(directory)) {
            if let Some(parameters) = double_spend(&run) {
                let successes = u32::from(run["outcome"]["succeeded"] == true);
                let rate = rates.entry(parameters).or_default();
                *rate = rate.and(Proportion { runs: 1, successes });
            }
        }
        let points = rates.into_iter().map(|((per_mille, confirmations, premine, give_up), rate)| {
            json!({
                "share": per_mille as f64 / 1e3,
                "confirmations": confirmations,
                "premine": premine,
                "give_up": give_up,
                "runs": rate.runs,
                "successes": rate.successes,
                "rate": rate.rate(),
                "interval95": rate.interval95(),
            })
        });
        json!({ "points": points.collect::<Vec<_>>() })
    });
    answer(found.await.map_err(|_| "the launcher failed to read its recordings; see its terminal".to_owned()))
}

/// The parameters of a recorded double spend; none of another attack.
fn double_spend(run: &Value) -> Option<Parameters> {
    let count = |name: &str| u32::try_from(run[name].as_u64()?).ok();
    let per_mille = (run["share"].as_f64()? * 1e3).round() as u64;
    let is_double_spend = run["attack"] == "double-spend";
    is_double_spend.then_some((per_mille, count("confirmations")?, count("premine").unwrap_or(0), count("give_up")))
}

/// A moment of a recorded run, and what is to be another from there on.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReplayRequest {
    network: String,
    run: String,
    at: f64,
    #[serde(default)]
    change: String,
    #[serde(default = "replay_runs")]
    runs: u32,
    #[serde(default)]
    live_runs: u32,
}

fn replay_runs() -> u32 {
    REPLAY_RUNS
}

/// The rest of a recorded double spend: the same command as `testoon replay`.
async fn replay(State(server): Shared, body: Bytes) -> Response {
    let asked: ReplayRequest = match serde_json::from_slice(&body) {
        Ok(asked) => asked,
        Err(error) => return failure(StatusCode::BAD_REQUEST, &format!("not a question about a recording: {error}")),
    };
    let Some(watched) = server.network(&asked.network) else { return no_network(&asked.network) };
    if asked.live_runs > REPLAY_LIVE_RUNS_MAX || asked.runs > REPLAY_RUNS_MAX {
        let most = format!("at most {REPLAY_RUNS_MAX} runs and {REPLAY_LIVE_RUNS_MAX} live runs at one time");
        return failure(StatusCode::BAD_REQUEST, &most);
    }
    let Ok(_permit) = server.replays.try_acquire() else {
        return failure(StatusCode::CONFLICT, "a replay is being played; wait for its end");
    };
    let ReplayRequest { run, at, change, runs, live_runs, .. } = asked;
    perform(&server, watched.directory(), &Action::Replay { run, at, change, runs, live_runs }).await
}

/// The picture of the attack that ended last.
async fn picture(State(server): Shared) -> Response {
    let path = server.attacked.directory().join("attack.svg");
    match tokio::fs::read_to_string(&path).await {
        Ok(svg) => ([(header::CONTENT_TYPE, "image/svg+xml")], svg).into_response(),
        Err(_) => failure(StatusCode::NOT_FOUND, "no attack has ended here, so there is no picture yet"),
    }
}

async fn class(State(server): Shared) -> Response {
    match &server.classroom {
        Some(classroom) => answer(classroom.describe()),
        None => answer(Err("there is no address for a class; start the page with --web-listen 0.0.0.0:8481".into())),
    }
}

/// A student's order: a small payment to the shop.
async fn order(State(server): Shared, body: Bytes) -> Response {
    if let Err(error) = serde_json::from_slice::<Order>(&body) {
        return failure(StatusCode::BAD_REQUEST, &format!("not an order: {error}"));
    }
    let Ok(_permit) = server.orders.try_acquire() else {
        return failure(StatusCode::CONFLICT, "others are ordering at this moment; try again");
    };
    let pay = Action::Pay { from: PAYER.into(), to: PAYEE.into(), amount: PRICE.into() };
    perform(&server, server.main.directory(), &pay).await
}
