//! `ema` against asert, against floating point, and as the only clock of a simulated network of miners.
use super::*;
use crate::retarget::{median_time_past, required_target};
use crate::spec::Retarget;

const START_S: u32 = 1_800_000_000;
const VERSION: i32 = 0x2000_0000;
const HALF_LIFE_S: u32 = 120;

/// A block as the rule sees it.
#[derive(Clone, Copy)]
struct Block {
    time: u32,
    bits: CompactTarget,
    version: i32,
}

#[derive(Clone)]
struct Branch(Vec<Block>);
impl Ancestors for Branch {
    fn height(&self) -> u32 {
        self.0.len() as u32 - 1
    }
    fn at(&self, height: u32) -> (u32, CompactTarget) {
        (self.0[height as usize].time, self.0[height as usize].bits)
    }
    fn version(&self, height: u32) -> i32 {
        self.0[height as usize].version
    }
}

impl Branch {
    fn new(spec: &ChainSpec) -> Branch {
        Branch(vec![Block { time: START_S, bits: spec.initial_target, version: VERSION }])
    }
    /// Adds a block of a given time that carries the target the rule demands.
    fn push(&mut self, spec: &ChainSpec, time: u32, version: i32) {
        let bits = required_target(spec, self);
        self.0.push(Block { time, bits, version });
    }
}

fn local() -> ChainSpec {
    let spec = ChainSpec::builtin("local").unwrap();
    assert_eq!(spec.retarget, Retarget::Ema { half_life_s: HALF_LIFE_S });
    spec
}

fn size(bits: CompactTarget) -> f64 {
    let bytes = bits.to_target().unwrap().to_be_bytes();
    bytes.iter().fold(0.0, |value, byte| value * 256.0 + f64::from(*byte))
}

fn ratio(a: CompactTarget, b: CompactTarget) -> f64 {
    size(a) / size(b)
}

/// SplitMix64: the same draws everywhere.
struct Random(u64);
impl Random {
    /// 0 to 1, never 0.
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (((z ^ (z >> 31)) >> 11) as f64 + 1.0) / 9_007_199_254_740_993.0
    }
    fn exponential(&mut self, mean: f64) -> f64 {
        -self.unit().ln() * mean
    }
}

/// The published algorithm as the truth: without pauses, block by block gives what asert gives at once, which only counts the
/// blocks that take a place.
#[test]
fn without_pauses_it_is_asert() {
    let (spec, mut random) = (local(), Random(1));
    let rule = Asert { spacing_s: 2, half_life_s: HALF_LIFE_S, limit: spec.target_limit };
    let mut branch = Branch::new(&spec);
    let mut scheduled = 0;
    for height in 1..=2_000 {
        let earliest = median_time_past(&branch) + 1;
        let time = branch.0.last().unwrap().time - 4 + (random.unit() * 12.0) as u32;
        let on_demand = height > 1 && random.unit() < 0.1;
        branch.push(&spec, time.max(earliest), if on_demand { VERSION | ON_DEMAND_VERSION } else { VERSION });
        scheduled += u64::from(height > 1 && !on_demand);
        // The anchor is block 1, and its notional parent one spacing before it.
        let passed_s = i64::from(branch.0[height].time) - i64::from(branch.0[1].time);
        let asert = asert_target(&rule, spec.initial_target, passed_s + 2, scheduled);
        let found = ratio(required_target(&spec, &branch), asert);
        // Every block's target and exponent are rounded, and the cubic's slope is off by 0.3 %; asert does so once.
        assert!((found - 1.0).abs() < 1e-4 * height as f64 + 1e-3, "at height {height}: {found}");
    }
}

