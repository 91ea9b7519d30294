use super::*;
use chain_spec::ChainSpec;

const ABANDON: &str = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about";

fn chain(name: &str) -> ChainSpec {
    ChainSpec::builtin(name).unwrap()
}

fn external(index: u32) -> KeyPath {
    KeyPath { branch: Branch::External, index }
}

fn first_address(words: &str, passphrase: &str, spec: &ChainSpec) -> String {
    let keyring = Keyring::new(&Words::parse(words).unwrap(), passphrase, spec).unwrap();
    address(keyring.hash(external(0)).unwrap(), spec).to_string()
}

#[test]
fn the_published_words_give_the_published_address() {
    assert_eq!(first_address(ABANDON, "", &chain("main")), "1LqBGSKuX5yYUonjxT5qGfpUsXKYYWeabA");
}

#[test]
fn demo_accounts_are_the_first_address_of_their_words() {
    let spec = chain("local");
    assert!(spec.demo_accounts.len() >= 4);
    for account in &spec.demo_accounts {
        assert_eq!(first_address(&account.words, "", &spec), account.address, "{}", account.name);
    }
}

#[test]
fn passphrases_are_normalised() {
    let spec = chain("local");
    // "é" composed and decomposed, and the Ångström sign and its letter, are the same passphrase (NFKD).
    assert_eq!(first_address(ABANDON, "caf\u{e9}", &spec), first_address(ABANDON, "cafe\u{301}", &spec));
    assert_eq!(first_address(ABANDON, "\u{212b}", &spec), first_address(ABANDON, "\u{c5}", &spec));
    assert_ne!(first_address(ABANDON, "cafe", &spec), first_address(ABANDON, "caf\u{e9}", &spec));
}

/// BIP39's own vectors (Trezor's list): entropy, words, and the seed under the passphrase "TREZOR".
#[test]
fn the_bip39_vectors_hold() {
    for (entropy, words, seed) in [
        (
            "7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f",
            "legal winner thank year wave sausage worth useful legal winner thank yellow",
            "2e8905819b8723fe2c1d161860e5ee1830318dbf49a83bd451cfb8440c28bd6fa457fe1296106559a3c80937a1c1069be3a3a5bd381ee6260e8d9739fce1f607",
        ),
        (
            "ffffffffffffffffffffffffffffffff",
            "zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo wrong",
            "ac27495480225222079d7be181583751e86f571027b0497b5b5d11218e0a8a13332572917f0f8e5a589620c6f15b11c61dee327651a14c34e18231052e48c069",
        ),
    ] {
        let parsed = Words::parse(words).unwrap();
        assert_eq!(hex::encode(&*parsed.to_entropy()), entropy);
        assert_eq!(*Words::from_entropy(&hex::decode(entropy).unwrap()).unwrap().to_text(), words);
        assert_eq!(hex::encode(*parsed.seed("TREZOR")), seed);
    }
}

#[test]
fn private_and_public_derivation_agree() {
    let keyring = Keyring::new(&Words::parse(ABANDON).unwrap(), "", &chain("local")).unwrap();
    for branch in [Branch::External, Branch::Change] {
        for index in 0..GAP_LIMIT {
            let path = KeyPath { branch, index };
            assert_eq!(Some(keyring.private_key(path).unwrap().public_key().hash()), keyring.hash(path));
        }
    }
    assert_eq!(keyring.path_text(KeyPath { branch: Branch::Change, index: 7 }), "m/44'/1'/0'/1/7");
}

#[test]
fn new_words_differ_and_have_the_length_asked_for() {
    for count in [12, 15, 18, 21, 24] {
        let (one, other) = (Words::generate(count).unwrap(), Words::generate(count).unwrap());
        assert_eq!(one.to_text().split(' ').count(), count);
        assert_ne!(one.to_text(), other.to_text());
        assert_eq!(Words::parse(&one.to_text()).unwrap().to_entropy(), one.to_entropy());
    }
    for count in [0, 9, 11, 13, 27, usize::MAX] {
        assert_eq!(Words::generate(count).unwrap_err(), KeyError::WordCount(count));
    }
}

#[test]
fn wrong_words_are_named() {
    let swap = |position: usize, word: &str| {
        let mut words: Vec<&str> = ABANDON.split(' ').collect();
        words[position - 1] = word;
        Words::parse(&words.join(" ")).unwrap_err()
    };
    let error = swap(12, "abuot").to_string();
    assert!(error.contains("word 12 (\"abuot\")"), "{error}");
    let error = swap(3, "Abanden").to_string();
    assert!(error.contains("word 3 (\"abanden\")") && error.contains("did you mean \"abandon\"?"), "{error}");
    assert_eq!(swap(12, "zoo"), KeyError::Checksum);
    assert_eq!(Words::parse("abandon about").unwrap_err(), KeyError::WordCount(2));
    assert_eq!(Words::parse("").unwrap_err(), KeyError::WordCount(0));
    assert!(matches!(swap(1, "日本"), KeyError::UnknownWord { position: 1, .. }));
    assert_eq!(
        *Words::parse(&format!("  {}\n", ABANDON.to_uppercase().replace(' ', "\t "))).unwrap().to_text(),
        ABANDON
    );
}

#[test]
fn edit_distances_count_letters() {
    for (one, other, distance) in
        [("", "", 0), ("", "abc", 3), ("kitten", "sitting", 3), ("parot", "parrot", 1), ("ü", "u", 1)]
    {
        assert_eq!((edit_distance(one, other), edit_distance(other, one)), (distance, distance));
    }
    assert_eq!(spelling_hint("xxxxxxxx"), "");
}

#[test]
fn the_look_ahead_moves_with_use() {
    let spec = chain("local");
    let words = Words::parse(ABANDON).unwrap();
    let mut keyring = Keyring::new(&words, "", &spec).unwrap();
    assert_eq!(keyring.watched(), 2 * GAP_LIMIT as usize);
    assert_eq!(keyring.hash(external(GAP_LIMIT)), None);
    let last = keyring.hash(external(GAP_LIMIT - 1)).unwrap();
    assert_eq!(keyring.observe(&last), Ok(true));
    assert_eq!(keyring.next_index(Branch::External), GAP_LIMIT);
    assert_eq!(keyring.next_index(Branch::Change), 0);
    assert_eq!(keyring.watched(), 3 * GAP_LIMIT as usize);
    // An earlier key changes nothing, nor does a foreign one.
    let first = keyring.hash(external(0)).unwrap();
    assert_eq!(keyring.observe(&first), Ok(true));
    assert_eq!(keyring.observe(&[7; 20]), Ok(false));
    assert_eq!(keyring.watched(), 3 * GAP_LIMIT as usize);
    keyring.set_gap_limit(5).unwrap();
    assert_eq!(keyring.watched(), 3 * GAP_LIMIT as usize, "never less than BIP44's");
    keyring.set_gap_limit(50).unwrap();
    assert_eq!(keyring.watched(), 20 + 50 + 50);
}

#[test]
fn debug_output_hides_words() {
    assert!(!format!("{:?}", Words::parse(ABANDON).unwrap()).contains("abandon"));
}
