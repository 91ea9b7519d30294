//! A Stratum client that shows every line, and mines by counting.

use chain_spec::{BlockHash, CompactTarget, Header, MerkleRoot, Target, hash::sha256d};
use kit::Node;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// Longest wait for a line; a hang is a failure, not a stuck test run.
const LINE_TIMEOUT: Duration = Duration::from_secs(60);

/// Somebody's address on test networks.
pub const ALICE: &str = "mp6DTMXsQz6Wu6M8Zh2ZE2qScoEUUPVez6";
/// Somebody else's.
pub const BOB: &str = "mghKdQzx6hVVEGJGEFU4AzRBTYsEhLqqa7";
/// The operator's.
pub const OPERATOR: &str = "mzPTiyd9VKWMgfAKHiBCsnF7GhgUHoTCA9";

/// A chain whose blocks take about 2²⁴ hashes at a fixed target, so that shares are easier than blocks and a test
/// decides which of the two it makes. It is otherwise as `bitcoin-regtest`.
pub fn hard_chain(directory: &std::path::Path, initial_target: &str) -> String {
    let spec = include_str!("../../chain-spec/src/spec/bitcoin-regtest.toml");
    let changed: Vec<String> = spec
        .lines()
        .map(|line| match line.split_once(" = ") {
            Some(("name", _)) => "name = \"stratum-test\"".to_owned(),
            Some(("initial_target", _)) => format!("initial_target = \"{initial_target}\""),
            _ => line.to_owned(),
        })
        .collect();
    let path = directory.join("chain.toml");
    std::fs::write(&path, changed.join("\n")).expect("a temporary directory");
    path.display().to_string()
}

/// One connection.
pub struct Client {
    stream: BufReader<TcpStream>,
    next_id: u64,
    /// Notifications that were not asked for yet, oldest first.
    pub notices: VecDeque<Value>,
    /// The pool's part of the extranonce.
    pub extranonce1: Vec<u8>,
    /// Bytes of the miner's part.
    pub extranonce2_len: usize,
}

/// A job as it was sent.
#[derive(Clone, Debug)]
pub struct Job {
    /// The nine parameters.
    pub params: Value,
    /// The difficulty that was told last before it.
    pub difficulty: f64,
}

impl Job {
    /// The block it builds on: the protocol sends a hash as 32-bit words in the machine's byte order.
    pub fn previous(&self) -> BlockHash {
        let words = hex::decode(self.params[1].as_str().expect("a text")).expect("hexadecimal");
        let mut previous = [0; 32];
        for (word, reversed) in previous.chunks_mut(4).zip(words.chunks(4)) {
            word.copy_from_slice(&reversed.iter().rev().copied().collect::<Vec<u8>>());
        }
        BlockHash::from_bytes(previous)
    }
}

/// What a share is made of.
#[derive(Clone, Debug)]
pub struct Share {
    pub extranonce2: Vec<u8>,
    pub time: u32,
    pub nonce: u32,
    pub version: Option<u32>,
}

impl Client {
    pub fn open(node: &Node) -> Client {
        Client::try_open(node).expect("the pool listens")
    }

    /// None where the pool closes the connection at once.
    pub fn try_open(node: &Node) -> Option<Client> {
        let address = node.ready["stratum"].as_str().unwrap_or_else(|| panic!("no pool: {}", node.ready));
        let stream = TcpStream::connect(address).ok()?;
        stream.set_read_timeout(Some(LINE_TIMEOUT)).expect("a time that is not zero");
        stream.set_nodelay(true).expect("a TCP socket");
        Some(Client {
            stream: BufReader::new(stream),
            next_id: 1,
            notices: VecDeque::new(),
            extranonce1: Vec::new(),
            extranonce2_len: 0,
        })
    }

