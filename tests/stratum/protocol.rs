//! Every request and every reply; and that nobody notices what others do wrong.

use super::client::{ALICE, BOB, Client, OPERATOR, Share, block_target, hard_chain, target};
use kit::{Node, NodeOptions, eventually};
use serde_json::{Value, json};
use tempfile::TempDir;

/// About 65,536 hashes a block and 1,000 a share.
const BLOCK: &str = "1f00ffff";
const DIFFICULTY: &str = "2.33e-7";

fn pool(arguments: &[&str]) -> (Node, TempDir) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let chain = hard_chain(directory.path(), BLOCK);
    let options = NodeOptions::new(&chain, &directory.path().join("data"))
        .with_all(&["--stratum", "127.0.0.1:0", "--pool-address", OPERATOR, "--stratum-difficulty", DIFFICULTY])
        .with_all(arguments);
    (Node::start(options), directory)
}

#[test]
fn a_share_gets_the_reply_it_deserves() {
    let (node, _directory) = pool(&[]);
    let mut early = Client::open(&node);
    let nothing = json!([ALICE, "0", "0000000000000000", "00000000", "00000000"]);
    assert_eq!(early.call("mining.submit", nothing.clone()), Err(25), "not subscribed");
    early.subscribe();
    assert_eq!(early.call("mining.submit", nothing), Err(24), "not authorized");
    assert_eq!(early.call("mining.authorize", json!(["nobody", "x"])), Err(24), "no address");
    assert_eq!(
        early.call("mining.authorize", json!(["1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"])),
        Err(24),
        "another chain's"
    );

    let user = format!("{ALICE}.rig");
    let (mut miner, job) = Client::mining(&node, &user);
    assert_eq!(job.difficulty, 2.33e-7);
    assert_eq!(job.params[8], true, "the first job is a clean one");
    let share = miner.find_share(&job, 1);
    assert_eq!(miner.submit(&user, &job, &share), Ok(json!(true)));
    assert_eq!(miner.submit(&user, &job, &share), Err(22), "sent twice");
    let easy = target(job.difficulty);
    let short = miner.solve(&job, miner.share(&job, 2), |hash| !easy.is_met_by(hash));
    assert_eq!(miner.submit(&user, &job, &short), Err(23), "too easy");
    assert_eq!(miner.submit(BOB, &job, &share), Err(24), "another's name");
    let mut unknown = job.clone();
    unknown.params[0] = json!("ffff");
    assert_eq!(miner.submit(&user, &unknown, &share), Err(21), "an unknown job");
    for time in [0, share.time + 3 * 7_200] {
        assert_eq!(miner.submit(&user, &job, &Share { time, ..share.clone() }), Err(20), "a time of {time}");
    }
    assert_eq!(miner.submit(&user, &job, &Share { version: Some(0x2000), ..share.clone() }), Err(20), "not negotiated");
    for params in [
        json!([]),
        json!([user, job.params[0], "00", "00000000", "00000000"]),
        json!([user, job.params[0], "000000000000000g", "00000000", "00000000"]),
        json!([user, job.params[0], "0000000000000000", "0", "00000000"]),
        json!([user, job.params[0], "0000000000000000", "00000000", 7]),
        json!([user, 7, "0000000000000000", "00000000", "00000000"]),
        json!([7, job.params[0], "0000000000000000", "00000000", "00000000"]),
    ] {
        assert_eq!(miner.call("mining.submit", params.clone()), Err(20), "{params}");
    }

    let info = node.call("getpoolinfo", json!([]));
    let worker = &info["workers"][0];
    assert_eq!((&worker["worker"], &worker["address"]), (&json!(user), &json!(ALICE)));
    let shares = &worker["shares"];
    assert_eq!((&shares["accepted"], &shares["stale"]), (&json!(1), &json!(1)), "{shares}");
    assert!(shares["rejected"].as_u64() >= Some(5), "{shares}");
    assert_eq!(info["users"][0]["share"].as_f64(), Some(1.0));
}

