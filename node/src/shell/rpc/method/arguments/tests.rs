use super::*;
use crate::shell::rpc::error::{MISC_ERROR, TYPE_ERROR};
use crate::shell::rpc::table;
use chain_spec::BlockHash;
use serde_json::json;

fn arguments(method: &str, parameters: Value) -> Result<Arguments, RpcError> {
    Arguments::new(table::METHODS.find(method).expect("a method"), Some(parameters))
}

fn code<T>(result: Result<T, RpcError>) -> Option<i32> {
    result.err().map(|error| error.code)
}

#[test]
fn names_and_positions_mean_the_same() {
    let named = arguments("getblock", json!({"verbosity": 2, "blockhash": "aa"})).unwrap();
    assert_eq!((named.text(0).unwrap(), named.integer(1).unwrap()), ("aa", 2));
    let alias = arguments("getblock", json!({"blockhash": "aa", "verbose": true})).unwrap();
    assert_eq!(alias.verbosity_or(1, 1).unwrap(), 1);
    let mixed = arguments("getblock", json!({"args": ["aa"], "verbosity": 0})).unwrap();
    assert_eq!((mixed.text(0).unwrap(), mixed.integer(1).unwrap()), ("aa", 0));
    assert_eq!(code(arguments("getblock", json!({"args": ["aa"], "blockhash": "bb"}))), Some(INVALID_PARAMETER));
    assert_eq!(code(arguments("getblock", json!({"blockhash": "aa", "nonsense": 1}))), Some(INVALID_PARAMETER));
}

#[test]
fn too_few_or_too_many_arguments_get_the_help() {
    for parameters in [json!([]), json!({}), json!(["aa", 1, 2])] {
        let error = arguments("getblock", parameters).err().unwrap();
        assert_eq!(error.code, MISC_ERROR);
        assert!(error.message.starts_with("getblock blockhash ( verbosity )"), "{}", error.message);
    }
}

#[test]
fn wrong_types_are_named() {
    for parameters in [json!([5]), json!({"verbosity": 1, "blockhash": 5})] {
        let error = arguments("getblock", parameters).err().unwrap();
        assert_eq!(error.code, TYPE_ERROR);
        let expected = "\"Position 1 (blockhash)\": \"JSON value of type number is not of expected type string\"";
        assert!(error.message.contains(expected), "{}", error.message);
    }
    // A null where something is needed is of the wrong type, one where nothing is needed is none.
    for parameters in [json!([null]), json!({"verbosity": 1})] {
        assert_eq!(code(arguments("getblock", parameters)), Some(TYPE_ERROR));
    }
    assert!(arguments("getblockheader", json!(["aa", null])).is_ok());
    // All that are wrong are named at once.
    let error = arguments("addnode", json!([1, 2, "x"])).err().unwrap();
    assert!((1..=3).all(|place| error.message.contains(&format!("Position {place} ("))), "{}", error.message);
    // Where the table says nothing, the method judges.
    let wrong = arguments("getblock", json!(["aa", "x"])).unwrap();
    assert_eq!(code(wrong.integer(1)), Some(TYPE_ERROR));
    assert_eq!(code(wrong.boolean_or(1, true)), Some(TYPE_ERROR));
    assert_eq!(code(wrong.list(0)), Some(TYPE_ERROR));
    assert_eq!(code(wrong.object(0)), Some(TYPE_ERROR));
}

#[test]
fn hashes_must_be_64_hexadecimal_digits() {
    for wrong in ["", "00", &"0".repeat(63), &"g".repeat(64), &"ü".repeat(32)] {
        let given = arguments("getblock", json!([wrong])).unwrap();
        assert_eq!(code(given.hash::<BlockHash>(0)), Some(INVALID_PARAMETER), "{wrong}");
    }
    assert!(arguments("getblock", json!(["0".repeat(64)])).unwrap().hash::<BlockHash>(0).is_ok());
}

#[test]
fn amounts_are_read_exactly() {
    let amount = |value: &str| {
        let parameters: Value = serde_json::from_str(&format!("[\"00\", {value}]")).unwrap();
        arguments("sendrawtransaction", parameters).unwrap().amount(1)
    };
    assert_eq!(amount("0.1").unwrap(), Some(Amount::from_units(10_000_000)));
    assert_eq!(amount("20999999.99999999").unwrap(), Some(Amount::from_units(2_099_999_999_999_999)));
    assert_eq!(amount("\"0.00000001\"").unwrap(), Some(Amount::from_units(1)));
    for wrong in ["-1", "0.000000001", "true", "\"x\"", "22000000"] {
        assert_eq!(code(amount(wrong)), Some(TYPE_ERROR), "{wrong}");
    }
}

#[test]
fn every_method_is_listed_once_and_explains_itself() {
    let mut names: Vec<_> =
        table::METHODS.0.iter().flat_map(|(_, group)| group.iter()).map(|method| method.name).collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all);
    for (_, group) in table::METHODS.0 {
        for method in *group {
            assert!(method.help.ends_with('.'), "{}", method.name);
            if method.name == "prioritisetransaction" {
                // Core's own order: the one in the middle has no meaning any more, and named calls leave it out.
                assert_eq!(method.arguments, ["txid:str", "dummy:num?", "fee_delta:num"]);
                continue;
            }
            let optional_first = method.arguments.iter().position(|argument| argument.ends_with('?'));
            assert!(
                optional_first.is_none_or(|first| method.arguments[first..].iter().all(|name| name.ends_with('?'))),
                "{}: an optional argument before a required one",
                method.name
            );
        }
    }
}

#[test]
fn amounts_may_have_exponents_and_zeros_at_their_end() {
    let amount = |value: &str| {
        let parameters = format!("[\"00\", {value}]");
        let arguments = arguments("sendrawtransaction", serde_json::from_str(&parameters).unwrap()).unwrap();
        arguments.amount(1).map(|amount| amount.map(|amount| amount.units()))
    };
    for (text, units) in [
        ("1e-05", 1_000),
        ("1E-5", 1_000),
        ("\"1e-5\"", 1_000),
        ("0.0000100000", 1_000),
        ("0e5", 0),
        ("12.5", 1_250_000_000),
        ("0.125e2", 1_250_000_000),
        ("21000000", 2_100_000_000_000_000),
        ("1e-8", 1),
    ] {
        assert_eq!(amount(text).unwrap(), Some(units), "{text}");
    }
    for text in [
        "1e-9",
        "0.000000001",
        "\".1\"",
        "\"0.\"",
        "-1",
        "\"\"",
        "\"e5\"",
        "1e400",
        "\"1e\"",
        "\"1e-99999999999999999999\"",
        "21000001",
        "\"0x1\"",
    ] {
        assert_eq!(code(amount(text)), Some(TYPE_ERROR), "{text}");
    }
}
