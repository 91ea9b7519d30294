//! The lab on real processes: what it says is what the nodes say.

use kit::{Finished, Network, run, testoon};
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Write as _};
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
    let network =
        ["--network-hash-rate", "600EH/s", "--block-reward", "3", "--coin-price", "100", "--efficiency", "20"];
    let played = ["double-spend", "--share", "0.8", "--confirmations", "1", "--give-up", "30"];
    let (report, place) = attack(&[&played[..], &network[..]].concat());
    assert_eq!(report["succeeded"], true, "{report}");
    costs_are_consistent(&report);
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

/// Every hash is of some block's work; the rewards are whole; the bill is the same numbers with prices.
fn costs_are_consistent(report: &Value) {
    let cost = &report["cost"];
    let (work, found, won) = (number(cost, "work_blocks"), number(cost, "blocks_found"), number(cost, "blocks_won"));
    assert!(number(cost, "hashes") > 0.0 && work > 0.0 && found >= won && won >= 1.0, "{cost}");
    assert_eq!(number(cost, "blocks_lost"), found - won, "{cost}");
    let bill = &cost["networks"][0];
    assert!((number(bill, "forgone") / (work * 300.0) - 1.0).abs() < 1e-9, "{cost}");
    assert!((number(bill, "won") / (won * 300.0) - 1.0).abs() < 1e-9, "{cost}");
    // 600 EH/s for 600 s at 20 J/TH are 2,000 MWh a block.
    assert!((number(bill, "energy_kwh") / (work * 2e6) - 1.0).abs() < 1e-9, "{cost}");
    assert!(number(bill, "break_even") >= 0.0 && bill["break_even_rented"].is_null(), "{cost}");
}

#[test]
fn a_small_minority_fails_and_says_why() {
    let (report, _place) = attack(&["double-spend", "--share", "0.02", "--confirmations", "2", "--give-up", "2"]);
    assert_eq!(report["succeeded"], false, "{report}");
    assert!(report["verdict"].as_str().is_some_and(|text| text.contains("gave up")), "{report}");
    assert_eq!(report["shop_balance_before"], report["shop_balance_after"], "{report}");
}

/// With nine tenths of the hash rate a payment never gets six confirmations in eight blocks, but for three runs in 100,000.
#[test]
fn a_majority_censors_an_address() {
    let (report, place) = attack(&["censor", "--share", "0.9", "--blocks", "8", "--target", "bob"]);
    assert_eq!(report["succeeded"], true, "{report}");
    assert!(number(&report, "confirmations") < 6.0 && number(&report, "matching") > 0.999, "{report}");
    assert!(number(&report, "blocks_found") >= 8.0 && report["nodes_agree"].is_boolean(), "{report}");
    assert!(report["paid_txid"].is_string(), "{report}");
    assert!(report["share_achieved"].as_f64().is_some_and(|share| (share - 0.9).abs() < 0.03), "{report}");
    assert!(nobody_works_in(place.path()), "a process is left behind");
}

#[test]
fn a_majority_halts_all_payments() {
    let (report, _place) = attack(&["halt", "--share", "0.9", "--blocks", "8"]);
    assert_eq!(report["succeeded"], true, "{report}");
    assert!(number(&report, "confirmations") < 6.0, "{report}");
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
        let low = report["interval95"][0].as_f64().expect("a bound");
        assert_eq!(report["succeeded"], report["comparison"] == "above", "{report}");
        assert!(report["comparison"] != "above" || low > 0.45, "{report}");
        assert!(report["matching"].is_number() && number(&report, "cycles") >= 1.0, "{report}");
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
    let (easier, expected) = (number(&report, "easier"), number(&report, "matching"));
    assert!((easier / expected - 1.0).abs() < 0.01 && report["bits_first"] != report["bits_last"], "{report}");
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
    run(&["attack", "eclipse", "--sim"]).refuses(2, &["eclipse", "--sim"]);
    run(&["attack", "double-spend", "--sim", "--svg", "x.svg"]).refuses(2, &["--svg"]);
    run(&["attack", "double-spend", "--runs", "1000"]).refuses(2, &["--runs", "--live-runs"]);
    run(&["attack", "halt", "--chain", "bitcoin-main"]).refuses(2, &["bitcoin-main", "600 s", "--chain"]);
    run(&["simulate", "--block-bytes", "1000"]).refuses(2, &["--block-bytes", "--bandwidth"]);
}

