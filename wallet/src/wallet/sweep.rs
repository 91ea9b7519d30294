//! Finds every coin of a foreign private key and builds the transaction that brings them here.

use chain_spec::{Amount, PrivateKey};

use super::{Wallet, WalletError};
use crate::build::{self, BuildError, PaymentOptions, SignedPayment};
use crate::client::Client;
use crate::clock;
use crate::fee::{INPUT_SIZE, INPUT_SIZE_UNCOMPRESSED};
use crate::keystore::KeyError;
use crate::ledger::Ledger;
use crate::sync::{Keys, Lost, Progress, Scan};
use crate::view::{View, WalletCoin};

struct OneKey([u8; 20]);

impl Keys for OneKey {
    fn observe(&mut self, hash: &[u8; 20]) -> Result<bool, KeyError> {
        Ok(*hash == self.0)
    }
    fn watched(&self) -> usize {
        1
    }
}

/// Reads the whole chain for the key's coins and spends all that can be spent to `wallet`'s address. A fee that looks like
/// a mistake is refused unless the options allow it.
pub fn build(
    wallet: &Wallet,
    client: &Client,
    key: &PrivateKey,
    options: &PaymentOptions,
    progress: &mut dyn FnMut(Progress),
) -> Result<SignedPayment, WalletError> {
    let (mut ledger, mut keys) = (Ledger::default(), OneKey(key.public_key().hash()));
    let mut scan = Scan { client, ledger: &mut ledger, keys: &mut keys, spec: &wallet.spec, progress };
    let mut report = scan.blocks()?;
    scan.mempool(clock::now_s(), Lost::Leave, &mut report)?;
    let view = View::new(&ledger, wallet.spec.coinbase_maturity);
    let coins: Vec<_> = view.coins().into_iter().filter(WalletCoin::is_spendable).collect();
    let to = wallet.address()?.public_key_hash;
    let compressed = key.public_key().as_bytes().len() == 33;
    let input_size = if compressed { INPUT_SIZE } else { INPUT_SIZE_UNCOMPRESSED };
    if coins.is_empty() {
        return Err(BuildError::NothingToSweep.into());
    }
    let script = chain_spec::Script::pay_to_public_key_hash(&to);
    let swept = build::give_all(&coins, Vec::new(), &script, input_size, options)?.sign(&|_| Ok(key.clone()))?;
    build::check_fee(swept.fee, swept.change.unwrap_or(Amount::ZERO), options.allow_high_fee)?;
    Ok(swept)
}
