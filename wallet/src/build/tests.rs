use super::*;
use crate::view::CoinState;
use bitcoin::hashes::Hash;
use bitcoin::secp256k1::{self, Message, Secp256k1};
use bitcoin::sighash::{EcdsaSighashType, SighashCache};
use chain_spec::ChainSpec;

fn key(tag: u8) -> PrivateKey {
    PrivateKey::from_bytes(&[tag; 32], true).unwrap()
}

fn hash(tag: u8) -> [u8; 20] {
    key(tag).public_key().hash()
}

/// A coin of the key `tag`.
fn coin(tag: u8, value: &str) -> WalletCoin {
    WalletCoin {
        outpoint: Outpoint { txid: Txid::from_bytes([tag; 32]), index: u32::from(tag) },
        value: value.parse().unwrap(),
        public_key_hash: hash(tag),
        confirmations: 1,
        state: CoinState::Confirmed,
        chain: 0,
    }
}

fn key_of(wanted: &[u8; 20]) -> Result<PrivateKey, KeyError> {
    let found = (1..=20).map(key).find(|key| key.public_key().hash() == *wanted);
    found.ok_or_else(|| KeyError::Derivation("test".into()))
}

fn bob() -> Address {
    key(99).public_key().address(&ChainSpec::builtin("local").unwrap())
}

fn payment(coins: &[WalletCoin], amount: &str, options: &PaymentOptions) -> Result<SignedPayment, BuildError> {
    let value = Amount::checked_sum(coins.iter().map(|coin| coin.value)).unwrap();
    let balance = Balance { confirmed: value, spendable: value, ..Balance::default() };
    pay(coins, &balance, &bob(), amount.parse().unwrap(), hash(50), options, &key_of)
}

/// rust-bitcoin and libsecp256k1 agree that every input is signed; libsecp256k1 takes low-S signatures only.
fn assert_valid(payment: &SignedPayment) {
    let transaction: bitcoin::Transaction = bitcoin::consensus::deserialize(&payment.transaction.to_bytes()).unwrap();
    assert_eq!(transaction.compute_txid().to_string(), payment.txid().to_string());
    let cache = SighashCache::new(&transaction);
    for (index, coin) in payment.inputs.iter().enumerate() {
        let script = bitcoin::ScriptBuf::new_p2pkh(&bitcoin::PubkeyHash::from_byte_array(coin.public_key_hash));
        let digest = cache.legacy_signature_hash(index, &script, EcdsaSighashType::All.to_u32()).unwrap();
        let pushes: Vec<_> = transaction.input[index].script_sig.instructions().map(|push| push.unwrap()).collect();
        let [signature, public_key] = &pushes[..] else { panic!("two pushes, not {pushes:?}") };
        let (kind, der) = signature.push_bytes().unwrap().as_bytes().split_last().unwrap();
        assert_eq!(*kind, 1);
        let signature = secp256k1::ecdsa::Signature::from_der(der).unwrap();
        let public_key = secp256k1::PublicKey::from_slice(public_key.push_bytes().unwrap().as_bytes()).unwrap();
        let message = Message::from_digest(digest.to_byte_array());
        Secp256k1::new().verify_ecdsa(&message, &signature, &public_key).unwrap();
    }
}

/// Inputs are outputs and fee, and the fee pays for the size.
fn assert_adds_up(payment: &SignedPayment, rate: FeeRate) {
    let inputs = Amount::checked_sum(payment.inputs.iter().map(|coin| coin.value)).unwrap();
    let outputs = payment.transaction.outputs.iter().map(|output| output.value);
    assert_eq!(Amount::checked_sum(outputs.chain([payment.fee])), Some(inputs));
    assert!(payment.fee >= rate.fee(payment.size()));
}

#[test]
fn two_coins_pay_and_their_rest_comes_back() {
    let payment = payment(&[coin(1, "4.4"), coin(2, "5.6")], "9.99", &PaymentOptions::default()).unwrap();
    assert_valid(&payment);
    assert_adds_up(&payment, FeeRate::DEFAULT);
    assert_eq!(payment.transaction.outputs.len(), 2);
    assert_eq!(payment.transaction.outputs[0].script, bob().script());
    assert_eq!(payment.transaction.outputs[0].value, "9.99".parse().unwrap());
    assert_eq!(payment.transaction.outputs[1].script, Script::pay_to_public_key_hash(&hash(50)));
    assert_eq!(payment.change, Some("0.00999626".parse().unwrap()));
}

