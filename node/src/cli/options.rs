//! The options of a node: the same set from the command line, the environment and the configuration file.

use clap::Args;
use clap::builder::BoolishValueParser;
use serde::Deserialize;
use std::path::PathBuf;

/// Options; what is absent has a default. In a configuration file the names are the flags' without the dashes.
#[derive(Args, Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct Options {
    /// Chain: local, local-scrypt, testnet, main, bitcoin-regtest, bitcoin-main, litecoin-main, or the path of a chain
    /// spec (TOML) [default: local]
    #[arg(long, env = "TESTOON_CHAIN", value_name = "NAME|PATH")]
    pub chain: Option<String>,
    /// Directory for blocks, coins, keys, cookie and log [default: ~/.testoon/node-CHAIN]
    #[arg(long, env = "TESTOON_DATADIR", value_name = "DIR")]
    pub datadir: Option<PathBuf>,

    /// Where JSON-RPC listens; port 0 picks a free one [default: 127.0.0.1 and the chain's port]
    #[arg(long, env = "TESTOON_RPC_LISTEN", value_name = "HOST:PORT")]
    pub rpc_listen: Option<String>,
    /// User name accepted besides the cookie (needs --rpc-password)
    #[arg(long, env = "TESTOON_RPC_USER", value_name = "NAME")]
    pub rpc_user: Option<String>,
    /// Password of --rpc-user
    #[arg(long, env = "TESTOON_RPC_PASSWORD", value_name = "TEXT", hide_env_values = true)]
    pub rpc_password: Option<String>,
    /// User whose password is kept as a salted hash, as Core's rpcauth.py prints it (repeatable)
    #[arg(long, env = "TESTOON_RPC_AUTH", value_name = "USER:SALT$HASH", value_delimiter = ',')]
    pub rpc_auth: Vec<String>,
    /// Methods a user may call; users without an entry may then call none (repeatable)
    #[arg(long, env = "TESTOON_RPC_WHITELIST", value_name = "USER:METHOD,METHOD", value_delimiter = ';')]
    pub rpc_whitelist: Vec<String>,
    /// Whether users without an --rpc-whitelist entry may call nothing [default: true if there is any entry]
    #[arg(long, env = "TESTOON_RPC_WHITELIST_DEFAULT", num_args = 0..=1, default_missing_value = "true", value_name = "BOOL", value_parser = BoolishValueParser::new())]
    pub rpc_whitelist_default: Option<bool>,
    /// Serve Core's read-only REST paths (/rest/…) to whoever can reach the RPC port, without a password
    #[arg(long, env = "TESTOON_REST", num_args = 0..=1, default_missing_value = "true", value_name = "BOOL", value_parser = BoolishValueParser::new())]
    pub rest: Option<bool>,
    /// Host names accepted in HTTP requests besides IP addresses and localhost (repeatable)
    #[arg(long, env = "TESTOON_RPC_HOST", value_name = "NAME", value_delimiter = ',')]
    pub rpc_host: Vec<String>,

    /// Where peers connect to (repeatable); port 0 picks a free one [default: the chain's port, on all interfaces; on local chains on 127.0.0.1 only]
    #[arg(long, env = "TESTOON_P2P_LISTEN", value_name = "HOST:PORT|MULTIADDR", value_delimiter = ',')]
    pub p2p_listen: Vec<String>,
    /// Where others can dial this node, if not where it listens (repeatable): told to peers; with --nat it relays for them
    #[arg(long, env = "TESTOON_P2P_EXTERNAL", value_name = "HOST:PORT|MULTIADDR", value_delimiter = ',')]
    pub p2p_external: Vec<String>,
    /// Peer to stay connected to (repeatable)
    #[arg(long, env = "TESTOON_CONNECT", value_name = "HOST:PORT|MULTIADDR", value_delimiter = ',')]
    pub connect: Vec<String>,
    /// Do not look for peers by mDNS and Kademlia: only --connect, addnode and those who dial us [default: false; on local chains true]
    #[arg(long, env = "TESTOON_NO_DISCOVER", num_args = 0..=1, default_missing_value = "true", value_name = "BOOL", value_parser = BoolishValueParser::new())]
    pub no_discover: Option<bool>,
    /// Of discovery, leave out mDNS (the local network)
    #[arg(long, env = "TESTOON_NO_MDNS", num_args = 0..=1, default_missing_value = "true", value_name = "BOOL", value_parser = BoolishValueParser::new())]
    pub no_mdns: Option<bool>,
    /// Of discovery, leave out Kademlia
    #[arg(long, env = "TESTOON_NO_KAD", num_args = 0..=1, default_missing_value = "true", value_name = "BOOL", value_parser = BoolishValueParser::new())]
    pub no_kad: Option<bool>,
    /// Get through address translation: autonat, relays, hole punching
    #[arg(long, env = "TESTOON_NAT", num_args = 0..=1, default_missing_value = "true", value_name = "BOOL", value_parser = BoolishValueParser::new())]
    pub nat: Option<bool>,
    /// Most peers that dialled us
    #[arg(long, env = "TESTOON_MAX_INBOUND", value_name = "N")]
    pub max_inbound: Option<usize>,
    /// Most peers that we dial by ourselves
    #[arg(long, env = "TESTOON_MAX_OUTBOUND", value_name = "N")]
    pub max_outbound: Option<usize>,

    /// Mine, paying this address
    #[arg(long, env = "TESTOON_MINE", value_name = "ADDRESS")]
    pub mine: Option<String>,
    /// Mining threads [default: all cores]
    #[arg(long, env = "TESTOON_THREADS", value_name = "N")]
    pub threads: Option<usize>,
    /// Mining limit over all threads, hashes per second [default: none]
    #[arg(long, env = "TESTOON_HASHRATE", value_name = "H/S")]
    pub hashrate: Option<u64>,
    /// Mining kernel: scalar, avx2, sha-ni, avx512 or neon; on a chain with scrypt scrypt-portable, scrypt-avx2 or
    /// scrypt-avx512 [default: the fastest here]
    #[arg(long, env = "TESTOON_KERNEL", value_name = "NAME")]
    pub kernel: Option<String>,

    /// Run a mining pool: where Stratum v1 listens; port 0 picks a free one [default: no pool]
    #[arg(long, env = "TESTOON_STRATUM", value_name = "HOST:PORT")]
    pub stratum: Option<String>,
    /// Difficulty that a miner starts with; it is adjusted to its hash rate [default: 0.01, on a chain with scrypt 1]
    #[arg(long, env = "TESTOON_STRATUM_DIFFICULTY", value_name = "D")]
    pub stratum_difficulty: Option<f64>,
    /// How long an address that floods the pool may not connect, seconds; 0 ends the connection only [default: 600]
    #[arg(long, env = "TESTOON_STRATUM_BAN", value_name = "SECONDS")]
    pub stratum_ban: Option<u64>,
    /// The pool operator's address: has the fee, and holds what is not paid yet [default: the address of --mine]
    #[arg(long, env = "TESTOON_POOL_ADDRESS", value_name = "ADDRESS")]
    pub pool_address: Option<String>,
    /// How the pool splits rewards: proportional, pplns or solo [default: pplns]
    #[arg(long, env = "TESTOON_POOL_PAYOUT", value_name = "SCHEME")]
    pub pool_payout: Option<String>,
    /// How much of the last work counts with pplns, in multiples of the work of one block [default: 2]
    #[arg(long, env = "TESTOON_POOL_WINDOW", value_name = "N")]
    pub pool_window: Option<f64>,
    /// The operator's part of each reward, percent, at most two decimal places [default: 0]
    #[arg(long, env = "TESTOON_POOL_FEE", value_name = "PERCENT")]
    pub pool_fee: Option<f64>,
    /// Most outputs of the pool's coinbases; what they do not pay is carried over [default: 50]
    #[arg(long, env = "TESTOON_POOL_OUTPUTS", value_name = "N")]
    pub pool_outputs: Option<usize>,

    /// Publish the hash of a new tip over ZMQ at this address, tcp://HOST:PORT (repeatable)
    #[arg(long, env = "TESTOON_ZMQPUBHASHBLOCK", value_name = "ADDRESS", value_delimiter = ',')]
    pub zmqpubhashblock: Vec<String>,
    /// Publish the id of a transaction over ZMQ at this address, tcp://HOST:PORT (repeatable)
    #[arg(long, env = "TESTOON_ZMQPUBHASHTX", value_name = "ADDRESS", value_delimiter = ',')]
    pub zmqpubhashtx: Vec<String>,
    /// Publish a new tip over ZMQ at this address, tcp://HOST:PORT (repeatable)
    #[arg(long, env = "TESTOON_ZMQPUBRAWBLOCK", value_name = "ADDRESS", value_delimiter = ',')]
    pub zmqpubrawblock: Vec<String>,
    /// Publish a transaction over ZMQ at this address, tcp://HOST:PORT (repeatable)
    #[arg(long, env = "TESTOON_ZMQPUBRAWTX", value_name = "ADDRESS", value_delimiter = ',')]
    pub zmqpubrawtx: Vec<String>,
    /// Publish every change of the chain and the mempool over ZMQ at this address, tcp://HOST:PORT (repeatable)
    #[arg(long, env = "TESTOON_ZMQPUBSEQUENCE", value_name = "ADDRESS", value_delimiter = ',')]
    pub zmqpubsequence: Vec<String>,

    /// Coin cache, MiB [default: 450]
    #[arg(long, env = "TESTOON_DBCACHE", value_name = "MIB")]
    pub dbcache: Option<u64>,
    /// Mempool bound, MB [default: 300]
    #[arg(long, env = "TESTOON_MAXMEMPOOL", value_name = "MB")]
    pub maxmempool: Option<u64>,
    /// Lowest fee rate relayed, coins per 1,000 bytes [default: 0.00001]
    #[arg(long, env = "TESTOON_MINRELAYTXFEE", value_name = "AMOUNT")]
    pub minrelaytxfee: Option<String>,
    /// Keep an index of all transactions for getrawtransaction
    #[arg(long, env = "TESTOON_TXINDEX", num_args = 0..=1, default_missing_value = "true", value_name = "BOOL", value_parser = BoolishValueParser::new())]
    pub txindex: Option<bool>,
    /// Keep the basic filters of all blocks (BIP158) for getblockfilter and REST
    #[arg(long, env = "TESTOON_BLOCKFILTERINDEX", num_args = 0..=1, default_missing_value = "true", value_name = "BOOL", value_parser = BoolishValueParser::new())]
    pub blockfilterindex: Option<bool>,
    /// Keep an index of what spends each output for gettxspendingprevout
    #[arg(long, env = "TESTOON_TXOSPENDERINDEX", num_args = 0..=1, default_missing_value = "true", value_name = "BOOL", value_parser = BoolishValueParser::new())]
    pub txospenderindex: Option<bool>,
    /// Delete old blocks: 0 keeps all, 1 deletes when pruneblockchain says so, 550 and more keep blocks and undo data below
    /// so many MiB; the newest 288 blocks are always kept [default: 0]
    #[arg(long, env = "TESTOON_PRUNE", value_name = "MIB")]
    pub prune: Option<u64>,
    /// For tests of pruning: block files of 64 KiB instead of 128 MiB, --prune from 2 MiB on, and chains of 100 blocks
    #[arg(long, env = "TESTOON_FASTPRUNE", num_args = 0..=1, default_missing_value = "true", value_name = "BOOL", value_parser = BoolishValueParser::new())]
    pub fastprune: Option<bool>,
    /// Rebuild coins and indexes from the stored blocks; where blocks were pruned, from blocks downloaded anew
    #[arg(long, env = "TESTOON_REINDEX", num_args = 0..=1, default_missing_value = "true", value_name = "BOOL", value_parser = BoolishValueParser::new())]
    pub reindex: Option<bool>,

    /// A defence against reorganisations to try out, NOT consensus: the node may stay on another branch than the others for
    /// good (repeatable): reorg-limit=BLOCKS, mess, mess=SECONDS, checkpoint=HEIGHT:HASH, uniform-tie or fresh-tie
    #[arg(long, env = "TESTOON_FORK_RULE", value_name = "RULE", value_delimiter = ',')]
    pub fork_rule: Vec<String>,

    /// Log level (error, warn, info, debug, trace), or tracing's target=level list [default: info]
    #[arg(long, env = "TESTOON_LOG_LEVEL", value_name = "LEVEL")]
    pub log_level: Option<String>,
    /// How log lines are written: text, or json for programs that collect logs [default: text]
    #[arg(long, env = "TESTOON_LOG_FORMAT", value_name = "FORMAT")]
    pub log_format: Option<String>,
}

