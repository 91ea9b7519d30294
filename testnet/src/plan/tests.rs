use super::*;

#[test]
fn five_standard_nodes_have_the_documented_shares() {
    let plan = Plan::standard(5, 1000.0, Topology::default());
    let shares: Vec<f64> = plan.nodes.iter().map(|node| node.share).collect();
    assert_eq!(shares, [0.4, 0.3, 0.2, 0.1, 0.0]);
    assert_eq!(plan.nodes[4].role, Role::Shop);
    assert_eq!(plan.neighbours("node4").count(), 4);
}

#[test]
fn standard_plans_of_any_size_are_sound() {
    for count in 1..=30 {
        let plan = Plan::standard(count, 1000.0, Topology::default());
        assert_eq!(plan.nodes.len(), count);
        assert_eq!(plan.check(), Ok(()), "{count} nodes");
        let shares: f64 = plan.nodes.iter().map(|node| node.share).sum();
        assert!((shares - 1.0).abs() < 1e-9, "{count} nodes: {shares}");
    }
}

#[test]
fn what_is_wrong_with_a_plan_is_named() {
    let sound = Plan::standard(3, 1000.0, Topology::Mesh);
    let wrong = |change: &dyn Fn(&mut Plan), expected: &str| {
        let mut plan = sound.clone();
        change(&mut plan);
        let error = plan.check().unwrap_err();
        assert!(error.contains(expected), "{error:?} should say {expected:?}");
    };
    wrong(&|plan| plan.nodes.clear(), "1 to 200 nodes");
    wrong(&|plan| plan.nodes[1].name = "node0".into(), "two nodes");
    wrong(&|plan| plan.nodes[1].name = "../etc".into(), "cannot name a node");
    wrong(&|plan| plan.nodes[1].name = "wallets".into(), "cannot name a node");
    wrong(&|plan| plan.nodes[0].share = -0.1, "outside 0 to 1");
    wrong(&|plan| plan.nodes[0].share = f64::NAN, "outside 0 to 1");
    wrong(&|plan| plan.nodes[0].share = 0.0, "a miner needs");
    wrong(&|plan| plan.nodes[0].share = 0.9, "sum to 1.233");
    wrong(&|plan| plan.nodes[0].threads = 0, "1 thread");
    wrong(&|plan| plan.edges[0].1 = "node9".into(), "no node is called \"node9\"; there are node0, node1, node2");
    wrong(&|plan| plan.edges[0].1 = plan.edges[0].0.clone(), "linked to itself");
    wrong(&|plan| plan.partition = vec![vec!["node0".into()], vec!["node0".into()]], "two groups");
    wrong(&|plan| plan.partition = vec![vec!["bob".into()]], "no node is called");
}

#[test]
fn links_have_no_direction_and_perfect_ones_are_forgotten() {
    let mut plan = Plan::standard(3, 1000.0, Topology::Mesh);
    let slow = LinkConditions { delay_ms: 200, ..LinkConditions::default() };
    plan.set_link("node0", "node1", slow);
    assert_eq!(plan.link("node1", "node0"), slow);
    plan.set_link("node1", "node0", LinkConditions::default());
    assert!(plan.links.is_empty());
}

#[test]
fn nodes_in_no_group_form_one_more() {
    let mut plan = Plan::standard(5, 1000.0, Topology::Mesh);
    assert!(!plan.separated("node0", "node1"));
    plan.partition = vec![vec!["node0".into(), "node1".into()]];
    assert!(!plan.separated("node0", "node1"));
    assert!(plan.separated("node1", "node2"));
    assert!(!plan.separated("node2", "node4"));
}

#[test]
fn conditions_read_well() {
    let conditions = LinkConditions { delay_ms: 200, jitter_ms: 20, loss: 0.05, bandwidth: 1_000_000 };
    assert_eq!(conditions.to_string(), "200 ms, ±20 ms, 5% loss, 1000 kB/s");
    assert_eq!(LinkConditions::default().to_string(), "perfect");
}
