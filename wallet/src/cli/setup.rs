//! Making, restoring, inspecting and keeping a wallet file.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use clap::builder::BoolishValueParser;
use serde_json::json;
use zeroize::Zeroizing;

use super::error::CliError;
use super::output::{count, json_amount};
use super::session::{
    choose, client, has_node, load_chain, open, open_to_read, sync, usual_chain, wallet_path, write_new,
};
use super::{Options, prompt};
use crate::file::{FileError, Password, WalletFile};
use crate::keystore::{GAP_LIMIT, Words, descriptor};
use crate::wallet::{Wallet, WalletError};

#[derive(Subcommand)]
pub(super) enum Command {
    /// Make a wallet and show its words, once
    Create {
        /// Chain name (local, testnet, main, bitcoin-regtest, bitcoin-main) or path of a chain spec [default: local]
        #[arg(long, value_name = "NAME|PATH", env = "TESTOON_CHAIN")]
        chain: Option<String>,
        /// How many words: 12, 15, 18, 21 or 24
        #[arg(long, value_name = "N", env = "TESTOON_WALLET_WORD_COUNT", default_value_t = 12)]
        word_count: usize,
        /// BIP39 passphrase; without it the words alone do not restore the wallet
        #[arg(long, value_name = "TEXT", env = "TESTOON_WALLET_PASSPHRASE", hide_env_values = true)]
        passphrase: Option<String>,
    },
    /// Make a wallet from words and find its history, in all accounts
    Restore {
        /// Chain name or path of a chain spec [default: local]
        #[arg(long, value_name = "NAME|PATH", env = "TESTOON_CHAIN")]
        chain: Option<String>,
        /// The words, in quotes [default: read from standard input, which others on this machine cannot see]
        #[arg(long, value_name = "WORDS", env = "TESTOON_WALLET_WORDS", hide_env_values = true)]
        words: Option<String>,
        /// BIP39 passphrase
        #[arg(long, value_name = "TEXT", env = "TESTOON_WALLET_PASSPHRASE", hide_env_values = true)]
        passphrase: Option<String>,
        /// Unused addresses in a row after which the search for used ones stops (at least 20)
        #[arg(long, value_name = "N", env = "TESTOON_WALLET_GAP_LIMIT", default_value_t = GAP_LIMIT,
              value_parser = clap::value_parser!(u32).range(1..=100_000))]
        gap_limit: u32,
    },
    /// Make a wallet that watches an account and cannot spend
    WatchOnly {
        /// An account's extended public key (tpub…, xpub…) or pkh() descriptor; several make several accounts
        #[arg(required = true, value_name = "XPUB|DESCRIPTOR")]
        keys: Vec<String>,
        /// Chain name or path of a chain spec [default: local]
        #[arg(long, value_name = "NAME|PATH", env = "TESTOON_CHAIN")]
        chain: Option<String>,
        /// Unused addresses in a row after which the search for used ones stops (at least 20)
        #[arg(long, value_name = "N", env = "TESTOON_WALLET_GAP_LIMIT", default_value_t = GAP_LIMIT,
              value_parser = clap::value_parser!(u32).range(1..=100_000))]
        gap_limit: u32,
    },
    /// Show the words, which are the wallet's backup
    Words {
        /// Do not ask for confirmation
        #[arg(long, env = "TESTOON_WALLET_YES", value_parser = BoolishValueParser::new())]
        yes: bool,
    },
    /// Say what the file is: chain, format, encryption, keys
    Info,
    /// Copy the wallet, encrypted as it is, to another file
    Backup {
        /// A file that does not exist yet
        #[arg(value_name = "FILE")]
        to: PathBuf,
    },
    /// Encrypt the wallet under another password
    ChangePassword {
        /// Read the new password from the first line of this file
        #[arg(long, value_name = "FILE", env = "TESTOON_WALLET_NEW_PASSWORD_FILE")]
        new_password_file: Option<PathBuf>,
        /// Leave the file without a password: whoever has it can spend
        #[arg(long, env = "TESTOON_WALLET_REMOVE_PASSWORD", conflicts_with = "new_password_file",
              value_parser = BoolishValueParser::new())]
        remove: bool,
    },
}

