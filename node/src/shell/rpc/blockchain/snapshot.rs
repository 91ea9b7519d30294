//! `dumptxoutset`: the coins of the active tip as a file in Core's format (`node/utxo_snapshot.h`, version 2), which
//! `loadtxoutset` of a Bitcoin node on the same chain reads.
//!
//! An older block's coins are written from a copy that is rolled back; the chain itself stays where it is, while Core moves it.
//! Absent: loading: no chain spec names the hash of a snapshot that is to be trusted.

use super::coins::{CoinHash, Totals, Walker, walk_on};
use crate::core::Core;
use crate::core::rejection::AcceptError;
use crate::core::snapshot::Snapshot;
use crate::core::summary::Summary;
use crate::shell::files;
use crate::shell::rpc::error::RpcError;
use crate::shell::rpc::lookup::hash_or_height;
use crate::shell::rpc::method::Reply;
use crate::shell::rpc::method::arguments::Arguments;
use crate::shell::rpc::method::context::Context;
use chain_spec::encode::encode_compact_size;
use chain_spec::{BlockHash, ChainSpec, Coin, Outpoint, PublicKey, Script, Txid};
use serde_json::{Value, json};
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Seek as _, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How a snapshot begins.
const MAGIC: [u8; 5] = *b"utxo\xff";
/// The format's version.
const VERSION: u16 = 2;
/// Bytes before the coins' count: magic, version, network, block hash.
const COUNT_AT: u64 = 5 + 2 + 4 + 32;
/// Coins of one transaction are gathered before they are written.
type Group = Option<(Txid, Vec<(u32, Coin)>)>;

/// The four bytes by which a network is known: Bitcoin's own chains have Core's, ours the first of their spec's id.
fn network_magic(spec: &ChainSpec) -> [u8; 4] {
    match spec.name.as_str() {
        "bitcoin-main" => [0xf9, 0xbe, 0xb4, 0xd9],
        "bitcoin-regtest" => [0xfa, 0xbf, 0xb5, 0xda],
        _ => {
            let id = spec.id();
            [id[0], id[1], id[2], id[3]]
        }
    }
}

/// Core's `VARINT`: seven bits a byte, the most significant first, and one less with every further byte.
fn write_varint(mut value: u64, out: &mut Vec<u8>) {
    let mut bytes = [0; 10];
    let mut length = 0;
    loop {
        bytes[length] = (value & 0x7f) as u8 | if length > 0 { 0x80 } else { 0 };
        length += 1;
        if value <= 0x7f {
            break;
        }
        value = (value >> 7) - 1;
    }
    out.extend(bytes[..length].iter().rev());
}

/// Core's `CompressAmount`: zeros at the end are counted, not written.
fn compress_amount(mut units: u64) -> u64 {
    if units == 0 {
        return 0;
    }
    let mut zeros = 0;
    while units.is_multiple_of(10) && zeros < 9 {
        units /= 10;
        zeros += 1;
    }
    if zeros < 9 { 1 + ((units / 10) * 9 + units % 10 - 1) * 10 + zeros } else { 1 + (units - 1) * 10 + 9 }
}

/// Core's `ScriptCompression`: the usual templates are written as what differs in them.
fn write_script(script: &Script, out: &mut Vec<u8>) {
    let bytes = script.as_bytes();
    match bytes {
        _ if script.public_key_hash().is_some() => {
            out.push(0);
            out.extend_from_slice(&bytes[3..23]);
        }
        [0xa9, 20, hash @ .., 0x87] if hash.len() == 20 => {
            out.push(1);
            out.extend_from_slice(hash);
        }
        [33, key @ .., 0xac] if key.len() == 33 && matches!(key[0], 2 | 3) => out.extend_from_slice(key),
        [65, key @ .., 0xac] if key.len() == 65 && key[0] == 4 && PublicKey::from_bytes(key).is_ok() => {
            out.push(4 | (key[64] & 1));
            out.extend_from_slice(&key[1..33]);
        }
        _ => {
            // Numbers below this stand for the templates above.
            write_varint(bytes.len() as u64 + 6, out);
            out.extend_from_slice(bytes);
        }
    }
}

fn write_group(txid: &Txid, coins: &[(u32, Coin)], out: &mut Vec<u8>) {
    out.extend_from_slice(txid.as_bytes());
    encode_compact_size(coins.len() as u64, out);
    for (index, coin) in coins {
        encode_compact_size(u64::from(*index), out);
        write_varint((u64::from(coin.height) << 1) | u64::from(coin.is_coinbase), out);
        write_varint(compress_amount(coin.output.value.units()), out);
        write_script(&coin.output.script, out);
    }
}

