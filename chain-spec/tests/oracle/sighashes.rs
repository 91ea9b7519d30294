//! Legacy signature hashes.
use super::{script, transaction};
use bitcoin::hashes::Hash;
use bitcoin::sighash::SighashCache;
use chain_spec::signature_hash::{signature_hash, signature_hash_with};
use chain_spec::{Encode, Script};
use proptest::prelude::*;

proptest! {
    /// Every type, defined or not, with more inputs than outputs (`SIGHASH_SINGLE`'s bug) as often as the other way round.
    #[test]
    fn signature_hashes_agree(
        transaction in transaction(1),
        code in script(),
        hash_type in prop_oneof![0_u32..4, 0x80_u32..0x84, any::<u8>().prop_map(u32::from), any::<u32>()],
    ) {
        let theirs: bitcoin::Transaction = bitcoin::consensus::deserialize(&transaction.to_bytes()).unwrap();
        // Bitcoin removes OP_CODESEPARATOR (0xab) from the code; the one template that can be spent here has none.
        let code = Script::from_bytes(code.as_bytes().iter().map(|byte| if *byte == 0xab { 0 } else { *byte }).collect::<Vec<_>>());
        let cache = SighashCache::new(&theirs);
        let mut scratch = vec![1, 2, 3];
        for input in 0..transaction.inputs.len() {
            let theirs = cache
                .legacy_signature_hash(input, bitcoin::Script::from_bytes(code.as_bytes()), hash_type)
                .unwrap();
            prop_assert_eq!(signature_hash(&transaction, input, &code, hash_type), theirs.to_byte_array());
            let with_scratch = signature_hash_with(&transaction, input, &code, hash_type, &mut scratch);
            prop_assert_eq!(with_scratch, theirs.to_byte_array());
        }
    }
}
