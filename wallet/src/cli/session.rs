//! Opening wallets and finding nodes, as the options of every command say.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use chain_spec::{Address, ChainSpec, Outpoint};
use serde_json::Value;
use zeroize::Zeroizing;

use super::error::CliError;
use super::listing::{self, Listing, Severity};
use super::output::json_line;
use super::{Options, prompt};
use crate::client::{Auth, Client};
use crate::file::Password;
use crate::network::{LocalNetwork, NetworkError, NodeAddress, usual_cookie, usual_wallet};
use crate::sync::{Progress, SyncReport};
use crate::wallet::Wallet;

/// A scan shorter than this shows no progress.
const PROGRESS_BLOCKS_MIN: u32 = 2_000;

impl From<NetworkError> for CliError {
    fn from(error: NetworkError) -> CliError {
        match error {
            NetworkError::Missing(_) | NetworkError::NoNode { .. } => CliError::Usage(error.to_string()),
            _ => CliError::Failure(error.to_string()),
        }
    }
}

/// JSON, CSV or text, as asked.
pub(super) fn choose_list(
    options: &Options,
    csv: bool,
    as_json: impl FnOnce() -> Value,
    listing: Listing,
) -> Result<String, CliError> {
    match (csv, options.json) {
        (true, true) => Err(CliError::Usage("CSV or JSON? leave out one of --csv and --json".into())),
        (true, false) => listing.csv(),
        (false, _) => Ok(choose(options, as_json, || listing.text())),
    }
}

/// JSON or text, as asked.
pub(super) fn choose(options: &Options, as_json: impl FnOnce() -> Value, as_text: impl FnOnce() -> String) -> String {
    if options.json { json_line(&as_json()) } else { as_text() }
}

/// A line for a person beside the answer.
pub(super) fn warn(text: &str) {
    listing::tell("warning:", Severity::Caution, text);
}

/// The network that the options name, or the usual one.
fn network(options: &Options) -> Result<Option<LocalNetwork>, CliError> {
    match &options.dir {
        Some(directory) => Ok(Some(LocalNetwork::open(directory)?)),
        None => Ok(LocalNetwork::usual()),
    }
}

/// The network's directory, for commands that cannot do without one.
pub(super) fn require_network(options: &Options) -> Result<LocalNetwork, CliError> {
    let missing = || CliError::Usage("which network? give --dir DIRECTORY of one that `testoon up` started".into());
    network(options)?.ok_or_else(missing)
}

/// The wallet file: as given, an account's of the network, or the usual one.
pub(super) fn wallet_path(options: &Options) -> Result<PathBuf, CliError> {
    let missing = || CliError::Usage("which wallet? give --wallet FILE, or set TESTOON_WALLET".into());
    let Some(given) = &options.wallet else { return usual_wallet().ok_or_else(missing) };
    if given.exists() {
        return Ok(given.clone());
    }
    let account = given.to_str().and_then(|name| network(options).ok().flatten()?.account(name));
    Ok(account.unwrap_or_else(|| given.clone()))
}

/// The next address of an account of the network, if that is what the text names: payments between the accounts of a network
/// need no copying of addresses. An account of another chain than the wallet's is none.
pub(super) fn account_address(options: &Options, spec: &ChainSpec, name: &str) -> Option<Address> {
    let around = || LocalNetwork::around(&wallet_path(options).ok()?);
    let network = if options.dir.is_some() { network(options).ok()? } else { around().or_else(LocalNetwork::usual) };
    let account = Wallet::open_to_read(&network?.account(name)?, &Password::None).ok()?;
    let is_same_chain = account.spec().genesis_hash() == spec.genesis_hash();
    account.address().ok().filter(|_| is_same_chain)
}

/// What `--chain` is where it is not given: the network's chain, if one is named, else `local`.
pub(super) fn usual_chain(options: &Options) -> Result<String, CliError> {
    if options.dir.is_some() || options.node.is_some() {
        return Ok(require_network(options)?.chain()?);
    }
    Ok("local".to_owned())
}

