//! What each command does: opens the wallet, syncs if the command needs the chain, and says what there is to say.

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::time::Duration;

use chain_spec::{Amount, BlockHash, ChainSpec, PrivateKey, Txid};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::output::{self, json_amount, json_line};
use super::{CliError, Command, Options, Send, Sweep, prompt};
use crate::build::PaymentOptions;
use crate::client::{Auth, Client, ClientError};
use crate::clock;
use crate::keystore::{Branch, GAP_LIMIT, KeyPath, Words};
use crate::sync::{Progress, SyncReport};
use crate::view::State;
use crate::wallet::{Wallet, WalletError, sweep};

/// A scan shorter than this shows no progress.
const PROGRESS_BLOCKS_MIN: u32 = 2_000;
/// One wait for the next block; then the wallet looks again.
const WAIT_MS: u64 = 1_000;
/// How often it looks on a node without `waitfornewblock`.
const POLL_MS: u64 = 250;

/// Does a command and gives what is to be printed.
pub(super) fn run(options: &Options, command: Command) -> Result<String, CliError> {
    match command {
        Command::Create { chain, word_count, passphrase } => create(options, &chain, word_count, passphrase),
        Command::Restore { chain, words, passphrase, gap_limit } => {
            restore(options, &chain, words, passphrase, gap_limit)
        }
        Command::NewAddress => new_address(options),
        Command::Addresses { change } => addresses(options, change),
        Command::Balance => {
            let wallet = open_synced(options)?;
            let (balance, height) = (wallet.balance(), wallet.view().height());
            Ok(choose(options, || output::balance_json(&balance, height), || output::balance_text(&balance, height)))
        }
        Command::Coins => {
            let wallet = open_synced(options)?;
            let (coins, spec) = (wallet.coins(), wallet.spec());
            Ok(choose(options, || output::coins_json(&coins, spec), || output::coins_text(&coins, spec)))
        }
        Command::History { limit } => {
            let wallet = open_synced(options)?;
            let (lines, spec) = (wallet.history(), wallet.spec());
            let newest = &lines[lines.len() - limit.unwrap_or(lines.len()).min(lines.len())..];
            Ok(choose(options, || output::history_json(newest, spec), || output::history_text(newest)))
        }
        Command::Send(send) => pay(options, &send),
        Command::Sweep(arguments) => sweep_key(options, arguments),
        Command::Abandon { txid } => abandon(options, &txid),
        Command::Rescan => rescan(options),
        Command::Words { yes } => words(options, yes),
    }
}

fn choose(options: &Options, as_json: impl FnOnce() -> Value, as_text: impl FnOnce() -> String) -> String {
    if options.json { json_line(&as_json()) } else { as_text() }
}

fn wallet_path(options: &Options) -> Result<&Path, CliError> {
    let missing = || CliError::Usage("which wallet? give --wallet FILE, or set TESTOON_WALLET".into());
    options.wallet.as_deref().ok_or_else(missing)
}

fn open(options: &Options) -> Result<Wallet, CliError> {
    let path = wallet_path(options)?;
    let wait_ms = options.lock_timeout.saturating_mul(1_000);
    Ok(Wallet::open_waiting(path, &prompt::password(options, path)?, wait_ms)?)
}

/// Opens the wallet for a question and follows the chain, unless `--offline`. Another process may be using the file.
fn open_synced(options: &Options) -> Result<Wallet, CliError> {
    let path = wallet_path(options)?;
    let mut wallet = Wallet::open_to_read(path, &prompt::password(options, path)?)?;
    if !options.offline {
        let client = client(options, wallet.spec())?;
        sync(&mut wallet, &client)?;
    }
    Ok(wallet)
}

/// Opens the wallet for a command that makes no sense without the node.
fn open_online(options: &Options) -> Result<(Wallet, Client), CliError> {
    if options.offline {
        return Err(CliError::Usage("this command needs the node: leave out --offline".into()));
    }
    let wallet = open(options)?;
    let client = client(options, wallet.spec())?;
    Ok((wallet, client))
}

