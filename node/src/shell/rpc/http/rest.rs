//! Core's REST paths (`--rest`): read-only, without a password, for whoever can reach the port. Each is a method of the RPC
//! with its result in JSON, hexadecimal digits or bytes, as the path's ending says.
//!
//! Served: `tx`, `block`, `block/notxdetails`, `headers`, `blockhashbyheight`, `chaininfo`, `deploymentinfo`,
//! `mempool/info`, `mempool/contents`, `getutxos`, `spenttxouts`, and with `--blockfilterindex` `blockfilter` and
//! `blockfilterheaders`.

use crate::core::Core;
use crate::shell::rpc::error::{INVALID_ADDRESS_OR_KEY, INVALID_PARAMETER, RpcError};
use crate::shell::rpc::method::arguments::{Arguments, parse_hash};
use crate::shell::rpc::method::context::Context;
use crate::shell::rpc::table::METHODS;
use crate::shell::rpc::view;
use axum::http::StatusCode;
use chain_spec::encode::encode_compact_size;
use chain_spec::{BlockHash, Coin, Encode, Outpoint, Txid};
use serde_json::{Value, json};
use std::sync::Arc;

/// Most headers in one answer (Core: `MAX_REST_HEADERS_RESULTS`).
const HEADERS_MAX: usize = 2_000;
/// Headers in one answer unless told otherwise.
const HEADERS_DEFAULT: usize = 5;
/// Most outpoints in one question (Core: `MAX_GETUTXOS_OUTPOINTS`).
const OUTPOINTS_MAX: usize = 15;

/// What an answer is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Bytes,
    Hex,
    Json,
}

