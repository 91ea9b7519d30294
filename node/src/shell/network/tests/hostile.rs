//! Peers that do not keep to the protocol, with real sockets.

use super::*;
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, StreamExt};
use libp2p::request_response::{self, Codec, Message, ProtocolSupport};
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{Multiaddr, PeerId, StreamProtocol, Swarm, gossipsub, identify, identity};
use std::io;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

/// Says and answers whatever bytes it is told to.
#[derive(Clone)]
struct RawCodec;
impl Codec for RawCodec {
    type Protocol = StreamProtocol;
    type Request = Vec<u8>;
    type Response = Vec<u8>;
    async fn read_request<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
    ) -> io::Result<Vec<u8>> {
        let mut head = vec![0; 5];
        io.read_exact(&mut head).await.map(|()| head)
    }
    async fn read_response<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
    ) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        io.read_to_end(&mut bytes).await.map(|_| bytes)
    }
    async fn write_request<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        bytes: Vec<u8>,
    ) -> io::Result<()> {
        io.write_all(&bytes).await
    }
    async fn write_response<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        bytes: Vec<u8>,
    ) -> io::Result<()> {
        io.write_all(&bytes).await
    }
}
#[derive(NetworkBehaviour)]
struct RogueBehaviour {
    requests: request_response::Behaviour<RawCodec>,
    gossip: gossipsub::Behaviour,
    identify: identify::Behaviour,
}
struct Rogue {
    swarm: Swarm<RogueBehaviour>,
    names: behaviour::ChainNames,
    /// What it answers any request with; nothing: it never answers.
    answer: Option<Vec<u8>>,
    unanswered: Vec<request_response::ResponseChannel<Vec<u8>>>,
}
impl Rogue {
    /// Connected to `victim`, and introduced.
    async fn at(victim: &mut Node) -> (Self, PeerKey) {
        let key = identity::Keypair::generate_ed25519();
        let names = behaviour::ChainNames::new(&CHAIN, "test");
        let config = gossipsub::ConfigBuilder::default()
            .protocol_id_prefix(format!("/testoon/{}/gossip", names.id))
            .validation_mode(gossipsub::ValidationMode::Anonymous)
            .build()
            .expect("config");
        let mut gossip = gossipsub::Behaviour::new(gossipsub::MessageAuthenticity::Anonymous, config).expect("gossip");
        gossip.subscribe(&names.transactions).expect("subscribed");
        gossip.subscribe(&names.blocks).expect("subscribed");
        let requests = request_response::Behaviour::with_codec(
            RawCodec,
            [(names.request.clone(), ProtocolSupport::Full)],
            request_response::Config::default(),
        );
        let identify = identify::Behaviour::new(identify::Config::new(names.identify.clone(), key.public()));
        let (transport, _) = behaviour::transport(&key, Arc::default(), false).expect("transport");
        let swarm_config =
            libp2p::swarm::Config::with_tokio_executor().with_idle_connection_timeout(Duration::from_secs(60));
        let behaviour = RogueBehaviour { requests, gossip, identify };
        let mut swarm = Swarm::new(transport, behaviour, key.public().to_peer_id(), swarm_config);
        swarm.dial(victim.address.parse::<Multiaddr>().expect("multiaddr")).expect("dials");
        let mut rogue = Self { swarm, names, answer: None, unanswered: Vec::new() };
        let peer = rogue.run_until(victim.connected()).await;
        while !rogue.swarm.behaviour().gossip.all_peers().any(|(_, topics)| topics.len() == 2) {
            let event = rogue.swarm.select_next_some().await;
            rogue.on_event(event);
        }
        (rogue, peer)
    }
    fn victim(&self) -> PeerId {
        *self.swarm.connected_peers().next().expect("connected")
    }
    /// Misbehaves as told while something is waited for.
    async fn run_until<T>(&mut self, what: impl Future<Output = T>) -> T {
        tokio::pin!(what);
        loop {
            tokio::select! {
                done = &mut what => return done,
                event = self.swarm.select_next_some() => self.on_event(event),
            }
        }
    }
    fn on_event(&mut self, event: SwarmEvent<RogueBehaviourEvent>) {
        let SwarmEvent::Behaviour(RogueBehaviourEvent::Requests(request_response::Event::Message {
            message: Message::Request { channel, .. },
            ..
        })) = event
        else {
            return;
        };
        match &self.answer {
            Some(bytes) => drop(self.swarm.behaviour_mut().requests.send_response(channel, bytes.clone())),
            None => self.unanswered.push(channel),
        }
    }
    fn say(&mut self, bytes: Vec<u8>) {
        let victim = self.victim();
        self.swarm.behaviour_mut().requests.send_request(&victim, bytes);
    }
}
fn frame(kind: u8, claimed: u32, body: &[u8]) -> Vec<u8> {
    [&[kind], &claimed.to_le_bytes()[..], body].concat()
}

