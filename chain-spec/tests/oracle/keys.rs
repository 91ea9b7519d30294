//! Keys and signatures beside libsecp256k1, and BIP66 beside its own text.
use super::{mutate, mutations};
use chain_spec::der::is_strict_der;
use chain_spec::{PrivateKey, PublicKey};
use proptest::prelude::*;
use secp256k1::ecdsa::Signature;
use secp256k1::{Message, SecretKey};

/// Strict DER as BIP66 spells it out, over a signature with its type byte.
fn is_strict_der_by_bip66(signature: &[u8]) -> bool {
    let length = signature.len();
    if !(9..=73).contains(&length) || signature[0] != 0x30 || usize::from(signature[1]) != length - 3 {
        return false;
    }
    let length_r = usize::from(signature[3]);
    if 5 + length_r >= length {
        return false;
    }
    let length_s = usize::from(signature[5 + length_r]);
    if length_r + length_s + 7 != length {
        return false;
    }
    if signature[2] != 2 || length_r == 0 || signature[4] & 0x80 != 0 {
        return false;
    }
    if length_r > 1 && signature[4] == 0 && signature[5] & 0x80 == 0 {
        return false;
    }
    if signature[length_r + 4] != 2 || length_s == 0 || signature[length_r + 6] & 0x80 != 0 {
        return false;
    }
    !(length_s > 1 && signature[length_r + 6] == 0 && signature[length_r + 7] & 0x80 == 0)
}

/// Whether BIP66 and we agree that a signature is strict DER, and libsecp256k1, as Core calls it, and we that it verifies:
/// lax DER, S mirrored where it is high.
fn is_judged_alike(public_key: &PublicKey, digest: &[u8; 32], signature: &[u8]) -> bool {
    is_strict_der(signature) == is_strict_der_by_bip66(&[signature, &[1]].concat())
        && public_key.verifies(digest, signature) == their_answer(public_key, digest, signature)
}

fn their_answer(public_key: &PublicKey, digest: &[u8; 32], signature: &[u8]) -> bool {
    let (Ok(mut parsed), Ok(key)) =
        (Signature::from_der_lax(signature), secp256k1::PublicKey::from_slice(public_key.as_bytes()))
    else {
        return false;
    };
    parsed.normalize_s();
    parsed.verify(Message::from_digest(*digest), &key).is_ok()
}

/// The same signature with the other S.
fn mirrored(signature: &[u8]) -> Vec<u8> {
    const ORDER: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, 0xba, 0xae,
        0xdc, 0xe6, 0xaf, 0x48, 0xa0, 0x3b, 0xbf, 0xd2, 0x5e, 0x8c, 0xd0, 0x36, 0x41, 0x41,
    ];
    let mut compact = Signature::from_der(signature).unwrap().serialize_compact();
    let mut borrow = 0;
    for index in (0..32).rev() {
        let difference = i16::from(ORDER[index]) - i16::from(compact[32 + index]) - borrow;
        borrow = i16::from(difference < 0);
        compact[32 + index] = difference.rem_euclid(256) as u8;
    }
    Signature::from_compact(&compact).unwrap().serialize_der().to_vec()
}

