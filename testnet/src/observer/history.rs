//! Where coins come from and go to, and which addresses belong together, on the chain of a running network.
//!
//! It stands on [`wallet::forensics`], as `testoon wallet trace` and `clusters` do, and on [`super::explore`] for what is not in a
//! block. A [`Source`] is what must be asked of the [`View`]; what takes longer does not hold up who looks on. [`crate::web`] keeps
//! one [`History`] a network, which reads only what is new. All amounts are coins.

use super::explore;
use super::status::LOOK_TIMEOUT_MS;
use super::view::View;
use anyhow::{Context as _, Result, anyhow, bail};
use chain_spec::{Address, Amount, ChainSpec, Decode as _, Outpoint, Transaction, TxOut, Txid};
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use wallet::Client;
use wallet::forensics::cluster::{Clusters, Hash, Rules, clusters, quality};
use wallet::forensics::owners::owners;
use wallet::forensics::trace::shares;
use wallet::forensics::{ChainIndex, Known};
use wallet::network::LocalNetwork;

/// Longer chains are not read for the page, blocks: reading ten thousand takes seconds.
const BLOCKS_MAX: u32 = 50_000;
/// Clusters, payments between them, coins of an address, and coinbases told.
const CLUSTERS_MAX: usize = 50;
const FLOWS_MAX: usize = 100;
const COINS_MAX: usize = 500;
const SHARES_MAX: usize = 50;
/// Addresses told of one cluster.
const ADDRESSES_MAX: usize = 200;

/// Whom to ask: a running node, its chain, and the network's directory with the wallets that say who owns what.
pub struct Source {
    client: Client,
    spec: Arc<ChainSpec>,
    directory: PathBuf,
}

impl Source {
    /// The first running node of a network.
    ///
    /// # Errors
    /// None runs.
    pub fn of(view: &View) -> Result<Source> {
        let cluster = view.cluster();
        let clients = cluster.alive().into_iter().filter_map(|name| cluster.client(&name).ok());
        let client = clients.into_iter().next().ok_or_else(|| anyhow!("no node is running"))?;
        Ok(Source { client, spec: cluster.spec().clone(), directory: cluster.directory().path().to_owned() })
    }

    fn address(&self, hash: [u8; 20]) -> String {
        Address { version: self.spec.address_version, public_key_hash: hash }.to_string()
    }

    /// Each known address' account; none where the wallets cannot be read, since clusters are told without names too.
    fn owners(&self) -> HashMap<Hash, String> {
        LocalNetwork::open(&self.directory).ok().and_then(|network| owners(&network).ok()).unwrap_or_default()
    }

    /// A transaction that is in a mempool.
    fn waiting(&self, txid: &Txid) -> Option<Transaction> {
        let parameters = json!([txid.to_string()]);
        let hex = self.client.call_within("getrawtransaction", parameters, LOOK_TIMEOUT_MS).ok()?;
        Transaction::from_bytes(&hex::decode(hex.as_str()?).ok()?).ok()
    }

    /// Who spends outputs in the node's mempool, in the order of the outputs.
    fn spent_in_mempool(&self, outputs: &[Outpoint]) -> Vec<Option<String>> {
        let asked: Vec<Value> =
            outputs.iter().map(|coin| json!({ "txid": coin.txid.to_string(), "vout": coin.index })).collect();
        let answer = self.client.call_within("gettxspendingprevout", json!([asked]), LOOK_TIMEOUT_MS);
        let answer = answer.unwrap_or_default();
        (0..outputs.len()).map(|at| answer[at]["spendingtxid"].as_str().map(str::to_owned)).collect()
    }
}

/// The bytes of a transaction that may be on a branch that was left, where only the view finds it.
pub fn bytes_of(view: &View, txid: &str) -> Option<Vec<u8>> {
    hex::decode(explore::transaction(view, txid).ok()?["hex"].as_str()?).ok()
}

/// A network's active chain, as far as it has been read.
#[derive(Default)]
pub struct History {
    index: ChainIndex,
}

impl History {
    /// Reads what is new.
    ///
    /// # Errors
    /// The chain is too long, or the node does not answer.
    pub fn catch_up(&mut self, source: &Source) -> Result<()> {
        let count = source.client.block_count()?;
        if count > BLOCKS_MAX {
            bail!(
                "the chain has {count} blocks, and the page follows coins through {BLOCKS_MAX} at most; \
                 use `testoon wallet trace` and `clusters`"
            );
        }
        self.index.catch_up(&source.client, &source.spec, &mut |_| {}).context("the chain cannot be read")
    }

    /// Where a transaction's coins come from and where they went: each input with the output it spends, each output with who
    /// spends it. `bytes` are those of a transaction that is not on the active chain.
    ///
    /// # Errors
    /// Nobody has it.
    pub fn transaction(&self, source: &Source, txid: &str, bytes: Option<&[u8]>) -> Result<Value> {
        let unknown = || anyhow!("no running node has a transaction {txid:?}");
        let id: Txid = txid.parse().map_err(|_| unknown())?;
        let known = self.index.get(&id);
        let transaction = match (known, bytes) {
            (Some(known), _) => known.transaction.clone(),
            (None, Some(bytes)) => Arc::new(Transaction::from_bytes(bytes).map_err(|_| unknown())?),
            (None, None) => return Err(unknown()),
        };
        let inputs = transaction.inputs.iter().filter(|input| !input.outpoint.is_null());
        let inputs: Vec<Value> = inputs.map(|input| self.input(source, &input.outpoint)).collect();
        let coins: Vec<Outpoint> =
            (0..).zip(&transaction.outputs).map(|(index, _)| Outpoint { txid: id, index }).collect();
        let waiting = source.spent_in_mempool(&coins);
        let outputs = transaction.outputs.iter().zip(&coins).zip(waiting);
        let outputs: Vec<Value> = outputs
            .map(|((output, coin), waiting)| {
                let mut told = describe(source, coin, output);
                told["spent_by"] = match (self.index.spender(coin), waiting) {
                    (Some(spender), _) => spender_json(spender),
                    (None, Some(txid)) => json!({ "txid": txid, "height": null }),
                    (None, None) => Value::Null,
                };
                told
            })
            .collect();
        Ok(json!({
            "txid": txid,
            "height": known.map(|known| known.height),
            "coinbase": transaction.is_coinbase(),
            "inputs": inputs,
            "outputs": outputs,
        }))
    }

