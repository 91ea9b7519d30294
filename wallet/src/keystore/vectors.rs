//! The published vectors of BIP32 and BIP39, and rust-bitcoin as the reader of what this wallet exports.

use std::str::FromStr;

use bip32::{ChildNumber, Prefix, XPrv};
use bitcoin::bip32::{DerivationPath, Fingerprint, Xpub};
use chain_spec::ChainSpec;

use super::*;

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.starts_with('#'))
}

/// `m/0h/1` as child numbers.
fn steps(path: &str) -> Vec<ChildNumber> {
    let step = |step: &str| match step.strip_suffix('h') {
        Some(number) => ChildNumber::new(number.parse().unwrap(), true).unwrap(),
        None => ChildNumber::new(step.parse().unwrap(), false).unwrap(),
    };
    path.split('/').skip(1).map(step).collect()
}

/// BIP32's vectors 1 to 4: each key of each chain, and each public key also read back from its text. Vector 5: what must be
/// refused, is.
#[test]
fn the_bip32_vectors_hold() {
    let spec = ChainSpec::builtin("bitcoin-main").unwrap();
    let (mut root, mut keys, mut refused) = (None, 0, 0);
    for line in lines(include_str!("bip32.txt")) {
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["seed", seed] => root = Some(XPrv::new(&hex::decode(seed).unwrap()).unwrap()),
            ["key", path, public, private] => {
                let root = root.clone().unwrap();
                let key = steps(path).into_iter().fold(root, |key, step| key.derive_child(step).unwrap());
                assert_eq!(*key.to_string(Prefix::XPRV), *private, "{line}");
                assert_eq!(extended::to_text(&key.public_key(), &spec), public);
                assert_eq!(extended::to_text(&extended::parse(public, &spec).unwrap(), &spec), public);
                assert!(matches!(extended::parse(private, &spec), Err(KeyError::Extended(_))), "a secret");
                keys += 1;
            }
            ["invalid", text] => {
                assert!(matches!(extended::parse(text, &spec), Err(KeyError::Extended(_))), "{text}");
                assert!(descriptor::parse(&format!("pkh({text}/0/*)"), &spec).is_err(), "{text}");
                refused += 1;
            }
            _ => panic!("{line}"),
        }
    }
    assert_eq!((keys, refused), (17, 16));
}

/// Public derivation, which a watching wallet does, meets the same vectors: BIP32's chains that end in an unhardened step.
#[test]
fn public_derivation_meets_the_bip32_vectors() {
    let spec = ChainSpec::builtin("bitcoin-main").unwrap();
    let mut checked = 0;
    let all: Vec<Vec<&str>> =
        lines(include_str!("bip32.txt")).map(|line| line.split(' ').collect::<Vec<_>>()).collect();
    for pair in all.windows(2) {
        if let ([_, parent, public, ..], ["key", path, child, _]) = (&pair[0][..], &pair[1][..])
            && path.starts_with(*parent)
            && !path.ends_with('h')
        {
            let step = *steps(path).last().unwrap();
            let derived = extended::parse(public, &spec).unwrap().derive_child(step).unwrap();
            assert_eq!(extended::to_text(&derived, &spec), *child);
            checked += 1;
        }
    }
    assert_eq!(checked, 6);
}

/// All vectors that BIP39 names: words, seed and master key.
#[test]
fn the_bip39_vectors_hold() {
    let mut count = 0;
    for line in lines(include_str!("bip39.txt")) {
        let mut fields = line.splitn(4, ' ');
        let [entropy, seed, master, words] = [(); 4].map(|()| fields.next().unwrap());
        let parsed = Words::parse(words).unwrap();
        assert_eq!(hex::encode(&*parsed.to_entropy()), entropy);
        assert_eq!(*Words::from_entropy(&hex::decode(entropy).unwrap()).unwrap().to_text(), words);
        assert_eq!(hex::encode(*parsed.seed("TREZOR")), seed);
        assert_eq!(*XPrv::new(&*parsed.seed("TREZOR")).unwrap().to_string(Prefix::XPRV), *master);
        count += 1;
    }
    assert_eq!(count, 24);
}

/// What `descriptors` exports, read by rust-bitcoin: origin, extended key and both branches' addresses are the wallet's.
#[test]
fn rust_bitcoin_reads_the_exported_descriptors() {
    let context = bitcoin::secp256k1::Secp256k1::new();
    for (chain, network) in
        [("bitcoin-main", bitcoin::Network::Bitcoin), ("bitcoin-regtest", bitcoin::Network::Regtest)]
    {
        let spec = ChainSpec::builtin(chain).unwrap();
        let keyring = Keyring::new(&Words::generate(12).unwrap(), "", &spec).unwrap();
        let account = keyring.account(0).unwrap();
        for (text, branch) in account.descriptors().iter().zip([Branch::External, Branch::Change]) {
            let (body, sum) = text.split_once('#').unwrap();
            assert_eq!(chain_spec::descriptor::checksum(body).as_deref(), Some(sum));
            let inner = body.strip_prefix("pkh([").and_then(|rest| rest.strip_suffix("/*)")).unwrap();
            let (origin, key) = inner.split_once(']').unwrap();
            let (fingerprint, path) = origin.split_once('/').unwrap();
            assert_eq!(Fingerprint::from_str(fingerprint).unwrap().to_bytes(), account.fingerprint().unwrap());
            let path = DerivationPath::from_str(path).unwrap();
            assert_eq!(format!("m/{path}"), account.path());
            let (key, branch_number) = key.split_once('/').unwrap();
            let key = Xpub::from_str(key).unwrap();
            assert_eq!(branch_number, (branch as u8).to_string());
            for index in 0..GAP_LIMIT {
                let steps = DerivationPath::from_str(&format!("{branch_number}/{index}")).unwrap();
                let public = key.derive_pub(&context, &steps).unwrap().to_pub();
                let theirs = bitcoin::Address::p2pkh(public, network).to_string();
                let ours = keyring.hash(KeyPath { account: 0, branch, index }).unwrap();
                assert_eq!(address(ours, &spec).to_string(), theirs, "{path} {branch:?} {index}");
            }
        }
    }
}
