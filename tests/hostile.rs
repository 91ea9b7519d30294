//! Hostile peers against a real node over real sockets. In each test the victim stands between two honest nodes whose blocks pass
//! through it: how long a block takes is measured during the attack, what the victim holds is bounded, the offender is dropped
//! where it broke a rule, and the honest ones stay.
//!
//! `TESTOON_HOSTILE_HEADERS` and `TESTOON_HOSTILE_CONNECTIONS` make the floods larger.

use chain_spec::{Amount, Block, BlockHash, ChainSpec, Encode as _, Header, Transaction, merkle};
use kit::fixture::{self, ChainBuilder, regtest};
use kit::payer::Payer;
use kit::rogue::{self, Answers, Rogue, Topic, contents, frame, list};
use kit::{Node, NodeOptions, WAIT_MAX, eventually};
use kit::{median, now};
use serde_json::{Value, json};
use std::io::Write as _;
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Blocks of the chain all start from.
const HEIGHT: usize = 150;
/// Honest blocks that are timed during an attack.
const TIMED: usize = 5;
/// Their median time through the victim, seconds: two debug builds' hops and mining included, on a machine that runs other tests.
const HONEST_S_MAX: f64 = 1.0;
/// What an attack may add to the victim's resident memory, bytes: its queues, pools and caches at their bounds. The most comes of
/// headers without bodies, some 700 bytes each.
const GROWTH_BYTES_MAX: u64 = 96 << 20;
/// Headers without bodies that a node takes of a better chain before it asks for no more: 100,000, and the rest of a message.
const HEADERS_TAKEN_MAX: usize = 102_000;
/// An offender is gone within this time.
const DROP_MAX: Duration = Duration::from_secs(30);

/// Two honest nodes with the victim between them.
struct Neighbourhood {
    near: Node,
    victim: Node,
    far: Node,
    builder: Mutex<ChainBuilder>,
    resident: u64,
    _place: tempfile::TempDir,
}

impl Neighbourhood {
    fn new() -> Neighbourhood {
        let place = tempfile::tempdir().expect("a temporary directory");
        let options = |name: &str| NodeOptions::new("bitcoin-regtest", &place.path().join(name));
        let victim = Node::start(options("victim"));
        let near = Node::start(options("near").connected_to(&victim));
        let far = Node::start(options("far").connected_to(&victim));
        let mut builder = ChainBuilder::new(regtest(), 1);
        builder.mine_empty(HEIGHT);
        for block in &builder.blocks[1..] {
            near.client.call("submitblock", json!([hex::encode(block.to_bytes())]));
        }
        [&victim, &far].iter().for_each(|node| node.client.wait_for_height(HEIGHT as u64));
        let resident = resident(&victim);
        Neighbourhood { near, victim, far, builder: Mutex::new(builder), resident, _place: place }
    }

    fn spec(&self) -> ChainSpec {
        ChainSpec::clone(&regtest())
    }

    fn rogue(&self, answers: Answers) -> Rogue {
        Rogue::connect(self.victim.p2p(), &self.spec(), answers)
    }

    /// A branch of the rogue's own above the honest chain.
    fn branch(&self, blocks: usize) -> ChainBuilder {
        let builder = self.builder.lock().expect("no panic");
        let mut branch = builder.fork(builder.blocks.len() as u32 - 1, 99);
        branch.mine_empty(blocks);
        branch
    }

    /// Seconds from an honest block's submission at one honest node until it is the other's tip.
    fn honest_block(&self) -> f64 {
        let mut builder = self.builder.lock().expect("no panic");
        let block = builder.mine(Vec::new());
        let (far, hash) = (self.far.client.clone(), block.hash().to_string());
        let wait = std::thread::spawn(move || {
            let found = far.call("waitforblock", json!([hash, WAIT_MAX.as_millis() as u64]));
            assert_eq!(found["hash"], json!(hash), "the honest block did not come");
            now()
        });
        let sent = now();
        self.near.client.call("submitblock", json!([hex::encode(block.to_bytes())]));
        (wait.join().expect("the block came") - sent).as_secs_f64()
    }

