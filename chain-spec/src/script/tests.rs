use super::*;
use crate::fixture::{key, pay_to};
use crate::hash::hash160;
use proptest::prelude::*;

fn script(hex_digits: &str) -> Script {
    Script::from_bytes(hex::decode(hex_digits).unwrap())
}

#[test]
fn the_template_is_recognised_exactly() {
    let hash = [0xab; 20];
    let template = Script::pay_to_public_key_hash(&hash);
    assert_eq!(hex::encode(template.as_bytes()), format!("76a914{}88ac", "ab".repeat(20)));
    assert_eq!(template.public_key_hash(), Some(hash));
    for index in [0, 1, 2, 23, 24] {
        let mut other = template.as_bytes().to_vec();
        other[index] ^= 1;
        assert_eq!(Script::from_bytes(other).public_key_hash(), None, "byte {index}");
    }
}

/// `CScript() << height`, as Core's template maker and its check write it.
#[test]
fn heights_are_pushed_as_core_pushes_them() {
    for (height, hex_digits) in [
        (0, "00"),
        (1, "51"),
        (16, "60"),
        (17, "0111"),
        (127, "017f"),
        (128, "028000"),
        (255, "02ff00"),
        (256, "020001"),
        (32_767, "02ff7f"),
        (32_768, "03008000"),
        (227_931, "035b7a03"),
        (8_388_607, "03ffff7f"),
        (8_388_608, "0400008000"),
        (u32::MAX, "05ffffffff00"),
    ] {
        assert_eq!(hex::encode(Script::height_prefix(height)), hex_digits, "{height}");
    }
}

#[test]
fn signature_operations_by_the_legacy_count() {
    for (hex_digits, count) in [
        ("", 0),
        ("ac", 1),
        ("ad", 1),
        ("ae", 20),
        ("af", 20),
        ("acadaeaf", 42),
        // The number of keys in front of a multisig does not matter.
        ("52ae", 20),
        // Inside a push they are data, in every form of push.
        ("02acac", 0),
        ("4c02acacac", 1),
        ("4d0200acacac", 1),
        ("4e02000000acacac", 1),
        // What follows a push that is cut short is not counted; what comes before is.
        ("ac05acac", 1),
        ("ac4cff", 1),
        ("ac4d01", 1),
    ] {
        assert_eq!(script(hex_digits).signature_operations(), count, "{hex_digits}");
    }
    assert_eq!(pay_to(1).signature_operations(), 1);
}

#[test]
fn unspendable_by_return_or_length() {
    assert!(script("6a").is_unspendable());
    assert!(script("6a0101").is_unspendable());
    assert!(!script("").is_unspendable());
    assert!(!script("516a").is_unspendable());
    assert!(!Script::from_bytes(vec![0x51; 10_000]).is_unspendable());
    assert!(Script::from_bytes(vec![0x51; 10_001]).is_unspendable());
}

#[test]
fn kinds_have_core_s_names() {
    let (key_hex, hash) = (hex::encode(key(1).public_key().as_bytes()), hash160(b"x"));
    let key_2 = hex::encode(key(2).public_key().as_bytes());
    for (hex_digits, kind) in [
        (hex::encode(Script::pay_to_public_key_hash(&hash).as_bytes()), "pubkeyhash"),
        (format!("a914{}87", hex::encode(hash)), "scripthash"),
        (format!("21{key_hex}ac"), "pubkey"),
        (format!("20{key_hex}ac"), "nonstandard"),
        (format!("5121{key_hex}21{key_2}52ae"), "multisig"),
        (format!("5321{key_hex}21{key_2}52ae"), "nonstandard"),
        (format!("5121{key_hex}51ac"), "nonstandard"),
        ("6a".to_owned(), "nulldata"),
        ("6a0548656c6c6f".to_owned(), "nulldata"),
        ("6a05".to_owned(), "nonstandard"),
        ("6aac".to_owned(), "nonstandard"),
        (String::new(), "nonstandard"),
        ("ae".to_owned(), "nonstandard"),
    ] {
        assert_eq!(script(&hex_digits).kind(), kind, "{hex_digits}");
    }
}

#[test]
fn disassembly_is_core_s() {
    for (hex_digits, asm) in [
        ("", ""),
        (
            "76a914000000000000000000000000000000000000000088ac",
            "OP_DUP OP_HASH160 0000000000000000000000000000000000000000 OP_EQUALVERIFY OP_CHECKSIG",
        ),
        ("00", "0"),
        ("4f", "-1"),
        ("51606a", "1 16 OP_RETURN"),
        // Bitcoin's genesis coinbase begins like this: 0x1d00ffff, then 4.
        ("04ffff001d0104", "486604799 4"),
        ("0181", "-1"),
        ("020080", "0"),
        ("0500000000ff", "00000000ff"),
        ("05aa", "[error]"),
        ("ac4d01", "OP_CHECKSIG [error]"),
        ("b0b1b2b3b9", "OP_NOP1 OP_CHECKLOCKTIMEVERIFY OP_CHECKSEQUENCEVERIFY OP_NOP4 OP_NOP10"),
        ("ba", "OP_UNKNOWN"),
        ("ff", "OP_INVALIDOPCODE"),
        ("61626365", "OP_NOP OP_VER OP_IF OP_VERIF"),
        ("7f85a6a9aa", "OP_SUBSTR OP_OR OP_RIPEMD160 OP_HASH160 OP_HASH256"),
    ] {
        assert_eq!(script(hex_digits).to_asm(), asm, "{hex_digits}");
    }
}

#[test]
fn an_unlocking_script_shows_its_hash_type() {
    let digest = [7; 32];
    let mut signature = key(1).sign(&digest);
    let der = hex::encode(&signature);
    signature.push(0x83);
    let public_key = key(1).public_key();
    let unlock = Script::unlock_public_key_hash(&signature, public_key.as_bytes());
    let key_hex = hex::encode(public_key.as_bytes());
    assert_eq!(unlock.to_unlock_asm(), format!("{der}[SINGLE|ANYONECANPAY] {key_hex}"));
    assert_eq!(unlock.to_asm(), format!("{der}83 {key_hex}"));
    signature.pop();
    signature.push(0x04);
    let unlock = Script::unlock_public_key_hash(&signature, public_key.as_bytes());
    assert_eq!(unlock.to_unlock_asm(), format!("{der}04 {key_hex}"));
}

proptest! {
    /// Whatever a peer sends can be counted, named and shown.
    #[test]
    fn any_bytes_can_be_described(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let script = Script::from_bytes(bytes.clone());
        prop_assert_eq!(script.to_asm().is_empty(), bytes.is_empty());
        prop_assert_eq!(script.to_unlock_asm().is_empty(), bytes.is_empty());
        prop_assert!(script.signature_operations() as usize <= 20 * bytes.len());
        prop_assert!(script.unlock_parts().is_none_or(|(first, second)| first.len() + second.len() + 2 <= bytes.len()));
        prop_assert_eq!(script.kind() == "pubkeyhash", script.public_key_hash().is_some());
    }
    #[test]
    fn what_is_pushed_is_found(first in proptest::collection::vec(any::<u8>(), 0..700), second in any::<[u8; 33]>()) {
        let script = Script::unlock_public_key_hash(&first, &second);
        prop_assert_eq!(script.unlock_parts(), Some((&first[..], &second[..])));
    }
}
