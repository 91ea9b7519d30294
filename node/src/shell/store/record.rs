//! How records are framed in the block, undo, journal and redo files: a fixed header, then the payload.
//!
//! The header has its own checksum, so that a length is never believed before it is known to be the one that was written;
//! that is what lets a scan tell a write that was cut short from damage.

use chain_spec::BlockHash;

/// Bytes before a record's payload.
pub(super) const HEADER_LEN: usize = 48;
/// Longest payload, bytes. No block, undo or journal record of any chain comes near; a longer one is damage.
pub(super) const PAYLOAD_BYTES_MAX: u32 = 32 * 1024 * 1024;

/// What a payload is; also the four bytes every record starts with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A block's canonical bytes.
    Block,
    /// A block's undo data.
    Undo,
    /// A locally submitted transaction.
    Kept,
    /// The start of a journal: a file without it was emptied.
    JournalStart,
    /// Ids of transactions that need not be kept any more.
    Forgotten,
    /// Changes of the database that belong to one commit.
    CommitPart,
    /// The end of a commit whose changes come before it.
    CommitEnd,
    /// The last commit is in the database.
    CommitDone,
}

impl Kind {
    pub(super) const fn magic(self) -> [u8; 4] {
        match self {
            Kind::Block => *b"TsB\xd1",
            Kind::Undo => *b"TsU\xd1",
            Kind::Kept => *b"TsK\xd1",
            Kind::JournalStart => *b"TsJ\xd1",
            Kind::Forgotten => *b"TsF\xd1",
            Kind::CommitPart => *b"TsC\xd1",
            Kind::CommitEnd => *b"TsE\xd1",
            Kind::CommitDone => *b"TsD\xd1",
        }
    }
    fn from_magic(magic: [u8; 4]) -> Option<Kind> {
        use Kind::{Block, CommitDone, CommitEnd, CommitPart, Forgotten, JournalStart, Kept, Undo};
        const KINDS: [Kind; 8] = [Block, Undo, Kept, Forgotten, JournalStart, CommitPart, CommitEnd, CommitDone];
        KINDS.into_iter().find(|kind| kind.magic() == magic)
    }
}

/// A record's header: magic, payload length, block hash, CRC-32 of the payload, CRC-32 of all that; little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RecordHeader {
    pub(super) kind: Kind,
    /// Payload bytes.
    pub(super) length: u32,
    /// The block it belongs to; a transaction's id in the journal.
    pub(super) id: [u8; 32],
    payload_crc: u32,
}

impl RecordHeader {
    pub(super) fn hash(&self) -> BlockHash {
        BlockHash::from_bytes(self.id)
    }
    /// Header and payload.
    pub(super) fn record_len(&self) -> u64 {
        HEADER_LEN as u64 + u64::from(self.length)
    }
    pub(super) fn payload_matches(&self, payload: &[u8]) -> bool {
        crc32fast::hash(payload) == self.payload_crc
    }
    /// Reads a header back; `None` unless every bit is as written.
    pub(super) fn from_bytes(bytes: &[u8; HEADER_LEN]) -> Option<RecordHeader> {
        let (head, crc) = bytes.split_last_chunk::<4>()?;
        if crc32fast::hash(head) != u32::from_le_bytes(*crc) {
            return None;
        }
        let (magic, rest) = head.split_first_chunk::<4>()?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let (id, rest) = rest.split_first_chunk::<32>()?;
        let payload_crc = u32::from_le_bytes(rest.try_into().ok()?);
        let length = u32::from_le_bytes(*length);
        let kind = Kind::from_magic(*magic)?;
        (length <= PAYLOAD_BYTES_MAX).then_some(RecordHeader { kind, length, id: *id, payload_crc })
    }
}

/// A whole record, written with one call so that a killed process leaves a prefix of it or all of it.
/// `None` if the payload is longer than [`PAYLOAD_BYTES_MAX`].
pub(super) fn frame(
    kind: Kind,
    id: &[u8; 32],
    payload_len: usize,
    write: impl FnOnce(&mut Vec<u8>),
) -> Option<Vec<u8>> {
    let mut record = Vec::with_capacity(HEADER_LEN + payload_len);
    record.resize(HEADER_LEN, 0);
    write(&mut record);
    let payload = &record[HEADER_LEN..];
    let length = u32::try_from(payload.len()).ok().filter(|&length| length <= PAYLOAD_BYTES_MAX)?;
    let payload_crc = crc32fast::hash(payload);
    record[..4].copy_from_slice(&kind.magic());
    record[4..8].copy_from_slice(&length.to_le_bytes());
    record[8..40].copy_from_slice(id);
    record[40..44].copy_from_slice(&payload_crc.to_le_bytes());
    let header_crc = crc32fast::hash(&record[..HEADER_LEN - 4]);
    record[HEADER_LEN - 4..HEADER_LEN].copy_from_slice(&header_crc.to_le_bytes());
    Some(record)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_of_a_header_is_noticed() {
        let record = frame(Kind::Undo, &[7; 32], 5, |out| out.extend_from_slice(b"hello")).unwrap();
        let bytes: [u8; HEADER_LEN] = record[..HEADER_LEN].try_into().unwrap();
        let header = RecordHeader::from_bytes(&bytes).unwrap();
        assert_eq!((header.kind, header.length, header.id), (Kind::Undo, 5, [7; 32]));
        assert!(header.payload_matches(b"hello") && !header.payload_matches(b"hellp"));
        for bit in 0..HEADER_LEN * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(RecordHeader::from_bytes(&flipped), None, "bit {bit}");
        }
    }

    #[test]
    fn a_payload_over_the_bound_is_refused() {
        let too_long = PAYLOAD_BYTES_MAX as usize + 1;
        assert!(frame(Kind::Block, &[0; 32], too_long, |out| out.resize(HEADER_LEN + too_long, 0)).is_none());
    }
}
