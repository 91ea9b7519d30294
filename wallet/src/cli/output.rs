//! What commands print: lines for people, or JSON with Bitcoin Core's habits (amounts are numbers in coins).

use chain_spec::{Address, Amount, ChainSpec, Encode};

use serde::Serialize;
use serde_json::ser::Formatter;
use serde_json::{Value, json};

use crate::build::SignedPayment;
use crate::fee::FeeRate;
use crate::keystore;
use crate::view::{Balance, CoinState, HistoryLine, Kind, State, WalletCoin};
use crate::wallet::Wallet;

use super::listing::Listing;

/// JSON as one line.
pub(super) fn json_line(value: &Value) -> String {
    let mut bytes = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, Decimals);
    value.serialize(&mut serializer).expect("a JSON value has no other form, and a Vec takes every byte");
    bytes.push(b'\n');
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Writes fractions with up to eight places and no exponent: `0.00000226`, not `2.26e-6`.
struct Decimals;

impl Formatter for Decimals {
    fn write_f64<W: ?Sized + std::io::Write>(&mut self, writer: &mut W, value: f64) -> std::io::Result<()> {
        let text = format!("{value:.8}");
        let short = text.trim_end_matches('0');
        writer.write_all(short.as_bytes())?;
        if short.ends_with('.') { writer.write_all(b"0") } else { Ok(()) }
    }

    /// How numbers arrive if another crate of the build turns on serde_json's `arbitrary_precision`.
    fn write_number_str<W: ?Sized + std::io::Write>(&mut self, writer: &mut W, value: &str) -> std::io::Result<()> {
        match value.parse() {
            Ok(fraction) if value.contains(['.', 'e', 'E']) => self.write_f64(writer, fraction),
            _ => writer.write_all(value.as_bytes()),
        }
    }
}

/// An amount as a JSON number in coins. A double holds every amount up to 90 million coins to the unit.
pub(super) fn json_amount(amount: Amount) -> Value {
    json_number(&amount.to_string())
}

pub(super) fn json_number(text: &str) -> Value {
    text.parse::<f64>().map_or(Value::Null, Value::from)
}

/// What is said of an address that is not in the wallet.
pub(super) fn not_ours(address: &str) -> String {
    format!("{address} is not an address of this wallet: list them with `addresses --change`")
}

fn address(hash: &[u8; 20], spec: &ChainSpec) -> Address {
    keystore::address(*hash, spec)
}

pub(super) fn balance_json(balance: &Balance, height: u32) -> Value {
    json!({
        "confirmed": json_amount(balance.confirmed), "pending": json_amount(balance.pending),
        "immature": json_amount(balance.immature), "spendable": json_amount(balance.spendable),
        "total": json_amount(balance.total()), "height": height,
    })
}

pub(super) fn balance_text(balance: &Balance, height: u32) -> String {
    let mut text = format!("confirmed  {}\npending    {}\n", balance.confirmed, balance.pending);
    if balance.immature > Amount::ZERO {
        text += &format!("immature   {}\n", balance.immature);
    }
    text + &format!("spendable  {}   at height {height}\n", balance.spendable)
}

fn coin_state(coin: &WalletCoin) -> String {
    match coin.state {
        CoinState::Confirmed => "confirmed".into(),
        CoinState::OwnUnconfirmed => "unconfirmed, own".into(),
        CoinState::Unsent => "unconfirmed, not in the mempool".into(),
        CoinState::Incoming => "unconfirmed".into(),
        CoinState::Immature { blocks } => format!("immature, {} more", count(blocks, "block")),
    }
}

pub(super) fn coins_json(coins: &[WalletCoin], wallet: &Wallet) -> Value {
    let list: Vec<Value> = coins
        .iter()
        .map(|coin| {
            json!({
                "txid": coin.outpoint.txid.to_string(), "vout": coin.outpoint.index, "amount": json_amount(coin.value),
                "address": address(&coin.public_key_hash, wallet.spec()).to_string(),
                "confirmations": coin.confirmations, "state": coin_state(coin), "spendable": coin.is_spendable(),
                "frozen": wallet.labels().is_frozen(&coin.outpoint), "label": coin_label(coin, wallet),
            })
        })
        .collect();
    json!({ "coins": list })
}

/// The coin's own label, or its address'.
fn coin_label(coin: &WalletCoin, wallet: &Wallet) -> String {
    let labels = wallet.labels();
    let of_address = || labels.get(&address(&coin.public_key_hash, wallet.spec()).to_string());
    labels.get(&coin.outpoint.to_string()).or_else(of_address).unwrap_or_default().to_owned()
}

pub(super) fn coins_list(coins: &[WalletCoin], wallet: &Wallet) -> Listing {
    let state = |coin: &WalletCoin| match wallet.labels().is_frozen(&coin.outpoint) {
        true => format!("frozen, {}", coin_state(coin)),
        false => coin_state(coin),
    };
    let row = |coin: &WalletCoin| {
        vec![
            coin.value.to_string(),
            state(coin),
            coin.confirmations.to_string(),
            address(&coin.public_key_hash, wallet.spec()).to_string(),
            coin.outpoint.to_string(),
            coin_label(coin, wallet),
        ]
    };
    let rows = coins.iter().map(row).collect();
    let header = &["AMOUNT", "STATE", "CONF", "ADDRESS", "COIN", "LABEL"];
    Listing { header, right: &[0, 2], rows, empty: "no coins" }
}

