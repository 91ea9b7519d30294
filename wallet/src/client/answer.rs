//! What a node's answer may cost before anything is made of it.
//!
//! A node is not trusted with this process' memory: two bytes of JSON (`1,`) can become a hundred in memory, so values are
//! counted in the text first.

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::RpcError;
use crate::text::printable;

/// The largest answer read, bytes.
pub(super) const ANSWER_BYTES_MAX: u64 = 64 << 20;
/// The most JSON values (with the names of fields) in an answer.
const VALUES_MAX: usize = 600_000;

/// One JSON-RPC answer; its result is still text.
#[derive(Deserialize)]
pub(super) struct Answer<'a> {
    #[serde(borrow, default)]
    pub(super) id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) result: Option<&'a RawValue>,
    #[serde(default)]
    pub(super) error: Option<RpcError>,
}

impl Answer<'_> {
    /// The result's text, `null` if there is none.
    pub(super) fn result_text(&self) -> &str {
        self.result.map_or("null", RawValue::get)
    }

    /// Which request of a batch it answers.
    pub(super) fn index(&self) -> Option<usize> {
        self.id.and_then(|id| id.get().parse().ok())
    }
}

/// Whether the text holds more values than an answer may: counts what separates or opens values outside strings.
pub(super) fn has_too_many_values(text: &[u8]) -> bool {
    let (mut count, mut in_string, mut escaped) = (0usize, false, false);
    for &byte in text {
        match (in_string, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => in_string = !in_string,
            (false, b',' | b':' | b'[' | b'{') => count += 1,
            _ => {}
        }
    }
    count > VALUES_MAX
}

/// Reads text that will be shown to a person.
pub(super) fn shown<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(printable(&String::deserialize(deserializer)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_counted_outside_strings_only() {
        let many = format!("[{}1]", "1,".repeat(VALUES_MAX));
        assert!(has_too_many_values(many.as_bytes()));
        assert!(!has_too_many_values(&many.as_bytes()[..many.len() - 4]));
        let text = format!("[\"{}\\\"{}\"]", ",".repeat(VALUES_MAX), "{".repeat(VALUES_MAX));
        assert!(!has_too_many_values(text.as_bytes()));
    }

    #[test]
    fn a_node_s_message_is_made_safe_to_show() {
        let answer: Answer = serde_json::from_str(r#"{"id":3,"error":{"code":-26,"message":"a\u001b[2Jb"}}"#).unwrap();
        assert_eq!(answer.index(), Some(3));
        assert_eq!(answer.error.unwrap().message, "a�[2Jb");
    }
}
