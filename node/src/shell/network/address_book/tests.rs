use super::*;

fn at(text: &str) -> Multiaddr {
    address::parse(text).expect("address")
}
fn book(datadir: &Path) -> AddressBook {
    AddressBook::load(datadir).expect("loads")
}
fn stranger(from: &str) -> Source {
    Source::Itself(Group::of(from.parse().expect("ip")))
}

#[test]
fn tried_peers_addresses_and_points_survive_a_restart() {
    let dir = tempfile::tempdir().expect("directory");
    let (good, bad) = (PeerId::random(), PeerId::random());
    let mut before = book(dir.path());
    before.heard(good, &[at("8.8.8.8:1"), at("8.8.8.8:2"), at("8.8.8.8:1")], stranger("8.8.8.8"), 100);
    before.connected(good, Some(&at("8.8.8.8:3")), 100);
    before.heard(bad, &[at("9.9.9.9:9")], stranger("9.9.9.9"), 100);
    assert_eq!(before.scores.add(bad, 60.0, 100), 60.0);
    before.save().expect("saved");
    let after = book(dir.path());
    let addresses = vec![at("8.8.8.8:3"), at("8.8.8.8:1"), at("8.8.8.8:2")];
    assert_eq!(after.candidates(200), vec![(good, addresses)], "a peer with points is not dialled");
    assert_eq!((after.scores.points(&bad, 100), after.scores.points(&bad, 700)), (60.0, 30.0));
    assert_eq!((after.key, after.len(), after.tried.len()), (before.key, 2, 1));
}

/// The attack: thousands of identities from one address that dial us, each with made-up addresses all over the internet.
#[test]
fn one_source_fills_its_buckets_only_and_displaces_nobody() {
    let dir = tempfile::tempdir().expect("directory");
    let mut victim = book(dir.path());
    let friends: Vec<PeerId> = (0..20).map(|_| PeerId::random()).collect();
    for (number, friend) in friends.iter().enumerate() {
        victim.connected(*friend, Some(&at(&format!("{}.1.1.1:8333", 20 + number))), 1_000);
        victim.disconnected(friend);
    }
    let kept: Vec<PeerId> = friends.iter().copied().filter(|friend| victim.records.contains_key(friend)).collect();
    assert!(kept.len() >= 18, "{} of 20 got a place", kept.len());
    victim.set_anchors(kept[..2].to_vec());
    for number in 0..20_000_u64 {
        let claimed = at(&format!("{}.{}.7.7:1", 1 + number % 200, number / 200));
        let attacker = PeerId::random();
        victim.heard(attacker, &[claimed], stranger("66.66.1.1"), 2_000 + number);
        victim.connected(attacker, None, 2_000 + number);
        victim.disconnected(&attacker);
    }
    let strangers = victim.len() - kept.len();
    assert!(strangers <= (NEW_BUCKETS_PER_SOURCE * BUCKET_PEERS_MAX) as usize, "{strangers}");
    victim.save().expect("saved");
    let restarted = book(dir.path());
    let candidates: Vec<PeerId> = restarted.candidates(30_000).into_iter().map(|(peer, _)| peer).collect();
    assert_eq!(candidates[..2], kept[..2], "the anchors are dialled first");
    assert!(kept.iter().all(|friend| candidates.contains(friend)), "all friends are still there");
    let first: Vec<&PeerId> = candidates[..2 * kept.len()].iter().filter(|peer| kept.contains(peer)).collect();
    assert!(first.len() >= kept.len() / 2, "every second dial at least goes to a peer that was tried");
}

#[test]
fn kademlia_and_the_local_network_are_one_source_each() {
    let dir = tempfile::tempdir().expect("directory");
    let mut book = book(dir.path());
    for source in [Source::Kademlia, Source::LocalNetwork] {
        let before = book.len();
        for number in 0..10_000 {
            let claimed = at(&format!("{}.{}.7.7:1", 1 + number % 200, number / 200));
            book.heard(PeerId::random(), &[claimed], source, 5);
        }
        assert!(book.len() - before <= (NEW_BUCKETS_PER_SOURCE * BUCKET_PEERS_MAX) as usize);
    }
}

