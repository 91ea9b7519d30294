use super::*;
use crate::target::Work;

/// A branch as a plain list, oldest first: time and compact target of every block from genesis.
struct Branch(Vec<(u32, CompactTarget)>);
impl Ancestors for Branch {
    fn height(&self) -> u32 {
        self.0.len() as u32 - 1
    }
    fn at(&self, height: u32) -> (u32, CompactTarget) {
        self.0[height as usize]
    }
    fn version(&self, _: u32) -> i32 {
        0x2000_0000
    }
}

fn bits(number: u32) -> CompactTarget {
    CompactTarget::from_bits(number)
}

/// A branch that ends with a whole period of Bitcoin's, between the given times.
fn period(first_s: u32, last_s: u32, base: u32) -> Branch {
    let mut blocks = vec![(0, bits(base)); 2016];
    blocks[0].0 = first_s;
    blocks[2015].0 = last_s;
    // A period in front of it, so that the period's first block is not genesis.
    let mut branch = vec![(0, bits(base)); 2016];
    branch.extend(blocks);
    Branch(branch)
}

fn bitcoin() -> ChainSpec {
    ChainSpec::builtin("bitcoin-main").unwrap()
}

/// Bitcoin's own retargets, as in Core's `pow_tests`: first and last time of the period, its target, the next one.
#[test]
fn epoch_gives_bitcoin_s_published_retargets() {
    for (first_s, last_s, base, next) in [
        // Blocks 30,240 to 32,255: the first retarget that moved.
        (1_261_130_161, 1_262_152_739, 0x1d00_ffff, 0x1d00_d86a),
        // Genesis to block 2,015: easier than the limit, so the limit.
        (1_231_006_505, 1_233_061_996, 0x1d00_ffff, 0x1d00_ffff),
        // Blocks 66,528 to 68,543: more than four times as fast.
        (1_279_008_237, 1_279_297_671, 0x1c05_a3f4, 0x1c01_68fd),
        // More than four times as slow (Core's test makes the first time up).
        (1_263_163_443, 1_269_211_443, 0x1c38_7f6f, 0x1d00_e1fd),
    ] {
        assert_eq!(required_target(&bitcoin(), &period(first_s, last_s, base)), bits(next), "from {base:08x}");
    }
}

/// Litecoin's periods begin with the last block before them: at exactly 150 s a block the target stays, but for the first
/// period, which has no block before it (`blockstogoback` in Litecoin's `pow.cpp`).
#[test]
fn whole_epochs_count_every_interval_but_the_first_period_s() {
    let spec = ChainSpec::builtin("litecoin-main").unwrap();
    let base = 0x1d01_8ea7;
    let branch = |blocks: u32| Branch((0..blocks).map(|at| (1_400_000_000 + 150 * at, bits(base))).collect());
    assert_eq!(required_target(&spec, &branch(2 * 2016)), bits(base));
    let target = bits(base).to_target().unwrap();
    let first = Target(target.0.mul_div(2015, 2016).unwrap()).to_compact();
    assert_eq!(required_target(&spec, &branch(2016)), first);
    assert_ne!(first, bits(base));
    // Only the block before the period is late: Bitcoin's rule does not see it, Litecoin's does.
    let mut late = branch(2 * 2016);
    late.0[2015].0 += 50_000;
    let aimed_s = 2016 * 150;
    let expected = Target(target.0.mul_div(aimed_s - 50_000, aimed_s).unwrap()).to_compact();
    assert_eq!(required_target(&spec, &late), expected);
    let bitcoin_s = ChainSpec { whole_epochs: false, ..spec };
    assert_eq!(required_target(&bitcoin_s, &late), first);
}

/// The 1.96 million blocks of [`LITECOIN`] as far as retargets look at them: the last block of every period, and genesis.
struct LitecoinPeriods {
    /// Time of the period's last block, and the period's target.
    periods: Vec<(u32, CompactTarget)>,
}
impl Ancestors for LitecoinPeriods {
    fn height(&self) -> u32 {
        self.periods.len() as u32 * 2016 - 1
    }
    fn at(&self, height: u32) -> (u32, CompactTarget) {
        let (last_s, target) = self.periods[height as usize / 2016];
        // A time that nothing may ask for, but for genesis' and the last block's.
        let time = match height {
            0 => 1_317_972_665,
            height if height % 2016 == 2015 => last_s,
            _ => u32::MAX,
        };
        (time, target)
    }
    fn version(&self, _: u32) -> i32 {
        2
    }
}

