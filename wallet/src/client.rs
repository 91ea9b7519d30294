//! A JSON-RPC client for a node (Bitcoin Core's methods) over HTTP, with cookie or user/password authentication.
//!
//! Blocking and cheap to share: [`Client`] takes `&self`. Neighbours: [`crate::sync`] and
//! [`Wallet::send`](crate::wallet::Wallet::send). `answer` bounds what an answer may cost. Absent: TLS (a node's RPC is for
//! loopback) and retries.

mod answer;

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chain_spec::{Amount, BlockHash, Encode, Transaction, Txid};
use serde::Deserialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::text::printable;
use answer::{ANSWER_BYTES_MAX, Answer, has_too_many_values};

/// A call may take this long unless it is given its own limit.
pub const TIMEOUT_MS: u64 = 60_000;
const CONNECT_TIMEOUT_MS: u64 = 5_000;
/// Core's codes for "this transaction is not valid, or against policy": `RPC_DESERIALIZATION_ERROR`, `RPC_VERIFY_ERROR`,
/// `RPC_VERIFY_REJECTED`. Any other error says nothing about whether the node has it now.
const REFUSALS: [i64; 3] = [-22, -25, -26];
/// Core's `RPC_VERIFY_ALREADY_IN_UTXO_SET`: the transaction is in the chain.
const ALREADY_IN_CHAIN: i64 = -27;

/// How the client proves who it is.
#[derive(Clone)]
pub enum Auth {
    /// The node's `.cookie` file; read at every call, for a node that restarts writes a new one.
    Cookie(PathBuf),
    /// `--rpc-user` and `--rpc-password`.
    UserPassword {
        /// User name.
        user: String,
        /// Password, erased when dropped.
        password: Zeroizing<String>,
    },
}

/// An error answer of the node.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, thiserror::Error)]
#[error("{message} (code {code})")]
pub struct RpcError {
    /// Core's code, such as -5 "not found", -8 "invalid parameter", -26 "rejected by policy or rules".
    pub code: i64,
    /// The node's words, made safe to show.
    #[serde(deserialize_with = "answer::shown")]
    pub message: String,
}

impl RpcError {
    /// Whether it says that a submitted transaction is invalid or against policy. Other errors (warming up, an internal
    /// error, a full queue) leave open whether the node has taken it.
    pub fn is_refusal(&self) -> bool {
        REFUSALS.contains(&self.code)
    }
}

/// Why a call brought no result.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Not `http://host:port`.
    #[error("{url:?} is not a node's RPC address: give --rpc http://HOST:PORT")]
    Url {
        /// As given.
        url: String,
    },
    /// Nobody answers.
    #[error("no node answers at {url} ({reason}): start one, or name its address with --rpc")]
    Unreachable {
        /// The node's address.
        url: String,
        /// The system's words.
        reason: String,
    },
    /// The cookie cannot be read.
    #[error(
        "cannot read the RPC cookie {} ({reason}): is the node running? its data directory holds .cookie, name it with --cookie",
        .path.display()
    )]
    Cookie {
        /// The file.
        path: PathBuf,
        /// The system's words.
        reason: String,
    },
    /// Wrong cookie or password.
    #[error("the node at {url} refuses our credentials: check --cookie, or --rpc-user and --rpc-password")]
    Unauthorized {
        /// The node's address.
        url: String,
    },
    /// The node's error answer.
    #[error("the node refuses {method}: {error}")]
    Rpc {
        /// The method called.
        method: String,
        /// Its answer.
        error: RpcError,
    },
    /// Something that is not the answer to the question.
    #[error("the node at {url} gave an unusable answer to {method} ({reason}): is it a Testoon or Bitcoin node?")]
    BadAnswer {
        /// The node's address.
        url: String,
        /// The method called.
        method: String,
        /// What is wrong with it.
        reason: String,
    },
    /// An answer larger than any that makes sense.
    #[error("the node at {url} answers {method} with more than fits ({reason}): is it the right node?")]
    TooLarge {
        /// The node's address.
        url: String,
        /// The method called.
        method: String,
        /// Which bound it exceeds.
        reason: String,
    },
}

impl ClientError {
    /// The node's error code, if the node answered with one.
    pub fn rpc_code(&self) -> Option<i64> {
        match self {
            ClientError::Rpc { error, .. } => Some(error.code),
            _ => None,
        }
    }
}

/// A connection to one node's JSON-RPC.
#[derive(Clone)]
pub struct Client {
    agent: ureq::Agent,
    url: String,
    auth: Auth,
    timeout_ms: u64,
}

