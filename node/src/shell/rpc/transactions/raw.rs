//! Making transactions by hand: `createrawtransaction`, `combinerawtransaction`. Signing is in [`sign`](super::sign).

use crate::core::Core;
use crate::shell::rpc::error::{DESERIALIZATION_ERROR, INVALID_ADDRESS_OR_KEY, RpcError, TYPE_ERROR, VERIFY_ERROR};
use crate::shell::rpc::lookup::coins_of;
use crate::shell::rpc::method::Reply;
use crate::shell::rpc::method::arguments::{Arguments, decode_hex, parse_amount, parse_hash};
use crate::shell::rpc::method::context::Context;
use chain_spec::der::SignatureEncoding;
use chain_spec::rules::spend::check_input_script;
use chain_spec::{Address, Amount, ChainSpec, Encode, Outpoint, Script, Transaction, TxIn, TxOut};
use serde_json::{Map, Value, json};
use std::collections::HashSet;
use std::sync::Arc;

/// The version of a transaction unless told otherwise (Core: `CTransaction::CURRENT_VERSION`).
const VERSION_DEFAULT: u32 = 2;
/// Highest version that is standard (Core: `TX_MAX_STANDARD_VERSION`).
const VERSION_MAX: u32 = 3;
/// Sequence numbers below this say that a transaction may be replaced (BIP125).
const SEQUENCE_FINAL_MIN: u32 = 0xffff_fffe;

/// `createrawtransaction inputs outputs ( locktime replaceable version )`.
pub async fn createrawtransaction(context: Arc<Context>, arguments: Arguments) -> Reply {
    let lock_time = match arguments.get(2) {
        None => 0,
        Some(_) => u32::try_from(arguments.integer(2)?)
            .map_err(|_| RpcError::parameter("Invalid parameter, locktime out of range"))?,
    };
    let replaceable = arguments.get(3).map(|_| arguments.boolean_or(3, true)).transpose()?;
    let version = match arguments.get(4) {
        None => VERSION_DEFAULT,
        Some(_) => u32::try_from(arguments.integer(4)?)
            .ok()
            .filter(|version| (1..=VERSION_MAX).contains(version))
            .ok_or_else(|| RpcError::parameter(format!("Invalid parameter, version out of range(1~{VERSION_MAX})")))?,
    };
    let sequence_default = match (replaceable.unwrap_or(true), lock_time) {
        (true, _) => SEQUENCE_FINAL_MIN - 1,
        (false, 0) => u32::MAX,
        (false, _) => SEQUENCE_FINAL_MIN,
    };
    let inputs = arguments.list(0)?.iter().map(|value| input(value, sequence_default));
    let inputs = inputs.collect::<Result<Vec<TxIn>, _>>()?;
    let outputs = outputs(arguments.get(1).unwrap_or(&Value::Null), &context.spec)?;
    let signals = inputs.iter().any(|input| input.sequence < SEQUENCE_FINAL_MIN);
    if replaceable == Some(true) && !inputs.is_empty() && !signals {
        let message = "Invalid parameter combination: Sequence number(s) contradict replaceable option";
        return Err(RpcError::parameter(message));
    }
    let transaction = Transaction { version: version as i32, inputs, outputs, lock_time };
    Ok(json!(hex::encode(transaction.to_bytes())))
}

fn input(value: &Value, sequence_default: u32) -> Result<TxIn, RpcError> {
    let object = value
        .as_object()
        .ok_or_else(|| RpcError::new(TYPE_ERROR, "JSON value of type is not of expected type object"))?;
    let text = object.get("txid").and_then(Value::as_str);
    let txid = parse_hash(text.ok_or_else(|| RpcError::parameter("Invalid parameter, missing txid key"))?, "txid")?;
    let index = object.get("vout").and_then(Value::as_i64);
    let index = index.ok_or_else(|| RpcError::parameter("Invalid parameter, missing vout key"))?;
    if index < 0 {
        return Err(RpcError::parameter("Invalid parameter, vout cannot be negative"));
    }
    let index = u32::try_from(index).map_err(|_| RpcError::misc("JSON integer out of range"))?;
    let sequence = match object.get("sequence") {
        None | Some(Value::Null) => sequence_default,
        Some(sequence) => sequence
            .as_u64()
            .and_then(|sequence| u32::try_from(sequence).ok())
            .ok_or_else(|| RpcError::parameter("Invalid parameter, sequence number is out of range"))?,
    };
    Ok(TxIn { outpoint: Outpoint { txid, index }, script: Script::default(), sequence })
}

