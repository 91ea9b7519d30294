//! What this node relays and mines, beside the rules: standard forms, dust, low S. Nobody is
//! blamed for a transaction that only breaks policy: other nodes may have another one.

use chain_spec::signature_hash::{SIGHASH_ALL, SIGHASH_ANYONECANPAY, SIGHASH_SINGLE};
use chain_spec::{Script, Transaction};

/// Bytes of the largest transaction relayed (Core: `MAX_STANDARD_TX_WEIGHT` / 4).
pub const TRANSACTION_BYTES_MAX: usize = 100_000;
/// Highest transaction version relayed (Core: `TX_MAX_STANDARD_VERSION`).
pub const VERSION_MAX: i32 = 3;
/// Bytes of the largest unlocking script relayed (Core: `MAX_STANDARD_SCRIPTSIG_SIZE`).
pub const UNLOCK_BYTES_MAX: usize = 1_650;
/// Bytes of the largest data-carrying output script relayed (Core's classic `MAX_OP_RETURN_RELAY`).
pub const DATA_OUTPUT_BYTES_MAX: usize = 83;
/// Signature operations of one transaction relayed (Core: `MAX_STANDARD_TX_SIGOPS_COST` / 4).
pub const SIGNATURE_OPERATIONS_MAX: u32 = 4_000;
/// Fee rate below which spending an output costs more than it is worth, units per 1,000 bytes (Core: `DUST_RELAY_TX_FEE`).
pub const DUST_FEE_RATE: u64 = 3_000;
/// Bytes of a pay-to-public-key-hash output and of the input that spends it.
const SPENDING_BYTES: u64 = 34 + 148;
/// Value below which a pay-to-public-key-hash output is dust, units.
pub const DUST_UNITS: u64 = DUST_FEE_RATE * SPENDING_BYTES / 1_000;

/// Half the order of secp256k1, most significant byte first: the greatest low S (BIP62).
const HALF_ORDER: [u8; 32] = [
    0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x5d, 0x57, 0x6e,
    0x73, 0x57, 0xa4, 0x50, 0x1d, 0xdf, 0xe9, 0x2f, 0x46, 0x68, 0x1b, 0x20, 0xa0,
];
const OP_RETURN: u8 = 0x6a;

/// Whether a transaction of `size` bytes has a form this node relays; else Core's reason and the sentence (Core: `IsStandardTx`).
pub(crate) fn check_standard(transaction: &Transaction, size: usize) -> Result<(), (&'static str, String)> {
    if !(1..=VERSION_MAX).contains(&transaction.version) {
        return Err(("version", format!("version {} is not between 1 and {VERSION_MAX}", transaction.version)));
    }
    if size > TRANSACTION_BYTES_MAX {
        return Err(("tx-size", format!("{size} bytes are more than the {TRANSACTION_BYTES_MAX} relayed")));
    }
    for (place, input) in transaction.inputs.iter().enumerate() {
        if input.script.as_bytes().len() > UNLOCK_BYTES_MAX {
            return Err(("scriptsig-size", format!("input {place}: unlocking script over {UNLOCK_BYTES_MAX} bytes")));
        }
        if !input.script.is_push_only() {
            return Err(("scriptsig-not-pushonly", format!("input {place}: the unlocking script does more than push")));
        }
    }
    for (place, output) in transaction.outputs.iter().enumerate() {
        let script = output.script.as_bytes();
        if let Some((&OP_RETURN, data)) = script.split_first() {
            if !Script::from_bytes(data).is_push_only() {
                return Err(("scriptpubkey", format!("output {place}: OP_RETURN is followed by more than pushes")));
            }
            if script.len() > DATA_OUTPUT_BYTES_MAX {
                return Err(("datacarrier", format!("output {place}: over {DATA_OUTPUT_BYTES_MAX} bytes of data")));
            }
        } else if output.script.public_key_hash().is_none() {
            return Err(("scriptpubkey", format!("output {place}: neither pay-to-public-key-hash nor data")));
        } else if output.value.units() < DUST_UNITS {
            return Err((
                "dust",
                format!("output {place}: {} is below the dust limit of {DUST_UNITS} units", output.value),
            ));
        }
    }
    let operations = transaction.signature_operations();
    if operations > SIGNATURE_OPERATIONS_MAX {
        return Err(("bad-txns-too-many-sigops", format!("{operations} signature operations")));
    }
    Ok(())
}

