//! `testoon pay`, `faucet` and `accounts`: coins that move, and who has them.

use super::Common;
use crate::cluster::Cluster;
use crate::cluster::accounts;
use crate::cluster::payment::{self, Payment, PaymentRequest};
use crate::output::line;
use crate::plan::units;
use anyhow::{Context as _, Result};
use chain_spec::Amount;
use clap::Args;
use serde::Serialize;
use serde_json::value::RawValue;
use wallet::{FeeRate, Wallet};

#[derive(Debug, Args)]
pub struct PayArgs {
    /// Who pays: an account (see `testoon accounts`)
    #[arg(value_name = "FROM")]
    from: String,
    /// Who is paid: an account or an address
    #[arg(value_name = "TO")]
    to: String,
    /// How much, in coins
    #[arg(value_name = "AMOUNT", value_parser = amount, allow_negative_numbers = true)]
    amount: Amount,
    #[command(flatten)]
    how: HowArgs,
}

#[derive(Debug, Args)]
pub struct FaucetArgs {
    /// Who is paid: an address or an account
    #[arg(value_name = "TO")]
    to: String,
    /// How much, in coins
    #[arg(value_name = "AMOUNT", value_parser = amount, allow_negative_numbers = true)]
    amount: Amount,
    #[command(flatten)]
    how: HowArgs,
}

/// What every payment can be told.
#[derive(Debug, Args)]
struct HowArgs {
    /// Wait for this many confirmations
    #[arg(long, env = "TESTOON_WAIT", value_name = "K", default_value_t = 0)]
    wait: u32,
    /// Give up waiting after this time, like 90s or 5min; the payment stays sent. Without it the wait has no end
    #[arg(long, env = "TESTOON_PAY_TIMEOUT", value_name = "TIME", value_parser = units::duration_ms)]
    timeout: Option<u64>,
    /// The fee, in units (a coin is 100,000,000) for each byte; 1 unless given
    #[arg(long, env = "TESTOON_FEE_RATE", value_name = "RATE")]
    fee_rate: Option<FeeRate>,
}

impl HowArgs {
    fn request<'a>(&self, from: Option<&'a str>, to: &'a str, amount: Amount) -> PaymentRequest<'a> {
        let (confirmations, timeout_ms, fee_rate) = (self.wait, self.timeout, self.fee_rate);
        PaymentRequest { from, to, amount, confirmations, timeout_ms, fee_rate: fee_rate.unwrap_or(FeeRate::DEFAULT) }
    }
}

fn amount(text: &str) -> Result<Amount, String> {
    payment::parse_amount(text)
}

pub fn pay(common: &Common, arguments: &PayArgs) -> Result<()> {
    let cluster = Cluster::open_running(common.directory()?)?;
    let request = arguments.how.request(Some(&arguments.from), &arguments.to, arguments.amount);
    tell(common, &payment::pay(&cluster, &request)?, arguments.amount)
}

/// Pays from the account that has most.
pub fn faucet(common: &Common, arguments: &FaucetArgs) -> Result<()> {
    let cluster = Cluster::open_running(common.directory()?)?;
    let request = arguments.how.request(None, &arguments.to, arguments.amount);
    tell(common, &payment::pay(&cluster, &request)?, arguments.amount)
}

fn tell(common: &Common, payment: &Payment, amount: Amount) -> Result<()> {
    if common.json {
        line(serde_json::to_string(payment)?);
        return Ok(());
    }
    let depth = match payment.confirmations {
        0 => "in the mempool".to_owned(),
        1 => "1 confirmation".to_owned(),
        more => format!("{more} confirmations"),
    };
    let Payment { from, to, fee, seconds, txid, .. } = payment;
    line(format_args!("{from} paid {to} {amount} (fee {fee}): {depth} after {seconds:.1} s\ntxid {txid}"));
    Ok(())
}

/// One account, for `accounts --json`; amounts in coins.
#[derive(Debug, Serialize)]
struct Account {
    name: String,
    node: String,
    address: String,
    confirmed: Box<RawValue>,
    pending: Box<RawValue>,
    immature: Box<RawValue>,
    spendable: Box<RawValue>,
}

#[derive(Debug, Serialize)]
struct Accounts {
    accounts: Vec<Account>,
}

pub fn accounts(common: &Common) -> Result<()> {
    let cluster = Cluster::open_running(common.directory()?)?;
    let coins = |amount: Amount| RawValue::from_string(amount.to_string());
    let mut rows = Vec::new();
    for name in accounts::names(cluster.directory())? {
        let node = payment::node_of(&cluster, &name)?;
        let mut wallet: Wallet = accounts::open(cluster.directory(), &name)?;
        wallet.sync(&cluster.client(&node)?).with_context(|| format!("wallet of {name}"))?;
        let balance = wallet.balance();
        rows.push(Account {
            address: wallet.address()?.to_string(),
            confirmed: coins(balance.confirmed)?,
            pending: coins(balance.pending)?,
            immature: coins(balance.immature)?,
            spendable: coins(balance.spendable)?,
            name,
            node,
        });
    }
    if common.json {
        line(serde_json::to_string(&Accounts { accounts: rows })?);
        return Ok(());
    }
    line(format_args!(
        "{:<10} {:>18} {:>14} {:>14}  {:<36} asks",
        "account", "confirmed", "pending", "immature", "address"
    ));
    for row in rows {
        let (confirmed, pending, immature) = (row.confirmed.get(), row.pending.get(), row.immature.get());
        line(format_args!(
            "{:<10} {confirmed:>18} {pending:>14} {immature:>14}  {:<36} {}",
            row.name, row.address, row.node
        ));
    }
    Ok(())
}
