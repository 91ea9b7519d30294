//! The AVX-512 kernel: the [`vector`](super::vector) double hash in sixteen lanes.
//!
//! Three-operand logic makes Ch, Maj and each three-way xor one instruction, rotation is one, and a broadcast operand
//! is part of the addition. How many streams pay depends on the processor's width and latency, so several forms are
//! offered to the self-timing: processors with 512-bit units and a latency of 2 want three in the first hash, and a
//! third in the second would no longer fit the 32 registers.

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
    if is_x86_feature_detected!("avx512f") {
        const {
            &[
                Variant::of_registers("16 lanes, 2 streams", scan::<2, 2>),
                Variant::of_registers("16 lanes, 3 and 2 streams", scan::<3, 2>),
                Variant::of_registers("16 lanes, 2 and 1 streams", scan::<2, 1>),
                Variant::of_registers("16 lanes, 1 stream", scan::<1, 1>),
            ]
        }
    } else {
        &[]
    }
}

fn scan<const FIRST: usize, const SECOND: usize>(search: &Search, range: Range<u64>, hits: &mut Hits) {
    scan_in_batches(search, range, NONCES, hits, |nonces, hits| {
        // SAFETY: only `variants` gives this function away, after it has seen that the processor has AVX-512F.
        unsafe { scan_lanes::<FIRST, SECOND>(search, nonces, hits) }
    });
}

/// # Safety
/// The processor must have AVX-512F.
#[target_feature(enable = "avx512f")]
unsafe fn scan_lanes<const FIRST: usize, const SECOND: usize>(search: &Search, nonces: Range<u64>, hits: &mut Hits) {
    scan_batches::<__m512i, FIRST, SECOND>(search, nonces, hits);
}

impl Vector for __m512i {
    const LANES: usize = 16;

    #[inline(always)]
    unsafe fn splat(word: u32) -> Self {
        _mm512_set1_epi32(word as i32)
    }

    #[inline(always)]
    unsafe fn load(from: *const u32) -> Self {
        _mm512_loadu_si512(from.cast())
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut u32) {
        _mm512_storeu_si512(to.cast(), self);
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        _mm512_add_epi32(self, other)
    }

    #[inline(always)]
    unsafe fn big_sigma_0(self) -> Self {
        xor3(_mm512_ror_epi32::<2>(self), _mm512_ror_epi32::<13>(self), _mm512_ror_epi32::<22>(self))
    }

    #[inline(always)]
    unsafe fn big_sigma_1(self) -> Self {
        xor3(_mm512_ror_epi32::<6>(self), _mm512_ror_epi32::<11>(self), _mm512_ror_epi32::<25>(self))
    }

    #[inline(always)]
    unsafe fn small_sigma_0(self) -> Self {
        xor3(_mm512_ror_epi32::<7>(self), _mm512_ror_epi32::<18>(self), _mm512_srli_epi32::<3>(self))
    }

    #[inline(always)]
    unsafe fn small_sigma_1(self) -> Self {
        xor3(_mm512_ror_epi32::<17>(self), _mm512_ror_epi32::<19>(self), _mm512_srli_epi32::<10>(self))
    }

    #[inline(always)]
    unsafe fn choice(e: Self, f: Self, g: Self) -> Self {
        _mm512_ternarylogic_epi32::<0xca>(e, f, g)
    }

    #[inline(always)]
    unsafe fn majority(a: Self, b: Self, c: Self) -> Self {
        _mm512_ternarylogic_epi32::<0xe8>(a, b, c)
    }

    #[inline(always)]
    unsafe fn keep(self) -> Self {
        opaque(self)
    }

    #[inline(always)]
    unsafe fn lanes_without(self, mask: Self) -> u32 {
        u32::from(_mm512_testn_epi32_mask(self, mask))
    }
}

#[inline(always)]
unsafe fn xor3(x: __m512i, y: __m512i, z: __m512i) -> __m512i {
    _mm512_ternarylogic_epi32::<0x96>(x, y, z)
}

/// The same value, of which the compiler knows nothing. (Registers of this class need the feature on the function.)
#[inline]
#[target_feature(enable = "avx512f")]
fn opaque(mut x: __m512i) -> __m512i {
    // SAFETY: no instruction at all.
    unsafe { asm!("/* {0} */", inout(zmm_reg) x, options(pure, nomem, nostack, preserves_flags)) };
    x
}