/// Outputs as a list of objects with one key each, or as one object: an address and an amount, or `data` and digits.
fn outputs(value: &Value, spec: &ChainSpec) -> Result<Vec<TxOut>, RpcError> {
    let merged = match value {
        Value::Object(outputs) => outputs.iter().collect::<Vec<_>>(),
        Value::Array(list) => {
            let mut merged = Vec::with_capacity(list.len());
            for element in list {
                let object = element.as_object().ok_or_else(|| {
                    RpcError::parameter("Invalid parameter, key-value pair not an object as expected")
                })?;
                if object.len() != 1 {
                    let message = "Invalid parameter, key-value pair must contain exactly one key";
                    return Err(RpcError::parameter(message));
                }
                merged.extend(object.iter());
            }
            merged
        }
        Value::Null => return Err(RpcError::parameter("Invalid parameter, output argument must be non-null")),
        _ => return Err(RpcError::new(TYPE_ERROR, "outputs must be an array or an object")),
    };
    let (mut seen, mut has_data) = (HashSet::new(), false);
    let mut outputs = Vec::with_capacity(merged.len());
    for (key, value) in merged {
        if key == "data" {
            if std::mem::replace(&mut has_data, true) {
                return Err(RpcError::parameter("Invalid parameter, duplicate key: data"));
            }
            outputs.push(data_output(value)?);
            continue;
        }
        let address = Address::parse(key, spec).map_err(|error| {
            RpcError::new(INVALID_ADDRESS_OR_KEY, format!("Invalid Bitcoin address: {key}: {error}"))
        })?;
        if !seen.insert(address.to_string()) {
            return Err(RpcError::parameter(format!("Invalid parameter, duplicated address: {key}")));
        }
        outputs.push(TxOut { value: parse_amount(value)?, script: address.script() });
    }
    Ok(outputs)
}

/// An output that carries data and can never be spent.
fn data_output(value: &Value) -> Result<TxOut, RpcError> {
    /// `OP_RETURN`, and the opcodes before pushes of more than 75 bytes.
    const RETURN: u8 = 0x6a;
    const PUSH_DATA_1: u8 = 0x4c;
    const PUSH_DATA_2: u8 = 0x4d;
    let text = value.as_str().unwrap_or_default();
    let data = hex::decode(text).ok().filter(|_| value.is_string());
    let data = data.ok_or_else(|| RpcError::parameter(format!("Data must be hexadecimal string (not '{text}')")))?;
    let mut script = vec![RETURN];
    match data.len() {
        length @ 0..PUSH_DATA_1_LEN_MIN => script.push(length as u8),
        length @ PUSH_DATA_1_LEN_MIN..=0xff => script.extend([PUSH_DATA_1, length as u8]),
        length => {
            let length =
                u16::try_from(length).map_err(|_| RpcError::parameter("Data must have 65,535 bytes at most"))?;
            script.push(PUSH_DATA_2);
            script.extend(length.to_le_bytes());
        }
    }
    script.extend(data);
    Ok(TxOut { value: Amount::ZERO, script: Script::from_bytes(script) })
}

/// Shortest push that needs an opcode before its length, bytes.
const PUSH_DATA_1_LEN_MIN: usize = 76;

/// `combinerawtransaction txs`: of each input, the script that unlocks its coin, from whichever copy has it.
pub async fn combinerawtransaction(context: Arc<Context>, arguments: Arguments) -> Reply {
    let mut copies = Vec::new();
    for (index, text) in arguments.list(0)?.iter().enumerate() {
        let failed = || {
            let message = format!("TX decode failed for tx {index}. Make sure the tx has at least one input.");
            RpcError::new(DESERIALIZATION_ERROR, message)
        };
        copies.push(decode_hex::<Transaction>(text.as_str().unwrap_or_default(), "TX").map_err(|_| failed())?);
    }
    let Some(mut combined) = copies.first().cloned() else { return Err(RpcError::parameter("Missing transactions")) };
    let asked = combined.clone();
    let coins = context.core.read(move |core: &Core| coins_of(core, &asked)).await??;
    for (index, coin) in coins.iter().enumerate() {
        let coin = coin.as_ref().ok_or_else(|| RpcError::new(VERIFY_ERROR, "Input not found or already spent"))?;
        let outpoint = combined.inputs[index].outpoint;
        let scripts = copies.iter().filter_map(|copy| copy.inputs.iter().find(|input| input.outpoint == outpoint));
        let scripts: Vec<Script> = scripts.map(|input| input.script.clone()).collect();
        let unlocks = |script: &Script| {
            let mut tried = combined.clone();
            tried.inputs[index].script = script.clone();
            check_input_script(&tried, index, coin, SignatureEncoding::Strict).is_ok()
        };
        let best =
            scripts.iter().find(|script| unlocks(script)).or_else(|| scripts.iter().find(|s| !s.as_bytes().is_empty()));
        if let Some(best) = best.cloned() {
            combined.inputs[index].script = best;
        }
    }
    Ok(json!(hex::encode(combined.to_bytes())))
}

/// An object's member that is a text.
pub(super) fn member<'a>(object: &'a Map<String, Value>, name: &str) -> Result<&'a str, RpcError> {
    match object.get(name) {
        Some(Value::String(text)) => Ok(text),
        None | Some(Value::Null) => Err(RpcError::new(TYPE_ERROR, format!("Missing {name}"))),
        Some(_) => Err(RpcError::new(TYPE_ERROR, format!("JSON value of {name} is not of expected type string"))),
    }
}
