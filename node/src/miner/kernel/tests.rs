//! Every form of every kernel against the crates `sha2` and `scrypt`.

use chain_spec::ChainSpec;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use chain_spec::{BlockHash, CompactTarget, Header, MerkleRoot, Target};

/// More candidates than any SHA-256d kernel takes at once.
const SEVERAL_BATCHES: u64 = 2 * 768 + 333;
const SHA256D: ProofOfWork = ProofOfWork::Sha256d;
const SCRYPT: ProofOfWork = ProofOfWork::Scrypt;

/// Every form of SHA-256d that this processor runs.
fn forms() -> impl Iterator<Item = Kernel> {
    forms_of(SHA256D)
}

fn forms_of(proof_of_work: ProofOfWork) -> impl Iterator<Item = Kernel> {
    KernelName::available(proof_of_work).into_iter().flat_map(Kernel::forms)
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
        let hash = search.proof_of_work().hash(&search.header(*index));
        let digest = hash.as_bytes();
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
        let search = Search::new(random_header(&mut random), target(zero_bits, 0xff), SHA256D);
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
    let search = Search::new(random_header(&mut random), target(1, 0xff), SHA256D);
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
    let search = Search::new(random_header(&mut random), target(2, 0xff), SHA256D);
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
    let search = Search::new(random_header(&mut random), target(0, 0xff), SHA256D);
    for kernel in forms() {
        let hits = raw(kernel, &search, 0..SEVERAL_BATCHES);
        assert!(hits.into_iter().eq(0..SEVERAL_BATCHES), "{}: with no bit to test, all pass", kernel.name());
    }
}

#[test]
fn hits_are_confirmed_against_the_whole_target() {
    let mut random = ChaCha8Rng::seed_from_u64(4);
    let search = Search::new(random_header(&mut random), target(3, 0x55), SHA256D);
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
    let search = Search::new(random_header(&mut random), Target::from_be_bytes([0; 32]), SHA256D);
    for kernel in forms() {
        assert!(confirmed(kernel, &search, 0..SEVERAL_BATCHES).is_empty(), "{}", kernel.name());
    }
}

#[test]
fn a_new_time_is_hashed() {
    let mut random = ChaCha8Rng::seed_from_u64(6);
    let mut search = Search::new(random_header(&mut random), target(4, 0xff), SHA256D);
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
    let search = Search::new(header, target(0, 0xff), SHA256D);
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
    let search = Search::new(header, header.bits.to_target().unwrap(), SHA256D);
    let lanes = LANES as u64;
    for kernel in forms() {
        let hits = confirmed(kernel, &search, (NONCE - 100) * lanes..(NONCE + 100) * lanes);
        assert_eq!(hits, [NONCE * lanes], "{}, {}", kernel.name(), kernel.form());
    }
}

#[test]
fn every_scrypt_form_agrees_with_the_scrypt_crate() {
    for round in 0..rounds() {
        let seed = 0x5c27 + round;
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let zero_bits = random.random_range(0..=3);
        let search = Search::new(random_header(&mut random), target(zero_bits, 0xff), SCRYPT);
        let start = random.random_range(0..Search::CANDIDATES - 2 * scrypt::BATCH);
        // Whole groups of lanes and a remainder of every size.
        let range = start..start + random.random_range(0..=scrypt::BATCH + 5);
        let expected = model(&search, zero_bits, range.clone());
        for kernel in forms_of(SCRYPT) {
            assert_eq!(raw(kernel, &search, range.clone()), expected, "{kernel:?}, seed {seed}");
        }
    }
}

#[test]
fn every_scrypt_form_finds_litecoin_s_genesis_nonce() {
    const NONCE: u64 = 2_084_524_493;
    let spec = ChainSpec::builtin("litecoin-main").unwrap();
    let header = Header { nonce: 0, ..spec.genesis.header };
    let search = Search::new(header, header.bits.to_target().unwrap(), SCRYPT);
    let lanes = LANES as u64;
    for kernel in forms_of(SCRYPT) {
        let hits = confirmed(kernel, &search, (NONCE - 1) * lanes..(NONCE + 1) * lanes);
        assert_eq!(hits, [NONCE * lanes], "{kernel:?}");
    }
}

#[test]
fn scrypt_hits_are_confirmed_against_the_whole_target() {
    let mut random = ChaCha8Rng::seed_from_u64(8);
    let search = Search::new(random_header(&mut random), target(1, 0x55), SCRYPT);
    let range = 7..7 + 4 * scrypt::BATCH;
    let expected: Vec<u64> = range.clone().filter(|&index| search.meets(index)).collect();
    let passed = model(&search, 1, range.clone());
    assert!(!expected.is_empty() && expected.len() < passed.len(), "some pass the test and miss the target");
    for kernel in forms_of(SCRYPT) {
        assert_eq!(confirmed(kernel, &search, range.clone()), expected, "{kernel:?}");
    }
}

#[test]
fn scrypt_s_memory_is_told() {
    for kernel in forms_of(SCRYPT) {
        let hashes: usize = kernel.form().split(' ').next().unwrap().parse().unwrap();
        assert_eq!(kernel.memory_bytes(), hashes * 128 * 1024, "{kernel:?}");
    }
    assert!(forms().all(|kernel| kernel.memory_bytes() == 0));
}

#[test]
fn a_kernel_does_one_proof_of_work() {
    for name in KernelName::ALL {
        for needed in ProofOfWork::ALL {
            let result = Kernel::named_for(name, needed);
            if name.proof_of_work() != needed {
                let message = result.unwrap_err().to_string();
                assert!(message.contains(name.as_str()) && message.contains(needed.as_str()), "{message}");
                for available in KernelName::available(needed) {
                    assert!(message.contains(available.as_str()), "{message}");
                }
            } else if name.variants().is_empty() {
                assert!(matches!(result, Err(KernelError::Unsupported(_))));
            } else {
                assert_eq!(result.unwrap().name(), name);
            }
        }
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

/// `TESTOON_TEST_KERNELS` lists kernels that a processor is known to run, so that a test run cannot leave them out unnoticed.
#[test]
fn kernels_that_must_run_here_do() {
    let expected = std::env::var("TESTOON_TEST_KERNELS").unwrap_or_else(|_| "scalar,scrypt-portable".to_owned());
    for name in expected.split(',').map(|name| name.parse::<KernelName>().unwrap()) {
        assert!(Kernel::named(name).is_ok(), "{name} does not run on this processor");
    }
}

#[test]
fn self_timing_picks_a_kernel_that_runs_here() {
    assert!(KernelName::available(SHA256D).contains(&Kernel::fastest(SHA256D, 1).name()));
    let at_work = Kernel::fastest(SCRYPT, 2);
    assert!(KernelName::available(SCRYPT).contains(&at_work.name()));
    assert_eq!(Kernel::fastest(SCRYPT, 2).form(), at_work.form(), "what was timed once is kept");
    assert_eq!(Kernel::named(KernelName::Scalar).unwrap().name(), KernelName::Scalar);
}
