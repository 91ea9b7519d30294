//! Amounts of coin. No `+`: every sum is checked, because an unchecked one made 184 billion coins in 2010 (CVE-2010-5139).
use std::fmt;
use std::str::FromStr;

/// Base units in one coin.
const UNITS_PER_COIN: u64 = 100_000_000;
/// Decimal places of one coin.
const DECIMALS: usize = 8;

/// An amount in base units (1 coin = 10⁸ units). Any `u64` can be represented, since any can arrive on the wire;
/// [`Amount::is_money`] says whether it is within the cap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(u64);

/// Why a decimal amount could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseAmountError {
    /// No text at all.
    #[error("an amount is missing: write coins as a decimal number, for example 12.5")]
    Empty,
    /// Something other than digits and one point.
    #[error("{0:?} is not an amount: write coins as a decimal number without sign or exponent, for example 12.5")]
    NotDecimal(String),
    /// More decimal places than a unit has.
    #[error("{0:?} has more than 8 decimal places: the smallest amount is 0.00000001")]
    TooPrecise(String),
    /// Above the cap.
    #[error("{0:?} is over the cap of 21000000 coins")]
    OverCap(String),
}

impl Amount {
    /// Nothing.
    pub const ZERO: Amount = Amount(0);
    /// One coin, 10⁸ units.
    pub const COIN: Amount = Amount(UNITS_PER_COIN);
    /// The cap: 21 million coins (Core: `MAX_MONEY`).
    pub const MAX_MONEY: Amount = Amount(21_000_000 * UNITS_PER_COIN);
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
    pub const fn checked_add(self, other: Amount) -> Option<Amount> {
        match self.0.checked_add(other.0) {
            Some(units) => Some(Amount(units)),
            None => None,
        }
    }
    /// The difference, unless it is negative.
    pub const fn checked_sub(self, other: Amount) -> Option<Amount> {
        match self.0.checked_sub(other.0) {
            Some(units) => Some(Amount(units)),
            None => None,
        }
    }
    /// The product, unless it overflows.
    pub const fn checked_mul(self, by: u64) -> Option<Amount> {
        match self.0.checked_mul(by) {
            Some(units) => Some(Amount(units)),
            None => None,
        }
    }
    /// The sum of many, unless it overflows.
    pub fn checked_sum(amounts: impl IntoIterator<Item = Amount>) -> Option<Amount> {
        amounts.into_iter().try_fold(Amount::ZERO, Amount::checked_add)
    }
}

/// Decimal coins, always eight places: `12.50000000`.
impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}.{:08}", self.0 / UNITS_PER_COIN, self.0 % UNITS_PER_COIN))
    }
}

/// Decimal coins, at most eight places, no sign, no exponent; at most the cap.
impl FromStr for Amount {
    type Err = ParseAmountError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() {
            return Err(ParseAmountError::Empty);
        }
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(fraction) || (whole.is_empty() && fraction.is_empty()) {
            return Err(ParseAmountError::NotDecimal(text.to_owned()));
        }
        if fraction.len() > DECIMALS {
            return Err(ParseAmountError::TooPrecise(text.to_owned()));
        }
        let over_cap = || ParseAmountError::OverCap(text.to_owned());
        let number = |part: &str| if part.is_empty() { Ok(0) } else { part.parse::<u64>().map_err(|_| over_cap()) };
        let coins = number(whole)?;
        let units = number(&format!("{fraction:0<DECIMALS$}"))?;
        Amount::COIN
            .checked_mul(coins)
            .and_then(|amount| amount.checked_add(Amount(units)))
            .filter(|amount| amount.is_money())
            .ok_or_else(over_cap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn arithmetic_refuses_to_leave_its_range() {
        let most = Amount::from_units(u64::MAX);
        assert_eq!(most.checked_add(Amount::from_units(1)), None);
        assert_eq!(Amount::ZERO.checked_sub(Amount::from_units(1)), None);
        assert_eq!(most.checked_mul(2), None);
        assert_eq!(Amount::checked_sum([most, Amount::ZERO]), Some(most));
        assert_eq!(Amount::checked_sum([most, Amount::from_units(1)]), None);
        assert!(Amount::MAX_MONEY.is_money());
        assert!(!Amount::from_units(Amount::MAX_MONEY.units() + 1).is_money());
    }

    #[test]
    fn decimal_text_is_exact() {
        for (text, units) in [
            ("0", 0),
            ("1", 100_000_000),
            ("12.5", 1_250_000_000),
            ("0.00000001", 1),
            (".5", 50_000_000),
            ("5.", 500_000_000),
            ("21000000.00000000", Amount::MAX_MONEY.units()),
        ] {
            assert_eq!(text.parse::<Amount>(), Ok(Amount::from_units(units)), "{text}");
        }
        assert_eq!(Amount::from_units(1_250_000_000).to_string(), "12.50000000");
        assert_eq!(Amount::from_units(u64::MAX).to_string(), "184467440737.09551615");
    }

    #[test]
    fn other_text_is_refused_with_its_reason() {
        assert_eq!("".parse::<Amount>(), Err(ParseAmountError::Empty));
        for text in [".", "-1", "+1", "1e3", "1,5", " 1", "1.2.3", "0x10", "١"] {
            assert_eq!(text.parse::<Amount>(), Err(ParseAmountError::NotDecimal(text.to_owned())), "{text}");
        }
        assert!(matches!("0.000000001".parse::<Amount>(), Err(ParseAmountError::TooPrecise(_))));
        for text in ["21000000.00000001", "99999999999999999999", "184467440738"] {
            assert_eq!(text.parse::<Amount>(), Err(ParseAmountError::OverCap(text.to_owned())), "{text}");
        }
    }

    proptest! {
        #[test]
        fn text_round_trips(units in 0..=Amount::MAX_MONEY.units()) {
            let amount = Amount::from_units(units);
            prop_assert_eq!(amount.to_string().parse::<Amount>(), Ok(amount));
        }
    }
}
