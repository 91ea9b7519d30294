//! What a run counts: who found what when, how long blocks took to be received, and what that says of forks.

use super::super::theory::estimate::{Estimate, Proportion, ratio};
use chain_spec::BlockHash;
use rustc_hash::FxHashMap;

/// Counted while a simulation runs.
pub struct Statistics {
    /// Events carried out.
    pub events: u64,
    /// Times a node said that a peer broke a rule or a promise.
    pub misbehaviours: u64,
    /// Blocks undone by reorganisations, over all nodes.
    pub blocks_undone: u64,
    /// The deepest reorganisation of any node, in blocks.
    pub reorganisation_max: u32,
    /// Where targets change: how much easier than the initial target the easiest was that a block was drawn for.
    pub rate_max: f64,
    nodes: usize,
    blocks: Vec<FoundBlock>,
    number_of: FxHashMap<BlockHash, usize>,
    delays: Delays,
    /// Sum over all receipts of their delay, weighed by the receiver's part of the hash rate, microseconds.
    exposure_us: f64,
}

/// One block's story.
#[derive(Clone, Debug)]
pub struct FoundBlock {
    /// Its hash.
    pub hash: BlockHash,
    /// Its parent's number, `None` for genesis.
    pub parent: Option<usize>,
    /// Its height.
    pub height: u32,
    /// Who found it.
    pub miner: usize,
    /// When, microseconds of virtual time.
    pub at_us: u64,
    /// Nodes that have received it, the finder left out, and the sum of what that took, microseconds.
    received: (u32, u64),
    /// When the first node but the finder had it, microseconds of virtual time; `u64::MAX` if none has.
    public_us: u64,
}

impl Statistics {
    /// Nothing but genesis.
    pub fn new(nodes: usize, genesis: BlockHash) -> Statistics {
        let genesis_block = FoundBlock {
            hash: genesis,
            parent: None,
            height: 0,
            miner: usize::MAX,
            at_us: 0,
            received: (0, 0),
            public_us: 0,
        };
        Statistics {
            events: 0,
            misbehaviours: 0,
            blocks_undone: 0,
            reorganisation_max: 0,
            rate_max: 0.0,
            nodes,
            blocks: vec![genesis_block],
            number_of: FxHashMap::from_iter([(genesis, 0)]),
            delays: Delays::default(),
            exposure_us: 0.0,
        }
    }

    /// A node found a block.
    pub fn found(&mut self, miner: usize, hash: BlockHash, previous: BlockHash, at_us: u64) {
        let parent = self.number_of.get(&previous).copied();
        let height = parent.map_or(0, |parent| self.blocks[parent].height + 1);
        self.number_of.insert(hash, self.blocks.len());
        self.blocks.push(FoundBlock { hash, parent, height, miner, at_us, received: (0, 0), public_us: u64::MAX });
    }

    /// A node with this part of the hash rate has a whole block, and had not had it before.
    pub fn received(&mut self, node: usize, share: f64, hash: &BlockHash, now_us: u64) {
        let Some(block) = self.number_of.get(hash).map(|number| &mut self.blocks[*number]) else { return };
        if block.miner != node {
            let delay_us = now_us - block.at_us;
            block.public_us = block.public_us.min(now_us);
            block.received = (block.received.0 + 1, block.received.1 + delay_us);
            self.delays.add(delay_us);
            self.exposure_us += share * delay_us as f64;
        }
    }

    /// A node changed over to another branch, and undid this many blocks.
    pub fn reorganised(&mut self, blocks: u32) {
        self.blocks_undone += u64::from(blocks);
        self.reorganisation_max = self.reorganisation_max.max(blocks);
    }

    /// Blocks found so far.
    pub fn blocks(&self) -> usize {
        self.blocks.len() - 1
    }

    /// All blocks, genesis first, in the order they were found.
    pub fn all(&self) -> &[FoundBlock] {
        &self.blocks
    }

