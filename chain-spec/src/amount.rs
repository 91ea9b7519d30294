//! Amounts of coin. No `+`: every sum is checked, because an unchecked one made 184 billion coins in 2010 (CVE-2010-5139).

/// An amount in base units (1 coin = 10⁸ units). Any `u64` can be represented, since any can arrive on the wire;
/// [`Amount::is_money`] says whether it is within the cap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(u64);

/// Why a decimal amount could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseAmountError {
    /* helper fills in */
    /// x
    #[error("x")]
    Empty,
}

impl Amount {
    /// Nothing.
    pub const ZERO: Amount = Amount(0);
    /// One coin, 10⁸ units.
    pub const COIN: Amount = Amount(100_000_000);
    /// The cap: 21 million coins (Core: `MAX_MONEY`).
    pub const MAX_MONEY: Amount = Amount(21_000_000 * 100_000_000);
    /// From base units.
    pub const fn from_units(units: u64) -> Amount {
        Amount(units)
    }
    /// In base units.
    pub const fn units(self) -> u64 {
        self.0
    }
    /// Within the cap (Core: `MoneyRange`).
    pub const fn is_money(self) -> bool {
        self.0 <= Self::MAX_MONEY.0
    }
    /// The sum, unless it overflows.
    pub const fn checked_add(self, _other: Amount) -> Option<Amount> {
        todo!()
    }
    /// The difference, unless it is negative.
    pub const fn checked_sub(self, _other: Amount) -> Option<Amount> {
        todo!()
    }
    /// The product, unless it overflows.
    pub const fn checked_mul(self, _by: u64) -> Option<Amount> {
        todo!()
    }
    /// The sum of many, unless it overflows.
    pub fn checked_sum(_amounts: impl IntoIterator<Item = Amount>) -> Option<Amount> {
        todo!()
    }
}
/// Decimal coins, always eight places: `12.50000000`.
impl std::fmt::Display for Amount {
    fn fmt(&self, _f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        todo!()
    }
}
/// Decimal coins, at most eight places, no sign, no exponent; at most the cap.
impl std::str::FromStr for Amount {
    type Err = ParseAmountError;
    fn from_str(_s: &str) -> Result<Self, Self::Err> {
        todo!()
    }
}
