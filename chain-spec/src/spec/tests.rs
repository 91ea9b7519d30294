use super::*;
use crate::address::Address;
use crate::key::PrivateKey;
use crate::rules::block::check_block;
use crate::rules::header::check_proof_of_work;
use std::sync::Arc;

/// The first eight bytes of the ids of `testnet`, `main`, `bitcoin-regtest` and `bitcoin-main` in version 0.1.
const IDS: [&str; 4] = ["a4a7533ff89a4e87", "f114092a59702b32", "03c684fdd054f460", "e94b7818672125af"];

fn builtins() -> impl Iterator<Item = ChainSpec> {
    ChainSpec::BUILTIN.iter().map(|name| ChainSpec::builtin(name).unwrap())
}

#[test]
fn every_built_in_chain_loads_under_its_name_and_no_other_does() {
    for (spec, name) in builtins().zip(ChainSpec::BUILTIN) {
        assert_eq!(spec.name, name);
    }
    assert!(ChainSpec::builtin("regtest").is_none());
}

#[test]
fn bitcoin_s_genesis_blocks_are_exact() {
    let main = ChainSpec::builtin("bitcoin-main").unwrap();
    let regtest = ChainSpec::builtin("bitcoin-regtest").unwrap();
    assert_eq!(main.genesis_hash().to_string(), "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f");
    assert_eq!(regtest.genesis_hash().to_string(), "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206");
    for (spec, network) in [(main, bitcoin::Network::Bitcoin), (regtest, bitcoin::Network::Regtest)] {
        let theirs = bitcoin::consensus::serialize(&bitcoin::blockdata::constants::genesis_block(network));
        assert_eq!(spec.genesis.to_bytes(), theirs);
        assert!(spec.genesis_coins().is_empty());
        assert_eq!(spec.initial_target, spec.genesis.header.bits);
    }
}

#[test]
fn litecoin_s_chain_has_its_published_parameters() {
    let spec = ChainSpec::builtin("litecoin-main").unwrap();
    assert_eq!(spec.genesis_hash().to_string(), "12a765e31ffd4059bada1e25190f6e98c99d9714d334efa41a195a7e7e04bfe2");
    let root = spec.genesis.header.merkle_root.to_string();
    assert_eq!(root, "97ddfbbae6be97fd6cdf3e7ca13232a3afff2353e29badfab7f73011edd4ced9");
    assert_eq!(spec.initial_target, spec.genesis.header.bits);
    assert!(spec.genesis_coins().is_empty());
    assert_eq!((spec.spacing_s, spec.halving_interval, spec.address_version), (150, 840_000, 48));
    let key = PrivateKey::from_bytes(&[7; 32], true).unwrap();
    assert!(key.public_key().address(&spec).to_string().starts_with('L'), "Litecoin's addresses begin with L");
    assert!(key.to_wif(&spec).starts_with('T'), "and its compressed private keys with T");
}

#[test]
fn chains_that_existed_before_a_field_keep_their_id() {
    let id = |name| hex::encode(&ChainSpec::builtin(name).unwrap().id()[..8]);
    assert_eq!(["testnet", "main", "bitcoin-regtest", "bitcoin-main"].map(id), IDS);
}

#[test]
fn every_genesis_block_passes_the_rules_that_need_no_coins() {
    for spec in builtins() {
        check_block(Arc::new(spec.genesis.clone()), &spec).unwrap_or_else(|error| panic!("{}: {error}", spec.name));
        check_proof_of_work(&spec.genesis.header, &spec).unwrap_or_else(|error| panic!("{}: {error}", spec.name));
    }
}

#[test]
fn networks_have_distinct_ids_and_ports() {
    let specs: Vec<_> = builtins().collect();
    for (index, one) in specs.iter().enumerate() {
        for other in &specs[..index] {
            assert_ne!(one.id(), other.id());
            let ports = [other.default_rpc_port, other.default_p2p_port];
            assert!(!ports.contains(&one.default_rpc_port) && !ports.contains(&one.default_p2p_port));
        }
    }
}

