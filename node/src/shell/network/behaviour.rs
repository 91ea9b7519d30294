//! The libp2p protocols a node speaks, how each is set up, and the transport under them.
//!
//! Every protocol of ours carries the chain's id in its name, so peers of another chain cannot even negotiate it; identify and
//! ping keep their common names, so that such peers can be told apart and named in the log.

use super::bounds::ConnectionBounds;
use super::codec::Codec;
use super::connection_policy::ConnectionPolicy;
use super::handshakes::Handshakes;
use super::link::{LinkMuxer, Links};
use super::nat;
use super::wire::{Limits, TRANSACTION_BYTES_MAX};
use super::{NetworkConfig, NetworkError};
use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::Boxed;
use libp2p::core::upgrade::Version;
use libp2p::identity::Keypair;
use libp2p::swarm::NetworkBehaviour;
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::{
    PeerId, StreamProtocol, Transport, autonat, connection_limits, dcutr, gossipsub, identify, kad, mdns, noise, ping,
    quic, relay, request_response, tcp, yamux,
};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::Duration;

/// Time for a connection to be encrypted, authenticated and multiplexed; a peer that stays silent is dropped then.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(3);
/// How long an answer to a ping may take: there and back over the slowest link, twice.
const PING_TIMEOUT: Duration = Duration::from_secs(80);
/// Streams of one connection at once, over all protocols.
const STREAMS_PER_CONNECTION_MAX: usize = 256;
/// Requests under way on one connection, both ways together.
const REQUEST_STREAMS_MAX: usize = 64;
/// Gossip messages queued for one peer; what does not fit is not sent to it.
const GOSSIP_QUEUE_MESSAGES_MAX: usize = 16_384;
/// How long a message may wait in that queue.
const GOSSIP_QUEUE_WAIT_MAX: Duration = Duration::from_secs(10);
/// gossipsub's heartbeat.
pub const HEARTBEAT: Duration = Duration::from_secs(1);
/// Heartbeats a message is kept for: for peers who ask again, and until its verdict is known.
pub const GOSSIP_HISTORY_HEARTBEATS: usize = 6;
/// Bytes of control messages in one gossip frame: ids of 5,000 messages and their framing (the default of 16 KiB refuses them).
const GOSSIP_CONTROL_BYTES_MAX: usize = 256 << 10;
/// Bytes of a message id: enough of a SHA-256 that no two messages share one.
const MESSAGE_ID_BYTES: usize = 20;
/// Bytes of protobuf around a gossiped message.
const GOSSIP_FRAMING_BYTES: usize = 4 << 10;

/// The names that belong to one chain.
#[derive(Clone, Debug)]
pub struct ChainNames {
    /// First 8 bytes of the chain id, hex.
    pub id: String,
    /// `/testoon/ID/request/1`.
    pub request: StreamProtocol,
    /// `/testoon/ID/kad/1`.
    pub kad: StreamProtocol,
    /// identify's protocol version: `/testoon/NAME/ID`.
    pub identify: String,
    /// Topic of whole transactions.
    pub transactions: gossipsub::IdentTopic,
    /// Topic of compact blocks.
    pub blocks: gossipsub::IdentTopic,
}
impl ChainNames {
    /// The names of a chain.
    pub fn new(chain_id: &[u8; 32], chain_name: &str) -> Self {
        let id = hex::encode(&chain_id[..8]);
        let protocol = |what: &str| {
            StreamProtocol::try_from_owned(format!("/testoon/{id}/{what}/1")).expect("starts with a slash")
        };
        Self {
            request: protocol("request"),
            kad: protocol("kad"),
            identify: format!("/testoon/{chain_name}/{id}"),
            transactions: gossipsub::IdentTopic::new(format!("testoon/{id}/transactions")),
            blocks: gossipsub::IdentTopic::new(format!("testoon/{id}/blocks")),
            id,
        }
    }
    /// The chain another node says it is on: name and id.
    pub fn parse_identify(protocol_version: &str) -> Option<(&str, &str)> {
        protocol_version.strip_prefix("/testoon/")?.rsplit_once('/')
    }
}

/// All protocols together.
#[derive(NetworkBehaviour)]
pub struct Behaviour {
    /// First, so that they refuse before any other allocates.
    pub limits: connection_limits::Behaviour,
    /// Bans, blocked links, address ranges.
    pub policy: ConnectionPolicy,
    /// Transactions and compact blocks to everybody.
    pub gossip: gossipsub::Behaviour,
    /// Headers, blocks and transactions from one peer.
    pub requests: request_response::Behaviour<Codec>,
    /// Who is there.
    pub identify: identify::Behaviour,
    /// Is it alive, and how far away.
    pub ping: ping::Behaviour,
    /// Finding peers on the internet.
    pub kad: Toggle<kad::Behaviour<kad::store::MemoryStore>>,
    /// Finding peers on the local network.
    pub mdns: Toggle<mdns::tokio::Behaviour>,
    /// Whether we can be dialled from outside.
    pub autonat: Toggle<autonat::Behaviour>,
    /// Being reached through another node.
    pub relay_client: Toggle<relay::client::Behaviour>,
    /// Letting others be reached through us (once an address of ours is known to be reachable).
    pub relay_server: Toggle<relay::Behaviour>,
    /// From a relayed connection to a direct one (hole punching).
    pub dcutr: Toggle<dcutr::Behaviour>,
}

