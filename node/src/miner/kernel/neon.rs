//! The NEON kernel: the SHA-2 instructions of 64-bit Arm with several versions of the header side by side.
//!
//! `sha256h` and `sha256h2` do four rounds, one making the new first half of the state and the other the new second half;
//! each waits for the results of the four rounds before, so several streams are interleaved. As in the kernel for x86,
//! all versions of one nonce share the first hash's schedule, and the first hash is nothing but rounds. Of the second
//! hash only the last word counts: the last four rounds make only the second half.
//!
//! Its correctness is tested under emulation as well (`.ci/aarch64`). Its speed was never measured on such a processor.

#![allow(unsafe_code)]

use std::{
    arch::{aarch64::*, is_aarch64_feature_detected},
    ops::Range,
};

use super::{
    Variant,
    batches::scan_in_batches,
    constants::{INITIAL, K},
    search::{Hits, LANES, Search},
};

/// The forms this processor can run.
pub fn variants() -> &'static [Variant] {
    if is_aarch64_feature_detected!("sha2") {
        const {
            &[
                Variant::of_registers("4 streams", scan::<4>),
                Variant::of_registers("2 streams", scan::<2>),
                Variant::of_registers("8 streams", scan::<8>),
            ]
        }
    } else {
        &[]
    }
}

fn scan<const STREAMS: usize>(search: &Search, range: Range<u64>, hits: &mut Hits) {
    const { assert!(LANES.is_multiple_of(STREAMS)) }
    scan_in_batches(search, range, 1, hits, |nonces, hits| {
        // SAFETY: only `variants` gives this function away, after it has seen that the processor has the instructions.
        unsafe { scan_nonces::<STREAMS>(search, nonces, hits) }
    });
}

/// SHA-256's state as the instructions want it: words `a` to `d`, and `e` to `h`.
#[derive(Clone, Copy)]
struct State {
    abcd: uint32x4_t,
    efgh: uint32x4_t,
}

#[target_feature(enable = "sha2")]
fn scan_nonces<const STREAMS: usize>(search: &Search, nonces: Range<u64>, hits: &mut Hits) {
    let mask = search.mask();
    let [w0, w1, w2] = search.tail();
    let start: [State; LANES] = std::array::from_fn(|lane| state(search.midstates().each_ref().map(|row| row[lane])));
    let initial = state(INITIAL);
    for nonce in nonces {
        let schedule = first_schedule(words([w0, w1, w2, (nonce as u32).swap_bytes()]));
        for lane in (0..LANES).step_by(STREAMS) {
            let start: [State; STREAMS] = std::array::from_fn(|stream| start[lane + stream]);
            let digests = first_hash(start, &schedule);
            for (stream, word) in second_hash(initial, digests).into_iter().enumerate() {
                if word & mask == 0 {
                    hits.push(nonce * LANES as u64 + (lane + stream) as u64);
                }
            }
        }
    }
}

/// K + W of the first hash, four words to a vector.
#[inline]
#[target_feature(enable = "sha2")]
fn first_schedule(tail: uint32x4_t) -> [uint32x4_t; 16] {
    let mut ring = [tail, words([0x8000_0000, 0, 0, 0]), words([0; 4]), words([0, 0, 0, 80 * 8])];
    std::array::from_fn(|group| {
        if group >= 4 {
            ring[group % 4] = expand(&ring, group);
        }
        vaddq_u32(ring[group % 4], k(group))
    })
}

/// The digests of the first hash.
#[inline]
#[target_feature(enable = "sha2")]
fn first_hash<const STREAMS: usize>(start: [State; STREAMS], schedule: &[uint32x4_t; 16]) -> [State; STREAMS] {
    let mut states = start;
    unrolled!(group in [0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15] {
        let kw = schedule[group];
        states = states.map(|state| four_rounds(state, kw));
    });
    std::array::from_fn(|stream| State {
        abcd: vaddq_u32(states[stream].abcd, start[stream].abcd),
        efgh: vaddq_u32(states[stream].efgh, start[stream].efgh),
    })
}

/// The last word of the second hash.
#[inline]
#[target_feature(enable = "sha2")]
fn second_hash<const STREAMS: usize>(initial: State, digests: [State; STREAMS]) -> [u32; STREAMS] {
    let mut states = [initial; STREAMS];
    let padding = [words([0x8000_0000, 0, 0, 0]), words([0, 0, 0, 32 * 8])];
    let mut rings = digests.map(|digest| [digest.abcd, digest.efgh, padding[0], padding[1]]);
    unrolled!(group in [0 1 2 3 4 5 6 7 8 9 10 11 12 13 14] {
        for (state, ring) in states.iter_mut().zip(&mut rings) {
            if group >= 4 {
                ring[group % 4] = expand(ring, group);
            }
            *state = four_rounds(*state, vaddq_u32(ring[group % 4], k(group)));
        }
    });
    std::array::from_fn(|stream| {
        let kw = vaddq_u32(expand(&rings[stream], 15), k(15));
        let last = vsha256h2q_u32(states[stream].efgh, states[stream].abcd, kw);
        vgetq_lane_u32::<3>(last).wrapping_add(INITIAL[7])
    })
}

/// Four rounds with the words of `kw`.
#[inline]
#[target_feature(enable = "sha2")]
fn four_rounds(state: State, kw: uint32x4_t) -> State {
    State { abcd: vsha256hq_u32(state.abcd, state.efgh, kw), efgh: vsha256h2q_u32(state.efgh, state.abcd, kw) }
}

/// The schedule's four words number `group`, from the four groups before it.
#[inline]
#[target_feature(enable = "sha2")]
fn expand(ring: &[uint32x4_t; 4], group: usize) -> uint32x4_t {
    let at = |i: usize| ring[(group + i) % 4];
    vsha256su1q_u32(vsha256su0q_u32(at(0), at(1)), at(2), at(3))
}

#[inline]
#[target_feature(enable = "sha2")]
fn k(group: usize) -> uint32x4_t {
    words([K[4 * group], K[4 * group + 1], K[4 * group + 2], K[4 * group + 3]])
}

#[inline]
#[target_feature(enable = "sha2")]
fn words(words: [u32; 4]) -> uint32x4_t {
    // SAFETY: reads the sixteen bytes of `words`.
    unsafe { vld1q_u32(words.as_ptr()) }
}

#[inline]
#[target_feature(enable = "sha2")]
fn state([a, b, c, d, e, f, g, h]: [u32; 8]) -> State {
    State { abcd: words([a, b, c, d]), efgh: words([e, f, g, h]) }
}
