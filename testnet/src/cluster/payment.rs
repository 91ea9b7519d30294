//! A payment between accounts of the running network, or to an address, and the wait for its confirmations.

use super::Cluster;
use super::accounts;
use super::directory::Directory;
use crate::clock::Stopwatch;
use crate::error::usage;
use crate::plan::Role;
use anyhow::{Context as _, Result, anyhow, bail};
use chain_spec::{Address, Amount, Txid};
use serde_json::value::RawValue;
use std::io::{IsTerminal as _, Write as _};
use wallet::fee::DUST_LIMIT;
use wallet::{BuildError, Client, FeeRate, PaymentOptions, State, Wallet};

/// While it waits for a block, `pay` looks again this often, milliseconds: a block may come between look and wait.
const BLOCK_WAIT_MS: u64 = 1_000;
/// The account whose payments the node with [`Role::Shop`] watches.
const SHOP: &str = "shop";

/// What is to be paid, and how long the caller waits.
#[derive(Clone, Debug)]
pub struct PaymentRequest<'a> {
    /// The account that pays; none: the one that can spend most.
    pub from: Option<&'a str>,
    /// An account or an address.
    pub to: &'a str,
    /// How much.
    pub amount: Amount,
    /// Blocks to wait for; 0 does not wait.
    pub confirmations: u32,
    /// The wait's end, milliseconds after the payment was sent; none: no end.
    pub timeout_ms: Option<u64>,
    /// What the payment costs for each byte.
    pub fee_rate: FeeRate,
}

/// What became of a payment.
#[derive(Debug, serde::Serialize)]
pub struct Payment {
    /// Its transaction.
    pub txid: String,
    /// Blocks from its own to the tip of the node it was sent through; 0 while it is in the mempool.
    pub confirmations: u32,
    /// What it cost, in coins.
    pub fee: Box<RawValue>,
    /// From command to answer.
    pub seconds: f64,
    /// The account that paid.
    pub from: String,
    /// Who was paid, as it was asked for.
    pub to: String,
}

/// Reads an amount in coins, which must be one that nodes relay.
pub fn parse_amount(text: &str) -> Result<Amount, String> {
    let amount: Amount = text.parse().map_err(|error: chain_spec::amount::ParseAmountError| error.to_string())?;
    // What the wallet's own command says of it, with the same exit code.
    if amount < DUST_LIMIT { Err(BuildError::Dust(amount).to_string()) } else { Ok(amount) }
}

/// The node whose word counts for an account: its own for a miner's, the shop's for the shop, the first running one otherwise.
pub fn node_of(cluster: &Cluster, account: &str) -> Result<String> {
    let alive = cluster.alive();
    let plan = &cluster.state().plan;
    let shop = plan.nodes.iter().find(|node| account == SHOP && node.role == Role::Shop).map(|node| node.name.as_str());
    let preferred = shop.unwrap_or(account);
    let chosen = alive.iter().find(|name| *name == preferred).or(alive.first());
    chosen
        .cloned()
        .ok_or_else(|| anyhow!("no node runs; start the network with `testoon up{}`", cluster.directory().flag()))
}

/// Pays, and waits for confirmations if that is asked for.
///
/// # Errors
/// Nobody can pay, the receiver is unknown, the node refuses, or the wait's time is over: then the payment stays sent, and the
/// error says so.
pub fn pay(cluster: &Cluster, request: &PaymentRequest<'_>) -> Result<Payment> {
    let watch = Stopwatch::start();
    let directory = cluster.directory();
    let from = match request.from {
        Some(from) => from.to_owned(),
        None => richest(cluster, request.to)?,
    };
    let client = cluster.client(&node_of(cluster, &from)?)?;
    let mut wallet = accounts::open(directory, &from)?;
    let receiver = receiver(directory, &wallet, &from, request.to)?;
    wallet.sync(&client).with_context(|| format!("wallet of {from}"))?;
    let options = PaymentOptions { fee_rate: request.fee_rate, ..PaymentOptions::default() };
    let payment =
        wallet.build_payment(&receiver, request.amount, &options).with_context(|| format!("{from} cannot pay"))?;
    let txid = wallet.send(&client, &payment).with_context(|| format!("payment of {from}"))?;
    // Others may use the account while this payment waits.
    drop(wallet);
    let reached = wait(directory, &client, &from, &txid, request).with_context(|| {
        format!("payment {txid} was sent, do not send it again; waiting for its confirmations ended early")
    })?;
    Ok(Payment {
        txid: txid.to_string(),
        confirmations: reached,
        fee: RawValue::from_string(payment.fee.to_string())?,
        seconds: (watch.seconds() * 1e3).round() / 1e3,
        from,
        to: request.to.to_owned(),
    })
}

