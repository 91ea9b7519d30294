use super::words::{edit_distance, spelling_hint};
use super::*;
use chain_spec::ChainSpec;

const ABANDON: &str = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about";

fn chain(name: &str) -> ChainSpec {
    ChainSpec::builtin(name).unwrap()
}

fn external(index: u32) -> KeyPath {
    KeyPath { account: 0, branch: Branch::External, index }
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

#[test]
fn private_and_public_derivation_agree() {
    let keyring = Keyring::new(&Words::parse(ABANDON).unwrap(), "", &chain("local")).unwrap();
    for branch in [Branch::External, Branch::Change] {
        for index in 0..GAP_LIMIT {
            let path = KeyPath { account: 0, branch, index };
            let hash = keyring.hash(path).unwrap();
            assert_eq!(keyring.private_key(&hash).unwrap().public_key().hash(), hash);
            assert_eq!(keyring.public_key(&hash).unwrap().hash(), hash);
        }
    }
    assert_eq!(keyring.path_text(KeyPath { account: 0, branch: Branch::Change, index: 7 }), "m/44'/1'/0'/1/7");
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
    // Two branches of account 0, and two of the account after it.
    assert_eq!(keyring.watched(), 4 * GAP_LIMIT as usize);
    assert_eq!(keyring.hash(external(GAP_LIMIT)), None);
    let last = keyring.hash(external(GAP_LIMIT - 1)).unwrap();
    assert_eq!(keyring.observe(&last), Ok(true));
    assert_eq!(keyring.next_index(0, Branch::External), GAP_LIMIT);
    assert_eq!(keyring.next_index(0, Branch::Change), 0);
    assert_eq!(keyring.watched(), 5 * GAP_LIMIT as usize);
    // An earlier key changes nothing, nor does a foreign one.
    let first = keyring.hash(external(0)).unwrap();
    assert_eq!(keyring.observe(&first), Ok(true));
    assert_eq!(keyring.observe(&[7; 20]), Ok(false));
    assert_eq!(keyring.watched(), 5 * GAP_LIMIT as usize);
    keyring.set_gap_limit(5).unwrap();
    assert_eq!(keyring.watched(), 5 * GAP_LIMIT as usize, "never less than BIP44's");
    keyring.set_gap_limit(50).unwrap();
    assert_eq!(keyring.watched(), 20 + 4 * 50);
}

#[test]
fn debug_output_hides_words() {
    assert!(!format!("{:?}", Words::parse(ABANDON).unwrap()).contains("abandon"));
}

/// BIP44's account discovery: the use of an account brings the next one into view.
#[test]
fn a_used_account_is_found_and_the_next_one_watched() {
    let spec = chain("local");
    let words = Words::parse(ABANDON).unwrap();
    let mut keyring = Keyring::new(&words, "", &spec).unwrap();
    assert_eq!(keyring.accounts().count(), 1);
    assert_eq!(keyring.create_account(None), Err(KeyError::AccountUnused(0)));
    let in_second = keyring.hash(KeyPath { account: 1, branch: Branch::External, index: 3 }).unwrap();
    assert_eq!(keyring.observe(&in_second), Ok(true));
    assert_eq!(keyring.accounts().count(), 2);
    assert!(keyring.hash(KeyPath { account: 2, branch: Branch::External, index: 0 }).is_some());
    assert_eq!(keyring.create_account(Some("savings")), Ok(2));
    assert_eq!(keyring.account(2).unwrap().name(), "savings");
    assert_eq!(keyring.create_account(None), Err(KeyError::AccountUnused(2)));
    assert!(matches!(keyring.account(3), Err(KeyError::NoAccount(3))));
}

#[test]
fn a_key_of_another_kind_of_chain_is_named() {
    let key = Keyring::new(&Words::parse(ABANDON).unwrap(), "", &chain("bitcoin-main")).unwrap();
    let text = key.account(0).unwrap().extended_public_key().to_owned();
    assert!(extended::parse(&text, &chain("local")).unwrap_err().to_string().contains("tpub"));
}

/// BIP44's published account for the words of [`ABANDON`], as Electrum and Ian Coleman's page show it.
#[test]
fn an_account_s_extended_key_is_the_published_one() {
    let keyring = Keyring::new(&Words::parse(ABANDON).unwrap(), "", &chain("bitcoin-main")).unwrap();
    assert_eq!(
        keyring.account(0).unwrap().extended_public_key(),
        "xpub6BosfCnifzxcFwrSzQiqu2DBVTshkCXacvNsWGYJVVhhawA7d4R5WSWGFNbi8Aw6ZRc1brxMyWMzG3DSSSSoekkudhUd9yLb6qx39T9nMdj"
    );
    assert_eq!(keyring.account(0).unwrap().fingerprint(), Some([0x73, 0xc5, 0xda, 0x0a]));
}

#[test]
fn a_watching_keyring_knows_the_same_addresses_and_no_secret() {
    let spec = chain("local");
    let full = Keyring::new(&Words::parse(ABANDON).unwrap(), "", &spec).unwrap();
    let account = full.account(0).unwrap();
    for text in [account.source(), account.extended_public_key().to_owned()] {
        let watching = Keyring::watch_only(vec![descriptor::parse(&text, &spec).unwrap()], &spec).unwrap();
        for branch in [Branch::External, Branch::Change] {
            let path = KeyPath { account: 0, branch, index: 7 };
            assert_eq!(watching.hash(path), full.hash(path), "{text}");
        }
        let hash = watching.hash(external(3)).unwrap();
        assert!(matches!(watching.private_key(&hash), Err(KeyError::WatchOnly(_))));
        assert!(watching.is_watch_only() && !full.is_watch_only());
    }
    let [receive, change] = &account.descriptors()[..] else { panic!("two branches") };
    let receive = descriptor::parse(receive, &spec).unwrap();
    let only = Keyring::watch_only(vec![receive.clone()], &spec).unwrap();
    assert_eq!(only.hash(external(5)), full.hash(external(5)));
    assert_eq!(only.change_path(0).unwrap().branch, Branch::External, "there is no other");
    assert_eq!((receive.path.as_str(), receive.fingerprint), ("m/44'/1'/0'", account.fingerprint()));
    let mut typo = change.clone();
    typo.replace_range(30..31, if &change[30..31] == "a" { "b" } else { "a" });
    for wrong in [typo.as_str(), "pkh(x)", "wpkh(tpub)", "pkh([zz]tpub/0/*)", "", &change[..change.len() - 1]] {
        assert!(descriptor::parse(wrong, &spec).is_err(), "{wrong}");
    }
}

#[test]
fn an_imported_key_is_found_and_signs() {
    let mut keyring = Keyring::new(&Words::parse(ABANDON).unwrap(), "", &chain("local")).unwrap();
    let key = chain_spec::PrivateKey::from_bytes(&[9; 32], false).unwrap();
    let hash = key.public_key().hash();
    assert!(keyring.import(key.clone()) && !keyring.import(key));
    assert_eq!(keyring.origin(&hash), Some(KeyOrigin::Imported));
    assert_eq!(keyring.observe(&hash), Ok(true));
    assert_eq!(keyring.private_key(&hash).unwrap().public_key().hash(), hash);
}
