//! JSON-RPC 1.0, 1.1 and 2.0 as Bitcoin Core speaks them: one request or a batch in, one reply or a batch out.
//!
//! Pure but for the calls themselves: bytes in, status and text out. HTTP is in [`http`](super::http), the splitting of
//! bodies and the running of batches in [`batch`].
//! Absent: subscriptions; those who wait use `waitfornewblock` or long polling.

use super::caller::Caller;
use super::error::{INTERNAL_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, PARSE_ERROR, RpcError};
use super::method::arguments::Arguments;
use super::method::context::Context;
use super::method::{Method, Reply};
use super::table::METHODS;
use axum::body::Bytes;
use axum::http::StatusCode;
use futures::FutureExt;
use futures::stream::BoxStream;
use serde_json::{Map, Value, json};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

pub mod batch;
mod shape;

pub use shape::parsed_bytes;

/// Most JSON values in one request. Its arguments are kept whole while it runs, some hundred bytes for each value, while a
/// value may take two bytes of the body.
pub const REQUEST_VALUES_MAX: usize = 250_000;

/// What goes back over HTTP.
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// What follows it.
    pub body: Body,
}

/// An answer's body.
pub enum Body {
    /// None: all requests were notifications.
    Empty,
    /// One text.
    Whole(String),
    /// A long text in pieces, each made when the one before it has been taken.
    Pieces(BoxStream<'static, String>),
}

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
pub type Target = Result<Arc<Context>, &'static str>;

/// Who asks, and where the calls are run.
struct Runner {
    target: Target,
    caller: Caller,
}

/// A reply, and its error's code if it is an error.
type Replied = (Value, Option<i32>);

/// Answers the body of one HTTP request.
pub async fn answer(target: Target, caller: Caller, body: Bytes) -> Answer {
    let runner = Runner { target, caller };
    match shape::look_at(&body) {
        Ok(shape::Shape::Batch) => return batch::answer(runner, &body).await,
        Ok(shape::Shape::One) => {}
        Err(error) => return single_error(error),
    }
    let request = match serde_json::from_slice::<Value>(&body) {
        Err(_) => return single_error(RpcError::new(PARSE_ERROR, "Parse error")),
        Ok(request @ Value::Object(_)) => Request::parse(request),
        Ok(_) => return single_error(RpcError::new(PARSE_ERROR, "Top-level object parse error")),
    };
    if request.method.as_ref().is_ok_and(|(method, _)| !runner.caller.may_call(method)) {
        return forbidden();
    }
    let dialect = request.dialect;
    let request = match runner.run_as_text(request).await {
        Ok(text) => return Answer { status: StatusCode::OK, body: Body::Whole(text) },
        Err(request) => request,
    };
    match runner.run(request).await {
        None => Answer { status: StatusCode::NO_CONTENT, body: Body::Empty },
        Some((reply, error_code)) => {
            Answer { status: http_status(dialect, error_code), body: Body::Whole(line(&reply)) }
        }
    }
}

/// A reply as text, with the line's end that Core writes.
fn line(reply: &Value) -> String {
    let mut text = reply.to_string();
    text.push('\n');
    text
}

/// The answer to a caller whose whitelist lacks a method (Core: 403 without a word).
fn forbidden() -> Answer {
    Answer { status: StatusCode::FORBIDDEN, body: Body::Empty }
}

impl Request {
    fn parse(request: Value) -> Request {
        let Value::Object(mut members) = request else {
            let error = RpcError::new(INVALID_REQUEST, "Invalid Request object");
            return Request { dialect: Dialect::Legacy, id: Some(Value::Null), method: Err(error) };
        };
        let id = members.remove("id");
        match dialect(&members) {
            Err(error) => Request { dialect: Dialect::Legacy, id, method: Err(error) },
            Ok(dialect) => Request { dialect, id, method: method(members) },
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

impl Runner {
    /// Runs one request; `None` for a notification.
    async fn run(&self, request: Request) -> Option<Replied> {
        let outcome = match request.method {
            Err(error) => Err(error),
            Ok((method, parameters)) => self.call(&method, parameters).await,
        };
        reply(request.dialect, request.id, outcome)
    }

    /// Runs a request whose method writes its result itself; the request again where that is not so, or where it fails.
    async fn run_as_text(&self, request: Request) -> Result<String, Request> {
        let Ok((name, parameters)) = &request.method else { return Err(request) };
        let Some((text_call, context, method)) =
            self.find(name).ok().and_then(|(context, method)| Some((method.text_call?, context, method)))
        else {
            return Err(request);
        };
        let Ok(arguments) = Arguments::new(method, parameters.clone()) else { return Err(request) };
        if request.dialect == Dialect::Two && request.id.is_none() {
            return Err(request);
        }
        let running = context.calls.enter(method.name);
        let written = AssertUnwindSafe(text_call(Arc::clone(context), arguments)).catch_unwind().await;
        drop(running);
        match written {
            Ok(Ok(result)) => Ok(envelope(request.dialect, request.id.as_ref(), &result)),
            Ok(Err(error)) => Err(Request { method: Err(error), ..request }),
            Err(_) => Err(Request { method: Err(panicked(method.name)), ..request }),
        }
    }

    /// Runs several requests of one method that takes them together; what [`Runner::run`] gives for each.
    async fn run_together(&self, requests: Vec<Request>) -> Vec<Option<Replied>> {
        let (mut envelopes, mut calls) = (Vec::new(), Vec::new());
        for Request { dialect, id, method } in requests {
            envelopes.push((dialect, id));
            calls.push(method);
        }
        let outcomes = self.call_together(calls).await;
        envelopes.into_iter().zip(outcomes).map(|((dialect, id), outcome)| reply(dialect, id, outcome)).collect()
    }

    /// Calls whose arguments are wrong get their error; the others are run together.
    async fn call_together(&self, calls: Vec<Result<(String, Option<Value>), RpcError>>) -> Vec<Reply> {
        let mut refused = Vec::with_capacity(calls.len());
        let (mut arguments, mut together) = (Vec::new(), None);
        for call in calls {
            let checked = call.and_then(|(name, parameters)| {
                let method = self.find(&name)?.1;
                let checked = Arguments::new(method, parameters)?;
                together = Some(method);
                Ok(checked)
            });
            refused.push(checked.map(|checked| arguments.push(checked)));
        }
        let mut outcomes = match (&self.target, together.and_then(|method| Some((method, method.batch_call?)))) {
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

    async fn call(&self, name: &str, parameters: Option<Value>) -> Reply {
        let (context, method) = self.find(name)?;
        let arguments = Arguments::new(method, parameters)?;
        let _running = context.calls.enter(method.name);
        // A panic is our bug; it must cost its caller an error, not the connection.
        match AssertUnwindSafe((method.call)(Arc::clone(context), arguments)).catch_unwind().await {
            Ok(reply) => reply,
            Err(_) => Err(panicked(name)),
        }
    }

    /// A method by name, and the node to run it on.
    fn find(&self, name: &str) -> Result<(&Arc<Context>, &'static Method), RpcError> {
        let context = self.target.as_ref().map_err(|why| RpcError::new(super::error::IN_WARMUP, *why))?;
        let method = METHODS.find(name);
        Ok((context, method.ok_or_else(|| RpcError::new(METHOD_NOT_FOUND, "Method not found"))?))
    }
}

/// A request's reply, or `None` for a notification. As in Core, a reply has an id only if the request has one.
fn reply(dialect: Dialect, id: Option<Value>, outcome: Reply) -> Option<Replied> {
    let error_code = outcome.as_ref().err().map(|error| error.code);
    let mut reply = match (dialect, outcome) {
        (Dialect::Legacy, Ok(result)) => json!({"result": result, "error": null}),
        (Dialect::Legacy, Err(error)) => json!({"result": null, "error": error.to_json()}),
        (Dialect::Two, _) if id.is_none() => return None,
        (Dialect::Two, Ok(result)) => json!({"jsonrpc": "2.0", "result": result}),
        (Dialect::Two, Err(error)) => json!({"jsonrpc": "2.0", "error": error.to_json()}),
    };
    if let Some(id) = id {
        reply["id"] = id;
    }
    Some((reply, error_code))
}

/// The reply around a result that is written already; the same members as [`reply`]'s.
fn envelope(dialect: Dialect, id: Option<&Value>, result: &str) -> String {
    let id = id.map(|id| format!(",\"id\":{id}")).unwrap_or_default();
    match dialect {
        Dialect::Legacy => format!("{{\"result\":{result},\"error\":null{id}}}\n"),
        Dialect::Two => format!("{{\"jsonrpc\":\"2.0\",\"result\":{result}{id}}}\n"),
    }
}

fn panicked(name: &str) -> RpcError {
    RpcError::new(INTERNAL_ERROR, format!("internal error in {name}; the log has the details"))
}

fn single_error(error: RpcError) -> Answer {
    let status = http_status(Dialect::Legacy, Some(error.code));
    Answer { status, body: Body::Whole(line(&json!({"result": null, "error": error.to_json(), "id": null}))) }
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
