//! The double hash in vector lanes, for any vector of 32-bit words: [`avx2`](super::avx2), [`avx512`](super::avx512).
//!
//! The lanes hold versions of the header. They differ in the first 64 bytes only, so one nonce has one message
//! schedule for the first hash: it is computed for several nonces at once, stored, and read back as broadcast operands.
//! The second hash has a schedule of its own in every lane. What SHA-256 allows to leave out is left out:
//! - the first 64 bytes are in the midstates; rounds 0–2 of the second block do not depend on the nonce, and round 3
//!   only by an addition;
//! - of the second hash only the last word counts. It is final after round 60, and rounds 57–60 need not make a new
//!   `a` for it.
//!
//! One stream of rounds waits for its own results, so several nonces go through the rounds interleaved.
//!
//! Everything here is `unsafe` for one reason: it must be inlined into a function that has the vector's instructions,
//! called on a processor that has them. (`inline(always)` and `target_feature` exclude each other on a function.)

#![allow(unsafe_code, unsafe_op_in_unsafe_fn)]

use std::ops::Range;

use super::{
    constants::{INITIAL, K},
    search::{BATCH_NONCES_MAX, Hits, LANES, Search},
};

/// Nonces whose schedules are computed together: a multiple of the lanes and of every product of stream counts.
pub const NONCES: usize = BATCH_NONCES_MAX;
/// The most vectors between the two hashes at once.
const GROUP_MAX: usize = 6;

/// A vector of 32-bit words.
pub trait Vector: Copy {
    /// How many words.
    const LANES: usize;
    /// The same word in all lanes.
    unsafe fn splat(word: u32) -> Self;
    /// As many words as there are lanes, from any address.
    unsafe fn load(from: *const u32) -> Self;
    /// As many words as there are lanes, to any address.
    unsafe fn store(self, to: *mut u32);
    /// The sum in each lane.
    unsafe fn add(self, other: Self) -> Self;
    /// Σ₀ (FIPS 180-4 §4.1.2).
    unsafe fn big_sigma_0(self) -> Self;
    /// Σ₁.
    unsafe fn big_sigma_1(self) -> Self;
    /// σ₀.
    unsafe fn small_sigma_0(self) -> Self;
    /// σ₁.
    unsafe fn small_sigma_1(self) -> Self;
    /// Ch(e, f, g).
    unsafe fn choice(e: Self, f: Self, g: Self) -> Self;
    /// Maj(a, b, c).
    unsafe fn majority(a: Self, b: Self, c: Self) -> Self;
    /// The same value; keeps the compiler from reordering sums so that late operands come first.
    unsafe fn keep(self) -> Self;
    /// A bit for each lane that has none of the bits of `mask`.
    unsafe fn lanes_without(self, mask: Self) -> u32;
}

/// Looks through whole batches of nonces, `FIRST` vectors at a time in the first hash and `SECOND` in the second.
#[inline(always)]
pub unsafe fn scan_batches<V: Vector, const FIRST: usize, const SECOND: usize>(
    search: &Search,
    nonces: Range<u64>,
    hits: &mut Hits,
) {
    const { assert!((NONCES * Prepared::<V>::PARTS).is_multiple_of(FIRST * SECOND) && FIRST * SECOND <= GROUP_MAX) }
    let parts = Prepared::<V>::PARTS;
    let prepared = Prepared::<V>::new(search);
    let mask = V::splat(search.mask());
    let mut schedule = [[0; NONCES]; 64];
    let mut digests = [[V::splat(0); 8]; GROUP_MAX];
    for batch in nonces.step_by(NONCES) {
        fill_schedule::<V>(&mut schedule, search.tail(), batch as u32);
        for group in (0..NONCES * parts).step_by(FIRST * SECOND) {
            for at in (0..FIRST * SECOND).step_by(FIRST) {
                first_hash::<V, FIRST>(&prepared, &schedule, group + at, &mut digests[at..at + FIRST]);
            }
            for at in (0..FIRST * SECOND).step_by(SECOND) {
                let words = second_hash::<V, SECOND>(&digests[at..at + SECOND]);
                for (stream, word) in words.into_iter().enumerate() {
                    let mut lanes = word.lanes_without(mask);
                    while lanes != 0 {
                        let vector = batch * parts as u64 + (group + at + stream) as u64;
                        hits.push(vector * V::LANES as u64 + u64::from(lanes.trailing_zeros()));
                        lanes &= lanes - 1;
                    }
                }
            }
        }
    }
}

