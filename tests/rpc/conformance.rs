//! What is as in Bitcoin Core and what is not: calls every method that Core has, compares the fields of the answer with
//! Core's, and keeps the table in docs/rpc.md. `TESTOON_WRITE_DOCS=1` writes the file, as does a test run that finds none; otherwise
//! it must be as it would be written.

use super::chain::ADDRESS;
use kit::Node;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write;

/// A method of Core's.
struct Row {
    name: &'static str,
    /// Fields of the answer's object, or of the objects in its list, by Core 31's help; empty where it is no object. One in
    /// parentheses may be left out.
    fields: &'static str,
    /// What is different although the fields are the same; or, for a method that is absent, why.
    note: &'static str,
}

const fn row(name: &'static str, fields: &'static str, note: &'static str) -> Row {
    Row { name, fields, note }
}

const BLOCK: &str = "hash confirmations size strippedsize weight coinbase_tx height version versionHex merkleroot tx time mediantime \
    nonce bits target difficulty chainwork nTx (previousblockhash) (nextblockhash)";
const HEADER: &str = "hash confirmations height version versionHex merkleroot time mediantime nonce bits target difficulty \
    chainwork nTx (previousblockhash) (nextblockhash)";
const ENTRY: &str = "vsize weight time height descendantcount descendantsize ancestorcount ancestorsize chunkweight wtxid fees depends \
    spentby bip125-replaceable unbroadcast";
const PEER: &str = "id addr addrbind (addrlocal) network (mapped_as) services servicesnames relaytxes lastsend lastrecv \
    last_transaction last_block bytessent bytesrecv conntime timeoffset (pingtime) (minping) (pingwait) version subver \
    inbound bip152_hb_to bip152_hb_from (startingheight) presynced_headers synced_headers synced_blocks inflight \
    addr_relay_enabled addr_processed addr_rate_limited permissions minfeefilter bytessent_per_msg bytesrecv_per_msg \
    inv_to_send last_inv_sequence connection_type transport_protocol_type session_id";
const STATS: &str = "avgfee avgfeerate avgtxsize blockhash feerate_percentiles height ins maxfee maxfeerate maxtxsize \
    medianfee mediantime mediantxsize minfee minfeerate mintxsize outs subsidy swtotal_size swtotal_weight swtxs time \
    total_out total_size total_weight totalfee txs utxo_increase utxo_size_inc utxo_increase_actual utxo_size_inc_actual";
const TRANSACTION: &str = "txid hash version size vsize weight locktime vin vout";

const NO_PSBT: &str = "PSBT is the wallet's (`testoon-wallet create-psbt` and its relatives)";
const NO_SNAPSHOT: &str = "no chain spec names a snapshot to be trusted";