fn receiver(directory: &Directory, wallet: &Wallet, from: &str, to: &str) -> Result<Address> {
    if to == from {
        Ok(wallet.address()?)
    } else if accounts::exists(directory, to) {
        Ok(accounts::open(directory, to)?.address()?)
    } else {
        let known = || accounts::names(directory).map(|names| names.join(", ")).unwrap_or_default();
        wallet
            .parse_address(to)
            .map_err(|error| usage(format!("{to:?} is no account ({}) and no address: {error}", known())))
    }
}

/// The account that can spend most, the receiver aside.
fn richest(cluster: &Cluster, to: &str) -> Result<String> {
    let mut best: Option<(Amount, String)> = None;
    for name in accounts::names(cluster.directory())?.into_iter().filter(|name| name != to) {
        let mut wallet = accounts::open(cluster.directory(), &name)?;
        wallet.sync(&cluster.client(&node_of(cluster, &name)?)?).with_context(|| format!("wallet of {name}"))?;
        let spendable = wallet.balance().spendable;
        if spendable > best.as_ref().map_or(Amount::ZERO, |(most, _)| *most) {
            best = Some((spendable, name));
        }
    }
    let flag = cluster.directory().flag();
    best.map(|(_, name)| name).ok_or_else(|| {
        anyhow!("no account can spend anything yet; blocks pay after their coinbase has matured (see `testoon accounts{flag}`)")
    })
}

/// Waits until the payment is as deep as asked for, telling on a terminal how far it is.
fn wait(directory: &Directory, client: &Client, from: &str, txid: &Txid, request: &PaymentRequest<'_>) -> Result<u32> {
    let wanted = request.confirmations;
    if wanted == 0 {
        return Ok(0);
    }
    let terminal = std::io::stderr().is_terminal();
    let tell = |text: &str| {
        if terminal {
            // Progress is a courtesy: a closed terminal must not fail a payment.
            let _ = write!(std::io::stderr(), "\r\x1b[K{text}");
        }
    };
    let waiting = Stopwatch::start();
    loop {
        let mut wallet = accounts::open(directory, from)?;
        wallet.sync(client)?;
        let state = wallet.state(txid);
        drop(wallet);
        let reached = match state {
            Some(State::Conflicted { by }) => {
                tell("");
                bail!("the payment was undone: {by} spends the same coins in the chain now");
            }
            Some(state) => state.confirmations(),
            None => 0,
        };
        if reached >= wanted {
            tell("");
            return Ok(reached);
        }
        let left_ms =
            request.timeout_ms.map(|timeout_ms| timeout_ms.saturating_sub(waiting.elapsed().as_millis() as u64));
        if left_ms == Some(0) {
            tell("");
            bail!("it has {reached} of {wanted} confirmations after {:.1} s", waiting.seconds());
        }
        tell(&format!("{txid}: {reached} of {wanted} confirmations"));
        client.wait_for_new_block(left_ms.map_or(BLOCK_WAIT_MS, |left_ms| left_ms.min(BLOCK_WAIT_MS)))?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_coins_that_nodes_relay() {
        assert!(parse_amount("12.5").is_ok() && parse_amount("0.00000546").is_ok());
        for wrong in ["0", "0.00000545", "-1", "ten", "1e8", "0.000000001", "21000001", ""] {
            assert!(parse_amount(wrong).is_err(), "{wrong:?}");
        }
    }
}
