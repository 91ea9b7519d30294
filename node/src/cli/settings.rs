//! From options to [`Settings`]: every wrong value is refused here, with one line that names the flag.

#[cfg(test)]
mod example;
mod pool;
mod prune;

use super::options::Options;
use crate::core::Config;
use crate::miner::{MinerConfig, kernel::KernelName};
use crate::shell::Settings;
use crate::shell::mining::THREADS_MAX;
use crate::shell::network::NetworkConfig;
use crate::shell::rpc::caller::Whitelist;
use crate::shell::rpc::http::auth::Access;
use crate::shell::store::StoreConfig;
use crate::shell::zmq::{Endpoint, Topic};
use chain_spec::{Address, Amount, ChainSpec};
use std::path::{Path, PathBuf};

/// Largest `--dbcache`, MiB.
const DBCACHE_MIB_MAX: u64 = 1024 * 1024;
/// Largest `--maxmempool`, MB.
const MAXMEMPOOL_MB_MAX: u64 = 1_000_000;

/// A wrong option: what is wrong and what would be right, in one line.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);

/// Reads a configuration file.
pub fn read_file(path: &Path) -> Result<Options, UsageError> {
    let name = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|error| UsageError(format!("cannot read configuration file {name}: {error}; check --conf")))?;
    toml::from_str(&text).map_err(|error| {
        let line = error.span().map(|span| text[..span.start.min(text.len())].lines().count().max(1));
        let place = line.map(|line| format!("line {line}: ")).unwrap_or_default();
        UsageError(format!("configuration file {name}: {place}{}", error.message().replace('\n', " ")))
    })
}

/// Checks all options and fills in the defaults.
pub fn settings(options: Options) -> Result<Settings, UsageError> {
    let spec = chain(options.chain.as_deref().unwrap_or("local"))?;
    let datadir = datadir(&options, &spec)?;
    let rpc_access = rpc_access(&options)?;
    let payout = options.mine.as_deref().map(|text| payout(text, &spec)).transpose()?;
    let network = network(&options, &spec, &datadir);
    let rpc_listen = options.rpc_listen.clone().unwrap_or_else(|| format!("127.0.0.1:{}", spec.default_rpc_port));
    Ok(Settings {
        rpc_listen,
        rpc_access,
        rest: options.rest.unwrap_or(false),
        rpc_host_names: options.rpc_host.clone(),
        network,
        payout,
        miner: miner(&options)?,
        pool: pool::config(&options, &spec, payout.as_ref())?,
        zmq: zmq(&options)?,
        store: StoreConfig {
            txindex: options.txindex.unwrap_or(false),
            block_filters: options.blockfilterindex.unwrap_or(false),
            spenders: options.txospenderindex.unwrap_or(false),
            prune: options.prune.unwrap_or(0) > 0,
            file_bytes_max: prune::file_bytes_max(&options),
            reindex: options.reindex.unwrap_or(false),
            ..StoreConfig::default()
        },
        core: core(&options)?,
        wrap: None,
        datadir,
        spec,
    })
}

/// A built-in chain, or a spec file.
pub fn chain(name: &str) -> Result<ChainSpec, UsageError> {
    if let Some(spec) = ChainSpec::builtin(name) {
        return Ok(spec);
    }
    let is_path = name.contains(['/', '\\', '.']);
    if !is_path {
        let known = ChainSpec::BUILTIN.join(", ");
        return Err(UsageError(format!(
            "--chain {name}: no such chain; there are {known}, or give a spec file's path"
        )));
    }
    let text = std::fs::read_to_string(name)
        .map_err(|error| UsageError(format!("--chain {name}: cannot read the chain spec: {error}")))?;
    ChainSpec::from_toml(&text).map_err(|error| UsageError(format!("--chain {name}: {error}")))
}

fn datadir(options: &Options, spec: &ChainSpec) -> Result<PathBuf, UsageError> {
    if let Some(datadir) = &options.datadir {
        return Ok(datadir.clone());
    }
    let home = std::env::home_dir().ok_or_else(|| UsageError("no home directory is known; give --datadir".into()))?;
    Ok(home.join(".testoon").join(format!("node-{}", spec.name)))
}

