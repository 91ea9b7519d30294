use super::replace::sibling;
use super::*;
use proptest::prelude::*;
use std::os::unix::fs::PermissionsExt;

const QUICK: Cost = Cost { memory_kib: 8, passes: 1, lanes: 1 };

fn secret(text: &str) -> Password {
    Password::Secret(Zeroizing::new(text.to_owned()))
}

fn write(path: &Path, password: &Password, payload: &[u8]) {
    WalletFile::create(path, password, QUICK).unwrap().save(payload).unwrap();
}

fn reason(result: Result<(WalletFile, Zeroizing<Vec<u8>>), FileError>) -> FileError {
    result.map(|_| ()).unwrap_err()
}

#[test]
fn what_is_saved_is_read_again_and_only_with_the_password() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("w");
    write(&path, &secret("right"), b"first");
    let (mut file, payload) = WalletFile::open(&path, &secret("right"), 0).unwrap();
    assert_eq!(*payload, b"first");
    file.save(b"second").unwrap();
    drop(file);
    assert_eq!(*WalletFile::open(&path, &secret("right"), 0).unwrap().1, b"second");
    for wrong in [secret("wrong"), Password::None] {
        let error = reason(WalletFile::open(&path, &wrong, 0));
        assert!(matches!(error, FileError::WrongPassword(_)), "{error}");
        assert!(error.to_string().starts_with("wrong password for wallet"), "{error}");
    }
    assert!(!WalletFile::has_no_password(&path).unwrap());
}

#[test]
fn a_file_without_password_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("w");
    write(&path, &Password::None, b"open");
    assert!(WalletFile::has_no_password(&path).unwrap());
    assert_eq!(*WalletFile::open(&path, &Password::None, 0).unwrap().1, b"open");
}

#[test]
fn the_file_is_private_and_leaves_nothing_beside_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("w");
    write(&path, &secret("x"), b"payload");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let names: Vec<_> = fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["w"]);
    let bytes = fs::read(&path).unwrap();
    assert!(!bytes.windows(7).any(|window| window == b"payload"));
}

#[test]
fn no_two_saves_use_one_nonce() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("w");
    let mut file = WalletFile::create(&path, &secret("x"), QUICK).unwrap();
    let mut seen = std::collections::HashSet::new();
    for _ in 0..20 {
        file.save(b"same").unwrap();
        assert!(seen.insert(fs::read(&path).unwrap()[40..64].to_vec()));
    }
}

#[test]
fn one_process_at_a_time() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("w");
    let mut file = WalletFile::create(&path, &secret("x"), QUICK).unwrap();
    file.save(b"").unwrap();
    assert!(matches!(reason(WalletFile::open(&path, &secret("x"), 0)), FileError::Locked(_)));
    drop(file);
    assert!(WalletFile::open(&path, &secret("x"), 0).is_ok());
}

#[test]
fn a_lock_is_waited_for_and_reading_needs_none() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("w");
    let mut held = WalletFile::create(&path, &secret("x"), QUICK).unwrap();
    held.save(b"first").unwrap();
    let (mut reader, payload) = WalletFile::open_to_read(&path, &secret("x")).unwrap();
    assert_eq!((&payload[..], reader.is_read_only()), (&b"first"[..], true));
    assert!(matches!(reader.save(b"lost update"), Err(FileError::Locked(_))));
    let waiting = std::thread::spawn({
        let path = path.clone();
        move || WalletFile::open(&path, &secret("x"), 60_000).map(|(_, payload)| payload.to_vec()).unwrap()
    });
    held.save(b"second").unwrap();
    held.release();
    assert_eq!(waiting.join().unwrap(), b"second", "it reads what the holder saved last");
    assert!(matches!(held.save(b"third"), Err(FileError::Locked(_))), "what was released cannot be saved");
    let (free, _) = WalletFile::open_to_read(&path, &secret("x")).unwrap();
    assert!(!free.is_read_only(), "nobody has it, so what a reader learns is kept");
}

