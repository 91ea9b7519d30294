//! What commands print: lines for people, or JSON with Bitcoin Core's habits (amounts are numbers in coins).

use chain_spec::{Address, Amount, ChainSpec, Encode};

use comfy_table::{CellAlignment, Table, TableStyle};
use serde::Serialize;
use serde_json::ser::Formatter;
use serde_json::{Value, json};

use crate::build::SignedPayment;
use crate::fee::FeeRate;
use crate::keystore;
use crate::view::{Balance, CoinState, HistoryLine, Kind, State, WalletCoin};

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

fn json_number(text: &str) -> Value {
    text.parse::<f64>().map_or(Value::Null, Value::from)
}

/// A table without lines; the columns in `right` are aligned to the right.
fn table(header: &[&str], right: &[usize], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(TableStyle::new()).set_header(header.to_vec());
    for row in rows {
        table.add_row(row);
    }
    for &index in right {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let lines = table.to_string();
    lines.lines().map(|line| format!("{}\n", line.trim_end())).collect()
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
        CoinState::Immature { blocks } => format!("immature, {blocks} more blocks"),
    }
}

pub(super) fn coins_json(coins: &[WalletCoin], spec: &ChainSpec) -> Value {
    let list: Vec<Value> = coins
        .iter()
        .map(|coin| {
            json!({
                "txid": coin.outpoint.txid.to_string(), "vout": coin.outpoint.index, "amount": json_amount(coin.value),
                "address": address(&coin.public_key_hash, spec).to_string(), "confirmations": coin.confirmations,
                "state": coin_state(coin), "spendable": coin.is_spendable(),
            })
        })
        .collect();
    json!({ "coins": list })
}

pub(super) fn coins_text(coins: &[WalletCoin], spec: &ChainSpec) -> String {
    if coins.is_empty() {
        return "no coins\n".into();
    }
    let row = |coin: &WalletCoin| {
        vec![
            coin.value.to_string(),
            coin_state(coin),
            coin.confirmations.to_string(),
            address(&coin.public_key_hash, spec).to_string(),
            coin.outpoint.to_string(),
        ]
    };
    table(&["AMOUNT", "STATE", "CONF", "ADDRESS", "COIN"], &[0, 2], coins.iter().map(row).collect())
}

/// The line's effect on the balance, with its sign.
fn net(line: &HistoryLine) -> String {
    match line.received.checked_sub(line.spent) {
        Some(gain) => gain.to_string(),
        None => format!("-{}", line.spent.checked_sub(line.received).unwrap_or_default()),
    }
}

fn state_text(state: &State) -> String {
    match state {
        State::Confirmed { confirmations, .. } => format!("{confirmations} conf"),
        State::Unconfirmed { in_mempool: false } => "unconfirmed, not in the mempool".into(),
        State::Conflicted { by } => format!("conflicted by {by}"),
        other => other.name().into(),
    }
}

pub(super) fn history_json(lines: &[HistoryLine], spec: &ChainSpec) -> Value {
    let list: Vec<Value> = lines.iter().map(|line| history_line_json(line, spec)).collect();
    json!({ "transactions": list })
}

fn history_line_json(line: &HistoryLine, spec: &ChainSpec) -> Value {
    let paid: Vec<String> = line.paid.iter().map(|hash| address(hash, spec).to_string()).collect();
    let mut value = json!({
        "txid": line.txid.to_string(), "kind": line.kind.name(), "amount": json_number(&net(line)),
        "state": line.state.name(), "confirmations": line.state.confirmations(), "time": line.time_s, "addresses": paid,
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

pub(super) fn history_text(lines: &[HistoryLine]) -> String {
    if lines.is_empty() {
        return "no transactions\n".into();
    }
    let row = |line: &HistoryLine| {
        let fee = line.fee.filter(|_| line.kind != Kind::Mined).map(|fee| fee.to_string());
        vec![
            utc(line.time_s),
            line.kind.name().into(),
            net(line),
            fee.unwrap_or_default(),
            state_text(&line.state),
            line.txid.to_string(),
        ]
    };
    let header = ["TIME (UTC)", "KIND", "AMOUNT", "FEE", "STATE", "TRANSACTION"];
    table(&header, &[2, 3], lines.iter().map(row).collect())
}

/// What a payment is, before or after it was sent.
pub(super) fn payment_json(payment: &SignedPayment, to: &Address, fee_rate: FeeRate, sent: bool) -> Value {
    let inputs: Vec<String> = payment.inputs.iter().map(|coin| coin.outpoint.to_string()).collect();
    let mut value = json!({
        "txid": payment.txid().to_string(), "sent": sent, "address": to.to_string(),
        "amount": json_amount(paid_to(payment, to)), "fee": json_amount(payment.fee),
        "fee_rate": fee_rate.to_string(), "size": payment.size(),
        "change": payment.change.map(json_amount), "inputs": inputs,
    });
    if !sent {
        value["hex"] = json!(hex::encode(payment.transaction.to_bytes()));
    }
    value
}

pub(super) fn payment_text(payment: &SignedPayment, to: &Address, sent: bool) -> String {
    let verb = if sent { "sent" } else { "would send (nothing was sent)" };
    let change = payment.change.map(|change| format!(", change {change}")).unwrap_or_default();
    let coins = if payment.inputs.len() == 1 { "coin" } else { "coins" };
    let mut text = format!(
        "{verb} {} to {to}\nfee {} for {} bytes, {} {coins} spent{change}\ntransaction {}\n",
        paid_to(payment, to),
        payment.fee,
        payment.size(),
        payment.inputs.len(),
        payment.txid(),
    );
    if !sent {
        text += &format!("{}\n", hex::encode(payment.transaction.to_bytes()));
    }
    text
}

/// The first output is the payment; a sweep has only its "change".
fn paid_to(payment: &SignedPayment, to: &Address) -> Amount {
    let script = to.script();
    payment
        .transaction
        .outputs
        .iter()
        .find(|output| output.script == script)
        .map_or(Amount::ZERO, |output| output.value)
}

/// Rows of address, path and use.
pub(super) fn addresses_text(rows: Vec<Vec<String>>) -> String {
    if rows.is_empty() {
        return "no address was handed out yet: `new-address` gives one\n".into();
    }
    table(&["ADDRESS", "PATH", "RECEIVED"], &[2], rows)
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
