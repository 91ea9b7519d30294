//! Scripts in words: Core's `asm` text and its names for the templates of its time before SegWit.
use super::instruction::{Instruction, next};
use super::{Script, opcode};

/// Longest push that Core's `asm` shows as a number, bytes.
const NUMBER_LEN_MAX: usize = 4;

impl Script {
    /// Disassembly in Core's `asm` form: pushes of up to four bytes as numbers, longer ones as hexadecimal digits.
    pub fn to_asm(&self) -> String {
        self.disassemble(false)
    }
    /// [`Script::to_asm`] of an unlocking script: a signature's hash type is shown by name, as Core does for `scriptSig`.
    pub fn to_unlock_asm(&self) -> String {
        self.disassemble(true)
    }
    fn disassemble(&self, name_hash_types: bool) -> String {
        let mut words = Vec::new();
        let mut rest = self.as_bytes();
        while !rest.is_empty() {
            match next(&mut rest) {
                None => {
                    words.push("[error]".to_owned());
                    break;
                }
                Some(Instruction { data: Some(data), .. }) if data.len() <= NUMBER_LEN_MAX => {
                    words.push(number(data).to_string());
                }
                Some(Instruction { data: Some(data), .. }) => {
                    let hash_type = if name_hash_types { hash_type_name(data) } else { None };
                    words.push(match hash_type {
                        Some(name) => format!("{}[{name}]", hex::encode(&data[..data.len() - 1])),
                        None => hex::encode(data),
                    });
                }
                Some(Instruction { opcode, .. }) => words.push(opcode_name(opcode)),
            }
        }
        words.join(" ")
    }

    /// Core's name for the template: `pubkey`, `pubkeyhash`, `scripthash`, `multisig`, `nulldata` or `nonstandard`.
    pub fn kind(&self) -> &'static str {
        let bytes = self.as_bytes();
        if self.public_key_hash().is_some() {
            "pubkeyhash"
        } else if bytes.len() == 23 && bytes[..2] == [opcode::HASH160, 20] && bytes[22] == opcode::EQUAL {
            "scripthash"
        } else if self.is_pay_to_public_key() {
            "pubkey"
        } else if self.is_null_data() {
            "nulldata"
        } else if self.is_multisig() {
            "multisig"
        } else {
            "nonstandard"
        }
    }
    fn is_pay_to_public_key(&self) -> bool {
        matches!(self.as_bytes(), [length, key @ .., opcode::CHECKSIG]
            if usize::from(*length) == key.len() && is_public_key_shaped(key))
    }
    fn is_null_data(&self) -> bool {
        let mut rest = match self.as_bytes() {
            [opcode::RETURN, rest @ ..] => rest,
            _ => return false,
        };
        while !rest.is_empty() {
            // Pushes only, the opcodes that push a small number included.
            if next(&mut rest).is_none_or(|instruction| instruction.opcode > opcode::SIXTEEN) {
                return false;
            }
        }
        true
    }
    fn is_multisig(&self) -> bool {
        let small = |opcode: u8| usize::from(opcode.wrapping_sub(opcode::ONE - 1));
        let (first, keys, count) = match self.as_bytes() {
            [
                first @ opcode::ONE..=opcode::SIXTEEN,
                keys @ ..,
                count @ opcode::ONE..=opcode::SIXTEEN,
                opcode::CHECKMULTISIG,
            ] => (*first, keys, *count),
            _ => return false,
        };
        let (mut rest, mut found) = (keys, 0);
        while !rest.is_empty() {
            match next(&mut rest) {
                Some(Instruction { data: Some(key), .. }) if is_public_key_shaped(key) => found += 1,
                _ => return false,
            }
        }
        found == small(count) && small(first) <= found
    }
}

/// A length and first byte that a public key can have (Core: `CPubKey::ValidSize`).
fn is_public_key_shaped(bytes: &[u8]) -> bool {
    matches!((bytes.len(), bytes.first()), (33, Some(2 | 3)) | (65, Some(4 | 6 | 7)))
}

/// A script number: little-endian, the top bit is the sign (Core: `CScriptNum`). At most four bytes.
fn number(bytes: &[u8]) -> i64 {
    let magnitude = bytes.iter().rev().fold(0_i64, |value, byte| value << 8 | i64::from(*byte));
    match bytes.last() {
        Some(top) if top & 0x80 != 0 => -(magnitude & !(0x80 << (8 * (bytes.len() - 1)))),
        _ => magnitude,
    }
}