/// An answer: its content type and its bytes.
pub type Found = (&'static str, Vec<u8>);
/// No answer: a status and a line for a person.
pub type Refused = (StatusCode, String);

/// Answers `GET /rest/…`; `path` is what follows `/rest/`.
pub async fn answer(context: &Arc<Context>, path: &str, query: Option<&str>) -> Result<Found, Refused> {
    let (path, format) = split_format(path)?;
    let parts: Vec<&str> = path.split('/').collect();
    let parameter =
        |name: &str| query.unwrap_or_default().split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    match parts[..] {
        ["tx", txid] => {
            check_hash(txid)?;
            raw_or_json(context, format, "getrawtransaction", json!([txid, 0]), json!([txid, 1])).await
        }
        ["block", hash] => {
            check_hash(hash)?;
            raw_or_json(context, format, "getblock", json!([hash, 0]), json!([hash, 3])).await
        }
        ["block", "notxdetails", hash] => {
            check_hash(hash)?;
            raw_or_json(context, format, "getblock", json!([hash, 0]), json!([hash, 1])).await
        }
        ["headers", hash] => headers(context, format, hash, parameter("count")).await,
        ["headers", count, hash] => headers(context, format, hash, Some(count)).await,
        ["blockhashbyheight", height] => block_hash(context, format, height).await,
        ["chaininfo"] => json_only(context, format, "getblockchaininfo", json!([])).await,
        ["deploymentinfo"] => json_only(context, format, "getdeploymentinfo", json!([])).await,
        ["deploymentinfo", hash] => json_only(context, format, "getdeploymentinfo", json!([hash])).await,
        ["mempool", "info"] => json_only(context, format, "getmempoolinfo", json!([])).await,
        ["mempool", "contents"] => {
            let flag = |name: &str, default: bool| match parameter(name) {
                None => Ok(default),
                Some("true") => Ok(true),
                Some("false") => Ok(false),
                Some(_) => Err(bad(format!("The \"{name}\" query parameter must be either \"true\" or \"false\"."))),
            };
            let arguments = json!([flag("verbose", true)?, flag("mempool_sequence", false)?]);
            json_only(context, format, "getrawmempool", arguments).await
        }
        ["blockfilter", "basic", hash] => filter(context, format, hash).await,
        ["blockfilterheaders", "basic", hash] => filter_headers(context, format, hash, parameter("count")).await,
        ["blockfilterheaders", "basic", count, hash] => filter_headers(context, format, hash, Some(count)).await,
        ["blockfilter" | "blockfilterheaders", kind, ..] => Err(bad(format!("Unknown filtertype {kind}"))),
        ["spenttxouts", hash] => spent_outputs(context, format, hash).await,
        ["getutxos", ref outpoints @ ..] => coins(context, format, outpoints).await,
        _ => Err((StatusCode::NOT_FOUND, "no such REST path\n".to_owned())),
    }
}

fn bad(message: String) -> Refused {
    (StatusCode::BAD_REQUEST, message + "\n")
}

fn split_format(path: &str) -> Result<(&str, Format), Refused> {
    let format = |ending: &str| match ending {
        "bin" => Some(Format::Bytes),
        "hex" => Some(Format::Hex),
        "json" => Some(Format::Json),
        _ => None,
    };
    let split = path.rsplit_once('.').and_then(|(path, ending)| Some((path, format(ending)?)));
    split.ok_or_else(|| (StatusCode::NOT_FOUND, "output format not found (available: .bin, .hex, .json)\n".to_owned()))
}

fn check_hash(text: &str) -> Result<(), Refused> {
    parse_hash::<Txid>(text, "hash").map(drop).map_err(|_| bad(format!("Invalid hash: {text}")))
}

/// Runs a method of the RPC.
async fn call(context: &Arc<Context>, name: &str, arguments: Value) -> Result<Value, Refused> {
    let refused = |error: RpcError| {
        let status = match error.code {
            INVALID_ADDRESS_OR_KEY | INVALID_PARAMETER => StatusCode::NOT_FOUND,
            _ => StatusCode::SERVICE_UNAVAILABLE,
        };
        (status, error.message + "\n")
    };
    let Some(method) = METHODS.find(name) else { return Err((StatusCode::NOT_FOUND, "no such method\n".to_owned())) };
    let arguments = Arguments::new(method, Some(arguments)).map_err(refused)?;
    (method.call)(Arc::clone(context), arguments).await.map_err(refused)
}

fn found(format: Format, bytes: Vec<u8>) -> Found {
    match format {
        Format::Bytes => ("application/octet-stream", bytes),
        _ => ("text/plain", (hex::encode(bytes) + "\n").into_bytes()),
    }
}

fn found_json(value: &Value) -> Found {
    ("application/json", format!("{value}\n").into_bytes())
}

/// A method that answers with hexadecimal digits for one list of arguments and with JSON for another.
async fn raw_or_json(
    context: &Arc<Context>,
    format: Format,
    method: &str,
    raw: Value,
    detailed: Value,
) -> Result<Found, Refused> {
    if format == Format::Json {
        return Ok(found_json(&call(context, method, detailed).await?));
    }
    let digits = call(context, method, raw).await?;
    // The method's own digits are hexadecimal.
    Ok(found(format, hex::decode(digits.as_str().unwrap_or_default()).unwrap_or_default()))
}

async fn json_only(context: &Arc<Context>, format: Format, method: &str, arguments: Value) -> Result<Found, Refused> {
    if format != Format::Json {
        return Err((StatusCode::NOT_FOUND, "output format not found (available: json)\n".to_owned()));
    }
    Ok(found_json(&call(context, method, arguments).await?))
}

fn header_count(count: Option<&str>) -> Result<usize, Refused> {
    let count = count.map_or(Some(HEADERS_DEFAULT), |count| count.parse().ok());
    let count = count.filter(|count| (1..=HEADERS_MAX).contains(count));
    count.ok_or_else(|| bad(format!("Header count is invalid or out of acceptable range (1-{HEADERS_MAX})")))
}

/// `blockfilter/basic/HASH`: the filter as BIP157's message holds it, or as JSON.
async fn filter(context: &Arc<Context>, format: Format, hash: &str) -> Result<Found, Refused> {
    check_hash(hash)?;
    let filter = call(context, "getblockfilter", json!([hash])).await?;
    let digits = filter["filter"].as_str().unwrap_or_default();
    if format == Format::Json {
        return Ok(found_json(&json!({"filter": digits})));
    }
    let content = hex::decode(digits).unwrap_or_default();
    let mut bytes = vec![0];
    bytes.extend(wire_hash(hash));
    encode_compact_size(content.len() as u64, &mut bytes);
    bytes.extend(content);
    Ok(found(format, bytes))
}

/// A hash as it goes over the wire, from its digits.
fn wire_hash(text: &str) -> Vec<u8> {
    let mut bytes = hex::decode(text).unwrap_or_default();
    bytes.reverse();
    bytes
}

async fn filter_headers(
    context: &Arc<Context>,
    format: Format,
    hash: &str,
    count: Option<&str>,
) -> Result<Found, Refused> {
    check_hash(hash)?;
    let (count, mut list, mut next) = (header_count(count)?, Vec::new(), Some(hash.to_owned()));
    while let Some(hash) = next.take().filter(|_| list.len() < count) {
        let filter = call(context, "getblockfilter", json!([hash])).await?;
        list.push(filter["header"].as_str().unwrap_or_default().to_owned());
        next = call(context, "getblockheader", json!([hash])).await?["nextblockhash"].as_str().map(str::to_owned);
    }
    if format == Format::Json {
        return Ok(found_json(&json!(list)));
    }
    Ok(found(format, list.iter().flat_map(|header| wire_hash(header)).collect()))
}

/// `spenttxouts/HASH`: the outputs that a block spends, transaction by transaction, none for the coinbase.
async fn spent_outputs(context: &Arc<Context>, format: Format, hash: &str) -> Result<Found, Refused> {
    let hash: BlockHash = parse_hash(hash, "hash").map_err(|_| bad(format!("Invalid hash: {hash}")))?;
    let unavailable = |error: String| (StatusCode::SERVICE_UNAVAILABLE, error + "\n");
    let read = move |core: &Core| core.undo(&hash);
    let undo = context.core.read(read).await.map_err(|error| unavailable(error.to_string()))?;
    let undo = undo.map_err(|error| unavailable(error.to_string()))?;
    let undo = undo.ok_or_else(|| (StatusCode::NOT_FOUND, format!("{hash} undo not available\n")))?;
    if format == Format::Json {
        let output = |coin: &Coin| {
            json!({
                "value": view::amount(coin.output.value),
                "scriptPubKey": view::script(&context.spec, &coin.output.script),
            })
        };
        let spent = undo.spent.iter().map(|coins| coins.iter().map(output).collect::<Value>());
        return Ok(found_json(&std::iter::once(json!([])).chain(spent).collect::<Value>()));
    }
    let mut bytes = Vec::new();
    encode_compact_size(undo.spent.len() as u64 + 1, &mut bytes);
    encode_compact_size(0, &mut bytes);
    for coins in &undo.spent {
        encode_compact_size(coins.len() as u64, &mut bytes);
        coins.iter().for_each(|coin| coin.output.encode(&mut bytes));
    }
    Ok(found(format, bytes))
}

async fn headers(context: &Arc<Context>, format: Format, hash: &str, count: Option<&str>) -> Result<Found, Refused> {
    check_hash(hash)?;
    let count = header_count(count)?;
    let (mut list, mut next) = (Vec::new(), Some(hash.to_owned()));
    let mut bytes = Vec::new();
    while let Some(hash) = next.take().filter(|_| list.len() < count) {
        let header = call(context, "getblockheader", json!([hash])).await?;
        if format != Format::Json {
            let digits = call(context, "getblockheader", json!([hash, false])).await?;
            bytes.extend(hex::decode(digits.as_str().unwrap_or_default()).unwrap_or_default());
        }
        next = header["nextblockhash"].as_str().map(str::to_owned);
        list.push(header);
    }
    Ok(if format == Format::Json { found_json(&Value::Array(list)) } else { found(format, bytes) })
}

async fn block_hash(context: &Arc<Context>, format: Format, height: &str) -> Result<Found, Refused> {
    let number: u32 = height.parse().map_err(|_| bad(format!("Invalid height: {height}")))?;
    let hash = call(context, "getblockhash", json!([number])).await?;
    let text = hash.as_str().unwrap_or_default();
    Ok(match format {
        Format::Json => found_json(&json!({"blockhash": text})),
        Format::Hex => ("text/plain", format!("{text}\n").into_bytes()),
        // Bytes are in the order of the wire, digits in the other.
        Format::Bytes => {
            let mut bytes = hex::decode(text).unwrap_or_default();
            bytes.reverse();
            ("application/octet-stream", bytes)
        }
    })
}

/// `getutxos[/checkmempool]/TXID-N/…`: which of some coins are unspent (BIP64).
async fn coins(context: &Arc<Context>, format: Format, parts: &[&str]) -> Result<Found, Refused> {
    let (with_mempool, parts) = match parts {
        ["checkmempool", rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    if parts.is_empty() || parts.len() > OUTPOINTS_MAX {
        return Err(bad(format!("Error: between 1 and {OUTPOINTS_MAX} outpoints can be asked for")));
    }
    let outpoint = |text: &&str| {
        let (txid, index) = text.split_once('-')?;
        Some(Outpoint { txid: parse_hash(txid, "txid").ok()?, index: index.parse().ok()? })
    };
    let outpoints: Option<Vec<Outpoint>> = parts.iter().map(outpoint).collect();
    let outpoints = outpoints.ok_or_else(|| bad("Parse error".to_owned()))?;
    let read = move |core: &Core| {
        let coins = outpoints.iter().map(|outpoint| core.coin(outpoint, with_mempool));
        (coins.collect::<Result<Vec<Option<Coin>>, _>>(), core.tip())
    };
    let unavailable = |error: String| (StatusCode::SERVICE_UNAVAILABLE, error + "\n");
    let (coins, tip) = context.core.read(read).await.map_err(|error| unavailable(error.to_string()))?;
    let coins = coins.map_err(|error| unavailable(error.to_string()))?;
    if format == Format::Json {
        let utxos = coins.iter().flatten().map(|coin| {
            json!({
                "height": coin.height,
                "value": view::amount(coin.output.value),
                "scriptPubKey": view::script(&context.spec, &coin.output.script),
            })
        });
        let bitmap: String = coins.iter().map(|coin| if coin.is_some() { '1' } else { '0' }).collect();
        return Ok(found_json(&json!({
            "chainHeight": tip.height,
            "chaintipHash": tip.hash.to_string(),
            "bitmap": bitmap,
            "utxos": utxos.collect::<Value>(),
        })));
    }
    let mut bytes = tip.height.to_le_bytes().to_vec();
    bytes.extend_from_slice(tip.hash.as_bytes());
    let bitmap = coins
        .chunks(8)
        .map(|eight| eight.iter().enumerate().fold(0, |byte, (bit, coin)| byte | u8::from(coin.is_some()) << bit));
    encode_compact_size(coins.len().div_ceil(8) as u64, &mut bytes);
    bytes.extend(bitmap);
    encode_compact_size(coins.iter().flatten().count() as u64, &mut bytes);
    for coin in coins.iter().flatten() {
        // Core writes a transaction version here that it no longer keeps.
        bytes.extend(0u32.to_le_bytes());
        bytes.extend(coin.height.to_le_bytes());
        coin.output.encode(&mut bytes);
    }
    Ok(found(format, bytes))
}
