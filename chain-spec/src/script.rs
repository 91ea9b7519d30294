//! Scripts as bytes. There is no interpreter: one template can be spent, pay-to-public-key-hash; the rest is carried.

/// A script's bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Script(Box<[u8]>);
impl Script {
    /// From bytes, unchecked.
    pub fn from_bytes(bytes: impl Into<Box<[u8]>>) -> Script {
        Script(bytes.into())
    }
    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
    /// `OP_DUP OP_HASH160 <20> OP_EQUALVERIFY OP_CHECKSIG`.
    pub fn pay_to_public_key_hash(_hash: &[u8; 20]) -> Script {
        todo!()
    }
    /// The hash, if this is exactly that template.
    pub fn public_key_hash(&self) -> Option<[u8; 20]> {
        todo!()
    }
    /// `<signature+type> <public key>`: what unlocks the template.
    pub fn unlock_public_key_hash(_signature_with_type: &[u8], _public_key: &[u8]) -> Script {
        todo!()
    }
    /// The two pushes of an unlocking script, if it is exactly two pushes.
    pub fn unlock_parts(&self) -> Option<(&[u8], &[u8])> {
        todo!()
    }
    /// Signature operations by Bitcoin's legacy count (Core: `GetSigOpCount(false)`).
    pub fn signature_operations(&self) -> u32 {
        todo!()
    }
    /// Provably unspendable, so never a coin (Core: `IsUnspendable`: leading OP_RETURN or over 10,000 bytes).
    pub fn is_unspendable(&self) -> bool {
        todo!()
    }
    /// A push of the height as BIP34 wants it at the front of a coinbase script (1..=16 as OP_n).
    pub fn height_prefix(_height: u32) -> Vec<u8> {
        todo!()
    }
    /// Disassembly in Core's `asm` form.
    pub fn to_asm(&self) -> String {
        todo!()
    }
    /// Core's name for the template: `pubkeyhash`, `pubkey`, `scripthash`, `nulldata`, `multisig`, `nonstandard`, …
    pub fn kind(&self) -> &'static str {
        todo!()
    }
}
