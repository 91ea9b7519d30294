//! JSON views of headers, blocks, transactions and coins, with Bitcoin Core's field names.
//!
//! Amounts are JSON numbers with eight decimals, written from integers: nothing is ever rounded through a float.

use crate::core::summary::Summary;
use crate::shell::rpc::descriptor;
use chain_spec::{Address, Amount, Block, ChainSpec, Coin, CompactTarget, Encode, Script, Transaction, Txid};
use serde_json::{Number, Value, json};

/// Weight units per byte: without witnesses every byte weighs four (BIP141).
pub const WEIGHT_PER_BYTE: usize = 4;

/// An amount as a JSON number with eight decimals.
pub fn amount(amount: Amount) -> Value {
    // The text is digits, a point and eight digits, so it parses; null would be a visible bug.
    amount.to_string().parse::<Number>().map_or(Value::Null, Value::Number)
}

/// A fee rate as coins per 1,000 bytes.
pub fn fee_rate(units_per_kilobyte: u64) -> Value {
    amount(Amount::from_units(units_per_kilobyte))
}

/// Core's `difficulty` of a compact target.
pub fn difficulty(bits: CompactTarget) -> f64 {
    bits.to_target().map_or(0.0, |target| target.difficulty())
}

/// The target of a compact target, 64 hexadecimal digits.
pub fn target(bits: CompactTarget) -> String {
    bits.to_target().map(|target| target.to_string()).unwrap_or_else(|| "0".repeat(64))
}

/// Blocks from this one to the tip, both counted; −1 off the active chain (Core's convention).
pub fn confirmations(block: &Summary, tip_height: u32) -> i64 {
    if block.active { i64::from(tip_height) - i64::from(block.height) + 1 } else { -1 }
}

/// `getblockheader`.
pub fn header(block: &Summary, tip_height: u32, genesis: bool) -> Value {
    let header = &block.header;
    let mut view = json!({
        "hash": block.hash.to_string(),
        "confirmations": confirmations(block, tip_height),
        "height": block.height,
        "version": header.version,
        "versionHex": format!("{:08x}", header.version),
        "merkleroot": header.merkle_root.to_string(),
        "time": header.time,
        "mediantime": block.median_time_past_s,
        "nonce": header.nonce,
        "bits": header.bits.to_string(),
        "target": target(header.bits),
        "difficulty": difficulty(header.bits),
        "chainwork": block.work.to_string(),
        "nTx": block.transactions,
    });
    if !genesis {
        view["previousblockhash"] = json!(header.previous.to_string());
    }
    if let Some(next) = block.next {
        view["nextblockhash"] = json!(next.to_string());
    }
    view
}

/// How much `getblock` says of each transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Its id.
    Ids,
    /// All of it, and its fee.
    Transactions,
    /// All of it, its fee and the coins it spends.
    Prevouts,
}

/// `getblock` with verbosity 1 to 3. `spent` is the block's undo data, where there is any.
pub fn block(
    spec: &ChainSpec,
    block: &Block,
    summary: &Summary,
    tip_height: u32,
    detail: Detail,
    spent: Option<&[Vec<Coin>]>,
) -> Value {
    let mut view = header(summary, tip_height, summary.height == 0);
    let size = block.encoded_len();
    view["nTx"] = json!(block.transactions.len());
    view["strippedsize"] = json!(size);
    view["size"] = json!(size);
    view["weight"] = json!(size * WEIGHT_PER_BYTE);
    let transactions = block.transactions.iter().enumerate().map(|(index, transaction)| {
        if detail == Detail::Ids {
            return json!(transaction.txid().to_string());
        }
        let coins = index.checked_sub(1).and_then(|index| spent?.get(index)).map(Vec::as_slice);
        let mut view = self::transaction(spec, transaction, &transaction.txid(), coins, detail == Detail::Prevouts);
        view["hex"] = json!(hex::encode(transaction.to_bytes()));
        view
    });
    if let Some((coinbase, input)) = block.transactions.first().and_then(|first| Some((first, first.inputs.first()?))) {
        view["coinbase_tx"] = json!({
            "version": coinbase.version as u32,
            "locktime": coinbase.lock_time,
            "sequence": input.sequence,
            "coinbase": hex::encode(input.script.as_bytes()),
        });
    }
    view["tx"] = transactions.collect();
    view
}

/// `decoderawtransaction`. With the coins it spends, also the fee, and each coin if `prevouts`.
pub fn transaction(
    spec: &ChainSpec,
    transaction: &Transaction,
    txid: &Txid,
    spent: Option<&[Coin]>,
    prevouts: bool,
) -> Value {
    let size = transaction.encoded_len();
    let inputs = transaction.inputs.iter().enumerate().map(|(index, input)| {
        if transaction.is_coinbase() {
            return json!({"coinbase": hex::encode(input.script.as_bytes()), "sequence": input.sequence});
        }
        let mut view = json!({
            "txid": input.outpoint.txid.to_string(),
            "vout": input.outpoint.index,
            "scriptSig": {"asm": input.script.to_unlock_asm(), "hex": hex::encode(input.script.as_bytes())},
        });
        if let Some(coin) = spent.filter(|_| prevouts).and_then(|coins| coins.get(index)) {
            view["prevout"] = json!({
                "generated": coin.is_coinbase,
                "height": coin.height,
                "value": amount(coin.output.value),
                "scriptPubKey": script(spec, &coin.output.script),
            });
        }
        view["sequence"] = json!(input.sequence);
        view
    });
    let outputs = transaction.outputs.iter().enumerate().map(|(index, output)| {
        json!({"value": amount(output.value), "n": index, "scriptPubKey": script(spec, &output.script)})
    });
    let mut view = json!({
        "txid": txid.to_string(),
        "hash": txid.to_string(),
        // Core shows it without a sign.
        "version": transaction.version as u32,
        "size": size,
        "vsize": size,
        "weight": size * WEIGHT_PER_BYTE,
        "locktime": transaction.lock_time,
        "vin": inputs.collect::<Value>(),
        "vout": outputs.collect::<Value>(),
    });
    if let Some(fee) = spent.and_then(|coins| fee(transaction, coins)) {
        view["fee"] = amount(fee);
    }
    view
}

/// What a transaction leaves to the miner.
fn fee(transaction: &Transaction, spent: &[Coin]) -> Option<Amount> {
    let inputs = Amount::checked_sum(spent.iter().map(|coin| coin.output.value))?;
    let outputs = Amount::checked_sum(transaction.outputs.iter().map(|output| output.value))?;
    inputs.checked_sub(outputs)
}

/// `scriptPubKey`.
pub fn script(spec: &ChainSpec, script: &Script) -> Value {
    let address = Address::from_script(script, spec);
    let mut view = json!({
        "asm": script.to_asm(),
        "desc": descriptor::of_script(script, address.as_ref()),
        "hex": hex::encode(script.as_bytes()),
    });
    if let Some(address) = address {
        view["address"] = json!(address.to_string());
    }
    view["type"] = json!(script.kind());
    view
}

/// A chain's name as Core's clients know it: Bitcoin's own chains by Core's names, ours by their own.
pub fn chain_name(spec: &ChainSpec) -> &str {
    match spec.name.as_str() {
        "bitcoin-main" => "main",
        "bitcoin-regtest" => "regtest",
        ours => ours,
    }
}
