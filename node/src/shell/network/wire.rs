//! Messages as bytes: bincode around canonical transaction and block bytes, with a bound on everything a peer can make long.
//!
//! The layout is bincode with fixed-size little-endian integers, so that every message has one encoding. Frames and streams
//! are [`super::codec`]'s; what the messages mean is [`crate::core::message`]'s. No I/O here.

use crate::core::event::Input;
use crate::core::message::{
    BLOCKS_PER_REQUEST_MAX, CompactBlock, Gossip, HEADERS_PER_MESSAGE_MAX, LOCATOR_HASHES_MAX, Request, Response,
    TRANSACTIONS_PER_MESSAGE_MAX,
};
use bincode::de::{BorrowDecode, BorrowDecoder};
use bincode::enc::{Encode as WireEncode, Encoder};
use bincode::error::{DecodeError, EncodeError};
use chain_spec::{Block, BlockHash, Decode, Encode, Header, Transaction, Txid};
use std::collections::HashSet;
use std::sync::Arc;

/// Bytes of the largest transaction that is gossiped (policy: Core's standard size).
pub const TRANSACTION_BYTES_MAX: usize = 100_000;
/// Bytes of transactions in one [`Response::Transactions`]; what does not fit is left out of the answer.
pub const TRANSACTIONS_ANSWER_BYTES_MAX: usize = 8 << 20;
/// Bytes of blocks in one [`Response::Blocks`]; one block is sent whatever its size (the core's bound in `serve`).
pub const BLOCKS_ANSWER_BYTES_MAX: usize = 4 << 20;
/// Most transactions asked for in one request: five times what the core asks for. A list of 50,000 ids could not be answered
/// in one message anyway.
pub const TXIDS_PER_REQUEST_MAX: usize = 5_000;
/// Bytes of the largest block any spec may allow (the bound on a length in canonical bytes: Core's `MAX_SIZE`).
pub const BLOCK_BYTES_MAX: usize = 32 << 20;
/// Bytes of the smallest transaction: one input with an empty script, one output with an empty script.
const TRANSACTION_BYTES_MIN: usize = 60;
/// Most short ids or positions in one message: the transactions of the largest block.
const POSITIONS_MAX: usize = BLOCK_BYTES_MAX / TRANSACTION_BYTES_MIN;
/// bincode's own limit: nothing it is asked to read or reserve may pass this.
const DECODE_BYTES_MAX: usize = (BLOCK_BYTES_MAX + 16) * BLOCKS_PER_REQUEST_MAX;
/// A list reserves memory for this many entries at first, whatever length it claims.
const RESERVE_ENTRIES_MAX: usize = 1_024;
/// Bytes of a list's length.
const LENGTH_BYTES: usize = 8;

const CONFIG: bincode::config::Configuration<
    bincode::config::LittleEndian,
    bincode::config::Fixint,
    bincode::config::Limit<DECODE_BYTES_MAX>,
> = bincode::config::standard().with_fixed_int_encoding().with_limit::<DECODE_BYTES_MAX>();

