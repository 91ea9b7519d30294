//! Header chains of little work: followed without being kept, until they have shown enough.
//!
//! Anybody can make long chains of easy headers. So a chain that does not come near our tip's work is read twice: first only
//! its work is summed and the last hash of each batch noted; once the sum suffices, it is asked for again from the start, and
//! each batch must end in the hash noted, which commits to every header in it. What an attacker gains is 32 bytes of our
//! memory for each batch of [`HEADERS_PER_MESSAGE_MAX`](crate::core::message::HEADERS_PER_MESSAGE_MAX) headers it worked for
//! (Core: headers presync, which notes one bit of some headers instead).

use crate::core::chainstate::work_of;
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

#[cfg(test)]
mod tests {
    use super::*;
    use chain_spec::ChainSpec;

    /// Linked headers; their work is claimed, which is what is summed here.
    fn headers(parent: BlockHash, count: usize, tag: u32) -> Vec<Header> {
        let genesis = ChainSpec::builtin("bitcoin-regtest").unwrap().genesis.header;
        let mut headers: Vec<Header> = Vec::new();
        for _ in 0..count {
            let previous = headers.last().map_or(parent, Header::hash);
            headers.push(Header { previous, time: tag, ..genesis });
        }
        headers
    }

    fn work(headers: &[Header]) -> Work {
        headers.iter().fold(Work::ZERO, |sum, header| sum.saturating_add(work_of(header)))
    }

    #[test]
    fn a_chain_is_read_twice_and_kept_the_second_time() {
        let chain = headers(BlockHash::ZERO, 9, 1);
        let batches: Vec<&[Header]> = chain.chunks(3).collect();
        let mut presync = Presync::new(BlockHash::ZERO, Work::ZERO);
        let enough = work(&chain);
        assert_eq!(presync.take(batches[0], true, enough), Step::Continue(chain[2].hash()));
        assert_eq!(presync.take(batches[1], true, enough), Step::Continue(chain[5].hash()));
        assert_eq!(presync.take(batches[2], true, enough), Step::ReadAgain(BlockHash::ZERO));
        assert_eq!(presync.clone().take(&headers(BlockHash::ZERO, 3, 2), true, enough), Step::Drop, "another chain");
        assert_eq!(presync.take(batches[0], true, enough), Step::Keep);
        assert_eq!(presync.take(batches[1], true, enough), Step::Keep);
        assert_eq!(presync.take(batches[2], true, enough), Step::KeepLast);
    }

    #[test]
    fn a_chain_that_ends_too_soon_jumps_or_never_ends_is_dropped() {
        let chain = headers(BlockHash::ZERO, 3, 1);
        let enough = work(&headers(BlockHash::ZERO, 4, 1));
        let new = || Presync::new(BlockHash::ZERO, Work::ZERO);
        assert_eq!(new().take(&chain, false, enough), Step::Drop);
        assert_eq!(new().take(&chain[1..], true, enough), Step::Drop);
        assert_eq!(new().take(&[], true, enough), Step::Drop);
        let (mut presync, mut last, mut batches) = (new(), BlockHash::ZERO, 0);
        let never = Work::from_be_bytes([0xff; 32]);
        loop {
            let next = headers(last, 1, 1);
            last = next[0].hash();
            batches += 1;
            if presync.take(&next, true, never) == Step::Drop {
                break;
            }
        }
        assert_eq!(batches, BATCHES_MAX);
    }
}
