//! `signrawtransactionwithkey`: signs with keys that the caller gives; the node keeps none.

use super::raw::member;
use crate::core::Core;
use crate::shell::rpc::error::{DESERIALIZATION_ERROR, INVALID_ADDRESS_OR_KEY, RpcError, TYPE_ERROR};
use crate::shell::rpc::lookup::coins_of;
use crate::shell::rpc::method::Reply;
use crate::shell::rpc::method::arguments::{Arguments, parse_amount, parse_hash};
use crate::shell::rpc::method::context::Context;
use chain_spec::der::SignatureEncoding;
use chain_spec::rules::spend::check_input_script;
use chain_spec::signature_hash::{SIGHASH_ALL, SIGHASH_ANYONECANPAY, SIGHASH_NONE, SIGHASH_SINGLE, signature_hash};
use chain_spec::{Amount, Coin, Encode, Outpoint, PrivateKey, Script, Transaction, TxOut};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;

/// `signrawtransactionwithkey hexstring privkeys ( prevtxs sighashtype )`.
pub async fn signrawtransactionwithkey(context: Arc<Context>, arguments: Arguments) -> Reply {
    let mut transaction: Transaction = arguments.decoded(0, "TX")?;
    let mut keys = HashMap::new();
    for key in arguments.list(1)? {
        let text = key.as_str().ok_or_else(|| RpcError::new(TYPE_ERROR, "privkeys: every element must be a string"))?;
        let key = PrivateKey::from_wif(text, &context.spec)
            .map_err(|error| RpcError::new(INVALID_ADDRESS_OR_KEY, format!("Invalid private key: {error}")))?;
        keys.insert(key.public_key().hash(), key);
    }
    let asked = transaction.clone();
    let mut coins = context.core.read(move |core: &Core| coins_of(core, &asked)).await??;
    if arguments.get(2).is_some() {
        take_given_coins(arguments.list(2)?, &transaction, &mut coins)?;
    }
    let hash_type = hash_type(arguments.optional_text(3)?)?;
    let mut errors = Vec::new();
    for (index, coin) in coins.iter().enumerate() {
        if let Err(why) = sign(&mut transaction, index, coin.as_ref(), &keys, hash_type) {
            let input = &transaction.inputs[index];
            errors.push(json!({
                "txid": input.outpoint.txid.to_string(),
                "vout": input.outpoint.index,
                "witness": [],
                "scriptSig": hex::encode(input.script.as_bytes()),
                "sequence": input.sequence,
                "error": why,
            }));
        }
    }
    let mut reply = json!({"hex": hex::encode(transaction.to_bytes()), "complete": errors.is_empty()});
    if !errors.is_empty() {
        reply["errors"] = Value::Array(errors);
    }
    Ok(reply)
}

/// Signs one input, unless it is signed already; the sentence is Core's.
fn sign(
    transaction: &mut Transaction,
    index: usize,
    coin: Option<&Coin>,
    keys: &HashMap<[u8; 20], PrivateKey>,
    hash_type: u32,
) -> Result<(), &'static str> {
    let coin = coin.ok_or("Input not found or already spent")?;
    let script = &coin.output.script;
    // With `SIGHASH_SINGLE` an input without an output of its own would sign the number 1, which signs anything.
    let has_output = hash_type & !SIGHASH_ANYONECANPAY != SIGHASH_SINGLE || index < transaction.outputs.len();
    if let Some(key) = script.public_key_hash().and_then(|hash| keys.get(&hash)).filter(|_| has_output) {
        let mut signature = key.sign(&signature_hash(transaction, index, script, hash_type));
        signature.push(hash_type as u8);
        transaction.inputs[index].script = Script::unlock_public_key_hash(&signature, key.public_key().as_bytes());
    }
    if transaction.inputs[index].script.as_bytes().is_empty() {
        return Err("Unable to sign input, invalid stack size (possibly missing key)");
    }
    check_input_script(transaction, index, coin, SignatureEncoding::Strict)
        .map_err(|_| "Signature must be zero for failed CHECK(MULTI)SIG operation")
}

/// Coins that the caller describes: of transactions that are not broadcast yet, say.
fn take_given_coins(given: &[Value], transaction: &Transaction, coins: &mut [Option<Coin>]) -> Result<(), RpcError> {
    for value in given {
        let object = value.as_object();
        let object = object.ok_or_else(|| {
            let message = "expected object with {\"txid'\",\"vout\",\"scriptPubKey\"}";
            RpcError::new(DESERIALIZATION_ERROR, message)
        })?;
        let txid = parse_hash(member(object, "txid")?, "txid")?;
        let index = object.get("vout").and_then(Value::as_i64);
        let index = index.ok_or_else(|| RpcError::new(TYPE_ERROR, "Missing vout"))?;
        let index =
            u32::try_from(index).map_err(|_| RpcError::new(DESERIALIZATION_ERROR, "vout cannot be negative"))?;
        let script = hex::decode(member(object, "scriptPubKey")?)
            .map_err(|_| RpcError::parameter("scriptPubKey must be hexadecimal string"))?;
        let script = Script::from_bytes(script);
        // A legacy signature does not sign the amount, so it may be left out.
        let value = object.get("amount").map(parse_amount).transpose()?.unwrap_or(Amount::MAX_MONEY);
        let outpoint = Outpoint { txid, index };
        let Some(place) = transaction.inputs.iter().position(|input| input.outpoint == outpoint) else { continue };
        if coins[place].as_ref().is_some_and(|coin| coin.output.script != script) {
            let known = coins[place].as_ref().map(|coin| coin.output.script.to_asm()).unwrap_or_default();
            let message = format!("Previous output scriptPubKey mismatch:\n{known}\nvs:\n{}", script.to_asm());
            return Err(RpcError::new(DESERIALIZATION_ERROR, message));
        }
        coins[place] = Some(Coin { output: TxOut { value, script }, height: 1, is_coinbase: false });
    }
    Ok(())
}

/// Core's names for the hash types; legacy signatures have no default of their own, so it is `ALL`.
fn hash_type(name: Option<&str>) -> Result<u32, RpcError> {
    let Some(name) = name else { return Ok(SIGHASH_ALL) };
    let (base, modifier) = match name.strip_suffix("|ANYONECANPAY") {
        Some(base) => (base, SIGHASH_ANYONECANPAY),
        None => (name, 0),
    };
    let base = match (base, modifier) {
        ("ALL", _) | ("DEFAULT", 0) => SIGHASH_ALL,
        ("NONE", _) => SIGHASH_NONE,
        ("SINGLE", _) => SIGHASH_SINGLE,
        _ => return Err(RpcError::parameter(format!("'{name}' is not a valid sighash parameter."))),
    };
    Ok(base | modifier)
}