/// Every method of Core 31 without a wallet, and those hidden ones that clients and test frameworks call.
const ROWS: &[Row] = &[
    row("dumptxoutset", "", "rolls a copy back, not the chain; `rollback` goes into the options"),
    row("getbestblockhash", "", ""),
    row("getblock", BLOCK, ""),
    row(
        "getblockchaininfo",
        "chain blocks headers bestblockhash bits target difficulty time mediantime \
        verificationprogress initialblockdownload chainwork size_on_disk pruned warnings",
        "",
    ),
    row("getblockcount", "", ""),
    row("getblockfilter", "filter header", ""),
    row("getblockfrompeer", "", ""),
    row("getblockhash", "", ""),
    row("getblockheader", HEADER, ""),
    row("getblockstats", STATS, ""),
    row("getchainstates", "headers chainstates", ""),
    row("getchaintips", "height hash branchlen status", ""),
    row(
        "getchaintxstats",
        "time txcount window_final_block_hash window_final_block_height window_block_count \
        window_tx_count window_interval (txrate)",
        "",
    ),
    row("getdeploymentinfo", "hash height script_flags deployments", ""),
    row("getdescriptoractivity", "activity", ""),
    row("getdifficulty", "", ""),
    row("getmempoolancestors", "", ""),
    row("getmempooldescendants", "", ""),
    row("getmempoolcluster", "clusterweight txcount chunks", "chunks are of ancestor packages"),
    row("getmempoolentry", ENTRY, ""),
    row("getmempoolfeeratediagram", "weight fee", ""),
    row(
        "getmempoolinfo",
        "loaded size bytes usage total_fee maxmempool mempoolminfee minrelaytxfee incrementalrelayfee \
        unbroadcastcount fullrbf permitbaremultisig maxdatacarriersize limitclustercount limitclustersize optimal",
        "",
    ),
    row("getrawmempool", "", ""),
    row("gettxout", "bestblock confirmations value scriptPubKey coinbase", ""),
    row("gettxoutproof", "", ""),
    row(
        "gettxoutsetinfo",
        "height bestblock txouts bogosize hash_serialized_3 total_amount transactions disk_size",
        "no index of statistics: the tip only",
    ),
    row("gettxspendingprevout", "txid vout (spendingtxid) (spendingtx) (blockhash)", ""),
    row("importmempool", "", "counts as submitted here and as come now"),
    row("invalidateblock", "", ""),
    row("loadtxoutset", "", NO_SNAPSHOT),
    row("preciousblock", "", ""),
    row("pruneblockchain", "", "any chain from 1,000 blocks on; undo files go later than block files"),
    row("reconsiderblock", "", ""),
    row("savemempool", "filename", "format 1; nothing is saved or loaded by itself"),
    row("scanblocks", "from_height to_height relevant_blocks completed", "a scan ends within its call"),
    row("scantxoutset", "success txouts height bestblock unspents total_amount", "a scan ends within its call"),
    row("verifychain", "", ""),
    row("verifytxoutproof", "", ""),
    row("waitforblock", "hash height", ""),
    row("waitforblockheight", "hash height", ""),
    row("waitfornewblock", "hash height", ""),
    row("getmemoryinfo", "locked", "always zero: the node holds no keys"),
    row("getrpcinfo", "active_commands logpath", ""),
    row("help", "", ""),
    row("logging", "", "`libp2p` too; categories of what is not here stay off"),
    row("stop", "", ""),
    row("uptime", "", ""),
    row("generateblock", "hash", ""),
    row("generatetoaddress", "", "`maxtries` bounds the expected hashes"),
    row("generatetodescriptor", "", "as `generatetoaddress`"),
    row(
        "getblocktemplate",
        "capabilities version rules vbavailable vbrequired previousblockhash transactions coinbaseaux \
        coinbasevalue longpollid target mintime mutable noncerange sigoplimit sizelimit weightlimit curtime bits height",
        "no SegWit, so `sigoplimit` and `sizelimit` are in the units of before",
    ),
    row("getmininginfo", "blocks bits difficulty target networkhashps pooledtx blockmintxfee chain next warnings", ""),
    row("getnetworkhashps", "", ""),
    row("getprioritisedtransactions", "", ""),
    row("prioritisetransaction", "", "forgotten at a restart"),
    row("submitblock", "", ""),
    row("submitheader", "", ""),
    row("addnode", "", "multiaddrs too"),
    row("addpeeraddress", "", "needs `peerid`, and takes no `tried`"),
    row("clearbanned", "", ""),
    row("disconnectnode", "", "peer ids too"),
    row("getaddednodeinfo", "addednode connected addresses", ""),
    row("getaddrmaninfo", "ipv4 ipv6 onion i2p cjdns all_networks", ""),
    row("getconnectioncount", "", ""),
    row("getnettotals", "totalbytesrecv totalbytessent timemillis uploadtarget", ""),
    row(
        "getnetworkinfo",
        "version subversion protocolversion localservices localservicesnames localrelay timeoffset \
        networkactive connections connections_in connections_out networks relayfee incrementalfee localaddresses warnings",
        "`version` is 310000, Core 31, because clients refuse lower ones; this software's is in `subversion`",
    ),
    row("getnodeaddresses", "time services address port network", "peers that were heard of, each with its `peerid`"),
    row(
        "getpeerinfo",
        PEER,
        "gossip sent is counted under `*other*`, `addrbind` is the listening address, `transport_protocol_type` is always `v2`",
    ),
    row("listbanned", "address ban_created banned_until ban_duration time_remaining", ""),
    row("ping", "", "peers are pinged all the time"),
    row("setban", "", "peer ids too"),
    row("setnetworkactive", "", ""),
    row("abortprivatebroadcast", "", "transactions are gossiped, never sent to one peer"),
    row("analyzepsbt", "", NO_PSBT),
    row("combinepsbt", "", NO_PSBT),
    row("combinerawtransaction", "", ""),
    row("converttopsbt", "", NO_PSBT),
    row("createpsbt", "", NO_PSBT),
    row("createrawtransaction", "", ""),
    row("decodepsbt", "", NO_PSBT),
    row("decoderawtransaction", TRANSACTION, ""),
    row("decodescript", "asm desc type (address)", "no P2SH and no SegWit forms"),
    row("descriptorprocesspsbt", "", NO_PSBT),
    row("finalizepsbt", "", NO_PSBT),
    row(
        "getrawtransaction",
        "txid hash version size vsize weight locktime vin vout hex blockhash confirmations time \
        blocktime (in_active_chain)",
        "",
    ),
    row("getprivatebroadcastinfo", "", "transactions are gossiped, never sent to one peer"),
    row("joinpsbts", "", NO_PSBT),
    row("sendrawtransaction", "", ""),
    row("signrawtransactionwithkey", "hex complete (errors)", ""),
    row("submitpackage", "package_msg tx-results replaced-transactions", "a package replaces nothing"),
    row("testmempoolaccept", "txid wtxid allowed (reject-reason) (reject-details) (vsize) (fees)", ""),
    row("utxoupdatepsbt", "", NO_PSBT),
    row("createmultisig", "", "P2SH cannot be spent here"),
    row("deriveaddresses", "", ""),
    row("estimaterawfee", "", "no buckets of waiting transactions are kept: estimates come from what was mined"),
    row("estimatesmartfee", "(feerate) blocks (errors)", "from what was mined, see util/fees.rs"),
    row("getdescriptorinfo", "descriptor checksum isrange issolvable hasprivatekeys", ""),
    row("getindexinfo", "(txindex) (basic_block_filter_index) (txospenderindex)", "no index of coin statistics"),
    row("getzmqnotifications", "type address hwm", "the high-water mark is 100000, and cannot be chosen"),
    row("signmessagewithprivkey", "", ""),
    row("validateaddress", "isvalid address scriptPubKey isscript iswitness", ""),
    row("verifymessage", "", ""),
    row("echo", "", ""),
    row("echojson", "", ""),
    row("getorphantxs", "", ""),
    row("mockscheduler", "", "moves the clock, on local chains"),
    row("setmocktime", "", "local chains only"),
    row("syncwithvalidationinterfacequeue", "", ""),
];

