//! The simulator's attacks against theory. Seeds are fixed, so the tests repeat themselves. `TESTOON_LAB_RUNS` multiplies the
//! runs of each point.

use super::contest::Crowd;
use super::double_spend::{DoubleSpendExperiment, Tally, tally};
use super::links::LinkModel;
use super::revenue::{Revenue, RevenueExperiment};
use super::suppression::SuppressionExperiment;
use super::undo::UndoExperiment;
use crate::lab::strategy::double_spend::{Begin, Plan};
use crate::lab::strategy::policy;
use crate::lab::theory::double_spend::helped::with_bribes;
use crate::lab::theory::double_spend::standing::Standing;
use crate::lab::theory::revenue::{self as theory, LENGTH_MAX, Process};
use crate::lab::theory::stake;
use crate::lab::theory::suppression::Suppression;
use crate::plan::topology::Topology;
use node::core::fork_rule::ForkRules;

fn times() -> u32 {
    std::env::var("TESTOON_LAB_RUNS").ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn double_spend(share: f64, confirmations: u32, premine: u32, give_up: u32) -> DoubleSpendExperiment {
    let plan = Plan { confirmations, premine, give_up: Some(give_up), waits_for_goods: false };
    DoubleSpendExperiment::new(share, plan).unwrap()
}

fn played(experiment: &DoubleSpendExperiment, runs: u32, seed: u64) -> Tally {
    tally(experiment, &experiment.name(), runs, seed, threads()).unwrap()
}

/// χ² over the sweep at one seed: with runs that depend on each other over the points it would be far too large.
#[test]
fn double_spends_agree_with_the_formula_over_a_sweep() {
    let points = [
        (0.1, 1, 0, 10),
        (0.1, 2, 1, 10),
        (0.2, 2, 0, 10),
        (0.3, 1, 0, 10),
        (0.3, 2, 0, 10),
        (0.3, 3, 0, 10),
        (0.3, 3, 1, 10),
        (0.3, 6, 0, 10),
        (0.4, 2, 0, 5),
        (0.4, 4, 0, 10),
        (0.4, 6, 1, 10),
        (0.5, 3, 0, 6),
        (0.6, 2, 0, 6),
    ];
    let mut chi_squared = 0.0;
    for (share, confirmations, premine, give_up) in points {
        let experiment = double_spend(share, confirmations, premine, give_up);
        let proportion = played(&experiment, 1_000 * times(), 1).proportion;
        let z = proportion.z(experiment.race().success()).unwrap();
        assert!(z.abs() < 4.0, "{}: {:.4}, z {z:.2}", experiment.name(), proportion.rate());
        chi_squared += z * z;
    }
    // The 1 and 99.9 % quantiles of χ² on 13.
    assert!((4.1..34.6).contains(&chi_squared), "{chi_squared:.1}");
}

/// An advance ends the wait, and what follows is the formula's.
#[test]
fn advances_help_as_much_as_the_formula_says() {
    for (share, confirmations, premine, give_up) in [(0.3, 3, 2, 8), (0.4, 4, 3, 6), (0.2, 6, 2, 8)] {
        let experiment = double_spend(share, confirmations, premine, give_up);
        let z = played(&experiment, 1_000, 11).proportion.z(experiment.race().success()).unwrap();
        assert!(z.abs() < 4.0, "{}: z {z:.2}", experiment.name());
    }
    // Three blocks in advance outlast one confirmation.
    assert_eq!(played(&double_spend(0.3, 1, 3, 5), 40, 1).proportion.successes, 40);
}

#[test]
fn threads_do_not_change_a_result_and_parameters_change_its_seeds() {
    let experiment = double_spend(0.3, 2, 0, 6);
    let tally = |seed, threads| tally(&experiment, &experiment.name(), 60, seed, threads).unwrap();
    assert_eq!(tally(5, 1), tally(5, 3));
    assert_ne!(tally(5, 1).trace_hash, tally(6, 1).trace_hash);
    // Neighbouring confirmations at one seed share no luck: their traces part at the first block.
    let other = double_spend(0.3, 3, 0, 6);
    assert_ne!(played(&other, 1, 5).trace_hash, played(&double_spend(0.3, 2, 0, 6), 1, 5).trace_hash);
    assert_ne!(experiment.name(), other.name());
}

fn revenue(strategy: &str, share: f64, gamma: f64, cycles: u32) -> Revenue {
    let experiment = RevenueExperiment {
        strategy: strategy.into(),
        share,
        gamma: Some(gamma),
        crowd: None,
        fork_rules: ForkRules::default(),
    };
    experiment.play(&experiment.name(), cycles * times(), 3, threads()).unwrap()
}

/// Each cell within four standard errors, and all of them together as chance allows.
fn agree(cells: &[(f64, f64, f64)]) {
    let chi_squared: f64 = cells.iter().map(|(_, _, z)| z * z).sum();
    for (share, gamma, z) in cells {
        assert!(z.abs() < 4.0, "share {share}, γ {gamma}: z {z:.2}");
    }
    let n = cells.len() as f64;
    assert!(chi_squared < n + 4.0 * (2.0 * n).sqrt(), "{chi_squared:.1} on {n}");
}

#[test]
fn selfish_mining_earns_what_the_paper_says_for_every_share_and_gamma() {
    let mut cells = Vec::new();
    for share in [0.1, 0.2, 0.3, 0.4, 0.45] {
        for gamma in [0.0, 0.5, 1.0] {
            let z = revenue("selfish", share, gamma, 2_000).estimate.z(theory::selfish(share, gamma)).unwrap();
            cells.push((share, gamma, z));
        }
    }
    agree(&cells);
}

fn crowd(nodes: usize, topology: Topology, attacker_peers: usize) -> Crowd {
    let links = LinkModel { delay_ms: 100.0, ..LinkModel::INSTANT };
    Crowd { nodes, topology, attacker_peers, links, spacing_s: 600 }
}

fn revenue_among(crowd: Crowd, share: f64, gamma: Option<f64>, cycles: u32) -> Revenue {
    let experiment = RevenueExperiment {
        strategy: "selfish".into(),
        share,
        gamma,
        crowd: Some(crowd),
        fork_rules: ForkRules::default(),
    };
    experiment.play(&experiment.name(), cycles * times(), 5, threads()).unwrap()
}

/// The paper's table again, among many nodes with links that take time: rare honest forks are far below the errors.
#[test]
fn selfish_mining_among_many_nodes_earns_what_the_paper_says() {
    let mut cells = Vec::new();
    let mut ties = 0.0;
    for share in [0.1, 0.2, 0.3, 0.4, 0.45] {
        for gamma in [0.0, 0.5, 1.0] {
            let revenue = revenue_among(crowd(9, Topology::RandomK { k: 4, seed: 0 }, 0), share, Some(gamma), 1_600);
            cells.push((share, gamma, revenue.estimate.z(theory::selfish(share, gamma)).unwrap()));
            // A block found while the attacker's is still on its way counts as found in a tie, so the ends are not exact.
            let off = revenue.ties.rate() - gamma;
            assert!(off.abs() < 0.2, "share {share}, γ {gamma}: {:?}", revenue.ties);
            ties += f64::from(revenue.ties.runs);
        }
    }
    agree(&cells);
    assert!(ties > 500.0, "{ties} blocks in ties");
}

/// γ follows from the links: an attacker whom everybody hears first wins ties that one at the end of a line loses.
#[test]
fn connectivity_makes_gamma_and_gamma_makes_revenue() {
    let apart = revenue_among(crowd(12, Topology::Line, 0), 0.4, None, 400);
    let central = revenue_among(crowd(12, Topology::Line, 11), 0.4, None, 400);
    assert!(apart.ties.runs > 50 && central.ties.runs > 50, "{apart:?} {central:?}");
    assert!(apart.ties.interval95()[1] < central.ties.interval95()[0], "{:?} {:?}", apart.ties, central.ties);
    for revenue in [apart, central] {
        let z = revenue.estimate.z(theory::selfish(0.4, revenue.ties.rate())).unwrap();
        assert!(z.abs() < 4.0, "γ {}: z {z:.2}", revenue.ties.rate());
    }
}

/// One block behind, a trail-stubborn attacker stands on the public tip like everybody and still holds a branch: a cycle that
/// ended there would be undone by the next.
#[test]
fn a_cycle_ends_only_when_nothing_is_held_back() {
    for name in ["trail-stubborn", "optimal-selfish"] {
        let revenue = revenue(name, 0.42, 0.2, 640);
        assert!(revenue.moments.y <= revenue.blocks as f64, "{name}: more blocks in the chain than were found");
    }
}

#[test]
fn a_majority_earns_everything() {
    for share in [0.5, 0.6, 0.75] {
        let revenue = revenue("selfish", share, 0.0, 640);
        assert!(revenue.endless > 0, "share {share}: {revenue:?}");
        assert_eq!((revenue.estimate.value, revenue.estimate.z(1.0)), (1.0, Some(0.0)), "share {share}");
    }
    // Nobody pays the extorter, so nobody else earns.
    let extorted = revenue("extort", 0.6, 0.0, 320);
    assert_eq!((extorted.estimate.value, extorted.cycles > 0), (1.0, true), "{extorted:?}");
}

/// The live strategy files against the process they stand for.
#[test]
fn stubborn_and_optimal_mining_earn_what_their_process_says() {
    let mut cells = Vec::new();
    for (name, share, gamma) in [
        ("lead-stubborn", 0.35, 0.5),
        ("lead-stubborn", 0.4, 0.9),
        ("equal-fork-stubborn", 0.35, 0.5),
        ("trail-stubborn", 0.35, 0.3),
        ("trail-stubborn", 0.4, 0.0),
        ("optimal-selfish", 0.35, 0.5),
        ("optimal-selfish", 0.4, 0.0),
    ] {
        let length_max = if name == "optimal-selfish" { LENGTH_MAX } else { 80 };
        let process = Process { share, gamma, length_max };
        let expected = process.revenue(policy(name, share, gamma).unwrap().as_ref());
        cells.push((share, gamma, revenue(name, share, gamma, 2_000).estimate.z(expected).unwrap()));
    }
    agree(&cells);
}

#[test]
fn the_documented_example_is_a_bad_idea() {
    let cells: Vec<_> = [0.3, 0.45]
        .map(|share| (share, 0.0, revenue("lazy", share, 0.0, 2_000).estimate.z(theory::lazy(share)).unwrap()))
        .into();
    agree(&cells);
}

#[test]
fn keeping_payments_out_succeeds_as_often_as_the_formula_says() {
    for (share, confirmations, blocks, halts) in [(0.35, 2, 8, false), (0.6, 6, 12, false), (0.6, 3, 12, true)] {
        let race = Suppression { share, confirmations, blocks };
        let experiment = SuppressionExperiment::new(race, halts).unwrap();
        let (proportion, _) = experiment.play(&experiment.name(), 600 * times(), 7, threads()).unwrap();
        let z = proportion.z(race.success()).unwrap();
        assert!(z.abs() < 4.0, "{race:?}: {:.4}, formula {:.4}", proportion.rate(), race.success());
    }
}

#[test]
fn blocks_are_undone_as_often_as_the_formula_says() {
    for (share, give_up, snipes) in [(0.3, 2, false), (0.4, 4, false), (0.2, 3, true), (0.45, 6, true)] {
        let experiment = UndoExperiment::new(share, give_up, snipes).unwrap();
        let (proportion, _) = experiment.play(&experiment.name(), 800 * times(), 3, threads()).unwrap();
        let z = proportion.z(experiment.theory()).unwrap();
        assert!(z.abs() < 4.0, "{}: {:.4}, formula {:.4}", experiment.name(), proportion.rate(), experiment.theory());
    }
    // One block to draw level; then another, or the others' brings it back to where it was: P = q·(q + p·P).
    assert!((UndoExperiment::new(0.2, 2, false).unwrap().theory() - 0.04 / 0.84).abs() < 1e-12);
}

/// The fee is worth more than the block, and it is the sniper's in the end.
#[test]
fn a_sniper_takes_the_fees() {
    let experiment = UndoExperiment::new(0.95, 8, true).unwrap();
    let incomes: Vec<u64> = (0..8).filter_map(|seed| experiment.income(seed).unwrap()).collect();
    assert!(incomes.len() >= 6, "{incomes:?}");
    assert!(incomes.iter().all(|income| *income >= 150 * 100_000_000), "{incomes:?}");
}

fn defended(rules: &str, share: f64, cycles: u32) -> Revenue {
    let experiment = RevenueExperiment {
        strategy: "selfish".into(),
        share,
        gamma: None,
        crowd: None,
        fork_rules: rules.parse().unwrap(),
    };
    experiment.play(&experiment.name(), cycles * times(), 3, threads()).unwrap()
}

/// Eyal and Sirer 2014, section 6: nodes that choose evenly in a tie make γ one half, whatever the attacker does.
#[test]
fn an_even_choice_in_ties_makes_gamma_one_half() {
    let cells = [0.2, 0.3, 0.4].map(|share| {
        let z = defended("uniform-tie", share, 4_000).estimate.z(theory::selfish(share, 0.5)).unwrap();
        (share, 0.5, z)
    });
    agree(&cells);
    // An honest block is younger than the secret one it ties with: nothing is lost, and nothing gained.
    let fresh = defended("fresh-tie", 0.4, 4_000).estimate.z(theory::selfish(0.4, 0.0)).unwrap();
    assert!(fresh.abs() < 4.0, "z {fresh:.2}");
}

#[test]
fn a_reorganisation_limit_ends_double_spends_that_undo_more() {
    let rate = |rules: &str| {
        let experiment = double_spend(0.6, 3, 0, 10).defended_by(rules.parse().unwrap());
        played(&experiment, 300 * times(), 4).proportion.rate()
    };
    let undefended = rate("");
    assert!(undefended > 0.9, "{undefended}");
    assert_eq!(rate("reorg-limit=2"), 0.0, "the shop has shipped only when three blocks are above the fork");
    // With four blocks to undo at the most, the attacker must be ahead before the fifth: (0.6 ahead at once or after one more).
    let limited = rate("reorg-limit=4");
    assert!(limited > 0.2 && limited < undefended, "{limited}");
    assert!(rate("mess=600") < 0.05, "ten minutes make it thirty-one times the work");
}

/// A secret branch may be longer than the depth to which honest nodes look at side branches: to the attacker the public chain
/// is one.
#[test]
fn the_longest_head_start_ends() {
    for share in [0.6, 0.9] {
        let experiment = double_spend(share, 6, 100, 10);
        let tally = played(&experiment, 4, 2);
        assert_eq!(tally.proportion.successes, 4, "share {share}: a hundred blocks ahead cannot lose");
    }
}

/// The work that lost races cost, by the formula for this way of playing; and blocks are found as often as the work lets expect.
#[test]
fn the_cost_meter_agrees_with_the_formula_for_lost_races() {
    for (share, confirmations, premine, give_up) in [(0.3, 2, 0, 3), (0.4, 3, 1, 6)] {
        let experiment = double_spend(share, confirmations, premine, give_up);
        let ledger = played(&experiment, 4_000 * times(), 9).ledger;
        let (found, kept) = (ledger.found as f64, ledger.kept as f64);
        assert!((ledger.work - found).abs() < 4.0 * found.sqrt(), "{ledger:?}");
        let lost = (found - kept) / ledger.successes.unwrap() as f64;
        let expected = stake::as_played(&experiment.race()).unwrap();
        assert!((lost / expected - 1.0).abs() < 0.12, "{}: {lost}, in theory {expected}", experiment.name());
        let paid = ledger.break_even_rewards().unwrap();
        assert!((paid / expected - 1.0).abs() < 0.15, "{}: {paid}, in theory {expected}", experiment.name());
    }
}

/// The rest of a race from states that were made, against the odds from there.
#[test]
fn a_race_goes_on_from_any_state_as_the_formula_says() {
    for (share, confirmations, give_up, own, public) in [
        (0.3, 2, 8, 0, 1),
        (0.4, 3, 10, 2, 1),
        (0.45, 6, 10, 3, 6),
        (0.4, 1, 5, 3, 3),
        (0.3, 2, 4, 0, 0),
        (0.4, 1, 3, 4, 2),
    ] {
        let plan = Plan { confirmations, premine: 0, give_up: Some(give_up), waits_for_goods: true };
        let experiment = DoubleSpendExperiment::new(share, plan).unwrap().going_on_from(Begin { own, public });
        let shipped = public >= confirmations;
        let standing = Standing { race: experiment.race(), confirmations: public, own, public, shipped };
        let proportion = played(&experiment, 800 * times(), 4).proportion;
        let z = proportion.z(standing.success()).unwrap();
        assert!(z.abs() < 4.0, "{standing:?}: {:.4} against {:.4}, z {z:.2}", proportion.rate(), standing.success());
    }
    // A limit on reorganisations that the attacker would need ends it.
    let plan = Plan { confirmations: 3, premine: 0, give_up: Some(10), waits_for_goods: true };
    let begun = DoubleSpendExperiment::new(0.45, plan).unwrap().going_on_from(Begin { own: 3, public: 3 });
    let defended = begun.defended_by("reorg-limit=2".parse::<ForkRules>().unwrap());
    assert_eq!(played(&defended, 200, 4).proportion.successes, 0);
}

#[test]
fn bribed_miners_help_as_much_as_the_formula_says() {
    for (share, confirmations, bribed) in [(0.2, 2, 0.2), (0.3, 3, 0.5), (0.1, 1, 0.1)] {
        let experiment = double_spend(share, confirmations, 0, 6).with_bribes(bribed);
        let expected = with_bribes(&experiment.race(), bribed);
        let proportion = played(&experiment, 800 * times(), 8).proportion;
        let z = proportion.z(expected).unwrap();
        assert!(z.abs() < 4.0, "{}: {:.4} against {expected:.4}, z {z:.2}", experiment.name(), proportion.rate());
    }
}
