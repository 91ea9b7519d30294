//! The sum u₁·G + u₂·Q of two multiples of points, which is most of the cost of checking a signature (libsecp256k1:
//! `ecmult`).
//!
//! k256's own function takes any two points. Here one of them is always the generator G, so that a table of its odd multiples
//! can be made once: it is wide enough to halve the additions, and its points are in affine form, which makes each addition
//! cheaper. The rest is as usual: both numbers are split
//! in halves by the curve's endomorphism λ·(x, y) = (β·x, y) (Gallant, Lambert and Vanstone 2001; Guide to Elliptic Curve
//! Cryptography, algorithm 3.74), the four halves written in signed digits most of which are zero (ibid., algorithm 3.35),
//! and their doublings shared (ibid., algorithm 3.51). Points are added and doubled by k256.
//!
//! The time it takes depends on the numbers, so it must not be used with a secret: never for signing.

use k256::elliptic_curve::ops::Reduce;
use k256::elliptic_curve::point::BatchNormalize;
use k256::elliptic_curve::scalar::IsHigh;
use k256::{AffinePoint, ProjectivePoint, Scalar, U256};
use std::sync::LazyLock;

/// Bits of a digit of the generator's numbers: 512 odd multiples of G and as many of λ·G, 88 KiB.
const GENERATOR_WIDTH: u32 = 11;
/// Bits of a digit of the other point's numbers: eight odd multiples, made for each signature.
const POINT_WIDTH: u32 = 5;
const POINT_MULTIPLES: usize = 1 << (POINT_WIDTH - 2);
/// Digits of a half: its bits, and one for a carry.
const DIGITS: usize = u128::BITS as usize + 1;

/// λ, a cube root of one modulo the group's order n.
const LAMBDA: U256 = U256::from_be_hex("5363ad4cc05c30e0a5261c028812645a122e22ea20816678df02967c1b23bd72");
/// Of the two short vectors (a₁, b₁) and (a₂, b₂) with a + λ·b = 0 modulo n: −b₁.
const MINUS_B1: u128 = 0xe443_7ed6_010e_8828_6f54_7fa9_0abf_e4c3;
/// And b₂.
const B2: u128 = 0x3086_d221_a7d4_6bcd_e86c_90e4_9284_eb15;
/// 2³⁸⁴·b₂ / n, rounded.
const B2_OVER_N: U256 = U256::from_be_hex("3086d221a7d46bcde86c90e49284eb153daa8a1471e8ca7fe893209a45dbb031");
/// 2³⁸⁴·(−b₁) / n, rounded.
const MINUS_B1_OVER_N: U256 = U256::from_be_hex("e4437ed6010e88286f547fa90abfe4c4221208ac9df506c61571b4ae8ac47f71");

/// Odd multiples 1, 3, 5, … of the generator, and λ times each.
static GENERATOR: LazyLock<(Vec<AffinePoint>, Vec<AffinePoint>)> = LazyLock::new(|| {
    let multiples = odd_multiples::<{ 1 << (GENERATOR_WIDTH - 2) }>(ProjectivePoint::GENERATOR);
    let endomorphic: Vec<ProjectivePoint> = multiples.iter().map(ProjectivePoint::endomorphism).collect();
    let affine = <ProjectivePoint as BatchNormalize<[_]>>::batch_normalize_vartime;
    (affine(multiples.as_slice()), affine(endomorphic.as_slice()))
});

