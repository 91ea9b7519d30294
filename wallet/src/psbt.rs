//! Partially signed transactions (BIP174, version 0), as far as pay-to-public-key-hash goes: the way in which several
//! wallets, Core, Electrum or a hardware wallet's bridge build one transaction together.
//!
//! The format is read strictly: a known key with a wrong length, a key that comes twice, or bytes that remain are
//! errors, as BIP174 asks. Fields of other scripts are carried along untouched.
//! Neighbours: [`crate::wallet::offline`] fills and signs one with the wallet's keys. Absent: SegWit, Taproot, version 2.

mod bytes;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chain_spec::rules::spend::{SignatureEncoding, check_input_script};
use chain_spec::{Amount, Coin, Outpoint, PublicKey, Script, Transaction, TxOut, Txid};

/// The only signature type that is made here: all inputs, all outputs.
const SIGHASH_ALL: u32 = chain_spec::signature_hash::SIGHASH_ALL;

/// Why bytes are no PSBT, or one cannot be taken further. Texts name the input or field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PsbtError {
    /// Not the format.
    #[error("not a PSBT: {0}")]
    Format(String),
    /// A version other than 0.
    #[error("PSBT version {0} is not understood: this program reads version 0 (BIP174)")]
    Version(u32),
    /// They cannot be combined.
    #[error("these PSBTs are of different transactions: {0} and {1}")]
    Different(Txid, Txid),
    /// What an input spends is not said, so its value and the fee are unknown.
    #[error("input {0} does not say what it spends: the PSBT lacks the previous transaction")]
    PreviousMissing(usize),
    /// The previous transaction is another than the input names, so its value may be a lie.
    #[error("input {0} comes with another previous transaction than it spends: somebody may be lying about its value")]
    PreviousWrong(usize),
    /// A signature type that would leave parts of the transaction open.
    #[error("input {input} asks for signature type {kind:#x}: this wallet signs with SIGHASH_ALL only")]
    SignatureType {
        /// The input.
        input: usize,
        /// What it asks for.
        kind: u32,
    },
    /// More is paid than spent.
    #[error("the outputs are worth more than the inputs")]
    Overspent,
    /// Signatures are missing.
    #[error("input {0} is not signed yet: pass the PSBT on to whoever has its key, then `combine` and `finalize`")]
    Unsigned(usize),
    /// A signature by the right key that does not fit the transaction.
    #[error("input {0} has a signature that does not fit this transaction: sign it again")]
    BadSignature(usize),
    /// Nothing was signed.
    #[error("no input of this PSBT is locked by a key of this wallet")]
    NothingToSign,
}

/// Key derivation of a public key: the master key's fingerprint and the path.
pub type Derivation = ([u8; 4], Vec<u32>);

