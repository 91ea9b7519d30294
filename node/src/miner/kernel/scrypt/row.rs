//! Rows of Salsa20's diagonal form: four words of one hash, or of several side by side in a register.
//!
//! A quarter of a register belongs to one hash, and nothing but loads and stores crosses its borders. [`Portable`] is for
//! any processor: the compiler makes vector instructions of it where the target has them. The other implementations are
//! `unsafe` for one reason: they must be inlined into a function that has the instructions, on a processor that has them.

#![allow(unsafe_code, unsafe_op_in_unsafe_fn)]

/// The most hashes in a row.
pub const HASHES_MAX: usize = 4;

/// Rows of [`Row::HASHES`] hashes, four words each.
pub trait Row: Copy {
    /// How many hashes, up to [`HASHES_MAX`].
    const HASHES: usize;
    /// Reads the row of each hash at its place.
    unsafe fn gather(place: impl Fn(usize) -> *const [u32; 4]) -> Self;
    /// Writes the row of each hash to its place.
    unsafe fn scatter(self, place: impl FnMut(usize) -> *mut [u32; 4]);
    /// The first word of each hash; what is beyond [`Row::HASHES`] means nothing.
    unsafe fn first_words(self) -> [u32; HASHES_MAX];
    /// Word by word.
    unsafe fn xor(self, other: Self) -> Self;
    /// Word by word, modulo 2³².
    unsafe fn add(self, other: Self) -> Self;
    /// Each word's bits to the left by `LEFT`; `RIGHT` is the rest to 32.
    unsafe fn rotate_left<const LEFT: i32, const RIGHT: i32>(self) -> Self;
    /// Words one place down in each hash's four: the second becomes the first.
    unsafe fn turn_1(self) -> Self;
    /// Words two places on.
    unsafe fn turn_2(self) -> Self;
    /// Words three places down, which is one up.
    unsafe fn turn_3(self) -> Self;
}

/// One hash on any processor.
#[derive(Clone, Copy)]
pub struct Portable([u32; 4]);

impl Row for Portable {
    const HASHES: usize = 1;
    #[inline(always)]
    unsafe fn gather(place: impl Fn(usize) -> *const [u32; 4]) -> Self {
        Portable(*place(0))
    }
    #[inline(always)]
    unsafe fn scatter(self, mut place: impl FnMut(usize) -> *mut [u32; 4]) {
        *place(0) = self.0;
    }
    #[inline(always)]
    unsafe fn first_words(self) -> [u32; HASHES_MAX] {
        self.0
    }
    #[inline(always)]
    unsafe fn xor(self, other: Self) -> Self {
        Portable(std::array::from_fn(|i| self.0[i] ^ other.0[i]))
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        Portable(std::array::from_fn(|i| self.0[i].wrapping_add(other.0[i])))
    }
    #[inline(always)]
    unsafe fn rotate_left<const LEFT: i32, const RIGHT: i32>(self) -> Self {
        Portable(self.0.map(|word| word.rotate_left(LEFT as u32)))
    }
    #[inline(always)]
    unsafe fn turn_1(self) -> Self {
        let [a, b, c, d] = self.0;
        Portable([b, c, d, a])
    }
    #[inline(always)]
    unsafe fn turn_2(self) -> Self {
        let [a, b, c, d] = self.0;
        Portable([c, d, a, b])
    }
    #[inline(always)]
    unsafe fn turn_3(self) -> Self {
        let [a, b, c, d] = self.0;
        Portable([d, a, b, c])
    }
}
