//! The protocol without a node: what is answered before any method runs. Whole calls are in `node/tests/rpc.rs`.

use super::shape::REQUESTS_MAX;
use super::*;
use futures::StreamExt;
use proptest::prelude::*;

/// Status and text of a node's answer that is still loading.
async fn whole(body: &[u8]) -> (StatusCode, String) {
    let answer = answer(Err("loading"), Caller::unrestricted("ann"), Bytes::copy_from_slice(body)).await;
    let text = match answer.body {
        Body::Empty => String::new(),
        Body::Whole(text) => text,
        Body::Pieces(pieces) => pieces.collect::<Vec<_>>().await.concat(),
    };
    (answer.status, text)
}

/// The answer of a node that is still loading.
fn ask(body: &[u8]) -> (StatusCode, Value) {
    let (status, text) = futures::executor::block_on(whole(body));
    (status, if text.is_empty() { Value::Null } else { serde_json::from_str(&text).expect("replies are JSON") })
}

fn code(reply: &Value) -> i64 {
    reply["error"]["code"].as_i64().expect("an error with a code")
}

#[test]
fn a_legacy_error_has_both_members_and_a_status() {
    for body in [
        r#"{"method":"getblockcount","params":[],"id":7}"#,
        r#"{"jsonrpc":"1.0","method":"getblockcount","id":7}"#,
        r#"{"version":"1.1","method":"getblockcount","params":{},"id":7}"#,
        r#"{"jsonrpc":null,"method":"getblockcount","params":null,"id":7}"#,
    ] {
        let (status, reply) = ask(body.as_bytes());
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR, "{body}");
        assert_eq!(reply["result"], Value::Null);
        assert!(reply.as_object().expect("an object").contains_key("result"));
        assert_eq!(code(&reply), i64::from(crate::shell::rpc::error::IN_WARMUP));
        assert_eq!(reply["id"], 7);
        assert!(reply.get("jsonrpc").is_none());
    }
}

