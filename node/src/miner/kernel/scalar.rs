//! The portable kernel: one candidate at a time on the `sha2` crate's compression, which uses what the processor has.
//! It also takes the ends of a range that the vector kernels' batches leave over.

use std::ops::Range;

use sha2::block_api::compress256;

use super::{
    constants::INITIAL,
    search::{Hits, LANES, Search},
};

/// Looks through `range`.
pub fn scan(search: &Search, range: Range<u64>, hits: &mut Hits) {
    let mut tail = [0u8; 64];
    for (bytes, word) in tail.chunks_exact_mut(4).zip(search.tail()) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
    tail[16] = 0x80;
    tail[62..].copy_from_slice(&(80 * 8u16).to_be_bytes());
    let mut digest = [0u8; 64];
    digest[32] = 0x80;
    digest[62..].copy_from_slice(&(32 * 8u16).to_be_bytes());

    let (mask, midstates) = (search.mask(), search.midstates());
    for index in range {
        let lane = (index % LANES as u64) as usize;
        tail[12..16].copy_from_slice(&((index / LANES as u64) as u32).to_le_bytes());
        let mut state: [u32; 8] = std::array::from_fn(|word| midstates[word][lane]);
        compress256(&mut state, &[tail]);
        for (bytes, word) in digest.chunks_exact_mut(4).zip(state) {
            bytes.copy_from_slice(&word.to_be_bytes());
        }
        let mut state = INITIAL;
        compress256(&mut state, &[digest]);
        if state[7] & mask == 0 {
            hits.push(index);
        }
    }
}
