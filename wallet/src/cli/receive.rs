//! Addresses, accounts, keys, labels.

use std::collections::HashMap;

use chain_spec::{Amount, PrivateKey, Txid};
use clap::Subcommand;
use clap::builder::BoolishValueParser;
use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;
use serde_json::{Value, json};

use super::error::CliError;
use super::listing::Listing;
use super::output::{self, json_amount};
use super::session::{
    choose, choose_list, client, has_node, open, open_synced, open_to_read, parse_outpoint, sync, warn,
};
use super::{Options, prompt};
use crate::keystore::{Account, Branch, GAP_LIMIT, KeyOrigin, KeyPath};
use crate::uri::PaymentRequest;
use crate::wallet::{Wallet, WalletError};

#[derive(Subcommand)]
pub(super) enum Command {
    /// Hand out the next unused address, with a payment request and a QR code if asked
    NewAddress {
        /// The account it belongs to
        #[arg(long, value_name = "N", env = "TESTOON_WALLET_ACCOUNT", default_value_t = 0)]
        account: u32,
        /// Ask for this many coins in the payment request
        #[arg(long, value_name = "COINS", env = "TESTOON_WALLET_AMOUNT")]
        amount: Option<Amount>,
        /// Write this beside the address, and into the payment request
        #[arg(long, value_name = "TEXT", env = "TESTOON_WALLET_LABEL")]
        label: Option<String>,
        /// What the payment is for, in the payment request
        #[arg(long, value_name = "TEXT", env = "TESTOON_WALLET_MESSAGE")]
        message: Option<String>,
        /// Show the payment request as a QR code
        #[arg(long, env = "TESTOON_WALLET_QR", value_parser = BoolishValueParser::new())]
        qr: bool,
    },
    /// List the addresses handed out or used
    Addresses {
        /// Also those used for change
        #[arg(long, env = "TESTOON_WALLET_CHANGE", value_parser = BoolishValueParser::new())]
        change: bool,
        /// As comma-separated values, for a spreadsheet
        #[arg(long, env = "TESTOON_WALLET_CSV", value_parser = BoolishValueParser::new())]
        csv: bool,
    },
    /// List the accounts with their balances
    Accounts {
        /// As comma-separated values, for a spreadsheet
        #[arg(long, env = "TESTOON_WALLET_CSV", value_parser = BoolishValueParser::new())]
        csv: bool,
    },
    /// Make the next account (BIP44)
    CreateAccount {
        /// What it is called
        name: Option<String>,
    },
    /// Write a label beside an address, a transaction or a coin; an empty one removes it
    Label {
        /// The address, TXID or TXID:INDEX
        thing: String,
        /// The label
        text: String,
    },
    /// Show an account's descriptors and extended public key, for a wallet that watches it
    Descriptors {
        /// The account
        #[arg(long, value_name = "N", env = "TESTOON_WALLET_ACCOUNT", default_value_t = 0)]
        account: u32,
    },
    /// Take one more private key (wallet import format), read from standard input, and find its coins
    ImportKey,
    /// Show the private key of one address (wallet import format)
    ExportKey {
        /// An address of this wallet
        address: String,
        /// Do not ask for confirmation
        #[arg(long, env = "TESTOON_WALLET_YES", value_parser = BoolishValueParser::new())]
        yes: bool,
    },
}

pub(super) fn run(options: &Options, command: Command) -> Result<String, CliError> {
    match command {
        Command::NewAddress { account, amount, label, message, qr } => {
            new_address(options, account, amount, label, message, qr)
        }
        Command::Addresses { change, csv } => addresses(options, change, csv),
        Command::Accounts { csv } => accounts(options, csv),
        Command::CreateAccount { name } => create_account(options, name.as_deref()),
        Command::Label { thing, text } => label(options, &thing, &text),
        Command::Descriptors { account } => descriptors(options, account),
        Command::ImportKey => import_key(options),
        Command::ExportKey { address, yes } => export_key(options, &address, yes),
    }
}