/// Whether an unlocking script with a strict-DER signature is in the one form that is relayed;
/// else what Core says of it (`ScriptErrorString`). Without this, anybody could change a waiting transaction's id (BIP62).
pub(crate) fn check_standard_unlock(unlock: &Script) -> Result<(), &'static str> {
    let Some((signature, public_key)) = unlock.unlock_parts() else { return Err("Only push operators allowed") };
    if *unlock != Script::unlock_public_key_hash(signature, public_key) {
        return Err("Data push larger than necessary");
    }
    if !has_low_s(signature) {
        return Err("S value is unnecessarily high");
    }
    let hash_type = signature.last().map(|hash_type| u32::from(*hash_type) & !SIGHASH_ANYONECANPAY);
    if !hash_type.is_some_and(|base| (SIGHASH_ALL..=SIGHASH_SINGLE).contains(&base)) {
        return Err("Signature hash type missing or not understood");
    }
    if matches!(public_key.first(), Some(6 | 7)) {
        return Err("Public key is neither compressed or uncompressed");
    }
    Ok(())
}

/// Whether a strict-DER signature with its type byte has a low S (BIP62, rule 5).
fn has_low_s(signature: &[u8]) -> bool {
    // 30 <length> 02 <R length> R 02 <S length> S <hash type>
    let Some(r_length) = signature.get(3).map(|length| usize::from(*length)) else { return false };
    let Some(s) = signature.get(6 + r_length..signature.len().saturating_sub(1)) else { return false };
    let significant = &s[s.iter().take_while(|byte| **byte == 0).count()..];
    significant.len() < 32 || (significant.len() == 32 && *significant <= HALF_ORDER[..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dust_is_cores_546() {
        assert_eq!(DUST_UNITS, 546);
    }

    #[test]
    fn scripts_that_do_more_than_push_are_not_relayed() {
        let paying = |unlock: &[u8], lock: &[u8]| {
            let coin = crate::core::tests::world::genesis_coin(&crate::core::tests::world::spec(), 0).0;
            let mut transaction = Transaction::clone(&crate::core::tests::world::spend(&[coin], 0, &[(1_000, 1)]));
            transaction.inputs[0].script = Script::from_bytes(unlock);
            transaction.outputs[0].script = Script::from_bytes(lock);
            check_standard(&transaction, 200).err().map(|(reason, _)| reason)
        };
        assert_eq!(paying(&[1, 9, 0x60, 0x4c, 1, 7], &[OP_RETURN]), None, "OP_16 and OP_PUSHDATA1 push too");
        assert_eq!(paying(&[1, 9, 0x61], &[OP_RETURN]), Some("scriptsig-not-pushonly"), "OP_NOP");
        assert_eq!(paying(&[2, 9], &[OP_RETURN]), Some("scriptsig-not-pushonly"), "cut short");
        assert_eq!(paying(&[], &[OP_RETURN, 1, 7, 0x51]), None);
        assert_eq!(paying(&[], &[OP_RETURN, 0xac]), Some("scriptpubkey"));
        assert_eq!(paying(&[], &[OP_RETURN, 2, 7]), Some("scriptpubkey"));
    }

    #[test]
    fn low_s_ends_at_half_the_order() {
        let signature = |s: &[u8]| [&[0x30, 0, 0x02, 1, 1, 0x02, s.len() as u8], s, &[1]].concat();
        assert!(has_low_s(&signature(&HALF_ORDER)));
        let mut above = HALF_ORDER;
        above[31] += 1;
        assert!(!has_low_s(&signature(&above)));
        assert!(!has_low_s(&signature(&[&[0, 0xff][..], &[0; 31]].concat())));
        assert!(has_low_s(&signature(&[1])));
    }

    #[test]
    fn one_form_of_unlocking_is_relayed() {
        let signature = |hash_type: u8| vec![0x30, 6, 0x02, 1, 1, 0x02, 1, 1, hash_type];
        let judge =
            |signature: &[u8], key: &[u8]| check_standard_unlock(&Script::unlock_public_key_hash(signature, key));
        for hash_type in 0..=u8::MAX {
            let known = [1, 2, 3, 0x81, 0x82, 0x83].contains(&hash_type);
            assert_eq!(judge(&signature(hash_type), &[2; 33]).is_ok(), known, "{hash_type:02x}");
        }
        assert_eq!(judge(&signature(1), &[4; 65]), Ok(()));
        assert!(judge(&signature(1), &[6; 65]).is_err(), "hybrid");
        let mut long_push = vec![0x4c, 9];
        long_push.extend_from_slice(&signature(1));
        long_push.push(33);
        long_push.extend_from_slice(&[2; 33]);
        assert_eq!(check_standard_unlock(&Script::from_bytes(long_push)), Err("Data push larger than necessary"));
    }
}