    /// The part of all blocks found that is not in the chain that ends with `tip`.
    pub fn stale_rate(&self, tip: &BlockHash) -> f64 {
        let height = self.number_of.get(tip).map_or(0, |number| self.blocks[*number].height as usize);
        match self.blocks() {
            0 => 0.0,
            blocks => (blocks - height) as f64 / blocks as f64,
        }
    }

    /// The part of all heights at which more than one block was found.
    pub fn fork_rate(&self) -> f64 {
        let mut at_height: FxHashMap<u32, u32> = FxHashMap::default();
        for block in &self.blocks[1..] {
            *at_height.entry(block.height).or_default() += 1;
        }
        match at_height.len() {
            0 => 0.0,
            heights => at_height.values().filter(|blocks| **blocks > 1).count() as f64 / heights as f64,
        }
    }

    /// The part of blocks that somebody finds a rival for before having heard of them, by the formula 1 − (1 − p)^∫(1 − f(t))dt
    /// with p the chance of a block a second and f the part of the hash rate that has heard (Decker and Wattenhofer 2013, section
    /// 4; here f is measured). Receipts of blocks that lost a race are often missing, so it is a little low where forks abound.
    pub fn expected_fork_rate(&self, spacing_s: f64) -> f64 {
        match self.blocks() {
            0 => 0.0,
            blocks => -libm::expm1(-self.exposure_us / 1e6 / blocks as f64 / spacing_s),
        }
    }

    /// Who found the blocks above `base` up to `tip`, highest first; `None` if `base` is not below `tip`.
    pub fn miners_between(&self, base: &BlockHash, tip: &BlockHash) -> Option<Vec<usize>> {
        let mut miners = Vec::new();
        let mut block = &self.blocks[*self.number_of.get(tip)?];
        while block.hash != *base {
            if block.miner < self.nodes {
                miners.push(block.miner);
            }
            block = &self.blocks[block.parent?];
        }
        Some(miners)
    }

    /// The blocks of the branch that ends with `tip`, highest first, without genesis; none if the tip was not found here.
    pub fn branch(&self, tip: &BlockHash) -> impl Iterator<Item = &FoundBlock> {
        let first = self.number_of.get(tip).map(|number| &self.blocks[*number]);
        std::iter::successors(first, |block| Some(&self.blocks[block.parent?]))
            .take_while(|block| block.parent.is_some())
    }

    /// γ as it was: of the blocks that others found while a public block of the attacker's was level with one of theirs, on
    /// one of which they stand, those on the attacker's.
    pub fn ties(&self, attacker: usize) -> Proportion {
        let mut at_height: FxHashMap<u32, Vec<usize>> = FxHashMap::default();
        for (number, block) in self.blocks.iter().enumerate().skip(1) {
            at_height.entry(block.height).or_default().push(number);
        }
        let mut ties = Proportion::default();
        for block in self.blocks[1..].iter().filter(|block| block.miner != attacker) {
            let Some(parent) = block.parent.map(|parent| &self.blocks[parent]) else { continue };
            let on_attackers = parent.miner == attacker;
            let is_rival = |rival: &FoundBlock| {
                (rival.miner == attacker) != on_attackers && rival.public_from_us(attacker) <= block.at_us
            };
            if at_height.get(&parent.height).into_iter().flatten().any(|rival| is_rival(&self.blocks[*rival])) {
                ties.runs += 1;
                ties.successes += u32::from(on_attackers);
            }
        }
        ties
    }

    /// Mean time from a block's finding to its whole receipt by another node, milliseconds, with its interval. Receipts of one
    /// block depend on each other, so blocks are what is drawn.
    pub fn propagation_mean_ms(&self) -> Estimate {
        let blocks = self.blocks.iter().map(|block| (block.received.1 as f64 / 1e3, f64::from(block.received.0)));
        ratio(&blocks.filter(|(_, receipts)| *receipts > 0.0).collect::<Vec<_>>())
    }

