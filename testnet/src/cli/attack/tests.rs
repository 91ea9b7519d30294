use super::*;
use clap::Parser as _;

#[derive(clap::Parser)]
struct Line {
    #[command(flatten)]
    args: AttackArgs,
}

fn args(line: &str) -> AttackArgs {
    Line::try_parse_from(std::iter::once("attack").chain(line.split_whitespace())).unwrap().args
}

#[test]
fn options_without_effect_are_refused_by_name() {
    for (line, option) in [
        ("double-spend --sim --chain local", "--chain"),
        ("double-spend --sim --svg x.svg", "--svg"),
        ("censor --sim --target bob", "--target"),
        ("selfish --sim --blocks 10", "--blocks"),
        ("double-spend --blocks 10", "--blocks"),
        ("selfish --confirmations 3", "--confirmations"),
        ("timewarp --confirmations 3", "--confirmations"),
        ("selfish --give-up 3", "--give-up"),
        ("halt --premine 3", "--premine"),
        ("double-spend --runs 5", "--runs"),
        ("double-spend --seed 5", "--seed"),
        ("double-spend --threads 2", "--threads"),
        ("double-spend --gamma 0.5", "--gamma"),
        ("selfish --gamma 0.9", "--gamma"),
        ("lazy --sim --gamma 0.5", "--gamma"),
        ("double-spend --sim --live-runs 3", "--live-runs"),
        ("selfish --sim --live-runs 3", "--live-runs"),
        ("double-spend --networks 3", "--networks"),
        ("double-spend --live-runs 3 --svg x.svg", "--svg"),
        ("double-spend --target bob", "--target"),
        ("double-spend --importance-sampling", "--importance-sampling"),
        ("selfish --sim --importance-sampling", "--importance-sampling"),
        ("double-spend --sim --interval 0.1", "--interval"),
        ("double-spend --nodes 5", "--nodes"),
        ("censor --sim --nodes 5", "--nodes"),
        ("selfish --retarget epoch", "--retarget"),
        ("selfish --sim --bribed 0.2", "--bribed"),
        ("double-spend --shop-side 0.2", "--shop-side"),
        ("double-spend --sim --shop-side 0.2 --give-up 3", "--give-up"),
        ("double-spend --sim --bribed 0.2 --network-hash-rate 1e18", "--costs"),
        ("selfish --sim --hop-at 0.4", "--hop-at"),
        ("pool-hopping --sim --pool-share 0.4", "--pool-share"),
        ("block-withholding --sim --hop-at 0.4", "--hop-at"),
        ("pool-hopping --sim --confirmations 3", "--confirmations"),
        ("double-spend --sim --retarget epoch", "--retarget"),
        ("selfish --sim --retarget epoch --nodes 5", "--nodes"),
        ("selfish --sim --retarget epoch --fork-rule mess", "--fork-rule"),
        ("double-spend --sim --importance-sampling --costs x.toml", "--costs"),
    ] {
        let refusal = args(line).check().expect_err(line).to_string();
        assert!(refusal.starts_with(option), "{line}: {refusal}");
    }
    for line in [
        "double-spend --sim --runs 5 --seed 2 --threads 1 --premine 1 --give-up 3 --confirmations 4",
        "double-spend --live-runs 3 --networks 2 --chain local",
        "censor --target bob --blocks 5 --confirmations 3 --svg x.svg",
        "halt --sim --blocks 5 --confirmations 3 --common-random-numbers",
        "lead-stubborn --sim --gamma 0.5",
        "eclipse --confirmations 3",
        "selfish --gamma 0.5 --live-runs 3",
        "double-spend --sim --shop-side 0.5 --confirmations 3",
        "double-spend --sim --bribed 0.2 --premine 1 --give-up 4",
        "pool-hopping --sim --payout pplns --window 1 --hop-at 0.5",
        "block-withholding --sim --pool-share 0.1 --infiltrate 0.05",
        "selfish --sim --retarget asert=7200 --gamma 0.5 --blocks 500 --runs 4",
        "censor --live-runs 3",
        "double-spend --sim --importance-sampling --interval 0.1",
        "selfish --sim --nodes 20 --topology ring --delay 50 --gamma 0.5",
    ] {
        args(line).check().expect(line);
    }
}

#[test]
fn a_network_is_asked_for_whole() {
    for (line, option) in [
        ("selfish --sim --topology ring", "--topology"),
        ("selfish --sim --delay-ms 5", "--delay-ms"),
        ("selfish --sim --nodes 5 --block-bytes 10", "--block-bytes"),
    ] {
        let refusal = args(line).crowd.crowd().expect_err(line).to_string();
        assert!(refusal.starts_with(option), "{line}: {refusal}");
    }
    assert_eq!(args("selfish --sim").crowd.crowd().unwrap(), None);
    let crowd = args("selfish --sim --nodes 30 --delay 40 --attacker-peers 99").crowd.crowd().unwrap().unwrap();
    assert_eq!((crowd.nodes, crowd.attacker_peers, crowd.links.delay_ms), (30, 29, 40.0));
}

#[test]
fn an_advance_out_of_reach_is_refused() {
    assert!(args("double-spend --premine 8 --share 0.1").check_premine().is_err());
    assert!(args("double-spend --premine 100 --share 0.9").check_premine().is_ok());
}

#[test]
fn parameters_are_in_the_seed_unless_asked_otherwise() {
    let name = |line: &str| args(line).experiment(line.to_owned());
    assert_ne!(name("double-spend --sim --confirmations 1"), name("double-spend --sim --confirmations 2"));
    let common = |z: u32| name(&format!("double-spend --sim --common-random-numbers --confirmations {z}"));
    assert_eq!(common(1), common(2));
}