#[test]
fn ten_in_two_coins_pays_ten_without_change_if_the_receiver_bears_the_fee() {
    let options = PaymentOptions { subtract_fee: true, ..PaymentOptions::default() };
    let payment = payment(&[coin(1, "4.4"), coin(2, "5.6")], "10", &options).unwrap();
    assert_valid(&payment);
    assert_eq!((payment.inputs.len(), payment.change, payment.transaction.outputs.len()), (2, None, 1));
    assert_eq!(payment.transaction.outputs[0].value, "9.9999966".parse().unwrap());
}

#[test]
fn every_signature_verifies_whatever_the_number_of_inputs() {
    let coins: Vec<_> = (1..=20).map(|tag| coin(tag, "1")).collect();
    for amount in ["0.5", "1.5", "7", "19.9"] {
        let payment = payment(&coins, amount, &PaymentOptions::default()).unwrap();
        assert_valid(&payment);
        assert_adds_up(&payment, FeeRate::DEFAULT);
    }
}

#[test]
fn too_little_is_said_in_one_line_with_everything_there_is() {
    let balance = Balance {
        confirmed: "1".parse().unwrap(),
        pending: "2.5".parse().unwrap(),
        immature: "50".parse().unwrap(),
        spendable: "1.5".parse().unwrap(),
    };
    let coins = [coin(1, "1.5")];
    let error = pay(
        &coins,
        &balance,
        &bob(),
        Amount::COIN.checked_mul(10).unwrap(),
        hash(50),
        &PaymentOptions::default(),
        &key_of,
    )
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        "not enough funds: 10.00000192 needed (fee 0.00000192 included), 1.50000000 available, \
         2.00000000 still unconfirmed, 50.00000000 immature"
    );
}

#[test]
fn fees_that_look_like_mistakes_are_refused() {
    let rate = |text: &str| PaymentOptions { fee_rate: text.parse().unwrap(), ..PaymentOptions::default() };
    let coins = [coin(1, "100")];
    // 226 bytes: 0.113 coin at 50,000 units per byte; over a tenth of 0.01 coin at 1,000; small in itself at 400.
    assert!(matches!(payment(&coins, "50", &rate("50000")), Err(BuildError::HighFee { .. })));
    assert!(matches!(payment(&coins, "0.01", &rate("1000")), Err(BuildError::HighFee { .. })));
    assert!(payment(&coins, "0.0001", &rate("400")).is_ok());
    let allowed = PaymentOptions { allow_high_fee: true, ..rate("50000") };
    assert_valid(&payment(&coins, "50", &allowed).unwrap());
}

#[test]
fn dust_is_not_paid() {
    let coins = [coin(1, "1")];
    let default = PaymentOptions::default();
    assert_eq!(payment(&coins, "0.00000545", &default), Err(BuildError::Dust(Amount::from_units(545))));
    assert!(payment(&coins, "0.00000546", &default).is_ok());
    let subtract = PaymentOptions { subtract_fee: true, ..default };
    assert_eq!(payment(&coins, "0.00000600", &subtract), Err(BuildError::Dust(Amount::from_units(374))));
}

#[test]
fn exact_coins_come_back_whole_but_for_the_fee() {
    let coins = [coin(1, "4.4"), coin(2, "5.6")];
    let swept = spend(&coins, Vec::new(), hash(50), FeeRate::DEFAULT, INPUT_SIZE, &key_of).unwrap();
    assert_valid(&swept);
    assert_adds_up(&swept, FeeRate::DEFAULT);
    assert_eq!((swept.fee.units(), swept.transaction.outputs.len()), (340, 1));
    let error = spend(&[coin(1, "0.00000700")], Vec::new(), hash(50), FeeRate::DEFAULT, INPUT_SIZE, &key_of);
    assert!(matches!(error, Err(BuildError::NotEnoughFunds { .. })));
    let nothing = spend(&[], Vec::new(), hash(50), FeeRate::ZERO, INPUT_SIZE, &key_of);
    assert!(matches!(nothing, Err(BuildError::NotEnoughFunds { .. })));
    let outputs = vec![TxOut { value: "9".parse().unwrap(), script: bob().script() }];
    let exact = spend(&coins, outputs, hash(50), FeeRate::DEFAULT, INPUT_SIZE, &key_of).unwrap();
    assert_valid(&exact);
    assert_eq!(exact.transaction.outputs.len(), 2);
}

#[test]
fn an_uncompressed_key_signs_too() {
    let key = PrivateKey::from_bytes(&[7; 32], false).unwrap();
    let coin = WalletCoin { public_key_hash: key.public_key().hash(), ..coin(7, "2") };
    let size = crate::fee::INPUT_SIZE_UNCOMPRESSED;
    let swept = spend(&[coin], Vec::new(), hash(50), FeeRate::DEFAULT, size, &|_| Ok(key.clone())).unwrap();
    assert_valid(&swept);
    assert_adds_up(&swept, FeeRate::DEFAULT);
}
