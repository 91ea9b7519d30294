//! Routes for looking back and for a class: recorded runs, what a recorded moment could still come to, orders.

use super::{Server, Shared, answer, failure, perform, query};
use crate::cluster::directory::Directory;
use crate::lab::sim::rest;
use crate::lab::theory::double_spend::Race;
use crate::lab::theory::double_spend::standing::Standing;
use crate::lab::theory::estimate::Proportion;
use crate::observer::recording;
use crate::web::classroom::{Order, PAYEE, PAYER, PRICE};
use crate::web::command::Action;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// Times that the rest of a race is played for one question.
const REST_RUNS_MAX: u32 = 20_000;
/// Blocks of either branch in a question about the rest of a race.
const REST_BLOCKS_MAX: u32 = 1_000;
/// The seed of what is played unless asked otherwise.
const REST_SEED: u64 = 1;

/// The routes.
pub fn routes() -> Router<Arc<Server>> {
    Router::new()
        .route("/api/runs", get(runs))
        .route("/api/runs/{network}/{name}", get(run))
        .route("/api/odds/rest", get(rest_of_a_race))
        .route("/api/odds/recorded", get(recorded_rates))
        .route("/api/attack/picture", get(picture))
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

/// The picture of the attack that ended last.
async fn picture(State(server): Shared) -> Response {
    let path = server.attacked.directory().join("attack.svg");
    match tokio::fs::read_to_string(&path).await {
        Ok(svg) => ([(header::CONTENT_TYPE, "image/svg+xml")], svg).into_response(),
        Err(_) => failure(StatusCode::NOT_FOUND, "no attack has ended here, so there is no picture yet"),
    }
}

/// What is left of a race, by formula and played.
async fn rest_of_a_race(RawQuery(given): RawQuery) -> Response {
    let given = given.as_deref();
    let share = query(given, "share").filter(|share: &f64| *share > 0.0 && *share < 1.0);
    let count = |name: &str| query(given, name).filter(|blocks| *blocks <= REST_BLOCKS_MAX);
    let (confirmations, have) = (count("confirmations").filter(|z| *z > 0), count("have"));
    let (own, public) = (count("own"), count("public"));
    let (Some(share), Some(confirmations), Some(have), Some(own), Some(public)) =
        (share, confirmations, have, own, public)
    else {
        return failure(
            StatusCode::BAD_REQUEST,
            "share is a number between 0 and 1; confirmations (of which the shop waits for), have (of which there are), own and public \
             (blocks of either branch) are at most 1000",
        );
    };
    let give_up = query(given, "give_up").map(|blocks: u32| blocks.clamp(1, REST_BLOCKS_MAX));
    let race = Race { share, confirmations, premine: 0, give_up };
    // A shop that waits for more than it has, has not shipped, whatever the recorded one did.
    let standing = Standing { race, confirmations: have, own, public, shipped: have >= confirmations };
    let runs = query(given, "runs").unwrap_or(2_000).clamp(1, REST_RUNS_MAX);
    let seed = query(given, "seed").unwrap_or(REST_SEED);
    let played = tokio::task::spawn_blocking(move || rest::play(&standing, runs, seed)).await;
    let Ok(played) = played else {
        return failure(StatusCode::INTERNAL_SERVER_ERROR, "the simulator failed; see the launcher's terminal");
    };
    answer(Ok(json!({
        "odds": standing.success(),
        "behind": standing.behind(),
        "shipped": standing.shipped,
        "runs": played.runs,
        "successes": played.successes,
        "rate": played.rate(),
        "interval95": played.interval95(),
        "seed": seed,
    })))
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
