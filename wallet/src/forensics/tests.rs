use std::collections::HashMap;

use chain_spec::{Amount, Block, BlockHash, CompactTarget, Header, MerkleRoot, Script, TxIn};

use super::cluster::{Clusters, Rules, clusters, quality};
use super::trace::{Direction, shares, tree};
use super::*;

/// A chain whose blocks each hold a coinbase and some payments; values in units.
#[derive(Default)]
struct History {
    index: ChainIndex,
    height: u32,
}

fn script(owner: u8) -> Script {
    Script::pay_to_public_key_hash(&[owner; 20])
}

fn coin(transaction: &Transaction, index: u32) -> Outpoint {
    Outpoint { txid: transaction.txid(), index }
}

fn pay(inputs: &[Outpoint], outputs: &[(u8, u64)]) -> Transaction {
    Transaction {
        version: 1,
        inputs: inputs
            .iter()
            .map(|outpoint| TxIn { outpoint: *outpoint, script: Script::default(), sequence: 0 })
            .collect(),
        outputs: outputs
            .iter()
            .map(|(owner, units)| TxOut { value: Amount::from_units(*units), script: script(*owner) })
            .collect(),
        lock_time: 0,
    }
}

impl History {
    /// A block that pays `units` to a miner; gives its coinbase.
    fn mine(&mut self, miner: u8, units: u64, payments: &[&Transaction]) -> Transaction {
        let mut coinbase = pay(&[Outpoint::NULL], &[(miner, units)]);
        coinbase.lock_time = self.height; // makes its id its own
        let header = Header {
            version: 4,
            previous: BlockHash::ZERO,
            merkle_root: MerkleRoot::ZERO,
            time: self.height,
            bits: CompactTarget::from_bits(0x207f_ffff),
            nonce: 0,
        };
        let transactions = std::iter::once(coinbase.clone()).chain(payments.iter().map(|t| (*t).clone())).collect();
        self.index.add(&CheckedBlock::from_store(Arc::new(Block { header, transactions })));
        self.height += 1;
        coinbase
    }
}

/// 60 and 40 are mixed and paid out as 50 and 45, 5 is the fee: by hand, first in first out gives the first output 50 of
/// the first coinbase, the second 10 and 35; by proportion they are 30 and 20, and 27 and 18.
#[test]
fn shares_are_those_computed_by_hand() {
    let mut history = History::default();
    let first = history.mine(1, 60, &[]);
    let second = history.mine(2, 40, &[]);
    let mixed = pay(&[coin(&first, 0), coin(&second, 0)], &[(3, 50), (4, 45)]);
    history.mine(9, 55, &[&mixed]);
    let of = |index| -> Vec<(u32, u64, u64)> {
        let shares = shares(&history.index, &[coin(&mixed, index)]);
        shares.iter().map(|s| (s.height, s.first_in_first_out.units(), s.by_proportion.units())).collect()
    };
    assert_eq!(of(0), [(0, 50, 30), (1, 0, 20)]);
    assert_eq!(of(1), [(0, 10, 27), (1, 35, 18)]);
    let both: Vec<u64> = shares(&history.index, &[coin(&mixed, 0), coin(&mixed, 1)])
        .iter()
        .map(|share| share.first_in_first_out.units())
        .collect();
    assert_eq!(both, [60, 35], "what the miner of the fee got is the end of the queue");
}

#[test]
fn trees_lead_back_to_coinbases_and_forward_to_what_is_unspent() {
    let mut history = History::default();
    let minted = history.mine(1, 100, &[]);
    let payment = pay(&[coin(&minted, 0)], &[(2, 30), (1, 70)]);
    let onward = pay(&[coin(&payment, 0)], &[(3, 29)]);
    history.mine(9, 50, &[&payment, &onward]);
    let back = tree(&history.index, coin(&onward, 0), Direction::Back, 10).unwrap();
    assert!(!back.is_coinbase && back.next[0].next[0].is_coinbase && back.next[0].next[0].next.is_empty());
    let forward = tree(&history.index, coin(&minted, 0), Direction::Forward, 10).unwrap();
    assert_eq!(forward.next.len(), 2);
    assert!(forward.next[1].is_unspent && forward.next[0].next[0].is_unspent);
    let short = tree(&history.index, coin(&onward, 0), Direction::Back, 1).unwrap();
    assert!(short.next[0].is_cut && short.next[0].next.is_empty());
    let spec = ChainSpec::builtin("local").unwrap();
    assert_eq!(draw::text(&back, &spec).lines().count(), 3);
    assert_eq!(draw::dot(&back, &spec).matches("->").count(), 2);
    let picture = draw::svg(&back, &spec).unwrap();
    assert!(picture.starts_with("<svg") && picture.matches("<rect").count() == 3 + 1, "{picture}");
}