/// Everybody who may call besides whoever reads the cookie file.
fn rpc_access(options: &Options) -> Result<Access, UsageError> {
    let salted = |text: &String| text.parse().map_err(|error| UsageError(format!("--rpc-auth {text}: {error}")));
    let whitelist = Whitelist::parse(&options.rpc_whitelist, options.rpc_whitelist_default);
    Ok(Access {
        users: rpc_user(options)?.into_iter().collect(),
        salted: options.rpc_auth.iter().map(salted).collect::<Result<_, _>>()?,
        whitelist: whitelist.map_err(|error| UsageError(format!("--rpc-whitelist: {error}")))?,
    })
}

fn rpc_user(options: &Options) -> Result<Option<(String, String)>, UsageError> {
    match (&options.rpc_user, &options.rpc_password) {
        (None, None) => Ok(None),
        (Some(user), Some(_)) if user.is_empty() || user.contains(':') => {
            Err(UsageError(format!("--rpc-user {user:?}: a name must not be empty or hold a colon")))
        }
        (Some(_), Some(password)) if password.is_empty() => Err(UsageError("--rpc-password must not be empty".into())),
        (Some(user), Some(password)) => Ok(Some((user.clone(), password.clone()))),
        (Some(_), None) => Err(UsageError("--rpc-user needs --rpc-password".into())),
        (None, Some(_)) => Err(UsageError("--rpc-password needs --rpc-user".into())),
    }
}

/// What is published over ZMQ.
fn zmq(options: &Options) -> Result<Vec<Endpoint>, UsageError> {
    let addresses = |topic| match topic {
        Topic::HashBlock => &options.zmqpubhashblock,
        Topic::HashTx => &options.zmqpubhashtx,
        Topic::RawBlock => &options.zmqpubrawblock,
        Topic::RawTx => &options.zmqpubrawtx,
        Topic::Sequence => &options.zmqpubsequence,
    };
    let mut endpoints = Vec::new();
    for topic in Topic::ALL {
        for address in addresses(topic) {
            let has_port = address.strip_prefix("tcp://").and_then(|rest| rest.rsplit_once(':'));
            if has_port.is_none_or(|(host, port)| host.is_empty() || port.parse::<u16>().is_err()) {
                let name = topic.name();
                return Err(UsageError(format!("--zmqpub{name} {address}: must be tcp://HOST:PORT")));
            }
            endpoints.push(Endpoint { topic, address: address.clone() });
        }
    }
    Ok(endpoints)
}

fn payout(text: &str, spec: &ChainSpec) -> Result<Address, UsageError> {
    Address::parse(text, spec).map_err(|error| UsageError(format!("--mine {text}: {error}")))
}

fn miner(options: &Options) -> Result<MinerConfig, UsageError> {
    let mut config = MinerConfig { hashrate_max: options.hashrate, ..MinerConfig::default() };
    if let Some(threads) = options.threads {
        if !(1..=THREADS_MAX).contains(&threads) {
            return Err(UsageError(format!("--threads {threads}: must be between 1 and {THREADS_MAX}")));
        }
        config.threads = threads;
    }
    if let Some(name) = &options.kernel {
        let kernel: KernelName = name.parse().map_err(|error| UsageError(format!("--kernel {name}: {error}")))?;
        config.kernel = Some(kernel);
    }
    Ok(config)
}

fn network(options: &Options, spec: &ChainSpec, datadir: &Path) -> NetworkConfig {
    let mut config = NetworkConfig::new(spec.id(), spec.name.clone(), datadir);
    config.block_bytes_max = spec.block_size_max;
    let is_local = is_for_this_machine(spec);
    config.discover = !options.no_discover.unwrap_or(is_local);
    config.mdns = !options.no_mdns.unwrap_or(false);
    config.kad = !options.no_kad.unwrap_or(false);
    config.nat = options.nat.unwrap_or(false);
    config.external = options.p2p_external.clone();
    config.connect = options.connect.clone();
    config.listen = if options.p2p_listen.is_empty() {
        let host = if is_local { "127.0.0.1" } else { "0.0.0.0" };
        vec![format!("{host}:{}", spec.default_p2p_port)]
    } else {
        options.p2p_listen.clone()
    };
    config.inbound_max = options.max_inbound.unwrap_or(config.inbound_max);
    config.outbound_max = options.max_outbound.unwrap_or(config.outbound_max);
    config
}

