//! Stock clients against a node: a typed one in Rust (corepc-regtest-client, as for Bitcoin Core 31) and one in Python
//! (python-bitcoinrpc); for ZMQ, pyzmq. A typed client fails as soon as one field is missing or has another type than Core's.
//!
//! Python's client is installed from its registry into a temporary directory. Where there is no Python or no registry, the test
//! says that it was skipped, and why; with `TESTOON_REQUIRE_CLIENTS=1`, as in `.ci/run`, it fails instead.

mod zmq;

use chain_spec::{Encode as _, TxOut};
use corepc_regtest_client::Auth;
use corepc_regtest_client::bitcoin::hashes::Hash as _;
use corepc_regtest_client::bitcoin::{Address, Amount, BlockHash, OutPoint, PrivateKey, Transaction, Txid, consensus};
use corepc_regtest_client::v31::{Client, Input, Output, TemplateRequest, TemplateRules};
use kit::{Node, eventually, fixture};
use std::path::Path;
use std::process::Command;

/// A node with a peer and a hundred blocks, and the client that talks to it.
struct Rig {
    client: Client,
    node: Node,
    _peer: Node,
    address: Address,
    wif: PrivateKey,
}

impl Rig {
    fn start() -> Rig {
        let peer = Node::fresh("bitcoin-regtest", &[]);
        let node = Node::fresh("bitcoin-regtest", &["--txindex", "--connect", peer.p2p()]);
        let text = |name: &str| node.ready[name].as_str().unwrap().to_owned();
        let client = Client::new_with_auth(&text("rpc"), Auth::CookieFile(text("cookie").into())).unwrap();
        let (spec, key) = (fixture::regtest(), fixture::key(1));
        let address = key.public_key().address(&spec).to_string();
        let address = address.parse::<Address<_>>().unwrap().assume_checked();
        let wif = key.to_wif(&spec).parse().unwrap();
        eventually("a peer", || (client.get_peer_info().ok()?.0.len() == 1).then_some(()));
        Rig { client, node, _peer: peer, address, wif }
    }

    /// Mines blocks; their hashes.
    fn mine(&self, count: usize) -> Vec<BlockHash> {
        self.client.generate_to_address(count, &self.address).unwrap().into_model().unwrap().0
    }

    /// A payment of a coin to its owner with one output, signed by the node, which must know the coin.
    fn spend(&self, coin: OutPoint, value: Amount) -> Transaction {
        let input = Input { txid: coin.txid, vout: coin.vout.into(), sequence: None };
        let output = Output::new(self.address.clone(), value);
        let unsigned = self.client.create_raw_transaction(&[input], &[output]).unwrap();
        let unsigned: Transaction = consensus::encode::deserialize_hex(&unsigned.0).unwrap();
        let signed = self.client.sign_raw_transaction_with_key(&unsigned, &[self.wif]).unwrap();
        assert!(signed.complete);
        consensus::encode::deserialize_hex(&signed.hex).unwrap()
    }

    /// The same, signed here, of a coin that the node may not know.
    fn spend_unknown(&self, coin: OutPoint, units: u64) -> Transaction {
        let coin = chain_spec::Outpoint { txid: coin.txid.to_string().parse().unwrap(), index: coin.vout };
        let output = TxOut { value: chain_spec::Amount::from_units(units), script: fixture::pay_to(1) };
        let signed = fixture::spend(&[coin], &fixture::key(1), vec![output]);
        consensus::encode::deserialize(&signed.to_bytes()).unwrap()
    }

    fn coinbase_of(&self, block: BlockHash) -> OutPoint {
        let block = self.client.get_block_verbose_one(block).unwrap();
        assert_eq!(block.tx.len(), 1);
        OutPoint { txid: block.tx[0].parse().unwrap(), vout: 0 }
    }
}

