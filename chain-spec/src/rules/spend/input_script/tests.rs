use super::*;
use crate::amount::Amount;
use crate::der;
use crate::fixture::{key as key_of, outpoint, pay_to, sign, transaction};
use crate::rules::RuleError;
use crate::script::Script;
use crate::signature_hash::signature_hash;
use crate::transaction::TxOut;

const COIN: u64 = 100_000_000;
const STRICT: SignatureEncoding = SignatureEncoding::Strict;

/// A spend of one coin of key 1, signed with a type, and the coin.
fn signed(hash_type: u8) -> (Transaction, Coin) {
    let mut spend = transaction(&[outpoint(1, 0)], &[COIN]);
    sign(&mut spend, 0, 1, hash_type);
    let output = TxOut { value: Amount::from_units(COIN), script: pay_to(1) };
    (spend, Coin { output, height: 1, is_coinbase: false })
}

fn script_error_of(transaction: &Transaction, coin: &Coin) -> ScriptError {
    match check_input_script(transaction, 0, coin, STRICT) {
        Err(rule @ SpendError::InputScript { error, .. }) => {
            assert_eq!(rule.reason(), "block-script-verify-flag-failed");
            error
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_hash_type_unlocks() {
    for hash_type in 0..=u8::MAX {
        let (spend, coin) = signed(hash_type);
        assert_eq!(check_input_script(&spend, 0, &coin, STRICT), Ok(()), "type {hash_type:02x}");
    }
}

#[test]
fn only_pay_to_public_key_hash_is_spent() {
    let (spend, mut coin) = signed(1);
    let template = coin.output.script.as_bytes().to_vec();
    let mut longer = template.clone();
    longer.push(0x61);
    let mut pay_to_public_key = vec![33];
    pay_to_public_key.extend_from_slice(key_of(1).public_key().as_bytes());
    pay_to_public_key.push(0xac);
    for script in [vec![], vec![0x51], template[..24].to_vec(), longer, pay_to_public_key] {
        coin.output.script = Script::from_bytes(script);
        assert_eq!(script_error_of(&spend, &coin), ScriptError::NotPublicKeyHash);
    }
}

#[test]
fn exactly_two_pushes_in_any_form() {
    let (spend, coin) = signed(1);
    let (signature, public_key) = spend.inputs[0].script.unlock_parts().unwrap();
    let push = |form: u8, data: &[u8]| {
        let length = data.len() as u32;
        let mut bytes = match form {
            0 => vec![length as u8],
            1 => vec![0x4c, length as u8],
            2 => vec![0x4d, length as u8, 0],
            _ => vec![0x4e, length as u8, 0, 0, 0],
        };
        bytes.extend_from_slice(data);
        bytes
    };
    let with_script = |parts: &[&[u8]]| {
        let mut spend = spend.clone();
        spend.inputs[0].script = Script::from_bytes(parts.concat());
        spend
    };
    for form in 0..16 {
        let parts = [push(form & 3, signature), push(form >> 2, public_key)];
        assert_eq!(check_input_script(&with_script(&[&parts[0], &parts[1]]), 0, &coin, STRICT), Ok(()));
    }
    let (first, second) = (push(0, signature), push(0, public_key));
    let (first, second) = (first.as_slice(), second.as_slice());
    let others: [&[&[u8]]; 5] =
        [&[], &[first], &[first, second, &[0]], &[&[0], first, second], &[first, second, &[0x61]]];
    for parts in others {
        assert_eq!(script_error_of(&with_script(parts), &coin), ScriptError::NotTwoPushes);
    }
    // Numbers are no pushes of bytes, and a push cut short is none.
    assert_eq!(script_error_of(&with_script(&[&[0x51], second]), &coin), ScriptError::NotTwoPushes);
    assert_eq!(script_error_of(&with_script(&[first, &second[..33]]), &coin), ScriptError::NotTwoPushes);
}

#[test]
fn another_key_than_the_one_paid_to() {
    let (mut spend, coin) = signed(1);
    sign(&mut spend, 0, 2, 1);
    assert_eq!(script_error_of(&spend, &coin), ScriptError::WrongPublicKey);
}

#[test]
fn a_key_s_two_forms_have_two_addresses() {
    let (spend, mut coin) = signed(1);
    let uncompressed = crate::key::PrivateKey::from_bytes(&[1; 32], false).unwrap();
    let public_key = uncompressed.public_key();
    let mut other = spend.clone();
    let unlock = |spend: &Transaction, script: &Script| {
        let mut signature = uncompressed.sign(&signature_hash(spend, 0, script, 1));
        signature.push(1);
        Script::unlock_public_key_hash(&signature, public_key.as_bytes())
    };
    other.inputs[0].script = unlock(&other, &coin.output.script);
    assert_eq!(script_error_of(&other, &coin), ScriptError::WrongPublicKey);
    coin.output.script = Script::pay_to_public_key_hash(&public_key.hash());
    other.inputs[0].script = unlock(&other, &coin.output.script);
    assert_eq!(check_input_script(&other, 0, &coin, STRICT), Ok(()));
}

#[test]
fn bip66_strict_der_and_empty_signatures() {
    let (spend, coin) = signed(1);
    let (signature, public_key) = spend.inputs[0].script.unlock_parts().unwrap();
    let with_signature = |signature: &[u8]| {
        let mut spend = spend.clone();
        spend.inputs[0].script = Script::unlock_public_key_hash(signature, public_key);
        spend
    };
    assert_eq!(script_error_of(&with_signature(&[]), &coin), ScriptError::BadSignature);
    assert_eq!(script_error_of(&with_signature(&[1]), &coin), ScriptError::NotStrictDer);
    // The same number with a needless zero in front: BER, and fine before BIP66.
    let mut padded = signature.to_vec();
    padded[1] += 1;
    padded[3] += 1;
    padded.insert(4, 0);
    assert_eq!(script_error_of(&with_signature(&padded), &coin), ScriptError::NotStrictDer);
    assert_eq!(check_input_script(&with_signature(&padded), 0, &coin, SignatureEncoding::Lax), Ok(()));
    let mut other = signature.to_vec();
    other[10] ^= 1;
    assert_eq!(script_error_of(&with_signature(&other), &coin), ScriptError::BadSignature);
}

#[test]
fn a_high_s_is_policy_not_consensus() {
    let (mut spend, coin) = signed(1);
    let (signature, public_key) = spend.inputs[0].script.unlock_parts().unwrap();
    let mut high = der::with_mirrored_s(&signature[..signature.len() - 1]);
    high.push(1);
    assert_ne!(high, signature);
    spend.inputs[0].script = Script::unlock_public_key_hash(&high, public_key);
    assert_eq!(check_input_script(&spend, 0, &coin, STRICT), Ok(()));
}

/// Forms of one signature that blocks before BIP66 could hold, as OpenSSL read them all.
#[test]
fn before_bip66_many_encodings_are_one_signature() {
    let (spend, coin) = signed(1);
    let (signature, public_key) = spend.inputs[0].script.unlock_parts().unwrap();
    let (signature, hash_type) = signature.split_at(signature.len() - 1);
    let r_length = usize::from(signature[3]);
    let (r, s) = (&signature[4..4 + r_length], &signature[6 + r_length..]);
    let digits = |number: &[u8]| number.strip_prefix(&[0]).unwrap_or(number).to_vec();
    let with = |bytes: &[u8]| {
        let mut spend = spend.clone();
        let unlock = Script::unlock_public_key_hash(&[bytes, hash_type].concat(), public_key);
        spend.inputs[0].script = unlock;
        spend
    };
    let framed = |r: &[u8], s: &[u8]| {
        let mut bytes = vec![0x30, (4 + r.len() + s.len()) as u8, 2, r.len() as u8];
        bytes.extend_from_slice(r);
        bytes.extend_from_slice(&[2, s.len() as u8]);
        bytes.extend_from_slice(s);
        bytes
    };
    let mut negative_looking = digits(r);
    negative_looking.insert(0, 0);
    let long_length = [&[0x30, 0x81, signature[1], 2, 0x82, 0, r_length as u8], r, &signature[4 + r_length..]].concat();
    let forms = [
        framed(&[&[0; 20], r].concat(), s),
        framed(r, &[&[0, 0], s].concat()),
        // Without its sign byte a number with the top bit set is negative, by the letter of DER.
        framed(&digits(r), &digits(s)),
        framed(&negative_looking, s),
        long_length,
        // The outer length is not looked at, nor what follows S.
        [&[0x30, 0], &signature[2..]].concat(),
        [signature, &[7, 7, 7]].concat(),
    ];
    for form in &forms {
        assert_eq!(check_input_script(&with(form), 0, &coin, SignatureEncoding::Lax), Ok(()), "{form:02x?}");
        if form != signature {
            assert_eq!(script_error_of(&with(form), &coin), ScriptError::NotStrictDer, "{form:02x?}");
        }
    }
    let lax_fault = |bytes: &[u8]| match check_input_script(&with(bytes), 0, &coin, SignatureEncoding::Lax) {
        Err(SpendError::InputScript { error, .. }) => error,
        other => panic!("{bytes:02x?} gave {other:?}"),
    };
    for no_signature in [framed(&[], s), framed(r, &[0]), framed(&[1; 33], s), signature[..20].to_vec(), vec![]] {
        assert_eq!(lax_fault(&no_signature), ScriptError::BadSignature);
    }
    // A push has at most 520 bytes, the type byte among them.
    let stuffed = |length: usize| [signature, &vec![0; length - 1 - signature.len()]].concat();
    assert_eq!(check_input_script(&with(&stuffed(520)), 0, &coin, SignatureEncoding::Lax), Ok(()));
    assert_eq!(lax_fault(&stuffed(521)), ScriptError::PushTooLong);
}

/// A coin paid to a public key's bytes, and its spend by key 1.
fn paid_to_bytes(public_key: &[u8]) -> (Transaction, Coin) {
    let (mut spend, mut coin) = signed(1);
    coin.output.script = Script::pay_to_public_key_hash(&hash160(public_key));
    let mut signature = key_of(1).sign(&signature_hash(&spend, 0, &coin.output.script, 1));
    signature.push(1);
    spend.inputs[0].script = Script::unlock_public_key_hash(&signature, public_key);
    (spend, coin)
}

/// A hash of bytes that are no key can be paid to and never spent.
#[test]
fn bytes_that_are_no_public_key() {
    for public_key in [vec![2; 32], vec![5; 33], vec![0xff; 33], vec![]] {
        let (spend, coin) = paid_to_bytes(&public_key);
        assert_eq!(script_error_of(&spend, &coin), ScriptError::BadPublicKey);
    }
}

/// The hybrid form tells Y's parity twice; both must agree.
#[test]
fn a_hybrid_public_key_unlocks_when_its_parity_is_right() {
    let mut hybrid = crate::key::PrivateKey::from_bytes(&[1; 32], false).unwrap().public_key().as_bytes().to_vec();
    hybrid[0] = 6 + (hybrid[64] & 1);
    let (spend, coin) = paid_to_bytes(&hybrid);
    assert_eq!(check_input_script(&spend, 0, &coin, STRICT), Ok(()));
    hybrid[0] ^= 1;
    let (spend, coin) = paid_to_bytes(&hybrid);
    assert_eq!(script_error_of(&spend, &coin), ScriptError::BadPublicKey);
}

/// With no output at the input's place, `SIGHASH_SINGLE` signs the number 1: the signature is good for any transaction.
#[test]
fn sighash_single_bug() {
    let single = 3;
    let mut first = transaction(&[outpoint(1, 0), outpoint(2, 0)], &[COIN]);
    sign(&mut first, 1, 1, single);
    let mut one = [0; 32];
    one[0] = 1;
    assert_eq!(signature_hash(&first, 1, &pay_to(1), u32::from(single)), one);
    let coin = signed(1).1;
    assert_eq!(check_input_script(&first, 1, &coin, STRICT), Ok(()));
    let mut stolen = transaction(&[outpoint(3, 0), outpoint(2, 0)], &[7]);
    stolen.inputs[1].script = first.inputs[1].script.clone();
    assert_eq!(check_input_script(&stolen, 1, &coin, STRICT), Ok(()));
    // With an output at its place, it is bound to the transaction.
    let mut bound = transaction(&[outpoint(1, 0), outpoint(2, 0)], &[COIN, COIN]);
    sign(&mut bound, 1, 1, single);
    assert_eq!(check_input_script(&bound, 1, &coin, STRICT), Ok(()));
    bound.outputs[1].value = Amount::from_units(COIN - 1);
    assert!(check_input_script(&bound, 1, &coin, STRICT).is_err());
}

#[test]
fn an_input_that_is_not_there() {
    let (spend, coin) = signed(1);
    let error = check_input_script(&spend, 1, &coin, STRICT).unwrap_err();
    assert!(matches!(error, SpendError::InputScript { input: 1, error: ScriptError::NoSuchInput, .. }));
}

#[test]
fn of_many_inputs_the_first_bad_one_is_named() {
    let inputs: Vec<(Transaction, Coin)> = (0..12).map(|_| signed(1)).collect();
    let unlocks = |inputs: &[(Transaction, Coin)]| {
        let one = |(transaction, coin)| InputCheck { transaction, input: 0, coin, encoding: STRICT };
        check_input_scripts(&inputs.iter().map(|(transaction, coin)| one((transaction, coin))).collect::<Vec<_>>())
    };
    assert_eq!(unlocks(&inputs), Ok(()));
    for first in 0..12 {
        let mut broken = inputs.clone();
        // A false equation, and whatever is wrong before any equation, in both orders.
        let faults = [ScriptError::BadSignature, ScriptError::NotPublicKeyHash];
        for (broken_input, fault) in (first..12).step_by(5).zip(faults.iter().cycle().skip(first)) {
            match fault {
                ScriptError::BadSignature => broken[broken_input].0.lock_time ^= 1,
                _ => broken[broken_input].1.output.script = Script::from_bytes(vec![0x51]),
            }
        }
        let error = SpendError::InputScript { input: 0, outpoint: outpoint(1, 0), error: faults[first % 2] };
        assert_eq!(unlocks(&broken), Err((first, error)));
    }
}