#[test]
fn a_block_is_paid_in_its_coinbase_and_shares_of_the_old_tip_are_stale_after_the_grace() {
    let (node, _directory) = pool(&["--pool-fee", "1", "--pool-payout", "pplns"]);
    let (mut alice, job) = Client::mining(&node, ALICE);
    let share = alice.find_share(&job, 1);
    assert_eq!(alice.submit(ALICE, &job, &share), Ok(json!(true)));
    // Before the first share a block is its finder's; the next job has the share in it.
    node.call("generatetoaddress", json!([1, BOB]));
    let job = alice.job_after(&job);
    assert_eq!(job.params[8], true, "a new tip");
    let late = alice.find_share(&job, 2);
    let block = alice.find_block(&job, 3);
    assert_eq!(alice.submit(ALICE, &job, &block), Ok(json!(true)));
    node.wait_for_height(2);
    let header = alice.header(&job, &block);
    assert_eq!(node.tip(), header.hash().to_string());
    let coinbase = &node.call("getblock", json!([node.tip(), 2]))["tx"][0];
    let paid: Vec<(&Value, f64)> = coinbase["vout"]
        .as_array()
        .expect("outputs")
        .iter()
        .map(|output| (&output["scriptPubKey"]["address"], output["value"].as_f64().expect("an amount")))
        .collect();
    assert_eq!(paid, [(&json!(ALICE), 49.5), (&json!(OPERATOR), 0.5)]);

    // 600 s of spacing give 3 s of grace.
    let next = alice.job_after(&job);
    assert_eq!(alice.submit(ALICE, &job, &late), Ok(json!(true)), "within the grace");
    let mut number = 1_000;
    eventually("the grace is over", || {
        number += 1;
        let later = alice.find_share(&job, number);
        match alice.submit(ALICE, &job, &later) {
            Err(21) => Some(()),
            Ok(_) => None,
            other => panic!("{other:?}"),
        }
    });
    let share = alice.find_share(&next, 4);
    assert_eq!(alice.submit(ALICE, &next, &share), Ok(json!(true)));
    let info = node.call("getpoolinfo", json!([]));
    assert_eq!(info["blocks_found"], 1);
    let found = &info["blocks"][0];
    assert_eq!(
        (&found["hash"], &found["in_chain"], &found["worker"]),
        (&json!(node.call("getblockhash", json!([2]))), &json!(true), &json!(ALICE))
    );
}

#[test]
fn the_first_block_of_a_pool_is_its_finder_s() {
    let (node, _directory) = pool(&["--pool-fee", "2.5"]);
    let (mut bob, job) = Client::mining(&node, BOB);
    let block = bob.find_block(&job, 0);
    assert_eq!(bob.submit(BOB, &job, &block), Ok(json!(true)));
    node.wait_for_height(1);
    let outputs = node.call("getblock", json!([node.tip(), 2]))["tx"][0]["vout"].clone();
    assert_eq!((&outputs[0]["scriptPubKey"]["address"], outputs[0]["value"].as_f64()), (&json!(BOB), Some(48.75)));
    assert_eq!((&outputs[1]["scriptPubKey"]["address"], outputs[1]["value"].as_f64()), (&json!(OPERATOR), Some(1.25)));
}

#[test]
fn solo_pays_each_finder_and_nobody_else() {
    let (node, _directory) = pool(&["--pool-payout", "solo"]);
    let (mut alice, first) = Client::mining(&node, ALICE);
    let share = alice.find_share(&first, 1);
    assert_eq!(alice.submit(ALICE, &first, &share), Ok(json!(true)));
    let (mut bob, job) = Client::mining(&node, &format!("{BOB}.1"));
    assert_ne!(first.params[3], job.params[3], "each session has a coinbase of its own");
    let block = bob.find_block(&job, 0);
    assert_eq!(bob.submit(&format!("{BOB}.1"), &job, &block), Ok(json!(true)));
    node.wait_for_height(1);
    let outputs = node.call("getblock", json!([node.tip(), 2]))["tx"][0]["vout"].clone();
    assert_eq!(outputs.as_array().map(Vec::len), Some(1));
    assert_eq!((&outputs[0]["scriptPubKey"]["address"], outputs[0]["value"].as_f64()), (&json!(BOB), Some(50.0)));
}

#[test]
fn versions_are_rolled_within_the_mask_that_was_agreed() {
    let (node, _directory) = pool(&[]);
    let mut client = Client::open(&node);
    let asked = json!([
        ["version-rolling", "minimum-difficulty", "subscribe-extranonce", "info", "fly"],
        {"version-rolling.mask": "00ffe000", "version-rolling.min-bit-count": 2, "minimum-difficulty.value": 1e-9}
    ]);
    let agreed = client.call("mining.configure", asked).expect("configured");
    assert_eq!(
        agreed,
        json!({
            "version-rolling": true,
            "version-rolling.mask": "00ffe000",
            "minimum-difficulty": true,
            "subscribe-extranonce": true,
            "info": true,
            "fly": false,
        })
    );
    client.subscribe();
    assert_eq!(client.call("mining.extranonce.subscribe", json!([])), Ok(json!(true)));
    assert_eq!(client.call("mining.authorize", json!([ALICE, "x"])), Ok(json!(true)));
    let job = client.job();
    let (easy, hard) = (target(job.difficulty), block_target(&job));
    // BIP310: the bits outside the mask are the job's.
    let version = u32::from_str_radix(job.params[5].as_str().expect("a text"), 16).expect("hexadecimal");
    let rolled = 0x00a0_2000_u32;
    let whole = Share { version: Some(version | rolled), ..client.share(&job, 5) };
    let found = client.solve(&job, whole, |hash| easy.is_met_by(hash) && !hard.is_met_by(hash));
    let share = Share { version: Some(rolled), ..found };
    assert_eq!(client.submit(ALICE, &job, &share), Ok(json!(true)));
    assert_eq!(client.submit(ALICE, &job, &Share { version: Some(0x2000_0000), ..share.clone() }), Err(20), "outside");
    assert_eq!(client.submit(ALICE, &job, &Share { version: Some(0x0000_1000), ..share }), Err(20), "outside");
    for params in [
        json!([]),
        json!(["version-rolling"]),
        json!([["version-rolling"], {"version-rolling.mask": "x"}]),
        json!([["minimum-difficulty"], {}]),
        json!([[7], {}]),
    ] {
        assert_eq!(client.call("mining.configure", params.clone()), Err(20), "{params}");
    }
}