/// Sets up every protocol. With `relay_client`, those that get through address translators too.
pub fn behaviour(
    config: &NetworkConfig,
    bounds: &ConnectionBounds,
    names: &ChainNames,
    key: &Keypair,
    relay_client: Option<relay::client::Behaviour>,
) -> Result<Behaviour, NetworkError> {
    let limits = Limits { block_bytes_max: config.block_bytes_max };
    let peer_id = key.public().to_peer_id();
    let request_config = request_response::Config::default()
        .with_request_timeout(config.request_timeout)
        .with_max_concurrent_streams(REQUEST_STREAMS_MAX);
    let requests = request_response::Behaviour::with_codec(
        Codec::new(limits),
        [(names.request.clone(), request_response::ProtocolSupport::Full)],
        request_config,
    );
    let identify = identify::Config::new(names.identify.clone(), key.public())
        .with_agent_version(config.agent.clone())
        .with_cache_size(0);
    let mdns = (config.discover && config.mdns).then(|| mdns::tokio::Behaviour::new(mdns::Config::default(), peer_id));
    let mdns = mdns.and_then(|made| {
        let report = |error: &_| tracing::warn!("peers on the local network are not looked for: mDNS: {error}");
        made.inspect_err(report).ok()
    });
    let is_nat = relay_client.is_some();
    Ok(Behaviour {
        limits: connection_limits::Behaviour::new(handshake_limits(bounds)),
        policy: ConnectionPolicy::new(bounds.inbound, bounds.inbound_room),
        gossip: gossip(names, &limits)?,
        requests,
        identify: identify::Behaviour::new(identify),
        ping: ping::Behaviour::new(ping::Config::new().with_timeout(PING_TIMEOUT)),
        kad: (config.discover && config.kad).then(|| kademlia(names, peer_id)).into(),
        mdns: mdns.into(),
        autonat: is_nat.then(|| autonat::Behaviour::new(peer_id, autonat::Config::default())).into(),
        relay_server: is_nat.then(|| relay::Behaviour::new(peer_id, nat::relay_config())).into(),
        dcutr: is_nat.then(|| dcutr::Behaviour::new(peer_id)).into(),
        relay_client: relay_client.into(),
    })
}

/// Connections that are not established yet; the [`ConnectionPolicy`] limits those that are. [`Handshakes`] bounds the inbound ones; here
/// is the backstop, since one that gives way is counted until its task has noticed.
fn handshake_limits(bounds: &ConnectionBounds) -> connection_limits::ConnectionLimits {
    connection_limits::ConnectionLimits::default()
        .with_max_pending_incoming(u32::try_from(bounds.handshakes_pending).ok())
        .with_max_pending_outgoing(u32::try_from(bounds.dials).ok())
}

/// Server mode, for a network whose nodes were all clients would answer nobody. It dials on its own account, and so it is
/// there only where looking for peers is wanted at all: a fixed topology runs without it.
fn kademlia(names: &ChainNames, peer_id: PeerId) -> kad::Behaviour<kad::store::MemoryStore> {
    let config = kad::Config::new(names.kad.clone());
    let mut kad = kad::Behaviour::with_config(peer_id, kad::store::MemoryStore::new(peer_id), config);
    kad.set_mode(Some(kad::Mode::Server));
    kad
}

fn gossip(names: &ChainNames, limits: &Limits) -> Result<gossipsub::Behaviour, NetworkError> {
    let setup = |e: &dyn std::fmt::Display| NetworkError::Setup(format!("gossip: {e}"));
    let bytes_max = limits.compact_block_bytes_max() + GOSSIP_FRAMING_BYTES;
    let config = gossipsub::ConfigBuilder::default()
        .protocol_id_prefix(format!("/testoon/{}/gossip", names.id))
        .validation_mode(gossipsub::ValidationMode::Anonymous)
        .validate_messages()
        .message_id_fn(message_id)
        .max_transmit_size(bytes_max)
        .max_transmit_size_for_topic(bytes_max, names.blocks.hash())
        .max_transmit_size_for_topic(TRANSACTION_BYTES_MAX + GOSSIP_FRAMING_BYTES, names.transactions.hash())
        .max_control_message_size(GOSSIP_CONTROL_BYTES_MAX)
        .heartbeat_initial_delay(Duration::from_millis(100))
        .heartbeat_interval(HEARTBEAT)
        .history_length(GOSSIP_HISTORY_HEARTBEATS)
        .history_gossip(3)
        // A replay within this time is dropped without bothering the core; ids only, 10,000 per second are ~60 MB.
        .duplicate_cache_time(Duration::from_secs(120))
        .flood_publish(true)
        .mesh_n_low(4)
        .mesh_n(8)
        .mesh_n_high(12)
        .mesh_outbound_min(2)
        // Loopback partners come back within seconds; the default minute would keep them out of the mesh.
        .prune_backoff(Duration::from_secs(10))
        .graft_flood_threshold(Duration::from_secs(2))
        .connection_handler_queue_len(GOSSIP_QUEUE_MESSAGES_MAX)
        .publish_queue_duration(GOSSIP_QUEUE_WAIT_MAX)
        .forward_queue_duration(GOSSIP_QUEUE_WAIT_MAX)
        .build()
        .map_err(|e| setup(&e))?;
    let mut gossip =
        gossipsub::Behaviour::new(gossipsub::MessageAuthenticity::Anonymous, config).map_err(|e| setup(&e))?;
    gossip.with_peer_score(score_params(names), gossipsub::PeerScoreThresholds::default()).map_err(|e| setup(&e))?;
    for topic in [&names.transactions, &names.blocks] {
        gossip.subscribe(topic).map_err(|e| setup(&e))?;
    }
    Ok(gossip)
}

