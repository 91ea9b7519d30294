//! A look at a body before it is parsed: whether it is a batch, and whether parsing it would take too much. A body of 32 MB
//! such as `[1,1,1,…]` would otherwise become gigabytes.

use super::REQUEST_VALUES_MAX;
use crate::shell::rpc::error::{INVALID_REQUEST, RpcError};

/// Most requests in one batch.
pub const REQUESTS_MAX: usize = 100_000;
/// What a JSON value takes when it is parsed, about, bytes.
const VALUE_BYTES: usize = 128;
/// What a request of a batch takes while it waits, bytes.
const WAITING_REQUEST_BYTES: usize = 64;

/// What a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A list of requests.
    Batch,
    /// One request, or no JSON at all.
    One,
}

/// What was counted.
#[derive(Default)]
struct Counts {
    is_batch: bool,
    /// Elements of a batch.
    requests: usize,
    /// Values of the request with the most of them.
    values_max: usize,
}

/// Counts what is between commas and brackets, outside of strings. Whether the body is JSON at all is the parser's to say.
fn count(body: &[u8]) -> Counts {
    let mut counts =
        Counts { is_batch: body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'['), ..Counts::default() };
    let outermost = usize::from(counts.is_batch);
    let (mut depth, mut values) = (0usize, 1);
    let (mut is_string, mut is_escaped) = (false, false);
    for byte in body {
        if is_string {
            (is_string, is_escaped) = (is_escaped || *byte != b'"', !is_escaped && *byte == b'\\');
            continue;
        }
        match byte {
            b'"' => is_string = true,
            b'[' | b'{' => {
                depth += 1;
                values += 1;
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            b',' if counts.is_batch && depth == outermost => {
                counts.requests += 1;
                counts.values_max = counts.values_max.max(values);
                values = 1;
            }
            b',' | b':' => values += 1,
            _ => {}
        }
    }
    counts.requests += 1;
    counts.values_max = counts.values_max.max(values);
    counts
}

/// Says what a body is, or why it is refused.
pub fn look_at(body: &[u8]) -> Result<Shape, RpcError> {
    let counts = count(body);
    if counts.is_batch && counts.requests > REQUESTS_MAX {
        let message = format!("a batch may have {REQUESTS_MAX} requests at most; this one has {}", counts.requests);
        return Err(RpcError::new(INVALID_REQUEST, message));
    }
    if counts.values_max > REQUEST_VALUES_MAX {
        let message = format!("a request may have {REQUEST_VALUES_MAX} JSON values at most");
        return Err(RpcError::new(INVALID_REQUEST, message));
    }
    Ok(if counts.is_batch { Shape::Batch } else { Shape::One })
}

/// How many bytes a body takes beside itself while it is being answered; 0 for one that [`look_at`] refuses.
pub fn parsed_bytes(body: &[u8]) -> usize {
    let counts = count(body);
    if counts.values_max > REQUEST_VALUES_MAX || counts.requests > REQUESTS_MAX {
        return 0;
    }
    counts.values_max * VALUE_BYTES + if counts.is_batch { counts.requests * WAITING_REQUEST_BYTES } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_values_are_counted_outside_of_strings() {
        let counts = |body: &str| {
            let counts = count(body.as_bytes());
            (counts.is_batch, counts.requests, counts.values_max)
        };
        assert_eq!(counts(r#"{"method":"a","params":["x,y:[{\"","\\"]}"#), (false, 1, 7));
        assert_eq!(counts(r#" [ {"id":1}, [1,2,3], "a,b" ]"#), (true, 3, 4));
        assert_eq!(counts(""), (false, 1, 1));
    }

    #[test]
    fn what_would_take_too_much_is_refused() {
        let list = |count: usize| format!("[{}1]", "1,".repeat(count - 1));
        assert_eq!(look_at(list(REQUESTS_MAX).as_bytes()), Ok(Shape::Batch));
        assert!(look_at(list(REQUESTS_MAX + 1).as_bytes()).is_err());
        let request = |count: usize| format!(r#"{{"method":"help","params":{}}}"#, list(count));
        assert_eq!(look_at(request(REQUEST_VALUES_MAX - 10).as_bytes()), Ok(Shape::One));
        assert!(look_at(request(REQUEST_VALUES_MAX).as_bytes()).is_err());
        assert!(look_at(format!("[{}]", request(REQUEST_VALUES_MAX)).as_bytes()).is_err());
    }
}
