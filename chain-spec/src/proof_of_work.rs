//! Which hash of a header must meet its target: double SHA-256 (Bitcoin) or scrypt (Litecoin).
//!
//! Whatever judges the work, a block's identity stays the double SHA-256 of its header ([`Header::hash`]). scrypt runs with
//! N = 1024, r = 1, p = 1 (RFC 7914), the header being both password and salt: it fills 128 KiB and reads them back in
//! an order that depends on the data, so that a fast processor is slowed down by its memory. One such hash costs about
//! a thousand times a double SHA-256, for the miner as for everybody who checks a header.

use crate::block::Header;
use crate::hash::BlockHash;
use crate::target::Target;

/// log₂ of scrypt's N: 1024 blocks of 128 bytes are filled.
const SCRYPT_LOG_N: u8 = 10;
const SCRYPT_R: u32 = 1;
const SCRYPT_P: u32 = 1;

/// The hash of a header that counts as work on a chain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProofOfWork {
    /// SHA-256 of SHA-256, which is also the block's identity.
    #[default]
    Sha256d,
    /// scrypt with N = 1024, r = 1, p = 1.
    Scrypt,
}

impl ProofOfWork {
    /// All of them.
    pub const ALL: [ProofOfWork; 2] = [ProofOfWork::Sha256d, ProofOfWork::Scrypt];

    /// As it is written in a chain spec.
    pub fn as_str(self) -> &'static str {
        match self {
            ProofOfWork::Sha256d => "sha256d",
            ProofOfWork::Scrypt => "scrypt",
        }
    }

    /// The proof of work that a chain spec calls `text`.
    pub fn from_name(text: &str) -> Option<ProofOfWork> {
        Self::ALL.into_iter().find(|pow| pow.as_str() == text)
    }

    /// The hash of `header` that is compared with the target. It names the block only where this is [`Self::Sha256d`].
    pub fn hash(self, header: &Header) -> BlockHash {
        match self {
            ProofOfWork::Sha256d => header.hash(),
            ProofOfWork::Scrypt => BlockHash::from_bytes(scrypt(&header.to_array())),
        }
    }

    /// Whether the work of `header` meets `target`.
    pub fn meets(self, header: &Header, target: Target) -> bool {
        target.is_met_by(&self.hash(header))
    }
}

/// scrypt of a header, which is password and salt (Litecoin's `scrypt_1024_1_1_256`).
fn scrypt(header: &[u8; Header::LEN]) -> [u8; 32] {
    let mut output = [0; 32];
    let parameters = scrypt::Params::new(SCRYPT_LOG_N, SCRYPT_R, SCRYPT_P).expect("constants that scrypt allows");
    scrypt::scrypt(header, header, &parameters, &mut output).expect("32 bytes are a length that scrypt can make");
    output
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::Decode as _;
    use crate::spec::ChainSpec;

    #[test]
    fn litecoin_s_genesis_has_its_published_hashes() {
        let spec = ChainSpec::builtin("litecoin-main").unwrap();
        let header = spec.genesis.header;
        assert_eq!(header.hash().to_string(), "12a765e31ffd4059bada1e25190f6e98c99d9714d334efa41a195a7e7e04bfe2");
        let work = ProofOfWork::Scrypt.hash(&header);
        assert_eq!(work.to_string(), "0000050c34a64b415b6b15b37f2216634b5b1669cb9a2e38d76f7213b0671e00");
        assert_eq!(ProofOfWork::Sha256d.hash(&header), header.hash());
    }

    /// Headers of Litecoin's main network with their scrypt hashes, as miners' documentation quotes them: block 29,255, and a
    /// template of 2014 (its nonce is 0, so that it meets no target).
    #[test]
    fn litecoin_s_headers_have_their_published_scrypt_hashes() {
        for (header, expected) in [
            (
                "01000000f615f7ce3b4fc6b8f61e8f89aedb1d0852507650533a9e3b10b9bbcc30639f279fcaa86746e1ef52d3edb3c4ad8259920d509bd0\
                 73605c9bf1d59983752a6b06b817bb4ea78e011d012d59d4",
                "0000000110c8357966576df46f3b802ca897deb7ad18b12f1c24ecff6386ebd9",
            ),
            (
                "020000000413cf7d02794eb094cd66404e46aa816679e12f6fdf9ee11f0e97337702b6e00b1edc1ccf82d3214423fc68234f4946119e39df\
                 2cc2137e31ebc186191d54229b8f1753dbdf441b00000000",
                "d0ddef8a0a2a17c416aed430d9c21c9fe90e69788aab92e151f2a40a353ef1f6",
            ),
        ] {
            let header = Header::from_bytes(&hex::decode(header).unwrap()).unwrap();
            assert_eq!(ProofOfWork::Scrypt.hash(&header).to_string(), expected);
        }
    }

    #[test]
    fn the_target_is_an_inclusive_bound() {
        let header = ChainSpec::builtin("litecoin-main").unwrap().genesis.header;
        for pow in ProofOfWork::ALL {
            let mut exact = *pow.hash(&header).as_bytes();
            exact.reverse();
            assert!(pow.meets(&header, Target::from_be_bytes(exact)), "{}", pow.as_str());
            let lowest = exact.iter().rposition(|byte| *byte > 0).unwrap();
            exact[lowest] -= 1;
            assert!(!pow.meets(&header, Target::from_be_bytes(exact)), "{}", pow.as_str());
        }
    }

    #[test]
    fn names_are_read_back() {
        for pow in ProofOfWork::ALL {
            assert_eq!(ProofOfWork::from_name(pow.as_str()), Some(pow));
        }
        assert_eq!(ProofOfWork::from_name("sha256"), None);
    }
}
