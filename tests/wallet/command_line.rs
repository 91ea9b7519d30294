//! The command line as its users see it: output, exit codes, one line per error.

use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use super::fake_node::{FakeNode, read_request};
use super::{demo, local, words};

pub(super) const BOB: &str = "mghKdQzx6hVVEGJGEFU4AzRBTYsEhLqqa7";

/// A directory with wallets, and a node to talk to.
pub(super) struct WalletsAndNode {
    pub(super) directory: TempDir,
    pub(super) node: FakeNode,
}

pub(super) struct Answer {
    pub(super) code: i32,
    pub(super) out: String,
    pub(super) err: String,
}

impl WalletsAndNode {
    pub(super) fn new() -> WalletsAndNode {
        WalletsAndNode { directory: tempfile::tempdir().unwrap(), node: FakeNode::local() }
    }

    /// A place with alice's wallet on it.
    pub(super) fn with_alice() -> WalletsAndNode {
        let place = WalletsAndNode::new();
        let made = place.offline("alice", &["--no-password", "restore", "--words", &words("alice")]);
        assert_eq!(made.code, 0, "{}", made.err);
        place
    }

    pub(super) fn command(&self, wallet: &str) -> Command {
        let mut command = wallet_command();
        // No network or wallet of whoever runs the tests is found.
        command.env_clear().env("HOME", self.directory.path()).current_dir(self.directory.path());
        command.args(["--wallet", wallet]);
        command
    }

    pub(super) fn offline(&self, wallet: &str, arguments: &[&str]) -> Answer {
        run(self.command(wallet).args(arguments))
    }

    pub(super) fn online(&self, wallet: &str, arguments: &[&str]) -> Answer {
        run(self
            .command(wallet)
            .args(["--rpc", &self.node.url()])
            .arg("--cookie")
            .arg(self.node.cookie())
            .args(arguments))
    }

    pub(super) fn json(&self, wallet: &str, arguments: &[&str]) -> Value {
        let answer = self.online(wallet, &[&["--json"], arguments].concat());
        assert_eq!((answer.code, answer.err.as_str()), (0, ""), "{arguments:?}");
        assert_eq!(answer.out.lines().count(), 1, "{}", answer.out);
        serde_json::from_str(&answer.out).unwrap()
    }

    /// [`WalletsAndNode::json`] of a command that has something to warn of.
    pub(super) fn json_with_warning(&self, wallet: &str, arguments: &[&str], warning: &str) -> Value {
        let answer = self.online(wallet, &[&["--json"], arguments].concat());
        assert_eq!(answer.code, 0, "{arguments:?}: {}", answer.err);
        assert!(answer.err.contains(warning), "{warning:?} is not in {:?}", answer.err);
        serde_json::from_str(&answer.out).unwrap()
    }

    pub(super) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.directory.path().join(name), text).unwrap();
    }
}

/// `testoon wallet`, the same command line as `testoon-wallet`.
fn wallet_command() -> Command {
    let mut command = kit::testoon();
    command.arg("wallet");
    command
}

