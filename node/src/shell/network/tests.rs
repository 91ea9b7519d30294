//! Networks on 127.0.0.1 that talk to each other in one process. Event-driven: a test waits for inputs, never for time.

mod hostile;
mod links;

use super::*;
use crate::core::event::{
    Acceptance, GossipId, InboundId, Input, Misbehaviour, Output, PeerKey, RequestFailure, RequestId,
};
use crate::core::message::{Gossip, Request, Response};
use crate::shell::input_queue::{self, InputReceiver};
use chain_spec::{Amount, Block, BlockHash, CompactTarget, Header, MerkleRoot, Outpoint, Script, Transaction};
use chain_spec::{TxIn, TxOut, Txid};
use std::sync::Arc;
use tempfile::TempDir;
use tokio::time::Instant;

const CHAIN: [u8; 32] = [7; 32];
/// A test that waits longer than this for an event has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// One network and what it tells its core.
struct Node {
    handle: NetworkHandle,
    inputs: InputReceiver,
    address: String,
    datadir: TempDir,
}
async fn node_in(datadir: TempDir, change: impl FnOnce(&mut NetworkConfig)) -> Node {
    let mut config = NetworkConfig::new(CHAIN, "test", datadir.path());
    config.listen = vec!["127.0.0.1:0".to_owned()];
    change(&mut config);
    let (sender, inputs) = input_queue::channel(1_024, 64 << 20);
    let handle = start(config, sender).await.expect("starts");
    let address = handle.info().await.expect("runs").listen.first().map(ToString::to_string).unwrap_or_default();
    Node { handle, inputs, address, datadir }
}
async fn node_with(change: impl FnOnce(&mut NetworkConfig)) -> Node {
    node_in(tempfile::tempdir().expect("directory"), change).await
}
async fn node() -> Node {
    node_with(|_| {}).await
}
/// Two nodes, the first of which was told to stay connected to the second.
async fn pair() -> (Node, Node) {
    let (mut a, mut b) = (node().await, node().await);
    a.connect(&b).await;
    a.connected().await;
    b.connected().await;
    (a, b)
}
impl Node {
    async fn connect(&self, other: &Node) {
        self.handle.add_node(&other.address).await.expect("added");
    }
    /// The first input that `wanted` picks; others are dropped.
    async fn wait<T>(&mut self, mut wanted: impl FnMut(Input) -> Option<T>) -> T {
        let search = async {
            loop {
                let input = self.inputs.recv().await.expect("the network runs");
                if let Some(found) = wanted(input) {
                    return found;
                }
            }
        };
        tokio::time::timeout(PATIENCE, search).await.expect("in time")
    }
    async fn connected(&mut self) -> PeerKey {
        self.wait(|input| if let Input::PeerConnected { peer, .. } = input { Some(peer) } else { None }).await
    }
    async fn disconnected(&mut self) -> PeerKey {
        self.wait(|input| if let Input::PeerDisconnected { peer } = input { Some(peer) } else { None }).await
    }
    async fn gossip(&mut self) -> (GossipId, Gossip) {
        self.wait(|input| if let Input::Gossip { id, message, .. } = input { Some((id, message)) } else { None }).await
    }
    async fn request(&mut self) -> (InboundId, Request) {
        self.wait(|input| if let Input::Request { id, request, .. } = input { Some((id, request)) } else { None }).await
    }
    async fn answer(&mut self) -> (RequestId, Result<Response, RequestFailure>) {
        self.wait(|input| match input {
            Input::Response { id, response, .. } => Some((id, Ok(response))),
            Input::RequestFailed { id, failure, .. } => Some((id, Err(failure))),
            _ => None,
        })
        .await
    }
    fn publish(&self, n: u32) -> Gossip {
        let message = Gossip::Transaction(Arc::new(transaction(n, 0)));
        self.handle.perform(Output::Publish(message.clone()));
        message
    }
    fn judge(&self, id: GossipId, acceptance: Acceptance) {
        self.handle.perform(Output::GossipAcceptance { id, acceptance });
    }
    fn ask(&self, peer: PeerKey, id: u64, request: Request) {
        self.handle.perform(Output::Request { peer, id: RequestId(id), request });
    }
    /// Asks the network again until it answers as wanted: for what it does not report as an input.
    async fn until(&self, wanted: impl Fn(&NetworkInfo) -> bool) -> NetworkInfo {
        let search = async {
            loop {
                let info = self.handle.info().await.expect("runs");
                if wanted(&info) {
                    return info;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, search).await.expect("in time")
    }
}
fn transaction(n: u32, script_bytes: usize) -> Transaction {
    let script = Script::from_bytes(vec![0; script_bytes]);
    let input = TxIn { outpoint: Outpoint { txid: Txid::from_bytes([1; 32]), index: n }, script, sequence: 0 };
    let output = TxOut { value: Amount::ZERO, script: Script::default() };
    Transaction { version: 1, inputs: vec![input], outputs: vec![output], lock_time: 0 }
}
fn block(n: u32, script_bytes: usize) -> Arc<Block> {
    let (previous, merkle_root) = (BlockHash::ZERO, MerkleRoot::ZERO);
    let header = Header { version: 1, previous, merkle_root, time: n, bits: CompactTarget::from_bits(0), nonce: 0 };
    Arc::new(Block { header, transactions: vec![transaction(n, script_bytes)] })
}

#[tokio::test]
async fn gossip_goes_on_when_it_is_accepted_and_only_then() {
    let (a, mut b) = pair().await;
    let mut c = node().await;
    b.connect(&c).await;
    b.connected().await;
    c.connected().await;
    let ignored = a.publish(1);
    let accepted = a.publish(2);
    for _ in 0..2 {
        let (id, message) = b.gossip().await;
        b.judge(id, if message == ignored { Acceptance::Ignore } else { Acceptance::Accept });
    }
    assert_eq!(c.gossip().await.1, accepted);
}

#[tokio::test]
async fn blocks_and_headers_are_fetched_several_requests_at_a_time() {
    let (mut a, mut b) = (node().await, node().await);
    a.connect(&b).await;
    let peer = a.connected().await;
    let server = tokio::spawn(async move {
        for _ in 0..20 {
            let (id, request) = b.request().await;
            let response = match request {
                Request::Blocks { hashes } => Response::Blocks(hashes.iter().map(|_| block(3, 200_000)).collect()),
                Request::Headers { .. } => Response::Headers(vec![block(4, 0).header]),
                other => panic!("not asked for: {other:?}"),
            };
            b.handle.perform(Output::Respond { id, response });
        }
        b
    });
    for n in 0..20 {
        let headers = Request::Headers { locator: vec![BlockHash::ZERO], stop: BlockHash::ZERO };
        a.ask(
            peer,
            n,
            if n % 2 == 0 {
                Request::Blocks { hashes: vec![BlockHash::ZERO, BlockHash::from_bytes([1; 32])] }
            } else {
                headers
            },
        );
    }
    let mut answered = Vec::new();
    for _ in 0..20 {
        let (id, answer) = a.answer().await;
        let wanted = match id.0 % 2 {
            0 => Response::Blocks(vec![block(3, 200_000), block(3, 200_000)]),
            _ => Response::Headers(vec![block(4, 0).header]),
        };
        assert_eq!(answer, Ok(wanted));
        answered.push(id.0);
    }
    answered.sort_unstable();
    assert_eq!(answered, (0..20).collect::<Vec<u64>>());
    server.await.expect("served");
}

#[tokio::test]
async fn two_nodes_that_dial_each_other_are_one_peer_each() {
    let (mut a, mut b) = (node().await, node().await);
    tokio::join!(a.connect(&b), b.connect(&a));
    let (key_at_a, key_at_b) = (a.connected().await, b.connected().await);
    let peers = a.handle.peers().await;
    assert_eq!((peers.len(), peers[0].key, peers[0].explicit), (1, key_at_a, true));
    assert_eq!(peers[0].peer_id, b.handle.peer_id());
    b.handle.shutdown().await;
    assert_eq!(a.disconnected().await, key_at_a);
    assert_eq!(key_at_b, PeerKey(0));
    assert!(a.inputs.try_recv().is_none(), "one peer, one goodbye");
}

#[tokio::test]
async fn an_explicit_peer_is_dialled_again_when_it_is_lost() {
    let (mut a, mut b) = pair().await;
    b.handle.disconnect_node(&a.handle.peer_id()).await.expect("connected");
    let began = Instant::now();
    a.disconnected().await;
    b.disconnected().await;
    let (again_at_a, again_at_b) = (a.connected().await, b.connected().await);
    assert_eq!((again_at_a, again_at_b), (PeerKey(1), PeerKey(1)), "keys are not used twice");
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    assert!(a.handle.disconnect_node("99").await.is_err());
}

#[tokio::test]
async fn a_peer_that_starts_later_is_found_within_a_moment() {
    let b = node().await;
    let address = b.address.clone();
    b.handle.shutdown().await;
    let mut a = node().await;
    a.handle.add_node(&address).await.expect("added");
    let port = address::to_socket(&address.parse().expect("multiaddr")).expect("tcp").port();
    let mut b = node_in(b.datadir, |config| config.listen = vec![format!("127.0.0.1:{port}")]).await;
    a.connected().await;
    b.connected().await;
}

#[tokio::test]
async fn another_chain_cannot_even_introduce_itself() {
    let stranger = node_with(|config| config.chain_id = [8; 32]).await;
    let (mut a, mut b) = (node().await, node().await);
    a.connect(&stranger).await;
    // Bytes of a peer count for good once it is gone: then the stranger was met and sent away.
    a.until(|info| info.bytes_received > 0 && info.peers == 0).await;
    a.connect(&b).await;
    assert_eq!(a.connected().await, PeerKey(0), "the stranger never was a peer");
    b.connected().await;
    assert_eq!(a.handle.peers().await[0].peer_id, b.handle.peer_id());
    assert!(stranger.handle.peers().await.is_empty());
}

#[tokio::test]
async fn quic_works_like_tcp() {
    let mut b = node_with(|config| config.listen = vec!["/ip4/127.0.0.1/udp/0/quic-v1".to_owned()]).await;
    let mut a = node_with(|config| config.connect = vec![b.address.clone()]).await;
    a.connected().await;
    b.connected().await;
    let message = a.publish(5);
    assert_eq!(b.gossip().await.1, message);
    assert!(a.handle.peers().await[0].address.contains("/quic-v1"));
}

#[tokio::test]
async fn getting_through_translators_does_not_get_in_the_way() {
    let mut b = node_with(|config| config.nat = true).await;
    let mut a = node_with(|config| config.nat = true).await;
    a.connect(&b).await;
    a.connected().await;
    b.connected().await;
    let message = a.publish(5);
    assert_eq!(b.gossip().await.1, message);
}

/// Neither listens; each keeps a place at the relay, and there they find each other.
#[tokio::test]
async fn two_nodes_that_nobody_can_dial_meet_through_a_relay() {
    let mut relay = node_with(|config| config.nat = true).await;
    let hidden = |config: &mut NetworkConfig| {
        config.nat = true;
        config.listen.clear();
    };
    let (mut a, mut b) = (node_with(hidden).await, node_with(hidden).await);
    for node in [&mut a, &mut b] {
        node.connect(&relay).await;
        node.connected().await;
        relay.connected().await;
    }
    let info = b.until(|info| info.listen.iter().any(nat::is_relayed)).await;
    let circuit = info.listen.iter().find(|address| nat::is_relayed(address)).expect("seen just now");
    a.handle.add_node(&circuit.to_string()).await.expect("added");
    a.connected().await;
    b.connected().await;
    let peers = a.handle.peers().await;
    let other = peers.iter().find(|peer| peer.peer_id == b.handle.peer_id()).expect("connected");
    assert!(other.address.contains("/p2p-circuit"), "{}", other.address);
    let message = a.publish(5);
    assert_eq!(b.gossip().await.1, message);
    a.ask(other.key, 1, Request::Mempool);
    let (id, _) = b.request().await;
    b.handle.perform(Output::Respond { id, response: Response::Mempool(vec![Txid::ZERO]) });
    assert_eq!(a.answer().await, (RequestId(1), Ok(Response::Mempool(vec![Txid::ZERO]))));
}

#[tokio::test]
async fn peers_are_found_through_peers() {
    let discover = |config: &mut NetworkConfig| {
        config.discover = true;
        config.mdns = false;
    };
    let mut hub = node_with(discover).await;
    let (mut a, mut b) = (node_with(discover).await, node_with(discover).await);
    a.connect(&hub).await;
    hub.connected().await;
    b.connect(&hub).await;
    hub.connected().await;
    for node in [&mut a, &mut b] {
        node.connected().await;
        node.connected().await;
    }
    assert!(a.handle.peers().await.iter().any(|peer| peer.peer_id == b.handle.peer_id()));
}

#[tokio::test]
async fn a_port_that_is_taken_is_named_with_the_remedy() {
    let first = node().await;
    let taken = address::to_socket(&first.address.parse().expect("multiaddr")).expect("tcp");
    let datadir = tempfile::tempdir().expect("directory");
    let mut config = NetworkConfig::new(CHAIN, "test", datadir.path());
    config.listen = vec![taken.to_string()];
    let error = start(config, input_queue::channel(1, 1).0).await.expect_err("taken").to_string();
    assert!(error.contains(&taken.to_string()) && error.contains("--p2p-listen"), "{error}");
}

#[tokio::test]
async fn shutdown_says_goodbye_frees_the_port_and_the_name_stays() {
    let (a, mut b) = pair().await;
    let port = address::to_socket(&a.address.parse().expect("multiaddr")).expect("tcp").port();
    let name = a.handle.peer_id();
    let began = Instant::now();
    a.handle.shutdown().await;
    assert!(began.elapsed() < Duration::from_secs(1));
    b.disconnected().await;
    assert!(matches!(a.handle.info().await, Err(NetworkError::Stopped)));
    let again = node_in(a.datadir, |config| config.listen = vec![format!("127.0.0.1:{port}")]).await;
    assert_eq!(again.handle.peer_id(), name);
    assert_eq!(again.handle.info().await.expect("runs").known_peers, 1, "the address book was kept");
}

#[tokio::test]
async fn a_ban_disconnects_keeps_out_and_can_be_lifted() {
    let (mut a, mut b) = pair().await;
    let name = a.handle.peer_id();
    b.handle.set_ban(&name, u64::MAX, "test").await.expect("banned");
    a.disconnected().await;
    b.disconnected().await;
    assert_eq!(b.handle.list_banned().await[0].subject.to_string(), name);
    // `a` dials on; every dial ends at the policy until the ban is lifted.
    b.handle.remove_ban(&name).await.expect("lifted");
    assert!(b.handle.list_banned().await.is_empty());
    a.connected().await;
    b.connected().await;
    assert!(b.handle.set_ban("nobody", 1, "test").await.is_err());
}

#[tokio::test]
async fn a_broken_rule_costs_the_connection_and_is_remembered() {
    let (mut a, mut b) = (node().await, node().await);
    a.connect(&b).await;
    let key = b.connected().await;
    a.connected().await;
    b.handle.perform(Output::Misbehaviour { peer: key, misbehaviour: Misbehaviour::BrokeRule("high-hash") });
    assert_eq!(b.disconnected().await, key);
    a.disconnected().await;
    let bans = b.handle.list_banned().await;
    assert_eq!(bans[0].subject.to_string(), a.handle.peer_id());
    assert!(bans[0].reason.contains("high-hash"));
    assert_eq!(bans[0].until_s - bans[0].created_s, score::BAN_LOOPBACK_S);
}

#[tokio::test]
async fn whoever_leaves_before_the_core_has_judged_is_kept_out_all_the_same() {
    let (a, mut b) = (node().await, node().await);
    a.connect(&b).await;
    let key = b.connected().await;
    a.handle.shutdown().await;
    assert_eq!(b.disconnected().await, key);
    b.handle.perform(Output::Misbehaviour { peer: key, misbehaviour: Misbehaviour::BrokeRule("bad-blk-length") });
    assert_eq!(b.handle.list_banned().await[0].subject.to_string(), a.handle.peer_id());
}

#[tokio::test]
async fn a_peer_asked_for_by_name_is_disconnected_but_not_kept_out() {
    let (mut a, mut b) = (node().await, node().await);
    a.connect(&b).await;
    let key = a.connected().await;
    a.handle.perform(Output::Misbehaviour { peer: key, misbehaviour: Misbehaviour::BrokeRule("high-hash") });
    a.disconnected().await;
    assert!(a.handle.list_banned().await.is_empty());
    a.connected().await;
    let peer = a.handle.peers().await.remove(0);
    assert_eq!(peer.offences, 1);
    assert!(peer.score < -99.0, "{}", peer.score);
    b.connected().await;
}

#[tokio::test]
async fn inbound_places_are_limited_and_the_longest_connected_stay() {
    let mut hub = node_with(|config| config.inbound_max = 2).await;
    let (mut first, mut second, mut third) = (node().await, node().await, node().await);
    first.connect(&hub).await;
    first.connected().await;
    let first_key = hub.connected().await;
    second.handle.try_node_once(&hub.address).await.expect("dialled");
    second.connected().await;
    let second_key = hub.connected().await;
    third.handle.try_node_once(&hub.address).await.expect("dialled");
    assert_eq!(hub.disconnected().await, second_key, "the one that came last gives way");
    second.disconnected().await;
    third.connected().await;
    hub.connected().await;
    let keys: Vec<PeerKey> = hub.handle.peers().await.iter().map(|peer| peer.key).collect();
    assert!(keys.contains(&first_key) && keys.len() == 2, "{keys:?}");
}

/// Two nodes on copies of one data directory.
#[tokio::test]
async fn a_node_with_the_same_identity_is_named_with_the_remedy_and_an_own_address_is_not_taken_for_one() {
    let a = node().await;
    let copy = tempfile::tempdir().expect("directory");
    std::fs::copy(a.datadir.path().join(identity::FILE_NAME), copy.path().join(identity::FILE_NAME)).expect("copied");
    let b = node_in(copy, |_| ()).await;
    assert_eq!(a.handle.peer_id(), b.handle.peer_id());
    for (node, other) in [(&a, &b), (&b, &a)] {
        let error = node.handle.add_node(&other.address).await.expect_err("they cannot connect").to_string();
        assert!(error.contains("has the identity of this node") && error.contains("delete identity.key"), "{error}");
        let peers = node.handle.peers().await;
        let warning = peers[0].warning.as_deref().unwrap_or_default();
        assert!(peers.len() == 1 && peers[0].connections == 0 && warning.contains("delete identity.key"), "{peers:?}");
        let info = node.handle.info().await.expect("runs");
        assert_eq!(info.peers, 0, "it is no peer");
        assert!(info.warnings[0].contains("delete identity.key"), "{:?}", info.warnings);
    }
    let alone = node().await;
    let error = alone.handle.add_node(&alone.address).await.expect_err("itself").to_string();
    assert!(error.contains("is this node itself"), "{error}");
    assert!(alone.handle.info().await.expect("runs").warnings.is_empty());
    assert!(alone.handle.peers().await.is_empty());
}
