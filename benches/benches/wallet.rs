//! A large wallet: 100,000 transactions on 10,000 addresses, 50,000 coins. How long it takes to open, to save and to choose
//! coins, what memory a command takes, and how long 10,000 blocks take to follow. Beside each time stands the processor time
//! of this process, which does not depend on what else the machine does (its unit is 10 ms).

use chain_spec::{
    Amount, Block, CheckedBlock, CompactTarget, Header, Outpoint, PrivateKey, Script, Transaction, TxIn, TxOut,
};
use kit::fixture::regtest;
use kit::measure::cpu_seconds;
use kit::process::bench_main;
use kit::{now, testoon};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::sync::Arc;
use wallet::coins::{Request, select};
use wallet::{Auth, Branch, Client, FeeRate, KeyPath, Password, PaymentOptions, Wallet, Words};

const TRANSACTIONS: u32 = 100_000;
const ADDRESSES: u32 = 10_000;
const BLOCKS: u32 = 100;
const SYNC_BLOCKS: u32 = 10_000;
const ROUNDS: usize = 5;

/// Runs something once and says what it took.
fn timed<T>(what: &str, run: impl FnOnce() -> T) -> T {
    let (started, cpu_before) = (now(), cpu_seconds(std::process::id()));
    let done = run();
    let (wall, cpu_after) = (started.elapsed().as_secs_f64(), cpu_seconds(std::process::id()));
    let cpu = cpu_after.unwrap_or(f64::NAN) - cpu_before.unwrap_or(f64::NAN);
    println!("{what}: {wall:.3} s, processor {cpu:.2} s");
    done
}

fn main() -> std::process::ExitCode {
    bench_main(|| {
        selection();
        large_file();
        sync();
    })
}

/// Half of the transactions pay a new coin each, half spend one and pay another.
fn history(wallet: &mut Wallet) {
    let spec = regtest();
    let genesis = CheckedBlock::from_store(Arc::new(spec.genesis.clone()));
    assert!(wallet.connect(&genesis).expect("keys can be derived"));
    let mut previous = spec.genesis.clone();
    let mut spendable = std::collections::VecDeque::new();
    let mut number = 0_u32;
    for _ in 0..BLOCKS {
        let mut transactions = Vec::new();
        for _ in 0..TRANSACTIONS / BLOCKS {
            let path = KeyPath { account: 0, branch: Branch::External, index: number % ADDRESSES };
            let to = wallet.address_at(path).expect("within the look-ahead").script();
            let source = if number % 2 == 1 { spendable.pop_front() } else { None };
            let mut foreign = [0xEE; 32];
            foreign[..4].copy_from_slice(&number.to_le_bytes());
            let outpoint = source.unwrap_or(Outpoint { txid: chain_spec::Txid::from_bytes(foreign), index: 0 });
            let input = TxIn { outpoint, script: Script::from_bytes(vec![7; 107]), sequence: 0xFFFF_FFFD };
            let value = Amount::from_units(1_000_000 + u64::from(number % 977) * 13_337);
            let rest = TxOut { value: Amount::COIN, script: Script::pay_to_public_key_hash(&[9; 20]) };
            let outputs = vec![TxOut { value, script: to }, rest];
            let transaction = Transaction { version: 2, inputs: vec![input], outputs, lock_time: 0 };
            spendable.push_back(Outpoint { txid: transaction.txid(), index: 0 });
            transactions.push(transaction);
            number += 1;
        }
        let header = Header {
            version: 4,
            previous: previous.hash(),
            merkle_root: chain_spec::MerkleRoot::ZERO,
            time: previous.header.time + 600,
            bits: CompactTarget::from_bits(0x207f_ffff),
            nonce: 0,
        };
        previous = Block { header, transactions };
        assert!(wallet.connect(&CheckedBlock::from_store(Arc::new(previous.clone()))).expect("keys can be derived"));
    }
}

