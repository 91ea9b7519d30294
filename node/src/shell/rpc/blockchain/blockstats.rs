//! `getblockstats`: one block in numbers, with Core's fields. Amounts are in the smallest unit, rates in units per byte.

use crate::core::summary::Summary;
use crate::shell::rpc::error::RpcError;
use crate::shell::rpc::lookup;
use crate::shell::rpc::method::Reply;
use crate::shell::rpc::method::arguments::Arguments;
use crate::shell::rpc::method::context::Context;
use crate::shell::rpc::view::WEIGHT_PER_BYTE;
use chain_spec::{Block, ChainSpec, Encode, TxOut};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// What one coin takes in a coin set beside its output: outpoint, height, and whether a coinbase made it (Core:
/// `PER_UTXO_OVERHEAD`), bytes.
const COIN_OVERHEAD_BYTES: i64 = 36 + 4 + 1;
/// The shares of the block's weight whose fee rates are told, in hundredths.
const PERCENTILES: [u64; 5] = [10, 25, 50, 75, 90];

/// `getblockstats hash_or_height ( stats )`.
pub async fn getblockstats(context: Arc<Context>, arguments: Arguments) -> Reply {
    let which = arguments.get(0).cloned().unwrap_or_default();
    let selected = match arguments.get(1) {
        // None named is as none asked for (Core too).
        Some(_) => Some(arguments.list(1)?.to_vec()).filter(|names| !names.is_empty()),
        None => None,
    };
    let found = context.core.read(move |core| -> Result<_, RpcError> {
        let summary = lookup::hash_or_height(core, &which)?;
        let block = lookup::stored_block(core, &summary.hash)?;
        let undo = lookup::stored_undo(core, &summary.hash)?;
        if undo.is_none() && summary.height > 0 {
            return Err(RpcError::misc("Undo data not available: the block was never part of the active chain"));
        }
        Ok((summary, block, undo.unwrap_or_default()))
    });
    let (summary, block, undo) = found.await??;
    let mut stats = Stats::new(&context.spec, &summary);
    for (position, transaction) in block.transactions.iter().enumerate() {
        let spent = position.checked_sub(1).and_then(|place| undo.spent.get(place)).map_or(&[][..], Vec::as_slice);
        stats.add(transaction, spent.iter().map(|coin| &coin.output));
    }
    let all = stats.view(&context.spec, &summary, &block);
    let Some(selected) = selected else { return Ok(Value::Object(all)) };
    let mut some = Map::new();
    for name in selected {
        let name = name.as_str().ok_or_else(|| RpcError::parameter("stats: every element must be a string"))?;
        let value = all.get(name).ok_or_else(|| RpcError::parameter(format!("Invalid selected statistic '{name}'")))?;
        some.insert(name.to_owned(), value.clone());
    }
    Ok(Value::Object(some))
}

/// Sums over a block's transactions; the coinbase counts only where it says so.
struct Stats {
    /// Fees, rates with sizes, and sizes of every transaction but the coinbase.
    fees: Vec<u64>,
    rates: Vec<(u64, u64)>,
    sizes: Vec<u64>,
    inputs: i64,
    /// The coinbase's too.
    outputs: i64,
    /// The same, less those that can never be spent.
    coins: i64,
    coins_bytes: i64,
    coins_bytes_actual: i64,
    value_out: u64,
    /// Genesis, and a coinbase whose id was there before, add no coins.
    is_genesis: bool,
    is_repeat: bool,
}

fn coin_bytes(output: &TxOut) -> i64 {
    output.encoded_len() as i64 + COIN_OVERHEAD_BYTES
}

impl Stats {
    fn new(spec: &ChainSpec, block: &Summary) -> Stats {
        Stats {
            fees: Vec::new(),
            rates: Vec::new(),
            sizes: Vec::new(),
            inputs: 0,
            outputs: 0,
            coins: 0,
            coins_bytes: 0,
            coins_bytes_actual: 0,
            value_out: 0,
            is_genesis: block.height == 0 && !spec.genesis_spendable,
            is_repeat: spec.bip30_exceptions.contains(&(block.height, block.hash)),
        }
    }