/// The sum of every block's subsidy, block by block over the eras that have any, and genesis' coins.
#[test]
fn total_supply_is_within_every_chain_s_cap() {
    for spec in builtins() {
        let mut total = 0_u128;
        let mut height = 0_u32;
        while spec.subsidy(height) > Amount::ZERO {
            // Every block of an era has its first block's subsidy; the test below looks at the borders.
            total += u128::from(spec.subsidy(height).units()) * u128::from(spec.halving_interval);
            height += spec.halving_interval;
        }
        assert_eq!(height / spec.halving_interval, 33, "{}: zero from the 33rd halving on", spec.name);
        total += spec.genesis_coins().iter().map(|(_, coin)| u128::from(coin.output.value.units())).sum::<u128>();
        assert!(total < u128::from(spec.money_max.units()), "{}: {total}", spec.name);
        assert_eq!(spec.supply().map(|supply| u128::from(supply.units())), Some(total));
    }
    let supply = ChainSpec::builtin("bitcoin-main").unwrap().supply().unwrap();
    assert_eq!(supply.to_string(), "20999999.97690000");
    let litecoin = ChainSpec::builtin("litecoin-main").unwrap();
    assert_eq!(litecoin.supply().unwrap().to_string(), "83999999.90760000");
    assert_eq!(litecoin.money_max, Amount::COIN.checked_mul(84_000_000).unwrap());
}

#[test]
fn subsidy_halves_at_the_border_and_ends() {
    let spec = ChainSpec::builtin("main").unwrap();
    let coins = |height| spec.subsidy(height).to_string();
    assert_eq!(coins(0), "50.00000000");
    assert_eq!(coins(209_999), "50.00000000");
    assert_eq!(coins(210_000), "25.00000000");
    assert_eq!(coins(33 * 210_000 - 1), "0.00000001");
    assert_eq!(coins(33 * 210_000), "0.00000000");
    assert_eq!(coins(u32::MAX), "0.00000000");
}

#[test]
fn a_shift_by_64_or_more_is_zero_not_a_wrap() {
    let mut spec = ChainSpec::builtin("local").unwrap();
    spec.halving_interval = 1;
    for height in [63, 64, 65, 128, u32::MAX] {
        assert_eq!(spec.subsidy(height), Amount::ZERO);
    }
}

#[test]
fn demo_accounts_are_funded_and_can_spend_in_block_1() {
    let spec = ChainSpec::builtin("local").unwrap();
    let coins = spec.genesis_coins();
    assert_eq!(
        spec.demo_accounts.iter().map(|account| account.name.as_str()).collect::<Vec<_>>(),
        ["alice", "bob", "shop", "mallory"]
    );
    for account in &spec.demo_accounts {
        let script = Address::parse(&account.address, &spec).unwrap().script();
        let owned: Vec<_> = coins.iter().filter(|(_, coin)| coin.output.script == script).collect();
        assert!(!owned.is_empty(), "{} has coins", account.name);
        assert!(owned.iter().all(|(_, coin)| spec.maturity_height(coin) <= 1), "{} can spend at once", account.name);
        assert_eq!(account.words.split(' ').count(), 12);
    }
}

#[test]
fn maturity_counts_from_the_coinbase_s_own_height() {
    let spec = ChainSpec::builtin("main").unwrap();
    let coin = |height, is_coinbase| {
        let output = crate::transaction::TxOut { value: Amount::COIN, script: crate::script::Script::default() };
        Coin { output, height, is_coinbase }
    };
    assert_eq!(spec.maturity_height(&coin(5, true)), 105);
    assert_eq!(spec.maturity_height(&coin(5, false)), 5);
    assert_eq!(spec.maturity_height(&coin(u32::MAX, true)), u32::MAX);
}

