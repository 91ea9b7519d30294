//! Bitcoin's bytes, proved: this crate beside `rust-bitcoin` and libsecp256k1 over generated and mutated inputs, in what
//! both accept and what both refuse.
//!
//! A failure prints the smallest input found, and writes its seed to a `proptest-regressions` file. More rounds than the
//! default 256 for each property: `PROPTEST_CASES=100000 cargo test -p chain-spec --test oracle`.
// Every function here is a test's; clippy knows that only of functions marked `#[test]`.
#![allow(clippy::unwrap_used)]

mod blocks;
mod keys;
mod real;
mod sighashes;
mod targets;
mod text;
mod transactions;

use chain_spec::{Amount, Outpoint, Script, Transaction, TxIn, TxOut, Txid};
use proptest::collection::vec;
use proptest::prelude::*;

/// Scripts: the template, its parts, or any bytes.
pub(crate) fn script() -> impl Strategy<Value = Script> {
    prop_oneof![
        any::<[u8; 20]>().prop_map(|hash| Script::pay_to_public_key_hash(&hash)),
        (vec(any::<u8>(), 0..80), vec(any::<u8>(), 0..40))
            .prop_map(|(signature, public_key)| Script::unlock_public_key_hash(&signature, &public_key)),
        vec(any::<u8>(), 0..300).prop_map(Script::from_bytes),
    ]
}

pub(crate) fn input() -> impl Strategy<Value = TxIn> {
    let outpoint = prop_oneof![
        1 => Just(Outpoint::NULL),
        9 => (any::<[u8; 32]>(), any::<u32>()).prop_map(|(txid, index)| Outpoint { txid: Txid::from_bytes(txid), index }),
    ];
    (outpoint, script(), any::<u32>()).prop_map(|(outpoint, script, sequence)| TxIn { outpoint, script, sequence })
}

pub(crate) fn output() -> impl Strategy<Value = TxOut> {
    (any::<u64>(), script()).prop_map(|(units, script)| TxOut { value: Amount::from_units(units), script })
}

/// Transactions with at least `inputs_min` inputs.
pub(crate) fn transaction(inputs_min: usize) -> impl Strategy<Value = Transaction> {
    (any::<i32>(), vec(input(), inputs_min..5), vec(output(), 0..5), any::<u32>())
        .prop_map(|(version, inputs, outputs, lock_time)| Transaction { version, inputs, outputs, lock_time })
}

/// One way to damage bytes.
#[derive(Clone, Debug)]
pub(crate) enum Mutation {
    Flip(prop::sample::Index, u8),
    Set(prop::sample::Index, u8),
    Cut(prop::sample::Index),
    Insert(prop::sample::Index, Vec<u8>),
    Remove(prop::sample::Index),
}

pub(crate) fn mutations() -> impl Strategy<Value = Vec<Mutation>> {
    let index = any::<prop::sample::Index>;
    // Bytes that begin a CompactSize, or are one, are where formats break.
    let telling = prop_oneof![Just(0), Just(1), Just(0xfc), Just(0xfd), Just(0xfe), Just(0xff), any::<u8>()];
    let mutation = prop_oneof![
        (index(), 0_u8..8).prop_map(|(at, bit)| Mutation::Flip(at, bit)),
        (index(), telling).prop_map(|(at, byte)| Mutation::Set(at, byte)),
        index().prop_map(Mutation::Cut),
        (index(), vec(any::<u8>(), 1..10)).prop_map(|(at, bytes)| Mutation::Insert(at, bytes)),
        index().prop_map(Mutation::Remove),
    ];
    vec(mutation, 0..4)
}

pub(crate) fn mutate(mut bytes: Vec<u8>, mutations: &[Mutation]) -> Vec<u8> {
    for mutation in mutations {
        if bytes.is_empty() {
            break;
        }
        let length = bytes.len();
        match mutation {
            Mutation::Flip(at, bit) => bytes[at.index(length)] ^= 1 << bit,
            Mutation::Set(at, byte) => bytes[at.index(length)] = *byte,
            Mutation::Cut(at) => bytes.truncate(at.index(length)),
            Mutation::Insert(at, more) => {
                let at = at.index(length);
                bytes.splice(at..at, more.iter().copied());
            }
            Mutation::Remove(at) => {
                bytes.remove(at.index(length));
            }
        }
    }
    bytes
}