/// `generator_times`·G + `point_times`·`point`.
pub(super) fn ecmult(generator_times: &Scalar, point_times: &Scalar, point: &ProjectivePoint) -> ProjectivePoint {
    let (generator, generator_endomorphic) = &*GENERATOR;
    let multiples = odd_multiples::<POINT_MULTIPLES>(*point);
    let endomorphic = multiples.map(|multiple| multiple.endomorphism());
    let generator_digits = split(generator_times).map(|half| Digits::new(half, GENERATOR_WIDTH));
    let point_digits = split(point_times).map(|half| Digits::new(half, POINT_WIDTH));
    let longest = generator_digits.iter().chain(&point_digits).map(|digits| digits.len).max().unwrap_or(0);

    let mut sum = ProjectivePoint::IDENTITY;
    for place in (0..longest).rev() {
        sum.double_in_place();
        for (digits, multiples) in generator_digits.iter().zip([generator, generator_endomorphic]) {
            match digits.at(place) {
                Digit::Zero => {}
                Digit::Plus(index) => sum += &multiples[index],
                Digit::Minus(index) => sum -= &multiples[index],
            }
        }
        for (digits, multiples) in point_digits.iter().zip([&multiples, &endomorphic]) {
            match digits.at(place) {
                Digit::Zero => {}
                Digit::Plus(index) => sum += &multiples[index],
                Digit::Minus(index) => sum -= &multiples[index],
            }
        }
    }
    sum
}

/// `point` times 1, 3, 5, …
fn odd_multiples<const COUNT: usize>(point: ProjectivePoint) -> [ProjectivePoint; COUNT] {
    let twice = point.double();
    let mut next = point;
    std::array::from_fn(|_| {
        let multiple = next;
        next += twice;
        multiple
    })
}

/// A number of at most 128 bits with its sign.
#[derive(Clone, Copy, Debug)]
struct Half {
    is_negative: bool,
    magnitude: u128,
}

/// Two halves k₁, k₂ with k₁ + λ·k₂ = k modulo n. Rounding leaves |k₁| ≤ (a₁ + a₂ + 1) / 2 and |k₂| ≤ (b₂ − b₁ + 1) / 2, up to
/// less than 2⁻¹²⁷ of either; the larger bound is below 0.64 · 2¹²⁸.
fn split(number: &Scalar) -> [Half; 2] {
    let wide = U256::from(number);
    let (c1, c2) = (multiply_and_shift(&wide, &B2_OVER_N), multiply_and_shift(&wide, &MINUS_B1_OVER_N));
    let second = Scalar::from(c1) * Scalar::from(MINUS_B1) - Scalar::from(c2) * Scalar::from(B2);
    let first = number - &(second * <Scalar as Reduce<U256>>::reduce(&LAMBDA));
    [half(first), half(second)]
}

/// The product divided by 2³⁸⁴, rounded.
fn multiply_and_shift(a: &U256, b: &U256) -> u128 {
    let bytes = a.widening_mul(b).1.to_be_bytes();
    let (high, low) = bytes.as_ref().split_at(16);
    let number = |bytes: &[u8]| bytes.iter().fold(0_u128, |number, byte| number << 8 | u128::from(*byte));
    number(high) + (number(low) >> 127)
}

fn half(number: Scalar) -> Half {
    let is_negative = bool::from(number.is_high());
    let bytes = if is_negative { -number } else { number }.to_bytes();
    let (high, low) = bytes.split_at(16);
    debug_assert!(high.iter().all(|byte| *byte == 0), "a half is short");
    Half { is_negative, magnitude: low.iter().fold(0, |number, byte| number << 8 | u128::from(*byte)) }
}

/// A half in signed odd digits, each followed by zeros for the rest of its width (width-w non-adjacent form).
struct Digits {
    digits: [i16; DIGITS],
    /// Places up to the highest digit that is not zero.
    len: usize,
}

/// A digit, as the index of its multiple in a table of odd ones.
enum Digit {
    Zero,
    Plus(usize),
    Minus(usize),
}

impl Digits {
    fn new(half: Half, width: u32) -> Digits {
        let mut digits = [0; DIGITS];
        let (mut rest, mut place, mut len) = (half.magnitude, 0, 0);
        while rest != 0 {
            place += rest.trailing_zeros() as usize;
            rest >>= rest.trailing_zeros();
            // The odd number in (−2^(width − 1), 2^(width − 1)) that leaves `width` zeros behind.
            let low = (rest & ((1 << width) - 1)) as i16;
            let digit = if low >= 1 << (width - 1) { low - (1 << width) } else { low };
            // Cannot overflow: the magnitude is below 0.64 · 2¹²⁸.
            rest = rest.wrapping_sub_signed(i128::from(digit));
            digits[place] = if half.is_negative { -digit } else { digit };
            len = place + 1;
        }
        Digits { digits, len }
    }

