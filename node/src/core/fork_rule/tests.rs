use super::*;

const HASH: [u8; 3] = [1, 2, 3];

fn hash(byte: u8) -> BlockHash {
    BlockHash::from_bytes([byte; 32])
}

fn work(blocks: u8) -> Work {
    let mut bytes = [0; 32];
    bytes[31] = blocks;
    Work::from_be_bytes(bytes)
}

/// Branches of so many blocks each above height 100, a block a minute, whose rival has `HASH[1]` at every height.
fn asked(active: u8, rival: u8, ask: impl FnOnce(&Rivals<'_>) -> bool) -> bool {
    let branch = |tip, blocks: u8| Branch {
        tip: hash(tip),
        tip_time_s: 1_000_000 + 60 * u32::from(blocks),
        height: 100 + u32::from(blocks),
        work: work(blocks),
    };
    let rival_at = |height| (height <= 100 + u32::from(rival)).then(|| hash(HASH[1]));
    ask(&Rivals {
        fork_height: 100,
        fork_time_s: 1_000_000,
        active: branch(HASH[0], active),
        rival: branch(HASH[1], rival),
        rival_at: &rival_at,
        seed: 7,
    })
}

fn replaces(rules: &str, active: u8, rival: u8) -> bool {
    let rules: ForkRules = rules.parse().unwrap();
    asked(active, rival, |rivals| rules.refusing(rivals).is_none())
}

#[test]
fn a_reorganisation_limit_counts_the_blocks_that_are_undone() {
    for (active, rival, expected) in [(0, 1, true), (3, 4, true), (4, 5, false), (4, 200, false)] {
        assert_eq!(replaces("reorg-limit=3", active, rival), expected, "{active} against {rival}");
    }
    assert!(replaces("reorg-limit=0", 0, 5), "an extension undoes nothing");
}

#[test]
fn scoring_asks_for_more_work_the_longer_ago_the_branches_parted() {
    assert!(replaces("mess", 1, 2));
    // Ten blocks after ten minutes: 134/128 of the work.
    assert!(replaces("mess", 10, 11) && !replaces("mess", 10, 10));
    // A curve that ends after a minute: 31 times the work.
    assert!(replaces("mess=60", 1, 31) && !replaces("mess=60", 1, 30));
    assert!(replaces("mess=60", 0, 1), "an extension has no rival");
}

#[test]
fn a_checkpoint_keeps_what_has_it_and_refuses_what_has_another() {
    let rule = |height, byte| format!("checkpoint={height}:{}", hash(byte));
    assert!(replaces(&rule(101, HASH[1]), 1, 2), "it has the block");
    assert!(!replaces(&rule(101, HASH[2]), 1, 2), "it has another");
    assert!(replaces(&rule(110, HASH[2]), 1, 2), "neither is there yet");
    assert!(!replaces(&rule(103, HASH[2]), 4, 2), "it would leave the checkpoint for a branch that ends below");
}

#[test]
fn ties_are_won_by_half_or_by_the_younger() {
    let fresh: ForkRules = "fresh-tie".parse().unwrap();
    assert!(asked(1, 2, |rivals| fresh.wins_tie(rivals)) && !asked(2, 1, |rivals| fresh.wins_tie(rivals)));
    let uniform: ForkRules = "uniform-tie".parse().unwrap();
    let won = |seed| asked(1, 1, |rivals| uniform.wins_tie(&Rivals { seed, ..*rivals }));
    let wins = (0..10_000).filter(|seed| won(*seed)).count();
    // Five standard deviations of 50 each.
    assert!((4_750..=5_250).contains(&wins), "{wins} of 10000");
    assert_eq!(won(3), won(3));
    let limited: ForkRules = "uniform-tie,reorg-limit=0".parse().unwrap();
    assert!((0..50).all(|seed| !asked(1, 1, |rivals| limited.wins_tie(&Rivals { seed, ..*rivals }))));
}

#[test]
fn texts_are_read_back_and_others_refused() {
    for text in ["reorg-limit=6", "mess", "mess=600", "uniform-tie", "fresh-tie", "mess,uniform-tie", ""] {
        assert_eq!(text.parse::<ForkRules>().unwrap().to_string(), text);
    }
    for text in [
        "mess=0",
        "mess=x",
        "reorg-limit",
        "reorg-limit=-1",
        "checkpoint=5",
        "checkpoint=5:00",
        "none",
        "uniform-tie=2",
    ] {
        assert!(text.parse::<ForkRules>().unwrap_err().to_string().contains("reorg-limit=BLOCKS"), "{text}");
    }
}
