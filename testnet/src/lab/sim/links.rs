//! The modelled network: who is connected, and how long a message takes.
//!
//! A message of `b` bytes takes the link's own delay, a jitter drawn for it, and `b` divided by the bandwidth. Links do not
//! queue: two messages on one link do not wait for each other. Links are symmetric and lose nothing.

use super::random::uniform;
use node::core::message::{Gossip, Response};
use rand_chacha::ChaCha8Rng;
use rustc_hash::FxHashMap;

/// Bytes a request is taken to have.
pub const REQUEST_BYTES: usize = 128;
/// Bytes a message has besides its payload.
const FRAME_BYTES: usize = 64;

/// What links are like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conditions {
    /// Mean delay of a link, milliseconds. Each link draws its own, exponential around half the mean, plus the other half.
    pub delay_ms: f64,
    /// Greatest extra delay of a message, milliseconds, drawn evenly.
    pub jitter_ms: f64,
    /// Bytes per second; `None`: without limit.
    pub bandwidth: Option<u64>,
    /// Bytes a block is taken to have beyond what travels in the simulation.
    pub block_bytes: usize,
}

impl Conditions {
    /// Everything arrives at once.
    pub const NONE: Conditions = Conditions { delay_ms: 0.0, jitter_ms: 0.0, bandwidth: None, block_bytes: 0 };
}

struct Link {
    delay_us: u64,
    /// Both ends take each other for connected.
    up: bool,
    /// Cut on purpose: it stays down while both ends are there.
    cut: bool,
}

/// All links of a network.
pub struct Links {
    conditions: Conditions,
    links: FxHashMap<(usize, usize), Link>,
    peers: Vec<Vec<usize>>,
}

impl Links {
    /// Links for `edges` between `nodes` nodes, down until both ends were told.
    pub fn new(edges: &[(usize, usize)], nodes: usize, conditions: Conditions, random: &mut ChaCha8Rng) -> Links {
        let mut peers = vec![Vec::new(); nodes];
        let mut links = FxHashMap::default();
        for &(a, b) in edges {
            peers[a].push(b);
            peers[b].push(a);
            let half_ms = conditions.delay_ms / 2.0;
            let delay_ms = half_ms - half_ms * uniform(random).ln();
            links.insert(ordered(a, b), Link { delay_us: (delay_ms * 1e3) as u64, up: false, cut: false });
        }
        Links { conditions, links, peers }
    }

    /// The nodes that `node` has a link to, up or down, in the order of the edges.
    pub fn peers(&self, node: usize) -> &[usize] {
        &self.peers[node]
    }

    /// Whether there is a link and it is up.
    pub fn is_up(&self, a: usize, b: usize) -> bool {
        self.links.get(&ordered(a, b)).is_some_and(|link| link.up)
    }

    /// Brings a link up or takes it down; nothing where there is none.
    pub fn set_up(&mut self, a: usize, b: usize, up: bool) {
        if let Some(link) = self.links.get_mut(&ordered(a, b)) {
            link.up = up;
        }
    }

    /// Whether it was cut on purpose.
    pub fn is_cut(&self, a: usize, b: usize) -> bool {
        self.links.get(&ordered(a, b)).is_some_and(|link| link.cut)
    }

    /// Cuts a link or mends it; nothing where there is none.
    pub fn set_cut(&mut self, a: usize, b: usize, cut: bool) {
        if let Some(link) = self.links.get_mut(&ordered(a, b)) {
            link.cut = cut;
        }
    }

    /// How long a message of `bytes` takes, microseconds.
    pub fn delay_us(&self, from: usize, to: usize, bytes: usize, random: &mut ChaCha8Rng) -> u64 {
        let link = self.links.get(&ordered(from, to)).map_or(0, |link| link.delay_us);
        let jitter = match self.conditions.jitter_ms {
            jitter_ms if jitter_ms > 0.0 => (jitter_ms * 1e3 * uniform(random)) as u64,
            _ => 0,
        };
        let bytes = (bytes + FRAME_BYTES) as u64;
        let transmission = self.conditions.bandwidth.map_or(0, |bandwidth| bytes * 1_000_000 / bandwidth.max(1));
        link + jitter + transmission
    }
}

fn ordered(a: usize, b: usize) -> (usize, usize) {
    (a.min(b), a.max(b))
}

/// What a gossiped message is told apart by, and the bytes it takes on a link.
pub fn gossip_id_and_bytes(gossip: &Gossip, block_bytes: usize) -> ([u8; 32], usize) {
    use chain_spec::Encode as _;
    match gossip {
        Gossip::Transaction(transaction) => (*transaction.txid().as_bytes(), transaction.encoded_len()),
        Gossip::Block(block) => {
            let prefilled: usize = block.prefilled.iter().map(|(_, transaction)| transaction.encoded_len()).sum();
            (*block.header.hash().as_bytes(), 88 + 6 * block.short_ids.len() + prefilled + block_bytes)
        }
    }
}

/// The bytes an answer takes on a link.
pub fn response_bytes(response: &Response, block_bytes: usize) -> usize {
    use chain_spec::Encode as _;
    match response {
        Response::Headers(headers) => 80 * headers.len(),
        Response::Blocks(blocks) => blocks.iter().map(|block| block.encoded_len() + block_bytes).sum(),
        Response::BlockTransactions(transactions) | Response::Transactions(transactions) => {
            transactions.iter().map(|transaction| transaction.encoded_len()).sum()
        }
        Response::Mempool(txids) => 32 * txids.len(),
    }
}