/// A smaller form of a campaign: the rate is in the report with all that it is held against, and is not impossible.
#[test]
fn live_double_spends_are_repeated_and_held_against_the_formula() {
    let line = ["double-spend", "--share", "0.4", "--confirmations", "1", "--give-up", "2", "--live-runs", "12"];
    let (report, place) = attack(&[&line[..], &["--networks", "2"]].concat());
    assert_eq!((report["runs"].as_u64(), report["networks"].as_u64()), (Some(12), Some(2)), "{report}");
    assert!((number(&report, "rate") - number(&report, "successes") / 12.0).abs() < 1e-9, "{report}");
    assert!((number(&report, "achieved_share") - 0.4).abs() < 0.05, "{report}");
    assert!(number(&report, "z").abs() < 4.0 && number(&report, "nakamoto") > number(&report, "matching"), "{report}");
    assert!(nobody_works_in(place.path()), "a process is left behind");
}

#[test]
fn simulated_revenue_has_the_fields_that_other_tools_rely_on() {
    let line =
        ["attack", "lead-stubborn", "--sim", "--share", "0.35", "--gamma", "0.5", "--runs", "200", "--seed", "4"];
    let report = run(&[&line[..], &["--json"]].concat()).json();
    let [low, high] = [0, 1].map(|bound| report["interval95"][bound].as_f64().expect("a bound"));
    assert!(low <= number(&report, "revenue") && number(&report, "revenue") <= high, "{report}");
    assert_eq!((number(&report, "share"), number(&report, "gamma"), number(&report, "runs")), (0.35, 0.5, 200.0));
    assert!(report["theory"]["lead-stubborn"].is_number() && report["theory"]["optimal-selfish"].is_number());
    assert!(number(&report, "z").abs() < 5.0, "{report}");
}

/// One in a million, to a tenth of itself, in seconds.
#[test]
fn rare_double_spends_are_measured_and_not_waited_for() {
    let line = ["attack", "double-spend", "--sim", "--share", "0.1", "--confirmations", "10", "--importance-sampling"];
    let report = run(&[&line[..], &["--interval", "0.2", "--json"]].concat()).json();
    let (rate, matching) = (number(&report, "rate"), number(&report, "matching"));
    assert!(matching < 5e-6 && (rate / matching - 1.0).abs() < 0.4, "{report}");
    assert!(number(&report, "z").abs() < 4.0 && number(&report, "p") > 0.0, "{report}");
    let [low, high] = [0, 1].map(|bound| report["interval95"][bound].as_f64().expect("a bound"));
    assert!((high - low) / rate <= 0.2 && number(&report, "runs") < 100_000.0, "{report}");
}

#[test]
fn attacks_among_many_nodes_measure_gamma() {
    let line = ["attack", "selfish", "--sim", "--nodes", "8", "--topology", "mesh", "--delay", "50", "--share", "0.35"];
    let report = run(&[&line[..], &["--runs", "300", "--json"]].concat()).json();
    let gamma = &report["gamma_measured"];
    let [low, high] = [0, 1].map(|bound| gamma["interval95"][bound].as_f64().expect("a bound"));
    let value = gamma["value"].as_f64().expect("a value");
    assert!(low <= value && value <= high && gamma["blocks"].as_u64() > Some(20), "{report}");
    assert!(number(&report, "z").abs() < 4.0, "{report}");
    run(&["attack", "extort", "--sim", "--share", "0.4"]).refuses(2, &["--share", "majority"]);
    run(&["attack", "fee-snipe"]).refuses(2, &["fee-snipe", "--sim"]);
}

