use super::*;

/// The page shows the file as it is, so what a student copies compiles.
#[test]
fn the_documented_example_is_the_file() {
    let page = include_str!("../../../../docs/strategies.md");
    let file = include_str!("lazy.rs");
    assert!(page.contains(file), "docs/strategies.md no longer shows testnet/src/lab/strategy/lazy.rs as it is");
    for name in NAMES {
        assert!(page.contains(&format!("`{name}`")), "docs/strategies.md does not name {name}");
    }
}

#[test]
fn every_name_makes_its_strategy_and_others_are_told_the_names() {
    let mut spec = ChainSpec::builtin("local").unwrap();
    spec.retarget = chain_spec::spec::Retarget::Epoch { interval: 12 };
    let plan = double_spend::Plan { confirmations: 1, premine: 0, give_up: None, waits_for_goods: false };
    let target = spec.demo_accounts[0].address.clone();
    let options = Options { plan, target: Some(&target), spec: &spec, share: 0.3, gamma: 0.0 };
    for name in NAMES {
        assert_eq!(make(name, &options).map(|strategy| strategy.name()), Ok(name));
    }
    let refused = make("teleport", &options).err().unwrap();
    assert!(NAMES.iter().all(|name| refused.contains(name)), "{refused}");
    assert!(make("censor", &Options { target: Some("nobody"), ..options }).is_err());
    assert!(make("censor", &Options { target: None, ..options }).is_err());
}

#[test]
fn timewarp_is_refused_where_it_cannot_work() {
    use chain_spec::spec::Retarget;
    let mut spec = ChainSpec::builtin("local").unwrap();
    let refusal = |spec: &ChainSpec| timewarp::Timewarp::new(spec).err();
    assert!(refusal(&spec).is_some_and(|why| why.contains("epoch")));
    spec.retarget = Retarget::Epoch { interval: 12 };
    assert_eq!(refusal(&spec), None);
    spec.bip94 = true;
    assert!(refusal(&spec).is_some_and(|why| why.contains("BIP94")));
}

/// A lead-stubborn miner who loses every tie wins late and rarely: a process cut at 120 blocks a side gives 0.413. Twenty million cycles of
/// the policy, drawn block by block outside of this program, gave 0.3790.
#[test]
fn long_races_are_followed_far_enough_for_a_stubborn_miner() {
    let revenue = revenue_in_theory("lead-stubborn", 0.45, 0.0);
    assert!((revenue - 0.3790).abs() < 0.001, "{revenue}");
}
