//! A small HTTP client that shows everything: status, headers, exact body.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Longest wait for an answer; a hang is a failure, not a stuck test run.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// One HTTP answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("not JSON ({error}): {:?}", self.body))
    }
}

/// One connection, kept alive between requests.
pub struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    pub fn open(address: SocketAddr) -> Connection {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(ANSWER_TIMEOUT)).unwrap();
        stream.set_nodelay(true).unwrap();
        Connection { stream: BufReader::new(stream) }
    }

    /// Sends a request as it is.
    pub fn send(&mut self, head: &str, body: &[u8]) -> Answer {
        let mut request = format!("{head}\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
        request.extend_from_slice(body);
        self.stream.get_mut().write_all(&request).unwrap();
        self.receive()
    }

    /// Sends a head that says all there is to say, its end included.
    pub fn send_head(&mut self, head: &str) -> Answer {
        self.stream.get_mut().write_all(head.as_bytes()).unwrap();
        self.receive()
    }

    /// Reads one answer.
    pub fn receive(&mut self) -> Answer {
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        let status = line.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.unwrap_or_else(|| panic!("not a status line: {line:?}"));
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line).unwrap();
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            headers.push((name.to_owned(), value.trim().to_owned()));
        }
        let mut answer = Answer { status, headers, body: String::new() };
        let length = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).unwrap();
        answer.body = String::from_utf8(body).unwrap();
        answer
    }
}

/// What an RPC call failed with.
#[derive(Debug, PartialEq)]
pub struct CallError {
    pub code: i64,
    pub message: String,
}

/// A caller with a user and password.
#[derive(Clone)]
pub struct Client {
    pub address: SocketAddr,
    pub credentials: String,
}

impl Client {
    /// The head of a JSON-RPC request.
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
    /// Calls a method.
    pub fn try_call(&self, method: &str, parameters: Value) -> Result<Value, CallError> {
        let request = json!({"jsonrpc": "1.0", "id": 1, "method": method, "params": parameters});
        let reply = self.post(request.to_string().as_bytes()).json();
        match &reply["error"] {
            Value::Null => Ok(reply["result"].clone()),
            error => Err(CallError {
                code: error["code"].as_i64().unwrap(),
                message: error["message"].as_str().unwrap().to_owned(),
            }),
        }
    }
    /// Calls a method that must succeed.
    pub fn call(&self, method: &str, parameters: Value) -> Value {
        let shown = parameters.to_string();
        self.try_call(method, parameters).unwrap_or_else(|error| panic!("{method} {shown}: {error:?}"))
    }
    /// The code a call fails with.
    pub fn error_code(&self, method: &str, parameters: Value) -> i64 {
        let shown = parameters.to_string();
        match self.try_call(method, parameters) {
            Ok(result) => panic!("{method} {shown} should fail, but answers {result}"),
            Err(error) => error.code,
        }
    }
    /// Calls a method and returns its result as it was written.
    pub fn raw_result(&self, method: &str, parameters: Value) -> String {
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters});
        self.post(request.to_string().as_bytes()).body
    }
    /// A result that is a text.
    pub fn text(&self, method: &str, parameters: Value) -> String {
        self.call(method, parameters).as_str().expect("a text").to_owned()
    }
    /// A result that is a count.
    pub fn number(&self, method: &str, parameters: Value) -> u64 {
        self.call(method, parameters).as_u64().expect("a number")
    }
}
