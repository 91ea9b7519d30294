//! `savemempool` and `importmempool`: the mempool as a file in Core's format (`mempool.dat`, `DumpMempool`, `LoadMempool`).
//!
//! Version 1 is written, 1 and 2 are read; version 2 is the same with every byte after its key xored with the key. What was
//! submitted here is kept without these files; they carry a mempool from one node to another. What is imported counts as
//! submitted here, and as come now. Absent: the set of transactions that nobody else has, which is read and left.

use crate::core::Core;
use crate::core::event::SubmissionLimits;
use crate::core::rejection::RejectionKind;
use crate::shell::clock;
use crate::shell::core_handle::SUBMISSIONS_AT_ONCE_MAX;
use crate::shell::files;
use crate::shell::rpc::error::{CLIENT_IN_INITIAL_DOWNLOAD, RpcError, TYPE_ERROR};
use crate::shell::rpc::method::Reply;
use crate::shell::rpc::method::arguments::Arguments;
use crate::shell::rpc::method::context::Context;
use chain_spec::encode::{decode_compact_size, encode_compact_size};
use chain_spec::{Decode, Encode, Transaction, Txid};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The file's name in the data directory.
const FILE_NAME: &str = "mempool.dat";
/// Written without a key.
const VERSION_PLAIN: u64 = 1;
/// Written xored with a key that the file holds (Core's default since 28).
const VERSION_KEYED: u64 = 2;
/// Bytes of the key.
const KEY_BYTES: usize = 8;
/// Bytes before what is xored: version, the key's length, key.
const KEYED_START: usize = 8 + 1 + KEY_BYTES;
/// Bytes of the largest file that is read.
const FILE_BYTES_MAX: u64 = 2 << 30;

/// One transaction of a file.
#[derive(Debug, PartialEq)]
struct Saved {
    transaction: Transaction,
    /// When it came, Unix seconds.
    time_s: i64,
    /// What an operator added to its fee, units.
    fee_delta: i64,
}

/// A file's content.
#[derive(Debug, Default, PartialEq)]
struct File {
    transactions: Vec<Saved>,
    /// What operators added to the fees of transactions that are not in the file, units.
    deltas: Vec<(Txid, i64)>,
}

impl File {
    fn of_pool(core: &Core) -> File {
        let pool = core.mempool();
        let saved = pool.entries().map(|entry| Saved {
            transaction: Transaction::clone(entry.transaction.transaction()),
            time_s: i64::try_from(entry.time.0 / 1_000).unwrap_or(i64::MAX),
            fee_delta: entry.fee_delta,
        });
        let deltas = pool.priorities().filter(|(txid, _)| pool.get(txid).is_none());
        File { transactions: saved.collect(), deltas: deltas.map(|(txid, delta)| (*txid, delta)).collect() }
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = VERSION_PLAIN.to_le_bytes().to_vec();
        bytes.extend((self.transactions.len() as u64).to_le_bytes());
        for saved in &self.transactions {
            saved.transaction.encode(&mut bytes);
            bytes.extend(saved.time_s.to_le_bytes());
            bytes.extend(saved.fee_delta.to_le_bytes());
        }
        encode_compact_size(self.deltas.len() as u64, &mut bytes);
        for (txid, delta) in &self.deltas {
            bytes.extend_from_slice(txid.as_bytes());
            bytes.extend(delta.to_le_bytes());
        }
        // No transaction is marked as one that nobody else has.
        encode_compact_size(0, &mut bytes);
        bytes
    }

    /// Reads a file; the error says what is wrong with it.
    fn from_bytes(mut bytes: Vec<u8>) -> Result<File, String> {
        let version = u64::from_le_bytes(take(&mut &bytes[..])?);
        let start = match version {
            VERSION_PLAIN => 8,
            VERSION_KEYED => {
                remove_key(&mut bytes)?;
                KEYED_START
            }
            other => return Err(format!("it is of version {other}; 1 and 2 are known")),
        };
        let rest = &mut bytes.get(start..).ok_or_else(cut_short)?;
        let count = u64::from_le_bytes(take(rest)?);
        let mut file = File::default();
        for _ in 0..count {
            let transaction = Transaction::decode(rest).map_err(|error| error.to_string())?;
            let (time_s, fee_delta) = (i64::from_le_bytes(take(rest)?), i64::from_le_bytes(take(rest)?));
            file.transactions.push(Saved { transaction, time_s, fee_delta });
        }
        let count = decode_compact_size(rest).map_err(|error| error.to_string())?;
        for _ in 0..count {
            file.deltas.push((Txid::from_bytes(take(rest)?), i64::from_le_bytes(take(rest)?)));
        }
        Ok(file)
    }
}

/// Undoes the xor. A byte's place in the file says which of the key's bytes is its own.
fn remove_key(bytes: &mut [u8]) -> Result<(), String> {
    let (length, key) = bytes.get(8..KEYED_START).and_then(|key| key.split_first()).ok_or_else(cut_short)?;
    let key: [u8; KEY_BYTES] = key.try_into().map_err(|_| cut_short())?;
    if usize::from(*length) != KEY_BYTES {
        return Err(format!("its key is of {length} bytes, not of {KEY_BYTES}"));
    }
    for (place, byte) in bytes.iter_mut().enumerate().skip(KEYED_START) {
        *byte ^= key[place % KEY_BYTES];
    }
    Ok(())
}

fn cut_short() -> String {
    "it is cut short".to_owned()
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], String> {
    let (taken, after) = rest.split_first_chunk::<N>().ok_or_else(cut_short)?;
    *rest = after;
    Ok(*taken)
}

