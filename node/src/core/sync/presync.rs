//! Header chains of little work: followed without being kept, until they have shown enough.
//!
//! Anybody can make long chains of easy headers. So a chain that does not come near our tip's work is read twice: first only
//! its work is summed and the last hash of each batch noted; once the sum suffices, it is asked for again from the start, and
//! each batch must end in the hash noted, which commits to every header in it. What an attacker gains is 32 bytes of our
//! memory for each batch of [`HEADERS_PER_MESSAGE_MAX`](crate::core::message::HEADERS_PER_MESSAGE_MAX) headers it worked for
//! (Core: headers presync, which notes one bit of some headers instead).

use crate::core::chain::tree::work_of;
use chain_spec::{BlockHash, Header, Work};
use std::collections::VecDeque;

/// Batches followed on one chain: 20 million headers, 320 kB.
const BATCHES_MAX: usize = 10_000;

/// One peer's chain of little work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Presync {
    /// The known block it starts from.
    start: BlockHash,
    last: BlockHash,
    work: Work,
    batches: VecDeque<BlockHash>,
    is_second_reading: bool,
}

/// What to do after a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Ask for the headers after this one.
    Continue(BlockHash),
    /// Enough work: read again, from here.
    ReadAgain(BlockHash),
    /// These headers may be kept; then ask on.
    Keep,
    /// These headers may be kept, and they were the last of the proven ones.
    KeepLast,
    /// It is not worth following, or not what was shown before.
    Drop,
}

impl Presync {
    /// Follows a chain from a known block whose branch has `work`.
    pub(crate) fn new(start: BlockHash, work: Work) -> Presync {
        Presync { start, last: start, work, batches: VecDeque::new(), is_second_reading: false }
    }

    /// Takes a batch whose proof of work and links have been checked. `is_full`: more may follow.
    pub(crate) fn take(&mut self, headers: &[Header], is_full: bool, enough: Work) -> Step {
        let (Some(first), Some(last)) = (headers.first(), headers.last()) else { return Step::Drop };
        if first.previous != self.last {
            return Step::Drop;
        }
        let last = last.hash();
        self.last = last;
        if self.is_second_reading {
            return match self.batches.pop_front() {
                Some(noted) if noted != last => Step::Drop,
                Some(_) if !self.batches.is_empty() => Step::Keep,
                _ => Step::KeepLast,
            };
        }
        self.work = headers.iter().fold(self.work, |work, header| work.saturating_add(work_of(header)));
        self.batches.push_back(last);
        if self.work >= enough {
            (self.is_second_reading, self.last) = (true, self.start);
            return Step::ReadAgain(self.start);
        }
        if is_full && self.batches.len() < BATCHES_MAX { Step::Continue(last) } else { Step::Drop }
    }
}