#[test]
fn toml_round_trips() {
    for spec in builtins() {
        let text = spec.to_toml();
        let again = ChainSpec::from_toml(&text).unwrap_or_else(|error| panic!("{}: {error}\n{text}", spec.name));
        assert_eq!(again.id(), spec.id());
        assert_eq!(again.to_toml(), text);
        assert_eq!(again.demo_accounts, spec.demo_accounts);
        assert_eq!((again.address_version, again.wif_version), (spec.address_version, spec.wif_version));
        assert_eq!(again.default_p2p_port, spec.default_p2p_port);
        assert_eq!(again.default_rpc_port, spec.default_rpc_port);
    }
}

#[test]
fn keys_and_addresses_carry_the_chain_s_versions() {
    let key = PrivateKey::from_bytes(&[7; 32], true).unwrap();
    let (main, local) = (ChainSpec::builtin("main").unwrap(), ChainSpec::builtin("local").unwrap());
    let address = key.public_key().address(&main).to_string();
    assert!(Address::parse(&address, &main).is_ok());
    let error = Address::parse(&address, &local).unwrap_err().to_string();
    assert_eq!(error, "unknown address version 0: chain \"local\" uses 111");
    assert!(PrivateKey::from_wif(&key.to_wif(&main), &local).is_err());
}

/// `local.toml` with one line changed.
fn local_with(from: &str, to: &str) -> Result<ChainSpec, SpecError> {
    let text = ChainSpec::builtin_toml("local").unwrap();
    assert!(text.contains(from), "{from}");
    ChainSpec::from_toml(&text.replacen(from, to, 1))
}

#[test]
fn a_copy_of_local_can_be_changed() {
    let local = ChainSpec::builtin("local").unwrap();
    let ema = "rule = \"ema\"\nhalf_life_s = 120";
    for (from, to) in [
        ("spacing_s = 2", "spacing_s = 10"),
        ("coinbase_maturity = 2", "coinbase_maturity = 5"),
        (ema, "rule = \"fixed\""),
        (ema, "rule = \"asert\"\nhalf_life_s = 120"),
        (ema, "rule = \"epoch\"\ninterval = 100"),
        ("initial_target = \"1e3fffff\"", "initial_target = \"0x207fffff\""),
        ("genesis_spendable = true", "genesis_spendable = false"),
        ("future_max_s = 75", "future_max_s = 61"),
        ("spacing_s = 2", "spacing_s = 2\npow = \"scrypt\""),
        ("spacing_s = 2", "spacing_s = 2\nmoney_max = \"84000000\""),
    ] {
        let changed = local_with(from, to).unwrap_or_else(|error| panic!("{to}: {error}"));
        assert_ne!(changed.id(), local.id(), "{to}");
    }
    // What is no rule makes no other network.
    assert_eq!(local_with("default_rpc_port = 29732", "default_rpc_port = 1").unwrap().id(), local.id());
    assert_eq!(local_with("name = \"local\"", "name = \"mine\"").unwrap().id(), local.id());
}

#[test]
fn how_far_ahead_a_header_may_be_follows_the_retarget_rule() {
    let ahead = |name| ChainSpec::builtin(name).unwrap().future_max_s;
    assert_eq!(ChainSpec::BUILTIN.map(ahead), [75, 75, 7_200, 7_200, 7_200, 7_200, 7_200]);
    // Where the file does not say, a half-life bounds it.
    let local = ChainSpec::builtin_toml("local").unwrap().replace("future_max_s = 75", "");
    for (rule, expected) in [
        ("rule = \"fixed\"", 7_200),
        ("rule = \"ema\"\nhalf_life_s = 120", 120),
        ("rule = \"asert\"\nhalf_life_s = 60", 60),
        ("rule = \"asert\"\nhalf_life_s = 100000", 7_200),
    ] {
        let text = local.replace("rule = \"ema\"\nhalf_life_s = 120", rule);
        assert_eq!(ChainSpec::from_toml(&text).unwrap().future_max_s, expected, "{rule}");
    }
}