/// Why bytes from a peer are not a message.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The outer layer is malformed.
    #[error("malformed message: {0}")]
    Bincode(#[from] DecodeError),
    /// A transaction, header or block inside is malformed.
    #[error("malformed content: {0}")]
    Content(#[from] chain_spec::DecodeError),
    /// The same hash twice in one request.
    #[error("{0} is asked for twice")]
    Duplicate(String),
    /// Bytes after the message.
    #[error("{0} bytes after the message")]
    Trailing(usize),
    /// No such message.
    #[error("unknown message kind {0}")]
    UnknownKind(u8),
    /// Longer than its kind may be.
    #[error("a message of {bytes} bytes is over the {bytes_max} its kind may have")]
    TooLong {
        /// Bytes that were claimed or found.
        bytes: usize,
        /// Bytes that are allowed.
        bytes_max: usize,
    },
    /// A message of ours could not be encoded; never a peer's fault.
    #[error("cannot encode: {0}")]
    Encode(#[from] EncodeError),
}

/// Sizes that follow from the chain's largest block.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of the largest block of this chain.
    pub block_bytes_max: usize,
}
impl Limits {
    /// Bytes of the largest body of a request of this kind; `None` for an unknown kind.
    pub fn request_bytes_max(&self, kind: u8) -> Option<usize> {
        Some(match kind {
            kind::HEADERS => LENGTH_BYTES + 32 * LOCATOR_HASHES_MAX + 32,
            kind::BLOCKS => LENGTH_BYTES + 32 * BLOCKS_PER_REQUEST_MAX,
            kind::BLOCK_TRANSACTIONS => 32 + LENGTH_BYTES + 4 * (self.block_bytes_max / TRANSACTION_BYTES_MIN),
            kind::MEMPOOL => 0,
            kind::TRANSACTIONS => LENGTH_BYTES + 32 * TXIDS_PER_REQUEST_MAX,
            _ => return None,
        })
    }
    /// Bytes of the largest body of an answer of this kind; `None` for an unknown kind.
    pub fn response_bytes_max(&self, kind: u8) -> Option<usize> {
        Some(match kind {
            kind::HEADERS => LENGTH_BYTES + Header::LEN * HEADERS_PER_MESSAGE_MAX,
            kind::BLOCKS => LENGTH_BYTES + BLOCKS_PER_REQUEST_MAX * (LENGTH_BYTES + self.block_bytes_max),
            kind::BLOCK_TRANSACTIONS => {
                LENGTH_BYTES + self.block_bytes_max + LENGTH_BYTES * (self.block_bytes_max / TRANSACTION_BYTES_MIN)
            }
            kind::MEMPOOL => LENGTH_BYTES + 32 * TRANSACTIONS_PER_MESSAGE_MAX,
            kind::TRANSACTIONS => {
                LENGTH_BYTES + TRANSACTIONS_ANSWER_BYTES_MAX + LENGTH_BYTES * TRANSACTIONS_PER_MESSAGE_MAX
            }
            kind::PRUNED => 4,
            _ => return None,
        })
    }
    /// Bytes of the largest answer that a request may get from an honest core.
    pub fn answer_bytes_max(&self, request: &Request) -> usize {
        match request {
            Request::Headers { .. } => Header::LEN * HEADERS_PER_MESSAGE_MAX,
            Request::Blocks { hashes } => {
                let all = hashes.len().saturating_mul(self.block_bytes_max);
                all.min(BLOCKS_ANSWER_BYTES_MAX.max(self.block_bytes_max))
            }
            Request::BlockTransactions { .. } => self.block_bytes_max,
            Request::Mempool => 32 * TRANSACTIONS_PER_MESSAGE_MAX,
            Request::Transactions { txids } => {
                let all = txids.len().saturating_mul(TRANSACTION_BYTES_MAX);
                all.min(BLOCKS_ANSWER_BYTES_MAX)
            }
        }
    }
    /// Bytes of the largest compact block: one that prefills everything.
    pub fn compact_block_bytes_max(&self) -> usize {
        self.block_bytes_max + Header::LEN + 3 * LENGTH_BYTES + 12 * (self.block_bytes_max / TRANSACTION_BYTES_MIN)
    }
}

/// The first byte of a frame. A request and its answer share it, except that blocks may have been [`PRUNED`](kind::PRUNED).
pub mod kind {
    /// [`Request::Headers`](crate::core::message::Request::Headers) and its answer.
    pub const HEADERS: u8 = 1;
    /// [`Request::Blocks`](crate::core::message::Request::Blocks) and its answer.
    pub const BLOCKS: u8 = 2;
    /// [`Request::BlockTransactions`](crate::core::message::Request::BlockTransactions) and its answer.
    pub const BLOCK_TRANSACTIONS: u8 = 3;
    /// [`Request::Mempool`](crate::core::message::Request::Mempool) and its answer.
    pub const MEMPOOL: u8 = 4;
    /// [`Request::Transactions`](crate::core::message::Request::Transactions) and its answer.
    pub const TRANSACTIONS: u8 = 5;
    /// [`Response::Pruned`](crate::core::message::Response::Pruned), an answer to a request of another kind.
    pub const PRUNED: u8 = 6;
}
/// The kind of a request.
pub fn request_kind(request: &Request) -> u8 {
    match request {
        Request::Headers { .. } => kind::HEADERS,
        Request::Blocks { .. } => kind::BLOCKS,
        Request::BlockTransactions { .. } => kind::BLOCK_TRANSACTIONS,
        Request::Mempool => kind::MEMPOOL,
        Request::Transactions { .. } => kind::TRANSACTIONS,
    }
}
/// The kind of an answer.
pub fn response_kind(response: &Response) -> u8 {
    match response {
        Response::Headers(_) => kind::HEADERS,
        Response::Blocks(_) => kind::BLOCKS,
        Response::BlockTransactions(_) => kind::BLOCK_TRANSACTIONS,
        Response::Mempool(_) => kind::MEMPOOL,
        Response::Transactions(_) => kind::TRANSACTIONS,
        Response::Pruned { .. } => kind::PRUNED,
    }
}

/// A list that holds at most `MAX` entries and reserves memory only as entries arrive.
struct List<T, const MAX: usize>(Vec<T>);
impl<T: WireEncode, const MAX: usize> WireEncode for List<T, MAX> {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        WireEncode::encode(&(self.0.len() as u64), encoder)?;
        self.0.iter().try_for_each(|entry| entry.encode(encoder))
    }
}
impl<'de, C, T: BorrowDecode<'de, C>, const MAX: usize> BorrowDecode<'de, C> for List<T, MAX> {
    fn borrow_decode<D: BorrowDecoder<'de, Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let length = <u64 as BorrowDecode<'de, C>>::borrow_decode(decoder)?;
        let length = usize::try_from(length).map_err(|_| DecodeError::OutsideUsizeRange(length))?;
        if length > MAX {
            return Err(DecodeError::ArrayLengthMismatch { required: MAX, found: length });
        }
        let mut entries = Vec::with_capacity(length.min(RESERVE_ENTRIES_MAX));
        for _ in 0..length {
            entries.push(T::borrow_decode(decoder)?);
        }
        Ok(Self(entries))
    }
}
type Hash = [u8; 32];