    /// The times, in milliseconds, by which the given parts of all receipts had happened. Receipts that never happened, as of
    /// blocks that lost a race before they were asked for, do not count.
    pub fn propagation_ms(&self, parts: &[f64]) -> Vec<f64> {
        parts.iter().map(|part| self.delays.quantile_us(*part) / 1e3).collect()
    }
}

impl FoundBlock {
    /// From when on it is public: an attacker's when somebody else has it, anybody else's at once.
    fn public_from_us(&self, attacker: usize) -> u64 {
        if self.miner == attacker { self.public_us } else { self.at_us }
    }
}

/// Bits of a delay that are kept: quantiles are exact to one part in 256.
const DELAY_BITS: u32 = 8;

/// A histogram of delays, in logarithmic steps: its size does not grow with the run.
#[derive(Default)]
struct Delays {
    counts: Vec<u64>,
    all: u64,
}

impl Delays {
    fn add(&mut self, delay_us: u64) {
        let place = Delays::place(delay_us);
        if self.counts.len() <= place {
            self.counts.resize(place + 1, 0);
        }
        self.counts[place] += 1;
        self.all += 1;
    }

    /// Small delays have a place each; beyond, each doubling has as many places.
    fn place(delay_us: u64) -> usize {
        let shift = (u64::BITS - delay_us.leading_zeros()).saturating_sub(DELAY_BITS + 1);
        (shift as usize * (1 << DELAY_BITS)) + (delay_us >> shift) as usize
    }

    /// The middle of a place.
    fn middle_us(place: usize) -> f64 {
        let shift = (place >> DELAY_BITS).saturating_sub(1);
        let low = (place - (shift << DELAY_BITS)) as f64 * (1u64 << shift) as f64;
        low + ((1u64 << shift) - 1) as f64 / 2.0
    }

    fn quantile_us(&self, part: f64) -> f64 {
        let mut left = ((self.all as f64 * part) as u64).min(self.all.saturating_sub(1));
        for (place, count) in self.counts.iter().enumerate() {
            if left < *count {
                return Delays::middle_us(place);
            }
            left -= count;
        }
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_exact_to_one_part_in_256() {
        for delay in [0, 1, 255, 256, 511, 512, 1_000, 123_456, 9_876_543_210] {
            let middle = Delays::middle_us(Delays::place(delay));
            assert!((middle - delay as f64).abs() <= delay as f64 / 256.0, "{delay}: {middle}");
        }
        let mut delays = Delays::default();
        (1..=1_000).for_each(|ms| delays.add(ms * 1_000));
        for (part, expected) in [(0.5, 501_000.0), (0.9, 901_000.0), (0.99, 991_000.0)] {
            let found = delays.quantile_us(part);
            assert!((found - expected).abs() < expected / 200.0, "{part}: {found}");
        }
    }

    /// Receipt is counted once, whatever the node later builds on.
    #[test]
    fn receipt_is_measured_and_not_adoption() {
        let hash = |byte| BlockHash::from_bytes([byte; 32]);
        let mut statistics = Statistics::new(3, hash(0));
        statistics.found(0, hash(1), hash(0), 1_000);
        statistics.received(0, 0.5, &hash(1), 1_000);
        statistics.received(1, 0.25, &hash(1), 3_000);
        statistics.received(2, 0.25, &hash(1), 5_000);
        let mean = statistics.propagation_mean_ms();
        assert!((mean.value - 3.0).abs() < 1e-9, "{mean:?}");
        // A quarter of the hash rate works blindly for 2 ms and another for 4 ms: 1.5 ms of a second.
        assert!((statistics.expected_fork_rate(1.0) - 0.001_498_876).abs() < 1e-8);
        assert_eq!(statistics.miners_between(&hash(0), &hash(1)), Some(vec![0]));
        assert_eq!(statistics.miners_between(&hash(1), &hash(0)), None, "it is above");
    }
}
