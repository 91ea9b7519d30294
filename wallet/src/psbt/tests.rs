use super::*;
use bitcoin::hashes::Hash;
use bitcoin::secp256k1::{self, Secp256k1};
use chain_spec::{Decode, Encode, PrivateKey, TxIn};
use proptest::prelude::*;

/// BIP174's vectors: what must be refused is, what must be read survives a round trip unchanged as rust-bitcoin sees it, what
/// must not be signed is not, and two halves make the published whole, in either order.
#[test]
fn the_published_vectors_hold() {
    let mut seen = BTreeMap::<&str, usize>::new();
    let mut halves = Vec::new();
    for line in include_str!("bip174.txt").lines().filter(|line| !line.starts_with('#')) {
        let (kind, text) = line.split_once(' ').unwrap();
        let bytes = STANDARD.decode(text).unwrap();
        let read = Psbt::read(text.as_bytes());
        *seen.entry(kind).or_default() += 1;
        match kind {
            "invalid" => assert!(read.is_err(), "{line}"),
            "valid" => {
                let read = read.unwrap_or_else(|error| panic!("{error}: {line}"));
                let again = bitcoin::Psbt::deserialize(&read.to_bytes()).unwrap();
                assert_eq!(again, bitcoin::Psbt::deserialize(&bytes).unwrap(), "{line}");
                assert_eq!(Psbt::read(read.to_base64().as_bytes()), Ok(read));
            }
            "unsignable" => assert!(read.unwrap().fee().is_err(), "{line}"),
            _ => halves.push(read.unwrap()),
        }
    }
    assert_eq!(seen, BTreeMap::from([("combine", 3), ("invalid", 20), ("unsignable", 4), ("valid", 10)]));
    let whole = halves.pop().unwrap();
    let [one, other] = <[Psbt; 2]>::try_from(halves).unwrap();
    assert_eq!(one.clone().combine(other.clone()).unwrap().to_bytes(), whole.to_bytes());
    assert_eq!(other.combine(one).unwrap().to_bytes(), whole.to_bytes());
}

fn key(tag: u8) -> PrivateKey {
    PrivateKey::from_bytes(&[tag; 32], true).unwrap()
}

/// Two inputs of two keys, each with its previous transaction.
fn shared() -> Psbt {
    let previous = |tag: u8| Transaction {
        version: 1,
        inputs: vec![TxIn {
            outpoint: Outpoint { txid: Txid::from_bytes([tag; 32]), index: 0 },
            script: Script::from_bytes(vec![1, 2]),
            sequence: 0,
        }],
        outputs: vec![TxOut {
            value: Amount::from_units(u64::from(tag) * 1_000),
            script: Script::pay_to_public_key_hash(&key(tag).public_key().hash()),
        }],
        lock_time: 0,
    };
    let parents = [previous(3), previous(4)];
    let spend = |parent: &Transaction| TxIn {
        outpoint: Outpoint { txid: parent.txid(), index: 0 },
        script: Script::default(),
        sequence: 0xFFFF_FFFD,
    };
    let outputs = vec![TxOut { value: Amount::from_units(6_500), script: Script::pay_to_public_key_hash(&[9; 20]) }];
    let mut psbt =
        Psbt::new(Transaction { version: 2, inputs: parents.iter().map(spend).collect(), outputs, lock_time: 0 });
    for ((input, parent), tag) in psbt.inputs.iter_mut().zip(parents).zip([3, 4]) {
        input.previous = Some(parent);
        // rust-bitcoin signs only for keys whose derivation is told.
        input.derivations.insert(key(tag).public_key().as_bytes().to_vec(), ([tag; 4], vec![u32::from(tag)]));
    }
    psbt
}

fn sign(mut psbt: Psbt, index: usize, tag: u8) -> Psbt {
    let hash = key(tag).public_key().hash();
    let signature = crate::build::signature_of(&psbt.unsigned, index, &hash, &key(tag));
    psbt.add_signature(index, &key(tag).public_key(), signature);
    psbt
}