/// The rule once more in floating point, for any times and versions, pauses included.
#[test]
fn it_equals_a_slow_model_in_floating_point() {
    let (spec, mut random) = (local(), Random(2));
    let mut branch = Branch::new(&spec);
    branch.push(&spec, START_S, VERSION);
    let limit = size(spec.target_limit.to_compact());
    for _ in 0..3_000 {
        let earliest = median_time_past(&branch) + 1;
        let time = match (random.unit() * 8.0) as u32 {
            0 => earliest,
            1 => earliest + (random.unit() * 3_000.0) as u32,
            _ => earliest + (random.unit() * 14.0) as u32,
        };
        let version = if random.unit() < 0.2 { VERSION | ON_DEMAND_VERSION } else { VERSION };
        let parent_time = branch.0.last().unwrap().time;
        branch.push(&spec, time, version);
        let solve_time_s = match f64::from(time) - f64::from(parent_time) {
            pause if pause > 115.0 => 12.0,
            back if back < -115.0 => -12.0,
            usual => usual,
        };
        let last = branch.0.last().unwrap();
        let place_s = if version == VERSION { 2.0 } else { 0.0 };
        let expected = (size(last.bits) * ((solve_time_s - place_s) / f64::from(HALF_LIFE_S)).exp2()).min(limit);
        let found = size(required_target(&spec, &branch)) / expected;
        assert!((found - 1.0).abs() < 1e-3, "{found} at time {time}");
    }
}

/// `down`, a night, `up`: the targets afterwards are within 6 % of the last one, where asert owes 14,400 blocks.
#[test]
fn a_pause_is_forgiven_however_long() {
    for pause_s in [120, 38 * 60, 8 * 3_600, 400 * 86_400] {
        let spec = local();
        let mut branch = Branch::new(&spec);
        (1..300).for_each(|block| branch.push(&spec, START_S + 2 * block, VERSION));
        let before = required_target(&spec, &branch);
        let again_s = START_S + 2 * 300 + pause_s;
        for block in 0..40 {
            branch.push(&spec, again_s + 2 * block, VERSION);
            let found = ratio(required_target(&spec, &branch), before);
            assert!((0.999..1.061).contains(&found), "{found} after {pause_s} s, block {block}");
        }
        let mut asert = spec.clone();
        asert.retarget = Retarget::Asert { half_life_s: HALF_LIFE_S };
        assert!(pause_s < 1_000 || ratio(required_target(&asert, &branch), before) > 1_000.0, "asert forgives too");
    }
}

/// The same blocks without the mark multiply the work by more than 60.
#[test]
fn blocks_on_demand_do_not_make_blocks_harder() {
    let spec = local();
    for (version, expected) in [(VERSION | ON_DEMAND_VERSION, 1.0..1.5), (VERSION, 0.0..1.0 / 60.0)] {
        let mut branch = Branch::new(&spec);
        (1..100).for_each(|block| branch.push(&spec, START_S + 2 * block, VERSION));
        let now = START_S + 2 * 100;
        let before = required_target(&spec, &branch);
        for _ in 0..400 {
            let time = (median_time_past(&branch) + 1).max(now);
            branch.push(&spec, time, version);
        }
        let found = ratio(required_target(&spec, &branch), before);
        assert!(expected.contains(&found), "{found} with version {version:08x}");
        let ahead_s = branch.0.last().unwrap().time - now;
        assert!(ahead_s <= spec.future_max_s, "400 blocks reach {ahead_s} s ahead of the clock");
    }
}

/// A network of miners on virtual time.
struct Network {
    spec: ChainSpec,
    branch: Branch,
    random: Random,
    /// Seconds since the start.
    now_s: f64,
}

impl Network {
    fn new(seed: u64) -> Network {
        let spec = local();
        Network { branch: Branch::new(&spec), spec, random: Random(seed), now_s: 0.0 }
    }
    /// Mines `count` blocks with `power` times the hash rate the initial target is for; `stamp` may choose another time
    /// than the clock's, between the earliest and the latest allowed. Gives the seconds it took.
    fn mine(&mut self, count: u32, power: f64, stamp: impl Fn(&mut Random, u32, u32, u32) -> u32) -> f64 {
        let start_s = self.now_s;
        for _ in 0..count {
            let difficulty = ratio(self.spec.initial_target, required_target(&self.spec, &self.branch));
            self.now_s += self.random.exponential(2.0 * difficulty / power);
            let now = START_S + self.now_s as u32;
            let earliest = median_time_past(&self.branch) + 1;
            let latest = (now + self.spec.future_max_s).max(earliest);
            let time = stamp(&mut self.random, earliest, now, latest).clamp(earliest, latest);
            self.branch.push(&self.spec, time, VERSION);
        }
        self.now_s - start_s
    }
    fn spacing_s(&mut self, count: u32, power: f64) -> f64 {
        self.mine(count, power, |_, _, now, _| now) / f64::from(count)
    }
}

