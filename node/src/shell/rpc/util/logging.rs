//! `logging`: which parts of the node log their details.

use crate::shell::log_levels::{self, LogLevelError};
use crate::shell::rpc::error::{RpcError, TYPE_ERROR};
use crate::shell::rpc::method::Reply;
use crate::shell::rpc::method::arguments::Arguments;
use crate::shell::rpc::method::context::Context;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// The names in a list that may be left out.
fn names(arguments: &Arguments, index: usize) -> Result<Vec<String>, RpcError> {
    if arguments.get(index).is_none() {
        return Ok(Vec::new());
    }
    let wrong = || RpcError::new(TYPE_ERROR, "JSON value of a category is not of expected type string");
    let name = |value: &Value| value.as_str().map(str::to_owned).ok_or_else(wrong);
    arguments.list(index)?.iter().map(name).collect()
}

/// `logging ( include exclude )`. As in Core's older releases, `none` and `0` among the included switch everything off.
pub async fn logging(_: Arc<Context>, arguments: Arguments) -> Reply {
    let (mut include, mut exclude) = (names(&arguments, 0)?, names(&arguments, 1)?);
    let is_none = |name: &String| matches!(name.as_str(), "none" | "0");
    if include.iter().any(is_none) {
        exclude.push("all".to_owned());
        include.retain(|name| !is_none(name));
    }
    exclude.retain(|name| !is_none(name));
    let parts = log_levels::change(&include, &exclude).map_err(|error| match error {
        LogLevelError::Unknown(_) => RpcError::parameter(error.to_string()),
        LogLevelError::NoLog | LogLevelError::Refused(_) => RpcError::misc(error.to_string()),
    })?;
    Ok(Value::Object(parts.into_iter().map(|(name, is_on)| (name.to_owned(), json!(is_on))).collect::<Map<_, _>>()))
}