/// What all nonces of a search share, in as many parts as vectors hold its sixteen versions.
struct Prepared<V> {
    /// The states after the first 64 bytes, one lane for each version.
    start: [[V; 8]; 2],
    /// The state after round 3, without the nonce's share in `a` and `e`.
    after_3: [[V; 8]; 2],
}

impl<V: Vector> Prepared<V> {
    const PARTS: usize = LANES / V::LANES;

    #[inline(always)]
    unsafe fn new(search: &Search) -> Prepared<V> {
        let mut start = [[V::splat(0); 8]; 2];
        for (part, start) in start.iter_mut().enumerate().take(Self::PARTS) {
            for (start, row) in start.iter_mut().zip(search.midstates()) {
                *start = V::load(row[part * V::LANES..][..V::LANES].as_ptr());
            }
        }
        let mut after_3 = start;
        let [w0, w1, w2] = search.tail();
        for state in &mut after_3 {
            round(state, 0, V::splat(K[0].wrapping_add(w0)));
            round(state, 1, V::splat(K[1].wrapping_add(w1)));
            round(state, 2, V::splat(K[2].wrapping_add(w2)));
            round(state, 3, V::splat(K[3]));
        }
        Prepared { start, after_3 }
    }
}

/// Fills row 3 with W of the second block and the rows above with K + W, for nonces `first..first + NONCES`.
#[inline(always)]
unsafe fn fill_schedule<V: Vector>(schedule: &mut [[u32; NONCES]; 64], tail: [u32; 3], first: u32) {
    let mut message = [0; 16];
    message[..3].copy_from_slice(&tail);
    message[4] = 0x8000_0000;
    message[15] = 80 * 8;
    for column in (0..NONCES).step_by(V::LANES) {
        let nonces: [u32; LANES] = std::array::from_fn(|lane| first.wrapping_add((column + lane) as u32).swap_bytes());
        let mut w = [V::splat(0); 16];
        for (w, word) in w.iter_mut().zip(message) {
            *w = V::splat(word);
        }
        w[3] = V::load(nonces.as_ptr());
        schedule[3][column..column + V::LANES].copy_from_slice(&nonces[..V::LANES]);
        for i in 4..16 {
            w[i].add(V::splat(K[i])).store(schedule[i][column..column + V::LANES].as_mut_ptr());
        }
        for block in (16..64).step_by(16) {
            unrolled!(i in [0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15] {
                w[i] = expand(&w, i);
                w[i].add(V::splat(K[block + i])).store(schedule[block + i][column..column + V::LANES].as_mut_ptr());
            });
        }
    }
}

/// The first hash of `STREAMS` vectors from number `vector` of the batch on.
#[inline(always)]
unsafe fn first_hash<V: Vector, const STREAMS: usize>(
    prepared: &Prepared<V>,
    schedule: &[[u32; NONCES]; 64],
    vector: usize,
    digests: &mut [[V; 8]],
) {
    let parts = Prepared::<V>::PARTS;
    let mut states = [prepared.after_3[0]; STREAMS];
    for (stream, state) in states.iter_mut().enumerate() {
        let vector = vector + stream;
        *state = prepared.after_3[vector % parts];
        let nonce = V::splat(schedule[3][vector / parts]);
        // After round 3 the names have moved on by four: `a` is in place 4, `e` in place 0.
        state[4] = state[4].add(nonce);
        state[0] = state[0].add(nonce);
    }
    unrolled!(i in [4 5 6 7] {
        for (stream, state) in states.iter_mut().enumerate() {
            round(state, i, V::splat(schedule[i][(vector + stream) / parts]));
        }
    });
    for block in (8..64).step_by(8) {
        unrolled!(i in [0 1 2 3 4 5 6 7] {
            for (stream, state) in states.iter_mut().enumerate() {
                round(state, i, V::splat(schedule[block + i][(vector + stream) / parts]));
            }
        });
    }
    for (stream, (state, digest)) in states.iter().zip(digests).enumerate() {
        for (i, word) in state.iter().enumerate() {
            digest[i] = word.add(prepared.start[(vector + stream) % parts][i]);
        }
    }
}

