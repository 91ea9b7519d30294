//! The lab on real processes: what it says is what the nodes say.

use kit::{Finished, Network, run, testoon};
use serde_json::Value;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

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

/// A majority of four in five never lets a payment stay; that it fails here has odds of one in thousands.
#[test]
fn a_majority_censors_an_address() {
    let (report, place) = attack(&["censor", "--share", "0.8", "--blocks", "8", "--target", "bob"]);
    assert_eq!(report["succeeded"], true, "{report}");
    assert_eq!(report["confirmations"], 0, "{report}");
    assert!(report["paid_txid"].is_string(), "{report}");
    assert!(report["share_achieved"].as_f64().is_some_and(|share| (share - 0.8).abs() < 0.03), "{report}");
    assert!(nobody_works_in(place.path()), "a process is left behind");
}

#[test]
fn a_majority_halts_all_payments() {
    let (report, _place) = attack(&["halt", "--share", "0.8", "--blocks", "8"]);
    assert_eq!(report["succeeded"], true, "{report}");
    assert_eq!(report["confirmations"], 0, "{report}");
}

/// Whether it pays is chance in so few blocks; what the nodes' chains say is not.
#[test]
fn selfish_and_lazy_miners_are_counted_by_the_honest_chain() {
    for name in ["selfish", "lazy"] {
        let (report, _place) = attack(&[name, "--share", "0.45", "--blocks", "14"]);
        let (blocks, stale) = (number(&report, "blocks"), number(&report, "stale_blocks"));
        assert!(blocks >= 14.0 && stale < blocks, "{report}");
        let own = number(&report, "revenue") * (blocks - stale);
        assert!((own - own.round()).abs() < 1e-6 && own <= number(&report, "blocks_by_attacker"), "{report}");
        assert_eq!(report["succeeded"], number(&report, "revenue") > 0.45, "{report}");
        assert_eq!(report["matching"].is_number(), name == "selfish", "{report}");
    }
}

/// A minority is enough, since the shop hears nobody else.
#[test]
fn an_eclipsed_shop_ships_for_nothing() {
    let (report, _place) = attack(&["eclipse", "--confirmations", "1"]);
    assert_eq!(report["succeeded"], true, "{report}");
    let (before, after) = (number(&report, "shop_balance_before"), number(&report, "shop_balance_after"));
    assert!((before - after - 50.0).abs() < 1e-9, "the shop had {before} and has {after}");
    assert!(report["reorg_depth"]["shop"].as_u64() >= Some(1), "{report}");
    assert_eq!(report["reorg_depth"]["honest1"], 0, "{report}");
}

#[test]
fn bent_times_make_blocks_easy() {
    let (report, _place) = attack(&["timewarp", "--share", "0.8"]);
    assert_eq!(report["succeeded"], true, "{report}");
    assert!(number(&report, "easier") >= 2.0 && report["bits_first"] != report["bits_last"], "{report}");
}

/// Whether no process was started with a path in this directory.
fn nobody_works_in(directory: &Path) -> bool {
    let directory = directory.display().to_string();
    let processes = std::fs::read_dir("/proc").expect("/proc is there").flatten();
    let lines = processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
    !lines.into_iter().any(|line| String::from_utf8_lossy(&line).contains(&directory))
}

/// The directory of an attack that has begun, and its process.
fn begun(place: &Path, arguments: &[&str]) -> std::process::Child {
    let mut command = testoon();
    command.args(["attack"]).args(arguments).arg("--dir").arg(place.join("attack"));
    let mut attack = command.stdout(Stdio::piped()).spawn().expect("the binary under test runs");
    let mut line = String::new();
    BufReader::new(attack.stdout.as_mut().expect("piped")).read_line(&mut line).expect("its first line");
    assert!(line.contains("nodes run in"), "{line}");
    attack
}

#[test]
fn ctrl_c_in_the_middle_leaves_nothing_behind() {
    let place = tempfile::tempdir().expect("a temporary directory");
    let attack = begun(place.path(), &["double-spend"]);
    assert!(!nobody_works_in(place.path()), "the nodes are not to be seen");
    let dir = place.path().join("attack").display().to_string();
    run(&["attack", "halt", "--dir", &dir]).refuses(1, &["running", "testoon down", &dir]);
    let sent = Command::new("kill").args(["-INT", &attack.id().to_string()]).status().expect("kill runs");
    assert!(sent.success());
    let ended = attack.wait_with_output().expect("it ends");
    assert_ne!(ended.status.code(), Some(0));
    assert!(nobody_works_in(place.path()), "a process is left behind");
}

#[test]
fn a_machine_too_slow_and_a_directory_in_use_are_told() {
    let place = tempfile::tempdir().expect("a temporary directory");
    let local = include_str!("../chain-spec/src/spec/local.toml");
    let fixed = local.replace("rule = \"ema\"\nhalf_life_s = 120", "rule = \"fixed\"");
    let hard = fixed.replace("initial_target = \"1e3fffff\"", "initial_target = \"1c00ffff\"");
    assert!(hard != fixed && fixed != local, "the local chain's spec has another form");
    let chain = place.path().join("hard.toml");
    std::fs::write(&chain, hard).expect("a chain spec");
    let dir = place.path().join("slow").display().to_string();
    run(&["attack", "halt", "--chain", &chain.display().to_string(), "--dir", &dir]).refuses(1, &["this machine"]);
    assert!(nobody_works_in(place.path()), "a process is left behind");

    let network = Network::up(&["--nodes", "1"]);
    assert_eq!(network.run(&["down"]).code, 0);
    network.run(&["attack", "halt"]).refuses(1, &["local", "--dir"]);
}

#[test]
fn attacks_that_cannot_be_are_refused() {
    let names = ["double-spend", "censor", "halt", "selfish", "eclipse", "timewarp", "lazy"];
    run(&["attack", "teleport"]).refuses(2, &[&["teleport"][..], &names].concat());
    run(&["attack", "double-spend", "--share", "1.2"]).refuses(2, &["1.2"]);
    run(&["attack", "double-spend", "--share", "0"]).refuses(2, &["0"]);
    run(&["attack", "double-spend", "--sim", "--share", "0.1", "--premine", "8"]).refuses(2, &["--premine", "--share"]);
    run(&["attack", "double-spend", "--share", "0.1", "--premine", "4"]).refuses(2, &["--premine", "--share"]);
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