    fn add<'a>(&mut self, transaction: &chain_spec::Transaction, spent: impl Iterator<Item = &'a TxOut>) {
        let is_coinbase = transaction.is_coinbase();
        let mut value_out = 0;
        for output in &transaction.outputs {
            value_out += output.value.units();
            self.outputs += 1;
            self.coins_bytes += coin_bytes(output);
            let adds_none = self.is_genesis || (self.is_repeat && is_coinbase) || output.script.is_unspendable();
            if !adds_none {
                self.coins += 1;
                self.coins_bytes_actual += coin_bytes(output);
            }
        }
        if is_coinbase {
            return;
        }
        let mut value_in = 0;
        for output in spent {
            value_in += output.value.units();
            self.coins_bytes -= coin_bytes(output);
            self.coins_bytes_actual -= coin_bytes(output);
        }
        self.inputs += transaction.inputs.len() as i64;
        self.value_out += value_out;
        let (size, fee) = (transaction.encoded_len() as u64, value_in.saturating_sub(value_out));
        self.sizes.push(size);
        self.fees.push(fee);
        self.rates.push((fee / size, size));
    }

    fn view(mut self, spec: &ChainSpec, summary: &Summary, block: &Block) -> Map<String, Value> {
        let (fee, size): (u64, u64) = (self.fees.iter().sum(), self.sizes.iter().sum());
        let count = self.fees.len() as u64;
        let mean = |sum: u64| sum.checked_div(count).unwrap_or(0);
        self.rates.sort_unstable();
        let rates = || self.rates.iter().map(|(rate, _)| *rate);
        let least = |values: &mut dyn Iterator<Item = u64>| values.min().unwrap_or(0);
        let most = |values: &mut dyn Iterator<Item = u64>| values.max().unwrap_or(0);
        let weight_per_byte = WEIGHT_PER_BYTE as u64;
        let view = json!({
            "avgfee": mean(fee),
            "avgfeerate": fee.checked_div(size).unwrap_or(0),
            "avgtxsize": mean(size),
            "blockhash": summary.hash.to_string(),
            "feerate_percentiles": percentiles(&self.rates),
            "height": summary.height,
            "ins": self.inputs,
            "maxfee": most(&mut self.fees.iter().copied()),
            "maxfeerate": most(&mut rates()),
            "maxtxsize": most(&mut self.sizes.iter().copied()),
            "medianfee": median(self.fees.clone()),
            "mediantime": summary.median_time_past_s,
            "mediantxsize": median(self.sizes.clone()),
            "minfee": least(&mut self.fees.iter().copied()),
            "minfeerate": least(&mut rates()),
            "mintxsize": least(&mut self.sizes.iter().copied()),
            "outs": self.outputs,
            "subsidy": spec.subsidy(summary.height).units(),
            "swtotal_size": 0,
            "swtotal_weight": 0,
            "swtxs": 0,
            "time": summary.header.time,
            "total_out": self.value_out,
            "total_size": size,
            "total_weight": size * weight_per_byte,
            "totalfee": fee,
            "txs": block.transactions.len(),
            "utxo_increase": self.outputs - self.inputs,
            "utxo_size_inc": self.coins_bytes,
            "utxo_increase_actual": self.coins - self.inputs,
            "utxo_size_inc_actual": self.coins_bytes_actual,
        });
        match view {
            Value::Object(fields) => fields,
            _ => Map::new(),
        }
    }
}

/// Core's `CalculateTruncatedMedian`.
fn median(mut values: Vec<u64>) -> u64 {
    values.sort_unstable();
    let middle = values.len() / 2;
    match values.len() {
        0 => 0,
        length if length % 2 == 1 => values[middle],
        _ => (values[middle - 1] + values[middle]) / 2,
    }
}

/// Core's `CalculatePercentilesByWeight` over rates in ascending order, each with its size.
fn percentiles(rates: &[(u64, u64)]) -> [u64; 5] {
    let total: u64 = rates.iter().map(|(_, size)| size).sum();
    let last = rates.last().map_or(0, |(rate, _)| *rate);
    PERCENTILES.map(|share| {
        let mut below = 0;
        let reached = rates.iter().find(|(_, size)| {
            below += size;
            below * 100 >= total * share
        });
        reached.map_or(last, |(rate, _)| *rate)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_cut_off_to_whole_numbers() {
        assert_eq!([vec![], vec![3], vec![5, 2], vec![9, 1, 4]].map(median), [0, 3, 3, 4]);
    }

    #[test]
    fn percentiles_are_of_weight_not_of_transactions() {
        assert_eq!(percentiles(&[]), [0; 5]);
        assert_eq!(percentiles(&[(7, 100)]), [7; 5]);
        // One heavy transaction at 2 fills the middle.
        assert_eq!(percentiles(&[(1, 10), (2, 80), (3, 10)]), [1, 2, 2, 2, 2]);
        assert_eq!(percentiles(&[(1, 30), (2, 30), (3, 30), (4, 10)]), [1, 1, 2, 3, 3]);
    }
}