impl Client {
    /// A client for the node at `url`: `http://host:port`, or `host:port`. Does not connect yet.
    pub fn new(url: &str, auth: Auth) -> Result<Client, ClientError> {
        let full = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
        let address = full.strip_prefix("http://").map(|rest| rest.trim_end_matches('/'));
        if !address.is_some_and(|address| !address.is_empty() && !address.contains(['/', '@', ' '])) {
            return Err(ClientError::Url { url: url.to_owned() });
        }
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .max_redirects(0)
            .timeout_connect(Some(Duration::from_millis(CONNECT_TIMEOUT_MS)))
            .build()
            .new_agent();
        Ok(Client { agent, url: full, auth, timeout_ms: TIMEOUT_MS })
    }

    /// With another time after which calls are given up.
    pub fn with_timeout(self, timeout_ms: u64) -> Client {
        Client { timeout_ms, ..self }
    }

    /// The node's address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// One call, given up after [`TIMEOUT_MS`] or what [`Client::with_timeout`] said.
    pub fn call(&self, method: &str, params: Value) -> Result<Value, ClientError> {
        self.call_within(method, params, self.timeout_ms)
    }

    /// One call, given up after `timeout_ms`.
    pub fn call_within(&self, method: &str, params: Value, timeout_ms: u64) -> Result<Value, ClientError> {
        let request = json!({ "jsonrpc": "1.0", "id": 0, "method": method, "params": params });
        let text = self.post(method, &request, timeout_ms)?;
        let answer: Answer = self.parse(method, &text)?;
        match answer.error {
            Some(error) => Err(ClientError::Rpc { method: method.to_owned(), error }),
            None => self.parse(method, answer.result_text().as_bytes()),
        }
    }

    /// Many calls of one method in one round trip. The answers are in the order of `params`.
    pub fn batch(&self, method: &str, params: Vec<Value>) -> Result<Vec<Result<Value, RpcError>>, ClientError> {
        if params.is_empty() {
            return Ok(Vec::new());
        }
        let count = params.len();
        let requests: Vec<Value> = params
            .into_iter()
            .enumerate()
            .map(|(id, params)| json!({ "jsonrpc": "1.0", "id": id, "method": method, "params": params }))
            .collect();
        let text = self.post(method, &requests, self.timeout_ms)?;
        let answers: Vec<Answer> = self.parse(method, &text)?;
        let mut ordered: Vec<Option<Result<Value, RpcError>>> = vec![None; count];
        for answer in answers {
            if let Some(slot) = answer.index().and_then(|index| ordered.get_mut(index)) {
                *slot = Some(match answer.error {
                    Some(error) => Err(error),
                    None => Ok(self.parse(method, answer.result_text().as_bytes())?),
                });
            }
        }
        let complete: Option<Vec<_>> = ordered.into_iter().collect();
        complete.ok_or_else(|| self.bad_answer(method, "part of the batch is missing"))
    }

    /// A result read as the type it should have.
    pub fn read<T: serde::de::DeserializeOwned>(&self, method: &str, value: Value) -> Result<T, ClientError> {
        serde_json::from_value(value).map_err(|error| self.bad_answer(method, error.to_string()))
    }

    /// `getblockcount`: the height of the node's tip.
    pub fn block_count(&self) -> Result<u32, ClientError> {
        self.read("getblockcount", self.call("getblockcount", json!([]))?)
    }

