use super::*;
use crate::fixture::{block, coinbase, local};
use crate::spec::FUTURE_MAX_S;

const NOW_S: u64 = 1_900_000_000;
const VERSION: i32 = 0x2000_0000;

/// Headers that all carry one target and have these times, oldest first.
struct Branch(Vec<u32>, CompactTarget);
impl Ancestors for Branch {
    fn height(&self) -> u32 {
        self.0.len() as u32 - 1
    }
    fn at(&self, height: u32) -> (u32, CompactTarget) {
        (self.0[height as usize], self.1)
    }
    fn version(&self, _: u32) -> i32 {
        VERSION
    }
}

fn regtest() -> ChainSpec {
    ChainSpec::builtin("bitcoin-regtest").unwrap()
}

/// A branch of `count` blocks a second apart, and a header that may follow it.
fn sound(count: u32, spec: &ChainSpec) -> (Branch, Header) {
    let times = (0..count).map(|height| 1_800_000_000 + height).collect();
    let mut header = block(vec![coinbase(count, 50)]).header;
    header.time = 1_800_000_000 + count;
    header.bits = spec.initial_target;
    (Branch(times, spec.initial_target), header)
}

fn check(header: &Header, spec: &ChainSpec, branch: &Branch) -> Result<(), HeaderError> {
    check_header(header, spec, branch, NOW_S)
}

#[test]
fn high_hash() {
    let spec = regtest();
    let (_, mut header) = sound(20, &spec);
    while check_proof_of_work(&header, &spec).is_err() {
        header.nonce += 1;
    }
    while check_proof_of_work(&header, &spec).is_ok() {
        header.nonce += 1;
    }
    let error = check_proof_of_work(&header, &spec).unwrap_err();
    assert!(matches!(error, HeaderError::HighHash { .. }));
    assert_eq!((error.reason(), error.is_temporary()), ("high-hash", false));
}

/// A header that meets a target of its own making, easier than the chain's limit, negative, zero or overflowing.
#[test]
fn target_out_of_range() {
    let mut spec = regtest();
    let (_, mut header) = sound(20, &spec);
    while check_proof_of_work(&header, &spec).is_err() {
        header.nonce += 1;
    }
    spec.target_limit = CompactTarget::from_bits(0x207f_fffe).to_target().unwrap();
    let error = check_proof_of_work(&header, &spec).unwrap_err();
    assert!(matches!(error, HeaderError::TargetOutOfRange { .. }));
    assert_eq!(error.reason(), "high-hash");
    for bits in [0, 0x2080_0001, 0x2100_0000, 0xff7f_ffff] {
        header.bits = CompactTarget::from_bits(bits);
        assert!(matches!(check_proof_of_work(&header, &regtest()), Err(HeaderError::TargetOutOfRange { .. })));
    }
}

#[test]
fn wrong_target() {
    let spec = regtest();
    let (branch, mut header) = sound(20, &spec);
    assert_eq!(check(&header, &spec, &branch), Ok(()));
    header.bits = CompactTarget::from_bits(0x207f_fffe);
    let error = check(&header, &spec, &branch).unwrap_err();
    assert_eq!((error.reason(), error.is_temporary()), ("bad-diffbits", false));
    assert_eq!(error.to_string(), "compact target is 207ffffe, the retarget rule demands 207fffff");
}

#[test]
fn time_equal_to_the_median_is_too_old() {
    let spec = regtest();
    let (branch, mut header) = sound(20, &spec);
    header.time = median_time_past(&branch) + 1;
    assert_eq!(check(&header, &spec, &branch), Ok(()));
    header.time -= 1;
    let error = check(&header, &spec, &branch).unwrap_err();
    assert_eq!((error.reason(), error.is_temporary()), ("time-too-old", false));
}

#[test]
fn time_two_hours_ahead_is_the_latest_and_later_only_waits() {
    let spec = regtest();
    let (branch, mut header) = sound(20, &spec);
    header.time = NOW_S as u32 + FUTURE_MAX_S;
    assert_eq!(check(&header, &spec, &branch), Ok(()));
    header.time += 1;
    let error = check(&header, &spec, &branch).unwrap_err();
    assert_eq!((error.reason(), error.is_temporary()), ("time-too-new", true));
    assert_eq!(check_header(&header, &spec, &branch, NOW_S + 1), Ok(()));
    assert_eq!(check_header(&header, &spec, &branch, u64::MAX), Ok(()), "no overflow at the end of time");
}

