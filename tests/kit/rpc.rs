//! A JSON-RPC client as any stock Bitcoin client would write it: no code shared with the program under test.

use crate::http::{Answer, Connection};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chain_spec::{Block, Encode as _};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// A node's error answer.
#[derive(Clone, Debug, PartialEq)]
pub struct RpcError {
    /// Bitcoin Core's error code, or 0 when the node could not be talked to.
    pub code: i64,
    /// The sentence.
    pub message: String,
}

/// Talks to one node. Clones share its open connections.
#[derive(Clone, Debug)]
pub struct Client {
    /// Where the node's RPC listens.
    pub address: SocketAddr,
    /// `user:password`.
    credentials: String,
    /// Connections that wait for their next request.
    idle: Arc<Mutex<Vec<Connection>>>,
}

impl Client {
    /// With the cookie in a file, at a URL of the form `http://127.0.0.1:29732`.
    pub fn with_cookie(url: &str, cookie: &Path) -> Client {
        let text = std::fs::read_to_string(cookie).unwrap_or_else(|error| panic!("{}: {error}", cookie.display()));
        let address = url.strip_prefix("http://").and_then(|address| address.trim_end_matches('/').parse().ok());
        let address = address.unwrap_or_else(|| panic!("{url} is not a URL with an address and a port"));
        Client { address, credentials: text.trim().to_owned(), idle: Arc::default() }
    }

    /// The same node, asked as `user:password`.
    pub fn with_credentials(&self, credentials: &str) -> Client {
        Client { address: self.address, credentials: credentials.to_owned(), idle: Arc::default() }
    }

    /// The head of a JSON-RPC request, without the body's length.
    pub fn head(&self) -> String {
        let authorization = BASE64_STANDARD.encode(&self.credentials);
        format!(
            "POST / HTTP/1.1\r\nHost: {}\r\nAuthorization: Basic {authorization}\r\nContent-Type: text/plain",
            self.address
        )
    }

    /// Posts a body on a connection of its own.
    pub fn post(&self, body: &[u8]) -> Answer {
        Connection::open(self.address).send(&self.head(), body)
    }

