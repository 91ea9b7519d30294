use super::*;
use crate::fixture::{CoinMap, MEDIAN_TIME_S, checked, coinbase, context, local, outpoint, sign, transaction};
use crate::rules::RuleError;
use crate::rules::block::{CheckedBlock, check_block};
use crate::spec::ChainSpec;
use std::sync::Arc;

const HEIGHT: u32 = 400;
const COIN: u64 = 100_000_000;
/// The subsidy at [`HEIGHT`]: two halvings of 150 blocks.
const SUBSIDY: u64 = 1_250_000_000;

fn connect(block: &CheckedBlock, coins: &CoinMap) -> Result<Connected, SpendError> {
    connect_block(block, &local(), context(HEIGHT), coins)
}

/// Connects a block of a coinbase that claims the subsidy and these transactions.
fn connect_all(transactions: Vec<Transaction>, coins: &CoinMap) -> Result<Connected, SpendError> {
    connect_on(&local(), transactions, coins)
}

fn connect_on(spec: &ChainSpec, transactions: Vec<Transaction>, coins: &CoinMap) -> Result<Connected, SpendError> {
    let mut all = vec![coinbase(HEIGHT, SUBSIDY)];
    all.extend(transactions);
    connect_block(&checked(all), spec, context(HEIGHT), coins)
}

fn reason_of(result: Result<Connected, SpendError>) -> &'static str {
    result.expect_err("a rule is broken").reason()
}

#[test]
fn a_sound_block_yields_undo_and_fees() {
    let coins = CoinMap::default().with(outpoint(1, 0), 5 * COIN, 10, false).with(outpoint(2, 3), COIN, 20, true);
    let first = transaction(&[outpoint(1, 0), outpoint(2, 3)], &[COIN, 4 * COIN]);
    let made = Outpoint { txid: first.txid(), index: 1 };
    let second = transaction(&[made], &[4 * COIN - 7]);
    let connected = connect_all(vec![first.clone(), second], &coins).unwrap();
    assert_eq!(connected.fees, Amount::from_units(COIN + 7));
    let spent_second = Coin { output: first.outputs[1].clone(), height: HEIGHT, is_coinbase: false };
    let spent_first = vec![coins.0[&outpoint(1, 0)].clone(), coins.0[&outpoint(2, 3)].clone()];
    assert_eq!(connected.undo.spent, vec![spent_first, vec![spent_second]]);
}

#[test]
fn missing_input() {
    let spend = transaction(&[outpoint(9, 9)], &[1]);
    let error = connect_all(vec![spend.clone()], &CoinMap::default()).unwrap_err();
    assert_eq!(error.reason(), "bad-txns-inputs-missingorspent");
    assert_eq!(error, SpendError::MissingOrSpent { txid: spend.txid(), outpoint: outpoint(9, 9) });
}

#[test]
fn a_coin_is_spent_once_in_a_block() {
    let coins = CoinMap::default().with(outpoint(1, 0), COIN, 10, false);
    let first = transaction(&[outpoint(1, 0)], &[COIN]);
    let second = transaction(&[outpoint(1, 0)], &[COIN - 1]);
    assert_eq!(reason_of(connect_all(vec![first.clone(), second], &coins)), "bad-txns-inputs-missingorspent");
    // The same for a coin that the block itself makes.
    let made = Outpoint { txid: first.txid(), index: 0 };
    let (one, other) = (transaction(&[made], &[COIN]), transaction(&[made], &[COIN - 1]));
    assert_eq!(reason_of(connect_all(vec![first, one, other], &coins)), "bad-txns-inputs-missingorspent");
}

#[test]
fn a_later_transaction_s_coins_are_not_there_yet() {
    let coins = CoinMap::default().with(outpoint(1, 0), COIN, 10, false);
    let first = transaction(&[outpoint(1, 0)], &[COIN]);
    let second = transaction(&[Outpoint { txid: first.txid(), index: 0 }], &[COIN]);
    assert!(connect_all(vec![first.clone(), second.clone()], &coins).is_ok());
    assert_eq!(reason_of(connect_all(vec![second, first], &coins)), "bad-txns-inputs-missingorspent");
}

/// A block that is good after one parent is bad after another, whose coins differ.
#[test]
fn a_block_can_be_valid_only_on_another_branch() {
    let block = checked(vec![coinbase(HEIGHT, SUBSIDY), transaction(&[outpoint(1, 0)], &[COIN])]);
    let here = CoinMap::default().with(outpoint(1, 0), COIN, 10, false);
    let there = CoinMap::default().with(outpoint(2, 0), COIN, 10, false);
    assert!(connect(&block, &here).is_ok());
    assert_eq!(reason_of(connect(&block, &there)), "bad-txns-inputs-missingorspent");
}