fn new_address(
    options: &Options,
    account: u32,
    amount: Option<Amount>,
    label: Option<String>,
    message: Option<String>,
    qr: bool,
) -> Result<String, CliError> {
    let mut wallet = open(options)?;
    if has_node(options, wallet.spec()) {
        let client = client(options, wallet.spec())?;
        sync(&mut wallet, &client)?;
    }
    let index = wallet.keys().next_index(account, Branch::External);
    let address = wallet.new_address_of(account)?;
    if let Some(label) = &label {
        wallet.labels_mut().set(&address.to_string(), label);
        wallet.save()?;
    }
    let path = wallet.keys().path_text(KeyPath { account, branch: Branch::External, index });
    let used = wallet.ledger().own_outputs().filter_map(|(_, output)| wallet.keys().path(&output.public_key_hash));
    let last_used =
        used.filter(|path| path.account == account && path.branch == Branch::External).map(|path| path.index + 1).max();
    let unused = index + 1 - last_used.unwrap_or(0).min(index + 1);
    if unused > GAP_LIMIT {
        warn(&format!(
            "{unused} unused addresses in a row: to restore this wallet from its words, use --gap-limit {}",
            unused + GAP_LIMIT
        ));
    }
    let asks = amount.is_some() || label.is_some() || message.is_some();
    let uri = PaymentRequest { address, amount, label, message }.to_uri(wallet.spec());
    let picture = if qr { qr_code(&uri)? } else { String::new() };
    Ok(choose(
        options,
        || json!({ "address": address.to_string(), "path": path, "uri": uri }),
        || format!("{address}\n{}{picture}", if asks || qr { format!("{uri}\n") } else { String::new() }),
    ))
}

/// A QR code for a terminal, two modules a character.
fn qr_code(text: &str) -> Result<String, CliError> {
    let code = QrCode::new(text).map_err(|error| CliError::Failure(format!("no QR code of this request: {error}")))?;
    Ok(code.render::<Dense1x2>().dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).build() + "\n")
}

fn addresses(options: &Options, change: bool, csv: bool) -> Result<String, CliError> {
    let wallet = open_synced(options)?;
    let branches = if change { vec![Branch::External, Branch::Change] } else { vec![Branch::External] };
    let mut received: HashMap<[u8; 20], Amount> = HashMap::new();
    for (_, output) in wallet.ledger().own_outputs() {
        let sum = received.entry(output.public_key_hash).or_default();
        *sum = sum.checked_add(output.value).unwrap_or(Amount::MAX_MONEY);
    }
    let mut rows = Vec::new();
    for (account, _) in wallet.keys().accounts() {
        for branch in branches.iter().copied() {
            for index in 0..wallet.keys().next_index(account, branch) {
                let path = KeyPath { account, branch, index };
                let address = wallet.address_at(path)?;
                let sum = received.get(&address.public_key_hash).copied().unwrap_or_default();
                rows.push((address.to_string(), wallet.keys().path_text(path), sum));
            }
        }
    }
    for (hash, key) in wallet.keys().imported() {
        let sum = received.get(hash).copied().unwrap_or_default();
        rows.push((key.address(wallet.spec()).to_string(), "imported".to_owned(), sum));
    }
    let label = |address: &str| wallet.labels().get(address).unwrap_or_default().to_owned();
    let as_json = |(address, path, received): &(String, String, Amount)| json!({ "address": address, "path": path, "received": json_amount(*received), "label": label(address) });
    let row = |(address, path, received): &(String, String, Amount)| {
        vec![address.clone(), path.clone(), received.to_string(), label(address)]
    };
    let list = Listing {
        header: &["ADDRESS", "PATH", "RECEIVED", "LABEL"],
        right: &[2],
        rows: rows.iter().map(row).collect(),
        empty: "no address was handed out yet: `new-address` gives one",
    };
    choose_list(options, csv, || json!({ "addresses": rows.iter().map(as_json).collect::<Vec<_>>() }), list)
}

