//! Many miners at once. `TESTOON_STRATUM_WORKERS` (default 100) connections, `TESTOON_STRATUM_SHARES` (default
//! 1,000) shares in all; the test prints what it measured: shares a second, the time from a tip to the last job,
//! memory a connection.

use super::client::{ALICE, Client, OPERATOR, hard_chain};
use kit::{Node, NodeOptions, now};
use serde_json::json;
use std::sync::{Barrier, mpsc};
use std::thread;

fn number(variable: &str, default: usize) -> usize {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn every_worker_s_shares_are_counted_and_every_worker_gets_the_job_of_a_new_tip() {
    let workers = number("TESTOON_STRATUM_WORKERS", 100);
    let shares = number("TESTOON_STRATUM_SHARES", 1_000).div_ceil(workers);
    let directory = tempfile::tempdir().expect("a temporary directory");
    // Every hash is a share of the lowest difficulty, so that the clients' hashing does not count.
    let chain = hard_chain(directory.path(), "1f00ffff");
    let options = NodeOptions::new(&chain, &directory.path().join("data")).with_all(&[
        "--stratum",
        "127.0.0.1:0",
        "--pool-address",
        OPERATOR,
        "--stratum-difficulty",
        "1e-10",
    ]);
    let node = Node::start(options);
    let before = node.resident_bytes();
    let mut clients: Vec<_> = (0..workers).map(|number| Client::mining(&node, &format!("{ALICE}.{number}"))).collect();
    let memory = node.resident_bytes().saturating_sub(before) / workers as u64;

    let threads = 8.min(workers);
    let start = Barrier::new(threads + 1);
    let took = thread::scope(|scope| {
        let chunk = clients.len().div_ceil(threads);
        let parts: Vec<_> = clients.chunks_mut(chunk).collect();
        let mut running = Vec::new();
        for (part, clients) in parts.into_iter().enumerate() {
            let start = &start;
            running.push(scope.spawn(move || {
                start.wait();
                for round in 0..shares as u64 {
                    for (place, (client, job)) in clients.iter_mut().enumerate() {
                        let user = format!("{ALICE}.{}", part * chunk + place);
                        let share = client.find_share(job, round);
                        assert_eq!(client.submit(&user, job, &share), Ok(json!(true)));
                        while client.notices.iter().any(|notice| notice["method"] == "mining.notify") {
                            *job = client.job_at(job.difficulty);
                        }
                    }
                }
            }));
        }
        for _ in running.len()..threads {
            let start = &start;
            scope.spawn(move || start.wait());
        }
        start.wait();
        let began = now();
        running.into_iter().for_each(|thread| thread.join().expect("a miner"));
        began.elapsed()
    });
    let info = node.call("getpoolinfo", json!([]));
    assert_eq!(info["shares"]["accepted"].as_u64(), Some((workers * shares) as u64));
    assert_eq!(info["connections"].as_u64(), Some(workers as u64));

    // A block that is solved already, so that what is measured is the way from a tip to the miners.
    let block = node.call("generateblock", json!([OPERATOR, [], false]))["hex"].clone();
    let (sender, arrived) = mpsc::channel();
    let tip = thread::scope(|scope| {
        for part in clients.chunks_mut(workers.div_ceil(threads)) {
            let sender = sender.clone();
            scope.spawn(move || {
                for (client, job) in part {
                    *job = client.job_after(job);
                    sender.send(now()).expect("a receiver");
                }
            });
        }
        drop(sender);
        let tip = now();
        assert!(node.call("submitblock", json!([block])).is_null());
        tip
    });
    let mut waits: Vec<f64> = arrived.iter().map(|at| at.saturating_duration_since(tip).as_secs_f64() * 1e3).collect();
    waits.sort_by(f64::total_cmp);
    assert_eq!(waits.len(), workers);
    println!(
        "{workers} workers: {:.0} shares/s, each asked for by 8 threads and answered before the next; {} kB a connection; \
         from the submission of a block to the new job: {:.1} ms to half of the workers, {:.1} ms to the last",
        (workers * shares) as f64 / took.as_secs_f64(),
        memory / 1_000,
        waits[workers / 2],
        waits[workers - 1]
    );
}
