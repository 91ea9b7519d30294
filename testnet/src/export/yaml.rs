//! Values as YAML, so that nothing is ever pasted into it.

use serde::ser::{Serialize, SerializeMap as _, SerializeSeq as _, Serializer};
use serde_json::Value;

/// A JSON value for any serializer: numbers as numbers, where `serde_json` with arbitrary precision would write its own map.
struct Plain<'a>(&'a Value);

impl Serialize for Plain<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Null => serializer.serialize_unit(),
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::Number(number) => match (number.as_u64(), number.as_i64()) {
                (Some(number), _) => serializer.serialize_u64(number),
                (None, Some(number)) => serializer.serialize_i64(number),
                (None, None) => serializer.serialize_f64(number.as_f64().unwrap_or(f64::NAN)),
            },
            Value::String(text) => serializer.serialize_str(text),
            Value::Array(items) => {
                let mut sequence = serializer.serialize_seq(Some(items.len()))?;
                items.iter().try_for_each(|item| sequence.serialize_element(&Plain(item)))?;
                sequence.end()
            }
            Value::Object(fields) => {
                let mut map = serializer.serialize_map(Some(fields.len()))?;
                fields.iter().try_for_each(|(key, value)| map.serialize_entry(key, &Plain(value)))?;
                map.end()
            }
        }
    }
}

/// Documents in one YAML text, the comment's lines before them. Texts that YAML 1.1 takes for something else are quoted, for the
/// parsers of Compose and Kubernetes still read it.
pub fn to_yaml(comment: &str, documents: &[Value]) -> anyhow::Result<String> {
    let mut text: String = comment.lines().map(|line| format!("# {line}\n")).collect();
    for (index, document) in documents.iter().enumerate() {
        if index > 0 {
            text.push_str("---\n");
        }
        text.push_str(&serde_saphyr::to_string(&Plain(document))?);
        if !text.ends_with('\n') {
            text.push('\n');
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::tests::python_reads;
    use serde_json::json;

    #[test]
    fn another_parser_reads_the_same_values() {
        let texts = [
            "on",
            "off",
            "y",
            "n",
            "yes",
            "No",
            "true",
            "null",
            "~",
            "",
            "1",
            "1e3",
            "0x10",
            "0o7",
            "010",
            "1_000",
            "12:30",
            "1.0",
            ".5",
            "-",
            "- a",
            "a: b",
            "a #b",
            "#",
            "'",
            "\"",
            "\\",
            "{a}",
            "[a]",
            "*a",
            "&a",
            "!a",
            "%a",
            "@a",
            "`a",
            "|",
            ">",
            "? a",
            " a ",
            "line\nline\n",
            "\n",
            "\ttab",
            "2001-01-01",
            "=",
            "<<",
            "${X}",
            "$$",
            "é\u{2028}x",
            "---",
            "...",
            ".inf",
            ".nan",
            "0b1",
            "+1",
        ];
        let map: serde_json::Map<String, Value> = texts.iter().map(|text| ((*text).to_owned(), json!(text))).collect();
        let value = json!({
            "texts": texts.to_vec(), "keys": map, "numbers": [0, -1, 65_535, u64::MAX, 0.5], "empty": [{}, [], null, true],
            "deep": {"a": [{"b": [[1, 2], {"c": "d"}]}]},
        });
        let text = to_yaml("First.\nSecond.", &[value.clone(), json!({"kind": "Job"})]).unwrap();
        assert!(text.starts_with("# First.\n# Second.\n"), "{text}");
        let Some(read) = python_reads(&text) else { return };
        assert_eq!(read.len(), 2);
        for (index, expected) in texts.iter().enumerate() {
            assert_eq!(read[0]["texts"][index], json!(expected), "{text}");
            assert_eq!(read[0]["keys"][*expected], json!(expected), "{text}");
        }
        assert_eq!(read[0], value);
    }
}