/// rust-bitcoin signs one of two inputs, we the other; either order of combining gives the transaction that both accept.
#[test]
fn rust_bitcoin_and_this_wallet_sign_one_transaction_together() {
    let psbt = shared();
    assert_eq!(psbt.fee(), Ok(Amount::from_units(500)));
    let mut theirs = bitcoin::Psbt::deserialize(&psbt.to_bytes()).unwrap();
    let secret = bitcoin::PrivateKey::new(
        secp256k1::SecretKey::from_slice(&key(4).to_bytes()).unwrap(),
        bitcoin::NetworkKind::Test,
    );
    let context = Secp256k1::new();
    let keys = BTreeMap::from([(secret.public_key(&context), secret)]);
    let _ = theirs.sign(&keys, &context); // reports the input it has no key for
    let theirs = Psbt::from_bytes(&theirs.serialize()).unwrap();
    assert_eq!(theirs.inputs[1].signatures.len(), 1);
    let ours = sign(psbt.clone(), 0, 3);
    let mut combined = ours.clone().combine(theirs.clone()).unwrap();
    assert_eq!(combined, theirs.combine(ours).unwrap());
    assert_eq!(combined.finalize(), Ok(0));
    let finished = combined.extract().unwrap();
    let judged: bitcoin::Transaction = bitcoin::consensus::deserialize(&finished.to_bytes()).unwrap();
    let cache = bitcoin::sighash::SighashCache::new(&judged);
    for (index, tag) in [(0, 3), (1, 4)] {
        let script = bitcoin::ScriptBuf::new_p2pkh(&bitcoin::PubkeyHash::from_byte_array(key(tag).public_key().hash()));
        let digest = cache.legacy_signature_hash(index, &script, 1).unwrap();
        let (signature, public_key) = finished.inputs[index].script.unlock_parts().unwrap();
        let signature = secp256k1::ecdsa::Signature::from_der(&signature[..signature.len() - 1]).unwrap();
        let public_key = secp256k1::PublicKey::from_slice(public_key).unwrap();
        let message = secp256k1::Message::from_digest(digest.to_byte_array());
        context.verify_ecdsa(&message, &signature, &public_key).unwrap();
    }
    let reread = Transaction::from_bytes(&finished.to_bytes()).unwrap();
    assert_eq!(reread.txid().to_string(), judged.compute_txid().to_string());
}

#[test]
fn half_signed_is_not_finished() {
    let mut half = sign(shared(), 1, 4);
    assert_eq!(half.finalize(), Ok(1));
    assert_eq!(half.extract(), Err(PsbtError::Unsigned(0)));
    // A signature that was made for another transaction is found out before the node has to say so.
    let mut moved = sign(shared(), 0, 3);
    moved.unsigned.outputs[0].value = Amount::from_units(6_499);
    assert_eq!(moved.finalize(), Err(PsbtError::BadSignature(0)));
    // A signature under a key that does not lock the coin is not taken for one.
    let mut foreign = sign(shared(), 0, 5);
    assert_eq!(foreign.finalize(), Ok(2));
    let mut other = shared();
    other.unsigned.lock_time = 1;
    assert!(matches!(shared().combine(other), Err(PsbtError::Different(..))));
}

/// Legacy signatures do not commit to values: a previous transaction that is not the one spent is a lie.
#[test]
fn a_lie_about_a_value_is_noticed() {
    let mut psbt = shared();
    psbt.inputs[0].previous.as_mut().unwrap().outputs[0].value = Amount::from_units(1);
    assert_eq!(psbt.fee(), Err(PsbtError::PreviousWrong(0)));
    psbt.inputs[0].previous = None;
    assert_eq!(psbt.fee(), Err(PsbtError::PreviousMissing(0)));
    let mut psbt = shared();
    psbt.unsigned.outputs[0].value = Amount::from_units(7_001);
    assert_eq!(psbt.fee(), Err(PsbtError::Overspent));
    let mut psbt = shared();
    psbt.inputs[1].signature_type = Some(0x83);
    assert_eq!(psbt.check_signature_type(1), Err(PsbtError::SignatureType { input: 1, kind: 0x83 }));
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Psbt::read(&bytes);
        let _ = Psbt::from_bytes(&[bytes::MAGIC, &bytes].concat());
    }

    /// One changed byte of a whole PSBT: an error, or one that reads back as itself.
    #[test]
    fn a_changed_byte_never_panics(at in 0..600_usize, value: u8) {
        let mut bytes = sign(shared(), 0, 3).to_bytes();
        let at = at % bytes.len();
        bytes[at] = value;
        if let Ok(read) = Psbt::from_bytes(&bytes) {
            prop_assert_eq!(Psbt::from_bytes(&read.to_bytes()), Ok(read));
        }
    }
}
