use super::*;

fn experiment(nodes: usize, blocks: usize) -> NetworkExperiment {
    NetworkExperiment::new(nodes, blocks)
}

#[test]
fn a_seed_repeats_its_run_and_another_does_not() {
    let first = experiment(20, 30).run().unwrap();
    let again = experiment(20, 30).run().unwrap();
    let other = NetworkExperiment { seed: 8, ..experiment(20, 30) }.run().unwrap();
    assert_eq!(first.trace_hash, again.trace_hash);
    assert_eq!(first.events, again.events);
    assert_ne!(first.trace_hash, other.trace_hash);
    // Two runs side by side do not disturb each other.
    let together: Vec<String> = std::thread::scope(|scope| {
        let run = || experiment(20, 30).run().unwrap().trace_hash;
        let (a, b) = (scope.spawn(run), scope.spawn(run));
        vec![a.join().unwrap(), b.join().unwrap()]
    });
    assert_eq!(together, [first.trace_hash.clone(), first.trace_hash]);
}

#[test]
fn everybody_ends_on_one_tip_and_delay_makes_forks() {
    let links = LinkModel { delay_ms: 1.0, ..LinkModel::INSTANT };
    let calm = NetworkExperiment { links, ..experiment(30, 60) }.run().unwrap();
    assert_eq!((calm.elsewhere, calm.stale_rate), (0, 0.0));
    assert_eq!(calm.height, 60);
    // With links as slow as blocks are frequent, many blocks come too late.
    let links = LinkModel { delay_ms: 2_000.0, ..LinkModel::INSTANT };
    let slow = NetworkExperiment { links, spacing_s: 10, ..experiment(30, 60) }.run().unwrap();
    assert!(slow.stale_rate > 0.05 && slow.fork_rate > 0.05, "stale {}, fork {}", slow.stale_rate, slow.fork_rate);
    assert!(slow.propagation_ms[0] > calm.propagation_ms[0]);
}

#[test]
fn block_bytes_take_time_on_links() {
    let run = |block_bytes| {
        let base = experiment(30, 20);
        let links = LinkModel { bandwidth: Some(1_000_000), block_bytes, ..base.links };
        NetworkExperiment { links, ..base }.run().unwrap()
    };
    let small = run(0);
    let large = run(1_000_000);
    assert!(large.propagation_ms[0] > small.propagation_ms[0] + 900.0);
}

#[test]
fn a_partition_forks_deeply_and_heals() {
    let outcome = NetworkExperiment { partition: Some((10, 40)), ..experiment(20, 60) }.run().unwrap();
    assert_eq!(outcome.elsewhere, 0, "the halves did not come together");
    assert!(outcome.reorganisation_max >= 5, "a reorganisation of {}", outcome.reorganisation_max);
}

/// Those who come back catch up, with those who stayed and with each other, also when messages overtake each other.
#[test]
fn nodes_that_leave_come_back_to_the_others_chain() {
    for seed in 1..=8 {
        let links = LinkModel { delay_ms: 100.0, jitter_ms: 200.0, ..LinkModel::INSTANT };
        let churning = NetworkExperiment { links, seed, spacing_s: 10, churn: Some(0.4), ..experiment(60, 30) };
        let outcome = churning.run().unwrap();
        assert_eq!(outcome.behind, 0, "seed {seed}: not all caught up");
        assert!(outcome.height > 15, "seed {seed}: height {}", outcome.height);
    }
    let churning = NetworkExperiment { churn: Some(0.3), ..experiment(20, 30) };
    assert_eq!(churning.run().unwrap().trace_hash, churning.run().unwrap().trace_hash);
}

/// Links on which an answer takes longer than a node's patience: something is always on its way, and still the work is bounded.
#[test]
fn slow_links_do_not_make_nodes_tick_for_ever() {
    let events = |delay_ms| {
        let links = LinkModel { delay_ms, jitter_ms: 20.0, ..LinkModel::INSTANT };
        let outcome = NetworkExperiment { links, ..experiment(30, 40) }.run().unwrap();
        assert_eq!(outcome.behind, 0, "{delay_ms} ms");
        outcome.events as f64
    };
    let quick = events(100.0);
    for delay_ms in [3_000.0, 5_000.0, 10_000.0] {
        let slow = events(delay_ms);
        assert!(slow < 20.0 * quick, "{delay_ms} ms: {slow} events, {quick} at 100 ms");
    }
}

