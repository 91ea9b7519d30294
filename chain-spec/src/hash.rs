//! Hashes and their names. Bytes are kept in the order they are hashed in; text is reversed, as Bitcoin shows it.

/// Double SHA-256.
pub fn sha256d(_data: &[u8]) -> [u8; 32] {
    todo!()
}
/// RIPEMD-160 of SHA-256.
pub fn hash160(_data: &[u8]) -> [u8; 20] {
    todo!()
}

macro_rules! hash_type { ($(#[$doc:meta])* $name:ident) => {
    $(#[$doc])*
    #[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub struct $name([u8; 32]);
    impl $name {
        /// All zero: "none" where the format has a field but no value.
        pub const ZERO: Self = Self([0; 32]);
        /// From bytes in hashing order.
        pub const fn from_bytes(bytes: [u8; 32]) -> Self { Self(bytes) }
        /// In hashing order.
        pub const fn as_bytes(&self) -> &[u8; 32] { &self.0 }
    }
    impl std::fmt::Display for $name { fn fmt(&self, _f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { todo!() } }
    impl std::fmt::Debug for $name { fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { std::fmt::Display::fmt(self, f) } }
    impl std::str::FromStr for $name { type Err = ParseHashError; fn from_str(_s: &str) -> Result<Self, ParseHashError> { todo!() } }
    // also: serde as the reversed hex string when human readable, 32 raw bytes otherwise
} }
/// Text that is not 64 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected 64 hexadecimal digits")]
pub struct ParseHashError;
hash_type!(/// The hash of a transaction's bytes.
    Txid);
hash_type!(/// The hash of a header's 80 bytes.
    BlockHash);
hash_type!(/// The root of a block's Merkle tree.
    MerkleRoot);