/// Real times and targets.
const LITECOIN: &str = include_str!("litecoin.txt");

#[test]
fn every_retarget_of_litecoin_is_found_from_its_blocks_times() {
    let spec = ChainSpec::builtin("litecoin-main").unwrap();
    let mut chain = LitecoinPeriods { periods: Vec::new() };
    let mut target = spec.initial_target;
    for line in LITECOIN.lines().filter(|line| !line.starts_with('#')) {
        let (last_s, next) = line.split_once(' ').unwrap();
        chain.periods.push((last_s.parse().unwrap(), target));
        let expected = bits(u32::from_str_radix(next, 16).unwrap());
        target = required_target(&spec, &chain);
        assert_eq!(target, expected, "the target after height {}", chain.height());
    }
    assert_eq!(chain.periods.len(), 972);
    // From 2⁻²⁰ to some 2⁻⁵⁵ of the hashes: not a stretch where nothing moves.
    assert_eq!(target, bits(0x1a02_1a41));
}

/// 2016 blocks at ten minutes span 2015 intervals, so Bitcoin finds itself fast and makes them a little harder.
#[test]
fn epoch_keeps_bitcoin_s_off_by_one() {
    let last_s = 1_300_000_000 + 2015 * 600;
    let found = required_target(&bitcoin(), &period(1_300_000_000, last_s, 0x1c05_a3f4));
    assert_ne!(found, bits(0x1c05_a3f4));
    let base = bits(0x1c05_a3f4).to_target().unwrap();
    assert_eq!(found, Target(base.0.mul_div(2015, 2016).unwrap()).to_compact());
}

#[test]
fn epoch_changes_nothing_within_a_period() {
    let mut branch = period(1_300_000_000, 1_300_000_001, 0x1c05_a3f4);
    branch.0.pop();
    assert_eq!(required_target(&bitcoin(), &branch), bits(0x1c05_a3f4));
    branch.0.truncate(1);
    assert_eq!(required_target(&bitcoin(), &branch), bitcoin().initial_target);
}

#[test]
fn epoch_takes_time_that_runs_backwards_as_fast() {
    let backwards = required_target(&bitcoin(), &period(1_300_000_000, 1_299_000_000, 0x1c05_a3f4));
    assert_eq!(backwards, required_target(&bitcoin(), &period(1_300_000_000, 1_300_000_000, 0x1c05_a3f4)));
}

/// Under BIP94 the base of a retarget is the period's first target; else it is the last one.
#[test]
fn bip94_retargets_from_the_period_s_first_block() {
    let mut branch = period(1_300_000_000, 1_300_000_000 + 2016 * 600, 0x1c05_a3f4);
    branch.0[2 * 2016 - 1].1 = bits(0x1d00_ffff);
    let mut spec = bitcoin();
    assert_eq!(required_target(&spec, &branch), bits(0x1d00_ffff));
    spec.bip94 = true;
    assert_eq!(required_target(&spec, &branch), bits(0x1c05_a3f4));
}

/// A limit near 2²⁵⁶, where 256-bit arithmetic would wrap.
#[test]
fn epoch_does_not_overflow_at_the_easiest_limit() {
    let mut spec = ChainSpec::builtin("local").unwrap();
    spec.retarget = Retarget::Epoch { interval: 2016 };
    spec.spacing_s = 600;
    spec.initial_target = bits(0x207f_ffff);
    let slow = period(1_300_000_000, 1_400_000_000, 0x207f_ffff);
    assert_eq!(required_target(&spec, &slow), bits(0x207f_ffff));
}

#[test]
fn a_fixed_target_never_moves() {
    let spec = ChainSpec::builtin("bitcoin-regtest").unwrap();
    let branch = Branch((0..5000).map(|height| (height * 7, bits(0x207f_ffff))).collect());
    assert_eq!(required_target(&spec, &branch), bits(0x207f_ffff));
}