pub(super) fn run(command: &mut Command) -> Answer {
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Answer { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

/// One line, and what it must hold.
pub(super) fn assert_error(answer: &Answer, code: i32, parts: &[&str]) {
    assert_eq!((answer.code, answer.out.as_str()), (code, ""), "{}", answer.err);
    assert_eq!(answer.err.lines().count(), 1, "{}", answer.err);
    assert!(answer.err.starts_with("error: "), "{}", answer.err);
    for part in parts {
        assert!(answer.err.contains(part), "{part:?} is not in {}", answer.err);
    }
}

#[test]
fn a_payment_from_the_first_command_to_the_last() {
    let place = WalletsAndNode::with_alice();
    let balance = place.json("alice", &["balance"]);
    assert_eq!((balance["spendable"].as_f64(), balance["height"].as_u64()), (Some(395.0), Some(0)));

    let dry = place.json("alice", &["send", BOB, "12.5", "--dry-run"]);
    assert_eq!((dry["sent"].as_bool(), dry["fee"].as_f64()), (Some(false), Some(0.000_002_26)));
    assert!(dry["hex"].as_str().unwrap().len() > 2 * 220);
    assert!(place.node.chain().mempool.is_empty());

    let sent = place.json("alice", &["send", BOB, "12.5", "--fee-rate", "2"]);
    let txid = sent["txid"].as_str().unwrap();
    assert_eq!((sent["amount"].as_f64(), sent["fee"].as_f64()), (Some(12.5), Some(0.000_004_52)));
    assert!(place.node.chain().mempool.contains_key(&txid.parse().unwrap()));
    assert_eq!(place.json("alice", &["balance"])["pending"].as_f64(), sent["change"].as_f64());

    place.node.mine(2);
    let history = place.json("alice", &["history"]);
    let newest = history["transactions"].as_array().unwrap().last().unwrap();
    assert_eq!((newest["txid"].as_str(), newest["confirmations"].as_u64()), (Some(txid), Some(2)));
    assert_eq!((newest["kind"].as_str(), newest["amount"].as_f64()), (Some("sent"), Some(-12.500_004_52)));
    assert_eq!(newest["addresses"][0].as_str(), Some(BOB));
    let text = place.online("alice", &["history", "--limit", "1"]).out;
    assert!(text.contains("-12.50000452") && text.contains("2 conf") && text.contains(txid), "{text}");
    assert_eq!(text.lines().count(), 2);

    let coins = place.json("alice", &["coins"]);
    assert_eq!(coins["coins"].as_array().unwrap().len(), 7);
    let addresses = place.json("alice", &["addresses"]);
    assert_eq!(addresses["addresses"][0]["received"].as_f64(), Some(395.0));
    assert_eq!(addresses["addresses"][0]["path"].as_str(), Some("m/44'/1'/0'/0/0"));
}

#[test]
fn send_waits_for_confirmations() {
    let place = WalletsAndNode::with_alice();
    let child = place
        .command("alice")
        .args(["--json", "--rpc", &place.node.url(), "send", BOB, "1", "--wait", "2", "--cookie"])
        .arg(place.node.cookie())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // The payment has arrived, and the wallet waits for a block: mine one, and again when it waits for the second.
    for waits in 1..=2 {
        place.node.await_calls("waitfornewblock", waits);
        place.node.mine(1);
    }
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let sent: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(sent["confirmations"].as_u64(), Some(2));
    assert!(sent["seconds"].is_number());
}

#[test]
fn a_wait_with_a_limit_ends() {
    let place = WalletsAndNode::with_alice();
    let answer = place.online("alice", &["send", BOB, "1", "--wait", "1", "--wait-timeout", "0"]);
    assert_eq!(answer.code, 1);
    assert!(answer.out.starts_with("sent 1.00000000 to"), "told before the wait: {}", answer.out);
    for part in ["was sent, do not send it again", "has 0 of 1 confirmations"] {
        assert!(answer.err.contains(part), "{}", answer.err);
    }
    assert_eq!(place.node.chain().mempool.len(), 1);
}

#[test]
fn create_shows_words_that_restore_the_wallet() {
    let place = WalletsAndNode::new();
    let made = place.json("one", &["--no-password", "create", "--word-count", "24", "--passphrase", "é"]);
    let words = made["words"].as_str().unwrap();
    assert_eq!(words.split(' ').count(), 24);
    let restored = place.json("two", &["--no-password", "restore", "--words", words, "--passphrase", "e\u{301}"]);
    assert_eq!(restored["address"], made["address"]);
    assert_eq!(restored["synced"].as_bool(), Some(true));
    assert_eq!(place.json("two", &["words", "--yes"])["words"].as_str(), Some(words));
    let first = place.json("one", &["new-address"]);
    assert_eq!(first["address"], made["address"]);
    let second = place.json("one", &["new-address"]);
    assert_eq!(second["path"].as_str(), Some("m/44'/1'/0'/0/1"));
    let again = place.online("one", &["--no-password", "create"]);
    assert_error(&again, 1, &["exists already"]);
}

#[test]
fn words_come_from_standard_input_too() {
    let place = WalletsAndNode::new();
    place.write("words", &words("bob"));
    let file = std::fs::File::open(place.directory.path().join("words")).unwrap();
    let answer = run(place.command("bob").args(["--no-password", "restore"]).stdin(file));
    assert!(answer.out.contains(BOB), "{}", answer.err);
}

#[test]
fn passwords_guard_the_file() {
    let place = WalletsAndNode::new();
    place.write("right", "correct horse\nsecond line\n");
    place.write("wrong", "battery staple\n");
    place.write("empty", "\n");
    let with = |file: &str, rest: &[&str]| place.offline("w", &[&["--password-file", file], rest].concat());
    assert_error(&with("empty", &["create"]), 2, &["the password is empty", "--no-password"]);
    assert_eq!(with("right", &["create"]).code, 0);
    assert_eq!(with("right", &["balance", "--offline"]).code, 0);
    assert_error(&with("wrong", &["balance", "--offline"]), 1, &["wrong password for wallet", "/w"]);
    assert_error(&with("none", &["balance", "--offline"]), 1, &["cannot read password file none"]);
    let by_variable =
        |password| run(place.command("w").env("TESTOON_WALLET_PASSWORD", password).args(["balance", "--offline"])).code;
    assert_eq!((by_variable("correct horse"), by_variable("x")), (0, 1));
}

#[test]
fn damage_and_foreign_files_are_named() {
    let place = WalletsAndNode::with_alice();
    let path = place.directory.path().join("alice");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    assert_error(&place.offline("alice", &["balance", "--offline"]), 1, &["is damaged", "restore"]);
    place.write("text", "hello");
    assert_error(&place.offline("text", &["balance", "--offline"]), 1, &["text is not a Testoon wallet file"]);
    assert_error(&place.offline("none", &["balance", "--offline"]), 1, &["no wallet at none", "create"]);
    assert_error(&place.offline(".", &["balance", "--offline"]), 1, &["cannot read ."]);
}

/// Questions need no lock; changes wait for it, and say so when it does not come.
#[test]
fn a_wallet_in_use_answers_questions_and_makes_changes_wait() {
    let place = WalletsAndNode::with_alice();
    let path = place.directory.path().join("alice");
    let held = wallet::Wallet::open(&path, &wallet::Password::None).unwrap();
    for question in ["balance", "coins", "history", "addresses"] {
        let answer = place.online("alice", &[question]);
        assert_eq!((answer.code, answer.err.as_str()), (0, ""), "{question}");
    }
    let now = &["new-address", "--lock-timeout", "0"];
    assert_error(&place.online("alice", now), 1, &["alice is in use by another process"]);
    let waiting = place.command("alice").arg("new-address").stdout(Stdio::piped()).spawn().unwrap();
    drop(held);
    assert!(waiting.wait_with_output().unwrap().status.success());
}

/// While a payment waits for its confirmations, its wallet can be used.
#[test]
fn a_waiting_payment_does_not_hold_the_wallet() {
    let place = WalletsAndNode::with_alice();
    let mut child = place
        .command("alice")
        .args(["--rpc", &place.node.url(), "send", BOB, "1", "--wait", "1", "--cookie"])
        .arg(place.node.cookie())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    place.node.await_calls("waitfornewblock", 1);
    assert_eq!(place.online("alice", &["send", BOB, "2", "--lock-timeout", "0"]).code, 0);
    assert_eq!(place.online("alice", &["new-address", "--lock-timeout", "0"]).code, 0);
    place.node.mine(1);
    assert!(child.wait().unwrap().success());
    assert_eq!(place.json("alice", &["history"])["transactions"].as_array().unwrap().len(), 3, "no update was lost");
}

/// 120 MB of numbers, which as values would be gigabytes, under 1 GB of address space.
#[test]
fn a_huge_answer_is_refused_within_bounded_memory() {
    use std::io::Write;
    let place = WalletsAndNode::with_alice();
    for (text, parts) in [("1,", 60 << 20), ("1,", 8 << 20), ("[{},", 1 << 20)] {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            read_request(&mut std::io::BufReader::new(stream.try_clone().unwrap()));
            let piece = text.repeat(1 << 20);
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n[", 1 + text.len() * parts);
            let _ = stream.write_all(head.as_bytes());
            for _ in 0..parts >> 20 {
                if stream.write_all(piece.as_bytes()).is_err() {
                    break;
                }
            }
        });
        let wallet = wallet_command();
        let mut command = Command::new("sh");
        command.env_clear().stdin(Stdio::null()).current_dir(place.directory.path());
        command
            .args(["-c", "ulimit -v 1000000 && exec \"$0\" \"$@\""])
            .arg(wallet.get_program())
            .args(wallet.get_args());
        command.args(["--wallet", "alice", "balance", "--rpc", &url, "--cookie"]).arg(place.node.cookie());
        assert_error(&run(&mut command), 1, &["answers getblockhash with more than fits", &url]);
        server.join().unwrap();
    }
}

#[test]
fn abandon_asks_the_node_first() {
    let place = WalletsAndNode::with_alice();
    let sent = place.json("alice", &["send", BOB, "1"]);
    let txid = sent["txid"].as_str().unwrap();
    assert_error(&place.online("alice", &["abandon", txid]), 1, &["still holds", "cancel"]);
    assert_error(&place.offline("alice", &["abandon", txid, "--offline"]), 1, &["still holds"]);
    place.node.chain().mempool.clear();
    assert_eq!(place.json("alice", &["abandon", txid])["state"].as_str(), Some("abandoned"));
}

#[test]
fn a_reversed_payment_is_shown_loudly() {
    let place = WalletsAndNode::with_alice();
    let sent = place.json("alice", &["send", BOB, "1"]);
    place.node.mine(1);
    assert_eq!(place.online("alice", &["balance"]).err, "");
    place.node.chain().disconnect(1);
    place.node.mine(2);
    let told = place.online("alice", &["balance"]).err;
    assert!(told.contains("was REVERSED") && told.contains(sent["txid"].as_str().unwrap()), "{told}");
}

/// What a node says is shown without what would steer a terminal.
#[test]
fn control_characters_of_a_node_do_not_reach_the_terminal() {
    let place = WalletsAndNode::with_alice();
    place.node.chain().failures.insert("sendrawtransaction".into(), (-26, "\u{1b}]0;own\u{7}\u{202e}evil\r\n".into()));
    let answer = place.online("alice", &["send", BOB, "1"]);
    assert_error(&answer, 1, &["refuses the payment"]);
    assert!(!answer.err.trim_end().chars().any(|c| c.is_control() || c == '\u{202e}'), "{:?}", answer.err);
}

#[test]
fn wrong_arguments_exit_with_two() {
    let place = WalletsAndNode::with_alice();
    let main_address = "1LqBGSKuX5yYUonjxT5qGfpUsXKYYWeabA";
    let send = |address: &str, amount: &str| place.online("alice", &["send", address, amount]);
    assert_error(&send(main_address, "1"), 2, &[main_address, "version 0", "\"local\"", "111"]);
    assert_error(&send("mghKdQzx6hVVEGJGEFU4AzRBTYsEhLqqa8", "1"), 2, &["mghKdQzx6hVVEGJGEFU4AzRBTYsEhLqqa8"]);
    for amount in ["", "0.123456789", "-1", "1e3", "21000001", "1,5", "0x1", "１"] {
        assert_eq!(send(BOB, amount).code, 2, "{amount:?}");
    }
    assert_eq!(place.online("alice", &["send", BOB, "1", "--fee-rate", "-1"]).code, 2);
    assert_eq!(place.online("alice", &["frobnicate"]).code, 2);
    let mut bare = wallet_command();
    bare.env_clear().env("HOME", place.directory.path()).arg("coins");
    assert_error(&run(&mut bare), 1, &["no wallet at", "default.wallet", "create"]);
    assert_error(&place.offline("alice", &["balance"]), 2, &["no credentials", "--cookie"]);
    assert_error(
        &place.offline("x", &["--no-password", "create", "--chain", "nope"]),
        2,
        &["no chain \"nope\"", "testnet"],
    );
    let bad = words("alice").replace("parrot", "parot");
    assert_error(
        &place.offline("x", &["--no-password", "restore", "--words", &bad]),
        2,
        &["word 2 (\"parot\")", "parrot"],
    );
    assert_error(&place.offline("alice", &["words"]), 2, &["--yes"]);
}

#[test]
fn failures_exit_with_one() {
    let place = WalletsAndNode::with_alice();
    assert_error(
        &place.online("alice", &["send", BOB, "1000"]),
        1,
        &["not enough funds", "1000.0", "395.00000000 available"],
    );
    assert_error(&place.online("alice", &["send", BOB, "1", "--fee-rate", "60000"]), 1, &["--allow-high-fee"]);
    assert_error(&place.online("alice", &["abandon", &"00".repeat(32)]), 1, &["not an unconfirmed transaction"]);
    place.write("cookie", "__cookie__:wrong");
    let url = place.node.url();
    let answer = place.offline("alice", &["balance", "--rpc", &url, "--cookie", "cookie"]);
    assert_error(&answer, 1, &["refuses our credentials", &url]);
    let WalletsAndNode { directory, node } = place;
    drop(node);
    let mut command = wallet_command();
    command
        .env_clear()
        .current_dir(directory.path())
        .args(["--wallet", "alice", "balance", "--cookie", "cookie", "--rpc", &url]);
    assert_error(&run(&mut command), 1, &["no node answers at", &url, "--rpc"]);
}

#[test]
fn every_flag_has_a_variable_that_works() {
    let place = WalletsAndNode::with_alice();
    let mut command = wallet_command();
    command.env_clear().arg("balance");
    command.env("TESTOON_WALLET", place.directory.path().join("alice")).env("TESTOON_JSON", "1");
    command.env("TESTOON_RPC", place.node.url()).env("TESTOON_COOKIE", place.node.cookie());
    let answer = run(&mut command);
    assert_eq!(answer.code, 0, "{}", answer.err);
    assert_eq!(serde_json::from_str::<Value>(&answer.out).unwrap()["total"].as_f64(), Some(395.0));
}

#[test]
fn the_rest_of_the_commands() {
    let place = WalletsAndNode::with_alice();
    let key = chain_spec::PrivateKey::from_bytes(&[5; 32], true).unwrap();
    place.node.mine_to_address(1, &key.public_key().address(&local()));
    place.node.mine(1);
    let swept = place.json("alice", &["sweep", &key.to_wif(&local())]);
    assert_eq!(swept["amount"].as_f64(), Some(49.999_998_08));
    place.node.mine(1);
    let rescanned = place.json("alice", &["rescan"]);
    assert_eq!((rescanned["blocks"].as_u64(), rescanned["transactions"].as_u64()), (Some(4), Some(2)));

    let sent = place.json("alice", &["send", BOB, "1"]);
    place.node.chain().mempool.clear();
    let txid = sent["txid"].as_str().unwrap();
    assert_eq!(place.json("alice", &["abandon", txid])["state"].as_str(), Some("abandoned"));
    assert_eq!(place.json("alice", &["balance"])["pending"].as_f64(), Some(0.0));
    let dear = ["sweep", &key.to_wif(&local()), "--fee-rate", "60000"];
    place.node.mine_to_address(1, &key.public_key().address(&local()));
    place.node.mine(1);
    assert_error(&place.online("alice", &dear), 1, &["looks like a mistake", "--allow-high-fee"]);
    let help = place.offline("alice", &["send", "--help"]);
    assert!(help.out.contains("TESTOON_FEE_RATE") && help.out.contains("units (10⁻⁸ coin) per byte"), "{}", help.out);
    assert!(demo("bob").address().unwrap().to_string() == BOB);
}
