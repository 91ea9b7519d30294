//! A network under load for a while, and a network that was parted for a while.
//!
//! Everybody runs the short forms. Longer ones: `TESTOON_SOAK_NODES=20 TESTOON_SOAK_SECONDS=600` and
//! `TESTOON_PARTITION_SECONDS=600`; both print what they saw.

use crate::network::pause;
use chain_spec::ChainSpec;
use kit::measure::resident_bytes;
use kit::now;
use kit::payer::Payer;
use kit::{Client, Network, WAIT_MAX, eventually};
use serde_json::{Value, json};
use std::time::Duration;

/// Payments a second.
const PAYMENTS_PER_S: u32 = 40;
/// Coins that pay in turn: chains of unconfirmed payments stay far below their limit.
const COINS: u32 = 200;
/// A node of a small network holds no more than this, bytes: its caches are small at this size of chain.
const RESIDENT_BYTES_MAX: u64 = 200 << 20;
/// From the first third of the run to its end a node may grow by no more than this, bytes: blocks, coins and logs of the run, and
/// what the allocator keeps.
const GROWTH_BYTES_MAX: u64 = 48 << 20;
/// A healed network has one tip within this time.
const HEAL_MAX: Duration = Duration::from_secs(2);

fn from_environment(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

fn network(nodes: u64) -> Network {
    Network::up(&["--nodes", &nodes.to_string(), "--topology", "random-4"])
}

#[test]
fn a_network_under_load_stays_small_and_agrees_in_the_end() {
    let seconds = from_environment("TESTOON_SOAK_SECONDS", 9);
    let network = network(from_environment("TESTOON_SOAK_NODES", 6));
    let clients = network.clients();
    let resident = || -> Vec<u64> {
        let pids = network.nodes().into_iter().map(|node| node["pid"].as_u64().expect("a process id") as u32);
        pids.map(|pid| resident_bytes(pid).expect("the node runs")).collect()
    };
    pause(&network, true);
    let mut payer = funded(&clients);
    pause(&network, false);
    let (mut sent, mut refused) = (0_u32, 0_u32);
    let mut early = Vec::new();
    let started = now();
    while started.elapsed() < Duration::from_secs(seconds) {
        let due = (started.elapsed().as_secs_f64() * f64::from(PAYMENTS_PER_S)) as u32;
        while sent + refused < due {
            let payment = payer.pay(1).expect("a coin");
            // Another node each time: its coin's last payment came to it from its neighbours.
            let client = &clients[(sent + refused) as usize % clients.len()];
            match client.try_call("sendrawtransaction", json!([payment.hex()])) {
                Ok(_) => {
                    payer.taken(&payment);
                    sent += 1;
                }
                Err(_) => {
                    payer.refused(&payment);
                    refused += 1;
                }
            }
        }
        if early.is_empty() && started.elapsed() * 3 > Duration::from_secs(seconds) {
            early = resident();
        }
        std::thread::park_timeout(Duration::from_millis(20));
    }
    let late = resident();
    let mib = |bytes: &[u64]| bytes.iter().map(|bytes| bytes >> 20).collect::<Vec<_>>();
    println!("MiB resident after a third: {:?}; in the end: {:?}", mib(&early), mib(&late));
    for (early, late) in early.iter().zip(&late) {
        assert!(*late < RESIDENT_BYTES_MAX, "a node holds {late} bytes");
        assert!(late.saturating_sub(*early) < GROWTH_BYTES_MAX, "a node grew from {early} to {late} bytes");
    }
    assert!(refused * 10 < sent, "{refused} of {} payments were refused", sent + refused);

    pause(&network, true);
    let states = eventually("all nodes have one tip and its coins", || {
        let states: Vec<_> = clients.iter().map(Client::coins_hash).collect();
        states.windows(2).all(|pair| pair[0] == pair[1]).then_some(states)
    });
    let height = clients[0].height();
    println!("{} nodes at height {height}, tip {}; {sent} payments, {refused} refused", states.len(), states[0].0);
    assert!(height >= seconds / 8, "blocks stopped at height {height}");
}

/// Coins that can be spent at every node. Nobody else mines meanwhile: a branch that lost would take the coins along.
fn funded(clients: &[Client]) -> Payer {
    let spec = local();
    let mut payer = Payer::new(&spec);
    payer.fund(&clients[0], 4, spec.coinbase_maturity);
    let mut splits = Vec::new();
    for _ in 0..4 {
        let split = payer.pay(COINS / 4).expect("a coin of the mined blocks");
        clients[0].call("sendrawtransaction", json!([split.hex()]));
        splits.push(split);
    }
    clients[0].call("generatetoaddress", json!([1, payer.address()]));
    splits.iter().for_each(|split| payer.taken(split));
    assert_eq!(payer.coins(), COINS as usize);
    for client in clients {
        for split in &splits {
            // In a block, not only in a mempool: what hangs on an unconfirmed payment is limited.
            eventually("every node has the coins", || {
                let coin = client.call("gettxout", json!([split.transaction.txid().to_string(), 0, false]));
                (!coin.is_null()).then_some(())
            });
        }
    }
    payer
}

#[test]
fn a_healed_partition_has_one_tip_in_a_moment() {
    let seconds = from_environment("TESTOON_PARTITION_SECONDS", 5);
    let network = network(6);
    let clients = network.clients();
    clients[5].wait_for_height(1);
    assert_eq!(network.run(&["net", "partition", "0,1,2|3,4,5"]).code, 0);
    std::thread::park_timeout(Duration::from_secs(seconds));
    pause(&network, true);
    // The first four mine; the fourth is alone with the others' listeners, which makes its side's branch the shorter one.
    let [near, far] = [0, 3].map(|node: usize| best(&clients[node..node + 3]));
    if near.0 == far.0 {
        clients[0].call("generatetoaddress", json!([1, Payer::new(&local()).address()]));
    }
    let (_, tip) = best(&clients).max(best(&clients[..1]));
    let healed = now();
    let healing = {
        let directory = network.path();
        std::thread::spawn(move || {
            let done = kit::run(&["net", "heal", "--dir", &directory.to_string_lossy()]);
            (done.code, now())
        })
    };
    let waits: Vec<_> = clients
        .iter()
        .map(|client| {
            let (client, tip) = (client.clone(), tip.clone());
            std::thread::spawn(move || {
                let found = client.call("waitforblock", json!([tip, WAIT_MAX.as_millis() as u64]));
                (found["hash"] == json!(tip), now())
            })
        })
        .collect();
    let seen: Vec<_> = waits.into_iter().map(|wait| wait.join().expect("no panic")).collect();
    let (code, commanded) = healing.join().expect("no panic");
    assert_eq!(code, 0, "net heal failed");
    assert!(seen.iter().all(|(same, _)| *same), "not all nodes reached {tip}");
    let last = seen.iter().map(|(_, at)| *at).max().expect("six nodes");
    let after = last.saturating_duration_since(commanded);
    println!(
        "parted for {seconds} s at heights {} and {}; one tip {after:?} after `net heal` was done, {:?} after it was called",
        near.0,
        far.0,
        last - healed
    );
    assert!(after < HEAL_MAX, "one tip took {after:?}");
}

fn local() -> ChainSpec {
    ChainSpec::builtin("local").expect("a built-in chain")
}

/// The most work among nodes, and its tip.
fn best(clients: &[Client]) -> (String, String) {
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let infos = clients.iter().map(|client| client.call("getblockchaininfo", json!([])));
    infos.map(|info| (text(&info["chainwork"]), text(&info["bestblockhash"]))).max().expect("nodes")
}