fn read<'a, T: BorrowDecode<'a, ()>>(bytes: &'a [u8]) -> Result<T, WireError> {
    let (value, used) = bincode::borrow_decode_from_slice(bytes, CONFIG)?;
    if used == bytes.len() { Ok(value) } else { Err(WireError::Trailing(bytes.len() - used)) }
}
fn write(value: impl WireEncode) -> Result<Vec<u8>, WireError> {
    Ok(bincode::encode_to_vec(value, CONFIG)?)
}

/// The body of a request.
pub fn encode_request(request: &Request) -> Result<Vec<u8>, WireError> {
    match request {
        Request::Headers { locator, stop } => {
            let locator = locator.iter().take(LOCATOR_HASHES_MAX).map(|hash| *hash.as_bytes()).collect();
            write((List::<Hash, LOCATOR_HASHES_MAX>(locator), *stop.as_bytes()))
        }
        Request::Blocks { hashes } => {
            let hashes = hashes.iter().take(BLOCKS_PER_REQUEST_MAX).map(|hash| *hash.as_bytes()).collect();
            write(List::<Hash, BLOCKS_PER_REQUEST_MAX>(hashes))
        }
        Request::BlockTransactions { block, indexes } => {
            write((*block.as_bytes(), List::<u32, POSITIONS_MAX>(indexes.clone())))
        }
        Request::Mempool => Ok(Vec::new()),
        Request::Transactions { txids } => {
            let txids = txids.iter().take(TXIDS_PER_REQUEST_MAX).map(|txid| *txid.as_bytes()).collect();
            write(List::<Hash, TXIDS_PER_REQUEST_MAX>(txids))
        }
    }
}
/// A hash that is named twice would be answered twice: a small request for a large answer.
fn refuse_duplicates(hashes: &[Hash]) -> Result<(), WireError> {
    let mut seen = HashSet::with_capacity(hashes.len());
    match hashes.iter().find(|hash| !seen.insert(**hash)) {
        Some(hash) => Err(WireError::Duplicate(BlockHash::from_bytes(*hash).to_string())),
        None => Ok(()),
    }
}
/// A request from its kind and body.
pub fn decode_request(kind: u8, body: &[u8]) -> Result<Request, WireError> {
    Ok(match kind {
        kind::HEADERS => {
            let (locator, stop): (List<Hash, LOCATOR_HASHES_MAX>, Hash) = read(body)?;
            let locator = locator.0.into_iter().map(BlockHash::from_bytes).collect();
            Request::Headers { locator, stop: BlockHash::from_bytes(stop) }
        }
        kind::BLOCKS => {
            let hashes: List<Hash, BLOCKS_PER_REQUEST_MAX> = read(body)?;
            refuse_duplicates(&hashes.0)?;
            Request::Blocks { hashes: hashes.0.into_iter().map(BlockHash::from_bytes).collect() }
        }
        kind::BLOCK_TRANSACTIONS => {
            let (block, indexes): (Hash, List<u32, POSITIONS_MAX>) = read(body)?;
            Request::BlockTransactions { block: BlockHash::from_bytes(block), indexes: indexes.0 }
        }
        kind::MEMPOOL => {
            let () = read(body)?;
            Request::Mempool
        }
        kind::TRANSACTIONS => {
            let txids: List<Hash, TXIDS_PER_REQUEST_MAX> = read(body)?;
            refuse_duplicates(&txids.0)?;
            Request::Transactions { txids: txids.0.into_iter().map(Txid::from_bytes).collect() }
        }
        unknown => return Err(WireError::UnknownKind(unknown)),
    })
}