/// The line's effect on the balance, with its sign.
fn net(line: &HistoryLine) -> String {
    match line.received.checked_sub(line.spent) {
        Some(gain) => gain.to_string(),
        None => format!("-{}", line.spent.checked_sub(line.received).unwrap_or_default()),
    }
}

/// A line's state; in full for a spreadsheet, short enough for a table otherwise.
fn state_text(state: &State, in_full: bool) -> String {
    match state {
        State::Confirmed { confirmations, .. } => format!("{confirmations} conf"),
        State::Unconfirmed { in_mempool: false } => "unconfirmed, not in the mempool".into(),
        State::Conflicted { by } if in_full => format!("conflicted by {by}"),
        State::Conflicted { by } => format!("conflicted by {}…", &by.to_string()[..8]),
        other => other.name().into(),
    }
}

/// A line of the history with the balance after it.
pub(super) struct RunningLine {
    pub(super) line: HistoryLine,
    /// Everything confirmed or on its way, after this line.
    pub(super) balance: Amount,
}

/// Adds up what counts: conflicted, abandoned and orphaned lines do not.
pub(super) fn with_running_balance(lines: Vec<HistoryLine>) -> Vec<RunningLine> {
    let mut balance = Amount::ZERO;
    let running = |line: HistoryLine| {
        if matches!(line.state, State::Confirmed { .. } | State::Unconfirmed { .. }) {
            let gained = balance.checked_add(line.received).unwrap_or(Amount::MAX_MONEY);
            balance = gained.checked_sub(line.spent).unwrap_or_default();
        }
        RunningLine { line, balance }
    };
    lines.into_iter().map(running).collect()
}

/// The label of a transaction, or of an address it pays.
fn line_label(line: &HistoryLine, wallet: &Wallet) -> String {
    let labels = wallet.labels();
    let of_address = || line.paid.iter().find_map(|hash| labels.get(&address(hash, wallet.spec()).to_string()));
    labels.get(&line.txid.to_string()).or_else(of_address).unwrap_or_default().to_owned()
}

/// Whom a line pays, or where it came in: each address once.
fn line_addresses(line: &HistoryLine, wallet: &Wallet) -> Vec<String> {
    let mut addresses: Vec<String> = Vec::new();
    for hash in &line.paid {
        let text = address(hash, wallet.spec()).to_string();
        if !addresses.contains(&text) {
            addresses.push(text);
        }
    }
    addresses
}

/// A number of things, in words: `1 block`, `2 blocks`.
pub(super) fn count(number: impl Into<u64>, thing: &str) -> String {
    let number = number.into();
    if number == 1 { format!("1 {thing}") } else { format!("{number} {thing}s") }
}

pub(super) fn history_json(lines: &[RunningLine], wallet: &Wallet) -> Value {
    let list: Vec<Value> = lines.iter().map(|line| history_line_json(line, wallet)).collect();
    json!({ "transactions": list })
}

fn history_line_json(running: &RunningLine, wallet: &Wallet) -> Value {
    let line = &running.line;
    let mut value = json!({
        "txid": line.txid.to_string(), "kind": line.kind.name(), "amount": json_number(&net(line)),
        "state": line.state.name(), "confirmations": line.state.confirmations(), "time": line.time_s,
        "addresses": line_addresses(line, wallet), "balance": json_amount(running.balance),
        "label": line_label(line, wallet),
    });
    if let Some(fee) = line.fee {
        value["fee"] = json_amount(fee);
    }
    match line.state {
        State::Confirmed { height, .. } => value["height"] = json!(height),
        State::Conflicted { by } => value["conflicted_by"] = json!(by.to_string()),
        State::Unconfirmed { in_mempool } => value["in_mempool"] = json!(in_mempool),
        _ => {}
    }
    value
}

/// One line's cells, as [`history_list`] names them.
fn history_row(running: &RunningLine, wallet: &Wallet, in_full: bool) -> Vec<String> {
    let line = &running.line;
    let fee = line.fee.filter(|_| line.kind != Kind::Mined).map(|fee| fee.to_string());
    let addresses = line_addresses(line, wallet);
    let shown = match addresses.split_first() {
        Some((first, rest)) if !in_full && !rest.is_empty() => format!("{first} +{}", rest.len()),
        _ => addresses.join(" "),
    };
    vec![
        utc(line.time_s),
        line.kind.name().into(),
        net(line),
        fee.unwrap_or_default(),
        running.balance.to_string(),
        state_text(&line.state, in_full),
        shown,
        line_label(line, wallet),
        line.txid.to_string(),
    ]
}