#[test]
fn a_lock_file_left_by_a_killed_process_does_not_lock() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("w");
    write(&path, &secret("x"), b"");
    fs::write(sibling(&path, ".lock"), b"").unwrap();
    assert!(WalletFile::open(&path, &secret("x"), 0).is_ok());
}

#[test]
fn create_does_not_overwrite_and_open_does_not_create() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("w");
    assert!(matches!(reason(WalletFile::open(&path, &secret("x"), 0)), FileError::NotFound(_)));
    assert!(!path.exists());
    write(&path, &secret("x"), b"keep");
    let error = WalletFile::create(&path, &secret("x"), QUICK).map(|_| ()).unwrap_err();
    assert!(matches!(error, FileError::Exists(_)));
    assert_eq!(*WalletFile::open(&path, &secret("x"), 0).unwrap().1, b"keep");
}

/// A crash while saving leaves at most an unfinished `.new` beside the old file.
#[test]
fn an_interrupted_save_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("w");
    write(&path, &secret("x"), b"old");
    fs::write(sibling(&path, ".new"), b"half of a").unwrap();
    let (mut file, payload) = WalletFile::open(&path, &secret("x"), 0).unwrap();
    assert_eq!(*payload, b"old");
    file.save(b"new").unwrap();
    drop(file);
    assert_eq!(*WalletFile::open(&path, &secret("x"), 0).unwrap().1, b"new");
    assert!(!sibling(&path, ".new").exists());
}

#[test]
fn a_save_that_cannot_be_written_keeps_the_old_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("w");
    write(&path, &secret("x"), b"old");
    let (mut file, _) = WalletFile::open(&path, &secret("x"), 0).unwrap();
    // A directory in the way of the temporary file fails the save, for root as well.
    fs::create_dir(sibling(&path, ".new")).unwrap();
    let error = file.save(b"new").unwrap_err();
    assert!(error.to_string().starts_with("cannot create"), "{error}");
    drop(file);
    assert_eq!(*WalletFile::open(&path, &secret("x"), 0).unwrap().1, b"old");
}

#[test]
fn a_symbolic_link_stays_one() {
    let directory = tempfile::tempdir().unwrap();
    let (path, link) = (directory.path().join("w"), directory.path().join("link"));
    write(&path, &secret("x"), b"old");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    WalletFile::open(&link, &secret("x"), 0).unwrap().0.save(b"new").unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(*WalletFile::open(&path, &secret("x"), 0).unwrap().1, b"new");
}

/// Every byte of the file: one flipped bit is noticed, named, and never a panic.
#[test]
fn a_flipped_bit_anywhere_is_a_clear_error() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("w");
    write(&path, &secret("x"), b"twenty bytes of data");
    let whole = fs::read(&path).unwrap();
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        fs::write(&path, &bytes).unwrap();
        match reason(WalletFile::open(&path, &secret("x"), 0)) {
            FileError::NotAWallet(_) => assert!(at < 8, "byte {at}"),
            FileError::Damaged { what, .. } => assert_eq!(what, "checksum", "byte {at}"),
            other => panic!("byte {at}: {other}"),
        }
    }
}

/// The same with the checksum mended, as somebody would who changes a file on purpose: the tag covers header and payload.
#[test]
fn a_forged_byte_anywhere_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("w");
    write(&path, &secret("x"), b"twenty bytes of data");
    let whole = fs::read(&path).unwrap();
    for at in 8..whole.len() - CHECKSUM_LEN {
        // The upper bytes of the cost would only make the test slow, or be refused as not sane.
        let mask = if (12..24).contains(&at) { 0x01 } else { 0x80 };
        let mut bytes = whole[..whole.len() - CHECKSUM_LEN].to_vec();
        bytes[at] ^= mask;
        let checksum = sha256d(&bytes);
        bytes.extend_from_slice(&checksum[..CHECKSUM_LEN]);
        fs::write(&path, &bytes).unwrap();
        let error = reason(WalletFile::open(&path, &secret("x"), 0));
        let expected = match at {
            // Versions that differ in the upper bit of either byte are unknown.
            8..10 => matches!(error, FileError::Version { .. }),
            10..24 => !matches!(error, FileError::Version { .. } | FileError::Io { .. }),
            _ => matches!(error, FileError::WrongPassword(_)),
        };
        assert!(expected, "byte {at}: {error}");
    }
}

