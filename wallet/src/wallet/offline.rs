//! What can be done without a node: filling and signing a PSBT, signing messages.

use chain_spec::{Address, Amount, Outpoint, Transaction};

use super::{Wallet, WalletError};
use crate::build::{self, Draft};
use crate::keystore::{Account, KeyPath};
use crate::message;
use crate::psbt::{Derivation, Psbt, PsbtError};

/// One side of a PSBT, as a person should see it before signing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PsbtLine {
    /// The coin spent; `None` for an output.
    pub coin: Option<Outpoint>,
    /// Its value.
    pub value: Amount,
    /// The public key hash it is locked by, if it is.
    pub public_key_hash: Option<[u8; 20]>,
    /// Whether this wallet has the key.
    pub is_ours: bool,
    /// Whether the input is signed; false for outputs.
    pub is_signed: bool,
}

/// What a PSBT does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PsbtSummary {
    /// By the transaction's inputs.
    pub inputs: Vec<PsbtLine>,
    /// By the transaction's outputs.
    pub outputs: Vec<PsbtLine>,
    /// What is left to the miner.
    pub fee: Amount,
}

/// BIP32's mark of a hardened step.
const HARDENED: u32 = 1 << 31;

impl Wallet {
    /// A PSBT of a draft, with what a signer needs: previous transactions and where the keys come from.
    pub fn to_psbt(&self, draft: &Draft) -> Result<Psbt, WalletError> {
        let mut psbt = Psbt::new(draft.transaction.clone());
        for (index, (input, coin)) in psbt.inputs.iter_mut().zip(&draft.inputs).enumerate() {
            let entry = self.ledger().entry(&coin.outpoint.txid).ok_or(PsbtError::PreviousMissing(index))?;
            input.previous = Some(Transaction::clone(&entry.transaction));
            input.derivations.extend(self.derivation(&coin.public_key_hash));
        }
        for (output, paid) in psbt.outputs.iter_mut().zip(&draft.transaction.outputs) {
            let ours = paid.script.public_key_hash().and_then(|hash| self.derivation(&hash));
            output.derivations.extend(ours);
        }
        Ok(psbt)
    }

    /// A public key of ours and its derivation from the master key, if that is known.
    fn derivation(&self, hash: &[u8; 20]) -> Option<(Vec<u8>, Derivation)> {
        let KeyPath { account, branch, index } = self.keys().path(hash)?;
        let key = self.keys().public_key(hash)?;
        let account = self.keys().account(account).ok()?;
        let mut steps = account_steps(account)?;
        steps.extend([branch as u32, index]);
        Some((key.as_bytes().to_vec(), (account.fingerprint()?, steps)))
    }

    /// What a PSBT spends and pays. Fails if it does not say what it spends, or lies about it.
    pub fn summarize(&self, psbt: &Psbt) -> Result<PsbtSummary, PsbtError> {
        let is_ours = |hash: Option<[u8; 20]>| hash.is_some_and(|hash| self.keys().origin(&hash).is_some());
        let mut inputs = Vec::new();
        for (index, input) in psbt.unsigned.inputs.iter().enumerate() {
            let spent = psbt.spent(index)?;
            let public_key_hash = spent.script.public_key_hash();
            let known = &psbt.inputs[index];
            inputs.push(PsbtLine {
                coin: Some(input.outpoint),
                value: spent.value,
                public_key_hash,
                is_ours: is_ours(public_key_hash),
                is_signed: known.final_script.is_some() || !known.signatures.is_empty(),
            });
        }
        let outputs = psbt.unsigned.outputs.iter().map(|output| {
            let public_key_hash = output.script.public_key_hash();
            let is_ours = is_ours(public_key_hash);
            PsbtLine { coin: None, value: output.value, public_key_hash, is_ours, is_signed: false }
        });
        Ok(PsbtSummary { inputs, outputs: outputs.collect(), fee: psbt.fee()? })
    }

    /// Signs every input that a key of this wallet unlocks, and gives how many. Refuses a PSBT whose fee cannot be known.
    pub fn sign_psbt(&self, psbt: &mut Psbt) -> Result<usize, WalletError> {
        psbt.fee()?;
        let mut signed = 0;
        for index in 0..psbt.inputs.len() {
            let hash = psbt.spent(index)?.script.public_key_hash();
            let Some(hash) = hash.filter(|hash| self.keys().origin(hash).is_some()) else { continue };
            psbt.check_signature_type(index)?;
            let key = self.key_of(&hash)?;
            let signature = build::signature_of(&psbt.unsigned, index, &hash, &key);
            psbt.add_signature(index, &key.public_key(), signature);
            signed += 1;
        }
        if signed == 0 { Err(PsbtError::NothingToSign.into()) } else { Ok(signed) }
    }

    /// Signs a text with the key of one of this wallet's addresses.
    pub fn sign_message(&self, address: &Address, text: &str) -> Result<String, WalletError> {
        Ok(message::sign(text, &self.key_of(&address.public_key_hash)?)?)
    }
}

/// `m/44'/1'/0'` as numbers.
fn account_steps(account: &Account) -> Option<Vec<u32>> {
    let steps = account.path().split('/').skip(1).filter(|step| !step.is_empty());
    steps
        .map(|step| match step.strip_suffix('\'') {
            Some(number) => number.parse::<u32>().ok()?.checked_add(HARDENED),
            None => step.parse().ok(),
        })
        .collect()
}