fn txid_list(txids: &[Txid]) -> List<Hash, TRANSACTIONS_PER_MESSAGE_MAX> {
    List(txids.iter().take(TRANSACTIONS_PER_MESSAGE_MAX).map(|txid| *txid.as_bytes()).collect())
}
fn read_txids(body: &[u8]) -> Result<Vec<Txid>, WireError> {
    let txids: List<Hash, TRANSACTIONS_PER_MESSAGE_MAX> = read(body)?;
    Ok(txids.0.into_iter().map(Txid::from_bytes).collect())
}

/// The body of an answer, cut to what one message may hold (an answer may be partial: see [`Response`]).
pub fn encode_response(response: &Response) -> Result<Vec<u8>, WireError> {
    match response {
        Response::Headers(headers) => {
            let headers = headers.iter().take(HEADERS_PER_MESSAGE_MAX).map(Header::to_array).collect();
            write(List::<[u8; Header::LEN], HEADERS_PER_MESSAGE_MAX>(headers))
        }
        Response::Blocks(blocks) => Ok(encode_contents(blocks, BLOCKS_PER_REQUEST_MAX, usize::MAX)),
        Response::BlockTransactions(transactions) => Ok(encode_contents(transactions, POSITIONS_MAX, usize::MAX)),
        Response::Mempool(txids) => write(txid_list(txids)),
        Response::Transactions(transactions) => {
            Ok(encode_contents(transactions, TRANSACTIONS_PER_MESSAGE_MAX, TRANSACTIONS_ANSWER_BYTES_MAX))
        }
        Response::Pruned { from_height } => write(*from_height),
    }
}
/// An answer from its kind and body.
pub fn decode_response(kind: u8, body: &[u8]) -> Result<Response, WireError> {
    Ok(match kind {
        kind::HEADERS => {
            let headers: List<[u8; Header::LEN], HEADERS_PER_MESSAGE_MAX> = read(body)?;
            Response::Headers(headers.0.iter().map(Header::from_array).collect())
        }
        kind::BLOCKS => Response::Blocks(decode_contents::<Block, BLOCKS_PER_REQUEST_MAX>(body)?),
        kind::BLOCK_TRANSACTIONS => Response::BlockTransactions(decode_contents::<Transaction, POSITIONS_MAX>(body)?),
        kind::MEMPOOL => Response::Mempool(read_txids(body)?),
        kind::TRANSACTIONS => {
            Response::Transactions(decode_contents::<Transaction, TRANSACTIONS_PER_MESSAGE_MAX>(body)?)
        }
        kind::PRUNED => Response::Pruned { from_height: read(body)? },
        unknown => return Err(WireError::UnknownKind(unknown)),
    })
}

/// bincode's bytes of a list of byte strings, each the canonical bytes of one value, written without a copy of each.
fn encode_contents<T: Encode>(values: &[Arc<T>], count_max: usize, bytes_max: usize) -> Vec<u8> {
    let mut bytes = 0_usize;
    let fits = |value: &&Arc<T>| {
        bytes = bytes.saturating_add(value.encoded_len());
        bytes <= bytes_max
    };
    let values: Vec<&Arc<T>> = values.iter().take(count_max).take_while(fits).collect();
    let size = values.iter().map(|value| LENGTH_BYTES + value.encoded_len()).sum::<usize>();
    let mut out = Vec::with_capacity(LENGTH_BYTES + size);
    out.extend_from_slice(&(values.len() as u64).to_le_bytes());
    for value in values {
        out.extend_from_slice(&(value.encoded_len() as u64).to_le_bytes());
        value.encode(&mut out);
    }
    out
}
fn decode_contents<T: Decode, const MAX: usize>(body: &[u8]) -> Result<Vec<Arc<T>>, WireError> {
    let contents: List<&[u8], MAX> = read(body)?;
    contents.0.into_iter().map(|bytes| Ok(Arc::new(T::from_bytes(bytes)?))).collect()
}