/// Two nodes with something of everything, and the arguments with which each method answers.
struct Rig {
    node: Node,
    _peer: Node,
    block: String,
    raw: String,
    txid: String,
}

impl Rig {
    fn start() -> Rig {
        let peer = Node::fresh("bitcoin-regtest", &[]);
        let topic = "--zmqpubhashblock=tcp://127.0.0.1:0";
        let node = Node::fresh("bitcoin-regtest", &["--txindex", "--blockfilterindex", topic, "--connect", peer.p2p()]);
        let spec = chain_spec::ChainSpec::builtin("bitcoin-regtest").unwrap();
        let key = chain_spec::PrivateKey::from_bytes(&[1; 32], true).unwrap();
        let (address, wif) = (key.public_key().address(&spec).to_string(), key.to_wif(&spec));
        let blocks = node.call("generatetoaddress", json!([101, address]));
        let block = blocks[0].as_str().unwrap().to_owned();
        let coin = node.call("getblock", json!([block]))["tx"][0].clone();
        peer.call("waitforblockheight", json!([101, 60_000]));
        let inputs = json!([{"txid": coin, "vout": 0}]);
        let unsigned = node.text("createrawtransaction", json!([inputs, {ADDRESS: "49.999"}]));
        let signed = node.call("signrawtransactionwithkey", json!([unsigned, [wif]]));
        let raw = signed["hex"].as_str().unwrap().to_owned();
        let txid = node.text("sendrawtransaction", json!([raw]));
        node.call("setban", json!(["192.0.2.1", "add"]));
        let somebody = peer.call("getnetworkinfo", json!([]))["peerid"].clone();
        node.call("addpeeraddress", json!(["192.0.2.2", 9_000, false, somebody]));
        Rig { node, _peer: peer, block, raw, txid }
    }

