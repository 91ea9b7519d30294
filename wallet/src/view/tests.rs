use std::sync::Arc;

use super::*;
use chain_spec::{Block, BlockHash, CheckedBlock, CompactTarget, Header, MerkleRoot, Script, Transaction, TxIn, TxOut};

const MATURITY: u32 = 3;
const US: [u8; 20] = [1; 20];
const THEM: [u8; 20] = [2; 20];
const FOREIGN: Outpoint = Outpoint { txid: Txid::from_bytes([0xEE; 32]), index: 0 };

fn units(units: u64) -> Amount {
    Amount::from_units(units)
}

/// A ledger fed by hand: our only key is [`US`].
#[derive(Default)]
struct Chain {
    ledger: Ledger,
    blocks: u32,
}

impl Chain {
    fn mine(&mut self, transactions: &[&Transaction]) -> u32 {
        let header = Header {
            version: 4,
            previous: BlockHash::ZERO,
            merkle_root: MerkleRoot::ZERO,
            time: 1_000 + self.blocks,
            bits: CompactTarget::from_bits(0x207f_ffff),
            nonce: self.blocks,
        };
        let block = Block { header, transactions: transactions.iter().map(|t| (*t).clone()).collect() };
        let height = self.ledger.tip().map_or(0, |(height, _)| height + 1);
        self.ledger.connect(height, &CheckedBlock::from_store(Arc::new(block)), &mut |hash| Ok(*hash == US)).unwrap();
        self.blocks += 1;
        height
    }

    fn sees(&mut self, transaction: &Transaction) -> bool {
        self.ledger.observe(&Arc::new(transaction.clone()), 5_000, &mut |hash| Ok(*hash == US)).unwrap()
    }

    fn sends(&mut self, transaction: &Transaction) {
        self.ledger.record_sent(&Arc::new(transaction.clone()), 5_000, &mut |hash| Ok(*hash == US)).unwrap();
        self.ledger.set_in_mempool(&transaction.txid());
    }

    fn view(&self) -> View<'_> {
        View::new(&self.ledger, MATURITY)
    }

    fn state(&self, transaction: &Transaction) -> State {
        self.view().state(&transaction.txid()).unwrap()
    }

    fn sums(&self) -> (u64, u64, u64, u64) {
        let Balance { confirmed, pending, immature, spendable } = self.view().balance();
        (confirmed.units(), pending.units(), immature.units(), spendable.units())
    }
}

fn pay(inputs: &[Outpoint], outputs: &[([u8; 20], u64)]) -> Transaction {
    Transaction {
        version: 2,
        inputs: inputs
            .iter()
            .map(|&outpoint| TxIn { outpoint, script: Script::default(), sequence: u32::MAX })
            .collect(),
        outputs: outputs
            .iter()
            .map(|(hash, value)| TxOut { value: units(*value), script: Script::pay_to_public_key_hash(hash) })
            .collect(),
        lock_time: 0,
    }
}

fn coinbase(tag: u8, to: [u8; 20], value: u64) -> Transaction {
    let mut transaction = pay(&[Outpoint::NULL], &[(to, value)]);
    transaction.inputs[0].script = Script::from_bytes([1, tag]);
    transaction
}

fn output(transaction: &Transaction, index: u32) -> Outpoint {
    Outpoint { txid: transaction.txid(), index }
}

#[test]
fn a_payment_to_us_is_pending_then_confirmed() {
    let mut chain = Chain::default();
    chain.mine(&[]);
    let payment = pay(&[FOREIGN], &[(THEM, 5), (US, 700)]);
    assert!(chain.sees(&payment));
    assert_eq!(chain.state(&payment), State::Unconfirmed { in_mempool: true });
    assert_eq!(chain.sums(), (0, 700, 0, 0));
    chain.mine(&[&payment]);
    assert_eq!(chain.state(&payment), State::Confirmed { confirmations: 1, height: 1 });
    assert_eq!(chain.sums(), (700, 0, 0, 700));
    chain.mine(&[]);
    assert_eq!(chain.state(&payment), State::Confirmed { confirmations: 2, height: 1 });
}

#[test]
fn strangers_are_not_remembered() {
    let mut chain = Chain::default();
    let strangers = pay(&[FOREIGN], &[(THEM, 5)]);
    assert!(!chain.sees(&strangers));
    chain.mine(&[&strangers]);
    assert_eq!(chain.ledger.entries().count(), 0);
}

#[test]
fn a_coinbase_matures() {
    let mut chain = Chain::default();
    chain.mine(&[]);
    chain.mine(&[&coinbase(1, US, 50)]);
    for blocks in (1..MATURITY).rev() {
        assert_eq!(chain.view().coins()[0].state, CoinState::Immature { blocks });
        assert_eq!(chain.sums(), (0, 0, 50, 0));
        chain.mine(&[]);
    }
    // It may be spent in the next block, the third after its own.
    assert_eq!(chain.sums(), (50, 0, 0, 50));
}