/// Two tried peers with one place.
fn contenders(book: &AddressBook) -> (PeerId, PeerId, Multiaddr) {
    let address = at("8.8.8.8:1");
    let group = Group::of("8.8.8.8".parse().expect("ip"));
    let first = PeerId::random();
    let place = book.tried_place(&first, group);
    let second = std::iter::repeat_with(PeerId::random).find(|peer| book.tried_place(peer, group) == place);
    (first, second.expect("endless"), address)
}

#[test]
fn a_tried_peer_is_tested_before_it_gives_way() {
    let dir = tempfile::tempdir().expect("directory");
    let mut book = book(dir.path());
    let (holder, newcomer, address) = contenders(&book);
    book.connected(holder, Some(&address), 100);
    book.disconnected(&holder);
    book.heard(newcomer, std::slice::from_ref(&address), stranger("8.8.8.8"), 100);
    book.connected(newcomer, Some(&address), 200);
    assert!(!book.records[&newcomer].tried, "not yet");
    let (tested, _) = book.next_test(300).expect("a test is due");
    assert_eq!(tested, holder);
    // It answers, and keeps its place.
    book.dialled(holder, 300);
    book.connected(holder, Some(&address), 301);
    book.disconnected(&holder);
    assert!(book.records[&holder].tried && book.next_test(1_000).is_none());
    // The next time it does not.
    book.connected(newcomer, Some(&address), 1_000);
    assert_eq!(book.next_test(1_000).expect("a test is due").0, holder);
    book.dialled(holder, 1_000);
    assert!(book.next_test(1_001).is_none(), "one test at a time");
    book.failed(&holder, 1_001);
    assert!(book.records[&newcomer].tried && !book.records.contains_key(&holder));
}

#[test]
fn a_connected_peer_keeps_its_place_whatever_is_known_of_it() {
    let dir = tempfile::tempdir().expect("directory");
    let mut book = book(dir.path());
    let (holder, newcomer, address) = contenders(&book);
    book.connected(holder, Some(&address), 100);
    book.connected(newcomer, Some(&address), 100 + 2 * HORIZON_S);
    assert!(book.records[&holder].tried);
    assert!(book.next_test(100 + 3 * HORIZON_S).is_none(), "a connected peer needs no test");
}

#[test]
fn a_new_peer_that_is_of_no_use_gives_way() {
    let dir = tempfile::tempdir().expect("directory");
    let mut book = book(dir.path());
    let (address, source) = (at("8.8.8.8:1"), Source::Kademlia);
    let group = Group::of("8.8.8.8".parse().expect("ip"));
    let first = PeerId::random();
    let place = book.new_place(&first, group, source);
    let mut others = std::iter::repeat_with(PeerId::random).filter(|peer| book.new_place(peer, group, source) == place);
    let (second, third) = (others.next().expect("endless"), others.next().expect("endless"));
    drop(others);
    book.heard(first, std::slice::from_ref(&address), source, 100);
    book.heard(second, std::slice::from_ref(&address), source, 200);
    assert!(book.records.contains_key(&first) && !book.records.contains_key(&second));
    for _ in 0..FAILURES_UNREACHED_MAX {
        book.failed(&first, 300);
    }
    book.heard(second, std::slice::from_ref(&address), source, 400);
    assert!(!book.records.contains_key(&first) && book.records.contains_key(&second));
    book.heard(third, std::slice::from_ref(&address), source, 401 + HORIZON_S);
    assert!(book.records.contains_key(&third), "nobody told of the second for a month");
}

#[test]
fn only_a_peer_itself_adds_addresses_to_what_is_known_of_it() {
    let dir = tempfile::tempdir().expect("directory");
    let mut book = book(dir.path());
    let peer = PeerId::random();
    book.connected(peer, Some(&at("8.8.8.8:1")), 100);
    book.heard(peer, &[at("6.6.6.6:6")], Source::Kademlia, 100);
    book.heard(peer, &[at("7.7.7.7:7")], stranger("8.8.8.8"), 100);
    book.heard(PeerId::random(), &[at("0.0.0.0:1")], Source::Kademlia, 100);
    assert_eq!(book.candidates(200), vec![(peer, vec![at("8.8.8.8:1"), at("7.7.7.7:7")])]);
}

#[test]
fn a_damaged_file_is_an_error_that_is_not_hidden() {
    let dir = tempfile::tempdir().expect("directory");
    std::fs::write(dir.path().join(FILE_NAME), b"{\"x").expect("written");
    assert!(AddressBook::load(dir.path()).is_err());
}
