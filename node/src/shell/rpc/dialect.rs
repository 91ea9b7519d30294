//! JSON-RPC 1.0, 1.1 and 2.0 as Bitcoin Core speaks them: one request or a batch in, one reply or a batch out.
//!
//! Pure but for the calls themselves: bytes in, status and text out. HTTP is in [`server`](crate::shell::rpc::http).
//! Absent: streaming and subscriptions; those who wait use `waitfornewblock` or long polling.

use crate::shell::core_handle::SUBMISSIONS_AT_ONCE_MAX;
use crate::shell::rpc::error::{INTERNAL_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, PARSE_ERROR, RpcError};
use crate::shell::rpc::method::arguments::Arguments;
use crate::shell::rpc::method::context::Context;
use crate::shell::rpc::method::{Method, Reply};
use crate::shell::rpc::table::METHODS;
use axum::http::StatusCode;
use futures::FutureExt;
use serde_json::{Map, Value, json};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

/// What goes back over HTTP; `None` is an empty body (all were notifications).
pub type HttpAnswer = (StatusCode, Option<String>);

/// Which dialect a request is in: it decides the reply's members and the HTTP status of errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialect {
    /// 1.0, 1.1 and requests without a version: both `result` and `error` are present, errors have an HTTP status.
    Legacy,
    /// 2.0: one of `result` and `error`, HTTP 200, no reply to a request without an id.
    Two,
}

/// One parsed request.
struct Request {
    dialect: Dialect,
    id: Option<Value>,
    method: Result<(String, Option<Value>), RpcError>,
}

/// Where calls are run: a node that is up, or the reason why it is not yet.
pub type Target<'a> = Result<&'a Arc<Context>, &'a str>;

/// Answers the body of one HTTP request.
pub async fn answer(target: Target<'_>, body: &[u8]) -> HttpAnswer {
    match serde_json::from_slice::<Value>(body) {
        Err(_) => single_error(RpcError::new(PARSE_ERROR, "Parse error")),
        Ok(Value::Array(requests)) => answer_batch(target, requests).await,
        Ok(request @ Value::Object(_)) => {
            let request = Request::parse(request);
            let dialect = request.dialect;
            match run(target, request).await {
                None => (StatusCode::NO_CONTENT, None),
                Some((reply, error_code)) => (http_status(dialect, error_code), Some(reply.to_string())),
            }
        }
        Ok(_) => single_error(RpcError::new(PARSE_ERROR, "Top-level object parse error")),
    }
}

/// Runs a batch one after another, as Core does: a caller may rely on the order. Neighbours of one method that takes several
/// calls at once are given to it together.
async fn answer_batch(target: Target<'_>, requests: Vec<Value>) -> HttpAnswer {
    let all = requests.len();
    let mut replies = Vec::with_capacity(all);
    let mut requests = requests.into_iter().map(Request::parse).peekable();
    while let Some(request) = requests.next() {
        let mut together = vec![request];
        if let Some(method) = together[0].batched() {
            let is_same = |next: &Request| next.batched().is_some_and(|other| other.name == method.name);
            while together.len() < SUBMISSIONS_AT_ONCE_MAX
                && let Some(next) = requests.next_if(is_same)
            {
                together.push(next);
            }
        }
        let answered = match together.len() {
            1 => vec![run(target, together.remove(0)).await],
            _ => run_together(target, together).await,
        };
        replies.extend(answered.into_iter().flatten().map(|(reply, _)| reply));
    }
    // An empty batch names no version, so it gets the old answer: an empty list (Core does the same).
    if replies.is_empty() && all > 0 {
        return (StatusCode::NO_CONTENT, None);
    }
    (StatusCode::OK, Some(Value::Array(replies).to_string()))
}

impl Request {
    /// Its method, if that takes several calls at once.
    fn batched(&self) -> Option<&'static Method> {
        let (name, _) = self.method.as_ref().ok()?;
        METHODS.find(name).filter(|method| method.batch_call.is_some())
    }

    fn parse(request: Value) -> Request {
        let Value::Object(mut members) = request else {
            let error = RpcError::new(INVALID_REQUEST, "Invalid Request object");
            return Request { dialect: Dialect::Legacy, id: Some(Value::Null), method: Err(error) };
        };
        let id = members.remove("id");
        match dialect(&members) {
            Err(error) => Request { dialect: Dialect::Legacy, id: Some(id.unwrap_or(Value::Null)), method: Err(error) },
            Ok(dialect) => {
                let id = if dialect == Dialect::Legacy { Some(id.unwrap_or(Value::Null)) } else { id };
                Request { dialect, id, method: method(members) }
            }
        }
    }
}

/// `"jsonrpc"` decides; bitcoinj-like clients send `"version":"1.1"` instead, which is 1.x like none at all.
fn dialect(members: &Map<String, Value>) -> Result<Dialect, RpcError> {
    match members.get("jsonrpc") {
        None | Some(Value::Null) => Ok(Dialect::Legacy),
        Some(Value::String(version)) if version == "1.0" || version == "1.1" => Ok(Dialect::Legacy),
        Some(Value::String(version)) if version == "2.0" => Ok(Dialect::Two),
        Some(Value::String(_)) => Err(RpcError::new(INVALID_REQUEST, "JSON-RPC version not supported")),
        Some(_) => Err(RpcError::new(INVALID_REQUEST, "jsonrpc field must be a string")),
    }
}

