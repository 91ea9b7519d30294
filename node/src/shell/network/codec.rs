//! Frames on a request's stream: one byte of kind, four bytes of length, the body ([`super::wire`]).
//!
//! Runs in the connection's task, off the core's thread and off the swarm's. A length is checked against its kind's bound
//! before anything is read, and memory grows only with what really arrives, so a peer that promises much and sends little
//! costs little. How long a peer may take is the request-response behaviour's timeout. That behaviour reports no request that
//! cannot be read, and so a malformed one is handed on as an error ([`Incoming`]): its sender must be held to account.

use super::wire::{self, Limits, WireError};
use crate::core::message::{Request, Response};
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::{StreamProtocol, request_response};
use std::io;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Bytes read before more memory is reserved.
const READ_STEP_BYTES: usize = 256 << 10;
/// Bytes of requests' bodies that are being read at once, over all peers; further ones wait.
const REQUEST_BODIES_BYTES_MAX: usize = 32 << 20;
/// Bytes of one place among these.
const REQUEST_PLACE_BYTES: usize = 1 << 10;

/// A request, or why what came is none. Only requests are ever sent.
pub type Incoming = Result<Request, WireError>;

/// Reads and writes requests and answers.
#[derive(Clone, Debug)]
pub struct Codec {
    limits: Limits,
    /// Room for the bodies of requests that are being read, over all connections.
    request_places: Arc<Semaphore>,
}
impl Codec {
    /// For a chain with these limits.
    pub fn new(limits: Limits) -> Self {
        let places = REQUEST_BODIES_BYTES_MAX / REQUEST_PLACE_BYTES;
        Self { limits, request_places: Arc::new(Semaphore::new(places)) }
    }
}
/// A malformed message is `InvalidData`, so that it can be told from a lost connection.
fn invalid(error: WireError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// A frame whose kind and length are fine; the inner error is a malformed one, the outer a lost connection.
async fn read_frame<T: AsyncRead + Unpin + Send>(
    io: &mut T,
    bytes_max: impl Fn(u8) -> Option<usize>,
    places: Option<&Semaphore>,
) -> io::Result<Result<(u8, Vec<u8>), WireError>> {
    let mut head = [0; 5];
    io.read_exact(&mut head).await?;
    let [kind, length @ ..] = head;
    let bytes = u32::from_le_bytes(length) as usize;
    let Some(bytes_max) = bytes_max(kind) else { return Ok(Err(WireError::UnknownKind(kind))) };
    if bytes > bytes_max {
        return Ok(Err(WireError::TooLong { bytes, bytes_max }));
    }
    // Never closed, so there is a place in the end, or the request's time-out.
    let _place = match places {
        Some(places) => places.acquire_many(bytes.div_ceil(REQUEST_PLACE_BYTES) as u32).await.ok(),
        None => None,
    };
    let mut body = Vec::new();
    while body.len() < bytes {
        let start = body.len();
        body.resize(bytes.min(start + READ_STEP_BYTES.max(start)), 0);
        io.read_exact(&mut body[start..]).await?;
    }
    Ok(Ok((kind, body)))
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
    type Request = Incoming;
    type Response = Response;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Incoming>
    where
        T: AsyncRead + Unpin + Send,
    {
        let places = Arc::clone(&self.request_places);
        let frame = read_frame(io, |kind| self.limits.request_bytes_max(kind), Some(&places)).await?;
        Ok(frame.and_then(|(kind, body)| wire::decode_request(kind, &body)))
    }
    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Response>
    where
        T: AsyncRead + Unpin + Send,
    {
        let frame = read_frame(io, |kind| self.limits.response_bytes_max(kind), None).await?;
        frame.and_then(|(kind, body)| wire::decode_response(kind, &body)).map_err(invalid)
    }
    async fn write_request<T>(&mut self, _: &StreamProtocol, io: &mut T, request: Incoming) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        let request = request.map_err(io::Error::other)?;
        let body = wire::encode_request(&request).map_err(io::Error::other)?;
        write_frame(io, wire::request_kind(&request), &body).await
    }
    async fn write_response<T>(&mut self, _: &StreamProtocol, io: &mut T, response: Response) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        let (kind, body) =
            (wire::response_kind(&response), wire::encode_response(&response).map_err(io::Error::other)?);
        // While the peer takes its time there is one copy of the answer, and the small one.
        drop(response);
        write_frame(io, kind, &body).await
    }
}

#[cfg(test)]
mod tests {
    use super::super::wire::kind;
    use super::*;
    use futures::io::Cursor;
    use libp2p::request_response::Codec as _;

    const NAME: StreamProtocol = StreamProtocol::new("/test");

    fn codec() -> Codec {
        Codec::new(Limits { block_bytes_max: 1_000_000 })
    }
    fn frame(kind: u8, claimed: u32, body: &[u8]) -> Vec<u8> {
        [&[kind], &claimed.to_le_bytes()[..], body].concat()
    }
    async fn read(bytes: Vec<u8>) -> io::Result<Incoming> {
        codec().read_request(&NAME, &mut Cursor::new(bytes)).await
    }

    #[tokio::test]
    async fn what_is_written_is_read() {
        let mut bytes = Cursor::new(Vec::new());
        codec().write_request(&NAME, &mut bytes, Ok(Request::Mempool)).await.expect("written");
        bytes.set_position(0);
        let read = codec().read_request(&NAME, &mut bytes).await.expect("read");
        assert!(matches!(read, Ok(Request::Mempool)), "{read:?}");
    }

    #[tokio::test]
    async fn lengths_and_kinds_are_judged_before_a_body_is_read() {
        for bytes in [frame(kind::MEMPOOL, 1, b"x"), frame(kind::HEADERS, u32::MAX, b""), frame(77, 0, b"")] {
            assert!(matches!(read(bytes).await, Ok(Err(WireError::TooLong { .. } | WireError::UnknownKind(77)))));
        }
    }

    #[tokio::test]
    async fn a_stream_that_ends_early_is_a_lost_connection_and_no_offence() {
        for bytes in [vec![], vec![kind::BLOCKS, 9], frame(kind::BLOCKS, 40, b"short")] {
            assert_eq!(read(bytes).await.expect_err("lost").kind(), io::ErrorKind::UnexpectedEof);
        }
    }

    proptest::proptest! {
        /// Whatever arrives is read or refused, and only what arrives is held: lengths are claims.
        #[test]
        fn any_bytes_on_a_stream_are_read_or_refused(
            kind in 0..8_u8,
            claimed: u32,
            body in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300),
            is_honest: bool,
        ) {
            let claimed = if is_honest { body.len() as u32 } else { claimed % 2_000_000 };
            let bytes = frame(kind, claimed, &body);
            futures::executor::block_on(async {
                let mut codec = codec();
                // Either result will do; a panic or an endless wait would not.
                let _ = codec.read_request(&NAME, &mut Cursor::new(bytes.clone())).await;
                let _ = codec.read_response(&NAME, &mut Cursor::new(bytes)).await;
            });
        }
    }

    #[tokio::test]
    async fn a_body_that_says_less_than_its_frame_is_malformed() {
        let mut body = wire::encode_request(&Request::Blocks { hashes: vec![] }).expect("encoded");
        body.push(0);
        assert!(matches!(read(frame(kind::BLOCKS, 9, &body)).await, Ok(Err(WireError::Trailing(1)))));
    }
}