    /// Honest blocks still pass, the honest peers are still there and have done no wrong, and the victim is no larger than allowed.
    fn is_unharmed(&self, attack: &str) {
        let times: Vec<f64> = (0..TIMED).map(|_| self.honest_block()).collect();
        let worst = times.iter().copied().fold(0.0, f64::max);
        let (middle, grown) = (median(times), resident(&self.victim).saturating_sub(self.resident));
        println!(
            "{attack}: honest blocks pass in {:.1} ms, worst {:.1} ms; the victim grew by {} KiB",
            middle * 1e3,
            worst * 1e3,
            grown >> 10
        );
        assert!(middle < HONEST_S_MAX, "{attack}: honest blocks take {middle} s");
        assert!(grown < GROWTH_BYTES_MAX, "{attack}: the victim grew by {grown} bytes");
        for honest in [&self.near, &self.far] {
            let name = honest.client.call("getnetworkinfo", json!([]))["peerid"].clone();
            let peer = self.peer(&name).unwrap_or_else(|| panic!("{attack}: an honest peer is gone"));
            assert_eq!(peer["offences"], 0, "{attack}: an honest peer was blamed: {peer}");
        }
        assert!(self.victim.client.call("listbanned", json!([])).as_array().is_some_and(|bans| {
            bans.iter().all(|ban| ban["address"].as_str().is_some_and(|subject| !subject.contains("127.0.0.1")))
        }));
    }

    fn peer(&self, name: &Value) -> Option<Value> {
        let peers = self.victim.client.call("getpeerinfo", json!([]));
        peers.as_array()?.iter().find(|peer| peer["peerid"] == *name).cloned()
    }
}

fn resident(node: &Node) -> u64 {
    node.resident_bytes()
}

fn silent() -> Answers {
    Arc::new(|_, _| None)
}

fn headers(headers: &[Header]) -> Vec<u8> {
    let arrays: Vec<[u8; Header::LEN]> = headers.iter().map(Header::to_array).collect();
    frame(rogue::HEADERS, &list(arrays.iter().map(|array| &array[..])))
}

