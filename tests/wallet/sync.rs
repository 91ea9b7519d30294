//! Following a node's chain: history, reorganisations, mempool.

use std::collections::HashSet;

use chain_spec::{ChainSpec, Outpoint, Transaction, Txid};
use proptest::prelude::*;
use wallet::sync::SyncError;
use wallet::{CoinState, State, Wallet, WalletError, Words};

use super::fake_node::{Chain, FakeNode};
use super::{coins, demo, external, fresh, local, payment};

#[test]
fn genesis_coins_are_found_and_spendable() {
    let (node, mut alice) = (FakeNode::local(), demo("alice"));
    let report = alice.sync(&node.client()).unwrap();
    assert_eq!((report.height, report.connected), (0, 1));
    assert_eq!(alice.balance().spendable, coins("395"));
    assert_eq!(alice.coins().len(), 7);
    assert_eq!(alice.coins()[0].value, coins("200"));
}

#[test]
fn a_payment_is_pending_then_confirmed_for_both() {
    let (node, mut alice, mut bob) = (FakeNode::local(), demo("alice"), demo("bob"));
    let client = node.client();
    alice.sync(&client).unwrap();
    let to = bob.address().unwrap();
    let paid = payment(&alice, &to, "12.5");
    let txid = alice.send(&client, &paid).unwrap();
    bob.sync(&client).unwrap();
    assert_eq!(bob.balance().pending, coins("12.5"));
    assert_eq!(bob.balance().spendable, coins("15"), "a stranger's payment is not spent before it confirms");
    assert_eq!(bob.state(&txid), Some(State::Unconfirmed { in_mempool: true }));
    node.mine(3);
    for wallet in [&mut alice, &mut bob] {
        wallet.sync(&client).unwrap();
        assert_eq!(wallet.state(&txid), Some(State::Confirmed { confirmations: 3, height: 1 }));
    }
    assert_eq!(bob.balance().confirmed, coins("27.5"));
    let left = coins("382.5").checked_sub(paid.fee).unwrap();
    assert_eq!(alice.balance().confirmed, left);
    assert_ne!(bob.address().unwrap(), to, "a paid address is not offered again");
}

#[test]
fn a_restored_wallet_finds_everything_the_first_one_knew() {
    let (node, mut alice, words) = (FakeNode::local(), demo("alice"), Words::generate(24).unwrap());
    let client = node.client();
    let mut first = Wallet::in_memory(local(), &words, "with a passphrase").unwrap();
    for round in 0..5 {
        alice.sync(&client).unwrap();
        let paid = payment(&alice, &first.new_address().unwrap(), "7");
        alice.send(&client, &paid).unwrap();
        node.mine_to_address(1, &first.new_address().unwrap());
        first.sync(&client).unwrap();
        if round > 2 {
            let back = payment(&first, &external(&alice, 0), "20");
            first.send(&client, &back).unwrap();
        }
    }
    node.mine(2);
    first.sync(&client).unwrap();
    let mut restored = Wallet::in_memory(local(), &words, "with a passphrase").unwrap();
    restored.sync(&client).unwrap();
    assert_eq!(restored.coins(), first.coins());
    assert!(!restored.coins().is_empty());
    assert_eq!(restored.history().len(), first.history().len());
    let mut other = Wallet::in_memory(local(), &words, "").unwrap();
    other.sync(&client).unwrap();
    assert_eq!(other.history(), [], "another passphrase is another wallet");
}

/// In one block the payment to a far key may stand before the payment that brings that key into view.
#[test]
fn the_look_ahead_grows_within_a_block() {
    let (node, receiver) = (FakeNode::local(), Words::generate(12).unwrap());
    let mut far = Wallet::in_memory(local(), &receiver, "").unwrap();
    far.set_gap_limit(60).unwrap();
    let mut chain = node.chain();
    let mut transactions: Vec<Transaction> =
        [0, 55, 38, 19].map(|index| chain.coinbase(&external(&far, index).script())).into();
    // Only the first may be a coinbase; where the others' coins come from is not the wallet's business.
    for (tag, transaction) in (1..).zip(&mut transactions[1..]) {
        transaction.inputs[0].outpoint = Outpoint { txid: Txid::from_bytes([tag; 32]), index: 0 };
    }
    chain.mine_exactly(transactions);
    drop(chain);
    let mut wallet = Wallet::in_memory(local(), &receiver, "").unwrap();
    wallet.sync(&node.client()).unwrap();
    assert_eq!(wallet.history().len(), 4);
    assert_eq!(wallet.address().unwrap(), external(&far, 56));
}

