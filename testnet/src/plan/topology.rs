//! Who dials whom: the preset shapes of a network, as lists of edges between node numbers.
//!
//! Pure functions; [`crate::plan`] turns numbers into names and [`crate::cluster`] into connections.

use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng as _;
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// Peers that a node of the default network has, if there are as many nodes.
pub const PEERS_DEFAULT: usize = 4;

/// A shape for any number of nodes. Every shape is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topology {
    /// Each node with the next, the last with the first.
    Ring,
    /// Each node with the next.
    Line,
    /// The first node with every other.
    Star,
    /// Every node with every other.
    Mesh,
    /// A ring in random order, filled up with random edges until each node has at least `k` peers.
    RandomK {
        /// Peers of a node, at least.
        k: usize,
        /// The same seed gives the same edges on every machine.
        seed: u64,
    },
}

impl Default for Topology {
    fn default() -> Topology {
        Topology::RandomK { k: PEERS_DEFAULT, seed: 1 }
    }
}

/// `ring`, `line`, `star`, `mesh`, `random-k` (four peers) or `random-3` (three); a seed is given apart.
impl FromStr for Topology {
    type Err = String;
    fn from_str(text: &str) -> Result<Topology, String> {
        match text {
            "ring" => Ok(Topology::Ring),
            "line" => Ok(Topology::Line),
            "star" => Ok(Topology::Star),
            "mesh" => Ok(Topology::Mesh),
            "random-k" => Ok(Topology::default()),
            _ => match text.strip_prefix("random-").map(str::parse) {
                Some(Ok(k)) if k >= 1 => Ok(Topology::RandomK { k, seed: 1 }),
                _ => Err(format!("no topology {text:?}; use ring, line, star, mesh, random-k or random-3")),
            },
        }
    }
}

impl fmt::Display for Topology {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Topology::Ring => f.write_str("ring"),
            Topology::Line => f.write_str("line"),
            Topology::Star => f.write_str("star"),
            Topology::Mesh => f.write_str("mesh"),
            Topology::RandomK { k, seed } => write!(f, "random-{k} (seed {seed})"),
        }
    }
}

impl Topology {
    /// The edges between `nodes` nodes, each once, lower number first, sorted.
    pub fn edges(self, nodes: usize) -> Vec<(usize, usize)> {
        let mut edges = BTreeSet::new();
        let mut add = |a: usize, b: usize| {
            if a != b {
                edges.insert((a.min(b), a.max(b)));
            }
        };
        match self {
            Topology::Line => (1..nodes).for_each(|node| add(node - 1, node)),
            Topology::Ring => (0..nodes).for_each(|node| add(node, (node + 1) % nodes)),
            Topology::Star => (1..nodes).for_each(|node| add(0, node)),
            Topology::Mesh => (0..nodes).for_each(|a| (a + 1..nodes).for_each(|b| add(a, b))),
            Topology::RandomK { k, seed } => return random_edges(nodes, k, seed),
        }
        edges.into_iter().collect()
    }
}

fn random_edges(nodes: usize, k: usize, seed: u64) -> Vec<(usize, usize)> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut order: Vec<usize> = (0..nodes).collect();
    order.shuffle(&mut random);
    let mut peers = vec![BTreeSet::new(); nodes];
    let connect = |peers: &mut Vec<BTreeSet<usize>>, a: usize, b: usize| {
        if a != b {
            peers[a].insert(b);
            peers[b].insert(a);
        }
    };
    for place in 0..nodes {
        connect(&mut peers, order[place], order[(place + 1) % nodes]);
    }
    let k = k.min(nodes.saturating_sub(1));
    for &node in &order {
        // The least connected strangers first, in random order among equals: degrees stay close to k.
        let mut strangers: Vec<usize> =
            (0..nodes).filter(|other| *other != node && !peers[node].contains(other)).collect();
        strangers.shuffle(&mut random);
        strangers.sort_by_key(|&stranger| peers[stranger].len());
        let missing = k.saturating_sub(peers[node].len());
        for &stranger in strangers.iter().take(missing) {
            connect(&mut peers, node, stranger);
        }
    }
    let both_ways = peers.iter().enumerate().flat_map(|(a, others)| others.iter().map(move |&b| (a, b)));
    both_ways.filter(|(a, b)| a < b).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn degree(edges: &[(usize, usize)], node: usize) -> usize {
        edges.iter().filter(|(a, b)| *a == node || *b == node).count()
    }

    fn reached(edges: &[(usize, usize)]) -> usize {
        let mut seen = BTreeSet::from([0]);
        loop {
            let more: Vec<usize> = edges
                .iter()
                .flat_map(|&(a, b)| [(a, b), (b, a)])
                .filter(|(a, b)| seen.contains(a) && !seen.contains(b))
                .map(|(_, b)| b)
                .collect();
            if more.is_empty() {
                return seen.len();
            }
            seen.extend(more);
        }
    }

    #[test]
    fn presets_have_their_shape() {
        assert_eq!(Topology::Line.edges(4), [(0, 1), (1, 2), (2, 3)]);
        assert_eq!(Topology::Ring.edges(4), [(0, 1), (0, 3), (1, 2), (2, 3)]);
        assert_eq!(Topology::Ring.edges(2), [(0, 1)]);
        assert_eq!(Topology::Star.edges(4), [(0, 1), (0, 2), (0, 3)]);
        assert_eq!(Topology::Mesh.edges(5).len(), 10);
        assert_eq!(Topology::default().edges(5).len(), 10, "five default nodes all know each other");
        for preset in [Topology::Ring, Topology::Line, Topology::Star, Topology::Mesh, Topology::default()] {
            assert!(preset.edges(1).is_empty(), "{preset}: a node alone has nobody to dial");
            assert!(preset.edges(0).is_empty());
        }
    }

    #[test]
    fn names_are_read_and_unknown_ones_refused() {
        assert_eq!("random-3".parse(), Ok(Topology::RandomK { k: 3, seed: 1 }));
        for wrong in ["torus", "random-0", "random-x", ""] {
            assert!(wrong.parse::<Topology>().is_err(), "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn random_networks_are_connected_repeatable_and_have_k_peers(nodes in 1usize..40, k in 1usize..8, seed: u64) {
            let shape = Topology::RandomK { k, seed };
            let edges = shape.edges(nodes);
            prop_assert_eq!(&edges, &shape.edges(nodes));
            prop_assert_eq!(reached(&edges), nodes);
            for node in 0..nodes {
                prop_assert!(degree(&edges, node) >= k.min(nodes - 1));
            }
        }
    }
}