#[test]
fn blocks_come_at_the_spacing_whatever_the_hash_rate() {
    for (seed, power) in [(1, 1.0), (2, 0.1), (3, 7.0), (4, 300.0), (5, 1.0)] {
        let mut network = Network::new(seed);
        network.mine(3_000, power, |_, _, now, _| now);
        let spacing_s = network.spacing_s(20_000, power);
        assert!((1.97..2.03).contains(&spacing_s), "{spacing_s} s at {power} times the hash rate");
    }
}

#[test]
fn a_change_of_hash_rate_is_followed_within_minutes() {
    for (seed, power) in [(1, 2.0), (2, 8.0), (3, 0.5), (4, 0.125)] {
        let mut network = Network::new(seed);
        network.mine(1_000, 1.0, |_, _, now, _| now);
        // At the new schedule these are 1,000 s; each doubling costs or saves a half-life.
        let changed_s = network.mine(500, power, |_, _, now, _| now);
        assert!((500.0..1_500.0).contains(&changed_s), "500 blocks after a change to {power} took {changed_s} s");
        let spacing_s = network.spacing_s(2_000, power);
        assert!((1.9..2.1).contains(&spacing_s), "{spacing_s} s after a change to {power}");
    }
}

/// Miners with part of the hash rate choose their headers' times as they like within what the header rules allow.
#[test]
fn times_at_the_limits_hardly_move_the_spacing() {
    type Stamp = fn(&mut Random, u32, u32) -> u32;
    let stamps: [(&str, Stamp); 3] = [
        ("latest", |_, _, latest| latest),
        ("earliest", |_, earliest, _| earliest),
        ("either", |random, earliest, latest| if random.unit() < 0.5 { earliest } else { latest }),
    ];
    for (name, stamp) in stamps {
        for share in [0.1, 0.3, 0.45] {
            let mut network = Network::new(9);
            let choose = |random: &mut Random, earliest: u32, now: u32, latest: u32| {
                if random.unit() < share { stamp(random, earliest, latest) } else { now }
            };
            network.mine(1_000, 1.0, choose);
            let spacing_s = network.mine(20_000, 1.0, choose) / 20_000.0;
            assert!((1.97..2.12).contains(&spacing_s), "{spacing_s} s with {share} of the blocks at the {name} time");
        }
    }
}

/// After 400 blocks on demand the chain is a minute ahead of the clock; the miners go on at about the spacing they had.
#[test]
fn the_schedule_goes_on_after_blocks_on_demand() {
    for seed in 0..10 {
        let mut network = Network::new(seed);
        network.mine(500, 1.0, |_, _, now, _| now);
        for _ in 0..400 {
            let time = (median_time_past(&network.branch) + 1).max(START_S + network.now_s as u32);
            let spec = network.spec.clone();
            network.branch.push(&spec, time, VERSION | ON_DEMAND_VERSION);
        }
        let spacing_s = network.spacing_s(120, 1.0);
        assert!((1.3..3.0).contains(&spacing_s), "{spacing_s} s over the first 120 blocks afterwards, seed {seed}");
    }
}

#[test]
fn the_ends_of_the_range_hold() {
    let mut spec = local();
    let genesis = Branch::new(&spec);
    assert_eq!(required_target(&spec, &genesis), spec.initial_target);
    // The easiest target does not grow, the hardest does not become zero.
    let easiest = spec.target_limit.to_compact();
    let hardest = CompactTarget::from_bits(0x0101_0000);
    for (bits, step_s) in [(easiest, 50), (hardest, 0)] {
        let mut branch = Branch::new(&spec);
        branch.0.extend((0..30).map(|block| Block { time: START_S + step_s * block, bits, version: VERSION }));
        assert_eq!(required_target(&spec, &branch), bits);
    }
    // A half-life of a second and a spacing of a week: 2^-604800 of any target is the hardest one.
    (spec.spacing_s, spec.retarget) = (604_800, Retarget::Ema { half_life_s: 1 });
    let mut branch = Branch::new(&spec);
    branch.0.extend(vec![branch.0[0]; 30]);
    assert_eq!(required_target(&spec, &branch), hardest);
}