pub(super) fn run(options: &Options, command: Command) -> Result<String, CliError> {
    match command {
        Command::Create { chain, word_count, passphrase } => create(options, chain, word_count, passphrase),
        Command::Restore { chain, words, passphrase, gap_limit } => {
            restore(options, chain, words, passphrase, gap_limit)
        }
        Command::WatchOnly { keys, chain, gap_limit } => watch_only(options, &keys, chain, gap_limit),
        Command::Words { yes } => words(options, yes),
        Command::Info => info(options),
        Command::Backup { to } => backup(options, &to),
        Command::ChangePassword { new_password_file, remove } => {
            change_password(options, new_password_file.as_deref(), remove)
        }
    }
}

fn usage(error: impl ToString) -> CliError {
    CliError::Usage(error.to_string())
}

fn create(
    options: &Options,
    chain: Option<String>,
    count: usize,
    passphrase: Option<String>,
) -> Result<String, CliError> {
    let (path, spec) = (new_path(options)?, load_chain(&chain.map_or_else(|| usual_chain(options), Ok)?)?);
    let words = Words::generate(count).map_err(usage)?;
    let passphrase = Zeroizing::new(passphrase.unwrap_or_default());
    let wallet = Wallet::create(&path, spec, &words, &passphrase, &prompt::new_password(options)?)?;
    let (text, chain, address) = (words.to_text(), &wallet.spec().name, wallet.address()?.to_string());
    Ok(choose(
        options,
        || json!({ "wallet": path, "chain": chain, "words": *text, "address": address }),
        || {
            format!(
                "wallet   {} on chain {chain}\naddress  {address}\nwords    {}\n\n\
                 Write the words down: they are the backup, and whoever has them has the coins.\n",
                path.display(),
                *text
            )
        },
    ))
}

/// Where the new wallet goes. Says so before a password is asked for if something is there.
fn new_path(options: &Options) -> Result<PathBuf, CliError> {
    let path = wallet_path(options)?;
    if path.symlink_metadata().is_ok() {
        return Err(WalletError::from(FileError::Exists(path)).into());
    }
    if options.wallet.is_none()
        && let Some(directory) = path.parent()
    {
        let failed = |error| CliError::Failure(format!("cannot create {}: {error}", directory.display()));
        std::fs::create_dir_all(directory).map_err(failed)?;
    }
    Ok(path)
}

fn restore(
    options: &Options,
    chain: Option<String>,
    words: Option<String>,
    passphrase: Option<String>,
    gap_limit: u32,
) -> Result<String, CliError> {
    let (path, spec) = (new_path(options)?, load_chain(&chain.map_or_else(|| usual_chain(options), Ok)?)?);
    let words = match words {
        Some(words) => Zeroizing::new(words),
        None => prompt::ask_text("Words: ")?,
    };
    let words = Words::parse(&words).map_err(usage)?;
    let passphrase = Zeroizing::new(passphrase.unwrap_or_default());
    let wallet = Wallet::create(&path, spec, &words, &passphrase, &prompt::new_password(options)?)?;
    find_history(options, wallet, &path, gap_limit)
}

fn watch_only(options: &Options, keys: &[String], chain: Option<String>, gap_limit: u32) -> Result<String, CliError> {
    let (path, spec) = (new_path(options)?, load_chain(&chain.map_or_else(|| usual_chain(options), Ok)?)?);
    let keys = keys.iter().map(|key| descriptor::parse(key, &spec)).collect::<Result<Vec<_>, _>>().map_err(usage)?;
    let wallet = Wallet::create_watching(&path, spec, keys, &prompt::new_password(options)?)?;
    find_history(options, wallet, &path, gap_limit)
}

fn find_history(options: &Options, mut wallet: Wallet, path: &Path, gap_limit: u32) -> Result<String, CliError> {
    if gap_limit > GAP_LIMIT {
        wallet.set_gap_limit(gap_limit)?;
        wallet.save()?;
    }
    let online = has_node(options, wallet.spec());
    if online {
        let client = client(options, wallet.spec())?;
        if let Err(error) = sync(&mut wallet, &client) {
            eprintln!(
                "note: the wallet {} is made and usable; only its history is missing: the next command with a node finds it",
                path.display()
            );
            return Err(error);
        }
    }
    let (chain, address, balance) = (&wallet.spec().name, wallet.address()?.to_string(), wallet.balance());
    let (transactions, height) = (wallet.history().len(), wallet.view().height());
    let accounts = wallet.keys().accounts().count();
    Ok(choose(
        options,
        || {
            json!({
                "wallet": path, "chain": chain, "address": address, "synced": online, "height": height,
                "accounts": accounts, "transactions": transactions, "total": json_amount(balance.total()),
            })
        },
        || {
            let found = match online {
                true => {
                    let found = count(transactions as u64, "transaction");
                    format!("found    {found}, {} in all, at height {height}", balance.total())
                }
                false => "no node was asked: the next command with --rpc and --cookie finds the history".into(),
            };
            format!("wallet   {} on chain {chain}\naddress  {address}\n{found}\n", path.display())
        },
    ))
}

