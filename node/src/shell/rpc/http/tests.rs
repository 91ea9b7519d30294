//! The server over real sockets, with short bounds; no node is behind it, so every call is answered with "loading".

use super::*;
use crate::shell::rpc::http::auth::Access;
use base64::Engine;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const CALL: &str = r#"{"method":"getblockcount","id":1}"#;

/// A server that is up, and the means to call it.
struct Rig {
    address: std::net::SocketAddr,
    cookie: String,
    _stop: watch::Sender<bool>,
    _directory: tempfile::TempDir,
}

impl Rig {
    async fn start(limits: Limits) -> Rig {
        let directory = tempfile::tempdir().unwrap();
        let access = Access { users: vec![("ann".into(), "secret".into())], ..Access::default() };
        let credentials = Credentials::create(directory.path(), access).unwrap();
        let cookie = std::fs::read_to_string(credentials.cookie_path()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = watch::Sender::new(false);
        tokio::spawn(Server::new(credentials, Vec::new(), false, limits).serve(listener, stop.subscribe()));
        Rig { address, cookie, _stop: stop, _directory: directory }
    }
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }
    fn head(&self, pair: &str, length: usize) -> String {
        let pair = base64::prelude::BASE64_STANDARD.encode(pair);
        format!("POST / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {pair}\r\nContent-Length: {length}\r\n\r\n")
    }
    fn request(&self) -> String {
        self.head(&self.cookie, CALL.len()) + CALL
    }
}

/// Reads the head of an answer and as much body as it announces; the status. Panics at the connection's end.
async fn status(stream: &mut TcpStream) -> u16 {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).await.unwrap();
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |n| n.parse().unwrap());
    stream.read_exact(&mut vec![0; length]).await.unwrap();
    head.split(' ').nth(1).unwrap().parse().unwrap()
}

async fn is_closed(stream: &mut TcpStream) -> bool {
    matches!(stream.read(&mut [0]).await, Ok(0) | Err(_))
}

#[tokio::test]
async fn silent_connections_never_keep_those_out_who_speak() {
    let limits = Limits { connections_max: 4, ..Limits::default() };
    let rig = Rig::start(limits).await;
    let mut known = rig.connect().await;
    known.write_all(rig.request().as_bytes()).await.unwrap();
    assert_eq!(status(&mut known).await, 500);
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(rig.connect().await);
    }
    let mut late = rig.connect().await;
    late.write_all(rig.request().as_bytes()).await.unwrap();
    assert_eq!(status(&mut late).await, 500, "a newcomer is answered");
    known.write_all(rig.request().as_bytes()).await.unwrap();
    assert_eq!(status(&mut known).await, 500, "whoever has shown a password keeps the connection");
    assert!(is_closed(&mut silent[0]).await);
}

#[tokio::test]
async fn silence_ends_a_connection_before_within_and_after_a_request() {
    let limits = Limits { silence_max: Duration::from_millis(100), ..Limits::default() };
    let rig = Rig::start(limits).await;
    let head = rig.head(&rig.cookie, 100);
    let mut streams = Vec::new();
    for sent in ["", "POST / HT", &head[..head.len() - 4]] {
        let mut stream = rig.connect().await;
        stream.write_all(sent.as_bytes()).await.unwrap();
        streams.push(stream);
    }
    for mut stream in streams {
        assert!(is_closed(&mut stream).await);
    }
    let mut body_missing = rig.connect().await;
    body_missing.write_all(head.as_bytes()).await.unwrap();
    assert_eq!(status(&mut body_missing).await, 408);
    let mut idle = rig.connect().await;
    idle.write_all(rig.request().as_bytes()).await.unwrap();
    assert_eq!(status(&mut idle).await, 500);
    assert!(is_closed(&mut idle).await);
}

#[tokio::test]
async fn a_refusal_keeps_the_connection_when_the_body_comes_later() {
    let rig = Rig::start(Limits { guess_delay: Duration::from_millis(1), ..Limits::default() }).await;
    for pair in ["ann:wrong", "nobody"] {
        let mut stream = rig.connect().await;
        stream.write_all(rig.head(pair, CALL.len()).as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
        tokio::task::yield_now().await;
        stream.write_all(CALL.as_bytes()).await.unwrap();
        assert_eq!(status(&mut stream).await, 401, "{pair}");
        stream.write_all(rig.request().as_bytes()).await.unwrap();
        assert_eq!(status(&mut stream).await, 500, "the same connection, with the right password");
    }
}

#[tokio::test]
async fn more_requests_than_places_are_told_to_come_back() {
    let rig = Rig::start(Limits { requests_max: 1, ..Limits::default() }).await;
    let mut first = rig.connect().await;
    let request = rig.request();
    let (most, last) = request.split_at(request.len() - 1);
    first.write_all(most.as_bytes()).await.unwrap();
    // The first request holds the only place from the moment its head has been read; until then others get in.
    loop {
        let mut second = rig.connect().await;
        second.write_all(rig.request().as_bytes()).await.unwrap();
        match status(&mut second).await {
            500 => tokio::task::yield_now().await,
            other => break assert_eq!(other, 503),
        }
    }
    first.write_all(last.as_bytes()).await.unwrap();
    assert_eq!(status(&mut first).await, 500);
}

#[tokio::test]
async fn bodies_take_no_more_memory_than_there_is_for_them() {
    let rig = Rig::start(Limits { request_bytes_max: 64 * 1024, ..Limits::default() }).await;
    let mut first = rig.connect().await;
    first.write_all(rig.head(&rig.cookie, 60 * 1024).as_bytes()).await.unwrap();
    let values = format!(r#"{{"method":"help","params":[{}1]}}"#, "1,".repeat(10_000));
    let mut second = rig.connect().await;
    second.write_all((rig.head(&rig.cookie, values.len()) + &values).as_bytes()).await.unwrap();
    assert_eq!(status(&mut second).await, 503, "20 kB that would become more than a megabyte");
}
