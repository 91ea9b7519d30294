//! Addresses and WIF keys.
use super::{mutate, mutations};
use chain_spec::{Address, ChainSpec, PrivateKey, Script};
use proptest::prelude::*;

/// Our chains beside the networks whose version bytes they have.
fn chains() -> [(ChainSpec, bitcoin::NetworkKind); 2] {
    let chain = |name| ChainSpec::builtin(name).unwrap();
    [(chain("main"), bitcoin::NetworkKind::Main), (chain("local"), bitcoin::NetworkKind::Test)]
}

/// What rust-bitcoin reads as a pay-to-public-key-hash address of this kind of network.
fn their_hash(text: &str, kind: bitcoin::NetworkKind) -> Option<[u8; 20]> {
    use bitcoin::hashes::Hash;
    let address: bitcoin::Address<_> = text.parse().ok()?;
    let network = if kind.is_mainnet() { bitcoin::Network::Bitcoin } else { bitcoin::Network::Testnet };
    Some(address.require_network(network).ok()?.pubkey_hash()?.to_byte_array())
}

proptest! {
    #[test]
    fn addresses_agree(hash in any::<[u8; 20]>(), mutations in mutations()) {
        use bitcoin::hashes::Hash;
        for (spec, kind) in chains() {
            let address = Address { version: spec.address_version, public_key_hash: hash };
            let text = address.to_string();
            let theirs = bitcoin::Address::p2pkh(bitcoin::PubkeyHash::from_byte_array(hash), kind);
            prop_assert_eq!(&text, &theirs.to_string());
            prop_assert_eq!(address.script().as_bytes().to_vec(), theirs.script_pubkey().into_bytes());
            prop_assert_eq!(Address::parse(&text, &spec), Ok(address));
            prop_assert_eq!(Address::from_script(&Script::pay_to_public_key_hash(&hash), &spec), Some(address));
            let mutated = String::from_utf8_lossy(&mutate(text.into_bytes(), &mutations)).into_owned();
            let ours = Address::parse(&mutated, &spec).ok().map(|address| address.public_key_hash);
            prop_assert_eq!(ours, their_hash(&mutated, kind), "{}", mutated);
        }
    }

    #[test]
    fn wif_keys_agree(secret in any::<[u8; 32]>(), compressed in any::<bool>(), mutations in mutations()) {
        let Ok(key) = PrivateKey::from_bytes(&secret, compressed) else { return Ok(()) };
        for (spec, kind) in chains() {
            let inner = bitcoin::secp256k1::SecretKey::from_slice(&secret).unwrap();
            let theirs = bitcoin::PrivateKey { compressed, network: kind, inner };
            let text = key.to_wif(&spec);
            prop_assert_eq!(&text, &theirs.to_wif());
            let mutated = String::from_utf8_lossy(&mutate(text.into_bytes(), &mutations)).into_owned();
            let ours = PrivateKey::from_wif(&mutated, &spec).ok().map(|key| (key.to_bytes(), key.is_compressed()));
            let theirs = bitcoin::PrivateKey::from_wif(&mutated).ok().filter(|key| key.network == kind);
            prop_assert_eq!(ours, theirs.map(|key| (key.inner.secret_bytes(), key.compressed)), "{}", mutated);
        }
    }

    #[test]
    fn any_text_is_an_error_not_a_panic(text in ".{0,60}") {
        let [(spec, kind), _] = chains();
        let ours = Address::parse(&text, &spec).ok().map(|address| address.public_key_hash);
        prop_assert_eq!(ours, their_hash(&text, kind));
        prop_assert!(PrivateKey::from_wif(&text, &spec).is_err());
    }
}

/// The address of BIP32's most used test key, m/44'/0'/0'/0/0 of `abandon … about`, from its published public key hash.
#[test]
fn versions_lengths_and_checksums_are_told_apart() {
    let [(main, _), (local, _)] = chains();
    let text = "1LqBGSKuX5yYUonjxT5qGfpUsXKYYWeabA";
    assert_eq!(Address::parse(text, &main).unwrap().to_string(), text);
    let error = |text: &str, spec: &ChainSpec| Address::parse(text, spec).unwrap_err().to_string();
    assert_eq!(error(text, &local), "unknown address version 0: chain \"local\" uses 111");
    assert!(error("1LqBGSKuX5yYUonjxT5qGfpUsXKYYWeabB", &main).starts_with("not a Base58Check address"));
    assert!(error("0", &main).starts_with("not a Base58Check address"));
    let wif = PrivateKey::from_bytes(&[1; 32], true).unwrap().to_wif(&main);
    assert_eq!(error(&wif, &main), "an address has 21 bytes, this has 34");
    let error = PrivateKey::from_wif(&wif, &local).unwrap_err().to_string();
    assert_eq!(error, "not a WIF key of this chain: version 128, but chain \"local\" uses 239");
    assert!(!error.contains(&wif), "a secret is never repeated");
}
