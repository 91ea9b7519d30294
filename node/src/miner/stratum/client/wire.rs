//! The client's side of the lines: requests out, replies and notifications in.

use super::message::{JobNumber, Message};
use super::work::Hasher;
use super::{ClientConfig, Status};
use crate::miner::VERSION_ROLLING_MASK;
use crate::miner::meter;
use crate::miner::stratum::difficulty::Difficulty;
use crate::miner::stratum::notify::{Notify, parse_u32};
use chain_spec::Header;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

/// Longest line that is read, bytes: a job of a large block has some thousand.
const LINE_BYTES_MAX: u64 = 256 * 1024;
/// How long connecting and sending may take.
const SEND_MAX: Duration = Duration::from_secs(10);
/// Shares that wait for a reply; a pool that answers none is left.
const UNANSWERED_MAX: usize = 1_000;
/// Longest extranonce that is taken, bytes.
const EXTRANONCE_BYTES_MAX: u64 = 16;

const CONFIGURE: u64 = 1;
const SUBSCRIBE: u64 = 2;
const AUTHORIZE: u64 = 3;
const EXTRANONCE: u64 = 4;
const FIRST_SHARE: u64 = 10;
/// The code of a share that comes too late.
const JOB_NOT_FOUND: i64 = 21;

/// Why a connection cannot go on.
pub enum Failure {
    /// The pool does not want this user.
    Refused(String),
    /// The connection, or what came over it, is of no use.
    Lost(String),
}

/// What a pool says to a share: nothing against it, or a code and its words.
type Reply = Result<(), (i64, String)>;

/// What changes in the status.
#[derive(Default)]
pub struct Change {
    /// A job came.
    pub job: bool,
    difficulty: Option<f64>,
    reply: Option<(Reply, Duration)>,
    trouble: Option<String>,
}

impl Change {
    /// Changes it.
    pub fn apply(self, status: &mut Status) {
        if self.job {
            status.jobs += 1;
            status.is_mining = true;
        }
        status.difficulty = self.difficulty.unwrap_or(status.difficulty);
        if let Some((reply, took)) = self.reply {
            status.reply_ms = took.as_secs_f64() * 1e3;
            match reply {
                Ok(()) => status.accepted += 1,
                Err((JOB_NOT_FOUND, _)) => status.stale += 1,
                Err((code, message)) => {
                    status.rejected += 1;
                    status.trouble = Some(format!("a share was refused: {message} (code {code})"));
                }
            }
        }
        if self.trouble.is_some() {
            status.trouble = self.trouble;
        }
    }
}

/// One connection to the pool.
pub struct Connection {
    number: u64,
    stream: TcpStream,
    next_id: u64,
    unanswered: HashMap<u64, Instant>,
    extranonce1: Option<Vec<u8>>,
    extranonce2_len: usize,
    /// Version bits that may be rolled; none until the pool says so.
    version_mask: u32,
    /// The difficulty of the jobs that come next.
    difficulty: Option<Difficulty>,
    has_job: bool,
}

impl Connection {
    /// Connects, and reads lines into `messages` from then on.
    pub fn open(address: &str, number: u64, messages: Sender<Message>) -> io::Result<Connection> {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in address.to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, SEND_MAX) {
                Ok(stream) => return Connection::new(stream, number, messages),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn new(stream: TcpStream, number: u64, messages: Sender<Message>) -> io::Result<Connection> {
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(SEND_MAX))?;
        let reader = stream.try_clone()?;
        std::thread::Builder::new().name("stratum-read".into()).spawn(move || read(reader, number, &messages))?;
        Ok(Connection {
            number,
            stream,
            next_id: FIRST_SHARE,
            unanswered: HashMap::new(),
            extranonce1: None,
            extranonce2_len: 0,
            version_mask: 0,
            difficulty: None,
            has_job: false,
        })
    }

    /// Its number.
    pub fn number(&self) -> u64 {
        self.number
    }
    /// Whether the pool has given a job.
    pub fn has_job(&self) -> bool {
        self.has_job
    }

