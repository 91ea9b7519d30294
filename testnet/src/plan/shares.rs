//! Hash shares that change while a network lives: who gives way when a node gets more, who takes over when one gets less or goes.

use super::{Plan, Role};

impl Plan {
    /// Gives a node another share. If all shares together would be above 1, the others give way in proportion to what they
    /// have; if the node gives some up, the others take it over in the same proportion.
    ///
    /// # Errors
    /// The node is unknown, the share is outside 0 to 1, or it would leave nothing to the others.
    pub fn set_share(&mut self, name: &str, share: f64) -> Result<(), String> {
        self.known(name)?;
        if !(0.0..=1.0).contains(&share) {
            return Err(format!("{name}: share {share} is outside 0 to 1"));
        }
        let own = self.node(name).map_or(0.0, |node| node.share);
        let others: f64 = self.nodes.iter().filter(|node| node.name != name).map(|node| node.share).sum();
        // All of it, as far as somebody had it: what nobody had stays free.
        let total = (own + others).max(share + others).min(1.0);
        let total = if share < own { own + others } else { total };
        if others > 0.0 {
            let factor = (total - share) / others;
            if factor <= 0.0 {
                return Err(format!("{name}: a share of {share} leaves nothing to the nodes that mine beside it"));
            }
            self.nodes.iter_mut().filter(|node| node.name != name).for_each(|node| node.share *= factor);
        }
        if let Some(node) = self.nodes.iter_mut().find(|node| node.name == name) {
            node.share = share;
            node.role = match node.role {
                Role::Relay if share > 0.0 => Role::Miner,
                Role::Miner if share == 0.0 => Role::Relay,
                other => other,
            };
        }
        Ok(())
    }

    /// Takes a node out: its share goes to the others, and those it connected stay connected.
    ///
    /// # Errors
    /// The node is unknown, or it is the last one.
    pub fn remove(&mut self, name: &str) -> Result<(), String> {
        self.known(name)?;
        if self.nodes.len() == 1 {
            return Err(format!("{name} is the last node; `testoon down` ends the network"));
        }
        self.set_share(name, 0.0)?;
        self.nodes.retain(|node| node.name != name);
        self.edges.retain(|(a, b)| a != name && b != name);
        self.links.retain(|link| link.between.0 != name && link.between.1 != name);
        self.partition.iter_mut().for_each(|group| group.retain(|member| member != name));
        self.partition.retain(|group| !group.is_empty());
        let names: Vec<String> = self.nodes.iter().map(|node| node.name.clone()).collect();
        let joints = self.joints(&names);
        self.edges.extend(joints);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::NodePlan;
    use crate::plan::topology::Topology;

    fn shares(plan: &Plan) -> Vec<f64> {
        plan.nodes.iter().map(|node| (node.share * 1e6).round() / 1e6).collect()
    }

    #[test]
    fn the_others_give_way_and_take_over_in_proportion() {
        let mut plan = Plan::standard(5, 1.0, Topology::Mesh);
        assert_eq!(shares(&plan), [0.4, 0.3, 0.2, 0.1, 0.0]);
        plan.set_share("node0", 0.7).unwrap();
        assert_eq!(shares(&plan), [0.7, 0.15, 0.1, 0.05, 0.0]);
        plan.set_share("node0", 0.4).unwrap();
        assert_eq!(shares(&plan), [0.4, 0.3, 0.2, 0.1, 0.0]);
        // A node that is added gets its share from all.
        plan.nodes.push(NodePlan::relay("late"));
        plan.set_share("late", 0.1).unwrap();
        assert_eq!(shares(&plan), [0.36, 0.27, 0.18, 0.09, 0.0, 0.1]);
        assert_eq!(plan.node("late").unwrap().role, Role::Miner);
        plan.check().unwrap();
        plan.set_share("late", 0.0).unwrap();
        assert_eq!(shares(&plan), [0.4, 0.3, 0.2, 0.1, 0.0, 0.0]);
        assert_eq!(plan.node("late").unwrap().role, Role::Relay);
        plan.check().unwrap();
    }

    #[test]
    fn room_that_is_free_is_used_first() {
        let mut plan = Plan::standard(2, 1.0, Topology::Mesh);
        plan.nodes[0].share = 0.5;
        plan.set_share("node1", 0.25).unwrap();
        assert_eq!(shares(&plan), [0.5, 0.25]);
        plan.set_share("node1", 0.75).unwrap();
        assert_eq!(shares(&plan), [0.25, 0.75]);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let mut plan = Plan::standard(3, 1.0, Topology::Mesh);
        let before = plan.clone();
        assert!(plan.set_share("node0", 1.0).unwrap_err().contains("leaves nothing"));
        assert!(plan.set_share("node9", 0.1).unwrap_err().contains("no node is called"));
        assert!(plan.set_share("node0", 1.5).unwrap_err().contains("outside"));
        assert_eq!(plan, before);
        // Who mines alone may have all of it, or nothing.
        let mut alone = Plan::standard(1, 1.0, Topology::Mesh);
        alone.set_share("node0", 0.0).unwrap();
        alone.set_share("node0", 1.0).unwrap();
        assert!(alone.remove("node0").unwrap_err().contains("last node"));
    }

    #[test]
    fn a_network_without_its_centre_stays_connected() {
        let mut plan = Plan::standard(5, 1.0, Topology::Star);
        plan.partition = vec![vec!["node0".into()], vec!["node1".into(), "node2".into()]];
        plan.remove("node0").unwrap();
        assert_eq!(shares(&plan), [0.5, 0.333_333, 0.166_667, 0.0]);
        let names: Vec<String> = plan.nodes.iter().map(|node| node.name.clone()).collect();
        assert!(plan.joints(&names).is_empty(), "{:?}", plan.edges);
        assert_eq!(plan.partition, [["node1", "node2"]]);
        plan.check().unwrap();
    }
}