#[test]
fn genesis_coins_need_not_mature() {
    let mut chain = Chain::default();
    chain.mine(&[&coinbase(0, US, 200)]);
    assert_eq!(chain.sums(), (200, 0, 0, 200));
}

#[test]
fn own_change_is_spendable_before_it_confirms() {
    let mut chain = Chain::default();
    chain.mine(&[&coinbase(0, US, 1_000)]);
    let funding = chain.view().coins()[0].outpoint;
    let payment = pay(&[funding], &[(THEM, 300), (US, 690)]);
    chain.sends(&payment);
    assert_eq!(chain.sums(), (0, 690, 0, 690));
    let line = &chain.view().history()[1];
    assert_eq!((line.kind, line.fee), (Kind::Sent, Some(units(10))));
    assert_eq!((line.received, line.spent), (units(690), units(1_000)));
    assert_eq!(line.paid, [THEM]);
    // Not while the node does not hold the payment: what spends its change would be refused.
    chain.ledger.set_mempool(|_| false);
    assert_eq!(chain.view().coins()[0].state, CoinState::Unsent);
    assert_eq!(chain.sums(), (0, 690, 0, 0));
    chain.ledger.set_mempool(|_| true);
    // The change can fund a second payment, whose change again counts.
    let second = pay(&[output(&payment, 1)], &[(THEM, 600), (US, 80)]);
    chain.sends(&second);
    assert_eq!(chain.sums(), (0, 80, 0, 80));
    chain.mine(&[&payment, &second]);
    assert_eq!(chain.sums(), (80, 0, 0, 80));
}

#[test]
fn a_reorganisation_takes_back_and_gives_again() {
    let mut chain = Chain::default();
    chain.mine(&[]);
    let (payment, mined) = (pay(&[FOREIGN], &[(US, 700)]), coinbase(1, US, 50));
    chain.mine(&[&mined, &payment]);
    chain.ledger.roll_back(Some(0));
    assert_eq!(chain.state(&mined), State::Orphaned);
    assert_eq!(chain.state(&payment), State::Unconfirmed { in_mempool: false });
    assert_eq!(chain.sums(), (0, 0, 0, 0), "out of block and mempool it is only a promise");
    chain.ledger.set_mempool(|txid| *txid == payment.txid());
    assert_eq!(chain.sums(), (0, 700, 0, 0));
    chain.mine(&[&payment]);
    assert_eq!(chain.sums(), (700, 0, 0, 700));
    // The same block can come back, too.
    chain.ledger.roll_back(Some(0));
    chain.mine(&[&mined, &payment]);
    assert_eq!(chain.sums(), (700, 0, 50, 700));
}

/// The victim's side of a double spend: the payment was confirmed, the attacker's longer chain spends its coin otherwise.
#[test]
fn a_double_spend_of_a_payment_to_us_is_noticed() {
    let mut chain = Chain::default();
    chain.mine(&[]);
    let payment = pay(&[FOREIGN], &[(US, 700)]);
    let theft = pay(&[FOREIGN], &[(THEM, 700)]);
    chain.mine(&[&payment]);
    chain.ledger.roll_back(Some(0));
    chain.mine(&[&theft]);
    assert_eq!(chain.state(&payment), State::Conflicted { by: theft.txid() });
    assert_eq!(chain.sums(), (0, 0, 0, 0));
    let history = chain.view().history();
    assert_eq!(history.len(), 1, "the theft is not ours to list");
    assert_eq!(history[0].state.name(), "conflicted");
    // And back again.
    chain.ledger.roll_back(Some(0));
    chain.mine(&[&payment]);
    assert_eq!(chain.sums(), (700, 0, 0, 700));
}

#[test]
fn a_replacement_in_the_mempool_conflicts() {
    let mut chain = Chain::default();
    chain.mine(&[]);
    let (payment, replacement) = (pay(&[FOREIGN], &[(US, 700)]), pay(&[FOREIGN], &[(THEM, 690)]));
    chain.sees(&payment);
    assert!(chain.sees(&replacement), "it concerns us, since it takes the coin of a payment to us");
    chain.ledger.set_mempool(|txid| *txid == replacement.txid());
    assert_eq!(chain.state(&payment), State::Conflicted { by: replacement.txid() });
    assert_eq!(chain.sums(), (0, 0, 0, 0));
}

