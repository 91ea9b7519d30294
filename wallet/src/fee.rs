//! Fees by size, and the sizes they depend on.

use std::str::FromStr;

use chain_spec::Amount;
use chain_spec::encode::compact_size_len;

/// Bytes of a P2PKH input with a compressed key: outpoint 36, script length 1, signature push 1 + 72, key push 1 + 33,
/// sequence 4. A low-S signature with its type byte is 71 or 72 bytes (rarely fewer), so a fee may exceed the exact one
/// by a byte's worth per input, never fall short of it.
pub const INPUT_SIZE: usize = 148;
/// The same with an uncompressed key (65 bytes), as old WIF keys have.
pub const INPUT_SIZE_UNCOMPRESSED: usize = 180;
/// Bytes of a P2PKH output: value 8, script length 1, script 25.
pub const OUTPUT_SIZE: usize = 34;
/// Version 4 and lock time 4.
const FIXED_SIZE: usize = 8;
/// The smallest output nodes relay: less would cost more to spend than it is worth at 3 units/byte (Core:
/// `GetDustThreshold`, P2PKH).
pub const DUST_LIMIT: Amount = Amount::from_units(546);

/// Bytes of a transaction whose inputs and outputs together have the given bytes.
pub fn transaction_size(inputs: usize, inputs_size: usize, outputs: usize, outputs_size: usize) -> usize {
    FIXED_SIZE + compact_size_len(inputs as u64) + inputs_size + compact_size_len(outputs as u64) + outputs_size
}

/// A fee rate in units per 1,000 bytes, so that fractions of a unit per byte are exact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FeeRate(u64);

impl FeeRate {
    /// 1 unit per byte: what nodes relay by default (Core: `-minrelaytxfee`).
    pub const DEFAULT: FeeRate = FeeRate(1_000);
    /// No fee at all.
    pub const ZERO: FeeRate = FeeRate(0);
    /// 100,000 units per byte. Above, every transaction costs more than 0.19 coins.
    const MAX: FeeRate = FeeRate(100_000_000);

    /// From units per byte; `None` above 100,000.
    pub fn from_units_per_byte(units: u64) -> Option<FeeRate> {
        units.checked_mul(1_000).map(FeeRate).filter(|rate| *rate <= Self::MAX)
    }

    /// The rate at which a transaction of `size` bytes pays `fee`, rounded down.
    pub fn of(fee: Amount, size: usize) -> FeeRate {
        FeeRate((fee.units().saturating_mul(1_000) / (size as u64).max(1)).min(Self::MAX.0))
    }

    /// From coins per 1,000 bytes, as Core's RPC gives rates.
    pub fn from_coins_per_kilobyte(coins: Amount) -> FeeRate {
        FeeRate(coins.units().min(Self::MAX.0))
    }

    /// A quarter more.
    pub fn raised_by_a_quarter(self) -> FeeRate {
        FeeRate((self.0 + self.0.div_ceil(4)).min(Self::MAX.0))
    }

    /// What a transaction of `size` bytes costs, rounded up.
    pub fn fee(self, size: usize) -> Amount {
        // 2⁶⁴ is out of reach: the rate is at most 10⁸ and a size is far below 2³².
        Amount::from_units(self.0.saturating_mul(size as u64).div_ceil(1_000))
    }
}

/// Units per byte.
impl std::fmt::Display for FeeRate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.0 / 1_000, self.0 % 1_000) {
            (whole, 0) => write!(f, "{whole} units/byte"),
            (whole, part) => write!(f, "{whole}.{} units/byte", format!("{part:03}").trim_end_matches('0')),
        }
    }
}

/// Text that is no fee rate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a fee rate is in units per byte, at most three decimals, up to 100000: 1, 2.5, 0.001")]
pub struct ParseFeeRateError;

/// Units per byte with at most three decimals, no sign, no exponent.
impl FromStr for FeeRate {
    type Err = ParseFeeRateError;

    fn from_str(text: &str) -> Result<FeeRate, ParseFeeRateError> {
        let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |s: &str| !s.is_empty() && s.len() <= 6 && s.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(part) || part.len() > 3 {
            return Err(ParseFeeRateError);
        }
        let number = |s: &str| s.parse::<u64>().map_err(|_| ParseFeeRateError);
        let rate = FeeRate(number(whole)? * 1_000 + number(&format!("{part:0<3}"))?);
        if rate <= Self::MAX { Ok(rate) } else { Err(ParseFeeRateError) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_read_and_print_as_units_per_byte() {
        for (text, per_1000, shown) in [
            ("1", 1_000, "1 units/byte"),
            ("2.5", 2_500, "2.5 units/byte"),
            ("0.001", 1, "0.001 units/byte"),
            ("100000", 100_000_000, "100000 units/byte"),
        ] {
            assert_eq!(text.parse::<FeeRate>(), Ok(FeeRate(per_1000)));
            assert_eq!(FeeRate(per_1000).to_string(), shown);
        }
        for bad in ["", ".", "1.", ".5", "-1", "+1", "1e3", "1.0001", "100000.001", "1 ", "１", "99999999999999999999"]
        {
            assert_eq!(bad.parse::<FeeRate>(), Err(ParseFeeRateError), "{bad:?}");
        }
    }

    #[test]
    fn fees_round_up() {
        assert_eq!(FeeRate(1).fee(1), Amount::from_units(1));
        assert_eq!(FeeRate(1_000).fee(226), Amount::from_units(226));
        assert_eq!(FeeRate(1_001).fee(1_000), Amount::from_units(1_001));
        assert_eq!(FeeRate::ZERO.fee(1_000), Amount::ZERO);
    }

    #[test]
    fn the_usual_payment_has_the_usual_size() {
        assert_eq!(transaction_size(1, INPUT_SIZE, 2, 2 * OUTPUT_SIZE), 226);
        assert_eq!(transaction_size(253, 0, 1, 0), 8 + 3 + 1);
    }
}
