//! Transactions that several parties sign, or that are signed without a node (PSBT, BIP174).

use std::path::{Path, PathBuf};

use chain_spec::{Encode, Transaction};
use clap::Subcommand;
use serde_json::{Value, json};

use super::Options;
use super::error::CliError;
use super::listing::table;
use super::output::json_amount;
use super::send::{Send, draft};
use super::session::{choose, client, open_online, open_to_read, read_text, sync};
use crate::keystore;
use crate::psbt::{Psbt, PsbtError};
use crate::wallet::offline::{PsbtLine, PsbtSummary};
use crate::wallet::{Wallet, WalletError};

#[derive(Subcommand)]
pub(super) enum Command {
    /// Prepare a payment for signing elsewhere; prints a PSBT
    CreatePsbt(Box<Send>),
    /// Show what a PSBT spends and pays, and sign what this wallet can
    SignPsbt {
        /// The PSBT's file (Base64 or binary), - for standard input
        psbt: PathBuf,
    },
    /// Bring together what several parties signed; prints a PSBT
    Combine {
        /// The PSBTs' files
        #[arg(required = true, num_args = 2..)]
        psbts: Vec<PathBuf>,
    },
    /// Make the finished transaction of a PSBT that all have signed; prints it in hexadecimal
    Finalize {
        /// The PSBT's file, - for standard input
        psbt: PathBuf,
    },
    /// Show what a PSBT spends and pays
    Show {
        /// The PSBT's file, - for standard input
        psbt: PathBuf,
    },
    /// Give a finished transaction to the node
    Broadcast {
        /// A file with a finished PSBT, or a transaction in hexadecimal; - for standard input
        file: PathBuf,
    },
}

impl From<PsbtError> for CliError {
    fn from(error: PsbtError) -> CliError {
        CliError::Failure(error.to_string())
    }
}

pub(super) fn run(options: &Options, command: Command) -> Result<String, CliError> {
    match command {
        Command::CreatePsbt(send) => create(options, &send),
        Command::SignPsbt { psbt } => sign(options, &psbt),
        Command::Combine { psbts } => {
            let mut all = psbts.iter().map(|path| read(path)).collect::<Result<Vec<_>, _>>()?.into_iter();
            let first = all.next().ok_or_else(|| CliError::Usage("which PSBTs?".into()))?;
            let combined = all.try_fold(first, Psbt::combine)?;
            Ok(choose(options, || json!({ "psbt": combined.to_base64() }), || format!("{}\n", combined.to_base64())))
        }
        Command::Finalize { psbt } => {
            let mut psbt = read(&psbt)?;
            psbt.finalize()?;
            let transaction = psbt.extract()?;
            let hex = hex::encode(transaction.to_bytes());
            let txid = transaction.txid().to_string();
            Ok(choose(options, || json!({ "txid": txid, "hex": hex }), || format!("{hex}\n")))
        }
        Command::Show { psbt } => {
            let wallet = open_to_read(options)?;
            let psbt = read(&psbt)?;
            let summary = wallet.summarize(&psbt)?;
            Ok(choose(options, || summary_json(&summary, &psbt, &wallet), || summary_text(&summary, &wallet)))
        }
        Command::Broadcast { file } => broadcast(options, &file),
    }
}

fn read(path: &Path) -> Result<Psbt, CliError> {
    Psbt::read(&read_text(path)?).map_err(|error| CliError::Failure(format!("{}: {error}", path.display())))
}

fn create(options: &Options, send: &Send) -> Result<String, CliError> {
    let (mut wallet, client) = open_online(options)?;
    sync(&mut wallet, &client)?;
    let (draft, _) = draft(options, &wallet, &client, send)?;
    let psbt = wallet.to_psbt(&draft)?;
    let summary = wallet.summarize(&psbt)?;
    Ok(choose(
        options,
        || {
            let mut value = summary_json(&summary, &psbt, &wallet);
            value["psbt"] = json!(psbt.to_base64());
            value
        },
        || format!("{}\n", psbt.to_base64()),
    ))
}