/// Each a network of its own, side by side.
#[test]
fn any_live_attack_is_repeated() {
    let line =
        ["halt", "--share", "0.9", "--confirmations", "3", "--blocks", "5", "--live-runs", "4", "--networks", "2"];
    let (report, place) = attack(&line);
    assert_eq!((report["runs"].as_u64(), report["attack"].as_str()), (Some(4), Some("halt")), "{report}");
    assert!((number(&report, "rate") - number(&report, "successes") / 4.0).abs() < 1e-9, "{report}");
    assert!(number(&report, "matching") > 0.9 && number(&report, "achieved_share") > 0.8, "{report}");
    assert!(nobody_works_in(place.path()), "a process is left behind");
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

/// Every event of a live attack is a line, in order, and at each step it waits until it is told to go on.
#[test]
fn an_attack_is_told_line_by_line_and_stops_at_its_steps() {
    let place = tempfile::tempdir().expect("a temporary directory");
    let dir = place.path().join("attack");
    let mut attack = testoon()
        .args([
            "attack",
            "double-spend",
            "--share",
            "0.8",
            "--confirmations",
            "1",
            "--give-up",
            "30",
            "--step",
            "--json",
        ])
        .arg("--dir")
        .arg(&dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary under test runs");
    let mut keys = attack.stdin.take().expect("piped");
    let lines = BufReader::new(attack.stdout.take().expect("piped")).lines();
    let mut told: Vec<Value> = Vec::new();
    for line in lines.map_while(Result::ok) {
        let line: Value = serde_json::from_str(&line).expect("JSON");
        if line["waits"] == true {
            keys.write_all(b"\n").expect("it listens");
        }
        told.push(line);
    }
    assert!(attack.wait().expect("it ends").success());
    let outcome = told.last().expect("an outcome");
    assert_eq!(outcome["succeeded"], true, "{outcome}");
    let steps: Vec<&Value> = told.iter().filter(|line| line["event"] == "step").collect();
    let place_of =
        |name: &str| steps.iter().position(|step| step["step"] == name).unwrap_or_else(|| panic!("{steps:?}"));
    assert!(place_of("pays") < place_of("ships") && place_of("ships") < place_of("publishes"), "{steps:?}");
    assert!(steps.iter().all(|step| step["waits"] == true), "{steps:?}");
    let blocks: Vec<&Value> = told.iter().filter(|line| line["event"] == "block").collect();
    let secret = |holds: &str| blocks.iter().find(|block| block["holds"] == holds).map(|block| &block["secret"]);
    assert_eq!(secret("payment"), Some(&Value::Bool(false)), "{blocks:?}");
    assert!(secret("conflict").is_some(), "{blocks:?}");
    let odds: Vec<f64> = told.iter().filter_map(|line| line["odds"].as_f64()).collect();
    assert!(!odds.is_empty() && odds.iter().all(|odds| (0.5..=1.0).contains(odds)), "{odds:?}");
    let seconds: Vec<f64> = told.iter().filter_map(|line| line["s"].as_f64()).collect();
    assert!(seconds.windows(2).all(|pair| pair[0] <= pair[1] + 0.05), "time goes on: {seconds:?}");
    // The same lines are on disk.
    let runs: Vec<_> = std::fs::read_dir(dir.join("runs")).expect("recordings").flatten().collect();
    assert_eq!(runs.len(), 1);
    let text = std::fs::read_to_string(runs[0].path()).expect("it is readable");
    assert_eq!(text.lines().count(), told.len() + 1, "the head and every line");
}

/// A double spend is recorded; its rest is played again from its first block, in the simulator and live, as planned and with changes.
#[test]
fn a_recorded_double_spend_goes_on_with_changes() {
    let (_, place) = attack(&["double-spend", "--share", "0.4", "--confirmations", "1", "--give-up", "3"]);
    let dir = place.path().join("attack").display().to_string();
    let listed = run(&["replay", "--list", "--json", "--dir", &dir]).json();
    let name = listed["recordings"][0]["name"].as_str().expect("a recording").to_owned();
    let told = run(&["replay", &name, "--list", "--json", "--dir", &dir]).json();
    let first = &told["moments"][0];
    let at = number(first, "at").to_string();
    let changes = ["--change", "confirmations=3", "--change", "share=0.8,give-up=9"];
    let words =
        [&["replay", &name, "--at", &at, "--live-runs", "1", "--json", "--dir", &dir][..], &changes[..]].concat();
    let replayed = run(&words).json();
    assert_eq!(replayed["state"], first["state"], "{replayed}");
    let futures = replayed["futures"].as_array().expect("futures");
    assert_eq!(futures.len(), 3, "{replayed}");
    for future in futures {
        assert!(number(&future["simulated"], "z").abs() < 4.0, "{future}");
        assert_eq!(future["live"]["runs"], 1, "{future}");
    }
    let odds: Vec<f64> = futures.iter().map(|future| number(future, "odds")).collect();
    assert!(odds[1] <= odds[0] && odds[2] > odds[0], "{odds:?}");
    assert!(nobody_works_in(place.path()), "a process is left behind");
    let defended =
        run(&["replay", "--change", "fork-rule=reorg-limit=1", "--runs", "50", "--json", "--dir", &dir]).json();
    assert!(defended["futures"][1]["odds"].is_null(), "{defended}");
    run(&["replay", &name, "--at", "0", "--dir", &dir]).refuses(2, &["nothing to go on from"]);
    run(&["replay", &name, "--change", "luck=1", "--dir", &dir]).refuses(2, &["luck", "confirmations=Z"]);
    run(&["replay", "nothing", "--dir", &dir]).refuses(2, &["nothing"]);
}
