//! Batches: split without being parsed whole, run one request after another, answered piece by piece. So a batch takes as
//! much memory as its bytes and its longest request, however many requests it has and however long their answers are.

use super::shape::REQUESTS_MAX;
use super::{Answer, Body, Method, Request, Runner, forbidden, single_error};
use crate::shell::core_handle::SUBMISSIONS_AT_ONCE_MAX;
use crate::shell::rpc::error::{PARSE_ERROR, RpcError};
use crate::shell::rpc::table::METHODS;
use axum::body::Bytes;
use axum::http::StatusCode;
use futures::{StreamExt, stream};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// An answer of up to so many bytes is sent whole, with its length: some clients cannot read chunks.
const WHOLE_BYTES_MAX: usize = 1024 * 1024;
/// A longer one is sent in pieces of at least so many bytes.
const PIECE_BYTES: usize = 64 * 1024;
/// Requests that are run together have at most so many bytes together.
const TOGETHER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Answers a body whose outermost value is a list.
pub(super) async fn answer(runner: Runner, body: &Bytes) -> Answer {
    let Ok(requests) = serde_json::from_slice::<Vec<&RawValue>>(body) else {
        return single_error(RpcError::new(PARSE_ERROR, "Parse error"));
    };
    debug_assert!(requests.len() <= REQUESTS_MAX, "the shape was looked at before");
    if runner.caller.is_restricted() && requests.iter().any(|request| !may_run(&runner, request)) {
        return forbidden();
    }
    let is_empty = requests.is_empty();
    let requests: Vec<Bytes> = requests.iter().map(|request| body.slice_ref(request.get().as_bytes())).collect();
    let mut batch = Batch { runner, requests: requests.into_iter(), ahead: None, has_replied: false };
    let mut text = String::new();
    while text.len() <= WHOLE_BYTES_MAX {
        if !batch.run_next(&mut text).await {
            // An empty batch names no version, so it gets the old answer: an empty list (Core does the same).
            if !batch.has_replied && !is_empty {
                return Answer { status: StatusCode::NO_CONTENT, body: Body::Empty };
            }
            batch.end(&mut text);
            return Answer { status: StatusCode::OK, body: Body::Whole(text) };
        }
    }
    let pieces = stream::unfold(Some((batch, text)), |state| async {
        let (mut batch, mut text) = state?;
        while text.len() < PIECE_BYTES {
            if !batch.run_next(&mut text).await {
                batch.end(&mut text);
                return Some((text, None));
            }
        }
        Some((text, Some((batch, String::new()))))
    });
    Answer { status: StatusCode::OK, body: Body::Pieces(pieces.boxed()) }
}

/// Whether the caller may call the method that a request names; a request without one gets an error of its own.
fn may_run(runner: &Runner, request: &RawValue) -> bool {
    #[derive(serde::Deserialize)]
    struct Named<'a> {
        #[serde(borrow)]
        method: Cow<'a, str>,
    }
    serde_json::from_str::<Named<'_>>(request.get()).map_or(true, |named| runner.caller.may_call(&named.method))
}

/// A batch that is being run, one request after another, as Core does: a caller may rely on the order. Neighbours of one
/// method that takes several calls at once are given to it together.
struct Batch {
    runner: Runner,
    requests: std::vec::IntoIter<Bytes>,
    /// The next request, parsed, and its length in bytes.
    ahead: Option<(Request, usize)>,
    has_replied: bool,
}

impl Batch {
    /// Runs the next request, or the next few, and appends their replies; false if there is none left.
    async fn run_next(&mut self, text: &mut String) -> bool {
        let Some((request, mut bytes)) = self.take() else { return false };
        let mut together = vec![request];
        if let Some(method) = batched(&together[0]) {
            while together.len() < SUBMISSIONS_AT_ONCE_MAX && bytes < TOGETHER_BYTES_MAX {
                let Some((next, next_bytes)) = self.take() else { break };
                if batched(&next).is_none_or(|other| other.name != method.name) {
                    self.ahead = Some((next, next_bytes));
                    break;
                }
                bytes += next_bytes;
                together.push(next);
            }
        }
        let replies = match together.len() {
            1 => vec![self.runner.run(together.remove(0)).await],
            _ => self.runner.run_together(together).await,
        };
        for (reply, _) in replies.into_iter().flatten() {
            text.push(if self.has_replied { ',' } else { '[' });
            text.push_str(&reply.to_string());
            self.has_replied = true;
        }
        true
    }

    fn take(&mut self) -> Option<(Request, usize)> {
        self.ahead.take().or_else(|| {
            let raw = self.requests.next()?;
            // It was read once already when the batch was split, so it is JSON.
            Some((Request::parse(serde_json::from_slice(&raw).unwrap_or_default()), raw.len()))
        })
    }

    fn end(&self, text: &mut String) {
        text.push_str(if self.has_replied { "]\n" } else { "[]\n" });
    }
}

/// A request's method, if that takes several calls at once.
fn batched(request: &Request) -> Option<&'static Method> {
    let (name, _) = request.method.as_ref().ok()?;
    METHODS.find(name).filter(|method| method.batch_call.is_some())
}
