use super::*;
use clap::Parser as _;

#[derive(clap::Parser)]
struct Line {
    #[command(flatten)]
    args: SimulateArgs,
}

fn args(line: &str) -> SimulateArgs {
    Line::try_parse_from(std::iter::once("simulate").chain(line.split_whitespace())).unwrap().args
}

#[test]
fn a_seed_repeats_its_run_and_another_does_not() {
    let first = simulate(&args("--nodes 20 --blocks 30 --seed 7")).unwrap();
    let again = simulate(&args("--nodes 20 --blocks 30 --seed 7")).unwrap();
    let other = simulate(&args("--nodes 20 --blocks 30 --seed 8")).unwrap();
    assert_eq!(first.trace_hash, again.trace_hash);
    assert_eq!(first.events, again.events);
    assert_ne!(first.trace_hash, other.trace_hash);
    // Two runs side by side do not disturb each other.
    let together: Vec<String> = std::thread::scope(|scope| {
        let run = || simulate(&args("--nodes 20 --blocks 30 --seed 7")).unwrap().trace_hash;
        let (a, b) = (scope.spawn(run), scope.spawn(run));
        vec![a.join().unwrap(), b.join().unwrap()]
    });
    assert_eq!(together, [first.trace_hash.clone(), first.trace_hash]);
}

#[test]
fn everybody_ends_on_one_tip_and_delay_makes_forks() {
    let calm = simulate(&args("--nodes 30 --blocks 60 --delay-ms 1 --jitter-ms 0")).unwrap();
    assert_eq!((calm.elsewhere, calm.stale_rate), (0, 0.0));
    assert_eq!(calm.height, 60);
    // With links as slow as blocks are frequent, many blocks come too late.
    let slow = simulate(&args("--nodes 30 --blocks 60 --delay-ms 2000 --spacing 10")).unwrap();
    assert!(slow.stale_rate > 0.05 && slow.fork_rate > 0.05, "stale {}, fork {}", slow.stale_rate, slow.fork_rate);
    assert!(slow.propagation_ms[0] > calm.propagation_ms[0]);
}

#[test]
fn block_bytes_take_time_on_links() {
    let small = simulate(&args("--nodes 30 --blocks 20 --bandwidth 1000000")).unwrap();
    let large = simulate(&args("--nodes 30 --blocks 20 --bandwidth 1000000 --block-bytes 1000000")).unwrap();
    assert!(large.propagation_ms[0] > small.propagation_ms[0] + 900.0);
}

#[test]
fn a_partition_forks_deeply_and_heals() {
    let outcome = simulate(&args("--nodes 20 --blocks 60 --partition 10..40")).unwrap();
    assert_eq!(outcome.elsewhere, 0, "the halves did not come together");
    assert!(outcome.reorganisation_max >= 5, "a reorganisation of {}", outcome.reorganisation_max);
}

/// Those who come back catch up, with those who stayed and with each other, also when messages overtake each other.
#[test]
fn nodes_that_leave_come_back_to_the_others_chain() {
    for seed in 1..=8 {
        let line =
            format!("--nodes 60 --blocks 30 --churn 0.4 --seed {seed} --delay-ms 100 --jitter-ms 200 --spacing 10");
        let outcome = simulate(&args(&line)).unwrap();
        assert_eq!(outcome.behind, 0, "{line}: not all caught up");
        assert!(outcome.height > 15, "{line}: height {}", outcome.height);
    }
    let line = "--nodes 20 --blocks 30 --churn 0.3";
    assert_eq!(simulate(&args(line)).unwrap().trace_hash, simulate(&args(line)).unwrap().trace_hash);
}

#[test]
fn odd_values_are_refused() {
    for line in
        ["--nodes 0", "--blocks 0", "--delay-ms -1", "--partition 5..5", "--partition x", "--churn 1", "--churn 0"]
    {
        let words = std::iter::once("simulate").chain(line.split_whitespace());
        assert!(Line::try_parse_from(words).is_err(), "{line} was taken");
    }
}
