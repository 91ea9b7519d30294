//! Links that misbehave on purpose.

use super::*;

fn slow(delay_ms: u32) -> LinkConditions {
    LinkConditions { delay_ms, ..LinkConditions::default() }
}

#[tokio::test]
async fn a_partition_parts_and_a_healed_one_meets_again_at_once() {
    let (mut a, mut b) = pair().await;
    let blocked = LinkConditions { blocked: true, ..LinkConditions::default() };
    a.handle.set_link(&b.handle.peer_id(), blocked).await.expect("set");
    a.disconnected().await;
    b.disconnected().await;
    // The other side cannot break the partition either.
    b.handle.try_node_once(&a.address).await.expect("dialled");
    assert!(a.handle.links().iter().any(|(peer, link)| peer.as_deref() == Some(&b.handle.peer_id()) && link.blocked));
    assert!(a.handle.peers().await.is_empty());
    let healed = Instant::now();
    a.handle.set_link(&b.handle.peer_id(), LinkConditions::default()).await.expect("set");
    a.connected().await;
    b.connected().await;
    assert!(healed.elapsed() < Duration::from_secs(1), "{:?}", healed.elapsed());
    let message = a.publish(1);
    assert_eq!(b.gossip().await.1, message);
}

#[tokio::test]
async fn a_delay_holds_for_what_arrives_and_keeps_order_and_pipelining() {
    let (a, mut b) = pair().await;
    b.handle.set_link(&a.handle.peer_id(), slow(200)).await.expect("set");
    let began = Instant::now();
    let sent: Vec<Gossip> = (0..10).map(|n| a.publish(n)).collect();
    for message in &sent {
        assert_eq!(&b.gossip().await.1, message);
    }
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(200) && took < Duration::from_millis(1_500), "{took:?}");
    b.handle.set_link(&a.handle.peer_id(), slow(0)).await.expect("set");
    let message = a.publish(11);
    assert_eq!(b.gossip().await.1, message);
}

#[tokio::test]
async fn bandwidth_limits_what_every_link_without_its_own_conditions_carries() {
    let (mut a, mut b) = (node().await, node().await);
    a.connect(&b).await;
    let peer = a.connected().await;
    let limited = LinkConditions { bandwidth_bytes_per_s: 1_000_000, ..LinkConditions::default() };
    a.handle.set_link("*", limited).await.expect("set");
    let began = Instant::now();
    a.ask(peer, 1, Request::Blocks { hashes: vec![BlockHash::ZERO] });
    let (id, _) = b.request().await;
    b.handle.perform(Output::Respond { id, response: Response::Blocks(vec![block(1, 300_000)]) });
    assert_eq!(a.answer().await.1, Ok(Response::Blocks(vec![block(1, 300_000)])));
    assert!(began.elapsed() >= Duration::from_millis(300), "{:?}", began.elapsed());
    let peers = a.handle.peers().await;
    assert!(peers[0].bytes_received > 300_000 && peers[0].link == limited);
}

#[tokio::test]
async fn conditions_that_make_no_sense_are_refused() {
    let a = node().await;
    let lossy = LinkConditions { loss: 1.5, ..LinkConditions::default() };
    assert!(a.handle.set_link("*", lossy).await.is_err());
    let error = a.handle.set_link("*", slow(link::DELAY_MS_MAX + 1)).await.expect_err("too slow").to_string();
    assert!(error.contains("10000 ms"), "{error}");
    a.handle.set_link("*", slow(link::DELAY_MS_MAX)).await.expect("just right");
    assert!(a.handle.set_link("nobody", slow(1)).await.is_err());
}
