//! Killed at any moment, the wallet neither loses a payment nor makes two of one.
//!
//! Each round starts `send`, `bump` or `cancel` and kills it (SIGKILL) around one of the questions it asks the node, at once
//! or a moment later; in every other round that question is lost with it, so that the node never acted. What the next
//! command makes of the rest is held against the node. Another test kills at each step of writing the file, the upgrade from
//! its first format included. `TESTOON_WALLET_KILLS` says how many rounds each has (default 42).

use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::command_line::{BOB, WalletsAndNode};

/// `send` asks about nine questions; a number beyond them lets it end.
const QUESTIONS: usize = 12;

fn rounds() -> usize {
    std::env::var("TESTOON_WALLET_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(42)
}

/// When a command is killed.
#[derive(Clone, Copy)]
struct Moment {
    /// At this question, counted from 1.
    question: usize,
    /// So long after it was asked.
    later: Duration,
    /// The question is lost: the node does nothing.
    is_lost: bool,
}

impl Moment {
    fn of(round: usize) -> Moment {
        let later = Duration::from_micros(if round.is_multiple_of(2) { 0 } else { 300 * (round as u64 / 2 % 12) });
        Moment { question: round % QUESTIONS + 1, later, is_lost: round / QUESTIONS % 2 == 1 && later.is_zero() }
    }
}

#[derive(Default)]
struct Victim {
    child: Option<Child>,
    asked: usize,
}

/// Runs a command and kills it at a moment; gives whether it was killed.
fn run_and_kill(place: &WalletsAndNode, arguments: &[&str], moment: Moment) -> bool {
    let victim: Arc<Mutex<Victim>> = Arc::default();
    place.node.set_hook({
        let victim = victim.clone();
        move |method, chain| {
            let mut held = victim.lock().unwrap();
            held.asked += 1;
            if held.asked != moment.question {
                return;
            }
            if moment.is_lost {
                chain.failures.insert(method.to_owned(), (-32603, "lost".into()));
            }
            if moment.later.is_zero() {
                let _ = held.child.as_mut().map(Child::kill);
            } else {
                // The answer must go out meanwhile; only the time since the question decides how far the command gets.
                let victim = victim.clone();
                std::thread::spawn(move || {
                    std::thread::park_timeout(moment.later);
                    let _ = victim.lock().unwrap().child.as_mut().map(Child::kill);
                });
            }
        }
    });
    let mut command = place.command("alice");
    command.args(["--rpc", &place.node.url(), "--cookie"]).arg(place.node.cookie()).args(arguments);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    // Held until the child is known to the hook, so that no question passes it unseen.
    let mut held = victim.lock().unwrap();
    held.child = Some(command.spawn().unwrap());
    drop(held);
    loop {
        let ended = victim.lock().unwrap().child.as_mut().unwrap().try_wait().unwrap();
        if let Some(status) = ended {
            place.node.set_hook(|_, _| {});
            place.node.chain().failures.clear();
            return status.code().is_none();
        }
        // The hook needs the lock to kill it; there is no event to wait for but its end.
        std::thread::park_timeout(Duration::from_millis(2));
    }
}

/// The node's transactions with an output of a certain amount, in blocks or in the mempool.
fn payments(place: &WalletsAndNode, amount: &str) -> usize {
    let chain = place.node.chain();
    let mined = chain.blocks.iter().skip(1).flat_map(|block| &block.transactions);
    let value: chain_spec::Amount = amount.parse().unwrap();
    mined.chain(chain.mempool.values()).filter(|t| t.outputs.iter().any(|output| output.value == value)).count()
}

/// Whatever the wallet says of itself adds up to what the node knows.
fn assert_agrees(place: &WalletsAndNode, round: usize) {
    let answer = place.online("alice", &["--json", "balance"]);
    assert_eq!(answer.code, 0, "round {round}: {}", answer.err);
    let said: serde_json::Value = serde_json::from_str(&answer.out).unwrap();
    let fresh = place.online("fresh", &["--json", "--no-password", "restore", "--words", &super::words("alice")]);
    assert_eq!(fresh.code, 0, "round {round}: {}", fresh.err);
    let fresh: serde_json::Value = serde_json::from_str(&fresh.out).unwrap();
    assert_eq!(said["total"], fresh["total"], "round {round}: a wallet that saw nothing of it agrees");
    std::fs::remove_file(place.directory.path().join("fresh")).unwrap();
    let _ = std::fs::remove_file(place.directory.path().join("fresh.bak"));
}

#[test]
fn a_kill_around_any_question_loses_and_doubles_nothing() {
    let place = WalletsAndNode::with_alice();
    place.node.chain().replaces = true;
    let mut kills = 0;
    for round in 0..rounds() {
        // An amount of its own, so that the payment is known again.
        let amount = format!("0.01{round:06}");
        let killed = run_and_kill(&place, &["send", BOB, &amount], Moment::of(round));
        kills += usize::from(killed);
        // The next command sends again what the node lacks.
        assert_agrees(&place, round);
        let count = payments(&place, &amount);
        assert!(count <= 1, "round {round}: {count} payments of one");
        assert!(killed || count == 1, "round {round}: it ended by itself, but the node has no payment");
        let history = place.json("alice", &["history"]);
        let last = history["transactions"].as_array().unwrap().iter().rev();
        let unconfirmed = last.filter(|line| line["state"].as_str() == Some("unconfirmed"));
        let listed = unconfirmed.clone().count();
        assert_eq!(listed, place.node.chain().mempool.len(), "round {round}: the wallet lists what the node holds");
        if let Some(txid) = unconfirmed.clone().next().and_then(|line| line["txid"].as_str()) {
            let verb = if round.is_multiple_of(2) { "bump" } else { "cancel" };
            kills += usize::from(run_and_kill(&place, &[verb, txid], Moment::of(round / 2)));
            assert_agrees(&place, round);
            assert!(payments(&place, &amount) <= 1, "round {round}: {verb} doubled a payment");
        }
        place.node.mine(1);
        assert_agrees(&place, round);
    }
    assert!(kills * 2 > rounds(), "{kills} of {} rounds were killed", rounds());
    println!("{kills} kills of send, bump and cancel in {} rounds", rounds());
}

/// Steps of writing the file, each seen from outside by what it leaves in the directory.
const STEPS: [&str; 4] = ["alice.lock", "alice.bak.new", "alice.bak", "alice.new"];

fn inode(path: &Path) -> Option<u64> {
    std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(path).ok()?).into()
}