#[test]
fn unspendable_outputs_never_become_coins() {
    let coins = CoinMap::default().with(outpoint(1, 0), COIN, 10, false);
    for script in [vec![0x6a, 1, 2], vec![0x51; 10_001]] {
        let mut first = transaction(&[outpoint(1, 0)], &[COIN]);
        first.outputs[0].script = Script::from_bytes(script);
        let second = transaction(&[Outpoint { txid: first.txid(), index: 0 }], &[COIN]);
        assert_eq!(reason_of(connect_all(vec![first, second], &coins)), "bad-txns-inputs-missingorspent");
    }
}

#[test]
fn spending_an_immature_coinbase() {
    let mut spec = local();
    spec.coinbase_maturity = 100;
    let spend = transaction(&[outpoint(1, 0)], &[COIN]);
    let check = |made_at: u32, is_coinbase: bool| {
        let coins = CoinMap::default().with(outpoint(1, 0), COIN, made_at, is_coinbase);
        check_spends(&spend, spend.txid(), &spec, context(HEIGHT), &coins)
    };
    assert!(check(HEIGHT - 100, true).is_ok());
    let error = check(HEIGHT - 99, true).unwrap_err();
    assert_eq!(error.reason(), "bad-txns-premature-spend-of-coinbase");
    assert!(error.to_string().ends_with("at height 400, which can be spent from 401"), "{error}");
    assert!(check(HEIGHT - 1, false).is_ok(), "only a coinbase waits");
    assert!(check(0, true).is_ok(), "genesis' coins do not wait");
}

#[test]
fn a_block_cannot_spend_its_own_coinbase() {
    let coinbase = coinbase(HEIGHT, SUBSIDY);
    let spend = transaction(&[Outpoint { txid: coinbase.txid(), index: 0 }], &[COIN]);
    let block = checked(vec![coinbase, spend]);
    assert_eq!(reason_of(connect(&block, &CoinMap::default())), "bad-txns-premature-spend-of-coinbase");
}

/// Coins over the cap cannot come to be, so that only a damaged coin set could show this rule at work.
#[test]
fn inputs_over_the_cap() {
    let most = Amount::MAX_MONEY.units();
    let spend = transaction(&[outpoint(1, 0), outpoint(2, 0)], &[COIN]);
    for (one, other) in [(most, 1), (most + 1, 0), (u64::MAX, 1)] {
        let coins = CoinMap::default().with(outpoint(1, 0), one, 1, false).with(outpoint(2, 0), other, 1, false);
        assert_eq!(reason_of(connect_all(vec![spend.clone()], &coins)), "bad-txns-inputvalues-outofrange");
    }
}

#[test]
fn outputs_worth_more_than_the_inputs() {
    let coins = CoinMap::default().with(outpoint(1, 0), COIN, 10, false);
    assert!(connect_all(vec![transaction(&[outpoint(1, 0)], &[COIN])], &coins).is_ok());
    let error = connect_all(vec![transaction(&[outpoint(1, 0)], &[COIN + 1])], &coins).unwrap_err();
    assert_eq!(error.reason(), "bad-txns-in-belowout");
    assert!(error.to_string().ends_with("spends 1.00000000 and makes 1.00000001"), "{error}");
}

#[test]
fn the_coinbase_claims_subsidy_and_fees_and_no_unit_more() {
    let coins = CoinMap::default().with(outpoint(1, 0), COIN, 10, false);
    let spend = transaction(&[outpoint(1, 0)], &[COIN - 5]);
    let claiming = |units| connect(&checked(vec![coinbase(HEIGHT, units), spend.clone()]), &coins);
    assert!(claiming(SUBSIDY).is_ok(), "less is allowed: the rest is never made");
    assert!(claiming(SUBSIDY + 5).is_ok());
    let error = claiming(SUBSIDY + 6).unwrap_err();
    assert_eq!(error.reason(), "bad-cb-amount");
    let text = "the coinbase claims 12.50000006, over the subsidy 12.50000000 and the fees 0.00000005";
    assert_eq!(error.to_string(), text);
}