#[tokio::test]
async fn requests_that_are_too_large_unknown_or_malformed_end_the_connection() {
    for bytes in [frame(1, u32::MAX, b""), frame(200, 0, b""), frame(2, 4, b"junk")] {
        let mut victim = node().await;
        let (mut rogue, key) = Rogue::at(&mut victim).await;
        rogue.say(bytes);
        assert_eq!(rogue.run_until(victim.disconnected()).await, key);
    }
}

#[tokio::test]
async fn answers_that_are_malformed_or_answer_another_question_end_the_connection() {
    let unasked = Response::Mempool(vec![Txid::ZERO]);
    let body = wire::encode_response(&unasked).expect("encoded");
    for answer in [frame(2, 4, b"junk"), frame(9, 0, b""), frame(4, 40, &body)] {
        let mut victim = node().await;
        let (mut rogue, key) = Rogue::at(&mut victim).await;
        rogue.answer = Some(answer);
        victim.ask(key, 1, Request::Blocks { hashes: vec![BlockHash::ZERO] });
        let (_, answer) = rogue.run_until(victim.answer()).await;
        assert_eq!(answer, Err(RequestFailure::Malformed));
        assert_eq!(rogue.run_until(victim.disconnected()).await, key);
    }
}

#[tokio::test]
async fn a_peer_that_never_answers_times_out() {
    let mut victim = node_with(|config| config.request_timeout = Duration::from_millis(200)).await;
    let (mut rogue, key) = Rogue::at(&mut victim).await;
    victim.ask(key, 7, Request::Mempool);
    assert_eq!(rogue.run_until(victim.answer()).await, (RequestId(7), Err(RequestFailure::Timeout)));
    // One slow answer is the core's to judge, not the end.
    assert_eq!(victim.handle.peers().await.len(), 1);
}

#[tokio::test]
async fn gossip_that_cannot_be_read_ends_the_connection_and_goes_no_further() {
    let mut victim = node().await;
    let mut neighbour = node().await;
    victim.connect(&neighbour).await;
    victim.connected().await;
    neighbour.connected().await;
    let (mut rogue, key) = Rogue::at(&mut victim).await;
    let topic = rogue.names.blocks.hash();
    rogue.swarm.behaviour_mut().gossip.publish(topic, b"no block".to_vec()).expect("published");
    assert_eq!(rogue.run_until(victim.disconnected()).await, key);
    let honest = victim.publish(1);
    assert_eq!(neighbour.gossip().await.1, honest, "the first message the neighbour sees");
}

#[tokio::test]
async fn more_requests_at_once_than_allowed_are_refused_and_counted() {
    let mut victim = node().await;
    let (mut rogue, key) = Rogue::at(&mut victim).await;
    let request = frame(4, 0, b"");
    for _ in 0..requests::INBOUND_REQUESTS_PER_PEER_MAX + 5 {
        rogue.say(request.clone());
    }
    // The core never answers here; the fifth request too many is worth a disconnection.
    assert_eq!(rogue.run_until(victim.disconnected()).await, key);
    let banned = victim.handle.list_banned().await;
    assert!(banned.is_empty(), "{banned:?}");
}

#[tokio::test]
async fn gossip_flows_past_garbage_and_silence_before_the_handshake() {
    let (a, mut b) = pair().await;
    let socket = address::to_socket(&b.address.parse().expect("multiaddr")).expect("tcp");
    let mut strangers = Vec::new();
    for n in 0..150 {
        let mut stream = TcpStream::connect(socket).await.expect("accepted");
        if n % 2 == 0 {
            // The other end may have had enough already.
            let _ = stream.write_all(&[0xA5; 4_096]).await;
        }
        strangers.push(stream);
    }
    let began = Instant::now();
    let message = a.publish(1);
    assert_eq!(b.gossip().await.1, message);
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    let mut newcomer = node().await;
    newcomer.connect(&b).await;
    newcomer.connected().await;
    b.connected().await;
    assert_eq!(b.handle.peers().await.len(), 2);
}