fn accounts(options: &Options, csv: bool) -> Result<String, CliError> {
    let wallet = open_synced(options)?;
    let accounts: Vec<(u32, &Account)> = wallet.keys().accounts().collect();
    let as_json = |(number, account): &(u32, &Account)| {
        let balance = wallet.balance_of(*number);
        json!({
            "account": number, "name": account.name(), "path": account.path(), "watch_only": account.is_watch_only(),
            "confirmed": json_amount(balance.confirmed), "pending": json_amount(balance.pending),
            "immature": json_amount(balance.immature), "spendable": json_amount(balance.spendable),
        })
    };
    let row = |(number, account): &(u32, &Account)| {
        let balance = wallet.balance_of(*number);
        vec![
            number.to_string(),
            account.name().to_owned(),
            balance.confirmed.to_string(),
            balance.pending.to_string(),
            balance.immature.to_string(),
            account.path().to_owned(),
        ]
    };
    let list = Listing {
        header: &["ACCOUNT", "NAME", "CONFIRMED", "PENDING", "IMMATURE", "PATH"],
        right: &[0, 2, 3, 4],
        rows: accounts.iter().map(row).collect(),
        empty: "no accounts",
    };
    choose_list(options, csv, || json!({ "accounts": accounts.iter().map(as_json).collect::<Vec<Value>>() }), list)
}

fn create_account(options: &Options, name: Option<&str>) -> Result<String, CliError> {
    let mut wallet = open(options)?;
    let number = wallet.create_account(name)?;
    let address = wallet.address_of(number)?.to_string();
    let name = wallet.keys().account(number).map_err(WalletError::from)?.name().to_owned();
    Ok(choose(
        options,
        || json!({ "account": number, "name": name, "address": address }),
        || format!("{name} is account {number}; its first address is {address}\n"),
    ))
}

fn label(options: &Options, thing: &str, text: &str) -> Result<String, CliError> {
    let mut wallet = open(options)?;
    let is_thing =
        parse_outpoint(thing).is_ok() || thing.parse::<Txid>().is_ok() || wallet.parse_address(thing).is_ok();
    if !is_thing {
        return Err(CliError::Usage(format!("{thing:?} is no address, TXID or TXID:INDEX of this chain")));
    }
    wallet.labels_mut().set(thing, text);
    wallet.save()?;
    Ok(choose(options, || json!({ "thing": thing, "label": text }), || format!("{thing}  {text}\n")))
}

fn descriptors(options: &Options, account: u32) -> Result<String, CliError> {
    let wallet = open_to_read(options)?;
    let account = wallet.keys().account(account).map_err(WalletError::from)?;
    let (list, key) = (account.descriptors(), account.extended_public_key());
    Ok(choose(
        options,
        || json!({ "descriptors": list, "xpub": key, "path": account.path() }),
        || format!("{}\n{key}\n", list.join("\n")),
    ))
}

fn import_key(options: &Options) -> Result<String, CliError> {
    let mut wallet = open(options)?;
    let text = prompt::ask_text("Private key (WIF): ")?;
    let key = PrivateKey::from_wif(text.trim(), wallet.spec()).map_err(|error| CliError::Usage(error.to_string()))?;
    let address = key.public_key().address(wallet.spec()).to_string();
    let is_new = wallet.import_key(key)?;
    if has_node(options, wallet.spec()) {
        let client = client(options, wallet.spec())?;
        sync(&mut wallet, &client)?;
    }
    Ok(choose(
        options,
        || json!({ "address": address, "new": is_new }),
        || match is_new {
            true => format!("imported the key of {address}: the words do not restore it, a backup of the file does\n"),
            false => format!("the key of {address} was in the wallet already\n"),
        },
    ))
}

fn export_key(options: &Options, address: &str, yes: bool) -> Result<String, CliError> {
    let wallet = open_to_read(options)?;
    let parsed = wallet.parse_address(address)?;
    if !yes {
        return Err(CliError::Usage("whoever sees the key has its coins: add --yes to show it".into()));
    }
    let key = own_key(&wallet, &parsed.public_key_hash, address)?;
    let (wif, origin) =
        (zeroize::Zeroizing::new(key.to_wif(wallet.spec())), wallet.keys().origin(&parsed.public_key_hash));
    let path = match origin {
        Some(KeyOrigin::Derived(path)) => wallet.keys().path_text(path),
        _ => "imported".to_owned(),
    };
    Ok(choose(options, || json!({ "address": address, "path": path, "wif": *wif }), || format!("{}\n", *wif)))
}

/// The private key of an address that must be ours.
fn own_key(wallet: &Wallet, hash: &[u8; 20], address: &str) -> Result<PrivateKey, CliError> {
    if wallet.keys().origin(hash).is_none() {
        return Err(CliError::Failure(output::not_ours(address)));
    }
    Ok(wallet.keys().private_key(hash).map_err(WalletError::from)?)
}