#[test]
fn a_typed_client_for_core_31_reads_chain_and_network() {
    let rig = Rig::start();
    let client = &rig.client;
    client.check_expected_server_version().expect("the version that is claimed");
    let hashes = rig.mine(3);
    let info = client.get_blockchain_info().unwrap().into_model().unwrap();
    assert_eq!((info.blocks, info.best_block_hash), (3, hashes[2]));
    assert_eq!(client.get_block_count().unwrap().0, 3);
    assert_eq!(client.get_block(hashes[0]).unwrap().block_hash(), hashes[0]);
    let verbose = client.get_block_verbose_one(hashes[0]).unwrap();
    assert_eq!((verbose.height, verbose.coinbase_tx.version), (1, 1));
    client.get_block_header_verbose(&hashes[1]).unwrap().into_model().unwrap();
    client.get_block_stats_by_height(2, None).unwrap();
    client.get_chain_states().unwrap();
    client.get_addr_man_info().unwrap();
    client.get_chain_tips().unwrap().into_model().unwrap();
    client.get_chain_tx_stats().unwrap();
    assert_eq!(client.get_deployment_info(&hashes[2]).unwrap().script_flags, ["DERSIG"]);
    client.get_tx_out_set_info().unwrap();
    client.get_network_info().unwrap();
    client.get_net_totals().unwrap();
    let peers = client.get_peer_info().unwrap().0;
    assert!(peers[0].bytes_sent_per_message.contains_key("getheaders"), "{peers:?}");
    assert_eq!(peers[0].bytes_sent, peers[0].bytes_sent_per_message.values().sum::<u64>());
    assert!(client.set_network_active(true).unwrap().0);
    client.get_node_addresses().unwrap();
    client.list_banned().unwrap();
    client.get_added_node_info().unwrap();
    client.get_memory_info().unwrap();
    assert!(!client.logging().unwrap().mempool);
    client.help().unwrap();
    client.get_index_info().unwrap();
}

#[test]
fn a_typed_client_for_core_31_pays_and_mines() {
    let rig = Rig::start();
    let client = &rig.client;
    let hashes = rig.mine(102);
    let coin = rig.coinbase_of(hashes[0]);
    let parent = rig.spend(coin, Amount::from_sat(49_9999_0000));
    let tested = client.test_mempool_accept(std::slice::from_ref(&parent)).unwrap().into_model().unwrap();
    assert!(tested.results[0].allowed);
    let txid: Txid = client.send_raw_transaction(&parent).unwrap().0.parse().unwrap();
    assert_eq!(txid, parent.compute_txid());
    let entry = client.get_mempool_entry(txid).unwrap().0;
    assert_eq!((entry.chunk_weight, entry.fees.chunk), (entry.weight, entry.fees.base));
    client.get_raw_mempool_verbose().unwrap();
    let info = client.get_mempool_info().unwrap();
    assert_eq!((info.size, info.limit_cluster_count), (1, 25));
    assert_eq!(client.get_mempool_cluster(txid).unwrap().tx_count, 1);
    assert_eq!(client.get_mempool_feerate_diagram().unwrap().0.len(), 2);
    let spent = client.get_tx_spending_prevout(&[coin]).unwrap().0;
    assert_eq!(spent[0].spending_txid.as_deref(), Some(&*txid.to_string()));

    let second = rig.spend(rig.coinbase_of(hashes[1]), Amount::from_sat(49_9999_0000));
    let child = rig.spend_unknown(OutPoint { txid: second.compute_txid(), vout: 0 }, 49_9990_0000);
    let submitted = client.submit_package(&[second.clone(), child.clone()], None, None).unwrap();
    assert_eq!(submitted.package_msg, "success");
    let result = &submitted.tx_results[&child.compute_txid().to_string()];
    assert!(result.error.is_none() && result.fees.as_ref().unwrap().effective_fee_rate.is_some());
    assert!(client.prioritise_transaction(&txid, Amount::from_sat(1_0000_0000).to_signed().unwrap()).unwrap());
    let prioritised = client.get_prioritised_transactions().unwrap().0;
    assert_eq!(prioritised[&txid.to_string()].fee_delta, 1_0000_0000);
    client.get_orphan_txs_verbosity_2().unwrap();
    client.estimate_smart_fee(6).unwrap();
    client.save_mempool().unwrap();

    let request = TemplateRequest { rules: vec![TemplateRules::Segwit], ..TemplateRequest::default() };
    let template = client.get_block_template(&request).unwrap();
    assert_eq!(template.transactions.len(), 3);
    assert_eq!(template.transactions[0].txid, txid.to_string(), "prioritised");
    client.get_mining_info().unwrap();
    let block = rig.mine(1)[0];
    let mined = client.get_raw_transaction_verbose(child.compute_txid()).unwrap();
    assert_eq!(mined.block_hash, Some(block.to_string()));
    let out = client.get_tx_out(child.compute_txid(), 0).unwrap();
    assert_eq!(out.confirmations, 1);
    assert!(client.get_block(BlockHash::all_zeros()).is_err());
    assert_eq!(rig.node.number("getblockcount", serde_json::json!([])), 103);
}

