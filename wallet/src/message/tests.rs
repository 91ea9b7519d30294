use super::*;
use chain_spec::ChainSpec;
use proptest::prelude::*;

fn main_address(text: &str) -> Address {
    Address::parse(text, &ChainSpec::builtin("bitcoin-main").unwrap()).unwrap()
}

/// Bitcoin Core's `message_sign` and `message_verify` (src/test/util_tests.cpp).
#[test]
fn core_s_vectors_hold() {
    let secret = hex::decode("d97f5108f11cda6eeebaaa420fef0726b1f898060b98489fa3098463c0032866").unwrap();
    let key = PrivateKey::from_bytes(&secret.try_into().unwrap(), true).unwrap();
    let signature = "IPojfrX2dfPnH26UegfbGQQLrdK844DlHq5157/P6h57WyuS/Qsl+h/WSVGDF4MUi4rWSswW38oimDYfNNUBUOk=";
    assert_eq!(sign("Trust no one", &key).unwrap(), signature);
    verify("Trust no one", signature, &main_address("15CRxFdyRpGZLW9w8HnHvVduizdL5jKNbs")).unwrap();
    let crafted = "IIcaIENoYW5jZWxsb3Igb24gYnJpbmsgb2Ygc2Vjb25kIGJhaWxvdXQgZm9yIGJhbmtzIAaHRtbCeDZINyavx14=";
    verify("Trust me", crafted, &main_address("11canuhp9X2NocwCq7xNrQYTmUgZAnLK3")).unwrap();
}

/// Bitcoin Core's functional test `rpc_signmessagewithprivkey.py`.
#[test]
fn core_s_functional_vector_holds() {
    let regtest = ChainSpec::builtin("bitcoin-regtest").unwrap();
    let key = PrivateKey::from_wif("cUeKHd5orzT3mz8P9pxyREHfsWtVfgsfDjiZZBcjUBAaGk1BTj7N", &regtest).unwrap();
    let signature = "INbVnW4e6PeRmsv2Qgu8NuopvrVjkcxob+sX8OcZG0SALhWybUjzMLPdAsXI46YZGb0KQTRii+wWIQzRpG/U+S0=";
    assert_eq!(sign("This is just a test message", &key).unwrap(), signature);
    assert_eq!(key.public_key().address(&regtest).to_string(), "mpLQjfK79b7CCV4VMJWEWAj5Mpx8Up5zxB");
}

#[test]
fn what_is_no_signature_is_told_from_a_wrong_one() {
    let address = main_address("15CRxFdyRpGZLW9w8HnHvVduizdL5jKNbs");
    let good = "IPojfrX2dfPnH26UegfbGQQLrdK844DlHq5157/P6h57WyuS/Qsl+h/WSVGDF4MUi4rWSswW38oimDYfNNUBUOk=";
    for text in ["", "x", "AAAA", &good[..87], &STANDARD.encode([0; 65]), &STANDARD.encode([200; 65])] {
        assert_eq!(verify("Trust no one", text, &address), Err(MessageError::Malformed), "{text}");
    }
    assert_eq!(verify("Trust no one!", good, &address), Err(MessageError::Mismatch));
    let other = main_address("11canuhp9X2NocwCq7xNrQYTmUgZAnLK3");
    assert_eq!(verify("Trust no one", good, &other), Err(MessageError::Mismatch));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_text_and_key_verifies(text in "\\PC{0,300}", secret in 1..=u64::MAX, compressed: bool) {
        let mut bytes = [0; 32];
        bytes[24..].copy_from_slice(&secret.to_be_bytes());
        let key = PrivateKey::from_bytes(&bytes, compressed).unwrap();
        let address = key.public_key().address(&ChainSpec::builtin("local").unwrap());
        prop_assert_eq!(verify(&text, &sign(&text, &key).unwrap(), &address), Ok(()));
    }

    #[test]
    fn arbitrary_signatures_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..70)) {
        let address = main_address("15CRxFdyRpGZLW9w8HnHvVduizdL5jKNbs");
        prop_assert!(verify("x", &STANDARD.encode(bytes), &address).is_err());
    }
}
