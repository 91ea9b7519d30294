use super::*;

fn experiment(nodes: usize, blocks: usize) -> NetworkExperiment {
    NetworkExperiment {
        nodes,
        blocks,
        seed: 7,
        topology: Topology::RandomK { k: 8, seed: 0 },
        spacing_s: 600,
        links: LinkModel { delay_ms: 100.0, jitter_ms: 20.0, bandwidth: None, block_bytes: 0 },
        partition: None,
        churn: None,
    }
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
        let links = LinkModel { delay_ms: 100.0, jitter_ms: 200.0, bandwidth: None, block_bytes: 0 };
        let churning = NetworkExperiment { links, seed, spacing_s: 10, churn: Some(0.4), ..experiment(60, 30) };
        let outcome = churning.run().unwrap();
        assert_eq!(outcome.behind, 0, "seed {seed}: not all caught up");
        assert!(outcome.height > 15, "seed {seed}: height {}", outcome.height);
    }
    let churning = NetworkExperiment { churn: Some(0.3), ..experiment(20, 30) };
    assert_eq!(churning.run().unwrap().trace_hash, churning.run().unwrap().trace_hash);
}

/// Work is counted in events, so that a busy machine does not matter; the bench `simulator` shows the time.
#[test]
fn events_are_linear_in_blocks_and_nodes() {
    let events = |nodes, blocks| experiment(nodes, blocks).run().unwrap().events as f64;
    let base = events(30, 60);
    assert!((1.5..2.5).contains(&(events(30, 120) / base)), "blocks");
    assert!((1.5..2.5).contains(&(events(60, 60) / base)), "nodes");
}