#[test]
fn coinbases_mature_and_are_orphaned_by_a_reorganisation() {
    let (node, mut miner) = (FakeNode::local(), fresh());
    let client = node.client();
    node.mine_to_address(1, &miner.address().unwrap());
    miner.sync(&client).unwrap();
    assert_eq!(miner.coins()[0].state, CoinState::Immature { blocks: 1 });
    assert_eq!(miner.balance().immature, coins("50"));
    node.mine(1);
    miner.sync(&client).unwrap();
    assert_eq!(miner.balance().spendable, coins("50"));
    node.chain().disconnect(2);
    node.mine(3);
    let report = miner.sync(&client).unwrap();
    assert_eq!((report.rolled_back, report.connected, report.height), (2, 3, 3));
    assert_eq!(miner.balance().total(), coins("0"));
    assert_eq!(miner.history()[0].state, State::Orphaned);
}

#[test]
fn a_reorganisation_deeper_than_the_remembered_blocks_is_followed() {
    let (node, mut bob, mut alice) = (FakeNode::local(), demo("bob"), demo("alice"));
    let client = node.client();
    alice.sync(&client).unwrap();
    node.mine(5);
    let paid = payment(&alice, &bob.address().unwrap(), "1");
    alice.send(&client, &paid).unwrap();
    node.mine(395);
    bob.sync(&client).unwrap();
    assert_eq!(bob.state(&paid.txid()).map(|state| state.confirmations()), Some(395));
    node.chain().disconnect(398);
    node.mine(399);
    let report = bob.sync(&client).unwrap();
    assert_eq!((report.rolled_back, report.connected), (400, 401), "no remembered block between genesis and the fork");
    assert_eq!(report.rebroadcast, [paid.txid()], "the receiver, too, wants it confirmed");
    assert_eq!(bob.state(&paid.txid()), Some(State::Unconfirmed { in_mempool: true }));
    assert_eq!(bob.balance().pending, coins("1"));
    assert_eq!(alice.sync(&client).unwrap().rebroadcast, []);
    node.mine(1);
    bob.sync(&client).unwrap();
    assert_eq!(bob.balance().confirmed, coins("16"));
}

#[test]
fn a_node_that_is_behind_takes_the_wallet_back() {
    let (node, mut bob) = (FakeNode::local(), demo("bob"));
    node.mine(20);
    bob.sync(&node.client()).unwrap();
    node.chain().disconnect(15);
    let report = bob.sync(&node.client()).unwrap();
    assert_eq!((report.height, report.rolled_back, report.connected), (5, 15, 0));
}

/// The chain changes while the wallet is reading it, at every kind of call it makes.
#[test]
fn a_reorganisation_during_the_sync_is_followed() {
    for method in ["getblockcount", "getblockhash", "getblock", "getbestblockhash"] {
        let (node, mut miner) = (FakeNode::local(), fresh());
        let to = miner.address().unwrap().script();
        node.mine_to(40, &to);
        let mut left = 3;
        node.set_hook(move |called, chain: &mut Chain| {
            if called == method && left > 0 {
                left -= 1;
                chain.disconnect(30);
                (0..31).for_each(|_| chain.mine(&to));
            }
        });
        miner.sync(&node.client()).unwrap();
        let chain = node.chain();
        assert!(chain.height() > 40, "{method}: the hook did not run");
        assert_eq!(miner.view().height(), chain.height(), "{method}");
        let total = (1..=chain.height()).map(|height| chain.spec.subsidy(height));
        assert_eq!(Some(miner.balance().total()), chain_spec::Amount::checked_sum(total), "{method}");
    }
}

#[test]
fn a_chain_that_never_settles_is_given_up() {
    let (node, mut bob) = (FakeNode::local(), demo("bob"));
    node.set_hook(|called, chain: &mut Chain| {
        if called == "getbestblockhash" {
            let to = chain_spec::Script::pay_to_public_key_hash(&[1; 20]);
            chain.mine(&to);
        }
    });
    let error = bob.sync(&node.client()).unwrap_err();
    assert!(matches!(error, WalletError::Sync(SyncError::Unsettled)), "{error}");
}

#[test]
fn another_chain_is_refused() {
    let node = FakeNode::start(ChainSpec::builtin("testnet").unwrap());
    let error = demo("bob").sync(&node.client()).unwrap_err().to_string();
    assert!(error.contains("is on chain \"testnet\"") && error.contains("belongs to chain \"local\""), "{error}");
    assert_eq!(node.calls("getblock"), 0);
}

#[test]
fn a_transaction_lost_from_the_mempool_is_sent_again() {
    let (node, mut alice, bob) = (FakeNode::local(), demo("alice"), demo("bob"));
    let client = node.client();
    alice.sync(&client).unwrap();
    let paid = payment(&alice, &bob.address().unwrap(), "3");
    alice.send(&client, &paid).unwrap();
    // Its change is spent in turn: parent and child must be sent again in this order.
    let child = payment(&alice, &bob.address().unwrap(), "380");
    alice.send(&client, &child).unwrap();
    node.chain().mempool.clear();
    let report = alice.sync(&client).unwrap();
    assert_eq!(report.rebroadcast, [paid.txid(), child.txid()]);
    assert_eq!(report.refused, []);
    assert_eq!(node.chain().mempool.len(), 2);
    assert_eq!(alice.sync(&client).unwrap().rebroadcast, [], "once is enough");
}

