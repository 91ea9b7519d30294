//! What the chain tells everybody: traces and clusters.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use chain_spec::{ChainSpec, Outpoint, Txid};
use clap::builder::BoolishValueParser;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::Options;
use super::error::CliError;
use super::listing::table;
use super::output::{json_amount, json_number};
use super::session::{
    choose, client, load_chain, open_to_read, parse_outpoint, require_network, show_progress, usual_chain, write_new,
};
use crate::client::Client;
use crate::forensics::cluster::{Clusters, Hash, Quality, Rules, clusters, quality};
use crate::forensics::owners::owners;
use crate::forensics::trace::{Direction, Share, TraceNode, shares, tree};
use crate::forensics::{ChainIndex, draw};
use crate::keystore;
use crate::wallet::Wallet;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Walk coins back to the coinbases they come from, or forward to where they are now
    Trace(Trace),
    /// Group all addresses of the chain by owner, as far as the chain gives it away
    Clusters(ClustersArguments),
}

#[derive(Args)]
pub(super) struct Trace {
    /// A transaction, an output (TXID:INDEX) or an address
    #[arg(value_name = "TXID|TXID:INDEX|ADDRESS")]
    thing: String,
    /// Walk forward, to what is unspent
    #[arg(long, env = "TESTOON_WALLET_FORWARD", value_parser = BoolishValueParser::new())]
    forward: bool,
    /// Steps shown
    #[arg(long, value_name = "N", env = "TESTOON_WALLET_DEPTH", default_value_t = 6)]
    depth: usize,
    /// Write the graph for Graphviz to this file
    #[arg(long, value_name = "FILE", env = "TESTOON_WALLET_DOT")]
    dot: Option<PathBuf>,
    /// Write a picture to this file
    #[arg(long, value_name = "FILE", env = "TESTOON_WALLET_SVG")]
    svg: Option<PathBuf>,
    /// Chain name or path of a chain spec, if no wallet is named [default: local]
    #[arg(long, value_name = "NAME|PATH", env = "TESTOON_CHAIN")]
    chain: Option<String>,
}

#[derive(Args)]
pub(super) struct ClustersArguments {
    /// Do not join the inputs of one transaction
    #[arg(long, env = "TESTOON_WALLET_NO_COMMON_INPUTS", value_parser = BoolishValueParser::new())]
    no_common_inputs: bool,
    /// Do not take a never-seen output beside a known one for change
    #[arg(long, env = "TESTOON_WALLET_NO_FRESH_CHANGE", value_parser = BoolishValueParser::new())]
    no_fresh_change: bool,
    /// Do not take an output smaller than each of several inputs for change
    #[arg(long, env = "TESTOON_WALLET_NO_NEEDLESS_INPUT", value_parser = BoolishValueParser::new())]
    no_needless_input: bool,
    /// Clusters and flows shown
    #[arg(long, value_name = "N", env = "TESTOON_WALLET_LIMIT", default_value_t = 20)]
    limit: usize,
    /// Hold the clusters against the wallets of the network that `testoon up` started
    #[arg(long, env = "TESTOON_WALLET_OWNERS", value_parser = BoolishValueParser::new())]
    owners: bool,
    /// Chain name or path of a chain spec, if no wallet is named [default: local]
    #[arg(long, value_name = "NAME|PATH", env = "TESTOON_CHAIN")]
    chain: Option<String>,
}

pub(super) fn run(options: &Options, command: Command) -> Result<String, CliError> {
    match command {
        Command::Trace(arguments) => trace(options, &arguments),
        Command::Clusters(arguments) => show_clusters(options, &arguments),
    }
}

/// The whole chain, and the wallet if one is named.
fn read_chain(options: &Options, chain: Option<&String>) -> Result<(ChainIndex, ChainSpec, Option<Wallet>), CliError> {
    let wallet = match &options.wallet {
        Some(_) => Some(open_to_read(options)?),
        None => None,
    };
    let spec = match (&wallet, chain) {
        (Some(wallet), _) => wallet.spec().clone(),
        (None, Some(chain)) => load_chain(chain)?,
        (None, None) => load_chain(&usual_chain(options)?)?,
    };
    let client: Client = client(options, &spec)?;
    if client.block_hash(0)? != Some(spec.genesis_hash()) {
        return Err(CliError::Usage(format!("the node is not on chain {:?}: name its chain with --chain", spec.name)));
    }
    let index = ChainIndex::read(&client, &spec, &mut |progress| {
        show_progress(progress);
    })?;
    Ok((index, spec, wallet))
}

