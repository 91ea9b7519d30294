//! The AVX2 kernel: the [`vector`](super::vector) double hash in eight lanes.
//!
//! The sixteen versions of a nonce are two vectors. There is no rotation: it is two shifts and an xor, so each word
//! costs more than twice the instructions of AVX-512.

#![allow(unsafe_code, unsafe_op_in_unsafe_fn)]

use std::{
    arch::{asm, x86_64::*},
    ops::Range,
};

use super::{
    Variant,
    batches::scan_in_batches,
    search::{Hits, Search},
    vector::{NONCES, Vector, scan_batches},
};

/// The forms this processor can run.
pub fn variants() -> &'static [Variant] {
    if is_x86_feature_detected!("avx2") {
        const {
            &[
                Variant::of_registers("8 lanes, 1 stream", scan::<1, 1>),
                Variant::of_registers("8 lanes, 2 and 1 streams", scan::<2, 1>),
                Variant::of_registers("8 lanes, 2 streams", scan::<2, 2>),
            ]
        }
    } else {
        &[]
    }
}

fn scan<const FIRST: usize, const SECOND: usize>(search: &Search, range: Range<u64>, hits: &mut Hits) {
    scan_in_batches(search, range, NONCES, hits, |nonces, hits| {
        // SAFETY: only `variants` gives this function away, after it has seen that the processor has AVX2.
        unsafe { scan_lanes::<FIRST, SECOND>(search, nonces, hits) }
    });
}

/// # Safety
/// The processor must have AVX2.
#[target_feature(enable = "avx2")]
unsafe fn scan_lanes<const FIRST: usize, const SECOND: usize>(search: &Search, nonces: Range<u64>, hits: &mut Hits) {
    scan_batches::<__m256i, FIRST, SECOND>(search, nonces, hits);
}

impl Vector for __m256i {
    const LANES: usize = 8;

    #[inline(always)]
    unsafe fn splat(word: u32) -> Self {
        _mm256_set1_epi32(word as i32)
    }

    #[inline(always)]
    unsafe fn load(from: *const u32) -> Self {
        _mm256_loadu_si256(from.cast())
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut u32) {
        _mm256_storeu_si256(to.cast(), self);
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        _mm256_add_epi32(self, other)
    }

    #[inline(always)]
    unsafe fn big_sigma_0(self) -> Self {
        xor3(rotate::<2, 30>(self), rotate::<13, 19>(self), rotate::<22, 10>(self))
    }

    #[inline(always)]
    unsafe fn big_sigma_1(self) -> Self {
        xor3(rotate::<6, 26>(self), rotate::<11, 21>(self), rotate::<25, 7>(self))
    }

    #[inline(always)]
    unsafe fn small_sigma_0(self) -> Self {
        xor3(rotate::<7, 25>(self), rotate::<18, 14>(self), _mm256_srli_epi32::<3>(self))
    }

    #[inline(always)]
    unsafe fn small_sigma_1(self) -> Self {
        xor3(rotate::<17, 15>(self), rotate::<19, 13>(self), _mm256_srli_epi32::<10>(self))
    }

    #[inline(always)]
    unsafe fn choice(e: Self, f: Self, g: Self) -> Self {
        _mm256_xor_si256(g, _mm256_and_si256(e, _mm256_xor_si256(f, g)))
    }

    #[inline(always)]
    unsafe fn majority(a: Self, b: Self, c: Self) -> Self {
        // a ^ b is next round's b ^ c.
        _mm256_xor_si256(b, _mm256_and_si256(_mm256_xor_si256(a, b), _mm256_xor_si256(b, c)))
    }

    #[inline(always)]
    unsafe fn keep(self) -> Self {
        opaque(self)
    }

    #[inline(always)]
    unsafe fn lanes_without(self, mask: Self) -> u32 {
        let zero = _mm256_cmpeq_epi32(_mm256_and_si256(self, mask), _mm256_setzero_si256());
        _mm256_movemask_ps(_mm256_castsi256_ps(zero)) as u32
    }
}

/// Rotation to the right by `RIGHT`, of which `LEFT` is the rest to 32.
#[inline(always)]
unsafe fn rotate<const RIGHT: i32, const LEFT: i32>(x: __m256i) -> __m256i {
    const { assert!(RIGHT + LEFT == 32) }
    _mm256_xor_si256(_mm256_srli_epi32::<RIGHT>(x), _mm256_slli_epi32::<LEFT>(x))
}

#[inline(always)]
unsafe fn xor3(x: __m256i, y: __m256i, z: __m256i) -> __m256i {
    _mm256_xor_si256(_mm256_xor_si256(x, y), z)
}

/// The same value, of which the compiler knows nothing. (Registers of this class need the feature on the function.)
#[inline]
#[target_feature(enable = "avx2")]
fn opaque(mut x: __m256i) -> __m256i {
    // SAFETY: no instruction at all.
    unsafe { asm!("/* {0} */", inout(ymm_reg) x, options(pure, nomem, nostack, preserves_flags)) };
    x
}
