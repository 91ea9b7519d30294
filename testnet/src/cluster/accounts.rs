//! The wallets in a network's directory: the demo accounts everybody knows, and one for each miner's earnings.
//!
//! They have no password: they are for play, and `testoon pay` must be able to open them.

use super::directory::Directory;
use crate::error::usage;
use crate::plan::Plan;
use anyhow::{Context as _, Result};
use chain_spec::ChainSpec;
use std::path::{Path, PathBuf};
use wallet::{Password, Wallet, Words};

/// Accounts that every network has; on a chain with demo accounts these are funded by its genesis block.
pub const NAMES: [&str; 4] = ["alice", "bob", "shop", "mallory"];
/// Words of a new wallet's phrase.
const WORDS: usize = 12;
/// What a wallet file's name ends in.
const EXTENSION: &str = "wallet";

/// Makes the wallets that a plan needs and that are not there yet. Gives each miner's name and the address to mine to.
pub fn prepare(directory: &Directory, spec: &ChainSpec, plan: &Plan) -> Result<Vec<(String, String)>> {
    prepare_shared(directory, spec)?;
    let miners = plan.nodes.iter().filter(|node| node.share > 0.0);
    miners
        .map(|miner| {
            let created = create(directory, spec, &miner.name, Words::generate(WORDS)?)?;
            let wallet = created.map_or_else(|| open(directory, &miner.name), Ok)?;
            Ok((miner.name.clone(), wallet.address()?.to_string()))
        })
        .collect()
}

/// Makes the wallet of a miner whose words are known, unless it is there; the address to mine to.
pub fn prepare_known(directory: &Directory, spec: &ChainSpec, name: &str, words: &str) -> Result<String> {
    let words = Words::parse(words).with_context(|| format!("the words of {name}"))?;
    let created = create(directory, spec, name, words)?;
    let wallet = created.map_or_else(|| open(directory, name), Ok)?;
    Ok(wallet.address()?.to_string())
}

/// Makes the wallets that every network has, unless they are there.
pub fn prepare_shared(directory: &Directory, spec: &ChainSpec) -> Result<()> {
    let wallets = directory.path().join("wallets");
    std::fs::create_dir_all(&wallets).with_context(|| format!("cannot create {}", wallets.display()))?;
    for demo in &spec.demo_accounts {
        let words =
            Words::parse(&demo.words).with_context(|| format!("the words of {} in chain {}", demo.name, spec.name))?;
        create(directory, spec, &demo.name, words)?;
    }
    for name in NAMES.iter().filter(|_| spec.demo_accounts.is_empty()) {
        create(directory, spec, name, Words::generate(WORDS)?)?;
    }
    Ok(())
}

/// A new wallet file, unless there is one.
fn create(directory: &Directory, spec: &ChainSpec, account: &str, words: Words) -> Result<Option<Wallet>> {
    let path = directory.wallet(account);
    if path.exists() {
        return Ok(None);
    }
    let wallet = Wallet::create(&path, spec.clone(), &words, "", &Password::None);
    Ok(Some(wallet.with_context(|| format!("cannot make the wallet of {account}"))?))
}

/// Opens an account's wallet; the error for an unknown one names those that exist.
pub fn open(directory: &Directory, account: &str) -> Result<Wallet> {
    let path = find(directory, account)?;
    Wallet::open(&path, &Password::None).with_context(|| format!("wallet of {account}"))
}

/// The same for a question: another command may be using the account.
pub fn open_to_read(directory: &Directory, account: &str) -> Result<Wallet> {
    let path = find(directory, account)?;
    Wallet::open_to_read(&path, &Password::None).with_context(|| format!("wallet of {account}"))
}

fn find(directory: &Directory, account: &str) -> Result<PathBuf> {
    if !exists(directory, account) {
        let known = names(directory)?.join(", ");
        return Err(usage(format!("no account is called {account:?}; there are {known}")));
    }
    Ok(directory.wallet(account))
}

/// Whether there is a wallet of that name.
pub fn exists(directory: &Directory, account: &str) -> bool {
    // A name, not a path that leads elsewhere.
    Path::new(account).components().count() == 1 && directory.wallet(account).is_file()
}

/// The accounts of a network, sorted.
pub fn names(directory: &Directory) -> Result<Vec<String>> {
    let wallets = directory.path().join("wallets");
    let entries = std::fs::read_dir(&wallets).with_context(|| format!("cannot read {}", wallets.display()))?;
    let mut names = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == EXTENSION) {
            names.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
        }
    }
    names.sort();
    Ok(names)
}
