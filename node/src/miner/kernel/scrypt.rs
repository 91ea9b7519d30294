//! The scrypt kernels (N = 1024, r = 1, p = 1): several hashes interleaved, their blocks side by side in vector registers.
//!
//! scrypt stretches a header to a 128-byte block, runs 2,048 steps of Salsa20/8 over it and hashes the result once more
//! (RFC 7914). The first 1,024 steps store the block, 128 KiB a hash; the others read back one of the stored blocks, which
//! one depends on the data. Only the steps are worth a kernel: the hashing before and after is a twentieth of the time.
//!
//! Salsa20 works on a square of 4 × 4 words. Its diagonals are kept in four rows, so that a column round is four
//! steps on whole rows and a row round the same after the rows are rotated. A row of one hash has four words; a [`Row`] is
//! as many of them as a register holds, each of another hash, and `GROUPS` registers are worked on in turn to fill the
//! gaps that each one's latency leaves. Stored blocks stay contiguous for each hash, which makes reading them back one
//! plain load a row instead of a gather.

#![allow(unsafe_code, unsafe_op_in_unsafe_fn)]

mod row;
#[cfg(target_arch = "x86_64")]
pub mod x86;

use std::{cell::RefCell, ops::Range};

use sha2::block_api::compress256;

use super::{
    Variant,
    constants::INITIAL,
    search::{Hits, Search},
};
use row::{Portable, Row};

/// Steps that fill the memory, and steps that read it: scrypt's N.
const N: usize = 1024;
/// Rows of four words in a block of 128 bytes.
const ROWS: usize = 8;
/// Words of a block.
const WORDS: usize = 32;
/// Bytes one hash fills.
pub const BYTES_PER_HASH: usize = N * WORDS * 4;
/// Candidates that every form does in whole groups of lanes.
pub const BATCH: u64 = 24;
/// For each place in the diagonal form, the word of Salsa20's square it holds.
const DIAGONAL: [usize; 16] = [0, 5, 10, 15, 4, 9, 14, 3, 8, 13, 2, 7, 12, 1, 6, 11];

/// A block of one hash, in diagonal form.
type Block = [[u32; 4]; ROWS];

/// The forms that any processor can run.
pub fn portable_variants() -> &'static [Variant] {
    const { &[variant::<Portable, 2>("2 hashes", portable::<2>), variant::<Portable, 1>("1 hash", portable::<1>)] }
}

/// A form that works on `GROUPS` rows of `R` at once.
const fn variant<R: Row, const GROUPS: usize>(label: &'static str, scan: super::Scan) -> Variant {
    assert!(BATCH.is_multiple_of((R::HASHES * GROUPS) as u64));
    Variant { label, memories: R::HASHES * GROUPS, scan }
}

fn portable<const GROUPS: usize>(search: &Search, range: Range<u64>, hits: &mut Hits) {
    with_memory(Portable::HASHES * GROUPS, |memory| {
        // SAFETY: no instructions beyond the target's own are needed.
        unsafe { scan::<Portable, GROUPS>(search, range, hits, memory) }
    });
}

thread_local! {
    /// What the steps fill. It belongs to the thread, so that it is asked for once.
    static MEMORY: RefCell<Vec<Block>> = const { RefCell::new(Vec::new()) };
}

/// Gives `work` this thread's memory, room for `hashes` hashes.
fn with_memory(hashes: usize, work: impl FnOnce(&mut [Block])) {
    MEMORY.with_borrow_mut(|memory| {
        if memory.len() < hashes * N {
            memory.resize(hashes * N, [[0; 4]; ROWS]);
        }
        work(memory);
    });
}