/// A gossiped transaction: its canonical bytes, nothing around them.
pub fn decode_transaction(bytes: &[u8]) -> Result<Transaction, WireError> {
    if bytes.len() > TRANSACTION_BYTES_MAX {
        return Err(WireError::TooLong { bytes: bytes.len(), bytes_max: TRANSACTION_BYTES_MAX });
    }
    Ok(Transaction::from_bytes(bytes)?)
}

type CompactParts<'a> = ([u8; Header::LEN], u64, List<[u8; 6], POSITIONS_MAX>, List<(u32, &'a [u8]), POSITIONS_MAX>);

/// The bytes of a compact block.
pub fn encode_compact_block(block: &CompactBlock) -> Result<Vec<u8>, WireError> {
    let short_ids = block.short_ids.iter().map(|id| {
        let [a, b, c, d, e, f, _, _] = id.to_le_bytes();
        [a, b, c, d, e, f]
    });
    let bytes: Vec<(u32, Vec<u8>)> =
        block.prefilled.iter().map(|(position, transaction)| (*position, transaction.to_bytes())).collect();
    let prefilled = bytes.iter().map(|(position, bytes)| (*position, bytes.as_slice())).collect();
    let parts: CompactParts<'_> = (block.header.to_array(), block.nonce, List(short_ids.collect()), List(prefilled));
    write(parts)
}
/// A compact block from its bytes.
pub fn decode_compact_block(bytes: &[u8]) -> Result<CompactBlock, WireError> {
    let (header, nonce, short_ids, prefilled): CompactParts<'_> = read(bytes)?;
    let wide = |[a, b, c, d, e, f]: [u8; 6]| u64::from_le_bytes([a, b, c, d, e, f, 0, 0]);
    let prefilled =
        prefilled.0.into_iter().map(|(position, bytes)| Ok((position, Arc::new(Transaction::from_bytes(bytes)?))));
    Ok(CompactBlock {
        header: Header::from_array(&header),
        nonce,
        short_ids: short_ids.0.into_iter().map(wide).collect(),
        prefilled: prefilled.collect::<Result<_, WireError>>()?,
    })
}

/// Bytes of an answer's contents.
pub fn response_bytes(response: &Response) -> usize {
    match response {
        Response::Headers(headers) => headers.len() * Header::LEN,
        Response::Blocks(blocks) => blocks.iter().map(|block| block.encoded_len()).sum(),
        Response::BlockTransactions(transactions) | Response::Transactions(transactions) => {
            transactions.iter().map(|transaction| transaction.encoded_len()).sum()
        }
        Response::Mempool(txids) => txids.len() * 32,
        Response::Pruned { .. } => 4,
    }
}
/// Bytes of a request's contents.
pub fn request_bytes(request: &Request) -> usize {
    match request {
        Request::Headers { locator, .. } => 32 * (locator.len() + 1),
        Request::Blocks { hashes } => 32 * hashes.len(),
        Request::BlockTransactions { indexes, .. } => 32 + 4 * indexes.len(),
        Request::Mempool => 0,
        Request::Transactions { txids } => 32 * txids.len(),
    }
}
/// About how many bytes an input of the network holds while it waits for the core.
pub fn input_bytes(input: &Input) -> usize {
    let content = match input {
        Input::Gossip { message: Gossip::Transaction(transaction), .. } => transaction.encoded_len(),
        Input::Gossip { message: Gossip::Block(block), .. } => {
            let prefilled: usize = block.prefilled.iter().map(|(_, transaction)| transaction.encoded_len()).sum();
            Header::LEN + 8 * block.short_ids.len() + prefilled
        }
        Input::Request { request, .. } => request_bytes(request),
        Input::Response { response, .. } => response_bytes(response),
        _ => 0,
    };
    content + size_of::<Input>()
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;