    fn at(&self, place: usize) -> Digit {
        match self.digits[place] {
            0 => Digit::Zero,
            digit if digit > 0 => Digit::Plus(digit as usize / 2),
            digit => Digit::Minus(digit.unsigned_abs() as usize / 2),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k256::elliptic_curve::ops::MulByGeneratorVartime;

    /// Numbers at the edges of digits, halves and the group, and many drawn at random.
    fn numbers() -> Vec<Scalar> {
        let lambda = <Scalar as Reduce<U256>>::reduce(&LAMBDA);
        let mut numbers = vec![Scalar::ZERO, Scalar::ONE, -Scalar::ONE, lambda, -lambda, lambda * lambda];
        for bit in (0..256).step_by(5) {
            let power = <Scalar as Reduce<U256>>::reduce(&U256::ONE.shl_vartime(bit));
            numbers.extend([power, -power, power - Scalar::ONE, power * lambda, power + lambda]);
        }
        for seed in 0..64_u8 {
            let digest = crate::hash::sha256d(&[seed]);
            numbers.push(<Scalar as Reduce<U256>>::reduce(&U256::from_be_slice(&digest)));
        }
        numbers
    }

    fn signed(half: Half) -> Scalar {
        let magnitude = Scalar::from(half.magnitude);
        if half.is_negative { -magnitude } else { magnitude }
    }

    #[test]
    fn halves_make_the_number_and_are_short() {
        let lambda = <Scalar as Reduce<U256>>::reduce(&LAMBDA);
        assert_eq!(lambda * lambda * lambda, Scalar::ONE);
        for number in numbers() {
            let [first, second] = split(&number);
            assert_eq!(signed(first) + signed(second) * lambda, number);
            assert!(first.magnitude <= 0xa2a8_918c_a85b_afe2_2016_d0b9_17e4_dd77 + 1);
            assert!(second.magnitude <= 0x8a65_287b_d471_79fb_2be0_8846_cea2_67ed + 1);
        }
    }

    #[test]
    fn digits_make_the_half_and_keep_their_distance() {
        for width in [POINT_WIDTH, GENERATOR_WIDTH] {
            for half in numbers().iter().flat_map(split) {
                let digits = Digits::new(half, width);
                let mut sum = Scalar::ZERO;
                let mut free_from = DIGITS;
                for place in (0..DIGITS).rev() {
                    sum = sum + sum;
                    let digit = digits.digits[place];
                    let magnitude = Scalar::from(u64::from(digit.unsigned_abs()));
                    sum = if digit < 0 { sum - magnitude } else { sum + magnitude };
                    if digit != 0 {
                        assert!(digit & 1 == 1 && digit.unsigned_abs() < 1 << (width - 1));
                        assert!(place < digits.len && (free_from == DIGITS || place + width as usize <= free_from));
                        free_from = place;
                    }
                }
                assert_eq!(sum, signed(half));
            }
        }
    }

    #[test]
    fn the_sum_is_the_librarys() {
        let numbers = numbers();
        let shifted = numbers.iter().cycle().skip(numbers.len() / 3);
        for ((a, b), point) in numbers.iter().zip(shifted).zip(numbers.iter().rev()) {
            let point = ProjectivePoint::mul_by_generator(point);
            let expected = ProjectivePoint::mul_by_generator_and_mul_add_vartime(a, b, &point);
            assert_eq!(ecmult(a, b, &point), expected, "{a:?} {b:?}");
        }
    }

    #[test]
    fn terms_that_cancel_or_coincide_are_added_too() {
        let generator = ProjectivePoint::GENERATOR;
        for number in numbers() {
            assert_eq!(ecmult(&number, &-number, &generator), ProjectivePoint::IDENTITY);
            assert_eq!(ecmult(&number, &number, &generator), ProjectivePoint::mul_by_generator(&(number + number)));
            assert_eq!(ecmult(&Scalar::ZERO, &number, &ProjectivePoint::IDENTITY), ProjectivePoint::IDENTITY);
        }
    }
}
