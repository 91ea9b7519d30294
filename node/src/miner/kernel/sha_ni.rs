//! The SHA-NI kernel: the x86 SHA extensions with several versions of the header side by side.
//!
//! `sha256rnds2` does two rounds. Its result takes four cycles; how often one starts depends on the processor: every cycle
//! (AMD Zen 4), every second (Zen 5), every third (Intel, family 6 model 167 and its successors, measured). So two to four
//! streams have to be interleaved. All versions of one nonce share the first hash's schedule: it is computed once and
//! stored, and the first hash is nothing but rounds, one shuffle for all streams between two of them; there more streams
//! cost nothing but registers, and processors that start a round each cycle want many. In the second hash each stream
//! has a schedule of its own, so that four fill the registers. Rounds 0 and 1 of the second block, and of the second hash
//! what comes after round 61, are left out: 62 instructions `sha256rnds2` a double hash are the kernel's limit.
//!
//! The instructions want the state in two registers: `abef` and `cdgh`, the first letter in the highest word. Two rounds
//! give a new `abef`, and the old one is the new `cdgh`.

#![allow(unsafe_code)]

use std::{arch::x86_64::*, ops::Range};

use super::{
    Variant,
    batches::scan_in_batches,
    constants::{INITIAL, K},
    search::{Hits, LANES, Search},
};

/// The forms this processor can run.
pub fn variants() -> &'static [Variant] {
    if is_x86_feature_detected!("sha") && is_x86_feature_detected!("avx") {
        const {
            &[
                Variant::of_registers("4 streams", scan::<4, 4>),
                Variant::of_registers("2 streams", scan::<2, 2>),
                Variant::of_registers("8 and 4 streams", scan::<8, 4>),
                Variant::of_registers("12 and 4 streams", scan::<12, 4>),
                Variant::of_registers("6 and 2 streams", scan::<6, 2>),
            ]
        }
    } else {
        &[]
    }
}

/// With `FIRST` streams in the first hash and `SECOND` in the second.
fn scan<const FIRST: usize, const SECOND: usize>(search: &Search, range: Range<u64>, hits: &mut Hits) {
    const { assert!(LANES.is_multiple_of(SECOND) && (LANES % FIRST).is_multiple_of(REST)) }
    scan_in_batches(search, range, 1, hits, |nonces, hits| {
        // SAFETY: only `variants` gives this function away, after it has seen that the processor has both.
        unsafe { scan_nonces::<FIRST, SECOND>(search, nonces, hits) }
    });
}

/// Streams of the first hash for the lanes that no whole group of `FIRST` takes.
const REST: usize = 4;

/// SHA-256's state as the instructions want it.
#[derive(Clone, Copy)]
struct State {
    abef: __m128i,
    cdgh: __m128i,
}

/// What all nonces of a search share: the midstate of each lane, and its state after rounds 0 and 1.
struct Prepared {
    start: [State; LANES],
    after_1: [State; LANES],
}

#[target_feature(enable = "sha,avx")]
fn scan_nonces<const FIRST: usize, const SECOND: usize>(search: &Search, nonces: Range<u64>, hits: &mut Hits) {
    let mask = search.mask();
    let [w0, w1, w2] = search.tail();
    let rounds_0_1 = words([K[0].wrapping_add(w0), K[1].wrapping_add(w1), 0, 0]);
    let start: [State; LANES] = std::array::from_fn(|lane| state(search.midstates().each_ref().map(|row| row[lane])));
    let prepared = Prepared { start, after_1: start.map(|start| two_rounds(start, rounds_0_1)) };
    let initial = state(INITIAL);
    let mut digests = [[words([0; 4]); 2]; LANES];
    for nonce in nonces {
        let schedule = first_schedule(words([w0, w1, w2, (nonce as u32).swap_bytes()]));
        let whole = LANES / FIRST * FIRST;
        for lane in (0..whole).step_by(FIRST) {
            first_hash::<FIRST>(&prepared, &schedule, lane, &mut digests);
        }
        for lane in (whole..LANES).step_by(REST) {
            first_hash::<REST>(&prepared, &schedule, lane, &mut digests);
        }
        for lane in (0..LANES).step_by(SECOND) {
            let digests: [_; SECOND] = std::array::from_fn(|stream| digests[lane + stream]);
            for (stream, word) in second_hash(initial, digests).into_iter().enumerate() {
                if word & mask == 0 {
                    hits.push(nonce * LANES as u64 + (lane + stream) as u64);
                }
            }
        }
    }
}

/// The first hash of `STREAMS` lanes from `lane` on.
#[inline]
#[target_feature(enable = "sha,avx")]
fn first_hash<const STREAMS: usize>(
    prepared: &Prepared,
    schedule: &[__m128i; 16],
    lane: usize,
    digests: &mut [[__m128i; 2]; LANES],
) {
    let mut states: [State; STREAMS] = std::array::from_fn(|stream| prepared.after_1[lane + stream]);
    first_rounds(&mut states, schedule);
    for (stream, state) in states.into_iter().enumerate() {
        digests[lane + stream] = digest(prepared.start[lane + stream], state);
    }
}