/// Fees that add up to more than the cap must not wrap into a reward that pays any coinbase.
#[test]
fn coinbase_value_overflow_through_fees() {
    let most = Amount::MAX_MONEY.units();
    let coins = CoinMap::default().with(outpoint(1, 0), most, 1, false).with(outpoint(2, 0), most, 1, false);
    let spends = [outpoint(1, 0), outpoint(2, 0)].map(|outpoint| transaction(&[outpoint], &[0]));
    let block = checked(vec![coinbase(HEIGHT, most), spends[0].clone(), spends[1].clone()]);
    assert_eq!(reason_of(connect(&block, &coins)), "bad-txns-accumulated-fee-outofrange");
    // One such fee is within the cap, and with the subsidy the sum is over it: no wrap, and no more than is there.
    let block = checked(vec![coinbase(HEIGHT, most), spends[0].clone()]);
    assert!(connect(&block, &coins).is_ok());
}

#[test]
fn bip34_height_in_coinbase() {
    let at = |named: u32, height: u32, spec: &ChainSpec| {
        let block = checked(vec![coinbase(named, 0)]);
        connect_block(&block, spec, context(height), &CoinMap::default())
    };
    for height in [1, 16, 17, 127, 128, 255, 256, 32_767, 32_768, 65_536, 8_388_608, 500_000_000] {
        assert!(at(height, height, &local()).is_ok(), "{height}");
        assert_eq!(reason_of(at(height + 1, height, &local())), "bad-cb-height");
    }
    let bitcoin = ChainSpec::builtin("bitcoin-main").unwrap();
    assert!(at(7, bitcoin.bip34_height - 1, &bitcoin).is_ok());
    assert_eq!(reason_of(at(7, bitcoin.bip34_height, &bitcoin)), "bad-cb-height");
}

/// A height written in more bytes than it needs is another script, though the same number.
#[test]
fn bip34_height_has_one_form() {
    let mut coinbase = coinbase(HEIGHT, 0);
    coinbase.inputs[0].script = Script::from_bytes([3, 0x90, 0x01, 0x00]);
    assert_eq!(reason_of(connect(&checked(vec![coinbase]), &CoinMap::default())), "bad-cb-height");
}

#[test]
fn bip30_duplicate_txid() {
    let block = checked(vec![coinbase(HEIGHT, SUBSIDY)]);
    let made = Outpoint { txid: block.txids()[0], index: 0 };
    let coins = CoinMap::default().with(made, COIN, 3, true);
    assert_eq!(connect(&block, &coins).unwrap_err(), SpendError::OverwritesCoin(made));
    assert_eq!(reason_of(connect(&block, &coins)), "bad-txns-BIP30");
    // Once spent, the id may come again.
    assert!(connect(&block, &CoinMap::default()).is_ok());
    // The two blocks that the rule came too late for are named by height and hash.
    let mut spec = local();
    spec.bip30_exceptions = vec![(HEIGHT, block.hash())];
    assert!(connect_block(&block, &spec, context(HEIGHT), &coins).is_ok());
    spec.bip30_exceptions = vec![(HEIGHT + 1, block.hash())];
    assert!(connect_block(&block, &spec, context(HEIGHT), &coins).is_err());
}

/// A spend with a lock time and a sequence number that does not waive it.
fn locked(lock_time: u32) -> (Transaction, CoinMap) {
    let mut spend = transaction(&[outpoint(1, 0)], &[COIN]);
    spend.lock_time = lock_time;
    spend.inputs[0].sequence = 0xffff_fffe;
    (spend, CoinMap::default().with(outpoint(1, 0), COIN, 10, false))
}

#[test]
fn lock_time_by_height() {
    for (lock_time, final_here) in [(0, true), (HEIGHT - 1, true), (HEIGHT, false), (499_999_999, false)] {
        let (mut spend, coins) = locked(lock_time);
        let result = connect_all(vec![spend.clone()], &coins);
        assert_eq!(result.is_ok(), final_here, "{lock_time}");
        if !final_here {
            assert_eq!(reason_of(result), "bad-txns-nonfinal");
            spend.inputs[0].sequence = SEQUENCE_FINAL;
            assert!(connect_all(vec![spend], &coins).is_ok(), "the sequence number waives it");
        }
    }
}

/// BIP113: the clock is the parent's median-time-past, and before it applied, the block's own time.
#[test]
fn lock_time_by_time() {
    let mut before = local();
    before.csv_height = HEIGHT + 1;
    for (lock_time, after, then) in [
        (500_000_000, true, true),
        (MEDIAN_TIME_S - 1, true, true),
        (MEDIAN_TIME_S, false, true),
        (MEDIAN_TIME_S + 9, false, true),
        (MEDIAN_TIME_S + 10, false, false),
    ] {
        let (spend, coins) = locked(lock_time);
        assert_eq!(connect_all(vec![spend.clone()], &coins).is_ok(), after, "{lock_time}");
        assert_eq!(connect_on(&before, vec![spend.clone()], &coins).is_ok(), then, "{lock_time}");
        // What waits for a block may have to wait until the later rule holds.
        assert_eq!(check_spends(&spend, spend.txid(), &before, context(HEIGHT), &coins).is_ok(), after, "{lock_time}");
    }
}

