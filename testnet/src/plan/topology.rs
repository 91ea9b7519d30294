//! Who dials whom: the preset shapes of a network, as lists of edges between node numbers.
//!
//! Pure functions; [`crate::plan`] turns numbers into names and [`crate::cluster`] into connections.

use rand::RngExt as _;
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
    /// Each node dials `k` others at random, and takes whoever dials it, as Bitcoin Core does with its eight full outbound connections.
    Outbound {
        /// Nodes that each dials.
        k: usize,
        /// As above.
        seed: u64,
    },
    /// Node after node joins and dials `m` that are there, each the likelier the more peers it has (Barabási and Albert 1999): few nodes
    /// have very many peers.
    ScaleFree {
        /// Nodes that each dials.
        m: usize,
        /// As above.
        seed: u64,
    },
    /// A ring in which each node knows its `k` nearest, and one edge in ten leads to a random node instead (Watts and Strogatz 1998).
    SmallWorld {
        /// Peers of a node; an even number.
        k: usize,
        /// As above.
        seed: u64,
    },
}

/// The part of a small world's edges that lead elsewhere.
const REWIRED: f64 = 0.1;

impl Default for Topology {
    fn default() -> Topology {
        Topology::RandomK { k: PEERS_DEFAULT, seed: 1 }
    }
}

/// `ring`, `line`, `star`, `mesh`, `random-k` (four peers) or `random-3` (three), `outbound-8`, `scale-free-4`, `small-world-8`; a seed is
/// given apart.
impl FromStr for Topology {
    type Err = String;
    fn from_str(text: &str) -> Result<Topology, String> {
        match text {
            "ring" => Ok(Topology::Ring),
            "line" => Ok(Topology::Line),
            "star" => Ok(Topology::Star),
            "mesh" => Ok(Topology::Mesh),
            "random-k" => Ok(Topology::default()),
            _ => drawn(text).ok_or_else(|| {
                format!(
                    "no topology {text:?}; use ring, line, star, mesh, random-k or random-3, outbound-8, scale-free-4 or small-world-8 (an even \
                     number)"
                )
            }),
        }
    }
}

/// A shape that is drawn, by its name and a number from 1 to [`NUMBER_MAX`].
fn drawn(text: &str) -> Option<Topology> {
    let (name, number) = text.rsplit_once('-')?;
    let number = number.parse().ok().filter(|number| (1..=NUMBER_MAX).contains(number))?;
    match name {
        "random" => Some(Topology::RandomK { k: number, seed: 1 }),
        "outbound" => Some(Topology::Outbound { k: number, seed: 1 }),
        "scale-free" => Some(Topology::ScaleFree { m: number, seed: 1 }),
        "small-world" if number % 2 == 0 => Some(Topology::SmallWorld { k: number, seed: 1 }),
        _ => None,
    }
}

/// Most peers that a name can ask for.
const NUMBER_MAX: usize = 1_000_000;

impl fmt::Display for Topology {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Topology::Ring => f.write_str("ring"),
            Topology::Line => f.write_str("line"),
            Topology::Star => f.write_str("star"),
            Topology::Mesh => f.write_str("mesh"),
            Topology::RandomK { k, seed } => write!(f, "random-{k} (seed {seed})"),
            Topology::Outbound { k, seed } => write!(f, "outbound-{k} (seed {seed})"),
            Topology::ScaleFree { m, seed } => write!(f, "scale-free-{m} (seed {seed})"),
            Topology::SmallWorld { k, seed } => write!(f, "small-world-{k} (seed {seed})"),
        }
    }
}

impl Topology {
    /// The same shape drawn by another seed; shapes that are not drawn stay as they are.
    pub fn with_seed(self, seed: u64) -> Topology {
        match self {
            Topology::RandomK { k, .. } => Topology::RandomK { k, seed },
            Topology::Outbound { k, .. } => Topology::Outbound { k, seed },
            Topology::ScaleFree { m, .. } => Topology::ScaleFree { m, seed },
            Topology::SmallWorld { k, .. } => Topology::SmallWorld { k, seed },
            fixed @ (Topology::Ring | Topology::Line | Topology::Star | Topology::Mesh) => fixed,
        }
    }

    /// Whether a seed makes a difference.
    pub fn is_drawn(self) -> bool {
        !matches!(self, Topology::Ring | Topology::Line | Topology::Star | Topology::Mesh)
    }

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
            Topology::Outbound { k, seed } => outbound_edges(nodes, k, seed).into_iter().for_each(|(a, b)| add(a, b)),
            Topology::ScaleFree { m, seed } => {
                scale_free_edges(nodes, m, seed).into_iter().for_each(|(a, b)| add(a, b))
            }
            Topology::SmallWorld { k, seed } => {
                small_world_edges(nodes, k, seed).into_iter().for_each(|(a, b)| add(a, b))
            }
        }
        edges.into_iter().collect()
    }
}

