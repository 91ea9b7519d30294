//! `getdescriptoractivity`: what scripts of descriptors were paid and what was spent from them, in named blocks and in the mempool.

use crate::core::Core;
use crate::shell::rpc::descriptor::Descriptor;
use crate::shell::rpc::error::{INVALID_ADDRESS_OR_KEY, RpcError, TYPE_ERROR};
use crate::shell::rpc::lookup::{coins_of, known_block, scan_scripts, stored_block, stored_undo};
use crate::shell::rpc::method::Reply;
use crate::shell::rpc::method::arguments::{Arguments, parse_hash};
use crate::shell::rpc::method::context::Context;
use crate::shell::rpc::view;
use chain_spec::{BlockHash, ChainSpec, Coin, Script, Transaction};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::sync::Arc;

/// Where a transaction is: a block's hash and height, or the mempool.
type Place = Option<(BlockHash, u32)>;

/// What is looked for and what was found.
struct Search {
    spec: Arc<ChainSpec>,
    wanted: HashSet<Script>,
    found: Vec<Value>,
}

impl Search {
    /// Notes what a transaction spends and pays; `spent` are the coins of its inputs, as far as they are known.
    fn look_at(&mut self, transaction: &Transaction, spent: &[Option<Coin>], place: Place) {
        let txid = transaction.txid().to_string();
        for (position, (input, coin)) in transaction.inputs.iter().zip(spent).enumerate() {
            let Some(coin) = coin.as_ref().filter(|coin| self.wanted.contains(&coin.output.script)) else { continue };
            self.note(
                place,
                json!({
                    "type": "spend",
                    "amount": view::amount(coin.output.value),
                    "spend_txid": txid,
                    "spend_vin": position,
                    "prevout_txid": input.outpoint.txid.to_string(),
                    "prevout_vout": input.outpoint.index,
                    "prevout_spk": view::script(&self.spec, &coin.output.script),
                }),
            );
        }
        for (position, output) in transaction.outputs.iter().enumerate() {
            if self.wanted.contains(&output.script) {
                self.note(
                    place,
                    json!({
                        "type": "receive",
                        "amount": view::amount(output.value),
                        "txid": txid,
                        "vout": position,
                        "output_spk": view::script(&self.spec, &output.script),
                    }),
                );
            }
        }
    }

    fn note(&mut self, place: Place, mut event: Value) {
        if let Some((hash, height)) = place {
            event["blockhash"] = json!(hash.to_string());
            event["height"] = json!(height);
        }
        self.found.push(event);
    }

    fn look_at_block(&mut self, core: &Core, hash: &BlockHash, height: u32) -> Result<(), RpcError> {
        let (block, undo) = (stored_block(core, hash)?, stored_undo(core, hash)?);
        let spent = undo.iter().flat_map(|undo| &undo.spent);
        // The coinbase spends nothing, and nothing is kept of it.
        let spent = std::iter::once(Vec::new()).chain(spent.map(|coins| coins.iter().cloned().map(Some).collect()));
        for (transaction, spent) in block.transactions.iter().zip(spent) {
            self.look_at(transaction, &spent, Some((*hash, height)));
        }
        Ok(())
    }
}

/// `getdescriptoractivity blockhashes scanobjects ( include_mempool )`.
pub async fn getdescriptoractivity(context: Arc<Context>, arguments: Arguments) -> Reply {
    let hash = |value: &Value| {
        let text = value.as_str();
        text.ok_or_else(|| RpcError::new(TYPE_ERROR, "JSON value is not a string as expected"))
            .and_then(|text| parse_hash::<BlockHash>(text, "blockhash"))
    };
    let hashes = arguments.list(0)?.iter().map(hash).collect::<Result<Vec<_>, _>>()?;
    let parse = |text: &str| {
        Descriptor::parse(text, &context.spec).map_err(|error| RpcError::new(INVALID_ADDRESS_OR_KEY, error))
    };
    let wanted: HashSet<Script> = scan_scripts(arguments.list(1)?, parse)?.into_keys().collect();
    let include_mempool = arguments.boolean_or(2, true)?;
    let heights = context.core.read(move |core| active_blocks(core, &hashes)).await??;
    let mut search = Search { spec: context.spec.clone(), wanted, found: Vec::new() };
    // One block at a time, so that the node goes on in between.
    for (height, hash) in heights {
        let look = move |core: &Core| -> Result<Search, RpcError> {
            search.look_at_block(core, &hash, height)?;
            Ok(search)
        };
        search = context.core.read(look).await??;
    }
    if include_mempool {
        let look = move |core: &Core| -> Result<Search, RpcError> {
            for entry in core.mempool().entries() {
                let transaction = entry.transaction.transaction();
                search.look_at(transaction, &coins_of(core, transaction)?, None);
            }
            Ok(search)
        };
        search = context.core.read(look).await??;
    }
    Ok(json!({"activity": search.found}))
}

/// Heights and hashes of blocks that must be in the active chain, lowest first, each once.
fn active_blocks(core: &Core, hashes: &[BlockHash]) -> Result<Vec<(u32, BlockHash)>, RpcError> {
    let mut blocks = Vec::with_capacity(hashes.len());
    for hash in hashes {
        let block = known_block(core, hash)?;
        if !block.active {
            return Err(RpcError::parameter("Block is not in main chain"));
        }
        blocks.push((block.height, *hash));
    }
    blocks.sort_unstable();
    blocks.dedup();
    Ok(blocks)
}
