//! A peer that says and answers whatever it is told to, over libp2p's real transports. It shares no code with the node: what it
//! writes is written from the documentation of the wire format.

use chain_spec::ChainSpec;
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, StreamExt};
use libp2p::request_response::{self, Codec, Message, ProtocolSupport};
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{Multiaddr, StreamProtocol, Swarm, gossipsub, identify, noise, tcp, yamux};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc as std_mpsc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Kinds of messages: the first byte of a frame.
pub const HEADERS: u8 = 1;
/// Whole blocks.
pub const BLOCKS: u8 = 2;
/// A peer's mempool ids.
pub const MEMPOOL: u8 = 4;

/// How it answers a request, kind and body: with these bytes, or never.
pub type Answers = Arc<dyn Fn(u8, &[u8]) -> Option<Vec<u8>> + Send + Sync>;

/// A frame: kind, length, body.
pub fn frame(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind], &(body.len() as u32).to_le_bytes()[..], body].concat()
}

/// A list of entries of one size.
pub fn list<'a>(entries: impl ExactSizeIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut bytes = (entries.len() as u64).to_le_bytes().to_vec();
    entries.for_each(|entry| bytes.extend_from_slice(entry));
    bytes
}

/// A list of byte strings, each with its length.
pub fn contents(entries: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = (entries.len() as u64).to_le_bytes().to_vec();
    for entry in entries {
        bytes.extend_from_slice(&(entry.len() as u64).to_le_bytes());
        bytes.extend_from_slice(entry);
    }
    bytes
}

/// The topics.
#[derive(Clone, Copy, Debug)]
pub enum Topic {
    /// Whole transactions.
    Transactions,
    /// Compact blocks.
    Blocks,
}

/// What is written on a stream, and whether the stream then stays open with more to come that never comes.
#[derive(Clone, Debug)]
struct Said {
    bytes: Vec<u8>,
    is_held: bool,
}

enum Command {
    Say(Said),
    Publish(Topic, Vec<u8>),
}

/// The peer; gone when dropped.
pub struct Rogue {
    commands: mpsc::UnboundedSender<Command>,
    ended: std_mpsc::Receiver<()>,
    runtime: Option<tokio::runtime::Runtime>,
}

#[derive(NetworkBehaviour)]
struct Behaviour {
    requests: request_response::Behaviour<Raw>,
    gossip: gossipsub::Behaviour,
    identify: identify::Behaviour,
}

impl Rogue {
    /// Connects to a node of a chain; returns once it can be gossiped to.
    pub fn connect(address: &str, spec: &ChainSpec, answers: Answers) -> Rogue {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let (commands, inbox) = mpsc::unbounded_channel();
        let (end, ended) = std_mpsc::channel();
        let (ready, is_ready) = std_mpsc::channel();
        let id = hex::encode(&spec.id()[..8]);
        let swarm = runtime.block_on(async {
            let mut swarm = swarm(&spec.name, &id);
            swarm.dial(address.parse::<Multiaddr>().expect("a multiaddr")).expect("dials");
            swarm
        });
        runtime.spawn(run(swarm, id, answers, inbox, ready, end));
        is_ready.recv_timeout(crate::wait::WAIT_MAX).expect("the node takes the connection");
        Rogue { commands, ended, runtime: Some(runtime) }
    }

    /// Sends bytes on a stream of the request protocol.
    pub fn say(&self, bytes: Vec<u8>) {
        // Once disconnected there is nobody to say it to.
        let _ = self.commands.send(Command::Say(Said { bytes, is_held: false }));
    }

    /// Begins to send, and never ends.
    pub fn begin_to_say(&self, bytes: Vec<u8>) {
        let _ = self.commands.send(Command::Say(Said { bytes, is_held: true }));
    }

    /// Gossips bytes.
    pub fn publish(&self, topic: Topic, bytes: Vec<u8>) {
        let _ = self.commands.send(Command::Publish(topic, bytes));
    }

    /// Waits until the node has closed the connection; whether it did in time.
    pub fn is_dropped_within(&self, time: Duration) -> bool {
        !matches!(self.ended.recv_timeout(time), Err(std_mpsc::RecvTimeoutError::Timeout))
    }
}