    /// Sends what every session begins with.
    pub fn log_in(&mut self, config: &ClientConfig) -> io::Result<()> {
        let mask = format!("{VERSION_ROLLING_MASK:08x}");
        let parameters = json!({"version-rolling.mask": mask, "version-rolling.min-bit-count": 16});
        self.request(CONFIGURE, "mining.configure", &json!([["version-rolling"], parameters]))?;
        self.request(SUBSCRIBE, "mining.subscribe", &json!([concat!("testoon/", env!("CARGO_PKG_VERSION"))]))?;
        self.request(EXTRANONCE, "mining.extranonce.subscribe", &json!([]))?;
        self.request(AUTHORIZE, "mining.authorize", &json!([config.user, config.password]))
    }

    fn request(&mut self, id: u64, method: &str, params: &Value) -> io::Result<()> {
        self.send(&json!({"id": id, "method": method, "params": params}))
    }

    fn send(&mut self, value: &Value) -> io::Result<()> {
        self.stream.write_all(format!("{value}\n").as_bytes())
    }

    /// Sends in a share.
    pub fn submit(
        &mut self,
        user: &str,
        header: &Header,
        job_number: JobNumber,
        hasher: &Hasher,
    ) -> Result<Change, Failure> {
        // The hashing threads go on with another extranonce; what they find of a job that is gone is not sent.
        let Some(found) = hasher.found(header, job_number) else { return Ok(Change::default()) };
        let mut params = json!([
            user,
            found.job,
            hex::encode(found.extranonce2),
            format!("{:08x}", header.time),
            format!("{:08x}", header.nonce),
        ]);
        if self.version_mask != 0
            && let Some(params) = params.as_array_mut()
        {
            params.push(json!(format!("{:08x}", header.version as u32 & self.version_mask)));
        }
        let id = self.next_id;
        self.next_id += 1;
        if self.unanswered.len() >= UNANSWERED_MAX {
            return Err(Failure::Lost(format!("{UNANSWERED_MAX} shares have no reply")));
        }
        self.unanswered.insert(id, meter::now());
        self.request(id, "mining.submit", &params).map_err(|error| Failure::Lost(error.to_string()))?;
        Ok(Change::default())
    }

    /// Takes a line.
    pub fn hear(&mut self, line: &[u8], hasher: &Hasher) -> Result<Change, Failure> {
        let lost = Failure::Lost;
        let message: Value = serde_json::from_slice(line)
            .map_err(|_| lost("what came is not JSON; is it a Stratum pool?".to_owned()))?;
        match message["method"].as_str() {
            Some("mining.notify") => {
                let notify = Notify::from_params(&message["params"]).map_err(lost)?;
                self.take_job(notify, hasher).map_err(lost)
            }
            Some("mining.set_difficulty") => {
                let difficulty = message["params"][0].as_f64().and_then(Difficulty::new);
                let difficulty = difficulty.ok_or_else(|| lost("a difficulty that is no number above zero".into()))?;
                self.difficulty = Some(difficulty);
                Ok(Change { difficulty: Some(difficulty.value()), ..Change::default() })
            }
            Some("mining.set_extranonce") => {
                self.set_extranonce(&message["params"][0], &message["params"][1]).map_err(lost)?;
                Ok(Change::default())
            }
            Some("mining.set_version_mask") => {
                self.set_version_mask(&message["params"][0]);
                Ok(Change::default())
            }
            Some("client.get_version") => {
                let version = concat!("testoon/", env!("CARGO_PKG_VERSION"));
                let reply = json!({"id": message["id"], "result": version, "error": null});
                self.send(&reply).map_err(|error| lost(error.to_string()))?;
                Ok(Change::default())
            }
            // To the same address: another one could be anybody's.
            Some("client.reconnect") => Err(lost("the pool asks to connect again".into())),
            Some("client.show_message") => {
                let text =
                    message["params"][0].as_str().unwrap_or_default().escape_debug().take(200).collect::<String>();
                Ok(Change { trouble: Some(format!("the pool says: {text}")), ..Change::default() })
            }
            Some(_) => Ok(Change::default()),
            None => self.take_reply(&message),
        }
    }

