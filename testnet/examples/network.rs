//! A network of three nodes by the library: started, paid through, and stopped.
//!
//! ```text
//! cargo run -p testoon --example network
//! ```
//!
//! A launcher starts its nodes by running its own program as `PROGRAM node …`, so a program that uses the library hands such
//! a command line on, first of all.

use anyhow::{Context as _, Result};
use chain_spec::ChainSpec;
use std::process::ExitCode;
use testnet::cluster::Cluster;
use testnet::cluster::directory::Directory;
use testnet::cluster::payment::{self, PaymentRequest};
use testnet::plan::Plan;
use testnet::plan::topology::Topology;

/// Hash rate of the whole network, hashes a second.
const HASHRATE: f64 = 20_000.0;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    if arguments.get(1).is_some_and(|first| first == "node") {
        return testnet::cli::run(arguments);
    }
    match network() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn network() -> Result<()> {
    let place = tempfile::tempdir().context("cannot make a temporary directory")?;
    let directory = Directory::create(Some(&place.path().join("net")))?;
    let spec = ChainSpec::builtin("local").context("a built-in chain")?;
    let plan = Plan::standard(3, HASHRATE, Topology::default());
    let mut cluster = Cluster::create(directory, "local", spec, plan)?;
    // Detached: the nodes do not watch for the end of this program, which stops them itself.
    cluster.start(true, None)?;
    let paid = pay(&cluster);
    cluster.stop()?;
    paid
}

fn pay(cluster: &Cluster) -> Result<()> {
    println!("running: {}", cluster.alive().join(", "));
    let amount = payment::parse_amount("12.5").map_err(anyhow::Error::msg)?;
    let request = PaymentRequest {
        from: Some("alice"),
        to: "shop",
        amount,
        confirmations: 1,
        timeout_ms: None,
        fee_rate: wallet::PaymentOptions::default().fee_rate,
    };
    let payment = payment::pay(cluster, &request)?;
    println!("alice paid shop 12.5 coins in transaction {}", payment.txid);
    println!("confirmed after {} s for a fee of {} coins", payment.seconds, payment.fee);
    Ok(())
}
