//! The sides of a partition, and what keeps each of them in one piece.

use super::Plan;
use std::collections::BTreeSet;

impl Plan {
    /// Every group of the partition, that of the nodes in no group last; nothing while the network is whole.
    pub fn sides(&self) -> Vec<Vec<String>> {
        if self.partition.is_empty() {
            return Vec::new();
        }
        let members: BTreeSet<&String> = self.partition.iter().flatten().collect();
        let rest: Vec<String> =
            self.nodes.iter().map(|node| &node.name).filter(|name| !members.contains(name)).cloned().collect();
        self.partition.iter().cloned().chain((!rest.is_empty()).then_some(rest)).collect()
    }

    /// The links that a partition needs beside the planned ones: a side that the topology leaves in pieces would be several
    /// sides. They are gone when the partition is healed.
    pub fn bridges(&self) -> Vec<(String, String)> {
        self.sides().iter().flat_map(|side| self.joints(side)).collect()
    }

    /// Who dials whom at this moment: the planned links and the [`Plan::bridges`].
    pub fn dials(&self) -> Vec<(String, String)> {
        self.edges.iter().cloned().chain(self.bridges()).collect()
    }

    /// Links that would make `names` one piece, given the planned links among them: between the first nodes of the pieces.
    pub(super) fn joints(&self, names: &[String]) -> Vec<(String, String)> {
        let mut left: Vec<&String> = names.iter().collect();
        let mut firsts = Vec::new();
        while !left.is_empty() {
            let first = left.remove(0);
            firsts.push(first.clone());
            let mut reached = vec![first];
            while let Some(at) = reached.pop() {
                let (near, far): (Vec<&String>, Vec<&String>) =
                    left.iter().partition(|name| self.neighbours(at).any(|neighbour| neighbour == name.as_str()));
                left = far;
                reached.extend(near);
            }
        }
        firsts.windows(2).map(|pair| (pair[1].clone(), pair[0].clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::topology::Topology;

    #[test]
    fn a_whole_network_needs_nothing() {
        let plan = Plan::standard(5, 1.0, Topology::Ring);
        assert!(plan.sides().is_empty() && plan.bridges().is_empty());
        assert_eq!(plan.dials(), plan.edges);
    }

    #[test]
    fn every_side_of_a_partition_is_in_one_piece() {
        for topology in [Topology::Ring, Topology::Line, Topology::Star, Topology::Mesh, Topology::default()] {
            let mut plan = Plan::standard(50, 1.0, topology);
            let name = |number: usize| format!("node{number}");
            // Far from each other on a ring, and without the centre of a star.
            plan.partition = vec![[3, 10, 20, 30, 40, 49].map(name).to_vec(), [5, 6].map(name).to_vec()];
            assert_eq!(plan.sides().iter().map(Vec::len).collect::<Vec<_>>(), [6, 2, 42]);
            let mut joined = plan.clone();
            joined.edges = plan.dials();
            joined.partition.clear();
            for side in plan.sides() {
                assert!(joined.joints(&side).is_empty(), "{topology}: {side:?} is in pieces");
            }
            for (a, b) in plan.bridges() {
                assert!(!plan.separated(&a, &b), "{topology}: a bridge over the partition, {a}-{b}");
            }
        }
    }
}