fn words(options: &Options, yes: bool) -> Result<String, CliError> {
    let wallet = open_to_read(options)?;
    if !yes {
        if options.json || !std::io::stdin().is_terminal() {
            return Err(CliError::Usage("whoever sees the words has the coins: add --yes to show them".into()));
        }
        let answer = prompt::ask_text("Whoever sees the words has the coins. Type yes to show them: ")?;
        if answer.trim() != "yes" {
            return Err(CliError::Cancelled);
        }
    }
    let text = wallet.words()?.to_text();
    let passphrase = wallet.passphrase();
    Ok(choose(
        options,
        || json!({ "words": *text, "passphrase": *passphrase }),
        || match passphrase.is_empty() {
            true => format!("{}\n", *text),
            false => format!("{}\npassphrase: {}\n", *text, *passphrase),
        },
    ))
}

fn info(options: &Options) -> Result<String, CliError> {
    let path = wallet_path(options)?;
    let wallet = open_to_read(options)?;
    let file = wallet.file().ok_or_else(|| CliError::Failure("the wallet has no file".into()))?;
    let (format, cost) = (file.version(), file.cost());
    let bytes = std::fs::metadata(file.path()).map(|file| file.len()).unwrap_or(0);
    let encryption = match file.is_open() {
        true => "none: whoever has the file can spend".to_owned(),
        false => format!(
            "XChaCha20-Poly1305 under a password (Argon2id, {} MiB, {} passes, {})",
            cost.memory_kib / 1024,
            cost.passes,
            count(cost.lanes, "lane")
        ),
    };
    let keys = wallet.keys();
    let (accounts, imported) = (keys.accounts().count(), keys.imported().count());
    let kind = if keys.is_watch_only() { "watch-only" } else { "words" };
    let (height, transactions) = (wallet.view().height(), wallet.ledger().entries().count());
    Ok(choose(
        options,
        || {
            json!({
                "wallet": path, "chain": wallet.spec().name, "format": format, "bytes": bytes,
                "password": !file.is_open(), "argon2": { "memory_kib": cost.memory_kib, "passes": cost.passes, "lanes": cost.lanes },
                "keys": kind, "accounts": accounts, "imported": imported, "gap_limit": keys.gap_limit(),
                "height": height, "transactions": transactions,
            })
        },
        || {
            format!(
                "wallet      {}, {bytes} bytes, format {format}\nchain       {} at height {height}\n\
                 encryption  {encryption}\nkeys        {kind}, {}, {}, gap limit {}\n\
                 history     {}\n",
                path.display(),
                wallet.spec().name,
                count(accounts as u64, "account"),
                count(imported as u64, "imported key"),
                keys.gap_limit(),
                count(transactions as u64, "transaction"),
            )
        },
    ))
}

fn backup(options: &Options, to: &Path) -> Result<String, CliError> {
    let path = wallet_path(options)?;
    // Opening it proves that the password is known and that the copy will be whole.
    let wallet = open_to_read(options)?;
    let bytes = std::fs::read(wallet.file().map_or(path.as_path(), WalletFile::path))
        .map_err(|error| CliError::Failure(format!("cannot read {}: {error}", path.display())))?;
    write_new(to, &bytes)?;
    Ok(choose(
        options,
        || json!({ "wallet": path, "backup": to, "bytes": bytes.len() }),
        || format!("copied {} to {}: the same password opens it\n", path.display(), to.display()),
    ))
}

fn change_password(options: &Options, file: Option<&Path>, remove: bool) -> Result<String, CliError> {
    let path = wallet_path(options)?;
    let mut wallet = open(options)?;
    let password = if remove { Password::None } else { prompt::changed_password(file)? };
    wallet.change_password(&password)?;
    Ok(choose(
        options,
        || json!({ "wallet": path, "password": !remove }),
        || match remove {
            true => format!("{} has no password any more: whoever has it can spend\n", path.display()),
            false => format!("{} opens with the new password only\n", path.display()),
        },
    ))
}
