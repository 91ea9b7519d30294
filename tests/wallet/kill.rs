//! Killed at any moment, the wallet neither loses a payment nor makes two of one.
//!
//! Each round starts `send`, `bump` or `cancel` and kills it (SIGKILL) around one of the questions it asks the node: before
//! the node acts, or after. What the next command makes of the rest is held against the node. `TESTOON_WALLET_KILLS` says
//! how many rounds (default 60).

use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::command_line::{BOB, Desk};

fn rounds() -> usize {
    std::env::var("TESTOON_WALLET_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(60)
}

/// Runs a command and kills it when the node has been asked `after` questions; gives whether it was killed.
fn run_and_kill(desk: &Desk, arguments: &[&str], after: usize) -> bool {
    let victim: Arc<Mutex<(Option<Child>, usize)>> = Arc::default();
    desk.node.set_hook({
        let victim = victim.clone();
        move |_, _| {
            let mut held = victim.lock().unwrap();
            held.1 += 1;
            if held.1 == after
                && let Some(child) = &mut held.0
            {
                let _ = child.kill();
            }
        }
    });
    let mut command = desk.command("alice");
    command.args(["--rpc", &desk.node.url(), "--cookie"]).arg(desk.node.cookie()).args(arguments);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    // Held until the child is known to the hook, so that no question passes it unseen.
    let mut held = victim.lock().unwrap();
    held.0 = Some(command.spawn().unwrap());
    drop(held);
    loop {
        let mut held = victim.lock().unwrap();
        let ended = held.0.as_mut().unwrap().try_wait().unwrap();
        drop(held);
        if let Some(status) = ended {
            desk.node.set_hook(|_, _| {});
            return status.code().is_none();
        }
        // The hook needs the lock to kill it; there is no event to wait for but its end.
        std::thread::park_timeout(Duration::from_millis(2));
    }
}

/// The node's transactions that pay BOB a certain amount, in blocks or in the mempool.
fn payments(desk: &Desk, amount: &str) -> usize {
    let chain = desk.node.chain();
    let mined = chain.blocks.iter().skip(1).flat_map(|block| &block.transactions);
    let value: chain_spec::Amount = amount.parse().unwrap();
    mined.chain(chain.mempool.values()).filter(|t| t.outputs.iter().any(|output| output.value == value)).count()
}

/// Whatever the wallet says of itself adds up to what the node knows.
fn assert_agrees(desk: &Desk, round: usize) {
    let answer = desk.online("alice", &["--json", "balance"]);
    assert_eq!(answer.code, 0, "round {round}: {}", answer.err);
    let said: serde_json::Value = serde_json::from_str(&answer.out).unwrap();
    let fresh = desk.online("fresh", &["--json", "--no-password", "restore", "--words", &super::words("alice")]);
    assert_eq!(fresh.code, 0, "round {round}: {}", fresh.err);
    let fresh: serde_json::Value = serde_json::from_str(&fresh.out).unwrap();
    assert_eq!(said["total"], fresh["total"], "round {round}: a wallet that saw nothing of it agrees");
    std::fs::remove_file(desk.directory.path().join("fresh")).unwrap();
    let _ = std::fs::remove_file(desk.directory.path().join("fresh.bak"));
}

#[test]
fn a_kill_around_any_question_loses_and_doubles_nothing() {
    let desk = Desk::with_alice();
    desk.node.chain().replaces = true;
    for round in 0..rounds() {
        // An amount of its own, so that the payment is known again.
        let amount = format!("0.01{round:06}");
        // `send` asks about ten questions; a number beyond them lets it end.
        let after = round % 14 + 1;
        let killed = run_and_kill(&desk, &["send", BOB, &amount], after);
        // The next command sends again what the node lacks.
        assert_agrees(&desk, round);
        let count = payments(&desk, &amount);
        assert!(count <= 1, "round {round}: {count} payments of one");
        assert!(killed || count == 1, "round {round}: it ended well, but the node has no payment");
        let history = desk.json("alice", &["history"]);
        let last = history["transactions"].as_array().unwrap().iter().rev();
        let unconfirmed = last.filter(|line| line["state"].as_str() == Some("unconfirmed"));
        let listed = unconfirmed.clone().count();
        assert_eq!(listed, desk.node.chain().mempool.len(), "round {round}: the wallet lists what the node holds");
        if !round.is_multiple_of(3)
            && let Some(txid) = unconfirmed.clone().next().and_then(|line| line["txid"].as_str())
        {
            let verb = if round % 3 == 1 { "bump" } else { "cancel" };
            run_and_kill(&desk, &[verb, txid], after);
            assert_agrees(&desk, round);
            assert!(payments(&desk, &amount) <= 1, "round {round}: {verb} doubled a payment");
        }
        desk.node.mine(1);
        assert_agrees(&desk, round);
    }
}

/// Killed while it upgrades a file of the first format or writes one of the second, the wallet leaves a whole one.
#[test]
fn a_kill_while_the_file_is_written_leaves_a_whole_one() {
    let desk = Desk::new();
    let path = desk.directory.path().join("alice");
    for round in 0..rounds() {
        if round.is_multiple_of(2) {
            std::fs::write(&path, include_bytes!("format_1.wallet")).unwrap();
        }
        let mut command = desk.command("alice");
        let mut child = command.args(["new-address"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // The moment differs from round to round; over all rounds it falls on every step of opening and saving.
        std::thread::park_timeout(Duration::from_micros(400 * (round as u64 % 40)));
        let _ = child.kill();
        child.wait().unwrap();
        let opened = wallet::Wallet::open(&path, &wallet::Password::None);
        assert!(opened.is_ok_and(|wallet| wallet.words().is_ok()), "round {round}");
    }
}