fn from_environment(name: &str, otherwise: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// Frames that no node sends: too long, of no known kind, with junk inside, and answers to questions nobody asked.
#[test]
fn broken_frames_and_unasked_answers_end_the_connection() {
    let nodes = Neighbourhood::new();
    let block = contents(&[nodes.branch(1).blocks[HEIGHT + 1].to_bytes()]);
    let oversized = [&[rogue::BLOCKS], &u32::MAX.to_le_bytes()[..]].concat();
    for bytes in [oversized, frame(77, b""), frame(rogue::MEMPOOL, b"junk"), frame(rogue::BLOCKS, &block)] {
        let rogue = nodes.rogue(silent());
        rogue.say(bytes);
        assert!(rogue.is_dropped_within(DROP_MAX));
    }
    for topic in [Topic::Blocks, Topic::Transactions] {
        let rogue = nodes.rogue(silent());
        rogue.publish(topic, b"neither a block nor a transaction".to_vec());
        assert!(rogue.is_dropped_within(DROP_MAX));
    }
    nodes.is_unharmed("broken frames");
}

/// Requests that are begun and never ended, and questions that are never answered.
#[test]
fn slow_requests_and_silence_hold_nothing_up() {
    let nodes = Neighbourhood::new();
    let rogues: Vec<Rogue> = (0..4).map(|_| nodes.rogue(silent())).collect();
    for rogue in &rogues {
        for _ in 0..60 {
            rogue.begin_to_say(vec![rogue::BLOCKS, 40]);
        }
    }
    nodes.is_unharmed("slow requests and silence");
}

/// A better chain is promised by its headers, and other bodies than its own are sent.
#[test]
fn bodies_that_do_not_belong_to_their_headers_end_the_connection() {
    let nodes = Neighbourhood::new();
    let branch = nodes.branch(3).blocks.split_off(HEIGHT + 1);
    let promised: Vec<Header> = branch.iter().map(|block| block.header).collect();
    let transactions = branch[2].transactions.clone();
    let bodies =
        branch.iter().map(|block| Block { header: block.header, transactions: transactions.clone() }.to_bytes());
    let bodies = frame(rogue::BLOCKS, &contents(&bodies.collect::<Vec<_>>()));
    let rogue = nodes.rogue(Arc::new(move |kind, _| match kind {
        rogue::HEADERS => Some(headers(&promised)),
        rogue::BLOCKS => Some(bodies.clone()),
        _ => None,
    }));
    assert!(rogue.is_dropped_within(DROP_MAX));
    nodes.is_unharmed("bodies of other blocks");
}

/// A block with real work whose coinbase pays itself too much.
#[test]
fn an_invalid_block_with_work_ends_the_connection_and_keeps_its_sender_out() {
    let nodes = Neighbourhood::new();
    let mut block = Block::clone(&nodes.branch(1).blocks[HEIGHT + 1]);
    let coinbase = &mut block.transactions[0];
    coinbase.outputs[0].value = coinbase.outputs[0].value.checked_add(Amount::COIN).expect("below the cap");
    let txids: Vec<_> = block.transactions.iter().map(Transaction::txid).collect();
    block.header.merkle_root = merkle::merkle_root(&txids).0;
    let target = block.header.bits.to_target().expect("a target");
    while !target.is_met_by(&block.header.hash()) {
        block.header.nonce += 1;
    }
    let (header, body) = (headers(&[block.header]), frame(rogue::BLOCKS, &contents(&[block.to_bytes()])));
    let rogue = nodes.rogue(Arc::new(move |kind, _| match kind {
        rogue::HEADERS => Some(header.clone()),
        rogue::BLOCKS => Some(body.clone()),
        _ => None,
    }));
    assert!(rogue.is_dropped_within(DROP_MAX));
    let banned = nodes.victim.client.call("listbanned", json!([]));
    assert_eq!(banned.as_array().map(Vec::len), Some(1), "{banned}");
    nodes.is_unharmed("an invalid block");
}

/// A chain of headers with work that goes on and on, and no bodies.
#[test]
fn headers_without_bodies_are_bounded() {
    let nodes = Neighbourhood::new();
    let count = from_environment("TESTOON_HOSTILE_HEADERS", 10_000);
    let branch = nodes.branch(0);
    let tip = branch.blocks[HEIGHT].header;
    let made: Mutex<Vec<Header>> = Mutex::new(vec![tip]);
    let sent = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&sent);
    let _rogue = nodes.rogue(Arc::new(move |kind, body| {
        if kind != rogue::HEADERS {
            return None;
        }
        let mut made = made.lock().expect("no panic");
        let asked: Vec<BlockHash> =
            body[8..].chunks_exact(32).map(|hash| BlockHash::from_bytes(hash.try_into().expect("32 bytes"))).collect();
        let from = made.iter().rposition(|header| asked.contains(&header.hash())).unwrap_or(0);
        while made.len() < (from + 2_001).min(count + 1) {
            let next = child(made.last().expect("never empty"));
            made.push(next);
        }
        let end = made.len().min(from + 2_001);
        counter.fetch_max(end - 1, Ordering::Relaxed);
        Some(headers(&made[from + 1..end]))
    }));
    let mut before = 0;
    eventually("the victim has all headers, or asks for no more", || {
        // Nothing tells that a question will not come.
        std::thread::park_timeout(Duration::from_millis(500));
        let now = sent.load(Ordering::Relaxed);
        (now == count || (now > 0 && now == std::mem::replace(&mut before, now))).then_some(())
    });
    let taken = sent.load(Ordering::Relaxed);
    println!("{taken} of {count} headers were asked for");
    assert!(taken <= HEADERS_TAKEN_MAX, "{taken} headers without a single body");
    nodes.is_unharmed("headers without bodies");
}

/// The next header of a chain that nobody has bodies of.
fn child(parent: &Header) -> Header {
    fixture::solve(Header { previous: parent.hash(), time: parent.time + 600, nonce: 0, ..*parent })
}

