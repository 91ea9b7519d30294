//! Signatures that were checked before, so that nobody has them checked twice.
//!
//! By transaction: those that left the pool may come back in a block. By input: of a transaction that was not accepted the
//! good signatures are remembered, so that sending it again with another bad one costs no more than that one.

use crate::core::hash_map::{IdSet, IdState};
use chain_spec::hash::sha256;
use chain_spec::{Coin, Encode, Script, Transaction, Txid};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::hash::Hash;

/// Transactions remembered; the oldest is forgotten first.
const TRANSACTIONS_MAX: usize = 50_000;
/// Inputs of other transactions remembered; the oldest is forgotten first.
const INPUTS_MAX: usize = 50_000;

/// Commits to all that an input's check depends on: the transaction without its scripts, the input's place and script, and the
/// script of the coin it spends.
pub(super) type InputDigest = [u8; 32];

/// Transactions all of whose signatures are good, and single inputs whose signature is; the oldest are forgotten first.
#[derive(Debug)]
pub(super) struct SignatureCache {
    transactions: Remembered<Txid>,
    /// Behind a cell, because judging a transaction changes nothing that anybody can see; this only makes it cheaper.
    inputs: RefCell<Remembered<InputDigest>>,
}

impl SignatureCache {
    /// Nothing yet.
    pub(super) fn new(state: IdState) -> SignatureCache {
        SignatureCache {
            transactions: Remembered::new(TRANSACTIONS_MAX, state),
            inputs: RefCell::new(Remembered::new(INPUTS_MAX, state)),
        }
    }
    /// Whether all signatures of a transaction are known to be good.
    pub(super) fn contains(&self, txid: &Txid) -> bool {
        self.transactions.contains(txid)
    }
    /// Remembers that all signatures of a transaction are good.
    pub(super) fn insert(&mut self, txid: Txid) {
        self.transactions.insert(txid);
    }
    /// Inputs of a transaction, by place, whose signatures are not known to be good.
    pub(super) fn unchecked(&self, transaction: &Transaction, spent: &[Coin]) -> Vec<usize> {
        let inputs = self.inputs.borrow();
        if inputs.is_empty() {
            return (0..spent.len()).collect();
        }
        let digests = digests(transaction, spent);
        (0..spent.len()).zip(digests).filter(|(_, digest)| !inputs.contains(digest)).map(|(place, _)| place).collect()
    }
    /// Remembers that the signatures of these inputs are good.
    pub(super) fn insert_inputs(&self, transaction: &Transaction, spent: &[Coin], places: &[usize]) {
        let digests: Vec<InputDigest> = digests(transaction, spent).collect();
        let mut inputs = self.inputs.borrow_mut();
        places.iter().for_each(|place| inputs.insert(digests[*place]));
    }
}

/// One digest for each input.
fn digests<'a>(transaction: &'a Transaction, spent: &'a [Coin]) -> impl Iterator<Item = InputDigest> + 'a {
    let mut unsigned = transaction.clone();
    unsigned.inputs.iter_mut().for_each(|input| input.script = Script::default());
    let unsigned = sha256(&unsigned.to_bytes());
    spent.iter().zip(&transaction.inputs).zip(0u32..).map(move |((coin, input), place)| {
        let mut bytes = unsigned.to_vec();
        bytes.extend_from_slice(&place.to_le_bytes());
        for script in [&coin.output.script, &input.script] {
            bytes.extend_from_slice(&(script.as_bytes().len() as u64).to_le_bytes());
            bytes.extend_from_slice(script.as_bytes());
        }
        sha256(&bytes)
    })
}

/// A set that forgets its oldest member when it is full.
#[derive(Debug)]
struct Remembered<T> {
    members: IdSet<T>,
    order: VecDeque<T>,
    members_max: usize,
}

impl<T: Copy + Eq + Hash> Remembered<T> {
    fn new(members_max: usize, state: IdState) -> Remembered<T> {
        Remembered { members: IdSet::with_hasher(state), order: VecDeque::new(), members_max }
    }
    fn is_empty(&self) -> bool {
        self.members.is_empty()
    }
    fn contains(&self, member: &T) -> bool {
        self.members.contains(member)
    }
    fn insert(&mut self, member: T) {
        if !self.members.insert(member) {
            return;
        }
        self.order.push_back(member);
        if self.order.len() > self.members_max
            && let Some(oldest) = self.order.pop_front()
        {
            self.members.remove(&oldest);
        }
    }
}
