//! Reading request bodies: within a size, within a share of the node's memory, and without waiting for ever.

use super::limits::{BODY_BYTES_MAX, Limits, REFUSED_BODY_BYTES_MAX};
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, header};
use http_body_util::BodyExt;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Memory is reserved in pieces of so many bytes.
const PIECE_BYTES: usize = 1_024;

/// The memory that requests may take together.
#[derive(Clone)]
pub struct Memory(Arc<Semaphore>);

/// A part of it, given back when it is dropped.
pub struct Reserved(Option<OwnedSemaphorePermit>);

impl Memory {
    /// So many bytes.
    pub fn new(bytes: usize) -> Memory {
        Memory(Arc::new(Semaphore::new(bytes.div_ceil(PIECE_BYTES).min(Semaphore::MAX_PERMITS))))
    }
    /// Reserves some, unless there is too little.
    pub fn reserve(&self, bytes: usize) -> Result<Reserved, BodyError> {
        let pieces = u32::try_from(bytes.div_ceil(PIECE_BYTES)).map_err(|_| BodyError::Busy)?;
        let permit = Arc::clone(&self.0).try_acquire_many_owned(pieces).map_err(|_| BodyError::Busy)?;
        Ok(Reserved(Some(permit)))
    }
}

impl Reserved {
    /// Both as one.
    pub fn and(&mut self, mut other: Reserved) {
        match (&mut self.0, other.0.take()) {
            (Some(mine), Some(more)) => mine.merge(more),
            (mine, more) => *mine = mine.take().or(more),
        }
    }
}

/// Why a body was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// It has more than [`BODY_BYTES_MAX`] bytes.
    TooLarge,
    /// Nothing came for too long.
    TooSlow,
    /// The requests that are being answered take all the memory there is for them.
    Busy,
    /// The connection broke.
    Broken,
}

/// What `Content-Length` says.
pub fn announced_bytes(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Reads a body. Memory for it is reserved before it is read.
pub async fn read(
    mut body: Body,
    announced: Option<u64>,
    memory: &Memory,
    limits: &Limits,
) -> Result<(Bytes, Reserved), BodyError> {
    let announced = usize::try_from(announced.unwrap_or(0)).map_err(|_| BodyError::TooLarge)?;
    if announced > BODY_BYTES_MAX {
        return Err(BodyError::TooLarge);
    }
    let mut reserved = memory.reserve(announced)?;
    let (mut bytes, mut reserved_bytes) = (Vec::with_capacity(announced), announced);
    while let Some(frame) = next_frame(&mut body, limits).await? {
        if bytes.len() + frame.len() > BODY_BYTES_MAX {
            return Err(BodyError::TooLarge);
        }
        if bytes.len() + frame.len() > reserved_bytes {
            // A body that does not say its length grows as a vector does: by doubling.
            let more = frame.len().max(bytes.len()).max(PIECE_BYTES);
            reserved.and(memory.reserve(more)?);
            reserved_bytes += more;
        }
        bytes.extend_from_slice(&frame);
    }
    Ok((bytes.into(), reserved))
}

async fn next_frame(body: &mut Body, limits: &Limits) -> Result<Option<Bytes>, BodyError> {
    loop {
        let frame = tokio::time::timeout(limits.silence_max, body.frame()).await.map_err(|_| BodyError::TooSlow)?;
        let Some(frame) = frame else { return Ok(None) };
        // Trailers are no data; nothing here reads them.
        if let Ok(data) = frame.map_err(|_| BodyError::Broken)?.into_data() {
            return Ok(Some(data));
        }
    }
}

/// Reads a small body that nobody needs, and says whether the connection can be used again. Whoever waits for leave to send
/// the body (`Expect`) is not given it.
pub async fn drain(mut body: Body, headers: &HeaderMap, limits: &Limits) -> bool {
    let announced = announced_bytes(headers);
    let is_chunked = headers.contains_key(header::TRANSFER_ENCODING);
    if headers.contains_key(header::EXPECT) || announced.is_some_and(|bytes| bytes > REFUSED_BODY_BYTES_MAX) {
        return false;
    }
    if announced.is_none() && !is_chunked {
        return true;
    }
    let mut bytes = 0;
    loop {
        match next_frame(&mut body, limits).await {
            Ok(Some(frame)) => bytes += frame.len() as u64,
            Ok(None) => return true,
            Err(_) => return false,
        }
        if bytes > REFUSED_BODY_BYTES_MAX {
            return false;
        }
    }
}