    /// Posts a body on an open connection if there is one that still works.
    fn try_post(&self, body: &[u8]) -> io::Result<Answer> {
        let head = self.head();
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = idle().pop();
        let (connection, answer) = match kept {
            // The node may have closed a connection that was idle; only then is the request sent once more.
            Some(mut kept) => match kept.try_send(&head, body) {
                Ok(answer) => (kept, answer),
                Err(error) if is_closed(&error) => self.post_on_new(&head, body)?,
                Err(error) => return Err(error),
            },
            None => self.post_on_new(&head, body)?,
        };
        if !answer.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")) {
            idle().push(connection);
        }
        Ok(answer)
    }

    fn post_on_new(&self, head: &str, body: &[u8]) -> io::Result<(Connection, Answer)> {
        let mut connection = Connection::try_open(self.address)?;
        let answer = connection.try_send(head, body)?;
        Ok((connection, answer))
    }

    fn exchange(&self, request: &Value) -> Result<Value, RpcError> {
        let unreachable = |message: String| RpcError { code: 0, message };
        let answer = self.try_post(request.to_string().as_bytes()).map_err(|error| unreachable(error.to_string()))?;
        serde_json::from_str(&answer.body)
            .map_err(|error| unreachable(format!("{}: {error} in {:?}", answer.status, answer.body)))
    }

    /// Calls a method and gives its result or the node's error.
    pub fn try_call(&self, method: &str, params: Value) -> Result<Value, RpcError> {
        result_of(self.exchange(&json!({"jsonrpc": "1.0", "id": "test", "method": method, "params": params}))?)
    }

    /// Calls a method that must succeed.
    pub fn call(&self, method: &str, params: Value) -> Value {
        let shown = params.to_string();
        self.try_call(method, params).unwrap_or_else(|error| panic!("{method} {shown}: {error:?}"))
    }

    /// Calls a method once for each of `params`, in one HTTP request; the results are in the same order.
    pub fn batch(&self, method: &str, params: Vec<Value>) -> Vec<Result<Value, RpcError>> {
        let count = params.len();
        let requests = params.into_iter().enumerate();
        let requests = requests.map(|(id, params)| json!({"id": id, "method": method, "params": params})).collect();
        let answers = self.exchange(&Value::Array(requests)).unwrap_or_else(|error| panic!("{method}: {error:?}"));
        let Value::Array(answers) = answers else { panic!("{method}: no list of answers, but {answers}") };
        let mut by_id: HashMap<u64, Value> =
            answers.into_iter().filter_map(|answer| Some((answer["id"].as_u64()?, answer))).collect();
        let answer_to = |id: u64, by_id: &mut HashMap<u64, Value>| {
            by_id.remove(&id).unwrap_or_else(|| panic!("{method}: no answer to request {id}"))
        };
        (0..count as u64).map(|id| result_of(answer_to(id, &mut by_id))).collect()
    }

    /// The code a call fails with.
    pub fn error_code(&self, method: &str, params: Value) -> i64 {
        let shown = params.to_string();
        match self.try_call(method, params) {
            Ok(result) => panic!("{method} {shown} should fail, but answers {result}"),
            Err(error) => error.code,
        }
    }

    /// Calls a method by JSON-RPC 2.0 and returns the whole answer as it was written.
    pub fn raw_result(&self, method: &str, params: Value) -> String {
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        self.post(request.to_string().as_bytes()).body
    }

    /// A result that is a text.
    pub fn text(&self, method: &str, params: Value) -> String {
        self.call(method, params).as_str().expect("a text").to_owned()
    }

    /// A result that is a count.
    pub fn number(&self, method: &str, params: Value) -> u64 {
        self.call(method, params).as_u64().expect("a number")
    }

    /// Height of the active tip.
    pub fn height(&self) -> u64 {
        self.number("getblockcount", json!([]))
    }

    /// Hash of the active tip.
    pub fn tip(&self) -> String {
        self.text("getbestblockhash", json!([]))
    }

    /// Blocks until the active chain has this height, at most a minute.
    pub fn wait_for_height(&self, height: u64) {
        let found = self.call("waitforblockheight", json!([height, 60_000]));
        assert!(found["height"].as_u64() >= Some(height), "waited for height {height}, got {found}");
    }

    /// Blocks until the active tip is this block, at most a minute.
    pub fn wait_for_tip(&self, hash: &str) {
        let found = self.call("waitforblock", json!([hash, 60_000]));
        assert_eq!(found["hash"], json!(hash), "waited for a tip");
    }

    /// Submits a block that must become the tip.
    pub fn submit_block(&self, block: &Block) {
        let answer = self.call("submitblock", json!([hex::encode(block.to_bytes())]));
        assert!(answer.is_null(), "submitblock: {answer}");
    }

    /// Ids in the mempool.
    pub fn mempool(&self) -> Vec<String> {
        serde_json::from_value(self.call("getrawmempool", json!([]))).expect("a list of ids")
    }

    /// The block that the coins stand at, and the hash over all of them (Core's `hash_serialized_3`).
    pub fn coins_hash(&self) -> (String, String) {
        let info = self.call("gettxoutsetinfo", json!(["hash_serialized_3"]));
        let text = |field: &str| info[field].as_str().unwrap_or_else(|| panic!("{field} in {info}")).to_owned();
        (text("bestblock"), text("hash_serialized_3"))
    }
}

fn is_closed(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
}

fn result_of(mut answer: Value) -> Result<Value, RpcError> {
    match &answer["error"] {
        Value::Null => Ok(answer["result"].take()),
        error => Err(RpcError {
            code: error["code"].as_i64().unwrap_or(0),
            message: error["message"].as_str().unwrap_or_default().to_owned(),
        }),
    }
}