impl Drop for Rogue {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn swarm(chain: &str, id: &str) -> Swarm<Behaviour> {
    let built = libp2p::SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, yamux::Config::default)
        .expect("a transport")
        .with_behaviour(|key| {
            let config = gossipsub::ConfigBuilder::default()
                .protocol_id_prefix(format!("/testoon/{id}/gossip"))
                .validation_mode(gossipsub::ValidationMode::Anonymous)
                .max_transmit_size(4 << 20)
                // Every message is new to it, so that it says the same thing again when told to.
                .message_id_fn(|_| {
                    static MESSAGES: AtomicU64 = AtomicU64::new(0);
                    gossipsub::MessageId::from(MESSAGES.fetch_add(1, Ordering::Relaxed).to_be_bytes().to_vec())
                })
                .build()
                .expect("a configuration");
            let mut gossip =
                gossipsub::Behaviour::new(gossipsub::MessageAuthenticity::Anonymous, config).expect("gossip");
            for topic in ["transactions", "blocks"] {
                gossip.subscribe(&gossipsub::IdentTopic::new(format!("testoon/{id}/{topic}"))).expect("subscribed");
            }
            let protocol = StreamProtocol::try_from_owned(format!("/testoon/{id}/request/1")).expect("a name");
            let config = request_response::Config::default().with_request_timeout(Duration::from_secs(600));
            let requests = request_response::Behaviour::with_codec(Raw, [(protocol, ProtocolSupport::Full)], config);
            let identify =
                identify::Behaviour::new(identify::Config::new(format!("/testoon/{chain}/{id}"), key.public()));
            Behaviour { requests, gossip, identify }
        })
        .expect("a behaviour");
    built.with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(600))).build()
}

async fn run(
    mut swarm: Swarm<Behaviour>,
    id: String,
    answers: Answers,
    mut inbox: mpsc::UnboundedReceiver<Command>,
    ready: std_mpsc::Sender<()>,
    end: std_mpsc::Sender<()>,
) {
    let topic = |topic| match topic {
        Topic::Transactions => gossipsub::IdentTopic::new(format!("testoon/{id}/transactions")),
        Topic::Blocks => gossipsub::IdentTopic::new(format!("testoon/{id}/blocks")),
    };
    let mut silent = Vec::new();
    let mut subscribed = 0;
    loop {
        tokio::select! {
            command = inbox.recv() => match command {
                Some(Command::Say(said)) => {
                    let peer = swarm.connected_peers().next().copied();
                    peer.map(|peer| swarm.behaviour_mut().requests.send_request(&peer, said));
                }
                Some(Command::Publish(to, bytes)) => drop(swarm.behaviour_mut().gossip.publish(topic(to), bytes)),
                None => return,
            },
            event = swarm.select_next_some() => match event {
                SwarmEvent::ConnectionClosed { .. } => {
                    // The test may have seen enough already.
                    let _ = end.send(());
                }
                SwarmEvent::Behaviour(BehaviourEvent::Gossip(gossipsub::Event::Subscribed { .. })) => {
                    subscribed += 1;
                    if subscribed == 2 {
                        let _ = ready.send(());
                    }
                }
                SwarmEvent::Behaviour(BehaviourEvent::Requests(request_response::Event::Message {
                    message: Message::Request { request, channel, .. }, ..
                })) => match answers(request.bytes[0], &request.bytes[1..]) {
                    Some(bytes) => drop(swarm.behaviour_mut().requests.send_response(channel, bytes)),
                    None => silent.push(channel),
                },
                _ => {}
            },
        }
    }
}

/// Reads whole frames, writes anything.
#[derive(Clone)]
struct Raw;

impl Codec for Raw {
    type Protocol = StreamProtocol;
    /// Read: kind and body.
    type Request = Said;
    type Response = Vec<u8>;

    async fn read_request<T: AsyncRead + Unpin + Send>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Said> {
        let mut head = [0; 5];
        io.read_exact(&mut head).await?;
        let [kind, length @ ..] = head;
        let mut message = vec![0; 1 + u32::from_le_bytes(length) as usize];
        message[0] = kind;
        io.read_exact(&mut message[1..]).await?;
        Ok(Said { bytes: message, is_held: false })
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
        said: Said,
    ) -> io::Result<()> {
        io.write_all(&said.bytes).await?;
        io.flush().await?;
        if said.is_held {
            std::future::pending::<()>().await;
        }
        Ok(())
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