/// Writes all coins; their number and hash.
fn write(walker: &Walker, snapshot: &Snapshot, spec: &ChainSpec, file: File) -> Result<(u64, [u8; 32]), RpcError> {
    let mut out = BufWriter::new(file);
    let mut failure: Option<std::io::Error> = None;
    let mut put = |bytes: &[u8]| {
        if failure.is_none() {
            failure = out.write_all(bytes).err();
        }
    };
    let mut bytes = MAGIC.to_vec();
    bytes.extend(VERSION.to_le_bytes());
    bytes.extend(network_magic(spec));
    bytes.extend_from_slice(snapshot.tip().hash.as_bytes());
    // Their number is known at the end only.
    bytes.extend(0_u64.to_le_bytes());
    put(&bytes);
    let mut totals = Totals::new(CoinHash::serialized());
    let mut group: Group = None;
    walker.run(snapshot, &mut |outpoint: Outpoint, coin: Coin| {
        totals.add(&outpoint, &coin);
        match &mut group {
            Some((txid, coins)) if *txid == outpoint.txid => coins.push((outpoint.index, coin)),
            other => {
                if let Some((txid, coins)) = other.replace((outpoint.txid, vec![(outpoint.index, coin)])) {
                    bytes.clear();
                    write_group(&txid, &coins, &mut bytes);
                    put(&bytes);
                }
            }
        }
    })?;
    if let Some((txid, coins)) = group {
        bytes.clear();
        write_group(&txid, &coins, &mut bytes);
        put(&bytes);
    }
    let count = totals.coins;
    let finish = |out: BufWriter<File>| -> std::io::Result<()> {
        let mut file = out.into_inner().map_err(std::io::IntoInnerError::into_error)?;
        file.seek(SeekFrom::Start(COUNT_AT))?;
        file.write_all(&count.to_le_bytes())?;
        file.sync_all()
    };
    match failure {
        Some(error) => Err(error),
        None => finish(out),
    }
    .map_err(|error| RpcError::misc(format!("the snapshot cannot be written: {error}")))?;
    Ok((count, totals.hash.finish().unwrap_or_default()))
}

/// `dumptxoutset path ( type options )`.
pub async fn dumptxoutset(context: Arc<Context>, arguments: Arguments) -> Reply {
    let path = context.datadir.join(arguments.text(0)?);
    let target = target(&arguments)?;
    if path.exists() {
        let message = "already exists. If you are sure this is what you want, move it out of the way first.";
        return Err(RpcError::parameter(format!("{} {message}", path.display())));
    }
    let spec = Arc::clone(&context.spec);
    let (written, shown) = (path.clone(), path.display().to_string());
    let read = move |core: &Core| Ok::<_, RpcError>((way_back(core, target.as_ref())?, core.snapshot()));
    let ((undone, to), snapshot) = context.core.read(read).await??;
    let stop = context.clone();
    let (coins, hash, tip) = walk_on(&context, snapshot, move |walker, snapshot| {
        if !undone.is_empty() {
            snapshot.go_back(&undone, to, &|| stop.is_stopping()).map_err(not_rolled_back)?;
        }
        let (coins, hash) = write_beside(&walker, snapshot, &spec, &written)?;
        Ok((coins, hash, snapshot.tip().clone()))
    })
    .await?;
    let transactions = move |core: &Core| -> u64 {
        let below = (0..=tip.height).filter_map(|height| core.ancestor(&tip.hash, height));
        below.filter_map(|hash| core.summary(&hash)).map(|block| u64::from(block.transactions)).sum()
    };
    let transactions = context.core.read(transactions).await?;
    Ok(json!({
        "coins_written": coins,
        "base_hash": tip.hash.to_string(),
        "base_height": tip.height,
        "path": shown,
        "txoutset_hash": Txid::from_bytes(hash).to_string(),
        "nchaintx": transactions,
    }))
}

fn not_rolled_back(error: AcceptError) -> RpcError {
    match error {
        AcceptError::Rejected(rejection) => RpcError::misc(format!("Could not roll back: {}", rejection.detail)),
        AcceptError::Store(error) => error.into(),
    }
}