/// What a script in Python does with the client: numbers keep their decimals, errors their codes. Its `batch_` takes the
/// replies of version 2 for version 1's, from any node.
const PYTHON: &str = r#"
import sys
from decimal import Decimal
from bitcoinrpc.authproxy import AuthServiceProxy, JSONRPCException
url, address = sys.argv[1:]
rpc = AuthServiceProxy(url, timeout=60)
hashes = rpc.generatetoaddress(101, address)
assert rpc.getblockcount() == 101
coinbase = rpc.getblock(hashes[0])["tx"][0]
assert rpc.gettxout(coinbase, 0)["value"] == Decimal("50.00000000")
raw = rpc.createrawtransaction([{"txid": coinbase, "vout": 0}], {address: Decimal("49.99990000")})
assert rpc.decoderawtransaction(raw)["vout"][0]["value"] == Decimal("49.9999")
assert [rpc.getblockhash(height) for height in range(1, 102)] == hashes
for method, arguments, code in [
    ("getblockhash", [5000], -8), ("getblock", ["00" * 32], -5), ("nope", [], -32601), ("getblockhash", ["1"], -3),
]:
    try:
        getattr(rpc, method)(*arguments)
        raise SystemExit(method + " did not fail")
    except JSONRPCException as error:
        assert error.code == code, (method, error.code)
print("done")
"#;

/// Installs a Python package into a directory. The error says why that cannot be done here.
pub fn install(package: &str, directory: &Path) -> Result<(), String> {
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "--target"]);
    let output = pip.arg(directory).arg(package).output().map_err(|error| format!("python3: {error}"))?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

/// A directory with a Python package, or nothing where the test is to be skipped.
fn installed(package: &str) -> Option<tempfile::TempDir> {
    let packages = tempfile::tempdir().unwrap();
    match install(package, packages.path()) {
        Ok(()) => Some(packages),
        Err(why) => {
            assert!(std::env::var_os("TESTOON_REQUIRE_CLIENTS").is_none(), "{package} cannot be installed: {why}");
            eprintln!("skipped: {package} cannot be installed: {why}");
            None
        }
    }
}

#[test]
fn a_python_client_pays_and_reads_errors() {
    let Some(packages) = installed("python-bitcoinrpc==1.0") else { return };
    let node = Node::fresh("bitcoin-regtest", &[]);
    let cookie = std::fs::read_to_string(node.ready["cookie"].as_str().unwrap()).unwrap();
    let url = node.ready["rpc"].as_str().unwrap().replacen("http://", &format!("http://{}@", cookie.trim()), 1);
    let address = fixture::key(1).public_key().address(&fixture::regtest()).to_string();
    let run = Command::new("python3").env("PYTHONPATH", packages.path()).args(["-c", PYTHON, &url, &address]).output();
    let run = run.expect("python3 has just run");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    assert_eq!(String::from_utf8_lossy(&run.stdout).trim(), "done");
}