    /// Arguments for which the answer has all its fields; `None` for methods whose answer says nothing or that end the node.
    fn arguments(&self, method: &str) -> Option<Value> {
        let coinbase = || self.node.call("getblock", json!([self.block]))["tx"][0].clone();
        let descriptor = || format!("addr({ADDRESS})");
        Some(match method {
            "getblock" | "getblockfilter" | "getblockheader" | "getblockstats" | "getdeploymentinfo" => {
                json!([self.block])
            }
            "getdescriptoractivity" => json!([[self.block], [descriptor()]]),
            "scanblocks" => json!(["start", [descriptor()]]),
            "getmempoolentry" => json!([self.txid]),
            "gettxout" => json!([self.txid, 0]),
            "gettxspendingprevout" => json!([[{"txid": coinbase(), "vout": 0}]]),
            "scantxoutset" => json!(["start", [descriptor()]]),
            "waitforblock" => json!([self.node.text("getbestblockhash", json!([]))]),
            "waitforblockheight" => json!([1]),
            "waitfornewblock" => json!([1]),
            "generateblock" => json!([ADDRESS, []]),
            "getblocktemplate" => json!([{"rules": ["segwit"]}]),
            "decoderawtransaction" => json!([self.raw]),
            "decodescript" => json!(["51"]),
            "getrawtransaction" => json!([coinbase(), 1, self.block]),
            "signrawtransactionwithkey" => json!([self.raw, []]),
            "testmempoolaccept" | "submitpackage" => json!([[self.raw]]),
            "getmempoolcluster" => json!([self.txid]),
            "estimatesmartfee" => json!([6]),
            "getdescriptorinfo" => json!([descriptor()]),
            "validateaddress" => json!([ADDRESS]),
            "getaddednodeinfo"
            | "getaddrmaninfo"
            | "getblockchaininfo"
            | "getchainstates"
            | "getchaintips"
            | "getchaintxstats"
            | "getindexinfo"
            | "getmemoryinfo"
            | "getmempoolfeeratediagram"
            | "getmempoolinfo"
            | "getmininginfo"
            | "getnettotals"
            | "getnetworkinfo"
            | "getnodeaddresses"
            | "getpeerinfo"
            | "getrpcinfo"
            | "gettxoutsetinfo"
            | "getzmqnotifications"
            | "listbanned"
            | "savemempool" => {
                json!([])
            }
            _ => return None,
        })
    }
}

/// Fields that Core's answer has and this one lacks, and fields that only this one has.
fn difference(answer: &Value, row: &Row) -> (Vec<String>, Vec<String>) {
    let object = match answer {
        Value::Array(list) => list.first().unwrap_or_else(|| panic!("{} answers with an empty list", row.name)),
        other => other,
    };
    let keys = object.as_object().unwrap_or_else(|| panic!("{}: {answer}", row.name)).keys();
    // One name of Core's has spaces, which separate the names in a row.
    let ours: BTreeSet<String> = keys.map(|key| key.replace(' ', "_")).collect();
    let bare = |field: &'static str| field.trim_matches(['(', ')']);
    let core: BTreeSet<&str> = row.fields.split_whitespace().map(bare).collect();
    let needed = row.fields.split_whitespace().filter(|field| !field.starts_with('('));
    let missing = needed.filter(|field| !ours.contains(*field)).map(str::to_owned).collect();
    (missing, ours.into_iter().filter(|field| !core.contains(field.as_str())).collect())
}

