//! A small HTTP/1.1 client that shows everything: status, headers, exact body.

use serde_json::Value;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Longest wait for an answer; a hang is a failure, not a stuck test run.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(120);

/// One HTTP answer.
#[derive(Debug)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Names and values as they were sent, in their order.
    pub headers: Vec<(String, String)>,
    /// The body, without the framing of a chunked one.
    pub body: String,
}

impl Answer {
    /// The first header of that name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
    /// The body, which must be JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("not JSON ({error}): {:?}", self.body))
    }
}

/// One connection, kept alive between requests. The methods without `try_` panic where the network fails.
#[derive(Debug)]
pub struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    /// Connects.
    pub fn open(address: SocketAddr) -> Connection {
        Connection::try_open(address).unwrap_or_else(|error| panic!("{address}: {error}"))
    }

    /// Connects, if somebody listens.
    pub fn try_open(address: SocketAddr) -> io::Result<Connection> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
        stream.set_nodelay(true)?;
        Ok(Connection { stream: BufReader::new(stream) })
    }

    /// Sends a head, to which the body's length is added, and a body; returns the answer.
    pub fn send(&mut self, head: &str, body: &[u8]) -> Answer {
        self.try_send(head, body).unwrap_or_else(|error| panic!("{head:?}: {error}"))
    }

    /// [`Connection::send`] where the other side may be gone.
    pub fn try_send(&mut self, head: &str, body: &[u8]) -> io::Result<Answer> {
        let mut request = format!("{head}\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
        request.extend_from_slice(body);
        self.stream.get_mut().write_all(&request)?;
        self.try_receive()
    }

    /// Sends bytes as they are, for example a whole head with its end; returns the answer.
    pub fn send_head(&mut self, head: &str) -> Answer {
        self.write(head.as_bytes());
        self.receive()
    }

    /// Sends bytes as they are.
    pub fn write(&mut self, bytes: &[u8]) {
        self.stream.get_mut().write_all(bytes).expect("the connection is open");
    }

    /// Reads one answer.
    pub fn receive(&mut self) -> Answer {
        self.try_receive().unwrap_or_else(|error| panic!("no answer: {error}"))
    }

    /// Reads one answer, where the other side may be gone.
    pub fn try_receive(&mut self) -> io::Result<Answer> {
        let line = self.line()?;
        let status = line.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.ok_or_else(|| invalid(format!("not a status line: {line:?}")))?;
        let mut headers = Vec::new();
        while let Some((name, value)) = self.line()?.split_once(':') {
            headers.push((name.to_owned(), value.trim().to_owned()));
        }
        let mut answer = Answer { status, headers, body: String::new() };
        let is_chunked = answer.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked"));
        let mut body = Vec::new();
        if is_chunked {
            while self.chunk(&mut body)? {}
        } else {
            let length = answer.header("content-length").map_or(Ok(0), str::parse);
            let length = length.map_err(|_| invalid("a content-length that is no number".to_owned()))?;
            self.take(length, &mut body)?;
        }
        answer.body = String::from_utf8(body).map_err(|_| invalid("a body that is not UTF-8".to_owned()))?;
        Ok(answer)
    }

    /// A line without its end; an end of the connection is an error.
    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end().to_owned())
    }

    /// Appends a chunk; whether more may follow.
    fn chunk(&mut self, body: &mut Vec<u8>) -> io::Result<bool> {
        let line = self.line()?;
        let length =
            usize::from_str_radix(&line, 16).map_err(|_| invalid(format!("not a chunk's length: {line:?}")))?;
        self.take(length, body)?;
        self.line()?;
        Ok(length > 0)
    }

    fn take(&mut self, length: usize, body: &mut Vec<u8>) -> io::Result<()> {
        let start = body.len();
        body.resize(start + length, 0);
        self.stream.read_exact(&mut body[start..])
    }
}

fn invalid(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
