//! Cuts a range of candidates into what a vector kernel takes at once and the ends it does not.

use std::ops::Range;

use super::{
    scalar,
    search::{Hits, LANES, Search},
};

/// Gives `whole` the nonces of `range` that make whole batches of `batch` nonces in all lanes, and the ends before and
/// after to the scalar kernel.
pub fn scan_in_batches(
    search: &Search,
    range: Range<u64>,
    batch: usize,
    hits: &mut Hits,
    whole: impl Fn(Range<u64>, &mut Hits),
) {
    let lanes = LANES as u64;
    let first = range.start.div_ceil(lanes);
    let nonces = (range.end / lanes).saturating_sub(first);
    let last = first + nonces / batch as u64 * batch as u64;
    if first == last {
        return scalar::scan(search, range, hits);
    }
    scalar::scan(search, range.start..first * lanes, hits);
    whole(first..last, hits);
    scalar::scan(search, last * lanes..range.end, hits);
}