/// The name of the hash type at the end of a strict-DER signature, if it is one Core names.
fn hash_type_name(data: &[u8]) -> Option<&'static str> {
    let (hash_type, signature) = data.split_last()?;
    if !crate::der::is_strict_der(signature) {
        return None;
    }
    Some(match hash_type {
        0x01 => "ALL",
        0x02 => "NONE",
        0x03 => "SINGLE",
        0x81 => "ALL|ANYONECANPAY",
        0x82 => "NONE|ANYONECANPAY",
        0x83 => "SINGLE|ANYONECANPAY",
        _ => return None,
    })
}

/// `OP_1NEGATE`, the first opcode that is no push of bytes.
const FIRST_NAMED: usize = 0x4f;
/// Names from [`FIRST_NAMED`] on, as Core prints them.
const NAMES: [&str; 107] = [
    "-1",
    "OP_RESERVED",
    "1",
    "2",
    "3",
    "4",
    "5",
    "6",
    "7",
    "8",
    "9",
    "10",
    "11",
    "12",
    "13",
    "14",
    "15",
    "16",
    "OP_NOP",
    "OP_VER",
    "OP_IF",
    "OP_NOTIF",
    "OP_VERIF",
    "OP_VERNOTIF",
    "OP_ELSE",
    "OP_ENDIF",
    "OP_VERIFY",
    "OP_RETURN",
    "OP_TOALTSTACK",
    "OP_FROMALTSTACK",
    "OP_2DROP",
    "OP_2DUP",
    "OP_3DUP",
    "OP_2OVER",
    "OP_2ROT",
    "OP_2SWAP",
    "OP_IFDUP",
    "OP_DEPTH",
    "OP_DROP",
    "OP_DUP",
    "OP_NIP",
    "OP_OVER",
    "OP_PICK",
    "OP_ROLL",
    "OP_ROT",
    "OP_SWAP",
    "OP_TUCK",
    "OP_CAT",
    "OP_SUBSTR",
    "OP_LEFT",
    "OP_RIGHT",
    "OP_SIZE",
    "OP_INVERT",
    "OP_AND",
    "OP_OR",
    "OP_XOR",
    "OP_EQUAL",
    "OP_EQUALVERIFY",
    "OP_RESERVED1",
    "OP_RESERVED2",
    "OP_1ADD",
    "OP_1SUB",
    "OP_2MUL",
    "OP_2DIV",
    "OP_NEGATE",
    "OP_ABS",
    "OP_NOT",
    "OP_0NOTEQUAL",
    "OP_ADD",
    "OP_SUB",
    "OP_MUL",
    "OP_DIV",
    "OP_MOD",
    "OP_LSHIFT",
    "OP_RSHIFT",
    "OP_BOOLAND",
    "OP_BOOLOR",
    "OP_NUMEQUAL",
    "OP_NUMEQUALVERIFY",
    "OP_NUMNOTEQUAL",
    "OP_LESSTHAN",
    "OP_GREATERTHAN",
    "OP_LESSTHANOREQUAL",
    "OP_GREATERTHANOREQUAL",
    "OP_MIN",
    "OP_MAX",
    "OP_WITHIN",
    "OP_RIPEMD160",
    "OP_SHA1",
    "OP_SHA256",
    "OP_HASH160",
    "OP_HASH256",
    "OP_CODESEPARATOR",
    "OP_CHECKSIG",
    "OP_CHECKSIGVERIFY",
    "OP_CHECKMULTISIG",
    "OP_CHECKMULTISIGVERIFY",
    "OP_NOP1",
    "OP_CHECKLOCKTIMEVERIFY",
    "OP_CHECKSEQUENCEVERIFY",
    "OP_NOP4",
    "OP_NOP5",
    "OP_NOP6",
    "OP_NOP7",
    "OP_NOP8",
    "OP_NOP9",
    "OP_NOP10",
];

fn opcode_name(opcode: u8) -> String {
    let name = usize::from(opcode).checked_sub(FIRST_NAMED).and_then(|index| NAMES.get(index));
    name.copied().unwrap_or(if opcode == 0xff { "OP_INVALIDOPCODE" } else { "OP_UNKNOWN" }).to_owned()
}
