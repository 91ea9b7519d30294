//! MuHash3072: a hash of a set, the same in whatever order its members come (Core: `crypto/muhash`; Bellare and Micciancio,
//! "A New Paradigm for Collision-Free Hashing", 1997). `gettxoutsetinfo muhash` compares coin sets by it.
//!
//! Absent: removing members, which an index over many blocks would need and one walk over all coins does not.

use chain_spec::hash::sha256;
use crypto_bigint::{Limb, U3072};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use sha2::{Digest, Sha256};

/// The modulus is 2³⁰⁷² less this, the largest safe prime of that length.
const BELOW_POWER: Limb = Limb::from_u32(1_103_717);
/// Bytes of a number.
const NUMBER_LEN: usize = 3_072 / 8;

/// The product of a set's members as numbers.
pub struct MuHash(U3072);

/// Of nothing.
impl Default for MuHash {
    fn default() -> MuHash {
        MuHash(U3072::ONE)
    }
}

impl MuHash {
    /// With one more member.
    pub fn insert(&mut self, member: &[u8]) {
        self.0 = self.0.mul_mod_special(&number(member), BELOW_POWER);
    }
    /// The set's hash.
    pub fn finish(&self) -> [u8; 32] {
        Sha256::digest(self.0.to_le_bytes()).into()
    }
}

/// A member as a number: its SHA-256 is the key of a ChaCha20 stream, whose first bytes are the number's, lowest first.
fn number(member: &[u8]) -> U3072 {
    let mut bytes = [0; NUMBER_LEN];
    ChaCha20Rng::from_seed(sha256(member)).fill_bytes(&mut bytes);
    U3072::from_le_slice(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crypto_bigint::Odd;

    fn member(first: u8) -> [u8; 32] {
        let mut member = [0; 32];
        member[0] = first;
        member
    }

    /// Bitcoin Core's own vector: {0, 1} divided by {2}.
    #[test]
    fn core_s_vector() {
        let modulus = Odd::new(U3072::MAX.wrapping_sub(&U3072::from_u32(1_103_716))).unwrap();
        let mut set = MuHash::default();
        set.insert(&member(0));
        set.insert(&member(1));
        let inverse = number(&member(2)).invert_odd_mod(&modulus).unwrap();
        set.0 = set.0.mul_mod_special(&inverse, BELOW_POWER);
        let mut hash = set.finish();
        hash.reverse();
        assert_eq!(hex::encode(hash), "10d312b100cbd32ada024a6646e40d3482fcff103668d2625f10002a607d5863");
    }

    #[test]
    fn order_does_not_matter_and_membership_does() {
        let hash = |members: &[u8]| {
            let mut set = MuHash::default();
            members.iter().for_each(|first| set.insert(&member(*first)));
            set.finish()
        };
        assert_eq!(hash(&[1, 2, 3]), hash(&[3, 1, 2]));
        assert_ne!(hash(&[1, 2]), hash(&[1, 2, 3]));
        assert_ne!(hash(&[1, 1]), hash(&[1]));
    }
}