/// K + W of the first hash, four words to a vector.
#[inline]
#[target_feature(enable = "sha,avx")]
fn first_schedule(tail: __m128i) -> [__m128i; 16] {
    let mut ring = [tail, words([0x8000_0000, 0, 0, 0]), words([0; 4]), words([0, 0, 0, 80 * 8])];
    std::array::from_fn(|group| {
        if group >= 4 {
            ring[group % 4] = expand(&ring, group);
        }
        _mm_add_epi32(ring[group % 4], k(group))
    })
}

/// Rounds 2 to 63 of the first hash.
#[inline]
#[target_feature(enable = "sha,avx")]
fn first_rounds<const STREAMS: usize>(states: &mut [State; STREAMS], schedule: &[__m128i; 16]) {
    unrolled!(group in [0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15] {
        let kw = schedule[group];
        if group > 0 {
            *states = states.map(|state| two_rounds(state, kw));
        }
        let kw = high(kw);
        *states = states.map(|state| two_rounds(state, kw));
    });
}

/// The last word of the second hash, without its last rounds.
#[inline]
#[target_feature(enable = "sha,avx")]
fn second_hash<const STREAMS: usize>(initial: State, digests: [[__m128i; 2]; STREAMS]) -> [u32; STREAMS] {
    let mut states = [initial; STREAMS];
    let padding = [words([0x8000_0000, 0, 0, 0]), words([0, 0, 0, 32 * 8])];
    let mut rings = digests.map(|[low, high]| [low, high, padding[0], padding[1]]);
    unrolled!(group in [0 1 2 3 4 5 6 7 8 9 10 11 12 13 14] {
        for (state, ring) in states.iter_mut().zip(&mut rings) {
            if group >= 4 {
                ring[group % 4] = expand(ring, group);
            }
            let kw = _mm_add_epi32(ring[group % 4], k(group));
            *state = two_rounds(two_rounds(*state, kw), high(kw));
        }
    });
    std::array::from_fn(|stream| {
        let kw = _mm_add_epi32(expand(&rings[stream], 15), k(15));
        // `h` after round 63 is `f` after round 61, the lowest word.
        let last = two_rounds(states[stream], kw);
        (_mm_cvtsi128_si32(last.abef) as u32).wrapping_add(INITIAL[7])
    })
}

/// The digest as the first eight message words.
#[inline]
#[target_feature(enable = "sha,avx")]
fn digest(start: State, end: State) -> [__m128i; 2] {
    let abef = _mm_shuffle_epi32::<0x1b>(_mm_add_epi32(start.abef, end.abef));
    let cdgh = _mm_shuffle_epi32::<0x1b>(_mm_add_epi32(start.cdgh, end.cdgh));
    [_mm_unpacklo_epi64(abef, cdgh), _mm_unpackhi_epi64(abef, cdgh)]
}

/// Two rounds with the two lower words of `kw`.
#[inline]
#[target_feature(enable = "sha,avx")]
fn two_rounds(state: State, kw: __m128i) -> State {
    State { abef: _mm_sha256rnds2_epu32(state.cdgh, state.abef, kw), cdgh: state.abef }
}

/// The schedule's four words number `group`, from the four groups before it.
#[inline]
#[target_feature(enable = "sha,avx")]
fn expand(ring: &[__m128i; 4], group: usize) -> __m128i {
    let [sixteen, twelve, eight, four] = std::array::from_fn(|i| ring[(group + i) % 4]);
    let seven = _mm_alignr_epi8::<4>(four, eight);
    _mm_sha256msg2_epu32(_mm_add_epi32(_mm_sha256msg1_epu32(sixteen, twelve), seven), four)
}

#[inline]
#[target_feature(enable = "sha,avx")]
fn high(kw: __m128i) -> __m128i {
    _mm_shuffle_epi32::<0x0e>(kw)
}

#[inline]
#[target_feature(enable = "sha,avx")]
fn k(group: usize) -> __m128i {
    words([K[4 * group], K[4 * group + 1], K[4 * group + 2], K[4 * group + 3]])
}

#[inline]
#[target_feature(enable = "sha,avx")]
fn words(words: [u32; 4]) -> __m128i {
    let [a, b, c, d] = words.map(|word| word as i32);
    _mm_setr_epi32(a, b, c, d)
}

#[inline]
#[target_feature(enable = "sha,avx")]
fn state([a, b, c, d, e, f, g, h]: [u32; 8]) -> State {
    State { abef: words([f, e, b, a]), cdgh: words([h, g, d, c]) }
}