    /// The output that an input spends.
    fn input(&self, source: &Source, coin: &Outpoint) -> Value {
        let made_by = self.index.get(&coin.txid);
        let transaction = made_by.map(|known| known.transaction.clone());
        let transaction = transaction.or_else(|| source.waiting(&coin.txid).map(Arc::new));
        let output = transaction.as_ref().and_then(|made_by| made_by.outputs.get(coin.index as usize));
        let mut told = match output {
            Some(output) => describe(source, coin, output),
            None => json!({ "txid": coin.txid.to_string(), "vout": coin.index, "value": null, "address": null }),
        };
        told["height"] = json!(made_by.map(|known| known.height));
        told["coinbase"] = json!(made_by.is_some_and(|known| known.transaction.is_coinbase()));
        told
    }

    /// The coinbases that an output goes back to, with their parts of it by two conventions, the largest first.
    ///
    /// # Errors
    /// There is no such output on the active chain.
    pub fn origin(&self, txid: &str, vout: u32) -> Result<Value> {
        let id: Txid = txid.parse().map_err(|_| anyhow!("{txid:?} is no transaction id"))?;
        let coin = Outpoint { txid: id, index: vout };
        self.index.output(&coin).with_context(|| format!("no block of the active chain has an output {coin}"))?;
        let parts = shares(&self.index, &[coin]);
        let told: Vec<Value> = parts
            .iter()
            .take(SHARES_MAX)
            .map(|part| {
                json!({
                    "coinbase": part.coinbase.to_string(),
                    "height": part.height,
                    "first_in_first_out": coins(part.first_in_first_out),
                    "by_proportion": coins(part.by_proportion),
                })
            })
            .collect();
        Ok(json!({ "count": parts.len(), "shares": told }))
    }

    /// The chain's addresses in clusters, the largest first, who really owns them, and what clusters paid each other.
    pub fn clusters(&self, source: &Source, rules: Rules) -> Value {
        let found = clusters(&self.index, rules);
        let owners = source.owners();
        let measured = quality(&found, &owners);
        let largest: Vec<Value> =
            (0..found.clusters.len().min(CLUSTERS_MAX)).map(|at| cluster_json(source, &found, at, &owners)).collect();
        let mut flows: Vec<_> = found.flows.iter().collect();
        flows.sort_by_key(|(_, flow)| std::cmp::Reverse(flow.amount));
        let flows: Vec<Value> = flows
            .into_iter()
            .filter(|((from, to), _)| *from.max(to) < CLUSTERS_MAX)
            .take(FLOWS_MAX)
            .map(|((from, to), flow)| {
                json!({ "from": from, "to": to, "transactions": flow.transactions, "amount": coins(flow.amount) })
            })
            .collect();
        json!({
            "addresses": found.of.len(),
            "count": found.clusters.len(),
            "clusters": largest,
            "flows": flows,
            "precision": measured.precision(),
            "recall": measured.recall(),
        })
    }

    /// Every coin that an address was ever paid, the newest first, with who spent it; and the address' cluster.
    ///
    /// # Errors
    /// It is no address of the chain.
    pub fn address(&self, source: &Source, address: &str) -> Result<Value> {
        let hash = Address::parse(address, &source.spec)?.public_key_hash;
        let paid = self.index.paid_to(&hash);
        let told: Vec<Value> = paid
            .iter()
            .rev()
            .take(COINS_MAX)
            .filter_map(|coin| {
                let mut told = describe(source, coin, self.index.output(coin)?);
                told["height"] = json!(self.index.get(&coin.txid).map(|known| known.height));
                told["spent_by"] = self.index.spender(coin).map_or(Value::Null, spender_json);
                Some(told)
            })
            .collect();
        let found = clusters(&self.index, Rules::ALL);
        let cluster = found.of.get(&hash).map(|at| cluster_json(source, &found, *at, &source.owners()));
        Ok(json!({ "address": address, "count": paid.len(), "coins": told, "cluster": cluster }))
    }
}

fn coins(amount: Amount) -> f64 {
    // A coin is 10⁸ units.
    amount.units() as f64 / 1e8
}

fn describe(source: &Source, coin: &Outpoint, output: &TxOut) -> Value {
    json!({
        "txid": coin.txid.to_string(),
        "vout": coin.index,
        "value": coins(output.value),
        "address": output.script.public_key_hash().map(|hash| source.address(hash)),
    })
}

fn spender_json(known: &Known) -> Value {
    json!({ "txid": known.txid.to_string(), "height": known.height })
}

fn cluster_json(source: &Source, found: &Clusters, at: usize, owners: &HashMap<Hash, String>) -> Value {
    let cluster = &found.clusters[at];
    let names: BTreeSet<&String> = cluster.addresses.iter().filter_map(|hash| owners.get(hash)).collect();
    let addresses: Vec<String> =
        cluster.addresses.iter().take(ADDRESSES_MAX).map(|hash| source.address(*hash)).collect();
    json!({
        "cluster": at,
        "owners": names,
        "size": cluster.addresses.len(),
        "balance": coins(cluster.balance),
        "addresses": addresses,
    })
}