#[test]
fn costs_that_would_exhaust_the_machine_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("w");
    write(&path, &secret("x"), b"");
    for at in [15, 19, 23] {
        let mut bytes = fs::read(&path).unwrap();
        bytes.truncate(bytes.len() - CHECKSUM_LEN);
        bytes[at] = 0xFF;
        let checksum = sha256d(&bytes);
        bytes.extend_from_slice(&checksum[..CHECKSUM_LEN]);
        let changed = directory.path().join(format!("w{at}"));
        fs::write(&changed, &bytes).unwrap();
        assert!(matches!(reason(WalletFile::open(&changed, &secret("x"), 0)), FileError::Damaged { .. }));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_payload_and_password_round_trip(
        payload in proptest::collection::vec(any::<u8>(), 0..4_000),
        password in "\\PC{1,40}",
    ) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("w");
        write(&path, &secret(&password), &payload);
        prop_assert_eq!(&*WalletFile::open(&path, &secret(&password), 0).unwrap().1, &payload);
    }

    #[test]
    fn arbitrary_bytes_never_panic(tail in proptest::collection::vec(any::<u8>(), 0..300), magic in any::<bool>()) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("w");
        let mut bytes = if magic { MAGIC.to_vec() } else { Vec::new() };
        bytes.extend(tail);
        fs::write(&path, &bytes).unwrap();
        prop_assert!(WalletFile::open(&path, &secret("x"), 0).is_err());
    }
}

#[test]
fn each_save_keeps_the_version_before() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("w");
    let backup = sibling(&path, ".bak");
    write(&path, &secret("x"), b"first");
    assert!(!backup.exists());
    let (mut file, _) = WalletFile::open(&path, &secret("x"), 0).unwrap();
    file.save(b"second").unwrap();
    assert_eq!(*WalletFile::open_to_read(&backup, &secret("x")).unwrap().1, b"first");
    file.save(b"third").unwrap();
    assert_eq!(*WalletFile::open_to_read(&backup, &secret("x")).unwrap().1, b"second");
    assert_eq!(fs::metadata(&backup).unwrap().permissions().mode() & 0o777, 0o600);
    // What an old password opens does not stay behind a new one.
    file.set_password(&secret("new"), QUICK).unwrap();
    file.save(b"fourth").unwrap();
    assert!(!backup.exists());
    file.save(b"fifth").unwrap();
    drop(file);
    assert_eq!(*WalletFile::open(&backup, &secret("new"), 0).unwrap().1, b"fourth");
    assert!(matches!(reason(WalletFile::open(&path, &secret("x"), 0)), FileError::WrongPassword(_)));
    assert_eq!(*WalletFile::open(&path, &secret("new"), 0).unwrap().1, b"fifth");
}

#[test]
fn a_file_of_the_first_format_is_read_and_written_as_the_second() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("w");
    let mut file = WalletFile::create(&path, &secret("x"), QUICK).unwrap();
    // As the first format's program sealed it.
    file.header.version = 1;
    let mut bytes = file.header.to_bytes().to_vec();
    let sealed = XChaCha20Poly1305::new(&Key::from(*file.key.to_array::<32>().unwrap()))
        .encrypt(&XNonce::from(file.header.nonce), Payload { msg: b"old", aad: &bytes })
        .unwrap();
    bytes.extend_from_slice(&sealed);
    let checksum = sha256d(&bytes);
    bytes.extend_from_slice(&checksum[..CHECKSUM_LEN]);
    fs::write(&path, &bytes).unwrap();
    drop(file);
    let (mut file, payload) = WalletFile::open(&path, &secret("x"), 0).unwrap();
    assert_eq!((file.version(), &payload[..]), (1, &b"old"[..]));
    file.save(b"new").unwrap();
    drop(file);
    assert_eq!(WalletFile::open(&path, &secret("x"), 0).unwrap().0.version(), 2);
}