fn sign(options: &Options, path: &Path) -> Result<String, CliError> {
    let wallet = open_to_read(options)?;
    let mut psbt = read(path)?;
    let count = wallet.sign_psbt(&mut psbt)?;
    let summary = wallet.summarize(&psbt)?;
    if !options.json {
        // Beside the PSBT, which goes to standard output alone.
        eprintln!("{}signed {count} of {} inputs", summary_text(&summary, &wallet), psbt.inputs.len());
    }
    Ok(choose(
        options,
        || {
            let mut value = summary_json(&summary, &psbt, &wallet);
            (value["psbt"], value["signed"]) = (json!(psbt.to_base64()), json!(count));
            value
        },
        || format!("{}\n", psbt.to_base64()),
    ))
}

fn broadcast(options: &Options, path: &Path) -> Result<String, CliError> {
    let bytes = read_text(path)?;
    let text = String::from_utf8_lossy(&bytes);
    let transaction = match hex::decode(text.trim()) {
        Ok(bytes) => decode_transaction(&bytes)?,
        Err(_) => {
            let mut psbt = read_bytes(&bytes, path)?;
            psbt.finalize()?;
            psbt.extract()?
        }
    };
    let wallet = open_to_read(options)?;
    let client = client(options, wallet.spec())?;
    client.send_transaction(&transaction)?;
    let txid = transaction.txid().to_string();
    Ok(choose(options, || json!({ "txid": txid, "sent": true }), || format!("sent {txid}\n")))
}

fn read_bytes(bytes: &[u8], path: &Path) -> Result<Psbt, CliError> {
    Psbt::read(bytes).map_err(|error| CliError::Failure(format!("{}: {error}", path.display())))
}

fn decode_transaction(bytes: &[u8]) -> Result<Transaction, CliError> {
    chain_spec::Decode::from_bytes(bytes).map_err(|error| CliError::Failure(format!("not a transaction: {error}")))
}

fn line_json(line: &PsbtLine, wallet: &Wallet) -> Value {
    let address = line.public_key_hash.map(|hash| keystore::address(hash, wallet.spec()).to_string());
    json!({
        "coin": line.coin.map(|coin| coin.to_string()), "amount": json_amount(line.value), "address": address,
        "ours": line.is_ours, "signed": line.is_signed,
    })
}

fn summary_json(summary: &PsbtSummary, psbt: &Psbt, wallet: &Wallet) -> Value {
    let lines = |lines: &[PsbtLine]| lines.iter().map(|line| line_json(line, wallet)).collect::<Vec<_>>();
    json!({
        "txid": psbt.unsigned.txid().to_string(), "inputs": lines(&summary.inputs),
        "outputs": lines(&summary.outputs), "fee": json_amount(summary.fee),
    })
}

fn summary_text(summary: &PsbtSummary, wallet: &Wallet) -> String {
    let row = |kind: &str, line: &PsbtLine| {
        let address = line.public_key_hash.map(|hash| keystore::address(hash, wallet.spec()).to_string());
        let state = match (line.coin.is_some(), line.is_signed) {
            (true, true) => "signed",
            (true, false) => "unsigned",
            (false, _) => "",
        };
        vec![
            kind.to_owned(),
            line.value.to_string(),
            if line.is_ours { "ours" } else { "" }.to_owned(),
            state.to_owned(),
            address.unwrap_or_else(|| "no address".into()),
        ]
    };
    let inputs = summary.inputs.iter().map(|line| row("spends", line));
    let outputs = summary.outputs.iter().map(|line| row("pays", line));
    let rows: Vec<Vec<String>> = inputs.chain(outputs).collect();
    format!("{}fee {}\n", table(&["", "AMOUNT", "WHOSE", "STATE", "ADDRESS"], &[1], rows), summary.fee)
}

impl From<keystore::KeyError> for CliError {
    fn from(error: keystore::KeyError) -> CliError {
        WalletError::from(error).into()
    }
}
