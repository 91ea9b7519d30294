//! What a payment can be told on the command line, and the draft that comes of it.

use std::path::PathBuf;

use chain_spec::{Amount, Outpoint, TxOut};
use clap::Args;
use clap::builder::BoolishValueParser;
use serde_json::{Value, json};

use super::Options;
use super::error::CliError;
use super::session::{account_address, parse_outpoint, read_text, warn};
use crate::build::{BuildError, Draft, PaymentOptions, Recipient, data_output};
use crate::client::Client;
use crate::fee::{DUST_LIMIT, FeeRate};
use crate::uri::PaymentRequest;
use crate::view::State;
use crate::wallet::Wallet;

/// In every tenth payment the lock time is up to this many blocks in the past, so that a payment that was made earlier and
/// sent later does not stand out (as Core does).
const LOCK_TIME_BACK_MAX: u32 = 100;

/// What a payment costs.
#[derive(Args)]
pub(super) struct FeeArguments {
    /// Fee in units (10⁻⁸ coin) per byte
    #[arg(long, value_name = "N", env = "TESTOON_FEE_RATE", default_value = "1")]
    pub(super) fee_rate: FeeRate,
    /// The whole fee in coins, whatever the size
    #[arg(long, value_name = "COINS", env = "TESTOON_WALLET_FEE", conflicts_with_all = ["fee_rate", "target_blocks"])]
    pub(super) fee: Option<Amount>,
    /// Ask the node which rate confirms within N blocks; 1 unit per byte if it cannot tell
    #[arg(long, value_name = "N", env = "TESTOON_WALLET_TARGET_BLOCKS", conflicts_with = "fee_rate",
          value_parser = clap::value_parser!(u32).range(1..=1008))]
    pub(super) target_blocks: Option<u32>,
    /// Accept a fee above 0.1 coin or a tenth of the amount
    #[arg(long, env = "TESTOON_WALLET_ALLOW_HIGH_FEE", value_parser = BoolishValueParser::new())]
    pub(super) allow_high_fee: bool,
}

impl FeeArguments {
    /// The rate, asked from the node if a target is named.
    pub(super) fn rate(&self, client: &Client) -> Result<FeeRate, CliError> {
        let Some(target) = self.target_blocks else { return Ok(self.fee_rate) };
        let estimate = client.call("estimatesmartfee", json!([target]))?;
        let rate = Client::coins(&estimate["feerate"]).map(FeeRate::from_coins_per_kilobyte);
        Ok(rate.unwrap_or_else(|| {
            warn(&format!("the node cannot tell a rate for {target} blocks: taking {}", FeeRate::DEFAULT));
            FeeRate::DEFAULT
        }))
    }
}

/// A payment.
#[derive(Args)]
pub(super) struct Send {
    /// Who is paid: an address, a payment request (testoon:…), or an account of the network by its name
    #[arg(required_unless_present_any = ["file", "data"])]
    pub(super) address: Option<String>,
    /// Coins, at most eight decimals (12.5), or `all`
    #[arg(allow_negative_numbers = true)]
    pub(super) amount: Option<String>,
    /// Pay everybody in this file instead: CSV lines `address,amount`, or JSON [{"address": …, "amount": …}]
    #[arg(long, value_name = "FILE", env = "TESTOON_WALLET_PAY_FILE", conflicts_with_all = ["address", "amount"])]
    pub(super) file: Option<PathBuf>,
    #[command(flatten)]
    pub(super) fees: FeeArguments,
    /// The receivers bear the fee, in equal parts
    #[arg(long, env = "TESTOON_WALLET_SUBTRACT_FEE", value_parser = BoolishValueParser::new())]
    pub(super) subtract_fee: bool,
    /// Spend the coins of this account; change returns to it
    #[arg(long, value_name = "N", env = "TESTOON_WALLET_ACCOUNT", default_value_t = 0)]
    pub(super) account: u32,
    /// Spend only these coins (txid:index, see `coins`); may be given several times
    #[arg(long = "coin", value_name = "TXID:INDEX", env = "TESTOON_WALLET_COINS", value_delimiter = ',',
          value_parser = parse_outpoint)]
    pub(super) coins: Vec<Outpoint>,
    /// Spend all coins of an address together or none, so that what stays behind does not link to this payment
    #[arg(long, env = "TESTOON_WALLET_AVOID_REUSE", value_parser = BoolishValueParser::new())]
    pub(super) avoid_reuse: bool,
    /// Pay only if some choice of coins leaves no change, which is what links a payment to the next
    #[arg(long, env = "TESTOON_WALLET_NO_CHANGE", value_parser = BoolishValueParser::new())]
    pub(super) no_change: bool,
    /// Carry these bytes (hexadecimal, at most 80) in an output that nobody can spend
    #[arg(long, value_name = "HEX", env = "TESTOON_WALLET_DATA")]
    pub(super) data: Option<String>,
    /// Allow a payment to an address of this wallet
    #[arg(long, env = "TESTOON_WALLET_TO_SELF", value_parser = BoolishValueParser::new())]
    pub(super) to_self: bool,
    /// First height at which it may be mined [default: the next block, so that old blocks are not mined again for its fee]
    #[arg(long, value_name = "HEIGHT", env = "TESTOON_WALLET_LOCK_TIME",
          value_parser = clap::value_parser!(u32).range(..500_000_000))]
    pub(super) lock_time: Option<u32>,
    /// Write this beside the payment [default: what the payment request is called]
    #[arg(long, value_name = "TEXT", env = "TESTOON_WALLET_LABEL")]
    pub(super) label: Option<String>,
    /// Build and show the transaction, but do not send it
    #[arg(long, env = "TESTOON_WALLET_DRY_RUN", value_parser = BoolishValueParser::new())]
    pub(super) dry_run: bool,
    /// Wait until the payment has K confirmations
    #[arg(long, value_name = "K", env = "TESTOON_WALLET_WAIT", conflicts_with = "dry_run")]
    pub(super) wait: Option<u32>,
    /// Seconds after which waiting is given up [default: never]
    #[arg(long, value_name = "SECONDS", env = "TESTOON_WALLET_WAIT_TIMEOUT", requires = "wait")]
    pub(super) wait_timeout: Option<u64>,
}

