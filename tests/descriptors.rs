//! A node whose process may open few files and connections, and strangers who open many.

use kit::{Client, Node, NodeOptions, testoon};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

const ADDRESS: &str = "mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn";
/// The soft limit that macOS gives a process.
const DESCRIPTORS: usize = 256;

/// Killed when dropped.
struct Limited(Child);

impl Drop for Limited {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a node that cannot raise its limit; its process and what its ready line says.
fn start_limited(datadir: &Path) -> (Limited, Value) {
    let binary = testoon();
    let mut command = Command::new("sh");
    command
        .args(["-c", &format!("ulimit -n {DESCRIPTORS} && exec \"$0\" \"$@\"")])
        .arg(binary.get_program())
        .args(["node", "--chain", "bitcoin-regtest", "--rpc-listen", "127.0.0.1:0", "--p2p-listen", "127.0.0.1:0"])
        .args(["--no-discover", "--datadir"])
        .arg(datadir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut child = Limited(command.spawn().expect("a shell runs"));
    let mut line = String::new();
    BufReader::new(child.0.stdout.take().expect("piped above")).read_line(&mut line).expect("a line");
    let ready = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
    (child, ready)
}

/// More idle connections than the process may have descriptors: the node goes on to store blocks, to answer and to take peers.
#[test]
fn strangers_cannot_take_the_descriptors_that_files_need() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (mut node, ready) = start_limited(directory.path());
    let text = |value: &Value| value.as_str().expect("the ready line is complete").to_owned();
    let client = Client::with_cookie(&text(&ready["rpc"]), Path::new(&text(&ready["cookie"])));
    let address = text(&ready["p2p"][0]);
    let port = address.split('/').nth(4).expect("/ip4/…/tcp/PORT").to_owned();
    let strangers: Vec<TcpStream> =
        (0..DESCRIPTORS + 60).filter_map(|_| TcpStream::connect(format!("127.0.0.1:{port}")).ok()).collect();
    assert!(strangers.len() > DESCRIPTORS, "{} connections were made", strangers.len());
    client.call("generatetoaddress", json!([30, ADDRESS]));

    let second = tempfile::tempdir().expect("a temporary directory");
    let peer = NodeOptions::new("bitcoin-regtest", second.path()).with("--connect").with(address);
    let peer = Node::start(peer);
    peer.client.wait_for_height(30);
    client.call("generatetoaddress", json!([1, ADDRESS]));
    peer.client.wait_for_height(31);
    assert!(node.0.try_wait().expect("it can be asked").is_none(), "the node still runs");
    drop(strangers);
}
