//! JSON-RPC calls to a node: one connection pool, cookie authentication, batches.
//!
//! A refusal by the node ([`CallError::Refused`]) is told apart from a node that cannot be reached.

use base64::Engine as _;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A call that does not say otherwise must be answered within this time, milliseconds.
pub const TIMEOUT_DEFAULT_MS: u64 = 30_000;
/// Bytes of an answer, at most: a full block in verbose JSON is some tens of MB.
const ANSWER_BYTES_MAX: u64 = 256 << 20;

/// Why a call gave no result.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The node answered with an error object.
    #[error("{message} (code {code})")]
    Refused {
        /// Bitcoin Core's RPC error code.
        code: i64,
        /// The node's sentence.
        message: String,
    },
    /// No (intelligible) answer.
    #[error("node at {url} is not reachable: {why}")]
    Unreachable {
        /// Which node.
        url: String,
        /// What happened.
        why: String,
    },
}

/// A node's JSON-RPC.
#[derive(Clone, Debug)]
pub struct Client {
    agent: ureq::Agent,
    url: String,
    cookie: PathBuf,
}

impl Client {
    /// A client for `url` (`http://HOST:PORT`) that authenticates with the cookie file in `datadir`. Connects when first used.
    pub fn new(url: &str, datadir: &Path) -> Client {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_idle_connections(4)
            .timeout_global(Some(Duration::from_millis(TIMEOUT_DEFAULT_MS)));
        Client { agent: config.build().new_agent(), url: url.to_owned(), cookie: datadir.join(".cookie") }
    }

    /// Calls one method; `parameters` is an array, or an object of named ones.
    pub fn call(&self, method: &str, parameters: Value) -> Result<Value, CallError> {
        self.call_within(method, parameters, TIMEOUT_DEFAULT_MS)
    }

    /// As [`Client::call`], for methods that wait: the answer must come within `timeout_ms`.
    pub fn call_within(&self, method: &str, parameters: Value, timeout_ms: u64) -> Result<Value, CallError> {
        let request = json!({"jsonrpc": "2.0", "id": 0, "method": method, "params": parameters});
        self.result(self.post(&request, timeout_ms)?)
    }

    /// Calls several methods without parameters in one request; results in the order asked.
    pub fn batch(&self, methods: &[&str], timeout_ms: u64) -> Result<Vec<Result<Value, CallError>>, CallError> {
        let request = methods
            .iter()
            .enumerate()
            .map(|(id, method)| json!({"jsonrpc": "2.0", "id": id, "method": method, "params": []}))
            .collect();
        let Value::Array(mut answers) = self.post(&request, timeout_ms)? else {
            return Err(self.unreachable("the answer to a batch is not a list"));
        };
        answers.sort_by_key(|answer| answer["id"].as_u64());
        if answers.len() != methods.len() {
            return Err(self.unreachable("a batch was answered in part"));
        }
        Ok(answers.into_iter().map(|answer| self.result(answer)).collect())
    }

    fn post(&self, request: &Value, timeout_ms: u64) -> Result<Value, CallError> {
        // Read each time: the node writes a new cookie when it starts.
        let cookie = std::fs::read_to_string(&self.cookie)
            .map_err(|error| self.unreachable(format!("no cookie in {}: {error}", self.cookie.display())))?;
        let credentials = base64::engine::general_purpose::STANDARD.encode(cookie.trim());
        let sent = self
            .agent
            .post(&self.url)
            .config()
            .timeout_global(Some(Duration::from_millis(timeout_ms)))
            .build()
            .header("Content-Type", "application/json")
            .header("Authorization", format!("Basic {credentials}"))
            .send(request.to_string());
        let mut response = sent.map_err(|error| self.unreachable(error))?;
        let status = response.status().as_u16();
        if status == 401 || status == 403 {
            return Err(self.unreachable("it refuses our cookie"));
        }
        let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec();
        let body = body.map_err(|error| self.unreachable(error))?;
        serde_json::from_slice(&body).map_err(|_| self.unreachable(format!("HTTP status {status} without JSON")))
    }

    fn result(&self, mut answer: Value) -> Result<Value, CallError> {
        let error = answer["error"].take();
        if !error.is_null() {
            let message = error["message"].as_str().unwrap_or("no message").to_owned();
            return Err(CallError::Refused { code: error["code"].as_i64().unwrap_or(0), message });
        }
        match answer.get_mut("result") {
            Some(result) => Ok(result.take()),
            None => Err(self.unreachable("an answer without a result")),
        }
    }

    fn unreachable(&self, why: impl ToString) -> CallError {
        CallError::Unreachable { url: self.url.clone(), why: why.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead as _, BufReader, Read as _, Write as _};
    use std::net::TcpListener;

    /// Answers one request with `body` and gives the request's head and body back.
    fn serve(body: &'static str, status: &'static str) -> (String, std::thread::JoinHandle<(String, Value)>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream);
            let (mut head, mut length) = (String::new(), 0);
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                if line.trim().is_empty() {
                    break;
                }
                head.push_str(&line);
            }
            let mut request = vec![0; length];
            reader.read_exact(&mut request).unwrap();
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
            reader.get_mut().write_all(answer.as_bytes()).unwrap();
            (head, serde_json::from_slice(&request).unwrap())
        });
        (url, server)
    }

    fn datadir() -> tempfile::TempDir {
        let place = tempfile::tempdir().unwrap();
        std::fs::write(place.path().join(".cookie"), "__cookie__:secret\n").unwrap();
        place
    }

    #[test]
    fn calls_carry_the_cookie_and_results_come_back() {
        let place = datadir();
        let (url, server) = serve(r#"{"jsonrpc":"2.0","id":0,"result":7}"#, "200 OK");
        assert_eq!(Client::new(&url, place.path()).call("getblockcount", json!([])).unwrap(), json!(7));
        let (head, request) = server.join().unwrap();
        let authorization = head.lines().find(|line| line.to_ascii_lowercase().starts_with("authorization:")).unwrap();
        assert!(authorization.ends_with("Basic X19jb29raWVfXzpzZWNyZXQ="), "{authorization}");
        assert_eq!(request["method"], "getblockcount");
    }

    #[test]
    fn refusals_and_silence_are_different_errors() {
        let place = datadir();
        let (url, server) = serve(r#"{"id":0,"error":{"code":-5,"message":"Block not found"}}"#, "500 Internal Server Error");
        match Client::new(&url, place.path()).call("getblock", json!([])) {
            Err(CallError::Refused { code: -5, message }) => assert_eq!(message, "Block not found"),
            other => panic!("{other:?}"),
        }
        server.join().unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let silent = Client::new(&format!("http://{free}"), place.path()).call("uptime", json!([]));
        assert!(matches!(silent, Err(CallError::Unreachable { .. })), "{silent:?}");
    }

    #[test]
    fn batches_come_back_in_the_order_asked() {
        let place = datadir();
        let (url, server) = serve(r#"[{"id":1,"result":"b"},{"id":0,"result":"a"}]"#, "200 OK");
        let results = Client::new(&url, place.path()).batch(&["a", "b"], 1_000).unwrap();
        let results: Vec<Value> = results.into_iter().map(Result::unwrap).collect();
        assert_eq!(results, ["a", "b"]);
        server.join().unwrap();
    }
}