#[test]
fn descendants_share_their_ancestors_fate() {
    let mut chain = Chain::default();
    chain.mine(&[&coinbase(0, US, 1_000)]);
    let funding = chain.view().coins()[0].outpoint;
    let parent = pay(&[funding], &[(US, 990)]);
    let child = pay(&[output(&parent, 0)], &[(US, 980)]);
    let grandchild = pay(&[output(&child, 0)], &[(US, 970)]);
    for transaction in [&parent, &child, &grandchild] {
        chain.sends(transaction);
    }
    assert_eq!(chain.sums(), (0, 970, 0, 970));
    assert!(chain.ledger.abandon(&parent.txid()));
    for transaction in [&parent, &child, &grandchild] {
        assert_eq!(chain.state(transaction), State::Abandoned);
    }
    assert_eq!(chain.sums(), (1_000, 0, 0, 1_000), "the coin is free again");
    // Mined after all, so it counts after all.
    chain.mine(&[&parent]);
    assert_eq!(chain.state(&child), State::Unconfirmed { in_mempool: true });
    let rival = pay(&[output(&parent, 0)], &[(US, 500)]);
    chain.mine(&[&rival]);
    assert_eq!(chain.state(&grandchild), State::Conflicted { by: rival.txid() });
    assert_eq!(chain.sums(), (500, 0, 0, 500));
}

#[test]
fn a_refused_payment_leaves_no_trace() {
    let mut chain = Chain::default();
    chain.mine(&[&coinbase(0, US, 1_000)]);
    let funding = chain.view().coins()[0].outpoint;
    let payment = pay(&[funding], &[(THEM, 300), (US, 690)]);
    chain.sends(&payment);
    chain.ledger.forget(&payment.txid());
    assert_eq!(chain.view().state(&payment.txid()), None);
    assert_eq!(chain.sums(), (1_000, 0, 0, 1_000));
    assert_eq!(chain.view().coin(&output(&payment, 1)), None);
}

#[test]
fn a_confirmed_transaction_is_neither_abandoned_nor_forgotten() {
    let mut chain = Chain::default();
    let payment = pay(&[FOREIGN], &[(US, 700)]);
    chain.mine(&[&payment]);
    assert!(!chain.ledger.abandon(&payment.txid()));
    chain.ledger.forget(&payment.txid());
    assert_eq!(chain.sums(), (700, 0, 0, 700));
}

#[test]
fn a_double_spend_on_purpose_finds_its_coins() {
    let mut chain = Chain::default();
    chain.mine(&[&coinbase(0, US, 1_000)]);
    let funding = chain.view().coins()[0].outpoint;
    chain.sends(&pay(&[funding], &[(THEM, 990)]));
    assert_eq!(chain.view().coin(&funding), None);
    assert_eq!(chain.view().coin_even_if_spent(&funding).map(|coin| coin.value), Some(units(1_000)));
}

#[test]
fn values_over_the_cap_are_not_counted() {
    let mut chain = Chain::default();
    chain.mine(&[&pay(&[FOREIGN], &[(US, u64::MAX), (US, 5)])]);
    assert_eq!(chain.sums(), (5, 0, 0, 5));
}

#[test]
fn checkpoints_thin_out_but_keep_genesis() {
    let mut chain = Chain::default();
    for _ in 0..=2_500 {
        chain.mine(&[]);
    }
    let heights: Vec<u32> = chain.ledger.checkpoints().map(|(height, _)| height).collect();
    assert_eq!(heights.len(), 288 + 3);
    assert_eq!(heights[..2], [2_500, 2_499]);
    assert_eq!(heights[287..], [2_213, 2_000, 1_000, 0]);
}

/// What a coin would join when spent: what nodes bound at 25 in both directions.
#[test]
fn unconfirmed_coins_know_how_long_their_chain_is() {
    let mut chain = Chain::default();
    chain.mine(&[&coinbase(0, US, 1_000)]);
    let funding = chain.view().coins()[0].outpoint;
    assert_eq!(chain.view().coins()[0].chain, 0);
    let mut parent = pay(&[funding], &[(US, 500), (US, 490)]);
    let sibling = output(&parent, 1);
    chain.sends(&parent);
    assert_eq!(chain.view().coin(&sibling).unwrap().chain, 1);
    for value in (100..=130).rev() {
        parent = pay(&[output(&parent, 0)], &[(US, value)]);
        chain.sends(&parent);
    }
    let view = chain.view();
    assert_eq!(
        view.coin(&output(&parent, 0)).unwrap().chain,
        CHAIN_COUNTED_MAX,
        "counting stops where no node takes more"
    );
    assert_eq!(view.coin(&sibling).unwrap().chain, CHAIN_COUNTED_MAX, "its parent has as many descendants");
    assert_eq!(view.chain_of(&[funding]), 0);
    assert_eq!(view.chain_of(&[sibling]), 1);
}
