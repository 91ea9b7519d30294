use super::*;
use proptest::prelude::*;

const RATE: FeeRate = FeeRate::DEFAULT;

fn coin(text: &str) -> Amount {
    text.parse().unwrap()
}

fn request(amount: &str) -> Request {
    Request {
        amount: coin(amount),
        outputs: 1,
        outputs_size: OUTPUT_SIZE,
        input_size: INPUT_SIZE,
        fee_rate: RATE,
        fixed_fee: None,
        subtract_fee: false,
        no_change: false,
    }
}

fn units(units: u64) -> Amount {
    Amount::from_units(units)
}

/// The white paper's example: small coins are combined for a larger payment.
#[test]
fn two_coins_combine_and_without_change_if_the_receiver_bears_the_fee() {
    let coins = [coin("4.4"), coin("5.6")];
    let selection = select(&coins, &Request { subtract_fee: true, ..request("10") }).unwrap();
    // 10 + 2 × 148 + 34 bytes at one unit each.
    let fee = units(340);
    let paid = coin("10").checked_sub(fee).unwrap();
    assert_eq!(selection, Selection { coins: vec![0, 1], fee, change: None, paid });
}

#[test]
fn two_coins_combine_and_their_rest_comes_back() {
    let selection = select(&[coin("4.4"), coin("5.6")], &request("9.99")).unwrap();
    assert_eq!(selection.coins, [0, 1]);
    assert_eq!((selection.fee, selection.paid), (units(374), coin("9.99")));
    assert_eq!(selection.change, coin("0.01").checked_sub(units(374)));
}

#[test]
fn the_whole_of_two_coins_cannot_also_pay_a_fee() {
    let error = select(&[coin("4.4"), coin("5.6")], &request("10")).unwrap_err();
    assert_eq!(error, NoSelection::TooLittle { needed: coin("10.0000034"), fee: units(340) });
}

/// The white paper's other example: one larger coin pays less and gets change.
#[test]
fn one_coin_of_ten_pays_three_and_gets_change() {
    let selection = select(&[coin("10")], &request("3")).unwrap();
    let change = coin("7").checked_sub(units(226));
    assert_eq!(selection, Selection { coins: vec![0], fee: units(226), change, paid: coin("3") });
}

#[test]
fn a_matching_coin_is_preferred_to_change() {
    // 3 coins and exactly the fee of a transaction without change (192 bytes), among larger ones.
    let coins = [coin("10"), coin("5"), coin("3.00000192"), coin("1")];
    let selection = select(&coins, &request("3")).unwrap();
    assert_eq!(selection, Selection { coins: vec![2], fee: units(192), change: None, paid: coin("3") });
}

#[test]
fn a_matching_pair_is_found() {
    let coins = [coin("7"), coin("1.2"), coin("9.9"), coin("1.80000340"), coin("0.4")];
    let selection = select(&coins, &request("3")).unwrap();
    assert_eq!((selection.coins, selection.change), (vec![1, 3], None));
}

#[test]
fn dust_goes_to_the_fee_instead_of_coming_back() {
    for (rest, change) in [(545, None), (546, Some(units(546))), (0, None)] {
        let value = coin("3").checked_add(units(226 + rest)).unwrap();
        let selection = select(&[value], &request("3")).unwrap();
        assert_eq!(selection.change, change);
        assert_eq!(selection.fee, if change.is_some() { units(226) } else { units(226 + rest) });
    }
}

#[test]
fn many_equal_coins_are_chosen_among_quickly() {
    let coins = vec![coin("50"); 20_000];
    let selection = select(&coins, &request("1234.5")).unwrap();
    assert_eq!(selection.coins.len(), 25);
    assert!(selection.change.is_some());
    assert_eq!(select(&coins, &request("33000.5")), Err(NoSelection::TooManyInputs));
}

#[test]
fn no_coins_are_too_little() {
    let error = select(&[], &request("1")).unwrap_err();
    assert_eq!(error, NoSelection::TooLittle { needed: coin("1.00000192"), fee: units(192) });
}