    /// `getblockhash`: the active block at a height, or `None` above the tip.
    pub fn block_hash(&self, height: u32) -> Result<Option<BlockHash>, ClientError> {
        match self.call("getblockhash", json!([height])) {
            Ok(value) => self.hash("getblockhash", &value).map(Some),
            Err(error) if error.rpc_code() == Some(-8) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// `getrawmempool`: every transaction id in the node's mempool.
    pub fn mempool(&self) -> Result<Vec<Txid>, ClientError> {
        let texts: Vec<String> = self.read("getrawmempool", self.call("getrawmempool", json!([]))?)?;
        let parsed = texts.iter().map(|text| text.parse().map_err(|_| self.bad_answer("getrawmempool", "not a txid")));
        parsed.collect()
    }

    /// `sendrawtransaction`, with the node's own limit on fees switched off: the wallet has checked the fee. A transaction
    /// that is in the chain already was sent.
    pub fn send_transaction(&self, transaction: &Transaction) -> Result<(), ClientError> {
        match self.call("sendrawtransaction", json!([hex::encode(transaction.to_bytes()), 0])) {
            Err(error) if error.rpc_code() == Some(ALREADY_IN_CHAIN) => Ok(()),
            other => other.map(|_| ()),
        }
    }

    /// `waitfornewblock`: returns when the node's tip changes, or after `timeout_ms`. A node that has no such method
    /// answers with an error.
    pub fn wait_for_new_block(&self, timeout_ms: u64) -> Result<(), ClientError> {
        self.call_within("waitfornewblock", json!([timeout_ms]), timeout_ms + self.timeout_ms).map(|_| ())
    }

    /// The same, but measured from a tip the caller has seen: returns at once if the node's is another by now.
    pub fn wait_for_block_after(&self, tip: &BlockHash, timeout_ms: u64) -> Result<(), ClientError> {
        let params = json!([timeout_ms, tip.to_string()]);
        self.call_within("waitfornewblock", params, timeout_ms + self.timeout_ms).map(|_| ())
    }

    /// An amount in an answer: a JSON number of coins, with exponent or without.
    pub fn coins(value: &Value) -> Option<Amount> {
        let coins = value.as_f64().filter(|coins| (0.0..=21_000_000.0).contains(coins))?;
        Some(Amount::from_units((coins * 1e8).round() as u64))
    }

    /// A block hash in an answer.
    pub fn hash(&self, method: &str, value: &Value) -> Result<BlockHash, ClientError> {
        value.as_str().and_then(|text| text.parse().ok()).ok_or_else(|| self.bad_answer(method, "not a block hash"))
    }

    /// Describes an answer that cannot be used.
    pub fn bad_answer(&self, method: &str, reason: impl AsRef<str>) -> ClientError {
        let reason = printable(reason.as_ref());
        ClientError::BadAnswer { url: self.url.clone(), method: method.to_owned(), reason }
    }

    fn too_large(&self, method: &str, reason: &str) -> ClientError {
        ClientError::TooLarge { url: self.url.clone(), method: method.to_owned(), reason: reason.to_owned() }
    }

    fn parse<'a, T: Deserialize<'a>>(&self, method: &str, text: &'a [u8]) -> Result<T, ClientError> {
        serde_json::from_slice(text).map_err(|_| self.bad_answer(method, "not JSON-RPC"))
    }

    fn credentials(&self) -> Result<Zeroizing<String>, ClientError> {
        let plain = match &self.auth {
            Auth::Cookie(path) => Zeroizing::new(
                std::fs::read_to_string(path)
                    .map_err(|error| ClientError::Cookie { path: path.clone(), reason: error.to_string() })?
                    .trim()
                    .to_owned(),
            ),
            Auth::UserPassword { user, password } => Zeroizing::new(format!("{user}:{}", password.as_str())),
        };
        Ok(Zeroizing::new(format!("Basic {}", STANDARD.encode(plain.as_bytes()))))
    }

    /// Sends a request and gives the answer's text, which is JSON of a bearable size if the node is a node.
    fn post(&self, method: &str, request: &impl serde::Serialize, timeout_ms: u64) -> Result<Vec<u8>, ClientError> {
        let body = serde_json::to_vec(request).map_err(|error| self.bad_answer(method, error.to_string()))?;
        let unreachable =
            |error: ureq::Error| ClientError::Unreachable { url: self.url.clone(), reason: printable(&plain(&error)) };
        let mut response = self
            .agent
            .post(&self.url)
            .config()
            .timeout_global(Some(Duration::from_millis(timeout_ms)))
            .build()
            .header("authorization", self.credentials()?.as_str())
            .content_type("application/json")
            .send(&body[..])
            .map_err(unreachable)?;
        let status = response.status().as_u16();
        if status == 401 || status == 403 {
            return Err(ClientError::Unauthorized { url: self.url.clone() });
        }
        let text = match response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec() {
            Ok(text) => text,
            Err(ureq::Error::BodyExceedsLimit(_)) => {
                return Err(self.too_large(method, &format!("over {} MiB", ANSWER_BYTES_MAX >> 20)));
            }
            Err(error) => return Err(unreachable(error)),
        };
        if has_too_many_values(&text) {
            return Err(self.too_large(method, "too many values"));
        }
        if !text.first().is_some_and(|first| b"{[ \n\r\t".contains(first)) {
            return Err(self.bad_answer(method, format!("HTTP status {status}, not JSON-RPC")));
        }
        Ok(text)
    }
}

/// A transport error in a few words.
fn plain(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Io(error) => match error.kind() {
            std::io::ErrorKind::ConnectionRefused => "connection refused".into(),
            _ => error.to_string(),
        },
        ureq::Error::Timeout(_) => "no answer in time".into(),
        ureq::Error::HostNotFound => "unknown host".into(),
        other => other.to_string(),
    }
}