/// The last word of the second hash of `STREAMS` digests.
#[inline(always)]
unsafe fn second_hash<V: Vector, const STREAMS: usize>(digests: &[[V; 8]]) -> [V; STREAMS] {
    let mut states = [[V::splat(0); 8]; STREAMS];
    let mut w = [[V::splat(0); 16]; STREAMS];
    for stream in 0..STREAMS {
        for i in 0..8 {
            states[stream][i] = V::splat(INITIAL[i]);
            w[stream][i] = digests[stream][i];
        }
        w[stream][8] = V::splat(0x8000_0000);
        w[stream][15] = V::splat(32 * 8);
    }
    unrolled!(i in [0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15] {
        for (state, w) in states.iter_mut().zip(&w) {
            round(state, i, w[i].add(V::splat(K[i])));
        }
    });
    // Not a loop: in the first of the two, half of the message is constant, and the compiler folds it away.
    sixteen_rounds(&mut states, &mut w, 16);
    sixteen_rounds(&mut states, &mut w, 32);
    unrolled!(i in [0 1 2 3 4 5 6 7 8] {
        for (state, w) in states.iter_mut().zip(&mut w) {
            w[i] = expand(w, i);
            round(state, i, w[i].add(V::splat(K[48 + i])));
        }
    });
    unrolled!(i in [9 10 11 12] {
        for (state, w) in states.iter_mut().zip(&mut w) {
            w[i] = expand(w, i);
            half_round(state, i, w[i].add(V::splat(K[48 + i])));
        }
    });
    let mut words = [V::splat(INITIAL[7]); STREAMS];
    for (word, state) in words.iter_mut().zip(&states) {
        // `e` of round 60 is `h` after round 63; its place after 61 rounds is 7.
        *word = word.add(state[7]);
    }
    words
}

/// Rounds `first` to `first + 15`, with the schedule.
#[inline(always)]
unsafe fn sixteen_rounds<V: Vector, const STREAMS: usize>(
    states: &mut [[V; 8]; STREAMS],
    w: &mut [[V; 16]; STREAMS],
    first: usize,
) {
    unrolled!(i in [0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15] {
        for (state, w) in states.iter_mut().zip(w.iter_mut()) {
            w[i] = expand(w, i);
            round(state, i, w[i].add(V::splat(K[first + i])));
        }
    });
}

/// One round. Instead of moving the eight names along, round `i` finds each `i` places earlier.
#[inline(always)]
unsafe fn round<V: Vector>(state: &mut [V; 8], i: usize, kw: V) {
    let at = |name: usize| (name + 64 - i) % 8;
    let (a, b, c) = (state[at(0)], state[at(1)], state[at(2)]);
    let t1 = half_round(state, i, kw);
    let t2 = a.big_sigma_0().add(V::majority(a, b, c)).keep();
    state[at(7)] = t1.add(t2);
}

/// The half of a round that makes the new `e`; gives T₁.
#[inline(always)]
unsafe fn half_round<V: Vector>(state: &mut [V; 8], i: usize, kw: V) -> V {
    let at = |name: usize| (name + 64 - i) % 8;
    let (e, f, g, h) = (state[at(4)], state[at(5)], state[at(6)], state[at(7)]);
    let early = h.add(kw).keep();
    let t1 = early.add(V::choice(e, f, g)).keep().add(e.big_sigma_1());
    state[at(3)] = state[at(3)].add(t1);
    t1
}

/// The schedule's word sixteen after `w[i]`, from a ring of the last sixteen.
#[inline(always)]
unsafe fn expand<V: Vector>(w: &[V; 16], i: usize) -> V {
    let (two, seven, fifteen) = (w[(i + 14) % 16], w[(i + 9) % 16], w[(i + 1) % 16]);
    w[i].add(seven).add(fifteen.small_sigma_0()).add(two.small_sigma_1())
}