fn method(mut members: Map<String, Value>) -> Result<(String, Option<Value>), RpcError> {
    let method = match members.remove("method") {
        None | Some(Value::Null) => return Err(RpcError::new(INVALID_REQUEST, "Missing method")),
        Some(Value::String(method)) => method,
        Some(_) => return Err(RpcError::new(INVALID_REQUEST, "Method must be a string")),
    };
    match members.remove("params") {
        Some(parameters) if !(parameters.is_array() || parameters.is_object() || parameters.is_null()) => {
            Err(RpcError::new(INVALID_REQUEST, "Params must be an array or object"))
        }
        parameters => Ok((method, parameters)),
    }
}

/// Runs one request; the reply and its error code, or `None` for a notification.
async fn run(target: Target<'_>, request: Request) -> Option<(Value, Option<i32>)> {
    let outcome = match request.method {
        Err(error) => Err(error),
        Ok((method, parameters)) => call(target, &method, parameters).await,
    };
    reply(request.dialect, request.id, outcome)
}

/// Runs several requests of one method that takes them together; what [`run`] gives for each.
async fn run_together(target: Target<'_>, requests: Vec<Request>) -> Vec<Option<(Value, Option<i32>)>> {
    let (mut envelopes, mut calls) = (Vec::new(), Vec::new());
    for Request { dialect, id, method } in requests {
        envelopes.push((dialect, id));
        calls.push(method);
    }
    let outcomes = call_together(target, calls).await;
    envelopes.into_iter().zip(outcomes).map(|((dialect, id), outcome)| reply(dialect, id, outcome)).collect()
}

/// Calls whose arguments are wrong get their error; the others are run together.
async fn call_together(target: Target<'_>, calls: Vec<Result<(String, Option<Value>), RpcError>>) -> Vec<Reply> {
    let mut refused = Vec::with_capacity(calls.len());
    let (mut arguments, mut together) = (Vec::new(), None);
    for call in calls {
        let checked = call.and_then(|(name, parameters)| {
            let method = find(target, &name)?.1;
            let checked = Arguments::new(method, parameters)?;
            together = Some(method);
            Ok(checked)
        });
        refused.push(checked.map(|checked| arguments.push(checked)));
    }
    let mut outcomes = match (target, together.and_then(|method| Some((method, method.batch_call?)))) {
        (Ok(context), Some((method, batch_call))) => {
            let count = arguments.len();
            let _running = context.calls.enter(method.name);
            let all = AssertUnwindSafe(batch_call(Arc::clone(context), arguments)).catch_unwind().await;
            all.unwrap_or_else(|_| (0..count).map(|_| Err(panicked(method.name))).collect())
        }
        _ => Vec::new(),
    }
    .into_iter();
    let missing = || RpcError::new(INTERNAL_ERROR, "a call of the batch was not answered");
    refused.into_iter().map(|call| call.and_then(|()| outcomes.next().unwrap_or_else(|| Err(missing())))).collect()
}

/// A request's reply and its error code, or `None` for a notification.
fn reply(dialect: Dialect, id: Option<Value>, outcome: Reply) -> Option<(Value, Option<i32>)> {
    let id = id?;
    let error_code = outcome.as_ref().err().map(|error| error.code);
    let reply = match (dialect, outcome) {
        (Dialect::Legacy, Ok(result)) => json!({"result": result, "error": null, "id": id}),
        (Dialect::Legacy, Err(error)) => json!({"result": null, "error": error.to_json(), "id": id}),
        (Dialect::Two, Ok(result)) => json!({"jsonrpc": "2.0", "result": result, "id": id}),
        (Dialect::Two, Err(error)) => json!({"jsonrpc": "2.0", "error": error.to_json(), "id": id}),
    };
    Some((reply, error_code))
}

async fn call(target: Target<'_>, name: &str, parameters: Option<Value>) -> Reply {
    let (context, method) = find(target, name)?;
    let arguments = Arguments::new(method, parameters)?;
    let _running = context.calls.enter(method.name);
    // A panic is our bug; it must cost its caller an error, not the connection.
    match AssertUnwindSafe((method.call)(Arc::clone(context), arguments)).catch_unwind().await {
        Ok(reply) => reply,
        Err(_) => Err(panicked(name)),
    }
}

/// A method by name, and the node to run it on.
fn find<'a>(target: Target<'a>, name: &str) -> Result<(&'a Arc<Context>, &'static Method), RpcError> {
    let context = target.map_err(|why| RpcError::new(crate::shell::rpc::error::IN_WARMUP, why))?;
    let method = METHODS.find(name);
    Ok((context, method.ok_or_else(|| RpcError::new(METHOD_NOT_FOUND, "Method not found"))?))
}

fn panicked(name: &str) -> RpcError {
    RpcError::new(INTERNAL_ERROR, format!("internal error in {name}; the log has the details"))
}

fn single_error(error: RpcError) -> HttpAnswer {
    let status = http_status(Dialect::Legacy, Some(error.code));
    (status, Some(json!({"result": null, "error": error.to_json(), "id": null}).to_string()))
}

/// Core's HTTP status for an error of a 1.x request; 2.0 always gets 200.
fn http_status(dialect: Dialect, error_code: Option<i32>) -> StatusCode {
    match (dialect, error_code) {
        (_, None) | (Dialect::Two, _) => StatusCode::OK,
        (Dialect::Legacy, Some(INVALID_REQUEST)) => StatusCode::BAD_REQUEST,
        (Dialect::Legacy, Some(METHOD_NOT_FOUND)) => StatusCode::NOT_FOUND,
        (Dialect::Legacy, Some(_)) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

#[cfg(test)]
mod tests;
