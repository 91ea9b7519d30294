//! Where nodes stand, how far regions are from each other, how fast homes there are, and who mines: measured networks, as
//! their sources give them. [`super::links`] takes delays and uplinks from here, [`super::network`] the presets.

use super::random::uniform;
use rand_chacha::ChaCha8Rng;

/// Regions of the tables, in their order: North America, Europe, South America, Asia and Pacific, Japan, Australia.
pub const REGIONS: usize = 6;

const NORTH_AMERICA: usize = 0;
const EUROPE: usize = 1;
const ASIA_PACIFIC: usize = 3;

/// A measured network.
#[derive(Debug, PartialEq)]
pub struct Geography {
    /// What `--preset` calls it.
    pub name: &'static str,
    /// Where the numbers come from.
    pub source: &'static str,
    /// Each region's part of the nodes.
    nodes: [f64; REGIONS],
    /// Mean delay of a message between two regions, milliseconds.
    latency_ms: [[f64; REGIONS]; REGIONS],
    /// What a node there receives at the most, bits per second.
    download_bits: [f64; REGIONS],
    /// What a node there sends at the most, over all its links together, bits per second.
    upload_bits: [f64; REGIONS],
    /// The miners: part of the hash rate, and region. None: every node mines alike.
    pub miners: &'static [(f64, usize)],
    /// Bytes of a block on a link beyond its header and coinbase.
    pub block_bytes: usize,
    /// Peers of a node, at least.
    pub peers: usize,
    /// Mean seconds between blocks.
    pub spacing_s: u32,
    /// What was published of this network, for the reader to compare.
    pub published: &'static str,
}

/// The networks that there are.
pub static PRESETS: [&Geography; 4] = [&BITCOIN_2015, &BITCOIN_2019, &LITECOIN_2015, &DOGECOIN_2015];

const BITCOIN_2015: Geography = Geography {
    name: "bitcoin-2015",
    source: "Gervais et al. 2016 (regions, latencies, sixteen pools, blocks of 534.8 kB sent whole); bandwidths of 2015 as in \
             Aoki et al. 2019 (SimBlock)",
    nodes: [0.3869, 0.5159, 0.0113, 0.0574, 0.0119, 0.0166],
    latency_ms: [
        [35.5, 119.49, 254.79, 310.11, 154.36, 207.91],
        [119.49, 11.61, 221.08, 241.9, 266.45, 350.07],
        [254.79, 221.08, 137.09, 346.65, 255.95, 268.91],
        [310.11, 241.9, 346.65, 99.46, 172.24, 277.8],
        [154.36, 266.45, 255.95, 172.24, 8.76, 162.59],
        [207.91, 350.07, 268.91, 277.8, 162.59, 21.72],
    ],
    download_bits: [25.0e6, 24.0e6, 6.5e6, 10.0e6, 17.5e6, 14.0e6],
    upload_bits: [4.7e6, 8.1e6, 1.8e6, 5.3e6, 3.4e6, 5.2e6],
    miners: &[
        (0.289, ASIA_PACIFIC),
        (0.196, ASIA_PACIFIC),
        (0.159, ASIA_PACIFIC),
        (0.133, NORTH_AMERICA),
        (0.066, ASIA_PACIFIC),
        (0.054, NORTH_AMERICA),
        (0.029, EUROPE),
        (0.016, EUROPE),
        (0.012, NORTH_AMERICA),
        (0.012, NORTH_AMERICA),
        (0.012, NORTH_AMERICA),
        (0.009, EUROPE),
        (0.005, NORTH_AMERICA),
        (0.005, NORTH_AMERICA),
        (0.002, NORTH_AMERICA),
        (0.002, NORTH_AMERICA),
    ],
    block_bytes: 534_800,
    peers: 8,
    spacing_s: 600,
    published: "Gervais et al. 2016 give 0.41 % stale blocks and a median of 8.7 s for the real network, whose miners were \
                also joined by a relay network, which is not modelled here",
};

static BITCOIN_2019: Geography = Geography {
    name: "bitcoin-2019",
    source: "Aoki et al. 2019 (SimBlock): regions, latencies and bandwidths of 2019, compact blocks of 18 kB; every node mines",
    nodes: [0.3316, 0.4998, 0.0090, 0.1177, 0.0224, 0.0195],
    latency_ms: [
        [32.0, 124.0, 184.0, 198.0, 151.0, 189.0],
        [124.0, 11.0, 227.0, 237.0, 252.0, 294.0],
        [184.0, 227.0, 88.0, 325.0, 301.0, 322.0],
        [198.0, 237.0, 325.0, 85.0, 58.0, 198.0],
        [151.0, 252.0, 301.0, 58.0, 12.0, 126.0],
        [189.0, 294.0, 322.0, 198.0, 126.0, 16.0],
    ],
    download_bits: [52.0e6, 40.0e6, 18.0e6, 22.8e6, 22.8e6, 29.9e6],
    upload_bits: [19.2e6, 20.7e6, 5.8e6, 15.7e6, 10.2e6, 11.3e6],
    miners: &[],
    block_bytes: 18_000,
    peers: 8,
    spacing_s: 600,
    published: "no stale rate is given for these numbers; the formula beside the measured one is Decker and Wattenhofer's",
};

