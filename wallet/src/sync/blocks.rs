//! Reads blocks from a node and believes of them only what their proof of work and Merkle root prove.

use std::sync::Arc;

use chain_spec::rules::block::check_block;
use chain_spec::rules::header::check_proof_of_work;
use chain_spec::{Block, ChainSpec, CheckedBlock, Decode};
use serde_json::{Value, json};

use crate::client::{Client, ClientError};

/// Core's `RPC_INVALID_ADDRESS_OR_KEY`.
const NOT_FOUND: i64 = -5;
/// Blocks asked for at once, at first and at most.
const BATCH_FIRST: u32 = 16;
const BATCH_MAX: u32 = 256;
/// A batch is sized to bring about this many bytes.
const BATCH_BYTES: usize = 4 << 20;

/// A reader that learns from each batch how large the next one may be.
pub struct BlockReader<'a> {
    client: &'a Client,
    spec: &'a ChainSpec,
    batch: u32,
}

impl<'a> BlockReader<'a> {
    /// A reader of a node's active chain.
    pub fn new(client: &'a Client, spec: &'a ChainSpec) -> BlockReader<'a> {
        BlockReader { client, spec, batch: BATCH_FIRST }
    }

    /// The next active blocks from height `from` to at most `target`; fewer if the chain became shorter meanwhile.
    pub fn next(&mut self, from: u32, target: u32) -> Result<(u32, Vec<CheckedBlock>), ClientError> {
        loop {
            let count = self.batch.min((target - from).saturating_add(1));
            match self.fetch(from, count) {
                // Blocks have become larger than those before them.
                Err(ClientError::TooLarge { .. }) if self.batch > 1 => self.batch = (self.batch / 8).max(1),
                Ok((blocks, bytes)) => {
                    let each = (bytes / count as usize).max(1);
                    self.batch = u32::try_from(BATCH_BYTES / each).unwrap_or(BATCH_MAX).clamp(1, BATCH_MAX);
                    return Ok((count, blocks));
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The active blocks from `from` on and their size, fewer than `count` if the chain became shorter meanwhile.
    fn fetch(&self, from: u32, count: u32) -> Result<(Vec<CheckedBlock>, usize), ClientError> {
        let heights = (from..from + count).map(|height| json!([height])).collect();
        let mut hashes = Vec::new();
        for answer in self.client.batch("getblockhash", heights)? {
            match answer {
                Ok(value) => hashes.push(self.client.hash("getblockhash", &value)?),
                Err(_) => break,
            }
        }
        let queries = hashes.iter().map(|hash| json!([hash.to_string(), 0])).collect();
        let (mut blocks, mut bytes) = (Vec::with_capacity(hashes.len()), 0);
        for (answer, hash) in self.client.batch("getblock", queries)?.into_iter().zip(&hashes) {
            let value = match answer {
                Ok(value) => value,
                // Gone with a reorganisation, from a node that does not keep what it has left behind.
                Err(error) if error.code == NOT_FOUND => break,
                Err(error) => return Err(ClientError::Rpc { method: "getblock".into(), error }),
            };
            bytes += value.as_str().map_or(0, |text| text.len() / 2);
            let block: Block = decode(self.client, "getblock", &value)?;
            if block.hash() != *hash {
                return Err(self.client.bad_answer("getblock", format!("not the block {hash}")));
            }
            blocks.push(self.check(block)?);
        }
        Ok((blocks, bytes))
    }

    /// Refuses a block that nobody can have mined, or whose transactions are not its own: a node that lies about a coin's
    /// value would make us sign away the difference as a fee.
    fn check(&self, block: Block) -> Result<CheckedBlock, ClientError> {
        let hash = block.hash();
        if hash == self.spec.genesis_hash() {
            // Right by definition, and no node's word is needed for it.
            return Ok(CheckedBlock::from_store(Arc::new(self.spec.genesis.clone())));
        }
        let invalid = |error: String| self.client.bad_answer("getblock", format!("block {hash} is invalid: {error}"));
        check_proof_of_work(&block.header, self.spec).map_err(|error| invalid(error.to_string()))?;
        check_block(Arc::new(block), self.spec).map_err(|error| invalid(error.to_string()))
    }
}

/// Reads an answer that is a thing in hexadecimal.
pub(super) fn decode<T: Decode>(client: &Client, method: &str, value: &Value) -> Result<T, ClientError> {
    let bytes = value.as_str().and_then(|text| hex::decode(text).ok());
    let bytes = bytes.ok_or_else(|| client.bad_answer(method, "not hexadecimal"))?;
    T::from_bytes(&bytes).map_err(|error| client.bad_answer(method, error.to_string()))
}