/// Each node dials others at random. A node after the first dials one before it, so that nobody is left alone.
fn outbound_edges(nodes: usize, k: usize, seed: u64) -> Vec<(usize, usize)> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut edges = Vec::new();
    for node in 0..nodes {
        let mut dialled = BTreeSet::new();
        if node > 0 {
            dialled.insert(random.random_range(0..node));
        }
        while dialled.len() < k.min(nodes - 1) {
            let other = random.random_range(0..nodes);
            if other != node {
                dialled.insert(other);
            }
        }
        edges.extend(dialled.into_iter().map(|other| (node, other)));
    }
    edges
}

/// Every end of an edge is in the list once: a draw from it finds a node as often as it has peers.
fn scale_free_edges(nodes: usize, m: usize, seed: u64) -> Vec<(usize, usize)> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let (mut edges, mut ends) = (Vec::new(), Vec::new());
    for node in 1..nodes {
        let mut dialled = BTreeSet::new();
        while dialled.len() < m.min(node) {
            // The first nodes know each other: there is nothing to draw from yet.
            let other =
                if node <= m || ends.is_empty() { dialled.len() } else { ends[random.random_range(0..ends.len())] };
            dialled.insert(other);
        }
        for other in dialled {
            edges.push((node, other));
            ends.extend([node, other]);
        }
    }
    edges
}

/// The edges to the next node stay, so that the ring is never cut.
fn small_world_edges(nodes: usize, k: usize, seed: u64) -> Vec<(usize, usize)> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut edges = Vec::new();
    for node in 0..nodes {
        for step in 1..=(k / 2).min(nodes.saturating_sub(1)) {
            let is_rewired = step > 1 && random.random_bool(REWIRED);
            let other = if is_rewired { random.random_range(0..nodes) } else { (node + step) % nodes };
            edges.push((node, other));
        }
    }
    edges
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
        assert_eq!("outbound-8".parse(), Ok(Topology::Outbound { k: 8, seed: 1 }));
        assert_eq!("scale-free-4".parse(), Ok(Topology::ScaleFree { m: 4, seed: 1 }));
        assert_eq!("small-world-6".parse(), Ok(Topology::SmallWorld { k: 6, seed: 1 }));
        for wrong in ["small-world-5", "scale-free", "outbound-0", "torus", "random-0", "random-x", ""] {
            assert!(wrong.parse::<Topology>().is_err(), "{wrong:?}");
        }
    }

    /// What each kind is known for: outbound connections add up to 2k on average, the hubs of a scale-free network have many times the
    /// mean, and a small world is no longer across than a random network of the same degree by much.
    #[test]
    fn drawn_shapes_are_what_they_are_called() {
        let mean = |edges: &[(usize, usize)]| 2.0 * edges.len() as f64 / 1_000.0;
        let most = |edges: &[(usize, usize)]| (0..1_000).map(|node| degree(edges, node)).max().unwrap();
        let outbound = Topology::Outbound { k: 8, seed: 3 }.edges(1_000);
        assert!(
            (15.5..16.0).contains(&mean(&outbound)) && most(&outbound) < 60,
            "{} {}",
            mean(&outbound),
            most(&outbound)
        );
        let free = Topology::ScaleFree { m: 4, seed: 3 }.edges(1_000);
        assert!((7.8..8.1).contains(&mean(&free)) && most(&free) > 60, "{} {}", mean(&free), most(&free));
        let small = Topology::SmallWorld { k: 8, seed: 3 }.edges(1_000);
        assert!((7.9..=8.0).contains(&mean(&small)) && most(&small) < 20, "{} {}", mean(&small), most(&small));
        let far = |edges: &[(usize, usize)]| {
            let (mut seen, mut steps) = (BTreeSet::from([0]), 0);
            while seen.len() < 1_000 {
                let reach = edges.iter().flat_map(|&(a, b)| [(a, b), (b, a)]).filter(|(a, _)| seen.contains(a));
                let next: Vec<usize> = reach.map(|(_, b)| b).collect();
                seen.extend(next);
                steps += 1;
            }
            steps
        };
        assert!(
            far(&small) <= 12 && far(&free) <= 5 && far(&outbound) <= 5,
            "{} {} {}",
            far(&small),
            far(&free),
            far(&outbound)
        );
    }

    proptest! {
        #[test]
        fn all_drawn_shapes_are_connected_and_repeatable(nodes in 1usize..40, half in 1usize..5, seed: u64) {
            for shape in [
                Topology::Outbound { k: half, seed },
                Topology::ScaleFree { m: half, seed },
                Topology::SmallWorld { k: 2 * half, seed },
            ] {
                let edges = shape.edges(nodes);
                prop_assert_eq!(&edges, &shape.edges(nodes));
                prop_assert_eq!(reached(&edges), nodes, "{}", shape);
                prop_assert!(edges.iter().all(|(a, b)| a < b && *b < nodes));
            }
        }

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
