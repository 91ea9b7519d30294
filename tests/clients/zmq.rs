//! ZMQ notifications as a stock subscriber reads them (pyzmq, that is libzmq).

use super::installed;
use chain_spec::{Amount, Encode as _, Outpoint, TxOut};
use kit::{Node, NodeOptions, fixture};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

/// Prints every message as topic, content in hexadecimal, and number.
const SUBSCRIBER: &str = r#"
import struct, sys, zmq
socket = zmq.Context().socket(zmq.SUB)
socket.setsockopt(zmq.SUBSCRIBE, b"")
socket.connect(sys.argv[1])
while True:
    topic, content, number = socket.recv_multipart()
    print(topic.decode(), content.hex(), struct.unpack("<I", number)[0], flush=True)
"#;

/// Longest a message may take.
const PATIENCE: Duration = Duration::from_secs(60);

type Message = (String, String, u32);

/// A running subscriber, ended with the test.
struct Subscriber {
    child: Child,
    messages: Receiver<Message>,
    /// The number that the next message of each topic must have.
    numbers: BTreeMap<String, u32>,
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Subscriber {
    fn start(packages: &std::path::Path, address: &str) -> Subscriber {
        let mut python = Command::new("python3");
        python.env("PYTHONPATH", packages).args(["-c", SUBSCRIBER, address]).stdout(Stdio::piped());
        let mut child = python.spawn().expect("python3 has just run");
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (sender, messages) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let mut words = line.split(' ').map(str::to_owned);
                let mut next = || words.next().unwrap();
                let message = (next(), next(), next().parse().unwrap());
                if sender.send(message).is_err() {
                    return;
                }
            }
        });
        Subscriber { child, messages, numbers: BTreeMap::new() }
    }

    /// The next message; none of its topic may have been lost before it.
    fn next(&mut self) -> (String, String) {
        let (topic, content, number) = self.messages.recv_timeout(PATIENCE).expect("a message");
        let expected = self.numbers.entry(topic.clone()).or_insert(number);
        assert_eq!(*expected, number, "{topic}");
        *expected += 1;
        (topic, content)
    }

    /// Messages up to one of a topic whose content starts like this.
    fn until(&mut self, topic: &str, start: &str) -> Vec<(String, String)> {
        let mut seen = Vec::new();
        loop {
            let message = self.next();
            let is_last = message.0 == topic && message.1.starts_with(start);
            seen.push(message);
            if is_last {
                return seen;
            }
        }
    }

    /// Mines until the subscription has reached the node, and then up to the newest block's message.
    fn catch_up(&mut self, node: &Node, address: &str) {
        loop {
            node.call("generatetoaddress", json!([1, address]));
            match self.messages.recv_timeout(Duration::from_millis(200)) {
                Ok((topic, _, number)) => {
                    self.numbers.insert(topic, number + 1);
                    break;
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => panic!("the subscriber has ended"),
            }
        }
        node.call("generatetoaddress", json!([1, address]));
        let tip = node.tip();
        self.until("rawblock", &node.text("getblock", json!([tip, 0])));
    }
}

fn contents<'a>(messages: &'a [(String, String)], topic: &str) -> Vec<&'a str> {
    messages.iter().filter(|(name, _)| name == topic).map(|(_, content)| content.as_str()).collect()
}

/// What a node says that must not start with an argument.
fn refusal(argument: String) -> String {
    let place = tempfile::tempdir().unwrap();
    NodeOptions::new("bitcoin-regtest", place.path()).with(argument).fail().stderr
}

#[test]
fn a_stock_subscriber_hears_of_blocks_and_transactions_in_order_and_misses_none() {
    let Some(packages) = installed("pyzmq==27.1.0") else { return };
    let topics = ["hashblock", "hashtx", "rawblock", "rawtx", "sequence"];
    let arguments: Vec<String> = topics.iter().map(|topic| format!("--zmqpub{topic}=tcp://127.0.0.1:0")).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let node = Node::fresh("bitcoin-regtest", &arguments);
    let told = node.call("getzmqnotifications", json!([]));
    let kinds: Vec<&Value> = told.as_array().unwrap().iter().map(|one| &one["type"]).collect();
    let expected: Vec<Value> = topics.iter().map(|topic| json!(format!("pub{topic}"))).collect();
    assert_eq!(kinds, expected.iter().collect::<Vec<_>>());
    let address = told[0]["address"].as_str().unwrap();
    assert!(!address.ends_with(":0") && told[4]["address"] == address, "one socket with the port that it got: {told}");

    let key = fixture::key(1);
    let own = key.public_key().address(&fixture::regtest()).to_string();
    let blocks = node.call("generatetoaddress", json!([101, own]));
    let mut subscriber = Subscriber::start(packages.path(), address);
    subscriber.catch_up(&node, &own);

    // A payment enters the mempool.
    let coin = node.call("getblock", json!([blocks[0]]))["tx"][0].as_str().unwrap().parse().unwrap();
    let output = TxOut { value: Amount::from_units(49_9999_0000), script: fixture::pay_to(2) };
    let payment = fixture::spend(&[Outpoint { txid: coin, index: 0 }], &key, vec![output]);
    let txid = node.text("sendrawtransaction", json!([hex::encode(payment.to_bytes())]));
    let heard = subscriber.until("rawtx", "");
    assert_eq!(contents(&heard, "hashtx"), [txid.as_str()]);
    assert_eq!(contents(&heard, "rawtx"), [hex::encode(payment.to_bytes())]);
    let entered = contents(&heard, "sequence");
    assert_eq!((entered.len(), entered[0].len()), (1, 2 * (32 + 1 + 8)));
    assert!(entered[0].starts_with(&format!("{txid}41")), "A: {entered:?}");

    // It is mined, the block is undone, and mined again: its bytes are told with each.
    let block = node.call("generatetoaddress", json!([1, own]))[0].as_str().unwrap().to_owned();
    let raw = node.text("getblock", json!([block, 0]));
    let heard = subscriber.until("rawblock", &raw);
    assert_eq!(contents(&heard, "hashblock"), [block.as_str()]);
    assert_eq!(contents(&heard, "sequence"), [format!("{block}43")], "C, and no R for what was mined");
    let ids = node.call("getblock", json!([block]))["tx"].clone();
    assert_eq!(json!(contents(&heard, "hashtx")), ids);
    node.call("invalidateblock", json!([block]));
    let heard = subscriber.until("hashblock", "");
    assert_eq!(contents(&heard, "hashblock"), [node.tip()]);
    assert_eq!(contents(&heard, "sequence")[0], format!("{block}44"), "D");
    let again = subscriber.until("sequence", &format!("{txid}41"));
    assert!(contents(&again, "sequence").last().is_some(), "it waits in the mempool again");
    node.call("reconsiderblock", json!([block]));
    subscriber.until("hashblock", &block);

    // Somebody who is not there costs nobody anything.
    drop(subscriber);
    node.call("generatetoaddress", json!([5, own]));
    let taken = address.to_owned();
    let refused = refusal(format!("--zmqpubhashtx={taken}"));
    assert!(refused.contains("cannot publish over ZMQ") && refused.contains("--zmqpubhashtx"), "{refused}");
    for wrong in ["127.0.0.1:1", "tcp://127.0.0.1", "ipc://somewhere", "tcp://:5"] {
        let refused = refusal(format!("--zmqpubrawtx={wrong}"));
        assert!(refused.contains("tcp://HOST:PORT"), "{wrong}: {refused}");
    }
}
