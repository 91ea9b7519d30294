//! Compact targets, work and Bitcoin's retarget.
use chain_spec::retarget::{Ancestors, required_target};
use chain_spec::{BlockHash, ChainSpec, CompactTarget, Target, Work};
use proptest::prelude::*;

/// Compact targets that are targets, of every length.
fn compact() -> impl Strategy<Value = CompactTarget> {
    (1_u32..=34, 0_u32..0x80_0000)
        .prop_map(|(length, mantissa)| CompactTarget::from_bits(length << 24 | mantissa))
        .prop_filter("a target", |compact| compact.to_target().is_some())
}

fn theirs(compact: CompactTarget) -> bitcoin::Target {
    bitcoin::Target::from_compact(bitcoin::CompactTarget::from_consensus(compact.bits()))
}

/// Their work, but for target 1, whose work they give as 2²⁵⁶ - 1: by Core's formula it is 2²⁵⁵.
fn their_work(target: bitcoin::Target) -> [u8; 32] {
    let (mut one, mut half) = ([0; 32], [0; 32]);
    (one[31], half[0]) = (1, 0x80);
    if target.to_be_bytes() == one { half } else { target.to_work().to_be_bytes() }
}

/// The target as the definition has it: mantissa × 256^(length - 3), in bytes.
fn by_definition(bits: u32) -> Option<[u8; 32]> {
    let (length, mantissa) = ((bits >> 24) as i32, bits & 0x7f_ffff);
    let mut bytes = [0; 32];
    for (place, byte) in mantissa.to_le_bytes().into_iter().enumerate() {
        let power = place as i32 + length - 3;
        match usize::try_from(31 - power) {
            _ if byte == 0 || power < 0 => {}
            Ok(index) => bytes[index] = byte,
            Err(_) => return None,
        }
    }
    (bytes != [0; 32] && bits & 0x80_0000 == 0).then_some(bytes)
}

proptest! {
    #[test]
    fn any_bits_read_as_the_definition_says(bits in any::<u32>(), length in 0_u32..40) {
        for bits in [bits, length << 24 | bits & 0xff_ffff] {
            let ours = CompactTarget::from_bits(bits).to_target();
            prop_assert_eq!(ours.map(Target::to_be_bytes), by_definition(bits), "{:08x}", bits);
        }
    }

    #[test]
    fn targets_and_work_agree(compact in compact()) {
        let (ours, theirs) = (compact.to_target().unwrap(), theirs(compact));
        prop_assert_eq!(ours.to_be_bytes(), theirs.to_be_bytes());
        prop_assert_eq!(ours.to_compact().bits(), theirs.to_compact_lossy().to_consensus());
        prop_assert_eq!(ours.work().to_be_bytes(), their_work(theirs));
    }

    #[test]
    fn any_target_agrees(mut bytes in any::<[u8; 32]>(), zeros in 0_usize..32) {
        bytes[..zeros].fill(0);
        prop_assume!(bytes != [0; 32]);
        let (ours, theirs) = (Target::from_be_bytes(bytes), bitcoin::Target::from_be_bytes(bytes));
        prop_assert_eq!(ours.to_compact().bits(), theirs.to_compact_lossy().to_consensus());
        prop_assert_eq!(ours.work().to_be_bytes(), their_work(theirs));
        // What is written back is the nearest at or below.
        let back = ours.to_compact().to_target();
        prop_assert!(back.is_none_or(|back| back <= ours));
    }

    #[test]
    fn a_hash_meets_a_target_in_both_or_neither(compact in compact(), hash in any::<[u8; 32]>(), zeros in 0_usize..32) {
        use bitcoin::hashes::Hash;
        let mut hash = hash;
        hash[32 - zeros..].fill(0);
        let ours = compact.to_target().unwrap().is_met_by(&BlockHash::from_bytes(hash));
        prop_assert_eq!(ours, theirs(compact).is_met_by(bitcoin::BlockHash::from_byte_array(hash)));
    }

    #[test]
    fn work_adds_as_theirs_does(one in any::<[u8; 32]>(), other in any::<[u8; 32]>()) {
        let (mut one, mut other) = (one, other);
        (one[0], other[0]) = (one[0] >> 1, other[0] >> 1);
        let ours = Work::from_be_bytes(one).saturating_add(Work::from_be_bytes(other));
        let theirs = bitcoin::Work::from_be_bytes(one) + bitcoin::Work::from_be_bytes(other);
        prop_assert_eq!(ours.to_be_bytes(), theirs.to_be_bytes());
        prop_assert_eq!(ours.saturating_sub(Work::from_be_bytes(other)), Work::from_be_bytes(one));
    }

    /// Bitcoin's retarget, over time spans on both sides of the clamp.
    #[test]
    fn epoch_retargets_agree(
        (length, mantissa) in (4_u32..=0x1d, 0x8000_u32..0x80_0000),
        first_s in 1_300_000_000_u32..1_400_000_000,
        span_s in 0_u32..8_000_000,
    ) {
        let spec = ChainSpec::builtin("bitcoin-main").unwrap();
        let bits = CompactTarget::from_bits(length << 24 | mantissa);
        prop_assume!(bits.to_target().unwrap() <= spec.target_limit);
        struct Period(u32, u32, CompactTarget);
        impl Ancestors for Period {
            fn height(&self) -> u32 {
                2 * 2016 - 1
            }
            fn at(&self, height: u32) -> (u32, CompactTarget) {
                (if height == 2016 { self.0 } else { self.1 }, self.2)
            }
            fn version(&self, _: u32) -> i32 {
                1
            }
        }
        let ours = required_target(&spec, &Period(first_s, first_s + span_s, bits));
        let last = bitcoin::CompactTarget::from_consensus(bits.bits());
        let theirs = bitcoin::CompactTarget::from_next_work_required(last, span_s.into(), bitcoin::params::Params::MAINNET);
        prop_assert_eq!(ours.bits(), theirs.to_consensus());
    }
}
