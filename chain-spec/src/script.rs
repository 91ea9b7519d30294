//! Scripts as bytes. There is no interpreter: one template can be spent, pay-to-public-key-hash; the rest is carried.
//!
//! [`describe`](self) parts (disassembly, names of templates) are for people and RPC clients; no rule reads them.
mod describe;
mod instruction;

use instruction::Instruction;

/// Signature operations that Bitcoin's legacy count charges for any `OP_CHECKMULTISIG` (Core: `MAX_PUBKEYS_PER_MULTISIG`).
const MULTISIG_OPERATIONS: u32 = 20;
/// Longest script that can be run (Core: `MAX_SCRIPT_SIZE`), bytes.
const SCRIPT_SIZE_MAX: usize = 10_000;
/// Bytes of the pay-to-public-key-hash template.
const P2PKH_LEN: usize = 25;

pub(crate) mod opcode {
    //! The opcodes that a rule or a template names.
    pub const PUSHDATA1: u8 = 0x4c;
    pub const PUSHDATA2: u8 = 0x4d;
    pub const PUSHDATA4: u8 = 0x4e;
    pub const ONE: u8 = 0x51;
    pub const SIXTEEN: u8 = 0x60;
    pub const RETURN: u8 = 0x6a;
    pub const DUP: u8 = 0x76;
    pub const EQUAL: u8 = 0x87;
    pub const EQUALVERIFY: u8 = 0x88;
    pub const HASH160: u8 = 0xa9;
    pub const CHECKSIG: u8 = 0xac;
    pub const CHECKSIGVERIFY: u8 = 0xad;
    pub const CHECKMULTISIG: u8 = 0xae;
    pub const CHECKMULTISIGVERIFY: u8 = 0xaf;
}

/// A script's bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Script(Box<[u8]>);

impl Script {
    /// From bytes, unchecked.
    pub fn from_bytes(bytes: impl Into<Box<[u8]>>) -> Script {
        Script(bytes.into())
    }
    /// The program as it stands in a transaction, without the length before it.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
    /// `OP_DUP OP_HASH160 <20> OP_EQUALVERIFY OP_CHECKSIG`.
    pub fn pay_to_public_key_hash(hash: &[u8; 20]) -> Script {
        let mut bytes = [0; P2PKH_LEN];
        bytes[..3].copy_from_slice(&[opcode::DUP, opcode::HASH160, 20]);
        bytes[3..23].copy_from_slice(hash);
        bytes[23..].copy_from_slice(&[opcode::EQUALVERIFY, opcode::CHECKSIG]);
        Script(bytes.into())
    }
    /// The hash, if this is exactly that template.
    pub fn public_key_hash(&self) -> Option<[u8; 20]> {
        let rest = self.0.strip_prefix(&[opcode::DUP, opcode::HASH160, 20])?;
        let (hash, rest) = rest.split_first_chunk::<20>()?;
        (rest == [opcode::EQUALVERIFY, opcode::CHECKSIG]).then_some(*hash)
    }
    /// `<signature+type> <public key>`: what unlocks the template.
    pub fn unlock_public_key_hash(signature_with_type: &[u8], public_key: &[u8]) -> Script {
        let mut bytes = Vec::with_capacity(2 + signature_with_type.len() + public_key.len());
        instruction::push(signature_with_type, &mut bytes);
        instruction::push(public_key, &mut bytes);
        Script(bytes.into())
    }
    /// The two pushes of an unlocking script, if it is exactly two pushes, in any form that Bitcoin's consensus takes:
    /// the push need not be the shortest (that is policy).
    pub fn unlock_parts(&self) -> Option<(&[u8], &[u8])> {
        let mut rest = &*self.0;
        let first = instruction::next(&mut rest)?.data?;
        let second = instruction::next(&mut rest)?.data?;
        rest.is_empty().then_some((first, second))
    }
    /// Signature operations by Bitcoin's legacy count (Core: `GetSigOpCount(false)`), which stops at the first
    /// instruction that is cut short.
    pub fn signature_operations(&self) -> u32 {
        self.instructions().fold(0, |count, instruction| {
            count
                + match instruction.opcode {
                    opcode::CHECKSIG | opcode::CHECKSIGVERIFY => 1,
                    opcode::CHECKMULTISIG | opcode::CHECKMULTISIGVERIFY => MULTISIG_OPERATIONS,
                    _ => 0,
                }
        })
    }
    /// Whether it only pushes, with nothing cut short (Core: `IsPushOnly`, for which `OP_RESERVED` pushes too).
    pub fn is_push_only(&self) -> bool {
        let mut rest = &*self.0;
        while !rest.is_empty() {
            if instruction::next(&mut rest).is_none_or(|instruction| instruction.opcode > opcode::SIXTEEN) {
                return false;
            }
        }
        true
    }
    /// Provably unspendable, so never a coin (Core: `IsUnspendable`: leading OP_RETURN or over 10,000 bytes).
    pub fn is_unspendable(&self) -> bool {
        self.0.first() == Some(&opcode::RETURN) || self.0.len() > SCRIPT_SIZE_MAX
    }
    /// A push of the height as BIP34 wants it at the front of a coinbase script (0 as OP_0, 1..=16 as OP_n).
    pub fn height_prefix(height: u32) -> Vec<u8> {
        match height {
            0 => vec![0],
            1..=16 => vec![opcode::ONE - 1 + height as u8],
            _ => {
                let mut bytes = vec![0];
                bytes.extend(height.to_le_bytes());
                // Script numbers are as short as can be, and a set top bit would mean "negative".
                while bytes.len() > 2 && bytes.last() == Some(&0) {
                    bytes.pop();
                }
                if bytes.last().is_some_and(|top| top & 0x80 != 0) {
                    bytes.push(0);
                }
                bytes[0] = (bytes.len() - 1) as u8;
                bytes
            }
        }
    }
    /// The instructions up to the end or the first one that is cut short.
    fn instructions(&self) -> impl Iterator<Item = Instruction<'_>> {
        let mut rest = &*self.0;
        std::iter::from_fn(move || instruction::next(&mut rest))
    }
}

#[cfg(test)]
mod tests;
