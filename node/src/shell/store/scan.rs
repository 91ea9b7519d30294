//! Walking a record file from the front: strictly after a crash, leniently for `--reindex`.
//!
//! A killed process leaves at most a prefix of one record at the very end; a power cut may leave zeros there instead. That
//! was never acknowledged and is cut off with a warning. Anything else that is not a record is damage: an error in a strict
//! scan, skipped with a warning in a lenient one.

use super::disk::Disk;
use super::error::{damaged, io_error};
use super::record::{HEADER_LEN, Kind, RecordHeader};
use crate::core::store::StoreError;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// File systems allocate in pages: what a power cut left unwritten is zero from a page boundary on.
const PAGE_BYTES: u64 = 4096;
/// Fewer zeros than this at the end may well be a record's own.
const ZEROS_MIN: u64 = 16;
/// Bytes read at a time while looking for the next record after damage.
const SEARCH_BYTES: usize = 1024 * 1024;

/// What to do about damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Damage {
    /// Stop with an error that names it.
    Refuse,
    /// Warn and go on at the next record.
    Skip,
}

/// How to walk one file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scan<'a> {
    pub(super) disk: &'a Disk,
    pub(super) path: &'a Path,
    /// Offset of the first record wanted.
    pub(super) start: u64,
    /// Whether an unfinished write may be at its end.
    pub(super) last: bool,
    /// The records it may hold.
    pub(super) kinds: &'a [Kind],
    pub(super) damage: Damage,
}

/// What is at an offset of a file.
enum Found {
    Record(RecordHeader, Vec<u8>),
    /// A write that was cut short.
    Torn,
    /// Not what was written; the record's length is given when its header is intact.
    Damaged(&'static str, Option<u64>),
}

impl Scan<'_> {
    /// Calls `visit` with the offset, header and payload of every record, cuts off a torn end, and returns where the file ends.
    pub(super) fn run(
        &self,
        mut visit: impl FnMut(u64, &RecordHeader, &[u8]) -> Result<(), StoreError>,
    ) -> Result<u64, StoreError> {
        let path = self.path;
        let read_error = |error| io_error("read", path, &error);
        let file =
            OpenOptions::new().read(true).write(true).open(path).map_err(|error| io_error("open", path, &error))?;
        let length = file.metadata().map_err(read_error)?.len();
        if length < self.start {
            return Err(damaged(
                path,
                length,
                format_args!("the file ends here, but {} bytes were written", self.start),
            ));
        }
        let walk = Walk { file: &file, length, scan: self };
        let mut offset = self.start;
        while offset < length {
            match walk.at(offset).map_err(read_error)? {
                Found::Record(header, payload) => {
                    visit(offset, &header, &payload)?;
                    offset += header.record_len();
                }
                Found::Torn => {
                    let cut = length - offset;
                    tracing::warn!("cut {cut} bytes of an unfinished write off the end of {}", path.display());
                    self.disk.truncate(&file, path, offset)?;
                    break;
                }
                Found::Damaged(what, _) if self.damage == Damage::Refuse => return Err(damaged(path, offset, what)),
                Found::Damaged(what, record_len) => {
                    tracing::warn!("skipped a damaged record at byte {offset} of {}: {what}", path.display());
                    offset = match record_len {
                        // Never look inside a payload whose extent is known: what is in there is a stranger's.
                        Some(record_len) => (offset + record_len).min(length),
                        None => walk.search(offset + 1).map_err(read_error)?,
                    };
                }
            }
        }
        Ok(offset)
    }
}

/// A file during its scan.
struct Walk<'a> {
    file: &'a File,
    length: u64,
    scan: &'a Scan<'a>,
}

impl Walk<'_> {
    fn at(&self, offset: u64) -> std::io::Result<Found> {
        let torn_or = |torn, what, record_len| match torn && self.scan.last {
            true => Found::Torn,
            false => Found::Damaged(what, record_len),
        };
        if self.length - offset < HEADER_LEN as u64 {
            return Ok(torn_or(true, "the file ends within a record", None));
        }
        let mut head = [0; HEADER_LEN];
        self.file.read_exact_at(&mut head, offset)?;
        let Some(header) = RecordHeader::from_bytes(&head).filter(|header| self.scan.kinds.contains(&header.kind))
        else {
            let page = offset.next_multiple_of(PAGE_BYTES);
            let torn = self.zero_from(offset)? || (page < offset + HEADER_LEN as u64 && self.zero_from(page)?);
            return Ok(torn_or(torn, "no record starts here", None));
        };
        let end = offset + header.record_len();
        if end > self.length {
            return Ok(torn_or(true, "the file ends within a record", None));
        }
        let mut payload = vec![0; header.length as usize];
        self.file.read_exact_at(&mut payload, offset + HEADER_LEN as u64)?;
        if header.payload_matches(&payload) {
            return Ok(Found::Record(header, payload));
        }
        let page = self.length.saturating_sub(ZEROS_MIN) / PAGE_BYTES * PAGE_BYTES;
        let torn = end == self.length && self.zero_from(page.max(offset + HEADER_LEN as u64))?;
        Ok(torn_or(torn, "a record's data fails its checksum", Some(header.record_len())))
    }

    /// Only zeros from `offset` to the end.
    fn zero_from(&self, mut offset: u64) -> std::io::Result<bool> {
        let mut buffer = [0; PAGE_BYTES as usize];
        while offset < self.length {
            let step = (self.length - offset).min(PAGE_BYTES) as usize;
            self.file.read_exact_at(&mut buffer[..step], offset)?;
            if buffer[..step].iter().any(|&byte| byte != 0) {
                return Ok(false);
            }
            offset += step as u64;
        }
        Ok(true)
    }

    /// The next offset from `offset` on where a whole, undamaged record is, or the end.
    fn search(&self, mut offset: u64) -> std::io::Result<u64> {
        let magics: Vec<[u8; 4]> = self.scan.kinds.iter().map(|kind| kind.magic()).collect();
        let mut buffer = vec![0; SEARCH_BYTES];
        while offset + HEADER_LEN as u64 <= self.length {
            let step = (self.length - offset).min(SEARCH_BYTES as u64) as usize;
            self.file.read_exact_at(&mut buffer[..step], offset)?;
            for (at, window) in buffer[..step].windows(4).enumerate() {
                let candidate = offset + at as u64;
                if magics.iter().any(|magic| window == magic) && matches!(self.at(candidate)?, Found::Record(..)) {
                    return Ok(candidate);
                }
            }
            // Steps overlap by three bytes, so that a magic across the border is seen.
            offset += step as u64 - 3;
        }
        Ok(self.length)
    }
}