#[test]
fn children_of_strangers_payments_are_found_in_any_order() {
    let (node, mut alice, mut bob) = (FakeNode::local(), demo("alice"), demo("bob"));
    let client = node.client();
    bob.sync(&client).unwrap();
    alice.sync(&client).unwrap();
    // Alice pays bob, and bob's twin (the same words elsewhere) spends it at once.
    let first = payment(&alice, &bob.address().unwrap(), "3");
    alice.send(&client, &first).unwrap();
    let mut twin = demo("bob");
    twin.sync(&client).unwrap();
    let back = twin.build_from_coins(&[twin.coins()[2].outpoint], Vec::new(), wallet::FeeRate::DEFAULT).unwrap();
    twin.send(&client, &back).unwrap();
    bob.sync(&client).unwrap();
    assert_eq!(bob.coins(), twin.coins());
    assert_eq!(bob.history().len(), 3);
}

/// What happens to the chain between two syncs.
#[derive(Clone, Debug)]
enum Step {
    Mine(usize),
    MineToUs,
    Receive(u64),
    Send(u64),
    Reorganise { depth: usize, length: usize, lose: bool },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (1..4usize).prop_map(Step::Mine),
        Just(Step::MineToUs),
        (1_000..1_000_000_000u64).prop_map(Step::Receive),
        (1_000..500_000_000u64).prop_map(Step::Send),
        (1..6usize, 0..4usize, any::<bool>()).prop_map(|(depth, more, lose)| Step::Reorganise {
            depth,
            length: depth + more,
            lose
        }),
    ];
    proptest::collection::vec(step, 1..25)
}

fn apply(step: &Step, node: &FakeNode, us: &mut Wallet, payer: &mut Wallet) {
    let client = node.client();
    let amount = |units: u64| chain_spec::Amount::from_units(units);
    match step {
        Step::Mine(count) => node.mine(*count),
        Step::MineToUs => node.mine_to_address(1, &us.address().unwrap()),
        Step::Receive(units) => {
            payer.sync(&client).unwrap();
            if let Ok(paid) = payer.build_payment(&us.address().unwrap(), amount(*units), &Default::default()) {
                payer.send(&client, &paid).unwrap();
            }
        }
        Step::Send(units) => {
            us.sync(&client).unwrap();
            if let Ok(paid) = us.build_payment(&external(payer, 0), amount(*units), &Default::default()) {
                us.send(&client, &paid).unwrap();
            }
        }
        Step::Reorganise { depth, length, lose } => {
            let mut chain = node.chain();
            let depth = (*depth).min(chain.height() as usize);
            let undone = chain.disconnect(depth);
            let to = chain_spec::Script::pay_to_public_key_hash(&[0xAA; 20]);
            let pooled = std::mem::take(&mut chain.mempool);
            (0..(*length).max(1)).for_each(|_| chain.mine(&to));
            // A node puts the undone transactions back, but for what descends from a lost coinbase; here all of it or none.
            let lost = undone.iter().flat_map(|block| block.transactions[1..].to_vec());
            let mut back: Vec<Transaction> = lost.chain(pooled.into_values()).filter(|_| !lose).collect();
            let mut gone: HashSet<Txid> = undone.iter().map(|block| block.transactions[0].txid()).collect();
            loop {
                let (dead, alive): (Vec<_>, Vec<_>) =
                    back.into_iter().partition(|t| t.inputs.iter().any(|input| gone.contains(&input.outpoint.txid)));
                back = alive;
                if dead.is_empty() {
                    break;
                }
                gone.extend(dead.iter().map(Transaction::txid));
            }
            back.iter().for_each(|transaction| chain.pool(transaction));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(
        std::env::var("TESTOON_TEST_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(12)
    ))]

    /// After any sequence of payments, blocks and reorganisations, a wallet that followed them all has the confirmed coins
    /// of one that reads the final chain afresh. `TESTOON_TEST_ROUNDS` sets the number of cases.
    #[test]
    fn following_a_chain_ends_where_reading_it_does(steps in steps()) {
        let (node, mut us, mut payer) = (FakeNode::local(), demo("bob"), demo("alice"));
        let client = node.client();
        for step in &steps {
            apply(step, &node, &mut us, &mut payer);
            us.sync(&client).unwrap();
        }
        let mut afresh = demo("bob");
        afresh.sync(&client).unwrap();
        let mined = |wallet: &Wallet| -> Vec<_> {
            wallet.history().into_iter().filter(|line| line.state.confirmations() > 0)
                .map(|line| (line.txid, line.state, line.received, line.spent)).collect()
        };
        prop_assert_eq!(mined(&us), mined(&afresh));
        // Once nothing is unconfirmed on either side, the coins are the same too.
        let settled = |wallet: &Wallet| wallet.history().iter().all(|l| !matches!(l.state, State::Unconfirmed { .. }));
        if settled(&us) && settled(&afresh) {
            prop_assert_eq!(us.coins(), afresh.coins());
        }
        prop_assert_eq!(us.view().height(), node.chain().height());
    }
}