/// `savemempool`.
pub async fn savemempool(context: Arc<Context>, _: Arguments) -> Reply {
    let file = context.core.read(File::of_pool).await?;
    let path = context.datadir.join(FILE_NAME);
    let filename = path.display().to_string();
    let write = move || {
        let written = files::replace(&path, &file.to_bytes(), files::Access::Owner);
        let path = path.display();
        written.map_err(|error| RpcError::misc(format!("Unable to dump mempool to disk: {path}: {error}")))
    };
    context.run_blocking(write).await?;
    Ok(json!({"filename": filename}))
}

/// Whether what operators added to fees is taken over; every known option but that one has one value.
fn read_options(arguments: &Arguments) -> Result<bool, RpcError> {
    let mut with_deltas = false;
    for (name, value) in arguments.object(1)?.into_iter().flatten() {
        let wrong = || RpcError::new(TYPE_ERROR, format!("JSON value of {name} is not of expected type bool"));
        let wanted = value.as_bool().ok_or_else(wrong)?;
        match name.as_str() {
            "apply_fee_delta_priority" => with_deltas = wanted,
            "use_current_time" if !wanted => {
                return Err(RpcError::parameter("use_current_time: what is imported counts as come now"));
            }
            "use_current_time" | "apply_unbroadcast_set" => {}
            unknown => return Err(RpcError::new(TYPE_ERROR, format!("Unexpected key {unknown}"))),
        }
    }
    Ok(with_deltas)
}

/// `importmempool filepath ( options )`.
pub async fn importmempool(context: Arc<Context>, arguments: Arguments) -> Reply {
    let path = PathBuf::from(arguments.text(0)?);
    let with_deltas = read_options(&arguments)?;
    let is_behind = context.core.read(|core| core.progress(clock::now()).initial_block_download).await?;
    if is_behind && context.is_initial_download(true) {
        let message = "Can only import the mempool after the block download and sync is done.";
        return Err(RpcError::new(CLIENT_IN_INITIAL_DOWNLOAD, message));
    }
    let file = context.run_blocking(move || read(&path)).await?;
    if with_deltas {
        let of_saved = file.transactions.iter().map(|saved| (saved.transaction.txid(), saved.fee_delta));
        let deltas: Vec<(Txid, i64)> = of_saved.chain(file.deltas).filter(|(_, delta)| *delta != 0).collect();
        for (txid, delta) in deltas {
            // It is always accepted.
            let _ = context.core.prioritise(txid, delta).await?;
        }
    }
    let transactions = file.transactions.into_iter().map(|saved| Arc::new(saved.transaction)).collect::<Vec<_>>();
    let (mut imported, mut left_out) = (0, 0);
    for some in transactions.chunks(SUBMISSIONS_AT_ONCE_MAX) {
        let some = some.iter().map(|transaction| (Arc::clone(transaction), SubmissionLimits::default())).collect();
        for answer in context.core.submit_transactions(some).await? {
            match answer {
                Ok(_) => imported += 1,
                Err(rejection) if rejection.kind == RejectionKind::AlreadyInMempool => {}
                Err(_) => left_out += 1,
            }
        }
    }
    tracing::info!("imported {imported} transactions into the mempool; {left_out} are not acceptable any more");
    Ok(json!({}))
}

fn read(path: &Path) -> Result<File, RpcError> {
    let failed = |why: String| RpcError::misc(format!("Unable to import mempool file {}: {why}", path.display()));
    let bytes = std::fs::metadata(path).map_err(|error| failed(error.to_string()))?.len();
    if bytes > FILE_BYTES_MAX {
        return Err(failed(format!("it is larger than {FILE_BYTES_MAX} bytes")));
    }
    let bytes = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
    File::from_bytes(bytes).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::tests::world::{genesis_coin, spec, spend};

    fn file() -> File {
        let paying = |units| Transaction::clone(&spend(&[genesis_coin(&spec(), 0).0], 0, &[(units, 1)]));
        let saved = |units| Saved { transaction: paying(units), time_s: 1_700_000_000, fee_delta: -5 };
        File { transactions: vec![saved(1_001), saved(1_002)], deltas: vec![(paying(1_003).txid(), i64::MAX)] }
    }

    #[test]
    fn a_file_reads_back_with_and_without_a_key() {
        let plain = file().to_bytes();
        assert_eq!(File::from_bytes(plain.clone()), Ok(file()));
        let key = [7, 1, 2, 3, 4, 5, 6, 255];
        let mut keyed = [&VERSION_KEYED.to_le_bytes()[..], &[8], &key, &plain[8..]].concat();
        for (place, byte) in keyed.iter_mut().enumerate().skip(KEYED_START) {
            *byte ^= key[place % 8];
        }
        assert_eq!(File::from_bytes(keyed), Ok(file()));
    }

    #[test]
    fn what_is_no_such_file_is_refused() {
        let whole = file().to_bytes();
        // The last byte counts transactions that nobody else has, which are not read.
        for length in 0..whole.len() - 1 {
            assert!(File::from_bytes(whole[..length].to_vec()).is_err(), "{length} bytes");
        }
        assert!(File::from_bytes(3_u64.to_le_bytes().to_vec()).is_err_and(|why| why.contains("version 3")));
        let claims = [VERSION_PLAIN.to_le_bytes(), u64::MAX.to_le_bytes()].concat();
        assert!(File::from_bytes(claims).is_err(), "a count is only a claim");
        let short_key = [&VERSION_KEYED.to_le_bytes()[..], &[7], &[0; 30]].concat();
        assert!(File::from_bytes(short_key).is_err_and(|why| why.contains("7 bytes")));
    }
}
