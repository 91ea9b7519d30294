//! Paying, hurrying, taking back.

use std::time::Duration;

use chain_spec::{PrivateKey, Txid};
use clap::builder::BoolishValueParser;
use clap::{Args, Subcommand};
use serde_json::json;
use zeroize::Zeroizing;

use super::error::CliError;
use super::output::{self, Shown, count};
use super::send::{FeeArguments, Send, draft, label};
use super::session::{choose, client, open, open_online, show_progress, sync, tell};
use super::watch::wait;
use super::{Options, prompt};
use crate::build::{PaymentOptions, SignedPayment};
use crate::client::Client;
use crate::clock;
use crate::fee::FeeRate;
use crate::wallet::{Wallet, sweep};

#[derive(Subcommand)]
pub(super) enum Command {
    /// Pay AMOUNT coins to ADDRESS, or everybody in a file
    #[command(alias = "pay")]
    Send(Box<Send>),
    /// Bring all coins of a private key (wallet import format) into this wallet
    Sweep(Sweep),
    /// Raise the fee of an unconfirmed payment, or pay for one to you by spending it
    Bump(Replace),
    /// Take an unconfirmed payment back: its coins return to you if the node takes this one first
    Cancel(Replace),
    /// Give up an unconfirmed payment that no node holds, so that its coins can be spent otherwise
    Abandon {
        /// The payment
        txid: Txid,
    },
}

#[derive(Args)]
pub(super) struct Sweep {
    /// The key [default: read from standard input, which others on this machine cannot see]
    #[arg(value_name = "WIF", env = "TESTOON_WALLET_WIF", hide_env_values = true)]
    key: Option<String>,
    #[command(flatten)]
    fees: FeeArguments,
    /// Build and show the transaction, but do not send it
    #[arg(long, env = "TESTOON_WALLET_DRY_RUN", value_parser = BoolishValueParser::new())]
    dry_run: bool,
}

#[derive(Args)]
pub(super) struct Replace {
    /// The unconfirmed payment
    txid: Txid,
    /// The new fee in units (10⁻⁸ coin) per byte [default: a quarter more, and what BIP125 asks for]
    #[arg(long, value_name = "N", env = "TESTOON_WALLET_BUMP_RATE")]
    fee_rate: Option<FeeRate>,
    /// Accept a fee above 0.1 coin or a tenth of the amount
    #[arg(long, env = "TESTOON_WALLET_ALLOW_HIGH_FEE", value_parser = BoolishValueParser::new())]
    allow_high_fee: bool,
    /// Build and show the transaction, but do not send it
    #[arg(long, env = "TESTOON_WALLET_DRY_RUN", value_parser = BoolishValueParser::new())]
    dry_run: bool,
}

pub(super) fn run(options: &Options, command: Command) -> Result<String, CliError> {
    match command {
        Command::Send(send) => pay(options, &send),
        Command::Sweep(arguments) => sweep_key(options, arguments),
        Command::Bump(replace) => bump(options, &replace),
        Command::Cancel(replace) => cancel(options, &replace),
        Command::Abandon { txid } => abandon(options, &txid),
    }
}

fn pay(options: &Options, send: &Send) -> Result<String, CliError> {
    let (mut wallet, client) = open_online(options)?;
    sync(&mut wallet, &client)?;
    let (draft, fee_rate) = draft(options, &wallet, &client, send)?;
    let payment = wallet.sign(draft)?;
    let shown = Shown { payment: &payment, wallet: &wallet, sent: !send.dry_run, fee_rate };
    let (mut value, mut text) = (output::payment_json(&shown), output::payment_text(&shown));
    if !send.dry_run {
        let started = clock::instant();
        let txid = wallet.send(&client, &payment)?;
        if let Some(label) = label(&wallet, send) {
            wallet.labels_mut().set(&txid.to_string(), &label);
            wallet.save()?;
        }
        if let Some(wanted) = send.wait {
            // Others may use the file meanwhile; what this process sees while it waits, the next command sees as well.
            wallet.release();
            if !options.json {
                // Whoever ends the wait with Ctrl-C has seen the txid.
                super::print(&std::mem::take(&mut text))?;
            }
            let limit = send.wait_timeout.map(Duration::from_secs);
            let confirmations = wait(&mut wallet, &client, &txid, wanted, limit).map_err(|error| {
                CliError::Failure(format!(
                    "payment {txid} was sent, do not send it again; waiting ended early: {error}"
                ))
            })?;
            let seconds = (started.elapsed().as_secs_f64() * 1_000.0).round() / 1_000.0;
            (value["confirmations"], value["seconds"]) = (json!(confirmations), json!(seconds));
            text += &format!("{} after {seconds:.1} s\n", count(confirmations, "confirmation"));
        }
    }
    Ok(choose(options, || value, || text))
}

