use super::*;
use proptest::prelude::*;

fn compact(bits: u32) -> CompactTarget {
    CompactTarget::from_bits(bits)
}

/// Core's `arith_uint256_tests`: what `SetCompact` reads, and `GetCompact` writes back.
#[test]
fn compact_targets_have_defined_edges() {
    // Zero in many forms, and negative numbers.
    for bits in [
        0,
        0x0012_3456,
        0x0100_3456,
        0x0200_0056,
        0x0300_0000,
        0x0400_0000,
        0x0092_3456,
        0x0180_3456,
        0x0280_0056,
        0x0380_0000,
        0x0480_0000,
        0x01fe_dcba,
        0x0492_3456,
    ] {
        assert_eq!(compact(bits).to_target(), None, "{bits:08x}");
    }
    // Overflow by length, and the longest that just fit.
    for bits in [0xff12_3456, 0x2300_0001, 0x2200_0100, 0x2101_0000, 0x2301_0000] {
        assert_eq!(compact(bits).to_target(), None, "{bits:08x}");
    }
    for bits in [0x2200_0001, 0x2200_00ff, 0x2100_0100, 0x2100_ffff, 0x2001_0000, 0x207f_ffff] {
        assert!(compact(bits).to_target().is_some(), "{bits:08x}");
    }
    for (bits, low, back) in [
        (0x0112_3456, 0x12, 0x0112_0000),
        (0x0212_3456, 0x1234, 0x0212_3400),
        (0x0312_3456, 0x12_3456, 0x0312_3456),
        (0x0412_3456, 0x1234_5600, 0x0412_3456),
        (0x0500_9234, 0x9234_0000, 0x0500_9234),
    ] {
        let target = compact(bits).to_target().unwrap();
        assert_eq!(target, Target(U256::from_u64(low)), "{bits:08x}");
        assert_eq!(target.to_compact(), compact(back), "{bits:08x}");
    }
    assert_eq!(Target(U256::from_u64(0x80)).to_compact(), compact(0x0200_8000), "a mantissa's top bit would be a sign");
    assert_eq!(Target(U256::MAX).to_compact(), compact(0x2100_ffff));
}

#[test]
fn known_numbers_of_bitcoin() {
    let limit = compact(0x1d00_ffff).to_target().unwrap();
    assert_eq!(limit.to_string(), format!("00000000ffff{}", "0".repeat(52)));
    assert_eq!(limit.work().to_string(), format!("{:064x}", 0x1_0001_0001_u64));
    assert_eq!(compact(0x207f_ffff).to_target().unwrap().work().to_string(), format!("{:064x}", 2));
    assert_eq!(limit.difficulty(), 1.0);
    // Core's rpc_blockchain tests hold `difficulty` to these.
    for (bits, difficulty) in [(0x1f11_1111, 0.000_001), (0x1234_5678, 5_913_134_931_067_755_359_633_408.0)] {
        let found = compact(bits).to_target().unwrap().difficulty();
        assert!((found - difficulty).abs() <= difficulty * 1e-9 + 0.000_001, "{bits:08x}: {found}");
    }
}

#[test]
fn a_hash_equal_to_the_target_meets_it() {
    let target = compact(0x1d00_ffff).to_target().unwrap();
    let hash = |target: Target| {
        let mut bytes = target.to_be_bytes();
        bytes.reverse();
        BlockHash::from_bytes(bytes)
    };
    assert!(target.is_met_by(&hash(target)));
    assert!(!target.is_met_by(&hash(Target(target.0.overflowing_add(U256::ONE).0))));
    assert!(target.is_met_by(&BlockHash::ZERO));
    // The first byte of a hash is its least significant.
    let mut low = [0; 32];
    low[0] = 0xff;
    assert!(target.is_met_by(&BlockHash::from_bytes(low)));
    low.reverse();
    assert!(!target.is_met_by(&BlockHash::from_bytes(low)));
}

#[test]
fn work_adds_up_and_saturates() {
    let most = Work(U256::MAX);
    let one = Target(U256::MAX).work();
    assert_eq!(one.to_f64(), 1.0);
    assert_eq!(most.saturating_add(one), most);
    assert_eq!(Work::ZERO.saturating_sub(one), Work::ZERO);
    assert_eq!(most.saturating_sub(most), Work::ZERO);
    assert_eq!(Work::from_be_bytes(most.to_be_bytes()), most);
    assert_eq!(Target(U256::default()).work(), most, "a target of zero cannot be met");
}