#[test]
fn a_difficulty_that_is_wished_for_comes_with_a_job_and_is_never_above_a_block_s() {
    let (node, _directory) = pool(&[]);
    let mut client = Client::open(&node);
    client.subscribe();
    assert_eq!(client.call("mining.suggest_difficulty", json!([1e-7])), Ok(json!(true)));
    for params in [json!([]), json!(["1"]), json!([0]), json!([-1]), json!([null])] {
        assert_eq!(client.call("mining.suggest_difficulty", params.clone()), Err(20), "{params}");
    }
    assert_eq!(client.call("mining.authorize", json!([ALICE, ""])), Ok(json!(true)));
    assert_eq!(client.job().difficulty, 1e-7);

    let mut other = Client::open(&node);
    other.subscribe();
    assert_eq!(other.call("mining.authorize", json!([ALICE, "d=1000000"])), Ok(json!(true)));
    let job = other.job();
    assert!(job.difficulty > 1.5e-5 && job.difficulty < 1.6e-5, "65,536 hashes are {}", job.difficulty);
}

#[test]
fn the_same_job_sent_again_at_another_difficulty_takes_no_share_twice() {
    let (node, _directory) = pool(&[]);
    let (mut client, first) = Client::mining(&node, ALICE);
    let shares: Vec<Share> = (0..20).map(|number| client.find_share(&first, number)).collect();
    for share in &shares {
        assert_eq!(client.submit(ALICE, &first, share), Ok(json!(true)));
    }
    // Twenty at once are too many: the same job comes at a higher difficulty.
    let again = client.job_at(first.difficulty);
    assert!(again.difficulty > first.difficulty && again.params[0] != first.params[0]);
    assert_eq!(again.params[2], first.params[2], "the same coinbase");
    assert_eq!(again.params[8], false);
    let hard = target(again.difficulty);
    for share in &shares {
        let code = if hard.is_met_by(&client.header(&again, share).hash()) { 22 } else { 23 };
        assert_eq!(client.submit(ALICE, &again, share), Err(code));
    }
}

#[test]
fn what_is_malformed_gets_its_code_and_nobody_else_notices() {
    let (node, _directory) = pool(&["--stratum-ban", "600"]);
    let (mut miner, job) = Client::mining(&node, ALICE);
    let mut stranger = Client::open(&node);
    let lines: [&[u8]; 8] = [
        b"GET / HTTP/1.1",
        b"{",
        b"[]",
        b"\xff\xfe",
        b"{\"id\":1}",
        b"{\"id\":[],\"method\":\"mining.subscribe\",\"params\":[]}",
        b"{\"id\":1,\"method\":\"mining.fly\",\"params\":[]}",
        b"{\"id\":1,\"method\":\"mining.authorize\",\"params\":{}}",
    ];
    let mut answered = 0;
    // Lines that no miner sends are answered, until they are too many; then the address is banned for a while.
    while stranger.stream_is_open(lines[answered % lines.len()]) {
        answered += 1;
    }
    assert_eq!(answered, 50);
    let mut banned = Client::try_open(&node).expect("the system accepts");
    assert_eq!(banned.line(), None, "and the pool closes");
    let share = miner.find_share(&job, 1);
    assert_eq!(miner.submit(ALICE, &job, &share), Ok(json!(true)), "who was there before stays");
    assert_eq!(node.call("getpoolinfo", json!([]))["bans"], 1);
}

#[test]
fn a_line_without_end_ends_the_connection() {
    let (node, _directory) = pool(&["--stratum-ban", "0"]);
    let mut client = Client::open(&node);
    client.send(&[b'x'; 8 * 1024 + 1]);
    let reply = client.line().expect("a reply");
    assert_eq!((&reply["id"], &reply["error"][0]), (&Value::Null, &json!(20)));
    assert_eq!(client.line(), None);
    // A ban of no time is none.
    Client::mining(&node, ALICE);
}

#[test]
fn a_pool_says_what_it_lacks() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let node = |arguments: &[&str]| NodeOptions::new("local", &directory.path().join("data")).with_all(arguments);
    node(&["--stratum", "127.0.0.1:0"]).fail().refuses(2, &["--pool-address"]);
    node(&["--pool-fee", "1"]).fail().refuses(2, &["--stratum"]);
    node(&["--stratum", "127.0.0.1:99999", "--pool-address", ALICE]).fail().refuses(1, &["--stratum", "99999"]);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("bound").to_string();
    node(&["--stratum", &address, "--pool-address", ALICE]).fail().refuses(1, &[&address, "--stratum"]);
    let without = Node::fresh("local", &[]);
    assert_eq!(without.error_code("getpoolinfo", json!([])), -1);
}