/// The id of a gossiped message is the hash of its topic and content: nobody can give one message two ids, or two messages one.
fn message_id(message: &gossipsub::Message) -> gossipsub::MessageId {
    let hash = Sha256::new().chain_update(message.topic.as_str()).chain_update(&message.data).finalize();
    gossipsub::MessageId::from(hash[..MESSAGE_ID_BYTES].to_vec())
}

/// Invalid messages weigh far more than anything a peer can earn; nothing is lost by sharing an address or being quiet or slow.
fn score_params(names: &ChainNames) -> gossipsub::PeerScoreParams {
    let topic = gossipsub::TopicScoreParams {
        topic_weight: 1.0,
        time_in_mesh_weight: 0.01,
        time_in_mesh_quantum: Duration::from_secs(1),
        time_in_mesh_cap: 100.0,
        first_message_deliveries_weight: 0.1,
        first_message_deliveries_decay: 0.9,
        first_message_deliveries_cap: 40.0,
        mesh_message_deliveries_weight: 0.0,
        mesh_failure_penalty_weight: 0.0,
        invalid_message_deliveries_weight: -20.0,
        invalid_message_deliveries_decay: 0.99,
        ..gossipsub::TopicScoreParams::default()
    };
    gossipsub::PeerScoreParams {
        topics: [&names.transactions, &names.blocks].map(|name| (name.hash(), topic.clone())).into(),
        topic_score_cap: 10.0,
        // Strangers by the thousand must not pile up here; points that last are the address book's.
        retain_score: Duration::from_secs(60),
        ip_colocation_factor_weight: 0.0,
        slow_peer_weight: 0.0,
        behaviour_penalty_threshold: 6.0,
        ..gossipsub::PeerScoreParams::default()
    }
}

/// What a connection ends up as.
pub type Connections = Boxed<(PeerId, StreamMuxerBox)>;

/// TCP (noise, yamux) and QUIC, each stream counted and conditioned by `links`. With `nat`, relayed connections too, and the
/// behaviour that asks relays for them.
pub fn transport(
    key: &Keypair,
    links: Arc<Links>,
    handshakes_max: usize,
    nat: bool,
) -> Result<(Connections, Option<relay::client::Behaviour>), NetworkError> {
    let mut yamux = yamux::Config::default();
    yamux.set_max_num_streams(STREAMS_PER_CONNECTION_MAX);
    let noise = noise::Config::new(key).map_err(|e| NetworkError::Setup(format!("noise: {e}")))?;
    let tcp = tcp::tokio::Transport::new(tcp::Config::default().nodelay(true))
        .upgrade(Version::V1Lazy)
        .authenticate(noise.clone())
        .multiplex(yamux.clone())
        .timeout(HANDSHAKE_TIMEOUT)
        .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)));
    let mut quic_config = quic::Config::new(key);
    quic_config.handshake_timeout = HANDSHAKE_TIMEOUT;
    let quic = quic::tokio::Transport::new(quic_config).map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)));
    let direct = quic.or_transport(tcp).map(|either, _| either.into_inner());
    let wrap = move |(peer, muxer): (PeerId, StreamMuxerBox), _| {
        (peer, StreamMuxerBox::new(LinkMuxer::new(muxer, links.open(peer))))
    };
    if !nat {
        return Ok((Handshakes::new(direct.map(wrap).boxed(), handshakes_max).boxed(), None));
    }
    let (relayed, behaviour) = relay::client::new(key.public().to_peer_id());
    let relayed = relayed
        .upgrade(Version::V1Lazy)
        .authenticate(noise)
        .multiplex(yamux)
        .timeout(HANDSHAKE_TIMEOUT)
        .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)));
    // Relayed first: the others would take a relayed address for one of theirs.
    let all = relayed.or_transport(direct).map(|either, _| either.into_inner());
    Ok((Handshakes::new(all.map(wrap).boxed(), handshakes_max).boxed(), Some(behaviour)))
}