fn trace(options: &Options, arguments: &Trace) -> Result<String, CliError> {
    let (index, spec, _) = read_chain(options, arguments.chain.as_ref())?;
    let coins = coins_of(&index, &spec, &arguments.thing)?;
    let direction = if arguments.forward { Direction::Forward } else { Direction::Back };
    let roots: Vec<TraceNode> =
        coins.iter().filter_map(|coin| tree(&index, *coin, direction, arguments.depth)).collect();
    let parts = if arguments.forward { Vec::new() } else { shares(&index, &coins) };
    for root in &roots {
        write_picture(arguments.dot.as_deref(), || Ok(draw::dot(root, &spec)), roots.len())?;
        write_picture(arguments.svg.as_deref(), || draw::svg(root, &spec).map_err(CliError::Failure), roots.len())?;
    }
    Ok(choose(
        options,
        || {
            let shares: Vec<Value> = parts.iter().map(share_json).collect();
            json!({ "outputs": roots.iter().map(|root| node_json(root, &spec)).collect::<Vec<_>>(), "shares": shares })
        },
        || {
            let trees: String = roots.iter().map(|root| draw::text(root, &spec)).collect();
            if parts.is_empty() { trees } else { format!("{trees}\n{}", shares_text(&parts)) }
        },
    ))
}

fn write_picture(
    path: Option<&Path>,
    make: impl FnOnce() -> Result<String, CliError>,
    roots: usize,
) -> Result<(), CliError> {
    let Some(path) = path else { return Ok(()) };
    if roots != 1 {
        return Err(CliError::Usage(format!("a picture shows one output, these are {roots}: name one as TXID:INDEX")));
    }
    write_new(path, make()?.as_bytes())
}

/// The outputs a text names.
fn coins_of(index: &ChainIndex, spec: &ChainSpec, thing: &str) -> Result<Vec<Outpoint>, CliError> {
    let coins = if let Ok(coin) = parse_outpoint(thing) {
        index.output(&coin).map_or(Vec::new(), |_| vec![coin])
    } else if let Ok(txid) = thing.parse::<Txid>() {
        let outputs = index.get(&txid).map_or(0, |known| known.transaction.outputs.len() as u32);
        (0..outputs).map(|index| Outpoint { txid, index }).collect()
    } else {
        let address = chain_spec::Address::parse(thing, spec)
            .map_err(|error| CliError::Usage(format!("neither TXID nor TXID:INDEX, and {error}")))?;
        index.paid_to(&address.public_key_hash)
    };
    if coins.is_empty() { Err(CliError::Failure(format!("nothing in the chain is {thing}"))) } else { Ok(coins) }
}

fn share_json(share: &Share) -> Value {
    json!({
        "coinbase": share.coinbase.to_string(), "height": share.height,
        "first_in_first_out": json_amount(share.first_in_first_out), "by_proportion": json_amount(share.by_proportion),
    })
}

fn shares_text(shares: &[Share]) -> String {
    let row = |share: &Share| {
        vec![
            share.height.to_string(),
            share.first_in_first_out.to_string(),
            share.by_proportion.to_string(),
            share.coinbase.to_string(),
        ]
    };
    let header = ["BLOCK", "FIRST IN, FIRST OUT", "BY PROPORTION", "COINBASE"];
    table(&header, &[0, 1, 2], shares.iter().map(row).collect())
}

fn node_json(node: &TraceNode, spec: &ChainSpec) -> Value {
    json!({
        "coin": node.coin.to_string(), "amount": json_amount(node.value), "height": node.height,
        "address": node.public_key_hash.map(|hash| keystore::address(hash, spec).to_string()),
        "coinbase": node.is_coinbase, "unspent": node.is_unspent, "cut": node.is_cut,
        "next": node.next.iter().map(|next| node_json(next, spec)).collect::<Vec<_>>(),
    })
}