#[test]
fn the_table_of_docs_rpc_md_is_what_the_node_does() {
    let rig = Rig::start();
    let help = rig.node.text("help", json!([]));
    let known: BTreeSet<&str> = help
        .lines()
        .filter(|line| !line.starts_with("=="))
        .filter_map(|line| line.split(' ').next())
        .filter(|name| !name.is_empty())
        .collect();
    let mut table = String::from("| method | as in Core 31 | |\n|---|---|---|\n");
    let (mut same, mut differs, mut absent) = (0, 0, 0);
    for row in ROWS {
        if !known.contains(row.name) {
            absent += 1;
            assert!(!row.note.is_empty(), "{} is absent and nobody says why", row.name);
            writeln!(table, "| {} | absent | {} |", row.name, row.note).unwrap();
            continue;
        }
        let mut notes = Vec::new();
        if row.fields.is_empty() {
            assert!(rig.arguments(row.name).is_none(), "{} has arguments but no fields", row.name);
        } else {
            let arguments = rig.arguments(row.name).unwrap_or_else(|| panic!("{} has no arguments", row.name));
            let (missing, more) = difference(&rig.node.call(row.name, arguments), row);
            assert!(missing.is_empty(), "{} lacks {missing:?}, which typed clients need", row.name);
            if !more.is_empty() {
                notes.push(format!("also has {}", more.join(", ")));
            }
        }
        if !row.note.is_empty() {
            notes.insert(0, row.note.to_owned());
        }
        if notes.is_empty() {
            same += 1
        } else {
            differs += 1
        }
        let word = if notes.is_empty() { "same" } else { "differs" };
        writeln!(table, "| {} | {word} | {} |", row.name, notes.join("; ")).unwrap();
    }
    let listed: BTreeSet<&str> = ROWS.iter().map(|row| row.name).collect();
    let ours: Vec<&str> = known.difference(&listed).copied().collect();
    let text = format!(
        "# The RPC beside Bitcoin Core's\n\n\
         This page is written by a test (tests/rpc/conformance.rs), which calls every method on a running node and compares \
         the fields\nof its answers with Core's. After a change, write it again:\n\
         `TESTOON_WRITE_DOCS=1 cargo test -p testoon-tests --test all rpc::conformance`.\n\n\
         Of the {} methods that Core 31 has without a wallet, {same} are the same, {differs} differ in what the table says, \
         {absent} are absent.\nOnly here: {}; `help METHOD` says what they do.\n\n\
         Besides the RPC, the port serves `GET /health`, `GET /ready`, `GET /metrics` (Prometheus), `GET /events` (Server-Sent Events: `block`,\n\
         `reorganisation`, `transaction`) and, with `--rest`, Core's REST paths. `--txindex`, `--blockfilterindex` and\n\
         `--txospenderindex` keep indexes; one that is switched on later is built at the next start. `--zmqpubhashblock` and its four\n\
         relatives publish Core's ZMQ topics.\n\n\
         A call with too few or too many arguments is refused with -1, with an unknown name with -8, with a value of the wrong type\n\
         with -3, before the method runs, as in Core; tests/rpc/errors.rs tries every method.\n\n{table}",
        ROWS.len(),
        ours.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
    );
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/rpc.md");
    if std::env::var_os("TESTOON_WRITE_DOCS").is_some() || !std::path::Path::new(path).exists() {
        std::fs::write(path, &text).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(written, text, "docs/rpc.md is not what the node does; TESTOON_WRITE_DOCS=1 writes it");
}
