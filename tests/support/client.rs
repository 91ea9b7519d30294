//! A plain JSON-RPC client, as any stock Bitcoin client would write it: no code shared with the program under test.

use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

/// A node's error answer.
#[derive(Clone, Debug, PartialEq)]
pub struct RpcError {
    /// Bitcoin Core's error code, or 0 when the node could not be talked to.
    pub code: i64,
    /// The sentence.
    pub message: String,
}

/// Talks to one node.
#[derive(Clone, Debug)]
pub struct Client {
    url: String,
    authorization: String,
    agent: ureq::Agent,
}

impl Client {
    /// With the cookie in a file.
    pub fn with_cookie(url: &str, cookie: &Path) -> Client {
        let text = std::fs::read_to_string(cookie).unwrap_or_else(|error| panic!("{}: {error}", cookie.display()));
        Client::with_password(url, text.trim())
    }

    /// With `user:password`.
    pub fn with_password(url: &str, user_and_password: &str) -> Client {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(120)))
            .build();
        Client {
            url: url.to_owned(),
            authorization: format!("Basic {}", base64(user_and_password.as_bytes())),
            agent: config.into(),
        }
    }

    /// Calls a method and gives its result or the node's error.
    pub fn try_call(&self, method: &str, params: Value) -> Result<Value, RpcError> {
        let body = json!({"jsonrpc": "1.0", "id": "test", "method": method, "params": params}).to_string();
        let unreachable = |error: ureq::Error| RpcError { code: 0, message: error.to_string() };
        let mut answer = self
            .agent
            .post(&self.url)
            .header("Authorization", &self.authorization)
            .header("Content-Type", "text/plain")
            .send(&body)
            .map_err(unreachable)?;
        let text = answer.body_mut().with_config().limit(256 << 20).read_to_string().map_err(unreachable)?;
        let mut answer: Value = serde_json::from_str(&text)
            .map_err(|error| RpcError { code: 0, message: format!("{}: {error} in {text:?}", answer.status()) })?;
        match &answer["error"] {
            Value::Null => Ok(answer["result"].take()),
            error => Err(RpcError {
                code: error["code"].as_i64().unwrap_or(0),
                message: error["message"].as_str().unwrap_or_default().to_owned(),
            }),
        }
    }

    /// Calls a method that must succeed.
    pub fn call(&self, method: &str, params: Value) -> Value {
        self.try_call(method, params.clone()).unwrap_or_else(|error| panic!("{method} {params}: {error:?}"))
    }

    /// Height of the active tip.
    pub fn height(&self) -> u64 {
        self.call("getblockcount", json!([])).as_u64().expect("a height")
    }

    /// Hash of the active tip.
    pub fn tip(&self) -> String {
        self.call("getbestblockhash", json!([])).as_str().expect("a hash").to_owned()
    }

    /// Blocks until the active chain has this height, at most a minute.
    pub fn wait_for_height(&self, height: u64) {
        let found = self.call("waitforblockheight", json!([height, 60_000]));
        assert!(found["height"].as_u64() >= Some(height), "waited for height {height}, got {found}");
    }

    /// Ids in the mempool.
    pub fn mempool(&self) -> Vec<String> {
        serde_json::from_value(self.call("getrawmempool", json!([]))).expect("a list of ids")
    }

    /// The hash over all coins (Core's `hash_serialized_3`) and the block it stands at.
    pub fn coins_hash(&self) -> (String, String) {
        let info = self.call("gettxoutsetinfo", json!(["hash_serialized_3"]));
        let text = |field: &str| info[field].as_str().unwrap_or_else(|| panic!("{field} in {info}")).to_owned();
        (text("bestblock"), text("hash_serialized_3"))
    }
}

/// RFC 4648, with padding.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0u32, |group, byte| group << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for digit in 0..4 {
            if digit <= chunk.len() {
                text.push(DIGITS[(group >> (18 - 6 * digit)) as usize & 63] as char);
            } else {
                text.push('=');
            }
        }
    }
    text
}