/// Reads a chain spec by its name or from a file.
pub(super) fn load_chain(name: &str) -> Result<ChainSpec, CliError> {
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

/// Opens the wallet to change it.
pub(super) fn open(options: &Options) -> Result<Wallet, CliError> {
    let path = wallet_path(options)?;
    let wait_ms = options.lock_timeout.saturating_mul(1_000);
    Ok(Wallet::open_waiting(&path, &prompt::password(options, &path)?, wait_ms)?)
}

/// Opens the wallet for a question. Another process may be using the file.
pub(super) fn open_to_read(options: &Options) -> Result<Wallet, CliError> {
    let path = wallet_path(options)?;
    Ok(Wallet::open_to_read(&path, &prompt::password(options, &path)?)?)
}

/// Opens the wallet for a question and follows the chain, unless `--offline`.
pub(super) fn open_synced(options: &Options) -> Result<Wallet, CliError> {
    let mut wallet = open_to_read(options)?;
    if !options.offline {
        let client = client(options, wallet.spec())?;
        sync(&mut wallet, &client)?;
    }
    Ok(wallet)
}

/// Opens the wallet for a command that makes no sense without the node.
pub(super) fn open_online(options: &Options) -> Result<(Wallet, Client), CliError> {
    refuse_offline(options)?;
    let wallet = open(options)?;
    let client = client(options, wallet.spec())?;
    Ok((wallet, client))
}

/// The same for a question.
pub(super) fn read_online(options: &Options) -> Result<(Wallet, Client), CliError> {
    refuse_offline(options)?;
    let wallet = open_to_read(options)?;
    let client = client(options, wallet.spec())?;
    Ok((wallet, client))
}

fn refuse_offline(options: &Options) -> Result<(), CliError> {
    if options.offline {
        return Err(CliError::Usage("this command needs the node: leave out --offline".into()));
    }
    Ok(())
}

/// A client for the node that the options name, or that is found: a node of the network whose account the wallet is, a node
/// of the chain in its usual place, a node of the usual network.
pub(super) fn client(options: &Options, spec: &ChainSpec) -> Result<Client, CliError> {
    let port = || format!("http://127.0.0.1:{}", spec.default_rpc_port);
    let found = if options.rpc.is_none() && !names_credentials(options) { find_node(options, spec)? } else { None };
    let (url, auth) = match (found, &options.rpc_user, &options.rpc_password, &options.cookie) {
        (Some(node), ..) => (node.url, Auth::Cookie(node.cookie)),
        (None, Some(user), Some(password), _) => {
            let password = Zeroizing::new(password.clone());
            (options.rpc.clone().unwrap_or_else(port), Auth::UserPassword { user: user.clone(), password })
        }
        (None, _, _, Some(cookie)) => (options.rpc.clone().unwrap_or_else(port), Auth::Cookie(cookie.clone())),
        _ => {
            let url = options.rpc.clone().unwrap_or_else(port);
            return Err(CliError::Usage(format!(
                "no credentials for the node at {url}: give --cookie DATADIR/.cookie, or --rpc-user and --rpc-password"
            )));
        }
    };
    Ok(Client::new(&url, auth)?)
}

fn names_credentials(options: &Options) -> bool {
    options.cookie.is_some() || options.rpc_user.is_some()
}

fn find_node(options: &Options, spec: &ChainSpec) -> Result<Option<NodeAddress>, CliError> {
    let wallet = wallet_path(options).ok();
    let around = wallet.as_deref().and_then(LocalNetwork::around);
    if options.node.is_some() || options.dir.is_some() || around.is_some() {
        let network = match (&options.dir, around) {
            (None, Some(network)) => network,
            _ => require_network(options)?,
        };
        let account = wallet.as_deref().and_then(Path::file_stem).and_then(|stem| stem.to_str());
        return Ok(Some(network.node(options.node.as_deref(), account)?));
    }
    if let Some(cookie) = usual_cookie(&spec.name).filter(|cookie| cookie.is_file()) {
        return Ok(Some(NodeAddress { url: format!("http://127.0.0.1:{}", spec.default_rpc_port), cookie }));
    }
    Ok(LocalNetwork::usual().and_then(|network| network.node(None, None).ok()))
}

/// Whether a node can be asked: it is named, or found.
pub(super) fn has_node(options: &Options, spec: &ChainSpec) -> bool {
    !options.offline && client(options, spec).is_ok()
}

/// Follows the chain, showing progress, and says what went wrong with payments meanwhile.
pub(super) fn sync(wallet: &mut Wallet, client: &Client) -> Result<SyncReport, CliError> {
    let mut shown = false;
    let report = wallet.sync_with(client, &mut |progress| shown |= show_progress(progress));
    if shown {
        let _ = writeln!(std::io::stderr());
    }
    let report = report?;
    tell(&report);
    Ok(report)
}

/// Says which payments were reversed or are refused.
pub(super) fn tell(report: &SyncReport) {
    for reversal in &report.reversed {
        let now = match reversal.by {
            Some(by) => format!("{by} spends its coins now: the payment is lost unless the chain changes again"),
            None => "it is unconfirmed again".to_owned(),
        };
        let text = format!("payment {} was REVERSED: a reorganisation took it out of the chain; {now}", reversal.txid);
        listing::tell("WARNING:", Severity::Failure, &text);
    }
    for (txid, reason) in &report.refused {
        warn(&format!("the node does not take {txid} again ({reason}): `abandon {txid}` frees its coins"));
    }
}

/// One line that is written over; only where a person sees it and only for long scans.
pub(super) fn show_progress(progress: Progress) -> bool {
    let wanted = progress.target >= PROGRESS_BLOCKS_MIN && std::io::stderr().is_terminal();
    if wanted {
        let _ = write!(std::io::stderr(), "\rscanned block {} of {}", progress.height, progress.target);
    }
    wanted
}

/// `TXID:INDEX`.
pub(super) fn parse_outpoint(text: &str) -> Result<Outpoint, String> {
    let parsed = text
        .split_once(':')
        .and_then(|(txid, index)| Some(Outpoint { txid: txid.parse().ok()?, index: index.parse().ok()? }));
    parsed.ok_or_else(|| "a coin is TXID:INDEX, as `coins` lists it".to_owned())
}

/// A file's text, or standard input's for `-`.
pub(super) fn read_text(path: &Path) -> Result<Vec<u8>, CliError> {
    if path == Path::new("-") {
        return Ok(prompt::read_all()?.as_bytes().to_vec());
    }
    std::fs::read(path).map_err(|error| CliError::Failure(format!("cannot read {}: {error}", path.display())))
}

/// Writes a new file that its owner alone can read; never over another one.
pub(super) fn write_new(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    use std::os::unix::fs::OpenOptionsExt;
    let opened = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    opened
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .map_err(|error| CliError::Failure(format!("cannot write {}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coins_are_named_by_txid_and_index() {
        let txid = "aa".repeat(32);
        assert_eq!(parse_outpoint(&format!("{txid}:7")).unwrap().index, 7);
        for bad in ["", ":", "aa:1", &txid, &format!("{txid}:-1"), &format!("{txid}:x")] {
            assert!(parse_outpoint(bad).is_err(), "{bad}");
        }
    }
}