fn client(options: &Options, spec: &ChainSpec) -> Result<Client, CliError> {
    let default = || format!("http://127.0.0.1:{}", spec.default_rpc_port);
    let url = options.rpc.clone().unwrap_or_else(default);
    let auth = match (&options.rpc_user, &options.rpc_password, &options.cookie) {
        (Some(user), Some(password), _) => {
            Auth::UserPassword { user: user.clone(), password: Zeroizing::new(password.clone()) }
        }
        (_, _, Some(cookie)) => Auth::Cookie(cookie.clone()),
        _ => {
            return Err(CliError::Usage(format!(
                "no credentials for the node at {url}: give --cookie DATADIR/.cookie, or --rpc-user and --rpc-password"
            )));
        }
    };
    Ok(Client::new(&url, auth).map_err(WalletError::from)?)
}

fn has_credentials(options: &Options) -> bool {
    !options.offline && (options.cookie.is_some() || options.rpc_user.is_some())
}

fn sync(wallet: &mut Wallet, client: &Client) -> Result<SyncReport, CliError> {
    let mut shown = false;
    let report = wallet.sync_with(client, &mut |progress| shown |= show_progress(progress));
    if shown {
        let _ = writeln!(std::io::stderr());
    }
    let report = report?;
    for reversal in &report.reversed {
        let now = match reversal.by {
            Some(by) => format!("{by} spends its coins now: the payment is lost unless the chain changes again"),
            None => "it is unconfirmed again".to_owned(),
        };
        let _ = writeln!(
            std::io::stderr(),
            "WARNING: payment {} was REVERSED: a reorganisation took it out of the chain; {now}",
            reversal.txid
        );
    }
    for (txid, reason) in &report.refused {
        let _ = writeln!(
            std::io::stderr(),
            "warning: the node does not take {txid} again ({reason}): `abandon {txid}` frees its coins"
        );
    }
    Ok(report)
}

/// One line that is written over; only where a person sees it and only for long scans.
fn show_progress(progress: Progress) -> bool {
    let wanted = progress.target >= PROGRESS_BLOCKS_MIN && std::io::stderr().is_terminal();
    if wanted {
        let _ = write!(std::io::stderr(), "\rscanned block {} of {}", progress.height, progress.target);
    }
    wanted
}

fn load_chain(name: &str) -> Result<ChainSpec, CliError> {
    if let Some(spec) = ChainSpec::builtin(name) {
        return Ok(spec);
    }
    let text = std::fs::read_to_string(name).map_err(|error| {
        let known = ChainSpec::BUILTIN.join(", ");
        CliError::Usage(format!(
            "no chain {name:?}: the built-in ones are {known}; as a file it cannot be read ({error})"
        ))
    })?;
    ChainSpec::from_toml(&text).map_err(|error| CliError::Usage(format!("chain spec {name}: {error}")))
}