/// Payments that conflict, repeat themselves, spend what nobody knows, or are signed wrongly, by the thousand.
#[test]
fn floods_of_payments_leave_one_of_each_conflict_and_the_forger_alone() {
    let nodes = Neighbourhood::new();
    let mut payer = Payer::new(&nodes.spec());
    payer.fund(&nodes.near.client, 1, 100);
    {
        // The honest chain goes on from what was mined just now.
        let mut builder = nodes.builder.lock().expect("no panic");
        let height = nodes.near.client.height();
        for at in builder.blocks.len() as u64..=height {
            let hash = nodes.near.client.call("getblockhash", json!([at]));
            let block = nodes.near.client.call("getblock", json!([hash, 0]));
            let bytes = hex::decode(block.as_str().expect("hexadecimal")).expect("hexadecimal");
            builder.blocks.push(Arc::new(chain_spec::Decode::from_bytes(&bytes).expect("a block")));
        }
    }
    let split = payer.pay(100).expect("a coin");
    nodes.near.client.call("sendrawtransaction", json!([split.hex()]));
    let mined = nodes.builder.lock().expect("no panic").mine(vec![split.transaction.clone()]);
    nodes.near.client.call("submitblock", json!([hex::encode(mined.to_bytes())]));
    payer.taken(&split);
    let height = nodes.near.client.height();
    nodes.victim.client.wait_for_height(height);

    let rogue = nodes.rogue(silent());
    let payments: Vec<_> = std::iter::from_fn(|| payer.pay(1)).collect();
    assert_eq!(payments.len(), 100);
    for payment in &payments {
        for _ in 0..20 {
            rogue.publish(Topic::Transactions, payment.transaction.to_bytes());
            rogue.publish(Topic::Transactions, payer.conflict(payment).to_bytes());
        }
    }
    for number in 0..1_000 {
        let mut orphan = payments[0].transaction.clone();
        orphan.inputs[0].outpoint.index = 1_000 + number;
        rogue.publish(Topic::Transactions, orphan.to_bytes());
    }
    eventually("every conflict has its winner", || {
        (nodes.victim.client.mempool().len() == payments.len()).then_some(())
    });
    let forger = nodes.rogue(silent());
    for payment in &payments {
        let mut forged = payment.transaction.clone();
        forged.outputs[0].value = Amount::from_units(forged.outputs[0].value.units() - 50_000);
        forger.publish(Topic::Transactions, forged.to_bytes());
    }
    eventually("whoever gossips forged payments is marked down", || {
        let peers = nodes.victim.client.call("getpeerinfo", json!([]));
        let low = |peer: &Value| peer["gossip_score"].as_f64() < Some(-10.0) || peer["score"].as_f64() < Some(-10.0);
        (forger.is_dropped_within(Duration::ZERO) || peers.as_array()?.iter().any(low)).then_some(())
    });
    assert_eq!(nodes.victim.client.mempool().len(), payments.len(), "no forged payment got in");
    nodes.is_unharmed("floods of payments");
}

/// Connections by the thousand, silent or with garbage: newcomers get in all the same.
#[test]
fn strangers_by_the_thousand_keep_nobody_out() {
    let nodes = Neighbourhood::new();
    let count = from_environment("TESTOON_HOSTILE_CONNECTIONS", 1_500);
    let (_, address) = nodes.victim.p2p().split_once("/ip4/").expect("an IPv4 multiaddr");
    let mut parts = address.split('/');
    let (ip, port) = (parts.next().expect("an address"), parts.nth(1).expect("a port"));
    let socket = format!("{ip}:{port}");
    let mut strangers = Vec::new();
    for number in 0..count {
        let Ok(mut stranger) = TcpStream::connect(&socket) else { continue };
        if number % 2 == 0 {
            // The other end may have had enough already.
            let _ = stranger.write_all(&[0xa5; 512]);
        }
        strangers.push(stranger);
    }
    let started = now();
    let place = tempfile::tempdir().expect("a temporary directory");
    let newcomer = Node::start(NodeOptions::new("bitcoin-regtest", place.path()).connected_to(&nodes.victim));
    newcomer.client.wait_for_height(nodes.near.client.height());
    println!("a newcomer is in sync {:.0} ms after its start", started.elapsed().as_secs_f64() * 1e3);
    nodes.is_unharmed("strangers by the thousand");
    drop(strangers);
}