/// One of the published runs of aserti3-2d: anchor height, time of the anchor's parent, anchor target, then
/// blocks by height, time and the target of the block after it.
struct Run(u64, i64, u32, &'static [(u64, i64, u32)]);

/// Picked from the vectors published with the specification (runs 1 to 10): two-day half-life, ten-minute blocks,
/// Bitcoin's limit. Runs 9 and 10 are whole.
const RUNS: [Run; 9] = [
    Run(1, 0, 0x1d00_ffff, &[(2, 1_200, 0x1d00_ffff), (11, 6_600, 0x1d00_ffff)]),
    Run(1, 0, 0x1a2b_3c4d, &[(2, 1_200, 0x1a2b_3c4d), (11, 6_600, 0x1a2b_3c4d)]),
    Run(1, 0, 0x0101_0000, &[(2, 1_200, 0x0101_0000), (11, 6_600, 0x0101_0000)]),
    Run(
        1,
        0,
        0x0101_0000,
        &[
            (2, 174_000, 0x0102_0000),
            (3, 347_400, 0x0104_0000),
            (8, 1_214_400, 0x0200_8000),
            (120, 20_635_200, 0x1000_8000),
            (121, 20_808_600, 0x1001_0000),
            (223, 38_495_400, 0x1c40_0000),
            (224, 38_668_800, 0x1d00_8000),
            (225, 38_842_200, 0x1d00_ffff),
            (226, 39_015_600, 0x1d00_ffff),
        ],
    ),
    Run(
        1,
        0,
        0x1d00_ffff,
        &[
            (2, 0, 0x1d00_fec5),
            (290, 0, 0x1c7f_62c0),
            (578, 0, 0x1c3f_b160),
            (28_226, 0, 0x103f_b160),
            (59_906, 0, 0x0300_fec5),
            (60_194, 0, 0x027f_6200),
            (62_210, 0, 0x0200_fe00),
            (62_498, 0, 0x017f_0000),
            (63_938, 0, 0x0103_0000),
            (64_226, 0, 0x0101_0000),
            (64_514, 0, 0x0101_0000),
        ],
    ),
    Run(
        1,
        0,
        0x1802_aee8,
        &[
            (2, 1_200, 0x1802_aee8),
            (3, 1_310, 0x1802_ad91),
            (9, 7_099, 0x1802_b39c),
            (10, 7_099, 0x1802_b1f2),
            (298, 188_965, 0x1802_cb8f),
            (620, 378_438, 0x1802_c0ec),
        ],
    ),
    Run(
        1,
        0,
        0x1802_aee8,
        &[
            (59, 17_652, 0x1802_7fc5),
            (199, 24_254, 0x1801_d4ee),
            (638, 31_020, 0x1800_a788),
            (501, 29_563, 0x1800_e793),
            (187, 1_078_358, 0x1900_8158),
            (352, 3_950_808, 0x1b00_85ea),
            (483, 6_928_915, 0x1d00_e5dd),
            (485, 6_993_399, 0x1d00_ffff),
        ],
    ),
    Run(
        2_147_483_642,
        1_234_567_290,
        0x1802_aee8,
        &[
            (2_147_483_643, 1_234_568_190, 0x1802_ae16),
            (2_147_483_644, 1_234_568_490, 0x1802_ad44),
            (2_147_483_645, 1_234_568_790, 0x1802_ac71),
            (2_147_483_646, 1_234_569_090, 0x1802_ab9e),
            (2_147_483_647, 1_234_569_390, 0x1802_aacd),
            (2_147_483_648, 1_234_569_690, 0x1802_a9fa),
            (2_147_483_649, 1_234_569_990, 0x1802_a929),
            (2_147_483_650, 1_234_570_290, 0x1802_a858),
            (2_147_483_651, 1_234_570_590, 0x1802_a787),
            (2_147_483_652, 1_234_570_890, 0x1802_a6b7),
        ],
    ),
    Run(
        9_223_372_036_854_775_802,
        2_147_483_047,
        0x1802_aee8,
        &[
            (9_223_372_036_854_775_803, 2_147_484_547, 0x1802_afbb),
            (9_223_372_036_854_775_804, 2_147_485_447, 0x1802_b08f),
            (9_223_372_036_854_775_805, 2_147_486_347, 0x1802_b166),
            (9_223_372_036_854_775_806, 2_147_487_247, 0x1802_b23a),
            (9_223_372_036_854_775_807, 2_147_488_147, 0x1802_b30e),
            (9_223_372_036_854_775_808, 2_147_489_047, 0x1802_b3e5),
            (9_223_372_036_854_775_809, 2_147_489_947, 0x1802_b4bb),
            (9_223_372_036_854_775_810, 2_147_490_847, 0x1802_b592),
            (9_223_372_036_854_775_811, 2_147_491_747, 0x1802_b669),
            (9_223_372_036_854_775_812, 2_147_492_647, 0x1802_b73d),
        ],
    ),
];

fn bitcoin_cash() -> Asert {
    Asert { spacing_s: 600, half_life_s: 172_800, limit: bitcoin().target_limit }
}

#[test]
fn asert_gives_the_published_targets() {
    for Run(anchor_height, anchor_parent_s, anchor, blocks) in RUNS {
        for (height, time_s, next) in blocks {
            let found = asert_target(&bitcoin_cash(), bits(anchor), time_s - anchor_parent_s, height - anchor_height);
            assert_eq!(found, bits(*next), "anchor {anchor:08x}, height {height}, time {time_s}");
        }
    }
}

/// aserti3-2d again, slowly and without any shortcut: numbers as lists of bits, least significant first.
fn asert_by_bits(rule: &Asert, anchor: CompactTarget, time_delta_s: i64, height_delta: u64) -> CompactTarget {
    let ideal = i128::from(rule.spacing_s) * (i128::from(height_delta) + 1);
    let scaled = (i128::from(time_delta_s) - ideal) * 65536;
    let mut exponent = scaled.abs() / i128::from(rule.half_life_s);
    if scaled < 0 {
        exponent = -exponent;
    }
    let (mut shift, mut fraction) = (0, exponent);
    while fraction < 0 {
        fraction += 65536;
        shift -= 1;
    }
    while fraction >= 65536 {
        fraction -= 65536;
        shift += 1;
    }
    let cubic = 195_766_423_245_049 * fraction + 971_821_376 * fraction.pow(2) + 5_127 * fraction.pow(3);
    let factor = 65536 + (cubic + (1_i128 << 47)) / (1_i128 << 48);
    let target = anchor.to_target().unwrap().to_be_bytes();
    let target: Vec<bool> = (0..256).map(|bit| target[31 - bit / 8] >> (bit % 8) & 1 == 1).collect();
    // Multiply by adding the target once for each set bit of the factor.
    let mut product = vec![false; 256 + 20];
    for place in (0..20).filter(|place| factor >> place & 1 == 1) {
        let mut carry = false;
        for (index, digit) in product.iter_mut().enumerate().skip(place) {
            let other = target.get(index - place).copied().unwrap_or(false);
            let sum = u8::from(*digit) + u8::from(other) + u8::from(carry);
            (*digit, carry) = (sum & 1 == 1, sum > 1);
        }
    }
    shift -= 16;
    let mut bytes = [0; 32];
    for (index, _) in product.iter().enumerate().filter(|(_, digit)| **digit) {
        let place = index as i64 + shift;
        if place >= 256 {
            return rule.limit.to_compact();
        }
        if place >= 0 {
            bytes[31 - place as usize / 8] |= 1 << (place % 8);
        }
    }
    if bytes == [0; 32] {
        bytes[31] = 1;
    }
    Target::from_be_bytes(bytes).min(rule.limit).to_compact()
}

proptest::proptest! {
    #[test]
    fn asert_equals_the_slow_model(
        anchor in (1_u32..=32, 1_u32..0x80_0000).prop_filter_map("a target", |(length, mantissa)| {
            Some(bits(length << 24 | mantissa)).filter(|anchor| anchor.to_target().is_some())
        }),
        time_delta_s in -5_000_000_i64..50_000_000,
        height_delta in 0_u64..50_000,
        spacing_s in 1_u32..2_000,
        half_life_s in 1_u32..400_000,
        regtest in proptest::bool::ANY,
    ) {
        // A time of many half-lives would make the model's loop long, and the answer is an end of the range anyway.
        let half_life_s = half_life_s.max(300);
        let limit = if regtest { bits(0x207f_ffff) } else { bits(0x1d00_ffff) }.to_target().unwrap();
        let rule = Asert { spacing_s, half_life_s, limit };
        let found = asert_target(&rule, anchor, time_delta_s, height_delta);
        proptest::prop_assert_eq!(found, asert_by_bits(&rule, anchor, time_delta_s, height_delta));
    }
}
use proptest::strategy::Strategy;

/// -1/3 of a step is no step under truncation toward zero, and a whole one under rounding down.
#[test]
fn asert_truncates_the_exponent_toward_zero() {
    let rule = Asert { spacing_s: 600, half_life_s: 3 * 65536, limit: bitcoin().target_limit };
    let on_schedule = asert_target(&rule, bits(0x1a2b_3c4d), 1_200, 1);
    assert_eq!(asert_target(&rule, bits(0x1a2b_3c4d), 1_199, 1), on_schedule);
    assert_ne!(asert_target(&rule, bits(0x1a2b_3c4d), 1_197, 1), on_schedule);
}

#[test]
fn asert_holds_at_the_ends_of_its_arguments() {
    let rule = Asert { spacing_s: u32::MAX, half_life_s: 1, limit: bitcoin().target_limit };
    assert_eq!(asert_target(&rule, bits(0x1d00_ffff), i64::MIN, u64::MAX), bits(0x0101_0000));
    assert_eq!(asert_target(&rule, bits(0x1d00_ffff), i64::MAX, 0), bits(0x1d00_ffff));
}

/// A chain started years after its genesis' time begins at its initial target, since block 1 is the anchor.
#[test]
fn asert_is_anchored_at_block_1() {
    let mut spec = ChainSpec::builtin("local").unwrap();
    spec.retarget = Retarget::Asert { half_life_s: 60 };
    let genesis = (spec.genesis.header.time, spec.genesis.header.bits);
    let start_s = genesis.0 + 300_000_000;
    let mut branch = Branch(vec![genesis]);
    assert_eq!(required_target(&spec, &branch), spec.initial_target);
    branch.0.push((start_s, spec.initial_target));
    for height in 2..50 {
        assert_eq!(required_target(&spec, &branch), spec.initial_target, "height {height}, on schedule");
        branch.0.push((start_s + 2 * (height - 1), spec.initial_target));
    }
    // One half-life behind schedule doubles the target, one ahead halves it.
    let work = |branch: &Branch| required_target(&spec, branch).to_target().unwrap().work();
    let usual = work(&branch);
    branch.0.last_mut().unwrap().0 += 60;
    let slow = work(&branch);
    branch.0.last_mut().unwrap().0 -= 120;
    let fast = work(&branch);
    let near = |found: Work, aim: f64| (found.to_f64() / aim - 1.0).abs() < 0.001;
    assert!(near(slow, usual.to_f64() / 2.0) && near(fast, usual.to_f64() * 2.0));
}

fn median_of(times: &[u32]) -> u32 {
    median_time_past(&Branch(times.iter().map(|time| (*time, bits(0))).collect()))
}

#[test]
fn median_time_past_takes_eleven_blocks_and_what_there_is_near_genesis() {
    assert_eq!(median_of(&[7]), 7);
    assert_eq!(median_of(&[7, 9]), 9, "of two, the later");
    assert_eq!(median_of(&[7, 9, 8]), 8);
    assert_eq!(median_of(&[1, 2, 3, 4]), 3);
    assert_eq!(median_of(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]), 6);
    // A twelfth, old block is not looked at.
    assert_eq!(median_of(&[u32::MAX, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]), 6);
    assert_eq!(median_of(&[11, 1, 10, 2, 9, 3, 8, 4, 7, 5, 6]), 6, "order does not matter");
}