fn show_clusters(options: &Options, arguments: &ClustersArguments) -> Result<String, CliError> {
    let (index, spec, wallet) = read_chain(options, arguments.chain.as_ref())?;
    let rules = Rules {
        common_inputs: !arguments.no_common_inputs,
        fresh_change: !arguments.no_fresh_change,
        needless_input: !arguments.no_needless_input,
    };
    let found = clusters(&index, rules);
    let owners = if arguments.owners { owners(&require_network(options)?)? } else { HashMap::new() };
    let measured = arguments.owners.then(|| quality(&found, &owners));
    let names = names(&found, &spec, wallet.as_ref(), &owners);
    Ok(choose(
        options,
        || clusters_json(&found, &spec, &names, measured, arguments.limit),
        || clusters_text(&found, &spec, &names, measured, arguments.limit),
    ))
}

/// What each cluster is called: labels of the wallet, owners of the network, or nothing.
fn names(found: &Clusters, spec: &ChainSpec, wallet: Option<&Wallet>, owners: &HashMap<Hash, String>) -> Vec<String> {
    let name = |addresses: &[Hash]| {
        let mut names: Vec<String> = Vec::new();
        for hash in addresses {
            let label = wallet.and_then(|wallet| wallet.labels().get(&keystore::address(*hash, spec).to_string()));
            let ours = wallet.filter(|wallet| wallet.keys().origin(hash).is_some()).map(|_| "this wallet");
            names.extend(owners.get(hash).map(String::as_str).or(label).or(ours).map(str::to_owned));
        }
        names.sort();
        names.dedup();
        names.join(", ")
    };
    found.clusters.iter().map(|cluster| name(&cluster.addresses)).collect()
}

fn clusters_json(
    found: &Clusters,
    spec: &ChainSpec,
    names: &[String],
    measured: Option<Quality>,
    limit: usize,
) -> Value {
    let clusters = found.clusters.iter().enumerate().take(limit).map(|(number, cluster)| {
        let addresses = cluster.addresses.iter().map(|hash| keystore::address(*hash, spec).to_string());
        json!({
            "cluster": number, "names": names[number], "size": cluster.addresses.len(),
            "balance": json_amount(cluster.balance), "addresses": addresses.collect::<Vec<_>>(),
        })
    });
    let flows = found.flows.iter().take(limit).map(|((from, to), flow)| {
        json!({ "from": from, "to": to, "transactions": flow.transactions, "amount": json_amount(flow.amount) })
    });
    let mut value = json!({
        "addresses": found.of.len(), "count": found.clusters.len(),
        "clusters": clusters.collect::<Vec<_>>(), "flows": flows.collect::<Vec<_>>(),
    });
    if let Some(quality) = measured {
        value["precision"] = json_number(&format!("{:.6}", quality.precision()));
        value["recall"] = json_number(&format!("{:.6}", quality.recall()));
        value["owned_addresses"] = json!(quality.addresses);
    }
    value
}

fn clusters_text(
    found: &Clusters,
    spec: &ChainSpec,
    names: &[String],
    measured: Option<Quality>,
    limit: usize,
) -> String {
    let mut text = format!("{} addresses in {} clusters\n", found.of.len(), found.clusters.len());
    let rows = found.clusters.iter().enumerate().take(limit).map(|(number, cluster)| {
        vec![
            number.to_string(),
            cluster.addresses.len().to_string(),
            cluster.balance.to_string(),
            keystore::address(cluster.addresses[0], spec).to_string(),
            names[number].clone(),
        ]
    });
    text += &table(&["CLUSTER", "SIZE", "BALANCE", "FIRST ADDRESS", "KNOWN AS"], &[0, 1, 2], rows.collect());
    let mut flows: Vec<_> = found.flows.iter().collect();
    flows.sort_by_key(|(_, flow)| std::cmp::Reverse(flow.amount));
    let rows = flows.into_iter().take(limit).map(|((from, to), flow)| {
        vec![from.to_string(), to.to_string(), flow.transactions.to_string(), flow.amount.to_string()]
    });
    let rows: Vec<Vec<String>> = rows.collect();
    if !rows.is_empty() {
        text += &format!("\n{}", table(&["FROM", "TO", "PAYMENTS", "AMOUNT"], &[0, 1, 2, 3], rows));
    }
    if let Some(quality) = measured {
        text += &format!(
            "\nheld against the owners of {} addresses:\n\
             precision {:.1} %: so many of the {} pairs put together belong together\n\
             recall    {:.1} %: so many of the {} pairs that belong together were put together\n",
            quality.addresses,
            100.0 * quality.precision(),
            quality.pairs_joined,
            100.0 * quality.recall(),
            quality.pairs_owned
        );
    }
    text
}