fn together(clusters: &Clusters, one: u8, other: u8) -> bool {
    clusters.of.get(&[one; 20]) == clusters.of.get(&[other; 20])
}

#[test]
fn each_rule_joins_what_it_says_and_can_be_switched_off() {
    let none = Rules { common_inputs: false, fresh_change: false, needless_input: false };
    let mut history = History::default();
    let coins: Vec<Transaction> = (1..=4).map(|owner| history.mine(owner, 100, &[])).collect();
    // Owners 1 and 2 are one; 5 is known from before.
    let joint = pay(&[coin(&coins[0], 0), coin(&coins[1], 0)], &[(5, 190)]);
    history.mine(9, 50, &[&joint]);
    // 3 pays 5; what nobody has seen before is its change.
    let change = pay(&[coin(&coins[2], 0)], &[(5, 60), (6, 39)]);
    history.mine(9, 50, &[&change]);
    let all = clusters(&history.index, Rules::ALL);
    assert!(together(&all, 1, 2) && together(&all, 3, 6) && !together(&all, 3, 5) && !together(&all, 1, 5));
    let off = clusters(&history.index, none);
    assert_eq!(off.clusters.len(), 7, "1 to 6 and the miner");
    let inputs = clusters(&history.index, Rules { common_inputs: true, ..none });
    assert!(together(&inputs, 1, 2) && !together(&inputs, 3, 6));
    // Two new addresses beside each other: only the needless input tells which is change.
    let more = [history.mine(1, 100, &[]), history.mine(1, 100, &[])];
    let hidden = pay(&[coin(&more[0], 0), coin(&more[1], 0)], &[(7, 150), (8, 49)]);
    history.mine(9, 50, &[&hidden]);
    assert!(together(&clusters(&history.index, Rules { needless_input: true, ..none }), 1, 8));
    assert!(!together(&clusters(&history.index, Rules { fresh_change: true, ..none }), 1, 8));
    let all = clusters(&history.index, Rules::ALL);
    let (from, to) = (all.of[&[3; 20]], all.of[&[5; 20]]);
    assert_eq!((all.flows[&(from, to)].transactions, all.flows[&(from, to)].amount.units()), (1, 60));
    assert_eq!(all.clusters[to].balance.units(), 250);
}

/// Counted by hand: owner A has addresses 1, 2, 6 and B has 5 and 3; joined are 1-2 (right) and 3-6 (wrong).
#[test]
fn precision_and_recall_count_pairs() {
    let mut history = History::default();
    let coins: Vec<Transaction> = (1..=3).map(|owner| history.mine(owner, 100, &[])).collect();
    let joint = pay(&[coin(&coins[0], 0), coin(&coins[1], 0)], &[(5, 190)]);
    let change = pay(&[coin(&coins[2], 0)], &[(5, 60), (6, 39)]);
    history.mine(9, 50, &[&joint]);
    history.mine(9, 50, &[&change]);
    let owner = |hash: u8, name: &str| ([hash; 20], name.to_owned());
    let owners =
        HashMap::from([owner(1, "A"), owner(2, "A"), owner(6, "A"), owner(5, "B"), owner(3, "B"), owner(77, "C")]);
    let quality = quality(&clusters(&history.index, Rules::ALL), &owners);
    assert_eq!((quality.addresses, quality.pairs_joined, quality.pairs_owned, quality.pairs_right), (5, 2, 4, 1));
    assert_eq!((quality.precision(), quality.recall()), (0.5, 0.25));
}

/// A branch that is left takes with it what its transactions spent and made, and nothing else.
#[test]
fn what_is_above_a_truncation_was_never_there() {
    let mut history = History::default();
    let first = history.mine(1, 60, &[]);
    let before = history.index.clone();
    let payment = pay(&[coin(&first, 0)], &[(2, 59)]);
    history.mine(3, 51, &[&payment]);
    assert!(history.index.spender(&coin(&first, 0)).is_some());
    history.index.truncate(1);
    assert_eq!(history.index.height(), 1);
    assert!(history.index.spender(&coin(&first, 0)).is_none());
    assert!(history.index.get(&payment.txid()).is_none());
    assert_eq!(history.index.transactions().len(), before.transactions().len());
    assert!(history.index.get(&first.txid()).is_some());
    // The payment may come again, in another block.
    history.mine(4, 50, &[]);
    history.mine(4, 51, &[&payment]);
    assert_eq!(history.index.spender(&coin(&first, 0)).map(|known| known.height), Some(2));
    history.index.truncate(9);
    assert_eq!(history.index.height(), 3, "there are no more to forget");
}
