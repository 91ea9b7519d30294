//! The modelled network: who is connected, and how long a message takes.
//!
//! A message of `b` bytes waits for those sent before it in the same direction, takes `b` divided by the bandwidth to be sent,
//! and then the link's own delay and a jitter drawn for it. Links are symmetric and lose nothing. Where a [`Geography`] says how
//! far nodes are apart, a node's links share its uplink: what it sends waits for what it is sending to others.

use super::geography::Geography;
use super::random::{exponential, uniform};
use node::core::message::{Gossip, Response};
use rand_chacha::ChaCha8Rng;
use rustc_hash::FxHashMap;

/// Bytes a request is taken to have.
pub const REQUEST_BYTES: usize = 128;
/// Bytes a message has besides its payload.
const FRAME_BYTES: usize = 64;

/// What links are like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LinkModel {
    /// Mean delay of a link, milliseconds. Each link draws its own, exponential around half the mean, plus the other half.
    pub delay_ms: f64,
    /// Greatest extra delay of a message, milliseconds, drawn evenly.
    pub jitter_ms: f64,
    /// Bytes per second and direction; `None`: without limit.
    pub bandwidth: Option<u64>,
    /// Bytes a block is taken to have beyond what travels in the simulation.
    pub block_bytes: usize,
    /// Where nodes stand: delays and bandwidths are taken from it, and `delay_ms` and `bandwidth` do not count.
    pub geography: Option<&'static Geography>,
}

impl LinkModel {
    /// Everything arrives at once.
    pub const INSTANT: LinkModel =
        LinkModel { delay_ms: 0.0, jitter_ms: 0.0, bandwidth: None, block_bytes: 0, geography: None };
}

struct Link {
    delay_us: u64,
    /// Both ends take each other for connected.
    up: bool,
    /// Cut on purpose: it stays down while both ends are there.
    cut: bool,
    /// When the last message in each direction has been sent, virtual microseconds: from the lower number, from the higher.
    sent_us: [u64; 2],
}

/// All links of a network.
pub struct Links {
    model: LinkModel,
    links: FxHashMap<(usize, usize), Link>,
    peers: Vec<Vec<usize>>,
    /// The region of each node, if there is a geography.
    regions: Vec<usize>,
    /// When each node's uplink is free again, virtual microseconds, if there is a geography.
    uplinks_us: Vec<u64>,
}

impl Links {
    /// Links for `edges` between `nodes` nodes, down until both ends were told.
    pub fn new(edges: &[(usize, usize)], nodes: usize, model: LinkModel, random: &mut ChaCha8Rng) -> Links {
        let mut peers = vec![Vec::new(); nodes];
        let mut links = FxHashMap::default();
        let regions = model.geography.map_or_else(Vec::new, |geography| geography.regions(nodes, random));
        for &(a, b) in edges {
            peers[a].push(b);
            peers[b].push(a);
            let delay_ms = match model.geography {
                Some(geography) => geography.delay_ms(regions[a], regions[b]),
                None => model.delay_ms / 2.0 * (1.0 + exponential(random)),
            };
            let delay_us = (delay_ms * 1e3) as u64;
            links.insert(ordered(a, b), Link { delay_us, up: false, cut: false, sent_us: [0; 2] });
        }
        let uplinks_us = vec![0; regions.len()];
        Links { model, links, peers, regions, uplinks_us }
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
            // What was on its way is lost with the connection.
            link.sent_us = [0; 2];
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

    /// Sends a message of `bytes` at `now_us`; how long it takes to arrive, microseconds.
    pub fn send(&mut self, from: usize, to: usize, bytes: usize, now_us: u64, random: &mut ChaCha8Rng) -> u64 {
        let jitter_us = match self.model.jitter_ms {
            jitter_ms if jitter_ms > 0.0 => (jitter_ms * 1e3 * uniform(random)) as u64,
            _ => 0,
        };
        let Some(link) = self.links.get_mut(&ordered(from, to)) else { return jitter_us };
        let bytes = (bytes + FRAME_BYTES) as u64;
        let queued_us = match (self.model.geography, self.model.bandwidth) {
            (Some(geography), _) => {
                let rate = geography.bytes_per_second(self.regions[from], self.regions[to]);
                queue(&mut self.uplinks_us[from], now_us, (bytes as f64 / rate * 1e6) as u64)
            }
            (None, Some(bandwidth)) => {
                let sending_us = bytes * 1_000_000 / bandwidth.max(1);
                queue(&mut link.sent_us[usize::from(from > to)], now_us, sending_us)
            }
            (None, None) => 0,
        };
        queued_us + link.delay_us + jitter_us
    }
}

/// Sends once what was sent before is through; how long both take, microseconds.
fn queue(free_us: &mut u64, now_us: u64, sending_us: u64) -> u64 {
    *free_us = now_us.max(*free_us) + sending_us;
    *free_us - now_us
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
        Response::Pruned { .. } => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::rand_core::SeedableRng as _;

    #[test]
    fn a_node_sends_to_one_peer_after_the_other_where_it_has_one_uplink() {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let geography = super::super::geography::preset("bitcoin-2015").unwrap();
        let model = LinkModel { geography: Some(geography), ..LinkModel::INSTANT };
        // Two pools in Asia, and a third: 5.3 Mbit/s up, 10 Mbit/s down, 99.46 ms apart.
        let mut links = Links::new(&[(0, 1), (0, 2)], 3, model, &mut random);
        let bytes = 662_500 - FRAME_BYTES;
        assert_eq!(links.send(0, 1, bytes, 0, &mut random), 1_000_000 + 99_460);
        assert_eq!(links.send(0, 2, bytes, 0, &mut random), 2_000_000 + 99_460, "behind the first");
        assert_eq!(links.send(1, 0, bytes, 0, &mut random), 1_000_000 + 99_460, "another node's uplink");
    }

    #[test]
    fn messages_in_one_direction_wait_for_each_other() {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let model = LinkModel { bandwidth: Some(1_000), ..LinkModel::INSTANT };
        let mut links = Links::new(&[(0, 1)], 2, model, &mut random);
        links.set_up(0, 1, true);
        let second = 1_000 - FRAME_BYTES;
        assert_eq!(links.send(0, 1, second, 0, &mut random), 1_000_000);
        assert_eq!(links.send(0, 1, second, 500_000, &mut random), 1_500_000, "half a second behind the first");
        assert_eq!(links.send(1, 0, second, 500_000, &mut random), 1_000_000, "the other direction is free");
        assert_eq!(links.send(0, 1, second, 9_000_000, &mut random), 1_000_000, "the queue is empty again");
    }
}