impl Options {
    /// These options, and `file`'s where these say nothing.
    pub fn or(self, file: Options) -> Options {
        let list = |own: Vec<String>, file: Vec<String>| if own.is_empty() { file } else { own };
        Options {
            chain: self.chain.or(file.chain),
            datadir: self.datadir.or(file.datadir),
            rpc_listen: self.rpc_listen.or(file.rpc_listen),
            rpc_user: self.rpc_user.or(file.rpc_user),
            rpc_password: self.rpc_password.or(file.rpc_password),
            rpc_auth: list(self.rpc_auth, file.rpc_auth),
            rpc_whitelist: list(self.rpc_whitelist, file.rpc_whitelist),
            rpc_whitelist_default: self.rpc_whitelist_default.or(file.rpc_whitelist_default),
            rest: self.rest.or(file.rest),
            rpc_host: list(self.rpc_host, file.rpc_host),
            p2p_listen: list(self.p2p_listen, file.p2p_listen),
            p2p_external: list(self.p2p_external, file.p2p_external),
            connect: list(self.connect, file.connect),
            no_discover: self.no_discover.or(file.no_discover),
            no_mdns: self.no_mdns.or(file.no_mdns),
            no_kad: self.no_kad.or(file.no_kad),
            nat: self.nat.or(file.nat),
            max_inbound: self.max_inbound.or(file.max_inbound),
            max_outbound: self.max_outbound.or(file.max_outbound),
            mine: self.mine.or(file.mine),
            threads: self.threads.or(file.threads),
            hashrate: self.hashrate.or(file.hashrate),
            kernel: self.kernel.or(file.kernel),
            stratum: self.stratum.or(file.stratum),
            stratum_difficulty: self.stratum_difficulty.or(file.stratum_difficulty),
            stratum_ban: self.stratum_ban.or(file.stratum_ban),
            pool_address: self.pool_address.or(file.pool_address),
            pool_payout: self.pool_payout.or(file.pool_payout),
            pool_window: self.pool_window.or(file.pool_window),
            pool_fee: self.pool_fee.or(file.pool_fee),
            pool_outputs: self.pool_outputs.or(file.pool_outputs),
            zmqpubhashblock: list(self.zmqpubhashblock, file.zmqpubhashblock),
            zmqpubhashtx: list(self.zmqpubhashtx, file.zmqpubhashtx),
            zmqpubrawblock: list(self.zmqpubrawblock, file.zmqpubrawblock),
            zmqpubrawtx: list(self.zmqpubrawtx, file.zmqpubrawtx),
            zmqpubsequence: list(self.zmqpubsequence, file.zmqpubsequence),
            dbcache: self.dbcache.or(file.dbcache),
            maxmempool: self.maxmempool.or(file.maxmempool),
            minrelaytxfee: self.minrelaytxfee.or(file.minrelaytxfee),
            txindex: self.txindex.or(file.txindex),
            blockfilterindex: self.blockfilterindex.or(file.blockfilterindex),
            txospenderindex: self.txospenderindex.or(file.txospenderindex),
            prune: self.prune.or(file.prune),
            fastprune: self.fastprune.or(file.fastprune),
            reindex: self.reindex.or(file.reindex),
            fork_rule: list(self.fork_rule, file.fork_rule),
            log_level: self.log_level.or(file.log_level),
            log_format: self.log_format.or(file.log_format),
        }
    }
}
