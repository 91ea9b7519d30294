//! `testoon pay FROM TO AMOUNT`: a payment between accounts of the running network, and the wait for its confirmations.

use super::Cluster;
use super::accounts;
use crate::clock::Stopwatch;
use crate::error::usage;
use crate::plan::Role;
use anyhow::{Context as _, Result, anyhow, bail};
use chain_spec::{Amount, Txid};
use serde_json::value::RawValue;
use std::io::{IsTerminal as _, Write as _};
use wallet::{Client, PaymentOptions, State, Wallet};

/// While it waits for a block, `pay` looks again this often, milliseconds: a block may come between look and wait.
const BLOCK_WAIT_MS: u64 = 1_000;
/// The account whose payments the node with [`Role::Shop`] watches.
const SHOP: &str = "shop";

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
}

/// Reads an amount in coins.
pub fn parse_amount(text: &str) -> Result<Amount, String> {
    let amount: Amount = text.parse().map_err(|error: chain_spec::amount::ParseAmountError| error.to_string())?;
    if amount == Amount::ZERO { Err("a payment is more than 0".to_owned()) } else { Ok(amount) }
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

/// Pays `amount` from an account to an account or address, and waits for `confirmations` blocks.
pub fn pay(cluster: &Cluster, from: &str, to: &str, amount: Amount, confirmations: u32) -> Result<Payment> {
    let watch = Stopwatch::start();
    let directory = cluster.directory();
    let client = cluster.client(&node_of(cluster, from)?)?;
    let mut wallet = accounts::open(directory, from)?;
    let receiver = if to == from {
        wallet.address()?
    } else if accounts::exists(directory, to) {
        accounts::open_to_read(directory, to)?.address()?
    } else {
        let known = || accounts::names(directory).map(|names| names.join(", ")).unwrap_or_default();
        wallet
            .parse_address(to)
            .map_err(|error| usage(format!("{to:?} is no account ({}) and no address: {error}", known())))?
    };
    wallet.sync(&client).with_context(|| format!("wallet of {from}"))?;
    let payment = wallet
        .build_payment(&receiver, amount, &PaymentOptions::default())
        .with_context(|| format!("{from} cannot pay"))?;
    let txid = wallet.send(&client, &payment).with_context(|| format!("payment of {from}"))?;
    // Other commands may use the account while this one waits.
    wallet.release();
    let reached = wait(&mut wallet, &client, &txid, confirmations).with_context(|| {
        format!("payment {txid} was sent, do not send it again; waiting for its confirmations ended early")
    })?;
    Ok(Payment {
        txid: txid.to_string(),
        confirmations: reached,
        fee: RawValue::from_string(payment.fee.to_string())?,
        seconds: (watch.seconds() * 1e3).round() / 1e3,
    })
}

/// Waits until the payment is `wanted` blocks deep, telling on a terminal how far it is.
fn wait(wallet: &mut Wallet, client: &Client, txid: &Txid, wanted: u32) -> Result<u32> {
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
    loop {
        let state = wallet.state(txid);
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
        tell(&format!("{txid}: {reached} of {wanted} confirmations"));
        client.wait_for_new_block(BLOCK_WAIT_MS)?;
        wallet.sync(client)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_coins_above_zero() {
        assert!(parse_amount("12.5").is_ok());
        for wrong in ["0", "-1", "ten", "1e8", "0.000000001", "21000001", ""] {
            assert!(parse_amount(wrong).is_err(), "{wrong:?}");
        }
    }
}