proptest! {
    #[test]
    fn secrets_and_public_keys_agree(secret in any::<[u8; 32]>(), compressed in any::<bool>()) {
        let ours = PrivateKey::from_bytes(&secret, compressed);
        let theirs = SecretKey::from_secret_bytes(secret);
        prop_assert_eq!(ours.is_ok(), theirs.is_ok());
        let (Ok(ours), Ok(theirs)) = (ours, theirs) else { return Ok(()) };
        let public_key = secp256k1::PublicKey::from_secret_key(&theirs);
        let bytes =
            if compressed { public_key.serialize().to_vec() } else { public_key.serialize_uncompressed().to_vec() };
        prop_assert_eq!(ours.public_key().as_bytes().to_vec(), bytes.clone());
        prop_assert_eq!(ours.to_bytes(), secret);
        prop_assert_eq!(PublicKey::from_bytes(&bytes), Ok(ours.public_key()));
        prop_assert_eq!(format!("{ours:?}"), "PrivateKey(secret)");
    }

    #[test]
    fn public_keys_are_read_or_refused_alike(
        secret in 1_u8..=255,
        compressed in any::<bool>(),
        first in proptest::option::of(0_u8..8),
        mutations in mutations(),
    ) {
        let key = PrivateKey::from_bytes(&[secret; 32], compressed);
        prop_assume!(key.is_ok());
        let mut bytes = key.unwrap().public_key().as_bytes().to_vec();
        bytes[0] = first.unwrap_or(bytes[0]);
        let bytes = mutate(bytes, &mutations);
        let theirs = secp256k1::PublicKey::from_slice(&bytes).is_ok();
        prop_assert_eq!(PublicKey::from_bytes(&bytes).is_ok(), theirs, "{:02x?}", bytes);
    }

    /// RFC 6979 leaves one signature for a key and a digest, so ours is theirs to the byte.
    #[test]
    fn signatures_are_the_same(secret in any::<[u8; 32]>(), digest in any::<[u8; 32]>()) {
        let Ok(ours) = PrivateKey::from_bytes(&secret, true) else { return Ok(()) };
        let theirs = SecretKey::from_secret_bytes(secret).unwrap();
        let signature = ours.sign(&digest);
        prop_assert_eq!(&signature[..], &secp256k1::ecdsa::sign(Message::from_digest(digest), &theirs).serialize_der()[..]);
        let public_key = ours.public_key();
        prop_assert!(public_key.verifies(&digest, &signature));
        let high = mirrored(&signature);
        prop_assert_ne!(&high, &signature);
        prop_assert!(public_key.verifies(&digest, &high), "a high S is policy, not consensus");
    }

    #[test]
    fn mutated_signatures_are_judged_alike(
        secret in 1_u8..=255,
        digest in any::<[u8; 32]>(),
        high in any::<bool>(),
        mutations in mutations(),
        other_digest in any::<bool>(),
    ) {
        let key = PrivateKey::from_bytes(&[secret; 32], true);
        prop_assume!(key.is_ok());
        let key = key.unwrap();
        let mut signature = key.sign(&digest);
        if high {
            signature = mirrored(&signature);
        }
        let signature = mutate(signature, &mutations);
        let digest = if other_digest { [0; 32] } else { digest };
        let public_key = key.public_key();
        prop_assert!(is_judged_alike(&public_key, &digest, &signature), "{:02x?}", signature);
    }

    /// Numbers of every length and sign byte in a well-formed frame, which mutation seldom hits.
    #[test]
    fn framed_numbers_are_judged_alike(
        r in proptest::collection::vec(prop_oneof![Just(0_u8), Just(0x80), Just(0xff), any::<u8>()], 0..36),
        s in proptest::collection::vec(prop_oneof![Just(0_u8), Just(0x80), Just(0xff), any::<u8>()], 0..36),
    ) {
        let mut signature = vec![0x30, (4 + r.len() + s.len()) as u8, 2, r.len() as u8];
        signature.extend_from_slice(&r);
        signature.extend_from_slice(&[2, s.len() as u8]);
        signature.extend_from_slice(&s);
        let public_key = PrivateKey::from_bytes(&[1; 32], true).unwrap().public_key();
        prop_assert!(is_judged_alike(&public_key, &[9; 32], &signature), "{:02x?}", signature);
    }

    /// A sound signature's numbers in the frames that a lax reader sees through, and in some that it does not.
    #[test]
    fn loosely_framed_signatures_are_judged_alike(
        digest in any::<[u8; 32]>(),
        outer in outer_length(),
        lengths in [length_form(), length_form()],
        zeros in [0_usize..40, 0_usize..40],
        drop_sign in any::<bool>(),
        tail in proptest::collection::vec(any::<u8>(), 0..4),
        cut in proptest::option::weighted(0.2, 0_usize..90),
    ) {
        let key = PrivateKey::from_bytes(&[7; 32], true).unwrap();
        let sound = key.sign(&digest);
        let r_length = usize::from(sound[3]);
        let mut signature = vec![0x30];
        signature.extend_from_slice(&outer);
        let numbers = [&sound[4..4 + r_length], &sound[6 + r_length..]];
        for ((number, zeros), form) in numbers.into_iter().zip(zeros).zip(lengths) {
            let number = number.strip_prefix(&[0]).filter(|_| drop_sign).unwrap_or(number);
            let number = [&vec![0; zeros], number].concat();
            signature.push(2);
            signature.extend(form.write(number.len()));
            signature.extend_from_slice(&number);
        }
        signature.extend_from_slice(&tail);
        signature.truncate(cut.unwrap_or(usize::MAX));
        prop_assert!(is_judged_alike(&key.public_key(), &digest, &signature), "{:02x?}", signature);
    }
}

/// A sequence's length: short, or long with some bytes that a lax reader skips unread.
fn outer_length() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        (0_u8..0x80).prop_map(|length| vec![length]),
        (0_u8..6).prop_map(|bytes| [vec![0x80 | bytes], vec![0x55; usize::from(bytes)]].concat()),
        (0_u8..=255).prop_map(|length| vec![length, 1, 2]),
    ]
}

/// How an integer's length is written.
#[derive(Clone, Debug)]
enum LengthForm {
    Short,
    /// With so many bytes; only the last is not zero.
    Long(u8),
    /// With a first byte that is not zero, so that it is longer than the input.
    Huge(u8),
}
impl LengthForm {
    fn write(&self, length: usize) -> Vec<u8> {
        let bytes = |count: u8| {
            let mut bytes = vec![0; usize::from(count.max(1))];
            *bytes.last_mut().unwrap() = length as u8;
            bytes
        };
        match *self {
            LengthForm::Short => vec![length as u8],
            LengthForm::Long(count) => [vec![0x80 | count.max(1)], bytes(count)].concat(),
            LengthForm::Huge(count) => [vec![0x80 | (count.max(1) + 1), 1], bytes(count)].concat(),
        }
    }
}

fn length_form() -> impl Strategy<Value = LengthForm> {
    prop_oneof![
        4 => Just(LengthForm::Short),
        4 => (1_u8..12).prop_map(LengthForm::Long),
        1 => (1_u8..8).prop_map(LengthForm::Huge),
    ]
}

/// With the digest zero, anyone can make a signature; it must be judged as theirs judges it, not by its looks.
#[test]
fn a_zero_digest_and_scalars_at_the_order_s_edge() {
    let order_less_one = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364140";
    let order = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
    let bytes = |hex_digits: &str| <[u8; 32]>::try_from(hex::decode(hex_digits).unwrap()).unwrap();
    assert!(PrivateKey::from_bytes(&bytes(order_less_one), true).is_ok());
    for secret in [bytes(order), [0; 32], [0xff; 32]] {
        assert!(PrivateKey::from_bytes(&secret, true).is_err());
    }
    let key = PrivateKey::from_bytes(&bytes(order_less_one), true).unwrap();
    let public_key = key.public_key();
    let signature = key.sign(&[0; 32]);
    assert!(public_key.verifies(&[0; 32], &signature) && is_judged_alike(&public_key, &[0; 32], &signature));
}
