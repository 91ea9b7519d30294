//! Fee rates as exact fractions: two are compared by cross-multiplication, never rounded.

use chain_spec::Amount;
use std::cmp::Ordering;

/// Units per byte.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FeeRate {
    fee: u64,
    size: u64,
}

impl FeeRate {
    /// A fee over a size in bytes, which is never zero for a transaction.
    pub(crate) fn new(fee: Amount, size: usize) -> FeeRate {
        FeeRate { fee: fee.units(), size: (size as u64).max(1) }
    }
    /// Units per 1,000 bytes, rounded up.
    pub(crate) fn per_1000(self) -> u64 {
        fee_at(1_000, self.fee, self.size)
    }
}

/// The fee a size of bytes owes at `rate` units per 1,000 bytes, rounded up (Core: `CFeeRate::GetFee`).
pub(crate) fn fee_for(size: usize, rate_per_1000: u64) -> Amount {
    Amount::from_units(fee_at(size as u64, rate_per_1000, 1_000))
}

fn fee_at(size: u64, fee: u64, per: u64) -> u64 {
    let exact = (u128::from(size) * u128::from(fee)).div_ceil(u128::from(per));
    u64::try_from(exact).unwrap_or(u64::MAX)
}

impl Ord for FeeRate {
    fn cmp(&self, other: &FeeRate) -> Ordering {
        (u128::from(self.fee) * u128::from(other.size)).cmp(&(u128::from(other.fee) * u128::from(self.size)))
    }
}
impl PartialOrd for FeeRate {
    fn partial_cmp(&self, other: &FeeRate) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl PartialEq for FeeRate {
    fn eq(&self, other: &FeeRate) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for FeeRate {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_compare_exactly_and_fees_round_up() {
        let rate = |fee, size| FeeRate::new(Amount::from_units(fee), size);
        assert!(rate(1_001, 1_000) > rate(1_000, 1_000));
        assert_eq!(rate(2, 4), rate(1, 2));
        assert_eq!(fee_for(191, 1_000).units(), 191);
        assert_eq!(fee_for(1, 1).units(), 1);
        assert_eq!(fee_for(usize::MAX, u64::MAX).units(), u64::MAX);
        assert_eq!(rate(191, 191).per_1000(), 1_000);
    }
}