/// Work is counted in events, so that a busy machine does not matter; the bench `simulator` shows the time.
#[test]
fn events_are_linear_in_blocks_and_nodes() {
    let events = |nodes, blocks| experiment(nodes, blocks).run().unwrap().events as f64;
    let base = events(30, 60);
    assert!((1.5..2.5).contains(&(events(30, 120) / base)), "blocks");
    assert!((1.5..2.5).contains(&(events(60, 60) / base)), "nodes");
}

/// The outside truth of a fork rate is Decker and Wattenhofer's formula over the delays that were measured.
#[test]
fn forks_are_as_frequent_as_the_delays_let_expect() {
    let links = LinkModel { delay_ms: 400.0, jitter_ms: 0.0, ..LinkModel::INSTANT };
    let outcome = NetworkExperiment { links, spacing_s: 60, ..experiment(40, 6_000) }.run().unwrap();
    let (measured, expected) = (outcome.stale_rate, outcome.expected_fork_rate);
    assert!(expected > 0.01, "{expected}");
    // Four standard deviations of the count of stale blocks, and the formula's own bias of one rate squared.
    let tolerance = 4.0 * (expected / 6_000.0).sqrt() + expected * expected;
    assert!((measured - expected).abs() < tolerance, "{measured} of the blocks were stale, {expected} are expected");
}

#[test]
fn nodes_that_only_relay_find_no_blocks() {
    let outcome = NetworkExperiment { miners: 1, ..experiment(20, 40) }.run().unwrap();
    assert_eq!((outcome.height, outcome.stale_rate, outcome.elsewhere), (40, 0.0, 0));
}

#[test]
fn a_measured_network_spreads_large_blocks_in_seconds() {
    let geography = super::super::geography::preset("bitcoin-2015").unwrap();
    let links = LinkModel { geography: Some(geography), block_bytes: geography.block_bytes, ..LinkModel::INSTANT };
    let outcome = NetworkExperiment { links, ..experiment(100, 60) }.run().unwrap();
    assert_eq!(outcome.elsewhere, 0);
    // One copy of a block takes about a second on these uplinks, and a node sends eight one after the other.
    assert!((1_000.0..20_000.0).contains(&outcome.propagation_ms[0]), "{:?}", outcome.propagation_ms);
}

/// What a defence costs: nodes that were apart for longer than it allows never agree again.
#[test]
fn a_reorganisation_limit_keeps_a_partition_apart_for_good() {
    let apart = NetworkExperiment { partition: Some((10, 40)), ..experiment(20, 60) };
    let limited = NetworkExperiment { fork_rules: "reorg-limit=3".parse().unwrap(), ..apart.clone() }.run().unwrap();
    assert!(limited.elsewhere > 0 && limited.reorganisation_max <= 3, "{limited:?}");
    let scored = NetworkExperiment { fork_rules: "mess".parse().unwrap(), ..apart }.run().unwrap();
    assert!(scored.elsewhere > 0, "half against half never has the work that is asked for: {scored:?}");
}

/// Blocks follow the shares of a list, and a fresh node follows the chain to its end.
#[test]
fn shares_by_a_list_find_their_part_and_the_chain_is_judged_again() {
    let experiment = NetworkExperiment { hash_shares: vec![0.0, 3.0, 1.0], ..NetworkExperiment::new(6, 400) };
    assert_eq!(experiment.shares(), [0.0, 3.0, 1.0, 0.0, 0.0, 0.0]);
    for topology in ["outbound-2", "scale-free-2", "small-world-2"] {
        let outcome = NetworkExperiment { topology: topology.parse().unwrap(), ..experiment.clone() }.run().unwrap();
        assert_eq!(outcome.judged_again, outcome.height, "{topology}");
        assert!(outcome.height > 380 && outcome.behind == 0, "{topology}: {outcome:?}");
    }
}
