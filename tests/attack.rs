//! The lab on real processes: what it says is what the nodes say.

use crate::support::{Finished, run};
use serde_json::Value;
use std::path::Path;

fn attack(arguments: &[&str]) -> (Value, tempfile::TempDir) {
    let place = tempfile::tempdir().expect("a temporary directory");
    let dir = place.path().join("attack").display().to_string();
    let mut all = vec!["attack"];
    all.extend_from_slice(arguments);
    all.extend(["--json", "--dir", &dir]);
    let finished: Finished = run(&all);
    (finished.json(), place)
}

fn number(report: &Value, field: &str) -> f64 {
    report[field].as_f64().unwrap_or_else(|| panic!("{field} in {report}"))
}

/// With blocks in advance the odds are with him by far; with all of his patience he wins all but surely.
#[test]
fn a_majority_takes_back_what_it_paid() {
    let (report, place) = attack(&["double-spend", "--share", "0.8", "--confirmations", "1", "--give-up", "30"]);
    assert_eq!(report["succeeded"], true, "{report}");
    assert_ne!(report["paid_txid"], report["conflicting_txid"]);
    assert!(report["shipped_at_height"].is_u64(), "{report}");
    let (before, after) = (number(&report, "shop_balance_before"), number(&report, "shop_balance_after"));
    assert!((before - after - 50.0).abs() < 1e-9, "the shop had {before} and has {after}");
    assert_eq!(number(&report, "shop_balance_at_start"), after);
    let depths = report["reorg_depth"].as_object().expect("an object");
    assert_eq!(depths.keys().collect::<Vec<_>>(), ["honest1", "honest2", "shop"]);
    assert!(depths.values().all(|depth| depth.as_u64() >= Some(1)), "{report}");
    let svg = std::fs::read_to_string(Path::new(place.path()).join("attack/attack.svg")).expect("a picture");
    assert!(svg.contains("</svg>") && svg.contains("ships"));
}

#[test]
fn a_small_minority_fails_and_says_why() {
    let (report, _place) = attack(&["double-spend", "--share", "0.02", "--confirmations", "2", "--give-up", "2"]);
    assert_eq!(report["succeeded"], false, "{report}");
    assert!(report["verdict"].as_str().is_some_and(|text| text.contains("gave up")), "{report}");
    assert_eq!(report["shop_balance_before"], report["shop_balance_after"], "{report}");
}

#[test]
fn attacks_that_cannot_be_are_refused() {
    run(&["attack", "teleport"]).refuses(2, &["teleport", "double-spend"]);
    run(&["attack", "double-spend", "--share", "1.2"]).refuses(2, &["1.2"]);
    run(&["attack", "double-spend", "--confirmations", "0"]).refuses(2, &["0"]);
    run(&["attack", "timewarp", "--chain", "local"]).refuses(2, &["local"]);
    run(&["attack", "halt", "--sim"]).refuses(2, &["halt", "--sim"]);
}

#[test]
fn the_simulator_repeats_itself_and_matches() {
    let simulate = |threads| {
        run(&[
            "attack",
            "double-spend",
            "--sim",
            "--share",
            "0.3",
            "--runs",
            "400",
            "--seed",
            "9",
            "--threads",
            threads,
            "--json",
        ])
        .json()
    };
    let (one, two) = (simulate("1"), simulate("2"));
    assert_eq!(one["trace_hash"], two["trace_hash"]);
    assert_eq!(one["successes"], two["successes"]);
    let report = run(&["simulate", "--nodes", "20", "--blocks", "20", "--json"]).json();
    assert_eq!(report["trace_hash"].as_str().map(str::len), Some(64), "{report}");
}