/// Where two minutes halve the work, two hours would give thousands of blocks away and then stop the chain for as long.
#[test]
fn a_chain_that_retargets_by_the_minute_looks_only_minutes_ahead() {
    let spec = ChainSpec::builtin("local").unwrap();
    let Retarget::Ema { half_life_s } = spec.retarget else { panic!("{:?}", spec.retarget) };
    assert!(spec.future_max_s <= half_life_s);
    let (branch, mut header) = sound(20, &spec);
    header.bits = required_target(&spec, &branch);
    header.time = NOW_S as u32 + spec.future_max_s;
    assert_eq!(check(&header, &spec, &branch), Ok(()));
    header.time += 1;
    let error = check(&header, &spec, &branch).unwrap_err();
    assert_eq!((error.reason(), error.is_temporary()), ("time-too-new", true));
    assert!(error.to_string().contains("more than 75 s ahead"), "{error}");
}

/// The timewarp attack: a period's last block far in the future, the next period's first back at the median.
#[test]
fn bip94_timewarp() {
    let mut spec = ChainSpec::builtin("main").unwrap();
    spec.retarget = Retarget::Epoch { interval: 20 };
    let (mut branch, mut header) = sound(20, &spec);
    let last_s = 1_800_100_000;
    *branch.0.last_mut().unwrap() = last_s;
    header.bits = required_target(&spec, &branch);
    header.time = last_s - TIMEWARP_MAX_S;
    assert_eq!(check(&header, &spec, &branch), Ok(()));
    header.time -= 1;
    let error = check(&header, &spec, &branch).unwrap_err();
    assert_eq!((error.reason(), error.is_temporary()), ("time-timewarp-attack", false));
    spec.bip94 = false;
    assert_eq!(check(&header, &spec, &branch), Ok(()), "Bitcoin itself allows it");
    // Within a period the rule is silent.
    spec.bip94 = true;
    branch.0.insert(0, 1_799_999_999);
    header.bits = required_target(&spec, &branch);
    assert_eq!(check(&header, &spec, &branch), Ok(()));
}

#[test]
fn version_floors_rise_with_height() {
    let mut spec = regtest();
    (spec.bip34_height, spec.bip66_height, spec.bip65_height) = (10, 12, 14);
    for (height, floor) in [(9, i32::MIN), (10, 2), (11, 2), (12, 3), (13, 3), (14, 4), (100, 4)] {
        let (branch, mut header) = sound(height, &spec);
        for version in [i32::MIN, -1, 0, 1, 2, 3, 4, 0x2000_0000, i32::MAX] {
            header.version = version;
            let found = check(&header, &spec, &branch);
            assert_eq!(found.is_ok(), version >= floor, "height {height}, version {version}");
            if let Err(error) = found {
                assert_eq!((error.reason(), error.is_temporary()), ("bad-version", false));
            }
        }
    }
}

/// Bitcoin's heights, and ours: from block 1 on.
#[test]
fn version_4_from_the_first_block_on_our_own_chains() {
    for name in ["local", "testnet", "main", "bitcoin-regtest"] {
        let spec = ChainSpec::builtin(name).unwrap();
        let (branch, mut header) = sound(1, &spec);
        header.bits = required_target(&spec, &branch);
        assert_eq!(check(&header, &spec, &branch), Ok(()), "{name}");
        header.version = 3;
        let error = check(&header, &spec, &branch).unwrap_err();
        assert_eq!((error.reason(), &*error.reject_string()), ("bad-version", "bad-version(0x00000003)"), "{name}");
    }
}

#[test]
fn rules_run_in_core_s_order() {
    let spec = local();
    let (branch, mut header) = sound(1, &spec);
    (header.bits, header.time, header.version) = (CompactTarget::from_bits(0), 0, 0);
    assert_eq!(check(&header, &spec, &branch).unwrap_err().reason(), "bad-diffbits");
    header.bits = spec.initial_target;
    assert_eq!(check(&header, &spec, &branch).unwrap_err().reason(), "time-too-old");
    header.time = u32::MAX;
    assert_eq!(check(&header, &spec, &branch).unwrap_err().reason(), "time-too-new");
    header.time = 1_800_000_001;
    assert_eq!(check(&header, &spec, &branch).unwrap_err().reason(), "bad-version");
}
