//! PSBT's bytes: maps of keys and values, one global, one an input, one an output.

use std::collections::BTreeMap;

use chain_spec::encode::{encode_length_prefixed, take_length_prefixed};
use chain_spec::{Decode, Encode, Script, Transaction};

use super::{Derivation, Input, Output, Psbt, PsbtError};

pub(super) const MAGIC: &[u8] = b"psbt\xff";

const GLOBAL_UNSIGNED: u8 = 0x00;
const GLOBAL_VERSION: u8 = 0xFB;
const INPUT_PREVIOUS: u8 = 0x00;
const INPUT_SIGNATURE: u8 = 0x02;
const INPUT_SIGNATURE_TYPE: u8 = 0x03;
const INPUT_DERIVATION: u8 = 0x06;
const INPUT_FINAL_SCRIPT: u8 = 0x07;
/// Fields of an input whose key is the type alone: previous output, type, scripts, final scripts.
const INPUT_BARE: [u8; 7] = [0x00, 0x01, 0x03, 0x04, 0x05, 0x07, 0x08];
const OUTPUT_DERIVATION: u8 = 0x02;
/// Fields of an output whose key is the type alone: its scripts.
const OUTPUT_BARE: [u8; 2] = [0x00, 0x01];

type Map = BTreeMap<Vec<u8>, Vec<u8>>;

fn format(reason: &str) -> PsbtError {
    PsbtError::Format(reason.to_owned())
}

/// Reads one map up to its separator.
fn read_map(input: &mut &[u8]) -> Result<Map, PsbtError> {
    let cut = |_| format("it is cut off or a length in it is wrong");
    let mut map = Map::new();
    loop {
        let key = take_length_prefixed(input).map_err(cut)?;
        if key.is_empty() {
            return Ok(map);
        }
        let value = take_length_prefixed(input).map_err(cut)?;
        if map.insert(key.to_vec(), value.to_vec()).is_some() {
            return Err(format("a field comes twice"));
        }
    }
}

fn write_field(key: &[u8], value: &[u8], out: &mut Vec<u8>) {
    encode_length_prefixed(key, out);
    encode_length_prefixed(value, out);
}

fn write_others(others: &Map, out: &mut Vec<u8>) {
    others.iter().for_each(|(key, value)| write_field(key, value, out));
    out.push(0);
}

fn check_bare(map: &Map, bare: &[u8]) -> Result<(), PsbtError> {
    let bad = map.keys().any(|key| bare.contains(&key[0]) && key.len() != 1);
    if bad { Err(format("a field that has one value has more key than its type")) } else { Ok(()) }
}

/// Takes the fields of a type whose key holds a public key; gives them by public key.
fn take_by_public_key(map: &mut Map, kind: u8) -> Result<Map, PsbtError> {
    let keys: Vec<Vec<u8>> = map.keys().filter(|key| key[0] == kind).cloned().collect();
    let mut taken = Map::new();
    for key in keys {
        let value = map.remove(&key).unwrap_or_default();
        if chain_spec::PublicKey::from_bytes(&key[1..]).is_err() {
            return Err(format("a field is named by something that is no public key"));
        }
        taken.insert(key[1..].to_vec(), value);
    }
    Ok(taken)
}

fn take_derivations(map: &mut Map, kind: u8) -> Result<BTreeMap<Vec<u8>, Derivation>, PsbtError> {
    let parse = |value: &[u8]| {
        let (fingerprint, path) = value.split_first_chunk::<4>()?;
        let steps = path.chunks_exact(4);
        let whole = steps.remainder().is_empty();
        let path = steps.map(|step| u32::from_le_bytes([step[0], step[1], step[2], step[3]])).collect();
        whole.then_some((*fingerprint, path))
    };
    let taken = take_by_public_key(map, kind)?.into_iter();
    taken
        .map(|(key, value)| Ok((key, parse(&value).ok_or_else(|| format("a key derivation has a wrong length"))?)))
        .collect()
}

fn derivation_bytes((fingerprint, path): &Derivation) -> Vec<u8> {
    let steps = path.iter().flat_map(|step| step.to_le_bytes());
    fingerprint.iter().copied().chain(steps).collect()
}

fn keyed(kind: u8, key: &[u8]) -> Vec<u8> {
    [&[kind], key].concat()
}