/// Looks through `range` with `GROUPS` registers of rows at once.
///
/// # Safety
/// The processor must have the instructions of `R`, and this must be inlined into a function that has them.
#[inline(always)]
unsafe fn scan<R: Row, const GROUPS: usize>(search: &Search, range: Range<u64>, hits: &mut Hits, memory: &mut [Block]) {
    let hashes = R::HASHES * GROUPS;
    assert!(memory.len() >= hashes * N);
    let mut inputs = vec![Input::default(); hashes];
    let mut blocks = vec![[[0; 4]; ROWS]; hashes];
    let mut at = range.start;
    while at < range.end {
        let count = hashes.min((range.end - at) as usize);
        for (lane, index) in (at..at + count as u64).enumerate() {
            (inputs[lane], blocks[lane]) = Input::new(search.header(index).to_array());
        }
        // With fewer candidates left than lanes, the other lanes go over what they did before.
        mix::<R, GROUPS>(&mut blocks, memory);
        for lane in 0..count {
            if inputs[lane].last_word(&blocks[lane]) & search.mask() == 0 {
                hits.push(at + lane as u64);
            }
        }
        at += count as u64;
    }
}

/// ROMix (RFC 7914 §5) of as many blocks as rows are worked on at once.
#[inline(always)]
unsafe fn mix<R: Row, const GROUPS: usize>(blocks: &mut [Block], memory: &mut [Block]) {
    // Loops instead of `array::from_fn`: a closure that is not inlined would not have the instructions.
    let mut x = [[R::gather(|_| &raw const blocks[0][0]); ROWS]; GROUPS];
    for (group, x) in x.iter_mut().enumerate() {
        for (row, x) in x.iter_mut().enumerate() {
            *x = R::gather(|lane| &raw const blocks[group * R::HASHES + lane][row]);
        }
    }
    for step in 0..N {
        for (group, x) in x.iter().enumerate() {
            for (row, x) in x.iter().enumerate() {
                x.scatter(|lane| {
                    // SAFETY: lanes are below HASHES, so the place is below HASHES × GROUPS × N, the memory's length.
                    let place = (group * R::HASHES + lane) * N + step;
                    unsafe { memory.as_mut_ptr().add(place).cast::<[u32; 4]>().add(row) }
                });
            }
        }
        block_mix(&mut x);
    }
    for _ in 0..N {
        for (group, x) in x.iter_mut().enumerate() {
            // Integerify: the first word of the second half, whose place in the diagonal form is the same.
            let steps = x[4].first_words();
            for (row, x) in x.iter_mut().enumerate() {
                let stored = R::gather(|lane| {
                    let place = (group * R::HASHES + lane) * N + steps[lane] as usize % N;
                    // SAFETY: as above; the step is below N.
                    unsafe { memory.as_ptr().add(place).cast::<[u32; 4]>().add(row) }
                });
                *x = x.xor(stored);
            }
        }
        block_mix(&mut x);
    }
    for (group, x) in x.iter().enumerate() {
        for (row, x) in x.iter().enumerate() {
            x.scatter(|lane| &raw mut blocks[group * R::HASHES + lane][row]);
        }
    }
}

/// BlockMix (RFC 7914 §4) with r = 1: each half is mixed with the other's last state.
#[inline(always)]
unsafe fn block_mix<R: Row, const GROUPS: usize>(x: &mut [[R; ROWS]; GROUPS]) {
    half_mix::<R, GROUPS, 0, 4>(x);
    half_mix::<R, GROUPS, 4, 0>(x);
}

/// Salsa20/8 of the half at `TO`, xored with the other.
#[inline(always)]
unsafe fn half_mix<R: Row, const GROUPS: usize, const TO: usize, const FROM: usize>(x: &mut [[R; ROWS]; GROUPS]) {
    let mut s = [[x[0][0]; 4]; GROUPS];
    for (s, x) in s.iter_mut().zip(x.iter_mut()) {
        for row in 0..4 {
            x[TO + row] = x[TO + row].xor(x[FROM + row]);
            s[row] = x[TO + row];
        }
    }
    for _ in 0..4 {
        for _ in 0..2 {
            for s in &mut s {
                s[1] = s[1].xor(s[0].add(s[3]).rotate_left::<7, 25>());
            }
            for s in &mut s {
                s[2] = s[2].xor(s[1].add(s[0]).rotate_left::<9, 23>());
            }
            for s in &mut s {
                s[3] = s[3].xor(s[2].add(s[1]).rotate_left::<13, 19>());
            }
            for s in &mut s {
                s[0] = s[0].xor(s[3].add(s[2]).rotate_left::<18, 14>());
            }
            for s in &mut s {
                // What was a column is now a row, and back: rows 1 and 3 change places and all but row 0 turn.
                let (one, three) = (s[1], s[3]);
                s[1] = three.turn_1();
                s[2] = s[2].turn_2();
                s[3] = one.turn_3();
            }
        }
    }
    for (s, x) in s.iter().zip(x.iter_mut()) {
        for row in 0..4 {
            x[TO + row] = x[TO + row].add(s[row]);
        }
    }
}