fn any_request() -> impl Strategy<Value = Request> {
    let amount = prop_oneof![546..5_000u64, 546..10_000_000_000u64, Just(Amount::MAX_MONEY.units())];
    let rate = prop_oneof![Just("0".to_owned()), Just("1".to_owned()), (0..300u32).prop_map(|r| format!("{r}.{r:03}"))];
    (amount, rate, any::<bool>()).prop_map(|(amount, rate, subtract_fee)| Request {
        amount: units(amount),
        fee_rate: rate.parse().unwrap(),
        subtract_fee,
        ..request("1")
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(
        std::env::var("TESTOON_TEST_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(50)
    ))]

    /// Inputs equal outputs plus fee, the fee is at least what the size asks for and hardly more, and nobody gets dust.
    /// `TESTOON_TEST_ROUNDS` sets the number of cases.
    #[test]
    fn a_selection_never_overspends(
        values in proptest::collection::vec(prop_oneof![1..2_000u64, 1..20_000_000_000u64], 0..40),
        request in any_request(),
    ) {
        let coins: Vec<Amount> = values.into_iter().map(units).collect();
        let all = Amount::checked_sum(coins.iter().copied()).unwrap();
        match select(&coins, &request) {
            Ok(selection) => {
                let mut once = selection.coins.clone();
                once.dedup();
                prop_assert_eq!(&once, &selection.coins, "a coin was chosen twice");
                let value = Amount::checked_sum(selection.coins.iter().map(|&at| coins[at])).unwrap();
                let change = selection.change.unwrap_or(Amount::ZERO);
                let out = Amount::checked_sum([selection.paid, change, selection.fee]).unwrap();
                prop_assert_eq!(value, out);
                let least = request.fee(selection.coins.len(), selection.change.iter().count());
                prop_assert!(selection.fee >= least, "fee {} for {}", selection.fee, least);
                let with_change = request.fee(selection.coins.len(), 1);
                let most = with_change.checked_add(DUST_LIMIT).unwrap();
                prop_assert!(selection.fee <= most, "fee {} for {}", selection.fee, most);
                prop_assert!(change == Amount::ZERO || change >= DUST_LIMIT);
                if request.subtract_fee {
                    prop_assert!(selection.paid <= request.amount);
                } else {
                    prop_assert_eq!(selection.paid, request.amount);
                }
            }
            // Refused only if spending everything would not do either.
            Err(NoSelection::TooLittle { .. }) => {
                prop_assert!(settle(&request, all, coins.len()).is_none());
            }
            Err(NoSelection::NoExactMatch) => prop_assert!(request.no_change),
            Err(NoSelection::TooManyInputs) => prop_assert!(false, "40 coins fit"),
        }
    }
}

#[test]
fn without_change_only_an_exact_match_will_do() {
    let coins = [coin("1"), coin("2.00000340"), coin("3"), coin("5")];
    let exact = Request { no_change: true, ..request("3") };
    let selection = select(&coins, &exact).unwrap();
    assert_eq!((selection.coins, selection.fee, selection.change), (vec![0, 1], units(340), None));
    assert_eq!(select(&coins, &Request { amount: coin("2.5"), ..exact }), Err(NoSelection::NoExactMatch));
    assert!(matches!(select(&coins, &Request { amount: coin("20"), ..exact }), Err(NoSelection::TooLittle { .. })));
}

#[test]
fn a_fixed_fee_is_paid_to_the_unit() {
    let selection = select(&[coin("10")], &Request { fixed_fee: Some(units(5_000)), ..request("3") }).unwrap();
    assert_eq!((selection.fee, selection.change), (units(5_000), coin("7").checked_sub(units(5_000))));
}

#[test]
fn groups_are_spent_whole() {
    let groups = [Group { value: coin("2"), inputs: 4 }, Group { value: coin("1"), inputs: 1 }];
    let selection = select_groups(&groups, &request("1.5")).unwrap();
    // 10 + 4 × 148 + 2 × 34 bytes.
    assert_eq!((selection.coins, selection.fee), (vec![0], units(670)));
    let crowd = [Group { value: coin("9"), inputs: INPUTS_MAX + 1 }, Group { value: coin("1"), inputs: 1 }];
    assert_eq!(select_groups(&crowd, &request("1.5")), Err(NoSelection::TooManyInputs));
}
