//! `testoon health`: a node's `/health` or `/ready`, for images without a shell or another HTTP client.

use super::Common;
use super::report::say;
use crate::chain;
use crate::error::usage;
use anyhow::{Context as _, Result, bail};
use clap::Args;
use clap::builder::BoolishValueParser;
use serde_json::json;
use std::io::{Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::path::Path;
use std::time::Duration;

/// A node that does not answer by then is not healthy.
const TIMEOUT: Duration = Duration::from_secs(4);
/// Bytes of an answer, at most.
const ANSWER_BYTES_MAX: u64 = 16 << 10;

#[derive(Debug, Args)]
pub struct HealthArgs {
    /// Where the node's JSON-RPC is; unless given, the port of TESTOON_RPC_LISTEN or of the chain in TESTOON_CHAIN, on 127.0.0.1
    #[arg(long, env = "TESTOON_HEALTH_RPC", value_name = "HOST:PORT")]
    rpc: Option<String>,
    /// Ask whether the node has caught up with the chain (/ready), not only whether it answers (/health)
    #[arg(long, env = "TESTOON_HEALTH_READY", value_parser = BoolishValueParser::new())]
    ready: bool,
}

/// Prints the node's line; fails unless it says that all is well.
pub fn run(common: &Common, arguments: &HealthArgs) -> Result<()> {
    let address = match &arguments.rpc {
        Some(rpc) => rpc.trim_start_matches("http://").trim_end_matches('/').to_owned(),
        None => own_address()?,
    };
    let path = if arguments.ready { "/ready" } else { "/health" };
    let (status, body) = get(&address, path).with_context(|| format!("no healthy node at {address}"))?;
    if status != 200 {
        bail!("the node at {address} answers {path} with status {status}: {body}");
    }
    say(common, &json!({ "status": status, "line": body }), &body);
    Ok(())
}

/// Where a node that is started with this environment listens.
fn own_address() -> Result<String> {
    let listen = std::env::var("TESTOON_RPC_LISTEN").ok();
    if let Some(listen) = listen {
        let port = listen.rsplit_once(':').map(|(_, port)| port.to_owned());
        let port = port.ok_or_else(|| usage(format!("TESTOON_RPC_LISTEN {listen:?} has no port")))?;
        return Ok(format!("127.0.0.1:{port}"));
    }
    let name = std::env::var("TESTOON_CHAIN").unwrap_or_else(|_| chain::DEFAULT.to_owned());
    Ok(format!("127.0.0.1:{}", chain::load(&name, Path::new("."))?.default_rpc_port))
}

/// A GET by HTTP/1.1; the status, and the body without white space around it.
fn get(address: &str, path: &str) -> Result<(u16, String)> {
    let place = address.to_socket_addrs()?.next().context("the name has no address")?;
    let mut stream = TcpStream::connect_timeout(&place, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
    let status = status.context("what answers there does not speak HTTP")?;
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    Ok((status, body.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn answered(answer: &'static str) -> Result<(u16, String)> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = [0; 512];
            let length = stream.read(&mut asked).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
            String::from_utf8_lossy(&asked[..length]).into_owned()
        });
        let got = get(&address, "/health");
        assert!(server.join().unwrap().starts_with("GET /health HTTP/1.1\r\nHost: localhost\r\n"));
        got
    }

    #[test]
    fn status_and_line_are_read_and_nonsense_is_not() {
        let well = answered("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok\n").unwrap();
        assert_eq!(well, (200, "ok".to_owned()));
        assert_eq!(answered("HTTP/1.1 503 Service Unavailable\r\n\r\nloading\n").unwrap(), (503, "loading".to_owned()));
        assert!(answered("SSH-2.0-x\r\n").unwrap_err().to_string().contains("does not speak HTTP"));
        assert!(answered("").is_err());
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert!(get(&port.to_string(), "/health").is_err(), "nobody listens there any more");
        assert!(get("no port", "/health").is_err());
    }
}