/// The history. In full: with all addresses of a payment to many instead of their number, and with whole txids.
pub(super) fn history_list(lines: &[RunningLine], wallet: &Wallet, in_full: bool) -> Listing {
    let header = &["TIME (UTC)", "KIND", "AMOUNT", "FEE", "BALANCE", "STATE", "ADDRESS", "LABEL", "TRANSACTION"];
    let rows = lines.iter().map(|line| history_row(line, wallet, in_full)).collect();
    Listing { header, right: &[2, 3, 4], rows, empty: "no transactions" }
}

/// A payment to be shown.
pub(super) struct Shown<'a> {
    pub(super) payment: &'a SignedPayment,
    pub(super) wallet: &'a Wallet,
    pub(super) sent: bool,
    pub(super) fee_rate: FeeRate,
}

impl Shown<'_> {
    /// Outputs without change: whom each pays, and how much.
    fn paid(&self) -> Vec<(Option<Address>, Amount)> {
        let outputs = &self.payment.transaction.outputs;
        let spec = self.wallet.spec();
        let all = outputs.iter().map(|output| (Address::from_script(&output.script, spec), output.value));
        // The change is the last output, unless it is the only one.
        let kept = if self.payment.change.is_some() && outputs.len() > 1 { outputs.len() - 1 } else { outputs.len() };
        all.take(kept).collect()
    }
}

/// What a payment is, before or after it was sent.
pub(super) fn payment_json(shown: &Shown<'_>) -> Value {
    let payment = shown.payment;
    let paid = shown.paid();
    let amount = Amount::checked_sum(paid.iter().map(|(_, value)| *value)).unwrap_or(Amount::MAX_MONEY);
    let output = |(address, value): &(Option<Address>, Amount)| json!({ "address": address.map(|address| address.to_string()), "amount": json_amount(*value) });
    let inputs: Vec<String> = payment.inputs.iter().map(|coin| coin.outpoint.to_string()).collect();
    let mut value = json!({
        "txid": payment.txid().to_string(), "sent": shown.sent,
        "address": paid.first().and_then(|(address, _)| *address).map(|address| address.to_string()),
        "amount": json_amount(amount), "fee": json_amount(payment.fee),
        "fee_rate": shown.fee_rate.to_string(), "size": payment.size(),
        "change": payment.change.filter(|_| payment.transaction.outputs.len() > 1).map(json_amount),
        "inputs": inputs, "outputs": paid.iter().map(output).collect::<Vec<_>>(),
        "lock_time": payment.transaction.lock_time,
    });
    if !shown.sent {
        value["hex"] = json!(hex::encode(payment.transaction.to_bytes()));
    }
    value
}

pub(super) fn payment_text(shown: &Shown<'_>) -> String {
    let payment = shown.payment;
    let verb = if shown.sent { "sent" } else { "would send (nothing was sent)" };
    let mut text = String::new();
    for (address, value) in shown.paid() {
        let to = address.map_or("nobody (data)".to_owned(), |address| address.to_string());
        text += &format!("{verb} {value} to {to}\n");
    }
    let has_change = payment.transaction.outputs.len() > 1;
    let change = payment.change.filter(|_| has_change).map(|change| format!(", change {change}")).unwrap_or_default();
    let coins = if payment.inputs.len() == 1 { "coin" } else { "coins" };
    let rate = FeeRate::of(payment.fee, payment.size());
    text += &format!(
        "fee {} for {} bytes ({rate}), {} {coins} spent{change}\ntransaction {}\n",
        payment.fee,
        payment.size(),
        payment.inputs.len(),
        payment.txid(),
    );
    if !shown.sent {
        for coin in &payment.inputs {
            text += &format!("spends {} from {}\n", coin.value, coin.outpoint);
        }
        text += &format!("{}\n", hex::encode(payment.transaction.to_bytes()));
    }
    text
}

/// `2026-11-22 16:31:05` by the proleptic Gregorian calendar (days to civil date, Howard Hinnant's algorithm).
pub(super) fn utc(time_s: u32) -> String {
    let (days, second) = (time_s / 86_400 + 719_468, time_s % 86_400);
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153; // 0 is March
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u32::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}", second / 3_600, second / 60 % 60, second % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact_decimals_in_json() {
        for (units, text) in [
            (0, "0.0"),
            (226, "0.00000226"),
            (1_250_000_000, "12.5"),
            (2_099_999_999_999_999, "20999999.99999999"),
            (2_100_000_000_000_000, "21000000.0"),
        ] {
            assert_eq!(json_line(&json!([json_amount(Amount::from_units(units))])), format!("[{text}]\n"));
        }
        assert_eq!(json_line(&json!({ "a": -0.5, "b": [1, "x"] })), "{\"a\":-0.5,\"b\":[1,\"x\"]}\n");
    }

    #[test]
    fn times_are_civil_dates() {
        assert_eq!(utc(0), "1970-01-01 00:00:00");
        assert_eq!(utc(1_231_006_505), "2009-01-03 18:15:05"); // Bitcoin's genesis block
        assert_eq!(utc(951_782_400), "2000-02-29 00:00:00");
        assert_eq!(utc(u32::MAX), "2106-02-07 06:28:15");
    }
}