/// The block whose coins are asked for; `None` is the active tip.
fn target(arguments: &Arguments) -> Result<Option<Value>, RpcError> {
    let kind = arguments.optional_text(1)?.unwrap_or("");
    let rollback = arguments.object(2)?.and_then(|options| options.get("rollback")).cloned();
    match (kind, rollback) {
        ("" | "rollback", Some(target)) => Ok(Some(target)),
        ("latest", None) => Ok(None),
        (kind, Some(_)) => {
            let message = format!("Invalid snapshot type \"{kind}\" specified with rollback option");
            Err(RpcError::parameter(message))
        }
        ("rollback", None) => Err(RpcError::parameter(
            "no chain spec names a height to roll back to; name one: options {\"rollback\": HEIGHT or HASH}",
        )),
        (kind, None) => {
            let message =
                format!("Invalid snapshot type \"{kind}\" specified. Please specify \"rollback\" or \"latest\"");
            Err(RpcError::parameter(message))
        }
    }
}

/// The blocks of the active chain above a target, the newest first, and the target.
fn way_back(core: &Core, target: Option<&Value>) -> Result<(Vec<BlockHash>, Summary), RpcError> {
    let Some(target) = target else { return Ok((Vec::new(), core.tip())) };
    let block = hash_or_height(core, target)?;
    if !block.active {
        return Err(RpcError::parameter(format!("Block is not in chain {}", block.hash)));
    }
    if core.prune_height().is_some_and(|height| block.height <= height) {
        return Err(RpcError::misc(
            "Could not roll back to requested height since necessary block data is already pruned.",
        ));
    }
    let above = (block.height + 1..=core.tip().height).rev();
    Ok((above.filter_map(|height| core.active_hash(height)).collect(), block))
}

/// Writes a file of another name first, so that whoever finds the one asked for finds all of it.
fn write_beside(
    walker: &Walker,
    snapshot: &Snapshot,
    spec: &ChainSpec,
    path: &Path,
) -> Result<(u64, [u8; 32]), RpcError> {
    let incomplete: PathBuf = files::partial(path);
    let failed = |error: std::io::Error| RpcError::misc(format!("cannot write {}: {error}", path.display()));
    let file = OpenOptions::new().write(true).create(true).truncate(true).open(&incomplete).map_err(failed)?;
    let written = write(walker, snapshot, spec, file);
    match written {
        Ok(written) => {
            std::fs::rename(&incomplete, path).map_err(failed)?;
            Ok(written)
        }
        Err(error) => {
            // What is left of it is of no use to anybody.
            let _ = std::fs::remove_file(&incomplete);
            Err(error)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn varint(value: u64) -> String {
        let mut bytes = Vec::new();
        write_varint(value, &mut bytes);
        hex::encode(bytes)
    }

    /// The examples of `serialize.h`.
    #[test]
    fn numbers_are_written_as_core_writes_them() {
        for (value, bytes) in [
            (0, "00"),
            (1, "01"),
            (127, "7f"),
            (128, "8000"),
            (255, "807f"),
            (256, "8100"),
            (16_383, "fe7f"),
            (16_384, "ff00"),
            (16_511, "ff7f"),
            (65_535, "82fe7f"),
            (1 << 32, "8efefeff00"),
        ] {
            assert_eq!(varint(value), bytes, "{value}");
        }
        assert_eq!(varint(u64::MAX).len(), 20);
    }

    /// The values of Core's `compress_tests.cpp`.
    #[test]
    fn amounts_are_compressed_as_core_does() {
        const COIN: u64 = 100_000_000;
        for (units, compressed) in
            [(0, 0), (1, 1), (1_000_000, 7), (COIN, 9), (50 * COIN, 0x32), (21_000_000 * COIN, 0x140_6f40)]
        {
            assert_eq!(compress_amount(units), compressed, "{units}");
        }
    }

    #[test]
    fn the_usual_scripts_are_written_as_what_differs() {
        let written = |digits: &str| {
            let mut bytes = Vec::new();
            write_script(&Script::from_bytes(hex::decode(digits).unwrap()), &mut bytes);
            hex::encode(bytes)
        };
        let hash = "11".repeat(20);
        assert_eq!(written(&format!("76a914{hash}88ac")), format!("00{hash}"));
        assert_eq!(written(&format!("a914{hash}87")), format!("01{hash}"));
        let x = "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
        let y = "483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8";
        assert_eq!(written(&format!("2102{x}ac")), format!("02{x}"));
        assert_eq!(written(&format!("4104{x}{y}ac")), format!("04{x}"), "an even second coordinate");
        let off_curve = format!("4104{x}{}ac", "22".repeat(32));
        assert_eq!(written(&off_curve), format!("49{off_curve}"), "67 bytes and six");
        assert_eq!(written("6a"), "076a");
        assert_eq!(written(""), "06");
    }
}