/// Whether nodes of this chain meet on one machine unless they are told otherwise. Everybody's `local` (and `local-…`) is the same chain, so
/// that two people in one network who each try it out would else become one network.
fn is_for_this_machine(spec: &ChainSpec) -> bool {
    spec.name == "local" || spec.name.starts_with("local-")
}

/// What the log says of a node that nobody on another machine can reach, if nothing was said about where it listens.
pub fn reach_notice(options: &Options) -> Option<String> {
    let spec = chain(options.chain.as_deref().unwrap_or("local")).ok()?;
    let is_default = options.p2p_listen.is_empty() && is_for_this_machine(&spec);
    is_default.then(|| {
        format!(
            "chain {}: peers are taken from this machine only, and none are looked for; to open the node to others, start \
             it with --p2p-listen 0.0.0.0:{} (and --no-discover=false to look for peers)",
            spec.name, spec.default_p2p_port
        )
    })
}

fn core(options: &Options) -> Result<Config, UsageError> {
    let mut config = Config { seed: seed()?, ..Config::default() };
    (config.prune, config.prune_after_height) = prune::config(options)?;
    if let Some(mib) = options.dbcache {
        let bytes = Some(mib).filter(|mib| (1..=DBCACHE_MIB_MAX).contains(mib));
        let bytes = bytes.ok_or_else(|| UsageError(format!("--dbcache {mib}: must be 1 to {DBCACHE_MIB_MAX} MiB")))?;
        config.coin_cache_bytes_max = usize::try_from(bytes * 1024 * 1024).unwrap_or(usize::MAX);
    }
    if let Some(mb) = options.maxmempool {
        let bytes = Some(mb).filter(|mb| (1..=MAXMEMPOOL_MB_MAX).contains(mb));
        let bytes =
            bytes.ok_or_else(|| UsageError(format!("--maxmempool {mb}: must be 1 to {MAXMEMPOOL_MB_MAX} MB")))?;
        config.mempool_bytes_max = usize::try_from(bytes * 1_000_000).unwrap_or(usize::MAX);
    }
    if let Some(text) = &options.minrelaytxfee {
        let rate: Amount = text
            .parse()
            .map_err(|error| UsageError(format!("--minrelaytxfee {text}: not an amount of coins: {error}")))?;
        config.fee_rate_min = rate.units();
    }
    for rule in &options.fork_rule {
        config.fork_rules.push(rule).map_err(|error| UsageError(format!("--fork-rule: {error}")))?;
    }
    Ok(config)
}

/// What peers must not be able to guess (short-id keys) starts from here.
fn seed() -> Result<u64, UsageError> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes)
        .map_err(|error| UsageError(format!("the operating system gives no random numbers: {error}")))?;
    Ok(u64::from_le_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network_of(change: impl FnOnce(&mut Options)) -> NetworkConfig {
        let mut options = Options { datadir: Some("/nowhere".into()), ..Options::default() };
        change(&mut options);
        settings(options).expect("good options").network
    }

    #[test]
    fn a_local_chain_stays_on_this_machine_until_it_is_told_otherwise() {
        let local = network_of(|_| ());
        assert!(!local.discover && local.listen.len() == 1 && local.listen[0].starts_with("127.0.0.1:"), "{local:?}");
        let notice = reach_notice(&Options::default()).expect("there is something to say");
        assert!(notice.contains("--p2p-listen 0.0.0.0:") && notice.contains("--no-discover=false"), "{notice}");

        let open = |options: &mut Options| {
            options.p2p_listen = vec!["0.0.0.0:7".into()];
            options.no_discover = Some(false);
        };
        let opened = network_of(open);
        assert!(opened.discover && opened.listen == ["0.0.0.0:7"]);
        let mut options = Options::default();
        open(&mut options);
        assert_eq!(reach_notice(&options), None);

        let testnet = network_of(|options| options.chain = Some("testnet".into()));
        assert!(testnet.discover && testnet.listen[0].starts_with("0.0.0.0:"), "{testnet:?}");
    }
}