/// What to write beside the payment: as asked for, or what its request says.
pub(super) fn label(wallet: &Wallet, send: &Send) -> Option<String> {
    let of_request = || {
        let text = send.address.as_deref().filter(|text| PaymentRequest::is_uri(text))?;
        let request = PaymentRequest::parse(text, wallet.spec()).ok()?;
        request.label.or(request.message)
    };
    send.label.clone().or_else(of_request)
}

/// The draft of a payment and the rate it was made at. The wallet is up to date.
pub(super) fn draft(
    options: &Options,
    wallet: &Wallet,
    client: &Client,
    send: &Send,
) -> Result<(Draft, FeeRate), CliError> {
    let (recipients, data) = (recipients(options, wallet, send)?, data(send)?);
    let fee_rate = send.fees.rate(client)?;
    let how = PaymentOptions {
        fee_rate,
        fee: send.fees.fee,
        subtract_fee: send.subtract_fee,
        allow_high_fee: send.fees.allow_high_fee,
        coins: send.coins.clone(),
        account: Some(send.account),
        avoid_reuse: send.avoid_reuse,
        no_change: send.no_change,
        lock_time: send.lock_time.unwrap_or_else(|| lock_time(wallet.view().height())),
    };
    let draft = wallet.draft_payment(&recipients, &data, &how)?;
    warn_of_links(wallet, &draft);
    Ok((draft, fee_rate))
}

fn data(send: &Send) -> Result<Vec<TxOut>, CliError> {
    let Some(text) = &send.data else { return Ok(Vec::new()) };
    let bytes = hex::decode(text).map_err(|_| CliError::Usage(format!("--data {text:?} is not hexadecimal")))?;
    Ok(vec![data_output(&bytes).map_err(|error| CliError::Usage(error.to_string()))?])
}

/// The height of the tip: nobody gains the fee by mining that block again ("fee sniping").
fn lock_time(height: u32) -> u32 {
    let mut random = [0; 2];
    // Without randomness every payment gets the plain height, which is what most have.
    let _ = getrandom::fill(&mut random);
    let back = if random[0].is_multiple_of(10) { u32::from(random[1]) % LOCK_TIME_BACK_MAX } else { 0 };
    height.saturating_sub(back)
}

/// An amount on the command line; `None` for everything. What no node would relay is as wrong as what is no number.
fn amount(text: &str) -> Result<Option<Amount>, CliError> {
    if text == "all" {
        return Ok(None);
    }
    let amount: Amount =
        text.parse().map_err(|error: chain_spec::amount::ParseAmountError| CliError::Usage(error.to_string()))?;
    if amount < DUST_LIMIT {
        return Err(CliError::Usage(BuildError::Dust(amount).to_string()));
    }
    Ok(Some(amount))
}

fn recipients(options: &Options, wallet: &Wallet, send: &Send) -> Result<Vec<Recipient>, CliError> {
    let named = match (&send.file, &send.address) {
        (Some(path), _) => {
            from_file(&read_text(path)?).map_err(|reason| CliError::Usage(format!("{}: {reason}", path.display())))?
        }
        (None, Some(address)) => vec![(address.clone(), send.amount.clone())],
        (None, None) => Vec::new(),
    };
    named.into_iter().map(|(address, text)| recipient(options, wallet, send, &address, text.as_deref())).collect()
}