/// What PBKDF2-HMAC-SHA256 needs of a header, which is both password and salt: states after the key's block.
#[derive(Clone, Copy, Default)]
struct Input {
    inner: [u32; 8],
    outer: [u32; 8],
}

impl Input {
    /// Of a header, with the block that PBKDF2 makes of it.
    fn new(header: [u8; 80]) -> (Input, Block) {
        let key = sha256(&header);
        let pad = |byte: u8| {
            let mut block = [byte; 64];
            for (to, from) in block.iter_mut().zip(key) {
                *to ^= from;
            }
            let mut state = INITIAL;
            compress256(&mut state, &[block]);
            state
        };
        let input = Input { inner: pad(0x36), outer: pad(0x5c) };
        let mut after_64 = input.inner;
        let (first, rest) = header.split_at(64);
        compress256(&mut after_64, first.as_chunks::<64>().0);
        let mut words = [0; WORDS];
        for (number, output) in words.chunks_exact_mut(8).enumerate() {
            let mut tail = [0; 20];
            tail[..16].copy_from_slice(rest);
            tail[16..].copy_from_slice(&(number as u32 + 1).to_be_bytes());
            let state = input.finish(finished(after_64, &tail, 64 + 84));
            for (to, word) in output.iter_mut().zip(state) {
                // scrypt reads its bytes as little-endian words.
                *to = word.swap_bytes();
            }
        }
        let block = std::array::from_fn(|row| {
            std::array::from_fn(|column| words[row / 4 * 16 + DIAGONAL[row % 4 * 4 + column]])
        });
        (input, block)
    }

    /// The last word of the digest, as the state of SHA-256 holds it.
    fn last_word(&self, block: &Block) -> u32 {
        let mut bytes = [0; 128];
        for (row, words) in block.iter().enumerate() {
            for (column, word) in words.iter().enumerate() {
                let place = row / 4 * 16 + DIAGONAL[row % 4 * 4 + column];
                bytes[4 * place..4 * place + 4].copy_from_slice(&word.to_le_bytes());
            }
        }
        let mut state = self.inner;
        compress256(&mut state, bytes.as_chunks::<64>().0);
        self.finish(finished(state, &1u32.to_be_bytes(), 64 + 132))[7]
    }

    /// The outer hash of an inner one.
    fn finish(&self, inner: [u32; 8]) -> [u32; 8] {
        let mut digest = [0; 32];
        for (bytes, word) in digest.chunks_exact_mut(4).zip(inner) {
            bytes.copy_from_slice(&word.to_be_bytes());
        }
        finished(self.outer, &digest, 64 + 32)
    }
}

/// The state after the last bytes of a message, fewer than 56, `total` bytes long.
fn finished(mut state: [u32; 8], rest: &[u8], total: u64) -> [u32; 8] {
    let mut block = [0; 64];
    block[..rest.len()].copy_from_slice(rest);
    block[rest.len()] = 0x80;
    block[56..].copy_from_slice(&(8 * total).to_be_bytes());
    compress256(&mut state, &[block]);
    state
}

fn sha256(header: &[u8; 80]) -> [u8; 32] {
    let (first, rest) = header.split_at(64);
    let mut state = INITIAL;
    compress256(&mut state, first.as_chunks::<64>().0);
    let mut digest = [0; 32];
    for (bytes, word) in digest.chunks_exact_mut(4).zip(finished(state, rest, 80)) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
    digest
}
