//! What a run counts: who found what when, who adopted it when, and what that says of forks and propagation.

use chain_spec::BlockHash;
use rustc_hash::FxHashMap;

/// Counted while a simulation runs.
pub struct Statistics {
    /// Events carried out.
    pub events: u64,
    /// Times a node said that a peer broke a rule or a promise.
    pub offences: u64,
    /// Blocks undone by reorganisations, over all nodes.
    pub blocks_undone: u64,
    /// The deepest reorganisation of any node, in blocks.
    pub reorganisation_max: u32,
    nodes: usize,
    blocks: Vec<Found>,
    number_of: FxHashMap<BlockHash, usize>,
    delays_us: Vec<u64>,
}

/// One block's story.
#[derive(Clone, Debug)]
pub struct Found {
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
    adopted: Vec<u64>,
}

impl Statistics {
    /// Nothing but genesis.
    pub fn new(nodes: usize, genesis: BlockHash) -> Statistics {
        let words = nodes.div_ceil(64);
        let found = Found {
            hash: genesis,
            parent: None,
            height: 0,
            miner: usize::MAX,
            at_us: 0,
            adopted: vec![u64::MAX; words],
        };
        Statistics {
            events: 0,
            offences: 0,
            blocks_undone: 0,
            reorganisation_max: 0,
            nodes,
            blocks: vec![found],
            number_of: FxHashMap::from_iter([(genesis, 0)]),
            delays_us: Vec::new(),
        }
    }

    /// A node found a block.
    pub fn found(&mut self, miner: usize, hash: BlockHash, previous: BlockHash, at_us: u64) {
        let parent = self.number_of.get(&previous).copied();
        let height = parent.map_or(0, |parent| self.blocks[parent].height + 1);
        self.number_of.insert(hash, self.blocks.len());
        let adopted = vec![0; self.nodes.div_ceil(64)];
        self.blocks.push(Found { hash, parent, height, miner, at_us, adopted });
    }

    /// A node's active chain now ends with `tip`: it and what it stands on have been adopted.
    pub fn tip_changed(&mut self, node: usize, tip: BlockHash, reorganised: u32, now_us: u64) {
        self.blocks_undone += u64::from(reorganised);
        self.reorganisation_max = self.reorganisation_max.max(reorganised);
        let mut next = self.number_of.get(&tip).copied();
        while let Some(number) = next {
            let block = &mut self.blocks[number];
            let (word, bit) = (node / 64, 1 << (node % 64));
            if block.adopted[word] & bit != 0 {
                break;
            }
            block.adopted[word] |= bit;
            if block.miner != node {
                self.delays_us.push(now_us - block.at_us);
            }
            next = block.parent;
        }
    }

    /// Blocks found so far.
    pub fn blocks(&self) -> usize {
        self.blocks.len() - 1
    }

    /// All blocks, genesis first, in the order they were found.
    pub fn all(&self) -> &[Found] {
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

    /// The part of the blocks in the chain ending with `tip` that each node found.
    pub fn revenue(&self, tip: &BlockHash) -> Vec<f64> {
        let mut blocks = vec![0u32; self.nodes];
        let mut next = self.number_of.get(tip).copied();
        while let Some(number) = next {
            let block = &self.blocks[number];
            if block.miner < self.nodes {
                blocks[block.miner] += 1;
            }
            next = block.parent;
        }
        let all: u32 = blocks.iter().sum();
        blocks.into_iter().map(|own| f64::from(own) / f64::from(all.max(1))).collect()
    }

    /// The times, in milliseconds, by which the given parts of all (block, node) pairs had been adopted. Pairs that never
    /// were, such as blocks that lost a race everywhere but at home, do not count.
    pub fn propagation_ms(&self, parts: &[f64]) -> Vec<f64> {
        let mut delays = self.delays_us.clone();
        delays.sort_unstable();
        let at = |part: &f64| match delays.len() {
            0 => 0.0,
            pairs => delays[((pairs as f64 * part) as usize).min(pairs - 1)] as f64 / 1e3,
        };
        parts.iter().map(at).collect()
    }
}