fn recipient(
    options: &Options,
    wallet: &Wallet,
    send: &Send,
    text: &str,
    given: Option<&str>,
) -> Result<Recipient, CliError> {
    let request = match PaymentRequest::is_uri(text) {
        true => PaymentRequest::parse(text, wallet.spec()).map_err(|error| CliError::Usage(error.to_string()))?,
        false => {
            let address = match account_address(options, wallet.spec(), text) {
                Some(address) => address,
                None => wallet.parse_address(text)?,
            };
            PaymentRequest { address, amount: None, label: None, message: None }
        }
    };
    if wallet.owns(&request.address) && !send.to_self {
        return Err(CliError::Usage(format!(
            "{} is an address of this wallet: a payment to yourself only costs a fee; add --to-self if you mean it",
            request.address
        )));
    }
    let amount = match (given, request.amount) {
        (Some(given), _) => amount(given)?,
        (None, Some(asked)) => amount(&asked.to_string())?,
        (None, None) => return Err(CliError::Usage(format!("how much? say the coins behind {}", request.address))),
    };
    Ok(Recipient { script: request.address.script(), amount })
}

/// Receivers and amounts from CSV or JSON.
fn from_file(bytes: &[u8]) -> Result<Vec<(String, Option<String>)>, String> {
    if bytes.trim_ascii_start().starts_with(b"[") {
        let list: Vec<Value> = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        let one = |(number, entry): (usize, &Value)| {
            let address = entry["address"].as_str().ok_or(format!("entry {}: no \"address\"", number + 1))?;
            let amount = match &entry["amount"] {
                Value::String(text) => text.clone(),
                Value::Number(number) => number.to_string(),
                _ => return Err(format!("entry {}: no \"amount\"", number + 1)),
            };
            Ok((address.to_owned(), Some(amount)))
        };
        return list.iter().enumerate().map(one).collect();
    }
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .comment(Some(b'#'))
        .trim(csv::Trim::All)
        .from_reader(bytes);
    let mut receivers = Vec::new();
    for (number, record) in reader.records().enumerate() {
        let record = record.map_err(|error| error.to_string())?;
        let (address, amount) = (record.get(0).unwrap_or_default(), record.get(1));
        if number == 0 && address.eq_ignore_ascii_case("address") {
            continue;
        }
        let amount = amount.ok_or(format!("line {}: an address and an amount, with a comma between", number + 1))?;
        receivers.push((address.to_owned(), Some(amount.to_owned())));
    }
    if receivers.is_empty() { Err("it names nobody to pay".to_owned()) } else { Ok(receivers) }
}

/// Says what the payment will tell everybody about the payer.
fn warn_of_links(wallet: &Wallet, draft: &Draft) {
    let mut owners: Vec<[u8; 20]> = draft.inputs.iter().map(|coin| coin.public_key_hash).collect();
    owners.sort_unstable();
    owners.dedup();
    if owners.len() > 1 {
        warn(&format!("this payment shows everybody that {} of your addresses belong together", owners.len()));
    }
    let payees = draft.transaction.outputs.iter().filter_map(|output| output.script.public_key_hash());
    for hash in payees.filter(|hash| wallet.keys().origin(hash).is_none()) {
        let paid_before = wallet.ledger().entries().any(|(txid, entry)| {
            let is_live = matches!(wallet.state(txid), Some(State::Confirmed { .. } | State::Unconfirmed { .. }));
            let outputs = &entry.transaction.outputs;
            is_live && entry.sent && outputs.iter().any(|output| output.script.public_key_hash() == Some(hash))
        });
        if paid_before {
            let address = crate::keystore::address(hash, wallet.spec());
            warn(&format!("{address} was paid before: whoever sees both payments knows they went to one receiver"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn receivers_come_from_csv_and_json() {
        let csv = "address,amount,label\n# a comment\n a , 1.5 ,rent\n\"b\",\"2\"\n";
        let expected = vec![("a".to_owned(), Some("1.5".to_owned())), ("b".to_owned(), Some("2".to_owned()))];
        assert_eq!(from_file(csv.as_bytes()).unwrap(), expected);
        let json = r#" [{"address":"a","amount":1.5},{"address":"b","amount":"2","label":"x"}]"#;
        assert_eq!(from_file(json.as_bytes()).unwrap(), expected);
        for bad in ["", "a\n", "[{}]", "[{\"address\":\"a\"}]", "[1", "# nothing\n"] {
            assert!(from_file(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn lock_times_are_the_tip_or_a_little_before() {
        let times: Vec<u32> = (0..500).map(|_| lock_time(1_000)).collect();
        assert!(times.iter().all(|time| (901..=1_000).contains(time)));
        assert!(times.iter().filter(|time| **time == 1_000).count() > 300);
        assert!(lock_time(3) <= 3);
    }
}
