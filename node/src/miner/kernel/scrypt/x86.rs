//! scrypt's rows in the registers of x86: two hashes with AVX2, four with AVX-512.

#![allow(unsafe_code, unsafe_op_in_unsafe_fn)]

use std::{arch::x86_64::*, ops::Range};

use super::{
    Block, Hits, Search, Variant,
    row::{HASHES_MAX, Row},
    scan, variant, with_memory,
};

/// The forms of AVX2 this processor can run.
pub fn avx2_variants() -> &'static [Variant] {
    if is_x86_feature_detected!("avx2") {
        const {
            &[
                variant::<__m256i, 3>("6 hashes", avx2::<3>),
                variant::<__m256i, 2>("4 hashes", avx2::<2>),
                variant::<__m256i, 1>("2 hashes", avx2::<1>),
            ]
        }
    } else {
        &[]
    }
}

/// The forms of AVX-512 this processor can run.
pub fn avx512_variants() -> &'static [Variant] {
    if is_x86_feature_detected!("avx512f") {
        const {
            &[
                variant::<__m512i, 2>("8 hashes", avx512::<2>),
                variant::<__m512i, 3>("12 hashes", avx512::<3>),
                variant::<__m512i, 1>("4 hashes", avx512::<1>),
            ]
        }
    } else {
        &[]
    }
}

fn avx2<const GROUPS: usize>(search: &Search, range: Range<u64>, hits: &mut Hits) {
    with_memory(<__m256i as Row>::HASHES * GROUPS, |memory| {
        // SAFETY: only `avx2_variants` gives this function away, after it has seen that the processor has AVX2.
        unsafe { scan_avx2::<GROUPS>(search, range, hits, memory) }
    });
}

fn avx512<const GROUPS: usize>(search: &Search, range: Range<u64>, hits: &mut Hits) {
    with_memory(<__m512i as Row>::HASHES * GROUPS, |memory| {
        // SAFETY: only `avx512_variants` gives this function away, after it has seen that the processor has AVX-512F.
        unsafe { scan_avx512::<GROUPS>(search, range, hits, memory) }
    });
}

/// # Safety
/// The processor must have AVX2.
#[target_feature(enable = "avx2")]
unsafe fn scan_avx2<const GROUPS: usize>(search: &Search, range: Range<u64>, hits: &mut Hits, memory: &mut [Block]) {
    scan::<__m256i, GROUPS>(search, range, hits, memory);
}

/// # Safety
/// The processor must have AVX-512F.
#[target_feature(enable = "avx512f")]
unsafe fn scan_avx512<const GROUPS: usize>(search: &Search, range: Range<u64>, hits: &mut Hits, memory: &mut [Block]) {
    scan::<__m512i, GROUPS>(search, range, hits, memory);
}

impl Row for __m256i {
    const HASHES: usize = 2;
    #[inline(always)]
    unsafe fn gather(place: impl Fn(usize) -> *const [u32; 4]) -> Self {
        _mm256_set_m128i(_mm_loadu_si128(place(1).cast()), _mm_loadu_si128(place(0).cast()))
    }
    #[inline(always)]
    unsafe fn scatter(self, mut place: impl FnMut(usize) -> *mut [u32; 4]) {
        _mm_storeu_si128(place(0).cast(), _mm256_castsi256_si128(self));
        _mm_storeu_si128(place(1).cast(), _mm256_extracti128_si256::<1>(self));
    }
    #[inline(always)]
    unsafe fn first_words(self) -> [u32; HASHES_MAX] {
        [_mm256_extract_epi32::<0>(self) as u32, _mm256_extract_epi32::<4>(self) as u32, 0, 0]
    }
    #[inline(always)]
    unsafe fn xor(self, other: Self) -> Self {
        _mm256_xor_si256(self, other)
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        _mm256_add_epi32(self, other)
    }
    #[inline(always)]
    unsafe fn rotate_left<const LEFT: i32, const RIGHT: i32>(self) -> Self {
        const { assert!(RIGHT + LEFT == 32) }
        _mm256_or_si256(_mm256_slli_epi32::<LEFT>(self), _mm256_srli_epi32::<RIGHT>(self))
    }
    #[inline(always)]
    unsafe fn turn_1(self) -> Self {
        _mm256_shuffle_epi32::<0x39>(self)
    }
    #[inline(always)]
    unsafe fn turn_2(self) -> Self {
        _mm256_shuffle_epi32::<0x4e>(self)
    }
    #[inline(always)]
    unsafe fn turn_3(self) -> Self {
        _mm256_shuffle_epi32::<0x93>(self)
    }
}

impl Row for __m512i {
    const HASHES: usize = 4;
    #[inline(always)]
    unsafe fn gather(place: impl Fn(usize) -> *const [u32; 4]) -> Self {
        let row = _mm512_castsi128_si512(_mm_loadu_si128(place(0).cast()));
        let row = _mm512_inserti32x4::<1>(row, _mm_loadu_si128(place(1).cast()));
        let row = _mm512_inserti32x4::<2>(row, _mm_loadu_si128(place(2).cast()));
        _mm512_inserti32x4::<3>(row, _mm_loadu_si128(place(3).cast()))
    }
    #[inline(always)]
    unsafe fn scatter(self, mut place: impl FnMut(usize) -> *mut [u32; 4]) {
        _mm_storeu_si128(place(0).cast(), _mm512_castsi512_si128(self));
        _mm_storeu_si128(place(1).cast(), _mm512_extracti32x4_epi32::<1>(self));
        _mm_storeu_si128(place(2).cast(), _mm512_extracti32x4_epi32::<2>(self));
        _mm_storeu_si128(place(3).cast(), _mm512_extracti32x4_epi32::<3>(self));
    }
    #[inline(always)]
    unsafe fn first_words(self) -> [u32; HASHES_MAX] {
        [
            _mm_cvtsi128_si32(_mm512_castsi512_si128(self)) as u32,
            _mm_cvtsi128_si32(_mm512_extracti32x4_epi32::<1>(self)) as u32,
            _mm_cvtsi128_si32(_mm512_extracti32x4_epi32::<2>(self)) as u32,
            _mm_cvtsi128_si32(_mm512_extracti32x4_epi32::<3>(self)) as u32,
        ]
    }
    #[inline(always)]
    unsafe fn xor(self, other: Self) -> Self {
        _mm512_xor_si512(self, other)
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        _mm512_add_epi32(self, other)
    }
    #[inline(always)]
    unsafe fn rotate_left<const LEFT: i32, const RIGHT: i32>(self) -> Self {
        _mm512_rol_epi32::<LEFT>(self)
    }
    #[inline(always)]
    unsafe fn turn_1(self) -> Self {
        _mm512_shuffle_epi32::<0x39>(self)
    }
    #[inline(always)]
    unsafe fn turn_2(self) -> Self {
        _mm512_shuffle_epi32::<0x4e>(self)
    }
    #[inline(always)]
    unsafe fn turn_3(self) -> Self {
        _mm512_shuffle_epi32::<0x93>(self)
    }
}
