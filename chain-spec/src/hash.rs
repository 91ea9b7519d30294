//! Hashes and their names. Bytes are kept in the order they are hashed in; text is reversed, as Bitcoin shows it.
use ripemd::Ripemd160;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};
use std::fmt;

/// SHA-256.
pub fn sha256(data: &[u8]) -> [u8; 32] {
    Sha256::digest(data).into()
}

/// Double SHA-256.
pub fn sha256d(data: &[u8]) -> [u8; 32] {
    Sha256::digest(Sha256::digest(data)).into()
}

/// RIPEMD-160 of SHA-256.
pub fn hash160(data: &[u8]) -> [u8; 20] {
    Ripemd160::digest(Sha256::digest(data)).into()
}

/// Text that is not 64 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected 64 hexadecimal digits")]
pub struct ParseHashError;

fn parse_reversed(text: &str) -> Result<[u8; 32], ParseHashError> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(text, &mut bytes).map_err(|_| ParseHashError)?;
    bytes.reverse();
    Ok(bytes)
}

fn write_reversed(bytes: &[u8; 32], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().rev().try_for_each(|byte| write!(f, "{byte:02x}"))
}

// A macro, not a generic type: three plain names that cannot be mixed up read better than `Hash<Tag>`.
macro_rules! hash_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 32]);
        impl $name {
            /// All zero: "none" where the format has a field but no value.
            pub const ZERO: Self = Self([0; 32]);
            /// From bytes in hashing order.
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }
            /// In hashing order.
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }
        }
        /// 64 hexadecimal digits, bytes reversed.
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_reversed(&self.0, f)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_reversed(&self.0, f)
            }
        }
        /// 64 hexadecimal digits, bytes reversed.
        impl std::str::FromStr for $name {
            type Err = ParseHashError;
            fn from_str(text: &str) -> Result<Self, ParseHashError> {
                parse_reversed(text).map(Self)
            }
        }
        /// Reversed hexadecimal text in human-readable formats, 32 bytes in hashing order otherwise.
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() { serializer.collect_str(self) } else { self.0.serialize(serializer) }
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if deserializer.is_human_readable() {
                    let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                    text.parse().map_err(serde::de::Error::custom)
                } else {
                    <[u8; 32]>::deserialize(deserializer).map(Self)
                }
            }
        }
    };
}
hash_type!(
    /// The hash of a transaction's bytes.
    Txid
);
hash_type!(
    /// The hash of a header's 80 bytes.
    BlockHash
);
hash_type!(
    /// The root of a block's Merkle tree.
    MerkleRoot
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_digests() {
        // FIPS 180-4's "abc", and the double hash of nothing.
        assert_eq!(hex::encode(sha256(b"abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(hex::encode(sha256d(b"")), "5df6e0e2761359d30a8275058e299fcc0381534545f55cf43e41983f5d4c9456");
        assert_eq!(hex::encode(hash160(b"")), "b472a266d0bd89c13706a4132ccfb16f7c3b9fcb");
    }

    #[test]
    fn text_is_reversed_and_exact() {
        let mut bytes = [0; 32];
        bytes[0] = 0xab;
        let txid = Txid::from_bytes(bytes);
        let text = format!("{}ab", "00".repeat(31));
        assert_eq!(txid.to_string(), text);
        assert_eq!(text.parse(), Ok(txid));
        assert_eq!(format!("{txid:?}"), text);
        for wrong in ["", "ab", &"0".repeat(63), &"0".repeat(66), &"g".repeat(64)] {
            assert_eq!(wrong.parse::<Txid>(), Err(ParseHashError), "{wrong}");
        }
    }

    #[test]
    fn json_is_text() {
        let hash = BlockHash::from_bytes([7; 32]);
        let json = serde_json::to_string(&hash).unwrap();
        assert_eq!(json, format!("\"{}\"", "07".repeat(32)));
        assert_eq!(serde_json::from_str::<BlockHash>(&json).unwrap(), hash);
        assert_eq!(serde_json::from_value::<BlockHash>(serde_json::json!("07".repeat(32))).unwrap(), hash);
        assert!(serde_json::from_str::<BlockHash>("\"07\"").is_err());
    }
}