/// Killed while it upgrades a file of the first format or writes one of the second, the wallet leaves a whole one, and the
/// command that comes next works.
#[test]
fn a_kill_while_the_file_is_written_leaves_a_whole_one() {
    let place = WalletsAndNode::new();
    let path = place.directory.path().join("alice");
    let mut kills = 0;
    for round in 0..rounds() {
        if round.is_multiple_of(2) {
            std::fs::write(&path, include_bytes!("format_1.wallet")).unwrap();
        }
        let _ = std::fs::remove_file(place.directory.path().join("alice.bak"));
        let before = inode(&path);
        let mut command = place.command("alice");
        let mut child = command.args(["new-address"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // The step after which it is killed, or the rename itself; steps are too short to wait for them any other way.
        let step = STEPS.get(round / 2 % (STEPS.len() + 1)).map(|name| place.directory.path().join(name));
        let reached = || step.as_ref().map_or_else(|| inode(&path) != before, |step| step.exists());
        let ended = loop {
            match child.try_wait().unwrap() {
                None if reached() => break false,
                None => {}
                Some(_) => break true,
            }
        };
        let _ = child.kill();
        kills += usize::from(!ended && child.wait().unwrap().code().is_none());
        let answer = place.offline("alice", &["--json", "words", "--yes"]);
        assert_eq!(answer.code, 0, "round {round}: {}", answer.err);
        assert!(answer.out.contains(&super::words("alice")), "round {round}");
        let next = place.offline("alice", &["new-address"]);
        assert_eq!(next.code, 0, "round {round}: {}", next.err);
    }
    assert!(kills > 0, "no round was killed");
    println!("{kills} kills of the file's upgrade and saving in {} rounds", rounds());
}
