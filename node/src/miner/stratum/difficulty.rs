//! Share difficulties: the unit of `mining.set_difficulty`, as a target and as expected hashes.
//!
//! Difficulty 1 of SHA-256d is the target `0xffff × 2²⁰⁸` (Bitcoin's `pdiff`). Pools of scrypt coins count in units
//! of 1/65,536 of that, so that their difficulty 1 is the target `0xffff × 2²²⁴`.

use chain_spec::{ProofOfWork, Target};

/// The mantissa of difficulty 1's target.
const MANTISSA: f64 = 65_535.0;
/// The power of two of difficulty 1's target with SHA-256d.
const EXPONENT: i32 = 208;
/// How many of scrypt's difficulty units are one of SHA-256d's.
const SCRYPT_UNITS: f64 = 65_536.0;
/// Expected hashes of difficulty 1 with SHA-256d: 2²⁵⁶ / (65,535 × 2²⁰⁸).
const HASHES: f64 = 4_295_032_833.000_015;

/// The difficulty of a share: finite and above zero.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Difficulty(f64);

impl Difficulty {
    /// From a number, if it is finite and above zero.
    pub fn new(value: f64) -> Option<Difficulty> {
        (value.is_finite() && value > 0.0).then_some(Difficulty(value))
    }

    /// The number that Stratum carries.
    pub fn value(self) -> f64 {
        self.0
    }

    /// The lower of two.
    pub fn min(self, other: Difficulty) -> Difficulty {
        if other < self { other } else { self }
    }

    /// The higher of two.
    pub fn max(self, other: Difficulty) -> Difficulty {
        if other > self { other } else { self }
    }

    /// Multiplied by a factor above zero; stays within what a number can hold.
    pub fn scaled(self, factor: f64) -> Difficulty {
        Difficulty((self.0 * factor).clamp(f64::MIN_POSITIVE, f64::MAX))
    }

    /// The largest hash that is a share of this difficulty, rounded down.
    pub fn target(self, proof_of_work: ProofOfWork) -> Target {
        let value = MANTISSA * units(proof_of_work) / self.0;
        // The number is mantissa × 2^exponent, with a mantissa of 53 bits.
        let bits = value.to_bits();
        let exponent = ((bits >> 52) & 0x7ff) as i32 - 1_075 + EXPONENT;
        let mantissa = (bits & ((1 << 52) - 1)) | (1 << 52);
        if exponent + 53 > 256 {
            return Target::from_be_bytes([0xff; 32]);
        }
        let mut bytes = [0; 32];
        for bit in (0..53).filter(|bit| mantissa >> bit & 1 == 1) {
            let place = exponent + bit;
            if place >= 0 {
                bytes[31 - place as usize / 8] |= 1 << (place % 8);
            }
        }
        Target::from_be_bytes(bytes)
    }

    /// The difficulty whose target this is.
    pub fn of(target: Target, proof_of_work: ProofOfWork) -> Difficulty {
        let number = target.to_be_bytes().iter().fold(0.0, |number, byte| number * 256.0 + f64::from(*byte));
        // A target of zero, which no hash meets, has no difficulty; the highest there is says the same.
        let value = MANTISSA * units(proof_of_work) * 2_f64.powi(EXPONENT) / number.max(1.0);
        Difficulty(value.max(f64::MIN_POSITIVE))
    }

    /// How many hashes one share of this difficulty takes on average, one at least.
    pub fn hashes(self, proof_of_work: ProofOfWork) -> u128 {
        // The conversion saturates, which is beyond all hashes ever made.
        ((self.0 * HASHES / units(proof_of_work)).round() as u128).max(1)
    }
}

fn units(proof_of_work: ProofOfWork) -> f64 {
    match proof_of_work {
        ProofOfWork::Sha256d => 1.0,
        ProofOfWork::Scrypt => SCRYPT_UNITS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chain_spec::CompactTarget;

    const SHA256D: ProofOfWork = ProofOfWork::Sha256d;

    fn difficulty(value: f64) -> Difficulty {
        Difficulty::new(value).unwrap()
    }

    #[test]
    fn difficulty_one_is_the_target_of_bitcoin_s_first_blocks() {
        let target = CompactTarget::from_bits(0x1d00_ffff).to_target().unwrap();
        assert_eq!(difficulty(1.0).target(SHA256D), target);
        assert_eq!(Difficulty::of(target, SHA256D), difficulty(1.0));
        assert_eq!(difficulty(1.0).hashes(SHA256D), 4_295_032_833);
    }

    /// Bitcoin wiki, "Difficulty": the packed target 0x1b0404cb has the difficulty 16307.420938523983.
    #[test]
    fn the_wiki_s_example_comes_out() {
        let target = CompactTarget::from_bits(0x1b04_04cb).to_target().unwrap();
        assert!((Difficulty::of(target, SHA256D).value() - 16_307.420_938_523_983).abs() < 1e-9);
    }

    /// Litecoin's pools: difficulty 1 is 2¹⁶ hashes and the target 0x0000ffff followed by zeros.
    #[test]
    fn scrypt_counts_in_smaller_units() {
        let target = difficulty(1.0).target(ProofOfWork::Scrypt);
        assert_eq!(target.to_string(), format!("0000ffff{}", "0".repeat(56)));
        assert_eq!(difficulty(1.0).hashes(ProofOfWork::Scrypt), 65_537);
    }

    #[test]
    fn targets_and_difficulties_are_each_other_s_inverse_from_regtest_to_beyond_main() {
        for exponent in -31..100 {
            let value = 1.7 * 2_f64.powi(exponent);
            let back = Difficulty::of(difficulty(value).target(SHA256D), SHA256D).value();
            assert!((back / value - 1.0).abs() < 1e-14, "{value} came back as {back}");
        }
        assert_eq!(difficulty(1e-12).target(SHA256D), Target::from_be_bytes([0xff; 32]), "every hash is a share");
        assert_eq!(difficulty(f64::MAX).target(SHA256D), Target::from_be_bytes([0; 32]));
        assert_eq!(difficulty(1e-12).hashes(SHA256D), 1);
    }

    #[test]
    fn what_is_no_difficulty_is_refused() {
        for value in [0.0, -1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(Difficulty::new(value), None, "{value}");
        }
        assert!(difficulty(f64::MIN_POSITIVE).scaled(0.5).value() > 0.0);
        assert!(difficulty(f64::MAX).scaled(2.0).value().is_finite());
    }
}