fn sweep_key(options: &Options, arguments: Sweep) -> Result<String, CliError> {
    let (mut wallet, client) = open_online(options)?;
    let text = match arguments.key {
        Some(key) => Zeroizing::new(key),
        None => prompt::ask_text("Private key (WIF): ")?,
    };
    let key = PrivateKey::from_wif(text.trim(), wallet.spec()).map_err(|error| CliError::Usage(error.to_string()))?;
    sync(&mut wallet, &client)?;
    let fee_rate = arguments.fees.rate(&client)?;
    let how = PaymentOptions {
        fee_rate,
        fee: arguments.fees.fee,
        allow_high_fee: arguments.fees.allow_high_fee,
        ..PaymentOptions::default()
    };
    let payment = sweep::build(&wallet, &client, &key, &how, &mut |progress| {
        show_progress(progress);
    })?;
    finish(options, &mut wallet, &client, &payment, arguments.dry_run, fee_rate)
}

/// Sends unless it is a dry run, and shows.
fn finish(
    options: &Options,
    wallet: &mut Wallet,
    client: &Client,
    payment: &SignedPayment,
    dry_run: bool,
    fee_rate: FeeRate,
) -> Result<String, CliError> {
    let shown = Shown { payment, wallet, sent: !dry_run, fee_rate };
    let (value, text) = (output::payment_json(&shown), output::payment_text(&shown));
    if !dry_run {
        wallet.send(client, payment)?;
    }
    Ok(choose(options, || value, || text))
}

fn bump(options: &Options, replace: &Replace) -> Result<String, CliError> {
    let (mut wallet, client) = open_online(options)?;
    sync(&mut wallet, &client)?;
    let how = PaymentOptions { allow_high_fee: replace.allow_high_fee, ..PaymentOptions::default() };
    let draft = wallet.draft_bump(&client, &replace.txid, &how, replace.fee_rate)?;
    let payment = wallet.sign(draft)?;
    keep_label(&mut wallet, &replace.txid, &payment, replace.dry_run);
    let rate = FeeRate::of(payment.fee, payment.size());
    finish(options, &mut wallet, &client, &payment, replace.dry_run, rate)
}

/// A replacement is called what it replaces was called.
fn keep_label(wallet: &mut Wallet, old: &Txid, payment: &SignedPayment, dry_run: bool) {
    let label = wallet.labels().get(&old.to_string()).map(str::to_owned);
    if let Some(label) = label.filter(|_| !dry_run) {
        wallet.labels_mut().set(&payment.txid().to_string(), &label);
    }
}

fn cancel(options: &Options, replace: &Replace) -> Result<String, CliError> {
    let (mut wallet, client) = open_online(options)?;
    sync(&mut wallet, &client)?;
    let draft = wallet.draft_cancel(&replace.txid, replace.fee_rate)?;
    let payment = wallet.sign(draft)?;
    let rate = FeeRate::of(payment.fee, payment.size());
    finish(options, &mut wallet, &client, &payment, replace.dry_run, rate)
}

fn abandon(options: &Options, txid: &Txid) -> Result<String, CliError> {
    let mut wallet = open(options)?;
    if !options.offline {
        // Without sending it again, which would defeat the purpose.
        let client = client(options, wallet.spec())?;
        tell(&wallet.look(&client)?);
    }
    wallet.abandon(txid)?;
    Ok(choose(
        options,
        || json!({ "txid": txid.to_string(), "state": "abandoned" }),
        || format!("abandoned {txid}: its coins can be spent again; whoever still holds it may mine it\n"),
    ))
}