    /// Subscribed and authorized, with a job on the node's tip: the first job may still be one on the tip before.
    pub fn mining(node: &Node, user: &str) -> (Client, Job) {
        let mut client = Client::open(node);
        client.subscribe();
        assert_eq!(client.call("mining.authorize", json!([user, "x"])), Ok(json!(true)));
        let tip = node.tip();
        let mut job = client.job();
        while job.previous().to_string() != tip {
            job = client.job_after(&job);
        }
        (client, job)
    }

    pub fn subscribe(&mut self) {
        let result = self.call("mining.subscribe", json!(["tests/1.0"])).expect("subscribed");
        assert_eq!(result[0][0][0], "mining.set_difficulty");
        assert_eq!(result[0][1][0], "mining.notify");
        self.extranonce1 = hex::decode(result[1].as_str().expect("a text")).expect("hexadecimal");
        self.extranonce2_len = result[2].as_u64().expect("a number") as usize;
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) {
        // The pool may have closed the connection; reading will tell.
        let _ = self.stream.get_mut().write_all(bytes);
    }

    /// The next line, or nothing if the connection was closed.
    pub fn line(&mut self) -> Option<Value> {
        let mut line = String::new();
        match self.stream.read_line(&mut line) {
            Ok(0) => None,
            Ok(_) => Some(serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => None,
            Err(error) => panic!("no line: {error}"),
        }
    }

    /// The reply that comes next; notices before it are kept.
    pub fn reply(&mut self) -> Option<Value> {
        loop {
            let line = self.line()?;
            if line.get("method").is_none() {
                return Some(line);
            }
            self.notices.push_back(line);
        }
    }

    /// Calls a method; its result, or the error's code.
    pub fn call(&mut self, method: &str, params: Value) -> Result<Value, i64> {
        let id = self.next_id;
        self.next_id += 1;
        let request = json!({"id": id, "method": method, "params": params});
        self.send(format!("{request}\n").as_bytes());
        let reply = self.reply().unwrap_or_else(|| panic!("the connection was closed on {request}"));
        assert_eq!(reply["id"], json!(id), "{reply}");
        match &reply["error"] {
            Value::Null => Ok(reply["result"].clone()),
            error => {
                assert!(reply["result"].is_null() && error[1].is_string() && error[2].is_null(), "{reply}");
                Err(error[0].as_i64().expect("a code"))
            }
        }
    }

    /// The next notice.
    pub fn notice(&mut self) -> Value {
        loop {
            if let Some(notice) = self.notices.pop_front() {
                return notice;
            }
            let line = self.line().expect("a notice");
            assert!(line.get("method").is_some() && line["id"].is_null(), "{line}");
            self.notices.push_back(line);
        }
    }

    /// The next job, with the difficulty told before it.
    pub fn job_at(&mut self, difficulty: f64) -> Job {
        let mut difficulty = difficulty;
        loop {
            let notice = self.notice();
            match notice["method"].as_str() {
                Some("mining.set_difficulty") => difficulty = notice["params"][0].as_f64().expect("a number"),
                Some("mining.notify") => return Job { params: notice["params"].clone(), difficulty },
                _ => panic!("{notice}"),
            }
        }
    }

    /// The first job.
    pub fn job(&mut self) -> Job {
        self.job_at(f64::NAN)
    }

    /// The newest of the jobs that come, once one on another parent than `job`'s has come.
    pub fn job_after(&mut self, job: &Job) -> Job {
        let mut next = job.clone();
        while next.params[1] == job.params[1] {
            next = self.job_at(next.difficulty);
        }
        next
    }

    pub fn submit(&mut self, user: &str, job: &Job, share: &Share) -> Result<Value, i64> {
        let mut params = json!([
            user,
            job.params[0],
            hex::encode(&share.extranonce2),
            format!("{:08x}", share.time),
            format!("{:08x}", share.nonce)
        ]);
        if let Some(version) = share.version {
            params.as_array_mut().expect("a list").push(json!(format!("{version:08x}")));
        }
        self.call("mining.submit", params)
    }

    /// The header of a share, from the protocol's documentation.
    pub fn header(&self, job: &Job, share: &Share) -> Header {
        let text = |index: usize| job.params[index].as_str().expect("a text");
        let bytes = |index: usize| hex::decode(text(index)).expect("hexadecimal");
        let number = |index: usize| u32::from_str_radix(text(index), 16).expect("hexadecimal");
        let coinbase = [bytes(2), self.extranonce1.clone(), share.extranonce2.clone(), bytes(3)].concat();
        let mut root = sha256d(&coinbase);
        for hash in job.params[4].as_array().expect("a list") {
            let hash = hex::decode(hash.as_str().expect("a text")).expect("hexadecimal");
            root = sha256d(&[&root[..], &hash].concat());
        }
        Header {
            version: share.version.unwrap_or_else(|| number(5)) as i32,
            previous: job.previous(),
            merkle_root: MerkleRoot::from_bytes(root),
            time: share.time,
            bits: CompactTarget::from_bits(number(6)),
            nonce: share.nonce,
        }
    }

    /// A share to start counting from.
    pub fn share(&self, job: &Job, number: u64) -> Share {
        let extranonce2 = number.to_be_bytes()[8 - self.extranonce2_len..].to_vec();
        let time = u32::from_str_radix(job.params[7].as_str().expect("a text"), 16).expect("hexadecimal");
        Share { extranonce2, time, nonce: 0, version: None }
    }

    /// Counts the nonce up until the hash is a share or more (or, with `is_wanted`, whatever else is wanted).
    pub fn solve(&self, job: &Job, mut share: Share, is_wanted: impl Fn(&BlockHash) -> bool) -> Share {
        let mut header = self.header(job, &share);
        loop {
            header.nonce = share.nonce;
            if is_wanted(&header.hash()) {
                return share;
            }
            share.nonce = share.nonce.checked_add(1).expect("a nonce within 2³²");
        }
    }

    /// A share that meets the job's difficulty and is no block.
    pub fn find_share(&self, job: &Job, number: u64) -> Share {
        let (easy, hard) = (target(job.difficulty), block_target(job));
        self.solve(job, self.share(job, number), |hash| easy.is_met_by(hash) && !hard.is_met_by(hash))
    }

    /// A share that is a block.
    pub fn find_block(&self, job: &Job, number: u64) -> Share {
        let hard = block_target(job);
        self.solve(job, self.share(job, number), |hash| hard.is_met_by(hash))
    }
}

/// The target of a difficulty, by the definition 0xffff × 2²⁰⁸ / difficulty, to 32 bits.
pub fn target(difficulty: f64) -> Target {
    let mut value = 65_535.0 / difficulty;
    // Below a difficulty of 2^-32 every hash is a share.
    if value >= 281_474_976_710_656.0 {
        return Target::from_be_bytes([0xff; 32]);
    }
    let mut place: i32 = 26 * 8;
    while value < 16_777_216.0 {
        value *= 256.0;
        place -= 8;
    }
    while value >= 4_294_967_296.0 {
        value /= 256.0;
        place += 8;
    }
    let mut bytes = [0; 32];
    let first = (32 - 4 - place / 8) as usize;
    bytes[first..first + 4].copy_from_slice(&(value as u32).to_be_bytes());
    Target::from_be_bytes(bytes)
}

/// The target of the job's block.
pub fn block_target(job: &Job) -> Target {
    let bits = u32::from_str_radix(job.params[6].as_str().expect("a text"), 16).expect("hexadecimal");
    CompactTarget::from_bits(bits).to_target().expect("a valid target")
}

impl Client {
    /// Sends a malformed line; whether it is refused with code 20. False if the connection is closed.
    pub fn stream_is_open(&mut self, line: &[u8]) -> bool {
        self.send(&[line, b"\n"].concat());
        let Some(reply) = self.reply() else { return false };
        assert_eq!(reply["error"][0], json!(20), "{reply}");
        true
    }
}
