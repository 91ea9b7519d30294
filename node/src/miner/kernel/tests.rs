//! Every form of every kernel against the `sha2` crate.

use chain_spec::ChainSpec;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};

use super::*;
use chain_spec::{BlockHash, CompactTarget, Header, MerkleRoot, Target};

/// More candidates than any kernel takes at once.
const SEVERAL_BATCHES: u64 = 2 * 768 + 333;

fn forms() -> impl Iterator<Item = Kernel> {
    KernelName::available().into_iter().flat_map(Kernel::forms)
}

/// How often the random test repeats: `TESTOON_TEST_ROUNDS`, 4 by default.
fn rounds() -> u64 {
    std::env::var("TESTOON_TEST_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(4)
}

fn random_header(random: &mut ChaCha8Rng) -> Header {
    Header {
        version: random.random(),
        previous: BlockHash::from_bytes(random.random()),
        merkle_root: MerkleRoot::from_bytes(random.random()),
        time: random.random(),
        bits: CompactTarget::from_bits(random.random()),
        nonce: 0,
    }
}

/// A target with so many leading zero bits and ones after them, or with other bits after them.
fn target(zero_bits: u32, rest: u8) -> Target {
    let mut bytes = [rest; 32];
    for bit in 0..zero_bits as usize {
        bytes[bit / 8] &= !(0x80 >> (bit % 8));
    }
    Target::from_be_bytes(bytes)
}

/// What a kernel must find before confirmation, the slow way: by the whole digest of the whole header.
fn model(search: &Search, zero_bits: u32, range: Range<u64>) -> Vec<u64> {
    let passes = |index: &u64| {
        let digest = Sha256::digest(Sha256::digest(search.header(*index).to_array()));
        (0..zero_bits as usize).all(|bit| digest[31 - bit / 8] & (0x80 >> (bit % 8)) == 0)
    };
    range.filter(passes).collect()
}

fn raw(kernel: Kernel, search: &Search, range: Range<u64>) -> Vec<u64> {
    let mut hits = Vec::new();
    (kernel.variant.scan)(search, range, &mut hits);
    hits.sort_unstable();
    hits
}

fn confirmed(kernel: Kernel, search: &Search, range: Range<u64>) -> Vec<u64> {
    let mut hits = Vec::new();
    kernel.scan(search, range, &mut hits);
    hits.sort_unstable();
    hits
}

#[test]
fn every_form_agrees_with_the_sha2_crate() {
    for round in 0..rounds() {
        let seed = 0x7e57 + round;
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let zero_bits = random.random_range(0..=12);
        let search = Search::new(random_header(&mut random), target(zero_bits, 0xff));
        let start = random.random_range(0..Search::CANDIDATES - SEVERAL_BATCHES);
        let range = start..start + random.random_range(0..=SEVERAL_BATCHES);
        let expected = model(&search, zero_bits, range.clone());
        for kernel in forms() {
            let (name, form) = (kernel.name(), kernel.form());
            assert_eq!(raw(kernel, &search, range.clone()), expected, "{name}, {form}, seed {seed}");
        }
    }
}

#[test]
fn ends_of_ranges_are_exact() {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let search = Search::new(random_header(&mut random), target(1, 0xff));
    let first = 5 * 768 - 7;
    let all = model(&search, 1, first..first + SEVERAL_BATCHES + 40);
    for (offset, length) in [(0, 0), (0, 1), (3, 4), (7, 16), (7, 15), (6, 17), (7, 768), (7, 767), (6, 769), (5, 1800)]
    {
        let range = first + offset..first + offset + length;
        let expected: Vec<u64> = all.iter().copied().filter(|index| range.contains(index)).collect();
        for kernel in forms() {
            assert_eq!(raw(kernel, &search, range.clone()), expected, "{} {range:?}", kernel.name());
        }
    }
}

#[test]
fn the_last_nonces_are_tried_and_none_beyond() {
    let mut random = ChaCha8Rng::seed_from_u64(2);
    let search = Search::new(random_header(&mut random), target(2, 0xff));
    let range = Search::CANDIDATES - SEVERAL_BATCHES..Search::CANDIDATES;
    let expected = model(&search, 2, range.clone());
    assert!(expected.last().is_some_and(|&last| search.header(last).nonce > u32::MAX - 16));
    for kernel in forms() {
        assert_eq!(confirmed(kernel, &search, range.start..u64::MAX), expected, "{}", kernel.name());
    }
}

#[test]
fn hits_in_every_lane_and_several_in_one_batch() {
    let mut random = ChaCha8Rng::seed_from_u64(3);
    let search = Search::new(random_header(&mut random), target(0, 0xff));
    for kernel in forms() {
        let hits = raw(kernel, &search, 0..SEVERAL_BATCHES);
        assert!(hits.into_iter().eq(0..SEVERAL_BATCHES), "{}: with no bit to test, all pass", kernel.name());
    }
}

#[test]
fn hits_are_confirmed_against_the_whole_target() {
    let mut random = ChaCha8Rng::seed_from_u64(4);
    let search = Search::new(random_header(&mut random), target(3, 0x55));
    let range = 100..100 + SEVERAL_BATCHES;
    let expected: Vec<u64> = range.clone().filter(|&index| search.meets(index)).collect();
    let passed = model(&search, 3, range.clone());
    assert!(!expected.is_empty() && expected.len() < passed.len(), "some pass the test and miss the target");
    for kernel in forms() {
        assert_eq!(confirmed(kernel, &search, range.clone()), expected, "{}", kernel.name());
    }
}

#[test]
fn an_impossible_target_has_no_hit() {
    let mut random = ChaCha8Rng::seed_from_u64(5);
    let search = Search::new(random_header(&mut random), Target::from_be_bytes([0; 32]));
    for kernel in forms() {
        assert!(confirmed(kernel, &search, 0..SEVERAL_BATCHES).is_empty(), "{}", kernel.name());
    }
}

#[test]
fn a_new_time_is_hashed() {
    let mut random = ChaCha8Rng::seed_from_u64(6);
    let mut search = Search::new(random_header(&mut random), target(4, 0xff));
    search.set_time(0x1234_5678);
    assert_eq!(search.header(0).time, 0x1234_5678);
    let expected = model(&search, 4, 0..SEVERAL_BATCHES);
    for kernel in forms() {
        assert_eq!(raw(kernel, &search, 0..SEVERAL_BATCHES), expected, "{}", kernel.name());
    }
}

#[test]
fn versions_differ_only_where_bip320_lets_them() {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let header = random_header(&mut random);
    let search = Search::new(header, target(0, 0xff));
    let versions: Vec<i32> = (0..LANES as u64).map(|lane| search.header(lane).version).collect();
    assert_eq!(versions[0], header.version);
    for (lane, version) in versions.iter().enumerate() {
        assert_eq!((version ^ header.version) & !super::super::VERSION_ROLLING_MASK, 0);
        assert!(!versions[..lane].contains(version));
    }
}

#[test]
fn every_form_finds_bitcoins_genesis_nonce() {
    const NONCE: u64 = 2_083_236_893;
    let spec = ChainSpec::builtin("bitcoin-main").unwrap();
    let header = Header { nonce: 0, ..spec.genesis.header };
    let search = Search::new(header, header.bits.to_target().unwrap());
    let lanes = LANES as u64;
    for kernel in forms() {
        let hits = confirmed(kernel, &search, (NONCE - 100) * lanes..(NONCE + 100) * lanes);
        assert_eq!(hits, [NONCE * lanes], "{}, {}", kernel.name(), kernel.form());
    }
}

#[test]
fn names_are_read_back_and_strangers_are_told_what_there_is() {
    for name in KernelName::ALL {
        assert_eq!(name.to_string().parse(), Ok(name));
    }
    let message = "sse9".parse::<KernelName>().unwrap_err().to_string();
    assert!(message.contains("\"sse9\"") && message.contains("scalar"), "{message}");
}

#[test]
fn self_timing_picks_a_kernel_that_runs_here() {
    assert!(KernelName::available().contains(&Kernel::fastest().name()));
    assert_eq!(Kernel::named(KernelName::Scalar).unwrap().name(), KernelName::Scalar);
}
