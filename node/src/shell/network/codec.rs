//! Frames on a request's stream: one byte of kind, four bytes of length, the body ([`super::wire`]).
//!
//! Runs in the connection's task, off the core's thread and off the swarm's. A length is checked against its kind's bound
//! before anything is read, and memory grows only with what really arrives, so a peer that promises much and sends little
//! costs little. How long a peer may take is the request-response behaviour's timeout.

use super::wire::{self, Limits, WireError};
use crate::core::message::{Request, Response};
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::{StreamProtocol, request_response};
use std::io;

/// Bytes read before more memory is reserved.
const READ_STEP_BYTES: usize = 256 << 10;

/// Reads and writes requests and answers.
#[derive(Clone, Debug)]
pub struct Codec {
    limits: Limits,
}
impl Codec {
    /// For a chain with these limits.
    pub fn new(limits: Limits) -> Self {
        Self { limits }
    }
}
/// A malformed message is `InvalidData`, so that it can be told from a lost connection.
fn invalid(error: WireError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

async fn read_frame<T: AsyncRead + Unpin + Send>(
    io: &mut T,
    bytes_max: impl Fn(u8) -> Option<usize>,
) -> io::Result<(u8, Vec<u8>)> {
    let mut head = [0; 5];
    io.read_exact(&mut head).await?;
    let [kind, length @ ..] = head;
    let bytes = u32::from_le_bytes(length) as usize;
    let bytes_max = bytes_max(kind).ok_or(WireError::UnknownKind(kind)).map_err(invalid)?;
    if bytes > bytes_max {
        return Err(invalid(WireError::TooLong { bytes, bytes_max }));
    }
    let mut body = Vec::new();
    while body.len() < bytes {
        let start = body.len();
        body.resize(bytes.min(start + READ_STEP_BYTES.max(start)), 0);
        io.read_exact(&mut body[start..]).await?;
    }
    Ok((kind, body))
}
async fn write_frame<T: AsyncWrite + Unpin + Send>(io: &mut T, kind: u8, body: &[u8]) -> io::Result<()> {
    let length = u32::try_from(body.len()).map_err(|_| io::Error::other("a message over 4 GiB"))?;
    let mut head = [kind, 0, 0, 0, 0];
    head[1..].copy_from_slice(&length.to_le_bytes());
    io.write_all(&head).await?;
    io.write_all(body).await
}

impl request_response::Codec for Codec {
    type Protocol = StreamProtocol;
    type Request = Request;
    type Response = Response;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Request>
    where
        T: AsyncRead + Unpin + Send,
    {
        let (kind, body) = read_frame(io, |kind| self.limits.request_bytes_max(kind)).await?;
        wire::decode_request(kind, &body).map_err(invalid)
    }
    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Response>
    where
        T: AsyncRead + Unpin + Send,
    {
        let (kind, body) = read_frame(io, |kind| self.limits.response_bytes_max(kind)).await?;
        wire::decode_response(kind, &body).map_err(invalid)
    }
    async fn write_request<T>(&mut self, _: &StreamProtocol, io: &mut T, request: Request) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        let body = wire::encode_request(&request).map_err(io::Error::other)?;
        write_frame(io, wire::request_kind(&request), &body).await
    }
    async fn write_response<T>(&mut self, _: &StreamProtocol, io: &mut T, response: Response) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        let body = wire::encode_response(&response).map_err(io::Error::other)?;
        write_frame(io, wire::response_kind(&response), &body).await
    }
}