    fn take_job(&mut self, notify: Notify, hasher: &Hasher) -> Result<Change, String> {
        let extranonce1 = self.extranonce1.clone().ok_or("a job came before the reply to mining.subscribe")?;
        let rolls = self.version_mask == VERSION_ROLLING_MASK as u32;
        // Difficulty 1 until the pool says otherwise, as documented.
        let difficulty = self.difficulty.or_else(|| Difficulty::new(1.0)).ok_or("no difficulty")?;
        hasher.set_job(notify, extranonce1, self.extranonce2_len, difficulty, rolls)?;
        self.has_job = true;
        Ok(Change { job: true, ..Change::default() })
    }

    fn take_reply(&mut self, message: &Value) -> Result<Change, Failure> {
        let id = message["id"].as_u64().unwrap_or(0);
        let is_granted = message["error"].is_null() && message["result"] != json!(false);
        let (code, text) = reason(&message["error"]);
        match id {
            SUBSCRIBE if is_granted => {
                self.set_extranonce(&message["result"][1], &message["result"][2]).map_err(Failure::Lost)?;
            }
            SUBSCRIBE => return Err(Failure::Lost(format!("the pool refuses the subscription: {text}"))),
            AUTHORIZE if !is_granted => {
                return Err(Failure::Refused(format!("the pool does not take this user: {text}")));
            }
            CONFIGURE if is_granted && message["result"]["version-rolling"] == json!(true) => {
                self.set_version_mask(&message["result"]["version-rolling.mask"]);
            }
            _ => {
                if let Some(sent) = self.unanswered.remove(&id) {
                    let reply = if is_granted { Ok(()) } else { Err((code, text)) };
                    return Ok(Change { reply: Some((reply, sent.elapsed())), ..Change::default() });
                }
            }
        }
        Ok(Change::default())
    }

    fn set_version_mask(&mut self, mask: &Value) {
        self.version_mask = mask.as_str().and_then(parse_u32).unwrap_or(0) & VERSION_ROLLING_MASK as u32;
    }

    fn set_extranonce(&mut self, extranonce1: &Value, len: &Value) -> Result<(), String> {
        let bytes = extranonce1.as_str().and_then(|text| hex::decode(text).ok());
        let bytes = bytes.filter(|bytes| bytes.len() as u64 <= EXTRANONCE_BYTES_MAX);
        let len = len.as_u64().filter(|len| (1..=EXTRANONCE_BYTES_MAX).contains(len));
        match (bytes, len) {
            (Some(bytes), Some(len)) => {
                (self.extranonce1, self.extranonce2_len) = (Some(bytes), len as usize);
                Ok(())
            }
            _ => Err("the pool's extranonces cannot be read".into()),
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // Ends the reading thread.
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
    }
}

/// Code and text of an error, however the pool writes it.
fn reason(error: &Value) -> (i64, String) {
    let code = error[0].as_i64().or_else(|| error["code"].as_i64()).unwrap_or(0);
    let text = error[1].as_str().or_else(|| error["message"].as_str()).or_else(|| error.as_str());
    let text = text.unwrap_or("it does not say why").escape_debug().take(200).collect();
    (code, text)
}

/// Reads lines until the connection ends.
fn read(stream: TcpStream, connection: u64, messages: &Sender<Message>) {
    let mut reader = BufReader::new(stream);
    let reason = loop {
        let mut line = Vec::new();
        match (&mut reader).take(LINE_BYTES_MAX).read_until(b'\n', &mut line) {
            Ok(0) => break "the pool closed the connection".to_owned(),
            Ok(_) if line.last() != Some(&b'\n') => break "a line that is torn or too long".to_owned(),
            Ok(_) if line.trim_ascii().is_empty() => {}
            Ok(_) => {
                if messages.send(Message::Line { connection, line }).is_err() {
                    return;
                }
            }
            Err(error) => break error.to_string(),
        }
    };
    // When nobody receives, nobody needs to know.
    let _ = messages.send(Message::Closed { connection, reason });
}