fn large_file() {
    let place = tempfile::tempdir().expect("a temporary directory");
    let path = place.path().join("large.wallet");
    let words = Words::generate(12).expect("randomness");
    let mut wallet = Wallet::in_memory(regtest(), &words, "").expect("a wallet");
    for _ in 0..ADDRESSES {
        wallet.new_address().expect("an address");
    }
    history(&mut wallet);
    println!("{} transactions, {} coins", wallet.history().len(), wallet.coins().len());
    let to = PrivateKey::from_bytes(&[3; 32], true).expect("a key").public_key().address(wallet.spec());
    timed("a payment chosen from them and signed", || {
        wallet.build_payment(&to, Amount::COIN, &PaymentOptions::default()).expect("there is enough")
    });
    let mut wallet = wallet.write_new(&path, &Password::None).expect("a file");
    timed("saved", || wallet.save().expect("a file"));
    println!("the file: {} MiB", std::fs::metadata(&path).map_or(0, |file| file.len()) >> 20);
    drop(wallet);
    for _ in 0..ROUNDS {
        timed("opened", || Wallet::open(&path, &Password::None).expect("it opens"));
    }
    let mut child = testoon()
        .args(["wallet", "--offline", "--wallet"])
        .arg(&path)
        .args(["balance"])
        .stdout(Stdio::null())
        .spawn()
        .expect("the wallet starts");
    let peak = peak_bytes(&mut child);
    println!("`balance` of it: {:.0} MiB at most", peak as f64 / f64::from(1 << 20));
}

/// The most memory a process had while it ran, from looks at what the system recorded.
fn peak_bytes(child: &mut Child) -> u64 {
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait().expect("it was started").is_none() {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with("VmHWM:")).unwrap_or_default();
        let kib = line.split_whitespace().nth(1).and_then(|number| number.parse::<u64>().ok()).unwrap_or(0);
        peak = peak.max(kib * 1024);
    }
    peak
}

fn selection() {
    let coins: Vec<Amount> = (0..50_000_u64).map(|n| Amount::from_units(1_000 + n * n % 1_000_003 * 997)).collect();
    let request = |amount: &str| Request {
        amount: amount.parse().expect("an amount"),
        outputs: 1,
        outputs_size: wallet::fee::OUTPUT_SIZE,
        input_size: wallet::fee::INPUT_SIZE,
        fee_rate: FeeRate::DEFAULT,
        fixed_fee: None,
        subtract_fee: false,
        no_change: false,
    };
    for amount in ["0.01", "1", "100", "5000"] {
        let chosen = timed(&format!("{amount} chosen from 50,000 coins"), || select(&coins, &request(amount)));
        println!("    {} coins", chosen.map_or(0, |selection| selection.coins.len()));
    }
}

fn sync() {
    let place = tempfile::tempdir().expect("a temporary directory");
    let mut node = testoon()
        .args(["node", "--chain", "bitcoin-regtest", "--rpc-listen", "127.0.0.1:0", "--p2p-listen", "127.0.0.1:0"])
        .args(["--no-discover", "--datadir"])
        .arg(place.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the node starts");
    let mut line = String::new();
    BufReader::new(node.stdout.take().expect("piped above")).read_line(&mut line).expect("a line");
    let ready: Value = serde_json::from_str(&line).expect("the node says where it listens");
    let rpc = ready["rpc"].as_str().expect("an address").to_owned();
    let client = Client::new(&rpc, Auth::Cookie(place.path().join(".cookie"))).expect("an address");
    let mut wallet = Wallet::in_memory(regtest(), &Words::generate(12).expect("randomness"), "").expect("a wallet");
    let to = wallet.address().expect("an address").to_string();
    for _ in 0..SYNC_BLOCKS / 500 {
        client.call_within("generatetoaddress", json!([500, to]), 600_000).expect("blocks");
    }
    timed("10,000 blocks followed", || wallet.sync(&client).expect("the node answers"));
    assert_eq!(wallet.view().height(), SYNC_BLOCKS);
    let _ = node.kill();
    let _ = node.wait();
}