#[test]
fn version_two_has_one_member_and_always_status_200() {
    let (status, reply) = ask(br#"{"jsonrpc":"2.0","method":"getblockcount","id":"a"}"#);
    assert_eq!(status, StatusCode::OK);
    assert_eq!(reply["jsonrpc"], "2.0");
    assert!(reply.get("result").is_none());
    assert_eq!(code(&reply), -28);
    assert_eq!(reply["id"], "a");
}

#[test]
fn notifications_of_version_two_get_no_reply() {
    let none = (StatusCode::NO_CONTENT, Value::Null);
    assert_eq!(ask(br#"{"jsonrpc":"2.0","method":"getblockcount"}"#), none);
    assert_eq!(ask(br#"[{"jsonrpc":"2.0","method":"a"},{"jsonrpc":"2.0","method":"b"}]"#), none);
    let (status, reply) = ask(br#"[{"jsonrpc":"2.0","method":"a"},{"jsonrpc":"2.0","method":"b","id":null}]"#);
    assert_eq!((status, reply.as_array().map(Vec::len)), (StatusCode::OK, Some(1)));
}

#[test]
fn a_batch_is_answered_in_order_with_status_200() {
    let (status, reply) = ask(br#"[{"method":"a","id":1},{"jsonrpc":"2.0","method":"b","id":2},3,{"id":4}]"#);
    assert_eq!(status, StatusCode::OK);
    let ids = reply.as_array().expect("a list").iter().map(|reply| reply["id"].clone()).collect::<Vec<_>>();
    assert_eq!(ids, [json!(1), json!(2), Value::Null, json!(4)]);
    assert_eq!(code(&reply[2]), i64::from(INVALID_REQUEST));
    assert_eq!(code(&reply[3]), i64::from(INVALID_REQUEST));
    assert_eq!(ask(b"[]"), (StatusCode::OK, json!([])));
}

#[test]
fn a_request_without_an_id_is_answered_without_one_unless_it_is_a_notification() {
    let (_, reply) = ask(br#"{"method":"getblockcount"}"#);
    assert_eq!((code(&reply), reply.get("id")), (-28, None));
    let (_, reply) = ask(br#"{"method":"getblockcount","id":null}"#);
    assert_eq!((code(&reply), reply.get("id")), (-28, Some(&Value::Null)));
}

#[test]
fn a_long_batch_is_answered_in_pieces_that_are_one_list() {
    let requests = 20_000;
    let body = format!("[{}1]", "1,".repeat(requests - 1));
    let text = futures::executor::block_on(async {
        let body = Bytes::from(body.clone());
        let Body::Pieces(pieces) = answer(Err("loading"), Caller::unrestricted("ann"), body).await.body else {
            panic!("two megabytes are not sent whole");
        };
        let pieces: Vec<String> = pieces.collect().await;
        assert!(pieces.len() > 10, "{}", pieces.len());
        pieces.concat()
    });
    let replies: Vec<Value> = serde_json::from_str(&text).expect("a list");
    assert_eq!(replies.len(), requests);
    assert!(replies.iter().all(|reply| code(reply) == i64::from(INVALID_REQUEST)));
}

#[test]
fn a_batch_or_request_that_would_take_too_much_is_refused_whole() {
    let batch = format!("[{}1]", "1,".repeat(REQUESTS_MAX));
    let request = format!(r#"{{"method":"help","params":[{}1]}}"#, "1,".repeat(REQUEST_VALUES_MAX));
    for body in [batch, request] {
        let (status, reply) = ask(body.as_bytes());
        assert_eq!((code(&reply), status), (i64::from(INVALID_REQUEST), StatusCode::BAD_REQUEST));
    }
}

#[test]
fn malformed_requests_get_their_code_and_status() {
    let cases: [(&str, i32, StatusCode); 9] = [
        ("", PARSE_ERROR, StatusCode::INTERNAL_SERVER_ERROR),
        ("{", PARSE_ERROR, StatusCode::INTERNAL_SERVER_ERROR),
        ("5", PARSE_ERROR, StatusCode::INTERNAL_SERVER_ERROR),
        ("\"x\"", PARSE_ERROR, StatusCode::INTERNAL_SERVER_ERROR),
        (r#"{"id":1}"#, INVALID_REQUEST, StatusCode::BAD_REQUEST),
        (r#"{"method":5,"id":1}"#, INVALID_REQUEST, StatusCode::BAD_REQUEST),
        (r#"{"method":"a","params":"b","id":1}"#, INVALID_REQUEST, StatusCode::BAD_REQUEST),
        (r#"{"jsonrpc":"3.0","method":"a","id":1}"#, INVALID_REQUEST, StatusCode::BAD_REQUEST),
        (r#"{"jsonrpc":2,"method":"a","id":1}"#, INVALID_REQUEST, StatusCode::BAD_REQUEST),
    ];
    for (body, expected, expected_status) in cases {
        let (status, reply) = ask(body.as_bytes());
        assert_eq!((code(&reply), status), (i64::from(expected), expected_status), "{body}");
    }
}

#[test]
fn deep_nesting_is_an_error_and_not_a_crash() {
    let body = "[".repeat(100_000);
    assert_eq!(code(&ask(body.as_bytes()).1), i64::from(PARSE_ERROR));
}

proptest! {
    #[test]
    fn any_bytes_get_an_answer(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        ask(&body);
    }

    #[test]
    fn any_json_gets_an_answer(method in "\\PC*", version in "(1\\.0|1\\.1|2\\.0|\\PC{0,3})", id in any::<i64>(), parameter in "\\PC*") {
        let body = json!({"jsonrpc": version, "method": method, "params": [parameter], "id": id}).to_string();
        let (status, reply) = ask(body.as_bytes());
        prop_assert!(status == StatusCode::OK || status.is_client_error() || status.is_server_error());
        prop_assert_eq!(&reply["id"], &json!(id));
    }
}

#[test]
fn a_result_that_is_written_already_gets_the_reply_that_any_other_gets() {
    let result = json!({"a": [1, null, "x\"y"], "b": 0.5});
    for dialect in [Dialect::Legacy, Dialect::Two] {
        for id in [Some(json!(7)), Some(json!("a\"b")), Some(Value::Null), None] {
            let Some((whole, None)) = reply(dialect, id.clone(), Ok(result.clone())) else { continue };
            assert_eq!(envelope(dialect, id.as_ref(), &result.to_string()), line(&whole), "{dialect:?} {id:?}");
        }
    }
}