/// What is known of one input.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Input {
    /// The transaction whose output is spent.
    pub previous: Option<Transaction>,
    /// Signatures with type byte, by public key.
    pub signatures: BTreeMap<Vec<u8>, Vec<u8>>,
    /// The signature type asked for.
    pub signature_type: Option<u32>,
    /// Where keys come from, by public key.
    pub derivations: BTreeMap<Vec<u8>, Derivation>,
    /// The finished input script.
    pub final_script: Option<Script>,
    /// Other fields, as they came.
    pub others: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// What is known of one output.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// Where keys come from, by public key.
    pub derivations: BTreeMap<Vec<u8>, Derivation>,
    /// Other fields, as they came.
    pub others: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// A transaction on its way to being signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Psbt {
    /// The transaction with empty input scripts.
    pub unsigned: Transaction,
    /// By the transaction's inputs.
    pub inputs: Vec<Input>,
    /// By the transaction's outputs.
    pub outputs: Vec<Output>,
    /// Other global fields, as they came.
    pub others: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Psbt {
    /// A new one for a transaction; its input scripts are left out.
    pub fn new(mut unsigned: Transaction) -> Psbt {
        unsigned.inputs.iter_mut().for_each(|input| input.script = Script::default());
        let (inputs, outputs) = (unsigned.inputs.len(), unsigned.outputs.len());
        Psbt {
            unsigned,
            inputs: vec![Input::default(); inputs],
            outputs: vec![Output::default(); outputs],
            others: BTreeMap::new(),
        }
    }

    /// From bytes, or from Base64 text as it is passed around.
    pub fn read(bytes: &[u8]) -> Result<Psbt, PsbtError> {
        if bytes.starts_with(bytes::MAGIC) {
            return Psbt::from_bytes(bytes);
        }
        let text: Vec<u8> = bytes.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
        let decoded = STANDARD.decode(text).map_err(|_| PsbtError::Format("neither PSBT bytes nor Base64".into()))?;
        Psbt::from_bytes(&decoded)
    }

    /// As Base64 text.
    pub fn to_base64(&self) -> String {
        STANDARD.encode(self.to_bytes())
    }

    /// The output an input spends; its transaction's id is checked.
    pub fn spent(&self, index: usize) -> Result<&TxOut, PsbtError> {
        let Outpoint { txid, index: output } = self.unsigned.inputs[index].outpoint;
        let previous = self.inputs[index].previous.as_ref().ok_or(PsbtError::PreviousMissing(index))?;
        let spent = previous.outputs.get(output as usize).filter(|_| previous.txid() == txid);
        spent.ok_or(PsbtError::PreviousWrong(index))
    }

    /// What the transaction leaves to the miner, if every input says what it spends.
    pub fn fee(&self) -> Result<Amount, PsbtError> {
        let values: Result<Vec<Amount>, PsbtError> =
            (0..self.inputs.len()).map(|index| self.spent(index).map(|output| output.value)).collect();
        let spent = Amount::checked_sum(values?).filter(|sum| sum.is_money()).ok_or(PsbtError::Overspent)?;
        let paid = Amount::checked_sum(self.unsigned.outputs.iter().map(|output| output.value));
        paid.and_then(|paid| spent.checked_sub(paid)).ok_or(PsbtError::Overspent)
    }

    /// Adds a signature to an input. The caller made it over this transaction.
    pub fn add_signature(&mut self, index: usize, key: &PublicKey, signature: Vec<u8>) {
        self.inputs[index].signatures.insert(key.as_bytes().to_vec(), signature);
    }

    /// Refuses to sign an input for anything but the whole transaction.
    pub fn check_signature_type(&self, input: usize) -> Result<(), PsbtError> {
        match self.inputs[input].signature_type {
            None | Some(SIGHASH_ALL) => Ok(()),
            Some(kind) => Err(PsbtError::SignatureType { input, kind }),
        }
    }

    /// Brings together what several parties know of one transaction (BIP174, "Combiner").
    pub fn combine(mut self, other: Psbt) -> Result<Psbt, PsbtError> {
        let (ours, theirs) = (self.unsigned.txid(), other.unsigned.txid());
        if ours != theirs {
            return Err(PsbtError::Different(ours, theirs));
        }
        for (input, more) in self.inputs.iter_mut().zip(other.inputs) {
            input.previous = input.previous.take().or(more.previous);
            input.signatures.extend(more.signatures);
            input.signature_type = input.signature_type.or(more.signature_type);
            input.derivations.extend(more.derivations);
            input.final_script = input.final_script.take().or(more.final_script);
            input.others.extend(more.others);
        }
        for (output, more) in self.outputs.iter_mut().zip(other.outputs) {
            output.derivations.extend(more.derivations);
            output.others.extend(more.others);
        }
        self.others.extend(other.others);
        Ok(self)
    }

    /// Makes the input script of every input that has its signature (BIP174, "Input Finalizer"); what is no longer needed
    /// is left out. Gives how many inputs are still without one.
    ///
    /// # Errors
    /// An input does not say what it spends, or its signature does not unlock that.
    pub fn finalize(&mut self) -> Result<usize, PsbtError> {
        let mut missing = 0;
        let mut finished = self.unsigned.clone();
        for index in 0..self.inputs.len() {
            if self.inputs[index].final_script.is_some() {
                continue;
            }
            let spent = self.spent(index)?.clone();
            let hash = spent.script.public_key_hash();
            let input = &mut self.inputs[index];
            let signed = input
                .signatures
                .iter()
                .find(|(key, _)| PublicKey::from_bytes(key).is_ok_and(|key| Some(key.hash()) == hash));
            match signed {
                Some((key, signature)) => {
                    let script = Script::unlock_public_key_hash(signature, key);
                    finished.inputs[index].script = script.clone();
                    let coin = Coin { output: spent, height: 0, is_coinbase: false };
                    check_input_script(&finished, index, &coin, SignatureEncoding::Strict)
                        .map_err(|_| PsbtError::BadSignature(index))?;
                    input.final_script = Some(script);
                    input.signatures.clear();
                    input.derivations.clear();
                    input.signature_type = None;
                }
                None => missing += 1,
            }
        }
        Ok(missing)
    }

    /// The finished transaction (BIP174, "Transaction Extractor").
    pub fn extract(&self) -> Result<Transaction, PsbtError> {
        let mut transaction = self.unsigned.clone();
        for (index, (input, known)) in transaction.inputs.iter_mut().zip(&self.inputs).enumerate() {
            input.script = known.final_script.clone().ok_or(PsbtError::Unsigned(index))?;
        }
        Ok(transaction)
    }
}