/// A number as bits, least significant first: the slow model of every operation below.
fn digits(value: U256) -> Vec<bool> {
    (0..256).map(|bit| value.0[3 - bit / 64] >> (bit % 64) & 1 == 1).collect()
}
fn from_digits(digits: &[bool]) -> Option<U256> {
    let mut value = U256::default();
    for (bit, _) in digits.iter().enumerate().filter(|(_, digit)| **digit) {
        *value.0.iter_mut().rev().nth(bit / 64)? |= 1 << (bit % 64);
    }
    Some(value)
}
fn times(value: &[bool], by: u64) -> Vec<bool> {
    let mut product = vec![false; value.len() + 64];
    for place in (0..64).filter(|place| by >> place & 1 == 1) {
        let mut carry = false;
        for (index, digit) in product.iter_mut().enumerate().skip(place) {
            let other = value.get(index - place).copied().unwrap_or(false);
            let sum = u8::from(*digit) + u8::from(other) + u8::from(carry);
            (*digit, carry) = (sum & 1 == 1, sum > 1);
        }
    }
    product
}
fn over(value: &[bool], divisor: u64) -> Vec<bool> {
    let (mut quotient, mut rest) = (vec![false; value.len()], 0_u128);
    for (index, digit) in value.iter().enumerate().rev() {
        rest = rest << 1 | u128::from(*digit);
        if rest >= u128::from(divisor) {
            rest -= u128::from(divisor);
            quotient[index] = true;
        }
    }
    quotient
}

/// Numbers of every length, not only long ones.
fn number() -> impl Strategy<Value = U256> {
    (any::<[u64; 4]>(), 0_u32..=256).prop_map(|(limbs, shift)| U256(limbs).shr(shift))
}

proptest! {
    #[test]
    fn shifts_move_bits(value in number(), shift in 0_u32..300) {
        let (left, right) = (digits(value.shl(shift)), digits(value.shr(shift)));
        let original = digits(value);
        for (bit, digit) in original.iter().enumerate() {
            let bit = bit as i64;
            let at = |digits: &[bool], place: i64| usize::try_from(place).ok().and_then(|place| digits.get(place).copied());
            prop_assert!(at(&left, bit + i64::from(shift)).is_none_or(|moved| moved == *digit));
            prop_assert!(at(&right, bit - i64::from(shift)).is_none_or(|moved| moved == *digit));
        }
        prop_assert_eq!(original.iter().rposition(|digit| *digit).map_or(0, |top| top as u32 + 1), value.bits());
    }
    #[test]
    fn mul_div_equals_the_slow_model(value in number(), by in any::<u64>(), divisor in 1..=u64::MAX) {
        let model = over(&times(&digits(value), by), divisor);
        prop_assert_eq!(value.mul_div(by, divisor), from_digits(&model));
    }
    #[test]
    fn mul_shift_equals_the_slow_model(value in number(), by in any::<u64>(), shift in -400_i64..400) {
        let product = times(&digits(value), by);
        let model: Vec<bool> = if shift >= 0 {
            std::iter::repeat_n(false, shift as usize).chain(product).collect()
        } else {
            product.into_iter().skip(shift.unsigned_abs() as usize).collect()
        };
        prop_assert_eq!(value.mul_shift(by, shift), from_digits(&model));
    }
    #[test]
    fn division_undoes_multiplication(value in number(), divisor in number(), by in 1..=u64::MAX) {
        prop_assume!(!divisor.is_zero());
        let quotient = value.div(divisor);
        if quotient.is_zero() {
            prop_assert!(value < divisor);
        }
        prop_assert_eq!(Some(value.div(U256::from_u64(by))), value.mul_div(1, by));
    }
    #[test]
    fn order_is_the_numbers_order(one in number(), other in number()) {
        prop_assert_eq!(one.cmp(&other), one.to_be_bytes().cmp(&other.to_be_bytes()));
        let (difference, borrow) = one.overflowing_sub(other);
        prop_assert_eq!(borrow, one < other);
        prop_assert_eq!(difference.overflowing_add(other).0, one);
    }
}
