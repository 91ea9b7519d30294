//! What the client's thread hears from the connection and from the hashing threads. Below [`wire`](super::wire) and
//! [`work`](super::work), which send it.

use chain_spec::Header;

/// Which job a share is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobNumber(pub u64);

/// What the client's thread hears.
pub enum Message {
    /// A line of the pool's.
    Line {
        /// Of which connection.
        connection: u64,
        /// Without its end.
        line: Vec<u8>,
    },
    /// The pool is gone.
    Closed {
        /// Which connection.
        connection: u64,
        /// Why.
        reason: String,
    },
    /// A hashing thread has found a share.
    Share {
        /// Its header.
        header: Header,
        /// Of which job.
        job_number: JobNumber,
    },
    /// The owner wants no more.
    Stop,
}
