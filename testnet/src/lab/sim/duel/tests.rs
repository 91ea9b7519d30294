use super::*;

/// Attempts per point of the sweep; `TESTOON_DUEL_RUNS` for a longer form.
fn runs() -> u32 {
    std::env::var("TESTOON_DUEL_RUNS").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000)
}

fn played(share: f64, confirmations: u32, premine: u32, give_up: u32) -> (Tally, f64) {
    let duel =
        Duel::new(share, Plan { confirmations, premine, give_up: Some(give_up), waits_for_goods: false }).unwrap();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    (tally(&duel, runs(), 11, threads).unwrap(), duel.race().success())
}

/// Far enough from the formula to be wrong and not unlucky: four and a half standard deviations.
fn agrees(tally: &Tally, expected: f64) -> bool {
    let deviation = (expected * (1.0 - expected) / f64::from(tally.runs)).sqrt().max(1.0 / f64::from(tally.runs));
    (tally.rate() - expected).abs() <= 4.5 * deviation
}

/// The sweep: no point is far off, and no more of them miss their 95 % interval than chance allows. Seeds are fixed, so the
/// test repeats itself.
#[test]
fn the_simulator_agrees_with_the_formula() {
    let points = [
        (0.1, 1, 0, 10),
        (0.1, 2, 1, 10),
        (0.2, 2, 0, 10),
        (0.3, 1, 0, 10),
        (0.3, 3, 0, 10),
        (0.3, 3, 1, 10),
        (0.3, 6, 0, 10),
        (0.4, 2, 0, 5),
        (0.4, 4, 0, 10),
        (0.4, 6, 1, 10),
        (0.5, 3, 0, 6),
        (0.6, 2, 0, 6),
    ];
    let mut outside = Vec::new();
    for (share, confirmations, premine, give_up) in points {
        let (tally, expected) = played(share, confirmations, premine, give_up);
        let [low, high] = tally.interval95();
        let point = format!(
            "share {share}, {confirmations} confirmations, {premine} in advance, patience {give_up}: {:.4} in \
             [{low:.4}, {high:.4}], formula {expected:.4}",
            tally.rate()
        );
        assert!(agrees(&tally, expected), "{point}");
        if !(low..=high).contains(&expected) {
            outside.push(point);
        }
    }
    // Three or more of twelve happen by chance once in fifty.
    assert!(outside.len() <= 2, "{outside:#?}");
}

#[test]
fn threads_do_not_change_a_result() {
    let duel = Duel::new(0.3, Plan { confirmations: 2, premine: 0, give_up: Some(6), waits_for_goods: false }).unwrap();
    assert_eq!(tally(&duel, 60, 5, 1).unwrap(), tally(&duel, 60, 5, 3).unwrap());
    assert_ne!(tally(&duel, 60, 5, 1).unwrap().trace_hash, tally(&duel, 60, 6, 1).unwrap().trace_hash);
}

#[test]
fn selfish_mining_earns_what_the_paper_says() {
    for share in [0.25, 0.4, 0.45] {
        let revenue = revenue("selfish", share, 1_000, 12, 3, 2).unwrap();
        let expected = revenue.expected.unwrap();
        let difference = (revenue.measured - expected).abs();
        assert!(difference < 0.03, "share {share}: {:.4}, paper {expected:.4}", revenue.measured);
    }
}

/// A block of his stays only if the next one is his too, so he keeps q² of all blocks and the others their p.
#[test]
fn the_documented_example_is_a_bad_idea() {
    for share in [0.3, 0.45] {
        let revenue = revenue("lazy", share, 1_000, 12, 3, 2).unwrap();
        let expected = share * share / (share * share + 1.0 - share);
        assert!((revenue.measured - expected).abs() < 0.02, "share {share}: {revenue:?}, {expected}");
        assert_eq!(revenue.expected, None);
    }
}

/// The wait for the advance ends, and what follows is the formula's.
#[test]
fn an_advance_of_several_blocks_helps_as_much_as_the_formula_says() {
    for (share, confirmations, premine, give_up) in [(0.3, 3, 2, 8), (0.4, 4, 3, 6), (0.2, 6, 2, 8)] {
        let (tally, expected) = played(share, confirmations, premine, give_up);
        assert!(agrees(&tally, expected), "{:.4}, formula {expected:.4}", tally.rate());
    }
    let (certain, _) = played(0.3, 1, 3, 5);
    assert_eq!(certain.rate(), 1.0, "three blocks in advance outlast one confirmation");
}

#[test]
fn the_interval_is_wilsons() {
    let tally = Tally { runs: 100, successes: 10, trace_hash: String::new() };
    let [low, high] = tally.interval95();
    assert!((low - 0.0552).abs() < 5e-4 && (high - 0.1744).abs() < 5e-4, "{low} {high}");
}