#[test]
fn the_coinbase_s_lock_time_counts_too() {
    let mut coinbase = coinbase(HEIGHT, SUBSIDY);
    coinbase.lock_time = HEIGHT;
    assert!(connect(&checked(vec![coinbase.clone()]), &CoinMap::default()).is_ok(), "sequence is final");
    coinbase.inputs[0].sequence = 0;
    assert_eq!(reason_of(connect(&checked(vec![coinbase]), &CoinMap::default())), "bad-txns-nonfinal");
}

fn with_sequence(sequence: u32, version: i32, made_at: u32) -> (Transaction, CoinMap) {
    let mut spend = transaction(&[outpoint(1, 0)], &[COIN]);
    spend.version = version;
    spend.inputs[0].sequence = sequence;
    (spend, CoinMap::default().with(outpoint(1, 0), COIN, made_at, false))
}

#[test]
fn bip68_relative_lock_by_height() {
    for (sequence, made_at, reached) in [
        (0, HEIGHT, true),
        (1, HEIGHT, false),
        (10, HEIGHT - 10, true),
        (11, HEIGHT - 10, false),
        (0xffff, 0, false),
        // Bits outside the mask mean nothing; the disable bit waives all.
        (0x003f_0000 | 10, HEIGHT - 10, true),
        (SEQUENCE_DISABLE | 0xffff, HEIGHT, true),
    ] {
        let (spend, coins) = with_sequence(sequence, 2, made_at);
        let result = connect_all(vec![spend], &coins);
        assert_eq!(result.is_ok(), reached, "sequence {sequence:x}, made at {made_at}");
        if !reached {
            assert_eq!(reason_of(result), "bad-txns-nonfinal");
        }
    }
}

/// An hour for each block between, from the block before the coin's to the one before this.
#[test]
fn bip68_relative_lock_by_time() {
    const TIME: u32 = 1 << 22;
    // 3600 s are 7.03 units of 512 s.
    for (units, made_at, reached) in [(7, 999, true), (8, 999, false), (14, 998, true), (15, 998, false)] {
        let (spend, coins) = with_sequence(TIME | units, 2, made_at);
        let result = check_spends(&spend, spend.txid(), &local(), context(1000), &coins);
        assert_eq!(result.is_ok(), reached, "{units} units from {made_at}");
    }
    // A coin of this very block is as old as the parent.
    for (units, reached) in [(0, true), (1, false)] {
        let (spend, coins) = with_sequence(TIME | units, 2, 1000);
        assert_eq!(check_spends(&spend, spend.txid(), &local(), context(1000), &coins).is_ok(), reached);
    }
}

#[test]
fn bip68_asks_for_version_2_without_sign_and_its_height() {
    for (version, held) in [(0, false), (1, false), (2, true), (3, true), (-1, true), (i32::MIN, true)] {
        let (spend, coins) = with_sequence(5, version, HEIGHT);
        assert_eq!(connect_all(vec![spend], &coins).is_err(), held, "version {version}");
    }
    let mut before = local();
    before.csv_height = HEIGHT + 1;
    let (spend, coins) = with_sequence(5, 2, HEIGHT);
    assert!(connect_on(&before, vec![spend.clone()], &coins).is_ok());
    assert!(check_spends(&spend, spend.txid(), &before, context(HEIGHT), &coins).is_err(), "it may wait");
}

#[test]
fn a_signed_block_goes_through_every_stage() {
    let mut spend = transaction(&[outpoint(1, 0)], &[COIN]);
    sign(&mut spend, 0, 1, 1);
    let coins = CoinMap::default().with(outpoint(1, 0), COIN, 1, false);
    let block = crate::fixture::block(vec![coinbase(HEIGHT, SUBSIDY), spend]);
    let checked = check_block(Arc::new(block), &local()).unwrap();
    let connected = connect(&checked, &coins).unwrap();
    for (transaction, spent) in checked.block().transactions[1..].iter().zip(&connected.undo.spent) {
        for (index, coin) in spent.iter().enumerate() {
            assert_eq!(check_input_script(transaction, index, coin, SignatureEncoding::Strict), Ok(()));
        }
    }
}
