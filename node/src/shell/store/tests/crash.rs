//! A store that dies at every step of what it does opens again at the state before or after the output it was performing.

use super::super::disk::Disk;
use super::*;

/// What a node might ask for: bodies before their parents, commits, a reorganisation, submitted transactions.
fn script() -> (Vec<Arc<CheckedBlock>>, Vec<Output>) {
    let main = chain(4, 100, 1);
    let mut fork = main[..3].to_vec();
    fork.push(block(fork[2].hash(), 3, 900, 2));
    fork.push(block(fork[3].hash(), 4, 901, 0));
    fork.push(block(fork[4].hash(), 5, 902, 0));
    let stored = |block: &Arc<CheckedBlock>| Output::StoreBlock(block.clone());
    let connected = |block: &Arc<CheckedBlock>, tag| Output::StoreUndo(block.hash(), undo(tag));
    let outputs = vec![
        stored(&main[0]),
        commit(&main[..1], 0..2, 0..0),
        Output::StoreTransaction(transaction(1)),
        stored(&main[2]),
        stored(&main[1]),
        connected(&main[1], 1),
        connected(&main[2], 2),
        Output::StoreTransaction(transaction(2)),
        commit(&main[..3], 2..9, 0..2),
        stored(&main[3]),
        connected(&main[3], 3),
        Output::ForgetTransactions(vec![transaction(1).txid()]),
        stored(&fork[3]),
        stored(&fork[4]),
        stored(&fork[5]),
        commit(&main[..4], 9..12, 3..5),
        connected(&fork[3], 4),
        connected(&fork[4], 5),
        connected(&fork[5], 6),
        commit(&fork, 0..4, 5..12),
        stored(&main[4]),
    ];
    (main.into_iter().chain(fork.into_iter().skip(3)).collect(), outputs)
}

fn config() -> StoreConfig {
    StoreConfig { txindex: true, ..StoreConfig::default() }
}

fn reopened(datadir: &Path, known: &[Arc<CheckedBlock>]) -> (DiskStore, Contents) {
    let (store, reader, loaded) = DiskStore::open(datadir, &spec(), &config()).unwrap();
    let contents = contents(reader.as_ref(), &loaded, known);
    (store, contents)
}

/// The contents after each prefix of the script, as a store sees them that is opened after a clean end.
fn clean_prefixes(known: &[Arc<CheckedBlock>], outputs: &[Output]) -> Vec<Contents> {
    let prefix = |length| {
        let directory = scratch();
        let (mut store, reader, _) = DiskStore::open(directory.path(), &spec(), &config()).unwrap();
        perform_all(&mut store, &outputs[..length]);
        drop((store, reader));
        reopened(directory.path(), known).1
    };
    (0..=outputs.len()).map(prefix).collect()
}

/// Runs the script on a disk that fails at step `fail_at`. Returns how many outputs were performed and whether it failed.
fn run_failing(datadir: &Path, outputs: &[Output], fail_at: usize, torn_bytes: usize) -> (usize, bool) {
    let (disk, faults) = Disk::failing(fail_at, torn_bytes);
    let Ok((mut store, _reader, _)) = DiskStore::open_on(disk, datadir, &spec(), &config(), || ()) else {
        return (0, true);
    };
    for (number, output) in outputs.iter().enumerate() {
        if store.perform(output).is_err() {
            assert!(store.perform(output).is_err(), "a store that failed to write takes no more writes");
            return (number, true);
        }
    }
    (outputs.len(), faults.fired())
}

#[test]
fn failing_at_any_step_leaves_the_state_before_or_after_the_output() {
    let (known, outputs) = script();
    let clean = clean_prefixes(&known, &outputs);
    assert!(clean.windows(2).all(|pair| pair[0] != pair[1]), "every output can be told from none");
    // Nothing of the step's write reaches the file, a part of a record's header, a part of its payload, all of it.
    let torn = [0, 30, 90, usize::MAX];
    for fail_at in 0.. {
        let directory = scratch();
        let datadir = directory.path();
        let (performed, failed) = run_failing(datadir, &outputs, fail_at, torn[fail_at % torn.len()]);
        // A second crash while the first is being recovered from.
        let (disk, _) = Disk::failing(fail_at % 7, 10);
        drop(DiskStore::open_on(disk, datadir, &spec(), &config(), || ()));
        let (mut store, found) = reopened(datadir, &known);
        let before = &clean[performed];
        let after = clean.get(performed + 1).unwrap_or(before);
        assert!(found == *before || found == *after, "step {fail_at}, output {performed}: {found:#?}");
        // Repeating the output it died in and going on ends where it would have ended.
        perform_all(&mut store, &outputs[performed..]);
        drop(store);
        let (_store, found) = reopened(datadir, &known);
        assert_eq!(found, clean[outputs.len()], "step {fail_at}, then on");
        if !failed {
            assert!(fail_at > 100, "the script has more steps than {fail_at}");
            break;
        }
    }
}

#[test]
fn failing_at_any_step_of_a_rebuild_starts_it_over() {
    let (known, outputs) = script();
    let source = scratch();
    let (mut store, _, _) = DiskStore::open(source.path(), &spec(), &config()).unwrap();
    perform_all(&mut store, &outputs);
    drop(store);
    let rebuild = StoreConfig { reindex: true, ..config() };
    let copy = || {
        let directory = scratch();
        copy_directory(source.path(), directory.path());
        directory
    };
    let expected = {
        let directory = copy();
        let (_store, reader, loaded) = DiskStore::open(directory.path(), &spec(), &rebuild).unwrap();
        contents(reader.as_ref(), &loaded, &known)
    };
    assert_eq!((expected.blocks.len(), expected.coins.len()), (known.len(), 0));
    for fail_at in 0.. {
        let directory = copy();
        let (disk, faults) = Disk::failing(fail_at, 10);
        drop(DiskStore::open_on(disk, directory.path(), &spec(), &rebuild, || ()));
        if !faults.fired() {
            assert!(fail_at > 10);
            break;
        }
        let (disk, _) = Disk::failing(fail_at / 2, 10);
        drop(DiskStore::open_on(disk, directory.path(), &spec(), &rebuild, || ()));
        // Without being told to again.
        let (_store, reader, loaded) = DiskStore::open(directory.path(), &spec(), &config()).unwrap();
        let found = contents(reader.as_ref(), &loaded, &known);
        // Before its first step has marked the directory, a rebuild has changed nothing.
        assert!(found == expected || found.coins_tip.is_some(), "step {fail_at}: {found:#?}");
        assert_eq!(found.blocks, expected.blocks);
    }
}
