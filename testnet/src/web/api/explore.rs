//! Routes of the explorer: one block, transaction, address, mempool or pool, and what follows from the chain as a whole.

use super::{Shared, answer, failure, no_network, query};
use crate::observer::explore;
use crate::observer::history::{self, History, Source};
use crate::observer::view::View;
use crate::web::api::Server;
use anyhow::Result;
use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use serde_json::Value;
use std::sync::Arc;
use wallet::forensics::cluster::Rules;

/// The routes.
pub fn routes() -> Router<Arc<Server>> {
    Router::new()
        .route("/api/{network}/block/{hash}", get(block))
        .route("/api/{network}/height/{height}", get(height))
        .route("/api/{network}/transaction/{txid}", get(transaction))
        .route("/api/{network}/transaction/{txid}/history", get(transaction_history))
        .route("/api/{network}/transaction/{txid}/origin/{output}", get(origin))
        .route("/api/{network}/address/{address}", get(address))
        .route("/api/{network}/address/{address}/history", get(address_history))
        .route("/api/{network}/clusters", get(clusters))
        .route("/api/{network}/mempool/{node}", get(mempool))
        .route("/api/{network}/pools", get(pools))
}

fn told(asked: Result<Result<Value>, tokio::task::JoinError>) -> Response {
    match asked {
        Ok(result) => answer(result.map_err(|error| format!("{error:#}"))),
        Err(_) => failure(StatusCode::INTERNAL_SERVER_ERROR, "the launcher failed to ask its nodes; see its terminal"),
    }
}

/// Asks the view on a thread that may wait for nodes.
async fn ask(
    server: &Server,
    network: &str,
    question: impl FnOnce(&View) -> Result<Value> + Send + 'static,
) -> Response {
    let Some(watched) = server.network(network).cloned() else { return no_network(network) };
    told(tokio::task::spawn_blocking(move || watched.ask(question)).await)
}

/// Asks the history, brought up to date, on such a thread. `first` is asked of the view.
async fn ask_history<T: Send + 'static>(
    server: &Server,
    network: &str,
    first: impl FnOnce(&View) -> T + Send + 'static,
    question: impl FnOnce(&History, &Source, T) -> Result<Value> + Send + 'static,
) -> Response {
    let Some(watched) = server.network(network).cloned() else { return no_network(network) };
    let asked = tokio::task::spawn_blocking(move || {
        let (source, found) = watched.ask(|view| Ok((Source::of(view)?, first(view))))?;
        let mut history = watched.history();
        history.catch_up(&source)?;
        question(&history, &source, found)
    });
    told(asked.await)
}

async fn block(State(server): Shared, Path((network, hash)): Path<(String, String)>) -> Response {
    ask(&server, &network, move |view| explore::block(view, &hash)).await
}
async fn height(State(server): Shared, Path((network, height)): Path<(String, u64)>) -> Response {
    ask(&server, &network, move |view| explore::block_hash(view, height)).await
}
async fn transaction(State(server): Shared, Path((network, txid)): Path<(String, String)>) -> Response {
    ask(&server, &network, move |view| explore::transaction(view, &txid)).await
}
async fn address(State(server): Shared, Path((network, address)): Path<(String, String)>) -> Response {
    ask(&server, &network, move |view| explore::address(view, &address)).await
}
async fn mempool(State(server): Shared, Path((network, node)): Path<(String, String)>) -> Response {
    ask(&server, &network, move |view| explore::mempool(view, &node)).await
}
async fn pools(State(server): Shared, Path(network): Path<String>) -> Response {
    ask(&server, &network, |view| Ok(explore::pools(view))).await
}

async fn transaction_history(State(server): Shared, Path((network, txid)): Path<(String, String)>) -> Response {
    let wanted = txid.clone();
    let bytes = move |view: &View| history::bytes_of(view, &wanted);
    let found = move |history: &History, source: &Source, bytes: Option<Vec<u8>>| {
        history.transaction(source, &txid, bytes.as_deref())
    };
    ask_history(&server, &network, bytes, found).await
}
async fn origin(State(server): Shared, Path((network, txid, output)): Path<(String, String, u32)>) -> Response {
    ask_history(&server, &network, |_| (), move |history, _, ()| history.origin(&txid, output)).await
}
async fn address_history(State(server): Shared, Path((network, address)): Path<(String, String)>) -> Response {
    ask_history(&server, &network, |_| (), move |history, source, ()| history.address(source, &address)).await
}

/// Clusters, by all rules but those that `without` names.
async fn clusters(State(server): Shared, Path(network): Path<String>, RawQuery(given): RawQuery) -> Response {
    let without: String = query(given.as_deref(), "without").unwrap_or_default();
    let mut rules = Rules::ALL;
    for name in without.split(',').filter(|name| !name.is_empty()) {
        match name {
            "common-inputs" => rules.common_inputs = false,
            "fresh-change" => rules.fresh_change = false,
            "needless-input" => rules.needless_input = false,
            _ => {
                let error = format!("without={name}: the rules are common-inputs, fresh-change and needless-input");
                return failure(StatusCode::BAD_REQUEST, &error);
            }
        }
    }
    ask_history(&server, &network, |_| (), move |history, source, ()| Ok(history.clusters(source, rules))).await
}
