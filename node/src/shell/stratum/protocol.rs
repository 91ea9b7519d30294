//! Requests and replies of Stratum v1: one JSON value a line. Nothing here knows what a request does.
//!
//! Errors carry the codes of Slush Pool's documentation (2012), which all pools and miners share.

use serde_json::{Value, json};

/// Longest text of a user agent, worker or job id that is kept, bytes.
pub const TEXT_BYTES_MAX: usize = 128;

/// Why a request is refused, by its code on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// Malformed, unknown, or outside what may be chosen.
    Other = 20,
    /// The job is not known, or of no use any more.
    JobNotFound = 21,
    /// This share was accepted before.
    DuplicateShare = 22,
    /// The hash does not meet the share's target.
    LowDifficulty = 23,
    /// The worker was not authorized on this connection.
    Unauthorized = 24,
    /// `mining.subscribe` has not been called.
    NotSubscribed = 25,
}

/// A refusal: its code and what is said about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The code.
    pub code: Code,
    /// What happened and what to do, in one line.
    pub message: String,
}

impl Refusal {
    /// A refusal.
    pub fn new(code: Code, message: impl Into<String>) -> Refusal {
        Refusal { code, message: message.into() }
    }

    /// With [`Code::Other`].
    pub fn other(message: impl Into<String>) -> Refusal {
        Refusal::new(Code::Other, message)
    }
}

/// A request that could be read.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Given back in the reply: a number, a text or null.
    pub id: Value,
    /// What is asked for.
    pub method: String,
    /// Its parameters.
    pub params: Vec<Value>,
}

impl Request {
    /// Reads a line. The error has the id to reply to, null if there is none.
    pub fn parse(line: &[u8]) -> Result<Request, (Value, Refusal)> {
        let nothing = |message: &str| (Value::Null, Refusal::other(message));
        let value: Value = serde_json::from_slice(line).map_err(|_| nothing("this line is not JSON"))?;
        let Value::Object(mut object) = value else { return Err(nothing("a request is a JSON object")) };
        let id = object.remove("id").unwrap_or_default();
        if id.is_array() || id.is_object() || id.to_string().len() > TEXT_BYTES_MAX {
            return Err(nothing("an id is a number, a short text or null"));
        }
        match (object.remove("method"), object.remove("params")) {
            (Some(Value::String(method)), Some(Value::Array(params))) => Ok(Request { id, method, params }),
            (Some(Value::String(method)), None | Some(Value::Null)) => Ok(Request { id, method, params: Vec::new() }),
            (Some(Value::String(_)), Some(_)) => Err((id, Refusal::other("params is a list"))),
            _ => Err((id, Refusal::other("the method is missing or no text"))),
        }
    }

    /// A parameter that must be a text.
    pub fn text(&self, index: usize, name: &str) -> Result<&str, Refusal> {
        let text = self.params.get(index).and_then(Value::as_str).filter(|text| text.len() <= TEXT_BYTES_MAX);
        text.ok_or_else(|| {
            Refusal::other(format!(
                "{}: parameter {index} ({name}) is a text of at most {TEXT_BYTES_MAX} bytes",
                self.method
            ))
        })
    }
}

/// The line of a reply that grants.
pub fn granted(id: &Value, result: &Value) -> String {
    line(&json!({"id": id, "result": result, "error": null}))
}

/// The line of a reply that refuses.
pub fn refused(id: &Value, refusal: &Refusal) -> String {
    line(&json!({"id": id, "result": null, "error": [refusal.code as u8, refusal.message, null]}))
}

/// The line of a notification.
pub fn notification(method: &str, params: &Value) -> String {
    line(&json!({"id": null, "method": method, "params": params}))
}

fn line(value: &Value) -> String {
    let mut line = value.to_string();
    line.push('\n');
    line
}

/// A text as it may be shown and logged: printable ASCII, of bounded length.
pub fn printable(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').take(TEXT_BYTES_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_with_any_id_that_can_be_given_back() {
        for (line, id) in [
            (r#"{"id": 1, "method": "m", "params": []}"#, json!(1)),
            (r#"{"id": "a", "method": "m", "params": []}"#, json!("a")),
            (r#"{"id": null, "method": "m", "params": []}"#, Value::Null),
            (r#"{"method": "m", "params": null, "jsonrpc": "2.0"}"#, Value::Null),
            (r#"{"id": 18446744073709551616, "method": "m"}"#, serde_json::from_str("18446744073709551616").unwrap()),
        ] {
            let request = Request::parse(line.as_bytes()).unwrap();
            assert_eq!((request.id, request.method.as_str()), (id, "m"), "{line}");
        }
    }

    #[test]
    fn what_is_no_request_is_refused_with_the_id_it_had() {
        let long = format!(r#"{{"id": "{}", "method": "m"}}"#, "x".repeat(200));
        for (line, id) in [
            ("", Value::Null),
            ("GET / HTTP/1.1", Value::Null),
            ("[]", Value::Null),
            ("\u{0}", Value::Null),
            (r#"{"id": [1], "method": "m", "params": []}"#, Value::Null),
            (long.as_str(), Value::Null),
            (r#"{"id": 7, "params": []}"#, json!(7)),
            (r#"{"id": 7, "method": 1, "params": []}"#, json!(7)),
            (r#"{"id": 7, "method": "m", "params": {}}"#, json!(7)),
            (r#"{"id": 7, "result": true, "error": null}"#, json!(7)),
        ] {
            let (told, refusal) = Request::parse(line.as_bytes()).unwrap_err();
            assert_eq!((told, refusal.code), (id, Code::Other), "{line}");
        }
    }

    #[test]
    fn lines_are_as_documented() {
        let refusal = Refusal::new(Code::DuplicateShare, "this share was accepted before");
        assert_eq!(
            refused(&json!(4), &refusal),
            "{\"id\":4,\"result\":null,\"error\":[22,\"this share was accepted before\",null]}\n"
        );
        assert_eq!(granted(&json!(4), &json!(true)), "{\"id\":4,\"result\":true,\"error\":null}\n");
        assert_eq!(
            notification("mining.set_difficulty", &json!([0.5])),
            "{\"id\":null,\"method\":\"mining.set_difficulty\",\"params\":[0.5]}\n"
        );
    }
}