impl Psbt {
    /// Reads the binary form.
    pub fn from_bytes(bytes: &[u8]) -> Result<Psbt, PsbtError> {
        let mut rest = bytes.strip_prefix(MAGIC).ok_or_else(|| format("it does not begin with \"psbt\""))?;
        let mut others = read_map(&mut rest)?;
        check_bare(&others, &[GLOBAL_UNSIGNED, GLOBAL_VERSION])?;
        if let Some(version) = others.get(&[GLOBAL_VERSION][..]) {
            let version = <[u8; 4]>::try_from(&version[..]).map_err(|_| format("its version has a wrong length"))?;
            match u32::from_le_bytes(version) {
                0 => {}
                version => return Err(PsbtError::Version(version)),
            }
        }
        let unsigned = others.remove(&[GLOBAL_UNSIGNED][..]).ok_or_else(|| format("it has no transaction"))?;
        let unsigned = Transaction::from_bytes(&unsigned)
            .map_err(|error| PsbtError::Format(format!("its transaction: {error}")))?;
        if unsigned.inputs.iter().any(|input| !input.script.as_bytes().is_empty()) {
            return Err(format("its transaction has input scripts already"));
        }
        let inputs = unsigned.inputs.iter().map(|_| read_input(&mut rest)).collect::<Result<_, _>>()?;
        let outputs = unsigned.outputs.iter().map(|_| read_output(&mut rest)).collect::<Result<_, _>>()?;
        if !rest.is_empty() {
            return Err(format("bytes remain at its end"));
        }
        Ok(Psbt { unsigned, inputs, outputs, others })
    }

    /// Writes the binary form.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        write_field(&[GLOBAL_UNSIGNED], &self.unsigned.to_bytes(), &mut out);
        write_others(&self.others, &mut out);
        self.inputs.iter().for_each(|input| write_input(input, &mut out));
        for output in &self.outputs {
            for (key, derivation) in &output.derivations {
                write_field(&keyed(OUTPUT_DERIVATION, key), &derivation_bytes(derivation), &mut out);
            }
            write_others(&output.others, &mut out);
        }
        out
    }
}

fn read_input(rest: &mut &[u8]) -> Result<Input, PsbtError> {
    let mut map = read_map(rest)?;
    check_bare(&map, &INPUT_BARE)?;
    let mut previous = None;
    if let Some(bytes) = map.remove(&[INPUT_PREVIOUS][..]) {
        let decoded = Transaction::from_bytes(&bytes);
        match decoded {
            Ok(transaction) => previous = Some(transaction),
            // A previous transaction with witnesses is of another chain; it travels on, but nothing of it is signed.
            Err(chain_spec::DecodeError::SegWit) => drop(map.insert(vec![INPUT_PREVIOUS], bytes)),
            Err(error) => return Err(PsbtError::Format(format!("a previous transaction: {error}"))),
        }
    }
    let signature_type = match map.remove(&[INPUT_SIGNATURE_TYPE][..]) {
        Some(bytes) => {
            let bytes = <[u8; 4]>::try_from(&bytes[..]).map_err(|_| format("a signature type has a wrong length"))?;
            Some(u32::from_le_bytes(bytes))
        }
        None => None,
    };
    Ok(Input {
        previous,
        signatures: take_by_public_key(&mut map, INPUT_SIGNATURE)?,
        signature_type,
        derivations: take_derivations(&mut map, INPUT_DERIVATION)?,
        final_script: map.remove(&[INPUT_FINAL_SCRIPT][..]).map(Script::from_bytes),
        others: map,
    })
}

fn write_input(input: &Input, out: &mut Vec<u8>) {
    if let Some(previous) = &input.previous {
        write_field(&[INPUT_PREVIOUS], &previous.to_bytes(), out);
    }
    for (key, signature) in &input.signatures {
        write_field(&keyed(INPUT_SIGNATURE, key), signature, out);
    }
    if let Some(kind) = input.signature_type {
        write_field(&[INPUT_SIGNATURE_TYPE], &kind.to_le_bytes(), out);
    }
    for (key, derivation) in &input.derivations {
        write_field(&keyed(INPUT_DERIVATION, key), &derivation_bytes(derivation), out);
    }
    if let Some(script) = &input.final_script {
        write_field(&[INPUT_FINAL_SCRIPT], script.as_bytes(), out);
    }
    write_others(&input.others, out);
}

fn read_output(rest: &mut &[u8]) -> Result<Output, PsbtError> {
    let mut map = read_map(rest)?;
    check_bare(&map, &OUTPUT_BARE)?;
    Ok(Output { derivations: take_derivations(&mut map, OUTPUT_DERIVATION)?, others: map })
}