fn create(options: &Options, chain: &str, count: usize, passphrase: Option<String>) -> Result<String, CliError> {
    let (path, spec) = (wallet_path(options)?, load_chain(chain)?);
    let words = Words::generate(count).map_err(|error| CliError::Usage(error.to_string()))?;
    let passphrase = Zeroizing::new(passphrase.unwrap_or_default());
    refuse_existing(path)?;
    let wallet = Wallet::create(path, spec, &words, &passphrase, &prompt::new_password(options)?)?;
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

/// Says so before a password is asked for.
fn refuse_existing(path: &Path) -> Result<(), CliError> {
    match path.symlink_metadata() {
        Ok(_) => Err(WalletError::from(crate::file::FileError::Exists(path.to_owned())).into()),
        Err(_) => Ok(()),
    }
}

fn restore(
    options: &Options,
    chain: &str,
    words: Option<String>,
    passphrase: Option<String>,
    gap_limit: u32,
) -> Result<String, CliError> {
    let (path, spec) = (wallet_path(options)?, load_chain(chain)?);
    refuse_existing(path)?;
    let words = match words {
        Some(words) => Zeroizing::new(words),
        None => prompt::ask_text("Words: ")?,
    };
    let words = Words::parse(&words).map_err(|error| CliError::Usage(error.to_string()))?;
    let passphrase = Zeroizing::new(passphrase.unwrap_or_default());
    let mut wallet = Wallet::create(path, spec, &words, &passphrase, &prompt::new_password(options)?)?;
    if gap_limit > GAP_LIMIT {
        wallet.set_gap_limit(gap_limit)?;
        wallet.save()?;
    }
    let online = has_credentials(options);
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
    Ok(choose(
        options,
        || {
            json!({
                "wallet": path, "chain": chain, "address": address, "synced": online, "height": height,
                "transactions": transactions, "total": json_amount(balance.total()),
            })
        },
        || {
            let found = match online {
                true => format!("found    {transactions} transactions, {} in all, at height {height}", balance.total()),
                false => "no node was asked: the next command with --rpc and --cookie finds the history".into(),
            };
            format!("wallet   {} on chain {chain}\naddress  {address}\n{found}\n", path.display())
        },
    ))
}

fn new_address(options: &Options) -> Result<String, CliError> {
    let mut wallet = open(options)?;
    if has_credentials(options) {
        let client = client(options, wallet.spec())?;
        sync(&mut wallet, &client)?;
    }
    let index = wallet.keys().next_index(Branch::External);
    let address = wallet.new_address()?.to_string();
    let path = wallet.keys().path_text(KeyPath { branch: Branch::External, index });
    let used = wallet.ledger().own_outputs().filter_map(|(_, output)| wallet.keys().path(&output.public_key_hash));
    let last_used = used.filter(|path| path.branch == Branch::External).map(|path| path.index + 1).max();
    if index >= last_used.unwrap_or(0) + GAP_LIMIT {
        let _ = writeln!(
            std::io::stderr(),
            "warning: {} unused addresses in a row: to restore this wallet from its words, use --gap-limit {}",
            index + 1 - last_used.unwrap_or(0),
            index + 1 - last_used.unwrap_or(0) + GAP_LIMIT
        );
    }
    Ok(choose(options, || json!({ "address": address, "path": path }), || format!("{address}\n")))
}

fn addresses(options: &Options, change: bool) -> Result<String, CliError> {
    let wallet = open_synced(options)?;
    let branches = if change { vec![Branch::External, Branch::Change] } else { vec![Branch::External] };
    let mut rows = Vec::new();
    for branch in branches {
        for index in 0..wallet.keys().next_index(branch) {
            let path = KeyPath { branch, index };
            let (address, hash) = (wallet.address_at(path)?, wallet.keys().hash(path));
            let outputs = wallet.ledger().own_outputs().filter(|(_, output)| Some(output.public_key_hash) == hash);
            let received = Amount::checked_sum(outputs.map(|(_, output)| output.value)).unwrap_or(Amount::MAX_MONEY);
            rows.push((address.to_string(), wallet.keys().path_text(path), received));
        }
    }
    let as_json = |(address, path, received): &(String, String, Amount)| json!({ "address": address, "path": path, "received": json_amount(*received) });
    Ok(choose(
        options,
        || json!({ "addresses": rows.iter().map(as_json).collect::<Vec<_>>() }),
        || output::addresses_text(rows.iter().map(|(a, p, r)| vec![a.clone(), p.clone(), r.to_string()]).collect()),
    ))
}

fn pay(options: &Options, send: &Send) -> Result<String, CliError> {
    let (mut wallet, client) = open_online(options)?;
    let to = wallet.parse_address(&send.address)?;
    sync(&mut wallet, &client)?;
    let payment_options = PaymentOptions {
        fee_rate: send.fee_rate,
        subtract_fee: send.subtract_fee,
        allow_high_fee: send.allow_high_fee,
        coins: send.coins.clone(),
    };
    let payment = wallet.build_payment(&to, send.amount, &payment_options)?;
    let mut value = output::payment_json(&payment, &to, send.fee_rate, !send.dry_run);
    let mut text = output::payment_text(&payment, &to, !send.dry_run);
    if !send.dry_run {
        let started = clock::instant();
        let txid = wallet.send(&client, &payment)?;
        if let Some(wanted) = send.wait {
            // Others may use the file meanwhile; what this process sees while it waits, the next command sees as well.
            wallet.release();
            let limit = send.wait_timeout.map(Duration::from_secs);
            let confirmations = wait(&mut wallet, &client, &txid, wanted, limit)?;
            let seconds = (started.elapsed().as_secs_f64() * 1_000.0).round() / 1_000.0;
            (value["confirmations"], value["seconds"]) = (json!(confirmations), json!(seconds));
            text += &format!("{confirmations} confirmations after {seconds:.1} s\n");
        }
    }
    Ok(choose(options, || value, || text))
}

/// Waits until a transaction has `wanted` confirmations, and gives how many it has.
fn wait(
    wallet: &mut Wallet,
    client: &Client,
    txid: &Txid,
    wanted: u32,
    limit: Option<Duration>,
) -> Result<u32, CliError> {
    let started = clock::instant();
    loop {
        sync(wallet, client)?;
        match wallet.state(txid) {
            Some(State::Conflicted { by }) => {
                return Err(CliError::Failure(format!("payment {txid} will not confirm: {by} spent its coins")));
            }
            Some(state) if state.confirmations() >= wanted => return Ok(state.confirmations()),
            _ => {}
        }
        if limit.is_some_and(|limit| started.elapsed() >= limit) {
            return Err(CliError::Failure(format!("payment {txid} has not {wanted} confirmations yet: it was sent")));
        }
        let tip = wallet.ledger().tip().map_or(BlockHash::ZERO, |(_, hash)| hash);
        match client.wait_for_block_after(&tip, WAIT_MS) {
            Ok(()) => {}
            // Nodes without the method, or without its second parameter, can only be asked again.
            Err(ClientError::Rpc { .. }) => std::thread::sleep(Duration::from_millis(POLL_MS)),
            Err(error) => return Err(WalletError::from(error).into()),
        }
    }
}

fn sweep_key(options: &Options, arguments: Sweep) -> Result<String, CliError> {
    let Sweep { key, fee_rate, allow_high_fee, dry_run } = arguments;
    let (mut wallet, client) = open_online(options)?;
    let text = match key {
        Some(key) => Zeroizing::new(key),
        None => prompt::ask_text("Private key (WIF): ")?,
    };
    let key = PrivateKey::from_wif(text.trim(), wallet.spec()).map_err(|error| CliError::Usage(error.to_string()))?;
    sync(&mut wallet, &client)?;
    let payment = sweep::build(&wallet, &client, &key, fee_rate, allow_high_fee, &mut |progress| {
        show_progress(progress);
    })?;
    let to = wallet.address()?;
    if !dry_run {
        wallet.send(&client, &payment)?;
    }
    Ok(choose(
        options,
        || output::payment_json(&payment, &to, fee_rate, !dry_run),
        || output::payment_text(&payment, &to, !dry_run),
    ))
}

fn abandon(options: &Options, txid: &Txid) -> Result<String, CliError> {
    let mut wallet = open(options)?;
    if !options.offline {
        // Without sending it again, which would defeat the purpose.
        let client = client(options, wallet.spec())?;
        wallet.look(&client)?;
    }
    wallet.abandon(txid)?;
    Ok(choose(
        options,
        || json!({ "txid": txid.to_string(), "state": "abandoned" }),
        || format!("abandoned {txid}: its coins can be spent again; whoever still holds it may mine it\n"),
    ))
}

fn rescan(options: &Options) -> Result<String, CliError> {
    let (mut wallet, client) = open_online(options)?;
    wallet.rescan();
    let report = sync(&mut wallet, &client)?;
    let transactions = wallet.history().len();
    Ok(choose(
        options,
        || json!({ "height": report.height, "blocks": report.connected, "transactions": transactions }),
        || format!("read {} blocks, found {transactions} transactions\n", report.connected),
    ))
}

fn words(options: &Options, yes: bool) -> Result<String, CliError> {
    let wallet = open(options)?;
    if !yes {
        if options.json || !std::io::stdin().is_terminal() {
            return Err(CliError::Usage("whoever sees the words has the coins: add --yes to show them".into()));
        }
        let answer = prompt::ask_text("Whoever sees the words has the coins. Type yes to show them: ")?;
        if answer.trim() != "yes" {
            return Err(CliError::Cancelled);
        }
    }
    let text = wallet.words().to_text();
    let passphrase = wallet.passphrase().to_owned();
    Ok(choose(
        options,
        || json!({ "words": *text, "passphrase": passphrase }),
        || match passphrase.is_empty() {
            true => format!("{}\n", *text),
            false => format!("{}\npassphrase: {passphrase}\n", *text),
        },
    ))
}