#[test]
fn what_is_wrong_with_a_file_is_said_by_field() {
    let ema = "rule = \"ema\"\nhalf_life_s = 120";
    let alice = "mp6DTMXsQz6Wu6M8Zh2ZE2qScoEUUPVez6";
    for (from, to, expected) in [
        ("spacing_s = 2", "spacing_s = 0", "`spacing_s` is 0; it must be 1 to 604800"),
        ("spacing_s = 2", "spacing = 2", "unknown field `spacing`"),
        ("spacing_s = 2", "", "missing field `spacing_s`"),
        ("spacing_s = 2", "spacing_s = -2", "invalid value: integer `-2`"),
        ("spacing_s = 2", "spacing_s = \"2\"", "invalid type: string \"2\""),
        ("halving_interval = 150", "halving_interval = 0", "`halving_interval` is 0"),
        ("coinbase_maturity = 2", "coinbase_maturity = 0", "`coinbase_maturity` is 0"),
        ("block_size_max = 1000000", "block_size_max = 5000000", "`block_size_max` is 5000000"),
        ("initial_subsidy = \"50\"", "initial_subsidy = \"1e3\"", "`initial_subsidy` is no amount of coins"),
        ("halving_interval = 150", "halving_interval = 4000000000", "makes more than 21000000 coins"),
        ("target_limit = \"207fffff\"", "target_limit = \"1d00ffff\"", "`initial_target` 1e3fffff is easier"),
        ("target_limit = \"207fffff\"", "target_limit = \"easy\"", "`target_limit` is \"easy\""),
        ("initial_target = \"1e3fffff\"", "initial_target = \"1e800000\"", "`initial_target` is \"1e800000\""),
        ("initial_target = \"1e3fffff\"", "initial_target = \"+e3fffff\"", "`initial_target` is \"+e3fffff\""),
        ("future_max_s = 75", "future_max_s = 7201", "`future_max_s` is 7201; it must be 1 to 7200"),
        ("name = \"local\"", "name = \"../local\"", "`name` is \"../local\""),
        ("genesis_spendable = true", "bip94 = true", "`bip94` is a rule about epochs"),
        (ema, "rule = \"daily\"", "`retarget.rule` is \"daily\"; it may be fixed, epoch, asert or ema"),
        (ema, "rule = \"asert\"\nhalf_life_s = 0", "`retarget.half_life_s` is 0"),
        (ema, "rule = \"epoch\"\ninterval = 1", "`retarget.interval` is 1"),
        (ema, "rule = \"epoch\"", "`epoch` takes `interval`"),
        (ema, "rule = \"fixed\"\ninterval = 5", "`fixed` takes neither"),
        ("spacing_s = 2", "spacing_s = 2\npow = \"sha1\"", "`pow` is \"sha1\"; it may be sha256d or scrypt"),
        ("spacing_s = 2", "spacing_s = 2\nmoney_max = \"84000001\"", "`money_max` is \"84000001\""),
        ("spacing_s = 2", "spacing_s = 2\nmoney_max = \"1000\"", "makes more than 1000 coins"),
        ("genesis_spendable = true", "whole_epochs = true", "`whole_epochs` is a rule about epochs"),
        ("time = 1767225600", "", "`genesis.time` is missing"),
        ("time = 1767225600", "time = 1767225600\nblock = \"00\"", "`genesis.block` is the whole block"),
        (alice, "mp6DTMXsQz6Wu6M8Zh2ZE2qScoEUUPVez7", "`genesis.outputs.address`"),
        ("address_version = 111", "address_version = 0", "has version 111, but `address_version` is 0"),
    ] {
        let error = local_with(from, to).expect_err(to).to_string();
        assert!(error.starts_with("chain spec: ") && error.contains(expected), "{to:?} gave {error:?}");
        assert!(!error.contains('\n'), "{error:?}");
    }
}
