//! Peers that do not keep to the protocol, with real sockets.

use super::*;
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, StreamExt};
use libp2p::request_response::{self, Codec, Message, ProtocolSupport};
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{Multiaddr, PeerId, StreamProtocol, Swarm, gossipsub, identify, identity};
use std::io;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

/// Says and answers whatever bytes it is told to, and reads an answer when it gets a permit for it.
#[derive(Clone)]
struct RawCodec {
    may_read: Arc<Semaphore>,
}
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
        self.may_read.acquire().await.expect("open").forget();
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
    /// One permit for each answer that it reads.
    may_read: Arc<Semaphore>,
    /// Answers it has read.
    answers_read: usize,
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
        let may_read = Arc::new(Semaphore::new(0));
        let requests = request_response::Behaviour::with_codec(
            RawCodec { may_read: Arc::clone(&may_read) },
            [(names.request.clone(), ProtocolSupport::Full)],
            request_response::Config::default().with_request_timeout(Duration::from_secs(120)),
        );
        let identify = identify::Behaviour::new(identify::Config::new(names.identify.clone(), key.public()));
        let (transport, _) = behaviour::transport(&key, Arc::default(), 8, false).expect("transport");
        let swarm_config =
            libp2p::swarm::Config::with_tokio_executor().with_idle_connection_timeout(Duration::from_secs(60));
        let behaviour = RogueBehaviour { requests, gossip, identify };
        let mut swarm = Swarm::new(transport, behaviour, key.public().to_peer_id(), swarm_config);
        swarm.dial(victim.address.parse::<Multiaddr>().expect("multiaddr")).expect("dials");
        let mut rogue = Self { swarm, names, answer: None, unanswered: Vec::new(), may_read, answers_read: 0 };
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
        if let SwarmEvent::Behaviour(RogueBehaviourEvent::Requests(request_response::Event::Message {
            message: Message::Response { .. },
            ..
        })) = &event
        {
            self.answers_read += 1;
        }
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

/// Peers that ask for the largest answers and never take one: what is reserved for them keeps to its bounds, a peer that this
/// node dialled is served meanwhile, and whoever takes its answers gets all of them.
#[tokio::test]
async fn answers_that_nobody_takes_are_bounded_and_keep_nobody_else_waiting() {
    const ROGUES: usize = 14;
    let mut victim = node_with(|config| config.block_bytes_max = 1_000_000).await;
    let mut friend = node().await;
    victim.connect(&friend).await;
    friend.connected().await;
    victim.connected().await;
    let answer = || Response::Blocks((0..4).map(|n| block(n, 999_000)).collect());
    let large = block(1, 999_000);
    let mut rogues = Vec::new();
    for _ in 0..ROGUES {
        let (mut rogue, _) = Rogue::at(&mut victim).await;
        for number in 0..requests::INBOUND_REQUESTS_PER_PEER_MAX as u8 {
            let hashes =
                (0..16).map(|n| BlockHash::from_bytes([[number, n]; 16].concat().try_into().expect("32 bytes")));
            let hashes = hashes.collect();
            let body = wire::encode_request(&Request::Blocks { hashes }).expect("encoded");
            rogue.say(frame(wire::kind::BLOCKS, body.len() as u32, &body));
        }
        let served = (rogues.len() + 1) * requests::INBOUND_REQUESTS_PER_PEER_MAX;
        rogue
            .run_until(async {
                // As the core would: every request that reaches it is answered at once.
                loop {
                    let info = victim.handle.info().await.expect("runs");
                    assert!(info.answer_bytes <= requests::ANSWERS_BYTES_INBOUND_MAX, "{}", info.answer_bytes);
                    if info.requests_waiting + info.requests_answering == served {
                        break;
                    }
                    while let Some(input) = victim.inputs.try_recv() {
                        let Input::Request { id, .. } = input else { continue };
                        let response = Response::Blocks(vec![large.clone(); 4]);
                        victim.handle.perform(Output::Respond { id, response });
                    }
                    tokio::task::yield_now().await;
                }
            })
            .await;
        rogues.push(rogue);
    }
    let info = victim.handle.info().await.expect("runs");
    let per_peer = requests::ANSWERS_BYTES_PER_PEER_MAX / wire::BLOCKS_ANSWER_BYTES_MAX;
    assert!(info.requests_answering <= ROGUES * per_peer, "{} are being answered", info.requests_answering);
    // 1.8 GB were asked for.
    assert!(info.answer_bytes <= requests::ANSWERS_BYTES_INBOUND_MAX, "{}", info.answer_bytes);

    let key = friend.handle.peers().await[0].key;
    friend.ask(key, 1, Request::Blocks { hashes: vec![BlockHash::ZERO] });
    loop {
        let (id, request) = victim.request().await;
        let is_friend = request == Request::Blocks { hashes: vec![BlockHash::ZERO] };
        victim.handle.perform(Output::Respond { id, response: answer() });
        if is_friend {
            break;
        }
    }
    assert_eq!(friend.answer().await, (RequestId(1), Ok(answer())));

    // One of them starts to read: it is served to its last request.
    let mut reader = rogues.pop().expect("some");
    reader.may_read.add_permits(requests::INBOUND_REQUESTS_PER_PEER_MAX);
    while reader.answers_read < requests::INBOUND_REQUESTS_PER_PEER_MAX {
        tokio::select! {
            event = reader.swarm.select_next_some() => reader.on_event(event),
            (id, _) = victim.request() => victim.handle.perform(Output::Respond { id, response: answer() }),
        }
    }
}

#[tokio::test]
async fn a_request_that_names_a_block_twice_ends_the_connection() {
    let mut victim = node().await;
    let (mut rogue, key) = Rogue::at(&mut victim).await;
    let twice = Request::Blocks { hashes: vec![BlockHash::ZERO; 2] };
    let body = wire::encode_request(&twice).expect("encoded");
    rogue.say(frame(wire::kind::BLOCKS, body.len() as u32, &body));
    assert_eq!(rogue.run_until(victim.disconnected()).await, key);
}