static LITECOIN_2015: Geography = Geography {
    name: "litecoin-2015",
    source: "Gervais et al. 2016 and their simulator (regions, twelve pools, blocks of 6.11 kB every 2.5 minutes); latencies and bandwidths as \
             for bitcoin-2015",
    nodes: [0.3661, 0.4791, 0.0149, 0.1022, 0.0238, 0.0139],
    miners: &[
        (0.366, ASIA_PACIFIC),
        (0.314, ASIA_PACIFIC),
        (0.122, ASIA_PACIFIC),
        (0.072, NORTH_AMERICA),
        (0.028, EUROPE),
        (0.024, NORTH_AMERICA),
        (0.022, NORTH_AMERICA),
        (0.018, ASIA_PACIFIC),
        (0.012, NORTH_AMERICA),
        (0.010, NORTH_AMERICA),
        (0.006, NORTH_AMERICA),
        (0.006, NORTH_AMERICA),
    ],
    block_bytes: 6_110,
    spacing_s: 150,
    published: "Gervais et al. 2016 give 0.273 % stale blocks for the real network, which had 800 public nodes",
    ..BITCOIN_2015
};

static DOGECOIN_2015: Geography = Geography {
    name: "dogecoin-2015",
    source: "Gervais et al. 2016 and their simulator (regions, twelve pools, blocks of 8 kB every minute); latencies and bandwidths as for \
             bitcoin-2015",
    nodes: [0.3924, 0.4879, 0.0212, 0.0697, 0.0106, 0.0182],
    miners: &[
        (0.33, ASIA_PACIFIC),
        (0.26, ASIA_PACIFIC),
        (0.19, ASIA_PACIFIC),
        (0.09, NORTH_AMERICA),
        (0.03, EUROPE),
        (0.02, NORTH_AMERICA),
        (0.02, NORTH_AMERICA),
        (0.02, ASIA_PACIFIC),
        (0.01, NORTH_AMERICA),
        (0.01, ASIA_PACIFIC),
        (0.01, NORTH_AMERICA),
        (0.01, NORTH_AMERICA),
    ],
    block_bytes: 8_000,
    spacing_s: 60,
    published: "Gervais et al. 2016 give 0.619 % stale blocks for the real network, which had 600 public nodes",
    ..BITCOIN_2015
};

/// A preset by its name.
pub fn preset(name: &str) -> Option<&'static Geography> {
    PRESETS.into_iter().find(|preset| preset.name == name)
}

impl Geography {
    /// The region of each of so many nodes: the miners stand where they stood, the others are drawn.
    pub fn regions(&self, nodes: usize, random: &mut ChaCha8Rng) -> Vec<usize> {
        let drawn = |random: &mut ChaCha8Rng| {
            let mut draw = uniform(random) * self.nodes.iter().sum::<f64>();
            let region = self.nodes.iter().position(|part| {
                draw -= part;
                draw <= 0.0
            });
            region.unwrap_or(REGIONS - 1)
        };
        (0..nodes).map(|node| self.miners.get(node).map_or_else(|| drawn(random), |(_, region)| *region)).collect()
    }

    /// Each node's part of the hash rate: the miners are the first nodes, the others relay.
    pub fn shares(&self, nodes: usize) -> Vec<f64> {
        if self.miners.is_empty() {
            return vec![1.0; nodes];
        }
        (0..nodes).map(|node| self.miners.get(node).map_or(0.0, |(share, _)| *share)).collect()
    }

    /// Mean delay of a message, milliseconds.
    pub fn delay_ms(&self, from: usize, to: usize) -> f64 {
        self.latency_ms[from][to]
    }

    /// Bytes per second that go from a node in one region to one in another while the sender sends nothing else.
    pub fn bytes_per_second(&self, from: usize, to: usize) -> f64 {
        self.upload_bits[from].min(self.download_bits[to]) / 8.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::rand_core::SeedableRng as _;

    #[test]
    fn tables_are_whole() {
        for preset in PRESETS {
            let nodes: f64 = preset.nodes.iter().sum();
            assert!((nodes - 1.0).abs() < 1e-3, "{}: {nodes} of the nodes", preset.name);
            for (from, row) in preset.latency_ms.iter().enumerate() {
                for (to, latency) in row.iter().enumerate() {
                    assert_eq!(*latency, preset.latency_ms[to][from], "{}: {from} to {to}", preset.name);
                }
            }
            let shares: f64 = preset.miners.iter().map(|(share, _)| share).sum();
            assert!(preset.miners.is_empty() || (shares - 1.0).abs() < 2e-3, "{}: {shares}", preset.name);
            assert_eq!(super::preset(preset.name), Some(preset));
        }
    }

    #[test]
    fn miners_stand_where_they_stood_and_the_rest_as_the_census_says() {
        let mut random = ChaCha8Rng::seed_from_u64(3);
        let regions = BITCOIN_2015.regions(20_000, &mut random);
        assert_eq!(regions[..4], [ASIA_PACIFIC, ASIA_PACIFIC, ASIA_PACIFIC, NORTH_AMERICA]);
        let europe = regions[16..].iter().filter(|region| **region == EUROPE).count() as f64 / 19_984.0;
        // Four standard deviations of 0.0035.
        assert!((europe - 0.5159).abs() < 0.0142, "{europe}");
        assert_eq!(BITCOIN_2015.shares(20).iter().filter(|share| **share > 0.0).count(), 16);
    }
}
