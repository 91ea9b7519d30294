//! Unsigned integers of 256 and 512 bits, as far as targets and work need them. Limbs are most significant first, so that
//! the derived order is the numbers' order.

/// 256 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct U256(pub [u64; 4]);

impl U256 {
    pub const ONE: U256 = U256([0, 0, 0, 1]);
    pub const MAX: U256 = U256([u64::MAX; 4]);

    pub fn from_be_bytes(bytes: [u8; 32]) -> U256 {
        let mut limbs = [0; 4];
        for (limb, bytes) in limbs.iter_mut().zip(bytes.as_chunks::<8>().0) {
            *limb = u64::from_be_bytes(*bytes);
        }
        U256(limbs)
    }
    pub fn to_be_bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for (bytes, limb) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(self.0) {
            *bytes = limb.to_be_bytes();
        }
        bytes
    }
    pub fn from_u64(value: u64) -> U256 {
        U256([0, 0, 0, value])
    }
    pub fn is_zero(self) -> bool {
        self == U256::default()
    }
    /// Number of bits without leading zeros.
    pub fn bits(self) -> u32 {
        match self.0.iter().position(|limb| *limb != 0) {
            Some(index) => 64 * (4 - index as u32) - self.0[index].leading_zeros(),
            None => 0,
        }
    }
    pub fn not(self) -> U256 {
        U256(self.0.map(|limb| !limb))
    }
    pub fn overflowing_add(self, other: U256) -> (U256, bool) {
        let (mut sum, mut carry) = ([0; 4], false);
        for index in (0..4).rev() {
            (sum[index], carry) = self.0[index].carrying_add(other.0[index], carry);
        }
        (U256(sum), carry)
    }
    pub fn overflowing_sub(self, other: U256) -> (U256, bool) {
        let (mut difference, mut borrow) = ([0; 4], false);
        for index in (0..4).rev() {
            (difference[index], borrow) = self.0[index].borrowing_sub(other.0[index], borrow);
        }
        (U256(difference), borrow)
    }
    /// Shifted left, what leaves the top is lost.
    pub fn shl(self, shift: u32) -> U256 {
        let (limbs, bits) = ((shift / 64) as usize, shift % 64);
        let mut out = [0; 4];
        for (index, limb) in out.iter_mut().enumerate() {
            let high = self.0.get(index + limbs).copied().unwrap_or(0);
            let low = self.0.get(index + limbs + 1).copied().unwrap_or(0);
            *limb = if bits == 0 { high } else { high << bits | low >> (64 - bits) };
        }
        U256(out)
    }
    /// Shifted right.
    pub fn shr(self, shift: u32) -> U256 {
        let (limbs, bits) = ((shift / 64) as usize, shift % 64);
        let limb_at = |index: usize, back: usize| index.checked_sub(back).map_or(0, |index| self.0[index]);
        let mut out = [0; 4];
        for (index, limb) in out.iter_mut().enumerate() {
            let low = limb_at(index, limbs);
            let high = limb_at(index, limbs + 1);
            *limb = if bits == 0 { low } else { low >> bits | high << (64 - bits) };
        }
        U256(out)
    }
    /// The quotient, by long division in base 2; its length is the quotient's, which is short for real targets.
    /// `divisor` must not be zero.
    pub fn div(self, divisor: U256) -> U256 {
        let Some(top) = self.bits().checked_sub(divisor.bits()) else { return U256::default() };
        let (mut quotient, mut rest, mut part) = (U256::default(), self, divisor.shl(top));
        for bit in (0..=top).rev() {
            if part <= rest {
                rest = rest.overflowing_sub(part).0;
                quotient.0[3 - (bit / 64) as usize] |= 1 << (bit % 64);
            }
            part = part.shr(1);
        }
        quotient
    }
    /// `self * by / over`, exactly, or `None` when the result needs more than 256 bits. `over` must not be zero.
    pub fn mul_div(self, by: u64, over: u64) -> Option<U256> {
        let (mut product, mut carry) = ([0_u64; 5], 0);
        for index in (0..4).rev() {
            (product[index + 1], carry) = self.0[index].carrying_mul(by, carry);
        }
        product[0] = carry;
        let mut rest = 0;
        for limb in &mut product {
            let value = u128::from(rest) << 64 | u128::from(*limb);
            *limb = (value / u128::from(over)) as u64;
            rest = (value % u128::from(over)) as u64;
        }
        let [0, limbs @ ..] = product else { return None };
        Some(U256(limbs))
    }
    /// `self * by * 2^shift`, rounded down, or `None` when the result needs more than 256 bits.
    pub fn mul_shift(self, by: u64, shift: i64) -> Option<U256> {
        let (mut product, mut carry) = ([0_u64; 4], 0);
        for index in (0..4).rev() {
            (product[index], carry) = self.0[index].carrying_mul(by, carry);
        }
        let low = U256(product);
        if shift >= 0 {
            let fits = carry == 0 && i64::from(256 - low.bits()) >= shift;
            return if low.is_zero() && carry == 0 { Some(low) } else { fits.then(|| low.shl(shift as u32)) };
        }
        // The product has 320 bits: shift the low part down and bring the carry's bits in above it.
        let down = shift.unsigned_abs();
        if down >= 320 {
            return Some(U256::default());
        }
        let down = down as u32;
        let high = U256::from_u64(carry);
        if down < 256 {
            let moved = 256 - down;
            if high.bits() > down {
                return None;
            }
            Some(U256(std::array::from_fn(|index| low.shr(down).0[index] | high.shl(moved).0[index])))
        } else {
            Some(high.shr(down - 256))
        }
    }
    /// Rounded.
    pub fn to_f64(self) -> f64 {
        self.0.iter().fold(0.0, |value, limb| value * 2_f64.powi(64) + *limb as f64)
    }
}
